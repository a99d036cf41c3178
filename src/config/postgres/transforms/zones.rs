//! The options of `TimezoneConverter`: the time zone, and the rules that say of which records it converts which fields.
//!
//! Owns the zones, whose offsets are those of Java's `ZoneRules` (the database comes with the program, as Java's does), and
//! the order in which rules are asked. Promises that a zone that Debezium would fail at with the first record is refused at
//! once. How a value is converted is `encode::transform`'s.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase};

use super::{Refused, refused};
use crate::config::postgres::own::Own;
use crate::problem::Problem;

/// The seconds of 400 years, after which the calendar repeats, weekdays and all.
const CALENDAR_S: i64 = 146_097 * 86_400;
/// Within the years that the database's arithmetic reaches.
const REACH_S: std::ops::Range<i64> = -377_000_000_000..250_000_000_000;
/// Java's limit of an offset: 18 hours.
const OFFSET_MAX_S: i32 = 18 * 3600;

/// Names of IANA's database that `ZoneId.of` does not know.
const NOT_JAVAS: [&str; 6] = ["EST", "MST", "HST", "ROC", "Factory", "Etc/Unknown"];

/// A time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// A region (`America/New_York`), `UTC`, or an offset (`+08:00`).
    pub fn new(text: &str) -> Option<Self> {
        if text.starts_with(['+', '-']) {
            let offset = Offset::from_seconds(offset(text)?).ok()?;
            return Some(Self(TimeZone::fixed(offset)));
        }
        // The database takes a name in any case, Java does not.
        let zone = TimeZoneDatabase::bundled().get(text).ok().filter(|zone| zone.iana_name() == Some(text));
        zone.filter(|_| !NOT_JAVAS.contains(&text)).map(Self)
    }

    /// Seconds east of UTC at a point in time, in seconds since 1970.
    pub fn offset_at(&self, seconds: i64) -> i32 {
        self.0.to_offset(reachable(seconds)).seconds()
    }

    /// Seconds east of UTC when the zone's clocks show what UTC's show at `seconds` since 1970; where they skip or repeat an
    /// hour, those before.
    pub fn offset_when_clocks_show(&self, seconds: i64) -> i32 {
        let shown = TimeZone::UTC.to_datetime(reachable(seconds));
        match self.0.to_ambiguous_timestamp(shown).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.seconds(),
            AmbiguousOffset::Gap { before, .. } | AmbiguousOffset::Fold { before, .. } => before.seconds(),
        }
    }
}

/// The same time of the same kind of year, in reach.
fn reachable(seconds: i64) -> Timestamp {
    let over = seconds.saturating_sub(REACH_S.end);
    let cycles = if over >= 0 { over / CALENDAR_S + 1 } else { 0 };
    Timestamp::from_second((seconds - cycles * CALENDAR_S).max(REACH_S.start)).unwrap_or_default()
}

/// `+hh:mm` or `+hh:mm:ss`, in seconds.
fn offset(text: &str) -> Option<i32> {
    let (sign, digits) = (text.get(..1)?, text.get(1..)?);
    let parts: Vec<&str> = digits.split(':').collect();
    let number = |part: &&str| {
        let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<i32>().ok().filter(|_| digits)
    };
    let numbers: Vec<i32> = parts.iter().map(number).collect::<Option<_>>()?;
    let (hours, minutes, seconds) = match numbers[..] {
        [hours, minutes] => (hours, minutes, 0),
        [hours, minutes, seconds] => (hours, minutes, seconds),
        _ => return None,
    };
    let total = hours * 3600 + minutes * 60 + seconds;
    (minutes < 60 && seconds < 60 && total <= OFFSET_MAX_S).then_some(if sign == "-" { -total } else { total })
}

/// `TimezoneConverter`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zoning {
    /// `converted.timezone`.
    pub zone: Zone,
    listed: Option<Listed>,
}

/// `include.list` or `exclude.list`: by what a rule names, the fields; none are all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Listed {
    excludes: bool,
    topics: BTreeMap<String, Vec<String>>,
    tables: BTreeMap<String, Vec<String>>,
    /// Topics or tables.
    either: BTreeMap<String, Vec<String>>,
}

