//! Several readers for one snapshot: `snapshot.max.threads`.
//!
//! Owns the ranges into which tables are cut, by their keys, and the threads that read them, each with a session of its own
//! under the same exported snapshot. Promises the same events in the same order as one reader, so that where it is can be
//! noted as with one; what is read ahead waits in bounded memory. A table without key, or with a statement of its own, is
//! one range. What becomes of rows is [`super::snapshot`]'s affair.
//!
//! A statement that wants a table for itself (`ALTER TABLE`) waits for the first reader of it, which holds its lock to the
//! end, and every other reader would wait for that statement. So every range is there for all readers that have the lock, and
//! a reader reads the lowest that it can before it takes or locks another: none that has the lock waits for its range's turn
//! while a lower one waits for that lock. Who cuts the ranges holds no lock between two looks, and leaves the rest of such a
//! table as one range.

use std::collections::{HashSet, VecDeque};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc};

use super::snapshot::{ROWS_PER_LOOK, Source, begin_snapshot, begin_sql, copy_problem, lock_as_it_was, tuple_of};
use super::task::{Context, now_ns};
use crate::change::progress::{Key, KeyColumn};
use crate::change::{Op, Position, RowChange, SnapshotMark};
use crate::encode::Encoder;
use crate::postgres::catalog::Table;
use crate::postgres::connection::Session;
use crate::postgres::copy_text::CopyRow;
use crate::postgres::publication::Published;
use crate::postgres::reading::{self, Rows};
use crate::postgres::{Connection, PostgresError};
use crate::problem::Problem;
use crate::record::staged::Staged;

/// More readers than this are not started.
pub(super) const READERS_MAX: usize = 16;
/// What all readers together may have read ahead, in bytes of events.
const AHEAD_BYTES: usize = 64 << 20;
/// The most of one reader.
const RANGE_BYTES: usize = 16 << 20;
/// How much a reader hands over at once.
const PIECE_BYTES: usize = 1 << 20;
/// So much memory is kept to be used again, in pieces.
const SPARE_MAX: usize = 32;
/// Rows of a table's first range; those of the next ones follow from how large the events are.
const ROWS_FIRST: u64 = 5_000;
const ROWS_MAX: u64 = 100_000;
/// So long a reader tries to lock a table before it looks whether another one has taken its range.
const LOCK_TRY: Duration = Duration::from_millis(100);
/// So long the end of a range is waited for in the middle of a table; then the rest is one range.
const CUT_WAIT: Duration = Duration::from_secs(1);

/// A part of a table.
#[derive(Clone, Debug)]
pub(super) struct Range {
    /// The table's place among the sources.
    pub index: usize,
    /// The keys before it; `None`: it begins with the table.
    after: Option<Key>,
    /// Its last key; `None`: it ends with the table.
    upto: Option<Key>,
    /// Its place among all ranges.
    number: u64,
}

impl Range {
    /// A table begins with it.
    pub fn is_first(&self) -> bool {
        self.after.is_none()
    }

    /// A table ends with it.
    pub fn is_last(&self) -> bool {
        self.upto.is_none()
    }
}

/// What a reader hands over.
pub(super) enum Piece {
    /// Events, of how many rows, and the last row's key.
    Rows(Staged, u64, Key),
    /// The range's last row, which only who knows what follows can mark; `None`: there is no row in the range.
    End(Option<CopyRow>, bool),
}

/// A range that is being read, and where its pieces come out.
pub(super) type Reading = (Range, mpsc::Receiver<Result<Piece, Problem>>);

type Order = (Range, mpsc::Sender<Result<Piece, Problem>>);

/// Ranges that nobody reads yet: for whoever has their table locked.
#[derive(Default)]
struct Held {
    orders: Mutex<VecDeque<Order>>,
    more: Notify,
}

impl Held {
    fn orders(&self) -> MutexGuard<'_, VecDeque<Order>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No more than are cut ahead.
    fn offer(&self, order: Order) {
        self.orders().push_back(order);
        self.more.notify_waiters();
    }

    /// The lowest one that is wanted.
    fn take(&self, wanted: impl Fn(&Range) -> bool) -> Option<Order> {
        let mut orders = self.orders();
        let found = orders.iter().enumerate().filter(|(_, (range, _))| wanted(range));
        let (place, _) = found.min_by_key(|(_, (range, _))| range.number)?;
        orders.remove(place)
    }

    /// Nobody has taken it yet.
    fn has(&self, number: u64) -> bool {
        self.orders().iter().any(|(range, _)| range.number == number)
    }

    /// Waits until there is one.
    async fn wait(&self, wanted: impl Fn(&Range) -> bool) {
        loop {
            let more = self.more.notified();
            tokio::pin!(more);
            // Before the look: what is offered behind it wakes.
            more.as_mut().enable();
            if self.orders().iter().any(|(range, _)| wanted(range)) {
                return;
            }
            more.await;
        }
    }
}

