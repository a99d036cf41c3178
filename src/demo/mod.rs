//! `rowfeed demo`: a whole capture on the terminal, with nothing to prepare.
//!
//! Owns the temporary PostgreSQL ([`cluster`]), the shop it holds ([`shop`]), the live traffic on it ([`traffic`]), and
//! starting and ending them together with a service. Promises that nothing stays behind when it ends: no process, no
//! file, no database, no slot. Leaves capturing to the service, which it starts exactly as `rowfeed run` does, and
//! what is printed to the command.
//!
//! The tests use [`cluster`] too: a server that cleans up after itself is the same thing there.

pub mod cluster;
pub mod shop;
pub mod traffic;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::task::{JoinHandle, spawn_blocking};
use uuid::Uuid;

use crate::config::ServiceConfig;
use crate::config::native;
use crate::config::service::Sources;
use crate::connect::state::Phase;
use crate::problem::Problem;
use crate::service::{Capture, Service};
use cluster::{Cluster, Programs, Shape};

/// The connector's name and the prefix of its topics.
pub const NAME: &str = "shop";
/// A snapshot of the shop takes a fraction of a second; longer than this means that something is wrong.
const SNAPSHOT_LIMIT: Duration = Duration::from_secs(60);
/// How often the connector's state is looked at meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How long removing the database from somebody's server is tried, and how often.
const REMOVE_LIMIT: Duration = Duration::from_secs(10);
const REMOVE_AGAIN: Duration = Duration::from_millis(200);

/// What the user asked for.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// Changes a second; 0 for none.
    pub rate: u32,
    /// Rows in each table.
    pub rows: u32,
    /// Leave the temporary files.
    pub keep: bool,
    /// A server to use instead of a temporary one.
    pub url: Option<String>,
    /// Where the Kafka protocol listens; `None` is the usual address, or a free port when that is taken.
    pub kafka: Option<String>,
    /// Where HTTP listens; likewise.
    pub http: Option<String>,
}

/// Where the shop is.
#[derive(Debug)]
enum Source {
    /// In a server of our own.
    Temporary(Cluster),
    /// In a database of our own on somebody's server.
    Given { url: String, database: String },
}

impl Source {
    fn url(&self, database: &str) -> String {
        match self {
            Self::Temporary(cluster) => cluster.url(database),
            Self::Given { url, .. } => with_database(url, database),
        }
    }
}

/// The source side of the demo, before the service: a server and a database with the shop in it.
#[derive(Debug)]
pub struct Shop {
    source: Source,
    id: String,
    dir: PathBuf,
    keep: bool,
}

impl Shop {
    /// Starts the temporary server, or reaches the given one. Blocks; nothing is left when it fails.
    pub fn open(options: &DemoOptions) -> Result<Self, Problem> {
        let id = Uuid::new_v4().simple().to_string().chars().take(8).collect::<String>();
        let source = match &options.url {
            Some(url) => Source::Given { url: url.clone(), database: format!("rowfeed_demo_{id}") },
            None => {
                let settings = [("max_connections", "20"), ("shared_buffers", "32MB"), ("wal_sender_timeout", "60s")];
                let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
                let shape = Shape { programs: Programs::find()?, name: "rowfeed-demo".into(), sync: true, settings, keep: options.keep };
                Source::Temporary(Cluster::start(shape)?)
            }
        };
        let dir = std::env::temp_dir().join(format!("rowfeed-demo-data-{id}"));
        Ok(Self { source, id, dir, keep: options.keep })
    }

    /// One line about the server.
    pub fn describe(&self) -> String {
        match &self.source {
            Source::Temporary(cluster) => {
                let (version, dir, port) = (&cluster.programs().version, cluster.dir().display(), cluster.port());
                format!("PostgreSQL {version} started in {dir} (port {port}, wal_level=logical)")
            }
            Source::Given { database, .. } => format!("database {database} on the given server"),
        }
    }

    /// The address of the shop's database.
    pub fn url(&self) -> String {
        match &self.source {
            Source::Temporary(_) => self.source.url(NAME),
            Source::Given { database, .. } => self.source.url(database),
        }
    }

