//! What is looked at before a slot is read: the publication's partitions, keys and columns, the encoding, the slot itself.

use rowfeed::config::postgres::{ConnectionConfig, TableFilter};
use rowfeed::postgres::doctor::{Depth, Diagnosis, Patient, examine};
use serde_json::json;

use crate::support::postgres::{fresh_database, own_server, runtime, shared_server};
use crate::support::scene::Scene;
use crate::support::service::with;
use crate::support::wait_for;

const PARTITIONED: &str = "create table p(id int primary key) partition by range(id);
    create table p1 partition of p for values from (0) to (100); insert into p values(1)";

fn examined(connection: &ConnectionConfig, depth: Depth) -> Diagnosis {
    let filter = TableFilter::everything();
    let patient = Patient { config: connection, filter: &filter, connector: None, depth, role: None, is_draft: false };
    runtime().block_on(examine(patient, |_| {}))
}

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
    assert!(trace.contains("pg/partitions") && trace.contains("publish.via.partition.root=true") && !trace.contains("ALTER"), "{trace}");
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

/// A publication that Debezium made may have such tables: for them nothing gets worse.
#[test]
fn a_keyless_table_that_is_published_already_is_no_reason_to_refuse_another() {
    let Some(server) = shared_server() else { return };
    let setup = "create table t(id int primary key); create table notes(note text); create table later(id int primary key)";
    let scene = Scene::prepared(server, "published", setup, &json!({"snapshot.mode": "no_data"}));
    scene.sql.run(&format!("create publication {} for table t, notes", scene.slot()));
    scene.connect();
    scene.wait_until_streaming();
    scene.sql.run("insert into notes values('a'); insert into later values(1)");
    assert_eq!((scene.events("notes").len(), scene.events("later").len()), (1, 1));
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

/// Both are the publication's, from PostgreSQL 15 on. A row that leaves the filter is a delete, one that comes into it a create.
#[test]
fn a_row_filter_and_a_column_list_hold_for_the_snapshot_and_the_stream() {
    let Some(server) = shared_server() else { return };
    if server.programs().major() < 15 {
        return;
    }
    let setup =
        "create table t(id int primary key, v text, secret text); insert into t select n, 'v', 's' from generate_series(5, 25, 10) n";
    let more = json!({"snapshot.mode": "initial", "value.converter.schemas.enable": "true"});
    let scene = Scene::prepared(server, "filtered", setup, &more);
    scene.sql.run(&format!("create publication {} for table t(v, id) where (id > 10), fence", scene.slot()));
    scene.connect();
    scene.wait_until_streaming();
    scene.fence();
    scene.sql.run("insert into t values (1, 'out', 's'); insert into t values (30, 'in', 's')");
    scene.sql.run("update t set v = 'w', secret = 'r' where id in (5, 30)");
    scene.sql.run("update t set id = 3 where id = 30; update t set id = 40 where id = 3; update t set id = 50 where id = 40");
    scene.sql.run("delete from t where id < 20; delete from t where id = 50");
    let records = scene.records("t");
    let events: Vec<_> = records.iter().map(|record| record.json()["payload"].clone()).collect();
    assert_eq!(Scene::ops(&events), "rrcud-cd-cd-d-");
    let rows: Vec<_> = events.iter().map(|event| event["after"].clone()).filter(|row| !row.is_null()).collect();
    let row = |id: i32, v: &str| json!({"id": id, "v": v});
    assert_eq!(rows, [row(15, "v"), row(25, "v"), row(30, "in"), row(30, "w"), row(40, "w"), row(50, "w")]);
    assert!(records.iter().all(|record| !record.text().contains("secret")), "{}", records[0].text());
}

/// PostgreSQL 15's `FOR TABLES IN SCHEMA`: what is made in it later is published at once, and captured where a list names it.
#[test]
fn a_publication_of_a_schema_has_the_tables_that_are_made_later() {
    let Some(server) = shared_server() else { return };
    if server.programs().major() < 15 {
        return;
    }
    let more = json!({"snapshot.mode": "initial", "publication.autocreate.mode": "disabled", "table.exclude.list": "public.omitted", "table.include.list": ""});
    let scene = Scene::prepared(server, "schema", "create table t(id int primary key); insert into t values (1)", &more);
    scene.sql.run(&format!("create publication {} for tables in schema public", scene.slot()));
    scene.connect();
    scene.wait_until_streaming();
    scene.sql.run("create table later(id int primary key); insert into later values (1); create table omitted(id int primary key); insert into omitted values (1)");
    scene.sql.run("insert into t values (2); update later set id = 2");
    assert_eq!((Scene::ops(&scene.events("t")), Scene::ops(&scene.events("later"))), ("rc".to_owned(), "cd-c".to_owned()));
    assert!(!scene.reader.topics().iter().any(|(topic, _)| *topic == Scene::topic("omitted")));
}

/// Partitions come and go while the stream runs: a new one is part of its root at once, one that is detached is a table.
#[test]
fn partitions_that_are_added_or_detached_while_streaming_are_told_both_ways() {
    let Some(server) = shared_server() else { return };
    for via_root in [false, true] {
        let more = json!({"publish.via.partition.root": via_root.to_string(), "skipped.operations": "none"});
        let scene = Scene::prepared(server, "growing", PARTITIONED, &with(json!({"snapshot.mode": "initial"}), &more));
        scene.connect();
        scene.wait_until_streaming();
        scene.fence();
        scene.sql.run("create table p2 partition of p for values from (100) to (200); insert into p values (150)");
        scene.sql.run("update p set id = 151 where id = 1; truncate p2; insert into p values (2), (152)");
        scene.sql.run("alter table p detach partition p2; insert into p2 values (160); insert into p values (3)");
        scene.fence();
        let ops = |table: &str| Scene::ops(&scene.reader.read(&Scene::topic(table)).iter().map(|record| record.json()).collect::<Vec<_>>());
        // Before 15 PostgreSQL may go on sending a detached partition as it was, within the session that knew it.
        let may_linger = server.programs().major() < 15;
        let is = |table: &str, expected: &str| {
            let found = ops(table);
            assert!(found == expected || (may_linger && found == format!("{expected}c")), "{table}: {found}, not {expected}");
        };
        if via_root {
            // What is truncated is a partition; the root's publication does not send that. A detached one is published no more.
            is("p", "rcd-cccc");
            assert_eq!((ops("p1"), ops("p2")), (String::new(), String::new()));
        } else {
            assert_eq!((ops("p"), ops("p1")), (String::new(), "rd-cc".to_owned()));
            is("p2", "cctc");
        }
    }
}

/// PostgreSQL 18 sends generated columns where the publication says so; else, and before, nobody sees them.
#[test]
fn generated_columns_are_where_the_publication_has_them() {
    let Some(server) = shared_server() else { return };
    let setup = "create table t(id int primary key, a int, g int generated always as (a * 2) stored); insert into t values (1, 2)";
    for publish in [false, true] {
        if publish && server.programs().major() < 18 {
            return;
        }
        let scene = Scene::prepared(server, "generated", setup, &json!({"snapshot.mode": "initial"}));
        let with = if publish { "with (publish_generated_columns = stored)" } else { "" };
        scene.sql.run(&format!("create publication {} for table t, fence {with}", scene.slot()));
        scene.connect();
        scene.wait_until_streaming();
        scene.fence();
        scene.sql.run("update t set a = 3");
        let rows: Vec<_> = scene.events("t").iter().map(|event| event["after"].clone()).collect();
        let expected = if publish {
            [json!({"id": 1, "a": 2, "g": 4}), json!({"id": 1, "a": 3, "g": 6})]
        } else {
            [json!({"id": 1, "a": 2}), json!({"id": 1, "a": 3})]
        };
        assert_eq!(rows, expected);
    }
}

/// Aim: a slot that waits for an open transaction leaves nothing behind when it is given up; the server's session would
/// wait on without looking at its socket. Method: the check's temporary slot, which waits for 10 s.
#[test]
fn a_slot_that_cannot_be_made_leaves_nothing_behind() {
    let Some(server) = own_server(false, &[("max_prepared_transactions", "2")]) else { return };
    let database = fresh_database(&server, "waits");
    let (open, sql) = (database.sql(), database.sql());
    open.run("begin; create table waited(id int); prepare transaction 'it''s waiting'");
    open.run("begin");
    open.run("create table t(id int)");
    let connection = ConnectionConfig::from_url(&database.url()).expect("a URL");
    let diagnosis = examined(&connection, Depth::Slot);
    let finding = diagnosis.findings.iter().find(|finding| finding.id == "pg/long-tx").unwrap_or_else(|| panic!("{diagnosis:?}"));
    let said = format!("{finding:?}");
    assert!(said.contains("prepared transaction 'it''s waiting' in database") && said.contains("(idle in transaction"), "{said}");
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
    let diagnosis = examined(&connection, Depth::Try);
    assert!(diagnosis.findings.iter().any(|finding| finding.id == "pg/encoding"), "{diagnosis:?}");
}
