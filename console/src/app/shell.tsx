// What stands around every page: skip link, header with navigation and switches, bars that tell of trouble, toasts, the palette.

import type { ComponentChildren } from "preact";
import { place } from "./place";
import { ConnectionBar } from "./connection";
import { Palette, openPalette } from "./palette";
import { BASE, SECTIONS, ui } from "./paths";
import { type Theme, theme, zone } from "./preferences";
import { loggedIn, logOut, session } from "./session";
import { Shortcuts, openShortcuts } from "./shortcuts";
import { Toasts } from "./toasts";

/** Which section an address belongs to. */
function isIn(path: string, href: string): boolean {
  const bare = href.replace(/\/$/, "");
  return bare === BASE ? path === BASE : path === bare || path.startsWith(`${bare}/`);
}

const NEXT_THEME: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };
const THEME_SIGN: Record<Theme, string> = { system: "◐", light: "○", dark: "●" };

export function Shell({ children }: { children: ComponentChildren }) {
  const { path } = place.value;
  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <header class="top">
        <a class="brand" href={ui.overview()}>
          rowfeed
        </a>
        <nav aria-label="Sections">
          <ul>
            {SECTIONS.map(({ title, href }) => (
              <li key={href}>
                <a href={href} aria-current={isIn(path, href) ? "page" : undefined}>
                  {title}
                </a>
              </li>
            ))}
          </ul>
        </nav>
        <div class="switches">
          <button type="button" class="quiet" onClick={openPalette} aria-keyshortcuts="Control+K Meta+K">
            Search <kbd>{/Mac|iPhone|iPad/.test(navigator.platform) ? "⌘K" : "Ctrl K"}</kbd>
          </button>
          <button
            type="button"
            class="quiet"
            title="Times in the local zone or in UTC"
            onClick={() => (zone.value = zone.value === "utc" ? "local" : "utc")}
          >
            {zone.value === "utc" ? "UTC" : "Local time"}
          </button>
          <button
            type="button"
            class="quiet"
            title={`Theme: ${theme.value}`}
            aria-label={`Theme: ${theme.value}. Change to ${NEXT_THEME[theme.value]}`}
            onClick={() => (theme.value = NEXT_THEME[theme.value])}
          >
            <span aria-hidden="true">{THEME_SIGN[theme.value]}</span>
          </button>
          <button type="button" class="quiet" aria-label="Keyboard shortcuts" title="Keyboard shortcuts (?)" onClick={openShortcuts}>
            ?
          </button>
          {loggedIn.value && (
            <button type="button" class="quiet" title={`Logged in as ${session.value?.name ?? ""}`} onClick={logOut}>
              Log out
            </button>
          )}
        </div>
      </header>
      <ConnectionBar />
      <main id="main" tabIndex={-1}>
        {children}
      </main>
      <Toasts />
      <Palette />
      <Shortcuts />
    </>
  );
}
