//! The bytes of the built-in log on disk, format version 1.
//!
//! ```text
//! segment   := segment_header frame* footer?
//! header    := magic u64 "ROWFEED\n" | version u32 | zero u32 | first_commit u64 | crc32c u32 (of the 24 before) | zero u32
//! frame     := frame_header entry* batch*
//! frame_hd  := magic u32 "RFRM" | version u16 | flags u16 | frame_len u32 | commit u64 | durable u64 | entries u32 | time_ms i64
//!            | crc32c u32 (of the 40 before and of the entries)
//! entry     := topic u32 | partition u32 | base_offset u64 | length u32 | records u32 | max_timestamp i64
//! batch     := a Kafka record batch v2, byte for byte what a consumer receives
//! footer    := index_body trailer
//! trailer   := magic u32 "RFIX" | version u32 | body_position u64 | last_commit u64 | last_time_ms i64 | crc32c u32 (of body and the 32 before) | zero u32
//! ```
//! All integers are little-endian, batches excepted. A frame counts only if its header's checksum and every batch's
//! checksum hold, and if the first 17 bytes of each batch (which Kafka's checksum leaves out) agree with its entry.
//! `durable` names the newest commit that was already synced when the frame was written: it tells a torn tail from
//! damage (see `recover`).

use crate::record::{Route, TopicIndex};

/// The version written, and the only one read.
pub const VERSION: u32 = 1;
/// First bytes of a segment.
pub const SEGMENT_MAGIC: [u8; 8] = *b"ROWFEED\n";
/// First bytes of a frame.
pub const FRAME_MAGIC: [u8; 4] = *b"RFRM";
/// First bytes of a footer's trailer.
pub const FOOTER_MAGIC: [u8; 4] = *b"RFIX";
/// Bytes of a segment's header.
pub const SEGMENT_HEADER_BYTES: usize = 32;
/// Bytes of a frame's header, without entries.
pub const FRAME_HEADER_BYTES: usize = 44;
/// Bytes of one directory entry.
pub const ENTRY_BYTES: usize = 32;
/// Bytes of a footer's trailer.
pub const TRAILER_BYTES: usize = 40;
/// A frame is never larger (its length is a u32; commits are cut long before, a single huge row may come near).
pub const FRAME_BYTES_MAX: u64 = u32::MAX as u64;

const _: () = assert!(SEGMENT_HEADER_BYTES == 8 + 4 + 4 + 8 + 4 + 4);
const _: () = assert!(FRAME_HEADER_BYTES == 4 + 2 + 2 + 4 + 8 + 8 + 4 + 8 + 4);
const _: () = assert!(ENTRY_BYTES == 4 + 4 + 8 + 4 + 4 + 8);
const _: () = assert!(TRAILER_BYTES == 4 + 4 + 8 + 8 + 8 + 4 + 4);

/// One batch of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Topic and partition.
    pub route: Route,
    /// Offset of the first record.
    pub base_offset: u64,
    /// Bytes of the batch.
    pub length: u32,
    /// Records in it.
    pub records: u32,
    /// The largest timestamp, milliseconds.
    pub max_timestamp: i64,
}

impl Entry {
    /// The offset after the last record.
    pub fn next_offset(&self) -> u64 {
        self.base_offset.saturating_add(u64::from(self.records))
    }
}

/// A frame's header without its directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Bytes of the whole frame.
    pub frame_len: u32,
    /// Its number; each is one more than the one before.
    pub commit: u64,
    /// The newest commit that was durable when this was written.
    pub durable: u64,
    /// How many batches.
    pub entries: u32,
    /// When it was written, milliseconds since 1970, never less than the frame before.
    pub time_ms: i64,
}

impl FrameHeader {
    /// Bytes of header and directory.
    pub fn head_bytes(&self) -> usize {
        FRAME_HEADER_BYTES + self.entries as usize * ENTRY_BYTES
    }
}

