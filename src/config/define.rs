//! The one shape of an option: name, type, default, rule, group, importance, text, and how far it is supported.
//!
//! Parsing, validation, documentation and `/connector-plugins/.../config` are all made from tables of [`ConfigKey`].

use super::suggest;
use crate::problem::Problem;

/// Kafka Connect's option types (the names its REST clients know).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// `true` or `false`.
    Boolean,
    /// A Java class name, kept for compatibility.
    Class,
    /// A 32-bit number.
    Int,
    /// A 64-bit number.
    Long,
    /// Comma-separated values.
    List,
    /// A secret.
    Password,
    /// Text.
    String,
}

impl KeyType {
    /// The name in Kafka Connect's REST API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::Class => "CLASS",
            Self::Int => "INT",
            Self::Long => "LONG",
            Self::List => "LIST",
            Self::Password => "PASSWORD",
            Self::String => "STRING",
        }
    }
}

/// How much users care, in Kafka Connect's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    /// Most people set it.
    High,
    /// Some do.
    Medium,
    /// Few do.
    Low,
}

/// What a value must be, beyond its type.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// Anything of the type.
    Any,
    /// Must be given.
    Required,
    /// One of these words, in any case.
    OneOf(&'static [&'static str]),
    /// All of `known` are words of Debezium or Kafka; only those in `now` are supported so far.
    Now {
        /// Every legal word.
        known: &'static [&'static str],
        /// The ones that work today.
        now: &'static [&'static str],
    },
    /// A number from the first to the second, both included.
    Between(i64, i64),
}

/// How far an option is supported.
#[derive(Clone, Copy, Debug)]
pub enum Support {
    /// It works.
    Supported,
    /// Accepted and without effect; the reason says why that is harmless.
    Ignored(&'static str),
    /// Refused unless it has its default, because ignoring it would change events or lose something.
    Rejected(&'static str),
    /// A name that older versions of Debezium read; refused with the name of today, because Debezium ignores it silently.
    Renamed(&'static str),
}

/// One option. A `*` in the name stands for any text (`transforms.*`).
#[derive(Clone, Copy, Debug)]
pub struct ConfigKey {
    /// Its name, as Debezium or Kafka Connect writes it.
    pub name: &'static str,
    /// Its type.
    pub kind: KeyType,
    /// The value when it is not given.
    pub default: Option<&'static str>,
    /// What is allowed.
    pub rule: Rule,
    /// The heading it belongs under.
    pub group: &'static str,
    /// How much users care.
    pub importance: Importance,
    /// One or two sentences.
    pub doc: &'static str,
    /// Whether it works.
    pub support: Support,
}

/// A problem with one option, so that the caller can add where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyProblem {
    /// The option; empty when the problem is about several.
    pub key: String,
    /// What is wrong.
    pub problem: Problem,
}

impl KeyProblem {
    /// A refused value.
    pub fn new(key: &str, problem: Problem) -> Self {
        Self { key: key.to_owned(), problem }
    }
}

impl ConfigKey {
    /// True when an option of this name is described by this row.
    pub fn matches(&self, name: &str) -> bool {
        match self.name.split_once('*') {
            None => self.name == name,
            Some((before, after)) => name.len() > before.len() + after.len() && name.starts_with(before) && name.ends_with(after),
        }
    }

    /// True for a row that stands for many names.
    pub fn is_pattern(&self) -> bool {
        self.name.contains('*')
    }

    /// Checks one value: its type, its rule, and whether it is supported.
    pub fn check(&self, name: &str, value: &str) -> Result<(), Problem> {
        let value = value.trim();
        self.check_type(name, value)?;
        self.check_rule(name, value)?;
        match self.support {
            Support::Rejected(reason) if !self.is_default(value) => {
                Err(Problem::refuse("config/not-supported", format!("{name} is not supported yet"))
                    .why(reason)
                    .fix(format!("remove {name}")))
            }
            Support::Renamed(today) => Err(renamed(name, today)),
            _ => Ok(()),
        }
    }

    fn is_default(&self, value: &str) -> bool {
        value.is_empty() || self.default.is_some_and(|default| default.eq_ignore_ascii_case(value))
    }

    fn check_type(&self, name: &str, value: &str) -> Result<(), Problem> {
        let refused = |must: &str| Err(invalid(name, self.shown(value), must));
        match self.kind {
            KeyType::Boolean if !matches!(value.to_ascii_lowercase().as_str(), "true" | "false") => refused("true or false"),
            KeyType::Int if value.parse::<i32>().is_err() => refused("a whole number"),
            KeyType::Long if value.parse::<i64>().is_err() => refused("a whole number"),
            _ => Ok(()),
        }
    }

    fn check_rule(&self, name: &str, value: &str) -> Result<(), Problem> {
        let known = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(value));
        match self.rule {
            Rule::Any => Ok(()),
            Rule::Required if value.is_empty() => Err(required(name)),
            Rule::Required => Ok(()),
            Rule::OneOf(words) if known(words) => Ok(()),
            Rule::Now { now, .. } if known(now) => Ok(()),
            Rule::OneOf(words) | Rule::Now { known: words, .. } if !known(words) => {
                let hint = suggest::did_you_mean(value, words.iter().copied());
                Err(invalid(name, self.shown(value), &format!("one of {}", words.join(", "))).fix(hint))
            }
            Rule::OneOf(_) => Ok(()),
            Rule::Now { now, .. } => Err(Problem::refuse("config/not-supported", format!("{name} = \"{value}\" is not supported yet"))
                .why(format!("this version knows {}", now.join(", ")))),
            Rule::Between(low, high) => match value.parse::<i64>() {
                Ok(number) if (low..=high).contains(&number) => Ok(()),
                _ if high == i64::MAX || high == i64::from(i32::MAX) => Err(invalid(name, value, &format!("a number of at least {low}"))),
                _ => Err(invalid(name, value, &format!("a number from {low} to {high}"))),
            },
        }
    }

    fn shown<'a>(&self, value: &'a str) -> &'a str {
        if self.kind == KeyType::Password { super::secrets::MASK } else { value }
    }
}

