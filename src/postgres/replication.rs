//! The replication stream: START_REPLICATION, messages in, standby status out.
//!
//! It always asks for `0/0`: the slot decides what comes again, and the caller filters by commit
//! ([`crate::change::Checkpoint`]). Notices are read: PostgreSQL 18 only *notices* that a publication is missing, and drops
//! the rows. Source: PostgreSQL's documentation, "Streaming Replication Protocol".

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{BufMut, BytesMut};
use tokio::io::AsyncWriteExt;

use super::connection::{Connection, Socket};
use super::error::{ServerMessage, within};
use super::frames::FrameBuffer;
use super::pgoutput::POSTGRES_EPOCH_US;
use super::{PostgresError, delimited, literal};
use crate::change::Lsn;
use crate::config::postgres::PostgresConfig;
use crate::problem::Problem;

/// How long a status message may take to leave: a server that reads nothing for so long is gone.
const SEND_LIMIT: Duration = Duration::from_secs(30);

/// What `IDENTIFY_SYSTEM` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    /// The cluster's id.
    pub system_id: String,
    /// Its timeline.
    pub timeline: u32,
    /// The end of its WAL.
    pub flush_lsn: Lsn,
}

/// Asks a replication connection who it talks to. A pooler answers with a syntax error.
pub async fn identify(connection: &mut Connection) -> Result<System, PostgresError> {
    let rows = connection.query("IDENTIFY_SYSTEM").await.map_err(|error| match error {
        PostgresError::Server(message) if message.code == "42601" => PostgresError::Problem(
            Problem::fail("pg/pooler", "this is a connection pooler, not PostgreSQL itself")
                .why(format!("replication needs a direct connection; the answer was: {}", message.message))
                .fix("connect to the server itself (often port 5432, a host without \"-pooler\")"),
        ),
        other => other,
    })?;
    let row = rows.into_iter().next().unwrap_or_default();
    let text = |index: usize| row.get(index).cloned().flatten().unwrap_or_default();
    let flush_lsn = text(2).parse().map_err(|_| PostgresError::Protocol("IDENTIFY_SYSTEM without a position".into()))?;
    Ok(System { system_id: text(0), timeline: text(1).parse().unwrap_or_default(), flush_lsn })
}

/// The server's version as a number, e.g. 150018, from `server_version`.
pub fn version_number(connection: &Connection) -> u32 {
    let text = connection.parameter("server_version").unwrap_or_default();
    let mut parts = text.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse::<u32>().ok());
    let major = parts.next().unwrap_or_default();
    major * 10_000 + parts.next().unwrap_or_default()
}

/// A message of the stream, lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamMessage<'a> {
    /// Decoded WAL.
    Wal {
        /// Where the change is.
        start: Lsn,
        /// The plugin's bytes.
        payload: &'a [u8],
    },
    /// Sign of life.
    Keepalive {
        /// Everything up to here has been sent.
        wal_end: Lsn,
        /// The server wants an answer now.
        reply: bool,
    },
}

/// The server answers at once, before it reads any WAL: it may take as long as so many logins.
const START_LOGINS: u32 = 6;

/// A running stream.
pub struct ReplicationStream {
    socket: Socket,
    frames: FrameBuffer,
    out: BytesMut,
    pending_notices: Vec<ServerMessage>,
}

impl ReplicationStream {
    /// Starts reading a slot. A server that does not answer within six times the connection's limit has not begun.
    pub async fn start(connection: Connection, config: &PostgresConfig, server_version: u32) -> Result<Self, PostgresError> {
        let publication = literal(&delimited(&config.publication_name));
        let mut options = format!("proto_version '1', publication_names {publication}");
        if server_version >= 140_000 {
            options.push_str(", messages 'true'");
        }
        for (name, value) in &config.slot_stream_params {
            options.push_str(&format!(", {} {}", delimited(name), literal(value)));
        }
        let sql = format!("START_REPLICATION SLOT {} LOGICAL 0/0 ({options})", delimited(&config.slot_name));
        let limit = config.connection.connect_timeout * START_LOGINS;
        let (socket, frames, pending_notices) = within(limit, "starting to stream", connection.start_copy_both(&sql)).await??;
        Ok(Self { socket, frames, out: BytesMut::new(), pending_notices })
    }

    /// One read of the socket: how many bytes it brought. Cancel-safe.
    pub async fn fill(&mut self) -> Result<usize, PostgresError> {
        self.frames.fill(&mut self.socket).await
    }

