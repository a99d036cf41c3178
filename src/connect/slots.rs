//! The replication slots of the servers that connectors read: shown, dropped, and watched before they do harm.
//!
//! Owns which servers there are (by host and port, each asked once whatever the number of its connectors), which connector a
//! slot belongs to, and the watch: it looks at the slots of connectors that rest or have failed, too, because those are the
//! ones that fill a disk, and drops one that keeps too much where its connector chose that (`slot.max.retained.policy=drop`).
//! Promises that no question lasts longer than `ASK_MAX` and that a server that refuses is asked more and more rarely. What
//! slots are is [`crate::postgres::slots`], how much they may keep `budget`.

mod budget;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::registry::{Registry, SourceView};
use super::state::Phase;
use super::status::SlotHealth;
use super::store::DroppedSlot;
use crate::config::postgres::ConnectionConfig;
use crate::postgres::slots::{self, SlotReport};
use crate::postgres::{PostgresError, catalog, slot};
use crate::problem::Problem;
use budget::{Trend, Worry};

/// A server that does not answer within this is left out.
const ASK_MAX: Duration = Duration::from_secs(5);
/// More servers than this are not asked at once.
const SERVERS_MAX: usize = 64;
/// How often slots are looked at, and how rarely where that failed.
const WATCH_EVERY: Duration = Duration::from_secs(10);
const WATCH_AGAIN_MAX: Duration = Duration::from_secs(300);
/// A warning that stays is said again after this.
const SAY_AGAIN: Duration = Duration::from_secs(3600);
/// A slot whose reader was told to end is tried to be dropped so long; then again at the next look.
const DROP_WAIT_MAX: Duration = Duration::from_secs(8);
/// What `pg_stat_activity` shows.
const APPLICATION: &str = "rowfeed slots";

/// A slot, and whose it is.
#[derive(Clone, Debug)]
pub struct SlotView {
    /// `host:port`.
    pub server: String,
    /// The connector that reads it.
    pub connector: Option<String>,
    /// That connector's lag.
    pub lag: Option<Duration>,
    /// What the server says.
    pub report: SlotReport,
}

/// All slots of all servers that answered.
#[derive(Clone, Debug, Default)]
pub struct Slots {
    /// The slots.
    pub items: Vec<SlotView>,
    /// Servers that did not answer: `host:port`, and why.
    pub unreached: Vec<(String, Problem)>,
}

/// Why a slot was not dropped.
#[derive(Debug)]
pub enum Refused {
    /// There is none of this name.
    NotFound(String),
    /// It is in use, or it is not clear which is meant.
    Conflict(String),
    /// The server did not do it.
    Failed(Problem),
}

struct Server {
    name: String,
    sources: Vec<SourceView>,
}

fn server_of(config: &ConnectionConfig) -> String {
    format!("{}:{}", config.host, config.port)
}

fn servers(registry: &Registry) -> Vec<Server> {
    let mut by_name: BTreeMap<String, Vec<SourceView>> = BTreeMap::new();
    for source in registry.sources() {
        by_name.entry(server_of(&source.config.connection)).or_default().push(source);
    }
    by_name.into_iter().take(SERVERS_MAX).map(|(name, sources)| Server { name, sources }).collect()
}

/// Asks with one connector's credentials after the other's: one of them may be wrong. At most three.
async fn ask(server: &Server) -> Result<Vec<SlotReport>, Problem> {
    let asked = async {
        let mut last = Problem::retry("pg/unavailable", "nobody could be asked");
        for source in server.sources.iter().take(3) {
            let config = &source.config.connection;
            let answered = async { slots::list(&catalog::open(config, APPLICATION).await?).await };
            match answered.await {
                Ok(reports) => return Ok(reports),
                Err(error) => last = error.problem(config),
            }
        }
        Err(last)
    };
    let late = || Problem::retry("pg/timeout", format!("{} did not answer within {} s", server.name, ASK_MAX.as_secs()));
    tokio::time::timeout(ASK_MAX, asked).await.unwrap_or_else(|_| Err(late()))
}

fn views(server: &Server, reports: Vec<SlotReport>) -> Vec<SlotView> {
    let view = |report: SlotReport| {
        let owner = server.sources.iter().find(|source| owns(source, &report));
        SlotView {
            server: server.name.clone(),
            connector: owner.map(|source| source.name.clone()),
            lag: owner.and_then(|source| source.status.snapshot().lag),
            report,
        }
    };
    reports.into_iter().map(view).collect()
}

fn owns(source: &SourceView, report: &SlotReport) -> bool {
    source.config.slot_name == report.name && (report.database.is_empty() || source.config.connection.database == report.database)
}

