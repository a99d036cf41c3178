//! The built-in log: durable, single node, one shared sequence of frames.
//!
//! Owns the files of `<data>/log`. Promises, and how:
//!
//! - **A commit is a frame.** All its batches, over any number of topics, and the checkpoint record stand in one frame
//!   ([`mod@format`]); it counts whole or not at all. One write, one `fdatasync` for all frames that are waiting.
//! - **Visible means durable.** Readers see a frame only after the sync that covers it. Offsets are dense and never change.
//! - **Recovery** ([`recover`]) cuts a torn tail and refuses real damage, naming file and position: every frame says which
//!   commit was durable when it was written, so a bad frame that a later one vouches for is damage, never a tail.
//! - **A failed sync is final.** The log is poisoned, the process stops; PostgreSQL still has what was not confirmed.
//! - **A full disk pauses** the writer before the reserve is touched, and harms nothing that is written.
//! - **It has a limit** in age and size from the first day: whole sealed segments go, oldest first. What the newest
//!   checkpoint, the group offsets and the topics need stays, because every segment begins with all of it ([`catalog`]).
//!
//! One thread writes ([`writer`]) what connectors hand over, in fair turns (`queue`); any number of readers read the files through their own file positions ([`reader`]) and
//! never wait for the writer. It does not know what a row or an LSN is.

pub mod catalog;
pub mod direct;
pub mod files;
pub mod format;
pub mod keys;
mod queue;
pub mod reader;
pub mod recover;
pub mod segment;
pub mod verify;
pub mod writer;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{oneshot, watch};

use super::commit::KeptBytes;
use super::topic::{CATALOG_TOPIC, TopicInfo};
use super::{CommitSeq, LogError, LogWriter, TopicSpec};
use crate::problem::Problem;
use crate::record::compression::Compression;
use crate::record::{Route, TopicHandle, TopicIndex};
use catalog::Catalog;
pub use catalog::OffsetRange;
use files::{Files, RealFiles};
use keys::{Follower, KeyIndex, KeySettings};
use queue::{Entrance, Queue, QueueClosed};
use segment::Segment;
use writer::Command;
pub use writer::{BuiltinWriter, PARTITIONS_MAX};

/// Limits and place of a built-in log.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// The folder of the segments, made when missing.
    pub dir: PathBuf,
    /// A segment is sealed when it passes this size.
    pub segment_bytes: u64,
    /// The whole log's size; whole segments go above it.
    pub max_bytes: u64,
    /// Segments whose newest frame is older go.
    pub max_age: Duration,
    /// Free bytes of the file system that are never used.
    pub min_free_bytes: u64,
    /// How the index of the newest record of each key is kept, if one is wanted.
    pub key_index: Option<KeySettings>,
}

impl LogSettings {
    /// Kafka-like defaults: segments of 128 MiB, 40 GiB or 7 days, 256 MiB of disk in reserve.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            segment_bytes: 128 << 20,
            max_bytes: 40 << 30,
            max_age: Duration::from_secs(7 * 24 * 3600),
            min_free_bytes: 256 << 20,
            key_index: None,
        }
    }
}

/// What readers and the writer share.
pub(crate) struct Index {
    catalog: Catalog,
    segments: VecDeque<Segment>,
}

/// State of the log as a whole.
struct Shared {
    index: RwLock<Index>,
    durable: watch::Sender<CommitSeq>,
    failure: watch::Sender<Option<Problem>>,
    paused: watch::Sender<Option<Problem>>,
    cluster_id: String,
    /// Up to here the active segment was written past the page cache.
    uncached: AtomicU64,
    /// Somebody has read the newest bytes since the writer looked last.
    followed: AtomicBool,
    /// Told to end, also while the disk is full.
    closing: AtomicBool,
    /// What the commits of all connectors have that wait for the log's thread.
    waiting_bytes: AtomicU64,
    /// What the buffers of all connectors keep.
    kept: KeptBytes,
    /// The index of keys.
    keys: Option<Arc<KeyIndex>>,
}