/// Writes header and directory.
pub fn put_frame_head(out: &mut Vec<u8>, header: &FrameHeader, entries: &[Entry]) {
    let start = out.len();
    out.extend_from_slice(&FRAME_MAGIC);
    out.extend_from_slice(&(VERSION as u16).to_le_bytes());
    out.extend_from_slice(&0u16.to_le_bytes());
    out.extend_from_slice(&header.frame_len.to_le_bytes());
    out.extend_from_slice(&header.commit.to_le_bytes());
    out.extend_from_slice(&header.durable.to_le_bytes());
    out.extend_from_slice(&header.entries.to_le_bytes());
    out.extend_from_slice(&header.time_ms.to_le_bytes());
    let crc_at = out.len();
    out.extend_from_slice(&[0; 4]);
    for entry in entries {
        out.extend_from_slice(&entry.route.topic.0.to_le_bytes());
        out.extend_from_slice(&entry.route.partition.to_le_bytes());
        out.extend_from_slice(&entry.base_offset.to_le_bytes());
        out.extend_from_slice(&entry.length.to_le_bytes());
        out.extend_from_slice(&entry.records.to_le_bytes());
        out.extend_from_slice(&entry.max_timestamp.to_le_bytes());
    }
    let crc = crc32c::crc32c_append(crc32c::crc32c(&out[start..crc_at]), &out[crc_at + 4..]);
    out[crc_at..crc_at + 4].copy_from_slice(&crc.to_le_bytes());
}

/// What the bytes at the start of a slice are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameAt {
    /// A header whose magic and lengths make sense; the checksum is not looked at yet.
    Header(FrameHeader),
    /// More bytes are needed to say.
    Short,
    /// Not a frame.
    Bad(&'static str),
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at.checked_add(8)?)?.try_into().ok().map(u64::from_le_bytes)
}

/// Reads a frame's header, without its checksum.
pub fn frame_header(bytes: &[u8]) -> FrameAt {
    if bytes.len() < FRAME_HEADER_BYTES {
        return FrameAt::Short;
    }
    if bytes[..4] != FRAME_MAGIC {
        return FrameAt::Bad("no frame begins here");
    }
    if u32::from(u16::from_le_bytes([bytes[4], bytes[5]])) != VERSION {
        return FrameAt::Bad("unknown frame version");
    }
    let (Some(frame_len), Some(commit), Some(durable), Some(entries), Some(time)) =
        (u32_at(bytes, 8), u64_at(bytes, 12), u64_at(bytes, 20), u32_at(bytes, 28), u64_at(bytes, 32))
    else {
        return FrameAt::Short;
    };
    let header = FrameHeader { frame_len, commit, durable, entries, time_ms: time as i64 };
    let head = FRAME_HEADER_BYTES as u64 + u64::from(entries) * ENTRY_BYTES as u64;
    if head > u64::from(frame_len) {
        return FrameAt::Bad("the directory is longer than the frame");
    }
    FrameAt::Header(header)
}

/// The checksum of header and directory; `head` is exactly [`FrameHeader::head_bytes`] long.
pub fn head_checksum_holds(head: &[u8]) -> bool {
    let Some(stored) = u32_at(head, 40) else { return false };
    crc32c::crc32c_append(crc32c::crc32c(&head[..40]), &head[FRAME_HEADER_BYTES..]) == stored
}

/// The directory of a frame whose head is `head`.
pub fn entries(head: &[u8]) -> impl Iterator<Item = Entry> + '_ {
    head.get(FRAME_HEADER_BYTES..).unwrap_or_default().chunks_exact(ENTRY_BYTES).map(|entry| Entry {
        route: Route { topic: TopicIndex(u32_at(entry, 0).unwrap_or_default()), partition: u32_at(entry, 4).unwrap_or_default() },
        base_offset: u64_at(entry, 8).unwrap_or_default(),
        length: u32_at(entry, 16).unwrap_or_default(),
        records: u32_at(entry, 20).unwrap_or_default(),
        max_timestamp: u64_at(entry, 24).unwrap_or_default() as i64,
    })
}

/// A segment's header.
pub fn segment_header(first_commit: u64) -> [u8; SEGMENT_HEADER_BYTES] {
    let mut out = [0; SEGMENT_HEADER_BYTES];
    out[..8].copy_from_slice(&SEGMENT_MAGIC);
    out[8..12].copy_from_slice(&VERSION.to_le_bytes());
    out[16..24].copy_from_slice(&first_commit.to_le_bytes());
    let crc = crc32c::crc32c(&out[..24]);
    out[24..28].copy_from_slice(&crc.to_le_bytes());
    out
}

/// Why a segment's first bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentHeaderError {
    /// Cut short, or not ours, or its checksum does not hold.
    Bad,
    /// Written by another version.
    Version(u32),
}

