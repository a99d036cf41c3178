//! One run against one server: read, delete, wait until it is visible, delete again with the watermark.
//!
//! Five futures of one task: the reader ([`Session::read`]) with phase 0, the fence and the standbys ([`fence`]), phase 1 ([`apply`]), and what is
//! done once a second ([`tend`]). Batches go
//! from one to the next in order; many are on the way at a time, and one look at the primary serves all that wait. Promises that the watermark
//! never passes a batch that is not behind the fence; that what is on the way is bounded; that any error ends the run, and the
//! next one begins with what the server remembers.

mod apply;
mod fence;
mod tend;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{Semaphore, mpsc};

use self::fence::Suspects;
use super::applied::{self, Applied};
use super::batch::{Batch, Reading};
use super::commands::{self, Writer};
use super::inspector::Inspections;
use super::server::Server;
use super::settings::Settings;
use super::{Fenced, RedisSink, rules};
use crate::change::Lsn;
use crate::change::progress::Visibility;
use crate::config::postgres::ConnectionConfig;
use crate::deliver::around::LOOK_EVERY;
use crate::deliver::{Around, Source};
use crate::event::Event;
use crate::log::Subscription;
use crate::log::subscription::{Delivery, Place};
use crate::problem::Problem;

/// About so much is read at a time.
const READ_BYTES: usize = 256 << 10;
/// So many keys may be on the way: deleted, and not behind the fence.
const WEIGHT_MAX: usize = 200_000;
/// So many batches wait for a stage.
const BATCHES_MAX: usize = 1024;
/// The longest pause between two looks while something waits.
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// Microseconds since 1970.
fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
}

/// Milliseconds since 1970.
fn now_ms() -> i64 {
    now_us() / 1000
}

/// A run.
pub struct Session {
    sink: Arc<RedisSink>,
    around: Around,
    server: Server,
    primary: Option<ConnectionConfig>,
    /// What the newest look saw.
    seen: Mutex<Option<Visibility>>,
    /// Transactions that were not over when something was doubted.
    suspects: Mutex<Suspects>,
    /// In plain mode: the namespace's generation.
    generation: Mutex<String>,
    /// By place: where it goes on behind the fence.
    fenced: Mutex<Vec<Reached>>,
    /// Where the log ended when the run began, by place: then the cache is right, and is opened.
    opens_at: Vec<u64>,
    opened: Mutex<bool>,
    /// Stands in the watermark: who finds another one there was forgotten, or is not alone.
    id: String,
    /// The server has the watermark.
    told: Mutex<bool>,
    inspections: Mutex<Inspections>,
}

/// A partition, and where it goes on behind the fence.
#[derive(Clone, Debug)]
struct Reached {
    topic: String,
    id: [u8; 16],
    partition: u32,
    next: u64,
}

impl From<&Place> for Reached {
    fn from(place: &Place) -> Self {
        Self { topic: place.topic.name.clone(), id: place.topic.id, partition: place.route.partition, next: place.next }
    }
}

