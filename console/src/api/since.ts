// Since when connectors are in their state, from their timelines: a list of them does not say it.

import type { Connector, Timeline } from "./types";
import { get, seg } from "./client";
import { usePolledBy } from "./polled";

/** Each is a request; of longer lists the first have one. */
const ASKED_MAX = 30;

/** By connector, milliseconds since 1970. One that cannot be had is left out. Asked again when a state changes. */
export function useSince(of: readonly Connector[]): ReadonlyMap<string, number> {
  const asked = of.slice(0, ASKED_MAX);
  const polled = usePolledBy(
    asked.length === 0 ? null : asked.map((one) => `${one.name} ${one.state}`).join("\n"),
    async (signal) => {
      const all = await Promise.allSettled(asked.map((one) => get<Timeline>(seg`/v1/connectors/${one.name}/timeline`, { signal })));
      return new Map(
        all.flatMap((one, i) => {
          const connector = asked[i];
          const last = one.status === "fulfilled" ? one.value.items.at(-1) : undefined;
          return connector && last?.state === connector.state ? [[connector.name, Date.parse(last.ts)] as const] : [];
        }),
      );
    },
  );
  return polled.data ?? new Map();
}
