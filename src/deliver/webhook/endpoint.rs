//! The receiver: connections to one URL, and what it answers.
//!
//! Owns the URL, the addresses behind it, TLS and a bounded number of connections that are kept open. Promises that a connection is made
//! to an address that the [guard](super::address) has judged and to no other, that no proxy of the environment is used and no redirect
//! followed, that one try takes no longer than the timeout, looking the name up and connecting included, and that no more than 2 KiB of an
//! answer's body are read. Leaves what an answer means to [`super::answer`].

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::address::Guard;
use super::answer::{self, Answer};
use crate::config::Secret;
use crate::problem::{Action, Problem};

/// What is read of an answer's body.
pub const ANSWER_BYTES_MAX: usize = 2048;
/// How long an answer's body may take: nothing depends on it.
const BODY_WAIT: Duration = Duration::from_secs(1);
/// A receiver's head: beyond this it is not an answer.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Headers of an answer.
const HEADERS_MAX: usize = 100;
/// A URL longer than this is a mistake.
const URL_BYTES_MAX: usize = 2048;
/// A connection that was idle longer is not used again: receivers and what stands before them close theirs after about a minute.
const IDLE_MAX: Duration = Duration::from_secs(25);
/// Headers that are ours, or the connection's.
const RESERVED: &[&str] =
    &["host", "content-length", "transfer-encoding", "connection", "content-type", "expect", "te", "upgrade", "trailer"];

/// Where webhooks go, read from its text.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    secure: bool,
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
    /// As it stands in `Host`.
    authority: HeaderValue,
    /// Path and query.
    path: Uri,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Target {
    /// Reads a URL. A path may hold a token (Slack's do), so no text of a problem has more than the host.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let wrong = |what: &str| {
            Problem::refuse("webhook/url", format!("the webhook's url {what}")).fix("url = \"https://app.example.com/hooks/orders\"")
        };
        if text.len() > URL_BYTES_MAX {
            return Err(wrong("is too long"));
        }
        let uri: Uri =
            text.trim().parse().map_err(|_| wrong("is not a URL (names with other letters than ASCII are written as xn--...)"))?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong("must begin with https:// or http://")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("has no host"))?;
        if authority.as_str().contains('@') {
            return Err(
                wrong("has a user in it; put it into a header").fix("[subscriptions.NAME.headers] authorization = \"${env:TOKEN}\"")
            );
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(wrong("has no host"));
        }
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let path =
            uri.path_and_query().map_or("/", |path| path.as_str()).parse().map_err(|_| wrong("has no path that can be asked for"))?;
        let authority = HeaderValue::from_str(authority.as_str()).map_err(|_| wrong("has no host"))?;
        Ok(Self { secure, host, port, authority, path })
    }

    /// Scheme, host and port, for people: no path and no query, where tokens are.
    pub fn shown(&self) -> String {
        format!("{}://{}", if self.secure { "https" } else { "http" }, self.authority.to_str().unwrap_or_default())
    }

    /// Itself, unless its host is an address that may not be reached. A name is judged when it is looked up.
    pub fn judged(self, guard: &Guard) -> Result<Self, Problem> {
        let Ok(address) = self.host.parse() else { return Ok(self) };
        match guard.judge(&self.host, address) {
            Ok(()) => Ok(self),
            Err(what) => Err(Problem { action: Action::Refuse, ..super::address::refusal(&self.host, address, what) }),
        }
    }

    /// The whole URL, for who may see the definition.
    pub fn url(&self) -> String {
        format!("{}{}", self.shown(), self.path)
    }

    /// The host's name or address.
    pub fn host(&self) -> &str {
        &self.host
    }
}

/// The receiver of one subscription.
pub struct Endpoint {
    target: Target,
    guard: Arc<Guard>,
    tls: Option<TlsConnector>,
    timeout: Duration,
    /// What every request has.
    headers: HeaderMap,
    /// Headers of the subscription: their values are not shown.
    own: Vec<HeaderName>,
    idle: Mutex<Vec<(http1::SendRequest<Once>, Instant)>>,
    idle_max: usize,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("target", &self.target).finish_non_exhaustive()
    }
}

