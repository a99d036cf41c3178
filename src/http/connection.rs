//! One connection: which HTTP it speaks, and how an answer takes it over.
//!
//! Owns serving a connection by HTTP/1.1 or HTTP/2 (by what the client begins with, over TLS by ALPN), and its end when the service
//! ends. An answer may take the connection over (`TakeOver`): a stream of events that lasts for hours, or a WebSocket, needs none
//! of what an HTTP connection keeps (buffers, parser, timers: some 15 KiB), so that is let go and the bare socket handed on.
//! Promises that what the layers said about the answer is in its head then, too. Leaves what an answer is to the routes.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;

use super::listener::{Connection, Room};

/// Streams of one HTTP/2 connection at a time.
const H2_STREAMS_MAX: u32 = 1000;
/// An HTTP/2 connection without traffic is asked whether it lives after this, and has as long again to say so.
const H2_ALIVE: Duration = Duration::from_secs(30);
/// The headers of a request of HTTP/2, bytes.
const H2_HEAD_BYTES: u32 = 32 << 10;
/// What waits to be sent on one stream of HTTP/2, bytes.
const H2_SEND_BYTES: usize = 64 << 10;
/// The head of an answer that takes over is sent within this time.
const HEAD_WAIT: Duration = Duration::from_secs(10);

/// What is known of the connection that a request came by: among the request's extensions.
#[derive(Clone)]
pub struct Peer {
    /// The client's address.
    pub address: IpAddr,
    /// The connection's room, for an answer that has another one.
    pub room: Room,
    /// What an answer may take over.
    pub wire: WireKind,
}

/// What an answer may take over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireKind {
    /// A socket.
    Plain,
    /// A socket with TLS over it.
    Tls,
    /// Nothing: others share the connection.
    Shared,
}

/// A connection that was taken over.
pub enum Wire {
    /// A socket.
    Plain(TcpStream),
    /// A socket with TLS over it.
    Tls(Box<TlsStream<Connection>>),
}

type Taker = Box<dyn FnOnce(Wire) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// Put into an answer's extensions, it takes the connection over behind the answer's head; the answer's body is not looked at.
#[derive(Clone)]
pub struct TakeOver(Arc<Mutex<Option<Taker>>>);

impl TakeOver {
    /// Goes on with `taker` once the head is sent.
    pub fn by<F>(taker: impl FnOnce(Wire) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self(Arc::new(Mutex::new(Some(Box::new(move |wire| Box::pin(taker(wire)))))))
    }

    fn take(&self) -> Option<Taker> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// How connections are served; clones share it.
#[derive(Clone)]
pub struct Serving {
    service: TowerToHyperService<Router>,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    head_wait: Duration,
}

impl Serving {
    /// By these routes; a request's head has `head_wait` to arrive.
    pub fn new(router: Router, head_wait: Duration) -> Self {
        let (mut http1, mut http2) = (http1::Builder::new(), http2::Builder::new(TokioExecutor::new()));
        http1.timer(TokioTimer::new()).header_read_timeout(head_wait);
        http2.timer(TokioTimer::new()).keep_alive_interval(H2_ALIVE).keep_alive_timeout(H2_ALIVE);
        http2.max_concurrent_streams(H2_STREAMS_MAX).max_header_list_size(H2_HEAD_BYTES).max_send_buf_size(H2_SEND_BYTES);
        Self { service: TowerToHyperService::new(router), http1, http2, head_wait }
    }

    /// Serves a connection without TLS until it ends, or until `ending` changes and what was begun is finished. An error of the client's is
    /// not worth a line.
    pub async fn plain(self, connection: Connection, mut ending: watch::Receiver<()>) {
        let Some(address) = connection.peer() else { return };
        let is_http2 = tokio::select! {
            said = tokio::time::timeout(self.head_wait, connection.begins_http2()) => said,
            _ = ending.changed() => return,
        };
        let Ok(Some(is_http2)) = is_http2 else { return };
        let peer = Peer { address, room: connection.room(), wire: if is_http2 { WireKind::Shared } else { WireKind::Plain } };
        if is_http2 {
            return self.http2(connection, peer, ending).await;
        }
        if let Some((connection, taken)) = self.http1(connection, peer, ending).await {
            let mut stream = connection.into_stream();
            if send_head(&mut stream, &taken.head).await {
                // A task of its own: this one has room for all that HTTP needs, and keeps it to its end.
                tokio::spawn((taken.taker)(Wire::Plain(stream)));
            }
        }
    }

    /// As [`Self::plain`], behind a handshake.
    pub async fn tls(self, stream: TlsStream<Connection>, ending: watch::Receiver<()>) {
        let (connection, session) = stream.get_ref();
        let Some(address) = connection.peer() else { return };
        let is_http2 = session.alpn_protocol() == Some(b"h2");
        let peer = Peer { address, room: connection.room(), wire: if is_http2 { WireKind::Shared } else { WireKind::Tls } };
        if is_http2 {
            return self.http2(stream, peer, ending).await;
        }
        if let Some((mut stream, taken)) = self.http1(stream, peer, ending).await
            && send_head(&mut stream, &taken.head).await
        {
            tokio::spawn((taken.taker)(Wire::Tls(Box::new(stream))));
        }
    }

