//! A connector's stored position, as the REST API shows and resets it (KIP-875).

use super::registry::ConnectorView;
use crate::change::Checkpoint;
use crate::log::LogError;
use crate::log::builtin::BuiltinLog;
use crate::log::topic::OFFSETS_TOPIC;

/// The name of the topics and of the position's partition.
pub fn server(view: &ConnectorView) -> &str {
    view.options.get("topic.prefix").map_or("", String::as_str)
}

fn key(view: &ConnectorView) -> Vec<u8> {
    Checkpoint::key(&view.name, server(view))
}

/// The stored position's JSON; `None` before the first event.
pub fn stored(log: &BuiltinLog, view: &ConnectorView) -> Option<Vec<u8>> {
    log.latest(OFFSETS_TOPIC, &key(view)).map(|value| value.to_vec())
}

/// Puts a position in the place of the stored one: Debezium's own offset, or one that was read here before. Durable when it
/// returns. The connector must be stopped.
pub async fn alter(log: &BuiltinLog, view: &ConnectorView, offset: Vec<u8>) -> Result<(), LogError> {
    log.put(OFFSETS_TOPIC, vec![(key(view), Some(offset))]).await
}

/// Whether a connector can go on from this offset; why not, if not.
pub fn check(offset: &[u8]) -> Result<(), String> {
    Checkpoint::parse(offset).map(drop).map_err(|error| error.to_string())
}

/// Forgets the position: the connector begins anew, with a snapshot where its `snapshot.mode` takes one. Durable when it
/// returns. The connector must be stopped.
pub async fn reset(log: &BuiltinLog, view: &ConnectorView) -> Result<(), LogError> {
    log.put(OFFSETS_TOPIC, vec![(key(view), None)]).await
}
