//! Where the stream goes on: which of the messages that PostgreSQL sends again were published before.
//!
//! Pure: it is told what arrives and says whether to publish it, and notices when the history is not the one that the
//! checkpoint was written on. A transaction was seen exactly when its commit record is not above the last published one
//! (commit records are compared with commit records, never with row or end positions: those coincide across
//! transactions). Of a transaction that was cut, the first `rows` messages were published. Every commit that comes again
//! must be the one that was remembered; a database that was restored from a backup has others at the same places.

use crate::change::{Asked, Checkpoint, Fingerprint, Incremental, Lsn, PartialTransaction, Progress, TransactionCounts};
use crate::connect::signals::Origin;
use crate::problem::Problem;

/// What to do with the rows of the open transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Skip {
    Nothing,
    /// Published before, or in the snapshot.
    All,
    /// The first ones were published before.
    First(u64),
    /// Debezium delivered the first ones; how many shows when the place is met.
    Inherited,
}

/// The open transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Open {
    final_lsn: Lsn,
    xid: u32,
    time_us: i64,
    /// Row messages received.
    rows: u64,
    skip: Skip,
}

/// The position, moving.
#[derive(Debug)]
pub struct Resume {
    checkpoint: Checkpoint,
    open: Option<Open>,
    /// A commit that must come again before anything new does.
    must_meet: Option<Fingerprint>,
    /// Rows at the place where Debezium stopped, as far as they have come.
    at_place: u64,
}

impl Resume {
    /// Goes on from a checkpoint; the slot will send everything after `confirmed`.
    pub fn new(checkpoint: Checkpoint, confirmed: Lsn) -> Self {
        let must_meet = checkpoint.ring.last().copied().filter(|last| confirmed <= last.final_lsn);
        Self { checkpoint, open: None, must_meet, at_place: 0 }
    }

    /// The position as of now.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Notes how far a snapshot is that is read beside the stream; `pending`: rows are left to read.
    pub fn note(&mut self, progress: Option<Progress>, pending: bool) {
        self.checkpoint.progress = progress;
        self.checkpoint.snapshot_pending = pending;
    }

    /// Notes a snapshot that is asked for.
    pub fn ask(&mut self, asked: Asked) {
        self.checkpoint.asked.push(asked);
    }

    /// The first snapshot that was asked for is taken, or never will be.
    pub fn is_done(&mut self) {
        if !self.checkpoint.asked.is_empty() {
            self.checkpoint.asked.remove(0);
        }
    }

    /// How far signals are read from their topic and their file.
    pub fn signals_taken(&self) -> (Option<i64>, u64) {
        (self.checkpoint.signal_offset, self.checkpoint.signal_lines)
    }

    /// The same, put back.
    pub fn set_signals_taken(&mut self, (offset, lines): (Option<i64>, u64)) {
        self.checkpoint.signal_offset = offset;
        self.checkpoint.signal_lines = lines;
    }

    /// Notes that a signal is taken from its channel.
    pub fn take_signal(&mut self, origin: Origin) {
        match origin {
            Origin::Offset(offset) => self.checkpoint.signal_offset = Some(offset),
            Origin::Line(line) => self.checkpoint.signal_lines = line,
        }
    }

    /// The open transaction's rows were published in part: what they ask for was not done before its end.
    pub fn is_partial(&self) -> bool {
        self.open.as_ref().is_some_and(|open| matches!(open.skip, Skip::First(_)))
    }

    /// Notes how far an incremental snapshot is.
    pub fn note_incremental(&mut self, incremental: Option<Incremental>) {
        self.checkpoint.incremental = incremental;
    }

    /// Notes which tables are followed from now on.
    pub fn follow_tables(&mut self, tables: String) {
        self.checkpoint.tables = Some(tables);
    }

    /// Inside a transaction.
    pub fn in_transaction(&self) -> bool {
        self.open.is_some()
    }