impl Shared {
    fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handle to an open log; clones share it.
#[derive(Clone)]
pub struct BuiltinLog {
    shared: Arc<Shared>,
    entrance: Arc<Entrance>,
    /// The writer's, and that of the index of keys.
    threads: Arc<Mutex<[Option<std::thread::JoinHandle<()>>; 2]>>,
}

impl BuiltinLog {
    /// Opens the log of a folder: recovers what is there and starts the writer's thread.
    pub fn open(settings: LogSettings) -> Result<Self, LogError> {
        std::fs::create_dir_all(&settings.dir).map_err(|source| LogError::Io {
            what: "cannot create",
            path: settings.dir.clone(),
            source,
        })?;
        // Every segment and every client keeps a descriptor; the usual limit of 1,024 is a relic that a process may lift.
        if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
            tracing::debug!("the limit of open files stays: {error}");
        }
        // New folders must outlive a power cut, as what is in them does.
        for parent in settings.dir.ancestors().skip(1).take(2).filter(|parent| !parent.as_os_str().is_empty()) {
            RealFiles.sync_dir(parent).map_err(|source| LogError::Io { what: "cannot sync", path: parent.to_owned(), source })?;
        }
        let lock = lock(&settings.dir)?;
        Self::open_with(settings, Arc::new(RealFiles), Some(lock))
    }

    /// Opens the log on any file system; the tests give one that loses writes.
    pub(crate) fn open_with(settings: LogSettings, files: Arc<dyn Files>, lock: Option<std::fs::File>) -> Result<Self, LogError> {
        let recovered = recover::recover(&settings, files.as_ref())?;
        let queue = Arc::new(Queue::default());
        let (writer, index) = writer::Writer::start(settings.clone(), Arc::clone(&files), recovered)?;
        let shared = Arc::new(Shared {
            cluster_id: index.catalog.cluster_id().to_owned(),
            durable: watch::Sender::new(CommitSeq(writer.durable())),
            failure: watch::Sender::new(None),
            paused: watch::Sender::new(None),
            uncached: AtomicU64::new(0),
            followed: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            waiting_bytes: AtomicU64::new(0),
            kept: KeptBytes::default(),
            keys: settings.key_index.map(|keys| Arc::new(KeyIndex::new(index.catalog.cluster_id(), keys.same))),
            index: RwLock::new(index),
        });
        let entrance = Arc::new(Entrance::new(Arc::clone(&queue)));
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("rowfeed-log".into())
            .spawn(move || {
                writer.run(&queue, &for_thread);
                if let Some(keys) = &for_thread.keys {
                    keys.close();
                }
                queue.end();
                drop(lock);
            })
            .map_err(|source| LogError::Io { what: "cannot start the log thread of", path: PathBuf::new(), source })?;
        let follower = follow(&shared, files, settings)?;
        Ok(Self { shared, entrance, threads: Arc::new(Mutex::new([Some(thread), follower])) })
    }

    /// Writes what was handed over, syncs it and ends the thread. Later calls do nothing.
    pub fn close(&self) {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads.into_iter().flatten() {
            self.shared.closing.store(true, Ordering::Relaxed);
            self.entrance.close();
            let _ = thread.join();
        }
    }

    /// A writer for one connector, which compresses so where a topic does not say otherwise.
    pub fn writer(&self, compression: Compression) -> BuiltinWriter {
        BuiltinWriter::new(self.clone(), compression)
    }

    /// The cluster's id: 22 characters, made with the log.
    pub fn cluster_id(&self) -> &str {
        &self.shared.cluster_id
    }

    /// All topics, the log's own included.
    pub fn topics(&self) -> Vec<Arc<TopicInfo>> {
        self.shared.index().catalog.topics().cloned().collect()
    }

    /// A topic by name.
    pub fn topic(&self, name: &str) -> Option<Arc<TopicInfo>> {
        self.shared.index().catalog.topic(name).cloned()
    }

    /// A topic by Kafka topic id.
    pub fn topic_by_id(&self, id: &[u8; 16]) -> Option<Arc<TopicInfo>> {
        self.shared.index().catalog.topics().find(|topic| topic.id == *id).cloned()
    }

    /// First and next offset of a partition; the next one is also its high watermark and last stable offset.
    pub fn offsets(&self, topic: TopicIndex, partition: u32) -> Option<OffsetRange> {
        self.shared.index().catalog.offsets(Route { topic, partition })
    }

    /// The newest durable commit; it changes after every sync.
    pub fn durable(&self) -> watch::Receiver<CommitSeq> {
        self.shared.durable.subscribe()
    }

