//! G1 on a full disk: capture waits, loses nothing, and goes on by itself.
//!
//! The disk is a small file system in memory that only the service sees.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use crate::oracle::check::{Truth, check};
use crate::oracle::reference;
use crate::oracle::workload::{Load, Pace};
use crate::support::postgres::own_server;
use crate::support::random::Random;
use crate::support::service::Rowfeed;
use crate::support::wait_for;
use crate::trial::{PACE, assert_clean, assert_same, connect, prepare, read_when_settled, streams_of};

const DISK_MIB: u32 = 96;
/// Slow enough that everything fits on the small disk.
const SLOW: Pace = Pace { pause: Duration::from_millis(25), ..PACE };

/// Full to the last byte: writes fail, again and again.
#[test]
fn a_full_disk_under_load_loses_nothing() {
    fill("0", &[Duration::from_secs(1), Duration::from_secs(3), Duration::from_millis(300)]);
}

/// The reserve is reached, for longer than the connector waits before it begins again.
#[test]
fn a_disk_that_stays_full_makes_the_connector_begin_again_and_loses_nothing() {
    fill("4MiB", &[Duration::from_secs(34)]);
}

fn fill(reserve: &str, full_for: &[Duration]) {
    let Some(mut rowfeed) = Rowfeed::on_a_small_disk(DISK_MIB, &["--set", &format!("log.min_free_bytes={reserve}")]) else { return };
    let Some(server) = own_server(false, &[]) else { return };
    let seed = Random::seed(17);
    let database = prepare(&server);
    reference::watch(&database.sql(), "reference");
    rowfeed.run();
    rowfeed.wait_until_ready();
    connect(&rowfeed, &database, &json!({"snapshot.mode": "no_data", "heartbeat.interval.ms": "200"}));
    let load = Load::start(&database, seed, SLOW);
    let ballast =
        PathBuf::from(format!("/proc/{}/root", rowfeed.pid())).join(rowfeed.data().strip_prefix("/").expect("absolute")).join("ballast");
    for (time, wait) in full_for.iter().enumerate() {
        std::thread::sleep(Duration::from_millis(700));
        let mut file = fs::File::create(&ballast).expect("a file on the small disk");
        // One byte at a time in the end: not even a small frame finds room.
        for piece in [1 << 16, 1 << 10, 1] {
            while file.write_all(&vec![0; piece]).is_ok() {}
        }
        drop(file);
        let pauses = || rowfeed.log().matches("log/full").count();
        wait_for("the log to notice", || (pauses() > time).then_some(()));
        std::thread::sleep(*wait);
        fs::remove_file(&ballast).expect("the ballast goes");
        wait_for("the log to go on", || (rowfeed.log().matches("there is space again").count() > time).then_some(()));
    }
    std::thread::sleep(Duration::from_millis(500));
    load.stop();
    let truth = Truth::read(&database.sql());
    let streams = streams_of(&read_when_settled(&rowfeed, &truth));
    println!("full {} times, {} transactions", full_for.len(), truth.transactions());
    assert_clean(&check(&streams, &truth));
    assert_same(&streams, &reference::read(&database.sql(), "reference"));
}
