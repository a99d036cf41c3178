//! Live streams as a page in a browser meets them: events, ids, gaps, filters, tickets, signed tokens.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::events::{Event, Events};
use crate::support::http::{self, Response};
use crate::support::postgres::{Database, Sql, fresh_database, shared_server};
use crate::support::random::Random;
use crate::support::service::{Rowfeed, connector_config, with};
use crate::support::wait_for;

const TOPIC: &str = "srv.public.orders";
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A source with a table of orders, and what captures it.
struct Shop {
    sql: Sql,
    database: Database,
    rowfeed: Rowfeed,
}

impl Shop {
    fn open(name: &str, extra: &[&str], more: &Value) -> Option<Self> {
        let database = fresh_database(shared_server()?, name);
        let sql = database.sql();
        sql.run("create table orders(id int primary key, tenant int, status text, note text); alter table orders replica identity full");
        let shop = Self { sql, database, rowfeed: Rowfeed::start(extra) };
        let config = with(
            connector_config(&shop.database, "srv", "public.*"),
            &with(json!({"snapshot.mode": "no_data", "publication.autocreate.mode": "all_tables"}), more),
        );
        let auth = shop.admin().map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let answer = shop.ask_with("PUT", "/connectors/shop/config", &auth, Some(&config));
        assert!(matches!(answer.status, 200 | 201), "{} {}", answer.status, answer.body);
        let slot = &shop.database.name;
        let ready = format!("select active and confirmed_flush_lsn is not null from pg_replication_slots where slot_name = '{slot}'");
        wait_for("the slot to be active", || (shop.sql.one(&ready) == "t").then_some(()));
        // The first row makes the topic.
        shop.sql.run("insert into orders values (0, 0, 'first', '')");
        wait_for("the topic", || {
            shop.ask_with("GET", &format!("/v1/topics/{TOPIC}"), &auth, None).body.contains("\"end\":1").then_some(())
        });
        Some(shop)
    }

    fn admin(&self) -> Option<String> {
        std::fs::read_to_string(self.rowfeed.data().join("admin.token")).ok().map(|token| token.trim().to_owned())
    }

    fn stream(&self, query: &str) -> Events {
        self.stream_with(query, "")
    }

    fn stream_with(&self, query: &str, headers: &str) -> Events {
        let stream = Events::open(&self.rowfeed.http(), &format!("/v1/topics/{TOPIC}/stream?{query}"), headers).expect("an answer");
        assert_eq!(stream.status, 200, "{}", stream.head);
        stream
    }

    fn ask_with(&self, method: &str, path: &str, headers: &str, body: Option<&Value>) -> Response {
        ask(&self.rowfeed.http(), method, path, headers, body)
    }
}

