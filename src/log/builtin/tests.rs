//! The log against itself: round trips, restarts, rolling and retention, torn and damaged files, a disk that loses writes.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;

use super::files::{Files, LogFile};
use super::{BuiltinLog, LogSettings, verify};
use crate::log::subscription::Delivery;
use crate::log::topic::{CONFIGS_TOPIC, GROUPS_TOPIC, OFFSETS_TOPIC};
use crate::log::{CommitSeq, Extent, LogError, LogWriter, StartAt, Subscription, TopicSpec};
use crate::record::compression::Compression;
use crate::record::view::BatchView;
use crate::record::{Headers, RecordRef, RecordSink, Route, TopicHandle, TopicIndex};

fn settings(dir: &Path) -> LogSettings {
    LogSettings { min_free_bytes: 0, ..LogSettings::new(dir) }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Appends one commit with `values` to a topic, plus a checkpoint record that says `checkpoint`.
async fn append(
    log: &BuiltinLog,
    writer: &mut super::BuiltinWriter,
    topic: &str,
    values: &[Vec<u8>],
    checkpoint: u64,
) -> Result<(), LogError> {
    let to = writer.topic(topic, &TopicSpec::default()).await?;
    let offsets = log.topic(OFFSETS_TOPIC).unwrap().index;
    let mut commit = writer.begin().await?;
    for value in values {
        commit
            .push(to.route(None), RecordRef { timestamp_ms: checkpoint as i64, key: None, value: Some(value), headers: Headers::NONE })
            .unwrap();
    }
    let position = checkpoint.to_string();
    let record = RecordRef { timestamp_ms: 1, key: Some(b"shop"), value: Some(position.as_bytes()), headers: Headers::NONE };
    commit.push(crate::record::Route { topic: offsets, partition: 0 }, record).unwrap();
    let seq = writer.commit(commit).await?;
    writer.wait_durable(seq).await.map(drop)
}

async fn read_all(log: &BuiltinLog, topic: TopicIndex, max_bytes: usize) -> Vec<(u64, Vec<u8>)> {
    let range = log.offsets(topic, 0).unwrap();
    let (mut from, mut out) = (range.start, Vec::new());
    while from < range.end {
        let bytes = log.read(topic, 0, from, max_bytes).await.unwrap();
        assert!(!bytes.is_empty(), "nothing at {from} of {range:?}");
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let batch = BatchView::parse(rest).unwrap();
            batch.verify().unwrap();
            for record in batch.records(&mut Vec::new()) {
                let record = record.unwrap();
                if record.offset >= from {
                    out.push((record.offset, record.value.unwrap().to_vec()));
                }
            }
            from = batch.next_offset();
            rest = &rest[batch.bytes().len()..];
        }
    }
    out
}

/// Aim: a topic that was deleted is gone for good, nothing of a commit to it is taken, and no other topic gets its number.
#[test]
fn a_deleted_topic_is_gone_and_who_writes_to_it_begins_anew() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let log = BuiltinLog::open(settings(dir.path())).unwrap();
        let mut writer = log.writer(Compression::None);
        append(&log, &mut writer, "a", &[vec![1]], 1).await.unwrap();
        append(&log, &mut writer, "b", &[vec![2]], 2).await.unwrap();
        let (old, handle) = (log.topic("b").unwrap(), writer.topic("b", &TopicSpec::default()).await.unwrap());
        assert!(matches!(log.delete_topic("c").await, Err(LogError::UnknownPartition { .. })));
        assert!(matches!(log.delete_topic(OFFSETS_TOPIC).await, Err(LogError::UnknownPartition { .. })));
        log.delete_topic("b").await.unwrap();
        assert!(log.topic("b").is_none() && log.offsets(old.index, 0).is_none());
        assert!(log.read(old.index, 0, 0, 100).await.is_err());

        // Whoever still holds it is refused with everything behind that, and what it writes anew is taken.
        let mut commit = writer.begin().await.unwrap();
        commit.push(handle.route(None), RecordRef { timestamp_ms: 1, key: None, value: Some(b"x"), headers: Headers::NONE }).unwrap();
        let seq = writer.commit(commit).await.unwrap();
        let waited = tokio::time::timeout(Duration::from_secs(10), writer.wait_durable(seq)).await.expect("it is told");
        assert!(matches!(waited, Err(LogError::TopicGone)));
        assert!(matches!(append(&log, &mut writer, "a", &[vec![3]], 3).await, Err(LogError::TopicGone)));
        assert_eq!(log.latest(OFFSETS_TOPIC, b"shop").as_deref(), Some(&b"2"[..]));
        let mut writer = log.writer(Compression::None);
        append(&log, &mut writer, "b", &[vec![4]], 4).await.unwrap();
        let new = log.topic("b").unwrap();
        assert!(new.index.0 > old.index.0 && new.id != old.id);
        assert_eq!(read_all(&log, new.index, 1 << 20).await, [(0, vec![4])]);

        log.set_compression("a", Some(Compression::Zstd)).await.unwrap();
        log.delete_topic("b").await.unwrap();
        for _ in 0..2 {
            log.close();
            let log = BuiltinLog::open(settings(dir.path())).unwrap();
            assert!(log.topic("b").is_none());
            assert_eq!(log.topic("a").unwrap().compression, Some(Compression::Zstd));
            log.close();
        }
        let log = BuiltinLog::open(settings(dir.path())).unwrap();
        append(&log, &mut log.writer(Compression::None), "b", &[vec![5]], 5).await.unwrap();
        assert!(log.topic("b").unwrap().index.0 > new.index.0);
        log.close();
        assert!(verify::verify(dir.path()).is_ok());
    });
}

