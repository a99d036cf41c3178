//! When something that cannot be done yet is tried again, and when a long wait is told.

use std::time::{Duration, Instant};

/// Between two tries, at first.
const FIRST: Duration = Duration::from_millis(2);
/// A wait is told after this.
const PATIENCE: Duration = Duration::from_secs(10);

/// The pauses of one piece of work.
#[derive(Debug)]
pub(super) struct Pauses {
    due: Instant,
    next: Duration,
    waiting_since: Option<Instant>,
    told: bool,
}

impl Pauses {
    /// It may begin at once.
    pub fn new() -> Self {
        Self { due: Instant::now(), next: FIRST, waiting_since: None, told: false }
    }

    /// Nothing is tried before this.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Something was done, or is known to take its time: it goes on after this.
    pub fn rest(&mut self, pause: Duration) {
        self.due = Instant::now() + pause;
        self.next = FIRST;
    }

    /// Not now: twice as late as the last time, up to `most`.
    pub fn put_off(&mut self, most: Duration) {
        self.due = Instant::now() + self.next;
        self.next = (self.next * 2).min(most);
    }

    /// It waits for others. True once, when that has lasted: it is to be told.
    pub fn wait(&mut self) -> bool {
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        since.elapsed() > PATIENCE && !std::mem::replace(&mut self.told, true)
    }

    /// It does not wait any more.
    pub fn waited(&mut self) {
        self.waiting_since = None;
    }
}
