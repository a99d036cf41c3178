//! What the coordinator writes to `__consumer_offsets`, in Kafka's own formats, so that tools that read that topic work.
//!
//! ```text
//! offset key   := version i16 = 1 | group string | topic string | partition i32
//! offset value := version i16 = 3 | offset i64 | leader_epoch i32 | metadata string | commit_timestamp_ms i64
//! group key    := version i16 = 2 | group string
//! group value  := version i16 = 3 | protocol_type string | generation i32 | protocol string? | leader string?
//!               | state_timestamp_ms i64 | members [member_id string | instance_id string? | client_id string
//!               | client_host string | rebalance_timeout_ms i32 | session_timeout_ms i32 | subscription bytes
//!               | assignment bytes]
//! string := length i16 (-1: null) bytes        bytes, array := length i32 ...
//! ```
//! (`OffsetCommitKey.json`, `OffsetCommitValue.json`, `GroupMetadataKey.json`, `GroupMetadataValue.json` of Kafka's group
//! coordinator.) A record without value removes what its key names. Keys of a version not known here are passed over, as
//! Kafka does.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::super::codec::{DecodeError, Decoder, cut};
use super::group::{Group, Join, Member};

const OFFSET_KEY_VERSION: i16 = 1;
const GROUP_KEY_VERSION: i16 = 2;
const VALUE_VERSION: i16 = 3;

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The next offset to read.
    pub offset: i64,
    /// Leader epoch of the last record read, or -1.
    pub leader_epoch: i32,
    /// The client's own text.
    pub metadata: Box<str>,
    /// When it was committed, milliseconds since 1970.
    pub committed_at_ms: i64,
}

/// What a record's key names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    /// A group's offset in a partition.
    Offset {
        /// The group.
        group: &'a str,
        /// The topic.
        topic: &'a str,
        /// The partition.
        partition: i32,
    },
    /// A group's members.
    Group {
        /// The group.
        group: &'a str,
    },
}

/// Reads a key; `None` for a version not known here.
pub fn read_key(bytes: &[u8]) -> Result<Option<Key<'_>>, DecodeError> {
    let mut decoder = Decoder::new(bytes);
    match decoder.i16()? {
        0 | OFFSET_KEY_VERSION => Ok(Some(Key::Offset { group: decoder.string()?, topic: decoder.string()?, partition: decoder.i32()? })),
        GROUP_KEY_VERSION => Ok(Some(Key::Group { group: decoder.string()? })),
        _ => Ok(None),
    }
}

/// The key of a committed offset.
pub fn offset_key(group: &str, topic: &str, partition: i32) -> Vec<u8> {
    let mut out = OFFSET_KEY_VERSION.to_be_bytes().to_vec();
    put_string(&mut out, Some(group));
    put_string(&mut out, Some(topic));
    out.extend_from_slice(&partition.to_be_bytes());
    out
}

/// The value of a committed offset.
pub fn offset_value(committed: &Committed) -> Vec<u8> {
    let mut out = VALUE_VERSION.to_be_bytes().to_vec();
    out.extend_from_slice(&committed.offset.to_be_bytes());
    out.extend_from_slice(&committed.leader_epoch.to_be_bytes());
    put_string(&mut out, Some(&committed.metadata));
    out.extend_from_slice(&committed.committed_at_ms.to_be_bytes());
    out
}

/// Reads the value of a committed offset.
pub fn read_offset_value(bytes: &[u8]) -> Result<Committed, DecodeError> {
    let mut decoder = Decoder::new(bytes);
    let version = decoder.i16()?;
    let offset = decoder.i64()?;
    let leader_epoch = if version >= 3 { decoder.i32()? } else { -1 };
    Ok(Committed { offset, leader_epoch, metadata: decoder.string()?.into(), committed_at_ms: decoder.i64()? })
}

/// The key of a group's members.
pub fn group_key(group: &str) -> Vec<u8> {
    let mut out = GROUP_KEY_VERSION.to_be_bytes().to_vec();
    put_string(&mut out, Some(group));
    out
}

/// A group's members as a record's value.
pub fn group_value(group: &Group, now_ms: i64) -> Vec<u8> {
    let mut out = VALUE_VERSION.to_be_bytes().to_vec();
    put_string(&mut out, Some(group.protocol_type().unwrap_or_default()));
    out.extend_from_slice(&group.generation().to_be_bytes());
    put_string(&mut out, group.protocol());
    put_string(&mut out, group.leader());
    out.extend_from_slice(&now_ms.to_be_bytes());
    out.extend_from_slice(&i32::try_from(group.members().len()).unwrap_or(i32::MAX).to_be_bytes());
    for (id, member) in group.members() {
        put_string(&mut out, Some(id));
        put_string(&mut out, member.instance_id.as_deref());
        put_string(&mut out, Some(&member.client_id));
        put_string(&mut out, Some(&member.client_host));
        put_millis(&mut out, member.rebalance_timeout);
        put_millis(&mut out, member.session_timeout);
        put_bytes(&mut out, &member.metadata(group.protocol().unwrap_or_default()));
        put_bytes(&mut out, &member.assignment);
    }
    out
}

