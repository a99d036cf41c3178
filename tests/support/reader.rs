//! Reads topics with librdkafka: a Kafka client that is not ours, so that the wire is proven too.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;

use super::DEADLINE;

/// How long one call to the broker may take.
const CALL: Duration = Duration::from_secs(20);

/// One record as the client returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// The key's bytes.
    pub key: Option<Vec<u8>>,
    /// The value's bytes.
    pub value: Option<Vec<u8>>,
    /// Name and value of each header, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// In milliseconds.
    pub timestamp: Option<i64>,
}

impl Record {
    /// The value as JSON; `Null` for a tombstone.
    pub fn json(&self) -> Value {
        self.value.as_deref().map_or(Value::Null, |bytes| serde_json::from_slice(bytes).expect("JSON"))
    }

    /// The value as text, "" for a tombstone.
    pub fn text(&self) -> String {
        self.value.as_deref().map(|bytes| String::from_utf8(bytes.to_vec()).expect("UTF-8")).unwrap_or_default()
    }

    /// The key as text, "" for none.
    pub fn key_text(&self) -> String {
        self.key.as_deref().map(|bytes| String::from_utf8(bytes.to_vec()).expect("UTF-8")).unwrap_or_default()
    }

    /// A header's value as text.
    pub fn header(&self, name: &str) -> Option<String> {
        let (_, value) = self.headers.iter().find(|(header, _)| header == name)?;
        Some(String::from_utf8_lossy(value).into_owned())
    }
}

/// A client of one broker.
pub struct Reader {
    bootstrap: String,
    /// Asks only; every read of records has a consumer of its own.
    asking: BaseConsumer,
    /// Topics that were listed once.
    listed: Mutex<HashSet<String>>,
}

impl Reader {
    /// A reader of the broker at `bootstrap`.
    pub fn new(bootstrap: impl Into<String>) -> Self {
        let bootstrap = bootstrap.into();
        let asking = consumer(&bootstrap);
        Self { bootstrap, asking, listed: Mutex::default() }
    }

    /// The topics the broker lists, with their number of partitions.
    pub fn topics(&self) -> Vec<(String, usize)> {
        let metadata = self.asking.fetch_metadata(None, CALL).expect("metadata");
        metadata.topics().iter().map(|topic| (topic.name().to_owned(), topic.partitions().len())).collect()
    }

    /// First and next offset of a partition; `None` when there is no such topic (yet).
    ///
    /// librdkafka waits in vain, to the end of the call, for a topic that it was told is not there and that is made meanwhile: it
    /// is asked about topics that are listed only.
    pub fn watermarks(&self, topic: &str, partition: i32) -> Option<(i64, i64)> {
        let mut listed = self.listed.lock().expect("no other use of it panics");
        if !listed.contains(topic) {
            listed.extend(self.topics().into_iter().map(|(name, _)| name));
        }
        if !listed.contains(topic) {
            return None;
        }
        drop(listed);
        self.asking.fetch_watermarks(topic, partition, CALL).ok()
    }

    /// Every record of one partition, from its beginning to where it ended when this was called.
    pub fn read_partition(&self, topic: &str, partition: i32) -> Vec<Record> {
        let consumer = consumer(&self.bootstrap);
        let (low, high) = consumer.fetch_watermarks(topic, partition, CALL).unwrap_or_else(|error| panic!("{topic}: {error}"));
        read_range(&consumer, topic, partition, low, high)
    }

    /// The first record of a topic, by a client that takes records of up to 1 GB.
    pub fn read_huge(&self, topic: &str) -> Record {
        let consumer = consumer_that_takes(&self.bootstrap, "999000000");
        read_range(&consumer, topic, 0, 0, 1).swap_remove(0)
    }

    /// Every record of a topic, partition after partition; none when there is no such topic.
    pub fn read(&self, topic: &str) -> Vec<Record> {
        let metadata = self.asking.fetch_metadata(None, CALL).expect("metadata");
        let Some(found) = metadata.topics().iter().find(|listed| listed.name() == topic) else { return Vec::new() };
        found.partitions().iter().flat_map(|partition| self.read_partition(topic, partition.id())).collect()
    }
}

fn consumer(bootstrap: &str) -> BaseConsumer {
    // The client's own default.
    consumer_that_takes(bootstrap, "52428800")
}

