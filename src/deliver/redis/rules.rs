//! Which keys a change concerns: templates over the old and the new row, and the columns that must have changed.
//!
//! Pure. Promises that a change of a template's column names the old key and the new one; that what cannot be known is said
//! ([`Touched::unknown`]) and never taken for nothing; and that a column that NULL stands in has no key.

use std::collections::BTreeSet;

use crate::event::{Event, Op, Template, Value};
use crate::problem::Problem;
use crate::record::fnv::Fnv;

/// What is done for one table, or for all without rules of their own.
#[derive(Clone, Debug, Default)]
pub struct Rule {
    /// The cache's keys of a row.
    pub keys: Vec<Template>,
    /// Tags of a row: names of generations.
    pub tags: Vec<Template>,
    /// Only changes of these columns count; empty: all.
    pub on: Vec<String>,
}

/// The rules of a subscription.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Of tables without their own.
    pub all: Rule,
    /// By `schema.table`, or by topic.
    pub tables: Vec<(String, Rule)>,
}

/// What one change concerns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Keys of the new row, each once.
    pub new: BTreeSet<String>,
    /// Keys that only the old row has.
    pub old: BTreeSet<String>,
    /// Keys that both rows have, as far as that is known: they are among the new ones.
    pub both: BTreeSet<String>,
    /// Tags of both, each once.
    pub tags: BTreeSet<String>,
    /// An old key that is not known: the event does not say it.
    pub unknown: bool,
    /// The whole table is gone.
    pub emptied: bool,
}

/// A key of one row.
enum Found {
    Key(String),
    /// A column of it is NULL, or the row has none.
    None,
    Unknown,
}

impl Rules {
    /// The rule of an event's table.
    pub fn of(&self, event: &Event<'_>) -> &Rule {
        if self.tables.is_empty() {
            return &self.all;
        }
        let text = |value: Option<Value<'_>>| value.and_then(|value| value.text().map(|text| text.into_owned())).unwrap_or_default();
        let table = format!("{}.{}", text(event.schema_name()), text(event.table_name()));
        let is_it = |(name, _): &&(String, Rule)| {
            *name == table || name == event.topic || event.topic.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.'))
        };
        self.tables.iter().find(is_it).map_or(&self.all, |(_, rule)| rule)
    }

    /// All rules.
    pub fn each(&self) -> impl Iterator<Item = &Rule> {
        std::iter::once(&self.all).chain(self.tables.iter().map(|(_, rule)| rule))
    }

    /// What changes when templates change: other keys are named from then on, and nobody invalidates the old ones.
    pub fn fingerprint(&self) -> String {
        use std::fmt::Write;
        let mut text = String::new();
        let mut add = |name: &str, rule: &Rule| {
            let list = |templates: &[Template]| templates.iter().map(Template::text).collect::<Vec<_>>().join("\u{1f}");
            let _ = write!(text, "{name}\u{1e}{}\u{1e}{}\u{1e}{}\u{1d}", list(&rule.keys), list(&rule.tags), rule.on.join("\u{1f}"));
        };
        add("", &self.all);
        self.tables.iter().for_each(|(name, rule)| add(name, rule));
        format!("{:016x}", Fnv::of(text.bytes()))
    }
}

