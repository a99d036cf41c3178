//! ApiVersions, key 18, versions 0 to 4: which APIs and versions are served.
//!
//! The list is [`APIS`]. An unknown version is answered with error 35 in version 0's bytes and key 18's own range, so that
//! the client can choose (KIP-511); the response's header is never flexible. No features are listed: there are none, and
//! their tagged fields are omitted because librdkafka before 2.2 reads explicit defaults wrongly. Client name and version
//! are read and not used.

use super::super::Broker;
use super::super::codec::{DecodeError, Decoder, Encoder};
use super::super::error_code::ErrorCode;
use super::super::router::{API_VERSIONS, APIS, Api, Call, Refusal, Reply, Work};
use super::NO_THROTTLE;

/// Answers with everything that is served.
///
/// Not an `async fn` as its siblings are: the table it reads holds this very function, and the compiler would have to know
/// its future's type to know its future's type.
pub fn handle<'a>(_broker: &'a Broker, call: Call<'a>) -> Work<'a> {
    Box::pin(std::future::ready(answer(call)))
}

fn answer(mut call: Call<'_>) -> Result<Reply, Refusal> {
    read(&mut call.body, call.version)?;
    let mut response = call.response();
    write(&mut response, call.version, ErrorCode::NONE, APIS.iter());
    Ok(response.into())
}

/// The answer to a version that is not known here.
pub fn unsupported(call: &Call<'_>) -> Encoder {
    let mut response = call.response();
    write(&mut response, 0, ErrorCode::UNSUPPORTED_VERSION, APIS.iter().filter(|api| api.key == API_VERSIONS));
    response
}

/// Reads a request; nothing of it is needed.
pub(super) fn read(body: &mut Decoder<'_>, version: i16) -> Result<(), DecodeError> {
    if version >= 3 {
        body.string()?;
        body.string()?;
        body.tags()?;
    }
    Ok(())
}

pub(super) fn write(out: &mut Encoder, version: i16, error: ErrorCode, apis: impl Iterator<Item = &'static Api>) {
    out.i16(error.0);
    let apis: Vec<&Api> = apis.collect();
    out.array(apis.iter(), |out, api| {
        out.i16(api.key);
        out.i16(api.advertised_min);
        out.i16(api.max);
        out.tags();
    });
    if version >= 1 {
        out.i32(NO_THROTTLE);
    }
    out.tags();
}
