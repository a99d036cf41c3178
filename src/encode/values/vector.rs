//! pgvector's `vector`, `halfvec` and `sparsevec`: Debezium's DoubleVector, FloatVector and SparseDoubleVector.
//!
//! `[1,2.5]` is an array of numbers, `{1:1.5,3:2}/5` its dimensions and a map by index, which Kafka Connect's JSON writes as
//! pairs because the keys are no text. No vector is empty, so an empty one stands for a value that was not sent: it fits
//! every schema, and a sink that expects numbers reads it.

use super::{Form, Malformed};
use crate::encode::json;
use crate::encode::schema::{Kind, Schema};

/// The form of `vector`, or of `halfvec`.
pub fn form(double: bool) -> Form {
    let (write, kind, name): (super::Write, _, _) =
        if double { (doubles, Kind::Double, "DoubleVector") } else { (floats, Kind::Float, "FloatVector") };
    let schema = Schema::array_of(kind.into()).named(&format!("io.debezium.data.{name}"));
    Form::new(write, 0, b"[]".to_vec(), b"[]", schema)
}

/// The form of `sparsevec`.
pub fn sparse_form() -> Form {
    const NONE: &[u8] = br#"{"dimensions":0,"vector":[]}"#;
    let map = Schema::new(Kind::Map(Box::new(Kind::Int16.into()), Box::new(Kind::Double.into())));
    let fields = vec![Schema::from(Kind::Int16).field("dimensions"), map.field("vector")];
    let schema = Schema::new(Kind::Struct(fields)).named("io.debezium.data.SparseDoubleVector").doc("Sparse double vector");
    Form::new(sparse, 0, NONE.to_vec(), NONE, schema)
}

fn doubles(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    numbers(out, text, json::double)
}

fn floats(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    numbers(out, text, json::float)
}

fn parse<T: std::str::FromStr>(text: &[u8]) -> Result<T, Malformed> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Malformed)
}

fn numbers<T: std::str::FromStr>(out: &mut Vec<u8>, text: &[u8], put: fn(&mut Vec<u8>, T)) -> Result<(), Malformed> {
    let inside = text.strip_prefix(b"[").and_then(|text| text.strip_suffix(b"]")).ok_or(Malformed)?;
    out.push(b'[');
    for (place, number) in inside.split(|byte| *byte == b',').enumerate() {
        if place > 0 {
            out.push(b',');
        }
        put(out, parse(number)?);
    }
    out.push(b']');
    Ok(())
}

fn sparse(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    let slash = text.iter().rposition(|byte| *byte == b'/').ok_or(Malformed)?;
    let (pairs, dimensions) = text.split_at(slash);
    let pairs = pairs.strip_prefix(b"{").and_then(|pairs| pairs.strip_suffix(b"}")).ok_or(Malformed)?;
    out.extend_from_slice(b"{\"dimensions\":");
    json::integer(out, parse::<u32>(&dimensions[1..])?);
    out.extend_from_slice(b",\"vector\":[");
    for (place, pair) in pairs.split(|byte| *byte == b',').enumerate().filter(|(_, pair)| !pair.is_empty()) {
        let colon = pair.iter().position(|byte| *byte == b':').ok_or(Malformed)?;
        let (index, value) = pair.split_at(colon);
        out.extend_from_slice(if place > 0 { b",[" } else { b"[" });
        json::integer(out, parse::<u32>(index)?);
        out.push(b',');
        json::double(out, parse(&value[1..])?);
        out.push(b']');
    }
    out.extend_from_slice(b"]}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn vectors_are_debeziums() {
        for (form, text, expected) in [
            (form(true), "[1,2.5,-3e-05]", "[1.0,2.5,-3.0E-5]"),
            (form(false), "[0.1,65504]", "[0.1,65504.0]"),
            (sparse_form(), "{1:1.5,3:2}/5", r#"{"dimensions":5,"vector":[[1,1.5],[3,2.0]]}"#),
            (sparse_form(), "{}/5", r#"{"dimensions":5,"vector":[]}"#),
        ] {
            let mut out = Vec::new();
            (form.write)(&mut out, text.as_bytes(), &form).expect("a vector");
            assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);
            for wrong in ["", "[", "[1", "1]", "[1,]", "{1:1}", "{1}/2", "{1:1}/x", "/"] {
                assert_eq!((form.write)(&mut Vec::new(), wrong.as_bytes(), &form), Err(Malformed), "{wrong}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_not_panicked_on(text in "[\\[\\]{}/:,0-9.eE\\-]{0,30}") {
            for form in [form(true), form(false), sparse_form()] {
                let mut out = Vec::new();
                if (form.write)(&mut out, text.as_bytes(), &form).is_ok() {
                    prop_assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok(), "{}", text);
                }
            }
        }
    }
}
