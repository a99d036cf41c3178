//! SyncGroup, key 14, versions 0 to 5: the leader brings the assignment, every member takes its part.
//!
//! Parks until the leader has come and the assignment is durable. Instance ids from version 3; protocol type and name are
//! checked from 5. More assignments than a group may have members are error 42. The work is in [`groups`](super::super::groups).

use bytes::Bytes;

use super::super::Broker;
use super::super::codec::{DecodeError, Decoder, Encoder};
use super::super::error_code::ErrorCode;
use super::super::groups::group::{Sync, SyncAnswer};
use super::super::router::{Call, Refusal, Reply};
use super::NO_THROTTLE;

/// A request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked<'a> {
    pub(super) group: &'a str,
    pub(super) generation: i32,
    pub(super) member_id: &'a str,
    pub(super) instance_id: Option<&'a str>,
    pub(super) protocol_type: Option<&'a str>,
    pub(super) protocol: Option<&'a str>,
    pub(super) assignments: Vec<(&'a str, &'a [u8])>,
}

/// Answers when there is an assignment.
pub async fn handle(broker: &Broker, mut call: Call<'_>) -> Result<Reply, Refusal> {
    let asked = read(&mut call.body, call.version)?;
    if asked.assignments.len() > broker.groups.limits().members_max {
        let mut response = call.response();
        write(&mut response, call.version, &SyncAnswer { error: ErrorCode::INVALID_REQUEST, ..SyncAnswer::default() });
        return Ok(response.into());
    }
    let sync = Sync {
        generation: asked.generation,
        member_id: asked.member_id.to_owned(),
        instance_id: asked.instance_id.map(str::to_owned),
        protocol_type: asked.protocol_type.map(str::to_owned),
        protocol: asked.protocol.map(str::to_owned),
        assignments: asked.assignments.iter().map(|(id, assignment)| ((*id).to_owned(), Bytes::copy_from_slice(assignment))).collect(),
    };
    let answer = broker.groups.sync(asked.group, sync).await;
    let mut response = call.response();
    write(&mut response, call.version, &answer);
    Ok(response.into())
}

pub(super) fn read<'a>(body: &mut Decoder<'a>, version: i16) -> Result<Asked<'a>, DecodeError> {
    let (group, generation, member_id) = (body.string()?, body.i32()?, body.string()?);
    let instance_id = if version >= 3 { body.nullable_string()? } else { None };
    let (protocol_type, protocol) = if version >= 5 { (body.nullable_string()?, body.nullable_string()?) } else { (None, None) };
    let assignments = body.array(|d| {
        let assignment = (d.string()?, d.bytes()?);
        d.tags()?;
        Ok(assignment)
    })?;
    body.tags()?;
    Ok(Asked { group, generation, member_id, instance_id, protocol_type, protocol, assignments })
}

pub(super) fn write(out: &mut Encoder, version: i16, answer: &SyncAnswer) {
    if version >= 1 {
        out.i32(NO_THROTTLE);
    }
    out.i16(answer.error.0);
    if version >= 5 {
        out.nullable_string(answer.protocol_type.as_deref());
        out.nullable_string(answer.protocol.as_deref());
    }
    out.bytes(&answer.assignment);
    out.tags();
}
