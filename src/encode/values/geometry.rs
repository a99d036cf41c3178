//! PostGIS's `geometry` and `geography`, Debezium's structs of well-known binary; and PostgreSQL's own geometric types
//! (`line` to `circle`), which Debezium publishes only when it is asked for unknown types.
//!
//! PostGIS prints extended well-known binary in hex, and Debezium publishes it as it is:
//! ```text
//! value := byte order u8 (1: little-endian) | type u32, bit 29: a reference system follows | [srid i32] | coordinates
//! ```

use super::{Form, Malformed, ValueSettings, binary};
use crate::config::postgres::BinaryMode;
use crate::encode::json::{self, Alphabet};
use crate::encode::schema::{Kind, Schema};

/// The bit of the type that says that a reference system follows.
const HAS_SRID: i32 = 1 << 29;
/// Hex digits of byte order, type and reference system.
const HEAD_DIGITS: usize = 18;

/// The form of `geometry`, or of `geography`. What stands for an unchanged value has its bytes where others have theirs.
pub fn form(geography: bool, settings: &ValueSettings) -> Form {
    let fields = vec![Schema::from(Kind::Bytes).field("wkb"), Schema::from(Kind::Int32).optional().field("srid")];
    let name = if geography { "Geography" } else { "Geometry" };
    let schema = Schema::new(Kind::Struct(fields)).named(&format!("io.debezium.data.geometry.{name}")).doc(name);
    let schema = if geography { schema } else { schema.optional() };
    let mut unavailable = b"{\"wkb\":".to_vec();
    binary::put(&mut unavailable, &settings.placeholder, BinaryMode::Bytes);
    unavailable.extend_from_slice(b",\"srid\":null}");
    // An empty collection.
    Form::new(geometry, 0, unavailable, br#"{"wkb":"AQcAAAAAAAAA","srid":null}"#, schema)
}

fn geometry(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    let srid = srid(text)?;
    out.extend_from_slice(b"{\"wkb\":");
    binary::put_hex(out, text, Alphabet::Standard)?;
    out.extend_from_slice(b",\"srid\":");
    match srid {
        Some(srid) => json::integer(out, srid),
        None => out.extend_from_slice(b"null"),
    }
    out.push(b'}');
    Ok(())
}

fn srid(hex: &[u8]) -> Result<Option<i32>, Malformed> {
    if !hex.len().is_multiple_of(2) {
        return Err(Malformed);
    }
    let mut head = [0; HEAD_DIGITS / 2];
    let mut length = 0;
    for (byte, pair) in head.iter_mut().zip(hex.chunks_exact(2)) {
        *byte = binary::nibble(pair[0])? << 4 | binary::nibble(pair[1])?;
        length += 1;
    }
    let [order, a, b, c, d, srid @ ..] = head;
    let number = |bytes| if order == 0 { i32::from_be_bytes(bytes) } else { i32::from_le_bytes(bytes) };
    match length {
        0..5 => Err(Malformed),
        _ if number([a, b, c, d]) & HAS_SRID == 0 => Ok(None),
        5..9 => Err(Malformed),
        _ => Ok(Some(number(srid))),
    }
}

/// The form of `line`, `lseg`, `box`, `path`, `polygon` and `circle` with `include.unknown.datatypes`: the bytes of the
/// text that Java makes of them, whose numbers are Java's.
pub fn geometric_form(settings: &ValueSettings) -> Form {
    let inner = binary::text_form(settings);
    Form { write: in_java, element: Some(Box::new(inner.clone())), ..inner }
}

fn in_java(out: &mut Vec<u8>, text: &[u8], form: &Form) -> Result<(), Malformed> {
    let inner = form.element.as_deref().ok_or(Malformed)?;
    let mut javas = Vec::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some(first) = rest.first() {
        if matches!(first, b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'<' | b'>' | b',') {
            javas.push(*first);
            rest = &rest[1..];
            continue;
        }
        let end = rest.iter().position(|byte| matches!(byte, b')' | b']' | b'}' | b'>' | b',')).ok_or(Malformed)?;
        let number: f64 = std::str::from_utf8(&rest[..end]).ok().and_then(|text| text.parse().ok()).ok_or(Malformed)?;
        if number.is_finite() {
            json::double(&mut javas, number);
        } else {
            javas.extend_from_slice(&rest[..end]);
        }
        rest = &rest[end..];
    }
    (inner.write)(out, &javas, inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn write(form: &Form, text: &str) -> Result<String, Malformed> {
        let mut out = Vec::new();
        (form.write)(&mut out, text.as_bytes(), form)?;
        Ok(String::from_utf8(out).expect("UTF-8"))
    }

    #[test]
    fn a_geometry_keeps_its_bytes_and_tells_its_reference_system() {
        let form = form(false, &ValueSettings::default());
        for (text, expected) in [
            ("0101000020E6100000000000000000F03F0000000000000040", r#"{"wkb":"AQEAACDmEAAAAAAAAAAA8D8AAAAAAAAAQA==","srid":4326}"#),
            ("0101000000000000000000F03F0000000000000040", r#"{"wkb":"AQEAAAAAAAAAAADwPwAAAAAAAABA","srid":null}"#),
            ("0020000001000010E63FF00000000000004000000000000000", r#"{"wkb":"ACAAAAEAABDmP/AAAAAAAABAAAAAAAAAAA==","srid":4326}"#),
        ] {
            assert_eq!(write(&form, text).as_deref(), Ok(expected));
        }
        for wrong in ["", "01", "010100002", "0101000020", "0101000020E61000", "01010000zz"] {
            assert_eq!(write(&form, wrong), Err(Malformed), "{wrong}");
        }
        assert_eq!(&*form.unavailable, br#"{"wkb":"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==","srid":null}"#);
    }

    #[test]
    fn geometric_values_as_bytes_have_javas_numbers() {
        let settings = ValueSettings { unknown_as_bytes: true, binary: BinaryMode::Hex, ..ValueSettings::default() };
        let form = geometric_form(&settings);
        let hex = |text: &str| format!("\"{}\"", text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>());
        for (text, expected) in [
            ("{1,2,3}", "{1.0,2.0,3.0}"),
            ("[(1,2),(3,4)]", "[(1.0,2.0),(3.0,4.0)]"),
            ("(3,4),(1,2)", "(3.0,4.0),(1.0,2.0)"),
            ("<(1.5,-2e+20),Infinity>", "<(1.5,-2.0E20),Infinity>"),
        ] {
            assert_eq!(write(&form, text), Ok(hex(expected)));
        }
        assert_eq!(write(&form, "(1,x)"), Err(Malformed));
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_not_panicked_on(bytes in proptest::collection::vec(any::<u8>(), 0..60), digits in "[0-9A-F]{0,40}", text in "[0-9(),<>.eE\\-]{0,20}") {
            let settings = ValueSettings::default();
            for form in [form(false, &settings), form(true, &settings), geometric_form(&settings)] {
                for text in [&bytes[..], digits.as_bytes(), text.as_bytes()] {
                    let _ = (form.write)(&mut Vec::new(), text, &form);
                }
            }
        }
    }
}
