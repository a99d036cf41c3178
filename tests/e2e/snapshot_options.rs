//! Options of the snapshot: which tables, which rows, in which order, and when it is taken again.

use serde_json::json;

use crate::support::postgres::shared_server;
use crate::support::reader::Record;
use crate::support::scene::Scene;
use crate::support::wait_for;

#[test]
fn tables_and_rows_are_chosen_and_the_large_table_comes_first() {
    let Some(server) = shared_server() else { return };
    let setup = "create table a(id int primary key, x text); insert into a select g, 'r' || g from generate_series(1, 5) g;
                 create table b(id int primary key); insert into b select generate_series(1, 2000);
                 create table c(id int primary key); insert into c select generate_series(1, 5); analyze";
    let more = json!({
        "snapshot.mode": "initial",
        "snapshot.include.collection.list": "public.[ab]",
        "snapshot.select.statement.overrides": "public.a",
        "snapshot.select.statement.overrides.public.a": "select * from public.a where id % 2 = 0",
        "snapshot.tables.order.by.row.count": "descending",
        "snapshot.delay.ms": "10",
        "streaming.delay.ms": "10",
    });
    let scene = Scene::prepared(server, "snapopt", setup, &more);
    scene.connect();
    scene.wait_until_streaming();
    scene.sql.run("update a set x = 'changed' where id = 1; insert into c values(6)");
    let ids = |table: &str| scene.events(table).iter().filter_map(|event| event["after"]["id"].as_u64()).collect::<Vec<_>>();
    assert_eq!(ids("a"), [2, 4, 1], "the chosen rows, then the stream, which is not filtered");
    assert_eq!(Scene::ops(&scene.events("a")), "rru");
    assert_eq!(ids("c"), [6], "a table that the snapshot leaves out is streamed");
    assert_eq!(scene.events("b")[0]["source"]["snapshot"], "first");
    assert_eq!(scene.events("a")[1]["source"]["snapshot"], "last");
}

/// Aim: the same events in the same order, however many sessions read: tables that are cut into ranges by a number, by words
/// in the database's order and by two columns, and some that are not cut.
#[test]
fn several_readers_publish_what_one_does() {
    let Some(server) = shared_server() else { return };
    let setup = "create table a_empty(id int primary key);
                 create table b(id bigint primary key, x text); insert into b select g * 7, repeat('x', 500) from generate_series(1, 60000) g;
                 create table c(word text primary key); insert into c select md5(g::text) || chr(228 + g % 20) from generate_series(1, 30000) g;
                 create table d(n int, day date, primary key (day, n));
                 insert into d select g, '2020-01-01'::date + g % 11 from generate_series(1, 30000) g;
                 create table e(x int); alter table e replica identity full; insert into e select generate_series(1, 3000);
                 create table f(id int primary key); insert into f values (1);
                 create table g_empty(id int primary key)";
    let tables = ["b", "c", "d", "e", "f"];
    let read = |name: &str, threads: u32| {
        let scene = Scene::prepared(server, name, setup, &json!({"snapshot.mode": "initial", "snapshot.max.threads": threads.to_string()}));
        scene.connect();
        scene.wait_until_streaming();
        scene.sql.run("insert into f values (2)");
        let row = |event: &serde_json::Value| (event["op"].clone(), event["after"].clone(), event["source"]["snapshot"].clone());
        tables.map(|table| scene.events(table).iter().map(row).collect::<Vec<_>>())
    };
    let (one, several) = (read("one_reader", 1), read("readers", 4));
    assert_eq!(one.each_ref().map(Vec::len), [60_000, 30_000, 30_000, 3_000, 2]);
    for (table, (one, several)) in tables.iter().zip(one.iter().zip(&several)) {
        let differs = one.iter().zip(several).position(|(one, several)| one != several);
        assert_eq!(differs.map(|at| (&one[at], &several[at])), None, "{table} at {differs:?}");
        assert_eq!(one.len(), several.len(), "{table}");
    }
}

#[test]
fn a_statement_that_does_not_give_the_tables_columns_is_told() {
    let Some(server) = shared_server() else { return };
    let more = json!({
        "snapshot.mode": "initial",
        "snapshot.select.statement.overrides": "public.a",
        "snapshot.select.statement.overrides.public.a": "select id from public.a",
    });
    let scene = Scene::prepared(server, "snapbad", "create table a(id int primary key, x text)", &more);
    scene.connect();
    let trace = scene.rowfeed.wait_until_failed("scene");
    assert!(trace.contains("snapshot.select.statement.overrides.public.a"), "{trace}");
}

#[test]
fn when_needed_a_lost_position_leads_to_a_snapshot() {
    let Some(server) = shared_server() else { return };
    let setup = "create table a(id int primary key); insert into a values(1)";
    let mut scene = Scene::prepared(server, "needed", setup, &json!({"snapshot.mode": "when_needed"}));
    scene.connect();
    scene.wait_until_streaming();
    scene.sql.run("insert into a values(2)");
    assert_eq!(Scene::ops(&scene.events("a")), "rc");
    scene.rowfeed.stop();
    let slot = scene.slot().to_owned();
    wait_for("the slot to be free", || scene.sql.try_run(&format!("select pg_drop_replication_slot('{slot}')")).ok());
    scene.sql.run("insert into a values(3)");
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    scene.wait_until_streaming();
    scene.sql.run("insert into a values(4)");
    let topic = Scene::topic("a");
    wait_for("the last row's event", || scene.reader.watermarks(&topic, 0).filter(|(_, next)| *next >= 6));
    let events: Vec<_> = scene.reader.read(&topic).iter().map(Record::json).collect();
    assert_eq!(Scene::ops(&events), "rcrrrc");
}

/// `snapshot.locking.mode=shared`: the last table is locked while the first is read.
#[test]
fn all_tables_are_locked_before_the_first_is_read() {
    let Some(server) = shared_server() else { return };
    let setup =
        "create table a(id int primary key); insert into a values (1); create table b(id int primary key); insert into b values (1)";
    let more = json!({
        "snapshot.mode": "initial",
        "snapshot.locking.mode": "shared",
        "snapshot.lock.timeout.ms": "5000",
        "snapshot.select.statement.overrides": "public.a",
        "snapshot.select.statement.overrides.public.a": "select id from public.a, (select pg_sleep(2)) s",
    });
    let scene = Scene::prepared(server, "snaplock", setup, &more);
    scene.connect();
    let held = "select string_agg(distinct c.relname, ',' order by c.relname) from pg_locks l join pg_class c on c.oid = l.relation \
                where l.database = (select oid from pg_database where datname = current_database()) and l.mode = 'AccessShareLock' \
                and l.granted and c.relname in ('a', 'b') and l.pid in (select pid from pg_stat_activity where query like '%pg_sleep%' and pid <> pg_backend_pid())";
    wait_for("both tables to be locked", || (scene.sql.one(held) == "a,b").then_some(()));
    scene.wait_until_streaming();
    assert_eq!((Scene::ops(&scene.events("a")), Scene::ops(&scene.events("b"))), ("r".to_owned(), "r".to_owned()));
}
