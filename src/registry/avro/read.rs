//! JSON to [`AvroSchema`]: names, namespaces and every rule of the specification.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value as Json};

use super::{AvroSchema, Field, Name, Named, Node, NodeId, Shape, default::Defaults};

/// What has a meaning in a schema, and is therefore no property.
const OF_SCHEMA: [&str; 10] = ["doc", "fields", "items", "name", "namespace", "size", "symbols", "values", "type", "aliases"];
/// The same of a field.
const OF_FIELD: [&str; 6] = ["default", "doc", "name", "order", "type", "aliases"];

impl AvroSchema {
    /// Reads a schema and, before it, those that it refers to.
    pub fn read<'a>(text: &str, references: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let mut reader = Reader::default();
        for reference in references {
            reader.whole(reference)?;
        }
        let own = reader.nodes.len();
        let root = reader.whole(text)?;
        Ok(Self { nodes: reader.nodes, root, own })
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }
}

#[derive(Default)]
struct Reader {
    nodes: Vec<Node>,
    names: HashMap<String, NodeId>,
    /// Fields whose default is checked when all nodes are there: record, field.
    defaults: Vec<(NodeId, usize)>,
}

impl Reader {
    fn whole(&mut self, text: &str) -> Result<NodeId, String> {
        // serde_json refuses more than 128 levels.
        let json: Json = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let root = self.schema(&json, None)?;
        let mut check = Defaults::new(&self.nodes);
        for (record, at) in std::mem::take(&mut self.defaults) {
            let Shape::Record { fields, .. } = &self.nodes[record].shape else { continue };
            let Some(Field { name, schema, default: Some(value), .. }) = fields.get(at) else { continue };
            if !check.fits(*schema, value) {
                if check.is_spent() {
                    return Err(format!("Invalid default for field {name}: it takes too many steps to check the defaults"));
                }
                return Err(format!("Invalid default for field {name}: {value} not a {}", self.nodes[*schema].shape.name()));
            }
        }
        Ok(root)
    }

    fn push(&mut self, shape: Shape, named: Option<Named>, props: Map<String, Json>) -> NodeId {
        self.nodes.push(Node { shape, named, props });
        self.nodes.len() - 1
    }

    fn schema(&mut self, json: &Json, space: Option<&str>) -> Result<NodeId, String> {
        match json {
            Json::String(name) => match Shape::primitive(name) {
                Some(shape) => Ok(self.push(shape, None, Map::new())),
                None => self.known(name, space),
            },
            Json::Array(branches) => self.union(branches, space),
            Json::Object(object) => self.object(object, space),
            other => Err(format!("Cannot parse {other} schema")),
        }
    }

    fn known(&self, name: &str, space: Option<&str>) -> Result<NodeId, String> {
        let within = space.filter(|_| !name.contains('.')).map(|space| format!("{space}.{name}"));
        let found = within.and_then(|full| self.names.get(&full)).or_else(|| self.names.get(name));
        found.copied().ok_or_else(|| format!("Undefined schema: {name}"))
    }

    fn union(&mut self, branches: &[Json], space: Option<&str>) -> Result<NodeId, String> {
        let mut ids = Vec::with_capacity(branches.len());
        let mut seen = HashSet::new();
        for branch in branches {
            let id = self.schema(branch, space)?;
            let node = &self.nodes[id];
            let name = node.named.as_ref().map_or_else(|| node.shape.name().to_owned(), |named| named.name.full());
            if matches!(node.shape, Shape::Union(_)) {
                return Err("Nested union".to_owned());
            }
            if !seen.insert(name.clone()) {
                return Err(format!("Duplicate in union: {name}"));
            }
            ids.push(id);
        }
        Ok(self.push(Shape::Union(ids), None, Map::new()))
    }

