// What goes over the socket, as src/http/stream/ws.rs has it.

import type { Connector } from "../api/types";

/** What a subscription asks for. Filters are the API's: see docs/reference/filters.md. */
export interface Wish {
  topics?: string[];
  /** Patterns: shop.public.* */
  match?: string[];
  /** Where to begin: latest unless said. */
  from?: string;
  /** Where to go on, as an earlier record's cursor says; wins over `from`. */
  cursor?: string;
  where?: string;
  op?: string;
  key?: string;
  view?: "envelope" | "flat" | "diff";
  columns?: string;
  /** This partition only. */
  partition?: number;
  /** Show at most so many a second and count the rest: for people who watch. */
  sample?: number;
  /** Records that may be under way or wait to be drawn. */
  credit?: number;
}

/** A record as every view of a subscription has it; `envelope` has `value`, `diff` has the rest. */
export interface LiveRecord {
  topic: string;
  partition: number;
  offset: number;
  ts?: string;
  key: unknown;
  op?: string;
  value?: unknown;
  changed?: Record<string, unknown[]> | null;
  row?: Record<string, unknown> | null;
  unavailable?: string[];
  before_complete?: boolean;
  /** An update that brings the row into the filter, or takes it out. */
  filter?: "enters" | "leaves";
}

export interface Gap {
  requested?: string;
  resumed?: string;
  reason?: string;
  missing?: number;
}

/** What comes. */
export type Said =
  | { type: "subscribed"; id: string; partitions: Record<string, number>; cursor: string; topics?: Record<string, string> }
  | { type: "unsubscribed"; id: string }
  | { type: "records"; id: string; items: LiveRecord[]; cursor: string }
  | { type: "caught_up"; id: string; cursor: string }
  | ({ type: "gap"; id: string; cursor: string } & Gap)
  | { type: "skipped"; id: string; n: number }
  | { type: "end"; id: string; cursor: string }
  | { type: "error"; id: string; code: string; message: string }
  | { type: "state"; connector: string; state: string | null }
  | { type: "metrics"; items: Connector[]; streams: number };

/** Who listens to a subscription. All are called once an animation frame at most, in the order of the stream. */
export interface Ear {
  records: (items: LiveRecord[]) => void;
  /** All there was is read; what comes now happens now. */
  caughtUp?: () => void;
  /** Records that retention removed before they were read. */
  gap?: (gap: Gap) => void;
  /** A sample left out so many. */
  skipped?: (n: number) => void;
  /** It is refused, or it broke: nothing more comes until it is changed or made anew. */
  refused?: (code: string, message: string) => void;
  /** It was accepted (again, after a change or a loss). */
  began?: () => void;
}
