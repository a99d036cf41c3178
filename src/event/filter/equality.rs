//! Finding the filters an event could be for: by the value of a column, among thousands.

use super::evaluate::{find, truth_of};
use super::{Column, Comparison, Expression, Literal, Operand, Side};
use crate::event::number::Number;
use crate::event::{Event, Kind, Op, Value};
use crate::record::fnv::Fnv;

/// A condition that all events of a filter fulfil: a column has one of these values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equality {
    /// The column; to be asked for its values by [`Column::candidates`].
    pub column: Column,
    /// The values, as an index keeps them. None: no event fulfils it.
    pub values: Vec<Canonical>,
}

/// A value as an index keeps it: the same for all that the language takes for equal. Others may share it, so whom an index finds is still asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Canonical(u64);

/// What an index is to be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Candidates {
    /// The filters that have one of the values given.
    Listed,
    /// Every filter: the event is of all rows, or cannot be read.
    Everybody,
}

/// Kinds of values, which are equal only among themselves.
const TEXT: u8 = 1;
const NUMBER: u8 = 2;
/// A text that is written as a number: equal to numbers in a filter, and as a text to texts.
const WRITTEN: u8 = 3;
const TRUTH: u8 = 4;

/// The sum of a kind, to which the bytes of a value are added.
fn of_kind(kind: u8) -> Fnv {
    let mut sum = Fnv::default();
    sum.add(kind);
    sum
}

impl Canonical {
    fn of_text(kind: u8, bytes: &[u8]) -> Self {
        let mut sum = of_kind(kind);
        bytes.iter().for_each(|byte| sum.add(*byte));
        Self(sum.sum())
    }

    fn of_number(kind: u8, number: &Number<'_>) -> Self {
        let mut sum = of_kind(kind);
        number.canonical(|byte| sum.add(byte));
        Self(sum.sum())
    }

    /// Under what a value in an event is looked up; null and what is neither text, number nor truth is under nothing.
    pub fn of(value: Value<'_>) -> impl Iterator<Item = Self> {
        let written = value.text();
        let (first, second) = match (&written, value.number(), value.truth()) {
            (Some(text), ..) => {
                let number = Number::parse(text.as_bytes());
                (Some(Self::of_text(TEXT, text.as_bytes())), number.map(|number| Self::of_number(WRITTEN, &number)))
            }
            (None, Some(number), _) => (Some(Self::of_number(NUMBER, &number)), None),
            (None, None, truth) => (truth.map(Self::of_truth), None),
        };
        first.into_iter().chain(second)
    }

    fn of_truth(truth: bool) -> Self {
        Self::of_text(TRUTH, &[u8::from(truth)])
    }

    /// Under what a filter's value is kept.
    fn of_literal(literal: &Literal, out: &mut Vec<Self>) {
        match literal {
            Literal::Null | Literal::List(_) => {}
            Literal::Bool(truth) => out.push(Self::of_truth(*truth)),
            Literal::Number(number) => {
                let Some(number) = Number::parse(number.as_bytes()) else { return };
                out.extend([Self::of_number(NUMBER, &number), Self::of_number(WRITTEN, &number)]);
            }
            Literal::Text(text) => {
                out.push(Self::of_text(TEXT, text.as_bytes()));
                out.extend(Number::parse(text.as_bytes()).map(|number| Self::of_number(NUMBER, &number)));
                out.extend(truth_of(text).map(Self::of_truth));
            }
        }
    }
}

impl Column {
    /// Appends under what the filters are kept that this event could be for: the values that the column has, and had.
    pub fn candidates(&self, event: &Event<'_>, out: &mut Vec<Canonical>) -> Candidates {
        if event.op() == Some(Op::Truncate) || event.kind() == Kind::Unreadable {
            return Candidates::Everybody;
        }
        let mut add = |value: Option<Value<'_>>| out.extend(value.into_iter().flat_map(Canonical::of));
        match self.side {
            Side::Row | Side::After => {
                add(find(self, |name| event.new_value(name)));
                add(find(self, |name| event.old_value(name)));
            }
            Side::Before => add(find(self, |name| event.old_value(name))),
            Side::Key => add(find(self, |name| event.key_object()?.get(name))),
            Side::Source => add(find(self, |name| event.source_value(name))),
        }
        Candidates::Listed
    }
}

/// The first such condition among those that must all hold; `of_row`: the columns are the row's.
pub fn of(expression: &Expression, of_row: bool) -> Option<Equality> {
    let (column, values) = match expression {
        Expression::And(parts) => return parts.iter().find_map(|part| of(part, of_row)),
        Expression::Compare(Comparison::Equal, Operand::Column(column), Operand::Literal(literal))
        | Expression::Compare(Comparison::Equal, Operand::Literal(literal), Operand::Column(column)) => (column, vec![literal]),
        Expression::OneOf(Operand::Column(column), list) => {
            let literals = list.iter().map(|element| match element {
                Operand::Literal(literal) => Some(literal),
                _ => None,
            });
            (column, literals.collect::<Option<Vec<_>>>()?)
        }
        _ => return None,
    };
    let mut out = Vec::new();
    values.into_iter().for_each(|literal| Canonical::of_literal(literal, &mut out));
    out.sort_unstable();
    out.dedup();
    // Filters that say `after.x` and `x` of a row mean the same.
    let side = if of_row && column.side == Side::After { Side::Row } else { column.side };
    Some(Equality { column: Column { side, ..column.clone() }, values: out })
}
