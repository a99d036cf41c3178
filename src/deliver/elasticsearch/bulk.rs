//! Bulks: the documents of one request, and what the server says of each.
//!
//! Owns the lines of a `_bulk` request and the judgement of its answer. Promises that of one document only the newest state is sent, that a
//! document's version grows with each change of its row, and that every item of an answer has one of four fates: it is done (also
//! where the server has something newer), it is tried again, it is given up, or a person must act.
//!
//! ```text
//! {"index":{"_index":"orders","_id":"42","version":1795233128832042,"version_type":"external"}}
//! {"id":42,"status":"paid","rowfeed":{"topic":"shop.public.orders","lsn":27443144}}
//! {"delete":{"_index":"orders","_id":"43","version":1795233128832044,"version_type":"external"}}
//! ```

use std::collections::HashMap;
use std::io::Write;

use serde::Deserialize;

use super::document;
use crate::problem::Problem;
use crate::record::json::{self, Members};

/// Where an item comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct From {
    /// Which of the reader's places.
    pub place: usize,
    /// The offset there.
    pub offset: u64,
}

/// One document's newest state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its index.
    pub index: String,
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: u64,
    /// Its columns without braces; none: there is to be no document.
    pub members: Option<Vec<u8>>,
    /// Columns that are to be taken from what the server has.
    pub missing: Vec<String>,
    /// The newest record.
    pub from: From,
    /// How many records are in it.
    pub records: u64,
}

/// Documents that wait to be sent, the oldest first.
#[derive(Debug, Default)]
pub struct Bulk {
    items: Vec<Item>,
    places: HashMap<(String, String), usize>,
    bytes: usize,
}

/// What an item's line takes beside its id and its columns, about.
const LINE_BYTES: usize = 120;

impl Item {
    fn bytes(&self) -> usize {
        self.members.as_ref().map_or(0, Vec::len) + self.index.len() + self.id.len() + LINE_BYTES
    }
}

impl Bulk {
    /// How many documents.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// About so many bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds what a record makes of a document, in place of what an older one did.
    pub fn push(&mut self, mut item: Item) {
        let place = (item.index.clone(), item.id.clone());
        if let Some(old) = self.places.get(&place).and_then(|at| self.items.get_mut(*at)) {
            // What was not sent because it did not change is as the older one has it, or is missing there, too.
            if let (Some(members), Some(known)) = (&mut item.members, &old.members) {
                item.missing = fill(members, &item.missing, known, |name| !old.missing.iter().any(|missing| missing == name));
            }
            item.records += old.records;
            self.bytes = (self.bytes + item.bytes()).saturating_sub(old.bytes());
            *old = item;
            return;
        }
        self.bytes += item.bytes();
        self.places.insert(place, self.items.len());
        self.items.push(item);
    }

    /// All of it.
    pub fn take(&mut self) -> Vec<Item> {
        self.places.clear();
        self.bytes = 0;
        std::mem::take(&mut self.items)
    }
}

/// Adds those of the missing columns that a known row has; the names of the others. `counts`: whether a column's absence there says
/// that the row has no such column.
fn fill(members: &mut Vec<u8>, missing: &[String], known: &[u8], counts: impl Fn(&str) -> bool) -> Vec<String> {
    if missing.is_empty() {
        return Vec::new();
    }
    let row = [b"{", known, b"}"].concat();
    let mut left = Vec::new();
    for name in missing {
        match json::member(&row, name.as_bytes()) {
            Some(value) => document::push_member(escaped(name).as_bytes(), value, members),
            None if counts(name) => {}
            None => left.push(name.clone()),
        }
    }
    left
}

/// A name as it stands between quotes.
fn escaped(name: &str) -> String {
    let quoted = serde_json::Value::from(name).to_string();
    quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
}

/// The lines of a request.
pub fn encode(items: &[Item]) -> Vec<u8> {
    let mut out = Vec::with_capacity(items.iter().map(Item::bytes).sum());
    for item in items {
        let verb = if item.members.is_some() { "index" } else { "delete" };
        let (index, id) = (serde_json::Value::from(item.index.as_str()), serde_json::Value::from(item.id.as_str()));
        // Writing into memory cannot fail.
        let _ =
            writeln!(out, "{{\"{verb}\":{{\"_index\":{index},\"_id\":{id},\"version\":{},\"version_type\":\"external\"}}}}", item.version);
        if let Some(members) = &item.members {
            out.push(b'{');
            out.extend_from_slice(members);
            out.extend_from_slice(b"}\n");
        }
    }
    out
}

/// How many items there are before the one that is behind `most` others which lack columns.
pub fn portion(items: &[Item], most: usize) -> usize {
    items.iter().enumerate().filter(|(_, item)| !item.missing.is_empty()).nth(most).map_or(items.len(), |(at, _)| at)
}