impl Rule {
    /// What a change concerns. An error: a template names a column that the table does not have.
    pub fn touched(&self, event: &Event<'_>) -> Result<Touched, Problem> {
        let mut touched = Touched::default();
        match event.op() {
            Some(Op::Truncate) => return Ok(Touched { emptied: true, ..touched }),
            Some(Op::Message) => return Ok(touched),
            Some(Op::Update) if !self.counts(event) => return Ok(touched),
            _ => {}
        }
        let has_old = matches!(event.op(), Some(Op::Update | Op::Delete)) || event.op().is_none();
        for (template, is_tag) in self.keys.iter().map(|key| (key, false)).chain(self.tags.iter().map(|tag| (tag, true))) {
            let new = if event.after().is_some() { new_of(template, event)? } else { Found::None };
            let old = if has_old { old_of(template, event) } else { Found::None };
            for (found, is_new) in [(new, true), (old, false)] {
                match found {
                    Found::Key(tag) if is_tag => drop(touched.tags.insert(tag)),
                    Found::Key(key) if is_new => drop(touched.new.insert(key)),
                    Found::Key(key) => drop(touched.old.insert(key)),
                    Found::None => {}
                    Found::Unknown => touched.unknown = true,
                }
            }
        }
        touched.both = touched.old.intersection(&touched.new).cloned().collect();
        touched.old.retain(|key| !touched.new.contains(key));
        Ok(touched)
    }

    /// Whether an update changes a column that counts, or may: what is not known may have changed.
    fn counts(&self, event: &Event<'_>) -> bool {
        self.on.is_empty()
            || self.on.iter().any(|column| {
                let (Some(old), Some(after)) = (event.old_value(column), event.after()) else { return true };
                match after.get(column) {
                    // A large value that was not sent did not change.
                    Some(new) => !new.is_unavailable() && new.raw() != old.raw(),
                    None => true,
                }
            })
    }
}

fn new_of(template: &Template, event: &Event<'_>) -> Result<Found, Problem> {
    let (mut unknown, mut missing) = (false, None);
    let key = template.render_with(event, |column| {
        let told = event.after().and_then(|after| after.get(column));
        if told.is_none() && missing.is_none() {
            missing = Some(column.to_owned());
        }
        let value = event.new_value(column).filter(|value| !value.is_unavailable());
        unknown |= told.is_some() && value.is_none();
        value
    });
    if let Some(column) = missing {
        let what = format!("the template \"{}\" names a column that {} does not have: {column}", template.text(), event.topic);
        return Err(Problem::fail("cache/template-column", what)
            .why("which keys its rows have cannot be known")
            .fix("correct the template, or give the table rules of its own: [subscriptions.NAME.tables.\"schema.table\"]"));
    }
    Ok(match key {
        _ if unknown => Found::Unknown,
        Some(key) => Found::Key(key),
        None => Found::None,
    })
}

fn old_of(template: &Template, event: &Event<'_>) -> Found {
    let mut unknown = false;
    let key = template.render_with(event, |column| {
        let value = event.old_value(column);
        unknown |= value.is_none();
        value
    });
    match key {
        _ if unknown => Found::Unknown,
        Some(key) => Found::Key(key),
        None => Found::None,
    }
}

