//! Records that are not rows: logical decoding messages and heartbeats.

use super::envelope::schema;
use super::header;
use super::json;
use super::plan::sanitised;
use super::schema::{Field, Kind, Schema};
use super::transform::shape::HeaderContent;
use super::values::binary;
use super::wire::{NoForm, TopicForms};
use super::{EncodeError, EventSettings, transaction, transform};
use crate::change::{Position, TransactionCounts};
use crate::config::postgres::BinaryMode;
use crate::record::{HeaderBlock, Headers, RecordRef, RecordSink, TopicHandle};

/// Where records of one kind go.
#[derive(Clone, Debug)]
pub struct Way {
    /// The topic.
    pub topic: String,
    /// What `transforms` gives each of them.
    pub headers: HeaderBlock,
}

/// The way of `pg_logical_emit_message`: `<prefix>.message`. `None` when `transforms` drops them.
pub fn messages(settings: &EventSettings) -> Result<Option<Way>, EncodeError> {
    way(settings, message_topic(settings))
}

/// `<prefix>.message`, before any transformation.
pub(super) fn message_topic(settings: &EventSettings) -> String {
    sanitised(&format!("{}{}message", settings.topic_prefix, settings.topic_delimiter))
}

/// The way of heartbeats, by the topic's name. `None` when `transforms` drops them.
pub fn heartbeats(settings: &EventSettings, topic: &str) -> Result<Option<Way>, EncodeError> {
    way(settings, topic.to_owned())
}

/// The way of the records of `provide.transaction.metadata`: `<prefix>.<topic.transaction>`. `None` when `transforms` drops
/// them.
pub fn transactions(settings: &EventSettings, name: &str) -> Result<Option<Way>, EncodeError> {
    way(settings, format!("{}{}{name}", settings.topic_prefix, settings.topic_delimiter))
}

/// The way of any other records that are not rows, by the topic's name. `None` when `transforms` drops them.
pub(super) fn way(settings: &EventSettings, topic: String) -> Result<Option<Way>, EncodeError> {
    let Some(shape) = transform::pass(&settings.transforms, sanitised(&topic)) else { return Ok(None) };
    let mut headers = HeaderBlock::default();
    for header in &shape.headers {
        if let HeaderContent::Bytes(text) = &header.content {
            let text = String::from_utf8_lossy(text);
            let value = header::fixed(settings.header_converter, &header.name, &text);
            let value = value.map_err(|why| EncodeError::Transform { table: topic.clone(), why })?;
            headers.push(&header.name, &value);
        }
    }
    Ok(Some(Way { topic: shape.topic, headers }))
}

/// What messages are counted as in transactions.
pub(super) const MESSAGES: &str = "LOGICAL_DECODING_MESSAGE";

