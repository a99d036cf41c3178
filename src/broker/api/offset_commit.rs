//! OffsetCommit, key 8, versions 2 to 9: a group's place in partitions, durable when answered.
//!
//! Members of a group commit with their generation; a client without group membership (generation -1) may while the group
//! has no members. A partition that does not exist is error 3, a text above 4,096 bytes 12; the others of the request are
//! committed. Offsets are kept until they are replaced, deleted (DeleteGroups), or their group has had neither members nor
//! commits for seven days; `retention_time_ms` (up to version 4) is read and not used.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::super::Broker;
use super::super::codec::{DecodeError, Decoder, Encoder};
use super::super::error_code::ErrorCode;
use super::super::groups::MemberRef;
use super::super::groups::records::Committed;
use super::super::router::{Call, Refusal, Reply};
use super::{NO_THROTTLE, find_partition};

/// A request.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) group: &'a str,
    pub(super) member: MemberRef<'a>,
    pub(super) topics: Vec<(&'a str, Vec<AskedPartition<'a>>)>,
}

/// A partition's offset to commit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AskedPartition<'a> {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) leader_epoch: i32,
    pub(super) metadata: &'a str,
}

/// Answers when the offsets are durable.
pub async fn handle(broker: &Broker, mut call: Call<'_>) -> Result<Reply, Refusal> {
    let asked = read(&mut call.body, call.version)?;
    let mut answers = Vec::with_capacity(asked.topics.len());
    let mut accepted = Vec::new();
    for (topic, partitions) in &asked.topics {
        let name: Arc<str> = (*topic).into();
        let mut codes = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let code = check(broker, topic, partition);
            codes.push((partition.partition, code));
            if code.is_none() {
                accepted.push((Arc::clone(&name), partition.partition, committed(partition)));
            }
        }
        answers.push((*topic, codes));
    }
    let error = broker.groups.commit(asked.group, asked.member, accepted).await;
    if !error.is_none() {
        answers.iter_mut().flat_map(|(_, codes)| codes).filter(|(_, code)| code.is_none()).for_each(|(_, code)| *code = error);
    }
    let mut response = call.response();
    write(&mut response, call.version, &answers);
    Ok(response.into())
}

fn check(broker: &Broker, topic: &str, partition: &AskedPartition<'_>) -> ErrorCode {
    if find_partition(&broker.log, topic, partition.partition).is_none() {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    } else if partition.metadata.len() > broker.groups.limits().metadata_bytes_max {
        ErrorCode::OFFSET_METADATA_TOO_LARGE
    } else {
        ErrorCode::NONE
    }
}

fn committed(partition: &AskedPartition<'_>) -> Committed {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Committed {
        offset: partition.offset,
        leader_epoch: partition.leader_epoch,
        metadata: partition.metadata.into(),
        committed_at_ms: i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
    }
}

pub(super) fn read<'a>(body: &mut Decoder<'a>, version: i16) -> Result<Asked<'a>, DecodeError> {
    let (group, generation, id) = (body.string()?, body.i32()?, body.string()?);
    let instance = if version >= 7 { body.nullable_string()? } else { None };
    if version <= 4 {
        let _retention_time_ms = body.i64()?;
    }
    let topics = body.array(|d| {
        let name = d.string()?;
        let partitions = d.array(|d| {
            let (partition, offset) = (d.i32()?, d.i64()?);
            let leader_epoch = if version >= 6 { d.i32()? } else { -1 };
            let metadata = d.nullable_string()?.unwrap_or_default();
            d.tags()?;
            Ok(AskedPartition { partition, offset, leader_epoch, metadata })
        })?;
        d.tags()?;
        Ok((name, partitions))
    })?;
    body.tags()?;
    Ok(Asked { group, member: MemberRef { id, instance, generation }, topics })
}

pub(super) fn write(out: &mut Encoder, version: i16, topics: &[(&str, Vec<(i32, ErrorCode)>)]) {
    if version >= 3 {
        out.i32(NO_THROTTLE);
    }
    out.array(topics.iter(), |out, (name, partitions)| {
        out.string(name);
        out.array(partitions.iter(), |out, (partition, error)| {
            out.i32(*partition);
            out.i16(error.0);
            out.tags();
        });
        out.tags();
    });
    out.tags();
}
