//! The external log: Apache Kafka through librdkafka, in transactions.

/// How to reach the cluster.
#[derive(Clone, Debug)]
pub struct KafkaSettings {
    /// librdkafka properties, `bootstrap.servers` among them.
    pub properties: std::collections::BTreeMap<String, String>,
    /// The service's name, part of the transactional id.
    pub group: String,
}
