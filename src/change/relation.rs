//! Tables as the stream describes them, with what the catalogue adds.

/// A table's object id; a recreated table of the same name has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelationId(pub u32);

/// Which columns of the old row an UPDATE or DELETE carries (`REPLICA IDENTITY`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaIdentity {
    /// The primary key.
    Default,
    /// None: PostgreSQL refuses updates and deletes of a published table.
    Nothing,
    /// The whole row.
    Full,
    /// A chosen unique index.
    Index,
}

impl ReplicaIdentity {
    /// From `pg_class.relreplident`.
    pub fn from_catalog(letter: u8) -> Option<Self> {
        Some(match letter {
            b'd' => Self::Default,
            b'n' => Self::Nothing,
            b'f' => Self::Full,
            b'i' => Self::Index,
            _ => return None,
        })
    }
}

/// What kind of value a column holds: decides how it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeKind {
    /// `boolean`.
    Bool,
    /// `smallint`.
    Int2,
    /// `integer`.
    Int4,
    /// `bigint`.
    Int8,
    /// `oid`: an unsigned 32-bit number.
    Oid,
    /// `real`.
    Float4,
    /// `double precision`.
    Float8,
    /// `numeric`; precision and scale when declared.
    Numeric(Option<(u16, i16)>),
    /// `money`; how many of its digits stand behind the point on this server.
    Money(u8),
    /// `text`, `varchar`, `char`, `citext`, `name`, and types whose event is their text (inet, ranges, ...).
    Text,
    /// `"char"`: one byte of no encoding.
    Char,
    /// `bytea`.
    Bytea,
    /// `uuid`.
    Uuid,
    /// `json` and `jsonb`.
    Json,
    /// `xml`.
    Xml,
    /// `tsvector`.
    Tsvector,
    /// `ltree`.
    Ltree,
    /// `date`.
    Date,
    /// `time` with its digits of a second, 0 to 6.
    Time(u8),
    /// `time with time zone`.
    TimeTz,
    /// `timestamp` with its digits of a second, 0 to 6.
    Timestamp(u8),
    /// `timestamp with time zone` with its digits of a second, 0 to 6.
    TimestampTz(u8),
    /// `interval`.
    Interval,
    /// `bit(n)` and `bit varying(n)`; no length: `bit varying`.
    Bit(Option<u32>),
    /// `point`.
    Point,
    /// `line`, `lseg`, `box`, `path`, `polygon`, `circle`, by name.
    Geometric(&'static str),
    /// PostGIS's `geometry`.
    Geometry,
    /// PostGIS's `geography`.
    Geography,
    /// pgvector's `vector`.
    Vector,
    /// pgvector's `halfvec`.
    HalfVector,
    /// pgvector's `sparsevec`.
    SparseVector,
    /// `hstore`.
    Hstore,
    /// An enum; its labels in their order, with commas between.
    Enum(Box<str>),
    /// An array of any dimensions.
    Array(Box<TypeKind>),
    /// A domain as the element of an array; a column's domain is as its base type.
    Domain(Box<TypeKind>),
    /// A type without a form of its own yet: its text is sent, and the operator told once.
    Other(Box<str>),
}

impl TypeKind {
    /// What stands between the elements of an array of it.
    pub fn delimiter(&self) -> u8 {
        match self {
            Self::Geometry | Self::Geography => b':',
            Self::Geometric("box") => b';',
            Self::Domain(base) => base.delimiter(),
            _ => b',',
        }
    }
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, as it is.
    pub name: Box<str>,
    /// The type's object id.
    pub type_oid: u32,
    /// The type's modifier, or that of a domain's base; -1 when there is none.
    pub type_mod: i32,
    /// How its values are written.
    pub kind: TypeKind,
    /// Whether it may be NULL, as the catalogue says now.
    pub nullable: bool,
    /// The default's expression, as the catalogue says now.
    pub default: Option<Box<str>>,
    /// Its place in the event's key, from 0.
    pub key_ordinal: Option<u16>,
    /// The type's name, as the catalogue says now.
    pub type_name: Box<str>,
}

/// A table at one moment of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// Its object id.
    pub id: RelationId,
    /// Schema name.
    pub schema: Box<str>,
    /// Table name.
    pub table: Box<str>,
    /// Its replica identity.
    pub identity: ReplicaIdentity,
    /// The columns in the order in which rows carry them.
    pub columns: Box<[Column]>,
}

impl Relation {
    /// `schema.table`, for messages.
    pub fn name(&self) -> String {
        format!("{}.{}", self.schema, self.table)
    }

    /// Indexes of the key's columns in key order; empty for a table without key.
    pub fn key_columns(&self) -> Vec<usize> {
        let mut key: Vec<_> = self.columns.iter().enumerate().filter_map(|(index, column)| Some((column.key_ordinal?, index))).collect();
        key.sort_unstable();
        key.into_iter().map(|(_, index)| index).collect()
    }
}
