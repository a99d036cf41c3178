//! The end of the log, read once for all who are there.
//!
//! Owns the channels that have subscribers, and reads what becomes durable in their topics. Promises that each record
//! is read and taken apart once however many see it, that a filter which asks for one value of a column is found by that value and
//! costs nothing for other records, that an event is encoded once for all who see it alike, and that capture does not wait for it: it
//! rests after each pass, longer after a long one, which also makes larger pages for many subscribers, and a flood is read by a thread
//! that gets what others leave of the processors. While nobody listens it reads nothing.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc, watch};

use super::channel::Channel;
use super::index::Index;
use super::page::Press;
use super::subscriber::Subscriber;
use crate::event::Event;
use crate::log::builtin::BuiltinLog;
use crate::log::topic::TopicInfo;
use crate::record::TopicIndex;
use crate::record::view::batches;

/// How much others come before the thread that reads a lot at once.
const NICE: i32 = 15;
/// One read of a partition.
const READ_BYTES: usize = 128 << 10;
/// Reads of a partition in one pass.
const READS_MAX: usize = 4;
/// It rests so many times as long as the pass took.
const REST: u32 = 2;
/// And no longer than this.
const REST_MAX: Duration = Duration::from_millis(5);
/// How often is said how far it is.
const MARK_EVERY: Duration = Duration::from_secs(1);
/// A pass that took less needs no rest.
const SHORT: Duration = Duration::from_micros(300);

/// What the thread is told.
#[derive(Default)]
struct Inbox {
    joining: Vec<Arc<Subscriber>>,
    /// Channels that somebody left.
    left: Vec<Arc<Channel>>,
}

/// The thread, as others see it.
#[derive(Default)]
pub struct Tail {
    // Each subscriber is in it twice at most.
    inbox: Mutex<Inbox>,
    told: Notify,
}

impl Tail {
    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a subscriber into its channel, when that is where it is.
    pub fn join(&self, subscriber: &Arc<Subscriber>) {
        self.inbox().joining.push(Arc::clone(subscriber));
        self.told.notify_one();
    }

    /// A subscriber is over.
    pub fn leave(&self, channel: &Arc<Channel>) {
        self.inbox().left.push(Arc::clone(channel));
        self.told.notify_one();
    }

    /// Starts the threads. They end when `stop` says true.
    pub fn start(self: &Arc<Self>, log: BuiltinLog, stop: watch::Receiver<bool>) -> std::io::Result<()> {
        let reading = Box::new(Reading::new(Arc::clone(self), log));
        let ((to_quick, quick), (to_patient, patient)) = (mpsc::channel(1), mpsc::channel(1));
        // There is room: it is the only thing that is handed over.
        drop(to_quick.try_send(reading));
        let of_patient = stop.clone();
        std::thread::Builder::new().name("rowfeed-tail".into()).spawn(move || work(quick, &to_patient, stop, Reading::keep_up))?;
        let patiently = move || {
            be_nice();
            work(patient, &to_quick, of_patient, Reading::catch_up);
        };
        std::thread::Builder::new().name("rowfeed-tail-2".into()).spawn(patiently).map(drop)
    }
}

/// Does a part of the work whenever it is handed over, and hands it back; until there is nothing more to do.
fn work<F>(
    mut from: mpsc::Receiver<Box<Reading>>,
    to: &mpsc::Sender<Box<Reading>>,
    stop: watch::Receiver<bool>,
    part: impl Fn(Box<Reading>, watch::Receiver<bool>) -> F,
) where
    F: Future<Output = Option<Box<Reading>>>,
{
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_time().max_blocking_threads(2).build() {
        Ok(runtime) => runtime,
        Err(error) => return tracing::error!("live streams cannot be served: {error}"),
    };
    runtime.block_on(async {
        while let Some(reading) = from.recv().await {
            let Some(reading) = part(reading, stop.clone()).await else { return };
            if to.send(reading).await.is_err() {
                return;
            }
        }
    });
}

/// This thread takes what others leave over.
#[expect(unsafe_code, reason = "the standard library knows no priorities of threads")]
fn be_nice() {
    // SAFETY: the call takes numbers and touches no memory of ours. Linux means the calling thread by 0; where it is refused, all stays as it
    // was.
    let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
}

