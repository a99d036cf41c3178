//! G1 on a bad network: connections that break anywhere, and routes that are lost without a word.

use std::process::Command;
use std::time::{Duration, Instant};

use rowfeed::config::Options;
use rowfeed::config::postgres::{ConnectionConfig, PostgresConfig, TopicDefaults};
use rowfeed::postgres::connection::Session;
use rowfeed::postgres::replication::ReplicationStream;
use rowfeed::postgres::{Connection, PostgresError};
use serde_json::json;

use crate::oracle::check::{Truth, check};
use crate::oracle::reference;
use crate::oracle::workload::Load;
use crate::support::postgres::own_server;
use crate::support::proxy::Proxy;
use crate::support::random::Random;
use crate::support::scene::Scene;
use crate::support::service::Rowfeed;
use crate::support::{http, long_form, wait_for};
use crate::trial::{PACE, assert_clean, assert_same, connect, prepare, read_when_settled, streams_of};

/// Every connection to PostgreSQL is cut at random moments, sometimes after it has hung for a while.
#[test]
fn cut_off_at_any_moment_nothing_is_lost_repeated_or_reordered() {
    let Some(server) = own_server(false, &[]) else { return };
    let seed = Random::seed(13);
    let mut random = Random::new(seed);
    let database = prepare(&server);
    reference::watch(&database.sql(), "reference");
    let proxy = Proxy::start(server.port());
    let rowfeed = Rowfeed::start(&[]);
    connect(&rowfeed, &database, &json!({"snapshot.mode": "no_data", "database.port": proxy.port().to_string()}));
    let load = Load::start(&database, seed, PACE);
    let cuts = if long_form() { 100 } else { 15 };
    for _ in 0..cuts {
        // The connector waits about half a second before it tries again.
        std::thread::sleep(Duration::from_millis(random.among(100..1500)));
        if random.chance(25) {
            proxy.freeze(true);
            std::thread::sleep(Duration::from_millis(random.among(50..1500)));
            proxy.cut();
            proxy.freeze(false);
        } else {
            proxy.cut();
        }
    }
    load.stop();
    let truth = Truth::read(&database.sql());
    let streams = streams_of(&read_when_settled(&rowfeed, &truth));
    println!("{} connections were cut, {} transactions", proxy.cut_count(), truth.transactions());
    // Each connection has two ends; some cuts meet a connector that waits to try again.
    assert!(proxy.cut_count() >= cuts / 2, "the connector was rarely connected");
    assert_clean(&check(&streams, &truth));
    assert_same(&streams, &reference::read(&database.sql(), "reference"));
}

/// Aim: a statement that works is waited for however long it takes; a session that nothing will come from any more is given up,
/// whether the whole server is out of reach, or its own route only. Method: sessions with the patience of an instant.
#[test]
fn a_silent_session_is_given_up_unless_the_server_works_on_it() {
    const INSTANT: Duration = Duration::from_millis(300);
    let Some(server) = own_server(false, &[]) else { return };
    let config = |port: u16| {
        let url = server.url("postgres").replace(&format!(":{}/", server.port()), &format!(":{port}/"));
        let config = ConnectionConfig::from_url(&url).expect("a URL");
        ConnectionConfig { connect_timeout: Duration::from_secs(2), ..config }
    };
    let direct = config(server.port());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        for asks_directly in [true, false] {
            let proxy = Proxy::start(server.port());
            let proxied = config(proxy.port());
            let asked = if asks_directly { &direct } else { &proxied };
            let session = Connection::open(&proxied, Session::Sql, "silent").await.expect("a session");
            let mut session = session.with_patience(INSTANT, asked);
            let rows = session.query("select 'done' from pg_sleep(2)").await.expect("it is waited for");
            assert_eq!(rows[0][0].as_deref(), Some("done"));
            proxy.freeze_after(4 << 20);
            session.copy_out("copy (select repeat('x', 1000) from generate_series(1, 100000)) to stdout").await.expect("it begins");
            let began = Instant::now();
            let error = loop {
                assert!(began.elapsed() < Duration::from_secs(30), "it is waited for for ever");
                match session.copy_row().await {
                    Ok(row) => assert!(row.is_some(), "the route was lost before the end"),
                    Err(error) => break error,
                }
            };
            assert!(matches!(error, PostgresError::Timeout(INSTANT, _)), "{error}");
            assert_eq!(error.problem(&proxied).code, "pg/timeout");
        }
    });
}

/// Aim: a server that stands still before it streams is not waited for for ever. Method: the route is lost after the login.
#[test]
fn a_server_that_does_not_begin_to_stream_is_given_up() {
    let Some(server) = own_server(false, &[]) else { return };
    let proxy = Proxy::start(server.port());
    let options =
        [("database.hostname", "127.0.0.1"), ("database.user", "postgres"), ("database.dbname", "postgres"), ("topic.prefix", "p")];
    let mut options = Options::from(options.map(|(key, value)| (key.to_owned(), value.to_owned())));
    options.insert("database.port".to_owned(), proxy.port().to_string());
    let mut config = PostgresConfig::parse("silent", &options, TopicDefaults::default()).expect("valid options");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let session = Connection::open(&config.connection, Session::Replication, "silent").await.expect("a session");
        proxy.freeze(true);
        config.connection.connect_timeout = Duration::from_millis(100);
        let started = tokio::time::timeout(Duration::from_secs(30), ReplicationStream::start(session, &config, 150_000)).await;
        let error = started.expect("it is not waited for for ever").err().expect("nothing answers");
        assert_eq!(error.problem(&config.connection).code, "pg/timeout", "{error}");
    });
}

/// Aim: a connection that stands and says nothing is not shown as streaming. Method: the walsender itself is stopped, and let go.
#[test]
fn a_walsender_that_stands_still_is_told_within_half_a_minute() {
    let Some(scene) = Scene::start("stalled", "create table t(id int primary key)", &json!({})) else { return };
    let ask = |path: &str| http::get(&scene.rowfeed.http(), path).expect("it answers").json();
    let view = || ask("/v1/connectors/scene");
    let pid = scene.sql.one(&format!("select active_pid from pg_replication_slots where slot_name = '{}'", scene.slot()));
    signal("STOP", &pid);
    let began = Instant::now();
    scene.sql.run("insert into t values (1)");
    let waiting = wait_for("it is told that nothing comes", || Some(view()).filter(|view| view["state"] == "waiting"));
    let told = began.elapsed();
    signal("CONT", &pid);
    assert!(told < Duration::from_secs(30), "told after {told:?}");
    assert_eq!(waiting["problem"]["code"], "pg/stalled", "{waiting}");
    assert_eq!(Scene::ops(&scene.events("t")), "c");
    assert_eq!(view()["state"], "streaming");
    let timeline = ask("/v1/connectors/scene/timeline");
    let states: Vec<_> = timeline["items"].as_array().expect("a list").iter().filter_map(|change| change["state"].as_str()).collect();
    assert!(states.ends_with(&["streaming", "waiting", "streaming"]), "{states:?}");
}

fn signal(name: &str, pid: &str) {
    let done = Command::new("sh").arg("-c").arg(format!("kill -s {name} {pid}")).status().expect("sh runs");
    assert!(done.success(), "kill -s {name} {pid}");
}