/// Reads a group's members; their sessions begin now.
pub fn read_group_value(bytes: &[u8], now: Instant, members_max: usize) -> Result<Group, DecodeError> {
    let mut decoder = Decoder::new(bytes);
    let version = decoder.i16()?;
    let protocol_type = decoder.string()?.to_owned();
    let generation = decoder.i32()?;
    let protocol = decoder.nullable_string()?.map(str::to_owned);
    let leader = decoder.nullable_string()?.map(str::to_owned);
    if version >= 2 {
        decoder.i64()?;
    }
    let name = protocol.clone().unwrap_or_default();
    let members = decoder.array(|d| read_member(d, version, &name, &protocol_type, now))?;
    Ok(Group::restored(members_max, generation, protocol_type, protocol, leader, BTreeMap::from_iter(members)))
}

fn read_member(
    decoder: &mut Decoder<'_>,
    version: i16,
    protocol: &str,
    protocol_type: &str,
    now: Instant,
) -> Result<(String, Member), DecodeError> {
    let member_id = decoder.string()?.to_owned();
    let instance_id = if version >= 3 { decoder.nullable_string()?.map(str::to_owned) } else { None };
    let client_id = decoder.string()?.to_owned();
    let client_host = decoder.string()?.to_owned();
    let rebalance_timeout = if version >= 1 { Some(millis(decoder.i32()?)) } else { None };
    let session_timeout = millis(decoder.i32()?);
    let subscription = Bytes::copy_from_slice(decoder.bytes()?);
    let assignment = Bytes::copy_from_slice(decoder.bytes()?);
    let join = Join {
        member_id: member_id.clone(),
        instance_id,
        client_id,
        client_host,
        session_timeout,
        rebalance_timeout: rebalance_timeout.unwrap_or(session_timeout),
        protocol_type: protocol_type.to_owned(),
        protocols: vec![(protocol.to_owned(), subscription)],
        requires_id: true,
        can_skip: false,
    };
    Ok((member_id, Member::restored(now, join, assignment)))
}

fn millis(value: i32) -> Duration {
    Duration::from_millis(u64::try_from(value).unwrap_or_default())
}

fn put_millis(out: &mut Vec<u8>, value: Duration) {
    out.extend_from_slice(&i32::try_from(value.as_millis()).unwrap_or(i32::MAX).to_be_bytes());
}

fn put_string(out: &mut Vec<u8>, value: Option<&str>) {
    match value {
        Some(value) => {
            // Names come from requests, where they are bounded far below this; the cut keeps the record readable whatever comes.
            let value = cut(value, i16::MAX as usize);
            out.extend_from_slice(&(value.len() as i16).to_be_bytes());
            out.extend_from_slice(value.as_bytes());
        }
        None => out.extend_from_slice(&(-1i16).to_be_bytes()),
    }
}

fn put_bytes(out: &mut Vec<u8>, value: &[u8]) {
    out.extend_from_slice(&i32::try_from(value.len()).unwrap_or(i32::MAX).to_be_bytes());
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_committed_offset_comes_back(group in "\\PC{0,20}", topic in "[a-z.]{1,20}", partition: i32, offset: i64, leader_epoch: i32,
                                         metadata in "\\PC{0,50}", committed_at_ms: i64) {
            let key = offset_key(&group, &topic, partition);
            prop_assert_eq!(read_key(&key).unwrap(), Some(Key::Offset { group: &group, topic: &topic, partition }));
            let committed = Committed { offset, leader_epoch, metadata: metadata.into(), committed_at_ms };
            prop_assert_eq!(read_offset_value(&offset_value(&committed)).unwrap(), committed);
        }

        #[test]
        fn foreign_records_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_key(&bytes);
            let _ = read_offset_value(&bytes);
            let _ = read_group_value(&bytes, Instant::now(), 10);
        }
    }

    /// The bytes Kafka's own `OffsetCommitKey` and `OffsetCommitValue` have for these fields.
    #[test]
    fn the_formats_are_kafkas() {
        assert_eq!(offset_key("g", "t", 7), [0, 1, 0, 1, b'g', 0, 1, b't', 0, 0, 0, 7]);
        let value = offset_value(&Committed { offset: 5, leader_epoch: 0, metadata: "m".into(), committed_at_ms: 9 });
        assert_eq!(value, [0, 3, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 1, b'm', 0, 0, 0, 0, 0, 0, 0, 9]);
        assert_eq!(group_key("g"), [0, 2, 0, 1, b'g']);
    }
}
