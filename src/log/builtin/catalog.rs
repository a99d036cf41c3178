//! What the log knows about itself: topics, their next offsets, and the newest value of every key of the internal topics.
//!
//! All of it is records in the log. Every segment begins with a **state frame** that repeats the live records of all
//! internal topics, so the newest segment alone restores the state and any older one may go.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::super::commit::CommitBuffer;
use super::super::topic::{
    CATALOG_TOPIC, CONFIGS_TOPIC, GROUPS_TOPIC, OFFSETS_TOPIC, SCHEMAS_TOPIC, SUBSCRIPTIONS_TOPIC, TopicInfo, TopicSpec, is_internal,
};
use crate::record::compression::Compression;
use crate::record::view::BatchView;
use crate::record::{Headers, RecordRef, RecordSink, Route, TopicIndex};

/// The key of the record that names the cluster.
const CLUSTER_KEY: &[u8] = b"";
/// The key of the record that says which numbers were given away; there once a topic was removed.
const NEXT_INDEX_KEY: &[u8] = b"\0next-index";
/// Internal topics have fixed numbers, so that they can be written before any record names them.
const INTERNAL: [&str; 6] = [CATALOG_TOPIC, OFFSETS_TOPIC, CONFIGS_TOPIC, GROUPS_TOPIC, SCHEMAS_TOPIC, SUBSCRIPTIONS_TOPIC];
/// The first number of an ordinary topic.
pub(super) const FIRST_ORDINARY: u32 = 16;

/// A topic as its catalog record tells it.
#[derive(Debug, Serialize, Deserialize)]
struct TopicRecord {
    index: u32,
    id: String,
    partitions: u32,
    #[serde(default)]
    compact: bool,
    /// Kafka's `compression.type`; none is `producer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    compression: Option<String>,
    /// Next offset of each partition when the record was written: for partitions whose segments are gone.
    #[serde(default)]
    next: Vec<u64>,
}

/// First and next offset of a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OffsetRange {
    /// First offset that is kept.
    pub start: u64,
    /// Offset after the last durable record.
    pub end: u64,
}

/// The log's own state, as of the newest frame it was told of.
#[derive(Debug, Default)]
pub struct Catalog {
    cluster_id: String,
    by_name: HashMap<String, Arc<TopicInfo>>,
    by_index: BTreeMap<u32, Arc<TopicInfo>>,
    offsets: HashMap<Route, OffsetRange>,
    latest: HashMap<u32, BTreeMap<Bytes, Bytes>>,
    next_index: u32,
}

impl Catalog {
    /// An empty log's catalog: the internal topics.
    pub fn new() -> Self {
        let mut catalog = Self { next_index: FIRST_ORDINARY, ..Self::default() };
        for (index, name) in INTERNAL.iter().enumerate() {
            let id = uuid::Uuid::from_u128(0x726f_7766_6565_6400_0000_0000_0000_0000 + index as u128 + 1);
            catalog.insert(TopicInfo {
                name: (*name).to_owned(),
                index: TopicIndex(index as u32),
                id: *id.as_bytes(),
                partitions: 1,
                compact: true,
                internal: true,
                compression: Some(Compression::None),
            });
        }
        catalog
    }

    fn insert(&mut self, topic: TopicInfo) {
        for partition in 0..topic.partitions {
            self.offsets.entry(Route { topic: topic.index, partition }).or_default();
        }
        self.next_index = self.next_index.max(topic.index.0 + 1);
        let topic = Arc::new(topic);
        self.by_index.insert(topic.index.0, Arc::clone(&topic));
        self.by_name.insert(topic.name.clone(), topic);
    }

