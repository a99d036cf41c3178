//! The built-in log: a durable commit, and reading a partition. `cargo bench --bench log`

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use rowfeed::log::builtin::keys::KeySettings;
use rowfeed::log::builtin::{BuiltinLog, LogSettings};
use rowfeed::log::{LogWriter, TopicSpec};
use rowfeed::record::compression::Compression;
use rowfeed::record::{Headers, RecordRef, RecordSink};

fn main() {
    divan::main();
}

struct Open {
    log: BuiltinLog,
    runtime: tokio::runtime::Runtime,
    _dir: tempfile::TempDir,
}

impl Open {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let key_index = Some(KeySettings::new(rowfeed::encode::stored::comparable));
        let log = BuiltinLog::open(LogSettings { key_index, ..LogSettings::new(dir.path()) }).expect("an empty log opens");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { log, runtime, _dir: dir }
    }

    /// Appends `records` of `bytes` each in one commit; durable when it returns.
    fn append(&self, writer: &mut rowfeed::log::builtin::BuiltinWriter, records: usize, bytes: usize) {
        let value = vec![b'x'; bytes];
        self.runtime.block_on(async {
            let topic = writer.topic("bench", &TopicSpec::default()).await.expect("a legal name");
            let mut commit = writer.begin().await.expect("open");
            for _ in 0..records {
                commit
                    .push(topic.route(None), RecordRef { timestamp_ms: 1, key: None, value: Some(&value), headers: Headers::NONE })
                    .expect("grows");
            }
            let seq = writer.commit(commit).await.expect("open");
            writer.wait_durable(seq).await.expect("open");
        });
    }
}

#[divan::bench(args = [1, 100, 5000], sample_count = 50)]
fn a_durable_commit_of_600_byte_records(bencher: Bencher, records: usize) {
    let open = Open::new();
    let mut writer = open.log.writer(Compression::None);
    bencher
        .counter(ItemsCount::new(records))
        .counter(BytesCount::new(records * 600))
        .bench_local(|| open.append(&mut writer, records, 600));
    open.log.close();
}

#[divan::bench(sample_count = 50)]
fn fetch_one_mebibyte(bencher: Bencher) {
    let open = Open::new();
    let mut writer = open.log.writer(Compression::None);
    for _ in 0..20 {
        open.append(&mut writer, 1000, 600);
    }
    let topic = open.log.topic("bench").expect("made").index;
    let mut from = 0;
    bencher.counter(BytesCount::new(1usize << 20)).bench_local(|| {
        let bytes = open.runtime.block_on(open.log.read(topic, 0, from, 1 << 20)).expect("reads");
        from = (from + 1700) % 15_000;
        bytes.len()
    });
    open.log.close();
}

/// A million keys, five records of each: some runs, and a table in memory.
fn a_log_of_a_million_keys() -> Open {
    let open = Open::new();
    let mut writer = open.log.writer(Compression::None);
    open.runtime.block_on(async {
        let topic = writer.topic("bench", &TopicSpec::default()).await.expect("a legal name");
        for from in (0..5_000_000u64).step_by(5_000) {
            let mut commit = writer.begin().await.expect("open");
            for number in from..from + 5_000 {
                let key = format!("{{\"id\":{}}}", number * 7_919 % 1_000_000);
                let record = RecordRef { timestamp_ms: 1, key: Some(key.as_bytes()), value: Some(&[b'x'; 300]), headers: Headers::NONE };
                commit.push(topic.route(None), record).expect("grows");
            }
            let seq = writer.commit(commit).await.expect("open");
            writer.wait_durable(seq).await.expect("open");
        }
        // The index reads on; it is there when it answers.
        let topic = open.log.topic("bench").expect("made");
        let until = std::time::Instant::now() + std::time::Duration::from_secs(120);
        while open.log.newest(&topic, Some(b"{}"), 0).await.is_err() {
            assert!(std::time::Instant::now() < until, "the index does not come after");
        }
    });
    open
}

#[divan::bench(sample_count = 20, sample_size = 1000, args = [true, false])]
fn the_place_of_a_key_of_a_million(bencher: Bencher, there: bool) {
    let open = a_log_of_a_million_keys();
    let topic = open.log.topic("bench").expect("made");
    let mut number = 0u64;
    bencher.counter(ItemsCount::new(1usize)).bench_local(|| {
        number += 611_953;
        let key = format!("{{\"id\":{}}}", number % 1_000_000 + if there { 0 } else { 1_000_000 });
        let found = open.runtime.block_on(open.log.newest(&topic, Some(key.as_bytes()), 0)).expect("found");
        assert_eq!(found.place.is_some(), there);
    });
    println!("{:?}", open.log.keys().map(|keys| keys.size()));
    open.log.close();
}

#[divan::bench(sample_count = 20, sample_size = 100)]
fn the_newest_record_of_a_key_of_a_million(bencher: Bencher) {
    let open = a_log_of_a_million_keys();
    let topic = open.log.topic("bench").expect("made");
    let mut number = 0u64;
    bencher.counter(ItemsCount::new(1usize)).bench_local(|| {
        number += 611_953;
        let key = format!("{{\"id\":{}}}", number % 1_000_000);
        open.runtime.block_on(async {
            let found = open.log.newest(&topic, Some(key.as_bytes()), 0).await.expect("found");
            let kept = open.log.record_at(&topic, found.place.expect("there")).await.expect("read").expect("kept");
            let mut room = Vec::new();
            assert_eq!(kept.record(&mut room).and_then(|record| record.key), Some(key.as_bytes()));
        });
    });
    open.log.close();
}
