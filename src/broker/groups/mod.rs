//! The group coordinator: consumer groups of the classic protocol and their committed offsets.
//!
//! Owns all groups ([`group`]: the pure state machine), the offsets ([`offsets`]), requests that are parked, the timers,
//! and the order in which records reach `__consumer_offsets` ([`records`]). Promises:
//!
//! - **Durable before answered.** An offset commit, and an assignment, is answered when its record is in the log; only
//!   then does anybody read it. Records are written in the order their steps were taken, many per sync.
//! - **A restart is no rebalance.** Groups come back stable with their members, who just go on with heartbeats.
//! - **Bounded.** Groups, members, their bytes, offsets and unwritten records all have limits.
//!
//! Leaves wire formats to `api`. One mutex guards it all: every step is short and none waits.

pub mod group;
pub mod offsets;
pub mod records;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, oneshot};
use tracing::{error, info, warn};

use super::error_code::ErrorCode;
use crate::log::LogError;
use crate::log::builtin::BuiltinLog;
use crate::log::topic::GROUPS_TOPIC;
use group::{Answer, Effects, Group, Join, JoinAnswer, Sync, SyncAnswer, Ticket};
use offsets::{OffsetUpdate, Offsets};
use records::{Committed, Key};

/// Limits of the coordinator.
#[derive(Clone, Debug)]
pub struct GroupLimits {
    /// Groups with members.
    pub groups_max: usize,
    /// Members of one group.
    pub members_max: usize,
    /// What all groups with members take in memory, bytes.
    pub groups_bytes_max: usize,
    /// Groups with committed offsets.
    pub offset_groups_max: usize,
    /// What all committed offsets take in memory, bytes.
    pub offsets_bytes_max: usize,
    /// A group without members and commits for this long loses its offsets: Kafka's `offsets.retention.minutes`.
    pub offsets_age_max: Duration,
    /// Records that wait to be written, bytes.
    pub unwritten_bytes_max: usize,
    /// Bytes of the text committed with an offset: Kafka's `offset.metadata.max.bytes`.
    pub metadata_bytes_max: usize,
    /// Kafka's `group.min.session.timeout.ms`.
    pub session_timeout_min: Duration,
    /// Kafka's `group.max.session.timeout.ms`.
    pub session_timeout_max: Duration,
}

impl Default for GroupLimits {
    fn default() -> Self {
        Self {
            groups_max: 10_000,
            members_max: 1_000,
            groups_bytes_max: 16 << 20,
            offset_groups_max: 20_000,
            offsets_bytes_max: 32 << 20,
            offsets_age_max: Duration::from_secs(7 * 24 * 3600),
            unwritten_bytes_max: 8 << 20,
            metadata_bytes_max: 4096,
            session_timeout_min: Duration::from_secs(6),
            session_timeout_max: Duration::from_secs(1800),
        }
    }
}

/// Groups of subscriptions: a person ends those. One that is paused for a month goes on where it was.
const KEPT_PREFIX: &str = "rowfeed.sub.";

/// Who asks: a member of a group, or nobody of it.
#[derive(Clone, Copy, Debug)]
pub struct MemberRef<'a> {
    /// The member's id; empty for none.
    pub id: &'a str,
    /// Its `group.instance.id`.
    pub instance: Option<&'a str>,
    /// The generation it is in; -1 for none.
    pub generation: i32,
}

/// A topic's partition and the offset to commit.
pub type CommittedPartition = (Arc<str>, i32, Committed);

/// A topic and a group's offsets in its partitions.
pub type CommittedTopic = (Arc<str>, Vec<(i32, Committed)>);

/// How often groups are looked through for those that are forgotten.
const EXPIRE_INTERVAL: Duration = Duration::from_secs(3600);
/// The longest wait between looks at the deadlines, and the shortest.
const TIMER: std::ops::Range<Duration> = Duration::from_millis(5)..Duration::from_secs(60);

enum Parked {
    Join(oneshot::Sender<JoinAnswer>),
    Sync(oneshot::Sender<SyncAnswer>),
}

