//! Slots are shown, watched and dropped before they harm the database.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::http;
use crate::support::postgres::{fresh_database, own_server, shared_server};
use crate::support::scene::Scene;
use crate::support::service::{Rowfeed, with};
use crate::support::{wait_at_most, wait_for};

const TABLE: &str = "create table t(id int primary key)";

/// `rowfeed slots ...` without a terminal: exit code, output, errors.
fn slots(args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rowfeed"));
    let done = command.arg("slots").args(args).stdin(Stdio::null()).output().expect("rowfeed starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (done.status.code(), text(&done.stdout), text(&done.stderr))
}

#[test]
fn where_nothing_limits_a_slot_no_limit_is_shown() {
    let Some(server) = shared_server() else { return };
    let database = fresh_database(server, "unlimited");
    let sql = database.sql();
    sql.run(&format!("select pg_create_logical_replication_slot('{}', 'pgoutput')", database.name));
    let (code, text, said) = slots(&["show", &database.name, "--url", &server.url(&database.name), "--json"]);
    sql.run(&format!("select pg_drop_replication_slot('{}')", database.name));
    let shown: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{code:?} {said}"));
    assert_eq!((&shown["safe_bytes"], &shown["wal_status"]), (&json!(null), &json!("reserved")), "{shown}");
}

#[test]
fn a_slot_that_is_left_is_told_in_time_and_dropped_only_when_nobody_needs_it() {
    let Some(server) = own_server(false, &[("max_slot_wal_keep_size", "96MB")]) else { return };
    let Some(mut scene) = Scene::on(&server, "left", TABLE, &json!({})) else { return };
    scene.sql.run("insert into t values(0)");
    scene.fence();
    let (address, slot) = (scene.rowfeed.http(), scene.slot().to_owned());
    let name = http::get(&address, "/connectors").expect("rowfeed answers").json()[0].as_str().expect("a name").to_owned();
    let at = format!("http://{address}");

    let (code, text, said) = slots(&["list", "--server", &at]);
    assert!(code == Some(0) && text.starts_with("SLOT") && text.contains("yes pid") && text.contains(&name), "{text}{said}");
    let (_, text, _) = slots(&["show", &slot, "--server", &at, "--json"]);
    let shown: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        (&shown["schema"], &shown["connector"], &shown["active"]),
        (&json!("rowfeed/slot@1"), &json!(name), &json!(true)),
        "{shown}"
    );
    assert!(shown["safe_bytes"].as_u64() > Some(0) && shown["holder"].as_str().is_some_and(|holder| holder.contains(&name)), "{shown}");
    let (code, _, said) = slots(&["drop", &slot, "--server", &at, "--yes"]);
    assert!(code == Some(1) && said.contains("is being read"), "{said}");
    let (code, _, said) = slots(&["drop", "nothing", "--server", &at, "--yes"]);
    assert!(code == Some(5) && said.contains("there is no slot"), "{said}");

    // A connector that rests keeps the slot, and does not see what it keeps.
    let ask = |method: &str, path: &str| http::request(&address, method, path, None).expect("rowfeed answers").status;
    assert_eq!(ask("PUT", &format!("/connectors/{name}/pause")), 202);
    wait_for("the slot to be left", || (scene.sql.one("select bool_or(active) from pg_replication_slots") == "f").then_some(()));
    assert_eq!(ask("DELETE", &format!("/v1/slots/{slot}")), 409, "a paused connector will go on");
    for id in 1..=5 {
        scene.sql.run(&format!("insert into t values({id})"));
        scene.sql.run("select pg_switch_wal()");
    }
    let metric = format!("rowfeed_slot_retained_bytes{{connector=\"{name}\"}} ");
    wait_at_most(std::time::Duration::from_secs(40), "the metric to say what the slot keeps", || {
        let page = http::get(&address, "/metrics").expect("rowfeed answers").body;
        let kept: f64 = page.lines().find_map(|line| line.strip_prefix(&metric))?.parse().expect("a number");
        (kept > f64::from(64 << 20) && page.contains("rowfeed_slot_safe_bytes")).then_some(())
    });
    assert!(scene.rowfeed.log().contains("slot/wal-limit"), "{}", scene.rowfeed.log());
    let status = scene.rowfeed.status(&name);
    assert!(status["tasks"][0]["warning"].as_str().is_some_and(|warning| warning.contains("more and it is lost")), "{status}");
    let ready = http::get(&address, "/readyz?verbose").expect("rowfeed answers").body;
    assert!(ready.contains("[!]connector") && ready.contains("slot/wal-limit"), "{ready}");

    assert_eq!(ask("DELETE", &format!("/connectors/{name}")), 204);
    assert_eq!(scene.sql.one("select count(*) from pg_replication_slots"), "1", "its slot stays");
    wait_for("the way to drop it to be told", || scene.rowfeed.log().contains(&format!("rowfeed slots drop {slot} --url")).then_some(()));
    assert_eq!(ask("DELETE", &format!("/v1/slots/{slot}")), 404, "no connector reads that server any more");
    let url = server.url("postgres");
    let (code, text, _) = slots(&["list", "--url", &url]);
    assert!(code == Some(0) && text.contains(&slot) && text.contains("(not ours)"), "{text}");
    let (code, _, said) = slots(&["drop", &slot, "--url", &url]);
    assert!(code == Some(2) && said.contains("--yes"), "it asks: {said}");
    let (code, text, said) = slots(&["drop", &slot, "--url", &url, "--yes"]);
    assert!(code == Some(0) && text.contains("is dropped"), "{said}");
    assert_eq!(scene.sql.one("select count(*) from pg_replication_slots"), "0");
    scene.rowfeed.stop();
}

