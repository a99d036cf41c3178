//! The events of the real Debezium beside ours, byte by byte.
//!
//! `*.sql` are the databases: `--- setup`, `--- rows` (written before the snapshot and again in the stream), `--- stream`.
//! `*.jsonl` is what Debezium 3.6.3 publishes for them, captured by `scripts/golden_refresh.sh`, which runs Debezium and
//! rowfeed on the same server at the same time and compares every LSN, transaction id and time as well. Without Java the
//! captured file is compared, with those numbers replaced by their order. `scripts/golden_refresh.sh --check` runs Debezium,
//! too, rewrites nothing and fails where a captured file is not what Debezium says now. What is deliberately not as Debezium
//! has it is listed in [`differences`], each with its reason, and nothing else may differ.

#[cfg(feature = "kafka")]
mod debezium;
#[cfg(feature = "kafka")]
mod differences;
#[cfg(feature = "kafka")]
mod masks;
#[cfg(feature = "kafka")]
mod scenes;
#[cfg(feature = "kafka")]
mod signals;
#[path = "../support/mod.rs"]
mod support;
#[cfg(feature = "kafka")]
mod takeover;
