//! Accepts connections and owns their tasks.
//!
//! Promises that errors of `accept` (no file descriptors left) never spin, that connections above the limit are closed at
//! once, that clients cannot fill the log file, and that all tasks have ended when it returns.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{info, warn};

use super::{Broker, connection, stopped};

/// How long `accept` rests after an error: descriptors are freed by connections that end, not by trying.
const ACCEPT_REST: Duration = Duration::from_millis(100);
/// How long connections may take to end by themselves when the broker stops.
const STOP_WAIT: Duration = Duration::from_millis(1500);

/// Serves until the broker stops.
pub async fn run(broker: &Arc<Broker>, listener: TcpListener) {
    let mut stop = broker.stop.clone();
    let mut connections = JoinSet::new();
    let notices = Arc::new(Notices::default());
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => admit(broker, &notices, &mut connections, stream, peer),
                Err(problem) => {
                    notices.say(|| warn!(%problem, "a Kafka client could not be accepted"));
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            },
            Some(_) = connections.join_next() => {}
            () = stopped(&mut stop) => break,
        }
    }
    drop(listener);
    let all_end = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_WAIT, all_end).await.is_err() {
        connections.shutdown().await;
    }
    info!("the Kafka listener has stopped");
}

fn admit(broker: &Arc<Broker>, notices: &Arc<Notices>, connections: &mut JoinSet<()>, stream: TcpStream, peer: std::net::SocketAddr) {
    if connections.len() >= broker.settings.connections_max {
        let connections_max = broker.settings.connections_max;
        return notices.say(|| warn!(%peer, connections_max, "a Kafka client was turned away: there are too many connections"));
    }
    let (broker, notices) = (Arc::clone(broker), Arc::clone(notices));
    connections.spawn(async move {
        if let Err(reason) = connection::serve(&broker, stream, peer).await {
            notices.say(|| warn!(%peer, %reason, "a Kafka connection was closed"));
        }
    });
}

/// Lets at most a few lines a second through: whoever can connect could write the log full otherwise.
#[derive(Default)]
struct Notices {
    second: AtomicU64,
    said: AtomicU64,
}

impl Notices {
    const PER_SECOND: u64 = 5;

    fn say(&self, line: impl FnOnce()) {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        let second = START.get_or_init(Instant::now).elapsed().as_secs();
        if self.second.swap(second, Ordering::Relaxed) != second {
            self.said.store(0, Ordering::Relaxed);
        }
        if self.said.fetch_add(1, Ordering::Relaxed) < Self::PER_SECOND {
            line();
        }
    }
}
