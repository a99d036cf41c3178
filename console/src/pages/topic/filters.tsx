// The bar above a topic's records: from where, which partition, which operations, which condition, which key. What is chosen is in the address
// at once, what is typed when it is done (Enter, or leaving the field). A condition that the service cannot read is shown with its place.

import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { ApiProblem } from "../../api/problem";
import { opWord } from "../../text/diff";
import { EXAMPLES, placeMistake } from "../../text/places";
import { type Asked, NOTHING } from "./asked";

const OPS = ["c", "u", "d", "r"] as const;

interface Props {
  asked: Asked;
  partitions: number;
  /** The live tail begins at the end: where to begin is not asked then. */
  isLive: boolean;
  problem: ApiProblem | undefined;
  onChange: (change: Partial<Asked>) => void;
}

export function Filters({ asked, partitions, isLive, problem, onChange }: Props) {
  const id = useId();
  const isMistaken = problem?.code.startsWith("filter/") === true;
  const fromMistake = placeMistake(asked.from);
  const isFiltered = asked.where !== "" || asked.key !== "" || asked.op !== "" || asked.partition !== "";
  const chosen = asked.op ? asked.op.split(",") : [];
  const toggle = (op: string) => onChange({ op: OPS.filter((one) => (one === op ? !chosen.includes(one) : chosen.includes(one))).join(",") });
  return (
    <div class="filters" role="search" aria-label="Records">
      <Typed label="From" value={asked.from} onChange={(from) => onChange({ from: from || NOTHING.from })} list={`${id}-places`} disabled={isLive} size={14} mistaken={fromMistake !== undefined} describedBy={`${id}-mistakes`} />
      <datalist id={`${id}-places`}>
        {EXAMPLES.map((one) => (
          <option key={one} value={one} />
        ))}
      </datalist>
      <label>
        <span>Partition</span>
        <select value={asked.partition} onChange={(event) => onChange({ partition: event.currentTarget.value })}>
          <option value="">all</option>
          {Array.from({ length: partitions }, (_, i) => (
            <option key={i} value={String(i)}>
              {i}
            </option>
          ))}
        </select>
      </label>
      <div class="row ops" role="group" aria-label="Operations">
        <span>Op</span>
        <span class="choice">
          {OPS.map((op) => (
            <button key={op} type="button" aria-pressed={chosen.includes(op)} title={`${opWord(op)}${op === "r" ? ": rows of a snapshot" : ""}`} aria-label={opWord(op)} onClick={() => toggle(op)}>
              {op.toUpperCase()}
            </button>
          ))}
        </span>
      </div>
      <Typed label="Where" value={asked.where} onChange={(where) => onChange({ where })} wide mono filter placeholder="changed(status) and after.total > 100  ( / )" mistaken={isMistaken} describedBy={`${id}-mistakes`} />
      <Typed label="Key" value={asked.key} onChange={(key) => onChange({ key })} mono placeholder="42" size={12} />
      {isFiltered && (
        <button type="button" class="quiet" onClick={() => onChange({ ...NOTHING, from: asked.from })}>
          Clear
        </button>
      )}
      <div class="mistakes" id={`${id}-mistakes`} role="status">
        {fromMistake && <p class="say-error">✗ {fromMistake}</p>}
        {isMistaken && problem && <Mistake of={problem} />}
      </div>
    </div>
  );
}

/** The condition with a caret below what cannot be read. */
function Mistake({ of }: { of: ApiProblem }) {
  const what = of.detail.split("\n")[0]?.replace(/^[a-z]+\/[a-z-]+: /, "") ?? "";
  return (
    <div class="mistake">
      <p class="say-error">✗ {what}</p>
      {of.why && <pre>{of.why}</pre>}
      {of.fix && <p>{of.fix}</p>}
    </div>
  );
}

interface TypedProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  placeholder?: string;
  list?: string;
  disabled?: boolean;
  size?: number;
  wide?: boolean;
  mono?: boolean;
  /** The field that `/` goes to. */
  filter?: boolean;
  mistaken?: boolean;
  describedBy?: string;
}

/** A text that counts when it is done. Esc takes back what was typed. */
function Typed({ label, value, onChange, placeholder, list, disabled, size, wide, mono, filter, mistaken, describedBy }: TypedProps) {
  const [text, setText] = useState(value);
  // Enter is a change, too, and may come before the address has what was sent.
  const sent = useRef(value);
  useEffect(() => {
    setText(value);
    sent.current = value;
  }, [value]);
  const done = () => {
    if (text.trim() === sent.current) return;
    sent.current = text.trim();
    onChange(text.trim());
  };
  return (
    <label class={wide ? "wide" : undefined}>
      <span>{label}</span>
      <input
        type="text"
        class={mono ? "mono" : undefined}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        data-filter={filter ? "" : undefined}
        value={text}
        list={list}
        size={size}
        disabled={disabled}
        placeholder={placeholder}
        aria-invalid={mistaken || undefined}
        aria-describedby={mistaken ? describedBy : undefined}
        onInput={(event) => setText(event.currentTarget.value)}
        onChange={done}
        onKeyDown={(event) => {
          if (event.key === "Enter") done();
          if (event.key === "Escape") setText(value);
        }}
      />
    </label>
  );
}
