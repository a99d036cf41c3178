//! Webhooks from a commit to a receiver that misbehaves: order per key, tries, restarts, signatures that others verify.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rowfeed::demo::cluster::free_port;
use serde_json::{Value, json};

use crate::installed;
use crate::support::http::{Response, get, request};
use crate::support::random::Random;
use crate::support::receiver::{Hook, Receiver, Reply, ids};
use crate::support::scene::Scene;
use crate::support::service::with;
use crate::support::{long_form, missing, wait_at_most, wait_for};

const TABLE: &str = "create table orders(id int primary key, status text, seq int); alter table orders replica identity full";
/// The secrets of the tests: 32 bytes each.
pub const SECRETS: [&str; 2] = ["whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "whsec_Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA="];

fn scene(name: &str) -> Option<Scene> {
    Scene::start(name, TABLE, &json!({}))
}

fn definition(url: &str, more: &Value) -> Value {
    let usual =
        json!({ "type": "webhook", "url": url, "topics": ["srv.public.orders"], "secret": SECRETS[0], "view": "flat", "from": "earliest" });
    with(usual, more)
}

/// Makes or changes the subscription `hook`.
fn subscribe(scene: &Scene, url: &str, more: &Value) -> Response {
    let answer = ask(scene, "PUT", "", Some(&definition(url, more)));
    assert!(matches!(answer.status, 200 | 201), "{} {}", answer.status, answer.body);
    answer
}

fn ask(scene: &Scene, method: &str, path: &str, body: Option<&Value>) -> Response {
    request(&scene.rowfeed.http(), method, &format!("/v1/subscriptions/hook{path}"), body).expect("an answer")
}

fn state(scene: &Scene) -> Value {
    ask(scene, "GET", "", None).json()
}

fn deliveries(scene: &Scene, wanted: &str) -> Vec<Value> {
    let answer = ask(scene, "GET", &format!("/deliveries?limit=1000&state={wanted}"), None);
    answer.json()["items"].as_array().unwrap_or_else(|| panic!("{}", answer.body)).clone()
}

/// What the group has committed of the only partition.
fn committed(scene: &Scene) -> Option<u64> {
    let group = get(&scene.rowfeed.http(), "/v1/groups/rowfeed.sub.hook").ok()?.json();
    let partitions = group["partitions"].as_array().or_else(|| group["offsets"].as_array())?.clone();
    partitions.iter().find_map(|partition| partition["committed"].as_u64())
}

fn row(hook: &Hook) -> (i64, i64) {
    let body = hook.json();
    let number = |name: &str| body["data"][name].as_i64().unwrap_or_else(|| panic!("{body}"));
    (number("id"), number("seq"))
}

pub fn is_signed(hook: &Hook, secret: &str) -> bool {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").expect("a secret")).expect("base64");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key);
    let signed = [hook.id().as_bytes(), b".", hook.header("webhook-timestamp").as_bytes(), b".", &hook.body].concat();
    let expected = format!("v1,{}", STANDARD.encode(ring::hmac::sign(&key, &signed)));
    hook.header("webhook-signature").split(' ').any(|signature| signature == expected)
}

/// The rows of each key, first successes only, rise.
fn assert_in_order(taken: &[Hook]) {
    let mut newest = std::collections::HashMap::new();
    let mut known = std::collections::HashSet::new();
    for hook in taken.iter().filter(|hook| known.insert(hook.id().to_owned())) {
        let (id, seq) = row(hook);
        let before = newest.insert(id, seq);
        assert!(before.is_none_or(|before| before < seq), "key {id}: {seq} came behind {before:?}");
    }
}

#[test]
fn a_change_arrives_as_a_standard_webhook() {
    let Some(scene) = scene("hook_arrives") else { return };
    let receiver = Receiver::start(|_| Reply::Status(204));
    subscribe(&scene, &receiver.url(), &json!({ "where": "status <> 'draft'", "headers": { "authorization": "Bearer t0ken" } }));
    scene.sql.run("insert into orders values (1, 'new', 1), (2, 'draft', 2)");
    scene.sql.run("update orders set status = 'paid', seq = 3 where id = 1");
    scene.sql.run("delete from orders where id = 1");
    receiver.wait_for_ids(3);
    let hooks = receiver.hooks();
    let types: Vec<String> = hooks.iter().map(|hook| hook.json()["type"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(types, ["srv.public.orders.created", "srv.public.orders.updated", "srv.public.orders.deleted"]);
    for hook in &hooks {
        assert!(is_signed(hook, SECRETS[0]) && !is_signed(hook, SECRETS[1]), "{hook:?}");
        assert!(hook.id().starts_with("evt_") && !hook.id().contains('.'));
        assert_eq!((hook.header("authorization"), hook.header("content-type")), ("Bearer t0ken", "application/json"));
        assert!(hook.json()["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')));
    }
    assert_eq!(row(&hooks[1]), (1, 3));
    let shown = state(&scene);
    assert_eq!((shown["state"].as_str(), shown["delivered"].as_u64()), (Some("running"), Some(3)), "{shown}");
    assert_eq!(shown["config"]["secret"], "********");
    assert_eq!(shown["config"]["headers"]["authorization"], "********");
    let delivered = deliveries(&scene, "delivered");
    assert_eq!((delivered.len(), delivered[0]["key"].clone(), delivered[0]["status"].as_u64()), (3, json!({ "id": 1 }), Some(204)));

    // CloudEvents are their own envelope.
    subscribe(&scene, &receiver.url(), &json!({ "view": "cloudevents" }));
    scene.sql.run("insert into orders values (7, 'new', 9)");
    receiver.wait_for_ids(4);
    let last = receiver.hooks().pop().expect("a request");
    assert_eq!(
        (last.json()["specversion"].as_str(), last.header("content-type")),
        (Some("1.0"), "application/cloudevents+json; charset=utf-8")
    );
    assert!(is_signed(&last, SECRETS[0]));
}

#[test]
fn a_key_that_fails_holds_up_only_itself_and_is_a_dead_letter_at_last() {
    let Some(scene) = scene("hook_key_fails") else { return };
    let receiver = Receiver::start(|hook| match row(hook) {
        (1, 1) => Reply::With(500, Vec::new(), b"cannot do this one".to_vec()),
        _ => Reply::Status(200),
    });
    subscribe(&scene, &receiver.url(), &json!({ "retries": ["200ms", "400ms"] }));
    scene.sql.run("insert into orders values (1, 'new', 1)");
    scene.sql.run("update orders set seq = 2 where id = 1");
    scene.sql.run("insert into orders select n, 'new', n from generate_series(10, 40) n");
    receiver.wait_for_ids(32);
    let hooks = receiver.hooks();
    let of_first: Vec<&Hook> = hooks.iter().filter(|hook| row(hook) == (1, 1)).collect();
    assert_eq!(of_first.len(), 3, "the schedule has three tries");
    assert!(of_first.windows(2).all(|pair| pair[0].id() == pair[1].id()), "the id is the same at every try");
    let index = |wanted: (i64, i64)| hooks.iter().position(|hook| row(hook) == wanted).expect("it came");
    let last_try = hooks.iter().rposition(|hook| row(hook) == (1, 1)).expect("it came");
    assert!(index((1, 2)) > last_try, "what is behind it waited");
    assert!((10..=40).all(|id| index((id, id)) < last_try), "other keys did not");
    assert!(of_first[1].at - of_first[0].at >= Duration::from_millis(200) && of_first[2].at - of_first[1].at >= Duration::from_millis(400));

    let letters = wait_for("a dead letter", || Some(scene.reader.read("__rowfeed.dead.hook")).filter(|letters| !letters.is_empty()));
    assert_eq!(letters.len(), 1);
    let header = |name: &str| letters[0].header(name).unwrap_or_default();
    assert_eq!((header("rowfeed.dead.topic"), header("rowfeed.dead.offset")), ("srv.public.orders".into(), "0".into()));
    assert_eq!((header("rowfeed.dead.attempts"), header("rowfeed.dead.error")), ("3".into(), "status 500".into()));
    assert_eq!(letters[0].json()["after"]["seq"], 1);
    let dead = deliveries(&scene, "failed");
    assert_eq!((dead.len(), dead[0]["state"].as_str(), dead[0]["attempt"].as_u64()), (1, Some("dead"), Some(3)), "{dead:?}");
    assert_eq!(dead[0]["response_head"], "cannot do this one");
    let shown = state(&scene);
    assert_eq!((shown["dead"].as_u64(), shown["failed"].as_u64()), (Some(1), Some(3)), "{shown}");

    // What failed is sent again with its id.
    receiver.judge(|_| Reply::Status(200));
    let answer = ask(&scene, "POST", "/replay", Some(&json!({ "from": "start", "only": "failed" })));
    assert_eq!((answer.status, answer.json()["dead"].as_u64()), (202, Some(1)), "{}", answer.body);
    receiver.wait_for_ids(33);
    assert_eq!(receiver.taken().last().map(|hook| hook.id().to_owned()), Some(of_first[0].id().to_owned()));
}

#[test]
fn what_waits_survives_a_crash_while_others_advance() {
    let Some(mut scene) = scene("hook_waits") else { return };
    let receiver = Receiver::start(|hook| if row(hook).0 == 1 { Reply::Status(500) } else { Reply::Status(200) });
    subscribe(&scene, &receiver.url(), &json!({ "retries": ["1h", "1h"] }));
    scene.sql.run("insert into orders values (1, 'new', 1)");
    scene.sql.run("update orders set seq = 2 where id = 1");
    scene.sql.run("insert into orders select n, 'new', n from generate_series(10, 60) n");
    receiver.wait_for_ids(51);
    wait_for("the place behind what waits", || (committed(&scene)? >= 53).then_some(()));
    let before = deliveries(&scene, "failed");
    assert_eq!((before.len(), before[0]["state"].as_str(), before[0]["status"].as_u64()), (1, Some("waiting"), Some(500)), "{before:?}");

    scene.rowfeed.kill();
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    let after = wait_for("what waited", || Some(deliveries(&scene, "failed")).filter(|after| !after.is_empty()));
    for name in ["webhook_id", "offset", "attempt", "status", "error", "next_at"] {
        assert_eq!(after[0][name], before[0][name], "{name}");
    }
    scene.sql.run("update orders set seq = 3 where id = 1; update orders set seq = 100 where id = 10");
    receiver.wait_for_ids(52);
    assert_eq!(receiver.hooks().iter().filter(|hook| row(hook).0 == 1).count(), 1, "the key waits over the crash");
    assert_eq!(receiver.hooks().len(), 53, "nothing that was done came again");

    receiver.judge(|_| Reply::Status(200));
    assert_eq!(ask(&scene, "POST", "/replay", Some(&json!({ "from": "start", "only": "failed" }))).status, 202);
    receiver.wait_for_ids(55);
    let of_key: Vec<(i64, i64)> = receiver.taken().iter().map(row).filter(|(id, _)| *id == 1).collect();
    assert_eq!(of_key, [(1, 1), (1, 2), (1, 3)]);
    wait_for("nothing to wait", || deliveries(&scene, "failed").is_empty().then_some(()));
}

#[test]
fn a_record_that_retention_took_while_it_waited_is_told() {
    let Some(mut scene) = scene("hook_retention") else { return };
    scene.rowfeed.kill();
    scene.rowfeed.set_variable("ROWFEED_LOG_SEGMENT_BYTES", "1MiB");
    scene.rowfeed.set_variable("ROWFEED_LOG_MAX_BYTES", "2MiB");
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    let receiver = Receiver::start(|hook| if row(hook).0 == 1 { Reply::Status(500) } else { Reply::Status(200) });
    subscribe(&scene, &receiver.url(), &json!({ "retries": ["1h"] }));
    scene.sql.run("insert into orders values (1, 'new', 1)");
    wait_for("the first try", || (!deliveries(&scene, "failed").is_empty()).then_some(()));
    let topic = Scene::topic("orders");
    for round in 1..=12 {
        scene.sql.run(&format!("insert into orders select {round} * 100 + n, repeat('x', 100000), n from generate_series(1, 10) n"));
        receiver.wait_for_ids(round * 10);
    }
    wait_for("retention", || (scene.reader.watermarks(&topic, 0)?.0 > 0).then_some(()));
    assert_eq!(ask(&scene, "POST", "/replay", Some(&json!({ "from": "start", "only": "failed" }))).status, 202);
    let letters = wait_for("a dead letter", || Some(scene.reader.read("__rowfeed.dead.hook")).filter(|letters| !letters.is_empty()));
    assert_eq!((letters[0].key.as_ref(), letters[0].value.as_ref()), (None, None));
    assert!(letters[0].header("rowfeed.dead.error").is_some_and(|error| error.contains("retention")), "{letters:?}");
    assert_eq!(letters[0].header("rowfeed.dead.offset").as_deref(), Some("0"));
    let dead = wait_for("the end of its wait", || Some(deliveries(&scene, "dead")).filter(|dead| dead.len() == 1));
    // Where its body was still held, that was tried.
    assert!(dead[0]["error"].as_str().is_some_and(|error| error.contains("retention") || error == "status 500"), "{dead:?}");
    // Its key goes on.
    scene.sql.run("update orders set seq = 2 where id = 1");
    wait_for("the next change of its key", || receiver.hooks().iter().any(|hook| row(hook) == (1, 2)).then_some(()));
}

/// Everything that a receiver does wrong, and two crashes of rowfeed: every change arrives, in the order of its key.
#[test]
fn nothing_is_lost_and_keys_stay_in_order_whatever_the_receiver_does() {
    let Some(mut scene) = scene("hook_chaos") else { return };
    let seed = Random::seed(20_261_122);
    let receiver = Receiver::start(move |hook| {
        // The same for a try of a record in every run with this seed.
        let mixed = hook.id().bytes().fold(seed ^ hook.seen as u64, |mixed, byte| mixed.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let mut random = Random::new(mixed);
        if hook.seen >= 4 || random.chance(60) {
            return Reply::Status(200);
        }
        match random.among(0..12) {
            0 => Reply::Status(500),
            1 => Reply::With(429, vec![("retry-after", "0".into())], Vec::new()),
            2 => Reply::With(503, vec![("retry-after", "1".into())], b"busy".to_vec()),
            3 => Reply::Silence(Duration::from_millis(700)),
            4 => Reply::Reset,
            5 => Reply::Half,
            6 => Reply::With(307, vec![("location", "http://127.0.0.1:1/".into())], Vec::new()),
            7 => Reply::With(302, vec![("location", "/elsewhere".into())], Vec::new()),
            8 => Reply::Huge(300_000),
            9 => Reply::With(404, Vec::new(), vec![b'x'; 100_000]),
            10 => Reply::After(Duration::from_millis(100), Box::new(Reply::Status(200))),
            _ => Reply::With(400, vec![("connection", "close".into())], b"no".to_vec()),
        }
    });
    let retries = ["50ms", "100ms", "200ms", "200ms", "200ms", "400ms", "400ms", "400ms"];
    subscribe(&scene, &receiver.url(), &json!({ "timeout": "500ms", "concurrency": 16, "retries": retries }));
    let (rounds, keys) = if long_form() { (60, 50) } else { (12, 30) };
    for round in 0..rounds {
        scene.sql.run(&format!(
            "insert into orders select n, 'new', {round} from generate_series(1, {keys}) n on conflict (id) do update set seq = {round}"
        ));
        if round == rounds / 3 || round == rounds * 2 / 3 {
            wait_for("some of it", || (ids(&receiver.taken()).len() > round * keys / 3).then_some(()));
            scene.rowfeed.kill();
            scene.rowfeed.run();
            scene.rowfeed.wait_until_ready();
        }
    }
    let all = rounds * keys;
    wait_at_most(Duration::from_secs(120), "every webhook", || (ids(&receiver.taken()).len() >= all).then_some(()));
    assert_eq!(ids(&receiver.taken()).len(), all);
    assert_in_order(&receiver.taken());
    assert!(receiver.hooks().iter().all(|hook| hook.path == "/hooks"), "no redirect was followed");
    assert!(receiver.hooks().iter().all(|hook| is_signed(hook, SECRETS[0])));
    assert!(receiver.most_at_once() > 1, "keys are beside one another");
    assert!(scene.reader.topics().iter().all(|(topic, _)| !topic.starts_with("__rowfeed.dead.")), "nothing was given up");
}

#[test]
fn a_topic_in_order_has_one_request_at_a_time() {
    let Some(scene) = scene("hook_topic") else { return };
    let receiver = Receiver::start(|hook| match (row(hook), hook.seen) {
        ((_, 5), 0 | 1) => Reply::Status(500),
        _ => Reply::After(Duration::from_millis(2), Box::new(Reply::Status(200))),
    });
    subscribe(&scene, &receiver.url(), &json!({ "ordering": "topic", "retries": ["50ms", "50ms", "50ms"] }));
    scene.sql.run("insert into orders select n, 'new', n from generate_series(1, 60) n");
    receiver.wait_for_ids(60);
    let rows: Vec<i64> = receiver.taken().iter().map(|hook| row(hook).1).collect();
    assert_eq!(rows, (1..=60).collect::<Vec<_>>());
    assert_eq!(receiver.most_at_once(), 1);
}

#[test]
fn a_receiver_that_is_gone_pauses_and_one_that_is_busy_is_left_alone() {
    let Some(mut scene) = scene("hook_gone") else { return };
    let receiver = Receiver::start(|_| Reply::Status(410));
    subscribe(&scene, &receiver.url(), &json!({}));
    scene.sql.run("insert into orders values (1, 'new', 1)");
    let shown = wait_for("the pause", || Some(state(&scene)).filter(|shown| shown["state"] == "paused"));
    assert!(shown["problem"]["why"].as_str().is_some_and(|why| why.contains("410")), "{shown}");
    scene.sql.run("insert into orders values (2, 'new', 2)");
    scene.rowfeed.stop();
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    assert_eq!(state(&scene)["state"], "paused", "over a restart, too");
    assert_eq!(receiver.hooks().len(), 1);

    receiver.judge(|hook| match hook.seen {
        0 if row(hook).0 == 2 => Reply::With(429, vec![("retry-after", "2".into())], Vec::new()),
        _ => Reply::Status(200),
    });
    assert_eq!(ask(&scene, "POST", "/resume", None).status, 202);
    wait_for("429", || receiver.hooks().iter().any(|hook| hook.answered == 429).then_some(()));
    scene.sql.run("insert into orders select n, 'new', n from generate_series(3, 20) n");
    receiver.wait_for_ids(20);
    let hooks = receiver.hooks();
    let busy = hooks.iter().find(|hook| hook.answered == 429).expect("it was busy");
    let next = hooks
        .iter()
        .filter(|hook| hook.at > busy.at)
        .map(|hook| hook.at - busy.at)
        .filter(|after| *after > Duration::from_millis(100))
        .min();
    assert!(next.is_some_and(|next| next >= Duration::from_millis(1_900)), "{next:?}");
}

#[test]
fn a_test_a_replay_and_a_new_secret() {
    let Some(scene) = scene("hook_replay") else { return };
    let receiver = Receiver::start(|_| Reply::With(200, vec![("x-by", "receiver".into())], b"thanks".to_vec()));
    subscribe(&scene, &receiver.url(), &json!({ "where": "status = 'paid'", "headers": { "x-token": "t0ken" } }));
    scene.sql.run("insert into orders select n, case when n % 2 = 0 then 'paid' else 'new' end, n from generate_series(1, 10) n");
    receiver.wait_for_ids(5);
    let first = ids(&receiver.hooks());

    let answer = ask(&scene, "POST", "/test", None);
    let told = answer.json();
    assert_eq!(answer.status, 200, "{told}");
    assert!(told["offset"] == 9 && first.iter().any(|id| told["webhook_id"] == id.as_str()), "{told}");
    assert_eq!((told["response"]["status"].as_u64(), told["response"]["body"].as_str()), (Some(200), Some("thanks")));
    assert_eq!(
        (told["response"]["headers"]["x-by"].as_str(), told["request"]["headers"]["x-token"].as_str()),
        (Some("receiver"), Some("********"))
    );
    let sent = receiver.hooks().pop().expect("a request");
    assert_eq!(told["request"]["body"].as_str().map(str::as_bytes), Some(sent.body.as_slice()));
    assert_eq!(told["request"]["headers"]["webhook-signature"].as_str(), Some(sent.header("webhook-signature")));

    // A range again, by a filter of its own: the ids are the same.
    let answer = ask(&scene, "POST", "/replay", Some(&json!({ "from": "0:2", "until": "0:8", "where": "id < 8" })));
    assert_eq!((answer.status, answer.json()["records"].as_u64()), (202, Some(6)), "{}", answer.body);
    wait_for("the replay", || (receiver.hooks().len() >= 8).then_some(()));
    let again: std::collections::BTreeSet<i64> = receiver.hooks()[6..].iter().map(|hook| row(hook).0).collect();
    assert_eq!(again, [4, 6].into());
    assert_eq!(ids(&receiver.hooks()).len(), first.len());
    for bad in [
        json!({}),
        json!({ "from": "soon" }),
        json!({ "from": "start", "only": "good" }),
        json!({ "from": "start", "where": "((" }),
        json!({ "from": "start", "x": 1 }),
    ] {
        assert_eq!(ask(&scene, "POST", "/replay", Some(&bad)).status, 400, "{bad}");
    }

    // Two secrets while one is replaced, then the new one alone.
    for (secrets, signed) in [(json!([SECRETS[1], SECRETS[0]]), [true, true]), (json!(SECRETS[1]), [false, true])] {
        subscribe(&scene, &receiver.url(), &json!({ "where": "status = 'paid'", "secret": secrets }));
        let before = receiver.hooks().len();
        scene.sql.run("update orders set seq = seq + 100 where id = 4");
        wait_for("a webhook", || (receiver.hooks().len() > before).then_some(()));
        let hook = receiver.hooks().pop().expect("a request");
        assert_eq!(SECRETS.map(|secret| is_signed(&hook, secret)), signed);
    }
    assert!(!scene.rowfeed.log().contains("t0ken") && SECRETS.iter().all(|secret| !scene.rowfeed.log().contains(&secret[6..])));
}

/// A filter that asks of old rows which nobody sends says so, and what mends it does.
#[test]
fn a_filter_that_cannot_know_what_changed_is_told_with_what_mends_it() {
    let Some(scene) = scene("old_rows") else { return };
    let receiver = Receiver::start(|_| Reply::Status(204));
    subscribe(&scene, &receiver.url(), &json!({"where": "changed(status)"}));
    scene
        .sql
        .run("alter table orders replica identity default; insert into orders values (1, 'new', 1); update orders set status = 'paid'");
    let note = wait_for("the note", || Some(state(&scene)["note"].take()).filter(Value::is_object));
    assert_eq!((&note["code"], state(&scene)["delivered"].as_u64()), (&json!("filter/old-row"), Some(0)), "{note:#}");
    let fix = note["fix"].as_str().and_then(|fix| fix.lines().next()).expect("a statement").to_owned();
    assert!(fix.starts_with("ALTER TABLE"), "{note:#}");
    scene.sql.run(&format!("{fix} insert into orders values (2, 'new', 1); update orders set status = 'paid' where id = 2"));
    wait_for("the update", || (receiver.taken().len() == 1).then_some(()));
    wait_for("the note to be gone", || state(&scene)["note"].is_null().then_some(()));
    // One that is left out for another reason is no news, nor one whose old values are its key's.
    scene.sql.run("alter table orders replica identity default; update orders set seq = 2");
    subscribe(&scene, &receiver.url(), &json!({"where": "changed(id) or (changed(status) and seq > 100)"}));
    scene.sql.run("insert into orders values (3, 'new', 1); update orders set status = 'sent' where id = 3");
    scene.fence();
    wait_for("all to be read", || (state(&scene)["lag"] == 0).then_some(()));
    assert!(state(&scene)["note"].is_null(), "{:#}", state(&scene));
}

#[test]
fn addresses_that_are_not_the_worlds_are_refused() {
    let Some(scene) = scene("hook_ssrf") else { return };
    let urls = [
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://10.1.2.3/",
        "http://[fd00:ec2::254]/",
        "http://0.0.0.0:8083/",
        "https://192.168.0.1/",
    ];
    for url in urls {
        let answer = ask(&scene, "PUT", "", Some(&definition(url, &json!({}))));
        assert_eq!(answer.status, 400, "{url}");
        assert!(answer.body.contains("webhook/address"), "{}", answer.body);
    }
    // A spelling that only the resolver reads.
    scene.sql.run("insert into orders values (1, 'new', 1)");
    subscribe(&scene, "http://0xa9fea9fe/latest", &json!({ "timeout": "2s" }));
    let shown = wait_for("the refusal", || Some(state(&scene)).filter(|shown| shown["state"] == "failed"));
    assert_eq!(shown["problem"]["code"], "webhook/address", "{shown}");
    let answer = ask(&scene, "POST", "/test", None);
    assert_eq!(answer.status, 502, "{}", answer.body);
    let receiver = Receiver::start(|_| Reply::Status(200));
    for bad in [
        json!({ "secret": "hunter2" }),
        json!({ "view": "flatt" }),
        json!({ "retries": "soon" }),
        json!({ "headers": { "host": "x" } }),
        json!({ "concurency": 3 }),
    ] {
        let answer = ask(&scene, "PUT", "", Some(&definition(&receiver.url(), &bad)));
        assert!(answer.status == 400 && !answer.body.contains("hunter2"), "{bad}: {} {}", answer.status, answer.body);
    }
}

/// A program of others that receives, and prints a line per webhook.
struct Program {
    child: Child,
    lines: std::sync::mpsc::Receiver<String>,
    url: String,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    fn start(command: &mut Command) -> Self {
        let port = free_port().expect("a port");
        command.env("PORT", port.to_string()).env("WEBHOOK_SECRET", SECRETS[0]).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let (sender, lines) = std::sync::mpsc::channel();
        let out = BufReader::new(child.stdout.take().expect("its output"));
        std::thread::spawn(move || out.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        let program = Self { child, lines, url: format!("http://127.0.0.1:{port}/hooks") };
        assert!(program.line().starts_with("listening"), "it listens");
        program
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(Duration::from_secs(60)).expect("a line within a minute")
    }
}

fn verified_by(name: &str, program: Result<Command, String>) {
    let mut program = match program {
        Ok(program) => program,
        Err(why) => return missing(&format!("{name}: {why}")),
    };
    let Some(scene) = scene(&format!("hook_{name}")) else { return };
    let program = Program::start(&mut program);
    subscribe(&scene, &program.url, &json!({ "retries": ["100ms"], "secret": [SECRETS[1], SECRETS[0]] }));
    scene.sql.run("insert into orders values (1, 'ä€😀 \"quoted\" \\ line\nbreak', 1)");
    scene.sql.run("update orders set seq = 2");
    for (what, seq) in [("created", 1), ("updated", 2)] {
        let event: Value = serde_json::from_str(&program.line()).expect("a line of JSON");
        assert_eq!(
            (event["type"].as_str(), event["data"]["seq"].as_i64()),
            (Some(format!("srv.public.orders.{what}").as_str()), Some(seq)),
            "{event}"
        );
        assert_eq!(event["data"]["status"], "ä€😀 \"quoted\" \\ line\nbreak");
    }
    // A repetition is answered and not printed; a secret that is not theirs is refused.
    assert_eq!(ask(&scene, "POST", "/test", None).json()["response"]["status"], 204);
    subscribe(&scene, &program.url, &json!({ "retries": "none", "secret": SECRETS[1] }));
    let refused = ask(&scene, "POST", "/test", None).json();
    assert_eq!(refused["response"]["status"], 401, "{refused}");
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/webhook-receiver").join(name)
}

/// A copy of an example where it may be built.
fn copied(name: &str) -> Result<PathBuf, String> {
    let folder = installed::cache(&format!("webhook-receiver-{name}"));
    for file in std::fs::read_dir(example(name)).map_err(|error| error.to_string())?.flatten().filter(|file| file.path().is_file()) {
        std::fs::copy(file.path(), folder.join(file.file_name())).map_err(|error| error.to_string())?;
    }
    Ok(folder)
}

#[test]
fn the_reference_library_of_typescript_verifies_what_is_sent() {
    let install = || {
        let folder = copied("typescript")?;
        if !folder.join("node_modules/standardwebhooks").exists() {
            installed::run(Command::new("npm").args(["ci", "--silent"]).current_dir(&folder))?;
        }
        installed::run(Command::new("node").arg(folder.join("node_modules/typescript/bin/tsc")).arg("-p").arg(&folder))?;
        let mut program = Command::new("node");
        program.arg(folder.join("dist/receiver.js"));
        Ok(program)
    };
    verified_by("typescript", install());
}

#[test]
fn the_reference_library_of_python_verifies_what_is_sent() {
    let install = || {
        let folder = installed::cache("webhook-receiver-python");
        let python = folder.join("bin/python3");
        if installed::run(Command::new(&python).args(["-c", "import standardwebhooks"])).is_err() {
            installed::run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
            installed::run(
                Command::new(folder.join("bin/pip")).args(["install", "-q", "-r"]).arg(example("python").join("requirements.txt")),
            )?;
        }
        let mut program = Command::new(python);
        program.arg(example("python").join("receiver.py"));
        Ok(program)
    };
    verified_by("python", install());
}

#[test]
fn the_reference_library_of_go_verifies_what_is_sent() {
    // Not among what the tests ask for: two languages are, and a Go of this age is no Debian package.
    if installed::run(Command::new("go").arg("version")).is_err() {
        return eprintln!("SKIPPED: no go here");
    }
    let install = || {
        let folder = copied("go")?;
        installed::run(Command::new("go").args(["build", "-o", "receiver", "."]).current_dir(&folder))?;
        Ok(Command::new(folder.join("receiver")))
    };
    verified_by("go", install());
}

#[test]
fn a_receiver_that_is_away_gets_few_requests_and_everything_when_it_is_back() {
    let Some(scene) = scene("hook_away") else { return };
    let port = free_port().expect("a port");
    let url = format!("http://127.0.0.1:{port}/hooks");
    subscribe(&scene, &url, &json!({ "retries": ["500ms", "1s", "2s", "2s", "2s", "2s", "2s", "2s"] }));
    scene.sql.run("insert into orders select n, 'new', n from generate_series(1, 500) n");
    let shown = wait_for("trouble", || Some(state(&scene)).filter(|shown| shown["state"] == "waiting"));
    assert_eq!(shown["problem"]["code"], "webhook/slow", "{shown}");
    let began = Instant::now();
    wait_for("a few tries", || (state(&scene)["failed"].as_u64()? >= 10).then_some(()));
    let failed = state(&scene)["failed"].as_u64().unwrap_or_default();
    assert!(failed < 100, "{failed} tries within {:?}", began.elapsed());
    let receiver = Receiver::start_on(port, |_| Reply::Status(200));
    receiver.wait_for_ids(500);
    assert_in_order(&receiver.taken());
    wait_for("no trouble", || (state(&scene)["state"] == "running").then_some(()));
}

#[test]
fn a_receiver_over_tls_is_believed_when_its_authority_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let (key, certificate) = (folder.path().join("key.pem"), folder.path().join("certificate.pem"));
    let mut make = Command::new("openssl");
    make.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]);
    make.args(["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"]);
    make.arg("-keyout").arg(&key).arg("-out").arg(&certificate);
    if let Err(why) = installed::run(&mut make) {
        return missing(&why);
    }
    let script = "const fs = require('fs'); require('https').createServer({ key: fs.readFileSync(process.argv[1]), cert: fs.readFileSync(process.argv[2]) }, \
                  (request, response) => { response.writeHead(204).end(); console.log(request.headers['webhook-id']) }) \
                  .listen(process.env.PORT, '127.0.0.1', () => console.log('listening'))";
    if let Err(why) = installed::run(Command::new("node").arg("--version")) {
        return missing(&why);
    }
    let Some(mut scene) = scene("hook_tls") else { return };
    let program = Program::start(Command::new("node").arg("-e").arg(script).arg(&key).arg(&certificate));
    let url = program.url.replace("http://127.0.0.1", "https://localhost");
    scene.sql.run("insert into orders values (1, 'new', 1)");
    scene.fence();
    subscribe(&scene, &url, &json!({ "from": "latest" }));
    let told = ask(&scene, "POST", "/test", None).json();
    assert!(told["response"].is_null() && told["error"].as_str().is_some_and(|error| error.contains("no TLS")), "{told}");
    scene.rowfeed.kill();
    scene.rowfeed.set_variable("SSL_CERT_FILE", certificate.to_str().expect("a path"));
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    scene.sql.run("update orders set seq = 2");
    assert!(program.line().starts_with("evt_"));
    assert_eq!(ask(&scene, "POST", "/test", None).json()["response"]["status"], 204);
}
