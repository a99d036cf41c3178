//! The delivery log: what became of the newest deliveries, and of all that wait.
//!
//! Owns one list in memory, shared by the dispatcher that writes it and HTTP that shows it. Promises that it has a record once, as its
//! last try left it: one that was given up and then arrived by a replay is given up no more. And that it is bounded: the newest
//! [`RECENT_MAX`] records, and those that wait for another try. It outlives no restart; what waits is put in again from what is
//! stored ([`super::waiting`]).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::lanes::At;
use crate::event::view::rfc3339;

/// Records that are remembered, beside those that wait.
pub const RECENT_MAX: usize = 1_000;
/// A key longer than this is cut where it is shown.
const KEY_BYTES_MAX: usize = 256;
/// What is kept of an answer or of a reason.
const TEXT_BYTES_MAX: usize = 2_048;

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The receiver has it.
    Delivered,
    /// It is tried again.
    Waiting,
    /// It is in the dead-letter topic.
    Dead,
}

impl State {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Waiting => "waiting",
            Self::Dead => "dead",
        }
    }
}

/// Which deliveries are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of them.
    All,
    /// Those in one state.
    In(State),
    /// What was not delivered: waiting and dead.
    Failed,
}

impl Wanted {
    /// Reads `state=`.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "" | "all" => Self::All,
            "delivered" => Self::In(State::Delivered),
            "waiting" | "pending" => Self::In(State::Waiting),
            "dead" => Self::In(State::Dead),
            "failed" => Self::Failed,
            _ => return None,
        })
    }

    fn fits(self, state: State) -> bool {
        match self {
            Self::All => true,
            Self::In(wanted) => wanted == state,
            Self::Failed => state != State::Delivered,
        }
    }
}

/// One delivery.
#[derive(Clone, Debug)]
pub struct Entry {
    /// `webhook-id`.
    pub id: String,
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: u32,
    /// The offset.
    pub offset: u64,
    /// The record's key, cut.
    pub key: Option<Vec<u8>>,
    /// Which try this was, from 1.
    pub attempt: u32,
    /// What became of it.
    pub state: State,
    /// The receiver's status; none: it did not answer.
    pub status: Option<u16>,
    /// How long it took.
    pub duration_ms: u64,
    /// Why it failed.
    pub error: String,
    /// The first bytes of what was answered.
    pub response_head: Vec<u8>,
    /// When it was tried, milliseconds since 1970.
    pub at_ms: u64,
    /// When it is tried again.
    pub next_at_ms: Option<u64>,
}

impl Entry {
    /// Cuts what may be long.
    fn cut(mut self) -> Self {
        if let Some(key) = &mut self.key {
            key.truncate(KEY_BYTES_MAX);
        }
        self.response_head.truncate(TEXT_BYTES_MAX);
        if self.error.len() > TEXT_BYTES_MAX {
            let end = (0..=TEXT_BYTES_MAX).rev().find(|end| self.error.is_char_boundary(*end)).unwrap_or(0);
            self.error.truncate(end);
        }
        self
    }

    /// As HTTP shows it.
    pub fn json(&self) -> Value {
        let key = self
            .key
            .as_deref()
            .map(|key| serde_json::from_slice(key).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(key).into_owned())));
        json!({
            "webhook_id": self.id,
            "topic": &*self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "key": key,
            "attempt": self.attempt,
            "state": self.state.name(),
            "status": self.status,
            "duration_ms": self.duration_ms,
            "error": (!self.error.is_empty()).then_some(&self.error),
            "response_head": (!self.response_head.is_empty()).then(|| String::from_utf8_lossy(&self.response_head)),
            "at": time(self.at_ms),
            "next_at": self.next_at_ms.map(time),
        })
    }
}

fn time(ms: u64) -> String {
    rfc3339(i64::try_from(ms).unwrap_or(i64::MAX))
}

/// The list; clones share it.
#[derive(Clone, Debug, Default)]
pub struct History(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    /// By a number that rises with each try.
    recent: BTreeMap<u64, Entry>,
    /// The numbers of records in it, by their ids: places are numbered anew with each run.
    numbers: HashMap<String, u64>,
    next: u64,
    waiting: BTreeMap<At, Entry>,
}

impl History {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run begins, and restores what waits under the places that it has.
    pub fn forget_waiting(&self) {
        self.kept().waiting.clear();
    }

