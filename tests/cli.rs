//! The command line against a running service, as a person meets it: what is printed, and the exit codes.
//!
//! Aim: every verb does what it says through the service's own API, a misspelt name is answered with the nearest, and
//! nothing is destroyed without a yes. Method: the real program against the real HTTP listener with a real log, and a
//! task that only says that it streams.

use std::process::{Command, Stdio};
use std::sync::Arc;

use rowfeed::broker::groups::group::Join;
use rowfeed::broker::{Broker, BrokerSettings, HostPort};
use rowfeed::config::postgres::TopicDefaults;
use rowfeed::connect::registry::Registry;
use rowfeed::connect::store::Store;
use rowfeed::connect::{Phase, RunTask};
use rowfeed::http;
use rowfeed::log::LogWriter;
use rowfeed::log::TopicSpec;
use rowfeed::log::builtin::{BuiltinLog, LogSettings};
use rowfeed::problem::Problem;
use rowfeed::record::compression::Compression;
use rowfeed::record::{Headers, RecordRef, RecordSink};
use rowfeed::service::groups::KafkaGroups;
use serde_json::Value as Json;
use tokio::sync::watch;

/// A service on a free port; dropped, it ends.
struct World {
    broker: Arc<Broker>,
    runtime: tokio::runtime::Runtime,
    address: String,
    log: BuiltinLog,
    registry: Arc<Registry>,
    stop: watch::Sender<bool>,
    dir: tempfile::TempDir,
}

/// Streams until told to stop; a connector on the host `broken` fails.
fn fake_task() -> RunTask {
    Arc::new(|config, status, mut stop| {
        if config.connection.host == "broken" {
            return Err(Problem::fail("pg/auth", "password authentication failed for user \"cdc\"").fix("correct it"));
        }
        status.set_phase(Phase::Streaming);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async { stop.wait_for(|stop| *stop).await.map(drop) }).expect("told to stop");
        Ok(())
    })
}

fn world() -> World {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let dir = tempfile::tempdir().expect("a temporary folder");
    let log = BuiltinLog::open(LogSettings { min_free_bytes: 0, ..LogSettings::new(dir.path().join("log")) }).expect("a log");
    let registry = Arc::new(Registry::new(Store::Log(log.clone()), fake_task(), Arc::new(|_| {}), TopicDefaults::default()));
    let stop = watch::Sender::new(false);
    let settings = BrokerSettings::new(HostPort { host: "127.0.0.1".to_owned(), port: 1 });
    let broker = Arc::new(Broker::new(settings, log.clone(), stop.subscribe()));
    let (kept, own, told, groups) = (log.clone(), Arc::clone(&registry), stop.subscribe(), Arc::clone(&broker));
    let served = Arc::clone(&broker);
    let address = runtime.block_on(async move {
        own.start(Vec::new()).expect("started");
        tokio::spawn(async move { groups.groups.run().await });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let app = http::App::new(own, Some(kept), None, "cluster".into(), address.clone(), told.clone(), http::Settings::default());
        let app = app.with_groups(Some(Arc::new(KafkaGroups(broker))));
        tokio::spawn(http::serve(app, listener, told));
        address
    });
    World { broker: served, runtime, address, log, registry, stop, dir }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.registry.shut_down(std::time::Duration::from_secs(5));
        self.log.close();
    }
}

