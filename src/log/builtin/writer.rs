//! The one writer of the built-in log: assigns offsets, writes frames, syncs them as a group, publishes.
//!
//! It runs on a thread of its own with plain blocking I/O. It takes what is waiting, in the fair turns of `queue`,
//! compresses what is to be, writes one frame per commit, and syncs once for all of them; while it syncs, the next commits
//! gather. Only then do readers see them, and only then are their writers told. A failed write or sync poisons the log.
//! New topics have no sync of their own: they are made with the first commit to one of them, or together a moment later.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, oneshot, watch};

use super::catalog::{self, CATALOG_INDEX, Catalog};
use super::direct::Direct;
use super::files::Files;
use super::format::{self, Entry, FRAME_BYTES_MAX, FrameHeader, SEGMENT_HEADER_BYTES};
use super::queue::{Found, LaneId, Queue, QueueClosed};
use super::recover::{Recovered, UNBORN, file_name, settle_starts};
use super::segment::Segment;
use super::{BuiltinLog, Index, LogSettings, Shared};
use crate::log::commit::{CommitBuffer, Part};
use crate::log::topic::{TopicSpec, is_valid_name};
use crate::log::{Commit, CommitSeq, Extent, LogError, LogWriter, Scanned};
use crate::record::compression::{Compression, Packer};
use crate::record::{Route, TopicHandle, TopicIndex};

/// A group is synced when it has this many bytes, also when more is waiting.
const GROUP_BYTES_MAX: u64 = 16 << 20;
/// As soon as more than one connector is in it, this many: who has little waits for the sync of what others have much of.
const SHARED_GROUP_BYTES_MAX: u64 = 4 << 20;
/// While so much of all connectors together is on its way, each may have one commit on its way. One connector alone never has
/// so much, and more in the queue makes no disk faster.
const WAITING_BYTES_MAX: u64 = 64 << 20;
/// Batches up to this size are gathered into one write; larger ones are written from where they are.
const GATHER_BYTES_MAX: usize = 64 * 1024;
/// Commits in flight per writer: one being filled, two waiting, one being written.
const BUFFERS_PER_WRITER: usize = 4;
/// The newest bytes of the active segment that stay in the page cache for followers; older ones give their memory back, so
/// that a backlog neither pays for fresh pages nor pushes the database's own out.
pub(super) const CACHED_BYTES: u64 = 32 << 20;
/// Frames from this size on go past the page cache while nobody follows.
const DIRECT_BYTES: u64 = 512 * 1024;
/// Who read the newest bytes so long ago is still a follower.
const FOLLOWED_FOR: Duration = Duration::from_secs(1);
/// How much is given back at once.
const FORGET_BYTES: u64 = 8 << 20;
/// How often retention and free space are looked at.
const HOUSEKEEPING: Duration = Duration::from_secs(5);
/// How long a segment that could not be followed by another goes on at least.
const ROLL_RETRY: Duration = Duration::from_secs(1);
/// How often a full disk is looked at again.
const FULL_RETRY: Duration = Duration::from_millis(250);

/// Topics that were made wait so long for others and for a first commit, so that a connector with thousands of new tables does
/// not pay a sync for each. Nobody waits for them meanwhile: what is written to a topic is durable only together with it.
const TOPICS_GATHER: Duration = Duration::from_millis(50);
/// As many topics wait so at most.
const TOPICS_GATHERED_MAX: usize = 1_000;
/// Partitions of all topics together. Each costs memory as long as it is there, about 250 bytes and 100 more for every segment
/// that has some of it, and is repeated at the start of every segment.
pub const PARTITIONS_MAX: usize = 100_000;

/// What a record of an internal topic takes beside its key and its value, at most; its share of the frame included.
const PUT_BYTES: usize = 512;

/// What the thread is asked to do.
pub(super) enum Command {
    /// Write a connector's commit.
    Commit { commit: CommitBuffer, seq: CommitSeq, of: Arc<WriterShared> },
    /// Write records of an internal topic, and remove ordinary topics in the same commit.
    Put { topic: TopicIndex, records: Vec<(Vec<u8>, Option<Vec<u8>>)>, removes: Vec<String>, done: oneshot::Sender<Result<(), LogError>> },
    /// Make a topic. It is answered before it is durable: no commit to it can be so without it.
    Topic { name: String, spec: TopicSpec, done: oneshot::Sender<Result<TopicHandle, LogError>> },
}

/// Whom to tell when a frame is durable.
enum Ack {
    Writer(CommitSeq, Arc<WriterShared>),
    Put(oneshot::Sender<Result<(), LogError>>),
}

/// A frame that is written but not synced.
struct Pending {
    position: u64,
    end: u64,
    time_ms: i64,
    entries: Vec<Entry>,
    commit: CommitBuffer,
    ack: Option<Ack>,
}

