//! The external log: Apache Kafka through librdkafka, a transaction per commit.
//!
//! Owns one transactional producer per connector ([`producer`]) and reading the position back ([`checkpoint`]). Promises
//! the contract of [`super::LogWriter`] to readers with `isolation.level=read_committed`: events and checkpoint are one
//! transaction. Order at the start: `init_transactions` fences an older instance and ends its transaction, *then* the
//! checkpoint is read. librdkafka blocks its caller, so everything runs on a thread of its own.
//!
//! Known gap: a transaction commit whose outcome is unknown can, on brokers before Kafka 4.0 (KIP-890), apply to a later
//! transaction; the producer is made anew and the checkpoint decides.

pub mod checkpoint;
pub mod follow;
pub mod probe;
pub mod producer;
pub mod topics;

use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, KafkaResult};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};

use super::commit::CommitBuffer;
use super::topic::is_valid_name;
use super::{CommitSeq, Extent, LogError, LogWriter, Scanned, TopicSpec};
use crate::problem::Problem;
use crate::record::{Route, TopicHandle, TopicIndex};
use producer::Command;

/// Commits in flight: one being filled, one waiting, one in its transaction.
const BUFFERS: usize = 3;

/// Why topics are not read back.
const UNREADABLE: &str = "topics of an external Kafka are not read back: only those of the built-in log are reconciled";

/// How to reach the cluster.
#[derive(Clone)]
pub struct KafkaSettings {
    /// `host:port,...`.
    pub bootstrap: String,
    /// Further librdkafka properties; may hold secrets, so they are never printed.
    pub properties: BTreeMap<String, String>,
    /// Part of the transactional id: tells services on one cluster apart.
    pub group: String,
}

impl std::fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.properties.keys().collect();
        f.debug_struct("KafkaSettings").field("bootstrap", &self.bootstrap).field("properties", &names).field("group", &self.group).finish()
    }
}

impl KafkaSettings {
    /// A client's configuration: the cluster and the user's properties.
    fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("client.id", "rowfeed");
        // The statically linked OpenSSL of some builds looks for certificates where no system has them.
        client.set("ssl.ca.location", "probe");
        for (name, value) in &self.properties {
            client.set(name, value);
        }
        client.set("bootstrap.servers", &self.bootstrap);
        // To ask whether a topic exists must not make it, with the broker's own settings.
        client.set("allow.auto.create.topics", "false");
        client
    }
}

/// An admin client for tasks: its end waits for a thread that looks up ten times a second, and for librdkafka, so it is
/// dropped where that holds nobody up, also when the task that asked is dropped.
struct Admin(Option<AdminClient<DefaultClientContext>>);

impl Admin {
    fn new(settings: &KafkaSettings) -> KafkaResult<Self> {
        Ok(Self(Some(settings.client().create()?)))
    }
}

impl Deref for Admin {
    type Target = AdminClient<DefaultClientContext>;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref().expect("only the drop takes it")
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        let client = self.0.take();
        if let Ok(runtime) = Handle::try_current() {
            drop(runtime.spawn_blocking(move || drop(client)));
        }
    }
}

/// For clients that read something and are gone: what librdkafka tells besides is not worth a line in the log. Their callers
/// see the errors that matter.
#[derive(Clone, Copy, Debug)]
struct Quiet;

impl ClientContext for Quiet {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!("librdkafka: {error}: {reason}");
    }
}

impl ConsumerContext for Quiet {}

/// What the writer and its thread share.
struct Shared {
    durable: watch::Sender<CommitSeq>,
    failure: watch::Sender<Option<Arc<LogError>>>,
    recycled: mpsc::Sender<CommitBuffer>,
    handed_over: AtomicU64,
}

/// A connector's end of the external log.
pub struct KafkaWriter {
    commands: SyncSender<Command>,
    shared: Arc<Shared>,
    free: mpsc::Receiver<CommitBuffer>,
    topics: HashMap<String, TopicHandle>,
}

impl KafkaWriter {
    /// Connects, fences older instances of this connector.
    pub async fn open(settings: &KafkaSettings, connector: &str) -> Result<Self, LogError> {
        let (commands, inbox) = std::sync::mpsc::sync_channel(BUFFERS + 2);
        let (recycled, free) = mpsc::channel(BUFFERS);
        for _ in 0..BUFFERS {
            let _ = recycled.try_send(CommitBuffer::default());
        }
        let shared = Arc::new(Shared {
            durable: watch::Sender::new(CommitSeq(0)),
            failure: watch::Sender::new(None),
            recycled,
            handed_over: AtomicU64::new(0),
        });
        let (ready, opened) = oneshot::channel();
        let (settings, connector, for_thread) = (settings.clone(), connector.to_owned(), Arc::clone(&shared));
        std::thread::Builder::new()
            .name("rowfeed-kafka".into())
            .spawn(move || producer::run(&settings, &connector, &inbox, &for_thread, ready))
            .map_err(|error| LogError::External(error.to_string()))?;
        opened.await.map_err(|_| LogError::Closed)??;
        Ok(Self { commands, shared, free, topics: HashMap::new() })
    }

