// Makes a request and reads the beginning of its answer, whatever it is. Promises that it ends, and that no more than BYTES_MAX are kept.

export interface Answered {
  /** No answer came, and why. */
  failed?: string;
  status: number;
  statusText: string;
  type: string;
  text: string;
  ms: number;
  /** There was more. */
  isCut: boolean;
}

const BYTES_MAX = 64 * 1024;
const HEAD_MS = 30_000;
/** A stream is looked at this long. */
const BODY_MS = 5_000;

export async function ask(method: string, path: string, body: { text: string; type: string } | null): Promise<Answered> {
  const begun = performance.now();
  const ending = new AbortController();
  let timer = setTimeout(() => ending.abort(), HEAD_MS);
  const none = { status: 0, statusText: "", type: "", text: "", ms: 0, isCut: false };
  try {
    const response = await fetch(path, {
      method,
      credentials: "same-origin",
      cache: "no-store",
      redirect: "manual",
      signal: ending.signal,
      headers: { "X-Requested-With": "rowfeed", ...(body ? { "Content-Type": body.type } : {}) },
      ...(body ? { body: body.text } : {}),
    });
    clearTimeout(timer);
    const ms = performance.now() - begun;
    timer = setTimeout(() => ending.abort(), BODY_MS);
    const { text, isCut } = await beginning(response);
    const type = response.headers.get("Content-Type") ?? "";
    return { status: response.status, statusText: response.statusText, type, text: isCut ? text : pretty(text, type), ms, isCut };
  } catch (error) {
    return { ...none, failed: ending.signal.aborted ? "No answer in time" : `No answer: ${error instanceof Error ? error.message : String(error)}` };
  } finally {
    clearTimeout(timer);
    ending.abort();
  }
}

async function beginning(response: Response): Promise<{ text: string; isCut: boolean }> {
  const reader = response.body?.getReader();
  if (!reader) return { text: "", isCut: false };
  const decoder = new TextDecoder();
  let text = "";
  let read = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return { text: text + decoder.decode(), isCut: false };
      read += value.length;
      text += decoder.decode(value, { stream: true });
      if (read > BYTES_MAX) return { text: text.slice(0, BYTES_MAX), isCut: true };
    }
  } catch {
    // The time for a stream is up: what came is shown.
    return { text, isCut: true };
  } finally {
    void reader.cancel().catch(() => undefined);
  }
}

function pretty(text: string, type: string): string {
  if (!type.includes("json") || type.includes("ndjson")) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
