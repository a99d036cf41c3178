//! What an answer means, and when to try again.
//!
//! Owns the rules of Standard Webhooks for status codes, `Retry-After`, the schedule of tries with its jitter, and the pace of an
//! endpoint as a whole. Promises that a record is tried a bounded number of times, that no receiver can put a try off for longer than a
//! day, and that the same record has the same jitter, so that the schedule can be told. All of it computes; nothing here waits.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The schedule that Standard Webhooks proposes, behind the first try.
pub const SCHEDULE_S: [u64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
/// A receiver cannot put a try off for longer.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);
/// So often a receiver may ask to wait without using up a try of the schedule.
const POSTPONED_MAX: u32 = 100;
/// The endpoint rests so long after the first sign that it is overloaded or away; doubled up to the second.
const REST_MS: (u64, u64) = (1_000, 60_000);

/// What the receiver answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// How long it asks to be left alone.
    pub retry_after: Option<Duration>,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// The first bytes of its body.
    pub body: Vec<u8>,
}

/// What follows from a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// 2xx: done.
    Done,
    /// 410: the receiver wants no more of it.
    Gone,
    /// Tried again; `slow`: the endpoint as a whole is asked less.
    Again {
        /// 429, 502, 503, 504.
        slow: bool,
    },
}

/// What a status means.
pub fn meaning(status: u16) -> Meaning {
    match status {
        200..=299 => Meaning::Done,
        410 => Meaning::Gone,
        429 | 502 | 503 | 504 => Meaning::Again { slow: true },
        _ => Meaning::Again { slow: false },
    }
}

