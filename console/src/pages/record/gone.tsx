// What is told of a record that is not at its place, or not any more.

import { ui } from "../../app/paths";
import { count } from "../../text/format";
import { Empty } from "../../ui/empty";
import type { Missing } from "./stored";

export function Gone({ topic, partition, offset, of }: { topic: string; partition: number; offset: number; of: Missing }) {
  const { start, end, next } = of;
  const actions = (
    <>
      {next !== null && <a href={ui.record(topic, partition, next)}>The next record, {next}</a>}
      <a href={ui.topic(topic)}>All records of {topic}</a>
    </>
  );
  if (start === null || end === null) return <Empty title={`There is no partition ${partition}`} actions={actions} />;
  if (offset >= end) {
    return (
      <Empty title="Not written yet" actions={actions}>
        Partition {partition} has offsets {count(start)} to {count(end - 1)}. {count(offset)} comes later.
      </Empty>
    );
  }
  return (
    <Empty title="Not kept any more" actions={actions}>
      {offset < start
        ? `Retention removed it: partition ${partition} begins at ${count(start)} now.`
        : "Compaction removed it, or the place holds a transaction's mark and no record."}
    </Empty>
  );
}