/// A topic that somebody listens to.
struct Room {
    topic: Arc<TopicInfo>,
    /// Where its partitions are among the places.
    base: usize,
    index: Index,
    channels: usize,
}

/// Where partitions of a topic are that is gone.
const NOWHERE: usize = usize::MAX;

/// A channel with subscribers.
struct Live {
    channel: Arc<Channel>,
    /// Where its partitions are among the places; [`NOWHERE`] of topics that are gone.
    at: Vec<usize>,
    /// The topics whose rooms it is in.
    topics: Vec<TopicIndex>,
    press: Press,
    touched: bool,
    subscribers: Vec<Arc<Subscriber>>,
    waiting: Vec<Arc<Subscriber>>,
}

impl Live {
    fn places(&self, places: &[u64]) -> Arc<[u64]> {
        self.at.iter().map(|at| places.get(*at).copied().unwrap_or(0)).collect()
    }

    /// Those who say so stay.
    fn keep(&mut self, stays: impl Fn(&Subscriber) -> bool) {
        self.subscribers.retain(|subscriber| {
            let stays = stays(subscriber);
            subscriber.listed.store(stays, Ordering::Relaxed);
            stays
        });
    }
}

/// What the thread has.
struct Reading {
    tail: Arc<Tail>,
    log: BuiltinLog,
    /// The next offsets of all partitions that were ever listened to.
    places: Vec<u64>,
    bases: HashMap<TopicIndex, usize>,
    rooms: HashMap<TopicIndex, Room>,
    live: HashMap<usize, Live>,
    touched: Vec<usize>,
    found: Vec<usize>,
    marked: Instant,
    /// Something was read since then.
    unmarked: bool,
}

/// A channel's number: where it is.
fn number(channel: &Arc<Channel>) -> usize {
    Arc::as_ptr(channel).addr()
}

impl Reading {
    fn new(tail: Arc<Tail>, log: BuiltinLog) -> Self {
        let (rooms, live, bases) = (HashMap::new(), HashMap::new(), HashMap::new());
        let (touched, found, marked, unmarked) = (Vec::new(), Vec::new(), Instant::now(), false);
        Self { tail, log, places: Vec::new(), bases, rooms, live, touched, found, marked, unmarked }
    }

    /// Shows what comes as it comes. Returns when there is more than that, to be read patiently; `None` at the end.
    async fn keep_up(mut self: Box<Self>, mut stop: watch::Receiver<bool>) -> Option<Box<Self>> {
        let mut durable = self.log.durable();
        loop {
            // Seen before reading: what becomes durable meanwhile wakes us.
            durable.borrow_and_update();
            let began = Instant::now();
            if self.turn().await {
                return Some(self);
            }
            let took = began.elapsed();
            if took >= SHORT {
                tokio::time::sleep((took * REST).min(REST_MAX)).await;
            }
            tokio::select! {
                () = self.tail.told.notified() => {}
                () = tokio::time::sleep(MARK_EVERY), if self.unmarked && !self.rooms.is_empty() => {}
                changed = durable.changed(), if !self.rooms.is_empty() => changed.ok()?,
                _ = stop.wait_for(|stop| *stop) => return None,
            }
        }
    }

    /// Reads until nothing more is there. Whoever captures comes first: this thread gets what the others leave.
    async fn catch_up(mut self: Box<Self>, stop: watch::Receiver<bool>) -> Option<Box<Self>> {
        while self.turn().await {
            if *stop.borrow() {
                return None;
            }
        }
        Some(self)
    }

    /// A pass, and who comes and goes; true when there is more to read.
    async fn turn(&mut self) -> bool {
        let Inbox { joining, left } = std::mem::take(&mut *self.tail.inbox());
        for subscriber in joining {
            self.take_in(subscriber);
        }
        let more = self.pass().await;
        self.admit();
        for channel in left {
            self.tidy(number(&channel));
        }
        self.mark();
        more
    }

    /// Says now and then how far everybody is, also those who see nothing of it. All pages are given away by then.
    fn mark(&mut self) {
        self.unmarked = true;
        if self.marked.elapsed() < MARK_EVERY {
            return;
        }
        (self.marked, self.unmarked) = (Instant::now(), false);
        for live in self.live.values().filter(|live| !live.subscribers.is_empty()) {
            live.channel.saw(live.at.iter().map(|at| self.places.get(*at).copied().unwrap_or(0)));
        }
    }

