//! What a real Kafka Connect answered, asked of rowfeed again.
//!
//! Aim: every path, code and field is Kafka Connect's, and what is not is known and has a reason. Method: the requests of
//! `tests/connect_fixtures`, whose answers `scripts/connect_fixtures.sh` records from a worker of Kafka Connect with Debezium's
//! connector, are sent in the same order; answers are compared field by field. Each difference must stand in [`DIFFERENCES`], and
//! each row there must be met.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::support::http::request;
use crate::support::postgres::{Database, fresh_database, shared_server};
use crate::support::service::Rowfeed;
use crate::support::wait_for;

#[path = "connect_differences.rs"]
mod differences;
use differences::DIFFERENCES;

const FILES: [&str; 5] = ["connectors", "errors", "loggers", "plugins", "worker"];
/// What moves from run to run.
const MOVING: [&str; 6] = ["last_modified", "lsn", "lsn_proc", "lsn_commit", "txId", "ts_usec"];

#[test]
fn answers_are_those_of_a_real_kafka_connect() {
    let Some(server) = shared_server() else { return };
    let database = fresh_database(server, "fixtures");
    database.sql().run("create table orders(id int primary key, note text); insert into orders values (1, 'first')");
    // The loggers that the worker's configuration has.
    let rowfeed = Rowfeed::start(&["--log", "info,org.example.one=warn,org.example.one.two=error"]);
    let (mut unexplained, mut met) = (Vec::new(), BTreeSet::new());
    for file in FILES {
        let path = format!("{}/tests/connect_fixtures/{file}.json", env!("CARGO_MANIFEST_DIR"));
        let fixture: Value = serde_json::from_str(&std::fs::read_to_string(path).expect("a fixture")).expect("JSON");
        for exchange in fixture["exchanges"].as_array().expect("exchanges") {
            let asked = &exchange["request"];
            let place = format!("{file}: {} {}", text(asked, "method"), text(asked, "path"));
            let ours = ask(&rowfeed, &database, asked);
            let mut found = Vec::new();
            compare("", &by_name(&exchange["answer"]), &by_name(&ours), &mut found);
            for (pointer, theirs, ours) in found {
                match DIFFERENCES.iter().position(|known| fits(known.request, &place) && fits(known.field, &pointer)) {
                    Some(row) => drop(met.insert(row)),
                    None => unexplained.push(format!("{place} {pointer}\n  theirs {theirs:.300}\n  ours   {ours:.300}")),
                }
            }
        }
    }
    assert!(unexplained.is_empty(), "{} unexplained differences:\n{}", unexplained.len(), unexplained.join("\n"));
    let idle = DIFFERENCES.iter().enumerate().filter(|(row, _)| !met.contains(row));
    let idle: Vec<String> = idle.map(|(_, known)| format!("{} {}: {}", known.request, known.field, known.why)).collect();
    assert!(idle.is_empty(), "no difference any more: {idle:?}");
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// Sends a request, until its answer is what it waits for, and shows the answer as the fixtures have it.
fn ask(rowfeed: &Rowfeed, database: &Database, asked: &Value) -> Value {
    let fill = |text: &str| text.replace("{{PORT}}", &database.port.to_string()).replace("{{DATABASE}}", &database.name);
    let body = match &asked["body"] {
        Value::Null => None,
        Value::String(text) => Some(fill(text)),
        body => Some(fill(&body.to_string())),
    };
    let kind = asked["type"].as_str().unwrap_or("application/json");
    let http = rowfeed.http();
    let send = || raw(&http, text(asked, "method"), &fill(text(asked, "path")), kind, body.as_deref());
    let until = asked["until"].as_object();
    wait_for(&format!("{asked}"), || {
        let answer = send();
        let reached = |(pointer, value): (&String, &Value)| answer["body"].pointer(pointer) == Some(value);
        until.is_none_or(|until| until.iter().all(reached)).then(|| plain(answer, &http, database))
    })
}

fn raw(http: &str, method: &str, path: &str, kind: &str, body: Option<&str>) -> Value {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(http).expect("connected");
    let (kind, body) = body.map_or((String::new(), ""), |body| (format!("Content-Type: {kind}\r\n"), body));
    let length = body.len();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {http}\r\nConnection: close\r\n{kind}Content-Length: {length}\r\n\r\n{body}")
        .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status: u16 = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    let mut headers = Map::new();
    for line in head.lines().skip(1) {
        let (name, value) = line.split_once(": ").expect("a header");
        if ["content-type", "location"].contains(&name) {
            headers.insert(name.to_owned(), value.into());
        }
    }
    let body = if body.is_empty() { Value::Null } else { serde_json::from_str(body).unwrap_or_else(|_| body.into()) };
    json!({ "status": status, "headers": headers, "body": body })
}

/// What differs from run to run, by name.
fn plain(value: Value, http: &str, database: &Database) -> Value {
    match value {
        Value::Object(map) => {
            let moving = |key: &String, value: &Value| value.is_number() && MOVING.contains(&key.as_str());
            let one = |(key, value): (String, Value)| {
                let value = if moving(&key, &value) { "{{NUMBER}}".into() } else { plain(value, http, database) };
                (key, value)
            };
            map.into_iter().map(one).collect::<Map<_, _>>().into()
        }
        Value::Array(list) => list.into_iter().map(|value| plain(value, http, database)).collect(),
        Value::String(text) => {
            text.replace(http, "{{WORKER}}").replace(&database.name, "{{DATABASE}}").replace(&database.port.to_string(), "{{PORT}}").into()
        }
        value => value,
    }
}

/// Lists of things that have a name as maps: their order says nothing.
fn by_name(value: &Value) -> Value {
    let name = |value: &Value| {
        let own = value.pointer("/value/name").or(value.get("name")).and_then(Value::as_str);
        let plugin = || Some(format!("{} {}", value.get("type")?.as_str()?, value.get("class")?.as_str()?));
        own.map(str::to_owned).or_else(plugin)
    };
    match value {
        Value::Array(list) => {
            let named: Option<Map<String, Value>> = list.iter().map(|value| Some((name(value)?, by_name(value)))).collect();
            named.filter(|named| !named.is_empty()).map_or_else(|| list.iter().map(by_name).collect(), Value::Object)
        }
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), in_order(key, by_name(value)))).collect::<Map<_, _>>().into(),
        value => value.clone(),
    }
}

