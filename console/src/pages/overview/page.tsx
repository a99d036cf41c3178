// What runs, how far behind it is, and what is wrong: problems, four tiles, two charts, the connectors, the latest changes.

import { usePolled } from "../../api/polled";
import type { Connector, Items, Status, Subscription } from "../../api/types";
import { Page } from "../../app/page";
import { useConnectors } from "../../live/live";
import { counted, longDuration } from "../../text/format";
import { look } from "../../text/states";
import { AsCommand } from "../../ui/as-command";
import { Loaded } from "../../ui/loading";
import { FirstConnector } from "../connectors/first";
import { Charts } from "./charts";
import { Connectors } from "./connectors";
import "./overview.css";
import { Problems } from "./problems";
import { Ticker } from "./ticker";
import { Tiles } from "./tiles";

const STATUS_MS = 10_000;

export default function Overview() {
  const status = usePolled<Status>("/v1/status", STATUS_MS);
  const subscriptions = usePolled<Items<Subscription>>("/v1/subscriptions", STATUS_MS);
  const connectors = useConnectors();
  const known = connectors.data;
  return (
    <Page title="Overview" tab={tab(known)} beside={status.data && <About of={status.data} />}>
      <Loaded of={connectors}>
        {(all) => (
          <div class="stack">
            <Problems connectors={all} subscriptions={subscriptions.data?.items ?? []} log={status.data?.log.problem ?? null} />
            {all.length === 0 ? (
              <FirstConnector />
            ) : (
              <>
                <Tiles connectors={all} subscriptions={subscriptions.data?.items} />
                <Charts connectors={all} />
                <Connectors of={all} />
                <Ticker />
              </>
            )}
            <AsCommand line="rowfeed status" call={{ path: "/v1/status" }} />
          </div>
        )}
      </Loaded>
    </Page>
  );
}

function About({ of }: { of: Status }) {
  return (
    <span class="muted">
      rowfeed {of.version} · up {longDuration(of.uptime_seconds * 1000)}
      {of.log.topics !== undefined && ` · ${counted(of.log.topics, "topic")}`}
    </span>
  );
}

/** The tab says the worst: "1 failed · Overview". */
function tab(all: Connector[] | undefined): string {
  const bad = (all ?? []).filter((one) => look(one.state).rank <= 1);
  return bad.length === 0 ? "Overview" : `${bad.length} ${bad.every((one) => one.state === "failed") ? "failed" : "in trouble"} · Overview`;
}