#[test]
fn compressed_batches_are_read_found_by_time_verified_and_recovered() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let values: Vec<_> = (0..40u8).map(|number| vec![number; 3_000]).collect();
        for (round, codec) in Compression::ALL.into_iter().enumerate() {
            let log = BuiltinLog::open(settings(dir.path())).unwrap();
            // A topic's own setting is stronger than its writer's.
            let mut writer = log.writer(if codec == Compression::Zstd { Compression::None } else { codec });
            let spec = TopicSpec { compression: (codec == Compression::Zstd).then_some(codec), ..TopicSpec::default() };
            let topic = writer.topic(codec.name(), &spec).await.unwrap().index;
            append(&log, &mut writer, codec.name(), &values, 1 + round as u64).await.unwrap();
            let bytes = log.read(topic, 0, 0, 1 << 20).await.unwrap();
            let batch = BatchView::parse(&bytes).unwrap();
            assert_eq!((batch.compression(), batch.count()), (Ok(codec), 40));
            assert_eq!(batch.bytes().len() < 20_000, codec != Compression::None, "{codec:?}");
            let offsets = log.read(log.topic(OFFSETS_TOPIC).unwrap().index, 0, 0, 1 << 20).await.unwrap();
            assert_eq!(BatchView::parse(&offsets).unwrap().compression(), Ok(Compression::None), "the log's own topics");
            log.close();
        }
        let log = BuiltinLog::open(settings(dir.path())).unwrap();
        for (round, codec) in (1..).zip(Compression::ALL) {
            let topic = log.topic(codec.name()).unwrap();
            let read = read_all(&log, topic.index, 1 << 20).await;
            assert_eq!(read.into_iter().map(|(_, value)| value).collect::<Vec<_>>(), values, "{codec:?}");
            let found = log.offset_for_time(topic.index, 0, round).await.unwrap();
            assert_eq!(found, Some((0, round)), "{codec:?}");
        }
        log.close();
        let mut lines = Vec::new();
        verify::dump(dir.path(), true, |line| lines.push(line)).unwrap();
        for codec in Compression::ALL {
            assert!(lines.iter().any(|line| line.trim() == format!("compression={}", codec.name())), "{codec:?}");
        }
        assert_eq!(lines.iter().filter(|line| line.ends_with("value=3000 bytes")).count(), 5 * values.len());
    });
}

#[test]
fn what_was_committed_is_read_back_after_rolling_and_reopening() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let small = LogSettings { segment_bytes: 200_000, ..settings(dir.path()) };
        let mut expected: HashMap<&str, Vec<Vec<u8>>> = HashMap::new();
        let mut log = BuiltinLog::open(small.clone()).unwrap();
        let cluster = log.cluster_id().to_owned();
        let mut writer = log.writer(Compression::None);
        for round in 0..400u64 {
            if round % 90 == 89 {
                log.close();
                drop((writer, log));
                log = BuiltinLog::open(small.clone()).unwrap();
                writer = log.writer(Compression::None);
            }
            let topic = ["a", "b", "rare"][if round % 50 == 49 { 2 } else { (round % 2) as usize }];
            let values: Vec<_> = (0..round % 7 + 1).map(|n| vec![round as u8; (n * 400) as usize]).collect();
            append(&log, &mut writer, topic, &values, round).await.unwrap();
            expected.entry(topic).or_default().extend(values);
        }
        assert_eq!(log.cluster_id(), cluster);
        assert_eq!(writer.latest(OFFSETS_TOPIC, b"shop").await.unwrap().as_deref(), Some(&b"399"[..]));
        for (topic, values) in &expected {
            let index = log.topic(topic).unwrap().index;
            for max_bytes in [1, 3_000, 1 << 20] {
                let got = read_all(&log, index, max_bytes).await;
                assert_eq!(got.len(), values.len(), "{topic}");
                for (position, ((offset, value), wanted)) in got.iter().zip(values).enumerate() {
                    assert_eq!((*offset, value), (position as u64, wanted));
                }
            }
        }
        let rare = log.topic("rare").unwrap().index;
        assert_eq!(log.offset_for_time(rare, 0, 100).await.unwrap().map(|found| found.1), Some(149));
        assert_eq!(log.offset_for_time(rare, 0, 1000).await.unwrap(), None);
        assert_eq!(log.max_timestamp(rare, 0).await.unwrap().map(|found| found.1), Some(399));
        assert!(matches!(log.read(rare, 0, 1 << 40, 1).await, Err(LogError::OffsetOutOfRange { start: 0, .. })));
        log.close();
        let report = verify::verify(dir.path()).unwrap();
        assert!(report.segments > 3 && report.torn_tail.is_none(), "{report:?}");
    });
}

