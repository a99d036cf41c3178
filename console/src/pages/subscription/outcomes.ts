// What became of deliveries over time, out of the delivery log: the API has no series of it.

export interface Delivery {
  webhook_id: string;
  topic: string;
  partition: number;
  offset: number;
  key: unknown;
  attempt: number;
  /** delivered, waiting, dead. */
  state: string;
  /** The receiver's; null: it did not answer. */
  status: number | null;
  duration_ms: number;
  error: string | null;
  /** The first bytes of the answer's body. */
  response_head: string | null;
  at: string;
  next_at: string | null;
}

export interface Outcomes {
  times: number[];
  delivered: number[];
  /** Waiting for another try, or given up. */
  failed: number[];
}

/** Points of the chart. */
const STEPS = 30;
/** Fewer are no line. */
const STEPS_MIN = 10;
/** Lengths of a point, ms. */
const LENGTHS = [1_000, 5_000, 15_000, 60_000, 300_000, 900_000, 3_600_000, 21_600_000];

/** Deliveries counted in steps of time, the log's whole length in about thirty of them. */
export function outcomes(log: readonly Delivery[]): Outcomes {
  const times = log.map((one) => Date.parse(one.at)).filter(Number.isFinite);
  if (times.length === 0) return { times: [], delivered: [], failed: [] };
  const [first, last] = [Math.min(...times), Math.max(...times)];
  const length = LENGTHS.find((one) => (last - first) / one <= STEPS) ?? 86_400_000;
  const begin = Math.floor(first / length) * length;
  // What waits for days may be much older than the rest: the newest steps are shown.
  const steps = Math.min(STEPS * 2, Math.max(STEPS_MIN, Math.floor((last - begin) / length) + 1));
  const from = Math.floor(last / length) * length - (steps - 1) * length;
  const made: Outcomes = {
    times: Array.from({ length: steps }, (_, i) => from + i * length),
    delivered: Array.from({ length: steps }, () => 0),
    failed: Array.from({ length: steps }, () => 0),
  };
  for (const one of log) {
    const step = Math.floor((Date.parse(one.at) - from) / length);
    if (!(step >= 0 && step < steps)) continue;
    const into = one.state === "delivered" ? made.delivered : made.failed;
    into[step] = (into[step] ?? 0) + 1;
  }
  return made;
}

/** How many of all tries succeeded, in per cent; never 100 while one failed. Null before the first. */
export function successRate(delivered: number, failed: number): string | null {
  const all = delivered + failed;
  if (all === 0) return null;
  if (failed === 0) return "100 %";
  return `${Math.min(99.9, Math.floor((delivered / all) * 1000) / 10)} %`;
}

/** Rows that were chosen, as ranges of consecutive offsets by topic and partition. */
export interface Range {
  topic: string;
  partition: number;
  from: number;
  /** Behind the last one. */
  until: number;
}

export function ranges(chosen: readonly Pick<Delivery, "topic" | "partition" | "offset">[]): Range[] {
  const sorted = [...chosen].sort((a, b) => a.topic.localeCompare(b.topic, "en") || a.partition - b.partition || a.offset - b.offset);
  const found: Range[] = [];
  for (const { topic, partition, offset } of sorted) {
    const last = found.at(-1);
    if (last && last.topic === topic && last.partition === partition && offset <= last.until) last.until = Math.max(last.until, offset + 1);
    else found.push({ topic, partition, from: offset, until: offset + 1 });
  }
  return found;
}

/** The API's replay of a range. The filter keeps other topics of the subscription out. */
export const replayOf = ({ topic, partition, from, until }: Range, several: boolean) => ({
  from: `${partition}:${from}`,
  until: `${partition}:${until}`,
  ...(several ? { where: `topic = '${topic.replaceAll("'", "''")}'` } : {}),
});
