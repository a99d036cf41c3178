//! Redis and Valkey: cache invalidation that is right, values kept equal to rows, streams and channels.
//!
//! A commit reaches logical decoding before other sessions can see it. Who deletes a key when the change arrives leaves a hole: a reader
//! that comes behind the delete and before the change is visible stores the old value, and nothing takes it away again. So keys
//! are taken away twice: at once (phase 0), and when a fresh snapshot of the primary sees every transaction of the batch and
//! the declared standbys have replayed it (phase 1). Leases ([`functions.lua`](server)) close the other hole, of readers who read before and store behind.
//!
//! - [`settings`] and [`rules`]: which keys a change concerns; [`batch`] gathers them.
//! - `session`: one run: read, phase 0, fence, phase 1. [`commands`] says what is sent.
//! - [`applied`]: the watermark, written in one unit with phase 1: a server that lost writes lost it too, and is told again.
//! - [`inspector`] and [`evidence`]: whether that holds, and what happened to a key.
//!
//! Why it is so: `docs/decisions/0025-keys-are-deleted-twice.md`.

pub mod applied;
pub mod batch;
pub mod commands;
pub mod evidence;
pub mod inspector;
pub mod rules;
pub mod server;
mod session;
pub mod settings;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tokio::sync::watch;

use self::evidence::Evidence;
use self::inspector::Findings;
use self::server::Server;
use self::settings::Settings;
use super::{Around, Future, Kind, Options, Question, Refusal, Sink, Source};
use crate::change::Lsn;
use crate::metrics::Number;
use crate::postgres::application;
use crate::postgres::visibility::Primary;
use crate::problem::{Action, Problem};

/// The kind.
pub const KIND: Kind = Kind {
    name: "redis",
    doc: "invalidates or fills a Redis or Valkey cache, or feeds its streams and channels",
    keys: settings::KEYS,
    make,
};

fn make(options: &mut Options) -> Option<Arc<dyn Sink>> {
    Settings::read(options).map(|settings| Arc::new(RedisSink::new(settings)) as Arc<dyn Sink>)
}

/// A server that is away is tried again after this: until then readers may see what it forgot to forget.
const AGAIN: Duration = Duration::from_millis(200);
/// A source that moves on by itself within this needs no push.
const PUSH_AFTER: Duration = Duration::from_millis(20);
/// And again after this.
const PUSH_AGAIN: Duration = Duration::from_secs(1);
/// Pauses between two looks at the source's position.
const LOOK_MIN: Duration = Duration::from_millis(5);
const LOOK_MAX: Duration = Duration::from_millis(50);

/// Next offsets behind the fence, by topic and partition.
type Fenced = BTreeMap<(String, u32), u64>;

/// One subscription, and what it remembers between two runs.
pub struct RedisSink {
    settings: Settings,
    fenced: watch::Sender<Fenced>,
    evidence: Mutex<Evidence>,
    findings: Findings,
    has_functions: AtomicBool,
    doubts: AtomicU64,
    /// Pushes a source forward that does not move.
    pusher: tokio::sync::Mutex<Option<Primary>>,
}

impl RedisSink {
    fn new(settings: Settings) -> Self {
        Self {
            settings,
            fenced: watch::Sender::new(Fenced::new()),
            evidence: Mutex::default(),
            findings: Findings::default(),
            has_functions: AtomicBool::new(false),
            doubts: AtomicU64::new(0),
            pusher: tokio::sync::Mutex::new(None),
        }
    }
}

impl Sink for RedisSink {
    fn run(self: Arc<Self>, around: Around) -> Future<Result<(), Problem>> {
        Box::pin(async move {
            loop {
                match Box::pin(session::run(&self, &around)).await {
                    // The server is tried at once, and often: every moment that it is not told counts.
                    Err(problem) if problem.action == Action::Retry && problem.code.starts_with("redis/") => {
                        tracing::debug!(subscription = around.name(), code = problem.code, "{}", problem.text());
                        around.status().trouble(Some(problem));
                    }
                    done => return done,
                }
                tokio::select! {
                    () = tokio::time::sleep(AGAIN) => {}
                    () = around.stopped() => return Ok(()),
                }
            }
        })
    }

