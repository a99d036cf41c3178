//! The doctor inside the service: on request, and by itself while connectors run.
//!
//! Owns when a connector's database, and what the service stands on, is looked at (soon after each start or reconnect of the
//! connector, then hourly), and what is made of a change for the worse: one line in the log, the status, a metric. Promises that few databases are looked at at
//! once, each within a bounded time and never two connectors in step, and that the looks by itself only read the catalogue.
//! What is looked at is [`crate::postgres::doctor`]'s, and [`super::ground`]'s.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::definitions::Definition;
use super::ground;
use super::registry::{Registry, SourceView};
use super::slots::is_locked_out;
use super::state::Phase;
use super::status::CheckResult;
use crate::config::postgres::{PostgresConfig, TableFilter, TopicDefaults};
use crate::config::{ServiceConfig, native};
use crate::postgres::doctor::{self, Depth, Diagnosis, Mark, Patient};
use crate::postgres::inventory;
use crate::problem::Problem;

pub use crate::postgres::doctor::Finding;
pub use crate::postgres::inventory::Relation;

/// How often it is looked whether a look is due.
const TICK: Duration = Duration::from_secs(2);
/// A connector is looked at so long after it began to work, and then so often.
const AFTER_START: Duration = Duration::from_secs(4);
const EVERY: Duration = Duration::from_secs(3600);
/// So many databases are looked at at once.
const LOOKS_MAX: usize = 4;
/// A look takes no longer.
const LOOK_MAX: Duration = Duration::from_secs(30);
/// An examination that somebody waits for takes no longer.
const EXAMINATION_MAX: Duration = Duration::from_secs(60);
/// So many people wait at once.
static ROOM: Semaphore = Semaphore::const_new(4);

/// What somebody wants to be examined.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// A database, as `rowfeed check` takes it.
    pub url: Option<String>,
    /// A connector instead.
    pub connector: Option<String>,
    /// Patterns of tables; those of the connector, or all, when there are none.
    pub tables: Vec<String>,
    /// The role that will capture, when it is not the URL's.
    pub role: Option<String>,
    /// Whether a temporary slot may be made.
    pub slot_test: bool,
}

/// Why it was not examined.
#[derive(Debug)]
pub enum Refused {
    /// There is no such connector.
    NotFound(String),
    /// What was asked for cannot be understood.
    Malformed(Problem),
    /// Too many wait already.
    Busy,
    /// It took too long.
    Late,
}

/// A database that can be examined.
#[derive(Debug)]
pub struct Examination {
    config: Arc<PostgresConfig>,
    filter: TableFilter,
    is_connector: bool,
    role: Option<String>,
    is_draft: bool,
    slot_test: bool,
    _room: tokio::sync::SemaphorePermit<'static>,
}

/// Understands what was asked for.
pub fn prepare(registry: &Registry, asked: Asked) -> Result<Examination, Refused> {
    let list = (!asked.tables.is_empty()).then(|| native::table_list(&asked.tables)).transpose().map_err(Refused::Malformed)?;
    let (config, is_connector) = match (asked.url, asked.connector) {
        (Some(url), None) => {
            let mut options = native::from_url("check", &url, "").map_err(Refused::Malformed)?;
            options.extend(list.clone().map(|list| ("table.include.list".to_owned(), list)));
            let config = Definition::of_api("check", options).config(TopicDefaults::default());
            (Arc::new(config.map_err(|problems| Refused::Malformed(super::definitions::combine(problems)))?), false)
        }
        (None, Some(name)) => (source(registry, &name)?.config, true),
        _ => return Err(Refused::Malformed(Problem::refuse("config/missing", "one of url, connector and config is needed"))),
    };
    let filter = match list.filter(|_| is_connector) {
        Some(list) => TableFilter::of_list(&list).map_err(Refused::Malformed)?,
        None => config.tables.clone(),
    };
    Ok(Examination { config, filter, is_connector, role: asked.role, is_draft: false, slot_test: asked.slot_test, _room: room()? })
}

/// A connector that does not exist yet: whether it would start.
pub(super) fn prepare_proposed(config: PostgresConfig, slot_test: bool) -> Result<Examination, Refused> {
    let filter = config.tables.clone();
    Ok(Examination { config: Arc::new(config), filter, is_connector: true, role: None, is_draft: true, slot_test, _room: room()? })
}

