// Tabs whose choice is in the address. They are links to views of one page, so that they open in a new tab and come back with Back.

import type { ComponentChildren } from "preact";
import { place } from "../app/place";
import { withQuery } from "../app/query";

export interface Tab {
  /** In the address; the first tab's is not written. */
  id: string;
  title: string;
  /** After the title: a count, a sign. */
  beside?: ComponentChildren;
}

/** The tab that the address names, or the first. */
export function useTab(tabs: readonly Tab[]): string {
  const { query } = place.value;
  const asked = query["tab"];
  return tabs.find((tab) => tab.id === asked)?.id ?? tabs[0]?.id ?? "";
}

export function Tabs({ tabs, label }: { tabs: readonly Tab[]; label: string }) {
  const { path } = place.value;
  const chosen = useTab(tabs);
  return (
    <nav class="tabs" aria-label={label}>
      <ul>
        {tabs.map((tab, i) => (
          <li key={tab.id}>
            <a href={withQuery(path, { tab: i === 0 ? null : tab.id })} aria-current={tab.id === chosen ? "page" : undefined}>
              {tab.title}
              {tab.beside !== undefined && <span class="muted"> {tab.beside}</span>}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}
