//! One consumer group of the classic protocol as a state machine, without I/O, clock or channels.
//!
//! Owns who is a member, the generation, the chosen protocol, the assignments and all deadlines. Every method is told
//! the time and returns [`Effects`]: which parked requests get which answer, and whether the group's record must be made
//! durable before they get it. Promises what Kafka's `GroupMetadataManager` promises for classic groups; differences
//! are listed in `docs/kafka-protocol.md`. Leaves waiting, writing and limits over all groups to
//! [`Coordinator`](super::Coordinator).
//!
//! ```text
//!            join                      all members joined, or time      leader synced
//!   Empty ----------> Preparing -----------------------------> Completing ----------> Stable
//!     ^                 |  ^  ^------- join, leave, expiry -------'                      |
//!     '-- nobody left --'  '-------------------- join, leave, expiry -------------------'
//! ```

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::super::error_code::ErrorCode;

/// Names a parked request; the coordinator knows whom it belongs to.
pub type Ticket = u64;

/// How long a rebalance waits for a member id that was handed out and has not come back with it. Clients come back at
/// once; one that died in between must not hold up the others for its whole session.
const PENDING_WAIT: Duration = Duration::from_secs(3);

/// A JoinGroup request.
#[derive(Clone, Debug)]
pub struct Join {
    /// Empty for a new member.
    pub member_id: String,
    /// `group.instance.id`: a static member.
    pub instance_id: Option<String>,
    /// The client's `client.id`.
    pub client_id: String,
    /// Where it connects from.
    pub client_host: String,
    /// After this long without heartbeat it is gone.
    pub session_timeout: Duration,
    /// How long a rebalance waits for it.
    pub rebalance_timeout: Duration,
    /// "consumer", "connect", ...: opaque.
    pub protocol_type: String,
    /// Assignors it can do, best first, with its subscription for each.
    pub protocols: Vec<(String, Bytes)>,
    /// Version 4 on: a new member is given an id and asked to come again with it.
    pub requires_id: bool,
    /// Version 9 on: knows `skip_assignment`.
    pub can_skip: bool,
}

/// The answer to a JoinGroup request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JoinAnswer {
    /// 0, or why not.
    pub error: ErrorCode,
    /// The generation joined; -1 with an error.
    pub generation: i32,
    /// The group's protocol type.
    pub protocol_type: Option<String>,
    /// The assignor chosen.
    pub protocol: Option<String>,
    /// The leader's member id.
    pub leader: String,
    /// The leader need not assign (a static leader that came back to a stable group).
    pub skip_assignment: bool,
    /// The member's own id.
    pub member_id: String,
    /// For the leader: all members.
    pub members: Vec<JoinedMember>,
}

/// A member as the leader is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its id.
    pub member_id: String,
    /// Its `group.instance.id`.
    pub instance_id: Option<String>,
    /// Its subscription, for the assignor chosen.
    pub metadata: Bytes,
}

/// A SyncGroup request.
#[derive(Clone, Debug)]
pub struct Sync {
    /// The generation joined.
    pub generation: i32,
    /// The member's id.
    pub member_id: String,
    /// Its `group.instance.id`.
    pub instance_id: Option<String>,
    /// Checked when present (version 5).
    pub protocol_type: Option<String>,
    /// Checked when present (version 5).
    pub protocol: Option<String>,
    /// From the leader: what each member gets.
    pub assignments: Vec<(String, Bytes)>,
}

/// The answer to a SyncGroup request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncAnswer {
    /// 0, or why not.
    pub error: ErrorCode,
    /// The group's protocol type.
    pub protocol_type: Option<String>,
    /// The assignor chosen.
    pub protocol: Option<String>,
    /// What this member shall read.
    pub assignment: Bytes,
}

/// An answer to a parked request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To a JoinGroup.
    Join(JoinAnswer),
    /// To a SyncGroup.
    Sync(SyncAnswer),
}

