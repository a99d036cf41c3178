//! Paths, bodies and codes. Aim: what Confluent's registry answers, this answers. Method: raw requests, whole bodies compared.

use serde_json::{Value as Json, json};

use crate::served::Served;

const ONE: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#;
const TWO: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"string","default":""}]}"#;
const BROKEN: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}"#;

fn error(code: u64, message: &str) -> (u16, Json) {
    let status = if code < 1_000 { code } else { code / 100 };
    (u16::try_from(status).expect("a status"), json!({ "error_code": code, "message": message }))
}

#[tokio::test(flavor = "multi_thread")]
async fn schemas_are_registered_found_and_read_back() {
    let registry = Served::start().await;
    assert_eq!(registry.ask("GET", "/subjects", None).await, (200, json!([])));
    assert_eq!(registry.ask("GET", "/schemas/types", None).await, (200, json!(["JSON", "PROTOBUF", "AVRO"])));
    assert_eq!(registry.ask("GET", "/contexts", None).await, (200, json!(["."])));
    let spaced = ONE.replace(',', " , ");
    assert_eq!(registry.register("t-value", &spaced).await, Ok(1));
    assert_eq!(registry.register("t-value", ONE).await, Ok(1));
    assert_eq!(registry.register("other", ONE).await, Ok(1));
    assert_eq!(registry.register("t-value", TWO).await, Ok(2));
    assert_eq!(registry.ask("GET", "/subjects/", None).await, (200, json!(["other", "t-value"])));
    assert_eq!(registry.ask("GET", "/subjects?subjectPrefix=t-", None).await, (200, json!(["t-value"])));
    assert_eq!(registry.ask("GET", "/subjects/t-value/versions", None).await, (200, json!([1, 2])));
    let second = json!({ "subject": "t-value", "version": 2, "id": 2, "schema": TWO });
    for version in ["2", "latest", "-1"] {
        let answer = registry.ask("GET", &format!("/subjects/t-value/versions/{version}"), None).await;
        assert_eq!(answer, (200, second.clone()));
    }
    let raw: Json = serde_json::from_str(ONE).expect("JSON");
    assert_eq!(registry.ask("GET", "/subjects/t-value/versions/1/schema", None).await, (200, raw.clone()));
    assert_eq!(registry.ask("GET", "/schemas/ids/1", None).await, (200, json!({ "schema": ONE })));
    assert_eq!(registry.ask("GET", "/schemas/ids/1?fetchMaxId=true", None).await, (200, json!({ "schema": ONE, "maxId": 2 })));
    assert_eq!(registry.ask("GET", "/schemas/ids/1/schema", None).await, (200, raw));
    assert_eq!(registry.ask("GET", "/schemas/ids/1/subjects", None).await, (200, json!(["other", "t-value"])));
    let uses = json!([{ "subject": "other", "version": 1 }, { "subject": "t-value", "version": 1 }]);
    assert_eq!(registry.ask("GET", "/schemas/ids/1/versions", None).await, (200, uses));
    assert_eq!(
        registry.ask("POST", "/subjects/t-value", Some(json!({ "schema": TWO, "schemaType": "AVRO" }))).await,
        (200, second.clone())
    );
    let latest = registry.ask("GET", "/schemas?latestOnly=true&offset=1", None).await;
    assert_eq!(latest, (200, json!([second])));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_have_confluents_codes() {
    let registry = Served::start().await;
    registry.register("s", ONE).await.expect("registered");
    let schema = |schema: &str| Some(json!({ "schema": schema }));
    for (method, path, body, expected) in [
        ("GET", "/subjects/no/versions", None, error(40401, "Subject 'no' not found.")),
        ("GET", "/subjects/no/versions/1", None, error(40401, "Subject 'no' not found.")),
        ("GET", "/subjects/s/versions/5", None, error(40402, "Version 5 not found.")),
        ("GET", "/schemas/ids/9", None, error(40403, "Schema 9 not found")),
        ("POST", "/subjects/no", schema(ONE), error(40401, "Subject 'no' not found.")),
        ("POST", "/subjects/s", schema(TWO), error(40403, "Schema not found")),
        ("DELETE", "/subjects/no", None, error(40401, "Subject 'no' not found.")),
        ("POST", "/subjects/s/versions", schema(""), error(42201, "Empty schema")),
        ("POST", "/subjects/s/versions", schema("\"strin\""), error(42201, "Invalid schema: Undefined schema: strin")),
        ("POST", "/subjects/s/versions", Some(json!({ "schema": "x", "schemaType": "XML" })), error(42201, "Invalid schema type XML")),
        ("GET", "/config/s", None, error(40408, "Subject 's' does not have subject-level compatibility configured")),
        ("GET", "/mode/s", None, error(40409, "Subject 's' does not have subject-level mode configured")),
        ("PUT", "/mode", Some(json!({ "mode": "OFF" })), error(42204, "Invalid mode. Valid values are READWRITE, READONLY, IMPORT")),
    ] {
        assert_eq!(registry.ask(method, path, body).await, expected, "{method} {path}");
    }
    for (method, path, body, code) in [
        ("GET", "/subjects/s/versions/0", None, 42202),
        ("GET", "/subjects/s/versions/x", None, 42202),
        ("PUT", "/config", Some(json!({ "compatibility": "SIDEWAYS" })), 42203),
        ("PUT", "/config", Some(json!({ "compatibility": "NONE", "alias": "x" })), 42205),
        ("POST", "/subjects/s/versions", schema(BROKEN), 409),
        ("POST", "/subjects/:.ctx:s/versions", schema(ONE), 42208),
        ("POST", "/subjects/s/versions", Some(json!({ "schema": ONE, "ruleSet": {} })), 42205),
        ("DELETE", "/subjects/s/versions/1?permanent=true", None, 40407),
        ("DELETE", "/subjects/s?permanent=true", None, 40405),
    ] {
        let (_, answer) = registry.ask(method, path, body).await;
        assert_eq!(answer["error_code"], code, "{method} {path}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compatibility_is_what_the_level_says() {
    let registry = Served::start().await;
    registry.register("s", ONE).await.expect("registered");
    let ask = async |path: &str, schema: &str| registry.ask("POST", path, Some(json!({ "schema": schema }))).await;
    let latest = "/compatibility/subjects/s/versions/latest";
    assert_eq!(registry.ask("GET", "/config", None).await, (200, json!({ "compatibilityLevel": "BACKWARD" })));
    assert_eq!(ask(latest, TWO).await, (200, json!({ "is_compatible": true })));
    assert_eq!(ask(latest, BROKEN).await, (200, json!({ "is_compatible": false })));
    assert_eq!(ask("/compatibility/subjects/new/versions/latest", BROKEN).await, (200, json!({ "is_compatible": true })));
    let (_, verbose) = ask("/compatibility/subjects/s/versions?verbose=true", BROKEN).await;
    let told = verbose["messages"][0].as_str().unwrap_or_default();
    assert!(told.contains("TYPE_MISMATCH") && told.contains("/fields/0/type"), "{verbose}");
    assert_eq!(ask("/compatibility/subjects/s/versions/7", TWO).await, error(40402, "Version 7 not found."));

    assert_eq!(registry.register("s", BROKEN).await, Err(409));
    let none = json!({ "compatibility": "NONE" });
    assert_eq!(registry.ask("PUT", "/config/s", Some(none.clone())).await, (200, none));
    assert_eq!(registry.ask("GET", "/config/s", None).await, (200, json!({ "compatibilityLevel": "NONE" })));
    assert_eq!(registry.register("s", BROKEN).await, Ok(2));
    assert_eq!(registry.ask("DELETE", "/config/s", None).await, (200, json!({ "compatibilityLevel": "NONE" })));
    assert_eq!(registry.ask("GET", "/config/s?defaultToGlobal=true", None).await, (200, json!({ "compatibilityLevel": "BACKWARD" })));
    registry.ask("PUT", "/config", Some(json!({ "compatibility": "forward_transitive" }))).await;
    assert_eq!(registry.ask("GET", "/config", None).await, (200, json!({ "compatibilityLevel": "FORWARD_TRANSITIVE" })));
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_survives_a_restart_and_ids_are_not_given_again() {
    let registry = Served::start().await;
    assert_eq!(registry.register("a", ONE).await, Ok(1));
    assert_eq!(registry.register("a", TWO).await, Ok(2));
    assert_eq!(registry.ask("DELETE", "/subjects/a/versions/2", None).await, (200, json!(2)));
    assert_eq!(registry.ask("DELETE", "/subjects/a/versions/latest?permanent=true", None).await, (200, json!(2)));
    registry.ask("PUT", "/mode/b", Some(json!({ "mode": "READONLY" }))).await;
    let json_schema = json!({ "schema": "{ \"type\": \"string\" }", "schemaType": "JSON" });
    assert_eq!(registry.ask("POST", "/subjects/j/versions", Some(json_schema)).await, (200, json!({ "id": 3 })));
    let proto = "syntax = \"proto3\"; message A { int32 a = 1; }";
    let answer = registry.ask("POST", "/subjects/p/versions", Some(json!({ "schema": proto, "schemaType": "PROTOBUF" }))).await;
    assert_eq!(answer, (200, json!({ "id": 4 })));

    let registry = registry.restart().await;
    assert_eq!(registry.ask("GET", "/subjects/a/versions?deleted=true", None).await, (200, json!([1])));
    assert_eq!(
        registry.ask("GET", "/schemas/ids/3", None).await,
        (200, json!({ "schemaType": "JSON", "schema": "{\"type\":\"string\"}" }))
    );
    assert_eq!(registry.ask("GET", "/schemas/ids/4", None).await, (200, json!({ "schemaType": "PROTOBUF", "schema": proto })));
    assert_eq!(registry.register("b", ONE).await, Err(42205));
    assert_eq!(registry.register("a", TWO).await, Ok(5), "2 was another schema's once");
    assert_eq!(registry.ask("DELETE", "/subjects/a", None).await, (200, json!([1, 2])));
    assert_eq!(registry.ask("GET", "/subjects", None).await, (200, json!(["j", "p"])));
    assert_eq!(registry.ask("GET", "/subjects?deleted=true", None).await, (200, json!(["a", "j", "p"])));
}

#[tokio::test(flavor = "multi_thread")]
async fn references_are_resolved_and_protected() {
    let registry = Served::start().await;
    registry.register("r", ONE).await.expect("registered");
    let using = json!({
        "schema": r#"{"type":"array","items":"R"}"#,
        "references": [{ "name": "R", "subject": "r", "version": 1 }]
    });
    assert_eq!(registry.ask("POST", "/subjects/u/versions", Some(using.clone())).await, (200, json!({ "id": 2 })));
    let (_, kept) = registry.ask("GET", "/subjects/u/versions/1", None).await;
    assert_eq!((&kept["references"], &kept["schema"]), (&using["references"], &using["schema"]));
    assert_eq!(registry.ask("GET", "/subjects/r/versions/1/referencedby", None).await, (200, json!([2])));
    assert_eq!(registry.ask("DELETE", "/subjects/r", None).await.1["error_code"], 42206);
}
