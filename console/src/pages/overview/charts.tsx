// Lag and throughput side by side, of the connectors that matter most, with one cursor. The range is in the address.

import type { Connector } from "../../api/types";
import { CONNECTORS_MAX, RANGES, noLine, rangeOf, useSeries } from "../../api/series";
import { useQuery } from "../../app/query";
import { duration, rate } from "../../text/format";
import { Chart } from "../../ui/chart";
import { Choice } from "../../ui/choice";

export function Charts({ connectors }: { connectors: readonly Connector[] }) {
  const [asked, setAsked] = useQuery("range", "15m");
  const range = rangeOf(asked);
  // By name, so that lines keep their colours; of many, those with the most changes.
  const names = [...connectors]
    .sort((a, b) => b.changes - a.changes)
    .slice(0, CONNECTORS_MAX)
    .map((one) => one.name)
    .sort();
  const lag = useSeries("lag_ms", names, range);
  const changes = useSeries("changes_per_second", names, range);
  return (
    <section aria-labelledby="charts-title">
      <div class="bar-row">
        <h2 id="charts-title">Lately</h2>
        <Choice label="Range of the charts" of={RANGES} value={range} onChange={setAsked} />
        {connectors.length > CONNECTORS_MAX && (
          <span class="muted">
            the {CONNECTORS_MAX} busiest of {connectors.length}
          </span>
        )}
      </div>
      <div class="charts">
        <Chart
          title="Lag"
          times={lag.data?.times ?? []}
          lines={names.map((name, i) => ({ name, values: lag.data?.values[i] ?? [] }))}
          format={duration}
          sync="overview"
          range={lag.data?.range}
          none={noLine(lag, "lag_ms", connectors)}
        />
        <Chart
          title="Throughput"
          times={changes.data?.times ?? []}
          lines={names.map((name, i) => ({ name, values: changes.data?.values[i] ?? [] }))}
          format={(value) => `${rate(value)}/s`}
          sync="overview"
          range={changes.data?.range}
          none={noLine(changes, "changes_per_second", connectors)}
        />
      </div>
    </section>
  );
}
