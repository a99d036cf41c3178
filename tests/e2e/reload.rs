//! Connector files that are edited, spoilt, exchanged and deleted while everything runs.

use std::fs;
use std::process::{Command, Output};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::http::get;
use crate::support::postgres::{Database, fresh_database, shared_server};
use crate::support::scene::Scene;
use crate::support::service::{Rowfeed, connector_config, with};
use crate::support::wait_for;

/// A database, and a service with a folder of connector files.
struct World {
    rowfeed: Rowfeed,
    database: Database,
    folder: std::path::PathBuf,
    _home: tempfile::TempDir,
}

fn world(name: &str) -> Option<World> {
    let database = fresh_database(shared_server()?, name);
    database.sql().run("create table t(id int primary key)");
    let home = tempfile::tempdir().expect("a temporary folder");
    let folder = home.path().join("connectors");
    fs::create_dir(&folder).expect("a folder");
    let rowfeed = Rowfeed::start(&["--connectors", &folder.to_string_lossy()]);
    Some(World { rowfeed, database, folder, _home: home })
}

impl World {
    fn config(&self, more: &Value) -> String {
        let config = with(connector_config(&self.database, "srv", "public.t"), &json!({"snapshot.mode": "no_data"}));
        serde_json::to_string_pretty(&with(config, more)).expect("JSON")
    }

    fn write(&self, text: &str) {
        fs::write(self.folder.join("shop.json"), text).expect("written");
    }

    fn run(&self, args: &[&str]) -> Output {
        let server = format!("http://{}", self.rowfeed.http());
        Command::new(env!("CARGO_BIN_EXE_rowfeed")).args(args).args(["--server", &server]).output().expect("the program runs")
    }

    fn option(&self, name: &str) -> Value {
        get(&self.rowfeed.http(), "/connectors/shop/config").expect("an answer").json()[name].clone()
    }

    fn metric(&self, line: &str) -> bool {
        get(&self.rowfeed.http(), "/metrics").expect("an answer").body.contains(line)
    }

    /// The process that reads the slot, on the server's side: the same as long as the session lasts.
    fn reader(&self) -> String {
        let query = format!("select active_pid from pg_replication_slots where slot_name = '{}' and active", self.database.name);
        wait_for("the slot to be read", || Some(self.database.sql().one(&query)).filter(|pid| !pid.is_empty()))
    }
}

#[test]
fn an_edited_file_is_taken_over_by_itself_and_one_with_mistakes_changes_nothing() {
    let Some(world) = world("reload") else { return };
    assert!(world.metric("rowfeed_config_last_reload_successful 1.0"));
    world.write(&world.config(&json!({})));
    wait_for("the new file's connector", || (get(&world.rowfeed.http(), "/connectors/shop").ok()?.status == 200).then_some(()));
    world.rowfeed.wait_until_streaming("shop", &world.database.sql(), &world.database.name);
    let reader = world.reader();

    world.write(&world.config(&json!({"tabel.include.list": "public.t"})));
    let told = wait_for("the mistake to be told", || world.rowfeed.status("shop")["connector"]["trace"].as_str().map(str::to_owned));
    let line = world.config(&json!({"tabel.include.list": ""})).lines().position(|line| line.contains("tabel")).expect("there") + 1;
    assert!(told.contains(&format!("shop.json:{line}:3")) && told.contains("did you mean \"table.include.list\"?"), "{told}");
    let status = world.rowfeed.status("shop");
    assert_eq!((&status["connector"]["state"], &status["tasks"][0]["state"]), (&json!("RUNNING"), &json!("RUNNING")), "{status}");
    wait_for("the metric", || world.metric("rowfeed_config_last_reload_successful 0.0").then_some(()));
    let list = String::from_utf8(world.run(&["connectors", "list"]).stdout).expect("text");
    assert!(list.contains("config/not-taken-over") && list.contains(&format!("shop.json:{line}:3")), "{list}");
    let log = world.rowfeed.log();
    assert!(log.contains("config/not-taken-over") && log.contains(&format!("shop.json:{line}:3")), "{log}");
    let asked = world.run(&["config", "reload"]);
    let error = String::from_utf8(asked.stderr).expect("text");
    assert!(asked.status.code() == Some(2) && error.contains("error[config/unknown-key]") && error.contains("did you mean"), "{error}");
    assert_eq!(world.reader(), reader, "what ran goes on, in the same session");

    world.write(&world.config(&json!({"tombstones.on.delete": "false"})));
    wait_for("the corrected file", || (world.option("tombstones.on.delete") == "false").then_some(()));
    assert_eq!(world.rowfeed.status("shop")["connector"]["trace"], Value::Null);
    wait_for("the metric", || world.metric("rowfeed_config_last_reload_successful 1.0").then_some(()));
    let asked = world.run(&["config", "reload"]);
    assert!(asked.status.success() && String::from_utf8_lossy(&asked.stdout).contains("nothing has changed"), "{asked:?}");
}

