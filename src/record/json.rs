//! JSON by slices: the members of an object and the ends of values, found without building anything.
//!
//! Owns how a member is found in bytes and where a value ends. Promises slices of what was given, bounded work (each byte is looked at
//! once), and that bytes which are no JSON are no error: they have no members. Only the structure is looked at; whether a number or a word is one
//! is the affair of who reads it.

use std::borrow::Cow;

use memchr::{memchr2, memmem};

/// The schema that Kafka Connect puts before a JSON, when one stands there, and the JSON itself.
pub fn payload(json: &[u8]) -> (Option<&[u8]>, &[u8]) {
    // Nearly all have none.
    if !json.starts_with(b"{\"schema\":") {
        return (None, json);
    }
    let Some(mut members) = Members::of(json) else { return (None, json) };
    match (members.next(), members.next(), members.next()) {
        (Some((b"schema", schema)), Some((b"payload", payload)), None) if matches!(schema.first(), Some(b'{' | b'n')) => {
            (Some(schema).filter(|schema| schema.first() == Some(&b'{')), payload)
        }
        _ => (None, json),
    }
}

/// The value of a member of an object; the first, where a name stands there twice.
pub fn member<'a>(json: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    Members::of(json)?.find(|(found, _)| is_name(found, name)).map(|(_, value)| value)
}

/// Whether the inside of a name, as it is written, is this one.
#[inline]
pub fn is_name(written: &[u8], name: &[u8]) -> bool {
    written == name || (written.contains(&b'\\') && unescaped(written).is_some_and(|text| text.as_bytes() == name))
}

/// The text that a JSON string says: `string` with its quotes.
pub fn text(string: &[u8]) -> Option<Cow<'_, str>> {
    unescaped(string.strip_prefix(b"\"")?.strip_suffix(b"\"")?)
}

/// The text that the inside of a JSON string says.
pub fn unescaped(inside: &[u8]) -> Option<Cow<'_, str>> {
    if !inside.contains(&b'\\') {
        return std::str::from_utf8(inside).ok().map(Cow::Borrowed);
    }
    let quoted = [b"\"", inside, b"\""].concat();
    serde_json::from_slice::<String>(&quoted).ok().map(Cow::Owned)
}

/// Whether bytes are one JSON value, read to the end.
pub fn is_json(bytes: &[u8]) -> bool {
    !bytes.is_empty() && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

/// The last place where `pattern` begins in the last `within` bytes.
pub fn find_last(json: &[u8], pattern: &[u8], within: usize) -> Option<usize> {
    let start = json.len().saturating_sub(within);
    memmem::rfind(json.get(start..)?, pattern).map(|at| start + at)
}

/// The members of a JSON object: the inside of each name as it is written, and each value. Ends where it is none.
#[derive(Clone, Debug)]
pub struct Members<'a> {
    /// From the next name on; behind the last member, from the brace on. Empty where it was no object.
    rest: &'a [u8],
    more: bool,
}

impl<'a> Members<'a> {
    /// Of bytes that begin with a brace; white space may stand before it.
    #[inline]
    pub fn of(json: &'a [u8]) -> Option<Self> {
        let rest = json.trim_ascii_start().strip_prefix(b"{")?.trim_ascii_start();
        Some(Self { rest, more: rest.first() != Some(&b'}') })
    }

    /// Whether the object ended as one does and nothing stands behind it; to be asked when there are no more.
    pub fn is_whole(&self) -> bool {
        !self.more && self.rest.trim_ascii() == b"}"
    }

    #[inline]
    fn read(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let rest = std::mem::take(&mut self.rest);
        let (name, rest) = rest.split_at_checked(string_end(rest)?)?;
        let name = name.get(1..name.len().checked_sub(1)?)?;
        let rest = rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
        let (value, rest) = rest.split_at_checked(value_end(rest)?)?;
        let rest = rest.trim_ascii_start();
        match rest.strip_prefix(b",") {
            Some(rest) => (self.rest, self.more) = (rest.trim_ascii_start(), true),
            None => self.rest = rest,
        }
        Some((name, value))
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if !std::mem::take(&mut self.more) {
            return None;
        }
        self.read()
    }
}

/// Behind the string that `json` begins with.
#[inline]
pub fn string_end(json: &[u8]) -> Option<usize> {
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
#[inline]
pub fn value_end(json: &[u8]) -> Option<usize> {
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

    #[test]
    fn a_name_is_found_however_it_is_escaped() {
        let json = br#" { "a\"b" : 1 , "\u00e9" : [2,{"x":3}] , "plain":"}" } "#;
        assert_eq!(member(json, b"a\"b"), Some(&b"1"[..]));
        assert_eq!(member(json, "é".as_bytes()), Some(&br#"[2,{"x":3}]"#[..]));
        assert_eq!(member(json, b"plain"), Some(&br#""}""#[..]));
        assert_eq!(member(json, b"x"), None);
    }

    #[test]
    fn an_object_that_is_cut_is_not_whole() {
        let is_whole = |json: &str| {
            let mut members = Members::of(json.as_bytes()).expect("an object");
            members.by_ref().count();
            members.is_whole()
        };
        for whole in ["{}", " { } ", "{\"a\":1}", "{\"a\":1 , \"b\" : {} } \n"] {
            assert!(is_whole(whole), "{whole}");
        }
        for cut in ["{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{\"a\":1} x", "{\"a\":1}}", "{a:1}"] {
            assert!(!is_whole(cut), "{cut}");
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
            let mut members = Members::of(text.as_bytes()).expect("an object");
            prop_assert_eq!(members.by_ref().count(), 3);
            prop_assert!(members.is_whole());
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(prop_oneof![Just(b'"'), Just(b'{'), Just(b'}'), Just(b':'), Just(b'\\'), any::<u8>()], 0..60)) {
            let bytes = [b"{\"schema\":", &bytes[..]].concat();
            let _ = (payload(&bytes), member(&bytes, b"x"), text(&bytes), is_json(&bytes));
        }
    }
}
