// Where the lines of a chart go: runs without gaps, and round times for its axis. Promises that a gap stays one, and that a value with gaps on
// both sides is seen.

export type Spot = readonly [x: number, y: number];

/** The stretches of a line that have values, each as spots in the plot. */
export function runs(values: readonly (number | null | undefined)[], spot: (value: number, i: number) => Spot): Spot[][] {
  const found: Spot[][] = [];
  let run: Spot[] | null = null;
  values.forEach((value, i) => {
    if (value === null || value === undefined) {
      run = null;
      return;
    }
    if (!run) found.push((run = []));
    run.push(spot(value, i));
  });
  return found;
}

const place = ([x, y]: Spot) => `${x.toFixed(1)} ${y.toFixed(1)}`;

/** The path of these stretches; down to `base` and closed where it is an area. */
export function path(of: readonly (readonly Spot[])[], base?: number): string {
  return of
    .map((run) => {
      const [first, last] = [run[0]!, run.at(-1)!];
      const line = run.map(place).join("L");
      if (base !== undefined) return `M${line}L${place([last[0], base])}L${place([first[0], base])}Z`;
      return run.length === 1 ? `M${place([first[0] - 1, first[1]])}h2` : `M${line}`;
    })
    .join("");
}

const SECOND = 1000;
const HOUR = 3600 * SECOND;
/** Steps that people count in. */
const STEPS = [...[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800].map((n) => n * SECOND), ...[1, 2, 3, 4, 6, 12, 24].map((n) => n * HOUR)];

/** Round times from one to another, `most` at most, `offset` ahead of UTC; all in milliseconds. */
export function timeTicks(from: number, to: number, most: number, offset: number): { step: number; ticks: number[] } {
  const day = STEPS.at(-1)!;
  const step = STEPS.find((one) => (to - from) / one <= most) ?? Math.ceil((to - from) / most / day) * day;
  const ticks: number[] = [];
  for (let at = Math.ceil((from + offset) / step) * step - offset; at <= to; at += step) ticks.push(at);
  return { step, ticks };
}

/** The place of the time that is nearest, of growing ones. */
export function nearest(times: readonly number[], to: number): number {
  let best = 0;
  times.forEach((time, i) => {
    if (Math.abs(time - to) < Math.abs(times[best]! - to)) best = i;
  });
  return best;
}
