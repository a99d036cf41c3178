//! The examples of `examples/`, as a reader runs them.
//!
//! Aim: what an example shows is so. Method: each one's tables on a fresh database, rowfeed with the example's own configuration, and
//! its `run.sh`, which checks what it shows and ends with an error when that is not so. The service stands under a supervisor
//! here, as systemd is one: where a script kills it, it is started again on its data.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rowfeed::demo::cluster::free_port;

use crate::support::missing;
use crate::support::opensearch::OpenSearch;
use crate::support::postgres::{fresh_database, shared_server};
use crate::support::redis::Redis;
use crate::support::service::Rowfeed;

/// How long one example may take: the machine may be busy with other tests.
const LIMIT: Duration = Duration::from_secs(180);

/// An example and what it stands on beside PostgreSQL and rowfeed.
struct Example {
    name: &'static str,
    /// Programs that it starts.
    programs: &'static [&'static str],
    /// Settings of the service that depend on where things are.
    settings: Vec<String>,
    /// Variables of the service's environment and of the script's.
    variables: Vec<(&'static str, String)>,
}

impl Example {
    fn new(name: &'static str, programs: &'static [&'static str]) -> Self {
        Self { name, programs, settings: Vec::new(), variables: Vec::new() }
    }

    /// With a page in a browser that comes from a port of this machine.
    fn with_a_page(mut self) -> Self {
        let port = free_port().expect("a port");
        self.settings.push(format!("http.cors_origins=http://127.0.0.1:{port}"));
        self.variables.push(("PAGE_PORT", port.to_string()));
        self
    }

    /// Runs it from its tables to the end of its script. How often the service was killed meanwhile; `None` where something is missing.
    fn run(self) -> Option<u32> {
        let server = shared_server()?;
        if !self.programs.iter().all(|program| is_there(program)) || !programs_are_installed() {
            return None;
        }
        let began = Instant::now();
        let folder = repository().join("examples").join(self.name);
        let database = fresh_database(server, &self.name.replace('-', "_"));
        database.sql().run(&fs::read_to_string(folder.join("schema.sql")).expect("its tables"));

        let mut arguments = vec!["--connectors".to_owned(), path(&folder.join("connectors"))];
        if folder.join("rowfeed.toml").exists() {
            arguments.extend(["--config".to_owned(), path(&folder.join("rowfeed.toml"))]);
        }
        arguments.extend(self.settings.iter().flat_map(|setting| ["--set".to_owned(), setting.clone()]));
        let mut rowfeed = Rowfeed::prepared(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let place = [
            ("PGHOST", "127.0.0.1".to_owned()),
            ("PGPORT", database.port.to_string()),
            ("PGUSER", "postgres".to_owned()),
            ("PGPASSWORD", "postgres".to_owned()),
            ("PGDATABASE", database.name.clone()),
        ];
        for (name, value) in place.iter().chain(&self.variables) {
            rowfeed.set_variable(name, value);
        }
        rowfeed.run();
        rowfeed.wait_until_ready();

        let (said, pid_file) = (rowfeed.home().join("said"), rowfeed.home().join("pid"));
        let output = fs::File::create(&said).expect("a file");
        fs::write(&pid_file, rowfeed.pid().to_string()).expect("a file");
        let mut script = Command::new(folder.join("run.sh"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ROWFEED_")) {
            script.env_remove(name);
        }
        script.envs(place.iter().chain(&self.variables).map(|(name, value)| (name, value)));
        script.env("ROWFEED_SERVER", format!("http://{}", rowfeed.http())).env("KAFKA_BOOTSTRAP", rowfeed.kafka());
        script.env("ROWFEED_TOKEN_FILE", rowfeed.data().join("admin.token")).env("SERVICE_PID_FILE", &pid_file);
        script.process_group(0).stdin(Stdio::null()).stdout(output.try_clone().expect("a file")).stderr(output);
        let mut script = script.spawn().expect("the script starts");
        let mut kills = 0;
        let status = loop {
            if let Some(status) = script.try_wait().expect("a child can be waited for") {
                break status;
            }
            if rowfeed.exited().is_some() {
                rowfeed.kill();
                rowfeed.run();
                fs::write(&pid_file, rowfeed.pid().to_string()).expect("a file");
                kills += 1;
            }
            if began.elapsed() > LIMIT {
                // With everything that it started.
                let _ = Command::new("sh").arg("-c").arg(format!("kill -s KILL -{}", script.id())).status();
                panic!("{} does not end:\n{}", self.name, read(&said));
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        assert!(status.success(), "examples/{}/run.sh ended with {status}:\n{}", self.name, read(&said));
        println!("{} took {:?}:\n{}", self.name, began.elapsed(), read(&said));
        Some(kills)
    }
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn path(path: &Path) -> String {
    path.to_str().expect("a path that is text").to_owned()
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

fn is_there(program: &str) -> bool {
    let found = Command::new("sh").arg("-c").arg(format!("command -v {program}")).stdout(Stdio::null()).status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        missing(&format!("{program} (scripts/test.sh gets it)"));
    }
    found
}

/// What the programs import, got once.
fn programs_are_installed() -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    let there = *THERE.get_or_init(|| {
        let done = Command::new(repository().join("scripts/get_examples.sh")).output();
        done.is_ok_and(|done| {
            done.status.success() || {
                eprintln!("{}", String::from_utf8_lossy(&done.stderr));
                false
            }
        })
    });
    if !there {
        missing("what the examples' programs import (scripts/get_examples.sh)");
    }
    there
}

#[test]
fn the_audit_log_says_who_changed_what() {
    Example::new("audit-log", &["psql", "python3", "kcat", "jq"]).run();
}

#[test]
fn each_order_is_shipped_once_whoever_is_killed() {
    if let Some(kills) = Example::new("service-to-service", &["psql", "python3", "node"]).run() {
        assert_eq!(kills, 1);
    }
}

#[test]
fn what_the_outbox_says_reaches_its_users_browser_and_no_other() {
    if let Some(kills) = Example::new("outbox", &["psql", "node", "curl", "jq", "chromium"]).with_a_page().run() {
        assert_eq!(kills, 1);
    }
}

#[test]
fn the_board_of_orders_is_live_and_catches_up() {
    if let Some(kills) = Example::new("live-order-board", &["psql", "python3", "node", "curl", "chromium"]).with_a_page().run() {
        assert_eq!(kills, 1);
    }
}

#[test]
fn no_customer_of_the_shop_sees_an_old_price() {
    let Some(redis) = Redis::start(&["--save", ""]) else { return };
    let mut shop = Example::new("cache-aside-shop", &["psql", "python3", "node", "curl"]).with_a_page();
    shop.variables.push(("REDIS_URL", redis.url()));
    shop.variables.push(("SECOND_PORT", free_port().expect("a port").to_string()));
    if let Some(kills) = shop.run() {
        assert_eq!(kills, 1);
    }
}

#[test]
fn the_search_finds_what_the_table_has() {
    let Some(server) = OpenSearch::start() else { return };
    let mut search = Example::new("search-index", &["psql", "python3", "curl", "jq"]);
    search.variables.push(("SEARCH_URL", server.url()));
    if let Some(kills) = search.run() {
        assert_eq!(kills, 1);
    }
}

/// Every folder is an example that is described, listed, has its own slot and is run by a test.
#[test]
fn every_example_is_described_and_run() {
    let root = repository().join("examples");
    let (list, tests) = (read(&root.join("README.md")), read(&repository().join("tests/e2e/examples.rs")));
    let mut connectors = Vec::new();
    for folder in fs::read_dir(&root).expect("the folder is there").filter_map(Result::ok).map(|entry| entry.path()) {
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        if !folder.join("connectors").exists() {
            continue;
        }
        assert!(list.contains(&format!("]({name}/README.md)")), "examples/README.md does not list {name}");
        assert!(tests.contains(&format!("Example::new(\"{name}\"")), "no test runs {name}");
        let page = read(&folder.join("README.md"));
        for said in [format!("examples/start.sh {name}"), format!("examples/{name}/run.sh"), format!("-f examples/{name}/compose.yml")] {
            assert!(page.contains(&said), "examples/{name}/README.md does not say {said}");
        }
        assert!(read(&folder.join("compose.yml")).contains(&format!("name: rowfeed-{name}")), "{name} shares its volumes");
        connectors
            .extend(fs::read_dir(folder.join("connectors")).expect("its connector").filter_map(Result::ok).map(|entry| entry.file_name()));
    }
    let count = connectors.len();
    connectors.sort();
    connectors.dedup();
    assert_eq!(connectors.len(), count, "two examples have a connector of one name, and with it a slot of one name");
    assert!(count >= 2, "the examples are not found");
}