/// The readers of a snapshot. Dropping it ends them.
pub(super) struct Readers {
    readings: mpsc::Receiver<Result<Reading, Problem>>,
    spare: Arc<Mutex<Vec<Staged>>>,
    row_bytes: Arc<AtomicU64>,
}

/// What all readers are given.
#[derive(Clone)]
struct Shared {
    context: Context,
    /// The exported snapshot.
    snapshot: Arc<str>,
    /// Where the rows stand.
    at: Position,
    spare: Arc<Mutex<Vec<Staged>>>,
    held: Arc<Held>,
}

impl Readers {
    /// Starts one thread for each of the copies of the sources.
    pub fn start(context: &Context, snapshot: &str, at: Position, copies: Vec<Vec<Source>>) -> Result<Self, Problem> {
        let spare = Arc::default();
        let shared = Shared { context: context.clone(), snapshot: snapshot.into(), at, spare: Arc::clone(&spare), held: Arc::default() };
        let readers = copies.len();
        let (orders, for_readers) = mpsc::channel(1);
        let (told, readings) = mpsc::channel(readers);
        let range_bytes = (AHEAD_BYTES / readers.max(1)).min(RANGE_BYTES);
        let row_bytes = Arc::new(AtomicU64::new(range_bytes as u64 / ROWS_FIRST));
        let scans = copies.first().map(|sources| sources.iter().map(|source| Scan::of(context, source)).collect()).unwrap_or_default();
        let cutter = Cutter { shared: shared.clone(), scans, row_bytes: Arc::clone(&row_bytes), range_bytes, orders, told };
        tokio::spawn(cutter.run());
        let for_readers = Arc::new(tokio::sync::Mutex::new(for_readers));
        for sources in copies {
            let reader = Reader { shared: shared.clone(), sources, session: None, locked: HashSet::new() };
            let orders = Arc::clone(&for_readers);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let thread = runtime.and_then(|runtime| {
                let (name, span) = ("rowfeed-reader".into(), tracing::Span::current());
                std::thread::Builder::new().name(name).spawn(move || span.in_scope(|| runtime.block_on(reader.run(orders))))
            });
            thread.map_err(|error| Problem::retry("system/thread", "no thread for a reader of the snapshot").why(error.to_string()))?;
        }
        Ok(Self { readings, spare, row_bytes })
    }

    /// The next range, in order; `None`: all are read.
    pub async fn next(&mut self) -> Result<Option<Reading>, Problem> {
        self.readings.recv().await.transpose()
    }

    /// Gives memory back, and learns from it how large events are.
    pub fn take_back(&self, mut staged: Staged, rows: u64) {
        if let Some(bytes) = (staged.bytes() as u64).checked_div(rows) {
            self.row_bytes.store(bytes.max(1), Ordering::Relaxed);
        }
        staged.clear();
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE_MAX {
            spare.push(staged);
        }
    }
}

/// A reader that ended without a word.
pub(super) fn ended() -> Problem {
    Problem::retry("snapshot/reader-ended", "a reader of the snapshot ended unexpectedly")
}

/// What cutting a table needs.
struct Scan {
    /// Asks for the key that stands so many rows behind another; `None`: the table is one range.
    is_cut: bool,
    table: Table,
    /// What the publication leaves out.
    published: Published,
    key: Vec<KeyColumn>,
}

impl Scan {
    fn of(context: &Context, source: &Source) -> Self {
        let selected = context.config.snapshot.select_of(&source.table.schema, &source.table.table).is_some();
        Self {
            is_cut: !selected && !source.key.is_empty(),
            table: source.table.clone(),
            published: source.published.clone(),
            key: source.key.clone(),
        }
    }
}

/// Cuts the tables into ranges, as far ahead as there are readers.
struct Cutter {
    shared: Shared,
    scans: Vec<Scan>,
    row_bytes: Arc<AtomicU64>,
    range_bytes: usize,
    orders: mpsc::Sender<Order>,
    told: mpsc::Sender<Result<Reading, Problem>>,
}

impl Cutter {
    async fn run(self) {
        let told = self.told.clone();
        let ended = told.clone();
        tokio::select! {
            cut = self.cut() => {
                if let Err(problem) = cut {
                    let _ = told.send(Err(problem)).await;
                }
            }
            () = ended.closed() => {}
        }
    }

