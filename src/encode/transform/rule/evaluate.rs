//! What an expression says of a row.

use std::cmp::Ordering;

use super::Node;
use super::resolve::Read;
use crate::config::postgres::transforms::script::{Comparison, Dialect, Literal, Method};
use crate::encode::json;
use crate::encode::transform::program::{BadValue, Input};

/// One evaluation: texts that are made stand in the scratch, one after the other.
pub struct Evaluation<'e, 'i, S> {
    pub scratch: &'e mut Vec<u8>,
    pub input: Option<&'e Input<'i>>,
    pub source: S,
    pub dialect: Dialect,
}

/// A value.
#[derive(Clone, Copy, Debug)]
pub enum Scalar<'a> {
    Null,
    /// What is not there, in JavaScript.
    Undefined,
    Bool(bool),
    Int(i64),
    Double(f64),
    /// The digits of an exact number.
    Decimal(Text<'a>),
    Text(Text<'a>),
    /// Something that is only compared as a whole.
    Whole(Text<'a>),
}

/// A text that stands in the expression, or from here to there in the scratch.
#[derive(Clone, Copy, Debug)]
pub enum Text<'a> {
    Fixed(&'a [u8]),
    Held(usize, usize),
}

impl<'a> Text<'a> {
    /// Its bytes.
    pub fn bytes<'s>(&self, scratch: &'s [u8]) -> &'s [u8]
    where
        'a: 's,
    {
        match self {
            Self::Fixed(bytes) => bytes,
            Self::Held(start, end) => scratch.get(*start..*end).unwrap_or_default(),
        }
    }
}

impl<'a> Scalar<'a> {
    pub fn of(literal: &'a Literal) -> Self {
        match literal {
            Literal::Null => Self::Null,
            Literal::Undefined => Self::Undefined,
            Literal::Bool(is) => Self::Bool(*is),
            Literal::Int(number) => Self::Int(*number),
            Literal::Double(number) => Self::Double(*number),
            Literal::Decimal(digits) => Self::Decimal(Text::Fixed(digits.as_bytes())),
            Literal::Text(text) => Self::Text(Text::Fixed(text.as_bytes())),
        }
    }

    /// What kind of value it is, for people.
    pub const fn what(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Undefined => "undefined",
            Self::Bool(_) => "true or false",
            Self::Int(_) | Self::Double(_) | Self::Decimal(_) => "a number",
            Self::Text(_) => "a text",
            Self::Whole(_) => "a row, a list or bytes",
        }
    }

    const fn is_null(&self) -> bool {
        matches!(self, Self::Null | Self::Undefined)
    }

    /// Whether it counts as true.
    pub fn is_true(&self, dialect: Dialect, scratch: &[u8]) -> bool {
        match self {
            Self::Null | Self::Undefined => false,
            Self::Bool(is) => *is,
            Self::Int(number) => *number != 0,
            Self::Double(number) => *number != 0.0 && !(dialect == Dialect::JavaScript && number.is_nan()),
            Self::Decimal(digits) => digits.bytes(scratch).iter().any(|byte| matches!(byte, b'1'..=b'9')),
            Self::Text(text) => !text.bytes(scratch).is_empty(),
            Self::Whole(_) => true,
        }
    }

    fn as_double(&self, scratch: &[u8]) -> Option<f64> {
        match self {
            Self::Int(number) => Some(*number as f64),
            Self::Double(number) => Some(*number),
            Self::Decimal(digits) => std::str::from_utf8(digits.bytes(scratch)).ok()?.parse().ok(),
            _ => None,
        }
    }
}

fn because<T>(why: impl Into<String>) -> Result<T, BadValue> {
    Err(BadValue::Transform(why.into()))
}

