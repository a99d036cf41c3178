//! Many connectors in one process: one that is flooded, hangs, fails or has much to do holds up none of the others.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rowfeed::demo::cluster::Cluster;
use serde_json::{Value, json};

use crate::support::postgres::{Database, Sql, own_server};
use crate::support::proxy::Proxy;
use crate::support::reader::{Reader, Record};
use crate::support::service::{Rowfeed, connector_config, with};
use crate::support::{http, long_form, wait_at_most, wait_for};

/// So many connectors have a row now and then, and nothing else.
const STEADY: usize = 41;
/// Rows of a flooding transaction, and of the large snapshots.
const ROWS: u64 = 50_000;
/// Between two looks at all topics.
const LOOK: Duration = Duration::from_millis(200);
/// How long everything may take that has to arrive beside all this, in a debug build on a busy machine.
const LIMIT: Duration = Duration::from_secs(300);
/// How long HTTP may take to answer meanwhile.
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// Tables of the one that has many. Each has a topic of its own.
fn tables() -> u64 {
    if long_form() { 2_000 } else { 200 }
}

fn server() -> Option<Cluster> {
    own_server(false, &[("max_connections", "400"), ("max_wal_senders", "150"), ("max_replication_slots", "150")])
}

/// Does something for each of many, by eight at a time.
fn each<T: Sync>(of: &[T], act: impl Fn(&T) + Sync) {
    thread::scope(|scope| {
        for part in of.chunks(of.len().div_ceil(8)) {
            let act = &act;
            scope.spawn(move || part.iter().for_each(act));
        }
    });
}

/// A connector, its database, and whatever is between them.
struct Member {
    name: String,
    database: Database,
    proxy: Option<Proxy>,
    more: Value,
}

impl Member {
    fn new(cluster: &Cluster, name: &str) -> Self {
        let database = Database { port: cluster.port(), name: name.to_owned() };
        Self { name: name.to_owned(), database, proxy: None, more: json!({}) }
    }

    fn with(mut self, more: Value) -> Self {
        self.more = more;
        self
    }

    fn behind_a_proxy(mut self, cluster: &Cluster) -> Self {
        self.proxy = Some(Proxy::start(cluster.port()));
        self
    }

    fn prepare(&self, cluster: &Cluster, setup: &str) {
        Sql::connect(&cluster.url("postgres")).run(&format!("create database {}", self.name));
        let sql = self.database.sql();
        sql.run("create table tick(id int primary key)");
        if !setup.is_empty() {
            sql.run(setup);
        }
    }

    fn config(&self) -> Value {
        let config = with(connector_config(&self.database, &self.name, "public.*"), &self.more);
        match &self.proxy {
            Some(proxy) => with(config, &json!({"database.port": proxy.port().to_string()})),
            None => config,
        }
    }

    fn topic(&self, table: &str) -> String {
        format!("{}.public.{table}", self.name)
    }

    fn freeze(&self, frozen: bool) {
        self.proxy.as_ref().expect("it has a proxy").freeze(frozen);
    }
}

/// Makes a connector at rest, so that its database, which may not answer, is not asked; and starts it.
fn connect(rowfeed: &Rowfeed, member: &Member) {
    let body = json!({"name": member.name, "config": member.config(), "initial_state": "STOPPED"});
    let answer = http::request(&rowfeed.http(), "POST", "/connectors", Some(&body)).expect("HTTP answers");
    assert_eq!(answer.status, 201, "{}: {}", member.name, answer.body);
    let answer = http::request(&rowfeed.http(), "PUT", &format!("/connectors/{}/resume", member.name), None).expect("HTTP answers");
    assert_eq!(answer.status, 202, "{}: {}", member.name, answer.body);
}

/// State of every connector's task.
fn states(rowfeed: &Rowfeed) -> BTreeMap<String, String> {
    let began = Instant::now();
    let all = http::get(&rowfeed.http(), "/connectors?expand=status").expect("HTTP answers").json();
    assert!(began.elapsed() < ANSWER_MAX, "HTTP took {:?}", began.elapsed());
    let state = |of: &Value| of["status"]["tasks"][0]["state"].as_str().unwrap_or("none").to_owned();
    all.as_object().expect("an object").iter().map(|(name, of)| (name.clone(), state(of))).collect()
}

