//! A shape compiled: pieces that are copied and values that are written, one after the other.

use std::collections::HashMap;

use super::Unfit;
use super::convert::Convert;
use super::partition::{Partition, Value};
use super::rule::Rule;
use super::shape::{By, Content, HeaderContent, Live, Node, Routed, Shape};
use super::timestamp::Timestamp;
use crate::change::{Cell, Position, SnapshotMark, Tuple};
use crate::config::postgres::{BytesConverter, ConverterSettings, HeaderConverter};
use crate::encode::envelope::source::begin_sequence;
use crate::encode::schema::Kind;
use crate::encode::values::Form;
use crate::encode::wire::TopicForms;
use crate::encode::{header, json, transaction};
use crate::record::{HeaderBlock, TopicHandle};

/// How a record of one kind of change is written.
#[derive(Debug)]
pub struct Program {
    /// Where it goes.
    pub topic: Topic,
    /// Its key, if it has one.
    pub key: Option<Pieces>,
    /// Its value, if it has one.
    pub value: Option<Pieces>,
    /// Its headers.
    pub headers: Headers,
    /// What must hold of a row, or the record is dropped.
    pub conditions: Vec<Rule>,
    /// What its partition is computed from, when it is not the key.
    pub partition: Option<Partition>,
    /// What its timestamp is, when it is not the time of its processing.
    pub timestamp: Option<Timestamp>,
    /// The forms of its key and value.
    pub forms: TopicForms,
}

/// Where a record goes.
#[derive(Debug)]
pub enum Topic {
    /// All to one.
    Fixed(TopicHandle),
    /// Each to the one that its row names; those that were named before are known.
    Routed(Routed, HashMap<Box<[u8]>, TopicHandle>),
}

/// Why a record has no topic.
#[derive(Debug)]
pub enum NoTopic {
    /// The row names one that is not known yet.
    New {
        /// What the row says.
        said: Box<[u8]>,
        /// The topic it means.
        name: String,
    },
    /// The expression that names it fails.
    Bad(BadValue),
}

impl Topic {
    /// The topic of a row.
    pub fn of(&self, scratch: &mut Vec<u8>, input: &Input<'_>, source: impl FnMut(&mut Vec<u8>)) -> Result<TopicHandle, NoTopic> {
        match self {
            Self::Fixed(topic) => Ok(*topic),
            Self::Routed(Routed { by: By::Column(column, renaming), .. }, known) => {
                let said = match input.after.map(|row| row.cell(*column)) {
                    Some(Cell::Text(text)) => text,
                    _ => b"",
                };
                known.get(said).copied().ok_or_else(|| {
                    let text = String::from_utf8_lossy(said);
                    NoTopic::New { said: said.into(), name: renaming.apply(&text).unwrap_or_else(|| text.into_owned()) }
                })
            }
            Self::Routed(Routed { by: By::Field(field, otherwise), .. }, known) => {
                let place = |said: &[u8]| {
                    let unknown = || NoTopic::New { said: said.into(), name: String::from_utf8_lossy(said).into_owned() };
                    known.get(said).copied().ok_or_else(unknown)
                };
                let named = field.of(scratch, input, source, |value| match value {
                    Value::Text(text) if text.iter().any(|byte| *byte > b' ') => Some(place(text)),
                    _ => None,
                });
                named.map_err(NoTopic::Bad)?.flatten().unwrap_or_else(|| place(otherwise.as_bytes()))
            }
            Self::Routed(Routed { by: By::Rule(rule, otherwise), .. }, known) => {
                let said = rule.topic(scratch, input, source).map_err(NoTopic::Bad)?.unwrap_or(otherwise.as_bytes());
                known.get(said).copied().ok_or_else(|| NoTopic::New { said: said.into(), name: String::from_utf8_lossy(said).into_owned() })
            }
        }
    }

    /// A row whose payload is empty may have no value.
    pub fn is_tombstone(&self, input: &Input<'_>) -> bool {
        let Self::Routed(Routed { empty_is_tombstone: Some(column), .. }, _) = self else { return false };
        match input.after.map(|row| row.cell(*column)) {
            Some(Cell::Text(text)) => text.trim_ascii().is_empty(),
            Some(Cell::Null) => true,
            _ => false,
        }
    }
}

/// The pieces of a key or a value.
#[derive(Clone, Debug, Default)]
pub struct Pieces {
    pieces: Vec<Piece>,
    bare: Bare,
}

