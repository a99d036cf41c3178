//! What trips brokers, byte by byte and field by field: each test is one line of the checklist that the study of other
//! brokers' failures left.

use std::time::{Duration, Instant};

use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;
use rowfeed::record::compression::Compression;
use rowfeed::record::view::BatchView;
use uuid::Uuid;

use crate::served::{FIRST_TIMESTAMP, Served};
use crate::wire::Wire;

const TOPIC: &str = "shop.public.orders";

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn topic(name: &str) -> TopicName {
    TopicName(text(name))
}

// Connection and ApiVersions ---------------------------------------------------------------------------------------------

#[test]
fn api_versions_has_a_plain_header_and_no_tagged_fields() {
    let served = Served::start();
    let mut wire = Wire::connect(&served);
    let asked = ApiVersionsRequest::default().with_client_software_name(text("test")).with_client_software_version(text("1"));
    let correlation = wire.send(3, &asked);
    let frame = wire.receive_frame().unwrap();
    assert_eq!(&frame[..4], correlation.to_be_bytes());
    // No byte of tagged fields between correlation id and error code, and none at the end but their count of 0.
    assert_eq!(&frame[4..6], [0, 0]);
    let apis = usize::from(frame[6]) - 1;
    assert_eq!(frame.len(), 4 + 2 + 1 + apis * 7 + 4 + 1);
    assert_eq!(frame.last(), Some(&0));
}

#[test]
fn an_unknown_version_of_api_versions_is_answered_with_error_35_in_version_0() {
    let served = Served::start();
    let mut wire = Wire::connect(&served);
    wire.send_bytes(&[0, 18, 0, 99, 0, 0, 0, 7, 0xff, 0xff, 1, 2, 3]);
    let frame = wire.receive_frame().unwrap();
    assert_eq!(&frame[..], [0, 0, 0, 7, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4]);
    // The connection is still good: the client asks again with what it was told.
    assert_eq!(wire.call(0, &ApiVersionsRequest::default()).error_code, 0);
}

#[test]
fn produce_is_advertised_from_version_0_and_older_versions_than_3_close() {
    let served = Served::start();
    let mut wire = Wire::connect(&served);
    let listed = wire.call(0, &ApiVersionsRequest::default());
    let produce = listed.api_keys.iter().find(|api| api.api_key == 0).unwrap();
    assert_eq!((produce.min_version, produce.max_version), (0, 11));
    wire.send_bytes(&[0, 0, 0, 2, 0, 0, 0, 1, 0xff, 0xff]);
    assert!(wire.is_closed());
}

#[test]
fn an_unsupported_version_or_api_closes_the_connection() {
    let served = Served::start();
    for key_and_version in [[0, 3, 0, 99], [0, 1, 0, 3], [0, 19, 0, 2], [0x7f, 0xff, 0, 0]] {
        let mut wire = Wire::connect(&served);
        wire.send_bytes(&[&key_and_version[..], &[0, 0, 0, 1, 0xff, 0xff]].concat());
        assert!(wire.is_closed());
    }
}

#[test]
fn stray_bytes_after_the_last_field_are_ignored() {
    let served = Served::start();
    let mut wire = Wire::connect(&served);
    // Metadata 13 for all topics as librdkafka 2.12 sends it: three bytes too many.
    wire.send_bytes(&[&[0, 3, 0, 13, 0, 0, 0, 3, 0, 1, b'r', 0][..], &[0, 0, 0, 0, 1, 0, 0]].concat());
    assert_eq!(wire.receive::<MetadataRequest>(13).0, 3);
}

#[test]
fn pipelined_requests_are_answered_in_order_though_the_first_one_waits() {
    let served = Served::start();
    served.write(TOPIC, 1, 0, 1);
    let mut wire = Wire::connect(&served);
    let waits = wire.send(12, &fetch(1).with_max_wait_ms(300));
    let metadata = wire.send(9, &MetadataRequest::default());
    let heartbeat = wire.send(0, &HeartbeatRequest::default().with_group_id(GroupId(text("g"))));
    assert_eq!(wire.receive::<FetchRequest>(12).0, waits);
    assert_eq!(wire.receive::<MetadataRequest>(9).0, metadata);
    assert_eq!(wire.receive::<HeartbeatRequest>(0).0, heartbeat);
}

