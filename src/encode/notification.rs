//! Notifications as records, as Debezium's sink channel writes them.

use super::control::{self, Way, with_schema};
use super::schema::{Kind, Schema};
use super::wire::{NoForm, TopicForms};
use super::{EncodeError, EventSettings, java, json};
use crate::change::Notice;
use crate::record::{Headers, RecordRef, RecordSink, TopicHandle};

/// The way of notifications: `notification.sink.topic.name`. `None` when `transforms` drops them.
pub fn way(settings: &EventSettings, topic: &str) -> Result<Option<Way>, EncodeError> {
    control::way(settings, topic.to_owned())
}

/// Pushes a notification: key `{"id":...}`. One that answers no signal has `id` instead.
pub fn push<S: RecordSink>(
    settings: &EventSettings,
    (topic, headers): (TopicHandle, Headers<'_>),
    notice: &Notice,
    id: &str,
    now_ms: i64,
    out: &mut S,
) -> Result<(), EncodeError> {
    let id = if notice.id.is_empty() { id } else { &notice.id };
    let mut key = b"{\"id\":".to_vec();
    json::string(&mut key, id.as_bytes());
    let mut value = key.clone();
    key.push(b'}');
    with_schema(&mut key, settings.key_converter.schemas, key_schema);
    for (name, text) in [(",\"type\":", notice.kind), (",\"aggregate_type\":", notice.aggregate)] {
        value.extend_from_slice(name.as_bytes());
        json::string(&mut value, text.as_bytes());
    }
    value.extend_from_slice(b",\"additional_data\":");
    for (place, (name, text)) in data(settings, notice).into_iter().enumerate() {
        value.push(if place == 0 { b'{' } else { b',' });
        json::string(&mut value, name.as_bytes());
        value.push(b':');
        json::string(&mut value, text.as_bytes());
    }
    value.extend_from_slice(b"},\"timestamp\":");
    json::integer(&mut value, now_ms);
    value.push(b'}');
    with_schema(&mut value, settings.value_converter.schemas, value_schema);
    out.push(topic.route(Some(&key)), RecordRef { timestamp_ms: now_ms, key: Some(&key), value: Some(&value), headers })?;
    Ok(())
}

/// The facts with the connector's name, in the order of the hash table that Debezium copies them into.
fn data<'n>(settings: &'n EventSettings, notice: &'n Notice) -> Vec<(&'n str, &'n str)> {
    let mut data: Vec<_> = notice.data.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let buckets = match data.len() {
        0 => 16,
        // Two buckets are full with one entry.
        1 => 4,
        entries => java::buckets(entries, 1),
    };
    data.push(("connector_name", &settings.topic_prefix));
    java::in_order(&mut data, buckets, |(name, _)| name);
    data
}

/// The forms of notifications.
pub fn forms(settings: &EventSettings) -> Result<TopicForms, NoForm> {
    TopicForms::new(settings, Some(&key_schema()), Some(&value_schema()))
}

fn text() -> Schema {
    Schema::from(Kind::String)
}

fn key_schema() -> Schema {
    Schema::new(Kind::Struct(vec![text().field("id")])).named("io.debezium.connector.common.NotificationKey")
}

fn value_schema() -> Schema {
    let data = Schema::from(Kind::Map(Box::new(text()), Box::new(text())));
    let fields = vec![
        text().field("id"),
        text().field("type"),
        text().field("aggregate_type"),
        data.optional().field("additional_data"),
        Schema::from(Kind::Int64).field("timestamp"),
    ];
    Schema::new(Kind::Struct(fields)).named("io.debezium.connector.common.Notification")
}
