//! The newest committed value of a key, read from a compacted topic to its end.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::KafkaSettings;
use super::producer::external;
use crate::log::LogError;

/// Reading a topic of positions to its end takes no longer than this, or something is wrong.
const READ_LIMIT: Duration = Duration::from_secs(60);

/// Reads `partition` of `topic` with `read_committed` up to the end that it has now.
pub fn latest(settings: &KafkaSettings, topic: &str, partition: i32, key: &[u8]) -> Result<Option<Vec<u8>>, LogError> {
    let consumer: BaseConsumer = settings
        .client()
        .set("group.id", "rowfeed-checkpoint")
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .create()
        .map_err(|error| external(&error))?;
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, partition, Offset::Beginning).map_err(|error| external(&error))?;
    consumer.assign(&assignment).map_err(|error| external(&error))?;
    let deadline = Instant::now() + READ_LIMIT;
    let mut found = None;
    while Instant::now() < deadline {
        match consumer.poll(Duration::from_millis(200)) {
            None => {}
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(found),
            Some(Err(error)) => return Err(external(&error)),
            Some(Ok(message)) if message.key() == Some(key) => found = message.payload().map(<[u8]>::to_vec),
            Some(Ok(_)) => {}
        }
    }
    Err(LogError::External(format!("the positions in {topic} could not be read within {} s", READ_LIMIT.as_secs())))
}
