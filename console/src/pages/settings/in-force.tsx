// The settings that are in force, where each comes from, and how the files were read last, with mistakes at their line.

import { useState } from "preact/hooks";
import { asProblem, post } from "../../api/client";
import { usePolled } from "../../api/polled";
import { failed, told } from "../../app/toasts";
import { useQuery } from "../../app/query";
import { command } from "../../text/command";
import { holds } from "../../text/search";
import { AsCommand } from "../../ui/as-command";
import { Code } from "../../ui/code";
import { Empty } from "../../ui/empty";
import { Facts } from "../../ui/facts";
import { Filter } from "../../ui/filter";
import { Loaded } from "../../ui/loading";
import { ProblemBox } from "../../ui/problem-box";
import { type Column, Table } from "../../ui/table";
import { Ago } from "../../ui/time";
import type { InForce, Reloaded, Setting } from "./shapes";

const ASK_MS = 10_000;

const COLUMNS: Column<Setting>[] = [
  { id: "name", title: "Setting", by: (one) => one.name, cell: (one) => <code>{one.name}</code> },
  { id: "value", title: "Value", cell: (one) => (one.value === "" ? <span class="muted">not set</span> : <span class="mono">{one.value}</span>) },
  { id: "from", title: "From", by: (one) => (one.source === "default" ? 1 : 0), cell: (one) => <span class={one.source === "default" ? "muted" : undefined}>{one.from || one.source}</span> },
  { id: "doc", title: "What it is", cell: (one) => <span class="muted">{one.doc}</span> },
];

export function InForceTab() {
  const polled = usePolled<InForce>("/v1/config", ASK_MS);
  const [text] = useQuery("q");
  const [changed, setChanged] = useQuery("changed");
  if (!polled.data && (polled.problem?.status === 404 || polled.problem?.status === 501)) {
    return (
      <Empty title="This service does not tell its settings">
        <p>The command line reads them where the files are:</p>
        <Code text={command("rowfeed", "config", "show")} what="the command" />
      </Empty>
    );
  }
  return (
    <Loaded of={polled}>
      {(config) => {
        const shown = config.items.filter((one) => holds(`${one.name} ${one.value} ${one.from}`, text) && (!changed || one.source !== "default"));
        return (
          <>
            <Files of={config} again={polled.again} />
            <div>
              <div class="bar-row">
                <Filter label="Filter settings" />
                <label class="row">
                  <input type="checkbox" checked={changed !== ""} onChange={(event) => setChanged(event.currentTarget.checked ? "1" : "")} />
                  Only those that are set
                </label>
              </div>
              <Table caption="Settings" rows={shown} columns={COLUMNS} keyOf={(one) => one.name} sort="name" empty={<p class="muted">No such setting.</p>} />
            </div>
            <AsCommand line={command("rowfeed", "config", "show")} call={{ path: "/v1/config" }} />
          </>
        );
      }}
    </Loaded>
  );
}

function Files({ of, again }: { of: InForce; again: () => void }) {
  const [busy, setBusy] = useState(false);
  const reload = async () => {
    setBusy(true);
    try {
      const { started, changed, stopped } = await post<Reloaded>("/v1/config/reload");
      const did = [["started", started], ["changed", changed], ["stopped", stopped]] as const;
      told(did.map(([what, names]) => (names.length > 0 ? `${what} ${names.join(", ")}` : "")).filter(Boolean).join("; ") || "Read again: nothing changed");
    } catch (error) {
      failed("Not read again", asProblem(error));
    }
    setBusy(false);
    again();
  };
  const { read, connectors } = of;
  const mistakes = [...read.problems, ...(connectors.read?.problems ?? [])];
  return (
    <section class="stack" aria-label="Files">
      <Facts
        of={[
          ["Settings file", of.file ? <code>{of.file}</code> : <span class="muted">none: defaults, environment and flags</span>],
          ["Settings read", read.at && <Ago at={read.at} />],
          ["Connector files", <code>{connectors.folder}</code>],
          ["Connectors read", connectors.read_at ? <><Ago at={connectors.read_at} /> {connectors.watched && <span class="muted">and watched</span>}</> : <span class="muted">{connectors.watched ? "watched" : "at the start only"}</span>],
        ]}
      />
      {mistakes.map(({ message, ...rest }, i) => (
        <ProblemBox key={i} problem={{ ...rest, what: message }} what={rest.connector ?? undefined} />
      ))}
      {read.needs_restart.length > 0 && (
        <p class="say-warn">
          ▲ Changed in the file, and taken over with the next start: <code>{read.needs_restart.join(", ")}</code>
        </p>
      )}
      {of.warnings.map((warning) => (
        <p key={warning} class="say-warn">
          ▲ {warning}
        </p>
      ))}
      <div>
        <button type="button" disabled={busy} onClick={reload}>
          {busy ? "Reading …" : "Read connector files again"}
        </button>
        <AsCommand line={command("rowfeed", "config", "reload")} call={{ method: "POST", path: "/v1/config/reload" }} />
      </div>
    </section>
  );
}
