//! `EventRouter`: rows of an outbox table, and decoded messages, as messages of the topics they name.
//!
//! A payload that is to be expanded is read as JSON and written as Debezium writes it through Kafka Connect's schemas
//! ([`super::document`]); what Connect cannot express stays the text it was. Of a row the topic is known when it comes, of a
//! decoded message at once.

use super::document::Json;
use super::partition::Partition;
use super::shape::{By, Content, Header, HeaderContent, Node, Routed, Shape};
use super::steps::is_envelope;
use super::timestamp::Timestamp;
use crate::config::postgres::transforms::{Expand, Outbox, Place};
use crate::encode::json;
use crate::encode::schema::{Kind, Schema};
use crate::encode::values::{Form, Malformed};

/// Turns the shape of an insert into the message's; `None` for what is no message.
pub fn route(outbox: &Outbox, mut shape: Shape) -> Result<Option<Shape>, String> {
    let Some(envelope) = &shape.value else { return Ok(None) };
    if !is_envelope(envelope) {
        return Ok(Some(shape));
    }
    let row = envelope.field("after").filter(|row| !matches!(row.content, Content::Null));
    let old = envelope.field("before").is_some_and(|row| !matches!(row.content, Content::Null));
    let operation = envelope.field("op").map(|node| &node.content);
    let is = |letter: &[u8]| matches!(operation, Some(Content::Constant(json)) if **json == *letter);
    if is(b"\"u\"") {
        return if outbox.updates_are_fatal { Err("an outbox table may not be updated".to_owned()) } else { Ok(None) };
    }
    let Some(row) = row.filter(|_| !old) else { return Ok(None) };
    let column = |name: &str| row.field(name).cloned().ok_or_else(|| format!("the table has no column {name}"));
    let (id, key, mut payload, routed) = (column(&outbox.id)?, column(&outbox.key)?, column(&outbox.payload)?, column(&outbox.route)?);
    let is_masked = |node: &Node| matches!(&node.content, Content::Column { form, .. } if form.mask.is_some());
    if is_masked(&routed) {
        return Err(format!("the column {} is masked: topics would tell what it hides", outbox.route));
    }
    let payload_is_masked = is_masked(&payload);
    if let (Some(expand), Content::Column { form, .. }) = (outbox.expand, &mut payload.content)
        && payload.schema.kind == Kind::String
        && form.mask.is_none()
    {
        let plain = form.clone();
        *form = Form { write: write_expanded, scale: expand.to_scale(), element: Some(Box::new(plain)), ..form.clone() };
    }
    let expanded = outbox.expand.filter(|_| payload.schema.kind == Kind::String).zip(Said::of(&payload).text());
    if let Some(node) = expanded.and_then(|(expand, text)| expanded_node(&text, expand, &outbox.payload)) {
        payload = node;
    }
    shape.headers.push(Header { name: "id".to_owned(), content: HeaderContent::Value(id) });
    // A mask hides what a trace would tell.
    if let Some(mut node) = outbox.trace.as_ref().and_then(|name| row.field(name)).filter(|node| !is_masked(node)).cloned()
        && let Content::Column { form, .. } = &mut node.content
    {
        *form = Form { write: write_trace, element: Some(Box::new(form.clone())), ..form.clone() };
        shape.headers.push(Header { name: TRACEPARENT.to_owned(), content: HeaderContent::Value(node) });
    }
    let of = |name: &str, why| format!("{name}: {why}");
    let timestamp = outbox.timestamp.as_ref().map(|name| Timestamp::new(&column(name)?).map_err(|why| of(name, why)));
    let (timestamp, mut partition) = (timestamp.transpose()?, None);
    let mut beside = Vec::new();
    for placed in &outbox.more {
        match (row.field(&placed.field), placed.place) {
            (Some(node), Place::Header) => {
                shape.headers.push(Header { name: placed.name.clone(), content: HeaderContent::Value(node.clone()) });
            }
            (Some(node), Place::Envelope) => beside.push((placed.name.as_str().into(), node.clone())),
            (Some(node), Place::Partition) => partition = Some(Partition::given(node).map_err(|why| of(&placed.field, why))?),
            (None, _) if outbox.needs_more => return Err(format!("the table has no column {}", placed.field)),
            (None, _) => {}
        }
    }
    let in_envelope = outbox.more.iter().any(|placed| placed.place == Place::Envelope);
    // Without schemas it is not seen, and with them such a table's records are refused.
    if let Some(name) = outbox.version.as_ref().filter(|_| in_envelope)
        && column(name)?.schema.kind != Kind::Int32
    {
        return Err(of(name, "a version is an integer of 32 bits".to_owned()));
    }
    let (mut is_tombstone, mut name) = (false, None);
    shape.routed = match Said::of(&routed) {
        Said::Column(column) => Some(Routed {
            by: By::Column(column, outbox.topic.clone()),
            // What a mask makes of NULL is no longer empty.
            empty_is_tombstone: Said::of(&payload).column().filter(|_| outbox.empty_is_tombstone && !payload_is_masked),
            own_schema: in_envelope || outbox.expand.is_some(),
        }),
        Said::Value(said) => {
            let said = said.unwrap_or_default();
            name = Some(said.as_str().into());
            shape.topic = outbox.topic.apply(&said).unwrap_or(said);
            is_tombstone = outbox.empty_is_tombstone
                && match Said::of(&payload) {
                    Said::Value(text) => text.is_none_or(|text| text.trim().is_empty()),
                    _ => false,
                };
            None
        }
        Said::Other => return Err(format!("{} is no column", outbox.route)),
    };
    let value = (!is_tombstone).then(|| {
        if in_envelope {
            beside.insert(0, ("payload".into(), payload));
            Node::of(Schema { name, ..Schema::new(Kind::Struct(Vec::new())) }, beside)
        } else {
            payload
        }
    });
    shape.value = value;
    shape.key = Some(key);
    // What PartitionRouting found before is forgotten, as Debezium's router forgets it.
    (shape.partition, shape.timestamp) = (partition, timestamp);
    Ok(Some(shape))
}