fn source(registry: &Registry, name: &str) -> Result<SourceView, Refused> {
    let view = registry.view(name).map_err(|error| Refused::NotFound(error.to_string()))?;
    registry.source(&view.name).ok_or_else(|| {
        Refused::Malformed(Problem::refuse("config/value", format!("the configuration of connector \"{name}\" cannot be read")))
    })
}

impl Examination {
    /// Examines, for a connector also what this service stands on; `tell` gets each finding as soon as its group is done.
    pub async fn run(self, service: Option<ServiceConfig>, mut tell: impl FnMut(&Finding) + Send) -> Result<Diagnosis, Refused> {
        let depth = if self.slot_test { Depth::Slot } else { Depth::Try };
        let patient = Patient {
            filter: &self.filter,
            connector: self.is_connector.then_some(&*self.config),
            role: self.role.as_deref(),
            is_draft: self.is_draft,
            ..Patient::of(&self.config, depth)
        };
        let (database, ground) = halves(patient, service.as_ref(), EXAMINATION_MAX, &mut tell).await;
        let mut diagnosis = database.ok_or(Refused::Late)?;
        let ground = ground.unwrap_or_default();
        ground.iter().for_each(tell);
        diagnosis.findings.extend(ground);
        Ok(diagnosis)
    }
}

/// The relations of a connector's database.
pub async fn relations(registry: &Registry, name: &str) -> Result<Result<Vec<Relation>, Problem>, Refused> {
    relations_of(&source(registry, name)?.config).await
}

/// Room for one more who waits for a database.
pub(super) fn room() -> Result<tokio::sync::SemaphorePermit<'static>, Refused> {
    ROOM.try_acquire().map_err(|_| Refused::Busy)
}

/// The relations of the database that a configuration names.
pub(super) async fn relations_of(config: &PostgresConfig) -> Result<Result<Vec<Relation>, Problem>, Refused> {
    let _room = room()?;
    let looked = inventory::look(&config.connection, &config.publication_name, &config.tables);
    let looked = tokio::time::timeout(LOOK_MAX, looked).await.map_err(|_| Refused::Late)?;
    Ok(looked.map_err(|error| error.problem(&config.connection)))
}

/// What is remembered of a connector.
struct Plan {
    /// Its starts so far, as its status counts them.
    starts: u64,
    due: Instant,
    looking: bool,
    known: Looked,
}

/// The answers about the database, and about what the service stands on; `None`: they did not come in time.
#[derive(Default)]
struct Looked {
    database: Option<Vec<Finding>>,
    ground: Option<Vec<Finding>>,
}

/// By question, the worst answer.
type Marks = BTreeMap<&'static str, Mark>;
type Worst<'a> = BTreeMap<&'static str, &'a Finding>;

/// Looks at the connectors' databases, and at what the service stands on, until `stop` says true.
pub async fn watch(registry: Arc<Registry>, service: ServiceConfig, mut stop: watch::Receiver<bool>) {
    let service = Arc::new(service);
    // What is the same for all connectors is news once.
    let mut of_service = Marks::new();
    let mut plans: BTreeMap<String, Plan> = BTreeMap::new();
    let mut looks: JoinSet<(SourceView, Looked)> = JoinSet::new();
    loop {
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            Some(done) = looks.join_next(), if !looks.is_empty() => {
                let Ok((source, looked)) = done else { continue };
                let Some(plan) = plans.get_mut(&source.name) else { continue };
                plan.looking = false;
                note(&source, looked, &mut plan.known, &mut of_service);
                continue;
            }
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let statuses = registry.statuses();
        plans.retain(|name, _| statuses.contains_key(name));
        for (name, status) in statuses {
            let starts = status.starts();
            let now = Instant::now();
            let plan = plans.entry(name.clone()).or_insert_with(|| Plan {
                starts: 0,
                due: now + jittered(EVERY),
                looking: false,
                known: Looked::default(),
            });
            if plan.starts != starts && matches!(status.phase(), Phase::Streaming | Phase::Snapshotting) {
                plan.starts = starts;
                plan.due = plan.due.min(now + jittered(AFTER_START));
            }
            if plan.looking || plan.due > now || looks.len() >= LOOKS_MAX {
                continue;
            }
            plan.due = now + jittered(EVERY);
            let Some(source) = registry.source(&name).filter(|source| source.wanted && !is_locked_out(source)) else { continue };
            plan.looking = true;
            let service = Arc::clone(&service);
            looks.spawn(async move {
                let looked = Box::pin(look(&source.config, &service)).await;
                (source, looked)
            });
        }
    }
}

