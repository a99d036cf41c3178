//! How far a snapshot is that is read while the stream runs, in the form in which a checkpoint keeps it.
//!
//! Owns the words: what a transaction saw ([`Visibility`]), what was read under it ([`Chunk`], [`Points`]), what is left
//! ([`Progress`]), and the order of keys that PostgreSQL and we agree on ([`KeyColumn`]). Promises that what is written
//! comes back as it was. What it means for the stream is the gate's affair.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::lsn::Lsn;
use super::relation::RelationId;

/// The text of a row's key columns, in key order.
pub type Key = Vec<String>;

/// Which transactions a snapshot of the database sees: `pg_current_snapshot()`, with 64-bit ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visibility {
    /// All ids below are over.
    pub xmin: u64,
    /// All ids from here on are not.
    pub xmax: u64,
    /// Ids between them that are not over.
    pub running: Vec<u64>,
}

impl Visibility {
    /// Reads `xmin:xmax:id,id,...`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let (xmin, xmax) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let running = parts.next()?.split_terminator(',').map(|id| id.parse().ok()).collect::<Option<_>>()?;
        parts.next().is_none().then_some(Self { xmin, xmax, running })
    }

    /// A committed transaction's changes are in what was read.
    pub fn sees(&self, xid: u32) -> bool {
        let xid = self.whole(xid);
        xid < self.xmin || (xid < self.xmax && !self.running.contains(&xid))
    }
}

impl Visibility {
    /// The whole id: the stream carries the lower half, and the epoch is the one that brings it nearest.
    pub fn whole(&self, xid: u32) -> u64 {
        let distance = i64::from(xid.wrapping_sub(self.xmax as u32) as i32);
        self.xmax.wrapping_add_signed(distance)
    }

    /// This transaction and all older ones are over.
    pub fn is_behind(&self, xid: u32) -> bool {
        self.whole(xid) < self.xmin
    }
}

impl std::fmt::Display for Visibility {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let running: Vec<_> = self.running.iter().map(u64::to_string).collect();
        write!(f, "{}:{}:{}", self.xmin, self.xmax, running.join(","))
    }
}

/// How the values of a key column are ordered, where PostgreSQL and we agree on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// `smallint`, `integer`, `bigint`, `oid`.
    Integer,
    /// `uuid`, `bytea`: their hexadecimal text is in the order of their bytes.
    Bytes,
    /// `date`, `timestamp`, `timestamptz`.
    Time,
    /// Only PostgreSQL knows: text with a collation, numbers that are written in several ways, all other types.
    Unknown,
}

impl KeyKind {
    /// The order of two values in PostgreSQL's text form; `None` when one of them is no such value.
    pub fn compare(self, a: &[u8], b: &[u8]) -> Option<Ordering> {
        let integer = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<i64>().ok();
        match self {
            Self::Integer => Some(integer(a)?.cmp(&integer(b)?)),
            Self::Bytes => Some(a.cmp(b)),
            Self::Time => Some(moment(a)?.cmp(&moment(b)?)),
            Self::Unknown => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Bytes => "bytes",
            Self::Time => "time",
            Self::Unknown => "unknown",
        }
    }
}

/// Year, with the infinities outside of all others, and what follows it: of fixed width up to the fraction, whose longer
/// form is the later one.
fn moment(text: &[u8]) -> Option<(i64, &[u8])> {
    match text {
        b"-infinity" => return Some((i64::MIN, b"")),
        b"infinity" => return Some((i64::MAX, b"")),
        _ => {}
    }
    let before_christ = text.strip_suffix(b" BC");
    let text = before_christ.unwrap_or(text);
    let dash = text.iter().position(|byte| *byte == b'-')?;
    let year: i64 = std::str::from_utf8(text.get(..dash)?).ok()?.parse().ok()?;
    Some((if before_christ.is_some() { -year } else { year }, text.get(dash..)?))
}

/// A column of the key by which a table is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyColumn {
    /// Its name.
    pub name: String,
    /// The order of its values.
    pub kind: KeyKind,
}

/// A key's columns as text: a cursor is of use only while this stays the same.
pub fn signature(key: &[KeyColumn]) -> String {
    let part = |column: &KeyColumn| format!("{} {}", column.name, column.kind.name());
    key.iter().map(part).collect::<Vec<_>>().join(", ")
}

/// A table of the snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableLeft {
    /// Which.
    pub id: RelationId,
    /// Stands for the files in which its rows were last seen: others mean that it was truncated or rewritten since.
    pub files: i64,
    /// The [`signature`] of its key, once its reading has begun.
    pub key: String,
}

/// What was read in one transaction: the rows from `after` to where the next chunk begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The table's number.
    pub table: u32,
    /// The last key before it; `None`: it begins with the table.
    pub after: Option<Key>,
    /// What the transaction saw.
    pub seen: Visibility,
    /// No commit behind this is in `seen`.
    pub until: Lsn,
}

