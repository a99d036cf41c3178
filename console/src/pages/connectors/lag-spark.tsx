// The lag of the last quarter of an hour beside the lag of now, for the rows that are shown.

import { usePolledBy } from "../../api/polled";
import { seriesOf } from "../../api/series";
import type { Connector, Series } from "../../api/types";
import { duration } from "../../text/format";
import { behind } from "../../text/lag";
import { Spark } from "../../ui/spark";

/** Each is a request; of longer lists the first have one. */
const SPARKS_MAX = 30;
const EVERY_MS = 30_000;

/** Lags by connector. One that cannot be had is left out. */
export function useSparks(of: readonly Connector[]): ReadonlyMap<string, Series["points"]> {
  const names = of.slice(0, SPARKS_MAX).map((one) => one.name);
  const polled = usePolledBy(
    names.length === 0 ? null : names.join("\n"),
    (signal) => seriesOf("lag_ms", names, "now-15m", "10s", signal),
    EVERY_MS,
  );
  return polled.data ?? new Map();
}

export function LagSpark({ of, points = [] }: { of: Connector; points: Series["points"] | undefined }) {
  return (
    <span class="row lag">
      <Spark values={points.map((point) => point.value)} />
      <span>{duration(behind(of))}</span>
    </span>
  );
}
