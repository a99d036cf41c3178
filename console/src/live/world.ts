// What the socket stands on, and whom it tells: the browser's own in live.ts, others in the tests.

import type { Connector } from "../api/types";

/** What the socket needs from the browser, to be replaced in tests. */
export interface World {
  open: () => WebSocket;
  frame: (act: () => void) => void;
  wait: (act: () => void, ms: number) => () => void;
  random: () => number;
  now: () => number;
}

/** Whom it tells. */
export interface Told {
  connectors: (items: Connector[]) => void;
  lost: (retryAt: number) => void;
  found: () => void;
  needsLogin: () => void;
  /** The token may not see connectors: they are not told. */
  watchRefused: () => void;
}
