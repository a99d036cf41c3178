//! One run of a webhook: reads, sends, tries again, remembers.
//!
//! Owns the loop between the log and the receiver. Promises that no more is read than is held within bounds, that the place is
//! committed only behind what is done or stored as waiting (first stored, then committed), and that nothing is lost when it ends,
//! however it ends: at worst a record is sent again with the same id. What goes next is for [`super::lanes`] to say, what an answer means
//! for [`super::answer`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

use super::answer::{Answer, Meaning, Pace, Progress, meaning};
use super::endpoint::{Message, Tried};
use super::history::{Entry, State};
use super::lanes::{At, Job, Lanes, Order, Payload, Waiting, lane_of};
use super::partition::{Partition, payload};
use super::replay::Replay;
use super::sink::Webhook;
use super::waiting::{self, Stored};
use crate::deliver::around::LOOK_EVERY;
use crate::deliver::{Around, DeadLetter, Outcome, state};
use crate::event::Event;
use crate::log::LogError;
use crate::log::subscription::{Delivery, Subscription};
use crate::problem::Problem;

/// How much is read at once, bytes.
const READ_BYTES: usize = 64 << 10;
/// How often what is done is committed.
const KEEP_EVERY: Duration = Duration::from_millis(200);
/// Records that wait, stored in one commit of the log.
const KEEP_MAX: usize = 2_000;
/// A run that is told to end waits so long for what is under way: within the second that a service that ends gives.
const END_WAIT: Duration = Duration::from_millis(600);
/// Trouble of our own (the log) rests a record so long.
const OWN_TROUBLE_MS: u64 = 5_000;
/// What is said of a record that the log has no more.
const LOST: &str = "retention took the record before it could be delivered";
/// With nothing to do, looked at again after this.
const IDLE: Duration = Duration::from_secs(3600);

/// See the module.
pub(super) struct Dispatcher {
    webhook: Arc<Webhook>,
    around: Around,
    reader: Subscription,
    partitions: Vec<Arc<Partition>>,
    lanes: Lanes,
    pace: Pace,
    flying: JoinSet<Flown>,
    /// What is being stored and committed.
    keeping: Option<JoinHandle<Kept>>,
    kept_at: Instant,
    looked_at: Instant,
    /// What is committed of each partition.
    committed: Vec<u64>,
    replays: VecDeque<Replay>,
    /// Everything there is has been read.
    caught_up: bool,
    /// The status shows trouble.
    troubled: bool,
    /// Why it ends before it is told to.
    ends: Option<Problem>,
}

/// A record that was under way.
struct Flown {
    at: At,
    progress: Progress,
    began_ms: u64,
    took: Duration,
    key: Option<Bytes>,
    came: Came,
}

/// What came of it.
enum Came {
    /// It was sent.
    Tried(Tried),
    /// There is nothing to send any more: the filter is another one.
    Nothing,
    /// Retention has taken it: it is a dead letter without key and value.
    Lost,
    /// It is a dead letter.
    Buried,
    /// The log could not be read or written.
    Unable(Problem),
}

/// What was stored and committed.
struct Kept {
    saved: Vec<Waiting>,
    forgotten: Vec<At>,
    committed: Vec<(usize, u64)>,
    done: Result<(), Problem>,
    /// The first part, at least.
    stored: bool,
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}

impl Dispatcher {
    /// Opens the reader where the subscription was, with what waits.
    pub async fn open(webhook: Arc<Webhook>, around: Around) -> Result<Self, Problem> {
        let reader = around.open().await?;
        let partitions: Vec<Arc<Partition>> =
            reader.places().iter().enumerate().map(|(number, place)| Arc::new(Partition::of(place, number))).collect();
        let committed = reader.places().iter().map(|place| place.next).collect();
        let now = Instant::now();
        let mut dispatcher = Self {
            lanes: Lanes::new(webhook.order, webhook.limits),
            pace: Pace::new(webhook.concurrency),
            webhook,
            around,
            reader,
            partitions,
            flying: JoinSet::new(),
            keeping: None,
            kept_at: now,
            looked_at: now,
            committed,
            replays: VecDeque::new(),
            caught_up: false,
            troubled: false,
            ends: None,
        };
        dispatcher.restore().await?;
        Ok(dispatcher)
    }

