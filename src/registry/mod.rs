//! The schema registry: subjects, versions, ids and compatibility, as Confluent's registry has them. No HTTP, no log.
//!
//! Owns what a schema is ([`Schema`]), reading and comparing the three kinds ([`avro`], [`json_schema`], [`protobuf`]), and the
//! rules of subjects ([`subjects`]), with their form as records ([`records`]). Promises that equal schemas share one id for
//! ever, that an id is never given twice, and that nothing is called compatible that was not looked at: what these rules do
//! not understand is incompatible unless it is equal. Leaves durability and the order of requests to
//! [`crate::connect::schemas`], paths and status codes to `http`.

pub mod avro;
pub mod compatibility;
pub mod json_schema;
pub mod protobuf;
pub mod records;
pub mod subjects;

pub use compatibility::Level;
pub use subjects::{Mode, Subjects, Version};

/// The largest schema, bytes of its text.
pub const SCHEMA_BYTES_MAX: usize = 1 << 20;

/// The language a schema is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Avro, which is meant when nothing is said.
    #[default]
    Avro,
    /// JSON Schema.
    Json,
    /// Protocol Buffers.
    Protobuf,
}

impl Kind {
    /// `schemaType` as it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Avro => "AVRO",
            Self::Json => "JSON",
            Self::Protobuf => "PROTOBUF",
        }
    }

    /// Reads a `schemaType`.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Avro, Self::Json, Self::Protobuf].into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name))
    }
}

/// A schema that another one uses.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Reference {
    /// What it is called inside: a full name, a `$ref`, an import.
    pub name: String,
    /// Its subject.
    pub subject: String,
    /// Its version; -1 is the latest.
    pub version: i64,
}

/// A schema as it is kept: two with the same parts are one and share an id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Schema {
    /// Its language.
    pub kind: Kind,
    /// Its text, without what makes no difference.
    pub text: String,
    /// What it uses.
    pub references: Vec<Reference>,
}

/// A schema that was read.
#[derive(Debug)]
pub enum Parsed {
    /// Avro.
    Avro(avro::AvroSchema),
    /// JSON Schema.
    Json(json_schema::JsonSchema),
    /// Protocol Buffers.
    Protobuf(protobuf::ProtoFile),
}

impl Parsed {
    /// Reads a text; `references` are the texts it uses, by name, those that use none first.
    pub fn read(kind: Kind, text: &str, references: &[(String, String)]) -> Result<Self, String> {
        match kind {
            Kind::Avro => avro::AvroSchema::read(text, references.iter().map(|(_, text)| text.as_str())).map(Self::Avro),
            Kind::Json => json_schema::JsonSchema::read(text).map(Self::Json),
            Kind::Protobuf => protobuf::ProtoFile::read(text, references).map(Self::Protobuf),
        }
    }

    /// The text without what makes no difference; `normalize` leaves out more.
    pub fn text(&self, normalize: bool) -> String {
        match self {
            Self::Avro(schema) => schema.text(normalize),
            Self::Json(schema) => schema.text(normalize),
            Self::Protobuf(schema) => schema.text().to_owned(),
        }
    }

    /// Why this one cannot read what `writer` describes; empty when it can.
    pub fn obstacles(&self, writer: &Self) -> Vec<String> {
        match (self, writer) {
            (Self::Avro(reader), Self::Avro(writer)) => avro::resolve::obstacles(reader, writer),
            (Self::Json(reader), Self::Json(writer)) => json_schema::obstacles(reader, writer),
            (Self::Protobuf(reader), Self::Protobuf(writer)) => protobuf::obstacles(reader, writer),
            _ => vec!["Incompatible because of different schema type".to_owned()],
        }
    }
}

/// A request that is refused: Confluent's error code, whose first three digits are the HTTP status, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Confluent's code.
    pub code: u32,
    /// What is wrong.
    pub message: String,
}

impl Refusal {
    /// A refusal of this code.
    pub fn new(code: u32, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The schema cannot be read.
    pub fn invalid_schema(why: &str) -> Self {
        Self::new(42201, format!("Invalid schema: {why}"))
    }

    /// There is no such subject.
    pub fn no_subject(subject: &str) -> Self {
        Self::new(40401, format!("Subject '{subject}' not found."))
    }

    /// There is no such version.
    pub fn no_version(version: u32) -> Self {
        Self::new(40402, format!("Version {version} not found."))
    }

    /// There is no such schema.
    pub fn no_schema() -> Self {
        Self::new(40403, "Schema not found")
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        let code = if self.code >= 1000 { self.code / 100 } else { self.code };
        u16::try_from(code).unwrap_or(500)
    }
}
