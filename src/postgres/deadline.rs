//! A socket on which a question that stays unanswered is an error.
//!
//! A route that is lost without a word, or a server whose processes stand still, answers nothing and closes nothing: as long as
//! something between acknowledges the bytes, TCP notices nothing, and who asked would wait for ever. Owns the clock of a question: it runs
//! from what is written until the server is ready for the next one, anew with everything that arrives. A session that rests has no
//! clock. Leaves to the server how long a statement may take (`statement_timeout`, which must be less).
//!
//! ```text
//! end of every answer := 'Z' | 00 00 00 05 | status of the transaction u8
//! ```

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// `ReadyForQuery` without its last byte, which says how the transaction is.
const READY: [u8; 5] = [b'Z', 0, 0, 0, 5];

/// The socket.
pub(super) struct Deadline<S> {
    socket: S,
    limit: Duration,
    clock: Pin<Box<Sleep>>,
    /// Something is asked and not answered to the end.
    waiting: bool,
    /// The newest bytes that arrived.
    last: [u8; 6],
}

impl<S> Deadline<S> {
    /// `limit` is the time between two signs of life while something is asked.
    pub(super) fn new(socket: S, limit: Duration) -> Self {
        Self { socket, limit, clock: Box::pin(tokio::time::sleep(limit)), waiting: false, last: [0; 6] }
    }

    fn begin(&mut self, cx: &mut Context<'_>) {
        self.waiting = true;
        self.clock.as_mut().reset(Instant::now() + self.limit);
        // Polled once, so that its end wakes the task, whatever that polls next.
        let _ = self.clock.as_mut().poll(cx);
    }

    fn arrived(&mut self, bytes: &[u8], cx: &mut Context<'_>) {
        for byte in bytes.iter().skip(bytes.len().saturating_sub(self.last.len())) {
            self.last.rotate_left(1);
            if let Some(end) = self.last.last_mut() {
                *end = *byte;
            }
        }
        if self.last.starts_with(&READY) {
            self.waiting = false;
        } else if self.waiting {
            self.begin(cx);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Deadline<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        match Pin::new(&mut this.socket).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                let arrived = buf.filled().get(before..).unwrap_or_default();
                this.arrived(arrived, cx);
                Poll::Ready(Ok(()))
            }
            Poll::Pending if this.waiting && this.clock.as_mut().poll(cx).is_ready() => {
                let text = format!("the server did not answer within {} s", this.limit.as_secs());
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, text)))
            }
            other => other,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Deadline<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write(cx, bytes);
        // A socket that takes nothing is one that answers nothing.
        if !this.waiting || matches!(written, Poll::Ready(Ok(1..))) {
            this.begin(cx);
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const LIMIT: Duration = Duration::from_millis(300);

    #[tokio::test]
    async fn a_question_that_nobody_answers_ends_with_an_error() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let mut socket = Deadline::new(ours, LIMIT);
        let mut bytes = [0; 16];
        // Nothing is asked: it rests for as long as it likes.
        assert!(tokio::time::timeout(LIMIT * 2, socket.read(&mut bytes)).await.is_err());
        socket.write_all(b"question").await.expect("taken");
        let began = Instant::now();
        let error = socket.read(&mut bytes).await.expect_err("nobody answers");
        assert!(error.kind() == io::ErrorKind::TimedOut && began.elapsed() >= LIMIT, "{error}");
        // One that is answered bit by bit has its time anew; then it rests again.
        socket.write_all(b"another").await.expect("taken");
        theirs.write_all(b"some T Z\0\0").await.expect("taken");
        assert_eq!(socket.read(&mut bytes).await.expect("an answer"), 10);
        theirs.write_all(b"\0\x05I").await.expect("taken");
        assert_eq!(socket.read(&mut bytes).await.expect("its end"), 3);
        assert!(tokio::time::timeout(LIMIT * 2, socket.read(&mut bytes)).await.is_err(), "it rests");
    }
}
