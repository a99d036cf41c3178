//! `GET /v1/topics/{topic}/schema`: what a topic's newest records look like.
//!
//! Owns what is said of their columns, and which registered schemas they have. Promises an answer within bounds (records, bytes, columns,
//! time), however large the topic, and that nothing of a row but the types of its values is told. It is what was seen, and no promise of what comes.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use axum::Json as JsonBody;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::described::{Routes, does};
use super::{ApiError, App, topics};
use crate::event::{Event, Object, Value};
use crate::log::LogError;
use crate::log::builtin::BuiltinLog;
use crate::log::topic::TopicInfo;
use crate::record::{Route, json};

/// Records that are looked at, of all partitions together; one of each at least.
const RECORDS_MAX: u64 = 200;
/// One read of the log, and what is read of one partition.
const READ_BYTES: usize = 128 << 10;
const READS_MAX: usize = 8;
/// Columns that are told: more than a table has.
const COLUMNS_MAX: usize = 2000;
/// No partition is begun after this long.
const TIME_MAX: Duration = Duration::from_secs(2);

/// The routes.
pub fn routes() -> Routes {
    Routes::of("Topics").get(
        "/v1/topics/{topic}/schema",
        show,
        does("Says what a topic's newest records look like")
            .detail("The columns of the newest 200 records, with the types of JSON that their values had, and the registered schemas of the topic's subjects. Of keys and values in Avro or Protobuf the columns are not read.")
            .answers(
                200,
                "What was seen.",
                json!({ "topic": "shop.public.orders", "scanned": 200, "unreadable": 0,
                    "columns": [{ "name": "id", "in_key": true, "types": ["integer|number|string|boolean|object|array"], "nullable": false, "seen": 200 }],
                    "schemas": [{ "subject": "shop.public.orders-value", "version": 1, "id": 1, "schema_type": "AVRO|JSON|PROTOBUF" }] }),
            )
            .fails(403, "__rowfeed.configs may hold passwords: read connectors at /connectors")
            .fails(404, "there is no topic \"shop.public.order\"; did you mean \"shop.public.orders\"?")
            .fails(500, "the log cannot be read")
            .fails(501, "topics are in the external Kafka cluster (log.kind = \"kafka\"): read them there"),
    )
}

