//! Which record is sent next: order per key, records that wait for another try, and how far everything is done.
//!
//! Owns the records that were read and are not done with. A lane is what is in order: the records of one key, or a whole topic. Promises:
//! - of a lane one record is under way at a time, the oldest; a record that waits for another try holds up its lane and no other;
//! - what is held is bounded in records and bytes, and in records that wait: beyond, [`Lanes::has_room`] says that reading stops;
//! - [`Lanes::lowest`] is passed by no record that is neither done nor stored as waiting: a restart from there loses nothing.
//!
//! It computes only: no clock, no file, no socket. `super::dispatch` asks it and tells it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, VecDeque};

use bytes::Bytes;

use super::answer::Progress;
use crate::record::fnv::Fnv;

/// Where a record is: the partition by its number among the subscription's, and the offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At {
    /// The partition's number among those that are read.
    pub place: u32,
    /// The record's offset in it.
    pub offset: u64,
}

/// What is in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The records of one key.
    Key,
    /// All records of a topic.
    Topic,
}

/// How much is held.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Records that are neither done nor stored as waiting.
    pub records: usize,
    /// Bytes of bodies.
    pub bytes: usize,
    /// Records that wait for another try, or behind one that does.
    pub waiting: usize,
}

/// What is held of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// The request's body.
    pub body: Bytes,
    /// The record's key, to be shown.
    pub key: Option<Bytes>,
}

impl Payload {
    fn len(&self) -> usize {
        self.body.len() + self.key.as_ref().map_or(0, Bytes::len)
    }
}

/// A record that is to be sent now.
#[derive(Clone, Debug)]
pub struct Job {
    /// Where it is.
    pub at: At,
    /// Its lane.
    pub lane: u64,
    /// What is sent; `None`: to be made again from the log.
    pub payload: Option<Payload>,
    /// Its tries so far.
    pub progress: Progress,
}

/// A record that waits, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Where it is.
    pub at: At,
    /// Its lane.
    pub lane: u64,
    /// Its tries so far.
    pub progress: Progress,
    /// When it is tried again, milliseconds since 1970; 0: when those before it are done.
    pub next_at_ms: u64,
}

#[derive(Debug)]
struct Entry {
    at: At,
    payload: Option<Payload>,
    progress: Progress,
    next_at_ms: u64,
    /// There is a stored form of it.
    stored: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Its oldest record may be sent.
    Ready,
    /// Its oldest record is under way.
    Flying,
    /// Its oldest record waits until then.
    Until(u64),
}

#[derive(Debug)]
struct Lane {
    entries: VecDeque<Entry>,
    state: State,
}

/// See the module.
#[derive(Debug)]
pub struct Lanes {
    order: Order,
    limits: Limits,
    lanes: HashMap<u64, Lane>,
    ready: VecDeque<u64>,
    due: BinaryHeap<Reverse<(u64, u64)>>,
    /// Every record that is held, and its lane.
    known: BTreeMap<At, u64>,
    /// Those of them that a restart must read again.
    holding: BTreeSet<At>,
    /// Those whose stored form is missing or old.
    unsaved: BTreeSet<At>,
    /// Done, but still stored.
    forget: Vec<At>,
    bytes: usize,
}

impl Lanes {
    /// Nothing is held.
    pub fn new(order: Order, limits: Limits) -> Self {
        Self {
            order,
            limits,
            lanes: HashMap::new(),
            ready: VecDeque::new(),
            due: BinaryHeap::new(),
            known: BTreeMap::new(),
            holding: BTreeSet::new(),
            unsaved: BTreeSet::new(),
            forget: Vec::new(),
            bytes: 0,
        }
    }

    /// Whether more may be read.
    pub fn has_room(&self) -> bool {
        self.holding.len() < self.limits.records && self.bytes < self.limits.bytes && self.waiting() < self.limits.waiting
    }

