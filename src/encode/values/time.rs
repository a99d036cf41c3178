//! Dates and times in every `time.precision.mode`: numbers since 1970 of several units, and ISO text.
//!
//! PostgreSQL sends ISO text (`datestyle=ISO` and `timezone=UTC` are pinned). Years reach from 4713 BC to 294276, so the
//! arithmetic is our own: days in `i64`, proleptic Gregorian as PostgreSQL's. The infinities become the numbers and texts
//! that Debezium's stream sends; its snapshot disagrees with itself there, ours cannot.

use super::{Form, Malformed};
use crate::config::postgres::TimePrecision;
use crate::encode::json;
use crate::encode::schema::{Kind, Schema};

const DAY_US: i64 = 86_400_000_000;

/// A date in the proleptic Gregorian calendar; year 0 is 1 BC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Date {
    year: i64,
    month: u8,
    day: u8,
}

impl Date {
    /// Days since 1970-01-01.
    fn days(self) -> i64 {
        let year = if self.month <= 2 { self.year - 1 } else { self.year };
        let era = year.div_euclid(400);
        let of_era = year.rem_euclid(400);
        let month = i64::from(self.month);
        let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + i64::from(self.day) - 1;
        era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
    }

    /// As `java.time` prints it.
    fn put(self, out: &mut Vec<u8>) {
        if self.year < 0 {
            out.push(b'-');
        } else if self.year > 9999 {
            out.push(b'+');
        }
        padded(out, self.year.unsigned_abs(), 4);
        out.push(b'-');
        padded(out, u64::from(self.month), 2);
        out.push(b'-');
        padded(out, u64::from(self.day), 2);
    }
}

/// A number with leading zeros up to `width`.
#[inline]
fn padded(out: &mut Vec<u8>, value: u64, width: usize) {
    if width == 2 && value < 100 {
        out.extend_from_slice(&[b'0' + (value / 10) as u8, b'0' + (value % 10) as u8]);
        return;
    }
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value);
    out.extend(std::iter::repeat_n(b'0', width.saturating_sub(digits.len())));
    out.extend_from_slice(digits.as_bytes());
}

