//! A snapshot that is killed goes on where it was, beside the stream, and is exact.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::postgres::{Database, Sql, own_server, shared_server};
use crate::support::random::Random;
use crate::support::reader::Record;
use crate::support::scene::Scene;
use crate::support::{long_form, wait_for};

pub(super) const UNAVAILABLE: &str = "__debezium_unavailable_value";

/// So many events come before the next kill; the snapshot has 93,000 rows.
const ROWS_BETWEEN_KILLS: i64 = 5000;
/// `numbers` is ordered by a key whose order is known, `words` by one that only PostgreSQL knows (its collation is not
/// that of bytes), `dates` by two columns. `big` is sent only when it changes.
pub(super) const SETUP: &str = "
    create sequence version;
    create table dates(day date, n int, version bigint not null default nextval('version'), big text, primary key(day, n));
    create table numbers(id int primary key, version bigint not null default nextval('version'), big text);
    create table words(word text collate \"en-x-icu\" primary key, version bigint not null default nextval('version'), big text);
    alter table numbers alter big set storage external;
    alter table words alter big set storage external;
    create table zlog(n int);
    alter table zlog replica identity full;
    insert into zlog select g from generate_series(1, 3000) g;
    insert into dates select date '2000-01-01' - 365 * 2000 + g, g % 3, 1, 'd' || g from generate_series(1, 5000) g;
    insert into numbers select g, 1, case when g % 50 = 0 then repeat('n', 3000) else repeat(md5(g::text), 20) end from generate_series(-35000, 34999) g;
    insert into words select md5(g::text), 1, case when g % 50 = 0 then repeat('w', 3000) else repeat(md5(g::text), 20) end from generate_series(1, 15000) g;
    analyze";

/// Writers on all three tables, some of whose keys change.
pub(super) struct Writers {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Writers {
    pub(super) fn start(database: &Database, seed: u64) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let threads = (0..3)
            .map(|number| {
                let (database, stop, done) = (database.clone(), Arc::clone(&stop), Arc::clone(&done));
                std::thread::spawn(move || {
                    let (sql, mut random) = (database.sql(), Random::new(seed + number));
                    while !stop.load(Ordering::Relaxed) {
                        // A deadlock ends the transaction.
                        if sql.try_run(&statement(&mut random)).is_err() {
                            let _ = sql.try_run("rollback");
                        }
                        done.fetch_add(1, Ordering::Relaxed);
                        std::thread::sleep(Duration::from_millis(2));
                    }
                })
            })
            .collect();
        Self { stop, done, threads }
    }

    pub(super) fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("a writer does not panic"));
        self.done.load(Ordering::Relaxed)
    }
}

/// One transaction. Rows that move go to where others were deleted, across whatever is read and unread.
fn statement(random: &mut Random) -> String {
    let mut number = || random.among(0..70_000) as i64 - 35_000;
    let (a, b, c) = (number(), number(), number());
    let tens = c.rem_euclid(1400) * 50 - 35_000;
    let (word, other) = (format!("md5('{}')", a.rem_euclid(15_000)), format!("md5('{}')", b.rem_euclid(15_000)));
    let version = "version = nextval('version')";
    match random.among(0..9) {
        0 => format!("update numbers set {version} where id between {a} and {a} + 5; update words set {version} where word = {word}"),
        1 => format!("delete from numbers where id = {a}; delete from words where word = {word}"),
        2 => format!(
            "insert into numbers values({a}, nextval('version'), 'new') on conflict do nothing; insert into zlog values(nextval('version') + 3000)"
        ),
        3 => format!("update numbers set {version}, id = {b} where id = {tens} and not exists (select 1 from numbers where id = {b})"),
        4 => format!(
            "update words set {version}, word = {other} where word = {word} and not exists (select 1 from words where word = {other})"
        ),
        5 => format!(
            "insert into words values({word}, nextval('version'), 'new') on conflict do nothing; update numbers set {version}, big = 'short' where id = {a}"
        ),
        6 => format!(
            "update dates set {version}, day = day + 700 * {} where n = 1 and day = date '2000-01-01' - 365 * 2000 + {}",
            a % 700,
            b.rem_euclid(5_000)
        ),
        7 => format!("delete from dates where day = date '2000-01-01' - 365 * 2000 + {}", a.rem_euclid(5_000)),
        _ => format!(
            "update dates set {version} where day > date '2000-01-01' - 365 * 2000 + {} and n = 2 and day < date '2000-01-01' - 365 * 2000 + {0} + 9",
            a.rem_euclid(5_000)
        ),
    }
}

