//! LeaveGroup, key 13, versions 0 to 5: members go.
//!
//! One member up to version 2, a list from 3 (by member id or instance id), a reason from 5 (read and not used). Errors are
//! per member from version 3.

use super::super::Broker;
use super::super::codec::{DecodeError, Decoder, Encoder};
use super::super::error_code::ErrorCode;
use super::super::router::{Call, Refusal, Reply};
use super::NO_THROTTLE;

/// A member that goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Leaver<'a> {
    pub(super) id: &'a str,
    pub(super) instance: Option<&'a str>,
}

/// Answers when that is durable.
pub async fn handle(broker: &Broker, mut call: Call<'_>) -> Result<Reply, Refusal> {
    let (group, leavers) = read(&mut call.body, call.version)?;
    let mut left = Vec::with_capacity(leavers.len());
    for leaver in leavers {
        let error = broker.groups.leave(group, leaver.id, leaver.instance).await;
        left.push((leaver, error));
    }
    let mut response = call.response();
    write(&mut response, call.version, &left);
    Ok(response.into())
}

pub(super) fn read<'a>(body: &mut Decoder<'a>, version: i16) -> Result<(&'a str, Vec<Leaver<'a>>), DecodeError> {
    let group = body.string()?;
    let leavers = if version <= 2 {
        vec![Leaver { id: body.string()?, instance: None }]
    } else {
        body.array(|d| {
            let leaver = Leaver { id: d.string()?, instance: d.nullable_string()? };
            if version >= 5 {
                let _reason = d.nullable_string()?;
            }
            d.tags()?;
            Ok(leaver)
        })?
    };
    body.tags()?;
    Ok((group, leavers))
}

pub(super) fn write(out: &mut Encoder, version: i16, left: &[(Leaver<'_>, ErrorCode)]) {
    if version >= 1 {
        out.i32(NO_THROTTLE);
    }
    if version <= 2 {
        out.i16(left.first().map_or(ErrorCode::NONE, |(_, error)| *error).0);
        return;
    }
    out.i16(ErrorCode::NONE.0);
    out.array(left.iter(), |out, (leaver, error)| {
        out.string(leaver.id);
        out.nullable_string(leaver.instance);
        out.i16(error.0);
        out.tags();
    });
    out.tags();
}
