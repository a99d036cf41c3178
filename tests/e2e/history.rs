//! A position belongs to one history of one database. When the two no longer fit, the connector says so and waits.

use std::path::Path;
use std::process::Command;

use rowfeed::demo::cluster::{Cluster, Programs, Stop};
use serde_json::{Value, json};

use crate::support::http::request;
use crate::support::postgres::{Sql, own_server};
use crate::support::scene::Scene;
use crate::support::service::with;
use crate::support::{missing, wait_for};

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

/// The same, where the other cluster took the old one's place: same address, same names, even a slot of the same name.
#[test]
fn another_cluster_on_the_same_port_is_told() {
    let Some(mut server) = own_server(false, &[]) else { return };
    let Some(mut scene) = Scene::on(&server, "replaced", TABLE, &json!({})) else { return };
    scene.sql.run("insert into t values(1)");
    scene.fence();
    // Stopped meanwhile: a retry between the cluster's start and the making of its database would tell of a missing database.
    scene.rowfeed.stop();
    server.stop(Stop::Fast);
    std::fs::rename(server.dir().join("data"), server.dir().join("old")).expect("moved away");
    server.create_again().expect("a new cluster");
    start_empty(&mut server, &mut scene);
    let trace = failed(&mut scene);
    assert!(trace.contains("source/other-cluster") && trace.contains("system identifier"), "{trace}");
    assert!(trace.contains("DELETE /connectors/scene/offsets"), "{trace}");
}

/// A slot of the same name is no proof: what happened while there was none is missing, and is told with both ends.
#[test]
fn a_slot_that_was_dropped_and_made_again_is_told_with_the_gap() {
    let Some(mut scene) = Scene::start("remade", TABLE, &json!({})) else { return };
    scene.sql.run("insert into t values(1)");
    scene.fence();
    scene.rowfeed.stop();
    let drop = format!("select pg_drop_replication_slot('{}')", scene.slot());
    wait_for("the slot to be free", || scene.sql.try_run(&drop).ok());
    scene.sql.run("insert into t values(2)");
    let trace = failed(&mut scene);
    assert!(trace.contains("slot/gone") && trace.contains("changes committed between") && trace.contains("/offsets"), "{trace}");
    scene.rowfeed.stop();
    scene.sql.run(&format!("select pg_create_logical_replication_slot('{}', 'pgoutput')", scene.slot()));
    scene.sql.run("insert into t values(3)");
    let trace = failed(&mut scene);
    assert!(trace.contains("slot/moved-by-other") && trace.contains("dropped and made again"), "{trace}");
    let confirmed = scene.sql.one(&format!("select confirmed_flush_lsn from pg_replication_slots where slot_name = '{}'", scene.slot()));
    assert!(trace.contains(&format!("and {confirmed} (")) && trace.contains("/offsets"), "{trace}");
    assert_eq!(scene.reader.read(&Scene::topic("t")).len(), 1, "nothing behind the gap is published");
}

/// The server gives a slot up: what is missing is told with both ends and what to do, and what is said to be done works.
#[test]
fn a_slot_that_the_server_gave_up_is_told_with_the_gap_and_begun_anew() {
    let Some(server) = own_server(false, &[("max_slot_wal_keep_size", "16MB")]) else { return };
    let Some(mut scene) = Scene::on(&server, "given_up", TABLE, &json!({"snapshot.mode": "initial"})) else { return };
    scene.fence();
    scene.sql.run("insert into t values(1)");
    scene.fence();
    scene.rowfeed.stop();
    for id in 2..8 {
        scene.sql.run(&format!("insert into t values({id})"));
        scene.sql.run("select pg_switch_wal()");
    }
    scene.sql.run("delete from t where id = 1");
    let status = format!("select wal_status from pg_replication_slots where slot_name = '{}'", scene.slot());
    wait_for("the slot to be lost", || {
        scene.sql.run("checkpoint");
        (scene.sql.one(&status) == "lost").then_some(())
    });
    let trace = failed(&mut scene);
    let end = scene.sql.one("select pg_current_wal_flush_lsn()");
    for part in [
        "pg/wal-lost",
        "changes between ",
        &format!(" and {end} are gone"),
        "max_slot_wal_keep_size = 16MB",
        "committed about ",
        "op \"r\"",
    ] {
        assert!(trace.contains(part), "{part}: {trace}");
    }
    for part in ["/connectors/scene/stop", "DELETE /connectors/scene/offsets", "snapshot.mode=when_needed", "cannot go unnoticed"] {
        assert!(trace.contains(part), "{part}: {trace}");
    }
    assert_eq!(scene.reader.read(&Scene::topic("t")).len(), 1, "nothing goes on by itself");
    let ask = |method: &str, path: &str| {
        let answer = request(&scene.rowfeed.http(), method, &format!("/connectors/scene/{path}"), None).expect("an answer");
        assert!(answer.status < 300, "{method} {path}: {} {}", answer.status, answer.body);
    };
    ask("PUT", "stop");
    wait_for("the stop", || (scene.rowfeed.status("scene")["connector"]["state"] == "STOPPED").then_some(()));
    ask("DELETE", "offsets");
    scene.sql.run(&format!("select pg_drop_replication_slot('{}')", scene.slot()));
    ask("PUT", "resume");
    wait_for("the new snapshot", || (scene.rowfeed.log().matches("\"streaming\"").count() == 2).then_some(()));
    scene.sql.run("insert into t values(8)");
    // The fence's rows were read again, too: its topic does not tell.
    let events = wait_for("the row behind it", || {
        let events: Vec<Value> = scene.reader.read(&Scene::topic("t")).iter().map(|record| record.json()).collect();
        (events.len() == 8).then_some(events)
    });
    assert_eq!(Scene::ops(&events), "crrrrrrc");
}

