//! The HTTP API asked whatever its description allows, and what it forbids.
//!
//! Aim: no request makes the service fail, and no answer has a status, a type or a field that `GET /openapi.json` does not
//! say. Method: Schemathesis, with a fixed seed, against the program with a connector that streams; the description is made
//! stricter first (no field beyond those that are named), and names that are in use stand in it, or every answer were a 404.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::installed;
use crate::support::http::{get, request};
use crate::support::missing;
use crate::support::postgres::{fresh_database, shared_server};
use crate::support::service::{Rowfeed, connector_config, with};

/// What stands for each name in a path: some that are there, some that are not.
const NAMES: [(&str, &[&str]); 12] = [
    ("name", &["shop", "none", "a b/c"]),
    ("task", &["0", "1", "x"]),
    ("plugin", &["PostgresConnector", "io.debezium.transforms.ExtractNewRecordState", "Nonsense"]),
    ("logger", &["rowfeed::http", "nonsense"]),
    ("topic", &["srv.public.orders", "connect-configs", "none"]),
    ("key", &["1", "{\"id\":2}", "none"]),
    ("slot", &["none", "No-Slot"]),
    ("subject", &["orders-value", "money-value", "none"]),
    ("version", &["1", "latest", "-1", "99", "x"]),
    ("id", &["1", "2", "99", "x"]),
    ("group", &["none"]),
    ("connector", &["shop", "none"]),
];

const CHECKS: &str = "not_a_server_error,unsupported_method,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance";

#[test]
fn every_answer_is_as_the_description_says() {
    let Some(server) = shared_server() else { return };
    let program = match schemathesis() {
        Ok(program) => program,
        Err(why) => return missing(&format!("schemathesis: {why}")),
    };
    let database = fresh_database(server, "api");
    database
        .sql()
        .run("create table orders(id int primary key, note text); insert into orders select n, 'note' from generate_series(1, 20) n");
    let rowfeed = Rowfeed::start(&[]);
    let http = rowfeed.http();
    let config = connector_config(&database, "srv", "public.orders");
    for (name, more) in [("shop", json!({})), ("victim", json!({"topic.prefix": "victim", "slot.name": format!("{}_2", database.name)}))] {
        let answer = rowfeed.put_connector(name, &with(config.clone(), &more));
        assert_eq!(answer.status, 201, "{}", answer.body);
    }
    rowfeed.wait_until_streaming("shop", &database.sql(), &database.name);
    for (subject, body) in [
        (
            "orders-value",
            json!({"schema": "{\"type\": \"record\", \"name\": \"Order\", \"fields\": [{\"name\": \"id\", \"type\": \"int\"}]}"}),
        ),
        ("money-value", json!({"schemaType": "PROTOBUF", "schema": "syntax = \"proto3\"; message Money { int64 cents = 1; }"})),
    ] {
        let answer = request(&http, "POST", &format!("/subjects/{subject}/versions"), Some(&body)).expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    let mut description = get(&http, "/openapi.json").expect("an answer").json();
    sharpen(&mut description);
    let paths = description["paths"].as_object_mut().expect("paths");
    // Streams have no end, sinks and look-ups wait for others: they have tests of their own.
    let waits = |path: &str| {
        path.ends_with("/stream") || path == "/v1/ws" || path.contains("/keys/") || path.starts_with("/v1/subscriptions/{name}")
    };
    paths.retain(|path, _| !waits(path));
    for (path, methods) in paths {
        for (method, operation) in methods.as_object_mut().expect("methods") {
            prepare(path, method, operation);
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("openapi.json");
    std::fs::write(&file, description.to_string()).expect("written");
    let mut command = Command::new(program);
    command.current_dir(folder.path()).arg("run").arg(&file).arg("--url").arg(format!("http://{http}"));
    command.args(["--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--max-examples", "16", "--continue-on-failure"]);
    command.args(["--seed", "5", "--generation-deterministic", "--no-shrink", "--no-color"]);
    command.args(["--suppress-health-check", "all", "--request-timeout", "20", "--workers", "1", "--warnings", "off"]);
    let done = command.output().expect("schemathesis runs");
    let told = format!("{}\n{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{told}");
    // It did ask.
    assert!(generated(&told).is_some_and(|cases| cases > 1000), "{told}");
    assert!(rowfeed.is_ready(), "the service is well afterwards");
}

fn schemathesis() -> Result<PathBuf, String> {
    let folder = installed::cache("schemathesis");
    let program = folder.join("bin/schemathesis");
    if installed::run(Command::new(&program).arg("--version")).is_err() {
        installed::run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        let packages = ["schemathesis==4.32.5", "hypothesis==6.170.15", "jsonschema-rs==0.60.3"];
        installed::run(Command::new(folder.join("bin/pip")).args(["install", "-q"]).args(packages))?;
    }
    Ok(program)
}

/// How many requests were made, as its last lines say.
fn generated(told: &str) -> Option<u32> {
    told.lines().find_map(|line| line.trim().split(" generated").next().filter(|_| line.contains(" generated"))?.trim().parse().ok())
}

/// Objects have the fields that are named and no others.
fn sharpen(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if map.get("type") == Some(&json!("object")) && map.get("properties").is_some_and(Value::is_object) {
                map.entry("additionalProperties").or_insert(json!(false));
            }
            map.values_mut().for_each(sharpen);
        }
        Value::Array(list) => list.iter_mut().for_each(sharpen),
        _ => {}
    }
}

fn prepare(path: &str, method: &str, operation: &mut Value) {
    let Some(parameters) = operation["parameters"].as_array_mut() else { return };
    // A stream that is followed has no end, and 503 is what a probe says when it is asked for more than there is.
    let waits = ["follow", "live", "offset", "require", "timeout", "wait"];
    parameters.retain(|parameter| !waits.iter().any(|name| parameter["name"] == *name));
    for parameter in parameters.iter_mut().filter(|parameter| parameter["in"] == "path" || parameter["name"] == "connector") {
        let name = parameter["name"].as_str().unwrap_or_default().to_owned();
        let names = NAMES.iter().find(|(known, _)| *known == name).map_or(&["none"][..], |(_, names)| names);
        // One is not deleted: the others ask about it.
        let gone = method == "delete" && path == "/connectors/{name}";
        let mut names = if gone { &["victim", "none"][..] } else { names };
        // A schema alone has the registry's type, which says JSON; one of Protobuf is none.
        if path.ends_with("/schema") {
            names = match name.as_str() {
                "subject" => &["orders-value", "none"],
                "id" => &["1", "99", "x"],
                _ => names,
            };
        }
        parameter["schema"] = json!({ "type": "string", "enum": names });
        parameter["example"] = names[0].into();
    }
}
