//! What a cluster says to somebody who would write to it, before anything is written.
//!
//! Owns the questions: who is there, whether topics could be made with so many copies (asked without making them), which of
//! its own topics this user may see and read, and, where that is wanted, whether it may begin transactions. Writes nothing to
//! any topic; the last question leaves an unused transactional id, which the cluster forgets after a week. Each has its time,
//! and all have one end.
//! Not asked, since only writing would tell: WRITE on a topic that may be seen.

use std::time::{Duration, Instant};

use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;

use super::{Admin, KafkaSettings, Quiet};
use crate::log::topic::OFFSETS_TOPIC;
use crate::problem::Problem;

/// Each question has this long.
const ASK_MAX: Duration = Duration::from_secs(8);
/// All of them together; those that nobody answered by then say nothing.
const PROBE_MAX: Duration = Duration::from_secs(20);
/// The end of topics that are never made.
const TOPIC: &str = "rowfeed-check";
/// What is heard of a failed connection comes within this.
const HEARD_MAX: Duration = Duration::from_millis(500);

/// What is asked about.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Copies of each topic.
    pub copies: i16,
    /// What the names of the topics begin with that are to be written; none: not known.
    pub prefixes: Vec<String>,
    /// Whether a transactional id may be used.
    pub transaction: bool,
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Brokers that the cluster knows.
    pub brokers: usize,
    /// Whether topics could be made.
    pub makes: Makes,
    /// What this user may not do.
    pub denied: Vec<Denied>,
}

/// Whether topics could be made with so many copies, by somebody who may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Makes {
    /// They could.
    Yes,
    /// Not with so many copies.
    TooManyCopies(String),
    /// Not, for another reason.
    No(String),
}

/// Something that the cluster does not let this user do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// What, in a few words.
    pub what: String,
    /// Nothing can be captured without it.
    pub fatal: bool,
    /// What allows it.
    pub command: String,
}

impl KafkaSettings {
    /// Asks the cluster; an error says that it could not be reached.
    pub async fn probe(&self, wanted: &Wanted) -> Result<Probe, Problem> {
        let (settings, deadline) = (self.clone(), Instant::now() + PROBE_MAX);
        // librdkafka blocks its caller.
        let (brokers, names) = blocking(self, move || settings.first_look(deadline)).await??;
        let (makes, refused) = self.would_make(wanted, deadline).await?;
        let (settings, asked) = (self.clone(), wanted.clone());
        let denied = blocking(self, move || settings.denied(&asked, &names, &refused, deadline)).await?;
        Ok(Probe { brokers, makes, denied })
    }

    fn away(&self, why: impl Into<String>) -> Problem {
        Problem::fail("kafka/unreachable", format!("the Kafka cluster at {} does not answer", self.bootstrap))
            .why(why)
            .fix("correct log.bootstrap, and log.kafka.* where the cluster wants TLS or a password")
    }

    /// How many brokers there are, and the topics that this user may see.
    fn first_look(&self, deadline: Instant) -> Result<(usize, Vec<String>), Problem> {
        let consumer: BaseConsumer<Quiet> =
            self.client().create_with_context(Quiet).map_err(|error| self.away(super::producer::external(&error).to_string()))?;
        let metadata = consumer.fetch_metadata(None, left(deadline)).map_err(|error| match heard(&consumer) {
            Some(refused) => {
                let fix = "correct log.kafka.\"sasl.username\" and log.kafka.\"sasl.password\", or what TLS asks for";
                Problem { fix: fix.into(), ..self.away(refused) }
            }
            None => self.away(error.to_string()),
        })?;
        let names = metadata.topics().iter().filter(|topic| topic.error().is_none()).map(|topic| topic.name().to_owned());
        Ok((metadata.brokers().len(), names.collect()))
    }

