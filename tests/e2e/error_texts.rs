//! What a person reads when something is wrong, word for word: from the real program, service and server.
//!
//! Aim: each mistake of the first days names the place, the cause and the next step, and no change makes one of the texts worse
//! unseen. Method: all of them are brought about, what differs from run to run (ports, process ids, LSNs) is masked, and the whole
//! is compared with `error_texts.txt`; with `ROWFEED_ACCEPT=1` that file is written instead, for a person to read. The texts of
//! wrong files and settings alone are in `tests/bad_input.rs`.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use regex::Regex;
use serde_json::{Value, json};

use crate::support::http::request;
use crate::support::postgres::{fresh_database, own_server};
use crate::support::service::{Rowfeed, connector_config, with};
use crate::support::wait_for;

const EXPECTED: &str = "tests/e2e/error_texts.txt";

/// The texts so far, under their names.
struct Texts {
    all: String,
    masks: Vec<(Regex, &'static str)>,
}

impl Texts {
    fn new(folders: &[&Path]) -> Self {
        let mask = |pattern: &str, with: &'static str| (Regex::new(pattern).expect("an expression"), with);
        let mut masks: Vec<_> = folders.iter().map(|folder| mask(&regex::escape(&format!("{}", folder.display())), "DIR")).collect();
        masks.push(mask(r"\bshop_\d+\b", "shop"));
        masks.push(mask(r"127\.0\.0\.1:\d{2,}", "HOST:PORT"));
        masks.push(mask(r"\bpid \d+", "pid 812"));
        masks.push(mask(r"pg_terminate_backend\(\d+\)", "pg_terminate_backend(812)"));
        masks.push(mask(r"\b[0-9A-F]+/[0-9A-F]{4,}\b", "0/1A2B3C8"));
        masks.push(mask(r"\b(for|about) \d+ s\b", "$1 3 s"));
        masks.push(mask(r"\b\d+(\.\d+)? (bytes|B|KiB|MiB)\b", "16 MiB"));
        Self { all: String::new(), masks }
    }

    fn add(&mut self, name: &str, text: &str) {
        let masked = self.masks.iter().fold(text.trim_end().to_owned(), |text, (mask, with)| mask.replace_all(&text, *with).into_owned());
        self.all.push_str(&format!("## {name}\n{masked}\n\n"));
    }

    /// What the program says on stderr when it refuses.
    fn program(&mut self, name: &str, args: &[&str], folder: &Path) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rowfeed"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ROWFEED_")) {
            command.env_remove(name);
        }
        let done = command.args(args).current_dir(folder).env("XDG_CONFIG_HOME", folder).stdin(Stdio::null()).output().expect("it starts");
        assert!(!done.status.success(), "{args:?}");
        let (out, error) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        let lines: Vec<&str> = error.lines().filter(|line| !line.starts_with('{')).collect();
        self.add(name, &format!("exit code {}\n{out}{}", done.status.code().unwrap_or(-1), lines.join("\n")));
    }

    /// What stands in the trace of a connector that is made so.
    fn connector(&mut self, rowfeed: &Rowfeed, code: &str, config: &Value) {
        let name = code.replace(['/', ' '], "-");
        let answer = rowfeed.put_connector(&name, config);
        if answer.status >= 300 {
            // What leads nowhere is refused when the connector is made.
            let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
            assert!(message.contains(code), "{code}: {} {}", answer.status, answer.body);
            return self.add(&name, &format!("HTTP {}\n{message}", answer.status));
        }
        let (code, _) = code.split_once(' ').unwrap_or((code, ""));
        let trace = wait_for(code, || {
            let status = rowfeed.status(&name);
            status["tasks"][0]["trace"].as_str().filter(|trace| trace.starts_with(code)).map(str::to_owned)
        });
        self.add(&name, &trace);
        request(&rowfeed.http(), "DELETE", &format!("/connectors/{name}"), None).expect("an answer");
    }
}

