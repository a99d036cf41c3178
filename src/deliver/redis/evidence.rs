//! What happened to a key: the last invalidations, for `rowfeed cache explain`.
//!
//! Bounded: the newest [`EVIDENCE_MAX`] of a subscription. Promises nothing beyond this process: it is an aid, not a record.

use std::collections::VecDeque;

use serde_json::{Value as Json, json};

use super::batch::Cause;
use crate::change::Lsn;

/// So many invalidations are remembered.
pub const EVIDENCE_MAX: usize = 20_000;

/// One.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Its transactions.
    pub xids: Vec<u32>,
    /// Its cause.
    pub cause: Cause,
    /// When it was done before the fence, and behind it, milliseconds since 1970.
    pub phases_ms: [i64; 2],
    /// The WAL's flushed end when the fence was passed.
    pub fence: Lsn,
}

/// The newest ones.
#[derive(Debug, Default)]
pub struct Evidence(VecDeque<Entry>);

impl Evidence {
    /// Remembers one.
    pub fn add(&mut self, entry: Entry) {
        if self.0.len() >= EVIDENCE_MAX {
            self.0.pop_front();
        }
        self.0.push_back(entry);
    }

    /// Those of a key, newest first.
    pub fn of(&self, key: &str, max: usize) -> Vec<Json> {
        let newest = self.0.iter().rev().filter(|entry| entry.key == key).take(max);
        newest
            .map(|entry| {
                let [deleted, fenced] = entry.phases_ms;
                json!({
                    "topic": entry.cause.topic.name, "partition": entry.cause.partition, "offset": entry.cause.offset,
                    "lsn": entry.cause.lsn.to_string(), "transactions": entry.xids, "committed_ms": entry.cause.commit_us / 1000,
                    "deleted_ms": deleted, "fenced_ms": fenced, "fence_lsn": entry.fence.to_string(),
                })
            })
            .collect()
    }
}
