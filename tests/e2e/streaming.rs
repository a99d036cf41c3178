//! What each kind of change becomes: the shapes and orders of debezium.md section 1, over the wire.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::http;
use crate::support::scene::Scene;

/// The only event of a list, or the last one.
fn last(events: &[Value]) -> &Value {
    events.last().expect("an event")
}

#[test]
fn insert_update_and_delete_are_four_records_of_one_key() {
    let Some(scene) = Scene::start("crud", "create table t(id int primary key, name text)", &json!({})) else { return };
    scene.sql.run("insert into t values(1, 'one')");
    scene.sql.run("update t set name = 'uno' where id = 1");
    scene.sql.run("delete from t where id = 1");
    let records = scene.records("t");
    let events: Vec<Value> = records.iter().map(|record| record.json()).collect();
    assert_eq!(Scene::ops(&events), "cud-");
    assert!(records.iter().all(|record| record.key_text() == "{\"id\":1}"));
    assert_eq!((&events[0]["before"], &events[0]["after"]), (&Value::Null, &json!({"id": 1, "name": "one"})));
    assert_eq!((&events[1]["before"], &events[1]["after"]), (&Value::Null, &json!({"id": 1, "name": "uno"})));
    assert_eq!((&events[2]["before"]["id"], &events[2]["after"]), (&json!(1), &Value::Null));
    assert_eq!(records[3].value, None, "a tombstone");
    let offsets: Vec<i64> = records.iter().map(|record| record.offset).collect();
    assert_eq!(offsets, [0, 1, 2, 3]);
}

#[test]
fn compressed_topics_are_read_as_others_over_kills_by_kafka_and_http() {
    let more = json!({
        "producer.override.compression.type": "lz4",
        "topic.creation.groups": "small",
        "topic.creation.small.include": "srv.public.small",
        "topic.creation.small.partitions": "1",
        "topic.creation.small.replication.factor": "1",
        "topic.creation.small.compression.type": "zstd",
        "value.converter.schemas.enable": "true",
    });
    let setup = "create table big(id int primary key, name text); create table small(id int primary key, name text)";
    let Some(mut scene) = Scene::start("compressed", setup, &more) else { return };
    let insert = |from: u32| {
        format!(
            "insert into big select g, 'n' || g from generate_series({from}, {}) g; insert into small select * from big where id >= {from}",
            from + 299
        )
    };
    scene.sql.run(&insert(1));
    scene.fence();
    scene.rowfeed.kill();
    scene.sql.run(&insert(301));
    scene.rowfeed.run();
    for (table, codec) in [("big", "lz4"), ("small", "zstd")] {
        let events = scene.events(table);
        let names: Vec<_> = events.iter().filter_map(|event| event["payload"]["after"]["name"].as_str().map(str::to_owned)).collect();
        assert_eq!(names, (1..=600).map(|number| format!("n{number}")).collect::<Vec<_>>(), "{codec}");
        let lines = http::get(&scene.rowfeed.http(), &format!("/v1/topics/srv.public.{table}/records?from=-5")).expect("an answer").body;
        assert_eq!((lines.lines().count(), lines.contains("n600")), (5, true), "{codec}: {lines}");
    }
    scene.rowfeed.stop();
    let dump = Command::new(env!("CARGO_BIN_EXE_rowfeed")).args(["log", "dump", "--records"]).arg(scene.rowfeed.data()).output();
    let dump = String::from_utf8(dump.expect("rowfeed runs").stdout).expect("text");
    for codec in ["lz4", "zstd", "none"] {
        assert!(dump.lines().any(|line| line.trim() == format!("compression={codec}")), "{codec}: {dump}");
    }
}

