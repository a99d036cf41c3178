//! `EventRouter`: rows of an outbox table as messages of the topics they name.
//!
//! A payload that is to be expanded is read as JSON and written as Debezium writes it through Kafka Connect's schemas: what
//! has no type there (null fields, empty arrays) is left out unless the options keep it, objects of one array have all
//! fields of all of them, and what Connect cannot express stays the text it was.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::shape::{By, Content, Header, HeaderContent, Node, Routed, Shape};
use super::steps::is_envelope;
use crate::config::postgres::transforms::{Expand, Outbox};
use crate::encode::json;
use crate::encode::schema::{Kind, Schema};
use crate::encode::values::{Form, Malformed};

/// Turns the shape of an insert into the message's; `None` for what is no message.
pub fn route(outbox: &Outbox, mut shape: Shape) -> Result<Option<Shape>, String> {
    let Some(envelope) = &shape.value else { return Ok(None) };
    if !is_envelope(envelope) {
        return Ok(Some(shape));
    }
    let row = envelope.field("after").filter(|row| !matches!(row.content, Content::Null));
    let old = envelope.field("before").is_some_and(|row| !matches!(row.content, Content::Null));
    let operation = envelope.field("op").map(|node| &node.content);
    let is = |letter: &[u8]| matches!(operation, Some(Content::Constant(json)) if **json == *letter);
    if is(b"\"u\"") {
        return if outbox.updates_are_fatal { Err("an outbox table may not be updated".to_owned()) } else { Ok(None) };
    }
    let Some(row) = row.filter(|_| !old) else { return Ok(None) };
    let column = |name: &str| row.field(name).cloned().ok_or_else(|| format!("the table has no column {name}"));
    let index = |node: &Node, name: &str| match node.content {
        Content::Column { index, .. } => Ok(index),
        _ => Err(format!("{name} is no column")),
    };
    let (id, key, mut payload, routed) = (column(&outbox.id)?, column(&outbox.key)?, column(&outbox.payload)?, column(&outbox.route)?);
    let payload_index = index(&payload, &outbox.payload)?;
    let is_masked = |node: &Node| matches!(&node.content, Content::Column { form, .. } if form.mask.is_some());
    if is_masked(&routed) {
        return Err(format!("the column {} is masked: topics would tell what it hides", outbox.route));
    }
    let payload_is_masked = is_masked(&payload);
    if let (Some(expand), Content::Column { form, .. }) = (outbox.expand, &mut payload.content)
        && payload.schema.kind == Kind::String
        && form.mask.is_none()
    {
        let plain = form.clone();
        *form = Form { write: write_expanded, scale: expand.to_scale(), element: Some(Box::new(plain)), ..form.clone() };
    }
    shape.headers.push(Header { name: "id".to_owned(), content: HeaderContent::Value(id) });
    let mut beside = Vec::new();
    for placed in &outbox.more {
        match row.field(&placed.field) {
            Some(node) if placed.header => {
                shape.headers.push(Header { name: placed.name.clone(), content: HeaderContent::Value(node.clone()) });
            }
            Some(node) => beside.push((placed.name.as_str().into(), node.clone())),
            None if outbox.needs_more => return Err(format!("the table has no column {}", placed.field)),
            None => {}
        }
    }
    let in_envelope = outbox.more.iter().any(|placed| !placed.header);
    let topic = Routed {
        by: By::Column(index(&routed, &outbox.route)?, outbox.topic.clone()),
        // What a mask makes of NULL is no longer empty.
        empty_is_tombstone: (outbox.empty_is_tombstone && !payload_is_masked).then_some(payload_index),
        own_schema: in_envelope || outbox.expand.is_some(),
    };
    shape.value = Some(if in_envelope {
        beside.insert(0, ("payload".into(), payload));
        Node::of(Schema::new(Kind::Struct(Vec::new())), beside)
    } else {
        payload
    });
    shape.key = Some(key);
    shape.routed = Some(topic);
    Ok(Some(shape))
}

impl Expand {
    /// Kept where a form has room for a number.
    const fn to_scale(self) -> i16 {
        self.nulls as i16 | (self.empty_arrays as i16) << 1
    }

