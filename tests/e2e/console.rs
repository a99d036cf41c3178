//! The console, in a real browser.
//!
//! Aim: each page shows what there is, in both themes, to everybody: axe-core finds nothing serious, nothing asks another origin, nothing
//! is an error of the page. Method: the program with its console inside, a PostgreSQL under load, a webhook whose receiver fails, a consumer
//! group, a value that is markup; Debian's Chromium driven by `console/browser/run.mjs`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::http::request;
use crate::support::missing;
use crate::support::receiver::{Receiver, Reply};
use crate::support::scene::Scene;

/// How long the browser may take for all pages: the machine may be busy with other tests.
const LIMIT: Duration = Duration::from_secs(900);

const TABLES: &str = "create table customers(id int primary key, name text not null, note text);
    create table orders(id int generated always as identity primary key, customer int references customers, status text not null, total numeric(10, 2));
    alter table orders replica identity full;
    insert into customers values (1, 'Ada', null), (2, '<img src=x onerror=alert(1)>', '<script>alert(2)</script>');
    insert into orders(customer, status, total) select 1 + g % 2, 'pending', g from generate_series(1, 200) g";

fn console() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("console")
}

/// Whether there is a browser, and what drives it.
fn is_there() -> bool {
    let browser = Path::new("/usr/bin/chromium").exists();
    if !browser {
        missing("chromium (scripts/test.sh gets it)");
    }
    let drives = console().join("node_modules/playwright-core").exists() && console().join("dist/index.html").exists();
    if !drives {
        missing("the built console (scripts/build_console.sh)");
    }
    browser && drives
}

/// Runs a script of `console/browser`; its words, when it fails.
fn browse(script: &str, arguments: &[&str]) {
    let began = Instant::now();
    let said = tempfile::NamedTempFile::new().expect("a file");
    let output = said.reopen().expect("the file");
    let mut node = Command::new("node");
    node.arg(console().join("browser").join(script)).args(arguments).current_dir(console());
    node.stdin(Stdio::null()).stdout(output.try_clone().expect("a file")).stderr(output);
    let mut node = node.spawn().expect("node starts");
    let status = loop {
        if let Some(status) = node.try_wait().expect("a child can be waited for") {
            break Some(status);
        }
        if began.elapsed() > LIMIT {
            let _ = node.kill();
            let _ = node.wait();
            break None;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let words = std::fs::read_to_string(said.path()).unwrap_or_default();
    assert!(status.is_some_and(|status| status.success()), "{script} ended with {status:?} after {:?}:\n{words}", began.elapsed());
    println!("{script} took {:?}:\n{words}", began.elapsed());
}

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
    let shots = std::env::var("CONSOLE_SHOTS").unwrap_or_default();
    let url = format!("http://{address}");
    browse("run.mjs", &if shots.is_empty() { vec![url.as_str()] } else { vec![url.as_str(), shots.as_str()] });
    ends.store(true, Ordering::Relaxed);
    load.join().expect("the writer ends");
}
