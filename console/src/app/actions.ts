// Actions that the palette offers besides pages: pages register theirs as long as they are shown.

import { useEffect } from "preact/hooks";
import { signal } from "@preact/signals";

export interface Action {
  title: string;
  /** Further words it is found by. */
  words?: string;
  run: () => void;
}

export const actions = signal<readonly Action[]>([]);

/** Offers actions in the palette while the component is there. `key` changes when they do. */
export function useActions(key: string, list: () => Action[]) {
  useEffect(() => {
    const mine = list();
    actions.value = [...actions.peek(), ...mine];
    return () => {
      actions.value = actions.peek().filter((action) => !mine.includes(action));
    };
    // The list is made anew on every draw; the key says when it differs.
  }, [key]);
}
