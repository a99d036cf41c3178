//! What is known about a running task: phase, counters, positions, lag. And the door for what is asked of it.
//!
//! Written by the capture thread once per commit with relaxed stores, read by REST and metrics whenever they like. Nothing
//! here is on the path of a single event, and nothing waits for a reader.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::runs::{Kind, Run, Runs};
use super::signals::Signals;
use super::state::{self, Event, Phase};
use super::tallies::Tallies;
use crate::problem::Problem;

/// What a commit adds to the counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Change events of all kinds.
    pub events: u64,
    /// Inserts.
    pub inserts: u64,
    /// Updates.
    pub updates: u64,
    /// Deletes.
    pub deletes: u64,
    /// Snapshot rows.
    pub reads: u64,
    /// Truncates.
    pub truncates: u64,
    /// Logical messages.
    pub messages: u64,
    /// Transactions.
    pub transactions: u64,
    /// Bytes of the events.
    pub bytes: u64,
    /// Changes that `skipped.operations` left out.
    pub skipped: u64,
}

/// How an incremental snapshot of a table ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndedTable {
    /// Its name.
    pub table: String,
    /// In Debezium's words, or `RECONCILE_REFUSED`.
    pub status: &'static str,
    /// Why it was not read to its end.
    pub why: Option<String>,
    /// Rows read.
    pub rows: u64,
    /// Keys that were told gone, when it was reconciled.
    pub deleted: Option<u64>,
}

/// So many tables that ended are remembered.
pub const ENDED_MAX: usize = 100;

/// Tables with rows of their own in [`StatusSnapshot::tables`]; more are not told one by one.
pub const TABLES_MAX: usize = 500;

/// What a snapshot read of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableRows {
    /// Its name.
    pub name: String,
    /// Rows read.
    pub rows: u64,
    /// Those of them that an earlier run read: they say nothing of how fast it goes now.
    pub before: u64,
    /// Rows the table has, by the server's statistics.
    pub estimated: Option<u64>,
    /// It was read to its end, since the last snapshot began.
    pub done: bool,
    /// How long reading it took, or has taken so far, since the last snapshot began.
    pub took: Option<Duration>,
}

impl TableRows {
    /// Rows read a second; `None` before the first, and of so short a time that chance would say it.
    pub fn rate(&self) -> Option<f64> {
        let seconds = self.took?.as_secs_f64();
        let rows = self.rows.saturating_sub(self.before);
        #[expect(clippy::cast_precision_loss, reason = "a rate needs a few digits")]
        (rows > 0 && seconds >= 0.001).then(|| rows as f64 / seconds)
    }

    /// Seconds until it is read, by the estimate; `None` where nothing says so.
    pub fn seconds_left(&self) -> Option<u64> {
        let left = self.estimated?.checked_sub(self.rows).filter(|_| !self.done && self.took.is_some())?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a cast of a float saturates"
        )]
        self.rate().map(|rate| (left as f64 / rate).ceil() as u64)
    }
}

/// How many transactions took how long; see [`TaskStatus::published_after`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Timings {
    /// How many took no longer than the bound of [`TIMING_BOUNDS`] at this place, and longer than the one before; the last are
    /// those above all bounds.
    pub counts: [u64; TIMING_BOUNDS.len() + 1],
    /// All of them together, microseconds.
    pub sum_us: u64,
}

/// Seconds. From a log on a fast disk beside its database to a backlog of an hour.
pub const TIMING_BOUNDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0, 3600.0];

/// How far a snapshot is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotProgress {
    /// Tables to read.
    pub tables_total: u32,
    /// Tables read whole.
    pub tables_done: u32,
    /// Rows read.
    pub rows: u64,
    /// Those of them that an earlier run read, where this one goes on with its snapshot.
    pub rows_earlier: u64,
    /// The tables that it read whole, and their rows.
    pub whole_earlier: (u32, u64),
    /// There was one since the process started.
    pub begun: bool,
    /// It was given up before its end, and none has begun since.
    pub aborted: bool,
    /// How long it took, or has taken so far.
    pub took: Option<Duration>,
}

/// Positions in the source's log: the distance between neighbours says which stage is slow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Positions {
    /// Received from the server.
    pub received: u64,
    /// Encoded and handed to the log.
    pub encoded: u64,
    /// Durable in the log.
    pub durable: u64,
    /// Confirmed to the server.
    pub confirmed: u64,
}