#[test]
fn retention_removes_whole_old_segments_and_keeps_the_state() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let small = LogSettings { segment_bytes: 50_000, max_bytes: 150_000, ..settings(dir.path()) };
        let log = BuiltinLog::open(small.clone()).unwrap();
        let mut writer = log.writer(Compression::None);
        append(&log, &mut writer, "early", &[vec![1; 10]], 7).await.unwrap();
        log.put("connect-configs", vec![(b"shop".to_vec(), Some(b"{}".to_vec()))]).await.unwrap();
        for round in 0..200 {
            append(&log, &mut writer, "busy", &[vec![2; 5_000]], round).await.unwrap();
        }
        // Over all segments, one topic's answer is that of all.
        for name in ["early", "busy", "connect-configs", OFFSETS_TOPIC] {
            let topic = log.topic(name).unwrap();
            assert_eq!(log.last_time(&topic), log.last_times().get(&topic.index).copied(), "{name}");
        }
        assert!(log.last_time(&log.topic("busy").unwrap()).is_some());
        log.close();
        drop((writer, log));
        let log = BuiltinLog::open(small).unwrap();
        assert!(log.size_bytes() < 260_000, "{}", log.size_bytes());
        let busy = log.topic("busy").unwrap().index;
        let range = log.offsets(busy, 0).unwrap();
        assert!(range.start > 100 && range.end == 200, "{range:?}");
        assert_eq!(read_all(&log, busy, 10_000).await.len() as u64, 200 - range.start);
        assert!(matches!(log.read(busy, 0, 0, 1).await, Err(LogError::OffsetOutOfRange { .. })));
        // A scan passes over what is gone, and lends the rest once, up to where it is told.
        let writer = log.writer(Compression::None);
        let topic = TopicHandle { index: busy, partitions: 1 };
        assert_eq!(writer.extents(topic).await.unwrap(), [Extent { start: range.start, end: 200 }]);
        for (bytes_max, until) in [(1, 200), (20_000, 199), (1 << 20, 200)] {
            let (mut at, mut seen) = (0, Vec::new());
            while at < until {
                let of = Route { topic: busy, partition: 0 };
                let next = writer.scan(of, at, until, bytes_max, |record| seen.push((record.offset, record.value.map(<[u8]>::len)))).await;
                at = next.unwrap();
            }
            assert_eq!((at, seen), (until, (range.start..until).map(|offset| (offset, Some(5_000))).collect::<Vec<_>>()));
        }
        let nowhere = TopicHandle { index: TopicIndex(999), partitions: 1 };
        assert!(matches!(writer.extents(nowhere).await, Err(LogError::UnknownPartition { .. })));
        // The partition whose records are gone goes on at its next offset, and the internal records are all there.
        let early = log.topic("early").unwrap().index;
        assert_eq!(log.offsets(early, 0).unwrap(), super::OffsetRange { start: 1, end: 1 });
        assert_eq!(log.latest("connect-configs", b"shop").as_deref(), Some(&b"{}"[..]));
        assert_eq!(log.latest(OFFSETS_TOPIC, b"shop").as_deref(), Some(&b"199"[..]));
        log.close();
    });
}

/// A log with some commits, closed; the path of its only segment.
fn written(dir: &Path, commits: u64) -> PathBuf {
    block_on(async {
        let log = BuiltinLog::open(settings(dir)).unwrap();
        let mut writer = log.writer(Compression::None);
        for round in 0..commits {
            append(&log, &mut writer, "t", &[vec![round as u8; 300]], round).await.unwrap();
        }
        log.close();
        dir.join(super::recover::file_name(1))
    })
}

#[test]
fn a_torn_tail_is_cut_at_every_byte() {
    let dir = tempfile::tempdir().unwrap();
    let path = written(dir.path(), 5);
    let whole = std::fs::read(&path).unwrap();
    let last_frame = whole.windows(4).rposition(|bytes| bytes == super::format::FRAME_MAGIC).unwrap();
    for cut in (last_frame..whole.len()).step_by(7) {
        std::fs::write(&path, &whole[..cut]).unwrap();
        block_on(async {
            let log = BuiltinLog::open(settings(dir.path())).unwrap();
            assert_eq!(log.latest(OFFSETS_TOPIC, b"shop").as_deref(), Some(&b"3"[..]), "cut at {cut}");
            let topic = log.topic("t").unwrap().index;
            assert_eq!(read_all(&log, topic, 1 << 20).await.len(), 4);
            append(&log, &mut log.writer(Compression::None), "t", &[vec![9; 10]], 4).await.unwrap();
            assert_eq!(read_all(&log, topic, 1 << 20).await.len(), 5);
            log.close();
        });
    }
}

#[test]
fn a_flipped_bit_in_synced_data_is_refused_with_file_and_position() {
    let dir = tempfile::tempdir().unwrap();
    let path = written(dir.path(), 5);
    let whole = std::fs::read(&path).unwrap();
    let last_frame = whole.windows(4).rposition(|bytes| bytes == super::format::FRAME_MAGIC).unwrap();
    for at in (0..last_frame).step_by(13) {
        let mut bad = whole.clone();
        bad[at] ^= 0x10;
        std::fs::write(&path, &bad).unwrap();
        let ignored = (24..32).contains(&at) && super::format::read_segment_header(&bad).is_ok();
        let verified = verify::verify(dir.path()).map(drop).map_err(|error| error.to_string());
        match BuiltinLog::open(settings(dir.path())) {
            Err(LogError::Damaged { path: named, at: position, what }) => {
                assert_eq!(named, path);
                assert!(position as usize <= at);
                assert_eq!(verified, Err(LogError::Damaged { path: named, at: position, what }.to_string()), "verify says the same");
            }
            Err(LogError::Version { .. }) => {}
            Err(error) => panic!("byte {at}: {error}"),
            Ok(log) => {
                log.close();
                assert!(ignored, "byte {at} was not noticed");
            }
        }
    }
}