#[test]
fn an_event_has_debeziums_fields_in_debeziums_order() {
    let Some(scene) = Scene::start("fields", "create table t(id int primary key)", &json!({})) else { return };
    let xid = scene.sql.rows("insert into t values(1) returning txid_current()::text")[0][0].clone().expect("a number");
    let record = scene.records("t").remove(0);
    let event = record.json();
    let names = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(names(&event), "before after source transaction op ts_ms ts_us ts_ns");
    assert_eq!(
        names(&event["source"]),
        "version connector name ts_ms snapshot db sequence ts_us ts_ns schema table txId lsn xmin origin origin_lsn"
    );
    let source = &event["source"];
    assert_eq!(source["connector"], "postgresql");
    assert_eq!(source["name"], "srv");
    assert_eq!(source["snapshot"], "false");
    assert_eq!(source["db"], scene.database.name.as_str());
    assert_eq!((&source["schema"], &source["table"]), (&json!("public"), &json!("t")));
    assert_eq!(source["txId"].to_string(), xid);
    assert!(source["lsn"].is_u64());
    assert_eq!(event["transaction"], Value::Null);
    assert!(!record.text().contains(": ") && !record.text().contains(", "), "no white space between tokens: {}", record.text());
    for header in ["connectorLogicalName", "taskId", "connectorName", "runId"] {
        assert!(record.header(&format!("__debezium.context.{header}")).is_some(), "{header}");
    }
}

#[test]
fn a_changed_key_is_a_delete_a_tombstone_and_a_create() {
    let Some(scene) = Scene::start("move", "create table t(id int primary key, name text)", &json!({})) else { return };
    scene.sql.run("insert into t values(1, 'one')");
    scene.sql.run("update t set id = 2 where id = 1");
    let records = scene.records("t");
    let events: Vec<Value> = records.iter().map(|record| record.json()).collect();
    assert_eq!(Scene::ops(&events), "cd-c");
    let keys: Vec<String> = records.iter().map(|record| record.key_text()).collect();
    assert_eq!(keys, ["{\"id\":1}", "{\"id\":1}", "{\"id\":1}", "{\"id\":2}"]);
    assert!(records[1].header("__debezium.newkey").is_some_and(|key| key.contains("\"id\":2")));
    assert!(records[2].header("__debezium.newkey").is_some());
    assert!(records[3].header("__debezium.oldkey").is_some_and(|key| key.contains("\"id\":1")));
    assert_eq!(events[3]["after"], json!({"id": 2, "name": "one"}));
}

#[test]
fn an_unchanged_large_value_is_named_as_unavailable() {
    let setup = "create table t(id int primary key, n int, big text); alter table t alter big set storage external";
    let Some(scene) = Scene::start("toast", setup, &json!({})) else { return };
    scene.sql.run("insert into t values(1, 1, repeat('x', 9000))");
    scene.sql.run("update t set n = 2");
    scene.sql.run("alter table t replica identity full");
    scene.sql.run("update t set n = 3");
    let events = scene.events("t");
    assert_eq!(events[0]["after"]["big"].as_str().map(str::len), Some(9000));
    assert_eq!(events[1]["after"], json!({"id": 1, "n": 2, "big": "__debezium_unavailable_value"}));
    assert_eq!(events[2]["after"]["big"].as_str().map(str::len), Some(9000), "FULL: the value is in the row before");
    assert_eq!(events[2]["before"]["n"], 2);
}

#[test]
fn replica_identity_full_and_index_say_what_was_before() {
    let setup = "create table f(id int primary key, a int); alter table f replica identity full;
                 create table i(id int primary key, u int not null unique, a int); alter table i replica identity using index i_u_key";
    let Some(scene) = Scene::start("identity", setup, &json!({})) else { return };
    scene.sql.run("insert into f values(1, 10); update f set a = 11; delete from f");
    scene.sql.run("insert into i values(1, 5, 10); update i set a = 11; delete from i");
    let full = scene.events("f");
    assert_eq!(full[1]["before"], json!({"id": 1, "a": 10}));
    assert_eq!(full[2]["before"], json!({"id": 1, "a": 11}));
    let index = scene.events("i");
    assert_eq!(index[1]["before"], Value::Null);
    assert_eq!(index[2]["before"]["u"], 5);
}

