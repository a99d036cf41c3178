// Commands as text, quoted so that a shell takes each word as it is. Promises that a value from the API cannot become a command.

/** A word for a POSIX shell: bare when it is harmless, else in single quotes. */
export function quote(word: string): string {
  if (word !== "" && /^[A-Za-z0-9_@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A command line of these words. */
export const command = (...words: string[]): string => words.map(quote).join(" ");

/** A request, as curl has it. */
export interface Call {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** From the origin on: "/v1/slots". */
  path: string;
  body?: unknown;
  headers?: Record<string, string>;
  /** Leaves the answer on the line as it comes. */
  stream?: boolean;
  /** A login is needed: the token is taken from ROWFEED_TOKEN. */
  token?: boolean;
}

/** The curl line of a request. */
export function curl(origin: string, call: Call): string {
  const words = ["curl"];
  if (call.stream) words.push("-N");
  if (call.method && call.method !== "GET") words.push("-X", call.method);
  words.push(quote(`${origin}${call.path}`));
  for (const [name, value] of Object.entries(call.headers ?? {})) words.push("-H", quote(`${name}: ${value}`));
  if (call.token) words.push("-H", '"Authorization: Bearer $ROWFEED_TOKEN"');
  if (call.body !== undefined) {
    const isText = typeof call.body === "string";
    if (!isText && !call.headers?.["Content-Type"]) words.push("-H", quote("Content-Type: application/json"));
    words.push("-d", quote(isText ? (call.body as string) : JSON.stringify(call.body)));
  }
  return words.join(" ");
}

/** A name in SQL, in double quotes where it needs them. It stays in its line and has no "--" in it: what is copied is one statement, whoever named the thing. */
export function sqlName(name: string): string {
  if (/^[a-z_][a-z0-9_]*$/.test(name)) return name;
  if (!/--|\p{Cc}/u.test(name)) return `"${name.replaceAll('"', '""')}"`;
  return `U&"${name.replace(/["\\]/g, "$&$&").replace(/-|\p{Cc}/gu, (one) => `\\${one.charCodeAt(0).toString(16).padStart(4, "0")}`)}"`;
}

/** "public.Orders" as `public."Orders"`: the schema ends at the first dot. */
export function sqlTable(table: string): string {
  const dot = table.indexOf(".");
  return dot < 0 ? sqlName(table) : `${sqlName(table.slice(0, dot))}.${sqlName(table.slice(dot + 1))}`;
}
