//! Where definitions made through the REST API live: the log itself, in Kafka Connect's own record format.
//!
//! Keys and values on the compacted topic `connect-configs` are Kafka Connect's: `connector-<name>` holds
//! `{"properties": {...}}`, `target-state-<name>` holds `{"state": ..., "state.v2": ...}`; `token-<name>` is ours and holds a
//! token's hash. With an external log they are in one small file of the data folder, replaced atomically.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value as Json, json};

use crate::config::Options;
use crate::log::LogError;
use crate::log::builtin::BuiltinLog;
use crate::log::topic::CONFIGS_TOPIC;
use crate::problem::Problem;

/// What a person wants of a connector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetState {
    /// Run.
    #[default]
    Running,
    /// Rest, ready to go on.
    Paused,
    /// Stopped.
    Stopped,
}

impl TargetState {
    /// Kafka Connect's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "STARTED",
            Self::Paused => "PAUSED",
            Self::Stopped => "STOPPED",
        }
    }

    /// `initial_state` of a request: `RUNNING`, `PAUSED` or `STOPPED`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_uppercase().as_str() {
            "RUNNING" | "STARTED" => Some(Self::Running),
            "PAUSED" => Some(Self::Paused),
            "STOPPED" => Some(Self::Stopped),
            _ => None,
        }
    }
}

/// A slot that was to be dropped for what it kept, so that its connector says so after a restart of the service, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DroppedSlot {
    /// The slot.
    pub slot: String,
    /// WAL that it kept.
    pub kept_bytes: u64,
    /// What it was allowed to keep.
    pub bytes_max: u64,
}

impl DroppedSlot {
    fn json(&self) -> Json {
        json!({ "slot": self.slot, "kept.bytes": self.kept_bytes, "max.bytes": self.bytes_max })
    }

    fn parse(value: &Json) -> Option<Self> {
        let bytes = |name: &str| value.get(name)?.as_u64();
        Some(Self { slot: value.get("slot")?.as_str()?.to_owned(), kept_bytes: bytes("kept.bytes")?, bytes_max: bytes("max.bytes")? })
    }
}

/// How many records topics have had.
pub type TopicEnds = BTreeMap<String, u64>;

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Definitions made through the API.
    pub connectors: BTreeMap<String, Options>,
    /// Target states, also of connectors that files manage.
    pub states: BTreeMap<String, TargetState>,
    /// Why those were stopped that were stopped for their slot.
    pub dropped: BTreeMap<String, DroppedSlot>,
    /// Where topics ended when a connector's list of them was begun anew.
    pub topics: BTreeMap<String, TopicEnds>,
}

/// The place where definitions are kept.
#[derive(Clone)]
pub enum Store {
    /// The built-in log.
    Log(BuiltinLog),
    /// A file.
    File(PathBuf),
    /// Nothing is kept (tests).
    Memory,
}

const CONNECTOR: &str = "connector-";
const TARGET: &str = "target-state-";
const TOKEN: &str = "token-";
/// Ours: Kafka Connect keeps the topics themselves, in a topic of its own.
const TOPICS: &str = "topics-reset-";
/// In a target state: why it is that.
const DROPPED: &str = "slot.dropped";

/// A record: key, and value or removal.
type Record = (Vec<u8>, Option<Vec<u8>>);

impl Store {
    /// Everything that is kept.
    pub fn load(&self) -> Result<Kept, Problem> {
        Ok(of_records(self.records()?))
    }

    /// The tokens by name.
    pub fn load_tokens(&self) -> Result<Vec<(String, Json)>, Problem> {
        let token = |(key, value): (String, Json)| Some((key.strip_prefix(TOKEN)?.to_owned(), value));
        Ok(self.records()?.into_iter().filter_map(token).collect())
    }

    /// Keeps a token, or forgets it.
    pub async fn put_token(&self, name: &str, value: Option<&Json>) -> Result<(), Problem> {
        self.write(vec![(key(TOKEN, name), value.map(|value| value.to_string().into_bytes()))]).await
    }

    fn records(&self) -> Result<Vec<(String, Json)>, Problem> {
        Ok(match self {
            Self::Memory => Vec::new(),
            Self::Log(log) => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                log.state(CONFIGS_TOPIC).iter().filter_map(|(key, value)| Some((text(key), serde_json::from_slice(value).ok()?))).collect()
            }
            Self::File(path) => read_file(path)?.into_iter().collect(),
        })
    }

    /// Keeps a definition and its target state.
    pub async fn put(&self, name: &str, options: &Options, state: TargetState) -> Result<(), Problem> {
        self.write(vec![definition(name, options), target(name, state, None)]).await
    }

    /// Keeps a definition; the target state stays as it is.
    pub async fn put_definition(&self, name: &str, options: &Options) -> Result<(), Problem> {
        self.write(vec![definition(name, options)]).await
    }

    /// Keeps a target state, and for one that was stopped for its slot why.
    pub async fn put_state(&self, name: &str, state: TargetState, dropped: Option<&DroppedSlot>) -> Result<(), Problem> {
        self.write(vec![target(name, state, dropped)]).await
    }

    /// Keeps where topics end now.
    pub async fn put_topics(&self, name: &str, ends: &TopicEnds) -> Result<(), Problem> {
        self.write(vec![(key(TOPICS, name), Some(json!({ "ends": ends }).to_string().into_bytes()))]).await
    }

    /// Forgets a connector.
    pub async fn remove(&self, name: &str) -> Result<(), Problem> {
        self.write(vec![(key(CONNECTOR, name), None), (key(TARGET, name), None), (key(TOPICS, name), None)]).await
    }

    async fn write(&self, records: Vec<Record>) -> Result<(), Problem> {
        match self {
            Self::Memory => Ok(()),
            Self::Log(log) => log.put(CONFIGS_TOPIC, records).await.map_err(|error| LogError::problem(&error)),
            Self::File(path) => write_file(path, records),
        }
    }
}

