//! The settings as they are in force, and what a report of a mistake gathers.

use super::*;
use rowfeed::config::service::Sources;
use rowfeed::config::{Running, ServiceConfig};

/// Settings of a file, the environment and the command line, with secrets.
pub fn running(dir: &std::path::Path) -> Running {
    let text = "[http]\njwt_secret = \"planted-secret-of-32-bytes-and-more\"\n\n[log]\nretention = \"3d\"\n";
    std::fs::write(dir.join("rowfeed.toml"), text).expect("written");
    let sources = Sources {
        environment: vec![("ROWFEED_SOURCE_URL".to_owned(), "postgres://u:planted-password@h/d".to_owned())],
        set: vec!["http.listen=127.0.0.1:1".to_owned()],
        working_dir: dir.to_owned(),
        ..Sources::default()
    };
    Running::new(ServiceConfig::load(&sources).unwrap_or_else(|problems| panic!("{problems:?}")))
}

fn setting<'a>(told: &'a Json, name: &str) -> &'a Json {
    let items = told["items"].as_array().expect("items");
    items.iter().find(|item| item["name"] == name).unwrap_or_else(|| panic!("{name} is not in {told:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_told_with_where_they_come_from_and_without_their_secrets() {
    let broken = config("h").to_string().replace("\"tombstones.on.delete\"", "\"tombstone.on.delete\"");
    let world = world(&[("shop.json", &config("h2").to_string()), ("wrong.json", &broken)]).await;
    let (status, told) = world.ask("GET", "/v1/config", None).await;
    assert_eq!(status, 200, "{told}");
    let from = |name: &str| {
        let setting = setting(&told, name);
        (setting["value"].as_str().expect("a text"), setting["source"].as_str().expect("a text"), setting["line"].as_u64())
    };
    assert_eq!(from("log.retention"), ("3d", "file", Some(5)));
    assert_eq!(from("http.jwt_secret"), ("********", "file", Some(2)));
    assert_eq!(from("source.url"), ("********", "environment", None));
    assert_eq!(from("http.listen"), ("127.0.0.1:1", "flag", None));
    assert_eq!(from("kafka.listen"), ("127.0.0.1:9092", "default", None));
    assert!(setting(&told, "log.retention")["doc"].is_string() && !told.to_string().contains("planted"), "{told:#}");
    let file = world.dir.path().join("rowfeed.toml").display().to_string();
    assert_eq!((&told["file"], &told["read"]["successful"], &told["read"]["needs_restart"]), (&file.into(), &true.into(), &json!([])));
    assert!(told["read"]["at"].is_string() && told["connectors"]["read_at"].is_string(), "{told:#}");
    let read = &told["connectors"]["read"];
    assert_eq!((&read["started"], &read["successful"]), (&json!(["shop"]), &false.into()), "{told:#}");
    assert_eq!((&read["problems"][0]["connector"], &read["problems"][0]["code"]), (&"wrong".into(), &"config/unknown-key".into()));
    let files: Vec<&str> =
        told["connectors"]["files"].as_array().expect("files").iter().filter_map(|file| file["connector"].as_str()).collect();
    assert_eq!(files, ["shop", "wrong"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_has_what_helps_and_neither_rows_nor_secrets() {
    let world = world(&[]).await;
    world.ask("PUT", "/connectors/shop/config", Some(config("h"))).await;
    world.wait_for("/connectors/shop/status", "/tasks/0/state", "RUNNING").await;
    world.append("shop.public.t", &["{\"planted\":\"row\"}"]).await;
    let mut answer = world.send("GET", "/v1/diagnostics", None).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
    assert!(answer.header("content-disposition").is_some_and(|name| name.starts_with("attachment; filename=\"rowfeed-diagnostics-")));
    let text = answer.text().await.expect("a body");
    assert!(!text.contains("planted") && !text.contains("hunter2"), "{text}");
    let told: Json = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&told["schema"], &told["status"]["version"]), (&"rowfeed/diagnostics@1".into(), &env!("CARGO_PKG_VERSION").into()));
    assert_eq!(setting(&told["config"], "log.retention")["value"], "3d");
    let shop = &told["connectors"]["shop"];
    assert_eq!((&shop["config"]["database.password"], &shop["config"]["database.hostname"]), (&"********".into(), &"h".into()));
    assert!(shop["timeline"].as_array().is_some_and(|changes| !changes.is_empty()), "{shop}");
    assert!(told["slots"]["unreached"].is_array(), "{told:#}");
}
