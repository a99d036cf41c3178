//! Webhooks: how many a second one subscription delivers, from a real log over real connections, order per key asserted.
//! `scripts/bench_webhooks.sh [RECORDS] [KEYS] [CONCURRENCY]`
//!
//! The receiver is a thread of its own that reads requests and answers 204; it asserts that the numbers of each key rise. The log, the
//! sink and its signatures run on two threads, as in the service. What is left out: PostgreSQL, and work of the receiver.

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rowfeed::deliver::webhook::address::Guard;
use rowfeed::deliver::{Deliveries, Places, Source, Sources};
use rowfeed::log::builtin::{BuiltinLog, LogSettings};
use rowfeed::log::{LogWriter, TopicSpec};
use rowfeed::record::compression::Compression;
use rowfeed::record::{Headers, RecordRef, RecordSink};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Groups in memory: what a commit of them costs is one record of the log more.
#[derive(Default)]
struct Groups(Mutex<BTreeMap<(String, u32), u64>>);

impl Places for Groups {
    fn committed(&self, _: &str) -> Vec<(String, u32, u64)> {
        let groups = self.0.lock().expect("no panic");
        groups.iter().map(|((topic, partition), next)| (topic.clone(), *partition, *next)).collect()
    }

    fn commit<'a>(
        &'a self,
        _: &'a str,
        offsets: Vec<(String, u32, u64)>,
    ) -> Pin<Box<dyn std::future::Future<Output = Result<(), String>> + Send + 'a>> {
        let mut groups = self.0.lock().expect("no panic");
        groups.extend(offsets.into_iter().map(|(topic, partition, next)| ((topic, partition), next)));
        Box::pin(std::future::ready(Ok(())))
    }

    fn forget<'a>(&'a self, _: &'a str) -> Pin<Box<dyn std::future::Future<Output = ()> + Send + 'a>> {
        Box::pin(std::future::ready(()))
    }
}

struct NoSources;

impl Sources for NoSources {
    fn source(&self, _: &str) -> Option<Source> {
        None
    }

    fn of_topic(&self, _: &str) -> Option<Source> {
        None
    }
}

/// What the receiver has seen.
#[derive(Default)]
struct Seen {
    count: AtomicU64,
    newest: Mutex<HashMap<u64, u64>>,
}

impl Seen {
    /// Notes a body; its numbers of one key rise.
    fn note(&self, body: &[u8]) {
        let number = |name: &str| {
            let text = std::str::from_utf8(body).expect("a JSON text");
            let (_, rest) = text.split_once(&format!("\"{name}\":")).expect("the column");
            rest.split([',', '}']).next().and_then(|digits| digits.parse::<u64>().ok()).expect("a number")
        };
        let before = self.newest.lock().expect("no panic").insert(number("id"), number("seq"));
        assert!(before.is_none_or(|before| before < number("seq")), "the order of a key");
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}

async fn receive(mut stream: TcpStream, seen: Arc<Seen>) {
    let _ = stream.set_nodelay(true);
    let (mut bytes, mut filled) = (vec![0; 64 << 10], 0);
    loop {
        while let Some(head) = bytes[..filled].windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4) {
            let text = std::str::from_utf8(&bytes[..head]).expect("a head");
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
            let length: usize = length.parse().expect("a number");
            if filled < head + length {
                break;
            }
            seen.note(&bytes[head..head + length]);
            bytes.copy_within(head + length..filled, 0);
            filled -= head + length;
            if stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.is_err() {
                return;
            }
        }
        match stream.read(&mut bytes[filled..]).await {
            Ok(read) if read > 0 => filled += read,
            _ => return,
        }
    }
}

async fn fill(log: &BuiltinLog, records: u64, keys: u64) {
    let mut writer = log.writer(Compression::None);
    let topic = writer.topic("shop.public.orders", &TopicSpec::default()).await.expect("a topic");
    for from in (0..records).step_by(1000) {
        let mut commit = writer.begin().await.expect("a commit");
        for seq in from..records.min(from + 1000) {
            let id = seq % keys;
            let key = format!("{{\"id\":{id}}}");
            let row = |seq: u64| format!("{{\"id\":{id},\"status\":\"paid\",\"seq\":{seq},\"note\":\"a line of text as orders have it\"}}");
            let source = r#"{"version":"3.0.0","connector":"postgresql","name":"shop","ts_ms":1795233128832,"db":"shop","schema":"public","table":"orders","txId":7,"lsn":26939}"#;
            let value =
                format!("{{\"before\":{},\"after\":{},\"source\":{source},\"op\":\"u\",\"ts_ms\":1795233128832}}", row(seq), row(seq));
            let record = RecordRef {
                timestamp_ms: 1_795_233_128_832,
                key: Some(key.as_bytes()),
                value: Some(value.as_bytes()),
                headers: Headers::NONE,
            };
            commit.push(topic.route(Some(key.as_bytes())), record).expect("room");
        }
        let seq = writer.commit(commit).await.expect("handed over");
        writer.wait_durable(seq).await.expect("durable");
    }
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let (records, keys, concurrency) = (numbers.next().unwrap_or(50_000), numbers.next().unwrap_or(1_000), numbers.next().unwrap_or(32));
    let seen = Arc::new(Seen::default());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/hooks", listener.local_addr().expect("an address"));
    listener.set_nonblocking(true).expect("a socket");
    let of_receiver = Arc::clone(&seen);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let listener = TcpListener::from_std(listener).expect("a socket");
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(receive(stream, Arc::clone(&of_receiver)));
            }
        });
    });
    let dir = tempfile::tempdir().expect("a folder");
    let log = BuiltinLog::open(LogSettings::new(dir.path())).expect("a log");
    Guard::parse("", true).expect("a guard").set_of_service();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        fill(&log, records, keys).await;
        let deliveries = Deliveries::new(log.clone(), Arc::new(Groups::default()), Arc::new(NoSources));
        let definition = json!({
            "type": "webhook", "url": url, "secret": SECRET, "topics": ["shop.public.orders"], "from": "earliest", "concurrency": concurrency,
            "where": "status = 'paid'", "view": "flat",
        });
        let began = Instant::now();
        deliveries.put("bench", &definition).await.expect("a subscription");
        while seen.count.load(Ordering::Relaxed) < records {
            assert!(began.elapsed() < Duration::from_secs(300), "too slow, or lost");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let took = began.elapsed();
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = records as f64 / took.as_secs_f64();
        println!("{records} webhooks of {keys} keys, {concurrency} at a time: {:.2} s, {rate:.0} deliveries/s, order per key kept", took.as_secs_f64());
        deliveries.shut_down().await;
        assert_eq!(seen.count.load(Ordering::Relaxed), records, "each once");
    });
    log.close();
}
