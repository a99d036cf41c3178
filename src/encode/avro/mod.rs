//! Avro: the schema that a Connect schema becomes, and events in Avro's binary form behind the wire format of schema registries.
//!
//! ```text
//! message := 0 u8 | schema id u32, big-endian | the value in Avro binary
//! ```
//! Owns both as Confluent's `AvroConverter` has them ([`mod@schema`], [`mod@write`]). An event is written once, as JSON, by the writers
//! that every form shares; [`Avro::write`] reads that JSON, which is known to the byte, in step with the schema and writes
//! binary. So an Avro event says what the JSON event says, types that come later included, and nothing is allocated per
//! event. Leaves asking a registry for ids to `connect`.

pub mod schema;
pub mod write;

use super::EventSettings;
use super::schema::Schema;
use crate::config::postgres::AvroSettings;
use crate::record::{RecordRef, RecordSink, Route, SinkFull, TopicHandle};
use write::Node;

/// Why records cannot be Avro.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAvro {
    /// A name is none of Avro's.
    #[error("\"{0}\" is not a name in Avro")]
    Name(String),
    /// Each row names its topic, and a topic's schemas are registered before its first record.
    #[error("rows that name their own topic cannot be written as Avro")]
    Routed,
}

/// The Avro form of one side, key or value, of one topic.
#[derive(Debug)]
pub struct Avro {
    /// The schema's text.
    pub schema: String,
    /// The record's full name.
    pub record_name: String,
    id: u32,
    node: Node,
    /// What stands for an unchanged value, as it comes in JSON.
    mark: Box<[u8]>,
}

impl Avro {
    /// The form of a schema; `mark` is what stands for an unchanged value.
    pub fn new(schema: &Schema, settings: AvroSettings, mark: &[u8]) -> Result<Self, NotAvro> {
        let text = schema::of(schema, settings).map_err(NotAvro::Name)?.to_string();
        let mut quoted = Vec::new();
        super::json::string(&mut quoted, mark);
        let record_name = schema.name.as_deref().unwrap_or(schema::UNNAMED).to_owned();
        Ok(Self { schema: text, record_name, id: 0, node: Node::of(schema), mark: quoted.into() })
    }

    /// Says which id the registry gave the schema.
    pub fn set_id(&mut self, id: u32) {
        self.id = id;
    }

    /// Writes what `json` says; `out` is emptied first.
    pub fn write(&self, json: &[u8], out: &mut Vec<u8>) -> Result<(), write::Mismatch> {
        out.clear();
        out.push(0);
        out.extend_from_slice(&self.id.to_be_bytes());
        self.node.write(json, &self.mark, out)
    }
}

impl TopicAvro {
    /// The forms that the settings ask for.
    pub fn new(settings: &EventSettings, key: Option<&Schema>, value: Option<&Schema>) -> Result<Self, NotAvro> {
        let avro = |asked: Option<AvroSettings>, schema: Option<&Schema>| {
            asked.zip(schema).map(|(asked, schema)| Avro::new(schema, asked, &settings.values.placeholder)).transpose()
        };
        Ok(Self { key: avro(settings.key_converter.avro, key)?, value: avro(settings.value_converter.avro, value)? })
    }
}

/// Writes records of one topic on in their Avro form; those that are not rows come through here.
pub struct AvroSink<'a, S> {
    /// Where they go.
    pub inner: &'a mut S,
    /// Their forms.
    pub avro: &'a TopicAvro,
    /// The topic, where the key decides about the partition.
    pub by_key: Option<TopicHandle>,
}

impl<S: RecordSink> RecordSink for AvroSink<'_, S> {
    fn push(&mut self, to: Route, record: RecordRef<'_>) -> Result<(), SinkFull> {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        let mismatch = |error: write::Mismatch| SinkFull(error.to_string());
        let mut record = record;
        if let (Some(avro), Some(json)) = (&self.avro.key, record.key) {
            avro.write(json, &mut key).map_err(mismatch)?;
            record.key = Some(&key);
        }
        if let (Some(avro), Some(json)) = (&self.avro.value, record.value) {
            avro.write(json, &mut value).map_err(mismatch)?;
            record.value = Some(&value);
        }
        self.inner.push(self.by_key.map_or(to, |topic| topic.route(record.key)), record)
    }
}

/// The Avro forms of a topic's keys and values; none where they are JSON.
#[derive(Debug, Default)]
pub struct TopicAvro {
    /// Of keys.
    pub key: Option<Avro>,
    /// Of values.
    pub value: Option<Avro>,
}
