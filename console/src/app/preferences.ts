// What a person chose for this browser: theme, time zone, density of rows. Kept in localStorage, which holds nothing else of ours.

import { effect, signal } from "@preact/signals";
import type { Zone } from "../text/format";

export type Theme = "system" | "light" | "dark";
export type Rows = "dense" | "comfortable";

function kept<T extends string>(name: string, allowed: readonly T[], fallback: T) {
  const key = `rowfeed.${name}`;
  const read = (): T => {
    try {
      const value = localStorage.getItem(key) as T | null;
      return value !== null && allowed.includes(value) ? value : fallback;
    } catch {
      return fallback;
    }
  };
  const value = signal<T>(read());
  effect(() => {
    const now = value.value;
    try {
      if (now === fallback) localStorage.removeItem(key);
      else localStorage.setItem(key, now);
    } catch {
      // A browser that keeps nothing: the choice holds for this tab.
    }
  });
  return value;
}

export const theme = kept<Theme>("theme", ["system", "light", "dark"], "system");
export const zone = kept<Zone>("zone", ["local", "utc"], "local");
export const rows = kept<Rows>("rows", ["dense", "comfortable"], "dense");

effect(() => {
  const root = document.documentElement;
  if (theme.value === "system") delete root.dataset["theme"];
  else root.dataset["theme"] = theme.value;
});

effect(() => {
  document.documentElement.dataset["rows"] = rows.value;
});
