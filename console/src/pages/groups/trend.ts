// Which way a lag goes, by what this tab has seen of it: the API tells only where it is now.

import type { Seen } from "../../api/seen";

/** A shorter look says nothing. */
const LOOK_MS_MIN = 8_000;
/** What counts for the trend: older points are for the chart only. */
const LOOK_MS_MAX = 120_000;

export type Trend = "growing" | "shrinking" | "steady";

/** The mean of the look's newer half against that of its older half; null when too little was seen. */
export function trendOf(seen: readonly Seen[]): Trend | null {
  const last = seen.at(-1);
  if (!last) return null;
  const look = seen.filter((one) => last.at - one.at <= LOOK_MS_MAX);
  const first = look[0];
  if (!first || look.length < 3 || last.at - first.at < LOOK_MS_MIN) return null;
  const middle = Math.floor(look.length / 2);
  const mean = (part: readonly Seen[]) => part.reduce((sum, one) => sum + one.value, 0) / part.length;
  const [older, newer] = [mean(look.slice(0, middle)), mean(look.slice(-middle))];
  if (Math.abs(newer - older) <= Math.max(3, older * 0.05)) return "steady";
  return newer > older ? "growing" : "shrinking";
}
