//! Templates: `user:{id}`, the name of a key or channel made of a row.
//!
//! Owns how braces are read and what a value looks like as a part of a name. Promises that a name is made of known values only:
//! a column that is missing, null or not known makes no name, rather than a wrong one.
//!
//! ```text
//! {column}    a text as it is, a number as it is written, true or false, anything else as JSON
//! {column?}   the same, and nothing where it is null
//! {key.column}   of the record's key
//! {topic} {table} {schema} {op}    of the event; a column of such a name is written in quotes, {"topic"}
//! {{ }}       braces
//! ```

use std::fmt::Write;
use std::ops::Range;

use super::filter::pointed;
use super::{Event, Object, Value};
use crate::config::suggest;
use crate::problem::Problem;

/// Bytes of a template.
pub const LENGTH_MAX: usize = 1024;
/// Bytes of a name that a template makes: Redis and brokers take longer ones, but nobody means them.
pub const NAME_BYTES_MAX: usize = 64 << 10;

/// What a name is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: Box<str>,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Column { name: Box<str>, of_key: bool, optional: bool },
    Topic,
    Table,
    Schema,
    Op,
}

const ATTRIBUTES: [(&str, Part); 4] = [("topic", Part::Topic), ("table", Part::Table), ("schema", Part::Schema), ("op", Part::Op)];

impl Template {
    /// Reads a template; what is wrong is told with its place (`template/syntax`).
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let wrong = |at: Range<usize>, what: String, fix: &str| {
            let character = text.get(..at.start).unwrap_or(text).chars().count() + 1;
            Problem::refuse("template/syntax", format!("the template cannot be read: {what}"))
                .at(format!("character {character}"))
                .why(pointed(text, at))
                .fix(fix)
        };
        if text.len() > LENGTH_MAX {
            return Err(wrong(0..1, format!("it is longer than {LENGTH_MAX} bytes"), ""));
        }
        let (mut parts, mut literal) = (Vec::new(), String::new());
        let mut letters = text.char_indices().peekable();
        while let Some((at, letter)) = letters.next() {
            let is_double = letters.peek().is_some_and(|(_, next)| *next == letter);
            match letter {
                '{' | '}' if is_double => {
                    letters.next();
                    literal.push(letter);
                }
                '}' => return Err(wrong(at..at + 1, "this brace closes nothing".into(), "a brace as such is written twice: }}")),
                '{' => {
                    let inside = text.get(at + 1..).and_then(|rest| rest.split_once('}')).map(|(inside, _)| inside);
                    let Some(inside) = inside else {
                        return Err(wrong(at..at + 1, "this brace has no end".into(), "a brace as such is written twice: {{"));
                    };
                    let span = at..at + inside.len() + 2;
                    let part = part(inside).map_err(|(what, fix)| wrong(span.clone(), what, &fix))?;
                    if !literal.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut literal).into()));
                    }
                    parts.push(part);
                    while letters.next_if(|(next, _)| *next < span.end).is_some() {}
                }
                _ => literal.push(letter),
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Text(literal.into()));
        }
        Ok(Self { text: text.into(), parts })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The row's columns that it names; those of the key apart.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Column { name, of_key: false, .. } => Some(&**name),
            _ => None,
        })
    }

    /// Whether all rows make the same name.
    pub fn is_constant(&self) -> bool {
        !self.parts.iter().any(|part| matches!(part, Part::Column { .. }))
    }

    /// The name for a row of an event, which may be the old one or the new one. None: a column is missing, null (unless marked
    /// `?`), or not known because it is large and was not sent.
    pub fn render(&self, event: &Event<'_>, row: Object<'_>) -> Option<String> {
        self.render_with(event, |column| {
            let value = row.get(column)?;
            // What did not change is as it was.
            if value.is_unavailable() { event.old_value(column) } else { Some(value) }
        })
    }

    /// The name with columns as the caller knows them, who is asked for each once.
    pub fn render_with<'a>(&self, event: &Event<'_>, mut column: impl FnMut(&str) -> Option<Value<'a>>) -> Option<String> {
        let mut name = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Topic => name.push_str(event.topic),
                Part::Table => name.push_str(&event.table_name()?.text()?),
                Part::Schema => name.push_str(&event.schema_name()?.text()?),
                Part::Op => name.push_str(event.op()?.letter()),
                Part::Column { name: asked, of_key: false, optional } => push(column(asked)?, *optional, &mut name)?,
                Part::Column { name: column, of_key: true, optional } => push(event.key_object()?.get(column)?, *optional, &mut name)?,
            }
        }
        (name.len() <= NAME_BYTES_MAX).then_some(name)
    }
}

/// What stands in braces.
fn part(inside: &str) -> Result<Part, (String, String)> {
    let (inside, optional) = inside.strip_suffix('?').map_or((inside, false), |inside| (inside, true));
    let inside = inside.trim();
    let unquoted = inside.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    if let Some(name) = unquoted.filter(|name| !name.is_empty()) {
        return Ok(Part::Column { name: name.into(), of_key: false, optional });
    }
    let (of_key, name) = inside.strip_prefix("key.").map_or((false, inside), |name| (true, name));
    if name.is_empty() || name.chars().any(|letter| !(letter.is_alphanumeric() || matches!(letter, '_' | '$' | '-'))) {
        let fix = match name.split_once('.') {
            Some(("after" | "before" | "row", column)) => {
                format!("write {{{column}}}: the rows before and after are both asked")
            }
            Some((prefix, _)) => suggest::did_you_mean(prefix, ["key"]),
            None => "a column's name stands in braces; one with other signs in quotes, too: {\"a b\"}".to_owned(),
        };
        return Err((format!("\"{}\" is no column", inside.escape_debug()), fix));
    }
    let attribute = ATTRIBUTES.iter().find(|(known, _)| *known == name).filter(|_| !of_key && !optional);
    Ok(attribute.map_or_else(|| Part::Column { name: name.into(), of_key, optional }, |(_, part)| part.clone()))
}

fn push(value: Value<'_>, optional: bool, name: &mut String) -> Option<()> {
    if value.is_null() {
        return optional.then_some(());
    }
    match value.text() {
        Some(text) => name.push_str(&text),
        None => write!(name, "{}", std::str::from_utf8(value.raw()).ok()?).ok()?,
    }
    Some(())
}
