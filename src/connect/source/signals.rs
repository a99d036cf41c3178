//! What becomes of a signal: the one place where a running capture acts on what is asked of it.
//!
//! Owns the way from a signal to what does it, and the rows of the signalling table. Promises that signals are acted on
//! between two transactions, in their order, each told in the log, and that one that cannot be acted on never fails the
//! connector. A row's signal is acted on behind its transaction, and the commit of the log that has the one has the other;
//! whoever sent it otherwise is answered once that commit is durable.

use super::stream::Stream;
use crate::change::asked::Asked;
use crate::change::signal::{Action as Request, SnapshotKind};
use crate::change::{Cell, Checkpoint, Signal, Tuple};
use crate::connect::signals::{Receipt, WAITING_MAX};
use crate::log::{CommitSeq, LogWriter};
use crate::problem::{Action, Problem};

/// Who waits for a commit to be durable.
pub(super) type Answers = Vec<(CommitSeq, Receipt)>;

impl<W: LogWriter> Stream<'_, W> {
    /// Signals wait, and may be acted on now.
    #[inline]
    pub(super) fn has_signals(&self) -> bool {
        self.context.signals.any() && !self.work.resume.in_transaction()
    }

    /// Between two transactions: acts on the signals that wait.
    pub(super) async fn take_signals(&mut self) -> Result<(), Problem> {
        while let Some((signal, receipt)) = self.context.signals.take() {
            // Who has a receipt sends it again.
            let again = receipt.is_none().then(|| signal.clone());
            // Before: it is in every commit that what is done hands over.
            let before = self.work.resume.signals_taken();
            if let Some(receipt) = &receipt {
                self.work.resume.take_signal(receipt.origin);
            }
            let done = Box::pin(self.act(signal)).await;
            if !matches!(&done, Ok(true)) {
                self.work.resume.set_signals_taken(before);
            }
            // What passes by comes again with the next task.
            if matches!(&done, Ok(false)) || matches!(&done, Err(problem) if problem.action == Action::Retry) {
                again.into_iter().for_each(|signal| self.context.signals.put_back(signal));
            }
            if !done? {
                break;
            }
            // What was done and that it was done, in one commit.
            if !self.open_commit().await? {
                break;
            }
            self.hand_over().await?;
            self.answers.extend(receipt.map(|receipt| (self.work.commits.newest(), receipt)));
        }
        Ok(())
    }

    /// Answers those whose signals are in durable commits.
    pub(super) fn answer(&mut self) {
        if !self.answers.is_empty() {
            let durable = self.work.commits.writer.durable();
            for (_, receipt) in self.answers.extract_if(.., |(commit, _)| *commit <= durable) {
                receipt.answer();
            }
        }
    }

    /// Behind a transaction with rows of the signalling table: acts on them, before the next commit.
    pub(super) async fn take_signalled(&mut self) -> Result<(), Problem> {
        if self.work.signalled.is_empty() {
            return Ok(());
        }
        let mut signals = std::mem::take(&mut self.work.signalled).into_iter();
        while let Some(signal) = signals.next() {
            let again = signal.clone();
            if !Box::pin(self.act(signal)).await? {
                // The first one in front.
                signals.rev().chain([again]).for_each(|signal| self.context.signals.put_back(signal));
                return Ok(());
            }
        }
        // With the transaction that asked for it.
        if self.open_commit().await? { self.hand_over().await } else { Ok(()) }
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
            Request::Snapshot(request) if request.kind != SnapshotKind::Blocking => self.take_incremental(id, &request).await,
            Request::Snapshot(request) => {
                self.ask_for(Asked { id, request }).await?;
                Ok(true)
            }
            Request::Stop { collections } => self.stop_incremental(&id, &collections).await,
            Request::Pause => self.rest_incremental(&id, true).await,
            Request::Resume => self.rest_incremental(&id, false).await,
        }
    }
}

/// Adds what a new row of the signalling table asks for: its three columns are id, type and data, whatever they are called.
pub(super) fn hear(row: Tuple<'_>, signalled: &mut Vec<Signal>) {
    if row.len() != 3 {
        return tracing::warn!(columns = row.len(), "a row of signal.data.collection has no effect: it must have three columns");
    }
    if signalled.len() >= WAITING_MAX {
        return tracing::warn!("one transaction has more than {WAITING_MAX} signals: the rest has no effect");
    }
    let text = |column: usize| match row.cell(column) {
        Cell::Text(text) => String::from_utf8_lossy(text),
        Cell::Null | Cell::Unchanged => "".into(),
    };
    match Signal::parse(&text(0), &text(1), &text(2)) {
        Ok(signal) => signalled.push(signal),
        // A Debezium that reads beside us marks its chunks.
        Err(problem) if text(1).starts_with("snapshot-window-") => tracing::debug!("{}", problem.text()),
        Err(problem) => tracing::warn!("a signal has no effect: {}", problem.text()),
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
