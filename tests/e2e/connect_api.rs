//! The REST interface as Kafka Connect's tools use it: shapes, codes, and what a restart keeps.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::http::{get, request};
use crate::support::postgres::{fresh_database, shared_server};
use crate::support::proxy::Proxy;
use crate::support::scene::Scene;
use crate::support::service::{Rowfeed, connector_config, with};

#[test]
fn a_connector_is_created_read_updated_and_deleted() {
    let Some(scene) = Scene::start("rest", "create table t(id int primary key)", &json!({})) else { return };
    let http = scene.rowfeed.http();
    assert_eq!(get(&http, "/connectors").expect("an answer").json(), json!(["scene"]));
    let told = get(&http, "/connectors/scene").expect("an answer").json();
    assert_eq!((&told["name"], &told["type"]), (&json!("scene"), &json!("source")));
    assert_eq!(told["config"]["topic.prefix"], "srv");
    assert_eq!(told["tasks"], json!([{"connector": "scene", "task": 0}]));
    let config = get(&http, "/connectors/scene/config").expect("an answer").json();
    assert_eq!(config, told["config"]);
    let status = scene.rowfeed.status("scene");
    assert_eq!(status["name"], "scene");
    assert_eq!(status["connector"]["state"], "RUNNING");
    assert_eq!((&status["tasks"][0]["id"], &status["tasks"][0]["state"]), (&json!(0), &json!("RUNNING")));
    assert_eq!(status["type"], "source");
    let again = scene.rowfeed.put_connector("scene", &config);
    assert_eq!(again.status, 200, "an update is 200: {}", again.body);
    scene.wait_until_streaming();
    let gone = request(&http, "DELETE", "/connectors/scene", None).expect("an answer");
    assert_eq!((gone.status, gone.body.as_str()), (204, ""));
    assert_eq!(get(&http, "/connectors/scene").expect("an answer").status, 404);
    assert_eq!(get(&http, "/connectors").expect("an answer").json(), json!([]));
}

#[test]
fn a_connector_and_its_events_survive_a_restart() {
    let Some(mut scene) = Scene::start("keep", "create table t(id int primary key)", &json!({})) else { return };
    scene.sql.run("insert into t values(1)");
    let before = scene.records("t");
    scene.rowfeed.kill();
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    assert_eq!(get(&scene.rowfeed.http(), "/connectors").expect("an answer").json(), json!(["scene"]));
    scene.wait_until_streaming();
    assert_eq!(scene.records("t"), before);
}

#[test]
fn what_is_not_there_is_404_and_what_is_wrong_is_400_with_a_message() {
    let rowfeed = Rowfeed::start(&[]);
    let http = rowfeed.http();
    let missing = get(&http, "/connectors/none/status").expect("an answer");
    assert_eq!(missing.status, 404);
    assert_eq!(missing.json()["error_code"], 404);
    assert!(missing.json()["message"].as_str().is_some_and(|text| text.contains("none")), "{}", missing.body);
    let wrong = rowfeed.put_connector("x", &json!({"connector.class": "io.debezium.connector.postgresql.PostgresConnector"}));
    assert_eq!(wrong.status, 400, "{}", wrong.body);
    assert!(wrong.json()["message"].as_str().is_some_and(|text| text.contains("topic.prefix")), "{}", wrong.body);
    let typo =
        rowfeed.put_connector("x", &json!({"connector.class": "io.debezium.connector.postgresql.PostgresConnector", "topic.prefx": "a"}));
    assert_eq!(typo.status, 400);
    assert_eq!(get(&http, "/connectors").expect("an answer").json(), json!([]));
}

