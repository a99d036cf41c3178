//! Events with a JSON Schema and in Protocol Buffers as Confluent's client reads them, beside the same rows' JSON events.
//!
//! Aim and method are those of `avro`: a sibling connector in JSON, and Confluent's Python client in between.

use serde_json::{Value, json};

use super::avro::all_types_are_read;
use crate::support::http;
use crate::support::postgres::shared_server;
use crate::support::scene::Scene;
use crate::support::service::{Rowfeed, with};
use crate::support::wait_for;

pub const JSON_SCHEMA: (&str, &str) = ("json", "io.confluent.connect.json.JsonSchemaConverter");
pub const PROTOBUF: (&str, &str) = ("protobuf", "io.confluent.connect.protobuf.ProtobufConverter");

/// The lists of the database of all types hold nulls, which Protocol Buffers cannot: these hold none.
pub const LISTS: &[&str] = &[
    "create table lists(id serial primary key, i int[], b bigint[], t text[], f float4[], d float8[], o bool[], n numeric[], p numeric(9,2)[], y bytea[], s smallint[])",
    "insert into lists(i, b, t, f, d, o, n, p, y, s) values ('{1,0,-5}', '{9223372036854775807}', '{a,\"\",\"x\\ny\"}', '{0,1.5,NaN}', \
     '{0,-0.5,Infinity}', '{t,f}', '{0,1e20,-0.001}', '{1.5,-99999.99}', '{\"\\\\x00ff\",\"\"}', '{-1,2}'), \
     ('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'), (null, null, null, null, null, null, null, null, null, null)",
];

pub const NO_NULLS: &str = "public[.](v_.*|a_dimensions|lists|fence)";

#[test]
fn every_type_with_a_json_schema_says_what_its_json_says() {
    all_types_are_read(
        "json_schema_types",
        JSON_SCHEMA,
        &[],
        &json!({"key.converter.object.additional.properties": "false", "value.converter.object.additional.properties": "false"}),
    );
}

#[test]
fn every_type_in_protocol_buffers_says_what_its_json_says() {
    all_types_are_read("protobuf_types", PROTOBUF, LISTS, &json!({"table.include.list": NO_NULLS}));
}

#[test]
fn nullable_and_logical_types_in_protocol_buffers_say_what_their_json_says() {
    all_types_are_read(
        "protobuf_logical",
        ("protobuf-null", PROTOBUF.1),
        LISTS,
        &json!({"table.include.list": NO_NULLS, "hstore.handling.mode": "map", "time.precision.mode": "connect",
            "decimal.handling.mode": "double", "value.converter.wrapper.for.nullables": "true",
            "key.converter.optional.for.nullables": "true"}),
    );
}

/// What Protocol Buffers cannot say stops the connector, and says so.
#[test]
fn a_null_in_a_list_and_a_name_that_is_none_stop_a_connector_of_protocol_buffers() {
    let Some(server) = shared_server() else { return };
    let options = json!({"value.converter": PROTOBUF.1, "table.include.list": "public[.].*"});
    let scene = Scene::prepared(server, "protobuf_refusals", "create table t(id int primary key, \"1 st\" int[])", &options);
    scene.sql.run("insert into t values (1, '{1,2}')");
    scene.connect();
    let trace = scene.rowfeed.wait_until_failed("scene");
    assert!(trace.contains("protobuf/name") && trace.contains("scrub.invalid.names=true"), "{trace}");
    let scrubbing = json!({"value.converter.scrub.invalid.names": "true"});
    let answer = scene.rowfeed.put_connector("scene", &with(scene.config().clone(), &scrubbing));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let event = wait_for("the row's event", || scene.reader.read("srv.public.t").first().cloned());
    let value = event.value.expect("a value");
    let kept = http::get(&scene.rowfeed.http(), &format!("/schemas/ids/{}", value[4])).expect("an answer").json();
    assert_eq!(kept["schemaType"], "PROTOBUF");
    assert!(kept["schema"].as_str().unwrap_or_default().contains("repeated int32 x1_st = 2;"), "{kept}");
    scene.sql.run("insert into t values (2, '{1,null}')");
    let trace = scene.rowfeed.wait_until_failed("scene");
    assert!(trace.contains("public.t: an event does not fit its registered schema"), "{trace}");
}