/// A base backup has no slots, and its end is before what was published.
#[test]
fn a_base_backup_that_took_the_servers_place_is_told() {
    let Some(mut server) = own_server(false, &[]) else { return };
    if !server.programs().bin.join("pg_basebackup").exists() {
        eprintln!("SKIPPED: this PostgreSQL comes without pg_basebackup");
        return;
    }
    let Some(mut scene) = Scene::on(&server, "based", TABLE, &json!({})) else { return };
    scene.sql.run("insert into t values(1)");
    scene.fence();
    base_backup(&server, "backup");
    scene.sql.run("insert into t select generate_series(2, 5000)");
    let published = scene.records("t").len();
    scene.rowfeed.stop();
    server.stop(Stop::Fast);
    std::fs::rename(server.dir().join("data"), server.dir().join("old")).expect("moved away");
    std::fs::rename(server.dir().join("backup"), server.dir().join("data")).expect("restored");
    start(&mut server, &mut scene);
    let trace = failed(&mut scene);
    assert!(trace.contains("source/history-went-back") && trace.contains("is not in this database"), "{trace}");
    scene.rowfeed.stop();
    // It grows past what was published: now it is the slot that is missed, and the gap that is told.
    scene.sql.run("insert into t select generate_series(10000, 60000)");
    let trace = failed(&mut scene);
    assert!(trace.contains("slot/gone") && trace.contains("changes committed between"), "{trace}");
    assert_eq!(scene.reader.read(&Scene::topic("t")).len(), published, "nothing of the other history is published");
}

/// A promotion begins a new timeline: with all that was published behind the switch, capture goes on by itself.
#[test]
fn a_promotion_that_lost_nothing_is_gone_on_with() {
    let Some(mut server) = own_server(false, &[]) else { return };
    let Some(mut scene) = Scene::on(&server, "promoted", TABLE, &json!({})) else { return };
    scene.sql.run("insert into t values(1)");
    scene.fence();
    server.stop(Stop::Fast);
    std::fs::write(server.dir().join("data/standby.signal"), "").expect("a standby");
    start(&mut server, &mut scene);
    assert_eq!(scene.sql.one("select pg_is_in_recovery()"), "t");
    scene.sql.run("select pg_promote(true)");
    wait_for("the promotion", || (scene.sql.one("select pg_is_in_recovery()") == "f").then_some(()));
    scene.sql.run("insert into t values(2)");
    scene.wait_until_streaming();
    let ids: Vec<Value> = scene.events("t").iter().map(|event| event["after"]["id"].clone()).collect();
    assert_eq!(ids, [1, 2].map(Value::from));
    scene.sql.run("checkpoint");
    assert_eq!(scene.sql.one("select timeline_id from pg_control_checkpoint()"), "2");
}

