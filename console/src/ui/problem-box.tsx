// A problem as the whole product tells it: code, what, where, why, how to mend it, with the fix to copy. Links only to pages the service has.

import { ApiProblem } from "../api/problem";
import { sameOrigin } from "../api/problem";
import type { Problem } from "../api/types";
import { command } from "../text/command";
import { pieces } from "../text/fix";
import { Code } from "./code";

interface Props {
  /** From a connector, a subscription, or a refused request. */
  problem: Problem | ApiProblem;
  /** Said before it: "Not paused". */
  what?: string;
  tone?: "error" | "warn";
  /** Without its first line, where that stands above it already. */
  rest?: boolean;
  /** A button that tries again. */
  onRetry?: () => void;
}

/** Both kinds by the same names. */
function parts(problem: Problem | ApiProblem) {
  if (problem instanceof ApiProblem) {
    return { code: problem.code, what: problem.detail, at: "", why: problem.why, fix: problem.fix, docs: problem.docs, id: problem.requestId };
  }
  return { code: problem.code, what: problem.what, at: problem.at, why: problem.why, fix: problem.fix, docs: "", id: "" };
}

export function ProblemBox({ problem, what, tone = "error", rest, onRetry }: Props) {
  const { code, what: said, at, why, fix, docs, id } = parts(problem);
  const docsHref = sameOrigin(docs);
  return (
    <section class={`problem ${tone}`} aria-label={tone === "error" ? "Problem" : "Warning"}>
      {!rest && (
        <p class="problem-what">
          <span aria-hidden="true">{tone === "error" ? "■" : "▲"}</span> <span class="sr">{tone === "error" ? "Error:" : "Warning:"}</span>
          {what && `${what}: `}
          {said}
          {code && <code class="badge">{code}</code>}
        </p>
      )}
      <dl>
        {at && (
          <>
            <dt>Where</dt>
            <dd>{at.includes("\n") ? <pre class="where">{at}</pre> : at}</dd>
          </>
        )}
        {why && (
          <>
            <dt>Why</dt>
            <dd>{why}</dd>
          </>
        )}
        {fix && (
          <>
            <dt>Fix</dt>
            <dd>{pieces(fix).map(({ run, text }) => (run ? <Code key={text} text={text} what="the fix" /> : <p key={text}>{text}</p>))}</dd>
          </>
        )}
        {code && !code.startsWith("console/") && (
          <>
            <dt>More</dt>
            <dd>{docsHref ? <a href={docsHref}>{code}</a> : <code>{command("rowfeed", "explain", code)}</code>}</dd>
          </>
        )}
        {id && (
          <>
            <dt>Request</dt>
            <dd>
              <code>{id}</code>
            </dd>
          </>
        )}
      </dl>
      {onRetry && (
        <button type="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </section>
  );
}
