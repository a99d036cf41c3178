//! The program as a user meets it: a real PostgreSQL, real sockets, real files, a Kafka client that is not ours.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

#[cfg(feature = "kafka")]
mod kill;
#[path = "../oracle/mod.rs"]
mod oracle;
mod oracle_itself;
#[path = "../support/mod.rs"]
mod support;
