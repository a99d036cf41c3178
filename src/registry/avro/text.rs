//! [`AvroSchema`] to the text that equal schemas share: attributes in Avro's own order, no needless namespaces or spaces.

use std::collections::HashSet;

use serde_json::{Map, Value as Json};

use super::{AvroSchema, Field, Name, Named, NodeId, Shape};

impl AvroSchema {
    /// The text; `normalize` sorts the attributes that Avro gives no meaning, too.
    pub fn text(&self, normalize: bool) -> String {
        let mut writer = Writer { schema: self, written: HashSet::new(), normalize };
        writer.node(self.root, None).to_string()
    }
}

struct Writer<'a> {
    schema: &'a AvroSchema,
    written: HashSet<NodeId>,
    normalize: bool,
}

impl Writer<'_> {
    fn node(&mut self, id: NodeId, space: Option<&str>) -> Json {
        let schema = self.schema;
        let node = schema.node(id);
        if let Some(named) = &node.named
            && (id < schema.own || !self.written.insert(id))
        {
            return used(&named.name, space).into();
        }
        let mut out = Map::new();
        out.insert("type".into(), node.shape.name().into());
        match &node.shape {
            Shape::Union(branches) => return branches.iter().map(|branch| self.node(*branch, space)).collect(),
            Shape::Array(items) => drop(out.insert("items".into(), self.node(*items, space))),
            Shape::Map(values) => drop(out.insert("values".into(), self.node(*values, space))),
            Shape::Record { fields, is_error } => {
                if *is_error {
                    out.insert("type".into(), "error".into());
                }
                put_name(&mut out, node.named.as_ref(), space);
                let space = node.named.as_ref().and_then(|named| named.name.space.as_deref());
                let fields: Vec<Json> = fields.iter().map(|field| self.field(field, space)).collect();
                out.insert("fields".into(), fields.into());
            }
            Shape::Enum { symbols, default } => {
                put_name(&mut out, node.named.as_ref(), space);
                out.insert("symbols".into(), symbols.clone().into());
                put_text(&mut out, "default", default.as_ref());
            }
            Shape::Fixed(size) => {
                put_name(&mut out, node.named.as_ref(), space);
                out.insert("size".into(), (*size).into());
            }
            _ if node.props.is_empty() => return node.shape.name().into(),
            _ => {}
        }
        self.put_props(&mut out, &node.props);
        if let Some(named) = node.named.as_ref().filter(|named| !named.aliases.is_empty()) {
            let aliases: Vec<String> = named.aliases.iter().map(|alias| used(alias, named.name.space.as_deref())).collect();
            out.insert("aliases".into(), aliases.into());
        }
        Json::Object(out)
    }

    fn field(&mut self, field: &Field, space: Option<&str>) -> Json {
        let mut out = Map::new();
        out.insert("name".into(), field.name.clone().into());
        out.insert("type".into(), self.node(field.schema, space));
        put_text(&mut out, "doc", field.doc.as_ref());
        if let Some(default) = &field.default {
            out.insert("default".into(), default.clone());
        }
        put_text(&mut out, "order", field.order.as_ref());
        if !field.aliases.is_empty() {
            out.insert("aliases".into(), field.aliases.clone().into());
        }
        self.put_props(&mut out, &field.props);
        Json::Object(out)
    }

    fn put_props(&self, out: &mut Map<String, Json>, props: &Map<String, Json>) {
        let mut props: Vec<_> = props.iter().collect();
        if self.normalize {
            props.sort_by_key(|(name, _)| *name);
        }
        out.extend(props.into_iter().map(|(name, value)| (name.clone(), value.clone())));
    }
}

/// A name as it is used: without its namespace inside of it.
fn used(name: &Name, space: Option<&str>) -> String {
    if name.space.as_deref() == space { name.name.clone() } else { name.full() }
}

fn put_name(out: &mut Map<String, Json>, named: Option<&Named>, space: Option<&str>) {
    let Some(Named { name, doc, .. }) = named else { return };
    out.insert("name".into(), name.name.clone().into());
    match &name.space {
        Some(own) if Some(own.as_str()) != space => drop(out.insert("namespace".into(), own.clone().into())),
        None if space.is_some() => drop(out.insert("namespace".into(), "".into())),
        _ => {}
    }
    put_text(out, "doc", doc.as_ref());
}

fn put_text(out: &mut Map<String, Json>, name: &str, value: Option<&String>) {
    if let Some(value) = value {
        out.insert(name.into(), value.clone().into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(schema: &str) -> String {
        AvroSchema::read(schema, std::iter::empty()).expect(schema).text(false)
    }

    #[test]
    fn what_makes_no_difference_goes() {
        for (schema, expected) in [
            (r#" {"type" : "string"} "#, r#""string""#),
            (r#"{"type":"int","connect.type":"int16"}"#, r#"{"type":"int","connect.type":"int16"}"#),
            (
                r#"{"fields":[{"type":"int","name":"a","order":"ascending"}],"name":"x.y.R","type":"record","z":1,"doc":"d"}"#,
                r#"{"type":"record","name":"R","namespace":"x.y","doc":"d","fields":[{"name":"a","type":"int"}],"z":1}"#,
            ),
            (
                r#"{"type":"record","name":"R","namespace":"n","fields":[{"name":"e","type":{"type":"enum","name":"n.E","symbols":["A"],"default":"A"}},
                    {"name":"f","type":{"type":"n.E"},"default":"A"},{"name":"o","type":{"type":"fixed","name":"m.F","size":3}},
                    {"name":"r","type":["null","n.R"],"default":null,"aliases":["q"]}]}"#,
                concat!(
                    r#"{"type":"record","name":"R","namespace":"n","fields":[{"name":"e","type":{"type":"enum","name":"E","symbols":["A"],"default":"A"}},"#,
                    r#"{"name":"f","type":"E","default":"A"},{"name":"o","type":{"type":"fixed","name":"F","namespace":"m","size":3}},"#,
                    r#"{"name":"r","type":["null","R"],"default":null,"aliases":["q"]}]}"#
                ),
            ),
        ] {
            assert_eq!(text(schema), expected);
            assert_eq!(text(&text(schema)), expected, "reading it again changes nothing");
        }
    }

    #[test]
    fn normalising_sorts_properties_and_references_stay_names() {
        let one = r#"{"type":"int","b":1,"a":2}"#;
        assert_eq!(AvroSchema::read(one, std::iter::empty()).expect("valid").text(true), r#"{"type":"int","a":2,"b":1}"#);
        let other = r#"{"type":"record","name":"n.R","fields":[]}"#;
        let user = r#"{"type":"array","items":"n.R"}"#;
        assert_eq!(AvroSchema::read(user, std::iter::once(other)).expect("valid").text(false), user);
    }
}
