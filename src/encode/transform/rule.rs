//! Conditions and topics that an expression takes from each row: `Filter` and `ContentBasedRouter`.
//!
//! An expression is put beside a shape once ([`resolve`]): each way to a field becomes the pieces that write it, what is the
//! same in all records of the shape is computed then (`value.op == 'u'` is true or false of a kind of change), and what can
//! fail fails only when a record comes to it, as in a script. Per row the rest is evaluated ([`evaluate`]) over a scratch
//! that is reused: nothing is allocated once it has grown. Types and nulls are those of the expression's language.

mod evaluate;
mod resolve;

use super::partition::Value;
use super::program::{BadValue, Input};
use super::shape::{self, Shape};
use crate::config::postgres::transforms::script::{Comparison, Dialect, Literal, Method, Script};
use evaluate::{Evaluation, Scalar};
use regex::bytes::Regex;

/// An expression beside a shape.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The option it stands in, for people.
    pub option: String,
    node: Node,
    dialect: Dialect,
}

/// A part of it.
#[derive(Clone, Debug)]
enum Node {
    Constant(Literal),
    Read(Box<resolve::Read>),
    /// Evaluating it stops the connector.
    Fail(Box<str>),
    Call(Box<Node>, Method, Vec<Node>, bool),
    Not(Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
    Compare(Comparison, Box<[Node; 2]>),
    OneOf(Box<Node>, Vec<Node>),
    Matches(Box<Node>, Regex),
    Choose(Box<[Node; 3]>),
    Otherwise(Box<[Node; 2]>, bool),
    Join(Box<[Node; 2]>),
    Remainder(Box<[Node; 2]>),
}

/// What is known of a rule before any row.
#[derive(Debug, PartialEq, Eq)]
pub enum Known {
    /// A condition's answer.
    Is(bool),
    /// A topic, or none.
    Topic(Option<String>),
    /// It depends on the row, or fails.
    No,
}

impl Rule {
    /// Puts a script beside a shape. Where `has_rows` is false nothing is known of keys and values: of records that are no
    /// row changes.
    pub fn new(script: &Script, option: String, shape: &Shape, has_rows: bool) -> Self {
        let node = resolve::Resolution { shape, dialect: script.dialect, has_rows }.node(&script.expression);
        Self { option, node, dialect: script.dialect }
    }

    /// What can be said of it before any row.
    pub fn known(&self) -> Known {
        match &self.node {
            Node::Constant(Literal::Bool(is)) => Known::Is(*is),
            Node::Constant(Literal::Null | Literal::Undefined) => Known::Topic(None),
            Node::Constant(Literal::Text(topic)) => Known::Topic(Some(topic.to_string())),
            _ => Known::No,
        }
    }

    /// Whether a record stays.
    pub fn keeps(&self, scratch: &mut Vec<u8>, input: &Input<'_>, source: impl FnMut(&mut Vec<u8>)) -> Result<bool, BadValue> {
        scratch.clear();
        match self.evaluation(scratch, input, source).of(&self.node) {
            Ok(Scalar::Bool(is)) => Ok(is),
            Ok(other) => Err(self.because(&format!("the condition is {}, neither true nor false", other.what()))),
            Err(BadValue::Transform(why)) => Err(self.because(&why)),
            Err(bad) => Err(bad),
        }
    }

    /// The topic it names, at the end of the scratch; `None` when it names none.
    pub fn topic<'s>(
        &self,
        scratch: &'s mut Vec<u8>,
        input: &Input<'_>,
        source: impl FnMut(&mut Vec<u8>),
    ) -> Result<Option<&'s [u8]>, BadValue> {
        scratch.clear();
        let mut evaluation = self.evaluation(scratch, input, source);
        match evaluation.of(&self.node) {
            Ok(Scalar::Null | Scalar::Undefined) => Ok(None),
            Ok(Scalar::Text(text)) => {
                let (start, end) = evaluation.hold(text);
                Ok(scratch.get(start..end))
            }
            Ok(other) => Err(self.because(&format!("the topic is {}, not a text", other.what()))),
            Err(BadValue::Transform(why)) => Err(self.because(&why)),
            Err(bad) => Err(bad),
        }
    }

    fn because(&self, why: &str) -> BadValue {
        BadValue::Transform(format!("{}: {why}", self.option))
    }

    fn evaluation<'e, 'i, S: FnMut(&mut Vec<u8>)>(
        &self,
        scratch: &'e mut Vec<u8>,
        input: &'e Input<'i>,
        source: S,
    ) -> Evaluation<'e, 'i, S> {
        Evaluation { scratch, input: Some(input), source, dialect: self.dialect }
    }
}

/// One value of the record.
#[derive(Clone, Debug)]
pub struct Field(Node);

impl Field {
    /// The value of a node of the shape.
    pub fn new(node: &shape::Node) -> Self {
        Self(resolve::read(node))
    }

    /// The same, but NULL where there is a default.
    pub fn as_stored(node: &shape::Node) -> Self {
        let mut node = node.clone();
        node.schema.default = None;
        Self::new(&node)
    }

    /// Whether it is an exact number.
    pub fn is_decimal(&self) -> bool {
        matches!(&self.0, Node::Read(read) if read.decimal)
    }

    /// Itself, unless it is always null.
    pub fn there(self) -> Option<Self> {
        (!matches!(self.0, Node::Constant(Literal::Null))).then_some(self)
    }

    /// Shows its value; `None` where it is null.
    pub fn of<T>(
        &self,
        scratch: &mut Vec<u8>,
        input: &Input<'_>,
        source: impl FnMut(&mut Vec<u8>),
        show: impl FnOnce(Value<'_>) -> T,
    ) -> Result<Option<T>, BadValue> {
        scratch.clear();
        let mut evaluation = Evaluation { scratch, input: Some(input), source, dialect: Dialect::Groovy };
        let value = match evaluation.of(&self.0)? {
            Scalar::Null | Scalar::Undefined => return Ok(None),
            Scalar::Bool(is) => Value::Bool(is),
            Scalar::Int(number) => Value::Int(number),
            Scalar::Double(number) => Value::Double(number),
            Scalar::Decimal(text) => Value::Decimal(text.bytes(evaluation.scratch)),
            Scalar::Text(text) | Scalar::Whole(text) => Value::Text(text.bytes(evaluation.scratch)),
        };
        Ok(Some(show(value)))
    }
}

#[cfg(test)]
mod tests;
