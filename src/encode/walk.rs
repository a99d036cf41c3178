//! Reading an event's JSON again, in step with what is known of it: what every binary form is written from.
//!
//! The JSON is our own: no spaces, fields in the schema's order. What is not as expected is a [`Mismatch`], never a guess, and
//! nothing is allocated. Owns the words of JSON; what is made of them is the forms'.

/// Values within values: rows of Debezium's have four.
const DEPTH_MAX: usize = 100;

/// The JSON is not what its schema says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a value is not what its schema says")]
pub struct Mismatch;

/// What is left to read.
#[derive(Clone, Copy)]
pub struct Walk<'a> {
    /// The rest.
    pub rest: &'a [u8],
}

/// A string's inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text<'a> {
    /// As it stands.
    Plain(&'a [u8]),
    /// With something escaped.
    Escaped(&'a [u8]),
}

impl<'a> Walk<'a> {
    /// Goes on behind `text`, if that comes next.
    #[inline]
    pub fn accept(&mut self, text: &[u8]) -> bool {
        let found = self.rest.strip_prefix(text);
        if let Some(rest) = found {
            self.rest = rest;
        }
        found.is_some()
    }

    /// `text` comes next.
    #[inline]
    pub fn expect(&mut self, text: &[u8]) -> Result<(), Mismatch> {
        if self.accept(text) { Ok(()) } else { Err(Mismatch) }
    }

    /// Nothing is left.
    pub fn end(&self) -> Result<(), Mismatch> {
        if self.rest.is_empty() { Ok(()) } else { Err(Mismatch) }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Mismatch> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Mismatch)?;
        self.rest = rest;
        Ok(taken)
    }

    /// What stands between brackets, and how many that is.
    pub fn items(
        &mut self,
        open: &[u8],
        close: &[u8],
        mut item: impl FnMut(&mut Self) -> Result<usize, Mismatch>,
    ) -> Result<usize, Mismatch> {
        self.expect(open)?;
        if self.accept(close) {
            return Ok(0);
        }
        let mut count = item(self)?;
        while !self.accept(close) {
            self.expect(b",")?;
            count += item(self)?;
        }
        Ok(count)
    }

    /// true or false.
    pub fn boolean(&mut self) -> Result<bool, Mismatch> {
        let value = self.accept(b"true");
        if value { Ok(true) } else { self.expect(b"false").map(|()| false) }
    }

    /// A whole number of at most this many bits, 32 or 64.
    pub fn integer(&mut self, bits: u32) -> Result<i64, Mismatch> {
        let is_negative = self.accept(b"-");
        let length = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let digits = self.take(length)?;
        if digits.is_empty() || digits.len() > 19 {
            return Err(Mismatch);
        }
        let magnitude = digits.iter().fold(0_i128, |value, digit| value * 10 + i128::from(digit - b'0'));
        let value = i64::try_from(if is_negative { -magnitude } else { magnitude }).map_err(|_| Mismatch)?;
        if bits == 32 && i32::try_from(value).is_err() { Err(Mismatch) } else { Ok(value) }
    }

    /// A number, or one of the three that JSON has only as text.
    pub fn float<T: std::str::FromStr>(&mut self) -> Result<T, Mismatch> {
        let text = if self.rest.first() == Some(&b'"') {
            let text = self.quoted()?;
            if !matches!(text, b"NaN" | b"Infinity" | b"-Infinity") {
                return Err(Mismatch);
            }
            text
        } else {
            let is_number = |byte: &&u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
            self.take(self.rest.iter().take_while(is_number).count())?
        };
        std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Mismatch)
    }

    /// The inside of a string that has nothing escaped.
    pub fn quoted(&mut self) -> Result<&'a [u8], Mismatch> {
        match self.text()? {
            Text::Plain(text) => Ok(text),
            Text::Escaped(_) => Err(Mismatch),
        }
    }

    /// The inside of a string.
    #[inline]
    pub fn text(&mut self) -> Result<Text<'a>, Mismatch> {
        self.expect(b"\"")?;
        let begun = self.rest;
        let mut length = 0;
        loop {
            let ahead = begun.get(length..).ok_or(Mismatch)?;
            let at = ahead.iter().position(|byte| matches!(byte, b'"' | b'\\')).ok_or(Mismatch)?;
            length += at;
            if ahead.get(at) == Some(&b'"') {
                let text = self.take(length)?;
                self.expect(b"\"")?;
                // Only what was escaped made more than one round.
                return Ok(if at == length { Text::Plain(text) } else { Text::Escaped(text) });
            }
            length += 2;
        }
    }

    /// Passes a whole value, and says what it was.
    pub fn value(&mut self) -> Result<&'a [u8], Mismatch> {
        let begun = self.rest;
        self.pass(0)?;
        begun.get(..begun.len() - self.rest.len()).ok_or(Mismatch)
    }

    fn pass(&mut self, depth: usize) -> Result<(), Mismatch> {
        if depth > DEPTH_MAX {
            return Err(Mismatch);
        }
        match self.rest.first() {
            Some(b'"') => self.text().map(drop),
            Some(b'[') => self.items(b"[", b"]", |walk| walk.pass(depth + 1).map(|()| 1)).map(drop),
            Some(b'{') => {
                let member = |walk: &mut Self| {
                    walk.text()?;
                    walk.expect(b":")?;
                    walk.pass(depth + 1).map(|()| 1)
                };
                self.items(b"{", b"}", member).map(drop)
            }
            _ => {
                let length = self.rest.iter().take_while(|byte| !matches!(byte, b',' | b']' | b'}')).count();
                if length == 0 { Err(Mismatch) } else { self.take(length).map(drop) }
            }
        }
    }
}

