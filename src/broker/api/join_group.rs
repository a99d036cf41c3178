//! JoinGroup, key 11, versions 0 to 9: becoming a member of a consumer group.
//!
//! Parks until the rebalance is over. From version 4 a new dynamic member is first given an id (MEMBER_ID_REQUIRED); static
//! members (5), protocol type (7), reason (8, read and not used), `skip_assignment` (9). Protocol types are opaque:
//! consumers, Connect workers and schema registries join the same way. The work is in [`groups`](super::super::groups).

use std::time::Duration;

use bytes::Bytes;

use super::super::Broker;
use super::super::codec::{DecodeError, Decoder, Encoder, cut};
use super::super::error_code::ErrorCode;
use super::super::groups::group::{Join, JoinAnswer};
use super::super::router::{Call, Refusal, Reply};
use super::NO_THROTTLE;

/// The longest name of a client, an instance or an assignor that is kept, in bytes: Kafka's limit for instances.
pub(super) const NAME_BYTES_MAX: usize = 249;

/// The most assignors of a member. Clients bring one to four; choosing compares those of all members with each other.
const PROTOCOLS_MAX: usize = 64;

/// A request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked<'a> {
    pub(super) group: &'a str,
    pub(super) session_timeout_ms: i32,
    pub(super) rebalance_timeout_ms: i32,
    pub(super) member_id: &'a str,
    pub(super) instance_id: Option<&'a str>,
    pub(super) protocol_type: &'a str,
    pub(super) protocols: Vec<(&'a str, &'a [u8])>,
}

/// Answers when the group has its members together.
pub async fn handle(broker: &Broker, mut call: Call<'_>) -> Result<Reply, Refusal> {
    let asked = read(&mut call.body, call.version)?;
    let names = asked.protocols.iter().map(|(name, _)| *name).chain(asked.instance_id).chain([asked.protocol_type]);
    let has_long_name = names.max_by_key(|name| name.len()).is_some_and(|name| name.len() > NAME_BYTES_MAX);
    let answer = if has_long_name || asked.protocols.len() > PROTOCOLS_MAX {
        JoinAnswer::error(ErrorCode::INVALID_REQUEST, asked.member_id.to_owned())
    } else {
        broker.groups.join(asked.group, join(&asked, &call)).await
    };
    let mut response = call.response();
    write(&mut response, call.version, &answer);
    Ok(response.into())
}

fn join(asked: &Asked<'_>, call: &Call<'_>) -> Join {
    Join {
        member_id: asked.member_id.to_owned(),
        instance_id: asked.instance_id.map(str::to_owned),
        client_id: cut(call.client_id, NAME_BYTES_MAX).to_owned(),
        client_host: call.client_host.to_owned(),
        session_timeout: millis(asked.session_timeout_ms),
        rebalance_timeout: millis(asked.rebalance_timeout_ms),
        protocol_type: asked.protocol_type.to_owned(),
        protocols: asked.protocols.iter().map(|(name, metadata)| ((*name).to_owned(), Bytes::copy_from_slice(metadata))).collect(),
        requires_id: call.version >= 4,
        can_skip: call.version >= 9,
    }
}

fn millis(value: i32) -> Duration {
    Duration::from_millis(u64::try_from(value).unwrap_or(0))
}

pub(super) fn read<'a>(body: &mut Decoder<'a>, version: i16) -> Result<Asked<'a>, DecodeError> {
    let group = body.string()?;
    let session_timeout_ms = body.i32()?;
    let rebalance_timeout_ms = if version >= 1 { body.i32()? } else { session_timeout_ms };
    let member_id = body.string()?;
    let instance_id = if version >= 5 { body.nullable_string()? } else { None };
    let protocol_type = body.string()?;
    let protocols = body.array(|d| {
        let protocol = (d.string()?, d.bytes()?);
        d.tags()?;
        Ok(protocol)
    })?;
    if version >= 8 {
        let _reason = body.nullable_string()?;
    }
    body.tags()?;
    Ok(Asked { group, session_timeout_ms, rebalance_timeout_ms, member_id, instance_id, protocol_type, protocols })
}

pub(super) fn write(out: &mut Encoder, version: i16, answer: &JoinAnswer) {
    if version >= 2 {
        out.i32(NO_THROTTLE);
    }
    out.i16(answer.error.0);
    out.i32(answer.generation);
    if version >= 7 {
        out.nullable_string(answer.protocol_type.as_deref());
        out.nullable_string(answer.protocol.as_deref());
    } else {
        out.string(answer.protocol.as_deref().unwrap_or_default());
    }
    out.string(&answer.leader);
    if version >= 9 {
        out.bool(answer.skip_assignment);
    }
    out.string(&answer.member_id);
    out.array(answer.members.iter(), |out, member| {
        out.string(&member.member_id);
        if version >= 5 {
            out.nullable_string(member.instance_id.as_deref());
        }
        out.bytes(&member.metadata);
        out.tags();
    });
    out.tags();
}