fn key(prefix: &str, name: &str) -> Vec<u8> {
    format!("{prefix}{name}").into_bytes()
}

fn definition(name: &str, options: &Options) -> Record {
    (key(CONNECTOR, name), Some(json!({ "properties": options }).to_string().into_bytes()))
}

fn target(name: &str, state: TargetState, dropped: Option<&DroppedSlot>) -> Record {
    // Older workers know only two states: `state` is what they should do, `state.v2` the truth (KIP-875).
    let old = if state == TargetState::Running { "STARTED" } else { "PAUSED" };
    let mut value = json!({ "state": old, "state.v2": state.name() });
    if let (Some(dropped), Some(map)) = (dropped, value.as_object_mut()) {
        // Ours; Kafka Connect passes over what it does not know.
        map.insert(DROPPED.to_owned(), dropped.json());
    }
    (key(TARGET, name), Some(value.to_string().into_bytes()))
}

fn of_records(records: Vec<(String, Json)>) -> Kept {
    let mut kept = Kept::default();
    for (key, value) in records {
        if let Some(name) = key.strip_prefix(TARGET) {
            let word = value.get("state.v2").or_else(|| value.get("state")).and_then(Json::as_str);
            kept.states.insert(name.to_owned(), word.and_then(TargetState::parse).unwrap_or_default());
            kept.dropped.extend(value.get(DROPPED).and_then(DroppedSlot::parse).map(|dropped| (name.to_owned(), dropped)));
        } else if let Some(name) = key.strip_prefix(TOPICS) {
            let ends = value.get("ends").and_then(Json::as_object).into_iter().flatten();
            let ends = ends.filter_map(|(topic, end)| Some((topic.clone(), end.as_u64()?))).collect();
            kept.topics.insert(name.to_owned(), ends);
        } else if let Some(name) = key.strip_prefix(CONNECTOR) {
            let Some(Json::Object(properties)) = value.get("properties") else { continue };
            let options = properties.iter().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect();
            kept.connectors.insert(name.to_owned(), options);
        }
    }
    kept
}

fn read_file(path: &Path) -> Result<BTreeMap<String, Json>, Problem> {
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let text = crate::config::document::read_file(path)?;
    serde_json::from_str(&text).map_err(|error| {
        Problem::refuse("config/syntax", format!("{} is damaged", path.display()))
            .why(error.to_string())
            .fix("restore it from a copy, or remove it")
    })
}

/// Writes a new file beside the old one, syncs it and takes its name, so that a crash leaves one of the two whole.
/// Connectors and tokens change the same file: one after the other.
static WRITING: Mutex<()> = Mutex::new(());

fn write_file(path: &Path, records: Vec<Record>) -> Result<(), Problem> {
    let _one = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut all = read_file(path)?;
    for (key, value) in records {
        let key = String::from_utf8_lossy(&key).into_owned();
        match value.and_then(|value| serde_json::from_slice(&value).ok()) {
            Some(value) => drop(all.insert(key, value)),
            None => drop(all.remove(&key)),
        }
    }
    let text = serde_json::to_string_pretty(&all).unwrap_or_default();
    let new = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&new, path)?;
        path.parent().map_or(Ok(()), |dir| std::fs::File::open(dir)?.sync_all())
    };
    write().map_err(|error| Problem::fail("data/write", format!("{} cannot be written", path.display())).why(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::builtin::LogSettings;

    fn options() -> Options {
        [("a".to_owned(), "1".to_owned())].into()
    }

    async fn keep_and_forget(store: &Store, reopened: impl FnOnce() -> Store) {
        store.put("shop", &options(), TargetState::Running).await.expect("kept");
        store.put("gone", &options(), TargetState::Running).await.expect("kept");
        let dropped = DroppedSlot { slot: "shop".to_owned(), kept_bytes: 9 << 30, bytes_max: 8 << 30 };
        store.put_state("shop", TargetState::Stopped, Some(&dropped)).await.expect("kept");
        store.put_definition("shop", &options()).await.expect("kept");
        let ends: TopicEnds = [("shop.public.t".to_owned(), 7)].into();
        store.put_topics("shop", &ends).await.expect("kept");
        store.put_topics("gone", &ends).await.expect("kept");
        store.remove("gone").await.expect("forgotten");
        let kept = reopened().load().expect("readable");
        assert_eq!(kept.connectors, [("shop".to_owned(), options())].into());
        assert_eq!(kept.states, [("shop".to_owned(), TargetState::Stopped)].into());
        assert_eq!(kept.dropped, [("shop".to_owned(), dropped)].into());
        assert_eq!(kept.topics, [("shop".to_owned(), ends)].into());
    }

    #[tokio::test]
    async fn definitions_come_back_from_the_log() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let log = BuiltinLog::open(LogSettings { min_free_bytes: 0, ..LogSettings::new(dir.path()) }).expect("a new log");
        let again = log.clone();
        keep_and_forget(&Store::Log(log), || {
            again.close();
            drop(again);
            Store::Log(BuiltinLog::open(LogSettings { min_free_bytes: 0, ..LogSettings::new(dir.path()) }).expect("the same log"))
        })
        .await;
    }

    #[tokio::test]
    async fn definitions_come_back_from_the_file() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("connectors.json");
        keep_and_forget(&Store::File(path.clone()), || Store::File(path.clone())).await;
    }
}