/// Every commit adds one record to each of five topics; a reader that asks all the time, newest topic first, never sees one
/// ahead of another: what it asks later is there at least as far.
#[test]
fn a_commit_over_many_topics_is_visible_whole_or_not_at_all() {
    const TOPICS: usize = 5;
    let dir = tempfile::tempdir().unwrap();
    let log = BuiltinLog::open(settings(dir.path())).unwrap();
    block_on(async {
        let mut writer = log.writer(Compression::None);
        let mut topics = Vec::new();
        for index in 0..TOPICS {
            topics.push(log.make_topic(&format!("t{index}"), &TopicSpec::default()).await.unwrap());
        }
        let watched: Vec<_> = topics.iter().map(|topic| topic.index).collect();
        let reader = log.clone();
        let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let stop = Arc::clone(&done);
        let watching = std::thread::spawn(move || {
            let mut looks = 0u64;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                for order in [watched.clone(), watched.iter().rev().copied().collect()] {
                    let ends: Vec<_> = order.iter().map(|topic| reader.offsets(*topic, 0).unwrap().end).collect();
                    assert!(ends.is_sorted(), "{ends:?}: a later look shows less of the same commits");
                    looks += 1;
                }
            }
            looks
        });
        for round in 0..300 {
            let mut commit = writer.begin().await.unwrap();
            for topic in &topics {
                let value = [round as u8; 50];
                commit
                    .push(topic.route(None), RecordRef { timestamp_ms: 1, key: None, value: Some(&value), headers: Headers::NONE })
                    .unwrap();
            }
            let seq = writer.commit(commit).await.unwrap();
            writer.wait_durable(seq).await.unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(watching.join().unwrap() > 100);
    });
    log.close();
}

#[test]
fn a_second_process_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let log = BuiltinLog::open(settings(dir.path())).unwrap();
    assert!(matches!(BuiltinLog::open(settings(dir.path())), Err(LogError::Locked { .. })));
    log.close();
    drop(log);
    BuiltinLog::open(settings(dir.path())).unwrap().close();
}

// A disk that loses what was not synced -------------------------------------------------------------------------------

const PAGE: usize = 4096;

#[derive(Clone, Default)]
struct SimFile {
    /// What is certainly on the disk.
    durable: Vec<u8>,
    /// What the program sees.
    seen: Vec<u8>,
    syncs: u64,
}

#[derive(Clone, Default)]
struct SimDisk {
    files: BTreeMap<PathBuf, SimFile>,
    fail_sync_at: Option<u64>,
    syncs: u64,
    full_after: Option<u64>,
    /// New files find no room.
    fail_create: bool,
}

#[derive(Clone, Default)]
struct SimFiles(Arc<Mutex<SimDisk>>);

struct SimHandle(SimFiles, Mutex<PathBuf>);

impl SimFiles {
    fn open_log(&self) -> BuiltinLog {
        BuiltinLog::open_with(settings(Path::new("/sim")), Arc::new(self.clone()), None).unwrap()
    }

    /// What a power cut leaves: of every file the synced bytes, and of the rest any subset of its pages.
    fn after_power_cut(&self, mut keep: impl FnMut() -> bool) -> Self {
        let mut disk = self.0.lock().unwrap().clone();
        for file in disk.files.values_mut() {
            let mut left = file.durable.clone();
            for (page, bytes) in file.seen.chunks(PAGE).enumerate() {
                let at = page * PAGE;
                let synced = file.durable.get(at..(at + bytes.len()).min(file.durable.len()));
                if synced != Some(bytes) && keep() {
                    left.resize(left.len().max(at + bytes.len()), 0);
                    left[at..at + bytes.len()].copy_from_slice(bytes);
                }
            }
            file.durable = left.clone();
            file.seen = left;
        }
        disk.fail_sync_at = None;
        Self(Arc::new(Mutex::new(disk)))
    }
}

impl Files for SimFiles {
    fn list(&self, _: &Path) -> io::Result<Vec<String>> {
        Ok(self.0.lock().unwrap().files.keys().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect())
    }

    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn LogFile>> {
        let mut disk = self.0.lock().unwrap();
        if create {
            if disk.fail_create {
                return Err(io::ErrorKind::StorageFull.into());
            }
            disk.files.insert(path.to_owned(), SimFile::default());
        } else if !disk.files.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Arc::new(SimHandle(self.clone(), Mutex::new(path.to_owned()))))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        let file = disk.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        disk.files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.lock().unwrap().files.remove(path);
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        let disk = self.0.lock().unwrap();
        let used: usize = disk.files.values().map(|file| file.seen.len()).sum();
        Ok(disk.full_after.map_or(u64::MAX, |limit| limit.saturating_sub(used as u64)))
    }
}

impl SimHandle {
    fn with<T>(&self, act: impl FnOnce(&mut SimFile) -> T) -> io::Result<T> {
        let mut disk = self.0.0.lock().unwrap();
        let path = self.1.lock().unwrap().clone();
        // A file keeps its handle when it gets its final name.
        let named = path.with_extension("");
        let key = if disk.files.contains_key(&path) { path } else { named };
        disk.files.get_mut(&key).map(act).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl LogFile for SimHandle {
    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        self.with(|file| {
            let from = (at as usize).min(file.seen.len());
            let count = buf.len().min(file.seen.len() - from);
            buf[..count].copy_from_slice(&file.seen[from..from + count]);
            count
        })
    }

    fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let end = at as usize + bytes.len();
        self.with(|file| {
            let len = file.seen.len().max(end);
            file.seen.resize(len, 0);
            file.seen[at as usize..end].copy_from_slice(bytes);
        })
    }

    fn sync(&self) -> io::Result<()> {
        {
            let mut disk = self.0.0.lock().unwrap();
            disk.syncs += 1;
            if disk.fail_sync_at.is_some_and(|at| disk.syncs >= at) {
                return Err(io::Error::other("injected: the disk is gone"));
            }
        }
        self.with(|file| {
            file.durable = file.seen.clone();
            file.syncs += 1;
        })
    }

    fn size(&self) -> io::Result<u64> {
        self.with(|file| file.seen.len() as u64)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.with(|file| file.seen.truncate(len as usize))
    }

