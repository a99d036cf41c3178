//! Sizes and durations as people write them (`40GiB`, `128 MiB`, `7d`, `500ms`) and as they are said to people.

use std::time::Duration;

/// Bytes: a number with `B`, `KiB`, `MiB`, `GiB`, `TiB` (or `KB`, `MB`, `GB`, `TB` in powers of ten), or bare bytes.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text)?;
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" | "k" => 1 << 10,
        "mib" | "m" => 1 << 20,
        "gib" | "g" => 1 << 30,
        "tib" | "t" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err(format!("unknown unit \"{unit}\": use B, KiB, MiB, GiB or TiB")),
    };
    number.checked_mul(factor).ok_or_else(|| "the size is too large".to_owned())
}

/// A duration: a number with `ms`, `s`, `m`, `h` or `d`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text)?;
    let factor_ms: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "" if number == 0 => 1,
        "" => return Err("the unit is missing: ms, s, m, h or d".to_owned()),
        _ => return Err(format!("unknown unit \"{unit}\": use ms, s, m, h or d")),
    };
    // A millisecond count that fits an i64 is what Kafka and timers can hold.
    number
        .checked_mul(factor_ms)
        .filter(|ms| i64::try_from(*ms).is_ok())
        .map(Duration::from_millis)
        .ok_or_else(|| "the duration is too long".to_owned())
}

/// A size for people, in binary units: one decimal below ten, none above.
pub fn say_bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut tenths = u128::from(bytes) * 10 / 1024;
    let mut unit = UNITS[0];
    for next in UNITS.iter().skip(1) {
        if tenths < 10_240 {
            break;
        }
        tenths /= 1024;
        unit = next;
    }
    if tenths < 100 { format!("{}.{} {unit}", tenths / 10, tenths % 10) } else { format!("{} {unit}", tenths / 10) }
}

/// A duration for people, in its two largest units.
pub fn say_duration(duration: Duration) -> String {
    let (seconds, minutes) = (duration.as_secs(), duration.as_secs() / 60);
    match (minutes, minutes / 60, minutes / 60 / 24) {
        (0, _, _) => format!("{seconds} s"),
        (_, 0, _) => format!("{minutes} min"),
        (_, hours, 0) => format!("{hours} h {} min", minutes % 60),
        (_, hours, days) => format!("{days} d {} h", hours % 24),
    }
}

fn split(text: &str) -> Result<(u64, &str), String> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    if digits.is_empty() {
        return Err("a whole number comes first".to_owned());
    }
    let number = digits.parse().map_err(|_| "the number is too large".to_owned())?;
    Ok((number, unit.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_said_in_its_two_largest_units() {
        let said = [0, 59, 60, 3599, 7800, 90_000, 864_000].map(|seconds| say_duration(Duration::from_secs(seconds)));
        assert_eq!(said, ["0 s", "59 s", "1 min", "59 min", "2 h 10 min", "1 d 1 h", "10 d 0 h"]);
    }

    #[test]
    fn a_size_is_said_with_two_digits_at_least() {
        let said = [0, 1023, 1024, 10_239, 16 << 20, 4_509_715_661, 812 << 20, 1 << 40, u64::MAX].map(say_bytes);
        assert_eq!(said, ["0 B", "1023 B", "1.0 KiB", "9.9 KiB", "16 MiB", "4.2 GiB", "812 MiB", "1.0 TiB", "15 EiB"]);
    }

    #[test]
    fn sizes_and_durations_are_read_as_written() {
        assert_eq!(parse_bytes("40GiB"), Ok(40 << 30));
        assert_eq!(parse_bytes(" 128 MiB "), Ok(128 << 20));
        assert_eq!(parse_bytes("1000"), Ok(1000));
        assert_eq!(parse_bytes("2GB"), Ok(2_000_000_000));
        assert_eq!(parse_duration("7d"), Ok(Duration::from_secs(7 * 86_400)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("0"), Ok(Duration::ZERO));
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["", "GiB", "-1GiB", "1.5GiB", "3 parsecs", "99999999999999999999", "99999999999TiB"] {
            assert!(parse_bytes(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "7", "7 days", "d", "99999999999999999d"] {
            assert!(parse_duration(bad).is_err(), "{bad:?}");
        }
    }
}