    fn never_goes_back(&self) -> Option<&'static str> {
        let why = "what is published or added to a stream is told once: its place is in Redis, and the group's does not move it back";
        (!self.settings.repeats()).then_some(why)
    }

    fn numbers(&self) -> Vec<Number> {
        let number = |name, help, value: u64| Number { name, help, value: value as f64 };
        let findings = &self.findings;
        vec![
            number("rowfeed_cache_doubts_total", "How often all keys of a cache were dropped", self.doubts.load(Relaxed)),
            number("rowfeed_cache_inspected_total", "Keys that were compared with the database", findings.looked.load(Relaxed)),
            number("rowfeed_cache_inconsistent_total", "Keys that held what the database did not", findings.inconsistent.load(Relaxed)),
            Number {
                name: "rowfeed_cache_staleness_seconds",
                help: "For how long the newest inspected key had been wrong",
                value: findings.staleness_ms.load(Relaxed) as f64 / 1000.0,
            },
        ]
    }

    fn ask(self: Arc<Self>, around: Around, question: Question) -> Future<Result<Json, Refusal>> {
        Box::pin(async move {
            match question {
                Question::Barrier { lsn, timeout } => self.barrier(&around, lsn, timeout).await,
                Question::Explain { key } => self.explain(&around, &key).await,
                other => Err(Refusal::NotSupported(other.name())),
            }
        })
    }
}

impl RedisSink {
    /// Waits until everything that was committed up to a position is behind the fence.
    async fn barrier(&self, around: &Around, lsn: Lsn, timeout: Duration) -> Result<Json, Refusal> {
        let begun = Instant::now();
        let late = |what: &str| Refusal::Timeout(format!("{what} within {timeout:?}"));
        let arrived =
            tokio::time::timeout(timeout, self.arrived(around, lsn)).await.map_err(|_| late("the source's position did not arrive"))??;
        // Whatever was committed up to there stands in the log now.
        let mut ends = Fenced::new();
        for topic in around.topics() {
            for partition in 0..topic.partitions {
                let end = around.log().offsets(topic.index, partition).map_or(0, |range| range.end);
                ends.insert((topic.name.clone(), partition), end);
            }
        }
        let mut fenced = self.fenced.subscribe();
        let is_behind = |fenced: &Fenced| ends.iter().all(|(place, end)| fenced.get(place).is_some_and(|next| next >= end));
        let left = timeout.saturating_sub(begun.elapsed());
        let waited = tokio::time::timeout(left, fenced.wait_for(is_behind)).await;
        match waited {
            Ok(Ok(_)) => {
                Ok(json!({ "lsn": lsn.to_string(), "durable_lsn": arrived.to_string(), "fenced": true, "waited_ms": ms(begun.elapsed()) }))
            }
            Ok(Err(_)) => Err(Refusal::Failed(Problem::retry("subscription/ended", "the deliveries ended"))),
            Err(_) => Err(late("the changes were not behind the fence")),
        }
    }

    /// Waits until the source's position is durable in the log; a source without changes is pushed.
    async fn arrived(&self, around: &Around, lsn: Lsn) -> Result<Lsn, Refusal> {
        let unknown = || Refusal::Wrong("no connector is known to write the topics of this subscription".to_owned());
        // Once: for each look at a source its whole configuration is read.
        let name = match &self.settings.connector {
            Some(name) => name.clone(),
            None => writers(around).into_iter().next().ok_or_else(unknown)?.name,
        };
        let (mut next_push, mut pause) = (Instant::now() + PUSH_AFTER, LOOK_MIN);
        loop {
            let durable = around.durable(&name).ok_or_else(unknown)?;
            if durable >= lsn {
                return Ok(durable);
            }
            if Instant::now() >= next_push {
                next_push = Instant::now() + PUSH_AGAIN;
                let source = around.source(&name).ok_or_else(unknown)?;
                let mut pusher = self.pusher.lock().await;
                let config = self.settings.primary.as_ref().unwrap_or(&source.config.connection);
                let pushed = match pusher.take() {
                    Some(primary) => primary.push_forward("rowfeed:barrier").await.map(|_| primary),
                    None => match Primary::open(config, &application::name(around.name(), "barrier")).await {
                        Ok(primary) => primary.push_forward("rowfeed:barrier").await.map(|_| primary),
                        Err(problem) => Err(problem),
                    },
                };
                // A source that is away moves on when it is back.
                *pusher = pushed.ok();
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK_MAX);
        }
    }