    async fn http1<I>(self, io: I, peer: Peer, mut ending: watch::Receiver<()>) -> Option<(I, Taken)>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let taken = Arc::new(Mutex::new(None));
        let service = Served { service: self.service, peer, taken: Some(Arc::clone(&taken)), requests: None };
        let mut connection = self.http1.serve_connection(TokioIo::new(io), service);
        let mut end = Box::pin(async move {
            let _ = ending.changed().await;
            ending
        });
        // Kept to the end, so that the service waits for what was begun.
        let mut kept = None;
        let found = poll_fn(|cx| {
            if kept.is_none()
                && let Poll::Ready(ending) = end.as_mut().poll(cx)
            {
                kept = Some(ending);
                Pin::new(&mut connection).graceful_shutdown();
            }
            // The whole of it, shut down included: only what is not over can be taken.
            if Pin::new(&mut connection).poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            let found = taken.lock().unwrap_or_else(PoisonError::into_inner).take();
            match found {
                Some(taken) => Poll::Ready(Some(taken)),
                None => Poll::Pending,
            }
        })
        .await?;
        Some((connection.into_parts().io.into_inner(), found))
    }

    async fn http2<I>(self, io: I, peer: Peer, mut ending: watch::Receiver<()>)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let requests = Arc::new(Requests::default());
        let service = Served { service: self.service, peer, taken: None, requests: Some(Arc::clone(&requests)) };
        let connection = self.http2.serve_connection(TokioIo::new(io), service);
        tokio::pin!(connection);
        let (mut seen, mut is_told) = (0, false);
        loop {
            tokio::select! {
                _ = &mut connection => return,
                _ = ending.changed() => break,
                () = tokio::time::sleep(self.head_wait) => {}
            }
            let begun = requests.begun.load(Ordering::Relaxed);
            if requests.open.load(Ordering::Relaxed) == 0 && begun == seen {
                if is_told {
                    // It was told to go, and stays.
                    return;
                }
                is_told = true;
                connection.as_mut().graceful_shutdown();
            }
            seen = begun;
        }
        connection.as_mut().graceful_shutdown();
        drop(connection.await);
    }
}

/// The requests of a connection that others share: one without any is not kept for ever.
#[derive(Default)]
struct Requests {
    begun: AtomicUsize,
    open: AtomicUsize,
}

/// A request that is not over before its answer is.
struct Begun(Arc<Requests>);

impl Begun {
    fn of(requests: &Arc<Requests>) -> Self {
        requests.begun.fetch_add(1, Ordering::Relaxed);
        requests.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(requests))
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An answer's body, with what says that it is not over.
struct Counted {
    body: Body,
    _begun: Begun,
}

impl hyper::body::Body for Counted {
    type Data = axum::body::Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What an answer that takes over leaves behind.
struct Taken {
    head: Vec<u8>,
    taker: Taker,
}

/// The routes, for one connection.
struct Served {
    service: TowerToHyperService<Router>,
    peer: Peer,
    /// Where an answer that takes over is put; `None` where none can.
    taken: Option<Arc<Mutex<Option<Taken>>>>,
    /// Where requests are counted; `None` where they come one after the other.
    requests: Option<Arc<Requests>>,
}

impl Service<Request<Incoming>> for Served {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let mut peer = self.peer.clone();
        // HTTP/2 names the host elsewhere, and says it once.
        if let (Version::HTTP_2, Some(authority)) = (request.version(), request.uri().authority())
            && let Ok(host) = HeaderValue::from_str(authority.as_str())
        {
            request.headers_mut().insert(header::HOST, host);
        }
        // HTTP/1.0 knows neither chunks nor upgrades; a HEAD wants no body.
        if request.version() == Version::HTTP_10 || request.method() == Method::HEAD {
            peer.wire = WireKind::Shared;
        }
        request.extensions_mut().insert(peer);
        let answering = self.service.call(request);
        let (taken, begun) = (self.taken.clone(), self.requests.as_ref().map(Begun::of));
        Box::pin(async move {
            let mut response = answering.await?;
            if let (Some(slot), Some(taker)) = (taken, response.extensions_mut().remove::<TakeOver>().and_then(|over| over.take())) {
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(Taken { head: head(&response), taker });
                // Nobody waits for it: whoever polls the connection takes it apart next.
                return std::future::pending().await;
            }
            Ok(match begun {
                Some(begun) => response.map(|body| Body::new(Counted { body, _begun: begun })),
                None => response,
            })
        })
    }
}

/// The head of an answer, as HTTP/1.1 has it.
fn head(response: &Response<Body>) -> Vec<u8> {
    let status = response.status();
    let mut head = format!("HTTP/1.1 {} {}\r\n", status.as_u16(), status.canonical_reason().unwrap_or("")).into_bytes();
    for (name, value) in response.headers().iter().filter(|(name, _)| **name != header::CONTENT_LENGTH) {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    if status != StatusCode::SWITCHING_PROTOCOLS {
        head.extend_from_slice(b"transfer-encoding: chunked\r\nconnection: close\r\n");
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    head.extend_from_slice(format!("date: {}\r\n\r\n", http_date(now)).as_bytes());
    head
}

/// Seconds since 1970 as `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = super::records::rfc3339(i64::try_from(seconds.saturating_mul(1000)).unwrap_or(0));
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
    let month = part(5..7).parse::<usize>().ok().and_then(|month| MONTHS.get(month.wrapping_sub(1))).copied().unwrap_or_default();
    let day = usize::try_from(seconds / 86_400 % 7).ok().and_then(|day| DAYS.get(day)).copied().unwrap_or_default();
    let mut out = String::new();
    // Writing to a text cannot fail.
    let _ = write!(out, "{day}, {} {month} {} {} GMT", part(8..10), part(0..4), part(11..19));
    out
}

async fn send_head(stream: &mut (impl AsyncWrite + Unpin), head: &[u8]) -> bool {
    let send = async { stream.write_all(head).await.is_ok() && stream.flush().await.is_ok() };
    tokio::time::timeout(HEAD_WAIT, send).await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_as_http_has_it() {
        assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
