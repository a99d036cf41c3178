//! Values that must not be seen: cut, hidden behind stars, or hashed. A mask is a form around a column's own.
//!
//! Byte for byte Debezium's results: stars stand for NULL too; NULL has no hash; what stands for a value that was not sent
//! is cut and hashed like a value. What can be cut is what its converter makes a string or bytes of. Its hashes and stars are
//! for character columns only and pass by all others without a word: here every column that is published as its text has
//! them (citext, uuid, json, ...), and [`applies`] tells of the rest. Keys are not masked, in Debezium neither.

use md5::Md5;
use sha1::Sha1;
use sha2::digest::{Digest, Update};
use sha2::{Sha224, Sha256, Sha384, Sha512, Sha512_224, Sha512_256};
use sha3::{Sha3_224, Sha3_256, Sha3_384, Sha3_512};

use super::{Form, Malformed, ValueSettings};
use crate::change::{Column, TypeKind};
use crate::config::postgres::masks::{ColumnHash, HashAlgorithm};
use crate::config::postgres::{BinaryMode, ColumnMask, DecimalMode, HstoreMode, IntervalMode, TimePrecision};
use crate::encode::json;

/// What a masked form does with what its inner form (`element`) writes.
#[derive(Clone, Debug)]
pub enum Mask {
    /// Cuts the JSON string.
    Text(usize),
    /// Cuts the bytes before they become text.
    Bytes(usize),
    /// Writes this instead.
    Constant(Box<[u8]>),
    /// Writes the hash, at most so many digits of it.
    Hash(Box<Salted>, usize),
}

/// A column of a type that this mask leaves as it is: false, and its values are published.
pub fn applies(column: &Column, mask: &ColumnMask, settings: &ValueSettings) -> bool {
    match mask {
        ColumnMask::Truncate(_) => can_be_cut(&column.kind, settings),
        ColumnMask::Stars(_) | ColumnMask::Hash(_) => is_text(&column.kind, settings),
    }
}

/// `form` with a mask around it, and what NULL is written as then. Both come back as they are where the mask does not apply.
pub fn masked(form: Form, null: Box<[u8]>, column: &Column, mask: &ColumnMask, settings: &ValueSettings) -> (Form, Box<[u8]>) {
    let (form, cut_to) = match mask {
        // A column that cannot be longer is not looked at.
        ColumnMask::Truncate(length) if width(column) <= *length => return (form, null),
        ColumnMask::Truncate(length) => {
            let form = told(form, "truncateLength", &length.to_string());
            if !can_be_cut(&column.kind, settings) {
                return (form, null);
            }
            (form, *length)
        }
        // Its schema says so all the same, in Debezium too.
        _ if !is_text(&column.kind, settings) => return (told(form, "masked", "true"), null),
        _ => (told(form, "masked", "true"), declared_length(column).filter(|length| *length > 0).unwrap_or(usize::MAX)),
    };
    let mask = match mask {
        ColumnMask::Truncate(_) if column.kind == TypeKind::Bytea && settings.binary == BinaryMode::Bytes => Mask::Bytes(cut_to),
        ColumnMask::Truncate(_) => Mask::Text(cut_to),
        ColumnMask::Stars(count) => {
            let mut stars = vec![b'"'];
            stars.resize(count + 1, b'*');
            stars.push(b'"');
            Mask::Constant(stars.into())
        }
        ColumnMask::Hash(hash) => Mask::Hash(Box::new(Salted::new(hash)), cut_to),
    };
    // NULL stays NULL, and what the converter writes for it, its default.
    let null = if column.nullable && !matches!(mask, Mask::Constant(_)) { null } else { mask.of_json(&null, settings) };
    let unavailable = mask.of_json(&form.unavailable, settings);
    let zero = mask.of_json(&form.zero, settings);
    let (scale, schema) = (form.scale, form.schema.clone());
    (Form { write, scale, unavailable, zero, schema, element: Some(Box::new(form)), mask: Some(Box::new(mask)) }, null)
}

/// With a parameter more in its schema.
fn told(mut form: Form, name: &str, value: &str) -> Form {
    form.schema = Box::new(form.schema.parameter(name, value));
    form
}

