//! A record as what is done with a document: its index, its id, its version.
//!
//! Owns what a document's id is and which of a record's values go into it. Promises that two keys never share an id, that one key always has the
//! same one whatever schema stands before it, and that values stand in the document as they stand in the record.

use crate::event::{Event, Kind, Object, Op, Template};
use crate::record::json::{self, Members};
use crate::record::view::read_headers;

/// The server takes no longer ids, bytes.
pub const ID_BYTES_MAX: usize = 512;
/// Nor longer names of indexes.
const INDEX_BYTES_MAX: usize = 255;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The document is to be this.
    Index {
        /// Its index.
        index: String,
        /// Its id.
        id: String,
        /// The row's columns, as JSON without braces.
        members: Vec<u8>,
        /// Columns that PostgreSQL did not send because they did not change.
        missing: Vec<String>,
    },
    /// There is to be none.
    Delete {
        /// Its index.
        index: String,
        /// Its id.
        id: String,
    },
    /// None of a topic's documents that are older than this LSN is to be there.
    Empty {
        /// Their index.
        index: String,
        /// The LSN of the `TRUNCATE`.
        lsn: u64,
    },
    /// Nothing.
    Nothing,
}

/// What is done for an event; an error is why nothing can be done: it is one for a dead letter.
pub fn action(event: &Event<'_>, index: &Template, leaves: bool, mark: Option<&str>) -> Result<Action, String> {
    let op = event.op();
    if op == Some(Op::Message) {
        return Ok(Action::Nothing);
    }
    match event.kind() {
        Kind::Unreadable | Kind::Other => return Err("the value is no row in JSON".to_owned()),
        Kind::Change | Kind::Row | Kind::Tombstone => {}
    }
    let index = index_of(event, index)?;
    if op == Some(Op::Truncate) {
        let lsn = event.lsn().ok_or("a TRUNCATE without its LSN")?;
        return if mark.is_some() { Ok(Action::Empty { index, lsn: lsn.0 }) } else { Err("TRUNCATE needs the option mark".to_owned()) };
    }
    let id = id(event)?;
    if event.kind() == Kind::Tombstone || op == Some(Op::Delete) || leaves {
        return Ok(Action::Delete { index, id });
    }
    let row = event.after().ok_or("the event has no row")?;
    let (members, missing) = columns(row);
    Ok(Action::Index { index, id, members, missing })
}

/// The document's id: the value of the only column of the key; of several, their values as JSON with commas between them.
fn id(event: &Event<'_>) -> Result<String, String> {
    id_of(event.key.ok_or("the record has no key")?)
}

/// The id of the document that the row was before its key changed, where the event says so.
pub fn old_id(event: &Event<'_>) -> Option<String> {
    let (_, key) = read_headers(event.headers).find(|(name, _)| *name == OLD_KEY_HEADER)?;
    id_of(key?).ok()
}

/// Debezium's header of the row that begins behind a change of the key.
const OLD_KEY_HEADER: &str = "__debezium.oldkey";

fn id_of(key: &[u8]) -> Result<String, String> {
    let key = json::payload(key).1;
    let mut id = String::new();
    match Members::of(key) {
        Some(members) => {
            let values: Vec<&[u8]> = members.map(|(_, value)| value).collect();
            match values.as_slice() {
                [value] => push(value, &mut id)?,
                values => {
                    for (at, value) in values.iter().enumerate() {
                        id.push_str(if at > 0 { "," } else { "" });
                        id.push_str(std::str::from_utf8(value).map_err(|_| NO_TEXT)?);
                    }
                }
            }
        }
        // A key that is a text, or one JSON value.
        None => push(key, &mut id)?,
    }
    match id.len() {
        0 => Err("the key is empty".to_owned()),
        1..=ID_BYTES_MAX => Ok(id),
        longer => Err(format!("the key has {longer} bytes; an id has {ID_BYTES_MAX} at most")),
    }
}

const NO_TEXT: &str = "the key is no text";

fn push(value: &[u8], id: &mut String) -> Result<(), String> {
    match json::text(value) {
        Some(text) => id.push_str(&text),
        None => id.push_str(std::str::from_utf8(value).map_err(|_| NO_TEXT)?),
    }
    Ok(())
}