    /// Adds a try. What waited, was given up or had arrived is what it is now.
    pub fn add(&self, at: At, entry: Entry) {
        let entry = entry.cut();
        let mut kept = self.kept();
        if let Some(number) = kept.numbers.remove(&entry.id) {
            kept.recent.remove(&number);
        }
        if entry.state == State::Waiting {
            kept.waiting.insert(at, entry);
            return;
        }
        kept.waiting.remove(&at);
        if kept.recent.len() >= RECENT_MAX {
            let oldest = kept.recent.pop_first();
            oldest.and_then(|(_, oldest)| kept.numbers.remove(&oldest.id));
        }
        let number = kept.next;
        kept.next += 1;
        kept.numbers.insert(entry.id.clone(), number);
        kept.recent.insert(number, entry);
    }

    /// Forgets what waits: there is nothing to send any more.
    pub fn forget(&self, at: At) {
        self.kept().waiting.remove(&at);
    }

    /// Forgets what waits in one partition, whose topic is gone.
    pub fn drop_place(&self, place: u32) {
        self.kept().waiting.retain(|at, _| at.place != place);
    }

    /// Deliveries, the newest first; `max` of them.
    pub fn list(&self, wanted: Wanted, max: usize) -> Vec<Value> {
        let kept = self.kept();
        let mut fitting: Vec<&Entry> = kept.waiting.values().chain(kept.recent.values()).filter(|entry| wanted.fits(entry.state)).collect();
        fitting.sort_by_key(|entry| std::cmp::Reverse(entry.at_ms));
        fitting.into_iter().take(max).map(Entry::json).collect()
    }

    /// Why a record waits: the last status and the last error.
    pub fn why(&self, at: At) -> (Option<u16>, String) {
        self.kept().waiting.get(&at).map_or((None, String::new()), |entry| (entry.status, entry.error.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(offset: u64, state: State) -> Entry {
        Entry {
            id: format!("evt_{offset}"),
            topic: "t".into(),
            partition: 0,
            offset,
            key: Some(b"{\"id\":42}".to_vec()),
            attempt: 1,
            state,
            status: Some(503),
            duration_ms: 120,
            error: "é".repeat(2_000),
            response_head: vec![b'x'; 5_000],
            at_ms: 1_000 + offset,
            next_at_ms: (state == State::Waiting).then_some(6_000),
        }
    }

    fn at(offset: u64) -> At {
        At { place: 0, offset }
    }

    #[test]
    fn the_list_is_bounded_and_newest_first() {
        let history = History::default();
        for offset in 0..2_000 {
            history.add(at(offset), entry(offset, State::Delivered));
        }
        let list = history.list(Wanted::All, 5_000);
        assert_eq!((list.len(), list[0]["offset"].as_u64()), (RECENT_MAX, Some(1_999)));
    }

    #[test]
    fn a_record_that_arrives_by_a_replay_is_given_up_no_more() {
        let history = History::default();
        let states = || history.list(Wanted::All, 10).iter().map(|entry| entry["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        for state in [State::Dead, State::Delivered, State::Delivered, State::Waiting, State::Dead] {
            history.add(at(1), entry(1, state));
            assert_eq!(states(), [state.name()]);
        }
    }

    #[test]
    fn what_waits_is_listed_until_it_does_not() {
        let history = History::default();
        history.add(at(1), entry(1, State::Waiting));
        history.add(at(2), entry(2, State::Waiting));
        history.add(at(1), entry(1, State::Dead));
        history.add(at(3), entry(3, State::Delivered));
        let states = |wanted: &str| {
            let list = history.list(Wanted::parse(wanted).unwrap(), 10);
            list.iter().map(|entry| (entry["offset"].as_u64().unwrap(), entry["state"].as_str().unwrap().to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(states("failed"), [(2, "waiting".to_owned()), (1, "dead".to_owned())]);
        assert_eq!(states("delivered"), [(3, "delivered".to_owned())]);
        assert_eq!(Wanted::parse("lost"), None);
        let json = &history.list(Wanted::In(State::Waiting), 1)[0];
        assert_eq!(json["key"], json!({"id": 42}));
        assert_eq!(
            (json["next_at"].as_str(), json["response_head"].as_str().map(str::len)),
            (Some("1970-01-01T00:00:06.000Z"), Some(2_048))
        );
        history.drop_place(0);
        assert!(history.list(Wanted::In(State::Waiting), 10).is_empty());
    }
}
