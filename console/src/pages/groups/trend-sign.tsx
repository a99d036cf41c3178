// A trend as an arrow and a word.

import type { Seen } from "../../api/seen";
import { type Trend, trendOf } from "./trend";

const LOOKS: Record<Trend, readonly [sign: string, tone: string]> = {
  growing: ["↗", "say-warn"],
  shrinking: ["↘", "say-ok"],
  steady: ["→", "muted"],
};

export function TrendSign({ of }: { of: readonly Seen[] | undefined }) {
  const trend = trendOf(of ?? []);
  if (!trend) return <span class="muted">–</span>;
  const [sign, tone] = LOOKS[trend];
  return (
    <span class={`nowrap ${tone}`}>
      <span aria-hidden="true">{sign}</span> {trend}
    </span>
  );
}
