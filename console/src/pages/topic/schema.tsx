// What a topic's newest records look like: their columns, the types that were seen, and the schemas that are registered for it.

import { seg } from "../../api/client";
import { usePolled } from "../../api/polled";
import { count, counted } from "../../text/format";
import { AsCommand } from "../../ui/as-command";
import { Empty } from "../../ui/empty";
import { Loading } from "../../ui/loading";
import { ProblemBox } from "../../ui/problem-box";
import { type Column, Table } from "../../ui/table";

interface Seen {
  scanned: number;
  unreadable: number;
  columns: SeenColumn[];
  schemas: Registered[];
}

interface SeenColumn {
  name: string;
  in_key: boolean;
  types: string[];
  nullable: boolean;
  /** Records that have it. */
  seen: number;
}

interface Registered {
  subject: string;
  version: number;
  id: number;
  schema_type: string;
}

const columns = (scanned: number): Column<SeenColumn>[] => [
  {
    id: "column",
    title: "Column",
    cell: (one) => (
      <>
        <code>{one.name}</code> {one.in_key && <span class="badge">key</span>}
      </>
    ),
  },
  { id: "types", title: "Types", help: "The types of JSON that its values had", cell: (one) => one.types.join(", ") || "–" },
  { id: "null", title: "Null", cell: (one) => (one.nullable ? "seen" : "–") },
  {
    id: "seen",
    title: "Seen",
    num: true,
    help: "Records that have the column",
    cell: (one) => (one.seen >= scanned ? "in all" : `in ${count(one.seen)} of ${count(scanned)}`),
  },
];

const REGISTERED: Column<Registered>[] = [
  { id: "subject", title: "Subject", cell: (one) => <a href={seg`/subjects/${one.subject}/versions/${one.version}`}>{one.subject}</a> },
  { id: "version", title: "Version", num: true, cell: (one) => one.version },
  { id: "id", title: "Id", num: true, cell: (one) => one.id },
  { id: "type", title: "Type", cell: (one) => one.schema_type },
];

export function Schema({ name }: { name: string }) {
  const path = seg`/v1/topics/${name}/schema`;
  const { data, problem, again } = usePolled<Seen>(path);
  if (problem?.status === 404) return <Empty title="This service does not tell the schema">A newer one does, from the topic's newest records.</Empty>;
  if (problem) return <ProblemBox problem={problem} onRetry={again} />;
  if (!data) return <Loading />;
  return (
    <div class="stack">
      <h2>Columns</h2>
      <p class="muted">
        As the newest {counted(data.scanned, "record")} have them: what was seen, and no promise of what comes.
        {data.unreadable > 0 && ` ${counted(data.unreadable, "record")} could not be read: Avro and Protobuf are described by their schemas.`}
      </p>
      <Table
        caption={`Columns of ${name}`}
        rows={data.columns}
        columns={columns(data.scanned)}
        keyOf={(one) => one.name}
        empty={<Empty title="No columns seen">{data.scanned === 0 ? "The topic has no records yet." : "Its newest records are no change events in JSON."}</Empty>}
      />
      <h2>Registered schemas</h2>
      <Table
        caption={`Schemas of ${name}`}
        rows={data.schemas}
        columns={REGISTERED}
        keyOf={(one) => `${one.subject} ${one.version}`}
        empty={<p class="muted">None: a connector registers some when its converter is Avro, JSON Schema or Protobuf.</p>}
      />
      <AsCommand call={{ path }} />
    </div>
  );
}