impl Parked {
    fn answer(self, answer: Answer) {
        // The receiver is gone when the client has hung up: then nobody wants the answer.
        match (self, answer) {
            (Self::Join(sender), Answer::Join(answer)) => drop(sender.send(answer)),
            (Self::Sync(sender), Answer::Sync(answer)) => drop(sender.send(answer)),
            (Self::Join(_), Answer::Sync(_)) | (Self::Sync(_), Answer::Join(_)) => {}
        }
    }
}

/// What happens when records are durable.
enum Then {
    Answer(Vec<(Parked, Answer)>),
    Commit(Vec<OffsetUpdate>, oneshot::Sender<ErrorCode>),
    Forget(Vec<CommittedAt>, oneshot::Sender<ErrorCode>),
    /// A topic and its offsets.
    Delete(String, Vec<CommittedAt>, oneshot::Sender<ErrorCode>),
    Tell(oneshot::Sender<ErrorCode>),
}

/// A group's offset in a topic's partition.
type CommittedAt = (Arc<str>, Arc<str>, i32);

/// Records that wait to be written, and what waits for them.
struct Unwritten {
    records: Vec<Record>,
    /// The topic that is deleted in the same commit of the log.
    removes: Option<String>,
    then: Then,
}

impl Unwritten {
    fn new(records: Vec<Record>, then: Then) -> Self {
        Self { records, removes: None, then }
    }
}

type Record = (Vec<u8>, Option<Vec<u8>>);

struct State {
    groups: HashMap<Arc<str>, Group>,
    groups_bytes: usize,
    offsets: Offsets,
    parked: HashMap<Ticket, Parked>,
    next_ticket: Ticket,
    unwritten: Vec<Unwritten>,
    unwritten_bytes: usize,
    /// Topics whose deletion is on its way.
    deleting: Vec<String>,
    timer_at: Option<Instant>,
    /// When a group with offsets was last seen with members or a young commit.
    active: HashMap<Arc<str>, Instant>,
    expire_at: Instant,
}

/// The coordinator of all groups.
pub struct Coordinator {
    state: Mutex<State>,
    limits: GroupLimits,
    log: BuiltinLog,
    deadline_moved: Notify,
    has_unwritten: Notify,
}

impl Coordinator {
    /// A coordinator with the groups and offsets that are in the log.
    pub fn restore(limits: GroupLimits, log: BuiltinLog) -> Self {
        let mut state = State {
            groups: HashMap::new(),
            groups_bytes: 0,
            offsets: Offsets::default(),
            parked: HashMap::new(),
            next_ticket: 0,
            unwritten: Vec::new(),
            unwritten_bytes: 0,
            deleting: Vec::new(),
            timer_at: None,
            active: HashMap::new(),
            expire_at: Instant::now(),
        };
        for (key, value) in log.state(GROUPS_TOPIC) {
            if let Err(problem) = state.replay(&key, &value, limits.members_max) {
                error!(%problem, "a record of {GROUPS_TOPIC} cannot be read and is passed over");
            }
        }
        let coordinator = Self { state: Mutex::new(state), limits, log, deadline_moved: Notify::new(), has_unwritten: Notify::new() };
        coordinator.forget_topics_that_are_gone();
        coordinator
    }

    /// A topic and what was committed of it go together; where an earlier version was killed between the two, the offsets of a
    /// topic that is gone are left, and one made anew would be read from there.
    fn forget_topics_that_are_gone(&self) {
        let mut state = self.state();
        let gone = state.offsets.of_topics(|topic| self.log.topic(topic).is_none());
        if gone.is_empty() {
            return;
        }
        info!(offsets = gone.len(), "the offsets of topics that are gone are forgotten");
        state.forget(&gone);
        self.enqueue(&mut state, Unwritten::new(removals(&gone), Then::Answer(Vec::new())));
    }

