//! From an event's JSON to Avro binary, in step with the schema.
//!
//! The JSON is our own: no spaces, fields in the schema's order. What is not as the schema says is a [`Mismatch`], never a guess.

use super::schema::{null_is_first, of_array};
use crate::encode::schema::{Kind, Schema};

/// PostgreSQL's own limit is 6.
const DIMENSIONS_MAX: usize = 8;

/// The JSON is not what its schema says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a value is not what its schema says")]
pub struct Mismatch;

/// What is read and written at a place.
#[derive(Debug)]
pub enum Node {
    /// true or false.
    Boolean,
    /// At most this many bits.
    Integer(u32),
    /// 32 bits, IEEE 754.
    Float,
    /// 64 bits.
    Double,
    /// Text.
    String,
    /// Bytes, base64 in JSON.
    Bytes,
    /// Elements.
    Array(Box<Node>),
    /// Values by name.
    Map(Box<Node>),
    /// Values by keys that are no text: pairs.
    Pairs(Box<Node>, Box<Node>),
    /// Fields, each behind the JSON that leads to it: `{"a":`, `,"b":`.
    Record(Vec<(Box<[u8]>, Node)>),
    /// May be null; whether that is the first branch of the union.
    Nullable(bool, Box<Node>),
}

impl Node {
    /// The node of a schema.
    pub fn of(schema: &Schema) -> Self {
        let node = match &schema.kind {
            Kind::Boolean => Self::Boolean,
            Kind::Int16 | Kind::Int32 => Self::Integer(32),
            Kind::Int64 => Self::Integer(64),
            Kind::Float => Self::Float,
            Kind::Double => Self::Double,
            Kind::String => Self::String,
            Kind::Bytes => Self::Bytes,
            Kind::Array(element) => Self::Array(Box::new(Self::of(&of_array(element)))),
            Kind::Map(keys, values) if keys.kind != Kind::String => Self::Pairs(Box::new(Self::of(keys)), Box::new(Self::of(values))),
            Kind::Map(_, values) => Self::Map(Box::new(Self::of(values))),
            Kind::Struct(fields) => {
                let lead = |place: usize, name: &str| {
                    let mut lead = vec![if place == 0 { b'{' } else { b',' }];
                    crate::encode::json::string(&mut lead, name.as_bytes());
                    lead.push(b':');
                    lead.into()
                };
                Self::Record(fields.iter().enumerate().map(|(place, field)| (lead(place, &field.name), Self::of(&field.schema))).collect())
            }
        };
        if schema.optional { Self::Nullable(null_is_first(schema), Box::new(node)) } else { node }
    }

    /// Appends what a whole JSON value says.
    pub fn write(&self, json: &[u8], mark: &[u8], out: &mut Vec<u8>) -> Result<(), Mismatch> {
        let mut reader = Reader { rest: json, mark };
        reader.value(self, out)?;
        if reader.rest.is_empty() { Ok(()) } else { Err(Mismatch) }
    }

    /// Whether the mark of an unchanged value, which is text, cannot be one of these.
    fn has_no_marks(&self) -> bool {
        matches!(self, Self::Boolean | Self::Integer(_) | Self::Float | Self::Double)
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    mark: &'a [u8],
}

impl<'a> Reader<'a> {
    fn value(&mut self, node: &Node, out: &mut Vec<u8>) -> Result<(), Mismatch> {
        match node {
            Node::Nullable(null_first, inner) => {
                // An array of numbers whose value was not sent holds the mark: no number can stand for it.
                let is_null = self.accept(b"null") || (inner.has_no_marks() && self.accept(self.mark));
                out.push(if is_null == *null_first { 0 } else { 2 });
                if is_null { Ok(()) } else { self.value(inner, out) }
            }
            Node::String => self.string(out),
            Node::Integer(bits) => self.integer(*bits, out),
            Node::Boolean => {
                let value = self.accept(b"true");
                if !value {
                    self.expect(b"false")?;
                }
                out.push(u8::from(value));
                Ok(())
            }
            Node::Float => {
                let value: f32 = self.float()?;
                out.extend_from_slice(&value.to_le_bytes());
                Ok(())
            }
            Node::Double => {
                let value: f64 = self.float()?;
                out.extend_from_slice(&value.to_le_bytes());
                Ok(())
            }
            Node::Bytes => {
                let text = self.quoted()?;
                put_length(out, base64_length(text)?);
                base64(text, out)
            }
            Node::Record(fields) => {
                if fields.is_empty() {
                    self.expect(b"{")?;
                }
                for (lead, node) in fields {
                    self.expect(lead)?;
                    self.value(node, out)?;
                }
                self.expect(b"}")
            }
            Node::Array(element) => {
                let start = out.len();
                let count = self.elements(element, 0, out)?;
                end_block(out, start, count);
                Ok(())
            }
            Node::Pairs(keys, values) => {
                let start = out.len();
                let count = self.items(b"[", b"]", |reader| {
                    reader.expect(b"[")?;
                    reader.value(keys, out)?;
                    reader.expect(b",")?;
                    reader.value(values, out)?;
                    reader.expect(b"]")?;
                    Ok(1)
                })?;
                end_block(out, start, count);
                Ok(())
            }
            Node::Map(values) => {
                let start = out.len();
                let count = self.items(b"{", b"}", |reader| {
                    reader.string(out)?;
                    reader.expect(b":")?;
                    reader.value(values, out)?;
                    Ok(1)
                })?;
                end_block(out, start, count);
                Ok(())
            }
        }
    }

