//! Rowfeed: every committed row change of a PostgreSQL database becomes a keyed event on a per-table topic.

pub mod broker;
pub mod change;
pub mod cli;
pub mod config;
pub mod connect;
pub mod deliver;
pub mod demo;
pub mod encode;
pub mod event;
pub mod http;
pub mod log;
pub mod metrics;
pub mod postgres;
pub mod problem;
pub mod record;
pub mod registry;
pub mod service;
pub mod telemetry;
