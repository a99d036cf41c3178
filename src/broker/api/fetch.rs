//! Fetch, key 1, versions 4 to 18: records of partitions, waiting for them if need be.
//!
//! Whole stored batches are returned as they are; the first may begin before the offset asked for, and the first of the
//! response comes even if it is larger than `max_bytes` (KIP-74). A request parks until `min_bytes` are there or
//! `max_wait_ms` is over, and wakes when a commit becomes durable. The high watermark is the durable end; there are no
//! transactions, so it is the last stable offset too and no transaction is ever aborted (an empty list for read_committed,
//! null for read_uncommitted). From version 13 topics are named by id.
//!
//! Batches are passed on compressed as they are stored; one of zstd only from version 10 on (KIP-110), else the partition
//! answers UNSUPPORTED_COMPRESSION_TYPE.
//!
//! `connect-configs` is not read by anybody (TOPIC_AUTHORIZATION_FAILED): connectors' passwords may stand in it.
//!
//! Left out: fetch sessions (the session id is always 0, which tells clients to name all partitions each time), rack
//! awareness, followers (their fields are read over). `max_wait_ms` counts up to five minutes, and a response holds at most
//! `fetch_bytes_max`, less when many are being written.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::super::codec::{DecodeError, Decoder, Encoder};
use super::super::error_code::ErrorCode;
use super::super::router::{Call, Refusal, Reply};
use super::super::{Broker, FetchedBytes};
use super::{LEADER_EPOCH, NO_THROTTLE};
use crate::log::LogError;
use crate::log::topic::{TopicInfo, holds_secrets};
use crate::record::Route;
use crate::record::compression::Compression;
use crate::record::view::batches;

/// The longest a request may wait for data.
const WAIT_MAX: Duration = Duration::from_secs(300);
/// What a response may hold when others hold all there is, in bytes.
const BYTES_UNDER_PRESSURE: usize = 64 << 10;
const READ_COMMITTED: i8 = 1;
const FINAL_EPOCH: i32 = -1;
/// The first version whose clients know zstd.
const ZSTD_FROM: i16 = 10;

/// A request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked<'a> {
    pub(super) max_wait_ms: i32,
    pub(super) min_bytes: i32,
    pub(super) max_bytes: i32,
    pub(super) isolation: i8,
    pub(super) session_id: i32,
    pub(super) session_epoch: i32,
    pub(super) topics: Vec<AskedTopic<'a>>,
}

/// A topic asked for: by name, from version 13 by id.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AskedTopic<'a> {
    pub(super) name: &'a str,
    pub(super) id: [u8; 16],
    pub(super) partitions: Vec<AskedPartition>,
}

/// A partition asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AskedPartition {
    pub(super) partition: i32,
    pub(super) leader_epoch: i32,
    pub(super) offset: i64,
    pub(super) max_bytes: i32,
}

/// A topic of the response.
#[derive(Debug)]
pub(super) struct Topic<'a> {
    pub(super) name: &'a str,
    pub(super) id: [u8; 16],
    pub(super) partitions: Vec<Partition>,
}

/// A partition being collected, then written.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) partition: i32,
    pub(super) error: ErrorCode,
    pub(super) high_watermark: i64,
    pub(super) log_start: i64,
    pub(super) pieces: Vec<Bytes>,
    bytes: usize,
    bytes_max: usize,
    /// Where it is and the next offset to read; `None` once it has an error.
    next: Option<(Route, u64)>,
    /// The client's version of Fetch may carry zstd.
    knows_zstd: bool,
}

/// Answers when there is enough or the time is over.
pub async fn handle(broker: &Broker, mut call: Call<'_>) -> Result<Reply, Refusal> {
    let asked = read(&mut call.body, call.version)?;
    let committed = asked.isolation == READ_COMMITTED;
    let mut response = call.response();
    if asked.session_id != 0 || asked.session_epoch > 0 {
        write(&mut response, call.version, ErrorCode::FETCH_SESSION_ID_NOT_FOUND, committed, &[]);
        return Ok(response.into());
    }
    let mut collected = Collected::new(broker, &asked, call.version);
    collected.wait(&asked).await;
    write(&mut response, call.version, ErrorCode::NONE, committed, &collected.topics);
    Ok(Reply { response, held: Some(collected.held) })
}

