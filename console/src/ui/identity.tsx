// What identifies a table's rows: its key; its replica identity as a badge that opens to what it means for updates and deletes.

import type { Relation } from "../api/types";
import { sqlTable } from "../text/command";
import { Code } from "./code";

const MEANS: Record<string, string> = {
  default: "The primary key identifies a row. Updates have no old values of other columns, and large values that did not change are not sent.",
  full: "Updates and deletes have all old values, at the price of more WAL.",
  index: "The columns of a unique index identify a row; old values of other columns are not sent.",
  nothing: "Nothing identifies a row: once the table is published, PostgreSQL refuses the application's own UPDATE and DELETE on it.",
};

/** Views and foreign tables leave nothing in the WAL that rows would be identified in. */
export const hasWal = ({ kind }: Pick<Relation, "kind">): boolean => kind !== "view" && kind !== "foreign";

/** Keys up to this many characters stand on one line. */
const WHOLE_MAX = 32;

export function Key({ of }: { of: Pick<Relation, "kind" | "primary_key"> }) {
  const key = of.primary_key.join(", ");
  if (key !== "") return <code class={key.length <= WHOLE_MAX ? "nowrap" : undefined}>{key}</code>;
  return hasWal(of) ? <span class="say-warn nowrap">▲ none</span> : <span class="muted">–</span>;
}

interface Props {
  identity: string;
  table: string;
  /** Without a primary key DEFAULT is no better than NOTHING. */
  hasKey: boolean;
}

export function Identity({ identity, table, hasKey }: Props) {
  const is = identity === "default" && !hasKey ? "nothing" : identity;
  const isBad = is === "nothing";
  return (
    <details class="identity">
      <summary>
        <span class={`badge ${isBad ? "tone-error" : ""}`}>
          {isBad && <span aria-hidden="true">▲ </span>}
          {identity.toUpperCase()}
          {identity !== is && ", no key"}
        </span>
      </summary>
      <p class="muted">{MEANS[is] ?? ""}</p>
      {is !== "full" && <Code text={`ALTER TABLE ${sqlTable(table)} REPLICA IDENTITY FULL;`} what={`the statement for ${table}`} />}
    </details>
  );
}
