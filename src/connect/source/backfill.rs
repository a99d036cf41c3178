//! Reading what is left of a snapshot while the stream runs, chunk after chunk between two transactions.
//!
//! Owns when a chunk is read and how: each in a short transaction of its own, under a lock that was taken before its
//! snapshot. What the stream leaves out meanwhile is the [`super::gate`]'s decision. Promises that the rows of a chunk
//! and how far it is are in one commit, whenever that is handed over; so a process that is killed goes on at the row
//! behind the last durable one. A table whose files are others than before waits until the stream has come to its
//! truncation: else that would end rows that were read behind it.

use std::mem;
use std::time::{Duration, Instant};

use super::commits::COMMIT_BYTES_MAX;
use super::gate::{Gate, Mode, key_changed};
use super::notices::{self, Told};
use super::pauses::Pauses;
use super::snapshot::{self, ROWS_PER_LOOK, Source, copy_problem, push_read};
use super::stream::Stream;
use super::task::{Context, now_ns};
use super::work::HEARTBEAT_PREFIX;
use crate::change::progress::{Key, KeyColumn, Progress, TableLeft, signature};
use crate::change::{Lsn, Position, RelationId, SnapshotMark};
use crate::log::LogWriter;
use crate::postgres::catalog::{self, Table};
use crate::postgres::connection::Session;
use crate::postgres::copy_text::CopyRow;
use crate::postgres::publication::{self, Published};
use crate::postgres::reading::{self, Opened, Rows};
use crate::postgres::{Client, Connection, PostgresError, slot};
use crate::problem::Problem;

/// A chunk shall take about so long: short enough for the stream behind it, long enough to be worth its begin.
const CHUNK_TIME: Duration = Duration::from_millis(200);
/// Rows of a chunk whose key only PostgreSQL orders: their keys are remembered until the stream has passed them.
const KEYED_ROWS: u64 = 1024;
/// Rows of any other chunk: at first, at least and at most.
const ROWS_FIRST: u64 = 5_000;
const ROWS_MIN: u64 = 500;
const ROWS_MAX: u64 = 50_000;
/// So many chunks may live that the stream has not passed.
const CHUNKS_MAX: usize = 16;
const POINTS_MAX: usize = 2;
/// Between two tries, at most.
const RETRY_MAX: Duration = Duration::from_millis(200);
/// A table that somebody holds locked is tried again after this.
const LOCKED_PAUSE: Duration = Duration::from_secs(1);
/// The stream is waited for so long before the database is made to write.
const NUDGE_INTERVAL: Duration = Duration::from_secs(1);
/// So many rows are read again at once.
const REPAIRS_AT_ONCE: usize = 200;

/// What reads the rest of a snapshot.
pub(super) struct Backfill {
    server_version: u32,
    session: Option<Connection>,
    /// The tables that a snapshot may read; looked up again when one of them is not what it was.
    selected: Vec<(Table, Published)>,
    /// The table that is being read, and what stood for its columns.
    source: Option<(i64, Source)>,
    pauses: Pauses,
    rows_per_chunk: u64,
    /// The current table's files are these now, and the stream must come to this position first.
    awaited: Option<(i64, Lsn)>,
    /// When the reading went on, microseconds since 1970, and a transaction of that time.
    began_us: i64,
    xid: u32,
    nudged: Instant,
    /// How it is told of on the channels of notifications.
    notices: Told,
    /// That it goes on is told.
    is_started: bool,
    /// The number of the table of which it is told that it is being read, and its rows so far.
    being_read: Option<(u32, u64)>,
}

/// What became of an attempt to read a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Rows were read, or a table turned out to be none of ours.
    Read,
    /// Not now: the stream has to come further, or others have to end first.
    NotYet,
    /// Somebody holds the table locked.
    Locked,
}

/// What to read.
enum Wanted {
    /// What follows the cursor.
    Next(RelationId),
    /// Rows whose large values are unknown.
    Again(RelationId, Vec<Key>),
}

