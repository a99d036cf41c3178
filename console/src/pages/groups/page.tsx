// Consumer groups and how far behind they are: those of Kafka clients, and on request the places of subscriptions.

import { usePolled } from "../../api/polled";
import { type Seen, useSeen } from "../../api/seen";
import type { Group, Items, Topic } from "../../api/types";
import { Page } from "../../app/page";
import { ui } from "../../app/paths";
import { useQuery } from "../../app/query";
import { command } from "../../text/command";
import { holds } from "../../text/search";
import { AsCommand } from "../../ui/as-command";
import { Empty } from "../../ui/empty";
import { Filter } from "../../ui/filter";
import { Kcat } from "../../ui/kcat";
import { Loaded } from "../../ui/loading";
import { type Column, Table } from "../../ui/table";
import { stateWord, subscriptionOf } from "./of";
import { TrendSign } from "./trend-sign";

const ASK_MS = 5000;

const columns = (seen: ReadonlyMap<string, readonly Seen[]>): Column<Group>[] => [
  { id: "name", title: "Group", by: (group) => group.name, cell: (group) => <a href={ui.group(group.name)}>{group.name}</a> },
  {
    id: "state",
    title: "State",
    by: (group) => group.state,
    cell: (group) => (subscriptionOf(group.name) ? <span class="muted">place of a subscription</span> : stateWord(group.state)),
  },
  { id: "members", title: "Members", num: true, by: (group) => group.members },
  { id: "lag", title: "Lag", num: true, help: "Records that were not read yet, of all partitions", by: (group) => group.total_lag },
  { id: "max", title: "Worst partition", num: true, by: (group) => group.max_lag },
  { id: "trend", title: "Trend", help: "By what this tab has seen", cell: (group) => <TrendSign of={seen.get(group.name)} /> },
];

export default function Groups() {
  const polled = usePolled<Items<Group>>("/v1/groups", ASK_MS);
  const seen = useSeen(
    polled.data?.items,
    (group) => group.name,
    (group) => group.total_lag,
  );
  const [text] = useQuery("q");
  const [all, setAll] = useQuery("all");
  return (
    <Page title="Groups" lead="Who reads the topics by the Kafka protocol, and how far behind they are. A trend is what this page has seen while it was open.">
      <Loaded of={polled}>
        {({ items }) => {
          const own = items.filter((group) => subscriptionOf(group.name) === null);
          const shown = (all ? items : own).filter((group) => holds(group.name, text));
          const hidden = items.length - own.length;
          return (
            <>
              <div class="bar-row">
                <Filter label="Filter groups" />
                {hidden > 0 && (
                  <label class="row">
                    <input type="checkbox" checked={all !== ""} onChange={(event) => setAll(event.currentTarget.checked ? "1" : "")} />
                    Places of subscriptions too ({hidden})
                  </label>
                )}
              </div>
              <Table
                caption="Consumer groups"
                rows={shown}
                columns={columns(seen)}
                keyOf={(group) => group.name}
                sort="-lag"
                empty={text && items.length > 0 ? <p class="muted">No group's name holds “{text}”.</p> : <NoGroups />}
              />
              <AsCommand line={command("rowfeed", "groups", "list")} call={{ path: "/v1/groups" }} />
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}

function NoGroups() {
  const topic = usePolled<Items<Topic>>("/v1/topics").data?.items.find((one) => one.source_table)?.name;
  return (
    <Empty title="No consumer group yet">
      <p>A group comes into being when a Kafka client with a group.id reads a topic; its offsets are kept here.</p>
      {topic ? (
        <>
          <p>To see one:</p>
          <Kcat topic={topic} />
        </>
      ) : (
        <p>
          There is no topic to read yet: <a href={ui.newConnector()}>connect a database</a> first.
        </p>
      )}
    </Empty>
  );
}