#[test]
fn a_table_without_a_key_has_events_without_a_key() {
    let setup = "create table t(a int, b text); alter table t replica identity full";
    let Some(scene) = Scene::start("keyless", setup, &json!({})) else { return };
    scene.sql.run("insert into t values(1, 'x'); update t set b = 'y'; delete from t");
    let records = scene.records("t");
    assert!(records.iter().all(|record| record.key.is_none()));
    let events: Vec<Value> = records.iter().map(|record| record.json()).collect();
    assert_eq!(Scene::ops(&events), "cud-");
    assert_eq!(events[1]["before"], json!({"a": 1, "b": "x"}));
}

#[test]
fn a_table_whose_own_updates_would_fail_is_refused_with_the_remedy() {
    let Some(server) = crate::support::postgres::shared_server() else { return };
    let scene = Scene::prepared(server, "noid", "create table bare(a int)", &json!({"snapshot.mode": "no_data"}));
    scene.connect();
    let trace = scene.rowfeed.wait_until_failed("scene");
    assert!(trace.contains("bare"), "{trace}");
    assert!(trace.to_lowercase().contains("replica identity full"), "{trace}");
    scene.sql.run("insert into bare values(1); update bare set a = 2; delete from bare");
}

#[test]
fn truncate_is_skipped_by_default_and_told_when_asked_for() {
    let setup = "create table t(id int primary key)";
    let Some(scene) = Scene::start("trunc", setup, &json!({"skipped.operations": "none"})) else { return };
    scene.sql.run("insert into t values(1); truncate t");
    let events = scene.events("t");
    assert_eq!(Scene::ops(&events), "ct");
    assert_eq!((&events[1]["before"], &events[1]["after"]), (&Value::Null, &Value::Null));
    let Some(scene) = Scene::start("trunc", setup, &json!({})) else { return };
    scene.sql.run("insert into t values(1); truncate t; insert into t values(2)");
    assert_eq!(Scene::ops(&scene.events("t")), "cc");
}

#[test]
fn a_logical_message_is_an_event_of_the_message_topic() {
    let Some(scene) = Scene::start("message", "create table t(id int primary key)", &json!({})) else { return };
    if scene.sql.one("show server_version_num").parse::<u32>().expect("a number") < 140_000 {
        return;
    }
    scene.sql.run("select pg_logical_emit_message(true, 'pfx', 'hello')");
    scene.fence();
    let records = scene.reader.read("srv.message");
    let record = records.iter().find(|record| record.key_text() == "{\"prefix\":\"pfx\"}").expect("the message");
    let event = record.json();
    assert_eq!(event["op"], "m");
    assert_eq!(event["message"], json!({"prefix": "pfx", "content": "aGVsbG8="}));
    assert_eq!(
        event.as_object().expect("an object").keys().cloned().collect::<Vec<_>>(),
        ["op", "ts_ms", "source", "transaction", "message"]
    );
}

#[test]
fn columns_may_come_and_go_between_and_inside_transactions() {
    let Some(scene) = Scene::start("ddl", "create table t(id int primary key, a int)", &json!({})) else { return };
    scene.sql.run("insert into t values(1, 1)");
    scene.sql.run("alter table t add b text default 'd'");
    scene.sql.run("insert into t values(2, 2, 'x')");
    scene.sql.run("begin; insert into t values(3, 3, 'y'); alter table t drop a; insert into t values(4, 'z'); alter table t rename b to c; insert into t values(5, 'w'); commit");
    scene.sql.run("alter table t alter c drop default, alter c type int using 7");
    scene.sql.run("insert into t values(6, 8)");
    let rows: Vec<Value> = scene.events("t").iter().map(|event| event["after"].clone()).collect();
    assert_eq!(
        rows,
        [
            json!({"id": 1, "a": 1}),
            json!({"id": 2, "a": 2, "b": "x"}),
            json!({"id": 3, "a": 3, "b": "y"}),
            json!({"id": 4, "b": "z"}),
            json!({"id": 5, "c": "w"}),
            json!({"id": 6, "c": 8}),
        ]
    );
}

