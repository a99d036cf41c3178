//! All connectors by name: what REST, the files and the service act on.
//!
//! Owns the map from name to definition, status and thread. Promises that files win (a connector that a file manages
//! cannot be changed through the API), that what the API made is durable before it is acknowledged and comes back after a
//! restart, and that masked secrets written back keep the old value. Requests that change something are one at a time.

mod diff;
mod reload;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::claims;
use super::definitions::{Definition, check_name, check_size};
use super::signals::TooMany;
use super::state::{Phase, Rest};
use super::status::{StateChange, StatusSnapshot, TaskStatus};
use super::store::{DroppedSlot, Kept, Store, TargetState, TopicEnds};
use super::supervisor::{Goal, OnFatal, RunTask, Supervisor, Work};
use super::tallies::TableChanges;
use super::validation::{self, Validation};
use crate::change::Signal;
use crate::config::postgres::effect::{self, Effect};
use crate::config::postgres::table::CLASSES;
use crate::config::postgres::{PostgresConfig, TableFilter, TopicDefaults};
use crate::config::{Options, secrets};
use crate::problem::Problem;

pub use diff::Difference;
pub use reload::{ReadFiles, Reloaded};

/// More connectors than this is refused: each has a thread and a session in a database.
const CONNECTORS_MAX: usize = 1000;

/// Why a request was refused.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// No such connector.
    #[error("Connector {0} not found")]
    NotFound(String),
    /// It exists already.
    #[error("Connector {0} already exists")]
    Exists(String),
    /// It was deleted and its task has not ended yet.
    #[error("Connector {0} was deleted and its task has not ended yet: try again when it has")]
    Ending(String),
    /// A file manages it.
    #[error("Connector {name} is managed by the file {}: change it there", file.display())]
    ManagedByFile {
        /// Its name.
        name: String,
        /// The file.
        file: PathBuf,
    },
    /// The configuration is wrong.
    #[error("Connector configuration is invalid and contains the following {} error(s):\n{}\nYou can also find the above list of errors at the endpoint `/connector-plugins/{{connectorType}}/config/validate`", .0.len(), list(.0))]
    Invalid(Vec<Problem>),
    /// It does not say what it is.
    #[error("Connector config contains no connector type\n  fix: set connector.class = {}", CLASSES[0])]
    NoClass,
    /// It is something else. Clients know this one by its first words, and then list what there is.
    #[error("Failed to find any class that implements Connector and which name matches {class}, available connectors are: {}\n{text}", CLASSES[0])]
    UnknownClass {
        /// What it says it is.
        class: String,
        /// What is known about that.
        text: String,
    },
    /// It is not as it was when the change was thought of.
    #[error("the configuration of connector {0} is not the one that If-Match names: read it again")]
    Changed(String),
    /// Others are validating already.
    #[error("too many configurations are being validated: try again in a moment")]
    Busy,
    /// It does not run, so it cannot be asked for anything.
    #[error("Connector {0} is not running")]
    NotRunning(String),
    /// Too much is asked of it.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// A signal that cannot be understood.
    #[error("{}", .0.text())]
    Malformed(Problem),
    /// It could not be kept or started.
    #[error("{}", .0.text())]
    Failed(Problem),
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(Problem::text).collect::<Vec<_>>().join("\n")
}

/// A connector as REST and metrics see it.
#[derive(Clone, Debug)]
pub struct ConnectorView {
    /// Its name.
    pub name: String,
    /// Its options, as they were written.
    pub options: Options,
    /// The file that manages it.
    pub file: Option<PathBuf>,
    /// Its status now.
    pub status: StatusSnapshot,
    /// What a person wants of it.
    pub target: TargetState,
    /// Why its file does not hold: it has mistakes, or is gone.
    pub file_problem: Option<Problem>,
    /// Where its topics ended when the list of them was begun anew.
    pub topics_reset: Arc<TopicEnds>,
}

/// A connector as the watch over slots sees it.
#[derive(Clone)]
pub struct SourceView {
    /// Its name.
    pub name: String,
    /// What it reads, and how.
    pub config: Arc<PostgresConfig>,
    /// Its status.
    pub status: Arc<TaskStatus>,
    /// It runs, or pauses: it will want its slot again.
    pub wanted: bool,
    /// It was stopped and its slot dropped for what it kept, and it was not resumed since.
    pub dropped: Option<DroppedSlot>,
}

struct Connector {
    definition: Arc<Definition>,
    status: Arc<TaskStatus>,
    supervisor: Supervisor,
    target: TargetState,
    topics_reset: Arc<TopicEnds>,
    /// Why it was stopped, where that was for its slot.
    dropped: Option<DroppedSlot>,
    /// Its target could not be kept when it was set, and is still to be.
    unkept: bool,
    /// Its configuration as it was read last, for who only looks.
    read: Option<Read>,
    /// It rests because its file is gone.
    file_gone: bool,
    /// Why its file does not hold.
    file_problem: Option<Problem>,
}

/// A configuration, of which definition, and since when.
#[derive(Clone)]
struct Read {
    of: Arc<Definition>,
    config: Arc<PostgresConfig>,
    at: Instant,
}

impl Connector {
    /// Takes a new definition, which names these tables. Where no change has an effect on what runs, it is for the next start;
    /// other tables are taken up by a task that streams, and by one that reads its first snapshot when it begins again.
    fn redefine(&mut self, definition: Definition, tables: Option<TableFilter>) {
        let changes = effect::changes(&self.definition.options, &definition.options);
        let live = !definition.is_broken() && effect::heaviest(&changes).is_none_or(|effect| effect == Effect::Live);
        self.definition = Arc::new(definition);
        let definition = Arc::clone(&self.definition);
        match (self.status.phase(), tables.filter(|_| effect::names_tables(&changes))) {
            (Phase::Streaming, Some(tables)) if live => self.supervisor.follow(definition, tables),
            (Phase::Snapshotting | Phase::Streaming, None) if live && !effect::names_tables(&changes) => self.supervisor.note(definition),
            _ => self.supervisor.redefine(definition),
        }
    }
}