/// A pattern of Redis that fits a text and nothing else.
pub fn literal(text: &str) -> String {
    let mut pattern = String::new();
    for letter in text.chars() {
        if matches!(letter, '*' | '?' | '[' | ']' | '\\' | '^') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}

/// A pattern of Redis that fits all keys of a template: any text for its columns.
pub fn pattern(template: &Template) -> String {
    let mut pattern = String::new();
    let mut letters = template.text().chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '{' | '}' if letters.peek() == Some(&letter) => {
                letters.next();
                pattern.push(letter);
            }
            '{' => {
                letters.by_ref().take_while(|letter| *letter != '}').for_each(drop);
                pattern.push('*');
            }
            '*' | '?' | '[' | ']' | '\\' | '^' => pattern.extend(['\\', letter]),
            other => pattern.push(other),
        }
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(keys: &[&str], tags: &[&str], on: &[&str]) -> Rule {
        let parse = |texts: &[&str]| texts.iter().map(|text| Template::parse(text).expect("a template")).collect();
        Rule { keys: parse(keys), tags: parse(tags), on: on.iter().map(|column| (*column).to_owned()).collect() }
    }

    fn touched(rule: &Rule, key: &str, value: &str) -> Touched {
        rule.touched(&Event::of("srv.public.p", Some(key.as_bytes()), Some(value.as_bytes()))).expect("columns")
    }

    fn event(op: &str, before: &str, after: &str) -> String {
        format!(r#"{{"before":{before},"after":{after},"source":{{"schema":"public","table":"p","txId":7,"lsn":9}},"op":"{op}"}}"#)
    }

    fn set(keys: &[&str]) -> BTreeSet<String> {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    #[test]
    fn a_change_of_a_templates_column_names_the_old_key_and_the_new_one() {
        let rule = rule(&["p:{id}", "slug:{slug}"], &["org:{org}"], &[]);
        let full = event("u", r#"{"id":1,"slug":"a","org":5}"#, r#"{"id":1,"slug":"b","org":6}"#);
        let got = touched(&rule, r#"{"id":1}"#, &full);
        assert_eq!((got.new, got.old), (set(&["p:1", "slug:b"]), set(&["slug:a"])));
        assert_eq!((got.tags, got.unknown), (set(&["org:5", "org:6"]), false));
        // What a new row's key was remembered not to be there.
        assert_eq!(touched(&rule, r#"{"id":1}"#, &event("c", "null", r#"{"id":1,"slug":null,"org":5}"#)).new, set(&["p:1"]));
        let gone = touched(&rule, r#"{"id":1}"#, &event("d", r#"{"id":1,"slug":"a","org":5}"#, "null"));
        assert_eq!((gone.old, gone.unknown), (set(&["p:1", "slug:a"]), false));
    }

    #[test]
    fn an_old_key_that_the_event_does_not_say_is_unknown_and_never_nothing() {
        let rule = rule(&["p:{id}", "slug:{slug}"], &[], &[]);
        let got = touched(&rule, r#"{"id":1}"#, &event("u", "null", r#"{"id":1,"slug":"b"}"#));
        assert_eq!((got.new, got.unknown), (set(&["p:1", "slug:b"]), true));
        let gone = touched(&rule, r#"{"id":1}"#, &event("d", r#"{"id":1,"slug":null}"#, "null"));
        assert_eq!((gone.old, gone.unknown), (set(&["p:1"]), true));
        // Templates over the key alone need no more.
        let by_key = super::tests::rule(&["p:{id}"], &[], &[]);
        assert!(!touched(&by_key, r#"{"id":1}"#, &event("u", "null", r#"{"id":1,"slug":"b"}"#)).unknown);
    }

    #[test]
    fn only_columns_that_count_do_and_what_is_unknown_counts() {
        let rule = rule(&["p:{id}"], &[], &["price"]);
        let change = |before: &str, after: &str| touched(&rule, r#"{"id":1}"#, &event("u", before, after)).new.len();
        assert_eq!(change(r#"{"id":1,"price":1,"n":1}"#, r#"{"id":1,"price":1,"n":2}"#), 0);
        assert_eq!(change(r#"{"id":1,"price":1,"n":1}"#, r#"{"id":1,"price":2,"n":1}"#), 1);
        assert_eq!(change("null", r#"{"id":1,"price":1,"n":2}"#), 1);
    }

    #[test]
    fn a_truncate_is_the_whole_table_and_a_column_that_is_not_there_is_an_error() {
        let rule = rule(&["p:{id}"], &[], &[]);
        assert!(touched(&rule, "", &event("t", "null", "null")).emptied);
        let wrong = event("c", "null", r#"{"nr":1}"#);
        let problem = rule.touched(&Event::of("t", None, Some(wrong.as_bytes()))).expect_err("no such column");
        assert_eq!(problem.code, "cache/template-column");
    }

    #[test]
    fn a_pattern_fits_every_key_of_its_template_and_takes_nothing_else_literally() {
        let pattern = |text: &str| pattern(&Template::parse(text).expect("a template"));
        assert_eq!(pattern("product:{id}"), "product:*");
        assert_eq!(pattern("a*[{x}]:{y?}{{z}}"), "a\\*\\[*\\]:*{z}");
    }
}
