//! Options that change what is published, or when, as a user sees them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::http;
use crate::support::postgres::{own_server, programs, shared_server};
use crate::support::random::Random;
use crate::support::scene::Scene;
use crate::support::wait_for;

/// One transaction over two tables, cut several times by a killed service: its events count from 1 to the end all the same,
/// and its begin and end are told once. Each kill that met it in its middle is counted, so that the test cannot pass idly.
#[test]
fn a_transaction_goes_on_counting_after_a_restart_in_its_middle() {
    let more = json!({"provide.transaction.metadata": "true"});
    let setup = "create table t(id int primary key, pad text); create table u(id int primary key, pad text)";
    let Some(mut scene) = Scene::start("txcount", setup, &more) else { return };
    let mut random = Random::new(Random::seed(7));
    let rows = 60_000;
    scene.sql.run(&format!(
        "begin; insert into t select n, repeat('x', 50) from generate_series(1, {rows}) n; \
         insert into u select n, repeat('x', 50) from generate_series(1, {rows}) n; update t set id = -1 where id = 1; commit"
    ));
    let in_the_middle = |scene: &Scene| {
        let stored = http::get(&scene.rowfeed.http(), "/connectors/scene/offsets").ok()?.json();
        stored["offsets"][0]["offset"]["transaction_id"].is_string().then_some(())
    };
    wait_for("a part of the transaction to be durable", || in_the_middle(&scene));
    let mut cuts = 0;
    for _ in 0..3 {
        scene.rowfeed.kill();
        scene.rowfeed.run();
        scene.rowfeed.wait_until_ready();
        cuts += u32::from(in_the_middle(&scene).is_some());
        std::thread::sleep(Duration::from_millis(random.among(5..60)));
    }
    assert!(cuts > 0, "no kill met the transaction in its middle");
    let order = |events: &[Value], of: &str| events.iter().filter_map(|event| event["transaction"][of].as_u64()).collect::<Vec<_>>();
    let (t, u) = (scene.events("t"), scene.events("u"));
    // The changed key is a delete, a tombstone and a create: two events that count.
    assert_eq!(order(&t, "data_collection_order"), (1..=rows + 2).collect::<Vec<_>>());
    assert_eq!(order(&u, "data_collection_order"), (1..=rows).collect::<Vec<_>>());
    let mut all = [order(&t, "total_order"), order(&u, "total_order")].concat();
    all.sort_unstable();
    assert_eq!(all, (1..=2 * rows + 2).collect::<Vec<_>>());
    let told: Vec<Value> = scene.reader.read("srv.transaction").iter().map(|record| record.json()).collect();
    let of_it = |event: &&Value| event["status"] == "BEGIN" || event["data_collections"][0]["data_collection"] != "public.fence";
    let told: Vec<&Value> = told.iter().filter(of_it).collect();
    assert_eq!((told[0]["status"].as_str(), told[1]["status"].as_str()), (Some("BEGIN"), Some("END")));
    assert_eq!(told[1]["event_count"], json!(2 * rows + 2));
    assert_eq!(told.iter().filter(|event| event["status"] == "END").count(), 1);
}

/// What a connector does before and beside reading: statements on its sessions, identities of tables, heartbeats with a query,
/// topics with partitions of their own. The pinned settings hold whatever the statements say.
#[test]
fn sessions_tables_heartbeats_and_topics_are_prepared_as_asked() {
    let Some(server) = shared_server() else { return };
    let more = json!({
        "snapshot.mode": "initial",
        "database.initial.statements": "insert into other.opened values ('a;;b'); set bytea_output = 'escape'",
        "replica.identity.autoset.values": "public[.]t:FULL",
        "heartbeat.interval.ms": "200", "topic.heartbeat.prefix": "hb", "heartbeat.action.query": "insert into beats default values",
        "topic.creation.groups": "wide", "topic.creation.wide.include": "srv[.]public[.]t", "topic.creation.wide.partitions": "3",
        "topic.creation.wide.replication.factor": "1",
        "guardrail.collections.max": "1",
    });
    let setup = "create table t(id int primary key, v bytea); insert into t values (1, '\\x0102'); create table beats(id serial primary key); \
                 create schema other; create table other.opened(text text)";
    let scene = Scene::prepared(server, "prepared", setup, &more);
    scene.connect();
    scene.wait_until_streaming();
    scene.sql.run("insert into t values (2, '\\x0304')");
    let events = scene.events("t");
    let values: Vec<&Value> = events.iter().map(|event| &event["after"]["v"]).collect();
    assert!(values.contains(&&json!("AQI=")) && values.contains(&&json!("AwQ=")) && values.len() == 2, "{values:?}");
    assert_eq!(scene.sql.one("select relreplident::text from pg_class where relname = 't' and relkind = 'r'"), "f");
    let opened = scene.sql.rows("select distinct text from other.opened");
    assert_eq!(opened, [vec![Some("a;b".to_owned())]], "each session ran the statements");
    wait_for("two heartbeats' queries", || (scene.events("beats").len() >= 2).then_some(()));
    let topics = scene.reader.topics();
    assert!(topics.contains(&("hb.srv".to_owned(), 1)) && topics.contains(&("srv.public.t".to_owned(), 3)), "{topics:?}");
    assert!(topics.contains(&("srv.public.beats".to_owned(), 1)), "{topics:?}");
}

