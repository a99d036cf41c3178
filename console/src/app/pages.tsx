// Shows the page that belongs to the address. Promises that a new page begins at its top, and that its heading is what a screen reader
// reads next.

import type { ComponentType } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { NotFound } from "./not-found";
import { fits } from "./paths";
import { isNew, place } from "./place";

/** Takes the parameters of its own pattern. */
export type Route = readonly [pattern: string, page: ComponentType<any>];

export function Pages({ routes }: { routes: readonly Route[] }) {
  const { path } = place.value;
  const arrivedAt = useRef(path);
  useLayoutEffect(() => {
    if (arrivedAt.current === path) return;
    arrivedAt.current = path;
    if (isNew) scrollTo(0, 0);
    const from = document.activeElement;
    if (!from || from === document.body || from.closest("header")) document.querySelector<HTMLElement>("main h1")?.focus({ preventScroll: true });
  }, [path]);
  for (const [pattern, Shown] of routes) {
    const params = fits(pattern, path);
    if (params) return <Shown {...params} />;
  }
  return <NotFound />;
}
