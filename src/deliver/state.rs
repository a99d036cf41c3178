//! What subscriptions remember durably, beside the places of their groups: records of the internal topic
//! `__rowfeed_subscriptions`.
//!
//! Owns the keys: `definition/NAME` (made over HTTP), `target/NAME` (paused), `opened/NAME` (it has begun once), and
//! `state/NAME/...`, a sink's own. Promises that what was put is there after a crash, and that what is removed with a subscription is all of it.
//! It is handed out to no client: definitions may hold secrets.

use bytes::Bytes;

use crate::log::LogError;
use crate::log::builtin::BuiltinLog;
use crate::log::topic::SUBSCRIPTIONS_TOPIC;
use crate::problem::Problem;

/// Records, each a key and a value or its removal.
pub type Records = Vec<(String, Option<Vec<u8>>)>;

/// The store.
#[derive(Clone)]
pub struct Store(BuiltinLog);

impl Store {
    /// In this log.
    pub fn new(log: BuiltinLog) -> Self {
        Self(log)
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<Bytes> {
        self.0.latest(SUBSCRIPTIONS_TOPIC, key.as_bytes())
    }

    /// All keys that begin so, without that beginning, and their values.
    pub fn list(&self, prefix: &str) -> Vec<(String, Bytes)> {
        let all = self.0.state(SUBSCRIPTIONS_TOPIC).into_iter();
        all.filter_map(|(key, value)| Some((std::str::from_utf8(&key).ok()?.strip_prefix(prefix)?.to_owned(), value))).collect()
    }

    /// Puts records in one commit; durable when it returns.
    pub async fn put(&self, records: Records) -> Result<(), Problem> {
        if records.is_empty() {
            return Ok(());
        }
        let records = records.into_iter().map(|(key, value)| (key.into_bytes(), value)).collect();
        self.0.put(SUBSCRIPTIONS_TOPIC, records).await.map_err(|error| problem(&error))
    }

    /// Removes all keys that begin so.
    pub async fn remove(&self, prefix: &str) -> Result<(), Problem> {
        let keys = self.list(prefix);
        self.put(keys.into_iter().map(|(rest, _)| (format!("{prefix}{rest}"), None)).collect()).await
    }
}

/// A problem of the log as one of a subscription: it is tried again, but when the log has stopped for good.
pub fn problem(error: &LogError) -> Problem {
    let problem = error.problem();
    match error {
        LogError::Paused(_) | LogError::OffsetOutOfRange { .. } | LogError::TopicGone => {
            Problem { action: crate::problem::Action::Retry, ..problem }
        }
        _ => problem,
    }
}
