//! A table and its topic are reconciled: what went while nobody looked is told gone, once, and nothing that lives is.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::http::request;
use crate::support::postgres::{Database, own_server, shared_server};
use crate::support::random::Random;
use crate::support::reader::{Reader, Record};
use crate::support::scene::Scene;
use crate::support::service::with;
use crate::support::wait_for;

/// `rowfeed snapshot start scene ... --reconcile`: what it prints.
fn reconcile(scene: &Scene, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rowfeed"));
    command.args(["snapshot", "start", "scene", "--reconcile", "--server", &format!("http://{}", scene.rowfeed.http())]).args(args);
    let done = command.stdin(Stdio::null()).output().expect("rowfeed starts");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{said}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

const COMPLETED: &str = "Incremental Snapshot COMPLETED";
/// The topic is read first, the table then.
const BEGUN: &str = "is reconciled with its topic, which is read first";
const KNOWN: &str = "the topic's keys are known";
const DELETES: &str = "are gone from the table: told";

fn ask(scene: &Scene, method: &str, path: &str, body: Option<&Value>) -> u16 {
    request(&scene.rowfeed.http(), method, path, body).expect("rowfeed answers").status
}

/// The slot goes, `gap` is written, and the connector begins anew without reading anything.
fn lose_the_slot(scene: &Scene, gap: &str) {
    scene.fence();
    assert!(matches!(ask(scene, "PUT", "/connectors/scene/stop", None), 202 | 204));
    let slot = scene.slot();
    let is_free = || scene.sql.rows(&format!("select 1 from pg_replication_slots where slot_name = '{slot}' and not active")).len() == 1;
    wait_for("the slot to be left", || is_free().then_some(()));
    scene.sql.run(&format!("select pg_drop_replication_slot('{slot}')"));
    scene.sql.run(gap);
    assert!(matches!(ask(scene, "PUT", "/connectors/scene/resume", None), 202 | 204));
    let trace = scene.rowfeed.wait_until_failed("scene");
    assert!(trace.contains("slot/gone") && trace.contains("rowfeed snapshot start scene --all --reconcile"), "{trace}");
    assert!(matches!(ask(scene, "PUT", "/connectors/scene/stop", None), 202 | 204));
    wait_for("the offsets to be deleted", || (ask(scene, "DELETE", "/connectors/scene/offsets", None) == 200).then_some(()));
    let config = with(scene.config().clone(), &json!({"snapshot.mode": "no_data"}));
    assert_eq!(scene.rowfeed.put_connector("scene", &config).status, 200);
    assert!(matches!(ask(scene, "PUT", "/connectors/scene/resume", None), 202 | 204));
    scene.wait_until_streaming();
}

/// A value without its schema.
fn payload(json: Value) -> Value {
    if json.get("schema").is_some() && json.get("payload").is_some() { json["payload"].clone() } else { json }
}

/// A topic by key: what each of its records says in turn.
fn by_key(records: &[Record]) -> BTreeMap<String, Vec<(i64, Value)>> {
    let mut keys: BTreeMap<String, Vec<(i64, Value)>> = BTreeMap::new();
    for record in records {
        let key = payload(serde_json::from_slice(record.key.as_deref().expect("a key")).expect("JSON"));
        keys.entry(key.to_string()).or_default().push((record.offset, payload(record.json())));
    }
    keys
}

/// The rows that a reader of the topic ends with.
fn replayed(keys: &BTreeMap<String, Vec<(i64, Value)>>) -> BTreeMap<String, Value> {
    let row = |(key, said): (&String, &Vec<(i64, Value)>)| {
        let (_, last) = said.last()?;
        (last["after"].is_object()).then(|| (key.clone(), last["after"].clone()))
    };
    keys.iter().filter_map(row).collect()
}

/// The table's rows under their keys, as events have them.
fn truth(scene: &Scene, table: &str, key: &str) -> BTreeMap<String, Value> {
    let rows = scene.sql.rows(&format!("select jsonb_build_object({key}), to_jsonb(t) from {table} t"));
    let json = |text: &Option<String>| serde_json::from_str::<Value>(text.as_deref().expect("a value")).expect("JSON");
    rows.iter().map(|row| (json(&row[0]).to_string(), json(&row[1]))).collect()
}

/// Of each key that is told gone: once, with its old row and a tombstone behind it. How many there are.
fn told_gone(keys: &BTreeMap<String, Vec<(i64, Value)>>) -> BTreeSet<String> {
    let mut gone = BTreeSet::new();
    for (key, said) in keys {
        let deletes: Vec<_> =
            said.iter().enumerate().filter(|(_, (_, event))| event["source"]["snapshot"] == "incremental" && event["op"] == "d").collect();
        let Some((place, (_, event))) = deletes.first() else { continue };
        assert_eq!(deletes.len(), 1, "{key} is told gone more than once: {said:?}");
        let before = place.checked_sub(1).map(|place| &said[place].1["after"]);
        assert_eq!(Some(&event["before"]), before, "{key}: the row that the topic has");
        assert!(event["after"].is_null() && event["source"]["lsn"].is_null(), "{event}");
        assert_eq!(said.get(place + 1).map(|(_, event)| event), Some(&Value::Null), "{key}: no tombstone: {said:?}");
        gone.insert(key.clone());
    }
    gone
}

/// Aim: after a lost slot each key that went is told gone once, with its row and a tombstone, and none that lives; whatever
/// the form of keys. Method: rows are deleted, changed and made while there is no slot; plain JSON over three partitions, and
/// JSON with schemas, of which a key's changes meanwhile.
#[test]
fn what_went_without_a_slot_is_told_gone_once() {
    let Some(server) = shared_server() else { return };
    let schemas = json!({"key.converter.schemas.enable": "true", "value.converter.schemas.enable": "true",
        "key.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter": "org.apache.kafka.connect.json.JsonConverter"});
    let partitions = json!({"topic.creation.default.partitions": "1", "topic.creation.default.replication.factor": "1", "topic.creation.groups": "wide",
        "topic.creation.wide.include": "srv.public.(a|w|went|cut|new)", "topic.creation.wide.partitions": "3",
        "topic.creation.wide.replication.factor": "1"});
    for (name, more) in [("recplain", partitions), ("recschemas", schemas)] {
        let more = with(json!({"snapshot.mode": "initial", "incremental.snapshot.chunk.size": "300", "skipped.operations": "none"}), &more);
        let setup = "create table a(id int primary key, x text); insert into a select g, 'r' || g from generate_series(1, 2000) g;
            create table w(n int, word text, x int, primary key(word, n)); insert into w select g % 7, 'w \"ä' || g, g from generate_series(1, 500) g;
            create table went(id int primary key); insert into went select generate_series(1, 100);
            create table cut(id int primary key); insert into cut select generate_series(1, 10);
            create table new(id int primary key, x text)";
        let Some(scene) = Scene::on(server, name, setup, &more) else { return };
        scene.fence();
        scene.sql.run(
            "update a set x = 'u' where id in (1, 2, 10, 20); delete from a where id = 3; insert into a values(2001, 'c'), (2002, 'c');
            delete from a where id = 2002; truncate cut; insert into cut values(7), (8)",
        );
        lose_the_slot(
            &scene,
            "delete from a where id % 10 = 0; update a set x = 'gap' where id % 7 = 0; insert into a select g, 'new' from generate_series(3000, 3100) g;
             delete from a where id = 2001; insert into a values(3, 'again'); update a set id = -1 where id = 5;
             delete from w where n = 3; update w set x = 0 where n = 4; delete from went; delete from cut where id = 7;
             insert into new select g, 'n' from generate_series(1, 10) g; alter table a alter id type bigint",
        );
        assert!(reconcile(&scene, &["--all"]).starts_with("reconcile snapshot of all tables: asked of scene"));
        scene.wait_until_logged(COMPLETED, 1);
        let count = |sql: &str| scene.sql.one(sql).parse::<usize>().expect("a number");
        for (table, key, gone) in [
            ("a", "'id', id", 200 + 1 + 1),
            ("w", "'word', word, 'n', n", 500 - count("select count(*) from w")),
            ("went", "'id', id", 100),
            ("cut", "'id', id", 1),
            ("new", "'id', id", 0),
        ] {
            let records: Vec<_> = scene.records(table).into_iter().filter(|record| record.key.is_some()).collect();
            let keys = by_key(&records);
            let key = if table == "w" { "'n', n, 'word', word" } else { key };
            let want = truth(&scene, table, key);
            // A truncate has no key: what it took is told nowhere else.
            let mut got = replayed(&keys);
            if table == "cut" {
                got.retain(|key, _| want.contains_key(key) || key == "{\"id\":7}");
            }
            let got: BTreeMap<String, Value> = got.into_iter().map(|(key, row)| (ordered(&key), row)).collect();
            assert_eq!(got, want, "{name} {table}");
            let told = told_gone(&keys);
            assert_eq!(told.len(), gone, "{name} {table}");
            assert!(told.iter().all(|key| !want.contains_key(&ordered(key))), "{name} {table}: a row that lives");
        }
        let log = scene.rowfeed.log();
        assert!(log.contains("total_rows_deleted=202"), "{log}");
        // Again: nothing is left to tell.
        let deletes = || Scene::ops(&scene.events("a").into_iter().map(payload).collect::<Vec<_>>()).matches('d').count();
        let before = deletes();
        reconcile(&scene, &["--table", "public.a"]);
        scene.wait_until_logged(COMPLETED, 2);
        assert_eq!(deletes(), before, "{name}");
    }
}

/// A key as PostgreSQL orders its fields.
fn ordered(key: &str) -> String {
    let key: BTreeMap<String, Value> = serde_json::from_str(key).expect("JSON");
    let mut fields: Vec<_> = key.into_iter().collect();
    // As `jsonb` does: by length, then by name.
    fields.sort_by_key(|(name, _)| (name.len(), name.clone()));
    Value::Object(fields.into_iter().collect()).to_string()
}

/// Writes into `t` until told to stop: rows come back that went, go, move and change.
fn write(database: &Database, seed: u64) -> (Arc<AtomicBool>, std::thread::JoinHandle<u64>) {
    let stop = Arc::new(AtomicBool::new(false));
    let (told, sql) = (Arc::clone(&stop), database.sql());
    let thread = std::thread::spawn(move || {
        let (mut random, mut done) = (Random::new(seed), 0);
        while !told.load(Ordering::Relaxed) {
            let (id, other) = (random.among(1..3000), random.among(1..3000));
            let statement = match random.among(0..6) {
                0 | 1 => format!("insert into t values({id}, {done}) on conflict(id) do update set x = {done}"),
                2 => format!("delete from t where id = {id}"),
                3 => format!("update t set id = {other} where id = {id} and not exists(select from t where id = {other})"),
                4 => format!("delete from t where id = {id}; insert into t values({id}, {done}) on conflict do nothing"),
                _ => format!("update t set x = {done} where id = {id}"),
            };
            // Two writers may move to one key.
            done += u64::from(sql.try_run(&statement).is_ok());
        }
        done
    });
    (stop, thread)
}

/// Aim: whatever is written meanwhile, the topic ends as the table, and no key is told gone of which anything was published since its
/// keys were known. Method: writers all the while, chunks of a few rows.
#[test]
fn rows_that_come_back_meanwhile_are_not_told_gone() {
    let Some(server) = own_server(true, &[("fsync", "off")]) else { return };
    let seed = Random::seed(31);
    let more = json!({"snapshot.mode": "initial", "incremental.snapshot.chunk.size": "50"});
    // Writers are at the first 3,000 keys; however fast they are, those behind are gone for good.
    let setup = "create table t(id int primary key, x int);
        insert into t select g, 0 from generate_series(1, 3000) g; insert into t select g, 0 from generate_series(5000, 5200) g";
    let Some(scene) = Scene::on(&server, "recwriters", setup, &more) else { return };
    lose_the_slot(&scene, "delete from t where id % 3 = 0 or id >= 5000; insert into t select g, 1 from generate_series(4000, 4100) g");
    let writers: Vec<_> = (0..3).map(|place| write(&scene.database, seed + place)).collect();
    std::thread::sleep(Duration::from_millis(100));
    reconcile(&scene, &["--table", "public.t"]);
    scene.wait_until_logged(KNOWN, 1);
    // Everything before this was there, or on its way, when the keys were known.
    let known = scene.reader.watermarks(&Scene::topic("t"), 0).map_or(0, |(_, next)| next);
    scene.wait_until_logged(COMPLETED, 1);
    std::thread::sleep(Duration::from_millis(100));
    let done: u64 = writers
        .into_iter()
        .map(|(stop, thread)| {
            stop.store(true, Ordering::Relaxed);
            thread.join().expect("it writes")
        })
        .sum();
    let keys = by_key(&scene.records("t"));
    assert_eq!(replayed(&keys), truth(&scene, "t", "'id', id"));
    let mut told = 0;
    for (key, said) in &keys {
        for (place, (offset, event)) in said.iter().enumerate() {
            if event["op"] == "d" && event["source"]["snapshot"] == "incremental" {
                told += 1;
                let (last, state) = &said[place.checked_sub(1).expect("it was there")];
                assert!(state["after"].is_object(), "{key} was gone already: {said:?}");
                assert_eq!(event["before"], state["after"], "{key}");
                assert!(*last < known, "{key} was told gone at {offset}, although {last} came behind {known}: {said:?}");
            }
        }
    }
    println!("{done} statements, {told} keys told gone");
    assert!(told > 100 && done > 100, "{done} statements, {told} keys told gone");
}

/// Aim: what lives is not told gone where the table is altered, or becomes another one, while it is reconciled. Method: tables that take
/// its name, with rows that had gone and rows with large values that updates do not send, until it is over.
#[test]
fn a_table_that_becomes_another_meanwhile_keeps_what_lives() {
    let Some(server) = own_server(true, &[("fsync", "off")]) else { return };
    let more = json!({"snapshot.mode": "initial", "incremental.snapshot.chunk.size": "50", "publication.autocreate.mode": "all_tables"});
    let setup = "create table t(id int primary key, x int, large text); alter table t alter large set storage external; \
                 insert into t select g, 0, repeat('x', 3000) from generate_series(1, 1500) g";
    let Some(scene) = Scene::on(&server, "recswap", setup, &more) else { return };
    lose_the_slot(&scene, "delete from t where id % 3 = 0");
    let rows = scene.sql.one("select count(*)::text from t");
    reconcile(&scene, &["--table", "public.t"]);
    for step in 0..12 {
        std::thread::sleep(Duration::from_millis(60));
        let back = format!("insert into t select g, {step}, repeat('y', 3000) from generate_series({}, 1500, 36) g", 3 + 3 * step);
        let another = "create table t_new (like t including all); insert into t_new select * from t; \
                       drop table t; alter table t_new rename to t; alter index t_new_pkey rename to t_pkey";
        scene.sql.run(&match step % 3 {
            0 => format!("begin; {another}; {back}; commit"),
            1 => format!("alter table t add column c{step} int; {back}"),
            _ => format!("update t set id = id + 10000, x = {step} where id % 50 = {step}; {back}"),
        });
    }
    scene.wait_until_logged(COMPLETED, 1);
    let keys = by_key(&scene.records("t"));
    let lives: BTreeSet<String> = replayed(&keys).into_keys().collect();
    let there: BTreeSet<String> = truth(&scene, "t", "'id', id").into_keys().collect();
    let (missing, extra): (Vec<_>, Vec<_>) = (there.difference(&lives).collect(), lives.difference(&there).collect());
    assert!(missing.is_empty() && extra.is_empty(), "of {rows} rows: told gone although there {missing:?}, there although gone {extra:?}");
}

/// Aim: killed in any of its three parts it begins again, ends whole, and tells nothing twice. Method: rows so large that each
/// part takes a while; the log says which part it is in.
#[test]
fn killed_in_each_of_its_parts_it_tells_nothing_twice() {
    let Some(server) = own_server(true, &[("fsync", "off")]) else { return };
    let more = json!({"snapshot.mode": "initial", "incremental.snapshot.chunk.size": "2000"});
    let setup = "create table t(id int primary key, x text); alter table t alter x set storage plain;
        insert into t select g, repeat(md5(g::text), 30) from generate_series(1, 40000) g";
    let Some(mut scene) = Scene::on(&server, "reckill", setup, &more) else { return };
    lose_the_slot(&scene, "delete from t where id % 2 = 0; insert into t select g, 'new' from generate_series(50000, 50050) g");
    reconcile(&scene, &["--all"]);
    for (kills, part) in [BEGUN, KNOWN, DELETES].into_iter().enumerate() {
        // The table of the fence is reconciled before: it has no row that is gone.
        let of_t = |line: &&str| line.contains(part) && (part == DELETES || line.contains("public.t"));
        let times = |scene: &Scene| scene.rowfeed.log().lines().filter(of_t).count();
        let before = if kills == 0 { 0 } else { times(&scene) };
        // Connected by then: the deletes do not take long.
        let counter = Reader::new(scene.rowfeed.kafka());
        let count = || counter.watermarks(&Scene::topic("t"), 0).map_or(0, |(_, next)| next);
        count();
        wait_for(part, || (times(&scene) > before || (kills == 0 && times(&scene) > 0)).then_some(()));
        if part == DELETES {
            let begun = count();
            wait_for("some deletes", || (count() > begun).then_some(()));
        }
        scene.rowfeed.kill();
        assert_eq!(scene.logged(COMPLETED), 0, "it was over before it was killed: {part}");
        scene.rowfeed.run();
        scene.rowfeed.wait_until_ready();
        scene.wait_until_logged("the incremental snapshot goes on", kills + 1);
    }
    scene.wait_until_logged(COMPLETED, 1);
    let keys = by_key(&scene.records("t"));
    assert_eq!(replayed(&keys), truth(&scene, "t", "'id', id"));
    assert_eq!(told_gone(&keys).len(), 20000);
}

/// Aim: what cannot be compared is left as it is, with the reason; values that cannot be read back are told gone without one.
/// Method: one table for each reason, and an unwrapped topic.
#[test]
fn what_cannot_be_compared_is_refused_with_its_reason() {
    let Some(server) = shared_server() else { return };
    let setup = "create table a(id int primary key, x int); insert into a select g, g from generate_series(1, 50) g;
        create table keyless(n int); alter table keyless replica identity full; insert into keyless values(1);
        create table moved(id int primary key); insert into moved values(1), (2)";
    let more = json!({"snapshot.mode": "initial", "transforms": "unwrap,route",
        "transforms.unwrap.type": "io.debezium.transforms.ExtractNewRecordState",
        "transforms.route.type": "org.apache.kafka.connect.transforms.ReplaceField$Value",
        "transforms.route.exclude": "nothing"});
    let Some(scene) = Scene::on(server, "recrefused", setup, &more) else { return };
    lose_the_slot(&scene, "delete from a where id % 5 = 0");
    let refused = |signal: &[&str], times: usize, why: &str| {
        reconcile(&scene, signal);
        scene.wait_until_logged(COMPLETED, times);
        let log = scene.rowfeed.log();
        assert!(log.contains(why), "{why}: {log}");
    };
    refused(&["--table", "public.keyless"], 1, "NO_PRIMARY_KEY");
    refused(&["--table", "public.a", "--reconcile-keys", "49"], 2, "its topic has more than 49 keys");
    let told = request(&scene.rowfeed.http(), "GET", "/v1/connectors/scene", None).expect("rowfeed answers").json();
    let [ended] = told["incremental_ended"].as_array().map_or(&[][..], Vec::as_slice) else { panic!("{told}") };
    assert_eq!((&ended["table"], &ended["status"]), (&json!("public.a"), &json!("RECONCILE_REFUSED")), "{told}");
    assert!(ended["why"].as_str().is_some_and(|why| why.contains("more than 49 keys")), "{told}");
    let tombstones = |records: &[Record]| -> Vec<i64> {
        let of = |record: &&Record| record.value.is_none() || payload(record.json()).is_null();
        let id = |record: &Record| payload(serde_json::from_slice(record.key.as_deref()?).ok()?)["id"].as_i64();
        records.iter().filter(of).filter_map(id).collect()
    };
    assert_eq!(scene.records("a").len(), 50, "nothing was read of it, and nothing told");
    reconcile(&scene, &["--table", "public.a"]);
    scene.wait_until_logged(COMPLETED, 3);
    let records = scene.records("a");
    let mut told = tombstones(&records);
    told.sort_unstable();
    assert_eq!(told, (1..=10).map(|n| n * 5).collect::<Vec<_>>());
    let rows: HashMap<_, _> =
        records.iter().map(|record| (record.key_text(), record.value.is_some() && !payload(record.json()).is_null())).collect();
    assert_eq!(rows.values().filter(|lives| **lives).count(), 40);
    assert!(scene.rowfeed.log().contains("told without the old row"));
    // A delete that says null is one when it is read again, too.
    reconcile(&scene, &["--table", "public.a"]);
    scene.wait_until_logged(COMPLETED, 4);
    assert_eq!(tombstones(&scene.records("a")).len(), 10);
    // Where deletes are left out, and where a topic may be another's, nothing is compared.
    for (times, more, why) in [
        (5, json!({"skipped.operations": "d"}), "skipped.operations leaves deletes out"),
        (
            6,
            json!({"transforms.route.type": "org.apache.kafka.connect.transforms.RegexRouter", "transforms.route.exclude": null,
            "transforms.route.regex": ".*moved", "transforms.route.replacement": "other"}),
            "transforms.route may change keys or topics",
        ),
        (
            7,
            json!({"tombstones.on.delete": "false", "transforms.unwrap.delete.tombstone.handling.mode": "rewrite-with-tombstone"}),
            "deletes have no tombstones",
        ),
    ] {
        let mut config = with(with(scene.config().clone(), &json!({"snapshot.mode": "no_data"})), &more);
        config.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
        let answer = scene.rowfeed.put_connector("scene", &config);
        assert_eq!(answer.status, 200, "{}", answer.body);
        scene.wait_until_streaming();
        refused(&["--table", "public.a"], times, why);
    }
    let body = json!({ "type": "execute-snapshot", "data": { "data-collections": ["public.a"], "type": "reconcile",
        "additional-conditions": [{ "data-collection": "public.a", "filter": "id < 7" }] } });
    let answer = request(&scene.rowfeed.http(), "POST", "/v1/connectors/scene/signals", Some(&body)).expect("rowfeed answers");
    assert!(answer.status == 422 && answer.body.contains("reads whole tables"), "{} {}", answer.status, answer.body);
}
