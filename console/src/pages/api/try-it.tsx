// A request that is made from the reference: a GET at once, anything else after it was asked for twice. The answer is shown as it came, its
// beginning where it is long or does not end.

import { useState } from "preact/hooks";
import { type Call, curl } from "../../text/command";
import { bytes, duration } from "../../text/format";
import { Code } from "../../ui/code";
import { Confirm } from "../../ui/confirm";
import { Field } from "../../ui/field";
import { type Answered, ask } from "./ask";
import { type Operation, type Parameter, filled } from "./spec";

const keyOf = (parameter: Parameter) => `${parameter.in}.${parameter.name}`;

export function TryIt({ of }: { of: Operation }) {
  const [values, setValues] = useState<Readonly<Record<string, string>>>({});
  const [body, setBody] = useState(of.body ? JSON.stringify(of.body.example ?? {}, null, 2) : "");
  const [answered, setAnswered] = useState<Answered>();
  const [busy, setBusy] = useState(false);
  const [asked, setAsked] = useState(false);
  const { path, missing } = filled(of, values);
  const isGet = of.method === "GET";
  const mistake = of.body ? notJson(body) : undefined;
  const call: Call = { method: of.method as NonNullable<Call["method"]>, path, ...(of.body ? { body, headers: { "Content-Type": of.bodyType } } : {}) };
  const run = async () => {
    setBusy(true);
    setAnswered(await ask(of.method, path, of.body ? { text: body, type: of.bodyType } : null));
    setBusy(false);
  };
  return (
    <section class="try stack" aria-label="Try it">
      {of.parameters.map((parameter) => (
        <Field key={keyOf(parameter)} label={`${parameter.name}${parameter.in === "path" || parameter.required ? " *" : ""}`} help={`${parameter.in}: ${parameter.description ?? ""}`}>
          {(ids) => <Value ids={ids} of={parameter} value={values[keyOf(parameter)] ?? ""} onChange={(value) => setValues({ ...values, [keyOf(parameter)]: value })} />}
        </Field>
      ))}
      {of.body && (
        <Field label="Body" mistake={mistake}>
          {(ids) => <textarea {...ids} class="mono" rows={Math.min(16, body.split("\n").length + 1)} spellcheck={false} value={body} onInput={(event) => setBody(event.currentTarget.value)} />}
        </Field>
      )}
      <div class="row">
        <button type="button" class={isGet ? "primary" : ""} disabled={busy || missing.length > 0 || mistake !== undefined} onClick={() => (isGet ? void run() : setAsked(true))}>
          {busy ? "Asking …" : isGet ? "Try it" : `Try it: ${of.method} …`}
        </button>
        {missing.length > 0 && <span class="muted">First fill in: {missing.join(", ")}</span>}
      </div>
      <Code text={curl(location.origin, call)} what="the curl line" />
      <div aria-live="polite">{answered && <Result of={answered} />}</div>
      {asked && (
        <Confirm title={`Send ${of.method} ${path}?`} verb={of.method === "DELETE" ? "Delete" : "Send"} danger={of.method === "DELETE"} act={run} done={`${of.method} ${path} was sent`} onClose={() => setAsked(false)}>
          <p>
            {of.summary}. This is done to the service that you are looking at.
          </p>
          {of.body && <Code text={body} what="the body" />}
        </Confirm>
      )}
    </section>
  );
}

interface ValueProps {
  ids: object;
  of: Parameter;
  value: string;
  onChange: (value: string) => void;
}

function Value({ ids, of, value, onChange }: ValueProps) {
  const choices = of.schema?.enum ?? (of.schema?.type === "boolean" ? ["true", "false"] : null);
  if (choices) {
    return (
      <select {...ids} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        <option value="">–</option>
        {choices.map((one) => (
          <option key={String(one)} value={String(one)}>
            {String(one)}
          </option>
        ))}
      </select>
    );
  }
  return (
    <input {...ids} type="text" class="mono" autocomplete="off" spellcheck={false} placeholder={of.example === undefined ? "" : String(of.example)} value={value} onInput={(event) => onChange(event.currentTarget.value)} />
  );
}

function notJson(text: string): string | undefined {
  try {
    JSON.parse(text);
    return undefined;
  } catch (error) {
    return `this is no JSON: ${error instanceof Error ? error.message : ""}`;
  }
}

function Result({ of }: { of: Answered }) {
  if (of.failed) return <p class="say-error">■ {of.failed}</p>;
  const ok = of.status < 400;
  return (
    <div class="stack">
      <p class={ok ? "say-ok" : "say-error"}>
        {ok ? "●" : "■"} {of.status} {of.statusText} <span class="muted">in {duration(of.ms)}, {of.type || "no body"}{of.isCut && `, the first ${bytes(of.text.length)}; the curl line gives all of it`}</span>
      </p>
      {of.text && <Code text={of.text} what="the answer" />}
    </div>
  );
}