    fn forget(&self, _: u64, _: u64) {}
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Writers run while power is cut at a random moment, again and again: what was acknowledged is there, in order, once;
    /// what is there beyond it was handed over.
    #[test]
    fn acknowledged_commits_survive_power_cuts(seed: u64, segment_bytes in 3_000u64..60_000) {
        let mut random = seed | 1;
        let mut next = move || { random ^= random << 13; random ^= random >> 7; random ^= random << 17; random };
        let mut files = SimFiles::default();
        let settings = LogSettings { segment_bytes, ..settings(Path::new("/sim")) };
        let (mut value, mut acknowledged) = (0u64, 0u64);
        for _life in 0..5 {
            let log = BuiltinLog::open_with(settings.clone(), Arc::new(files.clone()), None).unwrap();
            let image = block_on(async {
                let stored: u64 = match log.latest(OFFSETS_TOPIC, b"shop") {
                    Some(bytes) => std::str::from_utf8(&bytes).unwrap().parse().unwrap(),
                    None => 0,
                };
                prop_assert!(stored >= acknowledged && stored <= value, "stored {stored}, acknowledged {acknowledged}, written {value}");
                if let Some(topic) = log.topic("t") {
                    let got = read_all(&log, topic.index, 5_000).await;
                    let numbers: Vec<u64> = got.iter().map(|(_, bytes)| u64::from_le_bytes(bytes[..8].try_into().unwrap())).collect();
                    prop_assert_eq!(numbers, (1..=stored).collect::<Vec<_>>());
                } else {
                    prop_assert_eq!(stored, 0);
                }
                value = stored;
                acknowledged = stored;
                let mut writer = log.writer(Compression::None);
                let to = writer.topic("t", &TopicSpec::default()).await.unwrap();
                let offsets = log.topic(OFFSETS_TOPIC).unwrap().index;
                for _ in 0..next() % 40 {
                    let mut commit = writer.begin().await.unwrap();
                    for _ in 0..next() % 3 + 1 {
                        value += 1;
                        let mut bytes = value.to_le_bytes().to_vec();
                        bytes.resize(8 + (next() % 9_000) as usize, 7);
                        commit.push(to.route(None), RecordRef { timestamp_ms: 0, key: None, value: Some(&bytes), headers: Headers::NONE }).unwrap();
                    }
                    let position = value.to_string();
                    let record = RecordRef { timestamp_ms: 1, key: Some(b"shop"), value: Some(position.as_bytes()), headers: Headers::NONE };
                    commit.push(crate::record::Route { topic: offsets, partition: 0 }, record).unwrap();
                    let seq = writer.commit(commit).await.unwrap();
                    if next() % 4 == 0 {
                        writer.wait_durable(seq).await.unwrap();
                        acknowledged = value;
                    }
                }
                let image = files.after_power_cut(|| next() % 2 == 0);
                Ok(image)
            })?;
            log.close();
            files = image;
        }
    }
}

#[test]
fn a_failed_sync_stops_the_log_for_good() {
    let files = SimFiles::default();
    let log = files.open_log();
    block_on(async {
        let mut writer = log.writer(Compression::None);
        append(&log, &mut writer, "t", &[vec![1]], 1).await.unwrap();
        let at = files.0.lock().unwrap().syncs + 1;
        files.0.lock().unwrap().fail_sync_at = Some(at);
        assert!(matches!(append(&log, &mut writer, "t", &[vec![2]], 2).await, Err(LogError::Poisoned(_))));
        // The disk works again; nobody trusts it.
        files.0.lock().unwrap().fail_sync_at = None;
        assert!(append(&log, &mut writer, "t", &[vec![3]], 3).await.is_err());
        assert_eq!(log.failed().unwrap().code, "log/poisoned");
        let topic = log.topic("t").unwrap().index;
        assert_eq!(log.offsets(topic, 0).unwrap().end, 1, "nothing unsynced is visible");
    });
}

#[test]
fn a_full_disk_pauses_and_goes_on_when_there_is_space() {
    let files = SimFiles::default();
    let log = files.open_log();
    block_on(async {
        let mut writer = log.writer(Compression::None);
        append(&log, &mut writer, "t", &[vec![1; 100]], 1).await.unwrap();
        let used = log.size_bytes();
        files.0.lock().unwrap().full_after = Some(used + 50);
        // As much as one writer may have on its way: one is being written, two wait behind it.
        let to = writer.topic("t", &TopicSpec::default()).await.unwrap();
        let mut newest = CommitSeq(0);
        for number in 2..5u8 {
            let mut commit = writer.begin().await.unwrap();
            let value = vec![number; 1 << 20];
            commit.push(to.route(None), RecordRef { timestamp_ms: 2, key: None, value: Some(&value), headers: Headers::NONE }).unwrap();
            newest = writer.commit(commit).await.unwrap();
        }
        let mut paused = log.paused();
        tokio::time::timeout(Duration::from_secs(20), paused.wait_for(Option::is_some)).await.expect("it pauses").unwrap();
        let topic = log.topic("t").unwrap().index;
        // Long enough for the paused writer to look at the disk several times.
        assert!(tokio::time::timeout(Duration::from_secs(1), writer.wait_durable(newest)).await.is_err(), "it waits");
        assert_eq!(read_all(&log, topic, 1000).await.len(), 1, "readers go on");
        let put = || log.put(CONFIGS_TOPIC, vec![(b"k".to_vec(), Some(b"v".to_vec()))]);
        assert!(matches!(put().await, Err(LogError::Paused(_))), "who asks for a record of the log's own is told at once");
        files.0.lock().unwrap().full_after = None;
        writer.wait_durable(newest).await.unwrap();
        let firsts: Vec<u8> = read_all(&log, topic, 1000).await.iter().map(|(_, value)| value[0]).collect();
        assert_eq!(firsts, [1, 2, 3, 4], "nothing that waited is lost");
        assert!(log.paused().borrow().is_none());
        for _ in 0..3 {
            let begun = tokio::time::timeout(Duration::from_secs(20), writer.begin()).await;
            std::mem::forget(begun.expect("all buffers came back"));
        }
        put().await.unwrap();
        files.0.lock().unwrap().full_after = Some(log.size_bytes());
        assert!(matches!(put().await, Err(LogError::DiskFull { .. })), "also where nothing waits yet");
        assert!(log.paused().borrow().is_none(), "and nothing waits for it");
        // It is closed while a commit waits for space: no failure of the disk, and not called one.
        let mut late = log.writer(Compression::None);
        let spec = TopicSpec::default();
        let waits = late.topic("late", &spec);
        assert!(tokio::time::timeout(Duration::from_millis(300), waits).await.is_err(), "it waits");
    });
    log.close();
    assert_eq!(log.failed().unwrap().code, "log/full");
}

