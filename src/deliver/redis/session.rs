//! One run against one server: read, delete, wait until it is visible, delete again with the watermark.
//!
//! Four futures of one task: the reader ([`Session::read`]) with phase 0, the fence, the standbys, and phase 1 ([`Session::apply`]). Batches go
//! from one to the next in order; many are on the way at a time, and one look at the primary serves all that wait. Promises that the watermark
//! never passes a batch that is not behind the fence; that what is on the way is bounded; that any error ends the run, and the
//! next one begins with what the server remembers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{Semaphore, mpsc};

use super::applied::{self, Applied};
use super::batch::{Batch, Reading};
use super::commands::{self, Writer};
use super::evidence::Entry;
use super::inspector::{self, Inspections, LOOKS, Look};
use super::server::Server;
use super::settings::Settings;
use super::{RedisSink, rules};
use crate::change::Lsn;
use crate::change::progress::Visibility;
use crate::config::postgres::ConnectionConfig;
use crate::deliver::around::LOOK_EVERY;
use crate::deliver::{Around, Outcome, Source};
use crate::event::Event;
use crate::log::subscription::Delivery;
use crate::log::Subscription;
use crate::postgres::application;
use crate::postgres::visibility::{Primary, Replica, Seen};
use crate::problem::Problem;

/// About so much is read at a time.
const READ_BYTES: usize = 256 << 10;
/// So many keys may be on the way: deleted, and not behind the fence.
const WEIGHT_MAX: usize = 200_000;
/// So many batches wait for a stage.
const BATCHES_MAX: usize = 1024;
/// One unit behind the fence has about so many keys.
const UNIT_WEIGHT: usize = 2000;
/// Pauses between two looks at the primary while nothing passes.
const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(50);
/// Without anything to wait for.
const QUIET: Duration = Duration::from_secs(5);
/// After so long without passing, it is asked whether the transactions are this server's at all.
const STUCK: Duration = Duration::from_secs(1);
/// A server that is away is tried again after this.
const AGAIN: Duration = Duration::from_millis(250);
/// How often places are committed to the group, and the server is asked whether it is still the same.
const TICK: Duration = Duration::from_secs(1);

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
    suspects: Mutex<Vec<u64>>,
    /// In plain mode: the namespace's generation.
    generation: Mutex<String>,
    /// By place: topic and partition, and where behind the fence it goes on.
    fenced: Mutex<Vec<(String, [u8; 16], u32, u64)>>,
    /// Where the log ended when the run began, by place: then the cache is right, and is opened.
    opens_at: Vec<u64>,
    opened: Mutex<bool>,
    /// The server has a watermark.
    told: Mutex<bool>,
    inspections: Mutex<Inspections>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A panic while a lock is held leaves whole values.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A batch behind the primary's fence, and where the WAL's flushed end was then.
