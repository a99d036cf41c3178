//! `interval`, in the two ways of `interval.handling.mode`: microseconds, or ISO 8601 text with all its parts.
//!
//! PostgreSQL sends `1 year 2 mons 3 days 04:05:06.789` (`intervalstyle=postgres` is pinned), a sign before each part.

use super::{Form, Malformed};
use crate::config::postgres::IntervalMode;
use crate::encode::json;
use crate::encode::schema::{Kind, Schema};

/// Days of a month, in sixteenths: 365.25 / 12.
const MONTH_SIXTEENTHS: i128 = 487;
const DAY_US: i128 = 86_400_000_000;

/// The form of `interval`.
pub fn form(mode: IntervalMode, placeholder: Vec<u8>) -> Form {
    match mode {
        IntervalMode::Numeric => {
            Form::new(numeric, 0, placeholder, b"0", Schema::from(Kind::Int64).named("io.debezium.time.MicroDuration"))
        }
        IntervalMode::String => {
            Form::new(iso, 0, placeholder, b"\"P0Y0M0DT0H0M0S\"", Schema::from(Kind::String).named("io.debezium.time.Interval"))
        }
    }
}

/// The parts, each with its sign.
#[derive(Default)]
struct Interval {
    years: i64,
    months: i64,
    days: i64,
    hours: i64,
    minutes: i64,
    micros: i64,
}

fn read(text: &[u8]) -> Result<Interval, Malformed> {
    let text = std::str::from_utf8(text).map_err(|_| Malformed)?;
    let mut parts = Interval::default();
    let mut words = text.split_ascii_whitespace();
    while let Some(word) = words.next() {
        if word.contains(':') {
            time(word, &mut parts)?;
            continue;
        }
        let number: i64 = word.parse().map_err(|_| Malformed)?;
        match words.next().ok_or(Malformed)? {
            "year" | "years" => parts.years = number,
            "mon" | "mons" => parts.months = number,
            "day" | "days" => parts.days = number,
            _ => return Err(Malformed),
        }
    }
    Ok(parts)
}

/// `[-]H:MM:SS[.ffffff]`; hours may have many digits.
fn time(word: &str, parts: &mut Interval) -> Result<(), Malformed> {
    let (sign, digits) = match word.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, word.strip_prefix('+').unwrap_or(word)),
    };
    let mut fields = digits.split(':');
    let mut field = || fields.next().ok_or(Malformed);
    let (hours, minutes, seconds) = (field()?, field()?, field()?);
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let number = |text: &str| -> Result<i64, Malformed> {
        let plain = (1..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if plain { text.parse().map_err(|_| Malformed) } else { Err(Malformed) }
    };
    let micros = match fraction.len() {
        0 => 0,
        digits @ 1..=6 => number(fraction)? * 10i64.pow(6 - digits as u32),
        _ => return Err(Malformed),
    };
    parts.hours = sign * number(hours)?;
    parts.minutes = sign * number(minutes)?;
    parts.micros = sign * (number(seconds)? * 1_000_000 + micros);
    if fields.next().is_some() { Err(Malformed) } else { Ok(()) }
}

/// As Debezium counts: in a floating-point number, rounded to a whole one.
fn numeric(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    let parts = read(text)?;
    let months = i128::from(parts.years) * 12 + i128::from(parts.months);
    let micros = (months * MONTH_SIXTEENTHS + i128::from(parts.days) * 16) * (DAY_US / 16)
        + i128::from(parts.hours) * 3_600_000_000
        + i128::from(parts.minutes) * 60_000_000
        + i128::from(parts.micros);
    json::integer(out, i64::try_from(micros).unwrap_or(if micros < 0 { i64::MIN } else { i64::MAX }));
    Ok(())
}

fn iso(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    let parts = read(text)?;
    let mut put = |before: &[u8], number: i64, after: u8| {
        out.extend_from_slice(before);
        json::integer(out, number);
        out.push(after);
    };
    put(b"\"P", parts.years, b'Y');
    put(b"", parts.months, b'M');
    put(b"", parts.days, b'D');
    put(b"T", parts.hours, b'H');
    put(b"", parts.minutes, b'M');
    if parts.micros < 0 {
        out.push(b'-');
    }
    let micros = parts.micros.unsigned_abs();
    json::integer(out, micros / 1_000_000);
    let fraction = format!("{:06}", micros % 1_000_000);
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        out.push(b'.');
        out.extend_from_slice(fraction.as_bytes());
    }
    out.extend_from_slice(b"S\"");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn intervals_are_debeziums() {
        for (text, number, string) in [
            ("1 year 2 mons 3 days 04:05:06.789", "37091106789000", "P1Y2M3DT4H5M6.789S"),
            ("-1 days", "-86400000000", "P0Y0M-1DT0H0M0S"),
            ("00:00:00", "0", "P0Y0M0DT0H0M0S"),
            ("-04:05:06.5", "-14706500000", "P0Y0M0DT-4H-5M-6.5S"),
            ("1 mon -1 days +00:00:00.000001", "2543400000001", "P0Y1M-1DT0H0M0.000001S"),
            ("100:00:00", "360000000000", "P0Y0M0DT100H0M0S"),
        ] {
            for (mode, expected) in [(IntervalMode::Numeric, number.to_owned()), (IntervalMode::String, format!("\"{string}\""))] {
                let form = form(mode, Vec::new());
                let mut out = Vec::new();
                (form.write)(&mut out, text.as_bytes(), &form).unwrap();
                assert_eq!(String::from_utf8(out).unwrap(), expected, "{text}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_not_panicked_on(bytes in proptest::collection::vec(any::<u8>(), 0..40), words in "[-0-9:. ydamons]{0,40}") {
            for mode in [IntervalMode::Numeric, IntervalMode::String] {
                let form = form(mode, Vec::new());
                let _ = (form.write)(&mut Vec::new(), &bytes, &form);
                let _ = (form.write)(&mut Vec::new(), words.as_bytes(), &form);
            }
        }
    }
}
