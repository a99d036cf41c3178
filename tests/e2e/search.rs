//! The search sink against a real OpenSearch: an index is as its table is, whatever happens to either of them or in between.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::http::{get, request};
use crate::support::opensearch::{Front, Mishap, OpenSearch};
use crate::support::random::Random;
use crate::support::scene::Scene;
use crate::support::{DEADLINE, wait_at_most, wait_for};

fn subscribe(scene: &Scene, name: &str, url: &str, more: &Value) {
    let options = json!({"type": "elasticsearch", "url": url, "topics": ["srv.public.*"], "from": "earliest"});
    let options = crate::support::service::with(options, more);
    let answer = request(&scene.rowfeed.http(), "PUT", &format!("/v1/subscriptions/{name}"), Some(&options)).expect("an answer");
    assert!(matches!(answer.status, 200 | 201), "{} {}", answer.status, answer.body);
}

fn subscription(scene: &Scene, name: &str) -> Value {
    get(&scene.rowfeed.http(), &format!("/v1/subscriptions/{name}")).expect("an answer").json()
}

fn say(scene: &Scene, path: &str, body: Option<&Value>) {
    let answer = request(&scene.rowfeed.http(), "POST", path, body).expect("an answer");
    assert!(matches!(answer.status, 200..=299), "{path}: {} {}", answer.status, answer.body);
}

/// The rows of a table by what is the id of each.
fn rows(scene: &Scene, table: &str, id: &str) -> BTreeMap<String, Value> {
    let found = scene.sql.rows(&format!("select {id}, row_to_json(t) from {table} t"));
    let text = |cell: &Option<String>| cell.clone().expect("not null");
    found.iter().map(|row| (text(&row[0]), serde_json::from_str(&text(&row[1])).expect("JSON"))).collect()
}

fn documents(server: &OpenSearch, index: &str) -> BTreeMap<String, Value> {
    let found = server.documents(index).into_iter();
    found
        .map(|(id, mut source)| {
            let mark = source.as_object_mut().and_then(|source| source.remove("rowfeed")).expect("a mark");
            assert!(mark["lsn"].is_u64() && mark["topic"].as_str().is_some_and(|topic| topic.starts_with("srv.public.")), "{mark}");
            (id, source)
        })
        .collect()
}

/// Waits until an index is as its table is.
fn wait_until_equal(scene: &Scene, server: &OpenSearch, table: &str, id: &str) {
    let mut last = String::new();
    let until = std::time::Instant::now() + DEADLINE;
    loop {
        let (is, expected) = (documents(server, table), rows(scene, table, id));
        if is == expected {
            return;
        }
        let differs =
            expected.iter().find(|(id, row)| is.get(*id) != Some(row)).map(|(id, row)| (id.clone(), row.clone(), is.get(id).cloned()));
        let differs: String = format!("{differs:?}").chars().take(600).collect();
        let told = format!("{table}: {} documents, {} rows; {}; {differs}", is.len(), expected.len(), subscription(scene, "search"));
        if std::time::Instant::now() > until {
            panic!("{told}\nbefore: {last}");
        }
        last = told;
    }
}