/// How a single value stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Bare {
    /// As JSON.
    #[default]
    No,
    /// A text without its quotes.
    Text,
    /// The bytes that JSON has in base64.
    Bytes,
}

/// A record's headers.
#[derive(Debug)]
pub enum Headers {
    /// The same in every record.
    Fixed(HeaderBlock),
    /// Put together for each.
    Each(Vec<(String, HeaderPieces)>),
}

/// What a header holds.
#[derive(Debug)]
pub enum HeaderPieces {
    /// The same bytes in every record.
    Bytes(Vec<u8>),
    /// The other key of a row whose key changes.
    OtherKey,
    /// A JSON value; a text stands without its quotes when the flag says so.
    Value(Pieces, bool),
}

impl HeaderPieces {
    fn of(name: &str, node: &Node, converter: HeaderConverter) -> Result<Self, Unfit> {
        let is_single = !matches!(node.schema.kind, Kind::Struct(_) | Kind::Array(_) | Kind::Map(..));
        if converter == HeaderConverter::Text && !is_single {
            let why = format!("StringConverter would write the header {name} as Java prints an object; it is for single values");
            return Err(Unfit { option: "header.converter".to_owned(), why });
        }
        let mut pieces = Pieces::default();
        let has_schema = converter == HeaderConverter::JsonWithSchemas;
        if has_schema {
            pieces.bytes(&node.whole_schema().before_payload());
        }
        pieces.add(&node.content);
        if has_schema {
            pieces.bytes(b"}");
        }
        Ok(Self::Value(pieces, matches!(converter, HeaderConverter::Simple | HeaderConverter::Text)))
    }
}

#[derive(Clone, Debug)]
enum Piece {
    Bytes(Box<[u8]>),
    Column {
        old: bool,
        index: usize,
        form: Form,
        null: Box<[u8]>,
    },
    Source,
    Transaction,
    Live(Live),
    Converted(Pieces, Convert, Box<[u8]>),
    /// A struct of which not every record has all fields.
    Sparse(Vec<SparseField>),
    /// The names, in JSON, of the pairs whose values differ, or do not.
    Changes(Vec<(Box<[u8]>, [Pieces; 2])>, bool),
}

/// A field of such a struct.
#[derive(Clone, Debug)]
struct SparseField {
    /// The name, in JSON.
    quoted: Box<[u8]>,
    value: Pieces,
    /// It is left out where these differ, or where they do not.
    unless: Option<([Pieces; 2], bool)>,
}

/// What a program writes from.
pub struct Input<'a> {
    /// The old row.
    pub before: Option<Tuple<'a>>,
    /// The new row.
    pub after: Option<Tuple<'a>>,
    /// What `after` does not carry because it did not change.
    pub older: Option<Tuple<'a>>,
    /// Where.
    pub at: &'a Position,
    /// The event's place in its transaction and among its table's events there, when they are counted.
    pub place: Option<(u64, u64)>,
    /// The processing time, nanoseconds since 1970.
    pub now_ns: i64,
}

/// A value that cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadValue {
    /// A column's is not what its type promises.
    Column(usize),
    /// A column's cannot be converted: why.
    Convert(usize, String),
    /// A transformation cannot be applied to it: why.
    Transform(String),
}