fn ask(address: &str, method: &str, path: &str, headers: &str, body: Option<&Value>) -> Response {
    let mut stream = TcpStream::connect(address).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    let body = body.map(Value::to_string).unwrap_or_default();
    let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}{kind}Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    Response {
        status: head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status"),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

fn id_of(event: &Event) -> i64 {
    event.json()["value"]["after"]["id"].as_i64().or_else(|| event.json()["value"]["before"]["id"].as_i64()).expect("a row with an id")
}

#[test]
fn a_stream_tells_changes_as_they_come_and_an_id_resumes_behind_the_last_one_seen() {
    let Some(shop) = Shop::open("stream_resume", &[], &json!({})) else { return };
    let mut stream = shop.stream("");
    let head = stream.head.to_ascii_lowercase();
    for line in [
        "content-type: text/event-stream; charset=utf-8",
        "cache-control: no-cache, no-transform",
        "x-accel-buffering: no",
        "rowfeed-resume: start",
    ] {
        assert!(head.contains(line), "{line}: {head}");
    }
    assert_eq!(stream.expect(), Event { name: "caught-up".into(), id: "0:1".into(), data: "{\"lag\":0}".into() });
    assert!(stream.comments.iter().any(|comment| comment.starts_with("rowfeed ") && comment.ends_with(TOPIC)), "{:?}", stream.comments);
    shop.sql.run("insert into orders values (1, 1, 'new', ''), (2, 1, 'new', '')");
    let (first, second) = (stream.expect(), stream.expect());
    assert_eq!((first.name.as_str(), first.id.as_str(), id_of(&first)), ("change", "0:2", 1));
    let told = second.json();
    assert_eq!(
        (second.id.as_str(), &told["topic"], &told["offset"], &told["key"], &told["value"]["op"]),
        ("0:3", &json!(TOPIC), &json!(2), &json!({"id": 2}), &json!("c"))
    );
    drop(stream);
    shop.sql.run("update orders set status = 'paid' where id = 1; delete from orders where id = 2");
    // Told earlier that it has caught up, it would not be told again.
    wait_for("the changes", || {
        http::get(&shop.rowfeed.http(), &format!("/v1/topics/{TOPIC}")).expect("an answer").body.contains("\"end\":6").then_some(())
    });
    let mut again = shop.stream_with("last_event_id=0:0", &format!("Last-Event-ID: {}\r\n", first.id));
    assert!(again.head.contains("rowfeed-resume: exact"), "the header wins: {}", again.head);
    let seen: Vec<(i64, String)> =
        (0..3).map(|_| again.expect_named("change")).map(|event| (id_of(&event), event.json()["value"]["op"].to_string())).collect();
    assert_eq!(seen, [(2, "\"c\"".into()), (1, "\"u\"".into()), (2, "\"d\"".into())]);
    // The tombstone of the delete is passed over, and the place is behind it.
    assert_eq!(again.expect_named("caught-up").id, "0:6");
    let mut from_start = shop.stream("from=earliest&until=caught-up&view=flat&columns=id&tombstones=true");
    let rows: Vec<Value> =
        std::iter::from_fn(|| from_start.next().expect("in time")).map(|event| json!([event.name, event.id, event.data])).collect();
    let last = rows.last().expect("an end");
    assert_eq!((last[0].as_str(), last[1].as_str()), (Some("end"), Some("0:6;end")), "{rows:?}");
    let over = Events::open(&shop.rowfeed.http(), &format!("/v1/topics/{TOPIC}/stream"), "Last-Event-ID: 0:6;end\r\n").expect("an answer");
    assert_eq!(over.status, 204, "a browser does not come again");
    let mut limited = shop.stream("from=earliest&limit=2&batch=2");
    let both = limited.expect();
    assert_eq!((both.id.as_str(), both.json().as_array().map(Vec::len)), ("0:2", Some(2)));
    assert_eq!((limited.expect().name.as_str(), limited.next().expect("in time")), ("end", None));
    let wrong = http::get(&shop.rowfeed.http(), &format!("/v1/topics/{TOPIC}/stream?wher=x")).expect("an answer");
    assert!(wrong.status == 400 && wrong.body.contains("did you mean"), "{}", wrong.body);
    let wrong = http::get(&shop.rowfeed.http(), &format!("/v1/topics/{TOPIC}/stream?where=a%20%3D%20%3D")).expect("an answer");
    assert!(wrong.status == 400 && wrong.body.contains("filter/syntax"), "{}", wrong.body);
}

#[test]
fn a_filter_tells_rows_that_come_into_it_and_leave_it_and_others_hear_nothing() {
    let Some(shop) = Shop::open("stream_filter", &[], &json!({})) else { return };
    let mut paid = shop.stream("where=tenant%3D7%20and%20status%3D'paid'");
    let mut by_key = shop.stream("key=5");
    let mut deletes = shop.stream("op=d&view=diff");
    let mut flat = shop.stream("where=tenant%3D7&view=flat&columns=id,status");
    for stream in [&mut paid, &mut by_key, &mut deletes, &mut flat] {
        stream.expect_named("caught-up");
    }
    shop.sql.run("insert into orders values (1, 7, 'new', 'secret'), (2, 8, 'paid', ''), (5, 7, 'new', '')");
    shop.sql.run(
        "update orders set status = 'paid' where id = 1; update orders set status = 'sent' where id = 1; delete from orders where id = 5",
    );
    let enters = paid.expect().json();
    assert_eq!((&enters["value"]["after"]["status"], &enters["filter"]), (&json!("paid"), &json!("enters")));
    let leaves = paid.expect().json();
    assert_eq!((&leaves["value"]["before"]["status"], &leaves["filter"]), (&json!("paid"), &json!("leaves")));
    assert_eq!([by_key.expect(), by_key.expect()].map(|event| event.json()["value"]["op"].clone()), ["c", "d"]);
    assert_eq!(deletes.expect().json()["key"], json!({"id": 5}));
    let row = flat.expect().json();
    assert_eq!((&row["id"], &row["status"], row.get("note"), &row["_op"]), (&json!(1), &json!("new"), None, &json!("c")));
    assert!(paid.is_silent_for(Duration::from_millis(100)) && by_key.is_silent_for(Duration::from_millis(100)));
}

#[test]
fn several_topics_are_one_stream_and_a_pattern_finds_new_ones() {
    let Some(shop) = Shop::open("stream_several", &[], &json!({})) else { return };
    shop.sql.run("create table customers(id int primary key); insert into customers values (1)");
    wait_for("the other topic", || {
        (http::get(&shop.rowfeed.http(), "/v1/topics/srv.public.customers").expect("an answer").status == 200).then_some(())
    });
    let open = |query: &str, id: &str| {
        let id = if id.is_empty() { String::new() } else { format!("Last-Event-ID: {id}\r\n") };
        Events::open(&shop.rowfeed.http(), &format!("/v1/stream?{query}"), &id).expect("an answer")
    };
    let mut both = open(&format!("topic={TOPIC}&topic=srv.public.customers&from=earliest"), "");
    let topics = both.expect();
    assert_eq!((topics.name.as_str(), topics.json()["customers"].as_str()), ("topics", Some("srv.public.customers")));
    let seen = [both.expect(), both.expect()].map(|event| event.json()["topic"].as_str().map(str::to_owned));
    assert!(seen.contains(&Some(TOPIC.into())) && seen.contains(&Some("srv.public.customers".into())), "{seen:?}");
    assert_eq!(both.expect_named("caught-up").id, "orders@0:1;customers@0:1");
    let mut pattern = open("match=srv.public.*", "");
    let id = pattern.expect_named("caught-up").id;
    assert_eq!(id, format!("{TOPIC}@0:1;srv.public.customers@0:1"));
    shop.sql.run("create table later(id int primary key); insert into later values (1)");
    while pattern.next().expect("in time").is_some() {}
    let mut again = open("match=srv.public.*", &pattern.last_id);
    assert_eq!(again.expect_named("change").json()["topic"], json!("srv.public.later"));
    assert_eq!(open("", "").status, 400);
    assert_eq!(open("topic=nothing", "").status, 404);
}

#[test]
fn an_id_that_retention_has_overtaken_is_told_as_a_gap() {
    let settings = ["--set", "log.segment_bytes=1MiB", "--set", "log.max_bytes=2MiB"];
    let Some(shop) = Shop::open("stream_gap", &settings, &json!({})) else { return };
    let start = || {
        let topic = http::get(&shop.rowfeed.http(), &format!("/v1/topics/{TOPIC}")).expect("an answer").json();
        topic["partitions"][0]["start"].as_u64().expect("an offset")
    };
    let mut id = 1;
    wait_for("retention", || {
        shop.sql.run(&format!("insert into orders select i, 1, 'x', repeat('x', 2000) from generate_series({id}, {id} + 199) i"));
        id += 200;
        (start() > 0).then_some(())
    });
    let mut stream = shop.stream_with("", "Last-Event-ID: 0:0\r\n");
    assert!(stream.head.contains("rowfeed-resume: gap"), "{}", stream.head);
    let gap = stream.expect_named("gap").json();
    assert_eq!((&gap["requested"], &gap["reason"]), (&json!("0:0"), &json!("retention")));
    let resumed: u64 = gap["resumed"].as_str().and_then(|text| text.strip_prefix("0:")).expect("a place").parse().expect("an offset");
    assert_eq!(gap["missing"], json!(resumed));
    assert_eq!(stream.expect_named("change").json()["offset"], json!(resumed));
    let failing =
        Events::open(&shop.rowfeed.http(), &format!("/v1/topics/{TOPIC}/stream?on_gap=fail"), "Last-Event-ID: 0:0\r\n").expect("an answer");
    assert_eq!(failing.status, 410);
    let beyond = shop.stream_with("", "Last-Event-ID: 0:999999999\r\n").expect_named("gap").json();
    assert_eq!(beyond["reason"], json!("unknown-offset"));
}

#[test]
fn a_reader_that_does_not_read_costs_its_place_only_and_gets_everything_later() {
    let Some(shop) = Shop::open("stream_slow", &[], &json!({})) else { return };
    let mut slow: Vec<Events> = (0..20).map(|_| shop.stream("")).collect();
    let mut quick = shop.stream("view=flat&columns=id");
    quick.expect_named("caught-up");
    let before = shop.rowfeed.memory_mib("VmRSS");
    // 20 readers would have 40 MB each.
    let rows = 20_000;
    for first in (1..=rows).step_by(1000) {
        shop.sql.run(&format!("insert into orders select i, 1, 'x', repeat('x', 2000) from generate_series({first}, {first} + 999) i"));
    }
    for id in 1..=rows {
        assert_eq!(quick.expect_named("change").json()["id"], json!(id));
    }
    let grown = shop.rowfeed.memory_mib("VmRSS") - before;
    println!("20 readers that do not read: {grown:.1} MiB more");
    assert!(grown < 120.0, "{grown} MiB more");
    for stream in slow.iter_mut().take(3) {
        stream.expect_named("caught-up");
        for id in 1..=rows {
            assert_eq!(id_of(&stream.expect_named("change")), id);
        }
    }
}

#[test]
fn a_stream_lives_and_too_many_are_refused_until_one_ends() {
    let Some(shop) = Shop::open("stream_many", &["--set", "http.max_streams_per_ip=3"], &json!({})) else { return };
    let mut streams: Vec<Events> = (0..3).map(|_| shop.stream("where=tenant%3D99")).collect();
    let path = format!("/v1/topics/{TOPIC}/stream");
    let refused = Events::open(&shop.rowfeed.http(), &path, "").expect("an answer");
    assert_eq!(refused.status, 429);
    assert!(refused.head.to_ascii_lowercase().contains("retry-after: "), "{}", refused.head);
    drop(streams.pop());
    wait_for("room", || (Events::open(&shop.rowfeed.http(), &path, "").expect("an answer").status == 200).then_some(()));
    let began = Instant::now();
    let stream = &mut streams[0];
    stream.expect_named("caught-up");
    shop.sql.run("insert into orders values (1, 1, 'new', '')");
    while !stream.comments.iter().any(|comment| comment.starts_with("hb ")) {
        assert!(began.elapsed() < Duration::from_secs(30), "no sign of life");
        stream.is_silent_for(Duration::from_millis(50));
    }
    assert_eq!(stream.last_id, "0:2", "what it does not see is behind it");
}

/// Killed and restarted at any moment, the server and the client lose nothing: each goes on at the id that it has.
#[test]
fn however_often_both_ends_are_killed_every_change_is_seen_and_ids_only_rise() {
    let Some(mut shop) = Shop::open("stream_kill", &[], &json!({})) else { return };
    let mut random = Random::new(Random::seed(11));
    let (mut seen, mut id, mut next) = (BTreeMap::<i64, u32>::new(), "0:1".to_owned(), 1);
    let rounds = 30;
    for round in 0..rounds {
        let rows = 1 + i64::try_from(random.among(0..60)).expect("small");
        shop.sql.run(&format!("insert into orders select i, 1, 'x', '' from generate_series({next}, {}) i", next + rows - 1));
        next += rows;
        let stop_after = random.among(0..80);
        let mut stream = shop.stream_with("", &format!("Last-Event-ID: {id}\r\n"));
        assert!(stream.head.contains("rowfeed-resume: exact"), "{}", stream.head);
        for _ in 0..stop_after {
            let _ = stream.socket().set_read_timeout(Some(Duration::from_millis(50)));
            let Ok(Some(event)) = stream.next() else { break };
            let place = |id: &str| id.strip_prefix("0:").and_then(|place| place.parse::<u64>().ok()).expect("an id");
            assert!(place(&event.id) >= place(&id), "{id} and then {}", event.id);
            if event.name == "change" {
                assert_eq!(place(&event.id), event.json()["offset"].as_u64().expect("an offset") + 1);
                *seen.entry(id_of(&event)).or_default() += 1;
            }
            id = stream.last_id.clone();
        }
        if round % 5 == 4 {
            shop.rowfeed.kill();
            shop.rowfeed.run();
            shop.rowfeed.wait_until_ready();
        }
    }
    let mut stream = shop.stream_with("", &format!("Last-Event-ID: {id}\r\n"));
    while seen.len() < usize::try_from(next - 1).expect("small") {
        let event = stream.expect_named("change");
        *seen.entry(id_of(&event)).or_default() += 1;
    }
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), (1..next).collect::<Vec<_>>());
    assert!(seen.values().all(|times| *times == 1), "an id that was kept is exact: {seen:?}");
}

