//! A real OpenSearch of the test's own, as `scripts/get_opensearch.sh` has got it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rowfeed::demo::cluster::free_port;
use tempfile::TempDir;

use super::{http, wait_at_most};

/// A server of one node; it ends and its files go when this is dropped, and it ends with the test's process.
pub struct OpenSearch {
    home: TempDir,
    port: u16,
    child: Option<Child>,
}

impl OpenSearch {
    /// Starts one and waits until it answers; `None` where it was not got.
    pub fn start() -> Option<Self> {
        if !folder().join("TestServer.class").exists() {
            super::missing("OpenSearch (scripts/get_opensearch.sh)");
            return None;
        }
        let home = tempfile::Builder::new().prefix("rowfeed-test-opensearch-").tempdir().expect("a temporary folder");
        let mut server = Self { home, port: free_port().expect("a port"), child: None };
        server.run();
        Some(server)
    }

    /// Starts it again on its files, and waits until it answers.
    pub fn run(&mut self) {
        let class_path = format!("{}/lib/*:{}", folder().display(), folder().display());
        let mut command = Command::new("java");
        command
            .args(["-Xmx512m", "-XX:TieredStopAtLevel=1", "-cp", &class_path, "TestServer"])
            .arg(self.home.path())
            .arg(self.port.to_string());
        self.child = Some(command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("java starts"));
        wait_at_most(Duration::from_secs(90), "OpenSearch to answer", || {
            http::get(&self.address(), "/_cluster/health").ok().filter(|answer| answer.status == 200)
        });
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its address, as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }
}

impl Drop for OpenSearch {
    fn drop(&mut self) {
        self.kill();
    }
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.cache/opensearch"))
}
