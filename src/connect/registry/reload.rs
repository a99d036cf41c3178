//! The connector files, read again while everything runs.
//!
//! Owns comparing the files with what runs, and what came of it last. Promises that each file is taken over whole or not at
//! all: one with mistakes leaves its connector as it was and says so in the connector's status, in the log, and in the
//! metric; one that is gone stops its connector and leaves its slot. Files are read by whom the service names.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use super::{Connector, Registry, goal_of, list};
use crate::connect::definitions::Definition;
use crate::connect::state::{Phase, Rest};
use crate::connect::store::TargetState;
use crate::connect::supervisor::Goal;
use crate::problem::Problem;

/// Reads all files that define connectors.
pub type ReadFiles = Box<dyn Fn() -> Result<Vec<Definition>, Problem> + Send + Sync>;

/// What reading the files again came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Connectors that are new or back.
    pub started: Vec<String>,
    /// Connectors that begin again with what their file says now.
    pub changed: Vec<String>,
    /// Connectors whose file is gone.
    pub stopped: Vec<String>,
    /// What is wrong, with the connector; none for the folder itself.
    pub problems: Vec<(Option<String>, Problem)>,
}

impl Reloaded {
    /// Everything the files say holds.
    pub fn is_successful(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Where the files come from, and how reading them went last.
#[derive(Default)]
pub(super) struct Files {
    read: OnceLock<ReadFiles>,
    last: Mutex<Option<(SystemTime, Reloaded)>>,
}

impl Files {
    fn last(&self) -> MutexGuard<'_, Option<(SystemTime, Reloaded)>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    /// Names who reads the files; once, before [`Registry::reload`].
    pub fn set_files(&self, read: ReadFiles) {
        // A second one would be a mistake of the composition root, and the first stays.
        drop(self.files.read.set(read));
    }

    /// How reading the files went last; `None` before the first time.
    pub fn last_reload(&self) -> Option<Reloaded> {
        self.files.last().as_ref().map(|(_, last)| last.clone())
    }

    /// When they were read last.
    pub fn last_reload_at(&self) -> Option<SystemTime> {
        self.files.last().as_ref().map(|(at, _)| *at)
    }

    /// Notes how the files were at the start.
    pub(super) fn note_start(&self, files: &[Definition]) {
        let mut first = Reloaded::default();
        for definition in files {
            match definition.config(self.topics) {
                Ok(_) => first.started.push(definition.name.clone()),
                Err(problems) => first.problems.extend(problems.into_iter().map(|problem| (Some(definition.name.clone()), problem))),
            }
        }
        *self.files.last() = Some((SystemTime::now(), first));
    }

    /// Reads the files and makes what runs as they say, and tells the log.
    pub async fn reload(&self) -> Reloaded {
        let _changing = self.changing.lock().await;
        let files = match self.files.read.get() {
            Some(read) => read(),
            None => Ok(Vec::new()),
        };
        let reloaded = match files {
            Ok(files) => self.reconcile_all(files),
            Err(problem) => {
                tracing::error!(code = problem.code, "connector files are not read again: {}", problem.text());
                Reloaded { problems: vec![(None, problem)], ..Reloaded::default() }
            }
        };
        tracing::info!(
            started = reloaded.started.len(),
            changed = reloaded.changed.len(),
            stopped = reloaded.stopped.len(),
            problems = reloaded.problems.len(),
            "connector files read again"
        );
        *self.files.last() = Some((SystemTime::now(), reloaded.clone()));
        reloaded
    }

    /// Compares the files with what runs: new ones start, changed ones begin again, missing ones stop and are reported.
    #[cfg(test)]
    pub(super) async fn reconcile(&self, files: Vec<Definition>) -> Reloaded {
        let _changing = self.changing.lock().await;
        self.reconcile_all(files)
    }

    fn reconcile_all(&self, mut files: Vec<Definition>) -> Reloaded {
        let mut reloaded = Reloaded::default();
        for definition in &mut files {
            self.keep_name(definition);
        }
        self.stop_without_file(&files, &mut reloaded);
        for definition in files {
            let name = definition.name.clone();
            if let Err(problem) = self.reconcile_one(definition, &mut reloaded) {
                tracing::error!(connector = name, code = problem.code, "{}", problem.text());
                reloaded.problems.push((Some(name), problem));
            }
        }
        reloaded
    }

    /// A file with mistakes may not tell the name of its connector any more: it is that of the one it defined so far.
    fn keep_name(&self, definition: &mut Definition) {
        if !definition.is_broken() {
            return;
        }
        let connectors = self.connectors();
        let same_file =
            |known: &&Connector| known.definition.file.is_some() && known.definition.file == definition.file && !known.file_gone;
        if let Some(known) = connectors.values().find(same_file) {
            definition.name.clone_from(&known.definition.name);
        }
    }

    fn stop_without_file(&self, files: &[Definition], reloaded: &mut Reloaded) {
        let mut connectors = self.connectors();
        for (name, connector) in connectors.iter_mut() {
            let managed = connector.definition.file.is_some() && !connector.file_gone;
            if !managed || files.iter().any(|file| file.name == *name) {
                continue;
            }
            let problem = file_gone(connector, self.topics);
            tracing::warn!(connector = name, code = problem.code, "{}", problem.text());
            connector.file_gone = true;
            connector.file_problem = Some(problem);
            connector.supervisor.set_goal(Goal::Rest(Rest::Stop));
            reloaded.stopped.push(name.clone());
        }
    }

    fn reconcile_one(&self, definition: Definition, reloaded: &mut Reloaded) -> Result<(), Problem> {
        let definition = self.settled(definition);
        let name = definition.name.clone();
        if self.is_ending(&name) {
            return Err(Problem::retry("config/ending", "a deleted connector of this name has not ended yet")
                .fix("in a moment:\nrowfeed config reload"));
        }
        let (tables, mistakes) = match definition.config(self.topics) {
            Ok(config) => (Some(config.tables), Vec::new()),
            Err(mistakes) => (None, mistakes),
        };
        let mut connectors = self.connectors();
        let Some(known) = connectors.get_mut(&name) else {
            drop(connectors);
            reloaded.problems.extend(mistakes.into_iter().map(|problem| (Some(name.clone()), problem)));
            reloaded.started.push(name);
            return self.launch(definition, TargetState::Running);
        };
        if known.definition.file.is_none() {
            tracing::warn!(connector = name, "the file wins over the connector of the same name made through the API");
        }
        let failed = matches!(known.status.phase(), Phase::Failed { retry: false, .. });
        if !mistakes.is_empty() && *known.definition != definition && (!failed || known.definition.config(self.topics).is_ok()) {
            // A mistake of an editor must not stop what works; the next start would meet it all the same.
            let problem = not_taken_over(&definition, &mistakes);
            tracing::error!(connector = name, code = problem.code, "{}", problem.text());
            known.file_problem = Some(problem);
            reloaded.problems.extend(mistakes.into_iter().map(|problem| (Some(name.clone()), problem)));
            return Ok(());
        }
        reloaded.problems.extend(mistakes.into_iter().map(|problem| (Some(name.clone()), problem)));
        known.file_problem = None;
        if *known.definition != definition {
            tracing::info!(connector = name, "the connector's file changed");
            known.redefine(definition, tables);
            reloaded.changed.push(name.clone());
        }
        if std::mem::take(&mut known.file_gone) {
            tracing::info!(connector = name, "the connector's file is back");
            known.supervisor.set_goal(goal_of(known.target));
            reloaded.started.push(name);
        }
        Ok(())
    }
}

/// The new version of a file is not used.
fn not_taken_over(definition: &Definition, mistakes: &[Problem]) -> Problem {
    let file = definition.file.as_deref().map_or_else(|| definition.name.clone(), |file| file.display().to_string());
    let at = mistakes.first().and_then(|first| first.at.lines().next()).unwrap_or_default().to_owned();
    Problem::refuse("config/not-taken-over", format!("{file} has mistakes; the connector goes on as it was before"))
        .at(at)
        .why(list(mistakes))
        .fix("correct the file: it is read again by itself, or by `rowfeed config reload`")
}

/// What a file leaves behind that is deleted.
fn file_gone(connector: &Connector, topics: crate::config::postgres::TopicDefaults) -> Problem {
    let file = connector.definition.file.as_deref().map(|file| file.display().to_string()).unwrap_or_default();
    let problem = Problem::refuse("config/file-gone", format!("{file} is gone: the connector is stopped"));
    match connector.definition.config(topics) {
        Ok(config) if config.slot_drop_on_stop => problem,
        Ok(config) => {
            let slot = config.slot_name;
            problem
                .why(format!("its slot \"{slot}\" stays, and PostgreSQL keeps all WAL from there on: the disk of the database fills"))
                .fix(format!("bring the file back to go on, or: rowfeed slots drop {slot}   (SELECT pg_drop_replication_slot('{slot}');)"))
        }
        Err(_) => problem,
    }
}