/// Records of every topic.
fn records(rowfeed: &Rowfeed) -> BTreeMap<String, u64> {
    let began = Instant::now();
    let all = http::get(&rowfeed.http(), "/v1/topics").expect("HTTP answers").json();
    assert!(began.elapsed() < ANSWER_MAX, "HTTP took {:?}", began.elapsed());
    let items = all["items"].as_array().expect("a list");
    items.iter().map(|topic| (topic["name"].as_str().expect("a name").to_owned(), topic["records"].as_u64().expect("a number"))).collect()
}

/// Waits for a fact about the records of the topics.
fn wait_for_records(rowfeed: &Rowfeed, what: &str, is_so: impl Fn(&BTreeMap<String, u64>) -> bool) {
    wait_at_most(LIMIT, what, || {
        let found = is_so(&records(rowfeed));
        if !found {
            thread::sleep(LOOK);
        }
        found.then_some(())
    });
}

fn wait_until_streaming(sql: &Sql, members: &[&Member]) {
    let names = members.iter().map(|member| format!("'{}'", member.name)).collect::<Vec<_>>().join(",");
    let query =
        format!("select count(*) from pg_replication_slots where active and confirmed_flush_lsn is not null and slot_name in ({names})");
    wait_at_most(LIMIT, "all to stream", || (sql.one(&query) == members.len().to_string()).then_some(()));
}

/// The ids of rows by their events: each once, in order.
fn ids(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.json()["after"]["id"].as_u64().expect("an id")).collect()
}

/// Ticks of the steady ones, and whether each went on running.
struct Ticks<'r, 't> {
    rowfeed: &'r Rowfeed,
    steady: Vec<(&'t Member, Sql)>,
    ticks: u64,
}

impl Ticks<'_, '_> {
    /// One row in each database.
    fn tick(&mut self) {
        self.ticks += 1;
        for (_, sql) in &self.steady {
            sql.run(&format!("insert into tick values ({})", self.ticks));
        }
    }

    fn assert_running(&self) {
        let states = states(self.rowfeed);
        for (member, _) in &self.steady {
            assert_eq!(states.get(&member.name).map(String::as_str), Some("RUNNING"), "{}", member.name);
        }
    }

    /// How long until all of them are visible.
    fn wait(&self) -> Duration {
        let began = Instant::now();
        wait_for_records(self.rowfeed, "every row of the others", |records| {
            self.steady.iter().all(|(member, _)| records.get(&member.topic("tick")) == Some(&self.ticks))
        });
        began.elapsed()
    }
}

/// One of each kind of trouble, and forty-one that have none.
struct World {
    steady: Vec<Member>,
    flooded: Member,
    hangs: Member,
    hangs_at_start: Member,
    hangs_in_snapshot: Member,
    loses_publication: Member,
    locked_out: Member,
    large: Member,
    refused: Member,
    wide: Member,
}

impl World {
    fn prepare(server: &Cluster) -> Self {
        let new = |name: &str| Member::new(server, name);
        let world = Self {
            steady: (0..STEADY).map(|number| new(&format!("steady_{number}"))).collect(),
            flooded: new("flooded").with(json!({"snapshot.mode": "no_data"})),
            hangs: new("hangs").behind_a_proxy(server),
            hangs_at_start: new("hangs_at_start").behind_a_proxy(server),
            hangs_in_snapshot: new("hangs_in_snapshot").behind_a_proxy(server),
            loses_publication: new("loses_publication"),
            locked_out: new("locked_out").with(json!({"database.user": "leaver"})),
            large: new("large"),
            refused: new("refused").with(json!({"publication.autocreate.mode": "all_tables"})),
            wide: new("wide"),
        };
        Sql::connect(&server.url("postgres")).run("create role leaver superuser login");
        let rows = format!("insert into rows select n, repeat('x', 100) from generate_series(1, {ROWS}) n");
        let table = "create table rows(id int primary key, text text)";
        let many = format!(
            "do $$ begin for n in 1..{} loop execute format('create table t%s(id int primary key)', n); \
             execute format('insert into t%s values (1)', n); if n % 100 = 0 then commit; end if; end loop; end $$",
            tables()
        );
        let special = [
            (&world.flooded, table.to_owned()),
            (&world.hangs, String::new()),
            (&world.hangs_at_start, String::new()),
            (&world.hangs_in_snapshot, format!("{table}; {rows}")),
            (&world.loses_publication, String::new()),
            (&world.locked_out, String::new()),
            (&world.large, format!("{table}; {rows}")),
            (&world.refused, "create table \"a b\"(id int primary key)".to_owned()),
        ];
        thread::scope(|scope| {
            scope.spawn(|| {
                world.wide.prepare(server, "");
                // A DO that commits must stand alone.
                world.wide.database.sql().run(&many);
            });
            each(&world.steady, |member| member.prepare(server, ""));
            each(&special, |(member, setup)| member.prepare(server, setup));
        });
        world
    }

