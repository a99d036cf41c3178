//! ListOffsets, key 2, versions 1 to 10: offsets by time, and the ends of a partition.
//!
//! -1 latest (the high watermark, which is also the last stable offset: there are no transactions), -2 earliest, -3 the
//! record with the largest timestamp (from version 7), -4 earliest local, which is earliest (from 8), -5 latest tiered:
//! none (from 9). A time gives the first record with that timestamp or a later one, found inside batches; -1 and -1 when
//! there is none. Answers come at once, so version 10's timeout is read and not used. A request for more than
//! 10,000 partitions closes the connection.

use super::super::Broker;
use super::super::codec::{DecodeError, Decoder, Encoder};
use super::super::error_code::ErrorCode;
use super::super::router::{Call, Refusal, Reply};
use super::{LEADER_EPOCH, NO_THROTTLE, find_partition};
use crate::log::LogError;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

/// The most partitions of one request: each may have to be searched on the disk.
const PARTITIONS_MAX: usize = 10_000;

/// What is asked of one partition.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) partition: i32,
    pub(super) leader_epoch: i32,
    pub(super) timestamp: i64,
}

/// What is answered for one partition.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) partition: i32,
    pub(super) error: ErrorCode,
    pub(super) timestamp: i64,
    pub(super) offset: i64,
}

/// Answers for each partition by itself.
pub async fn handle(broker: &Broker, mut call: Call<'_>) -> Result<Reply, Refusal> {
    let topics = read(&mut call.body, call.version)?;
    let count = topics.iter().map(|(_, partitions)| partitions.len()).sum();
    if count > PARTITIONS_MAX {
        return Err(Refusal::TooMany(count));
    }
    let mut answers = Vec::with_capacity(topics.len());
    for (name, partitions) in topics {
        let mut found = Vec::with_capacity(partitions.len());
        for asked in partitions {
            found.push(answer(broker, call.version, name, &asked).await);
        }
        answers.push((name, found));
    }
    let mut response = call.response();
    write(&mut response, call.version, &answers);
    Ok(response.into())
}

async fn answer(broker: &Broker, version: i16, topic: &str, asked: &Asked) -> Found {
    let (error, place) = match find(broker, version, topic, asked).await {
        Ok(place) => (ErrorCode::NONE, place),
        Err(error) => (error, None),
    };
    let (offset, timestamp) = place.unwrap_or((-1, -1));
    Found { partition: asked.partition, error, timestamp, offset }
}

async fn find(broker: &Broker, version: i16, topic: &str, asked: &Asked) -> Result<Option<(i64, i64)>, ErrorCode> {
    let route = find_partition(&broker.log, topic, asked.partition).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let range = broker.log.offsets(route.topic, route.partition).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    if asked.leader_epoch > LEADER_EPOCH {
        return Err(ErrorCode::UNKNOWN_LEADER_EPOCH);
    }
    let at = |offset: u64| Ok(Some((signed(offset), -1)));
    let record = |found: Result<Option<(u64, i64)>, LogError>| match found {
        Ok(found) => Ok(found.map(|(offset, timestamp)| (signed(offset), timestamp))),
        Err(LogError::UnknownPartition { .. }) => Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        Err(_) => Err(ErrorCode::KAFKA_STORAGE_ERROR),
    };
    match asked.timestamp {
        LATEST => at(range.end),
        EARLIEST => at(range.start),
        MAX_TIMESTAMP if version >= 7 => record(broker.log.max_timestamp(route.topic, route.partition).await),
        EARLIEST_LOCAL if version >= 8 => at(range.start),
        LATEST_TIERED if version >= 9 => Ok(None),
        time if time >= 0 => record(broker.log.offset_for_time(route.topic, route.partition, time).await),
        _ => Err(ErrorCode::UNSUPPORTED_VERSION),
    }
}

fn signed(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}

/// Reads a request: topics and what is asked of their partitions.
pub(super) fn read<'a>(body: &mut Decoder<'a>, version: i16) -> Result<Vec<(&'a str, Vec<Asked>)>, DecodeError> {
    let _replica = body.i32()?;
    if version >= 2 {
        let _isolation = body.i8()?;
    }
    let topics = body.array(|d| {
        let name = d.string()?;
        let partitions = d.array(|d| {
            let partition = d.i32()?;
            let leader_epoch = if version >= 4 { d.i32()? } else { -1 };
            let timestamp = d.i64()?;
            d.tags()?;
            Ok(Asked { partition, leader_epoch, timestamp })
        })?;
        d.tags()?;
        Ok((name, partitions))
    })?;
    if version >= 10 {
        let _timeout_ms = body.i32()?;
    }
    body.tags()?;
    Ok(topics)
}

pub(super) fn write(out: &mut Encoder, version: i16, topics: &[(&str, Vec<Found>)]) {
    if version >= 2 {
        out.i32(NO_THROTTLE);
    }
    out.array(topics.iter(), |out, (name, partitions)| {
        out.string(name);
        out.array(partitions.iter(), |out, found| {
            out.i32(found.partition);
            out.i16(found.error.0);
            out.i64(found.timestamp);
            out.i64(found.offset);
            if version >= 4 {
                out.i32(if found.offset >= 0 { LEADER_EPOCH } else { -1 });
            }
            out.tags();
        });
        out.tags();
    });
    out.tags();
}
