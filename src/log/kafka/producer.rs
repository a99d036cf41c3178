//! The transactional producer: one thread, one transaction per commit, one table of error classes.
//!
//! | librdkafka says | here |
//! |---|---|
//! | fenced, invalid producer epoch | [`LogError::Fenced`]: another instance took over, FAILED |
//! | fatal | [`LogError::ExternalFatal`] for what a person must mend, else the producer is made anew |
//! | requires abort | the transaction is aborted, the task starts again from its checkpoint |
//! | retriable, timed out | `commit_transaction` is called again, never a record sent again |

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant, SystemTime};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use tokio::sync::oneshot;

use super::{KafkaSettings, Shared, checkpoint};
use crate::log::commit::CommitBuffer;
use crate::log::{CommitSeq, LogError, TopicSpec};
use crate::record::compression::Compression;
use crate::record::partition::partition_for;
use crate::record::view::{BatchView, RecordView, read_headers};
use crate::record::{Route, TopicIndex};

/// A transaction that is not ended after this time is aborted by the broker.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);
/// A record that is not delivered after this time fails its transaction; less than the transaction's own time.
const MESSAGE_TIMEOUT_MS: &str = "45000";
/// Waiting for the coordinator at the start, and for one answer to a commit.
const CALL_LIMIT: Duration = Duration::from_secs(30);
/// Trying to end a transaction.
const COMMIT_LIMIT: Duration = Duration::from_secs(60);

/// What the thread is asked to do.
pub(super) enum Command {
    /// Publish a commit.
    Commit { commit: CommitBuffer, seq: CommitSeq },
    /// Make sure of a topic: its number of partitions.
    Topic { name: String, spec: TopicSpec, index: TopicIndex, done: oneshot::Sender<Result<u32, LogError>> },
    /// Read the newest value of a key.
    Latest { topic: String, key: Vec<u8>, done: oneshot::Sender<Result<Option<Vec<u8>>, LogError>> },
}

/// The class of an error, for the caller.
pub(super) fn external(error: &KafkaError) -> LogError {
    let code = error.rdkafka_error_code();
    let text = match error {
        // Its own text has the value, which may be a secret.
        KafkaError::ClientConfig(_, _, name, _) => format!("the client does not accept the setting {name}, or its value"),
        other => other.to_string(),
    };
    if matches!(code, Some(RDKafkaErrorCode::Fenced | RDKafkaErrorCode::ProducerFenced | RDKafkaErrorCode::InvalidProducerEpoch)) {
        return LogError::Fenced(text);
    }
    let for_a_person = matches!(
        code,
        Some(
            RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed
                | RDKafkaErrorCode::TransactionalIdAuthorizationFailed
                | RDKafkaErrorCode::SaslAuthenticationFailed
                | RDKafkaErrorCode::Authentication
                | RDKafkaErrorCode::MessageSizeTooLarge
                | RDKafkaErrorCode::UnsupportedFeature
                | RDKafkaErrorCode::InvalidTransactionTimeout
                | RDKafkaErrorCode::InvalidReplicationFactor
                | RDKafkaErrorCode::InvalidConfig
        )
    ) || matches!(error, KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_));
    if for_a_person { LogError::ExternalFatal(text) } else { LogError::External(text) }
}

/// A broker that ended a transaction for its age fences the producer just as another instance would. The wall clock
/// counts: a machine that was asleep did not see the time go by.
fn timed_out_or(began: SystemTime, error: LogError) -> LogError {
    match error {
        LogError::Fenced(why) if began.elapsed().is_ok_and(|age| age >= TRANSACTION_TIMEOUT) => {
            LogError::External(format!("the transaction was open for more than {} s: {why}", TRANSACTION_TIMEOUT.as_secs()))
        }
        other => other,
    }
}

/// The thread.
pub(super) fn run(
    settings: &KafkaSettings,
    connector: &str,
    inbox: &Receiver<Command>,
    shared: &Shared,
    ready: oneshot::Sender<Result<(), LogError>>,
) {
    let opened = open(settings, connector);
    let mut thread = match opened {
        Ok(producer) => Thread { settings, producer, topics: HashMap::new() },
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    if ready.send(Ok(())).is_err() {
        return;
    }
    while let Ok(command) = inbox.recv() {
        match command {
            Command::Topic { name, spec, index, done } => {
                let _ = done.send(thread.topic(name, &spec, index));
            }
            Command::Latest { topic, key, done } => {
                let _ = done.send(thread.latest(&topic, &key));
            }
            Command::Commit { mut commit, seq } => {
                if let Err(error) = thread.publish(&mut commit) {
                    shared.failure.send_replace(Some(Arc::new(error)));
                    return;
                }
                commit.recycle();
                let _ = shared.recycled.try_send(commit);
                shared.durable.send_replace(seq);
            }
        }
    }
}

fn open(settings: &KafkaSettings, connector: &str) -> Result<BaseProducer, LogError> {
    let producer: BaseProducer = settings
        .client()
        .set("transactional.id", format!("rowfeed-{}-{connector}", settings.group))
        .set("enable.idempotence", "true")
        .set("transaction.timeout.ms", TRANSACTION_TIMEOUT.as_millis().to_string())
        .set("message.timeout.ms", MESSAGE_TIMEOUT_MS)
        .set("linger.ms", "2")
        .set("batch.size", "524288")
        .set("queue.buffering.max.kbytes", "65536")
        .create()
        .map_err(|error| external(&error))?;
    producer.init_transactions(CALL_LIMIT).map_err(|error| external(&error))?;
    Ok(producer)
}

struct Thread<'a> {
    settings: &'a KafkaSettings,
    producer: BaseProducer,
    topics: HashMap<TopicIndex, String>,
}

