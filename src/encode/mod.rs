//! Row changes into events: key bytes and value bytes, Debezium's format byte for byte.
//!
//! Owns the envelope, keys, headers and values. Everything that does not depend on the row is glued into bytes once per
//! table version ([`plan`]); per row the encoder copies a piece, writes a value, and repeats. It pushes records into a
//! [`crate::record::RecordSink`] and allocates nothing per event once its scratch has grown. It knows neither sockets
//! nor logs.

pub mod avro;
pub mod cloud_events;
pub mod connect_json;
pub mod control;
pub mod decoded;
pub mod envelope;
pub mod header;
pub mod java;
pub mod json;
pub mod json_schema;
pub mod notification;
pub mod plan;
pub mod protobuf;
pub mod schema;
pub mod stored;
pub mod transaction;
pub mod transform;
pub mod values;
pub mod walk;
pub mod wire;

use crate::change::Relation;
use crate::problem::Problem;
use crate::record::SinkFull;

pub use envelope::Encoder;
pub use plan::{Draft, EventSettings, ROUTED_MAX, RelationPlan};

/// Why a row could not become an event.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EncodeError {
    /// A value is not what its column's type promises.
    #[error("{table}: column {column} holds something that is not a {type_name}")]
    Malformed {
        /// `schema.table`.
        table: String,
        /// The column.
        column: String,
        /// What was expected.
        type_name: String,
    },
    /// A row has another number of columns than its table.
    #[error("{table}: a row has {got} columns, the table has {expected}")]
    Columns {
        /// `schema.table`.
        table: String,
        /// Columns sent.
        got: usize,
        /// Columns described.
        expected: usize,
    },
    /// A row names a topic that is not known yet: nothing was pushed; to be pushed again once it is.
    #[error("the topic {name} is new")]
    NewTopic {
        /// What the row says.
        said: Box<[u8]>,
        /// The topic it means.
        name: String,
    },
    /// An event does not fit the schema that was registered for it.
    #[error(
        "{table}: an event does not fit its registered schema: a column that may not be null has no value, or holds one that the format cannot"
    )]
    Schema {
        /// `schema.table`.
        table: String,
    },
    /// A transformation cannot be applied to a row.
    #[error("{table}: {why}")]
    Transform {
        /// `schema.table`.
        table: String,
        /// Which one, and why.
        why: String,
    },
    /// The log's client would not take the record.
    #[error(transparent)]
    Sink(#[from] SinkFull),
}

impl EncodeError {
    /// Worded for a person. Another try would meet the same row.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Sink(full) => Problem::fail("row/too-large", full.to_string())
                .why("nothing of it is published, and nothing behind it: the position stays before its transaction")
                .fix(
                    "leave the large column out (column.exclude.list), or cut it (column.truncate.to.N.chars); then restart the connector",
                ),
            other => Problem::fail("row/undecodable", other.to_string()),
        }
    }

    fn malformed(relation: &Relation, column: usize) -> Self {
        let column = relation.columns.get(column);
        Self::Malformed {
            table: relation.name(),
            column: column.map(|column| column.name.to_string()).unwrap_or_default(),
            type_name: column.map(|column| format!("{:?}", column.kind)).unwrap_or_default(),
        }
    }
}
