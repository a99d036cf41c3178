//! `log.kind = "kafka"`: the same events in a real Apache Kafka, and the position beside them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::kafka_broker::KafkaBroker;
use crate::support::postgres::{fresh_database, shared_server};
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
    let config = with(connector_config(&database, "ext", "public.t"), &json!({"snapshot.mode": "no_data"}));
    let answer = rowfeed.put_connector("external", &config);
    assert!(matches!(answer.status, 200 | 201), "{} {}", answer.status, answer.body);
    wait_for("the slot to be active", || {
        let status = rowfeed.status("external");
        assert!(status["tasks"][0]["state"] != "FAILED", "{status}");
        (sql.one(&format!(
            "select active and confirmed_flush_lsn is not null from pg_replication_slots where slot_name = '{}'",
            database.name
        )) == "t")
            .then_some(())
    });
    sql.run("insert into t values(0, 0); update t set n = 1; delete from t");
    let mut random = Random::new(Random::seed(13));
    let mut next = 1;
    for _ in 0..5 {
        for _ in 0..200 {
            sql.run(&format!("insert into t select g, 0 from generate_series({next}, {}) g", next + 4));
            next += 5;
        }
        std::thread::sleep(Duration::from_millis(random.among(10..400)));
        rowfeed.kill();
        rowfeed.run();
        rowfeed.wait_until_ready();
    }
    let reader = Reader::new(kafka.bootstrap());
    let last = format!("{{\"id\":{}}}", next - 1);
    let records = wait_for("the last row in Kafka", || {
        let records = reader.read("ext.public.t");
        records.last().is_some_and(|record| record.key_text() == last).then_some(records)
    });
    let ops: String = records.iter().map(|record| record.json()["op"].as_str().unwrap_or("-").to_owned()).take(4).collect();
    assert_eq!(ops, "cud-");
    let ids: Vec<u64> = records.iter().skip(4).map(Record::json).filter_map(|event| event["after"]["id"].as_u64()).collect();
    assert_eq!(ids, (1..next).collect::<Vec<_>>());
    let first: Value = records[0].json();
    assert_eq!(first["source"]["name"], "ext");
}