fn jwt(claims: &Value) -> String {
    let head = URL_SAFE_NO_PAD.encode(json!({"alg": "HS256", "typ": "JWT"}).to_string());
    let message = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes()), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn in_seconds(seconds: u64) -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_secs() + seconds
}

#[test]
fn tokens_tickets_and_signed_tokens_open_what_they_say_and_nothing_else() {
    let secret = format!("http.jwt_secret={SECRET}");
    let Some(shop) = Shop::open("stream_auth", &["--set", "http.auth=token", "--set", &secret], &json!({})) else { return };
    let admin = format!("Authorization: Bearer {}\r\n", shop.admin().expect("the first token"));
    let path = format!("/v1/topics/{TOPIC}/stream");
    let status = |path: &str, headers: &str| Events::open(&shop.rowfeed.http(), path, headers).expect("an answer").status;
    assert_eq!((status(&path, ""), status(&format!("{path}?token=rf_x"), ""), status(&format!("{path}?ticket=tk_x"), "")), (401, 400, 401));
    let made = shop.ask_with("POST", "/v1/tokens", &admin, Some(&json!({"name": "reader", "scopes": ["read:topics:srv.*"]})));
    let reader = format!("Authorization: Bearer {}\r\n", made.json()["token"].as_str().expect("a token"));
    let mut by_token = shop.stream_with("", &reader);
    let other = shop.ask_with("POST", "/v1/tickets", &reader, Some(&json!({"topics": ["crm.public.orders"]})));
    assert_eq!(other.status, 403, "{}", other.body);
    let of_change = json!({"topics": [TOPIC], "where": "tenant = 7 and op <> 'd'"});
    let refused = shop.ask_with("POST", "/v1/tickets", &reader, Some(&of_change));
    assert!(refused.status == 400 && refused.body.contains("not about the row"), "it would show others' old rows: {}", refused.body);
    let asked = json!({"topics": [TOPIC], "where": {TOPIC: "tenant = 7"}});
    let made = shop.ask_with("POST", "/v1/tickets", &reader, Some(&asked));
    assert_eq!(made.status, 201, "{}", made.body);
    let ticket = made.json()["ticket"].as_str().expect("a ticket").to_owned();
    let mut by_ticket = shop.stream(&format!("ticket={ticket}"));
    assert_eq!(status(&format!("{path}?ticket={ticket}"), ""), 401, "a ticket works once");
    // A row filter bound to claims: what comes into it, what leaves it, what is deleted.
    let claims = json!({"exp": in_seconds(60), "tenant": 7, "rowfeed": {"topics": [TOPIC], "where": {TOPIC: "tenant = :claims.tenant"}}});
    let bearer = |claims: &Value| format!("Authorization: Bearer {}\r\n", jwt(claims));
    let mut by_claims = shop.stream_with("where=status%3D'new'", &bearer(&claims));
    let mut spy = shop.stream_with("where=before.note%3D'theirs'%20or%20changed(note)", &bearer(&claims));
    for stream in [&mut by_token, &mut by_ticket, &mut by_claims, &mut spy] {
        stream.expect_named("caught-up");
    }
    assert_eq!(status("/v1/topics/srv.public.others/stream", &bearer(&claims)), 403);
    assert_eq!(status("/connectors", &bearer(&claims)), 401, "a signed token opens streams only");
    assert_eq!(status(&format!("/v1/topics/{TOPIC}/records"), &bearer(&claims)), 401, "records are not filtered");
    shop.sql.run("insert into orders values (1, 8, 'new', 'theirs'), (2, 7, 'new', 'ours')");
    shop.sql.run("update orders set tenant = 7, note = 'given' where id = 1; update orders set tenant = 8, note = 'taken' where id = 2; update orders set note = 'hidden' where id = 2; delete from orders where id = 1; delete from orders where id = 2");
    for stream in [&mut by_claims, &mut by_ticket] {
        let told: Vec<Value> = (0..4).map(|_| stream.expect().json()).collect();
        let short: Vec<(&Value, &Value)> = told.iter().map(|event| (&event["key"]["id"], &event["value"]["op"])).collect();
        assert_eq!(json!(short), json!([[2, "c"], [1, "u"], [2, "u"], [1, "d"]]));
        assert_eq!((&told[1]["filter"], &told[1]["value"]["before"]), (&json!("enters"), &json!(null)), "whose it was is not shown");
        assert_eq!((&told[2]["filter"], &told[2]["value"]["after"]), (&json!("leaves"), &json!(null)), "whose it is now is not shown");
        for secret in ["theirs", "taken", "hidden"] {
            assert!(!told.iter().any(|event| event.to_string().contains(secret)), "{secret}: {told:?}");
        }
        assert!(stream.is_silent_for(Duration::from_millis(100)));
    }
    // Whatever is asked about the hidden side, the answer is the same.
    let told = [spy.expect().json(), spy.expect().json()];
    assert_eq!(told.each_ref().map(|event| &event["filter"]), [&json!("enters"), &json!("leaves")]);
    assert!(spy.is_silent_for(Duration::from_millis(100)), "what is not its own tells nothing");
    // An end in time, and the end of a token.
    let mut short = shop.stream_with("", &bearer(&with(claims, &json!({"exp": in_seconds(2)}))));
    assert_eq!(short.expect_named("error").json()["code"], json!("http/token-expired"));
    assert_eq!(short.next().expect("in time"), None);
    assert_eq!(shop.ask_with("DELETE", "/v1/tokens/reader", &admin, None).status, 204);
    for stream in [&mut by_token, &mut by_ticket] {
        assert_eq!(stream.expect_named("error").json()["code"], json!("http/token-unknown"));
        assert_eq!(stream.next().expect("in time"), None);
    }
}

