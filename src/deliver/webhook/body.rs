//! What is sent: a record as the body of a request.
//!
//! Owns the envelope of Standard Webhooks, `{"type","timestamp","data"}`, and what an event is called. Promises that the same record makes the
//! same body at every try, to the byte: the time in it is the record's, not the try's. What stands in `data` is [`View`]'s.

use std::io::Write;

use bytes::Bytes;

use crate::event::view::{put_text, rfc3339};
use crate::event::{Event, Kind, Op, Show, View};

/// The content type of the bodies of a view.
pub fn content_type(view: View) -> &'static str {
    match view {
        View::CloudEvents => "application/cloudevents+json; charset=utf-8",
        _ => "application/json",
    }
}

/// What an event is called: the topic, and what happened to the row.
pub fn happened(event: &Event<'_>) -> &'static str {
    match event.op() {
        Some(Op::Create) => "created",
        Some(Op::Read) => "read",
        Some(Op::Update) => "updated",
        Some(Op::Delete) => "deleted",
        Some(Op::Truncate) => "truncated",
        Some(Op::Message) => "message",
        None if event.kind() == Kind::Tombstone => "removed",
        None => "record",
    }
}

/// The body for an event; `None`: there is nothing to say (a tombstone, which follows a delete that was said).
pub fn body(event: &Event<'_>, view: View, show: &Show<'_>) -> Option<Bytes> {
    if event.kind() == Kind::Tombstone {
        return None;
    }
    let mut out = Vec::with_capacity(event.value.map_or(0, <[u8]>::len) + 256);
    // A CloudEvent is an envelope itself.
    if view == View::CloudEvents {
        return view.write(event, show, &mut out).then(|| out.into());
    }
    out.extend_from_slice(b"{\"type\":");
    put_text(&format!("{}.{}", event.topic, happened(event)), &mut out);
    // Writing to memory does not fail.
    let _ = write!(out, ",\"timestamp\":\"{}\",\"data\":", rfc3339(event.timestamp_ms));
    if !view.write(event, show, &mut out) {
        return None;
    }
    out.push(b'}');
    Some(out.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPDATE: &[u8] = br#"{"before":{"id":1,"status":"new"},"after":{"id":1,"status":"paid"},"source":{"ts_ms":5},"op":"u","ts_ms":6}"#;

    fn text(value: Option<&[u8]>, view: View) -> Option<String> {
        let mut event = Event::of("shop.public.orders", Some(b"{\"id\":1}"), value);
        event.timestamp_ms = 1_795_233_128_832;
        body(&event, view, &Show::default()).map(|body| String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn a_body_is_the_envelope_of_standard_webhooks() {
        assert_eq!(
            text(Some(UPDATE), View::Flat).unwrap(),
            r#"{"type":"shop.public.orders.updated","timestamp":"2026-11-21T03:52:08.832Z","data":{"id":1,"status":"paid","_op":"u","_ts":"2026-11-21T03:52:08.832Z"}}"#
        );
        for (_, view) in View::ALL {
            let json: serde_json::Value = serde_json::from_str(&text(Some(UPDATE), view).unwrap()).unwrap();
            assert!(json["data"].is_object(), "{view:?}");
            assert_eq!(json.get("specversion").is_some(), view == View::CloudEvents);
            assert!(view == View::CloudEvents || json["type"] == "shop.public.orders.updated");
        }
    }

    #[test]
    fn every_kind_of_record_has_a_name_and_a_tombstone_says_nothing() {
        let called = |value: &[u8]| {
            let json: serde_json::Value = serde_json::from_str(&text(Some(value), View::Envelope).unwrap()).unwrap();
            json["type"].as_str().unwrap().to_owned()
        };
        for (op, name) in [("c", "created"), ("r", "read"), ("d", "deleted"), ("t", "truncated"), ("m", "message")] {
            let value = format!(r#"{{"before":null,"after":null,"source":{{}},"op":"{op}"}}"#);
            assert_eq!(called(value.as_bytes()), format!("shop.public.orders.{name}"));
        }
        for other in [b"{\"id\":1}".as_slice(), b"[1]", b"\xff\0", b"text"] {
            assert_eq!(called(other), "shop.public.orders.record");
        }
        for (_, view) in View::ALL {
            assert_eq!(text(None, view), None);
        }
    }
}
