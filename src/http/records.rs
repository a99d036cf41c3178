//! Records as lines of JSON: the shape of `/v1/topics/{t}/records`, and where a reader begins.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::config::quantity;
pub use crate::event::view::{rfc3339, write_value};
use crate::event::{Event, Show, View};
use crate::record::view::RecordView;

/// Where to begin reading, by one grammar for HTTP and the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// The first record that is kept.
    Start,
    /// Only new records.
    End,
    /// This many before the end, in each partition.
    BeforeEnd(u64),
    /// This many after the start, in each partition.
    AfterStart(u64),
    /// This offset, in each partition.
    Offset(u64),
    /// The first record at or after this time, milliseconds since 1970.
    Time(i64),
}

impl StartAt {
    /// Reads `start`, `end`, `-100`, `+100`, `offset:1842`, `now-5m`, or milliseconds since 1970.
    pub fn parse(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<u64>().ok();
        let found = match text {
            "start" | "earliest" | "beginning" => Some(Self::Start),
            "end" | "latest" | "now" => Some(Self::End),
            _ => None,
        };
        let counted = || match text.split_at_checked(1)? {
            ("-", rest) => number(rest).map(Self::BeforeEnd),
            // A plus sign in a query string arrives as a space.
            ("+" | " ", rest) => number(rest).map(Self::AfterStart),
            _ => None,
        };
        let named = || number(text.strip_prefix("offset:")?).map(Self::Offset);
        let ago = || {
            let ago = quantity::parse_duration(text.strip_prefix("now-")?).ok()?;
            let time = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.checked_sub(ago)?;
            i64::try_from(time.as_millis()).ok().map(Self::Time)
        };
        // A bare number is a time; offsets are written offset:N, so that none is taken for the other.
        let time = || text.parse::<i64>().ok().filter(|time| *time >= TIME_MS_MIN).map(Self::Time);
        found.or_else(counted).or_else(named).or_else(ago).or_else(time).ok_or_else(|| {
            format!("\"{text}\" is not a place to begin: use start, end, -100, +100, offset:1842, now-5m, or milliseconds since 1970")
        })
    }
}

/// 2001-09-09: a smaller bare number is an offset somebody forgot to mark.
const TIME_MS_MIN: i64 = 1_000_000_000_000;

/// Appends one record as a line of JSON.
pub fn write_line(topic: &str, partition: u32, record: &RecordView<'_>, out: &mut Vec<u8>) {
    View::Raw.write(&Event::new(topic, partition, record), &Show::default(), out);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_to_begin_are_read() {
        assert_eq!(StartAt::parse("earliest"), Ok(StartAt::Start));
        assert_eq!(StartAt::parse("-100"), Ok(StartAt::BeforeEnd(100)));
        assert_eq!(StartAt::parse("+5"), Ok(StartAt::AfterStart(5)));
        assert_eq!(StartAt::parse("offset:1842"), Ok(StartAt::Offset(1842)));
        assert_eq!(StartAt::parse("1700000000000"), Ok(StartAt::Time(1_700_000_000_000)));
        assert!(matches!(StartAt::parse("now-5m"), Ok(StartAt::Time(_))));
        for bad in ["", "1842", "offset:x", "--1", "now-5 years", "é"] {
            assert!(StartAt::parse(bad).is_err(), "{bad}");
        }
    }
}
