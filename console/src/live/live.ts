// The tab's own socket, and hooks for pages: connectors as they are now, records as they come.

import { useEffect, useMemo, useRef } from "preact/hooks";
import { signal } from "@preact/signals";
import { needsLogin } from "../api/client";
import { type Polled, usePolled } from "../api/polled";
import type { Connector, Items } from "../api/types";
import { found, lost } from "../app/connection";
import type { Ear, Wish } from "./messages";
import { Socket, type Subscription } from "./socket";

/** Whether this is seen by the connection bar. */
const WHO = "socket";

/** The connectors once a second while somebody watches; null while they are not told. */
export const connectors = signal<Connector[] | null>(null);

/** True while the socket is lost: live lists stand still, and say so. */
export const isAway = signal(false);

const socket = new Socket(
  {
    open: () => new WebSocket(`${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/v1/ws`, "rowfeed.v1"),
    frame: (act) => requestAnimationFrame(act),
    wait: (act, ms) => {
      const timer = setTimeout(act, ms);
      return () => clearTimeout(timer);
    },
    random: Math.random,
    now: Date.now,
  },
  {
    connectors: (items) => {
      connectors.value = items;
    },
    lost: (retryAt) => {
      isAway.value = true;
      connectors.value = null;
      lost(WHO, retryAt);
    },
    found: () => {
      isAway.value = false;
      found(WHO);
    },
    needsLogin: () => {
      needsLogin.value = true;
    },
    watchRefused: () => {
      connectors.value = null;
    },
  },
);

document.addEventListener("visibilitychange", () => socket.seen(document.visibilityState === "visible"));
window.addEventListener("online", () => socket.seen(document.visibilityState === "visible"));

/** Asked now and then beside the socket: where there is none (a proxy without WebSockets, no right) it is all there is. */
const POLLED_MS = 10_000;

/** All connectors: at once by a request, then each second by the socket. */
export function useConnectors(): Polled<Connector[]> {
  useEffect(() => socket.watch(), []);
  const polled = usePolled<Items<Connector>>("/v1/connectors", POLLED_MS);
  const told = connectors.value;
  const data = told ?? polled.data?.items;
  return { ...polled, data, loading: data === undefined && polled.loading };
}

/** One connector by name; null data where there is none of it. */
export function useConnector(name: string): Polled<Connector | null> {
  const all = useConnectors();
  return { ...all, data: all.data === undefined ? undefined : (all.data.find((one) => one.name === name) ?? null) };
}

/** A subscription outside of a component. */
export const subscribe = (wish: Wish, ear: Ear): Subscription => socket.subscribe(wish, ear);

/** A subscription as long as the component is there and there is a wish. A change of topics, start or sample makes a new one; the ear may
 *  change freely. The result pauses, resumes, changes filters. */
export function useSubscription(wish: Wish | null, ear: Ear): { current: Subscription | null } {
  const latest = useRef(ear);
  latest.current = ear;
  const made = useRef<Subscription | null>(null);
  const text = JSON.stringify(wish);
  const stable = useMemo(() => wish, [text]);
  useEffect(() => {
    if (!stable) return;
    made.current = socket.subscribe(stable, {
      records: (items) => latest.current.records(items),
      caughtUp: () => latest.current.caughtUp?.(),
      gap: (gap) => latest.current.gap?.(gap),
      skipped: (n) => latest.current.skipped?.(n),
      refused: (code, message) => latest.current.refused?.(code, message),
      began: () => latest.current.began?.(),
    });
    return () => {
      made.current?.close();
      made.current = null;
    };
  }, [stable]);
  return made;
}
