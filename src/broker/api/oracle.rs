//! Compares every message, in every version served, with the `kafka-protocol` crate, which is generated from Kafka's own
//! definitions: a request written by it is read whole and with the same fields; a response of ours is read by it whole, and
//! written again by it has the same bytes.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};
use uuid::Uuid;

use super::super::codec::Encoder;
use super::super::error_code::ErrorCode;
use super::super::groups::group::{JoinAnswer, JoinedMember, SyncAnswer};
use super::super::groups::records::Committed;
use super::super::router::{APIS, Api, Call, read_header};
use super::*;

fn api(key: ApiKey) -> &'static Api {
    APIS.iter().find(|api| api.key == key as i16).unwrap()
}

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

fn topic(name: &'static str) -> TopicName {
    TopicName(text(name))
}

const CORRELATION: i32 = 77;
const CLIENT: &str = "a client";

/// Writes a request as clients do and hands it to `check` as the router does.
fn request<R: Encodable + HeaderVersion>(key: ApiKey, version: i16, request: &R, check: impl FnOnce(&mut Call<'_>)) {
    let header = RequestHeader::default()
        .with_request_api_key(key as i16)
        .with_request_api_version(version)
        .with_correlation_id(CORRELATION)
        .with_client_id(Some(text(CLIENT)));
    let mut frame = BytesMut::new();
    header.encode(&mut frame, R::header_version(version)).unwrap();
    request.encode(&mut frame, version).unwrap();
    let (found, mut call) = read_header(&frame, "/127.0.0.1").unwrap();
    assert_eq!((found.unwrap().key, call.version, call.correlation_id, call.client_id), (key as i16, version, CORRELATION, CLIENT));
    check(&mut call);
    assert_eq!(call.body.remaining(), 0, "{key:?} {version} is not read whole");
}

/// Reads a response as clients do.
fn response<R: Decodable + Encodable + HeaderVersion>(key: ApiKey, version: i16, write: impl FnOnce(&mut Encoder)) -> R {
    let flexible = version >= api(key).flexible_from;
    let mut encoder = Encoder::response(CORRELATION, flexible && key != ApiKey::ApiVersions, flexible);
    write(&mut encoder);
    let mut frame = Bytes::from(encoder.finish().unwrap().concat());
    let length = frame.split_to(4);
    assert_eq!(u32::from_be_bytes(length[..].try_into().unwrap()) as usize, frame.len());
    let header = ResponseHeader::decode(&mut frame, R::header_version(version)).unwrap();
    assert_eq!(header.correlation_id, CORRELATION);
    let body = frame.clone();
    let read = R::decode(&mut frame, version).unwrap_or_else(|error| panic!("{key:?} {version}: {error}"));
    assert!(frame.is_empty(), "{key:?} {version}: bytes are left");
    let mut again = BytesMut::new();
    read.encode(&mut again, version).unwrap();
    assert_eq!(body, again, "{key:?} {version}: the bytes differ");
    read
}

fn versions(key: ApiKey) -> std::ops::RangeInclusive<i16> {
    let served = api(key);
    served.min..=served.max
}

#[test]
fn nothing_is_served_that_the_definitions_do_not_have() {
    for api in APIS {
        let valid = ApiKey::try_from(api.key).unwrap().valid_versions();
        assert!(valid.min <= api.min && api.max <= valid.max, "{}", api.name);
    }
}

#[test]
fn api_versions_agrees() {
    for version in versions(ApiKey::ApiVersions) {
        let mut asked = ApiVersionsRequest::default();
        if version >= 3 {
            asked = asked.with_client_software_name(text("kcat")).with_client_software_version(text("1.7"));
        }
        request(ApiKey::ApiVersions, version, &asked, |call| api_versions::read(&mut call.body, version).unwrap());
        let read: ApiVersionsResponse =
            response(ApiKey::ApiVersions, version, |out| api_versions::write(out, version, ErrorCode::NONE, APIS.iter()));
        let listed: Vec<_> = read.api_keys.iter().map(|api| (api.api_key, api.min_version, api.max_version)).collect();
        assert_eq!(listed, APIS.iter().map(|api| (api.key, api.advertised_min, api.max)).collect::<Vec<_>>());
    }
}

#[test]
fn metadata_agrees() {
    for version in versions(ApiKey::Metadata) {
        let asked_topic = |name: &'static str| metadata_request::MetadataRequestTopic::default().with_name(Some(topic(name)));
        let asked = MetadataRequest::default()
            .with_topics(Some(vec![asked_topic("a"), asked_topic("b")]))
            .with_include_topic_authorized_operations(version >= 8);
        request(ApiKey::Metadata, version, &asked, |call| {
            let topics = metadata::read(&mut call.body, version).unwrap().unwrap();
            assert_eq!(topics.iter().map(|topic| topic.name).collect::<Vec<_>>(), [Some("a"), Some("b")]);
        });
        let all = MetadataRequest::default().with_topics((version == 0).then(Vec::new));
        request(ApiKey::Metadata, version, &all, |call| assert_eq!(metadata::read(&mut call.body, version).unwrap(), None));
        if version >= 1 {
            let none = MetadataRequest::default().with_topics(Some(Vec::new()));
            request(ApiKey::Metadata, version, &none, |call| {
                assert_eq!(metadata::read(&mut call.body, version).unwrap(), Some(Vec::new()));
            });
        }
        metadata_response_agrees(version);
    }
}

fn metadata_response_agrees(version: i16) {
    let found = |error, name: Option<&str>, partitions| metadata::Topic {
        error,
        name: name.map(str::to_owned),
        id: [3; 16],
        internal: true,
        partitions,
    };
    let mut topics = vec![found(ErrorCode::NONE, Some("a"), 3), found(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, Some("b"), 0)];
    if version >= 12 {
        topics.push(found(ErrorCode::UNKNOWN_TOPIC_ID, None, 0));
    }
    let described = metadata::Described { node_id: 5, host: "h", port: 9092, cluster_id: "c", topics };
    let read: MetadataResponse = response(ApiKey::Metadata, version, |out| described.write(out, version));
    assert_eq!(read.brokers[0].node_id, BrokerId(5));
    assert_eq!(read.topics[0].partitions.len(), 3);
    assert_eq!(read.topics[0].partitions[2].isr_nodes, [BrokerId(5)]);
    if version >= 8 {
        assert_eq!(read.topics[0].topic_authorized_operations, i32::MIN);
    }
}

#[test]
fn produce_agrees() {
    for version in versions(ApiKey::Produce) {
        let partition = produce_request::PartitionProduceData::default().with_index(4).with_records(Some(Bytes::from_static(&[1; 70])));
        let data = produce_request::TopicProduceData::default().with_name(topic("t")).with_partition_data(vec![partition]);
        let asked = ProduceRequest::default().with_acks(-1).with_timeout_ms(9).with_topic_data(vec![data]);
        request(ApiKey::Produce, version, &asked, |call| {
            assert_eq!(produce::read(&mut call.body).unwrap(), produce::Asked { acks: -1, topics: vec![("t", vec![4])] });
        });
        let refused = produce::Refused { partition: 4, error: ErrorCode::TOPIC_AUTHORIZATION_FAILED, message: Some("no") };
        let read: ProduceResponse = response(ApiKey::Produce, version, |out| produce::write(out, version, &[("t", vec![refused])]));
        let read = &read.responses[0].partition_responses[0];
        assert_eq!((read.index, read.error_code, read.base_offset), (4, 29, -1));
        assert_eq!(read.error_message.as_deref(), (version >= 8).then_some("no"));
    }
}

#[test]
fn fetch_agrees() {
    for version in versions(ApiKey::Fetch) {
        let mut partition = fetch_request::FetchPartition::default().with_partition(2).with_fetch_offset(33).with_partition_max_bytes(1000);
        if version >= 9 {
            partition = partition.with_current_leader_epoch(1);
        }
        let mut wanted = fetch_request::FetchTopic::default().with_partitions(vec![partition]);
        let mut forgotten = fetch_request::ForgottenTopic::default().with_partitions(vec![1, 2]);
        if version >= 13 {
            (wanted, forgotten) = (wanted.with_topic_id(Uuid::from_bytes([9; 16])), forgotten.with_topic_id(Uuid::from_bytes([8; 16])));
        } else {
            (wanted, forgotten) = (wanted.with_topic(topic("t")), forgotten.with_topic(topic("f")));
        }
        let mut asked = FetchRequest::default().with_max_wait_ms(500).with_min_bytes(1).with_max_bytes(5000).with_topics(vec![wanted]);
        asked = asked.with_isolation_level(1);
        if version >= 7 {
            asked = asked.with_session_id(6).with_session_epoch(7).with_forgotten_topics_data(vec![forgotten]);
        }
        if version >= 11 {
            asked = asked.with_rack_id(text("rack"));
        }
        if version >= 12 {
            asked = asked.with_cluster_id(Some(text("a tagged field")));
        }
        request(ApiKey::Fetch, version, &asked, |call| {
            let read = fetch::read(&mut call.body, version).unwrap();
            let session = if version >= 7 { (6, 7) } else { (0, -1) };
            assert_eq!((read.max_wait_ms, read.min_bytes, read.max_bytes, read.isolation), (500, 1, 5000, 1));
            assert_eq!((read.session_id, read.session_epoch), session);
            let leader_epoch = if version >= 9 { 1 } else { -1 };
            let partitions = vec![fetch::AskedPartition { partition: 2, leader_epoch, offset: 33, max_bytes: 1000 }];
            let (name, id) = if version >= 13 { ("", [9; 16]) } else { ("t", [0; 16]) };
            assert_eq!(read.topics, [fetch::AskedTopic { name, id, partitions }]);
        });
        fetch_response_agrees(version);
    }
}

fn fetch_response_agrees(version: i16) {
    for committed in [false, true] {
        let pieces = vec![Bytes::from(vec![1; 10]), Bytes::from(vec![2; 20_000]), Bytes::from(vec![3; 5])];
        let topics = [fetch::Topic {
            name: "t",
            id: [9; 16],
            partitions: vec![
                fetch::Partition::sample(0, ErrorCode::NONE, pieces.clone()),
                fetch::Partition::sample(1, ErrorCode::OFFSET_OUT_OF_RANGE, Vec::new()),
            ],
        }];
        let read: FetchResponse = response(ApiKey::Fetch, version, |out| fetch::write(out, version, ErrorCode::NONE, committed, &topics));
        let partitions = &read.responses[0].partitions;
        assert_eq!(partitions[0].records.as_deref(), Some(pieces.concat().as_slice()));
        assert_eq!((partitions[0].high_watermark, partitions[0].last_stable_offset), (42, 42));
        assert_eq!(partitions[0].aborted_transactions.is_some(), committed);
        assert_eq!(partitions[1].error_code, 1);
    }
}

#[test]
fn list_offsets_agrees() {
    for version in versions(ApiKey::ListOffsets) {
        let mut partition = list_offsets_request::ListOffsetsPartition::default().with_partition_index(3).with_timestamp(-2);
        if version >= 4 {
            partition = partition.with_current_leader_epoch(0);
        }
        let wanted = list_offsets_request::ListOffsetsTopic::default().with_name(topic("t")).with_partitions(vec![partition]);
        let mut asked = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![wanted]);
        if version >= 10 {
            asked = asked.with_timeout_ms(5);
        }
        request(ApiKey::ListOffsets, version, &asked, |call| {
            let leader_epoch = if version >= 4 { 0 } else { -1 };
            let partitions = vec![list_offsets::Asked { partition: 3, leader_epoch, timestamp: -2 }];
            assert_eq!(list_offsets::read(&mut call.body, version).unwrap(), [("t", partitions)]);
        });
        let found = list_offsets::Found { partition: 3, error: ErrorCode::NONE, timestamp: 8, offset: 9 };
        let read: ListOffsetsResponse =
            response(ApiKey::ListOffsets, version, |out| list_offsets::write(out, version, &[("t", vec![found])]));
        let read = &read.topics[0].partitions[0];
        assert_eq!((read.partition_index, read.timestamp, read.offset), (3, 8, 9));
    }
}

