// Step 5: the connector as both files side by side, what is wrong with it, what the database still lacks, and making it.

import { useEffect, useState } from "preact/hooks";
import { route } from "../../app/place";
import { useAct } from "../../api/act";
import { asProblem, put, seg } from "../../api/client";
import { usePolled } from "../../api/polled";
import type { ApiProblem } from "../../api/problem";
import type { Connector, Items } from "../../api/types";
import { ui } from "../../app/paths";
import { told } from "../../app/toasts";
import { command } from "../../text/command";
import { commandOptions, debeziumJson, isReference, nativeToml } from "../../text/native";
import { AsCommand } from "../../ui/as-command";
import { Code } from "../../ui/code";
import { Field } from "../../ui/field";
import { ProblemBox } from "../../ui/problem-box";
import { missing, nameMistake, nameOf, optionsOf } from "./draft";
import { change, connectionKey, draft, examined, forget, password } from "./store";

/** The service asks the database while it makes one, and longer while it checks. */
const TIMEOUT_MS = 20_000;

export function Review() {
  const of = draft.value;
  const name = nameOf(of);
  const taken = (usePolled<Items<Connector>>("/v1/connectors").data?.items ?? []).map((one) => one.name);
  const mistake = nameMistake(name, taken);
  const options = optionsOf(of, password.value);
  const sum = examined.value?.of === connectionKey(of) ? examined.value.sum : null;
  const verdict = useVerdict(JSON.stringify(options), missing(of) === "");
  return (
    <div class="stack">
      <Field label="Name" help="Its topics begin with it, and its slot and publication are called after it." mistake={mistake || undefined}>
        {(ids) => (
          <input {...ids} type="text" class="mono name" autocomplete="off" spellcheck={false} placeholder={name} value={of.name} onInput={(event) => change({ name: event.currentTarget.value.trim() })} />
        )}
      </Field>
      {sum === null && (
        <p class="say-warn">
          ▲ The doctor has not seen this database yet: <a href={ui.newConnector()}>check it first</a>.
        </p>
      )}
      {sum && !sum.ok && <p class="say-error">✗ The doctor found something that must be mended first.</p>}
      {sum?.fix_sql && (
        <section aria-label="What the database still lacks">
          <h3>{sum.ok ? "Recommended in the database" : "To be mended in the database"}</h3>
          <Code text={sum.fix_sql} what="the script" />
        </section>
      )}
      {verdict && <Verdict of={verdict} />}
      {of.full.length > 0 && (
        <p class="muted">
          {of.full.join(", ")}: REPLICA IDENTITY FULL is set when the connector starts. What is said above looks at the database as it is now.
        </p>
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
      {of.secret === "typed" && password.value === "" && (
        <p class="muted">
          No password is written. If the database wants one, <a href={ui.newConnector()}>write it again</a>: it is not kept over a reload.
        </p>
      )}
      <Make name={name} isReady={mistake === "" && missing(of) === ""} />
      <AsCommand
        line={command("rowfeed", "connectors", "apply", "-f", `${name}.json`)}
        call={{ method: "PUT", path: seg`/connectors/${name}/config`, body: commandOptions(name, options) }}
      />
    </div>
  );
}

interface Infos {
  configs: { value: { name: string; errors: string[] } }[];
}

/** Which step an option is chosen in. */
const stepOf = (option: string): number => {
  if (/^(table|schema|replica)\./.test(option)) return 2;
  if (/^(column|decimal|time|transforms|value)/.test(option)) return 3;
  if (option.startsWith("snapshot")) return 4;
  return option === "name" || option === "topic.prefix" ? 5 : 1;
};

type Checked = { errors: [option: string, said: string][] } | { problem: ApiProblem } | null;

/** What the service says of the options as they are when the step is come to; asked again when they change and rest. */
function useVerdict(key: string, may: boolean): Checked {
  const [checked, setChecked] = useState<Checked>(null);
  useEffect(() => {
    setChecked(null);
    if (!may) return;
    const asking = new AbortController();
    const timer = setTimeout(() => {
      put<Infos>("/connector-plugins/PostgresConnector/config/validate", key, { signal: asking.signal, timeoutMs: TIMEOUT_MS, headers: { "Content-Type": "application/json" } }).then(
        ({ configs }) => setChecked({ errors: configs.filter(({ value }) => value.errors.length > 0).map(({ value }) => [value.name, value.errors.join("\n")]) }),
        (error: unknown) => !asking.signal.aborted && setChecked({ problem: asProblem(error) }),
      );
    }, 500);
    return () => {
      clearTimeout(timer);
      asking.abort();
    };
  }, [key, may]);
  return checked;
}

function Verdict({ of }: { of: NonNullable<Checked> }) {
  if ("problem" in of) return <ProblemBox problem={of.problem} what="Not validated" tone="warn" />;
  if (of.errors.length === 0) return <p class="say-ok">✓ The configuration is valid, and the database lets it in.</p>;
  return (
    <section class="problem error" aria-label="Mistakes">
      <p class="problem-what">
        <span aria-hidden="true">■</span> The configuration is not right yet
      </p>
      <ul class="plain">
        {of.errors.map(([option, said]) => (
          <li key={option} class="pre">
            <a href={`${ui.newConnector()}?step=${stepOf(option)}`}>{option}</a>: {said}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Make({ name, isReady }: { name: string; isReady: boolean }) {
  const { busy, problem, run } = useAct();
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
        <button type="button" class="primary" disabled={busy || !isReady} onClick={() => void make()}>
          {busy ? "Making it …" : `Create ${name}`}
        </button>
        {isTyped && <span class="muted">The service keeps the password with the connector, and shows it to nobody.</span>}
      </div>
    </div>
  );
}
