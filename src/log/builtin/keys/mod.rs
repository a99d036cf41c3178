//! Where the newest record of each key is: an index kept beside the log, made by reading it.
//!
//! Owns the files `<data>/log/FROM-TO.keys` and the thread that makes them (`follow`). Promises:
//!
//! - **It is derived.** Whatever is missing, torn or of another log is made again from the segments. It says up to which commit it
//!   has read; a question waits until that is what was durable when it was asked, and is refused where that is far away.
//! - **The writer pays nothing for it.** The thread reads what is durable, at the lowest priority, and does not count as a follower.
//! - **Its memory has a bound:** one table of [`KeySettings::run_keys`] keys, about. The rest is in sorted files (`run`), merged as
//!   they grow in number; a look-up reads a block or two of each, newest first.
//! - **A place may be out of date** in one way only: retention has removed the record since. Reading it says so.
//!
//! What is newest of records without a key is known by topic, too: a table that was emptied tells it by such a record. What a record
//! says, that it is a delete for instance, is left to who asks.

mod follow;
mod run;
mod table;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;

use super::BuiltinLog;
use crate::log::LogError;
use crate::log::topic::TopicInfo;
use crate::record::TopicIndex;
use crate::record::view::{RecordView, batches};
pub(super) use follow::Follower;
use run::Run;
use table::{KeyHash, KeyHasher, Table};
pub use table::{Place, Same};

/// How an index of keys is kept.
#[derive(Clone, Copy, Debug)]
pub struct KeySettings {
    /// What is the same of a key under every schema.
    pub same: Same,
    /// Keys in memory: with so many they become a run.
    pub run_keys: usize,
    /// With so many bytes of the log they become one, too: so much is read again after a start.
    pub run_bytes: u64,
}

impl KeySettings {
    /// 100,000 keys in memory (about 5 MB), 64 MiB of the log.
    pub fn new(same: Same) -> Self {
        Self { same, run_keys: 100_000, run_bytes: 64 << 20 }
    }
}

/// How long a question waits for the index to have read what is durable.
const FRESH_WAIT: Duration = Duration::from_secs(2);
/// How long a question gives the thread to notice that all is to be made anew.
const ANEW_WAIT: Duration = Duration::from_millis(5);
/// Topics whose keys' form is remembered.
const SAMPLES_MAX: usize = 10_000;
/// Who wait for a newer record, at a time.
pub const WATCHERS_MAX: usize = 256;

/// What is known, newest last.
#[derive(Default)]
struct State {
    /// Of the commits behind the last run.
    table: Table,
    /// One behind the other, without a gap.
    runs: Vec<Arc<Run>>,
    /// The newest commit that these know.
    read: u64,
}

/// The index, as readers and its thread share it.
pub struct KeyIndex {
    hasher: KeyHasher,
    state: RwLock<State>,
    /// The newest commit that it has read, for who waits.
    read: watch::Sender<u64>,
    /// A look-up found a run damaged: all is made anew.
    damaged: AtomicBool,
    watchers: AtomicUsize,
    /// A key of each topic that was asked for one, so many: how its keys are written.
    samples: Mutex<HashMap<TopicIndex, Bytes>>,
    /// There is something to do, and the end.
    bell: Mutex<Bell>,
    rung: Condvar,
}

#[derive(Default)]
struct Bell {
    asked: bool,
    closing: bool,
}

/// Why the thread goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    Asked,
    Time,
    Closing,
}

