// A connector's options as the short form of a file, TOML, as `rowfeed connectors convert` writes it. Promises that both mean the same: what
// the short form has no word for goes to [options] as it is, where its defaults are others than Debezium's those are written out, and that
// a password never gets into the text.

export type Options = Readonly<Record<string, string>>;

/** What the API shows in place of a secret. */
export const MASK = "********";

/** Options whose words are the same, and ours. */
const SAME = [
  ["topic.prefix", "topic_prefix"],
  ["slot.name", "slot"],
  ["publication.name", "publication"],
  ["publication.autocreate.mode", "publication_mode"],
] as const;

const LISTS = [
  ["table.include.list", "tables"],
  ["table.exclude.list", "exclude"],
  ["column.include.list", "columns"],
  ["column.exclude.list", "exclude_columns"],
] as const;

/** Words of [values] that need no translation back. */
const VALUES: readonly (readonly [option: string, key: string, words: Readonly<Record<string, string>>])[] = [
  ["decimal.handling.mode", "decimals", { string: "string", precise: "precise", double: "double" }],
  ["time.precision.mode", "timestamps", { isostring: "iso", adaptive: "adaptive" }],
];

/** Debezium's defaults, where the short form begins with something else. */
const DIFFERENT: Options = {
  "slot.name": "debezium",
  "publication.name": "dbz_publication",
  "publication.autocreate.mode": "all_tables",
  "decimal.handling.mode": "precise",
  "time.precision.mode": "adaptive",
  "heartbeat.interval.ms": "0",
};

/** What the short form begins with, besides names. */
const READABLE: Options = {
  "publication.autocreate.mode": "filtered",
  "decimal.handling.mode": "string",
  "time.precision.mode": "isostring",
  "heartbeat.interval.ms": "10000",
};

/** A name that PostgreSQL takes for a slot or a publication. */
export function legalName(name: string): string {
  const legal = name.replace(/[^A-Za-z0-9]/g, "_").toLowerCase().slice(0, 63);
  return legal || "rowfeed";
}

/** A whole value that stands for a secret kept elsewhere: ${env:NAME}. */
export const isReference = (value: string): boolean => /^\$\{(env|file|directory|credential):[^{}]+\}$/.test(value);

/** Where a connector's password is expected when it is in no file. */
export const passwordVariable = (name: string): string => `${legalName(name).toUpperCase()}_DB_PASSWORD`;

/** Whether an option holds a secret, by its name; the service's own list of words (config/secrets.rs). */
export const isSecret = (option: string): boolean => /user\.info|password|secret|salt|jaas|token|key\.pem|keystore\.key/i.test(option);

/** A list of Debezium's: commas between, `\,` inside. */
export function splitList(list: string): string[] {
  const parts = [""];
  let escaped = false;
  for (const c of list) {
    if (c === "," && !escaped) {
      parts.push("");
      continue;
    }
    escaped = c === "\\" && !escaped;
    parts[parts.length - 1] += c;
  }
  return parts.map((part) => part.trim().replaceAll("\\,", ",")).filter(Boolean);
}

/** A name, or a name and everything below it, as a pattern; any other expression as it is. */
function glob(expression: string): string {
  return /^[A-Za-z0-9_]+(\\\.([A-Za-z0-9_]+|\.\*))+$/.test(expression)
    ? expression.replaceAll("\\.", "\0").replaceAll(".*", "*").replaceAll("\0", ".")
    : `re:${expression}`;
}

