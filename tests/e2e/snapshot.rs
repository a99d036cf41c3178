//! The initial snapshot, then the stream, without a gap or a repeat between them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::oracle::check::{Streams, Truth, check};
use crate::oracle::event::Event;
use crate::oracle::workload::{Load, Pace};
use crate::oracle::{SETUP, TABLES, include_list};
use crate::support::http::request;
use crate::support::postgres::shared_server;
use crate::support::random::Random;
use crate::support::scene::Scene;
use crate::support::wait_for;

#[test]
fn every_row_is_read_once_and_marked_then_the_stream_follows() {
    let Some(server) = shared_server() else { return };
    let setup = "create table a(id int primary key, x text); insert into a select g, 'r' || g from generate_series(1, 500) g;
                 create table b(id int primary key); insert into b values(1); create table empty(id int primary key)";
    let scene = Scene::prepared(server, "snap", setup, &json!({"snapshot.mode": "initial"}));
    scene.connect();
    scene.wait_until_streaming();
    scene.sql.run("insert into a values(501, 'new'); update a set x = 'changed' where id = 1; insert into empty values(1)");
    let events = scene.events("a");
    assert_eq!(Scene::ops(&events), format!("{}cu", "r".repeat(500)));
    let ids: Vec<u64> = events.iter().take(500).filter_map(|event| event["after"]["id"].as_u64()).collect();
    assert_eq!(ids, (1..=500).collect::<Vec<_>>());
    assert!(events.iter().take(500).all(|event| event["before"] == Value::Null && event["source"]["snapshot"] != "false"));
    assert_eq!(events[500]["source"]["snapshot"], "false");
    assert_eq!(Scene::ops(&scene.events("b")), "r");
    assert_eq!(Scene::ops(&scene.events("empty")), "c");
    assert_eq!(events[0]["source"]["snapshot"], "first", "the first row of all");
    let firsts = ["a", "b"].map(|table| scene.events(table)[0]["source"]["snapshot"].clone());
    assert_eq!(firsts[0], "first");
}

#[test]
fn under_load_the_snapshot_and_the_stream_meet_without_gap_or_repeat() {
    let Some(server) = shared_server() else { return };
    let seed = Random::seed(3);
    let more = json!({"snapshot.mode": "initial", "decimal.handling.mode": "string", "table.include.list": format!("public.fence,{}", include_list())});
    let scene = Scene::prepared(server, "snapload", SETUP, &more);
    let pace = Pace { writers: 4, transactions: 150, pause: Duration::ZERO };
    Load::start(&scene.database, seed, pace).join();
    scene.sql.run("insert into bulk select -g, 0, 0, 0, repeat('s', 100) from generate_series(1, 20000) g");
    let load = Load::start(&scene.database, seed + 1, Pace { transactions: u64::MAX, pause: Duration::from_millis(2), ..pace });
    wait_for("the load to run", || (load.transactions() > 50).then_some(()));
    scene.connect();
    scene.wait_until_streaming();
    let begun = load.transactions();
    wait_for("more load", || (load.transactions() > begun + 300).then_some(()));
    load.stop();
    scene.fence();
    let mut streams = Streams::new();
    for table in &TABLES {
        for record in scene.reader.read(&Scene::topic(table.name)) {
            streams.entry((table.name, record.partition)).or_default().push(Event::from_record(table, &record).expect("an event"));
        }
    }
    let findings = check(&streams, &Truth::read(&scene.sql));
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings[..findings.len().min(10)].join("\n"));
}

/// Aim: a table that is rewritten before its COPY is not read as empty. Method: the table before it is large, and the
/// rewrite happens while that one is read.
#[test]
fn a_table_rewritten_before_it_is_read_is_read_beside_the_stream() {
    let Some(server) = shared_server() else { return };
    let setup = "create table a(id int primary key); insert into a select generate_series(1, 300000);
                 create table b(id int primary key); insert into b select generate_series(1, 50)";
    let scene = Scene::prepared(server, "rewrite", setup, &json!({"snapshot.mode": "initial"}));
    scene.connect();
    let reading = "select count(*) from pg_stat_activity where query like 'copy (%\"public\".\"a\"%' and state = 'active' and datname = current_database()";
    wait_for("the first table to be read", || (scene.sql.one(reading) == "1").then_some(()));
    scene.sql.run("alter table b alter id type bigint");
    scene.wait_until_streaming();
    let ids: Vec<u64> = scene.events("b").iter().filter_map(|event| event["after"]["id"].as_u64()).collect();
    assert_eq!(ids, (1..=50).collect::<Vec<_>>());
    assert!(scene.rowfeed.log().contains("pg/rewritten"));
}

#[test]
fn a_snapshot_that_no_stream_follows_leaves_no_slot_and_ends() {
    let Some(server) = shared_server() else { return };
    let setup = "create table a(id int primary key); insert into a select generate_series(1, 5)";
    let scene = Scene::prepared(server, "only", setup, &json!({"snapshot.mode": "initial_only"}));
    scene.connect();
    wait_for("the snapshot to end", || (scene.rowfeed.status("scene")["connector"]["state"] == "STOPPED").then_some(()));
    assert_eq!(scene.reader.read(&Scene::topic("a")).len(), 5);
    assert_eq!(scene.sql.one("select count(*) from pg_replication_slots where database = current_database()"), "0");
    // As a connector that a person stopped: it has no tasks.
    assert_eq!(scene.rowfeed.status("scene")["tasks"], json!([]));
}

#[test]
fn a_slot_that_is_dropped_on_stop_is_made_anew() {
    let Some(server) = shared_server() else { return };
    let setup = "create table a(id int primary key); insert into a values(1)";
    let scene = Scene::prepared(server, "dropstop", setup, &json!({"snapshot.mode": "initial", "slot.drop.on.stop": "true"}));
    scene.connect();
    // A slot is in use while the snapshot is read, too.
    assert_eq!(Scene::ops(&scene.events("a")), "r");
    let order = |order: &str| request(&scene.rowfeed.http(), "PUT", &format!("/connectors/scene/{order}"), None).expect("an answer").status;
    assert!(order("stop") < 300);
    let slots = format!("select count(*) from pg_replication_slots where slot_name = '{}'", scene.slot());
    wait_for("the slot to be dropped", || (scene.sql.one(&slots) == "0").then_some(()));
    scene.sql.run("insert into a values(2)");
    assert!(order("resume") < 300);
    scene.wait_until_streaming();
    assert_eq!(Scene::ops(&scene.events("a")), "rrr");
}
