//! Tables, names and values at the edge of what PostgreSQL allows: carried, or refused with a remedy, never halved.

use serde_json::{Value, json};

use crate::support::postgres::shared_server;
use crate::support::scene::Scene;

/// A row of PostgreSQL's widest table comes whole, from the snapshot and from the stream, and its schema names every column.
#[test]
fn a_table_of_1600_columns_comes_whole() {
    let Some(server) = shared_server() else { return };
    let columns: Vec<String> = (1..1600).map(|n| format!("column_number_{n} {}", if n % 2 == 0 { "int" } else { "text" })).collect();
    let setup = format!("create table wide(id int primary key, {}); alter table wide replica identity full", columns.join(","));
    let more = json!({"snapshot.mode": "initial", "value.converter.schemas.enable": "true"});
    let scene = Scene::prepared(server, "wide", &setup, &more);
    let row = |id: u32| {
        let values: Vec<String> = (1..1600).map(|n| if n % 2 == 0 { n.to_string() } else { "'x'".to_owned() }).collect();
        format!("insert into wide values ({id}, {})", values.join(","))
    };
    scene.sql.run(&row(1));
    scene.connect();
    scene.wait_until_streaming();
    scene.sql.run(&row(2));
    scene.sql.run("update wide set column_number_1598 = 7 where id = 2");
    let events: Vec<Value> = scene.events("wide");
    let payloads: Vec<&Value> = events.iter().map(|event| &event["payload"]).collect();
    assert_eq!(payloads.iter().map(|payload| payload["op"].as_str().unwrap_or_default()).collect::<String>(), "rcu");
    for (event, payload) in events.iter().zip(&payloads) {
        assert_eq!(payload["after"].as_object().expect("a row").len(), 1600);
        assert_eq!(event["schema"]["fields"][1]["fields"].as_array().expect("fields").len(), 1600);
        assert_eq!((&payload["after"]["column_number_1599"], &payload["after"]["column_number_1000"]), (&json!("x"), &json!(1000)));
    }
    assert_eq!(payloads[2]["before"]["column_number_1598"], 1598);
    assert_eq!(payloads[2]["after"]["column_number_1598"], 7);
}

/// Names with quotes, dots, capitals and other scripts are kept apart and as they are; where two columns become one field,
/// the connector says which, and goes on when one is left out.
#[test]
fn names_that_look_alike_are_kept_apart_or_refused() {
    let setup = "create schema \"public.a\"; create table \"a.b\"(id int primary key); create table \"public.a\".c(id int primary key);
        create table \"T\"(id int primary key, \"Q\"\"uote.d\" int, \"q\"\"uote.d\" int, \"ü ☃\" int); create table t(id int primary key);
        create table \"ö\"(id int primary key); create table fields(id int primary key, \"a b\" int, a_b int)";
    let Some(scene) = Scene::start("names", setup, &json!({"table.include.list": "public.*"})) else { return };
    let put = |more: Value| {
        let mut config = scene.config().clone();
        config.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let answer = scene.rowfeed.put_connector("scene", &config);
        assert_eq!(answer.status, 200, "{}", answer.body);
        scene.wait_until_streaming();
    };
    scene.sql.run("insert into \"T\" values (1, 2, 3, 4); insert into t values (5); insert into \"ö\" values (6)");
    scene.sql.run("insert into \"a.b\" values (7); insert into \"public.a\".c values (8); insert into fields values (9, 1, 2)");
    let after = |topic: &str| scene.events(topic).iter().map(|event| event["after"].clone()).collect::<Vec<_>>();
    assert_eq!(after("T"), [json!({"id": 1, "Q\"uote.d": 2, "q\"uote.d": 3, "ü ☃": 4})]);
    assert_eq!((after("t"), after("_")), (vec![json!({"id": 5})], vec![json!({"id": 6})]));
    assert_eq!((after("public.a.b"), after("public.a.c")), (vec![json!({"id": 7})], vec![json!({"id": 8})]));
    put(json!({"field.name.adjustment.mode": "avro"}));
    scene.sql.run("insert into fields values (10, 3, 4)");
    let trace = scene.rowfeed.wait_until_failed("scene");
    assert!(["field/collision", "\"a b\"", "\"a_b\"", "public.fields"].iter().all(|text| trace.contains(text)), "{trace}");
    put(json!({"field.name.adjustment.mode": "avro", "column.exclude.list": "public[.]fields[.]a b"}));
    assert_eq!(after("fields"), [json!({"id": 9, "a b": 1, "a_b": 2}), json!({"id": 10, "a_b": 4})]);
}

/// Aim: one huge value is carried whole, with memory that goes with it and comes back; one that is too large for a record
/// fails the connector with its remedy, and with the remedy nothing is lost. Method: 200 MiB of letters; then 180 MiB of
/// control characters, each of which is six letters in JSON.
#[test]
fn a_huge_value_is_carried_and_one_beyond_all_limits_is_refused() {
    let Some(scene) =
        Scene::start("huge", "create table t(id int primary key, v text); alter table t alter v set storage external", &json!({}))
    else {
        return;
    };
    let before = scene.rowfeed.memory_mib("VmHWM");
    scene.sql.run("insert into t values (1, repeat('x', 200 << 20))");
    scene.fence();
    assert_eq!(scene.reader.watermarks(&Scene::topic("t"), 0), Some((0, 1)));
    let peak = scene.rowfeed.memory_mib("VmHWM");
    assert!(peak - before < 7.0 * 200.0, "{before} MiB before, {peak} MiB at the peak");
    let record = scene.reader.read_huge(&Scene::topic("t"));
    let value = record.value.expect("a value");
    assert!(value.len() > 200 << 20, "{}", value.len());
    assert!(value.iter().filter(|byte| **byte == b'x').count() >= 200 << 20);
    scene.sql.run("insert into t values (2, repeat(chr(1), 180 << 20))");
    scene.sql.run("insert into t values (3, 'behind it')");
    let trace = scene.rowfeed.wait_until_failed("scene");
    assert!(trace.contains("row/too-large") && trace.contains("column.truncate.to.N.chars"), "{trace}");
    assert_eq!(scene.reader.watermarks(&Scene::topic("t"), 0), Some((0, 1)));
    let mut config = scene.config().clone();
    config["column.truncate.to.5.chars"] = json!("public[.]t[.]v");
    assert_eq!(scene.rowfeed.put_connector("scene", &config).status, 200);
    scene.wait_until_streaming();
    scene.fence();
    assert_eq!(scene.reader.watermarks(&Scene::topic("t"), 0), Some((0, 3)));
}
