//! A real Apicurio registry of one process, in memory, from its own jars.
//!
//! `scripts/test.sh` puts the jars into `.cache/apicurio` (Maven) and Java 17 on the machine.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rowfeed::demo::cluster::free_port;
use tempfile::TempDir;

use super::{http, wait_at_most};

/// A running registry; it ends and its files go when this is dropped.
#[derive(Debug)]
pub struct Apicurio {
    home: TempDir,
    port: u16,
    child: Child,
}

impl Apicurio {
    /// Starts a registry that knows nothing; `None` (said with [`super::missing`]) without Java or the jars.
    pub fn start() -> Option<Self> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".cache/apicurio");
        let runner = fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
        let runner = runner.into_iter().find(|path| path.to_string_lossy().ends_with("-runner.jar"));
        let java = Command::new("java").arg("-version").stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        let (true, Some(runner)) = (java, runner) else {
            super::missing("Java 17 and Apicurio's registry in .cache/apicurio (scripts/test.sh gets them)");
            return None;
        };
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
        let mut registry = Self { home, port, child };
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
    }
}

impl Drop for Apicurio {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
