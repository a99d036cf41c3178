//! Bytes that mean harm: the server stays up, serves others meanwhile, and its memory stays flat.

use std::io::Write;
use std::time::{Duration, Instant};

use kafka_protocol::messages::*;

use crate::served::Served;
use crate::wire::{Wire, frame};

/// The server answers a well-behaved client.
fn assert_serves(served: &Served) {
    assert_eq!(Wire::connect(served).call(0, &ApiVersionsRequest::default()).error_code, 0);
}

/// Resident memory of this process, server included, bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// A pseudo-random sequence; the seed makes a failure repeatable.
fn random_bytes(seed: u64) -> impl Iterator<Item = u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    })
}

#[test]
fn garbage_closes_its_own_connection_only() {
    let served = Served::start();
    for seed in 0..200 {
        let mut wire = Wire::connect(&served);
        let garbage: Vec<u8> = random_bytes(seed).take(500).collect();
        let _ = wire.stream.write_all(&garbage);
        // The same inside a frame of the right length, behind a good header of each API.
        let mut wire = Wire::connect(&served);
        let key = u8::try_from(seed % 20).unwrap();
        wire.send_bytes(&[&[0, key, 0, 5, 0, 0, 0, 1, 0xff, 0xff], &garbage[..]].concat());
    }
    assert_serves(&served);
}

#[test]
fn announced_lengths_take_no_memory() {
    let served = Served::start();
    served.write("t", 1, 0, 1);
    let before = resident();
    let mut open = Vec::new();
    for _ in 0..100 {
        // The largest frame there may be, and then 16 bytes of it: 200 MiB in all if it were believed.
        let mut wire = Wire::connect(&served);
        wire.stream.write_all(&(2u32 << 20).to_be_bytes()).unwrap();
        wire.stream.write_all(&[0; 16]).unwrap();
        open.push(wire);
        // A count of two thousand million topics in a request of a few bytes: it is refused at once.
        let mut wire = Wire::connect(&served);
        wire.send_bytes(&[&[0, 3, 0, 5, 0, 0, 0, 1, 0xff, 0xff], &[0x7f, 0xff, 0xff, 0xfe, 0, 0][..]].concat());
        assert!(wire.is_closed());
        let mut wire = Wire::connect(&served);
        wire.send_bytes(&[&[0, 1, 0, 12, 0, 0, 0, 1, 0xff, 0xff, 0], &[0; 21][..], &[0xff, 0xff, 0xff, 0xff, 0x0f][..]].concat());
        assert!(wire.is_closed());
    }
    let grown = resident().saturating_sub(before);
    // Other tests run in this process: the margin is theirs.
    assert!(grown < 100 << 20, "{} MiB more", grown >> 20);
    assert_serves(&served);
}

#[test]
fn a_frame_larger_than_allowed_or_of_no_length_closes() {
    let served = Served::start();
    for length in [0u32, (2 << 20) + 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff] {
        let mut wire = Wire::connect(&served);
        wire.stream.write_all(&length.to_be_bytes()).unwrap();
        assert!(wire.is_closed(), "{length}");
    }
}

#[test]
fn other_protocols_on_this_port_are_closed_at_once() {
    let served = Served::start();
    for hello in [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"SSH-2.0-OpenSSH\r\n"] {
        let mut wire = Wire::connect(&served);
        wire.stream.write_all(hello).unwrap();
        assert!(wire.is_closed());
    }
}

#[test]
fn a_request_cut_anywhere_is_refused_and_nothing_else_happens() {
    let served = Served::start();
    served.write("t", 1, 0, 1);
    let partition = fetch_request::FetchPartition::default();
    let topic = fetch_request::FetchTopic::default().with_partitions(vec![partition]);
    let whole = [
        frame(12, 1, &FetchRequest::default().with_topics(vec![topic])),
        frame(
            9,
            1,
            &MetadataRequest::default()
                .with_topics(Some(vec![metadata_request::MetadataRequestTopic::default().with_name(Some(TopicName::default()))])),
        ),
        frame(9, 1, &JoinGroupRequest::default().with_protocols(vec![join_group_request::JoinGroupRequestProtocol::default()])),
        frame(8, 1, &OffsetCommitRequest::default().with_topics(vec![offset_commit_request::OffsetCommitRequestTopic::default()])),
    ];
    for whole in whole {
        for cut in 4..whole.len() - 1 {
            let mut wire = Wire::connect(&served);
            wire.send_bytes(&whole[4..cut]);
            if cut > 4 {
                assert!(wire.is_closed(), "a request of {} bytes was answered when cut to {cut}", whole.len());
            }
        }
    }
    assert_serves(&served);
}

#[test]
fn half_a_request_is_waited_for_only_so_long() {
    let served = Served::start_with(|settings| settings.frame_max = Duration::from_millis(200));
    let mut wire = Wire::connect(&served);
    let begun = Instant::now();
    wire.stream.write_all(&[0, 0, 0, 50, 0, 18]).unwrap();
    assert!(wire.is_closed());
    assert!(begun.elapsed() < Duration::from_secs(10));
    // Byte by byte is no way around it: the time is the whole request's.
    let mut wire = Wire::connect(&served);
    let begun = Instant::now();
    while wire.stream.write_all(&[0]).is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(10), "a slow request is still being read");
        std::thread::yield_now();
    }
}

#[test]
fn a_connection_without_requests_is_closed() {
    let served = Served::start_with(|settings| settings.idle_max = Duration::from_millis(200));
    let mut wire = Wire::connect(&served);
    assert!(wire.is_closed());
}