/// All connectors.
pub struct Registry {
    connectors: Mutex<BTreeMap<String, Connector>>,
    /// Deleted connectors whose thread has not ended: their names are taken, or two tasks would use one slot.
    ending: Mutex<BTreeMap<String, Supervisor>>,
    /// Held over a whole change, durability included: what is kept and what runs cannot disagree.
    changing: tokio::sync::Mutex<()>,
    validating: tokio::sync::Semaphore,
    /// Turns at asking databases whether they let a connector in; `None`: nobody is asked.
    reaching: Option<tokio::sync::Semaphore>,
    store: Store,
    run: RunTask,
    on_fatal: OnFatal,
    topics: TopicDefaults,
    delete_wait_max: Duration,
    files: reload::Files,
}

impl Registry {
    /// An empty registry.
    pub fn new(store: Store, run: RunTask, on_fatal: OnFatal, topics: TopicDefaults) -> Self {
        Self {
            connectors: Mutex::default(),
            ending: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
            validating: tokio::sync::Semaphore::new(VALIDATIONS_MAX),
            reaching: None,
            store,
            run,
            on_fatal,
            topics,
            delete_wait_max: DELETE_WAIT_MAX,
            files: reload::Files::default(),
        }
    }

    /// Asks the database of a connector that is made or changed through the API whether it lets the connector in, as Debezium
    /// does: a mistyped host is told to its author at once. Files are not asked about: they hold, and their connectors try again.
    #[must_use]
    pub fn asking_databases(mut self) -> Self {
        self.reaching = Some(tokio::sync::Semaphore::new(REACHING_MAX));
        self
    }

    fn connectors(&self) -> MutexGuard<'_, BTreeMap<String, Connector>> {
        self.connectors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts what the files define and what the API made before.
    pub fn start(&self, files: Vec<Definition>) -> Result<(), Problem> {
        let Kept { connectors, states, dropped, topics } = self.store.load()?;
        self.note_start(&files);
        let of_api = connectors.into_iter().map(|(name, options)| Definition::of_api(&name, options));
        for definition in files.into_iter().chain(of_api) {
            if let Some(known) = self.connectors().get(&definition.name) {
                let file = known.definition.file.as_deref().map(|file| file.display().to_string());
                tracing::warn!(connector = definition.name, file, "the file wins over the connector of the same name made through the API");
                continue;
            }
            let name = definition.name.clone();
            self.launch(self.settled(definition), states.get(&name).copied().unwrap_or_default())?;
            if let Some(connector) = self.connectors().get_mut(&name) {
                connector.topics_reset = topics.get(&name).map(|ends| Arc::new(ends.clone())).unwrap_or_default();
                connector.dropped = dropped.get(&name).cloned();
            }
        }
        Ok(())
    }

    fn launch(&self, definition: Definition, target: TargetState) -> Result<(), Problem> {
        for (option, reason) in PostgresConfig::without_effect(&definition.options) {
            tracing::debug!(connector = definition.name, option, "option without effect: {reason}");
        }
        let definition = Arc::new(definition);
        let status = Arc::new(TaskStatus::new());
        let work = Work {
            definition: Arc::clone(&definition),
            status: Arc::clone(&status),
            run: Arc::clone(&self.run),
            on_fatal: Arc::clone(&self.on_fatal),
            topics: self.topics,
        };
        let supervisor = Supervisor::start(work, goal_of(target))?;
        let name = definition.name.clone();
        let connector = Connector {
            definition,
            status,
            supervisor,
            target,
            topics_reset: Arc::default(),
            dropped: None,
            unkept: false,
            read: None,
            file_gone: false,
            file_problem: None,
        };
        self.connectors().insert(name, connector);
        Ok(())
    }

    /// All names.
    pub fn names(&self) -> Vec<String> {
        self.connectors().keys().cloned().collect()
    }

    /// One connector.
    pub fn view(&self, name: &str) -> Result<ConnectorView, RegistryError> {
        self.connectors().get(name).map(view).ok_or_else(|| RegistryError::NotFound(name.to_owned()))
    }

    /// A connector's last changes of state, oldest first.
    pub fn changes(&self, name: &str) -> Result<Vec<StateChange>, RegistryError> {
        let connectors = self.connectors();
        connectors.get(name).map(|known| known.status.changes()).ok_or_else(|| RegistryError::NotFound(name.to_owned()))
    }

    /// How many changes each of a connector's tables had.
    pub fn table_changes(&self, name: &str) -> Result<Vec<TableChanges>, RegistryError> {
        let tallies = self.connectors().get(name).map(|known| known.status.tallies());
        tallies.map(|tallies| tallies.all()).ok_or_else(|| RegistryError::NotFound(name.to_owned()))
    }

    /// All connectors.
    pub fn views(&self) -> Vec<ConnectorView> {
        self.connectors().values().map(view).collect()
    }

    /// Makes a connector that does not exist yet.
    pub async fn create(&self, name: &str, options: Options, target: TargetState) -> Result<ConnectorView, RegistryError> {
        if target == TargetState::Running && self.view(name).is_err() {
            self.reach(name, options.clone()).await?;
        }
        let _changing = self.changing.lock().await;
        if self.connectors().contains_key(name) {
            return Err(RegistryError::Exists(name.to_owned()));
        }
        self.define(name, options, target).await
    }

    /// Makes or changes a connector; true when it was made.
    pub async fn put(&self, name: &str, options: Options) -> Result<(bool, ConnectorView), RegistryError> {
        self.put_over(name, options, None).await
    }

