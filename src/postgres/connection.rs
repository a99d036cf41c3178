//! A connection of our own: TCP or unix socket, TLS, SCRAM-SHA-256(-PLUS), MD5, plain password; simple queries and COPY.
//!
//! The replication protocol needs what no driver offers (CopyBoth), and snapshot rows must come in the same text and
//! through the same buffer as streamed ones. Both kinds of session pin the settings that change how values are written, so
//! that no role or database setting does. Catalogue queries go through `tokio-postgres` on the same socket code
//! ([`super::catalog`]). Source: PostgreSQL's documentation, "Frontend/Backend Protocol".

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256};
use postgres_protocol::message::frontend;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use super::error::{ServerMessage, within};
use super::frames::{Frame, FrameBuffer};
use super::patience::{LAST_WAIT, Patience};
use super::{PostgresError, tls};
use crate::config::postgres::{ConnectionConfig, SslMode};
use crate::problem::Problem;

/// Settings that decide how PostgreSQL writes values: pinned in every session that reads rows, so that a role's own
/// settings cannot change events.
pub const PINNED: [(&str, &str); 8] = [
    ("datestyle", "ISO"),
    ("intervalstyle", "postgres"),
    ("extra_float_digits", "3"),
    ("bytea_output", "hex"),
    ("timezone", "UTC"),
    ("client_min_messages", "warning"),
    ("statement_timeout", "0"),
    // A session that exports a snapshot idles in a transaction while the snapshot is read.
    ("idle_in_transaction_session_timeout", "0"),
];

/// What puts the pinned settings back after `database.initial.statements`, which may have changed them.
pub(super) fn pins(config: &ConnectionConfig) -> Vec<String> {
    let limits = |name: &str| matches!(name, "statement_timeout" | "idle_in_transaction_session_timeout" | "client_min_messages");
    let pins = PINNED.iter().filter(|(name, _)| !config.initial_statements.is_empty() && !limits(name));
    pins.map(|(name, value)| format!("set {name} = '{value}'")).collect()
}

/// A statement of `database.initial.statements` that the server refused.
pub(super) fn initial_statement(statement: &str, error: PostgresError) -> PostgresError {
    if error.code().is_empty() {
        return error;
    }
    // What it is may hold a secret.
    let first = statement.split_whitespace().next().unwrap_or_default();
    PostgresError::Problem(
        Problem::fail("pg/initial-statements", format!("a statement of database.initial.statements failed ({first} ...)"))
            .why(error.to_string()),
    )
}

