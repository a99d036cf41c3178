// The cells of a slot: what it holds against the limit, who reads it, how long it will do.

import type { Slot } from "../../api/types";
import { bytes, duration, percent } from "../../text/format";
import type { Forecast } from "./forecast";

/** Below this it is urgent. */
const SOON_MS = 4 * 3_600_000;
/** From here on a bar says so. */
const FULL = 80;

/** "4.2 GiB of 8 GiB" with a bar; without a limit no bar. */
export function Retained({ of }: { of: Slot }) {
  const { retained_bytes: held, safe_bytes: safe, slot, wal_status: status } = of;
  if (held === null) return <span class="muted">–</span>;
  if (safe === null) {
    return (
      <span title="max_slot_wal_keep_size is -1: the server has no limit but its disk">
        {bytes(held)} <span class="muted">no limit</span>
      </span>
    );
  }
  const limit = Math.max(0, held + safe);
  const part = percent(held, limit) ?? 100;
  return (
    <span class="progress">
      <span
        class={part >= FULL || status !== "reserved" ? "bar full" : "bar"}
        role="meter"
        aria-label={`WAL held by ${slot}`}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={part}
        aria-valuetext={`${part} %, ${bytes(held)} of ${bytes(limit)}`}
      >
        <span class="fill" style={{ width: `${part}%` }} />
      </span>
      <span>
        {bytes(held)} <span class="muted">of {bytes(limit)}</span>
      </span>
    </span>
  );
}

export function Holder({ of }: { of: Slot }) {
  if (of.active) {
    const [, application] = /application '([^']*)'/.exec(of.holder ?? "") ?? [];
    return <span title={of.holder ?? undefined}>{application || of.holder || `pid ${of.active_pid ?? "?"}`}</span>;
  }
  const since = of.inactive_s === null ? "" : ` for ${duration(of.inactive_s * 1000)}`;
  return <span class="say-warn">▲ nobody{since}</span>;
}

export function LeftText({ of }: { of: Forecast }) {
  switch (of.is) {
    case "lost":
      return <span class="say-error">■ lost: WAL was removed</span>;
    case "left":
      return of.ms === 0 ? <span class="say-error">■ none: lost at the next checkpoint</span> : <span class={of.ms < SOON_MS ? "say-error" : "say-warn"}>{of.ms < SOON_MS ? "■" : "▲"} about {duration(of.ms)}</span>;
    case "unlimited":
      return <span class="say-warn">▲ grows {bytes(of.perHour)} an hour, without a limit</span>;
    case "steady":
      return <span class="muted">does not grow</span>;
    case "unknown":
      return <span class="muted">not known yet</span>;
  }
}
