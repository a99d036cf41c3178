//! What a cluster says to somebody who would write to it, before anything is written.
//!
//! Owns two questions: who is there, and whether a topic could be made with so many copies (asked without making it). Changes
//! nothing; each question has its time.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::types::RDKafkaErrorCode;

use super::KafkaSettings;
use crate::problem::Problem;

/// Each question has this long.
const ASK_MAX: Duration = Duration::from_secs(10);
/// Never made.
const TOPIC: &str = "rowfeed-check";

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Brokers that the cluster knows.
    pub brokers: usize,
    /// Whether a topic could be made.
    pub makes: Makes,
}

/// Whether a topic could be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Makes {
    /// It could.
    Yes,
    /// Not with so many copies.
    TooManyCopies(String),
    /// This user may not.
    Denied(String),
    /// Not, for another reason.
    No(String),
}

impl KafkaSettings {
    /// Asks the cluster; an error says that it could not be reached.
    pub async fn probe(&self, copies: i16) -> Result<Probe, Problem> {
        let away = |why: String| {
            Problem::fail("kafka/unreachable", format!("the Kafka cluster at {} does not answer", self.bootstrap))
                .why(why)
                .fix("correct log.bootstrap, and log.kafka.* where the cluster wants TLS or a password")
        };
        let admin: AdminClient<DefaultClientContext> = self.client().create().map_err(|error| away(error.to_string()))?;
        // It blocks its caller.
        let asked = tokio::task::spawn_blocking(move || {
            let brokers = admin.inner().fetch_metadata(None, ASK_MAX).map(|metadata| metadata.brokers().len());
            (admin, brokers)
        });
        let (admin, brokers) = asked.await.map_err(|error| away(error.to_string()))?;
        let brokers = brokers.map_err(|error| away(error.to_string()))?;
        let topic = NewTopic::new(TOPIC, 1, TopicReplication::Fixed(i32::from(copies)));
        let options = AdminOptions::new().validate_only(true).request_timeout(Some(ASK_MAX));
        let made = admin.create_topics([&topic], &options).await.map_err(|error| away(error.to_string()))?;
        let makes = match made.into_iter().next() {
            Some(Err((_, code))) => refusal(code),
            _ => Makes::Yes,
        };
        Ok(Probe { brokers, makes })
    }
}

fn refusal(code: RDKafkaErrorCode) -> Makes {
    match code {
        RDKafkaErrorCode::TopicAlreadyExists => Makes::Yes,
        RDKafkaErrorCode::InvalidReplicationFactor => Makes::TooManyCopies(code.to_string()),
        RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed => Makes::Denied(code.to_string()),
        other => Makes::No(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_from_a_lack_of_brokers() {
        assert!(matches!(refusal(RDKafkaErrorCode::TopicAuthorizationFailed), Makes::Denied(_)));
        assert!(matches!(refusal(RDKafkaErrorCode::ClusterAuthorizationFailed), Makes::Denied(_)));
        assert!(matches!(refusal(RDKafkaErrorCode::InvalidReplicationFactor), Makes::TooManyCopies(_)));
        assert!(matches!(refusal(RDKafkaErrorCode::PolicyViolation), Makes::No(_)));
        assert_eq!(refusal(RDKafkaErrorCode::TopicAlreadyExists), Makes::Yes);
    }
}
