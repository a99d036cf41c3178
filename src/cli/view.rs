//! How things look on a terminal: sizes, columns, changes as diffs.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use jiff::tz::TimeZone;
use serde_json::{Map, Value as Json};

use crate::postgres;

pub use crate::config::quantity::say_bytes as bytes;

/// Times are shown in UTC.
static UTC: AtomicBool = AtomicBool::new(false);

/// Takes over `--utc`.
pub fn set_utc(utc: bool) {
    UTC.store(utc, Relaxed);
}

/// The zone that times are shown in. A machine whose zone cannot be told is taken to be in UTC.
pub fn zone() -> TimeZone {
    if UTC.load(Relaxed) { TimeZone::UTC } else { TimeZone::try_system().unwrap_or(TimeZone::UTC) }
}

/// The time of day of an RFC 3339 time, with the zone's offset where that is not zero; empty when it is none.
fn time_of_day(text: &str, zone: &TimeZone) -> String {
    let Ok(time) = text.parse::<jiff::Timestamp>() else { return String::new() };
    let time = time.to_zoned(zone.clone());
    let form = if time.offset().is_zero() { "%H:%M:%S.%3f" } else { "%H:%M:%S.%3f%:z" };
    time.strftime(form).to_string()
}

/// A number with separators.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Milliseconds as a person says them.
pub fn millis(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{}.{} s", ms / 1000, ms / 100 % 10),
        60_000..3_600_000 => format!("{} min", ms / 60_000),
        _ => format!("{} h {} min", ms / 3_600_000, ms / 60_000 % 60),
    }
}

/// Rows as aligned columns; `right` says which columns are numbers.
pub fn table(rows: &[Vec<String>], right: &[usize]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let pad = " ".repeat(width - cell.chars().count());
            line.push_str(&if right.contains(&column) { format!("{pad}{cell}  ") } else { format!("{cell}{pad}  ") });
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// What Debezium puts where the server did not send an unchanged large value.
const UNAVAILABLE: &str = "__debezium_unavailable_value";

/// Shows change events as diffs; remembers which hints it has given.
#[derive(Debug)]
pub struct Changes {
    hinted: BTreeSet<String>,
    with_table: bool,
    zone: TimeZone,
}

/// A change event taken apart.
#[derive(Debug)]
pub struct Change<'a> {
    /// `c`, `u`, `d`, `r`, `t`, `m`.
    pub op: &'a str,
    /// The row before.
    pub before: Option<&'a Map<String, Json>>,
    /// The row after.
    pub after: Option<&'a Map<String, Json>>,
    /// Where it came from.
    pub source: Option<&'a Map<String, Json>>,
}

impl<'a> Change<'a> {
    /// Reads Debezium's envelope; `None` for anything else.
    pub fn parse(value: &'a Json) -> Option<Self> {
        let envelope = value.as_object()?;
        let object = |name: &str| envelope.get(name).and_then(Json::as_object);
        Some(Self { op: envelope.get("op")?.as_str()?, before: object("before"), after: object("after"), source: Some(object("source")?) })
    }

    /// Columns whose value changed, of those both sides show.
    pub fn changed(&self) -> Vec<&'a str> {
        let (Some(before), Some(after)) = (self.before, self.after) else { return Vec::new() };
        let differs =
            |(name, value): &(&String, &Json)| before.get(*name).is_some_and(|old| old != *value) && value.as_str() != Some(UNAVAILABLE);
        after.iter().filter(differs).map(|(name, _)| name.as_str()).collect()
    }

    fn source_text(&self, name: &str) -> &'a str {
        self.source.and_then(|source| source.get(name)).and_then(Json::as_str).unwrap_or("")
    }

    fn table(&self) -> String {
        format!("{}.{}", self.source_text("schema"), self.source_text("table"))
    }
}

impl Changes {
    /// Diffs; `with_table` says in each line which table it is about.
    pub fn new(with_table: bool, zone: TimeZone) -> Self {
        Self { hinted: BTreeSet::new(), with_table, zone }
    }

