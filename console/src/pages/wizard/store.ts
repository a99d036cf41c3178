// The wizard's draft as long as the tab is open: in sessionStorage, so that a reload loses nothing but the password, which is in memory alone.

import { effect, signal } from "@preact/signals";
import { type Draft, EMPTY, type Lacks, lacksIn } from "./draft";

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

/** The step that somebody wanted to leave though it lacks something: its fields say what. */
const tried = signal(0);

/** What a field of a step lacks, once somebody wanted to go on. */
export const lack = (step: number, field: keyof Lacks): string | undefined => (tried.value === step ? lacksIn(step, draft.value)[field] : undefined);

/** Whether a step has all that it needs; if not, its fields say so, and the first of them gets the focus. */
export function isWhole(step: number): boolean {
  const is = Object.keys(lacksIn(step, draft.peek())).length === 0;
  tried.value = is ? 0 : step;
  if (!is) setTimeout(() => document.querySelector<HTMLElement>("main [aria-invalid], main [data-lacks]")?.focus());
  return is;
}

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
  tried.value = 0;
}

/** The name of a connection, without its password. */
export const connectionKey = ({ host, port, user, database, sslmode, secret, variable }: Draft): string =>
  JSON.stringify([host, port, user, database, sslmode, secret, variable]);