/// A topic's rows at its end; every event must fit the rows it meets.
fn replay(records: &[Record], strict: bool) -> BTreeMap<String, Value> {
    let mut rows: BTreeMap<String, Value> = BTreeMap::new();
    let mut versions: HashMap<String, i64> = HashMap::new();
    let mut moving: Option<Value> = None;
    for record in records {
        if record.key.is_none() && record.text().contains("\"op\":\"t\"") {
            rows.clear();
            continue;
        }
        let key = String::from_utf8_lossy(record.key.as_deref().expect("a key")).into_owned();
        if record.value.is_none() {
            continue;
        }
        let event = record.text();
        let op = between(&event, "\"op\":\"", "\"");
        let told = || format!("{key} at {}: {event}", record.offset);
        if op == "d" {
            let held = rows.remove(&key);
            assert!(held.is_some() || !strict, "the end of an unknown row: {}", told());
            if record.header("__debezium.newkey").is_some() {
                moving = held;
            }
            continue;
        }
        let mut row: Value = serde_json::from_str(between(&event, "\"after\":", ",\"source\":")).expect("JSON");
        let held = if record.header("__debezium.oldkey").is_some() { moving.take() } else { rows.get(&key).cloned() };
        if strict {
            assert!(
                op != "r" || !rows.contains_key(&key) || held.as_ref().is_some_and(|held| held["big"] == UNAVAILABLE),
                "read twice: {}",
                told()
            );
            assert!(op != "c" || !rows.contains_key(&key), "created twice: {}", told());
            assert!(op != "u" || held.is_some(), "a change of an unknown row: {}", told());
        }
        if row["big"] == UNAVAILABLE
            && let Some(held) = held
        {
            row["big"] = held["big"].clone();
        }
        let version = row["version"].as_i64().expect("a version");
        let before = versions.insert(key.clone(), version).unwrap_or(0);
        assert!(version >= before, "version {version} behind {before}: {}", told());
        rows.insert(key, row);
    }
    rows
}

/// A part of an event: to read the whole as JSON takes too long for so many.
pub(super) fn between<'e>(event: &'e str, before: &str, behind: &str) -> &'e str {
    let part = event.split_once(before).map(|(_, rest)| rest).expect("the event's form");
    part.split_once(behind).map(|(part, _)| part).expect("the event's form")
}

/// The source's rows in the form of a replay.
pub(super) fn truth(sql: &Sql, table: &str, key: &str) -> BTreeMap<String, Value> {
    let day = if table == "dates" { "day - date '1970-01-01' as day, n," } else { "" };
    let columns = if day.is_empty() { format!("{key}, version, big") } else { format!("{day} version, big") };
    let rows = sql.rows(&format!("select row_to_json(t)::text from (select {columns} from {table}) t"));
    rows.into_iter()
        .map(|row| {
            let row: Value = serde_json::from_str(row[0].as_deref().expect("a row")).expect("JSON");
            let fields: Vec<_> = key.split(", ").map(|name| format!("\"{name}\":{}", row[name])).collect();
            (format!("{{{}}}", fields.join(",")), row)
        })
        .collect()
}

/// How many rows were read.
fn compare(scene: &Scene, table: &str, key: &str, strict: bool) -> usize {
    let records = scene.reader.read(&Scene::topic(table));
    let (got, want) = (replay(&records, strict), truth(&scene.sql, table, key));
    let wrong: Vec<_> =
        want.iter().filter(|(key, row)| got.get(*key) != Some(row)).map(|(key, row)| (key, row, got.get(key))).take(3).collect();
    let extra: Vec<_> = got.keys().filter(|key| !want.contains_key(*key)).take(3).collect();
    assert!(wrong.is_empty() && extra.is_empty(), "{table}: wrong or lost {wrong:?}, deleted in the source {extra:?}");
    records.iter().filter(|record| record.text().contains("\"op\":\"r\"")).count()
}

