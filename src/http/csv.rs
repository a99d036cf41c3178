//! Records as CSV, RFC 4180: for spreadsheets and loaders.
//!
//! Owns the columns and the quoting. `view=envelope` has one column for a whole value; `view=flat` one for each column of the row.
//! Those are taken from the first change of the file, because a file has one heading: what a later row has beside them
//! stands in the last column as JSON, so that nothing is left out. Null is nothing and the empty text `""`, as PostgreSQL's COPY
//! has it. Leaves reading to [`super::topics`].

use serde_json::{Map, Value as Json};

use super::records::{rfc3339, write_value};
use crate::record::view::RecordView;

/// How a value is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// The event in one column.
    Envelope,
    /// The row in columns of its own: as it is after the change, or was before it was deleted. Without tombstones, which say
    /// nothing that the delete before them did not say.
    Flat,
}

/// A file that is being written.
#[derive(Debug)]
pub struct Csv {
    view: View,
    /// The row's columns, once the heading is written.
    columns: Option<Vec<String>>,
}

impl Csv {
    /// An empty file.
    pub fn new(view: View) -> Self {
        Self { view, columns: None }
    }

    /// The heading of a file without rows; of others it came before the first.
    pub fn end(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.heading(&Map::new(), &mut out);
        out
    }

    /// Appends a record, and before the first the heading; false when the view leaves it out.
    pub fn write(&mut self, topic: &str, partition: u32, record: &RecordView<'_>, out: &mut Vec<u8>) -> bool {
        if self.view == View::Flat && record.value.is_none() {
            return false;
        }
        let event = record.value.and_then(|value| serde_json::from_slice::<Json>(value).ok()).map(without_schema);
        let op = event.as_ref().and_then(|event| event.get("op")).and_then(Json::as_str).map(str::to_owned);
        let time = rfc3339(record.timestamp_ms);
        let (topic, partition, offset) = (Some(topic.to_owned()), Some(partition.to_string()), Some(record.offset.to_string()));
        let mut fields = vec![topic, partition, offset, Some(time), op, text(record.key)];
        if self.view == View::Envelope {
            self.heading(&Map::new(), out);
            fields.push(text(record.value));
            line(&fields, out);
            return true;
        }
        let (mut row, more) = match event.map(row) {
            Some(Json::Object(row)) => (row, None),
            // Neither a change event nor a row.
            _ => (Map::new(), text(record.value)),
        };
        self.heading(&row, out);
        let columns = self.columns.iter().flatten();
        fields.extend(columns.map(|column| row.shift_remove(column).and_then(field)));
        fields.push(if row.is_empty() { more } else { Some(Json::Object(row).to_string()) });
        line(&fields, out);
        true
    }

    fn heading(&mut self, row: &Map<String, Json>, out: &mut Vec<u8>) {
        if self.columns.is_some() {
            return;
        }
        // Beside a row's columns ours have names that hardly any of those has.
        let (before, last) = match self.view {
            View::Envelope => ("topic partition offset ts op key", "value"),
            View::Flat => ("_topic _partition _offset _ts _op _key", "_more"),
        };
        let columns: Vec<String> = row.keys().cloned().collect();
        let all = before.split(' ').chain(columns.iter().map(String::as_str)).chain([last]);
        line(&all.map(|name| Some(name.to_owned())).collect::<Vec<_>>(), out);
        self.columns = Some(columns);
    }
}

/// An event without Kafka Connect's schema around it.
fn without_schema(mut event: Json) -> Json {
    let is_wrapped = event.as_object().is_some_and(|event| event.len() == 2 && event.contains_key("schema"));
    match event.get_mut("payload").filter(|_| is_wrapped) {
        Some(payload) => payload.take(),
        None => event,
    }
}

/// The row of a change event; of a row itself (ExtractNewRecordState) all of it.
fn row(mut event: Json) -> Json {
    if event.get("op").is_none() || event.get("source").is_none() {
        return event;
    }
    let mut side = |name: &str| event.get_mut(name).map(Json::take).filter(|side| !side.is_null());
    side("after").or_else(|| side("before")).unwrap_or_default()
}

/// A key or value: JSON to the byte, other text as JSON has it, nothing for null.
fn text(bytes: Option<&[u8]>) -> Option<String> {
    let mut out = Vec::new();
    write_value(Some(bytes?), &mut out);
    Some(String::from_utf8_lossy(&out).into_owned())
}

/// A column's value: a text bare, null as nothing, everything else as JSON.
fn field(value: Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text),
        Json::Null => None,
        other => Some(other.to_string()),
    }
}

fn line(fields: &[Option<String>], out: &mut Vec<u8>) {
    for (number, field) in fields.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        let Some(field) = field else { continue };
        if field.is_empty() || field.contains(['"', ',', '\n', '\r']) {
            out.extend_from_slice(format!("\"{}\"", field.replace('"', "\"\"")).as_bytes());
        } else {
            out.extend_from_slice(field.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_break_a_line_is_quoted_and_so_is_an_empty_text() {
        let mut out = Vec::new();
        line(&[Some("a".into()), Some("b,\"c\"\n".into()), Some(String::new()), None], &mut out);
        assert_eq!(String::from_utf8_lossy(&out), "a,\"b,\"\"c\"\"\n\",\"\",\r\n");
    }
}