async fn show(State(app): State<App>, Path(topic): Path<String>) -> Result<Response, ApiError> {
    let log = topics::log(&app)?;
    let topic = topics::readable(log, &topic)?;
    let seen = look(log, &topic).await.map_err(|error| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let columns: Vec<Json> = seen.columns.iter().map(Column::json).collect();
    let answer = json!({
        "topic": topic.name,
        "scanned": seen.scanned,
        "unreadable": seen.unreadable,
        "columns": columns,
        "schemas": schemas(&app, &topic.name),
    });
    Ok(JsonBody(answer).into_response())
}

/// The registered schemas of the subjects that are named by the topic.
fn schemas(app: &App, topic: &str) -> Vec<Json> {
    let Some(registry) = &app.0.schemas else { return Vec::new() };
    let subjects = registry.subjects();
    let mut found = Vec::new();
    for subject in ["key", "value"].map(|side| format!("{topic}-{side}")) {
        for version in subjects.versions(&subject, false).unwrap_or_default() {
            let kind = version.schema.kind.name();
            found.push(json!({ "subject": subject, "version": version.version, "id": version.id, "schema_type": kind }));
        }
    }
    found
}

/// What the newest records have.
async fn look(log: &BuiltinLog, topic: &Arc<TopicInfo>) -> Result<Seen, LogError> {
    let mut seen = Seen::default();
    let share = (RECORDS_MAX / u64::from(topic.partitions).max(1)).max(1);
    let until = Instant::now() + TIME_MAX;
    for partition in 0..topic.partitions {
        let Some(range) = log.offsets(topic.index, partition).filter(|_| Instant::now() < until) else { continue };
        let mut next = range.end.saturating_sub(share).max(range.start);
        for _ in 0..READS_MAX {
            if next >= range.end {
                break;
            }
            let of = Route { topic: topic.index, partition };
            let read = log.scan(of, next, range.end, READ_BYTES, |record| seen.take(&Event::of(&topic.name, record.key, record.value)));
            next = match read.await {
                Ok(next) => next,
                // The topic was deleted.
                Err(LogError::UnknownPartition { .. }) => break,
                Err(error) => return Err(error),
            };
        }
    }
    Ok(seen)
}

/// What was seen so far.
#[derive(Default)]
struct Seen {
    scanned: u64,
    unreadable: u64,
    columns: Vec<Column>,
    places: HashMap<String, usize>,
}

/// A column of the rows, or of their keys.
#[derive(Default)]
struct Column {
    name: String,
    in_key: bool,
    types: BTreeSet<&'static str>,
    nullable: bool,
    seen: u64,
}

impl Seen {
    fn take(&mut self, event: &Event<'_>) {
        self.scanned += 1;
        let is_json = |bytes: Option<&[u8]>| bytes.is_none_or(json::is_json);
        if !is_json(event.key) || !is_json(event.value) {
            self.unreadable += 1;
        }
        if let Some(key) = event.key_object() {
            self.columns_of(key, true);
        }
        // Of a row that is gone the event may know its key alone, and zeros for the rest.
        if let Some(row) = event.after() {
            self.columns_of(row, false);
        }
    }

    fn columns_of(&mut self, object: Object<'_>, is_key: bool) {
        for (name, value) in object.members() {
            let place = match self.places.get(&*name) {
                Some(place) => *place,
                None if self.columns.len() >= COLUMNS_MAX => continue,
                None => {
                    self.places.insert(name.clone().into_owned(), self.columns.len());
                    self.columns.push(Column { name: name.into_owned(), ..Column::default() });
                    self.columns.len() - 1
                }
            };
            let Some(column) = self.columns.get_mut(place) else { continue };
            column.in_key |= is_key;
            column.seen += u64::from(!is_key);
            match kind(value) {
                None => column.nullable = true,
                // Its place is taken by a mark: the server did not send it.
                Some(_) if value.is_unavailable() => {}
                Some(kind) => drop(column.types.insert(kind)),
            }
        }
    }
}

impl Column {
    fn json(&self) -> Json {
        json!({ "name": self.name, "in_key": self.in_key, "types": self.types, "nullable": self.nullable, "seen": self.seen })
    }
}

/// The type of JSON; `None`: null.
fn kind(value: Value<'_>) -> Option<&'static str> {
    match value.raw().first() {
        Some(b'n') | None => None,
        Some(b'"') => Some("string"),
        Some(b'{') => Some("object"),
        Some(b'[') => Some("array"),
        Some(b't' | b'f') => Some("boolean"),
        Some(_) if value.raw().iter().any(|byte| matches!(byte, b'.' | b'e' | b'E')) => Some("number"),
        Some(_) => Some("integer"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn columns_are_what_rows_and_keys_have() {
        let mut seen = Seen::default();
        let key = Some(br#"{"id":1}"#.as_slice());
        for value in [
            br#"{"op":"c","before":null,"after":{"id":1,"total":9.5,"note":"a","tags":[],"paid":true},"source":{}}"#.as_slice(),
            br#"{"op":"u","before":null,"after":{"id":1,"total":10,"note":null,"big":"__debezium_unavailable_value"},"source":{}}"#,
            br#"{"op":"d","before":{"id":1,"total":0,"note":null,"gone":0},"after":null,"source":{}}"#,
            b"\0\0\0\0\x01x",
        ] {
            seen.take(&Event::of("t", key, Some(value)));
        }
        seen.take(&Event::of("t", key, None));
        assert_eq!((seen.scanned, seen.unreadable), (5, 1));
        let told: BTreeMap<&str, (bool, Vec<&str>, bool, u64)> = seen
            .columns
            .iter()
            .map(|column| (column.name.as_str(), (column.in_key, column.types.iter().copied().collect(), column.nullable, column.seen)))
            .collect();
        let expected = BTreeMap::from([
            ("big", (false, vec![], false, 1)),
            ("id", (true, vec!["integer"], false, 2)),
            ("note", (false, vec!["string"], true, 2)),
            ("paid", (false, vec!["boolean"], false, 1)),
            ("tags", (false, vec!["array"], false, 1)),
            ("total", (false, vec!["integer", "number"], false, 2)),
        ]);
        assert_eq!(told, expected);
    }
}
