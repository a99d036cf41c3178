// What this tab has seen of numbers that the API tells only as they are now. Promises at most SEEN_MAX points for each name.

import { useRef } from "preact/hooks";

export interface Seen<V extends number | null = number> {
  /** Milliseconds since 1970. */
  at: number;
  value: V;
}

/** Points that are kept; asked every 5 s these are ten minutes. */
const SEEN_MAX = 120;

/** Adds a point; the oldest go. */
export const noted = <V extends number | null>(seen: readonly Seen<V>[], one: Seen<V>): Seen<V>[] => [...seen, one].slice(-SEEN_MAX);

/** What was seen of each name while the page is there. Each answer counts once. */
export function useSeen<T, V extends number | null>(
  answer: readonly T[] | undefined,
  name: (one: T) => string,
  value: (one: T) => V,
): ReadonlyMap<string, readonly Seen<V>[]> {
  const kept = useRef<{ of: unknown; seen: Map<string, Seen<V>[]> }>({ of: undefined, seen: new Map() });
  if (answer && kept.current.of !== answer) {
    const at = Date.now();
    const { seen } = kept.current;
    kept.current = { of: answer, seen: new Map(answer.map((one) => [name(one), noted(seen.get(name(one)) ?? [], { at, value: value(one) })])) };
  }
  return kept.current.seen;
}