impl Answer {
    /// The same answer turned into a failure: what it stood for could not be made durable.
    #[must_use]
    pub fn failed(self, error: ErrorCode) -> Self {
        match self {
            Self::Join(answer) => Self::Join(JoinAnswer::error(error, answer.member_id)),
            Self::Sync(_) => Self::Sync(SyncAnswer { error, ..SyncAnswer::default() }),
        }
    }
}

impl JoinAnswer {
    /// A refusal.
    pub fn error(error: ErrorCode, member_id: String) -> Self {
        Self { error, generation: -1, member_id, ..Self::default() }
    }
}

/// What a step of the state machine asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Answers to parked requests, this one's included.
    pub answers: Vec<(Ticket, Answer)>,
    /// The group's record has changed; answers go out when it is durable.
    pub persist: bool,
}

impl Effects {
    fn join(&mut self, ticket: Ticket, answer: JoinAnswer) {
        self.answers.push((ticket, Answer::Join(answer)));
    }

    fn refuse_join(&mut self, ticket: Ticket, error: ErrorCode, member_id: &str) {
        self.join(ticket, JoinAnswer::error(error, member_id.to_owned()));
    }

    fn sync(&mut self, ticket: Ticket, answer: SyncAnswer) {
        self.answers.push((ticket, Answer::Sync(answer)));
    }

    fn refuse_sync(&mut self, ticket: Ticket, error: ErrorCode) {
        self.sync(ticket, SyncAnswer { error, ..SyncAnswer::default() });
    }
}

/// Where a group is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No members.
    Empty,
    /// Members are joining, until the deadline at the latest.
    Preparing {
        /// When it goes on without those who have not joined.
        until: Instant,
    },
    /// All have joined; the leader's assignment is awaited.
    Completing {
        /// When those who have not synced are put out.
        until: Instant,
    },
    /// Everybody works.
    Stable,
}

impl Phase {
    /// Kafka's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Preparing { .. } => "PreparingRebalance",
            Self::Completing { .. } => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// A member.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its `group.instance.id`.
    pub instance_id: Option<String>,
    /// The client's `client.id`.
    pub client_id: String,
    /// Where it connects from.
    pub client_host: String,
    /// After this long without heartbeat it is gone.
    pub session_timeout: Duration,
    /// How long a rebalance waits for it.
    pub rebalance_timeout: Duration,
    /// Assignors and subscriptions, best first.
    pub protocols: Vec<(String, Bytes)>,
    /// What it was told to read.
    pub assignment: Bytes,
    /// When its session ends.
    pub alive_until: Instant,
    joining: Option<Ticket>,
    syncing: Option<Ticket>,
    synced: bool,
}

impl Member {
    fn new(now: Instant, join: Join) -> Self {
        Self {
            instance_id: join.instance_id,
            client_id: join.client_id,
            client_host: join.client_host,
            session_timeout: join.session_timeout,
            rebalance_timeout: join.rebalance_timeout,
            protocols: join.protocols,
            assignment: Bytes::new(),
            alive_until: now + join.session_timeout,
            joining: None,
            syncing: None,
            synced: false,
        }
    }

    /// A member read back from the group's record; its session starts anew.
    pub fn restored(now: Instant, join: Join, assignment: Bytes) -> Self {
        Self { assignment, synced: true, ..Self::new(now, join) }
    }

    fn knows(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|(name, _)| name == protocol)
    }

    /// Its subscription for an assignor.
    pub fn metadata(&self, protocol: &str) -> Bytes {
        self.protocols.iter().find(|(name, _)| name == protocol).map(|(_, metadata)| metadata.clone()).unwrap_or_default()
    }

    fn waits(&self) -> bool {
        self.joining.is_some() || self.syncing.is_some()
    }

    fn bytes(&self) -> usize {
        let protocols: usize = self.protocols.iter().map(|(name, metadata)| name.len() + metadata.len() + 64).sum();
        256 + self.client_id.len() + self.client_host.len() + self.assignment.len() + protocols
    }
}

/// A member id that was handed out and has not come back yet.
#[derive(Clone, Copy, Debug)]
struct Pending {
    /// A rebalance waits for it.
    awaited: bool,
    awaited_until: Instant,
    forgotten_at: Instant,
}

