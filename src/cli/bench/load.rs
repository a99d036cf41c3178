//! The load: rows written at a given rate, each with a number, and when their commits were acknowledged.
//!
//! A transaction every ten milliseconds with the rows that are due by then, so that a rate holds however long a commit takes;
//! one statement a transaction, whose rows the server makes itself, so that the load costs this machine little. Promises that
//! what is kept of the acknowledgements has a bound: one entry a transaction, as many as a phase can have.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::ground::Ground;
use crate::config::postgres::ConnectionConfig;
use crate::postgres::{Client, PostgresError, Statement};
use crate::problem::Problem;

/// A transaction begins this long after the one before, if that has ended.
const TICK: Duration = Duration::from_millis(10);
/// Rows of one transaction.
const ROWS_MAX: u64 = 20_000;
/// A database that stays behind the rate is given up on this long after the phase should have ended.
const LATE_MAX: Duration = Duration::from_secs(1);

/// What is done to the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// New rows.
    Insert,
    /// The rows of the snapshot, one after the other, again and again.
    Update,
}

impl Phase {
    /// Its name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
        }
    }
}

/// When the commits of a phase were acknowledged, by the numbers of their rows. Shared with the readers.
#[derive(Clone, Debug)]
pub struct Acks(Arc<Mutex<Acknowledged>>);

#[derive(Debug)]
struct Acknowledged {
    /// The first number of the phase.
    first: u64,
    /// The number after a transaction's last, and when its commit was acknowledged; in order.
    commits: Vec<(u64, Instant)>,
    /// Nothing more comes.
    is_complete: bool,
}

impl Acks {
    fn new(first: u64) -> Self {
        Self(Arc::new(Mutex::new(Acknowledged { first, commits: Vec::new(), is_complete: false })))
    }

    fn lock(&self) -> MutexGuard<'_, Acknowledged> {
        // A panic while the lock is held leaves plain numbers.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn commit(&self, end: u64, at: Instant) {
        self.lock().commits.push((end, at));
    }

    fn complete(&self) {
        self.lock().is_complete = true;
    }

    /// How long after its commit's acknowledgement each of these numbers was seen. One that was seen before the writer heard of
    /// it took no time. Numbers of another phase are left out.
    pub fn latencies(&self, numbers: &[u64], seen: Instant, mut take: impl FnMut(u64, Duration)) {
        let acknowledged = self.lock();
        for number in numbers.iter().copied().filter(|number| *number >= acknowledged.first) {
            let at = acknowledged.commits.partition_point(|(end, _)| *end <= number);
            let waited = acknowledged.commits.get(at).map_or(Duration::ZERO, |(_, commit)| seen.saturating_duration_since(*commit));
            take(number, waited);
        }
    }

    /// True when so many are all there will be.
    pub fn is_all(&self, count: u64) -> bool {
        let acknowledged = self.lock();
        acknowledged.is_complete && count >= acknowledged.count()
    }

    /// How many numbers there are, and their sum.
    pub fn expected(&self) -> (u64, u128) {
        let acknowledged = self.lock();
        let (count, first) = (acknowledged.count(), u128::from(acknowledged.first));
        let beyond = u128::from(count) * u128::from(count.saturating_sub(1)) / 2;
        (count, u128::from(count) * first + beyond)
    }
}

impl Acknowledged {
    fn count(&self) -> u64 {
        self.commits.last().map_or(0, |(end, _)| end - self.first)
    }
}

/// What was written.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// Rows.
    pub rows: u64,
    /// Rows that the rate asked for.
    pub asked: u64,
    /// Transactions.
    pub transactions: u64,
    /// From the first statement to the last acknowledgement.
    pub took: Duration,
}

/// The writing session.
pub struct Load {
    session: Client,
    connection: ConnectionConfig,
    table: String,
    insert: Statement,
    update: Statement,
    /// The next new row.
    next_id: u64,
    /// The number of the next change.
    next_number: u64,
    /// The rows of the snapshot.
    rows: u64,
    /// How many updates there were.
    updated: u64,
}

/// Rows from `$1` on, numbered from `$2` on, `$3` of them.
const INSERT: &str = "select $1::bigint + g, $2::bigint + g, 'customer ' || (g % 1000), repeat(md5(($1::bigint + g)::text), 4), \
                      (g % 100000) / 100.0, clock_timestamp() from generate_series(0, $3::bigint - 1) g";
/// The same rows changed.
const UPDATE: &str = "set number = $2::bigint + (id - $1::bigint), amount = amount + 1, touched_at = clock_timestamp() \
                      where id >= $1::bigint and id < $1::bigint + $3::bigint";

