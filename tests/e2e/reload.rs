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
    let (reader, restarts) = (walsender(&scene), restarts(&scene));
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
    assert_eq!((walsender(&scene), self::restarts(&scene)), (reader, restarts), "the same replication session, the same task");
}

/// The server's process that reads the slot.
fn walsender(scene: &Scene) -> String {
    scene.sql.one(&format!("select active_pid from pg_replication_slots where slot_name = '{}'", scene.slot()))
}

/// How often the task was begun again, as the metric has it.
fn restarts(scene: &Scene) -> String {
    let page = get(&scene.rowfeed.http(), "/metrics").expect("an answer").body;
    let line = page.lines().find(|line| line.starts_with("rowfeed_connector_restarts_total"));
    line.unwrap_or_else(|| panic!("no such metric: {page}")).to_owned()
}

fn put_tables(scene: &Scene, tables: &str) {
    let config = with(scene.config().clone(), &json!({"table.include.list": tables}));
    let answer = scene.rowfeed.put_connector("scene", &config);
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// Aim: lists are taken up live in both directions, and what is slow in the database holds up nobody. Method: one table goes,
/// comes back with what changed meanwhile, and one that is added is locked by somebody while others stream.
#[test]
fn tables_go_and_come_back_without_a_restart_and_a_lock_delays_one_table_only() {
    let Some(server) = shared_server() else { return };
    let setup = "create table t(id int primary key, x int); create table gone(id int primary key); create table held(id int primary key);
        insert into held values (1), (2)";
    let tables = json!({"table.include.list": "public.t,public.gone,public.fence", "snapshot.mode": "initial"});
    let scene = Scene::prepared(server, "livetables", setup, &tables);
    scene.connect();
    scene.wait_until_streaming();
    scene.fence();
    let (reader, restarts) = (walsender(&scene), restarts(&scene));
    scene.sql.run("insert into gone values (1)");
    assert_eq!(scene.events("gone").len(), 1);

    put_tables(&scene, "public.t,public.fence");
    let published = format!("select count(*) from pg_publication_tables where pubname = '{}' and tablename = 'gone'", scene.slot());
    wait_for("the publication to lose it", || (scene.sql.one(&published) == "0").then_some(()));
    scene.sql.run("insert into gone values (2); delete from gone where id = 1; insert into t values (1)");
    assert_eq!((scene.events("gone").len(), scene.events("t").len()), (1, 1));

    let holder = scene.database.sql();
    holder.run("begin; lock table held in access exclusive mode");
    put_tables(&scene, "public.t,public.fence,public.gone,public.held");
    for id in 2..20 {
        scene.sql.run(&format!("insert into t values ({id})"));
        scene.fence();
    }
    assert_eq!(scene.events("t").len(), 19, "the others stream on");
    holder.run("commit");
    let held = wait_for("the rows of the locked table", || Some(scene.events("held")).filter(|events| events.len() == 2));
    assert_eq!(Scene::ops(&held), "rr");
    let gone = wait_for("what came back", || Some(scene.events("gone")).filter(|events| events.len() == 2));
    assert_eq!((Scene::ops(&gone).as_str(), &gone[1]["after"]["id"]), ("cr", &json!(2)));
    scene.sql.run("insert into gone values (3)");
    assert_eq!(Scene::ops(&scene.events("gone")), "crc");
    assert_eq!((walsender(&scene), self::restarts(&scene)), (reader, restarts), "the same replication session, the same task");
}

/// What is left out before the database is told of a list is read when the list changes back before it is.
#[test]
fn a_table_that_is_taken_out_and_back_before_the_database_is_told_misses_nothing() {
    let Some(server) = shared_server() else { return };
    let setup = "create table gone(id int primary key); create table held(id int primary key)";
    let before = "public.gone,public.fence";
    let scene = Scene::prepared(server, "outandback", setup, &json!({"table.include.list": before, "snapshot.mode": "initial"}));
    scene.connect();
    scene.wait_until_streaming();
    scene.fence();
    let holder = scene.database.sql();
    holder.run("begin; lock table held in access exclusive mode");
    put_tables(&scene, "public.held,public.fence");
    let taken_up = || scene.rowfeed.log().matches("other tables are captured from now on").count();
    wait_for("the list to be taken up", || (taken_up() == 1).then_some(()));
    wait_for("a change that is left out", || {
        scene.sql.run("insert into gone select coalesce(max(id), 0) + 1 from gone");
        let written: usize = scene.sql.one("select count(*) from gone").parse().expect("a number");
        (scene.events("gone").len() < written).then_some(())
    });
    put_tables(&scene, before);
    // The database still has not been told of the list between.
    wait_for("the first list to be taken up again", || (taken_up() == 2).then_some(()));
    holder.run("commit");
    let written: usize = scene.sql.one("select count(*) from gone").parse().expect("a number");
    wait_for("what was left out", || {
        let events = scene.events("gone");
        let ids: std::collections::BTreeSet<_> = events.iter().map(|event| event["after"]["id"].as_i64()).collect();
        (ids.len() == written).then_some(())
    });
}

/// Aim: whenever the process is killed behind the answer, the rows of an added table are read once. Method: table after table
/// is added, and the process killed a little later each time.
#[test]
fn an_added_table_is_read_once_whenever_the_process_is_killed() {
    let Some(server) = shared_server() else { return };
    let delays = [0, 3, 8, 15, 30, 60];
    let table =
        |number: usize| format!("create table a{number}(id int primary key); insert into a{number} select generate_series(1, 3000);");
    let setup: String = (0..=delays.len()).map(table).collect();
    let more = json!({"table.include.list": "public.fence", "snapshot.mode": "initial", "incremental.snapshot.chunk.size": "200"});
    let mut scene = Scene::prepared(server, "addkilled", &setup, &more);
    scene.connect();
    scene.wait_until_streaming();
    scene.fence();
    let mut tables = "public.fence".to_owned();
    for (number, delay) in delays.into_iter().enumerate() {
        tables.push_str(&format!(",public.a{number}"));
        put_tables(&scene, &tables);
        std::thread::sleep(Duration::from_millis(delay));
        scene.rowfeed.kill();
        scene.rowfeed.run();
        scene.rowfeed.wait_until_ready();
    }
    // The last one is added while nothing runs but the registry.
    let server = format!("http://{}", scene.rowfeed.http());
    for word in ["stop", "resume"] {
        let done = Command::new(env!("CARGO_BIN_EXE_rowfeed")).args(["connectors", word, "scene", "--server", &server]).output();
        assert!(done.expect("it runs").status.success(), "{word}");
        put_tables(&scene, &format!("{tables},public.a{}", delays.len()));
    }
    for number in 0..=delays.len() {
        let topic = Scene::topic(&format!("a{number}"));
        wait_for("the rows", || (scene.reader.watermarks(&topic, 0)?.1 >= 3000).then_some(()));
    }
    for number in 0..=delays.len() {
        let events = scene.events(&format!("a{number}"));
        let ids: std::collections::BTreeSet<_> = events.iter().map(|event| event["after"]["id"].as_i64()).collect();
        assert_eq!((events.len(), ids.len(), Scene::ops(&events).contains('c')), (3000, 3000, false), "a{number}");
    }
}

/// Aim: what transactions write that were open when a table was added is not lost, nor what comes behind them. Method: such a
/// transaction writes to the new table, and another one behind it.
#[test]
fn transactions_that_were_open_when_a_table_was_added_lose_nothing() {
    let Some(server) = shared_server() else { return };
    let setup = "create table t(id int primary key); create table late(id int primary key); insert into late values (1)";
    let scene =
        Scene::prepared(server, "addopen", setup, &json!({"table.include.list": "public.t,public.fence", "snapshot.mode": "initial"}));
    scene.connect();
    scene.wait_until_streaming();
    scene.fence();
    let open = scene.database.sql();
    open.run("begin; insert into t values (1)");
    put_tables(&scene, "public.t,public.fence,public.late");
    wait_for("the rows to be asked for", || scene.rowfeed.log().contains("their rows are read beside the stream").then_some(()));
    open.run("insert into late values (2); commit");
    scene.sql.run("insert into late values (3)");
    wait_for("the rows", || scene.rowfeed.log().contains("incremental snapshot over").then_some(()));
    scene.sql.run("insert into late values (4)");
    let ids: std::collections::BTreeSet<_> = scene.events("late").iter().filter_map(|event| event["after"]["id"].as_i64()).collect();
    assert_eq!(ids, [1, 2, 3, 4].into());
}

/// The same by a file.
#[test]
fn a_table_that_a_file_adds_is_taken_up_in_the_same_session() {
    let Some(world) = world("fileadds") else { return };
    world.database.sql().run("create table more(id int primary key); insert into more values (1), (2)");
    world.write(&world.config(&json!({"snapshot.mode": "initial"})));
    wait_for("the new file's connector", || (get(&world.rowfeed.http(), "/connectors/shop").ok()?.status == 200).then_some(()));
    world.rowfeed.wait_until_streaming("shop", &world.database.sql(), &world.database.name);
    wait_for("streaming", || world.metric("rowfeed_connector_state{connector=\"shop\",state=\"streaming\"} 1.0").then_some(()));
    let reader = world.reader();
    world.write(&world.config(&json!({"snapshot.mode": "initial", "table.include.list": "public.t,public.more"})));
    let kafka = crate::support::reader::Reader::new(world.rowfeed.kafka());
    wait_for("the added table's rows", || (kafka.watermarks("srv.public.more", 0)?.1 == 2).then_some(()));
    assert_eq!((world.reader(), world.rowfeed.status("shop")["connector"]["trace"].clone()), (reader, Value::Null));
}

/// `rowfeed.toml` is followed, too: what can be taken over is, the rest is told by name, and mistakes change nothing.
#[test]
fn the_services_own_file_is_followed() {
    let mut rowfeed = Rowfeed::start(&[]);
    rowfeed.stop();
    let file = rowfeed.home().join("rowfeed.toml");
    let write = |text: &str| fs::write(&file, text).expect("written");
    let level = |rowfeed: &Rowfeed| get(&rowfeed.http(), "/admin/loggers/root").ok().map(|answer| answer.json()["level"].clone());
    write("[logging]\nlevel = \"warn\"\n");
    rowfeed.run();
    rowfeed.wait_until_ready();
    assert_eq!(level(&rowfeed), Some(json!("WARN")));
    write("[logging]\nlevel = \"info\"\n[topics]\npartitions = 3\n");
    wait_for("the level", || (level(&rowfeed) == Some(json!("INFO"))).then_some(()));
    wait_for("the rest", || rowfeed.log().contains("they need a restart").then_some(()));
    let log = rowfeed.log();
    let told = log.lines().find(|line| line.contains("they need a restart")).expect("told");
    assert!(told.contains("topics.partitions") && !told.contains("logging.level") && told.contains("rowfeed.toml"), "{told}");
    let told = get(&rowfeed.http(), "/v1/config").expect("an answer").json();
    assert_eq!((&told["read"]["needs_restart"], &told["read"]["successful"]), (&json!(["topics.partitions"]), &json!(true)), "{told:#}");
    let of_level = told["items"].as_array().expect("items").iter().find(|item| item["name"] == "logging.level").expect("listed").clone();
    assert_eq!((&of_level["value"], &of_level["line"]), (&json!("info"), &json!(2)), "what holds now: {of_level}");
    write("[logging]\nlevle = \"debug\"\n");
    wait_for("the mistake", || rowfeed.log().contains("the settings are not taken over").then_some(()));
    let log = rowfeed.log();
    let told = log.lines().find(|line| line.contains("not taken over")).expect("told");
    assert!(told.contains("rowfeed.toml:2:1") && told.contains("logging.level"), "{told}");
    let told = get(&rowfeed.http(), "/v1/config").expect("an answer").json();
    assert_eq!(
        (&told["read"]["successful"], &told["read"]["problems"][0]["code"]),
        (&json!(false), &json!("config/unknown-key")),
        "{told:#}"
    );
    assert_eq!(level(&rowfeed), Some(json!("INFO")));
}
