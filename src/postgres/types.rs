//! Type object ids to [`TypeKind`]: built-in ones by number, others by what the catalogue says.

use crate::change::TypeKind;

/// A type as `pg_type` describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeRow {
    /// `typname`.
    pub name: String,
    /// `typtype`: b(ase), c(omposite), d(omain), e(num), p(seudo), r(ange), m(ultirange).
    pub kind: u8,
    /// `typelem` of a true array, else 0.
    pub element: u32,
    /// What stands between a true array's elements.
    pub delimiter: u8,
    /// `typbasetype` of a domain, else 0.
    pub base: u32,
    /// `typtypmod` of a domain, else -1.
    pub base_mod: i32,
    /// Labels of an enum in their order, with commas between; else empty.
    pub labels: String,
}

/// Domains and arrays nest; nobody nests this deep.
const DEPTH_MAX: usize = 16;

/// The kind of a type; `lookup` knows those that are not built in.
pub fn kind(oid: u32, type_mod: i32, lookup: &dyn Fn(u32) -> Option<TypeRow>) -> TypeKind {
    nested(oid, type_mod, lookup, DEPTH_MAX)
}

fn nested(oid: u32, type_mod: i32, lookup: &dyn Fn(u32) -> Option<TypeRow>, depth: usize) -> TypeKind {
    if let Some(kind) = built_in(oid, type_mod) {
        return kind;
    }
    if let Some(element) = array_element(oid) {
        return TypeKind::Array(Box::new(nested(element, type_mod, lookup, depth)));
    }
    if oid == NAME_ARRAY {
        return TypeKind::Array(Box::new(TypeKind::Other("name".into())));
    }
    let Some(row) = lookup(oid).filter(|_| depth > 0) else { return TypeKind::Other(format!("type {oid}").into()) };
    match row.kind {
        b'e' => TypeKind::Enum(row.labels.into()),
        b'd' => nested(row.base, if type_mod >= 0 { type_mod } else { row.base_mod }, lookup, depth - 1),
        b'b' if row.element != 0 => {
            let element = nested(row.element, type_mod, lookup, depth - 1);
            match element.delimiter() == row.delimiter {
                true if lookup(row.element).is_some_and(|row| row.kind == b'd') => {
                    TypeKind::Array(Box::new(TypeKind::Domain(Box::new(element))))
                }
                true => TypeKind::Array(Box::new(element)),
                false => TypeKind::Other(row.name.into()),
            }
        }
        b'b' => of_extension(&row.name).unwrap_or_else(|| TypeKind::Other(row.name.into())),
        _ => TypeKind::Other(row.name.into()),
    }
}

/// Types of extensions that Debezium knows, too, by their names: object ids differ from database to database.
fn of_extension(name: &str) -> Option<TypeKind> {
    Some(match name {
        "citext" | "isbn" => TypeKind::Text,
        "hstore" => TypeKind::Hstore,
        "ltree" => TypeKind::Ltree,
        "geometry" => TypeKind::Geometry,
        "geography" => TypeKind::Geography,
        "vector" => TypeKind::Vector,
        "halfvec" => TypeKind::HalfVector,
        "sparsevec" => TypeKind::SparseVector,
        _ => return None,
    })
}

/// A column's modifier; a domain's column has that of its base.
pub fn modifier(oid: u32, type_mod: i32, lookup: &dyn Fn(u32) -> Option<TypeRow>) -> i32 {
    let (mut oid, mut type_mod) = (oid, type_mod);
    for _ in 0..DEPTH_MAX {
        match lookup(oid) {
            Some(row) if type_mod < 0 && row.kind == b'd' => (oid, type_mod) = (row.base, row.base_mod),
            _ => break,
        }
    }
    type_mod
}

/// True for `money` and arrays of it.
pub fn is_money(kind: &TypeKind) -> bool {
    match kind {
        TypeKind::Money(_) => true,
        TypeKind::Array(element) | TypeKind::Domain(element) => is_money(element),
        _ => false,
    }
}

