//! What an expression says of an event.
//!
//! `None` is SQL's unknown: null beside something, or a column that the event does not have.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::{Column, Comparison, Expression, Filter, Judgement, Literal, Operand, Side};
use crate::event::number::Number;
use crate::event::{Event, Kind, Op, Value};

/// Which row a column without a side is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    /// The row as it is.
    New,
    /// The row as it was.
    Old,
    /// That which the event is about, and `after.` the new one alone.
    Event,
}

/// What a filter says of an event.
pub fn judge(filter: &Filter, event: &Event<'_>) -> Judgement {
    let of_row = filter.row.as_ref().map_or(Judgement::Matches, |row| judge_row(row, event));
    if of_row == Judgement::No {
        return Judgement::No;
    }
    match filter.event.as_ref().map_or(Some(true), |expression| Look { event, row: Row::Event }.at(expression)) {
        Some(true) => of_row,
        None if event.kind() == Kind::Unreadable => Judgement::Unreadable,
        _ => Judgement::No,
    }
}

/// Whether what it asks of the event cannot be said.
pub fn is_unknown(filter: &Filter, event: &Event<'_>) -> bool {
    filter.event.as_ref().is_some_and(|expression| Look { event, row: Row::Event }.at(expression).is_none())
}

fn judge_row(expression: &Expression, event: &Event<'_>) -> Judgement {
    let at = |row: Row| Look { event, row }.at(expression);
    let plain = |said: Option<bool>| if said == Some(true) { Judgement::Matches } else { Judgement::No };
    // Of a flat row one knows what it was only where somebody said so.
    let has_both = event.op() == Some(Op::Update) || (event.kind() == Kind::Row && event.op().is_none() && event.old.is_some());
    match (event.kind(), event.op()) {
        (Kind::Unreadable, _) => at(Row::New).map_or(Judgement::Unreadable, |said| plain(Some(said))),
        // Every row is gone: every reader must know, unless it is a table that it does not read.
        (_, Some(Op::Truncate)) => {
            if at(Row::New) == Some(false) {
                Judgement::No
            } else {
                Judgement::Matches
            }
        }
        (Kind::Tombstone, _) | (_, Some(Op::Delete)) => plain(at(Row::Old)),
        _ if has_both => {
            let old = at(Row::Old);
            // Null is an answer; a column that nobody told is none.
            let is_told = old.is_some() || knows_old_row(expression, event);
            match (at(Row::New) == Some(true), old == Some(true)) {
                (true, false) if is_told => Judgement::Enters,
                (true, _) => Judgement::Matches,
                (false, true) => Judgement::Leaves,
                (false, false) => Judgement::No,
            }
        }
        _ => plain(at(Row::New)),
    }
}

/// Whether all columns of the row that are asked for are known as they were.
fn knows_old_row(expression: &Expression, event: &Event<'_>) -> bool {
    let look = Look { event, row: Row::Old };
    let knows = |operand: &Operand| !matches!(operand, Operand::Column(column) if look.column(column).is_none());
    match expression {
        Expression::Constant(_) => true,
        Expression::And(parts) | Expression::Or(parts) => parts.iter().all(|part| knows_old_row(part, event)),
        Expression::Not(inner) => knows_old_row(inner, event),
        Expression::Compare(_, left, right) | Expression::Distinct(left, right) => knows(left) && knows(right),
        Expression::OneOf(of, list) => knows(of) && list.iter().all(knows),
        Expression::Fits(of, ..) | Expression::IsNull(of) | Expression::Holds(of) | Expression::Is(of, _) => knows(of),
        Expression::Changed(column) | Expression::WasNull(column) => look.column(column).is_some(),
    }
}