    fn object(&mut self, object: &Map<String, Json>, space: Option<&str>) -> Result<NodeId, String> {
        let kind = match object.get("type") {
            Some(Json::String(kind)) => kind.as_str(),
            Some(nested @ (Json::Object(_) | Json::Array(_))) => return self.schema(nested, space),
            _ => return Err("No type".to_owned()),
        };
        let props = || {
            let own = |name: &str| OF_SCHEMA.contains(&name) || (kind == "enum" && name == "default");
            object.iter().filter(|(name, _)| !own(name)).map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>()
        };
        match kind {
            "array" => {
                let items = self.schema(object.get("items").ok_or("Array has no items type")?, space)?;
                Ok(self.push(Shape::Array(items), None, props()))
            }
            "map" => {
                let values = self.schema(object.get("values").ok_or("Map has no values type")?, space)?;
                Ok(self.push(Shape::Map(values), None, props()))
            }
            "record" | "error" => self.record(object, space, kind == "error", props()),
            "enum" => {
                let shape = enumeration(object)?;
                self.name(shape, object, space, props())
            }
            "fixed" => {
                let size = object.get("size").and_then(Json::as_u64).filter(|size| *size <= u64::from(u32::MAX / 2));
                self.name(Shape::Fixed(size.ok_or("Invalid or no size")?), object, space, props())
            }
            name => match Shape::primitive(name) {
                Some(shape) => Ok(self.push(shape, None, props())),
                None => self.known(name, space),
            },
        }
    }

    /// A named type, known from here on.
    fn name(&mut self, shape: Shape, object: &Map<String, Json>, space: Option<&str>, props: Map<String, Json>) -> Result<NodeId, String> {
        let written = text(object, "name")?.ok_or("No name in schema")?;
        let space = text(object, "namespace")?.or(space);
        let name = name(written, space)?;
        let aliases = texts(object, "aliases")?.iter().map(|alias| self::name(alias, name.space.as_deref())).collect::<Result<_, _>>()?;
        if Shape::primitive(&name.full()).is_some() {
            return Err(format!("Schemas may not be named after primitives: {}", name.full()));
        }
        if self.names.contains_key(&name.full()) {
            return Err(format!("Can't redefine: {}", name.full()));
        }
        let full = name.full();
        let named = Named { name, aliases, doc: text(object, "doc")?.map(str::to_owned) };
        let id = self.push(shape, Some(named), props);
        self.names.insert(full, id);
        Ok(id)
    }

    fn record(
        &mut self,
        object: &Map<String, Json>,
        space: Option<&str>,
        is_error: bool,
        props: Map<String, Json>,
    ) -> Result<NodeId, String> {
        let written = object.get("fields").and_then(Json::as_array).ok_or("Record has no fields")?;
        // Known before its fields are read: they may contain it.
        let id = self.name(Shape::Record { fields: Vec::new(), is_error }, object, space, props)?;
        let space = self.nodes[id].named.as_ref().and_then(|named| named.name.space.clone());
        let mut fields = Vec::with_capacity(written.len());
        let mut seen = HashSet::new();
        for field in written {
            let field = self.field(field, space.as_deref())?;
            if !seen.insert(field.name.clone()) {
                return Err(format!("Duplicate field {} in record", field.name));
            }
            if field.default.is_some() {
                self.defaults.push((id, fields.len()));
            }
            fields.push(field);
        }
        self.nodes[id].shape = Shape::Record { fields, is_error };
        Ok(id)
    }

    fn field(&mut self, json: &Json, space: Option<&str>) -> Result<Field, String> {
        let object = json.as_object().ok_or_else(|| format!("{json} is not a field"))?;
        let name = text(object, "name")?.ok_or("No field name")?;
        check_name(name)?;
        let schema = self.schema(object.get("type").ok_or_else(|| format!("No field type for {name}"))?, space)?;
        let order = text(object, "order")?.filter(|order| *order != "ascending");
        if order.is_some_and(|order| !matches!(order, "descending" | "ignore")) {
            return Err(format!("Unknown order of field {name}"));
        }
        let props = object.iter().filter(|(name, _)| !OF_FIELD.contains(&name.as_str()));
        Ok(Field {
            name: name.to_owned(),
            schema,
            doc: text(object, "doc")?.map(str::to_owned),
            default: object.get("default").cloned(),
            order: order.map(str::to_owned),
            aliases: texts(object, "aliases")?.into_iter().map(str::to_owned).collect(),
            props: props.map(|(name, value)| (name.clone(), value.clone())).collect(),
        })
    }
}

