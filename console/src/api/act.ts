// What a person does by a button: one at a time, and what is refused is kept to be shown. Promises that it is never thrown.

import { useState } from "preact/hooks";
import { asProblem } from "./client";
import type { ApiProblem } from "./problem";

export interface Act {
  busy: boolean;
  /** Why the last one failed. */
  problem: ApiProblem | undefined;
  setProblem: (problem: ApiProblem | undefined) => void;
  run: (act: () => Promise<unknown>) => Promise<void>;
}

export function useAct(): Act {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ApiProblem>();
  const run = async (act: () => Promise<unknown>) => {
    setBusy(true);
    setProblem(undefined);
    try {
      await act();
    } catch (error) {
      setProblem(asProblem(error));
    }
    setBusy(false);
  };
  return { busy, problem, setProblem, run };
}