    /// Becomes `Some` when the log has stopped for good.
    pub fn failure(&self) -> watch::Receiver<Option<Problem>> {
        self.shared.failure.subscribe()
    }

    /// `Some` when the log has stopped for good.
    pub fn failed(&self) -> Option<Problem> {
        self.shared.failure.borrow().clone()
    }

    /// `Some` while writing waits (the disk is full); it goes on by itself.
    pub fn paused(&self) -> watch::Receiver<Option<Problem>> {
        self.shared.paused.subscribe()
    }

    /// The newest durable value of every key of an internal topic.
    pub fn state(&self, topic: &str) -> Vec<(Bytes, Bytes)> {
        self.shared.index().catalog.state(topic)
    }

    /// The newest durable value of one key of an internal topic.
    pub fn latest(&self, topic: &str, key: &[u8]) -> Option<Bytes> {
        self.shared.index().catalog.latest(topic, key)
    }

    /// Appends records to an internal topic in one commit; durable when it returns. `None` removes the key. A full disk
    /// refuses them: who asks is told, and may ask again.
    pub async fn put(&self, topic: &str, records: Vec<(Vec<u8>, Option<Vec<u8>>)>) -> Result<(), LogError> {
        self.put_and_remove(topic, records, Vec::new()).await
    }

    /// As [`BuiltinLog::put`], and removes ordinary topics in the same commit: what is remembered of a topic goes with it, or
    /// neither goes. Names of the log's own topics, and of none, remove nothing.
    pub async fn put_and_remove(
        &self,
        topic: &str,
        records: Vec<(Vec<u8>, Option<Vec<u8>>)>,
        removes: Vec<String>,
    ) -> Result<(), LogError> {
        let Some(info) = self.topic(topic).filter(|topic| topic.internal) else {
            return Err(LogError::UnknownPartition { topic: topic.to_owned(), partition: 0 });
        };
        self.check_paused()?;
        let (done, wait) = oneshot::channel();
        let bytes = records.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum();
        let mut paused = self.paused();
        let putting = async {
            self.request(bytes, Command::Put { topic: info.index, records, removes, done }).await?;
            wait.await.map_err(|_| self.closed())?
        };
        tokio::select! {
            biased;
            put = putting => put,
            // It was not begun: the thread passes over a command whose asker is gone.
            full = paused.wait_for(Option::is_some) => {
                let text = full.ok().and_then(|full| full.as_ref().map(|full| full.what.clone()));
                Err(text.map_or_else(|| self.closed(), LogError::Paused))
            }
        }
    }

    /// Makes a topic; durable, and seen by readers, when it returns. A full disk refuses it, as it refuses
    /// [`BuiltinLog::put`].
    pub async fn make_topic(&self, name: &str, spec: &TopicSpec) -> Result<TopicHandle, LogError> {
        self.check_paused()?;
        let handle = self.writer(Compression::None).topic(name, spec).await?;
        self.settled().await?;
        Ok(handle)
    }

    /// Returns when everything that was handed over before is durable.
    async fn settled(&self) -> Result<(), LogError> {
        let (done, wait) = oneshot::channel();
        self.entrance.ask(done).await.map_err(|QueueClosed| self.closed())?;
        wait.await.map_err(|_| self.closed())
    }

    fn check_paused(&self) -> Result<(), LogError> {
        match self.shared.paused.borrow().as_ref() {
            Some(full) => Err(LogError::Paused(full.what.clone())),
            None => Ok(()),
        }
    }

    /// Gives a topic another `compression.type`; what was written keeps its own.
    pub async fn set_compression(&self, name: &str, compression: Option<Compression>) -> Result<(), LogError> {
        let topic = self.ordinary(name)?;
        self.put(CATALOG_TOPIC, vec![(name.as_bytes().to_vec(), Some(Catalog::with_compression(&topic, compression)))]).await
    }

    /// Removes a topic; durable when it returns. Its number is not given away again, its records go with their segments, and a
    /// writer that still holds it is refused and begins anew.
    pub async fn delete_topic(&self, name: &str) -> Result<(), LogError> {
        self.ordinary(name)?;
        self.put_and_remove(CATALOG_TOPIC, Vec::new(), vec![name.to_owned()]).await
    }

