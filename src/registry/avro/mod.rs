//! Avro schemas: what one is once it has been read, and that it is right.
//!
//! Owns reading ([`mod@read`]), the text that equal schemas share ([`text`]), the check of defaults ([`default`]) and whether one
//! schema reads what another wrote ([`resolve`]), by the rules of Avro's specification 1.12 as its Java library applies them
//! (which is what Confluent's registry runs). The crate `apache-avro` was looked at and left out: its check compares a name
//! used again by the name alone and gives no canonical text that keeps defaults.

pub mod default;
pub mod read;
pub mod resolve;
pub mod shape;
pub mod text;

use serde_json::{Map, Value as Json};

/// A node's place in [`AvroSchema`]: named types are used again and may contain themselves, so a schema is a graph.
type NodeId = usize;

/// A schema, its names resolved.
#[derive(Debug, Default)]
pub struct AvroSchema {
    nodes: Vec<Node>,
    root: NodeId,
    /// Nodes before this one belong to schemas that this one refers to.
    own: NodeId,
}

#[derive(Debug)]
struct Node {
    shape: Shape,
    /// Records, enums and fixed have a name.
    named: Option<Named>,
    /// Attributes that Avro itself gives no meaning: `connect.name`, `logicalType`.
    props: Map<String, Json>,
}

#[derive(Debug)]
struct Named {
    name: Name,
    /// Full names.
    aliases: Vec<Name>,
    doc: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Name {
    name: String,
    space: Option<String>,
}

impl Name {
    /// With its namespace.
    fn full(&self) -> String {
        match &self.space {
            Some(space) => format!("{space}.{}", self.name),
            None => self.name.clone(),
        }
    }
}

#[derive(Debug, PartialEq)]
enum Shape {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Array(NodeId),
    Map(NodeId),
    Union(Vec<NodeId>),
    Record { fields: Vec<Field>, is_error: bool },
    Enum { symbols: Vec<String>, default: Option<String> },
    Fixed(u64),
}

impl Shape {
    fn name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Bytes => "bytes",
            Self::String => "string",
            Self::Array(_) => "array",
            Self::Map(_) => "map",
            Self::Union(_) => "union",
            Self::Record { .. } => "record",
            Self::Enum { .. } => "enum",
            Self::Fixed(_) => "fixed",
        }
    }

    fn primitive(name: &str) -> Option<Self> {
        Some(match name {
            "null" => Self::Null,
            "boolean" => Self::Boolean,
            "int" => Self::Int,
            "long" => Self::Long,
            "float" => Self::Float,
            "double" => Self::Double,
            "bytes" => Self::Bytes,
            "string" => Self::String,
            _ => return None,
        })
    }
}

#[derive(Debug, PartialEq)]
struct Field {
    name: String,
    schema: NodeId,
    doc: Option<String>,
    default: Option<Json>,
    order: Option<String>,
    aliases: Vec<String>,
    props: Map<String, Json>,
}