    /// What is known of a key: what the server has, and what was done to it.
    async fn explain(&self, around: &Around, key: &str) -> Result<Json, Refusal> {
        let failed = Refusal::Failed;
        let server = Server::open(&self.settings.url, server::Functions::Off).await.map_err(failed)?;
        let namespace = &self.settings.namespace;
        let generation = match namespace.is_empty() {
            true => None,
            false => server
                .text(redis::cmd("GET").arg(format!("{namespace}:generation")))
                .await
                .map_err(failed)?
                .or_else(|| Some("0".to_owned())),
        };
        let physical = commands::physical(namespace, generation.as_deref().unwrap_or_default(), key);
        let bytes = server.number(redis::cmd("STRLEN").arg(&physical)).await.ok();
        let ttl = server.number(redis::cmd("PTTL").arg(&physical)).await.map_err(failed)?;
        let side = |suffix: &str| format!("{physical}:{suffix}");
        let lease = server.text(redis::cmd("GET").arg(side("lease"))).await.map_err(failed)?;
        let marks = server.text(redis::cmd("GET").arg(side("marks"))).await.map_err(failed)?;
        let version = server.text(redis::cmd("GET").arg(side("version"))).await.map_err(failed)?;
        let applied = server.hash(&applied::key(around.name())).await.map_err(failed)?;
        let invalidations = self.evidence.lock().unwrap_or_else(PoisonError::into_inner).of(key, 20);
        let findings = &self.findings;
        Ok(json!({
            "key": key, "stored_as": physical, "generation": generation, "exists": ttl != -2, "bytes": bytes, "ttl_ms": Some(ttl).filter(|ttl| *ttl >= 0),
            "lease": lease, "marks": marks, "version": version, "invalidations": invalidations,
            "watermark": applied.into_iter().collect::<BTreeMap<_, _>>(), "functions": self.has_functions.load(Relaxed),
            "doubts": self.doubts.load(Relaxed), "inspected": findings.looked.load(Relaxed), "inconsistent": findings.inconsistent.load(Relaxed),
        }))
    }
}

/// The connectors that write the topics of a subscription, each once. A topic that is named and does not exist yet has its writer, too.
fn writers(around: &Around) -> Vec<Source> {
    let topics = around.topics();
    let named = topics.iter().map(|topic| topic.name.as_str()).chain(around.definition().topics.iter().map(String::as_str));
    let mut sources: Vec<Source> = named.filter_map(|topic| around.source_of(topic)).collect();
    sources.sort_by(|a, b| a.name.cmp(&b.name));
    sources.dedup_by(|a, b| a.name == b.name);
    sources
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A warning: an old key was not told.
fn old_keys_unknown() -> Problem {
    Problem::retry("cache/old-key-unknown", "a key's column changed, and the event does not say its old value")
        .why("the table's replica identity has only the key's columns: what the old key holds stays until its time to live")
        .fix("ALTER TABLE ... REPLICA IDENTITY FULL, or use columns of the primary key only, or a tag")
}

/// A warning: what a truncate empties is not told.
fn truncates_skipped(connector: &str) -> Problem {
    Problem::retry("cache/truncates-skipped", format!("the connector {connector} does not publish truncates"))
        .why("a TRUNCATE leaves the keys of the table's rows in the cache until their time to live (skipped.operations is t by default)")
        .fix("skipped.operations = none in the connector's configuration")
}