/// Aim: a budget keeps a database's disk from filling, and nothing is lost unnoticed for it. Method: a paused connector whose
/// policy is to drop, a neighbour in the same database whose policy is to warn.
#[test]
fn a_slot_beyond_its_budget_is_dropped_where_that_was_chosen_and_the_gap_is_told() {
    let Some(server) = own_server(false, &[]) else { return };
    let more = json!({"slot.max.retained.bytes": "64MiB", "slot.max.retained.policy": "drop"});
    let Some(mut scene) = Scene::on(&server, "budget", TABLE, &more) else { return };
    scene.sql.run("insert into t values(0)");
    scene.fence();
    let address = scene.rowfeed.http();
    let warns = with(
        scene.config().clone(),
        &json!({"topic.prefix": "other", "slot.name": "warned", "publication.name": "warned", "slot.max.retained.policy": "warn"}),
    );
    let answer = scene.rowfeed.put_connector("warned", &warns);
    assert_eq!(answer.status, 201, "{}", answer.body);
    scene.rowfeed.wait_until_streaming("warned", &scene.sql, "warned");
    let ask = |method: &str, path: &str| http::request(&address, method, path, None).expect("rowfeed answers").status;
    for name in ["scene", "warned"] {
        assert_eq!(ask("PUT", &format!("/connectors/{name}/pause")), 202);
    }
    wait_for("the slots to be left", || (scene.sql.one("select bool_or(active) from pg_replication_slots") == "f").then_some(()));
    for id in 1..=6 {
        scene.sql.run(&format!("insert into t values({id})"));
        scene.sql.run("select pg_switch_wal()");
    }
    wait_at_most(std::time::Duration::from_secs(40), "the slot to be dropped", || {
        (scene.sql.one("select string_agg(slot_name, ',') from pg_replication_slots") == "warned").then_some(())
    });
    let status = wait_for("the state to say so", || {
        let status = scene.rowfeed.status("scene");
        status["connector"]["warning"].as_str().is_some_and(|warning| warning.starts_with("slot/dropped")).then_some(status)
    });
    assert_eq!(status["connector"]["state"], "STOPPED", "{status}");
    let own = http::get(&address, "/v1/connectors/scene").expect("rowfeed answers").json();
    assert_eq!((&own["state"], &own["warning"]["code"]), (&json!("stopped"), &json!("slot/dropped")), "{own}");
    let warned = scene.rowfeed.status("warned");
    assert!(warned["tasks"][0]["warning"].as_str().is_some_and(|text| text.contains("budget is 64 MiB")), "{warned}");
    assert_eq!(warned["connector"]["state"], "PAUSED", "{warned}");

    // Not even a restart of the service goes on over the gap.
    scene.rowfeed.stop();
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    let status = wait_at_most(std::time::Duration::from_secs(40), "why it is stopped to be known again", || {
        let status = scene.rowfeed.status("scene");
        status["connector"]["warning"].as_str().is_some_and(|warning| warning.starts_with("slot/dropped")).then_some(status)
    });
    assert_eq!(status["connector"]["state"], "STOPPED", "{status}");
    assert_eq!(http::request(&address, "PUT", "/connectors/scene/resume", None).expect("rowfeed answers").status, 202);
    let trace = scene.rowfeed.wait_until_failed("scene");
    assert!(trace.starts_with("slot/gone") && trace.contains("would be missing"), "{trace}");
    scene.rowfeed.stop();
}

/// Aim: the log's own full disk, which is what lets a slot grow, does not keep the slot from being dropped. Method: the service
/// starts with a reserve that no disk has, so that nothing can be kept, either; the gap is told all the same when it can.
#[test]
fn a_full_disk_of_the_log_does_not_keep_a_slot_beyond_its_budget() {
    let Some(server) = own_server(false, &[]) else { return };
    let more = json!({"slot.max.retained.bytes": "64MiB", "slot.max.retained.policy": "drop"});
    let Some(mut scene) = Scene::on(&server, "full", TABLE, &more) else { return };
    scene.sql.run("insert into t values(0)");
    scene.fence();
    scene.rowfeed.stop();
    for id in 1..=6 {
        scene.sql.run(&format!("insert into t values({id})"));
        scene.sql.run("select pg_switch_wal()");
    }
    scene.rowfeed.set_variable("ROWFEED_LOG_MIN_FREE_BYTES", "9000TiB");
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    wait_at_most(std::time::Duration::from_secs(60), "the slot to be dropped", || {
        (scene.sql.one("select count(*) from pg_replication_slots") == "0").then_some(())
    });
    wait_for("the state to say so", || {
        let status = scene.rowfeed.status("scene");
        let says = status["connector"]["warning"].as_str().is_some_and(|warning| warning.starts_with("slot/dropped"));
        (says && status["connector"]["state"] == "STOPPED").then_some(())
    });
    scene.rowfeed.stop();
    scene.rowfeed.set_variable("ROWFEED_LOG_MIN_FREE_BYTES", "1MiB");
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    let trace = scene.rowfeed.wait_until_failed("scene");
    assert!(trace.starts_with("slot/gone") && trace.contains("would be missing"), "{trace}");
    scene.rowfeed.stop();
}

