//! A resumable read of many topics: what live streams and sinks are built on.
//!
//! Owns the places of a reader, one in each partition, and the turns that they take. Promises that every record from a place on is
//! lent once and in the order of its partition, that what retention took meanwhile is told as a gap and never passed over
//! silently, and that a reader who is slow costs its places and nothing else: nothing is read ahead. What is read are whole stored batches;
//! what records say is for others. Where a reader begins is [`super::start`]'s.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use super::builtin::BuiltinLog;
use super::topic::TopicInfo;
use super::{CommitSeq, LogError};
use crate::record::Route;
use crate::record::view::{RecordView, batches};

/// A place in one partition.
#[derive(Clone, Debug)]
pub struct Place {
    /// The topic.
    pub topic: Arc<TopicInfo>,
    /// Its number and the partition's.
    pub route: Route,
    /// The next offset to read.
    pub next: u64,
}

/// What a read brings.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// Records.
    Records(Chunk),
    /// Records that retention took before they were read.
    Gap {
        /// Which of the places.
        place: usize,
        /// The first offset that is missing.
        from: u64,
        /// The first one that is kept.
        to: u64,
    },
    /// The topic was deleted: this place has nothing more.
    Deleted {
        /// Which of the places.
        place: usize,
    },
}

/// Records of one partition, as they are stored.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Which of the places.
    pub place: usize,
    /// Whole batches; the first one may begin before `from`.
    pub bytes: Bytes,
    /// The first offset that is meant.
    pub from: u64,
    /// The offset after the last one.
    pub next: u64,
}

impl Chunk {
    /// Lends each record from the first one meant on, until `goes_on` says no. A malformed batch ends it: the log has checked what
    /// it stored.
    pub fn records(&self, mut goes_on: impl FnMut(RecordView<'_>) -> bool) {
        let mut room = Vec::new();
        for batch in batches(&self.bytes) {
            for record in batch.records(&mut room).flatten() {
                if record.offset >= self.from && !goes_on(record) {
                    return;
                }
            }
        }
    }
}

/// A reader of many partitions.
pub struct Subscription {
    log: BuiltinLog,
    places: Vec<Place>,
    /// Places whose topics are gone.
    ended: Vec<bool>,
    /// Whose turn it is.
    turn: usize,
    durable: watch::Receiver<CommitSeq>,
}

impl Subscription {
    /// Reads from these places on.
    pub fn open(log: BuiltinLog, places: Vec<Place>) -> Self {
        let durable = log.durable();
        let ended = vec![false; places.len()];
        Self { log, places, ended, turn: 0, durable }
    }

    /// Where it is: behind what was delivered.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Adds a place, of a topic that has come into being, say.
    pub fn add(&mut self, place: Place) {
        self.places.push(place);
        self.ended.push(false);
    }

    /// Goes on elsewhere in a partition: back, to read again.
    pub fn seek(&mut self, place: usize, next: u64) {
        if let Some(place) = self.places.get_mut(place) {
            place.next = next;
        }
    }

    /// Something from the next partition in turn that has something: about `bytes_max` of records, one batch at least. `None`
    /// when there is nothing new anywhere: [`Subscription::wait`] then. Not cancel-safe beyond that nothing is lost: a read that was
    /// dropped is made again.
    pub async fn read(&mut self, bytes_max: usize) -> Result<Option<Delivery>, LogError> {
        // Seen before reading: what becomes durable while we read wakes us afterwards.
        self.durable.borrow_and_update();
        for _ in 0..self.places.len() {
            let at = self.turn;
            self.turn = (at + 1) % self.places.len();
            let Some(Place { route, next, .. }) = self.places.get(at).cloned() else { continue };
            if self.ended.get(at).copied().unwrap_or(true) {
                continue;
            }
            // Most of many topics have nothing new: that is known without reading.
            let range = self.log.offsets(route.topic, route.partition);
            if range.as_ref().is_some_and(|range| range.end == next) {
                continue;
            }
            let delivery = match self.log.read(route.topic, route.partition, next, bytes_max).await {
                Ok(bytes) => {
                    let reached = batches(&bytes).last().map_or(next, |batch| batch.next_offset());
                    if reached <= next {
                        let what = "an offset that is there has no batch".to_owned();
                        return Err(LogError::Damaged {
                            path: format!("partition {} of topic {}", route.partition, route.topic.0).into(),
                            at: next,
                            what,
                        });
                    }
                    self.seek(at, reached);
                    Delivery::Records(Chunk { place: at, bytes, from: next, next: reached })
                }
                Err(LogError::OffsetOutOfRange { start, .. }) if start > next => {
                    self.seek(at, start);
                    Delivery::Gap { place: at, from: next, to: start }
                }
                Err(LogError::UnknownPartition { .. }) => {
                    if let Some(ended) = self.ended.get_mut(at) {
                        *ended = true;
                    }
                    Delivery::Deleted { place: at }
                }
                Err(error) => return Err(error),
            };
            return Ok(Some(delivery));
        }
        Ok(None)
    }

    /// Returns when something became durable since the last read. Cancel-safe. An error when the log is closed.
    pub async fn wait(&mut self) -> Result<(), LogError> {
        self.durable.changed().await.map_err(|_| LogError::Closed)
    }
}
