//! The broker's consumer groups, as HTTP asks for them: the two layers do not know each other.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::broker::Broker;
use crate::broker::codec::Decoder;
use crate::broker::error_code::ErrorCode;
use crate::broker::groups::group::Member;
use crate::broker::groups::records::Committed;
use crate::broker::groups::{CommittedPartition, MemberRef};
use crate::http::groups::{Change, GroupView, Groups, MemberView, Refusal};

/// The broker's consumer groups, as HTTP asks for them.
pub struct KafkaGroups(pub Arc<Broker>);

impl Groups for KafkaGroups {
    fn names(&self) -> Vec<String> {
        self.0.groups.names().iter().map(ToString::to_string).collect()
    }

    fn view(&self, name: &str) -> Option<GroupView> {
        let seen = self.0.groups.look(name, |group| {
            let Some(group) = group else { return GroupView { name: name.to_owned(), state: "Empty", ..GroupView::default() } };
            let member = |(id, member): (&String, &Member)| MemberView {
                id: id.clone(),
                instance: member.instance_id.clone(),
                client_id: member.client_id.clone(),
                host: member.client_host.clone(),
                assignment: member.assignment.clone(),
            };
            let (state, protocol) = (group.phase().name(), group.protocol().map(str::to_owned));
            GroupView { name: name.to_owned(), state, protocol, members: group.members().iter().map(member).collect(), offsets: Vec::new() }
        });
        let mut view = seen?;
        for (topic, partitions) in self.0.groups.all_committed(name) {
            let offset = |(partition, committed): &(i32, Committed)| {
                Some((topic.to_string(), u32::try_from(*partition).ok()?, u64::try_from(committed.offset).ok()?))
            };
            view.offsets.extend(partitions.iter().filter_map(offset));
        }
        Some(view)
    }

    fn reads(&self, member: &MemberView) -> Vec<(String, Vec<u32>)> {
        assigned(&member.assignment).unwrap_or_default()
    }

    fn commit<'a>(&'a self, name: &'a str, offsets: Vec<(String, u32, u64)>) -> Change<'a> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let committed_at_ms = i64::try_from(now).unwrap_or(i64::MAX);
        let committed = move |(topic, partition, offset): (String, u32, u64)| {
            let offset = i64::try_from(offset).unwrap_or(i64::MAX);
            let committed = Committed { offset, leader_epoch: -1, metadata: "".into(), committed_at_ms };
            (Arc::from(topic), i32::try_from(partition).unwrap_or(i32::MAX), committed)
        };
        let offsets: Vec<CommittedPartition> = offsets.into_iter().map(committed).collect();
        // Nobody of the group: the coordinator lets that be only while it has no members.
        let nobody = MemberRef { id: "", instance: None, generation: -1 };
        Box::pin(async move { outcome(self.0.groups.commit(name, nobody, offsets).await) })
    }

    fn delete<'a>(&'a self, name: &'a str) -> Change<'a> {
        Box::pin(async move { outcome(self.0.groups.delete(name).await) })
    }

    fn delete_topic<'a>(&'a self, topic: &'a str) -> Change<'a> {
        Box::pin(async move { outcome(self.0.groups.delete_topic(topic).await) })
    }
}

/// The partitions of an assignment in the form that consumers share (`ConsumerProtocolAssignment`); `None` for other forms. The
/// decoder bounds what its arrays may take; a topic's name is there once, however many partitions follow it.
fn assigned(bytes: &[u8]) -> Option<Vec<(String, Vec<u32>)>> {
    let mut fields = Decoder::new(bytes);
    fields.i16().ok()?;
    let topics = fields.array(|fields| Ok((fields.string()?.to_owned(), fields.array(Decoder::i32)?))).ok()?;
    let numbers = |partitions: Vec<i32>| partitions.into_iter().filter_map(|partition| u32::try_from(partition).ok()).collect();
    Some(topics.into_iter().map(|(topic, partitions)| (topic, numbers(partitions))).collect())
}

fn outcome(error: ErrorCode) -> Result<(), Refusal> {
    match error {
        ErrorCode::NONE => Ok(()),
        ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::NON_EMPTY_GROUP | ErrorCode::REBALANCE_IN_PROGRESS => Err(Refusal::Active),
        ErrorCode::GROUP_ID_NOT_FOUND => Err(Refusal::NotFound),
        ErrorCode::COORDINATOR_NOT_AVAILABLE => Err(Refusal::Other("the log takes nothing now: try again when it does".to_owned())),
        ErrorCode::INVALID_COMMIT_OFFSET_SIZE => Err(Refusal::Other("committed offsets take all the memory they may".to_owned())),
        other => Err(Refusal::Other(format!("the group cannot be changed: Kafka's error {}", other.0))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_is_read_and_other_bytes_are_none() {
        let mut bytes = vec![0, 1, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 2];
        bytes.extend([0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0]);
        assert_eq!(assigned(&bytes), Some(vec![("t".to_owned(), vec![0, 7])]));
        assert_eq!((assigned(&[]), assigned(b"range"), assigned(&bytes[..15])), (None, None, None));
    }
}