/// A column's length, as PostgreSQL's JDBC driver tells it to Debezium, which looks at it before it cuts.
fn width(column: &Column) -> usize {
    let digits = |digits: u8| if digits == 0 { 0 } else { usize::from(digits) + 1 };
    match &column.kind {
        TypeKind::Bool => 1,
        TypeKind::Int2 => 5,
        TypeKind::Int4 | TypeKind::Oid => 10,
        TypeKind::Int8 => 19,
        TypeKind::Float4 => 8,
        TypeKind::Float8 => 17,
        TypeKind::Numeric(Some((precision, _))) => usize::from(*precision),
        TypeKind::Date => 13,
        TypeKind::Time(precision) => 8 + digits(*precision),
        TypeKind::TimeTz => 21,
        TypeKind::Timestamp(precision) => 22 + digits(*precision),
        TypeKind::TimestampTz(precision) => 28 + digits(*precision),
        TypeKind::Interval => 49,
        TypeKind::Bit(Some(length)) => usize::try_from(*length).unwrap_or(usize::MAX),
        _ => declared_length(column).unwrap_or(usize::MAX),
    }
}

/// Published as PostgreSQL's text. A type that is new here is taken for text: better hidden than shown.
fn is_text(kind: &TypeKind, settings: &ValueSettings) -> bool {
    match kind {
        TypeKind::Bool | TypeKind::Int2 | TypeKind::Int4 | TypeKind::Int8 | TypeKind::Oid => false,
        TypeKind::Float4 | TypeKind::Float8 | TypeKind::Numeric(_) | TypeKind::Money(_) | TypeKind::Bytea | TypeKind::Bit(_) => false,
        TypeKind::Date | TypeKind::Time(_) | TypeKind::TimeTz | TypeKind::Timestamp(_) | TypeKind::TimestampTz(_) => false,
        TypeKind::Interval | TypeKind::Point | TypeKind::Array(_) | TypeKind::Geometry | TypeKind::Geography => false,
        TypeKind::Vector | TypeKind::HalfVector | TypeKind::SparseVector => false,
        TypeKind::Hstore => settings.hstore == HstoreMode::Json,
        _ => true,
    }
}

/// `n` of `varchar(n)` and `char(n)`; 1 for `"char"`.
fn declared_length(column: &Column) -> Option<usize> {
    match column.kind {
        TypeKind::Text => usize::try_from(column.type_mod.checked_sub(4)?).ok(),
        TypeKind::Char => Some(1),
        _ => None,
    }
}

/// Its values are a string in Debezium, or bytes.
fn can_be_cut(kind: &TypeKind, settings: &ValueSettings) -> bool {
    let iso = settings.time == TimePrecision::IsoString;
    match kind {
        TypeKind::Numeric(_) => settings.decimal == DecimalMode::String,
        TypeKind::Bytea | TypeKind::TimeTz | TypeKind::TimestampTz(_) => true,
        TypeKind::Date | TypeKind::Time(_) | TypeKind::Timestamp(_) => iso,
        TypeKind::Interval => settings.interval == IntervalMode::String,
        kind => is_text(kind, settings),
    }
}

impl Mask {
    /// Of a constant: JSON in, JSON out. What is no string stays, but for stars.
    fn of_json(&self, constant: &[u8], settings: &ValueSettings) -> Box<[u8]> {
        let mut out = Vec::new();
        match self {
            Self::Constant(stars) => return stars.clone(),
            Self::Text(length) => {
                out.extend_from_slice(constant);
                cut(&mut out, 0, *length);
            }
            // Only the mark of a value that was not sent has bytes.
            Self::Bytes(length) if constant.len() > 2 && constant.starts_with(b"\"") => {
                let kept = settings.placeholder.get(..*length).unwrap_or(&settings.placeholder);
                out.push(b'"');
                json::base64(&mut out, kept, json::Alphabet::Standard);
                out.push(b'"');
            }
            Self::Hash(salted, length) => match serde_json::from_slice::<String>(constant) {
                Ok(text) => salted.write(&mut out, text.as_bytes(), *length),
                Err(_) => out.extend_from_slice(constant),
            },
            Self::Bytes(_) => out.extend_from_slice(constant),
        }
        out.into()
    }
}

