//! What is looked at before a slot is read: the publication's partitions, keys and columns, the encoding, the slot itself.

use rowfeed::config::postgres::{ConnectionConfig, TableFilter};
use rowfeed::postgres::doctor::examine;
use serde_json::json;

use crate::support::postgres::{fresh_database, own_server, runtime, shared_server};
use crate::support::scene::Scene;
use crate::support::wait_for;

const PARTITIONED: &str = "create table p(id int primary key) partition by range(id);
    create table p1 partition of p for values from (0) to (100); insert into p values(1)";

#[test]
fn partitions_are_read_and_streamed_under_their_own_names() {
    let Some(server) = shared_server() else { return };
    let scene = Scene::prepared(server, "leaves", PARTITIONED, &json!({"snapshot.mode": "initial"}));
    scene.connect();
    scene.wait_until_streaming();
    scene.sql.run("insert into p values(2)");
    assert_eq!(Scene::ops(&scene.events("p1")), "rc");
    assert!(!scene.reader.topics().iter().any(|(topic, _)| *topic == Scene::topic("p")));
}

#[test]
fn the_snapshot_names_rows_as_the_publication_that_is_there_streams_them() {
    let Some(server) = shared_server() else { return };
    let more = json!({"snapshot.mode": "initial", "publication.autocreate.mode": "disabled"});
    let scene = Scene::prepared(server, "root", PARTITIONED, &more);
    scene.sql.run(&format!("create publication {} for table p, fence with (publish_via_partition_root = true)", scene.slot()));
    scene.connect();
    scene.wait_until_streaming();
    scene.sql.run("insert into p values(2)");
    assert_eq!(Scene::ops(&scene.events("p")), "rc");
    // PostgreSQL describes the partition, too.
    assert_eq!(scene.reader.read(&Scene::topic("p1")).len(), 0);
}

#[test]
fn a_root_whose_changes_would_have_other_names_is_refused() {
    let Some(server) = shared_server() else { return };
    let scene = Scene::prepared(server, "rootonly", PARTITIONED, &json!({"table.include.list": "public.p"}));
    scene.connect();
    let trace = scene.rowfeed.wait_until_failed("scene");
    assert!(trace.contains("pg/partitions") && trace.contains("publish_via_partition_root = true"), "{trace}");
}

#[test]
fn partitions_without_a_key_are_not_published_with_their_root() {
    let Some(server) = shared_server() else { return };
    let setup = "create table p(id int) partition by range(id); create table p1 partition of p for values from (0) to (100)";
    let more = json!({"table.include.list": "public.p", "publish.via.partition.root": "true"});
    let scene = Scene::prepared(server, "keyless", setup, &more);
    scene.connect();
    let trace = scene.rowfeed.wait_until_failed("scene");
    assert!(trace.contains("pg/identity-missing") && trace.contains("p1"), "{trace}");
    scene.sql.run("insert into p values(1); update p set id = 2");
}

#[test]
fn a_column_list_of_the_administrator_stays_when_a_table_is_added() {
    let Some(server) = shared_server() else { return };
    if server.programs().major() < 15 {
        return;
    }
    let scene = Scene::prepared(server, "colist", "create table t(id int primary key, secret text)", &json!({"snapshot.mode": "no_data"}));
    scene.sql.run(&format!("create publication {} for table t(id)", scene.slot()));
    scene.connect();
    scene.wait_until_streaming();
    scene.sql.run("insert into t values(1, 'hidden')");
    let events = scene.events("t");
    assert_eq!(events[0]["after"], json!({"id": 1}));
}

/// Aim: a slot that waits for an open transaction leaves nothing behind when it is given up; the server's session would
/// wait on without looking at its socket. Method: the check's temporary slot, which waits for 10 s.
#[test]
fn a_slot_that_cannot_be_made_leaves_nothing_behind() {
    let Some(server) = own_server(false, &[]) else { return };
    let database = fresh_database(&server, "waits");
    let (open, sql) = (database.sql(), database.sql());
    open.run("begin");
    open.run("create table t(id int)");
    let connection = ConnectionConfig::from_url(&database.url()).expect("a URL");
    let diagnosis = runtime().block_on(examine(&connection, &TableFilter::everything(), None, true));
    assert!(diagnosis.findings.iter().any(|finding| finding.id == "pg/long-tx"), "{diagnosis:?}");
    let left = "select count(*) from pg_replication_slots";
    wait_for("the slot to be gone", || (sql.one(left) == "0").then_some(()));
    open.run("rollback");
}

#[test]
fn a_database_without_an_encoding_is_refused() {
    let Some(server) = shared_server() else { return };
    let more = json!({"database.dbname": "any_bytes"});
    let scene = Scene::prepared(server, "ascii", "", &more);
    scene.sql.run("create database any_bytes encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C' template template0");
    scene.connect();
    let trace = scene.rowfeed.wait_until_failed("scene");
    assert!(trace.contains("pg/encoding"), "{trace}");
    let connection = ConnectionConfig { database: "any_bytes".into(), ..ConnectionConfig::from_url(&scene.database.url()).expect("a URL") };
    let diagnosis = runtime().block_on(examine(&connection, &TableFilter::everything(), None, false));
    assert!(diagnosis.findings.iter().any(|finding| finding.id == "pg/encoding"), "{diagnosis:?}");
}
