//! Secrets stay secrets: what is planted in every way a secret can come is in no output at all.
//!
//! Method: a service that logs at trace with connectors that work, cannot connect, and are wrong, each with a password of its own from
//! the environment, a file, a properties file, a folder, systemd's credentials, a URL and the configuration itself; then every output is
//! searched for what was planted.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::http::{get, request};
use crate::support::postgres::{fresh_database, shared_server};
use crate::support::service::{Rowfeed, connector_config, with};
use crate::support::wait_for;

/// No two share a piece, and none is a word that could stand somewhere by chance.
const PLANTED: [&str; 8] =
    ["Zq7env-9f31", "Zq7file-4c02", "Zq7prop-77ad", "Zq7dir-d0e5", "Zq7cred-1b68", "Zq7url-b6c9", "Zq7literal-52fe", "Zq7typo-e813"];

fn leaked(where_from: &str, text: &str) {
    for secret in PLANTED {
        assert!(!text.contains(secret), "{secret} is in {where_from}:\n{text}");
    }
}

#[test]
fn what_is_planted_is_in_no_output() {
    let Some(cluster) = shared_server() else { return };
    let database = fresh_database(cluster, "secrets");
    let sql = database.sql();
    sql.run("create table t(id int primary key)");
    let [env, file, property, folder, credential, url, literal, typo] = PLANTED;
    let url = format!("postgres://cdc:{url}@127.0.0.1:1/shop");
    let mut rowfeed = Rowfeed::prepared(&["--log", "trace", "--log-format", "json", "--set", &format!("source.url={url}")]);
    let home = rowfeed.home().to_owned();
    let at = home.display();
    fs::write(home.join("whole"), format!("{file}\n")).expect("written");
    fs::write(home.join("db.properties"), format!("user=cdc\npassword={property}\n")).expect("written");
    fs::create_dir(home.join("folder")).expect("made");
    fs::write(home.join("folder/password"), folder).expect("written");
    fs::create_dir(home.join("credentials")).expect("made");
    fs::write(home.join("credentials/password"), credential).expect("written");
    rowfeed.set_variable("PLANTED_PASSWORD", env);
    rowfeed.set_variable("CREDENTIALS_DIRECTORY", &home.join("credentials").display().to_string());
    rowfeed.run();
    rowfeed.wait_until_ready();

    let config =
        |prefix: &str, password: &str| with(connector_config(&database, prefix, "public.t"), &json!({ "database.password": password }));
    let away = |prefix: &str, password: &str| with(config(prefix, password), &json!({ "database.port": "1", "slot.name": prefix }));
    assert_eq!(rowfeed.put_connector("works", &config("secrets_works", "${env:PLANTED_PASSWORD}")).status, 201);
    rowfeed.wait_until_streaming("works", &sql, &database.name);
    for (name, password) in [
        ("file", format!("${{file:{at}/whole}}")),
        ("property", format!("${{file:{at}/db.properties:password}}")),
        ("folder", format!("${{directory:{at}/folder:password}}")),
        ("credential", "${credential:password}".to_owned()),
        ("literal", literal.to_owned()),
    ] {
        let config = away(&format!("secrets_{name}"), &password);
        let refused = rowfeed.put_connector(name, &config);
        assert_eq!(refused.status, 400, "nobody answers there: {}", refused.body);
        leaked(&format!("the answer to PUT {name}"), &refused.body);
        // Made without asking, it tries when it is told to run.
        let body = json!({ "name": name, "config": config, "initial_state": "STOPPED" });
        let answer = request(&rowfeed.http(), "POST", "/connectors", Some(&body)).expect("an answer");
        assert_eq!(answer.status, 201, "{name}: {}", answer.body);
        leaked(&format!("the answer to POST {name}"), &answer.body);
        let resumed = request(&rowfeed.http(), "PUT", &format!("/connectors/{name}/resume"), None).expect("an answer");
        assert_eq!(resumed.status, 202, "{name}: {}", resumed.body);
    }
    wait_for("the connectors that cannot connect to have tried", || {
        let tried = |name: &str| rowfeed.status(name).to_string().contains("127.0.0.1:1");
        ["file", "property", "folder", "credential", "literal", "default"].iter().all(|name| tried(name)).then_some(())
    });
    // A reference that leads nowhere names what is there, and not what it says.
    let missing = rowfeed.put_connector("missing", &away("secrets_missing", &format!("${{file:{at}/db.properties:pasword}}")));
    leaked("the answer to a missing secret", &missing.body);
    // A key with a mistake, with a secret behind it; and a secret where none belongs.
    for wrong in [json!({ "database.pasword": typo }), json!({ "database.password": typo, "snapshot.mode": "x" })] {
        let answer = rowfeed.put_connector("wrong", &with(away("secrets_wrong", "x"), &wrong));
        assert_eq!(answer.status, 400, "{}", answer.body);
        leaked("the answer to a mistake", &answer.body);
    }
    everything_that_is_told(&rowfeed);
    let report = get(&rowfeed.http(), "/v1/diagnostics").expect("an answer").json();
    let lines = report["log"].as_array().expect("lines");
    assert!(!lines.is_empty() && lines.iter().all(|line| line.as_str().is_some_and(|line| !line.contains("TRACE"))), "{lines:?}");
    commands(&rowfeed, &url);
    rowfeed.stop();
    leaked("the log at trace", &rowfeed.log());
    assert!(rowfeed.log().contains("\"level\":\"TRACE\""), "it was logged at trace");
}

