// Step 2: the tables by schema, with key, identity and size; what would break the application cannot be chosen before that is mended.

import { useQuery } from "../../app/query";
import type { Relation } from "../../api/types";
import { bytes, count, counted } from "../../text/format";
import { Empty } from "../../ui/empty";
import { Filter } from "../../ui/filter";
import { Identity, Key, hasWal } from "../../ui/identity";
import { Loading } from "../../ui/loading";
import { ProblemBox } from "../../ui/problem-box";
import { breaks, chosenOf, mayChoose, missing, schemaOf } from "./draft";
import { Lacking, NoPassword } from "./lacking";
import { useRelations } from "./relations";
import { change, draft, lack } from "./store";

/** Tables of a schema that are drawn; the filter finds the others. */
const SHOWN_MAX = 300;

export function Tables() {
  const relations = useRelations();
  const [text] = useQuery("q");
  if (missing(draft.value) !== "") return null;
  if (relations.isLoading) return <Loading />;
  if (relations.problem) {
    return (
      <>
        <NoPassword />
        <ProblemBox problem={relations.problem} what="The tables cannot be listed" onRetry={relations.again} />
      </>
    );
  }
  if (relations.items.length === 0) {
    return (
      <Empty title="There is no table yet" actions={<button type="button" onClick={relations.again}>Look again</button>}>
        The role sees no table in this database. Is it the right database, and may the role use its schemas?
      </Empty>
    );
  }
  const found = relations.items.filter((one) => one.table.toLowerCase().includes(text.toLowerCase()));
  const schemas = [...new Set(found.map((one) => schemaOf(one.table)))].sort();
  return (
    <div class="stack">
      <div class="bar-row">
        <Filter label="Filter tables" />
        <button type="button" onClick={relations.again}>
          Look again
        </button>
        <Chosen all={relations.items} />
      </div>
      <Lacking what={lack(2, "tables")} />
      {schemas.map((schema) => (
        <Schema key={schema} name={schema} tables={found.filter((one) => schemaOf(one.table) === schema)} all={relations.items} />
      ))}
    </div>
  );
}

/** "14 tables, ~2.1 M rows, ~1.3 GiB", as far as the server has statistics. */
export function sizeText(of: readonly Relation[]): string {
  const sum = (size: (one: Relation) => number | null) => of.reduce((total, one) => total + (size(one) ?? 0), 0);
  const known = of.some((one) => one.rows_estimated !== null);
  return `${counted(of.length, "table")}, ${known ? `~${count(sum((one) => one.rows_estimated))} rows, ~${bytes(sum((one) => one.size_bytes_estimated))}` : "not analyzed yet"}`;
}

function Chosen({ all }: { all: readonly Relation[] }) {
  const chosen = chosenOf(draft.value, all);
  if (chosen.length === 0) return <span class="muted">No table is chosen yet.</span>;
  return <b role="status">{sizeText(chosen)}</b>;
}

const without = (list: readonly string[], out: readonly string[]): string[] => list.filter((one) => !out.includes(one));