    const fn from_scale(scale: i16) -> Self {
        Self { nulls: scale & 1 != 0, empty_arrays: scale & 2 != 0 }
    }
}

/// The payload as the JSON it holds; the text that it is where Debezium cannot expand it.
fn write_expanded(out: &mut Vec<u8>, text: &[u8], form: &Form) -> Result<(), Malformed> {
    let begun = out.len();
    let expand = Expand::from_scale(form.scale);
    let expanded = text.starts_with(b"{")
        && serde_json::from_slice::<Json>(text).is_ok_and(|json| {
            let Some(shape) = json.shape(expand) else { return false };
            json.write(out, &shape);
            true
        });
    if expanded {
        return Ok(());
    }
    out.truncate(begun);
    let plain = form.element.as_deref().ok_or(Malformed)?;
    (plain.write)(out, text, plain)
}

/// A JSON document whose fields keep their order.
#[derive(Clone, Debug)]
enum Json {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// Kafka Connect's type of a document.
#[derive(Clone, Debug, PartialEq)]
enum Type {
    Bytes,
    Bool,
    Int32,
    Int64,
    Double,
    Text,
    Array(Box<Type>),
    Struct(Vec<(String, Type)>),
}

impl Json {
    /// `None` where Connect has no type for it: it is left out, or, below an array, the whole document stays text.
    fn shape(&self, expand: Expand) -> Option<Type> {
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
                    if let Some(kind) = value.typed(expand)?
                        && !typed.iter().any(|(known, _)| known == name)
                    {
                        typed.push((name.clone(), kind));
                    }
                }
                Type::Struct(typed)
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
                (Some(Type::Struct(mut fields)), Type::Struct(more)) => {
                    for (name, kind) in more {
                        match fields.iter_mut().find(|(known, _)| *known == name) {
                            None => fields.push((name, kind)),
                            Some((_, known)) if *known == Type::Bytes => *known = kind,
                            Some(_) => {}
                        }
                    }
                    Type::Struct(fields)
                }
                (Some(Type::Array(known)), Type::Array(_)) => Type::Array(known),
                (Some(known), kind) if known == kind => known,
                _ => return Err(()),
            });
        }
        merged.ok_or(())
    }

    fn write(&self, out: &mut Vec<u8>, kind: &Type) {
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
            (Self::Object(values), Type::Struct(fields)) => {
                out.push(b'{');
                for (place, (name, kind)) in fields.iter().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    json::string(out, name.as_bytes());
                    out.push(b':');
                    match values.iter().rev().find(|(field, _)| field == name) {
                        Some((_, value)) => value.write(out, kind),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::TypeKind;
    use crate::encode::values::{ValueSettings, choose};

    #[test]
    fn a_payload_is_expanded_as_far_as_connect_has_types() {
        let plain = choose(&TypeKind::Json, &ValueSettings::default());
        for (nulls, empty_arrays, text, expected) in [
            (
                false,
                false,
                r#"{"b": 1, "a": [1, 2], "n": null, "e": [], "o": {"x": 1.50, "y": null}}"#,
                r#"{"b":1,"a":[1,2],"o":{"x":1.5}}"#,
            ),
            (true, true, r#"{"n": null, "e": []}"#, r#"{"n":null,"e":[]}"#),
            (false, false, r#"{"a": [{"x": 1}, {"y": "é"}, null]}"#, r#"{"a":[{"x":1,"y":null},{"x":null,"y":"é"},null]}"#),
            (false, false, r#"{"a": [1, "x"]}"#, r#""{\"a\": [1, \"x\"]}""#),
            (false, false, r#"{"a": [1, 3000000000]}"#, r#""{\"a\": [1, 3000000000]}""#),
            (false, false, "[1]", r#""[1]""#),
            (false, false, "text", r#""text""#),
        ] {
            let scale = Expand { nulls, empty_arrays }.to_scale();
            let form = Form { write: write_expanded, scale, element: Some(Box::new(plain.clone())), ..plain.clone() };
            let mut out = Vec::new();
            (form.write)(&mut out, text.as_bytes(), &form).expect("it is JSON or text");
            assert_eq!(String::from_utf8_lossy(&out), expected, "{text}");
        }
    }
}