/// How a connector's slot fares, when it was last looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotHealth {
    /// The slot.
    pub name: String,
    /// Somebody reads it.
    pub active: bool,
    /// WAL that the server keeps for it.
    pub retained_bytes: Option<u64>,
    /// WAL until it is in danger; `None` where nothing limits it.
    pub safe_bytes: Option<u64>,
    /// What is worrying about it.
    pub warning: Option<Problem>,
}

/// What the last look at a connector's database said to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckResult {
    /// Its code.
    pub id: &'static str,
    /// `ok`, `note`, `warn` or `fail`.
    pub status: &'static str,
    /// What was asked.
    pub title: &'static str,
    /// What was seen.
    pub observed: String,
}

/// A change of a connector's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// When.
    pub at: SystemTime,
    /// The new state, by [`Phase::name_while`].
    pub state: &'static str,
    /// Why, where there was a problem.
    pub problem: Option<Problem>,
}

/// Changes of state that are kept for each connector: a day of an hourly fault, or an hour of one that is tried again each minute.
const CHANGES_KEPT: usize = 256;

/// A plain copy of a [`TaskStatus`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StatusSnapshot {
    /// Where in its life.
    pub phase: Phase,
    /// What holds it back although it runs.
    pub waiting: Option<Problem>,
    /// The last failure, until it works again or rests.
    pub problem: Option<Problem>,
    /// Since the process started.
    pub counts: Counts,
    /// LSNs.
    pub positions: Positions,
    /// How long after its commit the last transaction was published; `None` before the first.
    pub lag: Option<Duration>,
    /// The snapshot.
    pub snapshot: SnapshotProgress,
    /// Its tables, at most [`TABLES_MAX`].
    pub tables: Vec<TableRows>,
    /// Tables of the newest incremental snapshot that ended, the last [`ENDED_MAX`].
    pub ended_tables: Vec<EndedTable>,
    /// From commit to durable in the log.
    pub timings: Timings,
    /// How long ago a change was published last, and a row of a snapshot.
    pub since_event: [Option<Duration>; 2],
    /// How often the task was started again after a problem.
    pub restarts: u64,
    /// How long it has been failing, when it is.
    pub failing_for: Option<Duration>,
    /// It has streamed or read a snapshot since the process started.
    pub has_worked: bool,
    /// What the last look at its database said; empty before the first.
    pub checks: Vec<CheckResult>,
    /// Its slot; `None` when it has none, or the server could not be asked.
    pub slot: Option<SlotHealth>,
    /// Its snapshots since the service started, newest first.
    pub runs: Vec<Run>,
    /// Tables that its lists name; `None` before it asked the database.
    pub captured: Option<u64>,
    /// When its state became what it is.
    pub since: Option<SystemTime>,
}

/// The status of one connector's task.
#[derive(Debug, Default)]
pub struct TaskStatus {
    slow: Mutex<Slow>,
    counts: [AtomicU64; 10],
    positions: [AtomicU64; 4],
    lag_us: AtomicI64,
    has_lag: AtomicBool,
    tables_total: AtomicU32,
    tables_done: AtomicU32,
    rows: AtomicU64,
    timings: [AtomicU64; TIMING_BOUNDS.len() + 1],
    timings_sum_us: AtomicU64,
    /// When a change was published last, and a row of a snapshot: microseconds since 1970, 0 before the first.
    last_event_us: [AtomicU64; 2],
    tables: Mutex<Tables>,
    ended_tables: Mutex<VecDeque<EndedTable>>,
    runs: Mutex<Runs>,
    tallies: Arc<Tallies>,
    /// How many tables are captured, and 1; 0 while it is not known.
    captured: AtomicU64,
    signals: Signals,
}

/// A stream without a change for so long, of which all is durable, is behind nothing.
const IDLE: Duration = Duration::from_secs(3);

impl StatusSnapshot {
    /// How far it is behind: the age of the last transaction when it was published, none once nothing came for a while and all that was received is
    /// durable, and not known while nobody reads.
    pub fn lag_now(&self) -> Option<Duration> {
        if !matches!(self.phase, Phase::Streaming | Phase::Snapshotting) || self.waiting.is_some() {
            return None;
        }
        let is_idle = self.since_event[0].is_some_and(|since| since > IDLE) && self.positions.durable >= self.positions.received;
        if is_idle { self.lag.map(|_| Duration::ZERO) } else { self.lag }
    }

