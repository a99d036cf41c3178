// What a timeline of changes means for the last 24 hours: stretches of one state, with the cause of each. Pure; the band and its table are
// drawn from the same stretches, so that they say the same.

import type { Timeline } from "../../api/types";

export type Change = Timeline["items"][number];

export interface Span {
  from: number;
  to: number;
  /** "" where nothing is known: before the service began. */
  state: string;
  change: Change | null;
  /** It lasts. */
  isNow: boolean;
}

/** What a connector is called while it only waits for its turn to begin. */
const unknown = (from: number, to: number): Span => ({ from, to, state: "", change: null, isNow: false });

/** The stretches of [from, to], oldest first, without holes. Changes that repeat the state and its cause are one. */
export function spansOf(changes: readonly Change[], from: number, to: number): Span[] {
  const known = changes
    .map((change) => ({ change, at: Date.parse(change.ts) }))
    .filter(({ at }) => Number.isFinite(at) && at <= to)
    .sort((a, b) => a.at - b.at);
  const spans: Span[] = [];
  const first = known[0];
  if (!first) return [unknown(from, to)];
  if (first.at > from) spans.push(unknown(from, first.at));
  known.forEach(({ change, at }, i) => {
    const end = known[i + 1]?.at ?? to;
    if (end <= from) return;
    const last = spans.at(-1);
    if (last?.change && last.state === change.state && last.change.code === change.code) last.to = end;
    else spans.push({ from: Math.max(from, at), to: end, state: change.state, change, isNow: false });
  });
  const last = spans.at(-1);
  if (last) last.isNow = true;
  return spans;
}

/** Where a stretch is drawn, in parts of a hundred of the band: never thinner than can be seen, and never over its end. */
export function place(span: Span, from: number, to: number, thinnest = 0.4): { left: number; width: number } {
  const whole = Math.max(1, to - from);
  const width = Math.max(thinnest, ((span.to - span.from) / whole) * 100);
  const left = Math.min(100 - width, ((span.from - from) / whole) * 100);
  return { left: Math.max(0, left), width: Math.min(100, width) };
}
