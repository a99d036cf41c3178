//! Tokens as an operator meets them: the first one, the command line, a restart.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::support::http::get;
use crate::support::service::Rowfeed;

fn rowfeed(service: &Rowfeed, token_file: Option<&str>, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rowfeed"));
    command.args(arguments).env("ROWFEED_SERVER", format!("http://{}", service.http())).env_remove("ROWFEED_TOKEN");
    if let Some(file) = token_file {
        command.env("ROWFEED_TOKEN_FILE", file);
    }
    let Output { status, stdout, stderr } = command.output().expect("it runs");
    (status.code(), String::from_utf8_lossy(&stdout).trim().to_owned(), String::from_utf8_lossy(&stderr).into_owned())
}

#[test]
fn the_first_token_is_in_a_file_and_makes_others_that_outlive_a_restart() {
    let mut service = Rowfeed::start(&["--set", "http.auth=token"]);
    let file = service.data().join("admin.token");
    let mode = fs::metadata(&file).expect("the first token's file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let secret = fs::read_to_string(&file).expect("readable").trim().to_owned();
    let admin = file.to_str().expect("a path").to_owned();

    let (code, _, said) = rowfeed(&service, None, &["connectors", "list"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("a token is needed") && said.contains("--token-file") && said.contains("server/token"), "{said}");
    assert_eq!(rowfeed(&service, None, &["ready"]).0, Some(0), "probes are open");
    let (code, made, said) = rowfeed(&service, Some(&admin), &["tokens", "create", "grafana", "--scope", "read:metrics"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(made.starts_with("rf_"), "{made}");
    let (_, list, _) = rowfeed(&service, Some(&admin), &["tokens", "list"]);
    assert!(list.contains("grafana") && list.contains("read:metrics") && !list.contains(&made), "{list}");

    service.stop();
    service.run();
    service.wait_until_ready();
    let grafana = service.home().join("grafana.token");
    fs::write(&grafana, &made).expect("written");
    let grafana = grafana.to_str().expect("a path").to_owned();
    let (_, _, said) = rowfeed(&service, Some(&grafana), &["connectors", "list"]);
    assert!(said.contains("may not do this"), "it is known, and may see metrics only: {said}");
    assert_eq!(rowfeed(&service, Some(&admin), &["tokens", "revoke", "grafana"]).0, Some(0));
    let (_, _, said) = rowfeed(&service, Some(&grafana), &["connectors", "list"]);
    assert!(said.contains("not known"), "{said}");
    assert_eq!(fs::read_to_string(&file).expect("readable").trim(), secret, "the first token is made once");
    assert_eq!(get(&service.http(), "/connectors").expect("an answer").status, 401);

    service.stop();
    let log = service.log();
    for secret in [&secret, &made] {
        assert!(!log.contains(secret.as_str()), "a token is in the log:\n{log}");
        for entry in fs::read_dir(service.data().join("log")).expect("the log's folder") {
            let bytes = fs::read(entry.expect("an entry").path()).unwrap_or_default();
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "a token is in the log's files");
        }
    }
}

#[test]
fn a_stream_ends_with_the_token_that_it_was_asked_with() {
    let service = Rowfeed::start(&["--set", "http.auth=token"]);
    let file = service.data().join("admin.token");
    let admin = file.to_str().expect("a path").to_owned();
    let made = ["reader", "other"].map(|name| rowfeed(&service, Some(&admin), &["tokens", "create", name, "--scope", "read:topics"]).1);
    let follow = |token: &str| {
        let mut stream = TcpStream::connect(service.http()).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
        let head = format!("GET /v1/records?follow=true HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\r\n", service.http());
        stream.write_all(head.as_bytes()).expect("sent");
        let mut read = Vec::new();
        while !read.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("an answer");
            read.extend(byte);
        }
        assert!(read.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&read));
        stream
    };
    let (mut revoked, mut other) = (follow(&made[0]), follow(&made[1]));
    let began = Instant::now();
    assert_eq!(rowfeed(&service, Some(&admin), &["tokens", "revoke", "reader"]).0, Some(0));
    let mut end = [0; 5];
    revoked.read_exact(&mut end).expect("its end");
    assert_eq!((&end, began.elapsed() < Duration::from_secs(5)), (b"0\r\n\r\n", true), "the last chunk");
    other.set_read_timeout(Some(Duration::from_millis(300))).expect("set");
    let waits = other.read(&mut end).expect_err("nothing ends the other one");
    assert!(matches!(waits.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut), "{waits}");
}