    /// One word: where in its life, and `waiting` while something holds it back.
    pub fn state(&self) -> &'static str {
        self.phase.name_while(self.waiting.is_some())
    }
}

/// What changes rarely.
#[derive(Debug, Default)]
struct Slow {
    phase: Phase,
    waiting: Option<Problem>,
    problem: Option<Problem>,
    restarts: u64,
    failing_since: Option<Instant>,
    has_worked: bool,
    slot: Option<SlotHealth>,
    checks: Vec<CheckResult>,
    starts: u64,
    changes: VecDeque<StateChange>,
}

impl Slow {
    /// Keeps the change, if the state has another name now.
    fn note_change(&mut self) {
        let state = self.phase.name_while(self.waiting.is_some());
        if self.changes.back().is_some_and(|last| last.state == state) {
            return;
        }
        let problem = match &self.phase {
            Phase::Failed { problem, .. } => Some(problem.clone()),
            _ => self.waiting.clone(),
        };
        if self.changes.len() >= CHANGES_KEPT {
            self.changes.pop_front();
        }
        self.changes.push_back(StateChange { at: SystemTime::now(), state, problem });
    }
}

#[derive(Debug, Default)]
struct Tables {
    rows: Vec<TableRows>,
    began: Option<Instant>,
    ended: Option<Instant>,
    reading: Option<Reading>,
    /// When the table before the one that is read was read to its end.
    last_ended: Option<Instant>,
    /// As [`SnapshotProgress`] has them.
    rows_earlier: u64,
    whole_earlier: (u32, u64),
    aborted: bool,
}

/// The table that is read now.
#[derive(Debug)]
struct Reading {
    table: String,
    began: Instant,
}

impl Tables {
    fn end_reading(&mut self, now: Instant) {
        let Some(reading) = self.reading.take() else { return };
        self.last_ended = Some(now);
        if let Some(entry) = self.rows.iter_mut().find(|entry| entry.name == reading.table) {
            (entry.done, entry.took) = (true, Some(now.saturating_duration_since(reading.began)));
        }
    }

    /// As of now, with the time of the table that is read.
    fn copied(&self, now: Instant) -> Vec<TableRows> {
        let mut rows = self.rows.clone();
        if let Some(reading) = &self.reading
            && let Some(entry) = rows.iter_mut().find(|entry| entry.name == reading.table)
        {
            entry.took = Some(now.saturating_duration_since(reading.began));
        }
        rows
    }
}

fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| u64::try_from(now.as_micros()).unwrap_or(u64::MAX))
}

impl TaskStatus {
    /// A status in [`Phase::Created`].
    pub fn new() -> Self {
        Self::default()
    }

    /// The way to the task.
    pub fn signals(&self) -> &Signals {
        &self.signals
    }

    fn slow(&self) -> MutexGuard<'_, Slow> {
        // A panic while the lock is held leaves plain values, each of them whole.
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the phase. The task does so when it begins a snapshot and when it streams.
    pub fn set_phase(&self, phase: Phase) {
        let mut slow = self.slow();
        match &phase {
            Phase::Snapshotting | Phase::Streaming => {
                slow.failing_since = None;
                slow.problem = None;
                slow.has_worked = true;
            }
            Phase::Failed { retry, problem } => {
                slow.failing_since.get_or_insert_with(Instant::now);
                slow.problem = Some(problem.clone());
                slow.restarts += u64::from(*retry);
            }
            Phase::Created | Phase::Paused | Phase::Stopped => {
                slow.failing_since = None;
                slow.problem = None;
            }
            Phase::Preparing => slow.starts += 1,
            Phase::Draining => {}
        }
        if !matches!(phase, Phase::Streaming | Phase::Snapshotting) {
            slow.waiting = None;
        }
        slow.phase = phase;
        slow.note_change();
    }

    /// The last changes of state, oldest first: since the service started, and no more than are kept.
    pub fn changes(&self) -> Vec<StateChange> {
        self.slow().changes.iter().cloned().collect()
    }

    /// Moves by the state machine; returns the new phase, or `None` for a transition that cannot be.
    pub fn apply(&self, event: Event) -> Option<Phase> {
        let phase = state::next(&self.phase(), event)?;
        self.set_phase(phase.clone());
        Some(phase)
    }

