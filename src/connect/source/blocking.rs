//! Snapshots while the stream waits: Debezium's blocking ones, asked for by a signal.
//!
//! Owns when the rows are read and how: between two transactions, once everything that was delivered is visible, all
//! tables in one transaction, as an initial snapshot is read. Promises that the request is in the same commit of the log
//! as the signal, and is taken out in the commit of the last row; so a process that is killed in between begins it again.
//! The replication session is kept alive all the while. A request that cannot be carried out is told and left out.

use std::time::{Duration, Instant};

use super::commits::COMMIT_BYTES_MAX;
use super::delivered::Delivered;
use super::notices::{self, Chunks, Told};
use super::pauses::Pauses;
use super::snapshot::{self, ROWS_PER_LOOK, Reader, Source, lock_as_it_was};
use super::stream::Stream;
use super::task::{Context, now_ns};
use crate::change::Lsn;
use crate::change::asked::{ASKED_MAX, Asked};
use crate::change::progress::Visibility;
use crate::log::LogWriter;
use crate::postgres::catalog::{self, Table};
use crate::postgres::connection::Session;
use crate::postgres::publication::{self, Published};
use crate::postgres::reading::{self, Rows};
use crate::postgres::{Connection, PostgresError};
use crate::problem::{Action, Problem};

/// Between two tries, at most.
const RETRY_MAX: Duration = Duration::from_secs(1);

const OTHERS: &str = "transactions that were open when it was asked for have to end: see xact_start in pg_stat_activity";

/// A request that waits for its time.
pub(super) struct Blocking {
    delivered: Delivered,
    session: Option<Connection>,
    pauses: Pauses,
}

/// What became of an attempt.
enum Outcome {
    /// Not now: others have to end first.
    NotYet(&'static str),
    /// It is done, or will never be.
    Over,
    /// The capture shall end.
    Stopped,
}

/// Why it ends before its end.
enum Broken {
    /// The capture shall end.
    Stopped,
    /// What was asked for does not work.
    Request(String),
    /// The capture does not.
    Capture(Problem),
}

impl From<Problem> for Broken {
    fn from(problem: Problem) -> Self {
        match problem.action {
            Action::Fail | Action::Refuse => Self::Request(problem.text()),
            Action::Retry | Action::Stop => Self::Capture(problem),
        }
    }
}

impl Blocking {
    /// A transaction was delivered.
    pub(super) fn deliver(&mut self, xid: u32) {
        self.delivered.add(xid);
    }

    fn put_off(&mut self, why: &str) {
        self.pauses.put_off(RETRY_MAX);
        if self.pauses.wait() {
            tracing::warn!("the blocking snapshot waits: {why}");
        }
    }
}

impl<W: LogWriter> Stream<'_, W> {
    /// When a snapshot may be tried; `None`: none is asked for, or a transaction is open.
    #[inline]
    pub(super) fn blocking_due(&self) -> Option<Instant> {
        self.work.blocking.as_ref().filter(|_| !self.work.resume.in_transaction()).map(|blocking| blocking.pauses.due())
    }

    /// Takes in a request; the next commit of the log has it.
    pub(super) async fn ask_for(&mut self, asked: Asked) -> Result<(), Problem> {
        if self.work.resume.checkpoint().asked.len() >= ASKED_MAX {
            tracing::warn!(id = asked.id, "{ASKED_MAX} blocking snapshots are asked for already: the signal has no effect");
            return Ok(());
        }
        self.work.resume.ask(asked);
        self.await_blocking().await
    }

    /// From now on, requests wait for what was delivered.
    pub(super) async fn await_blocking(&mut self) -> Result<(), Problem> {
        if self.work.blocking.is_some() || self.work.resume.checkpoint().asked.is_empty() {
            return Ok(());
        }
        self.reopen_client().await?;
        let floor = reading::newest_xid(&self.client).await.map_err(|error| self.context.problem(&error))?;
        let delivered = Delivered::below(floor);
        self.work.blocking = Some(Blocking { delivered, session: None, pauses: Pauses::new() });
        Ok(())
    }

