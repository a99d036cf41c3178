//! Live streams under load: what an idle subscriber costs, how late an event comes to thousands, what thousands of filters cost capture.
//!
//! `scripts/bench_streams.sh` builds and runs it. The service is a process of its own (`ROWFEED`, the program), so that its memory is its own
//! and a process's 20,000 descriptors go once to each side.
//!
//! ```text
//! streams idle N          N idle subscribers over HTTP/1.1: resident memory each
//! streams idle2 N         the same as streams of HTTP/2
//! streams fanout N RATE   N subscribers, RATE commits a second: from commit to socket
//! streams filters N ROWS  capture of ROWS rows without and with N filters of one value each
//! ```

use std::io::{Read, Write};
use std::net::TcpStream as Blocking;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rowfeed::demo::cluster::{Cluster, Programs, Shape, free_port};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const TOPIC: &str = "bench.public.events";
/// Connections that are opened at a time.
const OPENING: usize = 64;
/// Values of the column that filters ask for: with ten thousand filters one event in a hundred is for somebody.
const CUSTOMERS: usize = 1_000_000;
/// Streams of one connection of HTTP/2.
const H2_STREAMS: usize = 1000;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let number = |at: usize, usual: usize| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(usual);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        match arguments.first().map(String::as_str) {
            Some("idle") => idle(number(1, 15_000)).await,
            Some("idle2") => idle2(number(1, 50_000)).await,
            Some("fanout") => fanout(number(1, 2000), number(2, 1000), arguments.get(3).map_or("", String::as_str)).await,
            Some("filters") => filters(number(1, 10_000), number(2, 400_000)).await,
            // `cargo bench` alone runs the quick ones only.
            _ => {
                println!("streams idle N | idle2 N | fanout N RATE [QUERY] | filters N ROWS, with ROWFEED=path of the program");
                Ok(())
            }
        }
    })
}

/// The service, in a folder of its own.
struct Service {
    child: Child,
    http: String,
    _data: tempfile::TempDir,
}

