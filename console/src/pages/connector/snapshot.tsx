// Snapshots of a connector: the initial one table by table, the one that was asked for, how its tables ended, and the last runs.

import { useState } from "preact/hooks";
import { asProblem, post } from "../../api/client";
import type { Connector } from "../../api/types";
import { failed, told } from "../../app/toasts";
import { command } from "../../text/command";
import { count, counted, longDuration, rate } from "../../text/format";
import { AsCommand } from "../../ui/as-command";
import { Confirm } from "../../ui/confirm";
import { Empty } from "../../ui/empty";
import { Progress } from "../../ui/progress";
import { State } from "../../ui/state";
import { Table } from "../../ui/table";
import { Clock } from "../../ui/time";
import { call, path, simple } from "./signals";
import { Start } from "./snapshot-start";

const works = ({ state }: Connector): boolean => state === "streaming" || state === "snapshot";

export function Snapshot({ of }: { of: Connector }) {
  const [starting, setStarting] = useState(false);
  const isWorking = works(of);
  return (
    <div class="stack">
      <div class="bar-row">
        <button type="button" class="primary" disabled={!isWorking} onClick={() => setStarting(true)}>
          New snapshot …
        </button>
        {!isWorking && <span class="muted">The connector must run for that: now it is {of.state}.</span>}
      </div>
      <Asked of={of} />
      <Initial of={of} />
      <Ended of={of} />
      <Runs of={of} />
      <AsCommand line={command("rowfeed", "snapshot", "status", of.name)} call={{ path: `/v1/connectors/${encodeURIComponent(of.name)}` }} />
      {starting && <Start of={of} onClose={() => setStarting(false)} />}
    </div>
  );
}

/** The snapshot that runs beside the stream now, and how it is steered. */
function Asked({ of }: { of: Connector }) {
  const [stopping, setStopping] = useState(false);
  const running = of.incremental;
  if (!running) return null;
  const isPaused = running.state === "paused";
  const steer = async (what: "pause" | "resume") => {
    try {
      await post(path(of.name), simple(what));
      told(`The snapshot of ${of.name} is to ${what === "pause" ? "rest" : "go on"}`);
    } catch (error) {
      failed(`The snapshot of ${of.name} is not ${what}d`, asProblem(error));
    }
  };
  const next = isPaused ? "resume" : "pause";
  return (
    <section class="panel" aria-labelledby="asked">
      <div class="bar-row">
        <h2 id="asked">Beside the stream</h2>
        <State state={isPaused ? "paused" : "snapshot"} more={running.id ?? undefined} />
        <span class="panel-actions">
          <button type="button" onClick={() => steer(next)}>
            {isPaused ? "Resume" : "Pause"}
          </button>
          <button type="button" class="danger" onClick={() => setStopping(true)}>
            Stop
          </button>
        </span>
      </div>
      <p>
        <b>{count(running.rows_done)}</b> rows so far · reading <code>{running.tables[0]}</code>
        {running.tables.length > 1 && <span class="muted"> · then {running.tables.slice(1).join(", ")}</span>}
      </p>
      {running.reconcile && <Reconciling of={running.reconcile} />}
      <AsCommand line={command("rowfeed", "snapshot", next, of.name)} call={call(of.name, simple(next))} />
      {stopping && (
        <Confirm
          title={`Stop the snapshot of ${of.name}?`}
          verb="Stop"
          danger
          act={() => post(path(of.name), simple("stop"))}
          done={`The snapshot of ${of.name} is to stop`}
          onClose={() => setStopping(false)}
        >
          <p>What was read stays in the topics. The rest is not read; a new snapshot begins from the start. The stream goes on untouched.</p>
          <AsCommand line={command("rowfeed", "snapshot", "stop", of.name)} call={call(of.name, simple("stop"))} />
        </Confirm>
      )}
    </section>
  );
}

const PHASES = [
  ["keys", "Keys: the topic is read, and each key remembered whose newest record is a row"],
  ["rows", "Rows: the table is read; a key that is seen is forgotten"],
  ["deletes", "Deletes: what is left is gone, and told so"],
] as const;

function Reconciling({ of }: { of: NonNullable<NonNullable<Connector["incremental"]>["reconcile"]> }) {
  return (
    <div>
      <ol class="phases">
        {PHASES.map(([phase, means]) => (
          <li key={phase} aria-current={phase === of.phase ? "step" : undefined}>
            {means}
          </li>
        ))}
      </ol>
      <p class="muted">
        {counted(of.keys, "key")} remembered, {counted(of.deleted, "row")} told gone.
      </p>
    </div>
  );
}

