// The states of the last 24 hours as a band: each stretch, chosen by a click or the arrow keys,
// shows its cause and its remedy; the same as a table below it.

import { useId } from "preact/hooks";
import { useQuery } from "../../app/query";
import { zone } from "../../app/preferences";
import { absolute, clock, longDuration } from "../../text/format";
import { look } from "../../text/states";
import { ProblemBox } from "../../ui/problem-box";
import { State } from "../../ui/state";
import { Clock } from "../../ui/time";
import { type Change, type Span, place } from "./spans";

interface Props {
  spans: readonly Span[];
  from: number;
  to: number;
}

const DAY_MS = 86_400_000;
const TICKS = [24, 18, 12, 6, 0];

const wordOf = (span: Span): string => (span.state === "" ? "before the service began" : look(span.state).word);

export function Band({ spans, from, to }: Props) {
  const [chosen, choose] = useQuery("at");
  const id = useId();
  const at = spans.findIndex((span) => String(span.from) === chosen);
  const shown = spans[at] ?? null;
  const go = (to: number) => {
    const span = spans[Math.max(0, Math.min(spans.length - 1, to))];
    if (span) choose(String(span.from));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const here = at < 0 ? spans.length : at;
    const steps: Record<string, () => void> = {
      ArrowLeft: () => go(here - 1),
      ArrowRight: () => go(here + 1),
      Home: () => go(0),
      End: () => go(spans.length - 1),
      Escape: () => choose(""),
    };
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    step();
  };
  return (
    <div class="band-box">
      <div
        class="band"
        role="listbox"
        aria-label="States of the last 24 hours; arrow keys go from one to the next"
        aria-orientation="horizontal"
        aria-activedescendant={shown ? `${id}-${at}` : undefined}
        tabIndex={0}
        onKeyDown={onKeyDown}
      >
        {spans.map((span, i) => (
          <Stretch key={span.from} id={`${id}-${i}`} span={span} isChosen={i === at} from={from} to={to} onChoose={() => choose(i === at ? "" : String(span.from))} />
        ))}
      </div>
      <div class="band-ticks muted" aria-hidden="true">
        {TICKS.map((hours) => (
          <span key={hours}>{hours === 0 ? "now" : tick(to - (hours * DAY_MS) / 24)}</span>
        ))}
      </div>
      {shown && <Chosen span={shown} />}
    </div>
  );
}

const tick = (at: number): string => clock(at, zone.value, at, false).slice(0, 5);

/** What has room for its word. */
const WORD_FROM = 8;

/** The shape is for the eye alone: the label has the word. */
const Word = ({ of }: { of: string }) => (
  <>
    <span aria-hidden="true">{look(of).shape} </span>
    {look(of).word}
  </>
);

interface StretchProps {
  id: string;
  span: Span;
  isChosen: boolean;
  from: number;
  to: number;
  onChoose: () => void;
}

function Stretch({ id, span, isChosen, from, to, onChoose }: StretchProps) {
  const { left, width } = place(span, from, to);
  const long = longDuration(span.to - span.from);
  const code = span.change?.code;
  const isThin = width < WORD_FROM;
  return (
    <div
      id={id}
      role="option"
      class={`span span-${span.state === "" ? "none" : look(span.state).tone} ${isThin ? "thin" : "ellipsis"}`}
      style={{ insetInlineStart: `${left}%`, width: `${width}%` }}
      aria-selected={isChosen}
      aria-label={`${wordOf(span)}, ${long}, from ${absolute(span.from, zone.value)}${code ? `, ${code}` : ""}`}
      title={`${wordOf(span)} · ${long}${code ? ` · ${code}` : ""}`}
      onClick={onChoose}
    >
      {!isThin && (span.state === "" ? wordOf(span) : <Word of={span.state} />)}
    </div>
  );
}

function Chosen({ span }: { span: Span }) {
  return (
    <div class="band-chosen" aria-live="polite">
      <p>
        {span.state === "" ? "Not known: the service keeps changes since it began." : <State state={span.state} />}{" "}
        <span class="muted">
          <Clock at={span.from} exact={false} /> – {span.isNow ? "now" : <Clock at={span.to} exact={false} />}, {longDuration(span.to - span.from)}
        </span>
      </p>
      {span.change && <Cause of={span.change} />}
    </div>
  );
}

/** Why a state began, where there is something to say. */
function Cause({ of }: { of: Change }) {
  if (!of.code && !of.message) return null;
  const problem = { code: of.code ?? "", what: of.message ?? "", at: "", why: of.why ?? "", fix: of.fix ?? "" };
  return <ProblemBox problem={problem} tone={of.state === "failed" ? "error" : "warn"} />;
}

/** The same stretches as a table, the newest first. */
export function SpanTable({ spans, caption }: { spans: readonly Span[]; caption: string }) {
  return (
    <div class="table-wrap" role="region" aria-label={caption} tabIndex={0}>
      <table>
        <caption class="sr">{caption}</caption>
        <thead>
          <tr>
            <th scope="col">State</th>
            <th scope="col">From</th>
            <th scope="col">To</th>
            <th scope="col" class="num">
              For
            </th>
            <th scope="col" class="band-cause">
              Cause
            </th>
            <th scope="col">What mends it</th>
          </tr>
        </thead>
        <tbody>
          {[...spans].reverse().map((span) => (
            <tr key={span.from}>
              <th scope="row">{span.state === "" ? <span class="muted">not known</span> : <State state={span.state} />}</th>
              <td>
                <Clock at={span.from} exact={false} />
              </td>
              <td>{span.isNow ? "now" : <Clock at={span.to} exact={false} />}</td>
              <td class="num">{longDuration(span.to - span.from)}</td>
              <td class="band-cause">
                {span.change?.code && <code class="badge">{span.change.code}</code>} {span.change?.message}
                {span.change?.why && <span class="muted"> {span.change.why}</span>}
              </td>
              <td>{span.change?.fix}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