#[test]
fn find_coordinator_agrees() {
    for version in versions(ApiKey::FindCoordinator) {
        let mut asked = FindCoordinatorRequest::default();
        asked = if version <= 3 { asked.with_key(text("g")) } else { asked.with_coordinator_keys(vec![text("g"), text("h")]) };
        if version >= 1 {
            asked = asked.with_key_type(1);
        }
        request(ApiKey::FindCoordinator, version, &asked, |call| {
            let keys = if version <= 3 { vec!["g"] } else { vec!["g", "h"] };
            let expected = find_coordinator::Asked { kind: i8::from(version >= 1), keys };
            assert_eq!(find_coordinator::read(&mut call.body, version).unwrap(), expected);
        });
        let found = find_coordinator::Found { error: ErrorCode::INVALID_REQUEST, message: Some("why"), node_id: 1, host: "h", port: 9092 };
        let read: FindCoordinatorResponse =
            response(ApiKey::FindCoordinator, version, |out| find_coordinator::write(out, version, &["g"], &found));
        let port = if version <= 3 { read.port } else { read.coordinators[0].port };
        assert_eq!(port, 9092);
    }
}

#[test]
fn join_group_agrees() {
    for version in versions(ApiKey::JoinGroup) {
        let protocol =
            join_group_request::JoinGroupRequestProtocol::default().with_name(text("range")).with_metadata(Bytes::from_static(b"m"));
        let mut asked = JoinGroupRequest::default()
            .with_group_id(GroupId(text("g")))
            .with_session_timeout_ms(10)
            .with_member_id(text("id"))
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol]);
        if version >= 1 {
            asked = asked.with_rebalance_timeout_ms(20);
        }
        if version >= 5 {
            asked = asked.with_group_instance_id(Some(text("i")));
        }
        if version >= 8 {
            asked = asked.with_reason(Some(text("because")));
        }
        request(ApiKey::JoinGroup, version, &asked, |call| {
            let expected = join_group::Asked {
                group: "g",
                session_timeout_ms: 10,
                rebalance_timeout_ms: if version >= 1 { 20 } else { 10 },
                member_id: "id",
                instance_id: (version >= 5).then_some("i"),
                protocol_type: "consumer",
                protocols: vec![("range", b"m")],
            };
            assert_eq!(join_group::read(&mut call.body, version).unwrap(), expected);
        });
        join_group_response_agrees(version);
    }
}

