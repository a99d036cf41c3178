//! Expressions of `io.debezium.transforms.Filter` and `ContentBasedRouter`: what of Groovy and JavaScript is common in them.
//!
//! Owns the language: its words (`lexer`), its grammar (`parser`) and the tree that comes out. An expression is read
//! once, when the configuration is; what is not part of the language is refused then, with the place and what is allowed.
//! Promises that any text is read or refused in bounded time and depth. What an expression says of a record is
//! `encode::transform::rule`'s.
//!
//! ```text
//! choice   := or ('?' choice ':' choice | '?:' choice | '??' choice)?
//! or, and  := '||' 'or' | '&&' 'and'            not := 'not'
//! equality := '==' '!=' '===' '!==' '=~' '==~'  relation := '<' '<=' '>' '>=' 'in' '!in'
//! sum      := '+' of texts                      remainder := '%'
//! unary    := '!' '-'
//! access   := '.name' '?.name' '["name"]' '.method(...)'
//! primary  := number | text | true | false | null | [list] | /regex/ | (choice)
//!           | key | value | keySchema | valueSchema | topic | header
//! ```

mod lexer;
mod parser;

pub use parser::parse;
use regex::bytes::Regex;

/// Bytes of an expression.
pub const LENGTH_MAX: usize = 8192;
/// How deep parentheses, choices and lists may stand in one another.
pub const DEPTH_MAX: usize = 32;
/// Parts of an expression, elements of lists apart.
pub const PARTS_MAX: usize = 200;

/// Whose rules hold for what both languages write alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `jsr223.groovy`, and Rowfeed's own name.
    Groovy,
    /// `jsr223.graal.js` and `jsr223.js`.
    JavaScript,
}

/// What a script is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `Filter`: does the record stay?
    Keep,
    /// `ContentBasedRouter`: to which topic does it go?
    Route,
}

/// `null.handling.mode`: what happens to records without value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NullHandling {
    /// They pass.
    Keep,
    /// They go.
    Drop,
    /// The expression decides.
    Evaluate,
}

/// A transformation with an expression.
#[derive(Clone, Debug)]
pub struct Script {
    /// What is asked.
    pub purpose: Purpose,
    /// The expression.
    pub expression: Expression,
    /// Its language.
    pub dialect: Dialect,
    /// Records without value.
    pub nulls: NullHandling,
    /// `topic.regex`: records of other topics pass.
    pub topics: Option<regex::Regex>,
}

impl Script {
    /// Whether what it does depends on the topic.
    pub fn looks_at_topics(&self) -> bool {
        self.purpose == Purpose::Route || self.topics.is_some() || self.expression.looks_at_topic()
    }
}

/// What an expression can begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable {
    /// The key.
    Key,
    /// The value.
    Value,
    /// The key's schema.
    KeySchema,
    /// The value's schema.
    ValueSchema,
    /// The topic's name.
    Topic,
    /// The headers by name.
    Header,
}

impl Variable {
    /// All, by name.
    pub const ALL: [(&'static str, Self); 6] = [
        ("key", Self::Key),
        ("value", Self::Value),
        ("keySchema", Self::KeySchema),
        ("valueSchema", Self::ValueSchema),
        ("topic", Self::Topic),
        ("header", Self::Header),
    ];

    /// As it is written.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, variable)| *variable == self).map_or("", |(name, _)| name)
    }
}

/// A value that stands in the expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `null`.
    Null,
    /// JavaScript's `undefined`: a field that is not there, or not reached by `?.`.
    Undefined,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction that is kept exactly: its digits.
    Decimal(Box<str>),
    /// A binary number.
    Double(f64),
    /// A text.
    Text(Box<str>),
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `==`.
    Equal,
    /// `!=`.
    Unequal,
    /// `===`.
    Same,
    /// `!==`.
    NotSame,
    /// `<`.
    Less,
    /// `<=`.
    AtMost,
    /// `>`.
    Greater,
    /// `>=`.
    AtLeast,
}

/// What can be asked of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `startsWith`.
    StartsWith,
    /// `endsWith`.
    EndsWith,
    /// `contains`, `includes`.
    Contains,
    /// `equals`.
    Equals,
    /// `equalsIgnoreCase`.
    EqualsIgnoreCase,
    /// `isEmpty`.
    IsEmpty,
    /// `size`, `length`.
    Length,
    /// `toLowerCase`.
    ToLowerCase,
    /// `toUpperCase`.
    ToUpperCase,
    /// `trim`.
    Trim,
    /// `toString`.
    ToText,
}

