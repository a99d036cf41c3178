//! One file per Kafka API: how its request is read, what is done, how its response is written.
//!
//! Each file opens with key, versions, behaviour and what is left out. Requests are plain structures that borrow from the
//! frame; responses are plain structures too, so that both can be compared with Kafka's own definition in tests.

pub mod api_versions;
pub mod fetch;
pub mod find_coordinator;
pub mod heartbeat;
pub mod join_group;
pub mod leave_group;
pub mod list_offsets;
pub mod metadata;
pub mod offset_commit;
pub mod offset_fetch;
pub mod produce;
pub mod sync_group;

/// The only leader epoch there is: a single node never hands its partitions over.
const LEADER_EPOCH: i32 = 0;

/// `throttle_time_ms`: nobody is throttled.
const NO_THROTTLE: i32 = 0;

/// The topic's number and its partition, when both exist.
fn find_partition(log: &crate::log::builtin::BuiltinLog, topic: &str, partition: i32) -> Option<crate::record::Route> {
    let topic = log.topic(topic)?;
    let partition = u32::try_from(partition).ok().filter(|partition| *partition < topic.partitions)?;
    Some(crate::record::Route { topic: topic.index, partition })
}

#[cfg(test)]
mod oracle;
