//! A database, a rowfeed and a connector between them, ready in one line.

use std::time::{Duration, Instant};

use rowfeed::demo::cluster::Cluster;
use serde_json::{Value, json};

use super::postgres::{Database, Sql, fresh_database, shared_server};
use super::reader::{Reader, Record};
use super::service::{Rowfeed, connector_config, with};
use super::{DEADLINE, wait_for};

/// The prefix of every topic of a scene.
pub const PREFIX: &str = "srv";
/// The table whose events tell that everything before them has arrived.
const FENCE: &str = "fence";

/// One capture from end to end.
pub struct Scene {
    /// A session in the source.
    pub sql: Sql,
    /// Where the source is.
    pub database: Database,
    /// The program.
    pub rowfeed: Rowfeed,
    /// Reads its topics.
    pub reader: Reader,
    config: Value,
}

impl Scene {
    /// Prepares a database with `setup`, then starts rowfeed and a connector for all tables of `public`, without a
    /// snapshot, and returns once the slot is active. `None` when there is no PostgreSQL here.
    pub fn start(name: &str, setup: &str, more: &Value) -> Option<Self> {
        Self::on(shared_server()?, name, setup, more)
    }

    /// As [`Scene::start`], on a server of the test's choice.
    pub fn on(cluster: &Cluster, name: &str, setup: &str, more: &Value) -> Option<Self> {
        let scene = Self::prepared(cluster, name, setup, &with(json!({"snapshot.mode": "no_data"}), more));
        scene.connect();
        scene.wait_until_streaming();
        Some(scene)
    }

    /// Everything but the connector, which [`Scene::connect`] puts.
    pub fn prepared(cluster: &Cluster, name: &str, setup: &str, more: &Value) -> Self {
        let database = fresh_database(cluster, name);
        let sql = database.sql();
        sql.run(&format!("create table {FENCE}(id int primary key)"));
        sql.run(setup);
        let rowfeed = Rowfeed::start(&[]);
        let reader = Reader::new(rowfeed.kafka());
        let config = with(connector_config(&database, PREFIX, "public.*"), more);
        Self { sql, database, rowfeed, reader, config }
    }

    /// Puts the connector.
    pub fn connect(&self) {
        let answer = self.rowfeed.put_connector("scene", &self.config);
        assert!(matches!(answer.status, 200 | 201), "{} {}", answer.status, answer.body);
    }

    /// Waits until the connector's slot is in use.
    pub fn wait_until_streaming(&self) {
        self.rowfeed.wait_until_streaming("scene", &self.sql, self.slot());
    }

    /// How often the program's log says something.
    pub fn logged(&self, what: &str) -> usize {
        self.rowfeed.log().matches(what).count()
    }

    /// Waits until it says it for this time. The connector must not fail meanwhile.
    pub fn wait_until_logged(&self, what: &str, times: usize) {
        wait_for(what, || {
            let status = self.rowfeed.status("scene");
            assert!(status["tasks"][0]["state"] != "FAILED", "{status}");
            (self.logged(what) >= times).then_some(())
        });
    }

    /// The connector's configuration.
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// The slot's name.
    pub fn slot(&self) -> &str {
        self.config["slot.name"].as_str().unwrap_or_default()
    }

    /// The topic of a table (`orders` or `schema.orders`).
    pub fn topic(table: &str) -> String {
        if table.contains('.') { format!("{PREFIX}.{table}") } else { format!("{PREFIX}.public.{table}") }
    }

    /// Writes a row of its own and waits until its event is visible: then everything committed before is, too.
    pub fn fence(&self) {
        let id: i64 = self.sql.one(&format!("insert into {FENCE} select count(*) from {FENCE} returning id")).parse().expect("a number");
        let topic = Self::topic(FENCE);
        let until = Instant::now() + DEADLINE;
        while self.reader.watermarks(&topic, 0).is_none_or(|(_, next)| next <= id) {
            let status = self.rowfeed.status("scene");
            assert!(status["tasks"][0]["state"] != "FAILED", "{status}");
            assert!(Instant::now() < until, "no event of the fence's row {id} within {DEADLINE:?}: {}", self.account(&topic));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Where everything is, for a test that waited in vain.
    fn account(&self, topic: &str) -> String {
        let slot = self.sql.rows(&format!(
            "select active, confirmed_flush_lsn, pg_current_wal_lsn() from pg_replication_slots where slot_name = '{}'",
            self.slot()
        ));
        let sender = self.sql.rows("select application_name, state, sent_lsn, flush_lsn, reply_time from pg_stat_replication");
        format!("slot {slot:?}, senders {sender:?}, topic {:?}, all {:?}", self.reader.watermarks(topic, 0), self.reader.topics())
    }

    /// All records of a table's topic, once everything committed so far has arrived.
    pub fn records(&self, table: &str) -> Vec<Record> {
        self.fence();
        self.reader.read(&Self::topic(table))
    }

    /// The values of a table's topic as JSON, tombstones as null.
    pub fn events(&self, table: &str) -> Vec<Value> {
        self.records(table).iter().map(Record::json).collect()
    }

    /// What an event says in short: `c`, `u`, `d`, `r`, `t`, or `-` for a tombstone.
    pub fn ops(events: &[Value]) -> String {
        events.iter().map(|event| event["op"].as_str().unwrap_or("-")).collect::<Vec<_>>().join("")
    }
}