#[test]
fn too_many_tables_and_a_refused_statement_fail_the_connector() {
    let Some(server) = shared_server() else { return };
    for (more, code) in [
        (json!({"guardrail.collections.max": "1", "guardrail.collections.limit.action": "fail"}), "config/guardrail"),
        (json!({"database.initial.statements": "set role nobody_of_that_name"}), "pg/initial-statements"),
        (json!({"replica.identity.autoset.values": "public.t:FULL,public.*:DEFAULT"}), "config/value"),
    ] {
        let scene = Scene::prepared(server, "refused", "create table t(id int primary key)", &more);
        scene.connect();
        let trace = scene.rowfeed.wait_until_failed("scene");
        assert!(trace.starts_with(code), "{trace}");
        assert_eq!(scene.sql.one("select count(*) from pg_replication_slots where database = current_database()"), "0", "{code}");
    }
}

/// `slot.failover` and `slot.stream.params` need newer servers: `ROWFEED_PG=18`.
#[test]
fn a_slot_survives_a_failover_and_its_stream_has_parameters() {
    let Some(server) = shared_server() else { return };
    let newer = programs().is_some_and(|programs| programs.major() >= 17);
    let more = if newer { json!({"slot.failover": "true", "slot.stream.params": "origin=none"}) } else { json!({"slot.failover": "true"}) };
    let scene = Scene::prepared(server, "failover", "create table t(id int primary key)", &more);
    scene.connect();
    scene.wait_until_streaming();
    scene.sql.run("insert into t values (1)");
    assert_eq!(scene.events("t").len(), 1);
    if newer {
        let slot = scene.slot();
        assert_eq!(scene.sql.one(&format!("select failover from pg_replication_slots where slot_name = '{slot}'")), "t");
    }
}

const RESELECT: &str = "io.debezium.processors.reselect.ReselectColumnsPostProcessor";

fn large(setup: &str) -> String {
    let columns = "big text, kept text, hidden text, n int";
    let external = "alter big set storage external, alter kept set storage external, alter hidden set storage external";
    format!("create table t(id int primary key, {columns}); alter table t {external}; {setup}")
}

/// `post.processors`: what an event lacks is read from the table, masked as ever; a row that is gone leaves it as it is.
#[test]
fn values_that_an_event_lacks_are_read_again() {
    let more = json!({"post.processors": "again", "again.type": RESELECT, "again.reselect.columns.exclude.list": "public.t:kept",
        "column.mask.with.3.chars": "public.t.hidden"});
    let Some(mut scene) = Scene::start("reselect", &large(""), &more) else { return };
    let values = "repeat('x', 10000), repeat('y', 10000), repeat('z', 10000)";
    scene.sql.run(&format!("insert into t values (1, {values}, 1)"));
    scene.sql.run("update t set n = 2");
    scene.fence();
    scene.sql.run("update t set id = 2");
    let events = scene.events("t");
    assert_eq!(Scene::ops(&events), "cud-c");
    for place in [1, 4] {
        let after = &events[place]["after"];
        assert_eq!(after["big"], json!("x".repeat(10_000)));
        assert_eq!((&after["kept"], &after["hidden"]), (&json!("__debezium_unavailable_value"), &json!("***")));
    }
    // What happens while nobody reads: the row of then is gone, or newer than the event.
    scene.rowfeed.kill();
    scene.sql.run("update t set n = 3; delete from t; insert into t values (3, null, null, null, null)");
    scene.sql.run("update t set big = 'later', n = 4 where id = 3");
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    let events = scene.events("t");
    assert_eq!(Scene::ops(&events[5..]), "ud-cu");
    assert_eq!(events[5]["after"]["big"], json!("__debezium_unavailable_value"));
    assert_eq!(
        (&events[8]["after"]["big"], &events[8]["after"]["n"], &events[8]["after"]["kept"]),
        (&json!("later"), &json!(4), &json!(null))
    );
}

