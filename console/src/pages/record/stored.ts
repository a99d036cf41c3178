// One record: as it is stored, and what PostgreSQL told of its change. Asked for by its place; one that is not there any more says so.

import { asProblem, at, get, seg } from "../../api/client";
import { usePolledBy } from "../../api/polled";
import type { ApiProblem } from "../../api/problem";
import type { Answer, Topic } from "../../api/types";
import { type DiffRecord, columnsOf, viewOf } from "../../text/change";
import { type ColumnDiff, type Envelope, envelopeOf } from "../../text/diff";

type RecordPage = Answer<"/v1/topics/{topic}/records">;
type Item = RecordPage["items"][number];

export interface Stored {
  /** Key and value as they are stored. */
  item: Item;
  envelope: Envelope | null;
  op: string | null;
  /** The change by its columns; null for what is no change event. */
  columns: readonly ColumnDiff[] | null;
}

export interface Missing {
  /** The partition's offsets, where it has any. */
  start: number | null;
  end: number | null;
  /** The next record behind the place. */
  next: number | null;
}

export interface Asked {
  stored?: Stored;
  missing?: Missing;
  problem: ApiProblem | undefined;
  again: () => void;
}

const pathOf = (topic: string, partition: number, offset: number, view: string) =>
  at(seg`/v1/topics/${topic}/records`, { format: "json", view, from: `${partition}:${offset}`, partition, direction: "forward", limit: 1 });

/** The request that shows it, for people. */
export const recordPath = (topic: string, partition: number, offset: number) => pathOf(topic, partition, offset, "raw");

/** What the topic has instead of a place that is outside of it; undefined where the place is within. */
async function outside(topic: string, partition: number, offset: number, signal: AbortSignal): Promise<Missing | undefined> {
  const known = await get<Topic>(seg`/v1/topics/${topic}`, { signal }).catch(() => undefined);
  const range = known?.partitions.find((one) => one.partition === partition);
  if (!known || (range && range.start !== null && range.end !== null && offset >= range.start && offset < range.end)) return undefined;
  const { start = null, end = null } = range ?? {};
  return { start, end, next: start !== null && offset < start && start !== end ? start : null };
}

export function useStored(topic: string, partition: number, offset: number): Asked {
  const { data, problem, again } = usePolledBy(JSON.stringify([topic, partition, offset]), (signal) => load(topic, partition, offset, signal));
  // What was read stays as it is: a later failure takes nothing away.
  return { ...data, problem: data ? undefined : problem, again };
}

async function load(topic: string, partition: number, offset: number, signal: AbortSignal): Promise<Pick<Asked, "stored" | "missing">> {
  try {
    const [raw, diff] = await Promise.all(["raw", "diff"].map((view) => get<RecordPage>(pathOf(topic, partition, offset, view), { signal })));
    const item = raw?.items[0];
    if (item?.offset !== offset) {
      const { start = null, end = null } = raw?.partitions.find((one) => one.partition === partition) ?? {};
      return { missing: { start, end, next: item?.offset ?? null } };
    }
    const told = diff?.items[0];
    const view = told?.offset === offset ? viewOf(told as DiffRecord) : null;
    const columns = view ? columnsOf(view, item.value, told?.key) : null;
    return { stored: { item, envelope: envelopeOf(item.value), op: view?.op ?? null, columns } };
  } catch (error) {
    const missing = asProblem(error).status === 400 && (await outside(topic, partition, offset, signal));
    if (missing) return { missing };
    throw error;
  }
}
