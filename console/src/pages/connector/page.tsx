// One connector: overview, tables, snapshot, timeline, offsets and slot, configuration, check. The tab is in the address.

import "./connector.css";
import { useConnector } from "../../live/live";
import { Page } from "../../app/page";
import { ui } from "../../app/paths";
import type { Connector } from "../../api/types";
import { percent } from "../../text/format";
import { Empty } from "../../ui/empty";
import { Loaded } from "../../ui/loading";
import { ProblemBox } from "../../ui/problem-box";
import { State } from "../../ui/state";
import { type Tab, Tabs, useTab } from "../../ui/tabs";
import { Actions } from "./actions";
import { Check } from "./check";
import { Config } from "./config";
import { fileOf } from "./managed";
import { Offsets } from "./offsets";
import { Overview } from "./overview";
import { Snapshot } from "./snapshot";
import { Tables } from "./tables";
import { TimelineTab } from "./timeline";

/** The same name for those who asked for the connector and for its own tabs. */
const CRUMBS = [{ title: "Connectors", href: ui.connectors() }];

const tabsOf = (of: Connector): Tab[] => [
  { id: "overview", title: "Overview" },
  { id: "tables", title: "Tables" },
  { id: "snapshot", title: "Snapshot", beside: part(of) },
  { id: "timeline", title: "Timeline" },
  { id: "offsets", title: "Offsets & slot" },
  { id: "config", title: "Config" },
  { id: "check", title: "Check", beside: of.checks.length > 0 ? `▲ ${of.checks.length}` : undefined },
];

/** How far a snapshot is that runs now. */
function part(of: Connector): string | undefined {
  if (of.state === "snapshot") {
    const done = percent(of.snapshot.rows_done, of.snapshot.rows_estimated);
    return done === null ? "…" : `${done} %`;
  }
  return of.incremental ? of.incremental.state : undefined;
}

/** "billing · snapshot 61 %". */
const tabTitle = (of: Connector): string => [of.name, [of.state, of.state === "snapshot" ? part(of) : ""].filter(Boolean).join(" ")].join(" · ");

export default function ConnectorPage({ name }: { name: string }) {
  const polled = useConnector(name);
  if (polled.data === null) {
    return (
      <Page title={name} crumbs={CRUMBS}>
        <Empty title="There is no connector of this name" actions={<a class="button" href={ui.connectors()}>All connectors</a>}>
          It may have been deleted, or its file taken away. Its topics and its slot stay when a connector goes.
        </Empty>
      </Page>
    );
  }
  const of = polled.data;
  return (
    <Page
      title={name}
      tab={of ? tabTitle(of) : name}
      crumbs={CRUMBS}
      beside={of && <State state={of.state} />}
      lead={of && <Lead of={of} />}
      actions={of && <Actions of={of} onDone={polled.again} />}
    >
      <Loaded of={polled}>{(data) => data && <Tabbed of={data} />}</Loaded>
    </Page>
  );
}

/** What stops it, whichever tab is looked at. */
function Trouble({ of, problem }: { of: Connector; problem: NonNullable<Connector["problem"]> }) {
  const then = of.state === "failed" ? "It does not try again by itself: mend it, then press Restart." : "It tries again by itself until it succeeds.";
  return (
    <div class="trouble-now">
      <ProblemBox problem={problem} what={of.state} />
      <p class="muted">{then}</p>
    </div>
  );
}

function Lead({ of }: { of: Connector }) {
  const file = fileOf(of);
  return (
    <>
      {of.source} · slot <code>{of.slot}</code> · {file ? <>managed by the file <code>{file}</code></> : "managed through the API"}
    </>
  );
}

function Tabbed({ of }: { of: Connector }) {
  const tabs = tabsOf(of);
  const tab = useTab(tabs);
  return (
    <>
      <Tabs tabs={tabs} label={`Views of ${of.name}`} />
      {of.problem && <Trouble of={of} problem={of.problem} />}
      {tab === "overview" && <Overview of={of} />}
      {tab === "tables" && <Tables of={of} />}
      {tab === "snapshot" && <Snapshot of={of} />}
      {tab === "timeline" && <TimelineTab of={of} />}
      {tab === "offsets" && <Offsets of={of} />}
      {tab === "config" && <Config of={of} />}
      {tab === "check" && <Check of={of} />}
    </>
  );
}

