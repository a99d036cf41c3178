//! Values that become others: what `Cast` and `TimestampConverter` do to a value's JSON, in place, once it is written.
//!
//! From which form to which is known with the table's shape; only the value itself is looked at per row.

use num_bigint::BigInt;

use super::moment::{self, date_of};
use super::shape::{Content, Converted, Node};
use super::timezone::Zoned;
use crate::config::postgres::transforms::pattern::Pattern;
use crate::config::postgres::transforms::{CastTo, TimeTarget, Timestamps, UnixPrecision, Zone};
use crate::encode::json;
use crate::encode::schema::{Kind, Schema};
use crate::encode::values::{Form, Malformed, numeric};
use crate::encode::walk::base64;

const DAY_MS: i64 = 86_400_000;

/// What happens to a value that is not null.
#[derive(Clone, Debug)]
pub enum Convert {
    /// It stays.
    Same,
    /// This stands for it.
    Fixed(Box<[u8]>),
    /// It becomes another type.
    Cast(CastFrom, CastTo),
    /// It becomes another form of a point in time.
    Time(Moment, Moment),
    /// It becomes a time of another zone.
    Zone(Zoned, Zone),
}

/// What a value is that is cast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CastFrom {
    /// Its JSON says it: true, false, a text, a whole number.
    Json,
    /// A number of 32 bits.
    Float,
    /// A number of 64 bits.
    Double,
    /// The digits of a decimal.
    Digits,
    /// Days since 1970.
    Date,
    /// Milliseconds of a day, or since 1970.
    Moment,
}

/// A form of a point in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A text.
    Text(Pattern),
    /// A number since 1970.
    Unix(UnixPrecision),
    /// Connect's `Date`.
    Date,
    /// Connect's `Time`.
    Time,
    /// Connect's `Timestamp`.
    Timestamp,
}

impl Convert {
    /// Converts what was written from `begun` on, at the processing time `now_ns`; the text says why it cannot.
    pub fn apply(&self, out: &mut Vec<u8>, begun: usize, now_ns: i64) -> Result<(), String> {
        match self {
            Self::Same => {}
            Self::Fixed(json) => {
                out.truncate(begun);
                out.extend_from_slice(json);
            }
            Self::Cast(from, to) => cast(out, begun, *from, *to)?,
            Self::Time(from, to) => {
                let json = out.get(begun..).unwrap_or_default();
                let ms = from.read(json).ok_or_else(|| format!("{} is no point in time of the form it should have", shown(json)))?;
                out.truncate(begun);
                to.write(out, ms);
            }
            Self::Zone(form, zone) => form.apply(zone, out, begun, now_ns.div_euclid(1_000_000_000)),
        }
        Ok(())
    }
}

/// A value as a person is told it: that it does not fit, not what it is.
fn shown(json: &[u8]) -> &'static str {
    match json {
        [b'"', ..] => "a text",
        b"true" | b"false" => "true or false",
        [b'{' | b'[', ..] => "a row or a list",
        _ => "a number",
    }
}

const fn kind_of(to: CastTo) -> Kind {
    match to {
        CastTo::Int8 => Kind::Int8,
        CastTo::Int16 => Kind::Int16,
        CastTo::Int32 => Kind::Int32,
        CastTo::Int64 => Kind::Int64,
        CastTo::Float => Kind::Float,
        CastTo::Double => Kind::Double,
        CastTo::Boolean => Kind::Boolean,
        CastTo::Text => Kind::String,
    }
}

fn name_of(schema: &Schema) -> &str {
    schema.name.as_deref().unwrap_or_default()
}

/// Connect's own types of time.
fn connect_time(schema: &Schema) -> Option<&str> {
    name_of(schema).strip_prefix("org.apache.kafka.connect.data.").filter(|name| matches!(*name, "Date" | "Time" | "Timestamp"))
}

