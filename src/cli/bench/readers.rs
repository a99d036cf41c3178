//! The other end: what a Kafka consumer and what an HTTP client sees of the changes, and when.
//!
//! A Fetch (version 4) and its answer:
//!
//! ```text
//! length i32 | key 1 i16 | version 4 i16 | correlation i32 | client id | replica -1 i32 | max wait ms i32 | min bytes i32 |
//!   max bytes i32 | isolation i8 | one topic: name, one partition: 0 i32, offset i64, max bytes i32
//! length i32 | correlation i32 | throttle i32 | one topic: name, one partition: i32, error i16, high watermark i64,
//!   last stable offset i64, aborted transactions, records
//! ```
//!
//! Promises that what is kept of all latencies is a histogram of a fixed size, and that a reader to which nothing comes any
//! more, though something is owed, ends with a problem. Leaves the rate to the load.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::client::{Response, Server, escape};
use super::behind;
use super::load::Acks;
use crate::broker::codec::{DecodeError, Decoder};
use crate::problem::Problem;
use crate::record::view::batches;

/// A reader to which nothing comes for this long, though something is owed, gives up.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long a Fetch waits, and how often a reader looks whether it has all.
const WAIT: Duration = Duration::from_millis(100);
/// Bytes of one Fetch.
const FETCH_BYTES: i32 = 4 << 20;
/// The largest answer to one: a batch that is larger than what was asked for comes alone.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// An answer of the broker comes within this time, or the connection is broken.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// What was seen of one phase.
#[derive(Debug)]
pub struct Seen {
    /// Changes.
    pub count: u64,
    /// The sum of their numbers.
    pub sum: u128,
    /// How long after its commit each was there.
    pub latency: Latency,
    /// When the last one was.
    pub last: Option<Instant>,
}

impl Seen {
    fn new() -> Self {
        Self { count: 0, sum: 0, latency: Latency::new(), last: None }
    }

    fn take(&mut self, numbers: &[u64], at: Instant, acks: &Acks) {
        acks.latencies(numbers, at, |number, waited| {
            self.count += 1;
            self.sum += u128::from(number);
            self.latency.record(waited);
            self.last = Some(at);
        });
    }
}

/// Times, in a fixed amount of memory, within a thousandth.
#[derive(Debug)]
pub struct Latency(Histogram<u64>);

/// The longest time that is told apart from longer ones, in microseconds.
const LATENCY_MAX_US: u64 = 600_000_000;

impl Latency {
    fn new() -> Self {
        Self(Histogram::new_with_bounds(1, LATENCY_MAX_US, 3).expect("the bounds are in order and the digits at most five"))
    }

    fn record(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_micros()).unwrap_or(LATENCY_MAX_US));
    }

    /// This part of all took no longer than so many milliseconds.
    pub fn quantile_ms(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1000.0
    }

    /// The longest, in milliseconds.
    pub fn max_ms(&self) -> f64 {
        self.0.max() as f64 / 1000.0
    }
}

/// Debezium's envelope, as far as it matters here.
#[derive(Deserialize)]
struct Envelope {
    after: Option<Row>,
}

#[derive(Deserialize)]
struct Row {
    number: u64,
}

/// A line of `/v1/topics/{t}/records`.
#[derive(Deserialize)]
struct Line {
    value: Option<Envelope>,
}

/// How many changes a reader has seen at all.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// So many by now.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A Kafka consumer of one partition.
pub struct KafkaReader {
    stream: TcpStream,
    topic: String,
    next: u64,
    correlation: i32,
    counter: Counter,
    unpacked: Vec<u8>,
}

impl KafkaReader {
    /// Connects to a broker; reads from this offset on.
    pub async fn connect(address: &str, topic: &str, next: u64) -> Result<Self, Problem> {
        let stream = TcpStream::connect(address).await.map_err(|error| broken(&error.to_string()))?;
        stream.set_nodelay(true).map_err(|error| broken(&error.to_string()))?;
        let counter = Counter::default();
        Ok(Self { stream, topic: topic.to_owned(), next, correlation: 0, counter, unpacked: Vec::new() })
    }

