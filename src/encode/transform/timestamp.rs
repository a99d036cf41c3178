//! A record's timestamp by a value of its row: `table.field.event.timestamp` of `EventRouter`.

use super::partition::Value;
use super::program::{BadValue, Input};
use super::rule::Field;
use super::shape::Node;
use crate::encode::schema::Kind;

/// What a record's timestamp is read from.
#[derive(Clone, Debug)]
pub struct Timestamp {
    field: Field,
    /// How many of the value's units are a millisecond.
    per_ms: i64,
}

impl Timestamp {
    /// A column that Debezium publishes as one of its own times since 1970; the text says why another is none.
    pub fn new(node: &Node) -> Result<Self, String> {
        let per_ms = match node.schema.name.as_deref().filter(|_| node.schema.kind == Kind::Int64) {
            Some("io.debezium.time.Timestamp") => 1,
            Some("io.debezium.time.MicroTimestamp") => 1000,
            Some("io.debezium.time.NanoTimestamp") => 1_000_000,
            _ => return Err("it takes a timestamp without a zone, and time.precision.mode neither connect nor isostring".to_owned()),
        };
        Ok(Self { field: Field::as_stored(node), per_ms })
    }

    /// A row's, in milliseconds; `None` where it is null.
    pub fn of(&self, scratch: &mut Vec<u8>, input: &Input<'_>, source: impl FnMut(&mut Vec<u8>)) -> Result<Option<i64>, BadValue> {
        let read = |value: Value<'_>| if let Value::Int(number) = value { number / self.per_ms } else { -1 };
        match self.field.of(scratch, input, source, read)? {
            Some(time) if time < 0 => Err(BadValue::Transform(format!("the timestamp {time} is before 1970: Kafka takes no such record"))),
            time => Ok(time),
        }
    }
}
