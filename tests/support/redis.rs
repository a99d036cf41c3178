//! A real Redis of the test's own: started, killed, started again on the same files.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use redis::{Client, Connection};
use rowfeed::demo::cluster::free_port;
use tempfile::TempDir;

use super::wait_for;

/// A server; it ends and its files go when this is dropped.
pub struct Redis {
    home: TempDir,
    port: u16,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl Redis {
    /// Starts one with these arguments; `None` where the program is not installed.
    pub fn start(arguments: &[&str]) -> Option<Self> {
        if Command::new("redis-server").arg("--version").output().is_err() {
            super::missing("redis-server (scripts/test.sh gets it)");
            return None;
        }
        let home = tempfile::Builder::new().prefix("rowfeed-test-redis-").tempdir().expect("a temporary folder");
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut server = Self { home, port: free_port().expect("a port"), arguments, child: None };
        server.run();
        Some(server)
    }

    /// Starts it again on its files, and waits until it answers.
    pub fn run(&mut self) {
        let mut command = Command::new("redis-server");
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--dir"]).arg(self.home.path()).args(&self.arguments);
        self.child = Some(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("redis-server starts"));
        wait_for("redis to answer", || {
            let mut connection = Client::open(self.url()).ok()?.get_connection().ok()?;
            redis::cmd("PING").query::<String>(&mut connection).ok()
        });
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Its files.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// A session.
    pub fn connect(&self) -> Connection {
        Client::open(self.url()).and_then(|client| client.get_connection()).expect("redis answers")
    }

    /// The text of a key.
    pub fn get(&self, key: &str) -> Option<String> {
        redis::cmd("GET").arg(key).query(&mut self.connect()).expect("redis answers")
    }

    /// Sets a key.
    pub fn set(&self, key: &str, value: &str) {
        redis::cmd("SET").arg(key).arg(value).query::<()>(&mut self.connect()).expect("redis answers");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