/// Which fields of a record are converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen<'a> {
    /// Those of its rows that are times.
    All,
    /// These.
    Only(&'a [String]),
    /// All but these.
    AllBut(&'a [String]),
}

impl Zoning {
    /// Whether what it does depends on the topic.
    pub fn looks_at_topics(&self) -> bool {
        self.listed.as_ref().is_some_and(|listed| !listed.topics.is_empty() || !listed.either.is_empty())
    }

    /// Which fields of a table's records are converted.
    pub fn chosen(&self, topic: &str, table: &str) -> Option<Chosen<'_>> {
        let Some(listed) = &self.listed else { return Some(Chosen::All) };
        let rule = [(&listed.topics, topic), (&listed.tables, table), (&listed.either, topic), (&listed.either, table)];
        let found = rule.iter().find_map(|(rules, name)| rules.get(*name));
        match (listed.excludes, found.map(Vec::as_slice)) {
            (false, None) | (true, Some([])) => None,
            (false, Some([])) | (true, None) => Some(Chosen::All),
            (false, Some(fields)) => Some(Chosen::Only(fields)),
            (true, Some(fields)) => Some(Chosen::AllBut(fields)),
        }
    }
}

impl Chosen<'_> {
    /// Whether a field of `before`, `after` or `source` is meant; of the source block only where a rule names it.
    pub fn has(self, block: &str, field: &str) -> bool {
        let is_source = block == "source";
        match self {
            Self::All => !is_source,
            Self::Only(names) => names.iter().any(|name| means(name, block, field)),
            Self::AllBut(names) => {
                let concerned = !is_source || names.iter().any(|name| name.starts_with("source."));
                concerned && !names.iter().any(|name| means(name, block, field))
            }
        }
    }
}

/// `field`, of both rows, or `block.field`.
fn means(name: &str, block: &str, field: &str) -> bool {
    let of = |block: &str| name.strip_prefix(block).and_then(|rest| rest.strip_prefix('.'));
    match of(block) {
        Some(inside) => inside == field,
        None => block != "source" && ["source", "before", "after"].iter().all(|other| of(other).is_none()) && name == field,
    }
}

pub(super) fn zoning(own: &Own<'_>) -> Result<Zoning, Refused> {
    let option = "converted.timezone";
    let text = own.need(option)?;
    let zone = Zone::new(text)
        .ok_or_else(|| own.wrong(option, text, "a region, as America/Los_Angeles, or an offset from -18:00 to +18:00, as +08:00"))?;
    let (include, exclude) = (own.list("include.list"), own.list("exclude.list"));
    let listed = match (include.is_empty(), exclude.is_empty()) {
        (true, true) => None,
        (false, true) => Some(listed(own, "include.list", &include, false)?),
        (true, false) => Some(listed(own, "exclude.list", &exclude, true)?),
        (false, false) => {
            let problem = Problem::refuse("config/value", format!("{} and exclude.list are both set", own.key("include.list")))
                .why("Debezium takes one or the other")
                .fix("remove one of them");
            return Err(refused(&own.key("exclude.list"), problem));
        }
    };
    Ok(Zoning { zone, listed })
}