fn consumer_that_takes(bootstrap: &str, bytes: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("fetch.max.bytes", bytes)
        .set("receive.message.max.bytes", if bytes.len() > 8 { "1000000000" } else { "100000000" })
        .set("max.partition.fetch.bytes", if bytes.len() > 8 { bytes } else { "1048576" })
        .set("group.id", "rowfeed-tests")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("check.crcs", "true")
        .set("allow.auto.create.topics", "false")
        .set("auto.offset.reset", "error")
        .set("log_level", "3")
        .create()
        .expect("a consumer")
}

fn read_range(consumer: &BaseConsumer, topic: &str, partition: i32, low: i64, high: i64) -> Vec<Record> {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(low)).expect("an offset");
    consumer.assign(&list).expect("an assignment");
    let mut records = Vec::new();
    let mut quiet_until = Instant::now() + DEADLINE;
    // With an external Kafka the end may be a transaction's control record, which is never delivered: the consumer's
    // own position says that it was passed.
    while position(consumer, topic, partition).max(records.last().map_or(low, |record: &Record| record.offset + 1)) < high {
        assert!(Instant::now() < quiet_until, "{topic}/{partition}: no record for {DEADLINE:?} after {} of {low}..{high}", records.len());
        match consumer.poll(Duration::from_millis(100)) {
            None => {}
            // A connection that was lost is made again by the client itself.
            Some(Err(error)) if is_lost_connection(&error) => {}
            Some(Err(error)) => panic!("{topic}/{partition}: {error}"),
            Some(Ok(message)) => {
                quiet_until = Instant::now() + DEADLINE;
                records.push(owned(&message));
            }
        }
    }
    records.retain(|record| record.offset < high);
    records
}

fn is_lost_connection(error: &KafkaError) -> bool {
    matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure))
}

fn position(consumer: &BaseConsumer, topic: &str, partition: i32) -> i64 {
    let list = consumer.position().expect("a position");
    match list.find_partition(topic, partition).map(|element| element.offset()) {
        Some(Offset::Offset(offset)) => offset,
        _ => 0,
    }
}

fn owned(message: &rdkafka::message::BorrowedMessage<'_>) -> Record {
    let headers = message.headers().map(|headers| {
        headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec).unwrap_or_default())).collect()
    });
    Record {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
        timestamp: message.timestamp().to_millis(),
    }
}

/// Reads topics all the time, whatever happens to the broker, and remembers what it saw.
pub struct Follower {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<(String, Record)>>,
}

impl Follower {
    /// Starts to read partition 0 of these topics from their beginning.
    pub fn start(bootstrap: &str, topics: &[String]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (bootstrap, topics, told) = (bootstrap.to_owned(), topics.to_vec(), Arc::clone(&stop));
        let thread = std::thread::spawn(move || follow(&consumer(&bootstrap), &topics, &told));
        Self { stop, thread }
    }

    /// Ends; what was seen.
    pub fn stop(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        Seen(self.thread.join().expect("the follower does not panic"))
    }
}

fn follow(consumer: &BaseConsumer, topics: &[String], stop: &AtomicBool) -> Vec<(String, Record)> {
    let mut list = TopicPartitionList::new();
    for topic in topics {
        list.add_partition_offset(topic, 0, Offset::Beginning).expect("an offset");
    }
    consumer.assign(&list).expect("an assignment");
    let mut seen = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        // Errors come while the broker is away or the topic is new; librdkafka tries again by itself.
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(50)) {
            seen.push((message.topic().to_owned(), owned(&message)));
        }
    }
    seen
}

/// What a follower saw.
pub struct Seen(Vec<(String, Record)>);

impl Seen {
    /// What a consumer has seen never vanishes or changes: each record is still there, at its offset, as it was, and
    /// none was skipped.
    pub fn check(self, reader: &Reader) {
        println!("the follower saw {} records", self.0.len());
        assert!(!self.0.is_empty(), "the follower read something");
        let mut now = std::collections::HashMap::new();
        let mut next = std::collections::HashMap::new();
        for (topic, record) in self.0 {
            let records = now.entry(topic.clone()).or_insert_with(|| reader.read_partition(&topic, 0));
            let place = next.entry(topic.clone()).or_insert(0usize);
            assert_eq!(records.get(*place), Some(&record), "{topic}: record {place} was seen differently");
            *place += 1;
        }
    }
}