/// `data` in Avro, with another service's registry; what is no envelope has no value, and no row is published so.
#[test]
fn cloud_events_say_where_the_schema_of_their_avro_is() {
    let Some(server) = shared_server() else { return };
    let registry = Rowfeed::start(&[]);
    let url = format!("http://{}", registry.http());
    let options = json!({"value.converter": "io.debezium.converters.CloudEventsConverter", "value.converter.data.serializer.type": "avro",
        "value.converter.avro.schema.registry.url": url, "heartbeat.interval.ms": "100"});
    let scene = Scene::prepared(server, "cloud_events", "create table t(id int primary key, v text)", &options);
    scene.sql.run("insert into t values (1, 'a')");
    scene.connect();
    let record = wait_for("the row's event", || scene.reader.read("srv.public.t").first().cloned());
    let event: Value = serde_json::from_slice(&record.value.expect("a value")).expect("JSON");
    let path = event["dataschema"].as_str().and_then(|address| address.strip_prefix(&url)).unwrap_or_else(|| panic!("{event}"));
    let kept = http::get(&registry.http(), path).expect("an answer").json();
    let schema = kept["schema"].as_str().unwrap_or_default();
    assert!(schema.starts_with(r#"{"type":"record","name":"Data","namespace":"io.debezium.connector.postgresql","#), "{schema}");
    // Zero, the id, no old row, the new one: 1 and "a".
    let data = event["data"].as_str().unwrap_or_default();
    assert!(data.len() == 16 && data.starts_with("AAAA") && data.ends_with("AgICAmE="), "{data}");
    assert_eq!(event["datacontenttype"], "application/avro");
    let beat = wait_for("a heartbeat", || scene.reader.read("__debezium-heartbeat.srv").first().cloned());
    assert_eq!((beat.key_text().as_str(), beat.value), ("{\"serverName\":\"srv\"}", None));

    let unwrap = json!({"transforms": "unwrap", "transforms.unwrap.type": "io.debezium.transforms.ExtractNewRecordState"});
    let answer = scene.rowfeed.put_connector("scene", &with(scene.config().clone(), &unwrap));
    assert_eq!(answer.status, 200, "{}", answer.body);
    // The first rows may still be the old configuration's.
    let trace = wait_for("the connector to fail", || {
        scene.sql.run("insert into t select max(id) + 1, 'b' from t");
        scene.rowfeed.failure("scene")
    });
    assert!(trace.contains("cloudevents/envelope"), "{trace}");
}

/// The whole in Avro: two schemas, `data` under a subject of its own.
#[test]
fn cloud_events_in_avro_have_a_schema_for_the_whole_and_one_for_data() {
    let options = json!({"value.converter": "io.debezium.converters.CloudEventsConverter", "value.converter.serializer.type": "avro",
        "value.converter.data.serializer.type": "avro", "value.converter.avro.schema.registry.url": "http://REGISTRY"});
    let Some(server) = shared_server() else { return };
    let registry = Rowfeed::start(&[]);
    let options = serde_json::from_str(&options.to_string().replace("REGISTRY", &registry.http())).expect("JSON");
    let scene = Scene::prepared(server, "cloud_avro", "create table t(id int primary key, v text)", &options);
    scene.sql.run("insert into t values (1, 'a')");
    scene.connect();
    let record = wait_for("the row's event", || scene.reader.read("srv.public.t").first().cloned());
    let value = record.value.expect("a value");
    let schema = |bytes: &[u8]| {
        assert_eq!(bytes[..4], [0, 0, 0, 0]);
        let kept = http::get(&registry.http(), &format!("/schemas/ids/{}", bytes[4])).expect("an answer").json();
        kept["schema"].as_str().unwrap_or_default().to_owned()
    };
    assert!(schema(&value).starts_with(r#"{"type":"record","name":"Envelope","namespace":"srv.cloud_avro"#), "{}", schema(&value));
    // Zero, the id, no old row, the new one: 1 and "a".
    let data = &value[value.len() - 11..];
    assert!(schema(data).starts_with(r#"{"type":"record","name":"Data","#), "{}", schema(data));
    assert_eq!(data[5..], [0, 2, 2, 2, 2, b'a']);
    let subjects = http::get(&registry.http(), "/subjects").expect("an answer").body;
    assert!(subjects.contains("\"srv.public.t-data-value\",\"srv.public.t-value\""), "{subjects}");
}
