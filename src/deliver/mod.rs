//! Push subscriptions: sinks that deliver what the log has.

pub mod webhook;