#[test]
fn a_topic_that_is_deleted_and_a_service_that_ends_are_told() {
    let Some(mut shop) = Shop::open("stream_end", &[], &json!({})) else { return };
    shop.sql.run("create table later(id int primary key); insert into later values (1)");
    wait_for("the topic", || {
        (http::get(&shop.rowfeed.http(), "/v1/topics/srv.public.later").expect("an answer").status == 200).then_some(())
    });
    let mut stays = shop.stream("");
    stays.expect_named("caught-up");
    let mut goes = Events::open(&shop.rowfeed.http(), "/v1/topics/srv.public.later/stream", "").expect("an answer");
    goes.expect_named("caught-up");
    let deleted = http::request(&shop.rowfeed.http(), "DELETE", "/v1/topics/srv.public.later?force=true", None).expect("an answer");
    assert!(matches!(deleted.status, 200 | 204), "{} {}", deleted.status, deleted.body);
    shop.sql.run("insert into orders values (1, 1, 'x', '')");
    assert_eq!(goes.expect_named("error").json()["code"], json!("topic/deleted"));
    assert_eq!(goes.next().expect("in time"), None);
    assert_eq!(id_of(&stays.expect()), 1);
    shop.rowfeed.stop();
    assert!(matches!(stays.next(), Ok(None)), "its end is said");
}

