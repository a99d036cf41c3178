//! What the tests stand on: a real PostgreSQL, a running rowfeed, a Kafka client that is not ours.
//!
//! Promises that everything started here ends with the test (or with the test process, however it ends), that
//! nothing waits by sleeping for a guessed time ([`wait_for`] looks for a fact with a deadline), and that a test
//! whose tools are missing says so ([`missing`]) and fails where `ROWFEED_REQUIRE_ALL=1` asks for all of them.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod apicurio;
pub mod browser;
pub mod events;
pub mod http;
pub mod kafka_broker;
pub mod opensearch;
pub mod postgres;
pub mod proxy;
pub mod random;
#[cfg(feature = "kafka")]
pub mod reader;
pub mod receiver;
pub mod redis;
#[cfg(feature = "kafka")]
pub mod scene;
pub mod service;
pub mod standby;

use std::time::{Duration, Instant};

/// How long a test waits for a fact before it fails. Generous: the machine may be busy with other builds.
pub const DEADLINE: Duration = Duration::from_secs(40);

/// Waits until `look` finds something; panics with `what` after [`DEADLINE`].
pub fn wait_for<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait_at_most(DEADLINE, what, look)
}

/// As [`wait_for`], with a deadline of its own.
pub fn wait_at_most<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "waited {limit:?} for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Says that a test cannot run here. Fails it when everything is required.
pub fn missing(what: &str) {
    assert!(std::env::var("ROWFEED_REQUIRE_ALL").as_deref() != Ok("1"), "ROWFEED_REQUIRE_ALL=1, but missing: {what}");
    eprintln!("SKIPPED: missing {what}");
}

/// True for the long form of the tests (`ROWFEED_LONG=1`).
pub fn long_form() -> bool {
    std::env::var("ROWFEED_LONG").as_deref() == Ok("1")
}
