//! FindCoordinator, key 10, versions 0 to 6: which broker coordinates a group.
//!
//! Groups (type 0): this one, always. Transactions (type 1) and share groups (type 2, version 6) are not served: each key
//! is refused with INVALID_REQUEST and a text, which clients pass on as fatal instead of trying for ever.

use super::super::Broker;
use super::super::codec::{DecodeError, Decoder, Encoder};
use super::super::error_code::ErrorCode;
use super::super::router::{Call, Refusal, Reply};
use super::NO_THROTTLE;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

/// A request: the kind of coordinator, and for whom.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked<'a> {
    pub(super) kind: i8,
    pub(super) keys: Vec<&'a str>,
}

/// An answer, the same for all keys.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub(super) error: ErrorCode,
    pub(super) message: Option<&'static str>,
    pub(super) node_id: i32,
    pub(super) host: &'a str,
    pub(super) port: i32,
}

/// Answers with this broker, or why not.
pub async fn handle(broker: &Broker, mut call: Call<'_>) -> Result<Reply, Refusal> {
    let asked = read(&mut call.body, call.version)?;
    let refused = |message| Found { error: ErrorCode::INVALID_REQUEST, message: Some(message), node_id: -1, host: "", port: -1 };
    let settings = &broker.settings;
    let found = match asked.kind {
        GROUP => Found {
            error: ErrorCode::NONE,
            message: None,
            node_id: settings.node_id,
            host: &settings.advertised.host,
            port: i32::from(settings.advertised.port),
        },
        TRANSACTION => refused("transactions are not available: change topics are written by rowfeed only"),
        _ => refused("only consumer groups have a coordinator here"),
    };
    let mut response = call.response();
    write(&mut response, call.version, &asked.keys, &found);
    Ok(response.into())
}

pub(super) fn read<'a>(body: &mut Decoder<'a>, version: i16) -> Result<Asked<'a>, DecodeError> {
    let mut keys = if version <= 3 { vec![body.string()?] } else { Vec::new() };
    let kind = if version >= 1 { body.i8()? } else { GROUP };
    if version >= 4 {
        keys = body.array(Decoder::string)?;
    }
    body.tags()?;
    Ok(Asked { kind, keys })
}

pub(super) fn write(out: &mut Encoder, version: i16, keys: &[&str], found: &Found<'_>) {
    if version >= 1 {
        out.i32(NO_THROTTLE);
    }
    if version >= 4 {
        out.array(keys.iter(), |out, key| {
            out.string(key);
            out.i32(found.node_id);
            out.string(found.host);
            out.i32(found.port);
            out.i16(found.error.0);
            out.nullable_string(found.message);
            out.tags();
        });
    } else {
        out.i16(found.error.0);
        if version >= 1 {
            out.nullable_string(found.message);
        }
        out.i32(found.node_id);
        out.string(found.host);
        out.i32(found.port);
    }
    out.tags();
}
