// Replication slots of the servers that connectors read: the WAL each holds back, who holds it, how much time is left, and dropping one.

import { useState } from "preact/hooks";
import { at, del, seg } from "../../api/client";
import { usePolled } from "../../api/polled";
import { useSeen } from "../../api/seen";
import type { Answer, Slot } from "../../api/types";
import { Page } from "../../app/page";
import { ui } from "../../app/paths";
import { useQuery } from "../../app/query";
import { command } from "../../text/command";
import { bytes, duration } from "../../text/format";
import { holds } from "../../text/search";
import { AsCommand } from "../../ui/as-command";
import { Chart, LINES_MAX } from "../../ui/chart";
import { Confirm } from "../../ui/confirm";
import { Empty } from "../../ui/empty";
import { Filter } from "../../ui/filter";
import { Loaded } from "../../ui/loading";
import { type Column, Table } from "../../ui/table";
import { type Forecast, type Point, forecast } from "./forecast";
import { Holder, LeftText, Retained } from "./cells";
import { keyOf, useSeries } from "./history";

type Slots = Answer<"/v1/slots">;

/** Each answer asks the databases themselves. */
const ASK_MS = 10_000;

export default function SlotsPage() {
  const polled = usePolled<Slots>("/v1/slots", ASK_MS);
  const series = useSeries(polled.data?.items);
  const seen = useSeen(polled.data?.items, keyOf, (slot) => slot.retained_bytes);
  const [text] = useQuery("q");
  const [drop, setDrop] = useState<Slot>();
  const by = (points: readonly Point[] | undefined, { safe_bytes, wal_status }: Slot) => forecast(points ?? [], safe_bytes, wal_status);
  // What the service remembers; else what this page has seen itself.
  const forecastOf = (slot: Slot) => {
    const known = by(series.get(slot.connector ?? ""), slot);
    return known.is === "unknown" ? by(seen.get(keyOf(slot)), slot) : known;
  };
  return (
    <Page title="Slots" lead="What keeps WAL on the database servers. A slot that nobody reads fills the server's disk, unless it has a limit. One that is in use cannot be dropped.">
      <Loaded of={polled}>
        {({ items, unreached }) => {
          const shown = items.filter((slot) => holds(`${slot.slot} ${slot.server} ${slot.connector ?? ""}`, text));
          return (
            <div class="stack">
              {unreached.map(({ server, problem }) => (
                <p key={server} class="say-warn">
                  ▲ {server} does not answer, so its slots are not in the list: {problem}
                </p>
              ))}
              <HeldChart series={series} />
              <div>
                <div class="bar-row">
                  <Filter label="Filter slots" />
                </div>
                <Table
                  caption="Replication slots"
                  rows={shown}
                  columns={columns(forecastOf, setDrop)}
                  keyOf={keyOf}
                  sort="-retained"
                  empty={text && items.length > 0 ? <p class="muted">No slot of that name.</p> : unreached.length > 0 ? <p class="muted">No slot is known.</p> : <NoSlots />}
                />
              </div>
              <AsCommand line={command("rowfeed", "slots", "list")} call={{ path: "/v1/slots" }} />
            </div>
          );
        }}
      </Loaded>
      {drop && <Drop slot={drop} onClose={() => setDrop(undefined)} onDone={polled.again} />}
    </Page>
  );
}