struct Collected<'a> {
    broker: &'a Broker,
    topics: Vec<Topic<'a>>,
    bytes: usize,
    bytes_max: usize,
    has_error: bool,
    /// A batch that is there did not fit: what has been read is the response.
    full: bool,
    held: FetchedBytes,
}

impl<'a> Collected<'a> {
    fn new(broker: &'a Broker, asked: &Asked<'a>, version: i16) -> Self {
        let bytes_max = usize::try_from(asked.max_bytes).unwrap_or(0).min(broker.settings.fetch_bytes_max);
        let topics: Vec<_> = asked.topics.iter().map(|topic| find(broker, topic, version)).collect();
        let has_error = topics.iter().flat_map(|topic| &topic.partitions).any(|partition| !partition.error.is_none());
        Self { broker, topics, bytes: 0, bytes_max, has_error, full: false, held: FetchedBytes::none(&broker.fetched_bytes) }
    }

    /// Reads until there is enough. What has been read stays, so that a wake-up reads only what is new.
    async fn wait(&mut self, asked: &Asked<'_>) {
        let wait = Duration::from_millis(u64::try_from(asked.max_wait_ms).unwrap_or(0)).min(WAIT_MAX);
        let until = Instant::now() + wait;
        let enough = usize::try_from(asked.min_bytes).unwrap_or(0).min(self.bytes_max);
        let mut durable = self.broker.log.durable();
        let mut stop = self.broker.stop.clone();
        loop {
            // Seen before reading: a commit in between wakes us at once.
            durable.borrow_and_update();
            self.read().await;
            if self.has_error || self.full || self.bytes >= enough || self.nothing_to_wait_for() || *stop.borrow() {
                return;
            }
            let woken = async {
                tokio::select! {
                    changed = durable.changed() => changed.is_ok(),
                    _ = stop.changed() => true,
                }
            };
            // The log's end is an error of its sender.
            if !timeout_at(until, woken).await.unwrap_or(false) {
                return;
            }
        }
    }

    fn nothing_to_wait_for(&self) -> bool {
        self.topics.iter().all(|topic| topic.partitions.iter().all(|partition| partition.next.is_none()))
    }

    async fn read(&mut self) {
        for topic in &mut self.topics {
            for partition in &mut topic.partitions {
                if !partition.look(self.broker) {
                    self.has_error |= !partition.error.is_none();
                    continue;
                }
                // Taken before reading, so that requests that wake together do not all read into the same room.
                let least = BYTES_UNDER_PRESSURE.saturating_sub(self.bytes);
                let room = self.held.reserve(self.bytes_max.saturating_sub(self.bytes), self.broker.settings.fetches_bytes_max, least);
                let taken = partition.read(self.broker, room, self.bytes == 0).await;
                self.held.settle(room, taken.unwrap_or(0));
                self.bytes += taken.unwrap_or(0);
                self.has_error |= !partition.error.is_none();
                if taken.is_none() {
                    self.full = true;
                    return;
                }
            }
        }
    }
}

fn find<'a>(broker: &Broker, asked: &AskedTopic<'a>, version: i16) -> Topic<'a> {
    let (found, unknown) = if version >= 13 {
        (broker.log.topic_by_id(&asked.id), ErrorCode::UNKNOWN_TOPIC_ID)
    } else {
        (broker.log.topic(asked.name), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
    };
    let start = |partition: &AskedPartition| match &found {
        Some(topic) if holds_secrets(&topic.name) => Partition::failed(partition, ErrorCode::TOPIC_AUTHORIZATION_FAILED),
        Some(topic) => Partition { knows_zstd: version >= ZSTD_FROM, ..Partition::start(broker, topic, partition) },
        None => Partition::failed(partition, unknown),
    };
    Topic { name: asked.name, id: asked.id, partitions: asked.partitions.iter().map(start).collect() }
}

