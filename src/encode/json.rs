//! JSON as Jackson writes it, appended to a byte vector: strings, numbers, base64. No allocation of its own.

/// Appends `bytes` as a JSON string. They are UTF-8 (PostgreSQL converts to the client's encoding) and stay as they are;
/// only what Jackson escapes is: what JSON forbids (`\u001F` in capitals, no escape for `/`), and characters beyond 16 bits,
/// which it writes as two halves (`\uD83D\uDE00`). The same bytes matter: a key's partition is their hash.
#[inline]
pub fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    escaped(out, bytes);
    out.push(b'"');
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// True when one of eight bytes needs an escape.
#[inline]
const fn needs_escape(word: u64) -> bool {
    let below_space = word.wrapping_sub(ONES * 0x20) & !word;
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let equal = (quote.wrapping_sub(ONES) & !quote) | (backslash.wrapping_sub(ONES) & !backslash);
    // The first byte of four begins with four ones.
    let four_bytes = word & word << 1 & word << 2 & word << 3;
    (below_space | equal | four_bytes) & HIGHS != 0
}

/// The inside of a JSON string.
#[inline]
pub fn escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut start = 0;
    let mut at = 0;
    while at < bytes.len() {
        if let Some(word) = bytes.get(at..at + 8)
            && !needs_escape(u64::from_le_bytes(word.try_into().expect("eight bytes")))
        {
            at += 8;
            continue;
        }
        let stop = (at + 8).min(bytes.len());
        while at < stop {
            let byte = bytes[at];
            let mut length = 1;
            if byte < 0x20 || byte == b'"' || byte == b'\\' {
                out.extend_from_slice(&bytes[start..at]);
                escape(out, byte);
                start = at + 1;
            } else if byte >= 0xf0
                && let Some(character) = four_byte_character(&bytes[at..])
            {
                out.extend_from_slice(&bytes[start..at]);
                escape_halves(out, character);
                length = 4;
                start = at + 4;
            }
            at += length;
        }
    }
    out.extend_from_slice(&bytes[start..]);
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// The character at the beginning, when it is one of four bytes. Anything else that is not UTF-8 stays as it is.
#[cold]
fn four_byte_character(bytes: &[u8]) -> Option<char> {
    std::str::from_utf8(bytes.get(..4)?).ok()?.chars().next()
}

#[cold]
fn escape_halves(out: &mut Vec<u8>, character: char) {
    for half in character.encode_utf16(&mut [0; 2]) {
        out.extend_from_slice(b"\\u");
        out.extend([12, 8, 4, 0].map(|shift| HEX[usize::from(*half >> shift & 15)]));
    }
}

#[cold]
fn escape(out: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        8 => out.extend_from_slice(b"\\b"),
        12 => out.extend_from_slice(b"\\f"),
        _ => {
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
        }
    }
}

/// Appends an integer.
#[inline]
pub fn integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends an integer, or `null`.
#[inline]
pub fn maybe_integer(out: &mut Vec<u8>, value: Option<impl itoa::Integer>) {
    match value {
        Some(value) => integer(out, value),
        None => out.extend_from_slice(b"null"),
    }
}

/// Which base64 alphabet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alphabet {
    /// `+` and `/`.
    Standard,
    /// `-` and `_`.
    UrlSafe,
}

/// Takes bytes one after another and appends them as padded base64.
pub struct Base64<'a> {
    out: &'a mut Vec<u8>,
    alphabet: &'static [u8; 64],
    held: u32,
    count: u8,
}

impl<'a> Base64<'a> {
    /// Appends to `out`.
    pub fn new(out: &'a mut Vec<u8>, alphabet: Alphabet) -> Self {
        let alphabet = match alphabet {
            Alphabet::Standard => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
            Alphabet::UrlSafe => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
        };
        Self { out, alphabet, held: 0, count: 0 }
    }

    /// The next byte.
    #[inline]
    pub fn push(&mut self, byte: u8) {
        self.held = self.held << 8 | u32::from(byte);
        self.count += 1;
        if self.count == 3 {
            let held = self.held;
            let letter = |shift: u32| self.alphabet[(held >> shift & 63) as usize];
            self.out.extend_from_slice(&[letter(18), letter(12), letter(6), letter(0)]);
            self.held = 0;
            self.count = 0;
        }
    }

