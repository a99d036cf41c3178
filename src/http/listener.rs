//! The listener with a limit: no more connections at a time than there is room for.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections at a time; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 512;

/// A connection without traffic is probed after this.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// No request of HTTP/1 begins so.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long is waited for the rest of it before it is looked at again.
const PIECE_WAIT: Duration = Duration::from_millis(5);

/// A listener that accepts only while there is room.
pub struct Limited {
    listener: TcpListener,
    room: Arc<Semaphore>,
}

impl Limited {
    /// Limits a listener.
    pub fn new(listener: TcpListener) -> Self {
        Self { listener, room: Arc::new(Semaphore::new(CONNECTIONS_MAX)) }
    }
}

impl Limited {
    /// The next connection, as soon as there is room for it. Cancel-safe.
    pub async fn accept(&mut self) -> Connection {
        let room = Arc::clone(&self.room).acquire_owned().await.expect("the semaphore is never closed");
        // axum's own listener retries errors such as "too many open files" after a pause.
        let (stream, _) = axum::serve::Listener::accept(&mut self.listener).await;
        // Small answers at once; an error only means that they come later.
        let _ = stream.set_nodelay(true);
        // A peer whose machine is gone is noticed; an error only means that it is noticed later.
        let _ = socket2::SockRef::from(&stream).set_tcp_keepalive(&socket2::TcpKeepalive::new().with_time(KEEPALIVE));
        Connection { stream, room: Room(Arc::new(Mutex::new(Some(room)))) }
    }
}

/// A connection that gives its room back when it ends, or before: a stream of events has a room of its own kind.
pub struct Connection {
    stream: TcpStream,
    room: Room,
}

/// The room of a connection, which may be given back while the connection lasts.
#[derive(Clone)]
pub struct Room(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl Room {
    /// Lets somebody else have it.
    pub fn give_back(&self) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl Connection {
    /// Its room.
    pub fn room(&self) -> Room {
        self.room.clone()
    }

    /// The client's address; a connection that is gone already has none.
    pub fn peer(&self) -> Option<IpAddr> {
        self.stream.peer_addr().ok().map(|address| address.ip().to_canonical())
    }

    /// The socket alone.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Whether the client begins with what HTTP/2 begins with, left where it is. Waits for what tells; `None` when it goes.
    pub async fn begins_http2(&self) -> Option<bool> {
        let mut first = [0; PREFACE.len()];
        loop {
            let got = self.stream.peek(&mut first).await.ok().filter(|got| *got > 0)?;
            let said = first.get(..got)?;
            if got == PREFACE.len() || !PREFACE.starts_with(said) {
                return Some(said == PREFACE);
            }
            // A piece of it: looking does not wait for more.
            tokio::time::sleep(PIECE_WAIT).await;
        }
    }

    /// What the client says first, left where it is; `None` when it says nothing and goes.
    pub async fn first_byte(&self) -> Option<u8> {
        let mut first = [0];
        match self.stream.peek(&mut first).await {
            Ok(1) => Some(first[0]),
            _ => None,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
