//! A row change: what happened to a row, and where in the stream.

use super::lsn::Lsn;
use super::relation::Relation;
use super::tuple::Tuple;

/// What happened. Debezium's letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// The row was there when the snapshot was taken (`r`).
    Read,
    /// Insert (`c`).
    Create,
    /// Update (`u`).
    Update,
    /// Delete (`d`).
    Delete,
    /// Truncate of the whole table (`t`).
    Truncate,
}

impl Op {
    /// Debezium's letter.
    pub const fn letter(self) -> &'static str {
        match self {
            Self::Read => "r",
            Self::Create => "c",
            Self::Update => "u",
            Self::Delete => "d",
            Self::Truncate => "t",
        }
    }
}

/// Debezium's `source.snapshot`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotMark {
    /// Streaming.
    False,
    /// A row in the middle of the snapshot.
    True,
    /// The snapshot's first row.
    First,
    /// The first row of a later table.
    FirstInDataCollection,
    /// The last row of a table.
    LastInDataCollection,
    /// The snapshot's last row.
    Last,
    /// A row of an incremental snapshot.
    Incremental,
}

impl SnapshotMark {
    /// Debezium's text.
    pub const fn text(self) -> &'static str {
        match self {
            Self::False => "false",
            Self::True => "true",
            Self::First => "first",
            Self::FirstInDataCollection => "first_in_data_collection",
            Self::LastInDataCollection => "last_in_data_collection",
            Self::Last => "last",
            Self::Incremental => "incremental",
        }
    }
}

/// Where a change stands. Information for consumers; the position to resume from is a [`super::Checkpoint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The change's own LSN; several changes may share it.
    pub lsn: Lsn,
    /// End of the transaction committed before this one, if one is known.
    pub previous_commit: Option<Lsn>,
    /// The transaction, or none (a message outside any transaction).
    pub xid: Option<u32>,
    /// Commit time, microseconds since 1970.
    pub commit_time_us: i64,
    /// Streaming, or a row of the snapshot.
    pub snapshot: SnapshotMark,
    /// The slot's `catalog_xmin`, when that is looked up.
    pub xmin: Option<u32>,
    /// Changes whenever anything above but `lsn` does: what depends only on the rest is written once.
    pub epoch: u64,
}

impl Position {
    /// `source.lsn`: rows of an incremental snapshot have none, as in Debezium.
    pub fn told_lsn(&self) -> Option<Lsn> {
        (self.snapshot != SnapshotMark::Incremental).then_some(self.lsn)
    }
}

/// A row change, lent by whoever read it.
#[derive(Clone, Copy, Debug)]
pub struct RowChange<'a> {
    /// The table.
    pub relation: &'a Relation,
    /// What happened.
    pub op: Op,
    /// The old row: the identity's columns, or all with `REPLICA IDENTITY FULL`.
    pub before: Option<Tuple<'a>>,
    /// True when `before` carries the identity's columns only.
    pub before_is_key: bool,
    /// The new row.
    pub after: Option<Tuple<'a>>,
    /// Where.
    pub at: Position,
}
