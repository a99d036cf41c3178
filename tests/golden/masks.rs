//! Takes out of an event what cannot be the same twice.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::reader::Record;

/// What nearly every event has, and its short form in the captured files. Exact: nothing is lost by it.
const SHORT: [(&str, &str); 6] = [
    ("«source»", "\"source\":{\"version\":\"-\",\"connector\":\"postgresql\",\"name\":\"srv\",\"ts_ms\":0,\"snapshot\":"),
    ("«db»", ",\"db\":\"DATABASE\",\"sequence\":"),
    ("«ns»", ",\"ts_ns\":0,\"schema\":\"public\",\"table\":"),
    ("«op»", ",\"xmin\":null,\"origin\":null,\"origin_lsn\":null},\"transaction\":null,\"op\":"),
    ("«end»", ",\"ts_ms\":0,\"ts_us\":0,\"ts_ns\":0}"),
    ("«none»", "__debezium_unavailable_value"),
];

/// The headers of nearly every record.
const CONTEXT: [(&str, &str); 4] = [
    ("__debezium.context.connectorLogicalName", "srv"),
    ("__debezium.context.taskId", "0"),
    ("__debezium.context.connectorName", "postgresql"),
    ("__debezium.context.runId", "-"),
];

/// Where the database is named.
const DATABASES: [&str; 2] = ["db", "iodebeziumdb"];

/// One record, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub topic: String,
    pub key: Option<String>,
    pub value: Option<String>,
    pub headers: Vec<(String, String)>,
    /// Where a transformation says it.
    pub partition: Option<i64>,
    /// One that a row says: the processing's is not the same twice.
    pub timestamp: Option<i64>,
}

/// The beginning of 2020: rows say older timestamps, clocks newer ones.
const CLOCKS: i64 = 1_577_836_800_000;

