//! Kafka record batch format v2, without I/O.
//!
//! Owns the bytes of records and batches: writing ([`builder`]), reading ([`view`]), compression ([`compression`]),
//! variable-length integers ([`varint`]), slices of values that are JSON ([`json`]) sums of keys ([`fnv`]) and the default partitioner ([`partition`]). Promises byte-for-byte what Kafka's own clients write
//! and read (`DefaultRecordBatch`, KIP-98). Leaves offsets, files and sockets to `log` and `broker`.
//!
//! ```text
//! batch  := base_offset i64 | length i32 | leader_epoch i32 | magic i8 = 2 | crc u32 (of all that follows)
//!         | attributes i16 | last_offset_delta i32 | base_timestamp i64 | max_timestamp i64
//!         | producer_id i64 | producer_epoch i16 | base_sequence i32 | count i32 | record*
//! record := length varint | attributes i8 | timestamp_delta varlong | offset_delta varint
//!         | key_length varint (-1: null) key | value_length varint (-1: null) value
//!         | headers varint (key_length varint key value_length varint value)*
//! ```
//! The base offset stands before the checksum's range, so assigning offsets at append time needs no new checksum.

pub mod builder;
pub mod compression;
pub mod fnv;
pub mod json;
pub mod partition;
pub mod staged;
pub mod varint;
pub mod view;

/// A topic's number in the log it belongs to: stable for the life of the topic, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicIndex(pub u32);

/// Where a record goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route {
    /// The topic.
    pub topic: TopicIndex,
    /// The partition, from 0.
    pub partition: u32,
}

/// A topic as a writer uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicHandle {
    /// Its number in this log.
    pub index: TopicIndex,
    /// How many partitions it has.
    pub partitions: u32,
}

impl TopicHandle {
    /// Where a record with this key goes.
    #[inline]
    pub fn route(&self, key: Option<&[u8]>) -> Route {
        Route { topic: self.index, partition: partition::partition_for(key, self.partitions) }
    }
}

/// A record, borrowed. `None` as value is a tombstone.
#[derive(Clone, Copy, Debug)]
pub struct RecordRef<'a> {
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    /// The key's bytes.
    pub key: Option<&'a [u8]>,
    /// The value's bytes.
    pub value: Option<&'a [u8]>,
    /// Headers in order; a key may occur twice.
    pub headers: Headers<'a>,
}

/// A record's headers, already in the form a batch stores them: most records of a table carry the same ones, so they are
/// encoded once and copied.
#[derive(Clone, Copy, Debug, Default)]
pub struct Headers<'a> {
    /// How many.
    pub count: u32,
    /// Their bytes: `(key_length varint key value_length varint value)*`.
    pub bytes: &'a [u8],
}

impl Headers<'_> {
    /// No headers.
    pub const NONE: Headers<'static> = Headers { count: 0, bytes: &[] };
}

/// Headers being put together; keep it and lend [`HeaderBlock::headers`] to every record.
#[derive(Clone, Debug, Default)]
pub struct HeaderBlock {
    count: u32,
    bytes: Vec<u8>,
}

impl HeaderBlock {
    /// Adds a header.
    pub fn push(&mut self, key: &str, value: &[u8]) {
        varint::put(&mut self.bytes, key.len() as i64);
        self.bytes.extend_from_slice(key.as_bytes());
        varint::put(&mut self.bytes, value.len() as i64);
        self.bytes.extend_from_slice(value);
        self.count += 1;
    }

    /// Adds a header without a value.
    pub fn push_null(&mut self, key: &str) {
        varint::put(&mut self.bytes, key.len() as i64);
        self.bytes.extend_from_slice(key.as_bytes());
        varint::put(&mut self.bytes, -1);
        self.count += 1;
    }

    /// Adds all headers of another block.
    pub fn extend(&mut self, other: &HeaderBlock) {
        self.extend_with(other.headers());
    }

    /// Adds a record's headers.
    pub fn extend_with(&mut self, other: Headers<'_>) {
        self.bytes.extend_from_slice(other.bytes);
        self.count += other.count;
    }

    /// Forgets them, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }

    /// The headers, to be lent to records.
    pub fn headers(&self) -> Headers<'_> {
        Headers { count: self.count, bytes: &self.bytes }
    }
}

/// Where encoders push records; they never return them.
pub trait RecordSink {
    /// Appends a record. One that is too large is refused; the commit must then be given up.
    fn push(&mut self, to: Route, record: RecordRef<'_>) -> Result<(), SinkFull>;
}

/// The sink does not take this record; the text says why.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct SinkFull(pub String);
