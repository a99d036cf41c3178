// The service's own memory of lag, rate and retained WAL, for charts: several connectors at once, by a range of time.

import { type Aligned, align } from "../text/series";
import { at, get } from "./client";
import { type Polled, usePolledBy } from "./polled";
import type { Connector, Series } from "./types";

export type Metric = Series["metric"];
export type Range = "15m" | "1h" | "24h";

export const RANGES: readonly (readonly [Range, string])[] = [
  ["15m", "15 min"],
  ["1h", "1 h"],
  ["24h", "24 h"],
];

const MINUTE = 60_000;
/** How long each range is, between which points, and how often it is asked for. */
const OF: Record<Range, { ms: number; step: string; everyMs: number }> = {
  "15m": { ms: 15 * MINUTE, step: "10s", everyMs: 10_000 },
  "1h": { ms: 60 * MINUTE, step: "10s", everyMs: 10_000 },
  "24h": { ms: 24 * 60 * MINUTE, step: "5m", everyMs: MINUTE },
};

/** Connectors of one chart: each is a request. */
export const CONNECTORS_MAX = 6;

export interface Drawn extends Aligned {
  /** From and to of the range, milliseconds. */
  range: [number, number];
}

/** A metric of some connectors over a range. */
export function useSeries(metric: Metric, connectors: readonly string[], range: Range): Polled<Drawn> {
  const names = connectors.slice(0, CONNECTORS_MAX);
  const { ms, step, everyMs } = OF[range];
  const key = names.length === 0 ? null : `${metric} ${range} ${names.join("\n")}`;
  return usePolledBy<Drawn>(
    key,
    async (signal) => {
      const now = Date.now();
      const asked = await ask(metric, names, `now-${range}`, step, signal);
      // One that was deleted just now takes the others not along.
      const known = asked.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
      const failure = asked.find((one) => one.status === "rejected");
      if (known.length === 0 && failure) throw failure.reason;
      return { ...align(asked.map((one) => (one.status === "fulfilled" ? one.value.points : []))), range: [now - ms, now] };
    },
    everyMs,
  );
}

/** Why a chart has no line. A sample is taken every ten seconds; a rate needs two, lag needs a change. */
export function noLine({ loading, problem }: Polled<Drawn>, metric: Metric, of: readonly Connector[]): string {
  if (loading) return "Loading …";
  if (problem) return `Not known: ${problem.detail}`;
  const [one] = of;
  if (of.every(({ state }) => state !== "streaming" && state !== "snapshot")) {
    return of.length === 1 ? `Nothing to measure: it is ${one?.state}.` : "Nothing to measure: no connector runs.";
  }
  if (metric === "lag_ms" && of.every(({ lag_ms }) => lag_ms === null)) return "Lag is measured with each change: none has come since the start.";
  return "The first value comes within twenty seconds.";
}

const ask = (metric: Metric, names: readonly string[], from: string, step: string, signal: AbortSignal) =>
  Promise.allSettled(names.map((connector) => get<Series>(at("/v1/series", { metric, connector, from, step }), { signal })));

/** The points of connectors, a request for each. One that cannot be had is left out. */
export async function seriesOf(...[metric, names, ...more]: Parameters<typeof ask>): Promise<Map<string, Series["points"]>> {
  const all = await ask(metric, names, ...more);
  return new Map(all.flatMap((one, i) => (one.status === "fulfilled" ? [[names[i]!, one.value.points] as const] : [])));
}

/** The range that an address names, or the shortest. */
export const rangeOf = (text: string): Range => RANGES.find(([range]) => range === text)?.[0] ?? "15m";