/// A value as it is compared.
enum Datum<'a> {
    Null,
    Truth(bool),
    Number(Number<'a>),
    Text(Cow<'a, str>),
    /// A text in quotes in the filter: SQL reads it as the other side's type.
    Quoted(&'a str),
    /// An object or an array.
    Other(&'a [u8]),
}

impl<'a> Datum<'a> {
    /// None: JSON that is none.
    fn of(value: Value<'a>) -> Option<Self> {
        Some(match value.raw().first()? {
            b'"' => Self::Text(value.text()?),
            b'{' | b'[' => Self::Other(value.raw()),
            b'n' if value.is_null() => Self::Null,
            b't' | b'f' => Self::Truth(value.truth()?),
            _ => Self::Number(value.number()?),
        })
    }
}

/// SQL's words for truths.
pub fn truth_of(text: &str) -> Option<bool> {
    const WORDS: [(&str, bool); 12] = [
        ("true", true),
        ("t", true),
        ("yes", true),
        ("y", true),
        ("on", true),
        ("1", true),
        ("false", false),
        ("f", false),
        ("no", false),
        ("n", false),
        ("off", false),
        ("0", false),
    ];
    WORDS.iter().find(|(word, _)| text.eq_ignore_ascii_case(word)).map(|(_, truth)| *truth)
}

fn compare(left: &Datum<'_>, right: &Datum<'_>) -> Option<Ordering> {
    use Datum::{Number as Num, Quoted, Text, Truth};
    match (left, right) {
        (Num(left), Num(right)) => Some(left.cmp(right)),
        (Num(left), Text(right)) => Some(left.cmp(&Number::parse(right.as_bytes())?)),
        (Num(left), Quoted(right)) => Some(left.cmp(&Number::parse(right.as_bytes())?)),
        (Text(left), Num(right)) => Some(Number::parse(left.as_bytes())?.cmp(right)),
        (Quoted(left), Num(right)) => Some(Number::parse(left.as_bytes())?.cmp(right)),
        (Text(left), Text(right)) => Some(left.as_bytes().cmp(right.as_bytes())),
        (Text(left), Quoted(right)) => Some(left.as_bytes().cmp(right.as_bytes())),
        (Quoted(left), Text(right)) => Some(left.as_bytes().cmp(right.as_bytes())),
        (Quoted(left), Quoted(right)) => Some(left.as_bytes().cmp(right.as_bytes())),
        (Truth(left), Truth(right)) => Some(left.cmp(right)),
        (Truth(left), Quoted(right)) => Some(left.cmp(&truth_of(right)?)),
        (Quoted(left), Truth(right)) => Some(truth_of(left)?.cmp(right)),
        _ => None,
    }
}

/// Whether two values are different; null is a value.
fn differ(left: &Datum<'_>, right: &Datum<'_>) -> Option<bool> {
    match (left, right) {
        (Datum::Null, Datum::Null) => Some(false),
        (Datum::Null, _) | (_, Datum::Null) => Some(true),
        (Datum::Other(left), Datum::Other(right)) => Some(left != right),
        _ => compare(left, right).map(|order| order != Ordering::Equal),
    }
}

/// The text that an operand is.
fn text_of(operand: &Operand) -> Option<&str> {
    match operand {
        Operand::Literal(Literal::Text(text)) => Some(text),
        _ => None,
    }
}

/// An event looked at from one of its rows.
#[derive(Clone, Copy)]
struct Look<'e, 'a> {
    event: &'e Event<'a>,
    row: Row,
}

/// A column of one side, by its name or by that in small letters.
pub(super) fn find<'a>(column: &Column, get: impl Fn(&str) -> Option<Value<'a>>) -> Option<Value<'a>> {
    get(&column.name).or_else(|| get(column.folded.as_deref()?))
}

impl<'a> Look<'_, 'a> {
    fn column(self, column: &Column) -> Option<Value<'a>> {
        let event = self.event;
        let of_new = || find(column, |name| event.new_value(name));
        let of_old = || find(column, |name| event.old_value(name));
        match (column.side, self.row) {
            (Side::Row | Side::After, Row::New) | (Side::After, Row::Event) => of_new(),
            (Side::Row | Side::After, Row::Old) | (Side::Before, _) => of_old(),
            (Side::Row, Row::Event) => {
                if event.after().is_some() {
                    of_new()
                } else {
                    of_old()
                }
            }
            (Side::Key, _) => find(column, |name| event.key_object()?.get(name)),
            (Side::Source, _) => find(column, |name| event.source_value(name)),
        }
    }

    /// The value, if it is known; `beside` is the text that it is held against, if it is one.
    fn datum<'o>(self, operand: &'o Operand, beside: Option<&str>) -> Option<Datum<'o>>
    where
        'a: 'o,
    {
        match operand {
            Operand::Column(column) => Datum::of(self.column(column)?),
            Operand::Op => Some(Datum::Text(self.event.op()?.letter().into())),
            Operand::Schema => Datum::of(self.event.schema_name()?),
            Operand::Topic => Some(Datum::Text(self.event.topic.into())),
            Operand::Table => {
                let table = Datum::of(self.event.table_name()?)?;
                match table {
                    Datum::Text(table) if beside.is_some_and(|text| text.contains('.')) => {
                        let schema = self.event.schema_name()?.text()?;
                        Some(Datum::Text(format!("{schema}.{table}").into()))
                    }
                    table => Some(table),
                }
            }
            Operand::Literal(literal) => match literal {
                Literal::Null => Some(Datum::Null),
                Literal::Bool(truth) => Some(Datum::Truth(*truth)),
                Literal::Number(number) => Number::parse(number.as_bytes()).map(Datum::Number),
                Literal::Text(text) => Some(Datum::Quoted(text)),
                Literal::List(_) => None,
            },
        }
    }

    fn pair<'o>(self, left: &'o Operand, right: &'o Operand) -> Option<(Datum<'o>, Datum<'o>)>
    where
        'a: 'o,
    {
        Some((self.datum(left, text_of(right))?, self.datum(right, text_of(left))?))
    }

    fn at(self, expression: &Expression) -> Option<bool> {
        match expression {
            Expression::Constant(truth) => *truth,
            Expression::And(parts) => self.all(parts, false),
            Expression::Or(parts) => self.all(parts, true),
            Expression::Not(inner) => self.at(inner).map(|truth| !truth),
            Expression::Compare(comparison, left, right) => {
                let (left, right) = self.pair(left, right)?;
                let order = compare(&left, &right)?;
                Some(match comparison {
                    Comparison::Equal => order.is_eq(),
                    Comparison::Unequal => order.is_ne(),
                    Comparison::Less => order.is_lt(),
                    Comparison::AtMost => order.is_le(),
                    Comparison::Greater => order.is_gt(),
                    Comparison::AtLeast => order.is_ge(),
                })
            }
            Expression::OneOf(of, list) => {
                let mut is_known = true;
                for element in list {
                    match self.pair(of, element).and_then(|(left, right)| compare(&left, &right)) {
                        Some(Ordering::Equal) => return Some(true),
                        Some(_) => {}
                        None => is_known = false,
                    }
                }
                is_known.then_some(false)
            }
            Expression::Fits(of, _, text, regex) => match self.datum(of, Some(text))? {
                Datum::Text(text) => Some(regex.is_match(&text)),
                Datum::Quoted(text) => Some(regex.is_match(text)),
                _ => None,
            },
            Expression::IsNull(of) => self.datum(of, None).map(|datum| matches!(datum, Datum::Null)),
            Expression::Distinct(left, right) => {
                let (left, right) = self.pair(left, right)?;
                differ(&left, &right)
            }
            Expression::Holds(of) => match self.datum(of, None)? {
                Datum::Truth(truth) => Some(truth),
                _ => None,
            },
            Expression::Is(of, wanted) => match self.datum(of, None)? {
                Datum::Truth(truth) => Some(truth == *wanted),
                Datum::Null => Some(false),
                _ => None,
            },
            Expression::Changed(column) => self.changed(column),
            Expression::WasNull(column) => self.column(column).map(Value::is_null),
        }
    }

    /// All of them, or with `any` one of them.
    fn all(self, parts: &[Expression], any: bool) -> Option<bool> {
        let mut said = Some(!any);
        for part in parts {
            match self.at(part) {
                Some(truth) if truth == any => return Some(any),
                Some(_) => {}
                None => said = None,
            }
        }
        said
    }

    /// Whether an update gave the column another value; any other event changes none.
    fn changed(self, column: &Column) -> Option<bool> {
        let event = self.event;
        if event.op().is_some_and(|op| op != Op::Update) {
            return Some(false);
        }
        let new = find(column, |name| event.after()?.get(name))?;
        // What did not change was not sent.
        if new.is_unavailable() {
            return Some(false);
        }
        let old = find(column, |name| event.old_value(name))?;
        if old.raw() == new.raw() {
            return Some(false);
        }
        // Values of other types are different ones.
        Some(differ(&Datum::of(old)?, &Datum::of(new)?).unwrap_or(true))
    }
}
