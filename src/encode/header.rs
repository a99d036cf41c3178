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

/// What Kafka Connect's `InsertHeader` takes a text for.
enum Guess {
    /// A text.
    Text,
    /// A boolean or a number, as it is printed.
    Single(Kind, Vec<u8>),
    /// A list or a map, in JSON without spaces.
    Structure(String),
    /// A date, a time or both.
    Time,
    /// What Connect, or this header's place, has nothing for.
    Nothing(&'static str),
}

/// What a header holds whose text is known.
pub fn fixed(converter: HeaderConverter, name: &str, text: &str) -> Result<Vec<u8>, String> {
    let guess = if name.starts_with(CONTEXT) { Guess::Text } else { guess(text) };
    let as_json = matches!(converter, HeaderConverter::Json | HeaderConverter::JsonWithSchemas);
    let refused = |what: &str| Err(format!("the header {name} {what}"));
    let (kind, json) = match guess {
        Guess::Nothing(why) => return refused(why),
        Guess::Time if converter != HeaderConverter::Simple => {
            return refused("is a date or a time to Kafka Connect, which SimpleHeaderConverter alone writes here");
        }
        Guess::Structure(_) if converter == HeaderConverter::Text => {
            return refused("is a list or a map, which StringConverter does not write here");
        }
        Guess::Structure(_) if converter == HeaderConverter::JsonWithSchemas => {
            return refused("is a list or a map, and has no schema here");
        }
        Guess::Structure(json) => return Ok(json.into_bytes()),
        Guess::Text | Guess::Time if !as_json => return Ok(text.as_bytes().to_vec()),
        Guess::Text | Guess::Time => {
            let mut json = Vec::new();
            json::string(&mut json, text.as_bytes());
            (Kind::String, json)
        }
        Guess::Single(kind, json) => (kind, json),
    };
    if converter == HeaderConverter::JsonWithSchemas {
        return Ok([&Schema::from(kind).before_payload(), json.as_slice(), b"}"].concat());
    }
    Ok(json)
}

/// Whether a header whose text is known is a text.
pub(super) fn is_text(name: &str, text: &str) -> bool {
    name.starts_with(CONTEXT) || matches!(guess(text), Guess::Text)
}

fn guess(text: &str) -> Guess {
    let text = text.trim_matches(|letter| letter <= ' ');
    match text {
        "true" | "false" => return Guess::Single(Kind::Boolean, text.into()),
        "null" => return Guess::Nothing("is null, and Kafka Connect's InsertHeader fails at it"),
        _ if is_time(text) => return Guess::Time,
        _ => {}
    }
    if text.starts_with(['[', '{']) {
        // What follows a whole list or map is lost there.
        let first = serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>().next();
        return first.and_then(Result::ok).map_or(Guess::Text, |json| Guess::Structure(json.to_string()));
    }
    // So is what follows a number and one of these.
    number(text.split(['{', '}', '[', ']', ',', ':', '"']).next().unwrap_or_default().trim_end())
}

/// A number, if the text is one to Java's `BigDecimal` that begins with a digit.
fn number(text: &str) -> Guess {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (Ok(near), true) = (text.parse::<f64>(), digits.starts_with(|letter: char| letter.is_ascii_digit())) else { return Guess::Text };
    // Up to here every whole number has a double of its own.
    let whole = text.parse::<i64>().ok().or_else(|| (near.fract() == 0.0 && near.abs() < 9e15).then_some(near as i64));
    let mut json = Vec::new();
    let kind = if let Some(whole) = whole {
        json::integer(&mut json, whole);
        match whole {
            _ if i8::try_from(whole).is_ok() => Kind::Int8,
            _ if i16::try_from(whole).is_ok() => Kind::Int16,
            _ if i32::try_from(whole).is_ok() => Kind::Int32,
            _ => Kind::Int64,
        }
    } else if digits.bytes().all(|byte| byte.is_ascii_digit()) || !near.is_finite() {
        return Guess::Nothing("is a number of more than 64 bits");
    } else if let Some(float) = text.parse::<f32>().ok().filter(|float| float.is_finite()) {
        json::float(&mut json, float);
        Kind::Float
    } else {
        json::double(&mut json, near);
        Kind::Double
    };
    Guess::Single(kind, json)
}

/// `2024-02-29`, `01:02:03.456Z`, or both with a T between them.
fn is_time(text: &str) -> bool {
    let pattern: String = text.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
    matches!(pattern.as_str(), "0000-00-00" | "00:00:00.000Z" | "0000-00-00T00:00:00.000Z")
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
            ("a", "+5", of("int8", "5")),
            ("a", " 007 ", of("int8", "7")),
            ("a", "1e3", of("int16", "1000")),
            ("a", "1.0", of("int8", "1")),
            ("a", "12:34:56", of("int8", "12")),
            ("a", "1.50", of("float", "1.5")),
            ("a", "1e40", of("double", "1.0E40")),
            ("a", "nan", of("string", "\"nan\"")),
            ("a", "inf", of("string", "\"inf\"")),
            ("a", "Infinity", of("string", "\"Infinity\"")),
            ("a", ".5", of("string", "\".5\"")),
            ("a", "5 apples", of("string", "\"5 apples\"")),
            ("a", "[shop]", of("string", "\"[shop]\"")),
            ("a", "{a}", of("string", "\"{a}\"")),
            ("a", "{", of("string", "\"{\"")),
            ("a", "\"", of("string", r#""\"""#)),
            ("a", "\"q\"", of("string", r#""\"q\"""#)),
            ("a", "2024-01-01T12:34:56Z", of("string", "\"2024-01-01T12:34:56Z\"")),
        ] {
            let written = fixed(HeaderConverter::JsonWithSchemas, name, text).expect("it has a schema");
            assert_eq!(String::from_utf8_lossy(&written), expected);
            if name != "a" {
                assert_eq!(text_of(HeaderConverter::JsonWithSchemas, &written), text.as_bytes());
            }
        }
        use HeaderConverter::{Json, JsonWithSchemas, Simple, Text};
        for (text, converter, expected) in [
            ("007", Simple, Some("7")),
            ("+5", Text, Some("5")),
            ("[1, 2]x", Simple, Some("[1,2]")),
            ("{\"b\": 1, \"a\": 2}", Json, Some("{\"b\":1,\"a\":2}")),
            ("[1]", JsonWithSchemas, None),
            ("[1]", Text, None),
            ("2024-01-01", Simple, Some("2024-01-01")),
            ("2024-01-01", Json, None),
            ("2024-01-01T12:34:56.789Z", JsonWithSchemas, None),
            ("12:34:56.789Z", Text, None),
            ("null", Simple, None),
            ("9223372036854775808", Json, None),
            ("1e400", Simple, None),
        ] {
            let written = fixed(converter, "a", text).ok();
            assert_eq!(written.as_deref().map(String::from_utf8_lossy).as_deref(), expected, "{text} {converter:?}");
        }
    }
}