fn everything_that_is_told(rowfeed: &Rowfeed) {
    let http = rowfeed.http();
    let mut paths: Vec<String> = [
        "/",
        "/health",
        "/readyz?verbose",
        "/metrics",
        "/metrics/debezium",
        "/connectors",
        "/connectors?expand=info&expand=status",
        "/connector-plugins",
        "/v1/topics",
        "/v1/topics?internal=true",
        "/v1/topics/connect-configs/records?from=start",
        "/v1/topics/connect-offsets/records?from=start",
        "/v1/records?from=start",
        "/admin/loggers",
        "/v1/slots",
        "/v1/status",
        "/v1/config",
        "/v1/diagnostics",
    ]
    .map(str::to_owned)
    .into();
    let connectors = get(&http, "/connectors").expect("an answer").json();
    let names: Vec<&str> = connectors.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert!(names.len() >= 7, "{connectors}");
    for name in names {
        let below = ["", "/config", "/status", "/tasks", "/tasks/0/status", "/tasks-config", "/topics", "/offsets"];
        paths.extend(below.map(|below| format!("/connectors/{name}{below}")));
    }
    for path in paths {
        let answer = get(&http, &path).expect("an answer");
        leaked(&path, &format!("{}\n{}", answer.head, answer.body));
    }
    let class = "io.debezium.connector.postgresql.PostgresConnector";
    let config = get(&http, "/connectors/literal/config").expect("an answer").json();
    let validated = request(&http, "PUT", &format!("/connector-plugins/{class}/config/validate"), Some(&config)).expect("an answer");
    leaked("the answer to validate", &validated.body);
    // Of a connector that cannot connect, as a form sends it back.
    let stars = with(config.clone(), &json!({ "name": "literal" }));
    for (path, body) in
        [("/v1/sources/tables", json!({ "config": stars })), ("/v1/sources/preview", json!({ "config": stars, "table": "public.t" }))]
    {
        let answer = request(&http, "POST", path, Some(&body)).expect("an answer");
        assert_eq!(answer.status, 422, "nobody answers there: {}", answer.body);
        leaked(path, &answer.body);
    }
}

fn commands(rowfeed: &Rowfeed, url: &str) {
    let program = env!("CARGO_BIN_EXE_rowfeed");
    let source = format!("source.url={url}");
    let home = rowfeed.home();
    // A connector file that changes a password, and one with mistakes around it.
    let [literal, typo] = [PLANTED[6], PLANTED[7]];
    let connector = |more: &str| {
        format!("url = \"postgres://cdc:{typo}@127.0.0.1:1/shop\"\npassword = \"{literal}\"\ntopic_prefix = \"secrets_file\"\n{more}")
    };
    fs::create_dir(home.join("files")).expect("made");
    let (good, bad) = (home.join("files/literal.toml"), home.join("files/bad.toml"));
    fs::write(&good, connector("tables = [\"public.t\"]\n")).expect("written");
    fs::write(&bad, connector(&format!("pasword = \"{typo}\"\ntabels = []\n"))).expect("written");
    let options =
        json!({ "connector.class": "PostgresConnector", "database.pasword": typo, "database.password": literal, "snapshot.mode": "x" });
    fs::write(home.join("files/worse.json"), options.to_string()).expect("written");
    let broken = home.join("broken.toml");
    fs::write(&broken, format!("password = \"{typo}\" \"{literal}\"\n")).expect("written");
    let [good, bad, broken, files] = [&good, &bad, &broken, &home.join("files")].map(|path| path.to_str().expect("a path").to_owned());
    for arguments in [
        vec!["check", url],
        vec!["check", url, "--json"],
        vec!["check", &good],
        vec!["run", "--set", &source, "--print-config"],
        vec!["run", "--set", &source, "--set", "log.knd=1", "--check-only"],
        vec!["config", "show", "--set", &source],
        vec!["config", "show", "--set", &source, "--json"],
        vec!["config", "check", "--connectors", &files],
        vec!["config", "check", "--connectors", &files, "--json"],
        vec!["connectors", "validate", &good, &bad, &broken],
        vec!["connectors", "validate", &good, &bad, &broken, "--json"],
        vec!["connectors", "diff", "-f", &good],
        vec!["connectors", "diff", "-f", &good, "--json"],
        vec!["connectors", "diff", "-f", &bad],
        vec!["connectors", "diff", "-f", &broken],
        vec!["connectors", "apply", "-f", &good],
        vec!["connectors", "list"],
        vec!["connectors", "list", "--json"],
        vec!["connectors", "show", "literal"],
        vec!["connectors", "show", "literal", "--json"],
        vec!["connectors", "show", "default"],
        vec!["status"],
        vec!["status", "--json"],
        vec!["slots", "list"],
        vec!["explain", "secret/missing"],
        vec!["topics", "list"],
    ] {
        let mut command = Command::new(program);
        command.args(&arguments).current_dir(std::env::temp_dir()).env("ROWFEED_SERVER", format!("http://{}", rowfeed.http()));
        let done = command.output().expect("it runs");
        let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(!said.is_empty(), "{arguments:?}");
        leaked(&format!("rowfeed {arguments:?}"), &said);
    }
}

