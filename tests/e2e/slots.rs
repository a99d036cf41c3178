//! Slots are shown, watched and dropped before they harm the database.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::http;
use crate::support::postgres::{fresh_database, own_server, shared_server};
use crate::support::scene::Scene;
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
