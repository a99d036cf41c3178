//! The index of keys against a model: random changes, restarts, retention, torn and foreign files, and what a long one costs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;

use super::super::{BuiltinLog, BuiltinWriter, LogSettings};
use super::{KeySettings, WATCHERS_MAX};
use crate::log::{LogError, LogWriter, TopicSpec};
use crate::record::compression::Compression;
use crate::record::{Headers, RecordRef, RecordSink, Route};

/// As a schema before a key is left out: what stands behind the last bar.
fn same(key: &[u8]) -> &[u8] {
    key.iter().rposition(|byte| *byte == b'|').map_or(key, |at| &key[at + 1..])
}

fn settings(dir: &Path) -> LogSettings {
    let keys = KeySettings { run_keys: 40, run_bytes: 20_000, ..KeySettings::new(same) };
    LogSettings { segment_bytes: 10_000, min_free_bytes: 0, key_index: Some(keys), ..LogSettings::new(dir) }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A record: topic, partition, key, value.
type Written = (u8, u32, Option<Vec<u8>>, Vec<u8>);

/// Writes one commit of records of topics `t0`, `t1`.. with three partitions each.
async fn write(writer: &mut BuiltinWriter, records: &[Written]) {
    let mut handles = Vec::new();
    for (topic, ..) in records {
        handles.push(writer.topic(&format!("t{topic}"), &TopicSpec { partitions: 3, ..TopicSpec::default() }).await.unwrap());
    }
    let mut commit = writer.begin().await.unwrap();
    for (handle, (_, partition, key, value)) in handles.iter().zip(records) {
        let route = Route { topic: handle.index, partition: *partition };
        commit.push(route, RecordRef { timestamp_ms: 1, key: key.as_deref(), value: Some(value), headers: Headers::NONE }).unwrap();
    }
    let seq = writer.commit(commit).await.unwrap();
    writer.wait_durable(seq).await.unwrap();
}

/// The newest value of a key, and where; `Err(())`: retention took it.
async fn newest(log: &BuiltinLog, topic: &str, key: Option<&[u8]>) -> Option<Result<Vec<u8>, ()>> {
    let topic = log.topic(topic)?;
    let found = loop {
        match log.newest(&topic, key, 0).await {
            Ok(found) => break found,
            // It is being made anew.
            Err(LogError::KeysBehind { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    };
    let kept = log.record_at(&topic, found.place?).await.unwrap();
    let mut room = Vec::new();
    let record = kept.as_ref().map(|kept| kept.record(&mut room).expect("it is in its batch"));
    Some(record.map(|record| record.value.unwrap().to_vec()).ok_or(()))
}

fn runs(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|kind| kind == "keys"));
    found.sort();
    found
}

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<(u8, u16, bool)>),
    Reopen,
    /// Cuts, flips or removes one of the index's files while nobody has it open.
    Harm(u8, u16, u8),
    Look(u8, u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => prop::collection::vec((0..2u8, 0..120u16, prop::bool::weighted(0.05)), 1..30).prop_map(Step::Write),
        1 => Just(Step::Reopen),
        1 => (0..8u8, any::<u16>(), 0..3u8).prop_map(|(file, at, how)| Step::Harm(file, at, how)),
        6 => (0..2u8, 0..130u16).prop_map(|(topic, key)| Step::Look(topic, key)),
    ];
    prop::collection::vec(step, 1..120)
}