/** The initial snapshot. */
function Initial({ of }: { of: Connector }) {
  const { snapshot } = of;
  // took_seconds runs from the beginning on.
  const isOver = snapshot.aborted || snapshot.tables_done >= snapshot.tables_total;
  if (snapshot.tables_total === 0 && of.problem) {
    return <Empty title="No snapshot now">The connector does not get that far: see above. Mended, it begins with it, if it has not had one.</Empty>;
  }
  if (snapshot.tables_total === 0 && (of.state === "snapshot" || of.state === "starting")) {
    return <Empty title="It begins">The tables that it reads at first stand here in a moment.</Empty>;
  }
  if (snapshot.tables_total === 0) {
    return (
      <Empty title="No initial snapshot">
        Since this connector began it has read no table as a whole: it was told not to (<code>snapshot.mode</code>), or it goes on from a position. Ask for one
        with “New snapshot …”.
      </Empty>
    );
  }
  return (
    <section aria-labelledby="initial">
      <h2 id="initial">Initial snapshot</h2>
      <p class="total">
        <Progress label={`Initial snapshot of ${of.name}`} done={snapshot.rows_done} of={snapshot.rows_estimated} over={isOver && !snapshot.aborted} leftMs={ms(snapshot.eta_seconds)} />
        <span>
          {snapshot.tables_done} of {counted(snapshot.tables_total, "table")} · {count(snapshot.rows_done)} rows
          {!isOver && snapshot.rows_estimated !== null && ` of ~${count(snapshot.rows_estimated)}`}
          {snapshot.rows_earlier > 0 && ` · ${count(snapshot.rows_earlier)} read before it was interrupted`}
          {snapshot.rows_per_second !== null && ` · ${rate(snapshot.rows_per_second)} rows/s`}
          {isOver && ` · ${snapshot.aborted ? "broken off after" : "took"} ${tookText(snapshot.took_seconds ?? 0)}${snapshot.rows_earlier > 0 ? " since" : ""}`}
        </span>
      </p>
      {!isOver && <p class="muted">Totals and what is left are estimated from table statistics.</p>}
      <Table
        caption={`Initial snapshot of ${of.name} by table`}
        rows={snapshot.tables}
        keyOf={(row) => row.table}
        columns={[
          { id: "table", title: "Table", by: (row) => row.table },
          { id: "state", title: "State", by: (row) => row.state, cell: (row) => STATES[row.state] ?? row.state },
          {
            id: "part",
            title: "Read",
            cell: (row) => (
              <Progress label={`Snapshot of ${row.table}`} done={row.rows_done} of={row.rows_estimated} over={row.state === "completed"} leftMs={ms(row.eta_seconds)} />
            ),
          },
          { id: "rows", title: "Rows", num: true, by: (row) => row.rows_done },
          { id: "estimated", title: "Estimated", num: true, by: (row) => row.rows_estimated, cell: (row) => (row.rows_estimated === null ? "–" : `~${count(row.rows_estimated)}`) },
          { id: "rate", title: "Rows/s", num: true, by: (row) => row.rows_per_second, as: rate },
        ]}
      />
    </section>
  );
}

/** How long it took; the service counts whole seconds. */
export const tookText = (seconds: number): string => (seconds === 0 ? "less than a second" : longDuration(seconds * 1000));

const ms = (seconds: number | null): number | null => (seconds === null ? null : seconds * 1000);

const STATES: Record<string, string> = { completed: "✓ done", aborted: "○ broken off" };

const ENDS: Record<string, string> = {
  COMPLETED: "✓ completed",
  ABORTED: "○ broken off",
  SUCCEEDED: "✓ succeeded",
  STOPPED: "stopped",
  NO_PRIMARY_KEY: "▲ no key to read it by",
  UNKNOWN_SCHEMA: "▲ not captured, or not in the publication",
  SQL_EXCEPTION: "▲ PostgreSQL refused it",
  RECONCILE_REFUSED: "▲ it cannot be compared",
  EMPTY: "✓ it is empty",
};

/** Tables of the snapshot that was asked for, those that are over. */
function Ended({ of }: { of: Connector }) {
  if (of.incremental_ended.length === 0) return null;
  return (
    <section aria-labelledby="ended">
      <h2 id="ended">Over</h2>
      <p class="muted">Tables of the last snapshot that was asked for, in the order they ended.</p>
      <Table
        caption={`Snapshots of ${of.name} that are over`}
        param="ended"
        rows={of.incremental_ended.map((one, at) => ({ ...one, at }))}
        keyOf={(row) => `${row.at} ${row.table}`}
        columns={[
          { id: "table", title: "Table", cell: (row) => row.table },
          { id: "status", title: "End", cell: (row) => ENDS[row.status] ?? row.status },
          { id: "rows", title: "Rows", num: true, cell: (row) => count(row.rows_done) },
          { id: "deleted", title: "Told gone", num: true, cell: (row) => count(row.rows_deleted) },
          { id: "why", title: "Why", cell: (row) => row.why ?? "" },
        ]}
      />
    </section>
  );
}

const WAYS = { snapshot: "while the stream waits", incremental: "beside the stream" };

/** Where one is that has not ended: it stands still with its connector. */
const stateOf = (kind: string, of: Connector): string => (!works(of) ? of.state : kind === "incremental" && of.incremental?.state === "paused" ? "paused" : "reading");

/** Each snapshot that the service remembers, the newest first. */
function Runs({ of }: { of: Connector }) {
  if (of.snapshots.length === 0) return null;
  return (
    <section aria-labelledby="runs">
      <h2 id="runs">Snapshots since the service started</h2>
      <Table
        caption={`Snapshots of ${of.name} since the service started`}
        param="runs"
        rows={of.snapshots}
        keyOf={(row) => row.kind + row.began_at}
        columns={[
          { id: "began", title: "Began", cell: (row) => <Clock at={row.began_at} exact={false} /> },
          { id: "kind", title: "Read", cell: (row) => WAYS[row.kind] },
          { id: "status", title: "State", cell: (row) => (row.status === "IN_PROGRESS" ? <State state={stateOf(row.kind, of)} /> : (ENDS[row.status] ?? row.status)) },
          { id: "took", title: "Took", num: true, cell: (row) => (row.ended_at === null ? "–" : tookText(Math.floor((Date.parse(row.ended_at) - Date.parse(row.began_at)) / 1000))) },
          { id: "tables", title: "Tables", num: true, cell: (row) => count(row.tables) },
          { id: "rows", title: "Rows", num: true, cell: (row) => count(row.rows_done) },
        ]}
      />
    </section>
  );
}