impl Program {
    /// Compiles a shape whose topic has been resolved.
    pub fn new(
        shape: &Shape,
        topic: Topic,
        key: ConverterSettings,
        value: ConverterSettings,
        headers: HeaderConverter,
    ) -> Result<Self, Unfit> {
        if value.schemas && shape.routed.as_ref().is_some_and(|routed| routed.own_schema) {
            let why = "each message of an outbox table has a schema of its own when its payload is expanded or has columns beside it";
            return Err(Unfit { option: "value.converter.schemas.enable".to_owned(), why: why.to_owned() });
        }
        for (part, converter, option) in [(&shape.key, key, "key"), (&shape.value, value, "value")] {
            if converter.schemas && part.as_ref().is_some_and(Node::is_sparse) {
                let why = "with drop.fields.header.name each record has a schema of its own";
                return Err(Unfit { option: format!("{option}.converter.schemas.enable"), why: why.to_owned() });
            }
        }
        let each: Vec<_> = shape
            .headers
            .iter()
            .map(|header| {
                let pieces = match &header.content {
                    HeaderContent::Bytes(text) => {
                        let unfit = |why| Unfit { option: "header.converter".to_owned(), why };
                        HeaderPieces::Bytes(header::fixed(headers, &header.name, &String::from_utf8_lossy(text)).map_err(unfit)?)
                    }
                    HeaderContent::OtherKey => HeaderPieces::OtherKey,
                    HeaderContent::Value(node) => HeaderPieces::of(&header.name, node, headers)?,
                };
                Ok((header.name.clone(), pieces))
            })
            .collect::<Result<_, Unfit>>()?;
        let fixed = each.iter().try_fold(HeaderBlock::default(), |mut block, (name, pieces)| {
            let HeaderPieces::Bytes(bytes) = pieces else { return None };
            block.push(name, bytes);
            Some(block)
        });
        Ok(Self {
            topic,
            key: shape.key.as_ref().map(|node| Pieces::of(node, key, "key.converter")).transpose()?,
            value: shape.value.as_ref().map(|node| Pieces::of(node, value, "value.converter")).transpose()?,
            headers: fixed.map_or(Headers::Each(each), Headers::Fixed),
            conditions: shape.conditions.clone(),
            partition: shape.partition.clone(),
            timestamp: shape.timestamp.clone(),
            forms: TopicForms::default(),
        })
    }
}

impl Pieces {
    fn of(node: &Node, converter: ConverterSettings, option: &str) -> Result<Self, Unfit> {
        let is_bytes = node.schema.kind == Kind::Bytes && node.schema.name.is_none();
        let bare = match converter.bytes {
            BytesConverter::Alone if !is_bytes => {
                let why =
                    "this converter writes bytes only (a payload of bytea); delegate.converter.type of Debezium's names one for the rest";
                return Err(Unfit { option: option.to_owned(), why: why.to_owned() });
            }
            BytesConverter::Alone | BytesConverter::Delegating if is_bytes => Bare::Bytes,
            _ if converter.text => Bare::Text,
            _ => Bare::No,
        };
        let mut pieces = Self { pieces: Vec::new(), bare };
        if bare == Bare::Bytes {
            pieces.add(&node.content);
            return Ok(pieces);
        }
        if converter.text {
            if matches!(node.content, Content::Struct(_) | Content::Source(_) | Content::Transaction) {
                let why = "StringConverter would write a row as Java prints an object; it is for single values, as EventRouter makes them";
                return Err(Unfit { option: option.to_owned(), why: why.to_owned() });
            }
            pieces.add(&node.content);
            return Ok(pieces);
        }
        if converter.schemas {
            pieces.bytes(&node.whole_schema().before_payload());
        }
        pieces.add(&node.content);
        if converter.schemas {
            pieces.bytes(b"}");
        }
        Ok(pieces)
    }

    /// The pieces that write a value.
    pub fn reading(content: &Content) -> Self {
        let mut pieces = Self::default();
        pieces.add(content);
        pieces
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if let Some(Piece::Bytes(last)) = self.pieces.last_mut() {
            *last = [last, bytes].concat().into();
        } else {
            self.pieces.push(Piece::Bytes(bytes.into()));
        }
    }

    fn add(&mut self, content: &Content) {
        match content {
            Content::Null => self.bytes(b"null"),
            Content::Constant(json) => self.bytes(json),
            Content::Column { old, index, form, null } => {
                self.pieces.push(Piece::Column { old: *old, index: *index, form: form.clone(), null: null.clone() });
            }
            Content::Source(_) => self.pieces.push(Piece::Source),
            Content::Transaction => self.pieces.push(Piece::Transaction),
            Content::Live(live) => self.pieces.push(Piece::Live(*live)),
            Content::Converted(converted) => {
                let inner = Self::reading(&converted.content);
                self.pieces.push(Piece::Converted(inner, converted.convert.clone(), converted.null.clone()));
            }
            Content::Changes(pairs, changed) => {
                let compiled = |(name, pair): &(Box<str>, [Content; 2])| (quoted(name), pair.each_ref().map(Self::reading));
                self.pieces.push(Piece::Changes(pairs.iter().map(compiled).collect(), *changed));
            }
            Content::Struct(fields) if fields.iter().any(|(_, node)| matches!(&node.content, Content::Listed(_))) => {
                let compiled = |(name, node): &(Box<str>, Node)| {
                    let unless = match &node.content {
                        Content::Listed(listed) => Some((listed.pair.each_ref().map(Self::reading), listed.changed)),
                        _ => None,
                    };
                    SparseField { quoted: quoted(name), value: Self::reading(&node.content), unless }
                };
                self.pieces.push(Piece::Sparse(fields.iter().map(compiled).collect()));
            }
            // In its struct it is asked whether it is there.
            Content::Listed(listed) => self.add(&listed.content),
            Content::Struct(fields) => {
                self.bytes(b"{");
                for (place, (name, node)) in fields.iter().enumerate() {
                    let mut lead = if place > 0 { vec![b','] } else { Vec::new() };
                    json::string(&mut lead, name.as_bytes());
                    lead.push(b':');
                    self.bytes(&lead);
                    self.add(&node.content);
                }
                self.bytes(b"}");
            }
        }
    }

