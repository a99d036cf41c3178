// A real row of the person's own table, as the event that the draft's options make of it. Asked again when the draft rests.

import { useEffect, useState } from "preact/hooks";
import { asking } from "../../api/asking";
import { post } from "../../api/client";
import type { ApiProblem } from "../../api/problem";
import { Code } from "../../ui/code";
import { Empty } from "../../ui/empty";
import { ProblemBox } from "../../ui/problem-box";
import { missing, optionsOf } from "./draft";
import { draft, password } from "./store";

export interface Preview {
  topic: string | null;
  key: unknown;
  value: unknown;
  source_row: string;
  why?: string;
}

export interface Sample {
  preview: Preview | null;
  problem: ApiProblem | null;
  isLoading: boolean;
}

const RESTS_MS = 500;
/** The service asks the database for a few seconds. */
const TIMEOUT_MS = 20_000;
/** More than a person reads. */
const CHARS_MAX = 20_000;

export function useSample(table: string): Sample {
  const [state, setState] = useState<Sample>({ preview: null, problem: null, isLoading: false });
  const key = JSON.stringify(draft.value);
  const typed = password.value;
  useEffect(() => {
    if (table === "" || missing(draft.peek()) !== "") return;
    return asking(
      (signal) => {
        setState((was) => ({ ...was, isLoading: true }));
        // The snapshot's own wishes change no event.
        const config = optionsOf({ ...draft.peek(), snapshot: "initial" }, typed);
        return post<Preview>("/v1/sources/preview", { config, table }, { signal, timeoutMs: TIMEOUT_MS });
      },
      (preview) => setState({ preview, problem: null, isLoading: false }),
      (problem) => setState({ preview: null, problem, isLoading: false }),
      RESTS_MS,
    );
  }, [key, table, typed]);
  return state;
}

const cut = (value: unknown): string => {
  const text = JSON.stringify(value, null, 2) ?? "null";
  return text.length > CHARS_MAX ? `${text.slice(0, CHARS_MAX)}\n… cut` : text;
};

export function SampleView({ of, table }: { of: Sample; table: string }) {
  if (table === "") return <Empty title="No table to show">Choose a table, and one of its rows stands here as the event that it becomes.</Empty>;
  if (of.problem) return <ProblemBox problem={of.problem} what="No sample" />;
  const preview = of.preview;
  if (!preview) return <p class="muted">{of.isLoading ? "Reading a row …" : ""}</p>;
  if (preview.value === null && preview.why) {
    return (
      <Empty title="No row to show">
        {table}: {preview.why}.
      </Empty>
    );
  }
  return (
    <div class="stack-small" aria-busy={of.isLoading}>
      <p>
        To topic <code>{preview.topic ?? "–"}</code> <span class="muted">({preview.source_row} of {table})</span>
      </p>
      <h3>Key</h3>
      <Code text={cut(preview.key)} what="the key" />
      <h3>Value</h3>
      <Code text={cut(preview.value)} what="the value" />
    </div>
  );
}