    /// Takes up what waited when the last run ended. What is of a topic that is gone goes too.
    async fn restore(&mut self) -> Result<(), Problem> {
        let mut found = BTreeMap::new();
        let mut gone = Vec::new();
        for (key, bytes) in self.around.states(waiting::PREFIX) {
            let stored = Stored::read(&bytes).and_then(|stored| {
                let partition = self.partitions.iter().find(|partition| {
                    partition.id == stored.topic_id && *partition.topic == *stored.topic && partition.route.partition == stored.partition
                })?;
                Some((partition.at(stored.offset), stored))
            });
            match stored {
                Some((at, stored)) => drop(found.insert(at, stored)),
                None => gone.push((format!("{}{key}", waiting::PREFIX), None)),
            }
        }
        if !gone.is_empty() {
            tracing::warn!(
                subscription = self.around.name(),
                count = gone.len(),
                "deliveries that waited are of topics that are not read any more"
            );
            self.around.put_states(gone).await?;
        }
        self.webhook.history.forget_waiting();
        for (at, stored) in found {
            let lane = match self.webhook.order {
                Order::Topic => lane_of(&stored.topic, b""),
                Order::Key => stored.lane,
            };
            self.lanes.restore(Waiting { at, lane, progress: stored.progress, next_at_ms: stored.next_at_ms });
            if stored.progress.tries > 0 {
                let entry = self.entry(at, &stored.progress, State::Waiting, None);
                let entry = Entry { status: stored.status, error: stored.error, next_at_ms: Some(stored.next_at_ms), ..entry };
                self.webhook.history.add(at, entry);
            }
        }
        self.count_waiting();
        Ok(())
    }

    /// Delivers until it is told to end, the receiver wants no more, or the log fails.
    pub async fn run(mut self, mut replays: mpsc::Receiver<Replay>) -> Result<(), Problem> {
        let around = self.around.clone();
        let mut stop = std::pin::pin!(around.stopped());
        let ended = loop {
            // Before anything is sent: a receiver that wants no more gets no more.
            if let Some(problem) = self.ends.take() {
                break Err(problem);
            }
            if let Err(problem) = self.turn().await {
                break Err(problem);
            }
            let may_read = self.lanes.has_room();
            if may_read && !self.caught_up || self.may_replay() {
                // More to read: no waiting, but what has landed counts.
                tokio::task::yield_now().await;
                if *self.around.stop().borrow() {
                    break Ok(());
                }
                while let Some(landed) = self.flying.try_join_next() {
                    self.landed(landed.ok());
                }
                if let Some(keeping) = self.keeping.take_if(|keeping| keeping.is_finished()) {
                    let kept = keeping.await.ok();
                    self.kept(kept);
                }
                if let Ok(replay) = replays.try_recv() {
                    self.replays.push_back(replay);
                }
                continue;
            }
            let wake = self.next_wake();
            tokio::select! {
                landed = self.flying.join_next(), if !self.flying.is_empty() => {
                    self.landed(landed.and_then(Result::ok));
                    while let Some(landed) = self.flying.try_join_next() {
                        self.landed(landed.ok());
                    }
                }
                kept = async { self.keeping.as_mut().expect("there is one").await }, if self.keeping.is_some() => self.kept(kept.ok()),
                waited = self.reader.wait(), if may_read => match waited {
                    Ok(()) => self.caught_up = false,
                    Err(error) => break Err(state::problem(&error)),
                },
                Some(replay) = replays.recv() => self.replays.push_back(replay),
                () = tokio::time::sleep(wake) => {}
                () = &mut stop => break Ok(()),
            }
        };
        self.end().await;
        ended
    }

    /// Reads, sends and keeps what can be now.
    async fn turn(&mut self) -> Result<(), Problem> {
        if self.looked_at.elapsed() >= LOOK_EVERY {
            self.looked_at = Instant::now();
            if self.around.look(&mut self.reader).await? > 0 {
                self.know_partitions();
                self.caught_up = false;
            }
        }
        if self.lanes.has_room() && !self.caught_up {
            self.read().await?;
        }
        if self.may_replay() {
            self.read_again().await?;
        }
        self.send();
        if self.kept_at.elapsed() >= KEEP_EVERY && self.keeping.is_none() {
            self.keep();
        }
        Ok(())
    }

    /// New places are partitions.
    fn know_partitions(&mut self) {
        let known = self.partitions.len();
        for (number, place) in self.reader.places().iter().enumerate().skip(known) {
            self.partitions.push(Arc::new(Partition::of(place, number)));
            self.committed.push(place.next);
        }
    }

