//! The committed offsets of all groups in memory, as the durable records say.
//!
//! Owns the map and its size in bytes. Promises that only durable commits are in it: the coordinator applies a commit
//! when its records are in the log. (Sinks will read it too; it moves to `log` then.)

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::records::Committed;

/// What an entry takes beside its text, about.
const ENTRY_BYTES: usize = 160;

/// One commit of a partition.
#[derive(Clone, Debug)]
pub struct OffsetUpdate {
    /// The group.
    pub group: Arc<str>,
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// What was committed.
    pub committed: Committed,
}

impl OffsetUpdate {
    /// About what it takes in the map.
    pub fn bytes(&self) -> usize {
        ENTRY_BYTES + self.committed.metadata.len() + self.topic.len()
    }
}

fn listed<'a>(
    group: &'a Arc<str>,
    topic: &'a Arc<str>,
    partitions: &'a BTreeMap<i32, Committed>,
) -> impl Iterator<Item = (Arc<str>, Arc<str>, i32)> + 'a {
    partitions.keys().map(|partition| (Arc::clone(group), Arc::clone(topic), *partition))
}

type Topics = BTreeMap<Arc<str>, BTreeMap<i32, Committed>>;

/// The offsets.
#[derive(Debug, Default)]
pub struct Offsets {
    groups: HashMap<Arc<str>, Topics>,
    bytes: usize,
}

impl Offsets {
    /// Takes over a commit that is durable.
    pub fn apply(&mut self, update: OffsetUpdate) {
        self.bytes += update.bytes();
        let topic_bytes = update.topic.len();
        let partitions = self.groups.entry(update.group).or_default().entry(update.topic).or_default();
        if let Some(old) = partitions.insert(update.partition, update.committed) {
            self.bytes = self.bytes.saturating_sub(ENTRY_BYTES + old.metadata.len() + topic_bytes);
        }
    }

    /// How many bytes more the map takes when a commit is taken over.
    pub fn growth(&self, update: &OffsetUpdate) -> usize {
        match self.get(&update.group, &update.topic, update.partition) {
            Some(old) => update.committed.metadata.len().saturating_sub(old.metadata.len()),
            None => update.bytes(),
        }
    }

    /// The groups, and when each last committed, milliseconds since 1970.
    pub fn last_commits(&self) -> impl Iterator<Item = (&Arc<str>, i64)> {
        let last = |topics: &Topics| topics.values().flat_map(BTreeMap::values).map(|committed| committed.committed_at_ms).max();
        self.groups.iter().map(move |(group, topics)| (group, last(topics).unwrap_or(0)))
    }

    /// Forgets a partition's offset.
    pub fn remove(&mut self, group: &str, topic: &str, partition: i32) {
        let Some(topics) = self.groups.get_mut(group) else { return };
        let removed = topics.get_mut(topic).and_then(|partitions| partitions.remove(&partition));
        if let Some(old) = removed {
            self.bytes = self.bytes.saturating_sub(ENTRY_BYTES + old.metadata.len() + topic.len());
        }
        topics.retain(|_, partitions| !partitions.is_empty());
        if topics.is_empty() {
            self.groups.remove(group);
        }
    }

    /// A partition's offset.
    pub fn get(&self, group: &str, topic: &str, partition: i32) -> Option<&Committed> {
        self.groups.get(group)?.get(topic)?.get(&partition)
    }

    /// All offsets of a group.
    pub fn of_group(&self, group: &str) -> impl Iterator<Item = (&Arc<str>, &BTreeMap<i32, Committed>)> {
        self.groups.get(group).into_iter().flatten()
    }

    /// Group, topic and partition of every offset in a topic of which `is_meant` is true.
    pub fn of_topics(&self, is_meant: impl Fn(&str) -> bool) -> Vec<(Arc<str>, Arc<str>, i32)> {
        let topics =
            self.groups.iter().flat_map(|(group, topics)| topics.iter().map(move |(topic, partitions)| (group, topic, partitions)));
        let meant = topics.filter(|(_, topic, _)| is_meant(topic));
        meant.flat_map(|(group, topic, partitions)| listed(group, topic, partitions)).collect()
    }

    /// Group, topic and partition of every offset of a group.
    pub fn of_group_listed(&self, group: &str) -> Vec<(Arc<str>, Arc<str>, i32)> {
        let Some((group, topics)) = self.groups.get_key_value(group) else { return Vec::new() };
        topics.iter().flat_map(|(topic, partitions)| listed(group, topic, partitions)).collect()
    }

    /// How many groups have offsets.
    pub fn groups(&self) -> usize {
        self.groups.len()
    }

    /// True when the group has offsets.
    pub fn has_group(&self, group: &str) -> bool {
        self.groups.contains_key(group)
    }

    /// About what they take in memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