    /// The cluster's id, 22 characters once the log has been opened.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// All topics, by number.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<TopicInfo>> {
        self.by_index.values()
    }

    /// A topic by name.
    pub fn topic(&self, name: &str) -> Option<&Arc<TopicInfo>> {
        self.by_name.get(name)
    }

    /// A topic by number.
    pub fn topic_at(&self, index: TopicIndex) -> Option<&Arc<TopicInfo>> {
        self.by_index.get(&index.0)
    }

    /// First and next offset of a partition.
    pub fn offsets(&self, route: Route) -> Option<OffsetRange> {
        self.offsets.get(&route).copied()
    }

    /// Moves a partition's next offset; not that of a topic that is gone.
    pub fn advance(&mut self, route: Route, end: u64) {
        if !self.by_index.contains_key(&route.topic.0) {
            return;
        }
        let range = self.offsets.entry(route).or_default();
        range.end = range.end.max(end);
    }

    /// Sets the first offset of a partition, after segments were removed or at the start.
    pub fn set_start(&mut self, route: Route, start: u64) {
        let range = self.offsets.entry(route).or_default();
        range.start = start;
        range.end = range.end.max(start);
    }

    /// How many partitions all topics have together.
    pub fn partition_count(&self) -> usize {
        self.offsets.len()
    }

    /// All partitions.
    pub fn partitions(&self) -> Vec<Route> {
        self.offsets.keys().copied().collect()
    }

    /// The newest value of a key of an internal topic.
    pub fn latest(&self, topic: &str, key: &[u8]) -> Option<Bytes> {
        self.latest.get(&self.topic(topic)?.index.0)?.get(key).cloned()
    }

    /// The newest value of every key of an internal topic.
    pub fn state(&self, topic: &str) -> Vec<(Bytes, Bytes)> {
        let Some(topic) = self.topic(topic) else { return Vec::new() };
        self.latest.get(&topic.index.0).into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// Takes in a batch of an internal topic.
    pub fn replay(&mut self, topic: TopicIndex, batch: &[u8]) {
        if !self.topic_at(topic).is_some_and(|topic| topic.internal) {
            return;
        }
        let Ok(batch) = BatchView::parse(batch) else { return };
        for record in batch.records(&mut Vec::new()).flatten() {
            let Some(key) = record.key else { continue };
            if topic == CATALOG_INDEX {
                self.replay_catalog(key, record.value);
            } else {
                let state = self.latest.entry(topic.0).or_default();
                match record.value {
                    Some(value) => state.insert(Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)),
                    None => state.remove(key),
                };
            }
        }
    }

    fn replay_catalog(&mut self, key: &[u8], value: Option<&[u8]>) {
        let Ok(name) = std::str::from_utf8(key) else { return };
        let Some(value) = value else { return self.remove(name) };
        if key == CLUSTER_KEY {
            self.cluster_id = String::from_utf8_lossy(value).into_owned();
            return;
        }
        if key == NEXT_INDEX_KEY {
            let given = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
            self.next_index = self.next_index.max(given);
            return;
        }
        let Ok(record) = serde_json::from_slice::<TopicRecord>(value) else { return };
        let Ok(id) = uuid::Uuid::parse_str(&record.id) else { return };
        let index = TopicIndex(record.index);
        let compression = record.compression.as_deref().and_then(Compression::named);
        match self.by_index.get(&index.0).cloned() {
            // Its settings are what can change.
            Some(known) if known.compression != compression && !known.internal => {
                let changed = Arc::new(TopicInfo { compression, ..TopicInfo::clone(&known) });
                self.by_index.insert(index.0, Arc::clone(&changed));
                self.by_name.insert(changed.name.clone(), changed);
            }
            Some(_) => {}
            // A number that was given away belonged to a topic that was removed while its settings were being changed.
            None if index.0 < self.next_index => return,
            None => self.insert(TopicInfo {
                name: name.to_owned(),
                index,
                id: *id.as_bytes(),
                partitions: record.partitions.max(1),
                compact: record.compact,
                internal: is_internal(name),
                compression,
            }),
        }
        for (partition, next) in (0..).zip(record.next) {
            self.advance(Route { topic: index, partition }, next);
        }
    }

    /// Forgets a topic. Its records stay where they are until retention removes their segments, and nobody finds them.
    fn remove(&mut self, name: &str) {
        let Some(topic) = self.by_name.get(name).filter(|topic| !topic.internal).cloned() else { return };
        self.by_name.remove(name);
        self.by_index.remove(&topic.index.0);
        self.offsets.retain(|route, _| route.topic != topic.index);
    }

    /// The value of the record that gives a topic another `compression.type`.
    pub fn with_compression(topic: &TopicInfo, compression: Option<Compression>) -> Vec<u8> {
        let record = TopicRecord {
            index: topic.index.0,
            id: uuid::Uuid::from_bytes(topic.id).to_string(),
            partitions: topic.partitions,
            compact: topic.compact,
            compression: compression.map(|codec| codec.name().to_owned()),
            next: Vec::new(),
        };
        serde_json::to_vec(&record).expect("a plain struct is JSON")
    }

    /// The record that names the cluster, for a new log.
    pub fn push_cluster(out: &mut CommitBuffer, time_ms: i64) {
        let id = base64_url(uuid::Uuid::new_v4().as_bytes());
        push(out, CATALOG_INDEX, time_ms, CLUSTER_KEY, Some(id.as_bytes()));
    }

    /// The record that makes a topic.
    pub fn push_topic(&self, out: &mut CommitBuffer, time_ms: i64, name: &str, spec: &TopicSpec) {
        let record = TopicRecord {
            index: self.next_index,
            id: uuid::Uuid::new_v4().to_string(),
            partitions: spec.partitions.max(1),
            compact: spec.compact,
            compression: spec.compression.map(|codec| codec.name().to_owned()),
            next: Vec::new(),
        };
        let value = serde_json::to_vec(&record).expect("a plain struct is JSON");
        push(out, CATALOG_INDEX, time_ms, name.as_bytes(), Some(&value));
    }

    /// Everything a new segment repeats.
    pub fn push_state(&self, out: &mut CommitBuffer, time_ms: i64) {
        push(out, CATALOG_INDEX, time_ms, CLUSTER_KEY, Some(self.cluster_id.as_bytes()));
        for topic in self.by_index.values() {
            let record = TopicRecord {
                index: topic.index.0,
                id: uuid::Uuid::from_bytes(topic.id).to_string(),
                partitions: topic.partitions,
                compact: topic.compact,
                compression: topic.compression.filter(|_| !topic.internal).map(|codec| codec.name().to_owned()),
                next: (0..topic.partitions)
                    .map(|partition| self.offsets(Route { topic: topic.index, partition }).unwrap_or_default().end)
                    .collect(),
            };
            let value = serde_json::to_vec(&record).expect("a plain struct is JSON");
            push(out, CATALOG_INDEX, time_ms, topic.name.as_bytes(), Some(&value));
        }
        // Behind the topics: those whose numbers are lower are all there.
        if self.by_index.keys().next_back().is_none_or(|last| last + 1 < self.next_index) {
            push(out, CATALOG_INDEX, time_ms, NEXT_INDEX_KEY, Some(self.next_index.to_string().as_bytes()));
        }
        for (topic, state) in &self.latest {
            for (key, value) in state {
                push(out, TopicIndex(*topic), time_ms, key, Some(value));
            }
        }
    }
}

