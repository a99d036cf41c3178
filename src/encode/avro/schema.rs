//! A Connect schema as an Avro schema, as Confluent's `AvroData` makes it.
//!
//! Structs become records of their name, `null` stands first in the union of what may be null unless there is a default, and
//! what Avro has no word for becomes properties: `connect.version`, `connect.parameters`, `connect.default`,
//! `connect.name`, `connect.type`, `connect.doc`.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::{Map, Value as Json, json};

use crate::config::postgres::AvroSettings;
use crate::encode::schema::{Kind, Schema};

/// The name of a struct that has none.
pub const UNNAMED: &str = "io.confluent.connect.avro.ConnectDefault";
/// A pair of a map whose keys are no text, which Avro has no map for.
const MAP_ENTRY: &str = "io.confluent.connect.avro.MapEntry";
/// Kafka Connect's decimal.
const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
/// Where Debezium says a decimal's precision.
const PRECISION: &str = "connect.decimal.precision";
/// The precision of a decimal that has none.
const PRECISION_DEFAULT: i64 = 64;

/// The Avro schema; why not, when a name is none of Avro's.
pub fn of(schema: &Schema, settings: AvroSettings) -> Result<Json, String> {
    Writer { settings, written: HashSet::new() }.nullable(schema, None)
}

struct Writer {
    settings: AvroSettings,
    /// Records that stand in the schema already: from then on their name is enough.
    written: HashSet<String>,
}

impl Writer {
    fn nullable(&mut self, schema: &Schema, space: Option<&str>) -> Result<Json, String> {
        let base = self.base(schema, space)?;
        let null = Json::from("null");
        Ok(match schema.optional {
            false => base,
            true if null_is_first(schema) => Json::Array(vec![null, base]),
            true => Json::Array(vec![base, null]),
        })
    }

    fn base(&mut self, schema: &Schema, space: Option<&str>) -> Result<Json, String> {
        let mut out = Map::new();
        let name = match &schema.kind {
            Kind::Boolean => "boolean",
            Kind::Int8 | Kind::Int16 | Kind::Int32 => "int",
            Kind::Int64 => "long",
            Kind::Float => "float",
            Kind::Double => "double",
            Kind::String => "string",
            Kind::Bytes => "bytes",
            Kind::Array(_) => "array",
            Kind::Map(..) => "map",
            Kind::Struct(_) => "record",
        };
        out.insert("type".into(), name.into());
        match &schema.kind {
            Kind::Array(element) => drop(out.insert("items".into(), self.nullable(&of_array(element), space)?)),
            Kind::Map(keys, values) if keys.kind != Kind::String => {
                let fields = vec![(**keys).clone().field("key"), (**values).clone().field("value")];
                let mut items = self.base(&Schema::of_struct(MAP_ENTRY, fields), space)?;
                if let Json::Object(entry) = &mut items {
                    entry.remove("connect.name");
                }
                out.insert("type".into(), "array".into());
                out.insert("items".into(), items);
            }
            Kind::Map(_, values) => drop(out.insert("values".into(), self.nullable(values, space)?)),
            Kind::Struct(fields) => {
                let full = schema.name.as_deref().unwrap_or(UNNAMED);
                let (own, name) = full.rsplit_once('.').map_or((None, full), |(own, name)| (Some(own), name));
                if !self.written.insert(full.to_owned()) {
                    return Ok(if own == space { name.into() } else { full.into() });
                }
                own.into_iter().flat_map(|own| own.split('.')).chain([name]).try_for_each(check_name)?;
                out.insert("name".into(), name.into());
                if own != space {
                    out.insert("namespace".into(), own.unwrap_or("").into());
                }
                let fields: Result<Vec<Json>, String> = fields
                    .iter()
                    .map(|field| {
                        check_name(&field.name)?;
                        let mut out = Map::new();
                        out.insert("name".into(), field.name.to_string().into());
                        out.insert("type".into(), self.nullable(&field.schema, own)?);
                        match default(&field.schema) {
                            Some(default) => drop(out.insert("default".into(), default)),
                            None if field.schema.optional => drop(out.insert("default".into(), Json::Null)),
                            None => {}
                        }
                        Ok(Json::Object(out))
                    })
                    .collect();
                out.insert("fields".into(), fields?.into());
            }
            _ => {}
        }
        self.put_properties(&mut out, schema);
        // A type without properties is its name.
        Ok(if out.len() == 1 { name.into() } else { Json::Object(out) })
    }