fn enumeration(object: &Map<String, Json>) -> Result<Shape, String> {
    if !object.get("symbols").is_some_and(Json::is_array) {
        return Err("Enum has no symbols".to_owned());
    }
    let symbols: Vec<String> = texts(object, "symbols")?.into_iter().map(str::to_owned).collect();
    let mut seen = HashSet::new();
    for symbol in &symbols {
        check_name(symbol)?;
        if !seen.insert(symbol) {
            return Err(format!("Duplicate enum symbol: {symbol}"));
        }
    }
    let default = text(object, "default")?.map(str::to_owned);
    if default.as_ref().is_some_and(|default| !symbols.contains(default)) {
        return Err(format!("The Enum Default: {} is not in the enum symbol set", default.unwrap_or_default()));
    }
    Ok(Shape::Enum { symbols, default })
}

/// A full name, or one within a namespace.
fn name(written: &str, space: Option<&str>) -> Result<Name, String> {
    let (space, name) = match written.rsplit_once('.') {
        Some((space, name)) => (Some(space), name),
        None => (space, written),
    };
    let space = space.filter(|space| !space.is_empty());
    check_name(name)?;
    space.into_iter().flat_map(|space| space.split('.')).try_for_each(check_name)?;
    Ok(Name { name: name.to_owned(), space: space.map(str::to_owned) })
}

fn check_name(name: &str) -> Result<(), String> {
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if begins && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Ok(());
    }
    Err(format!("Illegal character in: {name}"))
}

fn text<'a>(object: &'a Map<String, Json>, name: &str) -> Result<Option<&'a str>, String> {
    match object.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{name} is not a string")),
    }
}

fn texts<'a>(object: &'a Map<String, Json>, name: &str) -> Result<Vec<&'a str>, String> {
    let Some(value) = object.get(name) else { return Ok(Vec::new()) };
    let all = value.as_array().and_then(|values| values.iter().map(Json::as_str).collect::<Option<Vec<_>>>());
    all.ok_or_else(|| format!("{name} is not a list of strings"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<AvroSchema, String> {
        AvroSchema::read(text, std::iter::empty())
    }

    #[test]
    fn what_the_specification_forbids_is_refused() {
        for (text, why) in [
            ("string", "expected"),
            (r#""strin""#, "Undefined schema: strin"),
            (r#"{"type":"array"}"#, "no items"),
            (r#"{"type":"record","name":"R"}"#, "no fields"),
            (r#"{"type":"record","name":"a-b","fields":[]}"#, "Illegal character"),
            (r#"{"type":"record","name":"a..b","fields":[]}"#, "Illegal character"),
            (r#"{"type":"record","name":"R","fields":[{"name":"1a","type":"int"}]}"#, "Illegal character"),
            (r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}"#, "Duplicate field a"),
            (r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":"x"}]}"#, "Invalid default for field a"),
            (r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":2147483648}]}"#, "Invalid default"),
            (r#"{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"fixed","name":"R","size":1}}]}"#, "Can't redefine: R"),
            (r#"["int","int"]"#, "Duplicate in union: int"),
            (r#"["int",["null"]]"#, "Nested union"),
            (r#"{"type":"enum","name":"E","symbols":["A","A"]}"#, "Duplicate enum symbol"),
            (r#"{"type":"enum","name":"E","symbols":["A"],"default":"B"}"#, "not in the enum symbol set"),
            (r#"{"type":"fixed","name":"F","size":-1}"#, "size"),
            (r#"{"type":"fixed","name":"int","size":1}"#, "primitives"),
            ("5", "Cannot parse"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(read(&format!("{}{}", "[".repeat(200), "]".repeat(200))).is_err(), "too deep");
    }

    #[test]
    fn names_are_found_in_their_namespace_and_in_references() {
        let inside = r#"{"type":"record","name":"a.b.R","fields":[
            {"name":"f","type":{"type":"fixed","name":"F","size":2}}, {"name":"g","type":"F"},{"name":"h","type":"a.b.F"},
            {"name":"me","type":["null","R"],"default":null}]}"#;
        assert!(read(inside).is_ok());
        let user = r#"{"type":"record","name":"U","fields":[{"name":"r","type":"a.b.R"},{"name":"f","type":{"type":"a.b.F"}}]}"#;
        assert!(read(user).is_err());
        assert!(AvroSchema::read(user, std::iter::once(inside)).is_ok());
    }
}