    /// Whether topics could be made, and those that this user may not make.
    async fn would_make(&self, wanted: &Wanted, deadline: Instant) -> Result<(Makes, Vec<String>), Problem> {
        let admin = Admin::new(self).map_err(|error| self.away(error.to_string()))?;
        let names: Vec<String> = probed(wanted).chain([OFFSETS_TOPIC.to_owned()]).collect();
        let copies = || TopicReplication::Fixed(i32::from(wanted.copies));
        let topics: Vec<NewTopic<'_>> = names.iter().map(|name| NewTopic::new(name, 1, copies())).collect();
        let options = AdminOptions::new().validate_only(true).request_timeout(Some(left(deadline)));
        let told = admin.create_topics(&topics, &options).await.map_err(|error| self.away(error.to_string()))?;
        let mut makes = Makes::Yes;
        let mut refused = Vec::new();
        for (name, code) in told.into_iter().filter_map(Result::err) {
            match refusal(code) {
                Refusal::None => {}
                Refusal::Denied => refused.push(name),
                Refusal::Other(why) => makes = why,
            }
        }
        Ok((makes, refused))
    }

    /// What this user may not do, of all that a service does.
    fn denied(&self, wanted: &Wanted, names: &[String], refused: &[String], deadline: Instant) -> Vec<Denied> {
        let mut client = self.client();
        // librdkafka wants a group. It must commit nothing: where the user has no right on it, the end would be waited for.
        client.set("group.id", "rowfeed-check").set("enable.auto.commit", "false").set("enable.partition.eof", "true");
        let Ok(consumer) = client.create_with_context::<_, BaseConsumer<Quiet>>(Quiet) else { return Vec::new() };
        let mut denied = Vec::new();
        for prefix in &wanted.prefixes {
            let name = format!("{prefix}{TOPIC}");
            // Those that somebody else has made can be written all the same.
            let there = names.iter().any(|known| known.starts_with(prefix.as_str()));
            let what = match (refused.contains(&name), is_hidden(&consumer, &name, deadline)) {
                (false, false) => continue,
                _ if there => format!("to make topics that begin with {prefix}, for tables that have none yet"),
                (_, true) => format!("to see and write topics that begin with {prefix}"),
                (true, false) => format!("to make topics that begin with {prefix}"),
            };
            let operations = ["Create", "Describe", "DescribeConfigs", "Write"];
            let command = self.allow(&operations, &format!("--topic {prefix} --resource-pattern-type prefixed"));
            denied.push(Denied { what, fatal: !there, command });
        }
        let there = names.iter().any(|name| name == OFFSETS_TOPIC);
        let no_offsets = if is_hidden(&consumer, OFFSETS_TOPIC, deadline) {
            Some("to see, read and write")
        } else if !there && refused.iter().any(|name| name == OFFSETS_TOPIC) {
            Some("to make")
        } else if there && !may_read(&consumer, OFFSETS_TOPIC, deadline) {
            Some("to read")
        } else {
            None
        };
        if let Some(what) = no_offsets {
            let operations = ["Create", "Describe", "DescribeConfigs", "Read", "Write"];
            let command = self.allow(&operations, &format!("--topic {OFFSETS_TOPIC}"));
            denied.push(Denied { what: format!("{what} {OFFSETS_TOPIC}, where the positions are"), fatal: true, command });
        }
        if wanted.transaction && !self.may_begin(deadline) {
            let ids = format!("rowfeed-{}-", self.group);
            let what = format!("to use transactional ids that begin with {ids}");
            let command = self.allow(&["Describe", "Write"], &format!("--transactional-id {ids} --resource-pattern-type prefixed"));
            denied.push(Denied { what, fatal: true, command });
        }
        denied
    }

    /// False only when the cluster says so: a coordinator that is slow is no lack of a right.
    fn may_begin(&self, deadline: Instant) -> bool {
        let id = format!("rowfeed-{}-{TOPIC}", self.group);
        let Ok(producer) = self.client().set("transactional.id", id).create::<BaseProducer>() else { return true };
        let told = producer.init_transactions(left(deadline)).err().and_then(|error| error.rdkafka_error_code());
        told != Some(RDKafkaErrorCode::TransactionalIdAuthorizationFailed)
    }

    /// The line for whoever administers the cluster; the user is the one of SASL, where there is one.
    fn allow(&self, operations: &[&str], resource: &str) -> String {
        let user = self.properties.get("sasl.username").map_or("NAME", String::as_str);
        let operations: String = operations.iter().map(|operation| format!(" --operation {operation}")).collect();
        let at = &self.bootstrap;
        format!(
            "kafka-acls.sh --bootstrap-server {at} --command-config admin.properties --add --allow-principal User:{user}{operations} {resource}"
        )
    }
}

