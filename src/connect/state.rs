//! A connector's life as a pure function.
//!
//! ```text
//!             Start           NeedSnapshot               SnapshotDone
//!   Created ---------> Preparing ---------> Snapshotting -----------------> Streaming
//!      ^                 |   \  Resumable ________________________________^    |
//!      |   Start         |                                                     | Pause / Stop (from any running phase)
//!   Paused/Stopped <-----|----- Draining <-------------------------------------+   finish or drop the open commit, close
//!                        | Fault
//!                        v         RetryDue (back-off) -> Preparing
//!                   Failed { retry } -- Start -> Preparing;   Stop -> Stopped
//! ```

use crate::problem::{Action, Problem};

/// Where a connector is in its life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Defined, not started yet.
    #[default]
    Created,
    /// Connecting, checking, making slot and publication.
    Preparing,
    /// Reading the rows that are there.
    Snapshotting,
    /// Following changes.
    Streaming,
    /// Asked to pause or stop: ending in order.
    Draining,
    /// Ended by a problem.
    Failed {
        /// It tries again by itself.
        retry: bool,
        /// What went wrong.
        problem: Problem,
    },
    /// Paused by a person: goes on when resumed.
    Paused,
    /// Stopped by a person.
    Stopped,
}

/// What a person asked for, or what a drain was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Keep everything ready.
    Pause,
    /// End.
    Stop,
}

/// What happens to a connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Run: the first start, a resume, a restart.
    Start,
    /// There is no position to go on from.
    NeedSnapshot,
    /// There is one.
    Resumable,
    /// The snapshot is durable.
    SnapshotDone,
    /// A person wants it to rest.
    Rest(Rest),
    /// The task has ended as asked.
    Drained(Rest),
    /// The task has ended with a problem.
    Fault(Problem),
    /// The back-off is over.
    RetryDue,
}

impl Phase {
    /// True while a task is at work.
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Preparing | Self::Snapshotting | Self::Streaming | Self::Draining)
    }

    /// One word for logs, metrics and people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Preparing => "starting",
            Self::Snapshotting => "snapshot",
            Self::Streaming => "streaming",
            Self::Draining => "draining",
            Self::Failed { retry: true, .. } => "waiting",
            Self::Failed { retry: false, .. } => "failed",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }

    /// Every [`Phase::name`].
    pub const NAMES: [&str; 9] = ["created", "starting", "snapshot", "streaming", "draining", "waiting", "failed", "paused", "stopped"];
}

/// The phase after an event; `None` is a transition that cannot be.
pub fn next(phase: &Phase, event: Event) -> Option<Phase> {
    use Phase::{Created, Draining, Failed, Paused, Preparing, Snapshotting, Stopped, Streaming};
    match (phase, event) {
        (Created | Paused | Stopped | Failed { .. }, Event::Start) => Some(Preparing),
        (Failed { retry: true, .. }, Event::RetryDue) => Some(Preparing),
        (Preparing, Event::NeedSnapshot) => Some(Snapshotting),
        (Preparing, Event::Resumable) => Some(Streaming),
        (Snapshotting, Event::SnapshotDone) => Some(Streaming),
        (Preparing | Snapshotting | Streaming | Draining, Event::Rest(_)) => Some(Draining),
        (Created | Paused | Stopped | Failed { .. }, Event::Rest(rest)) => Some(resting(rest)),
        (Preparing | Snapshotting | Streaming | Draining, Event::Drained(rest)) => Some(resting(rest)),
        (Created | Preparing | Snapshotting | Streaming | Draining, Event::Fault(problem)) => {
            Some(Failed { retry: problem.action == Action::Retry, problem })
        }
        _ => None,
    }
}

fn resting(rest: Rest) -> Phase {
    match rest {
        Rest::Pause => Phase::Paused,
        Rest::Stop => Phase::Stopped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(retry: bool) -> Phase {
        Phase::Failed { retry, problem: problem(retry) }
    }

    fn problem(retry: bool) -> Problem {
        if retry { Problem::retry("pg/refused", "away") } else { Problem::fail("pg/auth", "wrong") }
    }

    /// Aim: every pair of phase and event has the outcome of the picture. Method: the whole table, row by row.
    #[test]
    fn the_machine_is_the_picture() {
        use Phase::{Created, Draining, Paused, Preparing, Snapshotting, Stopped, Streaming};
        let events = [
            Event::Start,
            Event::NeedSnapshot,
            Event::Resumable,
            Event::SnapshotDone,
            Event::Rest(Rest::Pause),
            Event::Rest(Rest::Stop),
            Event::Drained(Rest::Pause),
            Event::Drained(Rest::Stop),
            Event::Fault(problem(true)),
            Event::Fault(problem(false)),
            Event::RetryDue,
        ];
        let (again, over) = (Some(failed(true)), Some(failed(false)));
        let rest = |phase: Phase| Some(phase);
        #[rustfmt::skip]
        let table: [(Phase, [Option<Phase>; 11]); 9] = [
            //             Start            NeedSnapshot         Resumable        SnapshotDone     Rest(Pause)     Rest(Stop)      Drained(Pause) Drained(Stop)  Fault          Fault         RetryDue
            (Created,      [rest(Preparing), None,               None,            None,            rest(Paused),   rest(Stopped),  None,          None,          again.clone(), over.clone(), None]),
            (Preparing,    [None,            rest(Snapshotting), rest(Streaming), None,            rest(Draining), rest(Draining), rest(Paused),  rest(Stopped), again.clone(), over.clone(), None]),
            (Snapshotting, [None,            None,               None,            rest(Streaming), rest(Draining), rest(Draining), rest(Paused),  rest(Stopped), again.clone(), over.clone(), None]),
            (Streaming,    [None,            None,               None,            None,            rest(Draining), rest(Draining), rest(Paused),  rest(Stopped), again.clone(), over.clone(), None]),
            (Draining,     [None,            None,               None,            None,            rest(Draining), rest(Draining), rest(Paused),  rest(Stopped), again.clone(), over.clone(), None]),
            (failed(true), [rest(Preparing), None,               None,            None,            rest(Paused),   rest(Stopped),  None,          None,          None,          None,         rest(Preparing)]),
            (failed(false),[rest(Preparing), None,               None,            None,            rest(Paused),   rest(Stopped),  None,          None,          None,          None,         None]),
            (Paused,       [rest(Preparing), None,               None,            None,            rest(Paused),   rest(Stopped),  None,          None,          None,          None,         None]),
            (Stopped,      [rest(Preparing), None,               None,            None,            rest(Paused),   rest(Stopped),  None,          None,          None,          None,         None]),
        ];
        for (phase, outcomes) in &table {
            for (event, outcome) in events.iter().zip(outcomes) {
                assert_eq!(next(phase, event.clone()), *outcome, "{phase:?} + {event:?}");
            }
        }
    }

    #[test]
    fn every_phase_has_a_listed_name() {
        for phase in [Phase::Created, Phase::Draining, failed(true), failed(false), Phase::Stopped] {
            assert!(Phase::NAMES.contains(&phase.name()));
        }
    }
}