impl Backfill {
    /// Goes on with a snapshot; the gate says what the stream may publish from now on.
    pub async fn resume(context: &Context, client: &Client, server_version: u32, progress: &Progress) -> Result<(Self, Gate), Problem> {
        let wrong = |error: PostgresError| context.problem(&error);
        let floor = reading::newest_xid(client).await.map_err(wrong)?;
        let mut ids: Vec<_> = progress.tables.iter().map(|table| table.id).collect();
        ids.extend(progress.points.iter().map(|points| points.id));
        let keys = reading::keys(client, &ids).await.map_err(wrong)?;
        let key_of = |id: RelationId| keys.get(&id).cloned().unwrap_or_default();
        // What is no longer to be read is not waited for either: its changes pass.
        let chosen = selected(context, client, server_version).await?;
        let mut gate = Gate::new(progress.clone(), floor);
        for points in &progress.points {
            gate.describe_read(points.id, key_of(points.id));
        }
        for (number, table) in (progress.first..).zip(&progress.tables) {
            let key = key_of(table.id);
            let begun = number < progress.at || (number == progress.at && progress.cursor.is_some());
            if begun && !key.is_empty() && signature(&key) != table.key {
                return Err(key_changed(&format!("table {}", table.id.0)));
            }
            let Some((chosen, _)) = chosen.iter().find(|(chosen, _)| chosen.id == table.id) else { continue };
            if let Some(mode) = mode_of(context, chosen, &key) {
                gate.describe(number, table.id, key, mode);
            }
        }
        let left = progress.left();
        tracing::info!(connector = context.config.name, tables = left.len(), "the snapshot goes on where it was, beside the stream");
        // A table without a cursor is read from its beginning.
        let rows = if progress.cursor.is_some() { progress.rows } else { 0 };
        gate.progress_mut().rows = rows;
        let estimates = catalog::analysed_rows(client, &left.iter().map(|table| table.id).collect::<Vec<_>>()).await;
        // They are for showing only.
        let estimates = estimates.unwrap_or_default();
        let named = |table: &TableLeft| {
            let found = chosen.iter().find(|(chosen, _)| chosen.id == table.id);
            (found.map_or_else(|| format!("table {}", table.id.0), |(chosen, _)| chosen.name()), estimates.get(&table.id).copied())
        };
        if !progress.is_read() {
            context.status.resume_snapshot(progress.at, progress.rows_before, rows, &left.iter().map(named).collect::<Vec<_>>());
        }
        let backfill = Self {
            server_version,
            session: None,
            selected: Vec::new(),
            source: None,
            pauses: Pauses::new(),
            rows_per_chunk: ROWS_FIRST,
            awaited: None,
            began_us: now_ns() / 1000,
            // The lower half is what the stream carries.
            xid: floor as u32,
            nudged: Instant::now(),
            notices: snapshot::told(context, &chosen),
            is_started: false,
            being_read: None,
        };
        Ok((backfill, gate))
    }

    /// Other tables are captured now.
    pub fn look_up_again(&mut self) {
        self.selected.clear();
    }

    fn plan_next(&mut self, outcome: Outcome, took: Duration, behind: bool) {
        match outcome {
            // The stream gets its half of the time.
            Outcome::Read => self.pauses.rest(if behind { took } else { Duration::ZERO }),
            Outcome::NotYet => self.pauses.put_off(RETRY_MAX),
            Outcome::Locked => self.pauses.rest(LOCKED_PAUSE),
        }
    }

    fn adapt(&mut self, took: Duration) {
        let rows = self.rows_per_chunk;
        let rows = if took > CHUNK_TIME * 2 { rows / 2 } else { rows };
        let rows = if took < CHUNK_TIME / 2 { rows * 2 } else { rows };
        self.rows_per_chunk = rows.clamp(ROWS_MIN, ROWS_MAX);
    }