/// A group.
#[derive(Debug)]
pub struct Group {
    phase: Phase,
    generation: i32,
    protocol_type: Option<String>,
    protocol: Option<String>,
    leader: Option<String>,
    members: BTreeMap<String, Member>,
    instances: HashMap<String, String>,
    pending: HashMap<String, Pending>,
    members_max: usize,
}

impl Group {
    /// A group without members that takes at most `members_max`.
    pub fn new(members_max: usize) -> Self {
        Self {
            phase: Phase::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            instances: HashMap::new(),
            pending: HashMap::new(),
            members_max,
        }
    }

    /// A stable group read back from its record.
    pub fn restored(
        members_max: usize,
        generation: i32,
        protocol_type: String,
        protocol: Option<String>,
        leader: Option<String>,
        members: BTreeMap<String, Member>,
    ) -> Self {
        let instances = members.iter().filter_map(|(id, member)| Some((member.instance_id.clone()?, id.clone()))).collect();
        let phase = if members.is_empty() { Phase::Empty } else { Phase::Stable };
        let protocol_type = Some(protocol_type);
        Self { phase, generation, protocol_type, protocol, leader, members, instances, pending: HashMap::new(), members_max }
    }

    /// Where it is.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The current generation.
    pub fn generation(&self) -> i32 {
        self.generation
    }

    /// The protocol type of its members.
    pub fn protocol_type(&self) -> Option<&str> {
        self.protocol_type.as_deref()
    }

    /// The assignor chosen.
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// The leader's member id.
    pub fn leader(&self) -> Option<&str> {
        self.leader.as_deref()
    }

    /// The members by id.
    pub fn members(&self) -> &BTreeMap<String, Member> {
        &self.members
    }

    /// Nobody is in it or about to be.
    pub fn is_forgettable(&self) -> bool {
        self.members.is_empty() && self.pending.is_empty()
    }

    /// About what it takes in memory.
    pub fn bytes(&self) -> usize {
        512 + self.pending.len() * 192 + self.members.iter().map(|(id, member)| id.len() + member.bytes()).sum::<usize>()
    }

    /// A member joins, for the first time or again.
    pub fn join(&mut self, now: Instant, join: Join, fresh_id: String, ticket: Ticket) -> Effects {
        let mut effects = Effects::default();
        if let Err(error) = self.admit(&join) {
            effects.refuse_join(ticket, error, &join.member_id);
        } else if join.member_id.is_empty() {
            self.join_new(now, join, fresh_id, ticket, &mut effects);
        } else {
            self.join_known(now, join, ticket, &mut effects);
        }
        effects
    }