#[test]
fn a_client_that_hangs_up_while_it_waits_is_noticed() {
    let served = Served::start_with(|settings| settings.connections_max = 1);
    served.write(TOPIC, 1, 0, 1);
    let mut waits = Wire::connect(&served);
    waits.send(12, &fetch(1).with_max_wait_ms(300_000));
    drop(waits);
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let mut wire = Wire::connect(&served);
        wire.send_bytes(&[0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff]);
        if wire.receive_frame().is_some() {
            break;
        }
        assert!(Instant::now() < deadline, "the connection of the client that hung up is still counted");
    }
}

#[test]
fn stopping_answers_a_parked_fetch_and_drops_a_parked_join_within_two_seconds() {
    let mut served = Served::start();
    served.write(TOPIC, 1, 0, 1);
    let mut fetches = Wire::connect(&served);
    fetches.send(12, &fetch(1).with_max_wait_ms(60_000));
    let mut joins = Wire::connect(&served);
    let first = enter(&mut joins, "g");
    assert_eq!(first.error_code, 0);
    let mut second = Wire::connect(&served);
    let id = second.call(5, &join("g", "")).member_id;
    second.send(5, &join("g", &id));
    // The second member's join is parked when the first hears of it.
    wait_until(|| heartbeat(&mut joins, "g", &first) == 27);
    let took = served.stop();
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(fetches.receive::<FetchRequest>(12).1.error_code, 0);
    assert!(second.is_closed());
}

fn wait_until(mut fact: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !fact() {
        assert!(Instant::now() < deadline, "it did not become true in time");
        std::thread::yield_now();
    }
}

// Metadata ---------------------------------------------------------------------------------------------------------------

fn metadata(wire: &mut Wire, version: i16, name: &str) -> metadata_response::MetadataResponseTopic {
    let asked = metadata_request::MetadataRequestTopic::default().with_name(Some(topic(name)));
    let request = MetadataRequest::default().with_topics(Some(vec![asked])).with_allow_auto_topic_creation(true);
    wire.call(version, &request).topics.remove(0)
}

#[test]
fn metadata_never_creates_a_topic() {
    let served = Served::start();
    let mut wire = Wire::connect(&served);
    for version in [1, 4, 9, 13] {
        assert_eq!(metadata(&mut wire, version, "not.there").error_code, 3);
        assert_eq!(metadata(&mut wire, version, "not a name").error_code, 17);
    }
    let all = wire.call(12, &MetadataRequest::default().with_topics(None));
    assert!(all.topics.iter().all(|topic| topic.is_internal), "only the log's own topics are there");
}

#[test]
fn topic_ids_are_not_zero_found_again_and_stable_over_a_restart() {
    let served = Served::start();
    served.write(TOPIC, 2, 0, 1);
    let before = metadata(&mut Wire::connect(&served), 12, TOPIC);
    assert_ne!(before.topic_id, Uuid::nil());
    let served = served.restart();
    let mut wire = Wire::connect(&served);
    assert_eq!(metadata(&mut wire, 12, TOPIC).topic_id, before.topic_id);
    let by_id = |id: Uuid| {
        MetadataRequest::default()
            .with_topics(Some(vec![metadata_request::MetadataRequestTopic::default().with_topic_id(id).with_name(None)]))
    };
    assert_eq!(wire.call(12, &by_id(before.topic_id)).topics[0].name, Some(topic(TOPIC)));
    assert_eq!(wire.call(12, &by_id(Uuid::from_u128(5))).topics[0].error_code, 100);
}

#[test]
fn the_one_broker_leads_everything_and_the_cluster_has_a_name() {
    let served = Served::start();
    served.write(TOPIC, 3, 0, 1);
    let told = Wire::connect(&served).call(12, &MetadataRequest::default().with_topics(None));
    assert_eq!(told.controller_id, BrokerId(1));
    assert_eq!((told.brokers.len(), told.brokers[0].node_id), (1, BrokerId(1)));
    assert_eq!(told.brokers[0].port, i32::from(served.address.port()));
    assert_eq!(told.cluster_id.unwrap().len(), 22);
    let orders = told.topics.iter().find(|found| found.name == Some(topic(TOPIC))).unwrap();
    assert_eq!(orders.partitions.len(), 3);
    assert_eq!(orders.topic_authorized_operations, i32::MIN);
    assert!(orders.partitions.iter().all(|partition| partition.leader_id == BrokerId(1) && partition.leader_epoch == 0));
    assert!(!orders.is_internal);
}