    /// Reads a chunk, if one may be read now.
    async fn attempt<W: LogWriter>(&mut self, stream: &mut Stream<'_, W>) -> Result<Outcome, Problem> {
        let passed = stream.passed();
        let Some(gate) = &mut stream.work.gate else { return Ok(Outcome::NotYet) };
        if let Some((files, until)) = self.awaited {
            if passed < until {
                return Ok(Outcome::NotYet);
            }
            self.awaited = None;
            if let Some(table) = gate.progress_mut().current_mut() {
                table.files = files;
            }
        }
        let progress = gate.progress();
        if progress.chunks.len() >= CHUNKS_MAX || progress.points.len() >= POINTS_MAX {
            return Ok(Outcome::NotYet);
        }
        let Some(wanted) = wanted(progress) else { return Ok(Outcome::NotYet) };
        let (Wanted::Next(id) | Wanted::Again(id, _)) = &wanted;
        let Some((table, published)) = self.find(stream, *id).await? else {
            let gate = gate_of(stream)?;
            leave_out(gate, &wanted);
            let (left, rows) = (gate.progress().left().len(), gate.progress().rows_before);
            stream.context.status.leave_table_out(u32::try_from(left).unwrap_or(u32::MAX), rows);
            return Ok(Outcome::Read);
        };
        if !stream.open_commit().await? {
            return Ok(Outcome::NotYet);
        }
        let opened = match self.open(stream, &table).await? {
            Ok(opened) => opened,
            Err(outcome) => return Ok(outcome),
        };
        let outcome = self.read(stream, table, published, &opened, wanted).await?;
        if let Some(session) = &mut self.session {
            session.query("commit").await.map_err(|error| stream.context.problem(&error))?;
        }
        Ok(outcome)
    }

    /// The table as the catalogue and the publication have it; `None`: it is gone, or not captured any more.
    async fn find<W: LogWriter>(&mut self, stream: &mut Stream<'_, W>, id: RelationId) -> Result<Option<(Table, Published)>, Problem> {
        if self.selected.is_empty() {
            stream.reopen_client().await?;
            self.selected = selected(stream.context, &stream.client, self.server_version).await?;
        }
        Ok(self.selected.iter().find(|(table, _)| table.id == id).cloned())
    }

    /// Begins the transaction of a chunk.
    async fn open<W: LogWriter>(&mut self, stream: &mut Stream<'_, W>, table: &Table) -> Result<Result<Opened, Outcome>, Problem> {
        let context = &*stream.context;
        let session = match &mut self.session {
            Some(session) => session,
            None => {
                let opened = Connection::open(&context.config.connection, Session::Sql, &context.application_name()).await;
                self.session.insert(opened.map_err(|error| context.problem(&error))?)
            }
        };
        let not_now = match reading::open(session, table).await {
            Ok(Some(opened)) => return Ok(Ok(opened)),
            // Renamed or dropped since it was looked up.
            Ok(None) => Outcome::NotYet,
            Err(PostgresError::Server(message)) if message.code == "55P03" => Outcome::Locked,
            Err(PostgresError::Server(message)) if matches!(message.code.as_str(), "42P01" | "3F000") => Outcome::NotYet,
            Err(error) => return Err(copy_problem(error, context, table)),
        };
        self.selected.clear();
        session.query("rollback").await.map_err(|error| context.problem(&error))?;
        Ok(Err(not_now))
    }