    /// How long there is nothing to do.
    fn next_wake(&self) -> Duration {
        let now = now_ms();
        let in_ms = |at: u64| Duration::from_millis(at.saturating_sub(now).max(1));
        let due = match (self.lanes.next_due_ms(), self.pace.resting_until(now)) {
            // With all requests under way, one that lands wakes.
            (Some(_), None) if self.flying.len() >= self.pace.allowed(now) => IDLE,
            (Some(due), resting) => in_ms(due.max(resting.unwrap_or(0))),
            (None, _) => IDLE,
        };
        let keep = if self.keeping.is_none() && self.has_to_keep() { KEEP_EVERY.saturating_sub(self.kept_at.elapsed()) } else { IDLE };
        due.min(keep).min(LOOK_EVERY)
    }

    /// Reads the next records of the log.
    async fn read(&mut self) -> Result<(), Problem> {
        match self.reader.read(READ_BYTES).await.map_err(|error| state::problem(&error))? {
            None => self.caught_up = true,
            Some(Delivery::Records(chunk)) => {
                let Some(partition) = self.partitions.get(chunk.place).cloned() else { return Ok(()) };
                let (lanes, webhook, around) = (&mut self.lanes, &self.webhook, &self.around);
                let mut filtered = 0;
                chunk.records(|record| {
                    let event = Event::new(&partition.topic, partition.route.partition, &record);
                    let judgement = around.judge_live(&event);
                    match judgement.is_wanted().then(|| webhook.body(&event, judgement)).flatten() {
                        Some(body) => {
                            lanes.push(partition.at(record.offset), partition.lane(webhook.order, &record), payload(&record, body));
                        }
                        None => filtered += 1,
                    }
                    true
                });
                if filtered > 0 {
                    self.around.status().count(Outcome::Filtered, filtered);
                }
            }
            Some(Delivery::Gap { place, from, to }) => {
                let topic = self.partitions.get(place).map_or("", |partition| &*partition.topic);
                let problem = Problem::fail("webhook/gap", format!("retention took records of {topic} before they were read"))
                    .why(format!("offsets {from} to {} are gone", to.saturating_sub(1)))
                    .fix("a longer log.retention, or a receiver that keeps up; what is gone stands in the database only");
                tracing::warn!(subscription = self.around.name(), topic, from, to, code = problem.code, "{}", problem.what);
                self.around.status().note(Some(problem));
            }
            Some(Delivery::Deleted { place }) => {
                let place = u32::try_from(place).unwrap_or(u32::MAX);
                self.lanes.drop_place(place);
                self.webhook.history.drop_place(place);
            }
        }
        Ok(())
    }

    fn may_replay(&self) -> bool {
        !self.replays.is_empty() && self.lanes.has_room_again()
    }

    /// Reads the next records that somebody asked for once more.
    async fn read_again(&mut self) -> Result<(), Problem> {
        let Some(replay) = self.replays.front_mut() else { return Ok(()) };
        let (lanes, webhook, around) = (&mut self.lanes, &self.webhook, &self.around);
        let is_through =
            replay.step(&self.partitions, self.reader.places(), lanes, webhook, around).await.map_err(|error| state::problem(&error))?;
        if is_through {
            self.replays.pop_front();
        }
        Ok(())
    }

    /// Sends what may be sent.
    fn send(&mut self) {
        let now = now_ms();
        while self.flying.len() < self.pace.allowed(now) {
            let Some(job) = self.lanes.next(now) else { break };
            let index = usize::try_from(job.at.place).unwrap_or(usize::MAX);
            let Some(partition) = self.partitions.get(index).cloned() else { continue };
            let (webhook, around) = (Arc::clone(&self.webhook), self.around.clone());
            self.flying.spawn(async move { fly(&webhook, &around, &partition, job).await });
        }
    }