/// The number of [`CATALOG_TOPIC`].
pub const CATALOG_INDEX: TopicIndex = TopicIndex(0);

/// Pushes a record to partition 0 of an internal topic.
pub fn push(out: &mut CommitBuffer, topic: TopicIndex, timestamp_ms: i64, key: &[u8], value: Option<&[u8]>) {
    out.push(Route { topic, partition: 0 }, RecordRef { timestamp_ms, key: Some(key), value, headers: Headers::NONE })
        .expect("a commit buffer grows as needed");
}

/// Kafka's form of a cluster id: 22 characters of URL-safe base64.
fn base64_url(bytes: &[u8; 16]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = u128::from_be_bytes(*bytes);
    // 22 characters carry 132 bits: the last one holds the lowest two bits, padded with zeros.
    (0..22)
        .map(|index| {
            let shift = 122 - 6 * index;
            let part = if shift >= 0 { bits >> shift } else { bits << -shift };
            char::from(ALPHABET[(part & 63) as usize])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_frame_restores_topics_offsets_and_values() {
        let mut catalog = Catalog::new();
        let mut out = CommitBuffer::default();
        Catalog::push_cluster(&mut out, 1);
        catalog.push_topic(
            &mut out,
            1,
            "shop.public.orders",
            &TopicSpec { partitions: 3, compression: Some(Compression::Zstd), ..TopicSpec::default() },
        );
        push(&mut out, TopicIndex(1), 1, b"k", Some(b"old"));
        push(&mut out, TopicIndex(1), 1, b"k", Some(b"new"));
        push(&mut out, TopicIndex(1), 1, b"gone", Some(b"x"));
        push(&mut out, TopicIndex(1), 1, b"gone", None);
        replay_all(&mut catalog, &mut out);
        assert_eq!(catalog.cluster_id().len(), 22);
        let orders = catalog.topic("shop.public.orders").expect("made").index;
        assert_eq!(catalog.topic_at(orders).expect("made").compression, Some(Compression::Zstd));
        catalog.advance(Route { topic: orders, partition: 2 }, 17);

        let mut state = CommitBuffer::default();
        catalog.push_state(&mut state, 2);
        let mut other = Catalog::new();
        replay_all(&mut other, &mut state);
        assert_eq!(other.cluster_id(), catalog.cluster_id());
        assert_eq!(other.topic("shop.public.orders"), catalog.topic("shop.public.orders"));
        assert_eq!(other.offsets(Route { topic: orders, partition: 2 }), Some(OffsetRange { start: 0, end: 17 }));
        assert_eq!(other.latest(OFFSETS_TOPIC, b"k").as_deref(), Some(&b"new"[..]));
        assert_eq!(other.state(OFFSETS_TOPIC).len(), 1);
    }

    #[test]
    fn the_number_of_a_removed_topic_is_not_given_away_again() {
        let mut catalog = Catalog::new();
        for name in ["a", "b"] {
            let mut out = CommitBuffer::default();
            catalog.push_topic(&mut out, 1, name, &TopicSpec::default());
            replay_all(&mut catalog, &mut out);
        }
        let removed = catalog.topic("b").expect("made").clone();
        let mut out = CommitBuffer::default();
        push(&mut out, CATALOG_INDEX, 1, b"b", None);
        // Its settings were changed at the same moment: that does not bring it back.
        push(&mut out, CATALOG_INDEX, 1, b"b", Some(&Catalog::with_compression(&removed, None)));
        replay_all(&mut catalog, &mut out);
        assert!(catalog.topic("b").is_none() && catalog.topic("a").is_some());
        let mut state = CommitBuffer::default();
        catalog.push_state(&mut state, 2);
        let mut other = Catalog::new();
        replay_all(&mut other, &mut state);
        assert_eq!(other.next_index, removed.index.0 + 1);
        assert!(other.topic("b").is_none() && other.topic("a").is_some());
    }

    fn replay_all(catalog: &mut Catalog, out: &mut CommitBuffer) {
        for part in out.parts_mut() {
            let topic = part.route.topic;
            catalog.replay(topic, part.batch.seal(0));
        }
    }
}