    /// Reads in the open transaction.
    async fn read<W: LogWriter>(
        &mut self,
        stream: &mut Stream<'_, W>,
        table: Table,
        published: Published,
        opened: &Opened,
        wanted: Wanted,
    ) -> Result<Outcome, Problem> {
        if !gate_of(stream)?.may_read(&opened.seen) {
            self.tell_of_waiting(gate_of(stream)?.waits_below());
            return Ok(Outcome::NotYet);
        }
        self.pauses.waited();
        let id = table.id;
        let known = self.source.as_ref().is_some_and(|(columns, source)| *columns == opened.columns && source.table.id == id);
        if !known {
            if self.source.as_ref().is_some_and(|(_, source)| source.table.id == id) {
                // What the publication says of its columns may be new, too.
                self.selected.clear();
                self.source = None;
                return Ok(Outcome::NotYet);
            }
            stream.reopen_client().await?;
            let keys = reading::keys(&stream.client, &[id]).await.map_err(|error| stream.context.problem(&error))?;
            let key = keys.get(&id).cloned().unwrap_or_default();
            let Stream { client, work, .. } = &mut *stream;
            let described = Source::describe(client, table, published, key, &mut work.relations, &mut work.commits.writer).await?;
            self.source = Some((opened.columns, described));
        }
        let Some((_, source)) = &self.source else { return Ok(Outcome::NotYet) };
        let described = mode_of(stream.context, &source.table, &source.key);
        let mode = described.unwrap_or(Mode::Whole);
        let gate = gate_of(stream)?;
        let limit = match wanted {
            Wanted::Again(..) => None,
            Wanted::Next(_) => {
                let progress = gate.progress_mut();
                let (number, begun) = (progress.at, progress.cursor.is_some());
                let Some(left) = progress.current_mut() else { return Ok(Outcome::NotYet) };
                if left.files != opened.files {
                    self.awaited = Some((opened.files, opened.until));
                    return Ok(Outcome::NotYet);
                }
                let signed = signature(&source.key);
                if begun && left.key != signed {
                    return Err(key_changed(&source.plan.relation.name()));
                }
                left.key = signed;
                if let Some(mode) = described {
                    gate.describe(number, id, source.key.clone(), mode);
                }
                match mode {
                    Mode::Whole => None,
                    Mode::Keyed => Some(KEYED_ROWS),
                    Mode::Ordered => Some(self.rows_per_chunk),
                }
            }
        };
        let number = gate.progress().at;
        let is_new = matches!(wanted, Wanted::Next(_)) && self.being_read.is_none_or(|(known, _)| known != number);
        if is_new {
            self.being_read = Some((number, 0));
            let begun = self.notices.begun(source.table.name());
            notices::tell(stream.context, &mut stream.work.commits, &begun).await?;
        }
        let gate = gate_of(stream)?;
        if matches!(wanted, Wanted::Next(_)) && mode != Mode::Keyed {
            gate.begin_chunk(opened.seen.clone(), opened.until);
        }
        let began = Instant::now();
        self.copy(stream, opened, &wanted, mode, limit).await?;
        self.adapt(began.elapsed());
        Ok(Outcome::Read)
    }

    /// The rows of a chunk into commits. Told to stop, it ends in the middle; what is noted is what was written.
    async fn copy<W: LogWriter>(
        &mut self,
        stream: &mut Stream<'_, W>,
        opened: &Opened,
        wanted: &Wanted,
        mode: Mode,
        limit: Option<u64>,
    ) -> Result<(), Problem> {
        let (Some(session), Some((_, source))) = (&mut self.session, &mut self.source) else { return Ok(()) };
        let progress = gate_of(stream)?.progress();
        let cursor = progress.cursor.clone();
        let last_table = progress.left().len() == 1;
        let rows = match wanted {
            // One more shows whether others follow.
            Wanted::Next(_) => Rows::After(cursor.as_ref(), limit.map(|limit| limit + 1)),
            Wanted::Again(_, keys) => Rows::At(keys),
        };
        let sql = source.copy(&stream.context.config.snapshot, rows);
        let begun = stream.keep_alive(session.copy_out(&sql)).await?;
        begun.map_err(|error| copy_problem(error, stream.context, &source.table))?;
        let mut chunk = Written { mode, again: matches!(wanted, Wanted::Again(..)), last: None, keys: Vec::new(), rows: 0 };
        let (mut held, mut current): (Option<CopyRow>, _) = (None, CopyRow::default());
        let mut got = 0u64;
        let mut first = cursor.is_none();
        stream.work.encoder.set_now(now_ns());
        let mut stopped = false;
        loop {
            // A scan that finds nothing for long must not cost the replication session.
            let line = stream.keep_alive(session.copy_row()).await?;
            let Some(line) = line.map_err(|error| stream.context.problem(&error))? else { break };
            let parsed = current.parse(line);
            parsed.map_err(|error| Problem::fail("row/undecodable", error.to_string()).at(source.plan.relation.name()))?;
            got += 1;
            if let Some(row) = &held {
                let mark = if mem::take(&mut first) && !chunk.again { SnapshotMark::FirstInDataCollection } else { SnapshotMark::True };
                let at = position(stream, self.began_us, self.xid, mark);
                push_read(&stream.context.config, &mut stream.work.encoder, &mut source.plan, row, at, &mut stream.work.commits).await?;
                chunk.note(source, row);
                if stream.work.commits.bytes() >= COMMIT_BYTES_MAX {
                    chunk.keep(gate_of(stream)?, source, opened);
                    stream.hand_over().await?;
                    stopped = !stream.open_commit().await?;
                }
                if got.is_multiple_of(ROWS_PER_LOOK) {
                    stream.look_up().await?;
                    stopped |= stream.context.is_stopping();
                }
                if stopped {
                    break;
                }
            }
            let row = mem::take(&mut current);
            current = held.replace(row).unwrap_or_default();
        }
        let more = limit.is_some_and(|limit| got > limit);
        if let Some(row) = held.filter(|_| !more && !stopped) {
            let mark = match (chunk.again, last_table) {
                (true, _) => SnapshotMark::True,
                (false, true) => SnapshotMark::Last,
                (false, false) => SnapshotMark::LastInDataCollection,
            };
            let at = position(stream, self.began_us, self.xid, mark);
            push_read(&stream.context.config, &mut stream.work.encoder, &mut source.plan, &row, at, &mut stream.work.commits).await?;
            chunk.note(source, &row);
        }
        chunk.keep(gate_of(stream)?, source, opened);
        let (rows, rows_before) = (gate_of(stream)?.progress().rows, gate_of(stream)?.progress().rows_before);
        if stopped {
            // The rest of the answer is not read.
            self.session = None;
            return Ok(());
        }
        if let (Wanted::Next(_), Some((_, told))) = (wanted, &mut self.being_read) {
            *told += if more { got.saturating_sub(1) } else { got };
            stream.context.status.set_table_rows(&source.table.name(), rows);
            if !more {
                let read = self.notices.read(source.table.name(), *told);
                notices::tell(stream.context, &mut stream.work.commits, &read).await?;
            }
        }
        let progress = gate_of(stream)?.progress_mut();
        match wanted {
            Wanted::Next(_) if !more => progress.next_table(),
            Wanted::Next(_) => {}
            Wanted::Again(id, keys) => progress.repairs.retain(|(of, key)| of != id || !keys.contains(key)),
        }
        let (done, total) = (progress.at, progress.first + progress.tables.len() as u32);
        stream.context.status.set_snapshot(total, done, rows_before + rows);
        Ok(())
    }

