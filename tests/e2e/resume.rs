//! Stopping and starting again, by order and by force, and what PostgreSQL does meanwhile.

use std::time::Duration;

use rowfeed::demo::cluster::Stop;
use serde_json::json;

use crate::support::postgres::{own_server, shared_server};
use crate::support::random::Random;
use crate::support::scene::Scene;
use crate::support::service::with;
use crate::support::{long_form, wait_for};

#[test]
fn a_clean_stop_and_start_goes_on_where_it_was() {
    let Some(mut scene) = Scene::start("restart", "create table t(id int primary key)", &json!({})) else { return };
    scene.sql.run("insert into t values(1)");
    assert_eq!(scene.events("t").len(), 1);
    let took = scene.rowfeed.stop();
    assert!(took < Duration::from_secs(10), "a clean stop took {took:?}");
    scene.sql.run("insert into t values(2)");
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    let ids: Vec<_> = scene.events("t").iter().map(|event| event["after"]["id"].clone()).collect();
    assert_eq!(ids, [json!(1), json!(2)]);
}

/// One COPY of 60,000 rows, hundreds of which share one LSN each; the service is killed again and again while it
/// takes them in. The leading connector loses rows here: its position is an LSN.
#[test]
fn killed_in_the_middle_of_a_large_copy_every_row_comes_once_and_in_order() {
    let Some(mut scene) = Scene::start("f1", "create table t(id int primary key, pad text)", &json!({})) else { return };
    let mut random = Random::new(Random::seed(5));
    scene.sql.run("copy t from program 'seq 1 60000 | sed s/$/,abcdefghijklmnopqrstuvwxyz/' with (format csv)");
    for _ in 0..if long_form() { 50 } else { 8 } {
        std::thread::sleep(Duration::from_millis(random.among(5..250)));
        scene.rowfeed.kill();
        scene.rowfeed.run();
    }
    scene.rowfeed.wait_until_ready();
    let ids: Vec<u64> = scene.events("t").iter().filter_map(|event| event["after"]["id"].as_u64()).collect();
    let wrong = (1..=60000).zip(&ids).find(|(want, got)| want != *got);
    assert_eq!((ids.len(), wrong), (60000, None));
}

#[test]
fn postgres_may_crash_and_come_back() {
    let Some(mut server) = own_server(true, &[]) else { return };
    let Some(mut scene) = Scene::on(&server, "pgcrash", "create table t(id int primary key)", &json!({})) else { return };
    // A crash while the slot is being made takes it along, as PostgreSQL does: then nothing has been captured yet.
    wait_for("the slot to be made", || scene.rowfeed.log().contains("\"streaming\"").then_some(()));
    for id in 1..=3 {
        scene.sql.run(&format!("insert into t values({id})"));
        server.stop(Stop::Immediate);
        server.start_again().expect("PostgreSQL recovers");
        scene.sql = scene.database.sql();
        assert!(scene.rowfeed.is_ready(), "readiness does not flap when PostgreSQL is away");
        assert_eq!(scene.rowfeed.exited(), None);
    }
    let ids: Vec<_> = scene.events("t").iter().map(|event| event["after"]["id"].clone()).collect();
    assert_eq!(ids, [json!(1), json!(2), json!(3)]);
}

#[test]
fn a_dropped_slot_is_told_and_never_silently_made_anew() {
    let Some(mut scene) = Scene::start("slotgone", "create table t(id int primary key)", &json!({})) else { return };
    scene.sql.run("insert into t values(1)");
    scene.fence();
    scene.rowfeed.stop();
    let slot = scene.slot().to_owned();
    wait_for("the slot to be free", || scene.sql.try_run(&format!("select pg_drop_replication_slot('{slot}')")).ok());
    scene.sql.run("insert into t values(2)");
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    let trace = scene.rowfeed.wait_until_failed("scene");
    assert!(trace.contains(&slot), "{trace}");
    let remedy = "PUT /connectors/scene/stop, DELETE /connectors/scene/offsets, PUT /connectors/scene/resume";
    assert!(trace.contains(remedy), "what is gone need not be dropped: {trace}");
    assert_eq!(scene.sql.one(&format!("select count(*) from pg_replication_slots where slot_name = '{slot}'")), "0");
}