    /// The rest and the padding.
    pub fn finish(self) {
        let letter = |value: u32| self.alphabet[(value & 63) as usize];
        match self.count {
            1 => self.out.extend_from_slice(&[letter(self.held >> 2), letter(self.held << 4), b'=', b'=']),
            2 => self.out.extend_from_slice(&[letter(self.held >> 10), letter(self.held >> 4), letter(self.held << 2), b'=']),
            _ => {}
        }
    }
}

/// Appends bytes as base64.
pub fn base64(out: &mut Vec<u8>, bytes: &[u8], alphabet: Alphabet) {
    let mut writer = Base64::new(out, alphabet);
    for byte in bytes {
        writer.push(*byte);
    }
    writer.finish();
}

/// Appends a `double` as Java's `Double.toString` writes it; NaN and the infinities as JSON strings.
pub fn double(out: &mut Vec<u8>, value: f64) {
    if special(out, value) {
        return;
    }
    let mut buffer = FloatText { bytes: [0; 40], length: 0 };
    let text = buffer.shortest(value, value.is_subnormal(), |text| text.parse() == Ok(value));
    java_float(out, text);
}

/// Appends a `float` as Java's `Float.toString` writes it.
pub fn float(out: &mut Vec<u8>, value: f32) {
    if special(out, f64::from(value)) {
        return;
    }
    let mut buffer = FloatText { bytes: [0; 40], length: 0 };
    let text = buffer.shortest(value, value.is_subnormal(), |text| text.parse() == Ok(value));
    java_float(out, text);
}

fn special(out: &mut Vec<u8>, value: f64) -> bool {
    let text: &[u8] = if value.is_nan() {
        b"\"NaN\""
    } else if value == f64::INFINITY {
        b"\"Infinity\""
    } else if value == f64::NEG_INFINITY {
        b"\"-Infinity\""
    } else {
        return false;
    };
    out.extend_from_slice(text);
    true
}

/// The shortest digits of a float in `1.25e7` form, on the stack.
struct FloatText {
    bytes: [u8; 40],
    length: usize,
}

impl FloatText {
    fn shortest(&mut self, value: impl std::fmt::LowerExp, subnormal: bool, is_exact: impl Fn(&str) -> bool) -> &[u8] {
        use std::fmt::Write;
        self.length = 0;
        // Java has two digits at least, and takes the nearest two: that is not one digit and a zero only among the numbers
        // that are too small for full precision.
        if subnormal {
            let _ = write!(self, "{value:.1e}");
            if !std::str::from_utf8(&self.bytes[..self.length]).is_ok_and(is_exact) {
                self.length = 0;
            } else if let Some(zero) = self.bytes[..self.length].windows(3).position(|three| three == b".0e") {
                self.bytes.copy_within(zero + 2..self.length, zero);
                self.length -= 2;
            }
        }
        if self.length == 0 {
            // The longest shortest form of a double is 24 bytes.
            let _ = write!(self, "{value:e}");
        }
        &self.bytes[..self.length]
    }
}