#[test]
fn a_row_that_cannot_be_read_again_stops_the_connector_where_that_is_asked_for() {
    let more = json!({"post.processors": "again", "again.type": RESELECT, "again.reselect.error.handling.mode": "fail",
        "again.reselect.null.values": "false"});
    let Some(mut scene) = Scene::start("reselectfail", &large("insert into t values (1, repeat('x', 10000), null, null, 1)"), &more) else {
        return;
    };
    scene.fence();
    scene.rowfeed.kill();
    scene.sql.run("update t set n = 2; delete from t");
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    let trace = scene.rowfeed.wait_until_failed("scene");
    assert!(trace.starts_with("reselect/failed"), "{trace}");
}

/// A table that somebody holds locked: the session lives on, and a pause need not wait for the lock.
#[test]
fn a_locked_table_holds_up_neither_the_session_nor_a_pause() {
    let more = json!({"post.processors": "again", "again.type": RESELECT, "status.update.interval.ms": "200"});
    let Some(mut scene) = Scene::start("reselectlock", &large("insert into t values (1, repeat('x', 10000), '', '', 1)"), &more) else {
        return;
    };
    scene.fence();
    scene.rowfeed.kill();
    scene.sql.run("update t set n = 2");
    let locker = scene.database.sql();
    locker.run("begin; lock table t in access exclusive mode");
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    let slot = scene.slot().to_owned();
    // Some PostgreSQL lock a table to tell its columns' defaults: there the connector waits before it asks for the row.
    let earlier = || scene.rowfeed.log().contains("pg/locked");
    let waiting = "select count(*) from pg_stat_activity where application_name like '%reselect' and wait_event_type = 'Lock'";
    wait_for("the row to be asked for", || (earlier() || scene.sql.one(waiting) == "1").then_some(()));
    if !earlier() {
        let replied = "select reply_time from pg_stat_replication r join pg_replication_slots s on s.active_pid = r.pid where slot_name = ";
        let before = scene.sql.one(&format!("{replied}'{slot}'"));
        wait_for("a later status", || (scene.sql.one(&format!("{replied}'{slot}'")) > before).then_some(()));
    }
    let answer = http::request(&scene.rowfeed.http(), "PUT", "/connectors/scene/pause", None).expect("an answer");
    assert_eq!(answer.status, 202);
    let active = format!("select active from pg_replication_slots where slot_name = '{slot}'");
    wait_for("the slot to be left", || (scene.sql.one(&active) == "f").then_some(()));
    locker.run("rollback");
    http::request(&scene.rowfeed.http(), "PUT", "/connectors/scene/resume", None).expect("an answer");
    let events = scene.events("t");
    assert_eq!((Scene::ops(&events), &events[0]["after"]["big"]), ("u".to_owned(), &json!("x".repeat(10_000))));
}

/// Aim: a commit that is decoded before others see it is waited for, not published without its values. Method: a standby that
/// does not exist has to confirm commits, which holds them behind their WAL record.
#[test]
fn a_value_is_read_again_when_its_transaction_is_visible() {
    let Some(server) = own_server(true, &[("fsync", "off")]) else { return };
    let more = json!({"post.processors": "again", "again.type": RESELECT, "again.reselect.error.handling.mode": "fail",
        "status.update.interval.ms": "200"});
    let setup = large("insert into t values (1, repeat('x', 10000), '', '', 1)");
    let Some(scene) = Scene::on(&server, "reselecthidden", &setup, &more) else { return };
    scene.fence();
    let other = scene.database.sql();
    other.run("set synchronous_commit = local");
    let held_by = |setting: &str| {
        other.run(&format!("alter system {setting}"));
        other.run("select pg_reload_conf()");
    };
    held_by("set synchronous_standby_names = 'nobody'");
    let writer = scene.database.sql();
    wait_for("the setting", || (writer.one("show synchronous_standby_names") == "nobody").then_some(()));
    // Commits wait from the moment on in which the checkpointer, which nobody can ask, has read it, too.
    std::thread::sleep(Duration::from_secs(1));
    let held = std::thread::spawn(move || writer.run("update t set id = 2, n = 2"));
    wait_for("the commit to hang", || {
        (other.one("select count(*) from pg_stat_activity where wait_event = 'SyncRep'") == "1").then_some(())
    });
    let sessions = "select count(*) from pg_stat_activity where application_name like '%reselect'";
    wait_for("the row to be asked for", || (other.one(sessions) == "1").then_some(()));
    // Much longer than one question takes: it is asked for again and again.
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!((other.one("select id from t").as_str(), scene.reader.read(&Scene::topic("t")).len()), ("1", 0));
    held_by("reset synchronous_standby_names");
    held.join().expect("it commits");
    let events = scene.events("t");
    assert_eq!((Scene::ops(&events), &events[2]["after"]["big"]), ("d-c".to_owned(), &json!("x".repeat(10_000))));
}