/// How many items lack columns.
pub fn lacking(items: &[Item]) -> usize {
    items.iter().filter(|item| !item.missing.is_empty()).count()
}

/// The question for the documents whose columns are missing; none when there are none.
pub fn ask_missing(items: &[Item]) -> Option<Vec<u8>> {
    let docs: Vec<_> = items
        .iter()
        .filter(|item| !item.missing.is_empty())
        .map(|item| serde_json::json!({ "_index": item.index, "_id": item.id, "_source": item.missing }))
        .collect();
    (!docs.is_empty()).then(|| serde_json::json!({ "docs": docs }).to_string().into_bytes())
}

/// Adds the columns that the answer has; how many documents stay without some of them.
pub fn fill_missing(items: &mut [Item], answer: &[u8]) -> Option<u64> {
    let mut incomplete = 0;
    let mut docs = Elements::of(json::member(answer, b"docs")?)?;
    for item in items.iter_mut().filter(|item| !item.missing.is_empty()) {
        let source = Members::of(docs.next()?)?.find(|(name, _)| *name == b"_source").map(|(_, value)| value);
        let known = source.and_then(|source| source.trim_ascii().strip_prefix(b"{")?.strip_suffix(b"}"));
        if let Some(members) = &mut item.members {
            item.missing = fill(members, &item.missing, known.unwrap_or_default(), |_| false);
        }
        incomplete += u64::from(!item.missing.is_empty());
        item.missing.clear();
    }
    Some(incomplete)
}

/// The elements of a JSON array. Ends where it is none.
struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    fn of(json: &'a [u8]) -> Option<Self> {
        json.trim_ascii_start().strip_prefix(b"[").map(Self)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.0.trim_ascii_start();
        let (element, rest) = rest.split_at_checked(json::value_end(rest)?)?;
        self.0 = rest.trim_ascii_start().strip_prefix(b",").unwrap_or_default();
        Some(element)
    }
}

/// What became of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The document is as it is to be, or newer.
    Done,
    /// Not now: the reason.
    Again(String),
    /// Never: the reason.
    Dead(String),
    /// Nothing goes on until somebody acts.
    Stop(Problem),
}

#[derive(Deserialize)]
struct BulkAnswer {
    items: Vec<HashMap<String, ItemAnswer>>,
}

#[derive(Deserialize)]
struct ItemAnswer {
    status: u16,
    error: Option<ErrorAnswer>,
}

#[derive(Deserialize)]
struct ErrorAnswer {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    reason: String,
    caused_by: Option<Box<ErrorAnswer>>,
}

impl ErrorAnswer {
    /// Its words, and those of its causes: so many.
    fn text(&self) -> String {
        let (mut text, mut at) = (format!("{}: {}", self.kind, self.reason), self.caused_by.as_deref());
        for _ in 0..3 {
            let Some(cause) = at else { break };
            text.push_str(&format!("; {}: {}", cause.kind, cause.reason));
            at = cause.caused_by.as_deref();
        }
        text.chars().take(REASON_CHARS_MAX).collect()
    }
}

/// So much of a reason is kept.
const REASON_CHARS_MAX: usize = 1000;

/// What a successful answer says of each of `count` items; none when it is no such answer.
pub fn judge(answer: &[u8], count: usize) -> Option<Vec<Fate>> {
    if json::member(answer, b"errors") == Some(b"false") {
        return Some(vec![Fate::Done; count]);
    }
    let answer: BulkAnswer = serde_json::from_slice(answer).ok()?;
    let fates: Vec<Fate> = answer.items.iter().filter_map(|item| item.values().next().map(fate)).collect();
    (fates.len() == count).then_some(fates)
}