impl Load {
    /// A load on an empty table.
    pub async fn new(session: Client, ground: &Ground) -> Result<Self, Problem> {
        let (connection, table) = (ground.connection().clone(), ground.table());
        let prepare = async |sql: String| session.prepare(&sql).await.map_err(|error| ground.problem(error));
        let insert = prepare(format!("insert into {table} {INSERT}")).await?;
        let update = prepare(format!("update {table} {UPDATE}")).await?;
        Ok(Self { session, connection, table, insert, update, next_id: 1, next_number: 1, rows: 0, updated: 0 })
    }

    /// Writes the rows of the snapshot.
    pub async fn fill(&mut self, rows: u64) -> Result<(), Problem> {
        self.rows = rows;
        self.filled(rows).await.map_err(|error| error.problem(&self.connection))
    }

    async fn filled(&mut self, rows: u64) -> Result<(), PostgresError> {
        while self.next_id <= rows {
            self.insert((rows + 1 - self.next_id).min(ROWS_MAX), 0).await?;
        }
        Ok(self.session.batch_execute(&format!("analyze {}", self.table)).await?)
    }

    /// What the readers of the next phase know.
    pub fn begin(&self) -> Acks {
        Acks::new(self.next_number)
    }

    /// Writes at this rate for this time.
    pub async fn offer(&mut self, phase: Phase, rate: u64, time: Duration, acks: &Acks) -> Result<Written, Problem> {
        let written = self.offered(phase, rate, time, acks).await;
        acks.complete();
        written.map_err(|error| error.problem(&self.connection))
    }

    async fn offered(&mut self, phase: Phase, rate: u64, time: Duration, acks: &Acks) -> Result<Written, PostgresError> {
        let asked = due(rate, time).max(1);
        let (began, mut rows, mut transactions) = (Instant::now(), 0, 0);
        let mut next = began;
        while rows < asked && began.elapsed() < time + LATE_MAX {
            next += TICK;
            // The last rows are due when the phase ends.
            tokio::time::sleep_until(next.min(began + time).into()).await;
            let wanted = due(rate, began.elapsed()).min(asked).saturating_sub(rows).min(ROWS_MAX);
            if wanted == 0 {
                continue;
            }
            let done = match phase {
                Phase::Insert => self.insert(wanted, self.next_number).await?,
                Phase::Update => self.update(wanted).await?,
            };
            self.next_number += done;
            acks.commit(self.next_number, Instant::now());
            rows += done;
            transactions += 1;
        }
        Ok(Written { rows, asked, transactions, took: began.elapsed() })
    }

    async fn insert(&mut self, rows: u64, number: u64) -> Result<u64, PostgresError> {
        let parameters = [self.next_id, number, rows].map(signed);
        let [id, number, count] = &parameters;
        self.session.execute(&self.insert, &[id, number, count]).await?;
        self.next_id += rows;
        Ok(rows)
    }

    /// Updates the next rows of the snapshot, to its end at most; how many.
    async fn update(&mut self, rows: u64) -> Result<u64, PostgresError> {
        let from = self.updated % self.rows.max(1);
        let rows = rows.min(self.rows - from);
        let parameters = [from + 1, self.next_number, rows].map(signed);
        let [id, number, count] = &parameters;
        self.session.execute(&self.update, &[id, number, count]).await?;
        self.updated += rows;
        Ok(rows)
    }
}

/// Rows that are due after this time.
fn due(rate: u64, time: Duration) -> u64 {
    u64::try_from(u128::from(rate) * time.as_micros() / 1_000_000).unwrap_or(u64::MAX)
}

/// Numbers stay far below where this would matter.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_timed_from_the_acknowledgement_of_its_own_commit() {
        let (acks, now) = (Acks::new(100), Instant::now());
        let at = |ms: u64| now + Duration::from_millis(ms);
        acks.commit(110, at(0));
        acks.commit(120, at(5));
        let mut seen = Vec::new();
        acks.latencies(&[99, 100, 109, 110, 119, 120], at(7), |number, waited| seen.push((number, waited.as_millis())));
        assert_eq!(seen, [(100, 7), (109, 7), (110, 2), (119, 2), (120, 0)]);
        assert_eq!(acks.expected(), (20, (100..120).sum()));
        assert!(!acks.is_all(20), "more may come");
        acks.complete();
        assert!(acks.is_all(20) && !acks.is_all(19));
        let empty = Acks::new(5);
        assert_eq!(empty.expected(), (0, 0));
    }

    #[test]
    fn what_is_due_follows_the_clock() {
        assert_eq!((due(5000, Duration::from_millis(10)), due(1, Duration::from_millis(999))), (50, 0));
        assert_eq!(due(1_000_000, Duration::from_secs(600)), 600_000_000);
    }
}
