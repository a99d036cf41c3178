//! A commit of the built-in log while it is being filled: one batch per touched partition, memory reused.
//!
//! Promises that a batch stays under [`BATCH_BYTES_MAX`] unless a single record is larger, so that clients with
//! Kafka's default limits read it, and that all buffers of a process together keep a bounded memory. Leaves offsets and checksums to the log's writer, which seals the batches.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Commit;
use crate::record::builder::BatchBuilder;
use crate::record::{RecordRef, RecordSink, Route, SinkFull, TopicIndex};

/// A batch is closed before it passes this size: half of Kafka's default `max.message.bytes`.
pub const BATCH_BYTES_MAX: usize = 512 * 1024;
/// The largest record: what the length fields of a batch and of a fetch response carry with room to spare.
pub const RECORD_BYTES_MAX: usize = 1 << 30;
/// Memory a recycled buffer may keep, in bytes; above it the spare batches are dropped.
const KEPT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Memory that all recycled buffers of a process may keep together, in bytes: more than two busy connectors have. Buffers
/// beyond it give theirs back after each commit.
const KEPT_BYTES_OF_ALL_MAX: usize = 64 * 1024 * 1024;
/// A buffer that has this many times what its commits need, so many commits long, gives its memory back.
const TOO_LARGE: usize = 16;
const TOO_LARGE_COMMITS: u8 = 64;
/// Less than this is not worth giving back.
const KEPT_BYTES_ALWAYS: usize = 64 * 1024;
/// What the first record of a batch reserves.
const BATCH_BYTES_FIRST: usize = 4 * 1024;

/// One batch and where it goes.
#[derive(Debug)]
pub struct Part {
    /// The partition.
    pub route: Route,
    /// The records.
    pub batch: BatchBuilder,
}

/// Implements [`RecordSink`] for the built-in log.
#[derive(Debug, Default)]
pub struct CommitBuffer {
    parts: Vec<Part>,
    used: usize,
    open: HashMap<Route, usize>,
    last: Option<(Route, usize)>,
    bytes: usize,
    records: u64,
    /// How many commits in a row were small for what it keeps.
    small: u8,
    kept: Option<Share>,
}

/// How much the buffers of a process keep.
#[derive(Debug, Default)]
pub struct KeptBytes(Arc<AtomicUsize>);

/// One buffer's share of it.
#[derive(Debug)]
struct Share {
    bytes: usize,
    of: Arc<AtomicUsize>,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl KeptBytes {
    /// Counts what a recycled buffer keeps, or has it give that back when all together keep too much.
    pub fn keep(&self, commit: &mut CommitBuffer) {
        commit.kept = None;
        let bytes = commit.capacity();
        if bytes <= KEPT_BYTES_ALWAYS {
            return;
        }
        if self.0.fetch_add(bytes, Ordering::Relaxed) + bytes > KEPT_BYTES_OF_ALL_MAX {
            commit.parts = Vec::new();
            self.0.fetch_sub(bytes, Ordering::Relaxed);
            return;
        }
        commit.kept = Some(Share { bytes, of: Arc::clone(&self.0) });
    }

    /// How much that is now.
    pub fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl CommitBuffer {
    /// The filled batches.
    pub fn parts_mut(&mut self) -> &mut [Part] {
        &mut self.parts[..self.used]
    }

    /// Empties it for the next commit.
    pub fn recycle(&mut self) {
        let kept = self.capacity();
        let is_small = kept > KEPT_BYTES_ALWAYS && self.bytes < kept / TOO_LARGE;
        self.small = if is_small { self.small + 1 } else { 0 };
        if kept > KEPT_BYTES_MAX || self.small >= TOO_LARGE_COMMITS {
            self.parts = Vec::new();
            self.small = 0;
        }
        for part in &mut self.parts[..] {
            part.batch.clear();
        }
        self.used = 0;
        self.open.clear();
        self.last = None;
        self.bytes = 0;
        self.records = 0;
    }

    /// What its batches have room for.
    fn capacity(&self) -> usize {
        self.parts.iter().map(|part| part.batch.capacity()).sum()
    }

    fn part_for(&mut self, route: Route, record_bytes: usize) -> usize {
        let found = match self.last {
            Some((last, index)) if last == route => Some(index),
            _ => self.open.get(&route).copied(),
        };
        if let Some(index) = found
            && (self.parts[index].batch.count() == 0 || self.parts[index].batch.bytes() + record_bytes <= BATCH_BYTES_MAX)
        {
            self.last = Some((route, index));
            return index;
        }
        let index = self.used;
        if index == self.parts.len() {
            self.parts.push(Part { route, batch: BatchBuilder::with_capacity(BATCH_BYTES_FIRST) });
        } else {
            self.parts[index].route = route;
        }
        self.used += 1;
        self.open.insert(route, index);
        self.last = Some((route, index));
        index
    }
}

impl RecordSink for CommitBuffer {
    #[inline]
    fn push(&mut self, to: Route, record: RecordRef<'_>) -> Result<(), SinkFull> {
        // 32 covers the record's own varints.
        let record_bytes = 32 + record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len) + record.headers.bytes.len();
        if record_bytes > RECORD_BYTES_MAX {
            return Err(SinkFull(format!("an event of {record_bytes} bytes is too large for a topic, which takes {RECORD_BYTES_MAX}")));
        }
        let index = self.part_for(to, record_bytes);
        self.parts[index].batch.append(record);
        self.bytes += record_bytes;
        self.records += 1;
        Ok(())
    }
}

impl Commit for CommitBuffer {
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn records(&self) -> u64 {
        self.records
    }