fn fate(item: &ItemAnswer) -> Fate {
    let kind = item.error.as_ref().map_or("", |error| error.kind.as_str());
    let text = || item.error.as_ref().map_or_else(|| format!("status {}", item.status), ErrorAnswer::text);
    match (item.status, kind) {
        (200..=299, _) => Fate::Done,
        // It was not there, or what is there is as new or newer.
        (404, "") | (409, _) => Fate::Done,
        (_, "index_not_found_exception") => Fate::Stop(
            Problem::fail("search/index", "an index is not there, and the server makes none")
                .why(text())
                .fix("make the index, or let the server do it: action.auto_create_index; then:  rowfeed subscriptions resume NAME"),
        ),
        (_, "invalid_index_name_exception") => {
            Fate::Stop(Problem::fail("search/index", "an index cannot have this name").why(text()).fix("set the option index"))
        }
        // Above the flood stage, or made read-only by hand: both end.
        (_, "cluster_block_exception") | (408 | 429 | 500..=599, _) => Fate::Again(text()),
        (401 | 403, _) => Fate::Stop(
            Problem::fail("search/auth", "the search server refuses this user")
                .why(text())
                .fix("the user needs the right to write to the index"),
        ),
        _ => Fate::Dead(text()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Action;
    use serde_json::{Value, json};

    fn item(id: &str, version: u64, members: Option<&str>, missing: &[&str]) -> Item {
        Item {
            index: "orders".into(),
            id: id.into(),
            version,
            members: members.map(|members| members.as_bytes().to_vec()),
            missing: missing.iter().map(|name| (*name).to_owned()).collect(),
            from: From { place: 0, offset: version },
            records: 1,
        }
    }

    #[test]
    fn of_one_document_only_the_newest_state_is_sent() {
        let mut bulk = Bulk::default();
        bulk.push(item("1", 1, Some(r#""id":1,"big":"x","n":1"#), &[]));
        bulk.push(item("2", 2, Some(r#""id":2"#), &["big"]));
        bulk.push(item("1", 3, Some(r#""id":1,"n":2"#), &["big"]));
        bulk.push(item("2", 4, None, &[]));
        assert_eq!(bulk.len(), 2);
        let items = bulk.take();
        assert!(bulk.is_empty() && bulk.bytes() == 0);
        let text = String::from_utf8(encode(&items)).expect("text");
        assert_eq!(
            text,
            "{\"index\":{\"_index\":\"orders\",\"_id\":\"1\",\"version\":3,\"version_type\":\"external\"}}\n{\"id\":1,\"n\":2,\"big\":\"x\"}\n{\"delete\":{\"_index\":\"orders\",\"_id\":\"2\",\"version\":4,\"version_type\":\"external\"}}\n"
        );
        assert_eq!(items.iter().map(|item| item.records).sum::<u64>(), 4);
    }

    #[test]
    fn columns_that_were_not_sent_are_taken_from_what_the_server_has() {
        let mut items =
            vec![item("1", 1, Some(r#""id":1"#), &["big", "a\"b"]), item("2", 2, Some(r#""id":2"#), &[]), item("3", 3, Some(""), &["big"])];
        let asked: Value = serde_json::from_slice(&ask_missing(&items).expect("two")).expect("JSON");
        assert_eq!(asked["docs"][1], json!({"_index": "orders", "_id": "3", "_source": ["big"]}));
        let answer = r#"{"docs":[{"_id":"1","found":true,"_source":{"big":1.50,"a\"b":[1, 2]}},{"_id":"3","found":false}]}"#;
        assert_eq!(fill_missing(&mut items, answer.as_bytes()), Some(1));
        assert_eq!(items[0].members.as_deref(), Some(&br#""id":1,"big":1.50,"a\"b":[1, 2]"#[..]));
        assert!(ask_missing(&items).is_none(), "asked once");
        assert_eq!(fill_missing(&mut [item("1", 1, Some(""), &["x"])], b"{}"), None);
    }

    #[test]
    fn every_item_of_an_answer_has_its_fate() {
        let answer = json!({ "took": 3, "errors": true, "items": [
            { "index": { "_id": "1", "status": 201 } },
            { "delete": { "_id": "2", "status": 404, "result": "not_found" } },
            { "index": { "_id": "3", "status": 409, "error": { "type": "version_conflict_engine_exception", "reason": "newer" } } },
            { "index": { "_id": "4", "status": 400, "error": { "type": "mapper_parsing_exception", "reason": "failed to parse", "caused_by": { "type": "illegal_argument_exception", "reason": "no number" } } } },
            { "index": { "_id": "5", "status": 429, "error": { "type": "es_rejected_execution_exception", "reason": "full" } } },
            { "index": { "_id": "6", "status": 403, "error": { "type": "cluster_block_exception", "reason": "flood stage" } } },
            { "index": { "_id": "7", "status": 403, "error": { "type": "security_exception", "reason": "no right" } } },
            { "index": { "_id": "8", "status": 404, "error": { "type": "index_not_found_exception", "reason": "no such index" } } },
        ] });
        let fates = judge(answer.to_string().as_bytes(), 8).expect("an answer");
        assert_eq!(fates[..3], [Fate::Done, Fate::Done, Fate::Done]);
        assert!(matches!(&fates[3], Fate::Dead(why) if why.contains("failed to parse") && why.contains("no number")));
        assert!(matches!((&fates[4], &fates[5]), (Fate::Again(_), Fate::Again(_))));
        let stops = fates[6..].iter().all(|fate| matches!(fate, Fate::Stop(problem) if problem.action == Action::Fail));
        assert!(stops, "{fates:?}");
        assert_eq!(judge(br#"{"took":1,"errors":false,"items":[]}"#, 2), Some(vec![Fate::Done, Fate::Done]));
        for nonsense in [&b"{}"[..], b"", b"<html>", br#"{"errors":true,"items":[]}"#] {
            assert_eq!(judge(nonsense, 1), None);
        }
    }
}
