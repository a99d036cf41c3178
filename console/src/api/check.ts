// The doctor's findings, as they come: one line each, then the sum of all. Promises that a reader which leaves ends the request, and that
// an answer without an end is told as a problem; where others are examined, asks again a few times.

import { asProblem, send } from "./client";
import { ApiProblem } from "./problem";
import type { Finding } from "./types";

export interface Asked {
  url?: string;
  connector?: string;
  /** A connector that is not made yet: its options. */
  config?: Readonly<Record<string, string>>;
  tables?: readonly string[];
  slot_test?: boolean;
}

export interface Sum {
  target: string;
}

/** Examines; longer than the service's own limit for it. */
const TIMEOUT_MS = 75_000;
/** More than a database has. */
const FINDINGS_MAX = 5000;

export async function examine(asked: Asked, tell: (finding: Finding) => void, signal: AbortSignal): Promise<Sum> {
  const response = await whenFree(() => send("POST", "/v1/check", asked, { signal, timeoutMs: TIMEOUT_MS, headers: { Accept: "application/x-ndjson" } }), signal);
  let sum: Sum | null = null;
  let found = 0;
  for await (const line of linesOf(response)) {
    if (line["error"] !== undefined) throw new ApiProblem({ status: response.status, title: "Not examined", detail: String(line["error"]) });
    if (line["schema"] !== undefined) sum = line as unknown as Sum;
    else if (++found <= FINDINGS_MAX) tell(line as unknown as Finding);
  }
  if (!sum) throw new ApiProblem({ code: "console/unreachable", title: "Not examined", detail: "the answer ended before it was whole", fix: "ask again" });
  return sum;
}

const BUSY_MS = 2000;
const AGAIN_MAX = 3;

/** Asks again while the service examines too many others, so many times at most. */
export async function whenFree<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let again = 0; ; again++) {
    try {
      return await ask();
    } catch (error) {
      if (again === AGAIN_MAX || asProblem(error).status !== 429) throw error;
    }
    await new Promise((done) => setTimeout(done, BUSY_MS));
    signal.throwIfAborted();
  }
}

/** The lines of an answer of JSON lines. */
async function* linesOf(response: Response): AsyncGenerator<Record<string, unknown>> {
  const reader = response.body?.getReader();
  if (!reader) return;
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      rest += done ? "\n" : decoder.decode(value, { stream: true });
      const lines = rest.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (line.trim() !== "") yield JSON.parse(line) as Record<string, unknown>;
      if (done) return;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