/// `money` with the digits of the server's locale.
pub fn with_money_digits(kind: TypeKind, digits: u8) -> TypeKind {
    match kind {
        TypeKind::Money(_) => TypeKind::Money(digits),
        TypeKind::Array(element) => TypeKind::Array(Box::new(with_money_digits(*element, digits))),
        TypeKind::Domain(base) => TypeKind::Domain(Box::new(with_money_digits(*base, digits))),
        other => other,
    }
}

/// Digits of a second of a time type.
fn digits(type_mod: i32) -> u8 {
    u8::try_from(type_mod).ok().filter(|digits| *digits <= 6).unwrap_or(6)
}

/// Precision and scale out of numeric's modifier; a scale is 11 bits with a sign since PostgreSQL 15.
fn numeric(type_mod: i32) -> Option<(u16, i16)> {
    let packed = type_mod.checked_sub(4).filter(|packed| *packed >= 0)?;
    let scale = ((packed & 0x7ff) ^ 0x400) - 0x400;
    Some(((packed >> 16) as u16, scale as i16))
}

/// Built-in types by object id (`pg_type.dat`).
fn built_in(oid: u32, type_mod: i32) -> Option<TypeKind> {
    Some(match oid {
        16 => TypeKind::Bool,
        21 => TypeKind::Int2,
        23 => TypeKind::Int4,
        20 => TypeKind::Int8,
        26 => TypeKind::Oid,
        700 => TypeKind::Float4,
        701 => TypeKind::Float8,
        1700 => TypeKind::Numeric(numeric(type_mod)),
        // Of the server's locale, which the catalogue is asked for.
        790 => TypeKind::Money(2),
        // text, varchar, bpchar, name; inet, cidr, macaddr, macaddr8; the ranges.
        142 => TypeKind::Xml,
        3614 => TypeKind::Tsvector,
        25 | 1043 | 1042 | 19 | 869 | 650 | 829 | 774 | 3904 | 3906 | 3908 | 3910 | 3912 | 3926 => TypeKind::Text,
        18 => TypeKind::Char,
        17 => TypeKind::Bytea,
        2950 => TypeKind::Uuid,
        114 | 3802 => TypeKind::Json,
        1082 => TypeKind::Date,
        1083 => TypeKind::Time(digits(type_mod)),
        1266 => TypeKind::TimeTz,
        1114 => TypeKind::Timestamp(digits(type_mod)),
        1184 => TypeKind::TimestampTz(digits(type_mod)),
        1186 => TypeKind::Interval,
        1560 => TypeKind::Bit(Some(u32::try_from(type_mod).unwrap_or(1))),
        1562 => TypeKind::Bit(u32::try_from(type_mod).ok()),
        600 => TypeKind::Point,
        601 => TypeKind::Geometric("lseg"),
        602 => TypeKind::Geometric("path"),
        603 => TypeKind::Geometric("box"),
        604 => TypeKind::Geometric("polygon"),
        628 => TypeKind::Geometric("line"),
        718 => TypeKind::Geometric("circle"),
        _ => return None,
    })
}

/// `name[]`, which Debezium does not know, though it knows `name`.
const NAME_ARRAY: u32 = 1003;