/// What is known of a field's text.
enum Said {
    /// A row says it, in this column.
    Column(usize),
    /// It is this, or null.
    Value(Option<String>),
    /// It is no single value.
    Other,
}

impl Said {
    fn of(node: &Node) -> Self {
        match &node.content {
            Content::Column { index, .. } => Self::Column(*index),
            Content::Null => Self::Value(None),
            Content::Constant(json) => {
                let plain = || String::from_utf8_lossy(json).into_owned();
                Self::Value(Some(serde_json::from_slice(json).unwrap_or_else(|_| plain())))
            }
            _ => Self::Other,
        }
    }

    fn column(self) -> Option<usize> {
        if let Self::Column(index) = self { Some(index) } else { None }
    }

    fn text(self) -> Option<String> {
        if let Self::Value(text) = self { text } else { None }
    }
}

/// The document of a text that is known; `None` where it stays a text.
fn expanded_node(text: &str, expand: Expand, way: &str) -> Option<Node> {
    let json: Json = serde_json::from_str(text).ok().filter(|_| text.starts_with('{'))?;
    json.node(expand, way)
}

impl Expand {
    /// Kept where a form has room for a number.
    const fn to_scale(self) -> i16 {
        self.nulls as i16 | (self.empty_arrays as i16) << 1
    }

    const fn from_scale(scale: i16) -> Self {
        Self { nulls: scale & 1 != 0, empty_arrays: scale & 2 != 0 }
    }
}

/// The header of W3C's trace context, and its name in a written span context.
const TRACEPARENT: &str = "traceparent";