/// As Debezium's validation does, and in bounded time; who wants a connector all the same makes it at rest.
#[test]
fn a_connection_that_leads_nowhere_is_refused_when_it_is_made_or_changed() {
    let Some(server) = shared_server() else { return };
    let database = fresh_database(server, "nowhere");
    database.sql().run("create table t(id int primary key)");
    let hanging = Proxy::start(database.port);
    hanging.freeze(true);
    let rowfeed = Rowfeed::start(&[]);
    let http = rowfeed.http();
    let right = connector_config(&database, "nowhere", "public.t");
    let refused = |answer: crate::support::http::Response, code: &str| {
        let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
        let begins = "Connector configuration is invalid and contains the following 1 error(s):\n";
        assert!(answer.status == 400 && message.starts_with(&format!("{begins}{code}: ")), "{} {message}", answer.status);
        assert!(message.contains("You can also find the above list of errors at the endpoint"), "{message}");
    };
    let post = |body: &Value| request(&http, "POST", "/connectors", Some(body)).expect("an answer");
    for (key, value, code) in [("database.port", "1", "pg/refused"), ("database.dbname", "nonsense", "pg/database")] {
        let wrong = with(right.clone(), &json!({ key: value }));
        refused(rowfeed.put_connector("shop", &wrong), code);
        refused(post(&json!({"name": "shop", "config": wrong})), code);
    }
    // One that takes the connection and says nothing holds up nobody else.
    let silent =
        with(right.clone(), &json!({"database.port": hanging.port().to_string(), "topic.prefix": "silent", "slot.name": "silent"}));
    let asked = std::thread::spawn({
        let (http, body) = (http.clone(), json!({"name": "silent", "config": silent.clone()}));
        move || {
            let began = Instant::now();
            (request(&http, "POST", "/connectors", Some(&body)).expect("an answer"), began.elapsed())
        }
    });
    assert_eq!(rowfeed.put_connector("shop", &right).status, 201);
    assert!(!asked.is_finished(), "one waits, the other does not");
    let (answer, took) = asked.join().expect("no panic");
    refused(answer, "pg/timeout");
    assert!(took < Duration::from_secs(15), "{took:?}");

    rowfeed.wait_until_streaming("shop", &database.sql(), &database.name);
    let patch = |body: &Value| request(&http, "PATCH", "/connectors/shop/config", Some(body)).expect("an answer");
    refused(patch(&json!({"database.port": "1"})), "pg/refused");
    assert_eq!(get(&http, "/connectors/shop/config").expect("an answer").json()["database.port"], database.port.to_string());
    // At rest nobody is asked.
    assert_eq!(request(&http, "PUT", "/connectors/shop/stop", None).expect("an answer").status, 204);
    assert_eq!(patch(&json!({"database.port": "1"})).status, 200);
    assert_eq!(post(&json!({"name": "silent", "config": silent, "initial_state": "STOPPED"})).status, 201);
}

#[test]
fn a_secret_is_never_told() {
    let Some(scene) = Scene::start("secret", "create table t(id int primary key)", &json!({"database.password": "s3cr3t-pass"})) else {
        return;
    };
    let http = scene.rowfeed.http();
    for path in ["/connectors/scene/status", "/metrics"] {
        assert!(!get(&http, path).expect("an answer").body.contains("s3cr3t-pass"), "{path}");
    }
    assert!(!scene.rowfeed.log().contains("s3cr3t-pass"), "the log");
}

#[test]
fn health_and_metrics_answer() {
    let rowfeed = Rowfeed::start(&[]);
    for path in ["/readyz", "/livez", "/metrics"] {
        assert_eq!(get(&rowfeed.http(), path).expect("an answer").status, 200, "{path}");
    }
    let metrics = get(&rowfeed.http(), "/metrics").expect("an answer").body;
    assert!(metrics.contains("rowfeed_"), "{metrics}");
    let root: Value = get(&rowfeed.http(), "/").expect("an answer").json();
    assert!(root["version"].is_string(), "{root}");
}

/// Memory and speed of an idle service: 25 MiB, and 0.3 s until it serves. The debug build is bigger and slower, so
/// the figures are held for the release build only (`scripts/bench_walsender.sh` prints them).
#[test]
fn an_idle_service_is_small() {
    let rowfeed = Rowfeed::start(&[]);
    let resident = rowfeed.memory_mib("VmRSS");
    println!("idle: {resident:.1} MiB");
    let limit = if cfg!(debug_assertions) { 80.0 } else { 25.0 };
    assert!(resident <= limit, "{resident:.1} MiB");
}
