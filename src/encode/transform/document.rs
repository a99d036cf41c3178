//! JSON that a row or a message holds, as Kafka Connect's values: for `EventRouter` and `DecodeLogicalDecodingMessageContent`.
//!
//! What has no type there (null fields, empty arrays) is left out unless an option keeps it, objects of one array have all
//! fields of all of them, and what Connect cannot express is none of its values: the caller says what then. Promises time in
//! proportion to the document and what becomes of it: of a name that comes twice one is left when the document has been read,
//! and fields are then walked beside their types.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::shape::{Content, Node};
use crate::config::postgres::transforms::Expand;
use crate::encode::json;
use crate::encode::schema::{Kind, Schema};

/// The most fields that all objects of an array may have together once each has those of all of them; with more the document
/// stays text: a small one could fill the memory.
const CELLS_MAX: usize = 1 << 22;

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
    /// Fields, each of another name.
    Object(Vec<(String, Json)>),
}

/// An object's fields as they are asked for: in their own order, as a rule.
struct Walk<'a> {
    fields: &'a [(String, Json)],
    next: usize,
    places: Option<HashMap<&'a str, usize>>,
}

impl<'a> Walk<'a> {
    fn new(fields: &'a [(String, Json)]) -> Self {
        Self { fields, next: 0, places: None }
    }

    fn find(&mut self, name: &str) -> Option<&'a Json> {
        let is_next = self.fields.get(self.next).is_some_and(|(known, _)| known == name);
        let place = if is_next {
            self.next
        } else {
            let names = self.fields.iter().enumerate().map(|(place, (name, _))| (name.as_str(), place));
            *self.places.get_or_insert_with(|| names.collect()).get(name)?
        };
        self.next = place + 1;
        self.fields.get(place).map(|(_, value)| value)
    }
}

/// Of several fields of one name the last, where the first was.
fn unique(fields: Vec<(String, Json)>) -> Vec<(String, Json)> {
    let mut names = HashSet::with_capacity(fields.len());
    if fields.iter().all(|(name, _)| names.insert(name.as_str())) {
        return fields;
    }
    let (mut places, mut kept) = (HashMap::new(), Vec::<(String, Json)>::new());
    for (name, value) in fields {
        let place = *places.entry(name.clone()).or_insert(kept.len());
        match kept.get_mut(place) {
            Some((_, known)) => *known = value,
            None => kept.push((name, value)),
        }
    }
    kept
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
            (Self::Object(own), Type::Struct(fields, _)) => {
                let mut own = Walk::new(own);
                let schema = Schema { kind: Kind::Struct(Vec::new()), ..kind.schema(way) };
                let field = |(name, kind): &(String, Type)| {
                    let value = own.find(name).unwrap_or(&Self::Null);
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
                let mut typed = Vec::new();
                for (name, value) in fields {
                    typed.extend(value.typed(expand)?.map(|kind| (name.clone(), kind)));
                }
                Type::Struct(typed, false)
            }
        }))
    }

    /// The one type of an array's elements; nulls have any.
    fn element(elements: &[Self], expand: Expand) -> Result<Type, ()> {
        let mut merged: Option<Type> = None;
        // Where the fields of several objects that are not alike have their places.
        let mut places: HashMap<String, usize> = HashMap::new();
        for element in elements.iter().filter(|element| !matches!(element, Self::Null)) {
            let kind = element.typed(expand)?.ok_or(())?;
            merged = Some(match (merged, kind) {
                (None, kind) => kind,
                (Some(known @ Type::Struct(_, false)), kind) if known == kind => known,
                (Some(Type::Struct(mut fields, _)), Type::Struct(more, _)) => {
                    if places.is_empty() {
                        places.extend(fields.iter().enumerate().map(|(place, (name, _))| (name.clone(), place)));
                    }
                    for (name, kind) in more {
                        let place = *places.entry(name.clone()).or_insert(fields.len());
                        match fields.get_mut(place) {
                            None => fields.push((name, kind)),
                            Some((_, known)) if *known == Type::Bytes => *known = kind,
                            Some(_) => {}
                        }
                    }
                    if fields.len().saturating_mul(elements.len()) > CELLS_MAX {
                        return Err(());
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
            (Self::Object(own), Type::Struct(fields, _)) => {
                let mut own = Walk::new(own);
                out.push(b'{');
                for (place, (name, kind)) in fields.iter().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    json::string(out, name.as_bytes());
                    out.push(b':');
                    match own.find(name) {
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
                Ok(Json::Object(unique(fields)))
            }
        }
        from.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;
    use std::time::{Duration, Instant};

    fn written(text: &str) -> String {
        let document = Json::read(text).expect("JSON");
        let kind = document.shape(Expand { nulls: false, empty_arrays: false }).expect("a type");
        let mut out = Vec::new();
        document.write(&mut out, &kind);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn of_a_name_that_comes_twice_the_last_stands_where_the_first_was() {
        assert_eq!(written(r#"{"a":1,"n":null,"b":2,"a":"x"}"#), r#"{"a":"x","b":2}"#);
        assert_eq!(written(r#"{"a":1,"b":2,"a":null}"#), r#"{"b":2}"#);
        assert_eq!(written(r#"{"l":[{"a":1,"b":2},{"c":3,"a":4}]}"#), r#"{"l":[{"a":1,"b":2,"c":null},{"a":4,"b":null,"c":3}]}"#);
    }

    #[test]
    fn objects_that_would_fill_the_memory_with_nulls_stay_text() {
        let objects: Vec<_> = (0..3_000).map(|place| format!("{{\"f{place}\":1}}")).collect();
        let shape = |objects: &[String]| {
            let document = Json::read(&format!("[{}]", objects.join(","))).expect("JSON");
            document.shape(Expand { nulls: false, empty_arrays: false })
        };
        assert!(shape(&objects[..1_000]).is_some());
        assert_eq!(shape(&objects), None);
    }

    #[test]
    fn a_document_of_very_many_fields_is_read_at_once() {
        let object = |except: usize| {
            let mut text = "{\"n\":null".to_owned();
            for place in (0..100_000).filter(|place| *place != except) {
                write!(text, ",\"field_{place}\":{place}").expect("it is memory");
            }
            text + "}"
        };
        let begun = Instant::now();
        let text = format!("{{\"a\":{},\"l\":[{},{}]}}", object(0), object(1), object(2));
        let written = written(&text);
        assert!(written.contains("\"field_99999\":99999") && !written.contains("\"n\""));
        let document = Json::read(&text).expect("JSON");
        assert!(document.node(Expand { nulls: true, empty_arrays: false }, "").is_some());
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    }
}