    fn put_properties(&self, out: &mut Map<String, Json>, schema: &Schema) {
        let parameter = |name: &str| schema.parameters.iter().find(|(known, _)| **known == *name).map(|(_, value)| value);
        let number = |name: &str| parameter(name).and_then(|value| value.parse::<i64>().ok());
        let is_decimal = schema.name.as_deref() == Some(DECIMAL);
        if is_decimal {
            out.insert("scale".into(), number("scale").unwrap_or(0).into());
            out.insert("precision".into(), number(PRECISION).unwrap_or(PRECISION_DEFAULT).into());
        }
        if self.settings.connect_meta_data {
            if let Some(doc) = &schema.doc {
                out.insert("connect.doc".into(), doc.to_string().into());
            }
            if let Some(version) = schema.version {
                out.insert("connect.version".into(), version.into());
            }
            if !schema.parameters.is_empty() {
                let parameters: Map<_, _> = schema.parameters.iter().map(|(name, value)| (name.to_string(), json!(value))).collect();
                out.insert("connect.parameters".into(), parameters.into());
            }
            if let Some(default) = default(schema) {
                out.insert("connect.default".into(), default);
            }
            if let Some(name) = &schema.name {
                out.insert("connect.name".into(), name.to_string().into());
            }
            match schema.kind {
                Kind::Int8 => drop(out.insert("connect.type".into(), "int8".into())),
                Kind::Int16 => drop(out.insert("connect.type".into(), "int16".into())),
                _ => {}
            }
        }
        let logical = match schema.name.as_deref() {
            Some(DECIMAL) => "decimal",
            Some("org.apache.kafka.connect.data.Date") => "date",
            Some("org.apache.kafka.connect.data.Time") => "time-millis",
            Some("org.apache.kafka.connect.data.Timestamp") => "timestamp-millis",
            _ => return,
        };
        out.insert("logicalType".into(), logical.into());
    }
}

/// What an array holds. By Debezium's word enums and a few others are never null in one; they may be, and nothing is dropped.
/// The numbers of a vector never are.
pub(in crate::encode) fn of_array(element: &Schema) -> Cow<'_, Schema> {
    let may_be_null = match element.kind {
        Kind::String | Kind::Bytes | Kind::Array(_) => true,
        Kind::Struct(_) => element.name.as_deref() == Some("io.debezium.data.SparseDoubleVector"),
        _ => false,
    };
    if may_be_null && !element.optional { Cow::Owned(element.clone().optional()) } else { Cow::Borrowed(element) }
}

/// A struct's default is not its union's.
pub(super) fn null_is_first(schema: &Schema) -> bool {
    schema.default.is_none() || matches!(schema.kind, Kind::Struct(_))
}

fn default(schema: &Schema) -> Option<Json> {
    let json = serde_json::from_slice(schema.default.as_deref()?).ok()?;
    // A record that may be null has `null` first, which is what a default must be of.
    if schema.optional && matches!(schema.kind, Kind::Struct(_)) { None } else { Some(in_avro(schema, json)) }
}