    /// The limits it keeps.
    pub fn limits(&self) -> &GroupLimits {
        &self.limits
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends sessions and rebalances when they are due, and writes records. Runs as long as the broker; dropping it stops
    /// both.
    pub async fn run(&self) {
        tokio::join!(self.run_timers(), self.run_writes());
    }

    async fn run_timers(&self) {
        loop {
            let next = self.tick(Instant::now());
            let wait = next.map_or(TIMER.end, |at| at.saturating_duration_since(Instant::now())).clamp(TIMER.start, TIMER.end);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.deadline_moved.notified() => {}
            }
        }
    }

    /// Lets every group do what is due; returns when something will be due next.
    fn tick(&self, now: Instant) -> Option<Instant> {
        let mut state = self.state();
        let due = |group: &Group| group.next_deadline().is_some_and(|at| at <= now);
        let names: Vec<Arc<str>> = state.groups.iter().filter(|(_, group)| due(group)).map(|(name, _)| Arc::clone(name)).collect();
        for name in names {
            self.step(&mut state, &name, |group| group.tick(now));
        }
        self.expire(&mut state, now);
        state.timer_at = state.groups.values().filter_map(Group::next_deadline).min();
        state.timer_at.into_iter().chain([state.expire_at]).min()
    }

    async fn run_writes(&self) {
        loop {
            self.has_unwritten.notified().await;
            let batch = {
                let mut state = self.state();
                state.unwritten_bytes = 0;
                std::mem::take(&mut state.unwritten)
            };
            if !batch.is_empty() {
                self.write(batch).await;
            }
        }
    }

    async fn write(&self, batch: Vec<Unwritten>) {
        let (mut records, mut removes, mut thens) = (Vec::new(), Vec::new(), Vec::new());
        for unwritten in batch {
            records.extend(unwritten.records);
            removes.extend(unwritten.removes);
            thens.push(unwritten.then);
        }
        let error = match self.log.put_and_remove(GROUPS_TOPIC, records, removes).await {
            Ok(()) => ErrorCode::NONE,
            // The log has said so; every client that tries again would say it once more.
            Err(LogError::Paused(_) | LogError::DiskFull { .. }) => ErrorCode::COORDINATOR_NOT_AVAILABLE,
            Err(problem) => {
                error!(%problem, "group records could not be written; clients will try again");
                ErrorCode::COORDINATOR_NOT_AVAILABLE
            }
        };
        for then in thens {
            self.written(then, error);
        }
    }

    fn written(&self, then: Then, error: ErrorCode) {
        match then {
            Then::Tell(done) => drop(done.send(error)),
            Then::Answer(answers) => {
                for (parked, answer) in answers {
                    parked.answer(if error.is_none() { answer } else { answer.failed(error) });
                }
            }
            Then::Commit(updates, done) => {
                if error.is_none() {
                    let mut state = self.state();
                    updates.into_iter().for_each(|update| state.offsets.apply(update));
                }
                let _ = done.send(error);
            }
            Then::Forget(offsets, done) => {
                if error.is_none() {
                    self.state().forget(&offsets);
                }
                let _ = done.send(error);
            }
            Then::Delete(topic, listed, done) => {
                let mut state = self.state();
                if error.is_none() {
                    let offsets = state.offsets.of_topics(|known| known == topic);
                    state.forget(&offsets);
                    // What was on its way to the log when the deletion was asked for is not among what that removed.
                    let listed: HashSet<_> = listed.into_iter().collect();
                    let late: Vec<_> = offsets.into_iter().filter(|offset| !listed.contains(offset)).collect();
                    if !late.is_empty() {
                        self.enqueue(&mut state, Unwritten::new(removals(&late), Then::Answer(Vec::new())));
                    }
                }
                state.deleting.retain(|name| *name != topic);
                let _ = done.send(error);
            }
        }
    }