    /// Between two transactions: takes the first snapshot that is asked for, if it may be taken now.
    pub(super) async fn take_blocking(&mut self) -> Result<(), Problem> {
        let Some(asked) = self.work.resume.checkpoint().asked.first().cloned() else {
            self.work.blocking = None;
            return Ok(());
        };
        // Rare beside the rest of the loop, whose future stays small.
        let outcome = Box::pin(self.try_blocking(&asked)).await?;
        // Nothing was heard of the server meanwhile, because nobody listened.
        self.listen_again();
        match (outcome, &mut self.work.blocking) {
            (Outcome::NotYet(why), Some(blocking)) => blocking.put_off(why),
            (Outcome::Over, Some(blocking)) => {
                blocking.pauses.rest(Duration::ZERO);
                blocking.pauses.waited();
            }
            _ => {}
        }
        Ok(())
    }

    async fn try_blocking(&mut self, asked: &Asked) -> Result<Outcome, Problem> {
        if self.backfill.is_some() {
            return Ok(Outcome::NotYet("the initial snapshot is not finished"));
        }
        if !self.open_commit().await? {
            return Ok(Outcome::Stopped);
        }
        let (selected, told) = self.select(asked).await?;
        let mut session = match self.work.blocking.as_mut().and_then(|blocking| blocking.session.take()) {
            Some(session) => session,
            None => {
                let opened = Connection::open(&self.context.config.connection, Session::Sql, &self.context.application_name()).await;
                opened.map_err(|error| self.context.problem(&error))?
            }
        };
        let not_yet = match self.keep_alive(see(&mut session, &selected)).await? {
            Ok(seen) => {
                let waits = self.work.blocking.as_mut().is_some_and(|blocking| !blocking.delivered.are_seen_by(&seen));
                waits.then_some(OTHERS)
            }
            Err(PostgresError::Server(message)) if message.code == "55P03" => Some("somebody holds a table locked"),
            // Renamed or dropped since it was looked up.
            Err(PostgresError::Server(message)) if matches!(message.code.as_str(), "42P01" | "3F000") => Some("a table changes"),
            Err(PostgresError::Server(message)) if message.severity == "ERROR" => {
                self.begin_snapshot(asked, &selected).await?;
                return self.give_up(asked, &message.message).await;
            }
            Err(error) => return Err(self.context.problem(&error)),
        };
        if let Some(why) = not_yet {
            session.query("rollback").await.map_err(|error| self.context.problem(&error))?;
            if let Some(blocking) = &mut self.work.blocking {
                blocking.session = Some(session);
            }
            return Ok(Outcome::NotYet(why));
        }
        for named in &asked.request.collections {
            if !selected.iter().any(|(table, _)| named.matches(&table.schema, &table.table)) {
                let named = named.text();
                tracing::warn!(id = asked.id, named, "the blocking snapshot is asked for a table that is not captured, or not published");
            }
        }
        tracing::info!(id = asked.id, tables = selected.len(), "a blocking snapshot begins, the stream waits");
        self.begin_snapshot(asked, &selected).await?;
        match self.read_all(asked, &selected, &told, &mut session).await {
            Ok(rows) => {
                self.outdate_rows();
                self.notice("COMPLETED").await?;
                self.work.resume.is_done();
                self.hand_over().await?;
                tracing::info!(id = asked.id, rows, "the blocking snapshot is finished, the stream goes on");
                Ok(Outcome::Over)
            }
            Err(Broken::Capture(problem)) => Err(problem),
            Err(Broken::Request(why)) => {
                self.outdate_rows();
                self.give_up(asked, &why).await
            }
            Err(Broken::Stopped) => {
                // It begins again after the next start.
                self.context.status.give_snapshot_up();
                if self.work.commits.is_open() {
                    self.notice("ABORTED").await?;
                }
                Ok(Outcome::Stopped)
            }
        }
    }

    /// Rows that wait were read before these.
    fn outdate_rows(&mut self) {
        if let Some(watch) = &mut self.work.watch {
            watch.void();
            watch.forget_keys();
        }
    }

    async fn notice(&mut self, kind: &'static str) -> Result<(), Problem> {
        notices::tell(self.context, &mut self.work.commits, &notices::snapshot(kind, Vec::new())).await
    }

    /// It is told that it begins. A commit is open.
    async fn begin_snapshot(&mut self, asked: &Asked, selected: &[(Table, Published)]) -> Result<(), Problem> {
        let ids: Vec<_> = selected.iter().map(|(table, _)| table.id).collect();
        // They are for showing only; of a part of a table nobody knows.
        let mut estimates = catalog::analysed_rows(&self.client, &ids).await.unwrap_or_default();
        for (table, _) in selected.iter().filter(|(table, _)| asked.request.filter_of(&table.schema, &table.table).is_some()) {
            estimates.remove(&table.id);
        }
        self.context.status.begin_snapshot(&snapshot::estimated(selected, &estimates));
        self.notice("STARTED").await
    }

