// Where a login leads to: only ever to a page of the console.

import { BASE, ui } from "./paths";

/** The address behind ?next=, or the overview: another origin, another path and another scheme are refused. */
export function nextPage(asked: string | undefined): string {
  if (!asked) return ui.overview();
  try {
    const url = new URL(asked, "http://console.invalid");
    const isOurs = url.origin === "http://console.invalid" && url.pathname.startsWith(`${BASE}/`) && !url.pathname.startsWith(`${BASE}/login`);
    return isOurs ? url.pathname + url.search : ui.overview();
  } catch {
    return ui.overview();
  }
}
