//! From an event's JSON to Protocol Buffers, in step with the message.
//!
//! What is not as the schema says is a [`Mismatch`], never a guess. A field that is null is left out, as is one that has its
//! type's zero and no way to tell that from nothing. A list cannot hold a null: it is a mismatch, as it is an error of
//! Confluent's converter.

use num_bigint::BigInt;

use crate::encode::java::civil;
use crate::encode::walk::{Mismatch, Text, Walk, base64, base64_length};

/// PostgreSQL's own limit is 6.
const DIMENSIONS_MAX: usize = 8;
const DAY_MS: i64 = 86_400_000;

/// How a field tells that it has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A single value does not: its zero is left out. A message does by being there.
    Implicit,
    /// It is there, zero or not.
    Optional,
    /// In Google's wrapper of its type.
    Wrapped,
    /// Any number of values, each perhaps in a wrapper.
    Repeated {
        /// In wrappers.
        wrapped: bool,
    },
}

/// A field of a message.
#[derive(Debug)]
pub struct Field {
    /// The JSON that leads to it.
    pub lead: Box<[u8]>,
    /// Its number.
    pub number: u32,
    /// What it holds.
    pub value: Value,
    /// How it tells that it does.
    pub shape: Shape,
    /// It may be null.
    pub nullable: bool,
}

/// What a field holds.
#[derive(Debug)]
pub enum Value {
    /// true or false.
    Boolean,
    /// At most this many bits, signed.
    Integer(u32),
    /// 32 bits, IEEE 754.
    Float,
    /// 64 bits.
    Double,
    /// Text.
    String,
    /// Bytes, base64 in JSON.
    Bytes,
    /// Confluent's decimal of this scale; the unscaled number is base64 in JSON.
    Decimal(i32),
    /// Google's date; days in JSON.
    Date,
    /// Google's time of day; milliseconds in JSON.
    Time,
    /// Google's timestamp; milliseconds in JSON.
    Timestamp,
    /// A message.
    Message(Vec<Field>),
    /// Messages of a text (field 1) and a value.
    Map(Box<Field>),
}

/// How the bits of a value are laid out.
const VARINT: u32 = 0;
const BITS_64: u32 = 1;
const LENGTH: u32 = 2;
const BITS_32: u32 = 5;

impl Value {
    fn layout(&self) -> u32 {
        match self {
            Self::Boolean | Self::Integer(_) => VARINT,
            Self::Double => BITS_64,
            Self::Float => BITS_32,
            _ => LENGTH,
        }
    }

    /// Written without a number in front when there are many.
    fn is_packed(&self) -> bool {
        self.layout() != LENGTH
    }

    /// A value of its own, not a message.
    fn is_single(&self) -> bool {
        self.is_packed() || matches!(self, Self::String | Self::Bytes)
    }
}

/// What is written.
#[derive(Debug)]
pub struct Root {
    /// The message's fields.
    pub fields: Vec<Field>,
    /// A value that is no row: the one field has no name in JSON.
    pub is_single: bool,
    /// What stands for an unchanged value, as it comes in JSON.
    pub mark: Box<[u8]>,
}

impl Root {
    /// Appends what a whole JSON value says.
    pub fn write(&self, json: &[u8], out: &mut Vec<u8>) -> Result<(), Mismatch> {
        let mut reader = Reader { walk: Walk { rest: json }, mark: &self.mark };
        match self.fields.first() {
            Some(field) if self.is_single => reader.field(field, out)?,
            _ => reader.fields(&self.fields, out)?,
        }
        reader.walk.end()
    }
}

/// How each element of a list is written.
#[derive(Clone, Copy)]
enum Item {
    /// One behind the other.
    Packed,
    /// Behind the field's number.
    Tagged(u32),
    /// The same, in a wrapper.
    Wrapped(u32),
}

struct Reader<'a> {
    walk: Walk<'a>,
    mark: &'a [u8],
}

