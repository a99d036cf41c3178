//! The program as a user meets it: a real PostgreSQL, real sockets, real files, a Kafka client that is not ours.
//!
//! Without the feature `kafka` there is no such client, and only the oracle's own test runs.

#[cfg(feature = "kafka")]
mod api;
#[cfg(feature = "kafka")]
mod apicurio;
#[cfg(feature = "kafka")]
mod avro;
mod bench;
#[cfg(feature = "kafka")]
mod cache;
#[cfg(feature = "kafka")]
mod cache_race;
mod check;
#[cfg(feature = "kafka")]
#[path = "../registry/confluent.rs"]
mod confluent;
#[cfg(feature = "kafka")]
mod connect_api;
#[cfg(feature = "kafka")]
mod connect_fixtures;
#[cfg(feature = "kafka")]
mod console;
#[cfg(feature = "kafka")]
mod console_stories;
#[cfg(feature = "kafka")]
mod demo;
#[cfg(feature = "kafka")]
mod disk;
#[cfg(feature = "kafka")]
mod error_texts;
#[cfg(feature = "kafka")]
mod examples;
#[cfg(feature = "kafka")]
mod external_kafka;
#[cfg(feature = "kafka")]
mod extremes;
#[cfg(feature = "kafka")]
mod forms;
#[cfg(feature = "kafka")]
mod history;
#[cfg(feature = "kafka")]
mod incremental;
#[cfg(feature = "kafka")]
#[expect(dead_code, clippy::unwrap_used, reason = "the other clients are the broker's, and a test fails by panicking")]
#[path = "../broker/installed.rs"]
mod installed;
#[cfg(feature = "kafka")]
mod keys;
#[cfg(feature = "kafka")]
mod kill;
#[cfg(feature = "kafka")]
mod many;
#[cfg(feature = "kafka")]
mod metrics;
#[cfg(feature = "kafka")]
mod misuse;
#[cfg(feature = "kafka")]
mod network;
#[cfg(feature = "kafka")]
mod notifications;
#[cfg(feature = "kafka")]
mod options;
#[path = "../oracle/mod.rs"]
mod oracle;
mod oracle_itself;
#[cfg(feature = "kafka")]
mod pages;
#[cfg(feature = "kafka")]
mod prepared;
mod proposed;
#[cfg(feature = "kafka")]
mod publication;
#[cfg(feature = "kafka")]
mod reconcile;
#[cfg(feature = "kafka")]
mod reload;
#[cfg(feature = "kafka")]
mod resume;
#[cfg(feature = "kafka")]
mod search;
mod secrets;
#[cfg(feature = "kafka")]
mod signals;
#[cfg(feature = "kafka")]
mod slots;
#[cfg(feature = "kafka")]
mod snapshot;
#[cfg(feature = "kafka")]
mod snapshot_options;
#[cfg(feature = "kafka")]
mod snapshot_resume;
mod stream;
#[cfg(feature = "kafka")]
mod streaming;
#[path = "../support/mod.rs"]
mod support;
mod tls;
mod tokens;
#[cfg(feature = "kafka")]
mod traces;
#[cfg(feature = "kafka")]
mod trial;
#[cfg(feature = "kafka")]
mod types;
#[cfg(feature = "kafka")]
mod webhooks;
