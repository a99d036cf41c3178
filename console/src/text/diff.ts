// What a change event changed, column by column, out of a Debezium envelope or of the API's `diff` view. Promises to tell four things apart
// that look alike: null, not sent by PostgreSQL (a large value that did not change), not known (no old row in the WAL), and unchanged.

/** What stands for a value that PostgreSQL did not send, as Debezium writes it: as text, and as base64 of bytes. */
const PLACEHOLDERS = new Set(["__debezium_unavailable_value", "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="]);

/** A side of a column. */
export type Side =
  | { is: "value"; value: unknown }
  /** PostgreSQL did not send it: a large value that did not change. */
  | { is: "not-sent" }
  /** The old value is not in the WAL: the table's replica identity does not hold it. */
  | { is: "unknown" }
  /** There was no row, or there is none any more. */
  | { is: "absent" };

export interface ColumnDiff {
  column: string;
  kind: "changed" | "added" | "removed" | "unchanged" | "not-sent" | "set";
  before: Side;
  after: Side;
}

export type Row = Record<string, unknown>;

export interface Envelope {
  op?: string;
  before?: Row | null;
  after?: Row | null;
  source?: Row | null;
  ts_ms?: number;
}

/** A JSON object: neither null nor a list. */
export const isRow = (value: unknown): value is Row => value !== null && typeof value === "object" && !Array.isArray(value);

/** The envelope in a value: bare, or within {schema, payload}; null for a tombstone and for what is no change event. */
export function envelopeOf(value: unknown): Envelope | null {
  if (!isRow(value)) return null;
  if ("schema" in value && "payload" in value) return envelopeOf(value["payload"]);
  return typeof value["op"] === "string" && ("after" in value || "before" in value) ? (value as Envelope) : null;
}

export function isPlaceholder(value: unknown): boolean {
  if (typeof value === "string") return PLACEHOLDERS.has(value);
  return Array.isArray(value) && value.length === 1 && typeof value[0] === "string" && PLACEHOLDERS.has(value[0]);
}

/** Values are compared as JSON: the order of an object's fields does not matter. */
export function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (a === null || b === null || typeof a !== "object" || typeof b !== "object") return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => key in b && same((a as Row)[key], (b as Row)[key]));
}

interface Told {
  /** Columns the API lists as not sent. */
  unavailable?: readonly string[];
  /** False where the old row is known by its key only. */
  beforeComplete?: boolean;
  /** The key: its columns are known on both sides. */
  key?: unknown;
}

/** The columns of a change, in the order of the row. */
export function diffOf(envelope: Envelope, { unavailable = [], beforeComplete = true, key }: Told = {}): ColumnDiff[] {
  const { before, after } = envelope;
  const keys = isRow(key) ? key : {};
  const side = (row: Row | null | undefined, column: string, isOld: boolean): Side => {
    if (!row) return { is: "absent" };
    if (!(column in row)) return isOld ? { is: "unknown" } : { is: "absent" };
    const value = row[column];
    if (isPlaceholder(value) || (!isOld && unavailable.includes(column) && (value === null || value === undefined))) return { is: "not-sent" };
    if (isOld && !beforeComplete && value === null && !(column in keys)) return { is: "unknown" };
    return { is: "value", value };
  };
  // An update without an old row: it is not known, which is another thing than that there was none.
  const isUpdate = envelope.op === "u";
  const columns = [...new Set([...Object.keys(after ?? {}), ...Object.keys(before ?? {}), ...unavailable])];
  return columns.map((column) => {
    const old: Side = !before && isUpdate ? { is: "unknown" } : side(before, column, true);
    const now: Side = after && unavailable.includes(column) && !(column in after) ? { is: "not-sent" } : side(after, column, false);
    return { column, kind: kindOf(old, now), before: old, after: now };
  });
}

function kindOf(before: Side, after: Side): ColumnDiff["kind"] {
  if (after.is === "not-sent") return "not-sent";
  if (after.is === "absent") return "removed";
  if (before.is === "absent") return "added";
  if (before.is === "unknown" || before.is === "not-sent") return "set";
  return before.is === "value" && after.is === "value" && same(before.value, after.value) ? "unchanged" : "changed";
}

