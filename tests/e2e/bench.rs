//! `rowfeed bench`: every change that it offers comes out, and nothing that it makes stays behind, however it ends.

use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::postgres::{Database, Sql, fresh_database, own_server, programs, shared_server};
use crate::support::{wait_at_most, wait_for};

/// A temporary folder of its own, so that what is left in it can be seen.
fn folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("rowfeed-test-bench-").tempdir().expect("a temporary folder");
    // The server runs as another user when this is root.
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).expect("a folder for all");
    folder
}

fn bench(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rowfeed"));
    command.arg("bench").args(args).env("TMPDIR", folder).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(folder: &Path, args: &[&str]) -> Output {
    bench(folder, args).output().expect("rowfeed starts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn kill(child: &Child, signal: &str) {
    let done = Command::new("sh").arg("-c").arg(format!("kill -s {signal} {}", child.id())).status().expect("sh runs");
    assert!(done.success());
}

/// What of a measurement is in a database: schemas, slots, publications.
fn left_in(database: &Database) -> String {
    database.sql().one(
        "select concat_ws(',', (select string_agg(nspname, ',') from pg_namespace where nspname like 'rowfeed_bench%'), \
         (select string_agg(slot_name, ',') from pg_replication_slots where database = current_database()), \
         (select string_agg(pubname, ',') from pg_publication))",
    )
}

/// No file under this folder, and no process that knows of it.
fn nothing_left(folder: &Path) -> bool {
    let path = folder.display().to_string();
    let knows =
        |entry: &fs::DirEntry| fs::read(entry.path().join("cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(&path));
    let files = fs::read_dir(folder).expect("a folder").count();
    files == 0 && !fs::read_dir("/proc").expect("/proc").filter_map(Result::ok).any(|entry| knows(&entry))
}

#[test]
fn a_short_measurement_loses_nothing_and_leaves_nothing_behind() {
    let Some(server) = shared_server() else { return };
    let (database, folder) = (fresh_database(server, "bench"), folder());
    database.sql().run("create table orders(id int primary key); insert into orders values (1)");
    let url = database.url();
    let args = ["--url", &url, "--rate", "200", "--duration", "2s", "--rows", "3000", "--no-ceiling", "--json"];

    let refused = run(folder.path(), &args);
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("error[bench/user-tables]") && said(&refused).contains("public.orders"), "{}", said(&refused));
    assert_eq!(left_in(&database), "");

    // What an earlier one left when it was killed is told, and left alone: it may be running now.
    database.sql().run("create schema rowfeed_bench_0");
    let done = run(folder.path(), &[&args[..], &["--yes"]].concat());
    assert!(done.status.success(), "{}", said(&done));
    assert!(said(&done).contains("drop schema if exists \"rowfeed_bench_0\" cascade;"), "{}", said(&done));
    database.sql().run("drop schema rowfeed_bench_0");
    let report: Value = serde_json::from_slice(&done.stdout).expect("a document");
    assert_eq!((&report["schema"], &report["database"]["temporary"]), (&"rowfeed/bench@1".into(), &false.into()), "{report:#}");
    let phases = report["phases"].as_array().expect("phases");
    assert_eq!(phases.iter().map(|phase| phase["name"].as_str()).collect::<Vec<_>>(), [Some("insert"), Some("update")]);
    for phase in phases {
        assert_eq!((phase["offered"].as_u64(), phase["captured"].as_u64()), (Some(400), Some(400)), "{report:#}");
        for reader in ["commit_to_kafka", "commit_to_http"] {
            let at = |what: &str| phase[reader][what].as_f64().expect("a time");
            assert!(0.0 < at("max_ms") && at("p50_ms") <= at("p99_ms") && at("p99_ms") <= at("max_ms"), "{phase:#}");
        }
        assert!(phase["rss_bytes"].as_u64() > Some(1 << 20) && phase["cpu_percent"].as_f64() > Some(0.0), "{phase:#}");
    }
    assert_eq!((&report["snapshot"]["rows"], &report["ceiling"]), (&3000.into(), &Value::Null));
    assert!(report["row_bytes"].as_u64() > Some(100), "{report:#}");
    assert_eq!(left_in(&database), "");
    assert_eq!(
        database.sql().one("select string_agg(relname, ',') from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"),
        "orders"
    );
    assert!(nothing_left(folder.path()));
}

#[test]
fn without_a_database_it_measures_with_one_of_its_own_up_to_the_ceiling() {
    if programs().is_none() {
        return;
    }
    let folder = folder();
    let done = run(folder.path(), &["--rate", "8000", "--duration", "1s", "--rows", "1000"]);
    assert!(done.status.success(), "{}", said(&done));
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    for part in
        ["scratch schema rowfeed_bench_", "offered/s", "commit → HTTP stream", "\n  insert", "\n  update", "1,000 rows in", "\nceiling: "]
    {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(nothing_left(folder.path()), "{text}");
}

#[test]
fn ctrl_c_takes_everything_away() {
    let Some(server) = shared_server() else { return };
    let (database, folder) = (fresh_database(server, "bench"), folder());
    let mut child = bench(folder.path(), &["--url", &database.url(), "--rate", "200", "--duration", "10m", "--rows", "1000"])
        .spawn()
        .expect("rowfeed starts");
    wait_for("the capture", || {
        database.sql().one("select count(*) from pg_stat_replication where state = 'streaming'").ne("0").then_some(())
    });
    wait_for("the slot", || left_in(&database).contains(',').then_some(()));
    kill(&child, "INT");
    let status = wait_at_most(Duration::from_secs(30), "the end", || child.try_wait().expect("a child can be waited for"));
    let mut text = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut text).expect("text");
    assert_eq!(status.code(), Some(130), "{text}");
    assert_eq!(left_in(&database), "", "{text}");
    assert!(nothing_left(folder.path()), "{text}");
}

/// Aim: no process is left even by SIGKILL. Method: with a server of its own, so that there is no database to clean.
#[test]
fn not_even_a_kill_leaves_a_process() {
    if programs().is_none() {
        return;
    }
    let folder = folder();
    let mut child = bench(folder.path(), &["--rate", "200", "--duration", "10m", "--rows", "1000"]).spawn().expect("rowfeed starts");
    let runs = |entry: fs::DirEntry| entry.path().join("service.log").exists();
    wait_for("the service", || fs::read_dir(folder.path()).expect("a folder").filter_map(Result::ok).any(runs).then_some(()));
    kill(&child, "KILL");
    child.wait().expect("it ends");
    wait_at_most(Duration::from_secs(30), "everything to go", || nothing_left(folder.path()).then_some(()));
}

#[test]
fn what_cannot_be_measured_is_said_before_anything_is_done() {
    let folder = folder();
    for args in [
        &["--duration", "0s"][..],
        &["--duration", "11m"],
        &["--duration", "fast"],
        &["--rate", "0"],
        &["--rows", "0"],
        &["--url", "mysql://h/d"],
        &["--speed", "1"],
    ] {
        let refused = run(folder.path(), args);
        assert_eq!(refused.status.code(), Some(2), "{args:?}: {}", said(&refused));
    }
    let away = run(folder.path(), &["--url", "postgres://u@127.0.0.1:1/d"]);
    assert_eq!(away.status.code(), Some(4), "{}", said(&away));
    assert!(said(&away).contains("error[pg/refused]"), "{}", said(&away));
    assert!(nothing_left(folder.path()));

    let Some(server) = own_server(false, &[("wal_level", "replica"), ("max_wal_senders", "0")]) else { return };
    let database = Database { port: server.port(), name: "postgres".into() };
    let refused = run(folder.path(), &["--url", &database.url(), "--rows", "10"]);
    assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    for part in ["error[pg/wal-level]", "ALTER SYSTEM SET wal_level", "error[pg/senders-full]"] {
        assert!(said(&refused).contains(part), "{part} is not in\n{}", said(&refused));
    }
    // A role that may not even make a schema is told what would let it.
    Sql::connect(&database.url()).run("create role cdc login replication");
    let refused = run(folder.path(), &["--url", &database.url().replace("postgres@", "cdc@"), "--rows", "10"]);
    assert!(said(&refused).contains("grant create on database \"postgres\" to \"cdc\";"), "{}", said(&refused));
    assert_eq!(left_in(&database), "");
    assert!(nothing_left(folder.path()));
}