/// Choices are compared whatever their order.
fn in_order(key: &str, value: Value) -> Value {
    match value {
        Value::Array(mut list) if key == "recommended_values" => {
            list.sort_by_key(Value::to_string);
            list.into()
        }
        value => value,
    }
}

type Found = (String, String, String);

fn compare(pointer: &str, theirs: &Value, ours: &Value, found: &mut Vec<Found>) {
    match (theirs, ours) {
        (Value::Object(theirs), Value::Object(ours)) => {
            let keys: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
            for key in keys {
                let pointer = format!("{pointer}/{key}");
                match (theirs.get(key), ours.get(key)) {
                    (Some(theirs), Some(ours)) => compare(&pointer, theirs, ours, found),
                    (None, ours) => found.push((format!("{pointer} +"), shown(None), shown(ours))),
                    (theirs, None) => found.push((format!("{pointer} -"), shown(theirs), shown(None))),
                }
            }
        }
        (Value::Array(theirs), Value::Array(ours)) if theirs.len() == ours.len() => {
            for (at, (theirs, ours)) in theirs.iter().zip(ours).enumerate() {
                compare(&format!("{pointer}/{at}"), theirs, ours, found);
            }
        }
        (theirs, ours) if theirs == ours => {}
        (theirs, ours) => found.push((pointer.to_owned(), theirs.to_string(), ours.to_string())),
    }
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), Value::to_string)
}

/// Whether a pattern, in which `*` is any text, is all of a text; several are separated by `|`.
fn fits(pattern: &str, text: &str) -> bool {
    fn one(pattern: &str, text: &str) -> bool {
        match pattern.split_once('*') {
            None => pattern == text,
            Some((before, rest)) => text
                .strip_prefix(before)
                .is_some_and(|text| text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| one(rest, &text[at..]))),
        }
    }
    pattern.split('|').any(|pattern| one(pattern, text))
}

