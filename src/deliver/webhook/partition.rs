//! The partitions that a webhook reads, and reading one record of them again.
//!
//! Owns what a record's place means: its topic, its id, its lane. Promises that a record is read again as it was, or said to be gone where
//! retention was faster.

use std::sync::Arc;

use bytes::Bytes;

use super::lanes::{self, At, Order, Payload};
use super::signature;
use crate::log::LogError;
use crate::log::builtin::BuiltinLog;
use crate::log::subscription::Place;
use crate::record::Route;
use crate::record::view::{RecordView, batches};

/// One partition of one topic.
#[derive(Clone, Debug)]
pub struct Partition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The topic's id: it is part of records' ids.
    pub id: [u8; 16],
    /// Where it is in the log.
    pub route: Route,
    /// Its number among the subscription's.
    pub place: u32,
}

impl Partition {
    /// The partition of a place, by its number among them.
    pub fn of(place: &Place, number: usize) -> Self {
        Self {
            topic: place.topic.name.as_str().into(),
            id: place.topic.id,
            route: place.route,
            place: u32::try_from(number).unwrap_or(u32::MAX),
        }
    }

    /// A place in it.
    pub fn at(&self, offset: u64) -> At {
        At { place: self.place, offset }
    }

    /// `webhook-id` of its record.
    pub fn message_id(&self, offset: u64) -> String {
        signature::message_id(&self.id, self.route.partition, offset)
    }

    /// What a record is in order with.
    pub fn lane(&self, order: Order, record: &RecordView<'_>) -> u64 {
        match (order, record.key) {
            (Order::Topic, _) => lanes::lane_of(&self.topic, b""),
            (Order::Key, Some(key)) => lanes::lane_of(&self.topic, key),
            (Order::Key, None) => lanes::lane_of_one(&self.topic, self.route.partition, record.offset),
        }
    }

    /// Reads one record again and lends it; `None`: it is gone.
    pub async fn again<T>(&self, log: &BuiltinLog, offset: u64, with: impl FnOnce(&RecordView<'_>) -> T) -> Result<Option<T>, LogError> {
        let bytes = match log.read(self.route.topic, self.route.partition, offset, 1).await {
            Ok(bytes) => bytes,
            Err(LogError::OffsetOutOfRange { .. } | LogError::UnknownPartition { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut room = Vec::new();
        for batch in batches(&bytes) {
            if let Some(record) = batch.records(&mut room).flatten().find(|record| record.offset == offset) {
                return Ok(Some(with(&record)));
            }
        }
        Ok(None)
    }
}

/// What is held of a record.
pub fn payload(record: &RecordView<'_>, body: Bytes) -> Payload {
    Payload { body, key: record.key.map(Bytes::copy_from_slice) }
}
