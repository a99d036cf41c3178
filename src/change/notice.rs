//! What is told of the progress of a snapshot, in Debezium's words.
//!
//! Owns the content of a notification: what it is about, what happened, the facts. When it is told, and on which
//! channels in which form, is the affair of others.

/// A notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The signal it answers; empty where there is none.
    pub id: String,
    /// What it is about: Debezium's `aggregate_type`.
    pub aggregate: &'static str,
    /// What happened: Debezium's `type`.
    pub kind: &'static str,
    /// The facts, as texts: Debezium's `additional_data`.
    pub data: Vec<(&'static str, String)>,
}

/// What notices of initial snapshots are about, and of blocking ones.
pub const INITIAL_SNAPSHOT: &str = "Initial Snapshot";
/// What notices of incremental snapshots are about.
pub const INCREMENTAL_SNAPSHOT: &str = "Incremental Snapshot";

impl std::fmt::Display for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.aggregate, self.kind)?;
        for (name, value) in &self.data {
            write!(f, " {name}={value}")?;
        }
        Ok(())
    }
}