impl Reader<'_> {
    fn fields(&mut self, fields: &[Field], out: &mut Vec<u8>) -> Result<(), Mismatch> {
        if fields.is_empty() {
            self.walk.expect(b"{")?;
        }
        for field in fields {
            self.walk.expect(&field.lead)?;
            self.field(field, out)?;
        }
        self.walk.expect(b"}")
    }

    fn field(&mut self, field: &Field, out: &mut Vec<u8>) -> Result<(), Mismatch> {
        // No number can be the mark of a value that was not sent.
        if field.nullable && (self.walk.accept(b"null") || (field.value.is_packed() && self.walk.accept(self.mark))) {
            return Ok(());
        }
        let Field { number, value, .. } = field;
        match field.shape {
            Shape::Implicit if value.is_single() => self.unless_zero(*number, value, out),
            Shape::Implicit | Shape::Optional => {
                put_tag(out, *number, value.layout());
                self.value(value, out)
            }
            Shape::Wrapped => self.wrapped(*number, value, out),
            Shape::Repeated { wrapped } => self.repeated(*number, value, wrapped, out),
        }
    }

    fn unless_zero(&mut self, number: u32, value: &Value, out: &mut Vec<u8>) -> Result<(), Mismatch> {
        let start = out.len();
        put_tag(out, number, value.layout());
        let behind = out.len();
        self.value(value, out)?;
        // Of every layout, zero is zeros: of text the length, of numbers all bytes.
        if out.get(behind..).unwrap_or_default().iter().all(|byte| *byte == 0) {
            out.truncate(start);
        }
        Ok(())
    }

    fn wrapped(&mut self, number: u32, value: &Value, out: &mut Vec<u8>) -> Result<(), Mismatch> {
        put_tag(out, number, LENGTH);
        let start = out.len();
        self.unless_zero(1, value, out)?;
        insert_length(out, start);
        Ok(())
    }

    fn repeated(&mut self, number: u32, value: &Value, wrapped: bool, out: &mut Vec<u8>) -> Result<(), Mismatch> {
        if let Value::Map(value) = value {
            return self.entries(number, value, out);
        }
        if wrapped {
            return self.elements(value, Item::Wrapped(number), 0, out);
        }
        if !value.is_packed() {
            return self.elements(value, Item::Tagged(number), 0, out);
        }
        let start = out.len();
        put_tag(out, number, LENGTH);
        let behind = out.len();
        self.elements(value, Item::Packed, 0, out)?;
        if out.len() == behind {
            out.truncate(start);
        } else {
            insert_length(out, behind);
        }
        Ok(())
    }

    /// A list's elements. The schema knows one dimension: those of more come row after row.
    fn elements(&mut self, value: &Value, item: Item, depth: usize, out: &mut Vec<u8>) -> Result<(), Mismatch> {
        let mark = self.mark;
        self.walk.items(b"[", b"]", |walk| {
            // A list of numbers whose value was not sent holds the mark: no number can stand for it.
            if value.is_packed() && walk.accept(mark) {
                return Ok(1);
            }
            let mut reader = Reader { walk: *walk, mark };
            if depth < DIMENSIONS_MAX && walk.rest.first() == Some(&b'[') {
                reader.elements(value, item, depth + 1, out)?;
            } else {
                reader.element(value, item, out)?;
            }
            *walk = reader.walk;
            Ok(1)
        })?;
        Ok(())
    }

    fn element(&mut self, value: &Value, item: Item, out: &mut Vec<u8>) -> Result<(), Mismatch> {
        match item {
            Item::Wrapped(number) => return self.wrapped(number, value, out),
            Item::Tagged(number) => put_tag(out, number, LENGTH),
            Item::Packed => {}
        }
        self.value(value, out)
    }

    fn entries(&mut self, number: u32, value: &Field, out: &mut Vec<u8>) -> Result<(), Mismatch> {
        let mark = self.mark;
        self.walk.items(b"{", b"}", |walk| {
            put_tag(out, number, LENGTH);
            let start = out.len();
            let mut reader = Reader { walk: *walk, mark };
            reader.unless_zero(1, &Value::String, out)?;
            reader.walk.expect(b":")?;
            reader.field(value, out)?;
            insert_length(out, start);
            *walk = reader.walk;
            Ok(1)
        })?;
        Ok(())
    }

    /// A value behind its number.
    fn value(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<(), Mismatch> {
        match value {
            Value::Boolean => out.push(u8::from(self.walk.boolean()?)),
            Value::Integer(bits) => put_varint(out, self.walk.integer(*bits)?.cast_unsigned()),
            Value::Float => out.extend_from_slice(&self.walk.float::<f32>()?.to_le_bytes()),
            Value::Double => out.extend_from_slice(&self.walk.float::<f64>()?.to_le_bytes()),
            Value::String => match self.walk.text()? {
                Text::Plain(text) => {
                    put_varint(out, text.len() as u64);
                    out.extend_from_slice(text);
                }
                text => {
                    let start = out.len();
                    text.put(out)?;
                    insert_length(out, start);
                }
            },
            Value::Bytes => {
                let text = self.walk.quoted()?;
                put_varint(out, base64_length(text)? as u64);
                base64(text, out)?;
            }
            Value::Map(_) => return Err(Mismatch),
            Value::Decimal(_) | Value::Date | Value::Time | Value::Timestamp | Value::Message(_) => {
                let start = out.len();
                self.inside(value, out)?;
                insert_length(out, start);
            }
        }
        Ok(())
    }

    /// What stands inside a message.
    fn inside(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<(), Mismatch> {
        match value {
            Value::Message(fields) => self.fields(fields, out)?,
            Value::Decimal(scale) => {
                let text = self.walk.quoted()?;
                put_tag(out, 1, LENGTH);
                put_varint(out, base64_length(text)? as u64);
                let start = out.len();
                base64(text, out)?;
                let precision = digits(out.get(start..).unwrap_or_default());
                put_number(out, 2, precision);
                put_number(out, 3, i64::from(*scale));
            }
            Value::Date => {
                let (year, month, day) = civil(self.walk.integer(32)?);
                put_number(out, 1, year);
                put_number(out, 2, month);
                put_number(out, 3, day);
            }
            Value::Time => {
                let ms = self.walk.integer(32)?.rem_euclid(DAY_MS);
                put_number(out, 1, ms / 3_600_000);
                put_number(out, 2, ms / 60_000 % 60);
                put_number(out, 3, ms / 1000 % 60);
                put_number(out, 4, ms % 1000 * 1_000_000);
            }
            Value::Timestamp => {
                let ms = self.walk.integer(64)?;
                put_number(out, 1, ms.div_euclid(1000));
                put_number(out, 2, ms.rem_euclid(1000) * 1_000_000);
            }
            _ => return Err(Mismatch),
        }
        Ok(())
    }
}

/// How many digits a whole number has; its bytes are big-endian and signed.
fn digits(bytes: &[u8]) -> i64 {
    if bytes.len() <= 16 {
        let sign = if bytes.first().is_some_and(|first| *first >= 0x80) { -1 } else { 0 };
        let number = bytes.iter().fold(sign, |number: i128, byte| number << 8 | i128::from(*byte));
        return i64::from(number.unsigned_abs().checked_ilog10().unwrap_or(0)) + 1;
    }
    i64::try_from(BigInt::from_signed_bytes_be(bytes).magnitude().to_string().len()).unwrap_or(i64::MAX)
}

/// A number that is left out when it is zero.
fn put_number(out: &mut Vec<u8>, number: u32, value: i64) {
    if value != 0 {
        put_tag(out, number, VARINT);
        put_varint(out, value.cast_unsigned());
    }
}

fn put_tag(out: &mut Vec<u8>, number: u32, layout: u32) {
    put_varint(out, u64::from(number) << 3 | u64::from(layout));
}

fn put_varint(out: &mut Vec<u8>, mut left: u64) {
    while left >= 0x80 {
        out.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

/// Puts its length before what was appended from `start` on.
fn insert_length(out: &mut Vec<u8>, start: usize) {
    let end = out.len();
    put_varint(out, (end - start) as u64);
    let bytes = out.len() - end;
    if let Some(appended) = out.get_mut(start..) {
        appended.rotate_right(bytes);
    }
}
