// Where a connector is: its position as it is kept, its slot on the server, and forgetting the position of one that is stopped.

import { useState } from "preact/hooks";
import { del, seg } from "../../api/client";
import { usePolled } from "../../api/polled";
import type { Connector, Slot } from "../../api/types";
import { ui } from "../../app/paths";
import { command } from "../../text/command";
import { bytes, count, duration, percent } from "../../text/format";
import { lsnText } from "../../text/lsn";
import { AsCommand } from "../../ui/as-command";
import { Code } from "../../ui/code";
import { Confirm } from "../../ui/confirm";
import { Empty } from "../../ui/empty";
import { Facts } from "../../ui/facts";
import { Loaded } from "../../ui/loading";
import { Clock } from "../../ui/time";

const ASKED_MS = 5000;
const SLOTS_MS = 10_000;

interface Kept {
  offsets: { partition: Record<string, unknown>; offset: Record<string, unknown> | null }[];
}

export function Offsets({ of }: { of: Connector }) {
  return (
    <div class="stack">
      <Position of={of} />
      <SlotFacts of={of} />
    </div>
  );
}

function Position({ of }: { of: Connector }) {
  const path = seg`/connectors/${of.name}/offsets`;
  const polled = usePolled<Kept>(path, ASKED_MS);
  const [forgetting, setForgetting] = useState(false);
  const isStopped = of.target === "stopped";
  return (
    <section aria-labelledby="position">
      <h2 id="position">Position</h2>
      <Loaded of={polled}>
        {({ offsets }) =>
          offsets.length === 0 ? (
            <Empty title="No position yet">It begins with its first snapshot or its first commit.</Empty>
          ) : (
            offsets.map(({ partition, offset }, i) => (
              <div key={i}>
                <PositionFacts offset={offset ?? {}} />
                <details>
                  <summary>As it is kept</summary>
                  <Code text={JSON.stringify({ partition, offset }, null, 2)} what="the position" />
                </details>
              </div>
            ))
          )
        }
      </Loaded>
      <AsCommand line={command("rowfeed", "connectors", "offsets", "show", of.name)} call={{ path }} />
      <p class="row top-gap">
        <button type="button" class="danger" disabled={!isStopped} onClick={() => setForgetting(true)}>
          Forget the position …
        </button>
        {!isStopped && <span class="muted">Only of a connector that is stopped.</span>}
      </p>
      {forgetting && (
        <Confirm
          title={`Forget the position of ${of.name}?`}
          verb="Forget it"
          danger
          type={of.name}
          act={() => del(path)}
          done={`The position of ${of.name} is forgotten`}
          onClose={() => setForgetting(false)}
          onDone={polled.again}
        >
          <p>
            When it is resumed it begins like a new connector: with a snapshot, as <code>snapshot.mode</code> says, and all rows come again. What was published
            stays in the topics.
          </p>
          <AsCommand line={command("rowfeed", "connectors", "offsets", "reset", of.name)} call={{ method: "DELETE", path }} />
        </Confirm>
      )}
    </section>
  );
}

function PositionFacts({ offset }: { offset: Record<string, unknown> }) {
  const lsn = (key: string) => (typeof offset[key] === "number" ? <code>{lsnText(offset[key])}</code> : undefined);
  const micros = offset["ts_usec"];
  return (
    <Facts
      of={[
        ["Last commit", lsn("lsn_commit")],
        ["Last change", lsn("lsn_proc")],
        ["Transaction", typeof offset["txId"] === "number" ? String(offset["txId"]) : undefined],
        ["Written at", typeof micros === "number" ? <Clock at={micros / 1000} /> : undefined],
      ]}
    />
  );
}

interface Slots {
  items: Slot[];
  unreached: { server: string; problem: string }[];
}

const WAL: Record<string, string> = {
  reserved: "reserved: all of it is kept",
  extended: "extended: more than max_wal_size, still kept",
  unreserved: "▲ unreserved: it may be lost at the next checkpoint",
  lost: "■ lost: a new snapshot is needed",
};

function SlotFacts({ of }: { of: Connector }) {
  const polled = usePolled<Slots>("/v1/slots", SLOTS_MS);
  return (
    <section aria-labelledby="slot">
      <h2 id="slot">Slot</h2>
      <Loaded of={polled}>
        {({ items, unreached }) => {
          const slot = items.find((one) => one.slot === of.slot && (one.connector === of.name || one.connector === null));
          if (slot) return <Found slot={slot} />;
          const why = unreached.find((one) => of.source.startsWith(one.server));
          return (
            <Empty title={`The slot ${of.slot} is not seen`}>
              {why ? `Its server did not answer: ${why.problem}` : "It is not on the server: it is made when the connector starts, or somebody dropped it."}
            </Empty>
          );
        }}
      </Loaded>
      <AsCommand line={command("rowfeed", "slots", "show", of.slot)} call={{ path: "/v1/slots" }} />
    </section>
  );
}

function Found({ slot }: { slot: Slot }) {
  const whole = slot.retained_bytes !== null && slot.safe_bytes !== null ? slot.retained_bytes + slot.safe_bytes : null;
  const used = percent(slot.retained_bytes, whole);
  const kept = slot.safe_bytes === null ? " · no limit is set on the server" : ` · ${bytes(slot.safe_bytes)} until it is lost${used === null ? "" : ` (${used} % used)`}`;
  return (
    <Facts
      of={[
        ["Slot", <a href={ui.slots()}>{slot.slot}</a>],
        ["Keeps", `${bytes(slot.retained_bytes)} of WAL${kept}`],
        ["WAL", slot.wal_status === null ? undefined : (WAL[slot.wal_status] ?? slot.wal_status)],
        ["Behind", `${bytes(slot.lag_bytes)} · ${duration(slot.lag_ms)}`],
        ["Read by", slot.active ? (slot.holder ?? `process ${count(slot.active_pid)}`) : "nobody"],
        ["Unread for", slot.inactive_s === null ? undefined : duration(slot.inactive_s * 1000)],
        ["Plugin", slot.plugin],
        ["Follows a failover", slot.failover === null ? undefined : slot.failover ? "yes" : "no"],
        ["Server", slot.server],
      ]}
    />
  );
}
