// The lag of the last quarter of an hour beside the lag of now, for the rows that are shown.

import { at, get } from "../../api/client";
import { usePolledBy } from "../../api/polled";
import type { Connector, Series } from "../../api/types";
import { duration } from "../../text/format";
import { behind } from "../../text/lag";
import { Spark } from "../../ui/spark";

/** Each is a request; of longer lists the first have one. */
const SPARKS_MAX = 30;
const EVERY_MS = 30_000;

/** Lags by connector. One that cannot be had is left out. */
export function useSparks(of: readonly Connector[]): ReadonlyMap<string, (number | null)[]> {
  const names = of.slice(0, SPARKS_MAX).map((one) => one.name);
  const polled = usePolledBy(
    names.length === 0 ? null : names.join("\n"),
    async (signal) => {
      const ask = (connector: string) => get<Series>(at("/v1/series", { metric: "lag_ms", connector, from: "now-15m", step: "10s" }), { signal });
      const all = await Promise.allSettled(names.map(ask));
      return new Map(
        all.flatMap((one, i) => (one.status === "fulfilled" ? [[names[i] ?? "", one.value.points.map((point) => point.value)] as const] : [])),
      );
    },
    EVERY_MS,
  );
  return polled.data ?? new Map();
}

export function LagSpark({ of, values }: { of: Connector; values: (number | null)[] | undefined }) {
  return (
    <span class="row lag">
      <Spark values={values ?? []} />
      <span>{duration(behind(of))}</span>
    </span>
  );
}
