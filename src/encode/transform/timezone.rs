//! `TimezoneConverter`: times of rows in another zone.
//!
//! Which fields are converted is known with the shape; per row a number is shifted and a text written anew, in place. Every
//! schema stays. A timestamp without a zone is read as one of the new zone's clocks: the offset is taken off. A timestamp
//! with one keeps its point in time and shows it in the zone, with the offset that the zone has when its clocks show what
//! the text shows in UTC: Debezium asks so, and within hours of a change of clocks that is not the zone's own answer.

use super::convert::{Convert, converted};
use super::moment::{date_of, days_of, padded};
use super::shape::{Content, Node, Shape};
use super::steps::{is_envelope, opened};
use crate::config::postgres::transforms::{Zone, Zoning};
use crate::encode::json;

const DAY_S: i64 = 86_400;

/// A form of a time, as far as a zone is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zoned {
    /// What clocks show, so many a second since 1970.
    Shown(i64),
    /// A point in time, so many a second since 1970.
    Point(i64),
    /// The text of a point in time.
    Text,
    /// The text of a time of day.
    TimeOfDay,
}

/// Converts what the rules choose of a record.
pub fn convert(zoning: &Zoning, shape: &mut Shape) {
    let Some(envelope) = shape.value.as_mut().filter(|value| is_envelope(value)) else { return };
    let Some(table) = table_of(envelope) else { return };
    let Some(chosen) = zoning.chosen(&shape.topic, &table) else { return };
    for (block, node) in envelope.fields_mut().into_iter().flatten() {
        if !matches!(&**block, "before" | "after" | "source") {
            continue;
        }
        let is_source = **block == *"source";
        let has = |field: &str| chosen.has(block, field);
        if matches!(node.content, Content::Source(_)) && ["ts_ms", "ts_us", "ts_ns"].into_iter().any(has) {
            node.content = Content::Struct(opened(node));
        }
        for (name, field) in node.fields_mut().into_iter().flatten().filter(|(name, _)| has(name)) {
            if let Some(form) = if is_source { point(name) } else { form_of(field) } {
                let schema = field.schema.clone();
                converted(field, schema, Convert::Zone(form, zoning.zone.clone()));
            }
        }
    }
}

/// `source.table`.
fn table_of(envelope: &Node) -> Option<String> {
    let source = envelope.field("source")?;
    let content = match &source.content {
        Content::Source(constants) => return serde_json::from_slice(&constants.iter().find(|(name, _)| *name == "table")?.1).ok(),
        _ => &source.field("table")?.content,
    };
    if let Content::Constant(json) = content { serde_json::from_slice(json).ok() } else { None }
}

fn point(name: &str) -> Option<Zoned> {
    match name {
        "ts_ms" => Some(Zoned::Point(1000)),
        "ts_us" => Some(Zoned::Point(1_000_000)),
        "ts_ns" => Some(Zoned::Point(1_000_000_000)),
        _ => None,
    }
}

fn form_of(field: &Node) -> Option<Zoned> {
    match field.schema.name.as_deref()? {
        "io.debezium.time.Timestamp" | "org.apache.kafka.connect.data.Timestamp" => Some(Zoned::Shown(1000)),
        "io.debezium.time.MicroTimestamp" => Some(Zoned::Shown(1_000_000)),
        "io.debezium.time.NanoTimestamp" => Some(Zoned::Shown(1_000_000_000)),
        "io.debezium.time.ZonedTimestamp" => Some(Zoned::Text),
        "io.debezium.time.ZonedTime" => Some(Zoned::TimeOfDay),
        _ => None,
    }
}

impl Zoned {
    /// Converts what was written from `begun` on; `now_s` is the processing time. What is no time (infinity, a mask) stays.
    pub fn apply(self, zone: &Zone, out: &mut Vec<u8>, begun: usize, now_s: i64) {
        match self {
            Self::Shown(unit) => shift(out, begun, |number| {
                let offset = i64::from(zone.offset_when_clocks_show(number.div_euclid(unit)));
                number.wrapping_sub(offset * unit)
            }),
            Self::Point(unit) => shift(out, begun, |number| number.wrapping_add(i64::from(zone.offset_at(number.div_euclid(unit))) * unit)),
            Self::Text => {
                let Some(read) = out.get(begun..).and_then(Read::timestamp) else { return };
                let offset = zone.offset_when_clocks_show(read.seconds);
                out.truncate(begun);
                out.push(b'"');
                put_date(out, (read.seconds + i64::from(offset)).div_euclid(DAY_S));
                out.push(b'T');
                read.put_time(out, offset);
            }
            Self::TimeOfDay => {
                let Some(read) = out.get(begun..).and_then(Read::time_of_day) else { return };
                out.truncate(begun);
                out.push(b'"');
                read.put_time(out, zone.offset_at(now_s));
            }
        }
    }
}

fn shift(out: &mut Vec<u8>, begun: usize, to: impl FnOnce(i64) -> i64) {
    let text = out.get(begun..).and_then(|json| std::str::from_utf8(json).ok());
    let Some(number) = text.and_then(|text| text.parse().ok()) else { return };
    out.truncate(begun);
    json::integer(out, to(number));
}

/// A text that was read, in UTC.
#[derive(Clone, Copy, Debug)]
struct Read {
    seconds: i64,
    fraction: [u8; 9],
    digits: usize,
}

