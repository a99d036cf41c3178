//! The program itself, as a user runs it: a process, its data directory, its ports.
//!
//! A [`Rowfeed`] may be killed and started again on the same data and ports, as often as a test likes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rowfeed::demo::cluster::free_port;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::http::{self, Response};
use super::postgres::{Database, Sql};
use super::{wait_at_most, wait_for};

/// What gives a process mounts of its own, for any user.
const NAMESPACE: [&str; 3] = ["--user", "--map-root-user", "--mount"];

/// A rowfeed and what it needs to be started again.
#[derive(Debug)]
pub struct Rowfeed {
    home: TempDir,
    kafka_port: u16,
    http_port: u16,
    extra: Vec<String>,
    /// Variables of its environment.
    variables: Vec<(String, String)>,
    /// Size of a file system of its own for the data, MiB.
    disk_mib: Option<u32>,
    child: Option<Child>,
}

impl Rowfeed {
    /// An installation that is not started yet. `extra` goes behind `rowfeed run`.
    pub fn prepared(extra: &[&str]) -> Self {
        let home = tempfile::Builder::new().prefix("rowfeed-test-data-").tempdir().expect("a temporary folder");
        let (kafka_port, http_port) = (free_port().expect("a port"), free_port().expect("a port"));
        let extra = extra.iter().map(|text| (*text).to_owned()).collect();
        Self { home, kafka_port, http_port, extra, variables: Vec::new(), disk_mib: None, child: None }
    }

    /// An installation whose data directory is a small disk in memory, which ends with the process. Not started yet;
    /// `None` where the kernel does not let this user mount one.
    pub fn on_a_small_disk(size_mib: u32, extra: &[&str]) -> Option<Self> {
        let may = Command::new("unshare").args(NAMESPACE).arg("true").output().is_ok_and(|done| done.status.success());
        if !may {
            super::missing("a file system of the test's own (unshare with mounts)");
            return None;
        }
        let mut rowfeed = Self::prepared(extra);
        rowfeed.disk_mib = Some(size_mib);
        Some(rowfeed)
    }

    /// Starts with a fresh data directory and waits until it serves.
    pub fn start(extra: &[&str]) -> Self {
        let mut rowfeed = Self::prepared(extra);
        rowfeed.run();
        rowfeed.wait_until_ready();
        rowfeed
    }

    /// Gives it a variable of the environment, from the next start on.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Starts the process; does not wait.
    pub fn run(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        fs::create_dir_all(self.data()).expect("a data directory");
        let log = File::options().create(true).append(true).open(self.log_file()).expect("a log file");
        let program = env!("CARGO_BIN_EXE_rowfeed");
        let mut command = match self.disk_mib {
            None => Command::new(program),
            Some(size) => {
                let mount = format!("mount -t tmpfs -o size={size}m none \"$0\" && exec \"$@\"");
                let mut command = Command::new("unshare");
                command.args(NAMESPACE).arg("sh").arg("-c").arg(mount).arg(self.data()).arg(program);
                command
            }
        };
        command.arg("run").arg("--data").arg(self.data());
        command.arg("--kafka").arg(self.kafka()).arg("--http").arg(self.http()).args(&self.extra);
        // The tests' own switches are not settings of the service.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ROWFEED_")) {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.home.path()).stdin(Stdio::null()).stdout(log.try_clone().expect("a log file")).stderr(log);
        self.child = Some(command.spawn().expect("the rowfeed binary starts"));
    }

    /// Waits for `GET /readyz` to say 200.
    pub fn wait_until_ready(&mut self) {
        wait_for("rowfeed to be ready", || {
            if let Some(status) = self.exited() {
                panic!("rowfeed ended with {status}:\n{}", self.log());
            }
            self.is_ready().then_some(())
        });
    }

    /// Whether `GET /readyz` says 200 now.
    pub fn is_ready(&self) -> bool {
        http::get(&self.http(), "/readyz").is_ok_and(|response| response.status == 200)
    }

