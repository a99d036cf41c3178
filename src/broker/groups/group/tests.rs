//! The group's state machine, step by step, under a clock of the test's own.

use super::*;

const SESSION: Duration = Duration::from_secs(10);
const REBALANCE: Duration = Duration::from_secs(60);

/// A group, its clock, and the answers that its parked requests got.
struct Trial {
    group: Group,
    now: Instant,
    tickets: Ticket,
    answers: HashMap<Ticket, Answer>,
    persisted: usize,
}

impl Trial {
    fn new() -> Self {
        Self { group: Group::new(5), now: Instant::now(), tickets: 0, answers: HashMap::new(), persisted: 0 }
    }

    fn take(&mut self, effects: Effects) {
        self.persisted += usize::from(effects.persist);
        for (ticket, answer) in effects.answers {
            assert!(self.answers.insert(ticket, answer).is_none(), "request {ticket} was answered twice");
        }
    }

    fn join_as(&mut self, join: Join) -> Ticket {
        self.tickets += 1;
        let fresh = format!("m{}", self.tickets);
        let effects = self.group.join(self.now, join, fresh, self.tickets);
        self.take(effects);
        self.tickets
    }

    fn join(&mut self, member_id: &str) -> Ticket {
        self.join_as(request(member_id, None))
    }

    fn joined(&mut self, ticket: Ticket) -> JoinAnswer {
        match self.answers.remove(&ticket) {
            Some(Answer::Join(answer)) => answer,
            other => panic!("request {ticket} was not answered as a join: {other:?}"),
        }
    }

    /// Joins a dynamic member as version 4 and later do: once for an id, once with it.
    fn enter(&mut self) -> (String, Ticket) {
        let ticket = self.join_as(Join { requires_id: true, ..request("", None) });
        let answer = self.joined(ticket);
        assert_eq!(answer.error, ErrorCode::MEMBER_ID_REQUIRED);
        let ticket = self.join(&answer.member_id);
        (answer.member_id, ticket)
    }