/// A stream to a server.
pub enum Socket {
    /// TCP.
    Tcp(TcpStream),
    /// A unix socket.
    Unix(UnixStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

impl Socket {
    /// Connects and, as `sslmode` asks, encrypts.
    pub async fn open(config: &ConnectionConfig) -> Result<Self, PostgresError> {
        within(config.connect_timeout, "connecting", Self::open_any(config)).await?
    }

    async fn open_any(config: &ConnectionConfig) -> Result<Self, PostgresError> {
        if config.host.starts_with('/') {
            let path = format!("{}/.s.PGSQL.{}", config.host, config.port);
            return Ok(Self::Unix(UnixStream::connect(path).await?));
        }
        let mut stream = match TcpStream::connect((config.host.as_str(), config.port)).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Err(refused(config, error).await),
            connected => connected?,
        };
        stream.set_nodelay(true)?;
        keep_alive(&stream)?;
        if matches!(config.ssl_mode, SslMode::Disable | SslMode::Allow) {
            return Ok(Self::Tcp(stream));
        }
        let mut request = BytesMut::new();
        frontend::ssl_request(&mut request);
        stream.write_all(&request).await?;
        match stream.read_u8().await {
            Ok(b'S') => {}
            Ok(b'N') if config.ssl_mode == SslMode::Prefer => return Ok(Self::Tcp(stream)),
            Ok(b'N') => {
                return Err(PostgresError::Tls(format!(
                    "the server does not support TLS, but sslmode={} requires it",
                    config.ssl_mode.name()
                )));
            }
            Ok(other) => return Err(PostgresError::Protocol(format!("byte {other} in answer to the TLS request"))),
            Err(error) => return Err(error.into()),
        }
        let name = ServerName::try_from(config.host.clone()).map_err(|error| PostgresError::Tls(error.to_string()))?;
        let stream = tls::connector(config)?.connect(name, stream).await.map_err(handshake)?;
        Ok(Self::Tls(Box::new(stream)))
    }

    fn channel_binding(&self) -> Option<Vec<u8>> {
        match self {
            Self::Tls(stream) => tls::end_point_digest(stream.get_ref().1.peer_certificates()?.first()?),
            _ => None,
        }
    }
}

/// PostgreSQL's usual port.
const USUAL_PORT: u16 = 5432;
/// A look at that port takes no longer.
const LOOK_MAX: Duration = Duration::from_millis(500);

/// Nothing listens where it should: which addresses the name stands for, and whether PostgreSQL's usual port answers there.
async fn refused(config: &ConnectionConfig, error: io::Error) -> PostgresError {
    let (host, port) = (config.host.as_str(), config.port);
    let problem = PostgresError::Io(error).problem(config);
    let found: Vec<IpAddr> = tokio::net::lookup_host((host, port)).await.map(|found| found.map(|at| at.ip()).collect()).unwrap_or_default();
    let problem = if found.is_empty() || host.parse::<IpAddr>().is_ok() {
        problem
    } else {
        let count = if found.len() == 1 { "1 address".to_owned() } else { format!("{} addresses", found.len()) };
        let list = found.iter().take(ADDRESSES_MAX).map(ToString::to_string).collect::<Vec<_>>().join(", ");
        problem.why(format!("connection refused by {list} ({host} stands for {count})"))
    };
    let look = tokio::time::timeout(LOOK_MAX, TcpStream::connect((host, USUAL_PORT)));
    if port != USUAL_PORT && matches!(look.await, Ok(Ok(_))) {
        let fix = format!("PostgreSQL usually listens on {USUAL_PORT}, and a server does answer on {host}:{USUAL_PORT}");
        return PostgresError::Problem(problem.fix(fix));
    }
    PostgresError::Problem(problem)
}

/// So many addresses are told.
const ADDRESSES_MAX: usize = 5;

/// A peer that vanished without a word (power, firewall, failover of an address) shows after a minute, whoever was to speak.
fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(stream);
    let probes = TcpKeepalive::new().with_time(Duration::from_secs(30)).with_interval(Duration::from_secs(10)).with_retries(3);
    socket.set_tcp_keepalive(&probes)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(Duration::from_secs(60)))?;
    Ok(())
}

/// `sslmode=allow`: what to try once the server has refused us without TLS.
pub(super) fn with_tls(config: &ConnectionConfig, error: &PostgresError) -> Option<ConnectionConfig> {
    let refused = config.ssl_mode == SslMode::Allow && error.code() == "28000" && !config.host.starts_with('/');
    refused.then(|| ConnectionConfig { ssl_mode: SslMode::Prefer, ..config.clone() })
}

/// What rustls refuses it reports as invalid data; a connection that breaks during the handshake is the network.
fn handshake(error: io::Error) -> PostgresError {
    if error.kind() == io::ErrorKind::InvalidData { PostgresError::Tls(error.to_string()) } else { error.into() }
}

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    /// SQL and COPY.
    Sql,
    /// The replication protocol, in one database.
    Replication,
}

/// A row of a simple query: text or NULL.
pub type TextRow = Vec<Option<String>>;

/// A logged-in session.
pub struct Connection {
    socket: Socket,
    frames: FrameBuffer,
    out: BytesMut,
    parameters: HashMap<String, String>,
    /// Warnings and notices the server sent, for the stream, which must not overlook them; bounded.
    notices: Vec<ServerMessage>,
    /// Of a session for SQL: how long nothing may come. The stream has its own.
    patience: Option<Patience>,
}

/// How many notices are kept until the stream takes them.
const NOTICES_MAX: usize = 64;

impl Connection {
    /// Connects and logs in. `application_name` is what `pg_stat_activity` shows.
    pub async fn open(config: &ConnectionConfig, session: Session, application_name: &str) -> Result<Self, PostgresError> {
        match Self::open_as(config, session, application_name).await {
            Err(error) if let Some(encrypted) = with_tls(config, &error) => Self::open_as(&encrypted, session, application_name).await,
            opened => opened,
        }
    }

    async fn open_as(config: &ConnectionConfig, session: Session, application_name: &str) -> Result<Self, PostgresError> {
        let socket = Socket::open(config).await?;
        let mut connection = Self::on(socket);
        within(config.connect_timeout, "logging in", connection.log_in(config, session, application_name)).await??;
        if session == Session::Sql {
            // A pooler between invents the number that the login tells.
            let limit = config.connect_timeout;
            let rows = connection.query_within("select pg_backend_pid()", limit, "logging in").await?;
            let pid = rows.first().and_then(|row| row.first()?.as_deref()?.parse().ok());
            connection.patience = pid.map(|pid| Patience::new(config, pid));
            for statement in config.initial_statements.iter().chain(&pins(config)) {
                connection.query(statement).await.map_err(|error| initial_statement(statement, error))?;
            }
        }
        Ok(connection)
    }