    fn ordinary(&self, name: &str) -> Result<Arc<TopicInfo>, LogError> {
        let unknown = || LogError::UnknownPartition { topic: name.to_owned(), partition: 0 };
        self.topic(name).filter(|topic| !topic.internal).ok_or_else(unknown)
    }

    /// The newest timestamp of each topic, as its newest segment knows it; no record is read.
    pub fn last_times(&self) -> HashMap<TopicIndex, i64> {
        let topics = self.shared.index().catalog.topics().count();
        let mut found: HashMap<TopicIndex, i64> = HashMap::new();
        self.look_back(|segment| {
            let mut here: HashMap<TopicIndex, i64> = HashMap::new();
            for (route, span) in segment.spans.iter().filter(|(route, _)| !found.contains_key(&route.topic)) {
                here.entry(route.topic).and_modify(|time| *time = span.max_timestamp.max(*time)).or_insert(span.max_timestamp);
            }
            found.extend(here);
            found.len() < topics
        });
        found
    }

    /// As [`Self::last_times`], of one topic.
    pub fn last_time(&self, topic: &TopicInfo) -> Option<i64> {
        let mut found = None;
        self.look_back(|segment| {
            let spans = (0..topic.partitions).filter_map(|partition| segment.spans.get(&Route { topic: topic.index, partition }));
            found = spans.map(|span| span.max_timestamp).max();
            found.is_none()
        });
        found
    }

    /// Lends the segments, newest first, until `goes_on` says no. There may be many, and the log's thread needs the lock: it is let
    /// go between two.
    fn look_back(&self, mut goes_on: impl FnMut(&Segment) -> bool) {
        let mut before = u64::MAX;
        loop {
            let index = self.shared.index();
            let newest = index.segments.partition_point(|segment| segment.first_commit < before).checked_sub(1);
            let Some(segment) = newest.and_then(|at| index.segments.get(at)) else { return };
            before = segment.first_commit;
            if !goes_on(segment) {
                return;
            }
        }
    }

    /// Size of all segments, bytes.
    pub fn size_bytes(&self) -> u64 {
        self.shared.index().segments.iter().map(|segment| segment.end).sum()
    }

    /// Hands a request to the thread; waits while many are waiting (a full disk holds it up for long).
    async fn request(&self, bytes: usize, command: Command) -> Result<(), LogError> {
        self.entrance.request(bytes as u64, command).await.map_err(|QueueClosed| self.closed())
    }

    fn closed(&self) -> LogError {
        match self.failed() {
            Some(full) if full.code == "log/full" => LogError::Paused(full.what),
            Some(problem) => LogError::Poisoned(problem.what),
            None => LogError::Closed,
        }
    }
}

/// Starts the thread that keeps the index of keys, where one is wanted.
fn follow(shared: &Arc<Shared>, files: Arc<dyn Files>, settings: LogSettings) -> Result<Option<std::thread::JoinHandle<()>>, LogError> {
    let Some((keys, limits)) = shared.keys.as_ref().zip(settings.key_index) else { return Ok(None) };
    let follower = Follower::new(Arc::clone(keys), Arc::clone(shared), files, settings, limits);
    let started = std::thread::Builder::new().name("rowfeed-keys".into()).spawn(move || follower.run());
    started.map(Some).map_err(|source| LogError::Io { what: "cannot start the index of keys of", path: PathBuf::new(), source })
}

/// Takes the folder for this process: two writers of one log would destroy it.
/// A process id has no more digits.
const PID_BYTES_MAX: u64 = 16;

fn lock(dir: &Path) -> Result<std::fs::File, LogError> {
    let path = dir.join("LOCK");
    let io = |source| LogError::Io { what: "cannot lock", path: path.clone(), source };
    let mut file = std::fs::OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => {
            // For who meets the lock; what is written there decides nothing, so a full disk does not matter.
            let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
            Ok(file)
        }
        Err(std::fs::TryLockError::WouldBlock) => {
            let mut text = String::new();
            let read = (&file).take(PID_BYTES_MAX).read_to_string(&mut text);
            Err(LogError::Locked { path: dir.to_owned(), pid: read.ok().and_then(|_| text.trim().parse().ok()) })
        }
        Err(std::fs::TryLockError::Error(source)) => Err(io(source)),
    }
}
