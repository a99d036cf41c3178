//! Cache invalidation on a real PostgreSQL and a real Redis: which keys go, what is doubted, what a barrier promises.
//!
//! That no stale value outlives the fence is `cache_race`'s.

use serde_json::{Value, json};

use super::support::http;
use super::support::postgres::shared_server;
use super::support::redis::Redis;
use super::support::scene::Scene;
use super::support::{wait_at_most, wait_for};

const TABLE: &str = "create table p(id int primary key, slug text, org int, n int); alter table p replica identity full; \
     create table other(id int primary key); insert into p values (1, 'a', 5, 0), (2, 'b', 6, 0)";

/// A captured table and a Redis; `None` where one of them is missing.
pub fn scene(name: &str, setup: &str) -> Option<(Scene, Redis)> {
    let redis = Redis::start(&["--save", "", "--appendonly", "no"])?;
    Some((Scene::on(shared_server()?, name, setup, &json!({"skipped.operations": "none"}))?, redis))
}

/// Makes the subscription `cache` and waits until it runs.
pub fn subscribe(scene: &Scene, redis: &Redis, more: Value) {
    let mut body = json!({ "type": "redis", "url": redis.url(), "topics": ["srv.public.*"], "connector": "scene" });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let answer = http::request(&scene.rowfeed.http(), "PUT", "/v1/subscriptions/cache", Some(&body)).expect("rowfeed answers");
    assert!(matches!(answer.status, 200 | 201), "{} {}", answer.status, answer.body);
    wait_for("the watermark", || (field(redis, "log")).map(drop));
}

/// A field of the watermark.
pub fn field(redis: &Redis, name: &str) -> Option<String> {
    redis::cmd("HGET").arg("rowfeed:cache:cache").arg(name).query(&mut redis.connect()).expect("redis answers")
}

