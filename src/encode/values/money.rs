//! `money`: a number in the three ways of `decimal.handling.mode`.
//!
//! PostgreSQL prints it as the server's locale wants it: `$1,234.56`, `1.234,56 €`, `($5.00)`. What is stored is a whole
//! number of the smallest coin, and all its digits are printed: so the digits are taken as they come, and how many of them
//! stand behind the point is asked of the server once. `money.fraction.digits` is the scale that Debezium publishes.

use super::{Form, Malformed, ValueSettings, numeric};
use crate::config::postgres::DecimalMode;

/// The longest text of a number: a sign, 19 digits, a point, and what a larger scale adds.
const TEXT_MAX: usize = 64;
/// The largest scale that has room in it.
pub const DIGITS_MAX: i16 = 20;

/// The form of `money`; `digits` stand behind the point on this server.
pub fn form(digits: u8, settings: &ValueSettings, placeholder: Vec<u8>) -> Form {
    let scale = settings.money_digits.clamp(0, DIGITS_MAX);
    let inner = numeric::form(Some((19, scale)), settings, placeholder);
    let exact = settings.decimal == DecimalMode::Precise;
    let schema = if exact { Box::new(numeric::decimal(scale)) } else { inner.schema.clone() };
    let (unavailable, zero) = (inner.unavailable.clone(), inner.zero.clone());
    let write = if exact { rounded } else { as_stored };
    // What the writer needs beside the number's own form.
    Form { write, scale: i16::from(digits), unavailable, zero, schema, element: Some(Box::new(inner)), mask: None }
}

/// The stored number.
fn coins(text: &[u8]) -> Result<i64, Malformed> {
    let mut number: i64 = 0;
    let mut any = false;
    // The lowest number has no positive counterpart.
    for digit in text.iter().filter(|byte| byte.is_ascii_digit()) {
        number = number.checked_mul(10).and_then(|number| number.checked_sub(i64::from(digit - b'0'))).ok_or(Malformed)?;
        any = true;
    }
    let text = std::str::from_utf8(text).map_err(|_| Malformed)?;
    let negative = text.contains(['-', '(', '\u{2212}']);
    match (any, negative) {
        (false, _) => Err(Malformed),
        (true, true) => Ok(number),
        (true, false) => number.checked_neg().ok_or(Malformed),
    }
}

/// With as many digits as the server has.
fn as_stored(out: &mut Vec<u8>, text: &[u8], form: &Form) -> Result<(), Malformed> {
    put(out, i128::from(coins(text)?), form.scale, form)
}

/// With as many digits as are published, rounded half up where these are fewer.
fn rounded(out: &mut Vec<u8>, text: &[u8], form: &Form) -> Result<(), Malformed> {
    let inner = form.element.as_deref().ok_or(Malformed)?;
    let number = i128::from(coins(text)?);
    let lost = u32::try_from(form.scale - inner.scale).unwrap_or_default();
    if lost == 0 {
        return put(out, number, form.scale, form);
    }
    let unit = 10i128.checked_pow(lost).ok_or(Malformed)?;
    let (whole, rest) = (number / unit, number % unit);
    let up = if rest.abs() * 2 >= unit { number.signum() } else { 0 };
    put(out, whole + up, inner.scale, form)
}

/// Writes `number` divided by 10^`scale` in the number's own form.
fn put(out: &mut Vec<u8>, number: i128, scale: i16, form: &Form) -> Result<(), Malformed> {
    let inner = form.element.as_deref().ok_or(Malformed)?;
    let scale = usize::try_from(scale).unwrap_or_default();
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(number.unsigned_abs()).as_bytes();
    let mut text = [b'0'; TEXT_MAX];
    let mut length = 0;
    let mut push = |byte| {
        if let Some(place) = text.get_mut(length) {
            *place = byte;
            length += 1;
        }
    };
    if number < 0 {
        push(b'-');
    }
    let (zeros, before) = ((scale + 1).saturating_sub(digits.len()), digits.len().saturating_sub(scale).max(1));
    let padded = std::iter::repeat_n(b'0', zeros).chain(digits.iter().copied());
    for (place, digit) in padded.enumerate() {
        if place == before && scale > 0 {
            push(b'.');
        }
        push(digit);
    }
    (inner.write)(out, &text[..length], inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn write(text: &str, digits: u8, mode: DecimalMode, scale: i16) -> String {
        let settings = ValueSettings { decimal: mode, money_digits: scale, ..ValueSettings::default() };
        let form = form(digits, &settings, Vec::new());
        let mut out = Vec::new();
        (form.write)(&mut out, text.as_bytes(), &form).expect("it is money");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn money_is_a_number_whatever_the_locale() {
        for (text, digits, string, double) in [
            ("$1,234.56", 2, "\"1234.56\"", "1234.56"),
            ("-$0.05", 2, "\"-0.05\"", "-0.05"),
            ("($5.00)", 2, "\"-5.00\"", "-5.0"),
            ("1.234,56 €", 2, "\"1234.56\"", "1234.56"),
            ("\u{2212}7,00 kr", 2, "\"-7.00\"", "-7.0"),
            ("¥1,234", 0, "\"1234\"", "1234.0"),
            ("-$92,233,720,368,547,758.08", 2, "\"-92233720368547758.08\"", "-9.223372036854776E16"),
        ] {
            assert_eq!(write(text, digits, DecimalMode::String, 2), string, "{text}");
            assert_eq!(write(text, digits, DecimalMode::Double, 2), double, "{text}");
        }
        // Unscaled 123456, 12345600, 12346 (rounded), -1 (rounded).
        for (text, scale, expected) in
            [("$1,234.56", 2, "\"AeJA\""), ("$1,234.56", 4, "\"ALxhAA==\""), ("$1,234.56", 1, "\"MDo=\""), ("-$0.05", 1, "\"/w==\"")]
        {
            assert_eq!(write(text, 2, DecimalMode::Precise, scale), expected, "{text} {scale}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_not_panicked_on(bytes in proptest::collection::vec(any::<u8>(), 0..40), digits in 0u8..20, scale in 0i16..40) {
            for mode in [DecimalMode::Precise, DecimalMode::Double, DecimalMode::String] {
                let settings = ValueSettings { decimal: mode, money_digits: scale, ..ValueSettings::default() };
                let form = form(digits, &settings, Vec::new());
                let _ = (form.write)(&mut Vec::new(), &bytes, &form);
            }
        }
    }
}
