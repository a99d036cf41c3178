//! Metadata, key 3, versions 0 to 13: the broker, the topics and their partitions.
//!
//! One broker, which is the controller and leads every partition in epoch 0. Topics are found by name, and from version 12
//! by id. Nothing is created, whatever `allow_auto_topic_creation` says: topics come from tables; a topic that does not
//! exist is error 3, an unknown id 100, a name that could not exist 17. Left out: racks (null), authorized operations
//! (always "not asked for", INT_MIN: there is no authorisation).

use super::super::Broker;
use super::super::codec::{DecodeError, Decoder, Encoder};
use super::super::error_code::ErrorCode;
use super::super::router::{Call, Refusal, Reply, Room};
use super::{LEADER_EPOCH, NO_THROTTLE};
use crate::log::topic::{TopicInfo, is_valid_name};

/// "Authorized operations were not asked for."
const NO_OPERATIONS: i32 = i32::MIN;

/// A topic asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked<'a> {
    pub(super) id: [u8; 16],
    pub(super) name: Option<&'a str>,
}

/// Answers with the topics asked for, or all.
pub async fn handle(broker: &Broker, mut call: Call<'_>) -> Result<Reply, Refusal> {
    let asked = read(&mut call.body, call.version)?;
    let topics = match asked {
        Some(asked) => {
            let mut room = Room::of_response();
            asked.iter().map(|asked| look_up(broker, asked, &mut room)).collect::<Result<_, _>>()?
        }
        None => broker.log.topics().iter().map(|topic| Topic::found(topic)).collect(),
    };
    let settings = &broker.settings;
    let described = Described {
        node_id: settings.node_id,
        host: &settings.advertised.host,
        port: i32::from(settings.advertised.port),
        cluster_id: broker.log.cluster_id(),
        topics,
    };
    let mut response = call.response();
    described.write(&mut response, call.version);
    Ok(response.into())
}

/// Reads a request; `None` asks for all topics.
pub(super) fn read<'a>(body: &mut Decoder<'a>, version: i16) -> Result<Option<Vec<Asked<'a>>>, DecodeError> {
    let topics = body.nullable_array(|d| {
        let id = if version >= 10 { d.uuid()? } else { [0; 16] };
        let name = if version >= 10 { d.nullable_string()? } else { Some(d.string()?) };
        d.tags()?;
        Ok(Asked { id, name })
    })?;
    if version >= 4 {
        body.bool()?;
    }
    if (8..=10).contains(&version) {
        body.bool()?;
    }
    if version >= 8 {
        body.bool()?;
    }
    body.tags()?;
    // Version 0 has no null: an empty list stands for all.
    Ok(topics.filter(|topics| version >= 1 || !topics.is_empty()))
}

/// A topic of the response.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) error: ErrorCode,
    pub(super) name: Option<String>,
    pub(super) id: [u8; 16],
    pub(super) internal: bool,
    pub(super) partitions: u32,
}

impl Topic {
    fn found(topic: &TopicInfo) -> Self {
        let (name, internal, partitions) = (Some(topic.name.clone()), topic.internal, topic.partitions);
        Self { error: ErrorCode::NONE, name, id: topic.id, internal, partitions }
    }

    fn missing(error: ErrorCode, asked: &Asked<'_>) -> Self {
        Self { error, name: asked.name.map(str::to_owned), id: asked.id, internal: false, partitions: 0 }
    }
}

fn look_up(broker: &Broker, asked: &Asked<'_>, room: &mut Room) -> Result<Topic, Refusal> {
    let found = find(broker, asked);
    let name_bytes = found.name.as_ref().map_or(0, String::len);
    room.take(size_of::<Topic>() + name_bytes + found.partitions as usize * PARTITION_BYTES)?;
    Ok(found)
}

/// What a partition takes in a response, in bytes.
const PARTITION_BYTES: usize = 36;

fn find(broker: &Broker, asked: &Asked<'_>) -> Topic {
    let Some(name) = asked.name else {
        let found = broker.log.topic_by_id(&asked.id);
        return found.map_or_else(|| Topic::missing(ErrorCode::UNKNOWN_TOPIC_ID, asked), |topic| Topic::found(&topic));
    };
    if !is_valid_name(name) {
        return Topic::missing(ErrorCode::INVALID_TOPIC_EXCEPTION, asked);
    }
    let found = broker.log.topic(name);
    found.map_or_else(|| Topic::missing(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, asked), |topic| Topic::found(&topic))
}

/// A response.
#[derive(Debug)]
pub(super) struct Described<'a> {
    pub(super) node_id: i32,
    pub(super) host: &'a str,
    pub(super) port: i32,
    pub(super) cluster_id: &'a str,
    pub(super) topics: Vec<Topic>,
}

impl Described<'_> {
    pub(super) fn write(&self, out: &mut Encoder, version: i16) {
        if version >= 3 {
            out.i32(NO_THROTTLE);
        }
        out.array([()].into_iter(), |out, ()| self.write_broker(out, version));
        if version >= 2 {
            out.nullable_string(Some(self.cluster_id));
        }
        if version >= 1 {
            out.i32(self.node_id);
        }
        out.array(self.topics.iter(), |out, topic| self.write_topic(out, version, topic));
        if (8..=10).contains(&version) {
            out.i32(NO_OPERATIONS);
        }
        if version >= 13 {
            out.i16(ErrorCode::NONE.0);
        }
        out.tags();
    }

    fn write_broker(&self, out: &mut Encoder, version: i16) {
        out.i32(self.node_id);
        out.string(self.host);
        out.i32(self.port);
        if version >= 1 {
            out.nullable_string(None);
        }
        out.tags();
    }

    fn write_topic(&self, out: &mut Encoder, version: i16, topic: &Topic) {
        out.i16(topic.error.0);
        if version >= 12 {
            out.nullable_string(topic.name.as_deref());
        } else {
            out.string(topic.name.as_deref().unwrap_or_default());
        }
        if version >= 10 {
            out.uuid(&topic.id);
        }
        if version >= 1 {
            out.bool(topic.internal);
        }
        out.array(0..topic.partitions as usize, |out, partition| self.write_partition(out, version, partition));
        if version >= 8 {
            out.i32(NO_OPERATIONS);
        }
        out.tags();
    }

    fn write_partition(&self, out: &mut Encoder, version: i16, partition: usize) {
        out.i16(ErrorCode::NONE.0);
        out.i32(i32::try_from(partition).unwrap_or(i32::MAX));
        out.i32(self.node_id);
        if version >= 7 {
            out.i32(LEADER_EPOCH);
        }
        for _replicas_then_in_sync in 0..2 {
            out.array([self.node_id].into_iter(), Encoder::i32);
        }
        if version >= 5 {
            out.array(std::iter::empty(), |_, ()| {});
        }
        out.tags();
    }
}
