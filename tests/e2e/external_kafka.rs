//! `log.kind = "kafka"`: the same events in a real Apache Kafka, and the position beside them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};

use crate::support::http::{get, request};
use crate::support::kafka_broker::{KafkaBroker, USER};
use crate::support::postgres::{fresh_database, runtime, shared_server};
use crate::support::random::Random;
use crate::support::reader::{Reader, Record};
use crate::support::service::{Rowfeed, connector_config, with};
use crate::support::wait_for;

#[test]
fn events_go_to_apache_kafka_once_however_often_the_service_is_killed() {
    let Some(server) = shared_server() else { return };
    let Some(kafka) = KafkaBroker::start() else { return };
    let database = fresh_database(server, "external");
    let sql = database.sql();
    sql.run("create table t(id int primary key, n int)");
    let bootstrap = format!("log.bootstrap={}", kafka.bootstrap());
    let mut rowfeed = Rowfeed::start(&["--set", "log.kind=kafka", "--set", &bootstrap]);
    let config = with(
        connector_config(&database, "ext", "public.t"),
        &json!({
            "snapshot.mode": "no_data",
            "producer.override.compression.type": "zstd",
            "topic.creation.default.compression.type": "lz4",
        }),
    );
    let answer = rowfeed.put_connector("external", &config);
    assert!(matches!(answer.status, 200 | 201), "{} {}", answer.status, answer.body);
    rowfeed.wait_until_streaming("external", &sql, &database.name);
    sql.run("insert into t values(0, 0); update t set n = 1; delete from t");
    let mut random = Random::new(Random::seed(13));
    let other = OtherConnector::start(&kafka.bootstrap());
    let mut next = 1;
    let reader = Reader::new(kafka.bootstrap());
    let published = || reader.watermarks("ext.public.t", 0).map_or(0, |(_, next)| next);
    for _ in 0..5 {
        let before = published();
        for _ in 0..200 {
            sql.run(&format!("insert into t select g, 0 from generate_series({next}, {}) g", next + 4));
            next += 5;
        }
        wait_for("events of this round", || (published() > before).then_some(()));
        std::thread::sleep(Duration::from_millis(random.among(10..400)));
        rowfeed.kill();
        rowfeed.run();
        rowfeed.wait_until_ready();
    }
    other.stop();
    let last = format!("{{\"id\":{}}}", next - 1);
    let records = wait_for("the last row in Kafka", || {
        let records = reader.read("ext.public.t");
        records.last().is_some_and(|record| record.key_text() == last).then_some(records)
    });
    let ops: String = records.iter().map(|record| record.json()["op"].as_str().unwrap_or("-").to_owned()).take(4).collect();
    assert_eq!(ops, "cud-");
    let ids: Vec<u64> = records.iter().skip(4).map(Record::json).filter_map(|event| event["after"]["id"].as_u64()).collect();
    assert_eq!(ids, (1..next).collect::<Vec<_>>());
    let offsets = topic_setting(&kafka.bootstrap(), "connect-offsets", "cleanup.policy");
    assert_eq!(offsets, "compact", "positions are not kept for a week only");
    assert_eq!(topic_setting(&kafka.bootstrap(), "ext.public.t", "compression.type"), "lz4");
    let first: Value = records[0].json();
    assert_eq!(first["source"]["name"], "ext");
}

/// A topic's setting in the cluster.
fn topic_setting(bootstrap: &str, topic: &str, name: &str) -> String {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", bootstrap).create().expect("a client");
    let described = runtime().block_on(admin.describe_configs(&[ResourceSpecifier::Topic(topic)], &AdminOptions::new()));
    let resource = described.expect("an answer").remove(0).expect("the topic is there");
    resource.get(name).and_then(|entry| entry.value.clone()).unwrap_or_default()
}

/// Somebody else whose positions share the topic, in transactions that stay open for a while: readers of committed records
/// see nothing behind them meanwhile.
struct OtherConnector {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<()>,
}

