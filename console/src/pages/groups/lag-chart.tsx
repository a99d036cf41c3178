// A lag over time, as far as this tab has seen it; nothing before there is something to see.

import type { Seen } from "../../api/seen";
import { count } from "../../text/format";
import { Chart } from "../../ui/chart";

/** Fewer points are no line. */
const POINTS_MIN = 3;

export function LagChart({ of }: { of: readonly Seen[] | undefined }) {
  if (!of || of.length < POINTS_MIN) return null;
  return <Chart title="Lag since this page was opened" times={of.map((one) => one.at)} lines={[{ name: "records", values: of.map((one) => one.value) }]} format={count} height={96} />;
}