    /// One record of `tail` as text; `None` for what is not shown (tombstones).
    pub fn show(&mut self, record: &Json) -> Option<String> {
        if let Some(gap) = record.get("gap") {
            let (from, to) = (gap.get("from")?.as_u64()?, gap.get("to")?.as_u64()?);
            return Some(format!("gap: {} records expired (offsets {from}–{})", to - from, to.saturating_sub(1)));
        }
        let value = payload(record.get("value")?);
        if value.is_null() {
            return None;
        }
        let time = record.get("ts").and_then(Json::as_str).map_or_else(String::new, |ts| time_of_day(ts, &self.zone));
        match Change::parse(value) {
            Some(change) => {
                // Of `--where`: a row that comes or goes.
                let told = record.get("filter").and_then(Json::as_str);
                Some(self.change(&time, record.get("key").map(payload), told, &change))
            }
            None => {
                let topic = record.get("topic").and_then(Json::as_str).unwrap_or("");
                let shown = no_text(value).unwrap_or_else(|| tame(&value.to_string()));
                Some(format!("{time}  {topic}  {shown}"))
            }
        }
    }

    /// Where a row stands by its newest record: a column a line, and what the last change made of it; `None` where that is no row.
    pub fn standing(&self, record: &Json) -> Option<String> {
        let value = payload(record.get("value")?);
        let change = Change::parse(value);
        let row = change.as_ref().map_or(value.as_object(), |change| change.after)?;
        let changed = change.as_ref().map(Change::changed).unwrap_or_default();
        let time = record.get("ts").and_then(Json::as_str).map_or_else(String::new, |ts| time_of_day(ts, &self.zone));
        let topic = record.get("topic").and_then(Json::as_str).unwrap_or("");
        let number = |name: &str| record.get(name).and_then(Json::as_u64).unwrap_or(0);
        let word = change.as_ref().map_or("", |change| word(change.op));
        let mut out = format!("{topic}  {}:{}  {time}  {word}", number("partition"), number("offset")).trim_end().to_owned();
        let width = row.keys().map(|name| name.chars().count()).max().unwrap_or(0);
        for (name, value) in row {
            out.push_str(&format!("\n   {:<width$}  {}", tame(name), plain(value)));
            let before = change.as_ref().and_then(|change| change.before).and_then(|before| before.get(name));
            if let Some(before) = before.filter(|_| changed.contains(&name.as_str())) {
                out.push_str(&format!("   (was {})", plain(before)));
            }
        }
        Some(out)
    }

    fn change(&mut self, time: &str, key: Option<&Json>, told: Option<&str>, change: &Change<'_>) -> String {
        let word = word(change.op);
        let mut what = String::new();
        if self.with_table {
            what.push_str(&change.table());
            what.push(' ');
        }
        if let Some(key) = key.and_then(Json::as_object) {
            what.push_str(&key.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect::<Vec<_>>().join(" "));
        }
        let number = |name: &str| change.source.and_then(|source| source.get(name)).and_then(Json::as_u64);
        let mut place = String::new();
        if let Some(tx) = number("txId") {
            place = format!("tx {tx}");
        }
        if let Some(lsn) = number("lsn") {
            place.push_str(&format!(" · lsn {:X}/{:X}", lsn >> 32, lsn & 0xffff_ffff));
        }
        if let Some(told) = told {
            place.push_str(&format!(" · {told} the filter"));
        }
        let mut out = format!("{time}  {word:<8}  {what:<40}  {place}").trim_end().to_owned();
        out.push_str(&self.body(key.and_then(Json::as_object), change));
        out
    }

    fn body(&mut self, key: Option<&Map<String, Json>>, change: &Change<'_>) -> String {
        match (change.op, change.before, change.after) {
            ("u", Some(before), Some(after)) => diff(before, after, &change.changed()),
            ("u", None, Some(after)) => format!("\n   now  {}{}", row(after), self.hint(change)),
            ("d", Some(before), _) => format!("\n   was  {}", old_row(key, before)),
            (_, _, Some(after)) => format!("\n   {}", row(after)),
            _ => String::new(),
        }
    }

    fn hint(&mut self, change: &Change<'_>) -> String {
        let table = change.table();
        if !self.hinted.insert(table.clone()) {
            return String::new();
        }
        let quoted = format!("{}.{}", identifier(change.source_text("schema")), identifier(change.source_text("table")));
        format!(
            "\nhint: old values are not in the WAL for {table} (replica identity DEFAULT).\n      ALTER TABLE {quoted} REPLICA IDENTITY FULL;           (shown once per table)",
            table = tame(&table)
        )
    }
}

/// An operation as SQL calls it.
fn word(op: &str) -> &str {
    match op {
        "c" => "INSERT",
        "u" => "UPDATE",
        "d" => "DELETE",
        "r" => "READ",
        "t" => "TRUNCATE",
        "m" => "MESSAGE",
        other => other,
    }
}