    /// Appends the value; `source` appends the source block. False: a text that is null, where `StringConverter` has nothing.
    #[inline]
    pub fn write(&self, out: &mut Vec<u8>, input: &Input<'_>, mut source: impl FnMut(&mut Vec<u8>)) -> Result<bool, BadValue> {
        let begun = out.len();
        self.write_json(out, input, &mut source)?;
        if self.bare == Bare::No {
            return Ok(true);
        }
        let there = out[begun..] != *b"null";
        if self.bare == Bare::Bytes {
            from_base64(out, begun);
            return Ok(there);
        }
        if let Ok(text) = serde_json::from_slice::<String>(&out[begun..]) {
            out.truncate(begun);
            out.extend_from_slice(text.as_bytes());
        }
        Ok(there)
    }

    /// Appends the value's JSON.
    #[inline]
    pub fn write_json<S: FnMut(&mut Vec<u8>)>(&self, out: &mut Vec<u8>, input: &Input<'_>, source: &mut S) -> Result<(), BadValue> {
        for piece in &self.pieces {
            match piece {
                Piece::Bytes(bytes) => out.extend_from_slice(bytes),
                Piece::Column { old, index, form, null } => {
                    let row = if *old { input.before } else { input.after };
                    let cell = match row.map_or(Cell::Null, |row| row.cell(*index)) {
                        Cell::Unchanged if !*old => match input.older.map(|older| older.cell(*index)) {
                            Some(Cell::Text(text)) => Cell::Text(text),
                            _ => Cell::Unchanged,
                        },
                        cell => cell,
                    };
                    match cell {
                        Cell::Text(text) => (form.write)(out, text, form).map_err(|_| BadValue::Column(*index))?,
                        Cell::Null => out.extend_from_slice(null),
                        Cell::Unchanged => out.extend_from_slice(&form.unavailable),
                    }
                }
                Piece::Source => source(out),
                Piece::Transaction => transaction::block(out, input.place, input.at),
                Piece::Live(live) => write_live(out, *live, input),
                Piece::Converted(inner, convert, null) => {
                    let begun = out.len();
                    inner.write_json(out, input, source)?;
                    if out.get(begun..) == Some(b"null") {
                        out.truncate(begun);
                        out.extend_from_slice(null);
                    } else {
                        convert.apply(out, begun, input.now_ns).map_err(|why| inner.blame(why))?;
                    }
                }
                Piece::Sparse(fields) => {
                    out.push(b'{');
                    let first = out.len();
                    for SparseField { quoted, value, unless } in fields {
                        if let Some((pair, changed)) = unless
                            && differ(pair, out, input, source)? == *changed
                        {
                            continue;
                        }
                        if out.len() > first {
                            out.push(b',');
                        }
                        out.extend_from_slice(quoted);
                        out.push(b':');
                        value.write_json(out, input, source)?;
                    }
                    out.push(b'}');
                }
                Piece::Changes(pairs, changed) => {
                    out.push(b'[');
                    let first = out.len();
                    for (quoted, pair) in pairs {
                        if differ(pair, out, input, source)? == *changed {
                            if out.len() > first {
                                out.push(b',');
                            }
                            out.extend_from_slice(quoted);
                        }
                    }
                    out.push(b']');
                }
            }
        }
        Ok(())
    }
}

/// A name in JSON.
fn quoted(name: &str) -> Box<[u8]> {
    let mut quoted = Vec::new();
    json::string(&mut quoted, name.as_bytes());
    quoted.into()
}

