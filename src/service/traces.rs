//! Commits as spans, in the words of OpenTelemetry's conventions for messaging.
//!
//! Owns the names of spans and attributes and nothing else; the conventions are still being worked on, so this is the one place that
//! follows them. Promises that neither keys nor values of rows are told. Leaves when a commit began and ended to
//! [`crate::connect::source::traces`], and sending to [`crate::telemetry::traces`].

use std::sync::Arc;
use std::time::SystemTime;

use crate::connect::source::traces::{CommitSpan, Tell, Traceparent};
use crate::telemetry::traces::{Span, Traces, Value};

/// Why a span has no good end.
const LOST: &str = "the session ended before the commit was durable; what is in it comes again";

/// Tells each commit as a span.
pub fn tell(traces: &Traces) -> Tell {
    let traces = traces.clone();
    Arc::new(move |commit| traces.tell(span(commit)))
}

fn span(commit: &CommitSpan) -> Span {
    let (text, number) =
        (|text: &str| Value::Text(text.to_owned()), |number: u64| Value::Number(i64::try_from(number).unwrap_or(i64::MAX)));
    let (config, counts) = (&commit.config, &commit.counts);
    let mut attributes = vec![
        ("messaging.system", text("kafka")),
        ("messaging.operation.name", text("send")),
        ("messaging.operation.type", text("send")),
        ("messaging.client.id", text(&config.name)),
        ("messaging.batch.message_count", number(counts.events + counts.reads)),
        ("db.system.name", text("postgresql")),
        ("db.namespace", text(&config.connection.database)),
        ("server.address", text(&config.connection.host)),
        ("server.port", number(config.connection.port.into())),
        ("rowfeed.connector", text(&config.name)),
        ("rowfeed.slot", text(&config.slot_name)),
        ("rowfeed.lsn", text(&commit.lsn.to_string())),
        ("rowfeed.transactions", number(counts.transactions)),
        ("rowfeed.bytes", number(commit.bytes)),
    ];
    let changes = [
        ("rowfeed.inserts", counts.inserts),
        ("rowfeed.updates", counts.updates),
        ("rowfeed.deletes", counts.deletes),
        ("rowfeed.truncates", counts.truncates),
        ("rowfeed.messages", counts.messages),
        ("rowfeed.reads", counts.reads),
    ];
    attributes.extend(changes.into_iter().filter(|(_, count)| *count > 0).map(|(name, count)| (name, number(count))));
    let name = match &commit.topics[..] {
        // A commit of one topic is named by it; one of several says which.
        [topic] => {
            attributes.push(("messaging.destination.name", text(topic)));
            format!("send {topic}")
        }
        topics => {
            attributes.push(("rowfeed.topics", Value::Texts(topics.iter().map(|topic| topic.to_string()).collect())));
            "send".to_owned()
        }
    };
    let mut events = vec![("handed over to the log", commit.handed_over)];
    events.extend(commit.committed.map(|at| ("committed in PostgreSQL", at)));
    if commit.durable.is_none() {
        attributes.push(("error.type", text("not_durable")));
    }
    Span {
        name,
        began: commit.began,
        ended: commit.durable.unwrap_or_else(SystemTime::now),
        attributes,
        events,
        parents: commit.parents.iter().map(|parent| Traceparent::as_str(parent).to_owned()).collect(),
        failure: commit.durable.is_none().then_some(LOST),
    }
}