/// A new slot begins now: what happened since the last event of the old one would be missing.
#[test]
fn another_slot_name_is_told_and_the_old_one_goes_on() {
    let Some(scene) = Scene::start("renamed", "create table t(id int primary key)", &json!({})) else { return };
    scene.sql.run("insert into t values(1)");
    scene.fence();
    let slot = scene.slot().to_owned();
    let other = with(scene.config().clone(), &json!({ "slot.name": "renamed_other" }));
    assert!(scene.rowfeed.put_connector("scene", &other).status < 300);
    let trace = scene.rowfeed.wait_until_failed("scene");
    assert!(trace.contains("slot/gone") && trace.contains(&format!("set slot.name={slot} again")), "{trace}");
    scene.sql.run("insert into t values(2)");
    assert!(scene.rowfeed.put_connector("scene", scene.config()).status < 300);
    scene.wait_until_streaming();
    scene.fence();
    assert_eq!(scene.events("t").iter().map(|event| event["after"]["id"].clone()).collect::<Vec<_>>(), [json!(1), json!(2)]);
}

/// PostgreSQL 18 only *notices* that a publication is missing and drops the rows; older ones fail when decoding.
#[test]
fn a_dropped_publication_is_told_and_no_row_is_lost_silently() {
    let Some(scene) = Scene::start("pubgone", "create table t(id int primary key)", &json!({})) else { return };
    scene.sql.run("insert into t values(1)");
    scene.fence();
    let slot = scene.slot().to_owned();
    scene.sql.run(&format!("drop publication {slot}"));
    scene.sql.run("insert into t values(2)");
    let trace = scene.rowfeed.wait_until_failed("scene");
    assert!(trace.contains("publication"), "{trace}");
    assert!(trace.contains(&slot), "{trace}");
}

#[test]
fn a_missing_publication_is_refused_when_it_may_not_be_created() {
    let Some(server) = shared_server() else { return };
    let more = json!({"snapshot.mode": "no_data", "publication.autocreate.mode": "disabled"});
    let scene = Scene::prepared(server, "nopub", "create table t(id int primary key)", &more);
    scene.connect();
    let trace = scene.rowfeed.wait_until_failed("scene");
    assert!(trace.contains("publication"), "{trace}");
    assert!(trace.to_lowercase().contains("create publication"), "the remedy is a statement to paste: {trace}");
}

/// A slot holds back WAL for the whole server, so traffic in another database piles up unless the position moves on.
#[test]
fn an_idle_database_does_not_pile_up_the_wal_of_a_busy_one() {
    let Some(server) = own_server(false, &[]) else { return };
    let busy = crate::support::postgres::fresh_database(&server, "busy").sql();
    // Without heartbeat records, too, as nobody sets them who does not know of this.
    for (name, heartbeat) in [("idle", "0"), ("beating", "500")] {
        let more =
            json!({"status.update.interval.ms": "500", "heartbeat.interval.ms": heartbeat, "table.include.list": "public.t,public.fence"});
        let Some(scene) = Scene::on(&server, name, "create table t(id int primary key); create table noise(t text)", &more) else { return };
        busy.run("create table if not exists noise(t text)");
        // In another database, and in this one beside the captured table.
        for (place, sql) in [("database", &busy), ("table", &scene.sql)] {
            sql.run("insert into noise select repeat('x', 1000) from generate_series(1, 5000)");
            let (target, slot) = (sql.one("select pg_current_wal_lsn()"), scene.slot());
            wait_for(&format!("confirmed_flush_lsn to pass the traffic of the other {place}"), || {
                let passed = format!("select confirmed_flush_lsn >= '{target}' from pg_replication_slots where slot_name = '{slot}'");
                (scene.sql.one(&passed) == "t").then_some(())
            });
        }
    }
}
