//! How much WAL a slot may keep, and what is said before that is too much.
//!
//! Owns the judgement: the nearer of two limits, `max_slot_wal_keep_size` of the server and `slot.max.retained.bytes` of the
//! connector; a word at half of it and another at nine tenths, with the time that is left at the rate of the last minutes.
//! Plain functions of what was seen; acting is the watch's ([`mod@super::watch`]).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::config::postgres::SlotBudget;
use crate::connect::store::DroppedSlot;
use crate::postgres::slots::SlotReport;
use crate::problem::Problem;

/// Where nothing sets a limit, a slot that keeps more than this is worth a warning.
const UNLIMITED_BYTES_MAX: u64 = 10 << 30;
/// Looks that the rate is taken from: ten minutes.
const SAMPLES_MAX: usize = 60;
/// A shorter time says nothing of a rate.
const SPAN_MIN: Duration = Duration::from_secs(5);
/// Longer than this is not said in figures.
const LEFT_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// What is worrying, and how much: the level rises as it gets worse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worry {
    /// 1 from half of the limit, 2 from nine tenths, 3 beyond it.
    pub level: u8,
    /// In words.
    pub problem: Problem,
}

/// What a slot kept at the last looks.
#[derive(Debug, Default)]
pub struct Trend {
    samples: VecDeque<(Instant, u64)>,
}

impl Trend {
    /// Another look. Where it keeps less than before, the rate is taken anew.
    pub fn note(&mut self, at: Instant, kept: u64) {
        if self.samples.back().is_some_and(|(_, before)| *before > kept) {
            self.samples.clear();
        }
        if self.samples.len() == SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back((at, kept));
    }