    fn sync(&mut self, id: &str, assignments: &[(&str, &'static [u8])]) -> Ticket {
        let generation = self.group.generation();
        self.sync_in(id, generation, assignments)
    }

    fn sync_in(&mut self, id: &str, generation: i32, assignments: &[(&str, &'static [u8])]) -> Ticket {
        self.tickets += 1;
        let assignments = assignments.iter().map(|(id, bytes)| ((*id).to_owned(), Bytes::from_static(bytes))).collect();
        let sync = Sync { generation, member_id: id.into(), instance_id: None, protocol_type: None, protocol: None, assignments };
        let effects = self.group.sync(self.now, sync, self.tickets);
        self.take(effects);
        self.tickets
    }

    fn synced(&mut self, ticket: Ticket) -> SyncAnswer {
        match self.answers.remove(&ticket) {
            Some(Answer::Sync(answer)) => answer,
            other => panic!("request {ticket} was not answered as a sync: {other:?}"),
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        let effects = self.group.tick(self.now);
        self.take(effects);
    }

    fn heartbeat(&mut self, id: &str) -> ErrorCode {
        let generation = self.group.generation();
        self.group.heartbeat(self.now, id, None, generation)
    }

    fn leave(&mut self, id: &str, instance: Option<&str>) -> ErrorCode {
        let mut effects = Effects::default();
        let code = self.group.leave(self.now, id, instance, &mut effects);
        self.take(effects);
        code
    }

    /// A stable group of two: the leader's id and the other's.
    fn stable_pair() -> (Self, String, String) {
        let mut trial = Self::new();
        let (first, ticket) = trial.enter();
        trial.joined(ticket);
        let (second, second_ticket) = trial.enter();
        let first_ticket = trial.join(&first);
        trial.joined(first_ticket);
        trial.joined(second_ticket);
        let parked = trial.sync(&second, &[]);
        let leads = trial.sync(&first, &[(&first, b"1"), (&second, b"2")]);
        assert_eq!(&trial.synced(leads).assignment[..], b"1");
        assert_eq!(&trial.synced(parked).assignment[..], b"2");
        assert_eq!(trial.group.phase(), Phase::Stable);
        (trial, first, second)
    }
}

fn request(member_id: &str, instance_id: Option<&str>) -> Join {
    Join {
        member_id: member_id.into(),
        instance_id: instance_id.map(str::to_owned),
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout: SESSION,
        rebalance_timeout: REBALANCE,
        protocol_type: "consumer".into(),
        protocols: vec![("range".into(), Bytes::from_static(b"r")), ("sticky".into(), Bytes::from_static(b"s"))],
        requires_id: false,
        can_skip: true,
    }
}

#[test]
fn the_first_member_leads_at_once() {
    let mut trial = Trial::new();
    let (id, ticket) = trial.enter();
    let answer = trial.joined(ticket);
    assert_eq!((answer.error, answer.generation), (ErrorCode::NONE, 1));
    assert_eq!((answer.leader.as_str(), answer.member_id.as_str()), (id.as_str(), id.as_str()));
    assert_eq!((answer.protocol.as_deref(), answer.protocol_type.as_deref()), (Some("range"), Some("consumer")));
    assert_eq!(answer.members, [JoinedMember { member_id: id, instance_id: None, metadata: Bytes::from_static(b"r") }]);
}

#[test]
fn only_the_leader_is_told_the_members() {
    let (mut trial, first, second) = Trial::stable_pair();
    let first_ticket = trial.join(&first);
    let second_ticket = trial.join(&second);
    assert_eq!(trial.joined(first_ticket).members.len(), 2);
    let follower = trial.joined(second_ticket);
    assert!(follower.members.is_empty());
    assert_eq!(follower.leader, first);
}

#[test]
fn an_old_client_joins_without_being_asked_for_an_id() {
    let mut trial = Trial::new();
    let ticket = trial.join("");
    assert_eq!(trial.joined(ticket).error, ErrorCode::NONE);
}

#[test]
fn a_rebalance_waits_for_those_who_are_in_and_tells_them_by_heartbeat() {
    let (mut trial, first, second) = Trial::stable_pair();
    assert_eq!(trial.heartbeat(&first), ErrorCode::NONE);
    let (_, third_ticket) = trial.enter();
    assert_eq!(trial.heartbeat(&first), ErrorCode::REBALANCE_IN_PROGRESS);
    let first_ticket = trial.join(&first);
    assert!(trial.answers.is_empty(), "the second member has not joined yet");
    trial.join(&second);
    assert_eq!(trial.joined(first_ticket).generation, 3);
    assert_eq!(trial.joined(third_ticket).generation, 3);
}

#[test]
fn a_member_that_does_not_join_again_is_put_out_when_the_rebalance_is_over() {
    let (mut trial, first, second) = Trial::stable_pair();
    let (_, third_ticket) = trial.enter();
    let first_ticket = trial.join(&first);
    for _ in 0..8 {
        trial.pass(Duration::from_secs(8));
        // It heartbeats and never joins.
        trial.heartbeat(&second);
    }
    assert_eq!(trial.joined(first_ticket).members.len(), 2);
    assert_eq!(trial.joined(third_ticket).error, ErrorCode::NONE);
    assert_eq!(trial.heartbeat(&second), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn a_session_without_heartbeats_ends_and_the_others_rebalance() {
    let (mut trial, first, second) = Trial::stable_pair();
    trial.pass(SESSION - Duration::from_secs(1));
    assert_eq!(trial.heartbeat(&first), ErrorCode::NONE);
    assert_eq!(trial.group.next_deadline(), Some(trial.now + Duration::from_secs(1)));
    trial.pass(Duration::from_secs(1));
    assert_eq!(trial.heartbeat(&second), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(trial.heartbeat(&first), ErrorCode::REBALANCE_IN_PROGRESS);
    let ticket = trial.join(&first);
    assert_eq!(trial.joined(ticket).generation, 3);
}

#[test]
fn a_parked_member_needs_no_heartbeat() {
    let (mut trial, first, second) = Trial::stable_pair();
    let first_ticket = trial.join(&first);
    trial.pass(SESSION * 2);
    // The second member's session is over, the first waits in its join.
    assert_eq!(trial.joined(first_ticket).members.len(), 1);
    assert_eq!(trial.heartbeat(&second), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn a_leader_that_never_brings_the_assignment_is_put_out() {
    let mut trial = Trial::new();
    let (first, ticket) = trial.enter();
    trial.joined(ticket);
    trial.sync(&first, &[]);
    let (second, second_ticket) = trial.enter();
    let first_ticket = trial.join(&first);
    trial.joined(second_ticket);
    assert_eq!(trial.joined(first_ticket).leader, first);
    let parked = trial.sync(&second, &[]);
    for _ in 0..7 {
        trial.heartbeat(&first);
        trial.pass(Duration::from_secs(9));
    }
    assert_eq!(trial.synced(parked).error, ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(trial.heartbeat(&first), ErrorCode::UNKNOWN_MEMBER_ID);
    let ticket = trial.join(&second);
    assert_eq!(trial.joined(ticket).leader, second);
}

#[test]
fn a_wrong_generation_is_refused_everywhere() {
    let (mut trial, first, _) = Trial::stable_pair();
    assert_eq!(trial.group.heartbeat(trial.now, &first, None, 1), ErrorCode::ILLEGAL_GENERATION);
    assert_eq!(trial.group.may_commit(trial.now, &first, None, 1), ErrorCode::ILLEGAL_GENERATION);
    let ticket = trial.sync_in(&first, 1, &[]);
    assert_eq!(trial.synced(ticket).error, ErrorCode::ILLEGAL_GENERATION);
    assert_eq!(trial.group.may_commit(trial.now, &first, None, 2), ErrorCode::NONE);
    assert_eq!(trial.group.may_commit(trial.now, "nobody", None, 2), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn nobody_commits_for_a_group_that_works() {
    let (mut trial, _, _) = Trial::stable_pair();
    assert_eq!(trial.group.may_commit(trial.now, "", None, -1), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(Group::new(5).may_commit(trial.now, "", None, -1), ErrorCode::NONE);
}

#[test]
fn offsets_are_taken_while_others_join_and_not_while_the_assignment_is_awaited() {
    let (mut trial, first, second) = Trial::stable_pair();
    let first_ticket = trial.join(&first);
    assert_eq!(trial.group.may_commit(trial.now, &second, None, 2), ErrorCode::NONE);
    trial.join(&second);
    let generation = trial.joined(first_ticket).generation;
    assert_eq!(trial.group.may_commit(trial.now, &second, None, generation), ErrorCode::REBALANCE_IN_PROGRESS);
}

#[test]
fn a_member_of_another_kind_is_refused() {
    let (mut trial, _, _) = Trial::stable_pair();
    let connect = trial.join_as(Join { protocol_type: "connect".into(), ..request("", None) });
    assert_eq!(trial.joined(connect).error, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    let stranger = trial.join_as(Join { protocols: vec![("other".into(), Bytes::new())], ..request("", None) });
    assert_eq!(trial.joined(stranger).error, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    let empty = trial.join_as(Join { protocols: Vec::new(), ..request("", None) });
    assert_eq!(trial.joined(empty).error, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    assert_eq!(trial.group.phase(), Phase::Stable);
}

#[test]
fn the_assignor_is_one_that_all_can_do() {
    let (mut trial, first, second) = Trial::stable_pair();
    let sticky = trial.join_as(Join { protocols: vec![("sticky".into(), Bytes::from_static(b"only"))], ..request("", None) });
    trial.join(&first);
    trial.join(&second);
    assert_eq!(trial.joined(sticky).protocol.as_deref(), Some("sticky"));
}

#[test]
fn a_member_that_missed_the_answer_gets_it_again() {
    let (mut trial, _, second) = Trial::stable_pair();
    let again = trial.join(&second);
    let answer = trial.joined(again);
    assert_eq!((answer.error, answer.generation), (ErrorCode::NONE, 2));
    assert_eq!(trial.group.phase(), Phase::Stable);
    let ticket = trial.sync(&second, &[]);
    assert_eq!(&trial.synced(ticket).assignment[..], b"2");
}

#[test]
fn a_leader_that_joins_again_starts_a_rebalance() {
    let (mut trial, first, _) = Trial::stable_pair();
    trial.join(&first);
    assert!(matches!(trial.group.phase(), Phase::Preparing { .. }));
}

#[test]
fn a_member_that_leaves_makes_the_others_rebalance_and_the_last_empties_the_group() {
    let (mut trial, first, second) = Trial::stable_pair();
    assert_eq!(trial.leave(&first, None), ErrorCode::NONE);
    assert_eq!(trial.leave(&first, None), ErrorCode::UNKNOWN_MEMBER_ID);
    let ticket = trial.join(&second);
    assert_eq!(trial.joined(ticket).leader, second);
    let persisted = trial.persisted;
    assert_eq!(trial.leave(&second, None), ErrorCode::NONE);
    assert_eq!(trial.group.phase(), Phase::Empty);
    assert!(trial.group.is_forgettable());
    assert_eq!(trial.persisted, persisted + 1);
}

#[test]
fn the_assignment_is_persisted_before_anybody_gets_it() {
    let mut trial = Trial::new();
    let (id, ticket) = trial.enter();
    trial.joined(ticket);
    let generation = trial.group.generation();
    let sync = Sync {
        generation,
        member_id: id.clone(),
        instance_id: None,
        protocol_type: Some("consumer".into()),
        protocol: Some("range".into()),
        assignments: vec![(id, Bytes::from_static(b"all"))],
    };
    let effects = trial.group.sync(trial.now, sync, 9);
    assert!(effects.persist);
    assert_eq!(effects.answers.len(), 1);
}

#[test]
fn a_handed_out_id_that_nobody_uses_holds_up_others_for_a_moment_only() {
    let mut trial = Trial::new();
    let lost = trial.join_as(Join { requires_id: true, ..request("", None) });
    trial.joined(lost);
    let (_, ticket) = trial.enter();
    assert!(trial.answers.is_empty(), "the first may still come");
    assert_eq!(trial.group.next_deadline(), Some(trial.now + PENDING_WAIT));
    trial.pass(PENDING_WAIT);
    assert_eq!(trial.joined(ticket).error, ErrorCode::NONE);
    trial.pass(SESSION);
    assert!(trial.group.pending.is_empty());
}

#[test]
fn deadlines_always_lie_ahead_after_a_tick() {
    let (mut trial, first, _) = Trial::stable_pair();
    trial.join_as(Join { requires_id: true, ..request("", None) });
    trial.join(&first);
    for _ in 0..40 {
        trial.pass(Duration::from_secs(3));
        assert!(trial.group.next_deadline().is_none_or(|at| at > trial.now), "{:?}", trial.group);
    }
}

#[test]
fn a_group_takes_no_more_members_than_it_may() {
    let mut trial = Trial::new();
    for _ in 0..5 {
        let ticket = trial.join_as(Join { requires_id: true, ..request("", None) });
        assert_eq!(trial.joined(ticket).error, ErrorCode::MEMBER_ID_REQUIRED);
    }
    let ticket = trial.join("");
    assert_eq!(trial.joined(ticket).error, ErrorCode::GROUP_MAX_SIZE_REACHED);
}

/// A stable group of one static member of instance "i".
fn stable_static() -> (Trial, String) {
    let mut trial = Trial::new();
    let ticket = trial.join_as(request("", Some("i")));
    let id = trial.joined(ticket).member_id;
    let ticket = trial.sync(&id, &[(&id, b"all")]);
    trial.synced(ticket);
    (trial, id)
}

#[test]
fn a_static_member_comes_back_without_a_rebalance() {
    let (mut trial, old) = stable_static();
    let ticket = trial.join_as(request("", Some("i")));
    let answer = trial.joined(ticket);
    assert_eq!((answer.error, answer.generation), (ErrorCode::NONE, 1));
    assert!(answer.skip_assignment, "it leads and need not assign again");
    assert_ne!(answer.member_id, old);
    assert_eq!(trial.group.phase(), Phase::Stable);
    let ticket = trial.sync(&answer.member_id, &[]);
    assert_eq!(&trial.synced(ticket).assignment[..], b"all");
}

#[test]
fn an_old_client_that_comes_back_as_static_leader_is_not_told_it_leads() {
    let (mut trial, old) = stable_static();
    let ticket = trial.join_as(Join { can_skip: false, ..request("", Some("i")) });
    let answer = trial.joined(ticket);
    assert_eq!(answer.leader, old);
    assert!(answer.members.is_empty());
}

#[test]
fn the_old_self_of_a_static_member_is_fenced() {
    let (mut trial, old) = stable_static();
    let ticket = trial.join_as(request("", Some("i")));
    trial.joined(ticket);
    assert_eq!(trial.group.heartbeat(trial.now, &old, Some("i"), 1), ErrorCode::FENCED_INSTANCE_ID);
    assert_eq!(trial.group.may_commit(trial.now, &old, Some("i"), 1), ErrorCode::FENCED_INSTANCE_ID);
    assert_eq!(trial.leave(&old, Some("i")), ErrorCode::FENCED_INSTANCE_ID);
    let ticket = trial.join_as(request(&old, Some("i")));
    assert_eq!(trial.joined(ticket).error, ErrorCode::FENCED_INSTANCE_ID);
    assert_eq!(trial.group.heartbeat(trial.now, &old, Some("unknown"), 1), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn a_parked_static_member_is_fenced_by_its_successor() {
    let (mut trial, first, _) = Trial::stable_pair();
    let old = trial.join_as(request("", Some("i")));
    let new = trial.join_as(request("", Some("i")));
    assert_eq!(trial.joined(old).error, ErrorCode::FENCED_INSTANCE_ID);
    trial.join(&first);
    trial.pass(SESSION);
    assert_eq!(trial.joined(new).error, ErrorCode::NONE);
}

#[test]
fn a_static_member_leaves_by_its_instance() {
    let (mut trial, _) = stable_static();
    assert_eq!(trial.leave("", Some("other")), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(trial.leave("", Some("i")), ErrorCode::NONE);
    assert!(trial.group.is_forgettable());
}

#[test]
fn a_static_member_that_is_away_stays_until_its_session_ends() {
    let (mut trial, _) = stable_static();
    let ticket = trial.join("");
    trial.pass(SESSION - Duration::from_secs(1));
    assert_eq!(trial.group.members().len(), 2, "it may still come back");
    trial.pass(Duration::from_secs(1));
    assert_eq!(trial.joined(ticket).members.len(), 1);
}

#[test]
fn a_group_read_back_from_its_record_goes_on_where_it_was() {
    let (trial, first, second) = Trial::stable_pair();
    let record = super::super::records::group_value(&trial.group, 5);
    let mut group = super::super::records::read_group_value(&record, trial.now, 5).unwrap();
    assert_eq!((group.phase(), group.generation()), (Phase::Stable, 2));
    assert_eq!((group.leader(), group.protocol(), group.protocol_type()), (Some(first.as_str()), Some("range"), Some("consumer")));
    assert_eq!(group.heartbeat(trial.now, &second, None, 2), ErrorCode::NONE);
    assert_eq!(group.members()[&second].assignment, trial.group.members()[&second].assignment);
    assert_eq!(group.next_deadline(), Some(trial.now + SESSION));
}

/// Any order of steps: no panic, every request answered at most once, deadlines ahead, and a leader who is a member.
mod any_order {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Join { who: usize, instance: bool, requires_id: bool },
        Sync { who: usize },
        Heartbeat { who: usize },
        Leave { who: usize },
        Pass { seconds: u64 },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0usize..6, any::<bool>(), any::<bool>()).prop_map(|(who, instance, requires_id)| Step::Join { who, instance, requires_id }),
            3 => (0usize..6).prop_map(|who| Step::Sync { who }),
            2 => (0usize..6).prop_map(|who| Step::Heartbeat { who }),
            1 => (0usize..6).prop_map(|who| Step::Leave { who }),
            1 => (1u64..20).prop_map(|seconds| Step::Pass { seconds }),
        ]
    }

    proptest! {
        #[test]
        fn keeps_the_group_whole(steps in proptest::collection::vec(step(), 1..80)) {
            let mut trial = Trial::new();
            for step in steps {
                let known: Vec<String> = trial.group.members().keys().chain(trial.group.pending.keys()).cloned().collect();
                let id = |who: usize| known.get(who).cloned().unwrap_or_default();
                match step {
                    Step::Join { who, instance, requires_id } => {
                        let instance = instance.then_some("i");
                        trial.join_as(Join { requires_id, ..request(&id(who), instance) });
                    }
                    Step::Sync { who } => { trial.sync(&id(who), &[(&id(0), b"a")]); }
                    Step::Heartbeat { who } => { trial.heartbeat(&id(who)); }
                    Step::Leave { who } => { trial.leave(&id(who), None); }
                    Step::Pass { seconds } => trial.pass(Duration::from_secs(seconds)),
                }
                let group = &trial.group;
                prop_assert!(group.members().len() + group.pending.len() <= 5);
                prop_assert_eq!(group.phase() == Phase::Empty, group.members().is_empty() && !matches!(group.phase(), Phase::Preparing { .. }));
                if matches!(group.phase(), Phase::Stable | Phase::Completing { .. }) {
                    prop_assert!(group.leader().is_some_and(|leader| group.members().contains_key(leader)));
                    prop_assert!(group.protocol().is_some());
                }
                for (instance, id) in &group.instances {
                    prop_assert_eq!(group.members().get(id).and_then(|member| member.instance_id.as_ref()), Some(instance));
                }
            }
            // Left alone, every group comes to rest empty.
            for _ in 0..60 {
                trial.pass(Duration::from_secs(30));
                prop_assert!(trial.group.next_deadline().is_none_or(|at| at > trial.now));
            }
            prop_assert!(trial.group.is_forgettable(), "{:?}", trial.group);
        }
    }
}
