//! A schema registry that is not ours and not Confluent's: Apicurio's.
//!
//! Aim: who has one beside Kafka keeps it. Method: the connector registers with it under its Confluent-compatible address,
//! Confluent's client reads every record back through it, beside the rows' JSON events (as in `avro` and `forms`). With Apicurio's
//! own converters the same is read by those themselves, which then have to write the same bytes.

use std::process::Command;

use serde_json::{Value, json};

use super::avro::{CONFLUENT_AVRO, all_types, all_types_are_read, compare, root};
use super::forms::{JSON_SCHEMA, LISTS, NO_NULLS, PROTOBUF};
use crate::support::apicurio::Apicurio;
use crate::support::postgres::shared_server;
use crate::support::scene::Scene;
use crate::support::service::with;
use crate::support::{http, wait_for};

/// Both converters ask this registry.
fn asking(url: &str) -> Value {
    json!({"key.converter.schema.registry.url": url, "value.converter.schema.registry.url": url})
}

#[test]
fn the_schemas_of_avro_may_be_in_apicurios_registry() {
    let Some(registry) = Apicurio::start() else { return };
    all_types_are_read("apicurio_avro", CONFLUENT_AVRO, &[], &asking(&registry.as_confluent()));
}

#[test]
fn the_schemas_of_json_and_of_protocol_buffers_may_be_in_apicurios_registry() {
    let Some(registry) = Apicurio::start() else { return };
    all_types_are_read("apicurio_json", JSON_SCHEMA, &[], &asking(&registry.as_confluent()));
    drop(registry);
    let Some(registry) = Apicurio::start() else { return };
    let options = with(asking(&registry.as_confluent()), &json!({"table.include.list": NO_NULLS}));
    all_types_are_read("apicurio_protobuf", PROTOBUF, LISTS, &options);
}

/// With one of Apicurio's converters, which `form` calls it for the program that compares.
fn apicurios_converter_reads(name: &str, (form, converter): (&str, &str), more: &Value) {
    let Some(registry) = Apicurio::start() else { return };
    let url = format!("http://{}/apis/registry/v2", registry.address());
    let mut options = more.clone();
    for side in ["key", "value"] {
        options[format!("{side}.converter.apicurio.registry.url")] = url.clone().into();
        options[format!("{side}.converter.apicurio.registry.auto-register")] = "true".into();
        options[format!("{side}.converter.apicurio.registry.find-latest")] = "true".into();
    }
    all_types(name, converter, &[], &options, |_, lines| {
        let classes = format!("{}/*", root().join(".cache/apicurio/converters").display());
        let program = root().join("tests/registry/programs/Apicurio.java");
        let read =
            compare(Command::new("timeout").args(["120", "java", "-Xmx256m", "-cp", &classes]).arg(program).args([&url, form]), lines);
        let (read, same) = read.split_once(' ').expect("two numbers");
        assert_eq!(read, lines.lines().count().to_string());
        assert_eq!(read, same, "what the converter writes");
        let artifact = "/apis/registry/v2/groups/default/artifacts/srv.public.v_bool-value";
        let versions = http::get(&registry.address(), &format!("{artifact}/versions")).expect("an answer").json();
        assert_eq!(versions["count"], 2, "a column with a default was added, and the converter made no version of its own");
    });
}

#[test]
fn apicurios_own_avro_converter_reads_and_writes_the_same() {
    apicurios_converter_reads("apicurio_own_avro", ("avro", "io.apicurio.registry.utils.converter.AvroConverter"), &json!({}));
}

#[test]
fn apicurios_own_json_converter_reads_and_writes_the_same() {
    // Its version 2 reads ids of versions, whatever it is told.
    let global = json!({"key.converter.apicurio.registry.use-id": "globalId", "value.converter.apicurio.registry.use-id": "globalId"});
    apicurios_converter_reads("apicurio_own_json", ("json", "io.apicurio.registry.utils.converter.ExtJsonConverter"), &global);
}

/// `data` in Avro with its schema there, as Debezium's converter has it when Apicurio's address is given.
#[test]
fn cloud_events_may_have_the_schema_of_their_data_in_apicurios_registry() {
    let Some(server) = shared_server() else { return };
    let Some(registry) = Apicurio::start() else { return };
    let url = format!("http://{}/apis/registry/v2", registry.address());
    let options = json!({"value.converter": "io.debezium.converters.CloudEventsConverter", "value.converter.data.serializer.type": "avro",
        "value.converter.avro.apicurio.registry.url": url, "value.converter.avro.apicurio.registry.auto-register": "true"});
    let scene = Scene::prepared(server, "apicurio_cloud", "create table t(id int primary key, v text)", &options);
    scene.sql.run("insert into t values (1, 'a')");
    scene.connect();
    let record = wait_for("the row's event", || scene.reader.read("srv.public.t").first().cloned());
    let event: Value = serde_json::from_slice(&record.value.expect("a value")).expect("JSON");
    let id = event["dataschema"].as_str().and_then(|address| address.strip_prefix(&format!("{url}/schemas/ids/")));
    let id = id.unwrap_or_else(|| panic!("{event}"));
    let kept = http::get(&registry.address(), &format!("/apis/registry/v2/ids/contentIds/{id}")).expect("an answer");
    assert!(kept.body.starts_with(r#"{"type":"record","name":"Data","#), "{}", kept.body);
}
