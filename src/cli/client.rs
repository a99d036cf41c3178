//! A small HTTP client for the commands that talk to a running service, and for tests.
//!
//! HTTP/1.1 over TCP or TLS, one request per connection, bodies whole or streamed. Everything that comes from the server has a
//! bound.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::config::Secret;
use crate::problem::Problem;

/// A line of a response head, or of a streamed body.
const LINE_BYTES_MAX: u64 = 64 << 20;
/// A response that is read whole.
const BODY_BYTES_MAX: u64 = 64 << 20;
/// Headers of a response.
const HEADERS_MAX: usize = 100;
/// How long connecting may take, and the answer's first line.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);

/// Where a service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// `host:port`.
    address: String,
    /// TLS is spoken to it.
    secure: bool,
    /// Who may have signed its certificate; `None`: whom this machine trusts.
    ca: Option<PathBuf>,
    /// What it is shown.
    token: Option<Secret>,
    /// The context that named it.
    context: Option<String>,
}

/// An answer whose body has not been read.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header names in lower case, and values.
    pub headers: Vec<(String, String)>,
    reader: BufReader<Stream>,
    body: Body,
    /// What was read of a streamed body.
    partial: Vec<u8>,
    /// So much of it has been given out as lines.
    given: usize,
}

/// A connection, encrypted or not.
type Stream = Box<dyn Connection>;

trait Connection: AsyncRead + AsyncWrite + Debug + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Debug + Send + Unpin> Connection for T {}

#[derive(Debug)]
enum Body {
    Length(u64),
    /// Bytes left of the current chunk; `None` after the last one.
    Chunked(Option<u64>),
}

