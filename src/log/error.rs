//! What can go wrong in a log, and what the program does about it.

use std::path::PathBuf;

use crate::problem::Problem;

/// An error of a log, built-in or external.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The offset asked for is not in the partition.
    #[error("offset {asked} is out of range ({start} to {end})")]
    OffsetOutOfRange {
        /// What was asked for.
        asked: u64,
        /// First offset that is kept.
        start: u64,
        /// Offset after the last.
        end: u64,
    },
    /// No such topic or partition.
    #[error("there is no partition {partition} of topic {topic}")]
    UnknownPartition {
        /// The topic's name or number.
        topic: String,
        /// The partition.
        partition: u32,
    },
    /// Kafka would not accept this topic name.
    #[error("{0:?} is not a legal topic name: 1 to 249 of a-z A-Z 0-9 . _ -")]
    InvalidTopicName(String),
    /// All topics together would have more partitions than the built-in log holds.
    #[error("topic {topic:?} with {asked} partitions was not made: there are {there} partitions already, and at most {max}")]
    TooManyPartitions {
        /// The topic that was asked for.
        topic: String,
        /// Its partitions.
        asked: u32,
        /// Those of all topics.
        there: usize,
        /// The limit.
        max: usize,
    },
    /// Written and synced data is damaged.
    #[error("{path}: damaged at byte {at}: {what}")]
    Damaged {
        /// The segment file.
        path: PathBuf,
        /// Where in the file.
        at: u64,
        /// What is wrong there.
        what: String,
    },
    /// A segment was written by another version.
    #[error("{path} has format version {version}; this program reads version {supported}")]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
        /// Ours.
        supported: u32,
    },
    /// Another process has the directory open.
    #[error("{path} is used by another rowfeed process{}", .pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Locked {
        /// The data directory.
        path: PathBuf,
        /// That process, where it said so.
        pid: Option<u32>,
    },
    /// The disk is full or below the reserve; nothing was written.
    #[error("no space left for the log in {path}: {free_bytes} bytes free, {reserve_bytes} are kept in reserve")]
    DiskFull {
        /// The data directory.
        path: PathBuf,
        /// Free bytes of the file system.
        free_bytes: u64,
        /// The reserve that is never used.
        reserve_bytes: u64,
    },
    /// The log waits for space on the disk, and takes nothing else meanwhile; what it says of the disk.
    #[error("{0}")]
    Paused(String),
    /// A write or sync failed; the log accepts nothing more until the process has been restarted.
    #[error("the log stopped: {0}")]
    Poisoned(String),
    /// Any other error of the file system.
    #[error("{what} {path}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// To what.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A topic that is being written to was deleted; this writer's commit was not taken.
    #[error("a topic that is written to was deleted")]
    TopicGone,
    /// The index of keys has not read what is asked about.
    #[error("the index of keys is being made: it has read {read} of {durable} commits")]
    KeysBehind {
        /// The newest commit that it has read.
        read: u64,
        /// The newest durable one.
        durable: u64,
    },
    /// There is no index of keys.
    #[error("there is no index of keys: log.key_index = false")]
    KeysOff,
    /// The log is shutting down.
    #[error("the log is closed")]
    Closed,
    /// Another instance of this connector took over (its transactional id was fenced).
    #[error("another instance took over: {0}")]
    Fenced(String),
    /// The external cluster refused or failed; the current commit was undone.
    #[error("Kafka: {0}")]
    External(String),
    /// This log cannot be read back by who writes it.
    #[error("{0}")]
    Unreadable(String),
    /// The external cluster refused for good.
    #[error("Kafka: {0}")]
    ExternalFatal(String),
}

impl LogError {
    /// What a person sees, and what the program does.
    pub fn problem(&self) -> Problem {
        let text = self.to_string();
        match self {
            Self::DiskFull { .. } | Self::Paused(_) => {
                Problem::retry("log/full", text).fix("free disk space, or lower log.max_bytes; capture goes on by itself")
            }
            Self::Damaged { .. } => {
                Problem::stop("log/damaged", text).why("bytes that were written and synced are not what was written").fix(
                    "run `rowfeed log verify` on the data directory; restore it from a copy, or move it away to start with a new snapshot",
                )
            }
            Self::Version { .. } => Problem::stop("log/version", text).fix("use the version of rowfeed that wrote this directory"),
            Self::Locked { .. } => Problem::stop("log/locked", text).fix("stop the other process, or use another --data directory"),
            Self::Poisoned(_) => Problem::stop("log/poisoned", text)
                .why("after a failed write or sync nobody knows what is on the disk")
                .fix("check the disk, then start rowfeed again: PostgreSQL still has what was not confirmed"),
            Self::Io { .. } => Problem::stop("log/io", text),
            Self::TopicGone => Problem::retry("topic/gone", text)
                .why("the connector begins again at its position and makes the topic anew with the next change of its table"),
            Self::KeysBehind { .. } => {
                Problem::retry("key/behind", text).why("it is made beside everything else, and may be far behind after a start or a long load")
            }
            Self::KeysOff => Problem::refuse("key/off", text).fix("log.key_index = true in rowfeed.toml, then start again"),
            Self::Closed => Problem::retry("log/closed", text),
            Self::Fenced(_) => Problem::fail("kafka/fenced", text).fix("run one instance of this connector only, then restart it here"),
            Self::External(_) => Problem::retry("kafka/unavailable", text),
            Self::ExternalFatal(_) => Problem::fail("kafka/refused", text),
            Self::Unreadable(_) => Problem::refuse("topic/unreadable", text),
            Self::TooManyPartitions { .. } => Problem::fail("log/partitions", text)
                .why("each takes memory, and its next offset is repeated in every segment")
                .fix("give topics fewer partitions (topic.creation.default.partitions), or delete topics that nobody needs (rowfeed topics delete); then restart the connector"),
            Self::InvalidTopicName(_) => Problem::fail("topic/name", text),
            Self::OffsetOutOfRange { .. } => Problem::refuse("topic/offset", text),
            Self::UnknownPartition { .. } => Problem::refuse("topic/unknown", text),
        }
    }
}
