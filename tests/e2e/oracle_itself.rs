//! Who checks the check? Single mutations of a true record of events must be found, every one of them.

use crate::oracle::check::{Streams, Truth, check};
use crate::oracle::event::{Event, Op};
use crate::oracle::workload::{Load, Pace};
use crate::oracle::{SETUP, reference};
use crate::support::postgres::{fresh_database, shared_server};
use crate::support::random::Random;

/// How many mutations of each sort.
const TRIES: u64 = 60;

#[test]
fn the_oracle_accepts_the_truth_and_finds_every_single_drop_duplicate_and_swap() {
    let Some(server) = shared_server() else { return };
    let database = fresh_database(server, "oracle");
    let sql = database.sql();
    sql.run(SETUP);
    reference::watch(&sql, "reference");
    let seed = Random::seed(1);
    Load::start(&database, seed, Pace { writers: 4, transactions: 150, pause: std::time::Duration::ZERO }).join();
    let (streams, truth) = (reference::read(&sql, "reference"), Truth::read(&sql));
    sql.run("select pg_drop_replication_slot('reference')");

    let events: usize = streams.values().map(Vec::len).sum();
    println!("{} transactions, {events} events", truth.transactions());
    assert!(truth.transactions() > 400, "the load ran");
    assert_eq!(check(&streams, &truth), Vec::<String>::new(), "the truth is accepted");

    let mut random = Random::new(seed);
    for (name, mutate) in
        [("drop", drop_one as Mutation), ("duplicate", duplicate_one), ("swap", swap_two), ("swap transactions", swap_neighbours)]
    {
        let mut missed = Vec::new();
        for _ in 0..TRIES {
            let mut changed = streams.clone();
            let what = mutate(&mut changed, &mut random);
            if check(&changed, &truth).is_empty() {
                missed.push(what);
            }
        }
        println!("{name}: {} of {TRIES} found", TRIES - missed.len() as u64);
        assert!(missed.is_empty(), "{name} not found: {missed:?}");
    }
}

/// Changes one thing and says what.
type Mutation = fn(&mut Streams, &mut Random) -> String;

fn pick<'a>(streams: &'a mut Streams, random: &mut Random) -> (&'a mut Vec<Event>, usize) {
    // By event, not by stream: a big stream is where most losses would be.
    let whole: usize = streams.values().map(Vec::len).sum();
    let mut at = random.among(0..whole as u64) as usize;
    for stream in streams.values_mut() {
        if at < stream.len() {
            return (stream, at);
        }
        at -= stream.len();
    }
    unreachable!("the event is in one of them")
}

fn drop_one(streams: &mut Streams, random: &mut Random) -> String {
    let (stream, at) = pick(streams, random);
    format!("{at}: {:?}", stream.remove(at))
}

fn duplicate_one(streams: &mut Streams, random: &mut Random) -> String {
    let (stream, at) = pick(streams, random);
    let event = stream[at].clone();
    let to = (at + random.among(1..400) as usize).min(stream.len());
    stream.insert(to, event.clone());
    format!("{at} again at {to}: {event:?}")
}

/// Two events of one key change places.
fn swap_two(streams: &mut Streams, random: &mut Random) -> String {
    loop {
        let (stream, at) = pick(streams, random);
        let same = |event: &Event| event.key == stream[at].key && event != &stream[at] && event.op != Op::Tombstone;
        if stream[at].key.is_none() || stream[at].op == Op::Tombstone {
            continue;
        }
        if let Some(other) = (at + 1..stream.len()).find(|other| same(&stream[*other])) {
            stream.swap(at, other);
            return format!("{at} and {other}: {:?}", stream[at]);
        }
    }
}

/// Two neighbours of different transactions in one topic change places: no key need be touched by both. Not in the
/// journal's topic, which is the order itself; that one is compared with the reference, event for event.
fn swap_neighbours(streams: &mut Streams, random: &mut Random) -> String {
    loop {
        let journal = streams.get(&("journal", 0)).map(Vec::len);
        let (stream, at) = pick(streams, random);
        let Some([one, two]) = stream.get(at..at + 2) else { continue };
        if Some(stream.len()) != journal && one.xid.is_some() && two.xid.is_some() && one.xid != two.xid {
            stream.swap(at, at + 1);
            return format!("{at}: {:?}", stream[at]);
        }
    }
}