impl OtherConnector {
    fn start(bootstrap: &str) -> Self {
        let producer: BaseProducer =
            ClientConfig::new().set("bootstrap.servers", bootstrap).set("transactional.id", "other").create().expect("a producer");
        let limit = Duration::from_secs(30);
        producer.init_transactions(limit).expect("a coordinator");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                producer.begin_transaction().expect("begin");
                producer.send(BaseRecord::to("connect-offsets").key("other").payload("1")).expect("sent");
                producer.flush(limit).expect("flushed");
                std::thread::sleep(Duration::from_secs(3));
                producer.commit_transaction(limit).expect("committed");
            }
        });
        Self { stop, thread }
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the other connector works");
    }
}

/// `rowfeed check` with the settings of a service that writes to Apache Kafka.
#[test]
fn a_check_tells_whether_the_cluster_would_do() {
    let Some(server) = shared_server() else { return };
    let Some(kafka) = KafkaBroker::start() else { return };
    let database = fresh_database(server, "cluster");
    database.sql().run("create table t(id int primary key)");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = folder.path().join("rowfeed.toml");
    let found = |bootstrap: &str, copies: u32| {
        let text = format!("[log]\nkind = \"kafka\"\nbootstrap = \"{bootstrap}\"\n[topics]\nreplication_factor = {copies}\n");
        std::fs::write(&settings, text).expect("a file");
        let url = format!("postgres://postgres@127.0.0.1:{}/{}", database.port, database.name);
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_rowfeed"));
        let done = command.args(["check", &url, "--no-slot-test", "--json", "--config"]).arg(&settings).output().expect("rowfeed starts");
        let said: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&done.stderr)));
        let status = |id: &str| {
            let checks = said["checks"].as_array().expect("checks");
            checks.iter().find(|check| check["id"] == id).map_or_else(String::new, |check| check["status"].to_string())
        };
        (status("kafka/unreachable"), status("kafka/replication"))
    };
    let seen = |there: &str, copies: &str| (there.to_owned(), copies.to_owned());
    assert_eq!(found(&kafka.bootstrap(), 1), seen("\"ok\"", "\"ok\""));
    assert_eq!(found(&kafka.bootstrap(), 3), seen("\"ok\"", "\"fail\""));
    assert_eq!(found("127.0.0.1:1", 1), seen("\"fail\"", ""));
    let reader = Reader::new(kafka.bootstrap());
    assert!(reader.topics().iter().all(|(topic, _)| topic != "rowfeed-check"), "it makes nothing");
}

