//! Options of the snapshot: which tables, which rows, in which order, and when it is taken again.

use serde_json::json;

use crate::support::postgres::{programs, shared_server};
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
    // As `idle_session_timeout` ends the session that cuts the ranges.
    let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity
               where datname = current_database() and state = 'idle' and query like '%offset % limit 1; commit'";
    let read = |name: &str, threads: u32| {
        let scene = Scene::prepared(server, name, setup, &json!({"snapshot.mode": "initial", "snapshot.max.threads": threads.to_string()}));
        scene.connect();
        let mut ended = 0;
        wait_for("the snapshot's end", || {
            ended += scene.sql.one(end).parse::<u32>().expect("a number");
            scene.rowfeed.log().contains("\"snapshot finished\"").then_some(())
        });
        assert_eq!(ended > 0, threads > 1, "{ended} sessions ended");
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

/// Aim: a statement that waits for the first reader of a table does not make the others, who would wait for it, run out of time.
/// Method: a row filter that costs a second per range, so that the statement comes between the first reader and the second.
#[test]
fn a_statement_that_waits_for_one_reader_holds_up_no_other() {
    let Some(server) = shared_server() else { return };
    if programs().is_some_and(|programs| programs.major() < 15) {
        return eprintln!("SKIPPED: row filters need PostgreSQL 15");
    }
    let setup = "create table t(id int primary key, x text); insert into t select g, 'x' from generate_series(1, 20000) g;
                 create table u(id int primary key); insert into u select generate_series(1, 10)";
    let more = json!({"snapshot.mode": "initial", "snapshot.max.threads": "2", "snapshot.lock.timeout.ms": "3000",
        "publication.autocreate.mode": "disabled"});
    let scene = Scene::prepared(server, "readerslock", setup, &more);
    let filter = "md5(repeat(to_hex(id), 5000)) <> ''";
    scene.sql.run(&format!("create publication \"{}\" for table t where ({filter}), table u, table fence", scene.slot()));
    scene.connect();
    // The lock of the session that reads, not of the one that cuts the ranges.
    let reads = "select count(*) from pg_stat_activity a join pg_locks l using (pid)
                 where l.relation = 't'::regclass and l.granted and a.query ilike 'copy %' and a.state = 'active'";
    wait_for("the first reader", || (scene.sql.one(reads) == "1").then_some(()));
    let other = scene.database.sql();
    let altered = std::thread::spawn(move || other.run("alter table t add column y int default 7"));
    let waits = "select count(*) from pg_locks where relation = 't'::regclass and mode = 'AccessExclusiveLock' and not granted";
    wait_for("the statement to wait", || (scene.sql.one(waits) == "1").then_some(()));
    wait_for("the snapshot's end", || scene.rowfeed.log().contains("\"snapshot finished\"").then_some(()));
    altered.join().expect("it is altered");
    scene.wait_until_streaming();
    scene.sql.run("insert into t values (20001, 'x')");
    let events = scene.events("t");
    let ids: Vec<_> = events.iter().map(|event| event["after"]["id"].as_u64()).collect();
    assert_eq!(ids, (1..=20_001).map(Some).collect::<Vec<_>>(), "each once, in order");
    assert_eq!(events[20_000]["after"]["y"], 7);
    let log = scene.rowfeed.log();
    assert!(!log.contains("lock timeout") && log.matches("\"snapshot finished\"").count() == 1, "nobody ran out of time: {log}");
}

/// Aim: what only notifications ask for ends no snapshot. Method: a row filter that makes counting one table take a second or
/// two; meanwhile the next one is locked.
#[test]
fn a_table_that_cannot_be_counted_is_told_of_as_one_chunk_and_read() {
    let Some(server) = shared_server() else { return };
    if programs().is_some_and(|programs| programs.major() < 15) {
        return eprintln!("SKIPPED: row filters need PostgreSQL 15");
    }
    let setup = "create table a(id int primary key); insert into a select generate_series(1, 10000);
                 create table t(id int primary key); insert into t select generate_series(1, 10)";
    let more = json!({"snapshot.mode": "initial", "snapshot.max.threads.multiplier": "2", "snapshot.lock.timeout.ms": "1000",
        "publication.autocreate.mode": "disabled", "notification.enabled.channels": "log"});
    let scene = Scene::prepared(server, "uncounted", setup, &more);
    let filter = "md5(repeat(to_hex(id), 5000)) <> ''";
    scene.sql.run(&format!("create publication \"{}\" for table a where ({filter}), table t, table fence", scene.slot()));
    scene.connect();
    let counts = "select count(*) from pg_stat_activity
                  where datname = current_database() and query like 'begin %select count(*) from %md5%' and state = 'active'";
    wait_for("the first table to be counted", || (scene.sql.one(counts) == "1").then_some(()));
    let other = scene.database.sql();
    other.run("begin");
    other.run("lock table t");
    wait_for("the count to be given up", || scene.rowfeed.log().contains("its rows are not counted").then_some(()));
    other.run("commit");
    scene.wait_until_streaming();
    assert_eq!(Scene::ops(&scene.events("t")), "r".repeat(10));
    let log = scene.rowfeed.log();
    let told = |what: &str| log.lines().filter(|line| line.contains(what)).count();
    assert!(told("TABLE_CHUNK_COMPLETED") == 4 && told("ABORTED") == 0 && told("lock timeout") == 1, "{log}");
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