/// The thread's own state.
pub(super) struct Writer {
    settings: LogSettings,
    files: Arc<dyn Files>,
    /// The catalog as of the newest written frame (readers have theirs, as of the newest durable one).
    catalog: Catalog,
    file: Arc<dyn super::files::LogFile>,
    /// For large frames, where the file system has it.
    direct: Option<Direct>,
    /// When somebody last read what had just been written.
    followed: Option<Instant>,
    end: u64,
    /// How much of the active segment is the state it began with, where that is known.
    born_bytes: u64,
    /// Not before this.
    next_roll: Instant,
    clock: RetentionClock,
    /// Where the page cache of the active segment begins.
    cached_from: u64,
    next_commit: u64,
    durable: u64,
    last_time_ms: i64,
    pending: Vec<Pending>,
    scratch: Vec<u8>,
    packer: Packer,
    spare: Vec<CommitBuffer>,
    spare_entries: Vec<Vec<Entry>>,
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// The time by which records grow old. A wall clock that jumps ahead (a bad time server, a restored machine) must not remove
/// a week of events: it is followed at twice the speed
/// of the machine's own clock.
struct RetentionClock {
    now_ms: i64,
    looked: Instant,
}

impl RetentionClock {
    fn tick(&mut self, wall_ms: i64) -> i64 {
        let passed = self.looked.elapsed();
        self.looked = Instant::now();
        let furthest =
            self.now_ms.saturating_add(2 * passed.as_millis() as i64).saturating_add(if passed >= HOUSEKEEPING { 60_000 } else { 0 });
        self.now_ms = wall_ms.min(furthest);
        self.now_ms
    }
}

impl Writer {
    /// Takes over what was recovered; makes the first or the next segment where none is open.
    pub(super) fn start(settings: LogSettings, files: Arc<dyn Files>, recovered: Recovered) -> Result<(Self, Index), LogError> {
        let Recovered { mut catalog, mut segments, last_commit, .. } = recovered;
        let (mut next_commit, mut last_time_ms) = (last_commit + 1, segments.back().map_or(0, |segment| segment.last_time_ms));
        if segments.back().is_none_or(|segment| segment.sealed) {
            let mut state = CommitBuffer::default();
            last_time_ms = last_time_ms.max(now_ms());
            if catalog.cluster_id().is_empty() {
                Catalog::push_cluster(&mut state, last_time_ms);
            } else {
                catalog.push_state(&mut state, last_time_ms);
            }
            let born = create_segment(&settings, files.as_ref(), next_commit, last_time_ms, &mut catalog, &mut state)?;
            segments.push_back(born);
            next_commit += 1;
        }
        settle_starts(&mut catalog, &segments);
        let active = segments.back().expect("a segment was just made sure of");
        let mut own = Catalog::new();
        copy_catalog(&catalog, &mut own);
        let writer = Self {
            file: Arc::clone(&active.file),
            direct: Direct::open(&active.path),
            followed: None,
            end: active.end,
            born_bytes: 0,
            next_roll: Instant::now(),
            clock: RetentionClock { now_ms: now_ms(), looked: Instant::now() },
            cached_from: active.end,
            catalog: own,
            settings,
            files,
            next_commit,
            durable: next_commit - 1,
            last_time_ms,
            pending: Vec::new(),
            scratch: Vec::new(),
            packer: Packer::default(),
            spare: Vec::new(),
            spare_entries: Vec::new(),
        };
        Ok((writer, Index { catalog, segments }))
    }

    /// The newest durable commit.
    pub(super) fn durable(&self) -> u64 {
        self.durable
    }

