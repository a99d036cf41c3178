//! Which APIs are served, in which versions, by whom: the one place that says so.
//!
//! The answer to ApiVersions, the dispatch of requests and the table of `docs/kafka-protocol.md` are made from [`APIS`]
//! (a test compares the document). Adding an API is a file in `api` and a row here.

use std::future::Future;
use std::pin::Pin;

use super::api;
use super::codec::{DecodeError, Decoder, Encoder, RESPONSE_BYTES_MAX};
use super::{Broker, FetchedBytes};

/// A request with its header read.
#[derive(Debug)]
pub struct Call<'a> {
    /// Its version, within the API's range.
    pub version: i16,
    /// Matches response to request.
    pub correlation_id: i32,
    /// The client's `client.id`.
    pub client_id: &'a str,
    /// Where the client connects from.
    pub client_host: &'a str,
    /// What follows the header.
    pub body: Decoder<'a>,
    header_flexible: bool,
    flexible: bool,
}

impl Call<'_> {
    /// An empty response to this request.
    pub fn response(&self) -> Encoder {
        Encoder::response(self.correlation_id, self.header_flexible, self.flexible)
    }
}

/// What a handler returns for a request that it has read.
pub struct Reply {
    /// The response.
    pub response: Encoder,
    /// The room its records take, given back when it is written.
    pub held: Option<FetchedBytes>,
}

impl From<Encoder> for Reply {
    fn from(response: Encoder) -> Self {
        Self { response, held: None }
    }
}

/// Why a request gets no response and its connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It cannot be read.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// The API or version is not served. Kafka closes too: the layout of a response would be a guess.
    #[error("API key {key} version {version} is not served here")]
    Unsupported {
        /// The API.
        key: i16,
        /// The version asked for.
        version: i16,
    },
    /// A Produce that wants no response cannot be told that it was refused in any other way.
    #[error("a client produces with acks=0; change topics are written by rowfeed only")]
    ProduceWithoutAck,
    /// Its response would be larger than any that is sent: it asks for the same again and again.
    #[error("the response to a request would be larger than {} MiB", RESPONSE_BYTES_MAX >> 20)]
    ResponseTooLarge,
    /// It asks for more partitions, or groups, than are looked at for one request.
    #[error("a request asks for {0} things at once")]
    TooMany(usize),
}

/// The room that what is collected for a response takes; a handler that answers with more than it was sent counts with it.
#[derive(Debug)]
pub struct Room(usize);

impl Room {
    /// The room of a whole response.
    pub fn of_response() -> Self {
        Self(RESPONSE_BYTES_MAX)
    }

    /// Takes so many bytes of it.
    pub fn take(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.0 = self.0.checked_sub(bytes).ok_or(Refusal::ResponseTooLarge)?;
        Ok(())
    }
}

/// A handler's work.
pub type Work<'a> = Pin<Box<dyn Future<Output = Result<Reply, Refusal>> + Send + 'a>>;

/// A handler.
pub type Handler = for<'a> fn(&'a Broker, Call<'a>) -> Work<'a>;

/// An API that is served.
pub struct Api {
    /// Kafka's number for it.
    pub key: i16,
    /// Kafka's name for it.
    pub name: &'static str,
    /// The lowest version that is advertised.
    pub advertised_min: i16,
    /// The lowest version that is served.
    pub min: i16,
    /// The highest version.
    pub max: i16,
    /// The first version in the flexible form.
    pub flexible_from: i16,
    handler: Handler,
}