impl KeyIndex {
    /// An index that has read nothing.
    pub(super) fn new(cluster_id: &str, same: Same) -> Self {
        Self {
            hasher: KeyHasher::new(cluster_id, same),
            state: RwLock::default(),
            read: watch::Sender::new(0),
            damaged: AtomicBool::new(false),
            watchers: AtomicUsize::new(0),
            samples: Mutex::default(),
            bell: Mutex::default(),
            rung: Condvar::new(),
        }
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something became durable. Nobody is woken unless somebody waits for it: else the thread looks by itself now and then.
    pub(super) fn published(&self) {
        if self.watchers.load(Ordering::Relaxed) > 0 {
            self.ring();
        }
    }

    fn ring(&self) {
        self.bell.lock().unwrap_or_else(PoisonError::into_inner).asked = true;
        self.rung.notify_one();
    }

    /// Ends the thread.
    pub(super) fn close(&self) {
        self.bell.lock().unwrap_or_else(PoisonError::into_inner).closing = true;
        self.rung.notify_one();
    }

    /// Until it is asked, or so long.
    fn wait(&self, time: Duration) -> Woken {
        let bell = self.bell.lock().unwrap_or_else(PoisonError::into_inner);
        let is_quiet = |bell: &mut Bell| !bell.asked && !bell.closing;
        let (mut bell, _) = self.rung.wait_timeout_while(bell, time, is_quiet).unwrap_or_else(PoisonError::into_inner);
        let asked = std::mem::take(&mut bell.asked);
        match (bell.closing, asked) {
            (true, _) => Woken::Closing,
            (false, true) => Woken::Asked,
            (false, false) => Woken::Time,
        }
    }

    /// The place of a key in what was read, if it is behind commit `after`.
    fn find(&self, hash: KeyHash, after: u64) -> io::Result<Newest> {
        let (read, runs): (u64, Vec<Arc<Run>>) = {
            let state = self.state();
            if let Some(place) = state.table.get(&hash) {
                return Ok(Newest { read: state.read, place: Some(*place).filter(|place| place.commit > after) });
            }
            (state.read, state.runs.iter().rev().take_while(|run| run.about.to > after).cloned().collect())
        };
        for run in runs {
            match run.find(hash) {
                Ok(None) => {}
                Ok(Some(place)) => return Ok(Newest { read, place: Some(place).filter(|place| place.commit > after) }),
                Err(error) => {
                    tracing::warn!(run = %run.path().display(), "the index of keys is made anew: {error}");
                    self.damaged.store(true, Ordering::Relaxed);
                    self.ring();
                    return Err(error);
                }
            }
        }
        Ok(Newest { read, place: None })
    }

    /// Whether it can be found without reading a file.
    fn is_in_memory(&self, after: u64) -> bool {
        self.state().runs.last().is_none_or(|run| run.about.to <= after)
    }

    /// Waits until what was durable at `durable` has been read.
    async fn fresh(&self, durable: u64, until: Instant) -> Result<(), LogError> {
        let mut read = self.read.subscribe();
        if *read.borrow_and_update() >= durable {
            return Ok(());
        }
        self.ring();
        match tokio::time::timeout_at(until, read.wait_for(|read| *read >= durable)).await {
            Ok(read) => read.map(drop).map_err(|_| LogError::Closed),
            Err(_) => Err(LogError::KeysBehind { read: *self.read.borrow(), durable }),
        }
    }

    /// More was read; or all is forgotten.
    fn set_read(&self, read: u64) {
        self.state_mut().read = read;
        self.read.send_replace(read);
    }

    /// Is told when more was read, as long as it is kept; none when too many are.
    pub fn watch(self: &Arc<Self>) -> Option<KeyWatch> {
        let taken = self.watchers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| (count < WATCHERS_MAX).then_some(count + 1));
        taken.ok()?;
        Some(KeyWatch { read: self.read.subscribe(), index: Arc::clone(self) })
    }

    /// Whether two keys mean the same.
    pub fn is_same(&self, one: &[u8], other: &[u8]) -> bool {
        self.hasher.is_same(one, other)
    }

    /// The part of a key that says what is meant, without a schema.
    pub fn same<'a>(&self, key: &'a [u8]) -> &'a [u8] {
        self.hasher.same(key)
    }

    /// Files, and their bytes.
    pub fn size(&self) -> (usize, u64) {
        let state = self.state();
        (state.runs.len(), state.runs.iter().map(|run| run.bytes()).sum())
    }
}

impl std::fmt::Debug for KeyIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyIndex").field("read", &*self.read.borrow()).finish_non_exhaustive()
    }
}

/// One that waits for what is newer.
#[derive(Debug)]
pub struct KeyWatch {
    read: watch::Receiver<u64>,
    index: Arc<KeyIndex>,
}

impl KeyWatch {
    /// Returns when more was read than when it was asked last. Cancel-safe.
    pub async fn changed(&mut self) -> Result<(), LogError> {
        self.read.changed().await.map_err(|_| LogError::Closed)
    }
}

