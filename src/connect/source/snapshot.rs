//! The initial snapshot: the rows that were there when the slot began, each once, as `r` events.
//!
//! It reads under the slot's own exported snapshot, so the stream begins exactly where it ends: no gap, no repeat. Rows
//! come through COPY in the same text as streamed ones and through the same plans. One row is held back, because Debezium
//! marks the last one of each table and of the whole. Tables with a key are read in its order, and every commit says how
//! far: the exported snapshot ends with the session that made it, what is left then is read beside the stream
//! (`backfill`).

use std::cmp::Ordering;
use std::collections::HashMap;
use std::mem;
use std::time::Duration;

use super::commits::{COMMIT_BYTES_MAX, Commits};
use super::notices::{self, Chunks, Told};
use super::readers::{self, Piece, READERS_MAX, Readers};
use super::relations::Relations;
use super::task::{Context, now_ns};
use crate::change::progress::{Key, KeyColumn, TableLeft, signature};
use crate::change::{Cell, Checkpoint, Lsn, Op, Position, Progress, Relation, RelationId, RowChange, SnapshotMark, Tuple};
use crate::config::postgres::{PostgresConfig, SnapshotConfig, TableOrder};
use crate::encode::{EncodeError, Encoder, ROUTED_MAX, RelationPlan};
use crate::log::LogWriter;
use crate::postgres::catalog::{self, Table};
use crate::postgres::connection::Session;
use crate::postgres::copy_text::CopyRow;
use crate::postgres::publication::Published;
use crate::postgres::reading::{self, Rows};
use crate::postgres::{Client, Connection, PostgresError, identifier, literal};
use crate::problem::Problem;
use crate::record::TopicHandle;

/// How many rows pass between two looks at the clock and at the stop signal.
pub(super) const ROWS_PER_LOOK: u64 = 1000;
/// Larger tables are not sorted where their key's index gives the order: the server would need as much space again.
const SORT_BYTES_MAX: u64 = 1 << 30;

/// Where a snapshot begins.
pub struct Start {
    /// The slot's consistent point: the stream begins here.
    pub lsn: Lsn,
    /// The exported snapshot.
    pub snapshot: String,
}

/// One table to read.
pub(super) struct Source {
    /// The table.
    pub table: Table,
    /// What the publication says about it.
    pub published: Published,
    /// The key by which it is read; empty: it has none.
    pub key: Vec<KeyColumn>,
    /// How its rows are written.
    pub plan: RelationPlan,
    /// Where the key's columns are.
    places: Vec<usize>,
}

impl Source {
    /// Describes a table as it is now.
    pub async fn describe<W: LogWriter>(
        client: &Client,
        table: Table,
        published: Published,
        key: Vec<KeyColumn>,
        relations: &mut Relations,
        writer: &mut W,
    ) -> Result<Self, Problem> {
        let plan = relations.plan_table(client, &table, published.columns.as_deref(), writer).await?;
        let place = |column: &KeyColumn| plan.relation.columns.iter().position(|found| *found.name == *column.name);
        // A column list may leave the key out, when only inserts are published.
        let places: Option<Vec<_>> = key.iter().map(place).collect();
        let (key, places) = places.map_or_else(Default::default, |places| (key, places));
        Ok(Self { table, published, key, plan, places })
    }

    /// The statement that reads rows of it.
    pub fn copy(&self, config: &SnapshotConfig, rows: Rows<'_>) -> String {
        self.copy_of(config.select_of(&self.table.schema, &self.table.table), rows)
    }

    /// The statement that reads rows of what `select` gives, or of the table.
    pub fn copy_of(&self, select: Option<&str>, rows: Rows<'_>) -> String {
        reading::copy(&self.plan.relation, &self.table, &self.published, select, &self.key, rows)
    }

    /// A row's key.
    pub fn key_of(&self, row: Tuple<'_>) -> Key {
        let text = |place: &usize| match row.cell(*place) {
            Cell::Text(text) => String::from_utf8_lossy(text).into_owned(),
            Cell::Null | Cell::Unchanged => String::new(),
        };
        self.places.iter().map(text).collect()
    }
}

