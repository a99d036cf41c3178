//! One event in the form the check works on, and how it is read from a Kafka record.

use serde_json::Value;

use super::Table;

/// What a value is when it was not sent because it did not change (TOAST).
pub const UNCHANGED: &str = "__debezium_unavailable_value";

/// A row as text, in the order of the table's columns.
pub type Row = Vec<Option<String>>;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Read by the snapshot.
    Read,
    Create,
    Update,
    Delete,
    /// The empty record behind a delete.
    Tombstone,
}

/// Whether the event is half of a key change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    No,
    /// The old key goes.
    Away,
    /// The new key comes.
    Here,
}

/// One event of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub op: Op,
    pub moved: Move,
    /// The key's columns as text; `None` for a table without a key.
    pub key: Option<Vec<Option<String>>>,
    pub before: Option<Row>,
    pub after: Option<Row>,
    /// The transaction; `None` for tombstones.
    pub xid: Option<u64>,
}

impl Event {
    /// The event without what pgoutput does not send: with the default replica identity only the key of the row before
    /// is known, and Debezium's format fills the other columns that may not be null with zeros.
    pub fn as_sent(&self, table: &Table) -> Self {
        let mut event = self.clone();
        if let Some(before) = event.before.as_mut().filter(|_| !table.full) {
            let unknown = before.iter_mut().enumerate().filter(|(at, _)| !table.key.contains(at));
            unknown.for_each(|(_, cell)| *cell = None);
        }
        event
    }
}

#[cfg(feature = "kafka")]
impl Event {
    /// Reads a record; an error says what is not as it must be.
    pub fn from_record(table: &Table, record: &crate::support::reader::Record) -> Result<Self, String> {
        let key = match &record.key {
            None => None,
            Some(bytes) => {
                let key: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
                let names: Vec<&str> = table.key.iter().filter_map(|at| table.columns.get(*at).copied()).collect();
                Some(cells(&names, &key)?)
            }
        };
        let moved = match (record.header("__debezium.newkey").is_some(), record.header("__debezium.oldkey").is_some()) {
            (true, _) => Move::Away,
            (_, true) => Move::Here,
            _ => Move::No,
        };
        let Some(bytes) = &record.value else {
            return Ok(Self { op: Op::Tombstone, moved, key, before: None, after: None, xid: None });
        };
        let value: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let op = match value["op"].as_str() {
            Some("r") => Op::Read,
            Some("c") => Op::Create,
            Some("u") => Op::Update,
            Some("d") => Op::Delete,
            other => return Err(format!("op {other:?}")),
        };
        if value["source"]["table"] != table.name {
            return Err(format!("an event of {} in the topic of {}", value["source"]["table"], table.name));
        }
        let row = |side: &Value| if side.is_null() { Ok(None) } else { cells(table.columns, side).map(Some) };
        Ok(Self { op, moved, key, before: row(&value["before"])?, after: row(&value["after"])?, xid: value["source"]["txId"].as_u64() })
    }
}

/// The named fields of a JSON object as text; more or fewer fields than named are an error.
fn cells(names: &[&str], object: &Value) -> Result<Row, String> {
    let fields = object.as_object().ok_or_else(|| format!("{object} is no object"))?;
    if fields.len() != names.len() {
        return Err(format!("{object} has not the fields {names:?}"));
    }
    names
        .iter()
        .map(|name| match fields.get(*name) {
            None => Err(format!("{object} lacks {name}")),
            Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Ok(Some(other.to_string())),
        })
        .collect()
}
