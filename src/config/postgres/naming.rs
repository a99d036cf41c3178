//! How topics and fields are named: `topic.naming.strategy`, `topic.regex` and what belongs to it, the adjustment modes.
//!
//! Owns reading these options. Promises that a name is made once per table; how one is spelled is the encoder's affair.

use std::collections::BTreeMap;

use super::transforms::{LogicalRouter, Renaming};
use crate::config::define::{KeyProblem, invalid, required};

/// `topic.naming.strategy`: all that Debezium ships.
pub const STRATEGIES: [&str; 6] = [
    "io.debezium.schema.SchemaTopicNamingStrategy",
    "io.debezium.schema.SchemaUnicodeTopicNamingStrategy",
    "io.debezium.schema.SchemaRegexTopicNamingStrategy",
    "io.debezium.schema.DefaultTopicNamingStrategy",
    "io.debezium.schema.DefaultUnicodeTopicNamingStrategy",
    "io.debezium.schema.DefaultRegexTopicNamingStrategy",
];

/// The field that tells in a key which table a record is of, where tables share a topic.
const KEY_FIELD: &str = "__dbz__physicalTableIdentifier";

/// How names are made, and made fit for where they stand.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// `topic.naming.strategy`.
    pub topics: TopicNaming,
    /// `schema.name.adjustment.mode`.
    pub schemas: NameAdjustment,
    /// `field.name.adjustment.mode`.
    pub fields: NameAdjustment,
}

/// `schema.name.adjustment.mode` and `field.name.adjustment.mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NameAdjustment {
    /// As they are.
    #[default]
    None,
    /// What Avro does not take becomes `_`.
    Avro,
    /// It becomes `_u` and its number, the underscore too.
    AvroUnicode,
}

impl NameAdjustment {
    /// The mode of this name, which is checked elsewhere.
    pub fn of(word: &str) -> Self {
        match word {
            "avro" => Self::Avro,
            "avro_unicode" => Self::AvroUnicode,
            _ => Self::None,
        }
    }
}

/// `topic.naming.strategy`.
#[derive(Clone, Debug, Default)]
pub struct TopicNaming {
    /// `Default...`: the schema is not in the name.
    pub without_schema: bool,
    /// `...Unicode...`: what a topic's name may not have is `_u` and its number.
    pub unicode: bool,
    /// `...Regex...`: the tables whose names match share a topic.
    pub routing: Option<LogicalRouter>,
}

impl TopicNaming {
    /// Reads the strategy and its own options; `text` is an option's value, or its default.
    pub fn parse(options: &BTreeMap<String, String>, strategy: &str) -> Result<Self, Vec<KeyProblem>> {
        let class = strategy.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
        let routing = if class.contains("regex") { Some(routing(options)?) } else { None };
        Ok(Self { without_schema: class.starts_with("default"), unicode: class.contains("unicode"), routing })
    }
}

fn routing(options: &BTreeMap<String, String>) -> Result<LogicalRouter, Vec<KeyProblem>> {
    let mut problems = Vec::new();
    let text = |name: &str| options.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
    let mut renaming = |regex: &str, replacement: &str| {
        let mut need = |name: &str| {
            let value = text(name);
            if value.is_none() {
                problems.push(KeyProblem::new(name, required(name)));
            }
            value
        };
        let (pattern, becomes) = (need(regex), need(replacement));
        let made = pattern.zip(becomes).map(|(pattern, becomes)| (Renaming::new(pattern, becomes), pattern));
        match made? {
            (Ok(renaming), _) => Some(renaming),
            (Err(why), pattern) => {
                problems.push(KeyProblem::new(regex, invalid(regex, pattern, &format!("a regular expression: {why}"))));
                None
            }
        }
    };
    let topic = renaming("topic.regex", "topic.replacement");
    let key_value = text("topic.key.field.regex").and_then(|_| renaming("topic.key.field.regex", "topic.key.field.replacement"));
    let unique = !text("topic.key.enforce.uniqueness").is_some_and(|text| text.eq_ignore_ascii_case("false"));
    let field = text("topic.key.field.name").unwrap_or(KEY_FIELD).to_owned();
    match topic {
        Some(topic) if problems.is_empty() => Ok(LogicalRouter { topic, key_field: unique.then_some(field), key_value }),
        _ => Err(problems),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(strategy: &str, pairs: &[(&str, &str)]) -> Result<TopicNaming, Vec<KeyProblem>> {
        let options = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        TopicNaming::parse(&options, strategy)
    }

    #[test]
    fn a_strategy_is_known_by_its_name() {
        for (strategy, expected) in STRATEGIES.iter().zip([(false, false), (false, true), (false, false), (true, false), (true, true)]) {
            let options = [("topic.regex", "(.*)_[0-9]"), ("topic.replacement", "$1")];
            let naming = parse(strategy, &options).expect("valid");
            assert_eq!((naming.without_schema, naming.unicode), expected, "{strategy}");
            assert_eq!(naming.routing.is_some(), strategy.contains("Regex"));
        }
    }

    #[test]
    fn an_expression_needs_what_it_becomes() {
        let keys = |pairs: &[(&str, &str)]| {
            let problems = parse(STRATEGIES[5], pairs).expect_err("incomplete");
            problems.into_iter().map(|problem| problem.key).collect::<Vec<_>>()
        };
        assert_eq!(keys(&[]), ["topic.regex", "topic.replacement"]);
        assert_eq!(keys(&[("topic.regex", "("), ("topic.replacement", "x")]), ["topic.regex"]);
        let named = [("topic.regex", "a"), ("topic.replacement", "b"), ("topic.key.field.regex", "x")];
        assert_eq!(keys(&named), ["topic.key.field.replacement"]);
    }
}
