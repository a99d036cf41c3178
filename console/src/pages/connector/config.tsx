// A connector's configuration: a form and the file's text over one draft, what a change would do before it is saved, and for a connector
// with a file the text to paste. A secret is shown masked and stays as it is unless another is written.

import { useEffect, useState } from "preact/hooks";
import { useAct } from "../../api/act";
import { asProblem, put, seg, send } from "../../api/client";
import type { ApiProblem } from "../../api/problem";
import { usePolled } from "../../api/polled";
import type { Connector } from "../../api/types";
import { useQuery } from "../../app/query";
import { command } from "../../text/command";
import { type Options, commandOptions, debeziumJson, nativeToml } from "../../text/native";
import { AsCommand } from "../../ui/as-command";
import { Choice } from "../../ui/choice";
import { Code } from "../../ui/code";
import { Confirm } from "../../ui/confirm";
import { Loading } from "../../ui/loading";
import { ProblemBox } from "../../ui/problem-box";
import { ConfigFile } from "./config-file";
import { ConfigForm } from "./config-form";
import { type Definition, type Verdict, isSame, mistakesOf } from "./draft";
import { fileOf } from "./managed";
import { type Plan, PlanTable, usePlan } from "./plan";

interface Saved {
  options: Options;
  etag: string;
}

const VIEWS = [
  ["form", "Form"],
  ["file", "File"],
] as const;

/** How long the service may ask the database. */
const VALIDATE_MS = 20_000;

export function Config({ of }: { of: Connector }) {
  const path = seg`/connectors/${of.name}/config`;
  const [saved, setSaved] = useState<Saved>();
  const [problem, setProblem] = useState<ApiProblem>();
  const load = () => {
    setProblem(undefined);
    send("GET", path)
      .then(async (answer) => setSaved({ options: (await answer.json()) as Options, etag: answer.headers.get("ETag") ?? "" }))
      .catch((error: unknown) => setProblem(asProblem(error)));
  };
  useEffect(load, [path]);
  if (problem) return <ProblemBox problem={problem} onRetry={load} />;
  const isBroken = saved && of.problem?.code.startsWith("config/") && !saved.options["database.hostname"];
  if (isBroken && of.problem) {
    return (
      <div class="stack">
        <p>
          <code>{fileOf(of)}</code> cannot be read as it is, so there are no options to show. Mend it there, then <code>rowfeed config reload</code>.
        </p>
        <ProblemBox problem={of.problem} />
      </div>
    );
  }
  return saved ? <Editing key={saved.etag} of={of} saved={saved} onSaved={load} /> : <Loading />;
}

function Editing({ of, saved, onSaved }: { of: Connector; saved: Saved; onSaved: () => void }) {
  const [draft, setDraft] = useState<Options>(saved.options);
  const [asked, show] = useQuery("view", "form");
  const [verdicts, setVerdicts] = useState<readonly Verdict[]>([]);
  const [reviewing, setReviewing] = useState(false);
  const [drafts, setDrafts] = useState(0);
  const { busy, problem: refused, setProblem: setRefused, run } = useAct();
  const definitions = usePolled<Definition[]>("/connector-plugins/PostgresConnector/config").data ?? [];
  const isChanged = !isSame(draft, saved.options);
  const { plan, problem } = usePlan(of.name, draft, isChanged);
  const file = fileOf(of);
  const mistakes = mistakesOf(verdicts);
  const change = (next: Options) => {
    setDraft(next);
    setVerdicts([]);
    setRefused(undefined);
  };
  const validate = () =>
    run(async () => {
      const infos = await put<{ configs: Verdict[] }>("/connector-plugins/PostgresConnector/config/validate", draft, { timeoutMs: VALIDATE_MS });
      setVerdicts(infos.configs);
      if (mistakesOf(infos.configs).size === 0) setReviewing(true);
    });
  return (
    <div class="stack">
      <div class="bar-row">
        <Choice label="View" of={VIEWS} value={asked === "file" ? "file" : "form"} onChange={show} />
        {file ? (
          <span>
            Managed by <code>{file}</code>: changes are made there. Write here what you want, and take the text along.
          </span>
        ) : (
          <span class="muted">Secrets are masked; they stay as they are unless you write others.</span>
        )}
      </div>
      {mistakes.size > 0 && (
        <p class="say-error" role="alert">
          ✗ Not saved: {[...mistakes.keys()].join(", ")} {mistakes.size === 1 ? "is" : "are"} not right, see below.
        </p>
      )}
      {asked === "file" ? (
        <ConfigFile key={drafts} name={of.name} draft={draft} mistakes={mistakes} onChange={change} />
      ) : (
        <ConfigForm definitions={definitions} saved={saved.options} draft={draft} mistakes={mistakes} onChange={change} />
      )}
      {refused && <ProblemBox problem={refused} what="Not checked" />}
      {isChanged && (
        <section class="panel" aria-labelledby="plan">
          <h2 id="plan">What that changes</h2>
          {problem && <ProblemBox problem={problem} what="Not compared" />}
          {plan && <PlanTable plan={plan} />}
          <div class="row">
            {file ? null : (
              <button type="button" class="primary" disabled={busy} onClick={validate}>
                {busy ? "Asking the database …" : "Check and save …"}
              </button>
            )}
            <button
              type="button"
              onClick={() => {
                change(saved.options);
                setDrafts(drafts + 1);
              }}
            >
              Throw the changes away
            </button>
          </div>
          {file && <Paste of={of} file={file} draft={draft} />}
        </section>
      )}
      <AsCommand line={command("rowfeed", "connectors", "show", of.name)} call={{ path: seg`/connectors/${of.name}/config` }} />
      {reviewing && <Save of={of} draft={draft} saved={saved} plan={plan} onClose={() => setReviewing(false)} onSaved={onSaved} />}
    </div>
  );
}

/** What a person does with a connector that has a file. */
function Paste({ of, file, draft }: { of: Connector; file: string; draft: Options }) {
  const text = file.endsWith(".json") ? debeziumJson(of.name, draft) : nativeToml(of.name, draft);
  return (
    <div class="stack top-gap">
      <p>
        Paste this into <code>{file}</code>, then reload. Comments of the file are not in it, and a secret that stands there in clear text is
        named by a variable here.
      </p>
      <Code text={text} what={`the text of ${file}`} />
      <Code text={command("rowfeed", "config", "reload")} what="the command" />
    </div>
  );
}

interface SaveProps {
  of: Connector;
  draft: Options;
  saved: Saved;
  plan: Plan | null | undefined;
  onClose: () => void;
  onSaved: () => void;
}

function Save({ of, draft, saved, plan, onClose, onSaved }: SaveProps) {
  const path = seg`/connectors/${of.name}/config`;
  const heavy = plan?.effect === "resnapshot";
  return (
    <Confirm
      title={`Save ${of.name}?`}
      verb="Save"
      danger={heavy}
      {...(heavy ? { type: of.name } : {})}
      act={() => put(path, draft, saved.etag ? { headers: { "If-Match": saved.etag } } : {})}
      done={`The configuration of ${of.name} is saved`}
      onClose={onClose}
      onDone={onSaved}
    >
      {plan && <PlanTable plan={plan} />}
      <AsCommand line={command("rowfeed", "connectors", "apply", "-f", `${of.name}.json`)} call={{ method: "PUT", path, body: commandOptions(of.name, draft) }} />
    </Confirm>
  );
}