/// Topics by HTTP and by command, and the list of Kafka Connect, from a real cluster that has other topics, too.
#[test]
fn topics_of_the_cluster_are_told_as_those_of_the_own_log() {
    let Some(server) = shared_server() else { return };
    let Some(kafka) = KafkaBroker::start() else { return };
    let database = fresh_database(server, "lists");
    let sql = database.sql();
    sql.run("create table a(id int primary key); create table b(id int primary key)");
    let bootstrap = format!("log.bootstrap={}", kafka.bootstrap());
    let rowfeed = Rowfeed::start(&["--set", "log.kind=kafka", "--set", &bootstrap]);
    assert_eq!(get(&rowfeed.http(), "/connectors/shop/topics").expect("an answer").json(), json!({ "shop": { "topics": [] } }));
    let config = with(
        connector_config(&database, "shop", "public.a,public.b"),
        &json!({ "snapshot.mode": "no_data", "topic.creation.default.compression.type": "lz4", "topic.creation.default.partitions": "2" }),
    );
    assert_eq!(rowfeed.put_connector("shop", &config).status, 201);
    rowfeed.wait_until_streaming("shop", &sql, &database.name);
    sql.run("insert into a select generate_series(1, 100); insert into b values(1)");
    let other: BaseProducer = ClientConfig::new().set("bootstrap.servers", kafka.bootstrap()).create().expect("a producer");
    other.send(BaseRecord::to("others").key("k").payload("v")).expect("sent");
    other.flush(Duration::from_secs(30)).expect("flushed");

    let ask = |path: &str| get(&rowfeed.http(), path).expect("an answer");
    let shown = wait_for("100 records in two partitions", || {
        let topic = Some(ask("/v1/topics/shop.public.a")).filter(|answer| answer.status == 200)?.json();
        // A transaction's end is an offset, too.
        (topic["records"].as_u64()? > 100).then_some(topic)
    });
    assert_eq!(shown["connector"], "shop");
    assert_eq!(
        (&shown["cleanup"], &shown["config"]["compression.type"], &shown["internal"]),
        (&json!("delete"), &json!("lz4"), &json!(false))
    );
    let partitions = shown["partitions"].as_array().expect("partitions");
    let numbers: Vec<_> = partitions.iter().map(|one| (one["partition"].as_u64(), one["start"].as_u64())).collect();
    assert_eq!(numbers, [(Some(0), Some(0)), (Some(1), Some(0))]);
    let reader = Reader::new(kafka.bootstrap());
    for partition in partitions {
        let number = partition["partition"].as_i64().and_then(|number| i32::try_from(number).ok()).expect("a number");
        assert_eq!(reader.watermarks("shop.public.a", number).and_then(|(_, end)| u64::try_from(end).ok()), partition["end"].as_u64());
    }

    let listed = ask("/v1/topics").json();
    let names: Vec<_> = listed["items"].as_array().expect("topics").iter().filter_map(|topic| topic["name"].as_str()).collect();
    for name in ["connect-offsets", "others", "shop.public.a", "shop.public.b"] {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    let missing = ask("/v1/topics/shop.public.c");
    assert_eq!(missing.status, 404, "{}", missing.body);
    assert!(missing.body.contains("shop.public.") && missing.body.contains("did you mean"), "{}", missing.body);
    // To look for it did not make it.
    assert_eq!(ask("/v1/topics/shop.public.c").status, 404);

    let of_connect = || ask("/connectors/shop/topics").json()["shop"]["topics"].clone();
    assert_eq!(of_connect(), json!(["shop.public.a", "shop.public.b"]));
    let reset = request(&rowfeed.http(), "PUT", "/connectors/shop/topics/reset", None).expect("an answer");
    assert_eq!((reset.status, of_connect()), (202, json!([])));
    sql.run("insert into b values(2)");
    wait_for("the topic that was written to", || (of_connect() == json!(["shop.public.b"])).then_some(()));

    let told = |words: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_rowfeed"));
        let done = command.arg("topics").args(words).args(["--server", &rowfeed.http()]).output().expect("rowfeed starts");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).expect("text")
    };
    let list = told(&["list", "--output", "wide"]);
    let line = list.lines().find(|line| line.starts_with("shop.public.a")).unwrap_or_else(|| panic!("{list}"));
    assert!(line.contains(" 2 ") && line.contains("lz4") && line.contains("shop"), "{line}");
    assert!(list.contains("others") && !list.contains("connect-offsets"), "{list}");
    assert!(told(&["list", "--internal"]).contains("connect-offsets"));
    assert!(told(&["show", "shop.public.a"]).contains("published by  shop"));

    drop(kafka);
    let away = ask("/v1/topics");
    assert_eq!(away.status, 503, "{}", away.body);
    assert_eq!(away.json()["code"], "kafka/unavailable");
}