#[test]
fn a_stream_of_several_topics_tells_once_that_one_was_deleted_and_goes_on() {
    let Some(shop) = Shop::open("stream_deleted", &[], &json!({})) else { return };
    shop.sql.run("create table later(id int primary key); insert into later values (1)");
    wait_for("the topic", || {
        (http::get(&shop.rowfeed.http(), "/v1/topics/srv.public.later").expect("an answer").status == 200).then_some(())
    });
    let both = format!("/v1/stream?topic={TOPIC}&topic=srv.public.later");
    let mut stream = Events::open(&shop.rowfeed.http(), &both, "").expect("an answer");
    let old = stream.expect_named("caught-up").id;
    let deleted = http::request(&shop.rowfeed.http(), "DELETE", "/v1/topics/srv.public.later?force=true", None).expect("an answer");
    assert!(matches!(deleted.status, 200 | 204), "{} {}", deleted.status, deleted.body);
    // What comes next wakes whoever reads the end.
    shop.sql.run("insert into orders values (1, 1, 'x', '')");
    let (mut errors, mut changes) = (0, 0);
    while changes == 0 || errors == 0 {
        match stream.expect() {
            event if event.name == "error" => {
                assert_eq!(event.json()["code"], json!("topic/deleted"));
                errors += 1;
            }
            event if event.name == "change" => changes += 1,
            event => panic!("{event:?}"),
        }
    }
    shop.sql.run("insert into orders values (2, 1, 'x', '')");
    assert_eq!(id_of(&stream.expect_named("change")), 2);
    assert_eq!((errors, stream.is_silent_for(Duration::from_millis(300))), (1, true), "told once");
    for (id, rows) in [(old, vec![1, 2]), (stream.last_id.clone(), Vec::new())] {
        let mut again = Events::open(&shop.rowfeed.http(), &both, &format!("Last-Event-ID: {id}\r\n")).expect("an answer");
        assert_eq!(again.status, 200, "{id}: {}", again.head);
        for row in rows {
            assert_eq!(id_of(&again.expect()), row, "{id}");
        }
        assert_eq!(again.expect().name, "caught-up", "{id}");
    }
}