const columns = (forecastOf: (slot: Slot) => Forecast, onDrop: (slot: Slot) => void): Column<Slot>[] => [
  { id: "slot", title: "Slot", by: (slot) => slot.slot, cell: (slot) => <span class="mono">{slot.slot}</span> },
  {
    id: "server",
    title: "Server",
    by: (slot) => slot.server,
    cell: (slot) => (
      <>
        {slot.server}
        {slot.database && <span class="muted"> / {slot.database}</span>}
      </>
    ),
  },
  { id: "connector", title: "Connector", by: (slot) => slot.connector, cell: (slot) => (slot.connector ? <a href={ui.connector(slot.connector)}>{slot.connector}</a> : <span class="muted">of none</span>) },
  { id: "holder", title: "Read by", by: (slot) => (slot.active ? 1 : 0), cell: (slot) => <Holder of={slot} /> },
  { id: "retained", title: "WAL held", num: true, by: (slot) => slot.retained_bytes, cell: (slot) => <Retained of={slot} /> },
  {
    id: "left",
    title: "Time left",
    help: "An estimate, by how the held WAL grew lately",
    by: (slot) => {
      const is = forecastOf(slot);
      return is.is === "left" ? is.ms : is.is === "lost" ? -1 : null;
    },
    cell: (slot) => <LeftText of={forecastOf(slot)} />,
  },
  { id: "lag", title: "Not confirmed", num: true, help: "WAL the reader has not confirmed", by: (slot) => slot.lag_bytes, as: bytes },
  {
    id: "drop",
    title: "Action",
    // The server refuses to drop what is being read.
    cell: (slot) =>
      slot.active ? (
        <span class="muted">in use by pid {slot.active_pid ?? "?"}</span>
      ) : (
        <button type="button" class="danger" aria-label={`Drop ${slot.slot} …`} onClick={() => onDrop(slot)}>
          Drop …
        </button>
      ),
  },
];

/** The connectors that hold most are drawn. */
function HeldChart({ series }: { series: ReadonlyMap<string, readonly Point[]> }) {
  const most = (points: readonly Point[]) => Math.max(0, ...points.map((point) => point.value ?? 0));
  const drawn = [...series].sort(([, a], [, b]) => most(b) - most(a)).slice(0, LINES_MAX);
  const times = [...new Set(drawn.flatMap(([, points]) => points.map((point) => point.at)))].sort((a, b) => a - b);
  if (times.length < 2) return null;
  const lines = drawn.map(([name, points]) => {
    const values = new Map(points.map((point) => [point.at, point.value]));
    return { name, values: times.map((time) => values.get(time) ?? null) };
  });
  return <Chart title="WAL held by connectors, last hour" times={times} lines={lines} format={bytes} />;
}

function Drop({ slot, onClose, onDone }: { slot: Slot; onClose: () => void; onDone: () => void }) {
  const path = at(seg`/v1/slots/${slot.slot}`, { server: slot.server });
  return (
    <Confirm
      title={`Drop the slot ${slot.slot}?`}
      verb="Drop"
      danger
      type={slot.slot}
      act={() => del(path)}
      done={`The slot ${slot.slot} is dropped`}
      onClose={onClose}
      onDone={onDone}
    >
      <p>
        {slot.server} frees {bytes(slot.retained_bytes)} of WAL. What its reader has not read is lost to it, and cannot be had back.
        {slot.inactive_s !== null && ` Nobody has read it for ${duration(slot.inactive_s * 1000)}.`}
      </p>
      {slot.connector && (
        <p class="say-warn">
          ▲ The connector {slot.connector} reads it. Resumed without it, it fails with slot/gone: on <a href={`${ui.connector(slot.connector)}?tab=offsets`}>its page</a>, Stop
          it, Forget the position, and Resume. Then it takes a new snapshot (with snapshot.mode=when_needed it does so by itself); deletes that happened between are not told.
        </p>
      )}
      {slot.active && <p class="say-warn">▲ It is being read now, by {slot.holder ?? "somebody"}. The server refuses to drop it until that ends.</p>}
      <AsCommand line={command("rowfeed", "slots", "drop", slot.slot, "--on", slot.server)} call={{ method: "DELETE", path }} />
    </Confirm>
  );
}

function NoSlots() {
  return (
    <Empty title="No replication slots known" actions={<a class="button primary" href={ui.newConnector()}>New connector</a>}>
      <p>A slot keeps WAL for its reader until that has read it. Only servers that a connector reads are asked; other programs' slots there are told, too.</p>
      <p>A connector makes its own when it starts: connect a database.</p>
    </Empty>
  );
}
