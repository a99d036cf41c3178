//! A socket on which a question that stays unanswered is an error.
//!
//! A route that is lost without a word, or a server whose processes stand still, answers nothing and closes nothing: as long as
//! something between acknowledges the bytes, TCP notices nothing, and who asked would wait for ever. Owns the clock of the questions: it runs
//! from what is written until the server has answered all that was asked, anew with everything that arrives. Several may be on their way at
//! once: the answer to one leaves the clock to those behind it. A session that rests has no clock. Leaves to the server how long a
//! statement may take (`statement_timeout`, which must be less).
//!
//! ```text
//! question := the first message (length i32 | ...), 'Q', 'S' or 'F'      each is answered to the end by one 'Z'
//! message  := tag u8 | length i32 (itself included, the tag not) | body
//! ```

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Follows the messages of one direction, however the bytes are cut.
struct Messages {
    head: [u8; 5],
    /// How much of the head is there. The first message of a client has no tag: its head begins with the length.
    have: usize,
    /// How much of the body is missing; `None` while the head is.
    body: Option<u32>,
}

impl Messages {
    /// Calls `each` with the tag of every message that ends in these bytes; 0 for the one without.
    fn follow(&mut self, mut bytes: &[u8], mut each: impl FnMut(u8)) {
        loop {
            if let Some(missing) = self.body {
                let taken = bytes.len().min(missing as usize);
                bytes = bytes.get(taken..).unwrap_or_default();
                let missing = missing - taken as u32;
                if missing > 0 {
                    self.body = Some(missing);
                    return;
                }
                each(self.head[0]);
                (self.body, self.have) = (None, 0);
            }
            let Some((byte, rest)) = bytes.split_first() else { return };
            bytes = rest;
            if let Some(place) = self.head.get_mut(self.have) {
                *place = *byte;
            }
            self.have += 1;
            if self.have == self.head.len() {
                let [_, length @ ..] = self.head;
                self.body = Some(u32::from_be_bytes(length).saturating_sub(4));
            }
        }
    }
}

/// The socket.
pub(super) struct Deadline<S> {
    socket: S,
    limit: Duration,
    clock: Pin<Box<Sleep>>,
    /// Something is asked and not answered to the end.
    waiting: bool,
    /// How many questions were asked whole, and not answered to the end.
    open: u64,
    asked: Messages,
    answered: Messages,
}

impl<S> Deadline<S> {
    /// `limit` is the time between two signs of life while something is asked. The socket is one on which nothing was said yet.
    pub(super) fn new(socket: S, limit: Duration) -> Self {
        let [asked, answered] = [1, 0].map(|have| Messages { head: [0; 5], have, body: None });
        Self { socket, limit, clock: Box::pin(tokio::time::sleep(limit)), waiting: false, open: 0, asked, answered }
    }

    fn begin(&mut self, cx: &mut Context<'_>) {
        self.waiting = true;
        self.clock.as_mut().reset(Instant::now() + self.limit);
        // Polled once, so that its end wakes the task, whatever that polls next.
        let _ = self.clock.as_mut().poll(cx);
    }

    fn written(&mut self, bytes: &[u8], cx: &mut Context<'_>) {
        // While an answer is due, another question is no sign of life.
        if self.open == 0 {
            self.begin(cx);
        }
        let open = &mut self.open;
        self.asked.follow(bytes, |tag| *open += u64::from(matches!(tag, 0 | b'Q' | b'S' | b'F')));
    }

    fn arrived(&mut self, bytes: &[u8], cx: &mut Context<'_>) {
        let open = &mut self.open;
        let mut ready = false;
        self.answered.follow(bytes, |tag| {
            ready = tag == b'Z';
            *open = open.saturating_sub(u64::from(ready));
        });
        if ready && self.open == 0 {
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
        match &written {
            Poll::Ready(Ok(count)) => this.written(bytes.get(..*count).unwrap_or_default(), cx),
            // A socket that takes nothing is one that answers nothing.
            Poll::Pending if !this.waiting => this.begin(cx),
            _ => {}
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

    /// A message with its tag.
    fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![tag];
        bytes.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
        bytes.extend_from_slice(body);
        bytes
    }

    /// A socket on which somebody has logged in, and its other end.
    async fn logged_in() -> (Deadline<tokio::io::DuplexStream>, tokio::io::DuplexStream) {
        let (ours, mut theirs) = tokio::io::duplex(256);
        let mut socket = Deadline::new(ours, LIMIT);
        let mut bytes = [0; 64];
        socket.write_all(b"\0\0\0\x0bstartup").await.expect("taken");
        assert!(socket.waiting && socket.open == 1);
        theirs.write_all(&message(b'R', b"\0\0\0\0")).await.expect("taken");
        theirs.write_all(&message(b'Z', b"I")).await.expect("taken");
        assert_eq!(socket.read(&mut bytes).await.expect("an answer"), 15);
        assert!(!socket.waiting && socket.open == 0);
        (socket, theirs)
    }

    #[tokio::test]
    async fn a_question_that_nobody_answers_ends_with_an_error() {
        let (mut socket, mut theirs) = logged_in().await;
        let mut bytes = [0; 64];
        // Nothing is asked: it rests for as long as it likes.
        assert!(tokio::time::timeout(LIMIT * 2, socket.read(&mut bytes)).await.is_err());
        socket.write_all(&message(b'Q', b"select 1\0")).await.expect("taken");
        let began = Instant::now();
        let error = socket.read(&mut bytes).await.expect_err("nobody answers");
        assert!(error.kind() == io::ErrorKind::TimedOut && began.elapsed() >= LIMIT, "{error}");
        // One that is answered bit by bit has its time anew; then it rests again.
        theirs.write_all(&message(b'D', b"Z\0\0\0\x05I")).await.expect("taken");
        theirs.write_all(b"Z\0\0").await.expect("taken");
        assert_eq!(socket.read(&mut bytes).await.expect("an answer"), 14);
        assert!(socket.waiting, "a row that looks like the end is none");
        theirs.write_all(b"\0\x05I").await.expect("taken");
        assert_eq!(socket.read(&mut bytes).await.expect("its end"), 3);
        assert!(tokio::time::timeout(LIMIT * 2, socket.read(&mut bytes)).await.is_err(), "it rests");
    }

    /// Aim: the answer to one question takes the clock from nobody behind it, and asking on gives a dead server no time.
    #[tokio::test]
    async fn a_question_behind_another_has_its_deadline_too() {
        let (mut socket, mut theirs) = logged_in().await;
        let mut bytes = [0; 64];
        for body in [&b"select 1\0"[..], b"select 2\0"] {
            socket.write_all(&message(b'Q', body)).await.expect("taken");
        }
        theirs.write_all(&message(b'Z', b"I")).await.expect("taken");
        assert_eq!(socket.read(&mut bytes).await.expect("the first answer"), 6);
        let read = tokio::time::timeout(LIMIT * 4, socket.read(&mut bytes)).await.expect("it ends");
        assert_eq!(read.expect_err("the second is not answered").kind(), io::ErrorKind::TimedOut);

        let (mut socket, _theirs) = logged_in().await;
        let began = Instant::now();
        loop {
            socket.write_all(&message(b'S', b"")).await.expect("taken");
            match tokio::time::timeout(LIMIT / 5, socket.read(&mut bytes)).await {
                Err(_) => assert!(began.elapsed() < LIMIT * 4, "asked again and again, it waits for ever"),
                Ok(read) => break assert_eq!(read.expect_err("nothing comes").kind(), io::ErrorKind::TimedOut),
            }
        }
    }
}
