//! What operators watch: the metrics of a service that works, and the alert rules and dashboard made of them.
//!
//! Aim: every number on the pages comes from real work, Prometheus's own checker finds nothing to say, and no rule or panel asks
//! for a series that is not there. Method: a real capture, `promtool` of Debian's prometheus, the files of `deploy/`.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::http::get;
use crate::support::scene::Scene;
use crate::support::{missing, wait_for};

/// Where every metric is named.
const METRICS: &str = include_str!("../../src/metrics/mod.rs");

/// Runs promtool with `input`; its words when it is not content. `None` where there is no promtool.
fn promtool(arguments: &[&str], input: &str) -> Option<Result<(), String>> {
    let child = Command::new("promtool").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut child) = child else {
        missing("promtool (Debian package prometheus)");
        return None;
    };
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("promtool reads");
    let done = child.wait_with_output().expect("promtool ends");
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    Some(if done.status.success() { Ok(()) } else { Err(said) })
}

fn deploy(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Names of ours in a query.
fn names(query: &str) -> impl Iterator<Item = String> + '_ {
    let words = query.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    words.filter(|word| word.starts_with("rowfeed_") || word.starts_with("process_")).map(str::to_owned)
}

/// The value of the series that begins so.
fn value(page: &str, series: &str) -> f64 {
    let line = page.lines().find(|line| line.starts_with(series)).unwrap_or_else(|| panic!("{series} is not in\n{page}"));
    line.rsplit(' ').next().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{line}"))
}

#[test]
fn the_metrics_tell_what_was_done_and_prometheus_is_content() {
    let setup = "create table t(id int primary key, v text); insert into t select n, 'x' from generate_series(1, 40) n; analyze t";
    let Some(scene) = Scene::start("metrics", setup, &json!({ "skipped.operations": "d", "snapshot.mode": "initial" })) else { return };
    scene.sql.run("insert into t values (100, 'a')");
    scene.sql.run("update t set v = 'b' where id = 100");
    scene.sql.run("delete from t where id = 1");
    scene.fence();
    let http = scene.rowfeed.http();
    assert_eq!(get(&http, "/connectors/none").expect("an answer").status, 404);
    let page = wait_for("the changes to be counted as durable", || {
        let page = get(&http, "/metrics").expect("an answer").body;
        (value(&page, "rowfeed_commit_to_log_seconds_count{connector=\"scene\"}") >= 1.0).then_some(page)
    });
    assert!(value(&page, "rowfeed_changes_total{connector=\"scene\",op=\"c\"}") >= 1.0);
    assert!(value(&page, "rowfeed_changes_total{connector=\"scene\",op=\"r\"}") >= 40.0);
    assert_eq!(value(&page, "rowfeed_filtered_total{connector=\"scene\",reason=\"skipped.operations\"}"), 1.0);
    assert_eq!(value(&page, "rowfeed_snapshot_rows{connector=\"scene\",table=\"public.t\"}"), 40.0);
    assert_eq!(value(&page, "rowfeed_snapshot_rows_estimated{connector=\"scene\",table=\"public.t\"}"), 40.0);
    assert!(value(&page, "rowfeed_http_requests_total{route=\"/connectors/{name}\",method=\"GET\",status=\"404\"}") >= 1.0);
    assert!(value(&page, "rowfeed_source_lag_bytes{connector=\"scene\"}") < 1e9);
    assert!(value(&page, "process_cpu_seconds_total") > 0.0);
    if let Some(said) = promtool(&["check", "metrics"], &page) {
        assert_eq!(said, Ok(()), "{page}");
    }

    let debezium = get(&http, "/metrics/debezium").expect("an answer").body;
    let at = |metric: &str, context: &str| {
        value(&debezium, &format!("debezium_metrics_{metric}{{plugin=\"postgres\",name=\"srv\",context=\"{context}\""))
    };
    assert_eq!(at("Connected", "streaming"), 1.0);
    assert!(at("TotalNumberOfEventsSeen", "streaming") >= 2.0);
    assert!(at("MilliSecondsSinceLastEvent", "streaming") >= 0.0);
    assert_eq!(at("NumberOfEventsSkipped", "streaming"), 1.0);
    assert_eq!(
        (at("SnapshotCompleted", "snapshot"), at("SnapshotRunning", "snapshot"), at("SnapshotAborted", "snapshot")),
        (1.0, 0.0, 0.0)
    );
    assert_eq!(at("RemainingTableCount", "snapshot"), 0.0);
    assert!(at("TotalNumberOfEventsSeen", "snapshot") >= 40.0);
    assert!(debezium.contains("context=\"snapshot\",table=\"public.t\"} 40.0"), "{debezium}");
    rules_and_panels_ask_for_what_is_there(&page);
}

