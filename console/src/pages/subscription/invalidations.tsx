// The last times that a key was taken away, the newest first, with what the change was.

import { at, seg } from "../../api/client";
import { usePolled } from "../../api/polled";
import { ui } from "../../app/paths";
import { type DiffView, diffOfView, opWord, summary } from "../../text/diff";
import { duration } from "../../text/format";
import { type Column, Table } from "../../ui/table";
import { Clock } from "../../ui/time";

export interface Invalidation {
  topic: string;
  partition: number;
  offset: number;
  lsn: string;
  transactions: number[];
  committed_ms: number;
  deleted_ms: number | null;
  fenced_ms: number | null;
  fence_lsn: string | null;
}

const keyOf = (one: Invalidation) => `${one.topic} ${one.partition} ${one.offset}`;
/** Those whose change is read, too. */
const CHANGES_MAX = 5;

const after = (one: Invalidation, at: number | null) => (at === null ? "–" : duration(at - one.committed_ms));

export function Invalidations({ of }: { of: readonly Invalidation[] }) {
  const newest = new Set(of.toSorted((a, b) => b.committed_ms - a.committed_ms).slice(0, CHANGES_MAX).map(keyOf));
  const columns: Column<Invalidation>[] = [
    { id: "committed", title: "Committed", by: (one) => one.committed_ms, cell: (one) => <Clock at={one.committed_ms} /> },
    { id: "record", title: "Change", cell: (one) => <a class="nowrap" href={ui.record(one.topic, one.partition, one.offset)}>{one.topic} {one.partition}:{one.offset}</a> },
    { id: "what", title: "What changed", cell: (one) => (newest.has(keyOf(one)) ? <What of={one} /> : <span class="muted">see the change</span>) },
    { id: "tx", title: "Transaction", cell: (one) => <span class="mono">{one.transactions.join(", ") || "–"}</span> },
    { id: "deleted", title: "Deleted after", num: true, by: (one) => one.deleted_ms, cell: (one) => after(one, one.deleted_ms) },
    { id: "fenced", title: "Behind the fence after", num: true, by: (one) => one.fenced_ms, cell: (one) => after(one, one.fenced_ms) },
    { id: "lsn", title: "LSN", cell: (one) => <code class="nowrap">{one.lsn}</code> },
  ];
  return <Table caption="Invalidations" rows={of} columns={columns} keyOf={keyOf} sort="-committed" empty={<></>} />;
}

interface Records {
  items: { offset: number; op: string | null; value: DiffView | null }[];
}

/** The change on one line, read from the log; nothing where it is not kept any more. */
function What({ of: { topic, partition, offset } }: { of: Invalidation }) {
  const path = at(seg`/v1/topics/${topic}/records`, { format: "json", partition, from: `offset:${offset}`, direction: "forward", limit: 1, view: "diff" });
  const { data, problem } = usePolled<Records>(path);
  const record = data?.items[0];
  if (record?.offset === offset && record.value) return <span>{`${opWord(record.op)} ${summary(record.op ?? "", diffOfView(record.value))}`}</span>;
  return <span>{data ? "not kept any more" : problem ? "not known" : "…"}</span>;
}