// Fetch ------------------------------------------------------------------------------------------------------------------

fn fetch(offset: i64) -> FetchRequest {
    fetch_of(TOPIC, &[(0, offset)])
}

fn fetch_of(name: &str, partitions: &[(i32, i64)]) -> FetchRequest {
    let partitions = partitions
        .iter()
        .map(|(partition, offset)| {
            fetch_request::FetchPartition::default()
                .with_partition(*partition)
                .with_fetch_offset(*offset)
                .with_partition_max_bytes(1 << 20)
                .with_current_leader_epoch(-1)
        })
        .collect();
    let wanted = fetch_request::FetchTopic::default().with_topic(topic(name)).with_partitions(partitions);
    FetchRequest::default().with_max_wait_ms(0).with_min_bytes(1).with_max_bytes(1 << 20).with_session_epoch(-1).with_topics(vec![wanted])
}

fn only(response: FetchResponse) -> fetch_response::PartitionData {
    assert_eq!((response.error_code, response.session_id), (0, 0));
    response.responses[0].partitions[0].clone()
}

/// Base offset and next offset of the batches in a response.
fn batches(partition: &fetch_response::PartitionData) -> Vec<(u64, u64)> {
    let mut rest: &[u8] = partition.records.as_deref().unwrap_or_default();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let batch = BatchView::parse(rest).unwrap();
        batch.verify().unwrap();
        found.push((batch.base_offset(), batch.next_offset()));
        rest = &rest[batch.bytes().len()..];
    }
    found
}

#[test]
fn zstd_is_sent_to_those_who_know_it() {
    let served = Served::start();
    served.write_compressed(Compression::Zstd, TOPIC, 1, 0, 10);
    let mut wire = Wire::connect(&served);
    let read = only(wire.call(10, &fetch_of(TOPIC, &[(0, 0)])));
    assert_eq!((read.error_code, batches(&read)), (0, vec![(0, 10)]));
    let refused = only(wire.call(9, &fetch_of(TOPIC, &[(0, 0)])));
    assert_eq!((refused.error_code, batches(&refused)), (76, vec![]));
    served.write_compressed(Compression::Lz4, "other", 1, 0, 10);
    served.write_compressed(Compression::Zstd, "other", 1, 10, 10);
    let read = only(wire.call(9, &fetch_of("other", &[(0, 0)])));
    assert_eq!((read.error_code, batches(&read)), (0, vec![(0, 10)]), "what stands before it");
    let refused = only(wire.call(9, &fetch_of("other", &[(0, 10)])));
    assert_eq!((refused.error_code, batches(&refused)), (76, vec![]));
}

#[test]
fn a_fetch_into_the_middle_of_a_batch_returns_the_whole_batch() {
    let served = Served::start();
    served.write(TOPIC, 1, 0, 10);
    served.write(TOPIC, 1, 10, 10);
    let mut wire = Wire::connect(&served);
    for version in 4..=12 {
        let mut asked = fetch(5);
        if version < 7 {
            asked = asked.with_session_epoch(FetchRequest::default().session_epoch);
        }
        let read = only(wire.call(version, &asked));
        assert_eq!(batches(&read), [(0, 10), (10, 20)]);
        assert_eq!((read.high_watermark, read.last_stable_offset), (20, 20));
    }
}

#[test]
fn the_first_batch_comes_even_if_it_is_larger_than_allowed_and_no_second_one() {
    let served = Served::start();
    served.write(TOPIC, 1, 0, 100);
    served.write(TOPIC, 1, 100, 100);
    let mut asked = fetch(0).with_max_bytes(1);
    asked.topics[0].partitions[0].partition_max_bytes = 1;
    assert_eq!(batches(&only(Wire::connect(&served).call(12, &asked))), [(0, 100)]);
}

#[test]
fn max_bytes_holds_for_the_request_over_all_partitions() {
    let served = Served::start();
    served.write(TOPIC, 8, 0, 4000);
    let partitions: Vec<(i32, i64)> = (0..8).map(|partition| (partition, 0)).collect();
    let all = Wire::connect(&served).call(12, &fetch_of(TOPIC, &partitions).with_max_bytes(20_000));
    let sizes: Vec<usize> =
        all.responses[0].partitions.iter().map(|partition| partition.records.as_ref().map_or(0, |records| records.len())).collect();
    assert!(sizes[0] > 0 && sizes.iter().sum::<usize>() <= 20_000.max(sizes[0]), "{sizes:?}");
}