#[test]
fn over_http_files_beyond_the_allowed_folders_are_not_read() {
    let mut rowfeed = Rowfeed::prepared(&["--set", "http.auth=token"]);
    let home = rowfeed.home().to_owned();
    let (inside, outside) = (home.join("secrets"), home.join("private"));
    fs::create_dir(&inside).expect("made");
    fs::write(inside.join("name"), "planted-inside").expect("written");
    fs::write(&outside, "planted-outside").expect("written");
    fs::create_dir(home.join("connectors")).expect("made");
    let config = |prefix: &str, from: &std::path::Path| {
        json!({
            "connector.class": "PostgresConnector", "database.hostname": "127.0.0.1", "database.port": "1", "database.user": "u",
            "database.dbname": "d", "slot.name": prefix, "topic.prefix": prefix, "database.password": format!("${{file:{}}}", from.display()),
            // What an option's error or a topic's name says would be read by anybody.
            "heartbeat.topics.prefix": format!("${{file:{}}}", from.display()),
        })
    };
    fs::write(home.join("connectors/from-file.json"), config("b", &outside).to_string()).expect("written");
    rowfeed.set_variable("ROWFEED_SECRETS_ALLOWED_PATHS", &inside.display().to_string());
    rowfeed.run();
    rowfeed.wait_until_ready();
    let token = fs::read_to_string(rowfeed.data().join("admin.token")).expect("the first token");
    let ask = |method: &str, path: &str, body: &Value| {
        let answer = Command::new("curl")
            .args(["-sS", "-X", method, "-H", "Content-Type: application/json", "-H", &format!("Authorization: Bearer {}", token.trim())])
            .args(["-w", "\n%{http_code}", "-d", &body.to_string(), &format!("http://{}{path}", rowfeed.http())])
            .output()
            .expect("curl");
        String::from_utf8_lossy(&answer.stdout).into_owned()
    };
    let make = |name: &str, from: &std::path::Path| {
        ask("POST", "/connectors", &json!({ "name": name, "config": config(name, from), "initial_state": "STOPPED" }))
    };
    let refused = make("beyond", &outside);
    assert!(refused.ends_with("\n400") && refused.contains("may not be read") && refused.contains("secrets.allowed_paths"), "{refused}");
    let made = make("below", &inside.join("name"));
    assert!(made.ends_with("\n201"), "{made}");
    let around = inside.join("../private");
    for (what, answer) in [
        ("around", make("around", &around)),
        ("validate", ask("PUT", "/connector-plugins/PostgresConnector/config/validate", &config("v", &outside))),
        ("diff", ask("POST", "/v1/connectors/below/diff", &config("below", &outside))),
        ("check", ask("POST", "/v1/check", &json!({ "url": format!("postgres://u:${{file:{}}}@127.0.0.1:1/d", outside.display()) }))),
        ("tables", ask("POST", "/v1/sources/tables", &json!({ "config": config("t", &outside) }))),
        ("preview", ask("POST", "/v1/sources/preview", &json!({ "config": config("p", &outside), "table": "public.t" }))),
        ("class", ask("PUT", "/connectors/c/config", &json!({ "connector.class": format!("${{file:{}}}", outside.display()) }))),
    ] {
        assert!(!answer.contains("planted-outside"), "{what}: {answer}");
        if matches!(what, "around" | "validate" | "diff" | "preview" | "class") {
            assert!(answer.contains("may not be read"), "{what}: {answer}");
        }
    }
    // Who writes a connector file has the disk.
    let status = ask("GET", "/connectors/from-file/status", &json!({}));
    assert!(!status.contains("may not be read") && !status.contains("secret/"), "{status}");
}