/// The slots of every server that a connector reads.
pub async fn list(registry: &Registry) -> Slots {
    let mut asked = JoinSet::new();
    for server in servers(registry) {
        asked.spawn(async move { (ask(&server).await, server) });
    }
    let mut all = Slots::default();
    while let Some(answer) = asked.join_next().await {
        match answer {
            Ok((Ok(reports), server)) => all.items.extend(views(&server, reports)),
            Ok((Err(problem), server)) => all.unreached.push((server.name, problem)),
            Err(error) => all.unreached.push((String::new(), Problem::fail("internal/panic", error.to_string()))),
        }
    }
    all.items.sort_by(|a, b| (&a.server, &a.report.name).cmp(&(&b.server, &b.report.name)));
    all
}

/// Drops a slot that nobody reads and no running connector needs; `server` says which where several have one of this name.
pub async fn drop_slot(registry: &Registry, name: &str, server: Option<&str>) -> Result<(), Refused> {
    let mut all = list(registry).await;
    all.items.retain(|slot| slot.report.name == name && server.is_none_or(|server| slot.server == server));
    let found = match all.items.as_slice() {
        [] => {
            let unreached: Vec<String> = all.unreached.iter().map(|(server, problem)| format!("{server}: {}", problem.code)).collect();
            let but = if unreached.is_empty() { String::new() } else { format!(" (not reached: {})", unreached.join(", ")) };
            return Err(Refused::NotFound(format!("no slot \"{name}\" on the servers of the connectors{but}")));
        }
        [one] => one,
        several => {
            let servers: Vec<&str> = several.iter().map(|slot| slot.server.as_str()).collect();
            return Err(Refused::Conflict(format!(
                "several servers have a slot \"{name}\": say which with server={}",
                servers.join(" or server=")
            )));
        }
    };
    if found.report.active_pid.is_some() {
        return Err(Refused::Conflict(format!("slot \"{name}\" is read by {}: stop that first", found.report.holder)));
    }
    let servers = servers(registry);
    let sources = || servers.iter().filter(|server| server.name == found.server).flat_map(|server| &server.sources);
    if let Some(owner) = sources().find(|source| owns(source, &found.report) && source.wanted) {
        let message = format!("slot \"{name}\" belongs to connector \"{}\": stop or delete that first", owner.name);
        return Err(Refused::Conflict(message));
    }
    let mut last = Problem::retry("pg/unavailable", "nobody could be asked");
    for source in sources().take(3) {
        let config = &source.config.connection;
        let dropped = async { slot::drop(&catalog::open(config, APPLICATION).await?, name).await };
        match tokio::time::timeout(ASK_MAX, dropped).await.unwrap_or(Err(PostgresError::Timeout(ASK_MAX, "dropping the slot"))) {
            Ok(true) => {
                tracing::warn!(slot = name, server = found.server, "the slot was dropped on request; changes that only it kept are gone");
                return Ok(());
            }
            Ok(false) => return Err(Refused::Conflict(format!("slot \"{name}\" is being read"))),
            Err(error) => last = error.problem(config),
        }
    }
    Err(Refused::Failed(last))
}

/// What the watch remembers of a server that did not answer.
struct Away {
    next: Instant,
    wait: Duration,
}

