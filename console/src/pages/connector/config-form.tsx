// The form of a configuration: by importance, what is set and what matters; any other option is added by its name.

import { useState } from "preact/hooks";
import { type Options, MASK, isSecret } from "../../text/native";
import { Field } from "../../ui/field";
import { type Definition, IMPORTANCES, shownOptions, withOption } from "./draft";

interface Props {
  definitions: readonly Definition[];
  saved: Options;
  draft: Options;
  mistakes: ReadonlyMap<string, string>;
  onChange: (options: Options) => void;
}

const TITLES = { HIGH: "Important", MEDIUM: "More", LOW: "Rarely changed" } as const;

/** These are the connector itself: another value means another connector. */
const FIXED = new Set(["name", "connector.class", "tasks.max"]);

export function ConfigForm({ definitions, saved, draft, mistakes, onChange }: Props) {
  const [added, setAdded] = useState<readonly string[]>([]);
  const shown = shownOptions(definitions, { ...saved, ...draft }, [...added, ...mistakes.keys()]);
  const all = new Set([...shown.values()].flat().map((one) => one.name));
  return (
    <div class="stack">
      {IMPORTANCES.map((importance) => {
        const list = shown.get(importance)?.filter((one) => !FIXED.has(one.name)) ?? [];
        return list.length === 0 ? null : (
          <fieldset key={importance} class="options">
            <legend>{TITLES[importance]}</legend>
            {list.map((one) => (
              <Option
                key={one.name}
                of={one}
                value={draft[one.name] ?? ""}
                isChanged={(draft[one.name] ?? "") !== (saved[one.name] ?? "")}
                mistake={mistakes.get(one.name)}
                onInput={(value) => onChange(withOption(draft, one.name, value))}
              />
            ))}
          </fieldset>
        );
      })}
      <Add names={definitions.map((one) => one.name).filter((name) => !all.has(name) && !FIXED.has(name))} onAdd={(name) => setAdded([...added, name])} />
    </div>
  );
}

type Typed = { currentTarget: HTMLInputElement };

interface OptionProps {
  of: Definition;
  value: string;
  isChanged: boolean;
  mistake: string | undefined;
  onInput: (value: string) => void;
}

function Option({ of, value, isChanged, mistake, onInput }: OptionProps) {
  const secret = of.type === "PASSWORD" || isSecret(of.name);
  const usual = of.default_value ?? "";
  return (
    <div class={isChanged ? "option changed" : "option"}>
      <Field
        label={isChanged ? `${of.name} (changed)` : of.name}
        help={
          <>
            {of.documentation.replaceAll("`", "")}
            {secret && " Another value, or a reference such as ${env:NAME}, replaces it."}
          </>
        }
        mistake={mistake}
      >
        {(ids) => {
          if (of.type === "BOOLEAN") {
            return (
              <select {...ids} value={value} onChange={(event) => onInput(event.currentTarget.value)}>
                <option value="">{usual ? `${usual} (as usual)` : "not set"}</option>
                <option value="true">true</option>
                <option value="false">false</option>
              </select>
            );
          }
          const shared = {
            ...ids,
            class: "mono",
            autocomplete: "off",
            spellcheck: false,
            placeholder: usual,
            value,
            onInput: (event: Typed) => onInput(event.currentTarget.value),
            onFocus: (event: Typed) => void (secret && event.currentTarget.select()),
          };
          const isHidden = secret && value !== MASK && !value.startsWith("${");
          return isHidden ? <input {...shared} type="password" /> : <input {...shared} type="text" />;
        }}
      </Field>
    </div>
  );
}

function Add({ names, onAdd }: { names: readonly string[]; onAdd: (name: string) => void }) {
  const [name, setName] = useState("");
  const add = (event: Event) => {
    event.preventDefault();
    if (name.trim() === "") return;
    onAdd(name.trim());
    setName("");
  };
  return (
    <form class="row" onSubmit={add}>
      <input
        type="text"
        class="mono add-option"
        list="option-names"
        aria-label="Name of an option"
        placeholder="another option …"
        autocomplete="off"
        spellcheck={false}
        value={name}
        onInput={(event) => setName(event.currentTarget.value)}
      />
      <datalist id="option-names">
        {names.map((one) => (
          <option key={one} value={one} />
        ))}
      </datalist>
      <button type="submit">Add</button>
    </form>
  );
}
