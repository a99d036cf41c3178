//! Booleans, integers, floats.

use super::{Form, Malformed};
use crate::encode::json;

/// `t` and `f`.
pub fn boolean(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    out.extend_from_slice(match text {
        b"t" | b"true" => b"true",
        b"f" | b"false" => b"false",
        _ => return Err(Malformed),
    });
    Ok(())
}

/// Integers of any size are their text.
#[inline]
pub fn integer(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Malformed);
    }
    out.extend_from_slice(text);
    Ok(())
}

fn parse<T: std::str::FromStr>(text: &[u8]) -> Result<T, Malformed> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Malformed)
}

/// `real`, as Java prints a float.
pub fn float4(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    json::float(out, parse(text)?);
    Ok(())
}

/// `double precision`, as Java prints a double.
pub fn float8(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    json::double(out, parse(text)?);
    Ok(())
}
