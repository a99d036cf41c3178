//! What is known about a running task: phase, counters, positions, lag. And the door for what is asked of it.
//!
//! Written by the capture thread once per commit with relaxed stores, read by REST and metrics whenever they like. Nothing
//! here is on the path of a single event, and nothing waits for a reader.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::signals::Signals;
use super::state::{self, Event, Phase};
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
}

/// How far a snapshot is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotProgress {
    /// Tables to read.
    pub tables_total: u32,
    /// Tables read whole.
    pub tables_done: u32,
    /// Rows read.
    pub rows: u64,
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

/// A plain copy of a [`TaskStatus`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    /// How often the task was started again after a problem.
    pub restarts: u64,
    /// How long it has been failing, when it is.
    pub failing_for: Option<Duration>,
    /// It has streamed or read a snapshot since the process started.
    pub has_worked: bool,
    /// Its slot; `None` when it has none, or the server could not be asked.
    pub slot: Option<SlotHealth>,
}

/// The status of one connector's task.
#[derive(Debug, Default)]
pub struct TaskStatus {
    slow: Mutex<Slow>,
    counts: [AtomicU64; 9],
    positions: [AtomicU64; 4],
    /// -1 before the first transaction.
    lag_us: AtomicI64,
    has_lag: AtomicBool,
    tables_total: AtomicU32,
    tables_done: AtomicU32,
    rows: AtomicU64,
    signals: Signals,
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
            Phase::Preparing | Phase::Draining => {}
        }
        if !matches!(phase, Phase::Streaming | Phase::Snapshotting) {
            slow.waiting = None;
        }
        slow.phase = phase;
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

    /// What holds a running task back (a full disk, a busy slot); `None` when nothing does.
    pub fn set_waiting(&self, problem: Option<Problem>) {
        self.slow().waiting = problem;
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
    }

    /// Where each stage is, as LSNs.
    pub fn set_positions(&self, received: u64, encoded: u64, durable: u64, confirmed: u64) {
        for (position, lsn) in self.positions.iter().zip([received, encoded, durable, confirmed]) {
            position.store(lsn, Relaxed);
        }
    }

    /// The commit time (microseconds since 1970) of the transaction that was published just now.
    pub fn set_lag(&self, commit_time_us: i64) {
        let now_us = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| i64::try_from(now.as_micros()).unwrap_or(i64::MAX));
        self.lag_us.store(now_us.saturating_sub(commit_time_us).max(0), Relaxed);
        self.has_lag.store(true, Relaxed);
    }

    /// How far the snapshot is.
    pub fn set_snapshot(&self, tables_total: u32, tables_done: u32, rows: u64) {
        self.tables_total.store(tables_total, Relaxed);
        self.tables_done.store(tables_done, Relaxed);
        self.rows.store(rows, Relaxed);
    }

    /// A plain copy for REST and metrics.
    pub fn snapshot(&self) -> StatusSnapshot {
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
            snapshot: SnapshotProgress {
                tables_total: self.tables_total.load(Relaxed),
                tables_done: self.tables_done.load(Relaxed),
                rows: self.rows.load(Relaxed),
            },
            restarts: slow.restarts,
            failing_for: slow.failing_since.map(|since| since.elapsed()),
            has_worked: slow.has_worked,
            slot: slow.slot.clone(),
        }
    }
}

fn load<const N: usize>(atomics: &[AtomicU64; N]) -> [u64; N] {
    std::array::from_fn(|at| atomics[at].load(Relaxed))
}

impl Counts {
    fn as_array(&self) -> [u64; 9] {
        let Self { events, inserts, updates, deletes, reads, truncates, messages, transactions, bytes } = *self;
        [events, inserts, updates, deletes, reads, truncates, messages, transactions, bytes]
    }

    fn of_array([events, inserts, updates, deletes, reads, truncates, messages, transactions, bytes]: [u64; 9]) -> Self {
        Self { events, inserts, updates, deletes, reads, truncates, messages, transactions, bytes }
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
        status.set_snapshot(3, 1, 100);
        let copy = status.snapshot();
        assert_eq!((copy.counts.events, copy.counts.bytes, copy.counts.reads), (6, 198, 0));
        assert_eq!(copy.positions, Positions { received: 4, encoded: 3, durable: 2, confirmed: 1 });
        assert_eq!(copy.snapshot, SnapshotProgress { tables_total: 3, tables_done: 1, rows: 100 });
        assert_eq!(copy.lag, None);
        status.set_lag(0);
        assert!(status.snapshot().lag > Some(Duration::from_secs(1_000_000_000)));
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
}
