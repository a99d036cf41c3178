//! Avro: the schema that a Connect schema becomes, and events in Avro's binary form behind the wire format of schema registries.
//!
//! Owns both as Confluent's `AvroConverter` has them ([`mod@schema`], [`mod@write`]).

pub mod schema;
pub mod write;

use super::schema::Schema;
use super::walk::Mismatch;
use super::wire::{NoForm, Registration};
use crate::config::postgres::{AvroSettings, Language};
use write::Node;

/// The Avro form of one side, key or value, of one topic.
#[derive(Debug)]
pub struct Avro {
    /// What a registry is to know.
    pub registration: Registration,
    node: Node,
    /// What stands for an unchanged value, as it comes in JSON.
    mark: Box<[u8]>,
}

impl Avro {
    /// The form of a schema; `mark` is what stands for an unchanged value.
    pub fn new(schema: &Schema, settings: AvroSettings, mark: &[u8]) -> Result<Self, NoForm> {
        let text = schema::of(schema, settings).map_err(|name| NoForm::Name { language: Language::Avro, name })?.to_string();
        let mut quoted = Vec::new();
        super::json::string(&mut quoted, mark);
        let record_name = schema.name.as_deref().unwrap_or(schema::UNNAMED);
        Ok(Self { registration: Registration::new(Language::Avro, text, record_name), node: Node::of(schema), mark: quoted.into() })
    }

    /// Appends a record whose fields are these.
    pub fn write_fields(&self, fields: &[&[u8]], out: &mut Vec<u8>) -> Result<(), Mismatch> {
        let Node::Record(nodes) = &self.node else { return Err(Mismatch) };
        if nodes.len() != fields.len() {
            return Err(Mismatch);
        }
        self.registration.put_id(out);
        nodes.iter().zip(fields).try_for_each(|((_, node), json)| node.write(json, &self.mark, out))
    }

    /// Appends what `json` says.
    pub fn write(&self, json: &[u8], out: &mut Vec<u8>) -> Result<(), Mismatch> {
        self.registration.put_id(out);
        self.node.write(json, &self.mark, out)
    }
}
