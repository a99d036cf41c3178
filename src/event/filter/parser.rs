//! The grammar: from words to the expression.

use std::ops::Range;

use regex::RegexBuilder;

use super::lexer::{Lexer, Token};
use super::{
    ATTRIBUTES, Column, Comparison, DEPTH_MAX, Expression, Filter, LENGTH_MAX, LIST_MAX, Literal, Operand, PARTS_MAX, PATTERNS_MAX,
    Pattern, Side,
};
use crate::config::suggest;
use crate::event::Op;
use crate::problem::Problem;

/// Memory of a compiled pattern.
const PATTERN_BYTES_MAX: usize = 256 << 10;
/// Characters of a filter that are shown around a mistake.
const SHOWN: usize = 60;

/// Functions, and what follows them.
const FUNCTIONS: [&str; 3] = ["changed", "was_null", "is_null"];
/// Words of the language, which are no columns unless quoted.
const WORDS: [&str; 16] =
    ["and", "or", "not", "in", "like", "ilike", "between", "is", "null", "true", "false", "distinct", "from", "matches", "similar", "any"];

/// What is wrong, and where.
#[derive(Debug)]
pub struct Wrong {
    at: Range<usize>,
    what: String,
    fix: String,
}

impl Wrong {
    /// At a place of the text.
    pub fn new(at: Range<usize>, what: impl Into<String>) -> Self {
        Self { at, what: what.into(), fix: String::new() }
    }

    /// With what to write instead.
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }

    fn problem(self, text: &str) -> Problem {
        let character = text.get(..self.at.start).unwrap_or(text).chars().count() + 1;
        Problem::refuse("filter/syntax", format!("the filter cannot be read: {}", self.what))
            .at(format!("character {character}"))
            .why(pointed(text, self.at))
            .fix(self.fix)
    }
}

/// A part of the text with a caret below each character of `at`.
pub fn pointed(text: &str, at: Range<usize>) -> String {
    let before: Vec<char> = text.get(..at.start).unwrap_or(text).chars().collect();
    let meant = text.get(at).unwrap_or_default().chars().count().clamp(1, SHOWN);
    let left = before.len().saturating_sub(SHOWN);
    let mark = if left > 0 { "..." } else { "" };
    let shown = text.chars().skip(left).take(before.len() - left + meant + SHOWN);
    // Lines and tabs would move what is below.
    let line: String = shown.map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let blank = " ".repeat(mark.len() + before.len() - left);
    format!("{mark}{}\n{blank}{}", line.trim_end(), "^".repeat(meant))
}

/// Gives the values of parameters.
pub type Values<'v> = &'v dyn Fn(&str) -> Option<Literal>;

/// Reads a filter.
pub fn read(text: &str, values: Option<Values<'_>>) -> Result<Filter, Problem> {
    if text.len() > LENGTH_MAX {
        let what = format!("the filter cannot be read: it is longer than {LENGTH_MAX} bytes");
        return Err(Problem::refuse("filter/syntax", what).fix("a list of values is best given as a parameter"));
    }
    parsed(text, values).map_err(|wrong| wrong.problem(text))
}

fn parsed(text: &str, values: Option<Values<'_>>) -> Result<Filter, Wrong> {
    let mut lexer = Lexer::new(text);
    let (token, at) = lexer.next()?;
    let mut parser = Parser { lexer, values, token, at, depth: 0, parts: 0, patterns: 0, mentions: Vec::new() };
    let expression = parser.any()?;
    if parser.token != Token::End {
        return Err(parser.unexpected("\"and\", \"or\" or the end"));
    }
    Ok(Filter::of(text, expression, parser.mentions))
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    values: Option<Values<'a>>,
    token: Token,
    at: Range<usize>,
    depth: usize,
    parts: usize,
    patterns: usize,
    mentions: Vec<(Column, Range<usize>)>,
}

type Read<T = Expression> = Result<T, Wrong>;