#[test]
fn an_offset_outside_the_log_is_told_with_the_real_start_and_the_end_is_not_outside() {
    let served = Served::start();
    served.write(TOPIC, 1, 0, 10);
    let mut wire = Wire::connect(&served);
    for outside in [11, i64::MAX, -1] {
        let read = only(wire.call(12, &fetch(outside).with_max_wait_ms(30_000)));
        assert_eq!((read.error_code, read.log_start_offset), (1, 0));
    }
    let end = only(wire.call(12, &fetch(10)));
    assert_eq!((end.error_code, end.records.map_or(0, |records| records.len())), (0, 0));
}

#[test]
fn a_waiting_fetch_wakes_when_a_record_is_durable() {
    let served = Served::start();
    served.write(TOPIC, 1, 0, 1);
    let mut wire = Wire::connect(&served);
    for round in 1..6 {
        wire.send(12, &fetch(round).with_max_wait_ms(30_000));
        let written = Instant::now();
        served.write(TOPIC, 1, usize::try_from(round).unwrap(), 1);
        let (_, response) = wire.receive::<FetchRequest>(12);
        assert_eq!(batches(&only(response)).len(), 1);
        assert!(written.elapsed() < Duration::from_secs(5), "it waited for its time, not for the record");
    }
}

#[test]
fn a_waiting_fetch_returns_empty_when_its_time_is_over() {
    let served = Served::start();
    served.write(TOPIC, 1, 0, 1);
    let begun = Instant::now();
    let read = only(Wire::connect(&served).call(12, &fetch(1).with_max_wait_ms(200)));
    assert_eq!(read.records.map_or(0, |records| records.len()), 0);
    assert!(begun.elapsed() >= Duration::from_millis(200));
}

#[test]
fn min_bytes_counts_over_partitions_and_what_came_meanwhile_is_kept() {
    let served = Served::start();
    served.write(TOPIC, 2, 0, 1);
    let mut wire = Wire::connect(&served);
    let asked = fetch_of(TOPIC, &[(0, 0), (1, 0)]).with_min_bytes(8_000).with_max_wait_ms(30_000);
    wire.send(12, &asked);
    for from in (1..).step_by(50).take(12) {
        served.write(TOPIC, 2, from, 50);
    }
    let (_, response) = wire.receive::<FetchRequest>(12);
    let mut bytes = 0;
    for partition in &response.responses[0].partitions {
        bytes += partition.records.as_ref().map_or(0, |records| records.len());
        let found = batches(partition);
        assert_eq!(found.first().map(|(base, _)| *base), Some(0));
        assert!(found.windows(2).all(|pair| pair[0].1 == pair[1].0), "{found:?}");
    }
    assert!(bytes >= 8_000);
}

#[test]
fn fetch_sessions_are_never_begun_and_unknown_ones_are_refused() {
    let served = Served::start();
    served.write(TOPIC, 1, 0, 1);
    let mut wire = Wire::connect(&served);
    assert_eq!(wire.call(12, &fetch(0).with_session_epoch(0)).session_id, 0);
    assert_eq!(wire.call(12, &fetch(0).with_session_id(9).with_session_epoch(1)).error_code, 70);
}

#[test]
fn a_leader_epoch_from_the_future_is_refused() {
    let served = Served::start();
    served.write(TOPIC, 1, 0, 1);
    let mut wire = Wire::connect(&served);
    for (epoch, error) in [(-1, 0), (0, 0), (1, 75)] {
        let mut asked = fetch(0);
        asked.topics[0].partitions[0].current_leader_epoch = epoch;
        assert_eq!(only(wire.call(12, &asked)).error_code, error);
    }
}

#[test]
fn a_fetch_by_topic_id_finds_the_topic_and_an_unknown_id_is_told() {
    let served = Served::start();
    served.write(TOPIC, 1, 0, 3);
    let mut wire = Wire::connect(&served);
    let id = metadata(&mut wire, 12, TOPIC).topic_id;
    for version in 13..=18 {
        let mut asked = fetch(0);
        asked.topics[0] = asked.topics[0].clone().with_topic(TopicName::default()).with_topic_id(id);
        let response = wire.call(version, &asked);
        assert_eq!(response.responses[0].topic_id, id);
        assert_eq!(batches(&only(response)), [(0, 3)]);
        asked.topics[0].topic_id = Uuid::from_u128(7);
        assert_eq!(only(wire.call(version, &asked)).error_code, 100);
    }
}