/// Reads a segment's header: its first commit.
pub fn read_segment_header(bytes: &[u8]) -> Result<u64, SegmentHeaderError> {
    let head = bytes.get(..SEGMENT_HEADER_BYTES).ok_or(SegmentHeaderError::Bad)?;
    let (Some(version), Some(first_commit), Some(crc)) = (u32_at(head, 8), u64_at(head, 16), u32_at(head, 24)) else {
        return Err(SegmentHeaderError::Bad);
    };
    if head[..8] != SEGMENT_MAGIC || crc32c::crc32c(&head[..24]) != crc {
        return Err(SegmentHeaderError::Bad);
    }
    if version != VERSION {
        return Err(SegmentHeaderError::Version(version));
    }
    Ok(first_commit)
}

/// What a sealed segment's trailer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// Where the index body begins; frames end there.
    pub body_position: u64,
    /// The last commit of the segment.
    pub last_commit: u64,
    /// When it was written.
    pub last_time_ms: i64,
}

/// Appends index body and trailer: `body` begins at `body_position` of the file.
pub fn put_footer(body: &mut Vec<u8>, trailer: &Trailer) {
    let mut tail = Vec::with_capacity(TRAILER_BYTES);
    tail.extend_from_slice(&FOOTER_MAGIC);
    tail.extend_from_slice(&VERSION.to_le_bytes());
    tail.extend_from_slice(&trailer.body_position.to_le_bytes());
    tail.extend_from_slice(&trailer.last_commit.to_le_bytes());
    tail.extend_from_slice(&trailer.last_time_ms.to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(body), &tail);
    tail.extend_from_slice(&crc.to_le_bytes());
    tail.extend_from_slice(&[0; 4]);
    body.extend_from_slice(&tail);
}

/// Reads a trailer; the checksum covers the body too and is compared by [`footer_checksum_holds`].
pub fn read_trailer(tail: &[u8]) -> Option<Trailer> {
    let tail = tail.get(..TRAILER_BYTES)?;
    if tail[..4] != FOOTER_MAGIC || u32_at(tail, 4)? != VERSION {
        return None;
    }
    Some(Trailer { body_position: u64_at(tail, 8)?, last_commit: u64_at(tail, 16)?, last_time_ms: u64_at(tail, 24)? as i64 })
}

/// Whether body and trailer belong together.
pub fn footer_checksum_holds(body: &[u8], tail: &[u8]) -> bool {
    let Some(stored) = u32_at(tail, 32) else { return false };
    crc32c::crc32c_append(crc32c::crc32c(body), &tail[..32]) == stored
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (FrameHeader, Vec<Entry>, Vec<u8>) {
        let entries = vec![
            Entry { route: Route { topic: TopicIndex(3), partition: 1 }, base_offset: 1 << 40, length: 100, records: 3, max_timestamp: -5 },
            Entry { route: Route { topic: TopicIndex(9), partition: 0 }, base_offset: 0, length: 61, records: 1, max_timestamp: 7 },
        ];
        let header = FrameHeader { frame_len: 1000, commit: 42, durable: 40, entries: 2, time_ms: 1_700_000_000_000 };
        let mut bytes = Vec::new();
        put_frame_head(&mut bytes, &header, &entries);
        (header, entries, bytes)
    }

    #[test]
    fn a_frame_head_comes_back_as_it_was_written() {
        let (header, list, bytes) = sample();
        assert_eq!(bytes.len(), header.head_bytes());
        assert_eq!(frame_header(&bytes), FrameAt::Header(header));
        assert!(head_checksum_holds(&bytes));
        assert_eq!(entries(&bytes).collect::<Vec<_>>(), list);
    }

    #[test]
    fn every_flipped_bit_of_a_frame_head_is_noticed() {
        let (_, _, bytes) = sample();
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let seen = matches!(frame_header(&bad), FrameAt::Header(h) if h.head_bytes() == bad.len() && head_checksum_holds(&bad));
            assert!(!seen, "bit {bit}");
        }
    }

    #[test]
    fn segment_header_and_footer_come_back() {
        assert_eq!(read_segment_header(&segment_header(77)), Ok(77));
        let mut other = segment_header(77);
        other[30] = 1;
        assert_eq!(read_segment_header(&other), Ok(77));
        let trailer = Trailer { body_position: 123, last_commit: 9, last_time_ms: 11 };
        let mut body = b"index".to_vec();
        put_footer(&mut body, &trailer);
        let (body, tail) = body.split_at(5);
        assert_eq!(read_trailer(tail), Some(trailer));
        assert!(footer_checksum_holds(body, tail));
        assert!(!footer_checksum_holds(b"indeX", tail));
    }
}
