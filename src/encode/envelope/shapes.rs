//! The records of a table as shapes, one for each kind of change: what transformations begin with.

use super::schema;
use super::source::SourceBlock;
use crate::change::Op;
use crate::encode::header::text_of;
use crate::encode::plan::{ColumnPlan, EventSettings, RelationPlan};
use crate::encode::schema::{Kind, Schema};
use crate::encode::transform::shape::{Content, Header, HeaderContent, Live, Node, Shape};
use crate::record::view;

/// A kind of record that a row change becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// A row of the snapshot.
    Read,
    /// An insert.
    Create,
    /// An update whose old row is not known.
    Update,
    /// An update with its old row.
    UpdateWithOld,
    /// A delete.
    Delete,
    /// What follows a delete.
    Tombstone,
    /// A truncate.
    Truncate,
    /// The delete of a row whose key changes.
    MovedDelete,
    /// What follows it.
    MovedTombstone,
    /// The create of a row whose key changes.
    MovedCreate,
}

impl Case {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Read,
        Self::Create,
        Self::Update,
        Self::UpdateWithOld,
        Self::Delete,
        Self::Tombstone,
        Self::Truncate,
        Self::MovedDelete,
        Self::MovedTombstone,
        Self::MovedCreate,
    ];

    const fn op(self) -> Op {
        match self {
            Self::Read => Op::Read,
            Self::Create | Self::MovedCreate => Op::Create,
            Self::Update | Self::UpdateWithOld => Op::Update,
            Self::Delete | Self::Tombstone | Self::MovedDelete | Self::MovedTombstone => Op::Delete,
            Self::Truncate => Op::Truncate,
        }
    }

    /// The key is that of the old row.
    const fn is_of_old(self) -> bool {
        matches!(self.op(), Op::Delete)
    }

    /// The header that names the other key of a moved row.
    const fn other_key(self) -> Option<&'static str> {
        match self {
            Self::MovedDelete | Self::MovedTombstone => Some(super::NEW_KEY_HEADER),
            Self::MovedCreate => Some(super::OLD_KEY_HEADER),
            _ => None,
        }
    }
}

/// The record of a kind of change.
pub fn shape(plan: &RelationPlan, settings: &EventSettings, case: Case) -> Shape {
    let relation = &plan.relation;
    let topic = settings.topic_name(&relation.schema, &relation.table);
    let schemas = settings.schema_name(&relation.schema, &relation.table);
    let has_key = plan.has_key() && case != Case::Truncate;
    let key = has_key.then(|| {
        let name = format!("{schemas}.Key");
        let mut fields = nodes(plan, &plan.key, case.is_of_old());
        fields.extend(plan.table_field.as_ref().map(|(name, table)| (name.clone(), Node::text(table, false))));
        Node::of(Schema::of_struct(&name, Vec::new()), fields)
    });
    let mut headers = Vec::new();
    if let Some(name) = case.other_key() {
        headers.push(Header { name: name.to_owned(), content: HeaderContent::OtherKey });
    }
    headers.extend(
        view::read_headers(plan.headers.headers())
            .map(|(name, value)| (name, text_of(settings.header_converter, value.unwrap_or_default())))
            .map(|(name, text)| Header { name: name.to_owned(), content: HeaderContent::Bytes(text) }),
    );
    let value = (!matches!(case, Case::Tombstone | Case::MovedTombstone)).then(|| envelope(plan, settings, &schemas, case));
    Shape { topic, routed: None, key, value, headers, conditions: Vec::new(), partition: None, timestamp: None }
}

fn nodes(plan: &RelationPlan, columns: &[ColumnPlan], old: bool) -> Vec<(Box<str>, Node)> {
    schema::fields(&plan.relation, columns)
        .into_iter()
        .zip(columns)
        .map(|(field, column)| {
            let content = Content::Column { old, index: column.index, form: column.form.clone(), null: column.null.clone() };
            (field.name, Node { schema: field.schema, content })
        })
        .collect()
}

fn envelope(plan: &RelationPlan, settings: &EventSettings, name: &str, case: Case) -> Node {
    let relation = &plan.relation;
    let row = schema::row(name, relation, &plan.columns).optional();
    let row_of = |there: bool, old: bool| {
        if there {
            Node::of(Schema { kind: Kind::Struct(Vec::new()), ..row.clone() }, nodes(plan, &plan.columns, old))
        } else {
            Node { schema: row.clone(), content: Content::Null }
        }
    };
    let op = case.op();
    let number = |live| Node { schema: Schema::from(Kind::Int64).optional(), content: Content::Live(live) };
    let source = Node {
        schema: schema::source().schema,
        content: Content::Source(SourceBlock::constants(settings, &relation.schema, &relation.table)),
    };
    let fields = vec![
        ("before".into(), row_of(matches!(case, Case::UpdateWithOld | Case::Delete | Case::MovedDelete), true)),
        ("after".into(), row_of(matches!(op, Op::Read | Op::Create | Op::Update), false)),
        ("source".into(), source),
        ("transaction".into(), Node { schema: schema::transaction().schema, content: Content::Transaction }),
        ("op".into(), Node::text(op.letter(), false)),
        ("ts_ms".into(), number(Live::NowMs)),
        ("ts_us".into(), number(Live::NowUs)),
        ("ts_ns".into(), number(Live::NowNs)),
    ];
    Node::of(Schema::of_struct(&format!("{name}.Envelope"), Vec::new()).version(2), fields)
}
