// A record of a topic as a list shows it, on one line, and its change column by column. Promises that the API's `diff` view, which knows what
// PostgreSQL told, has the last word over the stored envelope, which fills in what is not known with null, zero or an empty text.

import { type ColumnDiff, type DiffView, diffOf, diffOfView, envelopeOf, isRow, summary, valueText } from "./diff";

/** A record by its line. */
export interface Line {
  /** "0:1842". */
  id: string;
  partition: number;
  offset: number;
  /** Milliseconds since 1970. */
  at: number;
  key: unknown;
  /** Debezium's letter; null for what is no change event. */
  op: string | null;
  isTombstone: boolean;
  /** What changed. */
  text: string;
  /** An update that brings the row into the filter, or takes it out. */
  filter?: "enters" | "leaves" | undefined;
}

/** A record of the API in the view `diff`: of a page, where the view is the value, or of the socket, where it is all. */
export interface DiffRecord {
  partition: number;
  offset: number;
  ts?: string;
  key: unknown;
  op?: string | null;
  value?: unknown;
  tombstone?: boolean;
  filter?: "enters" | "leaves";
  [more: string]: unknown;
}

/** The view in a record, or null where there is none. */
export function viewOf(record: DiffRecord): DiffView | null {
  const view = "changed" in record ? record : record.value;
  if (!isRow(view) || !("changed" in view) || typeof view["op"] !== "string") return null;
  return view as unknown as DiffView;
}

/** Names of the key's columns. */
export const keyColumns = (key: unknown): string[] => (isRow(key) ? Object.keys(key) : []);

export function lineOf(record: DiffRecord): Line {
  const view = viewOf(record);
  const isTombstone = record.tombstone === true;
  return {
    id: `${record.partition}:${record.offset}`,
    partition: record.partition,
    offset: record.offset,
    at: record.ts === undefined ? Number.NaN : Date.parse(record.ts),
    key: record.key,
    op: view?.op ?? null,
    isTombstone,
    text: view ? oneLine(view, record.key) : isTombstone ? "tombstone: compaction may forget this key" : plain(record),
    filter: record.filter,
  };
}

/** The change without the columns of the key, which stand in a column of their own, as long as others are left. */
function oneLine(view: DiffView, key: unknown): string {
  const keys = keyColumns(key);
  const columns = diffOfView(view);
  const rest = columns.filter((one) => !keys.includes(one.column) || one.kind === "changed");
  const notSent = columns.filter((one) => one.kind === "not-sent").length;
  if (rest.length === 0 && columns.length > 0) return view.op === "d" ? "only the key is known" : "";
  return summary(view.op, rest) || (notSent > 0 ? "" : view.op === "m" ? "message" : "");
}

/** Whatever else is on a topic. */
function plain(record: DiffRecord): string {
  const value = isRow(record.value) && "changed" in record.value ? record.value["row"] : "row" in record ? record["row"] : record.value;
  return valueText(value, 160);
}

/** All columns of a change: those that the view tells, and those of the stored row that did not change or are not known. */
export function columnsOf(view: DiffView & { before_complete?: boolean }, stored: unknown, key: unknown): ColumnDiff[] {
  const told = diffOfView(view);
  const envelope = envelopeOf(stored);
  if (!envelope) return told;
  // An update that changes a key is a delete and an insert: of one without an old row the key is known all the same.
  const keys = view.op === "u" ? keyColumns(key) : [];
  const known = new Map(
    told.map((one) => [one.column, one.kind === "set" && keys.includes(one.column) ? ({ ...one, kind: "unchanged", before: one.after } as const) : one]),
  );
  const rest = diffOf(envelope, { unavailable: view.unavailable ?? [], key }).map((one): ColumnDiff => {
    const better = known.get(one.column);
    if (better) {
      known.delete(one.column);
      return better;
    }
    // What a delete's old row has beside its key was made up where the replica identity does not hold it.
    if (view.op === "d" && view.before_complete === false) return { ...one, kind: "removed", before: { is: "unknown" }, after: { is: "absent" } };
    return one;
  });
  return [...rest, ...known.values()];
}
