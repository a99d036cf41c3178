// Shows the page that belongs to the address, and loads its program when it is gone to first. Promises that the page before stays until the
// next one is there, that a new page begins at its top, and that its heading is what a screen reader reads next.

import type { ComponentType, VNode } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { NotLoaded } from "./broken";
import { NotFound } from "./not-found";
import { fits } from "./paths";
import { isNew, place } from "./place";

/** Takes the parameters of its own pattern. */
type Page = ComponentType<any>;
/** A page, or where it comes from. */
export type Route = readonly [pattern: string, page: Page | { load: () => Promise<Page> }];

const loaded = new Map<object, Page>();

/** The first route that fits. */
function find(routes: readonly Route[], path: string): { of: Route[1]; params: Record<string, string> } {
  for (const [pattern, of] of routes) {
    const params = fits(pattern, path);
    if (params) return { of, params };
  }
  return { of: NotFound, params: {} };
}

export function Pages({ routes }: { routes: readonly Route[] }) {
  const { path } = place.value;
  const { of, params } = find(routes, path);
  const Shown = "load" in of ? loaded.get(of) : of;
  const [, draw] = useState(0);
  const shown = useRef<VNode | null>(null);
  const arrivedAt = useRef(path);
  if (Shown) shown.current = <Shown {...params} />;
  useEffect(() => {
    if (!("load" in of) || loaded.has(of)) return;
    of.load()
      .catch(() => NotLoaded)
      .then((page) => {
        loaded.set(of, page);
        draw(loaded.size);
      });
  }, [of]);
  useLayoutEffect(() => {
    if (!Shown || arrivedAt.current === path) return;
    arrivedAt.current = path;
    if (isNew) scrollTo(0, 0);
    const from = document.activeElement;
    if (!from || from === document.body || from.closest("header")) document.querySelector<HTMLElement>("main h1")?.focus({ preventScroll: true });
  }, [path, Shown]);
  return shown.current;
}