struct Passed {
    batch: Batch,
    flushed: Lsn,
    at: Instant,
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
            false => server.text(redis::cmd("GET").arg(format!("{}:generation", settings.namespace))).await?.unwrap_or_else(|| "0".to_owned()),
        };
        let suspects = found.as_ref().map(|found| found.suspects.clone()).unwrap_or_default();
        let fenced = reader.places().iter().map(|place| (place.topic.name.clone(), place.topic.id, place.route.partition, place.next)).collect();
        // The first batch says all places, so that none is missing where the server remembers anything.
        let first = Batch {
            doubts: if settings.repeats() { doubts } else { Vec::new() },
            begins: true,
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
            suspects: Mutex::new(suspects),
            generation: Mutex::new(generation),
            fenced: Mutex::new(fenced),
            opens_at,
            opened: Mutex::new(false),
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
        let mut looked = Instant::now();
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
                    if self.wants_renewal() || !batch.next.is_empty() {
                        break;
                    }
                    let wait = tokio::time::timeout(LOOK_EVERY, reader.wait()).await;
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
            fenced.push((place.topic.name.clone(), place.topic.id, place.route.partition, place.next));
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
                    let judgement = self.around.judge(&event);
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
            self.suspect().await?;
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

    /// Remembers which transactions may have been committed before the doubt and are not visible yet.
    async fn suspect(&self) -> Result<(), Problem> {
        let Some(config) = &self.primary else { return Ok(()) };
        let primary = Primary::open(config, &application::name(self.around.name(), "doubt")).await?;
        let (next, seen) = (primary.next_xid().await?, primary.look().await?);
        let not_over = seen.by.running.iter().copied().chain(seen.by.xmax..next);
        let mut suspects = locked(&self.suspects);
        suspects.extend(not_over);
        suspects.sort_unstable();
        suspects.dedup();
        Ok(())
    }

    /// What a doubt asks for: the next generation of the namespace, or no key of any template.
    async fn forget_all(&self, batch: &Batch) -> Result<(), Problem> {
        let settings = self.settings();
        if !batch.doubts.is_empty() && !settings.namespace.is_empty() {
            let key = format!("{}:generation", settings.namespace);
            if self.server.has_functions {
                self.server.run(&commands::bump(&[key.clone()], batch.lsn)).await?;
            } else {
                self.server.run(redis::cmd("INCR").arg(&key)).await?;
            }
            let now = self.server.text(redis::cmd("GET").arg(&key)).await?.unwrap_or_default();
            *locked(&self.generation) = now;
        } else if !batch.doubts.is_empty() {
            for rule in settings.rules.each() {
                for key in &rule.keys {
                    self.server.unlink_like(&rules::pattern(key)).await?;
                }
                for tag in &rule.tags {
                    self.bump_like(&rules::pattern(tag), batch.lsn).await?;
                }
            }
        }
        for pattern in &batch.emptied {
            self.server.unlink_like(pattern).await?;
        }
        for pattern in &batch.emptied_tags {
            self.bump_like(pattern, batch.lsn).await?;
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

    /// Lets batches pass once all their transactions are visible.
    async fn fence(&self, mut from: mpsc::Receiver<Batch>, to: mpsc::Sender<Passed>) -> Result<(), Problem> {
        let Some(config) = &self.primary else {
            while let Some(batch) = from.recv().await {
                if to.send(Passed { batch, flushed: Lsn(0), at: Instant::now() }).await.is_err() {
                    return Ok(());
                }
            }
            return Ok(());
        };
        let mut primary: Option<Primary> = None;
        let mut waiting: VecDeque<Batch> = VecDeque::new();
        let (mut pause, mut since) = (PAUSE_MIN, Instant::now());
        loop {
            if waiting.is_empty() {
                // While something is suspected it is looked at also when nothing comes.
                let limit = if locked(&self.suspects).is_empty() { QUIET } else { PAUSE_MAX };
                match tokio::time::timeout(limit, from.recv()).await {
                    Ok(Some(batch)) => waiting.push_back(batch),
                    Ok(None) => return Ok(()),
                    Err(_) if locked(&self.suspects).is_empty() => continue,
                    Err(_) => {}
                }
                (pause, since) = (PAUSE_MIN, Instant::now());
            }
            while let Ok(batch) = from.try_recv() {
                waiting.push_back(batch);
            }
            let Some(mut seen) = self.look(config, &mut primary).await else {
                tokio::time::sleep(AGAIN).await;
                continue;
            };
            if since.elapsed() >= STUCK
                && let Some(primary) = &primary
            {
                self.leave_out_foreign(primary, &mut waiting, &seen).await;
                since = Instant::now();
            }
            self.look_at_suspects(&mut seen, &mut waiting);
            *locked(&self.seen) = Some(seen.by.clone());
            let before = waiting.len();
            while waiting.front().is_some_and(|batch| batch.is_seen_by(&seen.by)) {
                let Some(batch) = waiting.pop_front() else { break };
                if to.send(Passed { batch, flushed: seen.flushed, at: Instant::now() }).await.is_err() {
                    return Ok(());
                }
            }
            if waiting.len() < before || waiting.is_empty() {
                (pause, since) = (PAUSE_MIN, Instant::now());
                continue;
            }
            // A new batch cannot pass before the one that waits, but it may wait in a look of its own.
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// A look at the primary, or what is in its way, told in the status: it is tried again, and what comes before the fence goes on.
    async fn look(&self, config: &ConnectionConfig, primary: &mut Option<Primary>) -> Option<Seen> {
        let looked = match primary {
            Some(primary) => primary.look().await,
            None => match Primary::open(config, &application::name(self.around.name(), "fence")).await {
                Ok(opened) => {
                    let seen = opened.look().await;
                    *primary = Some(opened);
                    self.around.status().trouble(None);
                    seen
                }
                Err(problem) => Err(problem),
            },
        };
        looked
            .map_err(|problem| {
                *primary = None;
                self.around.status().trouble(Some(problem));
            })
            .ok()
    }

    /// Transactions that this server has not given yet are of another one's history: nothing can be waited for.
    async fn leave_out_foreign(&self, primary: &Primary, waiting: &mut VecDeque<Batch>, seen: &Seen) {
        let Some(batch) = waiting.front_mut() else { return };
        let ahead: Vec<u32> = batch.xids.iter().copied().filter(|xid| seen.by.whole(*xid) >= seen.by.xmax).collect();
        for xid in ahead {
            if primary.is_foreign(seen.by.whole(xid)).await.unwrap_or(false) {
                tracing::warn!(subscription = self.around.name(), xid, "a transaction is not of this server's history; it is not waited for");
                batch.xids.retain(|known| *known != xid);
            }
        }
    }

    /// When one of the suspects is over, what was doubted then is doubted once more: it may have been committed before.
    fn look_at_suspects(&self, seen: &mut Seen, waiting: &mut VecDeque<Batch>) {
        let mut suspects = locked(&self.suspects);
        let before = suspects.len();
        suspects.retain(|xid| *xid >= seen.by.xmax || seen.by.running.contains(xid));
        if suspects.len() < before {
            let doubt = "a transaction from before a doubt became visible".to_owned();
            match waiting.front_mut() {
                Some(first) => first.doubts.push(doubt),
                None => waiting.push_back(Batch { doubts: vec![doubt], ..Batch::default() }),
            }
        }
    }

    /// Lets batches pass once the standbys have replayed them.
    async fn replicas(&self, mut from: mpsc::Receiver<Passed>, to: mpsc::Sender<Passed>) -> Result<(), Problem> {
        let settings = self.settings();
        let mut replicas: Vec<(&ConnectionConfig, Option<Replica>)> = settings.replicas.iter().map(|config| (config, None)).collect();
        let mut reached = Lsn(0);
        while let Some(passed) = from.recv().await {
            let mut pause = PAUSE_MIN;
            while !replicas.is_empty() && reached < passed.flushed {
                reached = Lsn(u64::MAX);
                for (config, replica) in &mut replicas {
                    reached = reached.min(self.replayed(config, replica).await);
                }
                if reached < passed.flushed {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
            let left = settings.replica_delay.saturating_sub(passed.at.elapsed());
            if !left.is_zero() {
                tokio::time::sleep(left).await;
            }
            if to.send(passed).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// How far a standby has replayed; nothing, with a word in the status, while that cannot be known.
    async fn replayed(&self, config: &ConnectionConfig, replica: &mut Option<Replica>) -> Lsn {
        let looked = match replica {
            Some(replica) => replica.replayed().await,
            None => match Replica::open(config, &application::name(self.around.name(), "replica")).await {
                Ok(opened) => {
                    let replayed = opened.replayed().await;
                    *replica = Some(opened);
                    self.around.status().trouble(None);
                    replayed
                }
                Err(problem) => Err(problem),
            },
        };
        match looked {
            Ok(lsn) => lsn,
            Err(problem) => {
                *replica = None;
                self.around.status().trouble(Some(problem));
                tokio::time::sleep(AGAIN).await;
                Lsn(0)
            }
        }
    }

    /// Phase 1, and what follows from it.
    async fn apply(&self, mut from: mpsc::Receiver<Passed>) -> Result<(), Problem> {
        while let Some(first) = from.recv().await {
            let (mut weight, mut fence, mut batches) = (first.batch.weight(), first.flushed, vec![first.batch]);
            while weight < UNIT_WEIGHT
                && let Ok(next) = from.try_recv()
            {
                weight += next.batch.weight();
                fence = fence.max(next.flushed);
                batches.push(next.batch);
            }
            for batch in batches.iter().filter(|_| self.settings().invalidates()) {
                self.forget_all(batch).await?;
            }
            let watermark = self.watermark(&batches);
            if !watermark.is_empty() || batches.iter().any(|batch| !batch.is_idle()) {
                let pipeline = {
                    let (seen, generation) = (locked(&self.seen).clone(), locked(&self.generation).clone());
                    self.writer(&generation, seen.as_ref()).behind(&batches, fence, &watermark, self.around.name())
                };
                self.server.all(&pipeline).await?;
                *locked(&self.told) |= !watermark.is_empty();
            }
            self.applied(batches, fence).await?;
        }
        Ok(())
    }

    /// The fields of the watermark that these batches change.
    fn watermark(&self, batches: &[Batch]) -> Vec<(String, String)> {
        let next: BTreeMap<usize, u64> = batches.iter().flat_map(|batch| &batch.next).map(|(at, next)| (*at, *next)).collect();
        if next.is_empty() && !batches.iter().any(|batch| batch.begins) {
            return Vec::new();
        }
        let fenced = locked(&self.fenced);
        let field = |at: &usize| fenced.get(*at).map(|(_, id, partition, _)| applied::field(id, *partition));
        let mut fields: Vec<_> = next.iter().filter_map(|(at, next)| Some((field(at)?, next.to_string()))).collect();
        let mut add = |name: &str, value: String| fields.push((name.to_owned(), value));
        add("log", self.around.log().cluster_id().to_owned());
        add("templates", self.settings().fingerprint());
        add("at", now_ms().to_string());
        add("suspects", locked(&self.suspects).iter().map(u64::to_string).collect::<Vec<_>>().join(","));
        if let Some(lsn) = batches.iter().map(|batch| batch.lsn).max().filter(|lsn| lsn.0 > 0) {
            add("lsn", lsn.to_string());
        }
        if let Some(version) = batches.iter().map(|batch| batch.version).max().filter(|version| *version > 0) {
            add("version", version.to_string());
        }
        fields
    }

    /// Behind phase 1: counters, evidence, places; and the cache is opened once it is right.
    async fn applied(&self, batches: Vec<Batch>, fence: Lsn) -> Result<(), Problem> {
        let (now, at, status) = (now_us(), Instant::now(), self.around.status());
        let mut caught_up = None;
        for batch in batches {
            {
                let mut fenced = locked(&self.fenced);
                for (at, next) in &batch.next {
                    if let Some(place) = fenced.get_mut(*at) {
                        place.3 = *next;
                    }
                }
                self.sink.fenced.send_replace(fenced.iter().map(|(topic, _, partition, next)| ((topic.clone(), *partition), *next)).collect());
            }
            caught_up = batch.caught_up.or(caught_up);
            status.count(Outcome::Delivered, batch.changes);
            status.count(Outcome::Filtered, batch.filtered);
            if batch.unknown > 0 {
                status.note(Some(super::old_keys_unknown()));
            }
            let Batch { keys, writes, deleted_ms, .. } = batch;
            let mut evidence = locked(&self.sink.evidence);
            let mut inspections = locked(&self.inspections);
            let all = keys.into_iter().map(|(key, changed)| (key, changed.xids, changed.cause));
            for (key, xids, cause) in all.chain(writes.into_iter().map(|write| (write.key, Vec::new(), write.cause))) {
                let took = Duration::from_micros(u64::try_from(now.saturating_sub(cause.commit_us)).unwrap_or_default());
                status.took(took);
                if let Some(sql) = &cause.inspect {
                    inspections.add(Look { key: key.clone(), sql: sql.clone(), fenced: at, next: 0 });
                }
                evidence.add(Entry { key, xids, cause, phases_ms: [deleted_ms, now / 1000], fence });
            }
        }
        self.open_cache(caught_up).await
    }

    /// Opens the cache to readers once everything that the server may have lost was repeated, and again as long as it is right.
    async fn open_cache(&self, caught_up: Option<Instant>) -> Result<(), Problem> {
        let settings = self.settings();
        if !self.server.has_functions || !settings.invalidates() {
            return Ok(());
        }
        let is_open = *locked(&self.opened);
        let reached = || {
            let fenced = locked(&self.fenced);
            self.opens_at.iter().zip(fenced.iter()).all(|(end, (.., next))| next >= end)
        };
        let renews = caught_up.is_some() && !settings.bypass_after.is_zero();
        if (is_open && !renews) || !reached() {
            return Ok(());
        }
        let left = match caught_up {
            _ if settings.bypass_after.is_zero() => Duration::ZERO,
            Some(at) => settings.bypass_after.saturating_sub(at.elapsed()),
            None => return Ok(()),
        };
        if left.is_zero() && !settings.bypass_after.is_zero() {
            return Ok(());
        }
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let mut open = redis::cmd("FCALL");
        open.arg("rowfeed_open").arg(0).arg(self.around.name()).arg(&settings.namespace).arg(ms(left)).arg(ms(settings.keep));
        self.server.run(&open).await?;
        *locked(&self.opened) = true;
        Ok(())
    }

    fn wants_renewal(&self) -> bool {
        !self.settings().bypass_after.is_zero()
    }

    /// Once a second: the group's places, whether the server is still the one we know, and keys that are to be looked at.
    async fn tend(&self) -> Result<(), Problem> {
        let mut tick = tokio::time::interval(TICK);
        let mut inspecting = None;
        loop {
            tick.tick().await;
            self.commit().await?;
            self.check_server().await?;
            self.inspect(&mut inspecting).await;
        }
    }

    /// Commits the places behind the fence to the group, for its lag.
    pub async fn commit(&self) -> Result<(), Problem> {
        let places: Vec<_> = locked(&self.fenced).iter().map(|(topic, _, partition, next)| (topic.clone(), *partition, *next)).collect();
        let committed = self.around.committed();
        let moved = places.into_iter().filter(|(topic, partition, next)| committed.get(&(topic.clone(), *partition)) != Some(next));
        self.around.commit(moved.collect()).await
    }

    /// A server that was restarted, emptied or exchanged behind one address, and whose connection did not break.
    async fn check_server(&self) -> Result<(), Problem> {
        let name = self.around.name();
        let is_same = match self.server.has_functions && *locked(&self.opened) {
            true => self.server.number(redis::cmd("FCALL").arg("rowfeed_is_open").arg(0).arg(name)).await? == 1,
            false => true,
        };
        let remembers = !*locked(&self.told) || self.server.number(redis::cmd("EXISTS").arg(applied::key(name))).await? == 1;
        if is_same && remembers {
            return Ok(());
        }
        Err(Problem::retry("redis/reset", "the Redis server was emptied, restarted or exchanged").at(self.server.shown()))
    }

    /// Looks at keys that are due, a few at a time; trouble with that is nobody else's.
    async fn inspect(&self, primary: &mut Option<Primary>) {
        for _ in 0..100 {
            let Some(look) = locked(&self.inspections).due(Instant::now()) else { return };
            if let Err(problem) = self.inspect_one(&look, primary).await {
                *primary = None;
                tracing::debug!(subscription = self.around.name(), "a key was not inspected: {}", problem.what);
                return;
            }
            if look.next + 1 < LOOKS.len() {
                locked(&self.inspections).add(Look { next: look.next + 1, ..look });
            }
        }
    }

    async fn inspect_one(&self, look: &Look, primary: &mut Option<Primary>) -> Result<(), Problem> {
        let Some(config) = &self.primary else { return Ok(()) };
        let session = match primary {
            Some(session) => session,
            None => primary.insert(Primary::open(config, &application::name(self.around.name(), "inspect")).await?),
        };
        let before = session.value(&look.sql).await?;
        let generation = match self.settings().namespace.as_str() {
            "" => String::new(),
            namespace => self.server.text(redis::cmd("GET").arg(format!("{namespace}:generation"))).await?.unwrap_or_else(|| "0".to_owned()),
        };
        let key = commands::physical(&self.settings().namespace, &generation, &look.key);
        let cached = self.server.bytes(redis::cmd("GET").arg(key)).await?;
        if session.value(&look.sql).await? != before {
            return Ok(());
        }
        let is_wrong = match (&cached, &before) {
            (None, _) => false,
            (Some(cached), None) => !cached.is_empty(),
            (Some(cached), Some(told)) => !inspector::is_same(cached, told),
        };
        if is_wrong {
            tracing::warn!(subscription = self.around.name(), key = look.key, code = "cache/inconsistent", "a key holds what the database does not");
        }
        self.sink.findings.found(is_wrong.then(|| look.fenced.elapsed()));
        Ok(())
    }
}

/// Where the fence asks.
fn primary(settings: &Settings, around: &Around) -> Result<ConnectionConfig, Problem> {
    if let Some(primary) = &settings.primary {
        return Ok(primary.clone());
    }
    let told = |source: &Source| {
        if source.config.skipped.truncate && settings.invalidates() && around.status().noted().is_none() {
            around.status().note(Some(super::truncates_skipped(&source.name)));
        }
        source.config.connection.clone()
    };
    if let Some(name) = &settings.connector {
        let unknown = || {
            Problem::retry("cache/source", format!("there is no connector \"{name}\"")).fix("correct the option connector of the subscription")
        };
        return around.source(name).map(|source| told(&source)).ok_or_else(unknown);
    }
    // A topic that is named and does not exist yet has its writer, too.
    let topics = around.topics();
    let named = topics.iter().map(|topic| topic.name.as_str()).chain(around.definition().topics.iter().map(String::as_str));
    let mut sources: Vec<_> = named.filter_map(|topic| around.source_of(topic)).collect();
    sources.sort_by(|a, b| a.name.cmp(&b.name));
    sources.dedup_by(|a, b| a.name == b.name);
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
