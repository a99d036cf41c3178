// Settings: those of the service with where each comes from, tokens, log levels, this browser's own, and what this console is.

import { Page } from "../../app/page";
import { Tabs, useTab } from "../../ui/tabs";
import { About } from "./about";
import { Browser } from "./browser";
import { InForceTab } from "./in-force";
import { Loggers } from "./loggers";
import { Tokens } from "./tokens";

const TABS = [
  { id: "service", title: "Service" },
  { id: "tokens", title: "Tokens" },
  { id: "logging", title: "Log levels" },
  { id: "browser", title: "This browser" },
  { id: "about", title: "About" },
];

export default function Settings() {
  const tab = useTab(TABS);
  const title = TABS.find((one) => one.id === tab)?.title ?? "";
  return (
    <Page title="Settings" tab={`Settings · ${title}`}>
      <Tabs tabs={TABS} label="Parts of the settings" />
      <div class="stack">
        {tab === "service" && <InForceTab />}
        {tab === "tokens" && <Tokens />}
        {tab === "logging" && <Loggers />}
        {tab === "browser" && <Browser />}
        {tab === "about" && <About />}
      </div>
    </Page>
  );
}