impl std::fmt::Write for FloatText {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(std::fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// Lays out digits and exponent as Java does: plain between 10^-3 and 10^7, else `1.0E10`; always with a fraction.
fn java_float(out: &mut Vec<u8>, text: &[u8]) {
    let (text, negative) = text.strip_prefix(b"-").map_or((text, false), |rest| (rest, true));
    if negative {
        out.push(b'-');
    }
    let at = text.iter().position(|byte| *byte == b'e').unwrap_or(text.len());
    let (mantissa, exponent) = (&text[..at], text.get(at + 1..).unwrap_or_default());
    let exponent: i32 = std::str::from_utf8(exponent).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut digits = [0u8; 24];
    let mut count = 0;
    for byte in mantissa.iter().filter(|byte| **byte != b'.') {
        if let Some(place) = digits.get_mut(count) {
            *place = *byte;
            count += 1;
        }
    }
    let digits = &digits[..count];
    if digits == b"0" {
        out.extend_from_slice(b"0.0");
    } else if (-3..7).contains(&exponent) {
        if exponent < 0 {
            out.extend_from_slice(b"0.");
            out.extend(std::iter::repeat_n(b'0', (-exponent - 1) as usize));
            out.extend_from_slice(digits);
            return;
        }
        let whole = exponent as usize + 1;
        out.extend_from_slice(&digits[..whole.min(count)]);
        out.extend(std::iter::repeat_n(b'0', whole.saturating_sub(count)));
        out.push(b'.');
        match digits.get(whole..) {
            Some(rest) if !rest.is_empty() => out.extend_from_slice(rest),
            _ => out.push(b'0'),
        }
    } else {
        out.push(digits.first().copied().unwrap_or(b'0'));
        out.push(b'.');
        match digits.get(1..) {
            Some(rest) if !rest.is_empty() => out.extend_from_slice(rest),
            _ => out.push(b'0'),
        }
        out.push(b'E');
        integer(out, exponent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #[test]
        fn a_string_parses_back(value in ".{0,60}") {
            let out = text(|out| string(out, value.as_bytes()));
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), value);
        }

        #[test]
        fn every_control_character_at_every_place_parses_back(byte in 0u8..0x80, at in 0usize..20) {
            let mut value = "abcdefghijklmnopqrst".to_owned().into_bytes();
            value[at] = byte;
            let value = String::from_utf8(value).unwrap();
            let out = text(|out| string(out, value.as_bytes()));
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), value);
        }

        #[test]
        fn a_double_parses_back(value: f64) {
            if value.is_finite() {
                let out = text(|out| double(out, value));
                prop_assert_eq!(out.parse::<f64>().unwrap(), value);
                prop_assert!(out.contains('.'));
            }
        }
    }

    #[test]
    fn floats_look_as_java_prints_them() {
        for (value, expected) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (1.5, "1.5"),
            (123.45, "123.45"),
            (0.001, "0.001"),
            (0.00012, "1.2E-4"),
            (1e7, "1.0E7"),
            (9_999_999.0, "9999999.0"),
            (12_345_678.9, "1.23456789E7"),
            (1e20, "1.0E20"),
            (-1e-10, "-1.0E-10"),
            (1.797_693_134_862_315_7e308, "1.7976931348623157E308"),
            (100.0, "100.0"),
            (f64::NAN, "\"NaN\""),
            (f64::INFINITY, "\"Infinity\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
        ] {
            assert_eq!(text(|out| double(out, value)), expected);
        }
        for (value, expected) in [(5e-324, "4.9E-324"), (1.5e-323, "1.5E-323"), (2e-323, "2.0E-323"), (1e-310, "1.0E-310")] {
            assert_eq!(text(|out| double(out, value)), expected);
        }
        for (value, expected) in
            [(1e-45, "1.4E-45"), (3e-45, "2.8E-45"), (1e-44, "9.8E-45"), (-1.5e-38, "-1.5E-38"), (1.234e-40, "1.234E-40")]
        {
            assert_eq!(text(|out| float(out, value)), expected);
        }
        assert_eq!(text(|out| float(out, 3.3)), "3.3");
        assert_eq!(text(|out| float(out, 1.0e10)), "1.0E10");
    }

    #[test]
    fn base64_pads() {
        for (bytes, expected) in [(&b""[..], ""), (b"a", "YQ=="), (b"ab", "YWI="), (b"abc", "YWJj"), (&[1, 2, 255], "AQL/")] {
            assert_eq!(text(|out| base64(out, bytes, Alphabet::Standard)), expected);
        }
        assert_eq!(text(|out| base64(out, &[1, 2, 255], Alphabet::UrlSafe)), "AQL_");
    }

    #[test]
    fn escapes_are_jacksons() {
        assert_eq!(text(|out| string(out, "☃ 😀é𐀀".as_bytes())), "\"☃ \\uD83D\\uDE00é\\uD800\\uDC00\"");
        assert_eq!(text(|out| string(out, "12345é😀".as_bytes())), "\"12345é\\uD83D\\uDE00\"");
        assert_eq!(text(|out| string(out, "\u{1f}\n\t\r\u{8}\u{c}\"\\/é\u{7f}".as_bytes())), "\"\\u001F\\n\\t\\r\\b\\f\\\"\\\\/é\u{7f}\"");
    }
}