    fn all(&self) -> Vec<&Member> {
        let Self { flooded, hangs, hangs_at_start, hangs_in_snapshot, loses_publication, locked_out, large, refused, wide, .. } = self;
        let special = [flooded, hangs, hangs_at_start, hangs_in_snapshot, loses_publication, locked_out, large, refused, wide];
        self.steady.iter().chain(special).collect()
    }
}

/// Fifty connectors are made at once; then one is flooded, three hang in different places, two fail for good, one reads a large
/// table, one meets a row that is refused and one has many tables. Every row of the others arrives once and in order, and none
/// of them is ever anything but RUNNING. The service then ends in time and begins again in time, although some hang.
#[test]
fn one_that_is_flooded_hangs_or_fails_holds_up_none_of_fifty() {
    let Some(server) = server() else { return };
    let world = World::prepare(&server);
    assert_eq!(world.all().len(), 50);
    let mut rowfeed = Rowfeed::start(&[]);
    let admin = Sql::connect(&server.url("postgres"));
    world.hangs_at_start.freeze(true);
    world.hangs_in_snapshot.proxy.as_ref().expect("a proxy").freeze_after(2 << 20);
    let began = Instant::now();
    each(&world.all(), |member| connect(&rowfeed, member));
    println!("50 connectors were made in {:?}", began.elapsed());
    let first: Vec<&Member> = world.steady.iter().chain([&world.hangs, &world.loses_publication, &world.locked_out]).collect();
    wait_until_streaming(&admin, &first);
    println!("{} of them stream after {:?}", first.len(), began.elapsed());
    wait_until_streaming(&admin, &[&world.flooded, &world.refused]);

    let mut ticks = Ticks { rowfeed: &rowfeed, steady: world.steady.iter().map(|of| (of, of.database.sql())).collect(), ticks: 0 };
    ticks.tick();
    println!("a row of each is visible after {:?}", ticks.wait());

    // Everything at once.
    world.hangs.freeze(true);
    world.hangs.database.sql().run("insert into tick values (1)");
    world.loses_publication.database.sql().run("drop publication loses_publication; insert into tick values (1)");
    admin.run("alter role leaver nologin; select pg_terminate_backend(pid) from pg_stat_activity where usename = 'leaver'");
    world.refused.database.sql().run("create table \"a#b\"(id int primary key); insert into \"a#b\" values (1)");
    let floods = if long_form() { 40 } else { 2 };
    let flooding = AtomicBool::new(true);
    thread::scope(|scope| {
        scope.spawn(|| {
            let sql = world.flooded.database.sql();
            for flood in 0..floods {
                let (from, to) = (flood * ROWS + 1, (flood + 1) * ROWS);
                sql.run(&format!("insert into rows select n, repeat('x', 100) from generate_series({from}, {to}) n"));
            }
            flooding.store(false, Ordering::Relaxed);
        });
        let mut slowest = Duration::ZERO;
        for round in 0.. {
            ticks.tick();
            slowest = slowest.max(ticks.wait());
            ticks.assert_running();
            if round >= 9 && !flooding.load(Ordering::Relaxed) {
                break;
            }
        }
        println!("{} rows of each became visible, the slowest round within {slowest:?}", ticks.ticks);
    });
    for failed in [&world.loses_publication, &world.locked_out, &world.refused] {
        let trace = rowfeed.wait_until_failed(&failed.name);
        println!("{} has failed: {}", failed.name, trace.lines().next().unwrap_or_default());
    }
    assert!(world.hangs_in_snapshot.proxy.as_ref().is_some_and(Proxy::is_frozen), "it hangs in the middle of its snapshot");
    for (member, rows) in [(&world.large, ROWS), (&world.flooded, floods * ROWS)] {
        let topic = member.topic("rows");
        wait_for_records(&rowfeed, &topic, |records| records.get(&topic) == Some(&rows));
        println!("{rows} rows of {} are there after {:?}", member.name, began.elapsed());
    }
    wait_for_records(&rowfeed, "the many tables", |records| {
        (1..=tables()).all(|n| records.get(&world.wide.topic(&format!("t{n}"))) == Some(&1))
    });
    ticks.assert_running();
    println!("{} tables are there after {:?}; {:.0} MiB at the peak", tables(), began.elapsed(), rowfeed.memory_mib("VmHWM"));
    for (member, _) in &ticks.steady {
        let begun = rowfeed
            .log()
            .lines()
            .filter(|line| line.contains("\"streaming\"") && line.contains(&format!("\"slot\":\"{}\"", member.name)))
            .count();
        assert_eq!(begun, 1, "{} began again", member.name);
    }
    assert!(!rowfeed.log().contains("slot/wal-limit"), "the server sets no limit: there is nothing to warn of");
    let (mut count, sessions) = (ticks.ticks, ticks.steady);

    // Three still hang.
    println!("SIGTERM: ended after {:?}", { rowfeed.stop() });
    count += 1;
    sessions.iter().for_each(|(_, sql)| sql.run(&format!("insert into tick values ({count})")));
    let began = Instant::now();
    rowfeed.run();
    rowfeed.wait_until_ready();
    println!("started again: ready after {:?}", began.elapsed());
    let ticks = Ticks { rowfeed: &rowfeed, steady: sessions, ticks: count };
    println!("what came meanwhile is visible after {:?}", ticks.wait());
    for member in [&world.hangs, &world.hangs_at_start, &world.hangs_in_snapshot] {
        member.freeze(false);
        member.proxy.as_ref().expect("a proxy").cut();
    }
    world.hangs_at_start.database.sql().run("insert into tick values (1)");
    let reader = Reader::new(rowfeed.kafka());
    wait_for_records(&rowfeed, "those that hung to go on", |records| {
        let of = |topic: String| records.get(&topic).copied().unwrap_or(0);
        let ticked = [&world.hangs, &world.hangs_at_start].iter().all(|member| of(member.topic("tick")) == 1);
        ticked && of(world.hangs_in_snapshot.topic("rows")) >= ROWS
    });
    println!("those that hung have gone on after {:?}", began.elapsed());
    for (member, _) in &ticks.steady {
        assert_eq!(ids(&reader.read(&member.topic("tick"))), (1..=count).collect::<Vec<_>>(), "{}", member.name);
    }
    assert_eq!(ids(&reader.read(&world.flooded.topic("rows"))), (1..=floods * ROWS).collect::<Vec<_>>());
    ticks.assert_running();
}

/// What a process has of its own.
#[derive(Debug)]
struct Belongings {
    threads: usize,
    descriptors: usize,
    metrics: usize,
    mib: f64,
}

fn belongings(rowfeed: &Rowfeed) -> Belongings {
    let count = |what: &str| fs::read_dir(format!("/proc/{}/{what}", rowfeed.pid())).expect("a running process").count();
    let metrics = http::get(&rowfeed.http(), "/metrics").expect("HTTP answers").body;
    let of_connectors = metrics.lines().filter(|line| line.contains("connector=\"short_") || line.contains("short_")).count();
    Belongings { threads: count("task"), descriptors: count("fd"), metrics: of_connectors, mib: rowfeed.memory_mib("VmRSS") }
}

/// Eight at a time, two hundred connectors are made, stream, and are deleted again.
#[test]
fn two_hundred_connectors_made_and_deleted_leave_nothing_behind() {
    let Some(server) = server() else { return };
    let members: Vec<Member> = (0..8).map(|number| Member::new(&server, &format!("short_{number}"))).collect();
    each(&members, |member| member.prepare(&server, "insert into tick values (1)"));
    let mut rowfeed = Rowfeed::start(&[]);
    let lives = |times: u64| {
        each(&members, |member| {
            let sql = member.database.sql();
            let config = with(member.config(), &json!({"slot.drop.on.stop": "true", "snapshot.mode": "no_data"}));
            for _ in 0..times {
                assert_eq!(rowfeed.put_connector(&member.name, &config).status, 201, "{}", member.name);
                rowfeed.wait_until_streaming(&member.name, &sql, &member.name);
                let gone = http::request(&rowfeed.http(), "DELETE", &format!("/connectors/{}", member.name), None);
                assert_eq!(gone.expect("HTTP answers").status, 204, "{}", member.name);
            }
        });
    };
    // What is made once for all, and what the allocator keeps for its threads, is there after the first ones.
    lives(5);
    let settled = |what: &str, seen: &mut dyn FnMut() -> bool| wait_for(what, || seen().then_some(()));
    // Threads for blocking work end after ten seconds of rest.
    let mut before = belongings(&rowfeed);
    settled("idle threads to end", &mut || {
        before = belongings(&rowfeed);
        before.threads <= 8
    });
    lives(20);
    let mut after = belongings(&rowfeed);
    settled("threads and descriptors to be given back", &mut || {
        after = belongings(&rowfeed);
        after.threads <= before.threads && after.descriptors <= before.descriptors + 2
    });
    println!("before {before:?}, after {after:?}");
    assert_eq!(after.metrics, 0, "no metric names a connector that is gone");
    assert!(after.mib < before.mib + 24.0, "{before:?} {after:?}");
    let sql = Sql::connect(&server.url("postgres"));
    assert_eq!(sql.one("select count(*) from pg_replication_slots"), "0");
    settled("the sessions to be closed", &mut || {
        sql.one("select count(*) from pg_stat_activity where application_name like 'rowfeed short%'") == "0"
    });
    let names = || http::get(&rowfeed.http(), "/connectors").expect("HTTP answers").body;
    assert_eq!(names(), "[]");
    rowfeed.stop();
    rowfeed.run();
    rowfeed.wait_until_ready();
    let again = http::get(&rowfeed.http(), "/connectors").expect("HTTP answers").body;
    assert_eq!(again, "[]", "none comes back");
}

/// A connector that waits for its server cannot hear that it is told to end. It is given up in less time than a service has to
/// end; who changes another connector meanwhile does not wait for it; and nothing is lost.
#[test]
fn one_that_cannot_end_is_given_up_and_no_other_change_waits() {
    let Some(server) = server() else { return };
    let [stuck, other] = ["stuck", "other"].map(|name| Member::new(&server, name).with(json!({"snapshot.mode": "no_data"})));
    for member in [&stuck, &other] {
        member.prepare(&server, "");
    }
    let rowfeed = Rowfeed::start(&[]);
    for member in [&stuck, &other] {
        connect(&rowfeed, member);
    }
    wait_until_streaming(&Sql::connect(&server.url("postgres")), &[&stuck, &other]);
    let holder = stuck.database.sql();
    // What a table looks like cannot be asked now, for the ten seconds of the session's lock_timeout.
    holder.run("begin; lock table pg_attrdef in access exclusive mode");
    let sql = stuck.database.sql();
    sql.run("insert into tick values (1)");
    wait_for("it to ask what the table looks like", || {
        (holder.one("select count(*) from pg_locks where not granted and relation = 'pg_attrdef'::regclass") == "1").then_some(())
    });
    let http_of = rowfeed.http();
    let began = Instant::now();
    let deleting = thread::spawn(move || {
        let gone = http::request(&http_of, "DELETE", "/connectors/stuck", None).expect("HTTP answers");
        (gone.status, began.elapsed())
    });
    wait_for("the deletion to begin", || (http::get(&rowfeed.http(), "/connectors").ok()?.body == "[\"other\"]").then_some(()));
    let paused = http::request(&rowfeed.http(), "PUT", "/connectors/other/pause", None).expect("HTTP answers");
    let changed_after = began.elapsed();
    assert_eq!(paused.status, 202, "{}", paused.body);
    let (status, deleted_after) = deleting.join().expect("an answer");
    println!("another was changed after {changed_after:?}, the stuck one was gone after {deleted_after:?}");
    assert_eq!(status, 204);
    assert!(changed_after < deleted_after, "{changed_after:?} {deleted_after:?}");
    assert!(deleted_after < Duration::from_secs(9), "{deleted_after:?}");
    assert!(rowfeed.log().contains("its session is given up"), "it was not stuck");
    holder.run("rollback");
    connect(&rowfeed, &stuck);
    let topic = stuck.topic("tick");
    wait_for_records(&rowfeed, &topic, |records| records.get(&topic) == Some(&1));
}