/// A process that is ended with the test.
struct Reader(Child);

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn every_error_names_its_cause_and_the_next_step() {
    if std::env::var("ROWFEED_PG").is_ok_and(|major| !major.is_empty()) {
        return eprintln!("skipped: the server's own words differ from version to version");
    }
    let settings = [("max_replication_slots", "4"), ("max_slot_wal_keep_size", "64MB")];
    let Some(server) = own_server(false, &settings) else { return };
    let Some(replica) = own_server(false, &[("wal_level", "replica")]) else { return };
    let database = fresh_database(&server, "shop");
    let sql = database.sql();
    sql.run("create table orders(id int primary key); create table customers(id int primary key); create table clicks(at int)");
    sql.run("create role cdc login replication password 'right'; create role banned login replication; create role weak login");
    sql.run("create role guest login replication; grant select on all tables in schema public to guest, weak; grant create on schema public to guest");
    let hba = sql.one("select current_setting('hba_file')");
    let rules = fs::read_to_string(&hba).expect("the server's rules");
    let own = "host all cdc 127.0.0.1/32 scram-sha-256\nhost all banned 127.0.0.1/32 reject\n";
    fs::write(&hba, format!("{own}{rules}")).expect("written");
    sql.run("select pg_reload_conf()");

    let rowfeed = Rowfeed::start(&[]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut texts = Texts::new(&[rowfeed.home(), folder.path()]);
    let config = |more: Value| with(connector_config(&database, "shop", "public.orders"), &more);

    // The program alone.
    let file = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    file("shop.toml", "name = \"shop\"\nurl = \"postgres://cdc:p@ss/word@db/shop\"\n");
    file("keys.toml", "url = \"postgres://cdc@db/shop\"\ntabels = [\"public.orders\"]\n");
    file("slot.toml", "url = \"postgres://cdc@db/shop\"\nslot = \"Shop-A\"\n");
    let here = folder.path();
    texts.program("url-scheme", &["check", "mysql://root@db/shop"], here);
    texts.program("url-parse", &["connectors", "validate", "shop.toml"], here);
    texts.program("unknown-key", &["connectors", "validate", "keys.toml"], here);
    texts.program("slot-name", &["connectors", "validate", "slot.toml"], here);
    texts.program("unreachable", &["status", "--server", "127.0.0.1:1"], here);
    texts.program("unknown-code", &["explain", "pg/wal-lvel"], here);
    texts.program("unknown-word", &["conectors", "list"], here);
    texts.program("unknown-flag", &["topics", "list", "--jsn"], here);
    texts.program("data-is-a-file", &["run", "--data", "shop.toml", "--http", "127.0.0.1:0", "--kafka", "127.0.0.1:0"], here);
    let guarded = Rowfeed::start(&["--set", "http.auth=token"]);
    texts.program("no-token", &["status", "--server", &guarded.http()], here);
    drop(guarded);
    let at = rowfeed.http();
    texts.program("unknown-topic", &["topics", "show", "shop.public.order", "--server", &at], here);
    texts.program("unknown-connector", &["connectors", "pause", "shop", "--server", &at], here);
    texts.program("port-in-use", &["run", "--http", &at, "--kafka", "127.0.0.1:0"], here);
    let data = rowfeed.data().display().to_string();
    texts.program("data-locked", &["run", "--data", &data, "--http", "127.0.0.1:0", "--kafka", "127.0.0.1:0"], here);

    // Connectors.
    // Nothing else should listen there; if something does, it is as good.
    let _usual = TcpListener::bind("127.0.0.77:5432");
    texts.connector(&rowfeed, "pg/refused", &config(json!({"database.hostname": "127.0.0.77", "database.port": "5433"})));
    let password = folder.path().join("password");
    fs::write(&password, "wrong\n\n").expect("written");
    let from_file = format!("${{file:{}}}", password.display());
    texts.connector(&rowfeed, "pg/auth", &config(json!({"database.user": "cdc", "database.password": from_file})));
    texts.connector(&rowfeed, "pg/hba", &config(json!({"database.user": "banned"})));
    texts.connector(&rowfeed, "pg/role-replication", &config(json!({"database.user": "weak"})));
    texts.connector(&rowfeed, "pg/publication", &config(json!({"database.user": "guest"})));
    texts.connector(&rowfeed, "pg/no-tables", &config(json!({"table.include.list": "public.order"})));
    texts.connector(&rowfeed, "pg/identity-missing", &config(json!({"table.include.list": "public.orders,public.clicks"})));
    let elsewhere = fresh_database(&replica, "shop");
    elsewhere.sql().run("create table orders(id int primary key)");
    texts.connector(&rowfeed, "pg/wal-level", &connector_config(&elsewhere, "shop", "public.orders"));

    sql.run("select pg_create_logical_replication_slot('shop_slot', 'pgoutput'); create publication p for table orders");
    let mut reader = server.program("pg_recvlogical");
    reader.args(["-h", "127.0.0.1", "-p", &database.port.to_string(), "-U", "postgres", "-d", &database.name, "-S", "shop_slot"]);
    reader.args(["--start", "-f", "/dev/null", "-o", "proto_version=1", "-o", "publication_names=p"]);
    let reader = Reader(reader.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts"));
    let active = || sql.one("select coalesce(bool_or(active), false) from pg_replication_slots where slot_name = 'shop_slot'") == "t";
    wait_for("the slot to be read", || active().then_some(()));
    texts.connector(&rowfeed, "pg/slot-active", &config(json!({"slot.name": "shop_slot"})));
    drop(reader);
    wait_for("the slot to be free", || (!active()).then_some(()));

    sql.run("select pg_create_physical_replication_slot(name, true) from unnest(array['old_dbz', 'test_slot', 'third']) as name");
    texts.connector(&rowfeed, "pg/slots-full", &config(json!({"slot.name": "one_more"})));
    sql.run("select pg_drop_replication_slot(slot_name) from pg_replication_slots where not active");

    let moved = config(json!({"slot.name": "moved"}));
    assert_eq!(rowfeed.put_connector("moved", &moved).status, 201);
    streams(&rowfeed, "moved");
    sql.run("insert into orders values(1)");
    let verb = |verb: &str| request(&rowfeed.http(), "PUT", &format!("/connectors/moved/{verb}"), None).expect("an answer");
    verb("stop");
    wait_for("the slot to be left", || (sql.one("select active from pg_replication_slots where slot_name = 'moved'") == "f").then_some(()));
    texts.program("not-confirmed", &["slots", "drop", "moved", "--server", &at], here);
    texts.program("unknown-slot", &["slots", "drop", "move", "--server", &at, "--yes"], here);
    sql.run("select pg_drop_replication_slot('moved')");
    verb("resume");
    texts.add("slot-gone", &rowfeed.wait_until_failed("moved"));
    request(&rowfeed.http(), "DELETE", "/connectors/moved", None).expect("an answer");

    let verb = |verb: &str| request(&rowfeed.http(), "PUT", &format!("/connectors/lost/{verb}"), None).expect("an answer");
    assert_eq!(rowfeed.put_connector("lost", &config(json!({"slot.name": "lost"}))).status, 201);
    streams(&rowfeed, "lost");
    sql.run("insert into orders values(2)");
    verb("stop");
    wait_for("the slot to be left", || (sql.one("select active from pg_replication_slots where slot_name = 'lost'") == "f").then_some(()));
    // More WAL than max_slot_wal_keep_size lets the slot keep.
    for segment in 0..8 {
        sql.run(&format!("insert into orders values(10 + {segment})"));
        sql.run("select pg_switch_wal()");
    }
    sql.run("checkpoint");
    verb("resume");
    texts.add("wal-lost", &rowfeed.wait_until_failed("lost"));

    compare(&texts.all);
}

/// Waits until a connector's snapshot is behind it.
fn streams(rowfeed: &Rowfeed, name: &str) {
    let state = || request(&rowfeed.http(), "GET", &format!("/v1/connectors/{name}"), None).expect("an answer").json()["state"].clone();
    wait_for("the connector to stream", || (state() == "streaming").then_some(()));
}

fn compare(said: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(EXPECTED);
    if std::env::var_os("ROWFEED_ACCEPT").is_some() {
        return fs::write(file, said).expect("written");
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    let sections = |text: &str| text.split("## ").map(str::to_owned).collect::<Vec<_>>();
    let (said, expected) = (sections(said), sections(&expected));
    let differ = |at: &usize| said.get(*at) != expected.get(*at);
    let first = (0..said.len().max(expected.len())).find(differ);
    if let Some(at) = first {
        let show = |texts: &[String]| texts.get(at).cloned().unwrap_or_default();
        panic!("--- said\n{}\n--- expected ({EXPECTED})\n{}", show(&said), show(&expected));
    }
}
