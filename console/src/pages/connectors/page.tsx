// All connectors: state, lag, rate, snapshot, slot; filtered by name and state; paused and resumed from here.

import { useState } from "preact/hooks";
import { act, DONE } from "../../api/connectors";
import { asProblem } from "../../api/client";
import type { Connector } from "../../api/types";
import { useActions } from "../../app/actions";
import { Page } from "../../app/page";
import { ui } from "../../app/paths";
import { useQuery } from "../../app/query";
import { failed, told } from "../../app/toasts";
import { useConnectors } from "../../live/live";
import { counted } from "../../text/format";
import { holds } from "../../text/search";
import { CONNECTOR_STATES, look } from "../../text/states";
import { AsCommand } from "../../ui/as-command";
import { Empty } from "../../ui/empty";
import { Filter } from "../../ui/filter";
import { Loaded } from "../../ui/loading";
import { Table, type Column } from "../../ui/table";
import { columns } from "./columns";
import { FirstConnector } from "./first";
import { LagSpark, useSparks } from "./lag-spark";
import { PauseDialog } from "./pause-dialog";

export default function Connectors() {
  const connectors = useConnectors();
  return (
    <Page
      title="Connectors"
      beside={connectors.data && <span class="muted">{counted(connectors.data.length, "connector")}</span>}
      actions={
        <a class="button primary" href={ui.newConnector()}>
          New connector
        </a>
      }
    >
      <Loaded of={connectors}>{(all) => (all.length === 0 ? <FirstConnector /> : <List all={all} again={connectors.again} />)}</Loaded>
    </Page>
  );
}

function List({ all, again }: { all: readonly Connector[]; again: () => void }) {
  const [text] = useQuery("q");
  const [state, setState] = useQuery("state");
  const [pausing, setPausing] = useState<string | null>(null);
  const shown = all.filter((one) => (state === "" || look(one.state).word === state) && holds(`${one.name} ${one.source} ${one.slot}`, text));
  const sparks = useSparks(shown);
  const run = async (verb: "resume" | "restart", name: string) => {
    try {
      await act(verb, name);
      told(`${name} ${DONE[verb]}`);
      again();
    } catch (error) {
      failed(`${name} does not ${verb}`, asProblem(error));
    }
  };
  const rests = (one: Connector) => one.target !== "running";
  useActions(all.map((one) => `${one.name} ${one.target}`).join("\n"), () =>
    all.map((one) =>
      rests(one)
        ? { title: `Resume ${one.name}`, words: "connector start", run: () => void run("resume", one.name) }
        : { title: `Pause ${one.name}`, words: "connector stop", run: () => setPausing(one.name) },
    ),
  );
  const [name, ...rest] = columns(["name", "state", "tables", "lag", "rate", "snapshot", "slot"]);
  const source: Column<Connector> = { id: "source", title: "Database", cell: (one) => <span class="muted">{one.source}</span>, by: (one) => one.source };
  const actions: Column<Connector> = {
    id: "actions",
    title: "Actions",
    cell: (one) => {
      const verb = rests(one) ? "resume" : one.state === "failed" ? "restart" : "pause";
      const title = verb[0]?.toUpperCase() + verb.slice(1);
      return (
        <button type="button" aria-label={`${title} ${one.name}`} onClick={() => (verb === "pause" ? setPausing(one.name) : void run(verb, one.name))}>
          {title}
        </button>
      );
    },
  };
  const withSpark = rest.map((column) =>
    column.id === "lag" ? { ...column, cell: (one: Connector) => <LagSpark of={one} points={sparks.get(one.name)} /> } : column,
  );
  return (
    <>
      <div class="bar-row">
        <Filter label="Name, database or slot" />
        <label class="row">
          State
          <select value={state} onChange={(event) => setState(event.currentTarget.value)}>
            <option value="">any</option>
            {CONNECTOR_STATES.map((one) => (
              <option key={one} value={one}>
                {one} ({all.filter((connector) => look(connector.state).word === one).length})
              </option>
            ))}
          </select>
        </label>
        {shown.length !== all.length && (
          <span class="muted" role="status">
            {shown.length} of {all.length}
          </span>
        )}
      </div>
      <Table
        caption="Connectors"
        rows={shown}
        columns={[...(name ? [name] : []), source, ...withSpark, actions]}
        keyOf={(one) => one.name}
        sort="state"
        empty={<Empty title="None of that name or state">Change the filter above.</Empty>}
      />
      <AsCommand line="rowfeed connectors list" call={{ path: "/v1/connectors" }} />
      {pausing !== null && <PauseDialog name={pausing} onClose={() => setPausing(null)} onDone={again} />}
    </>
  );
}