    /// As [`Self::put`], but only while its options are those that were `read`.
    pub async fn put_over(&self, name: &str, options: Options, read: Option<&Options>) -> Result<(bool, ConnectorView), RegistryError> {
        self.reach(name, options.clone()).await?;
        let _changing = self.changing.lock().await;
        let known = self.connectors().get(name).map(|known| (Arc::clone(&known.definition), known.target));
        is_as_read(name, known.as_ref().map(|(definition, _)| &definition.options), read)?;
        match known {
            None => Ok((true, self.define(name, options, TargetState::Running).await?)),
            Some((definition, _)) => Ok((false, self.redefine(&definition, options).await?)),
        }
    }

    /// Changes some options of a connector: `None` removes one. Two requests at once both have their effect.
    pub async fn patch(&self, name: &str, changes: Vec<(String, Option<String>)>) -> Result<ConnectorView, RegistryError> {
        self.patch_over(name, changes, None).await
    }

    /// As [`Self::patch`], but only while its options are those that were `read`.
    pub async fn patch_over(
        &self,
        name: &str,
        changes: Vec<(String, Option<String>)>,
        read: Option<&Options>,
    ) -> Result<ConnectorView, RegistryError> {
        let definition = self.definition(name)?;
        self.reach(name, patched(&definition, changes.clone())).await?;
        let _changing = self.changing.lock().await;
        let definition = self.definition(name)?;
        is_as_read(name, Some(&definition.options), read)?;
        self.redefine(&definition, patched(&definition, changes)).await
    }

    /// Whether the database lets a connector in that is about to be made or changed, and to run. Before anything is locked:
    /// a database that does not answer holds up nobody else. What is wrong otherwise, or has an owner, is told by who changes it.
    async fn reach(&self, name: &str, mut options: Options) -> Result<(), RegistryError> {
        let Some(turns) = &self.reaching else { return Ok(()) };
        let known = self.connectors().get(name).map(|known| (Arc::clone(&known.definition), known.target));
        if let Some((known, target)) = known {
            validation::unmask(&mut options, &known.options);
            if target != TargetState::Running || known.file.is_some() || known.options == options {
                return Ok(());
            }
        }
        let Ok(definition) = self.checked(name, options) else { return Ok(()) };
        let Ok(config) = definition.config(self.topics) else { return Ok(()) };
        let Ok(_turn) = turns.acquire().await else { return Ok(()) };
        validation::reach(&config.connection).await.map_err(|problem| RegistryError::Invalid(vec![problem]))
    }

    async fn define(&self, name: &str, options: Options, target: TargetState) -> Result<ConnectorView, RegistryError> {
        check_name(name).map_err(|problem| RegistryError::Invalid(vec![problem]))?;
        if self.connectors().len() >= CONNECTORS_MAX {
            let problem = Problem::refuse("config/too-many", format!("there are {CONNECTORS_MAX} connectors already"));
            return Err(RegistryError::Failed(problem));
        }
        if self.is_ending(name) {
            return Err(RegistryError::Ending(name.to_owned()));
        }
        let definition = self.checked(name, options)?;
        self.store.put(name, &definition.options, target).await.map_err(RegistryError::Failed)?;
        self.launch(definition, target).map_err(RegistryError::Failed)?;
        tracing::info!(connector = name, "connector created");
        self.view(name)
    }

    async fn redefine(&self, known: &Definition, mut options: Options) -> Result<ConnectorView, RegistryError> {
        refuse_file(known)?;
        validation::unmask(&mut options, &known.options);
        let definition = self.checked(&known.name, options)?;
        if definition == *known {
            return self.view(&known.name);
        }
        self.store.put_definition(&known.name, &definition.options).await.map_err(RegistryError::Failed)?;
        let tables = definition.config(self.topics).ok().map(|config| config.tables);
        if let Some(connector) = self.connectors().get_mut(&known.name) {
            connector.redefine(definition, tables);
        }
        tracing::info!(connector = known.name, "connector changed");
        self.view(&known.name)
    }

    fn checked(&self, name: &str, options: Options) -> Result<Definition, RegistryError> {
        if let Some(inside) = options.get("name").filter(|inside| inside.as_str() != name) {
            let text = format!("Connector name configuration ({inside}) doesn't match connector name in the URL ({name})");
            return Err(RegistryError::Failed(Problem::refuse("config/name", text)));
        }
        check_size(&options).map_err(|problem| RegistryError::Invalid(vec![problem]))?;
        Self::check_class(name, &options)?;
        if let Some((_, problem)) = validation::stars(&options) {
            return Err(RegistryError::Invalid(vec![problem]));
        }
        let definition = Definition::of_api(name, options);
        definition.config(self.topics).map_err(RegistryError::Invalid)?;
        match self.conflict(&definition) {
            Some(problem) => Err(RegistryError::Invalid(vec![problem])),
            None => Ok(definition),
        }
    }

    /// Whether another connector, running or not, has what this one needs for itself.
    fn conflict(&self, definition: &Definition) -> Option<Problem> {
        let config = definition.config(self.topics).ok()?;
        let others: Vec<_> = self
            .connectors()
            .iter()
            // One whose file is gone is over: its file may have another name now.
            .filter(|(name, known)| **name != definition.name && !known.file_gone)
            .filter_map(|(name, known)| Some((name.clone(), known.definition.config(self.topics).ok()?)))
            .collect();
        claims::conflict(&config, others.iter().map(|(name, config)| (name.as_str(), config)))
    }

    /// A definition that nobody can refuse to its author: it fails with the reason.
    fn settled(&self, definition: Definition) -> Definition {
        match self.conflict(&definition) {
            Some(problem) => definition.refused(problem),
            None => definition,
        }
    }

