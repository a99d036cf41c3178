// What can be done to a connector as a whole: pause, resume, restart, stop, delete. Each says what it means and what is kept before it is done.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { useLocation } from "preact-iso";
import { del, post, put, seg } from "../../api/client";
import type { Connector } from "../../api/types";
import { useActions } from "../../app/actions";
import { ui } from "../../app/paths";
import { type Call, command } from "../../text/command";
import { AsCommand } from "../../ui/as-command";
import { Code } from "../../ui/code";
import { Confirm } from "../../ui/confirm";
import { Dialog } from "../../ui/dialog";
import { fileOf } from "./managed";

type Verb = "pause" | "resume" | "restart" | "stop" | "delete";

interface Does {
  title: string;
  means: ComponentChildren;
  done: string;
  call: Call;
  act: () => Promise<unknown>;
}

const SLOT_KEEPS = "Its slot keeps WAL on the server meanwhile: do not leave it like this for long.";

function does(verb: Verb, { name, slot }: Connector): Does {
  const at = (end: string) => seg`/connectors/${name}` + end;
  const byPut = (end: string, title: string, done: string, means: ComponentChildren): Does => ({
    title,
    done,
    means,
    call: { method: "PUT", path: at(end) },
    act: () => put(at(end)),
  });
  switch (verb) {
    case "pause":
      return byPut("/pause", "Pause", `${name} is to pause`, <p>It rests, with its position and its session kept ready. {SLOT_KEEPS}</p>);
    case "resume":
      return byPut("/resume", "Resume", `${name} is to go on`, <p>It goes on exactly where it was.</p>);
    case "stop":
      return byPut("/stop", "Stop", `${name} is to stop`, <p>Its task ends, and its position can be changed then. Nothing is lost. {SLOT_KEEPS}</p>);
    case "restart":
      return {
        title: "Restart",
        done: `${name} is to restart`,
        means: <p>Its task begins again from its position. Nothing is lost and nothing is read twice; the stream stands still for a moment.</p>,
        call: { method: "POST", path: at("/restart") },
        act: () => post(at("/restart")),
      };
    case "delete":
      return {
        title: "Delete",
        done: `${name} is deleted`,
        means: (
          <>
            <p>
              The connector and its position are gone afterwards. Its topics stay until retention takes them. Its slot <code>{slot}</code> stays, too,
              and <b>keeps WAL on the server</b> until somebody drops it there:
            </p>
            <Code text={`SELECT pg_drop_replication_slot('${slot.replaceAll("'", "''")}');`} what="the statement" />
          </>
        ),
        call: { method: "DELETE", path: at("") },
        act: () => del(at("")),
      };
  }
}

/** What makes sense in this state: what is ordered already is not offered. */
function verbsOf(of: Connector): Verb[] {
  const running = of.target === "running";
  return [running ? "pause" : "resume", ...(of.target === "stopped" ? [] : (["restart", "stop"] as const)), "delete"];
}

export function Actions({ of, onDone }: { of: Connector; onDone: () => void }) {
  const [asked, setAsked] = useState<Verb | null>(null);
  const { route } = useLocation();
  const verbs = verbsOf(of);
  useActions(`${of.name} ${verbs.join()}`, () => verbs.map((verb) => ({ title: `${does(verb, of).title} ${of.name}`, run: () => setAsked(verb) })));
  const close = () => setAsked(null);
  return (
    <>
      {verbs.map((verb) => (
        <button key={verb} type="button" class={verb === "delete" ? "danger" : verb === "resume" ? "primary" : undefined} onClick={() => setAsked(verb)}>
          {does(verb, of).title}
        </button>
      ))}
      {asked === "delete" && fileOf(of) ? (
        <Dialog title={`Delete ${of.name}`} onClose={close}>
          <p>
            It is managed by the file <code>{fileOf(of)}</code>: take the file away, and the connector goes with it. Here it would come back with the
            next reload.
          </p>
          <Code text={command("rm", fileOf(of))} what="the command" />
        </Dialog>
      ) : (
        asked && <Ask verb={asked} of={of} onClose={close} onDone={() => (asked === "delete" ? route(ui.connectors()) : onDone())} />
      )}
    </>
  );
}

function Ask({ verb, of, onClose, onDone }: { verb: Verb; of: Connector; onClose: () => void; onDone: () => void }) {
  const { title, means, done, call, act } = does(verb, of);
  const isDelete = verb === "delete";
  return (
    <Confirm
      title={`${title} ${of.name}?`}
      verb={title}
      danger={isDelete || verb === "stop"}
      {...(isDelete ? { type: of.name } : {})}
      act={act}
      done={done}
      onClose={onClose}
      onDone={onDone}
    >
      {means}
      <AsCommand line={command("rowfeed", "connectors", verb, of.name)} call={call} />
    </Confirm>
  );
}