#[test]
fn records_come_once_where_a_page_is_larger_than_the_credit() {
    let Some(shop) = Shop::open("stream_credit", &[], &json!({})) else { return };
    let mut it = socket(&shop.rowfeed.http(), "", &[]).expect("open");
    say(&mut it, json!({"type": "subscribe", "id": "all", "topics": [TOPIC], "from": "latest", "credit": 5}));
    assert_eq!([hear(&mut it), hear(&mut it)].map(|told| told["type"].clone()), ["subscribed", "caught_up"]);
    let mut seen = Vec::new();
    let mut take = |it: &mut Socket, until: usize| {
        while seen.len() < until {
            let told = hear(it);
            seen.extend(told["items"].as_array().expect("records").iter().map(|item| item["offset"].as_u64().expect("an offset")));
        }
        seen.clone()
    };
    shop.sql.run("insert into orders select i, 1, 'new', '' from generate_series(1, 10) i");
    assert_eq!(take(&mut it, 5).len(), 5, "no more than there is credit for");
    say(&mut it, json!({"type": "credit", "id": "all", "n": 100}));
    take(&mut it, 10);
    for id in 11..=20 {
        shop.sql.run(&format!("insert into orders values ({id}, 1, 'new', '')"));
        take(&mut it, id);
    }
    assert_eq!(take(&mut it, 20), (1..=20).collect::<Vec<u64>>());
}

type Socket = tokio_tungstenite::tungstenite::WebSocket<TcpStream>;