    /// The thread's loop.
    pub(super) fn run(mut self, queue: &Queue, shared: &Shared) {
        // Whoever waits for this thread must learn of its end, whatever ended it.
        let served = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.serve(queue, shared)));
        let result = served.unwrap_or_else(|_| Err(LogError::Poisoned("its thread ended with a defect of the program".into())));
        if let Err(error) = result {
            if matches!(error, LogError::DiskFull { .. }) {
                // Nothing failed: it was told to end while it waited, and what waited was not written.
                tracing::warn!(
                    code = "log/full",
                    "{error}: the log closes without what waited for space; it is read again after the next start"
                );
                shared.failure.send_replace(Some(error.problem()));
                return;
            }
            let problem = match &error {
                LogError::Poisoned(_) => error.problem(),
                other => LogError::Poisoned(other.to_string()).problem(),
            };
            tracing::error!(code = problem.code, "{}", problem.text());
            shared.failure.send_replace(Some(problem));
        }
    }

    fn serve(&mut self, queue: &Queue, shared: &Shared) -> Result<(), LogError> {
        let mut housekept = Instant::now();
        // Until then new topics wait for more.
        let mut gathering: Option<Instant> = None;
        loop {
            let (mut next, mut closed) = (None, false);
            match queue.wait(gathering.map_or(HOUSEKEEPING, |until| until.saturating_duration_since(Instant::now()))) {
                Found::Command(lane, command) => next = Some((lane, command)),
                Found::Nothing => {}
                Found::Closed => closed = true,
            }
            let is_idle = next.is_none();
            let (mut group_bytes, mut group_max) = (0, GROUP_BYTES_MAX);
            let mut first: Option<LaneId> = None;
            while let Some((lane, command)) = next.take() {
                if *first.get_or_insert(lane) != lane {
                    group_max = SHARED_GROUP_BYTES_MAX;
                }
                let before = self.end;
                self.take(command, shared)?;
                group_bytes += self.end - before;
                if group_bytes < group_max && self.end < self.settings.segment_bytes {
                    next = queue.next();
                }
            }
            if !is_idle && self.may_gather() {
                let until = *gathering.get_or_insert_with(|| Instant::now() + TOPICS_GATHER);
                if Instant::now() < until {
                    continue;
                }
            }
            gathering = None;
            self.sync_and_publish(shared)?;
            queue.answer();
            if self.is_segment_full() && Instant::now() >= self.next_roll && !self.roll(shared)? {
                self.next_roll = Instant::now() + ROLL_RETRY;
            }
            if closed {
                return Ok(());
            }
            if housekept.elapsed() >= HOUSEKEEPING {
                housekept = Instant::now();
                self.retain(shared);
            }
        }
    }

    /// All that is written and not synced is new topics, for which nobody waits.
    fn may_gather(&self) -> bool {
        (1..TOPICS_GATHERED_MAX).contains(&self.pending.len()) && self.pending.iter().all(|pending| pending.ack.is_none())
    }

    fn take(&mut self, command: Command, shared: &Shared) -> Result<(), LogError> {
        let time_ms = now_ms().max(self.last_time_ms);
        let (commit, ack) = match command {
            Command::Commit { mut commit, seq, of } => {
                shared.waiting_bytes.fetch_sub(commit.bytes() as u64, Ordering::Relaxed);
                let gone = |part: &Part| self.catalog.topic_at(part.route.topic).is_none();
                // What comes behind a refused commit is refused, too: a writer's commits are in order.
                if of.refused.load(Ordering::Relaxed) || commit.parts_mut().iter().any(gone) {
                    of.refuse(commit);
                    return Ok(());
                }
                (commit, Ack::Writer(seq, of))
            }
            Command::Put { topic, records, removes, done } => {
                if done.is_closed() {
                    return Ok(());
                }
                let bytes: usize = records.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len) + PUT_BYTES).sum();
                let bytes = bytes + removes.iter().map(|name| name.len() + PUT_BYTES).sum::<usize>();
                if let Some(full) = self.is_disk_full(bytes as u64, shared) {
                    let _ = done.send(Err(full));
                    return Ok(());
                }
                let mut commit = self.spare.pop().unwrap_or_default();
                for (key, value) in &records {
                    catalog::push(&mut commit, topic, time_ms, key, value.as_deref());
                }
                for name in &removes {
                    catalog::push(&mut commit, CATALOG_INDEX, time_ms, name.as_bytes(), None);
                }
                (commit, Ack::Put(done))
            }
            Command::Topic { name, spec, done } => {
                // Perhaps made by a command just before.
                if self.catalog.topic(&name).is_none() {
                    if let Some(refused) = self.too_many_partitions(&name, &spec) {
                        let _ = done.send(Err(refused));
                        return Ok(());
                    }
                    let mut commit = self.spare.pop().unwrap_or_default();
                    self.catalog.push_topic(&mut commit, time_ms, &name, &spec);
                    self.append(commit, None, time_ms, shared)?;
                }
                let _ = done.send(handle(&self.catalog, &name));
                return Ok(());
            }
        };
        if commit.records() == 0 {
            self.sync_and_publish(shared)?;
            self.acknowledge(ack, commit, shared);
            return Ok(());
        }
        self.append(commit, Some(ack), time_ms, shared)
    }

    fn too_many_partitions(&self, name: &str, spec: &TopicSpec) -> Option<LogError> {
        let (asked, there) = (spec.partitions.max(1), self.catalog.partition_count());
        (there + asked as usize > PARTITIONS_MAX).then(|| LogError::TooManyPartitions {
            topic: name.to_owned(),
            asked,
            there,
            max: PARTITIONS_MAX,
        })
    }

    /// Writes a frame, waiting while the disk is full.
    fn append(&mut self, mut commit: CommitBuffer, ack: Option<Ack>, time_ms: i64, shared: &Shared) -> Result<(), LogError> {
        let of_writer = match &ack {
            Some(Ack::Writer(_, of)) => of.compression,
            _ => Compression::None,
        };
        pack(&self.catalog, &mut self.packer, &mut commit, of_writer);
        let mut entries = self.spare_entries.pop().unwrap_or_default();
        entries.clear();
        let frame_bytes = plan_frame(&self.catalog, &mut commit, &mut entries)?;
        self.wait_for_space(frame_bytes, shared)?;
        let header = FrameHeader {
            frame_len: frame_bytes as u32,
            commit: self.next_commit,
            durable: self.durable,
            entries: entries.len() as u32,
            time_ms,
        };
        if shared.followed.swap(false, Ordering::Relaxed) {
            self.followed = Some(Instant::now());
        }
        let followed = self.followed.is_some_and(|at| at.elapsed() < FOLLOWED_FOR);
        let past_cache = frame_bytes >= DIRECT_BYTES && !followed;
        loop {
            let direct = self.direct.as_mut().filter(|_| past_cache);
            match write_frame(self.file.as_ref(), direct, self.end, &mut self.scratch, &header, &entries, &mut commit) {
                Ok(()) => break,
                Err(error) if is_full(&error) => {
                    // A short write is cut off again; if even that fails nobody knows what is there.
                    self.file.truncate(self.end).map_err(|error| poisoned("cannot undo a short write", &error))?;
                    self.sync_and_publish(shared)?;
                    self.pause(u64::MAX, shared)?;
                }
                Err(error) => return Err(poisoned("a write failed", &error)),
            }
        }
        for (entry, part) in entries.iter().zip(commit.parts_mut()) {
            self.catalog.advance(entry.route, entry.next_offset());
            if self.catalog.topic_at(entry.route.topic).is_some_and(|topic| topic.internal) {
                self.catalog.replay(entry.route.topic, part.batch.seal(entry.base_offset));
            }
        }
        let position = self.end;
        self.end += frame_bytes;
        if past_cache {
            shared.uncached.store(self.end, Ordering::Relaxed);
        }
        self.next_commit += 1;
        self.last_time_ms = time_ms;
        self.pending.push(Pending { position, end: self.end, time_ms, entries, commit, ack });
        Ok(())
    }

    /// Makes everything written durable, lets readers see it, tells the writers.
    fn sync_and_publish(&mut self, shared: &Shared) -> Result<(), LogError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.file.sync() {
            let poison = poisoned("a sync failed", &error);
            for pending in self.pending.drain(..) {
                refuse(pending.ack, &poison);
            }
            return Err(poison);
        }
        self.durable = self.next_commit - 1;
        {
            let mut index = shared.index.write().unwrap_or_else(PoisonError::into_inner);
            let Index { catalog, segments } = &mut *index;
            let active = segments.back_mut().expect("there is always an active segment");
            for pending in &mut self.pending {
                active.note(pending.position, pending.end, pending.time_ms, &pending.entries);
                for (entry, part) in pending.entries.iter().zip(pending.commit.parts_mut()) {
                    catalog.advance(entry.route, entry.next_offset());
                    if catalog.topic_at(entry.route.topic).is_some_and(|topic| topic.internal) {
                        catalog.replay(entry.route.topic, part.batch.seal(entry.base_offset));
                    }
                }
            }
        }
        shared.durable.send_replace(CommitSeq(self.durable));
        if let Some(keys) = &shared.keys {
            keys.published();
        }
        let mut pending = std::mem::take(&mut self.pending);
        for done in pending.drain(..) {
            self.spare_entries.push(done.entries);
            match (done.ack, done.commit) {
                (Some(ack), commit) => self.acknowledge(ack, commit, shared),
                (None, mut commit) => {
                    commit.recycle();
                    self.keep(commit);
                }
            }
        }
        self.pending = pending;
        self.spare_entries.truncate(8);
        let cold = self.end.saturating_sub(CACHED_BYTES);
        if cold >= self.cached_from + FORGET_BYTES {
            self.file.forget(self.cached_from, cold - self.cached_from);
            self.cached_from = cold;
        }
        Ok(())
    }

    fn acknowledge(&mut self, ack: Ack, mut commit: CommitBuffer, shared: &Shared) {
        commit.recycle();
        match ack {
            Ack::Writer(seq, of) => {
                shared.kept.keep(&mut commit);
                of.done(seq, commit);
            }
            Ack::Put(done) => {
                self.keep(commit);
                let _ = done.send(Ok(()));
            }
        }
    }

    fn keep(&mut self, commit: CommitBuffer) {
        if self.spare.len() < 4 {
            self.spare.push(commit);
        }
    }

    /// A segment holds at least as much data as the state it begins with, however small segments are set.
    fn is_segment_full(&self) -> bool {
        self.end >= self.settings.segment_bytes && self.end - self.born_bytes >= self.born_bytes
    }

    /// Seals the active segment and begins the next one. False: there is no room or no free descriptor for that now; the
    /// active segment goes on.
    fn roll(&mut self, shared: &Shared) -> Result<bool, LogError> {
        let (footer, sealed) = {
            let index = shared.index();
            index.segments.back().expect("there is always an active segment").footer(self.durable)
        };
        let mut state = self.spare.pop().unwrap_or_default();
        let time_ms = now_ms().max(self.last_time_ms);
        self.catalog.push_state(&mut state, time_ms);
        let seal = self.file.write_all_at(&footer, self.end).and_then(|()| self.file.sync()).map_err(|source| LogError::Io {
            what: "cannot seal",
            path: self.settings.dir.clone(),
            source,
        });
        let born = seal
            .and_then(|()| create_segment(&self.settings, self.files.as_ref(), self.next_commit, time_ms, &mut self.catalog, &mut state));
        state.recycle();
        let born = match born {
            Ok(born) => born,
            Err(LogError::Io { what, path, source }) if is_full(&source) || is_out_of_files(&source) => {
                tracing::warn!("the log's segment goes on: {what} {}: {source}", path.display());
                self.keep(state);
                // The footer must not stand behind what is written next.
                self.file.truncate(self.end).map_err(|error| poisoned("cannot undo a footer", &error))?;
                return Ok(false);
            }
            Err(error) => return Err(poisoned("cannot begin a segment", &io::Error::other(error.to_string()))),
        };
        self.keep(state);
        self.file.forget(self.cached_from, self.end.saturating_sub(self.cached_from));
        self.file = Arc::clone(&born.file);
        self.direct = Direct::open(&born.path);
        shared.uncached.store(0, Ordering::Relaxed);
        self.end = born.end;
        self.born_bytes = born.end;
        self.cached_from = 0;
        self.last_time_ms = time_ms;
        self.durable = self.next_commit;
        self.next_commit += 1;
        {
            let mut index = shared.index.write().unwrap_or_else(PoisonError::into_inner);
            let last = index.segments.back_mut().expect("there is always an active segment");
            last.sealed = true;
            last.spans = sealed;
            for (route, span) in &born.spans {
                index.catalog.advance(*route, span.next);
            }
            index.segments.push_back(born);
        }
        self.retain(shared);
        Ok(true)
    }

    /// Removes the oldest sealed segments above the limits. One that cannot be removed now is tried again next time: the
    /// order is kept, so that never one in the middle is missing.
    fn retain(&mut self, shared: &Shared) {
        let now_ms = self.clock.tick(now_ms());
        loop {
            let oldest = {
                let index = shared.index();
                let total: u64 = index.segments.iter().map(|segment| segment.end).sum();
                let oldest = index.segments.front().expect("there is always an active segment");
                let age_ms = now_ms.saturating_sub(oldest.last_time_ms);
                let expired = total > self.settings.max_bytes || age_ms > self.settings.max_age.as_millis() as i64;
                if index.segments.len() < 2 || !expired {
                    return;
                }
                oldest.path.clone()
            };
            // Readers that have it open still read it.
            match self.files.remove(&oldest) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(segment = %oldest.display(), "retention cannot remove a segment: {error}");
                    return;
                }
                _ => {}
            }
            {
                let mut index = shared.index.write().unwrap_or_else(PoisonError::into_inner);
                let Index { catalog, segments } = &mut *index;
                segments.pop_front();
                settle_starts(catalog, segments);
            }
            tracing::info!(segment = %oldest.display(), "segment removed by retention");
            if let Err(error) = self.files.sync_dir(&self.settings.dir) {
                tracing::warn!("retention cannot sync the log's folder: {error}");
                return;
            }
        }
    }

    /// Returns when `bytes` more leave the reserve untouched.
    fn wait_for_space(&mut self, bytes: u64, shared: &Shared) -> Result<(), LogError> {
        if self.free_bytes() >= bytes {
            return Ok(());
        }
        self.sync_and_publish(shared)?;
        self.retain(shared);
        self.pause(bytes, shared)
    }

    /// There is no room for this many bytes, old segments gone: for those who are told so instead of waiting.
    fn is_disk_full(&mut self, bytes: u64, shared: &Shared) -> Option<LogError> {
        if self.free_bytes() < bytes {
            self.retain(shared);
        }
        (self.free_bytes() < bytes).then(|| self.disk_full())
    }

    fn disk_full(&self) -> LogError {
        let free_bytes = self.files.free_bytes(&self.settings.dir).unwrap_or(0);
        LogError::DiskFull { path: self.settings.dir.clone(), free_bytes, reserve_bytes: self.settings.min_free_bytes }
    }

    /// Bytes that may be written without touching the reserve. One system call; a frame costs many more.
    fn free_bytes(&self) -> u64 {
        // A file system that cannot tell is trusted to say ENOSPC when it is full.
        let free = self.files.free_bytes(&self.settings.dir).unwrap_or(u64::MAX);
        free.saturating_sub(self.settings.min_free_bytes)
    }

    /// Waits for free space, readers going on; `u64::MAX` asks for any more than now (a write has just failed). The queue is
    /// left alone: what is in it comes after what waits here.
    fn pause(&mut self, bytes: u64, shared: &Shared) -> Result<(), LogError> {
        let needed = if bytes == u64::MAX { 1 << 20 } else { bytes };
        // A failed write is believed, whatever the file system says of its space: quotas are not in it.
        let mut refused = bytes == u64::MAX;
        while std::mem::take(&mut refused) || self.free_bytes() < needed {
            let full = self.disk_full();
            if shared.paused.borrow().is_none() {
                tracing::warn!(code = "log/full", "{full}; capture waits");
            }
            shared.paused.send_replace(Some(full.problem()));
            if shared.closing.load(Ordering::Relaxed) {
                return Err(full);
            }
            std::thread::sleep(FULL_RETRY);
            self.retain(shared);
        }
        if shared.paused.send_replace(None).is_some() {
            tracing::info!("there is space again; capture goes on");
        }
        Ok(())
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::WriteZero)
}