#[test]
fn a_deleted_file_stops_its_connector_and_a_folder_that_is_away_stops_none() {
    let Some(world) = world("unfile") else { return };
    world.write(&world.config(&json!({})));
    wait_for("the new file's connector", || (get(&world.rowfeed.http(), "/connectors/shop").ok()?.status == 200).then_some(()));
    world.rowfeed.wait_until_streaming("shop", &world.database.sql(), &world.database.name);
    let away = world.folder.with_extension("away");
    fs::rename(&world.folder, &away).expect("the volume is away");
    wait_for("the folder to be missed", || world.rowfeed.log().contains("config/folder-gone").then_some(()));
    assert_eq!(world.rowfeed.status("shop")["tasks"][0]["state"], "RUNNING");
    fs::rename(&away, &world.folder).expect("it is back");
    wait_for("the folder to be found", || world.metric("rowfeed_config_last_reload_successful 1.0").then_some(()));

    fs::remove_file(world.folder.join("shop.json")).expect("deleted");
    wait_for("the connector to stop", || (world.rowfeed.status("shop")["connector"]["state"] == "STOPPED").then_some(()));
    let slot = &world.database.name;
    let told = world.rowfeed.status("shop")["connector"]["trace"].to_string();
    for text in [told, world.rowfeed.log()] {
        assert!(text.contains("config/file-gone") && text.contains(&format!("rowfeed slots drop {slot}")), "{text}");
    }
    let there = format!("select count(*) from pg_replication_slots where slot_name = '{slot}'");
    assert_eq!(world.database.sql().one(&there), "1");
    world.write(&world.config(&json!({})));
    world.rowfeed.wait_until_streaming("shop", &world.database.sql(), slot);
    assert_eq!(world.rowfeed.status("shop")["connector"]["trace"], Value::Null);
}