/// By topic and partition, for those who wait.
fn told(fenced: &[Reached]) -> Fenced {
    fenced.iter().map(|reached| ((reached.topic.clone(), reached.partition), reached.next)).collect()
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A panic while a lock is held leaves whole values.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs until the subscription is told to end, or a problem.
pub async fn run(sink: &Arc<RedisSink>, around: &Around) -> Result<(), Problem> {
    let (session, reader, first) = Session::open(sink, around).await?;
    around.status().trouble(None);
    let (read, to_fence) = mpsc::channel(BATCHES_MAX);
    let (fenced, to_replicas) = mpsc::channel(BATCHES_MAX);
    let (passed, to_apply) = mpsc::channel(BATCHES_MAX);
    let work = async {
        tokio::try_join!(
            session.read(reader, first, read),
            session.fence(to_fence, fenced),
            session.replicas(to_replicas, passed),
            session.apply(to_apply),
            session.tend(),
        )
        .map(drop)
    };
    tokio::select! {
        done = work => done,
        () = around.stopped() => session.commit().await,
    }
}

impl Session {
    /// Connects, and finds out where to go on and what is in doubt.
    async fn open(sink: &Arc<RedisSink>, around: &Around) -> Result<(Self, Subscription, Batch), Problem> {
        let settings = &sink.settings;
        let server = Server::open(&settings.url, settings.functions).await?;
        sink.has_functions.store(server.has_functions, std::sync::atomic::Ordering::Relaxed);
        let primary = if settings.fence { Some(primary(settings, around)?) } else { None };
        let is_new = around.committed().is_empty();
        let mut reader = around.open().await?;
        let found = Applied::read(&server.hash(&applied::key(around.name())).await?);
        let log = around.log().cluster_id().to_owned();
        let (resumed, mut doubts) = Applied::resume(found.as_ref(), &log, &settings.fingerprint(), reader.places(), is_new);
        let mut opens_at = Vec::new();
        for (at, resumed) in resumed.iter().enumerate() {
            let Some(place) = reader.places().get(at).cloned() else { continue };
            let end = around.log().offsets(place.route.topic, place.route.partition).map_or(place.next, |range| range.end);
            opens_at.push(end);
            // The group may have been moved back; values that are told once are not told again for that.
            let next = match resumed {
                Some(next) if settings.repeats() => place.next.min(*next),
                Some(next) => *next,
                None => place.next,
            };
            if next > end {
                doubts.push(format!("the server remembers more of {} than the log has", place.topic.name));
            }
            reader.seek(at, next.min(end));
        }
        let generation = match settings.namespace.is_empty() {
            true => String::new(),
            false => {
                server.text(redis::cmd("GET").arg(format!("{}:generation", settings.namespace))).await?.unwrap_or_else(|| "0".to_owned())
            }
        };
        let suspects = found.as_ref().map(|found| found.suspects.clone()).unwrap_or_default();
        let fenced: Vec<Reached> = reader.places().iter().map(Reached::from).collect();
        // What an earlier run had behind the fence this server may have lost.
        sink.fenced.send_replace(told(&fenced));
        // The first batch says all places, so that none is missing where the server remembers anything.
        let first = Batch {
            doubts: if settings.repeats() { doubts } else { Vec::new() },
            begins: true,
            gone: found.as_ref().map(|found| found.others(reader.places())).unwrap_or_default(),
            next: reader.places().iter().enumerate().map(|(at, place)| (at, place.next)).collect(),
            version: found.as_ref().map_or(0, |found| found.version),
            lsn: found.as_ref().map_or(Lsn(0), |found| found.lsn),
            ..Batch::default()
        };
        let session = Self {
            sink: Arc::clone(sink),
            around: around.clone(),
            server,
            primary,
            seen: Mutex::default(),
            suspects: Mutex::new(Suspects { open: suspects, over: Vec::new() }),
            generation: Mutex::new(generation),
            fenced: Mutex::new(fenced),
            opens_at,
            opened: Mutex::new(false),
            id: format!("{}-{}", std::process::id(), now_us()),
            told: Mutex::new(false),
            inspections: Mutex::default(),
        };
        Ok((session, reader, first))
    }

    fn settings(&self) -> &Settings {
        &self.sink.settings
    }

    /// Reads, and does what comes before the fence.
    async fn read(&self, mut reader: Subscription, mut batch: Batch, to: mpsc::Sender<Batch>) -> Result<(), Problem> {
        let share = Arc::new(Semaphore::new(WEIGHT_MAX));
        let mut reading = Reading::from(batch.version);
        let (mut looked, mut renewed) = (Instant::now(), Instant::now());
        loop {
            let weight = u32::try_from(batch.weight().min(WEIGHT_MAX)).unwrap_or(u32::MAX);
            let acquired = Arc::clone(&share).acquire_many_owned(weight).await;
            batch.share = acquired.ok();
            self.delete(&mut batch).await?;
            if to.send(std::mem::take(&mut batch)).await.is_err() {
                return Ok(());
            }
            // Until there is something for the next batch.
            loop {
                if looked.elapsed() >= LOOK_EVERY {
                    looked = Instant::now();
                    self.add_topics(&mut reader, &mut batch).await?;
                }
                let delivery = reader.read(READ_BYTES).await.map_err(|error| crate::deliver::state::problem(&error))?;
                let Some(delivery) = delivery else {
                    batch.caught_up = Some(Instant::now());
                    let renewal = self.renewal();
                    let is_due = renewal.is_some_and(|every| renewed.elapsed() >= every);
                    if is_due || !batch.next.is_empty() {
                        renewed = Instant::now();
                        break;
                    }
                    let wait = tokio::time::timeout(renewal.unwrap_or(LOOK_EVERY).min(LOOK_EVERY), reader.wait()).await;
                    if let Ok(Err(error)) = wait {
                        return Err(crate::deliver::state::problem(&error));
                    }
                    continue;
                };
                self.take(&delivery, &reader, &mut batch, &mut reading)?;
                break;
            }
        }
    }

    /// Topics that have come into being are read from their start.
    async fn add_topics(&self, reader: &mut Subscription, batch: &mut Batch) -> Result<(), Problem> {
        let known = reader.places().len();
        if self.around.look(reader).await? == 0 {
            return Ok(());
        }
        let mut fenced = locked(&self.fenced);
        for (at, place) in reader.places().iter().enumerate().skip(known) {
            fenced.push(Reached::from(place));
            batch.next.insert(at, place.next);
        }
        Ok(())
    }

    fn take(&self, delivery: &Delivery, reader: &Subscription, batch: &mut Batch, reading: &mut Reading) -> Result<(), Problem> {
        let place = |at: usize| reader.places().get(at);
        match delivery {
            Delivery::Records(chunk) => {
                let Some(place) = place(chunk.place) else { return Ok(()) };
                let mut wrong = None;
                chunk.records(|record| {
                    let event = Event::new(&place.topic.name, place.route.partition, &record);
                    let judgement = self.around.judge_live(&event);
                    wrong = batch.take(&event, judgement, &place.topic, self.settings(), reading).err();
                    wrong.is_none()
                });
                batch.next.insert(chunk.place, chunk.next);
                wrong.map_or(Ok(()), Err)
            }
            Delivery::Gap { place: at, from, to } => {
                let name = place(*at).map_or("", |place| place.topic.name.as_str());
                batch.doubts.push(format!("{name} has lost its records from {from} to {to} before they were read"));
                batch.next.insert(*at, *to);
                Ok(())
            }
            Delivery::Deleted { place: at } => {
                let name = place(*at).map_or("", |place| place.topic.name.as_str());
                batch.doubts.push(format!("the topic {name} was deleted"));
                batch.gone.extend(place(*at).map(|place| applied::field(&place.topic.id, place.route.partition)));
                Ok(())
            }
        }
    }

    /// Phase 0.
    async fn delete(&self, batch: &mut Batch) -> Result<(), Problem> {
        if !batch.doubts.is_empty() {
            let reasons = batch.doubts.join("; ");
            tracing::warn!(subscription = self.around.name(), code = "cache/doubt", "all keys of the cache are dropped: {reasons}");
            self.sink.doubts.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            // Values that are set do not depend on what readers saw.
            if self.settings().invalidates() {
                self.suspect().await?;
            }
        }
        if self.settings().invalidates() {
            self.forget_all(batch).await?;
            let pipeline = {
                let (seen, generation) = (locked(&self.seen).clone(), locked(&self.generation).clone());
                self.writer(&generation, seen.as_ref()).before(batch)
            };
            self.server.all(&pipeline).await?;
        }
        batch.deleted_ms = now_ms();
        Ok(())
    }

    fn writer<'a>(&'a self, generation: &'a str, seen: Option<&'a Visibility>) -> Writer<'a> {
        Writer { settings: self.settings(), functions: self.server.has_functions, generation, seen }
    }

    /// What a doubt asks for: the next generation of the namespace, or no key of any template.
    async fn forget_all(&self, batch: &Batch) -> Result<(), Problem> {
        let settings = self.settings();
        if !batch.doubts.is_empty() && !settings.namespace.is_empty() {
            let key = format!("{}:generation", settings.namespace);
            if self.server.has_functions {
                // In one step with it, fills that began before are refused: the new generation has no marks to judge them by.
                let mut bump = commands::bump(std::slice::from_ref(&key), batch.lsn);
                self.server.run(bump.arg(self.around.name())).await?;
            } else {
                self.server.run(redis::cmd("INCR").arg(&key)).await?;
            }
            let now = self.server.text(redis::cmd("GET").arg(&key)).await?.unwrap_or_default();
            *locked(&self.generation) = now;
        } else if !batch.doubts.is_empty() {
            for rule in settings.rules.each() {
                for key in &rule.keys {
                    self.server.unlink_like(&rules::pattern(key), self.around.name()).await?;
                }
                for tag in &rule.tags {
                    self.bump_like(&rules::pattern(tag), batch.lsn).await?;
                }
            }
        }
        let namespace = rules::literal(&settings.namespace);
        for pattern in &batch.emptied {
            let pattern = commands::physical(&namespace, &locked(&self.generation).clone(), pattern);
            self.server.unlink_like(&pattern, self.around.name()).await?;
        }
        for pattern in &batch.emptied_tags {
            self.bump_like(pattern, batch.lsn).await?;
        }
        // Keys that were not there may be filled, too: nothing says which transactions changed them.
        if self.server.has_functions && (!batch.doubts.is_empty() || !batch.emptied.is_empty()) {
            self.server.run(&commands::forget(&[], self.around.name())).await?;
        }
        Ok(())
    }

    async fn bump_like(&self, pattern: &str, lsn: Lsn) -> Result<(), Problem> {
        let keys = self.server.keys_like(&commands::generation_key(&self.settings().namespace, pattern)).await?;
        for some in keys.chunks(500) {
            if self.server.has_functions {
                self.server.run(&commands::bump(some, lsn)).await?;
            } else {
                let mut pipeline = redis::pipe();
                for key in some {
                    pipeline.cmd("INCR").arg(key);
                }
                self.server.all(&pipeline).await?;
            }
        }
        Ok(())
    }
}

