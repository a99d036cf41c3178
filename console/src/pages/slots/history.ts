// What slots held: the service's series for those of connectors, what this tab has seen for the others. Promises a bounded number of requests.

import { useEffect, useRef, useState } from "preact/hooks";
import { at, get } from "../../api/client";
import type { Series, Slot } from "../../api/types";
import type { Point } from "./forecast";

/** Connectors whose series is asked for. */
const CONNECTORS_MAX = 12;
const ASK_MS = 30_000;
/** Points of a slot that this tab keeps. */
const SEEN_MAX = 120;

export const keyOf = (slot: Slot): string => `${slot.server} ${slot.slot}`;

/** The last hour of each connector, by its name. */
export function useSeries(slots: readonly Slot[] | undefined): ReadonlyMap<string, readonly Point[]> {
  const names = [...new Set((slots ?? []).flatMap((slot) => slot.connector ?? []))].sort().slice(0, CONNECTORS_MAX).join("\n");
  const [series, setSeries] = useState<ReadonlyMap<string, readonly Point[]>>(new Map());
  useEffect(() => {
    if (names === "") return;
    const asking = new AbortController();
    const ask = async () => {
      const found = new Map<string, readonly Point[]>();
      for (const connector of names.split("\n")) {
        try {
          const path = at("/v1/series", { metric: "retained_bytes", connector, from: "now-1h", step: "1m" });
          const { points } = await get<Series>(path, { signal: asking.signal });
          found.set(connector, points.map((point) => ({ at: Date.parse(point.ts), held: point.value })));
        } catch {
          if (asking.signal.aborted) return;
          // Without a series there is no estimate; the table itself says when the service does not answer.
        }
      }
      setSeries(found);
    };
    const seen = () => document.visibilityState === "visible" && void ask();
    seen();
    const timer = setInterval(seen, ASK_MS);
    return () => {
      asking.abort();
      clearInterval(timer);
    };
  }, [names]);
  return series;
}

/** What this tab has seen of each slot, one point for each answer. */
export function useSeenSlots(slots: readonly Slot[] | undefined): ReadonlyMap<string, readonly Point[]> {
  const kept = useRef<{ of: unknown; seen: Map<string, Point[]> }>({ of: undefined, seen: new Map() });
  if (slots && kept.current.of !== slots) {
    const now = Date.now();
    const { seen } = kept.current;
    kept.current = {
      of: slots,
      seen: new Map(slots.map((slot) => [keyOf(slot), [...(seen.get(keyOf(slot)) ?? []), { at: now, held: slot.retained_bytes }].slice(-SEEN_MAX)])),
    };
  }
  return kept.current.seen;
}