    /// What was asked for does not work: the stream goes on without it.
    async fn give_up(&mut self, asked: &Asked, why: &str) -> Result<Outcome, Problem> {
        tracing::warn!(id = asked.id, "the blocking snapshot is given up, the stream goes on: {why}");
        self.context.status.give_snapshot_up();
        if !self.open_commit().await? {
            return Ok(Outcome::Stopped);
        }
        self.notice("ABORTED").await?;
        self.work.resume.is_done();
        self.hand_over().await?;
        Ok(Outcome::Over)
    }

    /// The captured tables that are asked for, and how it is told of them.
    async fn select(&mut self, asked: &Asked) -> Result<(Vec<(Table, Published)>, Told), Problem> {
        self.reopen_client().await?;
        let config = &self.context.config;
        let wrong = |error: PostgresError| self.context.problem(&error);
        let tables = catalog::tables(&self.client).await.map_err(wrong)?;
        let published = publication::published(&self.client, &config.publication_name, self.server_version).await.map_err(wrong)?;
        let is_asked = |table: &Table| asked.request.collections.iter().any(|named| named.matches(&table.schema, &table.table));
        let captured = |table: &&Table| config.tables.includes(&table.schema, &table.table) && is_asked(table);
        let is_read = |table: &&Table| !config.signals.is_table(&table.schema, &table.table);
        let selected = snapshot::published_of(self.context, tables.iter().filter(captured).filter(is_read), &published);
        let signals = config.signals.table.as_ref().filter(|_| tables.iter().filter(captured).any(|table| !is_read(&table)));
        let told = snapshot::told_with(self.context, &selected, signals);
        Ok((selected, told))
    }

    /// Reads all tables in the session's transaction; the last commit is left to the caller. How many rows they had.
    async fn read_all(
        &mut self,
        asked: &Asked,
        selected: &[(Table, Published)],
        told: &Told,
        session: &mut Connection,
    ) -> Result<u64, Broken> {
        let ids: Vec<_> = selected.iter().map(|(table, _)| table.id).collect();
        let mut keys = reading::keys(&self.client, &ids).await.map_err(|error| broken(error, self.context))?;
        let mut sources = Vec::new();
        for (table, published) in selected {
            let key = keys.remove(&table.id).unwrap_or_default();
            let Stream { client, work, .. } = &mut *self;
            let described = Source::describe(client, table.clone(), published.clone(), key, &mut work.relations, &mut work.commits.writer);
            sources.push(described.await?);
        }
        let checkpoint = self.work.resume.checkpoint();
        let previous_commit = (checkpoint.end_lsn > Lsn(0)).then_some(checkpoint.end_lsn);
        let xid = (checkpoint.xid != 0).then_some(checkpoint.xid);
        let lsn = checkpoint.lsn.max(checkpoint.snapshot_lsn);
        let mut reader = Reader::new(self.context, lsn, previous_commit, xid);
        reader.xmin = self.work.at.xmin;
        let total = sources.len() as u32;
        if let Some(most) = snapshot::told_chunks(self.context) {
            for Source { table, published, key, .. } in &sources {
                let chunks = if key.is_empty() || asked.request.filter_of(&table.schema, &table.table).is_some() {
                    Chunks::of(1, 1)
                } else {
                    let sql = format!("savepoint uncounted; {}; release savepoint uncounted", reading::count(table, published));
                    match self.keep_alive(session.query(&sql)).await? {
                        Ok(counted) => Chunks::of(reading::counted(&counted), most),
                        // Whether it can be read, reading it says.
                        Err(PostgresError::Server(message)) if message.severity == "ERROR" => {
                            let sql = "rollback to savepoint uncounted; release savepoint uncounted";
                            self.keep_alive(session.query(sql)).await?.map_err(|error| broken(error, self.context))?;
                            tracing::info!(
                                table = table.name(),
                                "its rows are not counted, it is told of as one chunk: {}",
                                message.message
                            );
                            Chunks::of(1, 1)
                        }
                        Err(error) => return Err(broken(error, self.context)),
                    }
                };
                reader.chunks.push(chunks);
            }
        }
        for index in 0..sources.len() {
            let (name, before) = (sources[index].table.name(), reader.rows);
            if !self.open_commit().await? {
                return Err(Broken::Stopped);
            }
            notices::tell(self.context, &mut self.work.commits, &told.begun(name.clone())).await?;
            reader.tell_chunks_begun(self.context, &mut self.work.commits, index, &name).await?;
            let (schema, table) = (&sources[index].table.schema, &sources[index].table.table);
            let select = asked.request.filter_of(schema, table).map(|select| select.trim().trim_end_matches(';'));
            let sql = sources[index].copy_of(select, Rows::After(None, None));
            if let Err(broken) = self.read_table(&mut reader, &mut sources, index, &sql, session, told).await {
                if matches!(broken, Broken::Request(_)) && self.work.commits.is_open() {
                    notices::tell(self.context, &mut self.work.commits, &Told::failed(name)).await?;
                }
                return Err(broken);
            }
            if !self.open_commit().await? {
                return Err(Broken::Stopped);
            }
            reader.tell_chunks_read(self.context, &mut self.work.commits, index, &name, told).await?;
            self.context.status.set_table_rows(&name, reader.rows - before);
            notices::tell(self.context, &mut self.work.commits, &told.read(name, reader.rows - before)).await?;
            self.context.status.set_snapshot(total, index as u32 + 1, reader.rows);
        }
        // The last rows may have filled a commit.
        if !self.open_commit().await? {
            return Err(Broken::Stopped);
        }
        reader.emit_held(&self.context.config, &mut sources, None, &mut self.work.commits).await?;
        session.query("commit").await.map_err(|error| broken(error, self.context))?;
        Ok(reader.rows)
    }

