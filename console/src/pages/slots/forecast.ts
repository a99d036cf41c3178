// How long until a slot has used up the WAL it may hold: a straight line through what was seen lately. An estimate, and nothing else.

import type { Seen } from "../../api/seen";

/** Bytes that were held; null is not known. */
export type Point = Seen<number | null>;

/** What is looked at. */
const LOOK_MS = 15 * 60_000;
/** A shorter look, or fewer points, says nothing. */
const LOOK_MS_MIN = 15_000;
const POINTS_MIN = 3;
/** Farther away is no estimate any more. */
const FAR_MS = 7 * 24 * 3_600_000;

/** Bytes a millisecond, by least squares over the last quarter of an hour; null when too little is known. */
export function growth(points: readonly Point[]): number | null {
  const known = points.filter((point): point is Seen => point.value !== null);
  const last = known.at(-1);
  if (!last) return null;
  const look = known.filter((point) => last.at - point.at <= LOOK_MS);
  const first = look[0];
  if (!first || look.length < POINTS_MIN || last.at - first.at < LOOK_MS_MIN) return null;
  const n = look.length;
  const meanAt = look.reduce((sum, point) => sum + point.at, 0) / n;
  const meanHeld = look.reduce((sum, point) => sum + point.value, 0) / n;
  let over = 0;
  let under = 0;
  for (const point of look) {
    over += (point.at - meanAt) * (point.value - meanHeld);
    under += (point.at - meanAt) ** 2;
  }
  return under === 0 ? null : over / under;
}

export type Forecast = { is: "unknown" } | { is: "steady" } | { is: "unlimited"; perHour: number } | { is: "left"; ms: number } | { is: "lost" };

/** Where it goes. `safe`: bytes until the server gives the slot up; null where it has no limit. */
export function forecast(points: readonly Point[], safe: number | null, walStatus: string | null): Forecast {
  if (walStatus === "lost") return { is: "lost" };
  if (safe !== null && safe <= 0) return { is: "left", ms: 0 };
  const perMs = growth(points);
  if (perMs === null) return { is: "unknown" };
  const last = points.findLast((point) => point.value !== null)?.value ?? 0;
  // Less than a hundredth of what is held, or 1 MiB, an hour is noise.
  if (perMs * 3_600_000 <= Math.max(1024 * 1024, last / 100)) return { is: "steady" };
  if (safe === null) return { is: "unlimited", perHour: perMs * 3_600_000 };
  const ms = safe / perMs;
  return ms > FAR_MS ? { is: "steady" } : { is: "left", ms };
}
