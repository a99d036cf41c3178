//! One client's connection: frames in, frames out.
//!
//! Owns the socket. Promises: responses in the order of the requests, one at a time; memory grows with bytes that have
//! arrived and never with a length that is announced; a frame above the limit, half a frame for too long, a response
//! nobody reads, or no request for ten minutes end the connection; large requests of all connections share one room.
//! While a request is parked (a Fetch that waits for data, a JoinGroup that waits for others) a client that hangs up is
//! noticed. Leaves what a request means to the [`router`].
//!
//! ```text
//! frame := length i32 | request or response of that many bytes
//! ```

use std::io::IoSlice;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{SemaphorePermit, watch};
use tokio::time::timeout;

use super::router::{self, Refusal, Reply};
use super::{Broker, stopped};

/// Why a connection was closed from this side.
#[derive(Debug, thiserror::Error)]
pub enum Closed {
    /// A request that gets no response.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A TLS client on the plain port.
    #[error("the client speaks TLS, but this port is plain: set security.protocol=PLAINTEXT")]
    Tls,
    /// An HTTP client.
    #[error("the client speaks HTTP, but this is the Kafka port")]
    Http,
    /// The length of a frame is out of range.
    #[error("a request announces {0} bytes")]
    Length(i32),
    /// A request did not arrive in time, or a response was not read.
    #[error("the client stopped in the middle of a request or response")]
    Stalled,
}

/// Frames up to this size are read without asking for room.
const SMALL_FRAME_BYTES: usize = 64 << 10;
/// The read buffer of a connection.
const READ_BUFFER_BYTES: usize = 8 << 10;
/// A request buffer larger than this is not kept for the next request.
const KEPT_BYTES_MAX: usize = 64 << 10;
/// Pieces handed to the system in one write.
const WRITE_PIECES_MAX: usize = 64;
/// A connection without traffic is probed after this.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// The grace a request gets when the broker stops: a commit on its way to the disk is answered.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// Serves a client until it goes, misbehaves, or the broker stops. An I/O error is the client's end and not worth a line.
pub async fn serve(broker: &Broker, mut stream: TcpStream, peer: SocketAddr) -> Result<(), Closed> {
    // A response is one write; waiting for more would only add latency.
    let _ = stream.set_nodelay(true);
    // A client whose machine is gone is noticed while a request of it is parked.
    let _ = socket2::SockRef::from(&stream).set_tcp_keepalive(&socket2::TcpKeepalive::new().with_time(KEEPALIVE));
    let host = format!("/{}", peer.ip());
    let (read, write) = stream.split();
    let connection = Connection { broker, host, reader: BufReader::with_capacity(READ_BUFFER_BYTES, read), write, frame: Vec::new() };
    connection.run().await
}

struct Connection<'a> {
    broker: &'a Broker,
    host: String,
    reader: BufReader<ReadHalf<'a>>,
    write: WriteHalf<'a>,
    frame: Vec<u8>,
}