/// A successor reads its position only after what its predecessor handed over is durable.
#[test]
fn a_position_is_read_after_everything_that_was_handed_over() {
    let files = SimFiles::default();
    let log = files.open_log();
    block_on(async {
        let offsets = log.topic(OFFSETS_TOPIC).unwrap().index;
        let mut first = log.writer(Compression::None);
        append(&log, &mut first, "t", &[vec![1]], 1).await.unwrap();
        files.0.lock().unwrap().full_after = Some(log.size_bytes());
        let mut commit = first.begin().await.unwrap();
        let record = RecordRef { timestamp_ms: 1, key: Some(b"shop"), value: Some(b"2"), headers: Headers::NONE };
        commit.push(crate::record::Route { topic: offsets, partition: 0 }, record).unwrap();
        first.commit(commit).await.unwrap();
        drop(first);
        let next = log.writer(Compression::None);
        let mut reading = std::pin::pin!(next.latest(OFFSETS_TOPIC, b"shop"));
        assert!(tokio::time::timeout(Duration::from_millis(600), &mut reading).await.is_err(), "position 2 is on its way");
        files.0.lock().unwrap().full_after = None;
        assert_eq!(reading.await.unwrap().as_deref(), Some(&b"2"[..]));
    });
    log.close();
}

#[test]
fn a_log_that_waits_for_space_can_be_closed() {
    let files = SimFiles::default();
    let log = files.open_log();
    block_on(async {
        let mut writer = log.writer(Compression::None);
        append(&log, &mut writer, "t", &[vec![1]], 1).await.unwrap();
        files.0.lock().unwrap().full_after = Some(log.size_bytes());
        let blocked = [vec![2]];
        assert!(tokio::time::timeout(Duration::from_millis(300), append(&log, &mut writer, "t", &blocked, 2)).await.is_err());
    });
    log.close();
}

/// A process was killed between write and sync. What the next one finds and shows is durable first.
#[test]
fn what_recovery_shows_survives_a_power_cut_right_after() {
    let files = SimFiles::default();
    let log = files.open_log();
    block_on(async {
        let mut writer = log.writer(Compression::None);
        append(&log, &mut writer, "t", &[vec![1]], 1).await.unwrap();
        let at = files.0.lock().unwrap().syncs + 1;
        files.0.lock().unwrap().fail_sync_at = Some(at);
        assert!(append(&log, &mut writer, "t", &[vec![2]], 2).await.is_err());
    });
    log.close();
    files.0.lock().unwrap().fail_sync_at = None;
    let shown = |files: &SimFiles| {
        let log = files.open_log();
        let stored = log.latest(OFFSETS_TOPIC, b"shop");
        log.close();
        stored
    };
    assert_eq!(shown(&files).as_deref(), Some(&b"2"[..]));
    assert_eq!(shown(&files.after_power_cut(|| false)).as_deref(), Some(&b"2"[..]));
}

#[test]
fn a_full_disk_at_the_end_of_a_segment_only_puts_the_next_one_off() {
    let files = SimFiles::default();
    let small = LogSettings { segment_bytes: 20_000, ..settings(Path::new("/sim")) };
    let log = BuiltinLog::open_with(small.clone(), Arc::new(files.clone()), None).unwrap();
    block_on(async {
        let mut writer = log.writer(Compression::None);
        files.0.lock().unwrap().fail_create = true;
        for number in 0..10u64 {
            append(&log, &mut writer, "t", &[vec![number as u8; 5_000]], number).await.unwrap();
        }
        assert_eq!(files.list(Path::new("/sim")).unwrap().len(), 1, "the segment goes on");
        files.0.lock().unwrap().fail_create = false;
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        append(&log, &mut writer, "t", &[vec![10; 5_000]], 10).await.unwrap();
        append(&log, &mut writer, "t", &[vec![11; 5_000]], 11).await.unwrap();
        let topic = log.topic("t").unwrap().index;
        assert_eq!(read_all(&log, topic, 9_000).await.len(), 12);
    });
    log.close();
    assert_eq!(files.list(Path::new("/sim")).unwrap().len(), 2);
    let log = BuiltinLog::open_with(small, Arc::new(files.clone()), None).unwrap();
    assert_eq!(log.latest(OFFSETS_TOPIC, b"shop").as_deref(), Some(&b"11"[..]));
    log.close();
}

/// Groups may store more than a small segment holds: a log that rolled for its own state alone would push out the events.
#[test]
fn state_larger_than_a_segment_does_not_roll_for_ever() {
    let files = SimFiles::default();
    let small = LogSettings { segment_bytes: 4_000, ..settings(Path::new("/sim")) };
    let log = BuiltinLog::open_with(small, Arc::new(files.clone()), None).unwrap();
    block_on(async {
        log.put(GROUPS_TOPIC, (0..20u8).map(|key| (vec![key], Some(vec![7; 1_000]))).collect()).await.unwrap();
        for _ in 0..40 {
            log.put(GROUPS_TOPIC, vec![(vec![0], Some(vec![8; 10]))]).await.unwrap();
        }
    });
    log.close();
    let segments = files.list(Path::new("/sim")).unwrap().len();
    assert!(segments <= 3, "{segments} segments");
}