/// Rows that were read one by one, whatever else their table holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Points {
    /// The table.
    pub id: RelationId,
    /// Their keys, sorted.
    pub keys: Vec<Key>,
    /// What the transaction saw.
    pub seen: Visibility,
    /// No commit behind this is in `seen`.
    pub until: Lsn,
}

/// A snapshot that is read while the stream runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The tables that are not read, and before them those whose chunks the stream has not passed.
    pub tables: Vec<TableLeft>,
    /// The number of the first of them.
    pub first: u32,
    /// The number of the table that is being read; behind the last one when all are read.
    pub at: u32,
    /// The last key that was read in it.
    pub cursor: Option<Key>,
    /// Chunks that the stream has not passed, in the order of their reading.
    pub chunks: Vec<Chunk>,
    /// The same of single rows.
    pub points: Vec<Points>,
    /// Rows to read again, because an event came without their large values.
    pub repairs: Vec<(RelationId, Key)>,
    /// How many rows were read of the table that is being read, and of all before it: for people, not for what is read next.
    pub rows: u64,
    /// See `rows`.
    pub rows_before: u64,
}

impl Progress {
    /// All of these tables, none begun.
    pub fn new(tables: Vec<TableLeft>) -> Self {
        Self { tables, ..Self::default() }
    }

    /// The table that is being read.
    pub fn current(&self) -> Option<&TableLeft> {
        self.tables.get((self.at - self.first) as usize)
    }

    /// The same, to note something.
    pub fn current_mut(&mut self) -> Option<&mut TableLeft> {
        self.tables.get_mut((self.at - self.first) as usize)
    }

    /// The tables that are not read.
    pub fn left(&self) -> &[TableLeft] {
        self.tables.get((self.at - self.first) as usize..).unwrap_or_default()
    }

    /// The current table is read.
    pub fn next_table(&mut self) {
        self.at += 1;
        self.cursor = None;
        self.rows_before += std::mem::take(&mut self.rows);
        self.forget_passed();
    }

    /// The stream has come to `lsn`: chunks that nothing can be in any more are forgotten.
    pub fn pass(&mut self, lsn: Lsn) {
        self.chunks.retain(|chunk| chunk.until > lsn);
        self.points.retain(|points| points.until > lsn);
        self.forget_passed();
    }

    fn forget_passed(&mut self) {
        let needed = self.chunks.first().map_or(self.at, |chunk| chunk.table.min(self.at));
        let passed = (needed - self.first) as usize;
        self.tables.drain(..passed.min(self.tables.len()));
        self.first = needed;
    }

    /// Every row is read; filters may still live.
    pub fn is_read(&self) -> bool {
        self.current().is_none() && self.repairs.is_empty()
    }

    /// Nothing is left of it.
    pub fn is_over(&self) -> bool {
        self.is_read() && self.chunks.is_empty() && self.points.is_empty()
    }

    /// For the checkpoint.
    pub fn to_json(&self) -> Value {
        let table = |table: &TableLeft| json!([table.id.0, table.files, table.key]);
        let chunk = |chunk: &Chunk| json!([chunk.table, chunk.after, chunk.seen.to_string(), chunk.until.to_string()]);
        let point = |points: &Points| json!([points.id.0, points.keys, points.seen.to_string(), points.until.to_string()]);
        json!({
            "tables": self.tables.iter().map(table).collect::<Vec<_>>(),
            "first": self.first,
            "at": self.at,
            "cursor": self.cursor,
            "chunks": self.chunks.iter().map(chunk).collect::<Vec<_>>(),
            "points": self.points.iter().map(point).collect::<Vec<_>>(),
            "repairs": self.repairs.iter().map(|(id, key)| json!([id.0, key])).collect::<Vec<_>>(),
            "rows": self.rows,
            "rows_before": self.rows_before,
        })
    }

    /// Back from the checkpoint; `None` when it is not in this form.
    pub fn from_json(value: &Value) -> Option<Self> {
        let list = |name: &str| value.get(name)?.as_array();
        let number = |name: &str| u32::try_from(value.get(name)?.as_u64()?).ok();
        let count = |name: &str| value.get(name).and_then(Value::as_u64).unwrap_or(0);
        let id = |value: &Value| Some(RelationId(u32::try_from(value.as_u64()?).ok()?));
        let seen = |value: &Value| Visibility::parse(value.as_str()?);
        let lsn = |value: &Value| value.as_str()?.parse::<Lsn>().ok();
        let table = |value: &Value| {
            let [of, files, signed] = value.as_array()?.as_slice() else { return None };
            Some(TableLeft { id: id(of)?, files: files.as_i64()?, key: signed.as_str()?.to_owned() })
        };
        let chunk = |value: &Value| {
            let [table, after, saw, until] = value.as_array()?.as_slice() else { return None };
            let table = u32::try_from(table.as_u64()?).ok()?;
            Some(Chunk { table, after: maybe_key(after)?, seen: seen(saw)?, until: lsn(until)? })
        };
        let points = |value: &Value| {
            let [of, keys, saw, until] = value.as_array()?.as_slice() else { return None };
            let keys = keys.as_array()?.iter().map(key).collect::<Option<_>>()?;
            Some(Points { id: id(of)?, keys, seen: seen(saw)?, until: lsn(until)? })
        };
        let repair = |value: &Value| {
            let [of, which] = value.as_array()?.as_slice() else { return None };
            Some((id(of)?, key(which)?))
        };
        let progress = Self {
            tables: list("tables")?.iter().map(table).collect::<Option<_>>()?,
            first: number("first")?,
            at: number("at")?,
            cursor: maybe_key(value.get("cursor")?)?,
            chunks: list("chunks")?.iter().map(chunk).collect::<Option<_>>()?,
            points: list("points")?.iter().map(points).collect::<Option<_>>()?,
            repairs: list("repairs")?.iter().map(repair).collect::<Option<_>>()?,
            // Older ones did not count.
            rows: count("rows"),
            rows_before: count("rows_before"),
        };
        (progress.first <= progress.at).then_some(progress)
    }
}