impl Method {
    /// All, with how many arguments they take, and whether JavaScript alone or Groovy alone has them.
    pub const ALL: [(&'static str, Self, usize, Option<Dialect>); 13] = [
        ("startsWith", Self::StartsWith, 1, None),
        ("endsWith", Self::EndsWith, 1, None),
        ("contains", Self::Contains, 1, Some(Dialect::Groovy)),
        ("includes", Self::Contains, 1, Some(Dialect::JavaScript)),
        ("equals", Self::Equals, 1, Some(Dialect::Groovy)),
        ("equalsIgnoreCase", Self::EqualsIgnoreCase, 1, Some(Dialect::Groovy)),
        ("isEmpty", Self::IsEmpty, 0, Some(Dialect::Groovy)),
        ("size", Self::Length, 0, Some(Dialect::Groovy)),
        ("length", Self::Length, 0, Some(Dialect::Groovy)),
        ("toLowerCase", Self::ToLowerCase, 0, None),
        ("toUpperCase", Self::ToUpperCase, 0, None),
        ("trim", Self::Trim, 0, None),
        ("toString", Self::ToText, 0, None),
    ];
}

/// An expression.
#[derive(Clone, Debug)]
pub enum Expression {
    /// Itself.
    Literal(Literal),
    /// A part of the record.
    Variable(Variable),
    /// A field of something; when the flag is set, null where that is null.
    Field(Box<Expression>, Box<str>, bool),
    /// A question to a text; when the flag is set, null where that is null.
    Call(Box<Expression>, Method, Vec<Expression>, bool),
    /// A question to a schema: its name, its version, a field of it.
    Schema(Box<Expression>, SchemaPart),
    /// Turned round.
    Not(Box<Expression>),
    /// All of them.
    And(Vec<Expression>),
    /// One of them.
    Or(Vec<Expression>),
    /// Two values beside each other.
    Compare(Comparison, Box<Expression>, Box<Expression>),
    /// Whether a value is one of these.
    OneOf(Box<Expression>, Vec<Expression>),
    /// Whether a regular expression matches a text, or, when the flag is not set, a part of it.
    Matches(Box<Expression>, Regex, bool),
    /// One or the other.
    Choose(Box<[Expression; 3]>),
    /// The first, unless it is null (`??`) or, when the flag is set, false, zero or empty (`?:`).
    Otherwise(Box<[Expression; 2]>, bool),
    /// Texts one after the other.
    Join(Box<[Expression; 2]>),
    /// What a division of whole numbers leaves.
    Remainder(Box<[Expression; 2]>),
}

/// What can be asked of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaPart {
    /// `name()`.
    Name,
    /// `version()`.
    Version,
    /// `field('x')`: something or null.
    Field(Box<str>),
}

impl Expression {
    /// Whether it depends on the topic.
    pub fn looks_at_topic(&self) -> bool {
        match self {
            Self::Literal(_) => false,
            Self::Variable(variable) => *variable == Variable::Topic,
            Self::Field(of, ..) | Self::Schema(of, _) | Self::Not(of) | Self::Matches(of, ..) => of.looks_at_topic(),
            Self::Call(of, _, more, _) | Self::OneOf(of, more) => of.looks_at_topic() || more.iter().any(Self::looks_at_topic),
            Self::And(parts) | Self::Or(parts) => parts.iter().any(Self::looks_at_topic),
            Self::Compare(_, left, right) => left.looks_at_topic() || right.looks_at_topic(),
            Self::Choose(parts) => parts.iter().any(Self::looks_at_topic),
            Self::Otherwise(parts, _) | Self::Join(parts) | Self::Remainder(parts) => parts.iter().any(Self::looks_at_topic),
        }
    }

    /// How it is written, as far as it is a way to a field.
    pub fn path(&self) -> String {
        match self {
            Self::Variable(variable) => variable.name().to_owned(),
            Self::Field(of, name, _) => format!("{}.{name}", of.path()),
            Self::Literal(Literal::Null) => "null".to_owned(),
            _ => "it".to_owned(),
        }
    }
}

/// Why an expression cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {at}: {why}")]
pub struct Unreadable {
    /// Which character, from 1.
    pub at: usize,
    /// What is wrong there.
    pub why: String,
}