#[test]
fn read_committed_sees_everything_and_an_empty_list_of_aborted_transactions() {
    let served = Served::start();
    served.write(TOPIC, 1, 0, 3);
    let mut wire = Wire::connect(&served);
    let committed = only(wire.call(12, &fetch(0).with_isolation_level(1)));
    assert_eq!(committed.aborted_transactions.map(|aborted| aborted.len()), Some(0));
    assert_eq!(only(wire.call(12, &fetch(0))).aborted_transactions, None);
    assert_eq!(committed.last_stable_offset, 3);
}

#[test]
fn an_unknown_partition_is_told_at_once() {
    let served = Served::start();
    served.write(TOPIC, 1, 0, 1);
    let mut wire = Wire::connect(&served);
    for asked in [fetch_of(TOPIC, &[(1, 0)]), fetch_of(TOPIC, &[(-1, 0)]), fetch_of("not.there", &[(0, 0)])] {
        assert_eq!(only(wire.call(12, &asked.with_max_wait_ms(30_000))).error_code, 3);
    }
}

// ListOffsets ------------------------------------------------------------------------------------------------------------

fn list(wire: &mut Wire, version: i16, timestamp: i64) -> (i16, i64, i64) {
    let partition = list_offsets_request::ListOffsetsPartition::default().with_timestamp(timestamp).with_current_leader_epoch(-1);
    let wanted = list_offsets_request::ListOffsetsTopic::default().with_name(topic(TOPIC)).with_partitions(vec![partition]);
    let found = &wire.call(version, &ListOffsetsRequest::default().with_topics(vec![wanted])).topics[0].partitions[0];
    (found.error_code, found.offset, found.timestamp)
}

#[test]
fn list_offsets_answers_ends_times_and_its_special_values() {
    let served = Served::start();
    served.write(TOPIC, 1, 0, 10);
    served.write(TOPIC, 1, 10, 10);
    let mut wire = Wire::connect(&served);
    assert_eq!(list(&mut wire, 1, -1), (0, 20, -1), "latest is after the last record of the batch");
    assert_eq!(list(&mut wire, 1, -2), (0, 0, -1));
    assert_eq!(list(&mut wire, 7, -3), (0, 19, FIRST_TIMESTAMP + 19));
    assert_eq!(list(&mut wire, 6, -3).0, 35, "not in this version");
    assert_eq!(list(&mut wire, 8, -4), (0, 0, -1));
    assert_eq!(list(&mut wire, 9, -5), (0, -1, -1));
    assert_eq!(list(&mut wire, 10, FIRST_TIMESTAMP + 13), (0, 13, FIRST_TIMESTAMP + 13), "inside a batch");
    assert_eq!(list(&mut wire, 5, 0), (0, 0, FIRST_TIMESTAMP));
    assert_eq!(list(&mut wire, 5, FIRST_TIMESTAMP + 20), (0, -1, -1));
}

// Produce ----------------------------------------------------------------------------------------------------------------

fn produce(acks: i16, name: &str) -> ProduceRequest {
    let partition = produce_request::PartitionProduceData::default().with_records(Some(bytes::Bytes::from_static(b"anything")));
    let data = produce_request::TopicProduceData::default().with_name(topic(name)).with_partition_data(vec![partition]);
    ProduceRequest::default().with_acks(acks).with_timeout_ms(1000).with_topic_data(vec![data])
}

#[test]
fn producing_is_refused_with_the_reason() {
    let served = Served::start();
    served.write(TOPIC, 1, 0, 1);
    let mut wire = Wire::connect(&served);
    let refused = wire.call(9, &produce(-1, TOPIC)).responses[0].partition_responses[0].clone();
    assert_eq!((refused.error_code, refused.base_offset), (29, -1));
    assert_eq!(refused.error_message.as_deref(), Some("change topics are written by rowfeed only"));
    for internal in ["__consumer_offsets", "connect-offsets"] {
        assert_eq!(wire.call(9, &produce(1, internal)).responses[0].partition_responses[0].error_code, 29);
    }
    assert_eq!(wire.call(9, &produce(1, "not.there")).responses[0].partition_responses[0].error_code, 3);
}

#[test]
fn producing_without_acks_closes_the_connection() {
    let served = Served::start();
    served.write(TOPIC, 1, 0, 1);
    let mut wire = Wire::connect(&served);
    wire.send(7, &produce(0, TOPIC));
    assert!(wire.is_closed());
}

