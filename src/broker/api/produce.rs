//! Produce, key 0, versions 3 to 11 (advertised from 0): read whole and refused.
//!
//! Topics of this log are written by rowfeed only: TOPIC_AUTHORIZATION_FAILED, which no client tries again, and from
//! version 8 a text that says so. A topic that does not exist is UNKNOWN_TOPIC_OR_PARTITION, though clients ask Metadata
//! first and stop there. With `acks=0` there is no response to refuse with: the connection is closed, as Kafka does on an
//! error. It is advertised from version 0 because librdkafka before 2.11.1 takes that as the sign that a broker can
//! compress (KAFKA-18659); versions 0 to 2 close the connection. Left out: appending. Idempotence and transactions
//! (InitProducerId and its kin) are not advertised.

use super::super::Broker;
use super::super::codec::{DecodeError, Decoder, Encoder};
use super::super::error_code::ErrorCode;
use super::super::router::{Call, Refusal, Reply};
use super::{NO_THROTTLE, find_partition};

const REFUSED: &str = "change topics are written by rowfeed only";

/// A request without its records.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked<'a> {
    pub(super) acks: i16,
    pub(super) topics: Vec<(&'a str, Vec<i32>)>,
}

/// A partition's answer.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) partition: i32,
    pub(super) error: ErrorCode,
    pub(super) message: Option<&'static str>,
}

/// Refuses every partition.
pub async fn handle(broker: &Broker, mut call: Call<'_>) -> Result<Reply, Refusal> {
    let asked = read(&mut call.body)?;
    if asked.acks == 0 {
        return Err(Refusal::ProduceWithoutAck);
    }
    let refuse = |topic: &str, partition: i32| match find_partition(&broker.log, topic, partition) {
        Some(_) => Refused { partition, error: ErrorCode::TOPIC_AUTHORIZATION_FAILED, message: Some(REFUSED) },
        None => Refused { partition, error: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, message: None },
    };
    let refused: Vec<_> = asked
        .topics
        .iter()
        .map(|(topic, partitions)| (*topic, partitions.iter().map(|partition| refuse(topic, *partition)).collect::<Vec<_>>()))
        .collect();
    let mut response = call.response();
    write(&mut response, call.version, &refused);
    Ok(response.into())
}

pub(super) fn read<'a>(body: &mut Decoder<'a>) -> Result<Asked<'a>, DecodeError> {
    let _transactional_id = body.nullable_string()?;
    let acks = body.i16()?;
    let _timeout_ms = body.i32()?;
    let topics = body.array(|d| {
        let name = d.string()?;
        let partitions = d.array(|d| {
            let partition = d.i32()?;
            d.nullable_bytes()?;
            d.tags()?;
            Ok(partition)
        })?;
        d.tags()?;
        Ok((name, partitions))
    })?;
    body.tags()?;
    Ok(Asked { acks, topics })
}

pub(super) fn write(out: &mut Encoder, version: i16, topics: &[(&str, Vec<Refused>)]) {
    out.array(topics.iter(), |out, (name, partitions)| {
        out.string(name);
        out.array(partitions.iter(), |out, refused| {
            out.i32(refused.partition);
            out.i16(refused.error.0);
            let (base_offset, log_append_time_ms, log_start_offset) = (-1, -1, -1);
            out.i64(base_offset);
            out.i64(log_append_time_ms);
            if version >= 5 {
                out.i64(log_start_offset);
            }
            if version >= 8 {
                out.array(std::iter::empty(), |_, ()| {});
                out.nullable_string(refused.message);
            }
            out.tags();
        });
        out.tags();
    });
    out.i32(NO_THROTTLE);
    out.tags();
}