    /// Takes one step of a group and carries out what it asks for.
    fn step(&self, state: &mut State, name: &Arc<str>, step: impl FnOnce(&mut Group) -> Effects) {
        let Some(group) = state.groups.get_mut(name) else { return };
        let before = group.bytes();
        let effects = step(group);
        let (after, deadline) = (group.bytes(), group.next_deadline());
        let record = effects.persist.then(|| {
            let value = (!group.members().is_empty()).then(|| records::group_value(group, now_ms()));
            (records::group_key(name), value)
        });
        state.groups_bytes = (state.groups_bytes + after).saturating_sub(before);
        if group.is_forgettable() {
            state.groups.remove(name);
            state.groups_bytes = state.groups_bytes.saturating_sub(after);
        }
        let answers: Vec<_> =
            effects.answers.into_iter().filter_map(|(ticket, answer)| Some((state.parked.remove(&ticket)?, answer))).collect();
        match record {
            Some(record) => self.enqueue(state, Unwritten::new(vec![record], Then::Answer(answers))),
            None => answers.into_iter().for_each(|(parked, answer)| parked.answer(answer)),
        }
        if deadline.is_some_and(|at| state.timer_at.is_none_or(|timer| at < timer)) {
            state.timer_at = deadline;
            self.deadline_moved.notify_one();
        }
    }

    fn enqueue(&self, state: &mut State, unwritten: Unwritten) {
        state.unwritten_bytes += record_bytes(&unwritten.records);
        state.unwritten.push(unwritten);
        self.has_unwritten.notify_one();
    }

    /// JoinGroup: answers when the rebalance is over.
    pub async fn join(&self, name: &str, join: Join) -> JoinAnswer {
        let member_id = join.member_id.clone();
        let answer = match self.begin_join(name, join) {
            Ok(answer) => answer.await,
            Err(error) => return JoinAnswer::error(error, member_id),
        };
        // The sender goes without an answer only when the broker ends.
        answer.unwrap_or_else(|_| JoinAnswer::error(ErrorCode::COORDINATOR_NOT_AVAILABLE, member_id))
    }

    fn begin_join(&self, name: &str, join: Join) -> Result<oneshot::Receiver<JoinAnswer>, ErrorCode> {
        check_name(name)?;
        if join.session_timeout < self.limits.session_timeout_min || join.session_timeout > self.limits.session_timeout_max {
            return Err(ErrorCode::INVALID_SESSION_TIMEOUT);
        }
        let mut state = self.state();
        let name = state.admit(name, &join, &self.limits)?;
        let ticket = state.ticket();
        let (sender, receiver) = oneshot::channel();
        state.parked.insert(ticket, Parked::Join(sender));
        let fresh_id = fresh_member_id(&join);
        self.step(&mut state, &name, |group| group.join(Instant::now(), join, fresh_id, ticket));
        Ok(receiver)
    }

    /// SyncGroup: answers when the leader has brought the assignment and it is durable.
    pub async fn sync(&self, name: &str, sync: Sync) -> SyncAnswer {
        let refused = |error| SyncAnswer { error, ..SyncAnswer::default() };
        match self.begin_sync(name, sync) {
            Ok(answer) => answer.await.unwrap_or_else(|_| refused(ErrorCode::COORDINATOR_NOT_AVAILABLE)),
            Err(error) => refused(error),
        }
    }

    fn begin_sync(&self, name: &str, sync: Sync) -> Result<oneshot::Receiver<SyncAnswer>, ErrorCode> {
        check_name(name)?;
        let mut state = self.state();
        let (name, _) = state.groups.get_key_value(name).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
        let name = Arc::clone(name);
        let brought: usize = sync.assignments.iter().map(|(_, assignment)| assignment.len()).sum();
        state.check_room(brought, &self.limits)?;
        let ticket = state.ticket();
        let (sender, receiver) = oneshot::channel();
        state.parked.insert(ticket, Parked::Sync(sender));
        self.step(&mut state, &name, |group| group.sync(Instant::now(), sync, ticket));
        Ok(receiver)
    }

    /// Heartbeat.
    pub fn heartbeat(&self, name: &str, member: MemberRef<'_>) -> ErrorCode {
        match (check_name(name), self.state().groups.get_mut(name)) {
            (Err(error), _) => error,
            (Ok(()), None) => ErrorCode::UNKNOWN_MEMBER_ID,
            (Ok(()), Some(group)) => group.heartbeat(Instant::now(), member.id, member.instance, member.generation),
        }
    }

