//! G1 to G3 of the contract: killed at any moment, nothing is lost, repeated or reordered.
//!
//! A mixed load runs without a pause while the service is killed (SIGKILL) at random moments and PostgreSQL crashes
//! now and then. Then every topic is replayed and compared with the source, and with what PostgreSQL itself tells of
//! the same transactions, event for event. A reader that follows all the time must never have seen anything else.
//! 25 kills; 200 with `ROWFEED_LONG=1`.

use std::time::Duration;

use rowfeed::demo::cluster::Stop;
use serde_json::json;

use crate::oracle::check::{Truth, check};
use crate::oracle::reference;
use crate::oracle::workload::Load;
use crate::support::long_form;
use crate::support::postgres::{Sql, own_server};
use crate::support::random::Random;
use crate::support::reader::{Follower, Reader};
use crate::support::service::Rowfeed;
use crate::trial::{PACE, assert_clean, assert_same, connect, prepare, read_when_settled, streams_of, topic};

/// PostgreSQL crashes this often in one run.
const CRASHES: u64 = 5;

#[test]
fn killed_at_any_moment_nothing_is_lost_repeated_or_reordered() {
    let Some(mut server) = own_server(true, &[("checkpoint_timeout", "30s")]) else { return };
    let kills = if long_form() { 200 } else { 25 };
    let seed = Random::seed(7);
    let mut random = Random::new(seed);
    let database = prepare(&server);
    reference::watch(&database.sql(), "reference");
    let mut rowfeed = Rowfeed::start(&[]);
    connect(&rowfeed, &database, &json!({"snapshot.mode": "no_data"}));
    let load = Load::start(&database, seed, PACE);
    let follower = Follower::start(&rowfeed.kafka(), &[topic("journal"), topic("acc")]);

    let mut account = Account::default();
    for kill in 1..=kills {
        let before = load.transactions();
        // Now and then before it has begun to stream.
        let moment = if random.chance(20) { 0..60 } else { 60..1200 };
        std::thread::sleep(Duration::from_millis(random.among(moment)));
        account.look(&database.sql(), load.transactions() - before);
        rowfeed.kill();
        if kill % (kills / CRASHES) == 0 {
            server.stop(Stop::Immediate);
            server.start_again().expect("PostgreSQL recovers");
        }
        rowfeed.run();
    }
    load.stop();
    account.tell(kills);

    let sql = database.sql();
    let truth = Truth::read(&sql);
    rowfeed.wait_until_ready();
    let streams = streams_of(&read_when_settled(&rowfeed, &truth));
    println!("{} transactions, {} events", truth.transactions(), streams.values().map(Vec::len).sum::<usize>());
    follower.stop().check(&Reader::new(rowfeed.kafka()));
    assert_clean(&check(&streams, &truth));
    assert_same(&streams, &reference::read(&sql, "reference"));
}

/// What was going on at each kill: a test that kills an idle process proves nothing.
#[derive(Default)]
struct Account {
    streaming: u64,
    behind: Vec<u64>,
    written: Vec<u64>,
}

impl Account {
    fn look(&mut self, sql: &Sql, written: u64) {
        let row = &sql
            .rows("select active, pg_current_wal_lsn() - confirmed_flush_lsn from pg_replication_slots where slot_name like 'kill%'")[0];
        self.streaming += u64::from(row[0].as_deref() == Some("t"));
        self.behind.push(row[1].as_deref().and_then(|text| text.parse().ok()).unwrap_or(0));
        self.written.push(written);
    }

    fn tell(mut self, kills: u64) {
        self.behind.sort_unstable();
        self.written.sort_unstable();
        let middle = |values: &[u64]| values.get(values.len() / 2).copied().unwrap_or(0);
        let (streaming, behind, written) = (self.streaming, middle(&self.behind), middle(&self.written));
        println!(
            "{kills} kills, {streaming} while streaming; unconfirmed at the kill: {behind} bytes of WAL (median); {written} transactions between kills (median)"
        );
        let in_flight = self.behind.iter().filter(|bytes| **bytes > 0).count() as u64;
        assert!(in_flight * 10 >= kills * 9, "only {in_flight} of {kills} kills met work in flight");
        assert!(streaming * 2 >= kills, "only {streaming} of {kills} kills met a running stream");
        assert!(self.written.iter().filter(|count| **count > 0).count() as u64 * 10 >= kills * 9, "the load stood still");
    }
}
