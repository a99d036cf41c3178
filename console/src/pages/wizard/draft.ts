// What a person has chosen in the wizard so far, and the options that it means. Pure. Promises that a draft never holds a password: that is
// handed in beside it.

import type { Relation } from "../../api/types";
import { sqlTable } from "../../text/command";
import { type Options, exactly, legalName, passwordVariable } from "../../text/native";

export interface Draft {
  name: string;
  host: string;
  port: string;
  user: string;
  database: string;
  sslmode: string;
  /** The password is typed and kept in memory, or stands elsewhere. */
  secret: "typed" | "reference";
  /** The variable of the service's environment that has it. */
  variable: string;
  /** Schemas with all their tables, new ones too. */
  schemas: readonly string[];
  /** Tables by name. */
  tables: readonly string[];
  /** Patterns of tables, where the service cannot list them. */
  patterns: string;
  /** Tables whose replica identity is set to FULL at the start. */
  full: readonly string[];
  envelope: "debezium" | "flat" | "cloudevents";
  decimals: "string" | "precise" | "double";
  timestamps: "isostring" | "adaptive";
  /** schema.table.column */
  dropped: readonly string[];
  masked: readonly string[];
  snapshot: "initial" | "no_data" | "filtered";
  /** Conditions by table, for a filtered snapshot. */
  where: Readonly<Record<string, string>>;
}

export const EMPTY: Draft = {
  name: "",
  host: "",
  port: "5432",
  user: "",
  database: "",
  sslmode: "prefer",
  secret: "typed",
  variable: "",
  schemas: [],
  tables: [],
  patterns: "",
  full: [],
  envelope: "debezium",
  decimals: "string",
  timestamps: "isostring",
  dropped: [],
  masked: [],
  snapshot: "initial",
  where: {},
};

export const SSL_MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const;

export type ParsedUrl = { fields: Pick<Draft, "host" | "port" | "user" | "database" | "sslmode">; password: string } | { mistake: string };