impl World {
    fn connector(&self, name: &str, host: &str) {
        let options = [
            ("connector.class", "io.debezium.connector.postgresql.PostgresConnector"),
            ("database.hostname", host),
            ("database.user", "cdc"),
            ("database.password", "hunter2"),
            ("database.dbname", "shop"),
            ("topic.prefix", name),
            ("slot.name", name),
        ];
        let options = options.map(|(key, value)| (key.to_owned(), value.to_owned())).into_iter().collect();
        self.runtime.block_on(self.registry.put(name, options)).expect("made");
        let state = if host == "broken" { "failed" } else { "streaming" };
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while self.registry.view(name).expect("there").status.phase.name() != state {
            assert!(std::time::Instant::now() < deadline, "{name} is not {state}");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    fn append(&self, topic: &str, count: usize) {
        self.runtime.block_on(async {
            let mut writer = self.log.writer(Compression::None);
            let topic = writer.topic(topic, &TopicSpec::default()).await.expect("a topic");
            let mut commit = writer.begin().await.expect("a commit");
            for _ in 0..count {
                let record = RecordRef { timestamp_ms: 1_795_233_128_832, key: None, value: Some(b"{}"), headers: Headers::NONE };
                commit.push(topic.route(None), record).expect("room");
            }
            let seq = writer.commit(commit).await.expect("accepted");
            writer.wait_durable(seq).await.expect("durable");
        });
    }

    /// A client joins a group, and works no further than that.
    fn join(&self, group: &str) {
        let join = Join {
            member_id: String::new(),
            instance_id: None,
            client_id: "mailer-1".to_owned(),
            client_host: "10.0.0.8".to_owned(),
            session_timeout: std::time::Duration::from_secs(60),
            rebalance_timeout: std::time::Duration::from_secs(60),
            protocol_type: "consumer".to_owned(),
            protocols: vec![("range".to_owned(), Default::default())],
            requires_id: false,
            can_skip: false,
        };
        let joined = self.runtime.block_on(self.broker.groups.join(group, join));
        assert!(joined.error.is_none(), "{joined:?}");
    }

    /// Runs the program against this service; gives its exit code, what it wrote, and its errors.
    fn run(&self, line: &str) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rowfeed"));
        command.args(line.split(' ')).current_dir(self.dir.path()).env("ROWFEED_SERVER", &self.address).stdin(Stdio::null());
        for name in ["NO_COLOR", "CLICOLOR_FORCE", "LC_ALL", "LC_CTYPE", "LANG"] {
            command.env_remove(name);
        }
        let output = command.output().expect("the program runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }

    /// Runs the program without being told which service, in such an environment.
    fn run_in(&self, line: &str, environment: &[(&str, &str)]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rowfeed"));
        command.args(line.split(' ')).current_dir(self.dir.path()).env_remove("ROWFEED_SERVER").stdin(Stdio::null());
        let output = command.envs(environment.iter().copied()).output().expect("the program runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }

    fn ok(&self, line: &str) -> String {
        let (code, out, error) = self.run(line);
        assert_eq!(code, 0, "{line}: {out}{error}");
        out
    }

    fn json(&self, line: &str) -> Json {
        let text = self.ok(line);
        assert!(text.starts_with("{\"schema\":\"rowfeed/"), "{line}: {text}");
        serde_json::from_str(&text).expect("JSON")
    }

    fn refused(&self, line: &str) -> (i32, String) {
        let (code, out, error) = self.run(line);
        assert!(out.is_empty(), "{line}: {out}");
        (code, error)
    }
}

#[test]
fn connectors_are_shown_paused_stopped_and_deleted_by_name() {
    let world = world();
    world.connector("shop", "h");
    let shown = world.ok("connectors show shop");
    assert!(shown.starts_with("shop   streaming   (connector RUNNING, task RUNNING)\n"), "{shown}");
    assert!(shown.contains("  source    h:5432/shop   slot shop\n  defined   api\n") && !shown.contains("hunter2"), "{shown}");
    assert_eq!(world.json("connectors show shop --json")["info"]["config"]["database.password"], "********");
    // What is ordered comes about a moment later, as in Kafka Connect; to order it again changes nothing.
    let becomes = |line: &str, told: &str| {
        let said = (0..250).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            world.ok(line) == told
        });
        assert!(said, "{line}: {}", world.ok(line));
    };
    becomes("c pause shop", "shop   PAUSED   task PAUSED\n");
    becomes("c resume shop", "shop   RUNNING   task RUNNING\n");
    becomes("c restart shop --only-failed", "shop   RUNNING   task RUNNING\n");
    assert_eq!(world.json("c stop shop --json")["items"][0]["connector"]["state"], "STOPPED");
    becomes("c stop shop", "shop   STOPPED   task none\n");

    let (code, error) = world.refused("connectors delete shop");
    assert!(
        code == 2 && error.starts_with("error[usage/not-confirmed]: ") && error.contains("keeps WAL") && error.contains("--yes"),
        "{error}"
    );
    assert!(world.ok("connectors show shop").starts_with("shop   stopped"), "nothing was deleted without a yes");
    let (code, error) = world.refused("connectors delete shop shp --yes");
    assert!(code == 5 && error == "error[server/not-found]: there is no connector \"shp\"\n  fix:  did you mean \"shop\"?\n", "{error}");
    assert!(world.ok("connectors show shop").starts_with("shop   stopped"), "a misspelt name is noticed before anything is deleted");
    assert_eq!(world.ok("connectors delete shop --yes"), "shop   deleted\n");
    let (code, error) = world.refused("connectors pause shop");
    assert!(code == 5 && error.contains("there are no connectors yet"), "{error}");
}

#[test]
fn a_position_is_shown_set_and_reset() {
    let world = world();
    world.connector("shop", "h");
    let (code, error) = world.refused("connectors offsets reset shop --yes");
    assert!(code == 2 && error.contains("STOPPED"), "{error}");
    world.ok("connectors stop shop");
    let position = r#"{"offsets":[{"partition":{"server":"shop"},"offset":{"lsn_proc":24023128,"lsn":24023128,"txId":7,"ts_usec":1}}]}"#;
    std::fs::write(world.dir.path().join("position.json"), position).expect("written");
    let (code, error) = world.refused("connectors offsets set shop -f position.json");
    assert!(code == 2 && error.contains("usage/not-confirmed"), "{error}");
    assert_eq!(
        world.ok("connectors offsets set shop -f position.json --yes"),
        "The offsets for this connector have been altered successfully\n"
    );
    let shown: Json = serde_json::from_str(&world.ok("connectors offsets show shop")).expect("JSON");
    assert_eq!(shown["offsets"][0]["offset"]["lsn"], 24_023_128);
    assert!(world.ok("connectors offsets reset shop --yes").contains("reset successfully"));
    assert_eq!(world.json("connectors offsets show shop --json")["offsets"], serde_json::json!([]));
}

#[test]
fn status_is_one_screen_with_what_is_wrong() {
    let world = world();
    let empty = world.ok("status");
    assert!(empty.contains("connectors    none yet"), "{empty}");
    world.connector("shop", "h");
    world.connector("crm", "broken");
    world.append("shop.public.orders", 3);
    let shown = world.ok("status");
    for part in [
        "log           1 topics, ",
        "connectors    1 failed, 1 streaming",
        "  ✗ pg/auth: password authentication failed",
        "      fix: correct it\n",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let json = world.json("status --json");
    assert_eq!((&json["connectors"][0]["problem"]["code"], &json["connectors"][1]["state"]), (&"pg/auth".into(), &"streaming".into()));
}

#[test]
fn topics_are_shown_and_misspelt_ones_are_not() {
    let world = world();
    world.append("shop.public.orders", 1204);
    let shown = world.ok("topics show shop.public.orders");
    assert!(shown.starts_with("shop.public.orders   1,204 records   cleanup "), "{shown}");
    assert!(shown.contains("          0      0  1204    1,204\n"), "{shown}");
    let topic = world.json("topics show shop.public.orders --json");
    assert_eq!((&topic["records"], &topic["last_change"]), (&1204.into(), &"2026-11-21T03:52:08.832Z".into()));
    let (code, listed, hint) = world.run("topics list");
    assert!(
        code == 0 && listed.starts_with("TOPIC               PARTITIONS  RECORDS  IN/S  LAST CHANGE  CLEANUP  SOURCE TABLE\n"),
        "{listed}"
    );
    assert!(hint.contains("internal topics are not shown; with -i they are"), "{hint}");
    world.connector("shop", "h");
    assert_eq!(world.json("topics show shop.public.orders --json")["source_table"], "public.orders");
    let (code, error) = world.refused("topics show shop.public.order");
    assert!(code == 5 && error.contains("did you mean \"shop.public.orders\"?"), "{error}");
}

#[test]
fn snapshots_are_asked_for_by_signals() {
    let world = world();
    world.connector("shop", "h");
    let asked = world.ok("snapshot start shop --table public.orders --where id>7");
    assert!(asked.starts_with("incremental snapshot of public.orders: asked of shop as signal "), "{asked}");
    for verb in ["pause", "resume", "stop"] {
        assert_eq!(world.json(&format!("snapshot {verb} shop --json"))["type"], format!("{verb}-snapshot"));
    }
    let shown = world.ok("snapshot status shop");
    assert_eq!(shown, "shop   streaming\n  whole tables   none since the service started\n  incremental    none\n");
    let (code, error) = world.refused("snapshot start shpo --table public.orders");
    assert!(code == 5 && error.contains("did you mean \"shop\"?"), "{error}");
    let (code, error) = world.refused("snapshot start shop --table public.(");
    assert!(code == 2 && error.contains("is not a regular expression"), "{error}");
    world.ok("connectors pause shop");
    let (code, error) = world.refused("snapshot start shop --table public.orders");
    assert!(code == 2 && error.starts_with("error[server/refused]: "), "{error}");
}

#[test]
fn groups_show_their_lag_and_are_moved_while_nobody_works() {
    let world = world();
    world.append("shop.public.orders", 1000);
    assert!(world.ok("groups list").starts_with("GROUP"));
    let (code, error) = world.refused("groups seek mailer --to start --topics shop.public.orders");
    assert!(code == 2 && error.contains("usage/not-confirmed"), "{error}");
    let begun = world.ok("groups seek mailer --to offset:600 --topics shop.public.orders --yes");
    let expected = "\
TOPIC               PARTITION  BEFORE  AFTER  CHANGE
shop.public.orders          0       -    600       -
";
    assert_eq!(begun, expected);
    let shown = world.ok("groups show mailer");
    assert!(shown.starts_with("group mailer · Empty · 0 members · total lag 400 records"), "{shown}");
    let words: Vec<&str> = shown.lines().nth(1).unwrap_or_default().split_whitespace().collect();
    assert_eq!(words.join(" "), "TOPIC PARTITION CURRENT-OFFSET LOG-START-OFFSET LOG-END-OFFSET LAG LAG-TIME CLIENT-ID HOST");
    assert!(shown.contains("             600                 0            1000  400  "), "{shown}");
    // The records are as old as their timestamps say.
    let waited = world.json("groups show mailer --json")["offsets"][0]["lag_seconds"].as_f64().expect("known");
    let age = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after").as_secs_f64() - 1_795_233_128.832;
    assert!((waited - age.max(0.0)).abs() < 60.0, "{waited} {age}");
    assert_eq!(world.json("g list --json")["items"][0]["total_lag"], 400);

    let planned = world.ok("groups seek mailer --to -100 --dry-run");
    assert!(planned.contains("     600    900    +300\n"), "{planned}");
    assert_eq!(world.json("groups show mailer --json")["offsets"][0]["committed"], 600);
    assert_eq!(world.json("groups seek mailer --to start --yes --json")["offsets"][0]["after"], 0);
    assert_eq!(world.json("groups show mailer --json")["total_lag"], 1000);
    let (code, error) = world.refused("groups seek mailer --to offset:5000 --yes");
    assert!(code == 2 && error.contains("server/refused"), "{error}");
    let (code, error) = world.refused("groups show maler");
    assert!(code == 5 && error.contains("did you mean \"mailer\"?"), "{error}");

    world.join("mailer");
    let (code, error) = world.refused("groups seek mailer --to end --yes");
    assert!(code == 2 && error.contains("the group \"mailer\" has members: stop them first"), "{error}");
    let (code, error) = world.refused("groups delete mailer --yes");
    assert!(code == 2 && error.contains("has members"), "{error}");
    assert!(world.ok("groups show mailer").contains("\nMEMBER "), "members are shown");
    assert_eq!(world.json("groups show mailer --json")["offsets"][0]["committed"], 0, "nothing was moved");
}

#[test]
fn a_group_is_deleted_with_its_offsets() {
    let world = world();
    world.append("shop.public.orders", 10);
    world.ok("groups seek old --to end --topics shop.public.orders --yes");
    let (code, error) = world.refused("groups delete old");
    assert!(code == 2 && error.contains("with its offsets in 1 partitions"), "{error}");
    assert_eq!(world.ok("groups delete old --yes"), "old   deleted\n");
    assert_eq!(world.json("groups list --json")["items"], serde_json::json!([]));
}

#[test]
fn topics_are_made_changed_and_deleted_but_not_those_that_somebody_needs() {
    let world = world();
    assert_eq!(world.ok("topics create audit -p 3 -c compression.type=zstd"), "audit   created, 3 partitions\n");
    let (code, error) = world.refused("topics create audit");
    assert!(code == 2 && error.contains("the topic \"audit\" is there already"), "{error}");
    let (code, error) = world.refused("topics create a/b");
    assert!(code == 2 && error.contains("is not a legal topic name"), "{error}");
    assert_eq!(world.ok("topics config audit"), "cleanup.policy = delete\ncompression.type = zstd\n");
    world.ok("topics config audit compression.type=producer");
    assert_eq!(world.json("topics config audit --json")["config"]["compression.type"], "producer");
    for (setting, told) in [
        ("compresion.type=zstd", "did you mean \"compression.type\"?"),
        ("compression.type=zip", "must be one of producer"),
        ("retention.ms=1", "log.retention in rowfeed.toml"),
        ("cleanup.policy=compact", "must be delete"),
        ("x", "is no setting"),
    ] {
        let (code, error) = world.refused(&format!("topics config audit {setting}"));
        assert!(code == 2 && error.contains(told), "{setting}: {error}");
    }

    world.append("other.public.t", 1204);
    world.ok("groups seek mailer --to offset:600 --topics other.public.t --yes");
    assert!(world.ok("topics show other.public.t").contains("  read by  mailer\n"));
    let (code, error) = world.refused("topics delete other.public.t");
    let lost = "the topic other.public.t goes, with 1,204 records in 1 partitions; groups lose their offsets in it: mailer";
    assert!(code == 2 && error.contains("usage/not-confirmed") && error.contains(lost), "{error}");
    let (code, error) = world.refused("topics delete other.public.t audi --yes");
    assert!(code == 5 && error.contains("did you mean \"audit\"?"), "{error}");
    assert_eq!(world.ok("topics delete other.public.t audit --yes"), "other.public.t   deleted\naudit   deleted\n");
    assert_eq!(world.json("topics list --json")["items"], serde_json::json!([]));
    // One of this name that comes later begins at zero, and so do its groups.
    world.append("other.public.t", 700);
    assert_eq!(world.json("groups list --json")["items"], serde_json::json!([]));

    let (code, error) = world.refused("topics delete connect-offsets --yes");
    assert!(code == 2 && error.starts_with("error[topic/internal]: "), "{error}");
    world.connector("shop", "h");
    world.append("shop.public.orders", 10);
    assert!(
        world.ok("topics list -o wide").lines().any(|line| line.starts_with("shop.public.orders ") && line.ends_with("producer     shop"))
    );
    let (code, error) = world.refused("topics delete shop.public.orders --yes");
    assert!(code == 2 && error.starts_with("error[topic/published]: the connector shop publishes to shop.public.orders\n"), "{error}");
    assert_eq!(world.ok("topics delete shop.public.orders --yes --force"), "shop.public.orders   deleted\n");
}

#[test]
fn one_result_comes_as_columns_json_and_yaml() {
    let world = world();
    world.connector("shop", "h");
    world.connector("crm", "broken");
    let columns = world.ok("connectors list");
    let words: Vec<&str> = columns.lines().next().unwrap_or_default().split_whitespace().collect();
    assert_eq!(words.join(" "), "CONNECTOR STATE TABLES LAG CHANGES/S SNAPSHOT SLOT SOURCE PROBLEM");
    let crm = columns.lines().find(|line| line.starts_with("crm ")).expect("crm");
    assert!(
        crm.contains("failed") && crm.ends_with("crm   broken:5432/shop  pg/auth: password authentication failed for user \"cdc\""),
        "{columns}"
    );
    assert!(world.ok("connectors list -o wide").lines().any(|line| line.starts_with("shop ") && line.contains("  api")));
    let json = world.json("connectors list -o json");
    assert_eq!(json, world.json("connectors list --json"));
    let shop = json["items"].as_array().expect("a list").iter().find(|item| item["name"] == "shop").expect("shop");
    assert_eq!((&shop["connector"]["state"], &shop["state"]), (&"RUNNING".into(), &"streaming".into()));
    let yaml = world.ok("connectors list -o yaml");
    assert!(yaml.starts_with("schema: \"rowfeed/connectors@1\"\nitems:\n  - name: crm\n    connector:\n      state: RUNNING\n"), "{yaml}");
    let (code, error) = world.refused("topics list -o xml");
    assert!(code == 2 && error.contains("text, wide, json, yaml"), "{error}");
    let (code, error) = world.refused("topics list -o yaml --json");
    assert!(code == 2 && error.contains("cannot be used with"), "{error}");
}

#[test]
fn a_file_that_is_compared_or_applied_answers_with_a_document() {
    let world = world();
    let file = "url = \"postgres://cdc@h/shop\"\npassword = \"x\"\n";
    std::fs::write(world.dir.path().join("shop.toml"), file).expect("written");
    let diff = world.json("connectors diff -f shop.toml --json");
    assert_eq!((&diff["schema"], &diff["exists"]), (&"rowfeed/connector-diff@1".into(), &false.into()));
    assert!(world.ok("connectors diff -f shop.toml -o yaml").starts_with("schema: \"rowfeed/connector-diff@1\"\n"));
    assert!(world.ok("connectors diff -f shop.toml").starts_with("shop (new)\n"));
}

#[test]
fn a_shell_is_offered_the_names_that_the_service_has() {
    let world = world();
    world.append("shop.public.orders", 1);
    world.connector("shop", "h");
    world.connector("crm", "h");
    let offered = |line: &str| {
        let mut words = vec!["--", "rowfeed"];
        words.extend(line.split(' '));
        let mut shell = Command::new(env!("CARGO_BIN_EXE_rowfeed"));
        shell.args(words).env("ROWFEED_COMPLETE", "fish").env("ROWFEED_SERVER", &world.address);
        let output = shell.stdin(Stdio::null()).output().expect("it runs");
        String::from_utf8_lossy(&output.stdout).lines().filter(|word| !word.starts_with('-')).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(offered("connectors pause "), ["crm", "shop"]);
    assert_eq!(offered("topics show shop."), ["shop.public.orders"]);
    assert_eq!(offered("tail shop.p"), ["shop.public.orders"]);
    assert!(offered("topics create shop.").is_empty(), "it is to be new");
}

/// Aim: a script can tell what happened by the exit code alone, with every code of the table but 3, which only a database can
/// bring about (`tests/e2e/check.rs`). Method: one command for each.
#[test]
fn each_exit_code_means_one_thing() {
    let world = world();
    world.append("shop.public.orders", 3);
    let code = |line: &str| world.run(line).0;
    assert_eq!(code("topics list"), 0);
    assert_eq!(code("log verify missing"), 1, "failed");
    assert_eq!(code("topics lst"), 2, "wrong usage");
    assert_eq!(code("topics list --frobnicate"), 2, "wrong usage");
    assert_eq!(code("groups delete mailer --server ftp://x"), 2, "wrong configuration");
    assert_eq!(code("topics list --server 127.0.0.1:1"), 4, "not reachable");
    assert_eq!(code("topics show nothing"), 5, "not found");
    assert_eq!(code("connectors pause nobody"), 5, "not found");
    // Ctrl-C while it waits for more.
    let mut tail = Command::new(env!("CARGO_BIN_EXE_rowfeed"));
    tail.args(["tail", "shop.public.orders", "--from", "start", "--raw"]).env("ROWFEED_SERVER", &world.address);
    let mut tail = tail.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut lines = std::io::BufReader::new(tail.stdout.take().expect("a pipe"));
    std::io::BufRead::read_line(&mut lines, &mut String::new()).expect("a record");
    let sent = Command::new("sh").arg("-c").arg(format!("kill -s INT {}", tail.id())).status().expect("sh runs");
    assert!(sent.success());
    assert_eq!(tail.wait().expect("it ends").code(), Some(130), "Ctrl-C");
}

#[test]
fn a_webhook_of_the_settings_goes_to_whom_the_settings_allow() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("rowfeed.toml");
    let check = |http: &str, url: &str| {
        let secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
        let hook = format!("[subscriptions.hook]\ntype = \"webhook\"\nurl = \"{url}\"\ntopics = [\"t\"]\nsecret = \"{secret}\"\n");
        std::fs::write(&file, format!("[http]\n{http}\n{hook}")).expect("written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_rowfeed"));
        let command = command.args(["config", "check", "--config"]).arg(&file).current_dir(dir.path());
        let output = command.stdin(Stdio::null()).output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    // As documented: this machine's own receivers are for a service of this machine.
    let (code, said) = check("auth = \"loopback\"", "http://127.0.0.1:9/hooks");
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = check("auth = \"none\"", "http://10.1.2.3:9/hooks");
    assert!(code == Some(2) && said.contains("10.1.2.3"), "{said}");
    let (code, said) = check("auth = \"none\"\nwebhook_allow = \"10.0.0.0/8\"", "http://10.1.2.3:9/hooks");
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_context_names_the_service_that_is_asked() {
    use std::os::unix::fs::PermissionsExt;
    let world = world();
    let home = world.dir.path().join("home");
    let xdg = [("XDG_CONFIG_HOME", home.to_str().expect("a path"))];
    let run = |line: &str| world.run_in(line, &xdg);
    let ok = |line: &str| {
        let (code, out, error) = run(line);
        assert_eq!(code, 0, "{line}: {out}{error}");
        out
    };
    let address = &world.address;
    assert_eq!(ok(&format!("context add here --server http://{address}")), "here   added, in use\n");
    assert_eq!(ok("context add gone --server 127.0.0.1:1"), "gone   added\n");
    let file = home.join("rowfeed").join("contexts.toml");
    assert_eq!(std::fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
    assert!(ok("status").contains("connectors    none yet"));
    assert_eq!(ok("context use gone"), "gone   in use\n");
    let (code, _, error) = run("status");
    assert!(code == 4 && error.contains("that of the current context \"gone\""), "{error}");
    let listed = ok("context list");
    assert!(listed.contains(&format!("   here     http://{address}\n")) && listed.contains("*  gone     127.0.0.1:1\n"), "{listed}");
    // What is said wins: the flag over the environment, the environment over the context.
    let both = [xdg[0], ("ROWFEED_SERVER", "127.0.0.1:2")];
    assert!(world.run_in(&format!("status --server {address}"), &both).1.contains("none yet"));
    let (code, _, error) = world.run_in("status", &both);
    assert!(code == 4 && error.contains("no rowfeed service at http://127.0.0.1:2\n"), "{error}");
    let (code, _, error) = run("context use her");
    assert!(code == 5 && error.contains("did you mean \"here\"?"), "{error}");
    assert_eq!(ok("context remove gone"), "gone   removed\n");
    std::fs::write(&file, "current = 7\n").expect("written");
    let (code, _, error) = run("status");
    assert!(code == 2 && error.starts_with("error[context/file]: ") && error.contains("contexts.toml:1"), "{error}");
}

/// Aim: a list that does not fit is read page by page, and only by a person. Method: the program on a terminal of its own
/// (`script`), with a pager that marks what goes through it.
#[test]
fn a_long_list_goes_through_the_pager_on_a_terminal() {
    let script = |rows: u32, flags: &str| {
        let rowfeed = env!("CARGO_BIN_EXE_rowfeed");
        let line = format!("stty rows {rows} cols 200; PAGER='sed s/^/paged:/' {rowfeed} explain {flags}");
        let output = Command::new("script").args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()).output();
        output.ok().map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let Some(paged) = script(10, "") else { return eprintln!("skipped: there is no program `script`") };
    assert!(paged.contains("paged:") && paged.contains("pg/auth"), "{paged}");
    for (rows, flags) in [(10, "--no-pager"), (5000, "")] {
        let whole = script(rows, flags).expect("it ran before");
        assert!(!whole.contains("paged:") && whole.contains("pg/auth"), "{whole}");
    }
}