impl Event {
    /// From a line of a captured file.
    pub fn from_line(line: &str) -> Self {
        let line: Value = serde_json::from_str(line).expect("a JSON line");
        let text = |name: &str| line[name].as_str().map(str::to_owned);
        let header = |pair: &Value| (pair[0].as_str().unwrap_or_default().to_owned(), pair[1].as_str().unwrap_or_default().to_owned());
        let mut headers: Vec<_> =
            ["headers", "more_headers"].iter().flat_map(|name| line[name].as_array().into_iter().flatten().map(header)).collect();
        if line["more_headers"].is_array() {
            headers.extend(CONTEXT.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        let timestamp = line["timestamp"].as_i64().filter(|time| *time < CLOCKS);
        let partition = line["partition"].as_i64();
        Self { topic: text("topic").expect("a topic"), key: text("key"), value: text("value"), headers, partition, timestamp }
    }

    /// With `replace.null.with.default=false`, which keeps NULL in rows, Debezium's converter also takes away the default
    /// of `source.snapshot`; ours says "false" as Debezium does otherwise.
    pub fn restore_snapshot_default(&mut self) {
        if let Some(value) = &mut self.value {
            *value = value.replace(",\"snapshot\":null,\"db\":", ",\"snapshot\":\"false\",\"db\":");
        }
    }

    /// From what a client read.
    pub fn from_record(topic: &str, record: &Record) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        Self {
            topic: topic.to_owned(),
            key: record.key.as_deref().map(text),
            value: record.value.as_deref().map(text),
            headers: record.headers.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
            partition: Some(record.partition.into()),
            timestamp: record.timestamp.filter(|time| *time < CLOCKS),
        }
    }

    /// As a line of a captured file.
    pub fn line(&self, database: &str) -> String {
        let value = self.value.as_ref().map(|value| {
            let value = DATABASES.iter().fold(value.clone(), |value, name| {
                value.replace(&format!(",\"{name}\":\"{database}\","), &format!(",\"{name}\":\"DATABASE\","))
            });
            SHORT.iter().fold(value, |value, (short, long)| value.replace(long, short))
        });
        let (usual, own): (Vec<_>, Vec<_>) = self.headers.iter().partition(|(name, _)| name.starts_with("__debezium.context."));
        let last = own.iter().chain(&usual).copied().eq(&self.headers);
        let usual: Vec<_> = usual.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut line = json!({"topic": self.topic, "key": self.key, "value": value});
        if last && usual == CONTEXT {
            line["more_headers"] = json!(own);
        } else {
            line["headers"] = json!(self.headers);
        }
        for (name, number) in [("partition", self.partition), ("timestamp", self.timestamp)] {
            if let Some(number) = number {
                line[name] = json!(number);
            }
        }
        line.to_string()
    }

    /// From such a line.
    pub fn from_captured(line: &str, database: &str) -> Self {
        let mut event = Self::from_line(line);
        if let Some(value) = &mut event.value {
            *value = SHORT.iter().rev().fold(value.clone(), |value, (short, long)| value.replace(short, long));
            for name in DATABASES {
                *value = value.replace(&format!(",\"{name}\":\"DATABASE\","), &format!(",\"{name}\":\"{database}\","));
            }
        }
        event
    }

    /// True for a row that Debezium wrote into the signalling table.
    pub fn marks_a_chunk(&self) -> bool {
        self.value.as_deref().is_some_and(|value| value.contains("\"type\":\"snapshot-window-"))
    }

    /// True for a row of the snapshot.
    pub fn is_snapshot(&self) -> bool {
        self.value.as_deref().is_some_and(|value| value.contains(",\"snapshot\":\"") && !value.contains(",\"snapshot\":\"false\""))
    }

    /// What no two runs share: processing times, the program's version, the run's id, and in the snapshot the position.
    pub fn mask(&mut self) {
        for (name, value) in &mut self.headers {
            if name == "__debezium.context.runId" {
                "-".clone_into(value);
            }
        }
        self.mask_notice();
        self.order_what_is_left_to_chance();
        let snapshot = self.is_snapshot();
        let Some(value) = &mut self.value else { return };
        if value.starts_with(CLOUD_EVENT) {
            replace_first(value, ",\"iodebeziumversion\":", "\"-\"");
            if !value.contains(",\"iodebeziumsnapshot\":\"false\"") {
                forget_position(value);
            }
            return;
        }
        let Some(source) = value.find("\"source\":{") else { return };
        let end = source + value[source..].find('}').expect("a source block");
        let mut block = value[source..end].to_owned();
        replace(&mut block, "\"version\":", |_| "\"-\"".into());
        let zero = |value: &str| if value == "null" { "null".into() } else { "0".into() };
        if snapshot {
            for name in ["ts_ms", "ts_us", "ts_ns", "txId", "lsn", "sequence"] {
                replace(&mut block, &format!(",\"{name}\":"), zero);
            }
        }
        // Each slot has its own.
        replace(&mut block, ",\"xmin\":", zero);
        let mut before = value[..source].to_owned();
        replace(&mut before, "{\"op\":\"m\",\"ts_ms\":", |_| "0".into());
        // A message that was decoded.
        replace(&mut before, "{\"op\":\"c\",\"ts_ms\":", |_| "0".into());
        let mut after = value[end..].to_owned();
        for name in ["ts_ms", "ts_us", "ts_ns"] {
            replace(&mut after, &format!(",\"{name}\":"), |_| "0".into());
        }
        *value = format!("{before}{block}{after}");
    }

    /// Java's unmodifiable maps give their entries in another order in each run: what a notification tells, and objects in a
    /// list of an expanded payload.
    fn order_what_is_left_to_chance(&mut self) {
        let Some(value) = &mut self.value else { return };
        let mut order = |marker: &str, close: &str, sorted: fn(&str) -> Option<String>| {
            let Some(start) = value.find(marker).map(|at| at + marker.len() - 1) else { return };
            let Some(end) = value[start..].find(close).map(|length| start + length + 1) else { return };
            if let Some(sorted) = sorted(&value[start..end]) {
                value.replace_range(start..end, &sorted);
            }
        };
        order("\"additional_data\":{", "}", |text| {
            let fields: BTreeMap<String, Value> = serde_json::from_str(text).ok()?;
            serde_json::to_string(&fields).ok()
        });
        order("\"lines\":[", "]", |text| {
            let items: Vec<BTreeMap<String, Value>> = serde_json::from_str(text).ok()?;
            serde_json::to_string(&items).ok()
        });
    }

    /// Of a notification: when it was told, and its id where it answers no signal.
    fn mask_notice(&mut self) {
        let Some(value) = self.value.as_mut().filter(|value| value.contains(",\"aggregate_type\":\"")) else { return };
        replace(value, ",\"timestamp\":", |_| "0".into());
        let is_random = |id: &str| id.len() == 38 && id.matches('-').count() == 4;
        for text in [Some(value), self.key.as_mut()].into_iter().flatten() {
            replace(text, "{\"id\":", |id| if is_random(id) { "\"-\"".into() } else { id.into() });
        }
    }
}

/// How a CloudEvent begins.
const CLOUD_EVENT: &str = "{\"id\":\"name:";

/// Takes its place and times out of a CloudEvent.
fn forget_position(value: &mut String) {
    let attributes = ["tsms", "tsus", "tsns", "sequence", "txId", "lsn"];
    for marker in ["{\"id\":", ",\"time\":"] {
        replace_first(value, marker, "\"name:-\"");
    }
    for name in attributes {
        replace_first(value, &format!(",\"iodebezium{name}\":"), "\"0\"");
    }
}

/// Replaces the JSON number or string behind the first `marker`.
fn replace_first(text: &mut String, marker: &str, with: &str) {
    if let Some(at) = text.find(marker) {
        let start = at + marker.len();
        let end = start + value_length(&text[start..]);
        text.replace_range(start..end, with);
    }
}

/// Replaces the JSON number or string behind the last `marker`.
fn replace(text: &mut String, marker: &str, with: impl FnOnce(&str) -> String) {
    if let Some(at) = text.rfind(marker) {
        let start = at + marker.len();
        let end = start + value_length(&text[start..]);
        let new = with(&text[start..end]);
        text.replace_range(start..end, &new);
    }
}

fn value_length(text: &str) -> usize {
    if !text.starts_with('"') {
        return text.find([',', '}']).unwrap_or(text.len());
    }
    let mut escaped = false;
    let close = text.char_indices().skip(1).find(|(_, c)| {
        let closes = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        closes
    });
    close.map_or(text.len(), |(at, _)| at + 1)
}

/// Replaces positions, transaction ids and commit times of the stream by their order within the topic, so that runs on
/// different servers compare. How the end of a commit lies to the next change depends on what else is in the WAL, so the
/// first half of `sequence` has an order of its own.
pub fn rank(events: &mut [Event]) {
    for value in events.iter_mut().filter_map(|event| event.value.as_mut()).filter(|value| value.starts_with(CLOUD_EVENT)) {
        forget_position(value);
    }
    let topics: BTreeSet<String> = events.iter().map(|event| event.topic.clone()).collect();
    for topic in topics {
        let mut of_topic: Vec<&mut Event> = events.iter_mut().filter(|event| event.topic == topic).collect();
        for numbers in [Numbers::Lsn, Numbers::PreviousCommit, Numbers::Named("txId"), Numbers::Named("ts_us")] {
            let mut seen = BTreeSet::new();
            for event in &mut of_topic {
                numbers.visit(event, |text| {
                    seen.extend(digits(text));
                    text.to_owned()
                });
            }
            let order: Vec<u64> = seen.into_iter().collect();
            for event in &mut of_topic {
                numbers.visit(event, |text| ranked(text, &order));
            }
        }
        rank_transactions(&mut of_topic);
        for event in &mut of_topic {
            visit(event, "ts_ms", |_| "0".into());
            visit(event, "ts_ns", |_| "0".into());
        }
    }
}

/// The ids of transactions, `xid:lsn`. How an end lies to the next begin depends on what else is in the WAL.
fn rank_transactions(events: &mut [&mut Event]) {
    let (mut xids, mut lsns) = (BTreeSet::new(), BTreeSet::new());
    for event in &mut *events {
        visit_id(event, |kind, id| {
            if let [xid, lsn] = digits(id)[..] {
                xids.insert(xid);
                lsns.insert((kind, lsn));
            }
            id.to_owned()
        });
    }
    let place = |found: Option<usize>| found.expect("it was collected");
    for event in events {
        visit_id(event, |kind, id| match digits(id)[..] {
            [xid, lsn] => format!(
                "#{}:#{}",
                place(xids.iter().position(|known| *known == xid)),
                place(lsns.iter().position(|known| *known == (kind, lsn)))
            ),
            _ => id.to_owned(),
        });
        if kind_of(event).is_some()
            && let Some(value) = &mut event.value
        {
            replace(value, ",\"ts_ms\":", |_| "0".into());
        }
    }
}

/// Whether a record tells of the begin or the end of a transaction.
fn kind_of(event: &Event) -> Option<&'static str> {
    let value = event.value.as_deref()?;
    ["BEGIN", "END"].into_iter().find(|kind| value.contains(&format!("{{\"status\":\"{kind}\"")))
}

