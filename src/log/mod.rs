//! The log: where change events go and where everybody reads them.
//!
//! Owns the contract of a log ([`LogWriter`]) and its two forms: [`builtin`] (durable, single node, in this process)
//! and `kafka` (an external Apache Kafka cluster). It knows records, topics and commits; it does not know what a row or
//! an LSN is.
//!
//! The contract:
//! - **Atomic.** A commit is a group of records over any number of topics that becomes visible whole or not at all.
//! - **In order.** Commits of one writer become durable in the order they were given; `durable` is cumulative.
//! - **Visible means durable.** No reader sees a record that a crash could take back.
//! - **A checkpoint is a record** of the same commit, so events and position cannot disagree.

pub mod builtin;
pub mod cluster;
pub mod commit;
pub mod error;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod start;
pub mod subscription;
pub mod topic;

use std::future::Future;

pub use error::LogError;
pub use start::StartAt;
pub use subscription::Subscription;
pub use topic::TopicSpec;

use crate::problem::Problem;
use crate::record::{RecordSink, Route, TopicHandle, TopicIndex};

/// The number of a commit: the first is 1, 0 means none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitSeq(pub u64);

/// A commit being filled.
pub trait Commit: RecordSink + Send {
    /// Bytes pushed so far, about.
    fn bytes(&self) -> usize;
    /// Records pushed so far.
    fn records(&self) -> u64;
    /// The topics of these records, the first `max` of them.
    fn topics(&self, max: usize) -> Vec<TopicIndex>;
}

/// One writer of a log: one per connector, used by one thread.
pub trait LogWriter: Send {
    /// A commit of this log.
    type Commit: Commit;

    /// The topic of that name, created as `spec` says when it does not exist. Others see a new one with the first commit to
    /// it, or a moment later.
    fn topic(&mut self, name: &str, spec: &TopicSpec) -> impl Future<Output = Result<TopicHandle, LogError>> + Send;

    /// The name of a topic that this writer has a handle of.
    fn topic_name(&self, topic: TopicIndex) -> Option<String>;

    /// An empty commit. Waiting here **is** the back-pressure: there are only a few commits per writer.
    fn begin(&mut self) -> impl Future<Output = Result<Self::Commit, LogError>> + Send;

    /// True when [`LogWriter::begin`] would not wait and the log is idle: a good moment to hand over what is there.
    fn is_idle(&self) -> bool;

    /// Hands a commit over, in order. Returns its number before it is durable.
    fn commit(&mut self, commit: Self::Commit) -> impl Future<Output = Result<CommitSeq, LogError>> + Send;

    /// The newest durable commit of this writer, without waiting.
    fn durable(&self) -> CommitSeq;

    /// Waits until everything up to `seq` is durable; the watermark then, which may be further. Cancel-safe.
    fn wait_durable(&self, seq: CommitSeq) -> impl Future<Output = Result<CommitSeq, LogError>> + Send;

    /// What holds the log up for the moment (a full disk), when something does.
    fn held_up(&self) -> Option<Problem>;

    /// The newest value of a key of a compacted topic. What an earlier writer of this key handed over counts: it is waited
    /// for, so that a successor never goes on from a position that is about to be passed.
    fn latest(&self, topic: &str, key: &[u8]) -> impl Future<Output = Result<Option<Vec<u8>>, LogError>> + Send;

    /// What readers see of each partition of a topic now.
    fn extents(&self, topic: TopicHandle) -> impl Future<Output = Result<Vec<Extent>, LogError>> + Send;

    /// Lends records of a partition that readers see, in order, from offset `from` to before `until`: about `bytes_max` of them, one
    /// at least. Where to go on, which is `until` when nothing is left; records that are gone by now are passed over.
    fn scan(
        &self,
        of: Route,
        from: u64,
        until: u64,
        bytes_max: usize,
        each: impl FnMut(Scanned<'_>) + Send,
    ) -> impl Future<Output = Result<u64, LogError>> + Send;
}

/// What there is of a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// The first record's offset.
    pub start: u64,
    /// Behind the last one.
    pub end: u64,
}

/// A record of a topic, lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scanned<'a> {
    /// Its offset.
    pub offset: u64,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value.
    pub value: Option<&'a [u8]>,
}

/// Where a connector writes.
#[derive(Clone, Debug)]
pub enum LogTarget {
    /// The log of this process.
    Builtin(builtin::BuiltinLog),
    /// An external Apache Kafka cluster.
    #[cfg(feature = "kafka")]
    Kafka(kafka::KafkaSettings),
}
