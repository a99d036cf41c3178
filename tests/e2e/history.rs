//! A position belongs to one history of one database. When the two no longer fit, the connector says so and waits.

use std::path::Path;
use std::process::Command;

use rowfeed::demo::cluster::{Cluster, Stop};
use serde_json::{Value, json};

use crate::support::postgres::own_server;
use crate::support::scene::Scene;
use crate::support::service::with;
use crate::support::wait_for;

const TABLE: &str = "create table t(id int primary key)";

/// A server goes back to a copy of its files: first its WAL ends before what was published, then it grows past that
/// with other transactions. Both are told; neither publishes anything.
#[test]
fn a_restored_backup_is_told_and_nothing_of_it_is_published() {
    let Some(mut server) = own_server(false, &[]) else { return };
    let Some(mut scene) = Scene::on(&server, "restored", TABLE, &json!({})) else { return };
    scene.sql.run("insert into t values(1)");
    scene.fence();
    scene.rowfeed.stop();
    server.stop(Stop::Fast);
    copy(&server, "data", "backup");
    start(&mut server, &mut scene);
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    for id in 2..200 {
        scene.sql.run(&format!("insert into t values({id})"));
    }
    scene.sql.run("insert into t select generate_series(1000, 9000)");
    let published = scene.records("t").len();
    scene.rowfeed.stop();
    server.stop(Stop::Fast);
    std::fs::remove_dir_all(server.dir().join("data")).expect("the server's files go");
    copy(&server, "backup", "data");
    start(&mut server, &mut scene);

    let trace = failed(&mut scene);
    assert!(trace.contains("source/history-went-back") && trace.contains("restored from a backup"), "{trace}");
    scene.rowfeed.stop();
    scene.sql.run("insert into t select generate_series(20000, 60000)");
    let trace = failed(&mut scene);
    assert!(trace.contains("source/history-diverged") && trace.contains("restored from a backup"), "{trace}");
    assert_eq!(scene.reader.read(&Scene::topic("t")).len(), published, "nothing of the other history is published");
}

#[test]
fn a_slot_that_another_program_moved_is_told() {
    let Some(mut scene) = Scene::start("moved", TABLE, &json!({})) else { return };
    scene.sql.run("insert into t values(1)");
    scene.fence();
    scene.rowfeed.stop();
    scene.sql.run("insert into t values(2)");
    let advance = format!("select pg_replication_slot_advance('{}', pg_current_wal_lsn())", scene.slot());
    wait_for("the slot to be free", || scene.sql.try_run(&advance).ok());
    let trace = failed(&mut scene);
    assert!(trace.contains("slot/moved-by-other"), "{trace}");
}

/// `offset.mismatch.strategy=trust_slot`: what the slot passed over is left out, and all behind it comes once.
#[test]
fn a_slot_that_is_trusted_is_gone_on_with() {
    let more = json!({"offset.mismatch.strategy": "trust_slot"});
    let Some(mut scene) = Scene::start("trusted", TABLE, &more) else { return };
    scene.sql.run("insert into t values(1)");
    scene.fence();
    scene.rowfeed.stop();
    scene.sql.run("insert into t values(2)");
    let advance = format!("select pg_replication_slot_advance('{}', pg_current_wal_lsn())", scene.slot());
    wait_for("the slot to be free", || scene.sql.try_run(&advance).ok());
    scene.sql.run("insert into t values(3)");
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    let ids: Vec<Value> = scene.events("t").iter().map(|event| event["after"]["id"].clone()).collect();
    assert_eq!(ids, [1, 3].map(Value::from));
}

#[test]
fn a_position_of_another_cluster_is_told() {
    let Some(scene) = Scene::start("moving", TABLE, &json!({})) else { return };
    scene.sql.run("insert into t values(1)");
    scene.fence();
    let Some(other) = own_server(false, &[]) else { return };
    let port: Value = other.port().to_string().into();
    let answer =
        scene.rowfeed.put_connector("scene", &with(scene.config().clone(), &json!({"database.port": port, "database.dbname": "postgres"})));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let trace = scene.rowfeed.wait_until_failed("scene");
    assert!(trace.contains("source/other-cluster") && trace.contains("system identifier"), "{trace}");
}

fn start(server: &mut Cluster, scene: &mut Scene) {
    server.start_again().expect("PostgreSQL starts");
    scene.sql = scene.database.sql();
}

/// Starts the service; why its connector failed.
fn failed(scene: &mut Scene) -> String {
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    scene.rowfeed.wait_until_failed("scene")
}

/// Copies a folder of a stopped server, with owners and modes.
fn copy(server: &Cluster, from: &str, to: &str) {
    let path = |name: &str| -> std::path::PathBuf { Path::new(server.dir()).join(name) };
    let done = Command::new("cp").arg("-a").arg(path(from)).arg(path(to)).status().expect("cp runs");
    assert!(done.success(), "cp {from} {to}");
}
