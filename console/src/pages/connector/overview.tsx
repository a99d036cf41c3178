// A connector at a glance: what is wrong, what happened in the last 24 hours, lag and rate and retained WAL, facts.

import { seg } from "../../api/client";
import { usePolled } from "../../api/polled";
import { type Metric, RANGES, type Range, noLine, rangeOf, useSeries } from "../../api/series";
import type { Connector, Status, Timeline } from "../../api/types";
import { now } from "../../app/now";
import { useQuery, withQuery } from "../../app/query";
import { bytes, count, counted, duration, rate } from "../../text/format";
import { lsnText } from "../../text/lsn";
import { Chart } from "../../ui/chart";
import { Choice } from "../../ui/choice";
import { Facts } from "../../ui/facts";
import { ProblemBox } from "../../ui/problem-box";
import { Band, SpanTable } from "./band";
import { fileOf } from "./managed";
import { tookText } from "./snapshot";
import { spansOf } from "./spans";

const DAY_MS = 86_400_000;
/** The band moves on so often. */
const BAND_STEP_MS = 30_000;
const TIMELINE_MS = 5000;

export function Overview({ of }: { of: Connector }) {
  return (
    <div class="stack">
      {of.file_problem && <ProblemBox problem={of.file_problem} what="Its file was not taken over" tone="warn" />}
      {of.warning && <ProblemBox problem={of.warning} tone="warn" />}
      {of.checks.length > 0 && <Warned of={of} />}
      <Lately of={of} />
      <Charts of={of} />
      <About of={of} />
    </div>
  );
}

function Warned({ of }: { of: Connector }) {
  return (
    <section class="problem warn" aria-label="The doctor's warnings">
      <p class="problem-what">
        <span aria-hidden="true">▲</span> The doctor has {counted(of.checks.length, "warning")}
      </p>
      <ul class="plain">
        {of.checks.map((check) => (
          <li key={check.id}>
            {check.title}: {check.observed} <code class="badge">{check.id}</code>
          </li>
        ))}
      </ul>
      <p>
        <a href={withQuery(location.pathname, { tab: "check" })}>See what mends it</a>
      </p>
    </section>
  );
}

function Lately({ of }: { of: Connector }) {
  const polled = usePolled<Timeline>(seg`/v1/connectors/${of.name}/timeline`, TIMELINE_MS);
  const to = Math.ceil(now.value / BAND_STEP_MS) * BAND_STEP_MS;
  const from = to - DAY_MS;
  const spans = spansOf(polled.data?.items ?? [], from, to);
  return (
    <section aria-labelledby="lately">
      <h2 id="lately">The last 24 hours</h2>
      <Band spans={spans} from={from} to={to} />
      <details class="band-table">
        <summary>As a table</summary>
        <SpanTable spans={spans} caption="States of the last 24 hours" />
      </details>
    </section>
  );
}

const METRICS: readonly { metric: Metric; title: string; format: (value: number) => string }[] = [
  { metric: "lag_ms", title: "Lag", format: duration },
  { metric: "changes_per_second", title: "Throughput", format: (value) => `${rate(value)}/s` },
  { metric: "retained_bytes", title: "WAL that the slot keeps", format: bytes },
];

function Charts({ of }: { of: Connector }) {
  const [asked, ask] = useQuery("range", "15m");
  return (
    <section aria-labelledby="charts">
      <div class="bar-row">
        <h2 id="charts">Lag, throughput, retained WAL</h2>
        <Choice label="Range of the charts" of={RANGES} value={rangeOf(asked)} onChange={ask} />
      </div>
      <div class="charts three">
        {METRICS.map((one) => (
          <OneChart key={one.metric} of={of} range={rangeOf(asked)} {...one} />
        ))}
      </div>
    </section>
  );
}

function OneChart({ of, range, metric, title, format }: { of: Connector; range: Range } & (typeof METRICS)[number]) {
  const polled = useSeries(metric, [of.name], range);
  const drawn = polled.data;
  return (
    <Chart
      title={title}
      times={drawn?.times ?? []}
      lines={[{ name: title, values: drawn?.values[0] ?? [] }]}
      format={format}
      sync="connector"
      range={drawn?.range}
      none={noLine(polled, metric, [of])}
    />
  );
}

interface Offset {
  offsets: { offset: { lsn_commit?: number | null; lsn?: number | null } | null }[];
}

function About({ of }: { of: Connector }) {
  const config = usePolled<Record<string, string>>(seg`/connectors/${of.name}/config`).data ?? {};
  const offsets = usePolled<Offset>(seg`/connectors/${of.name}/offsets`, TIMELINE_MS).data;
  const log = usePolled<Status>("/v1/status").data?.log.kind;
  const commit = offsets?.offsets[0]?.offset?.lsn_commit;
  const file = fileOf(of);
  const snapshot = of.snapshot;
  const took = snapshot.took_seconds === null ? "" : ` in ${tookText(snapshot.took_seconds)}`;
  return (
    <section aria-labelledby="about">
      <h2 id="about">Facts</h2>
      <Facts
        of={[
          ["Source", of.source],
          ["Slot", <code>{of.slot}</code>],
          ["Publication", config["publication.name"] && <code>{config["publication.name"]}</code>],
          ["Topics begin with", config["topic.prefix"] && <code>{config["topic.prefix"]}</code>],
          ["Managed by", file ? <code>{file}</code> : "the API"],
          ["Wanted state", of.target],
          ["Delivery", log === "builtin" ? "exactly once into the built-in log" : undefined],
          ["Last commit", commit ? <code>{lsnText(commit)}</code> : undefined],
          ["Changes", count(of.changes)],
          ["Transactions", count(of.transactions)],
          ["Restarts", count(of.restarts)],
          ["Snapshot", snapshot.tables_total > 0 ? `${snapshot.tables_done} of ${counted(snapshot.tables_total, "table")}${took}` : undefined],
        ]}
      />
    </section>
  );
}
