//! G1 on a bad network: connections that break anywhere, and routes that are lost without a word.

use std::time::Duration;

use serde_json::json;

use crate::oracle::check::{Truth, check};
use crate::oracle::reference;
use crate::oracle::workload::Load;
use crate::support::long_form;
use crate::support::postgres::own_server;
use crate::support::proxy::Proxy;
use crate::support::random::Random;
use crate::support::service::Rowfeed;
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