    /// Whether more may be asked for once more ([`Lanes::again`]).
    pub fn has_room_again(&self) -> bool {
        self.known.len() < self.limits.records + self.limits.waiting && self.bytes < self.limits.bytes
    }

    /// Records that are held at all.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Nothing is held.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Records that wait for another try, or behind one that does.
    pub fn waiting(&self) -> usize {
        self.known.len() - self.holding.len() + self.unsaved.len()
    }

    /// A record that was read for the first time since the start. One that is held already stays as it is: it waits, or was asked for
    /// once more; then a restart must read it from now on.
    pub fn push(&mut self, at: At, lane: u64, payload: Payload) {
        if self.known.contains_key(&at) {
            if self.entry(at).is_none_or(|(_, entry)| entry.stored) {
                return;
            }
            self.holding.insert(at);
        } else {
            self.holding.insert(at);
            self.enter(lane, Entry { at, payload: Some(payload), progress: Progress::default(), next_at_ms: 0, stored: false });
        }
        if self.order == Order::Key && self.is_held_up(lane) {
            self.unsaved.insert(at);
        }
    }

    /// A record that is sent once more because somebody asked for it: no position waits for it. One that is held is tried now.
    pub fn again(&mut self, at: At, lane: u64, payload: Payload) {
        if self.known.contains_key(&at) {
            self.hurry(at);
            return;
        }
        self.enter(lane, Entry { at, payload: Some(payload), progress: Progress::default(), next_at_ms: 0, stored: false });
    }

    /// A record that waited when the process ended. They come in the order of their offsets, before anything is read.
    pub fn restore(&mut self, waiting: Waiting) {
        let Waiting { at, lane, progress, next_at_ms } = waiting;
        if self.known.contains_key(&at) {
            return;
        }
        self.enter(lane, Entry { at, payload: None, progress, next_at_ms, stored: true });
        // Alone in its lane: it may have to wait.
        if self.lanes.get(&lane).is_some_and(|lane| lane.entries.len() == 1) && next_at_ms > 0 {
            self.wait_until(lane, next_at_ms);
        }
    }

    fn enter(&mut self, lane: u64, entry: Entry) {
        self.bytes += entry.payload.as_ref().map_or(0, Payload::len);
        self.known.insert(entry.at, lane);
        match self.lanes.get_mut(&lane) {
            Some(known) => known.entries.push_back(entry),
            None => {
                self.lanes.insert(lane, Lane { entries: VecDeque::from([entry]), state: State::Ready });
                self.ready.push_back(lane);
            }
        }
    }

    /// The oldest record of the lane has failed before.
    fn is_held_up(&self, lane: u64) -> bool {
        self.lanes.get(&lane).and_then(|lane| lane.entries.front()).is_some_and(|entry| entry.progress.tries > 0)
    }

    fn wait_until(&mut self, lane: u64, until_ms: u64) {
        if let Some(known) = self.lanes.get_mut(&lane) {
            known.state = State::Until(until_ms);
            self.due.push(Reverse((until_ms, lane)));
        }
    }

    /// Tries a record that waits now, if it is the oldest of its lane and nothing of it is under way.
    pub fn hurry(&mut self, at: At) {
        let Some(lane) = self.known.get(&at) else { return };
        if let Some(known) = self.lanes.get_mut(lane)
            && matches!(known.state, State::Until(_))
        {
            known.state = State::Ready;
            self.ready.push_back(*lane);
        }
    }

    /// Tries what waits in a range of a partition now; how many records those are.
    pub fn hurry_range(&mut self, place: u32, from: u64, until: u64) -> usize {
        if from >= until {
            return 0;
        }
        let waiting: Vec<At> = self.known.range(At { place, offset: from }..At { place, offset: until }).map(|(at, _)| *at).collect();
        let is_first = |lanes: &Self, at: At| {
            let lane = lanes.known.get(&at).and_then(|name| lanes.lanes.get(name));
            lane.is_some_and(|lane| matches!(lane.state, State::Until(_)) && lane.entries.front().is_some_and(|entry| entry.at == at))
        };
        let waiting: Vec<At> = waiting.into_iter().filter(|at| is_first(self, *at)).collect();
        waiting.iter().for_each(|at| self.hurry(*at));
        waiting.len()
    }

