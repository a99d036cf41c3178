// Where the tab is: its address as a signal, and going elsewhere without loading the page anew. Promises that links within the console work
// as links do: another button, a key held down, a download, a target and other origins stay the browser's.

import { computed, signal } from "@preact/signals";
import { BASE } from "./paths";

const here = () => location.pathname + location.search;
const address = signal(here());

/** True when the tab came here by a link or by `route`, false when by Back. */
export let isNew = false;

/** The address in parts; `path` is without a slash at its end. */
export const place = computed(() => {
  const url = new URL(address.value, location.origin);
  return { url: address.value, path: url.pathname.replace(/\/+$/, ""), query: Object.fromEntries(url.searchParams) as Record<string, string | undefined> };
});

/** Goes to an address of the console: as a new entry of the history, or in place of this one. */
export function route(to: string, replace = false) {
  isNew = !replace;
  if (replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  address.value = here();
}

addEventListener("popstate", () => {
  isNew = false;
  address.value = here();
});

addEventListener("click", (event) => {
  if (event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  const link = event.target instanceof Element && event.target.closest<HTMLAnchorElement>("a[href]");
  if (!link || link.origin !== location.origin || link.target || link.hasAttribute("download") || link.getAttribute("href")?.startsWith("#")) return;
  if (link.pathname !== BASE && !link.pathname.startsWith(`${BASE}/`)) return;
  event.preventDefault();
  route(link.pathname + link.search + link.hash);
});