/// Flips a bit of the oldest segment's footer.
fn damage_first_footer(files: &SimFiles) {
    let mut disk = files.0.lock().unwrap();
    assert!(disk.files.len() > 2, "{} segments", disk.files.len());
    let first = disk.files.values_mut().next().unwrap();
    let last = first.seen.len() - 20;
    first.seen[last] ^= 1;
    first.durable = first.seen.clone();
}

#[test]
fn a_damaged_footer_is_made_good_from_the_frames() {
    let files = SimFiles::default();
    let small = LogSettings { segment_bytes: 20_000, ..settings(Path::new("/sim")) };
    let log = BuiltinLog::open_with(small.clone(), Arc::new(files.clone()), None).unwrap();
    let values: Vec<Vec<u8>> = (0..20u8).map(|number| vec![number; 3_000]).collect();
    block_on(async {
        let mut writer = log.writer(Compression::None);
        for (number, value) in values.iter().enumerate() {
            append(&log, &mut writer, "t", std::slice::from_ref(value), number as u64).await.unwrap();
        }
    });
    log.close();
    damage_first_footer(&files);
    let log = BuiltinLog::open_with(small, Arc::new(files.clone()), None).unwrap();
    let topic = log.topic("t").unwrap().index;
    let got: Vec<Vec<u8>> = block_on(read_all(&log, topic, 10_000)).into_iter().map(|(_, value)| value).collect();
    assert_eq!(got, values);
    log.close();
}

/// Aim: what was deleted stays deleted. Method: a topic, a token and an offset are in the oldest segment, are removed in a later
/// one, and the oldest one's footer is damaged, so that its frames are read.
#[test]
fn a_damaged_footer_brings_nothing_back_that_was_deleted() {
    let files = SimFiles::default();
    let small = LogSettings { segment_bytes: 20_000, ..settings(Path::new("/sim")) };
    let log = BuiltinLog::open_with(small.clone(), Arc::new(files.clone()), None).unwrap();
    let (token, group) = (b"token-ci".to_vec(), b"group".to_vec());
    block_on(async {
        let mut writer = log.writer(Compression::None);
        append(&log, &mut writer, "gone", &[vec![1; 3_000]], 0).await.unwrap();
        append(&log, &mut writer, "stays", &[vec![2; 3_000]], 1).await.unwrap();
        log.put(CONFIGS_TOPIC, vec![(token.clone(), Some(b"{}".to_vec())), (b"kept".to_vec(), Some(b"old".to_vec()))]).await.unwrap();
        log.put(GROUPS_TOPIC, vec![(group.clone(), Some(b"7".to_vec()))]).await.unwrap();
        for number in 2..10 {
            append(&log, &mut writer, "stays", &[vec![2; 3_000]], number).await.unwrap();
        }
        log.delete_topic("gone").await.unwrap();
        log.put(CONFIGS_TOPIC, vec![(token.clone(), None), (b"kept".to_vec(), Some(b"new".to_vec()))]).await.unwrap();
        log.put(GROUPS_TOPIC, vec![(group.clone(), None)]).await.unwrap();
        for number in 10..30 {
            append(&log, &mut writer, "stays", &[vec![2; 3_000]], number).await.unwrap();
        }
    });
    log.close();
    damage_first_footer(&files);
    let log = BuiltinLog::open_with(small, Arc::new(files.clone()), None).unwrap();
    assert!(log.topic("gone").is_none(), "the deleted topic is back");
    assert_eq!(log.latest(CONFIGS_TOPIC, &token), None, "the revoked token is back");
    assert_eq!(log.latest(GROUPS_TOPIC, &group), None, "the forgotten offset is back");
    assert_eq!(log.latest(CONFIGS_TOPIC, b"kept").as_deref(), Some(&b"new"[..]));
    assert_eq!(log.latest(OFFSETS_TOPIC, b"shop").as_deref(), Some(&b"29"[..]));
    let stays = log.topic("stays").unwrap().index;
    assert_eq!(block_on(read_all(&log, stays, 10_000)).len(), 29, "nothing is lost");
    log.close();
}

