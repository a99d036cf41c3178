//! What the records of a topic say: events read back, as far as comparing a topic with its table needs it.
//!
//! Owns how a key is told apart from another whatever schema stands before it, what a record says of its key, and where the
//! row is in a value. Promises to find its way by the bytes alone, without building anything: slices in, slices out. Bytes that are no
//! JSON are no error: they say nothing.

use memchr::{memchr2, memmem};

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
    let tail = value.get(value.len().saturating_sub(TAIL_BYTES)..)?;
    if let Some(at) = memmem::rfind(tail, OP)
        && let Some((letter, behind)) = tail.get(at + OP.len()..).and_then(<[u8]>::split_first)
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

/// The schema that stands before a JSON, when one does, and the JSON itself.
fn payload(json: &[u8]) -> (Option<&[u8]>, &[u8]) {
    // Nearly all have none.
    if !json.starts_with(b"{\"schema\":") {
        return (None, json);
    }
    let mut members = Members(Some(json.get(1..).unwrap_or_default()));
    match (members.next(), members.next(), members.next()) {
        (Some((b"schema", schema)), Some((b"payload", payload)), None) if matches!(schema.first(), Some(b'{' | b'n')) => {
            (Some(schema).filter(|schema| schema.first() == Some(&b'{')), payload)
        }
        _ => (None, json),
    }
}

fn member<'a>(json: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let json = json.trim_ascii_start().strip_prefix(b"{")?;
    Members(Some(json)).find(|(found, _)| *found == name).map(|(_, value)| value)
}

/// The members of a JSON object behind its brace: the inside of each name, and each value. Ends where it is none.
struct Members<'a>(Option<&'a [u8]>);

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.0.take()?.trim_ascii_start();
        let (name, rest) = rest.split_at_checked(string_end(rest)?)?;
        let name = name.get(1..name.len().checked_sub(1)?)?;
        let rest = rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
        let (value, rest) = rest.split_at_checked(value_end(rest)?)?;
        self.0 = rest.trim_ascii_start().strip_prefix(b",");
        Some((name, value))
    }
}

/// Behind the string that `json` begins with.
fn string_end(json: &[u8]) -> Option<usize> {
    if json.first() != Some(&b'"') {
        return None;
    }
    let mut at = 1;
    loop {
        let rest = json.get(at..)?;
        let found = memchr2(b'"', b'\\', rest)?;
        if rest.get(found) == Some(&b'"') {
            return Some(at + found + 1);
        }
        at += found + 2;
    }
}

/// Behind the value that `json` begins with.
fn value_end(json: &[u8]) -> Option<usize> {
    match json.first()? {
        b'"' => string_end(json),
        b'{' | b'[' => {
            let (mut at, mut depth) = (0, 0u32);
            loop {
                match json.get(at)? {
                    b'"' => {
                        at += string_end(json.get(at..)?)?;
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth -= 1,
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    return Some(at);
                }
            }
        }
        _ => {
            let end = json.iter().position(|byte| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace());
            Some(end.unwrap_or(json.len())).filter(|end| *end > 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

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

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".*".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((".*", inner), 0..4).prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_member_is_found_as_it_was_written(before in any_json(), wanted in any_json(), behind in any_json(), pretty in any::<bool>()) {
            let whole = json!({ "a": before, "after": wanted, "b": behind });
            let text = if pretty { serde_json::to_string_pretty(&whole) } else { serde_json::to_string(&whole) }.expect("JSON");
            let found = member(text.as_bytes(), b"after").expect("it is there");
            prop_assert_eq!(serde_json::from_slice::<Value>(found).expect("whole"), wanted);
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(prop_oneof![Just(b'"'), Just(b'{'), Just(b'}'), Just(b':'), Just(b'\\'), any::<u8>()], 0..60)) {
            let bytes = [b"{\"schema\":", &bytes[..]].concat();
            let _ = (row(&bytes), says(None, Some(&bytes), true), KeyForm::Json.comparable(&bytes), member(&bytes, b"x"));
        }
    }
}