/// Changes the id of an event's transaction, or the one in the key and value of a begin or an end.
fn visit_id(event: &mut Event, mut change: impl FnMut(&'static str, &str) -> String) {
    let kind = kind_of(event);
    let marker = if kind.is_some() { "\"id\":" } else { "\"transaction\":{\"id\":" };
    let key = event.key.as_mut().filter(|_| kind.is_some());
    for text in key.into_iter().chain(&mut event.value) {
        replace(text, marker, |id| format!("\"{}\"", change(kind.unwrap_or_default(), id.trim_matches('"'))));
    }
}

/// Numbers that have one order.
#[derive(Clone, Copy)]
enum Numbers {
    Lsn,
    PreviousCommit,
    Named(&'static str),
}

impl Numbers {
    fn visit(self, event: &mut Event, mut change: impl FnMut(&str) -> String) {
        match self {
            Self::Named(name) => visit(event, name, change),
            Self::Lsn => {
                visit(event, "lsn", &mut change);
                visit(event, "sequence", |text| match text.split_once(',') {
                    Some((commit, lsn)) => format!("{commit},{}", change(lsn)),
                    None => text.to_owned(),
                });
            }
            Self::PreviousCommit => visit(event, "sequence", |text| match text.split_once(',') {
                Some((commit, lsn)) => format!("{},{lsn}", change(commit)),
                None => text.to_owned(),
            }),
        }
    }
}

/// Changes a field of a streamed event's source block.
fn visit(event: &mut Event, name: &str, mut change: impl FnMut(&str) -> String) {
    if event.is_snapshot() {
        return;
    }
    let Some(value) = &mut event.value else { return };
    let Some(source) = value.find("\"source\":{") else { return };
    let end = source + value[source..].find('}').expect("a source block");
    let mut block = value[source..end].to_owned();
    let marker = format!(",\"{name}\":");
    if let Some(at) = block.find(&marker) {
        let start = at + marker.len();
        let stop = start + value_length(&block[start..]);
        let new = change(&block[start..stop]);
        block.replace_range(start..stop, &new);
    }
    value.replace_range(source..end, &block);
}

fn digits(text: &str) -> Vec<u64> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|run| run.parse().ok()).collect()
}

