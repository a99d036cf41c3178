// A topic's partitions: which offsets each holds.

import type { Topic } from "../../api/types";
import { ui } from "../../app/paths";
import { command } from "../../text/command";
import { AsCommand } from "../../ui/as-command";
import { type Column, Table } from "../../ui/table";

type Partition = Topic["partitions"][number];

const held = ({ start, end }: Partition) => (start === null || end === null ? null : end - start);

const columns = (name: string): Column<Partition>[] => [
  {
    id: "partition",
    title: "Partition",
    num: true,
    by: (one) => one.partition,
    cell: (one) => <a href={`${ui.topic(name)}?partition=${one.partition}`}>{one.partition}</a>,
  },
  { id: "start", title: "First offset", num: true, by: (one) => one.start, help: "What is older was removed" },
  { id: "end", title: "Next offset", num: true, by: (one) => one.end, help: "The next record gets it" },
  { id: "records", title: "Offsets held", num: true, by: held, help: "Records, and places that compaction emptied" },
];

export function Partitions({ of }: { of: Topic }) {
  return (
    <>
      <Table caption={`Partitions of ${of.name}`} rows={of.partitions} columns={columns(of.name)} keyOf={(one) => String(one.partition)} sort="partition" />
      <AsCommand line={command("rowfeed", "topics", "show", of.name)} call={{ path: `/v1/topics/${encodeURIComponent(of.name)}` }} />
    </>
  );
}