fn join_group_response_agrees(version: i16) {
    let member = |instance_id: Option<&str>| JoinedMember {
        member_id: "id".into(),
        instance_id: instance_id.map(str::to_owned),
        metadata: Bytes::from_static(b"m"),
    };
    let joined = JoinAnswer {
        error: ErrorCode::NONE,
        generation: 3,
        protocol_type: Some("consumer".into()),
        protocol: Some("range".into()),
        leader: "l".into(),
        skip_assignment: true,
        member_id: "id".into(),
        members: vec![member(None), member(Some("i"))],
    };
    for answer in [joined, JoinAnswer::error(ErrorCode::MEMBER_ID_REQUIRED, "id".into())] {
        let read: JoinGroupResponse = response(ApiKey::JoinGroup, version, |out| join_group::write(out, version, &answer));
        assert_eq!((read.error_code, read.generation_id), (answer.error.0, answer.generation));
        assert_eq!(read.members.len(), answer.members.len());
    }
}

#[test]
fn sync_group_agrees() {
    for version in versions(ApiKey::SyncGroup) {
        let assignment =
            sync_group_request::SyncGroupRequestAssignment::default().with_member_id(text("id")).with_assignment(Bytes::from_static(b"a"));
        let mut asked = SyncGroupRequest::default()
            .with_group_id(GroupId(text("g")))
            .with_generation_id(3)
            .with_member_id(text("id"))
            .with_assignments(vec![assignment]);
        if version >= 3 {
            asked = asked.with_group_instance_id(Some(text("i")));
        }
        if version >= 5 {
            asked = asked.with_protocol_type(Some(text("consumer"))).with_protocol_name(Some(text("range")));
        }
        request(ApiKey::SyncGroup, version, &asked, |call| {
            let expected = sync_group::Asked {
                group: "g",
                generation: 3,
                member_id: "id",
                instance_id: (version >= 3).then_some("i"),
                protocol_type: (version >= 5).then_some("consumer"),
                protocol: (version >= 5).then_some("range"),
                assignments: vec![("id", b"a")],
            };
            assert_eq!(sync_group::read(&mut call.body, version).unwrap(), expected);
        });
        let answer = SyncAnswer {
            error: ErrorCode::NONE,
            protocol_type: Some("consumer".into()),
            protocol: Some("range".into()),
            assignment: Bytes::from_static(b"a"),
        };
        let read: SyncGroupResponse = response(ApiKey::SyncGroup, version, |out| sync_group::write(out, version, &answer));
        assert_eq!(&read.assignment[..], b"a");
    }
}