/// Aim: whatever is written meanwhile, a snapshot that is killed again and again gives every row once, none lost, none
/// older than what was published, no delete lost. Method: commits hang between their WAL record and their visibility
/// (a synchronous standby that does not exist); topics are replayed and compared with the tables.
#[test]
fn killed_again_and_again_a_snapshot_goes_on_and_is_exact() {
    let Some(server) = own_server(true, &[("fsync", "off")]) else { return };
    let seed = Random::seed(19);
    let mut random = Random::new(seed);
    let more = json!({"snapshot.mode": "initial"});
    let mut scene = Scene::prepared(&server, "resumesnap", SETUP, &more);
    let writers = Writers::start(&scene.database, seed);
    let hang = hang_commits(&scene.database);
    scene.connect();
    let mut next = 0;
    let went_on = |scene: &Scene| scene.rowfeed.log().matches("the snapshot goes on where it was").count();
    for kills in 0..if long_form() { 20 } else { 6 } {
        let mark = |table: &&str| scene.reader.watermarks(&Scene::topic(table), 0).map_or(0, |(_, next)| next);
        let rows = || ["dates", "numbers", "words"].iter().map(mark).sum::<i64>();
        let finished = || scene.rowfeed.log().contains("snapshot finished");
        wait_for("the next rows", || (finished() || (went_on(&scene) >= kills && rows() > next)).then_some(()));
        if finished() {
            break;
        }
        std::thread::sleep(Duration::from_millis(random.among(0..10)));
        next = rows() + ROWS_BETWEEN_KILLS;
        scene.rowfeed.kill();
        scene.rowfeed.run();
        scene.rowfeed.wait_until_ready();
    }
    wait_for("the snapshot to end", || scene.rowfeed.log().contains("snapshot finished").then_some(()));
    std::thread::sleep(Duration::from_millis(300));
    let transactions = writers.stop();
    hang.stop();
    let went_on = scene.rowfeed.log().matches("the snapshot goes on where it was").count();
    let mut logged: Vec<i64> = scene.events("zlog").iter().filter_map(|event| event["after"]["n"].as_i64()).collect();
    logged.sort_unstable();
    let rows = scene.sql.rows("select n from zlog order by n");
    let want: Vec<i64> = rows.iter().filter_map(|row| row[0].as_deref()?.parse().ok()).collect();
    assert_eq!(logged.len(), want.len(), "rows without key come once, too, unless the process is killed in the middle of them");
    assert_eq!(logged, want);
    println!("{transactions} transactions, {went_on} starts went on");
    assert!(went_on >= 2, "killed while it reads: {went_on} times");
    scene.fence();
    let read = [("numbers", "id", true), ("dates", "day, n", true), ("words", "word", false)];
    let [numbers, dates, words] = read.map(|(table, key, strict)| compare(&scene, table, key, strict));
    assert!(numbers <= 70_100 && dates <= 5_100 && words <= 15_500, "rows come once: {numbers}, {dates} and {words} were read");
}

/// Aim: what is truncated or rewritten while the process is away is told before the rows that come behind it. Method:
/// replay with truncates.
#[test]
fn tables_truncated_and_rewritten_between_two_starts_are_read_as_they_are() {
    let Some(server) = shared_server() else { return };
    let setup = "create table a(id int primary key, version int, big text); create table b(id int primary key, version int, big text);
        create table c(id int primary key, version int, big text);
        insert into a select g, 1, repeat('a', 1500) from generate_series(1, 20000) g;
        insert into b select g, 1, 'b' from generate_series(1, 2000) g; insert into c select g, 1, 'c' from generate_series(1, 2000) g";
    let mut scene = Scene::prepared(server, "trunc", setup, &json!({"snapshot.mode": "initial", "skipped.operations": "none"}));
    scene.connect();
    let topic = Scene::topic("a");
    wait_for("the first rows", || scene.reader.watermarks(&topic, 0).filter(|(_, next)| *next > 0));
    scene.rowfeed.kill();
    assert!(!scene.rowfeed.log().contains("snapshot finished"));
    scene.sql.run("truncate a, b; alter table c alter version type bigint");
    scene.sql.run("insert into a select g, 2, 'new' from generate_series(1, 5000, 7) g; insert into b values(7, 2, 'new')");
    scene.sql.run("update c set version = 2 where id = 1");
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    // Rows are truncated again while the rest is read.
    scene.sql.run("truncate b; insert into b values(8, 3, 'newer')");
    wait_for("the snapshot to end", || scene.rowfeed.log().contains("snapshot finished").then_some(()));
    scene.sql.run("insert into a values(0, 3, 'last')");
    scene.fence();
    assert!(scene.rowfeed.log().contains("the snapshot goes on where it was"));
    for table in ["a", "b", "c"] {
        compare(&scene, table, "id", true);
    }
}

/// Makes commits wait for a standby that is not there, now and then.
pub(super) fn hang_commits(database: &Database) -> Hang {
    let (stop, database) = (Arc::new(AtomicBool::new(false)), database.clone());
    let told = Arc::clone(&stop);
    let thread = std::thread::spawn(move || {
        let sql = database.sql();
        sql.run("set synchronous_commit = local");
        while !told.load(Ordering::Relaxed) {
            for setting in ["set synchronous_standby_names = 'nobody'", "reset synchronous_standby_names"] {
                sql.run(&format!("alter system {setting}"));
                sql.run("select pg_reload_conf()");
                std::thread::sleep(Duration::from_millis(60));
            }
        }
    });
    Hang { stop, thread }
}

pub(super) struct Hang {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Hang {
    pub(super) fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("it does not panic");
    }
}
