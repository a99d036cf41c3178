//! Protocol Buffers: the file that a Connect schema becomes, and events in its binary form behind the wire format of schema
//! registries.
//!
//! ```text
//! message := 0 u8 | schema id u32, big-endian | 0 u8: the file's first message | the message in binary
//! ```
//! Owns both as Confluent's `ProtobufConverter` has them ([`mod@schema`], [`mod@write`]). A single value that is no row stands
//! in Google's wrapper of its type. Leaves asking a registry for ids to `connect`.

pub mod schema;
pub mod write;

use super::schema::Schema;
use super::walk::Mismatch;
use super::wire::{NoForm, Registration};
use crate::config::postgres::{Language, ProtobufSettings};
use write::Root;

/// The form of one side, key or value, of one topic.
#[derive(Debug)]
pub struct Protobuf {
    /// What a registry is to know.
    pub registration: Registration,
    /// Which message of the file it is, as it stands behind the id.
    index: Box<[u8]>,
    root: Root,
}

impl Protobuf {
    /// The form of a schema; `mark` is what stands for an unchanged value.
    pub fn new(schema: &Schema, settings: ProtobufSettings, mark: &[u8]) -> Result<Self, NoForm> {
        let mut quoted = Vec::new();
        super::json::string(&mut quoted, mark);
        let file = schema::of(schema, settings)?;
        Ok(Self {
            registration: Registration::new(Language::Protobuf, file.text, &file.record_name),
            index: file.index,
            root: Root { fields: file.fields, is_single: file.is_single, mark: quoted.into() },
        })
    }

    /// Appends what `json` says; false for null, which no message is.
    pub fn write(&self, json: &[u8], out: &mut Vec<u8>) -> Result<bool, Mismatch> {
        if json == b"null" {
            return Ok(false);
        }
        self.registration.put_id(out);
        out.extend_from_slice(&self.index);
        self.root.write(json, out)?;
        Ok(true)
    }
}