    /// What came of a record. `None`: its task met a defect, which ends the run.
    fn landed(&mut self, flown: Option<Flown>) {
        let Some(flown) = flown else {
            self.ends = Some(Problem::retry("webhook/defect", "sending met a defect of rowfeed; its place is kept"));
            return;
        };
        match flown.came {
            Came::Nothing => {
                self.around.status().count(Outcome::Filtered, 1);
                self.webhook.history.forget(flown.at);
                self.lanes.done(flown.at);
            }
            Came::Lost => {
                let entry = self.entry(flown.at, &flown.progress, State::Dead, None);
                self.webhook.history.add(flown.at, Entry { error: LOST.to_owned(), ..entry });
                self.lanes.done(flown.at);
            }
            Came::Buried => self.lanes.done(flown.at),
            Came::Unable(problem) => {
                self.lanes.put_back(flown.at, now_ms() + OWN_TROUBLE_MS);
                self.trouble(problem);
            }
            Came::Tried(Tried::Refused(problem)) => {
                self.lanes.put_back(flown.at, now_ms());
                self.ends = Some(problem);
            }
            Came::Tried(Tried::Failed { ref why, unreachable }) => {
                let why = why.clone();
                if unreachable {
                    self.slow(flown.began_ms, None, &why);
                }
                self.failed(&flown, None, why);
            }
            Came::Tried(Tried::Answered(ref answer)) => {
                let answer = answer.clone();
                self.answered(&flown, answer);
            }
        }
    }

    fn answered(&mut self, flown: &Flown, answer: Answer) {
        match meaning(answer.status) {
            Meaning::Done => {
                self.pace.good();
                if std::mem::take(&mut self.troubled) {
                    self.around.status().trouble(None);
                }
                self.around.status().count(Outcome::Delivered, 1);
                self.around.status().took(flown.took);
                let entry = self.landed_entry(flown, State::Delivered);
                self.webhook.history.add(flown.at, Entry { status: Some(answer.status), ..entry });
                self.lanes.done(flown.at);
            }
            Meaning::Gone => {
                self.lanes.put_back(flown.at, now_ms());
                let host = self.webhook.endpoint.target().shown();
                self.ends = Some(
                    Problem::refuse("webhook/gone", format!("{host} wants no more webhooks"))
                        .why("it answered 410 Gone; the place is kept, and so is what waits")
                        .fix("when it wants them again:\nrowfeed subscriptions resume NAME\nor delete the subscription"),
                );
            }
            Meaning::Again { slow } => {
                let why = format!("status {}", answer.status);
                if slow {
                    self.slow(flown.began_ms, answer.retry_after, &why);
                }
                self.failed(flown, Some(answer), why);
            }
        }
    }

    fn slow(&mut self, began_ms: u64, asked: Option<Duration>, why: &str) {
        self.pace.slow(began_ms, now_ms(), asked);
        let host = self.webhook.endpoint.target().shown();
        self.trouble(Problem::retry("webhook/slow", format!("{host} is away or overloaded; it is asked less")).why(why));
    }

    fn trouble(&mut self, problem: Problem) {
        self.troubled = true;
        self.around.status().trouble(Some(problem));
    }

