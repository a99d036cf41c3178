//! A real OpenSearch of the test's own, as `scripts/get_opensearch.sh` has got it, and a front before it that is as bad as networks and
//! busy servers are.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rowfeed::demo::cluster::free_port;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{http, wait_at_most};

/// One at a time: starting, each takes both cores of a small machine.
static TURN: Mutex<()> = Mutex::new(());

/// A server of one node; it ends and its files go when this is dropped, and it ends with the test's process.
pub struct OpenSearch {
    home: TempDir,
    port: u16,
    child: Option<Child>,
    request_max: &'static str,
    _turn: MutexGuard<'static, ()>,
}

impl OpenSearch {
    /// Starts one and waits until it answers; `None` where it was not got, and where the tests run on another PostgreSQL once more.
    pub fn start() -> Option<Self> {
        Self::that_takes("100mb")
    }

    /// One that takes requests of this size at most.
    pub fn that_takes(request_max: &'static str) -> Option<Self> {
        if std::env::var_os("ROWFEED_PG").is_some() {
            eprintln!("SKIPPED: a search server does not depend on PostgreSQL's version");
            return None;
        }
        if !folder().join("TestServer.class").exists() {
            super::missing("OpenSearch (scripts/get_opensearch.sh)");
            return None;
        }
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let home = tempfile::Builder::new().prefix("rowfeed-test-opensearch-").tempdir().expect("a temporary folder");
        let mut server = Self { home, port: free_port().expect("a port"), child: None, request_max, _turn: turn };
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
            .arg(self.port.to_string())
            .arg(self.request_max);
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

    /// All documents of an index as they can be found now: id and source.
    pub fn documents(&self, index: &str) -> Vec<(String, Value)> {
        let refreshed = http::request(&self.address(), "POST", &format!("/{index}/_refresh"), None).expect("an answer");
        if refreshed.status == 404 {
            return Vec::new();
        }
        let found =
            http::request(&self.address(), "POST", &format!("/{index}/_search?size=10000"), Some(&json!({"query": {"match_all": {}}})));
        let found = found.expect("an answer").json();
        let hits = found["hits"]["hits"].as_array().unwrap_or_else(|| panic!("{found}")).clone();
        hits.into_iter().map(|hit| (hit["_id"].as_str().expect("an id").to_owned(), hit["_source"].clone())).collect()
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

/// What the front does with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// Answers so without asking the server.
    Status(u16),
    /// Lets the server do it, and loses the answer.
    LostAnswer,
    /// Closes the connection.
    Closed,
}

/// Stands before a server and passes requests on, but for those that meet a mishap; counts the documents of each bulk.
pub struct Front {
    address: String,
    mishaps: Arc<Mutex<VecDeque<Mishap>>>,
    /// The lines of each bulk that was asked for.
    pub bulks: Arc<Mutex<Vec<usize>>>,
}

impl Front {
    /// Before this server; it ends with the process.
    pub fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (mishaps, bulks) = (Arc::new(Mutex::new(VecDeque::new())), Arc::new(Mutex::new(Vec::new())));
        let front = Self { address, mishaps: Arc::clone(&mishaps), bulks: Arc::clone(&bulks) };
        let server = server.to_owned();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (mishaps, bulks, server) = (Arc::clone(&mishaps), Arc::clone(&bulks), server.clone());
                std::thread::spawn(move || drop(pass(stream, &server, &mishaps, &bulks)));
            }
        });
        front
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What the next bulks meet.
    pub fn plan(&self, mishaps: &[Mishap]) {
        self.mishaps.lock().expect("whole").extend(mishaps);
    }

    /// How many of them are left.
    pub fn left(&self) -> usize {
        self.mishaps.lock().expect("whole").len()
    }
}

fn pass(mut client: TcpStream, server: &str, mishaps: &Mutex<VecDeque<Mishap>>, bulks: &Mutex<Vec<usize>>) -> std::io::Result<()> {
    let (mut request, mut buffer) = (Vec::new(), [0; 16 << 10]);
    let head = loop {
        let count = client.read(&mut buffer)?;
        request.extend_from_slice(&buffer[..count]);
        if let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if count == 0 {
            return Ok(());
        }
    };
    let text = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
    let length: usize = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok()).unwrap_or(0);
    while request.len() < head + length {
        let count = client.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        request.extend_from_slice(&buffer[..count]);
    }
    let is_bulk = text.starts_with("post /_bulk");
    if is_bulk {
        bulks.lock().expect("whole").push(request[head..].iter().filter(|byte| **byte == b'\n').count());
    }
    let mishap = if is_bulk { mishaps.lock().expect("whole").pop_front() } else { None };
    match mishap {
        Some(Mishap::Closed) => return Ok(()),
        Some(Mishap::Status(status)) => {
            let answer = format!("HTTP/1.1 {status} Busy\r\nRetry-After: 0\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{}}");
            return client.write_all(answer.as_bytes());
        }
        Some(Mishap::LostAnswer) | None => {}
    }
    let mut to = TcpStream::connect(server)?;
    let line = request.iter().position(|byte| *byte == b'\n').unwrap_or(0) + 1;
    to.write_all(&request[..line])?;
    to.write_all(b"Connection: close\r\n")?;
    to.write_all(&request[line..])?;
    let mut answer = Vec::new();
    to.read_to_end(&mut answer)?;
    if mishap.is_none() {
        // Whoever asked must not use this connection again.
        let line = answer.iter().position(|byte| *byte == b'\n').unwrap_or(0) + 1;
        client.write_all(&answer[..line])?;
        client.write_all(b"Connection: close\r\n")?;
        client.write_all(&answer[line..])?;
    }
    Ok(())
}