/// Another installation has a connector of the same name on the same slot: a person is told it is not ours.
#[test]
fn another_instance_on_the_slot_is_told_from_an_own_session() {
    let Some(server) = own_server(false, &[]) else { return };
    let Some(scene) = Scene::on(&server, "twins", TABLE, &json!({})) else { return };
    let id = std::fs::read_to_string(scene.rowfeed.data().join("instance-id")).expect("an id");
    let seen = scene.sql.one("select application_name from pg_stat_replication");
    assert!(seen.starts_with(&format!("rowfeed scene #{}.", id.trim())), "{seen}");
    let mut twin = Rowfeed::start(&[]);
    assert_eq!(twin.put_connector("scene", scene.config()).status, 201);
    let told = wait_for("the twin to say who reads the slot", || {
        let status = twin.status("scene");
        status["tasks"][0]["trace"].as_str().filter(|trace| trace.starts_with("pg/slot-active")).map(str::to_owned)
    });
    assert!(told.contains(&format!("another rowfeed instance (id {}", id.trim())) && told.contains("pg_terminate_backend"), "{told}");
    twin.stop();
}

/// Aim: what the application has locked delays the start, is told with who holds it, and nobody queues behind us for long.
#[test]
fn a_locked_table_delays_the_start_audibly_and_nobody_queues_behind_it() {
    let Some(server) = own_server(false, &[]) else { return };
    let scene = Scene::prepared(&server, "locked", TABLE, &json!({}));
    let holder = scene.database.sql();
    holder.run("set application_name = 'migration'");
    holder.run("begin; lock table t in share mode");
    scene.connect();
    wait_for("our statement to wait", || {
        let waiting = "select count(*) from pg_locks l join pg_stat_activity a using (pid) where not l.granted and a.application_name like 'rowfeed scene%'";
        (scene.sql.one(waiting) != "0").then_some(())
    });
    // As a second index would: it suits the holder, and would wait behind us for as long as we wait.
    let began = std::time::Instant::now();
    scene.sql.run("begin; set local lock_timeout = '4s'; lock table t in share mode; commit");
    assert!(began.elapsed() < std::time::Duration::from_secs(4));
    let trace = wait_for("who is waited for", || {
        let status = scene.rowfeed.status("scene");
        status["tasks"][0]["trace"].as_str().filter(|trace| trace.starts_with("pg/locked")).map(str::to_owned)
    });
    assert!(trace.contains("migration") && trace.contains("public.t") && trace.contains("pg_terminate_backend"), "{trace}");
    // A migration that locks out everybody, from under the same transaction: the publication is not made in between.
    holder.run("lock table t in access exclusive mode");
    let trace = wait_for("who is waited for now", || {
        let status = scene.rowfeed.status("scene");
        status["tasks"][0]["trace"].as_str().filter(|trace| trace.contains("AccessExclusiveLock")).map(str::to_owned)
    });
    assert!(trace.starts_with("pg/locked") && trace.contains("migration"), "{trace}");
    holder.run("commit");
    scene.wait_until_streaming();
    scene.sql.run("insert into t values(1)");
    assert_eq!(scene.events("t").len(), 1);
}

/// The slot waits for every transaction that writes; with the publication there already, that is what an exclusive lock holds up.
#[test]
fn a_slot_that_cannot_be_made_yet_says_what_for() {
    let Some(server) = own_server(false, &[]) else { return };
    let scene = Scene::prepared(&server, "waits", TABLE, &json!({}));
    scene.sql.run(&format!("create publication {} for all tables", scene.slot()));
    let holder = scene.database.sql();
    holder.run("set application_name = 'migration'");
    holder.run("begin; lock table t in access exclusive mode; insert into t values(1)");
    let config = with(scene.config().clone(), &json!({"publication.autocreate.mode": "disabled"}));
    assert_eq!(scene.rowfeed.put_connector("scene", &config).status, 201);
    let trace = wait_for("what is waited for", || {
        let status = scene.rowfeed.status("scene");
        assert_ne!(status["tasks"][0]["state"], "FAILED", "{status}");
        status["tasks"][0]["trace"].as_str().filter(|trace| trace.contains("migration")).map(str::to_owned)
    });
    assert!(trace.starts_with("pg/slot-waiting") || trace.starts_with("pg/locked"), "{trace}");
    holder.run("commit");
    scene.wait_until_streaming();
}