impl Text<'_> {
    /// Appends what it says.
    #[inline]
    pub fn put(self, out: &mut Vec<u8>) -> Result<(), Mismatch> {
        match self {
            Self::Plain(text) => out.extend_from_slice(text),
            Self::Escaped(text) => unescape(text, out)?,
        }
        Ok(())
    }
}

fn unescape(text: &[u8], out: &mut Vec<u8>) -> Result<(), Mismatch> {
    let mut walk = Walk { rest: text };
    loop {
        let plain = walk.rest.iter().position(|byte| *byte == b'\\').unwrap_or(walk.rest.len());
        out.extend_from_slice(walk.take(plain)?);
        if walk.rest.is_empty() {
            return Ok(());
        }
        walk.escaped(out)?;
    }
}

impl Walk<'_> {
    fn escaped(&mut self, out: &mut Vec<u8>) -> Result<(), Mismatch> {
        self.expect(b"\\")?;
        out.push(match self.take(1)? {
            b"u" => return self.unicode(out),
            b"b" => 8,
            b"f" => 12,
            b"n" => b'\n',
            b"r" => b'\r',
            b"t" => b'\t',
            [byte @ (b'"' | b'\\' | b'/')] => *byte,
            _ => return Err(Mismatch),
        });
        Ok(())
    }

    fn unicode(&mut self, out: &mut Vec<u8>) -> Result<(), Mismatch> {
        let first = self.unit()?;
        let mut code = first;
        if (0xd800..0xdc00).contains(&first) && self.rest.starts_with(b"\\u") {
            let behind = self.rest;
            self.expect(b"\\u")?;
            match self.unit()?.checked_sub(0xdc00).filter(|low| *low < 0x400) {
                Some(second) => code = 0x10000 + ((first - 0xd800) << 10) + second,
                None => self.rest = behind,
            }
        }
        // Half a character, as a column that is cut may end with: what Java makes of it.
        let character = char::from_u32(code).unwrap_or('?');
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }

    fn unit(&mut self) -> Result<u32, Mismatch> {
        self.take(4)?.iter().try_fold(0, |value, digit| Ok(value << 4 | char::from(*digit).to_digit(16).ok_or(Mismatch)?))
    }
}

/// The JSON that leads to a field of an object: `{"a":`, `,"b":`.
pub fn lead(place: usize, name: &str) -> Box<[u8]> {
    let mut lead = vec![if place == 0 { b'{' } else { b',' }];
    super::json::string(&mut lead, name.as_bytes());
    lead.push(b':');
    lead.into()
}

/// How many bytes base64 stands for.
pub fn base64_length(text: &[u8]) -> Result<usize, Mismatch> {
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    if !text.len().is_multiple_of(4) || padding > 2 { Err(Mismatch) } else { Ok(text.len() / 4 * 3 - padding) }
}

/// Appends the bytes of standard base64.
pub fn base64(text: &[u8], out: &mut Vec<u8>) -> Result<(), Mismatch> {
    let length = base64_length(text)?;
    let digits = text.get(..text.len() - (text.len() / 4 * 3 - length)).unwrap_or_default();
    for four in digits.chunks(4) {
        let mut bits = 0_u32;
        for digit in four {
            let value = match digit {
                b'A'..=b'Z' => digit - b'A',
                b'a'..=b'z' => digit - b'a' + 26,
                b'0'..=b'9' => digit - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return Err(Mismatch),
            };
            bits = bits << 6 | u32::from(value);
        }
        bits <<= 6 * (4 - four.len());
        let [_, bytes @ ..] = bits.to_be_bytes();
        out.extend_from_slice(bytes.get(..four.len() - 1).unwrap_or_default());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_value_is_passed_whole() {
        for json in [r#""a\"]}b""#, "null", "-1.5E7", r#"{"a":[1,{"b":"},"}],"c":{}}"#, "[]", r#""\\""#] {
            let text = format!("{json},1]");
            let mut walk = Walk { rest: text.as_bytes() };
            assert_eq!(walk.value(), Ok(json.as_bytes()));
            assert_eq!(walk.rest, b",1]");
        }
        for json in ["", "]", "[1", r#"{"a"}"#, r#""a"#, r#""a\"#] {
            assert_eq!(Walk { rest: json.as_bytes() }.value(), Err(Mismatch), "{json}");
        }
        let deep = "[".repeat(DEPTH_MAX + 2);
        assert_eq!(Walk { rest: deep.as_bytes() }.value(), Err(Mismatch));
    }

    proptest! {
        #[test]
        fn text_comes_back(text in any::<String>()) {
            let mut json = Vec::new();
            crate::encode::json::string(&mut json, text.as_bytes());
            let mut walk = Walk { rest: &json };
            let mut out = Vec::new();
            walk.text().and_then(|text| text.put(&mut out)).expect("a string");
            prop_assert_eq!(out, text.as_bytes());
            prop_assert!(walk.rest.is_empty());
        }

        #[test]
        fn any_bytes_are_refused_not_panicked_on(json in r#"[{}\[\],":a0-9.nul\\-]{0,40}"#) {
            let mut walk = Walk { rest: json.as_bytes() };
            let _ = (walk.value(), walk.text(), walk.integer(64), walk.float::<f64>());
        }
    }
}
