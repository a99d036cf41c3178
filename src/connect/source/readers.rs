//! Several readers for one snapshot: `snapshot.max.threads`.
//!
//! Owns the ranges into which tables are cut, by their keys, and the threads that read them, each with a session of its own
//! under the same exported snapshot. Promises the same events in the same order as one reader, so that where it is can be
//! noted as with one; what is read ahead waits in bounded memory. A table without key, or with a statement of its own, is
//! one range. What becomes of rows is [`super::snapshot`]'s affair.
//!
//! A statement that wants a table for itself (`ALTER TABLE`) waits for the first reader of it, which holds its lock to the
//! end, and every other reader would wait for that statement. So no reader waits for a lock while it has a range: the range is
//! there for the one that has the lock, until one of them has it. Who cuts the ranges holds no lock between two looks, and
//! leaves the rest of such a table as one range.

use std::collections::{HashSet, VecDeque};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc};

use super::snapshot::{ROWS_PER_LOOK, Source, begin_snapshot, begin_sql, copy_problem, lock_as_it_was};
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

/// Ranges whose readers cannot lock their table: for whoever can.
#[derive(Default)]
struct Held {
    orders: Mutex<VecDeque<Order>>,
    more: Notify,
}

impl Held {
    fn orders(&self) -> MutexGuard<'_, VecDeque<Order>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As many as there are readers, at most: each has one.
    fn offer(&self, order: Order) {
        self.orders().push_back(order);
        self.more.notify_waiters();
    }

    /// The first one that is wanted.
    fn take(&self, wanted: impl Fn(&Order) -> bool) -> Option<Order> {
        let mut orders = self.orders();
        let place = orders.iter().position(wanted)?;
        orders.remove(place)
    }

    /// Waits for one. Cancel-safe.
    async fn wait(&self, wanted: impl Fn(&Order) -> bool) -> Order {
        loop {
            let more = self.more.notified();
            tokio::pin!(more);
            // Before the look: what is offered behind it wakes.
            more.as_mut().enable();
            if let Some(order) = self.take(&wanted) {
                return order;
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
                let name = "rowfeed-reader".into();
                std::thread::Builder::new().name(name).spawn(move || runtime.block_on(reader.run(orders)))
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
        let mut session = None;
        for (index, scan) in self.scans.iter().enumerate() {
            let mut after = None;
            loop {
                let upto = if scan.is_cut { self.boundary(&mut session, scan, after.as_ref()).await? } else { None };
                let range = Range { index, after, upto: upto.clone() };
                // As many pieces as a range has: a reader never waits for those before it.
                let (to, pieces) = mpsc::channel((self.range_bytes / PIECE_BYTES).max(1));
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
        let open = match session {
            Some(session) => session,
            None => {
                let opened = Connection::open(&context.config.connection, Session::Sql, &context.application_name()).await;
                session.insert(opened.map_err(|error| context.problem(&error))?)
            }
        };
        let rows = (self.range_bytes as u64 / self.row_bytes.load(Ordering::Relaxed).max(1)).clamp(1, ROWS_MAX);
        let limit = context.config.snapshot.lock_timeout;
        let limit = if after.is_none() || (limit < CUT_WAIT && !limit.is_zero()) { limit } else { CUT_WAIT };
        let sql = format!(
            "{}; {}; commit",
            begin_sql(&self.shared.snapshot, limit),
            reading::nth_key(&scan.table, &scan.published, &scan.key, after, rows)
        );
        match open.query(&sql).await {
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
        loop {
            let locked = &self.locked;
            let next = async { orders.lock().await.recv().await };
            let order = tokio::select! {
                biased;
                order = self.shared.held.wait(|(range, _)| locked.contains(&range.index)) => Some(order),
                order = next => order,
            };
            let Some((range, to)) = order else { return };
            let locked = tokio::select! {
                locked = self.lock(&range, &to) => locked,
                () = to.closed() => return,
            };
            match locked {
                Ok(true) => {}
                // Another reader has it.
                Ok(false) => continue,
                Err(problem) => {
                    let _ = to.send(Err(problem)).await;
                    return;
                }
            }
            tokio::select! {
                read = self.read(&range, &mut encoder, &to) => {
                    if let Err(problem) = read {
                        let _ = to.send(Err(problem)).await;
                        return;
                    }
                }
                () = to.closed() => return,
            }
        }
    }

    /// Locks the range's table, to the end of the snapshot; false when another reader has taken the range meanwhile.
    async fn lock(&mut self, range: &Range, to: &mpsc::Sender<Result<Piece, Problem>>) -> Result<bool, Problem> {
        let Self { shared, sources, session, locked } = self;
        if locked.contains(&range.index) {
            return Ok(true);
        }
        let (context, held, source) = (&shared.context, &shared.held, &sources[range.index]);
        let session = match session {
            Some(session) => session,
            None => session.insert(begin_snapshot(context, &shared.snapshot).await?),
        };
        let (began, limit) = (Instant::now(), context.config.snapshot.lock_timeout);
        let is_own = |order: &Order| order.1.same_channel(to);
        let mut offered = false;
        loop {
            let failed = match try_lock(session, source, limit).await {
                Ok(()) => None,
                Err(error) if is_locked(&error) => Some(error),
                Err(error) => return Err(copy_problem(error, context, &source.table)),
            };
            let over = !limit.is_zero() && began.elapsed() >= limit;
            match failed {
                None => {
                    locked.insert(range.index);
                    return Ok(!offered || held.take(is_own).is_some());
                }
                Some(error) if over => {
                    let is_mine = !offered || held.take(is_own).is_some();
                    return if is_mine { Err(copy_problem(error, context, &source.table)) } else { Ok(false) };
                }
                Some(_) if !offered => {
                    held.offer((range.clone(), to.clone()));
                    offered = true;
                }
                Some(_) if !held.orders().iter().any(is_own) => return Ok(false),
                Some(_) => {}
            }
        }
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
                let change =
                    RowChange { relation: &relation, op: Op::Read, before: None, before_is_key: false, after: Some(row.tuple()), at };
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
