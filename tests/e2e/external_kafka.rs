//! `log.kind = "kafka"`: the same events in a real Apache Kafka, and the position beside them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};

use crate::support::kafka_broker::KafkaBroker;
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
