//! Which topics the cluster has: asked of it anew each time, by one question at a time.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminOptions, OwnedResourceSpecifier, ResourceSpecifier};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::Mutex;

use super::producer::external;
use super::{Admin, KafkaSettings, Quiet};
use crate::log::LogError;
use crate::log::cluster::{ClusterPartition, ClusterTopic, SETTINGS};

/// All of a question together.
const LOOK_MAX: Duration = Duration::from_secs(10);
/// So many topics are told; a cluster with more has other tools.
const TOPICS_MAX: usize = 10_000;
/// Partitions in one request for offsets: librdkafka looks each of them up from the first on.
const ASKED_MAX: usize = 1000;
/// Settings are told where there are no more topics than this: a topic's are some kilobytes.
const SETTINGS_MAX: usize = 500;

/// The cluster, for those who only look.
#[derive(Clone, Debug)]
pub struct Cluster {
    settings: KafkaSettings,
    last: Arc<Mutex<Option<Look>>>,
}

/// The last question and its answer.
#[derive(Debug)]
struct Look {
    began: Instant,
    found: Found,
}

type Found = Result<Arc<Vec<ClusterTopic>>, String>;

/// Topic and partition.
type Place = (String, u32);

impl Cluster {
    /// Nothing is asked yet.
    pub fn new(settings: KafkaSettings) -> Self {
        Self { settings, last: Arc::default() }
    }

    /// All topics that this user may see, by name.
    pub async fn topics(&self) -> Result<Arc<Vec<ClusterTopic>>, LogError> {
        let arrived = Instant::now();
        let (settings, last) = (self.settings.clone(), Arc::clone(&self.last));
        // Goes on though the one who asked goes away: others wait for the same answer.
        let looked = tokio::spawn(async move {
            let mut last = last.lock_owned().await;
            match last.as_ref() {
                Some(look) if look.began >= arrived => look.found.clone(),
                _ => {
                    let began = Instant::now();
                    let found = look(settings, began + LOOK_MAX).await.map(Arc::new).map_err(|error| plain(&error));
                    *last = Some(Look { began, found: found.clone() });
                    found
                }
            }
        });
        looked.await.map_err(|error| LogError::External(error.to_string()))?.map_err(LogError::External)
    }
}

/// The error without the words that [`LogError::External`] puts before it.
fn plain(error: &LogError) -> String {
    match error {
        LogError::External(text) | LogError::ExternalFatal(text) | LogError::Fenced(text) => text.clone(),
        other => other.to_string(),
    }
}

async fn look(settings: KafkaSettings, deadline: Instant) -> Result<Vec<ClusterTopic>, LogError> {
    let asked = settings.clone();
    // It blocks its caller.
    let seen = tokio::task::spawn_blocking(move || topics_with_offsets(&asked, deadline)).await;
    let mut topics = seen.map_err(|error| LogError::External(error.to_string()))??;
    if topics.len() <= SETTINGS_MAX {
        let mut known = settings_of(&settings, &topics, deadline).await;
        for topic in &mut topics {
            topic.settings = known.remove(&topic.name).unwrap_or_default();
        }
    }
    Ok(topics)
}

/// At least a moment, so that librdkafka does not take it for "as long as it takes".
fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}

fn topics_with_offsets(settings: &KafkaSettings, deadline: Instant) -> Result<Vec<ClusterTopic>, LogError> {
    let consumer: BaseConsumer<Quiet> =
        settings.client().set("isolation.level", "read_committed").create_with_context(Quiet).map_err(|error| external(&error))?;
    let metadata = consumer.fetch_metadata(None, left(deadline)).map_err(|error| external(&error))?;
    let mut topics = Vec::new();
    let mut led = Vec::new();
    for topic in metadata.topics().iter().filter(|topic| topic.error().is_none()).take(TOPICS_MAX) {
        let mut partitions = Vec::new();
        for partition in topic.partitions() {
            let Ok(number) = u32::try_from(partition.id()) else { continue };
            partitions.push(ClusterPartition { number, range: None });
            // Without a leader nobody can be asked, and the others are not to wait for it.
            if partition.leader() >= 0 {
                led.push((topic.name(), partition.id()));
            }
        }
        partitions.sort_unstable_by_key(|partition| partition.number);
        topics.push(ClusterTopic { name: topic.name().to_owned(), partitions, settings: BTreeMap::new() });
    }
    let mut starts = HashMap::new();
    let mut ends = HashMap::new();
    for asked in led.chunks(ASKED_MAX) {
        starts.extend(offsets(&consumer, asked, Offset::Beginning, deadline)?);
        ends.extend(offsets(&consumer, asked, Offset::End, deadline)?);
    }
    for topic in &mut topics {
        for partition in &mut topic.partitions {
            let of = |found: &HashMap<Place, u64>| found.get(&(topic.name.clone(), partition.number)).copied();
            partition.range = of(&starts).zip(of(&ends)).map(|(start, end)| start..end.max(start));
        }
    }
    topics.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(topics)
}

/// Where these partitions begin or end: the times -2 and -1 of Kafka's ListOffsets mean that.
fn offsets(
    consumer: &BaseConsumer<Quiet>,
    asked: &[(&str, i32)],
    place: Offset,
    deadline: Instant,
) -> Result<HashMap<Place, u64>, LogError> {
    let mut list = TopicPartitionList::with_capacity(asked.len());
    for (topic, partition) in asked {
        list.add_partition_offset(topic, *partition, place).map_err(|error| external(&error))?;
    }
    let told = consumer.offsets_for_times(list, left(deadline)).map_err(|error| external(&error))?;
    let found = told.elements().into_iter().filter_map(|element| {
        let Offset::Offset(offset) = element.offset() else { return None };
        let (partition, offset) = (u32::try_from(element.partition()).ok()?, u64::try_from(offset).ok()?);
        element.error().is_ok().then(|| ((element.topic().to_owned(), partition), offset))
    });
    Ok(found.collect())
}

/// Settings are told to who has DESCRIBE_CONFIGS; who has not sees the topics without.
async fn settings_of(settings: &KafkaSettings, topics: &[ClusterTopic], deadline: Instant) -> HashMap<String, BTreeMap<String, String>> {
    let asked: Vec<_> = topics.iter().map(|topic| ResourceSpecifier::Topic(&topic.name)).collect();
    if asked.is_empty() {
        return HashMap::new();
    }
    let Ok(admin) = Admin::new(settings) else { return HashMap::new() };
    let told = match admin.describe_configs(&asked, &AdminOptions::new().request_timeout(Some(left(deadline)))).await {
        Ok(told) => told,
        Err(error) => {
            tracing::debug!("the settings of the cluster's topics are not told: {error}");
            return HashMap::new();
        }
    };
    let mut found = HashMap::new();
    for resource in told.into_iter().flatten() {
        let OwnedResourceSpecifier::Topic(name) = resource.specifier else { continue };
        let kept = resource.entries.into_iter().filter(|entry| SETTINGS.contains(&entry.name.as_str()));
        found.insert(name, kept.filter_map(|entry| Some((entry.name, entry.value?))).collect());
    }
    found
}
