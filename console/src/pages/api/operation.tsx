// One operation: what it does, takes and answers.

import { useState } from "preact/hooks";
import { Code } from "../../ui/code";
import { type Answer, type Operation, type Schema, canTry, shape } from "./spec";
import { TryIt } from "./try-it";

type Schemas = Record<string, Schema>;

export function OperationView({ of, schemas }: { of: Operation; schemas: Schemas }) {
  const good = of.answers.filter((answer) => answer.status < "400");
  const bad = of.answers.filter((answer) => answer.status >= "400");
  return (
    <article class="stack operation">
      <h2>
        <span class={`method ${of.method.toLowerCase()}`}>{of.method}</span> <code>{of.path}</code>
      </h2>
      <p>
        {of.summary}.{of.description && ` ${of.description}`}
      </p>
      {canTry(of) ? <TryIt of={of} /> : <p class="muted">A WebSocket cannot be opened from a form; the console's own lists are made of it.</p>}
      {of.body && (
        <section class="stack">
          <h3>Takes {of.bodyType}</h3>
          <Code text={shape(of.body.schema, schemas)} what="the body's shape" />
        </section>
      )}
      <section class="stack">
        <h3>Answers</h3>
        {good.map((answer) => (
          <AnswerView key={`${answer.status} ${answer.type}`} of={answer} schemas={schemas} open />
        ))}
      </section>
      {bad.length > 0 && (
        <section class="stack">
          <h3>Refuses</h3>
          {bad.map((answer) => (
            <AnswerView key={`${answer.status} ${answer.type}`} of={answer} schemas={schemas} />
          ))}
        </section>
      )}
    </article>
  );
}

/** The examples and shapes of answers that are closed are not in the page. */
function AnswerView({ of, schemas, open = false }: { of: Answer; schemas: Schemas; open?: boolean }) {
  const [isOpen, setOpen] = useState(open);
  const hasMore = of.example !== undefined || of.schema !== undefined;
  const head = (
    <>
      <b>{of.status}</b> {of.description} {of.type && <span class="muted">{of.type}</span>}
    </>
  );
  if (!hasMore) return <p>{head}</p>;
  const example = typeof of.example === "string" ? of.example : JSON.stringify(of.example, null, 2);
  return (
    <details open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{head}</summary>
      {isOpen && (
        <div class="stack">
          {of.example !== undefined && <Code text={example} what="the example" />}
          {of.schema && of.status < "400" && (
            <details>
              <summary>Shape</summary>
              <Code text={shape(of.schema, schemas)} what="the shape" />
            </details>
          )}
        </div>
      )}
    </details>
  );
}
