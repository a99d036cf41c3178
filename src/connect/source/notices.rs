//! Telling of a snapshot's progress, on the channels that `notification.enabled.channels` names.
//!
//! Owns the topic of notifications. Promises that a notification is in the same commit of the log as what it tells of.
//! What is told, and when, is the affair of those who know.

use super::channel::Channel;
use super::commits::Commits;
use super::relations::Relations;
use super::task::{Context, now_ns};
use crate::change::Notice;
use crate::change::notice::INITIAL_SNAPSHOT;
use crate::encode::{java, notification};
use crate::log::LogWriter;
use crate::problem::Problem;

/// Tells something, with the next commit.
pub async fn tell<W: LogWriter>(context: &Context, commits: &mut Commits<W>, notice: &Notice) -> Result<(), Problem> {
    let config = &context.config.notifications;
    if config.log {
        tracing::info!(connector = context.config.name, id = notice.id, "notification: {notice}");
    }
    let Some(topic) = &config.topic else { return Ok(()) };
    commits.begin().await?;
    let channel = match commits.notifications.take() {
        Some(channel) => channel,
        None => open(context, commits, topic).await?,
    };
    if let Some(channel) = &channel {
        let id = uuid::Uuid::new_v4().to_string();
        let sink = &mut channel.sink(commits.sink().0, true);
        notification::push(&context.events, channel.to(), notice, &id, now_ns() / 1_000_000, sink)
            .map_err(|error| Problem::retry("log/refused", error.to_string()))?;
    }
    commits.notifications = Some(channel);
    Ok(())
}

async fn open<W: LogWriter>(context: &Context, commits: &mut Commits<W>, topic: &str) -> Result<Option<Channel>, Problem> {
    let Some(way) = notification::way(&context.events, topic) else { return Ok(None) };
    let (spec, forms) = (Relations::topic_spec(&context.config, &way.topic), notification::forms(&context.events));
    Channel::open(&mut commits.writer, context, way, &spec, forms).await.map(Some)
}

/// The tables of a snapshot, as its notifications name them.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Those that are read, in their order.
    tables: Vec<String>,
    /// With those that belong to the capture and are not read.
    captured: Vec<String>,
}

impl Told {
    /// A snapshot that reads these tables; `captured` has those as well that belong to it and are not read.
    pub fn new(tables: Vec<String>, captured: Vec<String>) -> Self {
        Self { tables, captured }
    }

    /// `IN_PROGRESS`: a table is begun.
    pub fn begun(&self, table: String) -> Notice {
        let tables = java::set_of(self.tables.clone());
        snapshot("IN_PROGRESS", vec![("current_collection_in_progress", table), ("data_collections", tables)])
    }

    /// `TABLE_SCAN_COMPLETED`: a table is read.
    pub fn read(&self, table: String, rows: u64) -> Notice {
        let data = vec![
            ("scanned_collection", table),
            ("data_collections", self.captured.join(",")),
            ("total_rows_scanned", rows.to_string()),
            ("status", "SUCCEEDED".to_owned()),
        ];
        snapshot("TABLE_SCAN_COMPLETED", data)
    }

    /// `TABLE_SCAN_COMPLETED`: a table could not be read.
    pub fn failed(table: String) -> Notice {
        snapshot("TABLE_SCAN_COMPLETED", vec![("scanned_collection", table), ("status", "SQL_EXCEPTION".to_owned())])
    }
}

/// A notification about a snapshot that is read at once.
pub fn snapshot(kind: &'static str, data: Vec<(&'static str, String)>) -> Notice {
    Notice { id: String::new(), aggregate: INITIAL_SNAPSHOT, kind, data }
}
