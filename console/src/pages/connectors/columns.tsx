// The columns of tables of connectors: the overview shows some, the page of connectors all.

import type { Connector } from "../../api/types";
import { now } from "../../app/now";
import { ui } from "../../app/paths";
import { bytes, counted, duration, rate } from "../../text/format";
import { behind } from "../../text/lag";
import { look } from "../../text/states";
import { Progress } from "../../ui/progress";
import { State } from "../../ui/state";
import type { Column } from "../../ui/table";

export type Id = "name" | "state" | "tables" | "lag" | "rate" | "snapshot" | "slot";

const ALL: Record<Id, Column<Connector>> = {
  name: {
    id: "name",
    title: "Connector",
    cell: (one) => <a href={ui.connector(one.name)}>{one.name}</a>,
    by: (one) => one.name,
  },
  state: {
    id: "state",
    title: "State",
    cell: (one) => <ConnectorState of={one} />,
    by: (one) => look(one.state).rank,
    help: "Sorted by trouble, the worst first",
  },
  tables: {
    id: "tables",
    title: "Tables",
    num: true,
    by: (one) => one.tables,
  },
  lag: { id: "lag", title: "Lag", num: true, cell: (one) => duration(behind(one)), by: behind },
  rate: { id: "rate", title: "Changes/s", num: true, cell: (one) => rate(one.changes_per_second), by: (one) => one.changes_per_second },
  snapshot: { id: "snapshot", title: "Snapshot", cell: (one) => <Snapshot of={one} /> },
  slot: {
    id: "slot",
    title: "Slot",
    cell: (one) => (
      <>
        <a href={`${ui.slots()}?q=${encodeURIComponent(one.slot)}`}>{one.slot}</a> <span class="muted nowrap">{bytes(one.slot_retained_bytes)}</span>
      </>
    ),
    by: (one) => one.slot_retained_bytes,
  },
};

/** The columns of these names. */
export const columns = (ids: readonly Id[]): Column<Connector>[] => ids.map((id) => ALL[id]);

/** "● streaming 2 d", "▲ waiting 12 min · pg/auth". */
function ConnectorState({ of }: { of: Connector }) {
  const ms = of.failing_seconds ? of.failing_seconds * 1000 : of.state_since === null ? null : Math.max(0, now.value - Date.parse(of.state_since));
  const wants = of.target !== "running" && of.state !== of.target ? `to be ${of.target}` : "";
  const more = [ms === null ? "" : ms < 1000 ? "now" : duration(ms), of.problem?.code ?? "", wants].filter(Boolean).join(" · ");
  return <State state={of.state} more={more || undefined} title={of.problem?.what} />;
}

/** A bar while it runs, else what became of it. */
export function Snapshot({ of }: { of: Connector }) {
  const { tables_total, tables_done, aborted, rows_done, rows_estimated, eta_seconds } = of.snapshot;
  if (of.incremental) {
    const word = of.incremental.state === "paused" ? "paused" : "incremental";
    return (
      <span class="muted">
        {word}, {counted(of.incremental.tables.length, "table")} left
      </span>
    );
  }
  const word = tables_total === 0 ? "–" : aborted ? "broken off" : tables_done >= tables_total ? "done" : "";
  if (word) return <span class="muted">{word}</span>;
  const left = eta_seconds === null ? null : eta_seconds * 1000;
  return <Progress label={`Snapshot of ${of.name}`} done={rows_done} of={rows_estimated} leftMs={left} />;
}
