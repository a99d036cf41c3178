// One subscription: how it goes, its deliveries or what became of a key, its configuration; pause, test, replay, delete.

import "../subscriptions/page.css";
import { useState } from "preact/hooks";
import { route } from "../../app/place";
import { asProblem, del, post, seg } from "../../api/client";
import { usePolled } from "../../api/polled";
import type { Subscription as Sub } from "../../api/types";
import { useActions } from "../../app/actions";
import { Page } from "../../app/page";
import { ui } from "../../app/paths";
import { failed, told } from "../../app/toasts";
import { command } from "../../text/command";
import { AsCommand } from "../../ui/as-command";
import { Confirm } from "../../ui/confirm";
import { Loaded } from "../../ui/loading";
import { ProblemBox } from "../../ui/problem-box";
import { State } from "../../ui/state";
import { Tabs, useTab } from "../../ui/tabs";
import { Config } from "./config";
import { Deliveries } from "./deliveries";
import { KeyStory } from "./key";
import { Overview } from "./overview";
import { Replay } from "./replay";
import { TestFire } from "./test-fire";

const ASK_MS = 3000;

const TABS = {
  overview: { id: "overview", title: "Overview" },
  deliveries: { id: "deliveries", title: "Deliveries" },
  key: { id: "key", title: "Explain a key" },
  config: { id: "config", title: "Configuration" },
};

const tabsOf = (type: string) => [TABS.overview, ...(type === "webhook" ? [TABS.deliveries] : type === "redis" ? [TABS.key] : []), TABS.config];

export default function Subscription({ name }: { name: string }) {
  const path = seg`/v1/subscriptions/${name}`;
  const polled = usePolled<Sub>(path, ASK_MS);
  const [open, setOpen] = useState<"pause" | "replay" | "test" | "delete">();
  const sub = polled.data;
  const tab = useTab(tabsOf(sub?.type ?? ""));
  const rests = sub?.state === "paused" || sub?.state === "failed";
  const resume = async () => {
    try {
      await post(`${path}/resume`);
      told(`${name} goes on`);
    } catch (error) {
      failed(`${name} does not go on`, asProblem(error));
    }
    polled.again();
  };
  useActions(`${name} ${sub?.type} ${rests}`, () =>
    sub
      ? [
          rests ? { title: `Resume ${name}`, run: resume } : { title: `Pause ${name}`, run: () => setOpen("pause") },
          { title: `Replay ${name}`, run: () => setOpen("replay") },
          ...(sub.type === "webhook" ? [{ title: `Test ${name}`, words: "fire", run: () => setOpen("test") }] : []),
        ]
      : [],
  );
  const close = () => setOpen(undefined);
  return (
    <Page
      title={name}
      tab={sub ? `${name} · ${sub.state}` : name}
      crumbs={[{ title: "Subscriptions", href: ui.subscriptions() }]}
      beside={sub && <State state={sub.state} more={sub.type} />}
      actions={
        sub && (
          <>
            {sub.type === "webhook" && (
              <button type="button" onClick={() => setOpen("test")}>
                Test …
              </button>
            )}
            <button type="button" onClick={() => setOpen("replay")}>
              Replay …
            </button>
            <button type="button" onClick={() => (rests ? void resume() : setOpen("pause"))}>
              {rests ? "Resume" : "Pause …"}
            </button>
            {sub.file === null && (
              <button type="button" class="danger" onClick={() => setOpen("delete")}>
                Delete …
              </button>
            )}
          </>
        )
      }
    >
      <Loaded of={polled}>
        {(one) => (
          <>
            <Tabs tabs={tabsOf(one.type)} label={`Parts of ${name}`} />
            <div class="stack">
              {one.problem && <ProblemBox problem={one.problem} tone={one.state === "failed" ? "error" : "warn"} />}
              {one.note && tab === "overview" && <ProblemBox problem={one.note} tone="warn" what="Note" />}
              {tab === "overview" && <Overview of={one} />}
              {tab === "deliveries" && <Deliveries of={one} />}
              {tab === "key" && <KeyStory of={one} />}
              {tab === "config" && <Config of={one} />}
            </div>
            {open === "replay" && <Replay of={one} onClose={close} onDone={polled.again} />}
            {open === "test" && <TestFire of={one} onClose={close} />}
          </>
        )}
      </Loaded>
      {open === "pause" && (
        <Confirm title={`Pause ${name}?`} verb="Pause" act={() => post(`${path}/pause`)} done={`${name} is paused`} onClose={close} onDone={polled.again}>
          <p>Nothing is delivered until it is resumed. Its place is kept; what comes meanwhile waits in the topics, as long as retention keeps it.</p>
          <AsCommand line={command("rowfeed", "subscriptions", "pause", name)} call={{ method: "POST", path: `${path}/pause` }} />
        </Confirm>
      )}
      {open === "delete" && (
        <Confirm
          title={`Delete ${name}?`}
          verb="Delete"
          danger
          type={name}
          act={() => del(path)}
          done={`${name} is deleted`}
          onClose={close}
          onDone={() => route(ui.subscriptions())}
        >
          <p>It is gone with its place and with what waits for another try. Its dead letters stay in __rowfeed.dead.{name}; records stay in their topics.</p>
          <AsCommand line={command("rowfeed", "subscriptions", "delete", name)} call={{ method: "DELETE", path }} />
        </Confirm>
      )}
    </Page>
  );
}
