// Step 1: a URL that is pasted, or its fields; the doctor's findings as they come.

import { useState } from "preact/hooks";
import { command } from "../../text/command";
import { passwordVariable } from "../../text/native";
import { AsCommand } from "../../ui/as-command";
import { Choice } from "../../ui/choice";
import { Field } from "../../ui/field";
import { Findings, useExamination } from "../../ui/findings";
import { ProblemBox } from "../../ui/problem-box";
import { type Draft, SSL_MODES, missing, nameOf, parseUrl, urlFor } from "./draft";
import { change, draft, isWhole, lack, password } from "./store";

/** The URL as it may be seen: without its password. */
const shownUrl = (of: Draft): string => (of.host === "" ? "" : urlFor({ ...of, secret: "typed" }, "").replace(/\?sslmode=prefer$/, ""));

const SECRETS = [
  ["typed", "Type it"],
  ["reference", "A variable of the service"],
] as const;

export function Database() {
  const of = draft.value;
  const examination = useExamination();
  const lacks = missing(of);
  const look = async () => {
    if (isWhole(1)) await examination.run({ url: urlFor(draft.peek(), password.peek()), slot_test: true });
  };
  // Which tables are meant is said in the next step: what they lack stands behind it, for those alone.
  const shown = { ...examination, findings: examination.findings.filter(({ group }) => group !== "tables") };
  return (
    <div class="stack">
      <Url onRead={(isAsked) => (isAsked || missing(draft.peek()) === "") && void look()} />
      <div class="fields">
        <Text label="Host" of="host" placeholder="db.internal" />
        <Text label="Port" of="port" placeholder="5432" numeric />
        <Text label="Database" of="database" placeholder="shop" />
        <Text label="User" of="user" placeholder="cdc" help="It needs REPLICATION, and SELECT on the tables." />
        <Field label="TLS" help="verify-full checks whom you talk to.">
          {(ids) => (
            <select {...ids} value={of.sslmode} onChange={(event) => change({ sslmode: event.currentTarget.value })}>
              {SSL_MODES.map((mode) => (
                <option key={mode} value={mode}>
                  {mode}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Secret onEnter={() => void look()} />
      </div>
      <div class="row">
        <button type="button" class="primary" disabled={examination.isRunning} onClick={() => void look()}>
          {examination.isRunning ? "Looking …" : "Check the database"}
        </button>
        <span class="muted">It reads the catalogue, and makes a temporary slot that is dropped at once: nothing else is written.</span>
      </div>
      {examination.problem && <ProblemBox problem={examination.problem} what="Not examined" onRetry={() => void look()} />}
      {shown.findings.length + Number(shown.isRunning) > 0 && <Findings of={shown} label="Database" />}
      {shown.sum && <p class="muted">What tables lack is looked at once you chose them.</p>}
      {lacks === "" && (
        <AsCommand
          line={command("rowfeed", "check", urlFor({ ...of, secret: "reference", variable: of.variable || passwordVariable(nameOf(of)) }, ""))}
          call={{ method: "POST", path: "/v1/check", body: { url: shownUrl(of) }, headers: { Accept: "application/x-ndjson", "Content-Type": "application/json" }, stream: true }}
        />
      )}
    </div>
  );
}

/** The one field for those who have a URL. A password in it goes to its own field, and out of sight. */
function Url({ onRead }: { onRead: (isAsked: boolean) => void }) {
  const [typed, setTyped] = useState<string | null>(null);
  const [mistake, setMistake] = useState("");
  const read = (isAsked: boolean) => {
    if (typed === null || typed.trim() === "") return setTyped(null);
    const parsed = parseUrl(typed);
    if ("mistake" in parsed) return setMistake(parsed.mistake);
    setMistake("");
    setTyped(null);
    change(parsed.fields);
    if (/^\$\{env:\w+\}$/.test(parsed.password)) change({ secret: "reference", variable: parsed.password.slice(6, -1) });
    else if (parsed.password !== "") {
      password.value = parsed.password;
      change({ secret: "typed" });
    }
    onRead(isAsked);
  };
  return (
    <Field label="URL of the database" help="Paste it as you have it. The fields below are the same." mistake={mistake || undefined}>
      {(ids) => (
        <input
          {...ids}
          type="text"
          class="mono"
          inputMode="url"
          placeholder="postgres://cdc@db.internal:5432/shop"
          autocomplete="off"
          spellcheck={false}
          value={typed ?? shownUrl(draft.value)}
          onInput={(event) => setTyped(event.currentTarget.value)}
          onBlur={() => read(false)}
          onKeyDown={(event) => event.key === "Enter" && read(true)}
        />
      )}
    </Field>
  );
}

interface TextProps {
  label: string;
  of: "host" | "port" | "database" | "user";
  placeholder: string;
  help?: string;
  numeric?: boolean;
}

function Text({ label, of, placeholder, help, numeric }: TextProps) {
  return (
    <Field label={label} help={help} mistake={lack(1, of)}>
      {(ids) => (
        <input
          {...ids}
          type="text"
          class="mono"
          inputMode={numeric ? "numeric" : "text"}
          placeholder={placeholder}
          autocomplete="off"
          spellcheck={false}
          value={draft.value[of]}
          onInput={(event) => change({ [of]: event.currentTarget.value.trim() })}
        />
      )}
    </Field>
  );
}

function Secret({ onEnter }: { onEnter: () => void }) {
  const of = draft.value;
  const variable = passwordVariable(nameOf(of));
  const isTyped = of.secret === "typed";
  return (
    <div class="stack-small">
      <Field
        label="Password"
        mistake={lack(1, "variable")}
        help={
          isTyped ? (
            "Kept in this page's memory alone until the connector is made. Better: a variable, so that no file and no API ever holds it."
          ) : (
            <>
              The connector holds <code>{`\${env:${of.variable || variable}}`}</code>; the service must have that variable in its environment.
            </>
          )
        }
      >
        {(ids) => {
          const enter = (event: KeyboardEvent) => event.key === "Enter" && onEnter();
          return isTyped ? (
            <input {...ids} type="password" autocomplete="off" value={password.value} onKeyDown={enter} onInput={(event) => (password.value = event.currentTarget.value)} />
          ) : (
            <input
              {...ids}
              type="text"
              class="mono"
              autocomplete="off"
              spellcheck={false}
              placeholder={variable}
              value={of.variable}
              onKeyDown={enter}
              onInput={(event) => change({ variable: event.currentTarget.value.replace(/\W/g, "") })}
            />
          );
        }}
      </Field>
      <Choice
        label="Where the password is"
        of={SECRETS}
        value={of.secret}
        onChange={(secret) => change({ secret, variable: secret === "reference" && of.variable === "" ? variable : of.variable })}
      />
    </div>
  );
}
