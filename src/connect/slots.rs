//! The replication slots of the servers that connectors read: shown, dropped, and watched before they do harm.
//!
//! Owns which servers there are (by host and port, each asked once whatever the number of its connectors), which connector a
//! slot belongs to, and the watch: it looks at the slots of connectors that rest or have failed, too, because those are the
//! ones that fill a disk. Promises that no question lasts longer than `ASK_MAX` and that a server that refuses is asked more
//! and more rarely. What slots are is [`crate::postgres::slots`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::registry::{Registry, SourceView};
use super::state::Phase;
use super::status::SlotHealth;
use crate::config::postgres::ConnectionConfig;
use crate::postgres::slots::{self, SlotReport};
use crate::postgres::{PostgresError, catalog, slot};
use crate::problem::Problem;

/// A server that does not answer within this is left out.
const ASK_MAX: Duration = Duration::from_secs(5);
/// More servers than this are not asked at once.
const SERVERS_MAX: usize = 64;
/// How often slots are looked at, and how rarely where that failed.
const WATCH_EVERY: Duration = Duration::from_secs(10);
const WATCH_AGAIN_MAX: Duration = Duration::from_secs(300);
/// A warning that stays is said again after this.
const SAY_AGAIN: Duration = Duration::from_secs(3600);
/// Where the server sets no limit, a slot that keeps more than this is worth a warning.
const UNLIMITED_BYTES_MAX: u64 = 10 << 30;
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

/// What is worrying about a connector's slot.
fn worry(report: &SlotReport) -> Option<Problem> {
    let (name, kept) = (&report.name, report.retained_bytes.unwrap_or(0));
    let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
    let fix = "let the connector run and catch up, or raise max_slot_wal_keep_size while the disk allows it";
    match (report.wal_status.as_deref(), report.safe_bytes) {
        // A connector that meets it fails with what to do.
        (Some("lost"), _) => {
            Some(Problem::fail("pg/wal-lost", format!("slot \"{name}\" has lost its WAL: changes are gone from the server")))
        }
        (Some("unreserved"), _) => Some(
            Problem::retry("slot/wal-limit", format!("slot \"{name}\" is about to lose its WAL: it keeps {}", mib(kept)))
                .why("max_slot_wal_keep_size is exceeded: the next checkpoint removes what it needs")
                .fix(fix),
        ),
        (_, Some(safe)) if kept > safe => Some(
            Problem::retry("slot/wal-limit", format!("slot \"{name}\" keeps {} of WAL; {} more and it is lost", mib(kept), mib(safe)))
                .why("more than half of max_slot_wal_keep_size is used")
                .fix(fix),
        ),
        (_, None) if kept > UNLIMITED_BYTES_MAX => Some(
            Problem::retry(
                "slot/wal-growing",
                format!("slot \"{name}\" keeps {} of WAL, and nothing limits it: it can fill the disk", mib(kept)),
            )
            .why("max_slot_wal_keep_size is -1")
            .fix("let the connector run and catch up; ALTER SYSTEM SET max_slot_wal_keep_size = '50GB'; SELECT pg_reload_conf();"),
        ),
        _ => None,
    }
}

/// What the watch remembers of a server that did not answer.
struct Away {
    next: Instant,
    wait: Duration,
}

/// Looks at every connector's slot until `stop` says true: for the metrics, the status, and a warning in time.
pub async fn watch(registry: Arc<Registry>, mut stop: watch::Receiver<bool>) {
    let mut away: BTreeMap<String, Away> = BTreeMap::new();
    let mut said: BTreeMap<String, (&'static str, Instant)> = BTreeMap::new();
    loop {
        tokio::select! {
            () = tokio::time::sleep(WATCH_EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let mut asked = JoinSet::new();
        let servers = servers(&registry);
        away.retain(|name, _| servers.iter().any(|server| server.name == *name));
        said.retain(|name, _| servers.iter().any(|server| server.sources.iter().any(|source| source.name == *name)));
        for server in servers {
            let later = away.get(&server.name).is_some_and(|away| away.next > Instant::now());
            if !later && server.sources.iter().any(|source| !is_locked_out(source)) {
                asked.spawn(async move { (ask(&server).await, server) });
            }
        }
        let round = async {
            while let Some(answer) = asked.join_next().await {
                let Ok((answer, server)) = answer else { continue };
                match answer {
                    Ok(reports) => {
                        away.remove(&server.name);
                        look(&server, &reports, &mut said);
                    }
                    Err(problem) => {
                        tracing::debug!(server = server.name, code = problem.code, "its slots could not be looked at");
                        let wait = away.get(&server.name).map_or(WATCH_EVERY, |away| (away.wait * 2).min(WATCH_AGAIN_MAX));
                        away.insert(server.name.clone(), Away { next: Instant::now() + wait, wait });
                        server.sources.iter().for_each(|source| source.status.set_slot(None));
                    }
                }
            }
        };
        tokio::select! {
            () = round => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// The server refused this connector itself: trying its password again and again would lock its account.
fn is_locked_out(source: &SourceView) -> bool {
    matches!(source.status.phase(), Phase::Failed { problem, .. } if problem.code == "pg/auth" || problem.code == "pg/password-missing")
}

fn look(server: &Server, reports: &[SlotReport], said: &mut BTreeMap<String, (&'static str, Instant)>) {
    for source in &server.sources {
        let report = reports.iter().find(|report| owns(source, report));
        let warning = report.and_then(worry);
        match &warning {
            Some(problem) => {
                let known = said.get(&source.name).is_some_and(|(code, at)| *code == problem.code && at.elapsed() < SAY_AGAIN);
                if !known {
                    said.insert(source.name.clone(), (problem.code, Instant::now()));
                    tracing::warn!(connector = source.name, code = problem.code, "{}", problem.text());
                }
            }
            None => {
                if said.remove(&source.name).is_some() {
                    tracing::info!(connector = source.name, slot = source.config.slot_name, "the slot is out of danger");
                }
            }
        }
        source.status.set_slot(report.map(|report| SlotHealth {
            name: report.name.clone(),
            active: report.active_pid.is_some(),
            retained_bytes: report.retained_bytes,
            safe_bytes: report.safe_bytes,
            warning,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(wal_status: &str, retained_mib: u64, safe_mib: Option<u64>) -> SlotReport {
        SlotReport {
            name: "s".into(),
            wal_status: Some(wal_status.into()),
            retained_bytes: Some(retained_mib << 20),
            safe_bytes: safe_mib.map(|mib| mib << 20),
            ..SlotReport::default()
        }
    }

    #[test]
    fn a_slot_is_worrying_before_it_is_lost() {
        let code = |report: SlotReport| worry(&report).map(|problem| problem.code);
        assert_eq!(code(report("reserved", 40, Some(60))), None);
        assert_eq!(code(report("extended", 60, Some(40))), Some("slot/wal-limit"));
        assert_eq!(code(report("unreserved", 101, Some(0))), Some("slot/wal-limit"));
        assert_eq!(code(report("lost", 0, None)), Some("pg/wal-lost"));
        assert_eq!(code(report("extended", 10 << 10, None)), None);
        assert_eq!(code(report("extended", 11 << 10, None)), Some("slot/wal-growing"));
    }
}