    fn on(socket: Socket) -> Self {
        Self {
            socket,
            frames: FrameBuffer::default(),
            out: BytesMut::new(),
            parameters: HashMap::new(),
            notices: Vec::new(),
            patience: None,
        }
    }

    /// Messages of more bytes end the session, for those who ask a server that nobody chose with care.
    #[must_use]
    pub fn with_messages_up_to(mut self, bytes_max: usize) -> Self {
        self.frames = self.frames.limited_to(bytes_max);
        self
    }

    /// Asks after so much silence, and there, whether the session is still worked on. For a session for SQL.
    #[must_use]
    pub fn with_patience(mut self, limit: Duration, config: &ConnectionConfig) -> Self {
        if let Some(patience) = &mut self.patience {
            patience.change(limit, config);
        }
        self
    }

    /// Waits for more from the server, with the patience that the session has.
    async fn fill(&mut self) -> Result<(), PostgresError> {
        let Self { frames, socket, patience, .. } = self;
        let Some(patience) = patience else { return frames.fill(socket).await.map(drop) };
        loop {
            if let Ok(filled) = tokio::time::timeout(patience.limit(), frames.fill(socket)).await {
                return filled.map(drop);
            }
            if !Box::pin(patience.is_worked_on()).await {
                let late = tokio::time::timeout(LAST_WAIT, frames.fill(socket)).await;
                return late.unwrap_or_else(|_| Err(patience.lost())).map(drop);
            }
            tracing::debug!("a session is silent for {:?}; the server works on it", patience.limit());
        }
    }

    async fn log_in(&mut self, config: &ConnectionConfig, session: Session, application_name: &str) -> Result<(), PostgresError> {
        let mut parameters = vec![
            ("user", config.user.as_str()),
            ("database", config.database.as_str()),
            ("application_name", application_name),
            ("client_encoding", "UTF8"),
        ];
        if session == Session::Replication {
            parameters.push(("replication", "database"));
        }
        parameters.extend(PINNED);
        frontend::startup_message(parameters, &mut self.out)?;
        self.flush().await?;
        let mut scram: Option<ScramSha256> = None;
        loop {
            let frame = self.receive().await?;
            match frame.tag {
                b'R' => {
                    let body = frame.body.to_vec();
                    if self.authenticate(config, &body, &mut scram).await? {
                        return self.until_ready().await;
                    }
                }
                b'v' => {}
                other => return Err(unexpected(other, "logging in")),
            }
        }
    }

    /// Answers one authentication request; true when the server is satisfied.
    async fn authenticate(
        &mut self,
        config: &ConnectionConfig,
        body: &[u8],
        scram: &mut Option<ScramSha256>,
    ) -> Result<bool, PostgresError> {
        let (kind, rest) = body.split_first_chunk::<4>().ok_or_else(|| PostgresError::Protocol("a short authentication request".into()))?;
        let password = || config.password.as_ref().map(|password| password.expose().as_bytes()).ok_or_else(PostgresError::no_password);
        match i32::from_be_bytes(*kind) {
            0 if scram.is_some() => {
                return Err(PostgresError::Login("the server ended SCRAM without proving that it knows the password".into()));
            }
            0 => return Ok(true),
            3 => frontend::password_message(password()?, &mut self.out)?,
            5 => {
                let salt = rest.first_chunk::<4>().ok_or_else(|| PostgresError::Protocol("a short salt".into()))?;
                let hash = md5_hash(config.user.as_bytes(), password()?, *salt);
                frontend::password_message(hash.as_bytes(), &mut self.out)?;
            }
            10 => {
                let offered: Vec<_> = rest.split(|byte| *byte == 0).collect();
                let offers = |name: &str| offered.contains(&name.as_bytes());
                let bound = self.socket.channel_binding().filter(|_| offers(SCRAM_SHA_256_PLUS));
                let (mechanism, binding) = match bound {
                    Some(digest) => (SCRAM_SHA_256_PLUS, ChannelBinding::tls_server_end_point(digest)),
                    None if offers(SCRAM_SHA_256) && matches!(self.socket, Socket::Tls(_)) => {
                        (SCRAM_SHA_256, ChannelBinding::unrequested())
                    }
                    None if offers(SCRAM_SHA_256) => (SCRAM_SHA_256, ChannelBinding::unsupported()),
                    None => return Err(PostgresError::Login("the server offers no SASL mechanism that is known here".into())),
                };
                let exchange = scram.insert(ScramSha256::new(password()?, binding));
                frontend::sasl_initial_response(mechanism, exchange.message(), &mut self.out)?;
            }
            11 => {
                let exchange = scram.as_mut().ok_or_else(|| PostgresError::Protocol("SASL goes on before it began".into()))?;
                exchange
                    .update(rest)
                    .map_err(|error| PostgresError::Login(format!("SCRAM: {error} (more than 100,000 iterations are refused)")))?;
                frontend::sasl_response(exchange.message(), &mut self.out)?;
            }
            12 => {
                let exchange = scram.as_mut().ok_or_else(|| PostgresError::Protocol("SASL ends before it began".into()))?;
                exchange.finish(rest).map_err(|_| PostgresError::Login("the server could not prove that it knows the password".into()))?;
                *scram = None;
                return Ok(false);
            }
            other => return Err(PostgresError::Login(format!("authentication method {other} is not supported; use scram-sha-256"))),
        }
        self.flush().await?;
        Ok(false)
    }

