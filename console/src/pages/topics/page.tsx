// All topics: how much is in them, how fast they grow, where they come from. Those of the log itself are hidden until asked for.

import { usePolled } from "../../api/polled";
import type { Items, Topic } from "../../api/types";
import { Page } from "../../app/page";
import { ui } from "../../app/paths";
import { useQuery } from "../../app/query";
import { command } from "../../text/command";
import { counted, rate } from "../../text/format";
import { holds } from "../../text/search";
import { AsCommand } from "../../ui/as-command";
import { Empty } from "../../ui/empty";
import { Filter } from "../../ui/filter";
import { Loaded } from "../../ui/loading";
import { type Column, Table } from "../../ui/table";
import { Ago } from "../../ui/time";

const ASKED_MS = 3000;

const COLUMNS: Column<Topic>[] = [
  {
    id: "topic",
    title: "Topic",
    by: (topic) => topic.name,
    cell: (topic) => (
      <>
        <a href={ui.topic(topic.name)}>{topic.name}</a> {topic.internal && <span class="badge">internal</span>}
      </>
    ),
  },
  { id: "records", title: "Records", num: true, by: (topic) => topic.records },
  {
    id: "in",
    title: "In/s",
    num: true,
    help: "Records a second that were written, over the last seconds",
    by: (topic) => topic.records_per_second,
    as: rate,
  },
  {
    id: "last",
    title: "Last change",
    num: true,
    by: (topic) => (topic.last_change ? Date.parse(topic.last_change) : null),
    cell: (topic) => <Ago at={topic.last_change} />,
  },
  { id: "partitions", title: "Partitions", num: true, by: (topic) => topic.partitions.length },
  { id: "cleanup", title: "Cleanup", by: (topic) => topic.cleanup },
  { id: "table", title: "Source table", by: (topic) => topic.source_table },
  {
    id: "connector",
    title: "Connector",
    by: (topic) => topic.connector,
    cell: (topic) => (topic.connector ? <a href={ui.connector(topic.connector)}>{topic.connector}</a> : "–"),
  },
];

export default function Topics() {
  const [internal, setInternal] = useQuery("internal");
  const [filter] = useQuery("q");
  const topics = usePolled<Items<Topic>>("/v1/topics", ASKED_MS);
  return (
    <Page title="Topics">
      <Loaded of={topics}>
        {({ items }) => {
          const hidden = items.filter((topic) => topic.internal).length;
          const seen = items.filter((topic) => internal === "1" || !topic.internal);
          const found = seen.filter((topic) => holds(`${topic.name} ${topic.source_table ?? ""} ${topic.connector ?? ""}`, filter));
          return (
            <>
              <div class="bar-row">
                <Filter label="Filter topics" />
                <label class="row">
                  <input type="checkbox" checked={internal === "1"} onChange={(event) => setInternal(event.currentTarget.checked ? "1" : "")} />
                  <span>
                    Internal topics <span class="muted">({hidden})</span>
                  </span>
                </label>
                <span class="muted">{found.length === seen.length ? counted(seen.length, "topic") : `${found.length} of ${counted(seen.length, "topic")}`}</span>
              </div>
              <Table caption="Topics" rows={found} columns={COLUMNS} keyOf={(topic) => topic.name} sort="topic" empty={<None filter={filter} any={seen.length > 0} />} />
            </>
          );
        }}
      </Loaded>
      <AsCommand line={internal === "1" ? command("rowfeed", "topics", "list", "--internal") : command("rowfeed", "topics", "list")} call={{ path: "/v1/topics" }} />
    </Page>
  );
}

function None({ filter, any }: { filter: string; any: boolean }) {
  if (any) return <Empty title={`No topic matches "${filter}"`}>Names, source tables and connectors are looked through.</Empty>;
  return (
    <Empty
      title="No topics yet"
      actions={
        <a class="button primary" href={ui.newConnector()}>
          New connector
        </a>
      }
    >
      <p>
        Each table that a connector captures gets a topic of its own, with its first record. Make a connector, or look whether <a href={ui.connectors()}>those there are</a> stream.
      </p>
    </Empty>
  );
}
