//! JSON that a row or a message holds, as Kafka Connect's values: for `EventRouter` and `DecodeLogicalDecodingMessageContent`.
//!
//! What has no type there (null fields, empty arrays) is left out unless an option keeps it, objects of one array have all
//! fields of all of them, and what Connect cannot express is none of its values: the caller says what then.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::shape::{Content, Node};
use crate::config::postgres::transforms::Expand;
use crate::encode::json;
use crate::encode::schema::{Kind, Schema};

/// A JSON document whose fields keep their order.
#[derive(Clone, Debug)]
pub enum Json {
    /// null.
    Null,
    /// true or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Another number.
    Double(f64),
    /// A text.
    Text(String),
    /// A list.
    Array(Vec<Json>),
    /// Fields.
    Object(Vec<(String, Json)>),
}

/// Kafka Connect's type of a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// Of a null that is kept.
    Bytes,
    /// true or false.
    Bool,
    /// 32 bits.
    Int32,
    /// 64 bits.
    Int64,
    /// A binary number.
    Double,
    /// A text.
    Text,
    /// A list of one type.
    Array(Box<Type>),
    /// Fields; the flag says that those of several objects are together, which may not be null then.
    Struct(Vec<(String, Type)>, bool),
}

impl Type {
    /// The schema; structs are named by the way to them.
    fn schema(&self, way: &str) -> Schema {
        let kind = match self {
            Self::Bytes => Kind::Bytes,
            Self::Bool => Kind::Boolean,
            Self::Int32 => Kind::Int32,
            Self::Int64 => Kind::Int64,
            Self::Double => Kind::Double,
            Self::Text => Kind::String,
            Self::Array(element) => return Schema::array_of(element.schema(way)).optional(),
            Self::Struct(fields, merged) => {
                let fields = fields.iter().map(|(name, kind)| kind.schema(&below(way, name)).field(name)).collect();
                let name = (!way.is_empty()).then(|| way.into());
                return Schema { name, optional: !merged, ..Schema::new(Kind::Struct(fields)) };
            }
        };
        Schema::from(kind).optional()
    }
}

fn below(way: &str, name: &str) -> String {
    if way.is_empty() { name.to_owned() } else { format!("{way}.{name}") }
}

