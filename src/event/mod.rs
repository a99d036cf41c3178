//! What subscribers see of a record: a change event read back, which of them want it, and in which form they are shown it.
//!
//! Owns the reading of stored records ([`Event`], by slices of the record), the language of filters ([`Filter`]), the views ([`View`])
//! and the templates of keys and channels ([`Template`]). Promises that any bytes are read without harm and without an error: what
//! cannot be read says nothing, and is told as unreadable. Leaves where records come from and who is shown them to the layers above.
//!
//! An event is read whatever wrote it: Debezium's envelope with or without Kafka Connect's schema around it, the flat rows of
//! `ExtractNewRecordState`, Debezium's CloudEvents in JSON. Binary forms (Avro, Protobuf) are not read here.

pub mod filter;
pub mod number;
pub mod template;
pub mod value;
pub mod view;

pub use filter::{Candidates, Canonical, Column, Equality, Filter, Judgement, Literal, Side};
pub use template::Template;
pub use value::{Object, Value};
pub use view::{Show, View};

use crate::change::Lsn;
use crate::record::Headers;
use crate::record::json::{self, Members};
use crate::record::view::RecordView;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A change event: Debezium's envelope, or its CloudEvent.
    Change,
    /// An object that is no envelope: the row itself.
    Row,
    /// No value: there is no such row any more.
    Tombstone,
    /// JSON that is no object.
    Other,
    /// No JSON.
    Unreadable,
}

/// What happened to the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Inserted (`c`).
    Create,
    /// Was there when a snapshot was taken (`r`).
    Read,
    /// Updated (`u`).
    Update,
    /// Deleted (`d`).
    Delete,
    /// The table was emptied (`t`).
    Truncate,
    /// A logical message (`m`).
    Message,
}

impl Op {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Create, Self::Read, Self::Update, Self::Delete, Self::Truncate, Self::Message];

    /// Debezium's letter.
    pub const fn letter(self) -> &'static str {
        match self {
            Self::Create => "c",
            Self::Read => "r",
            Self::Update => "u",
            Self::Delete => "d",
            Self::Truncate => "t",
            Self::Message => "m",
        }
    }

    /// By its letter.
    pub fn of_letter(letter: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.letter() == letter)
    }

    /// Of a JSON text of one letter.
    fn of_json(json: &[u8]) -> Option<Self> {
        match json {
            [b'"', letter, b'"'] => Self::ALL.into_iter().find(|op| op.letter().as_bytes() == [*letter]),
            _ => None,
        }
    }
}

/// How the value is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Envelope,
    Cloud,
    Flat,
    Tombstone,
    Other,
    Unreadable,
}

/// A stored record read as a change event. Slices of the record: nothing is copied, nothing fails.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// The topic it is on.
    pub topic: &'a str,
    /// The partition.
    pub partition: u32,
    /// The offset there.
    pub offset: u64,
    /// The record's time, milliseconds since 1970.
    pub timestamp_ms: i64,
    /// The key as it is stored.
    pub key: Option<&'a [u8]>,
    /// The value as it is stored.
    pub value: Option<&'a [u8]>,
    /// The headers as they are stored.
    pub headers: Headers<'a>,
    form: Form,
    op: Option<Op>,
    /// The value without a schema before it.
    payload: &'a [u8],
    before: Option<&'a [u8]>,
    after: Option<&'a [u8]>,
    source: Option<&'a [u8]>,
    /// The row as it was before, known from elsewhere.
    old: Option<Object<'a>>,
}

/// The members of an envelope that count, as they were found.
#[derive(Default)]
struct Parts<'a> {
    op: Option<&'a [u8]>,
    before: Option<&'a [u8]>,
    after: Option<&'a [u8]>,
    source: Option<&'a [u8]>,
    message: bool,
    // CloudEvents.
    spec: bool,
    cloud_op: Option<&'a [u8]>,
    data: Option<&'a [u8]>,
    // ExtractNewRecordState.
    flat_op: Option<&'a [u8]>,
    deleted: bool,
}

impl<'a> Parts<'a> {
    /// None: it is no whole object.
    #[inline]
    fn read(json: &'a [u8]) -> Option<Self> {
        let mut members = Members::of(json)?;
        let mut parts = Self::default();
        for (name, value) in members.by_ref() {
            match name {
                b"op" => parts.op = Some(value),
                b"before" => parts.before = Some(value),
                b"after" => parts.after = Some(value),
                b"source" => parts.source = Some(value),
                b"message" => parts.message = true,
                b"specversion" => parts.spec = true,
                b"iodebeziumop" => parts.cloud_op = Some(value),
                b"data" => parts.data = Some(value),
                b"__op" => parts.flat_op = Some(value),
                b"__deleted" => parts.deleted = matches!(value, b"\"true\"" | b"true"),
                _ => {}
            }
        }
        members.is_whole().then_some(parts)
    }
}