    /// How long until so much more is kept, at the rate so far.
    fn time_until(&self, more: u64) -> Option<Duration> {
        let ((first, before), (last, now)) = (self.samples.front()?, self.samples.back()?);
        let (span, grown) = (last.duration_since(*first), now.saturating_sub(*before));
        if span < SPAN_MIN || grown == 0 {
            return None;
        }
        let millis = u128::from(more) * span.as_millis() / u128::from(grown);
        Some(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
    }
}

/// WAL that can be written until the nearer limit: the server's, or the connector's own.
pub fn left(report: &SlotReport, budget: &SlotBudget) -> Option<u64> {
    let own = budget.bytes_max.map(|max| max.saturating_sub(report.retained_bytes.unwrap_or(0)));
    [report.safe_bytes, own].into_iter().flatten().min()
}

/// The slot keeps more than the connector's own limit.
pub fn is_exceeded(report: &SlotReport, budget: &SlotBudget) -> bool {
    budget.bytes_max.is_some_and(|max| report.retained_bytes.is_some_and(|kept| kept > max))
}

/// What is worrying about a connector's slot.
pub fn worry(report: &SlotReport, budget: &SlotBudget, trend: &Trend) -> Option<Worry> {
    let (name, kept) = (&report.name, report.retained_bytes.unwrap_or(0));
    let some = |level: u8, problem: Problem| Some(Worry { level, problem });
    match report.wal_status.as_deref() {
        // A connector that meets it fails with what to do.
        Some("lost") => {
            return some(3, Problem::fail("pg/wal-lost", format!("slot \"{name}\" has lost its WAL: changes are gone from the server")));
        }
        Some("unreserved") => {
            let what = format!("slot \"{name}\" is about to lose its WAL: it keeps {}", mib(kept));
            let why = "max_slot_wal_keep_size is exceeded: the next checkpoint removes what it needs";
            return some(3, Problem::retry("slot/wal-limit", what).why(why).fix(AT_THE_SERVER));
        }
        _ => {}
    }
    if is_exceeded(report, budget) {
        let (max, then) = (budget.bytes_max.unwrap_or(0), if budget.drops { "the slot is dropped" } else { "policy: warn" });
        let what = format!("slot \"{name}\" keeps {} of WAL, its budget is {}", mib(kept), mib(max));
        return some(3, Problem::retry("slot/wal-limit", what).why(format!("slot.max.retained.bytes is exceeded ({then})")).fix(AT_HOME));
    }
    let Some(left) = left(report, budget) else {
        if kept <= UNLIMITED_BYTES_MAX {
            return None;
        }
        let what = format!("slot \"{name}\" keeps {} of WAL, and nothing limits it: it can fill the disk", mib(kept));
        let problem = Problem::retry("slot/wal-growing", what).why("max_slot_wal_keep_size is -1");
        return some(
            1,
            problem.fix("let the connector run and catch up, and set a limit:\nALTER SYSTEM SET max_slot_wal_keep_size = '50GB';\nSELECT pg_reload_conf();"),
        );
    };
    let level = match kept {
        _ if kept / 9 >= left => 2,
        _ if kept > left => 1,
        _ => return None,
    };
    let own = report.safe_bytes.is_none_or(|safe| left < safe);
    let (limit, fix) = if own { ("slot.max.retained.bytes", AT_HOME) } else { ("max_slot_wal_keep_size", AT_THE_SERVER) };
    let then = if own && !budget.drops { "its budget is used up" } else { "it is lost" };
    let in_time = match trend.time_until(left) {
        Some(time) if time <= LEFT_MAX => format!(" ({} at this rate)", about(time)),
        _ => String::new(),
    };
    let what = format!("slot \"{name}\" keeps {} of WAL; {} more and {then}{in_time}", mib(kept), mib(left));
    let used = if level == 2 { "nine tenths" } else { "half" };
    some(level, Problem::retry("slot/wal-limit", what).why(format!("more than {used} of {limit} is used")).fix(fix))
}

const AT_THE_SERVER: &str = "let the connector run and catch up, or raise max_slot_wal_keep_size while the disk allows it";
const AT_HOME: &str = "let the connector run and catch up, or raise slot.max.retained.bytes while the disk allows it";

/// What a connector says whose slot was dropped for what it kept.
pub fn dropped(name: &str, dropped: &DroppedSlot) -> Problem {
    let DroppedSlot { slot, kept_bytes, bytes_max } = dropped;
    let what = format!("slot \"{slot}\" kept {} of WAL and was dropped; the connector is stopped", mib(*kept_bytes));
    Problem::fail("slot/dropped", what)
        .why(format!("slot.max.retained.bytes was {}, slot.max.retained.policy drop: changes since then are in no slot", mib(*bytes_max)))
        .fix(format!(
            "rowfeed connectors resume {name}: the gap is told then (slot/gone), with how to begin anew; or snapshot.mode=when_needed, which takes a new snapshot"
        ))
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

/// `about 3 h`.
fn about(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("about {seconds} s"),
        seconds @ 120..7200 => format!("about {} min", seconds / 60),
        seconds @ 7200..172_800 => format!("about {} h", seconds / 3600),
        seconds => format!("about {} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(wal_status: &str, retained_mib: u64, safe_mib: Option<u64>) -> SlotReport {
        SlotReport {
            name: "s".into(),
            wal_status: Some(wal_status.into()),
            retained_bytes: Some(retained_mib << 20),
            safe_bytes: safe_mib.map(|mib| mib << 20),
            ..SlotReport::default()
        }
    }

    fn seen(report: &SlotReport, budget: &SlotBudget) -> Option<(&'static str, u8)> {
        worry(report, budget, &Trend::default()).map(|worry| (worry.problem.code, worry.level))
    }

    #[test]
    fn a_slot_is_worrying_before_it_is_lost() {
        let seen = |report: SlotReport| seen(&report, &SlotBudget::default());
        assert_eq!(seen(report("reserved", 40, Some(60))), None);
        assert_eq!(seen(report("extended", 60, Some(40))), Some(("slot/wal-limit", 1)));
        assert_eq!(seen(report("extended", 91, Some(9))), Some(("slot/wal-limit", 2)));
        assert_eq!(seen(report("unreserved", 101, Some(0))), Some(("slot/wal-limit", 3)));
        assert_eq!(seen(report("lost", 0, None)), Some(("pg/wal-lost", 3)));
        assert_eq!(seen(report("extended", 10 << 10, None)), None);
        assert_eq!(seen(report("extended", 11 << 10, None)), Some(("slot/wal-growing", 1)));
    }

    #[test]
    fn the_nearer_limit_counts() {
        let budget = SlotBudget { bytes_max: Some(100 << 20), drops: true };
        let text = |report: SlotReport| worry(&report, &budget, &Trend::default()).map_or(String::new(), |worry| worry.problem.text());
        assert_eq!(seen(&report("reserved", 40, None), &budget), None);
        assert_eq!(seen(&report("reserved", 51, None), &budget), Some(("slot/wal-limit", 1)));
        assert!(text(report("reserved", 95, Some(500))).contains("nine tenths of slot.max.retained.bytes"));
        assert!(text(report("extended", 60, Some(20))).contains("half of max_slot_wal_keep_size"));
        assert!(text(report("extended", 101, Some(500))).contains("the slot is dropped"));
        assert!(is_exceeded(&report("extended", 101, None), &budget) && !is_exceeded(&report("extended", 100, None), &budget));
        assert!(!is_exceeded(&report("extended", 101, None), &SlotBudget::default()));
        assert_eq!(left(&report("extended", 60, Some(50)), &budget), Some(40 << 20));
    }

    #[test]
    fn the_time_left_is_told_at_the_rate_of_the_last_minutes() {
        let (mut trend, began) = (Trend::default(), Instant::now());
        let at = |seconds: u64| began + Duration::from_secs(seconds);
        trend.note(at(0), 500 << 20);
        // It caught up in between: what was before says nothing.
        trend.note(at(10), 10 << 20);
        assert_eq!(trend.time_until(1), None);
        trend.note(at(20), 20 << 20);
        trend.note(at(70), 70 << 20);
        let told = worry(&report("extended", 70, Some(60)), &SlotBudget::default(), &trend).expect("a worry").problem.what;
        assert!(told.contains("60 MiB more and it is lost (about 60 s at this rate)"), "{told}");
        for second in 0..200 {
            trend.note(at(100 + second), 80 << 20);
        }
        assert_eq!((trend.samples.len(), trend.time_until(1)), (SAMPLES_MAX, None));
        assert_eq!(about(Duration::from_secs(3 * 3600 + 60)), "about 3 h");
    }
}