impl Service {
    fn start() -> Result<Self, Failure> {
        let data = tempfile::Builder::new().prefix("rowfeed-bench-").tempdir()?;
        let (http, kafka) = (format!("127.0.0.1:{}", free_port()?), format!("127.0.0.1:{}", free_port()?));
        let program = std::env::var("ROWFEED").unwrap_or_else(|_| "target/release/rowfeed".to_owned());
        let child = Command::new(program)
            .args(["run", "--http", &http, "--kafka", &kafka, "--data"])
            .arg(data.path().join("data"))
            .args(["--set", "http.max_streams=100000", "--set", "http.max_streams_per_ip=100000", "--set", "logging.level=warn"])
            .current_dir(data.path())
            .stdin(Stdio::null())
            .spawn()?;
        let service = Self { child, http, _data: data };
        for _ in 0..1000 {
            if service.ask("GET", "/readyz", "").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")) {
                return Ok(service);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err("the service does not come up".into())
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Result<String, Failure> {
        let mut stream = Blocking::connect(&self.http)?;
        let (host, length) = (&self.http, body.len());
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn connect(&self, database: &Cluster) -> Result<(), Failure> {
        let config = format!(
            r#"{{"connector.class":"io.debezium.connector.postgresql.PostgresConnector","database.hostname":"127.0.0.1","database.port":"{}","database.user":"postgres","database.password":"none","database.dbname":"postgres","topic.prefix":"bench","slot.name":"bench","publication.name":"bench","snapshot.mode":"no_data","publication.autocreate.mode":"all_tables"}}"#,
            database.port()
        );
        let answer = self.ask("PUT", "/connectors/bench/config", &config)?;
        if answer.starts_with("HTTP/1.1 2") { Ok(()) } else { Err(answer.into()) }
    }

    /// The topic's next offset.
    fn end(&self) -> u64 {
        let answer = self.ask("GET", &format!("/v1/topics/{TOPIC}"), "").unwrap_or_default();
        answer
            .split("\"end\":")
            .nth(1)
            .and_then(|rest| rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok())
            .unwrap_or(0)
    }

    /// Kilobytes that are resident.
    fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.trim().parse().ok()).unwrap_or(0)
    }

    /// Seconds of processors.
    fn processor(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let words: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        words.get(11..13).unwrap_or_default().iter().filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A subscriber that has caught up.
async fn subscribe(http: &str, query: &str) -> Result<TcpStream, Failure> {
    let mut stream = TcpStream::connect(http).await?;
    stream.write_all(format!("GET /v1/topics/{TOPIC}/stream?{query} HTTP/1.1\r\nHost: {http}\r\n\r\n").as_bytes()).await?;
    let mut read = Vec::new();
    let mut room = [0; 2048];
    while !read.windows(9).any(|window| window == b"caught-up") {
        match stream.read(&mut room).await? {
            0 => return Err(String::from_utf8_lossy(&read).into_owned().into()),
            got => read.extend_from_slice(room.get(..got).unwrap_or_default()),
        }
    }
    Ok(stream)
}

/// So many, some at a time.
async fn subscribe_all(http: &str, count: usize, query: impl Fn(usize) -> String) -> Result<Vec<TcpStream>, Failure> {
    let mut open = Vec::with_capacity(count);
    while open.len() < count {
        let mut opening = tokio::task::JoinSet::new();
        for at in open.len()..count.min(open.len() + OPENING) {
            let (http, query) = (http.to_owned(), query(at));
            opening.spawn(async move { subscribe(&http, &query).await });
        }
        while let Some(opened) = opening.join_next().await {
            open.push(opened??);
        }
    }
    Ok(open)
}

fn database() -> Result<Cluster, Failure> {
    let settings = [("max_wal_senders", "10"), ("wal_level", "logical"), ("shared_buffers", "256MB")];
    let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let shape = Shape {
        programs: Programs::find().map_err(|problem| problem.to_string())?,
        name: "rowfeed-bench".into(),
        sync: false,
        settings,
        keep: false,
    };
    Cluster::start(shape).map_err(|problem| problem.to_string().into())
}

async fn sql(database: &Cluster) -> Result<tokio_postgres::Client, Failure> {
    let (client, connection) = tokio_postgres::connect(&database.url("postgres"), tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// The service with a captured table of one row.
async fn captured() -> Result<(Cluster, Service, tokio_postgres::Client), Failure> {
    let (database, service) = (database()?, Service::start()?);
    let client = sql(&database).await?;
    client.batch_execute("create table events(id bigint primary key, customer bigint, note text)").await?;
    service.connect(&database)?;
    for id in 0.. {
        client.batch_execute(&format!("insert into events values ({}, 0, '')", -1 - id)).await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
        if service.end() > 0 {
            break;
        }
    }
    Ok((database, service, client))
}

async fn idle(count: usize) -> Result<(), Failure> {
    let (_database, service, _client) = captured().await?;
    let warm = subscribe_all(&service.http, OPENING, |_| String::new()).await?;
    drop(warm);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = service.resident();
    let began = Instant::now();
    let open = subscribe_all(&service.http, count, |_| String::new()).await?;
    let took = began.elapsed();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let after = service.resident();
    let each = (after.saturating_sub(before)) as f64 / count as f64;
    println!("{count} idle subscribers over HTTP/1.1: {before} kB before, {after} kB with them, {each:.2} KiB each; opened in {took:.1?}");
    let processor = service.processor();
    tokio::time::sleep(Duration::from_secs(20)).await;
    println!("  their signs of life: {:.1} % of a processor, {} kB resident", (service.processor() - processor) * 5.0, service.resident());
    drop(open);
    Ok(())
}

async fn idle2(count: usize) -> Result<(), Failure> {
    let (_database, service, client) = captured().await?;
    let before = service.resident();
    let (mut bodies, mut senders) = (Vec::with_capacity(count), Vec::new());
    while bodies.len() < count {
        let stream = TcpStream::connect(&service.http).await?;
        let (sender, connection) = h2::client::Builder::new()
            .initial_window_size(1 << 20)
            .initial_connection_window_size(1 << 30)
            .handshake::<_, bytes::Bytes>(stream)
            .await?;
        tokio::spawn(connection);
        let mut sender = sender.ready().await?;
        for _ in 0..H2_STREAMS.min(count - bodies.len()) {
            let request = axum::http::Request::get(format!("http://{}/v1/topics/{TOPIC}/stream?view=flat", service.http)).body(())?;
            let (response, _) = sender.send_request(request, true)?;
            sender = sender.ready().await?;
            let response = response.await?;
            if response.status() != 200 {
                return Err(format!("{}", response.status()).into());
            }
            bodies.push(response.into_body());
        }
        senders.push(sender);
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let after = service.resident();
    let each = (after.saturating_sub(before)) as f64 / count as f64;
    println!("{count} idle subscribers as streams of HTTP/2: {before} kB before, {after} kB with them, {each:.2} KiB each");
    let began = Instant::now();
    client.batch_execute("insert into events values (1, 1, 'all')").await?;
    let mut last = Duration::ZERO;
    for body in &mut bodies {
        let mut read = Vec::new();
        while !read.windows(6).any(|window| window == b"change") {
            let data = tokio::time::timeout(Duration::from_secs(60), body.data()).await?.ok_or("the stream is over")??;
            read.extend_from_slice(&data);
            body.flow_control().release_capacity(data.len())?;
        }
        last = began.elapsed();
    }
    println!("  one event was with all of them after {last:.1?}");
    Ok(())
}

/// When each commit was told to its client, microseconds; by its number.
struct Commits {
    began: Instant,
    at: Vec<AtomicU64>,
}

async fn fanout(count: usize, rate: usize, query: &str) -> Result<(), Failure> {
    let (database, service, _client) = captured().await?;
    let (warm_s, long_s) = (3, 15);
    let total = rate * (warm_s + long_s);
    let commits = Arc::new(Commits { began: Instant::now(), at: (0..=total).map(|_| AtomicU64::new(0)).collect() });
    let first_offset = service.end();
    let open = subscribe_all(&service.http, count, |_| query.to_owned()).await?;
    let (seen, bytes) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut readers = tokio::task::JoinSet::new();
    for mut stream in open {
        let (commits, seen, bytes) = (Arc::clone(&commits), Arc::clone(&seen), Arc::clone(&bytes));
        readers.spawn(async move {
            let mut late = hdrhistogram::Histogram::<u64>::new_with_bounds(1, 60_000_000, 2).expect("bounds");
            let (mut room, mut kept) = (vec![0; 64 << 10], 0);
            let mut last = 0;
            while last < total as u64 {
                let Ok(Ok(got @ 1..)) =
                    tokio::time::timeout(Duration::from_secs(10), stream.read(room.get_mut(kept..).unwrap_or_default())).await
                else {
                    break;
                };
                let now = u64::try_from(commits.began.elapsed().as_micros()).unwrap_or(u64::MAX);
                bytes.fetch_add(got as u64, Relaxed);
                let text = room.get(..kept + got).unwrap_or_default();
                // The first and the last one of what came: those between are no later than the first.
                let at_first = memchr::memmem::find(text, b"id: 0:");
                let at_last = memchr::memmem::rfind(text, b"id: 0:");
                let mut place = 0;
                for at in at_first.into_iter().chain(at_last.filter(|_| at_first != at_last)) {
                    let Some(rest) = text.get(at + 6..) else { continue };
                    let Some(end) = rest.iter().position(|byte| !byte.is_ascii_digit()) else { continue };
                    let next: u64 =
                        std::str::from_utf8(rest.get(..end).unwrap_or_default()).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
                    place = at + 6;
                    // The event of the row with this number.
                    let number = next.saturating_sub(first_offset);
                    if number <= last || number > total as u64 {
                        continue;
                    }
                    seen.fetch_add(number - last, Relaxed);
                    last = number;
                    let committed = commits.at.get(number as usize).map_or(0, |at| at.load(Relaxed));
                    if number as usize > rate * warm_s {
                        // Not yet told to its client: it was quicker than that.
                        let _ = late.record(if committed == 0 { 1 } else { now.saturating_sub(committed).max(1) });
                    }
                }
                // What could be the beginning of an id stays.
                let keep = (kept + got).saturating_sub(place.max((kept + got).saturating_sub(40)));
                room.copy_within(kept + got - keep..kept + got, 0);
                kept = keep;
            }
            late
        });
    }
    let processor = service.processor();
    let began = Instant::now();
    // One writer, so that numbers are offsets.
    let writer = sql(&database).await?;
    let insert = writer.prepare("insert into events values ($1, $2, 'of some length, as notes are')").await?;
    for number in 1..=total {
        let due = began + Duration::from_secs_f64(number as f64 / rate as f64);
        if let Some(wait) = due.checked_duration_since(Instant::now()) {
            tokio::time::sleep(wait).await;
        }
        writer.execute(&insert, &[&(number as i64), &(number as i64 % 1000)]).await?;
        let now = u64::try_from(commits.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        if let Some(at) = commits.at.get(number) {
            at.store(now, Relaxed);
        }
    }
    let wrote = began.elapsed();
    let mut late = hdrhistogram::Histogram::<u64>::new_with_bounds(1, 60_000_000, 2)?;
    while let Some(one) = readers.join_next().await {
        late.add(one?)?;
    }
    let used = service.processor() - processor;
    let ms = |quantile: f64| late.value_at_quantile(quantile) as f64 / 1000.0;
    println!(
        "{count} subscribers, {:.0} commits/s: commit to socket p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms; {} of {} events seen, {:.0} MB, {:.0} % of a processor",
        total as f64 / wrote.as_secs_f64(),
        ms(0.5),
        ms(0.99),
        late.max() as f64 / 1000.0,
        seen.load(Relaxed),
        count * total,
        bytes.load(Relaxed) as f64 / 1e6,
        used / wrote.as_secs_f64() * 100.0
    );
    Ok(())
}

async fn filters(count: usize, rows: usize) -> Result<(), Failure> {
    let (_database, service, client) = captured().await?;
    let next = AtomicUsize::new(1);
    let capture = async |label: &str| -> Result<f64, Failure> {
        service.ask("PUT", "/connectors/bench/pause", "")?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let first = next.fetch_add(rows, Relaxed);
        for at in (first..first + rows).step_by(1000) {
            let insert = format!(
                "insert into events select i, i % {CUSTOMERS}, 'of some length, as notes are' from generate_series({at}, {}) i",
                at + 999
            );
            client.batch_execute(&insert).await?;
        }
        let end = service.end() + rows as u64;
        let (from, processor) = (service.end(), service.processor());
        service.ask("PUT", "/connectors/bench/resume", "")?;
        while service.end() == from {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let (began, begun) = (Instant::now(), service.end());
        while service.end() < end {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let speed = (end - begun) as f64 / began.elapsed().as_secs_f64();
        println!("  {label}: {speed:.0} rows/s, {:.2} s of processors", service.processor() - processor);
        Ok(speed)
    };
    capture("warm").await?;
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        without.push(capture("none").await?);
        let open = subscribe_all(&service.http, count, |at| format!("where=customer%3D{at}&view=flat")).await?;
        // They read what they get, or they would be slow ones.
        let mut readers = tokio::task::JoinSet::new();
        for mut stream in open {
            readers.spawn(async move {
                let mut room = vec![0; 4096];
                let mut bytes = 0;
                while let Ok(got @ 1..) = stream.read(&mut room).await {
                    bytes += got;
                }
                bytes
            });
        }
        with.push(capture("with them").await?);
        readers.shutdown().await;
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    let middle = |mut speeds: Vec<f64>| {
        speeds.sort_by(f64::total_cmp);
        speeds.get(speeds.len() / 2).copied().unwrap_or(0.0)
    };
    let (without, with) = (middle(without), middle(with));
    println!("{count} filters of one value each: capture {with:.0} rows/s, {without:.0} without: {:.2}", with / without);
    Ok(())
}
