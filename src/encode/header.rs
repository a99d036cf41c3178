//! Headers as `header.converter` writes them: texts that are known, and keys.
//!
//! The notation of Kafka Connect's `SimpleHeaderConverter` is its own: strings have only `\\` and `"` escaped, decimals are
//! numbers in full, and NaN has no quotes. With `StringConverter` a key is what Java prints of it. Keys are written only
//! when one changes.

use super::json;
use super::schema::{Kind, Schema};
use super::values::numeric::put_decimal;
use super::values::{Form, Malformed, Write};
use crate::change::TypeKind;
use crate::config::postgres::HeaderConverter;

/// The headers that every record may have; their values are texts, whatever they look like.
const CONTEXT: &str = "__debezium.context.";

/// What a header holds whose text is known. Kafka Connect's `InsertHeader` makes numbers of what looks like numbers; the
/// text says what has no schema here.
pub fn fixed(converter: HeaderConverter, name: &str, text: &str) -> Result<Vec<u8>, String> {
    let kind = if name.starts_with(CONTEXT) { Kind::String } else { kind_of(text) };
    let mut json = Vec::new();
    match (converter, &kind) {
        (HeaderConverter::Simple | HeaderConverter::Text, _) => return Ok(text.as_bytes().to_vec()),
        (_, Kind::String) => json::string(&mut json, text.as_bytes()),
        _ => json.extend_from_slice(text.as_bytes()),
    }
    if converter == HeaderConverter::JsonWithSchemas {
        if kind == Kind::Struct(Vec::new()) {
            return Err(format!("the header {name} is no text, whole number or boolean, and has no schema"));
        }
        json = [&Schema::from(kind).before_payload(), json.as_slice(), b"}"].concat();
    }
    Ok(json)
}

/// What `InsertHeader` takes a text for; an empty struct stands for what is none of these.
fn kind_of(text: &str) -> Kind {
    if let Ok(number) = text.parse::<i64>() {
        return match number {
            _ if i8::try_from(number).is_ok() => Kind::Int8,
            _ if i16::try_from(number).is_ok() => Kind::Int16,
            _ if i32::try_from(number).is_ok() => Kind::Int32,
            _ => Kind::Int64,
        };
    }
    match text {
        "true" | "false" => Kind::Boolean,
        _ if text == "null" || text.parse::<f64>().is_ok() || text.starts_with(['[', '{', '"']) => Kind::Struct(Vec::new()),
        _ => Kind::String,
    }
}

/// The text of a header that every record has.
pub fn text_of(converter: HeaderConverter, value: &[u8]) -> Vec<u8> {
    let text = match converter {
        HeaderConverter::Simple | HeaderConverter::Text => None,
        HeaderConverter::Json => serde_json::from_slice(value).ok(),
        HeaderConverter::JsonWithSchemas => {
            let json: Option<serde_json::Value> = serde_json::from_slice(value).ok();
            json.and_then(|json| json.get("payload")?.as_str().map(str::to_owned))
        }
    };
    text.map_or_else(|| value.to_vec(), String::into_bytes)
}

/// A form as Java prints its values.
pub(super) fn printed(kind: &TypeKind, form: &Form) -> Form {
    let mut plain = form.clone();
    if matches!(kind, TypeKind::Float4 | TypeKind::Float8 | TypeKind::Numeric(_))
        && let Some(write) = writer(kind, form)
    {
        plain.write = write;
    }
    let unavailable = unquoted(&form.unavailable).into();
    Form { write: without_quotes, unavailable, element: Some(Box::new(plain)), ..form.clone() }
}

/// What a text in JSON says; other JSON as it is.
pub(super) fn unquoted(json: &[u8]) -> Vec<u8> {
    serde_json::from_slice(json).map_or_else(|_| json.to_vec(), String::into_bytes)
}

fn without_quotes(out: &mut Vec<u8>, text: &[u8], form: &Form) -> Result<(), Malformed> {
    let begun = out.len();
    let plain = form.element.as_deref().ok_or(Malformed)?;
    (plain.write)(out, text, plain)?;
    let said = unquoted(out.get(begun..).unwrap_or_default());
    out.truncate(begun);
    out.extend_from_slice(&said);
    Ok(())
}

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

    #[test]
    fn known_texts_have_the_schemas_that_kafka_connect_infers() {
        let of = |kind: &str, payload: &str| format!("{{\"schema\":{{\"type\":\"{kind}\",\"optional\":false}},\"payload\":{payload}}}");
        for (name, text, expected) in [
            ("a", "shop", of("string", "\"shop\"")),
            ("__debezium.context.taskId", "0", of("string", "\"0\"")),
            ("a", "-128", of("int8", "-128")),
            ("a", "128", of("int16", "128")),
            ("a", "70000", of("int32", "70000")),
            ("a", "5000000000", of("int64", "5000000000")),
            ("a", "true", of("boolean", "true")),
        ] {
            let written = fixed(HeaderConverter::JsonWithSchemas, name, text).expect("it has a schema");
            assert_eq!(String::from_utf8_lossy(&written), expected);
            if name != "a" {
                assert_eq!(text_of(HeaderConverter::JsonWithSchemas, &written), text.as_bytes());
            }
        }
        for text in ["1.5", "[1]", "null", "{}"] {
            fixed(HeaderConverter::JsonWithSchemas, "a", text).expect_err(text);
            assert_eq!(fixed(HeaderConverter::Json, "a", text), Ok(text.as_bytes().to_vec()));
        }
    }
}
