//! Everything that is sent as its text: strings, json, uuid, enums, and types without a form of their own.

use super::{Form, Malformed};
use crate::encode::json;

/// `"char"`: one byte of no encoding. What is not ASCII has no character, and JSON must be UTF-8.
pub fn byte(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    json::string(out, String::from_utf8_lossy(text).as_bytes());
    Ok(())
}

/// The text as a JSON string.
#[inline]
pub fn text(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    json::string(out, text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::change::TypeKind;
    use crate::encode::values::{ValueSettings, choose};

    #[test]
    fn a_byte_that_is_no_character_is_replaced() {
        let form = choose(&TypeKind::Char, &ValueSettings::default());
        for (byte, json) in [(&b"a"[..], "\"a\""), (b"\xe9", "\"\u{fffd}\""), (b"", "\"\"")] {
            let mut out = Vec::new();
            (form.write)(&mut out, byte, &form).expect("a value");
            assert_eq!(String::from_utf8(out).expect("UTF-8"), json);
        }
    }
}
