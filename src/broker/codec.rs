//! Kafka's message encoding: the primitive types requests are read from and responses are written with.
//!
//! Owns strings, arrays and tagged fields in both forms (fixed-width lengths, and the "flexible" compact lengths of
//! KIP-482), so a handler names its fields once and not once per form. Promises of [`Decoder`]: it never panics, never
//! reads outside its bytes, and what all arrays of one request take in memory is bounded by four times its bytes and
//! a constant, whatever lengths it announces. Promises of [`Encoder`]: tagged fields are omitted (all of ours have their
//! default; librdkafka before 2.2 reads explicit ones wrongly), record bytes are not copied into the response, and what is
//! not records takes at most [`RESPONSE_BYTES_MAX`].
//! Leaves what the fields mean to `api`.

use bytes::Bytes;

use crate::record::varint;

/// Why bytes are not the request they claim to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A field reaches beyond the request's end.
    #[error("the request ends inside a field")]
    Short,
    /// A length that is negative where null is not allowed, or not a valid number.
    #[error("the request has an invalid length")]
    Length,
    /// A string is not UTF-8.
    #[error("the request has a string that is not UTF-8")]
    Utf8,
    /// Its arrays would take far more memory than its bytes.
    #[error("the request has more array elements than its size allows")]
    Dense,
}

/// Arrays of a request may always take this much memory, in bytes; above it they may take four times the request.
const ARRAY_BYTES_FREE: usize = 1 << 20;
/// How many times the size of a request its arrays may take.
const ARRAY_BYTES_FACTOR: usize = 4;

/// Reads a request's fields one after the other.
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    rest: &'a [u8],
    flexible: bool,
    array_bytes_left: usize,
}

type Decoded<T> = Result<T, DecodeError>;

impl<'a> Decoder<'a> {
    /// A decoder over a whole request, in the non-flexible form.
    pub fn new(bytes: &'a [u8]) -> Self {
        let array_bytes_left = bytes.len().saturating_mul(ARRAY_BYTES_FACTOR).saturating_add(ARRAY_BYTES_FREE);
        Self { rest: bytes, flexible: false, array_bytes_left }
    }

    /// Says whether what follows is in the flexible form.
    pub fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    /// The bytes not read yet. Kafka ignores what follows a request's last field and so do we: librdkafka 2.12 sends three
    /// stray bytes when it asks for all topics.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    fn take(&mut self, len: usize) -> Decoded<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(DecodeError::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Decoded<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(DecodeError::Short)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// BOOLEAN.
    pub fn bool(&mut self) -> Decoded<bool> {
        Ok(self.i8()? != 0)
    }

    /// INT8.
    pub fn i8(&mut self) -> Decoded<i8> {
        Ok(i8::from_be_bytes(self.fixed()?))
    }

    /// INT16.
    pub fn i16(&mut self) -> Decoded<i16> {
        Ok(i16::from_be_bytes(self.fixed()?))
    }

    /// INT32.
    pub fn i32(&mut self) -> Decoded<i32> {
        Ok(i32::from_be_bytes(self.fixed()?))
    }

    /// INT64.
    pub fn i64(&mut self) -> Decoded<i64> {
        Ok(i64::from_be_bytes(self.fixed()?))
    }

    /// UUID.
    pub fn uuid(&mut self) -> Decoded<[u8; 16]> {
        self.fixed()
    }

    /// UNSIGNED_VARINT: at most 32 bits.
    fn unsigned(&mut self) -> Decoded<usize> {
        let (value, used) = varint::get_unsigned(self.rest).ok_or(DecodeError::Short)?;
        let value = u32::try_from(value).map_err(|_| DecodeError::Length)?;
        self.take(used)?;
        usize::try_from(value).map_err(|_| DecodeError::Length)
    }

    /// A length whose fixed form is an INT16 (strings) or an INT32; `None` is null.
    fn length(&mut self, fixed_is_i16: bool) -> Decoded<Option<usize>> {
        if self.flexible {
            return Ok(self.unsigned()?.checked_sub(1));
        }
        let length = if fixed_is_i16 { i32::from(self.i16()?) } else { self.i32()? };
        match length {
            -1 => Ok(None),
            length => Ok(Some(usize::try_from(length).map_err(|_| DecodeError::Length)?)),
        }
    }

