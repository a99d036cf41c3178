//! The door through which requests come to a running connector: one queue, whatever channel they come by.
//!
//! Owns the requests that wait, and the newest list of tables that is to be followed. Promises that what is accepted is acted
//! on in its order, once, by the task that runs or the next one of this process, and that no more than [`WAITING_MAX`] wait.
//! Leaves to the channels that a request survives the process, and to the stream what becomes of it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::change::Signal;
use crate::config::postgres::TableFilter;

/// So many signals may wait.
pub const WAITING_MAX: usize = 100;

/// A way to a connector, for whoever has signals for it; copies lead to the same one.
#[derive(Clone, Debug, Default)]
pub struct Signals(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    waiting: Mutex<VecDeque<(Signal, Option<Receipt>)>>,
    /// Some wait: looked at much more often than it changes.
    any: AtomicBool,
    /// The tables that the configuration names now, for the task that runs.
    tables: Mutex<Option<TableFilter>>,
    /// They are other ones than before.
    any_tables: AtomicBool,
    arrived: Notify,
}

/// Where a channel has a signal from, for the checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Its place in a topic of Apache Kafka.
    Offset(i64),
    /// The how manieth line of the file it is that is acted on.
    Line(u64),
}

/// For a channel that wants to know when a signal is done with: acted on, in a durable commit.
#[derive(Debug)]
pub struct Receipt {
    /// Where the signal comes from.
    pub origin: Origin,
    /// Told then; dropped when the capture ends before.
    done: SyncSender<()>,
}

impl Receipt {
    /// A receipt, and the end at which the answer comes.
    pub fn new(origin: Origin) -> (Self, Receiver<()>) {
        let (done, wait) = sync_channel(1);
        (Self { origin, done }, wait)
    }

    /// The signal is done with.
    pub fn answer(self) {
        // Who asked may have gone.
        let _ = self.done.try_send(());
    }
}

/// Too many signals wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{WAITING_MAX} signals wait for the connector already: send it again when it has acted on some")]
pub struct TooMany;

impl Signals {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<(Signal, Option<Receipt>)>> {
        // A panic while the lock is held leaves a whole queue.
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a signal.
    pub fn push(&self, signal: Signal) -> Result<(), TooMany> {
        self.push_with(signal, None)
    }

    /// Adds a signal whose sender waits for its end.
    pub fn push_with(&self, signal: Signal, receipt: Option<Receipt>) -> Result<(), TooMany> {
        let mut waiting = self.waiting();
        if waiting.len() >= WAITING_MAX {
            return Err(TooMany);
        }
        waiting.push_back((signal, receipt));
        self.0.any.store(true, Relaxed);
        self.0.arrived.notify_one();
        Ok(())
    }

    /// The oldest signal.
    pub fn take(&self) -> Option<(Signal, Option<Receipt>)> {
        if !self.any() {
            return None;
        }
        let mut waiting = self.waiting();
        let signal = waiting.pop_front();
        self.0.any.store(!waiting.is_empty(), Relaxed);
        signal
    }

    /// Takes back the signals whose senders wait for their end: they will send them again.
    pub fn withdraw(&self) {
        let mut waiting = self.waiting();
        waiting.retain(|(_, receipt)| receipt.is_none());
        self.0.any.store(!waiting.is_empty(), Relaxed);
    }

    /// Gives back what was taken and could not be acted on: it comes first again, over the bound if need be.
    pub fn put_back(&self, signal: Signal) {
        self.waiting().push_front((signal, None));
        self.0.any.store(true, Relaxed);
    }

    fn tables(&self) -> MutexGuard<'_, Option<TableFilter>> {
        self.0.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Other tables are to be followed from now on; what was said before and not taken is forgotten.
    pub fn follow(&self, tables: TableFilter) {
        *self.tables() = Some(tables);
        self.0.any_tables.store(true, Relaxed);
        self.0.arrived.notify_one();
    }

    /// A task begins, whose configuration says it all.
    pub fn forget_tables(&self) {
        self.take_tables();
    }

    /// What [`Signals::follow`] said last.
    pub fn take_tables(&self) -> Option<TableFilter> {
        let mut tables = self.tables();
        self.0.any_tables.store(false, Relaxed);
        tables.take()
    }

    /// Other tables are to be followed.
    #[inline]
    pub fn has_tables(&self) -> bool {
        self.0.any_tables.load(Relaxed)
    }

    /// Some wait.
    #[inline]
    pub fn any(&self) -> bool {
        self.0.any.load(Relaxed)
    }

    /// Waits for one; it may have been taken already. Cancel-safe.
    pub async fn arrived(&self) {
        self.0.arrived.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::signal::Action;

    #[test]
    fn of_tables_that_are_to_be_followed_the_newest_counts_once() {
        let tables = || TableFilter::of_written(r#"[["","","public.a",""],true]"#).expect("lists");
        let door = Signals::default();
        door.follow(TableFilter::everything());
        door.follow(tables());
        assert!(door.has_tables());
        assert_eq!(door.take_tables().map(|taken| taken.written()), Some(tables().written()));
        assert!(!door.has_tables() && door.take_tables().is_none());
        door.follow(tables());
        door.forget_tables();
        assert!(!door.has_tables(), "a task that begins has them already");
    }

    #[test]
    fn signals_come_in_their_order_and_no_more_than_may_wait() {
        let (door, other) = {
            let door = Signals::default();
            (door.clone(), door)
        };
        let signal = |number: usize| Signal { id: number.to_string(), action: Action::Pause };
        assert!(!door.any() && door.take().is_none());
        for number in 0..WAITING_MAX {
            other.push(signal(number)).expect("room");
        }
        assert_eq!(other.push(signal(0)), Err(TooMany));
        for number in 0..WAITING_MAX {
            assert!(door.any());
            assert_eq!(door.take().map(|(signal, _)| signal), Some(signal(number)));
        }
        assert!(!other.any() && other.take().is_none());
    }
}
