// Listeners, tokens, files, retention, and what this console is.

import { Page } from "../../app/page";
import { Empty } from "../../ui/empty";

export default function Settings() {
  return (
    <Page title="Settings">
      <Empty title="Not built yet">Listeners, tokens, files, retention, and what this console is.</Empty>
    </Page>
  );
}
