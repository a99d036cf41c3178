// While the first answer is on its way; told only when it takes long enough to be noticed. Or why it did not come.

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Polled } from "../api/polled";
import { ProblemBox } from "./problem-box";

const NOTICED_MS = 300;

export function Loading() {
  const [shown, setShown] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setShown(true), NOTICED_MS);
    return () => clearTimeout(timer);
  }, []);
  return (
    <p class="muted" role="status">
      {shown ? "Loading …" : ""}
    </p>
  );
}

/** The data once it is there; before it Loading, or the problem. Later failures leave it standing: the bar of the shell tells of them. */
export function Loaded<T>({ of, children }: { of: Polled<T>; children: (data: T) => ComponentChildren }) {
  if (of.data !== undefined) return <>{children(of.data)}</>;
  if (of.problem) return <ProblemBox problem={of.problem} onRetry={of.again} />;
  return <Loading />;
}
