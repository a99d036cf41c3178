//! Keys in headers, in the notation of Kafka Connect's `SimpleHeaderConverter`.
//!
//! It is its own: strings have only `\\` and `"` escaped, decimals are numbers in full, and NaN has no quotes. Written only
//! when a key changes.

use super::json;
use super::values::numeric::put_decimal;
use super::values::{Form, Malformed, Write};
use crate::change::TypeKind;

/// Appends a string.
pub fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

/// The writer of a type whose notation is not JSON's.
pub(super) fn writer(kind: &TypeKind, form: &Form) -> Option<Write> {
    match kind {
        TypeKind::Text
        | TypeKind::Enum(_)
        | TypeKind::Uuid
        | TypeKind::Json
        | TypeKind::Xml
        | TypeKind::Tsvector
        | TypeKind::Ltree
        | TypeKind::Geometric(_)
        | TypeKind::Other(_) => Some(text),
        TypeKind::Char => Some(byte),
        TypeKind::Float4 => Some(float4),
        TypeKind::Float8 => Some(float8),
        // In the string mode the zero is a quoted number, in the exact one a quoted base64 or a struct.
        TypeKind::Numeric(Some(_)) if *form.zero == *b"\"AA==\"" => Some(decimal),
        TypeKind::Numeric(_) if *form.zero == *b"0.0" => Some(float8),
        _ => None,
    }
}

fn text(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    string(out, text);
    Ok(())
}

fn byte(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    string(out, String::from_utf8_lossy(text).as_bytes());
    Ok(())
}

fn parse<T: std::str::FromStr>(text: &[u8]) -> Result<T, Malformed> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Malformed)
}

fn float4(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    let value: f32 = parse(text)?;
    if !special(out, f64::from(value)) {
        json::float(out, value);
    }
    Ok(())
}

fn float8(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    let value: f64 = parse(text)?;
    if !special(out, value) {
        json::double(out, value);
    }
    Ok(())
}

fn special(out: &mut Vec<u8>, value: f64) -> bool {
    match value {
        _ if value.is_nan() => out.extend_from_slice(b"NaN"),
        f64::INFINITY => out.extend_from_slice(b"Infinity"),
        f64::NEG_INFINITY => out.extend_from_slice(b"-Infinity"),
        _ => return false,
    }
    true
}

fn decimal(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    if matches!(text, b"NaN" | b"Infinity" | b"-Infinity") {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    put_decimal(out, text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::postgres::DecimalMode;
    use crate::encode::values::{ValueSettings, choose};

    #[test]
    fn values_look_as_kafka_connect_prints_them() {
        let settings = |decimal| ValueSettings { decimal, ..ValueSettings::default() };
        for (kind, text, mode, expected) in [
            (TypeKind::Text, "a\"b\\c\nd 😀", DecimalMode::Precise, "\"a\\\"b\\\\c\nd 😀\""),
            (TypeKind::Float8, "NaN", DecimalMode::Precise, "NaN"),
            (TypeKind::Float4, "1.5", DecimalMode::Precise, "1.5"),
            (TypeKind::Numeric(Some((5, 2))), "2.00", DecimalMode::Precise, "2.00"),
            (TypeKind::Numeric(Some((20, 10))), "0.0000001500", DecimalMode::Precise, "1.500E-7"),
            (TypeKind::Numeric(Some((20, 8))), "-0.00000001", DecimalMode::Precise, "-1E-8"),
            (TypeKind::Numeric(Some((20, 8))), "0.00000000", DecimalMode::Precise, "0E-8"),
            (TypeKind::Numeric(Some((20, 6))), "0.000000", DecimalMode::Precise, "0.000000"),
            (TypeKind::Numeric(Some((20, 6))), "0.000001", DecimalMode::Precise, "0.000001"),
            (TypeKind::Numeric(None), "2.50", DecimalMode::Precise, r#"{"scale":1,"value":"GQ=="}"#),
            (TypeKind::Numeric(Some((5, 2))), "2.50", DecimalMode::String, "\"2.50\""),
            (TypeKind::Numeric(Some((5, 2))), "NaN", DecimalMode::Double, "NaN"),
            (TypeKind::Int4, "7", DecimalMode::Precise, "7"),
        ] {
            let mut form = choose(&kind, &settings(mode));
            if let Some(write) = writer(&kind, &form) {
                form.write = write;
            }
            let mut out = Vec::new();
            (form.write)(&mut out, text.as_bytes(), &form).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{kind:?} {text}");
        }
    }
}