    /// The next record to send, and its lane is under way.
    pub fn next(&mut self, now_ms: u64) -> Option<Job> {
        while let Some(Reverse((until, lane))) = self.due.peek().copied() {
            if until > now_ms {
                break;
            }
            self.due.pop();
            if let Some(known) = self.lanes.get_mut(&lane)
                && known.state == State::Until(until)
            {
                known.state = State::Ready;
                self.ready.push_back(lane);
            }
        }
        while let Some(name) = self.ready.pop_front() {
            // A lane that was dropped meanwhile, or hurried twice.
            let Some(lane) = self.lanes.get_mut(&name).filter(|lane| lane.state == State::Ready) else { continue };
            let Some(entry) = lane.entries.front() else { continue };
            lane.state = State::Flying;
            return Some(Job { at: entry.at, lane: name, payload: entry.payload.clone(), progress: entry.progress });
        }
        None
    }

    /// When the next record that waits is due.
    pub fn next_due_ms(&self) -> Option<u64> {
        if self.ready.is_empty() { self.due.peek().map(|Reverse((until, _))| *until) } else { Some(0) }
    }

    /// The record is done with: delivered, or in the dead-letter topic. The next of its lane may go.
    pub fn done(&mut self, at: At) {
        let Some(name) = self.known.get(&at).copied() else { return };
        let Some(lane) = self.lanes.get_mut(&name) else { return };
        let front = lane.entries.front().is_some_and(|entry| entry.at == at);
        assert!(front, "only the oldest record of a lane is under way");
        if let Some(entry) = lane.entries.pop_front() {
            self.leave(&entry);
        }
        self.open(name);
    }

    fn leave(&mut self, entry: &Entry) {
        self.bytes -= entry.payload.as_ref().map_or(0, Payload::len);
        self.known.remove(&entry.at);
        self.holding.remove(&entry.at);
        self.unsaved.remove(&entry.at);
        if entry.stored {
            self.forget.push(entry.at);
        }
    }

    /// The next record of a lane may go, if there is one.
    fn open(&mut self, name: u64) {
        let Some(lane) = self.lanes.get_mut(&name) else { return };
        // What is read later is stored behind it: what was read before must not be left out, or it would come later after a crash.
        if self.order == Order::Key && lane.entries.front().is_some_and(|entry| entry.progress.tries > 0) {
            self.unsaved.extend(lane.entries.iter().skip(1).filter(|entry| !entry.stored).map(|entry| entry.at));
        }
        match lane.entries.front().map(|entry| entry.next_at_ms) {
            None => {
                self.lanes.remove(&name);
            }
            Some(0) => {
                lane.state = State::Ready;
                self.ready.push_back(name);
            }
            Some(until) => self.wait_until(name, until),
        }
    }

    /// The record has failed and waits. In the order of keys, those behind it wait with it and need not be held: they are stored.
    pub fn failed(&mut self, at: At, progress: Progress, next_at_ms: u64) {
        let Some(name) = self.known.get(&at).copied() else { return };
        let Some(lane) = self.lanes.get_mut(&name) else { return };
        let Some(entry) = lane.entries.front_mut().filter(|entry| entry.at == at) else { return };
        (entry.progress, entry.next_at_ms) = (progress, next_at_ms);
        self.unsaved.insert(at);
        if self.order == Order::Key {
            for entry in lane.entries.iter().skip(1).filter(|entry| !entry.stored) {
                self.unsaved.insert(entry.at);
            }
        }
        self.wait_until(name, next_at_ms);
    }

    /// The record was not tried after all; it is tried then.
    pub fn put_back(&mut self, at: At, until_ms: u64) {
        if let Some(name) = self.known.get(&at).copied() {
            self.wait_until(name, until_ms);
        }
    }