fn harm(dir: &Path, file: u8, at: u16, how: u8) {
    let files = runs(dir);
    let Some(path) = files.get(usize::from(file) % files.len().max(1)) else { return };
    let mut bytes = std::fs::read(path).unwrap();
    let at = usize::from(at) % bytes.len().max(1);
    match how {
        0 => bytes.truncate(at),
        1 => bytes[at] ^= 0x41,
        _ => return std::fs::remove_file(path).unwrap(),
    }
    std::fs::write(path, bytes).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Aim: whatever was written, in however many runs and segments, the newest record of a key is found, and none that never was.
    /// Method: a map beside the log; the log is reopened, and files of the index are torn, changed or lost, in between.
    #[test]
    fn the_newest_record_of_a_key_is_always_found(steps in steps(), codec in prop_oneof![Just(Compression::None), Just(Compression::Lz4)]) {
        block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let mut log = BuiltinLog::open(settings(dir.path())).unwrap();
            let mut writer = log.writer(codec);
            let mut model: HashMap<(u8, Option<u16>), Vec<u8>> = HashMap::new();
            let mut number = 0u32;
            for step in steps {
                match step {
                    Step::Write(changes) => {
                        let mut records = Vec::new();
                        for (topic, key, is_keyless) in changes {
                            number += 1;
                            let key = (!is_keyless).then_some(key);
                            let mut value = number.to_string().into_bytes();
                            value.resize(60, b'.');
                            model.insert((topic, key), value.clone());
                            // Every second one has a schema before it.
                            let text = key.map(|key| format!("{}{key}", if number.is_multiple_of(2) { "schema|" } else { "" }).into_bytes());
                            records.push((topic, u32::from(key.unwrap_or(0)) % 3, text, value));
                        }
                        write(&mut writer, &records).await;
                    }
                    Step::Reopen => {
                        log.close();
                        log = BuiltinLog::open(settings(dir.path())).unwrap();
                        writer = log.writer(codec);
                    }
                    Step::Harm(file, at, how) => {
                        log.close();
                        harm(dir.path(), file, at, how);
                        log = BuiltinLog::open(settings(dir.path())).unwrap();
                        writer = log.writer(codec);
                    }
                    Step::Look(topic, key) => {
                        let found = newest(&log, &format!("t{topic}"), Some(key.to_string().as_bytes())).await;
                        prop_assert_eq!(found, model.get(&(topic, Some(key))).cloned().map(Ok));
                    }
                }
            }
            for ((topic, key), value) in &model {
                let text = key.map(|key| key.to_string().into_bytes());
                prop_assert_eq!(newest(&log, &format!("t{topic}"), text.as_deref()).await, Some(Ok(value.clone())), "{:?}", key);
            }
            log.close();
            Ok(())
        })?;
    }
}

/// Aim: what retention takes is told as gone, files of segments that are gone go, too, and those that stay are few.
#[test]
fn retention_takes_keys_and_their_files() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let small = LogSettings { max_bytes: 100_000, ..settings(dir.path()) };
        let log = BuiltinLog::open(small.clone()).unwrap();
        let mut writer = log.writer(Compression::None);
        write(&mut writer, &[(0, 0, Some(b"old".to_vec()), vec![1])]).await;
        assert_eq!(newest(&log, "t0", Some(b"old")).await, Some(Ok(vec![1])));
        for number in 0..3000u32 {
            let key = (number % 500).to_string().into_bytes();
            write(&mut writer, &[(0, number % 3, Some(key), vec![b'x'; 100])]).await;
        }
        let topic = log.topic("t0").unwrap();
        assert!(log.offsets(topic.index, 0).unwrap().start > 0);
        // The index's trace of it may stay for a while; the record does not.
        assert!(matches!(newest(&log, "t0", Some(b"old")).await, None | Some(Err(()))));
        assert_eq!(newest(&log, "t0", Some(b"499")).await, Some(Ok(vec![b'x'; 100])));
        let (files, bytes) = log.keys().unwrap().size();
        assert!((1..40).contains(&files) && bytes < 400_000, "{files} {bytes}");
        log.close();

        let log = BuiltinLog::open(small).unwrap();
        assert_eq!(newest(&log, "t0", Some(b"499")).await, Some(Ok(vec![b'x'; 100])));
        let first = *log.shared.index().segments.front().map(|segment| &segment.first_commit).unwrap();
        let ended: Vec<u64> = runs(dir.path())
            .iter()
            .map(|path| path.file_stem().unwrap().to_str().unwrap().split_once('-').unwrap().1.parse().unwrap())
            .collect();
        assert!(ended.iter().all(|end| *end >= first), "{ended:?} {first}");
        log.close();
    });
}