#[test]
fn heartbeat_agrees() {
    for version in versions(ApiKey::Heartbeat) {
        let mut asked = HeartbeatRequest::default().with_group_id(GroupId(text("g"))).with_generation_id(3).with_member_id(text("id"));
        if version >= 3 {
            asked = asked.with_group_instance_id(Some(text("i")));
        }
        request(ApiKey::Heartbeat, version, &asked, |call| {
            let (group, member) = heartbeat::read(&mut call.body, version).unwrap();
            assert_eq!((group, member.id, member.generation, member.instance), ("g", "id", 3, (version >= 3).then_some("i")));
        });
        let read: HeartbeatResponse =
            response(ApiKey::Heartbeat, version, |out| heartbeat::write(out, version, ErrorCode::REBALANCE_IN_PROGRESS));
        assert_eq!(read.error_code, 27);
    }
}

#[test]
fn leave_group_agrees() {
    for version in versions(ApiKey::LeaveGroup) {
        let mut asked = LeaveGroupRequest::default().with_group_id(GroupId(text("g")));
        if version <= 2 {
            asked = asked.with_member_id(text("id"));
        } else {
            let mut member =
                leave_group_request::MemberIdentity::default().with_member_id(text("id")).with_group_instance_id(Some(text("i")));
            if version >= 5 {
                member = member.with_reason(Some(text("because")));
            }
            asked = asked.with_members(vec![member]);
        }
        let leaver = || leave_group::Leaver { id: "id", instance: (version >= 3).then_some("i") };
        request(ApiKey::LeaveGroup, version, &asked, |call| {
            assert_eq!(leave_group::read(&mut call.body, version).unwrap(), ("g", vec![leaver()]));
        });
        let read: LeaveGroupResponse = response(ApiKey::LeaveGroup, version, |out| {
            leave_group::write(out, version, &[(leaver(), ErrorCode::UNKNOWN_MEMBER_ID)]);
        });
        let error = if version <= 2 { read.error_code } else { read.members[0].error_code };
        assert_eq!(error, 25);
    }
}

