// Which way a lag goes, by what this tab has seen of it: the API tells only where it is now. Promises at most SEEN_MAX points for each name.

import { useRef } from "preact/hooks";

export interface Seen {
  at: number;
  lag: number;
}

/** Points that are kept; asked every 5 s these are ten minutes. */
const SEEN_MAX = 120;
/** A shorter look says nothing. */
const LOOK_MS_MIN = 8_000;
/** What counts for the trend: older points are for the chart only. */
const LOOK_MS_MAX = 120_000;

export type Trend = "growing" | "shrinking" | "steady";

/** Adds a point; the oldest go. */
export const noted = (seen: readonly Seen[], one: Seen): Seen[] => [...seen, one].slice(-SEEN_MAX);

/** The mean of the look's newer half against that of its older half; null when too little was seen. */
export function trendOf(seen: readonly Seen[]): Trend | null {
  const last = seen.at(-1);
  if (!last) return null;
  const look = seen.filter((one) => last.at - one.at <= LOOK_MS_MAX);
  const first = look[0];
  if (!first || look.length < 3 || last.at - first.at < LOOK_MS_MIN) return null;
  const middle = Math.floor(look.length / 2);
  const mean = (part: readonly Seen[]) => part.reduce((sum, one) => sum + one.lag, 0) / part.length;
  const [older, newer] = [mean(look.slice(0, middle)), mean(look.slice(-middle))];
  if (Math.abs(newer - older) <= Math.max(3, older * 0.05)) return "steady";
  return newer > older ? "growing" : "shrinking";
}

/** What was seen of each name while the page is there. Each answer counts once. */
export function useSeen<T>(answer: readonly T[] | undefined, name: (one: T) => string, lag: (one: T) => number): ReadonlyMap<string, readonly Seen[]> {
  const kept = useRef<{ of: unknown; seen: Map<string, Seen[]> }>({ of: undefined, seen: new Map() });
  if (answer && kept.current.of !== answer) {
    const at = Date.now();
    const seen = new Map(answer.map((one) => [name(one), noted(kept.current.seen.get(name(one)) ?? [], { at, lag: lag(one) })]));
    kept.current = { of: answer, seen };
  }
  return kept.current.seen;
}
