//! A run against a server that is made up: what it is asked, and how much at once.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::PORTION_MAX;
use crate::deliver::{Deliveries, Places, Source, Sources};
use crate::log::builtin::{BuiltinLog, LogSettings};
use crate::log::{LogWriter, TopicSpec};
use crate::record::compression::Compression;
use crate::record::{Headers, RecordRef, RecordSink};

/// Rows, and the column of each that was not sent: together more than one answer may have.
const ROWS: usize = 90;
const COLUMN_BYTES: usize = 600 << 10;

/// A place that nobody keeps.
struct Nowhere;

impl Places for Nowhere {
    fn committed(&self, _: &str) -> Vec<(String, u32, u64)> {
        Vec::new()
    }

    fn commit<'a>(
        &'a self,
        _: &'a str,
        _: Vec<(String, u32, u64)>,
    ) -> Pin<Box<dyn std::future::Future<Output = Result<(), String>> + Send + 'a>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn forget<'a>(&'a self, _: &'a str) -> Pin<Box<dyn std::future::Future<Output = ()> + Send + 'a>> {
        Box::pin(std::future::ready(()))
    }
}

impl Sources for Nowhere {
    fn source(&self, _: &str) -> Option<Source> {
        None
    }

    fn of_topic(&self, _: &str) -> Option<Source> {
        None
    }
}

/// What the server was asked.
#[derive(Debug, Default)]
struct Asked {
    /// Documents of each `_mget`.
    gets: Vec<usize>,
    /// Whether each document that it was given has its column.
    whole: Vec<bool>,
}

fn serve(stream: TcpStream, asked: &Mutex<Asked>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let (mut line, mut length) = (String::new(), 0);
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut header = String::new();
        while reader.read_line(&mut header)? > 2 {
            if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            header.clear();
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let answer = if line.contains("/_mget") {
            let docs = serde_json::from_slice::<Json>(&body).unwrap()["docs"].as_array().unwrap().len();
            asked.lock().unwrap().gets.push(docs);
            let one = format!("{{\"found\":true,\"_source\":{{\"big\":\"{}\"}}}}", "x".repeat(COLUMN_BYTES));
            format!("{{\"docs\":[{}]}}", vec![one; docs].join(","))
        } else {
            let whole: Vec<bool> = body.split(|byte| *byte == b'\n').skip(1).step_by(2).map(|line| line.len() > COLUMN_BYTES).collect();
            let items = vec![r#"{"index":{"status":200}}"#; whole.len()].join(",");
            asked.lock().unwrap().whole.extend(whole);
            format!("{{\"errors\":false,\"items\":[{items}]}}")
        };
        write!(&stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{answer}", answer.len())?;
    }
}

/// Aim: columns that are more together than may be held are asked for in portions, and all of them arrive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_that_were_not_sent_are_asked_for_in_portions() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(Mutex::new(Asked::default()));
    let of_server = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let asked = Arc::clone(&of_server);
            // Who asked for too much closes the connection.
            std::thread::spawn(move || serve(stream, &asked));
        }
    });

    let dir = tempfile::tempdir().unwrap();
    let log = BuiltinLog::open(LogSettings { min_free_bytes: 0, ..LogSettings::new(dir.path()) }).unwrap();
    let mut writer = log.writer(Compression::None);
    let to = writer.topic("shop.t", &TopicSpec::default()).await.unwrap();
    let mut commit = writer.begin().await.unwrap();
    for id in 0..ROWS {
        let key = format!("{{\"id\":{id}}}");
        let value = format!(
            r#"{{"before":null,"after":{{"id":{id},"big":"__debezium_unavailable_value"}},"source":{{"schema":"public","table":"t","lsn":77}},"op":"u"}}"#
        );
        let record = RecordRef { timestamp_ms: 1, key: Some(key.as_bytes()), value: Some(value.as_bytes()), headers: Headers::NONE };
        commit.push(to.route(Some(key.as_bytes())), record).unwrap();
    }
    let seq = writer.commit(commit).await.unwrap();
    writer.wait_durable(seq).await.unwrap();

    let all = Deliveries::new(log.clone(), Arc::new(Nowhere), Arc::new(Nowhere));
    let options = json!({ "type": "elasticsearch", "url": format!("http://{address}"), "topics": ["shop.*"], "from": "start" });
    all.put("s", &options).await.unwrap();
    for _ in 0..6000 {
        if asked.lock().unwrap().whole.len() >= ROWS {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let state = all.view("s").unwrap().state;
    all.shut_down().await;
    log.close();
    let asked = asked.lock().unwrap();
    assert!(asked.whole.len() == ROWS && asked.whole.iter().all(|whole| *whole), "{asked:?} {state:?}");
    assert!(asked.gets.len() > 2 && asked.gets.iter().all(|docs| *docs <= PORTION_MAX), "{:?}", asked.gets);
    assert!(
        asked.gets.windows(2).any(|pair| pair[1] * 2 <= pair[0] + 1),
        "an answer that was too long is asked for in halves: {:?}",
        asked.gets
    );
}