    fn topics(&self, max: usize) -> Vec<TopicIndex> {
        let mut topics = Vec::new();
        for part in self.parts.iter().take(self.used) {
            if topics.len() < max && !topics.contains(&part.route.topic) {
                topics.push(part.route.topic);
            }
        }
        topics
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::view::BatchView;
    use crate::record::{Headers, TopicIndex};

    #[test]
    fn records_of_one_partition_stay_in_order_over_several_batches() {
        let mut commit = CommitBuffer::default();
        let route = |topic| Route { topic: TopicIndex(topic), partition: 0 };
        let value = vec![7u8; 100_000];
        for round in 0..2 {
            for index in 0..20i64 {
                let topic = (index % 2) as u32;
                commit
                    .push(route(topic), RecordRef { timestamp_ms: index, key: None, value: Some(&value), headers: Headers::NONE })
                    .unwrap();
            }
            assert_eq!(commit.records(), 20);
            let mut seen = [Vec::new(), Vec::new()];
            for part in commit.parts_mut() {
                assert!(part.batch.bytes() <= BATCH_BYTES_MAX);
                let topic = part.route.topic.0 as usize;
                for record in BatchView::parse(part.batch.seal(0)).unwrap().records(&mut Vec::new()) {
                    seen[topic].push(record.unwrap().timestamp_ms);
                }
            }
            assert_eq!(seen[0], (0..20).step_by(2).collect::<Vec<_>>(), "round {round}");
            assert_eq!(seen[1], (1..20).step_by(2).collect::<Vec<_>>());
            commit.recycle();
        }
    }

    fn filled(bytes: usize) -> CommitBuffer {
        let mut commit = CommitBuffer::default();
        fill(&mut commit, bytes);
        commit
    }

    fn fill(commit: &mut CommitBuffer, bytes: usize) {
        let value = vec![7u8; 1024];
        let record = RecordRef { timestamp_ms: 0, key: None, value: Some(&value), headers: Headers::NONE };
        while commit.bytes() < bytes {
            commit.push(Route { topic: TopicIndex(0), partition: 0 }, record).unwrap();
        }
    }

    #[test]
    fn what_all_buffers_keep_has_a_bound_and_who_ends_gives_back() {
        let kept = KeptBytes::default();
        let mut commits: Vec<_> = (0..40).map(|_| filled(4 << 20)).collect();
        for commit in &mut commits {
            commit.recycle();
            kept.keep(commit);
        }
        assert!(kept.bytes() <= KEPT_BYTES_OF_ALL_MAX, "{}", kept.bytes());
        let full = commits.iter().filter(|commit| commit.capacity() > 0).count();
        assert!((8..40).contains(&full), "{full} keep theirs");
        // One that counts a second time counts once.
        let before = kept.bytes();
        kept.keep(&mut commits[0]);
        assert_eq!(kept.bytes(), before);
        commits.clear();
        assert_eq!(kept.bytes(), 0);
    }

    #[test]
    fn a_buffer_that_is_long_too_large_gives_its_memory_back() {
        let mut commit = filled(4 << 20);
        commit.recycle();
        for round in 0..TOO_LARGE_COMMITS {
            assert!(commit.capacity() >= 4 << 20, "round {round}");
            fill(&mut commit, 2_000);
            commit.recycle();
        }
        assert_eq!(commit.capacity(), 0);
        fill(&mut commit, 4 << 20);
        commit.recycle();
        assert!(commit.capacity() >= 4 << 20, "it is used again");
    }

    #[test]
    fn a_record_that_no_consumer_could_read_is_refused() {
        let value = vec![0; RECORD_BYTES_MAX];
        let record = RecordRef { timestamp_ms: 0, key: None, value: Some(&value), headers: Headers::NONE };
        let refused = CommitBuffer::default().push(Route { topic: TopicIndex(0), partition: 0 }, record);
        assert!(refused.unwrap_err().to_string().contains("too large"));
    }
}