/// What Kafka Connect's schemas are around of, with `schemas.enable=true`.
fn payload(value: &Json) -> &Json {
    match value.as_object() {
        Some(both) if both.len() == 2 && both.contains_key("schema") => both.get("payload").unwrap_or(value),
        _ => value,
    }
}

/// What stands for bytes that are no text.
fn no_text(value: &Json) -> Option<String> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    let encoded = object.get("base64")?.as_str()?;
    let data = encoded.trim_end_matches('=');
    let letters = data.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
    let bytes = (letters && encoded.len() % 4 == 0 && encoded.len() - data.len() <= 2).then_some(data.len() * 3 / 4)?;
    Some(format!("({bytes} bytes that are no text: Avro and Protobuf are read with a client of the schema registry)"))
}

/// A name as SQL has it.
fn identifier(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_'));
    if plain { name.to_owned() } else { postgres::identifier(name) }
}

/// JSON escapes only the lower control characters; a terminal obeys some of the others.
fn tame(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn diff(before: &Map<String, Json>, after: &Map<String, Json>, changed: &[&str]) -> String {
    let width = changed.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for name in changed {
        let (old, new) = (before.get(*name), after.get(*name));
        let shown = |value: Option<&Json>| value.map_or_else(|| "?".to_owned(), plain);
        out.push_str(&format!("\n   {name:<width$}  {} {} {}", shown(old), super::terminal::arrow(), shown(new)));
    }
    let unchanged = after.len() - changed.len();
    if unchanged > 0 {
        out.push_str(&format!("\n   · {unchanged} unchanged"));
    }
    out
}

fn row(row: &Map<String, Json>) -> String {
    row.iter().map(|(name, value)| format!("{name} {}", plain(value))).collect::<Vec<_>>().join("   ")
}

/// The row that was deleted. Without a full replica identity only the key is known; the rest is filled with nothings.
fn old_row(key: Option<&Map<String, Json>>, before: &Map<String, Json>) -> String {
    let says_nothing = |value: &Json| match value {
        Json::Null | Json::Bool(false) => true,
        Json::Number(number) => number.as_f64() == Some(0.0),
        Json::String(text) => text.is_empty() || text.starts_with("1970-01-01"),
        Json::Array(items) => items.is_empty(),
        _ => false,
    };
    let Some(key) = key.filter(|key| key.len() < before.len()) else { return row(before) };
    if before.iter().all(|(name, value)| key.contains_key(name) || says_nothing(value)) {
        return format!("{}   (the other old values are not in the WAL)", row(key));
    }
    row(before)
}

/// A value for people: words bare, other texts quoted, control characters escaped, long ones cut.
fn plain(value: &Json) -> String {
    let text = match value {
        Json::String(text) if text == UNAVAILABLE => return "(unchanged, not sent)".to_owned(),
        Json::String(text) if !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "-_.:+@/".contains(c)) => text.clone(),
        other => other.to_string(),
    };
    let text = tame(&text);
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((end, _)) => format!("{}… ({} characters)", text.get(..end).unwrap_or(""), text.chars().count()),
        None => text,
    }
}

