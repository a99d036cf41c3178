//! How soon a parked fetch is answered after its record is durable.

use std::time::{Duration, Instant};

use kafka_protocol::messages::*;
use rowfeed::record::view::BatchView;

use crate::served::Served;
use crate::wire::Wire;

const COMMITS: usize = 1000;

/// A thousand commits at one a millisecond, a consumer that always waits: the time from "durable" as the writer hears it to
/// the response at the client. The bound is wide, because a test machine is busy; the figure is printed.
#[test]
fn a_parked_fetch_is_answered_when_its_record_is_durable_and_not_much_later() {
    let served = Served::start();
    served.write("t", 1, 0, 1);
    let reader = std::thread::spawn({
        let mut wire = Wire::connect(&served);
        move || arrivals(&mut wire)
    });
    let mut durable = vec![Instant::now()];
    let begun = Instant::now();
    for number in 1..=COMMITS {
        served.write("t", 1, number, 1);
        durable.push(Instant::now());
        // The pace of the load, not a wait for anything.
        std::thread::sleep((begun + Duration::from_millis(number as u64)).saturating_duration_since(Instant::now()));
    }
    let arrived = reader.join().unwrap();
    let mut waits: Vec<Duration> = (1..=COMMITS).map(|number| arrived[number].saturating_duration_since(durable[number])).collect();
    waits.sort();
    let at = |percent: usize| waits[(COMMITS - 1) * percent / 100];
    eprintln!("durable to consumer: p50 {:?}, p99 {:?}, max {:?}", at(50), at(99), at(100));
    assert!(at(50) < Duration::from_millis(20), "{:?}", at(50));
}

/// When each record arrived, by offset.
fn arrivals(wire: &mut Wire) -> Vec<Instant> {
    let mut arrived = Vec::new();
    while arrived.len() <= COMMITS {
        let partition = fetch_request::FetchPartition::default()
            .with_fetch_offset(arrived.len() as i64)
            .with_partition_max_bytes(1 << 20)
            .with_current_leader_epoch(-1);
        let topic = fetch_request::FetchTopic::default().with_topic(TopicName("t".into())).with_partitions(vec![partition]);
        let asked = FetchRequest::default().with_max_wait_ms(10_000).with_min_bytes(1).with_max_bytes(1 << 20);
        let response = wire.call(12, &asked.with_session_epoch(-1).with_topics(vec![topic]));
        let now = Instant::now();
        let mut rest: &[u8] = response.responses[0].partitions[0].records.as_deref().unwrap();
        while !rest.is_empty() {
            let batch = BatchView::parse(rest).unwrap();
            arrived.resize(usize::try_from(batch.next_offset()).unwrap(), now);
            rest = &rest[batch.bytes().len()..];
        }
    }
    arrived
}
