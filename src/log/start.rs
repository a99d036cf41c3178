//! Where a reader begins: one grammar for HTTP, the command line and subscriptions.
//!
//! Owns the grammar and what a place means in each partition of a topic. Promises that a bare number is never taken for an
//! offset: offsets are written `offset:N`, so that none is taken for a time. Leaves reading to [`super::subscription`].

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::LogError;
use super::builtin::BuiltinLog;
use super::subscription::Place;
use super::topic::TopicInfo;
use crate::config::quantity;
use crate::record::Route;

/// Where to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// These offsets, by partition; others begin at their start.
    Partitions(Vec<(u32, u64)>),
    /// The first record at or after this time, milliseconds since 1970.
    Time(i64),
}

/// 2001-09-09: a smaller bare number is an offset somebody forgot to mark.
const TIME_MS_MIN: i64 = 1_000_000_000_000;

impl StartAt {
    /// All forms, for people.
    pub const FORMS: &str = "start, end, -100, +100, offset:1842, 0:1842,1:77, now-5m, 2026-11-21T14:00:00Z, or milliseconds since 1970";

    /// Reads a place; what is none is told with all forms.
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
            let ago = quantity::parse_duration(text.strip_prefix("now-").or_else(|| text.strip_prefix('-')?.strip_suffix('@'))?).ok()?;
            let time = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.checked_sub(ago)?;
            i64::try_from(time.as_millis()).ok().map(Self::Time)
        };
        let time = || text.parse::<i64>().ok().filter(|time| *time >= TIME_MS_MIN).map(Self::Time);
        let moment = || Some(Self::Time(text.parse::<jiff::Timestamp>().ok()?.as_millisecond()));
        let day = || {
            let day = text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() == "2026-11-21".len())?;
            Some(Self::Time(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond()))
        };
        let found =
            found.or_else(counted).or_else(named).or_else(ago).or_else(time).or_else(|| parse_partitions(text).map(Self::Partitions));
        found.or_else(moment).or_else(day).ok_or_else(|| format!("\"{text}\" is not a place to begin: use {}", Self::FORMS))
    }

    /// What it means in each partition of a topic, or in one only. An offset that is not kept is an error.
    pub async fn places(&self, log: &BuiltinLog, topic: &Arc<TopicInfo>, only: Option<u32>) -> Result<Vec<Place>, LogError> {
        let mut places = Vec::new();
        for partition in (0..topic.partitions).filter(|partition| only.is_none_or(|asked| asked == *partition)) {
            let Some(range) = log.offsets(topic.index, partition) else { continue };
            let next = match self {
                Self::Start => range.start,
                Self::End => range.end,
                Self::BeforeEnd(count) => range.end.saturating_sub(*count).max(range.start),
                Self::AfterStart(count) => range.start.saturating_add(*count).min(range.end),
                Self::Offset(offset) => *offset,
                Self::Partitions(offsets) => {
                    offsets.iter().find(|(known, _)| *known == partition).map_or(range.start, |(_, offset)| *offset)
                }
                Self::Time(time) => log.offset_for_time(topic.index, partition, *time).await?.map_or(range.end, |(offset, _)| offset),
            };
            if next > range.end || next < range.start {
                return Err(LogError::OffsetOutOfRange { asked: next, start: range.start, end: range.end });
            }
            places.push(Place { topic: Arc::clone(topic), route: Route { topic: topic.index, partition }, next });
        }
        Ok(places)
    }
}

/// Reads `0:1842,1:77`: offsets by partition, rising.
pub fn parse_partitions(text: &str) -> Option<Vec<(u32, u64)>> {
    let mut places: Vec<(u32, u64)> = Vec::new();
    for place in text.split(',') {
        let (partition, offset) = place.split_once(':')?;
        let place = (partition.parse().ok()?, offset.parse().ok()?);
        if places.last().is_some_and(|(last, _)| *last >= place.0) {
            return None;
        }
        places.push(place);
    }
    Some(places)
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
        assert_eq!(StartAt::parse("0:1842,3:77"), Ok(StartAt::Partitions(vec![(0, 1842), (3, 77)])));
        assert_eq!(StartAt::parse("1700000000000"), Ok(StartAt::Time(1_700_000_000_000)));
        assert_eq!(StartAt::parse("2026-11-21T03:52:08.832Z"), Ok(StartAt::Time(1_795_233_128_832)));
        assert_eq!(StartAt::parse("1970-01-02"), Ok(StartAt::Time(86_400_000)));
        assert!(matches!(StartAt::parse("now-5m"), Ok(StartAt::Time(_))));
        assert!(matches!(StartAt::parse("-5m@"), Ok(StartAt::Time(_))));
        for bad in ["", "1842", "offset:x", "--1", "now-5 years", "é", "0:", "1:2,0:3", "0:1,0:1", "2026-13-01", "2026"] {
            assert!(StartAt::parse(bad).is_err(), "{bad}");
        }
    }
}
