//! What is confirmed to PostgreSQL, and when: never more than is durable, never more than was received.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::traces::Pending;
use crate::change::Lsn;
use crate::log::CommitSeq;

/// A confirmation that moved is sent at the latest after this time: often enough for a watching operator, rarely enough
/// to cost the server nothing.
const CONFIRM_INTERVAL: Duration = Duration::from_millis(100);

/// Positions between received and confirmed.
#[derive(Debug)]
pub struct Feedback {
    /// Status is sent at least this often.
    interval: Duration,
    /// What is durable is confirmed; else nothing is (`lsn.flush.mode=manual`).
    confirms: bool,
    /// Everything up to here has arrived.
    received: Lsn,
    /// Durable here.
    flushed: Lsn,
    /// The checkpoint's position: claimed once the server has sent as far as that, and nothing new was in between.
    resumed: Lsn,
    /// Told to the server.
    confirmed: Lsn,
    sent: Instant,
    /// Commits handed to the log, and what may be confirmed once they are durable.
    in_flight: VecDeque<InFlight>,
    /// How old transactions were when they became durable; as many as commits that did, since they were last taken.
    ages: Vec<Duration>,
}

#[derive(Debug)]
struct InFlight {
    seq: CommitSeq,
    flush: Lsn,
    /// When its last transaction was committed, microseconds since 1970.
    time_us: Option<i64>,
    /// Its span, where traces are told.
    trace: Option<Box<Pending>>,
}

impl Feedback {
    /// Nothing received yet. `confirmed` is the slot's, `resumed` the checkpoint's: it may come from another history, which
    /// shows only when the server has sent everything up to it again.
    pub fn new(interval: Duration, confirmed: Lsn, resumed: Lsn) -> Self {
        Self {
            interval,
            confirms: true,
            received: Lsn(0),
            flushed: confirmed.min(resumed),
            resumed,
            confirmed: Lsn(0),
            sent: Instant::now(),
            in_flight: VecDeque::new(),
            ages: Vec::new(),
        }
    }

    /// With `false` nothing is ever confirmed, whatever is durable.
    pub fn confirming(mut self, confirms: bool) -> Self {
        self.confirms = confirms;
        self
    }

    /// Something up to `lsn` arrived.
    #[inline]
    pub fn receive(&mut self, lsn: Lsn) {
        if lsn > self.received {
            self.received = lsn;
            if lsn >= self.resumed && self.resumed > self.flushed && self.confirms {
                self.flushed = self.resumed;
            }
        }
    }

    /// A commit was handed over whose checkpoint says `flush`.
    pub fn hand_over(&mut self, seq: CommitSeq, flush: Lsn) {
        self.in_flight.push_back(InFlight { seq, flush, time_us: None, trace: None });
    }

    /// When the last transaction of the commit handed over last was committed, microseconds since 1970.
    pub fn note_time(&mut self, time_us: i64) {
        if let Some(last) = self.in_flight.back_mut() {
            last.time_us = Some(time_us);
        }
    }

    /// The span of the commit handed over last.
    pub fn trace(&mut self, trace: Box<Pending>) {
        if let Some(last) = self.in_flight.back_mut() {
            last.trace = Some(trace);
        }
    }

    /// How long after its commit each batch's last transaction became durable, since this was last asked.
    pub fn take_ages(&mut self) -> std::vec::Drain<'_, Duration> {
        self.ages.drain(..)
    }

    /// Everything up to `seq` is durable.
    pub fn durable(&mut self, seq: CommitSeq) {
        while self.in_flight.front().is_some_and(|first| first.seq <= seq)
            && let Some(first) = self.in_flight.pop_front()
        {
            if self.confirms {
                self.flushed = self.flushed.max(first.flush);
            }
            if let Some(trace) = first.trace {
                trace.durable();
            }
            if let Some(time_us) = first.time_us {
                let committed = UNIX_EPOCH + Duration::from_micros(u64::try_from(time_us).unwrap_or(0));
                // A server's clock that is ahead of ours makes no negative age.
                self.ages.push(SystemTime::now().duration_since(committed).unwrap_or_default());
            }
        }
    }

    /// No commit is on its way.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// (received, flushed) to send. What is flushed was received on this connection or is in the checkpoint.
    pub fn take(&mut self) -> (Lsn, Lsn) {
        self.sent = Instant::now();
        self.confirmed = self.flushed;
        (self.received, self.flushed)
    }

    /// When the next status is due.
    pub fn due(&self) -> Instant {
        self.sent + if self.flushed > self.confirmed { CONFIRM_INTERVAL.min(self.interval) } else { self.interval }
    }

    /// Received, flushed, confirmed.
    pub fn positions(&self) -> (Lsn, Lsn, Lsn) {
        (self.received, self.flushed, self.confirmed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_position_is_confirmed_when_the_server_has_come_to_it() {
        let mut feedback = Feedback::new(Duration::from_secs(10), Lsn(5), Lsn(50));
        assert_eq!(feedback.take(), (Lsn(0), Lsn(5)));
        feedback.receive(Lsn(49));
        assert_eq!(feedback.take(), (Lsn(49), Lsn(5)));
        feedback.receive(Lsn(50));
        assert_eq!(feedback.take(), (Lsn(50), Lsn(50)));
    }

    #[test]
    fn nothing_is_confirmed_where_somebody_else_does_it() {
        let mut feedback = Feedback::new(Duration::from_secs(10), Lsn(5), Lsn(50)).confirming(false);
        feedback.receive(Lsn(100));
        feedback.hand_over(CommitSeq(1), Lsn(80));
        feedback.durable(CommitSeq(1));
        assert_eq!(feedback.take(), (Lsn(100), Lsn(5)));
        assert!(feedback.is_idle() && feedback.due() > Instant::now() + Duration::from_secs(5));
    }

    #[test]
    fn only_what_is_durable_is_confirmed() {
        let mut feedback = Feedback::new(Duration::from_secs(10), Lsn(5), Lsn(5));
        feedback.receive(Lsn(100));
        feedback.hand_over(CommitSeq(1), Lsn(40));
        feedback.hand_over(CommitSeq(2), Lsn(80));
        assert_eq!(feedback.take(), (Lsn(100), Lsn(5)));
        feedback.durable(CommitSeq(1));
        assert!(feedback.due() < Instant::now() + Duration::from_secs(1), "a confirmation that moved does not wait long");
        assert_eq!(feedback.take(), (Lsn(100), Lsn(40)));
        assert!(!feedback.is_idle());
        feedback.durable(CommitSeq(2));
        assert_eq!(feedback.take(), (Lsn(100), Lsn(80)));
        assert!(feedback.is_idle() && feedback.due() > Instant::now() + Duration::from_secs(5));
    }

    #[test]
    fn the_age_of_a_transaction_is_taken_when_it_is_durable() {
        let mut feedback = Feedback::new(Duration::from_secs(10), Lsn(5), Lsn(5));
        feedback.hand_over(CommitSeq(1), Lsn(40));
        feedback.note_time(0);
        feedback.hand_over(CommitSeq(2), Lsn(80));
        assert_eq!(feedback.take_ages().count(), 0);
        feedback.durable(CommitSeq(2));
        let ages: Vec<_> = feedback.take_ages().collect();
        assert!(ages.len() == 1 && ages[0] > Duration::from_secs(1_000_000_000), "{ages:?}");
        assert_eq!(feedback.take_ages().count(), 0);
    }
}
