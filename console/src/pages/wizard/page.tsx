// A connector in five steps: database, tables, events, snapshot, review. Each can be left and come back to; the step is in the address, what
// was chosen stays with the tab, a password stays in memory alone.

import "./wizard.css";
import type { FunctionComponent } from "preact";
import { Page } from "../../app/page";
import { ui } from "../../app/paths";
import { useQuery } from "../../app/query";
import { ConfirmedClear } from "./clear";
import { Database } from "./database";
import { missing } from "./draft";
import { Events } from "./events";
import { Review } from "./review";
import { Snapshot } from "./snapshot";
import { draft, isWhole } from "./store";
import { Tables } from "./tables";

const STEPS: readonly { title: string; lead: string; part: FunctionComponent }[] = [
  { title: "Database", lead: "Which database? The doctor looks whether it can be captured.", part: Database },
  { title: "Tables", lead: "Which tables become topics?", part: Tables },
  { title: "Events", lead: "What does an event look like? The sample is a row of your own table.", part: Events },
  { title: "Snapshot", lead: "Are the rows that exist already read first?", part: Snapshot },
  { title: "Review", lead: "Is all well? Then it is made here, or as a file, or by a command.", part: Review },
];

const href = (step: number): string => `${ui.newConnector()}${step === 1 ? "" : `?step=${step}`}`;

export default function Wizard() {
  const [asked] = useQuery("step", "1", "push");
  const step = Math.min(STEPS.length, Math.max(1, Number.parseInt(asked, 10) || 1));
  const { title, lead, part: Part } = STEPS[step - 1] ?? STEPS[0]!;
  const lacks = step > 1 ? missing(draft.value) : "";
  return (
    <Page title="New connector" tab={`New connector · ${title}`} crumbs={[{ title: "Connectors", href: ui.connectors() }]} actions={<ConfirmedClear />}>
      <nav aria-label="Steps">
        <ol class="steps">
          {STEPS.map((one, i) => (
            <li key={one.title}>
              <a href={href(i + 1)} aria-current={i + 1 === step ? "step" : undefined}>
                <span class="step-number" aria-hidden="true">
                  {i + 1}
                </span>
                {one.title}
              </a>
            </li>
          ))}
        </ol>
      </nav>
      <div class="stack">
        <div class="step-head">
          <h2>{title}</h2>
          <p class="muted">{lead}</p>
        </div>
        {lacks && (
          <p class="say-warn">
            ▲ The connection lacks {lacks}: <a href={href(1)}>write it first</a>.
          </p>
        )}
        <Part />
        <div class="row step-foot">
          {step > 1 && (
            <a class="button" href={href(step - 1)}>
              Back
            </a>
          )}
          {step < STEPS.length && (
            <a class="button primary" href={href(step + 1)} onClick={(event) => !isWhole(step) && event.preventDefault()}>
              On to {STEPS[step]?.title.toLowerCase()}
            </a>
          )}
        </div>
      </div>
    </Page>
  );
}
