//! Points in time as texts, by the patterns of Java's `SimpleDateFormat` in UTC: for `TimestampConverter` and `Cast`.
//!
//! The calendar is the Gregorian one at all times, as PostgreSQL's; Java turns to the Julian one before October 1582.

use itoa::Buffer;

use crate::config::postgres::transforms::pattern::{Part, Pattern};

const DAY_MS: i64 = 86_400_000;
const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const DAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];

/// Days since 1970 of a date; months beyond the year go on in others.
pub fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = year + (month - 1).div_euclid(12);
    let month = (month - 1).rem_euclid(12) + 1;
    let shifted = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468 + day - 1
}

/// Year, month and day of a day since 1970.
pub fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, of_year - (153 * shifted + 2) / 5 + 1)
}

/// Appends a time in milliseconds since 1970.
pub fn write(pattern: &Pattern, out: &mut Vec<u8>, ms: i64) {
    let (days, of_day) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    let (year, month, day) = date_of(days);
    let hour = of_day / 3_600_000;
    for part in &pattern.0 {
        let (letter, count) = match part {
            Part::Literal(text) => {
                out.extend_from_slice(text.as_bytes());
                continue;
            }
            Part::Field(letter, count) => (*letter, *count),
        };
        let of_era = if year > 0 { year } else { 1 - year };
        match letter {
            b'G' => out.extend_from_slice(if year > 0 { b"AD" } else { b"BC" }),
            b'y' if count == 2 => padded(out, of_era % 100, 2),
            b'y' => padded(out, of_era, count),
            b'M' | b'L' if count > 2 => named(out, &MONTHS, month - 1, count),
            b'M' | b'L' => padded(out, month, count),
            b'd' => padded(out, day, count),
            b'D' => padded(out, days - days_of(year, 1, 1) + 1, count),
            b'H' => padded(out, hour, count),
            b'k' => padded(out, if hour == 0 { 24 } else { hour }, count),
            b'K' => padded(out, hour % 12, count),
            b'h' => padded(out, if hour % 12 == 0 { 12 } else { hour % 12 }, count),
            b'm' => padded(out, of_day / 60_000 % 60, count),
            b's' => padded(out, of_day / 1000 % 60, count),
            b'S' => padded(out, of_day % 1000, count),
            b'a' => out.extend_from_slice(if hour < 12 { b"AM" } else { b"PM" }),
            b'E' => named(out, &DAYS, days.rem_euclid(7), count),
            b'u' => padded(out, (days + 3).rem_euclid(7) + 1, count),
            b'z' if count > 3 => out.extend_from_slice(b"Coordinated Universal Time"),
            b'z' => out.extend_from_slice(b"UTC"),
            b'Z' => out.extend_from_slice(b"+0000"),
            _ => out.push(b'Z'),
        }
    }
}

/// Reads a text; what follows the pattern is left aside, as in Java. `None` when it does not match.
pub fn read(pattern: &Pattern, text: &str) -> Option<i64> {
    let (mut year, mut month, mut day, mut of_day) = (1970, 1, 1, 0_i64);
    let (mut is_bc, mut is_pm, mut twelve, mut offset) = (false, false, None, 0);
    let mut rest = text;
    for (place, part) in pattern.0.iter().enumerate() {
        let (letter, count) = match part {
            Part::Literal(text) => {
                rest = rest.strip_prefix(&**text)?;
                continue;
            }
            Part::Field(letter, count) => (*letter, *count),
        };
        rest = rest.trim_start();
        let abuts = matches!(pattern.0.get(place + 1), Some(Part::Field(next, count)) if is_number(*next, *count));
        let mut number = || number(&mut rest, if abuts { count } else { 18 });
        match letter {
            b'y' => year = number()?,
            b'M' | b'L' if count > 2 => month = name(&mut rest, &MONTHS)? + 1,
            b'M' | b'L' => month = number()?,
            b'd' => day = number()?,
            b'H' => of_day = of_day.checked_add(number()?.checked_mul(3_600_000)?)?,
            b'k' => of_day = of_day.checked_add(number()?.checked_rem(24)? * 3_600_000)?,
            b'K' => twelve = Some(number()?),
            b'h' => twelve = Some(number()? % 12),
            b'm' => of_day = of_day.checked_add(number()?.checked_mul(60_000)?)?,
            b's' => of_day = of_day.checked_add(number()?.checked_mul(1000)?)?,
            b'S' => of_day = of_day.checked_add(number()?)?,
            b'u' => drop(number()?),
            b'G' => is_bc = name(&mut rest, &["AD", "BC"])? == 1,
            b'a' => is_pm = name(&mut rest, &["AM", "PM"])? == 1,
            b'E' => drop(name(&mut rest, &DAYS)?),
            _ => offset = zone(&mut rest)?,
        }
    }
    if let Some(hour) = twelve {
        of_day = of_day.checked_add(hour.checked_mul(3_600_000)?)?;
    }
    if is_pm && twelve.is_some() {
        of_day = of_day.checked_add(DAY_MS / 2)?;
    }
    if year.abs() > 300_000_000 || month.abs() > 100_000 || day.abs() > 100_000_000 {
        return None;
    }
    let days = days_of(if is_bc { 1 - year } else { year }, month, day);
    days.checked_mul(DAY_MS)?.checked_add(of_day)?.checked_sub(offset)
}

fn is_number(letter: u8, count: usize) -> bool {
    matches!(letter, b'y' | b'd' | b'D' | b'H' | b'k' | b'K' | b'h' | b'm' | b's' | b'S' | b'u')
        || (matches!(letter, b'M' | b'L') && count < 3)
}