#[test]
fn delete_groups_agrees() {
    for version in versions(ApiKey::DeleteGroups) {
        let asked = DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text("a")), GroupId(text("b"))]);
        request(ApiKey::DeleteGroups, version, &asked, |call| {
            assert_eq!(delete_groups::read(&mut call.body).unwrap(), ["a", "b"]);
        });
        let read: DeleteGroupsResponse = response(ApiKey::DeleteGroups, version, |out| {
            delete_groups::write(out, &[("a", ErrorCode::NONE), ("b", ErrorCode::NON_EMPTY_GROUP)]);
        });
        assert_eq!((read.results[0].error_code, read.results[1].error_code), (0, 68));
    }
}

#[test]
fn offset_commit_agrees() {
    for version in versions(ApiKey::OffsetCommit) {
        let mut partition = offset_commit_request::OffsetCommitRequestPartition::default()
            .with_partition_index(1)
            .with_committed_offset(5)
            .with_committed_metadata(Some(text("m")));
        if version >= 6 {
            partition = partition.with_committed_leader_epoch(0);
        }
        let wanted = offset_commit_request::OffsetCommitRequestTopic::default().with_name(topic("t")).with_partitions(vec![partition]);
        let mut asked = OffsetCommitRequest::default()
            .with_group_id(GroupId(text("g")))
            .with_generation_id_or_member_epoch(3)
            .with_member_id(text("id"))
            .with_topics(vec![wanted]);
        if version >= 7 {
            asked = asked.with_group_instance_id(Some(text("i")));
        }
        request(ApiKey::OffsetCommit, version, &asked, |call| {
            let read = offset_commit::read(&mut call.body, version).unwrap();
            assert_eq!((read.group, read.member.id, read.member.generation), ("g", "id", 3));
            assert_eq!(read.member.instance, (version >= 7).then_some("i"));
            let leader_epoch = if version >= 6 { 0 } else { -1 };
            let partitions = vec![offset_commit::AskedPartition { partition: 1, offset: 5, leader_epoch, metadata: "m" }];
            assert_eq!(read.topics, [("t", partitions)]);
        });
        let read: OffsetCommitResponse = response(ApiKey::OffsetCommit, version, |out| {
            offset_commit::write(out, version, &[("t", vec![(1, ErrorCode::ILLEGAL_GENERATION)])]);
        });
        assert_eq!(read.topics[0].partitions[0].error_code, 22);
    }
}

