//! `bit` and `bit varying`: Debezium's `Bits`, bytes from the lowest bit on, and a boolean for one bit.

use super::{Form, Malformed, ValueSettings};
use crate::encode::json::{self, Alphabet, Base64};
use crate::encode::schema::{Kind, Schema};

/// The form of `bit(length)`, of `bit varying(length)`, or of `bit varying`.
pub fn form(length: Option<u32>, settings: &ValueSettings) -> Form {
    let mut unavailable = Vec::new();
    if length == Some(1) {
        json::string(&mut unavailable, &settings.placeholder);
        return Form::new(bit, 0, unavailable, b"false", Kind::Boolean);
    }
    unavailable.push(b'"');
    json::base64(&mut unavailable, &settings.placeholder, Alphabet::Standard);
    unavailable.push(b'"');
    let length = length.unwrap_or(i32::MAX.unsigned_abs());
    let schema = Schema::from(Kind::Bytes).named("io.debezium.data.Bits").parameter("length", &length.to_string());
    Form::new(bits, 0, unavailable, b"\"\"", schema)
}

fn bit(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    out.extend_from_slice(match text {
        b"1" => b"true",
        b"0" => b"false",
        // `bit varying(1)` may be empty.
        b"" => b"false",
        _ => return Err(Malformed),
    });
    Ok(())
}

/// PostgreSQL writes the highest bit first.
fn bits(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    if !text.iter().all(|digit| matches!(digit, b'0' | b'1')) {
        return Err(Malformed);
    }
    // Bytes above the highest bit that is set are not sent.
    let highest = text.iter().position(|digit| *digit == b'1').unwrap_or(text.len());
    out.push(b'"');
    let mut base64 = Base64::new(out, Alphabet::Standard);
    for eight in text[highest..].rchunks(8) {
        base64.push(eight.iter().fold(0, |byte, digit| byte << 1 | (digit - b'0')));
    }
    base64.finish();
    out.push(b'"');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_debeziums() {
        for (length, text, expected) in [
            (Some(1), "1", "true"),
            (Some(1), "0", "false"),
            (Some(3), "101", "\"BQ==\""),
            (Some(16), "0000000000000101", "\"BQ==\""),
            (Some(16), "1000000000000001", "\"AYA=\""),
            (Some(3), "000", "\"\""),
            (None, "", "\"\""),
        ] {
            let form = form(length, &ValueSettings::default());
            let mut out = Vec::new();
            (form.write)(&mut out, text.as_bytes(), &form).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{text}");
            assert!((form.write)(&mut Vec::new(), b"12", &form).is_err());
        }
    }
}
