//! Where a row stands now, by its key: as PostgreSQL has it, at once, after a kill, and when it changes.

use std::process::{Command, Output};

use serde_json::json;

use crate::support::http::{Response, get, request_for};
use crate::support::postgres::{fresh_database, shared_server};
use crate::support::scene::Scene;
use crate::support::service::{Rowfeed, connector_config};
use crate::support::wait_for;

fn at(service: &Rowfeed, topic: &str, rest: &str) -> Response {
    get(&service.http(), &format!("/v1/topics/{topic}/keys/{rest}")).expect("an answer")
}

fn tag(response: &Response) -> String {
    let line = response.head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("etag:").map(|tag| tag.trim().to_owned()));
    line.unwrap_or_else(|| panic!("no ETag: {}", response.head)).trim_matches('"').to_owned()
}

fn cli(service: &Rowfeed, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rowfeed"));
    command.args(arguments).arg("--utc").env("ROWFEED_SERVER", format!("http://{}", service.http()));
    let Output { status, stdout, stderr } = command.output().expect("it runs");
    (status.code(), String::from_utf8_lossy(&stdout).trim().to_owned(), String::from_utf8_lossy(&stderr).into_owned())
}

#[test]
fn a_row_is_found_by_its_key_as_it_stands_now() {
    let setup = "create table orders(id int primary key, status text); alter table orders replica identity full;
        create table lines(\"order\" int, line text, n int, primary key (\"order\", line));
        create table codes(code text primary key, n int)";
    let Some(mut scene) = Scene::start("keys", setup, &json!({"skipped.operations": "none"})) else { return };
    let (orders, lines, codes) = (Scene::topic("orders"), Scene::topic("lines"), Scene::topic("codes"));
    scene.sql.run("insert into orders select n, 'new' from generate_series(1, 500) n; update orders set status = 'paid' where id = 42");
    scene.sql.run("insert into lines values (7, 'a b', 1); insert into codes values ('42', 1), ('x/y', 2), ('gone', 3)");
    scene.sql.run("delete from orders where id = 43; delete from codes where code = 'gone'");
    scene.fence();

    let found = at(&scene.rowfeed, &orders, "42");
    assert_eq!(found.status, 200, "{}", found.body);
    let record = found.json();
    assert_eq!((&record["op"], &record["value"]["after"]["status"], &record["offset"]), (&json!("u"), &json!("paid"), &json!(500)));
    assert_eq!((tag(&found), record["key"].clone()), ("0:500".to_owned(), json!({"id": 42})));
    assert_eq!(at(&scene.rowfeed, &orders, "%7B%22id%22%3A%2042%7D").json(), record, "JSON, with a space");
    let flat = at(&scene.rowfeed, &orders, "42?view=flat").json();
    assert_eq!((&flat["id"], &flat["status"], &flat["_op"]), (&json!(42), &json!("paid"), &json!("u")));
    assert_eq!(at(&scene.rowfeed, &orders, "42?view=diff").json()["changed"]["status"], json!(["new", "paid"]));
    assert_eq!(at(&scene.rowfeed, &orders, "42?view=x").status, 400);
    let line = at(&scene.rowfeed, &lines, "%7B%22line%22:%22a%20b%22,%22order%22:7%7D");
    assert_eq!(line.json()["value"]["after"]["n"], 1, "in another order of its columns: {}", line.body);
    assert_eq!(at(&scene.rowfeed, &codes, "42").json()["value"]["after"]["n"], 1, "a text that looks like a number");
    assert_eq!(at(&scene.rowfeed, &codes, "x%2Fy").json()["value"]["after"]["n"], 2);

    let gone = at(&scene.rowfeed, &orders, "43");
    assert_eq!(gone.status, 404);
    let said = gone.json();
    // The tombstone behind the delete.
    assert_eq!((&said["code"], &said["deleted"], &said["offset"]), (&json!("key/deleted"), &json!(true), &json!(502)));
    let never = at(&scene.rowfeed, &orders, "9999");
    assert_eq!((never.status, &never.json()["code"]), (404, &json!("key/unknown")));
    assert_eq!(at(&scene.rowfeed, "srv.public.none", "1").status, 404);
    assert_eq!(at(&scene.rowfeed, &orders, "42?wait=2h").status, 400);

    let (code, shown, said) = cli(&scene.rowfeed, &["get", &orders, "42"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(shown.starts_with("srv.public.orders  0:500") && shown.ends_with("status  paid   (was new)"), "{shown}");
    let (code, _, said) = cli(&scene.rowfeed, &["get", &orders, "43"]);
    assert!(code == Some(5) && said.contains("key/deleted") && said.contains("srv.public.orders:0:502"), "{code:?} {said}");
    assert_eq!(cli(&scene.rowfeed, &["get", &orders, "9999", "--wait", "10ms"]).0, Some(5));
    let (_, json, _) = cli(&scene.rowfeed, &["get", &lines, "{\"order\":7,\"line\":\"a b\"}", "--json"]);
    assert!(json.contains("\"a b\""), "{json}");

    // Killed, it knows the same, and what came in between.
    scene.rowfeed.kill();
    scene.sql.run("update orders set status = 'sent' where id = 42");
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    wait_for("the change made meanwhile", || {
        let found = at(&scene.rowfeed, &orders, "42?newer_than=0:500");
        (found.status == 200).then(|| assert_eq!(found.json()["value"]["after"]["status"], "sent"))
    });

    // A table that was emptied has no rows, and one that comes again is there.
    scene.sql.run("truncate orders");
    scene.fence();
    let emptied = at(&scene.rowfeed, &orders, "42");
    assert_eq!((emptied.status, &emptied.json()["deleted"]), (404, &json!(true)), "{}", emptied.body);
    scene.sql.run("insert into orders values (42, 'again')");
    scene.fence();
    assert_eq!(at(&scene.rowfeed, &orders, "42").json()["value"]["after"]["status"], "again");
}

#[test]
fn who_waits_for_a_key_is_answered_by_its_change() {
    let setup = "create table orders(id int primary key, status text); create table other(id int primary key)";
    let Some(scene) = Scene::start("keyswait", setup, &json!({})) else { return };
    let orders = Scene::topic("orders");
    scene.sql.run("insert into orders values (1, 'new')");
    scene.fence();
    let known = tag(&at(&scene.rowfeed, &orders, "1"));
    assert_eq!(at(&scene.rowfeed, &orders, &format!("1?newer_than={known}")).status, 304);
    assert_eq!(at(&scene.rowfeed, &orders, &format!("1?newer_than={known}&wait=50ms")).status, 304);
    let http = scene.rowfeed.http();
    let wait = |rest: String| {
        let (http, orders) = (http.clone(), orders.clone());
        std::thread::spawn(move || request_for(&http, "GET", &format!("/v1/topics/{orders}/keys/{rest}"), "*/*", None).expect("an answer"))
    };
    let (changed, inserted) = (wait(format!("1?newer_than={known}&wait=20s")), wait("2?wait=20s".into()));
    // Something else changes first: nobody is answered by it.
    scene.sql.run("insert into orders values (3, 'x'); insert into other values (1)");
    scene.fence();
    assert!(!changed.is_finished() && !inserted.is_finished());
    scene.sql.run("update orders set status = 'paid' where id = 1; insert into orders values (2, 'new')");
    let changed = changed.join().expect("answered");
    assert_eq!((changed.status, &changed.json()["value"]["after"]["status"]), (200, &json!("paid")), "{}", changed.body);
    assert_eq!(inserted.join().expect("answered").json()["value"]["after"]["status"], "new");

    // What was committed before a position of the WAL is seen, also where this row is not part of it.
    for round in 0..20 {
        scene.sql.run(&format!("update orders set status = 'r{round}' where id = 1; insert into other values ({})", round + 2));
        let lsn = scene.sql.one("select pg_current_wal_lsn()");
        let seen = at(&scene.rowfeed, &orders, &format!("1?min_lsn={lsn}&wait=20s"));
        assert_eq!((seen.status, &seen.json()["value"]["after"]["status"]), (200, &json!(format!("r{round}"))), "{}", seen.body);
    }
    let far = at(&scene.rowfeed, &orders, "1?min_lsn=FFFF/0");
    assert_eq!((far.status, &far.json()["code"]), (412, &json!("key/not-yet")));
    assert_eq!(at(&scene.rowfeed, &orders, "1?min_offset=100000&wait=10ms").status, 412);
}

/// Aim: the same key under another schema is the same key, with the Connect schema before it, too.
#[test]
fn a_key_is_found_whatever_schema_stands_before_it() {
    let Some(server) = shared_server() else { return };
    let database = fresh_database(server, "keysschema");
    let sql = database.sql();
    sql.run("create table orders(id int primary key, status text); insert into orders values (1, 'new'), (2, 'new')");
    let rowfeed = Rowfeed::start(&[]);
    let config = |more| crate::support::service::with(connector_config(&database, "srv", "public.orders"), more);
    let schemas = json!({"key.converter.schemas.enable": "true", "value.converter.schemas.enable": "true",
        "key.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter": "org.apache.kafka.connect.json.JsonConverter"});
    assert_eq!(rowfeed.put_connector("shop", &config(&schemas)).status, 201);
    rowfeed.wait_until_streaming("shop", &sql, &database.name);
    let status = |response: Response| response.json()["value"]["payload"]["after"]["status"].clone();
    wait_for("the snapshot", || (at(&rowfeed, "srv.public.orders", "2").status == 200).then_some(()));
    assert_eq!(status(at(&rowfeed, "srv.public.orders", "1")), "new");
    sql.run("alter table orders alter id type bigint; update orders set status = 'paid' where id = 1");
    wait_for("the change under another schema", || {
        let found = at(&rowfeed, "srv.public.orders", "1?wait=20s&min_offset=2");
        (found.status == 200).then(|| assert_eq!(status(found), "paid"))
    });
    assert_eq!(status(at(&rowfeed, "srv.public.orders", "%7B%22id%22:2%7D")), "new");
}

#[test]
fn retention_and_the_setting_are_told() {
    let setup = "create table orders(id int primary key, filler text)";
    let Some(server) = shared_server() else { return };
    let database = fresh_database(server, "keyscut");
    let sql = database.sql();
    sql.run(setup);
    let small = ["--set", "log.segment_bytes=1MiB", "--set", "log.max_bytes=2MiB"];
    let rowfeed = Rowfeed::start(&small);
    assert_eq!(rowfeed.put_connector("shop", &connector_config(&database, "srv", "public.orders")).status, 201);
    rowfeed.wait_until_streaming("shop", &sql, &database.name);
    sql.run("insert into orders values (0, 'old')");
    wait_for("the row", || (at(&rowfeed, "srv.public.orders", "0").status == 200).then_some(()));
    let cut = wait_for("retention", || {
        sql.run("insert into orders select max(id) + n, repeat('x', 2000) from orders, generate_series(1, 500) n group by n");
        Some(at(&rowfeed, "srv.public.orders", "0")).filter(|found| found.status != 200)
    });
    assert_eq!((cut.status, &cut.json()["code"]), (410, &json!("key/cut")));
    assert_eq!(at(&rowfeed, "srv.public.orders", "none").status, 410);
    drop(rowfeed);

    let off = Rowfeed::start(&["--set", "log.key_index=false"]);
    assert_eq!(at(&off, "connect-offsets", "x").status, 501);
    let log: Vec<String> = std::fs::read_dir(off.data().join("log"))
        .expect("the log")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert!(log.iter().all(|name| !name.ends_with(".keys")), "{log:?}");
}
