//! In the manner of Jepsen: readers race writers through a cache, PostgreSQL has a synchronous standby, Redis is killed and forgets.
//!
//! The claim: once a barrier has passed for a commit, nobody reads an older value from the cache, ever again. What is known to be fenced is
//! noted *before* a reader asks the cache; a hit below it is a stale value that outlived the fence. The same readers with the usual recipe (delete on the
//! event, GET and SET) must find some, or this test could not.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use redis::Connection;
use serde_json::{Value, json};

use super::support::http;
use super::support::postgres::{Sql, own_server};
use super::support::random::Random;
use super::support::redis::Redis;
use super::support::scene::Scene;
use super::support::standby::Standby;
use super::support::{long_form, wait_for};

const KEYS: usize = 12;
const WRITERS: usize = 3;
const READERS: usize = 8;

/// What readers, writers and the barrier share.
struct World {
    /// The newest committed version of each key.
    written: [AtomicU64; KEYS],
    /// The newest version of each key that a barrier has passed for.
    fenced: [AtomicU64; KEYS],
    stop: AtomicBool,
    hits: AtomicU64,
    fills: AtomicU64,
    refused: AtomicU64,
    bypassed: AtomicU64,
    barriers: AtomicU64,
    stale: AtomicU64,
    example: std::sync::Mutex<Option<String>>,
}

impl World {
    fn new() -> Self {
        let none = || std::array::from_fn(|_| AtomicU64::new(0));
        let count = || AtomicU64::new(0);
        Self {
            written: none(),
            fenced: none(),
            stop: AtomicBool::new(false),
            hits: count(),
            fills: count(),
            refused: count(),
            bypassed: count(),
            barriers: count(),
            stale: count(),
            example: std::sync::Mutex::default(),
        }
    }

    fn runs(&self) -> bool {
        !self.stop.load(SeqCst)
    }

    /// A hit is compared with what was fenced before the cache was asked.
    fn hit(&self, key: usize, fenced: u64, value: &str, how: &str) {
        self.hits.fetch_add(1, SeqCst);
        let version: u64 = value.parse().expect("a version");
        if version < fenced {
            self.stale.fetch_add(1, SeqCst);
            let mut example = self.example.lock().expect("no panic");
            example.get_or_insert_with(|| format!("{how}: key {key} gave {version}, but {fenced} was behind the fence"));
        }
    }

    fn account(&self) -> String {
        let of = |count: &AtomicU64| count.load(SeqCst);
        let written: u64 = self.written.iter().map(of).sum();
        format!(
            "{written} writes, {} hits, {} fills, {} refused, {} bypassed, {} barriers, {} stale {:?}",
            of(&self.hits),
            of(&self.fills),
            of(&self.refused),
            of(&self.bypassed),
            of(&self.barriers),
            of(&self.stale),
            self.example.lock().expect("no panic")
        )
    }
}

/// How a reader fills.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reader {
    /// GET, then SET whatever was read.
    Usual,
    /// With a lease.
    Lease,
    /// With a lease, at the primary alone.
    LeaseAtPrimary,
    /// Saying what it saw.
    Seen,
}

fn write(world: &World, url: &str, seed: u64) {
    let (sql, mut random) = (Sql::connect(url), Random::new(seed));
    while world.runs() {
        let key = random.among(0..KEYS as u64) as usize;
        // Some wait until the standby shows it, some until it has it: then the standby is behind the primary.
        let how = if random.among(0..2) == 0 { "remote_apply" } else { "on" };
        let version = sql.one(&format!("set synchronous_commit = {how}; update items set v = v + 1 where id = {key} returning v"));
        world.written[key].fetch_max(version.parse().expect("a version"), SeqCst);
        std::thread::sleep(Duration::from_millis(random.among(0..12)));
    }
}

