//! A Connect schema as a JSON Schema, as Confluent's `JsonSchemaData` makes it, to the byte.
//!
//! What may be null is one of null and the type; what JSON Schema has no word for stands in properties `connect.type`,
//! `connect.version`, `connect.parameters`, `connect.index` (a field's place: the properties themselves stand in the order of
//! Java's hash table).

use serde_json::{Map, Value as Json, json};

use crate::config::postgres::JsonSchemaSettings;
use crate::encode::avro::schema::of_array;
use crate::encode::java::{hash_order, hash_order_of_fitting};
use crate::encode::schema::{Field, Kind, Schema};

/// Kafka Connect's decimal.
const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";

/// The schema's text.
pub fn of(schema: &Schema, settings: JsonSchemaSettings, decimal_numbers: bool) -> String {
    Writer { settings, decimal_numbers }.any(schema, None).to_string()
}

struct Writer {
    settings: JsonSchemaSettings,
    decimal_numbers: bool,
}

impl Writer {
    /// `index` is the place of a field.
    fn any(&self, schema: &Schema, index: Option<usize>) -> Json {
        if !schema.optional {
            return self.required(schema, index);
        }
        let mut out = Map::new();
        put_index(&mut out, index);
        out.insert("oneOf".into(), json!([{"type": "null"}, self.required(schema, None)]));
        Json::Object(out)
    }

    fn required(&self, schema: &Schema, index: Option<usize>) -> Json {
        let is_decimal = schema.name.as_deref() == Some(DECIMAL);
        let (json_type, connect_type) = match &schema.kind {
            Kind::Boolean => ("boolean", None),
            Kind::Int8 => ("integer", Some("int8")),
            Kind::Int16 => ("integer", Some("int16")),
            Kind::Int32 => ("integer", Some("int32")),
            Kind::Int64 => ("integer", Some("int64")),
            Kind::Float => ("number", Some("float32")),
            Kind::Double => ("number", Some("float64")),
            Kind::String => ("string", None),
            Kind::Bytes if is_decimal && self.decimal_numbers => ("number", Some("bytes")),
            Kind::Bytes => ("string", Some("bytes")),
            Kind::Array(_) => ("array", None),
            Kind::Map(..) => ("object", Some("map")),
            Kind::Struct(_) => ("object", None),
        };
        let mut out = Map::new();
        let is_boolean = schema.kind == Kind::Boolean;
        if !is_boolean {
            out.insert("type".into(), json_type.into());
        }
        if matches!(schema.kind, Kind::Struct(_)) && !self.settings.additional_properties {
            out.insert("additionalProperties".into(), false.into());
        }
        put_text(&mut out, "title", schema.name.as_deref());
        put_text(&mut out, "description", schema.doc.as_deref());
        if let Some(default) = schema.default.as_deref().and_then(|json| serde_json::from_slice::<Json>(json).ok()) {
            out.insert("default".into(), default_of(schema, default));
        }
        put_index(&mut out, index);
        if let Some(version) = schema.version {
            out.insert("connect.version".into(), version.into());
        }
        put_text(&mut out, "connect.type", connect_type);
        if !schema.parameters.is_empty() {
            let mut parameters: Vec<_> = schema.parameters.iter().collect();
            hash_order(&mut parameters, |(name, _)| name);
            hash_order_of_fitting(&mut parameters, |(name, _)| name);
            let parameters: Map<_, _> = parameters.iter().map(|(name, value)| (name.to_string(), json!(value))).collect();
            out.insert("connect.parameters".into(), parameters.into());
        }
        if is_boolean {
            out.insert("type".into(), json_type.into());
        }
        match &schema.kind {
            Kind::Array(element) => drop(out.insert("items".into(), self.any(&of_array(element), None))),
            Kind::Map(_, values) => drop(out.insert("additionalProperties".into(), self.any(values, None))),
            Kind::Struct(fields) if !fields.is_empty() => drop(out.insert("properties".into(), self.properties(fields))),
            _ => {}
        }
        Json::Object(out)
    }

    fn properties(&self, fields: &[Field]) -> Json {
        let mut fields: Vec<_> = fields.iter().enumerate().collect();
        hash_order(&mut fields, |(_, field)| &field.name);
        fields.iter().map(|(place, field)| (field.name.to_string(), self.any(&field.schema, Some(*place)))).collect::<Map<_, _>>().into()
    }
}

fn put_index(out: &mut Map<String, Json>, index: Option<usize>) {
    if let Some(index) = index {
        out.insert("connect.index".into(), index.into());
    }
}

fn put_text(out: &mut Map<String, Json>, name: &str, text: Option<&str>) {
    if let Some(text) = text {
        out.insert(name.into(), text.into());
    }
}

/// A number without zeros behind its point is written without the point.
fn default_of(schema: &Schema, json: Json) -> Json {
    let whole = |number: &serde_json::Number| number.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 1e7);
    match &json {
        Json::Number(number) if !matches!(schema.kind, Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64) => {
            whole(number).map_or_else(|| json.clone(), |number| json!(number as i64))
        }
        _ => json,
    }
}
