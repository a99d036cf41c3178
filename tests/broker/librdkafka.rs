//! The rdkafka crate, which is librdkafka 2.12: what the other clients do, and a member that lives through a restart.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::{ClientContext, TopicPartitionList};

use crate::served::Served;

const TOPIC: &str = "shop.public.orders";

fn consumer(served: &Served, more: &[(&str, &str)]) -> BaseConsumer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", served.address.to_string()).set("group.id", "rdkafka-group");
    config.set("enable.auto.commit", "false").set("auto.offset.reset", "earliest");
    config.set("reconnect.backoff.max.ms", "200");
    for (key, value) in more {
        config.set(*key, *value);
    }
    config.create().unwrap()
}

/// The numbers of the next `count` records, each of which must come once.
fn read(consumer: &BaseConsumer, count: usize) -> BTreeSet<usize> {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut numbers = BTreeSet::new();
    while numbers.len() < count {
        assert!(Instant::now() < deadline, "only {} of {count} records came", numbers.len());
        // Errors are lost connections while the server restarts.
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
        let number = std::str::from_utf8(message.key().unwrap()).unwrap()[1..].parse().unwrap();
        assert!(numbers.insert(number), "record {number} came twice");
    }
    numbers
}

#[test]
fn librdkafka_reads_all_and_continues_in_its_group() {
    let served = Served::start();
    served.write(TOPIC, 2, 0, 60);
    let group = consumer(&served, &[]);
    group.subscribe(&[TOPIC]).unwrap();
    assert_eq!(read(&group, 60), (0..60).collect());
    group.commit_consumer_state(CommitMode::Sync).unwrap();
    drop(group);
    served.write(TOPIC, 2, 60, 40);
    let served = served.restart();
    let group = consumer(&served, &[("isolation.level", "read_committed")]);
    group.subscribe(&[TOPIC]).unwrap();
    assert_eq!(read(&group, 40), (60..100).collect());
}

#[test]
fn a_member_lives_through_a_restart_and_misses_and_repeats_nothing() {
    let mut served = Served::start();
    served.write(TOPIC, 2, 0, 10);
    let member = consumer(&served, &[("session.timeout.ms", "10000")]);
    member.subscribe(&[TOPIC]).unwrap();
    assert_eq!(read(&member, 10), (0..10).collect());
    for round in 1..4 {
        served = served.restart();
        served.write(TOPIC, 2, round * 10, 10);
        assert_eq!(read(&member, 10), (round * 10..round * 10 + 10).collect());
    }
}

#[test]
fn two_members_share_the_partitions_and_one_takes_over_when_the_other_leaves() {
    let served = Served::start();
    served.write(TOPIC, 4, 0, 1);
    let members = [consumer(&served, &[]), consumer(&served, &[])];
    for member in &members {
        member.subscribe(&[TOPIC]).unwrap();
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    let owned = |member: &BaseConsumer| {
        let _ = member.poll(Duration::from_millis(50));
        member.assignment().map_or(0, |assignment: TopicPartitionList| assignment.count())
    };
    while [owned(&members[0]), owned(&members[1])] != [2, 2] {
        assert!(Instant::now() < deadline, "the partitions were not shared");
    }
    let [stays, leaves] = members;
    drop(leaves);
    while owned(&stays) != 4 {
        assert!(Instant::now() < deadline, "the partitions were not taken over");
    }
}

struct Failure(std::sync::Mutex<Option<String>>);

impl ClientContext for Failure {}

impl ProducerContext for Failure {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        *self.0.lock().unwrap() = Some(result.as_ref().map_or_else(|(error, _)| error.to_string(), |_| "it was taken".into()));
    }
}

#[test]
fn a_producer_is_refused_at_once() {
    let served = Served::start();
    served.write(TOPIC, 1, 0, 1);
    let producer: BaseProducer<Failure> = ClientConfig::new()
        .set("bootstrap.servers", served.address.to_string())
        .set("compression.type", "lz4")
        .create_with_context(Failure(std::sync::Mutex::new(None)))
        .unwrap();
    producer.send(BaseRecord::to(TOPIC).key("k").payload("v")).map_err(|(error, _)| error).unwrap();
    producer.flush(Duration::from_secs(20)).unwrap();
    let told = producer.context().0.lock().unwrap().take().unwrap();
    assert!(told.contains("Topic authorization failed"), "{told}");
}
