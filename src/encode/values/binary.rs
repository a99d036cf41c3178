//! `bytea`, in the four ways of `binary.handling.mode`. PostgreSQL sends `\x` and hex digits (`bytea_output=hex` is pinned).

use super::{Form, Malformed, ValueSettings};
use crate::config::postgres::BinaryMode;
use crate::encode::json::{self, Alphabet, Base64};
use crate::encode::schema::Kind;

/// The form of `bytea`.
pub fn form(settings: &ValueSettings) -> Form {
    let mut unavailable = Vec::new();
    let write: super::Write = match settings.binary {
        BinaryMode::Bytes | BinaryMode::Base64 => base64,
        BinaryMode::Base64UrlSafe => base64_url_safe,
        BinaryMode::Hex => hex,
    };
    let kind = if settings.binary == BinaryMode::Bytes { Kind::Bytes } else { Kind::String };
    if settings.binary == BinaryMode::Bytes {
        unavailable.push(b'"');
        json::base64(&mut unavailable, &settings.placeholder, Alphabet::Standard);
        unavailable.push(b'"');
    } else {
        // The modes that make a string of the value have the placeholder as it is.
        json::string(&mut unavailable, &settings.placeholder);
    }
    Form::new(write, 0, unavailable, b"\"\"", kind)
}

/// The form of a type that nobody knows, with `include.unknown.datatypes`: the bytes of its text.
pub fn text_form(settings: &ValueSettings) -> Form {
    let write: super::Write = match settings.binary {
        BinaryMode::Bytes | BinaryMode::Base64 => text_base64,
        BinaryMode::Base64UrlSafe => text_base64_url_safe,
        BinaryMode::Hex => text_hex,
    };
    Form { write, ..form(settings) }
}

fn text_base64(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    put(out, text, BinaryMode::Bytes);
    Ok(())
}

fn text_base64_url_safe(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    put(out, text, BinaryMode::Base64UrlSafe);
    Ok(())
}

fn text_hex(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    put(out, text, BinaryMode::Hex);
    Ok(())
}

/// Appends bytes that are at hand, as a JSON string.
pub fn put(out: &mut Vec<u8>, bytes: &[u8], mode: BinaryMode) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    match mode {
        BinaryMode::Bytes | BinaryMode::Base64 => json::base64(out, bytes, Alphabet::Standard),
        BinaryMode::Base64UrlSafe => json::base64(out, bytes, Alphabet::UrlSafe),
        BinaryMode::Hex => out.extend(bytes.iter().flat_map(|byte| [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]])),
    }
    out.push(b'"');
}

fn digits(text: &[u8]) -> Result<&[u8], Malformed> {
    text.strip_prefix(b"\\x").filter(|digits| digits.len() % 2 == 0).ok_or(Malformed)
}

pub(super) fn nibble(digit: u8) -> Result<u8, Malformed> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(Malformed),
    }
}

fn in_base64(out: &mut Vec<u8>, text: &[u8], alphabet: Alphabet) -> Result<(), Malformed> {
    put_hex(out, digits(text)?, alphabet)
}

/// Appends the bytes of an even number of hex digits as base64, a JSON string.
pub(super) fn put_hex(out: &mut Vec<u8>, digits: &[u8], alphabet: Alphabet) -> Result<(), Malformed> {
    out.push(b'"');
    let mut base64 = Base64::new(out, alphabet);
    for pair in digits.chunks_exact(2) {
        base64.push(nibble(pair[0])? << 4 | nibble(pair[1])?);
    }
    base64.finish();
    out.push(b'"');
    Ok(())
}

fn base64(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    in_base64(out, text, Alphabet::Standard)
}

fn base64_url_safe(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    in_base64(out, text, Alphabet::UrlSafe)
}

fn hex(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    let digits = digits(text)?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(Malformed);
    }
    out.push(b'"');
    out.extend_from_slice(digits);
    out.push(b'"');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_marks_are_debeziums() {
        for (binary, value, mark) in [
            (BinaryMode::Bytes, "\"++8=\"", "\"fn4=\""),
            (BinaryMode::Base64, "\"++8=\"", "\"~~\""),
            (BinaryMode::Base64UrlSafe, "\"--8=\"", "\"~~\""),
            (BinaryMode::Hex, "\"fbef\"", "\"~~\""),
        ] {
            let settings = ValueSettings { binary, placeholder: b"~~".to_vec(), ..ValueSettings::default() };
            let form = form(&settings);
            let mut out = Vec::new();
            (form.write)(&mut out, b"\\xfbef", &form).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), value);
            assert_eq!(String::from_utf8_lossy(&form.unavailable), mark);
            let of_text = text_form(&settings);
            let mut out = Vec::new();
            (of_text.write)(&mut out, b"\xfb\xef", &of_text).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), value);
        }
    }
}
