//! Server messages out of a byte stream: one reused buffer, whole frames lent out, nothing copied.
//!
//! ```text
//! frame := tag u8 | length i32 (itself included, the tag not) | body
//! ```

use tokio::io::{AsyncRead, AsyncReadExt};

use super::PostgresError;

/// PostgreSQL sends no message over 1 GiB; a length beyond it is nonsense or hostile.
pub const FRAME_BYTES_MAX: usize = (1 << 30) + 1024;
/// The buffer's size as long as frames are small, in bytes: what one read can bring.
const BUFFER_BYTES: usize = 512 * 1024;
/// A buffer that grew beyond this for one large frame is given back.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// A server message, lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The message's type.
    pub tag: u8,
    /// What follows the length.
    pub body: &'a [u8],
}

/// The buffer.
#[derive(Debug)]
pub struct FrameBuffer {
    bytes: Vec<u8>,
    /// Unread bytes are `start..end`; what is behind `end` is room.
    start: usize,
    end: usize,
    /// Where the body of the frame lent last is.
    last: std::ops::Range<usize>,
    /// A longer one is refused.
    frame_bytes_max: usize,
}

impl Default for FrameBuffer {
    fn default() -> Self {
        Self { bytes: Vec::new(), start: 0, end: 0, last: 0..0, frame_bytes_max: FRAME_BYTES_MAX }
    }
}

impl FrameBuffer {
    /// The same, with messages of at most so many bytes.
    #[must_use]
    pub fn limited_to(self, frame_bytes_max: usize) -> Self {
        Self { frame_bytes_max, ..self }
    }

    /// Unread bytes.
    pub fn buffered(&self) -> usize {
        self.end - self.start
    }

    /// One read of the socket into the room behind what is buffered: how many bytes it brought. Cancel-safe.
    pub async fn fill<S: AsyncRead + Unpin>(&mut self, from: &mut S) -> Result<usize, PostgresError> {
        self.make_room();
        let count = from.read(&mut self.bytes[self.end..]).await?;
        if count == 0 {
            return Err(PostgresError::Closed);
        }
        self.end += count;
        Ok(count)
    }

    /// Room for the rest of the frame that is begun, growing with what has arrived rather than by what is announced.
    fn make_room(&mut self) {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
            if self.bytes.len() > KEPT_BYTES_MAX {
                self.bytes = Vec::new();
            }
        }
        if self.bytes.is_empty() {
            // Fresh from the system: a session with little to say never touches most of it.
            self.bytes = vec![0; BUFFER_BYTES];
        }
        let room = self.bytes.len() - self.end;
        if room >= self.bytes.len() / 4 {
            return;
        }
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end > self.bytes.len() / 2 {
            self.bytes.resize(self.bytes.len() * 2, 0);
        }
    }

    /// The next whole frame, if it is there.
    #[inline]
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, PostgresError> {
        let unread = &self.bytes[self.start..self.end];
        let Some((head, rest)) = unread.split_first_chunk::<5>() else { return Ok(None) };
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        if !(4..=self.frame_bytes_max).contains(&length) {
            return Err(PostgresError::Protocol(format!("a message of {length} bytes")));
        }
        let Some(body) = rest.get(..length - 4) else { return Ok(None) };
        self.last = self.start + 5..self.start + 5 + body.len();
        self.start += length + 1;
        Ok(Some(Frame { tag: head[0], body }))
    }

    /// The next frame's body, if it is there whole and of this type.
    #[inline]
    pub fn next_of(&mut self, tag: u8) -> Result<Option<&[u8]>, PostgresError> {
        if self.bytes[self.start..self.end].first() != Some(&tag) {
            return Ok(None);
        }
        Ok(self.next_frame()?.map(|frame| frame.body))
    }

    /// The body of the frame that was lent last: for callers that had to give the loan back. Only until the next fill.
    pub fn last_body(&self) -> &[u8] {
        self.bytes.get(self.last.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn frames_come_out_whole_however_they_arrive(bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3000), 1..40), piece in 1usize..5000) {
            let mut stream = Vec::new();
            for (index, body) in bodies.iter().enumerate() {
                stream.push(b'a' + (index % 26) as u8);
                stream.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
                stream.extend_from_slice(body);
            }
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let mut buffer = FrameBuffer::default();
            let mut got = Vec::new();
            for mut part in stream.chunks(piece) {
                while !part.is_empty() {
                    runtime.block_on(buffer.fill(&mut part)).unwrap();
                }
                while let Some(frame) = buffer.next_frame().unwrap() {
                    got.push(frame.body.to_vec());
                }
            }
            prop_assert_eq!(got, bodies);
            prop_assert_eq!(buffer.buffered(), 0);
        }
    }

    #[test]
    fn a_nonsense_length_is_an_error_and_a_large_one_allocates_nothing() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for length in [0u32, 3, u32::MAX] {
            let mut buffer = FrameBuffer::default();
            let bytes = [&[b'd'][..], &length.to_be_bytes(), b"x"].concat();
            runtime.block_on(buffer.fill(&mut &bytes[..])).unwrap();
            assert!(buffer.next_frame().is_err());
        }
        let mut buffer = FrameBuffer::default();
        let bytes = [&[b'd'][..], &(1u32 << 30).to_be_bytes(), b"x"].concat();
        runtime.block_on(buffer.fill(&mut &bytes[..])).unwrap();
        assert_eq!(buffer.next_frame().unwrap(), None);
        assert!(buffer.bytes.len() <= BUFFER_BYTES);
        let mut buffer = FrameBuffer::default().limited_to(1 << 20);
        runtime.block_on(buffer.fill(&mut &bytes[..])).unwrap();
        assert!(buffer.next_frame().is_err(), "one beyond the limit is not waited for");
    }
}
