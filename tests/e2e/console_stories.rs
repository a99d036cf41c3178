//! The stories a person has with the console, in a real browser against the program and a real PostgreSQL.
//!
//! Aim: from the overview on, a person finds the way by what the pages say, and what the page tells in the end is true of the world. Method: each
//! test sets a scene and plays a story of `console/browser/stories`; the story asks for changes of the world in the middle and at its end for a
//! look at the truth (the topic, the receiver, PostgreSQL's own views).

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rowfeed::demo::cluster::Cluster;
use serde_json::{Value, json};

use crate::check::run_script;
use crate::support::browser::{browse_and_answer, is_there, shots};
use crate::support::http::{get, request};
use crate::support::postgres::{Database, Sql, fresh_database, own_server, shared_server};
use crate::support::reader::{Reader, Record};
use crate::support::receiver::{Receiver, Reply, ids};
use crate::support::redis::Redis;
use crate::support::service::{Rowfeed, connector_config, with};
use crate::support::{missing, wait_at_most, wait_for};
use crate::webhooks::{SECRETS, is_signed};

/// The connector of a story, and the prefix of its topics.
const SHOP: &str = "shop";

/// A database and a program beside it, whose connector is `shop`.
struct Shop {
    sql: Sql,
    database: Database,
    rowfeed: Rowfeed,
}

impl Shop {
    /// Without its connector.
    fn prepared(server: &Cluster, setup: &str) -> Self {
        let database = fresh_database(server, SHOP);
        let sql = database.sql();
        sql.run(setup);
        // Whatever disk the machine has, it is no part of the story.
        Self { sql, database, rowfeed: Rowfeed::start(&["--set", "log.max_bytes=1GiB"]) }
    }

    /// Its connector streams.
    fn streaming(server: &Cluster, setup: &str) -> Self {
        let shop = Self::prepared(server, setup);
        shop.connect(&json!({"snapshot.mode": "no_data"}));
        shop.rowfeed.wait_until_streaming(SHOP, &shop.sql, &shop.database.name);
        shop
    }

    fn connect(&self, more: &Value) {
        // People who look at prices want to read them.
        let config = with(connector_config(&self.database, SHOP, "public.*"), &json!({"decimal.handling.mode": "string"}));
        let answer = self.rowfeed.put_connector(SHOP, &with(config, more));
        assert_eq!(answer.status, 201, "{}", answer.body);
    }

    fn subscribe(&self, name: &str, definition: &Value) {
        let answer = request(&self.rowfeed.http(), "PUT", &format!("/v1/subscriptions/{name}"), Some(definition)).expect("an answer");
        assert_eq!(answer.status, 201, "{}", answer.body);
    }

    fn ask(&self, path: &str) -> Value {
        get(&self.rowfeed.http(), path).expect("rowfeed answers").json()
    }

    fn read(&self, topic: &str) -> Vec<Record> {
        Reader::new(self.rowfeed.kafka()).read(topic)
    }

    /// Plays a story; `answer` does what it asks for.
    fn play(&mut self, story: &str, known: &Value, mut answer: impl FnMut(&mut Self, &str, Value) -> Value) {
        let address = format!("http://{}", self.rowfeed.http());
        browse_and_answer("story.mjs", &[story, &address, &shots(), &known.to_string()], |word, what| answer(self, word, what));
    }
}

#[test]
fn a_person_makes_the_first_connector_out_of_a_url_and_sees_their_rows() {
    if !is_there() {
        return;
    }
    let Some(server) = shared_server() else { return };
    let mut shop = Shop::prepared(server, "");
    shop.play("first-connector", &json!({}), |shop, word, _| match word {
        "nothing" => {
            // The wizard calls the connector after the database.
            shop.database = fresh_database(server, SHOP);
            shop.sql = shop.database.sql();
            let (name, port) = (&shop.database.name, shop.database.port);
            let value = format!("Ada of {name}");
            shop.sql.run(&format!(
                "create role owner_of_{name} login replication; alter database {name} owner to owner_of_{name}; set role owner_of_{name};
                create schema sales; create table sales.orders(id int primary key, customer text, total numeric(10, 2));
                insert into sales.orders select id, 'Customer ' || id, id from generate_series(1, 300) id;
                insert into sales.orders values (1000, '{value}', 12.30);
                create table sales.other(id int primary key); reset role"
            ));
            json!({ "url": format!("postgres://owner_of_{name}:hunter2@127.0.0.1:{port}/{name}"), "password": "hunter2",
                "connector": name, "table": "sales.orders", "value": value })
        }
        "streams" => {
            let path = format!("/connectors/{}", shop.database.name);
            assert_eq!(shop.ask(&format!("/v1{path}"))["state"], "streaming");
            assert_eq!(shop.read(&format!("{}.sales.orders", shop.database.name)).len(), 301);
            let deleted = request(&shop.rowfeed.http(), "DELETE", &path, None).expect("an answer");
            assert_eq!(deleted.status, 204, "{}", deleted.body);
            Value::Null
        }
        other => panic!("{other}"),
    });
}