/// A series that nobody writes makes a rule that never fires, and a panel that is always empty.
fn rules_and_panels_ask_for_what_is_there(page: &str) {
    let rules = deploy("prometheus/rowfeed.rules.yml");
    let dashboard: Value = serde_json::from_str(&deploy("grafana/rowfeed.json")).expect("the dashboard is JSON");
    let written: BTreeSet<String> = page.lines().filter(|line| !line.starts_with('#')).flat_map(|line| names(line).next()).collect();
    // What has no series as long as nothing is there (consumer groups) is known by its name.
    let declared = |name: &str| {
        let base = ["_total", "_bucket", "_count", "_sum"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
        METRICS.contains(&format!("\"{base}\""))
    };
    let mut queries: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).collect();
    assert!(queries.len() >= 8, "the rules are one query a line");
    let panels = dashboard["panels"].as_array().expect("panels");
    queries.extend(
        panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten()).filter_map(|target| target["expr"].as_str()),
    );
    assert!(queries.len() >= 20, "the panels have queries");
    for query in queries {
        for name in names(query) {
            assert!(written.contains(&name) || declared(&name), "{name} of `{query}` is not in\n{page}");
        }
    }
}

#[test]
fn prometheus_takes_the_rules_and_they_fire_when_they_should() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus");
    for (verb, file) in [(["check", "rules"], "rowfeed.rules.yml"), (["test", "rules"], "rowfeed.rules.test.yml")] {
        let path = folder.join(file);
        let arguments = [verb[0], verb[1], path.to_str().expect("a path")];
        let Some(said) = promtool(&arguments, "") else { return };
        assert_eq!(said, Ok(()), "promtool {arguments:?}");
    }
}

/// What a screen begins with is known again as soon as the service is.
#[test]
fn tables_and_their_changes_are_told_and_the_first_also_after_a_restart() {
    let setup = "create table t(id int primary key, v text); create table u(id int primary key); insert into t values (1, 'x')";
    let Some(mut scene) = Scene::start("told", setup, &json!({ "skipped.operations": "none" })) else { return };
    scene.sql.run("insert into t values (2, 'a'); update t set v = 'b'; delete from t where id = 2; truncate t");
    scene.fence();
    let ask = |scene: &Scene, path: &str| get(&scene.rowfeed.http(), path).expect("an answer").json();
    let counts = wait_for("the changes to be counted", || {
        let items = ask(&scene, "/v1/connectors/scene/tables")["items"].take();
        items.as_array()?.iter().find(|item| item["table"] == "public.t").cloned()
    });
    assert_eq!(counts, json!({ "table": "public.t", "inserts": 1, "updates": 2, "deletes": 1, "truncates": 1 }));
    assert_eq!(get(&scene.rowfeed.http(), "/v1/connectors/none/tables").expect("an answer").status, 404);
    let kafka = scene.rowfeed.kafka();
    for started in ["first", "again"] {
        let status = ask(&scene, "/v1/status");
        let connector = &status["connectors"][0];
        assert_eq!((&connector["state"], &connector["tables"]), (&json!("streaming"), &json!(3)), "{started}: {connector:#}");
        assert!(connector["state_since"].as_str().is_some_and(|since| since.ends_with('Z')), "{connector:#}");
        assert!(status["kafka"]["address"].is_string(), "{status:#}");
        if started == "first" {
            assert_eq!(status["kafka"]["address"], kafka.as_str());
            scene.rowfeed.kill();
            scene.rowfeed.run();
            scene.rowfeed.wait_until_ready();
            scene.wait_until_streaming();
        }
    }
}
