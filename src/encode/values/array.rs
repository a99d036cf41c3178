//! Arrays: PostgreSQL's `{1,NULL,"a,b"}` to JSON, any dimensions, each element by its own type's writer.
//!
//! Debezium drops the contents of arrays of several dimensions and of any array with a NaN in it; ours keeps them.

use super::{Form, Malformed, ValueSettings, choose};
use crate::change::TypeKind;
use crate::config::postgres::TimePrecision;
use crate::encode::json;
use crate::encode::schema::Schema;

/// PostgreSQL's own limit is 6.
const DEPTH_MAX: usize = 8;

/// The form of an array of `element`.
pub fn form(element: &TypeKind, settings: &ValueSettings) -> Form {
    let element_form = choose(element, settings);
    let numbers = match element {
        TypeKind::Int2 | TypeKind::Int4 | TypeKind::Int8 => true,
        TypeKind::Date => settings.time != TimePrecision::IsoString,
        _ => false,
    };
    let mut unavailable = vec![b'['];
    match element {
        _ if numbers => {
            for (index, byte) in settings.placeholder.iter().enumerate() {
                if index > 0 {
                    unavailable.push(b',');
                }
                json::integer(&mut unavailable, *byte);
            }
        }
        TypeKind::Uuid => json::string(&mut unavailable, name_uuid(&settings.placeholder).as_bytes()),
        _ => unavailable.extend_from_slice(&element_form.unavailable),
    }
    unavailable.push(b']');
    // As in Debezium, whose enums, vectors and values of unknown types in arrays are never null by its word.
    let required = match element {
        TypeKind::Enum(_) | TypeKind::Tsvector | TypeKind::Vector | TypeKind::HalfVector | TypeKind::SparseVector => true,
        TypeKind::Other(_) | TypeKind::Geometric(_) | TypeKind::Domain(_) => settings.unknown_as_bytes,
        _ => false,
    };
    let of = if required { (*element_form.schema).clone() } else { (*element_form.schema).clone().optional() };
    // What `scale` means is the writer's affair: here what stands between the elements.
    let delimiter = i16::from(element.delimiter());
    Form { element: Some(Box::new(element_form)), ..Form::new(array, delimiter, unavailable, b"[]", Schema::array_of(of)) }
}

/// Java's `UUID.nameUUIDFromBytes` (version 3 without a namespace), which is how Debezium marks an unchanged `uuid[]`.
fn name_uuid(bytes: &[u8]) -> String {
    // The authentication hash is md5(md5(password ++ user) ++ salt): not the plain MD5 that is needed, and no other is at
    // hand. Everybody keeps the default placeholder; another one is sent as it is.
    const DEFAULT: (&[u8], &str) = (b"__debezium_unavailable_value", "b68a35a7-17ad-35b3-af2a-ae46edb4545a");
    if bytes == DEFAULT.0 { DEFAULT.1.to_owned() } else { String::from_utf8_lossy(bytes).into_owned() }
}

fn array(out: &mut Vec<u8>, text: &[u8], form: &Form) -> Result<(), Malformed> {
    let element = form.element.as_deref().ok_or(Malformed)?;
    // Bounds other than 1, as in `[0:1]={1,NULL}`, are not in the event.
    let text = match text.first() {
        Some(b'[') => &text[text.iter().position(|byte| *byte == b'=').ok_or(Malformed)? + 1..],
        _ => text,
    };
    let mut parser = Parser { rest: text, scratch: Vec::new(), delimiter: u8::try_from(form.scale).unwrap_or(b',') };
    parser.list(out, element, 0)?;
    if parser.rest.is_empty() { Ok(()) } else { Err(Malformed) }
}

struct Parser<'a> {
    rest: &'a [u8],
    /// An unescaped element; empty and unallocated unless one has escapes.
    scratch: Vec<u8>,
    /// What stands between the elements.
    delimiter: u8,
}

impl<'a> Parser<'a> {
    fn list(&mut self, out: &mut Vec<u8>, element: &Form, depth: usize) -> Result<(), Malformed> {
        if depth == DEPTH_MAX {
            return Err(Malformed);
        }
        self.rest = self.rest.strip_prefix(b"{").ok_or(Malformed)?;
        out.push(b'[');
        if let Some(rest) = self.rest.strip_prefix(b"}") {
            self.rest = rest;
            out.push(b']');
            return Ok(());
        }
        loop {
            match self.rest.first() {
                Some(b'{') => self.list(out, element, depth + 1)?,
                Some(b'"') => self.quoted(out, element)?,
                _ => self.plain(out, element)?,
            }
            let (next, rest) = self.rest.split_first().ok_or(Malformed)?;
            self.rest = rest;
            match next {
                b'}' => break,
                next if *next == self.delimiter => out.push(b','),
                _ => return Err(Malformed),
            }
        }
        out.push(b']');
        Ok(())
    }