#[test]
fn a_person_heals_a_database_with_the_printed_sql_and_nothing_else() {
    if !is_there() {
        return;
    }
    if std::process::Command::new("psql").arg("--version").output().is_err() {
        return missing("psql (postgresql-client)");
    }
    // The script changes a setting of the server, too.
    let Some(server) = own_server(false, &[]) else { return };
    let tables = "create table customers(id int primary key, name text); insert into customers values (1, 'Ada');
        create table visits(at timestamptz default now(), path text); alter table visits replica identity nothing;
        insert into visits(path) values ('/first'); create table untouched(id int primary key); create role cdc login";
    let mut ill = Shop::prepared(&server, tables);
    ill.play("healed", &json!({}), |ill, word, what| match word {
        "broken" => {
            let Database { port, name } = &ill.database;
            json!({ "url": format!("postgres://cdc@127.0.0.1:{port}/{name}"), "role": "cdc", "connector": name,
                "keyed": "public.customers", "keyless": "public.visits" })
        }
        "sql" => {
            run_script(&ill.database, what.as_str().expect("a script"));
            Value::Null
        }
        "changes" => {
            ill.sql.run("update visits set path = '/healed'");
            json!("/healed")
        }
        other => panic!("{other}"),
    });
}

const PRODUCTS: &str =
    "create table products(id int primary key, name text not null, price numeric(10, 2) not null, changed timestamptz default now());
    alter table products replica identity full;
    insert into products select id, 'Product ' || id, 10 from generate_series(1, 100) id";

#[test]
fn a_person_who_knows_a_cache_key_finds_the_record_that_took_it_away() {
    if !is_there() {
        return;
    }
    let (Some(server), Some(redis)) = (shared_server(), Redis::start(&["--save", "", "--appendonly", "no"])) else { return };
    let mut shop = Shop::streaming(server, PRODUCTS);
    let (topic, key) = ("shop.public.products", "product:42");
    shop.subscribe(
        "cache",
        &json!({ "type": "redis", "url": redis.url(), "topics": [topic], "connector": SHOP, "keys": ["product:{id}"] }),
    );
    wait_for("the cache to be watched", || (shop.ask("/v1/subscriptions/cache")["state"] == "running").then_some(()));
    let known = json!({ "subscription": "cache", "topic": topic, "key": key });
    shop.play("cache-key", &known, |shop, word, _| {
        assert_eq!(word, "changes");
        let price = |sql: &Sql| sql.one("select price from products where id = 42");
        shop.sql.run("update products set price = price + 1 where id < 42");
        redis.set(key, "a product");
        let before = price(&shop.sql);
        shop.sql.run("update products set price = price + 2.5, changed = now() where id = 42");
        let after = price(&shop.sql);
        shop.sql.run("update products set price = price + 1 where id > 42");
        let lsn = shop.sql.one("select pg_current_wal_insert_lsn()");
        assert_eq!(shop.ask(&format!("/v1/subscriptions/cache/barrier?lsn={lsn}&timeout=30s"))["fenced"], true);
        assert_eq!(redis.get(key), None);
        let record = shop.read(topic).into_iter().rfind(|record| record.json()["after"]["id"] == 42).expect("its event");
        json!({ "offset": record.offset, "before": before, "after": after, "transaction": record.json()["source"]["txId"] })
    });
}

