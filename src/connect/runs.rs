//! The snapshots of a connector since the service started: when each began and ended, and what it read.
//!
//! Owns that list. Promises that it has so many at most, the oldest going first, and that a snapshot which begins anew ends the one before.
//! How far the one is that runs now is [`super::status`]'s.

use std::collections::VecDeque;
use std::time::SystemTime;

/// So many are remembered.
const RUNS_MAX: usize = 20;

/// Beside the stream, or before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The stream waits for it.
    Snapshot,
    /// It is read beside the stream.
    Incremental,
}

impl Kind {
    /// The word in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Incremental => "incremental",
        }
    }
}

/// A snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Which way.
    pub kind: Kind,
    /// When it began.
    pub began: SystemTime,
    /// When it ended; `None` while it has not.
    pub ended: Option<SystemTime>,
    /// Tables that were read.
    pub tables: u64,
    /// Rows that were read.
    pub rows: u64,
    /// In Debezium's words: `IN_PROGRESS`, `COMPLETED`, `ABORTED`, or why the last table that was not read was not.
    pub status: &'static str,
}

/// The last of them, oldest first.
#[derive(Debug, Default)]
pub struct Runs(VecDeque<Run>);

impl Runs {
    /// One begins.
    pub fn begin(&mut self, kind: Kind, now: SystemTime) {
        self.abort(kind, now);
        if self.0.len() >= RUNS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Run { kind, began: now, ended: None, tables: 0, rows: 0, status: "IN_PROGRESS" });
    }

    /// One that has not ended is given up.
    pub fn abort(&mut self, kind: Kind, now: SystemTime) {
        if let Some(run) = self.last(kind).filter(|run| run.ended.is_none()) {
            (run.ended, run.status) = (Some(now), "ABORTED");
        }
    }

    /// How far the one is that the stream waits for.
    pub fn is_at(&mut self, tables: u64, rows: u64, is_over: bool, now: SystemTime) {
        let Some(run) = self.last(Kind::Snapshot).filter(|run| run.ended.is_none()) else { return };
        (run.tables, run.rows) = (tables, rows);
        if is_over {
            (run.ended, run.status) = (Some(now), "COMPLETED");
        }
    }

    /// A table was read beside the stream, or not: its rows, and its status in Debezium's words.
    pub fn table_ended(&mut self, rows: u64, status: &'static str, now: SystemTime) {
        // The process before had begun it.
        if self.last(Kind::Incremental).is_none_or(|run| run.ended.is_some()) {
            self.begin(Kind::Incremental, now);
        }
        let Some(run) = self.last(Kind::Incremental) else { return };
        run.rows += rows;
        match status {
            "SUCCEEDED" | "EMPTY" => run.tables += 1,
            other => run.status = other,
        }
    }

    /// No table is left beside the stream; `is_whole`: none was taken away.
    pub fn incremental_ended(&mut self, is_whole: bool, now: SystemTime) {
        let Some(run) = self.last(Kind::Incremental).filter(|run| run.ended.is_none()) else { return };
        run.ended = Some(now);
        if run.status == "IN_PROGRESS" {
            run.status = if is_whole { "COMPLETED" } else { "ABORTED" };
        }
    }

    /// All of them, newest first.
    pub fn all(&self) -> Vec<Run> {
        self.0.iter().rev().cloned().collect()
    }

    fn last(&mut self, kind: Kind) -> Option<&mut Run> {
        self.0.iter_mut().rev().find(|run| run.kind == kind)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    #[test]
    fn one_that_begins_anew_ends_the_one_before() {
        let mut runs = Runs::default();
        runs.begin(Kind::Snapshot, at(1));
        runs.is_at(1, 10, false, at(2));
        runs.begin(Kind::Snapshot, at(3));
        runs.is_at(2, 30, true, at(4));
        runs.is_at(9, 99, false, at(5));
        let told: Vec<_> = runs.all().iter().map(|run| (run.status, run.tables, run.rows, run.ended)).collect();
        assert_eq!(told, [("COMPLETED", 2, 30, Some(at(4))), ("ABORTED", 1, 10, Some(at(3)))]);
    }

    #[test]
    fn what_is_read_beside_the_stream_is_as_good_as_its_worst_table() {
        let mut runs = Runs::default();
        runs.table_ended(5, "SUCCEEDED", at(1));
        assert_eq!((runs.all()[0].status, runs.all()[0].ended), ("IN_PROGRESS", None));
        runs.table_ended(2, "SQL_EXCEPTION", at(2));
        runs.table_ended(1, "EMPTY", at(3));
        runs.incremental_ended(true, at(4));
        let expected = Run { kind: Kind::Incremental, began: at(1), ended: Some(at(4)), tables: 2, rows: 8, status: "SQL_EXCEPTION" };
        assert_eq!(runs.all(), [expected]);
        runs.begin(Kind::Incremental, at(5));
        runs.incremental_ended(false, at(6));
        assert_eq!(runs.all()[0].status, "ABORTED");
        for second in 10..50 {
            runs.begin(Kind::Snapshot, at(second));
        }
        assert_eq!(runs.all().len(), RUNS_MAX);
        assert_eq!(runs.all()[0].began, at(49));
    }
}
