// What stands in place of records when there are none: what to do in the database to see some, or which filter lets nothing through.

import { seg } from "../../api/client";
import { usePolled } from "../../api/polled";
import type { Answer, Topic } from "../../api/types";
import { sqlName, sqlTable } from "../../text/command";
import { count } from "../../text/format";
import { Code } from "../../ui/code";
import { Empty } from "../../ui/empty";
import type { Asked } from "./asked";

type Tables = Answer<"/v1/sources/{connector}/tables">;

interface Props {
  topic: Topic | undefined;
  asked: Asked;
  isLive: boolean;
  onClear: () => void;
}

export function NoRecords({ topic, asked, isLive, onClear }: Props) {
  const isFiltered = Boolean(asked.where || asked.op || asked.key || asked.partition || asked.cursor);
  if (isFiltered || asked.from !== "latest") {
    return (
      <Empty
        title={isLive ? "Waiting for a change that fits" : asked.cursor ? "Nothing more fits" : "No record fits"}
        actions={
          <button type="button" onClick={onClear}>
            All records
          </button>
        }
      >
        {topic ? `The topic has ${count(topic.records)} records. ` : ""}
        {isLive
          ? "What fits the filters is shown as it comes."
          : asked.cursor
            ? "The search came to the topic's other end."
            : "None of them fits the filters, from there on."}
      </Empty>
    );
  }
  return (
    <Empty title="Waiting for the first change">
      {topic?.source_table && topic.connector ? (
        <Try table={topic.source_table} connector={topic.connector} />
      ) : (
        "Whatever is produced to this topic is shown here."
      )}
    </Empty>
  );
}

/** A statement that changes nothing and is a change all the same: PostgreSQL writes the row again. The API tells no columns but the key's. */
function Try({ table, connector }: { table: string; connector: string }) {
  const tables = usePolled<Tables>(seg`/v1/sources/${connector}/tables`);
  const columns = (tables.data?.items.find((one) => one.table === table)?.primary_key ?? []).map(sqlName);
  const [key] = columns;
  const [name, all] = [sqlTable(table), columns.join(", ")];
  return (
    <>
      <p>Each change of {table} comes here. {key ? "To see one, write a row again as it is:" : "Insert, update or delete a row of it to see one."}</p>
      {key && (
        <>
          <Code text={`UPDATE ${name} SET ${key} = ${key} WHERE (${all}) = (SELECT ${all} FROM ${name} LIMIT 1);`} what="the statement" />
          <p>Of a key that is GENERATED ALWAYS, set another column to itself. An empty table has no row to write: insert one.</p>
        </>
      )}
    </>
  );
}
