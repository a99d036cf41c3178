//! Kafka Connect schemas: what a value is, for consumers that want it with each record or from a registry.
//!
//! Owns the tree of a schema and its JSON, as Kafka Connect's `JsonConverter` writes it with `schemas.enable=true`. Built
//! once per version of a table, rendered to bytes once, and never looked at per row. What a type's schema is stands with
//! the type's writer in [`super::values`]; the envelope's stands with the envelope.

use super::json;

/// What a value is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// true or false.
    Boolean,
    /// 8 bits, signed.
    Int8,
    /// 16 bits, signed.
    Int16,
    /// 32 bits, signed.
    Int32,
    /// 64 bits, signed.
    Int64,
    /// 32 bits, IEEE 754.
    Float,
    /// 64 bits, IEEE 754.
    Double,
    /// UTF-8 text.
    String,
    /// Bytes, base64 in JSON.
    Bytes,
    /// Elements of one schema.
    Array(Box<Schema>),
    /// Keys and values, each of one schema.
    Map(Box<Schema>, Box<Schema>),
    /// Fields in order.
    Struct(Vec<Field>),
}

/// A field of a struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: Box<str>,
    /// What it holds.
    pub schema: Schema,
}

/// A schema: Kafka Connect's `org.apache.kafka.connect.data.Schema`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// What the value is made of.
    pub kind: Kind,
    /// Whether it may be null.
    pub optional: bool,
    /// What it means, or the name of the struct.
    pub name: Option<Box<str>>,
    /// Version of the name.
    pub version: Option<u32>,
    /// For people.
    pub doc: Option<Box<str>>,
    /// What else belongs to the name.
    pub parameters: Vec<(Box<str>, Box<str>)>,
    /// The value in JSON that stands for none.
    pub default: Option<Box<[u8]>>,
}

impl Schema {
    /// The way to a map whose keys are no text, which JSON has as pairs; `None`: there is no such map.
    pub fn way_to_pairs(&self) -> Option<String> {
        match &self.kind {
            Kind::Map(keys, values) => {
                if keys.kind == Kind::String {
                    values.way_to_pairs()
                } else {
                    Some(String::new())
                }
            }
            Kind::Array(element) => element.way_to_pairs(),
            Kind::Struct(fields) => fields.iter().find_map(|field| {
                let way = field.schema.way_to_pairs()?;
                Some(if way.is_empty() { field.name.to_string() } else { format!("{}.{way}", field.name) })
            }),
            _ => None,
        }
    }

    /// A required value without a name.
    pub fn new(kind: Kind) -> Self {
        Self { kind, optional: false, name: None, version: None, doc: None, parameters: Vec::new(), default: None }
    }

    /// A required struct with a name.
    pub fn of_struct(name: &str, fields: Vec<Field>) -> Self {
        Self { name: Some(name.into()), ..Self::new(Kind::Struct(fields)) }
    }

    /// An array of values that may be null.
    pub fn array_of(element: Self) -> Self {
        Self::new(Kind::Array(Box::new(element)))
    }

    /// With a semantic name of version 1.
    pub fn named(self, name: &str) -> Self {
        Self { name: Some(name.into()), version: Some(1), ..self }
    }

    /// With another version of its name.
    pub fn version(self, version: u32) -> Self {
        Self { version: Some(version), ..self }
    }

    /// With a text for people.
    pub fn doc(self, doc: &str) -> Self {
        Self { doc: Some(doc.into()), ..self }
    }

    /// With one more parameter.
    pub fn parameter(mut self, name: &str, value: &str) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// With a default, as JSON.
    pub fn with_default(self, json: &[u8]) -> Self {
        Self { default: Some(json.into()), ..self }
    }

    /// May be null.
    pub fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// As a field.
    pub fn field(self, name: &str) -> Field {
        Field { name: name.into(), schema: self }
    }

