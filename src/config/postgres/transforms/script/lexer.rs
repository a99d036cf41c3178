//! The words of an expression: names, numbers, texts, signs.

use super::{Dialect, Unreadable};

/// A word.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// A name.
    Name(String),
    /// A text in quotes.
    Text(String),
    /// `/regex/`.
    Slashed(String),
    /// A number as it is written, and the letter behind it.
    Number(String, Option<char>),
    /// Anything else that has a meaning.
    Sign(&'static str),
    /// Nothing follows.
    End,
}

/// The longest come first.
const SIGNS: [&str; 29] = [
    "===", "!==", "==~", "==", "!=", "=~", "<=", ">=", "&&", "||", "?.", "?:", "??", "<", ">", "!", "(", ")", "[", "]", ".", ",", "?", ":",
    "+", "-", "%", ";", "=",
];

/// Reads an expression word by word.
pub struct Lexer<'a> {
    text: &'a str,
    at: usize,
    dialect: Dialect,
}

impl<'a> Lexer<'a> {
    /// From the beginning.
    pub const fn new(text: &'a str, dialect: Dialect) -> Self {
        Self { text, at: 0, dialect }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// A problem at a byte.
    pub fn wrong(&self, at: usize, why: impl Into<String>) -> Unreadable {
        let before = self.text.get(..at).unwrap_or(self.text);
        Unreadable { at: before.chars().count() + 1, why: why.into() }
    }

    /// The next word and where it begins.
    pub fn next(&mut self) -> Result<(Token, usize), Unreadable> {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
        let (rest, start) = (self.rest(), self.at);
        let Some(first) = rest.chars().next() else { return Ok((Token::End, start)) };
        let token = match first {
            'a'..='z' | 'A'..='Z' | '_' | '$' => {
                let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '$'))).unwrap_or(rest.len());
                self.at += end;
                Token::Name(rest.get(..end).unwrap_or_default().to_owned())
            }
            '0'..='9' => self.number(rest),
            '\'' | '"' => self.quoted(first)?,
            '`' if self.dialect == Dialect::JavaScript => self.quoted(first)?,
            '/' => self.slashed()?,
            _ => {
                let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
                let sign = sign.ok_or_else(|| self.wrong(start, format!("\"{first}\" has no meaning here")))?;
                self.at += sign.len();
                Token::Sign(sign)
            }
        };
        Ok((token, start))
    }

    fn number(&mut self, rest: &str) -> Token {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let mut end = digits(rest);
        if rest.get(end..).is_some_and(|rest| rest.starts_with('.')) {
            let fraction = digits(rest.get(end + 1..).unwrap_or_default());
            if fraction > 0 {
                end += 1 + fraction;
            }
        }
        self.at += end;
        let suffix = self.rest().chars().next().filter(|c| self.dialect == Dialect::Groovy && "lLiIgGdDfF".contains(*c));
        self.at += suffix.map_or(0, char::len_utf8);
        Token::Number(rest.get(..end).unwrap_or_default().to_owned(), suffix)
    }

    fn quoted(&mut self, quote: char) -> Result<Token, Unreadable> {
        let start = self.at;
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            let here = start + at;
            match c {
                _ if c == quote => {
                    self.at = here + quote.len_utf8();
                    return Ok(Token::Text(text));
                }
                '$' if (quote == '"' && self.dialect == Dialect::Groovy)
                    || (quote == '`' && self.text.get(here..).is_some_and(|rest| rest.starts_with("${"))) =>
                {
                    return Err(self.wrong(here, "values cannot be put into a text by $: put texts together with +"));
                }
                '\\' => {
                    let Some((_, escaped)) = chars.next() else { break };
                    match escaped {
                        'n' => text.push('\n'),
                        't' => text.push('\t'),
                        'r' => text.push('\r'),
                        'b' => text.push('\u{8}'),
                        'f' => text.push('\u{c}'),
                        '\\' | '\'' | '"' | '`' | '$' | '/' => text.push(escaped),
                        'u' => {
                            let unit = (0..4).try_fold(0, |value, _| Some(value << 4 | chars.next()?.1.to_digit(16)?));
                            let character = unit.and_then(char::from_u32);
                            text.push(
                                character.ok_or_else(|| self.wrong(here, "\\u is followed by four hexadecimal digits of a character"))?,
                            );
                        }
                        _ => return Err(self.wrong(here, format!("\\{escaped} has no meaning in a text"))),
                    }
                }
                _ => text.push(c),
            }
        }
        Err(self.wrong(start, "this text has no end"))
    }

    fn slashed(&mut self) -> Result<Token, Unreadable> {
        let start = self.at;
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1).peekable();
        while let Some((at, c)) = chars.next() {
            match c {
                '/' => {
                    self.at = start + at + 1;
                    if self.dialect == Dialect::JavaScript {
                        let flags: String = self.rest().chars().take_while(char::is_ascii_alphabetic).collect();
                        if flags.contains(|flag| !"ims".contains(flag)) {
                            return Err(self.wrong(self.at, "of the letters behind a regular expression i, m and s are known"));
                        }
                        self.at += flags.len();
                        if !flags.is_empty() {
                            text.insert_str(0, &format!("(?{flags})"));
                        }
                    }
                    return Ok(Token::Slashed(text));
                }
                '\\' if chars.peek().is_some_and(|(_, next)| *next == '/') => {
                    chars.next();
                    text.push('/');
                }
                '\\' => {
                    text.push(c);
                    text.extend(chars.next().map(|(_, next)| next));
                }
                _ => text.push(c),
            }
        }
        Err(self.wrong(start, "/ begins a regular expression, and this one has no end"))
    }
}
