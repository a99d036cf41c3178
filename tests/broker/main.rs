//! The Kafka front as clients meet it: a log in a folder, served on a free port, read by real clients and by raw sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod clients;
mod installed;
mod served;
