//! Topics: names, identity, settings.

use std::time::Duration;

use crate::record::TopicIndex;
use crate::record::compression::Compression;

/// Debezium's positions, keyed `["<connector>",{"server":"<topic.prefix>"}]` as Kafka Connect keys them.
pub const OFFSETS_TOPIC: &str = "connect-offsets";
/// Connector definitions made through the REST API, keyed by name.
pub const CONFIGS_TOPIC: &str = "connect-configs";
/// Offsets that consumer groups committed.
pub const GROUPS_TOPIC: &str = "__consumer_offsets";
/// Schemas, in the records of Confluent's registry.
pub const SCHEMAS_TOPIC: &str = "_schemas";
/// Topics of the built-in log and their settings, keyed by name.
pub const CATALOG_TOPIC: &str = "__rowfeed_catalog";

/// What subscriptions are and remember.
pub const SUBSCRIPTIONS_TOPIC: &str = "__rowfeed_subscriptions";

/// Topics that may hold secrets: clients may not read them.
pub fn holds_secrets(name: &str) -> bool {
    matches!(name, CONFIGS_TOPIC | SUBSCRIPTIONS_TOPIC)
}

/// Internal topics are compacted by key and kept for ever; clients may read them, never write them.
pub fn is_internal(name: &str) -> bool {
    matches!(name, OFFSETS_TOPIC | CONFIGS_TOPIC | GROUPS_TOPIC | CATALOG_TOPIC | SCHEMAS_TOPIC | SUBSCRIPTIONS_TOPIC)
}

/// The longest topic name Kafka allows, in bytes.
pub const NAME_BYTES_MAX: usize = 249;

/// Kafka's rule for topic names (`org.apache.kafka.common.internals.Topic`): `[a-zA-Z0-9._-]{1,249}`, not `.` or `..`.
pub fn is_valid_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && name != "."
        && name != ".."
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// Whether a name fits a pattern, in which `*` stands for any text. The pieces between are found from left to right, which is
/// never worse than any other way, in time that grows with the lengths only.
pub fn fits(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let parts: Vec<&str> = rest.split('*').collect();
    let Some((last, middle)) = parts.split_last() else { return true };
    for part in middle {
        let Some(at) = left.find(part) else { return false };
        left = left.get(at + part.len()..).unwrap_or_default();
    }
    left.ends_with(last)
}

/// How a topic is made when it does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Number of partitions, at least 1.
    pub partitions: u32,
    /// Copies; the built-in log keeps one.
    pub replication_factor: i16,
    /// `true`: compacted by key. `false`: kept by age.
    pub compact: bool,
    /// How long records are kept, where the log decides by topic.
    pub retention: Duration,
    /// How batches are compressed; none: as their writer says (Kafka's `producer`).
    pub compression: Option<Compression>,
}

impl Default for TopicSpec {
    fn default() -> Self {
        Self { partitions: 1, replication_factor: 1, compact: false, retention: Duration::from_secs(7 * 24 * 3600), compression: None }
    }
}

/// A topic of the built-in log as readers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicInfo {
    /// Its name.
    pub name: String,
    /// Its number in this log: never reused, also not by a topic of the same name.
    pub index: TopicIndex,
    /// Kafka's topic id (a random UUID), stable over restarts.
    pub id: [u8; 16],
    /// Number of partitions.
    pub partitions: u32,
    /// Compacted by key rather than kept by age.
    pub compact: bool,
    /// One of the log's own topics.
    pub internal: bool,
    /// How batches are compressed; none: as their writer says.
    pub compression: Option<Compression>,
}

/// A topic's id ([`TopicInfo::id`]) in hexadecimal.
pub fn id_hex(id: &[u8; 16]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_names_follow_kafkas_rule() {
        for good in ["a", "shop.public.orders", "A_b-1.2", &"x".repeat(249)] {
            assert!(is_valid_name(good), "{good}");
        }
        for bad in ["", ".", "..", "a b", "é", "a/b", "a\0", &"x".repeat(250)] {
            assert!(!is_valid_name(bad), "{bad:?}");
        }
    }
}
