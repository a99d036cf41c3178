// One group: lag of each partition and whose it is, members, moving its offsets, deleting it.

import { useState } from "preact/hooks";
import { route } from "../../app/place";
import { del, seg } from "../../api/client";
import { usePolled } from "../../api/polled";
import { type Seen, useSeen } from "../../api/seen";
import type { Answer } from "../../api/types";
import { useActions } from "../../app/actions";
import { Page } from "../../app/page";
import { ui } from "../../app/paths";
import { command } from "../../text/command";
import { count, counted, duration } from "../../text/format";
import { AsCommand } from "../../ui/as-command";
import { Confirm } from "../../ui/confirm";
import { Empty } from "../../ui/empty";
import { Facts } from "../../ui/facts";
import { Loaded } from "../../ui/loading";
import { type Column, Table } from "../../ui/table";
import { stateWord, subscriptionOf } from "../groups/of";
import { LagChart } from "../groups/lag-chart";
import { TrendSign } from "../groups/trend-sign";
import { Seek } from "./seek";

export type GroupView = Answer<"/v1/groups/{group}">;
type Lag = GroupView["offsets"][number];
type Member = GroupView["members"][number];

const ASK_MS = 5000;

export default function Group({ group }: { group: string }) {
  const polled = usePolled<GroupView>(seg`/v1/groups/${group}`, ASK_MS);
  const [open, setOpen] = useState<"seek" | "delete">();
  const subscription = subscriptionOf(group);
  const canAct = polled.data !== undefined && subscription === null;
  const partitions = useSeen(polled.data?.offsets, keyOf, (lag) => lag.lag);
  const total = useSeen(
    polled.data?.offsets,
    () => "",
    () => polled.data?.total_lag ?? 0,
  ).get("");
  useActions(`${group} ${canAct}`, () =>
    canAct
      ? [
          { title: `Move offsets of ${group}`, words: "seek reset", run: () => setOpen("seek") },
          { title: `Delete group ${group}`, run: () => setOpen("delete") },
        ]
      : [],
  );
  return (
    <Page
      title={group}
      crumbs={[{ title: "Groups", href: ui.groups() }]}
      actions={
        canAct && (
          <>
            <button type="button" onClick={() => setOpen("seek")}>
              Move offsets …
            </button>
            <button type="button" class="danger" onClick={() => setOpen("delete")}>
              Delete …
            </button>
          </>
        )
      }
    >
      <Loaded of={polled}>
        {(view) => (
          <div class="stack">
            {subscription !== null && (
              <p>
                This is the place of the subscription <a href={ui.subscription(subscription)}>{subscription}</a>: it is moved by a replay there.
              </p>
            )}
            <Facts
              of={[
                ["State", stateWord(view.state)],
                ["Assignment", view.protocol],
                ["Lag", `${counted(view.total_lag, "record")}; the worst partition ${count(view.max_lag)}`],
                [
                  "Trend",
                  <>
                    <TrendSign of={total} /> <span class="muted">while this page was open</span>
                  </>,
                ],
              ]}
            />
            <LagChart of={total} />
            <h2>Partitions</h2>
            <Table
              caption="Partitions"
              rows={view.offsets}
              columns={lagColumns(partitions, view.members)}
              keyOf={keyOf}
              sort="-lag"
              empty={
                <Empty title="Nothing committed yet">
                  The group has {counted(view.members.length, "member")} and no committed offset: it has read nothing so far, or commits later.
                </Empty>
              }
            />
            <h2>Members</h2>
            <Table
              caption="Members"
              rows={view.members}
              columns={memberColumns(view)}
              keyOf={(member) => member.id}
              param="members"
              empty={<p class="muted">Nobody reads in this group now. Its offsets can be moved.</p>}
            />
            <AsCommand line={command("rowfeed", "groups", "show", group)} call={{ path: seg`/v1/groups/${group}` }} />
            {open === "seek" && <Seek view={view} onClose={() => setOpen(undefined)} onDone={polled.again} />}
          </div>
        )}
      </Loaded>
      {open === "delete" && (
        <Confirm
          title={`Delete ${group}?`}
          verb="Delete"
          danger
          act={() => del(seg`/v1/groups/${group}`)}
          done={`${group} is deleted`}
          onClose={() => setOpen(undefined)}
          onDone={() => route(ui.groups())}
        >
          <p>Its committed offsets are lost. A client that comes back with this group.id begins where its auto.offset.reset says. Records are kept.</p>
          {(polled.data?.members.length ?? 0) > 0 && <p class="say-warn">▲ It has members: stop them first, or it is refused.</p>}
          <AsCommand line={command("rowfeed", "groups", "delete", group)} call={{ method: "DELETE", path: seg`/v1/groups/${group}` }} />
        </Confirm>
      )}
    </Page>
  );
}

const keyOf = (lag: Lag) => `${lag.topic} ${lag.partition}`;

function lagColumns(seen: ReadonlyMap<string, readonly Seen[]>, members: readonly Member[]): Column<Lag>[] {
  const clients = new Map(members.map((member) => [member.id, member.client_id]));
  return [
    { id: "topic", title: "Topic", by: (lag) => lag.topic, cell: (lag) => <a href={ui.topic(lag.topic)}>{lag.topic}</a> },
    { id: "partition", title: "Partition", num: true, by: (lag) => lag.partition },
    { id: "committed", title: "Committed", num: true, help: "The next offset to read", cell: (lag) => <Committed of={lag} /> },
    { id: "end", title: "End", num: true, cell: (lag) => count(lag.end) },
    { id: "lag", title: "Lag", num: true, by: (lag) => lag.lag },
    {
      id: "behind",
      title: "Behind",
      num: true,
      help: "How long ago the first record came that was not read yet",
      by: (lag) => lag.lag_seconds,
      cell: (lag) => duration(lag.lag_seconds === null ? null : lag.lag_seconds * 1000),
    },
    { id: "trend", title: "Trend", help: "By what this tab has seen", cell: (lag) => <TrendSign of={seen.get(keyOf(lag))} /> },
    { id: "member", title: "Member", by: (lag) => lag.member, cell: (lag) => (lag.member ? <span title={lag.member}>{clients.get(lag.member) ?? lag.member}</span> : <span class="muted">nobody</span>) },
  ];
}

/** A place that retention has overtaken is told: records were lost to the group. */
function Committed({ of }: { of: Lag }) {
  if (of.committed >= of.start) return <>{count(of.committed)}</>;
  return (
    <span class="say-warn" title={`Retention has removed the records before ${of.start}`}>
      ▲ {count(of.committed)}, removed
    </span>
  );
}

function memberColumns(view: GroupView): Column<Member>[] {
  const reads = (member: Member) => view.offsets.filter((lag) => lag.member === member.id).length;
  return [
    { id: "client", title: "Client", by: (member) => member.client_id },
    { id: "id", title: "Member id", cell: (member) => <code>{member.id}</code> },
    { id: "instance", title: "Instance", cell: (member) => member.instance_id ?? <span class="muted">–</span> },
    { id: "host", title: "Host", cell: (member) => member.host },
    { id: "reads", title: "Partitions", num: true, help: "With a committed offset", by: reads },
  ];
}