/// Which of the database's tables a snapshot reads: the captured and published ones whose rows the stream would name so.
///
/// PostgreSQL lists the root of a partitioned table or its partitions, as the publication streams them, never both.
pub fn select_tables(context: &Context, tables: &[Table], published: &[Published]) -> Vec<(Table, Published)> {
    let chosen = tables
        .iter()
        .filter(|table| context.config.tables.includes(&table.schema, &table.table))
        .filter(|table| context.config.snapshot.includes(&table.schema, &table.table))
        .filter(|table| !context.config.signals.is_table(&table.schema, &table.table));
    published_of(context, chosen, published)
}

/// Those of the tables that are published, in the order in which they are read.
pub(super) fn published_of<'t>(
    context: &Context,
    tables: impl Iterator<Item = &'t Table>,
    published: &[Published],
) -> Vec<(Table, Published)> {
    let find = |table: &'t Table| {
        let found = published.iter().find(|published| published.schema == table.schema && published.table == table.table);
        found.map(|found| (table.clone(), found.clone()))
    };
    let mut found: Vec<_> = tables.filter_map(find).collect();
    found.sort_by_key(|(table, _)| context.config.tables.place(&table.schema, &table.table));
    found
}

/// Their names, and how many rows the server thinks they have.
pub fn estimated(tables: &[(Table, Published)], rows: &HashMap<RelationId, u64>) -> Vec<(String, Option<u64>)> {
    tables.iter().map(|(table, _)| (table.name(), rows.get(&table.id).copied())).collect()
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
///
/// Where `pending` carries a progress, every commit says how far the reading is.
pub async fn run<W: LogWriter>(
    context: &mut Context,
    client: &Client,
    start: &Start,
    tables: &[(Table, Published)],
    relations: &mut Relations,
    commits: &mut Commits<W>,
    pending: &mut Checkpoint,
) -> Result<bool, Problem> {
    let wrong = |error: PostgresError| error.problem(&context.config.connection);
    let ids: Vec<_> = tables.iter().map(|(table, _)| table.id).collect();
    let mut keys = reading::keys(client, &ids).await.map_err(wrong)?;
    let mut sources = Vec::new();
    for (table, published) in tables {
        let key = keys.remove(&table.id).unwrap_or_default();
        sources.push(Source::describe(client, table.clone(), published.clone(), key, relations, &mut commits.writer).await?);
    }
    let mut session = begin_snapshot(context, &start.snapshot).await?;
    if pending.progress.is_some() {
        let files = reading::files(&mut session, &ids).await.map_err(wrong)?;
        let left = |source: &Source| TableLeft {
            id: source.table.id,
            files: files.get(&source.table.id).copied().unwrap_or_default(),
            key: signature(&source.key),
        };
        pending.progress = Some(Progress::new(sources.iter().map(left).collect()));
    }
    let xid = Some(catalog::current_xid(client).await.map_err(wrong)?);
    let mut reader = Reader::new(context, start.lsn, None, xid);
    let total = sources.len() as u32;
    let told = told(context, tables);
    reader.chunks = count_chunks(context, &start.snapshot, &sources).await?;
    if context.config.snapshot.locks_first {
        for source in &sources {
            lock_as_it_was(&mut session, source).await.map_err(|error| copy_problem(error, context, &source.table))?;
        }
    }
    let threads = context.config.snapshot.threads.min(READERS_MAX);
    // Only this task makes the topics that rows name, and only its session holds locks from the beginning.
    let several = threads > 1 && !context.config.snapshot.locks_first && !sources.iter().any(|source| source.plan.is_routed());
    let finished = if several {
        let mut copies = Vec::new();
        for _ in 0..threads {
            let mut copy = Vec::new();
            for source in &sources {
                let (table, published, key) = (source.table.clone(), source.published.clone(), source.key.clone());
                copy.push(Source::describe(client, table, published, key, relations, &mut commits.writer).await?);
            }
            copies.push(copy);
        }
        let readers = Readers::start(context, &start.snapshot, reader.position(SnapshotMark::True), copies)?;
        reader.take_all(context, readers, &mut sources, commits, pending, &told).await?
    } else {
        reader.read_all(context, &mut session, &mut sources, commits, pending, &told).await?
    };
    if !finished {
        return Ok(false);
    }
    commits.begin().await?;
    reader.emit_held(&context.config, &mut sources, None, commits).await?;
    context.status.set_snapshot(total, total, reader.rows);
    session.query("commit").await.map_err(wrong)?;
    tracing::info!(connector = context.config.name, tables = total, rows = reader.rows, lsn = %start.lsn, "snapshot finished");
    Ok(true)
}

/// A session under the exported snapshot.
pub(super) async fn begin_snapshot(context: &Context, snapshot: &str) -> Result<Connection, Problem> {
    let opened = Connection::open(&context.config.connection, Session::Sql, &context.application_name()).await;
    let mut session = opened.map_err(|error| context.problem(&error))?;
    let begin = begin_sql(snapshot, context.config.snapshot.lock_timeout);
    session.query(&begin).await.map_err(|error| context.problem(&error))?;
    Ok(session)
}

/// Into how many chunks a table counts as cut, at most, when anybody is told.
pub(super) fn told_chunks(context: &Context) -> Option<u64> {
    let notifications = &context.config.notifications;
    context.config.snapshot.told_chunks.filter(|_| notifications.log || notifications.topic.is_some())
}

/// Into which chunks the tables count as cut; only notifications tell of them. Tables are counted in transactions of their own:
/// no lock is held when the reading begins. One that cannot be counted is one chunk: whether it can be read, reading it says.
async fn count_chunks(context: &Context, snapshot: &str, sources: &[Source]) -> Result<Vec<Chunks>, Problem> {
    let config = &context.config.snapshot;
    let Some(most) = told_chunks(context) else { return Ok(Vec::new()) };
    let (mut session, mut chunks) = (None, Vec::new());
    for source in sources {
        let Source { table, published, key, .. } = source;
        if key.is_empty() || config.select_of(&table.schema, &table.table).is_some() {
            chunks.push(Chunks::of(1, 1));
            continue;
        }
        let open = match &mut session {
            Some(session) => session,
            None => {
                let opened = Connection::open(&context.config.connection, Session::Sql, &context.application_name()).await;
                session.insert(opened.map_err(|error| context.problem(&error))?)
            }
        };
        let sql = format!("{}; {}; commit", begin_sql(snapshot, config.lock_timeout), reading::count(table, published));
        match open.query(&sql).await {
            Ok(counted) => chunks.push(Chunks::of(reading::counted(&counted), most)),
            Err(PostgresError::Server(message)) => {
                // Its transaction is broken.
                session = None;
                tracing::info!(table = table.name(), "its rows are not counted, it is told of as one chunk: {}", message.message);
                chunks.push(Chunks::of(1, 1));
            }
            Err(error) => return Err(copy_problem(error, context, table)),
        }
    }
    Ok(chunks)
}

/// What begins a transaction under the exported snapshot.
pub(super) fn begin_sql(snapshot: &str, lock_timeout: Duration) -> String {
    format!(
        "begin isolation level repeatable read, read only; set transaction snapshot {}; set local row_security = off; \
         set local lock_timeout = {}; set local idle_in_transaction_session_timeout = 0",
        literal(snapshot),
        lock_timeout.as_millis(),
    )
}

/// How a snapshot of these tables is told of.
pub(super) fn told(context: &Context, tables: &[(Table, Published)]) -> Told {
    let config = &context.config;
    let listed = |(schema, table): &&(String, String)| config.snapshot.includes(schema, table);
    told_with(context, tables, config.signals.table.as_ref().filter(listed))
}

/// As in Debezium, the signalling table is captured with the tables that are read, at its place among them.
pub(super) fn told_with(context: &Context, tables: &[(Table, Published)], signals: Option<&(String, String)>) -> Told {
    let names: Vec<_> = tables.iter().map(|(table, _)| table.name()).collect();
    let mut captured = names.clone();
    if let Some((schema, table)) = signals {
        let name = format!("{schema}.{table}");
        let (filter, place) = (&context.config.tables, context.config.tables.place(schema, table));
        let is_before = |(other, _): &(Table, Published)| (filter.place(&other.schema, &other.table), other.name()) < (place, name.clone());
        captured.insert(tables.partition_point(is_before), name);
    }
    Told::new(names, captured)
}

/// Locks a table, to the end of the snapshot. A table that was rewritten (ALTER TYPE, TRUNCATE) between the snapshot's
/// begin and now looks empty, or partly so: its new file has no row that the snapshot may see. The catalogue as the
/// snapshot sees it still names the old file.
pub(super) async fn lock_as_it_was(session: &mut Connection, source: &Source) -> Result<(), PostgresError> {
    let id = source.table.id.0;
    // Small tables may be sorted, large ones are read through the key's index.
    let sql = format!(
        "lock table {}{} in access share mode; \
         select count(*) filter (where c.relfilenode is distinct from pg_relation_filenode(c.oid)), \
           set_config('enable_sort', sort, true), set_config('enable_incremental_sort', sort, true) \
         from pg_class c, lateral (select case when sum(pg_relation_size(l.oid)) > {SORT_BYTES_MAX} then 'off' else 'on' end as sort \
           from pg_class l where l.relkind = 'r' and (l.oid = {id} or l.oid in (select p.relid from pg_partition_tree({id}::oid::regclass) p))) s \
         where (c.oid = {id} or c.oid in (select p.relid from pg_partition_tree({id}::oid::regclass) p)) and c.relkind = 'r' group by sort",
        reading::only(&source.table),
        source.table.quoted()
    );
    let rows = session.query(&sql).await.map_err(|error| gone(error, source))?;
    let rewritten = rows.first().and_then(|row| row.first().cloned().flatten()).is_some_and(|count| count != "0");
    if !rewritten {
        return Ok(());
    }
    let table = source.plan.relation.name();
    Err(PostgresError::Problem(
        Problem::retry("pg/rewritten", format!("{table} was rewritten while the snapshot was read: the rest is read beside the stream"))
            .why("its rows have moved to a new file, in which the snapshot sees none of them"),
    ))
}

/// A table that cannot be locked because it is gone, or its schema, since the snapshot was begun.
fn gone(error: PostgresError, source: &Source) -> PostgresError {
    match error {
        PostgresError::Server(message) if matches!(message.code.as_str(), "42P01" | "3F000") => {
            let what = format!("{} is gone since the snapshot was begun: the rest is read beside the stream", source.table.name());
            PostgresError::Problem(Problem::retry("pg/rewritten", what).why(message.message))
        }
        other => other,
    }
}

/// What is wrong with reading a table, worded for a person.
pub(super) fn copy_problem(error: PostgresError, context: &Context, table: &Table) -> Problem {
    let config = &context.config;
    let (quoted, name, role) = (table.quoted(), table.name(), &config.connection.user);
    match error {
        PostgresError::Server(message) if message.message.contains("row-level security") => {
            Problem::fail("pg/rls", format!("{name} has row-level security: its snapshot would be partial, its stream is not"))
                .why(message.message)
                .fix(format!("ALTER ROLE {} BYPASSRLS;", identifier(role)))
        }
        PostgresError::Server(message) if message.code == "42501" => {
            Problem::fail("pg/select", format!("role \"{role}\" may not read {name}"))
                .why(message.message)
                .fix(format!("GRANT SELECT ON {quoted} TO {};", identifier(role)))
        }
        // It is held, or the server is busy or going down: that has nothing to do with the statement.
        PostgresError::Server(message) if ["55P", "57", "53", "08"].iter().any(|class| message.code.starts_with(class)) => {
            PostgresError::Server(message).problem(&config.connection)
        }
        PostgresError::Server(message) if config.snapshot.select_of(&table.schema, &table.table).is_some() => {
            let option = format!("snapshot.select.statement.overrides.{name}");
            Problem::fail("pg/select", format!("{option} does not work"))
                .why(message.message)
                .fix(format!("let it give every column of {name}"))
        }
        // It is gone, or looks another way, since the snapshot was begun.
        PostgresError::Server(message) if matches!(message.code.as_str(), "42P01" | "42703") => {
            Problem::retry("pg/rewritten", format!("{name} changed while the snapshot was read: the rest is read beside the stream"))
                .why(message.message)
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

/// Turns rows into marked events.
pub(super) struct Reader {
    /// What writes them.
    pub encoder: Encoder,
    held: Option<Held>,
    current: CopyRow,
    lsn: Lsn,
    previous_commit: Option<Lsn>,
    xid: Option<u32>,
    /// As the stream has it.
    pub xmin: Option<u32>,
    time_us: i64,
    /// Rows held so far.
    pub rows: u64,
    /// Of each table, when they are told of.
    pub chunks: Vec<Chunks>,
}

impl Reader {
    /// For rows that are read now and stand at this position.
    pub fn new(context: &Context, lsn: Lsn, previous_commit: Option<Lsn>, xid: Option<u32>) -> Self {
        let mut encoder = Encoder::new(&context.events);
        encoder.set_now(now_ns());
        let time_us = now_ns() / 1000;
        Self {
            encoder,
            held: None,
            current: CopyRow::default(),
            lsn,
            previous_commit,
            xid,
            xmin: None,
            time_us,
            rows: 0,
            chunks: Vec::new(),
        }
    }

    /// Takes in a line of COPY.
    pub fn parse(&mut self, line: &[u8], source: &Source) -> Result<(), Problem> {
        let parsed = self.current.parse(line);
        parsed.map_err(|error| Problem::fail("row/undecodable", error.to_string()).at(source.plan.relation.name()))
    }

    /// Holds the row back that was taken in.
    pub fn hold(&mut self, source: usize, first_in_table: bool) {
        let row = mem::take(&mut self.current);
        // The row that was held before has been written; its memory is used again.
        self.current = self.held.replace(Held { source, row, first_in_table }).map(|old| old.row).unwrap_or_default();
    }

    /// Notes that the held row was written, and that table `index` is being read, behind so many rows of others.
    fn note(&self, sources: &[Source], index: usize, rows_before: u64, progress: &mut Progress) {
        come_to(progress, index);
        (progress.rows_before, progress.rows) = (rows_before, self.rows - rows_before);
        let held = self.held.as_ref().filter(|held| held.source == index && !sources[index].key.is_empty());
        progress.cursor = held.map(|held| sources[index].key_of(held.row.tuple()));
    }

    /// Writes the held row, now that it is known what follows: a row of table `next`, or nothing.
    pub async fn emit_held<W: LogWriter>(
        &mut self,
        config: &PostgresConfig,
        sources: &mut [Source],
        next: Option<usize>,
        commits: &mut Commits<W>,
    ) -> Result<(), Problem> {
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
        let at = self.position(mark);
        push_read(config, &mut self.encoder, &mut sources[held.source].plan, &held.row, at, commits).await
    }

    /// Where rows stand that are read now.
    fn position(&self, mark: SnapshotMark) -> Position {
        Position {
            lsn: self.lsn,
            previous_commit: self.previous_commit,
            xid: self.xid,
            commit_time_us: self.time_us,
            snapshot: mark,
            xmin: self.xmin,
            epoch: mark as u64,
        }
    }

    /// Reads all tables, one behind the other; `false` when it was told to stop.
    async fn read_all<W: LogWriter>(
        &mut self,
        context: &Context,
        session: &mut Connection,
        sources: &mut [Source],
        commits: &mut Commits<W>,
        pending: &mut Checkpoint,
        told: &Told,
    ) -> Result<bool, Problem> {
        let total = sources.len() as u32;
        for index in 0..sources.len() {
            let (name, rows_before) = (sources[index].table.name(), self.rows);
            notices::tell(context, commits, &told.begun(name.clone())).await?;
            self.tell_chunks_begun(context, commits, index, &name).await?;
            lock_as_it_was(session, &sources[index]).await.map_err(|error| copy_problem(error, context, &sources[index].table))?;
            let sql = sources[index].copy(&context.config.snapshot, Rows::After(None, None));
            session.copy_out(&sql).await.map_err(|error| copy_problem(error, context, &sources[index].table))?;
            let mut first_in_table = true;
            loop {
                let Some(line) = session.copy_row().await.map_err(|error| context.problem(&error))? else { break };
                self.parse(line, &sources[index])?;
                if !commits.is_open() {
                    commits.begin().await?;
                }
                self.emit_held(&context.config, sources, Some(index), commits).await?;
                if commits.bytes() >= COMMIT_BYTES_MAX {
                    if let Some(progress) = &mut pending.progress {
                        self.note(sources, index, rows_before, progress);
                    }
                    commits.hand_over(pending, self.encoder.now_ms(), &context.status).await?;
                }
                self.hold(index, first_in_table);
                first_in_table = false;
                self.rows += 1;
                if !self.chunks.is_empty() {
                    self.tell_chunks(context, commits, index, &name, self.rows - rows_before, told).await?;
                }
                if self.rows.is_multiple_of(ROWS_PER_LOOK) {
                    context.status.set_snapshot(total, index as u32, self.rows);
                    context.status.set_table_rows(&name, self.rows - rows_before);
                    self.encoder.set_now(now_ns());
                    if context.is_stopping() {
                        return Ok(false);
                    }
                }
            }
            context.status.set_table_rows(&name, self.rows - rows_before);
            self.tell_chunks_read(context, commits, index, &name, told).await?;
            notices::tell(context, commits, &told.read(name, self.rows - rows_before)).await?;
        }
        Ok(true)
    }

    /// Tells of a table's first chunk.
    pub async fn tell_chunks_begun<W: LogWriter>(
        &self,
        context: &Context,
        commits: &mut Commits<W>,
        index: usize,
        table: &str,
    ) -> Result<(), Problem> {
        let Some(chunks) = self.chunks.get(index) else { return Ok(()) };
        notices::tell(context, commits, &chunks.begun(table, 0)).await
    }

    /// Tells of the chunks that end with so many rows of the table.
    pub async fn tell_chunks<W: LogWriter>(
        &mut self,
        context: &Context,
        commits: &mut Commits<W>,
        index: usize,
        table: &str,
        rows: u64,
        told: &Told,
    ) -> Result<(), Problem> {
        let Some(chunks) = self.chunks.get_mut(index) else { return Ok(()) };
        while let Some(notices) = chunks.pass(table, rows, told) {
            for notice in &notices {
                notices::tell(context, commits, notice).await?;
            }
        }
        Ok(())
    }

    /// Tells of the last one, and of those before it that had no rows after all.
    pub async fn tell_chunks_read<W: LogWriter>(
        &mut self,
        context: &Context,
        commits: &mut Commits<W>,
        index: usize,
        table: &str,
        told: &Told,
    ) -> Result<(), Problem> {
        self.tell_chunks(context, commits, index, table, u64::MAX, told).await?;
        let Some(chunks) = self.chunks.get(index) else { return Ok(()) };
        notices::tell(context, commits, &chunks.read(table, told)).await
    }

    /// Takes over what several readers read, in order; `false` when it was told to stop.
    async fn take_all<W: LogWriter>(
        &mut self,
        context: &Context,
        mut readers: Readers,
        sources: &mut [Source],
        commits: &mut Commits<W>,
        pending: &mut Checkpoint,
        told: &Told,
    ) -> Result<bool, Problem> {
        let total = sources.len() as u32;
        let mut rows_before = 0;
        while let Some((range, mut pieces)) = readers.next().await? {
            let index = range.index;
            let name = sources[index].table.name();
            if range.is_first() {
                rows_before = self.rows;
                notices::tell(context, commits, &told.begun(name.clone())).await?;
                self.tell_chunks_begun(context, commits, index, &name).await?;
            }
            loop {
                commits.begin().await?;
                let (staged, rows, last) = match pieces.recv().await.ok_or_else(readers::ended)?? {
                    Piece::Rows(staged, rows, last) => (staged, rows, last),
                    Piece::End(None, _) => break,
                    Piece::End(Some(row), first_in_table) => {
                        self.emit_held(&context.config, sources, Some(index), commits).await?;
                        self.current = row;
                        self.hold(index, first_in_table);
                        self.rows += 1;
                        self.tell_chunks(context, commits, index, &name, self.rows - rows_before, told).await?;
                        break;
                    }
                };
                self.emit_held(&context.config, sources, Some(index), commits).await?;
                self.held = None;
                let (sink, counts) = commits.sink();
                counts.events += rows;
                counts.reads += rows;
                staged.replay(sink).map_err(|full| EncodeError::from(full).problem())?;
                self.rows += rows;
                self.tell_chunks(context, commits, index, &name, self.rows - rows_before, told).await?;
                readers.take_back(staged, rows);
                self.encoder.set_now(now_ns());
                if commits.bytes() >= COMMIT_BYTES_MAX {
                    if let Some(progress) = &mut pending.progress {
                        come_to(progress, index);
                        (progress.rows_before, progress.rows) = (rows_before, self.rows - rows_before);
                        progress.cursor = (!sources[index].key.is_empty()).then_some(last);
                    }
                    commits.hand_over(pending, self.encoder.now_ms(), &context.status).await?;
                }
                context.status.set_snapshot(total, index as u32, self.rows);
                context.status.set_table_rows(&name, self.rows - rows_before);
                if context.is_stopping() {
                    return Ok(false);
                }
            }
            if range.is_last() {
                context.status.set_table_rows(&name, self.rows - rows_before);
                self.tell_chunks_read(context, commits, index, &name, told).await?;
                notices::tell(context, commits, &told.read(name, self.rows - rows_before)).await?;
            }
        }
        Ok(true)
    }
}

fn come_to(progress: &mut Progress, index: usize) {
    while (progress.at as usize) < index {
        progress.next_table();
    }
}

/// A row named a new topic. Rows make topics only up to a number: each stays in the log's catalogue for good.
pub(super) fn learn(plan: &mut RelationPlan, said: &[u8], topic: TopicHandle) -> Result<(), Problem> {
    if plan.learn(said, topic) {
        return Ok(());
    }
    Err(too_many_topics(&format!("the rows of {}", plan.relation.name())))
}

/// Of what names its topics.
pub(super) fn too_many_topics(of: &str) -> Problem {
    Problem::fail("transform/too-many-topics", format!("{of} name more than {ROUTED_MAX} topics"))
        .why("route.by.field is meant for kinds of things, not for the things themselves")
        .fix("name another column in route.by.field, or map its values with route.topic.regex")
}

/// The row that a line of COPY stands for. An empty line is one empty text, or the row of a table without columns: the line
/// alone does not tell.
pub(super) fn tuple_of<'r>(relation: &Relation, row: &'r CopyRow) -> Tuple<'r> {
    if relation.columns.is_empty() { Tuple::new(&[], &[]) } else { row.tuple() }
}

/// Writes a row that was read.
pub(super) async fn push_read<W: LogWriter>(
    config: &PostgresConfig,
    encoder: &mut Encoder,
    plan: &mut RelationPlan,
    row: &CopyRow,
    at: Position,
    commits: &mut Commits<W>,
) -> Result<(), Problem> {
    let relation = std::sync::Arc::clone(&plan.relation);
    let after = Some(tuple_of(&relation, row));
    let change = RowChange { relation: &relation, op: Op::Read, before: None, before_is_key: false, after, at };
    let undecodable = |error: EncodeError| error.problem();
    match encoder.encode(plan, &change, commits.sink().0) {
        Ok(()) => {}
        Err(EncodeError::NewTopic { said, name }) => {
            let topic = Relations::open_topic(&mut commits.writer, &name, &Relations::topic_spec(config, &name)).await?;
            learn(plan, &said, topic)?;
            encoder.encode(plan, &change, commits.sink().0).map_err(undecodable)?;
        }
        Err(error) => return Err(undecodable(error)),
    }
    let (_, counts) = commits.sink();
    counts.events += 1;
    counts.reads += 1;
    Ok(())
}
