//! Signals by every channel, and what they ask for.

use std::fs;
use std::io::Write;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::TopicPartitionList;
use serde_json::{Value, json};

use crate::support::http;
use crate::support::kafka_broker::KafkaBroker;
use crate::support::postgres::runtime;
use crate::support::random::Random;
use crate::support::scene::Scene;
use crate::support::service::with;
use crate::support::{DEADLINE, wait_for};

const SETUP: &str = "
    create table a(id int primary key, v text);
    create table b(id int primary key, v text);
    create table signals(id text primary key, type text, data text);
    insert into a select g, 'a' || g from generate_series(1, 3) g;
    insert into b values (1, 'b')";

fn scene(name: &str, setup: &str, more: &Value) -> Option<Scene> {
    let own = json!({"table.include.list": "public.(a|b|fence)", "notification.enabled.channels": "sink",
        "notification.sink.topic.name": "told", "signal.data.collection": "public.signals"});
    let scene = Scene::start(name, setup, &with(own, more))?;
    // The first topic that the reader asks for may be missing yet; of later ones librdkafka remembers for long that they were.
    scene.fence();
    Some(scene)
}

fn blocking(collections: &str, conditions: &str) -> String {
    format!(r#"{{"data-collections":[{collections}],"type":"blocking","additional-conditions":[{conditions}]}}"#)
}

/// Types of what was told.
fn told(scene: &Scene) -> Vec<String> {
    scene.reader.read("told").iter().map(|record| record.json()["type"].as_str().unwrap_or_default().to_owned()).collect()
}

fn ends(scene: &Scene, kind: &str) -> usize {
    told(scene).iter().filter(|told| *told == kind).count()
}

/// Waits until so many notifications of a type were told; reads them only when there are more.
fn wait_until_told(scene: &Scene, kind: &str, times: usize) {
    let mut seen = 0;
    wait_for(&format!("{times} {kind} to be told"), || {
        let (_, next) = scene.reader.watermarks("told", 0)?;
        let more = next > seen;
        seen = next;
        (more && ends(scene, kind) >= times).then_some(())
    });
    assert_eq!(ends(scene, kind), times);
}

fn ids(events: &[Value]) -> Vec<u64> {
    events.iter().filter_map(|event| event["after"]["id"].as_u64()).collect()
}

fn signal(scene: &Scene, id: &str, data: &str) {
    let body = json!({"id": id, "type": "execute-snapshot", "data": serde_json::from_str::<Value>(data).expect("JSON")});
    let answer = http::request(&scene.rowfeed.http(), "POST", "/v1/connectors/scene/signals", Some(&body)).expect("an answer");
    assert_eq!(answer.status, 202, "{}", answer.body);
}

#[test]
fn what_does_not_work_is_told_and_the_stream_goes_on() {
    let Some(scene) = scene("signal_wrong", SETUP, &json!({})) else { return };
    for (id, kind, data) in
        [("1", "nonsense", ""), ("2", "execute-snapshot", "{"), ("3", "execute-snapshot", "{}"), ("4", "log", r#"{"message":"at {}"}"#)]
    {
        scene.sql.run(&format!("insert into signals values ('{id}', '{kind}', '{data}')"));
    }
    let wrong = blocking("\"public.a\",\"public.b\"", r#"{"data-collection":"public.b","filter":"select nonsense"}"#);
    scene.sql.run(&format!("insert into signals values ('5', 'execute-snapshot', '{wrong}')"));
    wait_until_told(&scene, "ABORTED", 1);
    assert_eq!(
        told(&scene),
        ["SKIPPED", "STARTED", "IN_PROGRESS", "TABLE_SCAN_COMPLETED", "IN_PROGRESS", "TABLE_SCAN_COMPLETED", "ABORTED"]
    );
    let connector = http::get(&scene.rowfeed.http(), "/v1/connectors/scene").expect("an answer").json();
    assert_eq!(
        (&connector["snapshots"][0]["status"], connector["snapshots"][0]["ended_at"].is_string()),
        (&json!("ABORTED"), true),
        "{connector:#}"
    );
    let snapshot = &connector["snapshot"];
    assert_eq!((&snapshot["aborted"], &snapshot["tables_done"], &snapshot["tables_total"]), (&json!(true), &json!(1), &json!(2)));
    let states: Vec<_> = snapshot["tables"].as_array().expect("tables").iter().map(|table| &table["state"]).collect();
    assert_eq!(states, ["completed", "aborted"], "{snapshot:#}");
    let metrics = http::get(&scene.rowfeed.http(), "/metrics/debezium").expect("an answer").body;
    for (name, value) in [("Aborted", 1), ("Completed", 0), ("Running", 0)] {
        let line = metrics.lines().find(|line| line.starts_with(&format!("debezium_metrics_Snapshot{name}{{"))).expect("the metric");
        assert!(line.ends_with(&format!(" {value}.0")), "{line}");
    }
    let last = scene.reader.read("told")[5].json();
    assert_eq!(last["additional_data"]["status"], "SQL_EXCEPTION");
    // The signals are events, too, and the connector works.
    assert_eq!(scene.records("signals").len(), 5);
    let right = blocking("\"public.b\"", "");
    scene.sql.run(&format!("insert into signals values ('6', 'execute-snapshot', '{right}')"));
    wait_until_told(&scene, "COMPLETED", 1);
    assert_eq!(Scene::ops(&scene.events("b")), "r");
    let none = blocking("\"public.nowhere\"", "");
    scene.sql.run(&format!("insert into signals values ('7', 'execute-snapshot', '{none}')"));
    wait_until_told(&scene, "COMPLETED", 2);
    let log = scene.rowfeed.log();
    assert!(log.contains("there is no signal of type") && log.contains("public.nowhere"), "what has no effect is said");
}

/// Aim: a blocking snapshot is not forgotten, and not taken twice. Method: the process is killed in the middle of one, and again
/// after its end.
#[test]
fn a_blocking_snapshot_that_is_killed_begins_again_and_is_not_taken_twice() {
    let setup = "create table a(id int primary key, v text); create table signals(id text primary key, type text, data text);
        insert into a select g, repeat(md5(g::text), 30) from generate_series(1, 60000) g";
    let Some(mut scene) = scene("signal_killed", setup, &json!({})) else { return };
    let data = blocking("\"public.a\"", "");
    // In the middle of a transaction that is cut by commits of the log.
    scene.sql.run(&format!(
        "begin; insert into signals values ('1', 'execute-snapshot', '{data}');
         insert into a select g, repeat(md5(g::text), 30) from generate_series(60001, 70000) g; commit"
    ));
    let rows = |scene: &Scene| {
        let is_there = scene.reader.topics().iter().any(|(topic, _)| *topic == Scene::topic("a"));
        if is_there { scene.reader.watermarks(&Scene::topic("a"), 0).map_or(0, |(_, next)| next) } else { 0 }
    };
    wait_for("rows of the snapshot", || (rows(&scene) > 10_000).then_some(()));
    scene.rowfeed.kill();
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    wait_until_told(&scene, "COMPLETED", 1);
    let events = scene.events("a");
    let reads: Vec<Value> = events.iter().filter(|event| event["op"] == "r").cloned().collect();
    let begun_again = reads.len() - 70_000;
    assert_eq!(ids(&reads[begun_again..]), (1..=70_000).collect::<Vec<_>>());
    assert_eq!(ids(&reads[..begun_again]), (1..=begun_again as u64).collect::<Vec<_>>());
    let mark = |event: &Value| event["source"]["snapshot"].as_str().unwrap_or_default().to_owned();
    assert_eq!((mark(&reads[begun_again]), mark(&reads[reads.len() - 1])), ("first".to_owned(), "last".to_owned()));
    assert_eq!(events.iter().filter(|event| event["op"] == "c").count(), 10_000, "changes come once");
    scene.rowfeed.kill();
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    assert_eq!(scene.events("a").len(), events.len());
    assert_eq!(ends(&scene, "COMPLETED"), 1);
}

/// Aim: a read that takes longer than the server's patience does not cost the replication session.
#[test]
fn the_slots_session_lives_while_a_blocking_snapshot_is_read() {
    let slow = r#"{"data-collection":"public.a","filter":"select id, v from (select *, pg_sleep(1.5) from public.a) s;"}"#;
    let patience = "do $$ begin execute format('alter database %I set wal_sender_timeout = ''2s''', current_database()); end $$";
    let Some(scene) = scene("signal_slow", &format!("{SETUP}; {patience}"), &json!({})) else { return };
    let session = || scene.sql.one(&format!("select active_pid from pg_replication_slots where slot_name = '{}'", scene.slot()));
    let before = session();
    scene.sql.run(&format!("insert into signals values ('1', 'execute-snapshot', '{}')", blocking("\"public.a\"", slow)));
    wait_until_told(&scene, "COMPLETED", 1);
    assert_eq!(session(), before);
    assert_eq!(Scene::ops(&scene.events("a")), "rrr");
}

/// Aim: no row is older than what was delivered. Method: a transaction is open when the snapshot is asked for; the snapshot waits,
/// the stream does not.
#[test]
fn a_blocking_snapshot_waits_for_what_may_have_been_delivered() {
    let Some(scene) = scene("signal_waits", SETUP, &json!({})) else { return };
    let other = scene.database.sql();
    other.run("begin; insert into a values (10, 'x')");
    signal(&scene, "1", &blocking("\"public.a\"", ""));
    scene.sql.run("insert into b values (2, 'y')");
    assert_eq!(Scene::ops(&scene.events("b")), "c", "the stream goes on");
    assert_eq!(ends(&scene, "STARTED"), 0);
    other.run("commit");
    wait_until_told(&scene, "COMPLETED", 1);
    let events = scene.events("a");
    let reads: Vec<Value> = events.iter().filter(|event| event["op"] == "r").cloned().collect();
    assert_eq!(ids(&reads), [1, 2, 3, 10]);
    assert_eq!(events.iter().filter(|event| event["op"] == "c").count(), 1);
}

#[test]
fn lines_of_a_file_are_signals_until_they_are_done_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("signals.txt");
    let line = |id: &str, table: &str| {
        format!(r#"{{"id":"{id}","type":"execute-snapshot","data":{}}}"#, blocking(&format!("\"public.{table}\""), ""))
    };
    // Signals that were there before, one that is none, one that is not understood, one that is still being written.
    fs::write(&path, format!("{}\nno signal\n\n{{\"id\":\"2\",\"type\":\"nonsense\"}}\n{{\"id\":\"3\",", line("1", "a"))).expect("a file");
    let more = json!({"signal.enabled.channels": "file", "signal.file": path, "signal.poll.interval.ms": "50"});
    let Some(mut scene) = scene("signal_file", SETUP, &more) else { return };
    wait_until_told(&scene, "COMPLETED", 1);
    let rest = "no signal\n{\"id\":\"3\",";
    wait_for("its line to go", || (fs::read_to_string(&path).expect("text") == rest).then_some(()));
    let mut file = fs::File::options().append(true).open(&path).expect("the file");
    let second = line("3", "b");
    file.write_all(format!("{}\n", &second[10..]).as_bytes()).expect("written");
    wait_until_told(&scene, "COMPLETED", 2);
    wait_for("its line to go", || (fs::read_to_string(&path).expect("text") == "no signal\n").then_some(()));
    // Rows of the signalling table are events, but no signals: that channel is not enabled.
    scene.sql.run(&format!("insert into signals values ('4', 'execute-snapshot', '{}')", blocking("\"public.b\"", "")));
    scene.rowfeed.kill();
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    assert_eq!((Scene::ops(&scene.events("a")), Scene::ops(&scene.events("b"))), ("rrr".to_owned(), "r".to_owned()));
    assert_eq!(scene.records("signals").len(), 1);
}

/// Aim: a line of the file counts once, whenever the process is killed. Method: snapshots of one row each, killed at random; then
/// the file as a kill behind the durable commit leaves it, and as one before it does.
#[test]
fn a_line_of_a_file_counts_once_over_kills() {
    const LINES: u64 = 60;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("signals.txt");
    let line = |id: u64| {
        let data = json!({"data-collections": ["public.c"], "additional-conditions": [{"data-collection": "public.c", "filter": format!("id = {id}")}]});
        json!({"id": id.to_string(), "type": "execute-snapshot", "data": data}).to_string()
    };
    let setup = format!("{SETUP}; create table c(id int primary key); insert into c select generate_series(1, {LINES})");
    let more = json!({"signal.enabled.channels": "file", "signal.file": path, "signal.poll.interval.ms": "10",
        "table.include.list": "public.(c|fence)"});
    let Some(mut scene) = scene("signal_lines", &setup, &more) else { return };
    let seed = Random::seed(41);
    let mut random = Random::new(seed);
    let left = || fs::read_to_string(&path).map_or(LINES, |text| text.lines().filter(|line| !line.is_empty()).count() as u64);
    fs::write(&path, (1..=LINES).map(|id| format!("{}\n", line(id))).collect::<String>()).expect("a file");
    for kill in 1..=4 {
        let until = LINES - 10 * kill - random.among(0..8);
        wait_for("some lines to go", || (left() <= until).then_some(()));
        scene.rowfeed.kill();
        assert!(left() > 0, "killed while lines wait");
        scene.rowfeed.run();
        scene.rowfeed.wait_until_ready();
    }
    let read = |scene: &Scene, rows: usize| {
        wait_for("every line to go", || (left() == 0).then_some(()));
        wait_for("every row", || (scene.events("c").len() >= rows).then_some(()));
        ids(&scene.events("c"))
    };
    assert_eq!(read(&scene, LINES as usize), (1..=LINES).collect::<Vec<_>>(), "seed {seed}");
    scene.rowfeed.kill();
    // An even number of lines is in the checkpoint: the first one is, the second one is not.
    fs::write(&path, format!("0{}\n1{}\n", &line(1)[1..], &line(2)[1..])).expect("a file");
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    assert_eq!(read(&scene, LINES as usize + 1)[LINES as usize..], [2]);
}

/// Aim: a position that is begun anew says no less about the file's lines. Method: after one line, the file as a kill leaves it
/// that line behind its durable commit, and another one before its own.
#[test]
fn a_line_of_a_file_is_neither_lost_nor_repeated_when_the_position_is_begun_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("signals.txt");
    let line = |id: u64| {
        let data = json!({"data-collections": ["public.c"], "additional-conditions": [{"data-collection": "public.c", "filter": format!("id = {id}")}]});
        json!({"id": id.to_string(), "type": "execute-snapshot", "data": data}).to_string()
    };
    let setup = format!("{SETUP}; create table c(id int primary key); insert into c values (1), (2)");
    let more = json!({"signal.enabled.channels": "file", "signal.file": path, "signal.poll.interval.ms": "10",
        "table.include.list": "public.(c|fence)", "snapshot.mode": "always"});
    let Some(mut scene) = scene("signal_anew", &setup, &more) else { return };
    let read = |scene: &Scene, rows: usize| {
        wait_for("every line to go", || fs::read_to_string(&path).is_ok_and(|text| text.trim().is_empty()).then_some(()));
        wait_for("every row", || (scene.events("c").len() >= rows).then_some(()));
        ids(&scene.events("c"))
    };
    fs::write(&path, format!("{}\n", line(1))).expect("a file");
    assert_eq!(read(&scene, 3), [1, 2, 1]);
    scene.rowfeed.kill();
    fs::write(&path, format!("1{}\n0{}\n", &line(1)[1..], &line(2)[1..])).expect("a file");
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    assert_eq!(read(&scene, 6), [1, 2, 1, 1, 2, 2]);
}

/// Aim: signals in Apache Kafka are acted on once, over kills and restarts, and the group shows how far.
#[test]
fn messages_of_apache_kafka_are_signals_and_are_taken_once() {
    let Some(kafka) = KafkaBroker::start() else { return };
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", kafka.bootstrap()).create().expect("a client");
    let topic = NewTopic::new("srv-signal", 1, TopicReplication::Fixed(1));
    runtime().block_on(admin.create_topics(&[topic], &AdminOptions::new())).expect("an answer").remove(0).expect("a topic");
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", kafka.bootstrap()).create().expect("a producer");
    let send = |key: &str, value: &str| {
        producer.send(BaseRecord::to("srv-signal").key(key).payload(value)).map_err(|(error, _)| error).expect("sent");
        producer.flush(DEADLINE).expect("flushed");
    };
    let text = |id: &str, table: &str| {
        format!(r#"{{"id":"{id}","type":"execute-snapshot","data":{}}}"#, blocking(&format!("\"public.{table}\""), ""))
    };
    send("other", &text("0", "a"));
    send("srv", "no signal");
    send("srv", &text("1", "a"));
    let more = json!({"signal.enabled.channels": "source,kafka", "signal.kafka.bootstrap.servers": kafka.bootstrap(),
        "signal.kafka.groupId": "watchers", "signal.consumer.fetch.wait.max.ms": "50",
        "signal.consumer.key.deserializer": "org.apache.kafka.common.serialization.StringDeserializer"});
    let Some(mut scene) = scene("signal_kafka", SETUP, &more) else { return };
    wait_until_told(&scene, "COMPLETED", 1);
    // Killed before the group can know of it: the checkpoint does.
    send("srv", &text("2", "b"));
    wait_until_told(&scene, "COMPLETED", 2);
    scene.rowfeed.kill();
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    send("srv", &text("3", "b"));
    wait_until_told(&scene, "COMPLETED", 3);
    assert_eq!((Scene::ops(&scene.events("a")), Scene::ops(&scene.events("b"))), ("rrr".to_owned(), "rr".to_owned()));
    let group: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", kafka.bootstrap()).set("group.id", "watchers").create().expect("a client");
    let mut place = TopicPartitionList::new();
    place.add_partition("srv-signal", 0);
    wait_for("the group's offset", || {
        let committed = group.committed_offsets(place.clone(), DEADLINE).expect("an answer");
        (committed.find_partition("srv-signal", 0)?.offset().to_raw() == Some(5)).then_some(())
    });
    assert!(scene.rowfeed.log().contains("signal.consumer.key.deserializer has no effect"), "what librdkafka does not know is said");
}