    fn failure(&self) -> LogError {
        match self.shared.failure.borrow().as_deref() {
            Some(LogError::Fenced(why)) => LogError::Fenced(why.clone()),
            Some(LogError::ExternalFatal(why)) => LogError::ExternalFatal(why.clone()),
            Some(other) => LogError::External(other.to_string()),
            None => LogError::Closed,
        }
    }

    async fn send(&self, mut command: Command) -> Result<(), LogError> {
        loop {
            match self.commands.try_send(command) {
                Ok(()) => return Ok(()),
                Err(std::sync::mpsc::TrySendError::Full(back)) => command = back,
                Err(std::sync::mpsc::TrySendError::Disconnected(_)) => return Err(self.failure()),
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

impl LogWriter for KafkaWriter {
    type Commit = CommitBuffer;

    async fn topic(&mut self, name: &str, spec: &TopicSpec) -> Result<TopicHandle, LogError> {
        if let Some(handle) = self.topics.get(name) {
            return Ok(*handle);
        }
        if !is_valid_name(name) {
            return Err(LogError::InvalidTopicName(name.to_owned()));
        }
        let index = TopicIndex(u32::try_from(self.topics.len()).unwrap_or(u32::MAX));
        let (done, wait) = oneshot::channel();
        self.send(Command::Topic { name: name.to_owned(), spec: spec.clone(), index, done }).await?;
        let partitions = wait.await.map_err(|_| self.failure())??;
        let handle = TopicHandle { index, partitions };
        self.topics.insert(name.to_owned(), handle);
        Ok(handle)
    }

    fn topic_name(&self, topic: TopicIndex) -> Option<String> {
        self.topics.iter().find(|(_, handle)| handle.index == topic).map(|(name, _)| name.clone())
    }

    async fn begin(&mut self) -> Result<CommitBuffer, LogError> {
        let mut failure = self.shared.failure.subscribe();
        tokio::select! {
            commit = self.free.recv() => commit.ok_or(LogError::Closed),
            _ = failure.wait_for(Option::is_some) => Err(self.failure()),
        }
    }

    fn is_idle(&self) -> bool {
        self.shared.durable.borrow().0 == self.shared.handed_over.load(Ordering::Relaxed)
    }

    async fn commit(&mut self, commit: CommitBuffer) -> Result<CommitSeq, LogError> {
        let seq = CommitSeq(self.shared.handed_over.fetch_add(1, Ordering::Relaxed) + 1);
        self.send(Command::Commit { commit, seq }).await?;
        Ok(seq)
    }

    fn durable(&self) -> CommitSeq {
        *self.shared.durable.borrow()
    }

    async fn wait_durable(&self, seq: CommitSeq) -> Result<CommitSeq, LogError> {
        let mut durable = self.shared.durable.subscribe();
        let mut failure = self.shared.failure.subscribe();
        tokio::select! {
            newest = durable.wait_for(|newest| *newest >= seq) => newest.map(|newest| *newest).map_err(|_| LogError::Closed),
            _ = failure.wait_for(Option::is_some) => Err(self.failure()),
        }
    }

    fn held_up(&self) -> Option<Problem> {
        None
    }

    async fn latest(&self, topic: &str, key: &[u8]) -> Result<Option<Vec<u8>>, LogError> {
        let (done, wait) = oneshot::channel();
        self.send(Command::Latest { topic: topic.to_owned(), key: key.to_vec(), done }).await?;
        wait.await.map_err(|_| self.failure())?
    }

    async fn extents(&self, _topic: TopicHandle) -> Result<Vec<Extent>, LogError> {
        Err(LogError::Unreadable(UNREADABLE.to_owned()))
    }

    async fn scan(
        &self,
        _of: Route,
        _from: u64,
        _until: u64,
        _bytes_max: usize,
        _each: impl FnMut(Scanned<'_>) + Send,
    ) -> Result<u64, LogError> {
        Err(LogError::Unreadable(UNREADABLE.to_owned()))
    }
}
