//! The listener with a limit: no more connections at a time than there is room for.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections at a time; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 512;

/// A connection without traffic is probed after this.
const KEEPALIVE: Duration = Duration::from_secs(60);

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
        Connection { stream, _room: room }
    }
}

/// A connection that gives its room back when it ends.
pub struct Connection {
    stream: TcpStream,
    _room: OwnedSemaphorePermit,
}

impl Connection {
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
