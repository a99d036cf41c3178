//! What is told of a snapshot's progress.

use serde_json::{Value, json};

use crate::support::http;
use crate::support::postgres::shared_server;
use crate::support::scene::Scene;
use crate::support::wait_for;

/// Large enough for several commits of the log, and for a while.
const SETUP: &str = "
    create table a(id int primary key);
    create table big(id int primary key, v text);
    create table last(id int primary key);
    insert into a values (1), (2);
    insert into big select g, repeat(md5(g::text), 30) from generate_series(1, 60000) g;
    insert into last values (1)";

fn scene(name: &str) -> Option<Scene> {
    let more = json!({"snapshot.mode": "initial", "table.include.list": "public.(a|big|last)",
        "notification.enabled.channels": "sink", "notification.sink.topic.name": "told"});
    let scene = Scene::prepared(shared_server()?, name, SETUP, &more);
    scene.connect();
    wait_for("the first rows", || scene.reader.watermarks(&Scene::topic("big"), 0).filter(|(_, next)| *next > 0));
    Some(scene)
}

fn told(scene: &Scene) -> Vec<Value> {
    scene.reader.read("told").iter().map(|record| record.json()).collect()
}

/// Type, table and rows of each.
fn in_short(told: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().map(|text| format!(" {text}")).unwrap_or_default();
    let short = |value: &Value| {
        let data = &value["additional_data"];
        let kind = value["type"].as_str().unwrap_or_default();
        format!("{kind}{}{}", text(&data["current_collection_in_progress"]), text(&data["scanned_collection"]))
    };
    told.iter().map(short).collect()
}

/// Aim: whoever waits for the end of a snapshot is told, although the process was killed in the middle; and each row comes once.
#[test]
fn a_snapshot_that_is_killed_tells_of_its_rest() {
    let Some(mut scene) = scene("told_killed") else { return };
    scene.rowfeed.kill();
    let before = {
        scene.rowfeed.run();
        scene.rowfeed.wait_until_ready();
        wait_for("the end to be told", || told(&scene).iter().any(|told| told["type"] == "COMPLETED").then(|| told(&scene)))
    };
    let order = [
        "STARTED",
        "IN_PROGRESS public.a",
        "TABLE_SCAN_COMPLETED public.a",
        "IN_PROGRESS public.big",
        "STARTED",
        "IN_PROGRESS public.big",
        "TABLE_SCAN_COMPLETED public.big",
        "IN_PROGRESS public.last",
        "TABLE_SCAN_COMPLETED public.last",
        "COMPLETED",
    ];
    assert_eq!(in_short(&before), order);
    let rows = before[6]["additional_data"]["total_rows_scanned"].as_str().expect("a number").parse::<u64>().expect("a number");
    let (_, next) = scene.reader.watermarks(&Scene::topic("big"), 0).expect("the topic");
    assert_eq!(next, 60_000);
    assert!((1..60_000).contains(&rows), "{rows} rows after the kill");
    // A later start has nothing to read.
    scene.rowfeed.stop();
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    wait_for("that it is left out", || (in_short(&told(&scene)).get(order.len())? == "SKIPPED").then_some(()));
}

#[test]
fn a_snapshot_that_is_stopped_tells_so() {
    let Some(scene) = scene("told_stopped") else { return };
    let answer = http::request(&scene.rowfeed.http(), "PUT", "/connectors/scene/pause", None).expect("an answer");
    assert_eq!(answer.status, 202, "{}", answer.body);
    wait_for("the end to be told", || (in_short(&told(&scene)).last()? == "ABORTED").then_some(()));
    let rows = |scene: &Scene| scene.reader.watermarks(&Scene::topic("big"), 0).map_or(0, |(_, next)| next);
    assert!(rows(&scene) < 60_000);
    let answer = http::request(&scene.rowfeed.http(), "PUT", "/connectors/scene/resume", None).expect("an answer");
    assert_eq!(answer.status, 202, "{}", answer.body);
    wait_for("the end", || (in_short(&told(&scene)).last()? == "COMPLETED").then_some(()));
    assert_eq!(rows(&scene), 60_000, "nothing was lost or came twice");
}
