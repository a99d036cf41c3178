//! A topic of records that are not rows: messages, heartbeats, the begins and ends of transactions.
//!
//! Owns what is found out once, before the first record: the topic, the headers that `transforms` gives each record, and
//! the Avro forms with their ids. What is in the records is `encode::control`'s and `encode::transaction`'s.

use super::relations::{Relations, not_avro};
use super::task::Context;
use crate::encode::avro::{AvroSink, NotAvro, TopicAvro};
use crate::encode::control::Way;
use crate::log::{LogWriter, TopicSpec};
use crate::problem::Problem;
use crate::record::{HeaderBlock, Headers, RecordSink, TopicHandle};

/// Ready to be written to.
pub struct Channel {
    topic: TopicHandle,
    headers: HeaderBlock,
    avro: TopicAvro,
}

impl Channel {
    /// Makes the topic when it is not there, and registers the schemas.
    pub async fn open<W: LogWriter>(
        writer: &mut W,
        context: &Context,
        way: Way,
        spec: &TopicSpec,
        avro: Result<TopicAvro, NotAvro>,
    ) -> Result<Self, Problem> {
        let topic = Relations::open_topic(writer, &way.topic, spec).await?;
        let mut avro = avro.map_err(|wrong| not_avro(&way.topic, &wrong))?;
        context.registrar.register(&way.topic, &mut avro).await?;
        Ok(Self { topic, headers: way.headers, avro })
    }

    /// Where its records go, and their headers.
    pub fn to(&self) -> (TopicHandle, Headers<'_>) {
        (self.topic, self.headers.headers())
    }

    /// Writes into `sink` in the form of the converters; with `by_key` the partition is that of the key's final bytes.
    pub fn sink<'s, S: RecordSink>(&'s self, sink: &'s mut S, by_key: bool) -> AvroSink<'s, S> {
        AvroSink { inner: sink, avro: &self.avro, by_key: by_key.then_some(self.topic) }
    }
}