impl<S: FnMut(&mut Vec<u8>)> Evaluation<'_, '_, S> {
    /// The value of a node.
    pub fn of<'a>(&mut self, node: &'a Node) -> Result<Scalar<'a>, BadValue> {
        Ok(match node {
            Node::Constant(literal) => Scalar::of(literal),
            Node::Read(read) => return self.read(read),
            Node::Fail(why) => return because(&**why),
            Node::Not(of) => Scalar::Bool(!self.is_true(of)?),
            Node::And(parts) => return self.several(parts, true),
            Node::Or(parts) => return self.several(parts, false),
            Node::Compare(comparison, pair) => {
                let (left, right) = (self.of(&pair[0])?, self.of(&pair[1])?);
                Scalar::Bool(self.compare(*comparison, left, right)?)
            }
            Node::OneOf(of, list) => {
                let value = self.of(of)?;
                for element in list {
                    let element = self.of(element)?;
                    if self.equal(value, element, true) {
                        return Ok(Scalar::Bool(true));
                    }
                }
                Scalar::Bool(false)
            }
            Node::Matches(of, regex) => {
                let value = self.of(of)?;
                let Some(text) = self.text(value) else { return Ok(Scalar::Bool(false)) };
                Scalar::Bool(regex.is_match(text.bytes(self.scratch)))
            }
            Node::Choose(parts) => {
                let [condition, then, other] = &**parts;
                return if self.is_true(condition)? { self.of(then) } else { self.of(other) };
            }
            Node::Otherwise(parts, by_truth) => {
                let [first, other] = &**parts;
                let value = self.of(first)?;
                let there = if *by_truth { value.is_true(self.dialect, self.scratch) } else { !value.is_null() };
                return if there { Ok(value) } else { self.of(other) };
            }
            Node::Join(pair) => {
                let (left, right) = (self.of(&pair[0])?, self.of(&pair[1])?);
                return self.join(left, right);
            }
            Node::Remainder(pair) => match (self.of(&pair[0])?, self.of(&pair[1])?) {
                (Scalar::Int(left), Scalar::Int(right)) if right != 0 => Scalar::Int(left.wrapping_rem(right)),
                (left, right) => return because(format!("% divides whole numbers, not {} by {}", left.what(), right.what())),
            },
            Node::Call(of, method, arguments, safe) => {
                let value = self.of(of)?;
                let argument = arguments.first().map(|argument| self.of(argument)).transpose()?;
                return self.call(value, *method, argument, *safe);
            }
        })
    }

    fn is_true(&mut self, node: &Node) -> Result<bool, BadValue> {
        let value = self.of(node)?;
        Ok(value.is_true(self.dialect, self.scratch))
    }

    /// Groovy's answer is true or false, JavaScript's the part that decided.
    fn several<'a>(&mut self, parts: &'a [Node], all: bool) -> Result<Scalar<'a>, BadValue> {
        let mut last = Scalar::Bool(all);
        for part in parts {
            last = self.of(part)?;
            if last.is_true(self.dialect, self.scratch) != all {
                return Ok(if self.dialect == Dialect::JavaScript { last } else { Scalar::Bool(!all) });
            }
        }
        Ok(if self.dialect == Dialect::JavaScript { last } else { Scalar::Bool(all) })
    }

    /// A value of the record, which is written as JSON and read again.
    fn read<'a>(&mut self, read: &'a Read) -> Result<Scalar<'a>, BadValue> {
        let Some(input) = self.input else { return because("it is known of rows only") };
        let start = self.scratch.len();
        read.pieces.write_json(self.scratch, input, &mut self.source)?;
        if self.scratch.get(start..) == Some(b"null")
            && let Some(default) = &read.default
        {
            self.scratch.truncate(start);
            self.scratch.extend_from_slice(default);
        }
        let end = self.scratch.len();
        let all = Text::Held(start, end);
        let json = self.scratch.get(start..end).unwrap_or_default();
        Ok(match json {
            b"null" => Scalar::Null,
            _ if read.whole => Scalar::Whole(all),
            _ if read.decimal => Scalar::Decimal(all),
            b"true" => Scalar::Bool(true),
            b"false" => Scalar::Bool(false),
            [b'"', ..] => Scalar::Text(self.unquoted(start, end)),
            [b'{' | b'[', ..] => Scalar::Whole(all),
            number => {
                let text = std::str::from_utf8(number).unwrap_or_default();
                match text.parse().map(Scalar::Int).or_else(|_| text.parse().map(Scalar::Double)) {
                    Ok(number) => number,
                    Err(_) => return because("a number cannot be read"),
                }
            }
        })
    }

    /// The inside of a JSON string in the scratch.
    fn unquoted<'a>(&mut self, start: usize, end: usize) -> Text<'a> {
        let (inside, close) = (start + 1, end.saturating_sub(1).max(start + 1));
        if !self.scratch.get(inside..close).unwrap_or_default().contains(&b'\\') {
            return Text::Held(inside, close);
        }
        let begun = self.scratch.len();
        let mut at = inside;
        while at < close {
            at = self.unescape(at, close);
        }
        Text::Held(begun, self.scratch.len())
    }

    /// Appends the character at a place of the scratch, and says where the next one is. The JSON is our own.
    fn unescape(&mut self, at: usize, close: usize) -> usize {
        let byte = |place: usize| self.scratch.get(place).copied().unwrap_or_default();
        let (first, second) = (byte(at), byte(at + 1));
        if first != b'\\' {
            self.scratch.push(first);
            return at + 1;
        }
        let unit = |place: usize| {
            let digits = self.scratch.get(place + 2..(place + 6).min(close)).unwrap_or_default();
            u32::from_str_radix(std::str::from_utf8(digits).unwrap_or_default(), 16).unwrap_or_default()
        };
        let plain = match second {
            b'u' => {
                let (high, low) = (unit(at), unit(at + 6));
                let is_pair = (0xd800..0xdc00).contains(&high) && (0xdc00..0xe000).contains(&low);
                let code = if is_pair { 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00) } else { high };
                let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                self.scratch.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                return at + if is_pair { 12 } else { 6 };
            }
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => 8,
            b'f' => 12,
            other => other,
        };
        self.scratch.push(plain);
        at + 2
    }

    fn append<'a>(&mut self, text: &[u8]) -> Text<'a> {
        let start = self.scratch.len();
        self.scratch.extend_from_slice(text);
        Text::Held(start, self.scratch.len())
    }

    /// Where a text stands in the scratch.
    pub fn hold(&mut self, text: Text<'_>) -> (usize, usize) {
        let text = match text {
            Text::Fixed(bytes) => self.append(bytes),
            held => held,
        };
        let Text::Held(start, end) = text else { return (0, 0) };
        (start, end)
    }

    /// A value as it stands in an expression; `None` for what cannot.
    pub fn literal(&self, scalar: Scalar<'_>) -> Option<Literal> {
        let text = |text: Text<'_>| String::from_utf8_lossy(text.bytes(self.scratch)).into();
        Some(match scalar {
            Scalar::Null => Literal::Null,
            Scalar::Undefined => Literal::Undefined,
            Scalar::Bool(is) => Literal::Bool(is),
            Scalar::Int(number) => Literal::Int(number),
            Scalar::Double(number) => Literal::Double(number),
            Scalar::Decimal(digits) => Literal::Decimal(text(digits)),
            Scalar::Text(own) => Literal::Text(text(own)),
            Scalar::Whole(_) => return None,
        })
    }

    fn compare(&self, comparison: Comparison, left: Scalar<'_>, right: Scalar<'_>) -> Result<bool, BadValue> {
        let ordered = |wanted: fn(Ordering) -> bool| Ok(self.order(left, right)?.is_some_and(wanted));
        match comparison {
            Comparison::Equal => Ok(self.equal(left, right, false)),
            Comparison::Unequal => Ok(!self.equal(left, right, false)),
            Comparison::Same => Ok(self.equal(left, right, true)),
            Comparison::NotSame => Ok(!self.equal(left, right, true)),
            Comparison::Less => ordered(Ordering::is_lt),
            Comparison::AtMost => ordered(Ordering::is_le),
            Comparison::Greater => ordered(Ordering::is_gt),
            Comparison::AtLeast => ordered(Ordering::is_ge),
        }
    }

    fn equal(&self, left: Scalar<'_>, right: Scalar<'_>, strict: bool) -> bool {
        match (left, right) {
            (Scalar::Null, Scalar::Null) | (Scalar::Undefined, Scalar::Undefined) => true,
            (Scalar::Null, Scalar::Undefined) | (Scalar::Undefined, Scalar::Null) => !strict,
            (Scalar::Bool(left), Scalar::Bool(right)) => left == right,
            (Scalar::Text(left), Scalar::Text(right)) | (Scalar::Whole(left), Scalar::Whole(right)) => {
                left.bytes(self.scratch) == right.bytes(self.scratch)
            }
            (Scalar::Null | Scalar::Undefined | Scalar::Whole(_), _) | (_, Scalar::Null | Scalar::Undefined | Scalar::Whole(_)) => false,
            _ if !strict && self.dialect == Dialect::JavaScript => {
                self.number(left).zip(self.number(right)).is_some_and(|(left, right)| left == right)
            }
            _ => self.numbers(left, right) == Some(Some(Ordering::Equal)),
        }
    }

    /// Which comes first; the inner `None` is for NaN, of which nothing is true.
    fn order(&self, left: Scalar<'_>, right: Scalar<'_>) -> Result<Option<Ordering>, BadValue> {
        let in_js = self.dialect == Dialect::JavaScript;
        match (left, right) {
            (Scalar::Text(left), Scalar::Text(right)) => {
                return Ok(Some(as_java_orders(left.bytes(self.scratch), right.bytes(self.scratch))));
            }
            (Scalar::Bool(left), Scalar::Bool(right)) => return Ok(Some(left.cmp(&right))),
            // Groovy has null before everything.
            (Scalar::Null, Scalar::Null) if !in_js => return Ok(Some(Ordering::Equal)),
            (Scalar::Null, _) if !in_js => return Ok(Some(Ordering::Less)),
            (_, Scalar::Null) if !in_js => return Ok(Some(Ordering::Greater)),
            _ => {}
        }
        if let Some(ordering) = self.numbers(left, right) {
            return Ok(ordering);
        }
        if in_js && !matches!(left, Scalar::Whole(_)) && !matches!(right, Scalar::Whole(_)) {
            let pair = self.number(left).zip(self.number(right));
            return Ok(pair.and_then(|(left, right)| left.partial_cmp(&right)));
        }
        because(format!("{} cannot be compared with {}", left.what(), right.what()))
    }

    /// The order of two numbers; `None` when one is none.
    fn numbers(&self, left: Scalar<'_>, right: Scalar<'_>) -> Option<Option<Ordering>> {
        match (left, right) {
            (Scalar::Int(left), Scalar::Int(right)) => Some(Some(left.cmp(&right))),
            (Scalar::Decimal(left), Scalar::Decimal(right)) => Some(Some(decimals(left.bytes(self.scratch), right.bytes(self.scratch)))),
            (Scalar::Decimal(left), Scalar::Int(right)) => {
                Some(Some(decimals(left.bytes(self.scratch), itoa::Buffer::new().format(right).as_bytes())))
            }
            (Scalar::Int(_), Scalar::Decimal(_)) => self.numbers(right, left).map(|ordering| ordering.map(Ordering::reverse)),
            _ => {
                let (left, right) = (left.as_double(self.scratch)?, right.as_double(self.scratch)?);
                Some(left.partial_cmp(&right))
            }
        }
    }

    /// JavaScript's `Number(...)`; `None` is NaN.
    fn number(&self, value: Scalar<'_>) -> Option<f64> {
        match value {
            Scalar::Null => Some(0.0),
            Scalar::Bool(is) => Some(f64::from(u8::from(is))),
            Scalar::Text(text) => {
                let text = std::str::from_utf8(text.bytes(self.scratch)).ok()?.trim();
                if text.is_empty() {
                    Some(0.0)
                } else {
                    text.parse().ok().filter(|_| text.ends_with(|c: char| c.is_ascii_digit() || c == '.'))
                }
            }
            number => number.as_double(self.scratch),
        }
    }

    /// A value as text; `None` for null and for what is only compared.
    fn text<'a>(&mut self, value: Scalar<'a>) -> Option<Text<'a>> {
        let start = self.scratch.len();
        match value {
            Scalar::Null | Scalar::Undefined | Scalar::Whole(_) => return None,
            Scalar::Text(text) | Scalar::Decimal(text) => return Some(text),
            Scalar::Bool(is) => self.scratch.extend_from_slice(if is { b"true" } else { b"false" }),
            Scalar::Int(number) => json::integer(self.scratch, number),
            Scalar::Double(number) => {
                json::double(self.scratch, number);
                if self.dialect == Dialect::JavaScript && self.scratch.ends_with(b".0") {
                    self.scratch.truncate(self.scratch.len() - 2);
                }
            }
        }
        Some(Text::Held(start, self.scratch.len()))
    }

    fn join<'a>(&mut self, left: Scalar<'a>, right: Scalar<'a>) -> Result<Scalar<'a>, BadValue> {
        if !matches!(left, Scalar::Text(_)) && !matches!(right, Scalar::Text(_)) {
            return because(format!("+ joins texts, not {} and {}", left.what(), right.what()));
        }
        let mut ends = [(0, 0); 2];
        for (end, value) in ends.iter_mut().zip([left, right]) {
            let text = match value {
                Scalar::Null => Text::Fixed(b"null"),
                Scalar::Undefined => Text::Fixed(b"undefined"),
                value => match self.text(value) {
                    Some(text) => text,
                    None => return because(format!("+ joins texts, not {}", value.what())),
                },
            };
            *end = self.hold(text);
        }
        let start = self.scratch.len();
        for (from, to) in ends {
            self.scratch.extend_from_within(from..to);
        }
        Ok(Scalar::Text(Text::Held(start, self.scratch.len())))
    }

    fn call<'a>(&mut self, of: Scalar<'a>, method: Method, argument: Option<Scalar<'_>>, safe: bool) -> Result<Scalar<'a>, BadValue> {
        let name = Method::ALL.iter().find(|(_, known, ..)| *known == method).map_or("", |(name, ..)| name);
        if of.is_null() {
            let absent = if self.dialect == Dialect::JavaScript { Scalar::Undefined } else { Scalar::Null };
            return if safe {
                Ok(absent)
            } else {
                because(format!("{name}() is asked of {}; write ?.{name}() where it may be null", of.what()))
            };
        }
        match method {
            Method::Equals => return Ok(Scalar::Bool(self.equal(of, argument.unwrap_or(Scalar::Null), true))),
            Method::ToText => {
                let text = self.text(of).map(Scalar::Text);
                return text.map_or_else(|| because(format!("{name}() is asked of {}", of.what())), Ok);
            }
            _ => {}
        }
        let Scalar::Text(text) = of else { return because(format!("{name}() is asked of {}, not of a text", of.what())) };
        let bytes = text.bytes(self.scratch);
        let other = match argument {
            None => &b""[..],
            Some(Scalar::Text(other)) => other.bytes(self.scratch),
            // Java's answer to `equalsIgnoreCase(null)`.
            Some(Scalar::Null) if method == Method::EqualsIgnoreCase => return Ok(Scalar::Bool(false)),
            Some(other) => return because(format!("{name}() takes a text, not {}", other.what())),
        };
        Ok(match method {
            Method::StartsWith => Scalar::Bool(bytes.starts_with(other)),
            Method::EndsWith => Scalar::Bool(bytes.ends_with(other)),
            Method::Contains => Scalar::Bool(other.is_empty() || bytes.windows(other.len()).any(|window| window == other)),
            Method::EqualsIgnoreCase => Scalar::Bool(lower(bytes).eq(lower(other))),
            Method::IsEmpty => Scalar::Bool(bytes.is_empty()),
            Method::Length => Scalar::Int(if bytes.is_ascii() {
                i64::try_from(bytes.len()).unwrap_or(i64::MAX)
            } else {
                i64::try_from(characters(bytes).map(char::len_utf16).sum::<usize>()).unwrap_or(i64::MAX)
            }),
            Method::Trim => {
                let start = bytes.iter().position(|byte| *byte > b' ').unwrap_or(bytes.len());
                let end = bytes.iter().rposition(|byte| *byte > b' ').map_or(start, |last| last + 1);
                Scalar::Text(match text {
                    Text::Fixed(bytes) => Text::Fixed(bytes.get(start..end).unwrap_or_default()),
                    Text::Held(from, _) => Text::Held(from + start, from + end),
                })
            }
            Method::ToLowerCase | Method::ToUpperCase => {
                let (from, to) = self.hold(text);
                let start = self.scratch.len();
                if self.scratch.get(from..to).is_some_and(<[u8]>::is_ascii) {
                    self.scratch.extend_from_within(from..to);
                    let made = self.scratch.get_mut(start..).unwrap_or_default();
                    if method == Method::ToLowerCase { made.make_ascii_lowercase() } else { made.make_ascii_uppercase() }
                } else {
                    let text = String::from_utf8_lossy(self.scratch.get(from..to).unwrap_or_default());
                    let made = if method == Method::ToLowerCase { text.to_lowercase() } else { text.to_uppercase() };
                    self.scratch.extend_from_slice(made.as_bytes());
                }
                Scalar::Text(Text::Held(start, self.scratch.len()))
            }
            Method::Equals | Method::ToText => Scalar::Null,
        })
    }
}