/// Waits until everything committed so far is behind the fence.
pub fn barrier(scene: &Scene) -> Value {
    let lsn = scene.sql.one("select pg_current_wal_insert_lsn()");
    let answer =
        http::get(&scene.rowfeed.http(), &format!("/v1/subscriptions/cache/barrier?lsn={lsn}&timeout=30s")).expect("rowfeed answers");
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

fn show(scene: &Scene) -> Value {
    http::get(&scene.rowfeed.http(), "/v1/subscriptions/cache").expect("rowfeed answers").json()
}

fn fcall(redis: &Redis, function: &str, key: &str, arguments: &[&str]) -> Vec<String> {
    let mut command = redis::cmd("FCALL");
    command.arg(function).arg(1).arg(key).arg("cache").arg(arguments);
    let value: redis::Value = command.query(&mut redis.connect()).expect("the function is there");
    match value {
        redis::Value::Int(number) => vec![number.to_string()],
        other => redis::from_redis_value(other).expect("texts"),
    }
}

#[test]
fn a_change_takes_the_old_key_and_the_new_one_and_a_truncate_all_of_the_table() {
    let Some((scene, redis)) = scene("cache_keys", TABLE) else { return };
    let tables = json!({ "public.p": { "keys": ["p:{id}", "slug:{slug}"], "on": ["slug", "org"], "tags": ["org:{org}"] }, "public.other": { "keys": ["o:{id}"] }, "public.fence": { "keys": ["f:{id}"] } });
    subscribe(&scene, &redis, json!({ "tables": tables }));
    let fill = |keys: &[&str]| keys.iter().for_each(|key| redis.set(key, "old"));
    fill(&["p:1", "p:2", "slug:a", "slug:b", "slug:c", "o:1"]);
    scene.sql.run("update p set slug = 'c' where id = 1");
    assert_eq!(barrier(&scene)["fenced"], true);
    let there = |keys: &[&str]| keys.iter().map(|key| redis.get(key).is_some()).collect::<Vec<_>>();
    assert_eq!(there(&["p:1", "p:2", "slug:a", "slug:b", "slug:c", "o:1"]), [false, true, false, true, false, true]);
    let generation: u64 = redis.get("gen:org:5").expect("it was counted up").parse().expect("a number");
    assert!(redis.get("gen:org:6").is_none());
    // A column that does not count.
    fill(&["p:1"]);
    scene.sql.run("update p set n = 1 where id = 1");
    barrier(&scene);
    assert_eq!(there(&["p:1"]), [true]);
    // A row that was remembered not to be there, and one that is gone.
    fill(&["p:3", "slug:new"]);
    scene.sql.run("insert into p values (3, 'new', 5, 0); delete from p where id = 2");
    barrier(&scene);
    assert_eq!(there(&["p:3", "slug:new", "p:2", "slug:b", "p:1", "o:1"]), [false, false, false, false, true, true]);
    assert!(redis.get("gen:org:5").expect("counted").parse::<u64>().expect("a number") > generation);
    fill(&["p:1", "p:9", "slug:x"]);
    scene.sql.run("truncate p");
    barrier(&scene);
    assert_eq!(there(&["p:1", "p:9", "slug:x", "o:1"]), [false, false, false, true]);
    let told = http::get(&scene.rowfeed.http(), "/v1/subscriptions/cache/explain?key=slug:b").expect("rowfeed answers").json();
    assert_eq!(told["invalidations"][0]["topic"], "srv.public.p", "{told}");
    assert!(told["invalidations"][0]["fenced_ms"].as_i64() >= told["invalidations"][0]["deleted_ms"].as_i64(), "{told}");
    assert!(show(&scene)["note"].is_null());
}

#[test]
fn a_barrier_passes_on_a_source_that_does_not_move() {
    let Some((scene, redis)) = scene("cache_idle", TABLE) else { return };
    subscribe(&scene, &redis, json!({ "keys": ["p:{id}"] }));
    // Not captured: nothing of it arrives, only that it is over.
    scene.sql.run(
        "create table unseen(id int); alter publication cache_idle_0 set table p; insert into unseen values (1)"
            .replace("cache_idle_0", scene.slot())
            .as_str(),
    );
    for _ in 0..3 {
        assert!(barrier(&scene)["waited_ms"].as_u64().expect("a time") < 5000);
    }
}

#[test]
fn a_lease_is_void_once_its_key_changed_and_a_fill_must_have_seen_what_changed_it() {
    let Some((scene, redis)) = scene("cache_lease", TABLE) else { return };
    subscribe(&scene, &redis, json!({ "keys": ["p:{id}"], "functions": "on" }));
    let get = || {
        wait_for("the cache to be opened", || Some(fcall(&redis, "rowfeed_get", "p:1", &["10000"])).filter(|answer| answer[0] != "bypass"))
    };
    let first = get();
    assert_eq!(first[0], "fill");
    assert_eq!(get()[0], "wait");
    let snapshot = scene.sql.one("select pg_current_snapshot()::text");
    scene.sql.run("update p set n = 1 where id = 1");
    barrier(&scene);
    assert_eq!(fcall(&redis, "rowfeed_fill", "p:1", &[&first[1], "stale", "0"]), ["0"], "the lease is void");
    let second = get();
    assert_eq!(fcall(&redis, "rowfeed_fill_seen", "p:1", &[&second[2], "stale", "0", &snapshot]), ["0"], "it did not see the change");
    let fresh = scene.sql.one("select pg_current_snapshot()::text");
    assert_eq!(fcall(&redis, "rowfeed_fill_seen", "p:1", &[&second[2], "new", "0", &fresh]), ["1"]);
    assert_eq!(get(), ["hit", "new"]);
    scene.sql.run("update p set n = 2 where id = 1");
    barrier(&scene);
    let third = get();
    assert_eq!(fcall(&redis, "rowfeed_fill", "p:1", &[&third[1], "newer", "60000"]), ["1"]);
    assert_eq!(get(), ["hit", "newer"]);
}

#[test]
fn a_reader_from_before_a_doubt_or_a_truncate_fills_nothing() {
    let Some((scene, redis)) = scene("cache_since", TABLE) else { return };
    subscribe(&scene, &redis, json!({ "topics": ["srv.public.p"], "keys": ["p:{id}"], "functions": "on" }));
    let get =
        || wait_for("the cache to be opened", || Some(fcall(&redis, "rowfeed_get", "p:1", &["10000"])).filter(|got| got[0] == "fill"));
    let (began, snapshot) = (get()[2].clone(), scene.sql.one("select pg_current_snapshot()::text"));
    // Its marks go with the keys of the table.
    scene.sql.run("update p set n = 1 where id = 1");
    barrier(&scene);
    scene.sql.run("truncate p");
    barrier(&scene);
    assert_eq!(redis.get("p:1:marks"), None);
    assert_eq!(fcall(&redis, "rowfeed_fill_seen", "p:1", &[&began, "stale", "0", &snapshot]), ["0"]);
    let (began, snapshot) = (get()[2].clone(), scene.sql.one("select pg_current_snapshot()::text"));
    assert_eq!(fcall(&redis, "rowfeed_fill_seen", "p:1", &[&began, "new", "0", &snapshot]), ["1"]);
    // And with a namespace: the next generation has none.
    let call = |text: &str| {
        let mut words = text.split(' ');
        let mut command = redis::cmd(words.next().expect("a word"));
        command.arg(words.collect::<Vec<_>>());
        command.query::<redis::Value>(&mut redis.connect()).expect("redis answers")
    };
    let number = |text: &str| redis::from_redis_value::<i64>(call(text)).expect("a number");
    let began = || redis::from_redis_value::<Vec<String>>(call("FCALL rowfeed_get 1 q other")).expect("texts").pop().expect("a time");
    call("FCALL rowfeed_open 0 other shop 0 60000");
    let before = began();
    call("FCALL rowfeed_invalidate 1 q shop 60000 0 5000 100");
    call("FCALL rowfeed_bump 1 shop:generation 7 other");
    assert_eq!(number(&format!("FCALL rowfeed_fill_seen 1 q other {before} stale 0 100:101:100")), 0);
    // Prolonged, it is not forgotten.
    call("FCALL rowfeed_open 0 other shop 0 60000");
    assert_eq!(number(&format!("FCALL rowfeed_fill_seen 1 q other {before} stale 0 100:101:100")), 0);
    assert_eq!(number(&format!("FCALL rowfeed_fill_seen 1 q other {} new 0 101:101:", began())), 1);
}

#[test]
fn what_makes_the_cache_doubtful_counts_the_generation_of_its_namespace_up() {
    let Some((mut scene, mut redis)) = scene("cache_doubt", TABLE) else { return };
    subscribe(&scene, &redis, json!({ "keys": ["p:{id}"], "namespace": "shop" }));
    let generation = |redis: &Redis| redis.get("shop:generation").and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    wait_for("the first generation", || (generation(&redis) > 0).then_some(()));
    barrier(&scene);
    let first = generation(&redis);
    redis.set(&format!("shop:{first}:p:1"), "old");
    scene.sql.run("update p set n = 1 where id = 1");
    barrier(&scene);
    assert_eq!((generation(&redis), redis.get(&format!("shop:{first}:p:1"))), (first, None));
    // A restart of ours is no doubt.
    scene.rowfeed.stop();
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    wait_for("the connector", || (scene.rowfeed.status("scene")["tasks"][0]["state"] == "RUNNING").then_some(()));
    barrier(&scene);
    assert_eq!(generation(&redis), first);
    // Other templates are.
    subscribe(
        &scene,
        &redis,
        json!({ "keys": ["p:{id}", "slug:{slug}"], "namespace": "shop", "tables": { "public.fence": { "keys": ["f:{id}"] }, "public.other": { "keys": ["o:{id}"] } } }),
    );
    wait_for("the next generation", || (generation(&redis) > first).then_some(()));
    // A server that forgot everything is; and it is told without a restart of ours.
    redis.kill();
    redis.run();
    wait_for("a watermark after the restart", || field(&redis, "run"));
    assert!(generation(&redis) > 0);
    redis::cmd("FLUSHALL").query::<()>(&mut redis.connect()).expect("redis answers");
    wait_for("a generation after the flush", || (generation(&redis) > 0).then_some(()));
    let told =
        || http::get(&scene.rowfeed.http(), "/v1/subscriptions/cache/explain?key=x").expect("rowfeed answers").json()["doubts"].as_u64();
    wait_for("a doubt for each", || (told() >= Some(3)).then_some(()));
}

#[test]
fn values_follow_their_rows_and_streams_and_channels_tell_them() {
    let Some((scene, redis)) = scene("cache_set", TABLE) else { return };
    let only_p = |more: Value| {
        let mut body = json!({ "type": "redis", "url": redis.url(), "topics": ["srv.public.p"], "from": "start" });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        body
    };
    for (name, more) in
        [("set", json!({ "action": "set", "keys": ["row:{id}"] })), ("stream", json!({ "action": "xadd", "keys": ["changes"] }))]
    {
        let answer = http::request(&scene.rowfeed.http(), "PUT", &format!("/v1/subscriptions/{name}"), Some(&only_p(more)))
            .expect("rowfeed answers");
        assert_eq!(answer.status, 201, "{}", answer.body);
    }
    scene.sql.run("update p set n = 7 where id = 1; update p set n = 8 where id = 1; delete from p where id = 2");
    let row = wait_at_most(std::time::Duration::from_secs(20), "the row's value", || {
        redis.get("row:1").and_then(|text| serde_json::from_str::<Value>(&text).ok()).filter(|row| row["n"] == 8)
    });
    assert_eq!((&row["slug"], &row["id"]), (&json!("a"), &json!(1)));
    assert_eq!(redis.get("row:2"), None);
    let length = || redis::cmd("XLEN").arg("changes").query::<u64>(&mut redis.connect()).expect("redis answers");
    wait_for("three entries", || (length() >= 3).then_some(()));
    assert_eq!(length(), 3);
    assert_eq!(redis.get("row:2:version").map(|version| version.len()), Some(32), "a deleted row leaves its version");
    // All rows go, and those from before do not come back; also behind a namespace.
    let spaced = only_p(json!({ "action": "set", "keys": ["row:{id}"], "namespace": "shop" }));
    let put = |name: &str, body: &Value| http::request(&scene.rowfeed.http(), "PUT", &format!("/v1/subscriptions/{name}"), Some(body));
    assert_eq!(put("spaced", &spaced).expect("rowfeed answers").status, 201);
    let there = |id: u32| {
        let generation = redis.get("shop:generation").unwrap_or_default();
        [redis.get(&format!("row:{id}")).is_some(), redis.get(&format!("shop:{generation}:row:{id}")).is_some()]
    };
    wait_for("the row in both", || (there(1) == [true; 2]).then_some(()));
    scene.sql.run("insert into p values (3, 'c', 5, 0); truncate p; insert into p values (4, 'd', 5, 0)");
    wait_for("the row behind the truncate", || (there(4) == [true; 2]).then_some(()));
    assert_eq!((there(1), there(3)), ([false; 2], [false; 2]));
    // What only other templates name is doubted, and goes.
    let other = only_p(json!({ "action": "set", "keys": ["row:{id}", "slug:{slug}"] }));
    assert_eq!(put("set", &other).expect("rowfeed answers").status, 200);
    wait_for("the value to be dropped", || (there(4) == [false, true]).then_some(()));
}

#[test]
fn an_entry_waits_until_its_stream_can_take_it() {
    let Some((scene, redis)) = scene("cache_wrong_type", TABLE) else { return };
    for functions in ["on", "off"] {
        let (path, stream) = (format!("/v1/subscriptions/stream_{functions}"), format!("events_{functions}"));
        redis.set(&stream, "x");
        let body = json!({ "type": "redis", "url": redis.url(), "topics": ["srv.public.p"], "from": "start", "action": "xadd", "keys": [stream], "functions": functions });
        let ask =
            |method: &str, path: &str, body: Option<&Value>| http::request(&scene.rowfeed.http(), method, path, body).expect("an answer");
        assert_eq!(ask("PUT", &path, Some(&body)).status, 201);
        scene.sql.run("update p set n = n + 1");
        let problem = wait_for("the failure", || Some(ask("GET", &path, None).json()).filter(|view| view["state"] == "failed"));
        assert_eq!(problem["problem"]["code"], "redis/wrong-type", "{problem}");
        redis::cmd("DEL").arg(&stream).query::<()>(&mut redis.connect()).expect("redis answers");
        let resumed = ask("POST", &format!("{path}/resume"), None);
        assert!(matches!(resumed.status, 200..=204), "{} {}", resumed.status, resumed.body);
        // Once each, from the first on.
        let offsets = || {
            let entries: Vec<(String, Vec<String>)> =
                redis::cmd("XRANGE").arg(&stream).arg("-").arg("+").query(&mut redis.connect()).expect("a stream");
            entries.into_iter().map(|(_, fields)| fields[5].clone()).collect::<Vec<_>>()
        };
        let end = if functions == "on" { 2 } else { 4 };
        wait_for("the entries", || (offsets().len() >= end).then_some(()));
        assert_eq!(offsets(), (0..end).map(|offset| offset.to_string()).collect::<Vec<_>>());
    }
}

#[test]
fn a_template_over_a_column_that_is_not_there_fails_and_says_which() {
    let Some((scene, redis)) = scene("cache_column", TABLE) else { return };
    subscribe(&scene, &redis, json!({ "keys": ["p:{nr}"] }));
    scene.sql.run("update p set n = 1 where id = 1");
    let problem = wait_for("the failure", || Some(show(&scene)).filter(|view| view["state"] == "failed"));
    assert_eq!(problem["problem"]["code"], "cache/template-column", "{problem}");
}

#[test]
fn the_inspector_finds_what_was_put_there_behind_the_fence_and_an_unknown_old_key_is_told() {
    let setup = TABLE.replace("replica identity full", "replica identity default");
    let Some((scene, redis)) = scene("cache_inspect", &setup) else { return };
    let inspect = json!({ "inspect": "select n from p where id = {id}", "inspect_one_in": 1, "keys": ["p:{id}", "slug:{slug}"] });
    subscribe(
        &scene,
        &redis,
        json!({ "topics": ["srv.public.p"], "inspect": inspect["inspect"], "inspect_one_in": 1, "keys": inspect["keys"], "bypass_after": "2s" }),
    );
    let metric = |name: &str| {
        let page = http::get(&scene.rowfeed.http(), "/metrics").expect("rowfeed answers").body;
        let line = page.lines().find(|line| line.starts_with(name)).map(str::to_owned);
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).unwrap_or_default()
    };
    scene.sql.run("update p set n = 5 where id = 1; update p set n = 6 where id = 2");
    barrier(&scene);
    redis.set("p:1", "4");
    redis.set("p:2", "6");
    wait_for("a finding", || (metric("rowfeed_cache_inconsistent_total") >= 1.0).then_some(()));
    assert!(metric("rowfeed_cache_inspected_total") >= 1.0);
    assert_eq!(show(&scene)["note"]["code"], "cache/old-key-unknown");
    // Opened for two seconds at a time, and again and again while all is well.
    let get = || fcall(&redis, "rowfeed_get", "p:2", &["10000"]);
    wait_for("the cache to be open", || (get() == ["hit", "6"]).then_some(()));
    drop(scene);
    wait_for("readers to go past the cache", || (get() == ["bypass"]).then_some(()));
}