impl Server {
    /// Reads `http://host:port`, `https://host:port` or `host:port`.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let refused = |why: &str| {
            Err(Problem::refuse("server/url", format!("--server {text} is not the address of a service"))
                .why(why)
                .fix("--server http://127.0.0.1:8083"))
        };
        let secure = text.strip_prefix("https://");
        let address = secure.or_else(|| text.strip_prefix("http://")).unwrap_or(text).trim_end_matches('/');
        match crate::config::service::split_address(address) {
            Some(_) => Ok(Self { address: address.to_owned(), secure: secure.is_some(), ca: None, token: None, context: None }),
            None => refused("it must be HOST:PORT"),
        }
    }

    /// Shows this token with every request.
    pub fn with_token(self, token: Option<Secret>) -> Self {
        Self { token, ..self }
    }

    /// Believes the authorities of this file, and no others.
    #[must_use]
    pub fn with_ca(self, ca: Option<PathBuf>) -> Self {
        Self { ca, ..self }
    }

    /// The same service, said to be of this context.
    #[must_use]
    pub fn of_context(self, name: String) -> Self {
        Self { context: Some(name), ..self }
    }

    /// Sends a request; the path begins with `/` and is escaped already.
    pub async fn request(&self, method: &str, path: &str, body: Option<&str>) -> Result<Response, Problem> {
        let answered = tokio::time::timeout(ANSWER_WAIT_MAX, self.send(method, path, body)).await;
        match answered {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(problem)) => Err(problem),
            Err(_) => Err(self.unreachable("it does not answer")),
        }
    }

    fn unreachable(&self, why: &str) -> Problem {
        let problem = Problem::refuse("server/unreachable", format!("no rowfeed service at {}", self.url())).why(why);
        match &self.context {
            None => problem.fix("start one:  rowfeed run      or name another:  --server http://HOST:PORT"),
            Some(name) => problem.fix(format!(
                "the address is that of the current context \"{name}\": rowfeed context use OTHER, or --server http://HOST:PORT"
            )),
        }
    }

    fn url(&self) -> String {
        format!("{}://{}", if self.secure { "https" } else { "http" }, self.address)
    }

    /// What checks the service's certificate.
    fn trust(&self) -> Result<TlsConnector, Problem> {
        let mut roots = RootCertStore::empty();
        match &self.ca {
            Some(path) => {
                let wrong = |error: &dyn std::fmt::Display| {
                    Problem::refuse("server/ca", format!("--ca {} has no certificate to believe", path.display())).why(error.to_string())
                };
                for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))? {
                    roots.add(certificate.map_err(|error| wrong(&error))?).map_err(|error| wrong(&error))?;
                }
                if roots.is_empty() {
                    return Err(wrong(&"there is none in it; it is to be in PEM"));
                }
            }
            None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
        }
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| self.untrusted(&error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(TlsConnector::from(Arc::new(config)))
    }

    fn untrusted(&self, why: &str) -> Problem {
        Problem::refuse("server/tls", format!("no TLS connection to {}", self.url()))
            .why(why)
            .fix("--ca FILE with the certificate of its authority (ROWFEED_CA), or http:// where the service speaks no TLS")
    }

    async fn connect(&self) -> Result<Stream, Problem> {
        let stream = TcpStream::connect(&self.address).await.map_err(|error| self.unreachable(&in_words(&error)))?;
        if !self.secure {
            return Ok(Box::new(stream));
        }
        let host = crate::config::service::split_address(&self.address).map_or("", |(host, _)| host);
        let name = ServerName::try_from(host.to_owned()).map_err(|error| self.untrusted(&error.to_string()))?;
        let encrypted = self.trust()?.connect(name, stream).await;
        Ok(Box::new(encrypted.map_err(|error| self.untrusted(&error.to_string()))?))
    }

    async fn send(&self, method: &str, path: &str, body: Option<&str>) -> Result<Response, Problem> {
        let stream = self.connect().await?;
        let answered = self.exchange(stream, method, path, body).await;
        answered.map_err(|error| self.unreachable(&error.to_string()))
    }

    async fn exchange(&self, mut stream: Stream, method: &str, path: &str, body: Option<&str>) -> std::io::Result<Response> {
        let body = body.unwrap_or("");
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let token = self.token.as_ref().map(|token| format!("Authorization: Bearer {}\r\n", token.expose())).unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAccept: application/json\r\n{token}{kind}Content-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
        stream.flush().await?;
        Response::read_head(BufReader::new(stream)).await
    }

    /// The JSON of a GET; other answers than 200 are problems.
    pub async fn get_json(&self, path: &str) -> Result<serde_json::Value, Problem> {
        self.ask("GET", path, None).await
    }

    /// Sends a request and gives its answer's JSON, null when it has none; an answer that is no success is a problem.
    pub async fn ask(&self, method: &str, path: &str, body: Option<&serde_json::Value>) -> Result<serde_json::Value, Problem> {
        let body = body.map(ToString::to_string);
        let mut response = self.request(method, path, body.as_deref()).await?;
        let text = response.text().await?;
        if !(200..300).contains(&response.status) {
            return Err(refusal(response.status, &text));
        }
        if text.trim().is_empty() {
            return Ok(serde_json::Value::Null);
        }
        serde_json::from_str(&text)
            .map_err(|error| Problem::fail("server/answer", "the service's answer is not JSON").why(error.to_string()))
    }
}

/// A service's refusal as a problem.
pub fn refusal(status: u16, body: &str) -> Problem {
    let json: Option<serde_json::Value> = serde_json::from_str(body).ok();
    // Kafka Connect's shape, or RFC 9457's.
    let field = |name: &str| json.as_ref().and_then(|json| json.get(name)).and_then(|text| text.as_str());
    let message = field("message").or_else(|| field("detail")).unwrap_or(body);
    let code = match status {
        401 => "server/token",
        404 => "server/not-found",
        _ => "server/refused",
    };
    let problem = Problem::refuse(code, message.trim().to_owned());
    let problem = if status == 401 { problem.fix(super::TOKEN_FIX) } else { problem };
    problem.why(if message.trim().is_empty() { format!("HTTP status {status}") } else { String::new() })
}

/// Why there is no connection, without the number that the system has for it.
fn in_words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "connection refused: nothing listens there".to_owned(),
        _ => error.to_string().split(" (os error").next().unwrap_or_default().to_owned(),
    }
}

fn malformed(what: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, format!("it does not speak HTTP: {what}"))
}

