// The frame of every page: its title, its one h1, its actions. Promises that focus goes to the heading when the page was changed to.

import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import type { Crumb } from "./crumbs";
import { Crumbs } from "./crumbs";

interface Props {
  /** The h1. */
  title: string;
  /** What the tab is called, where it says more than the h1: "billing · snapshot 61 %". */
  tab?: string;
  /** The way here, without the page itself. */
  crumbs?: Crumb[];
  /** Beside the h1: a state, a badge. */
  beside?: ComponentChildren;
  /** A line below the h1. */
  lead?: ComponentChildren;
  /** Buttons, at the end of the line. */
  actions?: ComponentChildren;
  children?: ComponentChildren;
}

export function Page({ title, tab, crumbs, beside, lead, actions, children }: Props) {
  useTitle(tab ?? title);
  return (
    <>
      {crumbs && <Crumbs of={crumbs} />}
      <div class="page-head">
        <h1 tabIndex={-1}>{title}</h1>
        {beside}
        {actions && <div class="page-actions">{actions}</div>}
      </div>
      {lead && <p class="lead">{lead}</p>}
      {children}
    </>
  );
}

/** Names the tab: "Topics · rowfeed". */
export function useTitle(title: string) {
  useEffect(() => {
    document.title = `${title} · rowfeed`;
  }, [title]);
}
