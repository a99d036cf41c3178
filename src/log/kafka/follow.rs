//! Reading a topic of somebody else's: partition 0, from where a group is.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaConfRes;

use super::producer::external;
use crate::log::LogError;

/// One question to the cluster.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// Follows a topic.
pub struct Follower {
    consumer: BaseConsumer,
    topic: String,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where it is.
    pub offset: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
}

impl Follower {
    /// Begins behind `done` or the group's offset, whichever is further; at the beginning where there is neither.
    /// Properties that librdkafka does not know are left out with a warning: Java's consumers have others.
    pub fn open(bootstrap: &str, group: &str, topic: &str, properties: &[(String, String)], done: Option<i64>) -> Result<Self, LogError> {
        let consumer = consumer(bootstrap, group, properties)?;
        let mut place = TopicPartitionList::new();
        place.add_partition(topic, 0);
        let committed = consumer.committed_offsets(place, CALL_LIMIT).map_err(|error| external(&error))?;
        let committed = committed.find_partition(topic, 0).and_then(|found| found.offset().to_raw()).filter(|offset| *offset >= 0);
        let next = committed.max(done.map(|offset| offset + 1));
        let mut place = TopicPartitionList::new();
        let from = next.map_or(Offset::Beginning, Offset::Offset);
        place.add_partition_offset(topic, 0, from).map_err(|error| external(&error))?;
        consumer.assign(&place).map_err(|error| external(&error))?;
        Ok(Self { consumer, topic: topic.to_owned() })
    }

    /// The next message, if one comes within this time.
    pub fn next(&self, wait: Duration) -> Result<Option<Message>, LogError> {
        match self.consumer.poll(wait) {
            None | Some(Err(KafkaError::PartitionEOF(_))) => Ok(None),
            // It tries again by itself.
            Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure))) => {
                Ok(None)
            }
            Some(Err(error)) => Err(external(&error)),
            Some(Ok(message)) => Ok(Some(Message {
                offset: message.offset(),
                key: message.key().map(<[u8]>::to_vec),
                value: message.payload().map(<[u8]>::to_vec),
            })),
        }
    }

    /// The group is behind this message.
    pub fn commit(&self, offset: i64) -> Result<(), LogError> {
        let mut place = TopicPartitionList::new();
        place.add_partition_offset(&self.topic, 0, Offset::Offset(offset + 1)).map_err(|error| external(&error))?;
        self.consumer.commit(&place, CommitMode::Sync).map_err(|error| external(&error))
    }
}

fn consumer(bootstrap: &str, group: &str, properties: &[(String, String)]) -> Result<BaseConsumer, LogError> {
    let mut client = ClientConfig::new();
    client.set_log_level(RDKafkaLogLevel::Error);
    client.set("client.id", "rowfeed-signals").set("ssl.ca.location", "probe").set("bootstrap.servers", bootstrap);
    for (name, value) in properties {
        client.set(name, value);
    }
    client.set("group.id", group).set("enable.auto.commit", "false").set("auto.offset.reset", "earliest");
    loop {
        match client.create() {
            Ok(consumer) => return Ok(consumer),
            Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, _, name, _)) if client.get(&name).is_some() => {
                tracing::warn!("signal.consumer.{name} has no effect: librdkafka does not know it");
                client.remove(&name);
            }
            Err(error) => return Err(external(&error)),
        }
    }
}