#[test]
fn what_is_rolled_back_is_never_told() {
    let Some(scene) = Scene::start("rollback", "create table t(id int primary key)", &json!({})) else { return };
    scene.sql.run("begin; insert into t values(1); rollback");
    scene.sql.run("begin; insert into t values(2); savepoint s; insert into t values(3); rollback to s; insert into t values(4); commit");
    let ids: Vec<Value> = scene.events("t").iter().map(|event| event["after"]["id"].clone()).collect();
    assert_eq!(ids, [json!(2), json!(4)]);
}

#[test]
fn rows_of_one_wal_record_keep_their_order_and_none_is_lost() {
    let Some(scene) = Scene::start("copy", "create table t(id int primary key, p text)", &json!({})) else { return };
    scene.sql.run("copy t from program 'seq 1 2000 | sed s/$/,pad/' with (format csv)");
    let events = scene.events("t");
    let ids: Vec<u64> = events.iter().filter_map(|event| event["after"]["id"].as_u64()).collect();
    assert_eq!(ids, (1..=2000).collect::<Vec<_>>());
    let lsns: std::collections::HashSet<u64> = events.iter().filter_map(|event| event["source"]["lsn"].as_u64()).collect();
    assert!(lsns.len() < 1000, "several events share one LSN: {} LSNs", lsns.len());
}

#[test]
fn all_of_a_transaction_carries_one_commit_time_and_one_transaction_id() {
    let Some(scene) = Scene::start("one_tx", "create table a(id int primary key); create table b(id int primary key)", &json!({})) else {
        return;
    };
    scene.sql.run("begin; insert into a values(1); insert into b values(1); insert into a values(2); commit");
    let (a, b) = (scene.events("a"), scene.events("b"));
    let stamp = |event: &Value| (event["source"]["txId"].clone(), event["source"]["ts_us"].clone());
    assert_eq!(stamp(&a[0]), stamp(&b[0]));
    assert_eq!(stamp(&a[0]), stamp(&a[1]));
}

#[test]
fn names_that_topics_cannot_have_are_made_fit() {
    let setup = "create schema \"Odd Schema\"; create table \"Odd Schema\".\"Täble\"(\"Id\" int primary key, \"a col\" text);
        create table \"Odd Schema\".\"two\nlines -- \"(\"Id\" int primary key, \"a\n--col\" text);
        insert into \"Odd Schema\".\"two\nlines -- \" values(1, 'x')";
    let more = json!({"table.include.list": r"public.*,Odd Schema.*,Odd Schema\.two\slines.*", "snapshot.mode": "initial"});
    let Some(scene) = Scene::start("names", setup, &more) else { return };
    scene.sql.run("insert into \"Odd Schema\".\"Täble\" values(1, 'x'); insert into \"Odd Schema\".\"two\nlines -- \" values(2, 'y')");
    scene.fence();
    let names: Vec<String> = scene.reader.topics().into_iter().map(|(name, _)| name).collect();
    let records = scene.reader.read("srv.Odd_Schema.T_ble");
    assert_eq!(records.len(), 1, "{names:?}");
    assert_eq!(last(&[records[0].json()])["after"], json!({"Id": 1, "a col": "x"}));
    let rows: Vec<Value> = scene.reader.read("srv.Odd_Schema.two_lines_--_").iter().map(|record| record.json()["after"].clone()).collect();
    assert_eq!(rows, [json!({"Id": 1, "a\n--col": "x"}), json!({"Id": 2, "a\n--col": "y"})], "{names:?}");
}