    /// A try failed: another one later, or a dead letter.
    fn failed(&mut self, flown: &Flown, answer: Option<Answer>, why: String) {
        let asked = answer.as_ref().and_then(|answer| answer.retry_after);
        let seed = flown.at.offset ^ (u64::from(flown.at.place) << 48);
        let (progress, wait) = self.webhook.schedule.after(flown.progress, asked, seed);
        let status = self.around.status();
        status.count(Outcome::Failed, 1);
        let state = if wait.is_some() { State::Waiting } else { State::Dead };
        let next_at_ms = wait.map(|wait| now_ms().saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)));
        let entry = self.landed_entry(flown, state);
        let response_head = answer.as_ref().map(|answer| answer.body.clone()).unwrap_or_default();
        let entry = Entry {
            status: answer.map(|answer| answer.status),
            error: why.clone(),
            response_head,
            attempt: progress.tries,
            next_at_ms,
            ..entry
        };
        self.webhook.history.add(flown.at, entry);
        match next_at_ms {
            Some(next_at_ms) => {
                self.lanes.failed(flown.at, progress, next_at_ms);
                self.count_waiting();
            }
            None => self.bury(flown, progress, why),
        }
    }

    /// Puts a record into the topic of dead letters. Its lane waits for that.
    fn bury(&mut self, flown: &Flown, progress: Progress, error: String) {
        let index = usize::try_from(flown.at.place).unwrap_or(usize::MAX);
        let Some(partition) = self.partitions.get(index).cloned() else { return };
        let (around, at, key) = (self.around.clone(), flown.at, flown.key.clone());
        let before = flown.progress;
        self.flying.spawn(async move {
            let came = match dead_letter(&around, &partition, at.offset, progress.tries, error).await {
                Ok(()) => Came::Buried,
                Err(problem) => Came::Unable(problem),
            };
            Flown { at, progress: before, began_ms: now_ms(), took: Duration::ZERO, key, came }
        });
    }

    fn landed_entry(&self, flown: &Flown, state: State) -> Entry {
        let progress = Progress { tries: flown.progress.tries.saturating_add(1), ..flown.progress };
        let entry = self.entry(flown.at, &progress, state, flown.key.as_ref());
        Entry { duration_ms: u64::try_from(flown.took.as_millis()).unwrap_or(u64::MAX), ..entry }
    }

    fn entry(&self, at: At, progress: &Progress, state: State, key: Option<&Bytes>) -> Entry {
        let partition = self.partitions.get(usize::try_from(at.place).unwrap_or(usize::MAX));
        Entry {
            id: partition.map(|partition| partition.message_id(at.offset)).unwrap_or_default(),
            topic: partition.map_or_else(|| "".into(), |partition| Arc::clone(&partition.topic)),
            partition: partition.map_or(0, |partition| partition.route.partition),
            offset: at.offset,
            key: key.map(|key| key.to_vec()),
            attempt: progress.tries,
            state,
            status: None,
            duration_ms: 0,
            error: String::new(),
            response_head: Vec::new(),
            at_ms: now_ms(),
            next_at_ms: None,
        }
    }

    fn count_waiting(&mut self) {
        let waiting = self.lanes.waiting();
        self.webhook.waiting.store(u64::try_from(waiting).unwrap_or(u64::MAX), Ordering::Relaxed);
        if waiting >= self.webhook.limits.waiting {
            let host = self.webhook.endpoint.target().shown();
            let full =
                Problem::retry("webhook/waiting", format!("{waiting} deliveries to {host} wait: nothing more is read until some are done"))
                    .why("max_waiting says how many may wait")
                    .fix("mend the receiver; what it answered:\nrowfeed subscriptions deliveries NAME --state failed");
            self.trouble(full);
        }
    }

    fn has_to_keep(&self) -> bool {
        self.lanes.has_news() || self.positions().next().is_some()
    }

    /// The places that have moved since they were committed.
    fn positions(&self) -> impl Iterator<Item = (usize, u64)> {
        self.reader.places().iter().zip(&self.committed).enumerate().filter_map(|(number, (place, committed))| {
            let lowest = self.lanes.lowest(u32::try_from(number).unwrap_or(u32::MAX), place.next);
            (lowest > *committed).then_some((number, lowest))
        })
    }

    /// Begins to store what waits and to commit what is done.
    fn keep(&mut self) {
        self.kept_at = Instant::now();
        if !self.has_to_keep() {
            return;
        }
        // Taken before anything is stored: what is stored now is passed the next time.
        let committed: Vec<(usize, u64)> = self.positions().collect();
        let saved = self.lanes.take_unsaved(KEEP_MAX);
        let forgotten = self.lanes.take_forgotten();
        let partition = |at: &At| self.partitions.get(usize::try_from(at.place).unwrap_or(usize::MAX));
        let mut records: state::Records = Vec::with_capacity(saved.len() + forgotten.len());
        records.extend(forgotten.iter().filter_map(|at| {
            let partition = partition(at)?;
            Some((waiting::key(&partition.topic, partition.route.partition, at.offset), None))
        }));
        records.extend(saved.iter().filter_map(|waiting| {
            let partition = partition(&waiting.at)?;
            let (status, error) = self.webhook.history.why(waiting.at);
            let stored = Stored {
                topic: partition.topic.to_string(),
                topic_id: partition.id,
                partition: partition.route.partition,
                offset: waiting.at.offset,
                lane: waiting.lane,
                progress: waiting.progress,
                next_at_ms: waiting.next_at_ms,
                status,
                error,
            };
            Some((stored.key(), Some(stored.write())))
        }));
        let places = committed.iter().filter_map(|(number, next)| {
            let partition = self.partitions.get(*number)?;
            Some((partition.topic.to_string(), partition.route.partition, *next))
        });
        let (around, places) = (self.around.clone(), places.collect());
        self.keeping = Some(tokio::spawn(async move {
            let mut done = around.put_states(records).await;
            let stored = done.is_ok();
            if stored {
                done = around.commit(places).await;
            }
            Kept { saved, forgotten, committed, done, stored }
        }));
    }

    fn kept(&mut self, kept: Option<Kept>) {
        self.keeping = None;
        let Some(kept) = kept else {
            self.ends = Some(Problem::retry("webhook/defect", "keeping the place met a defect of rowfeed"));
            return;
        };
        if kept.stored {
            self.lanes.saved(&kept.saved);
        } else {
            self.lanes.not_saved(&kept.saved);
            self.lanes.not_forgotten(kept.forgotten);
        }
        match kept.done {
            Ok(()) => {
                for (number, next) in kept.committed {
                    if let Some(committed) = self.committed.get_mut(number) {
                        *committed = next;
                    }
                }
            }
            Err(problem) if problem.action == crate::problem::Action::Retry => self.trouble(problem),
            Err(problem) => self.ends = Some(problem),
        }
        self.count_waiting();
    }

    /// Waits for what is under way, as far as there is time, and keeps what is done.
    async fn end(&mut self) {
        let until = tokio::time::Instant::now() + END_WAIT;
        while let Ok(Some(landed)) = tokio::time::timeout_at(until, self.flying.join_next()).await {
            self.landed(landed.ok());
        }
        self.flying.abort_all();
        // More than once: what is stored first may be passed afterwards.
        for _ in 0..3 {
            if self.keeping.is_none() {
                self.keep();
            }
            if let Some(keeping) = self.keeping.take() {
                let kept = keeping.await.ok();
                self.kept(kept);
            }
        }
    }
}