/// Everything that is served, by key.
pub const APIS: &[Api] = &[
    // librdkafka before 2.11.1 compresses nothing unless Produce is advertised from 0 (KAFKA-18659); Kafka 4 does the same.
    Api { advertised_min: 0, ..row(0, "Produce", 3..=11, 9, |broker, call| Box::pin(api::produce::handle(broker, call))) },
    row(1, "Fetch", 4..=18, 12, |broker, call| Box::pin(api::fetch::handle(broker, call))),
    row(2, "ListOffsets", 1..=10, 6, |broker, call| Box::pin(api::list_offsets::handle(broker, call))),
    row(3, "Metadata", 0..=13, 9, |broker, call| Box::pin(api::metadata::handle(broker, call))),
    row(8, "OffsetCommit", 2..=9, 8, |broker, call| Box::pin(api::offset_commit::handle(broker, call))),
    row(9, "OffsetFetch", 1..=9, 6, |broker, call| Box::pin(api::offset_fetch::handle(broker, call))),
    row(10, "FindCoordinator", 0..=6, 3, |broker, call| Box::pin(api::find_coordinator::handle(broker, call))),
    row(11, "JoinGroup", 0..=9, 6, |broker, call| Box::pin(api::join_group::handle(broker, call))),
    row(12, "Heartbeat", 0..=4, 4, |broker, call| Box::pin(api::heartbeat::handle(broker, call))),
    row(13, "LeaveGroup", 0..=5, 4, |broker, call| Box::pin(api::leave_group::handle(broker, call))),
    row(14, "SyncGroup", 0..=5, 4, |broker, call| Box::pin(api::sync_group::handle(broker, call))),
    row(API_VERSIONS, "ApiVersions", 0..=4, 3, api::api_versions::handle),
    row(42, "DeleteGroups", 0..=2, 2, |broker, call| Box::pin(api::delete_groups::handle(broker, call))),
];

const fn row(key: i16, name: &'static str, versions: std::ops::RangeInclusive<i16>, flexible_from: i16, handler: Handler) -> Api {
    let (min, max) = (*versions.start(), *versions.end());
    Api { key, name, advertised_min: min, min, max, flexible_from, handler }
}

/// The key of ApiVersions, which has rules of its own.
pub const API_VERSIONS: i16 = 18;

/// Reads a request's header and starts its handler.
///
/// ```text
/// header v1 := api_key i16 | api_version i16 | correlation_id i32 | client_id string?
/// header v2 := header v1 | tagged fields       (client_id stays in the fixed form)
/// ```
pub fn dispatch<'a>(broker: &'a Broker, frame: &'a [u8], client_host: &'a str) -> Result<Work<'a>, Refusal> {
    let (api, call) = read_header(frame, client_host)?;
    match api {
        Some(api) => Ok((api.handler)(broker, call)),
        None => Ok(Box::pin(async move { Ok(api::api_versions::unsupported(&call).into()) })),
    }
}

/// `None` stands for ApiVersions in a version that is not known: it gets an answer all the same (KIP-511).
pub(super) fn read_header<'a>(frame: &'a [u8], client_host: &'a str) -> Result<(Option<&'static Api>, Call<'a>), Refusal> {
    let mut body = Decoder::new(frame);
    let (key, version, correlation_id) = (body.i16()?, body.i16()?, body.i32()?);
    let api = APIS.iter().find(|api| api.key == key && (api.min..=api.max).contains(&version));
    let Some(api) = api else {
        if key != API_VERSIONS {
            return Err(Refusal::Unsupported { key, version });
        }
        let call = Call { version: 0, correlation_id, client_id: "", client_host, body, header_flexible: false, flexible: false };
        return Ok((None, call));
    };
    let client_id = body.nullable_string()?.unwrap_or_default();
    let flexible = version >= api.flexible_from;
    body.set_flexible(flexible);
    body.tags()?;
    let header_flexible = flexible && key != API_VERSIONS;
    Ok((Some(api), Call { version, correlation_id, client_id, client_host, body, header_flexible, flexible }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_its_ranges_are_ranges() {
        assert!(APIS.is_sorted_by_key(|api| api.key));
        for api in APIS {
            assert!(api.advertised_min <= api.min && api.min <= api.max, "{}", api.name);
        }
    }

    #[test]
    fn the_document_lists_what_is_served() {
        let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/kafka-protocol.md")).unwrap();
        for api in APIS {
            let served = format!("| {} | {} | {}-{} | {}-{} |", api.key, api.name, api.advertised_min, api.max, api.min, api.max);
            assert!(document.contains(&served), "docs/kafka-protocol.md has no row {served}");
        }
        let rows = document.lines().filter(|line| line.starts_with("| ") && line.as_bytes().get(2).is_some_and(u8::is_ascii_digit));
        assert_eq!(rows.count(), APIS.len(), "docs/kafka-protocol.md lists an API that is not served");
    }
}
