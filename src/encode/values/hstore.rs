//! `hstore`, in the two ways of `hstore.handling.mode`: a JSON object as text, or a map. The pairs keep PostgreSQL's order.

use super::{Form, Malformed, ValueSettings};
use crate::config::postgres::HstoreMode;
use crate::encode::json;
use crate::encode::schema::{Kind, Schema};

/// The form of `hstore`.
pub fn form(settings: &ValueSettings) -> Form {
    let mut mark = vec![b'{'];
    json::string(&mut mark, &settings.placeholder);
    mark.push(b':');
    json::string(&mut mark, &settings.placeholder);
    mark.push(b'}');
    match settings.hstore {
        HstoreMode::Map => {
            let values = Schema::from(Kind::String).optional();
            Form::new(map, 0, mark, b"{}", Kind::Map(Box::new(Kind::String.into()), Box::new(values)))
        }
        HstoreMode::Json => {
            let mut text = Vec::new();
            json::string(&mut text, &mark);
            Form::new(object_as_text, 0, text, b"\"{}\"", Schema::from(Kind::String).named("io.debezium.data.Json"))
        }
    }
}

fn object_as_text(out: &mut Vec<u8>, text: &[u8], form: &Form) -> Result<(), Malformed> {
    let mut object = Vec::with_capacity(text.len());
    map(&mut object, text, form)?;
    json::string(out, &object);
    Ok(())
}

fn map(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    let mut rest = text;
    let mut scratch = Vec::new();
    out.push(b'{');
    while !rest.is_empty() {
        if out.last() != Some(&b'{') {
            rest = rest.strip_prefix(b", ").ok_or(Malformed)?;
            out.push(b',');
        }
        rest = quoted(out, rest, &mut scratch)?;
        rest = rest.strip_prefix(b"=>").ok_or(Malformed)?;
        out.push(b':');
        rest = match rest.strip_prefix(b"NULL") {
            Some(rest) => {
                out.extend_from_slice(b"null");
                rest
            }
            None => quoted(out, rest, &mut scratch)?,
        };
    }
    out.push(b'}');
    Ok(())
}

/// One quoted string, with backslashes before quotes and backslashes; what follows it.
fn quoted<'t>(out: &mut Vec<u8>, text: &'t [u8], scratch: &mut Vec<u8>) -> Result<&'t [u8], Malformed> {
    let inside = text.strip_prefix(b"\"").ok_or(Malformed)?;
    scratch.clear();
    let mut at = 0;
    loop {
        match inside.get(at).ok_or(Malformed)? {
            b'"' => break,
            b'\\' => {
                scratch.push(*inside.get(at + 1).ok_or(Malformed)?);
                at += 2;
            }
            byte => {
                scratch.push(*byte);
                at += 1;
            }
        }
    }
    json::string(out, scratch);
    Ok(&inside[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn write(hstore: HstoreMode, text: &[u8]) -> Result<String, Malformed> {
        let form = form(&ValueSettings { hstore, ..ValueSettings::default() });
        let mut out = Vec::new();
        (form.write)(&mut out, text, &form)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn pairs_come_as_text_or_as_a_map() {
        let text = br#""a"=>"1", "b"=>NULL, "q\"k"=>"back\\slash", "{"=>"NULL""#;
        let map = r#"{"a":"1","b":null,"q\"k":"back\\slash","{":"NULL"}"#;
        assert_eq!(write(HstoreMode::Map, text).unwrap(), map);
        assert_eq!(write(HstoreMode::Json, text).unwrap(), serde_json::Value::from(map).to_string());
        assert_eq!(write(HstoreMode::Json, b"").unwrap(), "\"{}\"");
        assert!(write(HstoreMode::Json, br#""a"=>"#).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_not_panicked_on(text in "[\"\\\\=>, NULab]{0,40}") {
            let _ = write(HstoreMode::Map, text.as_bytes());
        }
    }
}
