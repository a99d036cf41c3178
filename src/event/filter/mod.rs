//! Filters: which events somebody wants, in the words of SQL.
//!
//! Owns the language (its words in `lexer`, its grammar in `parser`), what an expression says of an event (`evaluate`) and which
//! filters an event could be for without asking each (`equality`). Promises that any text is read or refused in bounded time, depth and
//! memory; that an expression is evaluated without side effects, in time that grows with the event and the expression only; SQL's logic of three values.
//!
//! ```text
//! filter    := and ('or' and)*         and := not ('and' not)*         not := 'not'* condition
//! condition := '(' filter ')' | value | 'changed(' column ')' | 'was_null(' column ')' | 'is_null(' column ')'
//!            | value ('=' | '<>' | '!=' | '<' | '<=' | '>' | '>=') value
//!            | value 'is' 'not'? ('null' | 'true' | 'false' | 'distinct from' value)
//!            | value 'not'? ('in' '(' value, .. ')' | 'between' value 'and' value | 'like' text | 'ilike' text | 'matches' text)
//! value     := column | 'before.' column | 'after.' column | 'key.' column | 'source.' column | op | table | schema | topic
//!            | number | 'text' | true | false | null | :parameter
//! ```
//!
//! A filter that names neither `before`, `op`, `changed` nor `was_null` is **about the row**: an update is looked at with the
//! row as it was and as it is, so that a row that comes into the filter or leaves it is told as such ([`Judgement`]). Any other filter is about
//! the event, and says yes or no.

mod equality;
mod evaluate;
mod lexer;
mod parser;

use std::fmt;
use std::ops::Range;

use regex::Regex;

pub use equality::{Candidates, Canonical, Equality};
pub(super) use parser::pointed;

use super::Event;
use crate::config::suggest;
use crate::problem::Problem;

/// Bytes of a filter.
pub const LENGTH_MAX: usize = 8192;
/// How deep parentheses and `not` may stand in one another.
pub const DEPTH_MAX: usize = 32;
/// Parts of a filter, elements of lists apart.
pub const PARTS_MAX: usize = 200;
/// Patterns of `like` and `matches`.
pub const PATTERNS_MAX: usize = 16;
/// Values of a list that a parameter stands for.
pub const LIST_MAX: usize = 1000;

/// What a filter says of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Judgement {
    /// It is not wanted.
    No,
    /// It is wanted.
    Matches,
    /// The row comes into the filter by this update: its old form was not in it.
    Enters,
    /// The row leaves the filter by this update: its new form is not in it, and is not to be shown.
    Leaves,
    /// It cannot be said: the record is no JSON.
    Unreadable,
}

impl Judgement {
    /// Whether the event is wanted.
    pub const fn is_wanted(self) -> bool {
        matches!(self, Self::Matches | Self::Enters | Self::Leaves)
    }
}

/// Where a column is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// In the row: the new one, or the old one of a delete.
    Row,
    /// In the old row.
    Before,
    /// In the new row.
    After,
    /// In the key.
    Key,
    /// In Debezium's `source`.
    Source,
}

impl Side {
    const PREFIXES: [(&'static str, Self); 4] =
        [("before", Self::Before), ("after", Self::After), ("key", Self::Key), ("source", Self::Source)];
}

/// A column that a filter names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Column {
    /// Where.
    pub side: Side,
    /// As it was written.
    pub name: Box<str>,
    /// A name without quotes and with capitals is, as in SQL, the one in small letters, unless there is one as it was written.
    folded: Option<Box<str>>,
}

impl Column {
    fn new(side: Side, name: &str, quoted: bool) -> Self {
        let folded = (!quoted && name.chars().any(char::is_uppercase)).then(|| name.to_lowercase().into());
        Self { side, name: name.into(), folded }
    }
}

/// A value that stands in a filter or is given for a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it was written.
    Number(Box<str>),
    /// A text.
    Text(Box<str>),
    /// Several, for `in`: only a parameter is one.
    List(Vec<Literal>),
}

