// A record opened within a list: its sides to choose from, its neighbours, the way to its own page.

import { useState } from "preact/hooks";
import { ui } from "../../app/paths";
import { Choice } from "../../ui/choice";
import { Loading } from "../../ui/loading";
import { ProblemBox } from "../../ui/problem-box";
import { Gone } from "./gone";
import { Neighbours } from "./neighbours";
import { PARTS, type Part, PartOf } from "./parts";
import { useStored } from "./stored";

export function RecordDetail({ topic, partition, offset }: { topic: string; partition: number; offset: number }) {
  const { stored, missing, problem, again } = useStored(topic, partition, offset);
  const [part, setPart] = useState<Part>("diff");
  if (problem) return <ProblemBox problem={problem} onRetry={again} />;
  if (missing) return <Gone topic={topic} partition={partition} offset={offset} of={missing} />;
  if (!stored) return <Loading />;
  return (
    <div class="record-detail">
      <div class="row">
        <Choice label="Sides of the record" of={PARTS} value={part} onChange={setPart} />
        <a href={ui.record(topic, partition, offset)}>Open</a>
      </div>
      <PartOf part={part} of={stored} />
      <Neighbours topic={topic} of={stored} />
    </div>
  );
}