    /// What is to be stored now, up to so many; [`Lanes::saved`] or [`Lanes::not_saved`] follows.
    pub fn take_unsaved(&mut self, max: usize) -> Vec<Waiting> {
        let mut out = Vec::new();
        while let Some(at) = self.unsaved.first().copied().filter(|_| out.len() < max) {
            self.unsaved.remove(&at);
            let Some((lane, entry)) = self.entry(at) else { continue };
            let (stored, progress, next_at_ms) = (entry.stored, entry.progress, entry.next_at_ms);
            out.push(Waiting { at, lane, progress, next_at_ms });
            // Until it is stored it is held, also when it was asked for once more. One with an older form is safe with that.
            if !stored {
                self.holding.insert(at);
            }
        }
        out
    }

    fn entry(&mut self, at: At) -> Option<(u64, &mut Entry)> {
        let name = *self.known.get(&at)?;
        let lane = self.lanes.get_mut(&name)?;
        lane.entries.iter_mut().find(|entry| entry.at == at).map(|entry| (name, entry))
    }

    /// These are stored: no position waits for them any more, and their bodies are made again when they are needed.
    pub fn saved(&mut self, saved: &[Waiting]) {
        for waiting in saved {
            let at = waiting.at;
            let Some((_, entry)) = self.entry(at) else {
                // Done meanwhile.
                self.forget.push(at);
                continue;
            };
            entry.stored = true;
            let freed = entry.payload.take().map_or(0, |payload| payload.len());
            self.bytes -= freed;
            self.holding.remove(&at);
        }
    }

    /// These could not be stored; they are told again.
    pub fn not_saved(&mut self, failed: &[Waiting]) {
        for waiting in failed.iter().filter(|waiting| self.known.contains_key(&waiting.at)) {
            self.unsaved.insert(waiting.at);
        }
    }

    /// Records that are done and still stored; whoever takes them removes them.
    pub fn take_forgotten(&mut self) -> Vec<At> {
        std::mem::take(&mut self.forget)
    }

    /// These could not be removed from what is stored; they are told again.
    pub fn not_forgotten(&mut self, mut again: Vec<At>) {
        self.forget.append(&mut again);
    }

    /// Whether there is something to store or to remove.
    pub fn has_news(&self) -> bool {
        !self.unsaved.is_empty() || !self.forget.is_empty()
    }

    /// From where a restart must read a partition again, of which everything before `next` was read: the oldest record that is neither
    /// done nor stored, and never more than was read.
    pub fn lowest(&self, place: u32, next: u64) -> u64 {
        let (from, to) = (At { place, offset: 0 }, At { place, offset: u64::MAX });
        self.holding.range(from..=to).next().map_or(next, |at| at.offset.min(next))
    }

    /// Forgets a partition whose topic is gone. What of it is under way is done when it comes back, and nobody minds.
    pub fn drop_place(&mut self, place: u32) {
        let (from, to) = (At { place, offset: 0 }, At { place, offset: u64::MAX });
        let gone: Vec<(At, u64)> = self.known.range(from..=to).map(|(at, lane)| (*at, *lane)).collect();
        for (at, name) in gone {
            let Some(lane) = self.lanes.get_mut(&name) else { continue };
            let Some(index) = lane.entries.iter().position(|entry| entry.at == at) else { continue };
            // What is under way stays until it comes back.
            if index == 0 && lane.state == State::Flying {
                continue;
            }
            if let Some(entry) = lane.entries.remove(index) {
                self.leave(&entry);
            }
            if index == 0 {
                self.open(name);
            }
        }
    }
}

/// The lane of a key: the same over restarts, because it is stored. Two keys that share one are only in order with one another.
pub fn lane_of(topic: &str, key: &[u8]) -> u64 {
    Fnv::of(topic.bytes().chain([0]).chain(key.iter().copied()))
}

