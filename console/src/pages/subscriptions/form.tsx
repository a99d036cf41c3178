// Makes a subscription, or changes one: a form with the file's TOML beside it. Promises that nothing is kept of what was typed, that typed
// secrets are in no text beside it, and that options the form does not know stay.

import { useState } from "preact/hooks";
import { route } from "../../app/place";
import { useAct } from "../../api/act";
import { put, seg } from "../../api/client";
import { usePolled } from "../../api/polled";
import type { Items, Subscription, Topic } from "../../api/types";
import { ui } from "../../app/paths";
import { told } from "../../app/toasts";
import { AsCommand } from "../../ui/as-command";
import { Choice } from "../../ui/choice";
import { Code } from "../../ui/code";
import { Field } from "../../ui/field";
import { ProblemBox } from "../../ui/problem-box";
import { KINDS, type Kind, type Option, SECRETS, isKind, optionsOf } from "./options";
import { type Config, MASK, type Value, isReference, list, shown, shownUrl, toToml } from "./toml";

interface Props {
  /** The one that is changed; without it one is made. */
  of?: Subscription;
  kind: Kind;
  onKind?: (kind: Kind) => void;
}

const asText = (value: unknown): string => (Array.isArray(value) ? value.join(", ") : typeof value === "string" ? value : "");

export function SubscriptionForm({ of, kind, onKind }: Props) {
  const before = (of?.config ?? {}) as Record<string, Value>;
  const [name, setName] = useState(of?.name ?? "");
  const [typed, setTyped] = useState<Readonly<Record<string, string>>>(() => Object.fromEntries(Object.entries(before).map(([key, value]) => [key, asText(value)])));
  const { busy, problem, run } = useAct();
  const topics = usePolled<Items<Topic>>("/v1/topics");
  const options = optionsOf(kind);
  const config = configOf(kind, options, typed, before);
  const toShow = shown({ ...config, url: shownUrl(asText(config["url"]), kind === "webhook") }, SECRETS);
  const isStarred = JSON.stringify(toShow).includes(MASK);
  const path = seg`/v1/subscriptions/${name || "NAME"}`;
  const save = (event: SubmitEvent) => {
    event.preventDefault();
    run(async () => {
      await put(path, config);
      told(of ? `${name} is changed` : `${name} is made`);
      route(ui.subscription(name));
    });
  };
  const field = (option: Option) => (
    <OptionField key={`${kind} ${option.name}`} option={option} value={typed[option.name] ?? ""} onChange={(value) => setTyped({ ...typed, [option.name]: value })} />
  );
  return (
    <form class="sub-form" onSubmit={save} autocomplete="off">
      <div class="stack">
        {!of && onKind && (
          <>
            <Choice label="Type" of={KINDS.map(([id, title]) => [id, title] as const)} value={kind} onChange={onKind} />
            <p class="muted">{KINDS.find(([id]) => id === kind)?.[2]}</p>
            <Field label="Name" help="Its group is rowfeed.sub.NAME, its dead letters are in __rowfeed.dead.NAME.">
              {(ids) => <input {...ids} type="text" required pattern="[A-Za-z0-9_.\-]+" spellcheck={false} value={name} onInput={(event) => setName(event.currentTarget.value.trim())} />}
            </Field>
          </>
        )}
        {options.filter((option) => !option.more).map(field)}
        <details>
          <summary>More options</summary>
          <div class="stack">{options.filter((option) => option.more).map(field)}</div>
        </details>
        <datalist id="known-topics">
          {(topics.data?.items ?? []).slice(0, 200).map((topic) => (
            <option key={topic.name} value={topic.name} />
          ))}
        </datalist>
        {problem && <ProblemBox problem={problem} what={of ? "Not changed" : "Not made"} />}
        <div class="row">
          <button type="submit" class="primary" disabled={busy}>
            {of ? "Save" : "Create subscription"}
          </button>
          <a class="button" href={of ? ui.subscription(of.name) : ui.subscriptions()}>
            Cancel
          </a>
        </div>
      </div>
      <aside class="stack" aria-label="As a file">
        <h2>The same in rowfeed.toml</h2>
        <Code text={toToml(name, toShow)} what="the TOML" />
        {isStarred && <p class="say-warn">▲ {MASK} stands for what is not shown: write that again there, better as a reference, ${"{env:NAME}"}.</p>}
        <p class="muted">What stands in the file is changed there: the file has the last word.</p>
        <AsCommand summary={isStarred ? `As command: write again what is ${MASK}` : undefined} call={{ method: "PUT", path, body: toShow }} />
      </aside>
    </form>
  );
}


/** What is sent: typed options that differ from the usual, and those of before that the form does not offer. */
function configOf(kind: Kind, options: readonly Option[], typed: Readonly<Record<string, string>>, before: Readonly<Record<string, Value>>): Config {
  const config: Record<string, Value> = { type: kind };
  for (const option of options) {
    const text = (typed[option.name] ?? "").trim();
    if (text === "" || text === option.usual) continue;
    const isList = option.is === "list" || Array.isArray(before[option.name]);
    config[option.name] = isList ? list(text) : text;
  }
  const offered = new Set(options.map((option) => option.name));
  for (const [name, value] of Object.entries(before)) if (name !== "type" && !offered.has(name)) config[name] = value;
  return config;
}

function OptionField({ option, value, onChange }: { option: Option; value: string; onChange: (value: string) => void }) {
  const { name, is, help, usual, example, must } = option;
  const said = `${help}${usual ? ` Else: ${usual}.` : ""}`;
  const isTyped = option.secret && name !== "url" && !isReference(value);
  const choices = is === "flag" ? ["true", "false"] : Array.isArray(is) ? (is as readonly string[]) : null;
  return (
    <Field label={must ? `${name} *` : name} help={<>{said}{value.includes(MASK) && " What stands behind the stars is kept."}{isTyped && <b> What is typed here is stored by the service; a reference is better.</b>}</>}>
      {(ids) =>
        choices ? (
          <select {...ids} value={value || usual} onChange={(event) => onChange(event.currentTarget.value)}>
            {choices.map((one) => (
              <option key={one} value={one}>
                {one}
              </option>
            ))}
          </select>
        ) : (
          <input
            {...ids}
            type="text"
            class="mono"
            required={must}
            spellcheck={false}
            autocomplete="off"
            list={name === "topics" ? "known-topics" : undefined}
            placeholder={example}
            value={value}
            onInput={(event) => onChange(event.currentTarget.value)}
          />
        )
      }
    </Field>
  );
}

/** The page's type from the address; a webhook unless it says otherwise. */
export const kindOf = (text: string): Kind => (isKind(text) ? text : "webhook");
