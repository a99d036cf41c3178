//! `numeric` in the three ways of `decimal.handling.mode`.
//!
//! *precise*: the unscaled number as big-endian two's complement in base64 (Connect's `Decimal`); without declared
//! precision the struct `VariableScaleDecimal`, trailing zeros of the fraction stripped. *double*: as Java prints it.
//! *string*: PostgreSQL's text. Up to 18 digits go through `i64`, up to 38 through `i128`, more through `num-bigint`.

use num_bigint::BigInt;

use super::{Form, Malformed, ValueSettings};
use crate::config::postgres::DecimalMode;
use crate::encode::json::{self, Alphabet, Base64};
use crate::encode::schema::{Kind, Schema};

/// The form of `numeric`.
pub fn form(declared: Option<(u16, i16)>, settings: &ValueSettings, placeholder: Vec<u8>) -> Form {
    match (settings.decimal, declared) {
        (DecimalMode::String, Some((_, scale @ 1..))) => {
            let zero = format!("\"0.{}\"", "0".repeat(usize::try_from(scale).unwrap_or_default()));
            Form::new(string, scale, placeholder, zero.as_bytes(), Kind::String)
        }
        (DecimalMode::String, _) => Form::new(string, 0, placeholder, b"\"0\"", Kind::String),
        (DecimalMode::Double, _) => Form::new(double, 0, placeholder, b"0.0", Kind::Double),
        (DecimalMode::Precise, Some((precision, scale))) => {
            let schema = decimal(scale).parameter("connect.decimal.precision", &precision.to_string());
            if settings.decimal_numbers {
                let mut zero = Vec::new();
                let digits = usize::try_from(scale).unwrap_or_default();
                put_decimal(&mut zero, if digits == 0 { "0".to_owned() } else { format!("0.{}", "0".repeat(digits)) }.as_bytes());
                return Form::new(number, scale, placeholder, &zero, schema);
            }
            Form::new(precise, scale, placeholder, b"\"AA==\"", schema)
        }
        (DecimalMode::Precise, None) => {
            let fields = vec![Schema::from(Kind::Int32).field("scale"), Schema::from(Kind::Bytes).field("value")];
            let schema = Schema::new(Kind::Struct(fields)).named("io.debezium.data.VariableScaleDecimal").doc("Variable scaled decimal");
            Form::new(variable, 0, placeholder, b"{\"scale\":0,\"value\":\"AA==\"}", schema)
        }
    }
}

/// Kafka Connect's `Decimal`.
pub fn decimal(scale: i16) -> Schema {
    Schema::from(Kind::Bytes).named("org.apache.kafka.connect.data.Decimal").parameter("scale", &scale.to_string())
}

/// What is not a number, in Debezium's words for strings.
fn special(text: &[u8]) -> Option<&'static [u8]> {
    match text {
        b"NaN" => Some(b"\"NAN\""),
        b"Infinity" => Some(b"\"POSITIVE_INFINITY\""),
        b"-Infinity" => Some(b"\"NEGATIVE_INFINITY\""),
        _ => None,
    }
}

fn string(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    match special(text) {
        Some(name) => out.extend_from_slice(name),
        None => json::string(out, text),
    }
    Ok(())
}

fn double(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    let value: f64 = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Malformed)?;
    json::double(out, value);
    Ok(())
}