/// The lane of a record that has no key: its own.
pub fn lane_of_one(topic: &str, partition: u32, offset: u64) -> u64 {
    let mut bytes = [0xff; 13];
    for (into, from) in bytes.iter_mut().skip(1).zip(partition.to_be_bytes().into_iter().chain(offset.to_be_bytes())) {
        *into = from;
    }
    lane_of(topic, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits { records: 100, bytes: 1000, waiting: 50 };

    fn at(offset: u64) -> At {
        At { place: 0, offset }
    }

    fn tried(tries: u32) -> Progress {
        Progress { tries, counted: tries }
    }

    fn body() -> Payload {
        Payload { body: Bytes::from_static(b"01234567"), key: Some(Bytes::from_static(b"ab")) }
    }

    fn sent(lanes: &mut Lanes, now: u64) -> Vec<u64> {
        std::iter::from_fn(|| lanes.next(now)).map(|job| job.at.offset).collect()
    }

    #[test]
    fn a_key_that_fails_holds_up_only_itself() {
        let mut lanes = Lanes::new(Order::Key, LIMITS);
        for (offset, lane) in [(0, 1), (1, 2), (2, 1), (3, 3)] {
            lanes.push(at(offset), lane, body());
        }
        assert_eq!(sent(&mut lanes, 0), [0, 1, 3]);
        lanes.failed(at(0), tried(1), 5_000);
        lanes.done(at(1));
        lanes.push(at(4), 2, body());
        lanes.push(at(5), 1, body());
        assert_eq!(sent(&mut lanes, 4_999), [4]);
        assert_eq!(lanes.next_due_ms(), Some(5_000));
        assert_eq!(sent(&mut lanes, 5_000), [0]);
        lanes.done(at(0));
        assert_eq!(sent(&mut lanes, 5_000), [2]);
        lanes.done(at(2));
        assert_eq!(sent(&mut lanes, 5_000), [5]);
    }

    #[test]
    fn the_position_passes_what_waits_once_it_is_stored() {
        let mut lanes = Lanes::new(Order::Key, LIMITS);
        for (offset, lane) in [(0, 1), (1, 1), (2, 2)] {
            lanes.push(at(offset), lane, body());
        }
        assert_eq!(sent(&mut lanes, 0), [0, 2]);
        lanes.failed(at(0), tried(1), 5_000);
        assert_eq!(lanes.lowest(0, 9), 0);
        let unsaved = lanes.take_unsaved(10);
        assert_eq!(unsaved.iter().map(|waiting| (waiting.at.offset, waiting.next_at_ms)).collect::<Vec<_>>(), [(0, 5_000), (1, 0)]);
        assert_eq!(lanes.lowest(0, 9), 0);
        lanes.saved(&unsaved);
        assert_eq!(lanes.lowest(0, 9), 2);
        lanes.done(at(2));
        assert_eq!((lanes.lowest(0, 9), lanes.waiting(), lanes.bytes), (9, 2, 0));

        // The next process.
        let mut next = Lanes::new(Order::Key, LIMITS);
        unsaved.iter().for_each(|waiting| next.restore(*waiting));
        next.push(at(3), 1, body());
        assert!(sent(&mut next, 4_999).is_empty());
        let job = next.next(5_000).unwrap();
        assert_eq!((job.at, job.payload, job.progress), (at(0), None, tried(1)));
        next.done(at(0));
        assert_eq!(next.take_forgotten(), [at(0)]);
        assert_eq!(next.next(5_000).unwrap().at, at(1));
        next.done(at(1));
        assert_eq!((sent(&mut next, 5_000), next.take_forgotten()), (vec![3], vec![at(1)]));
    }

    #[test]
    fn a_topic_in_order_sends_one_at_a_time_and_stores_only_the_one_that_failed() {
        let mut lanes = Lanes::new(Order::Topic, LIMITS);
        (0..3).for_each(|offset| lanes.push(at(offset), 7, body()));
        assert_eq!(sent(&mut lanes, 0), [0]);
        lanes.failed(at(0), tried(1), 10);
        let unsaved = lanes.take_unsaved(10);
        assert_eq!(unsaved.len(), 1);
        lanes.saved(&unsaved);
        assert_eq!(lanes.lowest(0, 9), 1);
        assert_eq!(sent(&mut lanes, 9), [] as [u64; 0]);
        assert_eq!(sent(&mut lanes, 10), [0]);
    }

    #[test]
    fn reading_stops_at_each_limit() {
        let mut lanes = Lanes::new(Order::Key, Limits { records: 3, ..LIMITS });
        (0..3).for_each(|offset| lanes.push(at(offset), offset, body()));
        assert!(!lanes.has_room());
        let mut lanes = Lanes::new(Order::Key, Limits { bytes: 20, ..LIMITS });
        (0..2).for_each(|offset| lanes.push(at(offset), offset, body()));
        assert!(!lanes.has_room());
        let mut lanes = Lanes::new(Order::Key, Limits { waiting: 2, ..LIMITS });
        lanes.push(at(0), 1, body());
        lanes.next(0);
        lanes.failed(at(0), tried(1), 10);
        assert!(lanes.has_room());
        lanes.push(at(1), 1, body());
        assert!(!lanes.has_room());
        let unsaved = lanes.take_unsaved(10);
        lanes.saved(&unsaved);
        assert!(!lanes.has_room());
    }

    #[test]
    fn a_record_done_while_it_was_being_stored_is_forgotten() {
        let mut lanes = Lanes::new(Order::Key, LIMITS);
        lanes.push(at(0), 1, body());
        lanes.next(0);
        lanes.failed(at(0), tried(1), 1);
        let unsaved = lanes.take_unsaved(10);
        lanes.next(1);
        lanes.done(at(0));
        lanes.saved(&unsaved);
        assert_eq!(lanes.take_forgotten(), [at(0)]);
        assert!(lanes.is_empty());
    }

    #[test]
    fn what_is_asked_for_again_holds_no_position_and_hurries_what_waits() {
        let mut lanes = Lanes::new(Order::Key, LIMITS);
        lanes.again(at(5), 1, body());
        assert_eq!((lanes.lowest(0, 9), sent(&mut lanes, 0)), (9, vec![5]));
        lanes.failed(at(5), tried(1), 1_000);
        lanes.again(at(5), 1, body());
        assert_eq!(sent(&mut lanes, 1), [5]);
        lanes.done(at(5));
        assert!(lanes.is_empty() && sent(&mut lanes, 2_000).is_empty());
    }

    /// What the model below found first: the place passed what had not been read again yet.
    #[test]
    fn a_record_that_waits_ahead_of_the_reader_does_not_move_the_place() {
        let mut lanes = Lanes::new(Order::Key, LIMITS);
        lanes.restore(Waiting { at: at(7), lane: 1, progress: tried(1), next_at_ms: 1 });
        lanes.next(1);
        lanes.failed(at(7), tried(2), 2);
        let unsaved = lanes.take_unsaved(10);
        assert_eq!(lanes.lowest(0, 3), 3);
        lanes.not_saved(&unsaved);
        assert_eq!(lanes.lowest(0, 3), 3);
        // Asked for once more, then read for the first time: from now on the place waits for it.
        let mut lanes = Lanes::new(Order::Key, LIMITS);
        lanes.again(at(4), 1, body());
        lanes.push(at(4), 1, body());
        assert_eq!((lanes.len(), lanes.lowest(0, 5)), (1, 4));
    }

    #[test]
    fn a_topic_that_is_gone_holds_nothing() {
        let mut lanes = Lanes::new(Order::Key, LIMITS);
        (0..4).for_each(|offset| lanes.push(at(offset), offset % 2, body()));
        lanes.push(At { place: 1, offset: 0 }, 9, body());
        let flying = lanes.next(0).unwrap();
        lanes.drop_place(0);
        assert_eq!(sent(&mut lanes, 0), [0]);
        lanes.done(flying.at);
        assert_eq!((lanes.len(), lanes.lowest(0, 9), lanes.bytes), (1, 9, 10));
    }

    #[test]
    fn lanes_are_the_same_for_ever() {
        assert_eq!(lane_of("a", b"b"), 0xe5d2_9919_0426_66b2);
        assert_ne!(lane_of("a", b"b"), lane_of("ab", b""));
        assert_ne!(lane_of_one("a", 0, 1), lane_of_one("a", 1, 0));
    }

    proptest! {
        /// Any run of tries, failures, stores and crashes: every record is delivered, and those of a key in order.
        #[test]
        fn nothing_is_lost_and_keys_stay_in_order(steps in proptest::collection::vec((0u8..9, any::<u16>()), 1..400), keys in 1u64..6) {
            const TOTAL: u64 = 60;
            let limits = Limits { records: 10, bytes: 10_000, waiting: 12 };
            let (mut lanes, mut read, mut committed) = (Lanes::new(Order::Key, limits), 0u64, 0u64);
            let mut stored: BTreeMap<At, Waiting> = BTreeMap::new();
            let mut flying: Vec<Job> = Vec::new();
            let mut first: HashMap<u64, u64> = HashMap::new();
            let mut done: BTreeSet<u64> = BTreeSet::new();
            let mut now = 0u64;
            let ends = std::iter::repeat_n([(0, 0), (1, 0), (2, 0), (5, 9), (4, 0)], 400).flatten();
            for (step, pick) in steps.into_iter().chain(ends) {
                match step {
                    0 if lanes.has_room() && read < TOTAL => {
                        lanes.push(at(read), read % keys, body());
                        read += 1;
                    },
                    1 => flying.extend(lanes.next(now)),
                    2 | 3 if !flying.is_empty() => {
                        let job = flying.swap_remove(usize::from(pick) % flying.len());
                        let offset = job.at.offset;
                        if step == 2 {
                            // A key's records are first delivered in order; what comes again after a crash was delivered before.
                            if done.insert(offset) {
                                let newest = first.insert(job.lane, offset);
                                prop_assert!(newest.is_none_or(|newest| newest < offset), "{newest:?} before {offset}");
                            }
                            lanes.done(job.at);
                        } else {
                            lanes.failed(job.at, tried(job.progress.tries + 1), now + u64::from(pick) % 20);
                        }
                    },
                    4 => {
                        let unsaved = lanes.take_unsaved(1 + usize::from(pick) % 5);
                        if pick % 7 == 6 { lanes.not_saved(&unsaved) } else {
                            stored.extend(unsaved.iter().map(|waiting| (waiting.at, *waiting)));
                            lanes.saved(&unsaved);
                        }
                        for at in lanes.take_forgotten() { stored.remove(&at); }
                        committed = committed.max(lanes.lowest(0, read));
                    },
                    5 => now += u64::from(pick) % 50,
                    6 if pick % 5 == 0 => {
                        flying.clear();
                        lanes = Lanes::new(Order::Key, limits);
                        read = committed;
                        stored.values().for_each(|waiting| lanes.restore(*waiting));
                    },
                    7 if read > 0 && pick % 3 == 0 && lanes.has_room_again() => {
                        let offset = u64::from(pick) % read;
                        lanes.again(at(offset), offset % keys, body());
                    },
                    _ => {}
                }
                prop_assert!(lanes.len() <= 2 * (10 + 12) + 1);
                prop_assert_eq!(lanes.bytes, lanes.lanes.values().flat_map(|lane| &lane.entries).filter_map(|entry| entry.payload.as_ref()).map(Payload::len).sum::<usize>());
            }
            prop_assert_eq!(done.len() as u64, TOTAL);
            prop_assert!(lanes.is_empty());
        }
    }
}