impl Literal {
    /// Of JSON (a claim of a token, say); an object is none.
    pub fn of_json(json: &serde_json::Value) -> Option<Self> {
        use serde_json::Value as Json;
        Some(match json {
            Json::Null => Self::Null,
            Json::Bool(truth) => Self::Bool(*truth),
            Json::Number(number) => Self::Number(number.to_string().into()),
            Json::String(text) => Self::Text(text.as_str().into()),
            Json::Array(list) => Self::List(list.iter().map(Self::of_json).collect::<Option<_>>()?),
            Json::Object(_) => return None,
        })
    }
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Comparison {
    const SIGNS: [(&'static str, Self); 7] = [
        ("=", Self::Equal),
        ("<>", Self::Unequal),
        ("!=", Self::Unequal),
        ("<=", Self::AtMost),
        (">=", Self::AtLeast),
        ("<", Self::Less),
        (">", Self::Greater),
    ];
}

/// Something that has a value.
#[derive(Clone, Debug)]
enum Operand {
    Column(Column),
    Op,
    Table,
    Schema,
    Topic,
    Literal(Literal),
}

/// What every event has, by name.
const ATTRIBUTES: [(&str, Operand); 4] =
    [("op", Operand::Op), ("table", Operand::Table), ("schema", Operand::Schema), ("topic", Operand::Topic)];

/// How a text is held against a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pattern {
    Like,
    ILike,
    Matches,
}

impl Pattern {
    const WORDS: [(&'static str, Self); 3] = [("like", Self::Like), ("ilike", Self::ILike), ("matches", Self::Matches)];
}

/// An expression.
#[derive(Clone, Debug)]
enum Expression {
    Constant(Option<bool>),
    And(Vec<Expression>),
    Or(Vec<Expression>),
    Not(Box<Expression>),
    Compare(Comparison, Operand, Operand),
    OneOf(Operand, Vec<Operand>),
    /// The pattern as it was written, and compiled.
    Fits(Operand, Pattern, Box<str>, Box<Regex>),
    IsNull(Operand),
    Distinct(Operand, Operand),
    /// A column of truths by itself.
    Holds(Operand),
    /// `is true`, `is false`: never unknown where the column is known.
    Is(Operand, bool),
    Changed(Column),
    WasNull(Column),
}

/// Which events somebody wants.
#[derive(Clone, Debug)]
pub struct Filter {
    text: Box<str>,
    /// What it asks of the row.
    row: Option<Expression>,
    /// What it asks of the event.
    event: Option<Expression>,
    /// The columns that it names, and where in its text.
    mentions: Vec<(Column, Range<usize>)>,
}

impl Filter {
    /// Reads a filter. What is wrong is told with its place (`filter/syntax`).
    pub fn parse(text: &str) -> Result<Self, Problem> {
        parser::read(text, None)
    }

    /// As [`Self::parse`], with values for parameters, `:claims.org`. They are values and never text of the filter. A parameter without a value
    /// refuses the filter.
    pub fn parse_with(text: &str, values: impl Fn(&str) -> Option<Literal>) -> Result<Self, Problem> {
        parser::read(text, Some(&values))
    }

    fn of(text: &str, expression: Expression, mentions: Vec<(Column, Range<usize>)>) -> Self {
        let (row, event) = if expression.is_of_row() { (Some(expression), None) } else { (None, Some(expression)) };
        Self { text: text.into(), row, event, mentions }
    }

    /// What both want. Each keeps its meaning: what one of them asks of the row still tells who comes and leaves.
    #[must_use]
    pub fn and(self, other: Filter) -> Filter {
        let both = |first: Option<Expression>, second: Option<Expression>| match (first, second) {
            (Some(first), Some(second)) => Some(Expression::And(vec![first, second])),
            (first, second) => first.or(second),
        };
        let shifted = |mentions: Vec<(Column, Range<usize>)>, by: usize| {
            mentions.into_iter().map(move |(column, at)| (column, at.start + by..at.end + by))
        };
        let text = format!("({}) and ({})", self.text, other.text).into();
        let behind = "(".len() + self.text.len() + ") and (".len();
        let mentions = shifted(self.mentions, "(".len()).chain(shifted(other.mentions, behind)).collect();
        Filter { text, row: both(self.row, other.row), event: both(self.event, other.event), mentions }
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The columns that it names, each as often as it stands there.
    pub fn columns(&self) -> impl Iterator<Item = &Column> {
        self.mentions.iter().map(|(column, _)| column)
    }

    /// Refuses a filter that names a column of a row which is not among these, with the nearest one that is (`filter/column`).
    pub fn check_columns(&self, known: &[&str]) -> Result<(), Problem> {
        let is_known = |name: &str| known.contains(&name);
        for (column, at) in &self.mentions {
            let is_there = is_known(&column.name) || column.folded.as_deref().is_some_and(is_known);
            if is_there || matches!(column.side, Side::Key | Side::Source) {
                continue;
            }
            let nearest = suggest::did_you_mean(&column.name, known.iter().copied());
            let fix = if nearest.is_empty() { format!("columns: {}", known.join(", ")) } else { nearest };
            let what = format!("the filter names a column \"{}\" that the table does not have", column.name);
            return Err(Problem::refuse("filter/column", what).why(parser::pointed(&self.text, at.clone())).fix(fix));
        }
        Ok(())
    }

    /// What it says of an event.
    pub fn judge(&self, event: &Event<'_>) -> Judgement {
        evaluate::judge(self, event)
    }

    /// Whether it leaves an event out because nobody knows what it asks: the old row of an update, where that was not sent.
    pub fn is_unknown(&self, event: &Event<'_>) -> bool {
        evaluate::is_unknown(self, event)
    }

    /// Whether it looks at a row, and not only at the key or the source.
    pub fn looks_at_a_row(&self) -> bool {
        let of_row = |column: &Column| matches!(column.side, Side::Row | Side::Before | Side::After);
        self.columns().any(of_row)
    }

    /// Whether it asks of a row alone, so that it can be held against the old one and the new one apart.
    pub fn is_of_row(&self) -> bool {
        self.event.is_none()
    }

    /// Whether what it says of an update depends on the old row, which is known with `REPLICA IDENTITY FULL` only.
    pub fn asks_of_old_rows(&self) -> bool {
        let is_present = |operand: &Operand| !matches!(operand, Operand::Column(column) if column.side == Side::Before);
        self.event.as_ref().is_some_and(|event| !event.has_only(&is_present))
    }

    /// A condition that all its events fulfil: a column has one of some values. An index of these finds the filters that an
    /// event could be for.
    pub fn equality(&self) -> Option<Equality> {
        self.row.as_ref().and_then(|row| equality::of(row, true)).or_else(|| equality::of(self.event.as_ref()?, false))
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Operand {
    fn is_of_row(&self) -> bool {
        match self {
            Self::Column(column) => column.side != Side::Before,
            Self::Op => false,
            Self::Table | Self::Schema | Self::Topic | Self::Literal(_) => true,
        }
    }
}

impl Expression {
    /// Whether it is about the row, so that it can be asked of the old one as of the new one.
    fn is_of_row(&self) -> bool {
        self.has_only(&Operand::is_of_row)
    }

    /// Whether it compares nothing but such operands, and nothing with the old row.
    fn has_only(&self, fits: &impl Fn(&Operand) -> bool) -> bool {
        match self {
            Self::Constant(_) => true,
            Self::And(parts) | Self::Or(parts) => parts.iter().all(|part| part.has_only(fits)),
            Self::Not(inner) => inner.has_only(fits),
            Self::Compare(_, left, right) | Self::Distinct(left, right) => fits(left) && fits(right),
            Self::OneOf(of, list) => fits(of) && list.iter().all(fits),
            Self::Fits(of, ..) | Self::IsNull(of) | Self::Holds(of) | Self::Is(of, _) => fits(of),
            Self::Changed(_) | Self::WasNull(_) => false,
        }
    }
}

/// Written once more, with all parentheses: what was read, for tests and for whoever wants to see how it was understood.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let several = |f: &mut fmt::Formatter<'_>, parts: &[Expression], word: &str| {
            f.write_str("(")?;
            for (place, part) in parts.iter().enumerate() {
                write!(f, "{}{part}", if place == 0 { "" } else { word })?;
            }
            f.write_str(")")
        };
        match self {
            Self::Constant(None) => f.write_str("null"),
            Self::Constant(Some(truth)) => write!(f, "{truth}"),
            Self::And(parts) => several(f, parts, " and "),
            Self::Or(parts) => several(f, parts, " or "),
            Self::Not(inner) => write!(f, "(not {inner})"),
            Self::Compare(comparison, left, right) => {
                let sign = Comparison::SIGNS.iter().find(|(_, known)| known == comparison).map_or("=", |(sign, _)| sign);
                write!(f, "({left} {sign} {right})")
            }
            Self::OneOf(of, list) => {
                write!(f, "({of} in (")?;
                for (place, element) in list.iter().enumerate() {
                    write!(f, "{}{element}", if place == 0 { "" } else { ", " })?;
                }
                f.write_str("))")
            }
            Self::Fits(of, pattern, text, _) => {
                let word = Pattern::WORDS.iter().find(|(_, known)| known == pattern).map_or("", |(word, _)| word);
                write!(f, "({of} {word} {})", Literal::Text(text.clone()))
            }
            Self::IsNull(of) => write!(f, "({of} is null)"),
            Self::Distinct(left, right) => write!(f, "({left} is distinct from {right})"),
            Self::Holds(of) => write!(f, "{of}"),
            Self::Is(of, truth) => write!(f, "({of} is {truth})"),
            Self::Changed(column) => write!(f, "changed({column})"),
            Self::WasNull(column) => write!(f, "was_null({column})"),
        }
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column(column) => column.fmt(f),
            Self::Op => f.write_str("op"),
            Self::Table => f.write_str("table"),
            Self::Schema => f.write_str("schema"),
            Self::Topic => f.write_str("topic"),
            Self::Literal(literal) => literal.fmt(f),
        }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((prefix, _)) = Side::PREFIXES.iter().find(|(_, side)| *side == self.side) {
            write!(f, "{prefix}.")?;
        }
        // A name with capitals that was not quoted is looked for in small letters, too.
        if self.folded.is_some() { f.write_str(&self.name) } else { write!(f, "\"{}\"", self.name.replace('"', "\"\"")) }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(truth) => write!(f, "{truth}"),
            Self::Number(number) => f.write_str(number),
            Self::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
            Self::List(list) => {
                list.iter().enumerate().try_for_each(|(place, element)| write!(f, "{}{element}", if place == 0 { "" } else { ", " }))
            }
        }
    }
}

#[cfg(test)]
mod tests;
