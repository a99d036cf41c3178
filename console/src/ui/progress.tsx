// How far something is: a bar and the same in words. Without a whole that is known it says what was done and shows no bar.

import { count, duration, percent } from "../text/format";

interface Props {
  /** What it is of, for screen readers: "Snapshot of public.orders". */
  label: string;
  done: number;
  of: number | null | undefined;
  /** Milliseconds that are left, where known. */
  leftMs?: number | null | undefined;
  /** What is counted: "rows". */
  unit?: string;
  /** Over: shown as done whatever the estimate was. */
  over?: boolean;
}

export function Progress({ label, done, of, leftMs, unit = "rows", over = false }: Props) {
  const part = over ? 100 : percent(done, of);
  if (part === null) {
    return (
      <span class="progress">
        {count(done)} {unit}
      </span>
    );
  }
  const left = !over && leftMs !== null && leftMs !== undefined ? `~${duration(leftMs)} left` : "";
  return (
    <span class="progress">
      <span
        class="bar"
        role="progressbar"
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={part}
        aria-valuetext={`${part} %, ${count(done)} ${unit}${left ? `, ${left}` : ""}`}
      >
        <span class="fill" style={{ width: `${part}%` }} />
      </span>
      <span class="nowrap">{part} %</span>
      {left && <span class="muted nowrap">{left}</span>}
    </span>
  );
}
