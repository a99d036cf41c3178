//! Whether a reader's schema reads what a writer's schema wrote: Avro's rules of schema resolution.

use std::collections::{HashMap, HashSet};

use super::{AvroSchema, Field, Node, NodeId, Shape};

/// Schemas within schemas, names used again followed: deeper than this is not looked at.
const DEPTH_MAX: usize = 200;
/// Pairs of schemas, and names in them, that are compared, so that no two schemas occupy the machine.
const STEPS_MAX: usize = 1_000_000;
/// More reasons than this are not told.
const TOLD_MAX: usize = 100;

/// Why `reader` cannot read what `writer` describes; empty when it can.
pub fn obstacles(reader: &AvroSchema, writer: &AvroSchema) -> Vec<String> {
    let mut check = Check { reader, writer, known: HashMap::new(), trail: Vec::new(), steps: 0, depth: 0, told: Vec::new() };
    let reads = check.reads(reader.root, writer.root, "/", true);
    if !reads && check.told.is_empty() {
        check.told.push("the schemas cannot be resolved".to_owned());
    }
    check.told
}

struct Check<'a> {
    reader: &'a AvroSchema,
    writer: &'a AvroSchema,
    /// Pairs looked at. One that is being looked at counts as fitting: it is what it contains that decides.
    known: HashMap<(NodeId, NodeId), bool>,
    /// Pairs that fit, in the order they were found: they may rest on one above them that then does not.
    trail: Vec<(NodeId, NodeId)>,
    steps: usize,
    depth: usize,
    told: Vec<String>,
}

impl Check<'_> {
    fn reads(&mut self, reader: NodeId, writer: NodeId, path: &str, tell: bool) -> bool {
        let pair = (reader, writer);
        if let Some(known) = self.known.get(&pair)
            && (*known || !tell)
        {
            return *known;
        }
        self.steps += 1 + names(self.reader.node(reader)) + names(self.writer.node(writer));
        if self.steps > STEPS_MAX || self.depth > DEPTH_MAX {
            let why = "the schemas are too deep or too large to be compared";
            return self.tell(true, "NOT_LOOKED_AT", path, why.to_owned());
        }
        self.depth += 1;
        let mark = self.trail.len();
        self.known.insert(pair, true);
        self.trail.push(pair);
        let fits = self.look(reader, writer, path, tell);
        if !fits {
            for undone in self.trail.drain(mark..) {
                self.known.remove(&undone);
            }
            self.known.insert(pair, false);
        }
        self.depth -= 1;
        fits
    }

    fn look(&mut self, reader_id: NodeId, writer_id: NodeId, path: &str, tell: bool) -> bool {
        let (reader_schema, writer_schema) = (self.reader, self.writer);
        let (reader, writer) = (reader_schema.node(reader_id), writer_schema.node(writer_id));
        match (&reader.shape, &writer.shape) {
            (_, Shape::Union(branches)) => branches.iter().enumerate().fold(true, |fits, (at, branch)| {
                let reads = self.reads(reader_id, *branch, &format!("{path}{at}/"), tell && !matches!(reader.shape, Shape::Union(_)));
                let missing = || format!("reader union lacking writer type: {}", writer_schema.node(*branch).shape.name().to_uppercase());
                if !reads && matches!(reader.shape, Shape::Union(_)) {
                    self.tell(tell, "MISSING_UNION_BRANCH", path, missing());
                }
                fits && reads
            }),
            (Shape::Union(branches), _) => {
                let any = branches.iter().any(|branch| self.reads(*branch, writer_id, path, false));
                any || self.tell(tell, "MISSING_UNION_BRANCH", path, format!("reader union lacking writer type: {}", upper(writer)))
            }
            (Shape::Array(reader), Shape::Array(writer)) => self.reads(*reader, *writer, &format!("{path}items/"), tell),
            (Shape::Map(reader), Shape::Map(writer)) => self.reads(*reader, *writer, &format!("{path}values/"), tell),
            (Shape::Record { fields, .. }, Shape::Record { fields: written, .. }) => {
                let named = self.names_fit(reader, writer, path, tell);
                named & self.fields(fields, written, path, tell)
            }
            (Shape::Enum { symbols, default }, Shape::Enum { symbols: written, .. }) => {
                let known: HashSet<&String> = symbols.iter().collect();
                let missing: Vec<&str> = written.iter().filter(|symbol| !known.contains(symbol)).map(String::as_str).collect();
                let fits = missing.is_empty() || default.is_some();
                let named = self.names_fit(reader, writer, path, tell);
                named & (fits || self.tell(tell, "MISSING_ENUM_SYMBOLS", path, format!("reader lacks the symbols {missing:?}")))
            }
            (Shape::Fixed(expected), Shape::Fixed(found)) => {
                let named = self.names_fit(reader, writer, path, tell);
                let fits = expected == found;
                named & (fits || self.tell(tell, "FIXED_SIZE_MISMATCH", path, format!("expected: {expected}, found: {found}")))
            }
            (Shape::Long, Shape::Int)
            | (Shape::Float, Shape::Int | Shape::Long)
            | (Shape::Double, Shape::Int | Shape::Long | Shape::Float)
            | (Shape::Bytes, Shape::String)
            | (Shape::String, Shape::Bytes) => true,
            (a, b) if a == b => true,
            _ => self.tell(
                tell,
                "TYPE_MISMATCH",
                path,
                format!("reader type: {} not compatible with writer type: {}", upper(reader), upper(writer)),
            ),
        }
    }

    /// Named types are the same by their name without namespace, or by an alias of the reader.
    fn names_fit(&mut self, reader: &Node, writer: &Node, path: &str, tell: bool) -> bool {
        let (Some(reader), Some(writer)) = (&reader.named, &writer.named) else { return true };
        let fits = reader.name.name == writer.name.name || reader.aliases.contains(&writer.name);
        fits || self.tell(tell, "NAME_MISMATCH", path, format!("expected: {}", writer.name.full()))
    }

    fn fields(&mut self, fields: &[Field], written: &[Field], path: &str, tell: bool) -> bool {
        let mut all = true;
        let by_name: HashMap<&String, &Field> = written.iter().map(|written| (&written.name, written)).collect();
        for (at, field) in fields.iter().enumerate() {
            let names = std::iter::once(&field.name).chain(&field.aliases);
            let found = names.filter_map(|name| by_name.get(name)).next();
            let path = format!("{path}fields/{at}/");
            all &= match found {
                Some(written) => self.reads(field.schema, written.schema, &format!("{path}type/"), tell),
                None if field.default.is_some() => true,
                None if matches!(&self.reader.node(field.schema).shape, Shape::Enum { default: Some(_), .. }) => true,
                None => self.tell(tell, "READER_FIELD_MISSING_DEFAULT_VALUE", &path, field.name.clone()),
            };
        }
        all
    }

    /// Says why not; false, so that it can stand for the answer.
    fn tell(&mut self, tell: bool, kind: &str, path: &str, why: String) -> bool {
        if tell && self.told.len() < TOLD_MAX {
            let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
            self.told.push(format!("{{errorType:'{kind}', description:'{why}', path:'{path}'}}"));
        }
        false
    }
}

