// A record from its different sides: what changed, as a tree, as it is stored, its headers, where it comes from.

import { sqlTable } from "../../text/command";
import { bytes, duration } from "../../text/format";
import { lsnText } from "../../text/lsn";
import { valueText } from "../../text/diff";
import { Code } from "../../ui/code";
import { Diff, Value } from "../../ui/diff";
import { Facts } from "../../ui/facts";
import { Clock } from "../../ui/time";
import type { Stored } from "./stored";
import { Tree } from "./tree";

export const PARTS = [
  ["diff", "Diff"],
  ["tree", "Tree"],
  ["raw", "Raw"],
  ["headers", "Headers"],
  ["source", "Source"],
] as const;

export type Part = (typeof PARTS)[number][0];

export function PartOf({ part, of }: { part: Part; of: Stored }) {
  switch (part) {
    case "diff":
      return <Changes of={of} />;
    case "tree":
      return (
        <>
          <Tree label="key" of={of.item.key} />
          <Tree label="value" of={of.item.value} />
        </>
      );
    case "raw":
      return <Raw of={of} />;
    case "headers":
      return <Headers of={of} />;
    case "source":
      return <Source of={of} />;
  }
}

function Changes({ of: { item, op, columns, envelope } }: { of: Stored }) {
  if (item.tombstone) {
    return <p class="muted">A tombstone: it follows a delete, and lets compaction forget the key. It has no value.</p>;
  }
  if (!columns || op === null) return <Tree label="value" of={item.value} />;
  if (op === "t") return <p>The table was truncated: all of its rows are gone.</p>;
  if (columns.length === 0) return <p class="muted">The event has no columns.</p>;
  const { schema, table } = envelope?.source ?? {};
  const fix = typeof schema === "string" && typeof table === "string" ? `alter table ${sqlTable(`${schema}.${table}`)} replica identity full;` : undefined;
  return <Diff columns={columns} op={op} fix={fix} />;
}

const pretty = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));

function Raw({ of: { item } }: { of: Stored }) {
  return (
    <div class="stack">
      <div>
        <h3>Key</h3>
        <Code text={pretty(item.key)} what="the key" />
      </div>
      <div>
        <h3>
          Value <span class="muted">{bytes(item.size)} stored</span>
        </h3>
        <Code text={pretty(item.value)} what="the value" />
      </div>
    </div>
  );
}

function Headers({ of: { item } }: { of: Stored }) {
  const headers = Object.entries(item.headers);
  if (headers.length === 0) return <p class="muted">The record has no headers.</p>;
  return (
    <div class="diff">
      <table>
        <caption class="sr">Headers</caption>
        <thead>
          <tr>
            <th scope="col">Header</th>
            <th scope="col">Value</th>
          </tr>
        </thead>
        <tbody>
          {headers.map(([name, value]) => (
            <tr key={name}>
              <th scope="row" class="mono">
                {name}
              </th>
              <td>
                <Value of={value} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Fields of Debezium's source that have a line of their own above. */
const TOLD = new Set(["db", "schema", "table", "lsn", "txId", "ts_ms", "ts_us", "ts_ns", "snapshot", "connector", "name", "version"]);

function Source({ of: { item, envelope } }: { of: Stored }) {
  const source = envelope?.source;
  if (!source) return <p class="muted">No change of a table: the record does not say where it comes from.</p>;
  const text = (name: string) => (source[name] === null || source[name] === undefined ? null : valueText(source[name]));
  const commit = source["ts_ms"];
  const written = Date.parse(item.ts);
  const more = Object.keys(source).filter((name) => !TOLD.has(name) && text(name) !== null);
  return (
    <Facts
      of={[
        ["Table", [text("schema"), text("table")].filter(Boolean).join(".") || null],
        ["Database", text("db")],
        ["Committed", typeof commit === "number" ? <Clock at={commit} /> : null],
        ["On the topic", <Clock at={item.ts} />],
        ["Took", typeof commit === "number" && Number.isFinite(written) ? duration(written - commit) : null],
        ["Transaction", text("txId")],
        ["LSN", lsnText(source["lsn"]) ?? text("lsn")],
        ["Snapshot", text("snapshot")],
        ["Connector", [text("name"), text("connector"), text("version")].filter(Boolean).join(" · ") || null],
        ...more.map((name) => [name, <code>{text(name)}</code>] as const),
      ]}
    />
  );
}