/// A slice that is a JSON object.
fn object(json: Option<&[u8]>) -> Option<&[u8]> {
    json.filter(|json| json.first() == Some(&b'{'))
}

impl<'a> Event<'a> {
    /// Reads a record of a topic's partition.
    pub fn new(topic: &'a str, partition: u32, record: &RecordView<'a>) -> Self {
        let of = Self::of(topic, record.key, record.value);
        Self { partition, offset: record.offset, timestamp_ms: record.timestamp_ms, headers: record.raw_headers(), ..of }
    }

    /// Reads a key and a value that are on no topic yet.
    pub fn of(topic: &'a str, key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> Self {
        let mut event = Self {
            topic,
            partition: 0,
            offset: 0,
            timestamp_ms: 0,
            key,
            value,
            headers: Headers::NONE,
            form: Form::Tombstone,
            op: None,
            payload: b"",
            before: None,
            after: None,
            source: None,
            old: None,
        };
        let Some(value) = value else { return event };
        let payload = json::payload(value).1;
        event.payload = payload;
        // As `ExtractNewRecordState` writes a delete with a schema.
        if payload == b"null" {
            return event;
        }
        event.form = match Parts::read(payload) {
            Some(parts) => event.take(&parts),
            None if !payload.trim_ascii_start().starts_with(b"{") && json::is_json(payload) => Form::Other,
            None => Form::Unreadable,
        };
        event
    }

    fn take(&mut self, parts: &Parts<'a>) -> Form {
        if parts.spec && parts.cloud_op.is_some() {
            self.op = parts.cloud_op.and_then(Op::of_json);
            let data = parts.data.map(|data| json::payload(data).1);
            self.before = object(data.and_then(|data| json::member(data, b"before")));
            self.after = object(data.and_then(|data| json::member(data, b"after")));
            return Form::Cloud;
        }
        let op = parts.op.and_then(Op::of_json);
        let is_envelope = object(parts.source).is_some() || parts.message || (parts.before.is_some() && parts.after.is_some());
        if op.is_some() && is_envelope {
            self.op = op;
            (self.before, self.after, self.source) = (object(parts.before), object(parts.after), object(parts.source));
            return Form::Envelope;
        }
        self.op = if parts.deleted { Some(Op::Delete) } else { parts.flat_op.and_then(Op::of_json) };
        let row = Some(self.payload);
        if self.op == Some(Op::Delete) {
            self.before = row
        } else {
            self.after = row
        }
        Form::Flat
    }

    /// The same event with the row as it was before, which somebody else knows (the newest older record of the key): what the event does not
    /// say of the old row itself is taken from there.
    #[must_use]
    pub fn knowing(self, old: Object<'a>) -> Self {
        Self { old: Some(old), ..self }
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        match self.form {
            Form::Envelope | Form::Cloud => Kind::Change,
            Form::Flat => Kind::Row,
            Form::Tombstone => Kind::Tombstone,
            Form::Other => Kind::Other,
            Form::Unreadable => Kind::Unreadable,
        }
    }

    /// What happened, where the record says it.
    pub fn op(&self) -> Option<Op> {
        self.op
    }