/// What the watch remembers of a connector's slot.
#[derive(Default)]
struct Memory {
    /// The worry that was logged last, and when.
    said: Option<(&'static str, u8, Instant)>,
    trend: Trend,
}

type Memories = BTreeMap<String, Memory>;

/// Looks at every connector's slot until `stop` says true: for the metrics, the status, and a warning in time.
pub async fn watch(registry: Arc<Registry>, mut stop: watch::Receiver<bool>) {
    let mut away: BTreeMap<String, Away> = BTreeMap::new();
    let mut memories = Memories::new();
    loop {
        tokio::select! {
            () = tokio::time::sleep(WATCH_EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        registry.keep_given_up().await;
        let mut asked = JoinSet::new();
        let servers = servers(&registry);
        away.retain(|name, _| servers.iter().any(|server| server.name == *name));
        memories.retain(|name, _| servers.iter().any(|server| server.sources.iter().any(|source| source.name == *name)));
        for server in servers {
            let later = away.get(&server.name).is_some_and(|away| away.next > Instant::now());
            if !later && server.sources.iter().any(|source| !is_locked_out(source)) {
                asked.spawn(async move { (ask(&server).await, server) });
            }
        }
        let round = async {
            let mut dropping = JoinSet::new();
            while let Some(answer) = asked.join_next().await {
                let Ok((answer, server)) = answer else { continue };
                match answer {
                    Ok(reports) => {
                        away.remove(&server.name);
                        for (source, kept) in look(&server, &reports, &mut memories) {
                            dropping.spawn(give_up(Arc::clone(&registry), source, kept));
                        }
                    }
                    Err(problem) => {
                        tracing::debug!(server = server.name, code = problem.code, "its slots could not be looked at");
                        let wait = away.get(&server.name).map_or(WATCH_EVERY, |away| (away.wait * 2).min(WATCH_AGAIN_MAX));
                        away.insert(server.name.clone(), Away { next: Instant::now() + wait, wait });
                        for source in &server.sources {
                            registry.read_anew(&source.name);
                            source.status.set_slot(source.dropped.as_ref().map(|dropped| gone(source, dropped)));
                        }
                    }
                }
            }
            while let Some(done) = dropping.join_next().await {
                let Ok(Some((source, dropped))) = done else { continue };
                source.status.set_slot(Some(gone(&source, &dropped)));
            }
        };
        tokio::select! {
            () = round => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// The server refused this connector itself: trying its password again and again would lock its account.
pub(super) fn is_locked_out(source: &SourceView) -> bool {
    matches!(source.status.phase(), Phase::Failed { problem, .. } if problem.code == "pg/auth" || problem.code == "pg/password-missing")
}

/// Notes how the slots of a server fare. Those that keep more than their connectors allow are returned, with how much.
fn look(server: &Server, reports: &[SlotReport], memories: &mut Memories) -> Vec<(SourceView, u64)> {
    let mut exceeded = Vec::new();
    for source in &server.sources {
        let memory = memories.entry(source.name.clone()).or_default();
        let budget = &source.config.slot_budget;
        let report = reports.iter().find(|report| owns(source, report));
        let Some(report) = report else {
            memory.trend = Trend::default();
            source.status.set_slot(source.dropped.as_ref().map(|dropped| gone(source, dropped)));
            continue;
        };
        memory.trend.note(Instant::now(), report.retained_bytes.unwrap_or(0));
        let worry = budget::worry(report, budget, &memory.trend);
        say(source, worry.as_ref(), memory);
        if budget.drops && budget::is_exceeded(report, budget) {
            exceeded.push((source.clone(), report.retained_bytes.unwrap_or(0)));
        }
        source.status.set_slot(Some(SlotHealth {
            name: report.name.clone(),
            active: report.active_pid.is_some(),
            retained_bytes: report.retained_bytes,
            safe_bytes: budget::left(report, budget),
            warning: worry.map(|worry| worry.problem),
        }));
    }
    exceeded
}

/// A worry is logged when it is new, another or worse, and again after a while.
fn say(source: &SourceView, worry: Option<&Worry>, memory: &mut Memory) {
    match worry {
        Some(Worry { level, problem }) => {
            let known = memory.said.is_some_and(|(code, said, at)| code == problem.code && said >= *level && at.elapsed() < SAY_AGAIN);
            if !known {
                memory.said = Some((problem.code, *level, Instant::now()));
                tracing::warn!(connector = source.name, code = problem.code, "{}", problem.text());
            }
        }
        None => {
            if memory.said.take().is_some() {
                tracing::info!(connector = source.name, slot = source.config.slot_name, "the slot is out of danger");
            }
        }
    }
}

/// The health of a slot that was dropped for what it kept.
fn gone(source: &SourceView, dropped: &DroppedSlot) -> SlotHealth {
    let problem = budget::dropped(&source.name, dropped);
    SlotHealth { name: dropped.slot.clone(), warning: Some(problem), ..SlotHealth::default() }
}

/// `slot.max.retained.policy=drop`: stops the connector, for good until a person resumes it, and drops its slot. `None`: it
/// could not be done now, and is tried again at the next look.
async fn give_up(registry: Arc<Registry>, source: SourceView, kept_bytes: u64) -> Option<(SourceView, DroppedSlot)> {
    // What holds now: its allowance may have been raised since the slot was looked at.
    let now = registry.source(&source.name)?;
    if now.config.slot_budget != source.config.slot_budget || now.config.slot_name != source.config.slot_name {
        return None;
    }
    let source = now;
    let (connector, slot) = (source.name.as_str(), source.config.slot_name.as_str());
    if source.wanted {
        tracing::warn!(
            connector,
            slot,
            kept_bytes,
            "slot.max.retained.bytes is exceeded: the connector is stopped, its slot will be dropped"
        );
    }
    let bytes_max = source.config.slot_budget.bytes_max.unwrap_or(0);
    // One that could not be dropped at the last look keeps its reason.
    let known = source.dropped.clone().filter(|known| !source.wanted && known.slot == slot);
    let dropped = known.unwrap_or_else(|| DroppedSlot { slot: slot.to_owned(), kept_bytes, bytes_max });
    registry.give_up(connector, dropped.clone()).await;
    let config = &source.config.connection;
    // Who resumes it meanwhile wants its slot.
    let is_given_up = || registry.source(connector).is_some_and(|now| !now.wanted);
    let problem = match slot::drop_when_free(config, APPLICATION, slot, DROP_WAIT_MAX, is_given_up).await {
        Ok(true) => {
            let problem = budget::dropped(connector, &dropped);
            tracing::error!(connector, code = problem.code, "{}", problem.text());
            return Some((source, dropped));
        }
        Ok(false) => "it is still being read, or wanted again".to_owned(),
        Err(error) => error.problem(config).text(),
    };
    tracing::warn!(connector, slot, "slot.max.retained.policy=drop: the slot could not be dropped yet: {problem}");
    None
}
