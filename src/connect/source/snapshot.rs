//! The initial snapshot: the rows that were there when the slot began, each once, as `r` events.
//!
//! It reads under the slot's own exported snapshot, so the stream begins exactly where it ends: no gap, no repeat. Rows
//! come through COPY in the same text as streamed ones and through the same plans. One row is held back, because Debezium
//! marks the last one of each table and of the whole. A snapshot that was interrupted begins again from zero: the exported
//! snapshot ends with the session that made it.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::mem;
use std::time::{SystemTime, UNIX_EPOCH};

use super::commits::{COMMIT_BYTES_MAX, Commits};
use super::relations::Relations;
use super::task::{Context, now_ns};
use crate::change::{Checkpoint, Lsn, Op, Position, RelationId, RowChange, SnapshotMark};
use crate::config::postgres::{SnapshotConfig, TableOrder};
use crate::encode::{Encoder, RelationPlan};
use crate::log::LogWriter;
use crate::postgres::catalog::{self, Table};
use crate::postgres::connection::Session;
use crate::postgres::copy_text::CopyRow;
use crate::postgres::publication::Published;
use crate::postgres::{Client, Connection, PostgresError, identifier, literal};
use crate::problem::Problem;

/// How many rows pass between two looks at the clock and at the stop signal.
const ROWS_PER_LOOK: u64 = 1000;

/// Where a snapshot begins.
pub struct Start {
    /// The slot's consistent point: the stream begins here.
    pub lsn: Lsn,
    /// The exported snapshot.
    pub snapshot: String,
}

/// One table to read.
struct Source {
    plan: RelationPlan,
    sql: String,
}

/// Which of the database's tables a snapshot reads: the captured and published ones whose rows the stream would name so.
///
/// PostgreSQL lists the root of a partitioned table or its partitions, as the publication streams them, never both.
pub fn select_tables(context: &Context, tables: &[Table], published: &[Published]) -> Vec<(Table, Published)> {
    tables
        .iter()
        .filter(|table| context.config.tables.includes(&table.schema, &table.table))
        .filter(|table| context.config.snapshot.includes(&table.schema, &table.table))
        .filter_map(|table| {
            let found = published.iter().find(|published| published.schema == table.schema && published.table == table.table);
            found.map(|found| (table.clone(), found.clone()))
        })
        .collect()
}

/// Puts small tables first, or large ones; tables that are alike stay as they stand.
pub fn sort_by_rows(tables: &mut [(Table, Published)], order: TableOrder, estimates: &HashMap<RelationId, f64>) {
    let rows = |(table, _): &(Table, Published)| estimates.get(&table.id).copied().unwrap_or_default();
    tables.sort_by(|a, b| match order {
        TableOrder::Name => Ordering::Equal,
        TableOrder::Ascending => rows(a).total_cmp(&rows(b)),
        TableOrder::Descending => rows(b).total_cmp(&rows(a)),
    });
}

/// Reads everything; `false` when it was told to stop. The last commit, with the final checkpoint, is left to the caller.
pub async fn run<W: LogWriter>(
    context: &mut Context,
    client: &Client,
    start: &Start,
    tables: &[(Table, Published)],
    relations: &mut Relations,
    commits: &mut Commits<W>,
    pending: &Checkpoint,
) -> Result<bool, Problem> {
    let mut sources = Vec::new();
    for (table, published) in tables {
        let plan = relations.plan_table(client, table, published.columns.as_deref(), &mut commits.writer).await?;
        let sql = copy_statement(&plan, table, published, &context.config.snapshot);
        sources.push(Source { plan, sql });
    }
    let wrong = |error: PostgresError| error.problem(&context.config.connection);
    let mut session = Connection::open(&context.config.connection, Session::Sql, &context.application_name()).await.map_err(wrong)?;
    let begin = format!(
        "begin isolation level repeatable read, read only; set transaction snapshot {}; set local row_security = off; \
         set local lock_timeout = '10s'; set local idle_in_transaction_session_timeout = 0",
        literal(&start.snapshot)
    );
    session.query(&begin).await.map_err(wrong)?;
    let xid = Some(catalog::current_xid(client).await.map_err(wrong)?);
    let mut reader = Reader {
        encoder: Encoder::new(&context.events),
        held: None,
        current: CopyRow::default(),
        epoch: 0,
        lsn: start.lsn,
        xid,
        time_us: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64),
        rows: 0,
    };
    reader.encoder.set_now(now_ns());
    let total = sources.len() as u32;
    context.status.set_snapshot(total, 0, 0);
    for index in 0..sources.len() {
        let sql = sources[index].sql.clone();
        session.copy_out(&sql).await.map_err(|error| copy_problem(error, context, &sources[index].plan))?;
        let mut first_in_table = true;
        while let Some(line) = session.copy_row().await.map_err(wrong)? {
            reader
                .current
                .parse(line)
                .map_err(|error| Problem::fail("row/undecodable", error.to_string()).at(sources[index].plan.relation.name()))?;
            commits.begin().await?;
            reader.emit_held(&mut sources, Some(index), commits)?;
            reader.hold(index, first_in_table);
            first_in_table = false;
            reader.rows += 1;
            if reader.rows.is_multiple_of(ROWS_PER_LOOK) {
                context.status.set_snapshot(total, index as u32, reader.rows);
                reader.encoder.set_now(now_ns());
                if context.is_stopping() {
                    return Ok(false);
                }
            }
            if commits.bytes() >= COMMIT_BYTES_MAX {
                commits.hand_over(pending, reader.encoder.now_ms(), &context.status).await?;
            }
        }
        refuse_rewritten(&mut session, &sources[index].plan).await.map_err(wrong)?;
    }
    commits.begin().await?;
    reader.emit_held(&mut sources, None, commits)?;
    context.status.set_snapshot(total, total, reader.rows);
    session.query("commit").await.map_err(wrong)?;
    tracing::info!(connector = context.config.name, tables = total, rows = reader.rows, lsn = %start.lsn, "snapshot finished");
    Ok(true)
}

