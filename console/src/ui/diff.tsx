// A change, column by column: before and after, with + and −, and with the words for what is not there to compare.

import { useState } from "preact/hooks";
import type { ColumnDiff, Side } from "../text/diff";
import { counted } from "../text/format";

interface Props {
  columns: readonly ColumnDiff[];
  /** "u", "c", ...: says which sides there are. */
  op: string;
  /** The table, for what to do about old values that are not known. */
  fix?: string | undefined;
}

/** Values longer than this are cut until asked for. */
const CUT = 2000;

export function Diff({ columns, op, fix }: Props) {
  const [all, setAll] = useState(false);
  const same = columns.filter((one) => one.kind === "unchanged");
  const shown = all || same.length === columns.length ? columns : columns.filter((one) => one.kind !== "unchanged");
  const isUnknown = op === "u" && columns.some((one) => one.kind === "set" && one.before.is === "unknown");
  return (
    <div class="diff">
      <table>
        <caption class="sr">What changed</caption>
        <thead>
          <tr>
            <th scope="col">Column</th>
            <th scope="col">Before</th>
            <th scope="col">After</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((one) => (
            <tr key={one.column} class={one.kind}>
              <th scope="row" class="mono">
                {one.column}
              </th>
              {one.kind === "not-sent" ? (
                <td colSpan={2} class="muted">
                  (unchanged, not sent by PostgreSQL)
                </td>
              ) : (
                <>
                  <Cell side={one.before} sign="−" marked={one.kind !== "unchanged"} absent={op === "c" || op === "r" ? "" : "–"} />
                  <Cell side={one.after} sign="+" marked={one.kind !== "unchanged"} absent="" />
                </>
              )}
            </tr>
          ))}
        </tbody>
      </table>
      {same.length > 0 && same.length < columns.length && (
        <button type="button" class="quiet" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? "Hide" : "Show"} {counted(same.length, "unchanged column")}
        </button>
      )}
      {isUnknown && (
        <p class="muted">
          Old values are not in the WAL: the table's replica identity does not hold them.
          {fix && (
            <>
              {" "}
              To have them: <code>{fix}</code>
            </>
          )}
        </p>
      )}
    </div>
  );
}

function Cell({ side, sign, marked, absent }: { side: Side; sign: "+" | "−"; marked: boolean; absent: string }) {
  if (side.is === "absent") return <td class="muted">{absent}</td>;
  if (side.is === "unknown") return <td class="muted">(not known)</td>;
  if (side.is === "not-sent") return <td class="muted">(not sent by PostgreSQL)</td>;
  const kind = marked ? (sign === "+" ? "add" : "del") : undefined;
  return (
    <td class={kind}>
      {marked && (
        <>
          <span aria-hidden="true">{sign} </span>
          <span class="sr">{sign === "+" ? "now" : "was"} </span>
        </>
      )}
      <Value of={side.value} />
    </td>
  );
}

/** A value as text: null told apart from the text "null", long ones cut until asked for. */
export function Value({ of }: { of: unknown }) {
  const [whole, setWhole] = useState(false);
  if (of === null || of === undefined) return <i class="null">null</i>;
  const text = typeof of === "string" ? of : JSON.stringify(of, null, typeof of === "object" ? 1 : 0);
  if (text === "") return <i class="null">empty text</i>;
  const isCut = text.length > CUT && !whole;
  return (
    <span class="value">
      {isCut ? `${text.slice(0, CUT)}…` : text}
      {isCut && (
        <button type="button" class="quiet" onClick={() => setWhole(true)}>
          Show all {text.length.toLocaleString("en-US")} characters
        </button>
      )}
    </span>
  );
}