/// Asks; the status and the body, null where there is none.
fn told(rowfeed: &Rowfeed, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
    let answer = request(&rowfeed.http(), method, path, body).expect("an answer");
    let body = if answer.body.is_empty() { Value::Null } else { answer.json() };
    (answer.status, body)
}

/// The requests of kcctl, in the order its commands send them, and the fields it reads.
#[test]
fn kcctl_finds_what_it_asks_for() {
    let Some(server) = shared_server() else { return };
    let database = fresh_database(server, "kcctl");
    database.sql().run("create table orders(id int primary key, note text); create table other(id int primary key)");
    let rowfeed = Rowfeed::start(&[]);
    let ask = |method: &str, path: &str, body: Option<&Value>| told(&rowfeed, method, path, body);
    // Of the version it parses the first two numbers, and asks for topics from 2.5 on.
    let (_, worker) = ask("GET", "/", None);
    let numbers: Vec<u32> = text(&worker, "version").split('.').take(2).map(|part| part.parse().expect("a number")).collect();
    assert!(numbers >= vec![2, 5] && worker["commit"].is_string() && worker["kafka_cluster_id"].is_string(), "{worker}");

    // apply --dry-run, which names a connector that has no name.
    let config = crate::support::service::connector_config(&database, "kcctl", "public.orders");
    let dry = crate::support::service::with(config.clone(), &json!({"name": "dummy-name"}));
    let (code, valid) = ask("PUT", "/connector-plugins/PostgresConnector/config/validate", Some(&dry));
    assert_eq!((code, &valid["error_count"]), (200, &json!(0)), "{valid}");
    let option = |infos: &Value, name: &str| {
        let all = infos["configs"].as_array().cloned().unwrap_or_default();
        all.into_iter().find(|option| option["definition"]["name"] == name).expect("it is listed")
    };
    assert_eq!(option(&valid, "table.include.list")["value"]["recommended_values"], json!(["public.orders", "public.other"]));

    // What the doctor finds stands on the option that a person would change.
    let free = format!("{}_free", database.name);
    database.sql().run(&format!("select pg_create_logical_replication_slot('{free}', 'pgoutput')"));
    for (key, value, at, says) in [
        ("database.port", "1", "database.port", "pg/refused"),
        ("database.dbname", "nonsense", "database.dbname", "pg/database"),
        ("table.include.list", "public.nonsense", "table.include.list", "pg/no-tables"),
        ("publication.autocreate.mode", "disabled", "publication.name", "pg/publication"),
    ] {
        let wrong = crate::support::service::with(dry.clone(), &json!({key: value, "snapshot.mode": "no_data"}));
        let (code, infos) = ask("PUT", "/connector-plugins/PostgresConnector/config/validate", Some(&wrong));
        let errors = option(&infos, at)["value"]["errors"].to_string();
        assert!(code == 200 && infos["error_count"] == 1 && errors.contains(says), "{key}: {errors} of {}", infos["error_count"]);
        if key != "database.port" && key != "database.dbname" {
            assert!(option(&infos, "slot.name")["value"]["recommended_values"].to_string().contains(&free));
        }
    }

    // apply, get connectors, describe connector --tasks-config, get offsets.
    assert_eq!(ask("GET", "/connectors/", None), (200, json!([])));
    assert_eq!(ask("POST", "/connectors/", Some(&json!({"name": "shop", "config": config}))).0, 201);
    assert_eq!(ask("GET", "/connectors/", None), (200, json!(["shop"])));
    rowfeed.wait_until_streaming("shop", &database.sql(), &database.name);
    let (_, all) = ask("GET", "/connectors?expand=status&expand=info", None);
    assert_eq!((&all["shop"]["status"]["connector"]["state"], &all["shop"]["info"]["type"]), (&json!("RUNNING"), &json!("source")));
    assert_eq!(ask("GET", "/connectors/shop", None).1["name"], "shop");
    assert_eq!(ask("GET", "/connectors/shop/status", None).1["tasks"][0]["state"], "RUNNING");
    assert!(ask("GET", "/connectors/shop/config", None).1.as_object().is_some_and(|config| config.values().all(Value::is_string)));
    assert_eq!(ask("GET", "/connectors/shop/tasks", None).1[0]["id"], json!({"connector": "shop", "task": 0}));
    assert!(ask("GET", "/connectors/shop/topics", None).1["shop"]["topics"].is_array());
    assert!(ask("GET", "/connectors/shop/offsets", None).1["offsets"].is_array());

    // restart, pause, resume, stop, delete; get plugins, describe plugin, get loggers, patch logger.
    assert_eq!(ask("POST", "/connectors/shop/restart?includeTasks=true&onlyFailed=false", None).1["connector"]["state"], "RESTARTING");
    assert_eq!(ask("PUT", "/connectors/shop/pause", None).0, 202);
    assert_eq!(ask("PUT", "/connectors/shop/resume", None).0, 202);
    assert_eq!(ask("PUT", "/connectors/shop/stop", None).0, 204);
    assert!(ask("GET", "/connector-plugins?connectorsOnly=false", None).1.as_array().is_some_and(|plugins| plugins.len() > 30));
    assert_eq!(ask("GET", "/connector-plugins/PostgresConnector/config", None).0, 200);
    assert_eq!(ask("PUT", "/admin/loggers/rowfeed::postgres", Some(&json!({"level": "DEBUG"}))), (200, json!(["rowfeed::postgres"])));
    assert_eq!(ask("GET", "/admin/loggers/", None).1["rowfeed::postgres"]["level"], "DEBUG");
    assert_eq!(ask("DELETE", "/connectors/shop", None).0, 204);
}

