//! Values that are read again from the table: `post.processors` with Debezium's `ReselectColumnsPostProcessor`.
//!
//! Owns reading the options `<name>.reselect.*`. When a value is read again is the stream's affair.

use std::collections::BTreeMap;

use super::filters::Patterns;
use super::own::Own;
use crate::config::define::{KeyProblem, invalid, required, unknown};
use crate::problem::Problem;

/// The only class there is.
const CLASS: &str = "io.debezium.processors.reselect.ReselectColumnsPostProcessor";
const INCLUDE: &str = "reselect.columns.include.list";
const EXCLUDE: &str = "reselect.columns.exclude.list";
const UNAVAILABLE: &str = "reselect.unavailable.values";
const NULLS: &str = "reselect.null.values";
const EVENT_KEY: &str = "reselect.use.event.key";
const ERRORS: &str = "reselect.error.handling.mode";

/// Which values are read again.
#[derive(Clone, Debug)]
pub struct Reselect {
    include: Patterns,
    exclude: Patterns,
    /// `reselect.unavailable.values`: large values that an update did not touch.
    pub unavailable: bool,
    /// `reselect.null.values`.
    pub nulls: bool,
    /// `reselect.use.event.key`: the row is found by the event's key, not by the primary key.
    pub by_event_key: bool,
    /// `reselect.error.handling.mode=fail`: a row that is gone, or cannot be read, stops the connector.
    pub fails: bool,
}

impl Reselect {
    /// Reads the options of the processor that `post.processors` names.
    pub fn parse(options: &BTreeMap<String, String>) -> Result<Option<Self>, Vec<KeyProblem>> {
        let names = names(options);
        let Some(name) = names.first() else { return Ok(None) };
        if names.len() > 1 {
            let problem = Problem::refuse("config/not-supported", "post.processors names several").fix("name one");
            return Err(vec![KeyProblem::new("post.processors", problem)]);
        }
        let mut problems = Vec::new();
        let own = Own { options, prefix: format!("{name}.") };
        own.check(&mut problems);
        let flag = |option: &str| own.get(option).is_some_and(|text| text.eq_ignore_ascii_case("true"));
        let patterns = |option: &str, problems: &mut Vec<KeyProblem>| {
            let option = own.key(option);
            let text = options.get(&option).map_or("", String::as_str);
            Patterns::parse(&option, text).unwrap_or_else(|problem| {
                problems.push(KeyProblem::new(&option, problem));
                Patterns::default()
            })
        };
        let reselect = Self {
            include: patterns(INCLUDE, &mut problems),
            exclude: patterns(EXCLUDE, &mut problems),
            unavailable: own.get(UNAVAILABLE).is_none() || flag(UNAVAILABLE),
            nulls: own.get(NULLS).is_none() || flag(NULLS),
            by_event_key: flag(EVENT_KEY),
            fails: own.get(ERRORS).is_some_and(|text| text.eq_ignore_ascii_case("fail")),
        };
        if problems.is_empty() { Ok(Some(reselect)) } else { Err(problems) }
    }

    /// True for an option of a processor that `post.processors` names.
    pub fn owns(options: &BTreeMap<String, String>, option: &str) -> bool {
        names(options).iter().any(|name| option.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
    }

    /// The values of this field are read again. As in Debezium, an include list makes an exclude list void.
    pub fn wants(&self, schema: &str, table: &str, field: &str) -> bool {
        let name = format!("{schema}.{table}:{field}");
        if self.include.is_empty() { !self.exclude.any_matches(&name) } else { self.include.any_matches(&name) }
    }
}

fn names(options: &BTreeMap<String, String>) -> Vec<&str> {
    let list = options.get("post.processors").map_or("", String::as_str);
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).collect()
}

impl Own<'_> {
    fn check(&self, problems: &mut Vec<KeyProblem>) {
        const KNOWN: [&str; 7] = ["type", INCLUDE, EXCLUDE, UNAVAILABLE, NULLS, EVENT_KEY, ERRORS];
        for key in self.options.keys() {
            if let Some(name) = key.strip_prefix(&self.prefix).filter(|name| !KNOWN.contains(name)) {
                problems.push(KeyProblem::new(key, unknown(name, &KNOWN)));
            }
        }
        let class = self.key("type");
        match self.get("type") {
            None => problems.push(KeyProblem::new(&class, required(&class))),
            Some(CLASS) => {}
            Some(other) => problems.push(KeyProblem::new(&class, invalid(&class, other, CLASS))),
        }
        let words =
            [(UNAVAILABLE, ["true", "false"]), (NULLS, ["true", "false"]), (EVENT_KEY, ["true", "false"]), (ERRORS, ["warn", "fail"])];
        for (option, words) in words {
            if let Some(text) = self.get(option).filter(|text| !words.iter().any(|word| word.eq_ignore_ascii_case(text))) {
                let option = self.key(option);
                problems.push(KeyProblem::new(&option, invalid(&option, text, &words.join(" or "))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<Option<Reselect>, Vec<KeyProblem>> {
        Reselect::parse(&pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_processor_has_debeziums_defaults() {
        let reselect = parse(&[("post.processors", "again"), ("again.type", CLASS)]).expect("valid").expect("a processor");
        assert!(reselect.unavailable && reselect.nulls && !reselect.by_event_key && !reselect.fails);
        assert!(reselect.wants("public", "t", "v") && parse(&[]).expect("valid").is_none());
        let lists = [("again.reselect.columns.include.list", "public\\.t:(a|b)"), ("again.reselect.columns.exclude.list", ".*:a")];
        let named = [&[("post.processors", "again"), ("again.type", CLASS), ("again.reselect.null.values", "FALSE")], &lists[..]].concat();
        let reselect = parse(&named).expect("valid").expect("a processor");
        assert!(reselect.wants("public", "T", "a") && !reselect.wants("public", "t", "c") && !reselect.nulls);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_option() {
        let wrong = [
            ("post.processors", "again"),
            ("again.type", "com.example.Other"),
            ("again.reselect.error.handling.mode", "stop"),
            ("again.reselect.null.value", "true"),
        ];
        let keys: Vec<_> = parse(&wrong).expect_err("wrong").into_iter().map(|problem| problem.key).collect();
        assert_eq!(keys, ["again.reselect.null.value", "again.type", "again.reselect.error.handling.mode"]);
        assert_eq!(parse(&[("post.processors", "a,b")]).expect_err("several").len(), 1);
    }
}
