//! Reads record batches, without copying where they are not compressed. Everything here takes bytes from outside: it returns an error, never panics.

use super::builder::{BATCH_HEADER_BYTES, BATCH_LENGTH_OFFSET, CRC_START};
use super::compression::{Compression, unpack};
use super::{Headers, varint};

/// Why bytes are not a record batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Fewer bytes than a batch header, or than its length says.
    #[error("the batch is cut short")]
    Short,
    /// Not format v2.
    #[error("record batch magic {0} is not supported, only 2")]
    Magic(i8),
    /// The checksum does not match.
    #[error("the batch's checksum does not match its bytes")]
    Checksum,
    /// A length inside the batch points outside it.
    #[error("a record of the batch is malformed")]
    Record,
    /// The compressed records are damaged, of an unknown codec or too large.
    #[error("the batch's records cannot be decompressed")]
    Compressed,
}

/// A whole batch, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct BatchView<'a> {
    bytes: &'a [u8],
}

impl<'a> BatchView<'a> {
    /// The first batch of `bytes`, which may be followed by others. The checksum is not looked at: see [`Self::verify`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BatchError> {
        if bytes.len() < BATCH_HEADER_BYTES {
            return Err(BatchError::Short);
        }
        let view = Self { bytes };
        let magic = bytes[16] as i8;
        if magic != 2 {
            return Err(BatchError::Magic(magic));
        }
        let length = usize::try_from(view.i32_at(8)).map_err(|_| BatchError::Short)?;
        let whole = length.checked_add(BATCH_LENGTH_OFFSET).ok_or(BatchError::Short)?;
        if whole < BATCH_HEADER_BYTES || whole > bytes.len() {
            return Err(BatchError::Short);
        }
        Ok(Self { bytes: &bytes[..whole] })
    }

    fn i32_at(&self, at: usize) -> i32 {
        i32::from_be_bytes(self.bytes[at..at + 4].try_into().expect("four bytes"))
    }

    fn i64_at(&self, at: usize) -> i64 {
        i64::from_be_bytes(self.bytes[at..at + 8].try_into().expect("eight bytes"))
    }

    /// Compares the checksum.
    pub fn verify(&self) -> Result<(), BatchError> {
        let stored = u32::from_be_bytes(self.bytes[17..21].try_into().expect("four bytes"));
        if crc32c::crc32c(&self.bytes[CRC_START..]) == stored { Ok(()) } else { Err(BatchError::Checksum) }
    }

    /// The batch's bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Offset of the first record.
    pub fn base_offset(&self) -> u64 {
        self.i64_at(0) as u64
    }

    /// Offset after the last record.
    pub fn next_offset(&self) -> u64 {
        self.base_offset() + self.i32_at(23).max(0) as u64 + 1
    }

    /// How many records.
    pub fn count(&self) -> u32 {
        self.i32_at(57).max(0) as u32
    }

    /// The largest timestamp, milliseconds.
    pub fn max_timestamp(&self) -> i64 {
        self.i64_at(35)
    }

    /// How its records are compressed.
    pub fn compression(&self) -> Result<Compression, BatchError> {
        Compression::of_attributes(self.bytes[22]).ok_or(BatchError::Compressed)
    }

    /// The records in order. Stops after the first malformed one. Compressed ones are unpacked into `room`, which may be used
    /// again; others are lent from where they are.
    pub fn records<'r>(&self, room: &'r mut Vec<u8>) -> Records<'r>
    where
        'a: 'r,
    {
        let packed = &self.bytes[BATCH_HEADER_BYTES..];
        let rest = match self.compression() {
            Ok(Compression::None) => Some(packed),
            Ok(codec) => unpack(codec, packed, room).ok().map(|()| &room[..]),
            Err(_) => None,
        };
        Records { rest, left: self.count(), base_offset: self.base_offset(), base_timestamp: self.i64_at(27) }
    }
}

/// The whole batches that `bytes` begin with, one after the other.
pub fn batches(mut bytes: &[u8]) -> impl Iterator<Item = BatchView<'_>> {
    std::iter::from_fn(move || {
        let batch = BatchView::parse(bytes).ok()?;
        bytes = bytes.get(batch.bytes().len()..)?;
        Some(batch)
    })
}

/// One record, borrowed from its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordView<'a> {
    /// Its offset in the partition.
    pub offset: u64,
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Key, or none.
    pub key: Option<&'a [u8]>,
    /// Value, or none (a tombstone).
    pub value: Option<&'a [u8]>,
    /// The headers' bytes, read by [`RecordView::headers`].
    headers: &'a [u8],
    header_count: u32,
}

impl<'a> RecordView<'a> {
    /// The headers as they are stored.
    pub fn raw_headers(&self) -> Headers<'a> {
        Headers { count: self.header_count, bytes: self.headers }
    }

    /// The headers in order; a malformed one ends the list.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, Option<&'a [u8]>)> + use<'a> {
        read_headers(self.raw_headers())
    }
}

/// Reads encoded headers in order; a malformed one ends the list.
pub fn read_headers<'a>(headers: Headers<'a>) -> impl Iterator<Item = (&'a str, Option<&'a [u8]>)> + use<'a> {
    let mut rest = headers.bytes;
    let mut left = headers.count;
    std::iter::from_fn(move || {
        left = left.checked_sub(1)?;
        let key = take_bytes(&mut rest).ok()??;
        let value = take_bytes(&mut rest).ok()?;
        Some((std::str::from_utf8(key).ok()?, value))
    })
}

