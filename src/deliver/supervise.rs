//! The running of one subscription: begun, begun again after trouble, ended.
//!
//! Promises that a defect in a sink ends that subscription and nothing else, that trouble is tried again after 0.5 s to 30 s for
//! ever, and that a person's word (pause) counts within a second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::status::State;
use super::{Around, Sink};
use crate::problem::{Action, Problem};

const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Who ran this long begins with the shortest pause again.
const RAN_WELL: Duration = Duration::from_secs(60);

/// Runs a sink until it is told to end, it fails for good, or the receiver wants no more: then the problem says why.
pub(super) async fn run(sink: Arc<dyn Sink>, around: Around) -> Option<Problem> {
    let status = Arc::clone(around.status());
    let stop = around.stop();
    let mut pause = PAUSE_MIN;
    loop {
        if *stop.borrow() {
            return None;
        }
        status.set(State::Running);
        let begun = Instant::now();
        // A task of its own, so that a panic in it is a problem and no more; it goes when this one is given up.
        let mut running = JoinSet::new();
        running.spawn(Arc::clone(&sink).run(around.clone()));
        let ended = running.join_next().await.unwrap_or(Ok(Ok(())));
        let problem = match ended {
            Ok(Ok(())) if *stop.borrow() => return None,
            Ok(Ok(())) => Problem::retry("subscription/ended", "the deliveries ended without being told to"),
            Ok(Err(problem)) => problem,
            Err(_) => Problem::fail("internal/panic", format!("the subscription {} met a defect of rowfeed", around.name()))
                .why("its place is kept; the log of the service has the details")
                .fix("report it with the log; then:  rowfeed subscriptions resume NAME"),
        };
        match problem.action {
            Action::Retry => {
                tracing::warn!(
                    subscription = around.name(),
                    code = problem.code,
                    "{}; tried again in {} ms",
                    problem.what,
                    pause.as_millis()
                );
                status.set(State::Waiting(problem));
                status.restarted();
            }
            Action::Refuse => {
                tracing::warn!(subscription = around.name(), code = problem.code, "paused: {}", problem.what);
                return Some(problem);
            }
            Action::Fail | Action::Stop => {
                tracing::error!(subscription = around.name(), code = problem.code, "failed: {}", problem.text());
                status.set(State::Failed(problem));
                return None;
            }
        }
        if begun.elapsed() >= RAN_WELL {
            pause = PAUSE_MIN;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = around.stopped() => return None,
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}
