//! A connector's life: the phases, and as a pure function what an order or a fault makes of them.
//!
//! ```text
//!   Created -> Preparing -> Snapshotting -> Streaming      the task says so itself, when it gets there
//!                  |  \___________________/^   |
//!                  |                           | Rest (from any running phase)
//!   Paused/Stopped <------- Draining <---------+           Drained: the task has ended as asked
//!                  | Fault (from any running phase)
//!                  v
//!           Failed { retry } -> Preparing, after a back-off or by order;   Rest -> Paused/Stopped
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
    /// A person wants it to rest.
    Rest(Rest),
    /// The task has ended as asked.
    Drained(Rest),
    /// The task has ended with a problem.
    Fault(Problem),
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

    /// The same of a task that is held up: it runs, and nothing moves.
    pub fn name_while(&self, held_up: bool) -> &'static str {
        match self {
            Self::Snapshotting | Self::Streaming if held_up => "waiting",
            _ => self.name(),
        }
    }

    /// Every [`Phase::name`].
    pub const NAMES: [&str; 9] = ["created", "starting", "snapshot", "streaming", "draining", "waiting", "failed", "paused", "stopped"];
}

/// The phase after an event; `None` is a transition that cannot be.
pub fn next(phase: &Phase, event: Event) -> Option<Phase> {
    use Phase::{Created, Draining, Failed, Paused, Preparing, Snapshotting, Stopped, Streaming};
    match (phase, event) {
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
            Event::Rest(Rest::Pause),
            Event::Rest(Rest::Stop),
            Event::Drained(Rest::Pause),
            Event::Drained(Rest::Stop),
            Event::Fault(problem(true)),
            Event::Fault(problem(false)),
        ];
        let (again, over) = (Some(failed(true)), Some(failed(false)));
        let rest = |phase: Phase| Some(phase);
        #[rustfmt::skip]
        let table: [(Phase, [Option<Phase>; 6]); 9] = [
            //             Rest(Pause)     Rest(Stop)      Drained(Pause) Drained(Stop)  Fault          Fault
            (Created,      [rest(Paused),   rest(Stopped),  None,          None,          again.clone(), over.clone()]),
            (Preparing,    [rest(Draining), rest(Draining), rest(Paused),  rest(Stopped), again.clone(), over.clone()]),
            (Snapshotting, [rest(Draining), rest(Draining), rest(Paused),  rest(Stopped), again.clone(), over.clone()]),
            (Streaming,    [rest(Draining), rest(Draining), rest(Paused),  rest(Stopped), again.clone(), over.clone()]),
            (Draining,     [rest(Draining), rest(Draining), rest(Paused),  rest(Stopped), again.clone(), over.clone()]),
            (failed(true), [rest(Paused),   rest(Stopped),  None,          None,          None,          None]),
            (failed(false),[rest(Paused),   rest(Stopped),  None,          None,          None,          None]),
            (Paused,       [rest(Paused),   rest(Stopped),  None,          None,          None,          None]),
            (Stopped,      [rest(Paused),   rest(Stopped),  None,          None,          None,          None]),
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
