// Points over time as charts need them: on one line of times, and what they tell about the time that is left.

export interface Point {
  ts: string;
  value: number | null;
}

export interface Aligned {
  times: number[];
  /** For each series its values at those times. */
  values: (number | null)[][];
}

/** Puts series onto one line of times; null where one has no point. */
export function align(series: readonly (readonly Point[])[]): Aligned {
  const times = [...new Set(series.flatMap((points) => points.map((point) => Date.parse(point.ts))))].filter(Number.isFinite).sort((a, b) => a - b);
  const at = new Map(times.map((time, i) => [time, i]));
  const values = series.map((points) => {
    const row: (number | null)[] = Array.from({ length: times.length }, () => null);
    for (const point of points) {
      const i = at.get(Date.parse(point.ts));
      if (i !== undefined) row[i] = point.value;
    }
    return row;
  });
  return { times, values };
}

/** Fewer points than this say nothing about a trend. */
const TREND_POINTS_MIN = 3;

/** How much a second a value grew, from its first to its last known point; null where that is not known. */
export function growth(points: readonly Point[]): number | null {
  const known = points.filter((point) => point.value !== null);
  const [first, last] = [known[0], known.at(-1)];
  if (!first || !last || known.length < TREND_POINTS_MIN) return null;
  const seconds = (Date.parse(last.ts) - Date.parse(first.ts)) / 1000;
  return seconds > 0 ? ((last.value ?? 0) - (first.value ?? 0)) / seconds : null;
}

/** Milliseconds until what is left is used up at that growth; null where it does not grow or nothing limits it. */
export function timeLeft(left: number | null | undefined, perSecond: number | null): number | null {
  if (left === null || left === undefined || perSecond === null || perSecond <= 0) return null;
  return Math.max(0, (left / perSecond) * 1000);
}