/// Where the fence asks.
fn primary(settings: &Settings, around: &Around) -> Result<ConnectionConfig, Problem> {
    if let Some(primary) = &settings.primary {
        return Ok(primary.clone());
    }
    let told = |source: &Source| {
        if source.config.skipped.truncate && settings.repeats() && around.status().noted().is_none() {
            around.status().note(Some(super::truncates_skipped(&source.name)));
        }
        source.config.connection.clone()
    };
    if let Some(name) = &settings.connector {
        let unknown = || {
            Problem::retry("cache/source", format!("there is no connector \"{name}\""))
                .fix("correct the option connector of the subscription")
        };
        return around.source(name).map(|source| told(&source)).ok_or_else(unknown);
    }
    let sources = super::writers(around);
    match sources.as_slice() {
        [one] => Ok(told(one)),
        [] => Err(Problem::retry("cache/source", "no connector writes the topics of this subscription yet")
            .why("whether a change is visible is asked of its source")
            .fix("name the connector: connector = \"...\"; it waits until there is one")),
        many => {
            let names: Vec<&str> = many.iter().map(|source| source.name.as_str()).collect();
            Err(Problem::fail("cache/sources", format!("the topics are those of several connectors: {}", names.join(", ")))
                .why("transactions of two servers cannot be told apart by their numbers")
                .fix("make one subscription for each connector"))
        }
    }
}
