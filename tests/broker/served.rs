//! A built-in log in a temporary folder, served on a free port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rowfeed::broker::{self, BrokerSettings, HostPort};
use rowfeed::log::builtin::{BuiltinLog, BuiltinWriter, LogSettings};
use rowfeed::log::{LogWriter, TopicSpec};
use rowfeed::record::compression::Compression;
use rowfeed::record::view::batches;
use rowfeed::record::{HeaderBlock, RecordRef, RecordSink};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Kafka's timestamp of the first record that [`Served::write`] writes; each next one is a millisecond later.
pub const FIRST_TIMESTAMP: i64 = 1_700_000_000_000;

pub struct Served {
    dir: Arc<tempfile::TempDir>,
    runtime: Arc<tokio::runtime::Runtime>,
    pub log: BuiltinLog,
    writer: std::sync::Mutex<BuiltinWriter>,
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
    pub address: SocketAddr,
    change: fn(&mut BrokerSettings),
}

impl Served {
    pub fn start() -> Self {
        Self::start_with(|_| {})
    }

    pub fn start_with(change: fn(&mut BrokerSettings)) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self::open(dir, Arc::new(runtime), "127.0.0.1:0".parse().unwrap(), change)
    }

    fn open(dir: Arc<tempfile::TempDir>, runtime: Arc<tokio::runtime::Runtime>, at: SocketAddr, change: fn(&mut BrokerSettings)) -> Self {
        let _ = tracing_subscriber::fmt().with_test_writer().try_init();
        let log = BuiltinLog::open(LogSettings { min_free_bytes: 0, ..LogSettings::new(dir.path().join("log")) }).unwrap();
        let listener = runtime.block_on(TcpListener::bind(at)).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let mut settings = BrokerSettings::new(HostPort { host: "127.0.0.1".into(), port: address.port() });
        change(&mut settings);
        let task = Some(runtime.spawn(broker::serve(settings, log.clone(), listener, stopped)));
        let writer = std::sync::Mutex::new(log.writer(Compression::None));
        Self { dir, runtime, log, writer, stop, task, address, change }
    }

    /// Writes `count` records in one commit: key `k<n>`, value `v<n>`, `n` from `from`.
    pub fn write(&self, topic: &str, partitions: u32, from: usize, count: usize) {
        self.write_by(&mut self.writer.lock().unwrap(), topic, partitions, from, count);
    }

    /// The same, compressed: each partition gets one batch, with headers that make it worth while.
    pub fn write_compressed(&self, codec: Compression, topic: &str, partitions: u32, from: usize, count: usize) {
        let before = self.batches(topic, codec);
        self.write_by(&mut self.log.writer(codec), topic, partitions, from, count);
        assert_eq!(self.batches(topic, codec), before + partitions as usize, "{codec:?}");
    }

    /// How many batches of a topic are compressed so.
    fn batches(&self, topic: &str, codec: Compression) -> usize {
        let Some(topic) = self.log.topic(topic) else { return 0 };
        let read = |partition| {
            let bytes = self.runtime.block_on(self.log.read(topic.index, partition, 0, 1 << 20)).unwrap();
            batches(&bytes).filter(|batch| batch.compression() == Ok(codec)).count()
        };
        (0..topic.partitions).map(read).sum()
    }

    fn write_by(&self, writer: &mut BuiltinWriter, topic: &str, partitions: u32, from: usize, count: usize) {
        let mut headers = HeaderBlock::default();
        headers.push("padding", &[b'x'; 200]);
        self.runtime.block_on(async {
            let spec = TopicSpec { partitions, ..TopicSpec::default() };
            let handle = writer.topic(topic, &spec).await.unwrap();
            let mut commit = writer.begin().await.unwrap();
            for number in from..from + count {
                let (key, value) = (format!("k{number}"), format!("v{number}"));
                let record = RecordRef {
                    timestamp_ms: FIRST_TIMESTAMP + number as i64,
                    key: Some(key.as_bytes()),
                    value: Some(value.as_bytes()),
                    headers: headers.headers(),
                };
                commit.push(handle.route(Some(key.as_bytes())), record).unwrap();
            }
            let seq = writer.commit(commit).await.unwrap();
            writer.wait_durable(seq).await.unwrap();
        });
    }

    /// Stops serving; returns how long that took.
    pub fn stop(&mut self) -> Duration {
        let begun = Instant::now();
        self.stop.send_replace(true);
        if let Some(task) = self.task.take() {
            self.runtime.block_on(task).unwrap();
        }
        begun.elapsed()
    }

    /// Stops, closes the log, opens it again and serves at the same address.
    pub fn restart(mut self) -> Self {
        self.stop();
        self.log.close();
        let (dir, runtime, address, change) = (Arc::clone(&self.dir), Arc::clone(&self.runtime), self.address, self.change);
        drop(self);
        Self::open(dir, runtime, address, change)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop();
        self.log.close();
    }
}