impl Thread<'_> {
    /// Makes the topic when it does not exist, with explicit settings, before anything is sent to it.
    fn topic(&mut self, name: String, spec: &TopicSpec, index: TopicIndex) -> Result<u32, LogError> {
        let mut partitions = self.partitions(&name)?;
        if partitions == 0 {
            self.create(&name, spec)?;
            let deadline = Instant::now() + CALL_LIMIT;
            while partitions == 0 && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(20));
                partitions = self.partitions(&name)?;
            }
        }
        if partitions == 0 {
            return Err(LogError::External(format!("topic {name} was made and does not appear")));
        }
        self.topics.insert(index, name);
        Ok(partitions)
    }

    fn partitions(&self, name: &str) -> Result<u32, LogError> {
        let metadata = self.producer.client().fetch_metadata(Some(name), CALL_LIMIT).map_err(|error| external(&error))?;
        let found = metadata.topics().iter().find(|topic| topic.name() == name && topic.error().is_none());
        Ok(found.map_or(0, |topic| u32::try_from(topic.partitions().len()).unwrap_or(0)))
    }

    fn create(&self, name: &str, spec: &TopicSpec) -> Result<(), LogError> {
        let admin: AdminClient<DefaultClientContext> = self.settings.client().create().map_err(|error| external(&error))?;
        let retention = spec.retention.as_millis().to_string();
        let partitions = i32::try_from(spec.partitions).unwrap_or(1);
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(i32::from(spec.replication_factor)));
        topic = if spec.compact {
            topic.set("cleanup.policy", "compact")
        } else {
            topic.set("cleanup.policy", "delete").set("retention.ms", &retention)
        };
        if let Some(codec) = spec.compression {
            topic = topic.set("compression.type", if codec == Compression::None { "uncompressed" } else { codec.name() });
        }
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| LogError::External(error.to_string()))?;
        let options = AdminOptions::new().operation_timeout(Some(CALL_LIMIT));
        let made = runtime.block_on(admin.create_topics([&topic], &options)).map_err(|error| external(&error))?;
        match made.into_iter().next() {
            None | Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
            Some(Err((_, code))) => Err(LogError::ExternalFatal(format!("topic {name} cannot be made: {code}"))),
        }
    }

    fn latest(&self, topic: &str, key: &[u8]) -> Result<Option<Vec<u8>>, LogError> {
        let partitions = self.partitions(topic)?;
        if partitions == 0 {
            return Ok(None);
        }
        checkpoint::latest(self.settings, topic, partition_for(Some(key), partitions) as i32, key)
    }

    /// One transaction.
    fn publish(&self, commit: &mut CommitBuffer) -> Result<(), LogError> {
        let began = SystemTime::now();
        self.producer.begin_transaction().map_err(|error| external(&error))?;
        if let Err(error) = self.send_all(commit) {
            self.abort();
            return Err(timed_out_or(began, error));
        }
        // rust-rdkafka's own flush sleeps 100 ms at a time: the queue is drained first.
        while self.producer.in_flight_count() > 0 {
            self.producer.poll(Duration::from_millis(1));
        }
        let deadline = Instant::now() + COMMIT_LIMIT;
        loop {
            match self.producer.commit_transaction(CALL_LIMIT) {
                Ok(()) => return Ok(()),
                Err(KafkaError::Transaction(error)) if error.txn_requires_abort() => {
                    self.abort();
                    return Err(timed_out_or(began, external(&KafkaError::Transaction(error))));
                }
                Err(KafkaError::Transaction(error)) if error.is_retriable() && Instant::now() < deadline => {
                    tracing::debug!("commit_transaction again: {error}");
                }
                Err(error) => return Err(timed_out_or(began, external(&error))),
            }
        }
    }

    fn abort(&self) {
        // What was not committed is read again from PostgreSQL; init_transactions ends whatever stays open.
        if let Err(error) = self.producer.abort_transaction(CALL_LIMIT) {
            tracing::debug!("the transaction could not be aborted: {error}");
        }
    }

    fn send_all(&self, commit: &mut CommitBuffer) -> Result<(), LogError> {
        let mut room = Vec::new();
        for part in commit.parts_mut() {
            let route = part.route;
            let topic = self.topics.get(&route.topic).ok_or_else(|| LogError::External(format!("topic {} is unknown", route.topic.0)))?;
            let batch = BatchView::parse(part.batch.seal(0)).map_err(|error| LogError::External(error.to_string()))?;
            for record in batch.records(&mut room) {
                let record = record.map_err(|error| LogError::External(error.to_string()))?;
                self.send(topic, route, &record)?;
            }
        }
        Ok(())
    }

    fn send(&self, topic: &str, route: Route, record: &RecordView<'_>) -> Result<(), LogError> {
        let mut headers: Option<OwnedHeaders> = None;
        for (key, value) in read_headers(record.raw_headers()) {
            headers = Some(headers.unwrap_or_default().insert(Header { key, value }));
        }
        let mut message: BaseRecord<'_, [u8], [u8]> =
            BaseRecord::to(topic).partition(i32::try_from(route.partition).unwrap_or(0)).timestamp(record.timestamp_ms);
        message.key = record.key;
        message.payload = record.value;
        message.headers = headers;
        loop {
            match self.producer.send(message) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    message = back;
                    self.producer.poll(Duration::from_millis(5));
                }
                Err((error, _)) => return Err(external(&error)),
            }
        }
    }
}