/** A record of the API's `diff` view. */
export interface DiffView {
  op: string;
  /** Each changed column with its old and new value; null where the old row is not known. */
  changed: Record<string, readonly unknown[]> | null;
  /** The new row, where the old one is not known. */
  row?: Row | null;
  unavailable?: readonly string[];
}

/** The columns of a record of the API's `diff` view. */
export function diffOfView({ op, changed, row, unavailable = [] }: DiffView): ColumnDiff[] {
  const side = (value: unknown): Side => (isPlaceholder(value) ? { is: "not-sent" } : { is: "value", value });
  const rows = Object.entries(changed ?? {}).map(([column, pair]): ColumnDiff => {
    const [old, now] = pair;
    if (op === "d") return { column, kind: "removed", before: side(old), after: { is: "absent" } };
    if (op === "c" || op === "r") return { column, kind: "added", before: { is: "absent" }, after: side(now) };
    return { column, kind: "changed", before: side(old), after: side(now) };
  });
  const isNew = changed === null && row ? Object.entries(row) : [];
  const set = isNew.map(([column, value]): ColumnDiff => ({ column, kind: "set", before: { is: "unknown" }, after: side(value) }));
  const missing = unavailable.filter((column) => !(changed && column in changed) && !(row && column in row));
  return [
    ...rows,
    ...set.map((one): ColumnDiff => (one.after.is === "not-sent" ? { ...one, kind: "not-sent" } : one)),
    ...missing.map((column): ColumnDiff => ({ column, kind: "not-sent", before: { is: "unknown" }, after: { is: "not-sent" } })),
  ];
}

/** A value on one line: text bare, all else as JSON, cut where it gets long. */
export function valueText(value: unknown, most = 60): string {
  const text = typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value);
  const line = text.replace(/\s+/g, " ");
  return line.length > most ? `${line.slice(0, most - 1)}…` : line;
}

export function sideText(side: Side, most = 60): string {
  switch (side.is) {
    case "value":
      return side.value === "" ? "''" : valueText(side.value, most);
    case "not-sent":
      return "(not sent)";
    case "unknown":
      return "?";
    case "absent":
      return "";
  }
}

/** A change on one line: "status pending → paid · paid_at null → 14:02:11". */
export function summary(op: string, columns: readonly ColumnDiff[], most = 4): string {
  const told = columns.filter((one) => one.kind !== "unchanged" && one.kind !== "not-sent");
  if (told.length === 0) return op === "t" ? "truncated" : op === "u" ? "no column changed" : "";
  const parts = told.slice(0, most).map(({ column, kind, before, after }) => {
    if (kind === "changed") return `${column} ${sideText(before, 24)} → ${sideText(after, 24)}`;
    return `${column} ${sideText(kind === "removed" ? before : after, 24)}`;
  });
  const rest = told.length > most ? " …" : "";
  const before = op === "d" ? "was " : told.every((one) => one.kind === "set") ? "now " : "";
  return `${before}${parts.join(" · ")}${rest}`;
}

const OPS: Record<string, string> = { c: "INSERT", u: "UPDATE", d: "DELETE", r: "READ", t: "TRUNCATE", m: "MESSAGE" };

/** "u" -> "UPDATE"; a snapshot's row is READ. */
export const opWord = (op: string | null | undefined): string => (op ? (OPS[op] ?? op.toUpperCase()) : "–");

/** A key on one line: "id=42", "order_id=1 line=2", or the value itself. */
export function keyText(key: unknown, most = 80): string {
  if (key === null || key === undefined) return "–";
  if (typeof key !== "object" || Array.isArray(key)) return valueText(key, most);
  const row = key as Row;
  if ("schema" in row && "payload" in row && Object.keys(row).length === 2) return keyText(row["payload"], most);
  const text = Object.entries(row)
    .map(([name, value]) => `${name}=${valueText(value, most)}`)
    .join(" ");
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