    /// The address for the terminal: a password of somebody's server stays out of it.
    pub fn shown_url(&self) -> String {
        without_password(&self.url())
    }

    /// Creates the database and its tables, `rows` rows each.
    pub async fn fill(&self, rows: u32) -> Result<(), Problem> {
        let database = match &self.source {
            Source::Temporary(_) => NAME,
            Source::Given { database, .. } => database,
        };
        let server = shop::connect(&self.server_url()).await?;
        shop::run(&server, &format!("create database {database}")).await?;
        shop::run(&shop::connect(&self.url()).await?, &shop::setup(rows)).await
    }

    fn server_url(&self) -> String {
        match &self.source {
            Source::Temporary(_) => self.source.url("postgres"),
            Source::Given { url, .. } => url.clone(),
        }
    }

    fn slot(&self) -> String {
        format!("rowfeed_demo_{}", self.id)
    }

    /// Takes everything away again.
    pub async fn close(self) -> Result<(), Problem> {
        let removed = match &self.source {
            Source::Given { database, .. } => self.drop_database(database).await,
            Source::Temporary(_) => Ok(()),
        };
        let (source, dir, keep) = (self.source, self.dir, self.keep);
        let ended = spawn_blocking(move || {
            drop(source);
            if !keep {
                // It may never have been made.
                let _ = std::fs::remove_dir_all(dir);
            }
        });
        ended.await.map_err(|_| Problem::fail("demo/end", "ending the temporary server failed"))?;
        removed
    }

    async fn drop_database(&self, database: &str) -> Result<(), Problem> {
        // A slot that keeps WAL on somebody's server is worse than a database: neither waits for the other's success.
        let slot = again(|| self.drop_slot()).await;
        let dropped = again(async || {
            let server = shop::connect(&self.server_url()).await?;
            shop::run(&server, &format!("drop database if exists {database} with (force)")).await
        });
        let dropped = dropped.await;
        slot.map_err(|problem| problem.fix(format!("select pg_drop_replication_slot('{}')", self.slot()))).and(dropped)
    }

    async fn drop_slot(&self) -> Result<(), Problem> {
        let slot = self.slot();
        let client = shop::connect(&self.url()).await?;
        let of_slot = format!("from pg_replication_slots where slot_name = '{slot}'");
        shop::run(&client, &format!("select pg_terminate_backend(active_pid) {of_slot} and active")).await?;
        // The session ends a moment later; until then this fails and is tried again.
        shop::run(&client, &format!("select pg_drop_replication_slot(slot_name) {of_slot}")).await
    }
}

/// The service with its connector on the shop.
pub struct Running {
    /// The service; the caller runs it.
    pub service: Service,
    /// How many tables and rows the snapshot had.
    pub snapshot: (u32, u64),
    /// The folder of the log.
    pub data: PathBuf,
}

impl Running {
    /// Starts the service on the shop and waits until it streams.
    pub async fn start(shop: &Shop, options: &DemoOptions, capture: Capture) -> Result<Self, Problem> {
        let config = service_config(&shop.dir, options)?;
        let data = config.data_dir.clone();
        let service = Service::start(config, capture).await?;
        match Self::connect(&service, shop).await {
            Ok(snapshot) => Ok(Self { service, snapshot, data }),
            Err(problem) => {
                service.stop().await;
                Err(problem)
            }
        }
    }

