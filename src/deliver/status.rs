//! How a subscription fares: its state, its counters, what is wrong with it.
//!
//! Written by the sink and its supervisor, read by HTTP and metrics whenever they like; nobody waits for a reader.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::problem::Problem;

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it.
    Delivered,
    /// This attempt failed; there will be another.
    Failed,
    /// It was given up, and is a dead letter.
    Dead,
    /// The filter, or the sink's own rules, leave it out.
    Filtered,
}

impl Outcome {
    /// All.
    pub const ALL: [Self; 4] = [Self::Delivered, Self::Failed, Self::Dead, Self::Filtered];

    /// As metrics call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Dead => "dead",
            Self::Filtered => "filtered",
        }
    }
}

/// What a subscription is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is about to run.
    Starting,
    /// It delivers, or waits for something to deliver.
    Running,
    /// It met trouble that passes, and tries again.
    Waiting(Problem),
    /// A person paused it, or the receiver did: then the problem says why.
    Paused(Option<Problem>),
    /// A person must act.
    Failed(Problem),
}

impl State {
    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Waiting(_) => "waiting",
            Self::Paused(_) => "paused",
            Self::Failed(_) => "failed",
        }
    }

    /// What is wrong.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Waiting(problem) | Self::Failed(problem) => Some(problem),
            Self::Paused(problem) => problem.as_ref(),
            Self::Starting | Self::Running => None,
        }
    }
}

/// Upper bounds of [`Status::took`], seconds; above the last there is one more.
pub const TIMING_BOUNDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// How a subscription fares.
#[derive(Debug)]
pub struct Status {
    state: Mutex<State>,
    /// A warning that does not hold it up.
    note: Mutex<Option<Problem>>,
    counts: [AtomicU64; 4],
    restarts: AtomicU64,
    last_ms: AtomicI64,
    timings: [AtomicU64; TIMING_BOUNDS.len() + 1],
    timings_us: AtomicU64,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            state: Mutex::new(State::Starting),
            note: Mutex::default(),
            counts: Default::default(),
            restarts: AtomicU64::new(0),
            last_ms: AtomicI64::new(0),
            timings: Default::default(),
            timings_us: AtomicU64::new(0),
        }
    }
}

impl Status {
    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it is doing.
    pub fn state(&self) -> State {
        self.locked().clone()
    }

    /// Says what it is doing.
    pub fn set(&self, state: State) {
        *self.locked() = state;
    }

    /// Trouble that the sink tries again by itself while it runs; `None`: it passed.
    pub fn trouble(&self, problem: Option<Problem>) {
        let mut state = self.locked();
        match (&*state, problem) {
            (State::Running | State::Waiting(_), Some(problem)) => *state = State::Waiting(problem),
            (State::Waiting(_), None) => *state = State::Running,
            _ => {}
        }
    }

    /// Says what a person should know although it goes on.
    pub fn note(&self, problem: Option<Problem>) {
        *self.note.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }

    /// What a person should know although it goes on.
    pub fn noted(&self) -> Option<Problem> {
        self.note.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts deliveries.
    pub fn count(&self, outcome: Outcome, count: u64) {
        if let Some(counter) = self.counts.get(outcome as usize) {
            counter.fetch_add(count, Relaxed);
        }
        if outcome == Outcome::Delivered {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis());
            self.last_ms.store(i64::try_from(now).unwrap_or(i64::MAX), Relaxed);
        }
    }

    /// How often something had that outcome.
    pub fn counted(&self, outcome: Outcome) -> u64 {
        self.counts.get(outcome as usize).map_or(0, |counter| counter.load(Relaxed))
    }

    /// How long a delivery took.
    pub fn took(&self, time: Duration) {
        let at = TIMING_BOUNDS.partition_point(|bound| *bound < time.as_secs_f64());
        if let Some(bucket) = self.timings.get(at) {
            bucket.fetch_add(1, Relaxed);
        }
        self.timings_us.fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    /// How many deliveries took how long, by [`TIMING_BOUNDS`], and all together in microseconds.
    pub fn timings(&self) -> (Vec<u64>, u64) {
        (self.timings.iter().map(|bucket| bucket.load(Relaxed)).collect(), self.timings_us.load(Relaxed))
    }

    /// It begins again.
    pub fn restarted(&self) {
        self.restarts.fetch_add(1, Relaxed);
    }

    /// How often it began again by itself.
    pub fn restarts(&self) -> u64 {
        self.restarts.load(Relaxed)
    }

    /// When something was delivered last, milliseconds since 1970.
    pub fn last_delivery_ms(&self) -> Option<i64> {
        Some(self.last_ms.load(Relaxed)).filter(|ms| *ms > 0)
    }
}