    /// Ends and forgets a connector. Its slot stays unless `slot.drop.on.stop` says otherwise, its topics stay.
    pub async fn delete(&self, name: &str) -> Result<(), RegistryError> {
        let changing = self.changing.lock().await;
        let definition = self.definition(name)?;
        // One whose file is deleted has nobody else who could delete it.
        if !self.connectors().get(name).is_some_and(|known| known.file_gone) {
            refuse_file(&definition)?;
        }
        self.store.remove(name).await.map_err(RegistryError::Failed)?;
        let removed = self.connectors().remove(name);
        if let Some(connector) = removed {
            connector.supervisor.set_goal(Goal::Quit);
            // Kept before waiting: a client that does not wait for the answer must not free the name.
            self.ending().insert(name.to_owned(), connector.supervisor);
            // Who changes another connector does not wait for the end of this one.
            drop(changing);
            // The answer waits for the end, so that the same name can be made again at once; but not for ever.
            let deadline = Instant::now() + self.delete_wait_max;
            while self.is_ending(name) && Instant::now() < deadline {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            tracing::info!(connector = name, ended = !self.is_ending(name), "connector deleted");
            if let Ok(config) = definition.config(self.topics)
                && !config.slot_drop_on_stop
            {
                let (slot, database) = (config.slot_name, config.connection.shown());
                let user = config.connection.user;
                tracing::warn!(
                    connector = name,
                    slot,
                    "its slot stays and keeps WAL until it is dropped: rowfeed slots drop {slot} --url postgres://{user}@{database}"
                );
            }
        }
        Ok(())
    }

    fn ending(&self) -> MutexGuard<'_, BTreeMap<String, Supervisor>> {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the thread of a deleted connector of this name is still there.
    fn is_ending(&self, name: &str) -> bool {
        let mut ending = self.ending();
        ending.retain(|_, supervisor| !supervisor.join(Duration::ZERO));
        ending.contains_key(name)
    }

    /// All connectors whose configuration can be read, as it was read within the last minutes: of a thousand connectors it is
    /// not read anew at each look. Who finds that one does not hold any more says so by [`Registry::read_anew`].
    pub fn sources(&self) -> Vec<SourceView> {
        self.statuses().keys().filter_map(|name| self.source_of(name, READ_AGE_MAX)).collect()
    }

    /// A connector, when there is one of this name whose configuration can be read now.
    pub fn source(&self, name: &str) -> Option<SourceView> {
        self.source_of(name, Duration::ZERO)
    }

    fn source_of(&self, name: &str, age_max: Duration) -> Option<SourceView> {
        let (definition, status, wanted, dropped, read) = {
            let connectors = self.connectors();
            let known = connectors.get(name)?;
            let wanted = !known.file_gone && known.target != TargetState::Stopped;
            (Arc::clone(&known.definition), Arc::clone(&known.status), wanted, known.dropped.clone(), known.read.clone())
        };
        let holds = |read: &Read| Arc::ptr_eq(&read.of, &definition) && read.at.elapsed() < age_max;
        let config = match read.filter(holds) {
            Some(read) => read.config,
            None => {
                // Secrets may be files: they are not read while the lock is held.
                let config = Arc::new(definition.config(self.topics).ok()?);
                let read = Read { of: Arc::clone(&definition), config: Arc::clone(&config), at: Instant::now() };
                if let Some(known) = self.connectors().get_mut(name) {
                    known.read = Some(read);
                }
                config
            }
        };
        Some(SourceView { name: definition.name.clone(), config, status, wanted, dropped })
    }

    /// The configuration of this connector is to be read anew at the next look: its password may be another one now.
    pub fn read_anew(&self, name: &str) {
        if let Some(known) = self.connectors().get_mut(name) {
            known.read = None;
        }
    }

    /// How one connector fares; no configuration is read for it.
    pub fn status(&self, name: &str) -> Option<Arc<TaskStatus>> {
        self.connectors().get(name).map(|known| Arc::clone(&known.status))
    }

    /// How each connector fares; no configuration is read for it.
    pub fn statuses(&self) -> BTreeMap<String, Arc<TaskStatus>> {
        self.connectors().iter().map(|(name, known)| (name.clone(), Arc::clone(&known.status))).collect()
    }

    fn definition(&self, name: &str) -> Result<Arc<Definition>, RegistryError> {
        let connectors = self.connectors();
        connectors.get(name).map(|known| Arc::clone(&known.definition)).ok_or_else(|| RegistryError::NotFound(name.to_owned()))
    }

    /// Runs, pauses or stops a connector; the wish survives a restart. Doing it again does nothing.
    pub async fn set_target(&self, name: &str, target: TargetState) -> Result<(), RegistryError> {
        let _changing = self.changing.lock().await;
        self.definition(name)?;
        // Who stops what is stopped does not make the reason untrue.
        let dropped = self.connectors().get(name).and_then(|known| known.dropped.clone()).filter(|_| target == TargetState::Stopped);
        self.store.put_state(name, target, dropped.as_ref()).await.map_err(RegistryError::Failed)?;
        if let Some(connector) = self.connectors().get_mut(name) {
            connector.target = target;
            connector.dropped = dropped;
            connector.unkept = false;
            if std::mem::take(&mut connector.file_gone) {
                connector.file_problem = None;
            }
            connector.supervisor.set_goal(goal_of(target));
        }
        Ok(())
    }

    /// Stops a connector whose slot is to be dropped, until a person resumes it. It stops also where that cannot be kept now: the
    /// log's own full disk is what lets a slot grow, and no reason to let the database's disk fill, too. What was not kept is
    /// by [`Registry::keep_given_up`].
    pub async fn give_up(&self, name: &str, dropped: DroppedSlot) {
        if let Some(connector) = self.connectors().get_mut(name) {
            if connector.target == TargetState::Stopped && connector.dropped.as_ref() == Some(&dropped) {
                return;
            }
            connector.target = TargetState::Stopped;
            connector.dropped = Some(dropped);
            connector.unkept = true;
            connector.supervisor.set_goal(Goal::Rest(Rest::Stop));
        }
        self.keep_given_up().await;
    }

    /// Keeps the targets that could not be kept before. Where that is not possible now, or somebody is changing something,
    /// the next call does it.
    pub async fn keep_given_up(&self) {
        let Ok(_changing) = self.changing.try_lock() else { return };
        let unkept: Vec<_> = {
            let connectors = self.connectors();
            let unkept = connectors.iter().filter(|(_, known)| known.unkept);
            unkept.map(|(name, known)| (name.clone(), known.target, known.dropped.clone())).collect()
        };
        for (name, target, dropped) in unkept {
            let kept = tokio::time::timeout(KEEP_WAIT_MAX, self.store.put_state(&name, target, dropped.as_ref())).await;
            match kept {
                Ok(Ok(())) => {
                    if let Some(connector) = self.connectors().get_mut(&name) {
                        connector.unkept = false;
                    }
                }
                Ok(Err(problem)) => tracing::warn!(connector = name, "that it is stopped cannot be kept yet: {}", problem.text()),
                Err(_) => tracing::warn!(connector = name, "that it is stopped cannot be kept yet: the log takes nothing"),
            }
        }
    }

    /// What Kafka Connect asks first.
    fn check_class(name: &str, options: &Options) -> Result<(), RegistryError> {
        let class = options.get("connector.class").ok_or(RegistryError::NoClass)?;
        let wrong =
            PostgresConfig::parse_asked(name, &Options::from([("connector.class".to_owned(), class.clone())]), TopicDefaults::default());
        let problems = wrong.err().unwrap_or_default();
        match problems.into_iter().find(|problem| problem.key == "connector.class") {
            Some(problem) => Err(RegistryError::UnknownClass { class: class.clone(), text: problem.problem.text() }),
            None => Ok(()),
        }
    }

    /// Options that are not given yet, and what holds for topics: where a form sends back the stars that it was shown, with what they
    /// stand for. That goes to nobody but the server, and as the user, that it was given for.
    pub fn proposed(&self, mut options: Options) -> (Options, TopicDefaults) {
        let name = options.get("name").cloned().unwrap_or_default();
        if let Ok(known) = self.definition(&name) {
            // What is asked of the server, and how, is as it was, too: its owner may be another than who proposes.
            let is_of_server = |key: &&String| key.starts_with("database.") || key.starts_with("snapshot.select.statement.overrides");
            let is_same =
                |key: &String| options.get(key).is_some_and(|value| value == secrets::MASK) || options.get(key) == known.options.get(key);
            if options.keys().chain(known.options.keys()).filter(is_of_server).all(is_same) {
                validation::unmask(&mut options, &known.options);
            }
        }
        (options, self.topics)
    }

    /// Everything that can be said about a configuration that is not given yet, or that would change a connector of its name.
    /// Bounded in time: see [`validation::validate`].
    pub async fn validate(&self, mut options: Options) -> Result<Validation, RegistryError> {
        check_size(&options).map_err(|problem| RegistryError::Invalid(vec![problem]))?;
        Self::check_class("", &options)?;
        let turn = tokio::time::timeout(VALIDATION_WAIT_MAX, self.validating.acquire()).await;
        let Ok(Ok(_turn)) = turn else { return Err(RegistryError::Busy) };
        let name = options.get("name").cloned().unwrap_or_default();
        if let Ok(known) = self.definition(&name) {
            validation::unmask(&mut options, &known.options);
        }
        let mut found = validation::validate(&options, self.topics).await;
        if let Some((key, problem)) = validation::stars(&options) {
            found.error(key, &problem);
        }
        if let Some(problem) = self.conflict(&Definition::of_api(&name, options)) {
            found.error(validation::key_of_conflict(&problem), &problem);
        }
        Ok(found)
    }

    /// Begins the list of a connector's topics anew, which end so now; it survives a restart.
    pub async fn reset_topics(&self, name: &str, ends: TopicEnds) -> Result<(), RegistryError> {
        let _changing = self.changing.lock().await;
        self.definition(name)?;
        self.store.put_topics(name, &ends).await.map_err(RegistryError::Failed)?;
        if let Some(connector) = self.connectors().get_mut(name) {
            connector.topics_reset = Arc::new(ends);
        }
        Ok(())
    }

    /// Begins a connector's task again; with `only_failed` only when it has failed. One that rests goes on resting. Whether it
    /// was begun again.
    pub fn restart(&self, name: &str, only_failed: bool) -> Result<(ConnectorView, bool), RegistryError> {
        let connectors = self.connectors();
        let connector = connectors.get(name).ok_or_else(|| RegistryError::NotFound(name.to_owned()))?;
        let failed = matches!(connector.status.phase(), Phase::Failed { .. });
        let again = connector.target == TargetState::Running && (failed || !only_failed);
        if again {
            connector.supervisor.restart();
        }
        Ok((view(connector), again))
    }

    /// Asks a running connector for something, in the words of Debezium's signals. It acts on it when it streams, between two
    /// transactions.
    pub fn signal(&self, name: &str, id: &str, kind: &str, data: &str) -> Result<(), RegistryError> {
        let connectors = self.connectors();
        let connector = connectors.get(name).ok_or_else(|| RegistryError::NotFound(name.to_owned()))?;
        let works = match connector.status.phase() {
            Phase::Created | Phase::Preparing | Phase::Snapshotting | Phase::Streaming | Phase::Failed { retry: true, .. } => true,
            Phase::Draining | Phase::Failed { retry: false, .. } | Phase::Paused | Phase::Stopped => false,
        };
        if !works || connector.target != TargetState::Running || connector.file_gone {
            return Err(RegistryError::NotRunning(name.to_owned()));
        }
        let signal = Signal::parse(id, kind, data).map_err(RegistryError::Malformed)?;
        connector.status.signals().push(signal)?;
        tracing::info!(connector = name, id, kind, "a signal waits to be acted on");
        Ok(())
    }

    /// Ends every task, at most for `wait_max`; false when one did not end in time.
    pub fn shut_down(&self, wait_max: Duration) -> bool {
        let mut connectors = std::mem::take(&mut *self.connectors());
        for connector in connectors.values() {
            connector.supervisor.set_goal(Goal::Quit);
        }
        let deadline = Instant::now() + wait_max;
        let mut all = true;
        let mut ending = std::mem::take(&mut *self.ending());
        for supervisor in connectors.values_mut().map(|connector| &mut connector.supervisor).chain(ending.values_mut()) {
            all &= supervisor.join(deadline.saturating_duration_since(Instant::now()));
        }
        all
    }
}

/// How long a DELETE waits for the task's end.
const DELETE_WAIT_MAX: Duration = Duration::from_secs(10);
/// Validations at a time: each has sessions in a database.
const VALIDATIONS_MAX: usize = 4;
/// Databases that are asked at a time whether they let a connector in.
const REACHING_MAX: usize = 16;
/// How long one waits for its turn.
const VALIDATION_WAIT_MAX: Duration = Duration::from_secs(10);
/// A configuration is not read anew for a look at slots within this.
const READ_AGE_MAX: Duration = Duration::from_secs(300);
/// Keeping a target waits no longer for the log.
const KEEP_WAIT_MAX: Duration = Duration::from_secs(2);
/// How often it looks.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

fn goal_of(target: TargetState) -> Goal {
    match target {
        TargetState::Running => Goal::Run,
        TargetState::Paused => Goal::Rest(Rest::Pause),
        TargetState::Stopped => Goal::Rest(Rest::Stop),
    }
}

/// Whether a connector's options are still those that a change is meant for.
fn is_as_read(name: &str, now: Option<&Options>, read: Option<&Options>) -> Result<(), RegistryError> {
    if read.is_none() || now == read { Ok(()) } else { Err(RegistryError::Changed(name.to_owned())) }
}

/// A connector's options with changes: `None` removes one.
fn patched(definition: &Definition, changes: Vec<(String, Option<String>)>) -> Options {
    let mut options = definition.options.clone();
    for (option, value) in changes {
        match value {
            Some(value) => drop(options.insert(option, value)),
            None => drop(options.remove(&option)),
        }
    }
    options
}

fn refuse_file(definition: &Definition) -> Result<(), RegistryError> {
    match &definition.file {
        Some(file) => Err(RegistryError::ManagedByFile { name: definition.name.clone(), file: file.clone() }),
        None => Ok(()),
    }
}

fn view(connector: &Connector) -> ConnectorView {
    ConnectorView {
        name: connector.definition.name.clone(),
        options: connector.definition.options.clone(),
        file: connector.definition.file.clone(),
        status: connector.status.snapshot(),
        target: if connector.file_gone { TargetState::Stopped } else { connector.target },
        file_problem: connector.file_problem.clone(),
        topics_reset: Arc::clone(&connector.topics_reset),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::secrets;

    fn options() -> Options {
        let pairs = [
            ("connector.class", "PostgresConnector"),
            ("database.hostname", "h"),
            ("database.user", "u"),
            ("database.password", "secret"),
            ("database.dbname", "d"),
            ("topic.prefix", "p"),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    fn steady() -> RunTask {
        Arc::new(|config, status, mut stop| {
            assert_eq!(config.connection.password.as_ref().map(secrets::Secret::expose), Some("secret"));
            status.set_phase(Phase::Streaming);
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            runtime.block_on(async { stop.wait_for(|stop| *stop).await.map(drop) }).expect("told to stop");
            Ok(())
        })
    }

    fn registry(store: Store) -> Registry {
        Registry::new(store, steady(), Arc::new(|_| {}), TopicDefaults::default())
    }

    async fn wait_for_phase(registry: &Registry, name: &str, phase: &Phase) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while registry.view(name).expect("there").status.phase != *phase {
            assert!(Instant::now() < deadline, "waited for {phase:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn a_connector_made_through_the_api_comes_back_after_a_restart() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let store = Store::File(dir.path().join("connectors.json"));
        let first = registry(store.clone());
        assert!(first.put("shop", options()).await.expect("made").0);
        wait_for_phase(&first, "shop", &Phase::Streaming).await;
        first.set_target("shop", TargetState::Paused).await.expect("paused");
        assert!(first.shut_down(Duration::from_secs(10)));
        let second = registry(store);
        second.start(Vec::new()).expect("started");
        wait_for_phase(&second, "shop", &Phase::Paused).await;
        second.delete("shop").await.expect("deleted");
        assert!(matches!(second.view("shop"), Err(RegistryError::NotFound(_))));
    }

    /// Aim: the full disk of the log does not keep a connector from being given up, and why survives a restart.
    #[tokio::test]
    async fn a_connector_is_given_up_at_once_and_that_is_kept_when_it_can_be() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let away = dir.path().join("away");
        std::fs::create_dir(&away).expect("a folder");
        let store = Store::File(away.join("connectors.json"));
        let first = registry(store.clone());
        first.put("shop", options()).await.expect("made");
        wait_for_phase(&first, "shop", &Phase::Streaming).await;
        std::fs::rename(&away, dir.path().join("elsewhere")).expect("moved");
        let dropped = DroppedSlot { slot: "s".to_owned(), kept_bytes: 9, bytes_max: 8 };
        assert!(first.set_target("shop", TargetState::Stopped).await.is_err(), "nothing can be kept");
        first.give_up("shop", dropped.clone()).await;
        wait_for_phase(&first, "shop", &Phase::Stopped).await;
        assert_eq!(first.source("shop").expect("there").dropped, Some(dropped.clone()));
        std::fs::rename(dir.path().join("elsewhere"), &away).expect("moved back");
        assert!(store.load().expect("readable").dropped.is_empty());
        first.keep_given_up().await;
        assert!(first.shut_down(Duration::from_secs(10)));

        let second = registry(store.clone());
        second.start(Vec::new()).expect("started");
        wait_for_phase(&second, "shop", &Phase::Stopped).await;
        assert_eq!(second.source("shop").expect("there").dropped, Some(dropped.clone()));
        // To stop or to change it does not make that untrue; to resume it does.
        second.set_target("shop", TargetState::Stopped).await.expect("stopped");
        second
            .put("shop", Options::from_iter(options().into_iter().chain([("tasks.max".to_owned(), "1".to_owned())])))
            .await
            .expect("changed");
        assert_eq!(store.load().expect("readable").dropped.get("shop"), Some(&dropped));
        second.set_target("shop", TargetState::Running).await.expect("resumed");
        assert!(store.load().expect("readable").dropped.is_empty() && second.source("shop").expect("there").dropped.is_none());
    }

    /// Aim: a look at the slots of many connectors reads no configuration twice. Method: the same one is shown again.
    #[tokio::test]
    async fn a_configuration_is_read_once_until_it_changes_or_does_not_hold() {
        let registry = registry(Store::Memory);
        registry.put("shop", options()).await.expect("made");
        let look = || registry.sources().pop().expect("there").config;
        let first = look();
        assert!(Arc::ptr_eq(&first, &look()));
        registry.read_anew("shop");
        let second = look();
        assert!(!Arc::ptr_eq(&first, &second) && Arc::ptr_eq(&second, &look()));
        registry
            .put("shop", Options::from_iter(options().into_iter().chain([("slot.name".to_owned(), "other".to_owned())])))
            .await
            .expect("changed");
        assert_eq!(look().slot_name, "other");
    }

    #[tokio::test]
    async fn a_slot_and_a_topic_prefix_have_one_connector() {
        let registry = registry(Store::Memory);
        registry.put("shop", options()).await.expect("made");
        registry.put("shop", options()).await.expect("itself is no conflict");
        registry.set_target("shop", TargetState::Paused).await.expect("paused");
        let with = |pairs: &[(&str, &str)]| {
            let mut options = options();
            options.extend(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            options
        };
        for (changes, code) in [
            (&[("topic.prefix", "q")][..], "config/slot-taken"),
            (&[("slot.name", "other")], "config/prefix-taken"),
            (&[("database.dbname", "e")], "config/prefix-taken"),
        ] {
            let Err(RegistryError::Invalid(problems)) = registry.put("second", with(changes)).await else { panic!("{code}: taken") };
            assert_eq!(problems[0].code, code);
            assert!(problems[0].text().contains("\"shop\""), "{}", problems[0].text());
        }
        registry.put("second", with(&[("topic.prefix", "q"), ("database.dbname", "e")])).await.expect("nothing is shared");
        assert!(registry.shut_down(Duration::from_secs(10)));
    }

    #[tokio::test]
    async fn a_masked_password_written_back_keeps_the_old_one() {
        let registry = registry(Store::Memory);
        registry.put("shop", options()).await.expect("made");
        let mut changed = options();
        changed.insert("database.password".to_owned(), secrets::MASK.to_owned());
        changed.insert("tombstones.on.delete".to_owned(), "false".to_owned());
        let (created, view) = registry.put("shop", changed).await.expect("changed");
        assert!(!created);
        assert_eq!(view.options["database.password"], "secret");
        wait_for_phase(&registry, "shop", &Phase::Streaming).await;
        assert!(registry.shut_down(Duration::from_secs(10)));
    }

    #[tokio::test]
    async fn files_win_and_cannot_be_changed_through_the_api() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("shop.json");
        std::fs::write(&path, serde_json::to_string(&options()).expect("JSON")).expect("written");
        std::fs::write(dir.path().join("bad.toml"), "url = 1\nx = 2\n").expect("written");
        let load = || super::super::definitions::load_folder(dir.path()).expect("readable");
        let registry = registry(Store::Memory);
        registry.start(load()).expect("started");
        wait_for_phase(&registry, "shop", &Phase::Streaming).await;
        let deadline = Instant::now() + Duration::from_secs(10);
        while !matches!(registry.view("bad").expect("seen").status.phase, Phase::Failed { retry: false, .. }) {
            assert!(Instant::now() < deadline, "a broken file is a failed connector");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let refused = registry.put("shop", options()).await.expect_err("managed by a file");
        assert_eq!(refused.to_string(), format!("Connector shop is managed by the file {}: change it there", path.display()));
        assert!(matches!(registry.delete("shop").await, Err(RegistryError::ManagedByFile { .. })));
        std::fs::remove_file(&path).expect("removed");
        registry.reconcile(load()).await;
        wait_for_phase(&registry, "shop", &Phase::Stopped).await;
        let view = registry.view("shop").expect("seen");
        assert_eq!(view.target, TargetState::Stopped);
        let told = view.file_problem.expect("a warning").text();
        assert!(told.contains("config/file-gone") && told.contains("rowfeed slots drop debezium"), "{told}");
        std::fs::write(&path, serde_json::to_string(&options()).expect("JSON")).expect("written");
        registry.reconcile(load()).await;
        wait_for_phase(&registry, "shop", &Phase::Streaming).await;
        assert!(registry.shut_down(Duration::from_secs(10)));
    }

    #[tokio::test]
    async fn a_broken_edit_of_a_file_stops_nothing_and_a_good_one_is_taken_over() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("shop.json");
        let write = |text: String| std::fs::write(&path, text).expect("written");
        let load = || super::super::definitions::load_folder(dir.path()).expect("readable");
        let good = serde_json::to_string(&options()).expect("JSON");
        write(good.clone());
        let registry = registry(Store::Memory);
        registry.start(load()).expect("started");
        wait_for_phase(&registry, "shop", &Phase::Streaming).await;
        for broken in [good.replace("PostgresConnector", "MySql"), good.replace('}', "")] {
            write(broken);
            registry.reconcile(load()).await;
            let view = registry.view("shop").expect("there");
            assert_eq!((view.options["connector.class"].as_str(), view.status.phase), ("PostgresConnector", Phase::Streaming));
            let told = view.file_problem.expect("told").text();
            assert!(told.contains("config/not-taken-over") && told.contains("shop.json:1:"), "{told}");
        }
        write(good.replace("\"p\"", "\"other\""));
        registry.reconcile(load()).await;
        let view = registry.view("shop").expect("there");
        assert_eq!((view.options["topic.prefix"].as_str(), view.file_problem), ("other", None));
        assert!(registry.shut_down(Duration::from_secs(10)));
    }

    #[tokio::test]
    async fn stars_stand_for_a_secret_only_where_it_goes_to_whom_it_was_given_for() {
        let registry = registry(Store::Memory);
        let with = |key: &str, value: &str| Options::from_iter(options().into_iter().chain([(key.to_owned(), value.to_owned())]));
        registry.put("shop", options()).await.expect("made");
        let mut sent = with("database.password", crate::config::secrets::MASK);
        sent.insert("name".to_owned(), "shop".to_owned());
        assert_eq!(registry.proposed(sent.clone()).0["database.password"], "secret");
        for (key, other) in [("database.hostname", "elsewhere"), ("database.port", "1"), ("database.user", "other"), ("name", "none")] {
            let elsewhere = Options::from_iter(sent.clone().into_iter().chain([(key.to_owned(), other.to_owned())]));
            assert_eq!(registry.proposed(elsewhere.clone()).0["database.password"], crate::config::secrets::MASK, "{key}");
            let found = registry.validate(elsewhere).await.expect("validated");
            assert!(found.errors["database.password"].iter().any(|text| text.contains("stands for no secret")), "{key}");
        }
        // What only says how it is asked is no other server; but nobody proposes statements for a password that is not theirs.
        for key in ["database.initial.statements", "snapshot.select.statement.overrides", "database.sslmode"] {
            let asked = Options::from_iter(sent.clone().into_iter().chain([(key.to_owned(), "disable".to_owned())]));
            assert_eq!(registry.proposed(asked).0["database.password"], crate::config::secrets::MASK, "{key}");
        }
        let refused =
            registry.put("shop", Options::from_iter(sent.into_iter().chain([("database.hostname".to_owned(), "elsewhere".to_owned())])));
        assert!(matches!(refused.await, Err(RegistryError::Invalid(problems)) if problems[0].what.contains("stands for no secret")));
        assert_eq!(registry.view("shop").expect("there").options["database.hostname"], options()["database.hostname"]);
        assert!(registry.shut_down(Duration::from_secs(10)));
    }

    /// The name is inside the file, and the file cannot be read any more: its connector is known by the file.
    #[tokio::test]
    async fn a_file_that_lost_its_name_is_still_that_of_its_connector() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("01-production.json");
        let write = |text: &str| std::fs::write(&path, text).expect("written");
        let files = dir.path().to_owned();
        let text = serde_json::json!({ "name": "shop", "config": options() }).to_string();
        write(&text);
        let registry = registry(Store::Memory);
        registry.set_files(Box::new(move || super::super::definitions::load_folder(&files)));
        assert_eq!(registry.last_reload(), None);
        assert_eq!(registry.reload().await, Reloaded { started: vec!["shop".into()], ..Reloaded::default() });
        wait_for_phase(&registry, "shop", &Phase::Streaming).await;
        write(text.trim_end_matches('}'));
        let reloaded = registry.reload().await;
        assert!(!reloaded.is_successful() && reloaded.stopped.is_empty() && reloaded.started.is_empty(), "{reloaded:?}");
        assert_eq!(reloaded.problems[0].0.as_deref(), Some("shop"));
        assert_eq!((registry.names(), registry.view("shop").expect("there").status.phase), (vec!["shop".to_owned()], Phase::Streaming));
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(registry.reload().await.stopped, ["shop"]);
        assert_eq!(registry.reload().await, Reloaded::default(), "it is told once");
        registry.delete("shop").await.expect("its file is gone: it can be deleted");
        assert!(registry.names().is_empty() && registry.shut_down(Duration::from_secs(10)));
    }

    #[tokio::test]
    async fn the_name_of_a_deleted_connector_is_taken_until_its_task_has_ended() {
        let (release, released) = std::sync::mpsc::channel::<()>();
        let released = Mutex::new(released);
        let stubborn: RunTask = Arc::new(move |_, status, _| {
            status.set_phase(Phase::Streaming);
            // It does not hear that it is told to stop.
            let _ = released.lock().unwrap_or_else(PoisonError::into_inner).recv();
            Ok(())
        });
        let registry = Registry {
            delete_wait_max: Duration::ZERO,
            ..Registry::new(Store::Memory, stubborn, Arc::new(|_| {}), TopicDefaults::default())
        };
        registry.put("shop", options()).await.expect("made");
        wait_for_phase(&registry, "shop", &Phase::Streaming).await;
        registry.delete("shop").await.expect("deleted");
        assert!(matches!(registry.put("shop", options()).await, Err(RegistryError::Ending(_))));
        drop(release);
        let deadline = Instant::now() + Duration::from_secs(10);
        while registry.put("shop", options()).await.is_err() {
            assert!(Instant::now() < deadline, "the name is still taken");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(registry.shut_down(Duration::from_secs(10)));
    }

    #[tokio::test]
    async fn changes_of_two_requests_at_once_both_stay() {
        let registry = registry(Store::Memory);
        registry.put("shop", options()).await.expect("made");
        let set = |option: &str, value: &str| vec![(option.to_owned(), Some(value.to_owned()))];
        let (first, second) = tokio::join!(
            registry.patch("shop", set("tombstones.on.delete", "false")),
            registry.patch("shop", set("heartbeat.interval.ms", "5000"))
        );
        first.expect("changed");
        second.expect("changed");
        let view = registry.view("shop").expect("there");
        assert_eq!((view.options["tombstones.on.delete"].as_str(), view.options["heartbeat.interval.ms"].as_str()), ("false", "5000"));
        assert!(registry.shut_down(Duration::from_secs(10)));
    }
}
