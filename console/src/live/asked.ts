// A subscription as the tab keeps it, and how it is asked for: anew, or from its cursor on.

import type { Ear, LiveRecord, Wish } from "./messages";

/** Records under way and waiting, unless a wish says otherwise. */
const CREDIT = 500;

export interface Live {
  id: string;
  wish: Wish;
  ear: Ear;
  /** Where to go on. */
  cursor: string | undefined;
  /** Asked: no answer yet. Refused: waits for a change of it. */
  state: "new" | "asked" | "live" | "refused";
  isPaused: boolean;
  /** What waits for the frame, in order. */
  events: (LiveRecord[] | (() => void))[];
}

/** By the code a socket is closed with: what was wrong with the subscription it could not answer. */
export const REFUSALS: Record<number, string> = { 1008: "stream/forbidden", 4404: "stream/no-topic", 4429: "stream/too-many" };

const waiting = (live: Live) => live.events.reduce((sum, event) => sum + (Array.isArray(event) ? event.length : 0), 0);

/** The parts of a wish that an update may change; a filter that was taken away is null. */
export function filters({ where, op, key, view, columns }: Wish) {
  return { where: where || null, op: op || null, key: key || null, columns: columns || null, ...(view ? { view } : {}) };
}

/** Asks for it from its cursor on, if it has one. */
export function subscribeMessage({ id, wish, cursor, ...live }: Live) {
  return {
    type: "subscribe",
    id,
    ...(wish.topics ? { topics: wish.topics } : {}),
    ...(wish.match ? { match: wish.match } : {}),
    ...filters(wish),
    ...(wish.partition === undefined ? {} : { partition: wish.partition }),
    // What waits here counts: no more than the credit is ever under way.
    credit: Math.max(1, (wish.credit ?? CREDIT) - waiting({ id, wish, cursor, ...live })),
    ...(cursor === undefined ? { from: wish.from ?? "latest" } : { cursor }),
    ...(wish.sample === undefined ? {} : { mode: "sample", rate: wish.sample }),
  };
}

/** Tells the ear all that waits, in order, and says how many records that were. */
export function deliver(live: Live): number {
  const events = live.events;
  live.events = [];
  let batch: LiveRecord[] = [];
  let dealt = 0;
  const tell = () => {
    if (batch.length > 0) live.ear.records(batch);
    batch = [];
  };
  for (const event of events) {
    if (Array.isArray(event)) {
      batch = batch.concat(event);
      dealt += event.length;
    } else {
      tell();
      event();
    }
  }
  tell();
  return dealt;
}
