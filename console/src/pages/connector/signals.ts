// The signals of snapshots, as the API takes them and as the command line has them. Pure: both say the same.

import { seg } from "../../api/client";
import { type Call, command, sqlTable } from "../../text/command";
import { exactly } from "../../text/native";

export interface Signal {
  type: "execute-snapshot" | "stop-snapshot" | "pause-snapshot" | "resume-snapshot";
  data: Record<string, unknown> | null;
}

/** A snapshot that a person asks for. */
export interface Wanted {
  /** Empty: all that are captured. */
  tables: readonly string[];
  kind: "incremental" | "blocking" | "reconcile";
  /** Only for one table: rows that fulfil it. */
  where: string;
}

export const path = (connector: string): string => seg`/v1/connectors/${connector}/signals`;

export function start({ tables, kind, where }: Wanted): Signal {
  const names = tables.length === 0 ? [".*"] : tables.map(exactly);
  const condition = where.trim();
  const conditions = tables.length === 1 && condition !== "" && kind !== "reconcile";
  const filter = kind === "blocking" ? `SELECT * FROM ${sqlTable(tables[0] ?? "")} WHERE ${condition}` : condition;
  return {
    type: "execute-snapshot",
    data: {
      "data-collections": names,
      type: kind,
      ...(conditions ? { "additional-conditions": [{ "data-collection": tables[0], filter }] } : {}),
    },
  };
}

export function startLine(connector: string, { tables, kind, where }: Wanted): string {
  const of = tables.length === 0 ? ["--all"] : tables.flatMap((table) => ["--table", exactly(table).replaceAll("\\.", ".") === table ? table : exactly(table)]);
  const condition = tables.length === 1 && where.trim() && kind !== "reconcile" ? ["--where", where.trim()] : [];
  const how = kind === "blocking" ? ["--blocking"] : kind === "reconcile" ? ["--reconcile"] : [];
  return command("rowfeed", "snapshot", "start", connector, ...of, ...condition, ...how);
}

export const simple = (what: "stop" | "pause" | "resume"): Signal => ({ type: `${what}-snapshot`, data: {} });

export const call = (connector: string, signal: Signal): Call => ({ method: "POST", path: path(connector), body: signal });
