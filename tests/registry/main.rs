//! The schema registry as clients meet it: Confluent's REST API over sockets, and Confluent's own client.

mod confluent;
#[expect(dead_code, clippy::unwrap_used, reason = "the other clients are the broker's, and a test fails by panicking")]
#[path = "../broker/installed.rs"]
mod installed;
mod python;
mod rest;
mod served;
