//! The HTTP API as a client meets it: Kafka Connect's paths, bodies and codes, and our topics.
//!
//! Aim: what operators' tools send and read works unchanged. Method: the real router on a free port, a real log in a
//! temporary folder, and a task that only says that it streams.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use rowfeed::cli::client::{Response, Server};
use rowfeed::config::postgres::TopicDefaults;
use rowfeed::connect::registry::Registry;
use rowfeed::connect::store::Store;
use rowfeed::connect::tokens::{Scope, Tokens};
use rowfeed::connect::{Phase, RunTask, Schemas, definitions};
use rowfeed::http;
use rowfeed::log::builtin::{BuiltinLog, LogSettings};
use rowfeed::log::{LogWriter, TopicSpec};
use rowfeed::problem::Problem;
use rowfeed::record::compression::Compression;
use rowfeed::record::{Headers, RecordRef, RecordSink};
use serde_json::{Value as Json, json};
use tokio::sync::watch;

#[path = "rest/columns.rs"]
mod columns;
#[path = "rest/session.rs"]
mod session;
#[path = "rest/settings.rs"]
mod settings;
#[path = "rest/sources.rs"]
mod sources;

const CLASS: &str = "io.debezium.connector.postgresql.PostgresConnector";

struct World {
    server: Server,
    address: String,
    log: BuiltinLog,
    stop: watch::Sender<bool>,
    dir: tempfile::TempDir,
}

/// Streams until told to stop; a connector on the host `broken` fails, one on `away` fails in passing.
fn fake_task() -> RunTask {
    Arc::new(|config, status, mut stop| {
        match config.connection.host.as_str() {
            "broken" => return Err(Problem::fail("pg/auth", "password authentication failed for user \"cdc\"").fix("correct it")),
            "away" => return Err(Problem::retry("pg/refused", "nothing is listening on away:5432")),
            _ => status.set_phase(Phase::Streaming),
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async { stop.wait_for(|stop| *stop).await.map(drop) }).expect("told to stop");
        Ok(())
    })
}

async fn world(files: &[(&str, &str)]) -> World {
    world_with(files, http::Settings::default()).await
}

async fn world_with(files: &[(&str, &str)], settings: http::Settings) -> World {
    world_on(files, settings, 0).await
}

/// With a log that leaves so much of its disk free.
async fn world_on(files: &[(&str, &str)], settings: http::Settings, min_free_bytes: u64) -> World {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let folder = dir.path().join("connectors");
    std::fs::create_dir(&folder).expect("a folder");
    for (name, text) in files {
        std::fs::write(folder.join(name), text).expect("written");
    }
    let log = BuiltinLog::open(LogSettings { min_free_bytes, ..LogSettings::new(dir.path().join("log")) }).expect("a log");
    let registry = Registry::new(Store::Log(log.clone()), fake_task(), Arc::new(|_| {}), TopicDefaults::default());
    registry.start(definitions::load_folder(&folder).expect("readable")).expect("started");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let stop = watch::Sender::new(false);
    let app = http::App::new(
        Arc::new(registry),
        Some(log.clone()),
        Some(Schemas::open(log.clone())),
        "cluster".into(),
        "worker:1".into(),
        stop.subscribe(),
        settings,
    )
    .with_running(settings::running(dir.path()));
    tokio::spawn(http::serve(app, listener, stop.subscribe()));
    World { server: Server::parse(&address).expect("an address"), address, log, stop, dir }
}

impl World {
    async fn send(&self, method: &str, path: &str, body: Option<Json>) -> Response {
        self.server.request(method, path, body.map(|body| body.to_string()).as_deref()).await.expect("an answer")
    }

    /// Status and body.
    async fn ask(&self, method: &str, path: &str, body: Option<Json>) -> (u16, Json) {
        let mut response = self.send(method, path, body).await;
        let text = response.text().await.expect("a body");
        (response.status, if text.is_empty() { Json::Null } else { serde_json::from_str(&text).unwrap_or(Json::String(text)) })
    }

