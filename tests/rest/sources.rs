//! Databases that no connector reads yet: what is refused without asking one.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_proposed_is_refused_by_the_option_that_is_wrong() {
    let world = world(&[]).await;
    for (path, wrong) in [
        ("/v1/sources/tables", json!({})),
        ("/v1/sources/tables", json!([])),
        ("/v1/sources/tables", json!({ "url": 1 })),
        ("/v1/sources/tables", json!({ "url": "postgres://a@b/c", "config": {} })),
        ("/v1/sources/tables", json!({ "urls": "postgres://a@b/c" })),
        ("/v1/sources/tables", json!({ "config": { "a": {} } })),
        ("/v1/sources/preview", json!({ "config": config("h") })),
        ("/v1/sources/preview", json!({ "table": "public.t" })),
        ("/v1/sources/preview", json!({ "config": config("h"), "table": 1 })),
    ] {
        let (status, told) = world.ask("POST", path, Some(wrong.clone())).await;
        assert_eq!(status, 400, "{path} {wrong}: {told}");
    }
    let mut wrong = config("h");
    wrong["snapshot.mode"] = "nonsense".into();
    wrong["topic.prefix"] = Json::Null;
    let (status, told) = world.ask("POST", "/v1/sources/preview", Some(json!({ "config": wrong, "table": "public.t" }))).await;
    let mut keys: Vec<&str> = told["problems"].as_array().expect("problems").iter().filter_map(|problem| problem["key"].as_str()).collect();
    keys.sort_unstable();
    assert_eq!((status, keys), (400, vec!["snapshot.mode", "topic.prefix"]), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_told_without_its_password() {
    let world = world(&[]).await;
    let mut away = config("127.0.0.1");
    away["database.port"] = 1.into();
    away["topic.prefix"] = "shop".into();
    let url = "postgres://cdc:hunter2@127.0.0.1:1/shop";
    for (path, body) in [
        ("/v1/sources/tables", json!({ "url": url })),
        ("/v1/sources/tables", json!({ "config": away })),
        ("/v1/sources/preview", json!({ "config": away, "table": "public.t" })),
    ] {
        let (status, told) = world.ask("POST", path, Some(body)).await;
        assert_eq!((status, &told["code"]), (422, &"pg/refused".into()), "{path}: {told}");
        assert!(!told.to_string().contains("hunter2"), "{told}");
    }
}
