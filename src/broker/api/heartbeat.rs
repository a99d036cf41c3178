//! Heartbeat, key 12, versions 0 to 4: a member says it lives, and hears of rebalances.
//!
//! Instance ids from version 3. The work is in [`groups`](super::super::groups).

use super::super::Broker;
use super::super::codec::{DecodeError, Decoder, Encoder};
use super::super::error_code::ErrorCode;
use super::super::groups::MemberRef;
use super::super::router::{Call, Refusal, Reply};
use super::NO_THROTTLE;

/// Answers at once.
pub async fn handle(broker: &Broker, mut call: Call<'_>) -> Result<Reply, Refusal> {
    let (group, member) = read(&mut call.body, call.version)?;
    let error = broker.groups.heartbeat(group, member);
    let mut response = call.response();
    write(&mut response, call.version, error);
    Ok(response.into())
}

pub(super) fn read<'a>(body: &mut Decoder<'a>, version: i16) -> Result<(&'a str, MemberRef<'a>), DecodeError> {
    let (group, generation, id) = (body.string()?, body.i32()?, body.string()?);
    let instance = if version >= 3 { body.nullable_string()? } else { None };
    body.tags()?;
    Ok((group, MemberRef { id, instance, generation }))
}

pub(super) fn write(out: &mut Encoder, version: i16, error: ErrorCode) {
    if version >= 1 {
        out.i32(NO_THROTTLE);
    }
    out.i16(error.0);
    out.tags();
}