/// A node whose value is converted, with its new schema.
pub(super) fn converted(node: &mut Node, schema: Schema, convert: Convert) {
    node.schema = schema;
    let content = std::mem::replace(&mut node.content, Content::Null);
    node.content = match content {
        Content::Null => Content::Null,
        content => Content::Converted(Box::new(Converted { content, convert, null: b"null"[..].into() })),
    };
}

/// `Cast` of one value.
pub fn cast_node(node: &mut Node, to: CastTo) -> Result<(), String> {
    let is_decimal = name_of(&node.schema) == name_of(&numeric::decimal(0));
    let time = connect_time(&node.schema).filter(|_| to == CastTo::Text);
    let from = match node.schema.kind {
        Kind::Float => CastFrom::Float,
        Kind::Double => CastFrom::Double,
        Kind::Bytes if is_decimal => {
            with_digits(&mut node.content)?;
            CastFrom::Digits
        }
        Kind::Bytes if to == CastTo::Text => CastFrom::Json,
        Kind::Boolean | Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 | Kind::String => match time {
            Some("Date") => CastFrom::Date,
            Some(_) => CastFrom::Moment,
            None => CastFrom::Json,
        },
        _ => {
            return Err(format!(
                "{} cannot be cast to {}",
                if node.schema.kind == Kind::Bytes { "bytes" } else { "a row or a list" },
                to.name()
            ));
        }
    };
    let mut schema = Schema { optional: node.schema.optional, ..Schema::new(kind_of(to)) };
    if let Some(default) = &node.schema.default {
        let mut json = match from {
            CastFrom::Digits => decimal_text(default, scale_of(&node.schema)).ok_or("its default cannot be cast")?.into_bytes(),
            _ => default.to_vec(),
        };
        cast(&mut json, 0, from, to).map_err(|why| format!("its default: {why}"))?;
        schema.default = Some(json.into());
    }
    converted(node, schema, Convert::Cast(from, to));
    Ok(())
}

/// The digits behind a decimal's point.
pub fn scale_of(schema: &Schema) -> usize {
    let scale = schema.parameters.iter().find(|(name, _)| **name == *"scale");
    scale.and_then(|(_, scale)| scale.parse().ok()).unwrap_or_default()
}

/// A decimal's column writes its digits instead of its bytes.
pub fn with_digits(content: &mut Content) -> Result<(), String> {
    let Content::Column { form, null, .. } = content else {
        return if matches!(content, Content::Null) { Ok(()) } else { Err("a decimal that was made cannot be converted".to_owned()) };
    };
    if **null != *b"null" {
        *null = decimal_text(null, scale_of(&form.schema)).ok_or("a decimal's stand-in cannot be converted")?.into_bytes().into();
    }
    *form = Form { write: digits, ..form.clone() };
    Ok(())
}

/// A decimal's digits as PostgreSQL sends them.
#[expect(clippy::unnecessary_wraps, reason = "it has the type of all writers")]
fn digits(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    // NaN and the infinities are null in Connect's decimals.
    let is_number = text.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.'));
    out.extend_from_slice(if is_number { text } else { b"null" });
    Ok(())
}

