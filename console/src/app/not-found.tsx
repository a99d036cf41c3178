// An address of the console that has no page.

import { Page } from "./page";
import { ui } from "./paths";

export function NotFound() {
  return (
    <Page title="No such page">
      <p>
        There is nothing at <code>{location.pathname}</code>. <a href={ui.overview()}>To the overview</a>, or search with <kbd>Ctrl K</kbd>.
      </p>
    </Page>
  );
}
