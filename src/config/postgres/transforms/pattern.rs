//! Patterns of Java's `SimpleDateFormat`, read: letters that mean something, and texts between them.

/// A pattern, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(pub Vec<Part>);

/// A part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// A text that stands there.
    Literal(Box<str>),
    /// A letter, and how often it stands there.
    Field(u8, usize),
}

impl Pattern {
    /// Reads a pattern; the text says what is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        let mut parts: Vec<Part> = Vec::new();
        let mut chars = text.chars().peekable();
        let literal = |parts: &mut Vec<Part>, c: char| match parts.last_mut() {
            Some(Part::Literal(last)) => *last = format!("{last}{c}").into(),
            _ => parts.push(Part::Literal(c.to_string().into())),
        };
        while let Some(c) = chars.next() {
            match c {
                '\'' if chars.peek() == Some(&'\'') => {
                    chars.next();
                    literal(&mut parts, '\'');
                }
                '\'' => loop {
                    match chars.next() {
                        Some('\'') if chars.peek() == Some(&'\'') => {
                            chars.next();
                            literal(&mut parts, '\'');
                        }
                        Some('\'') => break,
                        Some(c) => literal(&mut parts, c),
                        None => return Err("a quote has no end".to_owned()),
                    }
                },
                'a'..='z' | 'A'..='Z' => {
                    let mut count = 1;
                    while chars.next_if_eq(&c).is_some() {
                        count += 1;
                    }
                    if !"GyMLdDHkKhmsSaEuzZX".contains(c) || count > 20 {
                        return Err(format!("the letter {c} is not known; known: G y M L d D H k K h m s S a E u z Z X"));
                    }
                    parts.push(Part::Field(c as u8, count));
                }
                _ => literal(&mut parts, c),
            }
        }
        // So that what is written needs no escapes in JSON.
        if text.contains(|c: char| c.is_control() || matches!(c, '"' | '\\')) {
            return Err("quotes of two strokes and backslashes cannot stand in it".to_owned());
        }
        Ok(Self(parts))
    }

    /// Whether texts can be read with it: of two digits of a year Java guesses the century by today's date.
    pub fn reads(&self) -> bool {
        !self.0.iter().any(|part| matches!(part, Part::Field(b'y', ..3) | Part::Field(b'D', _)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_pattern_says_why() {
        for (text, why) in [
            ("yyyy-MM-dd'T", "a quote has no end"),
            ("YYYY", "the letter Y is not known; known: G y M L d D H k K h m s S a E u z Z X"),
            ("yyyy\"MM", "quotes of two strokes and backslashes cannot stand in it"),
        ] {
            assert_eq!(Pattern::new(text).expect_err(text), why);
        }
        let parts = Pattern::new("yy''M'T'").expect("a pattern").0;
        assert_eq!(parts, [Part::Field(b'y', 2), Part::Literal("'".into()), Part::Field(b'M', 1), Part::Literal("T".into())]);
    }
}