fn write(out: &mut Vec<u8>, text: &[u8], form: &Form) -> Result<(), Malformed> {
    let (Some(inner), Some(mask)) = (form.element.as_deref(), form.mask.as_deref()) else { return Err(Malformed) };
    match mask {
        Mask::Constant(stars) => out.extend_from_slice(stars),
        Mask::Bytes(length) => {
            // Two digits a byte, behind `\x`.
            let kept = text.get(..length.saturating_mul(2).saturating_add(2)).unwrap_or(text);
            (inner.write)(out, kept, inner)?;
        }
        Mask::Text(length) => {
            let start = out.len();
            (inner.write)(out, text, inner)?;
            cut(out, start, *length);
        }
        Mask::Hash(salted, length) => salted.write(out, text, *length),
    }
    Ok(())
}

/// Cuts the JSON string that begins at `start` to so many characters, as Java counts: one of four bytes is two, and stands
/// there as two escapes, of which the first may stay alone.
fn cut(out: &mut Vec<u8>, start: usize, length: usize) {
    if out.get(start) != Some(&b'"') {
        return;
    }
    let mut at = start + 1;
    for _ in 0..length {
        at += match out.get(at) {
            None | Some(b'"') => return,
            Some(b'\\') if out.get(at + 1) == Some(&b'u') => 6,
            Some(b'\\') => 2,
            Some(0..0x80) => 1,
            Some(0x80..0xe0) => 2,
            Some(0xe0..) => 3,
        };
    }
    if at < out.len() {
        out.truncate(at);
        out.push(b'"');
    }
}

/// A digest that has taken in the salt, and how it takes in values.
#[derive(Clone, Debug)]
pub struct Salted {
    digest: Salt,
    serialized: bool,
}

macro_rules! digests {
    ($($name:ident($kind:ty) = $algorithm:ident),* $(,)?) => {
        #[derive(Clone, Debug)]
        enum Salt { $($name($kind)),* }

        impl Salted {
            fn new(hash: &ColumnHash) -> Self {
                let salt = hash.salt.as_bytes();
                let digest = match hash.algorithm {
                    $(HashAlgorithm::$algorithm => Salt::$name(<$kind>::new_with_prefix(salt))),*
                };
                Self { digest, serialized: hash.serialized }
            }

            /// Appends the hash as a JSON string.
            fn write(&self, out: &mut Vec<u8>, text: &[u8], length: usize) {
                match &self.digest {
                    $(Salt::$name(salted) => hash(salted, self.serialized, out, text, length)),*
                }
            }
        }
    };
}

digests! {
    Md5(Md5) = Md5, Sha1(Sha1) = Sha1,
    Sha224(Sha224) = Sha224, Sha256(Sha256) = Sha256, Sha384(Sha384) = Sha384, Sha512(Sha512) = Sha512,
    Sha512T224(Sha512_224) = Sha512T224, Sha512T256(Sha512_256) = Sha512T256,
    Sha3T224(Sha3_224) = Sha3T224, Sha3T256(Sha3_256) = Sha3T256, Sha3T384(Sha3_384) = Sha3T384, Sha3T512(Sha3_512) = Sha3T512,
}

