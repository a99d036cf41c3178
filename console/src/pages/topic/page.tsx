// One topic: its records and live tail, schema, partitions, consumers, settings. Owns the head and the tabs.

import "./topic.css";
import { seg } from "../../api/client";
import { usePolled } from "../../api/polled";
import type { Topic } from "../../api/types";
import { Page } from "../../app/page";
import { ui } from "../../app/paths";
import { count, counted, rate } from "../../text/format";
import { Empty } from "../../ui/empty";
import { Loaded } from "../../ui/loading";
import { type Tab, Tabs, useTab } from "../../ui/tabs";
import { Consumers } from "./consumers";
import { Partitions } from "./partitions";
import { Records } from "./records";
import { Schema } from "./schema";
import { Settings } from "./settings";

const ASKED_MS = 3000;

const TABS: readonly Tab[] = [
  { id: "records", title: "Records" },
  { id: "schema", title: "Schema" },
  { id: "partitions", title: "Partitions" },
  { id: "consumers", title: "Consumers" },
  { id: "settings", title: "Settings" },
];

const WORDS: Record<string, string> = { schema: "schema", partitions: "partitions", consumers: "consumers", settings: "settings" };

export default function TopicPage({ topic: name }: { topic: string }) {
  const topic = usePolled<Topic>(seg`/v1/topics/${name}`, ASKED_MS);
  const tab = useTab(TABS);
  const isGone = topic.problem?.status === 404;
  const known = topic.data;
  return (
    <Page
      title={name}
      tab={WORDS[tab] ? `${name} · ${WORDS[tab]}` : name}
      crumbs={[{ title: "Topics", href: ui.topics() }]}
      beside={known?.internal ? <span class="badge">internal</span> : undefined}
      lead={known && <Lead of={known} />}
    >
      {isGone ? (
        <Empty title="There is no such topic" actions={<a href={ui.topics()}>All topics</a>}>
          {topic.problem?.detail}. A table's topic comes into being with its first record.
        </Empty>
      ) : (
        <>
          <Tabs tabs={TABS} label="Parts of the topic" />
          {/* Records do not wait for the topic's description: they are asked for at once. */}
          {tab === "records" && <Records key={name} name={name} topic={known} />}
          {tab === "schema" && <Schema name={name} />}
          {tab !== "records" && tab !== "schema" && (
            <Loaded of={topic}>
              {(it) => (
                <>
                  {tab === "partitions" && <Partitions of={it} />}
                  {tab === "consumers" && <Consumers of={it} />}
                  {tab === "settings" && <Settings of={it} onChange={topic.again} />}
                </>
              )}
            </Loaded>
          )}
        </>
      )}
    </Page>
  );
}

function Lead({ of }: { of: Topic }) {
  return (
    <>
      {count(of.records)} {of.records === 1 ? "record" : "records"} · {counted(of.partitions.length, "partition")} · {rate(of.records_per_second)}/s
      {of.source_table && <> · table {of.source_table}</>}
      {of.connector && (
        <>
          {" "}
          · connector <a href={ui.connector(of.connector)}>{of.connector}</a>
        </>
      )}
    </>
  );
}