/// The trace of a column that Debezium's Quarkus extension, or whoever knows it, writes: the lines of a `java.util.Properties`, or the
/// trace alone; null where there is none.
fn write_trace(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    let lines = || text.split(|byte| matches!(byte, b'\n' | b'\r')).map(<[u8]>::trim_ascii);
    let named = lines().find_map(|line| {
        let rest = line.strip_prefix(TRACEPARENT.as_bytes())?.trim_ascii_start();
        rest.strip_prefix(b"=").or_else(|| rest.strip_prefix(b":")).map(<[u8]>::trim_ascii)
    });
    let is_trace = |text: &[u8]| text.len() >= 55 && text.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
    match named.or_else(|| lines().next()).filter(|trace| is_trace(trace)) {
        Some(trace) => json::string(out, trace),
        None => out.extend_from_slice(b"null"),
    }
    Ok(())
}

/// The payload as the JSON it holds; the text that it is where Debezium cannot expand it.
fn write_expanded(out: &mut Vec<u8>, text: &[u8], form: &Form) -> Result<(), Malformed> {
    let begun = out.len();
    let expand = Expand::from_scale(form.scale);
    let expanded = text.starts_with(b"{")
        && serde_json::from_slice::<Json>(text).is_ok_and(|json| {
            let Some(shape) = json.shape(expand) else { return false };
            json.write(out, &shape);
            true
        });
    if expanded {
        return Ok(());
    }
    out.truncate(begun);
    let plain = form.element.as_deref().ok_or(Malformed)?;
    (plain.write)(out, text, plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::TypeKind;
    use crate::encode::values::{ValueSettings, choose};

    #[test]
    fn a_written_span_context_has_its_trace() {
        let plain = choose(&TypeKind::Text, &ValueSettings::default());
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let quoted = format!("\"{trace}\"");
        for (text, expected) in [
            (format!("#Fri Nov 20 10:00:00 UTC 2026\ntraceparent={trace}\n"), quoted.as_str()),
            (format!("tracestate=a\\=1\r\ntraceparent : {trace}"), &quoted),
            (trace.to_owned(), &quoted),
            ("traceparent=\n".to_owned(), "null"),
            ("uber-trace-id=1\\:2\\:0\\:1".to_owned(), "null"),
            (format!("traceparent={}\"", trace), "null"),
            (String::new(), "null"),
        ] {
            let mut out = Vec::new();
            write_trace(&mut out, text.as_bytes(), &plain).expect("any text");
            assert_eq!(String::from_utf8_lossy(&out), expected, "{text}");
        }
    }

    #[test]
    fn a_payload_is_expanded_as_far_as_connect_has_types() {
        let plain = choose(&TypeKind::Json, &ValueSettings::default());
        for (nulls, empty_arrays, text, expected) in [
            (
                false,
                false,
                r#"{"b": 1, "a": [1, 2], "n": null, "e": [], "o": {"x": 1.50, "y": null}}"#,
                r#"{"b":1,"a":[1,2],"o":{"x":1.5}}"#,
            ),
            (true, true, r#"{"n": null, "e": []}"#, r#"{"n":null,"e":[]}"#),
            (false, false, r#"{"a": [{"x": 1}, {"y": "é"}, null]}"#, r#"{"a":[{"x":1,"y":null},{"x":null,"y":"é"},null]}"#),
            (false, false, r#"{"a": [1, "x"]}"#, r#""{\"a\": [1, \"x\"]}""#),
            (false, false, r#"{"a": [1, 3000000000]}"#, r#""{\"a\": [1, 3000000000]}""#),
            (false, false, "[1]", r#""[1]""#),
            (false, false, "text", r#""text""#),
        ] {
            let scale = Expand { nulls, empty_arrays }.to_scale();
            let form = Form { write: write_expanded, scale, element: Some(Box::new(plain.clone())), ..plain.clone() };
            let mut out = Vec::new();
            (form.write)(&mut out, text.as_bytes(), &form).expect("it is JSON or text");
            assert_eq!(String::from_utf8_lossy(&out), expected, "{text}");
        }
    }
}
