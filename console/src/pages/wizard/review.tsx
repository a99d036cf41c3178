// Step 5: its name, what the doctor and the service say of it as a whole, both files side by side, and making it.

import { useEffect, useId, useState } from "preact/hooks";
import { route } from "../../app/place";
import { useAct } from "../../api/act";
import { put, seg } from "../../api/client";
import { usePolled } from "../../api/polled";
import type { Connector, Items } from "../../api/types";
import { ui } from "../../app/paths";
import { told } from "../../app/toasts";
import { command } from "../../text/command";
import { commandOptions, debeziumJson, isReference, nativeToml } from "../../text/native";
import { AsCommand } from "../../ui/as-command";
import { Code } from "../../ui/code";
import { Field } from "../../ui/field";
import { Findings, marked, useExamination } from "../../ui/findings";
import { ProblemBox } from "../../ui/problem-box";
import { lacksIn, missing, nameMistake, nameOf, optionsOf } from "./draft";
import { Names, isName } from "./names";
import { useRelations } from "./relations";
import { type Standing, standing } from "./standing";
import { NoPassword } from "./lacking";
import { change, draft, forget, password } from "./store";
import { untold, useValidated } from "./validated";

/** The service asks the database while it makes one. */
const TIMEOUT_MS = 20_000;
const RESTS_MS = 500;

export function Review() {
  const of = draft.value;
  const name = nameOf(of);
  const taken = (usePolled<Items<Connector>>("/v1/connectors").data?.items ?? []).map((one) => one.name);
  const mistake = nameMistake(name, taken);
  const options = optionsOf(of, password.value);
  const key = JSON.stringify(options);
  const lacks = missing(of) ? "The connection is not whole: see step 1." : [lacksIn(2, of).tables, lacksIn(4, of).where, mistake && `The name cannot be taken: ${mistake}.`].find(Boolean);
  const mayAsk = !missing(of) && !lacksIn(2, of).tables;
  const [round, setRound] = useState(0);
  const validated = useValidated(mayAsk ? key : null, round);
  const doctor = useExamination();
  const { run, clear } = doctor;
  useEffect(() => {
    clear();
    if (!mayAsk) return;
    // Without a slot: the proof of that was step 1, and options rest often.
    const timer = setTimeout(() => void run({ config: JSON.parse(key) as Record<string, string>, slot_test: false }), RESTS_MS);
    return () => clearTimeout(timer);
  }, [key, mayAsk, round, run, clear]);
  const relations = useRelations();
  const again = () => {
    relations.again();
    setRound(round + 1);
  };

  const { findings } = doctor;
  const mistakes = untold(validated, findings.filter(({ status }) => status !== "ok").map(({ id }) => id));
  const isChecking = mayAsk && !((doctor.sum || doctor.problem) && (validated.errors || validated.problem));
  const stands = standing({
    lacks: lacks ?? "",
    isChecking,
    unknown: (doctor.problem ?? validated.problem)?.detail ?? "",
    mistakes: mistakes.size,
    fails: marked(doctor, "fail"),
    warns: marked(doctor, "warn"),
  });
  const isPublication = findings.some(({ id, status }) => id === "pg/publication" && (status === "fail" || status === "warn"));
  return (
    <div class="stack">
      <Field label="Name" help="Topics, slot and publication are called after it." mistake={mistake || undefined}>
        {(ids) => (
          <input {...ids} type="text" class="mono name" autocomplete="off" spellcheck={false} placeholder={name} value={of.name} onInput={(event) => change({ name: event.currentTarget.value.trim() })} />
        )}
      </Field>
      <Names open={isPublication || [...mistakes.keys()].some(isName)} mistakes={mistakes} />
      {mayAsk && (
        <section class="stack" aria-label="Is all well?">
          {doctor.problem && <ProblemBox problem={doctor.problem} what="The database was not examined" tone="warn" />}
          {validated.problem && <ProblemBox problem={validated.problem} what="The options were not validated" tone="warn" />}
          <Findings of={doctor} label="Before it is made" brief />
          {mistakes.size > 0 && <Mistakes of={mistakes} />}
          <div class="row">
            <button type="button" disabled={isChecking} onClick={again}>
              Check again
            </button>
            <span class="muted">With these tables and this publication. Nothing is kept of the try.</span>
          </div>
        </section>
      )}
      <div class="two">
        <section>
          <h3>
            Short form: <code>connectors/{name}.toml</code>
          </h3>
          <Code text={nativeToml(name, options)} what="the TOML file" />
        </section>
        <section>
          <h3>
            Debezium's options: <code>connectors/{name}.json</code>
          </h3>
          <Code text={debeziumJson(name, options)} what="the JSON file" />
        </section>
      </div>
      <NoPassword />
      <Make name={name} stands={stands} />
      <AsCommand
        line={command("rowfeed", "connectors", "apply", "-f", `${name}.json`)}
        call={{ method: "PUT", path: seg`/connectors/${name}/config`, body: commandOptions(name, options) }}
      />
    </div>
  );
}

/** Which step an option is chosen in. */
const stepOf = (option: string): number => {
  if (/^(table|schema|replica)\./.test(option)) return 2;
  if (/^(column|decimal|time|transforms|value)/.test(option)) return 3;
  if (option.startsWith("snapshot")) return 4;
  return option === "name" || option === "topic.prefix" ? 5 : 1;
};

const goTo = (option: string) => document.querySelector<HTMLElement>(`[name="${CSS.escape(option)}"]`)?.focus();

function Mistakes({ of }: { of: ReadonlyMap<string, string> }) {
  return (
    <section class="problem error" aria-label="Mistakes">
      <p class="problem-what">
        <span aria-hidden="true">■</span> The configuration is not right yet
      </p>
      <ul class="plain">
        {[...of].map(([option, said]) => (
          <li key={option} class="pre">
            {isName(option) ? (
              <button type="button" onClick={() => goTo(option)}>
                {option}
              </button>
            ) : (
              <a href={`${ui.newConnector()}?step=${stepOf(option)}`}>{option}</a>
            )}
            : {isName(option) ? said.split("\n")[0] : said}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Make({ name, stands }: { name: string; stands: Standing }) {
  const { busy, problem, run } = useAct();
  const why = useId();
  const make = () =>
    run(async () => {
      const options = optionsOf(draft.peek(), password.peek());
      await put(seg`/connectors/${name}/config`, options, { timeoutMs: TIMEOUT_MS });
      told(`${name} is made`);
      const reads = draft.peek().snapshot !== "no_data";
      forget();
      route(ui.connector(name, reads ? "snapshot" : undefined));
    });
  const isTyped = password.value !== "" && draft.value.secret === "typed" && !isReference(password.value);
  return (
    <div class="stack-small">
      {problem && <ProblemBox problem={problem} what="Not made" />}
      <div class="row">
        <button type="button" class={stands.isRisk ? undefined : "primary"} disabled={busy || !stands.may} aria-describedby={why} onClick={() => void make()}>
          {busy ? "Making it …" : `Create ${name}${stands.isRisk ? " all the same" : ""}`}
        </button>
        <span id={why} role="status" class={stands.may ? "muted" : "say-warn"}>
          {stands.why || "All is well."}
        </span>
      </div>
      {isTyped && <p class="muted">The service keeps the password with the connector, and shows it to nobody.</p>}
    </div>
  );
}
