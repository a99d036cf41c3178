//! Rows and their values: JSON as it stands in the record.
//!
//! Owns how a column is found in a row and what a value says as a text, a number, a truth. Leaves the numbers' comparison to
//! [`super::number`].

use std::borrow::Cow;

use super::number::Number;
use crate::record::json::{self, Members};

/// A JSON object in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object<'a>(&'a [u8]);

/// A JSON value in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'a>(&'a [u8]);

impl<'a> Object<'a> {
    /// Of bytes that begin as an object does.
    pub fn of(json: &'a [u8]) -> Option<Self> {
        let json = json.trim_ascii();
        (json.first() == Some(&b'{')).then_some(Self(json))
    }

    /// As it is written.
    pub fn raw(self) -> &'a [u8] {
        self.0
    }

    /// The value of a column.
    #[inline]
    pub fn get(self, name: &str) -> Option<Value<'a>> {
        self.member(name.as_bytes())
    }

    /// As [`Self::get`], by bytes.
    #[inline]
    pub(super) fn member(self, name: &[u8]) -> Option<Value<'a>> {
        json::member(self.0, name).map(Value)
    }

    /// The columns in order: names that are no texts are left out.
    pub fn members(self) -> impl Iterator<Item = (Cow<'a, str>, Value<'a>)> + use<'a> {
        self.raw_members().filter_map(|(name, value)| Some((json::unescaped(name)?, Value(value))))
    }

    /// The columns in order, names as they are written, without quotes.
    pub fn raw_members(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        Members::of(self.0).into_iter().flatten()
    }
}

/// What Debezium puts where the server did not send a large value that did not change (`unavailable.value.placeholder`).
const UNAVAILABLE: &[u8] = b"__debezium_unavailable_value";
/// The same, in the forms that columns of other types have.
const UNAVAILABLE_FORMS: [&[u8]; 8] = [
    b"\"__debezium_unavailable_value\"",
    // bytea, as base64 and as hexadecimal digits.
    b"\"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==\"",
    b"\"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ\"",
    b"\"5f5f646562657a69756d5f756e617661696c61626c655f76616c7565\"",
    // Arrays: of texts, of uuid, of numbers.
    b"[\"__debezium_unavailable_value\"]",
    b"[\"b68a35a7-17ad-35b3-af2a-ae46edb4545a\"]",
    b"[95,95,100,101,98,101,122,105,117,109,95,117,110,97,118,97,105,108,97,98,108,101,95,118,97,108,117,101]",
    // hstore as a map.
    b"{\"__debezium_unavailable_value\":\"__debezium_unavailable_value\"}",
];
/// How the mark of a geometry begins.
const UNAVAILABLE_GEOMETRY: &[u8] = b"{\"wkb\":\"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==\"";

impl<'a> Value<'a> {
    /// Of the bytes of one JSON value.
    pub const fn of(json: &'a [u8]) -> Self {
        Self(json)
    }

    /// As it is written.
    pub fn raw(self) -> &'a [u8] {
        self.0
    }

    /// Whether it is null.
    pub fn is_null(self) -> bool {
        self.0 == b"null"
    }

    /// The text, if it is one.
    pub fn text(self) -> Option<Cow<'a, str>> {
        json::text(self.0)
    }

    /// The inside of a text as it is written, if it is one.
    pub(super) fn inside(self) -> Option<&'a [u8]> {
        self.0.strip_prefix(b"\"")?.strip_suffix(b"\"")
    }

    /// The truth, if it is one.
    pub fn truth(self) -> Option<bool> {
        match self.0 {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        }
    }

    /// The number, if it is one; a text that is written as a number is none.
    pub fn number(self) -> Option<Number<'a>> {
        match self.0.first()? {
            b'-' | b'0'..=b'9' => Number::parse(self.0),
            _ => None,
        }
    }

    /// A whole number from 0 on, or a text that is one.
    pub fn unsigned(self) -> Option<u64> {
        std::str::from_utf8(self.inside().unwrap_or(self.0)).ok()?.parse().ok()
    }

    /// The object, if it is one.
    pub fn object(self) -> Option<Object<'a>> {
        Object::of(self.0)
    }

    /// Whether it may be what Debezium puts where an old row does not carry a column: null, or the zero of its type.
    pub(super) fn may_be_filler(self) -> bool {
        const TEXTS: [&[u8]; 6] = [b"", b"{}", b"AA==", b"P0Y0M0DT0H0M0S", b"00:00:00Z", b"00000000-0000-0000-0000-000000000000"];
        const OTHERS: [&[u8]; 7] = [
            b"null",
            b"false",
            b"[]",
            b"{}",
            b"{\"wkb\":\"AQcAAAAAAAAA\",\"srid\":null}",
            b"{\"scale\":0,\"value\":\"AA==\"}",
            b"{\"dimensions\":0,\"vector\":[]}",
        ];
        match self.inside() {
            Some(text) => {
                TEXTS.contains(&text) || text.starts_with(b"1970-01-01") || Number::parse(text).is_some_and(|number| number.is_zero())
            }
            None => OTHERS.contains(&self.0) || self.number().is_some_and(|number| number.is_zero()),
        }
    }

    /// Whether it stands for a large value that did not change and was not sent: Debezium's mark, unless another was configured.
    #[inline]
    pub fn is_unavailable(self) -> bool {
        // Nearly none is as long.
        self.0.len() >= UNAVAILABLE.len()
            && matches!(self.0.first(), Some(b'"' | b'[' | b'{'))
            && (UNAVAILABLE_FORMS.contains(&self.0) || self.0.starts_with(UNAVAILABLE_GEOMETRY))
    }
}