fn characters(bytes: &[u8]) -> impl Iterator<Item = char> + '_ {
    bytes.utf8_chunks().flat_map(|chunk| chunk.valid().chars())
}

fn lower(bytes: &[u8]) -> impl Iterator<Item = char> + '_ {
    characters(bytes).flat_map(char::to_lowercase)
}

/// By units of UTF-16.
fn as_java_orders(left: &[u8], right: &[u8]) -> Ordering {
    if left.is_ascii() && right.is_ascii() {
        return left.cmp(right);
    }
    // A character of two units comes before those above U+E000.
    let units = |bytes| {
        characters(bytes).map(|c| match u32::from(c).checked_sub(0x10000) {
            Some(rest) => (0xd800 + (rest >> 10), rest & 0x3ff),
            None => (u32::from(c), 0),
        })
    };
    units(left).cmp(units(right))
}

/// The order of two numbers written with digits, perhaps a minus and a point.
fn decimals(left: &[u8], right: &[u8]) -> Ordering {
    let (left, right) = (split(left), split(right));
    match (left.0, right.0) {
        (false, true) => return Ordering::Greater,
        (true, false) => return Ordering::Less,
        _ => {}
    }
    let whole = left.1.len().cmp(&right.1.len()).then_with(|| left.1.cmp(right.1));
    let ordering = whole.then_with(|| left.2.cmp(right.2));
    if left.0 { ordering.reverse() } else { ordering }
}

/// Whether it is below zero, the digits before the point without leading zeros, those behind it without trailing ones.
fn split(text: &[u8]) -> (bool, &[u8], &[u8]) {
    let (digits, minus) = text.strip_prefix(b"-").map_or((text, false), |rest| (rest, true));
    let point = digits.iter().position(|byte| *byte == b'.').unwrap_or(digits.len());
    let (whole, fraction) = digits.split_at(point);
    let fraction = fraction.get(1..).unwrap_or_default();
    let first = whole.iter().position(|byte| *byte != b'0').unwrap_or(whole.len());
    let end = fraction.iter().rposition(|byte| *byte != b'0').map_or(0, |last| last + 1);
    let (whole, fraction) = (whole.get(first..).unwrap_or_default(), fraction.get(..end).unwrap_or_default());
    (minus && !(whole.is_empty() && fraction.is_empty()), whole, fraction)
}
