//! `DecodeLogicalDecodingMessageContent`: a logical decoding message whose content is JSON, as the envelope of an insert.

use super::document::Json;
use super::shape::{Content, Live, Node};
use crate::config::postgres::transforms::Expand;
use crate::encode::envelope::schema;
use crate::encode::envelope::source::SourceBlock;
use crate::encode::plan::EventSettings;
use crate::encode::schema::{Kind, Schema};

/// The envelope; its name makes it one that `EventRouter` takes.
const NAME: &str = "io.debezium.connector.postgresql.MessageValue.Envelope";

/// The envelope around a content; the text says why there is none.
pub fn envelope(settings: &EventSettings, content: &[u8], keeps_nulls: bool) -> Result<Node, String> {
    let text = String::from_utf8_lossy(content);
    let refused = |why: &str| format!("a message's content is no JSON object that Kafka Connect has types for: {why}");
    if !text.starts_with('{') {
        return Err(refused("it does not begin with {"));
    }
    let document = Json::read(&text).map_err(|error| refused(&format!("line {}, column {}", error.line(), error.column())))?;
    let expand = Expand { nulls: keeps_nulls, empty_arrays: false };
    let after = document.node(expand, "").ok_or_else(|| refused("an array holds values of several types, or none but null"))?;
    let source = Content::Source(SourceBlock::constants(settings, "", ""));
    let fields = vec![
        ("op".into(), Node::text("c", false)),
        ("ts_ms".into(), Node { schema: Schema::from(Kind::Int64).optional(), content: Content::Live(Live::NowMs) }),
        ("source".into(), Node { schema: schema::source().schema, content: source }),
        ("transaction".into(), Node { schema: schema::transaction().schema, content: Content::Transaction }),
        ("after".into(), after),
    ];
    Ok(Node::of(Schema::of_struct(NAME, Vec::new()), fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_object_of_connects_types_is_refused() {
        let settings = crate::encode::envelope::tests::settings();
        let deep = format!("{{\"a\":{}1", "[".repeat(10_000));
        for (content, why) in [
            ("text", "it does not begin with {"),
            ("", "it does not begin with {"),
            ("[{}]", "it does not begin with {"),
            (" {}", "it does not begin with {"),
            ("{\"a\": 1", "line 1, column 7"),
            ("{\"a\": [1, \"x\"]}", "an array holds values of several types, or none but null"),
            ("{\"a\": [null]}", "an array holds values of several types, or none but null"),
            (deep.as_str(), "line 1, column 132"),
        ] {
            let refused = envelope(&settings, content.as_bytes(), false).expect_err(content);
            let expected = format!("a message's content is no JSON object that Kafka Connect has types for: {why}");
            assert_eq!(refused, expected);
        }
    }

    #[test]
    fn fields_that_are_null_stay_when_they_shall() {
        let settings = crate::encode::envelope::tests::settings();
        for (keeps, expected) in [(false, 1), (true, 2)] {
            let node = envelope(&settings, b"{\"a\": 1, \"b\": null, \"c\": []} and more", keeps).expect("an object");
            assert_eq!(node.field("after").and_then(Node::fields).map(<[_]>::len), Some(expected));
        }
    }
}