    fn admit(&self, join: &Join) -> Result<(), ErrorCode> {
        if join.protocol_type.is_empty() || join.protocols.is_empty() {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        if self.members.is_empty() {
            return Ok(());
        }
        let common = |name: &String| self.members.values().all(|member| member.knows(name));
        if self.protocol_type.as_ref() != Some(&join.protocol_type) || !join.protocols.iter().any(|(name, _)| common(name)) {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        Ok(())
    }

    fn join_new(&mut self, now: Instant, join: Join, fresh_id: String, ticket: Ticket, effects: &mut Effects) {
        let instance = join.instance_id.as_ref().and_then(|instance| self.instances.get(instance)).cloned();
        if let Some(old_id) = instance {
            self.replace(now, &old_id, join, fresh_id, ticket, effects);
        } else if self.members.len() + self.pending.len() >= self.members_max {
            effects.refuse_join(ticket, ErrorCode::GROUP_MAX_SIZE_REACHED, "");
        } else if join.requires_id && join.instance_id.is_none() {
            let awaited_until = now + PENDING_WAIT.min(join.session_timeout);
            let pending = Pending { awaited: true, awaited_until, forgotten_at: now + join.session_timeout };
            effects.refuse_join(ticket, ErrorCode::MEMBER_ID_REQUIRED, &fresh_id);
            self.pending.insert(fresh_id, pending);
        } else {
            self.add(now, join, fresh_id, ticket, effects);
        }
    }

    fn add(&mut self, now: Instant, join: Join, id: String, ticket: Ticket, effects: &mut Effects) {
        if self.members.is_empty() {
            self.protocol_type = Some(join.protocol_type.clone());
        }
        if let Some(instance) = &join.instance_id {
            self.instances.insert(instance.clone(), id.clone());
        }
        let mut member = Member::new(now, join);
        member.joining = Some(ticket);
        self.leader.get_or_insert_with(|| id.clone());
        self.members.insert(id, member);
        self.rebalance(now, effects);
    }

    fn join_known(&mut self, now: Instant, join: Join, ticket: Ticket, effects: &mut Effects) {
        let id = join.member_id.clone();
        if let Err(error) = self.check_instance(&id, join.instance_id.as_deref()) {
            return effects.refuse_join(ticket, error, &id);
        }
        if self.pending.remove(&id).is_some() {
            return self.add(now, join, id, ticket, effects);
        }
        let Some(member) = self.members.get_mut(&id) else {
            return effects.refuse_join(ticket, ErrorCode::UNKNOWN_MEMBER_ID, &id);
        };
        let same = member.protocols == join.protocols;
        let leads = self.leader.as_ref() == Some(&id);
        let as_before = match self.phase {
            Phase::Completing { .. } => same,
            Phase::Stable => same && !leads,
            Phase::Preparing { .. } | Phase::Empty => false,
        };
        if as_before {
            // It did not get the answer that the others got.
            member.alive_until = now + member.session_timeout;
            let answer = self.joined(&id, leads);
            return effects.join(ticket, answer);
        }
        member.protocols = join.protocols;
        member.session_timeout = join.session_timeout;
        member.rebalance_timeout = join.rebalance_timeout;
        if let Some(forgotten) = member.joining.replace(ticket) {
            effects.refuse_join(forgotten, ErrorCode::UNKNOWN_MEMBER_ID, &id);
        }
        self.rebalance(now, effects);
    }

    /// A static member comes back without its member id: it takes its old self's place (KIP-345, KIP-814).
    fn replace(&mut self, now: Instant, old_id: &str, join: Join, id: String, ticket: Ticket, effects: &mut Effects) {
        let Some(old) = self.members.remove(old_id) else { return effects.refuse_join(ticket, ErrorCode::UNKNOWN_MEMBER_ID, "") };
        if let Some(ticket) = old.joining {
            effects.refuse_join(ticket, ErrorCode::FENCED_INSTANCE_ID, old_id);
        }
        if let Some(ticket) = old.syncing {
            effects.refuse_sync(ticket, ErrorCode::FENCED_INSTANCE_ID);
        }
        let can_skip = join.can_skip;
        if let Some(instance) = &join.instance_id {
            self.instances.insert(instance.clone(), id.clone());
        }
        let leads = self.leader.as_deref() == Some(old_id);
        if leads {
            self.leader = Some(id.clone());
        }
        let mut member = Member::new(now, join);
        member.assignment = old.assignment;
        member.synced = old.synced;
        self.members.insert(id.clone(), member);
        if self.phase == Phase::Stable && self.choose() == self.protocol {
            let mut answer = self.joined(&id, leads && can_skip);
            answer.skip_assignment = leads && can_skip;
            if leads && !can_skip {
                // An old client that is told it leads would assign, and nobody would hear of it.
                old_id.clone_into(&mut answer.leader);
            }
            effects.persist = true;
            return effects.join(ticket, answer);
        }
        if let Some(member) = self.members.get_mut(&id) {
            member.joining = Some(ticket);
        }
        self.rebalance(now, effects);
    }

    fn joined(&self, id: &str, with_members: bool) -> JoinAnswer {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let all = || {
            self.members.iter().map(|(id, member)| JoinedMember {
                member_id: id.clone(),
                instance_id: member.instance_id.clone(),
                metadata: member.metadata(protocol),
            })
        };
        JoinAnswer {
            error: ErrorCode::NONE,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            skip_assignment: false,
            member_id: id.to_owned(),
            members: if with_members { all().collect() } else { Vec::new() },
        }
    }

    fn check_instance(&self, id: &str, instance: Option<&str>) -> Result<(), ErrorCode> {
        match instance.map(|instance| self.instances.get(instance)) {
            None => Ok(()),
            Some(None) => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            Some(Some(current)) if current == id => Ok(()),
            Some(Some(_)) => Err(ErrorCode::FENCED_INSTANCE_ID),
        }
    }

    fn check_member(&self, id: &str, instance: Option<&str>, generation: i32) -> Result<(), ErrorCode> {
        self.check_instance(id, instance)?;
        if !self.members.contains_key(id) {
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        if generation == self.generation { Ok(()) } else { Err(ErrorCode::ILLEGAL_GENERATION) }
    }

    fn rebalance_timeout(&self) -> Duration {
        self.members.values().map(|member| member.rebalance_timeout).max().unwrap_or_default()
    }

    /// Asks everybody to join again; goes on at once when all have.
    fn rebalance(&mut self, now: Instant, effects: &mut Effects) {
        if !matches!(self.phase, Phase::Preparing { .. }) {
            for member in self.members.values_mut() {
                member.synced = false;
                if matches!(self.phase, Phase::Completing { .. }) {
                    member.assignment = Bytes::new();
                }
                if let Some(ticket) = member.syncing.take() {
                    member.alive_until = now + member.session_timeout;
                    effects.refuse_sync(ticket, ErrorCode::REBALANCE_IN_PROGRESS);
                }
            }
            self.phase = Phase::Preparing { until: now + self.rebalance_timeout() };
        }
        self.complete_if_all_joined(now, effects);
    }

    fn complete_if_all_joined(&mut self, now: Instant, effects: &mut Effects) {
        let all_joined = self.members.values().all(|member| member.joining.is_some());
        let awaited = self.pending.values().any(|pending| pending.awaited);
        if matches!(self.phase, Phase::Preparing { .. }) && all_joined && !awaited {
            self.complete(now, effects);
        }
    }

    /// The joining is over: a new generation of those who are here.
    fn complete(&mut self, now: Instant, effects: &mut Effects) {
        let someone_joined = self.members.values().any(|member| member.joining.is_some());
        self.members.retain(|_, member| member.joining.is_some() || member.instance_id.is_some());
        if !self.members.is_empty() && !someone_joined {
            // Only static members, all away: their sessions decide.
            self.phase = Phase::Preparing { until: now + self.rebalance_timeout().max(Duration::from_secs(1)) };
            return;
        }
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        if self.members.is_empty() {
            self.phase = Phase::Empty;
            (self.protocol, self.leader) = (None, None);
            effects.persist = true;
            return;
        }
        self.protocol = self.choose();
        self.elect();
        self.phase = Phase::Completing { until: now + self.rebalance_timeout() };
        self.answer_joins(now, effects);
    }

    /// The leader stays when it has joined; else the first who has.
    fn elect(&mut self) {
        let here = |id: &String| self.members.get(id).is_some_and(|member| member.joining.is_some());
        if !self.leader.as_ref().is_some_and(here) {
            self.leader = self.members.iter().find(|(_, member)| member.joining.is_some()).map(|(id, _)| id.clone());
        }
    }

    fn answer_joins(&mut self, now: Instant, effects: &mut Effects) {
        let mut tickets = Vec::new();
        for (id, member) in &mut self.members {
            member.synced = false;
            if let Some(ticket) = member.joining.take() {
                member.alive_until = now + member.session_timeout;
                tickets.push((ticket, id.clone()));
            }
        }
        for (ticket, id) in tickets {
            let leads = self.leader.as_ref() == Some(&id);
            effects.join(ticket, self.joined(&id, leads));
        }
    }

    /// The assignor that all can do and most like best; the alphabet breaks ties, so that the choice is stable.
    fn choose(&self) -> Option<String> {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        let first = self.members.values().next()?;
        let by_all = |name: &str| self.members.values().all(|member| member.knows(name));
        let common: Vec<&str> = first.protocols.iter().map(|(name, _)| name.as_str()).filter(|name| by_all(name)).collect();
        for member in self.members.values() {
            let best = member.protocols.iter().find(|(name, _)| common.contains(&name.as_str()));
            if let Some((name, _)) = best {
                *votes.entry(name).or_default() += 1;
            }
        }
        votes.into_iter().rev().max_by_key(|(_, count)| *count).map(|(name, _)| name.to_owned())
    }

    /// A member asks for its assignment; the leader brings everybody's.
    pub fn sync(&mut self, now: Instant, sync: Sync, ticket: Ticket) -> Effects {
        let mut effects = Effects::default();
        match self.check_sync(&sync) {
            Err(error) => effects.refuse_sync(ticket, error),
            Ok(()) => self.sync_member(now, sync, ticket, &mut effects),
        }
        effects
    }

    fn check_sync(&self, sync: &Sync) -> Result<(), ErrorCode> {
        self.check_member(&sync.member_id, sync.instance_id.as_deref(), sync.generation)?;
        let differs = |asked: &Option<String>, ours: &Option<String>| asked.is_some() && asked != ours;
        if differs(&sync.protocol_type, &self.protocol_type) || differs(&sync.protocol, &self.protocol) {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        match self.phase {
            Phase::Preparing { .. } => Err(ErrorCode::REBALANCE_IN_PROGRESS),
            Phase::Empty => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            Phase::Completing { .. } | Phase::Stable => Ok(()),
        }
    }

    fn sync_member(&mut self, now: Instant, sync: Sync, ticket: Ticket, effects: &mut Effects) {
        let Some(member) = self.members.get_mut(&sync.member_id) else { return };
        member.alive_until = now + member.session_timeout;
        member.synced = true;
        if self.phase == Phase::Stable {
            let assignment = member.assignment.clone();
            return effects.sync(ticket, self.synced(assignment));
        }
        if let Some(forgotten) = member.syncing.replace(ticket) {
            effects.refuse_sync(forgotten, ErrorCode::UNKNOWN_MEMBER_ID);
        }
        if self.leader.as_ref() == Some(&sync.member_id) {
            self.assign(now, sync.assignments, effects);
        }
    }

    fn assign(&mut self, now: Instant, assignments: Vec<(String, Bytes)>, effects: &mut Effects) {
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
        }
        for (id, assignment) in assignments {
            if let Some(member) = self.members.get_mut(&id) {
                member.assignment = assignment;
            }
        }
        self.phase = Phase::Stable;
        effects.persist = true;
        let mut answers = Vec::new();
        for member in self.members.values_mut() {
            if let Some(ticket) = member.syncing.take() {
                member.alive_until = now + member.session_timeout;
                answers.push((ticket, member.assignment.clone()));
            }
        }
        for (ticket, assignment) in answers {
            effects.sync(ticket, self.synced(assignment));
        }
    }

    fn synced(&self, assignment: Bytes) -> SyncAnswer {
        let (protocol_type, protocol) = (self.protocol_type.clone(), self.protocol.clone());
        SyncAnswer { error: ErrorCode::NONE, protocol_type, protocol, assignment }
    }

    /// A member says it lives.
    pub fn heartbeat(&mut self, now: Instant, id: &str, instance: Option<&str>, generation: i32) -> ErrorCode {
        if let Err(error) = self.check_member(id, instance, generation) {
            return error;
        }
        self.touch(now, id);
        match self.phase {
            Phase::Preparing { .. } => ErrorCode::REBALANCE_IN_PROGRESS,
            Phase::Empty | Phase::Completing { .. } | Phase::Stable => ErrorCode::NONE,
        }
    }

    fn touch(&mut self, now: Instant, id: &str) {
        if let Some(member) = self.members.get_mut(id) {
            member.alive_until = now + member.session_timeout;
        }
    }

    /// A member goes, by its id or its instance's.
    pub fn leave(&mut self, now: Instant, id: &str, instance: Option<&str>, effects: &mut Effects) -> ErrorCode {
        let id = match instance.map(|instance| self.instances.get(instance)) {
            None => id.to_owned(),
            Some(None) => return ErrorCode::UNKNOWN_MEMBER_ID,
            Some(Some(current)) if id.is_empty() || id == current => current.clone(),
            Some(Some(_)) => return ErrorCode::FENCED_INSTANCE_ID,
        };
        if self.pending.remove(&id).is_some() {
            self.complete_if_all_joined(now, effects);
            return ErrorCode::NONE;
        }
        if !self.members.contains_key(&id) {
            return ErrorCode::UNKNOWN_MEMBER_ID;
        }
        self.remove(&id, effects);
        self.rebalance(now, effects);
        ErrorCode::NONE
    }

    fn remove(&mut self, id: &str, effects: &mut Effects) {
        let Some(member) = self.members.remove(id) else { return };
        if let Some(instance) = &member.instance_id {
            self.instances.remove(instance);
        }
        if let Some(ticket) = member.joining {
            effects.refuse_join(ticket, ErrorCode::UNKNOWN_MEMBER_ID, id);
        }
        if let Some(ticket) = member.syncing {
            effects.refuse_sync(ticket, ErrorCode::UNKNOWN_MEMBER_ID);
        }
        if self.leader.as_deref() == Some(id) {
            self.leader = self.members.keys().next().cloned();
        }
    }

    /// May this member, or somebody who is none, commit offsets now?
    pub fn may_commit(&mut self, now: Instant, id: &str, instance: Option<&str>, generation: i32) -> ErrorCode {
        if generation < 0 && id.is_empty() && instance.is_none() {
            // A client that assigns partitions itself, or an administrator: only while nobody works.
            return if self.members.is_empty() { ErrorCode::NONE } else { ErrorCode::UNKNOWN_MEMBER_ID };
        }
        if let Err(error) = self.check_member(id, instance, generation) {
            return error;
        }
        self.touch(now, id);
        match self.phase {
            Phase::Completing { .. } => ErrorCode::REBALANCE_IN_PROGRESS,
            Phase::Empty | Phase::Preparing { .. } | Phase::Stable => ErrorCode::NONE,
        }
    }

    /// The next time at which [`Group::tick`] has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Preparing { until } | Phase::Completing { until } => Some(until),
            Phase::Empty | Phase::Stable => None,
        };
        let sessions = self.members.values().filter(|member| !member.waits()).map(|member| member.alive_until).min();
        let due = |pending: &Pending| if pending.awaited { pending.awaited_until } else { pending.forgotten_at };
        let pending = self.pending.values().map(due).min();
        [phase, sessions, pending].into_iter().flatten().min()
    }

    /// Time has passed: ends sessions and rebalances that are due.
    pub fn tick(&mut self, now: Instant) -> Effects {
        let mut effects = Effects::default();
        self.pending.retain(|_, pending| pending.forgotten_at > now);
        for pending in self.pending.values_mut() {
            pending.awaited &= pending.awaited_until > now;
        }
        let gone = |member: &Member| !member.waits() && member.alive_until <= now;
        self.put_out(now, gone, &mut effects);
        match self.phase {
            Phase::Preparing { until } if until <= now => self.complete(now, &mut effects),
            Phase::Preparing { .. } => self.complete_if_all_joined(now, &mut effects),
            Phase::Completing { until } if until <= now => self.put_out(now, |member| !member.synced, &mut effects),
            Phase::Completing { .. } | Phase::Empty | Phase::Stable => {}
        }
        effects
    }

    fn put_out(&mut self, now: Instant, which: impl Fn(&Member) -> bool, effects: &mut Effects) {
        let out: Vec<String> = self.members.iter().filter(|(_, member)| which(member)).map(|(id, _)| id.clone()).collect();
        for id in &out {
            self.remove(id, effects);
        }
        if !out.is_empty() {
            self.rebalance(now, effects);
        }
    }
}

#[cfg(test)]
mod tests;
