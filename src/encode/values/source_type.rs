//! What a column is in the database, told in its schema: `column.propagate.source.type`.
//!
//! Length and scale are those that PostgreSQL's JDBC driver tells Debezium's stream, so that what is made of them downstream
//! (a column of the same type, most often) stays the same.

use crate::change::{Column, TypeKind};
use crate::encode::schema::Schema;

/// The driver's length of what has none.
const UNLIMITED: usize = 2_147_483_647;
/// Its length of a `numeric` without precision.
const NUMERIC: usize = 131_089;

/// The schema of a value, with the column's type told.
pub fn told(schema: &Schema, column: &Column) -> Schema {
    schema
        .clone()
        .parameter("__debezium.source.column.type", &column.type_name.to_uppercase())
        .parameter("__debezium.source.column.length", &length(&column.kind, column.type_mod).to_string())
        .parameter("__debezium.source.column.scale", &scale(&column.kind, column.type_mod).to_string())
        .parameter("__debezium.source.column.name", &column.name)
}

fn length(kind: &TypeKind, type_mod: i32) -> usize {
    // A point and the digits of a second behind it; of one digit the driver counts two.
    let second = match type_mod {
        0 => 0,
        1 => 3,
        digits => usize::try_from(digits).unwrap_or(6) + 1,
    };
    let declared = |less: i32| type_mod.checked_sub(less).and_then(|length| usize::try_from(length).ok()).unwrap_or(UNLIMITED);
    match kind {
        TypeKind::Bool | TypeKind::Char => 1,
        TypeKind::Int2 => 5,
        TypeKind::Int4 | TypeKind::Oid => 10,
        TypeKind::Int8 => 19,
        TypeKind::Float4 => 8,
        TypeKind::Float8 => 17,
        TypeKind::Numeric(declared) => declared.map_or(NUMERIC, |(precision, _)| usize::from(precision)),
        TypeKind::Date => 13,
        TypeKind::Time(_) => 8 + second,
        TypeKind::TimeTz => 14 + second,
        TypeKind::Timestamp(_) => 22 + second,
        TypeKind::TimestampTz(_) => 28 + second,
        TypeKind::Interval => 49,
        TypeKind::Bit(_) => declared(0),
        TypeKind::Text => declared(4),
        TypeKind::Array(element) => length(element, type_mod),
        _ => UNLIMITED,
    }
}

fn scale(kind: &TypeKind, type_mod: i32) -> i32 {
    match kind {
        TypeKind::Float4 => 8,
        TypeKind::Float8 => 17,
        TypeKind::Numeric(declared) => declared.map_or(0, |(_, scale)| i32::from(scale)),
        TypeKind::Time(_) | TypeKind::TimeTz | TypeKind::Timestamp(_) | TypeKind::TimestampTz(_) if type_mod < 0 => 6,
        TypeKind::Time(_) | TypeKind::TimeTz | TypeKind::Timestamp(_) | TypeKind::TimestampTz(_) => type_mod,
        TypeKind::Interval if type_mod < 0 => 6,
        TypeKind::Interval => type_mod & 0xffff,
        TypeKind::Array(element) => scale(element, type_mod),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_scales_are_the_drivers() {
        for (kind, type_mod, expected) in [
            (TypeKind::Int4, -1, (10, 0)),
            (TypeKind::Text, -1, (UNLIMITED, 0)),
            (TypeKind::Text, 54, (50, 0)),
            (TypeKind::Numeric(Some((10, 2))), ((10 << 16) | 2) + 4, (10, 2)),
            (TypeKind::Numeric(None), -1, (NUMERIC, 0)),
            (TypeKind::Timestamp(6), -1, (29, 6)),
            (TypeKind::TimestampTz(3), 3, (32, 3)),
            (TypeKind::Array(Box::new(TypeKind::Int8)), -1, (19, 0)),
            (TypeKind::Bit(None), -1, (UNLIMITED, 0)),
        ] {
            assert_eq!((length(&kind, type_mod), scale(&kind, type_mod)), expected, "{kind:?}");
        }
    }
}
