//! What a sink has around it: the log, its places, its durable state, the way for what cannot be delivered.
//!
//! Promises that a subscription which is new begins where its `from` says and keeps that place from then on, also if nothing came
//! yet; that a topic which comes into being later is read from its start; and that what is committed is durable when the call returns.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::watch;

use super::state::{self, Store};
use super::{DEAD_PREFIX, Definition, GROUP_PREFIX, Places, Source, Sources, Status};
use crate::change::Lsn;
use crate::event::filter::{Filter, Judgement};
use crate::event::value::Value;
use crate::event::{Event, Kind, Op};
use crate::log::builtin::BuiltinLog;
use crate::log::subscription::Place;
use crate::log::topic::TopicInfo;
use crate::log::{Commit as _, LogWriter, StartAt, Subscription, TopicSpec};
use crate::postgres::qualified;
use crate::problem::Problem;
use crate::record::compression::Compression;
use crate::record::{HeaderBlock, RecordRef, RecordSink};

/// How often a subscription should look for new topics.
pub const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Instead of a value or key of a dead letter.
const TOO_LARGE: &[u8] = b"too large; it is at its topic, partition, offset";

/// A record that could not be delivered, with why.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: u32,
    /// Its offset.
    pub offset: u64,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value.
    pub value: Option<Bytes>,
    /// How often it was tried.
    pub attempts: u32,
    /// What went wrong last.
    pub error: String,
}

/// See the module.
#[derive(Clone)]
pub struct Around {
    pub(super) definition: Arc<Definition>,
    pub(super) log: BuiltinLog,
    pub(super) places: Arc<dyn Places>,
    pub(super) sources: Arc<dyn Sources>,
    pub(super) store: Store,
    pub(super) status: Arc<Status>,
    pub(super) stop: watch::Receiver<bool>,
}