    fn plain(&mut self, out: &mut Vec<u8>, element: &Form) -> Result<(), Malformed> {
        let end = self.rest.iter().position(|byte| *byte == b'}' || *byte == self.delimiter).ok_or(Malformed)?;
        let (value, rest) = self.rest.split_at(end);
        self.rest = rest;
        if value == b"NULL" {
            out.extend_from_slice(b"null");
            Ok(())
        } else if value.is_empty() {
            Err(Malformed)
        } else if value.contains(&b'\\') {
            self.unescape(value);
            (element.write)(out, &self.scratch, element)
        } else {
            (element.write)(out, value, element)
        }
    }

    fn quoted(&mut self, out: &mut Vec<u8>, element: &Form) -> Result<(), Malformed> {
        let inside = &self.rest[1..];
        let mut end = 0;
        let mut escapes = false;
        loop {
            match inside.get(end).ok_or(Malformed)? {
                b'"' => break,
                b'\\' => {
                    escapes = true;
                    end += 2;
                }
                _ => end += 1,
            }
        }
        self.rest = &inside[end + 1..];
        if escapes {
            self.unescape(&inside[..end]);
            (element.write)(out, &self.scratch, element)
        } else {
            (element.write)(out, &inside[..end], element)
        }
    }

    fn unescape(&mut self, value: &[u8]) {
        self.scratch.clear();
        let mut bytes = value.iter();
        while let Some(byte) = bytes.next() {
            self.scratch.extend(if *byte == b'\\' { bytes.next() } else { Some(byte) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::postgres::DecimalMode;
    use proptest::prelude::*;

    fn settings() -> ValueSettings {
        ValueSettings { decimal: DecimalMode::String, ..ValueSettings::default() }
    }

    fn write(element: TypeKind, text: &str) -> String {
        let form = form(&element, &settings());
        let mut out = Vec::new();
        (form.write)(&mut out, text.as_bytes(), &form).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn arrays_keep_every_element() {
        for (element, text, expected) in [
            (TypeKind::Int4, "{1,NULL,3}", "[1,null,3]"),
            (TypeKind::Int4, "{}", "[]"),
            (TypeKind::Int4, "{{1,2},{3,4}}", "[[1,2],[3,4]]"),
            (TypeKind::Int4, "[0:1]={1,NULL}", "[1,null]"),
            (TypeKind::Text, r#"{a,"NULL",NULL,"b,c","q\"x\\y",""}"#, r#"["a","NULL",null,"b,c","q\"x\\y",""]"#),
            (TypeKind::Float8, "{1,NaN}", "[1.0,\"NaN\"]"),
            (TypeKind::Numeric(None), "{1.50,NaN}", "[\"1.50\",\"NAN\"]"),
            (TypeKind::Bytea, r#"{"\\x0102ff"}"#, "[\"AQL/\"]"),
            (TypeKind::TimestampTz(6), r#"{"2024-01-02 03:04:05+00"}"#, "[\"2024-01-02T03:04:05.000000Z\"]"),
            (TypeKind::Bool, "{t,f}", "[true,false]"),
            (TypeKind::Geometric("box"), "{(3,4),(1,2);NULL}", "[\"(3,4),(1,2)\",null]"),
            (TypeKind::Domain(Box::new(TypeKind::Int4)), "{1,NULL}", "[1,null]"),
        ] {
            assert_eq!(write(element, text), expected, "{text}");
        }
    }

    #[test]
    fn unchanged_arrays_are_marked_as_debezium_marks_them() {
        let mark = |element| String::from_utf8(form(&element, &settings()).unavailable.to_vec()).unwrap();
        assert_eq!(mark(TypeKind::Text), "[\"__debezium_unavailable_value\"]");
        assert!(mark(TypeKind::Int4).starts_with("[95,95,100,101,98,"));
        assert!(mark(TypeKind::Date).starts_with("[95,95,100,101,98,"));
        let iso = ValueSettings { time: TimePrecision::IsoString, ..settings() };
        assert_eq!(&*super::form(&TypeKind::Date, &iso).unavailable, b"[\"__debezium_unavailable_value\"]");
        assert_eq!(mark(TypeKind::Uuid), "[\"b68a35a7-17ad-35b3-af2a-ae46edb4545a\"]");
        assert_eq!(mark(TypeKind::Bytea), "[\"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==\"]");
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_not_panicked_on(text in r#"[{}",\\a0NUL\[\]=]{0,40}"#) {
            for element in [TypeKind::Int4, TypeKind::Text] {
                let form = form(&element, &settings());
                let mut out = Vec::new();
                if (form.write)(&mut out, text.as_bytes(), &form).is_ok() {
                    prop_assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok(), "{} -> {}", text, String::from_utf8_lossy(&out));
                }
            }
        }
    }
}