/// A cluster with users: each line that the check prints is given to Kafka's own `kafka-acls.sh`, and then a service with no
/// other right streams, and goes on after a restart.
#[test]
fn what_is_denied_is_told_with_the_line_that_allows_it() {
    let Some(server) = shared_server() else { return };
    let Some(kafka) = KafkaBroker::start_with_users() else { return };
    let database = fresh_database(server, "denied");
    let sql = database.sql();
    sql.run("create table t(id int primary key)");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (settings, connector) = (folder.path().join("rowfeed.toml"), folder.path().join("shop.json"));
    let write_settings = |password: &str| {
        let text = format!(
            "[log]\nkind = \"kafka\"\nbootstrap = \"{}\"\ngroup = \"cdc\"\n[log.kafka]\n\"security.protocol\" = \"SASL_PLAINTEXT\"\n\
             \"sasl.mechanism\" = \"PLAIN\"\n\"sasl.username\" = \"{}\"\n\"sasl.password\" = \"{password}\"\n",
            kafka.bootstrap(),
            USER.0
        );
        std::fs::write(&settings, text).expect("a file");
    };
    let config =
        with(connector_config(&database, "shop", "public.t"), &json!({ "snapshot.mode": "no_data", "heartbeat.interval.ms": "100" }));
    std::fs::write(&connector, json!({ "name": "shop", "config": config }).to_string()).expect("a file");
    let check = |more: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_rowfeed"));
        let done = command.arg("check").arg(&connector).arg("--config").arg(&settings).args(more).output().expect("rowfeed starts");
        String::from_utf8(done.stdout).expect("text")
    };
    let found = || -> Vec<(String, String, String)> {
        let said: Value = serde_json::from_str(&check(&["--json"])).expect("JSON");
        let of_kafka =
            said["checks"].as_array().expect("checks").iter().filter(|check| check["id"].as_str().unwrap_or("").starts_with("kafka/"));
        let text = |check: &Value, key: &str| check[key].as_str().unwrap_or_default().to_owned();
        of_kafka.map(|check| (text(check, "id"), text(check, "status"), text(check, "observed"))).collect()
    };

    write_settings("wrong");
    let wrong = found();
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].0 == "kafka/unreachable" && wrong[0].2.to_lowercase().contains("authentication"), "{wrong:?}");
    assert!(check(&[]).contains("sasl.password"));

    write_settings(USER.1);
    let denied: Vec<_> = found().into_iter().filter(|(id, ..)| id == "kafka/denied").collect();
    let told = |what: &str| denied.iter().any(|(_, status, seen)| status == "fail" && seen.contains(what));
    for what in ["topics that begin with shop.", "topics that begin with __debezium-heartbeat.shop", "connect-offsets", "rowfeed-cdc-"] {
        assert!(told(what), "{what}: {denied:?}");
    }
    let shown = check(&[]);
    let lines: Vec<&str> = shown.lines().map(str::trim).filter(|line| line.starts_with("kafka-acls.sh ")).collect();
    assert_eq!(lines.len(), 4, "{shown}");
    for line in &lines {
        kafka.run_acls(line);
    }
    let allowed = wait_for("rights to be in force", || Some(found()).filter(|found| found.iter().all(|(_, status, _)| status == "ok")));
    assert_eq!(allowed.iter().map(|(id, ..)| id.as_str()).collect::<Vec<_>>(), ["kafka/unreachable", "kafka/replication", "kafka/denied"]);

    let settings = settings.display().to_string();
    let mut rowfeed = Rowfeed::start(&["--config", &settings]);
    assert_eq!(rowfeed.put_connector("shop", &config).status, 201);
    rowfeed.wait_until_streaming("shop", &sql, &database.name);
    let topic = || get(&rowfeed.http(), "/v1/topics/shop.public.t").expect("an answer");
    sql.run("insert into t values(1)");
    wait_for("the first row", || topic().json()["records"].as_u64().filter(|records| *records > 0));
    assert_eq!(topic().json()["config"]["cleanup.policy"], "delete", "its settings may be seen");
    let page = wait_for("the look of the service itself", || {
        let page = get(&rowfeed.http(), "/metrics").expect("an answer").body;
        page.contains("check=\"kafka/denied\"").then_some(page)
    });
    for check in ["kafka/unreachable", "kafka/replication", "kafka/denied"] {
        let line = format!("rowfeed_check_status{{connector=\"shop\",check=\"{check}\",status=\"ok\"}} 1");
        assert!(page.contains(&line), "{line} is not in\n{page}");
    }
    let before = topic().json()["records"].as_u64().expect("a number");
    rowfeed.stop();
    sql.run("insert into t values(2)");
    rowfeed.run();
    rowfeed.wait_until_ready();
    wait_for("the row of meanwhile", || {
        get(&rowfeed.http(), "/v1/topics/shop.public.t").expect("an answer").json()["records"].as_u64().filter(|records| *records > before)
    });
}
