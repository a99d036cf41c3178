//! The shape of a record: its fields and where each comes from.

use super::convert::Convert;
use super::partition::Partition;
use super::rule::{self, Rule};
use super::timestamp::Timestamp;
use crate::config::postgres::transforms::Renaming;
use crate::encode::schema::{Kind, Schema};
use crate::encode::values::Form;

/// A record before any row: what it will hold.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Its topic; what stands before a row is looked at when [`Shape::routed`] says so.
    pub topic: String,
    /// The topic depends on a value of the row.
    pub routed: Option<Routed>,
    /// Its key; `None` for a record without one.
    pub key: Option<Node>,
    /// Its value; `None` for a tombstone.
    pub value: Option<Node>,
    /// Its headers in order.
    pub headers: Vec<Header>,
    /// What must hold of a row, or the record is dropped.
    pub conditions: Vec<Rule>,
    /// What its partition is computed from, when it is not the key.
    pub partition: Option<Partition>,
    /// What its timestamp is, when it is not the time of its processing.
    pub timestamp: Option<Timestamp>,
}

/// A topic that each row names.
#[derive(Clone, Debug)]
pub struct Routed {
    /// How.
    pub by: By,
    /// A record whose payload, this column, is empty has no value.
    pub empty_is_tombstone: Option<usize>,
    /// What the value is made of depends on the row, too.
    pub own_schema: bool,
}

/// What names a topic.
#[derive(Clone, Debug)]
pub enum By {
    /// A column of the new row, and from its text to the topic.
    Column(usize, Renaming),
    /// An expression, and the topic where it names none.
    Rule(Rule, String),
    /// A text, and the topic where it is null or blank.
    Field(rule::Field, String),
}

/// A header.
#[derive(Clone, Debug)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub content: HeaderContent,
}

/// What a header holds.
#[derive(Clone, Debug)]
pub enum HeaderContent {
    /// The same text in every record.
    Bytes(Vec<u8>),
    /// The other key of a row whose key changes.
    OtherKey,
    /// A value of the row or the envelope.
    Value(Node),
}

/// A value with its schema.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is; the fields of a struct stand in its content.
    pub schema: Schema,
    /// Where it comes from.
    pub content: Content,
}

/// Where a value comes from.
#[derive(Clone, Debug)]
pub enum Content {
    /// Always null.
    Null,
    /// The same JSON in every record.
    Constant(Box<[u8]>),
    /// A column of the new row, or of the old one.
    Column {
        /// Of the old row.
        old: bool,
        /// Which column.
        index: usize,
        /// How its values are written.
        form: Form,
        /// What NULL is written as.
        null: Box<[u8]>,
    },
    /// The whole source block; what is the same in all of a table's records, by name, as JSON.
    Source(Vec<(&'static str, Box<[u8]>)>),
    /// The whole transaction block.
    Transaction,
    /// Something that the position or the clock says.
    Live(Live),
    /// Fields in order.
    Struct(Vec<(Box<str>, Node)>),
    /// Something else once it is written.
    Converted(Box<Converted>),
    /// A struct's field that some records do not have.
    Listed(Box<Listed>),
    /// An array: the names of the fields whose two values differ, or, when the flag is not set, of those whose do not.
    Changes(Vec<(Box<str>, [Content; 2])>, bool),
}

/// A field that is left out where a list of [`Content::Changes`] holds its name.
#[derive(Clone, Debug)]
pub struct Listed {
    /// What it is made of.
    pub content: Content,
    /// What is compared.
    pub pair: [Content; 2],
    /// It is left out where they differ; else where they do not.
    pub changed: bool,
}

/// A value that is converted.
#[derive(Clone, Debug)]
pub struct Converted {
    /// What it is made of.
    pub content: Content,
    /// What happens to it.
    pub convert: Convert,
    /// What null is written as.
    pub null: Box<[u8]>,
}

/// What the position or the clock says of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Live {
    /// `source.ts_ms`.
    SourceMs,
    /// `source.ts_us`.
    SourceUs,
    /// `source.ts_ns`.
    SourceNs,
    /// `source.snapshot`.
    Snapshot,
    /// `source.sequence`.
    Sequence,
    /// `source.txId`.
    Xid,
    /// `source.lsn`.
    Lsn,
    /// `source.xmin`.
    Xmin,
    /// `transaction.id`.
    TransactionId,
    /// `transaction.total_order`.
    TotalOrder,
    /// `transaction.data_collection_order`.
    TableOrder,
    /// `ts_ms`.
    NowMs,
    /// `ts_us`.
    NowUs,
    /// `ts_ns`.
    NowNs,
}

impl Live {
    /// Whether it is known only once the event is counted.
    pub const fn is_of_transaction(self) -> bool {
        matches!(self, Self::TransactionId | Self::TotalOrder | Self::TableOrder)
    }
}

impl Node {
    /// A text that is the same in every record.
    pub fn text(text: &str, optional: bool) -> Self {
        let mut json = Vec::new();
        crate::encode::json::string(&mut json, text.as_bytes());
        Self { schema: Schema { optional, ..Kind::String.into() }, content: Content::Constant(json.into()) }
    }

    /// A struct of these fields.
    pub fn of(schema: Schema, fields: Vec<(Box<str>, Self)>) -> Self {
        Self { schema, content: Content::Struct(fields) }
    }

    /// The schema with the fields.
    pub fn whole_schema(&self) -> Schema {
        match &self.content {
            Content::Struct(fields) => {
                let fields = fields.iter().map(|(name, node)| node.whole_schema().field(name)).collect();
                Schema { kind: Kind::Struct(fields), ..self.schema.clone() }
            }
            _ => self.schema.clone(),
        }
    }

    /// The fields, when it is a struct.
    pub fn fields(&self) -> Option<&[(Box<str>, Self)]> {
        if let Content::Struct(fields) = &self.content { Some(fields) } else { None }
    }

    /// The fields, to be changed.
    pub fn fields_mut(&mut self) -> Option<&mut Vec<(Box<str>, Self)>> {
        if let Content::Struct(fields) = &mut self.content { Some(fields) } else { None }
    }

    /// A field by name.
    pub fn field(&self, name: &str) -> Option<&Self> {
        self.fields()?.iter().find(|(field, _)| **field == *name).map(|(_, node)| node)
    }

    /// Whether each record has fields of its own.
    pub fn is_sparse(&self) -> bool {
        self.fields().is_some_and(|fields| fields.iter().any(|(_, node)| matches!(node.content, Content::Listed(_))))
    }

    /// Connect's `copySchemaBasics`: a struct that was built anew is required.
    pub fn required(mut self) -> Self {
        self.schema.optional = false;
        self
    }
}

impl Shape {
    /// What Kafka Connect's transformations do to nulls unless told not to.
    pub fn put_defaults(&mut self) {
        for node in [&mut self.key, &mut self.value].into_iter().flatten() {
            for (_, field) in node.fields_mut().into_iter().flatten() {
                if let Some(default) = &field.schema.default {
                    field.content.put_default(default);
                }
            }
        }
    }
}

impl Content {
    fn put_default(&mut self, default: &[u8]) {
        match self {
            // A mask stands for NULL, too.
            Self::Column { null, form, .. } if form.mask.is_none() => *null = default.into(),
            Self::Converted(converted) => converted.null = default.into(),
            Self::Listed(listed) => listed.content.put_default(default),
            _ => {}
        }
    }
}