    /// LeaveGroup for one member, by id or instance; answers when it is durable.
    pub async fn leave(&self, name: &str, id: &str, instance: Option<&str>) -> ErrorCode {
        match self.begin_leave(name, id, instance) {
            Ok(done) => done.await.unwrap_or(ErrorCode::COORDINATOR_NOT_AVAILABLE),
            Err(error) => error,
        }
    }

    fn begin_leave(&self, name: &str, id: &str, instance: Option<&str>) -> Result<oneshot::Receiver<ErrorCode>, ErrorCode> {
        check_name(name)?;
        let mut state = self.state();
        let (name, _) = state.groups.get_key_value(name).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
        let name = Arc::clone(name);
        let mut code = ErrorCode::NONE;
        self.step(&mut state, &name, |group| {
            let mut effects = Effects::default();
            code = group.leave(Instant::now(), id, instance, &mut effects);
            effects
        });
        if !code.is_none() {
            return Err(code);
        }
        let (sender, receiver) = oneshot::channel();
        self.enqueue(&mut state, Unwritten::new(Vec::new(), Then::Tell(sender)));
        Ok(receiver)
    }

    /// OffsetCommit of partitions that exist; answers when they are durable.
    pub async fn commit(&self, name: &str, member: MemberRef<'_>, offsets: Vec<CommittedPartition>) -> ErrorCode {
        match self.begin_commit(name, member, offsets) {
            Ok(done) => done.await.unwrap_or(ErrorCode::COORDINATOR_NOT_AVAILABLE),
            Err(error) => error,
        }
    }

    fn begin_commit(
        &self,
        name: &str,
        member: MemberRef<'_>,
        offsets: Vec<CommittedPartition>,
    ) -> Result<oneshot::Receiver<ErrorCode>, ErrorCode> {
        check_name(name)?;
        let mut state = self.state();
        state.may_commit(name, member)?;
        let group: Arc<str> = name.into();
        let updates: Vec<_> = offsets
            .into_iter()
            .map(|(topic, partition, committed)| OffsetUpdate { group: Arc::clone(&group), topic, partition, committed })
            .collect();
        state.check_offsets(&group, &updates, &self.limits)?;
        // A commit that was let in before its topic was deleted must not come behind that.
        if updates.iter().any(|update| state.deleting.iter().any(|name| **name == *update.topic) || self.log.topic(&update.topic).is_none())
        {
            return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        }
        let (sender, receiver) = oneshot::channel();
        if updates.is_empty() {
            let _ = sender.send(ErrorCode::NONE);
            return Ok(receiver);
        }
        let record = |update: &OffsetUpdate| {
            (records::offset_key(name, &update.topic, update.partition), Some(records::offset_value(&update.committed)))
        };
        let records: Vec<Record> = updates.iter().map(record).collect();
        if state.unwritten_bytes + record_bytes(&records) > self.limits.unwritten_bytes_max && !state.unwritten.is_empty() {
            return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        }
        self.enqueue(&mut state, Unwritten::new(records, Then::Commit(updates, sender)));
        Ok(receiver)
    }

    /// DeleteGroups for one group; answers when its offsets are durably gone.
    pub async fn delete(&self, name: &str) -> ErrorCode {
        let begun = check_name(name).and_then(|()| self.begin_delete(&mut self.state(), name));
        match begun {
            Ok(done) => done.await.unwrap_or(ErrorCode::COORDINATOR_NOT_AVAILABLE),
            Err(error) => error,
        }
    }