/// The names that comparing a schema looks at.
fn names(node: &Node) -> usize {
    let aliases = node.named.as_ref().map_or(0, |named| named.aliases.len());
    aliases
        + match &node.shape {
            Shape::Record { fields, .. } => fields.iter().map(|field| 1 + field.aliases.len()).sum(),
            Shape::Enum { symbols, .. } => symbols.len(),
            _ => 0,
        }
}

fn upper(node: &Node) -> String {
    node.shape.name().to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> AvroSchema {
        AvroSchema::read(text, std::iter::empty()).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn record(fields: &str) -> String {
        format!(r#"{{"type":"record","name":"R","namespace":"n","fields":[{fields}]}}"#)
    }

    /// The rules of the specification, one by one: reader, writer, what is in the way.
    #[test]
    fn a_reader_reads_what_the_specification_says() {
        let int = record(r#"{"name":"a","type":"int"}"#);
        let long = record(r#"{"name":"a","type":"long"}"#);
        let two = record(r#"{"name":"a","type":"int"},{"name":"b","type":"int"}"#);
        let two_default = record(r#"{"name":"a","type":"int"},{"name":"b","type":"int","default":0}"#);
        let renamed = record(r#"{"name":"c","type":"int","aliases":["a"]}"#);
        let e1 = r#"{"type":"enum","name":"E","symbols":["A"]}"#;
        let e2 = r#"{"type":"enum","name":"E","symbols":["A","B"]}"#;
        let e1_default = r#"{"type":"enum","name":"E","symbols":["A"],"default":"A"}"#;
        let f = |name: &str, size: u32| format!(r#"{{"type":"fixed","name":"{name}","size":{size}}}"#);
        for (reader, writer, obstacle) in [
            (r#""long""#, r#""int""#, None),
            (r#""int""#, r#""long""#, Some("TYPE_MISMATCH")),
            (r#""double""#, r#""long""#, None),
            (r#""float""#, r#""double""#, Some("TYPE_MISMATCH")),
            (r#""string""#, r#""bytes""#, None),
            (r#""bytes""#, r#""string""#, None),
            (r#"{"type":"bytes","logicalType":"decimal","precision":4,"scale":1}"#, r#""bytes""#, None),
            (r#"["null","int"]"#, r#""int""#, None),
            (r#"["null","long"]"#, r#"["null","int"]"#, None),
            (r#""int""#, r#"["null","int"]"#, Some("TYPE_MISMATCH")),
            (r#""int""#, r#"["int"]"#, None),
            (r#"["null","int"]"#, r#"["null","string"]"#, Some("MISSING_UNION_BRANCH")),
            (r#"["null","int"]"#, r#""string""#, Some("MISSING_UNION_BRANCH")),
            (r#"{"type":"array","items":"long"}"#, r#"{"type":"array","items":"int"}"#, None),
            (r#"{"type":"array","items":"int"}"#, r#"{"type":"array","items":"long"}"#, Some("/items")),
            (r#"{"type":"map","values":"int"}"#, r#"{"type":"array","items":"int"}"#, Some("TYPE_MISMATCH")),
            (&long, &int, None),
            (&int, &long, Some("/fields/0/type")),
            (&int, &two, None),
            (&two, &int, Some("READER_FIELD_MISSING_DEFAULT_VALUE")),
            (&two_default, &int, None),
            (&renamed, &int, None),
            (&int, &renamed, Some("READER_FIELD_MISSING_DEFAULT_VALUE")),
            (e2, e1, None),
            (e1, e2, Some("MISSING_ENUM_SYMBOLS")),
            (e1_default, e2, None),
            (&f("F", 2), &f("F", 2), None),
            (&f("F", 2), &f("F", 3), Some("FIXED_SIZE_MISMATCH")),
            (&f("F", 2), &f("G", 2), Some("NAME_MISMATCH")),
            (r#"{"type":"fixed","name":"F","size":2,"aliases":["G"]}"#, &f("G", 2), None),
            (r#"{"type":"fixed","name":"x.F","size":2}"#, &f("F", 2), None),
        ] {
            let found = obstacles(&read(reader), &read(writer));
            match obstacle {
                None => assert!(found.is_empty(), "{reader} from {writer}: {found:?}"),
                Some(text) => assert!(found.iter().any(|told| told.contains(text)), "{reader} from {writer}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_name_used_again_is_looked_at_and_not_believed() {
        let tree = |kind: &str| {
            record(&format!(
                r#"{{"name":"l","type":{{"type":"record","name":"Leaf","fields":[{{"name":"v","type":"{kind}"}}]}}}},{{"name":"m","type":["null","Leaf"],"default":null}}"#
            ))
        };
        assert!(obstacles(&read(&tree("long")), &read(&tree("int"))).is_empty());
        assert!(!obstacles(&read(&tree("int")), &read(&tree("long"))).is_empty());
        // A list that contains itself, which ends.
        let list = |kind: &str| record(&format!(r#"{{"name":"next","type":["null","R"]}},{{"name":"v","type":"{kind}"}}"#));
        assert!(obstacles(&read(&list("long")), &read(&list("int"))).is_empty());
        assert!(!obstacles(&read(&list("int")), &read(&list("long"))).is_empty());
    }

    #[test]
    fn many_names_are_compared_soon_and_not_again_and_again() {
        let symbols = |prefix: &str| (0..60_000).map(|at| format!("\"{prefix}{at}\"")).collect::<Vec<_>>().join(",");
        let of = |prefix: &str| read(&format!(r#"{{"type":"enum","name":"E","symbols":[{}]}}"#, symbols(prefix)));
        let before = std::time::Instant::now();
        assert!(obstacles(&of("A"), &of("A")).is_empty());
        assert!(!obstacles(&of("A"), &of("B")).is_empty());
        assert!(before.elapsed().as_secs() < 10, "{:?}", before.elapsed());
    }

    #[test]
    fn chains_of_names_are_not_followed_without_end() {
        let link = |at: usize| match at {
            0 => r#"{"type":"record","name":"T0","fields":[]}"#.to_owned(),
            at => format!(r#"{{"type":"record","name":"T{at}","fields":[{{"name":"n","type":"T{}"}}]}}"#, at - 1),
        };
        let chain = |length: usize| {
            let links: Vec<String> = (0..length).map(link).collect();
            AvroSchema::read(&format!("\"T{}\"", length - 1), links.iter().map(String::as_str)).expect("valid")
        };
        assert_eq!(obstacles(&chain(50), &chain(50)), Vec::<String>::new());
        let told = obstacles(&chain(5_000), &chain(5_000));
        assert!(told.iter().any(|told| told.contains("NOT_LOOKED_AT")), "{told:?}");
    }
}
