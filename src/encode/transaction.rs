//! Transaction metadata: the block in events, and the records that tell where transactions begin and end.
//!
//! As Debezium's, byte for byte, its oddities included: the id is `xid:lsn` with the LSN of the record itself, so it differs
//! from event to event of one transaction, and the tables of a transaction stand in the order of Java's hash table.

use super::control::with_schema;
use super::java;
use super::json;
use super::schema::{Kind, Schema};
use super::wire::{NoForm, TopicForms};
use super::{EncodeError, EventSettings};
use crate::change::{Position, TransactionCounts};
use crate::record::{Headers, RecordRef, RecordSink, TopicHandle};

/// Counts an event: its place in its transaction and among its table's events there.
pub(super) fn place(counts: Option<&mut TransactionCounts>, table: &str, at: &Position) -> Option<(u64, u64)> {
    at.xid.and_then(|_| Some(counts?.count(table)))
}

/// `{"id":...,"total_order":...,"data_collection_order":...}`, or null where a transaction is not counted.
pub(super) fn block(out: &mut Vec<u8>, place: Option<(u64, u64)>, at: &Position) {
    let (Some((total, of_table)), Some(xid)) = (place, at.xid) else { return out.extend_from_slice(b"null") };
    out.extend_from_slice(b"{\"id\":");
    id(out, xid, at);
    out.extend_from_slice(b",\"total_order\":");
    json::integer(out, total);
    out.extend_from_slice(b",\"data_collection_order\":");
    json::integer(out, of_table);
    out.push(b'}');
}

/// A transaction's id, as JSON.
pub(super) fn id(out: &mut Vec<u8>, xid: u32, at: &Position) {
    out.push(b'"');
    json::integer(out, xid);
    out.push(b':');
    json::integer(out, at.lsn.0);
    out.push(b'"');
}

/// Pushes the record that a transaction begins (`counts` is `None`) or ends; `at` is its place, with the commit's time.
pub fn push_boundary<S: RecordSink>(
    settings: &EventSettings,
    (topic, headers): (TopicHandle, Headers<'_>),
    counts: Option<&TransactionCounts>,
    at: &Position,
    now_ms: i64,
    out: &mut S,
) -> Result<(), EncodeError> {
    let id = format!("\"{}:{}\"", at.xid.unwrap_or_default(), at.lsn.0);
    let mut key = format!("{{\"id\":{id}}}").into_bytes();
    with_schema(&mut key, settings.key_converter.schemas, key_schema);
    let status = if counts.is_some() { "END" } else { "BEGIN" };
    let mut value = format!("{{\"status\":\"{status}\",\"id\":{id},\"event_count\":").into_bytes();
    match counts {
        None => value.extend_from_slice(b"null,\"data_collections\":null"),
        Some(counts) => {
            json::integer(&mut value, counts.total());
            value.extend_from_slice(b",\"data_collections\":[");
            for (place, (table, events)) in in_javas_order(counts).into_iter().enumerate() {
                value.extend_from_slice(if place == 0 { b"{\"data_collection\":" } else { b",{\"data_collection\":" });
                json::string(&mut value, table.as_bytes());
                value.extend_from_slice(b",\"event_count\":");
                json::integer(&mut value, events);
                value.push(b'}');
            }
            value.push(b']');
        }
    }
    value.extend_from_slice(b",\"ts_ms\":");
    json::integer(&mut value, at.commit_time_us.div_euclid(1000));
    value.push(b'}');
    with_schema(&mut value, settings.value_converter.schemas, value_schema);
    out.push(topic.route(Some(&key)), RecordRef { timestamp_ms: now_ms, key: Some(&key), value: Some(&value), headers })?;
    Ok(())
}

/// The forms of these records.
pub fn forms(settings: &EventSettings) -> Result<TopicForms, NoForm> {
    TopicForms::new(settings, Some(&key_schema()), Some(&value_schema()))
}

fn key_schema() -> Schema {
    Schema::new(Kind::Struct(vec![Schema::from(Kind::String).field("id")])).named("io.debezium.connector.common.TransactionMetadataKey")
}

fn value_schema() -> Schema {
    let text = || Schema::from(Kind::String);
    let number = || Schema::from(Kind::Int64);
    let table = Schema::new(Kind::Struct(vec![text().field("data_collection"), number().field("event_count")]));
    let fields = vec![
        text().field("status"),
        text().field("id"),
        number().optional().field("event_count"),
        Schema::array_of(table.named("event.collection").optional()).optional().field("data_collections"),
        number().field("ts_ms"),
    ];
    Schema::new(Kind::Struct(fields)).named("io.debezium.connector.common.TransactionMetadataValue")
}

/// The order of a `java.util.HashMap` into which the tables were put one after the other.
fn in_javas_order(counts: &TransactionCounts) -> Vec<(&str, u64)> {
    let mut tables: Vec<_> = counts.tables().collect();
    java::hash_order(&mut tables, |(name, _)| name);
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_stand_in_the_order_of_javas_hash_table() {
        let mut counts = TransactionCounts::default();
        // "Aa" and "BB" have one hash: the first to come stands first. 'a' is 97, 'p' is 112: buckets 1 and 0.
        for name in ["a", "p", "BB", "Aa", "a"] {
            counts.count(name);
        }
        assert_eq!(in_javas_order(&counts), [("p", 1), ("BB", 1), ("Aa", 1), ("a", 2)]);
        assert_eq!(counts.total(), 5);
    }
}
