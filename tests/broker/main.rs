//! The Kafka front as clients meet it: a log in a folder, served on a free port, read by real clients and by raw sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod clients;
mod hostile;
mod installed;
mod latency;
#[cfg(feature = "kafka")]
mod librdkafka;
mod protocol;
mod served;
mod wire;
