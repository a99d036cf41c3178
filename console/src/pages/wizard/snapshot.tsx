// Step 4: whether the rows that exist are read first, which of them, and about how long that takes.

import type { Relation } from "../../api/types";
import { count, longDuration } from "../../text/format";
import { Field } from "../../ui/field";
import { type Draft, chosenOf } from "./draft";
import { Radios } from "./events";
import { Lacking } from "./lacking";
import { useRelations } from "./relations";
import { change, draft, lack } from "./store";
import { sizeText } from "./tables";

const KINDS: readonly (readonly [Draft["snapshot"], string, string])[] = [
  ["initial", "All rows", "Each row as an event with op r, then the changes. No change is missed, none comes twice."],
  ["filtered", "Some rows", "Those that fulfil a condition; of tables without one, all. Changes come for all rows."],
  ["no_data", "Changes only", "From now on. A snapshot can be asked for later, table by table, while changes go on."],
];

/** Rows a second, from a slow network to a fast disk. */
const RATES = [20_000, 300_000] as const;
/** Tables with a condition of their own. */
const SHOWN_MAX = 100;

export function Snapshot() {
  const relations = useRelations();
  const of = draft.value;
  const tables = chosenOf(of, relations.items);
  return (
    <div class="stack">
      <Radios label="Rows that exist already" of={KINDS} value={of.snapshot} onChange={(snapshot) => change({ snapshot })} />
      {of.snapshot !== "no_data" && tables.length > 0 && <Estimate of={tables} />}
      <Lacking what={lack(4, "where")} />
      {of.snapshot === "filtered" && <Conditions tables={tables.map((one) => one.table)} />}
      {of.snapshot !== "no_data" && (
        <p class="muted">
          It reads beside your application and locks nothing. Its one long transaction holds back the server's vacuum meanwhile. A restart goes on where it was.
        </p>
      )}
    </div>
  );
}

function Estimate({ of }: { of: readonly Relation[] }) {
  const rows = of.reduce((total, one) => total + (one.rows_estimated ?? 0), 0);
  const [slow, fast] = RATES.map((rate) => longDuration(Math.max(1000, (rows / rate) * 1000)));
  return (
    <p role="status">
      <b>{sizeText(of)}</b>
      {of.some((one) => one.rows_estimated !== null) && (
        <>
          : {slow === fast ? `about ${slow}` : `between ${fast} and ${slow}`}{" "}
          <span class="muted">(estimated from table statistics, at {RATES.map(count).join(" to ")} rows a second)</span>
        </>
      )}
    </p>
  );
}

function Conditions({ tables }: { tables: readonly string[] }) {
  const { where } = draft.value;
  const names = tables.length > 0 ? tables : Object.keys(where);
  if (names.length === 0) return <p class="muted">The tables are not known here: choose them by name in step 2, or say all rows.</p>;
  return (
    <div class="fields">
      <p class="muted whole">
        SQL conditions with the rights of the role, such as <code>created &gt; now() - interval '30 days'</code>. Empty: all rows.
      </p>
      {names.slice(0, SHOWN_MAX).map((table) => (
        <Field key={table} label={table}>
          {(ids) => (
            <input
              {...ids}
              type="text"
              class="mono"
              placeholder="all rows"
              autocomplete="off"
              spellcheck={false}
              value={where[table] ?? ""}
              onInput={(event) => change({ where: { ...where, [table]: event.currentTarget.value } })}
            />
          )}
        </Field>
      ))}
      {names.length > SHOWN_MAX && <p class="muted">The first {SHOWN_MAX} of {count(names.length)}; write others into the file.</p>}
    </div>
  );
}
