//! Compressed batches: the four codecs of Kafka's format v2, in the framings that Java's clients write and read.
//!
//! Owns the codecs' names and numbers (`compression.type`, attributes 0 to 2 of a batch) and their bytes: a gzip stream, the
//! blocks of snappy-java (`SnappyOutputStream`), an LZ4 frame of independent blocks (KIP-57), a Zstandard frame (KIP-110).
//! Promises that what [`Packer::pack`] writes every Kafka client of that codec reads, and that [`unpack`] takes whatever
//! such clients write, within a bound. Which topic is compressed with what is the log's affair.

use std::io::{self, Read, Write};

/// The most that a batch may hold uncompressed, in bytes: one record of the largest size and its neighbours.
pub const UNPACKED_BYTES_MAX: usize = (1 << 30) + (1 << 20);

/// Sixteen bytes before snappy-java's blocks: its mark, version 1, readable by version 1.
const XERIAL: [u8; 16] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1];
/// What snappy-java compresses at once.
const SNAPPY_BLOCK_BYTES: usize = 32 * 1024;
/// Head of an LZ4 frame: mark, independent blocks without checksums, blocks of at most 256 KiB, checksum of these two bytes.
const LZ4_HEAD: [u8; 7] = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x50, 0xfb];
const LZ4_BLOCK_BYTES: usize = 256 * 1024;
/// In the size of an LZ4 block: it is stored as it is.
const LZ4_STORED: u32 = 1 << 31;
/// Speed counts more than the last percent: the log's thread compresses for all connectors.
const LEVEL_FAST: i32 = 1;

/// How a batch's records are compressed: Kafka's `compression.type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// `none`; as a topic's setting also called `uncompressed`.
    #[default]
    None,
    /// `gzip`: every client reads it.
    Gzip,
    /// `snappy`.
    Snappy,
    /// `lz4`: the fastest.
    Lz4,
    /// `zstd`: the smallest; read with Fetch from version 10 on.
    Zstd,
}

impl Compression {
    /// All of them, by their number in a batch's attributes.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];
    /// Their names as values of a producer's `compression.type`.
    pub const NAMES: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

    /// The number in a batch's attributes.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The name as a value of `compression.type`.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The codec of a batch's attributes; none for a number that Kafka has not given away.
    pub fn of_attributes(attributes: u8) -> Option<Self> {
        Self::ALL.get(usize::from(attributes & 0x07)).copied()
    }

    /// The codec of that name; a topic's `uncompressed` is `none`.
    pub fn named(name: &str) -> Option<Self> {
        let found = Self::NAMES.iter().position(|known| *known == name);
        found.map(|at| Self::ALL[at]).or_else(|| (name == "uncompressed").then_some(Self::None))
    }
}

/// Compresses; keeps what is dear to make.
#[derive(Default)]
pub struct Packer {
    /// Of a block of lz4 or snappy.
    scratch: Vec<u8>,
    zstd: Option<zstd::bulk::Compressor<'static>>,
    snappy: Option<snap::raw::Encoder>,
}

impl Packer {
    /// Appends `records` compressed to `out`.
    pub fn pack(&mut self, with: Compression, records: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        match with {
            Compression::None => out.extend_from_slice(records),
            Compression::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::fast());
                encoder.write_all(records)?;
                encoder.finish()?;
            }
            Compression::Snappy => self.pack_snappy(records, out)?,
            Compression::Lz4 => self.pack_lz4(records, out)?,
            Compression::Zstd => self.pack_zstd(records, out)?,
        }
        Ok(())
    }

    fn pack_snappy(&mut self, records: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let encoder = self.snappy.get_or_insert_with(snap::raw::Encoder::new);
        out.extend_from_slice(&XERIAL);
        for block in records.chunks(SNAPPY_BLOCK_BYTES) {
            let scratch = room(&mut self.scratch, snap::raw::max_compress_len(block.len()));
            let written = encoder.compress(block, scratch)?;
            out.extend_from_slice(&(written as u32).to_be_bytes());
            out.extend_from_slice(&scratch[..written]);
        }
        Ok(())
    }

    fn pack_zstd(&mut self, records: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let compressor = match &mut self.zstd {
            Some(compressor) => compressor,
            none => none.insert(zstd::bulk::Compressor::new(LEVEL_FAST)?),
        };
        // Not through the scratch, which stays: a record may be a GiB, and its owner bounds `out`.
        let at = out.len();
        out.resize(at + zstd::zstd_safe::compress_bound(records.len()), 0);
        let written = compressor.compress_to_buffer(records, &mut out[at..])?;
        out.truncate(at + written);
        Ok(())
    }

    fn pack_lz4(&mut self, records: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        out.extend_from_slice(&LZ4_HEAD);
        for block in records.chunks(LZ4_BLOCK_BYTES) {
            let scratch = room(&mut self.scratch, lz4_flex::block::get_maximum_output_size(block.len()));
            let written = lz4_flex::block::compress_into(block, scratch).map_err(io::Error::other)?;
            let (block, mark) = if written < block.len() { (&scratch[..written], 0) } else { (block, LZ4_STORED) };
            out.extend_from_slice(&(block.len() as u32 | mark).to_le_bytes());
            out.extend_from_slice(block);
        }
        out.extend_from_slice(&0u32.to_le_bytes());
        Ok(())
    }
}