    /// The next offset to read.
    pub fn next_offset(&self) -> u64 {
        self.next
    }

    /// Counts what comes, while it comes.
    pub fn counter(&self) -> Counter {
        self.counter.clone()
    }

    /// Reads until all changes of the phase have come.
    pub async fn read(&mut self, acks: &Acks) -> Result<Seen, Problem> {
        let (mut seen, mut silent_since) = (Seen::new(), Instant::now());
        while !acks.is_all(seen.count) {
            let numbers = self.fetch().await?;
            let at = Instant::now();
            if !numbers.is_empty() {
                silent_since = at;
                self.counter.0.fetch_add(u64::try_from(numbers.len()).unwrap_or(0), Relaxed);
                seen.take(&numbers, at, acks);
            } else if silent_since.elapsed() > SILENCE_MAX {
                return Err(silence("Kafka", seen.count, acks));
            }
        }
        Ok(seen)
    }

    /// The numbers of the changes of one answer.
    async fn fetch(&mut self) -> Result<Vec<u64>, Problem> {
        self.correlation = self.correlation.wrapping_add(1);
        let request = request(self.correlation, &self.topic, self.next);
        let answered = tokio::time::timeout(ANSWER_WAIT, exchange(&mut self.stream, &request)).await;
        let answer = answered.map_err(|_| broken("it does not answer"))?.map_err(|error| broken(&error.to_string()))?;
        let records = records(&answer, self.correlation).map_err(|why| broken(&why))?;
        let mut numbers = Vec::new();
        for batch in batches(records) {
            for record in batch.records(&mut self.unpacked) {
                let record = record.map_err(|error| broken(&error.to_string()))?;
                // A batch may begin before the offset that was asked for.
                if record.offset >= self.next {
                    self.next = record.offset + 1;
                    let envelope = serde_json::from_slice::<Envelope>(record.value.unwrap_or_default());
                    numbers.extend(envelope.ok().and_then(|envelope| envelope.after).map(|row| row.number));
                }
            }
        }
        Ok(numbers)
    }
}

fn request(correlation: i32, topic: &str, offset: u64) -> Vec<u8> {
    let string = |text: &str| [&i16::try_from(text.len()).unwrap_or(0).to_be_bytes()[..], text.as_bytes()].concat();
    let wait_ms = i32::try_from(WAIT.as_millis()).unwrap_or(0);
    let body = [
        &[0, 1, 0, 4][..],
        &correlation.to_be_bytes(),
        &string("rowfeed-bench"),
        &(-1_i32).to_be_bytes(),
        &wait_ms.to_be_bytes(),
        &1_i32.to_be_bytes(),
        &FETCH_BYTES.to_be_bytes(),
        &[0],
        &1_i32.to_be_bytes(),
        &string(topic),
        &1_i32.to_be_bytes(),
        &0_i32.to_be_bytes(),
        &offset.to_be_bytes(),
        &FETCH_BYTES.to_be_bytes(),
    ]
    .concat();
    [&i32::try_from(body.len()).unwrap_or(0).to_be_bytes()[..], &body].concat()
}

