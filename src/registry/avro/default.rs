//! Whether a default is a value of its field's schema.

use serde_json::Value as Json;

use super::{Node, NodeId, Shape};

/// Steps that the defaults of one schema may take: every branch of a union is tried, within every branch.
const STEPS_MAX: usize = 1_000_000;

/// The check of all defaults of a schema.
pub(super) struct Defaults<'a> {
    nodes: &'a [Node],
    left: usize,
}

impl<'a> Defaults<'a> {
    pub(super) fn new(nodes: &'a [Node]) -> Self {
        Self { nodes, left: STEPS_MAX }
    }

    /// Whether the steps did not suffice, so that [`Defaults::fits`] says no.
    pub(super) fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// Whether `value` stands for a value of the schema. In a union it may be of any branch, as since Avro 1.12.
    pub(super) fn fits(&mut self, schema: NodeId, value: &Json) -> bool {
        let shape = &self.nodes[schema].shape;
        let steps = match shape {
            Shape::Enum { symbols, .. } => symbols.len(),
            Shape::Record { fields, .. } => fields.len(),
            _ => 0,
        };
        self.left = self.left.saturating_sub(steps + 1);
        if self.is_spent() {
            return false;
        }
        match shape {
            Shape::Null => value.is_null(),
            Shape::Boolean => value.is_boolean(),
            Shape::Int => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
            Shape::Long => value.is_i64(),
            Shape::Float | Shape::Double => value.is_number() || matches!(value.as_str(), Some("NaN" | "Infinity" | "-Infinity")),
            Shape::Bytes | Shape::String | Shape::Fixed(_) => value.is_string(),
            Shape::Enum { symbols, .. } => value.as_str().is_some_and(|text| symbols.iter().any(|symbol| symbol == text)),
            Shape::Array(items) => value.as_array().is_some_and(|values| values.iter().all(|value| self.fits(*items, value))),
            Shape::Map(values) => value.as_object().is_some_and(|object| object.values().all(|value| self.fits(*values, value))),
            Shape::Union(branches) => branches.iter().any(|branch| self.fits(*branch, value)),
            // A field that is not given has its own default, so this goes no deeper than the value.
            Shape::Record { fields, .. } => value.as_object().is_some_and(|object| {
                fields.iter().all(|field| match object.get(&field.name) {
                    Some(value) => self.fits(field.schema, value),
                    None => field.default.is_some(),
                })
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::registry::avro::AvroSchema;

    #[test]
    fn defaults_are_values_of_their_schema() {
        for (schema, default, fits) in [
            (r#""long""#, "9223372036854775807", true),
            (r#""long""#, "1.5", false),
            (r#""double""#, "1", true),
            (r#""double""#, "\"NaN\"", true),
            (r#""bytes""#, "\"\\u00ff\"", true),
            (r#""null""#, "null", true),
            (r#"["null","int"]"#, "null", true),
            (r#"["null","int"]"#, "5", true),
            (r#"["null","int"]"#, "\"x\"", false),
            (r#"{"type":"array","items":"int"}"#, "[1,2]", true),
            (r#"{"type":"array","items":"int"}"#, "[1,null]", false),
            (r#"{"type":"map","values":"int"}"#, "{\"a\":1}", true),
            (r#"{"type":"enum","name":"E","symbols":["A"]}"#, "\"A\"", true),
            (r#"{"type":"enum","name":"E","symbols":["A"]}"#, "\"B\"", false),
            (
                r#"{"type":"record","name":"I","fields":[{"name":"a","type":"int"},{"name":"b","type":"int","default":1}]}"#,
                "{\"a\":1}",
                true,
            ),
            (r#"{"type":"record","name":"I","fields":[{"name":"a","type":"int"}]}"#, "{}", false),
        ] {
            let text = format!(r#"{{"type":"record","name":"R","fields":[{{"name":"f","type":{schema},"default":{default}}}]}}"#);
            assert_eq!(AvroSchema::read(&text, std::iter::empty()).is_ok(), fits, "{schema} {default}");
        }
    }

    #[test]
    fn a_default_that_fits_many_branches_deep_inside_is_refused_soon() {
        let of = |depth: usize, end: &str| format!("{}{end}{}", "{\"n\":".repeat(depth), "}".repeat(depth));
        let record = |name: &str, more: &str| format!(r#"{{"type":"record","name":"{name}","fields":[{{"name":"n","type":{more}}}]}}"#);
        let read = |default: &str| {
            let inner = record("A", &format!(r#"["null",{},"A"]"#, record("B", r#"["null","A","B"]"#)));
            let text = format!(r#"{{"type":"record","name":"R","fields":[{{"name":"f","type":{inner},"default":{default}}}]}}"#);
            AvroSchema::read(&text, std::iter::empty()).map(drop)
        };
        assert_eq!(read(&of(100, "null")), Ok(()));
        assert_eq!(read(&of(5, "7")).map_err(|told| told.contains("Invalid default")), Err(true));
        // 2^100 ways to find that it does not fit.
        assert_eq!(read(&of(100, "7")).map_err(|told| told.contains("too many steps")), Err(true));
    }
}