    /// The phase.
    pub fn phase(&self) -> Phase {
        self.slow().phase.clone()
    }

    /// What holds a running task back (a full disk, a busy slot, a server that is silent); `None` when nothing does.
    pub fn set_waiting(&self, problem: Option<Problem>) {
        let mut slow = self.slow();
        slow.waiting = problem;
        slow.note_change();
    }

    /// How often the task has begun, reconnects included.
    pub fn starts(&self) -> u64 {
        self.slow().starts
    }

    /// How many tables its lists name, of those that are there.
    pub fn set_captured(&self, tables: usize) {
        self.captured.store(u64::try_from(tables).unwrap_or(u64::MAX - 1) + 1, Relaxed);
    }

    /// The changes of each table.
    pub fn tallies(&self) -> Arc<Tallies> {
        Arc::clone(&self.tallies)
    }

    /// What a look at its database said.
    pub fn set_checks(&self, checks: Vec<CheckResult>) {
        self.slow().checks = checks;
    }

    /// How its slot fares.
    pub fn set_slot(&self, slot: Option<SlotHealth>) {
        self.slow().slot = slot;
    }

    /// Adds what a commit published.
    pub fn add(&self, counts: &Counts) {
        for (counter, count) in self.counts.iter().zip(counts.as_array()) {
            counter.fetch_add(count, Relaxed);
        }
        for (last, events) in self.last_event_us.iter().zip([counts.events - counts.reads, counts.reads]) {
            if events > 0 {
                last.store(now_us(), Relaxed);
            }
        }
    }