// Groups -----------------------------------------------------------------------------------------------------------------

#[test]
fn a_coordinator_is_found_for_groups_and_refused_for_transactions_with_a_text() {
    let served = Served::start();
    let mut wire = Wire::connect(&served);
    let asked = |kind: i8| FindCoordinatorRequest::default().with_key_type(kind).with_coordinator_keys(vec![text("a"), text("b")]);
    let found = wire.call(4, &asked(0)).coordinators;
    assert_eq!((found.len(), found[1].node_id, found[1].error_code), (2, BrokerId(1), 0));
    let refused = wire.call(4, &asked(1)).coordinators[0].clone();
    assert_eq!(refused.error_code, 42);
    assert!(refused.error_message.unwrap().contains("transactions are not available"));
    let old = wire.call(0, &FindCoordinatorRequest::default().with_key(text("g")));
    assert_eq!((old.error_code, old.port), (0, i32::from(served.address.port())));
}

fn join(group: &str, id: &str) -> JoinGroupRequest {
    let protocol = join_group_request::JoinGroupRequestProtocol::default().with_name(text("range"));
    JoinGroupRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(60_000)
        .with_member_id(text(id))
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol])
}

/// Joins a group of one and takes everything.
fn enter(wire: &mut Wire, group: &str) -> JoinGroupResponse {
    let asked = wire.call(5, &join(group, ""));
    assert_eq!(asked.error_code, 79);
    let joined = wire.call(5, &join(group, &asked.member_id));
    assert_eq!(joined.error_code, 0);
    let assignment = sync_group_request::SyncGroupRequestAssignment::default()
        .with_member_id(joined.member_id.clone())
        .with_assignment(bytes::Bytes::from_static(b"all"));
    let sync = SyncGroupRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone())
        .with_assignments(vec![assignment]);
    assert_eq!(&wire.call(3, &sync).assignment[..], b"all");
    joined
}

fn heartbeat(wire: &mut Wire, group: &str, joined: &JoinGroupResponse) -> i16 {
    let beat = HeartbeatRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone());
    wire.call(3, &beat).error_code
}

fn commit(wire: &mut Wire, group: &str, joined: Option<&JoinGroupResponse>, name: &str, metadata: &str) -> i16 {
    let partition = offset_commit_request::OffsetCommitRequestPartition::default()
        .with_committed_offset(5)
        .with_committed_metadata(Some(text(metadata)));
    let wanted = offset_commit_request::OffsetCommitRequestTopic::default().with_name(topic(name)).with_partitions(vec![partition]);
    let mut request =
        OffsetCommitRequest::default().with_group_id(GroupId(text(group))).with_generation_id_or_member_epoch(-1).with_topics(vec![wanted]);
    if let Some(joined) = joined {
        request = request.with_generation_id_or_member_epoch(joined.generation_id).with_member_id(joined.member_id.clone());
    }
    wire.call(8, &request).topics[0].partitions[0].error_code
}

fn committed(wire: &mut Wire, group: &str) -> (i16, i64, Option<StrBytes>) {
    let wanted = offset_fetch_request::OffsetFetchRequestTopic::default().with_name(topic(TOPIC)).with_partition_indexes(vec![0]);
    let request = OffsetFetchRequest::default().with_group_id(GroupId(text(group))).with_topics(Some(vec![wanted]));
    let response = wire.call(7, &request);
    assert_eq!(response.error_code, 0);
    let partition = &response.topics[0].partitions[0];
    (partition.error_code, partition.committed_offset, partition.metadata.clone())
}

#[test]
fn a_group_that_nobody_knows_has_no_offsets_and_no_error() {
    let served = Served::start();
    served.write(TOPIC, 1, 0, 10);
    let mut wire = Wire::connect(&served);
    assert_eq!(committed(&mut wire, "unknown"), (0, -1, Some(text(""))));
    let all = wire.call(7, &OffsetFetchRequest::default().with_group_id(GroupId(text("unknown"))).with_topics(None));
    assert_eq!((all.error_code, all.topics.len()), (0, 0));
}

#[test]
fn a_committed_offset_keeps_its_text_and_survives_a_restart() {
    let served = Served::start();
    served.write(TOPIC, 1, 0, 10);
    let longest = "m".repeat(4096);
    assert_eq!(commit(&mut Wire::connect(&served), "simple", None, TOPIC, &longest), 0);
    let served = served.restart();
    assert_eq!(committed(&mut Wire::connect(&served), "simple"), (0, 5, Some(text(&longest))));
}