/// Aim: an index that lies beside another log, as after a restore from a copy, is not believed.
#[test]
fn the_index_of_another_history_is_made_anew() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let copy = tempfile::tempdir().unwrap();
        let log = BuiltinLog::open(settings(dir.path())).unwrap();
        let mut writer = log.writer(Compression::None);
        write(&mut writer, &[(0, 0, Some(b"a".to_vec()), vec![1])]).await;
        log.close();
        for entry in std::fs::read_dir(dir.path()).unwrap().flatten() {
            std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
        let grow = |dir: PathBuf, value: u8| async move {
            let log = BuiltinLog::open(settings(&dir)).unwrap();
            let mut writer = log.writer(Compression::None);
            for number in 0..200u32 {
                write(&mut writer, &[(0, 0, Some(format!("{value}-{number}").into_bytes()), vec![value; 200])]).await;
            }
            write(&mut writer, &[(0, 0, Some(b"a".to_vec()), vec![value])]).await;
            assert_eq!(newest(&log, "t0", Some(b"a")).await, Some(Ok(vec![value])));
            log.close();
        };
        grow(dir.path().to_owned(), 2).await;
        grow(copy.path().to_owned(), 3).await;
        for path in runs(dir.path()) {
            std::fs::remove_file(path).unwrap();
        }
        let foreign = runs(copy.path());
        assert!(!foreign.is_empty());
        for path in &foreign {
            std::fs::copy(path, dir.path().join(path.file_name().unwrap())).unwrap();
        }
        let log = BuiltinLog::open(settings(dir.path())).unwrap();
        assert_eq!(newest(&log, "t0", Some(b"a")).await, Some(Ok(vec![2])));
        assert_eq!(newest(&log, "t0", Some(b"3-7")).await, None);
        assert_eq!(newest(&log, "t0", Some(b"2-7")).await, Some(Ok(vec![2; 200])));
        log.close();
    });
}

/// Aim: who waits is told at once, and so many wait at most.
#[test]
fn who_waits_for_a_key_is_told_when_it_changes() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let log = BuiltinLog::open(settings(dir.path())).unwrap();
        let mut writer = log.writer(Compression::None);
        write(&mut writer, &[(0, 0, Some(b"a".to_vec()), vec![1])]).await;
        let topic = log.topic("t0").unwrap();
        let first = log.newest(&topic, Some(b"a"), 0).await.unwrap();
        let mut watch = log.keys().unwrap().watch().expect("room");
        let waiting = tokio::spawn({
            let (log, topic) = (log.clone(), topic.clone());
            async move {
                loop {
                    let found = log.newest(&topic, Some(b"a"), first.read).await.unwrap();
                    if let Some(place) = found.place {
                        return place;
                    }
                    watch.changed().await.unwrap();
                }
            }
        });
        write(&mut writer, &[(0, 0, Some(b"b".to_vec()), vec![1])]).await;
        write(&mut writer, &[(0, 0, Some(b"a".to_vec()), vec![2])]).await;
        let place = tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("it is told").unwrap();
        assert!(place.is_behind(&first.place.unwrap()) && place.offset == 2);

        let keys = log.keys().unwrap();
        let watches: Vec<_> = (0..WATCHERS_MAX).map(|_| keys.watch().expect("room")).collect();
        assert!(keys.watch().is_none());
        drop(watches);
        assert!(keys.watch().is_some());
        log.close();
    });
}

#[test]
fn without_an_index_a_look_up_is_refused() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let log = BuiltinLog::open(LogSettings { key_index: None, ..settings(dir.path()) }).unwrap();
        let mut writer = log.writer(Compression::None);
        write(&mut writer, &[(0, 0, Some(b"a".to_vec()), vec![1])]).await;
        let topic = log.topic("t0").unwrap();
        assert!(matches!(log.newest(&topic, Some(b"a"), 0).await, Err(LogError::KeysOff)));
        log.close();
        assert!(runs(dir.path()).is_empty());
    });
}
