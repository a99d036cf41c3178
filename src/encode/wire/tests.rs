//! Schemas and bytes beside those of Confluent's converters.
//!
//! `tests/registry/converters/` and the bytes below are what `ProtobufData` and `JsonSchemaData` (8.5) make of this schema
//! and value.

use super::*;
use crate::config::postgres::{JsonSchemaSettings, ProtobufSettings};
use crate::encode::protobuf;
use crate::encode::schema::{Field, Kind};

macro_rules! reference {
    ($name:literal) => {
        include_str!(concat!("../../../tests/registry/converters/", $name))
    };
}

fn text() -> Schema {
    Kind::String.into()
}

fn number(scale: &str) -> Schema {
    Schema::from(Kind::Bytes).named("org.apache.kafka.connect.data.Decimal").parameter("scale", scale)
}

fn logical(kind: Kind, name: &str) -> Schema {
    Schema::from(kind).named(&format!("org.apache.kafka.connect.data.{name}"))
}

fn of_kind(kind: Kind, name: &str) -> Field {
    Schema::from(kind).field(name)
}

fn maybe(kind: Kind, name: &str) -> Field {
    Schema::from(kind).optional().field(name)
}

fn snapshot() -> Schema {
    text().named("io.debezium.data.Enum").parameter("allowed", "true,first,last,false").with_default(b"\"false\"").optional()
}

fn envelope() -> Schema {
    let variable = || {
        let fields = vec![of_kind(Kind::Int32, "scale"), of_kind(Kind::Bytes, "value")];
        Schema::new(Kind::Struct(fields)).named("io.debezium.data.VariableScaleDecimal").doc("Variable scaled decimal").optional()
    };
    let point = vec![of_kind(Kind::Double, "x"), of_kind(Kind::Double, "y"), maybe(Kind::Bytes, "wkb"), maybe(Kind::Int32, "srid")];
    let bits = Schema::from(Kind::Bytes).named("io.debezium.data.Bits").parameter("length", "9").optional();
    let row = Schema::of_struct(
        "srv.public.t.Value",
        vec![
            Schema::from(Kind::Int32).with_default(b"0").field("id"),
            maybe(Kind::String, "s"),
            of_kind(Kind::Int16, "small"),
            maybe(Kind::Int64, "big"),
            maybe(Kind::Float, "f"),
            of_kind(Kind::Double, "d"),
            maybe(Kind::Boolean, "b"),
            bits.field("by"),
            number("2").parameter("connect.decimal.precision", "12").optional().field("amount"),
            number("3").field("amount2"),
            logical(Kind::Int32, "Date").optional().field("day"),
            logical(Kind::Int32, "Time").field("time"),
            logical(Kind::Int64, "Timestamp").field("ts"),
            text().named("io.debezium.time.ZonedTimestamp").optional().field("zdt"),
            Schema::array_of(Schema::from(Kind::Int32).optional()).optional().field("arr"),
            Schema::new(Kind::Map(Box::new(text()), Box::new(text().optional()))).optional().field("m"),
            variable().field("vs"),
            Schema::new(Kind::Struct(point)).named("io.debezium.data.geometry.Point").doc("Geometry (POINT)").field("Point"),
            Schema::array_of(variable()).optional().field("vs2"),
            snapshot().field("en"),
        ],
    );
    let source = vec![of_kind(Kind::String, "version"), snapshot().field("snapshot"), of_kind(Kind::Int64, "ts_ms")];
    let fields = vec![
        row.clone().optional().field("before"),
        row.optional().field("after"),
        Schema::new(Kind::Struct(source)).named("io.debezium.connector.postgresql.Source").field("source"),
        of_kind(Kind::String, "op"),
        maybe(Kind::Int64, "ts_ms"),
    ];
    Schema::of_struct("srv.public.t.Envelope", fields).version(2)
}

const EVENT: &str = concat!(
    r#"{"before":null,"after":{"id":0,"s":null,"small":-5,"big":7,"f":1.5,"d":0.0,"b":false,"by":"AQI=","amount":"/2o=","#,
    r#""amount2":"AA==","day":365,"time":3723004,"ts":-1500,"zdt":"x","arr":[1,0,-3],"m":{"e":"","k":"v"},"#,
    r#""vs":{"scale":0,"value":"BQ=="},"Point":{"x":1.0,"y":0.0,"wkb":null,"srid":null},"#,
    r#""vs2":[{"scale":3,"value":""}],"en":"false"},"source":{"version":"1","snapshot":"last","ts_ms":3},"op":"c","ts_ms":4}"#
);

