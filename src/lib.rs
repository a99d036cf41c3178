//! Rowfeed: every committed row change of a PostgreSQL database becomes a keyed event on a per-table topic.

pub mod broker;
pub mod log;
pub mod problem;
pub mod record;