    /// Deletes a topic and what all groups committed of it, in one commit of the log; answers when that is durable. A topic that
    /// is made anew begins at zero: an offset of the old one would pass over its records.
    pub async fn delete_topic(&self, topic: &str) -> ErrorCode {
        let done = {
            let mut state = self.state();
            let offsets = state.offsets.of_topics(|known| known == topic);
            let (sender, receiver) = oneshot::channel();
            let records = removals(&offsets);
            state.deleting.push(topic.to_owned());
            let then = Then::Delete(topic.to_owned(), offsets, sender);
            self.enqueue(&mut state, Unwritten { records, removes: Some(topic.to_owned()), then });
            receiver
        };
        done.await.unwrap_or(ErrorCode::COORDINATOR_NOT_AVAILABLE)
    }

    fn begin_delete(&self, state: &mut State, name: &str) -> Result<oneshot::Receiver<ErrorCode>, ErrorCode> {
        if state.groups.contains_key(name) {
            return Err(ErrorCode::NON_EMPTY_GROUP);
        }
        if !state.offsets.has_group(name) {
            return Err(ErrorCode::GROUP_ID_NOT_FOUND);
        }
        let offsets = state.offsets.of_group_listed(name);
        let records = removals(&offsets);
        if state.unwritten_bytes + record_bytes(&records) > self.limits.unwritten_bytes_max && !state.unwritten.is_empty() {
            return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        }
        let (sender, receiver) = oneshot::channel();
        self.enqueue(state, Unwritten::new(records, Then::Forget(offsets, sender)));
        Ok(receiver)
    }

    /// Forgets groups that have had neither members nor commits for so long. How long is counted from the start of the
    /// broker at the earliest: when a group of before lost its last member is not kept.
    fn expire(&self, state: &mut State, now: Instant) {
        if now < state.expire_at {
            return;
        }
        state.expire_at = now + self.limits.offsets_age_max.min(EXPIRE_INTERVAL);
        let State { groups, offsets, active, .. } = &mut *state;
        active.retain(|name, _| offsets.has_group(name));
        let oldest = now_ms().saturating_sub(i64::try_from(self.limits.offsets_age_max.as_millis()).unwrap_or(i64::MAX));
        let mut expired = Vec::new();
        for (name, committed_at_ms) in offsets.last_commits() {
            let seen = active.entry(Arc::clone(name)).or_insert(now);
            if groups.contains_key(name) || committed_at_ms > oldest || name.starts_with(KEPT_PREFIX) {
                *seen = now;
            } else if now.saturating_duration_since(*seen) >= self.limits.offsets_age_max {
                expired.push(Arc::clone(name));
            }
        }
        for name in expired {
            info!(group = %name, "the offsets of a group without members and commits are forgotten");
            // One that cannot be written now is looked at again.
            let _ = self.begin_delete(state, &name);
        }
    }

    /// The names of all groups that have members or offsets, in order.
    pub fn names(&self) -> Vec<Arc<str>> {
        let state = self.state();
        let mut names: Vec<Arc<str>> = state.groups.keys().chain(state.offsets.last_commits().map(|(name, _)| name)).cloned().collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Looks at a group; `None` when it has neither members nor offsets.
    pub fn look<T>(&self, name: &str, look: impl FnOnce(Option<&Group>) -> T) -> Option<T> {
        let state = self.state();
        let group = state.groups.get(name);
        (group.is_some() || state.offsets.has_group(name)).then(|| look(group))
    }

    /// The committed offset of a partition.
    pub fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<Committed> {
        self.state().offsets.get(group, topic, partition).cloned()
    }

    /// All committed offsets of a group by topic.
    pub fn all_committed(&self, group: &str) -> Vec<CommittedTopic> {
        let state = self.state();
        let each = |(topic, partitions): (&Arc<str>, &std::collections::BTreeMap<i32, Committed>)| {
            (Arc::clone(topic), partitions.iter().map(|(partition, committed)| (*partition, committed.clone())).collect())
        };
        state.offsets.of_group(group).map(each).collect()
    }
}

impl State {
    fn forget(&mut self, offsets: &[CommittedAt]) {
        offsets.iter().for_each(|(group, topic, partition)| self.offsets.remove(group, topic, *partition));
    }