    async fn wait_for(&self, path: &str, pointer: &str, value: &str) -> Json {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let (_, body) = self.ask("GET", path, None).await;
            if body.pointer(pointer).and_then(Json::as_str) == Some(value) {
                return body;
            }
            assert!(Instant::now() < deadline, "waited for {value} at {pointer} of {path}: {body}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn append(&self, topic: &str, values: &[&str]) {
        let mut writer = self.log.writer(Compression::None);
        let topic = writer.topic(topic, &TopicSpec::default()).await.expect("a topic");
        let mut commit = writer.begin().await.expect("a commit");
        for value in values {
            let key = Some(b"{\"id\":1}".as_slice());
            let record = RecordRef { timestamp_ms: 1_795_233_128_832, key, value: Some(value.as_bytes()), headers: Headers::NONE };
            commit.push(topic.route(key), record).expect("room");
        }
        let seq = writer.commit(commit).await.expect("accepted");
        writer.wait_durable(seq).await.expect("durable");
    }
}

fn config(host: &str) -> Json {
    // No two connectors share one.
    let prefix = if host.starts_with('h') { "shop" } else { host };
    json!({
        "connector.class": CLASS, "database.hostname": host, "database.port": 5432, "database.user": "cdc",
        "database.password": "hunter2", "database.dbname": "shop", "topic.prefix": prefix, "tombstones.on.delete": true
    })
}

fn info(host: &str) -> Json {
    json!({
        "name": "shop",
        "config": {
            "connector.class": CLASS, "database.dbname": "shop", "database.hostname": host, "database.password": "********",
            "database.port": "5432", "database.user": "cdc", "name": "shop", "tombstones.on.delete": "true", "topic.prefix": "shop"
        },
        "tasks": [{ "connector": "shop", "task": 0 }],
        "type": "source"
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_is_made_changed_and_deleted_as_in_kafka_connect() {
    let world = world(&[]).await;
    assert_eq!(world.ask("GET", "/connectors/", None).await, (200, json!([])));
    let mut made = world.send("PUT", "/connectors/shop/config", Some(config("h"))).await;
    assert_eq!((made.status, made.header("location")), (201, Some("/connectors/shop")));
    let body: Json = serde_json::from_str(&made.text().await.expect("a body")).expect("JSON");
    assert_eq!(body, info("h"));
    assert_eq!(world.ask("PUT", "/connectors/shop/config/", Some(config("h2"))).await, (200, info("h2")));
    assert_eq!(world.ask("GET", "/connectors/shop?forward=false", None).await, (200, info("h2")));
    assert_eq!(world.ask("GET", "/connectors/shop/config", None).await, (200, info("h2")["config"].clone()));
    let patched = world.ask("PATCH", "/connectors/shop/config", Some(json!({ "tombstones.on.delete": null }))).await;
    assert_eq!((patched.0, patched.1["config"].get("tombstones.on.delete")), (200, None));
    assert_eq!(world.ask("GET", "/connectors", None).await, (200, json!(["shop"])));
    assert_eq!(world.ask("DELETE", "/connectors/shop", None).await, (204, Json::Null));
    let gone = json!({ "error_code": 404, "message": "Connector shop not found" });
    assert_eq!(world.ask("DELETE", "/connectors/shop", None).await, (404, gone.clone()));
    assert_eq!(world.ask("GET", "/connectors/shop", None).await, (404, gone));
}

#[tokio::test(flavor = "multi_thread")]
async fn status_speaks_kafka_connects_words() {
    let world = world(&[]).await;
    world.ask("POST", "/connectors", Some(json!({ "name": "shop", "config": config("h") }))).await;
    let status = world.wait_for("/connectors/shop/status", "/tasks/0/state", "RUNNING").await;
    let version = env!("CARGO_PKG_VERSION");
    let expected = json!({
        "name": "shop",
        "connector": { "state": "RUNNING", "worker_id": "worker:1", "version": version },
        "tasks": [{ "id": 0, "state": "RUNNING", "worker_id": "worker:1", "version": version }],
        "type": "source"
    });
    assert_eq!(status, expected);
    let (_, expanded) = world.ask("GET", "/connectors?expand=status&expand=info&expand=other", None).await;
    assert_eq!(expanded, json!({ "shop": { "status": expected, "info": info("h") } }));
    let missing = json!({ "error_code": 404, "message": "No status found for connector nope" });
    assert_eq!(world.ask("GET", "/connectors/nope/status", None).await, (404, missing));

    world.ask("PUT", "/connectors/bad/config", Some(config("broken"))).await;
    let bad = world.wait_for("/connectors/bad/status", "/tasks/0/state", "FAILED").await;
    assert_eq!(bad["connector"]["state"], "RUNNING");
    assert_eq!(bad["tasks"][0]["trace"], "pg/auth: password authentication failed for user \"cdc\"\n  fix: correct it");
    world.ask("PUT", "/connectors/gone/config", Some(config("away"))).await;
    let gone = world.wait_for("/connectors/gone/status", "/tasks/0/state", "RESTARTING").await;
    assert_eq!(gone["tasks"][0]["trace"], "pg/refused: nothing is listening on away:5432");
    let (code, verbose) = world.ask("GET", "/readyz?verbose", None).await;
    assert_eq!(code, 200);
    assert!(
        verbose
            .as_str()
            .is_some_and(|text| text.contains("[+]connector shop streaming") && text.contains("[-]connector bad failed: pg/auth")),
        "{verbose}"
    );
    assert_eq!(world.ask("GET", "/readyz?require=connectors", None).await.0, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_is_paused_resumed_stopped_and_restarted() {
    let world = world(&[]).await;
    world.ask("PUT", "/connectors/shop/config", Some(config("h"))).await;
    for _ in 0..2 {
        assert_eq!(world.ask("PUT", "/connectors/shop/pause", None).await, (202, Json::Null));
    }
    let paused = world.wait_for("/connectors/shop/status", "/connector/state", "PAUSED").await;
    assert_eq!(paused["tasks"].as_array().map(Vec::len), Some(1));
    assert_eq!(world.ask("PUT", "/connectors/shop/resume", None).await, (202, Json::Null));
    world.wait_for("/connectors/shop/status", "/tasks/0/state", "RUNNING").await;
    assert_eq!(world.ask("POST", "/connectors/shop/restart", None).await, (204, Json::Null));
    assert_eq!(world.ask("POST", "/connectors/shop/tasks/0/restart", None).await, (204, Json::Null));
    let (code, state) = world.ask("POST", "/connectors/shop/restart?includeTasks=true&onlyFailed=false", None).await;
    assert_eq!((code, state["name"].as_str()), (202, Some("shop")));
    assert_eq!(world.ask("PUT", "/connectors/shop/stop", None).await, (204, Json::Null));
    let stopped = world.wait_for("/connectors/shop/status", "/connector/state", "STOPPED").await;
    assert_eq!(stopped["tasks"], json!([]));
    assert_eq!(world.ask("GET", "/connectors/shop/tasks", None).await, (200, json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_connector_takes_signals_until_too_many_wait() {
    let world = world(&[]).await;
    let path = "/v1/connectors/shop/signals";
    let signal = json!({ "id": "s1", "type": "log", "data": { "message": "at {}" } });
    assert_eq!(world.ask("POST", path, Some(signal.clone())).await.0, 404);
    world.ask("PUT", "/connectors/shop/config", Some(config("h"))).await;
    world.wait_for("/connectors/shop/status", "/tasks/0/state", "RUNNING").await;
    assert_eq!(world.ask("POST", path, Some(signal.clone())).await, (202, json!({ "id": "s1" })));
    // As a text, as a signalling table has it; without an id it gets one.
    let text = json!({ "type": "log", "data": "{\"message\": \"x\"}" });
    let (code, body) = world.ask("POST", path, Some(text)).await;
    assert!(code == 202 && body["id"].as_str().is_some_and(|id| id.len() == 36), "{code} {body}");
    for (code, body) in
        [(400, json!({ "id": "s1" })), (422, json!({ "type": "lock" })), (422, json!({ "type": "execute-snapshot", "data": {} }))]
    {
        let (answered, error) = world.ask("POST", path, Some(body)).await;
        assert!(answered == code && error["error_code"] == code, "{error}");
    }
    // The task of this test takes none.
    while world.ask("POST", path, Some(signal.clone())).await.0 == 202 {}
    assert_eq!(world.ask("POST", path, Some(signal.clone())).await.0, 429);
    world.ask("PUT", "/connectors/shop/pause", None).await;
    assert_eq!(world.ask("POST", path, Some(signal)).await.0, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_requests_are_refused_in_kafka_connects_shape() {
    let world = world(&[("filed.json", &config("filed").to_string())]).await;
    let error = |code: u16, message: &str| (code, json!({ "error_code": code, "message": message }));
    assert_eq!(world.ask("GET", "/nope", None).await, error(404, "HTTP 404 Not Found"));
    assert_eq!(world.ask("DELETE", "/connectors", None).await, error(405, "HTTP 405 Method Not Allowed"));
    let mut wrong = config("h");
    wrong["slot.name"] = "Shop-Slot".into();
    wrong["tabel.include.list"] = "public.*".into();
    let expected = "Connector configuration is invalid and contains the following 2 error(s):\n\
        config/unknown-key: unknown key \"tabel.include.list\"\n  why: Debezium ignores it silently, so it has no effect there either\n  fix: did you mean \"table.include.list\"?\n\
        slot/name: \"Shop-Slot\" cannot be the name of a replication slot\n  why: PostgreSQL allows lower-case letters, digits and underscores, at most 63\n  fix: a legal form: shop_slot\n\
        You can also find the above list of errors at the endpoint `/connector-plugins/{connectorType}/config/validate`";
    assert_eq!(world.ask("PUT", "/connectors/shop/config", Some(wrong)).await, error(400, expected));
    let misspelt = json!({ "name": "shop", "config": config("h"), "initial_sate": "PAUSED" });
    let (code, body) = world.ask("POST", "/connectors", Some(misspelt)).await;
    assert!(code == 400 && body["message"].as_str().is_some_and(|text| text.contains("did you mean \"initial_state\"?")), "{body}");
    let (code, body) = world.ask("PUT", "/connectors/shop/config", Some(json!({ "connector.class": "MySql" }))).await;
    // kcctl knows it by these words.
    assert!(
        code == 400 && body["message"].as_str().is_some_and(|text| text.starts_with("Failed to find any class that implements Connector")),
        "{body}"
    );
    let mut named = config("h");
    named["name"] = "a".into();
    let expected = "Connector name configuration (a) doesn't match connector name in the URL (b)";
    assert_eq!(world.ask("PUT", "/connectors/b/config", Some(named)).await, error(400, expected));
    world.ask("PUT", "/connectors/shop/config", Some(config("h"))).await;
    let again = json!({ "name": "shop", "config": config("h") });
    assert_eq!(world.ask("POST", "/connectors", Some(again)).await, error(409, "Connector shop already exists"));
    let (code, body) = world.ask("DELETE", "/connectors/filed", None).await;
    let path = world.dir.path().join("connectors/filed.json");
    assert_eq!(
        (code, body["message"].as_str()),
        (403, Some(format!("Connector filed is managed by the file {}: change it there", path.display()).as_str()))
    );
    assert_eq!(world.ask("PUT", "/connectors/filed/config", Some(config("x"))).await.0, 403);
    assert_eq!(world.ask("PUT", "/connectors/x/config", Some(json!([1]))).await.0, 400);
    assert_eq!(world.ask("PUT", "/connectors/x/config", Some(json!({ "a": { "b": 1 } }))).await.0, 400);
    let deep = "[".repeat(100_000);
    assert_eq!(world.server.request("PUT", "/connectors/x/config", Some(&deep)).await.expect("an answer").status, 400);
    let huge = format!("{{\"a\":\"{}\"}}", "x".repeat(2 << 20));
    // The server may answer before it has read everything, and end the connection.
    if let Ok(answer) = world.server.request("PUT", "/connectors/x/config", Some(&huge)).await {
        assert_eq!(answer.status, 413);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_says_who_and_how_it_is() {
    let world = world(&[]).await;
    let (_, root) = world.ask("GET", "/", None).await;
    assert_eq!(root["kafka_cluster_id"], "cluster");
    assert!(root["version"].as_str().is_some_and(|version| version.starts_with("4.1.0-rowfeed-")));
    let (_, health) = world.ask("GET", "/health", None).await;
    assert_eq!(health, json!({ "status": "healthy", "message": "Worker has completed startup and is ready to handle requests." }));
    assert_eq!(world.ask("GET", "/livez", None).await, (200, Json::String("ok\n".into())));
    assert_eq!(world.ask("GET", "/readyz", None).await, (200, Json::String("ok\n".into())));
    let (_, plugins) = world.ask("GET", "/connector-plugins", None).await;
    assert_eq!(plugins, json!([{ "class": CLASS, "type": "source", "version": env!("CARGO_PKG_VERSION") }]));
    world.append("shop.public.t", &["{}"]).await;
    let (_, metrics) = world.ask("GET", "/metrics", None).await;
    assert!(
        metrics.as_str().is_some_and(|text| text.contains("rowfeed_topic_end_offset{topic=\"shop.public.t\",partition=\"0\"} 1.0")),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_read_from_any_place_and_followed_live() {
    let world = world(&[]).await;
    world.append("shop.public.t", &["{\"n\":1}", "{\"n\":2}", "plain"]).await;
    let path = "/v1/topics/shop.public.t/records";
    let mut whole = world.send("GET", path, None).await;
    assert_eq!(whole.header("content-type"), Some("application/x-ndjson"));
    let line = |offset: u64, value: &str| {
        format!(
            "{{\"topic\":\"shop.public.t\",\"partition\":0,\"offset\":{offset},\"ts\":\"2026-11-21T03:52:08.832Z\",\"key\":{{\"id\":1}},\"value\":{value}}}\n"
        )
    };
    assert_eq!(whole.text().await.expect("lines"), line(0, "{\"n\":1}") + &line(1, "{\"n\":2}") + &line(2, "\"plain\""));
    for (query, offsets) in [
        ("from=-2", "1 2"),
        ("from=offset:1&limit=1", "1"),
        ("from=%2B2", "2"),
        ("from=end", ""),
        ("from=now-1000d", "0 1 2"),
        ("partition=0&limit=1", "0"),
    ] {
        let text = world.send("GET", &format!("{path}?{query}"), None).await.text().await.expect("lines");
        let found: Vec<String> = text.lines().map(|line| serde_json::from_str::<Json>(line).expect("JSON")["offset"].to_string()).collect();
        assert_eq!(found.join(" "), offsets, "{query}");
    }
    for (query, code) in [("from=offset:9", 400), ("from=yesterday", 400), ("form=end", 400), ("partition=7", 404), ("limit=x", 400)] {
        assert_eq!(world.send("GET", &format!("{path}?{query}"), None).await.status, code, "{query}");
    }
    let (code, missing) = world.ask("GET", "/v1/topics/shop.public.x/records", None).await;
    assert_eq!((code, missing["message"].as_str()), (404, Some("there is no topic \"shop.public.x\"; did you mean \"shop.public.t\"?")));

    let mut live = world.send("GET", &format!("{path}?from=-1&follow=true"), None).await;
    assert!(live.line().await.expect("a line").expect("the newest").contains("\"offset\":2"));
    world.append("shop.public.t", &["{\"n\":4}"]).await;
    assert!(live.line().await.expect("a line").expect("the next").contains("\"value\":{\"n\":4}"));
    world.stop.send_replace(true);
    assert_eq!(live.line().await.expect("a clean end"), None);
}

/// The offsets of a page in its order, and its cursors.
fn page_of(page: &Json) -> (Vec<u64>, Option<&str>, Option<&str>) {
    let items = page["items"].as_array().unwrap_or_else(|| panic!("{page}"));
    let offsets = items.iter().map(|item| item["offset"].as_u64().expect("an offset")).collect();
    (offsets, page["next_cursor"].as_str(), page["prev_cursor"].as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_records_lead_on_and_back_and_show_each_record_once() {
    let world = world(&[]).await;
    let values: Vec<String> =
        (0..120).map(|n| format!("{{\"op\":\"{}\",\"n\":{n},\"source\":{{}}}}", if n == 7 { "d" } else { "u" })).collect();
    world.append("shop.public.t", &values.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let path = "/v1/topics/shop.public.t/records";
    let page = async |query: &str| {
        let (code, page) = world.ask("GET", &format!("{path}?{query}"), None).await;
        assert_eq!(code, 200, "{query}: {page}");
        page
    };
    let down = |from: u64, to: u64| (to..from).rev().collect::<Vec<u64>>();

    // The newest first, on to the oldest, and back in the same order.
    let first = page("format=json").await;
    let (offsets, next, prev) = page_of(&first);
    assert_eq!((offsets, prev), (down(120, 70), None));
    let item = json!({ "topic": "shop.public.t", "partition": 0, "offset": 119, "ts": "2026-11-21T03:52:08.832Z", "key": {"id": 1},
        "value": {"op": "u", "n": 119, "source": {}}, "op": "u", "size": 38, "tombstone": false, "headers": {} });
    assert_eq!(first["items"][0], item);
    assert_eq!(
        (&first["scan_limited"], &first["gaps"], &first["partitions"]),
        (&false.into(), &json!([]), &json!([{"partition": 0, "start": 0, "end": 120}]))
    );
    let second = page(&format!("cursor={}", next.expect("older ones"))).await;
    let (offsets, next, prev) = page_of(&second);
    assert_eq!(offsets, down(70, 20));
    assert_eq!(page_of(&page(&format!("cursor={}", prev.expect("newer ones"))).await).0, down(120, 70));
    let third = page(&format!("cursor={}", next.expect("older ones"))).await;
    let (offsets, next, prev) = page_of(&third);
    assert_eq!((offsets, next), (down(20, 0), None));
    let back = page(&format!("cursor={}", prev.expect("newer ones"))).await;
    let (offsets, next, prev) = page_of(&back);
    assert_eq!(offsets, down(70, 20));
    assert_eq!(page_of(&page(&format!("cursor={}", next.expect("older ones"))).await).0, down(20, 0));
    let newest = page(&format!("cursor={}", prev.expect("newer ones"))).await;
    assert_eq!(page_of(&newest), (down(120, 70), page_of(&first).1, None));

    // The oldest first.
    let (offsets, next, prev) = {
        let page = page("direction=forward&limit=100").await;
        let (offsets, next, prev) = page_of(&page);
        (offsets, next.map(str::to_owned), prev.map(str::to_owned))
    };
    assert_eq!((offsets, prev), ((0..100).collect(), None));
    let second = page(&format!("limit=100&cursor={}", next.expect("newer ones"))).await;
    let (offsets, next, prev) = page_of(&second);
    assert_eq!((offsets, next), ((100..120).collect(), None));
    assert_eq!(page_of(&page(&format!("limit=100&cursor={}", prev.expect("older ones"))).await).0, (0..100).collect::<Vec<_>>());
    assert_eq!(page_of(&page("from=offset:10&direction=backward&limit=3").await).0, [9, 8, 7]);
    assert_eq!(page_of(&page("from=-2&format=json").await).0, [118, 119]);

    // What is rare is looked for within bounds, over several pages.
    assert_eq!(page_of(&page("op=d").await).0, [7]);
    assert_eq!(page_of(&page("op=c,d&direction=forward").await).0, [7]);
    assert_eq!(page_of(&page("key=%7B%20%22id%22:1%7D&limit=2").await).0, [119, 118]);
    assert_eq!(page_of(&page("key=2").await).0, Vec::<u64>::new());
    for (query, code) in [
        ("cursor=x", 400),
        ("cursor=nb1:0", 400),
        ("direction=up", 400),
        ("format=json&limit=0", 400),
        ("format=json&limit=1001", 400),
        ("max_scan=0", 400),
        ("format=json&follow=true", 400),
        ("format=xml", 400),
        ("view=table", 400),
        ("where=a+nd+b", 400),
        ("format=json&where=a+==+1", 400),
        ("view=table&format=csv", 400),
        ("format=json&partition=1", 404),
    ] {
        assert_eq!(world.ask("GET", &format!("{path}?{query}"), None).await.0, code, "{query}");
    }
    assert_eq!(world.ask("GET", "/v1/records?format=json", None).await.0, 400);
    assert_eq!(world.ask("GET", "/v1/topics/connect-configs/records?format=json", None).await.0, 403);
}

/// Aim: no page looks at, or holds, more than it may, and the search comes to its end all the same. Method: one record in thousands
/// over three partitions, then records of which a few fill a page.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_has_bounds_and_the_next_one_goes_on() {
    let world = world(&[]).await;
    let mut writer = world.log.writer(Compression::None);
    let topic = writer.topic("shop.public.t", &TopicSpec { partitions: 3, ..TopicSpec::default() }).await.expect("a topic");
    let mut commit = writer.begin().await.expect("a commit");
    let total = 6000;
    for n in 0..total {
        let (key, op) = (
            format!("{n}"),
            if n == 1234 {
                "d"
            } else if n % 100 == 0 {
                "c"
            } else {
                "u"
            },
        );
        let (value, key) = (format!("{{\"op\":\"{op}\",\"n\":{n},\"source\":{{}}}}"), Some(key.as_bytes()));
        let record = RecordRef { timestamp_ms: 1_795_233_128_000 + n, key, value: Some(value.as_bytes()), headers: Headers::NONE };
        commit.push(topic.route(key), record).expect("room");
    }
    let seq = writer.commit(commit).await.expect("accepted");
    writer.wait_durable(seq).await.expect("durable");
    let walk = async |path: &str, query: &str| {
        let (mut seen, mut pages, mut cursor) = (Vec::new(), 0, String::new());
        loop {
            let (code, page) = world.ask("GET", &format!("{path}?{query}{cursor}"), None).await;
            assert_eq!(code, 200, "{page}");
            seen.extend(page["items"].as_array().expect("items").iter().map(|item| item["value"]["n"].as_i64().expect("a number")));
            pages += 1;
            // A page of large records goes by small steps; a bound is passed by less than one step.
            let most = if path.contains("large") {
                40
            } else if query.contains("max_scan=500") {
                1500
            } else {
                3000
            };
            assert!(page["scanned"].as_u64() <= Some(most) || query.contains("max_ms"), "{query}: {}", page["scanned"]);
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return (seen, pages),
            }
            assert!(pages < 1000, "it goes on for ever");
        }
    };
    let path = "/v1/topics/shop.public.t/records";
    // In the order of their times over all partitions, each once, in both directions.
    assert_eq!(walk(path, "direction=forward&limit=1000").await, ((0..total).collect(), 6));
    assert_eq!(walk(path, "format=json&limit=1000").await.0, (0..total).rev().collect::<Vec<_>>());
    for query in ["op=d&max_scan=500", "op=d&max_scan=500&direction=forward", "op=d&max_scan=1&direction=forward", "op=d&max_ms=1"] {
        let (seen, pages) = walk(path, query).await;
        assert_eq!(seen, [1234], "{query}");
        assert!(pages > 1 || query.contains("max_ms"), "{query}: {pages}");
    }
    // Also where each page finds some.
    let some: Vec<i64> = (0..total).step_by(100).collect();
    assert_eq!(walk(path, "op=c&limit=1000&max_scan=500&direction=forward").await.0, some);
    assert_eq!(walk(path, "op=c&limit=1000&max_scan=500").await.0, some.into_iter().rev().collect::<Vec<_>>());
    let (_, limited) = world.ask("GET", &format!("{path}?op=d&max_scan=500"), None).await;
    assert_eq!((&limited["scan_limited"], limited["items"].as_array().map(Vec::len)), (&true.into(), Some(0)));

    let large: Vec<String> = (0..30).map(|n| format!("{{\"n\":{n},\"x\":\"{}\"}}", "x".repeat(1 << 20))).collect();
    world.append("shop.public.large", &large.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for (query, order) in [("format=json", (0..30).rev().collect::<Vec<i64>>()), ("direction=forward", (0..30).collect())] {
        let (seen, pages) = walk("/v1/topics/shop.public.large/records", query).await;
        assert_eq!((seen, pages), (order, 4), "eight MiB a page");
    }
}

/// One language for lines, pages and files: what it says of rows that come and go, and in which form they are shown.
#[tokio::test(flavor = "multi_thread")]
async fn records_are_chosen_by_a_condition_and_shown_in_several_views() {
    let world = world(&[]).await;
    let change = |op: &str, before: Json, after: Json| {
        json!({ "before": before, "after": after, "source": { "table": "t", "lsn": 5 }, "op": op }).to_string()
    };
    let row = |status: &str, total: f64| json!({ "id": 1, "status": status, "total": total });
    let values = [
        change("c", Json::Null, row("new", 5.0)),
        change("u", row("new", 5.0), row("paid", 5.0)),
        change("u", row("paid", 5.0), row("paid", 150.5)),
        change("u", row("paid", 150.5), row("sent", 150.5)),
        "plain".to_owned(),
        change("d", row("sent", 150.5), Json::Null),
    ];
    world.append("shop.public.t", &values.each_ref().map(String::as_str)).await;
    let path = "/v1/topics/shop.public.t/records";
    let lines = async |path: &str, query: &str| {
        let text = world.send("GET", &format!("{path}?{query}"), None).await.text().await.expect("lines");
        text.lines()
            .map(|line| serde_json::from_str::<Json>(line).unwrap_or_else(|error| panic!("{query}: {error}: {line}")))
            .collect::<Vec<_>>()
    };
    let told =
        |lines: &[Json]| lines.iter().map(|line| (line["offset"].as_u64(), line["filter"].as_str().map(str::to_owned))).collect::<Vec<_>>();
    let paid = [(Some(1), Some("enters".to_owned())), (Some(2), None), (Some(3), Some("leaves".to_owned()))];
    for path in [path, "/v1/records"] {
        assert_eq!(told(&lines(path, "from=start&where=status+%3D+'paid'").await), paid);
    }
    let (code, page) = world.ask("GET", &format!("{path}?direction=forward&where=status+%3D+'paid'"), None).await;
    assert_eq!((code, told(page["items"].as_array().expect("items"))), (200, paid.to_vec()));
    assert_eq!(
        (&page["unreadable"], &page["items"][0]["op"], &page["items"][0]["value"]["before"]["status"]),
        (&json!(1), &json!("u"), &json!("new"))
    );
    let offsets = |lines: &[Json]| lines.iter().filter_map(|line| line["offset"].as_u64()).collect::<Vec<_>>();
    assert_eq!(offsets(&lines(path, "where=total+%3E+100&limit=2").await), [2, 3]);
    assert_eq!(offsets(&lines(path, "where=op+%3D+'u'+and+changed(status)").await), [1, 3]);
    assert_eq!(offsets(&lines(path, "where=key.id+%3D+1").await), [0, 1, 2, 3, 4, 5]);

    let flat = lines(path, "view=flat&where=total+%3E+100").await;
    assert_eq!(
        flat[0],
        json!({ "id": 1, "status": "paid", "total": 150.5, "_op": "u", "_ts": "2026-11-21T03:52:08.832Z", "_filter": "enters" })
    );
    assert_eq!((flat.len(), &flat[2]["_op"]), (3, &json!("d")));
    let diff = lines(path, "view=diff&from=offset:1&limit=1").await;
    assert_eq!((&diff[0]["changed"], &diff[0]["before_complete"]), (&json!({ "status": ["new", "paid"] }), &json!(true)));
    let cloud = lines(path, "view=cloudevents&limit=1").await;
    assert_eq!((&cloud[0]["specversion"], &cloud[0]["data"]["after"]["status"]), (&json!("1.0"), &json!("new")));
    let (_, page) = world.ask("GET", &format!("{path}?format=json&view=flat&op=d"), None).await;
    assert_eq!(
        (&page["items"][0]["key"], &page["items"][0]["value"]["status"], &page["items"][0]["op"]),
        (&json!({"id": 1}), &json!("sent"), &json!("d"))
    );
    let file = world.send("GET", &format!("{path}?format=csv&view=flat&where=status+%3D+'paid'"), None).await.text().await.expect("a file");
    assert_eq!(file.lines().count(), 3, "a heading, the row that comes, and the one that stays: {file}");
    let (code, refused) = world.ask("GET", &format!("{path}?where=stauts+nd+1"), None).await;
    assert_eq!(code, 400);
    let message = refused["message"].as_str().expect("a message");
    assert!(message.starts_with("filter/syntax: the filter cannot be read: \"nd\" stands where") && message.contains("^^"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_exported_as_csv() {
    let world = world(&[]).await;
    let change = |op: &str, before: Json, after: Json| json!({ "before": before, "after": after, "source": {}, "op": op }).to_string();
    let row = |id: i64, name: &str| json!({ "id": id, "name": name, "tags": ["a"], "gone": null });
    let wider = json!({ "id": 2, "name": "b", "tags": [], "gone": null, "added": 7 });
    let wrapped = format!("{{\"schema\":{{}},\"payload\":{}}}", change("u", Json::Null, wider.clone()));
    let values = [change("c", Json::Null, row(1, "a, \"b\"\nc")), wrapped, change("d", row(1, "z"), Json::Null), "plain".to_owned()];
    world.append("shop.public.t", &values.each_ref().map(String::as_str)).await;
    let path = "/v1/topics/shop.public.t/records";
    let whole = async |query: &str| world.send("GET", &format!("{path}?{query}"), None).await.text().await.expect("a file");
    let meta = |offset: u64, op: &str| format!("shop.public.t,0,{offset},2026-11-21T03:52:08.832Z,{op},\"{{\"\"id\"\":1}}\"");
    let flat = [
        "_topic,_partition,_offset,_ts,_op,_key,id,name,tags,gone,_more\r\n".to_owned(),
        format!("{},1,\"a, \"\"b\"\"\nc\",\"[\"\"a\"\"]\",,\r\n", meta(0, "c")),
        format!("{},2,b,[],,\"{{\"\"added\"\":7}}\"\r\n", meta(1, "u")),
        format!("{},1,z,\"[\"\"a\"\"]\",,\r\n", meta(2, "d")),
        format!("{},,,,,\"\"\"plain\"\"\"\r\n", meta(3, "")),
    ];
    assert_eq!(whole("format=csv&view=flat").await, flat.concat());
    let heading = "topic,partition,offset,ts,op,key,value\r\n";
    assert_eq!(whole("format=csv&from=end").await, heading);
    assert_eq!(whole("format=csv&from=-1").await, format!("{heading}{},\"\"\"plain\"\"\"\r\n", meta(3, "")));
    let quoted = values[2].replace('"', "\"\"");
    assert_eq!(whole("format=csv&from=offset:2&limit=1").await, format!("{heading}{},\"{quoted}\"\r\n", meta(2, "d")));
    let accepted = asked(&world, "GET", path, "Accept: text/html, text/csv;q=0.9\r\n", "").await;
    assert!(accepted.to_ascii_lowercase().contains("content-type: text/csv; charset=utf-8") && accepted.contains(heading), "{accepted}");
    let many = world.send("GET", "/v1/records?topic=shop.*&format=csv", None).await.text().await.expect("a file");
    assert_eq!(many.lines().count(), 5, "{many}");

    // Null is not the empty text; what the view leaves out does not count.
    let mut writer = world.log.writer(Compression::None);
    let topic = writer.topic("other.t", &TopicSpec::default()).await.expect("a topic");
    let mut commit = writer.begin().await.expect("a commit");
    for value in [None, Some(b"{\"a\":\"\",\"b\":null}".as_slice())] {
        let record = RecordRef { timestamp_ms: 1_795_233_128_832, key: None, value, headers: Headers::NONE };
        commit.push(topic.route(None), record).expect("room");
    }
    let seq = writer.commit(commit).await.expect("accepted");
    writer.wait_durable(seq).await.expect("durable");
    let other = world.send("GET", "/v1/topics/other.t/records?format=csv&view=flat&limit=1", None).await.text().await.expect("a file");
    assert_eq!(other.lines().nth(1), Some("other.t,0,1,2026-11-21T03:52:08.832Z,,,\"\",,"), "{other}");
    for query in ["format=csv&follow=true", "format=csv&cursor=nb0:1", "format=csv&op=u"] {
        assert_eq!(world.ask("GET", &format!("{path}?{query}"), None).await.0, 400, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_is_taken_over_by_a_stopped_connector_only() {
    let world = world(&[]).await;
    let offset = json!({"lsn_proc": 120, "messageType": "INSERT", "lsn_commit": 100, "lsn": 120, "txId": 754, "ts_usec": 5});
    let body = |server: &str, offset: &Json| json!({"offsets": [{"partition": {"server": server}, "offset": offset}]});
    let path = "/connectors/shop/offsets";
    assert_eq!(world.ask("PATCH", path, Some(body("shop", &offset))).await.0, 404);
    world.ask("PUT", "/connectors/shop/config", Some(config("h"))).await;
    let (status, refused) = world.ask("PATCH", path, Some(body("shop", &offset))).await;
    assert!(status == 400 && refused["message"].as_str().expect("a text").contains("STOPPED"), "{refused}");
    world.ask("PUT", "/connectors/shop/stop", None).await;
    // Its task ends a moment later.
    let deadline = Instant::now() + Duration::from_secs(10);
    while world.ask("PATCH", path, Some(body("shop", &offset))).await.0 != 200 {
        assert!(Instant::now() < deadline, "waited for the connector to be stopped");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let unfinished = json!({"lsn": 1, "messageType": "COMMIT", "incremental_snapshot_collections": "[]x"});
    for (wrong, why) in [
        (body("other", &offset), "topic.prefix of this connector"),
        (json!({"offsets": []}), "Partitions / offsets need to be provided"),
        (json!({"offsets": [{"partition": {"server": "shop"}}]}), "the body must be"),
        (body("shop", &json!({"pos": 4})), "no \"lsn\""),
        (body("shop", &unfinished), "incremental snapshot"),
    ] {
        let (status, refused) = world.ask("PATCH", path, Some(wrong)).await;
        assert!(status == 400 && refused["message"].as_str().expect("a text").contains(why), "{why}: {refused}");
    }
    let message = json!({"message": "The offsets for this connector have been altered successfully"});
    assert_eq!(world.ask("PATCH", path, Some(body("shop", &offset))).await, (200, message.clone()));
    assert_eq!(world.ask("GET", path, None).await, (200, body("shop", &offset)));
    assert_eq!(world.ask("PATCH", path, Some(body("shop", &Json::Null))).await, (200, message));
    assert_eq!(world.ask("GET", path, None).await, (200, json!({"offsets": []})));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_a_connectors_topics_begins_anew() {
    let world = world(&[]).await;
    world.ask("PUT", "/connectors/shop/config", Some(config("h"))).await;
    let path = "/connectors/shop/topics";
    let listed = |names: &[&str]| (200, json!({ "shop": { "topics": names } }));
    assert_eq!(world.ask("GET", path, None).await, listed(&[]));
    for topic in ["shop.public.t", "shop.public.u", "shopping.public.t", "__debezium-heartbeat.shop"] {
        world.append(topic, &["1"]).await;
    }
    assert_eq!(world.ask("GET", path, None).await, listed(&["__debezium-heartbeat.shop", "shop.public.t", "shop.public.u"]));
    assert_eq!(world.ask("PUT", "/connectors/shop/topics/reset", None).await, (202, Json::Null));
    assert_eq!(world.ask("GET", path, None).await, listed(&[]));
    world.append("shop.public.u", &["2"]).await;
    assert_eq!(world.ask("GET", path, None).await, listed(&["shop.public.u"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plugin_can_be_told_is_listed() {
    let world = world(&[]).await;
    let (_, plugins) = world.ask("GET", "/connector-plugins?connectorsOnly=true", None).await;
    assert_eq!(plugins, json!([{ "class": CLASS, "type": "source", "version": env!("CARGO_PKG_VERSION") }]));
    let (_, all) = world.ask("GET", "/connector-plugins?connectorsOnly=false", None).await;
    for kind in ["source", "transformation", "predicate", "converter", "header_converter"] {
        assert!(all.as_array().is_some_and(|all| all.iter().any(|plugin| plugin["type"] == kind)), "{kind}");
    }
    let (_, full) = world.ask("GET", &format!("/connector-plugins/{CLASS}/config"), None).await;
    let hostname = full.as_array().and_then(|all| all.iter().find(|option| option["name"] == "database.hostname")).expect("it is listed");
    let expected = json!({
        "name": "database.hostname", "type": "STRING", "required": true, "default_value": null, "importance": "HIGH",
        "documentation": "Name or address of the server, or the folder of its unix socket.", "group": "Connection", "order": 1,
        "order_in_group": 1, "width": "MEDIUM", "display_name": "Database hostname", "dependents": []
    });
    assert_eq!(*hostname, expected);
    assert_eq!(world.ask("GET", "/connector-plugins/Postgres/config/", None).await.1, full);
    assert_eq!(
        world.ask("GET", "/connector-plugins/Nonsense/config", None).await,
        (404, json!({ "error_code": 404, "message": "Unknown plugin Nonsense." }))
    );
    // Every plugin that is listed tells its options.
    for plugin in all.as_array().expect("a list") {
        let path = format!("/connector-plugins/{}/config", plugin["class"].as_str().expect("a class"));
        let (code, options) = world.ask("GET", &path, None).await;
        assert!(
            code == 200 && options.as_array().is_some_and(|list| list.iter().all(|option| option["order"].is_u64())),
            "{path}: {options}"
        );
    }
    let names = async |plugin: &str| {
        let (_, options) = world.ask("GET", &format!("/connector-plugins/{plugin}/config"), None).await;
        options.as_array().into_iter().flatten().filter_map(|option| option["name"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(names("org.apache.kafka.connect.transforms.ValueToKey").await, ["fields", "replace.null.with.default"]);
    assert!(names("io.debezium.transforms.outbox.EventRouter").await.contains(&"route.by.field".to_owned()));
    assert!(names("JsonConverter").await.contains(&"schemas.enable".to_owned()));
    assert_eq!(names("HasHeaderKey").await, ["name"]);
    let (_, options) = world.ask("GET", "/connector-plugins/io.debezium.transforms.ByLogicalTableRouter/config", None).await;
    let unique = options.as_array().and_then(|all| all.iter().find(|option| option["name"] == "key.enforce.uniqueness")).expect("listed");
    assert_eq!((&unique["type"], &unique["group"]), (&json!("BOOLEAN"), &json!("Transformation")));
    assert_eq!((&unique["default_value"], &unique["importance"]), (&json!("true"), &json!("LOW")));
    let (_, options) = world.ask("GET", "/connector-plugins/HeaderFrom$Value/config", None).await;
    let operation = options.as_array().and_then(|all| all.iter().find(|option| option["name"] == "operation")).expect("listed");
    assert_eq!((&operation["required"], &operation["importance"]), (&json!(true), &json!("HIGH")));
    assert_eq!(operation["documentation"], "Whether the fields go or stay. One of move, copy.");
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_listed_with_their_offsets() {
    let world = world(&[]).await;
    world.append("shop.public.t", &["1", "2"]).await;
    let (_, topic) = world.ask("GET", "/v1/topics/shop.public.t", None).await;
    let expected = json!({ "name": "shop.public.t", "partitions": [{ "partition": 0, "start": 0, "end": 2 }], "records": 2, "cleanup": "delete",
        "internal": false, "connector": null, "source_table": null, "records_per_second": null, "last_change": "2026-11-21T03:52:08.832Z",
        "config": { "cleanup.policy": "delete", "compression.type": "producer" } });
    assert_eq!(topic, expected);
    let (_, all) = world.ask("GET", "/v1/topics", None).await;
    assert!(all["items"].as_array().is_some_and(|items| items.contains(&expected)), "{all}");
}

/// Sends these bytes and reads until the server closes.
async fn raw(world: &World, bytes: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(&world.address).await.expect("connected");
    stream.write_all(bytes.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
    read.expect("the server closes").expect("readable");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_says_nothing_or_half_of_it_is_disconnected() {
    let wait = Duration::from_millis(50);
    let world = world_with(&[], http::Settings { head_wait: wait, body_wait: wait, ..http::Settings::default() }).await;
    assert_eq!(raw(&world, "").await, "");
    assert_eq!(raw(&world, "GET / HTTP/1.1\r\nHost: loc").await, "");
    // HTTP/2: its beginning, without settings and with them, and no request.
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    raw(&world, preface).await;
    raw(&world, &format!("{preface}\0\0\0\u{4}\0\0\0\0\0")).await;
    let half = "PUT /connectors/a/config HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    let answer = raw(&world, half).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_authentication_a_foreign_host_is_refused() {
    let world = world_with(&[], http::Settings { own_host: Some("db1.internal".into()), ..http::Settings::default() }).await;
    for (host, code) in [
        ("Host: localhost:8083\r\n", "200"),
        ("Host: LOCALHOST\r\n", "200"),
        ("Host: 127.0.0.1:8083\r\n", "200"),
        ("Host: [::1]:8083\r\n", "200"),
        ("Host: db1.internal:8083\r\n", "200"),
        ("Host: evil.example:8083\r\n", "403"),
        ("Host: localhost.evil.example\r\n", "403"),
        ("Host: 192.0.2.1\r\n", "403"),
    ] {
        let answer = raw(&world, &format!("GET /livez HTTP/1.1\r\n{host}Connection: close\r\n\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {code}")), "{host}: {answer}");
    }
    assert!(raw(&world, "GET /livez HTTP/1.0\r\n\r\n").await.contains(" 200 "));
    // A page of another site, as browsers tell; and text that only calls itself JSON.
    for (origin, kind, code) in [
        ("", "application/json", "400"),
        ("", "application/vnd.schemaregistry.v1+json; charset=utf-8", "400"),
        ("", "text/plain;a=json", "415"),
        ("Origin: http://localhost:8083\r\n", "application/json", "400"),
        ("Origin: http://evil.example\r\n", "application/json", "403"),
        ("Origin: null\r\n", "application/json", "403"),
    ] {
        let head = format!("POST /connectors HTTP/1.1\r\nHost: localhost:8083\r\n{origin}Content-Type: {kind}\r\n");
        let answer = raw(&world, &format!("{head}Content-Length: 1\r\nConnection: close\r\n\r\n{{")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {code}")), "{origin}{kind}: {answer}");
    }
    let open = world_with(&[], http::Settings::default()).await;
    assert!(raw(&open, "GET /livez HTTP/1.1\r\nHost: any.example\r\nConnection: close\r\n\r\n").await.contains(" 200 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_topics_come_on_one_stream_and_new_ones_join_it() {
    let world = world_with(&[], http::Settings { beat: Duration::from_millis(20), ..http::Settings::default() }).await;
    for number in 0..70 {
        world.append(&format!("shop.public.t{number}"), &["1"]).await;
    }
    world.append("__debezium-heartbeat.shop", &["1"]).await;
    let lines =
        async |query: &str| world.send("GET", &format!("/v1/records?{query}"), None).await.text().await.expect("lines").lines().count();
    assert_eq!(lines("").await, 70);
    assert_eq!(lines("topic=shop.public.t1*").await, 11);
    assert_eq!(lines("topic=shop.public.t1&topic=shop.public.t2&topic=shop.public.t2*").await, 12);
    assert_eq!(world.ask("GET", "/v1/records?topic=nope", None).await.0, 404);
    assert_eq!(world.ask("GET", "/v1/records?topic=connect-configs", None).await.0, 403);
    assert_eq!(world.ask("GET", "/v1/topics/connect-configs/records", None).await.0, 403);
    let mut live = world.send("GET", "/v1/records?topic=shop.public.*&from=end&follow=true", None).await;
    // An empty line tells that the service is there.
    assert_eq!(live.line().await.expect("a line").as_deref(), Some(""));
    world.append("shop.public.new", &["7"]).await;
    let record = loop {
        let line = live.line().await.expect("a line").expect("the stream goes on");
        if !line.is_empty() {
            break line;
        }
    };
    assert!(record.contains("\"topic\":\"shop.public.new\"") && record.contains("\"value\":7"), "{record}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_of_a_thousand_options_is_refused_with_one_problem() {
    let world = world(&[]).await;
    let mut many = config("h");
    for number in 0..20_000 {
        many[format!("o{number}")] = "x".into();
    }
    let (code, body) = world.ask("PUT", "/connectors/shop/config", Some(many)).await;
    let message = body["message"].as_str().expect("a message");
    assert!(code == 400 && message.contains("contains the following 1 error(s)") && message.contains("20008 options"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_not_waited_for() {
    let file = json!({ "config": config("db") }).to_string();
    let world = world_on(&[("shop.json", &file)], http::Settings::default(), u64::MAX).await;
    world.wait_for("/connectors/shop/status", "/tasks/0/state", "RUNNING").await;
    let (status, answer) = world.ask("PUT", "/connectors/other/config", Some(config("elsewhere"))).await;
    assert_eq!(status, 500, "{answer}");
    assert!(answer["message"].as_str().is_some_and(|text| text.contains("log/full") && text.contains("free disk space")), "{answer}");
    assert_eq!(world.ask("GET", "/connectors/other", None).await.0, 404);
    // Something waits for space.
    let mut writer = world.log.writer(Compression::None);
    let waits = tokio::spawn(async move { drop(writer.topic("t", &TopicSpec::default()).await) });
    world.log.paused().wait_for(Option::is_some).await.expect("it pauses");
    let (_, status) = world.ask("GET", "/connectors/shop/status", None).await;
    assert!(status["tasks"][0]["trace"].as_str().is_some_and(|text| text.contains("log/full")), "{status}");
    let (code, lines) = world.ask("GET", "/readyz?verbose", None).await;
    let lines = lines.as_str().unwrap_or_default();
    assert!(code == 200 && lines.contains("[-]log no space left") && lines.contains("[-]connector shop"), "{lines}");
    assert_eq!(world.ask("GET", "/readyz?require=connectors", None).await.0, 503);
    waits.abort();
}

/// A request with these header lines; status line and all.
async fn asked(world: &World, method: &str, path: &str, headers: &str, body: &str) -> String {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    let head = format!("{method} {path} HTTP/1.1\r\nHost: any.example\r\nConnection: close\r\n{headers}{kind}");
    raw(world, &format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())).await
}

fn status_of(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn with_tokens_nobody_does_more_than_a_token_says() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let tokens = Arc::new(Tokens::open(Store::File(dir.path().join("tokens.json"))).expect("opened"));
    let make = async |name: &str, scopes: &[&str]| {
        let scopes = scopes.iter().map(|scope| Scope::parse(scope).expect("a scope")).collect();
        tokens.create(name, scopes, 0).await.expect("made").1.expose().to_owned()
    };
    let (admin, reader) = (make("admin", &["admin"]).await, make("reader", &["read:topics:shop.*", "read:connectors"]).await);
    let settings = http::Settings { open: http::auth::Open::Nobody, tokens: Some(Arc::clone(&tokens)), ..http::Settings::default() };
    let world = world_with(&[], settings).await;
    world.append("shop.public.t", &["1"]).await;
    world.append("crm.public.t", &["1"]).await;
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    for open in ["/livez", "/readyz", "/health"] {
        assert_eq!(status_of(&asked(&world, "GET", open, "", "").await), 200, "{open}");
    }
    let body = config("h").to_string();
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/metrics"),
        ("GET", "/metrics/debezium"),
        ("GET", "/connectors"),
        ("GET", "/connectors/"),
        ("PUT", "/connectors/a/config"),
        ("GET", "/v1/topics"),
        ("GET", "/v1/topics/shop.public.t/records"),
        ("GET", "/v1/records"),
        ("GET", "/v1/tokens"),
        ("POST", "/v1/tokens"),
        ("GET", "/subjects"),
        ("GET", "/readyz?verbose"),
        ("GET", "/connector-plugins"),
    ] {
        let body = if method == "GET" { "" } else { &body };
        let answer = asked(&world, method, path, "", body).await;
        assert_eq!(status_of(&answer), 401, "{method} {path}");
        assert!(answer.to_ascii_lowercase().contains("www-authenticate: bearer realm=\"rowfeed\", basic"), "{answer}");
        let json: Json = serde_json::from_str(answer.split("\r\n\r\n").nth(1).expect("a body")).expect("JSON");
        match path.starts_with("/v1/") {
            true => {
                assert!(answer.contains("application/problem+json"), "{answer}");
                assert_eq!((&json["status"], &json["code"]), (&401.into(), &"http/token-missing".into()));
            }
            false => assert_eq!(json["error_code"], 401, "{path}"),
        }
        for wrong in [
            "Authorization: Bearer rf_wrong\r\n",
            "Authorization: Basic OnJmX3dyb25n\r\n",
            "Authorization: Bearer\r\n",
            "Authorization: Basic !\r\n",
        ] {
            assert_eq!(status_of(&asked(&world, method, path, wrong, body).await), 401, "{method} {path} {wrong}");
        }
        assert!((200..300).contains(&status_of(&asked(&world, "GET", "/connectors", &bearer(&admin), "").await)));
    }
    assert_eq!(status_of(&asked(&world, "PUT", "/connectors/a/config", &bearer(&admin), &body).await), 201);
    for (method, path, expected) in [
        ("GET", "/connectors/a/status", 200),
        ("PUT", "/connectors/a/pause", 403),
        ("DELETE", "/connectors/a", 403),
        ("GET", "/v1/topics/shop.public.t/records", 200),
        ("GET", "/v1/topics/crm.public.t/records", 403),
        ("GET", "/v1/topics/%63rm.public.t/records", 403),
        ("GET", "/v1/records?topic=shop.public.*", 200),
        ("GET", "/v1/records?topic=shop.public.*&topic=crm.*", 403),
        ("GET", "/v1/records", 403),
        ("GET", "/v1/tokens", 403),
        ("GET", "/metrics", 403),
        ("GET", "/nowhere", 404),
    ] {
        assert_eq!(status_of(&asked(&world, method, path, &bearer(&reader), "").await), expected, "{method} {path}");
    }
    // Deliveries show keys and rows of whatever a subscription reads. Here there are none: 404, or 501 without a log of one's own.
    let every = make("every", &["read:topics", "write:subscriptions"]).await;
    let some = make("some", &["read:topics:shop.*", "write:subscriptions"]).await;
    let route = "/v1/subscriptions/none";
    for (method, path) in [("POST", "/test"), ("POST", "/replay"), ("GET", "/deliveries")] {
        let body = if method == "GET" { "" } else { "{\"from\":\"start\"}" };
        let path = format!("{route}{path}");
        assert_eq!(status_of(&asked(&world, method, &path, &bearer(&some), body).await), 403, "{method} {path}");
        for token in [&every, &admin] {
            let status = status_of(&asked(&world, method, &path, &bearer(token), body).await);
            assert!(matches!(status, 404 | 501), "{method} {path}: {status}");
        }
    }
    assert!(matches!(status_of(&asked(&world, "POST", &format!("{route}/pause"), &bearer(&some), "").await), 404 | 501));
    // As kcctl shows it: user and password.
    let basic = format!("Authorization: Basic {}\r\n", BASE64.encode(format!("me:{reader}")));
    assert_eq!(status_of(&asked(&world, "GET", "/connectors", &basic, "").await), 200);
    // Made and revoked over HTTP; the secret is in the first answer only.
    let made = asked(&world, "POST", "/v1/tokens", &bearer(&admin), "{\"name\":\"ci\",\"scopes\":[\"read:metrics\"]}").await;
    assert_eq!(status_of(&made), 201, "{made}");
    let made: Json = serde_json::from_str(made.split("\r\n\r\n").nth(1).expect("a body")).expect("JSON");
    let secret = made["token"].as_str().expect("the token").to_owned();
    let listed = asked(&world, "GET", "/v1/tokens", &bearer(&admin), "").await;
    assert!(listed.contains("\"ci\"") && !listed.contains(&secret), "{listed}");
    assert_eq!(status_of(&asked(&world, "GET", "/metrics", &bearer(&secret), "").await), 200);
    assert_eq!(status_of(&asked(&world, "POST", "/v1/tokens", &bearer(&admin), "{\"name\":\"x\",\"scopes\":[\"root\"]}").await), 400);
    assert_eq!(status_of(&asked(&world, "DELETE", "/v1/tokens/ci", &bearer(&admin), "").await), 204);
    assert_eq!(status_of(&asked(&world, "GET", "/metrics", &bearer(&secret), "").await), 401);
    // A browser that remembers a password shows it for any page.
    let page = format!("{}Origin: https://evil.example\r\n", bearer(&admin));
    assert_eq!(status_of(&asked(&world, "PUT", "/connectors/a/pause", &page, "").await), 403);
    // Where everybody is let in, nobody may make a token for later.
    let open = world_with(&[], http::Settings { tokens: Some(Arc::clone(&tokens)), ..http::Settings::default() }).await;
    assert_eq!(status_of(&asked(&open, "POST", "/v1/tokens", "", "{\"name\":\"x\",\"scopes\":[\"admin\"]}").await), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_listed_origins_are_allowed_and_none_because_it_asked() {
    let listed = "https://app.example.com";
    let world = world_with(&[], http::Settings { cors_origins: vec![listed.to_owned()], ..http::Settings::default() }).await;
    let allowed = |answer: &str| {
        let line = answer.lines().find(|line| line.to_ascii_lowercase().starts_with("access-control-allow-origin:"));
        line.map(|line| line.split_once(':').expect("a header").1.trim().to_owned())
    };
    let answer = asked(&world, "GET", "/connectors", &format!("Origin: {listed}\r\n"), "").await;
    assert_eq!((status_of(&answer), allowed(&answer).as_deref()), (200, Some(listed)));
    assert!(answer.to_ascii_lowercase().contains("vary: origin"), "{answer}");
    let names = |answer: &str, header: &str| {
        let answer = answer.to_ascii_lowercase();
        let line = answer.lines().find_map(|line| line.strip_prefix(header)?.strip_prefix(": "));
        line.unwrap_or_default().split(", ").map(str::to_owned).collect::<Vec<_>>()
    };
    let seen = names(&answer, "access-control-expose-headers");
    for name in ["etag", "location", "link", "x-request-id", "retry-after"] {
        assert!(seen.iter().any(|known| known == name), "a page does not see {name}: {answer}");
    }
    let preflight = format!("Origin: {listed}\r\nAccess-Control-Request-Method: PUT\r\n");
    let answer = asked(&world, "OPTIONS", "/connectors/a/config", &preflight, "").await;
    assert_eq!((status_of(&answer), allowed(&answer).as_deref()), (204, Some(listed)));
    let may = names(&answer, "access-control-allow-headers");
    for name in ["authorization", "content-type", "if-match", "x-request-id", "last-event-id"] {
        assert!(may.iter().any(|known| known == name), "a page may not send {name}: {answer}");
    }
    for other in ["https://evil.example", "https://app.example.com.evil.example", "http://app.example.com", "null"] {
        for headers in [format!("Origin: {other}\r\n"), format!("Origin: {other}\r\nAccess-Control-Request-Method: PUT\r\n")] {
            assert_eq!(allowed(&asked(&world, "GET", "/connectors", &headers, "").await), None, "{other}");
            assert_eq!(allowed(&asked(&world, "OPTIONS", "/connectors", &headers, "").await), None, "{other}");
        }
    }
    let none = world_with(&[], http::Settings::default()).await;
    assert_eq!(allowed(&asked(&none, "GET", "/connectors", &format!("Origin: {listed}\r\n"), "").await), None);
}

/// The description of the API is committed, so that a change of it is seen.
#[test]
fn the_committed_openapi_is_what_the_code_makes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
    let made = serde_json::to_string_pretty(&http::document()).expect("JSON") + "\n";
    if std::env::var_os("ROWFEED_RENEW").is_some() {
        std::fs::write(path, &made).expect("written");
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == made, "docs/openapi.json is not what the code makes; renew it: ROWFEED_RENEW=1 cargo test --test rest openapi");
    // Every reference leads somewhere.
    let document = http::document();
    for name in made.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_served_and_knows_every_path() {
    let world = world(&[]).await;
    let (code, document) = world.ask("GET", "/openapi.json", None).await;
    assert_eq!((code, &document), (200, &http::document()));
    let mut ids = std::collections::BTreeSet::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            assert!(ids.insert(operation["operationId"].to_string()), "{method} {path}");
            let answers = operation["responses"].as_object().expect("answers");
            assert!(answers.keys().any(|status| status.starts_with('2') || status == "101"), "{method} {path}");
        }
    }
    assert!(ids.len() >= 70, "{}", ids.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_under_v1_is_a_problem_with_an_id_and_others_keep_kafka_connects_shape() {
    let world = world(&[]).await;
    let mut told = world.send("GET", "/v1/connectors/none", None).await;
    assert_eq!((told.status, told.header("content-type")), (404, Some("application/problem+json")));
    let id = told.header("x-request-id").expect("an id").to_owned();
    let body: Json = serde_json::from_str(&told.text().await.expect("a body")).expect("JSON");
    let message = "Connector none not found";
    let expected = json!({ "type": "about:blank", "title": "Not Found", "status": 404, "detail": message, "request_id": id,
        "error_code": 404, "message": message });
    assert_eq!(body, expected);
    // The client's own id is kept, and what is known of the problem is told.
    world.ask("PUT", "/connectors/shop/config", Some(config("h"))).await;
    let signal = "{\"type\": \"execute-snapshot\", \"data\": \"nonsense\"}";
    let head = format!(
        "POST /v1/connectors/shop/signals HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: mine-1\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{signal}",
        signal.len()
    );
    world.wait_for("/connectors/shop/status", "/tasks/0/state", "RUNNING").await;
    let answer = raw(&world, &head).await;
    assert!(answer.starts_with("HTTP/1.1 422") && answer.contains("x-request-id: mine-1\r\n"), "{answer}");
    assert!(answer.contains("\"request_id\":\"mine-1\"") && answer.contains("\"type\":\"urn:rowfeed:error:"), "{answer}");
    let plain = world.send("GET", "/connectors/none", None).await;
    assert_eq!((plain.header("content-type"), plain.header("x-request-id").is_some()), (Some("application/json"), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_is_changed_only_as_it_was_read() {
    let world = world(&[]).await;
    world.ask("PUT", "/connectors/shop/config", Some(config("h"))).await;
    let tag = world.send("GET", "/connectors/shop/config", None).await.header("etag").expect("a tag").to_owned();
    let change = async |method: &str, path: &str, tag: &str, body: Json| {
        let body = body.to_string();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nIf-Match: {tag}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        raw(&world, &head).await
    };
    let path = "/connectors/shop/config";
    let answer = change("PATCH", path, &tag, json!({ "database.password": "another" })).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("etag: \""), "{answer}");
    // Another password is another configuration, though both are shown as stars.
    for (method, body) in [("PATCH", json!({ "slot.name": "late" })), ("PUT", config("h2"))] {
        let answer = change(method, path, &tag, body).await;
        assert!(answer.starts_with("HTTP/1.1 412") && answer.contains("read it again"), "{answer}");
    }
    assert!(change("PUT", "/connectors/none/config", "*", config("elsewhere")).await.starts_with("HTTP/1.1 412"));
    assert!(change("PUT", path, "*", config("h2")).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeline_tells_the_changes_of_state_and_their_causes() {
    let world = world(&[]).await;
    assert_eq!(world.ask("GET", "/v1/connectors/bad/timeline", None).await.0, 404);
    world.ask("PUT", "/connectors/bad/config", Some(config("broken"))).await;
    world.wait_for("/connectors/bad/status", "/tasks/0/state", "FAILED").await;
    let (code, told) = world.ask("GET", "/v1/connectors/bad/timeline", None).await;
    let items = told["items"].as_array().expect("items");
    let states: Vec<_> = items.iter().map(|item| item["state"].as_str().unwrap_or_default()).collect();
    assert_eq!((code, states), (200, vec!["starting", "failed"]));
    let last = &items[1];
    assert_eq!((&last["code"], &last["fix"], &items[0]["code"]), (&json!("pg/auth"), &json!("correct it"), &Json::Null));
    world.ask("PUT", "/connectors/bad/stop", None).await;
    world.wait_for("/v1/connectors/bad/timeline?from=now-1h", "/items/2/state", "stopped").await;
    assert_eq!(world.ask("GET", "/v1/connectors/bad/timeline?from=4102444800000", None).await.1["items"], json!([]));
    assert_eq!(world.ask("GET", "/v1/connectors/bad/timeline?from=yesterday", None).await.0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_tells_how_a_connector_fared() {
    let file = json!({ "config": config("db") }).to_string();
    let world = world(&[("shop.json", &file)]).await;
    let path = "/v1/series?connector=shop&metric=lag_ms";
    let deadline = Instant::now() + Duration::from_secs(10);
    let told = loop {
        let (code, told) = world.ask("GET", path, None).await;
        assert_eq!(code, 200, "{told}");
        if told["points"].as_array().is_some_and(|points| !points.is_empty()) {
            break told;
        }
        assert!(Instant::now() < deadline, "the first sample is taken at once");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!((&told["unit"], &told["step_ms"]), (&json!("milliseconds"), &json!(10_000)));
    // No transaction came yet.
    assert!(told["points"][0]["value"].is_null() && told["points"][0]["ts"].is_string(), "{told}");
    let step = async |query: &str| world.ask("GET", &format!("{path}&{query}"), None).await.1["step_ms"].clone();
    assert_eq!((step("from=now-1d").await, step("step=5m").await), (json!(60_000), json!(300_000)));
    for (bad, code) in [("connector=shop&metric=x", 400), ("metric=lag_ms", 400), ("connector=none&metric=lag_ms", 404)] {
        assert_eq!(world.ask("GET", &format!("/v1/series?{bad}"), None).await.0, code, "{bad}");
    }
    for bad in ["step=1s", "step=x", "from=end"] {
        assert_eq!(world.ask("GET", &format!("{path}&{bad}"), None).await.0, 400, "{bad}");
    }
}