#[test]
fn a_response_that_nobody_reads_is_given_up() {
    let served = Served::start_with(|settings| {
        settings.frame_max = Duration::from_millis(300);
        settings.connections_max = 1;
    });
    for from in 0..20 {
        served.write("t", 1, from * 5000, 5000);
    }
    let mut wire = Wire::connect(&served);
    let partition = fetch_request::FetchPartition::default().with_partition_max_bytes(4 << 20).with_current_leader_epoch(-1);
    let topic = fetch_request::FetchTopic::default().with_topic(TopicName("t".into())).with_partitions(vec![partition]);
    let asked = FetchRequest::default().with_max_bytes(4 << 20).with_session_epoch(-1).with_topics(vec![topic]);
    // More than the sockets' buffers hold, and never read; some requests may find the connection closed already.
    for correlation in 0..20 {
        let _ = wire.stream.write_all(&frame(12, correlation, &asked));
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let mut other = Wire::connect(&served);
        other.send_bytes(&[0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff]);
        if other.receive_frame().is_some() {
            return;
        }
        assert!(Instant::now() < deadline, "the connection of a client that does not read is still open");
    }
}

#[test]
fn connections_above_the_limit_are_closed_and_the_others_go_on() {
    let served = Served::start_with(|settings| settings.connections_max = 2);
    let mut first = Wire::connect(&served);
    let mut second = Wire::connect(&served);
    first.call(0, &ApiVersionsRequest::default());
    second.call(0, &ApiVersionsRequest::default());
    assert!(Wire::connect(&served).is_closed());
    first.call(0, &ApiVersionsRequest::default());
    second.call(0, &ApiVersionsRequest::default());
}

#[test]
fn a_waiting_client_holds_up_nobody_else() {
    let served = Served::start();
    served.write("t", 1, 0, 1);
    let partition = fetch_request::FetchPartition::default().with_fetch_offset(1).with_current_leader_epoch(-1);
    let topic = fetch_request::FetchTopic::default().with_topic(TopicName("t".into())).with_partitions(vec![partition]);
    let asked = FetchRequest::default().with_max_wait_ms(60_000).with_min_bytes(1).with_session_epoch(-1).with_topics(vec![topic]);
    let mut waiting = Vec::new();
    for _ in 0..50 {
        let mut wire = Wire::connect(&served);
        wire.send(12, &asked);
        waiting.push(wire);
    }
    assert_serves(&served);
}

#[test]
fn groups_without_number_or_size_are_refused() {
    let served = Served::start_with(|settings| {
        settings.groups.groups_max = 3;
        settings.groups.groups_bytes_max = 64 << 10;
    });
    let mut wire = Wire::connect(&served);
    let join = |group: String, bytes: usize| {
        let protocol = join_group_request::JoinGroupRequestProtocol::default()
            .with_name("range".into())
            .with_metadata(bytes::Bytes::from(vec![0; bytes]));
        JoinGroupRequest::default()
            .with_group_id(GroupId(group.into()))
            .with_session_timeout_ms(10_000)
            .with_rebalance_timeout_ms(10_000)
            .with_protocol_type("consumer".into())
            .with_protocols(vec![protocol])
    };
    for group in 0..3 {
        assert_eq!(wire.call(4, &join(format!("g{group}"), 10)).error_code, 79);
    }
    assert_eq!(wire.call(4, &join("one too many".into(), 10)).error_code, 81);
    assert_eq!(wire.call(4, &join("g0".into(), 100 << 10)).error_code, 81);
}

#[test]
fn more_assignors_than_any_client_has_are_refused() {
    let served = Served::start();
    let protocol = |number: usize| {
        let name = kafka_protocol::protocol::StrBytes::from_string(number.to_string());
        join_group_request::JoinGroupRequestProtocol::default().with_name(name)
    };
    let join = |count: usize| {
        JoinGroupRequest::default()
            .with_group_id(GroupId("g".into()))
            .with_session_timeout_ms(10_000)
            .with_rebalance_timeout_ms(10_000)
            .with_protocol_type("consumer".into())
            .with_protocols((0..count).map(protocol).collect())
    };
    let mut wire = Wire::connect(&served);
    assert_eq!(wire.call(5, &join(110_000)).error_code, 42);
    assert_eq!(wire.call(5, &join(64)).error_code, 79);
    let assignments = vec![sync_group_request::SyncGroupRequestAssignment::default(); 1001];
    let sync = SyncGroupRequest::default().with_group_id(GroupId("g".into())).with_assignments(assignments);
    assert_eq!(wire.call(3, &sync).error_code, 42);
}

#[test]
fn a_request_that_repeats_itself_gets_no_response_larger_than_the_limit() {
    let served = Served::start();
    served.write("wide", 1024, 0, 1);
    let closes = |frame: Vec<u8>| {
        let mut wire = Wire::connect(&served);
        wire.stream.write_all(&frame).unwrap();
        assert!(wire.is_closed());
    };
    let wide = metadata_request::MetadataRequestTopic::default().with_name(Some(TopicName("wide".into())));
    closes(frame(5, 1, &MetadataRequest::default().with_topics(Some(vec![wide; 150_000]))));
    let topic = offset_fetch_request::OffsetFetchRequestTopic::default().with_partition_indexes(vec![0; 400_000]);
    closes(frame(7, 1, &OffsetFetchRequest::default().with_group_id(GroupId("g".into())).with_topics(Some(vec![topic]))));
    closes(frame(4, 1, &FindCoordinatorRequest::default().with_coordinator_keys(vec!["".into(); 1_000_000])));
    let partition = list_offsets_request::ListOffsetsPartition::default();
    let topic = list_offsets_request::ListOffsetsTopic::default().with_partitions(vec![partition; 10_001]);
    closes(frame(2, 1, &ListOffsetsRequest::default().with_topics(vec![topic])));
    assert_serves(&served);
}
