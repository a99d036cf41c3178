// A subscription's options as the file's TOML, and back from what a form holds. Promises that every value is quoted so that TOML reads it
// as it was, and that a secret that somebody typed is never in it: only references to one are shown.

export type Value = string | readonly string[] | { readonly [name: string]: Value };
export type Config = { readonly [name: string]: Value };

/** What stands for a secret that is not shown. */
export const MASK = "********";

const bare = (name: string) => (/^[A-Za-z0-9_-]+$/.test(name) ? name : text(name));

/** A basic string: JSON's escapes are TOML's, but for the one of DEL. */
const text = (value: string) => JSON.stringify(value).replaceAll("\u007f", "\\u007f");

const NUMBER = /^(0|[1-9]\d{0,15})$/;

function value(of: Value): string {
  if (Array.isArray(of)) return `[${(of as readonly string[]).map(text).join(", ")}]`;
  const one = of as string;
  return NUMBER.test(one) || one === "true" || one === "false" ? one : text(one);
}

const isTable = (of: Value): of is Config => typeof of === "object" && !Array.isArray(of);

/** `[subscriptions.orders-hook]` and its options; tables below it come last, as TOML wants it. */
export function toToml(name: string, config: Config): string {
  return table(`subscriptions.${bare(name || "NAME")}`, config).join("\n");
}

function table(path: string, config: Config): string[] {
  const entries = Object.entries(config);
  const own = entries.filter(([, one]) => !isTable(one)).map(([name, one]) => `${bare(name)} = ${value(one)}`);
  const below = entries.flatMap(([name, one]) => (isTable(one) ? ["", ...table(`${path}.${bare(name)}`, one)] : []));
  // A table that only holds tables needs no head of its own.
  return own.length === 0 && below.length > 0 ? below.slice(1) : [`[${path}]`, ...own, ...below];
}

/** True for what names a secret, or stands for one that the service keeps: it may be shown. */
export const isReference = (secret: string): boolean => secret === "" || secret === MASK || /^\$\{(env|file):[^}]+\}$/.test(secret);

/** The options with typed secrets masked. */
export function shown(config: Config, secrets: readonly string[]): Config {
  return Object.fromEntries(
    Object.entries(config).map(([name, one]) => {
      if (!secrets.includes(name)) return [name, one];
      const mask = (secret: string) => (isReference(secret) ? secret : MASK);
      return [name, Array.isArray(one) ? one.map(mask) : isTable(one) ? Object.fromEntries(Object.entries(one).map(([key, of]) => [key, typeof of === "string" ? mask(of) : of])) : mask(one as string)];
    }),
  );
}

/** A URL with what may be secret in it masked: user, password, query, and a webhook's path. */
export function shownUrl(url: string, isWebhook: boolean): string {
  if (isReference(url)) return url;
  return url
    .replace(/^([a-z]+:\/\/)[^@/]*@/i, `$1${MASK}@`)
    .replace(/\?.*$/, `?${MASK}`)
    .replace(/^(https?:\/\/[^/?]+)\/.+$/i, isWebhook ? `$1/${MASK}` : "$&");
}

/** "a, b" or lines as a list; commas within braces belong to a template. */
export const list = (typed: string): string[] =>
  typed
    .split(/[\n,](?![^{]*})/)
    .map((one) => one.trim())
    .filter(Boolean);
