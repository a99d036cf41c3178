//! Writes record batches: records are appended in place, the header is filled in at the end.

use super::compression::{Compression, Packer};
use super::{RecordRef, varint};

/// Bytes of a batch before its first record.
pub const BATCH_HEADER_BYTES: usize = 61;
/// Bytes of a batch that stand before `leader_epoch`; the length field counts what follows them.
pub const BATCH_LENGTH_OFFSET: usize = 12;
/// Where the range of the checksum begins (at the attributes).
pub const CRC_START: usize = 21;

/// One batch being written, reusable. It may be compressed once it is whole.
///
/// `append` never fails; the owner starts another batch when [`BatchBuilder::bytes`] passes its limit.
#[derive(Debug, Default)]
pub struct BatchBuilder {
    bytes: Vec<u8>,
    /// The batch with its records compressed; empty while it is not.
    packed: Vec<u8>,
    compression: Compression,
    count: u32,
    base_timestamp: i64,
    max_timestamp: i64,
}

impl BatchBuilder {
    /// An empty batch with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        let mut builder = Self { bytes: Vec::with_capacity(capacity), ..Self::default() };
        builder.clear();
        builder
    }

    /// Forgets the records, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.resize(BATCH_HEADER_BYTES, 0);
        self.packed.clear();
        self.compression = Compression::None;
        self.count = 0;
        self.base_timestamp = 0;
        self.max_timestamp = 0;
    }

    /// How many records it holds.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Its size with header as [`BatchBuilder::seal`] lends it, in bytes.
    pub fn bytes(&self) -> usize {
        if self.compression == Compression::None { self.bytes.len() } else { self.packed.len() }
    }

    /// The largest timestamp of its records, milliseconds.
    pub fn max_timestamp(&self) -> i64 {
        self.max_timestamp
    }

    /// The memory it holds, in bytes.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity() + self.packed.capacity()
    }

    /// Compresses the records, where that makes them smaller. Nothing may be appended after it.
    pub fn pack(&mut self, packer: &mut Packer, with: Compression) {
        if with == Compression::None || self.compression != Compression::None || self.count == 0 {
            return;
        }
        self.packed.clear();
        self.packed.resize(BATCH_HEADER_BYTES, 0);
        let packed = packer.pack(with, &self.bytes[BATCH_HEADER_BYTES..], &mut self.packed);
        // A codec that fails costs only its gain.
        if packed.is_ok() && self.packed.len() < self.bytes.len() {
            self.compression = with;
        }
    }

    /// Appends one record.
    pub fn append(&mut self, record: RecordRef<'_>) {
        debug_assert!(self.compression == Compression::None, "a compressed batch is whole");
        if self.bytes.len() < BATCH_HEADER_BYTES {
            self.clear();
        }
        if self.count == 0 {
            self.base_timestamp = record.timestamp_ms;
            self.max_timestamp = record.timestamp_ms;
        }
        self.max_timestamp = self.max_timestamp.max(record.timestamp_ms);
        let timestamp_delta = record.timestamp_ms - self.base_timestamp;
        let offset_delta = i64::from(self.count);
        let mut length = 1 + varint::size(timestamp_delta) + varint::size(offset_delta);
        length += sized(record.key) + sized(record.value) + varint::size(i64::from(record.headers.count)) + record.headers.bytes.len();
        let out = &mut self.bytes;
        varint::put(out, length as i64);
        out.push(0);
        varint::put(out, timestamp_delta);
        varint::put(out, offset_delta);
        put_bytes(out, record.key);
        put_bytes(out, record.value);
        varint::put(out, i64::from(record.headers.count));
        out.extend_from_slice(record.headers.bytes);
        self.count += 1;
    }

    /// Fills in the header for `base_offset` and lends the finished batch. Unless it is compressed, more records may still be
    /// appended, and the batch sealed again.
    ///
    /// The leader epoch is 0: a single node has one leader for ever.
    pub fn seal(&mut self, base_offset: u64) -> &[u8] {
        assert!(self.count > 0, "an empty batch is never sealed");
        let batch = if self.compression == Compression::None { &mut self.bytes } else { &mut self.packed };
        let length = (batch.len() - BATCH_LENGTH_OFFSET) as i32;
        let count = self.count as i32;
        let head = &mut batch[..BATCH_HEADER_BYTES];
        head[0..8].copy_from_slice(&base_offset.to_be_bytes());
        head[8..12].copy_from_slice(&length.to_be_bytes());
        head[12..16].copy_from_slice(&0i32.to_be_bytes());
        head[16] = 2;
        head[21..23].copy_from_slice(&u16::from(self.compression.code()).to_be_bytes());
        head[23..27].copy_from_slice(&(count - 1).to_be_bytes());
        head[27..35].copy_from_slice(&self.base_timestamp.to_be_bytes());
        head[35..43].copy_from_slice(&self.max_timestamp.to_be_bytes());
        head[43..51].copy_from_slice(&(-1i64).to_be_bytes());
        head[51..53].copy_from_slice(&(-1i16).to_be_bytes());
        head[53..57].copy_from_slice(&(-1i32).to_be_bytes());
        head[57..61].copy_from_slice(&count.to_be_bytes());
        let crc = crc32c::crc32c(&batch[CRC_START..]);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
        batch
    }
}

#[inline]
fn sized(bytes: Option<&[u8]>) -> usize {
    match bytes {
        Some(bytes) => varint::size(bytes.len() as i64) + bytes.len(),
        None => 1,
    }
}

#[inline]
fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            varint::put(out, bytes.len() as i64);
            out.extend_from_slice(bytes);
        }
        None => out.push(1),
    }
}