impl Parser<'_> {
    fn advance(&mut self) -> Read<Token> {
        let (token, at) = self.lexer.next()?;
        self.at = at;
        Ok(std::mem::replace(&mut self.token, token))
    }

    fn wrong(&self, what: impl Into<String>) -> Wrong {
        Wrong::new(self.at.clone(), what)
    }

    fn unexpected(&self, wanted: &str) -> Wrong {
        let found = match &self.token {
            Token::Name(name) | Token::Quoted(name) => format!("\"{}\"", name.escape_debug()),
            Token::Text(_) => "a text".to_owned(),
            Token::Number(_) => "a number".to_owned(),
            Token::Parameter(_) => "a parameter".to_owned(),
            Token::Sign(sign) => format!("\"{sign}\""),
            Token::End => "the end".to_owned(),
        };
        let fix = match &self.token {
            Token::Name(name) => suggest::did_you_mean(name, ["and", "or", "in", "is", "like", "ilike", "between", "matches", "not"]),
            Token::Quoted(name) => format!("texts stand in single quotes: '{name}'"),
            _ => String::new(),
        };
        self.wrong(format!("{found} stands where {wanted} should")).fix(fix)
    }

    fn is(&self, sign: &str) -> bool {
        matches!(&self.token, Token::Sign(found) if *found == sign)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(&self.token, Token::Name(name) if name.eq_ignore_ascii_case(word))
    }

    /// Goes behind a word, if it stands here.
    fn accept(&mut self, word: &str) -> Read<bool> {
        let is = self.is_word(word);
        if is {
            self.advance()?;
        }
        Ok(is)
    }

    fn expect(&mut self, sign: &'static str) -> Read<()> {
        if !self.is(sign) {
            return Err(self.unexpected(&format!("\"{sign}\"")));
        }
        self.advance().map(drop)
    }

    fn expect_word(&mut self, word: &'static str) -> Read<()> {
        if self.accept(word)? { Ok(()) } else { Err(self.unexpected(&format!("\"{word}\""))) }
    }

    /// Counts a part.
    fn part(&mut self, expression: Expression) -> Read {
        self.parts += 1;
        if self.parts > PARTS_MAX {
            return Err(self.wrong(format!("it has more than {PARTS_MAX} parts")).fix("column in (..) takes many values"));
        }
        Ok(expression)
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.wrong(format!("it is more than {DEPTH_MAX} levels deep")));
        }
        let done = read(self);
        self.depth -= 1;
        done
    }

    fn any(&mut self) -> Read {
        self.several("or", Self::all, Expression::Or)
    }

    fn all(&mut self) -> Read {
        self.several("and", Self::negated, Expression::And)
    }

    fn several(&mut self, word: &str, read: fn(&mut Self) -> Read, made: fn(Vec<Expression>) -> Expression) -> Read {
        let first = read(self)?;
        if !self.is_word(word) {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.accept(word)? {
            let next = read(self)?;
            parts.push(self.part(next)?);
        }
        self.part(made(parts))
    }

    fn negated(&mut self) -> Read {
        if self.accept("not")? {
            let inner = self.deeper(Self::negated)?;
            return self.part(Expression::Not(Box::new(inner)));
        }
        self.condition()
    }

    fn condition(&mut self) -> Read {
        if self.is("(") {
            self.advance()?;
            let inner = self.deeper(Self::any)?;
            self.expect(")")?;
            return Ok(inner);
        }
        let start = self.at.clone();
        if let Token::Name(name) = &self.token
            && !WORDS.iter().any(|word| name.eq_ignore_ascii_case(word))
        {
            let name = name.clone();
            self.advance()?;
            if self.is("(") {
                return self.call(&name, start);
            }
            let operand = self.named(&name, false, start.clone())?;
            return self.asked(operand, start);
        }
        let operand = self.operand()?;
        self.asked(operand, start)
    }

    /// `changed(status)`.
    fn call(&mut self, name: &str, at: Range<usize>) -> Read {
        let Some(function) = FUNCTIONS.iter().find(|known| name.eq_ignore_ascii_case(known)) else {
            let nearest = suggest::did_you_mean(name, FUNCTIONS);
            let fix = if nearest.is_empty() { format!("functions: {}", FUNCTIONS.join(", ")) } else { nearest };
            return Err(Wrong::new(at, format!("\"{name}\" is no function")).fix(fix));
        };
        self.expect("(")?;
        let at = self.at.clone();
        let (name, quoted) = match self.advance()? {
            Token::Name(name) => (name, false),
            Token::Quoted(name) => (name, true),
            token => {
                (self.token, self.at) = (token, at);
                return Err(self.unexpected("a column"));
            }
        };
        if self.is(".") {
            return Err(Wrong::new(at, format!("{function}() takes a column's name alone")).fix(format!("{function}(column)")));
        }
        self.expect(")")?;
        let column = |side| Column::new(side, &name, quoted);
        let (column, expression) = match *function {
            "changed" => (column(Side::Row), Expression::Changed(column(Side::Row))),
            "was_null" => (column(Side::Before), Expression::WasNull(column(Side::Before))),
            _ => (column(Side::Row), Expression::IsNull(Operand::Column(column(Side::Row)))),
        };
        self.mentions.push((column, at));
        self.part(expression)
    }

    /// What stands behind a value.
    fn asked(&mut self, of: Operand, at: Range<usize>) -> Read {
        if let Token::Sign(sign) = self.token
            && let Some((_, comparison)) = Comparison::SIGNS.iter().find(|(known, _)| *known == sign)
        {
            self.advance()?;
            let right = self.at.clone();
            let other = self.operand()?;
            Self::check_op(&of, &other, right)?;
            Self::check_op(&other, &of, at)?;
            return self.part(Expression::Compare(*comparison, of, other));
        }
        if self.accept("is")? {
            return self.is_what(of);
        }
        let negated = self.accept("not")?;
        let found = if self.accept("in")? {
            let list = self.list(&of)?;
            self.part(Expression::OneOf(of, list))?
        } else if self.accept("between")? {
            let low = self.operand()?;
            self.expect_word("and")?;
            let high = self.operand()?;
            let low = self.part(Expression::Compare(Comparison::AtLeast, of.clone(), low))?;
            let high = self.part(Expression::Compare(Comparison::AtMost, of, high))?;
            self.part(Expression::And(vec![low, high]))?
        } else if let Some((_, pattern)) = Pattern::WORDS.iter().find(|(word, _)| self.is_word(word)) {
            self.advance()?;
            self.pattern(of, *pattern)?
        } else if negated {
            return Err(self.unexpected("\"in\", \"like\", \"between\" or \"matches\""));
        } else {
            return self.alone(of, at);
        };
        if negated { self.part(Expression::Not(Box::new(found))) } else { Ok(found) }
    }

    /// A value that is a condition by itself.
    fn alone(&mut self, of: Operand, at: Range<usize>) -> Read {
        match of {
            Operand::Literal(Literal::Bool(truth)) => self.part(Expression::Constant(Some(truth))),
            Operand::Literal(Literal::Null) => self.part(Expression::Constant(None)),
            Operand::Column(_) => {
                // What follows a column alone is `and`, `or`, `)` or the end: anything else was meant as a comparison.
                if !matches!(self.token, Token::End | Token::Sign(")")) && !self.is_word("and") && !self.is_word("or") {
                    return Err(self.unexpected("a comparison"));
                }
                self.part(Expression::Holds(of))
            }
            _ => Err(Wrong::new(at, "a value alone is no condition").fix("compare it: column = value")),
        }
    }

    fn is_what(&mut self, of: Operand) -> Read {
        let negated = self.accept("not")?;
        let found = if self.accept("null")? {
            Expression::IsNull(of)
        } else if self.accept("true")? {
            Expression::Is(of, true)
        } else if self.accept("false")? {
            Expression::Is(of, false)
        } else if self.accept("distinct")? {
            self.expect_word("from")?;
            Expression::Distinct(of, self.operand()?)
        } else {
            return Err(self.unexpected("\"null\", \"true\", \"false\" or \"distinct from\""));
        };
        let found = self.part(found)?;
        if negated { self.part(Expression::Not(Box::new(found))) } else { Ok(found) }
    }

    /// The values behind `in`.
    fn list(&mut self, of: &Operand) -> Read<Vec<Operand>> {
        // A parameter may be the whole list.
        let bare = matches!(self.token, Token::Parameter(_));
        if !bare {
            self.expect("(")?;
        }
        let mut list = Vec::new();
        loop {
            let at = self.at.clone();
            if let Token::Parameter(name) = &self.token {
                match self.parameter(&name.clone())? {
                    Literal::List(many) => list.extend(many.into_iter().map(Operand::Literal)),
                    one => list.push(Operand::Literal(one)),
                }
            } else {
                let element = self.operand()?;
                Self::check_op(of, &element, at.clone())?;
                // A list of values is one part; columns are looked up.
                if matches!(element, Operand::Column(_)) {
                    self.part(Expression::Constant(None))?;
                }
                list.push(element);
            }
            if list.len() > LIST_MAX {
                return Err(Wrong::new(at, format!("the list has more than {LIST_MAX} values")));
            }
            if bare || !self.is(",") {
                break;
            }
            self.advance()?;
        }
        if !bare {
            self.expect(")")?;
        }
        Ok(list)
    }

    fn pattern(&mut self, of: Operand, pattern: Pattern) -> Read {
        let at = self.at.clone();
        let text = match self.operand()? {
            Operand::Literal(Literal::Text(text)) => text,
            _ => return Err(Wrong::new(at, "a pattern is a text in single quotes")),
        };
        self.patterns += 1;
        if self.patterns > PATTERNS_MAX {
            return Err(Wrong::new(at, format!("it has more than {PATTERNS_MAX} patterns")));
        }
        let expression = match pattern {
            Pattern::Matches => text.to_string(),
            Pattern::Like | Pattern::ILike => like(&text).ok_or_else(|| Wrong::new(at.clone(), "the pattern ends with a backslash"))?,
        };
        let builder = RegexBuilder::new(&expression)
            .case_insensitive(pattern == Pattern::ILike)
            .size_limit(PATTERN_BYTES_MAX)
            .dfa_size_limit(PATTERN_BYTES_MAX)
            .build();
        let compiled = builder.map_err(|error| {
            let error = error.to_string();
            let why = error.lines().rev().find_map(|line| line.strip_prefix("error: ")).unwrap_or("it is too large").to_owned();
            Wrong::new(at, format!("the pattern cannot be compiled: {why}"))
        })?;
        self.part(Expression::Fits(of, pattern, text, Box::new(compiled)))
    }

    fn operand(&mut self) -> Read<Operand> {
        let at = self.at.clone();
        let literal = match self.token.clone() {
            Token::Name(name) => {
                let word = WORDS.iter().find(|word| name.eq_ignore_ascii_case(word));
                match word {
                    Some(&"true") => Literal::Bool(true),
                    Some(&"false") => Literal::Bool(false),
                    Some(&"null") => Literal::Null,
                    Some(_) => return Err(self.unexpected("a column or a value")),
                    None => {
                        self.advance()?;
                        if self.is("(") {
                            return Err(Wrong::new(at, format!("{name}() has no value to compare"))
                                .fix(format!("functions are conditions: {}", FUNCTIONS.join(", "))));
                        }
                        return self.named(&name, false, at);
                    }
                }
            }
            Token::Quoted(name) => {
                self.advance()?;
                return self.named(&name, true, at);
            }
            Token::Text(text) => Literal::Text(text.into()),
            Token::Number(number) => Literal::Number(number.into()),
            Token::Sign(sign @ ("-" | "+")) => {
                self.advance()?;
                let Token::Number(number) = &self.token else { return Err(self.unexpected("a number")) };
                Literal::Number(format!("{}{number}", if sign == "-" { "-" } else { "" }).into())
            }
            Token::Parameter(name) => {
                let literal = self.parameter(&name)?;
                if matches!(literal, Literal::List(_)) {
                    return Err(Wrong::new(at, format!(":{name} is a list")).fix(format!("column in :{name}")));
                }
                return Ok(Operand::Literal(literal));
            }
            Token::Sign(_) | Token::End => return Err(self.unexpected("a column or a value")),
        };
        self.advance()?;
        Ok(Operand::Literal(literal))
    }

    /// The value of the parameter that stands here.
    fn parameter(&mut self, name: &str) -> Read<Literal> {
        let Some(values) = self.values else {
            return Err(self.wrong("parameters have values only in the filters of tokens").fix("write the value itself"));
        };
        let value = values(name).ok_or_else(|| self.wrong(format!("the parameter :{name} has no value")))?;
        self.advance()?;
        Ok(value)
    }

    /// What a name stands for; it is read, what follows is not.
    fn named(&mut self, name: &str, quoted: bool, at: Range<usize>) -> Read<Operand> {
        if !self.is(".") {
            let attribute = ATTRIBUTES.iter().find(|(known, _)| !quoted && name.eq_ignore_ascii_case(known));
            if let Some((_, operand)) = attribute {
                return Ok(operand.clone());
            }
            return Ok(self.column(Column::new(Side::Row, name, quoted), at));
        }
        let prefix = Side::PREFIXES.iter().find(|(known, _)| !quoted && name.eq_ignore_ascii_case(known));
        let Some((_, side)) = prefix else {
            let fix = match name.to_ascii_lowercase().as_str() {
                "new" | "value" | "row" => "did you mean \"after\"?".to_owned(),
                "old" => "did you mean \"before\"?".to_owned(),
                _ => suggest::did_you_mean(name, Side::PREFIXES.map(|(known, _)| known)),
            };
            let fix = if fix.is_empty() { "before, after, key and source may stand before a column".to_owned() } else { fix };
            return Err(Wrong::new(at, format!("\"{}\" has no columns", name.escape_debug())).fix(fix));
        };
        self.advance()?;
        let end = self.at.end;
        let (name, quoted) = match self.token.clone() {
            Token::Name(name) => (name, false),
            Token::Quoted(name) => (name, true),
            _ => return Err(self.unexpected("a column")),
        };
        self.advance()?;
        if self.is(".") {
            return Err(self.wrong("a column has no parts here"));
        }
        Ok(self.column(Column::new(*side, &name, quoted), at.start..end))
    }

    fn column(&mut self, column: Column, at: Range<usize>) -> Operand {
        self.mentions.push((column.clone(), at));
        Operand::Column(column)
    }

    /// `op = 'update'` would never be true.
    fn check_op(of: &Operand, other: &Operand, at: Range<usize>) -> Read<()> {
        let (Operand::Op, Operand::Literal(Literal::Text(text))) = (of, other) else { return Ok(()) };
        if Op::of_letter(text).is_some() {
            return Ok(());
        }
        let meant = match text.to_ascii_lowercase().as_str() {
            "create" | "insert" | "i" => "did you mean 'c'?",
            "read" | "snapshot" | "s" => "did you mean 'r'?",
            "update" => "did you mean 'u'?",
            "delete" => "did you mean 'd'?",
            "truncate" => "did you mean 't'?",
            "message" => "did you mean 'm'?",
            _ => "op is one of 'c', 'r', 'u', 'd', 't', 'm'",
        };
        Err(Wrong::new(at, format!("op is never '{}'", text.escape_debug())).fix(meant))
    }
}

/// A pattern of `like` as a regular expression; none where it ends with a backslash.
fn like(pattern: &str) -> Option<String> {
    let mut expression = String::from("^(?s:");
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '%' => expression.push_str(".*"),
            '_' => expression.push('.'),
            '\\' => push_escaped(letters.next()?, &mut expression),
            _ => push_escaped(letter, &mut expression),
        }
    }
    expression.push_str(")$");
    Some(expression)
}

fn push_escaped(letter: char, expression: &mut String) {
    expression.push_str(&regex::escape(letter.encode_utf8(&mut [0; 4])));
}