#[test]
fn a_commit_is_refused_for_what_is_not_there_and_for_a_text_too_long() {
    let served = Served::start();
    served.write(TOPIC, 1, 0, 10);
    let mut wire = Wire::connect(&served);
    assert_eq!(commit(&mut wire, "simple", None, "not.there", ""), 3);
    assert_eq!(commit(&mut wire, "simple", None, TOPIC, &"m".repeat(4097)), 12);
    assert_eq!(commit(&mut wire, "", None, TOPIC, ""), 24);
    assert_eq!(committed(&mut wire, "simple").1, -1);
}

#[test]
fn nobody_else_commits_for_a_group_with_members() {
    let served = Served::start();
    served.write(TOPIC, 1, 0, 10);
    let mut wire = Wire::connect(&served);
    let mut joined = enter(&mut wire, "g");
    assert_eq!(commit(&mut wire, "g", None, TOPIC, ""), 25);
    assert_eq!(commit(&mut wire, "g", Some(&joined), TOPIC, ""), 0);
    joined.generation_id += 1;
    assert_eq!(commit(&mut wire, "g", Some(&joined), TOPIC, ""), 22);
    assert_eq!(commit(&mut wire, "other", Some(&joined), TOPIC, ""), 22);
}

#[test]
fn a_member_goes_on_with_heartbeats_over_a_restart() {
    let served = Served::start();
    served.write(TOPIC, 1, 0, 10);
    let mut wire = Wire::connect(&served);
    let joined = enter(&mut wire, "g");
    assert_eq!(heartbeat(&mut wire, "g", &joined), 0);
    let served = served.restart();
    let mut wire = Wire::connect(&served);
    assert_eq!(heartbeat(&mut wire, "g", &joined), 0, "no rebalance, the same generation");
    assert_eq!(commit(&mut wire, "g", Some(&joined), TOPIC, ""), 0);
}

#[test]
fn a_group_that_was_left_stays_left_over_a_restart() {
    let served = Served::start();
    let mut wire = Wire::connect(&served);
    let joined = enter(&mut wire, "g");
    let leave = LeaveGroupRequest::default().with_group_id(GroupId(text("g"))).with_member_id(joined.member_id.clone());
    assert_eq!(wire.call(2, &leave).error_code, 0);
    let served = served.restart();
    assert_eq!(heartbeat(&mut Wire::connect(&served), "g", &joined), 25);
}

#[test]
fn session_timeouts_have_bounds() {
    let served = Served::start();
    let mut wire = Wire::connect(&served);
    for session_timeout_ms in [-1, 0, 5_999, 1_800_001, i32::MAX] {
        assert_eq!(wire.call(5, &join("g", "").with_session_timeout_ms(session_timeout_ms)).error_code, 26);
    }
    assert_eq!(wire.call(5, &join("", "")).error_code, 24);
}

#[test]
fn consumer_offsets_can_be_read_as_a_topic() {
    let served = Served::start();
    served.write(TOPIC, 1, 0, 10);
    let mut wire = Wire::connect(&served);
    assert_eq!(commit(&mut wire, "simple", None, TOPIC, "m"), 0);
    let read = only(wire.call(12, &fetch_of("__consumer_offsets", &[(0, 0)])));
    let records = read.records.unwrap();
    let batch = BatchView::parse(&records).unwrap();
    let mut room = Vec::new();
    let record = batch.records(&mut room).next().unwrap().unwrap();
    assert_eq!(&record.key.unwrap()[..10], [0, 1, 0, 6, b's', b'i', b'm', b'p', b'l', b'e']);
    assert_eq!(&record.value.unwrap()[..10], [0, 3, 0, 0, 0, 0, 0, 0, 0, 5]);
}