    /// An array's elements, and how many. The schema knows one dimension: those of more come row after row.
    fn elements(&mut self, element: &Node, depth: usize, out: &mut Vec<u8>) -> Result<usize, Mismatch> {
        let is_flat = !matches!(element, Node::Array(_));
        self.items(b"[", b"]", |reader| {
            if is_flat && depth < DIMENSIONS_MAX && reader.rest.first() == Some(&b'[') {
                return reader.elements(element, depth + 1, out);
            }
            reader.value(element, out)?;
            Ok(1)
        })
    }

    /// What stands between brackets, and how many that is.
    fn items(&mut self, open: &[u8], close: &[u8], mut item: impl FnMut(&mut Self) -> Result<usize, Mismatch>) -> Result<usize, Mismatch> {
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

    fn accept(&mut self, text: &[u8]) -> bool {
        let found = self.rest.strip_prefix(text);
        if let Some(rest) = found {
            self.rest = rest;
        }
        found.is_some()
    }

    fn expect(&mut self, text: &[u8]) -> Result<(), Mismatch> {
        if self.accept(text) { Ok(()) } else { Err(Mismatch) }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Mismatch> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Mismatch)?;
        self.rest = rest;
        Ok(taken)
    }

    fn integer(&mut self, bits: u32, out: &mut Vec<u8>) -> Result<(), Mismatch> {
        let is_negative = self.accept(b"-");
        let length = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let digits = self.take(length)?;
        if digits.is_empty() || digits.len() > 19 {
            return Err(Mismatch);
        }
        let magnitude = digits.iter().fold(0_i128, |value, digit| value * 10 + i128::from(digit - b'0'));
        let value = i64::try_from(if is_negative { -magnitude } else { magnitude }).map_err(|_| Mismatch)?;
        if bits == 32 && i32::try_from(value).is_err() {
            return Err(Mismatch);
        }
        put_long(out, value);
        Ok(())
    }

    /// A number, or one of the three that JSON has only as text.
    fn float<T: std::str::FromStr>(&mut self) -> Result<T, Mismatch> {
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
    fn quoted(&mut self) -> Result<&'a [u8], Mismatch> {
        self.expect(b"\"")?;
        let text = self.take(self.rest.iter().position(|byte| matches!(byte, b'"' | b'\\')).ok_or(Mismatch)?)?;
        self.expect(b"\"")?;
        Ok(text)
    }