fn key(value: &Value) -> Option<Key> {
    value.as_array()?.iter().map(|part| part.as_str().map(str::to_owned)).collect()
}

fn maybe_key(value: &Value) -> Option<Option<Key>> {
    if value.is_null() { Some(None) } else { key(value).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_sees_what_was_over_when_it_was_taken() {
        let seen = Visibility::parse("4294967290:4294967300:4294967292,4294967299").expect("valid");
        // 4294967300 is 4 behind the wrap.
        for (xid, expected) in [
            (4294967289u32, true),
            (4294967290, true),
            (4294967292, false),
            (4294967295, true),
            (0, true),
            (3, false),
            (4, false),
            (5, false),
        ] {
            assert_eq!(seen.sees(xid), expected, "{xid}");
        }
        assert_eq!(Visibility::parse("5:5:").expect("valid").to_string(), "5:5:");
        assert_eq!(Visibility::parse("5:x:"), None);
    }

    #[test]
    fn keys_are_ordered_as_postgres_orders_them() {
        for (kind, ascending) in [
            (KeyKind::Integer, &["-9", "-1", "0", "2", "10"][..]),
            (KeyKind::Bytes, &["\\x", "\\x00", "\\x0001", "\\x01", "\\xff"]),
            (KeyKind::Bytes, &["00000000-0000-0000-0000-00000000000a", "0a000000-0000-0000-0000-000000000000"]),
            (
                KeyKind::Time,
                &["-infinity", "4713-11-24 BC", "0002-01-01 BC", "0001-01-01", "1999-12-31", "2024-02-29", "10000-01-01", "infinity"],
            ),
            (
                KeyKind::Time,
                &["2024-01-01 00:00:00+00", "2024-01-01 00:00:00.45+00", "2024-01-01 00:00:00.5+00", "2024-01-01 00:00:00.55+00"],
            ),
        ] {
            for (at, a) in ascending.iter().enumerate() {
                for (other, b) in ascending.iter().enumerate() {
                    assert_eq!(kind.compare(a.as_bytes(), b.as_bytes()), Some(at.cmp(&other)), "{a} and {b}");
                }
            }
        }
        assert_eq!(KeyKind::Integer.compare(b"1", b"x"), None);
    }

    #[test]
    fn a_progress_comes_back_as_it_was_written() {
        let seen = Visibility { xmin: 5, xmax: 9, running: vec![5, 7] };
        let progress = Progress {
            tables: vec![
                TableLeft { id: RelationId(7), files: -3, key: "id integer".into() },
                TableLeft { id: RelationId(8), files: 4, key: String::new() },
            ],
            first: 2,
            at: 3,
            cursor: Some(vec!["1".into(), "a\"b".into()]),
            chunks: vec![Chunk { table: 2, after: None, seen: seen.clone(), until: Lsn(77) }],
            points: vec![Points { id: RelationId(8), keys: vec![vec!["x".into()]], seen, until: Lsn(78) }],
            repairs: vec![(RelationId(8), vec!["y".into()])],
            rows: 9,
            rows_before: 900,
        };
        assert_eq!(Progress::from_json(&progress.to_json()), Some(progress.clone()));
        let mut older = progress.to_json();
        older.as_object_mut().expect("an object").retain(|name, _| !name.starts_with("rows"));
        assert_eq!(Progress::from_json(&older), Some(Progress { rows: 0, rows_before: 0, ..progress.clone() }));
        assert_eq!(Progress::from_json(&json!({})), None);
    }

    #[test]
    fn tables_are_kept_until_the_stream_has_passed_their_chunks() {
        let left = |id| TableLeft { id: RelationId(id), files: 0, key: String::new() };
        let mut progress = Progress::new(vec![left(1), left(2)]);
        progress.chunks.push(Chunk { table: 0, after: None, seen: Visibility::default(), until: Lsn(10) });
        progress.next_table();
        assert_eq!((progress.tables.len(), progress.current().map(|table| table.id)), (2, Some(RelationId(2))));
        progress.pass(Lsn(10));
        assert_eq!((progress.first, progress.tables.len(), progress.left().len()), (1, 1, 1));
        progress.next_table();
        assert!(progress.is_over() && progress.tables.is_empty());
    }
}