fn listed(own: &Own<'_>, option: &str, items: &[String], excludes: bool) -> Result<Listed, Refused> {
    let mut listed = Listed { excludes, ..Listed::default() };
    // A prefix holds for what follows without one, as in Debezium.
    let mut prefix = "";
    for item in items {
        let parts: Vec<&str> = item.split(':').collect();
        let is_prefix = |part: &str| part.eq_ignore_ascii_case("source") || part.eq_ignore_ascii_case("topic");
        let (name, field) = match parts[..] {
            [name] => (name, None),
            [first, name] if is_prefix(first) => {
                prefix = first;
                (name, None)
            }
            [first, name, field] if is_prefix(first) => {
                prefix = first;
                (name, Some(field))
            }
            [name, field] => (name, Some(field)),
            _ => ("", None),
        };
        if name.is_empty() || field.is_some_and(str::is_empty) {
            return Err(own.wrong(option, item, "source:table, topic:name or a name of either, each perhaps with :field"));
        }
        let rules = match prefix {
            "topic" => &mut listed.topics,
            "source" => &mut listed.tables,
            _ => &mut listed.either,
        };
        rules.entry(name.to_owned()).or_default().extend(field.map(str::to_owned));
    }
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Java 17 says of `ZoneId.of(zone).getRules()`: the offset when clocks show, and at, a point in time.
    #[test]
    fn offsets_are_javas() {
        for (zone, seconds, shown, at) in [
            ("UTC", 0, 0, 0),
            ("+05:30", 1_709_168_523, 19_800, 19_800),
            ("-09:30:15", 0, -34_215, -34_215),
            ("America/New_York", 1_710_037_800, -18_000, -18_000),
            ("America/New_York", 1_730_597_400, -14_400, -14_400),
            ("America/New_York", 1_720_000_000, -14_400, -14_400),
            ("America/New_York", -5_000_000_000, -17_762, -17_762),
            ("Europe/London", 4_102_444_800, 0, 0),
            ("Asia/Kolkata", 0, 19_800, 19_800),
            // The years 12000 and 290308 BC.
            ("Europe/Berlin", 316_528_473_600, 7_200, 7_200),
            ("Europe/Berlin", -9_223_372_036_832, 3_208, 3_208),
        ] {
            let zone = Zone::new(zone).expect("a zone");
            assert_eq!((zone.offset_when_clocks_show(seconds), zone.offset_at(seconds)), (shown, at), "{zone:?} {seconds}");
        }
    }

    #[test]
    fn what_is_no_zone_is_refused() {
        let names = ["america/new_york", "utc", "EST", "MST", "HST", "ROC", "Factory", "Etc/Unknown", "PST"];
        let taken = ["UTC", "GMT", "UCT", "Zulu", "EST5EDT", "MET", "GB", "Cuba", "GMT0", "Asia/Calcutta", "US/Eastern", "Etc/UTC"];
        for text in taken {
            assert!(Zone::new(text).is_some(), "{text}");
        }
        for text in names.into_iter().chain(["", "Mars/Olympus", "+8", "+08", "+18:01", "+08:60", "+08:00:00:00", "-é", "+०८:००"])
        {
            assert_eq!(Zone::new(text), None, "{text}");
        }
    }

    fn chosen(option: &str, rules: &str, topic: &str, table: &str, of: &[&str]) -> String {
        let options = [("t.converted.timezone", "UTC"), (option, rules)].map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let zoning = zoning(&Own { options: &options, prefix: "t.".to_owned() }).expect("rules");
        let Some(chosen) = zoning.chosen(topic, table) else { return "none".to_owned() };
        let has = |way: &&&str| way.split_once('.').is_some_and(|(block, field)| chosen.has(block, field));
        of.iter().filter(has).copied().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn rules_choose_as_debeziums_do() {
        let ways = ["before.a", "after.a", "after.b", "source.ts_ms", "source.ts_us"];
        let include = |rules| chosen("t.include.list", rules, "srv.t", "t", &ways);
        let exclude = |rules| chosen("t.exclude.list", rules, "srv.t", "t", &ways);
        assert_eq!(include("source:t"), "before.a after.a after.b");
        assert_eq!(include("source:t:a"), "before.a after.a");
        assert_eq!(include("source:t:after.a"), "after.a");
        assert_eq!(include("source:t:source.ts_ms"), "source.ts_ms");
        assert_eq!(include("source:other"), "none");
        assert_eq!(include("source:other,t:b"), "after.b");
        assert_eq!(include("topic:other,t:b"), "none");
        assert_eq!(include("topic:srv.t:b"), "after.b");
        assert_eq!(include("t:a,t:b"), "before.a after.a after.b");
        assert_eq!(include("srv.t:b,t:a"), "after.b");
        assert_eq!(exclude("source:t"), "none");
        assert_eq!(exclude("source:t:a"), "after.b");
        assert_eq!(exclude("source:t:source.ts_ms"), "before.a after.a after.b source.ts_us");
        assert_eq!(exclude("source:other"), "before.a after.a after.b");
    }
}