    fn tell_of_waiting(&mut self, floor: Option<u64>) {
        if self.pauses.wait() {
            tracing::warn!(
                older_than = floor,
                "the snapshot goes on when the transactions that were open at the start have ended: see xact_start in pg_stat_activity, and pg_prepared_xacts"
            );
        }
    }
}

/// What the stream is waited for may be the begin of a page that nobody writes to: an idle database is made to.
pub(super) async fn nudge<W: LogWriter>(stream: &mut Stream<'_, W>, nudged: &mut Instant) -> Result<(), Problem> {
    if nudged.elapsed() > NUDGE_INTERVAL {
        *nudged = Instant::now();
        stream.reopen_client().await?;
        // A standby or a role without the privilege cannot.
        if let Err(error) = slot::emit_message(&stream.client, HEARTBEAT_PREFIX).await {
            tracing::debug!("no message in the WAL: {error}");
        }
    }
    Ok(())
}

/// The tables that the configuration of now has in the snapshot.
async fn selected(context: &Context, client: &Client, server_version: u32) -> Result<Vec<(Table, Published)>, Problem> {
    let tables = catalog::tables(client).await.map_err(|error| context.problem(&error))?;
    let published = publication::published(client, &context.config.publication_name, server_version).await;
    Ok(snapshot::select_tables(context, &tables, &published.map_err(|error| context.problem(&error))?))
}

/// How a table is read; `None`: its changes pass while it is read, so that some may come twice and none is lost.
fn mode_of(context: &Context, table: &Table, key: &[KeyColumn]) -> Option<Mode> {
    let by_statement = context.config.snapshot.select_of(&table.schema, &table.table).is_some();
    if by_statement { Mode::selected(key) } else { Some(Mode::of(key)) }
}

/// What a chunk has put into commits and not noted yet.
struct Written {
    mode: Mode,
    again: bool,
    last: Option<Key>,
    keys: Vec<Key>,
    /// Rows for the first time.
    rows: u64,
}

impl Written {
    fn note(&mut self, source: &Source, row: &CopyRow) {
        self.rows += u64::from(!self.again);
        if self.again || self.mode == Mode::Keyed {
            self.keys.push(source.key_of(row.tuple()));
        } else if self.mode == Mode::Ordered {
            self.last = Some(source.key_of(row.tuple()));
        }
    }

