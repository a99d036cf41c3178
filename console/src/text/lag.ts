// How far behind a connector is, as a person means it: one that cannot work is behind at least as long as it could not.

interface Of {
  state: string;
  target: string;
  lag_ms: number | null;
  failing_seconds: number | null;
}

/** Milliseconds; null where it is not known: the last lag of one that rests says nothing. */
export function behind({ state, target, lag_ms, failing_seconds }: Of): number | null {
  const failing = failing_seconds !== null && failing_seconds > 0 ? failing_seconds * 1000 : null;
  if (failing !== null) return Math.max(failing, lag_ms ?? 0);
  return target !== "running" || state === "paused" || state === "stopped" || state === "snapshot" ? null : lag_ms;
}
