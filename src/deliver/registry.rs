//! All subscriptions of the service.
//!
//! Owns which there are, from files and made over HTTP, and what a person wants of them. Promises that a definition from a file
//! changes in its file only, that a subscription which is deleted leaves nothing behind but its dead letters, that a pause
//! survives a restart, and that two changes of one subscription come one after the other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::definition::{Definition, Origin, circle};
use super::options::{self, Given};
use super::state::Store;
use super::status::State;
use super::{Around, GROUP_PREFIX, Places, Question, Refusal, Sources, Status, supervise};
use crate::config::suggest;
use crate::log::builtin::BuiltinLog;
use crate::metrics::Number;
use crate::problem::Problem;

/// Subscriptions at a time.
const SUBSCRIPTIONS_MAX: usize = 1000;
/// A sink that is told to end has this long; then it is dropped where it is, which its receiver may see twice.
const END_WAIT: Duration = Duration::from_secs(5);

/// Why something cannot be done.
#[derive(Clone, Debug)]
pub enum DeliverError {
    /// There is no such subscription; the text says which are near.
    NotFound(String),
    /// It is defined in a file.
    ManagedByFile(String),
    /// There are too many.
    TooMany,
    /// Its options have mistakes.
    Invalid(Vec<Problem>),
    /// It cannot be kept, or asked.
    Failed(Problem),
    /// The question has no answer.
    Refused(Refusal),
}

/// A subscription as it is now.
#[derive(Clone, Debug)]
pub struct SubscriptionView {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// Where it is defined.
    pub origin: Origin,
    /// Its options, secrets masked.
    pub config: Json,
    /// What it is doing.
    pub state: State,
    /// A warning.
    pub note: Option<Problem>,
    /// Its counters and timings.
    pub status: Arc<Status>,
    /// Records between its place and the end.
    pub lag: u64,
    /// Topics that it reads now.
    pub topics: Vec<String>,
    /// What only its kind counts.
    pub numbers: Vec<Number>,
}

/// The subscriptions.
#[derive(Clone)]
pub struct Deliveries(Arc<Inner>);

struct Inner {
    log: BuiltinLog,
    store: Store,
    places: Arc<dyn Places>,
    sources: Arc<dyn Sources>,
    entries: Mutex<BTreeMap<String, Entry>>,
    /// Held while one is changed.
    changing: tokio::sync::Mutex<()>,
}

