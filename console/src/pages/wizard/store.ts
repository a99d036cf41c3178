// The wizard's draft as long as the tab is open: in sessionStorage, so that a reload loses nothing but the password, which is in memory alone.

import { effect, signal } from "@preact/signals";
import type { Sum } from "../../api/check";
import { type Draft, EMPTY } from "./draft";

const KEY = "rowfeed.new-connector";
/** Longer drafts are not kept over a reload. */
const CHARS_MAX = 200_000;

function kept(): Draft {
  try {
    const known: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? "{}");
    return known !== null && typeof known === "object" ? { ...EMPTY, ...(known as Partial<Draft>) } : EMPTY;
  } catch {
    return EMPTY;
  }
}

export const draft = signal<Draft>(kept());

/** Never kept. */
export const password = signal("");

/** How the last examination of this very connection ended. */
export const examined = signal<{ of: string; sum: Sum } | null>(null);

effect(() => {
  const text = JSON.stringify(draft.value);
  try {
    if (text.length <= CHARS_MAX) sessionStorage.setItem(KEY, text);
  } catch {
    // A browser without storage: the draft lives as long as the page.
  }
});

export const change = (some: Partial<Draft>) => {
  draft.value = { ...draft.peek(), ...some };
};

/** After it was made, or thrown away. */
export function forget() {
  draft.value = EMPTY;
  password.value = "";
  examined.value = null;
}

/** The name of a connection, without its password. */
export const connectionKey = ({ host, port, user, database, sslmode, secret, variable }: Draft): string =>
  JSON.stringify([host, port, user, database, sslmode, secret, variable]);