impl Read {
    /// `"2024-02-29T01:02:03.456Z"`.
    fn timestamp(json: &[u8]) -> Option<Self> {
        let (date, time) = inside(json)?.split_once('T')?;
        let (digits, minus) = date.strip_prefix('-').map_or((date.strip_prefix('+').unwrap_or(date), false), |digits| (digits, true));
        let mut parts = digits.splitn(3, '-').map(number);
        let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
        if year > 1_000_000 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        let days = days_of(if minus { -year } else { year }, month, day);
        let read = Self::time(time)?;
        Some(Self { seconds: days * DAY_S + read.seconds, ..read })
    }

    /// `"01:02:03.456Z"`.
    fn time_of_day(json: &[u8]) -> Option<Self> {
        Self::time(inside(json)?)
    }

    fn time(text: &str) -> Option<Self> {
        let (whole, rest) = text.split_at_checked(8)?;
        let mut parts = whole.splitn(3, ':').map(number);
        let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
        if hours > 23 || minutes > 59 || seconds > 59 {
            return None;
        }
        let digits = if rest.is_empty() { "" } else { rest.strip_prefix('.')? }.trim_end_matches('0');
        let mut fraction = [0; 9];
        fraction.get_mut(..digits.len())?.copy_from_slice(digits.as_bytes());
        digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(())?;
        Some(Self { seconds: hours * 3600 + minutes * 60 + seconds, fraction, digits: digits.len() })
    }

    /// The time of day, the offset and the closing quote, as Java's `ISO_OFFSET_TIME` has them.
    fn put_time(&self, out: &mut Vec<u8>, offset: i32) {
        put_clock(out, (self.seconds + i64::from(offset)).rem_euclid(DAY_S), true);
        if self.digits > 0 {
            out.push(b'.');
            out.extend_from_slice(self.fraction.get(..self.digits).unwrap_or_default());
        }
        if offset == 0 {
            out.push(b'Z');
        } else {
            out.push(if offset < 0 { b'-' } else { b'+' });
            put_clock(out, i64::from(offset.unsigned_abs()), offset % 60 != 0);
        }
        out.push(b'"');
    }
}

/// A text in quotes that ends with `Z`.
fn inside(json: &[u8]) -> Option<&str> {
    std::str::from_utf8(json.strip_prefix(b"\"")?.strip_suffix(b"Z\"")?).ok()
}

fn number(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn put_date(out: &mut Vec<u8>, days: i64) {
    let (year, month, day) = date_of(days);
    if year < 0 {
        out.push(b'-');
    } else if year > 9999 {
        out.push(b'+');
    }
    padded(out, year, 4);
    for part in [month, day] {
        out.push(b'-');
        padded(out, part, 2);
    }
}

/// `hh:mm`, and the seconds.
fn put_clock(out: &mut Vec<u8>, seconds: i64, whole: bool) {
    padded(out, seconds / 3600, 2);
    out.push(b':');
    padded(out, seconds / 60 % 60, 2);
    if whole {
        out.push(b':');
        padded(out, seconds % 60, 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn zoned(form: Zoned, zone: &str, json: &str, now_s: i64) -> String {
        let mut out = [b"before", json.as_bytes()].concat();
        form.apply(&Zone::new(zone).expect("a zone"), &mut out, 6, now_s);
        String::from_utf8(out.split_off(6)).expect("UTF-8")
    }

    #[test]
    fn times_are_converted_as_debezium_converts_them() {
        let york = "America/New_York";
        for (form, zone, json, expected) in [
            (Zoned::Shown(1000), york, "1709168523456", "1709186523456"),
            (Zoned::Shown(1_000_000), york, "-1", "17999999999"),
            (Zoned::Shown(1_000_000_000), "+05:30", "0", "-19800000000000"),
            // Infinity goes round, as in Java.
            (Zoned::Shown(1_000_000), york, "9223372036825200000", "-9223372018884351616"),
            (Zoned::Point(1000), york, "1720000000000", "1719985600000"),
            (Zoned::Text, york, r#""2024-02-29T01:02:03.456000Z""#, r#""2024-02-28T20:02:03.456-05:00""#),
            (Zoned::Text, "UTC", r#""2024-02-29T01:02:03.000000Z""#, r#""2024-02-29T01:02:03Z""#),
            (Zoned::Text, "+08:00", r#""+12000-12-31T20:00:00Z""#, r#""+12001-01-01T04:00:00+08:00""#),
            (Zoned::Text, york, r#""-0043-03-15T10:00:00Z""#, r#""-0043-03-15T05:03:58-04:56:02""#),
            (Zoned::Text, york, r#""infinity""#, r#""infinity""#),
            (Zoned::TimeOfDay, york, r#""03:00:00.5Z""#, r#""23:00:00.5-04:00""#),
            (Zoned::Text, york, "null", "null"),
        ] {
            assert_eq!(zoned(form, zone, json, 1_720_000_000), expected, "{form:?} {zone} {json}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_converted_or_left(json in r#""?[-+0-9T:.Z]{0,40}"?"#) {
            for form in [Zoned::Shown(1000), Zoned::Point(1_000_000_000), Zoned::Text, Zoned::TimeOfDay] {
                zoned(form, "Europe/Berlin", &json, 0);
            }
        }
    }
}