struct Entry {
    definition: Arc<Definition>,
    status: Arc<Status>,
    /// Asked while it runs, or not.
    around: Around,
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

impl Deliveries {
    /// None yet.
    pub fn new(log: BuiltinLog, places: Arc<dyn Places>, sources: Arc<dyn Sources>) -> Self {
        let store = Store::new(log.clone());
        Self(Arc::new(Inner { log, store, places, sources, entries: Mutex::default(), changing: tokio::sync::Mutex::new(()) }))
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        // A panic while the lock is held leaves whole entries.
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts those that were made over HTTP, and those of files, which win over them by name.
    pub async fn start(&self, files: Vec<Definition>) {
        for (name, bytes) in self.0.store.list("definition/") {
            if files.iter().any(|definition| definition.name == name) {
                continue;
            }
            let given = serde_json::from_slice::<Json>(&bytes).map_err(|error| error.to_string()).and_then(|json| options::of_json(&json));
            let problems = match given.map(|given| Definition::parse(&name, given, BTreeMap::new(), Origin::Api)) {
                Ok(Ok(definition)) => {
                    self.put_in(definition).await;
                    continue;
                }
                Ok(Err(problems)) => problems.iter().map(Problem::text).collect::<Vec<_>>().join("; "),
                Err(why) => why,
            };
            tracing::error!(subscription = name, "a subscription is not started: {problems}");
        }
        for definition in files {
            self.put_in(definition).await;
        }
    }

    /// Takes over what the files say now: new ones begin, changed ones begin again, those that are gone end. Their places are kept.
    pub async fn reload(&self, files: Vec<Definition>) {
        let _changing = self.0.changing.lock().await;
        let is_of_file = |entry: &Entry| matches!(entry.definition.origin, Origin::File(_));
        let gone: Vec<String> = {
            let entries = self.entries();
            let gone = entries.iter().filter(|(name, entry)| is_of_file(entry) && !files.iter().any(|file| file.name == **name));
            gone.map(|(name, _)| name.clone()).collect()
        };
        for name in gone {
            self.end(&name).await;
            self.entries().remove(&name);
            tracing::info!(subscription = name, "is no longer in the file: it ended, its place is kept");
        }
        for definition in files {
            let same =
                self.entries().get(&definition.name).is_some_and(|entry| is_of_file(entry) && entry.definition.given == definition.given);
            if !same {
                self.put_in(definition).await;
            }
        }
    }

    /// Replaces a subscription by what a definition says, and runs it unless it is paused.
    async fn put_in(&self, definition: Definition) {
        let name = definition.name.clone();
        self.end(&name).await;
        let definition = Arc::new(definition);
        let status = Arc::new(Status::default());
        let stop = watch::Sender::new(false);
        let around = Around {
            definition: Arc::clone(&definition),
            log: self.0.log.clone(),
            places: Arc::clone(&self.0.places),
            sources: Arc::clone(&self.0.sources),
            store: self.0.store.clone(),
            status: Arc::clone(&status),
            stop: stop.subscribe(),
        };
        self.entries().insert(name.clone(), Entry { definition, status, around, stop, task: None });
        self.begin(&name);
    }

    /// Runs it unless it is paused.
    fn begin(&self, name: &str) {
        let paused = self.0.store.get(&format!("target/{name}"));
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(name) else { return };
        if let Some(paused) = paused {
            entry.status.set(State::Paused(kept_problem(&paused)));
            return;
        }
        let stop = watch::Sender::new(false);
        entry.around.stop = stop.subscribe();
        entry.stop = stop;
        entry.status.set(State::Starting);
        let (sink, around, store, name) = (Arc::clone(&entry.definition.sink), entry.around.clone(), self.0.store.clone(), name.to_owned());
        entry.task = Some(tokio::spawn(async move {
            let status = Arc::clone(around.status());
            if let Some(problem) = supervise::run(sink, around).await {
                let kept = store.put(vec![(format!("target/{name}"), Some(problem.json().to_string().into_bytes()))]).await;
                if let Err(unkept) = kept {
                    tracing::warn!(subscription = name, "the pause is not kept over a restart: {}", unkept.what);
                }
                status.set(State::Paused(Some(problem)));
            }
        }));
    }

    /// Tells its sink to end and waits for that.
    async fn end(&self, name: &str) {
        let task = self.entries().get_mut(name).and_then(|entry| {
            entry.stop.send_replace(true);
            entry.task.take()
        });
        let Some(mut task) = task else { return };
        if tokio::time::timeout(END_WAIT, &mut task).await.is_err() {
            tracing::warn!(subscription = name, "did not end in time; its receiver may see its last deliveries twice");
            task.abort();
        }
    }

    /// Ends all.
    pub async fn shut_down(&self) {
        let names: Vec<String> = {
            let entries = self.entries();
            for entry in entries.values() {
                entry.stop.send_replace(true);
            }
            entries.keys().cloned().collect()
        };
        for name in names {
            self.end(&name).await;
        }
    }

    /// All, by name.
    pub fn views(&self) -> Vec<SubscriptionView> {
        let entries: Vec<(Arc<Definition>, Arc<Status>, Around)> =
            self.entries().values().map(|entry| (Arc::clone(&entry.definition), Arc::clone(&entry.status), entry.around.clone())).collect();
        entries.iter().map(|(definition, status, around)| view(definition, status, around)).collect()
    }

    /// One.
    pub fn view(&self, name: &str) -> Result<SubscriptionView, DeliverError> {
        let found = self.entries().get(name).map(|entry| (Arc::clone(&entry.definition), Arc::clone(&entry.status), entry.around.clone()));
        found.map(|(definition, status, around)| view(&definition, &status, &around)).ok_or_else(|| self.not_found(name))
    }

    fn not_found(&self, name: &str) -> DeliverError {
        let entries = self.entries();
        let hint = suggest::did_you_mean(name, entries.keys().map(String::as_str));
        DeliverError::NotFound(format!("there is no subscription \"{name}\"; {hint}").trim_end_matches("; ").to_owned())
    }

    /// Makes or changes one over HTTP; true when it is new.
    pub async fn put(&self, name: &str, json: &Json) -> Result<bool, DeliverError> {
        let _changing = self.0.changing.lock().await;
        let mut given = options::of_json(json).map_err(|why| DeliverError::Invalid(vec![Problem::refuse("config/value", why)]))?;
        let old: Option<Given> = {
            let entries = self.entries();
            if !entries.contains_key(name) && entries.len() >= SUBSCRIPTIONS_MAX {
                return Err(DeliverError::TooMany);
            }
            match entries.get(name).map(|entry| &entry.definition) {
                Some(definition) if definition.origin != Origin::Api => return Err(managed(definition)),
                found => found.map(|definition| definition.given.clone()),
            }
        };
        if let Some(old) = &old {
            options::unmask(&mut given, old);
        }
        let definition = Definition::parse(name, given, BTreeMap::new(), Origin::Api).map_err(DeliverError::Invalid)?;
        let circle = {
            let entries = self.entries();
            let others = entries.iter().filter(|(known, _)| *known != name);
            let others = others.map(|(known, entry)| (known.as_str(), entry.definition.topics.as_slice()));
            circle(name, &others.chain([(name, definition.topics.as_slice())]).collect::<Vec<_>>())
        };
        if let Some(problem) = circle {
            return Err(DeliverError::Invalid(vec![problem]));
        }
        let bytes = options::to_json(&definition.given, false).to_string().into_bytes();
        self.0.store.put(vec![(format!("definition/{name}"), Some(bytes))]).await.map_err(DeliverError::Failed)?;
        self.put_in(definition).await;
        Ok(old.is_none())
    }

    /// Removes one that was made over HTTP, with its place and all it remembers.
    pub async fn delete(&self, name: &str) -> Result<(), DeliverError> {
        let _changing = self.0.changing.lock().await;
        // Asked in a line of its own: who is not found is looked for among the others.
        let found = self.entries().get(name).map(|entry| Arc::clone(&entry.definition));
        match found {
            None => return Err(self.not_found(name)),
            Some(definition) if definition.origin != Origin::Api => return Err(managed(&definition)),
            Some(_) => {}
        }
        self.end(name).await;
        let mut gone: Vec<(String, Option<Vec<u8>>)> =
            ["definition", "target", "opened"].into_iter().map(|kind| (format!("{kind}/{name}"), None)).collect();
        let states = self.0.store.list(&format!("state/{name}/"));
        gone.extend(states.into_iter().map(|(rest, _)| (format!("state/{name}/{rest}"), None)));
        self.0.store.put(gone).await.map_err(DeliverError::Failed)?;
        self.0.places.forget(&format!("{GROUP_PREFIX}{name}")).await;
        self.entries().remove(name);
        Ok(())
    }

    /// Pauses one, or lets it go on; kept over restarts.
    pub async fn set_paused(&self, name: &str, paused: bool) -> Result<(), DeliverError> {
        let _changing = self.0.changing.lock().await;
        let state = self.view(name)?.state;
        let target = format!("target/{name}");
        self.0.store.put(vec![(target, paused.then(|| b"{}".to_vec()))]).await.map_err(DeliverError::Failed)?;
        if paused {
            self.end(name).await;
            if let Some(entry) = self.entries().get(name) {
                entry.status.set(State::Paused(None));
            }
        } else if matches!(state, State::Paused(_) | State::Failed(_)) {
            self.end(name).await;
            self.begin(name);
        }
        Ok(())
    }

    /// Goes back: its sink ends, its group is moved, it begins again. What [`Question::Replay`] does for sinks that have no way of their
    /// own. Never forward, where records lie that nobody delivered: gives the places where it goes on.
    pub async fn go_back(&self, name: &str, asked: Vec<(String, u32, u64)>) -> Result<Vec<(String, u32, u64)>, DeliverError> {
        let _changing = self.0.changing.lock().await;
        let around = self.around(name)?;
        if let Some(why) = around.definition.sink.never_goes_back() {
            return Err(DeliverError::Refused(Refusal::Wrong(format!("the subscription \"{name}\" cannot be replayed: {why}"))));
        }
        self.end(name).await;
        let committed = around.committed();
        // Of one that has run, a topic without a place is new, and is read from its start.
        let otherwise = self.0.store.get(&format!("opened/{name}")).map(|_| 0);
        let earlier = |(topic, partition, asked): (String, u32, u64)| {
            let next = committed.get(&(topic.clone(), partition)).copied().or(otherwise);
            (topic, partition, next.map_or(asked, |next| next.min(asked)))
        };
        let places: Vec<_> = asked.into_iter().map(earlier).collect();
        let moved = around.commit(places.clone()).await;
        self.begin(name);
        moved.map(|()| places).map_err(DeliverError::Failed)
    }

    fn around(&self, name: &str) -> Result<Around, DeliverError> {
        let around = self.entries().get(name).map(|entry| entry.around.clone());
        around.ok_or_else(|| self.not_found(name))
    }

    /// Asks a sink.
    pub async fn ask(&self, name: &str, question: Question) -> Result<Json, DeliverError> {
        let around = self.around(name)?;
        let sink = Arc::clone(&around.definition.sink);
        sink.ask(around, question).await.map_err(DeliverError::Refused)
    }
}

fn managed(definition: &Definition) -> DeliverError {
    let file = match &definition.origin {
        Origin::File(file) => file.display().to_string(),
        Origin::Api => String::new(),
    };
    DeliverError::ManagedByFile(format!("the subscription \"{}\" is defined in {file}: change it there", definition.name))
}

/// Why it was paused, when not by a person.
fn kept_problem(bytes: &[u8]) -> Option<Problem> {
    let kept: Json = serde_json::from_slice(bytes).ok()?;
    let text = |name: &str| kept.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    let what = Some(text("what")).filter(|what| !what.is_empty())?;
    Some(Problem::refuse("subscription/paused", what).at(text("at")).why(text("why")).fix(text("fix")))
}

fn view(definition: &Definition, status: &Arc<Status>, around: &Around) -> SubscriptionView {
    let committed = around.committed();
    let (mut lag, mut topics) = (0, Vec::new());
    for topic in around.topics() {
        for partition in 0..topic.partitions {
            let Some(range) = around.log.offsets(topic.index, partition) else { continue };
            let next = committed.get(&(topic.name.clone(), partition)).copied().unwrap_or(range.start).clamp(range.start, range.end);
            lag += range.end - next;
        }
        topics.push(topic.name.clone());
    }
    SubscriptionView {
        name: definition.name.clone(),
        kind: definition.kind,
        origin: definition.origin.clone(),
        config: options::to_json(&definition.given, true),
        state: status.state(),
        note: status.noted(),
        status: Arc::clone(status),
        lag,
        topics,
        numbers: definition.sink.numbers(),
    }
}

impl SubscriptionView {
    /// As programs see it.
    pub fn json(&self) -> Json {
        use super::Outcome;
        let counted = |outcome| self.status.counted(outcome);
        let file = match &self.origin {
            Origin::File(file) => Some(file.display().to_string()),
            Origin::Api => None,
        };
        json!({
            "name": self.name, "type": self.kind, "state": self.state.name(), "problem": self.state.problem().map(Problem::json),
            "note": self.note.as_ref().map(Problem::json), "topics": self.topics, "lag": self.lag, "group": format!("{GROUP_PREFIX}{}", self.name),
            "delivered": counted(Outcome::Delivered), "failed": counted(Outcome::Failed), "dead": counted(Outcome::Dead),
            "filtered": counted(Outcome::Filtered), "restarts": self.status.restarts(), "last_delivery_ms": self.status.last_delivery_ms(),
            "file": file, "config": self.config,
        })
    }
}

#[cfg(test)]
mod tests;