impl Drop for KeyWatch {
    fn drop(&mut self) {
        self.index.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What was found of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest {
    /// Everything up to this commit was looked at.
    pub read: u64,
    /// Where its newest record is, or was when it was indexed.
    pub place: Option<Place>,
}

impl BuiltinLog {
    /// The index of keys; none where the settings want none.
    pub fn keys(&self) -> Option<&Arc<KeyIndex>> {
        self.shared.keys.as_ref()
    }

    /// Where the newest record of a topic's key is, of all that is durable now; without a key, where its newest record without one is.
    /// `after`: only what is behind this commit is looked for, 0 for all.
    pub async fn newest(&self, topic: &TopicInfo, key: Option<&[u8]>, after: u64) -> Result<Newest, LogError> {
        let keys = self.keys().ok_or(LogError::KeysOff)?;
        let durable = self.shared.durable.borrow().0;
        let until = Instant::now() + FRESH_WAIT;
        let hash = keys.hasher.hash(topic.index, key);
        loop {
            keys.fresh(durable, until).await?;
            let found = if keys.is_in_memory(after) {
                keys.find(hash, after)
            } else {
                let keys = Arc::clone(keys);
                tokio::task::spawn_blocking(move || keys.find(hash, after)).await.map_err(|_| LogError::Closed)?
            };
            match found {
                Ok(newest) if newest.read >= durable => return Ok(newest),
                // All was forgotten in between, and is read again.
                _ if Instant::now() < until => tokio::time::sleep(ANEW_WAIT).await,
                _ => return Err(LogError::KeysBehind { read: *keys.read.borrow(), durable }),
            }
        }
    }

    /// A key of a topic without its schema, which tells how its keys are written; `anew`: not the one that was told before. None: the topic
    /// has none at its end and at its start.
    pub async fn sample_key(&self, topic: &TopicInfo, anew: bool) -> Result<Option<Bytes>, LogError> {
        let Some(keys) = self.keys() else { return Ok(None) };
        let samples = || keys.samples.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = samples().get(&topic.index).filter(|_| !anew) {
            return Ok(Some(known.clone()));
        }
        for partition in 0..topic.partitions {
            let Some(range) = self.offsets(topic.index, partition).filter(|range| range.end > range.start) else { continue };
            // The newest batch may have none: that of a table that was emptied.
            for offset in [range.end - 1, range.start] {
                let chunk = match self.read(topic.index, partition, offset, 1).await {
                    Ok(chunk) => chunk,
                    // Retention, or a delete of the topic, was faster.
                    Err(LogError::OffsetOutOfRange { .. } | LogError::UnknownPartition { .. }) => continue,
                    Err(error) => return Err(error),
                };
                let mut room = Vec::new();
                let key = batches(&chunk).next().and_then(|batch| batch.records(&mut room).flatten().find_map(|record| record.key));
                if let Some(key) = key {
                    let key = Bytes::copy_from_slice(keys.same(key));
                    let mut samples = samples();
                    if samples.len() >= SAMPLES_MAX {
                        samples.clear();
                    }
                    samples.insert(topic.index, key.clone());
                    return Ok(Some(key));
                }
            }
        }
        Ok(None)
    }

    /// The record at a place; none when retention has removed it.
    pub async fn record_at(&self, topic: &TopicInfo, place: Place) -> Result<Option<Kept>, LogError> {
        match self.read(topic.index, place.partition, place.offset, 1).await {
            Ok(chunk) => Ok(Some(Kept { place, chunk })),
            Err(LogError::OffsetOutOfRange { start, .. }) if start > place.offset => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A record, with the batch it stands in.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Where it is.
    pub place: Place,
    chunk: Bytes,
}

impl Kept {
    /// The record, unpacked into `room` where it is compressed.
    pub fn record<'a>(&'a self, room: &'a mut Vec<u8>) -> Option<RecordView<'a>> {
        let batch = batches(&self.chunk).find(|batch| (batch.base_offset()..batch.next_offset()).contains(&self.place.offset))?;
        batch.records(room).flatten().find(|record| record.offset == self.place.offset)
    }
}
