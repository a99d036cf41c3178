// What can be done to a connector as a whole: pause, resume, restart, stop, delete. Each says what it means and what is kept before it is done.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { route } from "../../app/place";
import { del, seg } from "../../api/client";
import { type Verb as ByConnect, DONE, act, callOf, lineOf } from "../../api/connectors";
import type { Connector } from "../../api/types";
import { useActions } from "../../app/actions";
import { ui } from "../../app/paths";
import { type Call, command } from "../../text/command";
import { AsCommand } from "../../ui/as-command";
import { Code } from "../../ui/code";
import { Confirm } from "../../ui/confirm";
import { Dialog } from "../../ui/dialog";
import { fileOf } from "./managed";

type Verb = ByConnect | "delete";

interface Does {
  means: ComponentChildren;
  done: string;
  line: string;
  call: Call;
  act: () => Promise<unknown>;
}

const SLOT_KEEPS = "Its slot keeps WAL on the server meanwhile: do not leave it like this for long.";

/** What each means for the person who clicks it. */
const MEANS: Record<ByConnect, ComponentChildren> = {
  pause: <p>It rests, with its position and its session kept ready. {SLOT_KEEPS}</p>,
  resume: (
    <p>
      It goes on from its position. Where it has none, or that was forgotten, it begins like a new one, as <code>snapshot.mode</code> says.
    </p>
  ),
  stop: <p>Its task ends, and its position can be changed then. Nothing is lost. {SLOT_KEEPS}</p>,
  restart: <p>Its task begins again from its position. Nothing is lost; the stream stands still for a moment.</p>,
};

function does(verb: Verb, { name, slot }: Connector): Does {
  if (verb !== "delete") {
    return { done: `${name} ${DONE[verb]}`, means: MEANS[verb], line: lineOf(verb, name), call: callOf(verb, name), act: () => act(verb, name) };
  }
  const path = seg`/connectors/${name}`;
  return {
    done: `${name} is deleted`,
    means: (
      <>
        <p>
          The connector and its position are gone afterwards. Its topics stay until retention takes them. Its slot <code>{slot}</code> stays, too, and{" "}
          <b>keeps WAL on the server</b> until somebody drops it there:
        </p>
        <Code text={`SELECT pg_drop_replication_slot('${slot.replaceAll("'", "''")}');`} what="the statement" />
      </>
    ),
    line: command("rowfeed", "connectors", "delete", name),
    call: { method: "DELETE", path },
    act: () => del(path),
  };
}

const TITLES: Record<Verb, string> = { pause: "Pause", resume: "Resume", stop: "Stop", restart: "Restart", delete: "Delete" };

/** What makes sense in this state: what is ordered already is not offered. */
function verbsOf(of: Connector): Verb[] {
  const running = of.target === "running";
  return [running ? "pause" : "resume", ...(of.target === "stopped" ? [] : (["restart", "stop"] as const)), "delete"];
}

export function Actions({ of, onDone }: { of: Connector; onDone: () => void }) {
  const [asked, setAsked] = useState<Verb | null>(null);
  const verbs = verbsOf(of);
  useActions(`${of.name} ${verbs.join()}`, () => verbs.map((verb) => ({ title: `${TITLES[verb]} ${of.name}`, run: () => setAsked(verb) })));
  const close = () => setAsked(null);
  return (
    <>
      {verbs.map((verb) => (
        <button key={verb} type="button" class={verb === "delete" ? "danger" : verb === "resume" ? "primary" : undefined} onClick={() => setAsked(verb)}>
          {TITLES[verb]}
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
  const { means, done, line, call, act } = does(verb, of);
  const isDelete = verb === "delete";
  return (
    <Confirm
      title={`${TITLES[verb]} ${of.name}?`}
      verb={TITLES[verb]}
      danger={isDelete || verb === "stop"}
      {...(isDelete ? { type: of.name } : {})}
      act={act}
      done={done}
      onClose={onClose}
      onDone={onDone}
    >
      {means}
      <AsCommand line={line} call={call} />
    </Confirm>
  );
}
