// The list of a live tail: new records on top, at most ROWS_MOST, held back while somebody reads. And how fast they come.
// Promises that a record is in it once, and that what waits is bounded as what is shown.

import type { Line } from "../../text/change";

/** Rows in the page at once. */
export const ROWS_MOST = 500;

/** Of those, the rows that are drawn while nobody reads: what a window of this height shows, and some more. Each new row moves all below it. */
export const watched = (height: number): number => Math.min(ROWS_MOST, Math.ceil(height / ROW_PX) + 10);

/** The height of a row, or less. */
const ROW_PX = 28;

export interface Tail {
  /** The newest first. */
  rows: readonly Line[];
  /** What came while the list was held, the newest first. */
  held: readonly Line[];
  /** How many came: more than are kept where it was many. */
  heldCount: number;
  /** The highest offset of each partition that came. */
  seen: ReadonlyMap<number, number>;
}

/** Begins with a page of records, the newest first. */
export function tailOf(rows: readonly Line[]): Tail {
  const seen = new Map<number, number>();
  for (const row of rows) seen.set(row.partition, Math.max(row.offset, seen.get(row.partition) ?? -1));
  return { rows: rows.slice(0, ROWS_MOST), held: [], heldCount: 0, seen };
}

/** Records came, in their order; `isHeld`: somebody reads. */
export function came(tail: Tail, lines: readonly Line[], isHeld: boolean): Tail {
  const seen = new Map(tail.seen);
  const fresh: Line[] = [];
  for (const line of lines) {
    if (line.offset <= (seen.get(line.partition) ?? -1)) continue;
    seen.set(line.partition, line.offset);
    fresh.push(line);
  }
  if (fresh.length === 0) return tail;
  fresh.reverse();
  if (isHeld || tail.heldCount > 0) {
    const next = { ...tail, seen, held: [...fresh, ...tail.held].slice(0, ROWS_MOST), heldCount: tail.heldCount + fresh.length };
    return isHeld ? next : shown(next);
  }
  return { ...tail, seen, rows: [...fresh, ...tail.rows].slice(0, ROWS_MOST) };
}

/** What was held is shown. */
export function shown(tail: Tail): Tail {
  if (tail.heldCount === 0) return tail;
  return { ...tail, rows: [...tail.held, ...tail.rows].slice(0, ROWS_MOST), held: [], heldCount: 0 };
}

/** Seconds that a rate is of. */
const WINDOW_S = 5;

/** Counts what is shown and what is left out, by the second. */
export class Meter {
  private readonly seconds = new Map<number, { shown: number; all: number }>();

  add(shownCount: number, leftOut: number, now: number) {
    // A count of what was left out comes at a second's end: it is of the second before.
    const second = Math.floor(now / 1000) - (leftOut > 0 ? 1 : 0);
    const one = this.seconds.get(second) ?? { shown: 0, all: 0 };
    this.seconds.set(second, { shown: one.shown + shownCount, all: one.all + shownCount + leftOut });
    for (const old of this.seconds.keys()) {
      if (old < second - 2 * WINDOW_S) this.seconds.delete(old);
    }
  }

  /** Records a second, over the last few seconds whose count of what was left out has come. */
  read(now: number): { shown: number; all: number } {
    const end = Math.floor(now / 1000) - 1;
    let shownCount = 0;
    let all = 0;
    for (let second = end - WINDOW_S; second < end; second += 1) {
      shownCount += this.seconds.get(second)?.shown ?? 0;
      all += this.seconds.get(second)?.all ?? 0;
    }
    return { shown: shownCount / WINDOW_S, all: all / WINDOW_S };
  }
}