impl Partition {
    fn failed(asked: &AskedPartition, error: ErrorCode) -> Self {
        let pieces = Vec::new();
        Self {
            partition: asked.partition,
            error,
            high_watermark: -1,
            log_start: -1,
            pieces,
            bytes: 0,
            bytes_max: 0,
            next: None,
            knows_zstd: true,
        }
    }

    fn start(broker: &Broker, topic: &TopicInfo, asked: &AskedPartition) -> Self {
        let number = u32::try_from(asked.partition).ok().filter(|number| *number < topic.partitions);
        let Some(route) = number.map(|partition| Route { topic: topic.index, partition }) else {
            return Self::failed(asked, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        };
        if asked.leader_epoch > LEADER_EPOCH {
            return Self::failed(asked, ErrorCode::UNKNOWN_LEADER_EPOCH);
        }
        let bytes_max = usize::try_from(asked.max_bytes).unwrap_or(0);
        let mut partition = Self { bytes_max, ..Self::failed(asked, ErrorCode::NONE) };
        // A negative offset is out of range like any other that is not there.
        partition.next = Some((route, u64::try_from(asked.offset).unwrap_or(u64::MAX)));
        partition.look(broker);
        partition
    }

    /// Brings the ends up to date; true when there is something to read.
    fn look(&mut self, broker: &Broker) -> bool {
        let Some((route, next)) = self.next else { return false };
        let Some(range) = broker.log.offsets(route.topic, route.partition) else {
            self.fail(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
            return false;
        };
        self.high_watermark = i64::try_from(range.end).unwrap_or(i64::MAX);
        self.log_start = i64::try_from(range.start).unwrap_or(i64::MAX);
        if next < range.start || next > range.end {
            // With records already in hand the client gets those, and the error next time.
            if self.pieces.is_empty() {
                self.fail(ErrorCode::OFFSET_OUT_OF_RANGE);
            }
            return false;
        }
        next < range.end
    }

    fn fail(&mut self, error: ErrorCode) {
        self.error = error;
        self.next = None;
    }

    /// Reads what fits; the first batch of a whole response comes even if it is larger. `None` when the next one does not
    /// fit: a round ends there, because each further try would read a batch only to throw it away.
    async fn read(&mut self, broker: &Broker, room: usize, first: bool) -> Option<usize> {
        let Some((route, next)) = self.next else { return Some(0) };
        let room = room.min(self.bytes_max.saturating_sub(self.bytes));
        if room == 0 && !first {
            return None;
        }
        match broker.log.read(route.topic, route.partition, next, room.max(1)).await {
            Ok(piece) if !first && piece.len() > room => None,
            Ok(piece) if piece.is_empty() => Some(0),
            Ok(piece) => match if self.knows_zstd { piece.len() } else { bytes_before_zstd(&piece) } {
                0 if self.pieces.is_empty() => {
                    self.fail(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
                    Some(0)
                }
                // What has been read before it is answered first.
                0 => {
                    self.next = None;
                    Some(0)
                }
                known => Some(self.take(piece.slice(..known))),
            },
            Err(_) if !self.pieces.is_empty() => Some(0),
            Err(error) => {
                self.fail(code_of(&error));
                Some(0)
            }
        }
    }

    fn take(&mut self, piece: Bytes) -> usize {
        if let (Some((_, next)), Some(last)) = (&mut self.next, batches(&piece).last()) {
            *next = last.next_offset().max(*next);
        }
        let taken = piece.len();
        self.bytes += taken;
        self.pieces.push(piece);
        taken
    }
}

fn bytes_before_zstd(piece: &[u8]) -> usize {
    batches(piece).take_while(|batch| batch.compression() != Ok(Compression::Zstd)).map(|batch| batch.bytes().len()).sum()
}

fn code_of(error: &LogError) -> ErrorCode {
    match error {
        LogError::OffsetOutOfRange { .. } => ErrorCode::OFFSET_OUT_OF_RANGE,
        LogError::UnknownPartition { .. } => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        _ => {
            tracing::error!(%error, "records could not be read for a Kafka client");
            ErrorCode::KAFKA_STORAGE_ERROR
        }
    }
}

pub(super) fn read<'a>(body: &mut Decoder<'a>, version: i16) -> Result<Asked<'a>, DecodeError> {
    if version <= 14 {
        let _replica_id = body.i32()?;
    }
    let (max_wait_ms, min_bytes, max_bytes, isolation) = (body.i32()?, body.i32()?, body.i32()?, body.i8()?);
    let (session_id, session_epoch) = if version >= 7 { (body.i32()?, body.i32()?) } else { (0, FINAL_EPOCH) };
    let topics = body.array(|d| read_topic(d, version))?;
    if version >= 7 {
        body.array(|d| {
            skip_topic_name(d, version)?;
            d.array(Decoder::i32)?;
            d.tags()
        })?;
    }
    if version >= 11 {
        let _rack = body.string()?;
    }
    body.tags()?;
    Ok(Asked { max_wait_ms, min_bytes, max_bytes, isolation, session_id, session_epoch, topics })
}

fn skip_topic_name(d: &mut Decoder<'_>, version: i16) -> Result<(), DecodeError> {
    if version >= 13 { d.uuid().map(drop) } else { d.string().map(drop) }
}

fn read_topic<'a>(d: &mut Decoder<'a>, version: i16) -> Result<AskedTopic<'a>, DecodeError> {
    let (name, id) = if version >= 13 { ("", d.uuid()?) } else { (d.string()?, [0; 16]) };
    let partitions = d.array(|d| read_partition(d, version))?;
    d.tags()?;
    Ok(AskedTopic { name, id, partitions })
}

