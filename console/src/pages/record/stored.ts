// One record: as it is stored, and what PostgreSQL told of its change. Asked for by its place; one that is not there any more says so.

import { useEffect, useState } from "preact/hooks";
import { asProblem, at, get, seg } from "../../api/client";
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
  problem?: ApiProblem;
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
  const [state, setState] = useState<Omit<Asked, "again"> & { id: string }>({ id: "" });
  const [turn, setTurn] = useState(0);
  const id = JSON.stringify([topic, partition, offset, turn]);
  useEffect(() => {
    const stop = new AbortController();
    const ask = async () => {
      try {
        const [raw, diff] = await Promise.all(["raw", "diff"].map((view) => get<RecordPage>(pathOf(topic, partition, offset, view), { signal: stop.signal })));
        const item = raw?.items[0];
        const range = raw?.partitions.find((one) => one.partition === partition);
        if (item?.offset !== offset) {
          setState({ id, missing: { start: range?.start ?? null, end: range?.end ?? null, next: item?.offset ?? null } });
          return;
        }
        const told = diff?.items[0];
        const view = told?.offset === offset ? viewOf(told as DiffRecord) : null;
        const columns = view ? columnsOf(view, item.value, told?.key) : null;
        setState({ id, stored: { item, envelope: envelopeOf(item.value), op: view?.op ?? null, columns } });
      } catch (error) {
        const problem = asProblem(error);
        const missing = problem.status === 400 ? await outside(topic, partition, offset, stop.signal) : undefined;
        if (!stop.signal.aborted) setState(missing ? { id, missing } : { id, problem });
      }
    };
    ask();
    return () => stop.abort();
  }, [id]);
  const again = () => setTurn(turn + 1);
  return state.id === id ? { ...state, again } : { again };
}
