//! The console, in a real browser.
//!
//! Aim: each page shows what there is, in both themes, to everybody: axe-core finds nothing serious, nothing asks another origin, nothing
//! is an error of the page. Method: the program with its console inside, a PostgreSQL under load, a webhook whose receiver fails, a consumer
//! group, a value that is markup; Debian's Chromium driven by `console/browser/run.mjs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::support::browser::{browse, is_there, shots};
use crate::support::http::request;
use crate::support::receiver::{Receiver, Reply};
use crate::support::scene::Scene;

const TABLES: &str = "create table customers(id int primary key, name text not null, note text);
    create table orders(id int generated always as identity primary key, customer int references customers, status text not null, total numeric(10, 2));
    alter table orders replica identity full;
    insert into customers values (1, 'Ada', null), (2, '<img src=x onerror=alert(1)>', '<script>alert(2)</script>');
    insert into orders(customer, status, total) select 1 + g % 2, 'pending', g from generate_series(1, 200) g";

#[test]
fn each_page_is_whole_in_both_themes() {
    if !is_there() {
        return;
    }
    let Some(scene) = Scene::start("console", TABLES, &json!({"snapshot.mode": "initial"})) else { return };
    let (address, ends) = (scene.rowfeed.http(), Arc::new(AtomicBool::new(false)));
    let receiver = Receiver::start(|_| Reply::Status(503));
    let hook = json!({ "type": "webhook", "url": receiver.url(), "topics": ["srv.public.orders"], "view": "diff", "from": "earliest",
        "secret": "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" });
    let answer = request(&address, "PUT", "/v1/subscriptions/orders-hook", Some(&hook)).expect("an answer");
    assert_eq!(answer.status, 201, "{}", answer.body);
    let load = {
        let (sql, ends) = (scene.database.sql(), Arc::clone(&ends));
        std::thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                sql.run("update orders set status = case status when 'paid' then 'shipped' else 'paid' end, total = total + 1 where id = 1 + (random() * 199)::int;
                    update customers set note = md5(random()::text) where id = 1");
                std::thread::sleep(Duration::from_millis(20));
            }
        })
    };
    scene.fence();
    browse("run.mjs", &[&format!("http://{address}"), &shots()]);
    ends.store(true, Ordering::Relaxed);
    load.join().expect("the writer ends");
}
