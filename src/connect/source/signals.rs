//! What becomes of a signal: the one place where a running capture acts on what is asked of it.
//!
//! Owns the way from a signal to what does it. Promises that signals are acted on between two transactions, in their
//! order, each told in the log, and that one that cannot be acted on never fails the connector.

use super::stream::Stream;
use crate::change::signal::{Action as Request, SnapshotKind};
use crate::change::{Checkpoint, Signal};
use crate::log::LogWriter;
use crate::problem::{Action, Problem};

impl<W: LogWriter> Stream<'_, W> {
    /// Signals wait, and may be acted on now.
    #[inline]
    pub(super) fn has_signals(&self) -> bool {
        self.context.signals.any() && !self.work.resume.in_transaction()
    }

    /// Between two transactions: acts on the signals that wait.
    pub(super) async fn take_signals(&mut self) -> Result<(), Problem> {
        while let Some(signal) = self.context.signals.take() {
            let again = signal.clone();
            match Box::pin(self.act(signal)).await {
                Ok(true) => {}
                Ok(false) => {
                    self.context.signals.put_back(again);
                    break;
                }
                Err(problem) => {
                    // What passes by comes again with the next task.
                    if problem.action == Action::Retry {
                        self.context.signals.put_back(again);
                    }
                    return Err(problem);
                }
            }
        }
        Ok(())
    }

    /// False: it was told to stop before it could.
    async fn act(&mut self, signal: Signal) -> Result<bool, Problem> {
        let Signal { id, action } = signal;
        match action {
            Request::Log(message) => {
                let text = message.replacen("{}", &offset(self.work.resume.checkpoint()), 1);
                tracing::info!(connector = self.context.config.name, id, "{text}");
                Ok(true)
            }
            Request::Snapshot(request) if request.kind == SnapshotKind::Incremental => self.take_incremental(id, &request).await,
            Request::Snapshot(_) => {
                tracing::warn!(connector = self.context.config.name, id, "blocking snapshots are not taken: the signal has no effect");
                Ok(true)
            }
            Request::Stop { collections } => self.stop_incremental(&id, &collections).await,
            Request::Pause => self.rest_incremental(&id, true).await,
            Request::Resume => self.rest_incremental(&id, false).await,
        }
    }
}

/// The position, as a Debezium would tell it.
fn offset(checkpoint: &Checkpoint) -> String {
    let mut written = Vec::new();
    checkpoint.write(&mut written);
    let mut value: serde_json::Value = serde_json::from_slice(&written).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.remove("rowfeed");
    }
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Lsn;

    #[test]
    fn a_position_is_told_as_debezium_tells_it() {
        let checkpoint = Checkpoint { lsn: Lsn(7), end_lsn: Lsn(8), xid: 9, ..Checkpoint::default() };
        assert_eq!(offset(&checkpoint), r#"{"lsn_proc":7,"lsn_commit":8,"lsn":7,"txId":9,"ts_usec":0}"#);
    }
}
