//! Values: PostgreSQL's text form in, Debezium's JSON out. One type family a file; a new type is one file and one line in
//! [`choose`].
//!
//! A writer is a plain function that appends one value. It takes bytes that PostgreSQL sent, and says [`Malformed`] when
//! they are not what the type promises; it never panics. Snapshot and stream use the same writers, so they agree.

pub mod array;
pub mod binary;
pub mod bits;
pub mod geometry;
pub mod hstore;
pub mod interval;
pub mod mask;
pub mod money;
pub mod number;
pub mod numeric;
pub mod point;
pub mod source_type;
pub mod text;
pub mod time;
pub mod vector;

use super::schema::{Kind, Schema};
use crate::change::TypeKind;
use crate::config::postgres::{BinaryMode, DecimalMode, HstoreMode, IntervalMode, NameAdjustment, TimePrecision};

/// The bytes are not a value of the column's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a value of this type")]
pub struct Malformed;

/// Appends one value's JSON.
pub type Write = fn(&mut Vec<u8>, &[u8], &Form) -> Result<(), Malformed>;

/// How values of a connector are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueSettings {
    /// `decimal.handling.mode`.
    pub decimal: DecimalMode,
    /// `money.fraction.digits`.
    pub money_digits: i16,
    /// `include.unknown.datatypes`: values of types nobody knows are bytes, not text.
    pub unknown_as_bytes: bool,
    /// `decimal.format` of the JSON converter: what would be base64 is a number.
    pub decimal_numbers: bool,
    /// `field.name.adjustment.mode`.
    pub field_names: NameAdjustment,
    /// `time.precision.mode`.
    pub time: TimePrecision,
    /// `interval.handling.mode`.
    pub interval: IntervalMode,
    /// `hstore.handling.mode`.
    pub hstore: HstoreMode,
    /// `binary.handling.mode`.
    pub binary: BinaryMode,
    /// `unavailable.value.placeholder`.
    pub placeholder: Vec<u8>,
}

/// Debezium's defaults.
impl Default for ValueSettings {
    fn default() -> Self {
        Self {
            decimal: DecimalMode::Precise,
            money_digits: 2,
            unknown_as_bytes: false,
            decimal_numbers: false,
            field_names: NameAdjustment::None,
            time: TimePrecision::Adaptive,
            interval: IntervalMode::Numeric,
            hstore: HstoreMode::Json,
            binary: BinaryMode::Bytes,
            placeholder: b"__debezium_unavailable_value".to_vec(),
        }
    }
}

/// How the values of one column are written.
#[derive(Clone, Debug)]
pub struct Form {
    /// The function.
    pub write: Write,
    /// Digits after the decimal point, or of a second; what it means is the writer's affair.
    pub scale: i16,
    /// Elements of an array.
    pub element: Option<Box<Form>>,
    /// What happens to what `element` writes, in a column that is masked.
    pub mask: Option<Box<mask::Mask>>,
    /// What an unchanged value that was not sent is written as.
    pub unavailable: Box<[u8]>,
    /// What stands for a NOT NULL value that was not sent and has no default.
    pub zero: Box<[u8]>,
    /// What the values are, whether they may be null left out.
    pub schema: Box<Schema>,
}

impl Form {
    fn new(write: Write, scale: i16, unavailable: Vec<u8>, zero: &[u8], schema: impl Into<Schema>) -> Self {
        let (unavailable, zero, schema) = (unavailable.into(), zero.into(), Box::new(schema.into()));
        Self { write, scale, element: None, mask: None, unavailable, zero, schema }
    }
}

/// Whether Debezium publishes such values without being asked for unknown types.
pub fn is_known(kind: &TypeKind) -> bool {
    match kind {
        TypeKind::Other(_) | TypeKind::Geometric(_) | TypeKind::Domain(_) => false,
        TypeKind::Array(element) => {
            let left_out =
                matches!(**element, TypeKind::Money(_) | TypeKind::Interval | TypeKind::Bit(_) | TypeKind::Point | TypeKind::Xml);
            !left_out && is_known(element)
        }
        _ => true,
    }
}

/// The form of a type.
pub fn choose(kind: &TypeKind, settings: &ValueSettings) -> Form {
    let mut placeholder = Vec::new();
    super::json::string(&mut placeholder, &settings.placeholder);
    let text = |schema: Schema| Form::new(text::text, 0, placeholder.clone(), b"\"\"", schema);
    let data = |name: &str| text(Schema::from(Kind::String).named(&format!("io.debezium.data.{name}")));
    match kind {
        TypeKind::Bool => Form::new(number::boolean, 0, placeholder, b"false", Kind::Boolean),
        TypeKind::Int2 => Form::new(number::integer, 0, placeholder, b"0", Kind::Int16),
        TypeKind::Int4 => Form::new(number::integer, 0, placeholder, b"0", Kind::Int32),
        TypeKind::Int8 | TypeKind::Oid => Form::new(number::integer, 0, placeholder, b"0", Kind::Int64),
        TypeKind::Float4 => Form::new(number::float4, 0, placeholder, b"0.0", Kind::Float),
        TypeKind::Float8 => Form::new(number::float8, 0, placeholder, b"0.0", Kind::Double),
        TypeKind::Numeric(declared) => numeric::form(*declared, settings, placeholder),
        TypeKind::Other(_) | TypeKind::Domain(_) if settings.unknown_as_bytes => binary::text_form(settings),
        TypeKind::Geometric(_) if settings.unknown_as_bytes => geometry::geometric_form(settings),
        TypeKind::Text | TypeKind::Other(_) | TypeKind::Geometric(_) => text(Kind::String.into()),
        TypeKind::Domain(base) => choose(base, settings),
        TypeKind::Money(digits) => money::form(*digits, settings, placeholder),
        TypeKind::Uuid => data("Uuid"),
        TypeKind::Json => data("Json"),
        TypeKind::Xml => data("Xml"),
        TypeKind::Tsvector => data("Tsvector"),
        TypeKind::Ltree => data("Ltree"),
        TypeKind::Enum(labels) => text(Schema::from(Kind::String).named("io.debezium.data.Enum").parameter("allowed", labels)),
        TypeKind::Char => Form::new(text::byte, 0, placeholder, b"\"\"", Kind::String),
        TypeKind::Bytea => binary::form(settings),
        TypeKind::Date => time::date_form(settings.time, placeholder),
        TypeKind::Time(digits) => time::time_form(*digits, settings.time, placeholder),
        TypeKind::TimeTz => time::time_tz_form(placeholder),
        TypeKind::Timestamp(digits) => time::timestamp_form(*digits, settings.time, placeholder),
        TypeKind::TimestampTz(digits) => time::timestamp_tz_form(*digits, placeholder),
        TypeKind::Interval => interval::form(settings.interval, placeholder),
        TypeKind::Bit(length) => bits::form(*length, settings),
        TypeKind::Point => point::form(),
        TypeKind::Geometry => geometry::form(false, settings),
        TypeKind::Geography => geometry::form(true, settings),
        TypeKind::Vector => vector::form(true),
        TypeKind::HalfVector => vector::form(false),
        TypeKind::SparseVector => vector::sparse_form(),
        TypeKind::Hstore => hstore::form(settings),
        TypeKind::Array(element) => array::form(element, settings),
    }
}
