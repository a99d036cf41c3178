// What is asked of a topic's records: the address's parameters, and the same as a request, as a file to save, as a command.
// Promises that all of them ask for the same records.

import { at, seg } from "../../api/client";
import { command } from "../../text/command";
import { isRow } from "../../text/diff";
import { parseExact } from "../../text/exact";

export interface Asked {
  from: string;
  partition: string;
  /** Letters, "c,u"; empty: all. */
  op: string;
  where: string;
  /** As the API takes it: JSON. */
  key: string;
  cursor: string;
}

export const NOTHING: Asked = { from: "latest", partition: "", op: "", where: "", key: "", cursor: "" };

/** Records of a page. */
export const PAGE = 50;

/** The request of a page. */
export function pagePath(topic: string, { from, partition, op, where, key, cursor }: Asked, limit = PAGE): string {
  const place = cursor ? { cursor } : { from, partition, direction: isBackward(from) ? "backward" : "forward" };
  return at(seg`/v1/topics/${topic}/records`, { format: "json", view: "diff", ...place, op, where, key, limit });
}

/** The newest first where reading begins at the end. */
export const isBackward = (from: string) => /^(latest|end)$/i.test(from.trim());

/** A key as the API takes it: what is no JSON object is the value of a key of one column, as `known`, a key of the topic, has it. */
export function keyParam(text: string, known: unknown): string {
  const asked = text.trim();
  if (asked === "" || /^[[{]/.test(asked)) return asked;
  const columns = isRow(known) ? Object.keys(known) : [];
  if (columns.length !== 1) return asked;
  const column = columns[0] ?? "";
  const isText = typeof (known as Record<string, unknown>)[column] === "string";
  const value = isText || !/^(-?\d+(\.\d+)?|true|false|null|".*")$/.test(asked) ? JSON.stringify(asked) : asked;
  return `{${JSON.stringify(column)}:${value}}`;
}

const literal = (value: unknown): string => (typeof value === "string" ? `'${value.replaceAll("'", "''")}'` : JSON.stringify(value));

/** One condition for all of the filters, for what knows `where` only. */
export function condition({ op, where, key }: Pick<Asked, "op" | "where" | "key">): string {
  const parts: string[] = [];
  if (op) parts.push(`op in (${op.split(",").map(literal).join(", ")})`);
  if (key && keyCondition(key)) parts.push(keyCondition(key));
  if (where.trim()) parts.push(parts.length > 0 ? `(${where.trim()})` : where.trim());
  return parts.join(" and ");
}

/** A key of columns as a condition; "" of a key that has no columns, which no condition can name. */
function keyCondition(key: string): string {
  let row: unknown;
  try {
    row = parseExact(key);
  } catch {
    return "";
  }
  if (!isRow(row)) return "";
  return Object.entries(row)
    .map(([name, value]) => {
      const column = `key.${/^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`}`;
      return value === null ? `${column} is null` : `${column} = ${literal(value)}`;
    })
    .join(" and ");
}

export interface File {
  format: "ndjson" | "csv";
  view: "envelope" | "flat" | "diff";
  from: string;
  limit: string;
}

/** The request whose answer is the file. */
export function filePath(topic: string, asked: Asked, { format, view, from, limit }: File): string {
  return at(seg`/v1/topics/${topic}/records`, { format, view, from, partition: asked.partition, where: condition(asked), limit });
}

/** The command that shows the same; undefined where the command line cannot ask for it (one partition, a key without columns). */
export function tailCommand(topic: string, asked: Asked, { follow = false, json = false, limit = "" } = {}): string | undefined {
  if (asked.partition || (asked.key && !keyCondition(asked.key))) return undefined;
  const words = ["rowfeed", "tail", topic];
  const from = isBackward(asked.from) ? (follow ? "" : `-${limit || PAGE}`) : asked.from;
  if (from) words.push("--from", from);
  const where = condition(asked);
  if (where) words.push("--where", where);
  if (json) words.push("--json");
  if (limit && !isBackward(asked.from)) words.push("--count", limit);
  if (!follow) words.push("--no-follow");
  return command(...words);
}
