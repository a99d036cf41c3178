// What a person has chosen in the wizard so far, and the options that it means. Pure. Promises that a draft never holds a password: that is
// handed in beside it.

import type { Relation } from "../../api/types";
import { sqlTable } from "../../text/command";
import { type Options, exactly, legalName, passwordVariable } from "../../text/native";

export const PUBLISHING = [
  ["filtered", "filtered: made for the chosen tables"],
  ["disabled", "disabled: somebody else makes it"],
  ["all_tables", "all_tables: made for all, by a superuser"],
] as const;

export interface Draft {
  name: string;
  /** Names that are made of the connector's unless others are written. */
  slot: string;
  publication: string;
  /** publication.autocreate.mode */
  publishing: (typeof PUBLISHING)[number][0];
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
  slot: "",
  publication: "",
  publishing: "filtered",
  host: "",
  port: "5432",
  user: "",
  database: "",
  sslmode: "prefer",
  secret: "typed",
  variable: "",
  schemas: [],
  tables: [],
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

/** What a step lacks, by its field. */
export type Lacks = Partial<Record<"host" | "port" | "user" | "database" | "variable" | "tables" | "where", string>>;

export function lacksIn(step: number, { host, port, user, database, secret, variable, tables, schemas, snapshot, where }: Draft): Lacks {
  const lacks: Lacks = {};
  if (step === 1) {
    if (host === "") lacks.host = "which server?";
    if (!/^\d{1,5}$/.test(port)) lacks.port = "a number";
    if (user === "") lacks.user = "as which role?";
    if (database === "") lacks.database = "which database?";
    if (secret === "reference" && variable === "") lacks.variable = "which variable?";
  }
  if (step === 2 && tables.length + schemas.length === 0) lacks.tables = "No table is chosen: choose one at least, or a whole schema.";
  if (step === 4 && snapshot === "filtered" && !Object.values(where).some((one) => one.trim() !== "")) {
    lacks.where = "No condition is written: write one at least, or choose all rows.";
  }
  return lacks;
}

/** What is missing to ask the database, in words; "" when nothing is. */
export const missing = (draft: Draft): string =>
  Object.keys(lacksIn(1, draft))
    .map((field) => `the ${field}`)
    .join(", ");

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

const has = ({ reasons }: Relation, ...codes: readonly string[]): boolean => reasons.some(({ code }) => codes.includes(code));

/** Once it is published, the application's own UPDATE and DELETE fail. */
export const breaks = (one: Relation): boolean => has(one, "pg/identity-missing");

/** Nothing of it is in the WAL, or publishing it would do harm. What the role may not read yet can be chosen: a statement mends it. */
export const mayChoose = ({ full }: Draft, one: Relation): boolean =>
  !has(one, "pg/view", "pg/foreign", "pg/unlogged") && (!breaks(one) || full.includes(one.table));

/** Which tables are meant, of those that are there. */
export const chosenOf = (draft: Draft, relations: readonly Relation[]): Relation[] =>
  relations.filter((one) => draft.tables.includes(one.table) || (draft.schemas.includes(schemaOf(one.table)) && mayChoose(draft, one)));

/** The tables as Debezium's list; "" is all of them. */
export function includeList(draft: Draft): string {
  const schemas = draft.schemas.map((schema) => `${exactly(schema)}\\..*`);
  const tables = draft.tables.filter((table) => !draft.schemas.includes(schemaOf(table))).map(exactly);
  return [...schemas, ...tables].join(",");
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

/** What slot and publication are called after a connector. */
export function usualNames(name: string) {
  const legal = legalName(name).slice(0, 58);
  return { slot: `${legal}_slot`, publication: `${legal}_pub` };
}

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
    "slot.name": draft.slot || usualNames(name).slot,
    "publication.name": draft.publication || usualNames(name).publication,
    "publication.autocreate.mode": draft.publishing,
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