    fn replay(&mut self, key: &[u8], value: &[u8], members_max: usize) -> Result<(), super::codec::DecodeError> {
        match records::read_key(key)? {
            Some(Key::Offset { group, topic, partition }) => {
                let committed = records::read_offset_value(value)?;
                self.offsets.apply(OffsetUpdate { group: group.into(), topic: topic.into(), partition, committed });
            }
            Some(Key::Group { group }) => {
                let restored = records::read_group_value(value, Instant::now(), members_max)?;
                self.groups_bytes += restored.bytes();
                self.groups.insert(group.into(), restored);
            }
            None => {}
        }
        Ok(())
    }

    fn ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        self.next_ticket
    }

    fn check_room(&self, bytes: usize, limits: &GroupLimits) -> Result<(), ErrorCode> {
        if self.groups_bytes + bytes > limits.groups_bytes_max {
            warn!(bytes = self.groups_bytes, "consumer groups take all the memory they may; a request to join is refused");
            return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        if self.unwritten_bytes + bytes > limits.unwritten_bytes_max {
            return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        }
        Ok(())
    }

    /// Finds or makes the group that a member wants to join, if there is room.
    fn admit(&mut self, name: &str, join: &Join, limits: &GroupLimits) -> Result<Arc<str>, ErrorCode> {
        let bytes = join.protocols.iter().map(|(name, metadata)| name.len() + metadata.len() + 64).sum();
        self.check_room(bytes, limits)?;
        if let Some((name, _)) = self.groups.get_key_value(name) {
            return Ok(Arc::clone(name));
        }
        if !join.member_id.is_empty() {
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        if self.groups.len() >= limits.groups_max {
            warn!(groups = self.groups.len(), "there are as many consumer groups as there may be; another is refused");
            return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        let name: Arc<str> = name.into();
        let group = Group::new(limits.members_max);
        self.groups_bytes += group.bytes();
        self.groups.insert(Arc::clone(&name), group);
        Ok(name)
    }

    fn may_commit(&mut self, name: &str, member: MemberRef<'_>) -> Result<(), ErrorCode> {
        let code = match self.groups.get_mut(name) {
            Some(group) => group.may_commit(Instant::now(), member.id, member.instance, member.generation),
            None if member.generation < 0 => ErrorCode::NONE,
            None => ErrorCode::ILLEGAL_GENERATION,
        };
        if code.is_none() { Ok(()) } else { Err(code) }
    }

    fn check_offsets(&self, group: &str, updates: &[OffsetUpdate], limits: &GroupLimits) -> Result<(), ErrorCode> {
        let new_group = !self.offsets.has_group(group);
        // A commit that replaces another always has room: a full map must not lock out the groups that are in it.
        let more: usize = updates.iter().map(|update| self.offsets.growth(update)).sum();
        let too_large = more > 0 && self.offsets.bytes() + more > limits.offsets_bytes_max;
        if (new_group && self.offsets.groups() >= limits.offset_groups_max) || too_large {
            warn!(groups = self.offsets.groups(), bytes = self.offsets.bytes(), "committed offsets take all the memory they may");
            return Err(ErrorCode::INVALID_COMMIT_OFFSET_SIZE);
        }
        Ok(())
    }
}

/// The records that remove these offsets.
fn removals(offsets: &[CommittedAt]) -> Vec<Record> {
    offsets.iter().map(|(group, topic, partition)| (records::offset_key(group, topic, *partition), None)).collect()
}

fn record_bytes(records: &[Record]) -> usize {
    records.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len) + 64).sum()
}

/// The longest group name, in bytes: it stands in every record of the group.
const NAME_BYTES_MAX: usize = 1024;

fn check_name(name: &str) -> Result<(), ErrorCode> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX { Err(ErrorCode::INVALID_GROUP_ID) } else { Ok(()) }
}