/// The state frame is synced before its segment has a name: one that is damaged is no torn tail. Cut, it would take every topic
/// and position with it.
#[test]
fn a_damaged_state_frame_is_refused_also_where_nothing_follows_it() {
    let dir = tempfile::tempdir().unwrap();
    BuiltinLog::open(settings(dir.path())).unwrap().close();
    let path = dir.path().join(super::recover::file_name(1));
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert!(matches!(BuiltinLog::open(settings(dir.path())), Err(LogError::Damaged { .. })));
    assert!(matches!(verify::verify(dir.path()), Err(LogError::Damaged { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "nothing is cut");
}

/// Aim: a connector with many new tables does not wait for the disk once per table. Method: count the syncs.
#[test]
fn topics_that_are_made_one_after_the_other_share_syncs() {
    const TOPICS: u64 = 400;
    let files = SimFiles::default();
    let log = files.open_log();
    let syncs = || files.0.lock().unwrap().syncs;
    block_on(async {
        let mut writer = log.writer(Compression::None);
        let before = syncs();
        let mut handles = Vec::new();
        for number in 0..TOPICS {
            handles.push(writer.topic(&format!("t{number}"), &TopicSpec::default()).await.unwrap());
        }
        // One that was just made is the same one.
        assert_eq!(writer.topic("t7", &TopicSpec::default()).await.unwrap().index, handles[7].index);
        assert_eq!(writer.topic_name(handles[399].index).as_deref(), Some("t399"), "its maker knows it at once");
        append(&log, &mut writer, "t399", &[vec![1]], 1).await.unwrap();
        let taken = syncs() - before;
        assert!(taken < TOPICS / 4, "{taken} syncs for {TOPICS} topics");
        assert_eq!(log.topics().iter().filter(|topic| !topic.internal).count() as u64, TOPICS, "a commit shows all that were before it");
    });
    // A topic counts only once it is synced: without the power, none that was made after the commit is there.
    let cut = files.after_power_cut(|| false);
    log.close();
    let log = cut.open_log();
    assert_eq!(log.topics().iter().filter(|topic| !topic.internal).count() as u64, TOPICS);
    log.close();
}

/// A topic for which no commit comes is made all the same, and one that is asked for durably is there at once.
#[test]
fn a_new_topic_is_seen_without_a_commit() {
    let files = SimFiles::default();
    let log = files.open_log();
    block_on(async {
        let mut writer = log.writer(Compression::None);
        writer.topic("soon", &TopicSpec::default()).await.unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while log.topic("soon").is_none() {
            assert!(std::time::Instant::now() < deadline, "nobody sees it");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let made = log.make_topic("now", &TopicSpec { partitions: 3, ..TopicSpec::default() }).await.unwrap();
        assert_eq!((made.partitions, log.topic("now").map(|topic| topic.index)), (3, Some(made.index)));
    });
    let cut = files.after_power_cut(|| false);
    log.close();
    let log = cut.open_log();
    assert!(log.topic("soon").is_some() && log.topic("now").is_some());
    log.close();
}

#[test]
fn all_topics_together_have_so_many_partitions_and_no_more() {
    let files = SimFiles::default();
    let log = files.open_log();
    block_on(async {
        let mut writer = log.writer(Compression::None);
        let wide = TopicSpec { partitions: 20_000, ..TopicSpec::default() };
        for number in 0..4 {
            writer.topic(&format!("wide{number}"), &wide).await.unwrap();
        }
        let Err(refused) = writer.topic("wide4", &wide).await else { panic!("taken") };
        let LogError::TooManyPartitions { asked: 20_000, there, max: super::PARTITIONS_MAX, .. } = refused else { panic!("{refused}") };
        assert!(there > 80_000 && refused.problem().code == "log/partitions");
        // What there is room for is still made, what is there still found, and a deleted one gives its room back.
        writer.topic("small", &TopicSpec::default()).await.unwrap();
        writer.topic("wide0", &wide).await.unwrap();
        log.make_topic("small", &TopicSpec::default()).await.unwrap();
        log.delete_topic("wide1").await.unwrap();
        writer.topic("wide4", &wide).await.unwrap();
    });
    log.close();
}

/// Aim: a reader of several topics gets every record once and in order, is told what retention took and which topic is gone, and
/// waits for what comes.
#[test]
fn a_subscription_reads_every_record_once_and_tells_what_is_gone() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let log = BuiltinLog::open(LogSettings { segment_bytes: 64 << 10, max_bytes: 192 << 10, ..settings(dir.path()) }).unwrap();
        let mut writer = log.writer(Compression::None);
        for topic in ["a", "b"] {
            append(&log, &mut writer, topic, &[vec![0], vec![1]], 1).await.unwrap();
        }
        let mut places = Vec::new();
        for (topic, from) in [("a", StartAt::Start), ("b", StartAt::Offset(1))] {
            places.extend(from.places(&log, &log.topic(topic).unwrap(), None).await.unwrap());
        }
        assert!(StartAt::Offset(9).places(&log, &log.topic("a").unwrap(), None).await.is_err(), "an offset that is not there");
        let mut reader = Subscription::open(log.clone(), places);
        let mut seen = Vec::new();
        while let Some(delivery) = reader.read(1).await.unwrap() {
            let Delivery::Records(chunk) = delivery else { panic!("{delivery:?}") };
            chunk.records(|record| {
                seen.push((chunk.place, record.offset, record.value.unwrap().to_vec()));
                true
            });
        }
        seen.sort();
        assert_eq!(seen, [(0, 0, vec![0]), (0, 1, vec![1]), (1, 1, vec![1])]);

        // What comes later wakes it.
        let value = [vec![2]];
        let (woken, appended) = tokio::join!(reader.wait(), append(&log, &mut writer, "a", &value, 2));
        woken.unwrap();
        appended.unwrap();
        assert!(matches!(reader.read(1 << 20).await, Ok(Some(Delivery::Records(chunk))) if (chunk.from, chunk.next) == (2, 3)));

        // Retention takes what it has not read.
        for round in 0..40 {
            append(&log, &mut writer, "a", &[vec![7; 16 << 10]], 3 + round).await.unwrap();
        }
        let start = log.offsets(log.topic("a").unwrap().index, 0).unwrap().start;
        let first = reader.read(1 << 20).await.unwrap();
        assert!(matches!(first, Some(Delivery::Gap { place: 0, from: 3, to }) if to == start && start > 3), "{first:?}");
        let mut next = start;
        while next < 43 {
            match reader.read(1).await.unwrap() {
                Some(Delivery::Records(chunk)) => {
                    assert_eq!(chunk.from, next);
                    next = chunk.next;
                }
                Some(Delivery::Gap { place: 1, .. }) => {}
                other => panic!("{other:?} at {next}"),
            }
        }
        log.delete_topic("a").await.unwrap();
        assert!(matches!(reader.read(1).await, Ok(Some(Delivery::Deleted { place: 0 }))));
        assert!(reader.read(1).await.unwrap().is_none());
        log.close();
    });
}
