//! The first minute: `rowfeed demo` shows a change soon and leaves nothing behind.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rowfeed::demo::cluster::free_port;

use crate::support::{http, postgres, wait_at_most};

#[test]
fn the_demo_shows_its_first_change_within_ten_seconds_and_leaves_nothing_behind() {
    if postgres::programs().is_none() {
        return;
    }
    let folder = tempfile::Builder::new().prefix("rowfeed-test-demo-").tempdir().expect("a temporary folder");
    // The server runs as another user when this is root.
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).expect("a folder for all");
    let addresses = [(); 2].map(|()| format!("127.0.0.1:{}", free_port().expect("a port")));
    let began = Instant::now();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_rowfeed"))
        .args(["demo", "--kafka", &addresses[0], "--http", &addresses[1]])
        .env("TMPDIR", folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the rowfeed binary starts");
    let mut lines = BufReader::new(demo.stdout.take().expect("a pipe")).lines();
    let first = lines.next().expect("a line").expect("text");
    let took = began.elapsed();
    println!("the first change after {took:?}: {first}");
    assert!(took < Duration::from_secs(10), "the first change took {took:?}");
    assert!(["INSERT", "UPDATE", "DELETE"].iter().any(|word| first.contains(word)), "{first}");
    assert_eq!(http::get(&addresses[1], "/readyz").expect("an answer").status, 200);
    let drain = std::thread::spawn(move || lines.count());

    let ended = Command::new("sh").arg("-c").arg(format!("kill -s TERM {}", demo.id())).status().expect("sh runs");
    assert!(ended.success());
    let status = wait_at_most(Duration::from_secs(10), "the demo to end", || demo.try_wait().expect("a child can be waited for"));
    let mut said = String::new();
    std::io::Read::read_to_string(&mut demo.stderr.take().expect("a pipe"), &mut said).expect("text");
    assert!(status.success(), "{status}: {said}");
    for way in ["/ui/", "rowfeed tail shop.public.orders", "kcat -b", "curl -N"] {
        assert!(said.contains(way), "{way} is not in\n{said}");
    }
    assert!(drain.join().expect("the reader ends") > 0, "more lines came");
    let left: Vec<_> = fs::read_dir(folder.path()).expect("a folder").filter_map(Result::ok).map(|entry| entry.path()).collect();
    assert!(left.is_empty(), "left behind: {left:?}");
    let path = folder.path().display().to_string();
    let processes = fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let own =
        processes.filter(|entry| fs::read(entry.path().join("cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(&path)));
    assert_eq!(own.count(), 0, "a process is left");
}

#[test]
fn the_demo_on_a_given_server_leaves_neither_slot_nor_database_and_shows_no_password() {
    let Some(server) = postgres::own_server(false, &[("max_connections", "50")]) else { return };
    let url = server.url("postgres").replace("postgres@", "postgres:hunter2@");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let addresses = [(); 2].map(|()| format!("127.0.0.1:{}", free_port().expect("a port")));
    let mut demo = Command::new(env!("CARGO_BIN_EXE_rowfeed"))
        .args(["demo", "--url", &url, "--kafka", &addresses[0], "--http", &addresses[1], "--rows", "10"])
        .env("TMPDIR", folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the rowfeed binary starts");
    let mut lines = BufReader::new(demo.stdout.take().expect("a pipe")).lines();
    lines.next().expect("a change").expect("text");
    let drain = std::thread::spawn(move || lines.count());
    let ended = Command::new("sh").arg("-c").arg(format!("kill -s TERM {}", demo.id())).status().expect("sh runs");
    assert!(ended.success());
    let status = wait_at_most(Duration::from_secs(30), "the demo to end", || demo.try_wait().expect("a child can be waited for"));
    let mut said = String::new();
    std::io::Read::read_to_string(&mut demo.stderr.take().expect("a pipe"), &mut said).expect("text");
    assert!(status.success(), "{status}: {said}");
    assert!(said.contains("psql postgres://postgres@") && !said.contains("hunter2"), "{said}");
    drain.join().expect("the reader ends");
    let sql = postgres::Sql::connect(&server.url("postgres"));
    assert_eq!(sql.one("select count(*) from pg_replication_slots"), "0");
    assert_eq!(sql.one("select count(*) from pg_database where datname like 'rowfeed%'"), "0");
}
