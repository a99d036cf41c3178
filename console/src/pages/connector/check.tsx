// The doctor: can this connector's database be captured, and what is to be mended. Each answer is shown as soon as it is known.

import { useEffect } from "preact/hooks";
import type { Connector } from "../../api/types";
import { command } from "../../text/command";
import { AsCommand } from "../../ui/as-command";
import { Findings, useExamination } from "../../ui/findings";
import { ProblemBox } from "../../ui/problem-box";

export function Check({ of }: { of: Connector }) {
  const examination = useExamination();
  const { run } = examination;
  const look = (slot_test: boolean) => void run({ connector: of.name, slot_test });
  // At first it only looks: nothing is made in the database before somebody asks for it.
  useEffect(() => void run({ connector: of.name, slot_test: false }), [of.name, run]);
  return (
    <div class="stack">
      <div class="bar-row">
        <button type="button" disabled={examination.isRunning} onClick={() => look(false)}>
          Look again
        </button>
        <button type="button" disabled={examination.isRunning} onClick={() => look(true)}>
          Prove it with a temporary slot
        </button>
        <span class="muted">The proof makes a slot, reads from it and drops it at once.</span>
      </div>
      {examination.problem && <ProblemBox problem={examination.problem} what="Not examined" onRetry={() => look(false)} />}
      <h2 class="sr">What the doctor found</h2>
      <Findings of={examination} label={of.name} />
      <AsCommand
        line={command("rowfeed", "check", of.name)}
        call={{ method: "POST", path: "/v1/check", body: { connector: of.name }, headers: { Accept: "application/x-ndjson", "Content-Type": "application/json" }, stream: true }}
      />
    </div>
  );
}