    async fn cut(self) -> Result<(), Problem> {
        let mut number = 0;
        for (index, scan) in self.scans.iter().enumerate() {
            let (mut after, mut session) = (None, None);
            loop {
                let upto = if scan.is_cut { self.boundary(&mut session, scan, after.as_ref()).await? } else { None };
                let range = Range { index, after, upto: upto.clone(), number };
                number += 1;
                // As many pieces as a range of rows of the usual size has: its reader seldom waits for those before it.
                let (to, pieces) = mpsc::channel(self.range_bytes / PIECE_BYTES + 2);
                if self.told.send(Ok((range.clone(), pieces))).await.is_err() || self.orders.send((range, to)).await.is_err() {
                    return Ok(());
                }
                if upto.is_none() {
                    break;
                }
                after = upto;
            }
        }
        Ok(())
    }

    /// The last key of the range behind `after`; `None`: fewer rows are left than a range has.
    async fn boundary(&self, session: &mut Option<Connection>, scan: &Scan, after: Option<&Key>) -> Result<Option<Key>, Problem> {
        let context = &self.shared.context;
        let rows = (self.range_bytes as u64 / self.row_bytes.load(Ordering::Relaxed).max(1)).clamp(1, ROWS_MAX);
        let limit = context.config.snapshot.lock_timeout;
        let limit = if after.is_none() || (limit < CUT_WAIT && !limit.is_zero()) { limit } else { CUT_WAIT };
        let sql = format!(
            "{}; {}; commit",
            begin_sql(&self.shared.snapshot, limit),
            reading::nth_key(&scan.table, &scan.published, &scan.key, after, rows)
        );
        let mut asked = None;
        if let Some(open) = session {
            asked = Some(open.query(&sql).await).filter(|answer| !answer.as_ref().is_err_and(is_ended));
        }
        let answer = match asked {
            Some(answer) => answer,
            // It is the first one, or the server has ended the one that idled (`idle_session_timeout`).
            None => {
                let opened = Connection::open(&context.config.connection, Session::Sql, &context.application_name()).await;
                session.insert(opened.map_err(|error| context.problem(&error))?).query(&sql).await
            }
        };
        match answer {
            Ok(found) => Ok(found.into_iter().next().map(|row| row.into_iter().map(Option::unwrap_or_default).collect())),
            Err(error) => {
                // Its transaction is broken.
                *session = None;
                if after.is_some() && is_locked(&error) {
                    tracing::info!(table = scan.table.name(), "somebody waits for the table: one reader reads the rest of it");
                    return Ok(None);
                }
                Err(copy_problem(error, context, &scan.table))
            }
        }
    }
}

/// One thread's work.
struct Reader {
    shared: Shared,
    sources: Vec<Source>,
    session: Option<Connection>,
    /// The tables it holds locked.
    locked: HashSet<usize>,
}

impl Reader {
    async fn run(mut self, orders: Arc<tokio::sync::Mutex<mpsc::Receiver<Order>>>) {
        let mut encoder = Encoder::new(&self.shared.context.events);
        let held = Arc::clone(&self.shared.held);
        // What it was given and has to lock first; nothing more is given out.
        let (mut own, mut over) = (None::<Order>, false);
        loop {
            if let Some((range, to)) = held.take(|range| self.locked.contains(&range.index)) {
                tokio::select! {
                    read = self.read(&range, &mut encoder, &to) => {
                        if let Err(problem) = read {
                            let _ = to.send(Err(problem)).await;
                            return;
                        }
                    }
                    () = to.closed() => return,
                }
                continue;
            }
            if let Some((range, to)) = own.take() {
                // A range that another reader has may be over.
                let ended = async {
                    to.closed().await;
                    if !held.has(range.number) {
                        std::future::pending::<()>().await;
                    }
                };
                tokio::select! {
                    locked = self.lock(&range) => {
                        if let Err(problem) = locked {
                            let _ = to.send(Err(problem)).await;
                            return;
                        }
                    }
                    () = ended => return,
                }
                continue;
            }
            if over {
                return;
            }
            let locked = &self.locked;
            let next = async {
                let mut orders = orders.lock().await;
                // There for all before anybody is given a later one.
                orders.recv().await.inspect(|order| held.offer(order.clone()))
            };
            tokio::select! {
                biased;
                () = held.wait(|range| locked.contains(&range.index)) => {}
                order = next => {
                    over = order.is_none();
                    own = order.filter(|(range, _)| !locked.contains(&range.index));
                }
            }
        }
    }

    /// Locks the range's table, to the end of the snapshot, as long as nobody else has taken the range.
    async fn lock(&mut self, range: &Range) -> Result<(), Problem> {
        let Self { shared, sources, session, locked } = self;
        let (context, held, source) = (&shared.context, &shared.held, &sources[range.index]);
        let session = match session {
            Some(session) => session,
            None => session.insert(begin_snapshot(context, &shared.snapshot).await?),
        };
        let (began, limit) = (Instant::now(), context.config.snapshot.lock_timeout);
        while held.has(range.number) {
            let failed = match try_lock(session, source, limit).await {
                Ok(()) => {
                    locked.insert(range.index);
                    return Ok(());
                }
                Err(error) if is_locked(&error) && (limit.is_zero() || began.elapsed() < limit) => continue,
                Err(error) => error,
            };
            // Of a range that another reader has, that one tells.
            let is_own = held.take(|other| other.number == range.number).is_some();
            if is_own || !is_locked(&failed) {
                return Err(copy_problem(failed, context, &source.table));
            }
        }
        Ok(())
    }