/// Bytes are text of one character each in Avro's JSON, and base64 in Kafka Connect's.
fn in_avro(schema: &Schema, json: Json) -> Json {
    match (&schema.kind, json) {
        (Kind::Bytes, Json::String(text)) => {
            let mut bytes = Vec::new();
            match crate::encode::walk::base64(text.as_bytes(), &mut bytes) {
                Ok(()) => bytes.into_iter().map(char::from).collect::<String>().into(),
                Err(_) => text.into(),
            }
        }
        (Kind::Struct(fields), Json::Object(object)) => {
            let value = |name: &str| object.get(name).cloned().unwrap_or_default();
            fields.iter().map(|field| (field.name.to_string(), in_avro(&field.schema, value(&field.name)))).collect::<Map<_, _>>().into()
        }
        (_, json) => json,
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if begins && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') { Ok(()) } else { Err(name.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::envelope::schema::envelope;

    fn text(schema: &Schema) -> String {
        of(schema, AvroSettings { connect_meta_data: true }).expect("Avro").to_string()
    }

    /// The envelope that connectors with Confluent's converter register, but for the table's own columns.
    #[test]
    fn an_envelope_is_confluents() {
        let id = Schema::from(Kind::Int32).with_default(b"0").field("id");
        let row = Schema::of_struct("demo.public.users.Value", vec![id, Schema::from(Kind::String).optional().field("title")]);
        let expected = concat!(
            r#"{"type":"record","name":"Envelope","namespace":"demo.public.users","fields":[{"name":"before","type":["null","#,
            r#"{"type":"record","name":"Value","fields":[{"name":"id","type":{"type":"int","connect.default":0},"default":0},"#,
            r#"{"name":"title","type":["null","string"],"default":null}],"connect.name":"demo.public.users.Value"}],"default":null},"#,
            r#"{"name":"after","type":["null","Value"],"default":null},"#,
            r#"{"name":"source","type":{"type":"record","name":"Source","namespace":"io.debezium.connector.postgresql","fields":["#,
            r#"{"name":"version","type":"string"},{"name":"connector","type":"string"},{"name":"name","type":"string"},{"name":"ts_ms","type":"long"},"#,
            r#"{"name":"snapshot","type":[{"type":"string","connect.version":1,"#,
            r#""connect.parameters":{"allowed":"true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"},"#,
            r#""connect.default":"false","connect.name":"io.debezium.data.Enum"},"null"],"default":"false"},"#,
            r#"{"name":"db","type":"string"},{"name":"sequence","type":["null","string"],"default":null},"#,
            r#"{"name":"ts_us","type":["null","long"],"default":null},{"name":"ts_ns","type":["null","long"],"default":null},"#,
            r#"{"name":"schema","type":"string"},{"name":"table","type":"string"},{"name":"txId","type":["null","long"],"default":null},"#,
            r#"{"name":"lsn","type":["null","long"],"default":null},{"name":"xmin","type":["null","long"],"default":null},"#,
            r#"{"name":"origin","type":["null","string"],"default":null},{"name":"origin_lsn","type":["null","long"],"default":null}],"#,
            r#""connect.version":1,"connect.name":"io.debezium.connector.postgresql.Source"}},"#,
            r#"{"name":"transaction","type":["null",{"type":"record","name":"block","namespace":"event","fields":[{"name":"id","type":"string"},"#,
            r#"{"name":"total_order","type":"long"},{"name":"data_collection_order","type":"long"}],"connect.version":1,"connect.name":"event.block"}],"default":null},"#,
            r#"{"name":"op","type":"string"},{"name":"ts_ms","type":["null","long"],"default":null},"#,
            r#"{"name":"ts_us","type":["null","long"],"default":null},{"name":"ts_ns","type":["null","long"],"default":null}],"#,
            r#""connect.version":2,"connect.name":"demo.public.users.Envelope"}"#
        );
        assert_eq!(text(&envelope("demo.public.users", &row)), expected);
    }

    #[test]
    fn what_avro_has_no_word_for_is_a_property() {
        let decimal = || Schema::from(Kind::Bytes).named(DECIMAL).parameter("scale", "2").parameter(PRECISION, "6");
        for (schema, expected) in [
            (Schema::from(Kind::Int8), r#"{"type":"int","connect.type":"int8"}"#),
            (Schema::from(Kind::Int16), r#"{"type":"int","connect.type":"int16"}"#),
            (
                decimal().with_default(b"\"AJY=\""),
                concat!(
                    r#"{"type":"bytes","scale":2,"precision":6,"connect.version":1,"connect.parameters":{"scale":"2","connect.decimal.precision":"6"},"#,
                    "\"connect.default\":\"\\u0000\u{96}\",",
                    r#""connect.name":"org.apache.kafka.connect.data.Decimal","logicalType":"decimal"}"#
                ),
            ),
            (
                Schema::from(Kind::Int32).named("org.apache.kafka.connect.data.Date").optional(),
                r#"["null",{"type":"int","connect.version":1,"connect.name":"org.apache.kafka.connect.data.Date","logicalType":"date"}]"#,
            ),
            (Schema::from(Kind::Int64).with_default(b"7").optional(), r#"[{"type":"long","connect.default":7},"null"]"#),
            (Schema::array_of(Schema::from(Kind::String).optional()), r#"{"type":"array","items":["null","string"]}"#),
            (
                Schema::new(Kind::Map(Box::new(Kind::String.into()), Box::new(Schema::from(Kind::String).optional()))),
                r#"{"type":"map","values":["null","string"]}"#,
            ),
            (
                Schema::new(Kind::Map(Box::new(Kind::Int16.into()), Box::new(Kind::Double.into()))),
                concat!(
                    r#"{"type":"array","items":{"type":"record","name":"MapEntry","namespace":"io.confluent.connect.avro","fields":["#,
                    r#"{"name":"key","type":{"type":"int","connect.type":"int16"}},{"name":"value","type":"double"}]}}"#
                ),
            ),
        ] {
            assert_eq!(text(&schema), expected);
        }
        let bare = of(&decimal(), AvroSettings { connect_meta_data: false }).expect("Avro").to_string();
        assert_eq!(bare, r#"{"type":"bytes","scale":2,"precision":6,"logicalType":"decimal"}"#);
    }

    #[test]
    fn a_name_that_avro_does_not_allow_is_told() {
        let key = |topic: &str, column: &str| Schema::of_struct(&format!("{topic}.Key"), vec![Schema::from(Kind::Int32).field(column)]);
        let of = |schema: &Schema| of(schema, AvroSettings { connect_meta_data: true });
        assert_eq!(of(&key("a-b.public.t", "id")), Err("a-b".to_owned()));
        assert_eq!(of(&key("a.public.t", "col 1")), Err("col 1".to_owned()));
    }
}