/// Kafka's form: the client's name (or instance) and a random UUID.
fn fresh_member_id(join: &Join) -> String {
    format!("{}-{}", join.instance_id.as_deref().unwrap_or(&join.client_id), uuid::Uuid::new_v4())
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::TopicSpec;
    use crate::log::builtin::LogSettings;

    fn open(dir: &std::path::Path) -> BuiltinLog {
        BuiltinLog::open(LogSettings { min_free_bytes: 0, ..LogSettings::new(dir) }).expect("a log")
    }

    fn at(offset: i64) -> Committed {
        Committed { offset, leader_epoch: -1, metadata: "".into(), committed_at_ms: now_ms() }
    }

    /// Acts on a coordinator that writes.
    async fn with<T>(log: &BuiltinLog, act: impl AsyncFnOnce(&Coordinator) -> T) -> T {
        let coordinator = Coordinator::restore(GroupLimits::default(), log.clone());
        tokio::select! {
            () = coordinator.run() => panic!("it never ends"),
            done = act(&coordinator) => done,
        }
    }

    /// Aim: no kill leaves a group's offset in a topic that is gone. Method: the topic and all offsets of it go in one commit.
    #[tokio::test]
    async fn a_topic_and_what_was_committed_of_it_go_in_one_commit() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let log = open(dir.path());
        for topic in ["gone", "stays"] {
            log.make_topic(topic, &TopicSpec { partitions: 2, ..TopicSpec::default() }).await.expect("made");
        }
        with(&log, async |groups| {
            let nobody = MemberRef { id: "", instance: None, generation: -1 };
            for group in ["a", "b"] {
                let offsets = vec![("gone".into(), 0, at(5)), ("gone".into(), 1, at(6)), ("stays".into(), 0, at(7))];
                assert!(groups.commit(group, nobody, offsets).await.is_none());
            }
            let before = *log.durable().borrow();
            let late = groups.commit("a", nobody, vec![("gone".into(), 0, at(9))]);
            let (deleted, late) = tokio::join!(groups.delete_topic("gone"), late);
            assert!(deleted.is_none());
            assert_eq!(late, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "behind the deletion it would stay");
            assert_eq!(log.durable().borrow().0, before.0 + 1, "one commit");
            assert!(log.topic("gone").is_none() && log.topic("stays").is_some());
            assert_eq!((groups.committed("a", "gone", 0), groups.committed("b", "gone", 1)), (None, None));
            assert_eq!(groups.committed("b", "stays", 0).map(|committed| committed.offset), Some(7));
        })
        .await;
        assert_eq!(log.state(GROUPS_TOPIC).len(), 2);
        log.close();
    }

    /// Returns when the log has nothing of any group.
    async fn until_forgotten(log: &BuiltinLog) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !log.state(GROUPS_TOPIC).is_empty() {
            assert!(Instant::now() < deadline, "it stays in the log");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Aim: nor does one stay that was on its way when the deletion was asked for. Method: the first commit of a group, and the deletion
    /// behind it, in one write.
    #[tokio::test]
    async fn an_offset_on_its_way_goes_with_its_topic() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let log = open(dir.path());
        log.make_topic("gone", &TopicSpec::default()).await.expect("made");
        with(&log, async |groups| {
            let nobody = MemberRef { id: "", instance: None, generation: -1 };
            let committed = groups.commit("c", nobody, vec![("gone".into(), 0, at(500))]);
            let (committed, deleted) = tokio::join!(committed, groups.delete_topic("gone"));
            assert!(committed.is_none() && deleted.is_none());
            assert_eq!(groups.committed("c", "gone", 0), None);
            until_forgotten(&log).await;
        })
        .await;
        log.close();
    }

    /// What a version left that was killed between the two is not believed.
    #[tokio::test]
    async fn offsets_of_a_topic_that_is_gone_are_not_restored() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let log = open(dir.path());
        let left = (records::offset_key("a", "gone", 0), Some(records::offset_value(&at(5))));
        log.put(GROUPS_TOPIC, vec![left]).await.expect("written");
        with(&log, async |groups| {
            assert_eq!(groups.committed("a", "gone", 0), None);
            until_forgotten(&log).await;
        })
        .await;
        log.close();
    }
}
