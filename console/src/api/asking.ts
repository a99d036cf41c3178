// One question for as long as somebody wants its answer. Promises that nothing is told after it was given up.

import { asProblem } from "./client";
import type { ApiProblem } from "./problem";

/** Asks, after a pause where somebody may be typing. What is returned gives it up: made to be an effect's value. */
export function asking<T>(load: (signal: AbortSignal) => Promise<T>, tell: (answer: T) => void, failed: (problem: ApiProblem) => void, afterMs = 0): () => void {
  const end = new AbortController();
  const timer = setTimeout(
    () =>
      load(end.signal).then(
        (answer) => end.signal.aborted || tell(answer),
        (error: unknown) => end.signal.aborted || failed(asProblem(error)),
      ),
    afterMs,
  );
  return () => {
    clearTimeout(timer);
    end.abort();
  };
}