/// The problem of a value that is not allowed.
pub fn invalid(name: &str, value: &str, must: &str) -> Problem {
    Problem::refuse("config/value", format!("{name} = \"{value}\" is not allowed")).why(format!("it must be {must}"))
}

/// The problem of a name that older versions of Debezium read.
pub fn renamed(name: &str, today: &str) -> Problem {
    Problem::refuse("config/renamed", format!("{name} is an older name, which Debezium 3 does not read any more"))
        .why("it would have no effect")
        .fix(format!("its name today is {today}"))
}

/// The problem of a required option that is not there.
pub fn required(name: &str) -> Problem {
    Problem::refuse("config/missing", format!("{name} is missing")).fix(format!("set {name}"))
}

/// The problem of a key nobody knows.
pub fn unknown(name: &str, known: &[&'static str]) -> Problem {
    Problem::refuse("config/unknown-key", format!("unknown key \"{name}\"")).fix(suggest::did_you_mean(name, known.iter().copied()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: ConfigKey = ConfigKey {
        name: "column.mask.with.*.chars",
        kind: KeyType::String,
        default: None,
        rule: Rule::Any,
        group: "Events",
        importance: Importance::Low,
        doc: "",
        support: Support::Rejected("columns would be published unmasked"),
    };

    #[test]
    fn a_pattern_stands_for_many_names() {
        assert!(KEY.matches("column.mask.with.5.chars"));
        assert!(!KEY.matches("column.mask.with..chars"));
        assert!(!KEY.matches("column.mask.with.5"));
    }

    #[test]
    fn a_rejected_option_is_fine_with_its_default_only() {
        let key = ConfigKey { name: "slot.failover", kind: KeyType::Boolean, default: Some("false"), ..KEY };
        assert!(key.check(key.name, "false").is_ok());
        let problem = key.check(key.name, "true").expect_err("rejected");
        assert_eq!(problem.code, "config/not-supported");
        assert_eq!(problem.what, "slot.failover is not supported yet");
    }
}
