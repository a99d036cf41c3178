//! Looks again at keys that changed: whether the cache holds what the database says.
//!
//! Owns what is looked at ([`LOOKS`] after the fence), and the two numbers: the age of the oldest wrong value found, and how many were found. It
//! asks the database before and after it asks the cache: only a row that did not change meanwhile proves anything. It repairs nothing: a wrong
//! value behind the fence was put there by a reader without a lease, and shows that one exists.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::event::{Event, Template, Value};
use crate::postgres::literal;

/// When a changed key is looked at, after its fence.
pub const LOOKS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(10), Duration::from_secs(60)];
/// So many keys wait for a look.
const WAITING_MAX: usize = 1000;

/// A key to be looked at.
#[derive(Clone, Debug)]
pub struct Look {
    /// The key.
    pub key: String,
    /// Gives what it should hold.
    pub sql: String,
    /// When its fence was passed.
    pub fenced: Instant,
    /// Which of [`LOOKS`] is next.
    pub next: usize,
}

impl Look {
    /// When it is due.
    pub fn due(&self) -> Instant {
        self.fenced + LOOKS.get(self.next).copied().unwrap_or_default()
    }
}

/// Keys that wait, and what was found.
#[derive(Debug, Default)]
pub struct Inspections {
    waiting: [VecDeque<Look>; LOOKS.len()],
}

/// What was found, for metrics.
#[derive(Debug, Default)]
pub struct Findings {
    /// Looks.
    pub looked: AtomicU64,
    /// Wrong values.
    pub inconsistent: AtomicU64,
    /// How old the newest wrong value was when it was found, milliseconds; 0 once a look found none.
    pub staleness_ms: AtomicU64,
}

impl Findings {
    /// Takes a look's result in.
    pub fn found(&self, wrong_for: Option<Duration>) {
        self.looked.fetch_add(1, Relaxed);
        self.inconsistent.fetch_add(u64::from(wrong_for.is_some()), Relaxed);
        let ms = wrong_for.map_or(0, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        self.staleness_ms.store(ms, Relaxed);
    }
}

impl Inspections {
    /// Adds one; one more than are looked at is left out.
    pub fn add(&mut self, look: Look) {
        if let Some(waiting) = self.waiting.get_mut(look.next).filter(|waiting| waiting.len() < WAITING_MAX) {
            waiting.push_back(look);
        }
    }

    /// One that is due. Those of one look are in the order of their time.
    pub fn due(&mut self, now: Instant) -> Option<Look> {
        self.waiting.iter_mut().find(|waiting| waiting.front().is_some_and(|look| look.due() <= now))?.pop_front()
    }
}

/// SQL with the row's columns as literals; `None`: one of them is not known.
pub fn sql(template: &Template, event: &Event<'_>) -> Option<String> {
    let quoted: Vec<(String, Vec<u8>)> = template
        .columns()
        .filter_map(|column| {
            let value = event.new_value(column).or_else(|| event.old_value(column))?;
            let text = if value.is_null() {
                "null".to_owned()
            } else {
                literal(&value.text().map_or_else(|| String::from_utf8_lossy(value.raw()).into_owned(), |text| text.into_owned()))
            };
            Some((column.to_owned(), serde_json::to_vec(&text).ok()?))
        })
        .collect();
    template.render_with(event, |column| quoted.iter().find(|(name, _)| name == column).map(|(_, json)| Value::of(json)))
}

/// Whether a cached value is what the database says: the same bytes, or the same JSON.
pub fn is_same(cached: &[u8], told: &str) -> bool {
    if cached == told.as_bytes() {
        return true;
    }
    let json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).ok();
    json(cached).is_some_and(|cached| json(told.as_bytes()) == Some(cached))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_in_the_sql_as_literals() {
        let template = Template::parse("select name from p where id = {id} and slug = {slug}").expect("a template");
        let value = br#"{"before":null,"after":{"id":1,"slug":"a'b\\"},"source":{"lsn":1},"op":"c"}"#;
        let got = sql(&template, &Event::of("t", None, Some(value)));
        assert_eq!(got.as_deref(), Some(r"select name from p where id = '1' and slug = E'a''b\\'"));
        assert_eq!(sql(&template, &Event::of("t", None, Some(br#"{"before":null,"after":{"id":1},"source":{"lsn":1},"op":"c"}"#))), None);
    }

    #[test]
    fn looks_come_when_they_are_due_and_no_more_wait_than_may() {
        let (mut inspections, now) = (Inspections::default(), Instant::now());
        let look = |next| Look { key: "k".into(), sql: String::new(), fenced: now, next };
        inspections.add(look(1));
        inspections.add(look(0));
        assert!(inspections.due(now).is_none());
        assert_eq!(inspections.due(now + Duration::from_secs(2)).map(|look| look.next), Some(0));
        assert!(inspections.due(now + Duration::from_secs(2)).is_none());
        (0..2 * WAITING_MAX).for_each(|_| inspections.add(look(0)));
        assert_eq!(std::iter::from_fn(|| inspections.due(now + Duration::from_secs(2))).count(), WAITING_MAX);
        assert!(is_same(b"{\"a\": 1}", "{\"a\":1}") && !is_same(b"1", "2"));
    }
}