    /// One table's rows into commits; the last one is held back.
    async fn read_table(
        &mut self,
        reader: &mut Reader,
        sources: &mut [Source],
        index: usize,
        sql: &str,
        session: &mut Connection,
        told: &Told,
    ) -> Result<(), Broken> {
        let (name, before) = (sources[index].table.name(), reader.rows);
        self.keep_alive(lock_as_it_was(session, &sources[index])).await?.map_err(|error| broken(error, self.context))?;
        self.keep_alive(session.copy_out(sql)).await?.map_err(|error| broken(error, self.context))?;
        let mut first_in_table = true;
        loop {
            let line = self.keep_alive(session.copy_row()).await?;
            let Some(line) = line.map_err(|error| broken(error, self.context))? else { return Ok(()) };
            reader.parse(line, &sources[index])?;
            if !self.open_commit().await? {
                return Err(Broken::Stopped);
            }
            reader.emit_held(&self.context.config, sources, Some(index), &mut self.work.commits).await?;
            if self.work.commits.bytes() >= COMMIT_BYTES_MAX {
                self.hand_over().await?;
            }
            reader.hold(index, first_in_table);
            first_in_table = false;
            reader.rows += 1;
            if !reader.chunks.is_empty() {
                // What was just handed over may have filled the log.
                if !self.open_commit().await? {
                    return Err(Broken::Stopped);
                }
                reader.tell_chunks(self.context, &mut self.work.commits, index, &name, reader.rows - before, told).await?;
            }
            if reader.rows.is_multiple_of(ROWS_PER_LOOK) {
                reader.encoder.set_now(now_ns());
                self.context.status.set_table_rows(&name, reader.rows - before);
                self.look_up().await?;
                if self.context.is_stopping() {
                    return Err(Broken::Stopped);
                }
            }
        }
    }
}

/// What the server refuses is the request's fault.
fn broken(error: PostgresError, context: &Context) -> Broken {
    match error {
        PostgresError::Server(message) if message.severity == "ERROR" => Broken::Request(message.message),
        error => context.problem(&error).into(),
    }
}

/// Begins the transaction of a snapshot: locks first, so that no rewrite or truncate can come between them and what it sees.
async fn see(session: &mut Connection, selected: &[(Table, Published)]) -> Result<Visibility, PostgresError> {
    let mut sql = String::from(
        "begin isolation level repeatable read, read only; set local row_security = off; set local lock_timeout = '100ms'; \
         set local idle_in_transaction_session_timeout = 0; ",
    );
    for (table, _) in selected {
        sql.push_str(&format!("lock table {}{} in access share mode; ", reading::only(table), table.quoted()));
    }
    sql.push_str("select pg_current_snapshot()::text");
    let rows = session.query(&sql).await?;
    let text = rows.last().and_then(|row| row.first().cloned().flatten()).unwrap_or_default();
    Visibility::parse(&text).ok_or_else(|| PostgresError::Protocol(format!("{text:?} for a snapshot")))
}