/// The name of the index. Where an event does not name its table, as a tombstone, the topic's last parts do.
fn index_of(event: &Event<'_>, template: &Template) -> Result<String, String> {
    let mut name = String::new();
    let mut parts = event.topic.rsplit('.');
    let (table, schema) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut rest = template.text();
    while let Some(at) = rest.find('{') {
        name.push_str(&rest[..at]);
        let inside = rest[at + 1..].split('}').next().unwrap_or_default();
        match inside.trim() {
            "topic" => name.push_str(event.topic),
            "table" => name.push_str(&event.table_name().and_then(|table| table.text()).unwrap_or(table.into())),
            "schema" => name.push_str(&event.schema_name().and_then(|schema| schema.text()).unwrap_or(schema.into())),
            _ => {}
        }
        rest = rest.get(at + inside.len() + 2..).unwrap_or_default();
    }
    name.push_str(rest);
    let name = name.to_lowercase();
    let is_legal = !name.is_empty()
        && name.len() <= INDEX_BYTES_MAX
        && !name.starts_with(['-', '_', '+', '.'])
        && !name.contains(['\\', '/', '*', '?', '"', '<', '>', '|', ' ', ',', '#', ':']);
    if is_legal { Ok(name) } else { Err(format!("{name:?} cannot be the name of an index: set the option index")) }
}

/// The columns that are there, and the names of those that were not sent.
fn columns(row: Object<'_>) -> (Vec<u8>, Vec<String>) {
    let (mut out, mut missing) = (Vec::with_capacity(row.raw().len()), Vec::new());
    for (name, value) in row.raw_members() {
        if crate::event::Value::of(value).is_unavailable() {
            missing.extend(json::unescaped(name).map(std::borrow::Cow::into_owned));
        } else {
            push_member(name, value, &mut out);
        }
    }
    (out, missing)
}

/// Appends a member; what is spread over lines in the record stands on one.
pub fn push_member(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    if !out.is_empty() {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(name);
    out.extend_from_slice(b"\":");
    // A line's end can stand between the parts of a value only, where a space is as good.
    out.extend(value.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r#""source":{"schema":"public","table":"Orders","lsn":77}"#;

    fn done(key: Option<&str>, value: Option<&str>, index: &str) -> Result<Action, String> {
        let template = Template::parse(index).expect("a template");
        action(&Event::of("srv.public.orders", key.map(str::as_bytes), value.map(str::as_bytes)), &template, false, Some("rowfeed"))
    }

    #[test]
    fn a_row_becomes_a_document_and_a_delete_takes_it_away() {
        let value = format!(r#"{{"before":null,"after":{{"id":42,"n":1.50,"big":"__debezium_unavailable_value"}},{SOURCE},"op":"u"}}"#);
        let expected = Action::Index {
            index: "public-orders".into(),
            id: "42".into(),
            members: br#""id":42,"n":1.50"#.to_vec(),
            missing: vec!["big".into()],
        };
        assert_eq!(done(Some(r#"{"id":42}"#), Some(&value), "{schema}-{table}"), Ok(expected));
        let gone = Action::Delete { index: "orders".into(), id: "7,\"a,b\"".into() };
        let value = format!(r#"{{"before":{{"id":7}},"after":null,{SOURCE},"op":"d"}}"#);
        assert_eq!(done(Some(r#"{"order":7,"line":"a,b"}"#), Some(&value), "{table}"), Ok(gone.clone()));
        assert_eq!(
            done(Some(r#"{"schema":{},"payload":{"order":7,"line":"a,b"}}"#), None, "{table}"),
            Ok(gone),
            "a tombstone names no table"
        );
        let emptied = format!(r#"{{"before":null,"after":null,{SOURCE},"op":"t"}}"#);
        assert_eq!(done(None, Some(&emptied), "{topic}"), Ok(Action::Empty { index: "srv.public.orders".into(), lsn: 77 }));
    }

    #[test]
    fn what_can_be_no_document_says_why() {
        let value = format!(r#"{{"before":null,"after":{{"id":1}},{SOURCE},"op":"c"}}"#);
        assert!(done(None, Some(&value), "{table}").is_err_and(|why| why.contains("no key")));
        assert!(done(Some("{}"), Some(&value), "{table}").is_err_and(|why| why.contains("empty")));
        assert!(done(Some(&format!("\"{}\"", "x".repeat(513))), Some(&value), "{table}").is_err_and(|why| why.contains("513 bytes")));
        assert!(done(Some("1"), Some("no json"), "{table}").is_err());
        assert!(done(Some("1"), Some(&value), "_{table}").is_err_and(|why| why.contains("_orders")));
        assert_eq!(done(Some("1"), Some(r#"{"message":{},"op":"m"}"#), "{table}"), Ok(Action::Nothing));
    }
}