/// Sends one record, or finds that there is nothing to send.
async fn fly(webhook: &Webhook, around: &Around, partition: &Partition, job: Job) -> Flown {
    let (at, progress) = (job.at, job.progress);
    let flown = |began_ms, took, key, came| Flown { at, progress, began_ms, took, key, came };
    let payload = match job.payload {
        Some(payload) => payload,
        None => match load(webhook, around, partition, at.offset).await {
            Ok(Loaded::Payload(payload)) => payload,
            Ok(Loaded::Unwanted) => return flown(0, Duration::ZERO, None, Came::Nothing),
            Ok(Loaded::Gone) => {
                let came = match dead_letter(around, partition, at.offset, progress.tries, LOST.to_owned()).await {
                    Ok(()) => Came::Lost,
                    Err(problem) => Came::Unable(problem),
                };
                return flown(0, Duration::ZERO, None, came);
            }
            Err(error) => return flown(0, Duration::ZERO, None, Came::Unable(state::problem(&error))),
        },
    };
    let began_ms = now_ms();
    let began = Instant::now();
    let tried = send(webhook, &partition.message_id(at.offset), began_ms / 1000, payload.body).await;
    flown(began_ms, began.elapsed(), payload.key, Came::Tried(tried))
}

/// Signs and sends one body.
pub(super) async fn send(webhook: &Webhook, id: &str, timestamp_s: u64, body: Bytes) -> Tried {
    let signature = webhook.signer.sign(id, timestamp_s, &body);
    webhook.endpoint.send(&Message { id, timestamp_s, signature, body }).await
}

/// A record that was read again.
enum Loaded {
    Payload(Payload),
    Unwanted,
    Gone,
}

async fn load(webhook: &Webhook, around: &Around, partition: &Partition, offset: u64) -> Result<Loaded, LogError> {
    let loaded = partition.again(around.log(), offset, |record| {
        let event = Event::new(&partition.topic, partition.route.partition, record);
        let judgement = around.judge(&event);
        let body = judgement.is_wanted().then(|| webhook.body(&event, judgement)).flatten();
        body.map_or(Loaded::Unwanted, |body| Loaded::Payload(payload(record, body)))
    });
    Ok(loaded.await?.unwrap_or(Loaded::Gone))
}

async fn dead_letter(around: &Around, partition: &Partition, offset: u64, attempts: u32, error: String) -> Result<(), Problem> {
    let copied = |bytes: Option<&[u8]>| bytes.map(Bytes::copy_from_slice);
    let read = partition.again(around.log(), offset, |record| (copied(record.key), copied(record.value))).await;
    let read = read.map_err(|error| state::problem(&error))?;
    // Its body may have been kept and tried once more, but is not the record.
    let error = if read.is_none() && error != LOST { format!("{error}; {LOST}") } else { error };
    let (key, value) = read.unwrap_or_default();
    let topic = partition.topic.to_string();
    let letter = DeadLetter { topic, partition: partition.route.partition, offset, key, value, attempts, error };
    around.dead_letters(std::slice::from_ref(&letter)).await?;
    around.status().count(Outcome::Dead, 1);
    Ok(())
}