    /// The next commit says that these rows are in it.
    fn keep(&mut self, gate: &mut Gate, source: &Source, opened: &Opened) {
        if !self.again {
            let last = if self.mode == Mode::Keyed { self.keys.last().cloned() } else { self.last.take() };
            if last.is_some() {
                gate.progress_mut().cursor = last;
            }
        }
        gate.progress_mut().rows += mem::take(&mut self.rows);
        if !self.keys.is_empty() {
            gate.add_points(source.table.id, mem::take(&mut self.keys), opened.seen.clone(), opened.until);
        }
    }
}

fn wanted(progress: &Progress) -> Option<Wanted> {
    let Some((id, _)) = progress.repairs.first() else { return progress.current().map(|table| Wanted::Next(table.id)) };
    let same = progress.repairs.iter().filter(|(of, _)| of == id).map(|(_, key)| key.clone());
    Some(Wanted::Again(*id, same.take(REPAIRS_AT_ONCE).collect()))
}

fn leave_out(gate: &mut Gate, wanted: &Wanted) {
    match wanted {
        Wanted::Next(_) => gate.progress_mut().next_table(),
        Wanted::Again(id, _) => gate.progress_mut().repairs.retain(|(of, _)| of != id),
    }
}

/// A row that is read now stands behind what is published: its position is that of the last commit.
fn position<W: LogWriter>(stream: &Stream<'_, W>, time_us: i64, xid: u32, mark: SnapshotMark) -> Position {
    let checkpoint = stream.work.resume.checkpoint();
    let lsn = checkpoint.end_lsn.max(checkpoint.snapshot_lsn);
    Position { lsn, previous_commit: None, xid: Some(xid), commit_time_us: time_us, snapshot: mark, xmin: None, epoch: mark as u64 }
}

fn gate_of<'s, W: LogWriter>(stream: &'s mut Stream<'_, W>) -> Result<&'s mut Gate, Problem> {
    stream.work.gate.as_mut().ok_or_else(|| Problem::retry("snapshot/over", "a chunk was read after the snapshot's end"))
}

impl<W: LogWriter> Stream<'_, W> {
    /// When the next chunk may be read; `None`: there is none to read, or a transaction is open.
    #[inline]
    pub(super) fn chunk_due(&self) -> Option<Instant> {
        if self.work.resume.in_transaction() {
            return None;
        }
        // One after the other.
        self.backfill.as_ref().map(|backfill| backfill.pauses.due()).or_else(|| self.incremental_due())
    }

    /// Every transaction up to here has been delivered.
    pub(super) fn passed(&self) -> Lsn {
        self.work.wal_end.max(self.work.resume.checkpoint().final_lsn)
    }

    /// Between two transactions: reads a chunk, if one may be read now.
    pub(super) async fn read_chunk(&mut self) -> Result<(), Problem> {
        let Some(mut backfill) = self.backfill.take() else { return self.step_incremental().await };
        let began = Instant::now();
        let passed = self.passed();
        let gate = gate_of(self)?;
        gate.pass(passed);
        if gate.progress().is_over() {
            let rows = gate.progress().rows_before;
            tracing::info!(connector = self.context.config.name, rows, "snapshot finished");
            self.work.gate = None;
            self.work.resume.note(None, false);
            if !self.open_commit().await? {
                return Ok(());
            }
            notices::tell(self.context, &mut self.work.commits, &notices::snapshot("COMPLETED", Vec::new())).await?;
            return self.hand_over().await;
        }
        if !backfill.is_started {
            if !self.open_commit().await? {
                self.backfill = Some(backfill);
                return Ok(());
            }
            notices::tell(self.context, &mut self.work.commits, &notices::snapshot("STARTED", Vec::new())).await?;
            backfill.is_started = true;
        }
        // Rare beside the rest of the loop, whose future stays small.
        let outcome = Box::pin(backfill.attempt(self)).await?;
        if outcome == Outcome::NotYet {
            // The answer says how far the stream has come.
            self.send_status(true).await?;
            nudge(self, &mut backfill.nudged).await?;
        } else {
            self.listen_again();
        }
        backfill.plan_next(outcome, began.elapsed(), self.pace.behind);
        self.backfill = Some(backfill);
        Ok(())
    }
}
