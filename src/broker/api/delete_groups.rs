//! DeleteGroups, key 42, versions 0 to 2: groups without members and all their offsets go.
//!
//! A group with members is error 68, one that has neither members nor offsets 69. The offsets are gone for good when it is
//! answered. More than 1,000 groups in one request close the connection.

use super::super::Broker;
use super::super::codec::{DecodeError, Decoder, Encoder};
use super::super::error_code::ErrorCode;
use super::super::router::{Call, Refusal, Reply};
use super::NO_THROTTLE;

/// The most groups of one request: each is one write.
const GROUPS_MAX: usize = 1000;

/// Answers when what was deleted is durably gone.
pub async fn handle(broker: &Broker, mut call: Call<'_>) -> Result<Reply, Refusal> {
    let groups = read(&mut call.body)?;
    if groups.len() > GROUPS_MAX {
        return Err(Refusal::TooMany(groups.len()));
    }
    let mut deleted = Vec::with_capacity(groups.len());
    for group in groups {
        deleted.push((group, broker.groups.delete(group).await));
    }
    let mut response = call.response();
    write(&mut response, &deleted);
    Ok(response.into())
}

pub(super) fn read<'a>(body: &mut Decoder<'a>) -> Result<Vec<&'a str>, DecodeError> {
    let groups = body.array(Decoder::string)?;
    body.tags()?;
    Ok(groups)
}

pub(super) fn write(out: &mut Encoder, deleted: &[(&str, ErrorCode)]) {
    out.i32(NO_THROTTLE);
    out.array(deleted.iter(), |out, (group, error)| {
        out.string(group);
        out.i16(error.0);
        out.tags();
    });
    out.tags();
}