    /// NULLABLE_STRING or COMPACT_NULLABLE_STRING.
    pub fn nullable_string(&mut self) -> Decoded<Option<&'a str>> {
        let Some(length) = self.length(true)? else { return Ok(None) };
        std::str::from_utf8(self.take(length)?).map(Some).map_err(|_| DecodeError::Utf8)
    }

    /// STRING or COMPACT_STRING.
    pub fn string(&mut self) -> Decoded<&'a str> {
        self.nullable_string()?.ok_or(DecodeError::Length)
    }

    /// NULLABLE_BYTES or COMPACT_NULLABLE_BYTES, records included.
    pub fn nullable_bytes(&mut self) -> Decoded<Option<&'a [u8]>> {
        match self.length(false)? {
            Some(length) => self.take(length).map(Some),
            None => Ok(None),
        }
    }

    /// BYTES or COMPACT_BYTES.
    pub fn bytes(&mut self) -> Decoded<&'a [u8]> {
        self.nullable_bytes()?.ok_or(DecodeError::Length)
    }

    /// A nullable ARRAY or COMPACT_ARRAY.
    ///
    /// An element takes at least one byte, so a count above the remaining bytes is refused before anything is reserved,
    /// and what is reserved is charged against the request's allowance.
    pub fn nullable_array<T>(&mut self, mut element: impl FnMut(&mut Self) -> Decoded<T>) -> Decoded<Option<Vec<T>>> {
        let Some(count) = self.length(false)? else { return Ok(None) };
        if count > self.rest.len() {
            return Err(DecodeError::Short);
        }
        let bytes = count.checked_mul(size_of::<T>()).ok_or(DecodeError::Dense)?;
        self.array_bytes_left = self.array_bytes_left.checked_sub(bytes).ok_or(DecodeError::Dense)?;
        let mut elements = Vec::with_capacity(count);
        for _ in 0..count {
            elements.push(element(self)?);
        }
        Ok(Some(elements))
    }

    /// ARRAY or COMPACT_ARRAY.
    pub fn array<T>(&mut self, element: impl FnMut(&mut Self) -> Decoded<T>) -> Decoded<Vec<T>> {
        self.nullable_array(element)?.ok_or(DecodeError::Length)
    }

    /// Reads over the tagged fields that end every flexible structure. None of those that clients may send matters to
    /// what is served here (replica state, cluster id and the like are for brokers).
    pub fn tags(&mut self) -> Decoded<()> {
        if !self.flexible {
            return Ok(());
        }
        for _ in 0..self.unsigned()? {
            self.unsigned()?;
            let length = self.unsigned()?;
            self.take(length)?;
        }
        Ok(())
    }
}

