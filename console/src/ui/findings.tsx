// The doctor's findings as a checklist that grows: by group, the mark as sign and word, what was seen, what mends it with copy.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { type Asked, type Sum, examine } from "../api/check";
import { asProblem } from "../api/client";
import type { ApiProblem } from "../api/problem";
import type { Finding } from "../api/types";
import { command } from "../text/command";
import { piecesOf, script } from "../text/fix";
import { counted } from "../text/format";
import { Code } from "./code";

/** An examination: before, during, afterwards. */
export interface Examination {
  findings: readonly Finding[];
  isRunning: boolean;
  sum: Sum | null;
  problem: ApiProblem | null;
  run: (asked: Asked) => Promise<Sum | null>;
  clear: () => void;
}

const NOTHING = { findings: [] as readonly Finding[], isRunning: false, sum: null as Sum | null, problem: null as ApiProblem | null };

/** One examination at a time: a new one ends the last, and so does leaving the page. */
export function useExamination(): Examination {
  const [state, setState] = useState(NOTHING);
  const asking = useRef<AbortController | null>(null);
  useEffect(() => () => asking.current?.abort(), []);
  const run = useCallback(async (asked: Asked) => {
    asking.current?.abort();
    const mine = new AbortController();
    asking.current = mine;
    setState({ ...NOTHING, isRunning: true });
    const tell = (finding: Finding) => !mine.signal.aborted && setState((was) => ({ ...was, findings: [...was.findings, finding] }));
    try {
      const sum = await examine(asked, tell, mine.signal);
      if (!mine.signal.aborted) setState((was) => ({ ...was, isRunning: false, sum }));
      return sum;
    } catch (error) {
      if (!mine.signal.aborted) setState((was) => ({ ...was, isRunning: false, problem: asProblem(error) }));
      return null;
    }
  }, []);
  const clear = useCallback(() => {
    asking.current?.abort();
    setState(NOTHING);
  }, []);
  return { ...state, run, clear };
}

const MARKS: Record<Finding["status"], { sign: string; word: string; tone: string }> = {
  fail: { sign: "✗", word: "must be mended", tone: "error" },
  warn: { sign: "▲", word: "should be mended", tone: "warn" },
  note: { sign: "i", word: "to know", tone: "info" },
  ok: { sign: "✓", word: "fine", tone: "ok" },
};

const GROUPS: Record<string, string> = { server: "Server", role: "Role", tables: "Tables", proof: "Proof", service: "This service" };

interface Props {
  of: Examination;
  /** What is examined, for the heading of the list. */
  label: string;
  /** Only what is not fine. */
  brief?: boolean;
}

export function Findings({ of, label, brief }: Props) {
  const shown = brief ? of.findings.filter((finding) => finding.status !== "ok") : of.findings;
  const groups = [...new Set(shown.map((finding) => finding.group))];
  const fixes = of.findings.map(({ fix }) => fix).filter((steps) => steps.some(({ sql }) => sql));
  const all = fixes.length > 1 && !of.isRunning ? script(fixes) : "";
  return (
    <div class="findings" aria-busy={of.isRunning}>
      <p role="status" class="findings-sum">
        {said(of)}
      </p>
      {groups.map((group) => (
        <section key={group} aria-label={`${label}: ${GROUPS[group] ?? group}`}>
          <h3>{GROUPS[group] ?? group}</h3>
          <ul>
            {shown
              .filter((finding) => finding.group === group)
              .map((finding, i) => (
                <One key={`${finding.id} ${i}`} finding={finding} />
              ))}
          </ul>
        </section>
      ))}
      {all && (
        <section aria-label="All fixes">
          <h3>All of it as one script, for psql as a superuser</h3>
          <Code text={all} what="the script" />
        </section>
      )}
    </div>
  );
}

/** How many things have this mark: one can be found at several places. */
export const marked = (of: Examination, status: Finding["status"]): number => new Set(of.findings.filter((one) => one.status === status).map(({ id }) => id)).size;

function said(of: Examination) {
  const [fails, warns] = [marked(of, "fail"), marked(of, "warn")];
  if (of.isRunning) return `Looking … ${counted(of.findings.length, "answer")} so far.`;
  if (!of.sum) return "";
  const advice = warns > 0 ? ` ${counted(warns, "recommendation")}.` : "";
  const verdict = fails === 0 ? (
    <b class="say-ok">✓ It can be captured.</b>
  ) : (
    <b class="say-error">✗ It cannot be captured yet: {counted(fails, "thing")} must be mended.</b>
  );
  return (
    <>
      {verdict}
      {advice} <span class="muted">{of.sum.target}</span>
    </>
  );
}

function One({ finding }: { finding: Finding }) {
  const { sign, word, tone } = MARKS[finding.status] ?? MARKS.note;
  const isFine = finding.status === "ok";
  return (
    <li class="finding">
      <span class={`finding-sign tone-${tone}`} aria-hidden="true">
        {sign}
      </span>
      <span class="finding-title">
        {finding.title}
        <span class={isFine ? "sr" : `tone-${tone} finding-word`}> {word}</span>
      </span>
      <span class="finding-said">
        {finding.observed}
        {finding.expected && !isFine && <span class="muted"> (wanted: {finding.expected})</span>}
        {piecesOf(finding.fix).map(({ run, text }) =>
          run ? (
            <Code key={text} text={text} what={`the fix of ${finding.title}`} />
          ) : (
            <span key={text} class="finding-note">
              → {text}
            </span>
          ),
        )}
        {!isFine && <code class="muted finding-id">{command("rowfeed", "explain", finding.id)}</code>}
      </span>
    </li>
  );
}