/// Whether two values differ. They are written behind what is there and go again.
fn differ<S: FnMut(&mut Vec<u8>)>(pair: &[Pieces; 2], out: &mut Vec<u8>, input: &Input<'_>, source: &mut S) -> Result<bool, BadValue> {
    let [one, other] = pair;
    let start = out.len();
    one.write_json(out, input, source)?;
    let middle = out.len();
    other.write_json(out, input, source)?;
    let differ = out.get(start..middle) != out.get(middle..);
    out.truncate(start);
    Ok(differ)
}

/// Puts bytes in the place of their JSON, which is base64 in quotes.
fn from_base64(out: &mut Vec<u8>, begun: usize) {
    let (mut bits, mut held, mut end) = (0u32, 0u32, begun);
    for at in begun..out.len() {
        let value = match out[at] {
            letter @ b'A'..=b'Z' => letter - b'A',
            letter @ b'a'..=b'z' => letter - b'a' + 26,
            digit @ b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            // The quotes and what fills up the end.
            _ => continue,
        };
        (bits, held) = (bits << 6 | u32::from(value), held + 6);
        if held >= 8 {
            held -= 8;
            out[end] = (bits >> held & 0xff) as u8;
            end += 1;
        }
    }
    out.truncate(end);
}

impl Pieces {
    /// A value that cannot be converted, and from which column it is.
    #[cold]
    fn blame(&self, why: String) -> BadValue {
        match self.pieces.as_slice() {
            [Piece::Column { index, .. }] => BadValue::Convert(*index, why),
            [Piece::Converted(inner, ..)] => inner.blame(why),
            _ => BadValue::Transform(why),
        }
    }
}

fn write_live(out: &mut Vec<u8>, live: Live, input: &Input<'_>) {
    let at = input.at;
    match live {
        Live::SourceMs => json::integer(out, at.commit_time_us.div_euclid(1000)),
        Live::SourceUs => json::integer(out, at.commit_time_us),
        Live::SourceNs => json::integer(out, at.commit_time_us.saturating_mul(1000)),
        // The field's default, which Debezium's transformations leave out.
        Live::Snapshot if at.snapshot == SnapshotMark::False => out.extend_from_slice(b"null"),
        Live::Snapshot => json::string(out, at.snapshot.text().as_bytes()),
        Live::Sequence => {
            out.extend_from_slice(b"\"[");
            begin_sequence(out, at);
            json::integer(out, at.lsn.0);
            out.extend_from_slice(b"\\\"]\"");
        }
        Live::Xid => json::maybe_integer(out, at.xid),
        Live::Lsn => json::maybe_integer(out, at.told_lsn().map(|lsn| lsn.0)),
        Live::Xmin => json::maybe_integer(out, at.xmin),
        Live::TransactionId | Live::TotalOrder | Live::TableOrder => match (input.place, at.xid) {
            (Some((total, of_table)), Some(xid)) => match live {
                Live::TotalOrder => json::integer(out, total),
                Live::TableOrder => json::integer(out, of_table),
                _ => transaction::id(out, xid, at),
            },
            _ => out.extend_from_slice(b"null"),
        },
        Live::NowMs => json::integer(out, input.now_ns / 1_000_000),
        Live::NowUs => json::integer(out, input.now_ns / 1000),
        Live::NowNs => json::integer(out, input.now_ns),
    }
}

impl Headers {
    /// Puts a record's own headers into `block`, which is empty; nothing where all have the same.
    pub fn write(
        &self,
        block: &mut HeaderBlock,
        scratch: &mut Vec<u8>,
        other_key: &[u8],
        input: &Input<'_>,
        mut source: impl FnMut(&mut Vec<u8>),
    ) -> Result<(), BadValue> {
        let Self::Each(each) = self else { return Ok(()) };
        for (name, pieces) in each {
            match pieces {
                HeaderPieces::Bytes(bytes) => block.push(name, bytes),
                HeaderPieces::OtherKey => block.push(name, other_key),
                HeaderPieces::Value(pieces, bare) => {
                    scratch.clear();
                    pieces.write(scratch, input, &mut source)?;
                    match scratch.as_slice() {
                        b"null" if *bare => block.push_null(name),
                        [b'"', text @ .., b'"'] if *bare && !text.contains(&b'\\') => block.push(name, text),
                        [b'"', ..] if *bare => match serde_json::from_slice::<String>(scratch) {
                            Ok(text) => block.push(name, text.as_bytes()),
                            Err(_) => block.push(name, scratch),
                        },
                        _ => block.push(name, scratch),
                    }
                }
            }
        }
        Ok(())
    }
}