/// A Connect `Decimal` has no NaN and no infinities: Debezium sends null for them, and so do we.
fn precise(out: &mut Vec<u8>, text: &[u8], form: &Form) -> Result<(), Malformed> {
    if special(text).is_some() {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    out.push(b'"');
    unscaled(out, text, i32::from(form.scale))?;
    out.push(b'"');
    Ok(())
}

/// A Connect `Decimal` as a JSON number.
fn number(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    if special(text).is_some() {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    if !text.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.')) {
        return Err(Malformed);
    }
    put_decimal(out, text);
    Ok(())
}

/// Java's `BigDecimal.toString`: PostgreSQL's text, or `1.5E-8` for what is smaller than a millionth.
pub fn put_decimal(out: &mut Vec<u8>, text: &[u8]) {
    let (digits, negative) = text.strip_prefix(b"-").map_or((text, false), |rest| (rest, true));
    let fraction = digits.iter().position(|byte| *byte == b'.').map_or(&b""[..], |point| &digits[point + 1..]);
    let zeros = fraction.iter().take_while(|byte| **byte == b'0').count();
    let small = digits.starts_with(b"0.") && (zeros >= 6 && (zeros < fraction.len() || zeros > 6));
    if !small {
        out.extend_from_slice(text);
        return;
    }
    if negative {
        out.push(b'-');
    }
    let (first, rest) = fraction[zeros..].split_first().unwrap_or((&b'0', b""));
    out.push(*first);
    if !rest.is_empty() {
        out.push(b'.');
        out.extend_from_slice(rest);
    }
    out.extend_from_slice(b"E-");
    json::integer(out, if zeros == fraction.len() { zeros } else { zeros + 1 });
}

fn variable(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    if special(text).is_some() {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    let point = text.iter().position(|byte| *byte == b'.');
    let scale = point.map_or(0, |point| {
        let fraction = &text[point + 1..];
        fraction.iter().rposition(|byte| *byte != b'0').map_or(0, |last| last + 1)
    });
    out.extend_from_slice(b"{\"scale\":");
    json::integer(out, scale);
    out.extend_from_slice(b",\"value\":\"");
    unscaled(out, text, scale as i32)?;
    out.extend_from_slice(b"\"}");
    Ok(())
}

/// Appends the base64 of `text` times 10^`scale`. A negative scale divides by zeros that PostgreSQL has put there.
fn unscaled(out: &mut Vec<u8>, text: &[u8], scale: i32) -> Result<(), Malformed> {
    let (digits, negative) = text.strip_prefix(b"-").map_or((text, false), |rest| (rest, true));
    let point = digits.iter().position(|byte| *byte == b'.');
    let (whole, fraction) = match point {
        Some(point) => (&digits[..point], &digits[point + 1..]),
        None => (digits, &b""[..]),
    };
    let keep_whole = if scale < 0 { whole.len().saturating_sub(scale.unsigned_abs() as usize) } else { whole.len() };
    let keep_fraction = fraction.len().min(scale.max(0) as usize);
    let pad = scale.max(0) as usize - keep_fraction;
    let all = || whole[..keep_whole].iter().chain(&fraction[..keep_fraction]).copied().chain(std::iter::repeat_n(b'0', pad));
    let count = keep_whole + keep_fraction + pad;
    if count <= 18 {
        let mut value: i64 = 0;
        for digit in all() {
            value = value * 10 + i64::from(digit.checked_sub(b'0').filter(|digit| *digit < 10).ok_or(Malformed)?);
        }
        twos_complement(out, &(if negative { -value } else { value }).to_be_bytes());
        return Ok(());
    }
    if count <= 38 {
        let mut value: i128 = 0;
        for digit in all() {
            value = value * 10 + i128::from(digit.checked_sub(b'0').filter(|digit| *digit < 10).ok_or(Malformed)?);
        }
        twos_complement(out, &(if negative { -value } else { value }).to_be_bytes());
        return Ok(());
    }
    let text: Vec<u8> = all().collect();
    let value = BigInt::parse_bytes(&text, 10).ok_or(Malformed)?;
    twos_complement(out, &(if negative { -value } else { value }).to_signed_bytes_be());
    Ok(())
}

/// As few bytes as keep the sign.
fn twos_complement(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut from = 0;
    while from + 1 < bytes.len() && ((bytes[from] == 0 && bytes[from + 1] < 0x80) || (bytes[from] == 0xff && bytes[from + 1] >= 0x80)) {
        from += 1;
    }
    let mut base64 = Base64::new(out, Alphabet::Standard);
    for byte in &bytes[from..] {
        base64.push(*byte);
    }
    base64.finish();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(mode: DecimalMode, declared: Option<(u16, i16)>, text: &str) -> String {
        let form = form(declared, &ValueSettings { decimal: mode, ..ValueSettings::default() }, Vec::new());
        let mut out = Vec::new();
        (form.write)(&mut out, text.as_bytes(), &form).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numerics_are_debeziums() {
        use DecimalMode::{Double, Precise, String};
        for (mode, declared, text, expected) in [
            (Precise, None, "123.4500", r#"{"scale":2,"value":"MDk="}"#),
            (Precise, None, "10000000000", r#"{"scale":0,"value":"AlQL5AA="}"#),
            (Precise, None, "0.00", r#"{"scale":0,"value":"AA=="}"#),
            (Precise, None, "NaN", "null"),
            (Precise, Some((5, 2)), "1.10", r#""bg==""#),
            (Precise, Some((5, 2)), "-1.10", r#""kg==""#),
            (Precise, Some((5, 2)), "Infinity", "null"),
            (Precise, Some((12, 2)), "1234.56", r#""AeJA""#),
            (Precise, Some((5, -2)), "12300", r#""ew==""#),
            (Precise, Some((5, -2)), "0", r#""AA==""#),
            (Precise, Some((5, 3)), "1", r#""A+g=""#),
            (Precise, Some((1, 0)), "128", r#""AIA=""#),
            (Precise, Some((1, 0)), "-128", r#""gA==""#),
            (Double, None, "123.4500", "123.45"),
            (Double, Some((5, 2)), "1.10", "1.1"),
            (Double, None, "NaN", "\"NaN\""),
            (Double, None, "-Infinity", "\"-Infinity\""),
            (String, None, "123.4500", "\"123.4500\""),
            (String, None, "NaN", "\"NAN\""),
            (String, None, "Infinity", "\"POSITIVE_INFINITY\""),
            (String, None, "-Infinity", "\"NEGATIVE_INFINITY\""),
        ] {
            assert_eq!(write(mode, declared, text), expected, "{text} {mode:?} {declared:?}");
        }
    }

    #[test]
    fn more_digits_than_a_machine_number_has_are_exact() {
        let text = format!("-{}.{}", "9".repeat(60), "1".repeat(10));
        let json: serde_json::Value = serde_json::from_str(&write(DecimalMode::Precise, None, &text)).unwrap();
        assert_eq!(json["scale"], 10);
        for digits in [18, 38] {
            let small = write(DecimalMode::Precise, Some((70, 0)), &"9".repeat(digits));
            let large = write(DecimalMode::Precise, Some((70, 0)), &format!("0{}", "9".repeat(digits)));
            assert_eq!(small, large, "the ways agree at the border");
        }
    }
}
