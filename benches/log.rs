//! The built-in log: a durable commit, and reading a partition. `cargo bench --bench log`

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
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
        let log = BuiltinLog::open(LogSettings::new(dir.path())).expect("an empty log opens");
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
