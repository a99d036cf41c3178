//! Avro events as Confluent's client reads them, beside the same rows' JSON events.
//!
//! Aim: a consumer with Confluent's deserializer and this service's registry reads what a JSON consumer reads. Method: two
//! connectors on the database of all types, one with Confluent's Avro converter; the Python client decodes every record and
//! compares it with its JSON sibling.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::http;
use crate::support::postgres::{programs, shared_server};
use crate::support::reader::Record;
use crate::support::scene::{PREFIX, Scene};
use crate::support::service::{Rowfeed, with};
use crate::support::wait_for;
use crate::{confluent, installed};

const AVRO: &str = "io.confluent.connect.avro.AvroConverter";

/// What the program that compares calls it.
pub const CONFLUENT_AVRO: (&str, &str) = ("avro", AVRO);

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn section(name: &str) -> Vec<String> {
    let sql = fs::read_to_string(root().join("tests/golden/values.sql")).expect("the database of all types");
    let (_, rest) = sql.split_once(&format!("--- {name}\n")).expect("the section");
    let text = rest.split("--- ").next().unwrap_or_default();
    text.split(";\n").map(|statement| statement.trim().to_owned()).filter(|statement| !statement.is_empty()).collect()
}

/// `{"topic", "side", "avro", "json"}` for each side of each record that has one.
fn pairs(topic: &str, avro: &[Record], events: &[Record]) -> String {
    assert_eq!(avro.len(), events.len(), "{topic}");
    let mut lines = String::new();
    for (avro, event) in avro.iter().zip(events) {
        for (side, avro, event) in [("key", &avro.key, &event.key), ("value", &avro.value, &event.value)] {
            assert_eq!(avro.is_some(), event.is_some(), "{topic}: tombstones and keys");
            if let (Some(avro), Some(event)) = (avro, event) {
                let hex: String = avro.iter().map(|byte| format!("{byte:02x}")).collect();
                // As text: what parses it must not round.
                let event = String::from_utf8_lossy(event);
                lines.push_str(&format!("{}\n", json!({ "topic": topic, "side": side, "avro": hex, "json": event })));
            }
        }
    }
    lines
}