/// `size` bytes to write into: cleared once, not each time.
fn room(scratch: &mut Vec<u8>, size: usize) -> &mut [u8] {
    if scratch.len() < size {
        scratch.resize(size, 0);
    }
    &mut scratch[..size]
}

/// Replaces `out` by what `packed` holds; an error when it is damaged or holds more than [`UNPACKED_BYTES_MAX`].
pub fn unpack(with: Compression, packed: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    out.clear();
    match with {
        Compression::None => out.extend_from_slice(packed),
        Compression::Gzip => read_all(flate2::read::GzDecoder::new(packed), out)?,
        Compression::Snappy => unpack_snappy(packed, out)?,
        Compression::Lz4 => read_all(lz4_flex::frame::FrameDecoder::new(packed), out)?,
        Compression::Zstd => read_all(zstd::stream::read::Decoder::with_buffer(packed)?, out)?,
    }
    Ok(())
}

fn read_all(from: impl Read, out: &mut Vec<u8>) -> io::Result<()> {
    let read = from.take(UNPACKED_BYTES_MAX as u64 + 1).read_to_end(out)?;
    if read > UNPACKED_BYTES_MAX { Err(too_much()) } else { Ok(()) }
}

fn unpack_snappy(packed: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    // Some clients write one plain block.
    let Some(mut rest) = packed.strip_prefix(&XERIAL[..8]).and_then(|rest| rest.get(8..)) else { return unpack_block(packed, out) };
    while let Some((size, blocks)) = rest.split_first_chunk::<4>() {
        let block = blocks.split_at_checked(u32::from_be_bytes(*size) as usize).ok_or(io::ErrorKind::UnexpectedEof)?;
        unpack_block(block.0, out)?;
        rest = block.1;
    }
    if rest.is_empty() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn unpack_block(block: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let (size, at) = (snap::raw::decompress_len(block)?, out.len());
    // A byte of snappy stands for at most 64: a larger size is a lie that must not cost memory.
    if size > UNPACKED_BYTES_MAX - at.min(UNPACKED_BYTES_MAX) || size / 64 > block.len() {
        return Err(too_much());
    }
    out.resize(at + size, 0);
    snap::raw::Decoder::new().decompress(block, &mut out[at..])?;
    Ok(())
}

fn too_much() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a compressed batch holds too much")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_was_packed_comes_back() {
        let mut packer = Packer::default();
        let schema = b"{\"schema\":{\"type\":\"struct\",\"fields\":[]},\"payload\":".repeat(20);
        let mut events = Vec::new();
        for index in 0..2_000 {
            events.extend_from_slice(&schema);
            events.extend_from_slice(index.to_string().as_bytes());
        }
        let mut noise = vec![0u8; 600_000];
        let mut state = 1u64;
        noise.iter_mut().for_each(|byte| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (state >> 56) as u8;
        });
        for codec in Compression::ALL {
            assert_eq!(Compression::named(codec.name()), Some(codec));
            assert_eq!(Compression::of_attributes(codec.code()), Some(codec));
            for records in [&b""[..], b"a", &events, &noise] {
                let (mut packed, mut unpacked) = (vec![7], vec![9]);
                packer.pack(codec, records, &mut packed).unwrap();
                unpack(codec, &packed[1..], &mut unpacked).unwrap();
                assert!(unpacked == records, "{codec:?} of {} bytes", records.len());
                if codec != Compression::None && records.len() == events.len() {
                    assert!(packed.len() * 10 < events.len(), "{codec:?} left {} of {}", packed.len(), events.len());
                }
            }
        }
        assert_eq!(Compression::of_attributes(5), None);
        assert_eq!(Compression::named("uncompressed"), Some(Compression::None));
    }

    #[test]
    fn one_plain_block_of_snappy_is_read_too() {
        let plain = snap::raw::Encoder::new().compress_vec(b"plain plain plain").unwrap();
        let mut out = Vec::new();
        unpack(Compression::Snappy, &plain, &mut out).unwrap();
        assert_eq!(out, b"plain plain plain");
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(packed in proptest::collection::vec(any::<u8>(), 0..200), framed in any::<bool>()) {
            let heads: [&[u8]; 5] = [b"", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0], &XERIAL, &LZ4_HEAD, &[0x28, 0xb5, 0x2f, 0xfd]];
            for (codec, head) in Compression::ALL.into_iter().zip(heads) {
                let bytes = [if framed { head } else { b"" }, &packed].concat();
                let _ = unpack(codec, &bytes, &mut Vec::new());
            }
        }

        #[test]
        fn what_is_cut_short_is_an_error(at in 0usize..400) {
            let records: Vec<u8> = (0..4_000u32).flat_map(|number| (number * number).to_le_bytes()).collect();
            for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
                let (mut packed, mut out) = (Vec::new(), Vec::new());
                Packer::default().pack(codec, &records, &mut packed).unwrap();
                let cut = unpack(codec, &packed[..at.min(packed.len() - 1)], &mut out);
                prop_assert!(cut.is_err() || out != records, "{codec:?} cut at {at}");
            }
        }
    }
}