    async fn read(&mut self, range: &Range, encoder: &mut Encoder, to: &mpsc::Sender<Result<Piece, Problem>>) -> Result<(), Problem> {
        let Self { shared, sources, session, .. } = self;
        let context = &shared.context;
        let source = &mut sources[range.index];
        let Some(session) = session else { return Err(ended()) };
        let sql = source.copy(&context.config.snapshot, Rows::Between(range.after.as_ref(), range.upto.as_ref()));
        session.copy_out(&sql).await.map_err(|error| copy_problem(error, context, &source.table))?;
        let relation = Arc::clone(&source.plan.relation);
        let undecodable = |error: &dyn std::fmt::Display| Problem::fail("row/undecodable", error.to_string()).at(relation.name());
        let spare = || shared.spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        let mut staged = spare();
        let (mut held, mut current): (Option<CopyRow>, CopyRow) = (None, CopyRow::default());
        let mut first = range.is_first();
        let (mut rows, mut got) = (0, 0u64);
        loop {
            let Some(line) = session.copy_row().await.map_err(|error| context.problem(&error))? else { break };
            current.parse(line).map_err(|error| undecodable(&error))?;
            if got.is_multiple_of(ROWS_PER_LOOK) {
                encoder.set_now(now_ns());
            }
            got += 1;
            if let Some(row) = &held {
                let mark = match (mem::take(&mut first), range.index) {
                    (true, 0) => SnapshotMark::First,
                    (true, _) => SnapshotMark::FirstInDataCollection,
                    (false, _) => SnapshotMark::True,
                };
                let at = Position { snapshot: mark, epoch: mark as u64, ..shared.at };
                let after = Some(tuple_of(&relation, row));
                let change = RowChange { relation: &relation, op: Op::Read, before: None, before_is_key: false, after, at };
                encoder.encode(&mut source.plan, &change, &mut staged).map_err(|error| error.problem())?;
                rows += 1;
                if staged.bytes() >= PIECE_BYTES {
                    let piece = Piece::Rows(mem::replace(&mut staged, spare()), mem::take(&mut rows), source.key_of(row.tuple()));
                    if to.send(Ok(piece)).await.is_err() {
                        return Ok(());
                    }
                }
            }
            let row = mem::take(&mut current);
            current = held.replace(row).unwrap_or_default();
        }
        if rows > 0 {
            // What was written last is in the memory for the next row.
            let piece = Piece::Rows(staged, rows, source.key_of(current.tuple()));
            if to.send(Ok(piece)).await.is_err() {
                return Ok(());
            }
        }
        let _ = to.send(Ok(Piece::End(held, first))).await;
        Ok(())
    }
}

/// Locks a table, within [`LOCK_TRY`]; `limit` counts again afterwards. What was locked before stays locked.
async fn try_lock(session: &mut Connection, source: &Source, limit: Duration) -> Result<(), PostgresError> {
    session.query(&format!("savepoint before_lock; set local lock_timeout = {}", LOCK_TRY.as_millis())).await?;
    let locked = lock_as_it_was(session, source).await;
    let end = match &locked {
        Ok(()) => format!("release savepoint before_lock; set local lock_timeout = {}", limit.as_millis()),
        Err(error) if is_locked(error) => "rollback to savepoint before_lock; release savepoint before_lock".to_owned(),
        Err(_) => return locked,
    };
    session.query(&end).await?;
    locked
}

/// Somebody else has the table locked, or waits to.
fn is_locked(error: &PostgresError) -> bool {
    matches!(error, PostgresError::Server(message) if message.code == "55P03")
}

/// The session is over.
fn is_ended(error: &PostgresError) -> bool {
    match error {
        PostgresError::Io(_) | PostgresError::Closed => true,
        PostgresError::Server(message) => message.severity != "ERROR",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Aim: no reader is at a later range while an earlier one waits that it could read.
    #[test]
    fn of_the_ranges_that_wait_the_lowest_is_taken() {
        let held = Held::default();
        for (index, number) in [(1, 3), (1, 1), (0, 0), (1, 2)] {
            held.offer((Range { index, after: None, upto: None, number }, mpsc::channel(1).0));
        }
        let taken: Vec<_> = std::iter::from_fn(|| held.take(|range| range.index == 1)).map(|(range, _)| range.number).collect();
        assert_eq!((taken, held.has(0), held.has(1)), (vec![1, 2, 3], true, false));
    }
}