impl Around {
    /// The subscription.
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.definition.name
    }

    /// Its consumer group.
    pub fn group(&self) -> String {
        format!("{GROUP_PREFIX}{}", self.definition.name)
    }

    /// The log.
    pub fn log(&self) -> &BuiltinLog {
        &self.log
    }

    /// Counters and state.
    pub fn status(&self) -> &Arc<Status> {
        &self.status
    }

    /// Becomes true when the sink is to end.
    pub fn stop(&self) -> watch::Receiver<bool> {
        self.stop.clone()
    }

    /// Returns when the sink is to end. Cancel-safe.
    pub async fn stopped(&self) {
        let mut stop = self.stop.clone();
        // An error means that nobody is there who could say so.
        let _ = stop.wait_for(|stop| *stop).await;
    }

    /// Whether the filter lets an event through.
    pub fn judge(&self, event: &Event<'_>) -> Judgement {
        self.definition.filter.as_ref().map_or(Judgement::Matches, |filter| filter.judge(event))
    }

    /// The same for one that comes now: a person is told of updates that are left out because nobody knows what they changed, until one of that
    /// table says all of its old row.
    pub fn judge_live(&self, event: &Event<'_>) -> Judgement {
        let judgement = self.judge(event);
        let Some(filter) = self.definition.filter.as_ref().filter(|filter| filter.asks_of_old_rows()) else { return judgement };
        if event.kind() != Kind::Change || event.op() != Some(Op::Update) {
            return judgement;
        }
        let is_whole = event.is_before_complete();
        if is_whole || (judgement == Judgement::No && filter.is_unknown(event)) {
            self.tell_of_old_rows(event, filter, is_whole);
        }
        judgement
    }

    fn tell_of_old_rows(&self, event: &Event<'_>, filter: &Filter, is_whole: bool) {
        const CODE: &str = "filter/old-row";
        let noted = self.status.noted();
        // What else is noted stays.
        if noted.as_ref().map_or(is_whole, |noted| !is_whole || noted.code != CODE) {
            return;
        }
        let name = |value: Option<Value<'_>>| value.and_then(Value::text).map(|name| name.into_owned());
        let (Some(schema), Some(table)) = (name(event.schema_name()), name(event.table_name())) else { return };
        let table = qualified(&schema, &table);
        if is_whole {
            if noted.is_some_and(|noted| noted.at == table) {
                self.status.note(None);
            }
            return;
        }
        let problem = Problem::refuse(CODE, format!("updates have no old row: {} is not known of them", filter.text()))
            .at(&*table)
            .why("PostgreSQL sends old rows of tables with REPLICA IDENTITY FULL only; an update of which it is not known is not delivered")
            .fix(format!("ALTER TABLE {table} REPLICA IDENTITY FULL;\nor take a filter that asks of the new row alone"));
        tracing::warn!(subscription = self.name(), table, code = problem.code, "{}", problem.what);
        self.status.note(Some(problem));
    }

    /// The topics that it reads, as there are now.
    pub fn topics(&self) -> Vec<Arc<TopicInfo>> {
        let mut topics: Vec<_> = self.log.topics().into_iter().filter(|topic| self.definition.reads(&topic.name)).collect();
        topics.sort_by_key(|topic| topic.index);
        topics
    }

    /// Offsets that are committed: the next one of each topic and partition.
    pub fn committed(&self) -> BTreeMap<(String, u32), u64> {
        self.places.committed(&self.group()).into_iter().map(|(topic, partition, next)| ((topic, partition), next)).collect()
    }

    /// A reader at the committed places. What is new begins by `from`, and that is committed at once.
    pub async fn open(&self) -> Result<Subscription, Problem> {
        let opened = format!("opened/{}", self.name());
        let is_new = self.store.get(&opened).is_none();
        let places = self.places_of_topics(&self.topics(), if is_new { &self.definition.from } else { &StartAt::Start }).await?;
        if is_new {
            self.commit(places.iter().map(|place| (place.topic.name.clone(), place.route.partition, place.next)).collect()).await?;
            self.store.put(vec![(opened, Some(b"{}".to_vec()))]).await?;
        }
        Ok(Subscription::open(self.log.clone(), places))
    }

    /// Adds the topics that have come into being since the reader was opened; how many places that are.
    pub async fn look(&self, reader: &mut Subscription) -> Result<usize, Problem> {
        let is_known = |topic: &Arc<TopicInfo>| reader.places().iter().any(|place| place.route.topic == topic.index);
        let new: Vec<_> = self.topics().into_iter().filter(|topic| !is_known(topic)).collect();
        let places = self.places_of_topics(&new, &StartAt::Start).await?;
        let count = places.len();
        places.into_iter().for_each(|place| reader.add(place));
        Ok(count)
    }

    async fn places_of_topics(&self, topics: &[Arc<TopicInfo>], otherwise: &StartAt) -> Result<Vec<Place>, Problem> {
        let committed = self.committed();
        let mut places = Vec::new();
        for topic in topics {
            // An offset that `from` names and that is not kept: from the nearest one on.
            let begins = match otherwise.places(&self.log, topic, None).await {
                Ok(begins) => begins,
                Err(_) => StartAt::Start.places(&self.log, topic, None).await.map_err(|error| state::problem(&error))?,
            };
            for mut place in begins {
                let range = self.log.offsets(topic.index, place.route.partition);
                if let Some(next) = committed.get(&(topic.name.clone(), place.route.partition)) {
                    // Before the start: the reader tells the gap. Behind the end: it is of an earlier topic of this name.
                    place.next = range.filter(|range| *next > range.end).map_or(*next, |range| range.start);
                }
                places.push(place);
            }
        }
        Ok(places)
    }

    /// Commits next offsets; durable when it returns.
    pub async fn commit(&self, places: Vec<(String, u32, u64)>) -> Result<(), Problem> {
        // A topic that is gone has no place.
        let places: Vec<_> = places.into_iter().filter(|(topic, ..)| self.log.topic(topic).is_some()).collect();
        if places.is_empty() {
            return Ok(());
        }
        let refused =
            |why| Problem::retry("subscription/offsets", format!("the place of the subscription {} cannot be kept", self.name())).why(why);
        self.places.commit(&self.group(), places).await.map_err(refused)
    }

    /// A sink's own durable value.
    pub fn state(&self, key: &str) -> Option<Bytes> {
        self.store.get(&format!("state/{}/{key}", self.name()))
    }

    /// All of a sink's own durable values whose keys begin so, by the rest of their keys.
    pub fn states(&self, prefix: &str) -> Vec<(String, Bytes)> {
        self.store.list(&format!("state/{}/{prefix}", self.name()))
    }

    /// Puts durable values of the sink's own in one commit; `None` removes.
    pub async fn put_states(&self, records: state::Records) -> Result<(), Problem> {
        self.store.put(records.into_iter().map(|(key, value)| (format!("state/{}/{key}", self.name()), value)).collect()).await
    }

    /// The connector of this name.
    pub fn source(&self, connector: &str) -> Option<Source> {
        self.sources.source(connector)
    }

    /// Up to where everything of a connector is durable in the log.
    pub fn durable(&self, connector: &str) -> Option<Lsn> {
        self.sources.durable(connector)
    }

    /// The connector that writes a topic.
    pub fn source_of(&self, topic: &str) -> Option<Source> {
        self.sources.of_topic(topic)
    }

    /// The name of its topic of dead letters.
    pub fn dead_topic(&self) -> String {
        format!("{DEAD_PREFIX}{}", self.name())
    }

    /// Appends records that are given up to the topic of dead letters: key and value as they were, and why in the headers. What does not
    /// fit into a record with those is left out and can be read where it was. Durable when it returns.
    pub async fn dead_letters(&self, letters: &[DeadLetter]) -> Result<(), Problem> {
        if letters.is_empty() {
            return Ok(());
        }
        let failed = |error: &crate::log::LogError| state::problem(error);
        let mut writer = self.log.writer(Compression::None);
        let to = writer.topic(&self.dead_topic(), &TopicSpec::default()).await.map_err(|error| failed(&error))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| i64::try_from(now.as_millis()).unwrap_or(i64::MAX));
        let mut commit = writer.begin().await.map_err(|error| failed(&error))?;
        for letter in letters {
            let mut headers = HeaderBlock::default();
            headers.push("rowfeed.dead.topic", letter.topic.as_bytes());
            headers.push("rowfeed.dead.partition", letter.partition.to_string().as_bytes());
            headers.push("rowfeed.dead.offset", letter.offset.to_string().as_bytes());
            headers.push("rowfeed.dead.attempts", letter.attempts.to_string().as_bytes());
            headers.push("rowfeed.dead.error", letter.error.as_bytes());
            let (mut key, value) = (letter.key.as_deref(), letter.value.as_deref());
            let route = to.route(key);
            let record = RecordRef { timestamp_ms: now, key, value, headers: headers.headers() };
            let mut pushed = commit.push(route, record);
            if pushed.is_err() && value.is_some() {
                headers.push("rowfeed.dead.value", TOO_LARGE);
                pushed = commit.push(route, RecordRef { timestamp_ms: now, key, value: None, headers: headers.headers() });
            }
            if pushed.is_err() && key.take().is_some() {
                headers.push("rowfeed.dead.key", TOO_LARGE);
                pushed = commit.push(route, RecordRef { timestamp_ms: now, key, value: None, headers: headers.headers() });
            }
            pushed.map_err(|full| Problem::fail("subscription/dead-letter", "a dead letter cannot be kept").why(full.to_string()))?;
        }
        debug_assert!(commit.records() > 0, "there are letters");
        let seq = writer.commit(commit).await.map_err(|error| failed(&error))?;
        writer.wait_durable(seq).await.map_err(|error| failed(&error))?;
        Ok(())
    }
}