    /// One more who waits to be let in.
    fn take_in(&mut self, subscriber: Arc<Subscriber>) {
        let channel = Arc::clone(&subscriber.channel);
        let number = number(&channel);
        if !self.live.contains_key(&number) {
            let mut at = Vec::new();
            let mut topics: Vec<TopicIndex> = Vec::new();
            for part in channel.layout.parts() {
                if self.log.offsets(part.topic.index, part.partition).is_none() {
                    at.push(NOWHERE);
                    continue;
                }
                let base = self.room(&part.topic);
                at.push(base + part.partition as usize);
                if !topics.contains(&part.topic.index) {
                    topics.push(part.topic.index);
                }
            }
            for topic in &topics {
                if let Some(room) = self.rooms.get_mut(topic) {
                    room.channels += 1;
                    room.index.add(number, channel.lens.handle(*topic));
                }
            }
            let press = Press::new(channel.form);
            self.live.insert(number, Live { channel, at, topics, press, touched: false, subscribers: Vec::new(), waiting: Vec::new() });
        }
        if let Some(live) = self.live.get_mut(&number) {
            // It may not know yet that a topic is gone: reading on, it finds that out.
            let is_known = |part: usize| subscriber.state().gone.get(part).copied().unwrap_or(false);
            if live.at.iter().enumerate().all(|(part, at)| *at != NOWHERE || is_known(part)) {
                live.waiting.push(subscriber);
            } else {
                subscriber.dismiss();
                self.tidy(number);
            }
        }
    }

    /// The room of a topic, which begins at its end.
    fn room(&mut self, topic: &Arc<TopicInfo>) -> usize {
        if let Some(room) = self.rooms.get(&topic.index) {
            return room.base;
        }
        let places = &mut self.places;
        let base = *self.bases.entry(topic.index).or_insert_with(|| {
            let base = places.len();
            places.resize(base + topic.partitions as usize, 0);
            base
        });
        for partition in 0..topic.partitions {
            let end = self.log.offsets(topic.index, partition).map_or(0, |range| range.end);
            if let Some(place) = self.places.get_mut(base + partition as usize) {
                *place = end;
            }
        }
        self.rooms.insert(topic.index, Room { topic: Arc::clone(topic), base, index: Index::default(), channels: 0 });
        base
    }