/// Reads PostgreSQL's text from the left.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    /// A run of digits: its value and how many.
    fn number(&mut self) -> Result<(i64, usize), Malformed> {
        let mut value = 0i64;
        let mut count = 0;
        while let Some(digit) = self.0.get(count).filter(|byte| byte.is_ascii_digit()) {
            value = value.checked_mul(10).and_then(|value| value.checked_add(i64::from(digit - b'0'))).ok_or(Malformed)?;
            count += 1;
        }
        if count == 0 {
            return Err(Malformed);
        }
        self.0 = &self.0[count..];
        Ok((value, count))
    }

    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        self.accept(byte).then_some(()).ok_or(Malformed)
    }

    fn accept(&mut self, byte: u8) -> bool {
        let found = self.0.first() == Some(&byte);
        if found {
            self.0 = &self.0[1..];
        }
        found
    }

    fn small(&mut self, max: i64) -> Result<u8, Malformed> {
        let (value, _) = self.number()?;
        u8::try_from(value).ok().filter(|value| i64::from(*value) <= max).ok_or(Malformed)
    }

    /// `YYYY-MM-DD`, the year not yet turned for BC.
    fn date(&mut self) -> Result<Date, Malformed> {
        let (year, _) = self.number()?;
        if year > 10_000_000 {
            return Err(Malformed);
        }
        self.expect(b'-')?;
        let month = self.small(12)?;
        self.expect(b'-')?;
        let day = self.small(31)?;
        if month == 0 || day == 0 {
            return Err(Malformed);
        }
        Ok(Date { year, month, day })
    }

    /// `HH:MM:SS[.ffffff]`, microseconds.
    fn time(&mut self) -> Result<i64, Malformed> {
        let hours = i64::from(self.small(24)?);
        self.expect(b':')?;
        let minutes = i64::from(self.small(59)?);
        self.expect(b':')?;
        let seconds = i64::from(self.small(60)?);
        let mut micros = 0;
        if self.accept(b'.') {
            let (fraction, digits) = self.number()?;
            if digits > 6 {
                return Err(Malformed);
            }
            micros = fraction * 10i64.pow(6 - digits as u32);
        }
        Ok(((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + micros)
    }

    /// `+HH[:MM[:SS]]`, microseconds east of UTC.
    fn offset(&mut self) -> Result<i64, Malformed> {
        let west = self.accept(b'-');
        if !west {
            self.expect(b'+')?;
        }
        let mut seconds = i64::from(self.small(24)?) * 3600;
        if self.accept(b':') {
            seconds += i64::from(self.small(59)?) * 60;
        }
        if self.accept(b':') {
            seconds += i64::from(self.small(59)?);
        }
        Ok(if west { -seconds } else { seconds } * 1_000_000)
    }

    /// A closing ` BC` and nothing else.
    fn end(self, date: &mut Date) -> Result<(), Malformed> {
        match self.0 {
            b"" => {}
            b" BC" => date.year = 1 - date.year,
            _ => return Err(Malformed),
        }
        Ok(())
    }
}

/// Hours to seconds, and the fraction with `digits` places, or with as few as it needs.
fn put_time(out: &mut Vec<u8>, micros: i64, digits: Option<u8>) {
    let seconds = (micros / 1_000_000).unsigned_abs();
    padded(out, seconds / 3600, 2);
    out.push(b':');
    padded(out, seconds / 60 % 60, 2);
    out.push(b':');
    padded(out, seconds % 60, 2);
    let mut fraction = (micros % 1_000_000).unsigned_abs();
    let mut places = 6;
    match digits {
        Some(digits) => {
            while places > usize::from(digits) {
                fraction /= 10;
                places -= 1;
            }
        }
        None => {
            while places > 0 && fraction.is_multiple_of(10) {
                fraction /= 10;
                places -= 1;
            }
        }
    }
    if places > 0 {
        out.push(b'.');
        padded(out, fraction, places);
    }
}

fn debezium(kind: Kind, name: &str) -> Schema {
    Schema::new(kind).named(&format!("io.debezium.time.{name}"))
}

fn connect(kind: Kind, name: &str) -> Schema {
    Schema::new(kind).named(&format!("org.apache.kafka.connect.data.{name}"))
}

/// The form of `date`.
pub fn date_form(mode: TimePrecision, placeholder: Vec<u8>) -> Form {
    match mode {
        TimePrecision::IsoString => Form::new(date_iso, 0, placeholder, b"\"1970-01-01Z\"", debezium(Kind::String, "IsoDate")),
        TimePrecision::Connect => Form::new(date_days, 0, placeholder, b"0", connect(Kind::Int32, "Date")),
        _ => Form::new(date_days, 0, placeholder, b"0", debezium(Kind::Int32, "Date")),
    }
}

fn read_date(text: &[u8]) -> Result<Date, Malformed> {
    let mut reader = Reader(text);
    let mut date = reader.date()?;
    reader.end(&mut date)?;
    Ok(date)
}

fn date_days(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    match text {
        b"infinity" => out.extend_from_slice(b"-2147472692"),
        b"-infinity" => out.extend_from_slice(b"-2147472691"),
        _ => json::integer(out, read_date(text)?.days()),
    }
    Ok(())
}

fn date_iso(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    match text {
        b"infinity" => out.extend_from_slice(b"\"-5877611-06-21Z\""),
        b"-infinity" => out.extend_from_slice(b"\"-5877611-06-22Z\""),
        _ => {
            out.push(b'"');
            read_date(text)?.put(out);
            out.extend_from_slice(b"Z\"");
        }
    }
    Ok(())
}

/// The form of `time`; adaptive: milliseconds up to 3 digits, else microseconds.
pub fn time_form(digits: u8, mode: TimePrecision, placeholder: Vec<u8>) -> Form {
    match (mode, digits) {
        (TimePrecision::IsoString, _) => Form::new(time_iso, 0, placeholder, b"\"00:00:00Z\"", debezium(Kind::String, "IsoTime")),
        (TimePrecision::Adaptive, 0..=3) => Form::new(time_ms, 0, placeholder, b"0", debezium(Kind::Int32, "Time")),
        (TimePrecision::Connect, _) => Form::new(time_ms, 0, placeholder, b"0", connect(Kind::Int32, "Time")),
        (TimePrecision::Nanoseconds, _) => Form::new(time_ns, 0, placeholder, b"0", debezium(Kind::Int64, "NanoTime")),
        _ => Form::new(time_us, 0, placeholder, b"0", debezium(Kind::Int64, "MicroTime")),
    }
}

fn read_time(text: &[u8]) -> Result<i64, Malformed> {
    let mut reader = Reader(text);
    let micros = reader.time()?;
    if reader.0.is_empty() { Ok(micros) } else { Err(Malformed) }
}

fn time_ms(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    json::integer(out, read_time(text)? / 1000);
    Ok(())
}

fn time_us(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    json::integer(out, read_time(text)?);
    Ok(())
}

fn time_ns(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    json::integer(out, read_time(text)? * 1000);
    Ok(())
}

fn put_time_of_day(out: &mut Vec<u8>, micros: i64) {
    out.push(b'"');
    put_time(out, micros.rem_euclid(DAY_US), None);
    out.extend_from_slice(b"Z\"");
}

fn time_iso(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    put_time_of_day(out, read_time(text)?);
    Ok(())
}

/// The form of `time with time zone`: ISO text, in every mode.
pub fn time_tz_form(placeholder: Vec<u8>) -> Form {
    Form::new(time_tz, 0, placeholder, b"\"00:00:00Z\"", debezium(Kind::String, "ZonedTime"))
}

/// `time with time zone`, shifted to UTC.
fn time_tz(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    let mut reader = Reader(text);
    let micros = reader.time()? - reader.offset()?;
    if !reader.0.is_empty() {
        return Err(Malformed);
    }
    put_time_of_day(out, micros);
    Ok(())
}

/// The form of `timestamp`; adaptive: milliseconds up to 3 digits, else microseconds.
pub fn timestamp_form(digits: u8, mode: TimePrecision, placeholder: Vec<u8>) -> Form {
    match (mode, digits) {
        (TimePrecision::IsoString, _) => {
            Form::new(timestamp_iso, 0, placeholder, b"\"1970-01-01T00:00:00Z\"", debezium(Kind::String, "IsoTimestamp"))
        }
        (TimePrecision::Adaptive | TimePrecision::AdaptiveTimeMicroseconds, 0..=3) => {
            Form::new(timestamp_ms, 0, placeholder, b"0", debezium(Kind::Int64, "Timestamp"))
        }
        (TimePrecision::Connect, _) => Form::new(timestamp_ms, 0, placeholder, b"0", connect(Kind::Int64, "Timestamp")),
        (TimePrecision::Nanoseconds, _) => Form::new(timestamp_ns, 0, placeholder, b"0", debezium(Kind::Int64, "NanoTimestamp")),
        _ => Form::new(timestamp_us, 0, placeholder, b"0", debezium(Kind::Int64, "MicroTimestamp")),
    }
}

fn read_timestamp(text: &[u8]) -> Result<(Date, i64), Malformed> {
    let mut reader = Reader(text);
    let mut date = reader.date()?;
    reader.expect(b' ')?;
    let micros = reader.time()?;
    reader.end(&mut date)?;
    Ok((date, micros))
}

fn timestamp_ms(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    match text {
        b"infinity" => out.extend_from_slice(b"9223372036825200"),
        b"-infinity" => out.extend_from_slice(b"-9223372036832400"),
        _ => {
            let (date, micros) = read_timestamp(text)?;
            json::integer(out, date.days() * (DAY_US / 1000) + micros / 1000);
        }
    }
    Ok(())
}

fn timestamp_us(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    match text {
        b"infinity" => out.extend_from_slice(b"9223372036825200000"),
        b"-infinity" => out.extend_from_slice(b"-9223372036832400000"),
        _ => {
            let (date, micros) = read_timestamp(text)?;
            json::integer(out, date.days().saturating_mul(DAY_US).saturating_add(micros));
        }
    }
    Ok(())
}

/// Nanoseconds reach from 1677 to 2262. Debezium sends null for what is outside, and so do we.
fn timestamp_ns(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    match text {
        b"infinity" => json::integer(out, i64::MAX),
        b"-infinity" => json::integer(out, i64::MIN),
        _ => {
            let (date, micros) = read_timestamp(text)?;
            let micros = i128::from(date.days()) * i128::from(DAY_US) + i128::from(micros);
            match i64::try_from(micros * 1000) {
                Ok(nanos) => json::integer(out, nanos),
                Err(_) => out.extend_from_slice(b"null"),
            }
        }
    }
    Ok(())
}

fn timestamp_iso(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    match text {
        b"infinity" => out.extend_from_slice(b"\"+294247-01-10T04:00:25.2Z\""),
        b"-infinity" => out.extend_from_slice(b"\"-290308-12-21T19:59:27.6Z\""),
        _ => {
            let (date, micros) = read_timestamp(text)?;
            out.push(b'"');
            date.put(out);
            out.push(b'T');
            put_time(out, micros, None);
            out.extend_from_slice(b"Z\"");
        }
    }
    Ok(())
}

/// The form of `timestamp with time zone`: ISO text with as many digits as the column has, in every mode.
pub fn timestamp_tz_form(digits: u8, placeholder: Vec<u8>) -> Form {
    Form::new(timestamp_tz, i16::from(digits), placeholder, b"\"1970-01-01T00:00:00Z\"", debezium(Kind::String, "ZonedTimestamp"))
}

fn timestamp_tz(out: &mut Vec<u8>, text: &[u8], form: &Form) -> Result<(), Malformed> {
    if matches!(text, b"infinity" | b"-infinity") {
        json::string(out, text);
        return Ok(());
    }
    if put_as_it_stands(out, text, form.scale as usize) {
        return Ok(());
    }
    let mut reader = Reader(text);
    let mut date = reader.date()?;
    reader.expect(b' ')?;
    let micros = reader.time()?;
    if reader.offset()? != 0 {
        return Err(Malformed);
    }
    reader.end(&mut date)?;
    out.push(b'"');
    date.put(out);
    out.push(b'T');
    put_time(out, micros, Some(form.scale as u8));
    out.extend_from_slice(b"Z\"");
    Ok(())
}

/// Nearly all are `YYYY-MM-DD HH:MM:SS[.ffffff]+00`, whose digits are ISO's; false, with nothing written: this one is not.
fn put_as_it_stands(out: &mut Vec<u8>, text: &[u8], digits: usize) -> bool {
    const ZEROS: [u8; 6] = [b'0'; 6];
    let Some((head, rest)) = text.strip_suffix(b"+00").and_then(|text| text.split_first_chunk::<19>()) else { return false };
    let fits = |(byte, form): (&u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { byte == form };
    if !head.iter().zip(b"0000-00-00 00:00:00").all(fits) {
        return false;
    }
    let fraction = rest.strip_prefix(b".").unwrap_or(rest);
    let Some(missing) = digits.min(6).checked_sub(fraction.len()) else { return false };
    if rest.len() == 1 || (fraction.len() == rest.len() && !rest.is_empty()) || !fraction.iter().all(u8::is_ascii_digit) {
        return false;
    }
    out.push(b'"');
    out.extend_from_slice(&head[..10]);
    out.push(b'T');
    out.extend_from_slice(&head[11..]);
    if digits > 0 {
        out.push(b'.');
        out.extend_from_slice(fraction);
        out.extend_from_slice(&ZEROS[..missing]);
    }
    out.extend_from_slice(b"Z\"");
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use TimePrecision::{Adaptive, AdaptiveTimeMicroseconds, Connect, IsoString, Microseconds, Nanoseconds};
    use proptest::prelude::*;

    fn write(form: &Form, text: &str) -> String {
        let mut out = Vec::new();
        (form.write)(&mut out, text.as_bytes(), form).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn dates_and_times_are_debeziums() {
        let none = Vec::new;
        for (form, text, expected) in [
            (date_form(Adaptive, none()), "2024-01-02", "19724"),
            (date_form(Adaptive, none()), "0044-03-15 BC", "-735160"),
            (date_form(Adaptive, none()), "infinity", "-2147472692"),
            (date_form(Adaptive, none()), "-infinity", "-2147472691"),
            (date_form(IsoString, none()), "2024-01-02", "\"2024-01-02Z\""),
            (date_form(IsoString, none()), "0044-03-15 BC", "\"-0043-03-15Z\""),
            (date_form(IsoString, none()), "5874897-12-31", "\"+5874897-12-31Z\""),
            (date_form(IsoString, none()), "infinity", "\"-5877611-06-21Z\""),
            (time_form(3, Adaptive, none()), "01:02:03.123", "3723123"),
            (time_form(6, Adaptive, none()), "01:02:03.123456", "3723123456"),
            (time_form(6, Adaptive, none()), "24:00:00", "86400000000"),
            (time_form(0, Adaptive, none()), "24:00:00", "86400000"),
            (time_form(6, IsoString, none()), "01:02:03.123456", "\"01:02:03.123456Z\""),
            (time_form(6, IsoString, none()), "01:02:03.12", "\"01:02:03.12Z\""),
            (time_form(6, IsoString, none()), "24:00:00", "\"00:00:00Z\""),
            (time_tz_form(none()), "01:02:03.123456+02", "\"23:02:03.123456Z\""),
            (time_tz_form(none()), "24:00:00+00", "\"00:00:00Z\""),
            (time_tz_form(none()), "24:00:00-15:59", "\"15:59:00Z\""),
            (timestamp_form(3, Adaptive, none()), "2024-01-02 03:04:05.123", "1704164645123"),
            (timestamp_form(6, Adaptive, none()), "2024-01-02 03:04:05.123456", "1704164645123456"),
            (timestamp_form(6, Adaptive, none()), "0044-03-15 10:00:00 BC", "-63517788000000000"),
            (timestamp_form(6, Adaptive, none()), "infinity", "9223372036825200000"),
            (timestamp_form(6, Adaptive, none()), "-infinity", "-9223372036832400000"),
            (timestamp_form(6, Adaptive, none()), "294276-12-31 23:59:59.999999", "9223372036854775807"),
            (timestamp_form(6, IsoString, none()), "2024-01-02 03:04:05.123456", "\"2024-01-02T03:04:05.123456Z\""),
            (timestamp_form(6, IsoString, none()), "infinity", "\"+294247-01-10T04:00:25.2Z\""),
            (time_form(3, AdaptiveTimeMicroseconds, none()), "01:02:03.123", "3723123000"),
            (time_form(0, Microseconds, none()), "24:00:00", "86400000000"),
            (time_form(6, Nanoseconds, none()), "01:02:03.123456", "3723123456000"),
            (time_form(6, Connect, none()), "01:02:03.123456", "3723123"),
            (timestamp_form(3, AdaptiveTimeMicroseconds, none()), "2024-01-02 03:04:05.123", "1704164645123"),
            (timestamp_form(3, Microseconds, none()), "2024-01-02 03:04:05.123", "1704164645123000"),
            (timestamp_form(6, Nanoseconds, none()), "2024-01-02 03:04:05.123456", "1704164645123456000"),
            (timestamp_form(6, Nanoseconds, none()), "0001-01-01 00:00:00", "null"),
            (timestamp_form(6, Nanoseconds, none()), "-infinity", "-9223372036854775808"),
            (timestamp_form(6, Connect, none()), "2024-01-02 03:04:05.123456", "1704164645123"),
            (timestamp_tz_form(6, none()), "2024-01-02 01:04:05.123456+00", "\"2024-01-02T01:04:05.123456Z\""),
            (timestamp_tz_form(6, none()), "2024-01-02 01:04:05+00", "\"2024-01-02T01:04:05.000000Z\""),
            (timestamp_tz_form(3, none()), "2024-01-02 01:04:05.12+00", "\"2024-01-02T01:04:05.120Z\""),
            (timestamp_tz_form(0, none()), "2024-01-02 01:04:05+00", "\"2024-01-02T01:04:05Z\""),
            (timestamp_tz_form(6, none()), "0044-03-15 10:00:00+00 BC", "\"-0043-03-15T10:00:00.000000Z\""),
            (timestamp_tz_form(6, none()), "-infinity", "\"-infinity\""),
        ] {
            assert_eq!(write(&form, text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_not_panicked_on(bytes in proptest::collection::vec(any::<u8>(), 0..40), digits in "[-0-9: .+BC]{0,40}") {
            for form in [date_form(Adaptive, vec![]), date_form(IsoString, vec![]), time_form(6, Adaptive, vec![]), time_form(6, IsoString, vec![]),
                         timestamp_form(3, Adaptive, vec![]), timestamp_form(6, IsoString, vec![]), timestamp_tz_form(6, vec![])] {
                let _ = (form.write)(&mut Vec::new(), &bytes, &form);
                let _ = (form.write)(&mut Vec::new(), digits.as_bytes(), &form);
            }
        }
    }
}
