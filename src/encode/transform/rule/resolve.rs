//! From an expression to what is read and computed: ways to fields are looked up, constants are folded.

use super::Node;
use super::evaluate::{Evaluation, Scalar};
use crate::config::postgres::transforms::script::{Comparison, Dialect, Expression, Literal, SchemaPart, Variable};
use crate::encode::schema::Kind;
use crate::encode::transform::convert::{decimal_text, scale_of, with_digits};
use crate::encode::transform::program::{BadValue, Pieces};
use crate::encode::transform::shape::{self, Content, Header, HeaderContent, Shape};
use crate::encode::transform::steps::source_field;
use crate::encode::values::numeric;

/// A value that is read from each record.
#[derive(Clone, Debug)]
pub struct Read {
    pub pieces: Pieces,
    /// What stands for null, as Kafka Connect's structs answer.
    pub default: Option<Box<[u8]>>,
    /// It is only compared as a whole: a row, an array, bytes.
    pub whole: bool,
    /// It is there in every record.
    pub never_null: bool,
    /// It is a number of which each digit counts.
    pub decimal: bool,
}

/// An expression's surroundings.
pub struct Resolution<'a> {
    pub shape: &'a Shape,
    pub dialect: Dialect,
    pub has_rows: bool,
}

/// What a part of a way leads to.
enum Place<'a> {
    Value(Node),
    Record(&'a shape::Node),
    Source(&'a shape::Node),
    Headers,
    Header(&'a Header),
}

const NULL: Node = Node::Constant(Literal::Null);

const fn is_null(literal: &Literal) -> bool {
    matches!(literal, Literal::Null | Literal::Undefined)
}

fn fail(why: impl Into<Box<str>>) -> Node {
    Node::Fail(why.into())
}

impl<'a> Resolution<'a> {
    /// The node of an expression.
    pub fn node(&self, expression: &Expression) -> Node {
        match expression {
            Expression::Literal(literal) => Node::Constant(literal.clone()),
            Expression::Variable(_) | Expression::Field(..) => self.place(expression).into_node(),
            Expression::Schema(of, part) => self.schema(of, part),
            Expression::Call(of, method, arguments, safe) => {
                let arguments = arguments.iter().map(|argument| self.node(argument)).collect();
                self.folded(Node::Call(Box::new(self.node(of)), *method, arguments, *safe))
            }
            Expression::Not(of) => self.folded(Node::Not(Box::new(self.node(of)))),
            Expression::And(parts) => self.several(parts, true),
            Expression::Or(parts) => self.several(parts, false),
            Expression::Compare(comparison, left, right) => {
                let pair = Box::new([self.node(left), self.node(right)]);
                self.compared(*comparison, pair)
            }
            Expression::OneOf(of, list) => {
                let list = list.iter().map(|element| self.node(element)).collect();
                self.folded(Node::OneOf(Box::new(self.node(of)), list))
            }
            Expression::Matches(of, regex, _) => self.folded(Node::Matches(Box::new(self.node(of)), regex.clone())),
            Expression::Choose(parts) => {
                let [condition, then, other] = &**parts;
                let condition = self.node(condition);
                match self.truth(&condition) {
                    Some(true) => self.node(then),
                    Some(false) => self.node(other),
                    None if matches!(condition, Node::Fail(_)) => condition,
                    None => Node::Choose(Box::new([condition, self.node(then), self.node(other)])),
                }
            }
            Expression::Otherwise(parts, by_truth) => {
                let [first, other] = &**parts;
                let first = self.node(first);
                match &first {
                    Node::Fail(_) => first,
                    Node::Constant(literal) => {
                        let there = if *by_truth { self.truth(&first) == Some(true) } else { !is_null(literal) };
                        if there { first } else { self.node(other) }
                    }
                    _ => Node::Otherwise(Box::new([first, self.node(other)]), *by_truth),
                }
            }
            Expression::Join(parts) => self.folded(Node::Join(self.pair(parts))),
            Expression::Remainder(parts) => self.folded(Node::Remainder(self.pair(parts))),
        }
    }

    fn pair(&self, [left, right]: &[Expression; 2]) -> Box<[Node; 2]> {
        Box::new([self.node(left), self.node(right)])
    }

    /// `&&` and `||`: what is known goes, and what follows a known end.
    fn several(&self, parts: &[Expression], all: bool) -> Node {
        let is_js = self.dialect == Dialect::JavaScript;
        let mut left = Vec::new();
        for (place, part) in parts.iter().enumerate() {
            let node = self.node(part);
            let is_last = place + 1 == parts.len();
            match self.truth(&node) {
                Some(truth) if truth != all => {
                    left.push(if is_js { node } else { Node::Constant(Literal::Bool(truth)) });
                    break;
                }
                // In JavaScript the last one is the answer itself.
                Some(_) if !(is_js && is_last) => continue,
                _ => {}
            }
            let ends = matches!(node, Node::Fail(_));
            left.push(node);
            if ends {
                break;
            }
        }
        match (left.pop(), left.is_empty()) {
            (None, _) => Node::Constant(Literal::Bool(all)),
            (Some(node @ (Node::Constant(_) | Node::Fail(_))), true) => node,
            (Some(node), true) if is_js => node,
            (Some(node), _) => {
                left.push(node);
                if all { Node::And(left) } else { Node::Or(left) }
            }
        }
    }

    fn compared(&self, comparison: Comparison, pair: Box<[Node; 2]>) -> Node {
        let [left, right] = &*pair;
        let of_null = |one: &Node, other: &Node| {
            matches!(one, Node::Constant(literal) if is_null(literal)) && matches!(other, Node::Read(read) if read.never_null)
        };
        if of_null(left, right) || of_null(right, left) {
            match comparison {
                Comparison::Equal | Comparison::Same => return Node::Constant(Literal::Bool(false)),
                Comparison::Unequal | Comparison::NotSame => return Node::Constant(Literal::Bool(true)),
                _ => {}
            }
        }
        self.folded(Node::Compare(comparison, pair))
    }

    /// Computes what only has constants in it.
    fn folded(&self, node: Node) -> Node {
        let mut constant = true;
        let mut failure = None;
        for part in node.parts() {
            match part {
                Node::Constant(_) => {}
                Node::Fail(why) => {
                    failure = Some(why.clone());
                    break;
                }
                _ => constant = false,
            }
        }
        if let Some(why) = failure {
            return Node::Fail(why);
        }
        if !constant {
            return node;
        }
        let mut scratch = Vec::new();
        let mut evaluation = Evaluation { scratch: &mut scratch, input: None, source: |_: &mut Vec<u8>| {}, dialect: self.dialect };
        match evaluation.of(&node) {
            Ok(scalar) => evaluation.literal(scalar).map_or_else(|| fail("it has no value"), Node::Constant),
            Err(BadValue::Transform(why)) => Node::Fail(why.into()),
            Err(BadValue::Column(_) | BadValue::Convert(..)) => node,
        }
    }

    /// Whether a node counts as true, when that is known.
    fn truth(&self, node: &Node) -> Option<bool> {
        match node {
            Node::Constant(literal) => Some(Scalar::of(literal).is_true(self.dialect, &[])),
            Node::Read(read) if read.whole && read.never_null => Some(true),
            _ => None,
        }
    }

    fn place(&self, expression: &Expression) -> Place<'a> {
        match expression {
            Expression::Variable(Variable::Key | Variable::Value) if !self.has_rows => {
                Place::Value(fail("nothing is known of this record's key and value"))
            }
            Expression::Variable(Variable::Key) => self.part(self.shape.key.as_ref()),
            Expression::Variable(Variable::Value) => self.part(self.shape.value.as_ref()),
            Expression::Variable(Variable::Topic) => Place::Value(Node::Constant(Literal::Text(self.shape.topic.as_str().into()))),
            Expression::Variable(Variable::Header) => Place::Headers,
            Expression::Variable(Variable::KeySchema | Variable::ValueSchema) => {
                // All that can be asked of it is asked elsewhere, or it is compared with null.
                let part =
                    if matches!(expression, Expression::Variable(Variable::KeySchema)) { &self.shape.key } else { &self.shape.value };
                Place::Value(if !self.has_rows {
                    fail("nothing is known of this record's schema")
                } else if part.is_none() {
                    NULL
                } else {
                    Node::Read(Box::new(Read { pieces: Pieces::default(), default: None, whole: true, never_null: true, decimal: false }))
                })
            }
            Expression::Field(of, name, safe) => self.field(self.place(of), name, *safe, of),
            // `(value.after ?: value.before).id`.
            Expression::Choose(parts) => {
                let [condition, then, other] = &**parts;
                let condition = self.node(condition);
                match self.truth(&condition) {
                    Some(true) => self.place(then),
                    Some(false) => self.place(other),
                    None => Place::Value(self.node(expression)),
                }
            }
            Expression::Otherwise(parts, _) => match self.place(&parts[0]) {
                place @ (Place::Record(_) | Place::Source(_)) => place,
                Place::Value(Node::Constant(literal)) if is_null(&literal) => self.place(&parts[1]),
                _ => Place::Value(self.node(expression)),
            },
            other => Place::Value(self.node(other)),
        }
    }

    fn part(&self, node: Option<&'a shape::Node>) -> Place<'a> {
        node.map_or(Place::Value(NULL), place_of)
    }

    fn field(&self, of: Place<'a>, name: &str, safe: bool, way: &Expression) -> Place<'a> {
        let missing = || {
            Place::Value(match self.dialect {
                Dialect::Groovy => fail(format!("{} has no field {name}", way.path())),
                Dialect::JavaScript => Node::Constant(Literal::Undefined),
            })
        };
        match of {
            Place::Record(node) => node.field(name).map_or_else(missing, place_of),
            Place::Source(node) => {
                let Content::Source(constants) = &node.content else { return missing() };
                source_field(&node.schema, constants, name).map_or_else(missing, |field| Place::Value(read(&field)))
            }
            Place::Headers => {
                let header = self.shape.headers.iter().rev().find(|header| header.name == name);
                header.map_or_else(|| Place::Value(self.absent()), Place::Header)
            }
            Place::Header(header) if name == "value" => Place::Value(header_value(header)),
            Place::Header(_) => Place::Value(fail(format!("of a header only its value can be asked, not {name}"))),
            Place::Value(Node::Fail(why)) => Place::Value(Node::Fail(why)),
            Place::Value(Node::Constant(literal)) if is_null(&literal) && safe => Place::Value(self.absent()),
            Place::Value(Node::Constant(literal)) if is_null(&literal) => {
                Place::Value(fail(format!("{} is null and has no field {name}; write ?.{name} where it may be null", way.path())))
            }
            Place::Value(_) => Place::Value(fail(format!("{} is a single value and has no field {name}", way.path()))),
        }
    }

    /// What is not there.
    fn absent(&self) -> Node {
        Node::Constant(if self.dialect == Dialect::JavaScript { Literal::Undefined } else { Literal::Null })
    }

    fn schema(&self, of: &Expression, part: &SchemaPart) -> Node {
        let node = match of {
            _ if !self.has_rows => return fail("nothing is known of this record's schema"),
            Expression::Variable(Variable::KeySchema) => self.shape.key.as_ref(),
            _ => self.shape.value.as_ref(),
        };
        let Some(node) = node else { return fail(format!("{} is null", of.path())) };
        let text = |text: &str| Node::Constant(Literal::Text(text.into()));
        match part {
            SchemaPart::Name => node.schema.name.as_deref().map_or(NULL, text),
            SchemaPart::Version => node.schema.version.map_or(NULL, |version| Node::Constant(Literal::Int(version.into()))),
            SchemaPart::Field(name) => {
                let schema = node.whole_schema();
                let Kind::Struct(fields) = &schema.kind else { return fail(format!("{} has no fields", of.path())) };
                if fields.iter().any(|field| *field.name == **name) { Node::Constant(Literal::Bool(true)) } else { NULL }
            }
        }
    }
}

impl Place<'_> {
    fn into_node(self) -> Node {
        match self {
            Self::Value(node) => node,
            Self::Record(node) | Self::Source(node) => read(node),
            Self::Headers | Self::Header(_) => fail("of headers only header.name.value can be asked"),
        }
    }
}

impl Node {
    /// What it is computed from, in the order in which it is.
    fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Constant(_) | Self::Read(_) | Self::Fail(_) => Vec::new(),
            Self::Not(of) | Self::Matches(of, _) => vec![of],
            Self::Call(of, _, more, _) | Self::OneOf(of, more) => std::iter::once(&**of).chain(more).collect(),
            Self::And(parts) | Self::Or(parts) => parts.iter().collect(),
            Self::Choose(parts) => parts.iter().collect(),
            Self::Compare(_, pair) | Self::Otherwise(pair, _) | Self::Join(pair) | Self::Remainder(pair) => pair.iter().collect(),
        }
    }
}