fn read_partition(d: &mut Decoder<'_>, version: i16) -> Result<AskedPartition, DecodeError> {
    let partition = d.i32()?;
    let leader_epoch = if version >= 9 { d.i32()? } else { -1 };
    let offset = d.i64()?;
    if version >= 12 {
        let _last_fetched_epoch = d.i32()?;
    }
    if version >= 5 {
        let _follower_log_start = d.i64()?;
    }
    let max_bytes = d.i32()?;
    d.tags()?;
    Ok(AskedPartition { partition, leader_epoch, offset, max_bytes })
}

pub(super) fn write(out: &mut Encoder, version: i16, error: ErrorCode, committed: bool, topics: &[Topic<'_>]) {
    out.i32(NO_THROTTLE);
    if version >= 7 {
        let no_session = 0;
        out.i16(error.0);
        out.i32(no_session);
    }
    out.array(topics.iter(), |out, topic| {
        if version >= 13 {
            out.uuid(&topic.id);
        } else {
            out.string(topic.name);
        }
        out.array(topic.partitions.iter(), |out, partition| write_partition(out, version, committed, partition));
        out.tags();
    });
    out.tags();
}

fn write_partition(out: &mut Encoder, version: i16, committed: bool, partition: &Partition) {
    out.i32(partition.partition);
    out.i16(partition.error.0);
    out.i64(partition.high_watermark);
    let last_stable = partition.high_watermark;
    out.i64(last_stable);
    if version >= 5 {
        out.i64(partition.log_start);
    }
    if committed {
        out.array(std::iter::empty(), |_, ()| {});
    } else {
        out.null_array();
    }
    if version >= 11 {
        let no_preferred_replica = -1;
        out.i32(no_preferred_replica);
    }
    out.records(&partition.pieces);
    out.tags();
}

#[cfg(test)]
impl Partition {
    /// A partition with a high watermark of 42 that begins at 7.
    pub(super) fn sample(partition: i32, error: ErrorCode, pieces: Vec<Bytes>) -> Self {
        Self { partition, error, high_watermark: 42, log_start: 7, pieces, bytes: 0, bytes_max: 0, next: None, knows_zstd: true }
    }
}
