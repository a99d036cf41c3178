// What slots held: the service's series for those of connectors. Promises a bounded number of requests.

import { usePolledBy } from "../../api/polled";
import { seriesOf } from "../../api/series";
import type { Slot } from "../../api/types";
import type { Point } from "./forecast";

/** Connectors whose series is asked for. */
const CONNECTORS_MAX = 12;
const ASK_MS = 10_000;

export const keyOf = (slot: Slot): string => `${slot.server} ${slot.slot}`;

/** The last hour of each connector, by its name. Without a series there is no estimate; the table itself says when the service does not answer. */
export function useSeries(slots: readonly Slot[] | undefined): ReadonlyMap<string, readonly Point[]> {
  const names = [...new Set((slots ?? []).flatMap((slot) => slot.connector ?? []))].sort().slice(0, CONNECTORS_MAX);
  const polled = usePolledBy(
    names.length === 0 ? null : names.join("\n"),
    async (signal) => {
      const all = await seriesOf("retained_bytes", names, "now-1h", "10s", signal);
      return new Map([...all].map(([name, points]) => [name, points.map((point): Point => ({ at: Date.parse(point.ts), value: point.value }))]));
    },
    ASK_MS,
  );
  return polled.data ?? new Map();
}