    async fn until_ready(&mut self) -> Result<(), PostgresError> {
        loop {
            let frame = self.receive().await?;
            match frame.tag {
                b'Z' => return Ok(()),
                b'K' | b'v' => {}
                other => return Err(unexpected(other, "logging in")),
            }
        }
    }

    /// A server parameter such as `server_version`, as reported.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    async fn flush(&mut self) -> Result<(), PostgresError> {
        self.socket.write_all(&self.out).await?;
        self.socket.flush().await?;
        self.out.clear();
        Ok(())
    }

    /// The next message that is neither a notice nor a parameter; an error response becomes an error.
    pub async fn receive(&mut self) -> Result<Frame<'_>, PostgresError> {
        loop {
            // The borrow of a returned frame must not reach into the loop, so a frame is looked at before it is lent.
            let seen = match self.frames.next_frame()? {
                None => {
                    self.fill().await?;
                    continue;
                }
                Some(frame) => match frame.tag {
                    b'E' => return Err(PostgresError::Server(ServerMessage::parse(frame.body))),
                    b'N' => Aside::Notice(ServerMessage::parse(frame.body)),
                    b'S' => Aside::Parameter(parameter(frame.body)),
                    b'A' => Aside::Nothing,
                    tag => Aside::No(tag),
                },
            };
            match seen {
                Aside::No(tag) => return Ok(Frame { tag, body: self.frames.last_body() }),
                other => self.take_aside(other),
            }
        }
    }

    fn take_aside(&mut self, aside: Aside) {
        match aside {
            Aside::Notice(notice) => {
                if self.notices.len() < NOTICES_MAX {
                    self.notices.push(notice);
                }
            }
            Aside::Parameter((name, value)) => {
                self.parameters.insert(name, value);
            }
            Aside::Nothing | Aside::No(..) => {}
        }
    }

    /// Runs one statement (or several, the last one's rows count) by the simple protocol.
    pub async fn query(&mut self, sql: &str) -> Result<Vec<TextRow>, PostgresError> {
        frontend::query(sql, &mut self.out)?;
        self.flush().await?;
        let mut rows = Vec::new();
        let mut failed = None;
        loop {
            match self.receive().await {
                Err(PostgresError::Server(message)) if message.severity != "FATAL" && message.severity != "PANIC" => {
                    failed = Some(PostgresError::Server(message))
                }
                Err(error) => return Err(error),
                Ok(frame) => match frame.tag {
                    b'T' => rows.clear(),
                    b'D' => rows.push(text_row(frame.body)?),
                    b'C' | b'I' => {}
                    b'Z' => break,
                    other => return Err(unexpected(other, "running a statement")),
                },
            }
        }
        failed.map_or(Ok(rows), Err)
    }

    /// As [`Connection::query`], within a time limit. After a timeout the connection is of no more use.
    pub async fn query_within(&mut self, sql: &str, limit: Duration, what: &'static str) -> Result<Vec<TextRow>, PostgresError> {
        within(limit, what, self.query(sql)).await?
    }

    /// Starts `COPY (...) TO STDOUT`; rows come from [`Connection::copy_row`].
    pub async fn copy_out(&mut self, sql: &str) -> Result<(), PostgresError> {
        frontend::query(sql, &mut self.out)?;
        self.flush().await?;
        match self.receive().await?.tag {
            b'H' => Ok(()),
            other => Err(unexpected(other, "starting COPY")),
        }
    }

    /// The next row of a COPY, in COPY's text form with its line end; `None` at the end, when the session is ready again.
    #[inline]
    pub async fn copy_row(&mut self) -> Result<Option<&[u8]>, PostgresError> {
        // Nearly always it has arrived with others.
        if self.frames.next_of(b'd')?.is_some() {
            return Ok(Some(self.frames.last_body()));
        }
        let tag = self.receive().await?.tag;
        match tag {
            b'd' => Ok(Some(self.frames.last_body())),
            b'c' => loop {
                match self.receive().await?.tag {
                    b'C' => {}
                    b'Z' => return Ok(None),
                    other => return Err(unexpected(other, "ending COPY")),
                }
            },
            other => Err(unexpected(other, "reading COPY")),
        }
    }

    /// Sends `START_REPLICATION ...` and enters CopyBoth; the stream takes the connection over.
    pub(super) async fn start_copy_both(mut self, sql: &str) -> Result<(Socket, FrameBuffer, Vec<ServerMessage>), PostgresError> {
        frontend::query(sql, &mut self.out)?;
        self.flush().await?;
        match self.receive().await?.tag {
            b'W' => Ok((self.socket, self.frames, self.notices)),
            other => Err(unexpected(other, "starting replication")),
        }
    }
}