/// `lsn.flush.mode=manual`: the slot stays where it is, and what comes again after a restart is recognised.
#[test]
fn nothing_is_confirmed_in_the_manual_mode() {
    let more = json!({"lsn.flush.mode": "manual", "status.update.interval.ms": "100"});
    let Some(mut scene) = Scene::start("manual", "create table t(id int primary key)", &more) else { return };
    let slot = scene.slot().to_owned();
    let confirmed = format!("select confirmed_flush_lsn from pg_replication_slots where slot_name = '{slot}'");
    let before = scene.sql.one(&confirmed);
    scene.sql.run("insert into t select generate_series(1, 100)");
    assert_eq!(scene.events("t").len(), 100);
    let replied = "select reply_time from pg_stat_replication r join pg_replication_slots s on s.active_pid = r.pid where slot_name = ";
    let told = scene.sql.one(&format!("{replied}'{slot}'"));
    wait_for("a later status", || (scene.sql.one(&format!("{replied}'{slot}'")) > told).then_some(()));
    assert_eq!(scene.sql.one(&confirmed), before);
    scene.rowfeed.stop();
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    scene.sql.run("insert into t values (101)");
    assert_eq!(scene.events("t").len(), 101, "what was published is not published again");
    assert_eq!(scene.sql.one(&confirmed), before);
}

/// An outbox whose payload is bytes.
#[test]
fn a_payload_of_bytes_is_published_as_it_is() {
    let more = json!({"transforms": "outbox", "transforms.outbox.type": "io.debezium.transforms.outbox.EventRouter",
        "predicates": "outbox", "predicates.outbox.type": "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
        "predicates.outbox.pattern": ".*outbox", "transforms.outbox.predicate": "outbox",
        "key.converter": "org.apache.kafka.connect.storage.StringConverter", "value.converter": "io.debezium.converters.ByteArrayConverter",
        "value.converter.delegate.converter.type": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.delegate.converter.type.schemas.enable": "false",
        "table.include.list": "public.outbox"});
    let setup = "create table outbox(id uuid primary key, aggregatetype text, aggregateid text, type text, payload bytea)";
    let Some(scene) = Scene::start("outboxbytes", setup, &more) else { return };
    scene.sql.run("insert into outbox values (gen_random_uuid(), 'order', '42', 'made', '\\x00ff22'), (gen_random_uuid(), 'order', '43', 'made', null)");
    let records = wait_for("two messages", || Some(scene.reader.read("outbox.event.order")).filter(|records| records.len() == 2));
    let read: Vec<_> = records.iter().map(|record| (record.key.as_deref(), record.value.as_deref())).collect();
    assert_eq!(read, [(Some(&b"42"[..]), Some(&[0, 0xff, 0x22][..])), (Some(&b"43"[..]), None)]);
}

/// Aim: `source.xmin` is the slot's, no older than the interval. Method: transactions and checkpoints until the server has
/// moved it.
#[test]
fn the_slots_xmin_is_told_and_follows_it() {
    let Some(scene) = Scene::start("xmin", "create table t(id serial primary key)", &json!({"xmin.fetch.interval.ms": "1"})) else {
        return;
    };
    let told = |scene: &Scene| scene.events("t").last().and_then(|event| event["source"]["xmin"].as_u64());
    let of_slot = |scene: &Scene| -> u64 {
        let text = scene.sql.one(&format!("select catalog_xmin from pg_replication_slots where slot_name = '{}'", scene.slot()));
        text.parse().expect("a number")
    };
    let before = of_slot(&scene);
    scene.sql.run("insert into t default values");
    let first = told(&scene).expect("a number");
    assert!(first >= before, "{first} {before}");
    wait_for("the slot's xmin to move", || {
        scene.sql.run("insert into t default values");
        scene.sql.run("checkpoint");
        (of_slot(&scene) > first).then_some(())
    });
    let moved = of_slot(&scene);
    std::thread::sleep(std::time::Duration::from_millis(5));
    scene.sql.run("insert into t default values");
    assert!(told(&scene) >= Some(moved), "{:?} {moved}", told(&scene));
    // Nobody can look it up: the stream goes on with what is known.
    let allow =
        |allowed: bool| scene.sql.run(&format!("update pg_database set datallowconn = {allowed} where datname = current_database()"));
    allow(false);
    scene.sql.run(
        "select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and application_name like 'rowfeed %' and backend_type = 'client backend'",
    );
    scene.sql.run("insert into t default values");
    let told = told(&scene);
    allow(true);
    assert!(told >= Some(moved), "{told:?} {moved}");
    assert!(scene.rowfeed.log().contains("source.xmin could not be looked up"));
}