/// The digits of a decimal in JSON: base64 of its unscaled bytes, or a number.
pub fn decimal_text(json: &[u8], scale: usize) -> Option<String> {
    let Some(inside) = json.strip_prefix(b"\"").and_then(|json| json.strip_suffix(b"\"")) else {
        return String::from_utf8(json.to_vec()).ok().filter(|text| !text.contains(['e', 'E']));
    };
    let mut bytes = Vec::new();
    base64(inside, &mut bytes).ok()?;
    let unscaled = BigInt::from_signed_bytes_be(&bytes).to_string();
    let (sign, digits) = unscaled.strip_prefix('-').map_or(("", unscaled.as_str()), |digits| ("-", digits));
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    Some(if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

enum Value {
    Bool(bool),
    Int(i64),
    Float(f32),
    Double(f64),
}

fn cast(out: &mut Vec<u8>, begun: usize, from: CastFrom, to: CastTo) -> Result<(), String> {
    let json = out.get(begun..).unwrap_or_default();
    let text = std::str::from_utf8(json).unwrap_or_default();
    let inside = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let refused = || format!("{} cannot be cast to {}", shown(json), to.name());
    let value = match (from, inside) {
        (CastFrom::Digits, None) => return cast_digits(out, begun, to).ok_or_else(|| format!("a decimal cannot be cast to {}", to.name())),
        (CastFrom::Date, _) => {
            let days: i64 = text.parse().map_err(|_| refused())?;
            return quoted(out, begun, |out| put_connect_time(out, days.saturating_mul(DAY_MS)));
        }
        (CastFrom::Moment, _) => {
            let ms = text.parse().map_err(|_| refused())?;
            return quoted(out, begun, |out| put_connect_time(out, ms));
        }
        // What JSON has no number for.
        (CastFrom::Float | CastFrom::Double, Some(text)) => Value::Double(text.parse().map_err(|_| refused())?),
        (_, Some(text)) => match to {
            CastTo::Text => return Ok(()),
            CastTo::Boolean => Value::Bool(text.eq_ignore_ascii_case("true")),
            CastTo::Int8 => Value::Int(text.parse::<i8>().map_err(|_| refused())?.into()),
            CastTo::Int16 => Value::Int(text.parse::<i16>().map_err(|_| refused())?.into()),
            CastTo::Int32 => Value::Int(text.parse::<i32>().map_err(|_| refused())?.into()),
            CastTo::Int64 => Value::Int(text.parse().map_err(|_| refused())?),
            CastTo::Float => Value::Float(java_float(text).ok_or_else(refused)?),
            CastTo::Double => Value::Double(java_float(text).ok_or_else(refused)?),
        },
        (_, None) if text == "true" || text == "false" => Value::Bool(text == "true"),
        (CastFrom::Float, None) => Value::Float(text.parse().map_err(|_| refused())?),
        (CastFrom::Double, None) => Value::Double(text.parse().map_err(|_| refused())?),
        (_, None) => Value::Int(text.parse().map_err(|_| refused())?),
    };
    if matches!(to, CastTo::Text) {
        return quoted(out, begun, |out| match value {
            Value::Bool(is) => out.extend_from_slice(if is { b"true" } else { b"false" }),
            Value::Int(number) => json::integer(out, number),
            Value::Float(number) => json::float(out, number),
            Value::Double(number) => json::double(out, number),
        });
    }
    out.truncate(begun);
    put(out, &value, to);
    Ok(())
}

/// As Java's `Number` narrows and widens.
fn put(out: &mut Vec<u8>, value: &Value, to: CastTo) {
    let whole = match value {
        Value::Bool(is) => i64::from(*is),
        Value::Int(number) => *number,
        // To fewer than 32 bits by way of 32.
        Value::Float(number) if matches!(to, CastTo::Int8 | CastTo::Int16 | CastTo::Int32) => i64::from(*number as i32),
        Value::Double(number) if matches!(to, CastTo::Int8 | CastTo::Int16 | CastTo::Int32) => i64::from(*number as i32),
        Value::Float(number) => *number as i64,
        Value::Double(number) => *number as i64,
    };
    match to {
        CastTo::Int8 => json::integer(out, whole as i8),
        CastTo::Int16 => json::integer(out, whole as i16),
        CastTo::Int32 => json::integer(out, whole as i32),
        CastTo::Int64 => json::integer(out, whole),
        CastTo::Boolean => out.extend_from_slice(if whole != 0 { b"true" } else { b"false" }),
        CastTo::Float => json::float(
            out,
            match value {
                Value::Float(number) => *number,
                Value::Double(number) => *number as f32,
                _ => whole as f32,
            },
        ),
        CastTo::Double | CastTo::Text => json::double(
            out,
            match value {
                Value::Float(number) => f64::from(*number),
                Value::Double(number) => *number,
                _ => whole as f64,
            },
        ),
    }
}

/// Writes a text anew, in quotes unless it has brought its own.
fn quoted(out: &mut Vec<u8>, begun: usize, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), String> {
    out.truncate(begun);
    out.push(b'"');
    write(out);
    if out.get(begun + 1) == Some(&b'"') {
        out.remove(begun);
    } else {
        out.push(b'"');
    }
    Ok(())
}

/// Java's `parseFloat` and `parseDouble`, but for their hexadecimal notation.
fn java_float<T: std::str::FromStr>(text: &str) -> Option<T> {
    let text = text.trim_ascii();
    let digits = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    let special = matches!(text.trim_start_matches(['+', '-']), "NaN" | "Infinity");
    (if special { text } else { digits }).parse().ok().filter(|_| is_plain || special)
}

/// A decimal, as Java's `BigDecimal` narrows.
fn cast_digits(out: &mut Vec<u8>, begun: usize, to: CastTo) -> Option<()> {
    let text = std::str::from_utf8(out.get(begun..)?).ok()?;
    let (digits, minus) = text.strip_prefix('-').map_or((text, false), |digits| (digits, true));
    let whole = digits.bytes().take_while(u8::is_ascii_digit);
    let low = whole.fold(0_i64, |value, digit| value.wrapping_mul(10).wrapping_add(i64::from(digit - b'0')));
    let low = if minus { low.wrapping_neg() } else { low };
    let (float, double) = (text.parse::<f32>().ok()?, text.parse::<f64>().ok()?);
    if to == CastTo::Text {
        if digits.starts_with("0.000000") {
            let text = text.to_owned();
            out.truncate(begun);
            numeric::put_decimal(out, text.as_bytes());
        }
        out.insert(begun, b'"');
        out.push(b'"');
        return Some(());
    }
    out.truncate(begun);
    match to {
        CastTo::Float => json::float(out, float),
        CastTo::Double => json::double(out, double),
        _ => put(out, &Value::Int(low), to),
    }
    Some(())
}

/// Connect's text of a `java.util.Date`: a time within the first day of 1970, a date at midnight, both else.
fn put_connect_time(out: &mut Vec<u8>, ms: i64) {
    let of_day = ms.rem_euclid(DAY_MS);
    let two = |out: &mut Vec<u8>, value: i64, width: usize| {
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(value.unsigned_abs());
        out.extend(std::iter::repeat_n(b'0', width.saturating_sub(digits.len())));
        out.extend_from_slice(digits.as_bytes());
    };
    let is_time = ms < DAY_MS;
    if !is_time {
        let (year, month, day) = date_of(ms.div_euclid(DAY_MS));
        two(out, year, 4);
        out.push(b'-');
        two(out, month, 2);
        out.push(b'-');
        two(out, day, 2);
        if of_day == 0 {
            return;
        }
        out.push(b'T');
    }
    two(out, of_day / 3_600_000, 2);
    out.push(b':');
    two(out, of_day / 60_000 % 60, 2);
    out.push(b':');
    two(out, of_day / 1000 % 60, 2);
    out.push(b'.');
    two(out, of_day % 1000, 3);
    out.push(b'Z');
}

/// `TimestampConverter` of one value.
pub fn time_node(node: &mut Node, timestamps: &Timestamps) -> Result<(), String> {
    let text = || {
        let pattern = timestamps.format.clone().ok_or("it is a text, and there is no format to read it with")?;
        Ok::<_, String>(Moment::Text(pattern))
    };
    let from = match (connect_time(&node.schema), &node.schema.kind) {
        (Some("Date"), _) => Moment::Date,
        (Some("Time"), _) => Moment::Time,
        (Some(_), _) => Moment::Timestamp,
        (None, Kind::String) => text()?,
        (None, Kind::Int64) => Moment::Unix(timestamps.precision),
        (None, kind) => {
            let what = if name_of(&node.schema).is_empty() { format!("{kind:?}") } else { name_of(&node.schema).to_owned() };
            return Err(format!("{what} is none of the forms of a timestamp: text, 64-bit number, Connect's Date, Time, Timestamp"));
        }
    };
    if matches!(&from, Moment::Text(pattern) if !pattern.reads()) {
        return Err("a text cannot be read with a format that has two digits of a year, or days of a year".to_owned());
    }
    let named = |kind, name: &str| Schema::new(kind).named(&format!("org.apache.kafka.connect.data.{name}"));
    let (to, schema) = match timestamps.target {
        TimeTarget::Text => (text()?, Kind::String.into()),
        TimeTarget::Unix => (Moment::Unix(timestamps.precision), Kind::Int64.into()),
        TimeTarget::Date => (Moment::Date, named(Kind::Int32, "Date")),
        TimeTarget::Time => (Moment::Time, named(Kind::Int32, "Time")),
        TimeTarget::Timestamp => (Moment::Timestamp, named(Kind::Int64, "Timestamp")),
    };
    let schema = Schema { optional: node.schema.optional, ..schema };
    converted(node, schema, Convert::Time(from, to));
    Ok(())
}

impl Moment {
    /// Milliseconds since 1970.
    fn read(&self, json: &[u8]) -> Option<i64> {
        let text = std::str::from_utf8(json).ok()?;
        if let Self::Text(pattern) = self {
            let inside = text.strip_prefix('"')?.strip_suffix('"')?;
            return if inside.contains('\\') {
                moment::read(pattern, &serde_json::from_str::<String>(text).ok()?)
            } else {
                moment::read(pattern, inside)
            };
        }
        let number: i64 = text.parse().ok()?;
        Some(match self {
            Self::Text(_) | Self::Time | Self::Timestamp => number,
            Self::Date => number.checked_mul(DAY_MS)?,
            // As Java's `TimeUnit` does: towards zero, and to the end of the range.
            Self::Unix(UnixPrecision::Seconds) => number.saturating_mul(1000),
            Self::Unix(UnixPrecision::Milliseconds) => number,
            Self::Unix(UnixPrecision::Microseconds) => number / 1000,
            Self::Unix(UnixPrecision::Nanoseconds) => number / 1_000_000,
        })
    }

    fn write(&self, out: &mut Vec<u8>, ms: i64) {
        match self {
            Self::Text(pattern) => {
                out.push(b'"');
                moment::write(pattern, out, ms);
                out.push(b'"');
            }
            Self::Unix(UnixPrecision::Seconds) => json::integer(out, ms / 1000),
            Self::Unix(UnixPrecision::Milliseconds) | Self::Timestamp => json::integer(out, ms),
            Self::Unix(UnixPrecision::Microseconds) => json::integer(out, ms.saturating_mul(1000)),
            Self::Unix(UnixPrecision::Nanoseconds) => json::integer(out, ms.saturating_mul(1_000_000)),
            Self::Date => json::integer(out, ms.div_euclid(DAY_MS)),
            Self::Time => json::integer(out, ms.rem_euclid(DAY_MS)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cast_to(from: CastFrom, to: CastTo, json: &str) -> Result<String, String> {
        let mut out = b"before".to_vec();
        out.extend_from_slice(json.as_bytes());
        cast(&mut out, 6, from, to)?;
        Ok(String::from_utf8(out.split_off(6)).expect("UTF-8"))
    }

    /// Java's narrowing, widening and printing.
    #[test]
    fn values_are_cast_as_java_casts_them() {
        for (from, to, json, expected) in [
            (CastFrom::Json, CastTo::Int8, "300", "44"),
            (CastFrom::Json, CastTo::Int8, "\"-128\"", "-128"),
            (CastFrom::Double, CastTo::Int8, "1.0E20", "-1"),
            (CastFrom::Digits, CastTo::Int8, "200.9", "-56"),
            (CastFrom::Json, CastTo::Int16, "70000", "4464"),
            (CastFrom::Json, CastTo::Int32, "-9223372036854775808", "0"),
            (CastFrom::Json, CastTo::Double, "3", "3.0"),
            (CastFrom::Json, CastTo::Text, "-3", "\"-3\""),
            (CastFrom::Json, CastTo::Text, "true", "\"true\""),
            (CastFrom::Json, CastTo::Int64, "true", "1"),
            (CastFrom::Json, CastTo::Float, "false", "0.0"),
            (CastFrom::Json, CastTo::Boolean, "0", "false"),
            (CastFrom::Json, CastTo::Boolean, "\"TRUE\"", "true"),
            (CastFrom::Json, CastTo::Boolean, "\"yes\"", "false"),
            (CastFrom::Json, CastTo::Int32, "\"+12\"", "12"),
            (CastFrom::Json, CastTo::Double, "\" 1e3d \"", "1000.0"),
            (CastFrom::Json, CastTo::Double, "\"-Infinity\"", "\"-Infinity\""),
            (CastFrom::Json, CastTo::Text, "\"a\\\"b\"", "\"a\\\"b\""),
            (CastFrom::Double, CastTo::Int32, "1.0E20", "2147483647"),
            (CastFrom::Double, CastTo::Int16, "1.0E20", "-1"),
            (CastFrom::Double, CastTo::Int64, "\"NaN\"", "0"),
            (CastFrom::Double, CastTo::Boolean, "0.9", "false"),
            (CastFrom::Double, CastTo::Text, "1.0E20", "\"1.0E20\""),
            (CastFrom::Double, CastTo::Text, "\"NaN\"", "\"NaN\""),
            (CastFrom::Float, CastTo::Double, "0.1", "0.10000000149011612"),
            (CastFrom::Digits, CastTo::Int64, "-12345678.99", "-12345678"),
            (CastFrom::Digits, CastTo::Int16, "65537.5", "1"),
            (CastFrom::Digits, CastTo::Double, "12.50", "12.5"),
            (CastFrom::Digits, CastTo::Text, "12.50", "\"12.50\""),
            (CastFrom::Digits, CastTo::Text, "-0.0000001500", "\"-1.500E-7\""),
            (CastFrom::Date, CastTo::Text, "19782", "\"2024-02-29\""),
            (CastFrom::Date, CastTo::Text, "0", "\"00:00:00.000Z\""),
            (CastFrom::Moment, CastTo::Text, "3723456", "\"01:02:03.456Z\""),
            (CastFrom::Moment, CastTo::Text, "1709168523456", "\"2024-02-29T01:02:03.456Z\""),
        ] {
            assert_eq!(cast_to(from, to, json), Ok(expected.to_owned()), "{from:?} {json} to {to:?}");
        }
        assert_eq!(cast_to(CastFrom::Json, CastTo::Int32, "\"1.5\""), Err("a text cannot be cast to int32".to_owned()));
        assert_eq!(cast_to(CastFrom::Json, CastTo::Double, "\"inf\""), Err("a text cannot be cast to float64".to_owned()));
    }

    #[test]
    fn a_decimal_is_read_from_its_bytes() {
        for (json, scale, text) in [("\"AA==\"", 2, "0.00"), ("\"/2o=\"", 2, "-1.50"), ("\"BA==\"", 0, "4"), ("12.5", 1, "12.5")] {
            assert_eq!(decimal_text(json.as_bytes(), scale).as_deref(), Some(text));
        }
    }

    proptest! {
        #[test]
        fn any_value_is_cast_or_refused(json in r#""?[-+0-9a-zE.:\\]{0,20}"?"#) {
            for from in [CastFrom::Json, CastFrom::Float, CastFrom::Double, CastFrom::Digits, CastFrom::Date, CastFrom::Moment] {
                for to in [CastTo::Int8, CastTo::Int16, CastTo::Int32, CastTo::Int64, CastTo::Float, CastTo::Double, CastTo::Boolean, CastTo::Text] {
                    let _ = cast_to(from, to, &json);
                }
            }
        }
    }
}
