// What a person is changing of a configuration: pure steps on options, and which mistakes stand at which field.

import { isRow } from "../../text/diff";
import type { Options } from "../../text/native";

/** An option as the plugin describes it. */
export interface Definition {
  name: string;
  type: string;
  default_value: string | null;
  importance: string;
  documentation: string;
  group: string | null;
  display_name: string;
}

/** What the service says of an option's value. */
export interface Verdict {
  definition: Definition;
  value: { name: string; value: string | null; recommended_values: string[]; errors: string[] };
}

export const IMPORTANCES = ["HIGH", "MEDIUM", "LOW"] as const;

/** Where nobody looks at first although they are important: each has a converter's settings. */
const FAR = new Set(["Kafka Connect", "Older names"]);

/** With this value set, or taken out where it is empty. */
export function withOption(options: Options, name: string, value: string | null): Options {
  const { [name]: _, ...rest } = options;
  return value === null || value === "" ? rest : { ...rest, [name]: value };
}

export const isSame = (a: Options, b: Options): boolean => {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
};

/** The options that are shown: what is set, what was added by hand, and the important ones; by importance. */
export function shownOptions(definitions: readonly Definition[], options: Options, added: readonly string[]): Map<string, Definition[]> {
  const known = new Map(definitions.map((definition) => [definition.name, definition]));
  const names = new Set([
    ...definitions.filter((one) => one.importance === "HIGH" && !FAR.has(one.group ?? "")).map((one) => one.name),
    ...Object.keys(options),
    ...added,
  ]);
  const groups = new Map<string, Definition[]>(IMPORTANCES.map((importance) => [importance, []]));
  for (const name of names) {
    const definition = known.get(name) ?? unknown(name);
    (groups.get(definition.importance) ?? groups.get("LOW"))?.push(definition);
  }
  const place = new Map(definitions.map((definition, i) => [definition.name, i]));
  for (const list of groups.values()) list.sort((a, b) => (place.get(a.name) ?? 1e6) - (place.get(b.name) ?? 1e6));
  return groups;
}

/** An option with a name of the person's own in it, such as that of a transformation. */
const unknown = (name: string): Definition => ({
  name,
  type: "STRING",
  default_value: null,
  importance: "LOW",
  documentation: "",
  group: null,
  display_name: name,
});

/** The mistakes by option. */
export function mistakesOf(verdicts: readonly Verdict[]): ReadonlyMap<string, string> {
  return new Map(verdicts.filter(({ value }) => value.errors.length > 0).map(({ value }) => [value.name, value.errors.join("\n")]));
}

export type Read = { options: Options } | { mistake: string; line: number | null };

/** A text of JSON as options: an object of texts, as the API takes it; also with "name" and "config" around it. */
export function readJson(text: string): Read {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    const said = error instanceof Error ? error.message : "no JSON";
    const at = /position (\d+)/.exec(said);
    const line = at ? text.slice(0, Number(at[1])).split("\n").length : null;
    return { mistake: said, line };
  }
  if (!isRow(parsed)) return { mistake: "an object of options is wanted", line: 1 };
  const inner = parsed["config"];
  const map = isRow(inner) ? inner : parsed;
  const options: Record<string, string> = {};
  for (const [key, value] of Object.entries(map)) {
    if (value === null) continue;
    if (typeof value === "object") return { mistake: `${key} is no text, number, true or false`, line: lineOf(text, key) };
    options[key] = String(value);
  }
  return { options };
}

/** The line that a key stands on. */
export function lineOf(text: string, key: string): number | null {
  const at = text.split("\n").findIndex((line) => line.trimStart().startsWith(`${JSON.stringify(key)}:`) || line.trimStart().startsWith(`${JSON.stringify(key)} :`));
  return at < 0 ? null : at + 1;
}