    /// How the process ended, if it did.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|child| child.try_wait().expect("a child can be waited for"))
    }

    /// SIGKILL, and the process is gone when this returns.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGTERM; panics when it takes longer than ten seconds or does not end well. How long it took.
    pub fn stop(&mut self) -> Duration {
        let began = Instant::now();
        self.signal("TERM");
        let mut child = self.child.take().expect("it runs");
        let status = wait_at_most(Duration::from_secs(10), "a clean stop", || child.try_wait().expect("a child can be waited for"));
        assert!(status.success(), "SIGTERM ended with {status}:\n{}", self.log());
        began.elapsed()
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let done = Command::new("sh").arg("-c").arg(format!("kill -s {name} {}", self.pid())).status().expect("sh runs");
        assert!(done.success(), "kill -s {name}");
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// The resident set in MiB: now (`VmRSS`) or at its peak (`VmHWM`).
    pub fn memory_mib(&self, line: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a running process");
        let kib = status
            .lines()
            .find_map(|text| text.strip_prefix(line)?.strip_prefix(':')?.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok());
        kib.expect("the kernel says it") / 1024.0
    }

    /// `host:port` of the Kafka protocol.
    pub fn kafka(&self) -> String {
        format!("127.0.0.1:{}", self.kafka_port)
    }

    /// `host:port` of HTTP.
    pub fn http(&self) -> String {
        format!("127.0.0.1:{}", self.http_port)
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// A folder beside the data directory that goes with it.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// What it printed so far, over all starts.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.home.path().join("rowfeed.log")
    }

    /// `PUT /connectors/{name}/config`.
    pub fn put_connector(&self, name: &str, config: &Value) -> Response {
        http::request(&self.http(), "PUT", &format!("/connectors/{name}/config"), Some(config)).expect("rowfeed answers")
    }

    /// `GET /connectors/{name}/status`.
    pub fn status(&self, name: &str) -> Value {
        http::get(&self.http(), &format!("/connectors/{name}/status")).expect("rowfeed answers").json()
    }

    /// Waits until the connector streams from its slot. A slot is active while it is being made, too, and for the program
    /// it may be the session before that still streams: both have to say so.
    pub fn wait_until_streaming(&self, name: &str, sql: &Sql, slot: &str) {
        let ready = format!("select active and confirmed_flush_lsn is not null from pg_replication_slots where slot_name = '{slot}'");
        wait_for("the connector to stream", || {
            let view = http::get(&self.http(), &format!("/v1/connectors/{name}")).expect("rowfeed answers").json();
            assert!(view["state"] != "failed", "{view}");
            (view["state"] == "streaming" && sql.one(&ready) == "t").then_some(())
        });
    }

    /// Waits until the connector's task is FAILED; its trace.
    pub fn wait_until_failed(&self, name: &str) -> String {
        wait_for("the connector to fail", || self.failure(name))
    }

    /// The trace of the connector's task, when that is FAILED.
    pub fn failure(&self, name: &str) -> Option<String> {
        let status = self.status(name);
        (status["tasks"][0]["state"] == "FAILED").then(|| status["tasks"][0]["trace"].as_str().unwrap_or_default().to_owned())
    }
}

impl Drop for Rowfeed {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- the last lines of rowfeed's log\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
    }
}

/// A connector configuration as Debezium users write it, for all tables of `tables` (a list of `schema.table`).
pub fn connector_config(database: &Database, prefix: &str, tables: &str) -> Value {
    json!({
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "database.hostname": "127.0.0.1",
        "database.port": database.port.to_string(),
        "database.user": "postgres",
        "database.password": "none",
        "database.dbname": database.name,
        "topic.prefix": prefix,
        "plugin.name": "pgoutput",
        "slot.name": database.name,
        "publication.name": database.name,
        "publication.autocreate.mode": "filtered",
        "table.include.list": tables,
    })
}

/// The configuration with further keys (or changed ones) of a JSON object.
pub fn with(mut config: Value, more: &Value) -> Value {
    if let (Some(config), Some(more)) = (config.as_object_mut(), more.as_object()) {
        config.extend(more.clone());
    }
    config
}
