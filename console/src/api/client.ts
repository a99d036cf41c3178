// Talks to the API of the own origin: get, post, put, patch, del. Promises that every failure is an ApiProblem, that every request ends
// (a time limit unless told otherwise), and that a 401 asks for a login once and in one place.

import { signal } from "@preact/signals";
import { parseExact } from "../text/exact";
import { ApiProblem, problemOf, unreachable } from "./problem";

/** How long an answer may take unless a call says otherwise. */
const TIMEOUT_MS = 30_000;

/** True when the service wants a login: the shell shows the form then. */
export const needsLogin = signal(false);

export interface Ask {
  signal?: AbortSignal;
  timeoutMs?: number;
  headers?: Record<string, string>;
  /** The login form itself does not ask for a login. */
  asksLogin?: boolean;
}

/** The answer as it is, for streams and for headers. A status of 400 or more is thrown as an ApiProblem. */
export async function send(method: string, path: string, body?: unknown, ask: Ask = {}): Promise<Response> {
  const signals = [AbortSignal.timeout(ask.timeoutMs ?? TIMEOUT_MS)];
  if (ask.signal) signals.push(ask.signal);
  const headers: Record<string, string> = { Accept: "application/json", "X-Requested-With": "rowfeed", ...ask.headers };
  if (body !== undefined) headers["Content-Type"] ??= "application/json";
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body),
      signal: AbortSignal.any(signals),
      credentials: "same-origin",
      cache: "no-store",
    });
  } catch (error) {
    // Whoever gave up knows it; what took too long or found nobody is a problem to show.
    if (ask.signal?.aborted) throw error;
    throw unreachable(error instanceof Error && error.name === "TimeoutError" ? "no answer in time" : "the connection was refused or lost");
  }
  if (response.ok) return response;
  if (response.status === 401 && ask.asksLogin !== false) needsLogin.value = true;
  throw problemOf(response.status, response.statusText, await response.text().catch(() => ""));
}

async function json<T>(response: Response): Promise<T> {
  const text = await response.text();
  if (text === "") return undefined as T;
  try {
    return parseExact(text) as T;
  } catch {
    throw new ApiProblem({ status: response.status, code: "console/not-json", title: "Not understood", detail: "the answer is no JSON", fix: "see whether a proxy stands between" });
  }
}

export const get = async <T>(path: string, ask?: Ask): Promise<T> => json<T>(await send("GET", path, undefined, ask));
export const post = async <T = void>(path: string, body?: unknown, ask?: Ask): Promise<T> => json<T>(await send("POST", path, body, ask));
export const put = async <T = void>(path: string, body?: unknown, ask?: Ask): Promise<T> => json<T>(await send("PUT", path, body, ask));
export const patch = async <T = void>(path: string, body?: unknown, ask?: Ask): Promise<T> => json<T>(await send("PATCH", path, body, ask));
export const del = async <T = void>(path: string, ask?: Ask): Promise<T> => json<T>(await send("DELETE", path, undefined, ask));

/** A path with its parameters, those that are empty left out: at("/v1/series", { metric, connector }). */
export function at(path: string, params: Record<string, string | number | boolean | null | undefined>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== null && value !== undefined && value !== "") search.set(name, String(value));
  }
  const text = search.toString();
  return text ? `${path}?${text}` : path;
}

/** A name as a segment of a path: seg`/v1/topics/${topic}/records`. */
export function seg(strings: TemplateStringsArray, ...names: (string | number)[]): string {
  return strings.reduce((path, text, i) => path + text + (i < names.length ? encodeURIComponent(String(names[i])) : ""), "");
}

/** Any error as one to show. */
export const asProblem = (error: unknown): ApiProblem =>
  error instanceof ApiProblem ? error : new ApiProblem({ title: "Failed", detail: error instanceof Error ? error.message : String(error) });