async fn look(config: &PostgresConfig, service: &ServiceConfig) -> Looked {
    let patient = Patient { connector: Some(config), ..Patient::of(config, Depth::Look) };
    let (database, ground) = halves(patient, Some(service), LOOK_MAX, |_| {}).await;
    Looked { database: database.map(|diagnosis| diagnosis.findings), ground }
}

/// The database, and for a connector what the service stands on. Each half has its own end: one that is slow takes nothing away from the
/// other. `tell` gets the findings of the database as they come.
async fn halves(
    patient: Patient<'_>,
    service: Option<&ServiceConfig>,
    limit: Duration,
    tell: impl FnMut(&Finding) + Send,
) -> (Option<Diagnosis>, Option<Vec<Finding>>) {
    let database = tokio::time::timeout(limit, Box::pin(doctor::examine(patient, tell)));
    let ground = async {
        let (connector, service) = (patient.connector?, service?);
        tokio::time::timeout(limit, ground::examine(service, &[connector], patient.depth)).await.ok()
    };
    let (database, ground) = tokio::join!(database, ground);
    (database.ok(), ground)
}

/// 75 to 125 %.
fn jittered(time: Duration) -> Duration {
    let random = RandomState::new().hash_one(0_u8) % 512;
    time * (768 + u32::try_from(random).unwrap_or(0)) / 1024
}

fn worst<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Worst<'a> {
    let mut worst: Worst<'a> = BTreeMap::new();
    for finding in findings {
        let known = worst.entry(finding.id).or_insert(finding);
        if finding.mark > known.mark {
            *known = finding;
        }
    }
    worst
}

/// Puts the answers into the status, beside the last ones of a half that was late.
fn note(source: &SourceView, looked: Looked, known: &mut Looked, of_service: &mut Marks) {
    for (found, known) in [(looked.database, &mut known.database), (looked.ground, &mut known.ground)] {
        let Some(found) = found else { continue };
        tell(source, &worst(&found), known.as_ref().map(worst), of_service);
        *known = Some(found);
    }
    let results = worst(known.database.iter().chain(&known.ground).flatten()).into_values().map(|finding| CheckResult {
        id: finding.id,
        status: finding.mark.name(),
        title: finding.title,
        observed: finding.observed.clone(),
    });
    source.status.set_checks(results.collect());
}

/// What became worse since the last look is logged once.
fn tell(source: &SourceView, found: &Worst<'_>, before: Option<Worst<'_>>, of_service: &mut Marks) {
    for finding in found.values() {
        let was = if ground::is_of_the_service(finding.id) {
            of_service.insert(finding.id, finding.mark)
        } else {
            before.as_ref().map(|before| before.get(finding.id).map_or(Mark::Ok, |before| before.mark))
        };
        match drift(was, finding.mark) {
            Drift::Worse => tracing::warn!(
                connector = source.name,
                check = finding.id,
                status = finding.mark.name(),
                fix = finding.fix,
                "a check is worse than before: {}: {}",
                finding.title,
                finding.observed
            ),
            Drift::Better => {
                tracing::info!(connector = source.name, check = finding.id, "a check is well again: {}", finding.title)
            }
            Drift::None => {}
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Drift {
    None,
    Worse,
    Better,
}

/// What a mark means after the one before; `None`: the first look, where advice is not news, and what fails is.
fn drift(before: Option<Mark>, now: Mark) -> Drift {
    match before {
        None if now == Mark::Fail => Drift::Worse,
        Some(before) if now >= Mark::Warn && now > before => Drift::Worse,
        Some(before) if now < Mark::Warn && before >= Mark::Warn => Drift::Better,
        _ => Drift::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changes_is_news() {
        use Mark::{Fail, Note, Ok, Warn};
        assert_eq!(drift(None, Warn), Drift::None);
        assert_eq!(drift(None, Fail), Drift::Worse);
        for (before, now, expected) in [
            (Ok, Warn, Drift::Worse),
            (Warn, Warn, Drift::None),
            (Warn, Fail, Drift::Worse),
            (Fail, Warn, Drift::None),
            (Fail, Ok, Drift::Better),
            (Ok, Note, Drift::None),
            (Warn, Note, Drift::Better),
        ] {
            assert_eq!(drift(Some(before), now), expected, "{before:?} {now:?}");
        }
    }
}