fn ranked(text: &str, order: &[u64]) -> String {
    let mut out = String::new();
    let mut run = String::new();
    for c in text.chars().chain(std::iter::once(' ')) {
        if c.is_ascii_digit() {
            run.push(c);
            continue;
        }
        if let Ok(number) = run.parse::<u64>() {
            let place = order.binary_search(&number).expect("it was collected");
            out.push_str(&format!("#{place}"));
        }
        run.clear();
        out.push(c);
    }
    out.pop();
    out
}

#[test]
fn masks_leave_the_row_alone() {
    let value = r#"{"before":null,"after":{"ts_ms":7,"version":"x"},"source":{"version":"1","connector":"postgresql","name":"srv","ts_ms":5,"snapshot":"false","db":"d","sequence":"[null,\"28\"]","ts_us":5000,"ts_ns":5000000,"schema":"public","table":"t","txId":746,"lsn":28,"xmin":null,"origin":null,"origin_lsn":null},"transaction":null,"op":"c","ts_ms":9,"ts_us":9000,"ts_ns":9000000}"#;
    let mut event =
        Event { topic: "t".into(), key: None, value: Some(value.into()), headers: Vec::new(), partition: None, timestamp: None };
    event.mask();
    rank(std::slice::from_mut(&mut event));
    assert_eq!(
        event.value.unwrap(),
        r##"{"before":null,"after":{"ts_ms":7,"version":"x"},"source":{"version":"-","connector":"postgresql","name":"srv","ts_ms":0,"snapshot":"false","db":"d","sequence":"[null,\"#0\"]","ts_us":#0,"ts_ns":0,"schema":"public","table":"t","txId":#0,"lsn":#0,"xmin":null,"origin":null,"origin_lsn":null},"transaction":null,"op":"c","ts_ms":0,"ts_us":0,"ts_ns":0}"##
    );
}