const SETUP: &str = "create table orders(id int primary key, status text, n bigint, big text);
    alter table orders alter big set storage external;
    create table lines(\"order\" int, line text, n int, primary key (\"order\", line))";
/// As the sink makes ids of keys of two columns.
const LINE_ID: &str = "\"order\" || ',' || to_json(line)";

/// Changes of all kinds, some of many rows.
fn change(scene: &Scene, random: &mut Random) {
    let id = random.among(0..80);
    let sql = match random.among(0..12) {
        0..3 => {
            format!("insert into orders values ({id}, 'new', {id}, repeat('{id}-', 3000)) on conflict (id) do update set n = orders.n + 1")
        }
        // What is large is not sent.
        3..6 => format!("update orders set status = 's{}', n = {} where id = {id}", random.among(0..9), (1u64 << 53) + 1),
        6 => format!("update orders set big = repeat('x{id}', 4000) where id between {id} and {id} + 5"),
        7 => format!("delete from orders where id = {id}"),
        8 => format!("update orders set id = id + 1000 where id = {id} and not exists (select from orders where id = {id} + 1000)"),
        9 => format!("insert into lines values ({id} % 7, 'a \"{id}\"', 1) on conflict (\"order\", line) do update set n = lines.n + 1"),
        10 => format!(
            "begin; delete from lines where \"order\" = {id} % 7; insert into lines values ({id} % 7, 'again', {id}); update lines set n = 0; commit"
        ),
        _ => format!(
            "begin; update orders set status = 'twice' where id = {id}; update orders set status = 'thrice' where id = {id}; commit"
        ),
    };
    scene.sql.run(&sql);
}

#[test]
fn an_index_is_as_its_table_is_after_kills_replays_and_a_truncate() {
    let Some(server) = OpenSearch::start() else { return };
    let Some(mut scene) = Scene::start("search", SETUP, &json!({"skipped.operations": "none"})) else { return };
    let front = Front::before(&server.address());
    subscribe(&scene, "search", &format!("http://{}", front.address()), &json!({"bulk_records": 50}));
    let mut random = Random::new(Random::seed(26));
    for round in 0..3 {
        front.plan(&[Mishap::LostAnswer, Mishap::Status(429), Mishap::Closed, Mishap::Status(503)]);
        for _ in 0..150 {
            change(&scene, &mut random);
        }
        wait_for("the mishaps", || (front.left() == 0).then_some(()));
        if round == 1 {
            scene.rowfeed.kill();
            for _ in 0..50 {
                change(&scene, &mut random);
            }
            scene.rowfeed.run();
            scene.rowfeed.wait_until_ready();
        }
    }
    wait_until_equal(&scene, &server, "orders", "id");
    wait_until_equal(&scene, &server, "lines", LINE_ID);

    // Everything once more, while it goes on changing: what is older changes nothing.
    say(&scene, "/v1/subscriptions/search/pause", None);
    for _ in 0..50 {
        change(&scene, &mut random);
    }
    say(&scene, "/v1/groups/rowfeed.sub.search/seek", Some(&json!({"to": "start"})));
    say(&scene, "/v1/subscriptions/search/resume", None);
    wait_until_equal(&scene, &server, "orders", "id");
    wait_until_equal(&scene, &server, "lines", LINE_ID);

    scene.sql.run("truncate orders; insert into orders values (1, 'first', 1, null), (2, 'second', 2, null)");
    wait_until_equal(&scene, &server, "orders", "id");
    wait_until_equal(&scene, &server, "lines", LINE_ID);
    // The TRUNCATE comes again, and takes nothing that is newer than it; the rows before it come again, too.
    say(&scene, "/v1/subscriptions/search/pause", None);
    say(&scene, "/v1/groups/rowfeed.sub.search/seek", Some(&json!({"to": "start"})));
    say(&scene, "/v1/subscriptions/search/resume", None);
    scene.sql.run("update orders set status = 'third' where id = 2; insert into lines values (99, 'end', 1)");
    wait_until_equal(&scene, &server, "lines", LINE_ID);
    wait_until_equal(&scene, &server, "orders", "id");

    // A topic that begins anew has small offsets again, and its changes count all the same.
    let topic = Scene::topic("orders");
    let gone = request(&scene.rowfeed.http(), "DELETE", &format!("/v1/topics/{topic}?force=true"), None).expect("an answer");
    assert!(matches!(gone.status, 200..=299), "{}", gone.body);
    wait_for("the topic made anew", || {
        scene.sql.run("update orders set n = n + 1");
        (get(&scene.rowfeed.http(), &format!("/v1/topics/{topic}")).ok()?.status == 200).then_some(())
    });
    scene.sql.run("update orders set n = n + 1");
    wait_until_equal(&scene, &server, "orders", "id");
}

#[test]
fn what_the_server_cannot_take_is_a_dead_letter_and_large_bulks_are_halved() {
    let Some(server) = OpenSearch::that_takes("1mb") else { return };
    let setup = "create table orders(id int primary key, n text); create table large(id int primary key, filler text)";
    let Some(scene) = Scene::start("searchdead", setup, &json!({})) else { return };
    let mapping = json!({"mappings": {"properties": {"n": {"type": "integer"}}}});
    assert_eq!(request(&server.address(), "PUT", "/orders", Some(&mapping)).expect("an answer").status, 200);
    let front = Front::before(&server.address());
    subscribe(&scene, "search", &format!("http://{}", front.address()), &json!({}));
    scene.sql.run("insert into orders values (1, '1'), (2, 'two'), (3, '3')");
    // 6 MB in documents of 2 KB, of which the server takes 1 MB at once; and one that it does not take at all.
    scene.sql.run("insert into large select n, repeat('x', 2000) from generate_series(1, 3000) n");
    scene.sql.run("insert into large values (0, repeat('y', 1500000))");
    wait_at_most(DEADLINE, "all that it can take", || {
        let count = get(&server.address(), "/large/_count").ok()?;
        // What can be found is what was refreshed.
        drop(request(&server.address(), "POST", "/large/_refresh", None));
        (count.status == 200 && count.json()["count"] == 3000).then_some(())
    });
    let sizes = front.bulks.lock().expect("whole").clone();
    assert!(sizes.iter().any(|lines| *lines > 1000) && sizes.iter().any(|lines| (2..1000).contains(lines)), "{sizes:?}");
    let ids: Vec<String> = wait_for("the others", || {
        let found: Vec<String> = server.documents("orders").into_iter().map(|(id, _)| id).collect();
        (found.len() == 2).then_some(found)
    });
    assert!(ids.contains(&"1".to_owned()) && ids.contains(&"3".to_owned()), "{ids:?}");
    let dead = wait_for("two dead letters", || {
        let page = get(&scene.rowfeed.http(), "/v1/topics/__rowfeed.dead.search/records?format=json").ok()?;
        (page.status == 200).then(|| page.json()["items"].as_array().cloned().unwrap_or_default()).filter(|items| items.len() == 2)
    });
    let of =
        |topic: &str| dead.iter().find(|item| item["headers"]["rowfeed.dead.topic"] == topic).unwrap_or_else(|| panic!("{dead:?}")).clone();
    let two = of("srv.public.orders");
    assert!(
        two["headers"]["rowfeed.dead.error"].as_str().is_some_and(|why| why.contains("mapper_parsing") || why.contains("parse")),
        "{two}"
    );
    assert_eq!((&two["key"], &two["value"]["after"]["n"]), (&json!({"id": 2}), &json!("two")));
    assert!(of("srv.public.large")["headers"]["rowfeed.dead.error"].as_str().is_some_and(|why| why.contains("bytes")));
    let shown = subscription(&scene, "search");
    assert_eq!(shown["state"], "running", "{shown}");

    // A user who may not, and nobody at all.
    front.plan(&[Mishap::Status(401)]);
    scene.sql.run("insert into orders values (4, '4')");
    wait_for("it has failed", || (subscription(&scene, "search")["state"] == "failed").then_some(()));
    say(&scene, "/v1/subscriptions/search/resume", None);
    wait_for("the row", || (server.documents("orders").len() == 3).then_some(()));
    drop(server);
    scene.sql.run("insert into orders values (5, '5')");
    wait_for("it waits", || (subscription(&scene, "search")["state"] == "waiting").then_some(()));
}
