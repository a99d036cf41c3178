// What a changed configuration would do: asked of the service whenever the draft rests, and shown as a table of changes with their effects.

import { useEffect, useState } from "preact/hooks";
import { asking } from "../../api/asking";
import { post, seg } from "../../api/client";
import type { ApiProblem } from "../../api/problem";
import { type Options, MASK, isSecret } from "../../text/native";
import { ProblemBox } from "../../ui/problem-box";

export interface Plan {
  effect: string;
  says: string | null;
  problems: { code: string; message: string; at: string; why: string; fix: string }[];
  changes: { key: string; from: string | null; to: string | null; effect: string }[];
}

const RESTS_MS = 500;

/** The plan of a draft; undefined until it is known, null where nothing is changed. */
export function usePlan(name: string, draft: Options, isChanged: boolean): { plan: Plan | null | undefined; problem: ApiProblem | null } {
  const [state, setState] = useState<{ plan: Plan | null | undefined; problem: ApiProblem | null }>({ plan: null, problem: null });
  useEffect(() => {
    if (!isChanged) {
      setState({ plan: null, problem: null });
      return;
    }
    return asking(
      (signal) => post<Plan>(seg`/v1/connectors/${name}/diff`, draft, { signal }),
      (plan) => setState({ plan, problem: null }),
      (problem) => setState({ plan: undefined, problem }),
      RESTS_MS,
    );
  }, [name, draft, isChanged]);
  return state;
}

const EFFECTS: Record<string, { word: string; tone: string }> = {
  none: { word: "nothing changes", tone: "muted" },
  live: { word: "live: the stream goes on", tone: "ok" },
  reconnect: { word: "reconnect", tone: "info" },
  restart: { word: "restart of its task", tone: "warn" },
  resnapshot: { word: "a new snapshot is needed", tone: "error" },
  create: { word: "it is made", tone: "ok" },
};

/** A value as it may be shown. */
const shown = (key: string, value: string | null) =>
  value === null ? <span class="muted">not set</span> : <code>{isSecret(key) && !value.startsWith("${") ? MASK : value}</code>;

export function Effect({ of }: { of: string }) {
  const { word, tone } = EFFECTS[of] ?? { word: of, tone: "muted" };
  return <span class={`tone-${tone}`}>{word}</span>;
}

export function PlanTable({ plan }: { plan: Plan }) {
  return (
    <div class="stack">
      <p>
        <b>
          <Effect of={plan.effect} />
        </b>
        {plan.says && <span class="muted">: {plan.says}</span>}
      </p>
      {plan.changes.length > 0 && (
        <div class="table-wrap" role="region" aria-label="Changes" tabIndex={0}>
          <table>
            <caption class="sr">Changes</caption>
            <thead>
              <tr>
                <th scope="col">Option</th>
                <th scope="col">Now</th>
                <th scope="col">Then</th>
                <th scope="col">Effect</th>
              </tr>
            </thead>
            <tbody>
              {plan.changes.map((change) => (
                <tr key={change.key}>
                  <th scope="row" class="mono">
                    {change.key}
                  </th>
                  <td>{shown(change.key, change.from)}</td>
                  <td>{shown(change.key, change.to)}</td>
                  <td>
                    <Effect of={change.effect} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {plan.problems.map((problem, i) => (
        <ProblemBox key={i} problem={{ ...problem, what: problem.message }} />
      ))}
    </div>
  );
}