/// How an endpoint is asked.
#[derive(Debug)]
pub struct EndpointOptions {
    /// How long one try may take.
    pub timeout: Duration,
    /// Headers of the subscription's own.
    pub headers: Vec<(String, Secret)>,
    /// Content type of every body.
    pub content_type: &'static str,
    /// Connections that are kept open: as many as there may be requests at a time.
    pub idle_max: usize,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    /// `webhook-id`.
    pub id: &'a str,
    /// `webhook-timestamp`, seconds.
    pub timestamp_s: u64,
    /// `webhook-signature`.
    pub signature: String,
    /// The body.
    pub body: Bytes,
}

/// What a try came to.
#[derive(Debug)]
pub enum Tried {
    /// The receiver answered.
    Answered(Answer),
    /// Nothing came back: why, and whether nobody was there at all.
    Failed {
        /// For people.
        why: String,
        /// No connection could be made.
        unreachable: bool,
    },
    /// The address may not be reached.
    Refused(Problem),
}

impl Endpoint {
    /// An endpoint without a connection.
    pub fn new(target: Target, guard: Arc<Guard>, options: EndpointOptions) -> Result<Self, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, target.authority.clone());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(options.content_type));
        headers
            .insert(header::USER_AGENT, HeaderValue::from_static(concat!("rowfeed/", env!("CARGO_PKG_VERSION"), " (Standard Webhooks)")));
        let mut own = Vec::new();
        for (name, value) in &options.headers {
            let wrong = |why: &str| Problem::refuse("webhook/header", format!("the header \"{name}\" cannot be sent")).why(why);
            let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("it is not the name of a header"))?;
            if RESERVED.contains(&key.as_str()) || key.as_str().starts_with("webhook-") {
                return Err(wrong("the request has that header itself"));
            }
            let mut value = HeaderValue::from_str(value.expose()).map_err(|_| wrong("its value has bytes that no header may have"))?;
            value.set_sensitive(true);
            headers.insert(key.clone(), value);
            own.push(key);
        }
        let tls = if target.secure { Some(tls()?) } else { None };
        let idle = Mutex::new(Vec::with_capacity(options.idle_max.min(64)));
        Ok(Self { target, guard, tls, timeout: options.timeout, headers, own, idle, idle_max: options.idle_max })
    }

    /// Where it is.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The headers of a request as they are sent, for people: the values of the subscription's own are stars.
    pub fn shown_headers(&self, message: &Message<'_>) -> Vec<(String, String)> {
        let Ok(headers) = self.headers_of(message) else { return Vec::new() };
        let shown = headers.iter().map(|(name, value)| {
            let value = if self.own.contains(name) { crate::config::secrets::MASK } else { value.to_str().unwrap_or_default() };
            (name.to_string(), value.to_owned())
        });
        shown.collect()
    }

    /// Sends one request and reads what is answered. The status counts once it is there, whatever becomes of the body.
    pub async fn send(&self, message: &Message<'_>) -> Tried {
        match tokio::time::timeout(self.timeout, self.exchange(message)).await {
            Ok(Ok((response, sender))) => self.read(response, sender).await,
            Ok(Err(tried)) => *tried,
            Err(_) => Tried::Failed { why: format!("no answer within {:?}", self.timeout), unreachable: false },
        }
    }

    async fn exchange(&self, message: &Message<'_>) -> Result<(hyper::Response<Incoming>, http1::SendRequest<Once>), Box<Tried>> {
        const CLOSED: &str = "the connection was closed before an answer";
        let mut request = self.request(message).map_err(|error| Box::new(failed(&error, false)))?;
        // A connection that was kept may have been closed by the other side meanwhile: then what was not sent goes over a new one.
        while let Some(mut kept) = self.kept() {
            if kept.ready().await.is_err() {
                continue;
            }
            match kept.try_send_request(request).await {
                Ok(response) => return Ok((response, kept)),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    // It may have been received and done with: its id says so to the receiver when it comes again.
                    None if error.error().is_incomplete_message() || error.error().is_closed() => {
                        return Err(Box::new(failed(&CLOSED, false)));
                    }
                    None => return Err(Box::new(failed(error.error(), false))),
                },
            }
        }
        let mut fresh = self.connect().await?;
        match fresh.send_request(request).await {
            Ok(response) => Ok((response, fresh)),
            Err(error) if error.is_incomplete_message() => Err(Box::new(failed(&CLOSED, false))),
            Err(error) => Err(Box::new(failed(&error, false))),
        }
    }

    fn request(&self, message: &Message<'_>) -> Result<Request<Once>, hyper::header::InvalidHeaderValue> {
        let mut request = Request::new(Once(Some(message.body.clone())));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.path.clone();
        *request.headers_mut() = self.headers_of(message)?;
        Ok(request)
    }

    fn headers_of(&self, message: &Message<'_>) -> Result<HeaderMap, hyper::header::InvalidHeaderValue> {
        let mut headers = self.headers.clone();
        headers.insert(HeaderName::from_static("webhook-id"), HeaderValue::from_str(message.id)?);
        headers.insert(HeaderName::from_static("webhook-timestamp"), HeaderValue::from(message.timestamp_s));
        headers.insert(HeaderName::from_static("webhook-signature"), HeaderValue::from_str(&message.signature)?);
        Ok(headers)
    }

    fn kept(&self) -> Option<http1::SendRequest<Once>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((kept, since)) = idle.pop() {
            if since.elapsed() < IDLE_MAX && !kept.is_closed() {
                return Some(kept);
            }
        }
        None
    }

    fn keep(&self, sender: http1::SendRequest<Once>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.idle_max && !sender.is_closed() {
            idle.push((sender, Instant::now()));
        }
    }

    async fn connect(&self) -> Result<http1::SendRequest<Once>, Box<Tried>> {
        let addresses = self.guard.addresses(&self.target.host, self.target.port).await.map_err(|problem| {
            Box::new(match problem.code {
                "webhook/address" => Tried::Refused(problem),
                _ => Tried::Failed { why: format!("{}: {}", problem.what, problem.why), unreachable: true },
            })
        })?;
        // Several addresses share the time, so that a dead one does not hide a live one.
        let each = self.timeout / u32::try_from(addresses.len().max(1)).unwrap_or(1);
        let mut last = String::new();
        for address in addresses {
            let connected = match tokio::time::timeout(each, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => {
                    last = format!("{address}: {}", in_words(&error));
                    continue;
                }
                Err(_) => {
                    last = format!("{address}: no connection within {each:?}");
                    continue;
                }
            };
            let _ = connected.set_nodelay(true);
            let Some(tls) = &self.tls else { return self.handshake(connected).await };
            let name = ServerName::try_from(self.target.host.clone())
                .map_err(|error| Box::new(Tried::Failed { why: error.to_string(), unreachable: true }))?;
            match tls.connect(name, connected).await {
                Ok(encrypted) => return self.handshake(encrypted).await,
                Err(error) => last = format!("{address}: no TLS: {error}"),
            }
        }
        Err(Box::new(Tried::Failed { why: last, unreachable: true }))
    }

    async fn handshake<S>(&self, stream: S) -> Result<http1::SendRequest<Once>, Box<Tried>>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mut builder = http1::Builder::new();
        builder.max_buf_size(HEAD_BYTES_MAX).max_headers(HEADERS_MAX);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|error| Box::new(failed(&error, true)))?;
        // It ends with its sender: there are as many as requests and kept connections.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to a webhook's receiver ended");
            }
        });
        Ok(sender)
    }

    async fn read(&self, response: hyper::Response<Incoming>, sender: http1::SendRequest<Once>) -> Tried {
        let (head, mut body) = response.into_parts();
        let mut read = Vec::new();
        let reading = async {
            while !body.is_end_stream() && read.len() < ANSWER_BYTES_MAX {
                match std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
                    Some(Ok(frame)) => {
                        if let Some(piece) = frame.data_ref() {
                            let room = ANSWER_BYTES_MAX - read.len();
                            read.extend_from_slice(piece.get(..room).unwrap_or(piece));
                        }
                    }
                    None => return true,
                    Some(Err(_)) => return false,
                }
            }
            body.is_end_stream()
        };
        let whole = tokio::time::timeout(BODY_WAIT, reading).await.unwrap_or(false);
        // The rest of a longer body is not worth reading: the connection goes with it.
        if whole {
            self.keep(sender);
        }
        let retry_after =
            head.headers.get(header::RETRY_AFTER).and_then(|value| answer::retry_after(value.to_str().ok()?, SystemTime::now()));
        let headers = head.headers.iter().map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        Tried::Answered(Answer { status: head.status.as_u16(), retry_after, headers: headers.collect(), body: read })
    }
}