impl Json {
    /// Reads the document that a text begins with.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        Self::deserialize(&mut serde_json::Deserializer::from_str(text))
    }

    /// The document as a value with its schema, named by `way`; `None` where Connect has none for it.
    pub fn node(&self, expand: Expand, way: &str) -> Option<Node> {
        Some(self.node_of(&self.shape(expand)?, way))
    }

    fn node_of(&self, kind: &Type, way: &str) -> Node {
        match (self, kind) {
            (Self::Object(_), Type::Struct(fields, _)) => {
                let schema = Schema { kind: Kind::Struct(Vec::new()), ..kind.schema(way) };
                let field = |(name, kind): &(String, Type)| {
                    let value = self.field(name).unwrap_or(&Self::Null);
                    (name.as_str().into(), value.node_of(kind, &below(way, name)))
                };
                Node::of(schema, fields.iter().map(field).collect())
            }
            (Self::Null, _) => Node { schema: kind.schema(way), content: Content::Null },
            _ => {
                let mut json = Vec::new();
                self.write(&mut json, kind);
                Node { schema: kind.schema(way), content: Content::Constant(json.into()) }
            }
        }
    }

    /// A field; of several of one name the last.
    fn field(&self, name: &str) -> Option<&Self> {
        let Self::Object(fields) = self else { return None };
        fields.iter().rev().find(|(field, _)| field == name).map(|(_, value)| value)
    }

    /// `None` where Connect has no type for it: it is left out, or, below an array, the whole document stays text.
    pub fn shape(&self, expand: Expand) -> Option<Type> {
        self.typed(expand).ok().flatten()
    }

    fn typed(&self, expand: Expand) -> Result<Option<Type>, ()> {
        Ok(Some(match self {
            Self::Null if expand.nulls => Type::Bytes,
            Self::Null => return Ok(None),
            Self::Bool(_) => Type::Bool,
            Self::Int(number) if i32::try_from(*number).is_ok() => Type::Int32,
            Self::Int(_) => Type::Int64,
            Self::Double(_) => Type::Double,
            Self::Text(_) => Type::Text,
            Self::Array(elements) if elements.is_empty() => {
                return Ok(expand.empty_arrays.then(|| Type::Array(Box::new(Type::Text))));
            }
            Self::Array(elements) => Type::Array(Box::new(Self::element(elements, expand)?)),
            Self::Object(fields) => {
                let mut typed: Vec<(String, Type)> = Vec::new();
                for (name, value) in fields {
                    if typed.iter().any(|(known, _)| known == name) {
                        continue;
                    }
                    if let Some(kind) = self.field(name).unwrap_or(value).typed(expand)? {
                        typed.push((name.clone(), kind));
                    }
                }
                Type::Struct(typed, false)
            }
        }))
    }

    /// The one type of an array's elements; nulls have any.
    fn element(elements: &[Self], expand: Expand) -> Result<Type, ()> {
        let mut merged: Option<Type> = None;
        for element in elements.iter().filter(|element| !matches!(element, Self::Null)) {
            let kind = element.typed(expand)?.ok_or(())?;
            merged = Some(match (merged, kind) {
                (None, kind) => kind,
                (Some(known @ Type::Struct(_, false)), kind) if known == kind => known,
                (Some(Type::Struct(mut fields, _)), Type::Struct(more, _)) => {
                    for (name, kind) in more {
                        match fields.iter_mut().find(|(known, _)| *known == name) {
                            None => fields.push((name, kind)),
                            Some((_, known)) if *known == Type::Bytes => *known = kind,
                            Some(_) => {}
                        }
                    }
                    Type::Struct(fields, true)
                }
                (Some(Type::Array(known)), Type::Array(_)) => Type::Array(known),
                (Some(known), kind) if known == kind => known,
                _ => return Err(()),
            });
        }
        merged.ok_or(())
    }

    /// Appends it as Connect's values of this type are written.
    pub fn write(&self, out: &mut Vec<u8>, kind: &Type) {
        match (self, kind) {
            (Self::Bool(value), _) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
            (Self::Int(number), Type::Double) => json::double(out, *number as f64),
            (Self::Int(number), _) => json::integer(out, *number),
            (Self::Double(number), _) => json::double(out, *number),
            (Self::Text(text), _) => json::string(out, text.as_bytes()),
            (Self::Array(elements), Type::Array(element)) => {
                out.push(b'[');
                for (place, value) in elements.iter().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    value.write(out, element);
                }
                out.push(b']');
            }
            (Self::Object(_), Type::Struct(fields, _)) => {
                out.push(b'{');
                for (place, (name, kind)) in fields.iter().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    json::string(out, name.as_bytes());
                    out.push(b':');
                    match self.field(name) {
                        Some(value) => value.write(out, kind),
                        None => out.extend_from_slice(b"null"),
                    }
                }
                out.push(b'}');
            }
            _ => out.extend_from_slice(b"null"),
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Json;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("JSON")
            }

            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
                Ok(Json::Bool(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
                Ok(Json::Int(value))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
                Ok(i64::try_from(value).map_or(Json::Double(value as f64), Json::Int))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
                Ok(Json::Double(value))
            }

            fn visit_str<E>(self, value: &str) -> Result<Json, E> {
                Ok(Json::Text(value.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = from.next_element()? {
                    elements.push(element);
                }
                Ok(Json::Array(elements))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = from.next_entry()? {
                    fields.push(field);
                }
                Ok(Json::Object(fields))
            }
        }
        from.deserialize_any(Reader)
    }
}
