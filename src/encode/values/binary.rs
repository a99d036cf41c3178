//! `bytea`, in the four ways of `binary.handling.mode`. PostgreSQL sends `\x` and hex digits (`bytea_output=hex` is pinned).

use super::{Form, Malformed, ValueSettings};
use crate::config::postgres::BinaryMode;
use crate::encode::json::{self, Alphabet, Base64};

/// The form of `bytea`.
pub fn form(settings: &ValueSettings) -> Form {
    let mut unavailable = vec![b'"'];
    let (write, alphabet): (super::Write, _) = match settings.binary {
        BinaryMode::Bytes | BinaryMode::Base64 => (base64, Some(Alphabet::Standard)),
        BinaryMode::Base64UrlSafe => (base64_url_safe, Some(Alphabet::UrlSafe)),
        BinaryMode::Hex => (hex, None),
    };
    match alphabet {
        Some(alphabet) => json::base64(&mut unavailable, &settings.placeholder, alphabet),
        None => unavailable.extend(settings.placeholder.iter().flat_map(|byte| format!("{byte:02x}").into_bytes())),
    }
    unavailable.push(b'"');
    Form::new(write, 0, unavailable, b"\"\"")
}

fn digits(text: &[u8]) -> Result<&[u8], Malformed> {
    text.strip_prefix(b"\\x").filter(|digits| digits.len() % 2 == 0).ok_or(Malformed)
}

fn nibble(digit: u8) -> Result<u8, Malformed> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(Malformed),
    }
}

fn in_base64(out: &mut Vec<u8>, text: &[u8], alphabet: Alphabet) -> Result<(), Malformed> {
    let digits = digits(text)?;
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
