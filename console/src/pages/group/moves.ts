// What moving a group's offsets comes to, in words and in sums.

export interface Move {
  topic: string;
  partition: number;
  /** Null: nothing was committed. */
  before: number | null;
  after: number;
}

const records = (count: number) => `${count.toLocaleString("en-US")} ${count === 1 ? "record" : "records"}`;

/** "12 records read again", "3 records skipped", "stays". */
export function moveText({ before, after }: Move): string {
  if (before === null) return "begins here";
  if (after === before) return "stays";
  return after < before ? `${records(before - after)} read again` : `${records(after - before)} skipped`;
}

/** Offsets, of all partitions: compaction and retention may have left fewer records there. */
export function summed(moves: readonly Move[]): { again: number; skipped: number } {
  let again = 0;
  let skipped = 0;
  for (const { before, after } of moves) {
    if (before === null) continue;
    if (after < before) again += before - after;
    else skipped += after - before;
  }
  return { again, skipped };
}
