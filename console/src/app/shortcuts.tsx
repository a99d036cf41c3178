// The keys that work everywhere, and the list of them (?).

import { useCallback, useEffect, useRef } from "preact/hooks";
import { signal } from "@preact/signals";
import { route } from "./place";
import { useKey } from "./keys";
import { SECTIONS } from "./paths";

const open = signal(false);
export const openShortcuts = () => {
  open.value = true;
};

const KEYS: [string, string][] = [
  ["Ctrl K or ⌘ K", "Search pages, names and actions"],
  ["/", "To the filter of the page"],
  ["j and k", "Next and previous row of a table"],
  ["Enter", "Open the row"],
  ["?", "This list"],
  ["Esc", "Close a dialog"],
];

/** A component of its own for each section's key: a hook for each. */
function GoKey({ letter, href }: { letter: string; href: string }) {
  useKey(
    `g ${letter}`,
    useCallback(() => route(href), [href]),
  );
  return null;
}

const focusFilter = () => {
  const field = document.querySelector<HTMLInputElement>("main [data-filter]");
  if (!field) return false;
  field.focus();
  field.select();
  return true;
};

export function Shortcuts() {
  useKey("?", openShortcuts);
  useKey("/", focusFilter);
  return (
    <>
      {SECTIONS.map(({ key, href }) => (
        <GoKey key={key} letter={key} href={href} />
      ))}
      {open.value && <List />}
    </>
  );
}

function List() {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} class="dialog" aria-labelledby="shortcuts-title" onClose={() => (open.value = false)}>
      <h2 id="shortcuts-title">Keyboard shortcuts</h2>
      <table>
        <thead>
          <tr>
            <th scope="col">Key</th>
            <th scope="col">What it does</th>
          </tr>
        </thead>
        <tbody>
          {KEYS.map(([key, does]) => (
            <tr key={key}>
              <th scope="row">
                <kbd>{key}</kbd>
              </th>
              <td>{does}</td>
            </tr>
          ))}
          {SECTIONS.map(({ key, title }) => (
            <tr key={key}>
              <th scope="row">
                <kbd>g</kbd> <kbd>{key}</kbd>
              </th>
              <td>{title}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <form method="dialog" class="dialog-foot">
        <button type="submit">Close</button>
      </form>
    </dialog>
  );
}
