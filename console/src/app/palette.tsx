// The palette (Ctrl-K): pages, connectors, topics, groups, subscriptions and actions by a few letters of their names.

import { useEffect, useRef, useState } from "preact/hooks";
import { signal } from "@preact/signals";
import { route } from "./place";
import { get } from "../api/client";
import { usePolledBy } from "../api/polled";
import type { Items } from "../api/types";
import { best } from "../text/search";
import { actions } from "./actions";
import { useKey } from "./keys";
import { SECTIONS, ui } from "./paths";
import { rows, theme, zone } from "./preferences";

interface Entry {
  kind: string;
  title: string;
  words?: string;
  href?: string;
  run?: () => void;
}

const SHOWN_MAX = 12;
/** Names of a kind that are looked through. */
const NAMES_MAX = 5000;

const open = signal(false);
export const openPalette = () => {
  open.value = true;
};

const KINDS: [string, string, (name: string) => string][] = [
  ["Connector", "/v1/connectors", ui.connector],
  ["Topic", "/v1/topics", ui.topic],
  ["Group", "/v1/groups", ui.group],
  ["Subscription", "/v1/subscriptions", ui.subscription],
];

const OWN: Entry[] = [
  ...SECTIONS.map(({ title, href }) => ({ kind: "Page", title, href })),
  { kind: "Page", title: "New connector", words: "add create database", href: ui.newConnector() },
  { kind: "Action", title: "Theme: light", run: () => (theme.value = "light") },
  { kind: "Action", title: "Theme: dark", run: () => (theme.value = "dark") },
  { kind: "Action", title: "Theme: as the system has it", run: () => (theme.value = "system") },
  { kind: "Action", title: "Rows: dense", words: "table density", run: () => (rows.value = "dense") },
  { kind: "Action", title: "Rows: comfortable", words: "table density", run: () => (rows.value = "comfortable") },
  { kind: "Action", title: "Times in UTC", run: () => (zone.value = "utc") },
  { kind: "Action", title: "Times in the local zone", run: () => (zone.value = "local") },
];

/** All there is; what cannot be read (no right, no answer) is left out. */
async function load(signal: AbortSignal): Promise<Entry[]> {
  const lists = await Promise.all(
    KINDS.map(async ([kind, path, href]) => {
      const list = await get<Items<{ name?: string; group?: string; internal?: boolean }>>(path, { signal }).catch(() => ({ items: [] }));
      return list.items.slice(0, NAMES_MAX).flatMap((one): Entry[] => {
        const name = one.name ?? one.group;
        return name === undefined ? [] : [{ kind, title: name, href: href(name), words: one.internal ? "internal" : "" }];
      });
    }),
  );
  return lists.flat();
}

export function Palette() {
  useKey("mod+k", openPalette);
  return open.value ? <Opened /> : null;
}

function Opened() {
  const dialog = useRef<HTMLDialogElement>(null);
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const { data: named = [] } = usePolledBy("palette", load);
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  const own = [...actions.value.map((action): Entry => ({ kind: "Action", ...action })), ...OWN];
  const found = best([...own, ...named], text, (entry) => `${entry.title} ${entry.kind} ${entry.words ?? ""}`, SHOWN_MAX);
  const here = Math.min(at, found.length - 1);
  const choose = (entry: Entry | undefined) => {
    if (!entry) return;
    open.value = false;
    if (entry.href) route(entry.href);
    else entry.run?.();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step !== 0 && found.length > 0) {
      event.preventDefault();
      setAt((here + step + found.length) % found.length);
    } else if (event.key === "Enter") {
      event.preventDefault();
      choose(found[here]);
    }
  };
  return (
    <dialog
      ref={dialog}
      class="palette"
      aria-label="Search"
      onClose={() => (open.value = false)}
      onClick={(event) => event.target === dialog.current && dialog.current?.close()}
    >
      <input
        type="text"
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={found.length > 0 ? `palette-${here}` : undefined}
        aria-label="Search pages, connectors, topics, groups, subscriptions, actions"
        placeholder="Go to or do …"
        autocomplete="off"
        spellcheck={false}
        autofocus
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={onKeyDown}
      />
      <ul id="palette-list" role="listbox" aria-label="Found">
        {found.map((entry, i) => (
          <li
            key={`${entry.kind} ${entry.title}`}
            id={`palette-${i}`}
            role="option"
            aria-selected={i === here}
            onClick={() => choose(entry)}
            onMouseMove={() => setAt(i)}
          >
            <span class="ellipsis">{entry.title}</span> <span class="muted">{entry.kind}</span>
          </li>
        ))}
      </ul>
      <p class="muted palette-foot" role="status">
        {found.length === 0 ? "Nothing of that name." : "↑ ↓ to choose, Enter to go, Esc to close"}
      </p>
    </dialog>
  );
}