#[test]
fn a_person_sends_failed_webhooks_again_and_the_receiver_has_them_once_for_each_replay() {
    if !is_there() {
        return;
    }
    let Some(server) = shared_server() else { return };
    let orders =
        "create table orders(id int generated always as identity primary key, customer text, status text not null, total numeric(10, 2))";
    let mut shop = Shop::streaming(server, orders);
    let topic = "shop.public.orders";
    let says = r#"{"error":"the stock service is down"}"#;
    let receiver = Receiver::start(|_| Reply::Status(204));
    let hook =
        json!({ "type": "webhook", "url": receiver.url(), "topics": [topic], "view": "flat", "secret": SECRETS[0], "retries": ["500ms"] });
    shop.subscribe("orders-hook", &hook);
    let failed = |shop: &Shop| shop.ask("/v1/subscriptions/orders-hook/deliveries?state=dead")["items"].as_array().map_or(0, Vec::len);
    let (mut taken_before, mut wanted) = (0, Vec::new());
    let known = json!({ "subscription": "orders-hook", "topic": topic, "says": says });
    shop.play("replay-webhook", &known, |shop, word, _| match word {
        "fails" => {
            let known = ids(&receiver.taken()).len();
            shop.sql.run("insert into orders(customer, status, total) values ('Ada', 'paid', 99.90), ('Grace', 'paid', 12.00)");
            receiver.wait_for_ids(known + 2);
            taken_before = receiver.taken().len();
            receiver.judge(|_| Reply::With(500, Vec::new(), says.as_bytes().to_vec()));
            let next = shop.read(topic).len();
            let linus_and_barbara =
                "insert into orders(customer, status, total) values ('Linus', 'paid', 240.00), ('Barbara', 'paid', 15.50) returning id";
            wanted = shop
                .sql
                .rows(linus_and_barbara)
                .into_iter()
                .map(|row| row[0].as_deref().expect("an id").parse::<i64>().expect("a number"))
                .collect();
            wait_for("two dead letters", || (failed(shop) == 2).then_some(()));
            json!([next, next + 1])
        }
        "mended" => {
            assert_eq!(receiver.taken().len(), taken_before, "nothing was taken while it failed");
            receiver.judge(|_| Reply::Status(204));
            Value::Null
        }
        "received" => {
            let again = receiver.taken().split_off(taken_before);
            assert!(again.iter().all(|hook| is_signed(hook, SECRETS[0])), "{again:?}");
            let times = |id: &i64| again.iter().filter(|hook| hook.json()["data"]["id"] == *id).count();
            // The first was chosen, and stands among the dead letters, which were all sent again.
            assert_eq!(wanted.iter().map(times).collect::<Vec<_>>(), [2, 1], "{again:?}");
            Value::Null
        }
        other => panic!("{other}"),
    });
}

#[test]
fn a_person_watches_a_snapshot_through_a_restart_to_its_end_without_loading_the_page_anew() {
    if !is_there() {
        return;
    }
    let Some(server) = shared_server() else { return };
    // As long on any machine: each hundredth row makes its reader wait. A row is 350 bytes, a commit 4 MiB: it is stored a fifth at a time.
    let parcels = "create table parcels(id int primary key, place text not null);
        insert into parcels select id, 'shelf ' || id from generate_series(1, 60000) id;
        analyze parcels";
    let slow = json!({ "snapshot.mode": "initial", "snapshot.select.statement.overrides": "public.parcels",
        "snapshot.select.statement.overrides.public.parcels":
            "select id, place from parcels where case when id % 100 = 0 then pg_sleep(0.02) is not null else true end" });
    let mut shop = Shop::prepared(server, parcels);
    shop.play("snapshot-restart", &json!({ "connector": SHOP }), |shop, word, _| {
        match word {
            "begins" => shop.connect(&slow),
            "stops" => drop(shop.rowfeed.stop()),
            "starts" => {
                shop.rowfeed.run();
                shop.rowfeed.wait_until_ready();
            }
            "counts" => {
                let records = shop.read("shop.public.parcels");
                let keys: HashSet<String> = records.iter().map(Record::key_text).collect();
                assert_eq!((keys.len(), records.len()), (60_000, 60_000), "each row is there, once");
            }
            other => panic!("{other}"),
        }
        Value::Null
    });
}

