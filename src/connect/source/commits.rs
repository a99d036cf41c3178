//! The commit being filled and those on their way: what the snapshot and the stream share on the log's side.

use std::time::Instant;

use super::channel::Channel;
use crate::change::Checkpoint;
use crate::connect::TaskStatus;
use crate::connect::status::Counts;
use crate::log::topic::OFFSETS_TOPIC;
use crate::log::{Commit, CommitSeq, LogWriter, TopicSpec};
use crate::problem::Problem;
use crate::record::{Headers, RecordRef, RecordSink, TopicHandle, TopicIndex};

/// A commit is handed over when it has this many bytes, in the middle of a transaction too.
pub const COMMIT_BYTES_MAX: usize = 4 << 20;

/// A connector's way into the log.
pub struct Commits<W: LogWriter> {
    /// The log.
    pub writer: W,
    open: Option<W::Commit>,
    offsets: TopicHandle,
    key: Vec<u8>,
    value: Vec<u8>,
    /// `value` is the position of a commit that the log has taken.
    repeatable: bool,
    counts: Counts,
    newest: CommitSeq,
    began: Instant,
    /// Where notifications go, once there was one; `None` in it: nowhere.
    pub(super) notifications: Option<Option<Channel>>,
}

impl<W: LogWriter> Commits<W> {
    /// Takes a writer; `key` is the connector's key in the offsets topic, which is made with that many copies when it is
    /// missing.
    pub async fn new(mut writer: W, key: Vec<u8>, replication_factor: i16) -> Result<Self, Problem> {
        let spec = TopicSpec { compact: true, replication_factor, ..TopicSpec::default() };
        let offsets = writer.topic(OFFSETS_TOPIC, &spec).await.map_err(|error| error.problem())?;
        Ok(Self {
            writer,
            open: None,
            offsets,
            key,
            value: Vec::new(),
            repeatable: false,
            counts: Counts::default(),
            newest: CommitSeq(0),
            began: Instant::now(),
            notifications: None,
        })
    }

    /// The connector's stored position.
    pub async fn stored(&self) -> Result<Option<Checkpoint>, Problem> {
        let stored = self.writer.latest(OFFSETS_TOPIC, &self.key).await.map_err(|error| error.problem())?;
        stored
            .map(|value| Checkpoint::parse(&value))
            .transpose()
            .map_err(|error| Problem::fail("source/position", error.to_string()).fix(super::resume::begin_anew_somewhere()))
    }

    /// A commit is open.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Opens a commit: waits while all are on their way. Cancel-safe.
    pub async fn begin(&mut self) -> Result<(), Problem> {
        if self.open.is_none() {
            self.open = Some(self.writer.begin().await.map_err(|error| error.problem())?);
            self.began = Instant::now();
        }
        Ok(())
    }

    /// Leaves out what is in the open commit: it is as if it had not been written.
    pub fn abandon(&mut self) {
        self.open = None;
        self.counts = Counts::default();
    }

    /// The open commit, to push records into, and the counters.
    #[inline]
    pub fn sink(&mut self) -> (&mut W::Commit, &mut Counts) {
        (self.open.as_mut().expect("a commit is opened before messages are taken"), &mut self.counts)
    }

    /// Counts a change that `skipped.operations` leaves out.
    #[inline]
    pub fn skip(&mut self) {
        self.counts.skipped += 1;
    }

    /// Records in the open commit.
    #[inline]
    pub fn records(&self) -> u64 {
        self.open.as_ref().map_or(0, Commit::records)
    }

    /// Bytes in the open commit.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.open.as_ref().map_or(0, Commit::bytes)
    }

    /// What is in the open commit.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The topics of the open commit, the first `max` of them.
    pub fn topics(&self, max: usize) -> Vec<TopicIndex> {
        self.open.as_ref().map_or_else(Vec::new, |open| open.topics(max))
    }

    /// When the open commit was opened.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// Notes that the open commit begins to wait now.
    pub fn touch(&mut self) {
        self.began = Instant::now();
    }

    /// Adds the checkpoint and hands the commit over, in order.
    pub async fn hand_over(&mut self, checkpoint: &Checkpoint, now_ms: i64, status: &TaskStatus) -> Result<CommitSeq, Problem> {
        let commit = self.open.take().expect("a commit is open");
        self.repeatable = false;
        self.value.clear();
        checkpoint.write(&mut self.value);
        self.hand_on(commit, now_ms, status).await
    }

    /// Hands the open commit over with the checkpoint of the last one: it adds nothing to the position. Nothing happens where
    /// there was none, or it is unknown whether it was taken.
    pub async fn hand_over_again(&mut self, now_ms: i64, status: &TaskStatus) -> Result<(), Problem> {
        match self.open.take().filter(|commit| self.repeatable && commit.records() > 0) {
            Some(commit) => self.hand_on(commit, now_ms, status).await.map(drop),
            None => Ok(()),
        }
    }

    async fn hand_on(&mut self, mut commit: W::Commit, now_ms: i64, status: &TaskStatus) -> Result<CommitSeq, Problem> {
        let record = RecordRef { timestamp_ms: now_ms, key: Some(&self.key), value: Some(&self.value), headers: Headers::NONE };
        let pushed = commit.push(self.offsets.route(Some(&self.key)), record);
        pushed.map_err(|error| Problem::retry("log/refused", "the log did not take the position").why(error.to_string()))?;
        self.counts.bytes = commit.bytes() as u64;
        status.add(&std::mem::take(&mut self.counts));
        self.newest = self.writer.commit(commit).await.map_err(|error| error.problem())?;
        self.repeatable = true;
        Ok(self.newest)
    }

    /// The newest commit handed over.
    pub fn newest(&self) -> CommitSeq {
        self.newest
    }

    /// Waits until everything handed over is durable.
    pub async fn settle(&self) -> Result<(), Problem> {
        self.writer.wait_durable(self.newest).await.map(drop).map_err(|error| error.problem())
    }
}
