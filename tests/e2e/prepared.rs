//! Two-phase commit in the source: a prepared transaction is a transaction of the moment in which it is committed.

use rowfeed::demo::cluster::{Cluster, Stop};
use serde_json::{Value, json};

use crate::support::postgres::own_server;
use crate::support::scene::Scene;
use crate::support::wait_for;

fn server() -> Option<Cluster> {
    own_server(true, &[("max_prepared_transactions", "10")])
}

fn ids(scene: &Scene, table: &str) -> Vec<u64> {
    scene.events(table).iter().filter_map(|event| event["after"]["id"].as_u64()).collect()
}

/// Aim: told at COMMIT PREPARED, in its place and once; never when it is rolled back, whatever stops or crashes in between.
#[test]
fn a_prepared_transaction_is_told_where_it_is_committed_and_never_before() {
    let Some(mut server) = server() else { return };
    let setup =
        "create table t(id int primary key, v text); create table u(id int primary key); alter table t alter v set storage external";
    let Some(mut scene) = Scene::on(&server, "twophase", setup, &json!({"provide.transaction.metadata": "true"})) else { return };
    let xid = scene.sql.rows("begin; select txid_current()::text")[0][0].clone().expect("a number");
    scene.sql.run("insert into t values (1, repeat('x', 5000)); insert into u values (1); savepoint s; insert into t values (99, ''); rollback to s; insert into t values (2, ''); prepare transaction 'kept'");
    scene.sql.run("begin; insert into t values (50, ''); prepare transaction 'undone'");
    scene.sql.run("insert into t values (3, '')");
    assert_eq!(ids(&scene, "t"), [3]);
    scene.rowfeed.kill();
    scene.sql.run("insert into t values (4, '')");
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    assert_eq!(ids(&scene, "t"), [3, 4]);
    // A prepared transaction outlives a crash of the server.
    server.stop(Stop::Immediate);
    server.start_again().expect("PostgreSQL recovers");
    scene.sql = scene.database.sql();
    let committed = scene.sql.one("select (extract(epoch from clock_timestamp()) * 1000000)::int8");
    scene.sql.run("commit prepared 'kept'");
    scene.sql.run("rollback prepared 'undone'");
    scene.sql.run("insert into t values (5, '')");
    let events = scene.events("t");
    let of = |event: &Value| event["after"]["id"].as_u64();
    assert_eq!(events.iter().filter_map(of).collect::<Vec<_>>(), [3, 4, 1, 2, 5]);
    let kept = &events[2];
    assert_eq!(kept["after"]["v"].as_str().map(str::len), Some(5000));
    assert_eq!(kept["source"]["txId"].to_string(), xid);
    assert!(kept["source"]["ts_us"].as_u64() >= committed.parse().ok(), "the time of its commit: {} {committed}", kept["source"]["ts_us"]);
    assert_eq!(kept["transaction"]["total_order"], 1);
    assert_eq!(ids(&scene, "u"), [1]);
    let told: Vec<Value> = scene.reader.read("srv.transaction").iter().map(|record| record.json()).collect();
    let of_it = |event: &Value| event["id"].as_str().is_some_and(|id| id.split(':').next() == Some(&xid));
    let ends: Vec<_> = told.iter().filter(|event| event["status"] == "END" && of_it(event)).collect();
    assert_eq!(ends.len(), 1);
    assert_eq!(ends[0]["event_count"], 3);
}

/// Aim: what is prepared before the slot and committed while it is made is read or streamed, not both and not neither. Method: the
/// slot waits for it.
#[test]
fn what_is_prepared_before_the_slot_is_made_comes_once() {
    let Some(server) = server() else { return };
    let setup = "create table t(id int primary key); insert into t values (1)";
    let scene = Scene::prepared(&server, "before", setup, &json!({"snapshot.mode": "initial"}));
    scene.sql.run("begin; insert into t values (2); prepare transaction 'before'");
    scene.connect();
    let making = format!("select count(*) from pg_replication_slots where slot_name = '{}' and active", scene.slot());
    wait_for("the slot to be being made", || (scene.sql.one(&making) == "1").then_some(()));
    scene.sql.run("begin; insert into t values (3); prepare transaction 'meanwhile'");
    scene.sql.run("commit prepared 'before'");
    // The slot may wait for both.
    scene.sql.run("commit prepared 'meanwhile'");
    scene.wait_until_streaming();
    scene.sql.run("insert into t values (4)");
    assert_eq!(ids(&scene, "t"), [1, 2, 3, 4]);
}
