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
    let way = notification::way(&context.events, topic).map_err(|error| error.problem())?;
    let Some(way) = way else { return Ok(None) };
    let (spec, forms) = (Relations::topic_spec(&context.config, &way.topic), notification::forms(&context.events));
    Channel::open(&mut commits.writer, context, way, &spec, forms).await.map(Some)
}

/// The tables of a snapshot, as its notifications name them.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Those that are read, as Java's set has them. Put in order once: every table is told of with the names of all.
    tables: String,
    /// With those that belong to the capture and are not read.
    captured: String,
}

impl Told {
    /// A snapshot that reads these tables; `captured` has those as well that belong to it and are not read.
    pub fn new(tables: Vec<String>, captured: Vec<String>) -> Self {
        Self { tables: java::set_of(tables), captured: captured.join(",") }
    }

    /// `IN_PROGRESS`: a table is begun.
    pub fn begun(&self, table: String) -> Notice {
        snapshot("IN_PROGRESS", vec![("current_collection_in_progress", table), ("data_collections", self.tables.clone())])
    }

    /// `TABLE_SCAN_COMPLETED`: a table is read.
    pub fn read(&self, table: String, rows: u64) -> Notice {
        let data = vec![
            ("scanned_collection", table),
            ("data_collections", self.captured.clone()),
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

/// The chunks of a table that are told of, as Debezium cuts it: by number, each with as many rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunks {
    total: u64,
    rows_each: u64,
    /// The one that is being read.
    index: u64,
}

impl Chunks {
    /// Of a table with so many rows, into `most` at most.
    pub fn of(rows: u64, most: u64) -> Self {
        let total = rows.checked_div((rows / most.max(1)).max(1)).unwrap_or_default().clamp(1, most.max(1));
        Self { total, rows_each: rows / total, index: 0 }
    }

    /// `TABLE_CHUNK_IN_PROGRESS`, behind so many of the table's rows.
    pub fn begun(&self, table: &str, rows: u64) -> Notice {
        let data = vec![
            ("current_collection_in_progress", table.to_owned()),
            ("chunk_index", self.index.to_string()),
            ("total_chunks", self.total.to_string()),
            ("total_rows_scanned", rows.to_string()),
        ];
        snapshot("TABLE_CHUNK_IN_PROGRESS", data)
    }

    /// `TABLE_CHUNK_COMPLETED`.
    pub fn read(&self, table: &str, told: &Told) -> Notice {
        let data = vec![
            ("scanned_collection", table.to_owned()),
            ("data_collections", told.captured.clone()),
            ("chunk_index", self.index.to_string()),
            ("total_chunks", self.total.to_string()),
            ("status", "SUCCEEDED".to_owned()),
        ];
        snapshot("TABLE_CHUNK_COMPLETED", data)
    }

    /// A chunk ends with the last one of so many rows, and the next one begins.
    pub fn pass(&mut self, table: &str, rows: u64, told: &Told) -> Option<[Notice; 2]> {
        let passed = self.index + 1 < self.total && rows >= (self.index + 1) * self.rows_each;
        passed.then(|| {
            let read = self.read(table, told);
            self.index += 1;
            [read, self.begun(table, self.index * self.rows_each)]
        })
    }
}

/// A notification about a snapshot that is read at once.
pub fn snapshot(kind: &'static str, data: Vec<(&'static str, String)>) -> Notice {
    Notice { id: String::new(), aggregate: INITIAL_SNAPSHOT, kind, data }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_cut_as_debezium_cuts_it() {
        let of = |rows: u64, most: u64| {
            let chunks = Chunks::of(rows, most);
            (chunks.total, chunks.rows_each)
        };
        assert_eq!([of(0, 4), of(1, 4), of(3, 4), of(4, 4), of(7, 4), of(10, 4)], [(1, 0), (1, 1), (3, 1), (4, 1), (4, 1), (4, 2)]);
        assert_eq!(of(u64::MAX, 1), (1, u64::MAX));
    }

    #[test]
    fn every_chunk_begins_and_ends_once() {
        let (told, mut chunks) = (Told::default(), Chunks::of(7, 3));
        let mut ends = Vec::new();
        for rows in 1..=7 {
            while let Some([read, begun]) = chunks.pass("t", rows, &told) {
                assert_eq!((read.kind, begun.kind), ("TABLE_CHUNK_COMPLETED", "TABLE_CHUNK_IN_PROGRESS"));
                ends.push((rows, chunks.index));
            }
        }
        assert_eq!(ends, [(2, 1), (4, 2)]);
    }
}