#[test]
fn a_person_watches_changes_through_a_kill_and_misses_none() {
    if !is_there() {
        return;
    }
    let Some(server) = shared_server() else { return };
    let mut shop =
        Shop::streaming(server, "create table orders(id int generated always as identity primary key, at timestamptz default now())");
    let topic = "shop.public.orders";
    let (ends, mut flows) = (Arc::new(AtomicBool::new(false)), None);
    shop.play("tail-killed", &json!({ "topic": topic }), |shop, word, _| {
        match word {
            // Fewer than a sample leaves out, and while nobody reads them, too.
            "flows" => {
                let (sql, ends) = (shop.database.sql(), Arc::clone(&ends));
                flows = Some(std::thread::spawn(move || {
                    for _ in 0..3000 {
                        if ends.load(Ordering::Relaxed) {
                            return;
                        }
                        sql.run("insert into orders default values");
                        std::thread::sleep(Duration::from_millis(100));
                    }
                }));
                wait_for("the first changes", || (shop.read(topic).len() > 5).then_some(()));
            }
            "is-killed" => shop.rowfeed.kill(),
            "starts" => {
                shop.rowfeed.run();
                shop.rowfeed.wait_until_ready();
            }
            "ends" => {
                ends.store(true, Ordering::Relaxed);
                flows.take().expect("they flow").join().expect("the writer ends");
                let rows: usize = shop.sql.one("select count(*) from orders").parse().expect("a number");
                let records = wait_for("all of them", || Some(shop.read(topic)).filter(|records| records.len() >= rows));
                let keys: HashSet<String> = records.iter().map(Record::key_text).collect();
                assert_eq!((records.len(), keys.len()), (rows, rows), "each change is there, once");
                return json!(records.last().expect("a record").offset);
            }
            other => panic!("{other}"),
        }
        Value::Null
    });
}

#[test]
fn a_person_sees_slots_fill_the_disk_and_has_the_wal_released() {
    if !is_there() {
        return;
    }
    // A slot is lost beyond sixteen segments; nine are more than half.
    let Some(server) = own_server(false, &[("max_slot_wal_keep_size", "256MB"), ("max_wal_size", "64MB")]) else { return };
    let mut shop = Shop::streaming(&server, "create table orders(id int primary key)");
    let (slot, left) = (shop.database.name.clone(), "old_debezium");
    let segment = |sql: &Sql| sql.run("insert into orders select coalesce(max(id), 0) + 1 from orders; select pg_switch_wal()");
    let held = |shop: &Shop, slot: &str| {
        let sql = format!(
            "select pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint >> 20 from pg_replication_slots where slot_name = '{slot}'"
        );
        shop.sql.one(&sql).parse::<u64>().ok()
    };
    let known = json!({ "connector": SHOP, "slot": slot, "left": left });
    let (ends, mut grows) = (Arc::new(AtomicBool::new(false)), None);
    shop.play("full-slot", &known, |shop, word, _| {
        match word {
            "fills" => {
                shop.sql.run(&format!("select pg_create_logical_replication_slot('{left}', 'pgoutput')"));
                let paused = request(&shop.rowfeed.http(), "PUT", "/connectors/shop/pause", None).expect("an answer");
                assert_eq!(paused.status, 202, "{}", paused.body);
                wait_for("the slot to be left", || (shop.sql.one("select bool_or(active) from pg_replication_slots") == "f").then_some(()));
                (0..9).for_each(|_| segment(&shop.sql));
                // It goes on growing while it is looked at, and stops before it is lost.
                let (sql, ends) = (shop.database.sql(), Arc::clone(&ends));
                grows = Some(std::thread::spawn(move || {
                    for tick in 1..=400 {
                        if ends.load(Ordering::Relaxed) {
                            return;
                        }
                        std::thread::sleep(Duration::from_millis(100));
                        if tick % 80 == 0 {
                            let _ = sql.try_run("insert into orders select max(id) + 1 from orders; select pg_switch_wal()");
                        }
                    }
                }));
            }
            "dropped" => {
                assert_eq!(shop.sql.one(&format!("select count(*) from pg_replication_slots where slot_name = '{left}'")), "0");
                assert!(held(shop, &slot) > Some(128), "{:?} MiB", held(shop, &slot));
                ends.store(true, Ordering::Relaxed);
                if let Some(grows) = grows.take() {
                    grows.join().expect("the writer ends");
                }
            }
            "released" => wait_at_most(Duration::from_secs(60), "the WAL to be released", || {
                shop.sql.run("insert into orders select max(id) + 1 from orders; checkpoint");
                (held(shop, &slot)? < 32).then_some(())
            }),
            other => panic!("{other}"),
        }
        Value::Null
    });
    assert!(held(&shop, &slot).is_some_and(|mib| mib < 64), "{:?} MiB", held(&shop, &slot));
}
