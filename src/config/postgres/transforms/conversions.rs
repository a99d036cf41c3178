//! The options of transformations that look at values: `Cast`, `TimestampConverter`, `Filter`, `ContentBasedRouter`.

use super::pattern::Pattern;
use super::script::{self, Dialect, NullHandling, Purpose, Script};
use super::{Refused, refused};
use crate::config::postgres::own::Own;
use crate::problem::Problem;

/// To what a value is cast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CastTo {
    /// `int8`.
    Int8,
    /// `int16`.
    Int16,
    /// `int32`.
    Int32,
    /// `int64`.
    Int64,
    /// `float32`.
    Float,
    /// `float64`.
    Double,
    /// `boolean`.
    Boolean,
    /// `string`.
    Text,
}

impl CastTo {
    const ALL: [(&'static str, Self); 8] = [
        ("int8", Self::Int8),
        ("int16", Self::Int16),
        ("int32", Self::Int32),
        ("int64", Self::Int64),
        ("float32", Self::Float),
        ("float64", Self::Double),
        ("boolean", Self::Boolean),
        ("string", Self::Text),
    ];

    /// As it is written.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, to)| *to == self).map_or("", |(name, _)| name)
    }
}

/// What is cast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Casts {
    /// The key or value itself.
    Whole(CastTo),
    /// Fields of it.
    Fields(Vec<(String, CastTo)>),
}

/// `target.type` of `TimestampConverter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeTarget {
    /// `string`.
    Text,
    /// `unix`.
    Unix,
    /// `Date`.
    Date,
    /// `Time`.
    Time,
    /// `Timestamp`.
    Timestamp,
}

/// `unix.precision`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnixPrecision {
    /// `seconds`.
    Seconds,
    /// `milliseconds`.
    Milliseconds,
    /// `microseconds`.
    Microseconds,
    /// `nanoseconds`.
    Nanoseconds,
}

/// `TimestampConverter`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timestamps {
    /// The field; `None` is the key or value itself.
    pub field: Option<String>,
    /// What it becomes.
    pub target: TimeTarget,
    /// The pattern of texts, in Java's notation.
    pub format: Option<Pattern>,
    /// The unit of numbers.
    pub precision: UnixPrecision,
}

pub(super) fn casts(own: &Own<'_>) -> Result<Casts, Refused> {
    own.need("spec")?;
    let specs = own.list("spec");
    let to = |name: &str| {
        let name = name.trim().to_ascii_lowercase();
        let found = CastTo::ALL.iter().find(|(known, _)| *known == name);
        let names = CastTo::ALL.map(|(name, _)| name).join(", ");
        found.map(|(_, to)| *to).ok_or_else(|| own.wrong("spec", &name, &format!("field:type, or one type; types are {names}")))
    };
    let mut fields = Vec::new();
    for spec in &specs {
        match spec.split_once(':') {
            Some((field, name)) => fields.push((field.trim().to_owned(), to(name)?)),
            None if specs.len() == 1 => return Ok(Casts::Whole(to(spec)?)),
            None => return Err(own.wrong("spec", spec, "field:type where there are several")),
        }
    }
    Ok(Casts::Fields(fields))
}

fn word<T: Copy>(own: &Own<'_>, option: &str, default: Option<T>, words: &[(&str, T)]) -> Result<T, Refused> {
    let text = match (own.get(option), default) {
        (None, Some(default)) => return Ok(default),
        _ => own.need(option)?,
    };
    let found = words.iter().find(|(word, _)| *word == text);
    let names: Vec<_> = words.iter().map(|(word, _)| *word).collect();
    found.map(|(_, value)| *value).ok_or_else(|| own.wrong(option, text, &format!("one of {}", names.join(", "))))
}

pub(super) fn timestamps(own: &Own<'_>) -> Result<Timestamps, Refused> {
    let target = word(
        own,
        "target.type",
        None,
        &[
            ("string", TimeTarget::Text),
            ("unix", TimeTarget::Unix),
            ("Date", TimeTarget::Date),
            ("Time", TimeTarget::Time),
            ("Timestamp", TimeTarget::Timestamp),
        ],
    )?;
    let precision = word(
        own,
        "unix.precision",
        Some(UnixPrecision::Milliseconds),
        &[
            ("seconds", UnixPrecision::Seconds),
            ("milliseconds", UnixPrecision::Milliseconds),
            ("microseconds", UnixPrecision::Microseconds),
            ("nanoseconds", UnixPrecision::Nanoseconds),
        ],
    )?;
    if target == TimeTarget::Text {
        own.need("format")?;
    }
    let read = |text| Pattern::new(text).map_err(|why| own.wrong("format", text, &format!("a pattern of Java's SimpleDateFormat: {why}")));
    let format = own.get("format").map(read).transpose()?;
    Ok(Timestamps { field: own.get("field").map(str::to_owned), target, format, precision })
}

pub(super) fn schema_metadata(own: &Own<'_>) -> Result<(Option<String>, Option<u32>), Refused> {
    let version = match own.get("schema.version") {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| own.wrong("schema.version", text, "a whole number"))?),
    };
    let name = own.get("schema.name").map(str::to_owned);
    if name.is_none() && version.is_none() {
        own.need("schema.name")?;
    }
    Ok((name, version))
}

const LANGUAGES: [(&str, Dialect); 6] = [
    ("jsr223.groovy", Dialect::Groovy),
    ("jsr223.graal.js", Dialect::JavaScript),
    ("jsr223.js", Dialect::JavaScript),
    ("jsr223.javascript", Dialect::JavaScript),
    ("rowfeed", Dialect::Groovy),
    ("groovy", Dialect::Groovy),
];

pub(super) fn script(own: &Own<'_>, purpose: Purpose) -> Result<Script, Refused> {
    let dialect = word(own, "language", None, &LANGUAGES)?;
    let nulls = match own.get("null.handling.mode").unwrap_or("keep").to_ascii_lowercase().as_str() {
        "keep" => NullHandling::Keep,
        "drop" => NullHandling::Drop,
        "evaluate" => NullHandling::Evaluate,
        other => return Err(own.wrong("null.handling.mode", other, "keep, drop or evaluate")),
    };
    let option = if purpose == Purpose::Keep { "condition" } else { "topic.expression" };
    let expression = script::parse(own.need(option)?, dialect).map_err(|error| {
        let key = own.key(option);
        let problem = Problem::refuse("config/expression", format!("{key} cannot be read {error}"))
            .why("expressions are read once, not run as scripts: fields, comparisons, &&, ||, !, in, ?:, regular expressions and questions to texts")
            .fix("write it with these, as docs/transformations.md lists them, or filter in the consumer");
        refused(&key, problem)
    })?;
    let topics = own.get("topic.regex").is_some().then(|| own.regex("topic.regex")).transpose()?;
    Ok(Script { purpose, expression, dialect, nulls, topics })
}
