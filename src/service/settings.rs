//! `rowfeed.toml`, read again while everything runs.
//!
//! Owns comparing what the file says with what the process runs with. Promises that a setting that can be taken over at once
//! is (the level of log lines, the subscriptions), that of every other one it is told by name that it holds from the next start on, and that a
//! file with mistakes changes nothing. The environment and the command line win over the file, as at the start.

use super::subscriptions;
use crate::config::Running;
use crate::config::running::FileRead;
use crate::deliver::{Definition, Deliveries};
use crate::problem::Problem;
use crate::telemetry;

/// The settings that need no new start.
const LIVE: &str = "logging.level";

/// What the process runs with.
#[derive(Clone)]
pub(super) struct Settings {
    running: Running,
    deliveries: Option<Deliveries>,
}

impl Settings {
    /// These, without subscriptions yet.
    pub fn new(running: Running) -> Self {
        Self { running, deliveries: None }
    }

    /// The settings as they hold now.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// The subscriptions, whose definitions are in the file, too.
    pub fn deliver_by(&mut self, deliveries: Deliveries) {
        self.deliveries = Some(deliveries);
    }

    /// Reads the file again, takes over what can be, and tells the log of the rest.
    pub async fn read_again(&self) {
        let wanted = self.take_over();
        if let (Some(wanted), Some(deliveries)) = (wanted, &self.deliveries) {
            deliveries.reload(wanted).await;
        }
    }

    /// The subscriptions of a file without mistakes.
    fn take_over(&self) -> Option<Vec<Definition>> {
        // Read before the lock is taken: a file system that hangs must not hold up who only looks.
        let before = self.running.now().config.clone();
        let file = before.file.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
        let taken = before.load_again().and_then(|read| Ok((subscriptions::definitions(&read)?, read)));
        let mut running = self.running.now();
        let (wanted, read) = match taken {
            Ok(taken) => taken,
            Err(problems) => {
                problems.iter().for_each(|problem| not_taken_over(&file, problem));
                running.read = FileRead::with(problems);
                return None;
            }
        };
        let mut problems = Vec::new();
        let mut waiting = read.differs_in(&running.config);
        if waiting.iter().any(|name| name == LIVE) {
            waiting.retain(|name| name != LIVE);
            match telemetry::set_all(&read.logging_level) {
                Ok(()) => {
                    running.config.note(LIVE, &read);
                    tracing::warn!(file, level = read.logging_level, "{LIVE} is another from now on");
                }
                Err(error) => {
                    let problem = telemetry::not_a_level(&read.logging_level, error);
                    not_taken_over(&file, &problem);
                    problems.push(problem);
                }
            }
        }
        if !waiting.is_empty() {
            let keys = waiting.join(", ");
            tracing::warn!(
                file,
                keys,
                "these settings are others in the file than those that rowfeed runs with: they need a restart of rowfeed"
            );
        }
        running.read = FileRead { waiting, ..FileRead::with(problems) };
        Some(wanted)
    }
}

fn not_taken_over(file: &str, problem: &Problem) {
    tracing::error!(file, code = problem.code, "the settings are not taken over, rowfeed goes on as it was: {}", problem.text());
}
