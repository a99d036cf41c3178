// The part of a page's state that lives in the address, so that a link shows a colleague the same thing.

import { useCallback } from "preact/hooks";
import { place, route } from "./place";

/** How a change is written: in place of the entry (typing into a filter), or as a new one (another tab, so that Back returns). */
export type Write = "replace" | "push";

/** One parameter of the address: its value, or `fallback` (which is never written down), and how to set it. */
export function useQuery(name: string, fallback = "", write: Write = "replace"): [string, (value: string) => void] {
  const { query } = place.value;
  const set = useCallback(
    (value: string) => route(withQuery(location.pathname + location.search, { [name]: value === fallback ? null : value }), write === "replace"),
    [name, fallback, write],
  );
  return [query[name] ?? fallback, set];
}

/** An address with parameters set, or removed where they are null. */
export function withQuery(address: string, values: Record<string, string | null>): string {
  const [path = "", search = ""] = address.split("?");
  const params = new URLSearchParams(search);
  for (const [name, value] of Object.entries(values)) {
    if (value === null) params.delete(name);
    else params.set(name, value);
  }
  const text = params.toString();
  return text ? `${path}?${text}` : path;
}