/// Iterator over a batch's records.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    /// None: they could not be decompressed.
    rest: Option<&'a [u8]>,
    left: u32,
    base_offset: u64,
    base_timestamp: i64,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<RecordView<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let record = self.take();
        if record.is_err() {
            self.left = 0;
        }
        Some(record)
    }
}

impl<'a> Records<'a> {
    fn take(&mut self) -> Result<RecordView<'a>, BatchError> {
        let rest = self.rest.as_mut().ok_or(BatchError::Compressed)?;
        let length = usize::try_from(take_varint(rest)?).map_err(|_| BatchError::Record)?;
        let (mut body, after) = rest.split_at_checked(length).ok_or(BatchError::Record)?;
        *rest = after;
        body = body.get(1..).ok_or(BatchError::Record)?;
        let timestamp_delta = take_varint(&mut body)?;
        let offset_delta = u64::try_from(take_varint(&mut body)?).map_err(|_| BatchError::Record)?;
        let key = take_bytes(&mut body)?;
        let value = take_bytes(&mut body)?;
        let header_count = u32::try_from(take_varint(&mut body)?).map_err(|_| BatchError::Record)?;
        Ok(RecordView {
            offset: self.base_offset.wrapping_add(offset_delta),
            timestamp_ms: self.base_timestamp.wrapping_add(timestamp_delta),
            key,
            value,
            headers: body,
            header_count,
        })
    }
}

fn take_varint(from: &mut &[u8]) -> Result<i64, BatchError> {
    let (value, used) = varint::get(from).ok_or(BatchError::Record)?;
    *from = &from[used..];
    Ok(value)
}

fn take_bytes<'a>(from: &mut &'a [u8]) -> Result<Option<&'a [u8]>, BatchError> {
    let length = take_varint(from)?;
    if length == -1 {
        return Ok(None);
    }
    let length = usize::try_from(length).map_err(|_| BatchError::Record)?;
    let (bytes, rest) = from.split_at_checked(length).ok_or(BatchError::Record)?;
    *from = rest;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::builder::BatchBuilder;
    use crate::record::compression::Packer;
    use crate::record::{HeaderBlock, RecordRef};
    use proptest::prelude::*;

    type Owned = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(String, Vec<u8>)>);

    fn records() -> impl Strategy<Value = Vec<Owned>> {
        let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40));
        let headers = proptest::collection::vec(("[a-z]{0,5}", proptest::collection::vec(any::<u8>(), 0..5)), 0..3);
        proptest::collection::vec((-5_000_000i64..5_000_000_000, bytes(), bytes(), headers), 1..20)
    }

    proptest! {
        #[test]
        fn a_batch_comes_back_as_it_was_written(records in records(), base in 0u64..1 << 40, codec in 0usize..5) {
            let mut builder = BatchBuilder::default();
            for (timestamp_ms, key, value, headers) in &records {
                let mut block = HeaderBlock::default();
                for (key, value) in headers {
                    block.push(key, value);
                }
                builder.append(RecordRef { timestamp_ms: *timestamp_ms, key: key.as_deref(), value: value.as_deref(), headers: block.headers() });
            }
            builder.pack(&mut Packer::default(), Compression::ALL[codec]);
            prop_assert_eq!(builder.bytes(), builder.seal(base).len());
            let (bytes, mut room) = (builder.seal(base).to_vec(), Vec::new());
            let view = BatchView::parse(&bytes).unwrap();
            view.verify().unwrap();
            prop_assert_eq!(view.base_offset(), base);
            prop_assert_eq!(view.next_offset(), base + records.len() as u64);
            prop_assert_eq!(view.max_timestamp(), records.iter().map(|r| r.0).max().unwrap());
            let read: Vec<_> = view.records(&mut room).map(|r| r.unwrap()).collect();
            prop_assert_eq!(read.len(), records.len());
            for (index, (record, (timestamp_ms, key, value, headers))) in read.iter().zip(&records).enumerate() {
                prop_assert_eq!(record.offset, base + index as u64);
                prop_assert_eq!(record.timestamp_ms, *timestamp_ms);
                prop_assert_eq!(record.key, key.as_deref());
                prop_assert_eq!(record.value, value.as_deref());
                let got: Vec<_> = record.headers().map(|(k, v)| (k.to_owned(), v.unwrap().to_vec())).collect();
                prop_assert_eq!(&got, headers);
            }
        }

        #[test]
        fn hostile_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if bytes.len() > 16 { bytes[16] = 2; bytes[8] = 0; bytes[9] = 0; bytes[10] = 0; }
            if let Ok(view) = BatchView::parse(&bytes) {
                for record in view.records(&mut Vec::new()).flatten() { record.headers().count(); }
            }
        }
    }

    #[test]
    fn a_flipped_bit_fails_the_checksum() {
        let mut builder = BatchBuilder::default();
        builder.append(RecordRef { timestamp_ms: 1, key: Some(b"k"), value: Some(b"v"), headers: Headers::NONE });
        let mut bytes = builder.seal(7).to_vec();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        assert_eq!(BatchView::parse(&bytes).unwrap().verify(), Err(BatchError::Checksum));
    }
}
