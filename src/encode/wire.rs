//! The forms that records may have instead of plain JSON: Avro, Protocol Buffers, JSON Schema, CloudEvents, Apicurio's JSON.
//!
//! An event is written once, as JSON, by the writers that every form shares; a form reads that JSON, which is known to the
//! byte, in step with its schema and writes its own bytes. So an event says the same in every form, types that come later
//! included, and nothing is allocated per event. Forms with a schema in a registry open with its id:
//!
//! ```text
//! message := 0 u8 | schema id u32, big-endian | (Protocol Buffers: which message of the file) | the value
//! ```
//! Owns which form a topic's keys and values have and what is to be registered for it. Leaves asking a registry to
//! `connect`.

use super::EventSettings;
use super::avro::Avro;
use super::cloud_events::CloudEvents;
use super::connect_json::ConnectJson;
use super::json_schema::JsonSchema;
use super::protobuf::Protobuf;
use super::schema::Schema;
use super::walk::Mismatch;
use crate::config::postgres::{ConverterSettings, FormSettings, Language};
use crate::record::{RecordRef, RecordSink, Route, SinkFull, TopicHandle};

/// Why records cannot have the form that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoForm {
    /// A name is none of the language's.
    #[error("\"{name}\" is not a name in {}", language.title())]
    Name {
        /// The language.
        language: Language,
        /// The name.
        name: String,
    },
    /// Two things have one name.
    #[error("{within} has more than one \"{name}\" in Protocol Buffers")]
    Twice {
        /// The name.
        name: String,
        /// The message.
        within: String,
    },
    /// Something that no message is.
    #[error("keys or values that are {0} cannot be written as Protocol Buffers")]
    Single(&'static str),
    /// JSON has such a map as a list of pairs.
    #[error("{0} is a map whose keys are no text, which {1} cannot hold")]
    Pairs(String, &'static str),
    /// A transformation has taken away what a CloudEvent is made of.
    #[error("CloudEvents are made of whole envelopes, and there is no {0}")]
    Part(&'static str),
    /// Each row names its topic, and a topic's schemas are registered before its first record.
    #[error("rows that name their own topic cannot be written as {0}")]
    Routed(&'static str),
    /// Each record has fields of its own.
    #[error("rows without the fields that a header lists cannot be written as {0}")]
    Sparse(&'static str),
}

/// A schema that a registry is to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// What it is written in.
    pub language: Language,
    /// The schema's text.
    pub text: String,
    /// The record's full name.
    pub record_name: String,
    /// What the name of the topic is followed by, where a topic has several schemas.
    pub topic_suffix: &'static str,
    /// The id that the registry gave it.
    pub id: u32,
    /// The registry's addresses, as the settings say.
    pub registry: String,
}

impl Registration {
    /// One that has no id yet.
    pub fn new(language: Language, text: String, record_name: &str) -> Self {
        Self { language, text, record_name: record_name.to_owned(), topic_suffix: "", id: 0, registry: String::new() }
    }

    /// Appends what stands before a value.
    pub fn put_id(&self, out: &mut Vec<u8>) {
        out.push(0);
        out.extend_from_slice(&self.id.to_be_bytes());
    }
}

/// The form of one side, key or value, of one topic.
#[derive(Debug)]
pub enum WireForm {
    /// Avro.
    Avro(Avro),
    /// JSON with a schema in a registry.
    JsonSchema(JsonSchema),
    /// Protocol Buffers.
    Protobuf(Protobuf),
    /// JSON with Kafka Connect's schema in a registry.
    ConnectJson(ConnectJson),
    /// CloudEvents.
    CloudEvents(CloudEvents),
}

impl WireForm {
    fn new(schema: &Schema, converter: ConverterSettings, events: &EventSettings) -> Result<Option<Self>, NoForm> {
        let mark = &events.values.placeholder;
        if let Some(form @ (FormSettings::JsonSchema(_) | FormSettings::Protobuf(_))) = converter.form
            && let Some(way) = schema.way_to_pairs()
        {
            return Err(NoForm::Pairs(way, form.title()));
        }
        Ok(Some(match converter.form {
            None => return Ok(None),
            Some(FormSettings::Avro(settings)) => Self::Avro(Avro::new(schema, settings, mark)?),
            Some(FormSettings::JsonSchema(settings)) => Self::JsonSchema(JsonSchema::new(schema, settings, converter.decimal_numbers)),
            Some(FormSettings::Protobuf(settings)) => Self::Protobuf(Protobuf::new(schema, settings, mark)?),
            Some(FormSettings::ConnectJson) => Self::ConnectJson(ConnectJson::new(schema)),
            Some(FormSettings::CloudEvents(settings)) => {
                let space = format!("{}.{}", events.topic_prefix, events.database);
                Self::CloudEvents(CloudEvents::new(schema, settings, mark, &space)?)
            }
        }))
    }

    /// What a registry is to know before the first record.
    pub fn registrations(&mut self) -> Vec<&mut Registration> {
        match self {
            Self::Avro(avro) => vec![&mut avro.registration],
            Self::JsonSchema(json) => vec![&mut json.registration],
            Self::Protobuf(protobuf) => vec![&mut protobuf.registration],
            Self::ConnectJson(json) => vec![&mut json.registration],
            Self::CloudEvents(form) => form.registrations(),
        }
    }

    /// Writes what `json` says; `out` is emptied first. False: the record has no such side in this form.
    #[inline]
    pub fn write(&self, json: &[u8], out: &mut Vec<u8>) -> Result<bool, Mismatch> {
        out.clear();
        match self {
            Self::Avro(avro) => avro.write(json, out)?,
            Self::JsonSchema(form) => form.write(json, out),
            Self::ConnectJson(form) => form.write(json, out),
            Self::Protobuf(form) => return form.write(json, out),
            Self::CloudEvents(form) => return form.write(json, out),
        }
        Ok(true)
    }
}

/// The forms of a topic's keys and values; none where they are plain JSON.
#[derive(Debug, Default)]
pub struct TopicForms {
    /// Of keys.
    pub key: Option<WireForm>,
    /// Of values.
    pub value: Option<WireForm>,
}

impl TopicForms {
    /// The forms that the settings ask for.
    pub fn new(settings: &EventSettings, key: Option<&Schema>, value: Option<&Schema>) -> Result<Self, NoForm> {
        let form = |schema: Option<&Schema>, converter: ConverterSettings| {
            schema.map_or(Ok(None), |schema| WireForm::new(schema, converter, settings))
        };
        Ok(Self { key: form(key, settings.key_converter)?, value: form(value, settings.value_converter)? })
    }

    /// The same for rows, none of which may be without a value because of its form.
    pub fn of_rows(settings: &EventSettings, key: Option<&Schema>, value: Option<&Schema>) -> Result<Self, NoForm> {
        let forms = Self::new(settings, key, value)?;
        match &forms.value {
            Some(WireForm::CloudEvents(form)) if !form.is_envelope() => Err(NoForm::Part("envelope")),
            _ => Ok(forms),
        }
    }
}

/// Writes records of one topic on in their forms; those that are not rows come through here.
pub struct FormSink<'a, S> {
    /// Where they go.
    pub inner: &'a mut S,
    /// Their forms.
    pub forms: &'a TopicForms,
    /// The topic, where the key decides about the partition.
    pub by_key: Option<TopicHandle>,
}

impl<S: RecordSink> RecordSink for FormSink<'_, S> {
    fn push(&mut self, to: Route, record: RecordRef<'_>) -> Result<(), SinkFull> {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        let record = RecordRef {
            key: in_form(self.forms.key.as_ref(), record.key, &mut key).map_err(|error| SinkFull(error.to_string()))?,
            value: in_form(self.forms.value.as_ref(), record.value, &mut value).map_err(|error| SinkFull(error.to_string()))?,
            ..record
        };
        self.inner.push(self.by_key.map_or(to, |topic| topic.route(record.key)), record)
    }
}

/// The JSON itself, or what it says in a form.
#[inline]
pub fn in_form<'a>(form: Option<&WireForm>, json: Option<&'a [u8]>, scratch: &'a mut Vec<u8>) -> Result<Option<&'a [u8]>, Mismatch> {
    let (Some(form), Some(json)) = (form, json) else { return Ok(json) };
    Ok(form.write(json, scratch)?.then_some(scratch))
}

#[cfg(test)]
mod tests;