    /// Bytes read but not yet taken.
    pub fn buffered(&self) -> usize {
        self.frames.buffered()
    }

    /// The next message that is there; `None` asks for [`ReplicationStream::fill`].
    #[inline]
    pub fn next_message(&mut self) -> Result<Option<StreamMessage<'_>>, PostgresError> {
        loop {
            if !self.pending_notices.is_empty() {
                for notice in std::mem::take(&mut self.pending_notices) {
                    check_notice(&notice)?;
                }
            }
            // Looked at by reference first: a lent frame must not live on in the loop.
            let is_data = match self.frames.next_frame()? {
                None => return Ok(None),
                Some(frame) => match frame.tag {
                    b'd' => true,
                    b'N' => {
                        check_notice(&ServerMessage::parse(frame.body))?;
                        false
                    }
                    b'E' => return Err(PostgresError::Server(ServerMessage::parse(frame.body))),
                    // A server that shuts down ends the COPY; PostgreSQL does so with CommandComplete alone.
                    b'c' | b'C' => return Err(PostgresError::Closed),
                    b'S' | b'A' => false,
                    other => return Err(PostgresError::Protocol(format!("message {:?} in the stream", char::from(other)))),
                },
            };
            if is_data {
                return stream_message(self.frames.last_body()).map(Some);
            }
        }
    }

    /// Tells the server what was received and what is durable here. `reply` asks for a keepalive with its newest position.
    pub async fn send_status(&mut self, received: Lsn, flushed: Lsn, reply: bool) -> Result<(), PostgresError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64);
        self.out.clear();
        self.out.put_u8(b'd');
        self.out.put_u32(4 + 34);
        self.out.put_u8(b'r');
        self.out.put_u64(received.0.max(flushed.0));
        self.out.put_u64(flushed.0);
        self.out.put_u64(flushed.0);
        self.out.put_i64(now - POSTGRES_EPOCH_US);
        self.out.put_u8(u8::from(reply));
        let send = async {
            self.socket.write_all(&self.out).await?;
            self.socket.flush().await
        };
        within(SEND_LIMIT, "confirming", send).await??;
        Ok(())
    }

    /// Ends the stream politely, so that the slot is free at once: CopyDone, then whatever the server still sends.
    pub async fn close(mut self) {
        let done = [b'c', 0, 0, 0, 4];
        let terminate = [b'X', 0, 0, 0, 4];
        let end = async {
            self.socket.write_all(&done).await?;
            self.socket.write_all(&terminate).await?;
            self.socket.flush().await?;
            self.socket.shutdown().await
        };
        // The connection may be broken: then the server has noticed, or will.
        let _ = tokio::time::timeout(Duration::from_secs(1), end).await;
    }
}

fn stream_message(body: &[u8]) -> Result<StreamMessage<'_>, PostgresError> {
    let short = || PostgresError::Protocol("a short stream message".into());
    let u64_at = |at: usize| body.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes).ok_or_else(short);
    match body.first() {
        Some(b'w') => Ok(StreamMessage::Wal { start: Lsn(u64_at(1)?), payload: body.get(25..).ok_or_else(short)? }),
        Some(b'k') => Ok(StreamMessage::Keepalive { wal_end: Lsn(u64_at(1)?), reply: body.get(17).ok_or_else(short)? == &1 }),
        other => Err(PostgresError::Protocol(format!("stream message {other:?}"))),
    }
}

/// Warnings that mean lost rows are errors; others are logged. The code decides: the text is in the server's language.
fn check_notice(notice: &ServerMessage) -> Result<(), PostgresError> {
    if notice.code == "55000" {
        return Err(PostgresError::Problem(
            Problem::fail("pg/publication-missing", "the publication does not exist at this place in the log: PostgreSQL skips rows")
                .why(notice.message.clone())
                .fix("the rows cannot be decoded any more: create the publication, drop the slot and the connector's position, and start again with a new snapshot"),
        ));
    }
    tracing::warn!(code = notice.code, severity = notice.severity, "PostgreSQL says: {}", notice.message);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skipped_publication_is_noticed_in_any_language() {
        let notice = |code: &str, message: &str| ServerMessage { code: code.into(), message: message.into(), ..ServerMessage::default() };
        assert!(check_notice(&notice("55000", "Publikation »p« wird übersprungen")).is_err());
        assert!(check_notice(&notice("01000", "no publication is concerned")).is_ok());
    }
}
