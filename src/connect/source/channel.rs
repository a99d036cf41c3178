//! A topic of records that are not rows: messages, heartbeats, the begins and ends of transactions.
//!
//! Owns what is found out once, before the first record: the topic, the headers that `transforms` gives each record, and
//! the forms with their schemas' ids. What is in the records is `encode::control`'s and `encode::transaction`'s.

use super::relations::{Relations, no_form};
use super::task::Context;
use crate::encode::control::Way;
use crate::encode::wire::{FormSink, NoForm, TopicForms};
use crate::log::{LogWriter, TopicSpec};
use crate::problem::Problem;
use crate::record::{HeaderBlock, Headers, RecordSink, TopicHandle};

/// Ready to be written to.
pub struct Channel {
    topic: TopicHandle,
    headers: HeaderBlock,
    forms: TopicForms,
}

impl Channel {
    /// Makes the topic when it is not there, and registers the schemas.
    pub async fn open<W: LogWriter>(
        writer: &mut W,
        context: &Context,
        way: Way,
        spec: &TopicSpec,
        forms: Result<TopicForms, NoForm>,
    ) -> Result<Self, Problem> {
        let topic = Relations::open_topic(writer, &way.topic, spec).await?;
        let mut forms = forms.map_err(|wrong| no_form(&way.topic, &wrong))?;
        context.registrar.register(&way.topic, &mut forms).await?;
        Ok(Self { topic, headers: way.headers, forms })
    }

    /// Where its records go, and their headers.
    pub fn to(&self) -> (TopicHandle, Headers<'_>) {
        (self.topic, self.headers.headers())
    }

    /// Writes into `sink` in the form of the converters; with `by_key` the partition is that of the key's final bytes.
    pub fn sink<'s, S: RecordSink>(&'s self, sink: &'s mut S, by_key: bool) -> FormSink<'s, S> {
        FormSink { inner: sink, forms: &self.forms, by_key: by_key.then_some(self.topic) }
    }
}