fn failed(error: &dyn fmt::Display, unreachable: bool) -> Tried {
    Tried::Failed { why: error.to_string(), unreachable }
}

/// Why there is no connection, without the number that the system has for it.
fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused: nothing listens there".to_owned(),
        _ => error.to_string().split(" (os error").next().unwrap_or_default().to_owned(),
    }
}

/// What checks receivers' certificates: the authorities that this machine trusts.
fn tls() -> Result<TlsConnector, Problem> {
    let wrong = |why: String| Problem::fail("webhook/tls", "webhooks cannot be sent over TLS").why(why);
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(wrong("this machine trusts no authority".to_owned())
            .fix("apt-get install ca-certificates, or SSL_CERT_FILE with the authority's certificate"));
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// A body of one piece.
#[derive(Debug)]
pub struct Once(Option<Bytes>);

impl Body for Once {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A receiver that answers each request with the next of these texts (the last one for ever) and counts connections. An empty
    /// text closes the connection without an answer; `...` never answers.
    async fn receiver(answers: Vec<&'static str>) -> (String, Arc<AtomicUsize>, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks?a=1", listener.local_addr().unwrap());
        let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (counted, seen, turn) = (Arc::clone(&connections), Arc::clone(&requests), Arc::new(AtomicUsize::new(0)));
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                let (answers, seen, turn) = (answers.clone(), Arc::clone(&seen), Arc::clone(&turn));
                tokio::spawn(async move {
                    let mut text = String::new();
                    let mut bytes = [0; 4096];
                    loop {
                        let read = stream.read(&mut bytes).await.unwrap_or(0);
                        if read == 0 {
                            return;
                        }
                        text.push_str(&String::from_utf8_lossy(&bytes[..read]));
                        if !text.ends_with('}') {
                            continue;
                        }
                        seen.lock().unwrap().push(std::mem::take(&mut text));
                        let answer = answers[turn.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1)];
                        match answer {
                            "" => return,
                            "..." => std::future::pending::<()>().await,
                            text => stream.write_all(text.as_bytes()).await.unwrap(),
                        }
                        if answer.contains("connection: close") {
                            return;
                        }
                    }
                });
            }
        });
        (url, connections, requests)
    }

    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

    fn endpoint(url: &str, guard: Guard, timeout: Duration) -> Endpoint {
        let headers = vec![("x-tenant".to_owned(), Secret::new("blue"))];
        let options = EndpointOptions { timeout, headers, content_type: "application/json", idle_max: 2 };
        Endpoint::new(Target::parse(url).unwrap(), Arc::new(guard), options).unwrap()
    }

    fn local(url: &str) -> Endpoint {
        endpoint(url, Guard::parse("", true).unwrap(), Duration::from_secs(5))
    }

    fn message() -> Message<'static> {
        Message { id: "evt_a", timestamp_s: 17, signature: "v1,xyz".to_owned(), body: Bytes::from_static(b"{\"a\":1}") }
    }

    fn answered(tried: Tried) -> Answer {
        match tried {
            Tried::Answered(answer) => answer,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn requests_have_what_standard_webhooks_asks_for_and_share_a_connection() {
        let (url, connections, requests) = receiver(vec![OK]).await;
        let endpoint = local(&url);
        for _ in 0..3 {
            let answer = answered(endpoint.send(&message()).await);
            assert_eq!((answer.status, answer.body.as_slice()), (200, b"ok".as_slice()));
        }
        assert_eq!(connections.load(Ordering::SeqCst), 1);
        let request = requests.lock().unwrap()[0].clone();
        assert!(request.starts_with("POST /hooks?a=1 HTTP/1.1\r\n"), "{request}");
        let head = [
            "webhook-id: evt_a",
            "webhook-timestamp: 17",
            "webhook-signature: v1,xyz",
            "x-tenant: blue",
            "content-type: application/json",
            "content-length: 7",
        ];
        for line in head {
            assert!(request.contains(&format!("{line}\r\n")), "{line} in {request}");
        }
        assert!(request.contains("host: 127.0.0.1:") && request.contains("user-agent: rowfeed/") && request.ends_with("\r\n\r\n{\"a\":1}"));
        let shown = endpoint.shown_headers(&message());
        assert!(shown.contains(&("x-tenant".to_owned(), "********".to_owned())), "{shown:?}");
    }

    #[tokio::test]
    async fn a_kept_connection_that_was_closed_is_replaced() {
        let (url, connections, _) = receiver(vec!["HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"]).await;
        let endpoint = local(&url);
        for _ in 0..3 {
            assert_eq!(answered(endpoint.send(&message()).await).status, 204);
        }
        assert_eq!(connections.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn a_long_answer_is_read_to_its_limit_and_its_connection_is_given_up() {
        let long: &'static str =
            Box::leak(format!("HTTP/1.1 500 Broken\r\ncontent-length: 10000000\r\n\r\n{}", "x".repeat(100_000)).into_boxed_str());
        let (url, connections, _) = receiver(vec![long, OK]).await;
        let endpoint = local(&url);
        let answer = answered(endpoint.send(&message()).await);
        assert_eq!((answer.status, answer.body.len()), (500, ANSWER_BYTES_MAX));
        assert_eq!(answered(endpoint.send(&message()).await).status, 200);
        assert_eq!(connections.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_is_not_followed() {
        let (url, connections, _) =
            receiver(vec!["HTTP/1.1 307 Elsewhere\r\nlocation: http://127.0.0.1:1/\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n"]).await;
        let answer = answered(local(&url).send(&message()).await);
        assert_eq!((answer.status, answer.retry_after, connections.load(Ordering::SeqCst)), (307, Some(Duration::from_secs(7)), 1));
    }

    #[tokio::test]
    async fn silence_closing_and_nonsense_are_told() {
        let (url, _, _) = receiver(vec!["...", "", "garbage\r\n\r\n"]).await;
        let endpoint = endpoint(&url, Guard::parse("", true).unwrap(), Duration::from_millis(200));
        for told in ["no answer within 200ms", "closed before an answer", "invalid HTTP"] {
            match endpoint.send(&message()).await {
                Tried::Failed { why, unreachable } => assert!(why.contains(told) && !unreachable, "{why} for {told}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn the_status_counts_though_the_body_never_ends() {
        let (url, connections, _) = receiver(vec!["HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", OK]).await;
        let endpoint = endpoint(&url, Guard::parse("", true).unwrap(), Duration::from_millis(300));
        let answer = answered(endpoint.send(&message()).await);
        assert_eq!((answer.status, answer.body.as_slice()), (200, b"half".as_slice()));
        assert_eq!(answered(endpoint.send(&message()).await).status, 200);
        assert_eq!(connections.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn an_address_that_is_not_allowed_is_not_connected_to() {
        let (url, connections, _) = receiver(vec![OK]).await;
        for url in [url.clone(), url.replace("127.0.0.1", "localhost"), url.replace("127.0.0.1", "[::ffff:127.0.0.1]")] {
            match endpoint(&url, Guard::default(), Duration::from_secs(5)).send(&message()).await {
                Tried::Refused(problem) => assert_eq!(problem.code, "webhook/address"),
                other => panic!("{url}: {other:?}"),
            }
        }
        assert_eq!(connections.load(Ordering::SeqCst), 0);
        let nobody = local("http://127.0.0.1:1/");
        assert!(matches!(nobody.send(&message()).await, Tried::Failed { unreachable: true, .. }));
    }

    #[test]
    fn a_url_or_header_that_cannot_be_used_is_refused_and_tokens_in_it_are_not_shown() {
        let bad = [
            "",
            "app.example.com/x",
            "ftp://h/s3cr3t",
            "http://user:s3cr3t@h/",
            "http:///s3cr3t",
            "https://",
            "http://a b/s3cr3t",
            "http://münchen.de/s3cr3t",
        ];
        for url in bad {
            let problem = Target::parse(url).expect_err(url);
            assert_eq!(problem.code, "webhook/url");
            assert!(!problem.to_string().contains("s3cr3t"), "{problem}");
        }
        let target = Target::parse("https://[2606:4700::1]:8443/t0ken?x=1#f").unwrap();
        assert_eq!((target.shown().as_str(), target.host(), target.port), ("https://[2606:4700::1]:8443", "2606:4700::1", 8443));
        assert_eq!(target.path.to_string(), "/t0ken?x=1");
        for (name, value) in [("host", "x"), ("webhook-id", "x"), ("a b", "x"), ("x", "a\r\nb"), ("Content-Length", "1")] {
            let headers = vec![(name.to_owned(), Secret::new(value))];
            let options = EndpointOptions { timeout: Duration::from_secs(1), headers, content_type: "application/json", idle_max: 1 };
            let made = Endpoint::new(Target::parse("http://h/").unwrap(), Arc::new(Guard::default()), options);
            assert_eq!(made.unwrap_err().code, "webhook/header", "{name}");
        }
    }
}
