// Whether the service answers, as all of the console sees it, and the bar that says so when it does not.

import { computed, signal } from "@preact/signals";
import { duration } from "../text/format";
import { now } from "./now";

/** Who lost the service, by the time of it: the socket, polling. Empty when all is well. */
const losses = signal<ReadonlyMap<string, number>>(new Map());

/** When somebody tries again, milliseconds since 1970. */
const nextTry = signal<number | null>(null);

/** Counts how often one of the ways worked again: the others try at once then, and do not wait for their turn. */
export const returns = signal(0);

/** How long a loss lasts before it is told: a page that is being left loses its socket, too. */
const PATIENCE_MS = 1500;

/** Says that one of the ways to the service is lost, and when it is tried again. */
export function lost(who: string, retryAt: number | null = null) {
  nextTry.value = retryAt;
  if (losses.peek().has(who)) return;
  losses.value = new Map(losses.peek()).set(who, Date.now());
}

/** Says that it works again, or that nobody wants it any more. */
export function found(who: string) {
  if (!losses.peek().has(who)) return;
  const left = new Map(losses.peek());
  left.delete(who);
  losses.value = left;
  returns.value += 1;
}

/** Since when the service has not been there; null when it is. */
export const lostSince = computed(() => {
  const times = [...losses.value.values()];
  return times.length === 0 ? null : Math.min(...times);
});

export function ConnectionBar() {
  const since = lostSince.value;
  const shown = since !== null && now.value - since >= PATIENCE_MS;
  const wait = nextTry.value === null ? 0 : nextTry.value - now.value;
  return (
    <div class="connection" role="status">
      {shown && (
        <p>
          <span aria-hidden="true">▲</span> Rowfeed does not answer, {duration(now.value - since)}. What is shown is from before.{" "}
          {wait > 500 ? `Next try in ${duration(wait)}.` : "Trying again."} Live lists go on where they stopped.
        </p>
      )}
    </div>
  );
}