/** A database's URL, as people paste them. */
export function parseUrl(text: string): ParsedUrl {
  const said = text.trim().replace(/^jdbc:/, "");
  const parts = /^postgres(?:ql)?:\/\/(?:([^:@/]*)(?::(.*))?@)?(\[[^\]]+\]|[^:/?#@]*)(?::(\d{1,5}))?(?:\/([^?#]*))?(?:\?(.*))?$/.exec(said);
  if (!parts) return { mistake: "a URL such as postgres://user@host:5432/database is wanted" };
  const [, user = "", password = "", host = "", port = "5432", database = "", search = ""] = parts;
  if (host === "") return { mistake: "the host is missing: postgres://user@HOST:5432/database" };
  const asked = new URLSearchParams(search);
  const mode = asked.get("sslmode") ?? (asked.get("ssl") === "true" ? "require" : "prefer");
  const decoded = [user, password, database].map(decode);
  return {
    fields: {
      host: host.replace(/^\[|\]$/g, ""),
      port,
      user: decoded[0] || asked.get("user") || "",
      database: decoded[2] ?? "",
      sslmode: (SSL_MODES as readonly string[]).includes(mode) ? mode : "prefer",
    },
    password: decoded[1] || (asked.get("password") ?? ""),
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** What is missing to ask the database, in words; "" when nothing is. */
export function missing({ host, user, database, secret, variable }: Draft): string {
  const without = [host === "" && "the host", user === "" && "the user", database === "" && "the database", secret === "reference" && variable === "" && "the variable"];
  return without.filter(Boolean).join(", ");
}

/** The name that a connector gets unless another is written: the database's. */
export const nameOf = (draft: Draft): string => draft.name || legalName(draft.database || "default");

/** Why a name cannot be one; "" when it can. */
export function nameMistake(name: string, taken: readonly string[]): string {
  if (!/^[A-Za-z0-9._-]{1,200}$/.test(name)) return "letters, digits, dot, dash and underscore";
  return taken.includes(name) ? "there is a connector of this name" : "";
}

/** What the password option says: what was typed, or where it is. */
const passwordOf = (draft: Draft, typed: string): string => (draft.secret === "reference" ? `\${env:${draft.variable || passwordVariable(nameOf(draft))}}` : typed);

/** The connection for an examination. */
export function urlFor(draft: Draft, typed: string): string {
  const password = passwordOf(draft, typed);
  // A reference is read as it is; what was typed is escaped.
  const shown = draft.secret === "reference" ? password : encodeURIComponent(password);
  const host = draft.host.includes(":") ? `[${draft.host}]` : draft.host;
  const login = `${encodeURIComponent(draft.user)}${password === "" ? "" : `:${shown}`}`;
  return `postgres://${login}@${host}:${draft.port || "5432"}/${encodeURIComponent(draft.database)}?sslmode=${draft.sslmode}`;
}

export const schemaOf = (table: string): string => table.slice(0, Math.max(0, table.indexOf(".")));

/** Which tables are meant, of those that are there. */
export const chosenOf = (draft: Draft, relations: readonly Relation[]): Relation[] =>
  relations.filter((one) => draft.tables.includes(one.table) || (draft.schemas.includes(schemaOf(one.table)) && (one.capturable || draft.full.includes(one.table))));

/** A glob of `schema.table` as an expression. */
const globToRegex = (glob: string): string => glob.split(/([*?])/).map((part) => (part === "*" ? ".*" : part === "?" ? "." : exactly(part))).join("");

/** The tables as Debezium's list; "" is all of them. */
export function includeList(draft: Draft): string {
  const written = draft.patterns.split(/[\s,]+/).filter(Boolean).map(globToRegex);
  const schemas = draft.schemas.map((schema) => `${exactly(schema)}\\..*`);
  const tables = draft.tables.filter((table) => !draft.schemas.includes(schemaOf(table))).map(exactly);
  return [...written, ...schemas, ...tables].join(",");
}

const ENVELOPES: Record<Draft["envelope"], Options> = {
  debezium: {},
  flat: {
    transforms: "unwrap",
    "transforms.unwrap.type": "io.debezium.transforms.ExtractNewRecordState",
    "transforms.unwrap.delete.tombstone.handling.mode": "rewrite",
  },
  cloudevents: { "value.converter": "io.debezium.converters.CloudEventsConverter", "value.converter.json.schemas.enable": "false" },
};

/** How many stars stand for a masked value. */
const MASK_STARS = 8;

/** The connection alone: what listing tables needs. */
export function connectionOptions(draft: Draft, typed: string): Options {
  const name = nameOf(draft);
  const password = passwordOf(draft, typed);
  return {
    "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
    name,
    "topic.prefix": name,
    "database.hostname": draft.host,
    "database.port": draft.port || "5432",
    "database.user": draft.user,
    "database.dbname": draft.database,
    "database.sslmode": draft.sslmode,
    ...(password === "" ? {} : { "database.password": password }),
    "slot.name": `${legalName(name).slice(0, 58)}_slot`,
    "publication.name": `${legalName(name).slice(0, 58)}_pub`,
    "publication.autocreate.mode": "filtered",
    "heartbeat.interval.ms": "10000",
  };
}

/** All of it. */
export function optionsOf(draft: Draft, typed: string): Options {
  const include = includeList(draft);
  const some = (key: string, value: string): Options => (value === "" ? {} : { [key]: value });
  const filtered = draft.snapshot === "filtered" ? Object.entries(draft.where).filter(([, condition]) => condition.trim() !== "") : [];
  const overrides = Object.fromEntries(
    filtered.map(([table, condition]) => [`snapshot.select.statement.overrides.${table}`, `SELECT * FROM ${sqlTable(table)} WHERE ${condition.trim()}`]),
  );
  return {
    ...connectionOptions(draft, typed),
    ...some("table.include.list", include),
    ...some("replica.identity.autoset.values", draft.full.map((table) => `${exactly(table)}:FULL`).join(",")),
    ...some("column.exclude.list", draft.dropped.map(exactly).join(",")),
    ...some(`column.mask.with.${MASK_STARS}.chars`, draft.masked.map(exactly).join(",")),
    "decimal.handling.mode": draft.decimals,
    "time.precision.mode": draft.timestamps,
    ...ENVELOPES[draft.envelope],
    ...some("snapshot.mode", draft.snapshot === "no_data" ? "no_data" : ""),
    ...some("snapshot.select.statement.overrides", filtered.map(([table]) => table).join(",")),
    ...overrides,
  };
}