impl<'a> Connection<'a> {
    async fn run(mut self) -> Result<(), Closed> {
        let mut stop = self.broker.stop.clone();
        while let Some(room) = self.next_frame(&mut stop).await? {
            let Some(Reply { response, held }) = self.answer(&mut stop).await? else { return Ok(()) };
            drop(room);
            if self.frame.capacity() > KEPT_BYTES_MAX {
                self.frame = Vec::new();
            }
            let whole =
                write_pieces(&mut self.write, response.finish().map_err(|_| Refusal::ResponseTooLarge)?, self.broker.settings.frame_max)
                    .await?;
            drop(held);
            if !whole {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Reads the next request into `frame`. `None` when there will be none.
    async fn next_frame(&mut self, stop: &mut watch::Receiver<bool>) -> Result<Option<Room<'a>>, Closed> {
        let arrived = tokio::select! {
            arrived = timeout(self.broker.settings.idle_max, self.reader.fill_buf()) => arrived,
            () = stopped(stop) => return Ok(None),
        };
        match arrived {
            Ok(Ok(bytes)) if !bytes.is_empty() => {}
            // It hung up, its line broke, or it was idle for too long.
            Ok(_) | Err(_) => return Ok(None),
        }
        let whole = read_frame(self.broker, &mut self.reader, &mut self.frame);
        timeout(self.broker.settings.frame_max, whole).await.map_err(|_| Closed::Stalled)?
    }

    /// Lets the request in `frame` be answered. `None` when nobody waits for the answer any more.
    async fn answer(&mut self, stop: &mut watch::Receiver<bool>) -> Result<Option<Reply>, Closed> {
        let work = router::dispatch(self.broker, &self.frame, &self.host)?;
        let stopped = async {
            stopped(stop).await;
            tokio::time::sleep(STOP_GRACE).await;
        };
        tokio::select! {
            biased;
            reply = work => Ok(Some(reply?)),
            () = hung_up(&mut self.reader) => Ok(None),
            () = stopped => Ok(None),
        }
    }
}

/// Room that a large request takes from all of them.
type Room<'a> = Option<SemaphorePermit<'a>>;

/// Reads one frame; `None` when the client ends in the middle.
async fn read_frame<'b>(broker: &'b Broker, reader: &mut BufReader<ReadHalf<'_>>, frame: &mut Vec<u8>) -> Result<Option<Room<'b>>, Closed> {
    let mut head = [0; 4];
    if reader.read_exact(&mut head).await.is_err() {
        return Ok(None);
    }
    let len = frame_length(head, broker.settings.request_bytes_max)?;
    let room = if len > SMALL_FRAME_BYTES {
        let kib = u32::try_from(len.div_ceil(1024)).unwrap_or(u32::MAX);
        // Only closing the semaphore fails, and nobody does.
        broker.request_room.acquire_many(kib).await.ok()
    } else {
        None
    };
    frame.clear();
    let mut left = len;
    while left > 0 {
        let arrived = match reader.fill_buf().await {
            Ok(bytes) if !bytes.is_empty() => bytes,
            Ok(_) | Err(_) => return Ok(None),
        };
        let taken = arrived.get(..left).unwrap_or(arrived);
        frame.extend_from_slice(taken);
        let taken = taken.len();
        left -= taken;
        reader.consume(taken);
    }
    Ok(Some(room))
}

fn frame_length(head: [u8; 4], max: usize) -> Result<usize, Closed> {
    match &head {
        [0x16, 0x03, ..] => return Err(Closed::Tls),
        b"GET " | b"POST" | b"PUT " | b"HEAD" | b"OPTI" => return Err(Closed::Http),
        _ => {}
    }
    let announced = i32::from_be_bytes(head);
    usize::try_from(announced).ok().filter(|len| (1..=max).contains(len)).ok_or(Closed::Length(announced))
}

/// Returns when the client has closed its side. Never when it has sent more: the next request waits its turn.
async fn hung_up(reader: &mut BufReader<ReadHalf<'_>>) {
    match reader.fill_buf().await {
        Ok(bytes) if !bytes.is_empty() => std::future::pending().await,
        Ok(_) | Err(_) => {}
    }
}

/// Writes all pieces without joining them. False when the client has gone.
async fn write_pieces(write: &mut WriteHalf<'_>, pieces: Vec<Bytes>, stall_max: Duration) -> Result<bool, Closed> {
    let mut pieces = std::collections::VecDeque::from(pieces);
    while !pieces.is_empty() {
        let slices: Vec<IoSlice<'_>> = pieces.iter().take(WRITE_PIECES_MAX).map(|piece| IoSlice::new(piece)).collect();
        let mut written = match timeout(stall_max, write.write_vectored(&slices)).await {
            Ok(Ok(written)) if written > 0 => written,
            Ok(_) => return Ok(false),
            Err(_) => return Err(Closed::Stalled),
        };
        while let Some(first) = pieces.front_mut() {
            if written < first.len() {
                first.advance(written);
                break;
            }
            written -= first.len();
            pieces.pop_front();
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_protocol_is_named() {
        assert!(matches!(frame_length([0x16, 3, 1, 2], 1 << 20), Err(Closed::Tls)));
        assert!(matches!(frame_length(*b"GET ", 1 << 20), Err(Closed::Http)));
        assert!(matches!(frame_length([0, 0, 0, 0], 1 << 20), Err(Closed::Length(0))));
        assert!(matches!(frame_length([0xff, 0, 0, 0], 1 << 20), Err(Closed::Length(_))));
        assert_eq!(frame_length([0, 0, 1, 0], 1 << 20).ok(), Some(256));
    }
}
