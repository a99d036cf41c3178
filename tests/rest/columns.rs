//! What a topic's newest records look like.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_records_tell_a_topics_columns() {
    let world = world(&[]).await;
    let row = |n: u32, more: &str| format!("{{\"op\":\"c\",\"before\":null,\"after\":{{\"id\":{n}{more}}},\"source\":{{}},\"ts_ms\":1}}");
    let old: Vec<String> = (0..300).map(|n| row(n, ",\"old\":true")).collect();
    world.append("shop.public.t", &old.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let new: Vec<String> = (0..200).map(|n| row(n, if n % 2 == 0 { ",\"note\":\"x\"" } else { ",\"note\":null" })).collect();
    world.append("shop.public.t", &new.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let path = "/v1/topics/shop.public.t/schema";
    let expected = json!({
        "topic": "shop.public.t", "scanned": 200, "unreadable": 0,
        "columns": [
            { "name": "id", "in_key": true, "types": ["integer"], "nullable": false, "seen": 200 },
            { "name": "note", "in_key": false, "types": ["string"], "nullable": true, "seen": 200 },
        ],
        "schemas": [],
    });
    assert_eq!(world.ask("GET", path, None).await, (200, expected));

    let schema = json!({ "schema": "{\"type\": \"long\"}" });
    let (status, registered) = world.ask("POST", "/subjects/shop.public.t-key/versions", Some(schema)).await;
    assert_eq!(status, 200, "{registered}");
    let (_, told) = world.ask("GET", path, None).await;
    let version = json!([{ "subject": "shop.public.t-key", "version": 1, "id": registered["id"], "schema_type": "AVRO" }]);
    assert_eq!(told["schemas"], version);

    world.append("bytes", &["\u{0}\u{1}"]).await;
    let (_, told) = world.ask("GET", "/v1/topics/bytes/schema", None).await;
    assert_eq!((&told["scanned"], &told["unreadable"], &told["columns"][0]["name"]), (&1.into(), &1.into(), &"id".into()));
    assert_eq!(world.ask("GET", "/v1/topics/none/schema", None).await.0, 404);
}