/// Passes one barrier after the other.
fn fence(world: &World, url: &str, service: &str) {
    let sql = Sql::connect(url);
    while world.runs() {
        let versions: Vec<u64> = world.written.iter().map(|version| version.load(SeqCst)).collect();
        let lsn = sql.one("select pg_current_wal_insert_lsn()");
        let path = format!("/v1/subscriptions/cache/barrier?lsn={lsn}&timeout=5s");
        if http::get(service, &path).is_ok_and(|answer| answer.status == 200) {
            world.barriers.fetch_add(1, SeqCst);
            for (version, fenced) in versions.iter().zip(&world.fenced) {
                fenced.fetch_max(*version, SeqCst);
            }
        } else {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A reader, over and over; Redis may be away.
fn read(world: &World, reader: Reader, primary: &str, standby: &str, redis: &str, seed: u64) {
    let mut random = Random::new(seed);
    let (primary, standby) = (Sql::connect(primary), Sql::connect(standby));
    let mut connection: Option<Connection> = None;
    while world.runs() {
        let Some(redis) = &mut connection else {
            connection = redis::Client::open(redis).and_then(|client| client.get_connection_with_timeout(Duration::from_millis(200))).ok();
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        let key = random.among(0..KEYS as u64) as usize;
        let from_standby = matches!(reader, Reader::Lease | Reader::Seen) && random.among(0..3) == 0;
        if turn(world, reader, key, if from_standby { &standby } else { &primary }, from_standby, redis, &mut random).is_err() {
            connection = None;
        }
    }
}

fn turn(
    world: &World,
    reader: Reader,
    key: usize,
    sql: &Sql,
    from_standby: bool,
    redis: &mut Connection,
    random: &mut Random,
) -> redis::RedisResult<()> {
    let name = format!("item:{key}");
    let fenced = world.fenced[key].load(SeqCst);
    let select = format!("select v from items where id = {key}");
    let dawdle = |random: &mut Random| {
        let ms = if random.among(0..20) == 0 { 60 } else { random.among(0..6) };
        std::thread::sleep(Duration::from_millis(ms));
    };
    if reader == Reader::Usual {
        if let Some(value) = redis::cmd("GET").arg(&name).query::<Option<String>>(redis)? {
            world.hit(key, fenced, &value, "usual");
            return Ok(());
        }
        let value = sql.one(&select);
        // In the usual recipe nobody dawdles: the hole is there all the same.
        world.fills.fetch_add(1, SeqCst);
        return redis::cmd("SET").arg(&name).arg(value).arg("EX").arg(60).query(redis);
    }
    let answer: Vec<String> = redis::cmd("FCALL").arg("rowfeed_get").arg(1).arg(&name).arg("cache").arg(2000).query(redis)?;
    let part = |at: usize| answer.get(at).cloned().unwrap_or_default();
    let began = match part(0).as_str() {
        "hit" => {
            world.hit(key, fenced, &part(1), if reader == Reader::Seen { "seen" } else { "lease" });
            return Ok(());
        }
        "bypass" => {
            world.bypassed.fetch_add(1, SeqCst);
            std::thread::sleep(Duration::from_millis(2));
            return Ok(());
        }
        "fill" => part(2),
        _ => part(1),
    };
    let mut fill = redis::cmd("FCALL");
    if reader != Reader::Seen {
        if part(0) != "fill" {
            std::thread::sleep(Duration::from_millis(1));
            return Ok(());
        }
        let value = sql.one(&select);
        dawdle(random);
        fill.arg("rowfeed_fill").arg(1).arg(&name).arg("cache").arg(part(1)).arg(value).arg(60_000);
    } else if from_standby {
        let replayed = sql.one("select pg_last_wal_replay_lsn()");
        let value = sql.one(&select);
        dawdle(random);
        fill.arg("rowfeed_fill_seen").arg(1).arg(&name).arg("cache").arg(began).arg(value).arg(60_000).arg("").arg(replayed);
    } else {
        let row = sql.rows(&format!("select v, pg_current_snapshot()::text from items where id = {key}")).remove(0);
        dawdle(random);
        fill.arg("rowfeed_fill_seen").arg(1).arg(&name).arg("cache").arg(began).arg(&row[0]).arg(60_000).arg(&row[1]);
    }
    let stored: u64 = fill.query(redis)?;
    let counted = if stored == 1 { &world.fills } else { &world.refused };
    counted.fetch_add(1, SeqCst);
    Ok(())
}

/// A primary whose commits wait for a standby that is late, a captured table, a Redis.
struct Ground {
    scene: Scene,
    standby: Standby,
    redis: Redis,
    _primary: rowfeed::demo::cluster::Cluster,
}

fn ground(name: &str) -> Option<Ground> {
    // Snapshots of Redis are taken when the test says so: between two of them everything is lost by a kill.
    let redis = Redis::start(&["--save", "", "--appendonly", "no"])?;
    let primary = own_server(false, &[("max_connections", "100")])?;
    let setup = format!(
        "create table items(id int primary key, v bigint not null); insert into items select i, 0 from generate_series(0, {}) i",
        KEYS - 1
    );
    let scene = Scene::on(&primary, name, &setup, &json!({}))?;
    let standby = Standby::of(&primary, "late", &[("recovery_min_apply_delay", "15ms"), ("wal_receiver_status_interval", "1s")]);
    scene.sql.run("alter system set synchronous_standby_names = 'late'");
    scene.sql.run("select pg_reload_conf()");
    wait_for("a synchronous standby", || {
        (scene.sql.one("select sync_state from pg_stat_replication where application_name = 'late'") == "sync").then_some(())
    });
    Some(Ground { scene, standby, redis, _primary: primary })
}

fn subscribe(ground: &Ground, more: &Value) {
    let mut body =
        json!({ "type": "redis", "url": ground.redis.url(), "topics": ["srv.public.items"], "connector": "scene", "keys": ["item:{id}"] });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let answer = http::request(&ground.scene.rowfeed.http(), "PUT", "/v1/subscriptions/cache", Some(&body)).expect("rowfeed answers");
    assert_eq!(answer.status, 201, "{}", answer.body);
    wait_for("the subscription to run", || {
        let mut connection = ground.redis.connect();
        redis::cmd("EXISTS").arg("rowfeed:cache:cache").query::<bool>(&mut connection).ok().filter(|is| *is).map(drop)
    });
}

/// Runs the race; `meanwhile` ends it.
fn race(ground: &mut Ground, readers: &[Reader], meanwhile: impl FnOnce(&mut Ground, &World)) -> World {
    let world = World::new();
    let primary = ground.scene.database.url();
    let standby = ground.standby.url(&ground.scene.database.name);
    let (service, url) = (ground.scene.rowfeed.http(), ground.redis.url());
    wait_for("the standby to have the table", || Sql::connect(&standby).try_rows("select 1 from items").ok());
    std::thread::scope(|scope| {
        for seed in 0..WRITERS {
            let (world, primary) = (&world, &primary);
            scope.spawn(move || write(world, primary, seed as u64 + 1));
        }
        for (at, reader) in readers.iter().cycle().take(READERS).enumerate() {
            let (world, primary, standby, url) = (&world, &primary, &standby, &url);
            scope.spawn(move || read(world, *reader, primary, standby, url, at as u64 + 100));
        }
        scope.spawn(|| fence(&world, &primary, &service));
        meanwhile(ground, &world);
        world.stop.store(true, SeqCst);
    });
    eprintln!("{readers:?}: {}", world.account());
    world
}

#[test]
fn no_stale_value_outlives_the_fence_also_when_redis_forgets_its_last_writes() {
    let Some(mut ground) = ground("cache_race") else { return };
    let replica = ground.standby.url(&ground.scene.database.name);
    subscribe(&ground, &json!({ "functions": "on", "replicas": [replica] }));
    let rounds = if long_form() { 10 } else { 3 };
    let world = race(&mut ground, &[Reader::Lease, Reader::Seen], |ground, world| {
        let redis = &mut ground.redis;
        for _ in 0..rounds {
            let wait = |what: &str, count: &AtomicU64, more: u64| {
                let until = count.load(SeqCst) + more;
                wait_for(what, || (count.load(SeqCst) >= until || world.stale.load(SeqCst) > 0).then_some(()));
            };
            wait("fills", &world.fills, 200);
            redis::cmd("SAVE").query::<()>(&mut redis.connect()).expect("redis answers");
            // What is deleted from here on comes back with the restart.
            wait("barriers", &world.barriers, 10);
            wait("hits", &world.hits, 200);
            redis.kill();
            redis.run();
            wait("barriers after the restart", &world.barriers, 10);
            wait("hits after the restart", &world.hits, 200);
            ground.scene.rowfeed.kill();
            ground.scene.rowfeed.run();
            wait("barriers after our own restart", &world.barriers, 10);
        }
    });
    assert_eq!(world.stale.load(SeqCst), 0, "{}", world.account());
    assert!(world.refused.load(SeqCst) > 0, "nobody raced: {}", world.account());
    assert!(world.bypassed.load(SeqCst) > 0, "the cache was never closed: {}", world.account());
    // The end: what the cache has is what the database says.
    let lsn = ground.scene.sql.one("select pg_current_wal_insert_lsn()");
    let passed = http::get(&ground.scene.rowfeed.http(), &format!("/v1/subscriptions/cache/barrier?lsn={lsn}&timeout=20s"))
        .expect("rowfeed answers");
    assert_eq!(passed.status, 200, "{}", passed.body);
    for key in 0..KEYS {
        let cached = ground.redis.get(&format!("item:{key}"));
        let told = ground.scene.sql.one(&format!("select v from items where id = {key}"));
        assert!(cached.as_ref().is_none_or(|cached| *cached == told), "key {key}: {cached:?}, but {told}");
    }
}

/// Waits until a stale value is found.
fn until_stale(world: &World) {
    let until = Instant::now() + Duration::from_secs(30);
    while world.stale.load(SeqCst) == 0 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_usual_delete_on_the_event_leaves_stale_values_so_this_test_can_find_them() {
    let Some(mut ground) = ground("cache_usual") else { return };
    subscribe(&ground, &json!({ "functions": "off", "fence": false }));
    let world = race(&mut ground, &[Reader::Usual], |_, world| until_stale(world));
    assert!(world.stale.load(SeqCst) > 0, "no stale value was found where there must be some: {}", world.account());
}

#[test]
fn leases_alone_are_not_enough_it_takes_the_fence() {
    let Some(mut ground) = ground("cache_leases") else { return };
    subscribe(&ground, &json!({ "functions": "on", "fence": false }));
    let world = race(&mut ground, &[Reader::LeaseAtPrimary], |_, world| until_stale(world));
    assert!(world.stale.load(SeqCst) > 0, "no stale value was found where there must be some: {}", world.account());
}
