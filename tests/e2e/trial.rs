//! A trial: the mixed load, a connector on its tables, and the judgement of what came out.
//!
//! What is done to the service, the server or the network meanwhile is the trial's own.

use std::time::{Duration, Instant};

use rowfeed::demo::cluster::Cluster;
use serde_json::{Value, json};

use crate::oracle::check::{Streams, Truth};
use crate::oracle::event::Event;
use crate::oracle::workload::Pace;
use crate::oracle::{SETUP, TABLES, Table, include_list, table};
use crate::support::DEADLINE;
use crate::support::postgres::{Database, fresh_database};
use crate::support::reader::{Reader, Record};
use crate::support::service::{Rowfeed, connector_config, with};

const PREFIX: &str = "kill";
/// Fast enough that something is always on its way, slow enough that two cores carry everything.
pub const PACE: Pace = Pace { writers: 4, transactions: u64::MAX, pause: Duration::from_millis(3) };

/// A database with the load's tables.
pub fn prepare(server: &Cluster) -> Database {
    let database = fresh_database(server, "kill");
    database.sql().run(SETUP);
    database
}

/// A connector for all of them.
fn config(database: &Database, more: &Value) -> Value {
    let config = connector_config(database, PREFIX, &include_list());
    with(with(config, &json!({"decimal.handling.mode": "string"})), more)
}

/// Puts the connector and returns once its slot is in use.
pub fn connect(rowfeed: &Rowfeed, database: &Database, more: &Value) {
    let answer = rowfeed.put_connector("kill", &config(database, more));
    assert!(matches!(answer.status, 200 | 201), "{} {}", answer.status, answer.body);
    rowfeed.wait_until_streaming("kill", &database.sql(), &database.name);
}

/// The topic of a table.
pub fn topic(table: &str) -> String {
    format!("{PREFIX}.public.{table}")
}

/// Reads all topics once the journal's is as long as the journal; if that never happens, reads what there is, so that
/// the check can say what is missing.
pub fn read_when_settled(rowfeed: &Rowfeed, truth: &Truth) -> Vec<(&'static Table, Record)> {
    let reader = Reader::new(rowfeed.kafka());
    let until = Instant::now() + DEADLINE;
    let there = |reader: &Reader| {
        let events = reader.read(&topic("journal"));
        let rows: std::collections::HashSet<_> = events.iter().map(|record| record.key.clone()).collect();
        rows.len() >= truth.transactions()
    };
    while !there(&reader) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(100));
    }
    TABLES.iter().flat_map(|table| reader.read(&topic(table.name)).into_iter().map(move |record| (table, record))).collect()
}

/// The events of every partition, in order.
pub fn streams_of(records: &[(&'static Table, Record)]) -> Streams {
    let mut streams = Streams::new();
    for (table, record) in records {
        let event = Event::from_record(table, record).unwrap_or_else(|wrong| panic!("{}: {wrong}: {record:?}", table.name));
        streams.entry((table.name, record.partition)).or_default().push(event);
    }
    streams
}

/// Fails with the first findings.
pub fn assert_clean(findings: &[String]) {
    assert!(
        findings.is_empty(),
        "{} findings, the first:\n{}",
        findings.len(),
        findings.iter().take(10).cloned().collect::<Vec<_>>().join("\n")
    );
}

/// Event for event what PostgreSQL tells itself.
pub fn assert_same(streams: &Streams, reference: &Streams) {
    for ((name, partition), want) in reference {
        let got = streams.get(&(name, *partition)).map(Vec::as_slice).unwrap_or_default();
        let sent = |events: &[Event], at: usize| events.get(at).map(|event| event.as_sent(table(name)));
        let differs = (0..want.len().max(got.len())).find(|at| sent(got, *at) != sent(want, *at));
        assert!(
            differs.is_none(),
            "{name}: event {differs:?} is\n{:?}, must be\n{:?}",
            got.get(differs.unwrap_or(0)),
            want.get(differs.unwrap_or(0))
        );
    }
}