/// What a program says about the pairs; it ends at the first difference.
pub fn compare(program: &mut Command, lines: &str) -> String {
    let mut child =
        program.env_remove("LD_LIBRARY_PATH").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    // What it says when it has ended early is what counts.
    let _ = child.stdin.take().expect("its input").write_all(lines.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// With one of Confluent's converters: `form` is what the program that compares calls it.
pub fn all_types_are_read(name: &str, (form, converter): (&str, &str), statements: &[&str], more: &Value) {
    installed::with("confluent-kafka", confluent::python, |python| {
        all_types(name, converter, statements, more, |own, lines| {
            let registry = more["value.converter.schema.registry.url"].as_str().unwrap_or(own);
            let program = root().join("tests/registry/programs/same.py");
            let read = compare(Command::new("timeout").arg("120").arg(&python).arg(program).args([registry, form]), lines);
            assert_eq!(read, lines.lines().count().to_string());
            subjects_are_there(registry);
        });
    });
}

/// The database of all types in a form and in JSON: `read` gets the address of the service's own registry, and the pairs.
pub fn all_types(name: &str, converter: &str, statements: &[&str], more: &Value, read: impl FnOnce(&str, &str)) {
    let Some(server) = shared_server() else { return };
    if programs().is_some_and(|programs| programs.major() < 15) {
        return eprintln!("SKIPPED: the database needs PostgreSQL 15");
    }
    let both = with(json!({"snapshot.mode": "initial", "skipped.operations": "none", "provide.transaction.metadata": "true"}), more);
    let registered = with(both, &json!({"key.converter": converter, "value.converter": converter}));
    let scene = Scene::prepared(server, name, "select 1", &registered);
    section("setup").iter().for_each(|statement| scene.sql.run(statement));
    statements.iter().for_each(|statement| scene.sql.run(statement));
    section("rows").iter().for_each(|statement| scene.sql.run(statement));
    scene.sql.run("insert into fence values (0)");
    scene.connect();
    scene.wait_until_streaming();
    let sibling = json!({"topic.prefix": "json", "slot.name": format!("{}_json", scene.slot()), "publication.name": format!("{}_json", scene.slot())});
    let plain = scene.config().as_object().expect("an object").iter().filter(|(key, _)| !key.contains("converter"));
    let plain = Value::Object(plain.map(|(key, value)| (key.clone(), value.clone())).collect());
    let answer = scene.rowfeed.put_connector("json", &with(plain, &sibling));
    assert!(matches!(answer.status, 200 | 201), "{} {}", answer.status, answer.body);
    scene.rowfeed.wait_until_streaming("json", &scene.sql, &format!("{}_json", scene.slot()));
    // Both snapshots are taken: what is written now, both have from the stream.
    for topic in ["srv.public.fence", "json.public.fence"] {
        wait_for("a snapshot", || (!scene.reader.read(topic).is_empty()).then_some(()));
    }
    // The stream: values, a changed key, a delete, and nulls.
    section("rows").iter().for_each(|statement| scene.sql.run(statement));
    scene.sql.run("update v_text set id = default where id = 1");
    scene.sql.run("delete from v_numeric where id = 1");
    scene.sql.run("alter table v_bool add column more text default 'x'");
    scene.sql.run("insert into v_bool(v) values (true)");
    scene.sql.run("truncate v_uuid");
    scene.sql.run("select pg_logical_emit_message(true, 'note', 'hello')");
    scene.fence();
    let fences = scene.reader.read(&Scene::topic("fence")).len();
    wait_for("the sibling's fence", || (scene.reader.read("json.public.fence").len() == fences).then_some(()));

    let mut lines = String::new();
    let mut topics = 0;
    for (topic, _) in scene.reader.topics() {
        let Some(table) = topic.strip_prefix(&format!("{PREFIX}.")) else { continue };
        lines.push_str(&pairs(&topic, &scene.reader.read(&topic), &scene.reader.read(&format!("json.{table}"))));
        topics += 1;
    }
    let least = if more["table.include.list"].is_null() { 35 } else { 20 };
    assert!(topics > least && lines.contains("srv.message") && lines.contains("srv.transaction"), "{topics} topics");
    read(&format!("http://{}", scene.rowfeed.http()), &lines);
}

/// Keys and values of all types have schemas there, and one table has had two.
fn subjects_are_there(registry: &str) {
    let (host, at) = registry
        .trim_start_matches("http://")
        .split_once('/')
        .map_or((&registry[7..], String::new()), |(host, path)| (host, format!("/{path}")));
    let subjects = http::get(host, &format!("{at}/subjects")).expect("an answer");
    assert!(
        subjects.body.contains("\"srv.public.v_text-key\"") && subjects.body.contains("\"srv.public.v_text-value\""),
        "{}",
        subjects.body
    );
    let versions = http::get(host, &format!("{at}/subjects/srv.public.v_bool-value/versions")).expect("an answer");
    assert_eq!(versions.body, "[1,2]", "a column with a default was added");
}

/// A service whose registry another one asks.
#[test]
fn another_registry_is_asked_and_its_answer_counts() {
    let Some(server) = shared_server() else { return };
    let registry = Rowfeed::start(&[]);
    let url = format!("http://{}", registry.http());
    let subjects = || http::get(&registry.http(), "/subjects").expect("an answer").body;
    let strict = json!({
        "value.converter": AVRO,
        "value.converter.schema.registry.url": format!("http://127.0.0.1:1,{url}/"),
        "value.converter.auto.register.schemas": "false",
    });
    let scene = Scene::prepared(server, "avro_other", "create table t(id int primary key, v text)", &strict);
    scene.sql.run("insert into t values (1, 'a')");
    scene.connect();
    let trace = scene.rowfeed.wait_until_failed("scene");
    assert!(trace.contains("registry/not-found") && trace.contains("-value is not registered"), "{trace}");
    assert_eq!(subjects(), "[]");

    let strategy = "io.confluent.kafka.serializers.subject.TopicRecordNameStrategy";
    let registering = json!({
        "value.converter.auto.register.schemas": "true",
        "value.converter.value.subject.name.strategy": strategy,
        "heartbeat.interval.ms": "100",
    });
    let put = |more: &Value| {
        let answer = scene.rowfeed.put_connector("scene", &with(with(scene.config().clone(), &registering), more));
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    put(&json!({}));
    scene.rowfeed.wait_until_streaming("scene", &scene.sql, scene.slot());
    let first = wait_for("the row's event", || scene.reader.read("srv.public.t").first().cloned());
    assert_eq!(first.key_text(), "{\"id\":1}", "keys have a converter of their own");
    let avro = first.value.expect("a value");
    assert_eq!(avro[..4], [0, 0, 0, 0]);
    let kept = http::get(&registry.http(), &format!("/schemas/ids/{}", avro[4])).expect("an answer").json();
    assert!(kept["schema"].as_str().unwrap_or_default().contains("\"namespace\":\"srv.public.t\""), "{kept}");
    let beat = wait_for("a heartbeat", || scene.reader.read("__debezium-heartbeat.srv").first().cloned());
    assert_eq!((beat.key_text(), beat.value.expect("a value")[0]), ("{\"serverName\":\"srv\"}".to_owned(), 0));
    assert!(subjects().contains("\"srv.public.t-srv.public.t.Envelope\"") && subjects().contains("io.debezium.connector.common.Heartbeat"));
    assert_eq!(http::get(&scene.rowfeed.http(), "/subjects").expect("an answer").body, "[]", "its own registry was not asked");

    // A change that the registry's level forbids stops the connector before an event of it.
    scene.sql.run("alter table t alter column v type int using 1");
    scene.sql.run("insert into t values (2, 7)");
    let trace = scene.rowfeed.wait_until_failed("scene");
    assert!(trace.contains("registry/incompatible"), "{trace}");
    let answer = http::request(&registry.http(), "PUT", "/config", Some(&json!({"compatibility": "NONE"}))).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.body);
    put(&json!({"errors.max.retries": "5"}));
    wait_for("the other version's event", || scene.reader.read("srv.public.t").get(1).cloned());
}

#[test]
fn every_type_in_avro_says_what_its_json_says() {
    all_types_are_read("avro_types", CONFLUENT_AVRO, &[], &json!({}));
}

#[test]
fn logical_types_and_maps_in_avro_say_what_their_json_says() {
    all_types_are_read(
        "avro_logical",
        CONFLUENT_AVRO,
        &[],
        &json!({"hstore.handling.mode": "map", "decimal.handling.mode": "double", "interval.handling.mode": "string"}),
    );
}

/// Names that Avro has no place for: refused with the way out, then adjusted, the same in JSON.
#[test]
fn names_that_avro_does_not_allow_are_adjusted_when_asked() {
    let Some(server) = shared_server() else { return };
    let avro = json!({"value.converter": AVRO, "table.include.list": "public[.].*"});
    let scene = Scene::prepared(server, "avro_names", "create table \"a-b\"(id int primary key, \"1 st\" text)", &avro);
    scene.sql.run("insert into \"a-b\" values (1, 'x')");
    scene.connect();
    let trace = scene.rowfeed.wait_until_failed("scene");
    assert!(trace.contains("avro/name") && trace.contains("field.name.adjustment.mode=avro"), "{trace}");
    let adjusted = json!({"schema.name.adjustment.mode": "avro", "field.name.adjustment.mode": "avro"});
    let answer = scene.rowfeed.put_connector("scene", &with(scene.config().clone(), &adjusted));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let event = wait_for("the row's event", || scene.reader.read("srv.public.a-b").first().cloned());
    let value = event.value.expect("a value");
    let kept = http::get(&scene.rowfeed.http(), &format!("/schemas/ids/{}", value[4])).expect("an answer").json();
    let schema = kept["schema"].as_str().unwrap_or_default();
    assert!(schema.contains("\"namespace\":\"srv.public.a_b\"") && schema.contains("{\"name\":\"_1_st\","), "{schema}");
}

#[test]
fn transformed_events_in_avro_say_what_their_json_says() {
    all_types_are_read(
        "avro_unwrapped",
        CONFLUENT_AVRO,
        &[],
        &json!({"transforms": "unwrap", "transforms.unwrap.type": "io.debezium.transforms.ExtractNewRecordState",
            "transforms.unwrap.add.fields": "op,table", "transforms.unwrap.delete.tombstone.handling.mode": "rewrite"}),
    );
}
