//! The vocabulary of a change: relations, rows, positions. Pure data, no I/O.
//!
//! Owns what a row change *is*, whatever read it from PostgreSQL and whatever becomes of it. Imports nothing of ours.

pub mod asked;
pub mod incremental;
pub mod inherited;
pub mod lsn;
pub mod notice;
pub mod position;
pub mod progress;
pub mod relation;
pub mod row;
pub mod signal;
pub mod transaction;
pub mod tuple;

pub use asked::Asked;
pub use incremental::Incremental;
pub use inherited::Inherited;
pub use lsn::Lsn;
pub use notice::Notice;
pub use position::{Checkpoint, Fingerprint, PartialTransaction, SlotIdentity};
pub use progress::Progress;
pub use relation::{Column, Relation, RelationId, ReplicaIdentity, TypeKind};
pub use row::{Op, Position, RowChange, SnapshotMark};
pub use signal::Signal;
pub use transaction::TransactionCounts;
pub use tuple::{Cell, CellSpan, Tuple};