fn hash<D: Digest + Update + Clone>(salted: &D, serialized: bool, out: &mut Vec<u8>, text: &[u8], length: usize) {
    let mut digest = salted.clone();
    if serialized {
        serialize(&mut digest, text)
    } else {
        Update::update(&mut digest, text)
    }
    out.push(b'"');
    let digits = digest.finalize();
    let digits = digits.iter().flat_map(|byte| [byte >> 4, byte & 15]).take(length);
    out.extend(digits.map(|digit| HEX.get(usize::from(digit)).copied().unwrap_or(b'0')));
    out.push(b'"');
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Java's serialization of a string: a stream's head, a kind that depends on the length, the length, the text in "modified
/// UTF-8", where a character beyond 16 bits is two of three bytes each.
fn serialize(digest: &mut impl Update, text: &[u8]) {
    let wide = text.iter().filter(|byte| **byte >= 0xf0).count();
    let length = text.len() + 2 * wide;
    digest.update(&[0xac, 0xed, 0x00, 0x05]);
    match u16::try_from(length) {
        Ok(length) => {
            digest.update(b"t");
            digest.update(&length.to_be_bytes());
        }
        Err(_) => {
            digest.update(b"|");
            digest.update(&(length as u64).to_be_bytes());
        }
    }
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte >= 0xf0) {
        let (before, from) = rest.split_at(at);
        digest.update(before);
        let (character, after) = from.split_at(from.len().min(4));
        match std::str::from_utf8(character).ok().and_then(|text| text.chars().next()) {
            Some(character) => {
                for half in character.encode_utf16(&mut [0; 2]) {
                    let [low, high] = half.to_le_bytes();
                    digest.update(&[0xe0 | high >> 4, 0x80 | (high << 2 & 0x3c) | low >> 6, 0x80 | (low & 0x3f)]);
                }
            }
            None => digest.update(character),
        }
        rest = after;
    }
    digest.update(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::values::choose;

    fn column(kind: TypeKind, type_mod: i32) -> Column {
        Column { name: "c".into(), type_oid: 0, type_mod, kind, nullable: true, default: None, key_ordinal: None, type_name: "".into() }
    }

    fn shown(kind: TypeKind, type_mod: i32, mask: &ColumnMask, text: &str) -> String {
        let settings = ValueSettings::default();
        let column = column(kind, type_mod);
        let (form, _) = masked(choose(&column.kind, &settings), b"null"[..].into(), &column, mask, &settings);
        let mut out = b"{\"c\":".to_vec();
        (form.write)(&mut out, text.as_bytes(), &form).expect("a value");
        String::from_utf8(out.split_off(5)).expect("UTF-8")
    }

    #[test]
    fn text_is_cut_by_javas_characters() {
        for (text, length, expected) in [
            ("abc", 3, "\"abc\""),
            ("abcd", 3, "\"abc\""),
            ("a\"\nb", 3, "\"a\\\"\\n\""),
            ("é€x", 2, "\"é€\""),
            ("a😀b", 2, "\"a\\uD83D\""),
            ("a😀b", 3, "\"a\\uD83D\\uDE00\""),
            ("", 3, "\"\""),
            ("abc", 0, "\"\""),
        ] {
            assert_eq!(shown(TypeKind::Text, -1, &ColumnMask::Truncate(length), text), expected, "{text} {length}");
        }
        assert_eq!(shown(TypeKind::Bytea, -1, &ColumnMask::Truncate(2), "\\x0102ff"), "\"AQI=\"");
        assert_eq!(shown(TypeKind::Int4, -1, &ColumnMask::Truncate(2), "12345"), "12345");
        assert_eq!(shown(TypeKind::Numeric(Some((9, 2))), -1, &ColumnMask::Truncate(2), "1.10"), "\"bg==\"");
    }

    #[test]
    fn a_column_that_cannot_be_longer_is_not_cut() {
        assert_eq!(shown(TypeKind::Text, 4 + 3, &ColumnMask::Truncate(3), "😀😀😀"), "\"\\uD83D\\uDE00\\uD83D\\uDE00\\uD83D\\uDE00\"");
        assert_eq!(shown(TypeKind::Text, 4 + 4, &ColumnMask::Truncate(3), "😀😀"), "\"\\uD83D\\uDE00\\uD83D\"");
    }

    #[test]
    fn stars_and_hashes_are_for_what_is_text() {
        let stars = ColumnMask::Stars(3);
        assert_eq!(shown(TypeKind::Uuid, -1, &stars, "b68a35a7-17ad-35b3-af2a-ae46edb4545a"), "\"***\"");
        assert_eq!(shown(TypeKind::Int4, -1, &stars, "5"), "5");
        assert!(!applies(&column(TypeKind::Int4, -1), &stars, &ValueSettings::default()));
        let (form, null) = masked(
            choose(&TypeKind::Text, &ValueSettings::default()),
            b"null"[..].into(),
            &column(TypeKind::Text, -1),
            &stars,
            &ValueSettings::default(),
        );
        assert_eq!((&*null, &*form.unavailable), (&b"\"***\""[..], &b"\"***\""[..]));
    }

    #[test]
    fn long_and_wide_texts_are_serialized_as_java_does() {
        #[derive(Default)]
        struct Fed(Vec<u8>);
        impl Update for Fed {
            fn update(&mut self, data: &[u8]) {
                self.0.extend_from_slice(data);
            }
        }
        let mut fed = Fed::default();
        serialize(&mut fed, "a😀b".as_bytes());
        assert_eq!(fed.0, b"\xac\xed\x00\x05t\x00\x08a\xed\xa0\xbd\xed\xb8\x80b");
        let mut fed = Fed::default();
        serialize(&mut fed, &[b'a'; 65_536]);
        assert_eq!((&fed.0[4..13], fed.0.len()), (&b"|\0\0\0\0\0\x01\0\0"[..], 13 + 65_536));
    }
}
