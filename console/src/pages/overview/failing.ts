// Webhooks whose deliveries fail now, as problems. A subscription itself has one only when its receiver as a whole is away.

import { at, get, seg } from "../../api/client";
import { usePolledBy } from "../../api/polled";
import type { Items, Problem, Subscription } from "../../api/types";
import { counted } from "../../text/format";
import type { Delivery } from "../subscription/outcomes";

const ASK_MS = 10_000;
/** Webhooks that are asked about, and failures that are counted. */
const ASKED_MAX = 10;
const COUNTED_MAX = 100;

/** By name: what fails of each webhook that failed since the service started. Nothing where all of it was delivered since. */
export function useFailing(subscriptions: readonly Subscription[]): ReadonlyMap<string, Problem> {
  const names = subscriptions.filter((one) => one.type === "webhook" && one.failed > 0 && !one.problem).map((one) => one.name);
  const asked = names.slice(0, ASKED_MAX);
  const polled = usePolledBy(
    asked.length === 0 ? null : asked.join("\n"),
    async (signal) => {
      const paths = asked.map((name) => at(`${seg`/v1/subscriptions/${name}`}/deliveries`, { state: "failed", limit: COUNTED_MAX }));
      const all = await Promise.all(paths.map((path) => get<Items<Delivery>>(path, { signal })));
      return new Map(all.flatMap(({ items }, i) => (items[0] ? [[asked[i]!, problemOf(items, items[0])] as const] : [])));
    },
    ASK_MS,
  );
  return polled.data ?? new Map();
}

function problemOf(items: readonly Delivery[], newest: Delivery): Problem {
  const dead = items.filter((one) => one.state === "dead").length;
  const all = `${counted(items.length, "delivery", "deliveries")}${items.length === COUNTED_MAX ? " or more" : ""}`;
  const what = dead === 0 ? "failed and will be tried again" : dead === items.length ? "failed and were given up" : `failed, ${dead} of them given up`;
  return {
    code: "",
    what: `${all} ${what}`,
    at: "",
    why: `the newest: ${newest.error ?? "no answer"}`,
    fix: "see what the receiver answers, mend it, and replay what failed",
  };
}
