// The strip on top: what is wrong now, with what it costs and how long there is. Nothing wrong: nothing is there.

import { at } from "../../api/client";
import { usePolled } from "../../api/polled";
import type { Connector, Problem, Series, Subscription } from "../../api/types";
import { ui } from "../../app/paths";
import { bytes, counted, duration } from "../../text/format";
import { growth, timeLeft } from "../../text/series";
import { ProblemBox } from "../../ui/problem-box";
import { useFailing } from "./failing";

interface Trouble {
  key: string;
  who: string;
  href: string | null;
  problem: Problem;
  tone: "error" | "warn";
  connector?: Connector;
}

/** Troubles that are shown; the rest is counted. */
const SHOWN_MAX = 5;
const TREND_MS = 60_000;

interface Props {
  connectors: readonly Connector[];
  subscriptions: readonly Subscription[];
  log: Problem | null | undefined;
}

export function Problems({ connectors, subscriptions, log }: Props) {
  const all = troubles(connectors, subscriptions, useFailing(subscriptions), log);
  if (all.length === 0) return null;
  return (
    <section aria-label="Problems" class="troubles">
      {all.slice(0, SHOWN_MAX).map((trouble) => (
        <Row key={trouble.key} of={trouble} />
      ))}
      {all.length > SHOWN_MAX && (
        <p>
          And {counted(all.length - SHOWN_MAX, "more problem")}: see <a href={ui.connectors()}>connectors</a> and{" "}
          <a href={ui.subscriptions()}>subscriptions</a>.
        </p>
      )}
    </section>
  );
}

/** All that is wrong, failures before warnings. */
function troubles(connectors: Props["connectors"], subscriptions: Props["subscriptions"], failing: ReadonlyMap<string, Problem>, log: Props["log"]): Trouble[] {
  const found: Trouble[] = [];
  if (log) found.push({ key: "log", who: "The log", href: null, problem: log, tone: "error" });
  for (const connector of connectors) {
    const add = (kind: string, problem: Problem | null | undefined, tone: Trouble["tone"]) => {
      if (problem) {
        const href = ui.connector(connector.name);
        found.push({ key: `${kind} ${connector.name}`, who: connector.name, href, problem, tone, connector });
      }
    };
    add("connector", connector.problem, connector.state === "failed" ? "error" : "warn");
    add("file", connector.file_problem, "error");
    add("slot", connector.warning ?? resting(connector), "warn");
  }
  for (const one of subscriptions) {
    const problem = one.problem ?? failing.get(one.name);
    if (problem) {
      const href = `${ui.subscription(one.name)}${one.problem ? "" : "?tab=deliveries&state=failed"}`;
      found.push({ key: `subscription ${one.name}`, who: one.name, href, problem, tone: one.state === "failed" ? "error" : "warn" });
    }
  }
  return found.sort((a, b) => Number(a.tone === "warn") - Number(b.tone === "warn"));
}

/** A connector that does not run, whose slot fills up: sooner than the service warns, since nobody reads meanwhile. */
function resting({ target, state, slot, slot_retained_bytes: held, slot_safe_bytes: left }: Connector): Problem | null {
  if (target === "running" || held === null || left === null || left >= 2 * held) return null;
  return {
    code: "slot/wal-limit",
    what: `it is ${state}, and its slot "${slot}" keeps ${bytes(held)} of WAL; ${bytes(Math.max(0, left))} more and it is lost`,
    at: "",
    why: "nobody reads the slot meanwhile",
    fix: "resume it: let the connector run and catch up",
  };
}

function Row({ of: { who, href, problem, tone, connector } }: { of: Trouble }) {
  const since = connector?.failing_seconds;
  return (
    <details class={`trouble ${tone}`}>
      <summary>
        <span class="trouble-sign" aria-hidden="true">
          {tone === "error" ? "■" : "▲"}
        </span>
        <span>
          <b>{who}</b>: {problem.what}
          {since !== null && since !== undefined && since > 0 && <>, {duration(since * 1000)}</>}.
          {connector && !problem.code.startsWith("slot/") && <Slot of={connector} />}
        </span>
        <span class="trouble-fix">Fix</span>
      </summary>
      <ProblemBox problem={problem} tone={tone} rest />
      {href && (
        <p>
          <a href={href}>To {who}</a>
          {problem.code.startsWith("slot/") && (
            <>
              {" · "}
              <a href={ui.slots()}>all slots</a>
            </>
          )}
        </p>
      )}
    </details>
  );
}

/** "Slot crm_slot holds 4.2 GiB, ~3 h left." */
function Slot({ of }: { of: Connector }) {
  const trend = usePolled<Series>(at("/v1/series", { metric: "retained_bytes", connector: of.name, from: "now-15m", step: "10s" }), TREND_MS);
  if (of.slot_retained_bytes === null) return null;
  const left = timeLeft(of.slot_safe_bytes, growth(trend.data?.points ?? []));
  return (
    <>
      {" "}
      Slot {of.slot} holds {bytes(of.slot_retained_bytes)}
      {left !== null && <>, ~{duration(left)} left</>}.
    </>
  );
}