/// Pushes a logical decoding message: key `{"prefix":...}`, Debezium's `MessageValue`.
#[expect(clippy::too_many_arguments, reason = "the parts of a message")]
pub fn push_message<S: RecordSink>(
    settings: &EventSettings,
    (topic, headers): (TopicHandle, Headers<'_>),
    prefix: &[u8],
    content: &[u8],
    at: &Position,
    counts: Option<&mut TransactionCounts>,
    now_ms: i64,
    out: &mut S,
) -> Result<(), EncodeError> {
    let mut key = b"{\"prefix\":".to_vec();
    json::string(&mut key, prefix);
    key.push(b'}');
    with_schema(&mut key, settings.key_converter.schemas, message_key);
    let mut value = b"{\"op\":\"m\",\"ts_ms\":".to_vec();
    json::integer(&mut value, now_ms);
    value.extend_from_slice(b",\"source\":{\"version\":");
    json::string(&mut value, settings.version.as_bytes());
    value.extend_from_slice(b",\"connector\":\"postgresql\",\"name\":");
    json::string(&mut value, settings.topic_prefix.as_bytes());
    value.extend_from_slice(b",\"ts_ms\":");
    json::integer(&mut value, at.commit_time_us.div_euclid(1000));
    value.extend_from_slice(b",\"snapshot\":\"false\",\"db\":");
    json::string(&mut value, settings.database.as_bytes());
    let previous = at.previous_commit.map_or("null".to_owned(), |lsn| format!("\"{}\"", lsn.0));
    value.extend_from_slice(b",\"sequence\":");
    json::string(&mut value, format!("[{previous},\"{}\"]", at.lsn.0).as_bytes());
    let or_null = |number: Option<u32>| number.map_or("null".to_owned(), |number| number.to_string());
    let (xid, xmin) = (or_null(at.xid), or_null(at.xmin));
    value.extend_from_slice(
        format!(
            ",\"ts_us\":{},\"ts_ns\":{},\"schema\":\"\",\"table\":\"\",\"txId\":{xid},\"lsn\":{},\"xmin\":{xmin},\"origin\":null,\"origin_lsn\":null}}",
            at.commit_time_us,
            at.commit_time_us.saturating_mul(1000),
            at.lsn.0
        )
        .as_bytes(),
    );
    value.extend_from_slice(b",\"transaction\":");
    transaction::block(&mut value, transaction::place(counts, MESSAGES, at), at);
    value.extend_from_slice(b",\"message\":{\"prefix\":");
    json::string(&mut value, prefix);
    value.extend_from_slice(b",\"content\":");
    binary::put(&mut value, content, settings.values.binary);
    value.extend_from_slice(b"}}");
    with_schema(&mut value, settings.value_converter.schemas, || message_value(settings));
    out.push(topic.route(Some(&key)), RecordRef { timestamp_ms: now_ms, key: Some(&key), value: Some(&value), headers })?;
    Ok(())
}

/// Pushes a heartbeat: key `{"serverName":...}`, value `{"ts_ms":...}`, partition 0.
pub fn push_heartbeat<S: RecordSink>(
    settings: &EventSettings,
    (topic, headers): (TopicHandle, Headers<'_>),
    now_ms: i64,
    out: &mut S,
) -> Result<(), EncodeError> {
    let mut key = b"{\"serverName\":".to_vec();
    json::string(&mut key, settings.topic_prefix.as_bytes());
    key.push(b'}');
    with_schema(&mut key, settings.key_converter.schemas, heartbeat_key);
    let mut value = format!("{{\"ts_ms\":{now_ms}}}").into_bytes();
    with_schema(&mut value, settings.value_converter.schemas, heartbeat_value);
    let route = crate::record::Route { topic: topic.index, partition: 0 };
    out.push(route, RecordRef { timestamp_ms: now_ms, key: Some(&key), value: Some(&value), headers })?;
    Ok(())
}

fn prefix_field() -> Field {
    Schema::from(Kind::String).optional().field("prefix")
}

fn message_key() -> Schema {
    Schema::new(Kind::Struct(vec![prefix_field()])).named("io.debezium.connector.postgresql.MessageKey")
}

fn message_value(settings: &EventSettings) -> Schema {
    let content = Schema::from(if settings.values.binary == BinaryMode::Bytes { Kind::Bytes } else { Kind::String });
    let message = vec![prefix_field(), content.optional().field("content")];
    let message = Schema::new(Kind::Struct(message)).named("io.debezium.connector.postgresql.Message");
    let fields = vec![
        Schema::from(Kind::String).field("op"),
        Schema::from(Kind::Int64).optional().field("ts_ms"),
        schema::source(),
        schema::transaction(),
        message.field("message"),
    ];
    Schema::new(Kind::Struct(fields)).named("io.debezium.connector.postgresql.MessageValue")
}

fn heartbeat_key() -> Schema {
    Schema::new(Kind::Struct(vec![Schema::from(Kind::String).field("serverName")])).named("io.debezium.connector.common.ServerNameKey")
}

fn heartbeat_value() -> Schema {
    Schema::new(Kind::Struct(vec![Schema::from(Kind::Int64).field("ts_ms")])).named("io.debezium.connector.common.Heartbeat")
}

/// The forms of messages.
pub fn message_forms(settings: &EventSettings) -> Result<TopicForms, NoForm> {
    TopicForms::new(settings, Some(&message_key()), Some(&message_value(settings)))
}

/// The forms of heartbeats.
pub fn heartbeat_forms(settings: &EventSettings) -> Result<TopicForms, NoForm> {
    TopicForms::new(settings, Some(&heartbeat_key()), Some(&heartbeat_value()))
}

/// Puts the schema before a payload that is whole, where schemas are published.
pub(super) fn with_schema(payload: &mut Vec<u8>, published: bool, schema: impl FnOnce() -> Schema) {
    if published {
        payload.splice(0..0, schema().before_payload());
        payload.push(b'}');
    }
}