/// The text, cut to at most `bytes_max` bytes at a character's end.
pub fn cut(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// Record bytes below this size are copied into the response: a piece of its own would cost more.
const COPY_BYTES_MAX: usize = 4096;

/// What a response may take beside its records, in bytes: sixteen thousand partitions with long names fit many times.
pub const RESPONSE_BYTES_MAX: usize = 16 << 20;

/// A response that would take more than [`RESPONSE_BYTES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the response is too large")]
pub struct TooLarge;

/// Writes a response: the frame's length, the header, then fields one after the other.
#[derive(Debug)]
pub struct Encoder {
    done: Vec<Bytes>,
    done_bytes: usize,
    /// Bytes of `done_bytes` that are record pieces of the log.
    record_bytes: usize,
    tail: Vec<u8>,
    flexible: bool,
    too_large: bool,
}

impl Encoder {
    /// Bytes before the header: the frame's length.
    const LENGTH_BYTES: usize = 4;

    /// A response to the request with this correlation id. `flexible` is the body's form; the header has its own,
    /// because that of ApiVersions is never flexible (KIP-511).
    pub fn response(correlation_id: i32, header_flexible: bool, flexible: bool) -> Self {
        let mut encoder =
            Self { done: Vec::new(), done_bytes: 0, record_bytes: 0, tail: Vec::with_capacity(256), flexible, too_large: false };
        encoder.tail.extend_from_slice(&[0; Self::LENGTH_BYTES]);
        encoder.i32(correlation_id);
        if header_flexible {
            encoder.tail.push(0);
        }
        encoder
    }

    /// BOOLEAN.
    pub fn bool(&mut self, value: bool) {
        self.tail.push(u8::from(value));
    }

    /// INT8.
    pub fn i8(&mut self, value: i8) {
        self.tail.extend_from_slice(&value.to_be_bytes());
    }

    /// INT16.
    pub fn i16(&mut self, value: i16) {
        self.tail.extend_from_slice(&value.to_be_bytes());
    }

    /// INT32.
    pub fn i32(&mut self, value: i32) {
        self.tail.extend_from_slice(&value.to_be_bytes());
    }

    /// INT64.
    pub fn i64(&mut self, value: i64) {
        self.tail.extend_from_slice(&value.to_be_bytes());
    }

    /// UUID.
    pub fn uuid(&mut self, value: &[u8; 16]) {
        self.tail.extend_from_slice(value);
    }

    fn length(&mut self, length: Option<usize>, fixed_is_i16: bool) {
        if self.flexible {
            varint::put_unsigned(&mut self.tail, length.map_or(0, |length| length as u64 + 1));
        } else if fixed_is_i16 {
            let length = length.map_or(-1, |length| i16::try_from(length).expect("strings are cut to 32 KiB before"));
            self.i16(length);
        } else {
            self.i32(length.map_or(-1, |length| i32::try_from(length).expect("responses are bounded far below 2 GiB")));
        }
    }

    /// NULLABLE_STRING or COMPACT_NULLABLE_STRING. A string too long for the fixed form is cut; only texts of ours for
    /// people could be that long.
    pub fn nullable_string(&mut self, value: Option<&str>) {
        let value = value.map(|value| cut(value, i16::MAX as usize));
        self.length(value.map(str::len), true);
        self.tail.extend_from_slice(value.unwrap_or_default().as_bytes());
    }

    /// STRING or COMPACT_STRING.
    pub fn string(&mut self, value: &str) {
        self.nullable_string(Some(value));
    }

    /// BYTES or COMPACT_BYTES.
    pub fn bytes(&mut self, value: &[u8]) {
        self.length(Some(value.len()), false);
        self.tail.extend_from_slice(value);
    }

    /// RECORDS or COMPACT_RECORDS from pieces that follow each other; large ones are not copied.
    pub fn records(&mut self, pieces: &[Bytes]) {
        self.length(Some(pieces.iter().map(Bytes::len).sum()), false);
        for piece in pieces {
            if piece.len() <= COPY_BYTES_MAX {
                self.tail.extend_from_slice(piece);
            } else {
                self.cut();
                self.done_bytes += piece.len();
                self.record_bytes += piece.len();
                self.done.push(piece.clone());
            }
        }
    }

    fn cut(&mut self) {
        let tail = std::mem::take(&mut self.tail);
        self.done_bytes += tail.len();
        self.done.push(Bytes::from(tail));
    }

    /// ARRAY or COMPACT_ARRAY. Elements beyond what a response may take are not written; [`Self::finish`] says so.
    pub fn array<T>(&mut self, elements: impl ExactSizeIterator<Item = T>, mut each: impl FnMut(&mut Self, T)) {
        self.length(Some(elements.len()), false);
        for element in elements {
            self.too_large |= self.done_bytes - self.record_bytes + self.tail.len() > RESPONSE_BYTES_MAX;
            if self.too_large {
                return;
            }
            each(self, element);
        }
    }

    /// A null ARRAY.
    pub fn null_array(&mut self) {
        self.length(None, false);
    }

    /// Ends a structure: no tagged fields.
    pub fn tags(&mut self) {
        if self.flexible {
            self.tail.push(0);
        }
    }

    /// The whole frame, in pieces to be written one after the other.
    pub fn finish(mut self) -> Result<Vec<Bytes>, TooLarge> {
        if self.too_large {
            return Err(TooLarge);
        }
        let frame_bytes = self.done_bytes + self.tail.len() - Self::LENGTH_BYTES;
        let length = i32::try_from(frame_bytes).map_err(|_| TooLarge)?.to_be_bytes();
        match self.done.first_mut() {
            // The first piece was cut from our own buffer, so nobody else holds it.
            Some(first) => {
                let mut head = Vec::from(std::mem::take(first));
                fill(&mut head, length);
                *first = Bytes::from(head);
            }
            None => fill(&mut self.tail, length),
        }
        if !self.tail.is_empty() {
            self.done.push(Bytes::from(self.tail));
        }
        Ok(self.done)
    }
}

fn fill(head: &mut [u8], length: [u8; Encoder::LENGTH_BYTES]) {
    if let Some(place) = head.first_chunk_mut::<{ Encoder::LENGTH_BYTES }>() {
        *place = length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn flexible(bytes: &[u8]) -> Decoder<'_> {
        let mut decoder = Decoder::new(bytes);
        decoder.set_flexible(true);
        decoder
    }

    #[test]
    fn a_length_bomb_reserves_nothing() {
        let mut fixed = Decoder::new(&[0x7f, 0xff, 0xff, 0xff, 0, 0]);
        assert_eq!(fixed.array(|d| d.i64()), Err(DecodeError::Short));
        let mut compact = flexible(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]);
        assert_eq!(compact.array(|d| d.i64()), Err(DecodeError::Short));
        assert_eq!(flexible(&[0xff, 0xff, 0xff, 0xff, 0xff, 0x01]).bytes(), Err(DecodeError::Length));
    }

    #[test]
    fn arrays_of_a_request_take_at_most_four_times_its_bytes() {
        let bytes = vec![0u8; 4 << 20];
        let count = u32::try_from(bytes.len() - 4).unwrap();
        let mut bomb = bytes;
        bomb[..4].copy_from_slice(&count.to_be_bytes());
        // Each element is one byte on the wire and 32 in memory: 128 MiB from 4.
        assert_eq!(Decoder::new(&bomb).array(|d| Ok([u64::from(d.bool()?); 4])), Err(DecodeError::Dense));
        assert_eq!(Decoder::new(&bomb).array(|d| d.bool()).unwrap().len(), bomb.len() - 4);
    }

    #[test]
    fn nested_arrays_share_one_allowance() {
        // 1,000 outer elements, each announcing as many inner ones as there are bytes left.
        let mut bytes = 1000u32.to_be_bytes().to_vec();
        for _ in 0..1000 {
            bytes.extend_from_slice(&3000u32.to_be_bytes());
        }
        assert!(matches!(
            Decoder::new(&bytes).array(|d| d.array(|d| d.i32().map(|_| [0u8; 64])).or(Ok(Vec::new()))),
            Err(DecodeError::Short | DecodeError::Dense) | Ok(_)
        ));
    }

    #[test]
    fn null_is_not_an_empty_string() {
        assert_eq!(flexible(&[0]).nullable_string(), Ok(None));
        assert_eq!(flexible(&[1]).nullable_string(), Ok(Some("")));
        assert_eq!(flexible(&[0]).string(), Err(DecodeError::Length));
        assert_eq!(Decoder::new(&[0xff, 0xff]).nullable_string(), Ok(None));
        assert_eq!(Decoder::new(&[0xff, 0xfe]).nullable_string(), Err(DecodeError::Length));
        assert_eq!(flexible(&[2, 0xff]).string(), Err(DecodeError::Utf8));
    }

    #[test]
    fn a_response_has_a_limit_whatever_it_repeats() {
        let mut encoder = Encoder::response(1, false, false);
        let text = "x".repeat(1000);
        encoder.array(0..1_000_000, |out, _| out.array(0..1_000_000, |out, _| out.string(&text)));
        assert!(encoder.tail.len() < RESPONSE_BYTES_MAX + 2000);
        assert_eq!(encoder.finish(), Err(TooLarge));
    }

    #[test]
    fn large_records_are_not_copied_and_the_length_counts_them() {
        let records = Bytes::from(vec![7u8; 10_000]);
        let mut encoder = Encoder::response(5, true, true);
        encoder.records(std::slice::from_ref(&records));
        encoder.tags();
        let pieces = encoder.finish().unwrap();
        assert!(pieces.iter().any(|piece| piece.as_ptr() == records.as_ptr()));
        let whole = pieces.concat();
        assert_eq!(u32::from_be_bytes(whole[..4].try_into().unwrap()) as usize, whole.len() - 4);
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
        assert_eq!(cut("", 3), "");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), flexible: bool) {
            let mut decoder = Decoder::new(&bytes);
            decoder.set_flexible(flexible);
            while decoder.remaining() > 0 {
                let read = decoder.array(|d| { d.string()?; d.nullable_bytes()?; d.array(|d| d.i32())?; d.uuid()?; d.tags() });
                if read.is_err() { break; }
            }
        }
    }
}
