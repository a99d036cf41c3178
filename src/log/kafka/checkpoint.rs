//! The newest committed value of a key, read from a compacted topic to its end.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::producer::external;
use super::{KafkaSettings, Quiet};
use crate::log::LogError;

/// Reading a topic of positions to its end takes no longer than this, or something is wrong.
const READ_LIMIT: Duration = Duration::from_secs(90);
/// One question to the cluster.
const CALL_LIMIT: Duration = Duration::from_secs(30);

/// Reads `partition` of `topic` with `read_committed` up to the end that it has now.
///
/// Committed records are readable up to the first open transaction only. That may be another connector's, with a position
/// of ours behind it: it is waited for.
pub fn latest(settings: &KafkaSettings, topic: &str, partition: i32, key: &[u8]) -> Result<Option<Vec<u8>>, LogError> {
    let consumer: BaseConsumer<Quiet> = settings
        .client()
        .set("group.id", "rowfeed-checkpoint")
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .create_with_context(Quiet)
        .map_err(|error| external(&error))?;
    let deadline = Instant::now() + READ_LIMIT;
    wait_for_open_transactions(settings, &consumer, topic, partition, deadline)?;
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, partition, Offset::Beginning).map_err(|error| external(&error))?;
    consumer.assign(&assignment).map_err(|error| external(&error))?;
    let mut found = None;
    while Instant::now() < deadline {
        match consumer.poll(Duration::from_millis(200)) {
            None => {}
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(found),
            // The group exists for librdkafka alone: nothing is committed, so no right on it is needed.
            Some(Err(error)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::GroupAuthorizationFailed) => {}
            Some(Err(error)) => return Err(external(&error)),
            Some(Ok(message)) if message.key() == Some(key) => found = message.payload().map(<[u8]>::to_vec),
            Some(Ok(_)) => {}
        }
    }
    Err(LogError::External(format!("the positions in {topic} could not be read within {} s", READ_LIMIT.as_secs())))
}

/// Returns when everything up to the end that the partition has now can be read with `read_committed`.
fn wait_for_open_transactions(
    settings: &KafkaSettings,
    committed: &BaseConsumer<Quiet>,
    topic: &str,
    partition: i32,
    deadline: Instant,
) -> Result<(), LogError> {
    let everything: BaseConsumer<Quiet> =
        settings.client().set("isolation.level", "read_uncommitted").create_with_context(Quiet).map_err(|error| external(&error))?;
    let end_of = |consumer: &BaseConsumer<Quiet>| {
        consumer.fetch_watermarks(topic, partition, CALL_LIMIT).map(|(_, end)| end).map_err(|error| external(&error))
    };
    let end = end_of(&everything)?;
    while end_of(committed)? < end {
        if Instant::now() > deadline {
            return Err(LogError::External(format!("a transaction is open in {topic} for more than {} s", READ_LIMIT.as_secs())));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
