// Keyboard shortcuts: who listens to which. Promises that typing into a field never triggers one, and that keys with modifiers stay the browser's.

import { useEffect } from "preact/hooks";

/** What a shortcut does; false when it does not apply now, so that the key goes on. */
export type Act = (event: KeyboardEvent) => boolean | void;

/** How long `g` waits for its second key. */
const PREFIX_MS = 1500;

const listeners = new Map<string, Act[]>();
let prefix: { key: string; at: number } | null = null;

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement && /^(checkbox|radio)$/.test(target.type)) return false;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing) return;
  if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
    run("mod+k", event);
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || document.querySelector("dialog[open]")) return;
  if (prefix && Date.now() - prefix.at < PREFIX_MS) {
    const both = `${prefix.key} ${event.key}`;
    prefix = null;
    if (run(both, event)) return;
  }
  if (event.key === "g") prefix = { key: "g", at: Date.now() };
  else run(event.key, event);
});

/** Asks who came last first: a table in a dialog before the table behind it. */
function run(key: string, event: KeyboardEvent): boolean {
  for (const act of [...(listeners.get(key) ?? [])].reverse()) {
    if (act(event) !== false) {
      event.preventDefault();
      return true;
    }
  }
  return false;
}

/** Listens to a key ("?", "j", "g c", "mod+k") as long as the component is there. */
export function useKey(key: string, act: Act) {
  useEffect(() => {
    const all = listeners.get(key) ?? [];
    listeners.set(key, [...all, act]);
    return () => {
      listeners.set(key, (listeners.get(key) ?? []).filter((one) => one !== act));
    };
  }, [key, act]);
}