    fn string(&mut self, out: &mut Vec<u8>) -> Result<(), Mismatch> {
        self.expect(b"\"")?;
        let start = out.len();
        let mut is_plain = true;
        loop {
            let piece = self.take(self.rest.iter().position(|byte| matches!(byte, b'"' | b'\\')).ok_or(Mismatch)?)?;
            if is_plain && self.rest.first() == Some(&b'"') {
                // Nearly always: the length is known before the text is copied.
                put_length(out, piece.len());
                out.extend_from_slice(piece);
                return self.expect(b"\"");
            }
            is_plain = false;
            out.extend_from_slice(piece);
            if self.accept(b"\"") {
                insert_length(out, start, out.len() - start);
                return Ok(());
            }
            self.escaped(out)?;
        }
    }

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

/// Avro's block: how many, the items that were appended from `start` on, and that no more follow.
fn end_block(out: &mut Vec<u8>, start: usize, count: usize) {
    if count > 0 {
        insert_length(out, start, count);
    }
    out.push(0);
}

/// Zigzag, seven bits a byte.
fn put_long(out: &mut Vec<u8>, value: i64) {
    let mut left = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while left >= 0x80 {
        out.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    put_long(out, i64::try_from(length).unwrap_or(i64::MAX));
}

/// Puts a length before what was appended from `start` on.
fn insert_length(out: &mut Vec<u8>, start: usize, length: usize) {
    let end = out.len();
    put_length(out, length);
    let bytes = out.len() - end;
    if let Some(appended) = out.get_mut(start..) {
        appended.rotate_right(bytes);
    }
}

fn base64_length(text: &[u8]) -> Result<usize, Mismatch> {
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    if !text.len().is_multiple_of(4) || padding > 2 { Err(Mismatch) } else { Ok(text.len() / 4 * 3 - padding) }
}

/// Appends the bytes of standard base64.
pub(in crate::encode) fn base64(text: &[u8], out: &mut Vec<u8>) -> Result<(), Mismatch> {
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

    fn write(schema: &Schema, json: &str) -> Result<Vec<u8>, Mismatch> {
        let mut out = Vec::new();
        Node::of(schema).write(json.as_bytes(), b"\"~mark~\"", &mut out)?;
        Ok(out)
    }

    /// Bytes from the specification's own rules: zigzag, length before text, branch before value, count before items.
    #[test]
    fn values_are_avros() {
        let point = Schema::of_struct("P", vec![Schema::from(Kind::Double).field("x"), Schema::from(Kind::Bytes).optional().field("b")]);
        let map = Schema::new(Kind::Map(Box::new(Kind::String.into()), Box::new(Schema::from(Kind::String).optional())));
        let numbers = Schema::array_of(Schema::from(Kind::Double).optional());
        let sparse = || Schema::new(Kind::Map(Box::new(Kind::Int16.into()), Box::new(Kind::Float.into())));
        for (schema, json, expected) in [
            (Kind::Int32.into(), "0", &[0][..]),
            (Kind::Int32.into(), "-1", &[1]),
            (Kind::Int16.into(), "64", &[0x80, 1]),
            (Kind::Int64.into(), "9223372036854775807", &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
            (Kind::Int64.into(), "-9223372036854775808", &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
            (Kind::Boolean.into(), "true", &[1]),
            (Kind::Float.into(), "1.5", &[0, 0, 0xc0, 0x3f]),
            (Kind::Double.into(), "-1.5E0", &[0, 0, 0, 0, 0, 0, 0xf8, 0xbf]),
            (Kind::Double.into(), "\"-Infinity\"", &[0, 0, 0, 0, 0, 0, 0xf0, 0xff]),
            (Kind::String.into(), "\"foo\"", &[6, b'f', b'o', b'o']),
            (Kind::String.into(), "\"\"", &[0]),
            (Kind::String.into(), r#""a\n\"\u0001\uD83D\uDE00é""#, b"\x14a\n\"\x01\xf0\x9f\x98\x80\xc3\xa9"),
            (Kind::Bytes.into(), "\"AQL/\"", &[6, 1, 2, 255]),
            (Kind::Bytes.into(), "\"AQ==\"", &[2, 1]),
            (Kind::Bytes.into(), "\"\"", &[0]),
            (sparse(), "[[1,1.5],[2,0.0]]", &[4, 2, 0, 0, 0xc0, 0x3f, 4, 0, 0, 0, 0, 0]),
            (sparse(), "[]", &[0]),
            (Schema::array_of(Kind::Bytes.into()), "[\"AQ==\",null]", &[4, 2, 2, 1, 0, 0]),
            (Schema::from(Kind::Int32).optional(), "null", &[0]),
            (Schema::from(Kind::Int32).optional(), "1", &[2, 2]),
            (Schema::from(Kind::Int32).with_default(b"0").optional(), "null", &[2]),
            (Schema::from(Kind::Int32).with_default(b"0").optional(), "1", &[0, 2]),
            (point.clone(), r#"{"x":0.0,"b":null}"#, &[0, 0, 0, 0, 0, 0, 0, 0, 0]),
            (Schema::array_of(Schema::from(Kind::Int32)), "[3,27]", &[4, 6, 54, 0]),
            (Schema::array_of(Schema::from(Kind::Int32)), "[]", &[0]),
            (map.clone(), r#"{"a":"b","c":null}"#, &[4, 2, b'a', 2, 2, b'b', 2, b'c', 0, 0]),
            (numbers.clone(), r#"["~mark~"]"#, &[2, 0, 0]),
            (Schema::array_of(Schema::from(Kind::Int32)), "[[1,2],[3]]", &[6, 2, 4, 6, 0]),
        ] {
            assert_eq!(write(&schema, json).as_deref(), Ok(expected), "{json}");
        }
        for (schema, json) in [
            (Kind::Int32.into(), "2147483648"),
            (Kind::Int64.into(), "9223372036854775808"),
            (Kind::Int64.into(), "null"),
            (Kind::Int64.into(), "1.5"),
            (Kind::Boolean.into(), "\"~mark~\""),
            (Kind::String.into(), "5"),
            (Kind::Bytes.into(), "\"A\""),
            (Kind::Double.into(), "\"x\""),
            (point, r#"{"b":null,"x":0.0}"#),
            (map, r#"{"a""#),
            (numbers, "[1.0 ]"),
        ] {
            assert_eq!(write(&schema, json), Err(Mismatch), "{json}");
        }
    }

    proptest! {
        #[test]
        fn any_json_is_refused_not_panicked_on(json in r#"[{}\[\],":a0-9.nul\\-]{0,40}"#) {
            let row = Schema::of_struct("R", vec![
                Schema::from(Kind::Int32).optional().field("a"),
                Schema::array_of(Schema::from(Kind::String).optional()).field("b"),
                Schema::from(Kind::Bytes).field("c"),
            ]);
            for schema in [row, Kind::String.into(), Kind::Double.into(), Kind::Bytes.into()] {
                let _ = write(&schema, &json);
            }
        }

        #[test]
        fn text_comes_back(text in any::<String>()) {
            let mut json = Vec::new();
            crate::encode::json::string(&mut json, text.as_bytes());
            let mut expected = Vec::new();
            put_length(&mut expected, text.len());
            expected.extend_from_slice(text.as_bytes());
            prop_assert_eq!(write(&Kind::String.into(), &String::from_utf8(json).expect("JSON")), Ok(expected));
        }
    }
}