/** An expression of Debezium's that means this very name. */
export const exactly = (name: string): string => name.replace(/[\\.+*?()|[\]{}^$#&~-]/g, "\\$&").replaceAll(",", "\\,");

const word = (text: string): string => JSON.stringify(text);
const percent = (text: string): string => encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

/** The connection as a URL, and the options it says. */
export function urlOf(options: Options): { url: string; said: string[] } {
  const host = options["database.hostname"] ?? "";
  const isPlain = /^[A-Za-z0-9._:-]+$/.test(host);
  const shown = !isPlain ? "localhost" : host.includes(":") ? `[${host}]` : host;
  const mode = options["database.sslmode"] ?? "";
  const search = mode === "" || mode === "prefer" ? "" : `?sslmode=${percent(mode)}`;
  const said = ["database.port", "database.user", "database.dbname", "database.sslmode", ...(isPlain ? ["database.hostname"] : [])];
  const user = percent(options["database.user"] ?? "");
  return { url: `postgres://${user}@${shown}:${options["database.port"] ?? "5432"}/${percent(options["database.dbname"] ?? "")}${search}`, said };
}

/** The text of connectors/NAME.toml. */
export function nativeToml(name: string, options: Options): string {
  const left = new Map(Object.entries({ ...DIFFERENT, ...options }));
  const take = (key: string) => {
    const value = left.get(key);
    left.delete(key);
    return value;
  };
  take("name");
  take("connector.class");
  const { url, said } = urlOf(options);
  said.forEach(take);
  const lines = [`url = ${word(url)}`];
  const password = take("database.password");
  if (password) lines.push(`password = ${word(isReference(password) ? password : `\${env:${passwordVariable(name)}}`)}`);
  const usual: Options = { ...READABLE, "topic.prefix": name, "slot.name": `${legalName(name).slice(0, 58)}_slot`, "publication.name": `${legalName(name).slice(0, 58)}_pub` };
  for (const [option, key] of SAME) {
    const value = take(option);
    if (value !== undefined && value !== usual[option]) lines.push(`${key} = ${word(value)}`);
  }
  for (const [option, key] of LISTS) {
    const list = splitList(take(option) ?? "");
    if (list.length > 0) lines.push(`${key} = [${list.map((one) => word(glob(one))).join(", ")}]`);
  }
  const values: string[] = [];
  for (const [option, key, words] of VALUES) {
    const value = left.get(option) ?? "";
    const ours = words[value];
    if (ours === undefined) continue;
    left.delete(option);
    if (value !== usual[option]) values.push(`${key} = ${word(ours)}`);
  }
  if (left.get("heartbeat.interval.ms") === usual["heartbeat.interval.ms"]) left.delete("heartbeat.interval.ms");
  if (values.length > 0) lines.push("", "[values]", ...values);
  if (left.size > 0) {
    const rest = [...left].sort(([a], [b]) => (a < b ? -1 : 1));
    lines.push("", "# as Debezium has them", "[options]", ...rest.map(([key, value]) => `${word(key)} = ${word(hidden(name, key, value))}`));
  }
  return `${lines.join("\n")}\n`;
}

/** A secret that is a reference may be shown, any other is not. */
const hidden = (name: string, key: string, value: string): string =>
  isSecret(key) && value !== "" && !isReference(value) ? `\${env:${legalName(name).toUpperCase()}_${legalName(key).toUpperCase()}}` : value;

/** The text of connectors/NAME.json, with Debezium's options. */
export function debeziumJson(name: string, options: Options): string {
  const shown = Object.entries(options).map(([key, value]) => {
    if (key === "database.password" && value !== "" && !isReference(value)) return [key, `\${env:${passwordVariable(name)}}`];
    return [key, hidden(name, key, value)];
  });
  return `${JSON.stringify(Object.fromEntries(shown), null, 2)}\n`;
}

/** Options for a command that somebody else can see: what is masked stays masked (it keeps the old value), another secret is named. */
export const commandOptions = (name: string, options: Options): Options =>
  Object.fromEntries(
    Object.entries(options).map(([key, value]) => {
      if (value === MASK || !isSecret(key)) return [key, value];
      return [key, key === "database.password" && !isReference(value) ? `\${env:${passwordVariable(name)}}` : hidden(name, key, value)];
    }),
  );