function Schema({ name, tables, all }: { name: string; tables: readonly Relation[]; all: readonly Relation[] }) {
  const of = draft.value;
  const isWhole = of.schemas.includes(name);
  const names = tables.filter((one) => mayChoose(of, one)).map((one) => one.table);
  const chosen = isWhole ? names.length : names.filter((table) => of.tables.includes(table)).length;
  // A new table is published by itself, and so would be one that must not be.
  const harmful = all.filter((one) => schemaOf(one.table) === name && breaks(one) && !of.full.includes(one.table));
  const chooseAll = (on: boolean) => change({ tables: on ? [...new Set([...of.tables, ...names])] : without(of.tables, names) });
  const chooseWhole = (on: boolean) => change({ schemas: on ? [...of.schemas, name] : without(of.schemas, [name]) });
  return (
    <details class="schema" open>
      <summary>
        <b>{name}</b> <span class="muted">{counted(tables.length, "table")}</span>
      </summary>
      <div class="bar-row">
        <label>
          <input
            type="checkbox"
            disabled={isWhole || names.length === 0}
            checked={chosen > 0 && chosen === names.length}
            indeterminate={chosen > 0 && chosen < names.length}
            onChange={(event) => chooseAll(event.currentTarget.checked)}
          />{" "}
          All of these
        </label>
        <label>
          <input
            type="checkbox"
            role="switch"
            disabled={!isWhole && harmful.length > 0}
            checked={isWhole}
            onChange={(event) => chooseWhole(event.currentTarget.checked)}
          />{" "}
          New tables in this schema automatically
        </label>
        {harmful.length > 0 && (
          <span class={isWhole ? "say-warn" : "muted"}>
            {isWhole ? "▲ It would publish" : "Not while there is"} {harmful[0]?.table}: it lacks a replica identity.
          </span>
        )}
      </div>
      <div class="table-wrap" role="region" aria-label={`Tables of ${name}`} tabIndex={0}>
        <table>
          <caption class="sr">Tables of {name}</caption>
          <thead>
            <tr>
              <th scope="col">Table</th>
              <th scope="col" class="num">
                Rows
              </th>
              <th scope="col" class="num">
                Size
              </th>
              <th scope="col" class="wide-start">
                Key
              </th>
              <th scope="col">Identity</th>
              <th scope="col">To know</th>
            </tr>
          </thead>
          <tbody>
            {tables.slice(0, SHOWN_MAX).map((one) => (
              <Row key={one.table} of={one} isWhole={isWhole} />
            ))}
          </tbody>
        </table>
        {tables.length > SHOWN_MAX && <p class="muted">{counted(tables.length - SHOWN_MAX, "more table")}: filter to see them.</p>}
      </div>
    </details>
  );
}

function Row({ of, isWhole }: { of: Relation; isWhole: boolean }) {
  const { tables, full } = draft.value;
  const may = mayChoose(draft.value, of);
  const isFull = full.includes(of.table);
  const choose = (on: boolean) => change({ tables: on ? [...tables, of.table] : without(tables, [of.table]) });
  const setFull = (on: boolean) =>
    change(on ? { full: [...full, of.table], tables: [...new Set([...tables, of.table])] } : { full: without(full, [of.table]), tables: without(tables, [of.table]) });
  return (
    <tr>
      <th scope="row">
        <label class={may ? "choose" : "choose muted"}>
          <input
            type="checkbox"
            disabled={!may || isWhole}
            checked={may && (isWhole || tables.includes(of.table))}
            onChange={(event) => choose(event.currentTarget.checked)}
          />
          {of.table.slice(schemaOf(of.table).length + 1)} {of.kind !== "table" && <span class="badge">{of.kind}</span>}
        </label>
      </th>
      <td class="num">{of.rows_estimated === null ? "–" : `~${count(of.rows_estimated)}`}</td>
      <td class="num">{bytes(of.size_bytes_estimated)}</td>
      <td class="wide-start">
        <Key of={of} />
      </td>
      <td>{hasWal(of) && <Identity identity={of.replica_identity} table={of.table} hasKey={of.primary_key.length > 0} />}</td>
      <td>
        {of.reasons.map((reason) => (
          <p key={reason.code} class={isFull && reason.code === "pg/identity-missing" ? "muted" : "say-warn"}>
            <span aria-hidden="true">▲ </span>
            {reason.text}
            {reason.code === "pg/select" && ": step 5 has the statement that lets it"}
          </p>
        ))}
        {breaks(of) && (
          <label>
            <input type="checkbox" checked={isFull} onChange={(event) => setFull(event.currentTarget.checked)} /> Choose it with REPLICA IDENTITY FULL: set when it starts, if
            the role owns it
          </label>
        )}
      </td>
    </tr>
  );
}