    /// Appends its JSON, in the order in which Kafka Connect writes it.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.write_as(out, None);
    }

    fn write_as(&self, out: &mut Vec<u8>, field: Option<&str>) {
        out.extend_from_slice(b"{\"type\":\"");
        out.extend_from_slice(self.kind.name());
        out.push(b'"');
        match &self.kind {
            Kind::Struct(fields) => {
                out.extend_from_slice(b",\"fields\":[");
                for (place, field) in fields.iter().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    field.schema.write_as(out, Some(&field.name));
                }
                out.push(b']');
            }
            Kind::Array(element) => {
                out.extend_from_slice(b",\"items\":");
                element.write(out);
            }
            Kind::Map(keys, values) => {
                out.extend_from_slice(b",\"keys\":");
                keys.write(out);
                out.extend_from_slice(b",\"values\":");
                values.write(out);
            }
            _ => {}
        }
        out.extend_from_slice(if self.optional { b",\"optional\":true" } else { b",\"optional\":false" });
        put_text(out, "name", self.name.as_deref());
        if let Some(version) = self.version {
            out.extend_from_slice(b",\"version\":");
            json::integer(out, version);
        }
        put_text(out, "doc", self.doc.as_deref());
        if !self.parameters.is_empty() {
            for (place, (name, value)) in self.parameters.iter().enumerate() {
                out.extend_from_slice(if place == 0 { b",\"parameters\":{" } else { b"," });
                json::string(out, name.as_bytes());
                out.push(b':');
                json::string(out, value.as_bytes());
            }
            out.push(b'}');
        }
        if let Some(default) = &self.default {
            out.extend_from_slice(b",\"default\":");
            out.extend_from_slice(default);
        }
        put_text(out, "field", field);
        out.push(b'}');
    }

    /// `{"schema":...,"payload":`, which stands before each value.
    pub fn before_payload(&self) -> Box<[u8]> {
        let mut out = b"{\"schema\":".to_vec();
        self.write(&mut out);
        out.extend_from_slice(b",\"payload\":");
        out.into()
    }
}

impl Kind {
    /// As JSON names it.
    const fn name(&self) -> &'static [u8] {
        match self {
            Self::Boolean => b"boolean",
            Self::Int8 => b"int8",
            Self::Int16 => b"int16",
            Self::Int32 => b"int32",
            Self::Int64 => b"int64",
            Self::Float => b"float",
            Self::Double => b"double",
            Self::String => b"string",
            Self::Bytes => b"bytes",
            Self::Array(_) => b"array",
            Self::Map(..) => b"map",
            Self::Struct(_) => b"struct",
        }
    }
}

impl From<Kind> for Schema {
    fn from(kind: Kind) -> Self {
        Self::new(kind)
    }
}

fn put_text(out: &mut Vec<u8>, name: &str, text: Option<&str>) {
    if let Some(text) = text {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        json::string(out, text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_written_in_kafka_connects_order() {
        let decimal = Schema::from(Kind::Bytes).named("org.apache.kafka.connect.data.Decimal").parameter("scale", "2").parameter("p", "5");
        let table = Schema::of_struct(
            "srv.public.t.Key",
            vec![
                Schema::from(Kind::Int32).with_default(b"0").field("id"),
                decimal.optional().doc("a \"b\"").field("d"),
                Schema::array_of(Schema::from(Kind::String).optional()).field("a"),
                Schema::new(Kind::Map(Box::new(Kind::String.into()), Box::new(Schema::from(Kind::Int64).optional()))).field("m"),
            ],
        );
        let expected = concat!(
            r#"{"schema":{"type":"struct","fields":[{"type":"int32","optional":false,"default":0,"field":"id"},"#,
            r#"{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"doc":"a \"b\"","#,
            r#""parameters":{"scale":"2","p":"5"},"field":"d"},"#,
            r#"{"type":"array","items":{"type":"string","optional":true},"optional":false,"field":"a"},"#,
            r#"{"type":"map","keys":{"type":"string","optional":false},"values":{"type":"int64","optional":true},"optional":false,"field":"m"}],"#,
            r#""optional":false,"name":"srv.public.t.Key"},"payload":"#
        );
        assert_eq!(String::from_utf8_lossy(&table.before_payload()), expected);
    }
}