/// A table that was rewritten (ALTER TYPE, TRUNCATE) between the snapshot's begin and its COPY looks empty, or partly so:
/// its new file has no row that the snapshot may see. The catalogue as the snapshot sees it still names the old file.
async fn refuse_rewritten(session: &mut Connection, plan: &RelationPlan) -> Result<(), PostgresError> {
    let id = plan.relation.id.0;
    let sql = format!(
        "select 1 from pg_class c where (c.oid = {id} or c.oid in (select p.relid from pg_partition_tree({id}::oid::regclass) p)) \
         and c.relkind = 'r' and c.relfilenode is distinct from pg_relation_filenode(c.oid)"
    );
    if session.query(&sql).await?.is_empty() {
        return Ok(());
    }
    Err(PostgresError::Problem(
        Problem::retry("pg/rewritten", format!("{} was rewritten while the snapshot was read: it begins again", plan.relation.name()))
            .why("its rows have moved to a new file, in which the snapshot sees none of them"),
    ))
}

fn copy_statement(plan: &RelationPlan, table: &Table, published: &Published, config: &SnapshotConfig) -> String {
    let columns: Vec<_> = plan.relation.columns.iter().map(|column| identifier(&column.name)).collect();
    // Children of plain inheritance are tables of their own.
    let only = if table.partitioned { "" } else { "only " };
    let filter = published.row_filter.as_ref().map(|filter| format!(" where {filter}")).unwrap_or_default();
    let from = match config.select_of(&table.schema, &table.table) {
        Some(select) => format!("({select}) as selected"),
        None => format!("{only}{}", table.quoted()),
    };
    format!("copy (select {} from {from}{filter}) to stdout", columns.join(", "))
}

fn copy_problem(error: PostgresError, context: &Context, plan: &RelationPlan) -> Problem {
    let config = &context.config;
    let (table, role) = (plan.relation.name(), &config.connection.user);
    let quoted = format!("{}.{}", identifier(&plan.relation.schema), identifier(&plan.relation.table));
    match error {
        PostgresError::Server(message) if message.message.contains("row-level security") => {
            Problem::fail("pg/rls", format!("{table} has row-level security: its snapshot would be partial, its stream is not"))
                .why(message.message)
                .fix(format!("ALTER ROLE {} BYPASSRLS;", identifier(role)))
        }
        PostgresError::Server(message) if message.code == "42501" => {
            Problem::fail("pg/select", format!("role \"{role}\" may not read {table}"))
                .why(message.message)
                .fix(format!("GRANT SELECT ON {quoted} TO {};", identifier(role)))
        }
        PostgresError::Server(message) if config.snapshot.select_of(&plan.relation.schema, &plan.relation.table).is_some() => {
            let option = format!("snapshot.select.statement.overrides.{table}");
            Problem::fail("pg/select", format!("{option} does not work")).why(message.message).fix(format!(
                "let it give the columns of {table}: {}",
                plan.relation.columns.iter().map(|column| &*column.name).collect::<Vec<_>>().join(", ")
            ))
        }
        // It is gone, or looks another way, since the snapshot was begun.
        PostgresError::Server(message) if matches!(message.code.as_str(), "42P01" | "42703") => {
            Problem::retry("pg/rewritten", format!("{table} changed while the snapshot was read: it begins again")).why(message.message)
        }
        other => other.problem(&config.connection),
    }
}

/// The row that waits until it is known whether another one follows.
struct Held {
    source: usize,
    row: CopyRow,
    first_in_table: bool,
}

struct Reader {
    encoder: Encoder,
    held: Option<Held>,
    current: CopyRow,
    epoch: u64,
    lsn: Lsn,
    xid: Option<u32>,
    time_us: i64,
    rows: u64,
}

impl Reader {
    fn hold(&mut self, source: usize, first_in_table: bool) {
        let row = mem::take(&mut self.current);
        // The row that was held before has been written; its memory is used again.
        self.current = self.held.replace(Held { source, row, first_in_table }).map(|old| old.row).unwrap_or_default();
    }

    /// Writes the held row, now that it is known what follows: a row of table `next`, or nothing.
    fn emit_held<W: LogWriter>(&mut self, sources: &mut [Source], next: Option<usize>, commits: &mut Commits<W>) -> Result<(), Problem> {
        let Some(held) = &self.held else { return Ok(()) };
        let last_in_table = next != Some(held.source);
        let mark = match (next, last_in_table) {
            (None, _) => SnapshotMark::Last,
            // As in Debezium: the first row of the first table, so none when that one is empty.
            _ if held.source == 0 && held.first_in_table => SnapshotMark::First,
            (_, true) => SnapshotMark::LastInDataCollection,
            _ if held.first_in_table => SnapshotMark::FirstInDataCollection,
            _ => SnapshotMark::True,
        };
        self.epoch = mark as u64;
        let at = Position {
            lsn: self.lsn,
            previous_commit: None,
            xid: self.xid,
            commit_time_us: self.time_us,
            snapshot: mark,
            epoch: self.epoch,
        };
        let plan = &mut sources[held.source].plan;
        let relation = std::sync::Arc::clone(&plan.relation);
        let change = RowChange { relation: &relation, op: Op::Read, before: None, before_is_key: false, after: Some(held.row.tuple()), at };
        let (sink, counts) = commits.sink();
        counts.events += 1;
        counts.reads += 1;
        self.encoder.encode(plan, &change, sink).map_err(|error| Problem::fail("row/undecodable", error.to_string()))
    }
}