#[test]
fn offset_fetch_agrees() {
    for version in versions(ApiKey::OffsetFetch) {
        for all in [false, true] {
            if all && version < 2 {
                continue;
            }
            let asked = offset_fetch_asked(version, all);
            request(ApiKey::OffsetFetch, version, &asked, |call| {
                let topics = (!all).then(|| vec![("t", vec![1, 2])]);
                assert_eq!(offset_fetch::read(&mut call.body, version).unwrap(), [offset_fetch::Asked { group: "g", topics }]);
            });
        }
        let committed = Committed { offset: 5, leader_epoch: 0, metadata: "m".into(), committed_at_ms: 1 };
        let found = offset_fetch::Found { group: "g", topics: vec![("t".into(), vec![(1, Some(committed)), (2, None)])] };
        let read: OffsetFetchResponse = response(ApiKey::OffsetFetch, version, |out| offset_fetch::write(out, version, &[found]));
        let offsets: Vec<i64> = if version <= 7 {
            read.topics[0].partitions.iter().map(|partition| partition.committed_offset).collect()
        } else {
            read.groups[0].topics[0].partitions.iter().map(|partition| partition.committed_offset).collect()
        };
        assert_eq!(offsets, [5, -1]);
    }
}

fn offset_fetch_asked(version: i16, all: bool) -> OffsetFetchRequest {
    let mut asked = OffsetFetchRequest::default();
    if version <= 7 {
        let topics =
            vec![offset_fetch_request::OffsetFetchRequestTopic::default().with_name(topic("t")).with_partition_indexes(vec![1, 2])];
        asked = asked.with_group_id(GroupId(text("g"))).with_topics((!all).then_some(topics));
    } else {
        let topics =
            vec![offset_fetch_request::OffsetFetchRequestTopics::default().with_name(topic("t")).with_partition_indexes(vec![1, 2])];
        let mut group = offset_fetch_request::OffsetFetchRequestGroup::default()
            .with_group_id(GroupId(text("g")))
            .with_topics((!all).then_some(topics));
        if version >= 9 {
            group = group.with_member_id(Some(text("id"))).with_member_epoch(4);
        }
        asked = asked.with_groups(vec![group]);
    }
    if version >= 7 { asked.with_require_stable(true) } else { asked }
}
