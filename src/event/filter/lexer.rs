//! The words of a filter: names, numbers, texts, signs, parameters.

use std::ops::Range;

use super::parser::Wrong;

/// A word.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// A name or a word of the language.
    Name(String),
    /// A name in double quotes.
    Quoted(String),
    /// A text in single quotes.
    Text(String),
    /// A number as it is written.
    Number(String),
    /// `:name.more`.
    Parameter(String),
    /// Anything else that has a meaning.
    Sign(&'static str),
    /// Nothing follows.
    End,
}

/// The longest come first.
const SIGNS: [&str; 13] = ["<>", "<=", ">=", "!=", "=", "<", ">", "(", ")", ",", ".", "-", "+"];

/// What other languages write, and what is written here.
const FOREIGN: [(&str, &str); 7] = [
    ("&&", "write \"and\""),
    ("||", "write \"or\""),
    ("==", "= compares"),
    ("!", "write \"not\""),
    ("::", "a cast is not needed: numbers are compared as numbers, texts as texts"),
    ("~", "write column matches 'expression'"),
    (";", "a filter is one condition"),
];

/// Reads a filter word by word.
pub struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    /// From the beginning.
    pub const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, _) = self.rest().split_at_checked(bytes).unwrap_or_default();
        self.at += bytes;
        taken
    }

    /// The next word and where it stands.
    pub fn next(&mut self) -> Result<(Token, Range<usize>), Wrong> {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
        let (rest, start) = (self.rest(), self.at);
        let token = match rest.chars().next() {
            None => Token::End,
            Some(first) if is_name_start(first) => Token::Name(self.take(name_end(rest)).to_owned()),
            Some(first) if first.is_ascii_digit() || (first == '.' && begins_with_digit(rest.get(1..).unwrap_or_default())) => {
                Token::Number(self.take(number_end(rest)).to_owned())
            }
            Some(quote @ ('\'' | '"')) => {
                let text = self.quoted(quote)?;
                if quote == '"' { Token::Quoted(text) } else { Token::Text(text) }
            }
            Some(':') if rest.get(1..).and_then(|rest| rest.chars().next()).is_some_and(is_name_start) => {
                self.at += 1;
                Token::Parameter(self.parameter())
            }
            Some(first) => {
                let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)).filter(|_| !rest.starts_with("==")) else {
                    let fix = FOREIGN.iter().find(|(foreign, _)| rest.starts_with(foreign)).map_or("", |(_, fix)| fix);
                    let length = FOREIGN
                        .iter()
                        .find(|(foreign, _)| rest.starts_with(foreign))
                        .map_or(first.len_utf8(), |(foreign, _)| foreign.len());
                    let what = format!("\"{}\" has no meaning in a filter", rest.get(..length).unwrap_or_default().escape_debug());
                    return Err(Wrong::new(start..start + length, what).fix(fix));
                };
                Token::Sign(self.sign(sign))
            }
        };
        Ok((token, start..self.at))
    }

    fn sign(&mut self, sign: &'static str) -> &'static str {
        self.at += sign.len();
        sign
    }

    /// `claims.org`.
    fn parameter(&mut self) -> String {
        let mut end = name_end(self.rest());
        while let Some(more) = self.rest().get(end..).and_then(|rest| rest.strip_prefix('.')) {
            if !more.starts_with(is_name_start) {
                break;
            }
            end += 1 + name_end(more);
        }
        self.take(end).to_owned()
    }

    /// A quote inside is written twice.
    fn quoted(&mut self, quote: char) -> Result<String, Wrong> {
        let start = self.at;
        let mut text = String::new();
        self.at += 1;
        loop {
            let Some((inside, behind)) = self.rest().split_once(quote) else {
                let what = if quote == '"' { "this name has no end" } else { "this text has no end" };
                return Err(Wrong::new(start..self.text.len(), what));
            };
            text.push_str(inside);
            self.at += inside.len() + 1;
            if !behind.starts_with(quote) {
                return Ok(text);
            }
            text.push(quote);
            self.at += 1;
        }
    }
}

fn is_name_start(letter: char) -> bool {
    letter.is_alphabetic() || letter == '_'
}

/// Whether a name needs no quotes.
fn name_end(text: &str) -> usize {
    text.find(|letter: char| !(letter.is_alphanumeric() || matches!(letter, '_' | '$'))).unwrap_or(text.len())
}

fn begins_with_digit(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_ascii_digit())
}

/// `12`, `1.5`, `.5`, `1e9`, `1.5E-3`.
fn number_end(text: &str) -> usize {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut end = digits(text);
    if let Some(fraction) = text.get(end..).and_then(|rest| rest.strip_prefix('.')) {
        end += 1 + digits(fraction);
    }
    let exponent = text.get(end..).and_then(|rest| rest.strip_prefix(['e', 'E']));
    let signed = exponent.map(|rest| rest.strip_prefix(['-', '+']).map_or((1, rest), |rest| (2, rest)));
    match signed {
        Some((mark, rest)) if begins_with_digit(rest) => end + mark + digits(rest),
        _ => end,
    }
}
