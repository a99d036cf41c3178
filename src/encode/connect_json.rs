//! JSON whose schema, Kafka Connect's own, is in Apicurio's registry, as Apicurio's `ExtJsonConverter` writes it.
//!
//! ```text
//! {"schemaId":7,"payload":<the event's JSON>}
//! ```

use super::json;
use super::schema::Schema;
use super::wire::Registration;
use crate::config::postgres::Language;

/// The form of one side, key or value, of one topic.
#[derive(Debug)]
pub struct ConnectJson {
    /// What a registry is to know.
    pub registration: Registration,
}

impl ConnectJson {
    /// The form of a schema.
    pub fn new(schema: &Schema) -> Self {
        let mut text = Vec::new();
        schema.write(&mut text);
        let text = String::from_utf8_lossy(&text).into_owned();
        Self { registration: Registration::new(Language::Connect, text, schema.name.as_deref().unwrap_or_default()) }
    }

    /// Appends what `json` says.
    pub fn write(&self, json: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"schemaId\":");
        json::integer(out, self.registration.id);
        out.extend_from_slice(b",\"payload\":");
        out.extend_from_slice(json);
        out.push(b'}');
    }
}
