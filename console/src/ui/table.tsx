// A table of things: sorted by its headings (kept in the address), walked with j and k, opened with Enter. Promises that at most `most`
// rows are in the page, and that the whole of it is an ordinary table for those who cannot see it.

import type { ComponentChildren } from "preact";
import { useCallback, useRef, useState } from "preact/hooks";
import { useKey } from "../app/keys";
import { useQuery } from "../app/query";
import { UNKNOWN, count, counted } from "../text/format";

type By = string | number | null | undefined;

export interface Column<T> {
  id: string;
  title: string;
  /** What stands there, where it is more than what it is sorted by. */
  cell?: (row: T) => ComponentChildren;
  /** What it is sorted by; without it it is not. Null goes last. */
  by?: (row: T) => By;
  /** How that is written, where there is no cell: numbers as counts, texts as they are. */
  as?: (value: number) => ComponentChildren;
  /** Numbers stand at the end of their cell, and are sorted the greatest first. */
  num?: boolean;
  /** The heading of the row: one column of a table, the first unless said. */
  head?: boolean;
  /** For people who need more words than the title has room for. */
  help?: string;
}

interface Props<T> {
  /** What it lists; read by screen readers. */
  caption: string;
  rows: readonly T[];
  columns: readonly Column<T>[];
  keyOf: (row: T) => string;
  /** The order at first: a column's id, "-" before it for the greatest first. */
  sort?: string;
  /** The parameter of the address, where a page has two tables. */
  param?: string;
  /** Instead of rows, when there are none. */
  empty?: ComponentChildren;
  /** Rows in the page at once. */
  most?: number;
}

/** Rows that are drawn at first; more on request. */
const ROWS_MOST = 200;

export function Table<T>({ caption, rows, columns, keyOf, sort = "", param = "sort", empty, most = ROWS_MOST }: Props<T>) {
  const [asked, setAsked] = useQuery(param, sort);
  const [shown, setShown] = useState(most);
  const body = useRef<HTMLTableSectionElement>(null);
  useRowKeys(body);
  if (rows.length === 0 && empty !== undefined) return <>{empty}</>;
  const down = asked.startsWith("-");
  const sorted = inOrder(rows, columns.find((column) => column.id === asked.replace(/^-/, "")), down);
  const headAt = Math.max(0, columns.findIndex((column) => column.head));
  return (
    <div class="table-wrap" role="region" aria-label={caption} tabIndex={0}>
      <table>
        <caption class="sr">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => {
              const is = asked.replace(/^-/, "") === column.id;
              const first = column.num ? `-${column.id}` : column.id;
              const other = column.num ? column.id : `-${column.id}`;
              return (
                <th
                  key={column.id}
                  scope="col"
                  class={column.num ? "num" : undefined}
                  title={column.help}
                  aria-sort={column.by ? (is ? (down ? "descending" : "ascending") : "none") : undefined}
                >
                  {column.by ? (
                    <button type="button" class="sort" onClick={() => setAsked(asked === first ? other : first)}>
                      {column.title}
                      <span aria-hidden="true">{is ? (down ? "▾" : "▴") : ""}</span>
                    </button>
                  ) : (
                    column.title
                  )}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody ref={body} data-walk>
          {sorted.slice(0, shown).map((row) => (
            <tr key={keyOf(row)}>
              {columns.map((column, i) =>
                i === headAt ? (
                  <th key={column.id} scope="row" class={column.num ? "num" : undefined}>
                    {cellOf(column, row)}
                  </th>
                ) : (
                  <td key={column.id} class={column.num ? "num" : undefined}>
                    {cellOf(column, row)}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
      {sorted.length > shown && (
        <p class="row">
          <button type="button" onClick={() => setShown(shown + most)}>
            Show {Math.min(most, sorted.length - shown)} more
          </button>
          <span class="muted">
            {shown} of {counted(sorted.length, "row")}
          </span>
        </p>
      )}
    </div>
  );
}

function cellOf<T>({ cell, by, as = count }: Column<T>, row: T): ComponentChildren {
  if (cell) return cell(row);
  const value = by?.(row) ?? UNKNOWN;
  return typeof value === "number" ? as(value) : value;
}

/** A copy in order. Equal rows keep theirs; what is not known goes last either way. */
function inOrder<T>(rows: readonly T[], column: Column<T> | undefined, down: boolean): readonly T[] {
  const by = column?.by;
  if (!by) return rows;
  const sign = down ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [left, right] = [by(a), by(b)];
    const [noLeft, noRight] = [left === null || left === undefined, right === null || right === undefined];
    if (noLeft || noRight) return Number(noLeft) - Number(noRight);
    if (typeof left === "number" && typeof right === "number") return sign * (left - right);
    return sign * String(left).localeCompare(String(right), "en", { numeric: true });
  });
}

/** j and k go from row to row: to its first link or button, which Enter then opens. Of several tables it is the one with the focus; mark
 *  the element that holds the rows with data-walk. */
export function useRowKeys(body: { current: HTMLElement | null }) {
  const go = useCallback(
    (step: 1 | -1) => {
      const rows = [...(body.current?.children ?? [])];
      const other = document.activeElement?.closest("[data-walk]");
      if (rows.length === 0 || (other && other !== body.current)) return false;
      const at = rows.findIndex((row) => row.contains(document.activeElement));
      const next = rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + step))];
      const target = next?.querySelector<HTMLElement>("a, button, summary") ?? (next as HTMLElement | undefined);
      if (target && target === next) target.tabIndex = -1;
      target?.focus();
      target?.scrollIntoView({ block: "nearest" });
      return target !== undefined;
    },
    [body],
  );
  useKey(
    "j",
    useCallback(() => go(1), [go]),
  );
  useKey(
    "k",
    useCallback(() => go(-1), [go]),
  );
}