fn is_out_of_files(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

fn poisoned(what: &str, error: &io::Error) -> LogError {
    LogError::Poisoned(format!("{what}: {error}"))
}

fn refuse(ack: Option<Ack>, poison: &LogError) {
    let again = || LogError::Poisoned(poison.to_string());
    match ack {
        Some(Ack::Put(done)) => drop(done.send(Err(again()))),
        Some(Ack::Writer(..)) | None => {}
    }
}

fn handle(catalog: &Catalog, name: &str) -> Result<TopicHandle, LogError> {
    let topic = catalog.topic(name).ok_or_else(|| LogError::UnknownPartition { topic: name.to_owned(), partition: 0 })?;
    Ok(TopicHandle { index: topic.index, partitions: topic.partitions })
}

fn copy_catalog(from: &Catalog, to: &mut Catalog) {
    let mut state = CommitBuffer::default();
    from.push_state(&mut state, 0);
    for part in state.parts_mut() {
        let topic = part.route.topic;
        to.replay(topic, part.batch.seal(0));
    }
}

/// Compresses the batches as their topics say, or their writer.
fn pack(catalog: &Catalog, packer: &mut Packer, commit: &mut CommitBuffer, of_writer: Compression) {
    for part in commit.parts_mut() {
        let of_topic = catalog.topic_at(part.route.topic).and_then(|topic| topic.compression);
        part.batch.pack(packer, of_topic.unwrap_or(of_writer));
    }
}

/// Fills the directory from the commit's batches and the partitions' next offsets; the frame's size.
fn plan_frame(catalog: &Catalog, commit: &mut CommitBuffer, entries: &mut Vec<Entry>) -> Result<u64, LogError> {
    let mut bytes = format::FRAME_HEADER_BYTES as u64;
    let mut ahead: HashMap<Route, u64> = HashMap::new();
    for part in commit.parts_mut() {
        let next = ahead.entry(part.route).or_insert_with(|| catalog.offsets(part.route).unwrap_or_default().end);
        entries.push(Entry {
            route: part.route,
            base_offset: *next,
            length: part.batch.bytes() as u32,
            records: part.batch.count(),
            max_timestamp: part.batch.max_timestamp(),
        });
        *next += u64::from(part.batch.count());
        bytes += (format::ENTRY_BYTES + part.batch.bytes()) as u64;
    }
    if bytes > FRAME_BYTES_MAX {
        return Err(LogError::Poisoned(format!("a commit of {bytes} bytes is larger than a frame can be")));
    }
    Ok(bytes)
}

/// Writes a frame at `at`: small batches in one write with the head, large ones from where they are; all of it past the page
/// cache when `direct` is given.
fn write_frame(
    file: &dyn super::files::LogFile,
    direct: Option<&mut Direct>,
    at: u64,
    scratch: &mut Vec<u8>,
    header: &FrameHeader,
    entries: &[Entry],
    commit: &mut CommitBuffer,
) -> io::Result<()> {
    scratch.clear();
    format::put_frame_head(scratch, header, entries);
    if let Some(direct) = direct {
        let batches = entries.iter().zip(commit.parts_mut()).map(|(entry, part)| part.batch.seal(entry.base_offset));
        return direct.write(file, std::iter::once(&scratch[..]).chain(batches), at);
    }
    let mut position = at;
    for (entry, part) in entries.iter().zip(commit.parts_mut()) {
        let batch = part.batch.seal(entry.base_offset);
        if batch.len() <= GATHER_BYTES_MAX {
            scratch.extend_from_slice(batch);
            continue;
        }
        if !scratch.is_empty() {
            file.write_all_at(scratch, position)?;
            position += scratch.len() as u64;
            scratch.clear();
        }
        file.write_all_at(batch, position)?;
        position += batch.len() as u64;
    }
    if !scratch.is_empty() {
        file.write_all_at(scratch, position)?;
    }
    Ok(())
}

/// Makes a segment whose first frame is `state`, durable under its name when this returns.
fn create_segment(
    settings: &LogSettings,
    files: &dyn Files,
    first_commit: u64,
    time_ms: i64,
    catalog: &mut Catalog,
    state: &mut CommitBuffer,
) -> Result<Segment, LogError> {
    let path = settings.dir.join(file_name(first_commit));
    let unborn = settings.dir.join(format!("{}{UNBORN}", file_name(first_commit)));
    let io = |source| LogError::Io { what: "cannot create", path: path.clone(), source };
    let file = files.open(&unborn, true).map_err(io)?;
    let mut entries = Vec::new();
    let frame_bytes = plan_frame(catalog, state, &mut entries)?;
    let header = FrameHeader {
        frame_len: frame_bytes as u32,
        commit: first_commit,
        durable: first_commit - 1,
        entries: entries.len() as u32,
        time_ms,
    };
    let position = SEGMENT_HEADER_BYTES as u64;
    file.write_all_at(&format::segment_header(first_commit), 0)
        .and_then(|()| write_frame(file.as_ref(), None, position, &mut Vec::new(), &header, &entries, state))
        .and_then(|()| file.sync())
        .and_then(|()| files.rename(&unborn, &path))
        .and_then(|()| files.sync_dir(&settings.dir))
        .map_err(io)?;
    let end = position + frame_bytes;
    let mut segment = Segment { first_commit, path, file, end, last_time_ms: time_ms, sealed: false, spans: HashMap::new() };
    segment.note(position, end, time_ms, &entries);
    for (entry, part) in entries.iter().zip(state.parts_mut()) {
        catalog.replay(entry.route.topic, part.batch.seal(entry.base_offset));
        catalog.advance(entry.route, entry.next_offset());
    }
    Ok(segment)
}

/// What a connector's writer and the thread share.
pub(super) struct WriterShared {
    durable: watch::Sender<CommitSeq>,
    recycled: mpsc::Sender<CommitBuffer>,
    handed_over: AtomicU64,
    /// Of topics that leave it to their writer.
    compression: Compression,
    /// A topic it wrote to was deleted: nothing more is taken from it.
    refused: AtomicBool,
}

impl WriterShared {
    fn refuse(&self, mut commit: CommitBuffer) {
        self.refused.store(true, Ordering::Relaxed);
        commit.recycle();
        let _ = self.recycled.try_send(commit);
        // Who waits for it looks again.
        self.durable.send_modify(|_| {});
    }

    fn check(&self) -> Result<(), LogError> {
        if self.refused.load(Ordering::Relaxed) { Err(LogError::TopicGone) } else { Ok(()) }
    }

    fn done(&self, seq: CommitSeq, commit: CommitBuffer) {
        // There are never more buffers than places; a writer that is gone needs none.
        let _ = self.recycled.try_send(commit);
        self.durable.send_replace(seq);
    }
}

/// A connector's end of the built-in log.
pub struct BuiltinWriter {
    log: BuiltinLog,
    lane: LaneId,
    shared: Arc<WriterShared>,
    free: mpsc::Receiver<CommitBuffer>,
    /// The names of the topics it made: others see them a moment later.
    made: HashMap<TopicIndex, String>,
}

impl BuiltinWriter {
    pub(super) fn new(log: BuiltinLog, compression: Compression) -> Self {
        let (recycled, free) = mpsc::channel(BUFFERS_PER_WRITER);
        for _ in 0..BUFFERS_PER_WRITER {
            let _ = recycled.try_send(CommitBuffer::default());
        }
        let shared = WriterShared {
            durable: watch::Sender::new(CommitSeq(0)),
            recycled,
            handed_over: AtomicU64::new(0),
            compression,
            refused: AtomicBool::new(false),
        };
        Self { lane: log.entrance.lane(), log, shared: Arc::new(shared), free, made: HashMap::new() }
    }
}

impl LogWriter for BuiltinWriter {
    type Commit = CommitBuffer;

    async fn topic(&mut self, name: &str, spec: &TopicSpec) -> Result<TopicHandle, LogError> {
        if let Some(topic) = self.log.topic(name) {
            return Ok(TopicHandle { index: topic.index, partitions: topic.partitions });
        }
        if !is_valid_name(name) {
            return Err(LogError::InvalidTopicName(name.to_owned()));
        }
        let (done, wait) = oneshot::channel();
        self.log.request(name.len() + PUT_BYTES, Command::Topic { name: name.to_owned(), spec: spec.clone(), done }).await?;
        let handle = wait.await.map_err(|_| self.log.closed())??;
        self.made.insert(handle.index, name.to_owned());
        Ok(handle)
    }

    fn topic_name(&self, topic: TopicIndex) -> Option<String> {
        if let Some(name) = self.made.get(&topic) {
            return Some(name.clone());
        }
        self.log.topics().iter().find(|known| known.index == topic).map(|known| known.name.clone())
    }

    async fn begin(&mut self) -> Result<CommitBuffer, LogError> {
        let mut failure = self.log.failure();
        let mut durable = self.shared.durable.subscribe();
        while !self.is_idle() && self.log.shared.waiting_bytes.load(Ordering::Relaxed) >= WAITING_BYTES_MAX {
            self.shared.check()?;
            tokio::select! {
                changed = durable.changed() => changed.map_err(|_| LogError::Closed)?,
                _ = failure.wait_for(Option::is_some) => return Err(self.log.closed()),
            }
        }
        let commit = tokio::select! {
            commit = self.free.recv() => commit.ok_or(LogError::Closed),
            _ = failure.wait_for(Option::is_some) => Err(self.log.closed()),
        };
        self.shared.check()?;
        commit
    }

    fn is_idle(&self) -> bool {
        self.shared.durable.borrow().0 == self.shared.handed_over.load(Ordering::Relaxed)
    }

    async fn commit(&mut self, commit: CommitBuffer) -> Result<CommitSeq, LogError> {
        self.shared.check()?;
        let seq = CommitSeq(self.shared.handed_over.fetch_add(1, Ordering::Relaxed) + 1);
        let bytes = commit.bytes() as u64;
        self.log.shared.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        let command = Command::Commit { commit, seq, of: Arc::clone(&self.shared) };
        self.log.entrance.commit(self.lane, bytes, command).map_err(|QueueClosed| self.log.closed())?;
        Ok(seq)
    }

    fn durable(&self) -> CommitSeq {
        *self.shared.durable.borrow()
    }

    async fn wait_durable(&self, seq: CommitSeq) -> Result<CommitSeq, LogError> {
        let mut durable = self.shared.durable.subscribe();
        let mut failure = self.log.failure();
        tokio::select! {
            newest = durable.wait_for(|newest| *newest >= seq || self.shared.check().is_err()) => {
                let newest = newest.map(|newest| *newest).map_err(|_| LogError::Closed)?;
                // What is durable is so, also when a later commit was refused.
                if newest >= seq { Ok(newest) } else { self.shared.check().map(|()| newest) }
            }
            _ = failure.wait_for(Option::is_some) => Err(self.log.closed()),
        }
    }

    fn held_up(&self) -> Option<crate::problem::Problem> {
        self.log.shared.paused.borrow().clone()
    }

    async fn latest(&self, topic: &str, key: &[u8]) -> Result<Option<Vec<u8>>, LogError> {
        self.log.settled().await?;
        Ok(self.log.latest(topic, key).map(|value| value.to_vec()))
    }

    async fn extents(&self, topic: TopicHandle) -> Result<Vec<Extent>, LogError> {
        match self.log.extents(topic) {
            // One that was just made is seen a moment later.
            Err(LogError::UnknownPartition { .. }) if self.made.contains_key(&topic.index) => {
                self.log.settled().await?;
                self.log.extents(topic)
            }
            known => known,
        }
    }

    async fn scan(
        &self,
        of: Route,
        from: u64,
        until: u64,
        bytes_max: usize,
        each: impl FnMut(Scanned<'_>) + Send,
    ) -> Result<u64, LogError> {
        self.log.scan(of, from, until, bytes_max, each).await
    }
}

impl std::fmt::Debug for BuiltinLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BuiltinLog").field("cluster_id", &self.cluster_id()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumps_ahead_is_followed_slowly() {
        let day = 24 * 3600 * 1000;
        let mut clock = RetentionClock { now_ms: 1_000, looked: Instant::now() };
        assert!(clock.tick(8 * day) < day);
        assert_eq!(clock.tick(500), 500, "one that is set back is followed at once");
    }
}
