// Step 3: the form of events, what of a row is left out or hidden, and beside it a sample.

import { useRef } from "preact/hooks";
import { useQuery } from "../../app/query";
import { Field } from "../../ui/field";
import { type Draft, chosenOf } from "./draft";
import { useRelations } from "./relations";
import { SampleView, useSample } from "./sample";
import { change, draft } from "./store";

type Choices<T extends string> = readonly (readonly [value: T, title: string, means: string])[];

const ENVELOPES: Choices<Draft["envelope"]> = [
  ["debezium", "Debezium", "before, after, op, source: the whole change. What Debezium's consumers expect."],
  ["flat", "Flat", "The row as it is now; a delete is the last row with __deleted. Updates lose what was before."],
  ["cloudevents", "CloudEvents", "Debezium's change within the attributes of CloudEvents 1.0."],
];
const DECIMALS: Choices<Draft["decimals"]> = [
  ["string", "Text", "\"12.30\": exact, and readable everywhere."],
  ["double", "Number", "12.3: easy, and not exact for large values."],
  ["precise", "Bytes", "Base64 of the unscaled value, as Debezium has it at first."],
];
const TIMES: Choices<Draft["timestamps"]> = [
  ["isostring", "Text", "2026-11-21T13:02:11.482Z"],
  ["adaptive", "Number", "Milliseconds, microseconds or days, by the column's type, as Debezium has it at first."],
];

export function Events() {
  const relations = useRelations();
  const [asked, ask] = useQuery("table");
  const tables = (draft.value.tables.length + draft.value.schemas.length > 0 ? chosenOf(draft.value, relations.items) : relations.items.filter((one) => one.capturable)).map(
    (one) => one.table,
  );
  const table = tables.includes(asked) ? asked : (tables[0] ?? asked);
  const sample = useSample(table);
  return (
    <div class="two">
      <div class="stack">
        <Radios label="Envelope" of={ENVELOPES} value={draft.value.envelope} onChange={(envelope) => change({ envelope })} />
        <Radios label="Exact numbers" of={DECIMALS} value={draft.value.decimals} onChange={(decimals) => change({ decimals })} />
        <Radios label="Times" of={TIMES} value={draft.value.timestamps} onChange={(timestamps) => change({ timestamps })} />
      </div>
      <section class="panel" aria-label="Sample">
        <Field label="Sample of">
          {(ids) =>
            tables.length > 0 ? (
              <select {...ids} value={table} onChange={(event) => ask(event.currentTarget.value)}>
                {tables.map((one) => (
                  <option key={one} value={one}>
                    {one}
                  </option>
                ))}
              </select>
            ) : (
              <input {...ids} type="text" class="mono" placeholder="public.orders" value={asked} onInput={(event) => ask(event.currentTarget.value.trim())} />
            )
          }
        </Field>
        {table !== "" && <Columns table={table} value={sample.preview?.value} />}
        <SampleView of={sample} table={table} />
      </section>
    </div>
  );
}

interface RadiosProps<T extends string> {
  label: string;
  of: Choices<T>;
  value: T;
  onChange: (value: T) => void;
}

export function Radios<T extends string>({ label, of, value, onChange }: RadiosProps<T>) {
  return (
    <fieldset class="checks">
      <legend>{label}</legend>
      {of.map(([one, title, means]) => (
        <label key={one}>
          <input type="radio" name={label} checked={one === value} onChange={() => onChange(one)} />
          <span>
            {title} <span class="muted">{means}</span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}

/** The names of a row's columns, wherever the form of the event has them. */
function columnsOf(value: unknown): string[] {
  if (value === null || typeof value !== "object") return [];
  const map = value as Record<string, unknown>;
  for (const inner of ["payload", "data", "after"]) if (map[inner] !== null && typeof map[inner] === "object") return columnsOf(map[inner]);
  return Object.keys(map).filter((name) => !name.startsWith("__"));
}

const KEPT = "kept";

/** What is sent of each column; names come from the samples that were seen, so that one left out can be brought back. */
function Columns({ table, value }: { table: string; value: unknown }) {
  const seen = useRef(new Map<string, Set<string>>());
  const { dropped, masked } = draft.value;
  const names = seen.current.get(table) ?? new Set<string>();
  columnsOf(value).forEach((name) => names.add(name));
  seen.current.set(table, names);
  const prefix = `${table}.`;
  [...dropped, ...masked].filter((one) => one.startsWith(prefix)).forEach((one) => names.add(one.slice(prefix.length)));
  const choose = (column: string, what: string) =>
    change({
      dropped: [...dropped.filter((one) => one !== column), ...(what === "dropped" ? [column] : [])],
      masked: [...masked.filter((one) => one !== column), ...(what === "masked" ? [column] : [])],
    });
  if (names.size === 0) return null;
  const touched = [...names].filter((name) => dropped.includes(prefix + name) || masked.includes(prefix + name)).length;
  return (
    <details open={touched > 0}>
      <summary>
        Columns to leave out or hide{touched > 0 && `: ${touched}`}
      </summary>
      <div class="columns">
        {[...names].map((name) => {
          const column = prefix + name;
          return (
            <label key={column}>
              <span class="mono">{name}</span>
              <select
                value={dropped.includes(column) ? "dropped" : masked.includes(column) ? "masked" : KEPT}
                onChange={(event) => choose(column, event.currentTarget.value)}
              >
                <option value={KEPT}>sent</option>
                <option value="masked">hidden behind stars</option>
                <option value="dropped">left out</option>
              </select>
            </label>
          );
        })}
      </div>
      <p class="muted">Stars stand for texts only.</p>
    </details>
  );
}