/// The requests of kafbat's Kafka UI: its list of connectors, its form, its buttons; and the words its generated client knows.
#[test]
fn kafbat_finds_what_it_asks_for() {
    let Some(server) = shared_server() else { return };
    let database = fresh_database(server, "kafbat");
    database.sql().run("create table orders(id int primary key, note text)");
    let rowfeed = Rowfeed::start(&[]);
    let ask = |method: &str, path: &str, body: Option<&Value>| told(&rowfeed, method, path, body);
    let config = crate::support::service::connector_config(&database, "kafbat", "public.orders");
    let (_, plugins) = ask("GET", "/connector-plugins", None);
    let form = format!("/connector-plugins/{}/config/validate", text(&plugins[0], "class"));
    let (_, infos) =
        ask("PUT", &form, Some(&crate::support::service::with(config.clone(), &json!({"name": "shop", "tombstones.on.delete": false}))));
    let one_of = |value: &Value, words: &str| assert!(words.split(' ').any(|word| value == word), "{value} is none of {words}");
    for option in infos["configs"].as_array().expect("a list") {
        let definition = &option["definition"];
        one_of(&definition["type"], "BOOLEAN CLASS DOUBLE INT LIST LONG PASSWORD SHORT STRING");
        one_of(&definition["importance"], "LOW MEDIUM HIGH");
        one_of(&definition["width"], "SHORT MEDIUM LONG NONE");
        assert!(definition["order"].is_u64() && definition["required"].is_boolean() && definition["group"].is_string(), "{definition}");
        let value = &option["value"];
        assert!(value["value"].is_string() || value["value"].is_null(), "{value}");
        assert!(value["recommended_values"].is_array() && value["errors"].is_array() && value["visible"].is_boolean(), "{value}");
    }
    assert_eq!(ask("GET", "/connectors", None).1, json!([]));
    assert_eq!(ask("POST", "/connectors", Some(&json!({"name": "shop", "config": config}))).0, 201);
    rowfeed.wait_until_streaming("shop", &database.sql(), &database.name);
    let (_, connector) = ask("GET", "/connectors/shop", None);
    one_of(&connector["type"], "source sink");
    let (_, status) = ask("GET", "/connectors/shop/status", None);
    one_of(&status["connector"]["state"], "RUNNING FAILED PAUSED UNASSIGNED RESTARTING");
    for task in ask("GET", "/connectors/shop/tasks", None).1.as_array().expect("a list") {
        let (_, status) = ask("GET", &format!("/connectors/shop/tasks/{}/status", task["id"]["task"]), None);
        one_of(&status["state"], "RUNNING FAILED PAUSED RESTARTING UNASSIGNED");
    }
    assert!(ask("GET", "/connectors/shop/topics", None).1["shop"]["topics"].is_array());
    // Its form sends back the stars that it was shown.
    let (_, shown) = ask("GET", "/connectors/shop/config", None);
    assert_eq!(ask("PUT", &form, Some(&shown)).1["error_count"], 0);
    assert_eq!(ask("PUT", "/connectors/shop/config", Some(&shown)).0, 200);
    assert_eq!(ask("POST", "/connectors/shop/restart?includeTasks=false&onlyFailed=false", None).0, 204);
    assert_eq!(ask("POST", "/connectors/shop/tasks/0/restart", None).0, 204);
    assert_eq!(ask("PUT", "/connectors/shop/pause", None).0, 202);
    assert_eq!(ask("PUT", "/connectors/shop/resume", None).0, 202);
    assert_eq!(ask("DELETE", "/connectors/shop/offsets", None).0, 400);
    assert_eq!(ask("PUT", "/connectors/shop/stop", None).0, 204);
    assert_eq!(ask("DELETE", "/connectors/shop", None).0, 204);
}

