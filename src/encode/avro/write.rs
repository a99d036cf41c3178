//! From an event's JSON to Avro binary, in step with the schema.
//!
//! What is not as the schema says is a [`Mismatch`], never a guess.

use super::schema::{null_is_first, of_array};
use crate::encode::schema::{Kind, Schema};
use crate::encode::walk::{Mismatch, Text, Walk, base64, base64_length, lead};

/// PostgreSQL's own limit is 6.
const DIMENSIONS_MAX: usize = 8;

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
            Kind::Int8 | Kind::Int16 | Kind::Int32 => Self::Integer(32),
            Kind::Int64 => Self::Integer(64),
            Kind::Float => Self::Float,
            Kind::Double => Self::Double,
            Kind::String => Self::String,
            Kind::Bytes => Self::Bytes,
            Kind::Array(element) => Self::Array(Box::new(Self::of(&of_array(element)))),
            Kind::Map(keys, values) if keys.kind != Kind::String => Self::Pairs(Box::new(Self::of(keys)), Box::new(Self::of(values))),
            Kind::Map(_, values) => Self::Map(Box::new(Self::of(values))),
            Kind::Struct(fields) => {
                Self::Record(fields.iter().enumerate().map(|(place, field)| (lead(place, &field.name), Self::of(&field.schema))).collect())
            }
        };
        if schema.optional { Self::Nullable(null_is_first(schema), Box::new(node)) } else { node }
    }

    /// Appends what a whole JSON value says.
    pub fn write(&self, json: &[u8], mark: &[u8], out: &mut Vec<u8>) -> Result<(), Mismatch> {
        let mut reader = Reader { walk: Walk { rest: json }, mark };
        reader.value(self, out)?;
        reader.walk.end()
    }

    /// Whether the mark of an unchanged value, which is text, cannot be one of these.
    fn has_no_marks(&self) -> bool {
        matches!(self, Self::Boolean | Self::Integer(_) | Self::Float | Self::Double)
    }
}

struct Reader<'a> {
    walk: Walk<'a>,
    mark: &'a [u8],
}

impl Reader<'_> {
    fn value(&mut self, node: &Node, out: &mut Vec<u8>) -> Result<(), Mismatch> {
        match node {
            Node::Nullable(null_first, inner) => {
                // An array of numbers whose value was not sent holds the mark: no number can stand for it.
                let is_null = self.walk.accept(b"null") || (inner.has_no_marks() && self.walk.accept(self.mark));
                out.push(if is_null == *null_first { 0 } else { 2 });
                if is_null { Ok(()) } else { self.value(inner, out) }
            }
            Node::String => self.string(out),
            Node::Integer(bits) => {
                put_long(out, self.walk.integer(*bits)?);
                Ok(())
            }
            Node::Boolean => {
                out.push(u8::from(self.walk.boolean()?));
                Ok(())
            }
            Node::Float => {
                let value: f32 = self.walk.float()?;
                out.extend_from_slice(&value.to_le_bytes());
                Ok(())
            }
            Node::Double => {
                let value: f64 = self.walk.float()?;
                out.extend_from_slice(&value.to_le_bytes());
                Ok(())
            }
            Node::Bytes => {
                let text = self.walk.quoted()?;
                put_length(out, base64_length(text)?);
                base64(text, out)
            }
            Node::Record(fields) => {
                if fields.is_empty() {
                    self.walk.expect(b"{")?;
                }
                for (lead, node) in fields {
                    self.walk.expect(lead)?;
                    self.value(node, out)?;
                }
                self.walk.expect(b"}")
            }
            Node::Array(element) => {
                let start = out.len();
                let count = self.elements(element, 0, out)?;
                end_block(out, start, count);
                Ok(())
            }
            Node::Pairs(keys, values) => {
                let start = out.len();
                let mark = self.mark;
                let count = self.walk.items(b"[", b"]", |walk| {
                    let mut reader = Reader { walk: *walk, mark };
                    reader.walk.expect(b"[")?;
                    reader.value(keys, out)?;
                    reader.walk.expect(b",")?;
                    reader.value(values, out)?;
                    reader.walk.expect(b"]")?;
                    *walk = reader.walk;
                    Ok(1)
                })?;
                end_block(out, start, count);
                Ok(())
            }
            Node::Map(values) => {
                let start = out.len();
                let mark = self.mark;
                let count = self.walk.items(b"{", b"}", |walk| {
                    let mut reader = Reader { walk: *walk, mark };
                    reader.string(out)?;
                    reader.walk.expect(b":")?;
                    reader.value(values, out)?;
                    *walk = reader.walk;
                    Ok(1)
                })?;
                end_block(out, start, count);
                Ok(())
            }
        }
    }

    /// An array's elements, and how many. The schema knows one dimension: those of more come row after row.
    fn elements(&mut self, element: &Node, depth: usize, out: &mut Vec<u8>) -> Result<usize, Mismatch> {
        let inner = if let Node::Nullable(_, inner) = element { inner } else { element };
        let is_flat = !matches!(inner, Node::Array(_));
        let mark = self.mark;
        self.walk.items(b"[", b"]", |walk| {
            let mut reader = Reader { walk: *walk, mark };
            let count = if is_flat && depth < DIMENSIONS_MAX && walk.rest.first() == Some(&b'[') {
                reader.elements(element, depth + 1, out)?
            } else {
                reader.value(element, out)?;
                1
            };
            *walk = reader.walk;
            Ok(count)
        })
    }

    fn string(&mut self, out: &mut Vec<u8>) -> Result<(), Mismatch> {
        match self.walk.text()? {
            // Nearly always: the length is known before the text is copied.
            Text::Plain(text) => {
                put_length(out, text.len());
                out.extend_from_slice(text);
            }
            text => {
                let start = out.len();
                text.put(out)?;
                insert_length(out, start, out.len() - start);
            }
        }
        Ok(())
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
            (Schema::array_of(Schema::array_of(Kind::Float.into())), "[[1.5],null]", &[4, 2, 2, 0, 0, 0xc0, 0x3f, 0, 0, 0]),
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
    }
}
