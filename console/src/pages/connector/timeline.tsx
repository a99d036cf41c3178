// Every change of state that the service remembers, with its cause and what mends it.

import { seg } from "../../api/client";
import { usePolled } from "../../api/polled";
import type { Connector, Timeline } from "../../api/types";
import { now } from "../../app/now";
import { command } from "../../text/command";
import { AsCommand } from "../../ui/as-command";
import { Empty } from "../../ui/empty";
import { Loaded } from "../../ui/loading";
import { SpanTable } from "./band";
import { spansOf } from "./spans";

const ASKED_MS = 5000;

export function TimelineTab({ of }: { of: Connector }) {
  const path = seg`/v1/connectors/${of.name}/timeline`;
  const polled = usePolled<Timeline>(path, ASKED_MS);
  return (
    <Loaded of={polled}>
      {({ items }) => (
        <div class="stack">
          <p class="muted">Since the service started, 256 changes at most, the newest first.</p>
          {items.length === 0 ? (
            <Empty title="Nothing happened yet">Each change of state will stand here, with its cause and what mends it.</Empty>
          ) : (
            <SpanTable spans={spansOf(items, 0, now.value).filter((span) => span.state !== "")} caption={`Changes of state of ${of.name}`} />
          )}
          <AsCommand line={command("rowfeed", "connectors", "show", of.name)} call={{ path }} />
        </div>
      )}
    </Loaded>
  );
}