    /// A transaction was durable in the log this long after its commit.
    pub fn published_after(&self, age: Duration) {
        let at = TIMING_BOUNDS.iter().position(|bound| age.as_secs_f64() <= *bound).unwrap_or(TIMING_BOUNDS.len());
        self.timings[at].fetch_add(1, Relaxed);
        self.timings_sum_us.fetch_add(u64::try_from(age.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    fn ended_tables(&self) -> MutexGuard<'_, VecDeque<EndedTable>> {
        self.ended_tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An incremental snapshot begins: what is told of the one before is forgotten.
    pub fn begin_incremental(&self) {
        self.ended_tables().clear();
        self.runs().begin(Kind::Incremental, SystemTime::now());
    }

    /// None of its tables is left; `is_whole`: none was taken away.
    pub fn end_incremental(&self, is_whole: bool) {
        self.runs().incremental_ended(is_whole, SystemTime::now());
    }

    /// A table of it ended.
    pub fn end_table(&self, table: EndedTable) {
        self.runs().table_ended(table.rows, table.status, SystemTime::now());
        let mut ended = self.ended_tables();
        if ended.len() >= ENDED_MAX {
            ended.pop_front();
        }
        ended.push_back(table);
    }

    fn runs(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many rows of a table the snapshot has read; not called for every row.
    pub fn set_table_rows(&self, table: &str, rows: u64) {
        let mut tables = self.tables();
        // Tables are read one after the other: the one before ends where this one begins.
        let now = Instant::now();
        if tables.reading.as_ref().is_none_or(|reading| reading.table != table) {
            tables.end_reading(now);
            let began = tables.last_ended.or(tables.began).unwrap_or(now);
            tables.reading = Some(Reading { table: table.to_owned(), began });
        }
        if let Some(entry) = tables.rows.iter_mut().find(|entry| entry.name == table) {
            entry.rows = rows;
        } else if tables.rows.len() < TABLES_MAX {
            tables.rows.push(TableRows { name: table.to_owned(), rows, ..TableRows::default() });
        }
    }

    /// Where each stage is, as LSNs.
    pub fn set_positions(&self, received: u64, encoded: u64, durable: u64, confirmed: u64) {
        for (position, lsn) in self.positions.iter().zip([received, encoded, durable, confirmed]) {
            position.store(lsn, Relaxed);
        }
    }

    /// The commit time (microseconds since 1970) of the transaction that was published just now.
    pub fn set_lag(&self, commit_time_us: i64) {
        let now_us = i64::try_from(now_us()).unwrap_or(i64::MAX);
        self.lag_us.store(now_us.saturating_sub(commit_time_us).max(0), Relaxed);
        self.has_lag.store(true, Relaxed);
    }

    /// A snapshot begins: its tables in their order, and how many rows they have by the server's statistics.
    pub fn begin_snapshot(&self, tables: &[(String, Option<u64>)]) {
        self.resume_snapshot(0, 0, 0, tables);
        if tables.is_empty() {
            self.set_snapshot(0, 0, 0);
        }
    }

    /// How far the snapshot is, that has begun.
    pub fn set_snapshot(&self, tables_total: u32, tables_done: u32, rows: u64) {
        self.tables_total.store(tables_total, Relaxed);
        let done_before = self.tables_done.swap(tables_done, Relaxed);
        self.rows.store(rows, Relaxed);
        let (mut tables, mut runs, now) = (self.tables(), self.runs(), Instant::now());
        runs.is_at(u64::from(tables_done), rows, tables_done >= tables_total, SystemTime::now());
        if tables_done > done_before || tables_done >= tables_total {
            tables.end_reading(now);
        }
        if tables_done >= tables_total {
            tables.ended.get_or_insert(now);
        }
    }

    /// A snapshot goes on that an earlier run began: so many of its tables are read, which had so many rows, and of the next one
    /// (by name, the tables that are left having these estimates) so many rows.
    pub fn resume_snapshot(&self, done: u32, rows_done: u64, rows: u64, left: &[(String, Option<u64>)]) {
        {
            let mut tables = self.tables();
            let entry =
                |(name, estimated): &(String, Option<u64>)| TableRows { name: name.clone(), estimated: *estimated, ..TableRows::default() };
            tables.rows = left.iter().take(TABLES_MAX).map(entry).collect();
            if let Some(first) = tables.rows.first_mut() {
                (first.rows, first.before) = (rows, rows);
            }
            (tables.began, tables.ended, tables.reading, tables.last_ended) = (Some(Instant::now()), None, None, None);
            (tables.rows_earlier, tables.whole_earlier, tables.aborted) = (rows_done + rows, (done, rows_done), false);
            self.runs().begin(Kind::Snapshot, SystemTime::now());
        }
        let total = done.saturating_add(u32::try_from(left.len()).unwrap_or(u32::MAX));
        self.tables_total.store(total, Relaxed);
        self.tables_done.store(done, Relaxed);
        self.rows.store(rows_done + rows, Relaxed);
    }

    /// A table that the snapshot was to read is not there to be read any more; so many are left.
    pub fn leave_table_out(&self, left: u32, rows: u64) {
        let total = self.tables_total.load(Relaxed).saturating_sub(1);
        self.set_snapshot(total, total.saturating_sub(left), rows);
    }

    /// A snapshot that the stream waits for is given up.
    pub fn give_snapshot_up(&self) {
        let mut tables = self.tables();
        if tables.began.is_some() && tables.ended.is_none() {
            (tables.reading, tables.ended, tables.aborted) = (None, Some(Instant::now()), true);
        }
        self.runs().abort(Kind::Snapshot, SystemTime::now());
    }

    /// The tables of the snapshot, and how far it is as a whole.
    fn copied(&self) -> (Vec<TableRows>, SnapshotProgress) {
        let (tables, now) = (self.tables(), Instant::now());
        let progress = SnapshotProgress {
            tables_total: self.tables_total.load(Relaxed),
            tables_done: self.tables_done.load(Relaxed),
            rows: self.rows.load(Relaxed),
            rows_earlier: tables.rows_earlier,
            whole_earlier: tables.whole_earlier,
            begun: tables.began.is_some(),
            aborted: tables.aborted,
            took: tables.began.map(|began| tables.ended.unwrap_or(now).saturating_duration_since(began)),
        };
        (tables.copied(now), progress)
    }

    /// A plain copy for REST and metrics.
    pub fn snapshot(&self) -> StatusSnapshot {
        let (tables, snapshot) = self.copied();
        let now_us = now_us();
        let since = |last: u64| (last > 0).then(|| Duration::from_micros(now_us.saturating_sub(last)));
        let slow = self.slow();
        let [received, encoded, durable, confirmed] = load(&self.positions);
        let lag = || Duration::from_micros(u64::try_from(self.lag_us.load(Relaxed)).unwrap_or(0));
        StatusSnapshot {
            phase: slow.phase.clone(),
            waiting: slow.waiting.clone(),
            problem: slow.problem.clone(),
            counts: Counts::of_array(load(&self.counts)),
            positions: Positions { received, encoded, durable, confirmed },
            lag: self.has_lag.load(Relaxed).then(lag),
            snapshot,
            tables,
            ended_tables: self.ended_tables().iter().cloned().collect(),
            timings: Timings { counts: load(&self.timings), sum_us: self.timings_sum_us.load(Relaxed) },
            since_event: load(&self.last_event_us).map(since),
            restarts: slow.restarts,
            failing_for: slow.failing_since.map(|since| since.elapsed()),
            has_worked: slow.has_worked,
            checks: slow.checks.clone(),
            slot: slow.slot.clone(),
            runs: self.runs().all(),
            captured: self.captured.load(Relaxed).checked_sub(1),
            since: slow.changes.back().map(|change| change.at),
        }
    }
}

fn load<const N: usize>(atomics: &[AtomicU64; N]) -> [u64; N] {
    std::array::from_fn(|at| atomics[at].load(Relaxed))
}

impl Counts {
    fn as_array(&self) -> [u64; 10] {
        let Self { events, inserts, updates, deletes, reads, truncates, messages, transactions, bytes, skipped } = *self;
        [events, inserts, updates, deletes, reads, truncates, messages, transactions, bytes, skipped]
    }

    fn of_array([events, inserts, updates, deletes, reads, truncates, messages, transactions, bytes, skipped]: [u64; 10]) -> Self {
        Self { events, inserts, updates, deletes, reads, truncates, messages, transactions, bytes, skipped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_add_up_and_positions_are_the_last_ones() {
        let status = TaskStatus::new();
        let counts = Counts { events: 3, inserts: 1, updates: 1, deletes: 1, transactions: 1, bytes: 99, ..Counts::default() };
        status.add(&counts);
        status.add(&counts);
        status.set_positions(4, 3, 2, 1);
        status.begin_snapshot(&["a", "b", "c"].map(|name| (name.to_owned(), None)));
        status.set_snapshot(3, 1, 100);
        let copy = status.snapshot();
        assert_eq!((copy.counts.events, copy.counts.bytes, copy.counts.reads), (6, 198, 0));
        assert_eq!(copy.positions, Positions { received: 4, encoded: 3, durable: 2, confirmed: 1 });
        let progress = copy.snapshot;
        assert_eq!((progress.tables_total, progress.tables_done, progress.rows, progress.begun), (3, 1, 100, true));
        assert!(copy.since_event[0].is_some() && copy.since_event[1].is_none());
        assert_eq!(copy.lag, None);
        status.set_lag(0);
        assert!(status.snapshot().lag > Some(Duration::from_secs(1_000_000_000)));
    }

    #[test]
    fn timings_fall_under_their_bound_and_tables_have_a_limit() {
        let status = TaskStatus::new();
        for millis in [1, 2, 7_200_000] {
            status.published_after(Duration::from_millis(millis));
        }
        let timings = status.snapshot().timings;
        assert_eq!((timings.counts[0], timings.counts[1], timings.counts[TIMING_BOUNDS.len()]), (1, 1, 1));
        assert_eq!((timings.counts.iter().sum::<u64>(), timings.sum_us), (3, 7_200_003_000));
        status.begin_snapshot(&[("public.t0".to_owned(), Some(9))]);
        for number in 0..=TABLES_MAX {
            status.set_table_rows(&format!("public.t{number}"), 7);
        }
        let tables = status.snapshot().tables;
        assert_eq!(tables.len(), TABLES_MAX);
        assert_eq!((tables[0].name.as_str(), tables[0].rows, tables[0].estimated), ("public.t0", 7, Some(9)));
    }

    #[test]
    fn a_table_ends_where_the_next_begins_and_has_a_rate() {
        let status = TaskStatus::new();
        status.begin_snapshot(&[("public.a".to_owned(), None), ("public.b".to_owned(), Some(1000))]);
        status.set_table_rows("public.a", 500);
        std::thread::sleep(Duration::from_millis(2));
        status.set_table_rows("public.b", 100);
        std::thread::sleep(Duration::from_millis(2));
        let tables = status.snapshot().tables;
        let of = |name: &str| tables.iter().find(|table| table.name == name).expect("noted").clone();
        let (a, b) = (of("public.a"), of("public.b"));
        assert!(a.done && a.rate().is_some_and(|rate| rate > 0.0 && rate <= 250_000.0), "{a:?}");
        assert!(!b.done && b.seconds_left().is_some() && a.seconds_left().is_none(), "{b:?}");
        status.set_table_rows("public.b", 1200);
        assert!(status.snapshot().tables.iter().all(|table| table.seconds_left().is_none()), "beyond the estimate nobody knows");
        status.set_snapshot(2, 2, 1700);
        assert!(status.snapshot().tables.iter().all(|table| table.done));
        status.begin_snapshot(&[("public.b".to_owned(), None)]);
        let tables = status.snapshot().tables;
        assert_eq!(
            (tables.len(), tables[0].rows, tables[0].done, tables[0].took),
            (1, 0, false, None),
            "nothing of the one before is left"
        );
    }

    #[test]
    fn a_snapshot_that_goes_on_counts_what_was_read_and_is_as_fast_as_it_is_now() {
        let status = TaskStatus::new();
        status.resume_snapshot(2, 900, 60, &[("public.c".to_owned(), Some(100)), ("public.d".to_owned(), None)]);
        let copy = status.snapshot();
        assert_eq!((copy.snapshot.tables_total, copy.snapshot.tables_done, copy.snapshot.rows), (4, 2, 960));
        assert_eq!((copy.snapshot.whole_earlier, copy.snapshot.rows_earlier, copy.tables[0].rows), ((2, 900), 960, 60));
        assert_eq!((copy.tables[0].rate(), copy.tables.len()), (None, 2));
        std::thread::sleep(Duration::from_millis(10));
        status.set_table_rows("public.c", 61);
        status.set_snapshot(4, 2, 961);
        let copy = status.snapshot();
        assert!(copy.tables[0].rate().is_some_and(|rate| rate <= 100.0), "{copy:?}");
        assert_eq!((copy.snapshot.rows, copy.tables[0].rows), (961, 61));
        status.begin_snapshot(&[]);
        assert_eq!(status.snapshot().snapshot.whole_earlier, (0, 0));
    }

    #[test]
    fn the_last_changes_of_state_are_kept_with_their_cause() {
        let status = TaskStatus::new();
        for _ in 0..CHANGES_KEPT {
            status.set_phase(Phase::Preparing);
            status.apply(Event::Fault(Problem::retry("pg/refused", "away"))).expect("a running task can fail");
        }
        status.set_phase(Phase::Streaming);
        status.set_phase(Phase::Streaming);
        let changes = status.changes();
        assert_eq!(changes.len(), CHANGES_KEPT);
        let last: Vec<_> = changes.iter().rev().take(3).map(|change| (change.state, change.problem.is_some())).collect();
        assert_eq!(last, [("streaming", false), ("waiting", true), ("starting", false)]);
    }

    #[test]
    fn failing_begins_with_the_first_fault_and_ends_when_it_works_again() {
        let status = TaskStatus::new();
        status.set_phase(Phase::Preparing);
        status.apply(Event::Fault(Problem::retry("pg/refused", "away"))).expect("a running task can fail");
        status.set_phase(Phase::Preparing);
        assert!(status.snapshot().failing_for.is_some() && status.snapshot().restarts == 1);
        status.set_phase(Phase::Streaming);
        assert!(status.snapshot().failing_for.is_none() && status.snapshot().has_worked);
    }

    #[test]
    fn a_stream_that_has_nothing_to_do_is_behind_nothing() {
        let copy = |phase: Phase, since: u64, durable: u64| StatusSnapshot {
            phase,
            lag: Some(Duration::from_secs(56)),
            since_event: [Some(Duration::from_secs(since)), None],
            positions: Positions { received: 10, durable, ..Positions::default() },
            ..StatusSnapshot::default()
        };
        assert_eq!(copy(Phase::Streaming, 60, 10).lag_now(), Some(Duration::ZERO));
        assert_eq!(copy(Phase::Streaming, 1, 10).lag_now(), Some(Duration::from_secs(56)), "it came just now");
        assert_eq!(copy(Phase::Streaming, 60, 9).lag_now(), Some(Duration::from_secs(56)), "something is on its way");
        assert_eq!(copy(Phase::Created, 60, 10).lag_now(), None);
        assert_eq!(StatusSnapshot { phase: Phase::Streaming, ..StatusSnapshot::default() }.lag_now(), None, "nothing came yet");
    }
}