    /// Rows of the open transaction so far; 0 outside one.
    pub fn open_rows(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.rows)
    }

    /// A transaction begins.
    pub fn begin(&mut self, final_lsn: Lsn, xid: u32, time_us: i64) -> Result<(), Problem> {
        if let Some(open) = &self.open {
            return Err(diverged(format!("transaction {xid} begins inside transaction {}", open.xid)));
        }
        let cp = &self.checkpoint;
        let skip = if final_lsn <= cp.final_lsn || final_lsn < cp.snapshot_lsn {
            Skip::All
        } else {
            if let Some(missed) = &self.must_meet {
                return Err(diverged(format!(
                    "the commit at {} (transaction {}), published before, did not come again",
                    missed.final_lsn, missed.xid
                )));
            }
            match &cp.partial {
                None if cp.inherited.is_some_and(|inherited| inherited.xid == xid) => Skip::Inherited,
                // Nothing was committed in the stream before the transaction in which Debezium stopped.
                None if cp.inherited.is_some_and(|inherited| inherited.first) => Skip::All,
                None if cp.inherited.is_some() => {
                    return Err(diverged(format!(
                        "Debezium stopped in transaction {}, and transaction {xid} (commit {final_lsn}) came in its place",
                        cp.inherited.map_or(0, |inherited| inherited.xid)
                    )));
                }
                Some(partial) if partial.final_lsn == final_lsn && partial.xid == xid => Skip::First(partial.rows),
                Some(partial) => {
                    return Err(diverged(format!(
                        "the rest of transaction {} (commit {}) did not come again, {final_lsn} came instead",
                        partial.xid, partial.final_lsn
                    )));
                }
                // In one history every commit below what was confirmed is published, or in the snapshot.
                None if final_lsn < cp.flush_lsn => {
                    return Err(diverged(format!(
                        "a commit at {final_lsn} (transaction {xid}) came that is new, though everything up to {} was received",
                        cp.flush_lsn
                    )));
                }
                None => Skip::Nothing,
            }
        };
        self.open = Some(Open { final_lsn, xid, time_us, rows: 0, skip });
        Ok(())
    }

    /// None of the open transaction was published before: that it began has to be told.
    pub fn is_new_transaction(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.skip == Skip::Nothing)
    }

    /// What the open transaction told of its events before it was cut, when it did.
    pub fn counted(&self) -> Option<&TransactionCounts> {
        let cut = self.open.as_ref().is_some_and(|open| matches!(open.skip, Skip::First(_) | Skip::Inherited));
        self.checkpoint.transaction.as_ref().filter(|_| cut)
    }

    /// Notes what the open transaction has told so far: the next checkpoint has it.
    pub fn count(&mut self, counts: &TransactionCounts) {
        self.checkpoint.transaction = Some(counts.clone());
    }

    /// A row message of the open transaction: publish it?
    #[inline]
    pub fn row(&mut self) -> Result<bool, Problem> {
        let Some(open) = &mut self.open else { return Err(diverged("a row outside a transaction".into())) };
        open.rows += 1;
        Ok(match open.skip {
            Skip::Nothing => true,
            Skip::All | Skip::Inherited => false,
            Skip::First(published) => open.rows > published,
        })
    }

    /// As [`Resume::row`], where a Debezium may have stopped in this transaction. `changes_key`: the row is an update that
    /// becomes several records.
    #[inline]
    pub fn row_at(&mut self, lsn: Lsn, changes_key: bool) -> Result<bool, Problem> {
        if self.checkpoint.inherited.is_some() {
            self.pass_inherited(lsn, changes_key);
        }
        self.row()
    }

    /// From the first row on that Debezium did not deliver, the transaction is one that was cut there.
    fn pass_inherited(&mut self, lsn: Lsn, changes_key: bool) {
        let (Some(inherited), Some(open)) = (self.checkpoint.inherited, &mut self.open) else { return };
        if open.skip != Skip::Inherited || lsn < inherited.lsn {
            return;
        }
        self.at_place += u64::from(lsn == inherited.lsn);
        let delivered = self.at_place <= inherited.rows && !(inherited.update && changes_key && self.at_place == inherited.rows);
        if lsn > inherited.lsn || !delivered {
            if lsn == inherited.lsn {
                tracing::warn!(
                    xid = inherited.xid, %lsn,
                    "Debezium's offset does not say how many of the rows at this place it delivered: all but the first are sent, perhaps again"
                );
            }
            open.skip = Skip::First(open.rows);
            self.checkpoint.inherited = None;
        }
    }

    /// The transaction ends: was it new? Then the checkpoint is behind it.
    pub fn commit(&mut self, final_lsn: Lsn, end_lsn: Lsn, time_us: i64) -> Result<bool, Problem> {
        let Some(open) = self.open.take() else { return Err(diverged(format!("a commit at {final_lsn} outside a transaction"))) };
        if open.final_lsn != final_lsn {
            return Err(diverged(format!("transaction {} began for the commit at {} and ends at {final_lsn}", open.xid, open.final_lsn)));
        }
        let commit = Fingerprint { final_lsn, end_lsn, xid: open.xid, time_us };
        if open.skip == Skip::All {
            self.recognise(commit)?;
            return Ok(false);
        }
        if let Skip::First(published) = open.skip
            && open.rows < published
        {
            return Err(diverged(format!("transaction {} has {} rows, of which {published} were published", open.xid, open.rows)));
        }
        let cp = &mut self.checkpoint;
        cp.partial = None;
        cp.inherited = None;
        cp.transaction = None;
        cp.final_lsn = final_lsn;
        cp.end_lsn = end_lsn;
        cp.flush_lsn = cp.flush_lsn.max(end_lsn);
        cp.remember(commit);
        Ok(true)
    }

    /// A commit that was published before must be the one that is remembered.
    fn recognise(&mut self, commit: Fingerprint) -> Result<(), Problem> {
        let ring = &self.checkpoint.ring;
        if ring.first().is_none_or(|oldest| commit.final_lsn < oldest.final_lsn) {
            return Ok(());
        }
        if !ring.contains(&commit) {
            return Err(diverged(format!(
                "the commit at {} is of transaction {}, which was never published",
                commit.final_lsn, commit.xid
            )));
        }
        if self.must_meet == Some(commit) {
            self.must_meet = None;
        }
        Ok(())
    }

    /// A message outside transactions: publish it?
    pub fn message(&mut self, lsn: Lsn) -> bool {
        let new = lsn > self.checkpoint.message_lsn && lsn >= self.checkpoint.snapshot_lsn;
        if new {
            self.checkpoint.message_lsn = lsn;
        }
        new
    }

    /// Notes the last event, for the offset's Debezium part.
    pub fn event(&mut self, lsn: Lsn) {
        self.checkpoint.lsn = lsn;
        if let Some(open) = &self.open {
            self.checkpoint.xid = open.xid;
            self.checkpoint.time_us = open.time_us;
        }
    }

    /// The checkpoint to write with what was published so far, in the middle of a transaction too.
    pub fn mark(&mut self) -> &Checkpoint {
        if let Some(open) = &self.open {
            let published = match open.skip {
                Skip::All | Skip::Inherited => 0,
                Skip::Nothing => open.rows,
                Skip::First(published) => open.rows.max(published),
            };
            if published > 0 {
                self.checkpoint.partial = Some(PartialTransaction { final_lsn: open.final_lsn, xid: open.xid, rows: published });
            }
        }
        &self.checkpoint
    }

    /// Everything up to `wal_end` was sent and is of no interest: the checkpoint may say so. False inside a transaction or
    /// when it says so already.
    pub fn advance_idle(&mut self, wal_end: Lsn) -> bool {
        let free =
            self.open.is_none() && self.checkpoint.partial.is_none() && self.checkpoint.inherited.is_none() && self.must_meet.is_none();
        let further = free && wal_end > self.checkpoint.flush_lsn;
        if further {
            self.checkpoint.flush_lsn = wal_end;
        }
        further
    }
}

/// How a connector is made to begin again; `slot` is to be dropped, when it is there.
pub fn begin_anew(connector: &str, slot: Option<&str>) -> String {
    let drop = slot.map_or_else(String::new, |slot| format!("SELECT pg_drop_replication_slot('{slot}'), "));
    format!(
        "to go on with what the database has now:\n\
         PUT /connectors/{connector}/stop, DELETE /connectors/{connector}/offsets, {drop}PUT /connectors/{connector}/resume\n\
         (it makes a new slot and takes a new snapshot: rows come as op \"r\"), then, for deletes that no snapshot shows:\n\
         rowfeed snapshot start {connector} --all --reconcile\n\
         (it reads the tables beside the stream and deletes from the topics what is gone; with snapshot.mode=no_data the first snapshot is spared)"
    )
}

/// The same where the names are not at hand.
pub fn begin_anew_somewhere() -> String {
    begin_anew("NAME", Some("SLOT"))
}

fn diverged(why: String) -> Problem {
    Problem::fail("source/history-diverged", "the database's history is not the one that was published")
        .why(format!("{why}. The database was restored from a backup, or this data directory is an old copy"))
        .fix(format!("decide what is true; {}", begin_anew_somewhere()))
}

#[cfg(test)]
mod tests;