    async fn connect(service: &Service, shop: &Shop) -> Result<(u32, u64), Problem> {
        let mut connector = native::from_url(NAME, &shop.url(), "public.*")?;
        for option in ["slot.name", "publication.name"] {
            connector.insert(option.to_owned(), shop.slot());
        }
        service.registry.put(NAME, connector).await.map_err(|error| Problem::fail("demo/connector", error.to_string()))?;
        let until = Instant::now() + SNAPSHOT_LIMIT;
        loop {
            let view = service.registry.view(NAME).map_err(|error| Problem::fail("demo/connector", error.to_string()))?;
            if let Some(problem) = view.status.problem {
                return Err(problem);
            }
            if view.status.phase == Phase::Streaming {
                return Ok((view.status.snapshot.tables_total, view.status.snapshot.rows));
            }
            if Instant::now() > until {
                return Err(Problem::fail("demo/connector", "the snapshot of the shop did not end"));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// Tries until it works, for ten seconds.
async fn again(mut work: impl AsyncFnMut() -> Result<(), Problem>) -> Result<(), Problem> {
    let until = Instant::now() + REMOVE_LIMIT;
    loop {
        match work().await {
            Err(_) if Instant::now() < until => tokio::time::sleep(REMOVE_AGAIN).await,
            done => return done,
        }
    }
}

/// Starts the traffic, if any is wanted.
pub fn start_traffic(shop: &Shop, options: &DemoOptions) -> Option<JoinHandle<()>> {
    (options.rate > 0).then(|| tokio::spawn(traffic::drive(shop.url(), options.rate, options.rows)))
}

fn service_config(dir: &Path, options: &DemoOptions) -> Result<ServiceConfig, Problem> {
    std::fs::create_dir_all(dir)
        .map_err(|error| Problem::fail("demo/data", "the folder of the log cannot be made").why(error.to_string()))?;
    let flag = |name, value: &Option<String>, usual: &str, flag| (name, value.clone().unwrap_or_else(|| usual_or_free(usual)), flag);
    let flags = vec![
        ("data.dir", dir.join("data").display().to_string(), "--data"),
        ("connectors_dir", dir.join("connectors").display().to_string(), "--connectors"),
        flag("kafka.listen", &options.kafka, "127.0.0.1:9092", "--kafka"),
        flag("http.listen", &options.http, "127.0.0.1:8083", "--http"),
    ];
    // No file and no environment: the demo is the same everywhere.
    let sources = Sources { flags, no_file: true, set: vec!["log.kind=builtin".into()], working_dir: dir.to_owned(), ..Sources::default() };
    ServiceConfig::load(&sources).map_err(|mut problems| problems.remove(0))
}

/// The usual address, or any free port when another program has it.
fn usual_or_free(usual: &str) -> String {
    match std::net::TcpListener::bind(usual) {
        Ok(_) => usual.to_owned(),
        Err(_) => "127.0.0.1:0".to_owned(),
    }
}

/// The URL with another database.
fn with_database(url: &str, database: &str) -> String {
    let (address, query) = url.split_once('?').map_or((url, None), |(address, query)| (address, Some(query)));
    let (scheme, rest) = address.split_once("://").unwrap_or(("postgres", address));
    let host = rest.split('/').next().unwrap_or(rest);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{scheme}://{host}/{database}{query}")
}

/// The URL without the password of its user.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let host_at = rest.split(['/', '?']).next().unwrap_or(rest).rfind('@');
    let (user, rest) = rest.split_at(host_at.unwrap_or(0));
    let user = user.split(':').next().unwrap_or(user);
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let kept: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("password")).collect();
    let query = if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) };
    format!("{scheme}://{user}{address}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_settings_file_reaches_the_demo() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(dir.path().join("rowfeed.toml"), "[source]\nurl = \"postgres://u@production/d\"\n").expect("written");
        let options = DemoOptions { rate: 0, rows: 1, keep: false, url: None, kafka: None, http: None };
        let config = service_config(dir.path(), &options).expect("valid");
        assert!(config.file.is_none() && config.source_url.is_none());
    }

    #[test]
    fn a_password_is_not_shown() {
        for (url, want) in [
            ("postgres://u:p%40@h:5433/a?sslmode=require", "postgres://u@h:5433/a?sslmode=require"),
            ("postgres://h/a?password=x&user=u", "postgres://h/a?user=u"),
            ("postgres://u@h", "postgres://u@h"),
            ("postgres://u:a@b@h/d", "postgres://u@h/d"),
        ] {
            assert_eq!(without_password(url), want);
        }
    }

    #[test]
    fn a_url_keeps_everything_but_its_database() {
        for (url, want) in [
            ("postgres://u:p@h:5433/a?sslmode=require", "postgres://u:p@h:5433/demo?sslmode=require"),
            ("postgresql://h", "postgresql://h/demo"),
            ("postgres://h/", "postgres://h/demo"),
        ] {
            assert_eq!(with_database(url, "demo"), want);
        }
    }
}
