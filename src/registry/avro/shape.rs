//! Whether two schemas describe the same bytes.

use std::collections::HashSet;

use super::{AvroSchema, NodeId, Shape};

impl AvroSchema {
    /// Whether what one of them writes is byte for byte what the other one would write: names of fields, order and types are
    /// the same, and only what describes (documentation, properties, defaults) may differ.
    pub fn writes_as(&self, other: &Self) -> bool {
        let mut looked = HashSet::new();
        let mut open = vec![(self.root, other.root)];
        // Every pair once: schemas have few nodes, and two that are alike pair each with one.
        while let Some(pair) = open.pop() {
            if looked.insert(pair) && !self.alike(other, pair, &mut open) {
                return false;
            }
        }
        true
    }

    fn alike(&self, other: &Self, (one, two): (NodeId, NodeId), open: &mut Vec<(NodeId, NodeId)>) -> bool {
        match (&self.node(one).shape, &other.node(two).shape) {
            (Shape::Array(one), Shape::Array(two)) | (Shape::Map(one), Shape::Map(two)) => open.push((*one, *two)),
            (Shape::Union(one), Shape::Union(two)) if one.len() == two.len() => open.extend(one.iter().copied().zip(two.iter().copied())),
            (Shape::Record { fields: one, .. }, Shape::Record { fields: two, .. }) => {
                let same = one.len() == two.len() && one.iter().zip(two).all(|(one, two)| one.name == two.name);
                open.extend(one.iter().zip(two).map(|(one, two)| (one.schema, two.schema)));
                return same;
            }
            (Shape::Enum { symbols: one, .. }, Shape::Enum { symbols: two, .. }) => return one == two,
            (Shape::Union(_), _) | (Shape::Enum { .. }, _) => return false,
            (one, two) => return one == two,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_describes_may_differ() {
        let read = |text: &str| AvroSchema::read(text, std::iter::empty()).expect("valid");
        let record = |field: &str| {
            read(&format!(r#"{{"type":"record","name":"R","fields":[{{"name":"a","type":{field}}},{{"name":"n","type":["null","R"]}}]}}"#))
        };
        let base = record(r#""int""#);
        assert!(base.writes_as(&record(r#"{"type":"int","connect.default":5},"default":5,"doc":"x""#)));
        for other in [r#""long""#, r#"["null","int"]"#, r#""int"},{"name":"b","type":"int""#] {
            assert!(!base.writes_as(&record(other)), "{other}");
        }
        assert!(!read(r#"["null","int"]"#).writes_as(&read(r#"["int","null"]"#)));
        assert!(!read(r#"["null","int"]"#).writes_as(&read(r#"["null","int","string"]"#)));
    }
}