const VALUE_CHARS_MAX: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record(op: &str, before: Json, after: Json) -> Json {
        let source = json!({ "schema": "public", "table": "orders", "txId": 8812, "lsn": 27_443_144 });
        json!({ "topic": "t", "ts": "2026-11-21T14:02:11.482Z", "key": { "id": 42 }, "value": { "before": before, "after": after, "source": source, "op": op } })
    }

    #[test]
    fn changes_read_like_diffs() {
        let mut changes = Changes::new(false, TimeZone::UTC);
        let update =
            record("u", json!({"id": 42, "status": "pending", "big": "x"}), json!({"id": 42, "status": "paid", "big": UNAVAILABLE}));
        let shown = changes.show(&update).expect("shown");
        assert_eq!(
            shown,
            "14:02:11.482  UPDATE    id=42                                     tx 8812 · lsn 0/1A2BFC8\n   status  pending → paid\n   · 2 unchanged"
        );
        let mut entering = update;
        entering["filter"] = "enters".into();
        let shown = changes.show(&entering).expect("shown");
        assert!(shown.contains("lsn 0/1A2BFC8 · enters the filter\n   status  pending → paid"), "{shown}");
        let insert = changes.show(&record("c", Json::Null, json!({"id": 43, "note": "a gift", "n": null}))).expect("shown");
        assert!(insert.ends_with("\n   id 43   note \"a gift\"   n null"), "{insert}");
        let delete = changes.show(&record("d", json!({"id": 17}), Json::Null)).expect("shown");
        assert!(delete.ends_with("\n   was  id 17"), "{delete}");
        let key_only = changes.show(&record("d", json!({"id": 17, "total": null, "note": ""}), Json::Null)).expect("shown");
        let whole = changes.show(&record("d", json!({"id": 17, "total": null, "note": "x"}), Json::Null)).expect("shown");
        assert!(whole.ends_with("\n   was  id 17   total null   note x"), "{whole}");
        assert!(key_only.ends_with("\n   was  id 42   (the other old values are not in the WAL)"), "{key_only}");
    }

    #[test]
    fn where_a_row_stands_is_a_column_a_line() {
        let mut update = record("u", json!({"id": 42, "status": "pending"}), json!({"id": 42, "status": "paid", "big": UNAVAILABLE}));
        update["partition"] = json!(1);
        update["offset"] = json!(7);
        let changes = Changes::new(false, TimeZone::UTC);
        assert_eq!(
            changes.standing(&update).expect("a row"),
            "t  1:7  14:02:11.482  UPDATE\n   id      42\n   status  paid   (was pending)\n   big     (unchanged, not sent)"
        );
        let flat = json!({ "topic": "t", "partition": 0, "offset": 1, "ts": "", "value": { "id": 1 } });
        assert_eq!(changes.standing(&flat).expect("a row"), "t  0:1\n   id  1");
        assert_eq!(changes.standing(&json!({ "topic": "t", "value": "text" })), None);
    }

    #[test]
    fn the_hint_about_old_values_comes_once_and_tombstones_are_not_shown() {
        let mut changes = Changes::new(false, TimeZone::UTC);
        let update = record("u", Json::Null, json!({"id": 42}));
        assert!(changes.show(&update).expect("shown").contains("REPLICA IDENTITY FULL"));
        assert!(!changes.show(&update).expect("shown").contains("REPLICA IDENTITY FULL"));
        assert_eq!(changes.show(&json!({ "topic": "t", "key": {}, "value": null })), None);
    }

    #[test]
    fn schemas_are_taken_off_and_what_is_no_text_is_said() {
        let mut changes = Changes::new(false, TimeZone::UTC);
        let mut update = record("c", Json::Null, json!({"id": 42}));
        let plain = changes.show(&update);
        for part in ["key", "value"] {
            update[part] = json!({ "schema": { "type": "struct" }, "payload": update[part] });
        }
        assert_eq!(changes.show(&update), plain);
        let avro = json!({ "topic": "t", "ts": "2026-11-21T14:02:11.482Z", "key": null, "value": { "base64": "AAAAAAI=" } });
        let shown = changes.show(&avro).expect("shown");
        assert!(shown.starts_with("14:02:11.482  t  (5 bytes that are no text"), "{shown}");
        assert_eq!(identifier("a\nALTER"), "U&\"a\\000AALTER\"");
        assert_eq!((identifier("a_1"), identifier("My \"T")), ("a_1".into(), "\"My \"\"T\"".into()));
    }

    #[test]
    fn values_cannot_command_a_terminal() {
        assert_eq!(plain(&json!("a\u{1b}[2Jb")), "\"a\\u001b[2Jb\"");
        assert_eq!(plain(&json!("a\u{9b}2Jb")), "\"a\u{fffd}2Jb\"");
        assert!(plain(&json!("x".repeat(500))).ends_with("… (500 characters)"));
    }

    #[test]
    fn times_are_local_with_their_offset() {
        let time = "2026-07-01T22:30:00.25Z";
        let zone = |name: &str| TimeZone::get(name).expect("a known zone");
        assert_eq!(time_of_day(time, &zone("Europe/Berlin")), "00:30:00.250+02:00");
        assert_eq!((time_of_day(time, &TimeZone::UTC), time_of_day("soon", &TimeZone::UTC)), ("22:30:00.250".into(), String::new()));
    }

    #[test]
    fn sizes_and_tables_are_aligned() {
        assert_eq!(count(1_204_118), "1,204,118");
        let times = [999, 1250, 61_000, 3_660_000].map(millis);
        assert_eq!(times, ["999 ms", "1.2 s", "1 min", "1 h 1 min"]);
        let rows = vec![vec!["A".into(), "N".into()], vec!["long".into(), "10".into()]];
        assert_eq!(table(&rows, &[1]), "A      N\nlong  10\n");
    }
}