/// The requests of AKHQ: a page asks for each connector in turn, and for each plugin's options with a topic it makes up.
#[test]
fn akhq_finds_what_it_asks_for() {
    let Some(server) = shared_server() else { return };
    let database = fresh_database(server, "akhq");
    database.sql().run("create table orders(id int primary key, note text)");
    let rowfeed = Rowfeed::start(&[]);
    let ask = |method: &str, path: &str, body: Option<&Value>| told(&rowfeed, method, path, body);
    let (_, plugins) = ask("GET", "/connector-plugins", None);
    for plugin in plugins.as_array().expect("a list") {
        let class = text(plugin, "class");
        let probe = json!({"connector.class": class, "topics": "getPlugins"});
        let (code, infos) = ask("PUT", &format!("/connector-plugins/{class}/config/validate"), Some(&probe));
        assert!(code == 200 && infos["configs"].as_array().is_some_and(|configs| configs.len() > 30), "{code} {infos:.300}");
    }
    let config = crate::support::service::connector_config(&database, "akhq", "public.orders");
    assert_eq!(ask("POST", "/connectors", Some(&json!({"name": "shop", "config": config}))).0, 201);
    rowfeed.wait_until_streaming("shop", &database.sql(), &database.name);
    // It asks again and again, and knows no state but these.
    for _ in 0..3 {
        for name in ask("GET", "/connectors", None).1.as_array().expect("names") {
            let name = name.as_str().expect("a name");
            let (_, connector) = ask("GET", &format!("/connectors/{name}"), None);
            assert!(connector["config"].as_object().is_some_and(|config| config.values().all(Value::is_string)), "{connector}");
            let (_, status) = ask("GET", &format!("/connectors/{name}/status"), None);
            assert_eq!((&status["connector"]["state"], &status["tasks"][0]["state"]), (&json!("RUNNING"), &json!("RUNNING")));
        }
    }
    let changed = crate::support::service::with(config, &json!({"tombstones.on.delete": "false"}));
    assert_eq!(ask("PUT", "/connectors/shop/config", Some(&changed)).0, 200);
    for (method, path, code) in [
        ("PUT", "/connectors/shop/pause", 202),
        ("PUT", "/connectors/shop/resume", 202),
        ("POST", "/connectors/shop/restart", 204),
        ("POST", "/connectors/shop/tasks/0/restart", 204),
        ("DELETE", "/connectors/shop", 204),
    ] {
        assert_eq!(ask(method, path, None).0, code, "{method} {path}");
    }
}