impl Response {
    async fn read_head(mut reader: BufReader<Stream>) -> std::io::Result<Self> {
        let first = read_line(&mut reader).await?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(|| malformed("no status line"))?;
        let mut headers = Vec::new();
        loop {
            let line = read_line(&mut reader).await?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| malformed("a header without colon"))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            if headers.len() > HEADERS_MAX {
                return Err(malformed("too many headers"));
            }
        }
        let find = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let body = if find("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            Body::Chunked(Some(0))
        } else {
            Body::Length(find("content-length").and_then(|length| length.parse().ok()).unwrap_or(0))
        };
        Ok(Self { status, headers, reader, body, partial: Vec::new(), given: 0 })
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Up to 64 KiB of the body; empty at its end.
    async fn some(&mut self) -> std::io::Result<Vec<u8>> {
        let left = match &mut self.body {
            Body::Length(left) => *left,
            Body::Chunked(None) => 0,
            Body::Chunked(Some(0)) => {
                let size = next_chunk(&mut self.reader).await?;
                self.body = Body::Chunked((size > 0).then_some(size));
                size
            }
            Body::Chunked(Some(left)) => *left,
        };
        let mut bytes = vec![0; usize::try_from(left.min(64 << 10)).unwrap_or(0)];
        if bytes.is_empty() {
            return Ok(bytes);
        }
        let read = self.reader.read(&mut bytes).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes.truncate(read);
        let read = u64::try_from(read).unwrap_or(u64::MAX);
        match &mut self.body {
            Body::Length(left) | Body::Chunked(Some(left)) => *left -= read.min(*left),
            Body::Chunked(None) => {}
        }
        if let Body::Chunked(Some(0)) = self.body {
            read_line(&mut self.reader).await?;
        }
        Ok(bytes)
    }

    /// The whole body.
    pub async fn text(&mut self) -> Result<String, Problem> {
        let mut all = Vec::new();
        loop {
            let more = self.some().await.map_err(|error| broken(&error))?;
            if more.is_empty() {
                return Ok(String::from_utf8_lossy(&all).into_owned());
            }
            all.extend_from_slice(&more);
            if all.len() > usize::try_from(BODY_BYTES_MAX).unwrap_or(usize::MAX) {
                return Err(Problem::fail("server/answer", "the service's answer is too large"));
            }
        }
    }

    /// The next line of a streamed body, without its end; `None` after the last.
    pub async fn line(&mut self) -> Result<Option<String>, Problem> {
        loop {
            let rest = self.partial.get(self.given..).unwrap_or_default();
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                self.given += end + 1;
                return Ok(Some(String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).into_owned()));
            }
            self.partial.drain(..self.given);
            self.given = 0;
            let more = self.some().await.map_err(|error| broken(&error))?;
            if more.is_empty() {
                return Ok(None);
            }
            self.partial.extend_from_slice(&more);
            if self.partial.len() > usize::try_from(LINE_BYTES_MAX).unwrap_or(usize::MAX) {
                return Err(Problem::fail("server/answer", "a line of the service's answer is too large"));
            }
        }
    }
}

fn broken(error: &std::io::Error) -> Problem {
    Problem::refuse("server/unreachable", "the service ended the connection").why(error.to_string())
}

async fn next_chunk(reader: &mut BufReader<Stream>) -> std::io::Result<u64> {
    let line = read_line(reader).await?;
    let size = line.split(';').next().unwrap_or("").trim();
    let size = u64::from_str_radix(size, 16).map_err(|_| malformed("a chunk without size"))?;
    if size == 0 {
        read_line(reader).await?;
    }
    Ok(size)
}

/// A line of the head, bounded.
async fn read_line(reader: &mut BufReader<Stream>) -> std::io::Result<String> {
    let mut line = Vec::new();
    let read = reader.take(HEAD_LINE_BYTES_MAX).read_until(b'\n', &mut line).await?;
    if read == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    if line.pop() != Some(b'\n') {
        return Err(malformed("a line without end"));
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    String::from_utf8(line).map_err(|_| malformed("a line that is not text"))
}

const HEAD_LINE_BYTES_MAX: u64 = 64 << 10;

/// %-escapes a part of a path or a query value.
pub fn escape(text: &str) -> String {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':');
    text.bytes().map(|byte| if safe(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
