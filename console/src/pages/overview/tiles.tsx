// Four numbers that say whether all is well. Each has a word for what it means and leads to where it comes from.

import type { ComponentChildren } from "preact";
import type { Connector, Subscription } from "../../api/types";
import { ui } from "../../app/paths";
import { heldByServer } from "./held";
import { UNKNOWN, bytes, count, counted, duration, rate } from "../../text/format";
import { behind } from "../../text/lag";

const known = (value: number | null | undefined): value is number => value !== null && value !== undefined;
const sum = (values: readonly (number | null | undefined)[]) => values.filter(known).reduce((all, one) => all + one, 0);

export function Tiles({ connectors, subscriptions }: { connectors: readonly Connector[]; subscriptions: readonly Subscription[] | undefined }) {
  return (
    <ul class="tiles" aria-label="In short">
      <Rate of={connectors} />
      <Lag of={connectors} />
      <Wal of={connectors} />
      <Deliveries of={subscriptions} />
    </ul>
  );
}

function Tile({ title, value, children, href, tone }: { title: string; value: string; children?: ComponentChildren; href: string; tone?: "warn" | "error" | undefined }) {
  return (
    <li>
      <a href={href}>
        <span class="tile-title">{title}</span>
        <span class={tone ? `tile-value tone-${tone}` : "tile-value"}>
          {tone && <span aria-hidden="true">▲ </span>}
          {value}
        </span>
        <span class="tile-more">{children}</span>
      </a>
    </li>
  );
}

function Rate({ of }: { of: readonly Connector[] }) {
  const rates = of.map((one) => one.changes_per_second);
  const all = sum(of.map((one) => one.changes));
  return (
    <Tile title="Changes/s" value={rates.some(known) ? rate(sum(rates)) : UNKNOWN} href={ui.connectors()}>
      {count(all)} since the start
    </Tile>
  );
}

/** Longer than this is worth a look. */
const LAG_WARN_MS = 60_000;

function Lag({ of }: { of: readonly Connector[] }) {
  const worst = of.filter((one) => behind(one) !== null).sort((a, b) => (behind(b) ?? 0) - (behind(a) ?? 0))[0];
  if (!worst) return <Tile title="Worst lag" value={UNKNOWN} href={ui.connectors()} />;
  const ms = behind(worst) ?? 0;
  return (
    <Tile title="Worst lag" value={duration(ms)} href={ui.connector(worst.name)} tone={ms > LAG_WARN_MS ? "warn" : undefined}>
      {worst.name}
    </Tile>
  );
}

/** A slot that used this part of what it may hold is worth a look. */
const WAL_WARN_PART = 0.5;

function Wal({ of }: { of: readonly Connector[] }) {
  const held = heldByServer(of);
  // The slot that is nearest to its limit; slots without one cannot be lost, but can fill the disk.
  const limited = of.filter((one) => known(one.slot_retained_bytes) && known(one.slot_safe_bytes));
  const used = (one: Connector) => (one.slot_retained_bytes ?? 0) / Math.max(1, (one.slot_retained_bytes ?? 0) + (one.slot_safe_bytes ?? 0));
  const worst = [...limited].sort((a, b) => used(b) - used(a))[0];
  const limit = worst ? (worst.slot_retained_bytes ?? 0) + (worst.slot_safe_bytes ?? 0) : null;
  return (
    <Tile title="WAL held" value={held.length > 0 ? bytes(sum(held)) : UNKNOWN} href={ui.slots()} tone={worst && used(worst) > WAL_WARN_PART ? "warn" : undefined}>
      {worst && limit !== null ? `${worst.name}: ${bytes(worst.slot_retained_bytes)} of ${bytes(limit)}` : held.length > 0 && "no limit is set"}
    </Tile>
  );
}

function Deliveries({ of }: { of: readonly Subscription[] | undefined }) {
  if (!of) return <Tile title="Failed deliveries" value={UNKNOWN} href={ui.subscriptions()} />;
  if (of.length === 0) {
    return (
      <Tile title="Failed deliveries" value="0" href={ui.subscriptions()}>
        no subscriptions yet
      </Tile>
    );
  }
  const failed = sum(of.map((one) => one.failed));
  const dead = sum(of.map((one) => one.dead));
  const bad = of.filter((one) => one.state === "waiting" || one.state === "failed").length;
  return (
    <Tile title="Failed deliveries" value={count(failed)} href={ui.subscriptions()} tone={bad > 0 || dead > 0 ? "warn" : undefined}>
      {bad > 0 ? `${counted(bad, "subscription")} in trouble` : `${counted(of.length, "subscription")}`}
      {dead > 0 && ` · ${count(dead)} given up`}
    </Tile>
  );
}