/// Columns with defaults, and a struct without a name.
fn defaults() -> Schema {
    let with = |kind: Kind, json: &[u8], name: &str| Schema::from(kind).with_default(json).field(name);
    let fields = vec![
        with(Kind::Double, b"0.0", "d1"),
        with(Kind::Double, b"1.5", "d2"),
        with(Kind::Float, b"0.1", "f"),
        with(Kind::String, "\"a</b>\\\"é\\n\"".as_bytes(), "s"),
        number("2").with_default(b"\"AJY=\"").field("dec"),
        with(Kind::Boolean, b"true", "b"),
        with(Kind::Int64, b"123456789012345", "l"),
        Schema::new(Kind::Struct(vec![of_kind(Kind::Int32, "a")])).optional().field("o"),
    ];
    Schema::of_struct("x", fields)
}

fn json_schema(schema: &Schema, additional_properties: bool, decimal_numbers: bool) -> String {
    JsonSchema::new(schema, JsonSchemaSettings { additional_properties }, decimal_numbers).registration.text
}

fn proto(schema: &Schema, settings: ProtobufSettings) -> Protobuf {
    Protobuf::new(schema, settings, b"~mark~").expect("Protocol Buffers")
}

const OPTIONAL: ProtobufSettings = ProtobufSettings { optional_for_nullables: true, wrapper_for_nullables: false, scrub_names: false };
const WRAPPER: ProtobufSettings = ProtobufSettings { optional_for_nullables: false, wrapper_for_nullables: true, scrub_names: false };

#[test]
fn a_json_schema_is_confluents() {
    assert_eq!(json_schema(&envelope(), true, false), reference!("envelope.json"));
    assert_eq!(json_schema(&envelope(), false, false), reference!("envelope_closed.json"));
    assert_eq!(json_schema(&envelope(), true, true), reference!("envelope_numeric.json"));
    assert_eq!(json_schema(&defaults(), true, false), reference!("defaults.json"));
    let form = JsonSchema::new(&envelope(), JsonSchemaSettings { additional_properties: true }, false);
    assert_eq!(form.registration.record_name, "srv.public.t.Envelope");
    let mut out = Vec::new();
    form.write(EVENT.as_bytes(), &mut out);
    assert_eq!(out, [b"\0\0\0\0\0", EVENT.as_bytes()].concat());
}

#[test]
fn a_file_of_protocol_buffers_is_confluents() {
    let plain = proto(&envelope(), ProtobufSettings::default());
    assert_eq!(plain.registration.text, reference!("envelope.proto"));
    assert_eq!(plain.registration.record_name, "srv.public.t.Envelope");
    assert_eq!(proto(&envelope(), OPTIONAL).registration.text, reference!("envelope_optional.proto"));
    assert_eq!(proto(&envelope(), WRAPPER).registration.text, reference!("envelope_wrapper.proto"));
    let both = ProtobufSettings { optional_for_nullables: true, ..WRAPPER };
    assert_eq!(proto(&defaults(), both).registration.text, reference!("defaults.proto"));
    let odd = ["1 st", "_u", "grüße"].map(|name| of_kind(Kind::Int32, name));
    let odd = Schema::of_struct("a-b.c d.1x.Key", odd.into());
    let scrubbing = ProtobufSettings { scrub_names: true, ..ProtobufSettings::default() };
    assert_eq!(proto(&odd, scrubbing).registration.text, reference!("scrubbed.proto"));
    assert_eq!(proto(&text(), ProtobufSettings::default()).registration.text, reference!("single.proto"));
}