fn place_of(node: &shape::Node) -> Place<'_> {
    match &node.content {
        Content::Struct(_) => Place::Record(node),
        Content::Source(_) => Place::Source(node),
        _ => Place::Value(read(node)),
    }
}

/// The node that reads a value.
pub fn read(node: &shape::Node) -> Node {
    let schema = &node.schema;
    let is_bytes = schema.kind == Kind::Bytes;
    let is_decimal = is_bytes && schema.name.as_deref() == numeric::decimal(0).name.as_deref();
    let is_whole = !matches!(
        schema.kind,
        Kind::Boolean | Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 | Kind::Float | Kind::Double | Kind::String
    );
    let is_moment = schema.name.as_deref().is_some_and(|name| name.starts_with("org.apache.kafka.connect.data."));
    let mut content = node.content.clone();
    match &content {
        Content::Null => return NULL,
        Content::Constant(json) if !is_whole && !is_moment => return constant(json),
        Content::Transaction => return fail("the transaction block is not known before the record is counted"),
        Content::Live(live) if live.is_of_transaction() => return fail("the transaction block is not known before the record is counted"),
        _ => {}
    }
    let masked = matches!(&content, Content::Column { form, .. } if form.mask.is_some());
    let decimal = is_decimal && !masked && with_digits(&mut content).is_ok();
    let default = schema.default.as_deref().filter(|_| !masked);
    let default = match default {
        Some(default) if decimal => decimal_text(default, scale_of(schema)).map(|text| text.into_bytes().into()),
        default => default.map(Into::into),
    };
    Node::Read(Box::new(Read {
        pieces: Pieces::reading(&content),
        default,
        whole: (is_whole || is_moment) && !decimal,
        never_null: matches!(content, Content::Struct(_) | Content::Source(_)),
        decimal,
    }))
}

fn header_value(header: &Header) -> Node {
    match &header.content {
        HeaderContent::Bytes(bytes) => Node::Constant(Literal::Text(String::from_utf8_lossy(bytes).into())),
        HeaderContent::Value(node) => read(node),
        HeaderContent::OtherKey => fail(format!("the header {} cannot be asked", header.name)),
    }
}

fn constant(json: &[u8]) -> Node {
    use serde_json::Value;
    match serde_json::from_slice(json) {
        Ok(Value::String(text)) => Node::Constant(Literal::Text(text.into())),
        Ok(Value::Bool(is)) => Node::Constant(Literal::Bool(is)),
        Ok(Value::Number(number)) => {
            let int = number.as_i64().map(Literal::Int);
            int.or_else(|| number.as_f64().map(Literal::Double)).map_or(NULL, Node::Constant)
        }
        _ => NULL,
    }
}