enum Aside {
    Notice(ServerMessage),
    Parameter((String, String)),
    Nothing,
    No(u8),
}

fn unexpected(tag: u8, what: &str) -> PostgresError {
    PostgresError::Protocol(format!("message {:?} while {what}", char::from(tag)))
}

fn parameter(body: &[u8]) -> (String, String) {
    let mut parts = body.split(|byte| *byte == 0).map(|part| String::from_utf8_lossy(part).into_owned());
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

fn text_row(body: &[u8]) -> Result<TextRow, PostgresError> {
    let short = || PostgresError::Protocol("a short row".into());
    let (count, mut rest) = body.split_first_chunk::<2>().ok_or_else(short)?;
    let count = u16::from_be_bytes(*count);
    let mut row = Vec::new();
    for _ in 0..count {
        let (length, after) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        let length = i32::from_be_bytes(*length);
        rest = after;
        row.push(match usize::try_from(length) {
            Err(_) => None,
            Ok(length) => {
                let (value, after) = rest.split_at_checked(length).ok_or_else(short)?;
                rest = after;
                Some(String::from_utf8_lossy(value).into_owned())
            }
        });
    }
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(mode: &str) -> ConnectionConfig {
        ConnectionConfig::from_url(&format!("postgres://u:p@db/d?sslmode={mode}")).expect("valid")
    }

    /// Aim: a server that does not know the password cannot skip its half of SCRAM.
    #[tokio::test]
    async fn scram_without_the_servers_proof_is_refused() {
        let (ours, _theirs) = UnixStream::pair().expect("a pair");
        let mut connection = Connection::on(Socket::Unix(ours));
        let mut scram = None;
        let begin = connection.authenticate(&config("disable"), b"\0\0\0\x0aSCRAM-SHA-256\0\0", &mut scram).await;
        assert!(matches!(begin, Ok(false)));
        let ok = connection.authenticate(&config("disable"), &[0; 4], &mut scram).await;
        assert!(matches!(ok, Err(PostgresError::Login(_))));
    }

    #[test]
    fn a_connection_that_breaks_in_the_tls_handshake_is_the_network() {
        assert!(matches!(handshake(io::ErrorKind::UnexpectedEof.into()), PostgresError::Io(_)));
        assert!(matches!(handshake(io::ErrorKind::ConnectionReset.into()), PostgresError::Io(_)));
        assert!(matches!(handshake(io::ErrorKind::InvalidData.into()), PostgresError::Tls(_)));
    }

    #[test]
    fn allow_tries_tls_after_a_plain_refusal_only() {
        let refused = |code: &str| PostgresError::Server(ServerMessage { code: code.into(), ..ServerMessage::default() });
        assert_eq!(with_tls(&config("allow"), &refused("28000")).map(|again| again.ssl_mode), Some(SslMode::Prefer));
        assert_eq!(with_tls(&config("allow"), &refused("28P01")), None);
        assert_eq!(with_tls(&config("disable"), &refused("28000")), None);
    }
}
