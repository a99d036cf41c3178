// Short messages about what the person just did, and about nothing else. Promises: five at most, each gone after a while unless it tells of a failure.

import { signal } from "@preact/signals";
import type { ApiProblem } from "../api/problem";

interface Toast {
  id: number;
  kind: "ok" | "error";
  text: string;
}

const TOASTS_MAX = 5;
const SHOWN_MS = 6000;

const toasts = signal<Toast[]>([]);
let last = 0;

function add(kind: Toast["kind"], text: string) {
  const id = ++last;
  toasts.value = [...toasts.value, { id, kind, text }].slice(-TOASTS_MAX);
  if (kind === "ok") setTimeout(() => close(id), SHOWN_MS);
}

function close(id: number) {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

/** Tells that an action succeeded: "shop is paused". */
export const told = (text: string) => add("ok", text);

/** Tells that an action failed, and why. */
export function failed(what: string, problem: ApiProblem) {
  add("error", `${what}: ${problem.detail || problem.title}`);
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((toast) => (
        <div key={toast.id} class={`toast ${toast.kind}`}>
          <span aria-hidden="true">{toast.kind === "ok" ? "✓" : "✗"}</span>
          <span>{toast.text}</span>
          <button type="button" class="quiet" aria-label="Close this message" onClick={() => close(toast.id)}>
            ×
          </button>
        </div>
      ))}
    </div>
  );
}
