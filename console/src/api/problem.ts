// What the API says when it refuses, in one shape: RFC 9457 problems, Kafka Connect's errors, and no answer at all.

/** A refusal or a failure. `status` 0: no answer came. */
export class ApiProblem extends Error {
  readonly status: number;
  /** "pg/refused", or "" where there is no code. */
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  /** Why, where it is known. */
  readonly why: string;
  /** What mends it: a sentence, or statements. */
  readonly fix: string;
  /** Where to read on, when the service itself has the page; else "". */
  readonly docs: string;
  readonly requestId: string;

  constructor(parts: Partial<Omit<ApiProblem, "name" | "message">>) {
    super(parts.detail || parts.title || "failed");
    this.name = "ApiProblem";
    this.status = parts.status ?? 0;
    this.code = parts.code ?? "";
    this.title = parts.title ?? "";
    this.detail = parts.detail ?? "";
    this.why = parts.why ?? "";
    this.fix = parts.fix ?? "";
    this.docs = parts.docs ?? "";
    this.requestId = parts.requestId ?? "";
  }
}

type Json = Record<string, unknown>;

const text = (value: unknown): string => (typeof value === "string" ? value : "");

/** A body's text of a fix: a sentence, or a list of {sql} and {note}. */
function fixText(value: unknown): string {
  if (!Array.isArray(value)) return text(value);
  return value
    .map((one: unknown) => (typeof one === "string" ? one : text((one as Json)?.["sql"]) || text((one as Json)?.["note"])))
    .filter(Boolean)
    .join("\n");
}

/** Understands a refusal's body. Never throws. */
export function problemOf(status: number, statusText: string, body: string): ApiProblem {
  let json: Json = {};
  try {
    const parsed: unknown = JSON.parse(body);
    if (parsed !== null && typeof parsed === "object") json = parsed as Json;
  } catch {
    // No JSON: a proxy's page. Its text is not shown, its status is.
  }
  const title = text(json["title"]) || statusText || `HTTP ${status}`;
  const code = text(json["code"]);
  const told = text(json["detail"]) || text(json["message"]);
  // Problems as the command line writes them, their why and fix on lines below: of one these stand in fields of their own, too.
  const heads = told.split("\n").filter((line) => /^\S/.test(line));
  const isOne = heads.length === 1 && code !== "" && told.startsWith(`${code}: `);
  const isMany = heads.length > 1 && code !== "";
  const detail = isOne ? (heads[0] ?? "").slice(code.length + 2) : told;
  return new ApiProblem({
    status,
    code,
    title,
    detail: detail || `the service answered ${status} ${statusText}`.trim(),
    why: isMany ? "" : text(json["why"]),
    fix: isMany ? "" : fixText(json["fix"]),
    docs: sameOrigin(text(json["docs"]) || text(json["type"])),
    requestId: text(json["request_id"]),
  });
}

/** An address that the service itself has, or "": others are never made into links. */
export function sameOrigin(address: string): string {
  if (!address || address === "about:blank") return "";
  try {
    const base = globalThis.location?.href ?? "http://localhost/";
    const url = new URL(address, base);
    return url.origin === new URL(base).origin && /^https?:$/.test(url.protocol) ? url.href : "";
  } catch {
    return "";
  }
}

/** No answer: the service is down, or the network between. */
export const unreachable = (why: string): ApiProblem =>
  new ApiProblem({ code: "console/unreachable", title: "No answer", detail: "Rowfeed does not answer", why, fix: "see whether it runs: rowfeed status" });
