// One record by its place, with an address of its own: what changed, as a tree, as it is stored, its headers, its source; and the same row's
// changes before and after.

import "../topic/topic.css";
import { place } from "../../app/place";
import { Page } from "../../app/page";
import { ui } from "../../app/paths";
import { command } from "../../text/command";
import { keyText, opWord } from "../../text/diff";
import { AsCommand } from "../../ui/as-command";
import { Loading } from "../../ui/loading";
import { ProblemBox } from "../../ui/problem-box";
import { type Tab, Tabs, useTab } from "../../ui/tabs";
import { Clock } from "../../ui/time";
import { Empty } from "../../ui/empty";
import { Gone } from "./gone";
import { Neighbours } from "./neighbours";
import { PARTS, type Part, PartOf } from "./parts";
import { recordPath, useStored } from "./stored";

const TABS: readonly Tab[] = PARTS.map(([id, title]) => ({ id, title }));

/** An offset or a partition of the address; null where it is none. */
const whole = (text: string) => (/^\d{1,15}$/.test(text) ? Number(text) : null);

export default function RecordPage({ topic, partition, offset }: { topic: string; partition: string; offset: string }) {
  const at = { partition: whole(partition), offset: whole(offset) };
  const crumbs = [
    { title: "Topics", href: ui.topics() },
    { title: topic, href: ui.topic(topic) },
  ];
  if (at.partition === null || at.offset === null) {
    return (
      <Page title="Record" crumbs={crumbs}>
        <Empty title="No such place">A record's address is its topic, a partition and an offset: numbers.</Empty>
      </Page>
    );
  }
  return <One topic={topic} partition={at.partition} offset={at.offset} crumbs={crumbs} />;
}

function One({ topic, partition, offset, crumbs }: { topic: string; partition: number; offset: number; crumbs: { title: string; href: string }[] }) {
  const { stored, missing, problem, again } = useStored(topic, partition, offset);
  const { query } = place.value;
  const part = useTab(TABS) as Part;
  const op = stored && (stored.item.tombstone ? "tombstone" : stored.op ? opWord(stored.op) : "record");
  const title = stored ? `${op} ${keyText(stored.item.key)}` : `Record ${partition}:${offset}`;
  return (
    <Page
      title={title}
      tab={`${title} · ${topic}`}
      crumbs={crumbs}
      lead={
        stored && (
          <>
            partition {partition} · offset {offset} · <Clock at={stored.item.ts} />
          </>
        )
      }
    >
      {problem && <ProblemBox problem={problem} onRetry={again} />}
      {missing && <Gone topic={topic} partition={partition} offset={offset} of={missing} />}
      {!stored && !missing && !problem && <Loading />}
      {stored && (
        <>
          <Neighbours topic={topic} of={stored} search={query["tab"] ? `?tab=${encodeURIComponent(query["tab"])}` : ""} />
          <Tabs tabs={TABS} label="Sides of the record" />
          <PartOf part={part} of={stored} />
        </>
      )}
      <AsCommand
        line={command("rowfeed", "tail", topic, "--from", `${partition}:${offset}`, "--count", "1", "--raw", "--no-follow")}
        call={{ path: recordPath(topic, partition, offset) }}
      />
    </Page>
  );
}
