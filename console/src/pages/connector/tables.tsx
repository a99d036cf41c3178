// The tables of a connector's database: key, replica identity, topic, what came of them, their snapshot, and what the doctor says of them.

import { useState } from "preact/hooks";
import { seg } from "../../api/client";
import { usePolled } from "../../api/polled";
import type { Answer, Connector, Items, Relation, Topic } from "../../api/types";
import { ui } from "../../app/paths";
import { useQuery } from "../../app/query";
import { count, counted, rate } from "../../text/format";
import { AsCommand } from "../../ui/as-command";
import { Choice } from "../../ui/choice";
import { Empty } from "../../ui/empty";
import { Filter } from "../../ui/filter";
import { Identity, Key, hasWal } from "../../ui/identity";
import { Loaded } from "../../ui/loading";
import { Progress } from "../../ui/progress";
import { type Column, Table } from "../../ui/table";
import { Start } from "./snapshot-start";

const SHOWN = [
  ["captured", "Captured"],
  ["all", "All"],
] as const;
const TOPICS_MS = 10_000;

type Changes = Answer<"/v1/connectors/{name}/tables">["items"][number];

interface Row extends Relation {
  topic: Topic | undefined;
  snapshot: Connector["snapshot"]["tables"][number] | undefined;
  changes: Changes | undefined;
  warnings: string[];
}

export function Tables({ of }: { of: Connector }) {
  const path = seg`/v1/sources/${of.name}/tables`;
  const polled = usePolled<{ items: Relation[] }>(path);
  const topics = usePolled<Items<Topic>>("/v1/topics", TOPICS_MS).data?.items ?? [];
  const changes = usePolled<{ items: Changes[] }>(seg`/v1/connectors/${of.name}/tables`, TOPICS_MS).data?.items ?? [];
  const [shown, show] = useQuery("show", "captured");
  const [text] = useQuery("q");
  const [asked, ask] = useState<string | null>(null);
  return (
    <Loaded of={polled}>
      {({ items }) => {
        const rows = items
          .filter((one) => (shown === "all" || one.captured) && one.table.toLowerCase().includes(text.toLowerCase()))
          .map((one): Row => ({ ...rowOf(one, of, topics), changes: changes.find(({ table }) => table === one.table) }));
        return (
          <div class="stack">
            <div class="bar-row">
              <Filter label="Filter tables" />
              <Choice label="Which tables" of={SHOWN} value={shown === "all" ? "all" : "captured"} onChange={show} />
              <span class="muted">
                {counted(rows.length, "table")} · {count(items.filter((one) => one.captured).length)} captured of {count(items.length)}
              </span>
              <button type="button" onClick={polled.again}>
                Look again
              </button>
            </div>
            <Table
              caption={`Tables of ${of.name}`}
              rows={rows}
              keyOf={(row) => row.table}
              sort="table"
              columns={columns((table) => ask(table))}
              empty={
                <Empty title={text ? "No table of that name" : "No table is captured"}>
                  {text ? "Another text, or all tables?" : (
                    <p>
                      Its lists of tables match nothing that is there. Mend table.include.list in its <a href={ui.connector(of.name, "config")}>configuration</a>.
                    </p>
                  )}
                </Empty>
              }
            />
            <p class="muted">
              Rows are estimated from table statistics. Records are those that the topic holds now; changes are counted since the service started.
            </p>
            <AsCommand call={{ path }} />
            {asked !== null && <Start of={of} tables={[asked]} onClose={() => ask(null)} />}
          </div>
        );
      }}
    </Loaded>
  );
}

function rowOf(relation: Relation, of: Connector, topics: readonly Topic[]): Omit<Row, "changes"> {
  const bare = relation.table;
  return {
    ...relation,
    topic: topics.find((topic) => topic.connector === of.name && topic.source_table === bare),
    snapshot: of.snapshot.tables.find((table) => table.table === bare),
    warnings: [
      ...relation.reasons.map((reason) => `${reason.code}: ${reason.text}`),
      ...of.checks.filter((check) => mentions(check.observed, bare)).map((check) => `${check.id}: ${check.title}`),
    ],
  };
}

/** Whether a text names this table, and not one whose name begins alike. */
function mentions(text: string, table: string): boolean {
  const at = text.indexOf(table);
  return at >= 0 && !/[\w$]/.test(text[at + table.length] ?? "") && !/[\w$.]/.test(text[at - 1] ?? "");
}

function columns(onSnapshot: (table: string) => void): Column<Row>[] {
  return [
    {
      id: "table",
      title: "Table",
      by: (row) => row.table,
      cell: (row) => (
        <>
          {row.table} {row.kind !== "table" && <span class="badge">{row.kind}</span>}
        </>
      ),
    },
    { id: "key", title: "Key", cell: (row) => <Key of={row} /> },
    {
      id: "identity",
      title: "Identity",
      help: "What of the old row PostgreSQL writes into the WAL: the replica identity",
      by: (row) => row.replica_identity,
      cell: (row) => hasWal(row) && <Identity identity={row.replica_identity} table={row.table} hasKey={row.primary_key.length > 0} />,
    },
    { id: "topic", title: "Topic", cell: (row) => (row.topic ? <a class="nowrap" href={ui.topic(row.topic.name)}>{row.topic.name}</a> : <span class="muted nowrap">none yet</span>) },
    { id: "records", title: "Records", num: true, by: (row) => row.topic?.records },
    {
      id: "changes",
      title: "C/U/D",
      help: "Inserts, updates, deletes since the service started",
      num: true,
      by: (row) => row.changes && row.changes.inserts + row.changes.updates + row.changes.deletes,
      cell: ({ changes }) => (changes ? [changes.inserts, changes.updates, changes.deletes].map(count).join(" / ") : "–"),
    },
    { id: "rate", title: "In/s", num: true, by: (row) => row.topic?.records_per_second, as: rate },
    { id: "rows", title: "Rows", num: true, by: (row) => row.rows_estimated, cell: (row) => (row.rows_estimated === null ? "–" : `~${count(row.rows_estimated)}`) },
    { id: "snapshot", title: "Snapshot", cell: (row) => <SnapshotCell row={row} /> },
    {
      id: "warnings",
      title: "Warnings",
      cell: (row) =>
        row.warnings.length === 0 ? (
          <span class="muted">–</span>
        ) : (
          row.warnings.map((warning) => (
            <p key={warning} class="say-warn">
              ▲ {warning}
            </p>
          ))
        ),
    },
    {
      id: "do",
      title: "Action",
      cell: (row) =>
        row.captured && (
          <button type="button" onClick={() => onSnapshot(row.table)} aria-label={`Snapshot ${row.table}`}>
            Snapshot …
          </button>
        ),
    },
  ];
}

function SnapshotCell({ row }: { row: Row }) {
  if (!row.captured) return <span class="muted nowrap">not captured</span>;
  if (!row.snapshot) return <span class="muted">–</span>;
  if (row.snapshot.state !== "running") return <>{row.snapshot.state === "completed" ? "✓ done" : "queued"}</>;
  return <Progress label={`Snapshot of ${row.table}`} done={row.snapshot.rows_done} of={row.snapshot.rows_estimated} />;
}
