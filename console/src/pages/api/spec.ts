// Reads the service's own description (/openapi.json): operations, and schemas as text that people read. Promises that text is bounded
// whatever the description holds, and that names that go round in circles end.

export interface Schema {
  type?: string;
  $ref?: string;
  enum?: readonly unknown[];
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: readonly string[];
  additionalProperties?: Schema | boolean;
  anyOf?: readonly Schema[];
}

export interface Parameter {
  name: string;
  in: "path" | "query" | "header";
  required?: boolean;
  description?: string;
  schema?: Schema;
  example?: unknown;
}

interface Content {
  schema?: Schema;
  example?: unknown;
}

export interface Answer {
  status: string;
  description: string;
  type: string;
  schema: Schema | undefined;
  example: unknown;
}

export interface Operation {
  id: string;
  method: string;
  path: string;
  tag: string;
  summary: string;
  description: string;
  parameters: readonly Parameter[];
  body: Content | null;
  bodyType: string;
  answers: readonly Answer[];
}

interface RawOperation {
  operationId?: string;
  tags?: string[];
  summary?: string;
  description?: string;
  parameters?: Parameter[];
  requestBody?: { content?: Record<string, Content> };
  responses?: Record<string, { description?: string; content?: Record<string, Content> }>;
}

export interface Spec {
  info: { title: string; version: string };
  paths: Record<string, Record<string, RawOperation>>;
  components?: { schemas?: Record<string, Schema> };
}

const METHODS = ["get", "post", "put", "patch", "delete"];

/** All operations, by group and path. */
export function operationsOf(spec: Spec): Operation[] {
  const found: Operation[] = [];
  for (const [path, methods] of Object.entries(spec.paths)) {
    for (const method of METHODS) {
      const raw = methods[method];
      if (raw) found.push(operation(method, path, raw));
    }
  }
  return found.sort((a, b) => a.tag.localeCompare(b.tag, "en") || a.path.localeCompare(b.path, "en"));
}

function operation(method: string, path: string, raw: RawOperation): Operation {
  const [bodyType = "", body = null] = Object.entries(raw.requestBody?.content ?? {})[0] ?? [];
  const answers = Object.entries(raw.responses ?? {}).flatMap(([status, answer]): Answer[] => {
    const contents = Object.entries(answer.content ?? {});
    if (contents.length === 0) return [{ status, description: answer.description ?? "", type: "", schema: undefined, example: undefined }];
    return contents.map(([type, content]) => ({ status, description: answer.description ?? "", type, schema: content.schema, example: content.example }));
  });
  return {
    id: raw.operationId ?? `${method} ${path}`,
    method: method.toUpperCase(),
    path,
    tag: raw.tags?.[0] ?? "Others",
    summary: raw.summary ?? "",
    description: raw.description ?? "",
    parameters: raw.parameters ?? [],
    body,
    bodyType,
    answers,
  };
}

const DEPTH_MAX = 6;
const TEXT_MAX = 20_000;

/** A schema as a type: `{ "name": string, "file": string | null }`. */
export function shape(schema: Schema | undefined, all: Record<string, Schema>): string {
  const text = shapeOf(schema, all, 0, []);
  return text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)} …` : text;
}

function shapeOf(schema: Schema | undefined, all: Record<string, Schema>, depth: number, within: readonly string[]): string {
  if (!schema) return "any";
  if (schema.$ref) {
    const name = schema.$ref.split("/").at(-1) ?? "";
    const of = all[name];
    return !of || within.includes(name) || depth >= DEPTH_MAX ? name || "any" : shapeOf(of, all, depth, [...within, name]);
  }
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" | ");
  if (schema.anyOf) return schema.anyOf.map((one) => shapeOf(one, all, depth, within)).join(" | ");
  if (schema.type === "array") {
    const of = shapeOf(schema.items, all, depth, within);
    return /^[\w"]+$/.test(of) || of.startsWith("{") ? `${of}[]` : `(${of})[]`;
  }
  if (schema.type !== "object" && !schema.properties) return schema.type ?? "any";
  if (depth >= DEPTH_MAX) return "{ … }";
  const pad = "  ".repeat(depth + 1);
  const fields = Object.entries(schema.properties ?? {}).map(
    ([name, of]) => `${pad}${JSON.stringify(name)}${schema.required?.includes(name) ? "" : "?"}: ${shapeOf(of, all, depth + 1, within)}`,
  );
  const more = schema.additionalProperties;
  if (more) fields.push(`${pad}[name]: ${shapeOf(more === true ? undefined : more, all, depth + 1, within)}`);
  return fields.length === 0 ? "{}" : `{\n${fields.join(",\n")}\n${"  ".repeat(depth)}}`;
}

/** The request's path with what was filled in; parameters that are empty are left out, and a path's are encoded. */
export function filled(operation: Operation, values: Readonly<Record<string, string>>): { path: string; missing: string[] } {
  const missing: string[] = [];
  const search = new URLSearchParams();
  let path = operation.path;
  for (const { name, in: where, required } of operation.parameters) {
    const value = values[`${where}.${name}`] ?? "";
    if (where === "path") {
      if (value === "") missing.push(name);
      path = path.replaceAll(`{${name}}`, value === "" ? `{${name}}` : encodeURIComponent(value));
    } else if (where === "query" && value !== "") search.append(name, value);
    else if (required && value === "") missing.push(name);
  }
  const text = search.toString();
  return { path: text ? `${path}?${text}` : path, missing };
}

/** Streams that end only when somebody leaves, and sockets, are not tried from a form. */
export const canTry = (operation: Operation): boolean => !operation.path.endsWith("/ws");