/// Reads `Retry-After`: seconds, or a date of HTTP; a day at most.
pub fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => RETRY_AFTER_MAX,
        Err(_) => http_date(text)?.duration_since(now).unwrap_or_default(),
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`: the one form that RFC 9110 lets a server write.
fn http_date(text: &str) -> Option<SystemTime> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut parts = text.split_once(", ")?.1.split(' ');
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<u64>().ok());
    let day = number(parts.next()).filter(|day| (1..=31).contains(day))?;
    let month = parts.next()?;
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let year = number(parts.next()).filter(|year| (1970..=9999).contains(year))?;
    let mut clock = parts.next()?.splitn(3, ':');
    let hour = number(clock.next()).filter(|hour| *hour < 24)?;
    let minute = number(clock.next()).filter(|minute| *minute < 60)?;
    let second = number(clock.next()).filter(|second| *second <= 60)?;
    // Days since 1970 (Howard Hinnant's days_from_civil): years begin in March.
    let year = year - u64::from(month <= 2);
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = (era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year).checked_sub(719_468)?;
    UNIX_EPOCH.checked_add(Duration::from_secs(days * 86_400 + hour * 3_600 + minute * 60 + second))
}

/// When a record is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule(Vec<Duration>);

impl Default for Schedule {
    fn default() -> Self {
        Self(SCHEDULE_S.iter().map(|seconds| Duration::from_secs(*seconds)).collect())
    }
}

/// How far a record is in its schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Tries so far.
    pub tries: u32,
    /// Those of them that the schedule counts: one that the receiver put off itself is not counted.
    pub counted: u32,
}

impl Schedule {
    /// A schedule of one's own.
    pub fn new(waits: Vec<Duration>) -> Self {
        Self(waits)
    }

    /// How many tries there are in all, those not counted that a receiver asks to put off.
    pub fn tries(&self) -> usize {
        self.0.len() + 1
    }

    /// How far the record is after one more try that failed, and how long it waits now; `None`: that was the last one.
    pub fn after(&self, mut progress: Progress, asked: Option<Duration>, seed: u64) -> (Progress, Option<Duration>) {
        progress.tries = progress.tries.saturating_add(1);
        let put_off = progress.tries - progress.counted.min(progress.tries);
        if let Some(asked) = asked.filter(|_| put_off <= POSTPONED_MAX) {
            return (progress, Some(jittered(asked.max(Duration::from_millis(100)), seed, progress.tries)));
        }
        let wait = usize::try_from(progress.counted).ok().and_then(|index| self.0.get(index));
        progress.counted = progress.counted.saturating_add(1);
        (progress, wait.map(|wait| jittered((*wait).max(asked.unwrap_or_default()), seed, progress.tries)))
    }
}

/// Up to a fifth more, the same for the same record and try: receivers are not hit by all at once, and no date is earlier than told.
fn jittered(wait: Duration, seed: u64, tries: u32) -> Duration {
    // The finaliser of SplitMix64.
    let mut mixed = seed.wrapping_add(u64::from(tries).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let share = u32::try_from((mixed ^ (mixed >> 31)) % 1024).unwrap_or(0);
    wait + wait / 5 * share / 1024
}

/// How many requests the endpoint gets at a time, and whether it rests: halved and rested when it says that it is overloaded or is not
/// there, one more after as many good answers as there may be requests.
#[derive(Clone, Debug)]
pub struct Pace {
    most: usize,
    allowed: usize,
    good: usize,
    rest_ms: u64,
    /// Nothing is sent before.
    resting_until_ms: u64,
    /// Requests that began before the last rest say nothing new.
    slowed_at_ms: u64,
}

impl Pace {
    /// Full speed: this many at a time.
    pub fn new(most: usize) -> Self {
        Self { most: most.max(1), allowed: most.max(1), good: 0, rest_ms: 0, resting_until_ms: 0, slowed_at_ms: 0 }
    }

    /// How many requests there may be now.
    pub fn allowed(&self, now_ms: u64) -> usize {
        if now_ms < self.resting_until_ms { 0 } else { self.allowed }
    }

    /// Until when the endpoint rests, if it does.
    pub fn resting_until(&self, now_ms: u64) -> Option<u64> {
        (now_ms < self.resting_until_ms).then_some(self.resting_until_ms)
    }

    /// A good answer.
    pub fn good(&mut self) {
        self.rest_ms = 0;
        self.good += 1;
        if self.good >= self.allowed {
            self.good = 0;
            self.allowed = (self.allowed + 1).min(self.most);
        }
    }

    /// The endpoint is overloaded or away, told by a request that began then. How long it wants to be left alone counts always.
    pub fn slow(&mut self, began_ms: u64, now_ms: u64, asked: Option<Duration>) {
        let asked_ms = asked.map_or(0, |asked| u64::try_from(asked.as_millis()).unwrap_or(u64::MAX));
        if began_ms >= self.slowed_at_ms {
            self.rest_ms = (self.rest_ms * 2).clamp(REST_MS.0, REST_MS.1);
            self.allowed = (self.allowed / 2).max(1);
            self.good = 0;
            self.slowed_at_ms = now_ms.saturating_add(1);
            self.resting_until_ms = self.resting_until_ms.max(now_ms.saturating_add(self.rest_ms));
        }
        self.resting_until_ms = self.resting_until_ms.max(now_ms.saturating_add(asked_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_mean_what_standard_webhooks_says() {
        for status in [200, 201, 204, 299] {
            assert_eq!(meaning(status), Meaning::Done);
        }
        for status in [301, 302, 307, 308, 400, 401, 404, 500, 100] {
            assert_eq!(meaning(status), Meaning::Again { slow: false }, "{status}");
        }
        for status in [429, 502, 503, 504] {
            assert_eq!(meaning(status), Meaning::Again { slow: true }, "{status}");
        }
        assert_eq!(meaning(410), Meaning::Gone);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_a_day_at_most() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(retry_after(" 120 ", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:50:37 GMT", now), Some(Duration::from_secs(60)));
        assert_eq!(retry_after("Sat, 05 Nov 1994 08:50:37 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("Thu, 29 Feb 2096 00:00:00 GMT", now), Some(RETRY_AFTER_MAX));
        for long in ["999999999", "99999999999999999999999999"] {
            assert_eq!(retry_after(long, now), Some(RETRY_AFTER_MAX));
        }
        for bad in ["", "soon", "-1", "1.5", "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994", "Sun, 06 Nov 1994 08:49", ", "] {
            assert_eq!(retry_after(bad, now), None, "{bad}");
        }
    }

    #[test]
    fn the_schedule_is_the_one_of_the_specification_with_jitter_and_ends() {
        let schedule = Schedule::default();
        let (mut progress, mut waited) = (Progress::default(), Vec::new());
        loop {
            let (next, wait) = schedule.after(progress, None, 42);
            progress = next;
            let Some(wait) = wait else { break };
            waited.push(wait);
        }
        assert_eq!((progress.tries, waited.len(), schedule.tries()), (10, 9, 10));
        for (wait, told) in waited.iter().zip(SCHEDULE_S) {
            let told = Duration::from_secs(told);
            assert!(*wait >= told && *wait <= told + told / 5, "{wait:?} for {told:?}");
        }
        let first = |seed| schedule.after(Progress::default(), None, seed).1;
        assert_eq!(first(1), first(1));
        assert!((0..50).any(|seed| first(seed) != first(1)));
    }

    #[test]
    fn a_try_that_the_receiver_puts_off_is_not_counted_but_not_for_ever() {
        let schedule = Schedule::new(vec![Duration::from_secs(1)]);
        let (mut progress, mut tries) = (Progress::default(), 0);
        while let (next, Some(_)) = schedule.after(progress, Some(Duration::from_secs(2)), 7) {
            (progress, tries) = (next, tries + 1);
            assert!(tries < 1000);
        }
        assert_eq!(tries, POSTPONED_MAX + 1);
        let (_, wait) = schedule.after(Progress::default(), Some(Duration::from_secs(30)), 7);
        assert!(wait.is_some_and(|wait| wait >= Duration::from_secs(30) && wait <= Duration::from_secs(36)));
    }

    #[test]
    fn an_endpoint_that_is_overloaded_rests_and_comes_back_step_by_step() {
        let mut pace = Pace::new(8);
        assert_eq!(pace.allowed(0), 8);
        pace.slow(0, 100, None);
        // The other seven of the same moment say nothing new.
        for _ in 0..7 {
            pace.slow(50, 120, None);
        }
        assert_eq!((pace.allowed(500), pace.allowed(1_100)), (0, 4));
        pace.slow(1_100, 1_200, Some(Duration::from_secs(30)));
        assert_eq!((pace.allowed(31_000), pace.allowed(31_200)), (0, 2));
        for _ in 0..1_000 {
            pace.good();
        }
        assert_eq!(pace.allowed(31_200), 8);
        for round in 0..100 {
            let now = 100_000 + round * 100_000;
            pace.slow(now, now, None);
        }
        assert_eq!(pace.allowed(u64::MAX), 1);
        assert_eq!(pace.resting_until(100_000 + 99 * 100_000), Some(100_000 + 99 * 100_000 + REST_MS.1));
    }
}