    /// The old row, as far as the event has it: without `REPLICA IDENTITY FULL` an update has none, and of a delete's row only the
    /// key is not null.
    pub fn before(&self) -> Option<Object<'a>> {
        self.before.and_then(Object::of)
    }

    /// The new row.
    pub fn after(&self) -> Option<Object<'a>> {
        self.after.and_then(Object::of)
    }

    /// Where the change came from: Debezium's `source`.
    pub fn source(&self) -> Option<Object<'a>> {
        self.source.and_then(Object::of)
    }

    /// The value without a schema before it, where it is JSON.
    pub fn payload(&self) -> Option<Value<'a>> {
        matches!(self.form, Form::Envelope | Form::Cloud | Form::Flat | Form::Other).then(|| Value::of(self.payload))
    }

    /// The key without a schema before it.
    pub fn key_payload(&self) -> Option<&'a [u8]> {
        self.key.map(|key| json::payload(key).1)
    }

    /// The key's columns.
    pub fn key_object(&self) -> Option<Object<'a>> {
        self.key_payload().and_then(Object::of)
    }

    /// The row that it is about: the new one, or the old one of a delete, or the flat row.
    pub fn row(&self) -> Option<Object<'a>> {
        self.after().or_else(|| self.before())
    }

    /// Whether the event says all of the old row that there is to say: a row that is new has none; an update or a delete does where the
    /// table has `REPLICA IDENTITY FULL`. Which one it has is in no event: a delete that has nothing but its key, nulls and zeros is taken
    /// for one without.
    pub fn is_before_complete(&self) -> bool {
        match (self.op, self.before()) {
            (Some(Op::Create | Op::Read | Op::Truncate | Op::Message), _) => true,
            (Some(Op::Update | Op::Delete), Some(before)) => {
                let key = self.key_object();
                let is_key = |name: &[u8]| key.is_some_and(|key| key.member(name).is_some());
                let mut others = before.raw_members().filter(|(name, _)| !is_key(name)).peekable();
                others.peek().is_none() || others.any(|(_, value)| !Value::of(value).may_be_filler())
            }
            _ => false,
        }
    }

    /// A column of the old row: none where it is not known, a value that is null where it was null.
    pub fn old_value(&self, column: &str) -> Option<Value<'a>> {
        let told = self.before().and_then(|before| before.get(column)).filter(|value| !value.is_unavailable());
        if let Some(value) = told {
            let is_key = || self.key_object().is_some_and(|key| key.get(column).is_some());
            if !value.may_be_filler() || is_key() || self.is_before_complete() {
                return Some(value);
            }
        }
        let known = self.old.and_then(|old| old.get(column)).filter(|value| !value.is_unavailable());
        known.or_else(|| match self.op {
            // The old row had this key: a change of it is told as a delete and a create.
            Some(Op::Update | Op::Delete) => self.key_object()?.get(column),
            None if self.form == Form::Tombstone => self.key_object()?.get(column),
            _ => None,
        })
    }

    /// A column of the new row. A large value that did not change and was not sent is the old row's, if that is known.
    pub fn new_value(&self, column: &str) -> Option<Value<'a>> {
        let value = self.after()?.get(column)?;
        if value.is_unavailable() { self.old_value(column) } else { Some(value) }
    }

    /// A field of the source, in any of the forms: `source.lsn`, `__lsn` or `__source_lsn` of a flat row, `iodebeziumlsn`.
    pub fn source_value(&self, name: &str) -> Option<Value<'a>> {
        let prefixed = |prefix: &[u8], name: &[u8]| {
            let is_it = |(found, _): &(&[u8], &[u8])| found.strip_prefix(prefix) == Some(name);
            Members::of(self.payload)?.find(is_it).map(|(_, value)| Value::of(value))
        };
        match self.form {
            Form::Envelope => self.source()?.get(name),
            Form::Flat => prefixed(b"__", name.as_bytes()).or_else(|| prefixed(b"__source_", name.as_bytes())),
            Form::Cloud if name.contains('_') => prefixed(b"iodebezium", name.replace('_', "").as_bytes()),
            Form::Cloud => prefixed(b"iodebezium", name.as_bytes()),
            Form::Tombstone | Form::Other | Form::Unreadable => None,
        }
    }

    fn source_number(&self, name: &str) -> Option<u64> {
        self.source_value(name)?.unsigned()
    }

    /// The change's own position in the write-ahead log; several changes may share one.
    pub fn lsn(&self) -> Option<Lsn> {
        self.source_number("lsn").map(Lsn)
    }

    /// Where the transaction committed before this one ends, if that is told: the first of `source.sequence`.
    pub fn previous_commit_lsn(&self) -> Option<Lsn> {
        // As it is written: its quotes are escaped.
        let first = self.source_value("sequence")?.inside()?.strip_prefix(br#"[\""#)?;
        let digits = first.split(|byte| !byte.is_ascii_digit()).next()?;
        std::str::from_utf8(digits).ok()?.parse().ok().map(Lsn)
    }

    /// The transaction's number, of 32 bits as PostgreSQL's logical decoding tells it.
    pub fn tx_id(&self) -> Option<u32> {
        self.source_number("txId").and_then(|id| u32::try_from(id).ok())
    }

    /// When the transaction was committed, milliseconds since 1970.
    pub fn commit_ms(&self) -> Option<i64> {
        self.source_number("ts_ms").and_then(|ms| i64::try_from(ms).ok())
    }

    /// The table's schema.
    pub fn schema_name(&self) -> Option<Value<'a>> {
        self.source_value("schema")
    }

    /// The table's name without its schema.
    pub fn table_name(&self) -> Option<Value<'a>> {
        self.source_value("table")
    }
}

#[cfg(test)]
mod tests;