/// A standby that lagged behind is promoted: what was published from the old primary is not in it, and both places are told.
#[test]
fn a_promoted_standby_that_lagged_behind_is_told() {
    let Some(mut server) = own_server(false, &[]) else { return };
    let Some(mut scene) = Scene::on(&server, "lagged", TABLE, &json!({})) else { return };
    scene.sql.run("insert into t values(1)");
    scene.fence();
    scene.rowfeed.stop();
    server.stop(Stop::Fast);
    copy(&server, "data", "standby");
    start(&mut server, &mut scene);
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    scene.sql.run("insert into t select generate_series(2, 500)");
    let published = scene.records("t").len();
    scene.rowfeed.stop();
    server.stop(Stop::Fast);
    std::fs::remove_dir_all(server.dir().join("data")).expect("the primary is lost");
    std::fs::rename(server.dir().join("standby"), server.dir().join("data")).expect("the standby takes its place");
    std::fs::write(server.dir().join("data/standby.signal"), "").expect("a standby");
    start(&mut server, &mut scene);
    scene.sql.run("select pg_promote(true)");
    wait_for("the promotion", || (scene.sql.one("select pg_is_in_recovery()") == "f").then_some(()));
    let trace = failed(&mut scene);
    assert!(trace.contains("source/ahead-of-primary") && trace.contains("timeline 1 ended at") && trace.contains("/offsets"), "{trace}");
    assert_eq!(scene.reader.read(&Scene::topic("t")).len(), published, "nothing of the other history is published");
}

/// Somebody else reads the slot: who it is is told, and when they are gone it goes on by itself.
#[test]
fn who_holds_the_slot_is_told_and_it_heals() {
    let Some(mut scene) = Scene::start("held", TABLE, &json!({})) else { return };
    scene.rowfeed.stop();
    // The machine's own does for every version of the server.
    let Some(mut other) = Programs::find().ok().map(|found| found.bin.join("pg_recvlogical")).filter(|at| at.exists()).map(Command::new)
    else {
        return missing("pg_recvlogical (PostgreSQL's client programs)");
    };
    other.args(["-h", "127.0.0.1", "-U", "postgres", "--start", "-f", "/dev/null", "-o", "proto_version=1"]);
    other.args(["-o", &format!("publication_names={}", scene.slot()), "-S", scene.slot(), "-d", &scene.database.name]);
    let mut other = other.arg("-p").arg(scene.database.port.to_string()).env("PGAPPNAME", "someone-else").spawn().expect("it runs");
    let held = format!("select active_pid from pg_replication_slots where slot_name = '{}' and active", scene.slot());
    let pid = wait_for("the slot to be held", || Some(scene.sql.one(&held)).filter(|pid| !pid.is_empty()));
    scene.sql.run("insert into t values(1)");
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    let trace = wait_for("the holder to be told", || {
        scene.rowfeed.status("scene")["tasks"][0]["trace"].as_str().filter(|trace| trace.contains("pg/slot-active")).map(str::to_owned)
    });
    for part in [&format!("pid {pid}, user postgres, client 127.0.0.1"), "application \"someone-else\"", "pg_terminate_backend"] {
        assert!(trace.contains(part), "{part}: {trace}");
    }
    assert_ne!(scene.rowfeed.status("scene")["tasks"][0]["state"], "FAILED");
    let _ = other.kill();
    let _ = other.wait();
    scene.wait_until_streaming();
    scene.sql.run("insert into t values(2)");
    // What the other one read and confirmed is told as a gap; here it confirmed nothing.
    let ids: Vec<Value> = scene.events("t").iter().map(|event| event["after"]["id"].clone()).collect();
    assert_eq!(ids, [1, 2].map(Value::from));
}

/// Starts the server with nothing in it but a database and a slot of the scene's names.
fn start_empty(server: &mut Cluster, scene: &mut Scene) {
    server.start_again().expect("PostgreSQL starts");
    let name = &scene.database.name;
    Sql::connect(&server.url("postgres")).run(&format!("create database {name}"));
    scene.sql = scene.database.sql();
    scene.sql.run(&format!("create table fence(id int primary key); {TABLE}"));
    scene.sql.run(&format!("create publication {name} for table t, fence"));
    scene.sql.run(&format!("select pg_create_logical_replication_slot('{name}', 'pgoutput')"));
}

/// Takes a base backup of a running server, as its owner.
fn base_backup(server: &Cluster, to: &str) {
    let mut command = server.program("pg_basebackup");
    command.args(["-h", "127.0.0.1", "-U", "postgres", "-X", "stream", "-c", "fast", "-p", &server.port().to_string(), "-D"]);
    let done = command.arg(server.dir().join(to)).output().expect("pg_basebackup runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
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
