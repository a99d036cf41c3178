//! A real Apicurio registry of one process, in memory, from its own jars.
//!
//! `scripts/test.sh` puts the jars into `.cache/apicurio` (Maven) and Java 17 on the machine.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rowfeed::demo::cluster::free_port;
use tempfile::TempDir;

use super::{http, wait_at_most};

/// One at a time: starting, each takes both cores of a small machine.
static TURN: Mutex<()> = Mutex::new(());

/// A running registry; it ends and its files go when this is dropped.
#[derive(Debug)]
pub struct Apicurio {
    home: TempDir,
    port: u16,
    child: Child,
    _turn: MutexGuard<'static, ()>,
}

impl Apicurio {
    /// Starts a registry; `None` (said) without Java or the jars, and where the tests run on another PostgreSQL once more.
    pub fn start() -> Option<Self> {
        if std::env::var_os("ROWFEED_PG").is_some() {
            eprintln!("SKIPPED: a registry of schemas does not depend on PostgreSQL's version");
            return None;
        }
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".cache/apicurio");
        let runner = fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
        let runner = runner.into_iter().find(|path| path.to_string_lossy().ends_with("-runner.jar"));
        let java = Command::new("java").arg("-version").stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        let (true, Some(runner)) = (java, runner) else {
            super::missing("Java 17 and Apicurio's registry in .cache/apicurio (scripts/test.sh gets them)");
            return None;
        };
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let home = tempfile::Builder::new().prefix("rowfeed-test-apicurio-").tempdir().expect("a temporary folder");
        let port = free_port().expect("a port");
        let log = fs::File::create(home.path().join("apicurio.log")).expect("a log file");
        let child = Command::new("java")
            .args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-Dquarkus.http.host=127.0.0.1", &format!("-Dquarkus.http.port={port}"), "-jar"])
            .arg(&runner)
            .current_dir(home.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log file"))
            .stderr(log)
            .spawn()
            .expect("java runs");
        let mut registry = Self { home, port, child, _turn: turn };
        registry.wait_until_ready();
        Some(registry)
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where it answers as Confluent's registry does.
    pub fn as_confluent(&self) -> String {
        format!("http://{}/apis/ccompat/v7", self.address())
    }

    fn wait_until_ready(&mut self) {
        let address = self.address();
        wait_at_most(Duration::from_secs(90), "Apicurio's registry to answer", || {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                panic!("Apicurio ended with {status}:\n{}", fs::read_to_string(self.home.path().join("apicurio.log")).unwrap_or_default());
            }
            http::get(&address, "/health/ready").ok().filter(|answer| answer.status == 200)
        });
        // The first schema takes it seconds.
        wait_at_most(Duration::from_secs(60), "Apicurio's first schema", || {
            let first = serde_json::json!({"schema": "\"int\""});
            let answer = http::request(&address, "POST", "/apis/ccompat/v7/subjects/first/versions", Some(&first));
            answer.ok().filter(|answer| answer.status == 200)
        });
    }
}

impl Drop for Apicurio {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