/// The names that are asked for: one for each prefix.
fn probed(wanted: &Wanted) -> impl Iterator<Item = String> + '_ {
    let unknown = wanted.prefixes.is_empty().then(|| TOPIC.to_owned());
    wanted.prefixes.iter().map(|prefix| format!("{prefix}{TOPIC}")).chain(unknown)
}

async fn blocking<T: Send + 'static>(settings: &KafkaSettings, ask: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(ask).await.map_err(|error| settings.away(error.to_string()))
}

/// For one question; at least a moment, so that librdkafka does not take it for "as long as it takes".
fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).clamp(Duration::from_millis(1), ASK_MAX)
}

/// Why no connection was made, when the other side said so.
fn heard(consumer: &BaseConsumer<Quiet>) -> Option<String> {
    let until = Instant::now() + HEARD_MAX;
    while Instant::now() < until {
        let Some(Err(error)) = consumer.poll(HEARD_MAX / 10) else { continue };
        let code = error.rdkafka_error_code();
        if matches!(code, Some(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed | RDKafkaErrorCode::SSL)) {
            return Some(code.map_or_else(String::new, |code| code.to_string()));
        }
    }
    None
}

/// Whether the cluster hides a topic from this user: one that is not there is told as unknown only to those who might see it.
fn is_hidden(consumer: &BaseConsumer<Quiet>, name: &str, deadline: Instant) -> bool {
    let Ok(metadata) = consumer.fetch_metadata(Some(name), left(deadline)) else { return false };
    let told = metadata.topics().iter().find(|topic| topic.name() == name).and_then(|topic| topic.error());
    told.is_some_and(|code| RDKafkaErrorCode::from(code) == RDKafkaErrorCode::TopicAuthorizationFailed)
}

/// Whether the topic's end can be read; false only when the cluster says so.
fn may_read(consumer: &BaseConsumer<Quiet>, name: &str, deadline: Instant) -> bool {
    let mut place = TopicPartitionList::new();
    if place.add_partition_offset(name, 0, Offset::End).is_err() || consumer.assign(&place).is_err() {
        return true;
    }
    let until = Instant::now() + left(deadline);
    while Instant::now() < until {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Err(KafkaError::PartitionEOF(_)) | Ok(_)) => return true,
            Some(Err(error)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::TopicAuthorizationFailed) => return false,
            _ => {}
        }
    }
    true
}

/// What it means that a topic would not be made.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    /// It is there.
    None,
    Denied,
    Other(Makes),
}

fn refusal(code: RDKafkaErrorCode) -> Refusal {
    match code {
        RDKafkaErrorCode::TopicAlreadyExists => Refusal::None,
        RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed => Refusal::Denied,
        RDKafkaErrorCode::InvalidReplicationFactor => Refusal::Other(Makes::TooManyCopies(code.to_string())),
        other => Refusal::Other(Makes::No(other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_from_a_lack_of_brokers() {
        assert_eq!(refusal(RDKafkaErrorCode::TopicAuthorizationFailed), Refusal::Denied);
        assert_eq!(refusal(RDKafkaErrorCode::ClusterAuthorizationFailed), Refusal::Denied);
        assert!(matches!(refusal(RDKafkaErrorCode::InvalidReplicationFactor), Refusal::Other(Makes::TooManyCopies(_))));
        assert!(matches!(refusal(RDKafkaErrorCode::PolicyViolation), Refusal::Other(Makes::No(_))));
        assert_eq!(refusal(RDKafkaErrorCode::TopicAlreadyExists), Refusal::None);
    }

    #[test]
    fn the_line_names_the_user_where_it_is_known() {
        let mut settings = KafkaSettings { bootstrap: "k:9092".into(), properties: Default::default(), group: "g".into() };
        let end = " --operation Read --topic t";
        assert!(settings.allow(&["Read"], "--topic t").ends_with(&format!("User:NAME{end}")));
        settings.properties.insert("sasl.username".into(), "rowfeed".into());
        assert!(settings.allow(&["Read"], "--topic t").ends_with(&format!("User:rowfeed{end}")));
    }
}