    /// Reads what is new in each room; true when there is more.
    async fn pass(&mut self) -> bool {
        let mut more = false;
        let rooms: Vec<TopicIndex> = self.rooms.keys().copied().collect();
        for index in rooms {
            let Some((topic, base)) = self.rooms.get(&index).map(|room| (Arc::clone(&room.topic), room.base)) else { continue };
            'partitions: for partition in 0..topic.partitions {
                for turn in 0..=READS_MAX {
                    let next = self.places.get(base + partition as usize).copied().unwrap_or(0);
                    match self.log.offsets(index, partition) {
                        Some(range) if range.end == next => continue 'partitions,
                        Some(_) if turn == READS_MAX => {
                            more = true;
                            continue 'partitions;
                        }
                        Some(_) => {}
                        None => {
                            self.dismiss(index);
                            break 'partitions;
                        }
                    }
                    match self.log.read(index, partition, next, READ_BYTES).await {
                        Ok(bytes) if !bytes.is_empty() => self.take_batches(&topic, base, partition, next, &bytes),
                        // Overtaken by retention, or worse: each finds that out for itself, and tells its client.
                        _ => {
                            self.dismiss(index);
                            break 'partitions;
                        }
                    }
                }
            }
        }
        for number in std::mem::take(&mut self.touched) {
            self.flush(number);
        }
        more
    }

    fn take_batches(&mut self, topic: &Arc<TopicInfo>, base: usize, partition: u32, next: u64, bytes: &[u8]) {
        let at = base + partition as usize;
        let mut unpacked = Vec::new();
        for batch in batches(bytes) {
            for record in batch.records(&mut unpacked).flatten().filter(|record| record.offset >= next) {
                if let Some(place) = self.places.get_mut(at) {
                    *place = record.offset + 1;
                }
                let event = Event::new(&topic.name, partition, &record);
                let mut found = std::mem::take(&mut self.found);
                if let Some(room) = self.rooms.get(&topic.index) {
                    room.index.find(&event, &mut found);
                }
                for number in found.drain(..) {
                    self.show(number, topic.index, at, &event);
                }
                self.found = found;
            }
            if let Some(place) = self.places.get_mut(at) {
                *place = batch.next_offset().max(*place);
            }
        }
    }

    /// Shows an event to a channel, if it is for it.
    fn show(&mut self, number: usize, topic: TopicIndex, at: usize, event: &Event<'_>) {
        let Some(live) = self.live.get_mut(&number) else { return };
        if !live.at.contains(&at) {
            return;
        }
        let Some(judgement) = live.channel.lens.judge(topic, event) else { return };
        let (places, parts) = (&self.places, &live.at);
        let after = |part: usize| parts.get(part).and_then(|at| places.get(*at)).copied().unwrap_or(0);
        if !live.channel.press_judged(&mut live.press, event, judgement, after) {
            return;
        }
        if !std::mem::replace(&mut live.touched, true) {
            self.touched.push(number);
        }
        if live.press.is_full() {
            self.flush(number);
        }
    }

    /// Gives what was put together to everybody in the channel.
    fn flush(&mut self, number: usize) {
        let Some(live) = self.live.get_mut(&number) else { return };
        live.touched = false;
        if live.press.is_empty() {
            return;
        }
        let after = live.places(&self.places);
        let page = live.channel.page(&mut live.press, &after);
        live.keep(|subscriber| subscriber.offer(&page));
        if live.subscribers.is_empty() {
            self.tidy(number);
        }
    }

    /// Lets in who waits and is not ahead of us.
    fn admit(&mut self) {
        let mut emptied = Vec::new();
        for (number, live) in self.live.iter_mut().filter(|(_, live)| !live.waiting.is_empty()) {
            let boundary = live.places(&self.places);
            for subscriber in std::mem::take(&mut live.waiting) {
                let is_ahead = {
                    let state = subscriber.state();
                    if !matches!(state.phase, super::subscriber::Phase::Asks) {
                        continue;
                    }
                    let places = state.after.iter().zip(boundary.iter()).zip(&live.at);
                    places.into_iter().any(|((after, here), at)| *at != NOWHERE && after > here)
                };
                if is_ahead {
                    live.waiting.push(subscriber);
                } else if subscriber.admit(&boundary) && !subscriber.listed.swap(true, Ordering::Relaxed) {
                    // One that left by itself may be here still: it gets each page once.
                    live.subscribers.push(subscriber);
                }
            }
            if live.subscribers.is_empty() && live.waiting.is_empty() {
                emptied.push(*number);
            }
        }
        for number in emptied {
            self.tidy(number);
        }
    }

    /// Those who are over are let go, and the channel with the last of them.
    fn tidy(&mut self, number: usize) {
        let Some(live) = self.live.get_mut(&number) else { return };
        live.keep(Subscriber::is_in_channel);
        if live.subscribers.is_empty() && live.waiting.is_empty() {
            self.close(number);
        }
    }

    fn close(&mut self, number: usize) {
        let Some(live) = self.live.remove(&number) else { return };
        for topic in live.topics {
            if let Some(room) = self.rooms.get_mut(&topic) {
                room.index.remove(number, live.channel.lens.handle(topic));
                room.channels -= 1;
                if room.channels == 0 {
                    self.rooms.remove(&topic);
                }
            }
        }
    }

    /// Everybody in this room reads on alone.
    fn dismiss(&mut self, topic: TopicIndex) {
        let is_of = |live: &Live| live.topics.contains(&topic);
        let numbers: Vec<usize> = self.live.iter().filter(|(_, live)| is_of(live)).map(|(number, _)| *number).collect();
        for number in numbers {
            // What was put together is sent: it is in order.
            self.flush(number);
            if let Some(live) = self.live.get_mut(&number) {
                for subscriber in live.subscribers.drain(..).chain(live.waiting.drain(..)) {
                    subscriber.listed.store(false, Ordering::Relaxed);
                    subscriber.dismiss();
                }
            }
            self.close(number);
        }
    }
}
