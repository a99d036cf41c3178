//! Partitions by values of the row: `PartitionRouting`, with the hash codes of Java, which `murmur` hashes once more, and the
//! column that `EventRouter` takes for a number.

use num_bigint::{BigInt, Sign};

use super::murmur;
use super::program::{BadValue, Input};
use super::rule::Field;
use super::shape::Node;
use crate::encode::schema::Kind;

/// What a record's partition is computed from.
#[derive(Clone, Debug)]
pub enum Partition {
    /// From hashes of values.
    Hashed {
        /// The values; one that is null counts for nothing.
        parts: Vec<Hashed>,
        /// `partition.hash.function` is `murmur`.
        murmur: bool,
        /// `partition.topic.num`.
        count: u32,
    },
    /// The value is its number.
    Given(Field),
}

/// A value and how Java hashes it.
#[derive(Clone, Debug)]
pub struct Hashed {
    field: Field,
    kind: Width,
}

#[derive(Clone, Copy, Debug)]
enum Width {
    /// A value whose form says it, and numbers of up to 32 bits.
    Plain,
    /// 64 bits.
    Long,
    /// A binary number of 32 bits.
    Float,
}

/// A value to be hashed.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// true or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A binary number.
    Double(f64),
    /// The digits of an exact number.
    Decimal(&'a [u8]),
    /// A text.
    Text(&'a [u8]),
}

impl Partition {
    /// A column that is a partition's number.
    pub fn given(node: &Node) -> Result<Self, String> {
        let is_date = node.schema.name.as_deref().is_some_and(|name| name.starts_with("org.apache.kafka.connect.data."));
        if node.schema.kind != Kind::Int32 || is_date {
            return Err("a partition is an integer of 32 bits".to_owned());
        }
        Ok(Self::Given(Field::as_stored(node)))
    }

    /// The option that says which it is.
    pub const fn option(&self) -> &'static str {
        match self {
            Self::Hashed { .. } => "partition.topic.num",
            Self::Given(_) => "table.fields.additional.placement",
        }
    }

    /// A row's partition; `None` where all values are null: the key decides then.
    pub fn of(&self, scratch: &mut Vec<u8>, input: &Input<'_>, mut source: impl FnMut(&mut Vec<u8>)) -> Result<Option<u32>, BadValue> {
        let (parts, murmur, count) = match self {
            Self::Hashed { parts, murmur, count } => (parts, *murmur, *count),
            Self::Given(field) => {
                let number = field.of(scratch, input, source, |value| if let Value::Int(number) = value { number } else { -1 })?;
                let checked =
                    |number: i64| u32::try_from(number).map_err(|_| BadValue::Transform(format!("there is no partition {number}")));
                return number.map(checked).transpose();
            }
        };
        let (mut total, mut some) = (0_i32, false);
        for Hashed { field, kind } in parts {
            if let Some(hash) = field.of(scratch, input, &mut source, |value| hashed(value, *kind, murmur))? {
                total = total.wrapping_add(hash);
                some = true;
            }
        }
        // As Debezium: the largest number counts as none.
        let total = total.cast_unsigned() & 0x7fff_ffff;
        let total = if total == 0x7fff_ffff { 0 } else { total };
        Ok(some.then(|| total % count.max(1)))
    }
}

fn hashed(value: Value<'_>, width: Width, murmur: bool) -> i32 {
    match value {
        Value::Text(text) if murmur => murmur::of_text(text),
        value if murmur => murmur::of_code(hash(value, width)),
        value => hash(value, width),
    }
}

impl Hashed {
    /// A value of a shape; none where it is always null.
    pub fn new(node: &Node) -> Result<Option<Self>, String> {
        let is_moment = node
            .schema
            .name
            .as_deref()
            .is_some_and(|name| name.starts_with("org.apache.kafka.connect.data.") && !name.ends_with(".Decimal"));
        let kind = match node.schema.kind {
            _ if is_moment => return Err("Connect's times cannot be hashed yet".to_owned()),
            Kind::Int64 => Width::Long,
            Kind::Float => Width::Float,
            Kind::Boolean | Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Double | Kind::String | Kind::Bytes => Width::Plain,
            _ => return Err("a row or a list cannot be hashed yet".to_owned()),
        };
        let field = Field::new(node);
        if node.schema.kind == Kind::Bytes && !field.is_decimal() {
            return Err("bytes cannot be hashed yet".to_owned());
        }
        Ok(field.there().map(|field| Self { field, kind }))
    }
}

/// Java's `hashCode`.
fn hash(value: Value<'_>, width: Width) -> i32 {
    let fold = |bits: u64| ((bits ^ bits >> 32) as u32).cast_signed();
    match value {
        Value::Bool(is) => {
            if is {
                1231
            } else {
                1237
            }
        }
        Value::Int(number) if matches!(width, Width::Long) => fold(number.cast_unsigned()),
        Value::Int(number) => number as i32,
        Value::Double(number) if matches!(width, Width::Float) => {
            let number = number as f32;
            (if number.is_nan() { 0x7fc0_0000 } else { number.to_bits() }).cast_signed()
        }
        Value::Double(number) => fold(if number.is_nan() { 0x7ff8 << 48 } else { number.to_bits() }),
        Value::Text(text) => {
            let units = text.utf8_chunks().flat_map(|chunk| chunk.valid().encode_utf16());
            units.fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()))
        }
        Value::Decimal(digits) => decimal(digits),
    }
}

fn decimal(digits: &[u8]) -> i32 {
    let scale = digits.iter().position(|byte| *byte == b'.').map_or(0, |point| digits.len() - point - 1);
    let unscaled: Vec<u8> = digits.iter().copied().filter(|byte| *byte != b'.').collect();
    let number = BigInt::parse_bytes(&unscaled, 10).unwrap_or_default();
    let (sign, words) = number.to_u32_digits();
    let magnitude = words.iter().rev().fold(0_i32, |hash, word| hash.wrapping_mul(31).wrapping_add(word.cast_signed()));
    let signed = if sign == Sign::Minus { magnitude.wrapping_neg() } else { magnitude };
    signed.wrapping_mul(31).wrapping_add(i32::try_from(scale).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Java 17 says of `Objects.hashCode` of these.
    #[test]
    fn hash_codes_are_javas() {
        for (value, width, expected) in [
            (Value::Int(7), Width::Plain, 7),
            (Value::Int(-70_000), Width::Plain, -70_000),
            (Value::Int(5_000_000_000), Width::Long, 705_032_705),
            (Value::Int(-1), Width::Long, 0),
            (Value::Int(-3), Width::Plain, -3),
            (Value::Bool(true), Width::Plain, 1231),
            (Value::Bool(false), Width::Plain, 1237),
            (Value::Text("Ann é\u{1f600}".as_bytes()), Width::Plain, 811_941_165),
            (Value::Text(b""), Width::Plain, 0),
            (Value::Double(0.5), Width::Plain, 1_071_644_672),
            (Value::Double(-0.0), Width::Plain, i32::MIN),
            (Value::Double(1.5), Width::Float, 1_069_547_520),
            (Value::Double(f64::NAN), Width::Plain, 2_146_959_360),
            (Value::Decimal(b"10.50"), Width::Plain, 32_552),
            (Value::Decimal(b"-12345678901234567890.123"), Width::Plain, -647_166_411),
            (Value::Decimal(b"0.00"), Width::Plain, 2),
        ] {
            assert_eq!(hash(value, width), expected, "{value:?}");
        }
    }
}