#[test]
fn a_file_is_compared_and_applied_with_what_each_change_comes_to() {
    let Some(world) = world("applied") else { return };
    let file = world.folder.with_file_name("shop.json");
    let at = file.to_string_lossy().into_owned();
    let write = |more: Value| {
        let config = with(json!({"database.password": "planted-secret"}), &more);
        fs::write(
            &file,
            json!({"name": "shop", "config": serde_json::from_str::<Value>(&world.config(&config)).expect("JSON")}).to_string(),
        )
        .expect("written");
    };
    let run = |word: &str, more: &[&str]| {
        let out = world.run(&[&["connectors", word, "-f", &at][..], more].concat());
        let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(!text.contains("planted-secret"), "{text}");
        (out.status.code(), text)
    };
    write(json!({}));
    let (code, text) = run("diff", &[]);
    assert!(code == Some(0) && text.contains("shop (new)") && text.contains("+ database.password = ********"), "{text}");
    assert_eq!(get(&world.rowfeed.http(), "/connectors/shop").expect("an answer").status, 404, "a comparison makes nothing");
    assert_eq!(run("apply", &[]).0, Some(0));
    world.rowfeed.wait_until_streaming("shop", &world.database.sql(), &world.database.name);
    assert_eq!(run("diff", &[]), (Some(0), "shop: nothing changes\n".to_owned()));
    let reader = world.reader();

    write(json!({"max.batch.size": "99"}));
    let (_, text) = run("apply", &[]);
    assert!(text.contains("+ max.batch.size = 99   [live]") && text.contains("without interruption"), "{text}");
    assert_eq!((world.option("max.batch.size"), world.reader()), (json!("99"), reader.clone()), "the same session");

    write(json!({"slot.name": "other"}));
    let (code, text) = run("apply", &[]);
    assert!(code == Some(2) && text.contains("[resnapshot]") && text.contains("--yes"), "{text}");
    assert_eq!(world.option("slot.name"), world.database.name.as_str(), "nothing was changed");

    write(json!({"decimal.handling.mode": "string", "heartbeat.interval.ms": "1000"}));
    let (code, text) = run("apply", &[]);
    assert!(code == Some(0) && text.contains("[restart]") && text.contains("[reconnect]") && text.contains("- max.batch.size"), "{text}");
    wait_for("a new session", || (world.reader() != reader).then_some(()));

    write(json!({"decimal.handling.mode": "strnig"}));
    let (code, text) = run("diff", &[]);
    assert!(code == Some(2) && text.contains("shop.json:1:") && text.contains("did you mean \"string\"?"), "{text}");
    let answer = world.run(&["connectors", "diff", "-f", "/nowhere.json"]);
    assert_eq!(answer.status.code(), Some(2));
}

/// Aim: a table that the configuration adds is published and read whole, once, by itself, and the others lose no time
/// worth telling. Method: somebody writes to another table all the while; how old each change is when it is published is
/// in its event.
#[test]
fn a_table_that_is_added_is_read_beside_the_stream_and_holds_up_nobody() {
    let Some(server) = shared_server() else { return };
    let setup = "create table t(id int primary key); create table more(id int primary key, x text);
        insert into more select g, repeat('x', 100) from generate_series(1, 20000) g";
    let tables = json!({"table.include.list": "public.t,public.fence", "snapshot.mode": "initial"});
    let scene = Scene::prepared(server, "added", setup, &tables);
    scene.connect();
    scene.wait_until_streaming();
    // A slot is in use while the snapshot begins, too: what is written behind this row is in no snapshot.
    scene.fence();
    let (stop, stopped) = channel::<()>();
    let writer = scene.database.sql();
    let writing = std::thread::spawn(move || {
        let mut id = 0;
        while stopped.recv_timeout(Duration::from_millis(10)) == Err(RecvTimeoutError::Timeout) {
            id += 1;
            writer.run(&format!("insert into t values({id})"));
        }
        id
    });
    let more = with(scene.config().clone(), &json!({"table.include.list": "public.t,public.fence,public.more"}));
    let answer = scene.rowfeed.put_connector("scene", &more);
    assert_eq!(answer.status, 200, "{}", answer.body);
    wait_for("the added table to be read", || (scene.reader.watermarks(&Scene::topic("more"), 0)?.1 >= 20_000).then_some(()));
    scene.sql.run("insert into more values(0, 'streamed')");
    let added = scene.events("more");
    drop(stop);
    let written: i64 = writing.join().expect("it wrote");
    assert_eq!(Scene::ops(&added), format!("{}c", "r".repeat(20_000)));
    let ids: std::collections::BTreeSet<i64> = added.iter().filter_map(|event| event["after"]["id"].as_i64()).collect();
    assert_eq!(ids.len(), 20_001);
    let others = scene.events("t");
    assert_eq!(Scene::ops(&others), "c".repeat(usize::try_from(written).expect("a count")), "each once, and none read again");
    let age = |event: &Value| event["ts_ms"].as_i64().unwrap_or(i64::MAX) - event["source"]["ts_ms"].as_i64().unwrap_or(0);
    let oldest = others.iter().map(age).max().expect("some");
    eprintln!("the oldest change of another table was published {oldest} ms after its commit");
    assert!(oldest < 5_000, "{oldest} ms");
}