#[test]
fn a_group_without_members_is_deleted_with_its_offsets_for_good() {
    let served = Served::start();
    served.write(TOPIC, 1, 0, 1);
    let mut wire = Wire::connect(&served);
    let delete = |wire: &mut Wire, version: i16, groups: &[&str]| {
        let groups = groups.iter().map(|group| GroupId(text(group))).collect();
        let deleted = wire.call(version, &DeleteGroupsRequest::default().with_groups_names(groups));
        deleted.results.iter().map(|result| result.error_code).collect::<Vec<_>>()
    };
    assert_eq!(commit(&mut wire, "old", None, TOPIC, "m"), 0);
    let joined = enter(&mut wire, "busy");
    assert_eq!(commit(&mut wire, "busy", Some(&joined), TOPIC, "m"), 0);
    assert_eq!(delete(&mut wire, 0, &["busy", "nobody", ""]), [68, 69, 24]);
    assert_eq!(delete(&mut wire, 2, &["old"]), [0]);
    assert_eq!(committed(&mut wire, "old").1, -1);
    drop(wire);
    let served = served.restart();
    let mut wire = Wire::connect(&served);
    assert_eq!((committed(&mut wire, "old").1, committed(&mut wire, "busy").1), (-1, 5));
}

#[test]
fn a_group_that_nobody_uses_is_forgotten_and_one_with_members_is_not() {
    let served = Served::start_with(|settings| settings.groups.offsets_age_max = Duration::from_millis(100));
    served.write(TOPIC, 1, 0, 1);
    let mut wire = Wire::connect(&served);
    let joined = enter(&mut wire, "busy");
    assert_eq!(commit(&mut wire, "busy", Some(&joined), TOPIC, "m"), 0);
    assert_eq!(commit(&mut wire, "old", None, TOPIC, "m"), 0);
    let deadline = Instant::now() + Duration::from_secs(10);
    while committed(&mut wire, "old").1 >= 0 {
        assert!(Instant::now() < deadline, "the offsets are still there");
    }
    assert_eq!(committed(&mut wire, "busy").1, 5);
}

#[test]
fn full_offsets_lock_out_new_ones_and_not_the_groups_that_are_there() {
    let served = Served::start_with(|settings| settings.groups.offsets_bytes_max = 300);
    served.write(TOPIC, 1, 0, 1);
    let mut wire = Wire::connect(&served);
    assert_eq!(commit(&mut wire, "first", None, TOPIC, &"m".repeat(100)), 0);
    assert_eq!(commit(&mut wire, "second", None, TOPIC, ""), 28);
    assert_eq!(commit(&mut wire, "first", None, TOPIC, &"n".repeat(100)), 0);
    assert_eq!(commit(&mut wire, "first", None, TOPIC, &"n".repeat(400)), 28);
}

#[test]
fn the_topic_that_may_hold_passwords_is_not_read() {
    let served = Served::start();
    let mut wire = Wire::connect(&served);
    let partition = fetch_request::FetchPartition::default().with_current_leader_epoch(-1).with_partition_max_bytes(1 << 20);
    let configs = fetch_request::FetchTopic::default().with_topic(topic("connect-configs")).with_partitions(vec![partition]);
    let asked = FetchRequest::default().with_max_wait_ms(60_000).with_min_bytes(1).with_max_bytes(1 << 20).with_session_epoch(-1);
    let answer = wire.call(12, &asked.with_topics(vec![configs]));
    assert_eq!(answer.responses[0].partitions[0].error_code, 29);
}

#[test]
fn a_batch_that_does_not_fit_ends_the_response_instead_of_being_waited_for() {
    let served = Served::start();
    served.write("small", 1, 0, 1);
    served.write("large", 1, 0, 200);
    let mut wire = Wire::connect(&served);
    let of = |name: &str| {
        let partition = fetch_request::FetchPartition::default().with_current_leader_epoch(-1).with_partition_max_bytes(1 << 20);
        fetch_request::FetchTopic::default().with_topic(topic(name)).with_partitions(vec![partition])
    };
    let asked = FetchRequest::default().with_max_wait_ms(300_000).with_min_bytes(2000).with_max_bytes(2000).with_session_epoch(-1);
    let bytes = |wire: &mut Wire, names: [&str; 3]| {
        let answer = wire.call(12, &asked.clone().with_topics(names.map(of).to_vec()));
        answer.responses.iter().map(|topic| topic.partitions[0].records.as_ref().map_or(0, bytes::Bytes::len)).collect::<Vec<_>>()
    };
    let found = bytes(&mut wire, ["small", "large", "small"]);
    assert!(found[0] > 0 && found[1] == 0 && found[2] == 0, "{found:?}");
    // The first one comes whatever its size.
    let found = bytes(&mut wire, ["large", "small", "small"]);
    assert!(found[0] > 2000 && found[1] == 0, "{found:?}");
}