async fn exchange(stream: &mut TcpStream, request: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(request).await?;
    let length = usize::try_from(stream.read_i32().await?).unwrap_or(usize::MAX);
    if length > ANSWER_BYTES_MAX {
        return Err(std::io::Error::other("its answer is too large"));
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// The records of an answer about one partition.
fn records(answer: &[u8], correlation: i32) -> Result<&[u8], String> {
    let read = || -> Result<(i32, i16, &[u8]), DecodeError> {
        let mut answer = Decoder::new(answer);
        let correlation = answer.i32()?;
        // Throttle time; one topic, its name; one partition, its number.
        let _skipped = (answer.i32()?, answer.i32()?, answer.string()?, answer.i32()?, answer.i32()?);
        let error = answer.i16()?;
        // High watermark, last stable offset, aborted transactions: a list that is empty or null.
        let _skipped = (answer.i64()?, answer.i64()?, answer.i32()?);
        Ok((correlation, error, answer.nullable_bytes()?.unwrap_or_default()))
    };
    match read() {
        Ok((of, 0, records)) if of == correlation => Ok(records),
        Ok((_, error, _)) => Err(format!("it answers with error {error}")),
        Err(error) => Err(error.to_string()),
    }
}

/// A client of the HTTP stream of records.
pub struct HttpReader {
    response: Response,
}

impl HttpReader {
    /// Opens the stream at this offset.
    pub async fn open(server: &Server, topic: &str, offset: u64) -> Result<Self, Problem> {
        let path = format!("/v1/topics/{}/records?from=offset:{offset}&follow=true", escape(topic));
        let mut response = server.request("GET", &path, None).await?;
        if response.status == 200 {
            return Ok(Self { response });
        }
        Err(super::super::client::refusal(response.status, &response.text().await?))
    }

    /// Reads until all changes of the phase have come.
    pub async fn read(mut self, acks: &Acks) -> Result<Seen, Problem> {
        let (mut seen, mut silent_since) = (Seen::new(), Instant::now());
        loop {
            let line = self.response.line();
            tokio::pin!(line);
            // A line that is being read is not dropped: the look in between is beside it.
            let line = loop {
                tokio::select! {
                    line = &mut line => break line?,
                    () = tokio::time::sleep(WAIT) => {
                        if acks.is_all(seen.count) {
                            return Ok(seen);
                        }
                        if silent_since.elapsed() > SILENCE_MAX {
                            return Err(silence("HTTP", seen.count, acks));
                        }
                    }
                }
            };
            let at = Instant::now();
            let line = line.ok_or_else(|| broken("it ended the stream"))?;
            let number = serde_json::from_str::<Line>(&line).ok().and_then(|line| line.value?.after).map(|row| row.number);
            if number.is_some() {
                silent_since = at;
            }
            seen.take(number.as_slice(), at, acks);
            if acks.is_all(seen.count) {
                return Ok(seen);
            }
        }
    }
}

fn broken(why: &str) -> Problem {
    Problem::fail("bench/service", "the service that is measured does not serve its readers").why(why.to_owned())
}

fn silence(reader: &str, count: u64, acks: &Acks) -> Problem {
    behind(&format!("{count} of {} changes came by {reader}, then nothing for {SILENCE_MAX:?}", acks.expected().0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_a_broker_is_read_and_its_errors_are_told() {
        let answer = |error: i16| {
            let records: &[u8] = b"batch";
            let (topic, length) = (b"\0\x01t", 5_i32.to_be_bytes());
            let mut bytes = Vec::new();
            for part in [&7_i32.to_be_bytes()[..], &[0; 4], &1_i32.to_be_bytes(), topic, &1_i32.to_be_bytes(), &[0; 4]] {
                bytes.extend_from_slice(part);
            }
            for part in [&error.to_be_bytes()[..], &[0; 16], &0_i32.to_be_bytes(), &length, records] {
                bytes.extend_from_slice(part);
            }
            bytes
        };
        assert_eq!(records(&answer(0), 7), Ok(&b"batch"[..]));
        assert_eq!(records(&answer(3), 7), Err("it answers with error 3".to_owned()));
        assert!(records(&answer(0), 8).is_err(), "the answer to another request");
        assert!((0..answer(0).len()).all(|cut| records(&answer(0)[..cut], 7).is_err()));
    }

    #[test]
    fn latencies_are_kept_within_a_thousandth() {
        let mut latency = Latency::new();
        (1..=1000).for_each(|ms| latency.record(Duration::from_millis(ms)));
        let near = |value: f64, wanted: f64| (value - wanted).abs() <= wanted / 500.0;
        assert!(near(latency.quantile_ms(0.5), 500.0) && near(latency.quantile_ms(0.99), 990.0) && near(latency.max_ms(), 1000.0));
        latency.record(Duration::from_secs(100_000));
        assert!(near(latency.max_ms(), 600_000.0));
    }
}