/// A WebSocket; `headers` are names and values.
fn socket(address: &str, query: &str, headers: &[(&'static str, &str)]) -> Result<Socket, u16> {
    use tokio_tungstenite::tungstenite::client::IntoClientRequest;
    use tokio_tungstenite::tungstenite::{HandshakeError, error::Error};
    let mut request = format!("ws://{address}/v1/ws{query}").into_client_request().expect("a request");
    request.headers_mut().insert("sec-websocket-protocol", "rowfeed.v1".parse().expect("a value"));
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().expect("a value"));
    }
    let stream = TcpStream::connect(address).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    match tokio_tungstenite::tungstenite::client(request, stream) {
        Ok((socket, response)) => {
            assert_eq!(response.headers()["sec-websocket-protocol"], "rowfeed.v1");
            Ok(socket)
        }
        Err(HandshakeError::Failure(Error::Http(response))) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

fn say(socket: &mut Socket, message: Value) {
    socket.send(tokio_tungstenite::tungstenite::Message::text(message.to_string())).expect("sent");
}

/// The next message; a close is its code.
fn hear(socket: &mut Socket) -> Value {
    use tokio_tungstenite::tungstenite::Message;
    loop {
        match socket.read().expect("in time") {
            Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
            Message::Close(frame) => return json!(u16::from(frame.expect("a code").code)),
            _ => {}
        }
    }
}

#[test]
fn a_socket_carries_many_subscriptions_and_never_more_than_its_credit() {
    let Some(mut shop) = Shop::open("stream_socket", &["--set", "http.cors_origins=https://app.example.com"], &json!({})) else { return };
    let address = shop.rowfeed.http();
    assert_eq!(socket(&address, "", &[("origin", "https://evil.example.com")]).err(), Some(403));
    assert!(socket(&address, "", &[("origin", "https://app.example.com")]).is_ok());
    let mut it = socket(&address, "", &[]).expect("open");
    say(&mut it, json!({"type": "subscribe", "id": "all", "topics": [TOPIC], "from": "earliest", "credit": 3}));
    assert_eq!(hear(&mut it), json!({"type": "subscribed", "id": "all", "partitions": {TOPIC: 1}, "cursor": "0:0"}));
    let first = hear(&mut it);
    assert_eq!((&first["type"], first["items"].as_array().map(Vec::len), &first["cursor"]), (&json!("records"), Some(1), &json!("0:1")));
    assert_eq!(hear(&mut it), json!({"type": "caught_up", "id": "all", "cursor": "0:1"}));
    say(
        &mut it,
        json!({"type": "subscribe", "id": "paid", "topics": [TOPIC], "where": "status = 'paid'", "view": "diff", "columns": ["id", "status"]}),
    );
    assert_eq!(hear(&mut it)["type"], json!("subscribed"));
    assert_eq!(hear(&mut it)["type"], json!("caught_up"));
    shop.sql.run("insert into orders select i, 1, 'new', '' from generate_series(1, 10) i; update orders set status = 'paid' where id = 4");
    let (mut all, mut paid) = (Vec::new(), Vec::new());
    let take = |it: &mut Socket, all: &mut Vec<Value>, paid: &mut Vec<Value>| {
        let message = hear(it);
        assert_eq!(message["type"], json!("records"), "{message}");
        let items = message["items"].as_array().expect("items").clone();
        if message["id"] == "all" { all.extend(items) } else { paid.extend(items) }
    };
    while all.len() < 2 || paid.is_empty() {
        take(&mut it, &mut all, &mut paid);
    }
    assert_eq!((all.len(), paid.len(), &paid[0]["changed"]["status"][1]), (2, 1, &json!("paid")));
    say(&mut it, json!({"type": "credit", "id": "all", "n": 4}));
    while all.len() < 6 {
        take(&mut it, &mut all, &mut paid);
    }
    assert_eq!(all.len(), 6, "two and four, and no more");
    say(&mut it, json!({"type": "update", "id": "all", "where": "id >= 9", "credit": 100}));
    assert_eq!(hear(&mut it)["cursor"], json!("0:7"));
    say(&mut it, json!({"type": "credit", "id": "all", "n": 4}));
    while all.len() < 8 {
        take(&mut it, &mut all, &mut paid);
    }
    assert_eq!(json!([all[6]["key"]["id"], all[7]["key"]["id"]]), json!([9, 10]));
    assert_eq!(hear(&mut it)["type"], json!("caught_up"));
    say(&mut it, json!({"type": "unsubscribe", "id": "all"}));
    assert_eq!(hear(&mut it), json!({"type": "unsubscribed", "id": "all"}));
    // It goes on at its cursor; a wrong filter closes nothing; a sample counts what it leaves out.
    say(&mut it, json!({"type": "subscribe", "id": "again", "topics": [TOPIC], "cursor": "0:11"}));
    assert_eq!(hear(&mut it)["cursor"], json!("0:11"));
    assert_eq!(hear(&mut it)["items"][0]["value"]["op"], json!("u"));
    assert_eq!(hear(&mut it)["type"], json!("caught_up"));
    say(&mut it, json!({"type": "subscribe", "id": "wrong", "topics": [TOPIC], "where": "a = = b"}));
    assert_eq!(hear(&mut it)["code"], json!("filter/syntax"));
    say(&mut it, json!({"type": "unsubscribe", "id": "again"}));
    hear(&mut it);
    say(&mut it, json!({"type": "subscribe", "id": "sample", "topics": [TOPIC], "mode": "sample", "rate": 5, "from": "latest"}));
    assert_eq!((hear(&mut it)["type"].clone(), hear(&mut it)["type"].clone()), (json!("subscribed"), json!("caught_up")));
    shop.sql.run("insert into orders select i, 1, 'new', '' from generate_series(100, 199) i");
    let (mut shown, mut skipped) = (0, 0);
    while shown + skipped < 100 {
        let message = hear(&mut it);
        shown += message["items"].as_array().map_or(0, Vec::len);
        skipped += usize::try_from(message["n"].as_u64().unwrap_or(0)).expect("small");
    }
    assert!((5..=20).contains(&shown), "{shown} shown, {skipped} skipped");
    // More than waits for it is passed over unread, and counted all the same, each once.
    shop.sql.run("insert into orders select i, 1, 'new', '' from generate_series(1000, 60999) i");
    (shown, skipped) = (0, 0);
    while shown + skipped < 60_000 {
        let message = hear(&mut it);
        shown += message["items"].as_array().map_or(0, Vec::len);
        skipped += usize::try_from(message["n"].as_u64().unwrap_or(0)).expect("small");
    }
    assert_eq!(shown + skipped, 60_000, "{shown} shown");
    say(&mut it, json!({"type": "watch", "what": ["state", "metrics"]}));
    assert_eq!(hear(&mut it), json!({"type": "state", "connector": "shop", "state": "streaming"}));
    assert_eq!(hear(&mut it)["items"][0]["name"], json!("shop"));
    let code = |message: &str| {
        let mut it = socket(&address, "", &[]).expect("open");
        it.send(tokio_tungstenite::tungstenite::Message::text(message)).expect("sent");
        loop {
            if let Some(code) = hear(&mut it).as_u64() {
                return code;
            }
        }
    };
    assert_eq!(
        [code("{"), code("{\"type\":\"dance\"}"), code("{\"type\":\"subscribe\",\"id\":\"a\",\"topics\":[\"no.such\"]}")],
        [4400, 4400, 4404]
    );
    let mut stays = socket(&address, "", &[]).expect("open");
    shop.rowfeed.stop();
    assert_eq!(hear(&mut stays), json!(1001));
}

#[test]
fn a_long_poll_waits_and_says_where_to_go_on() {
    let Some(shop) = Shop::open("stream_poll", &[], &json!({})) else { return };
    let get = |query: &str| http::get(&shop.rowfeed.http(), &format!("/v1/topics/{TOPIC}/records?{query}")).expect("an answer");
    let header = |answer: &Response, name: &str| {
        answer.head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix(&format!("{name}: ")).map(str::to_owned))
    };
    let first = get("offset=start");
    assert_eq!((first.json().as_array().map(Vec::len), header(&first, "rowfeed-offset")), (Some(1), Some("0:1".into())));
    assert_eq!(header(&first, "rowfeed-up-to-date").as_deref(), Some("true"));
    let nothing = get("offset=0:1&live=true&timeout=200ms");
    assert_eq!((nothing.status, header(&nothing, "rowfeed-offset")), (204, Some("0:1".into())));
    let waiting = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| get("offset=0:1&live=true&view=flat"));
        shop.sql.run("insert into orders values (1, 1, 'new', ''), (2, 1, 'new', ''), (3, 1, 'new', '')");
        waiting.join().expect("an answer")
    });
    assert_eq!(waiting.json()[0]["id"], json!(1));
    assert!(header(&waiting, "cache-control").expect("a header").starts_with("public, max-age=1,"));
    wait_for("the rows", || (get("offset=0:1").json().as_array().map(Vec::len) == Some(3)).then_some(()));
    let part = get("offset=0:1&limit=2");
    assert_eq!((part.json().as_array().map(Vec::len), header(&part, "rowfeed-offset")), (Some(2), Some("0:3".into())));
    assert!(header(&part, "cache-control").expect("a header").contains("max-age=60") && header(&part, "rowfeed-up-to-date").is_none());
    assert_eq!(part.json(), get("offset=0:1&limit=2").json(), "the same URL, the same answer");
    for start in ["start", "earliest", "-1", ""] {
        let kept = header(&get(&format!("offset={start}&limit=2")), "cache-control").expect("a header");
        assert!(kept.starts_with("public, max-age=1,"), "retention moves the start: {start} {kept}");
    }
    assert_eq!((get("offset=0:99999").status, get("offset=x").status), (410, 400));
}
