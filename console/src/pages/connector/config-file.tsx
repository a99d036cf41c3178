// The configuration as a file: our short form to take along, Debezium's JSON to change, with its mistakes at their lines.

import { useState } from "preact/hooks";
import { useQuery } from "../../app/query";
import { type Options, debeziumJson, nativeToml } from "../../text/native";
import { Choice } from "../../ui/choice";
import { Code } from "../../ui/code";
import { Field } from "../../ui/field";
import { lineOf, readJson } from "./draft";

interface Props {
  name: string;
  draft: Options;
  mistakes: ReadonlyMap<string, string>;
  onChange: (options: Options) => void;
}

const FORMS = [
  ["json", "Debezium's options (JSON)"],
  ["toml", "Short form (TOML)"],
] as const;

export function ConfigFile({ name, draft, mistakes, onChange }: Props) {
  const [form, choose] = useQuery("form", "json");
  return (
    <div class="stack">
      <div class="bar-row">
        <Choice label="Form" of={FORMS} value={form === "toml" ? "toml" : "json"} onChange={choose} />
      </div>
      {form === "toml" ? (
        <>
          <p class="muted">
            As <code>connectors/{name}.toml</code> it means the same. A password is named by a variable, never written.
          </p>
          <Code text={nativeToml(name, draft)} what="the file" />
        </>
      ) : (
        <Json name={name} draft={draft} mistakes={mistakes} onChange={onChange} />
      )}
    </div>
  );
}

function Json({ name, draft, mistakes, onChange }: Props) {
  // What is typed stays as it is typed, also while it cannot be read.
  const [text, setText] = useState(() => `${JSON.stringify(draft, null, 2)}\n`);
  const read = readJson(text);
  const broken = "mistake" in read ? `${read.line === null ? "" : `Line ${read.line}: `}${read.mistake}` : undefined;
  const of = [...mistakes].map(([option, said]) => `${lineOf(text, option) === null ? option : `Line ${lineOf(text, option)}, ${option}`}: ${said}`);
  const write = (next: string) => {
    setText(next);
    const found = readJson(next);
    if ("options" in found) onChange(found.options);
  };
  return (
    <div class="numbered">
      <Field label="Options" help={`The body of PUT /connectors/${name}/config.`} mistake={broken ?? (of.length > 0 ? of.join("\n") : undefined)}>
        {(ids) => (
          <div class="numbered-lines">
            <pre aria-hidden="true" class="muted">
              {text
                .split("\n")
                .map((_, i) => i + 1)
                .join("\n")}
            </pre>
            <textarea {...ids} class="mono" spellcheck={false} autocomplete="off" wrap="off" rows={text.split("\n").length + 1} value={text} onInput={(event) => write(event.currentTarget.value)} />
          </div>
        )}
      </Field>
      <details>
        <summary>As a file to keep, without secrets</summary>
        <Code text={debeziumJson(name, draft)} what="the file" />
      </details>
    </div>
  );
}
