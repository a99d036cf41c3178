// How a subscription goes: lag, outcome of tries, and where it delivers to.

import { seg } from "../../api/client";
import { usePolled } from "../../api/polled";
import { useSeen } from "../../api/seen";
import type { Items, Subscription } from "../../api/types";
import { ui } from "../../app/paths";
import { command } from "../../text/command";
import { count, counted } from "../../text/format";
import { AsCommand } from "../../ui/as-command";
import { Chart } from "../../ui/chart";
import { Facts } from "../../ui/facts";
import { Ago } from "../../ui/time";
import { LagChart } from "../groups/lag-chart";
import { TrendSign } from "../groups/trend-sign";
import { type Delivery, outcomes, successRate } from "./outcomes";

const ASK_MS = 10_000;
/** All that the log has. */
const LOG_MAX = 1000;
const TOPICS_MAX = 20;

export function Overview({ of }: { of: Subscription }) {
  const isWebhook = of.type === "webhook";
  const log = usePolled<Items<Delivery>>(isWebhook ? `${seg`/v1/subscriptions/${of.name}`}/deliveries?limit=${LOG_MAX}` : null, ASK_MS);
  const seen = useSeen(
    [of],
    () => "",
    () => of.lag,
  ).get("");
  const rate = successRate(of.delivered, of.failed + of.dead);
  const found = outcomes(log.data?.items ?? []);
  return (
    <>
      <Facts
        of={[
          ["Delivers to", <code>{String(of.config["url"] ?? "–")}</code>],
          ["Lag", <>{counted(of.lag, "record")} {seen && seen.length > 2 && <TrendSign of={seen} />}</>],
          ["Place", <a href={ui.group(of.group)}>{of.group}</a>],
          ["Delivered", `${count(of.delivered)} since the service started`],
          ["Successful tries", rate ?? "none yet"],
          ["Failed tries", <span class={of.failed > 0 ? "say-warn" : undefined}>{count(of.failed)}</span>],
          ["Dead letters", of.dead > 0 ? <a href={ui.topic(`__rowfeed.dead.${of.name}`)}>{count(of.dead)}</a> : "none"],
          ["Filtered", `${count(of.filtered)} did not fit`],
          ["Last delivery", <Ago at={of.last_delivery_ms} />],
          ["Restarts", count(of.restarts)],
          ["Made by", of.file ?? "the API"],
          ["Topics", <Topics of={of.topics} />],
        ]}
      />
      {isWebhook && log.data !== undefined && (
        <Chart
          title={`Newest ${counted(log.data.items.length, "delivery", "deliveries")}`}
          times={found.times}
          lines={[
            { name: "delivered", values: found.delivered },
            { name: "not delivered", values: found.failed },
          ]}
          format={count}
          none="Nothing was delivered since the service started."
        />
      )}
      {!isWebhook && <LagChart of={seen} />}
      <AsCommand line={command("rowfeed", "subscriptions", "show", of.name)} call={{ path: seg`/v1/subscriptions/${of.name}` }} />
    </>
  );
}

function Topics({ of }: { of: readonly string[] }) {
  if (of.length === 0) return <span class="muted">none exists yet</span>;
  return (
    <>
      {of.slice(0, TOPICS_MAX).map((topic) => (
        <div key={topic}>
          <a href={ui.topic(topic)}>{topic}</a>
        </div>
      ))}
      {of.length > TOPICS_MAX && <span class="muted">and {of.length - TOPICS_MAX} more</span>}
    </>
  );
}
