//! JSON Schema: the schema that a Connect schema becomes, and events as JSON behind the wire format of schema registries.
//!
//! As Confluent's `JsonSchemaConverter` has both ([`mod@schema`]): the value is the event's JSON as it stands.

pub mod schema;

use super::schema::Schema;
use super::wire::Registration;
use crate::config::postgres::{JsonSchemaSettings, Language};

/// The form of one side, key or value, of one topic.
#[derive(Debug)]
pub struct JsonSchema {
    /// What a registry is to know.
    pub registration: Registration,
}

impl JsonSchema {
    /// The form of a schema.
    pub fn new(schema: &Schema, settings: JsonSchemaSettings, decimal_numbers: bool) -> Self {
        let text = schema::of(schema, settings, decimal_numbers);
        Self { registration: Registration::new(Language::Json, text, schema.name.as_deref().unwrap_or_default()) }
    }

    /// Appends what `json` says.
    pub fn write(&self, json: &[u8], out: &mut Vec<u8>) {
        self.registration.put_id(out);
        out.extend_from_slice(json);
    }
}