/// A number without its sign, with leading zeros up to `width`.
pub(super) fn padded(out: &mut Vec<u8>, value: i64, width: usize) {
    let mut buffer = Buffer::new();
    let digits = buffer.format(value.unsigned_abs());
    out.extend(std::iter::repeat_n(b'0', width.saturating_sub(digits.len())));
    out.extend_from_slice(digits.as_bytes());
}

fn named(out: &mut Vec<u8>, names: &[&str], place: i64, count: usize) {
    let name = usize::try_from(place).ok().and_then(|place| names.get(place)).copied().unwrap_or_default();
    out.extend_from_slice(if count > 3 { name } else { name.get(..3).unwrap_or(name) }.as_bytes());
}

fn number(rest: &mut &str, most: usize) -> Option<i64> {
    let (digits, minus) = rest.strip_prefix('-').map_or((*rest, false), |digits| (digits, true));
    let count = digits.bytes().take_while(u8::is_ascii_digit).count().min(most);
    let value: i64 = digits.get(..count)?.parse().ok()?;
    *rest = digits.get(count..)?;
    Some(if minus { -value } else { value })
}

/// A name, whole or its first three letters, in any case.
fn name(rest: &mut &str, names: &[&str]) -> Option<i64> {
    for (place, name) in names.iter().enumerate() {
        for length in [name.len(), 3.min(name.len())] {
            if rest.get(..length).zip(name.get(..length)).is_some_and(|(own, name)| own.eq_ignore_ascii_case(name)) {
                *rest = rest.get(length..)?;
                return i64::try_from(place).ok();
            }
        }
    }
    None
}

/// `Z`, `UTC`, `GMT`, `+01`, `+0100`, `+01:00`: milliseconds east of UTC.
fn zone(rest: &mut &str) -> Option<i64> {
    for name in ["UTC", "GMT", "Z"] {
        if let Some(behind) = rest.strip_prefix(name) {
            *rest = behind;
            if name == "Z" || !behind.starts_with(['+', '-']) {
                return Some(0);
            }
        }
    }
    let west = rest.starts_with('-');
    let digits = rest.strip_prefix(['+', '-'])?;
    let hours: i64 = digits.get(..2)?.parse().ok()?;
    let behind = digits.get(2..)?;
    let minutes = behind.strip_prefix(':').unwrap_or(behind);
    let (minutes, behind) = match minutes.get(..2).and_then(|two| two.parse::<i64>().ok()) {
        Some(value) => (value, minutes.get(2..)?),
        None => (0, behind),
    };
    *rest = behind;
    let ms = (hours * 60 + minutes) * 60_000;
    Some(if west { -ms } else { ms })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What Java 17 prints for these patterns (`new SimpleDateFormat(p, Locale.ENGLISH)` in UTC).
    #[test]
    fn patterns_are_javas() {
        for (pattern, ms, text) in [
            ("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", 1_795_233_128_832, "2026-11-21T03:52:08.832Z"),
            ("yy/M/d h:mm a, EEE EEEE", 0, "70/1/1 12:00 AM, Thu Thursday"),
            ("dd MMM yyyy MMMM ''kk'' D u", 951_782_400_000, "29 Feb 2000 February '24' 60 2"),
            ("yyyyMMdd HHmmssSSSSSS z Z XXX G", -1, "19691231 235959000999 UTC +0000 Z AD"),
            ("yyyy G", days_of(-43, 3, 15) * DAY_MS, "0044 BC"),
        ] {
            let mut out = Vec::new();
            write(&Pattern::new(pattern).expect("a pattern"), &mut out, ms);
            assert_eq!(String::from_utf8_lossy(&out), text, "{pattern}");
        }
    }

    #[test]
    fn texts_are_read_as_java_reads_them() {
        for (pattern, text, ms) in [
            ("yyyy-MM-dd", "2026-11-21 and more", Some(1_795_219_200_000)),
            ("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", "2026-11-21T03:52:08.832Z", Some(1_795_233_128_832)),
            ("yyyy-MM-dd'T'HH:mm:ss", "2026-11-21T03:52:08.832Z", Some(1_795_233_128_000)),
            ("yyyy-MM-dd'T'HH:mm:ss'Z'", "2026-11-21T03:52:08.832Z", None),
            ("yyyyMMddHHmm", "202611210352", Some(1_795_233_120_000)),
            ("yyyy-MM-dd", "2026-13-01", Some(1_798_761_600_000)),
            ("d MMM yyyy hh:mm a X", "21 nov 2026 03:52 PM +01:00", Some(1_795_272_720_000)),
            ("yyyy", "x", None),
        ] {
            assert_eq!(read(&Pattern::new(pattern).expect("a pattern"), text), ms, "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(ms in -60_000_000_000_000_i64..200_000_000_000_000) {
            let pattern = Pattern::new("yyyy-MM-dd HH:mm:ss.SSS").expect("a pattern");
            let mut out = Vec::new();
            write(&pattern, &mut out, ms);
            prop_assert_eq!(read(&pattern, std::str::from_utf8(&out).expect("UTF-8")), Some(ms));
        }

        #[test]
        fn any_text_is_read_or_not(text in r"[0-9:+TZ\-. a]{0,40}") {
            for pattern in ["yyyy-MM-dd'T'HH:mm:ss.SSSX", "yyyyMMddHHmmss", "d MMM yyyy hh:mm a z G"] {
                let _ = read(&Pattern::new(pattern).expect("a pattern"), &text);
            }
        }
    }
}