/// The element of a built-in array type.
fn array_element(oid: u32) -> Option<u32> {
    const ARRAYS: [(u32, u32); 34] = [
        (791, 790),
        (1000, 16),
        (1005, 21),
        (1007, 23),
        (1016, 20),
        (1028, 26),
        (1021, 700),
        (1022, 701),
        (1231, 1700),
        (1009, 25),
        (1015, 1043),
        (1014, 1042),
        (1002, 18),
        (143, 142),
        (1041, 869),
        (651, 650),
        (1040, 829),
        (775, 774),
        (3905, 3904),
        (3907, 3906),
        (3909, 3908),
        (3911, 3910),
        (3913, 3912),
        (3927, 3926),
        (3643, 3614),
        (1001, 17),
        (2951, 2950),
        (199, 114),
        (3807, 3802),
        (1182, 1082),
        (1183, 1083),
        (1270, 1266),
        (1115, 1114),
        (1185, 1184),
    ];
    ARRAYS.iter().find(|(array, _)| *array == oid).map(|(_, element)| *element)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modifiers_and_user_types_are_understood() {
        let row = |name: &str, kind, element, base, base_mod| TypeRow {
            name: name.into(),
            kind,
            element,
            delimiter: if name == "_geometry" { b':' } else { b',' },
            base,
            base_mod,
            labels: "a,b".into(),
        };
        let lookup = |oid| {
            Some(match oid {
                50_001 => row("mood", b'e', 0, 0, -1),
                50_002 => row("_mood", b'b', 50_001, 0, -1),
                50_003 => row("price", b'd', 0, 1700, ((10 << 16) | 2) + 4),
                50_004 => row("citext", b'b', 0, 0, -1),
                50_005 => row("pair", b'c', 0, 0, -1),
                50_006 => row("loop", b'd', 0, 50_006, -1),
                50_007 => row("geometry", b'b', 0, 0, -1),
                50_008 => row("_geometry", b'b', 50_007, 0, -1),
                // As if its elements stood between commas.
                50_009 => row("_box", b'b', 603, 0, -1),
                50_010 => row("_price", b'b', 50_003, 0, -1),
                50_011 => row("floats", b'r', 0, 0, -1),
                50_012 => row("isbn13", b'b', 0, 0, -1),
                _ => return None,
            })
        };
        let kind = |oid, type_mod| super::kind(oid, type_mod, &lookup);
        assert_eq!(kind(1700, ((5 << 16) | 2) + 4), TypeKind::Numeric(Some((5, 2))));
        assert_eq!(kind(1700, ((5 << 16) | (-2i32 & 0x7ff)) + 4), TypeKind::Numeric(Some((5, -2))));
        assert_eq!(kind(1700, -1), TypeKind::Numeric(None));
        assert_eq!(kind(1184, 3), TypeKind::TimestampTz(3));
        assert_eq!(kind(1185, 3), TypeKind::Array(Box::new(TypeKind::TimestampTz(3))));
        assert_eq!(kind(1185, -1), TypeKind::Array(Box::new(TypeKind::TimestampTz(6))));
        assert_eq!(kind(50_001, -1), TypeKind::Enum("a,b".into()));
        assert_eq!(kind(50_002, -1), TypeKind::Array(Box::new(TypeKind::Enum("a,b".into()))));
        assert_eq!(kind(50_003, -1), TypeKind::Numeric(Some((10, 2))));
        assert_eq!(kind(50_004, -1), TypeKind::Text);
        assert_eq!(kind(50_005, -1), TypeKind::Other("pair".into()));
        assert_eq!(kind(1186, -1), TypeKind::Interval);
        assert_eq!(with_money_digits(kind(791, -1), 3), TypeKind::Array(Box::new(TypeKind::Money(3))));
        assert_eq!((kind(1560, 3), kind(1562, -1)), (TypeKind::Bit(Some(3)), TypeKind::Bit(None)));
        assert_eq!(kind(603, -1), TypeKind::Geometric("box"));
        assert_eq!(kind(50_008, -1), TypeKind::Array(Box::new(TypeKind::Geometry)));
        assert_eq!(kind(50_009, -1), TypeKind::Other("_box".into()));
        assert_eq!(kind(50_010, -1), TypeKind::Array(Box::new(TypeKind::Domain(Box::new(TypeKind::Numeric(Some((10, 2))))))));
        assert_eq!(kind(50_011, -1), TypeKind::Other("floats".into()));
        assert_eq!(kind(50_012, -1), TypeKind::Other("isbn13".into()));
        assert_eq!(kind(3220, -1), TypeKind::Other("type 3220".into()));
        assert!(matches!(kind(50_006, -1), TypeKind::Other(_)));
    }
}