/// The requests of Redpanda Console: all at once with both expansions, its form with everything it knows, its buttons.
#[test]
fn redpanda_console_finds_what_it_asks_for() {
    let Some(server) = shared_server() else { return };
    let database = fresh_database(server, "console");
    database.sql().run("create table orders(id int primary key, note text)");
    let rowfeed = Rowfeed::start(&[]);
    let ask = |method: &str, path: &str, body: Option<&Value>| told(&rowfeed, method, path, body);
    let (_, root) = ask("GET", "/", None);
    assert!(["version", "commit", "kafka_cluster_id"].iter().all(|field| root[field].is_string()), "{root}");
    assert_eq!(ask("GET", "/connectors?expand=info&expand=status", None), (200, json!({})));
    let (_, plugins) = ask("GET", "/connector-plugins", None);
    let config = crate::support::service::connector_config(&database, "console", "public.orders");
    let form = format!("/connector-plugins/{}/config/validate", text(&plugins[0], "class"));
    let (code, infos) = ask("PUT", &form, Some(&crate::support::service::with(config.clone(), &json!({"name": "shop"}))));
    assert_eq!((code, &infos["error_count"]), (200, &json!(0)), "{infos:.600}");
    assert!(infos["groups"].as_array().is_some_and(|groups| !groups.is_empty()));
    assert_eq!(ask("POST", "/connectors", Some(&json!({"name": "shop", "config": config}))).0, 201);
    rowfeed.wait_until_streaming("shop", &database.sql(), &database.name);
    for _ in 0..3 {
        let (_, all) = ask("GET", "/connectors?expand=info&expand=status", None);
        let shop = &all["shop"];
        assert_eq!((text(&shop["info"], "type"), text(&shop["status"]["connector"], "state")), ("source", "RUNNING"), "{all}");
        assert_eq!(shop["info"]["tasks"][0]["task"], shop["status"]["tasks"][0]["id"]);
        assert!(shop["status"]["tasks"][0].get("trace").is_none_or(Value::is_string));
    }
    assert!(ask("GET", "/connectors/shop/topics", None).1["shop"]["topics"].is_array());
    assert_eq!(ask("PUT", "/connectors/shop/topics/reset", None).0, 202);
    assert_eq!(ask("POST", "/connectors/shop/restart?includeTasks=true&onlyFailed=true", None).0, 202);
    assert_eq!(ask("PUT", "/connectors/shop/stop", None).0, 204);
    assert_eq!(ask("GET", "/connectors/shop/offsets", None).0, 200);
    // Its task ends a moment after it was told to.
    wait_for("the position to be forgotten", || (ask("DELETE", "/connectors/shop/offsets", None).0 == 200).then_some(()));
    assert_eq!(ask("DELETE", "/connectors/shop", None).0, 204);
}

/// The requests of Terraform's provider: after a change it reads until the configuration is to the letter what it sent, and the
/// state is a map of texts. So a secret has to be a reference: a literal one is shown as stars and would be waited for in vain.
#[test]
fn terraform_finds_what_it_asks_for() {
    let Some(server) = shared_server() else { return };
    let database = fresh_database(server, "terraform");
    database.sql().run("create table orders(id int primary key, note text)");
    let rowfeed = Rowfeed::start(&[]);
    let ask = |method: &str, path: &str, body: Option<&Value>| told(&rowfeed, method, path, body);
    std::fs::write(rowfeed.home().join("password"), "none").expect("written");
    let secret = format!("${{file:{}}}", rowfeed.home().join("password").display());
    let config = crate::support::service::connector_config(&database, "terraform", "public.orders");
    let mut config = crate::support::service::with(config, &json!({"database.password": secret, "name": "shop"}));
    assert_eq!(ask("GET", "/connectors/shop", None).0, 404);
    assert_eq!(ask("POST", "/connectors", Some(&json!({"name": "shop", "config": config}))).0, 201);
    let reads_back = |config: &Value| {
        assert_eq!(ask("GET", "/connectors/shop", None).1["config"], *config);
        assert_eq!(ask("GET", "/connectors/shop/config", None), (200, config.clone()));
    };
    reads_back(&config);
    rowfeed.wait_until_streaming("shop", &database.sql(), &database.name);
    config["tombstones.on.delete"] = "false".into();
    assert_eq!(ask("PUT", "/connectors/shop/config", Some(&config)).0, 200);
    reads_back(&config);
    for (order, state) in [("pause", "PAUSED"), ("resume", "RUNNING")] {
        assert_eq!(ask("PUT", &format!("/connectors/shop/{order}"), None).0, 202);
        wait_for(state, || {
            let (_, status) = ask("GET", "/connectors/shop/status", None);
            let connector = status["connector"].as_object().expect("a map");
            assert!(connector.values().all(Value::is_string), "{status}");
            (connector["state"] == state).then_some(())
        });
    }
    assert_eq!(ask("DELETE", "/connectors/shop", None).0, 204);
    assert_eq!(ask("GET", "/connectors/shop", None).0, 404);
}
