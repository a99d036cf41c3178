//! A live Debezium whose place is taken: Rowfeed goes on from the offset that it had committed, and from its slot.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::debezium::Debezium;
use crate::support::http;
use crate::support::postgres::shared_server;
use crate::support::scene::Scene;
use crate::support::service::with;
use crate::support::wait_for;

/// What is compared of a record: both sides' other fields are compared by the scenes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    table: String,
    /// `-` for a tombstone.
    op: String,
    key: String,
    after: Value,
}

impl Told {
    fn new(topic: &str, key: Option<&str>, value: Option<&str>) -> Self {
        let value: Value = value.map_or(Value::Null, |value| serde_json::from_str(value).expect("JSON"));
        Self {
            table: topic.rsplit('.').next().unwrap_or_default().to_owned(),
            op: value["op"].as_str().unwrap_or("-").to_owned(),
            key: key.unwrap_or_default().to_owned(),
            after: value["after"].clone(),
        }
    }
}

/// Aim: whatever record was the last one whose offset Debezium committed, nothing after it is lost, and nothing up to it comes
/// again, where its offset can say so. Method: a Debezium delivers a snapshot and a stream with single rows, COPY (rows that
/// share an LSN), a cut savepoint, interleaved transactions, deletes, changed keys and a truncate. Then one connector per record
/// is given that record's offset and a copy of the slot, each through Kafka Connect's REST API, and its topics are compared
/// with what Debezium delivered after that record.
#[test]
fn from_every_offset_of_a_debezium_the_rest_and_only_the_rest_follows() {
    if !Debezium::is_here() {
        return;
    }
    let Some(server) = shared_server() else { return };
    let setup = "create table t(id int primary key, v text); create table u(id int primary key); insert into t values (-2, 's'), (-1, 's')";
    let scene = Scene::prepared(server, "takeover", setup, &json!({"skipped.operations": "none", "snapshot.mode": "initial"}));
    let own = json!({"key.converter.schemas.enable": "false", "value.converter.schemas.enable": "false",
        "value.converter.replace.null.with.default": "false"});
    let mut debezium = Debezium::start(&with(scene.config().clone(), &own));
    debezium.wait_for("Debezium's snapshot", ",\"snapshot\":\"last\",");
    wait_for("Debezium's slot to be active", || {
        (scene.sql.one("select count(*) from pg_replication_slots where database = current_database() and active") == "1").then_some(())
    });
    let other = scene.database.sql();
    let sql = &scene.sql;
    // As it is now: on a slow machine Debezium confirms one of the first changes, and a slot does not go back.
    let slot = scene.slot();
    sql.run(&format!("select pg_copy_logical_replication_slot('{slot}', '{slot}_before')"));
    sql.run("insert into t values (1, 'a')");
    sql.run("copy t from program 'seq 10 15 | sed s/$/,c/' with (format csv)");
    other.run("begin; insert into t values (20, 'o')");
    sql.run("begin; insert into u values (20), (21); insert into t values (21, 'i'); commit");
    other.run("insert into t values (22, 'o'); update t set v = 'p' where id = 20; commit");
    sql.run("begin; insert into t values (30, 'a'); savepoint s; insert into t values (31, 'b'); rollback to s; delete from t where id = 1; commit");
    sql.run("update t set id = 100 where id = 30");
    sql.run("begin; truncate t, u; insert into t values (40, 'a'); commit");
    sql.run("insert into fence values (1)");
    debezium.wait_for("Debezium's last event", "\"after\":{\"id\":1},");
    let delivered: Vec<(Told, Value)> = debezium
        .events_with_offsets()
        .into_iter()
        .map(|(event, offset)| (Told::new(&event.topic, event.key.as_deref(), event.value.as_deref()), offset))
        .collect();
    drop(debezium);
    wait_for("Debezium's slot to be free", || {
        (sql.one(&format!("select active from pg_replication_slots where slot_name = '{slot}'")) == "f").then_some(())
    });
    let snapshot = delivered.iter().filter(|(told, _)| told.op == "r").count();
    assert_eq!((snapshot, delivered.len()), (2, 25));
    let cuts: Vec<usize> = (snapshot - 1..delivered.len()).collect();
    for cut in &cuts {
        // The last one takes the very slot.
        let mut own_slot = slot.to_owned();
        if cut + 1 < delivered.len() {
            own_slot = format!("{slot}_{cut}");
            sql.run(&format!("select pg_copy_logical_replication_slot('{slot}_before', '{own_slot}')"));
        }
        let (name, prefix) = (format!("cut{cut}"), format!("cut{cut}"));
        let config = with(scene.config().clone(), &json!({"topic.prefix": prefix, "slot.name": own_slot}));
        let call = |method: &str, path: &str, body: Option<&Value>| {
            let answer = http::request(&scene.rowfeed.http(), method, path, body).expect("an answer");
            assert!(answer.status < 300, "{method} {path}: {} {}", answer.status, answer.body);
            answer
        };
        call("POST", "/connectors", Some(&json!({"name": name, "config": config, "initial_state": "STOPPED"})));
        let path = format!("/connectors/{name}/offsets");
        let offsets = json!({"offsets": [{"partition": {"server": prefix}, "offset": delivered[*cut].1}]});
        wait_for("the connector to be stopped", || {
            (http::request(&scene.rowfeed.http(), "PATCH", &path, Some(&offsets)).expect("an answer").status == 200).then_some(())
        });
        assert_eq!(call("GET", &path, None).json(), offsets);
        call("PUT", &format!("/connectors/{name}/resume"), None);
    }
    sql.run("insert into t values (1000, 'z')");
    sql.run("insert into fence values (2)");
    let fresh =
        |table: &str, after: Value| Told { table: table.into(), op: "c".into(), key: json!({"id": after["id"]}).to_string(), after };
    let mut unknown = 0;
    for cut in cuts {
        let topic = |table: &str| format!("cut{cut}.public.{table}");
        wait_for("the last row", || {
            let status = scene.rowfeed.status(&format!("cut{cut}"));
            assert!(status["tasks"][0]["state"] != "FAILED", "cut {cut} {}: {status}", delivered[cut].1);
            scene.reader.read(&topic("fence")).iter().any(|record| record.json()["after"]["id"] == 2).then_some(())
        });
        let known = first_to_come(&delivered, cut);
        unknown += usize::from(known != cut + 1);
        let mut expected: BTreeMap<&str, Vec<Told>> = BTreeMap::new();
        let rest = delivered[known..].iter().map(|(told, _)| told.clone());
        let rest = rest.chain([fresh("t", json!({"id": 1000, "v": "z"})), fresh("fence", json!({"id": 2}))]);
        let rest: Vec<Told> = rest.collect();
        for table in ["t", "u", "fence"] {
            expected.insert(table, rest.iter().filter(|told| told.table == table).cloned().collect());
        }
        for (table, expected) in expected {
            let records = scene.reader.read(&topic(table));
            let text = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|bytes| String::from_utf8(bytes.clone()).expect("UTF-8"));
            let ours: Vec<Told> = records
                .iter()
                .map(|record| Told::new(&topic(table), text(&record.key).as_deref(), text(&record.value).as_deref()))
                .collect();
            assert_eq!(ours, expected, "{table} after record {cut}, {:?} with {}", delivered[cut].0, delivered[cut].1);
        }
    }
    // The COPY's later rows, the key change's last records, a delete without and with its tombstone, one of two truncated tables.
    assert!((3..=12).contains(&unknown), "{unknown} offsets leave open what was delivered");
}

/// The first record to come, when Debezium's last one was `cut`: the next one, but for what one offset stands for together.
fn first_to_come(delivered: &[(Told, Value)], cut: usize) -> usize {
    let (told, offset) = &delivered[cut];
    if told.op == "r" {
        return cut + 1;
    }
    let same = |other: &(Told, Value)| (&other.1["lsn"], &other.1["txId"]) == (&offset["lsn"], &offset["txId"]);
    let begin = delivered[..cut].iter().rposition(|other| !same(other)).map_or(0, |place| place + 1);
    let ops: String = delivered[begin..].iter().take_while(|other| same(other)).map(|(told, _)| told.op.as_str()).collect();
    match ops.as_str() {
        // A changed key: perhaps not all of the three were delivered.
        "d-c" => begin,
        // A deleted row is over with its event; the tombstone only repeats it.
        "d-" => begin + 2,
        // One message for two tables.
        "tt" if offset["lsn_proc"] != offset["lsn"] => begin,
        "tt" => begin + 2,
        // Of rows that share the LSN one was delivered for certain.
        _ => begin + 1,
    }
}
