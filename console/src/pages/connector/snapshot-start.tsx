// The dialog that asks for a snapshot: which tables, beside the stream or not, only some rows, or to find what is gone.

import { useState } from "preact/hooks";
import { post, seg } from "../../api/client";
import { usePolled } from "../../api/polled";
import type { Connector, Relation } from "../../api/types";
import { counted } from "../../text/format";
import { AsCommand } from "../../ui/as-command";
import { Confirm } from "../../ui/confirm";
import { Field } from "../../ui/field";
import { type Wanted, call, path, start, startLine } from "./signals";

interface Props {
  of: Connector;
  /** Chosen at first; none: all. */
  tables?: readonly string[];
  onClose: () => void;
}

const KINDS: readonly [Wanted["kind"], string, string][] = [
  ["incremental", "Beside the stream", "Rows are read again in pieces while changes go on. Nothing is held up."],
  ["blocking", "While the stream waits", "Rows come in one piece; changes come behind them."],
  ["reconcile", "Reconcile", "Beside the stream; and rows that are gone from the table are deleted from the topic, as after a lost slot."],
];

export function Start({ of, tables = [], onClose }: Props) {
  const [wanted, setWanted] = useState<Wanted>({ tables, kind: "incremental", where: "" });
  const relations = usePolled<{ items: Relation[] }>(seg`/v1/sources/${of.name}/tables`).data?.items.filter((one) => one.captured) ?? [];
  const names = [...new Set([...tables, ...relations.map((one) => one.table)])].sort();
  const change = (some: Partial<Wanted>) => setWanted({ ...wanted, ...some });
  const toggle = (name: string) =>
    change({ tables: wanted.tables.includes(name) ? wanted.tables.filter((one) => one !== name) : [...wanted.tables, name] });
  const mayFilter = wanted.tables.length === 1 && wanted.kind !== "reconcile";
  const signal = start(wanted);
  const which = wanted.tables.length === 0 ? "all captured tables" : wanted.tables.length === 1 ? wanted.tables[0] : counted(wanted.tables.length, "table");
  return (
    <Confirm
      title={`Snapshot of ${of.name}`}
      verb="Start"
      act={() => post(path(of.name), signal)}
      done={`A snapshot of ${which} waits for its turn`}
      onClose={onClose}
    >
      <fieldset class="checks">
        <legend>Tables</legend>
        <label>
          <input type="radio" name="which" checked={wanted.tables.length === 0} onChange={() => change({ tables: [] })} /> All captured tables
        </label>
        <div class="checks-list">
          {names.map((name) => (
            <label key={name}>
              <input type="checkbox" checked={wanted.tables.includes(name)} onChange={() => toggle(name)} /> {name}
            </label>
          ))}
        </div>
      </fieldset>
      <fieldset class="checks">
        <legend>How</legend>
        {KINDS.map(([kind, title, means]) => (
          <label key={kind}>
            <input type="radio" name="kind" checked={wanted.kind === kind} onChange={() => change({ kind })} />
            <span>
              {title} <span class="muted">{means}</span>
            </span>
          </label>
        ))}
      </fieldset>
      {mayFilter && (
        <Field label="Only rows that fulfil" help="An SQL condition with the rights of the connector's role; empty: all rows.">
          {(ids) => (
            <input
              {...ids}
              type="text"
              class="mono"
              placeholder="created > now() - interval '1 day'"
              autocomplete="off"
              spellcheck={false}
              value={wanted.where}
              onInput={(event) => change({ where: event.currentTarget.value })}
            />
          )}
        </Field>
      )}
      <AsCommand line={startLine(of.name, wanted)} call={call(of.name, signal)} />
    </Confirm>
  );
}