#[test]
fn protocol_buffers_are_confluents() {
    let plain = concat!(
        "12910118fbffffffffffffffff0120072d0000c03f420201024a080a02ff6a1003180252070a0100100118035a0708b30f10011801620b08011002",
        "1803208092f4016a1108feffffffffffffffff011080cab5ee017201787a0c0100fdffffffffffffffff018201030a01658201060a016b1201768a",
        "010312010592010909000000000000f03f9a01020803a2010566616c73651a0b0a013112046c61737418032201632804",
    );
    let optional = plain.replacen("12910118", "12930118", 1).replacen("c03f4202", "c03f38004202", 1);
    let wrapped = concat!(
        "12a60118fbffffffffffffffff01220208072a050d0000c03f3a0042040a0201024a080a02ff6a1003180252070a0100100118035a0708b30f1001",
        "1801620b080110021803208092f4016a1108feffffffffffffffff011080cab5ee0172030a01787a0208017a007a0b08fdffffffffffffffff0182",
        "01050a016512008201080a016b12030a01768a010312010592010909000000000000f03f9a01020803a201070a0566616c73651a0d0a013112060a",
        "046c61737418032201632a020804",
    );
    let hex = |settings: ProtobufSettings| {
        let mut out = Vec::new();
        assert_eq!(proto(&envelope(), settings).write(EVENT.as_bytes(), &mut out), Ok(true));
        assert_eq!(out[..6], [0; 6]);
        out[6..].iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    assert_eq!(hex(ProtobufSettings::default()), plain);
    assert_eq!(hex(OPTIONAL), optional);
    assert_eq!(hex(WRAPPER), wrapped);
}

#[test]
fn a_single_value_stands_in_googles_wrapper() {
    for (schema, json, expected) in [
        (text(), "\"a\\n\"", Ok(Some(&[2, 14, 10, 2, b'a', b'\n'][..]))),
        (text(), "\"\"", Ok(Some(&[2, 14]))),
        (text().optional(), "null", Ok(None)),
        (Kind::Double.into(), "1.0", Ok(Some(&[0, 9, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]))),
        (Kind::Int64.into(), "300", Ok(Some(&[2, 4, 8, 0xac, 2]))),
        (Kind::Int64.into(), "x", Err(Mismatch)),
    ] {
        let mut out = Vec::new();
        let written = proto(&schema, ProtobufSettings::default()).write(json.as_bytes(), &mut out);
        assert_eq!(written.map(|there| there.then(|| &out[5..])), expected, "{json}");
    }
    let refused = |schema: &Schema| Protobuf::new(schema, ProtobufSettings::default(), b"").expect_err("refused").to_string();
    assert_eq!(refused(&Schema::array_of(text())), "keys or values that are a list or a map cannot be written as Protocol Buffers");
}

/// What Protocol Buffers cannot say stops, but for a list of numbers that was not sent, which is left out.
#[test]
fn lists_hold_no_null() {
    let write = |kind: Kind, json: &str| {
        let list = Schema::array_of(Schema::from(kind).optional()).optional();
        let schema = Schema::of_struct("t", vec![list.field("a")]);
        let mut out = Vec::new();
        proto(&schema, ProtobufSettings::default()).write(json.as_bytes(), &mut out).map(|_| out[6..].to_vec())
    };
    assert_eq!(write(Kind::Int32, r#"{"a":[1,null]}"#), Err(Mismatch));
    assert_eq!(write(Kind::String, r#"{"a":[null]}"#), Err(Mismatch));
    assert_eq!(write(Kind::Double, r#"{"a":["~mark~"]}"#), Ok(Vec::new()));
    assert_eq!(write(Kind::Double, r#"{"a":[]}"#), Ok(Vec::new()));
    assert_eq!(write(Kind::String, r#"{"a":["~mark~"]}"#), Ok(b"\x0a\x06~mark~".to_vec()));
    assert_eq!(write(Kind::Int32, r#"{"a":[[1,2],[3]]}"#), Ok(vec![10, 3, 1, 2, 3]));
    assert_eq!(write(Kind::Boolean, r#"{"a":[true,false]}"#), Ok(vec![10, 2, 1, 0]));
}

#[test]
fn maps_that_json_has_as_pairs_are_found() {
    let map = |keys: Kind| Schema::new(Kind::Map(Box::new(keys.into()), Box::new(Kind::Double.into())));
    let row = Schema::of_struct("row", vec![map(Kind::String).field("a"), Schema::array_of(map(Kind::Int16)).field("b")]);
    let envelope = Schema::of_struct("envelope", vec![of_kind(Kind::Int32, "n"), row.field("after")]);
    assert_eq!(envelope.way_to_pairs().as_deref(), Some("after.b"));
    assert_eq!(map(Kind::String).way_to_pairs(), None);
}

#[test]
fn names_that_protocol_buffers_do_not_take_are_refused() {
    let refused = |name: &str, fields: Vec<Field>, settings: ProtobufSettings| {
        Protobuf::new(&Schema::of_struct(name, fields), settings, b"").expect_err("refused").to_string()
    };
    let one = |name: &str| vec![of_kind(Kind::Int32, name)];
    let plain = ProtobufSettings::default();
    assert_eq!(refused("a.b", one("1 st"), plain), "\"1 st\" is not a name in Protocol Buffers");
    assert_eq!(refused("a-b.c", one("x"), plain), "\"a-b\" is not a name in Protocol Buffers");
    let twice = [one("a b"), one("a_b")].concat();
    let scrubbing = ProtobufSettings { scrub_names: true, ..plain };
    assert_eq!(refused("t", twice, scrubbing), "t has more than one \"a_b\" in Protocol Buffers");
    let oneof = vec![maybe(Kind::Int32, "x"), maybe(Kind::Int32, "_x")];
    assert_eq!(refused("t", oneof, OPTIONAL), "t has more than one \"_x\" in Protocol Buffers");
    let inner = |name: &str, field: &str| Schema::of_struct(name, one(field));
    let two = vec![inner("a.Same", "x").field("p"), inner("b.Same", "y").field("q")];
    assert_eq!(refused("t", two, plain), "t has more than one \"Same\" in Protocol Buffers");
    assert!(protobuf::schema::of(&Schema::of_struct("t", vec![inner("a.Same", "x").field("Same")]), plain).is_ok());
}
