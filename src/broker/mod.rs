//! The Kafka wire protocol over the built-in log: any Kafka client reads the change topics as it reads Kafka.
//!
//! Owns the listener, the connections, the message codec, one file per API ([`api`]), the table of what is served
//! ([`router`]) and the consumer groups ([`groups`]). Promises:
//!
//! - **Only what is whole is advertised** (Produce excepted, see [`api::produce`]): clients fall back by themselves where an
//!   API is absent, and break where it is half there.
//! - **Bytes from outside harm nobody.** No request panics, reserves memory for lengths it announces, or holds more than its
//!   connection's share; see [`connection`].
//! - **What a consumer has seen can never vanish:** the high watermark is the durable end of a partition.
//! - **Answers in order**, one request of a connection at a time, as Kafka itself does.
//!
//! Leaves topics, offsets and files to [`crate::log`]; knows nothing of connectors. Versions, behaviour and what is left
//! out: `docs/kafka-protocol.md`.

pub mod api;
pub mod codec;
pub mod connection;
pub mod error_code;
pub mod groups;
mod listener;
pub mod router;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::log::builtin::BuiltinLog;
use groups::{Coordinator, GroupLimits};

/// A host name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Name or address, IPv6 without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') { write!(f, "[{}]:{}", self.host, self.port) } else { write!(f, "{}:{}", self.host, self.port) }
    }
}

/// Settings of the Kafka listener.
#[derive(Clone, Debug)]
pub struct BrokerSettings {
    /// What clients are told to connect to: they use this and not the address they came by.
    pub advertised: HostPort,
    /// This broker's number, and the controller's.
    pub node_id: i32,
    /// Connections at a time; more are closed at once.
    pub connections_max: usize,
    /// The largest request, bytes.
    pub request_bytes_max: usize,
    /// What large requests being read or worked on take in all, bytes.
    pub requests_bytes_max: usize,
    /// The most record bytes of one Fetch response (a first batch that is larger alone excepted).
    pub fetch_bytes_max: usize,
    /// What Fetch responses take in all, about, in bytes; above it they get small.
    pub fetches_bytes_max: usize,
    /// A connection without requests is closed after this: Kafka's `connections.max.idle.ms`.
    pub idle_max: Duration,
    /// The time a request may take to arrive, from its first byte to its last, and the time without progress while a
    /// response is written.
    pub frame_max: Duration,
    /// Limits of consumer groups.
    pub groups: GroupLimits,
}

impl BrokerSettings {
    /// The defaults, for clients that reach this broker at `advertised`.
    pub fn new(advertised: HostPort) -> Self {
        Self {
            advertised,
            node_id: 1,
            connections_max: 1000,
            request_bytes_max: 2 << 20,
            requests_bytes_max: 16 << 20,
            fetch_bytes_max: 4 << 20,
            fetches_bytes_max: 32 << 20,
            idle_max: Duration::from_secs(600),
            frame_max: Duration::from_secs(30),
            groups: GroupLimits::default(),
        }
    }
}

/// Serves clients on `listener` until `stop` says true; then parked requests are answered or dropped within two seconds.
pub async fn serve(settings: BrokerSettings, log: BuiltinLog, listener: TcpListener, stop: watch::Receiver<bool>) {
    serve_broker(Arc::new(Broker::new(settings, log, stop)), listener).await;
}

/// The same for a broker that others look into, too.
pub async fn serve_broker(broker: Arc<Broker>, listener: TcpListener) {
    tokio::select! {
        () = broker.groups.run() => {}
        () = listener::run(&broker, listener) => {}
    }
}

/// Returns when the broker is told to stop. Cancel-safe.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that nobody can tell us any more: then it is over too.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// What all connections share.
pub struct Broker {
    /// The settings.
    pub settings: BrokerSettings,
    /// The log that is served.
    pub log: BuiltinLog,
    /// The consumer groups.
    pub groups: Coordinator,
    /// Turns true when the broker ends.
    pub stop: watch::Receiver<bool>,
    /// Room for large requests, in KiB.
    request_room: Semaphore,
    /// Record bytes of Fetch responses that are not written yet.
    fetched_bytes: Arc<AtomicUsize>,
}

impl Broker {
    /// A broker with the groups that are in the log.
    pub fn new(settings: BrokerSettings, log: BuiltinLog, stop: watch::Receiver<bool>) -> Self {
        let groups = Coordinator::restore(settings.groups.clone(), log.clone());
        let request_room = Semaphore::new(settings.requests_bytes_max >> 10);
        Self { settings, log, groups, stop, request_room, fetched_bytes: Arc::default() }
    }
}

/// Record bytes counted as held by a response; given back when dropped.
pub struct FetchedBytes {
    all: Arc<AtomicUsize>,
    bytes: usize,
}

impl FetchedBytes {
    fn none(all: &Arc<AtomicUsize>) -> Self {
        Self { all: Arc::clone(all), bytes: 0 }
    }

    /// Takes up to `bytes` of what is left of `all_max`, or up to `least` when nothing is; says how many.
    fn reserve(&mut self, bytes: usize, all_max: usize, least: usize) -> usize {
        let before = self.all.fetch_add(bytes, Ordering::Relaxed);
        let granted = bytes.min(all_max.saturating_sub(before).max(least));
        self.all.fetch_sub(bytes - granted, Ordering::Relaxed);
        self.bytes += granted;
        granted
    }

    /// What was reserved became `taken` bytes.
    fn settle(&mut self, reserved: usize, taken: usize) {
        self.all.fetch_add(taken, Ordering::Relaxed);
        self.all.fetch_sub(reserved, Ordering::Relaxed);
        self.bytes = self.bytes + taken - reserved;
    }
}

impl Drop for FetchedBytes {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_that_are_read_together_share_one_room() {
        let all = Arc::default();
        let (mut first, mut second) = (FetchedBytes::none(&all), FetchedBytes::none(&all));
        assert_eq!(first.reserve(80, 100, 10), 80);
        assert_eq!(second.reserve(80, 100, 10), 20);
        assert_eq!(second.reserve(60, 100, 10), 10);
        second.settle(30, 5);
        first.settle(80, 100);
        assert_eq!(all.load(Ordering::Relaxed), 105);
        drop(first);
        assert_eq!(second.reserve(80, 100, 10), 80);
        drop(second);
        assert_eq!(all.load(Ordering::Relaxed), 0);
    }
}
