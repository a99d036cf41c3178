//! What the records of a topic say: events read back, as far as comparing a topic with its table needs it.
//!
//! Owns how a key is told apart from another whatever schema stands before it, what a record says of its key, and where the
//! row is in a value. Promises to find its way by the bytes alone, without building anything: slices in, slices out. Bytes that are no
//! JSON are no error: they say nothing.

use crate::record::json::{self, member, payload};

/// How keys are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyForm {
    /// As JSON: the payload, without its schema.
    Json,
    /// In a form with the id of its schema in front, which is left out.
    WithId,
}

/// What [`KeyForm::comparable`] says where nobody knows the form: it is told by the first byte, since no JSON begins with a zero.
pub fn comparable(key: &[u8]) -> &[u8] {
    if key.first() == Some(&0) { KeyForm::WithId.comparable(key) } else { KeyForm::Json.comparable(key) }
}

/// `0` and the schema's id.
const ID_BYTES: usize = 5;

impl KeyForm {
    /// The part of a key that says which row is meant: two versions of the same key's schema do not make two rows.
    pub fn comparable(self, key: &[u8]) -> &[u8] {
        match self {
            Self::Json => payload(key).1,
            Self::WithId if key.first() == Some(&0) => key.get(ID_BYTES..).unwrap_or(key),
            Self::WithId => key,
        }
    }
}

/// What a record says of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// There is such a row.
    Lives,
    /// There is none any more.
    Gone,
    /// There is no row of the table any more.
    Emptied,
}

/// What stands behind `op` in an envelope: times only.
const TAIL_BYTES: usize = 160;
const OP: &[u8] = b",\"op\":\"";
const BEHIND_OP: &[u8] = b"\",\"ts_ms\":";

/// What a record says; `readable`: its value is an envelope in JSON.
pub fn says(key: Option<&[u8]>, value: Option<&[u8]>, readable: bool) -> Says {
    let Some(value) = value else { return Says::Gone };
    // As `ExtractNewRecordState` writes a delete.
    if payload(value).1 == b"null" {
        return Says::Gone;
    }
    match readable.then(|| op(value)).flatten() {
        Some(b'd') => Says::Gone,
        Some(b't') => Says::Emptied,
        // Of a table whose events have keys, only this one has none.
        _ if key.is_none() => Says::Emptied,
        _ => Says::Lives,
    }
}

fn op(value: &[u8]) -> Option<u8> {
    if let Some(at) = json::find_last(value, OP, TAIL_BYTES)
        && let Some((letter, behind)) = value.get(at + OP.len()..).and_then(<[u8]>::split_first)
        && behind.starts_with(BEHIND_OP)
    {
        return Some(*letter);
    }
    match member(payload(value).1, b"op")? {
        [b'"', letter, b'"'] => Some(*letter),
        _ => None,
    }
}

/// The newest row that an event has, and the schema that stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// The value's schema, as JSON.
    pub schema: Option<&'a [u8]>,
    /// The row, as JSON.
    pub row: &'a [u8],
}

/// The row behind a change; none where the value is no such event.
pub fn row(value: &[u8]) -> Option<Row<'_>> {
    let (schema, payload) = payload(value);
    let row = member(payload, b"after").filter(|row| row.first() == Some(&b'{'))?;
    Some(Row { schema, row })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ENVELOPE: &str = r#"{"before":null,"after":{"id":1,"x":"a\",\"op\":\"d\",\"ts_ms\":}{"},"source":{"ts_ms":7},"transaction":null,"op":"c","ts_ms":1,"ts_us":2,"ts_ns":3}"#;

    #[test]
    fn a_key_is_the_same_whatever_schema_stands_before_it() {
        let plain = br#"{"id":1,"name":"a}\"{"}"#;
        let whole = [br#"{"schema":{"type":"struct","fields":[{"field":"}\\"}]},"payload":"#, &plain[..], b"}"].concat();
        let bare = [br#"{"schema":null,"payload":"#, &plain[..], b"}"].concat();
        for key in [&plain[..], &whole, &bare] {
            assert_eq!(KeyForm::Json.comparable(key), plain);
        }
        for not_a_schema in
            [&br#"{"schema":"public","payload":1}"#[..], br#"{"schema":{},"payload":1,"more":2}"#, b"{\"schema\":{", b"", b"x"]
        {
            assert_eq!(KeyForm::Json.comparable(not_a_schema), not_a_schema);
        }
        assert_eq!(KeyForm::WithId.comparable(b"\0\0\0\0\x07abc"), b"abc");
        assert_eq!(KeyForm::WithId.comparable(b"\0\0"), b"\0\0");
    }

    #[test]
    fn a_record_says_whether_its_row_lives() {
        let (key, with) = (Some(&b"{}"[..]), |from: &str, to: &str| ENVELOPE.replacen(from, to, 1).into_bytes());
        let says = |key: Option<&[u8]>, value: &[u8]| says(key, Some(value), true);
        assert_eq!(says(key, ENVELOPE.as_bytes()), Says::Lives);
        assert_eq!(says(key, &with("\"op\":\"c\"", "\"op\":\"d\"")), Says::Gone);
        assert_eq!(says(None, &with("\"op\":\"c\"", "\"op\":\"t\"")), Says::Emptied);
        let schema = |value: &[u8]| [br#"{"schema":{"op":"t"},"payload":"#, value, b"}"].concat();
        assert_eq!(says(key, &schema(&with("\"op\":\"c\"", "\"op\":\"d\""))), Says::Gone);
        // In another order, or longer: found all the same.
        assert_eq!(says(key, format!(r#"{{"op":"d","more":"{}"}}"#, "x".repeat(500)).as_bytes()), Says::Gone);
        assert_eq!(says(key, br#"{"id":1}"#), Says::Lives);
        assert_eq!(super::says(key, None, true), Says::Gone);
        assert_eq!((says(key, b"null"), says(key, br#"{"schema":{},"payload":null}"#)), (Says::Gone, Says::Gone));
        // Nothing is read into what cannot be read.
        assert_eq!(super::says(key, Some(&with("\"op\":\"c\"", "\"op\":\"d\"")), false), Says::Lives);
        assert_eq!(super::says(None, Some(b"\0"), false), Says::Emptied);
    }

    #[test]
    fn the_row_of_an_event_is_found() {
        let row = br#"{"id":1,"x":"a\",\"op\":\"d\",\"ts_ms\":}{"}"#;
        assert_eq!(super::row(ENVELOPE.as_bytes()), Some(Row { schema: None, row }));
        let whole = format!(r#"{{"schema":{{"type":"struct"}},"payload":{ENVELOPE}}}"#);
        assert_eq!(super::row(whole.as_bytes()), Some(Row { schema: Some(br#"{"type":"struct"}"#), row }));
        for none in [&br#"{"after":null}"#[..], b"{}", b"", br#"{"after":"#, b"[1]", br#"{"after":{"#] {
            assert_eq!(super::row(none), None);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(prop_oneof![Just(b'"'), Just(b'{'), Just(b'}'), Just(b':'), Just(b'\\'), any::<u8>()], 0..60)) {
            let bytes = [b"{\"schema\":", &bytes[..]].concat();
            let _ = (row(&bytes), says(None, Some(&bytes), true), KeyForm::Json.comparable(&bytes));
        }
    }
}
