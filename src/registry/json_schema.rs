//! JSON Schema: reading, and a sound part of "everything that was valid is valid".
//!
//! [`obstacles`] looks for the reader accepting every value that the writer accepts. It understands `type`, `properties`,
//! `required`, `additionalProperties`, `items`, `enum`, `const`, `anyOf` and `oneOf`, limits of numbers, lengths and counts, and
//! `$ref` into the same document; what only describes (`title`, `default`, `connect.type`, ...) is passed over. **Any other
//! keyword is a restriction that is not understood: it is compatible where both sides have it alike, and incompatible
//! otherwise.** So a change that Confluent's registry would allow may be refused here, never the other way round.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value as Json};

/// Keywords that restrict nothing.
const DESCRIBING: [&str; 16] = [
    "$schema",
    "$id",
    "id",
    "$comment",
    "$anchor",
    "$defs",
    "definitions",
    "title",
    "description",
    "default",
    "examples",
    "example",
    "deprecated",
    "readOnly",
    "writeOnly",
    "contentMediaType",
];
/// Keywords that this file compares.
const UNDERSTOOD: [&str; 9] = ["type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "oneOf"];
/// Keywords whose meaning depends on others beside them: the same on both sides says nothing.
const DEPENDENT: [&str; 12] = [
    "additionalItems",
    "prefixItems",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contains",
    "minContains",
    "maxContains",
    "if",
    "then",
    "else",
    "$dynamicRef",
    "$recursiveRef",
];
/// Lower limits: what the reader asks for may be no more.
const LOWER: [&str; 5] = ["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"];
/// Upper limits: what the reader allows may be no less.
const UPPER: [&str; 5] = ["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"];
/// The types there are.
const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];
/// Schemas within schemas, references followed.
const DEPTH_MAX: usize = 100;
/// Pairs of schemas that are compared.
const STEPS_MAX: usize = 100_000;
/// What all these pairs weigh together, by [`weigh`]: each is walked as a whole.
const WEIGHT_MAX: usize = 10_000_000;
/// More reasons than this are not told.
const TOLD_MAX: usize = 100;

/// A schema that was read.
#[derive(Debug)]
pub struct JsonSchema {
    json: Json,
    /// `$ref` is followed: there is no `$id` inside that changes what it is relative to.
    is_plain: bool,
}

impl JsonSchema {
    /// Reads a schema: JSON, and the right kind of value behind the keywords that matter.
    pub fn read(text: &str) -> Result<Self, String> {
        // serde_json refuses more than 128 levels.
        let json: Json = serde_json::from_str(text).map_err(|error| error.to_string())?;
        check(&json, "#")?;
        let is_plain = json.as_object().is_none_or(|object| !object.values().any(has_id));
        Ok(Self { json, is_plain })
    }

    /// What a `$ref` into this document names.
    fn follow(&self, target: &Json) -> Option<&Json> {
        self.json.pointer(target.as_str()?.strip_prefix('#')?).filter(|_| self.is_plain)
    }

    /// The text without spaces; `normalize` sorts the keywords.
    pub fn text(&self, normalize: bool) -> String {
        let mut json = self.json.clone();
        if normalize {
            json.sort_all_objects();
        }
        json.to_string()
    }
}

fn check(schema: &Json, at: &str) -> Result<(), String> {
    let object = match schema {
        Json::Bool(_) => return Ok(()),
        Json::Object(object) => object,
        _ => return Err(format!("{at} is neither an object nor a boolean")),
    };
    if let Some(kind) = object.get("type") {
        let names = kind.as_array().map_or_else(|| vec![kind], |names| names.iter().collect());
        if names.is_empty() || !names.iter().all(|name| name.as_str().is_some_and(|name| TYPES.contains(&name))) {
            return Err(format!("{at}/type: {kind} is no type"));
        }
    }
    for keyword in ["properties", "patternProperties", "definitions", "$defs"] {
        let Some(inner) = object.get(keyword) else { continue };
        let inner = inner.as_object().ok_or_else(|| format!("{at}/{keyword} is no object"))?;
        inner.iter().try_for_each(|(name, schema)| check(schema, &format!("{at}/{keyword}/{name}")))?;
    }
    for keyword in ["anyOf", "oneOf", "allOf"] {
        let Some(inner) = object.get(keyword) else { continue };
        let inner = inner.as_array().filter(|inner| !inner.is_empty()).ok_or_else(|| format!("{at}/{keyword} is no list of schemas"))?;
        inner.iter().try_for_each(|schema| check(schema, &format!("{at}/{keyword}")))?;
    }
    for keyword in ["not", "additionalProperties", "contains", "propertyNames", "if", "then", "else"] {
        object.get(keyword).map_or(Ok(()), |schema| check(schema, &format!("{at}/{keyword}")))?;
    }
    if let Some(required) = object.get("required")
        && !required.as_array().is_some_and(|names| names.iter().all(Json::is_string))
    {
        return Err(format!("{at}/required is no list of names"));
    }
    match object.get("enum") {
        Some(values) if !values.is_array() => Err(format!("{at}/enum is no list")),
        _ => Ok(()),
    }
}

/// Why `reader` does not accept everything that `writer` accepts; empty when it does.
pub fn obstacles(reader: &JsonSchema, writer: &JsonSchema) -> Vec<String> {
    let nothing = Map::new();
    let mut weights = HashMap::new();
    weigh(&reader.json, &mut weights);
    weigh(&writer.json, &mut weights);
    let same = reader.json == writer.json;
    let mut check = Check { reader, writer, same, weights, nothing: &nothing, depth: 0, steps: 0, weight: 0, told: Vec::new() };
    let accepts = check.accepts(&reader.json, &writer.json, "#", true);
    if !accepts && check.told.is_empty() {
        check.told.push("the schemas differ".to_owned());
    }
    check.told
}

struct Check<'a> {
    reader: &'a JsonSchema,
    writer: &'a JsonSchema,
    /// The documents are equal.
    same: bool,
    /// What every value of both documents weighs, by its place in memory.
    weights: HashMap<*const Json, usize>,
    /// The keywords of a schema that has none.
    nothing: &'a Map<String, Json>,
    depth: usize,
    steps: usize,
    weight: usize,
    told: Vec<String>,
}

impl<'a> Check<'a> {
    fn accepts(&mut self, reader: &'a Json, writer: &'a Json, at: &str, tell: bool) -> bool {
        self.steps += 1;
        let of = |json: &Json| self.weights.get(&std::ptr::from_ref(json)).copied().unwrap_or(1);
        self.weight = self.weight.saturating_add(of(reader) + of(writer) + at.len() / TEXT_OF_ONE);
        if self.depth > DEPTH_MAX || self.steps > STEPS_MAX || self.weight > WEIGHT_MAX {
            return self.tell(true, "NOT_LOOKED_AT", at, "the schemas are too deep or too large to be compared");
        }
        self.depth += 1;
        let accepts = self.look(reader, writer, at, tell);
        self.depth -= 1;
        accepts
    }

    fn look(&mut self, reader: &'a Json, writer: &'a Json, at: &str, tell: bool) -> bool {
        let (reader_keywords, writer_keywords) = match (reader, writer) {
            (Json::Bool(true), _) | (_, Json::Bool(false)) => return true,
            (Json::Object(reader), _) if reader.keys().all(|keyword| is_describing(keyword)) => return true,
            (Json::Object(reader), Json::Object(writer)) => (reader, writer),
            (Json::Object(reader), _) => (reader, self.nothing),
            _ => return self.tell(tell, "NOTHING_ACCEPTED", at, "the reader's schema accepts nothing"),
        };
        // Equal schemas accept the same, as long as what they refer to is in both of them, and the same.
        if reader == writer && (!refers(reader) || self.reader.is_plain && self.same && !refers_outside(reader)) {
            return true;
        }
        if let Some(target) = writer_keywords.get("$ref") {
            // What stands beside it only accepts less.
            return match self.writer.follow(target) {
                Some(meant) => self.accepts(reader, meant, at, tell),
                None => self.tell(tell, "NOT_UNDERSTOOD", at, "a \"$ref\" that leads out of the schema is not followed"),
            };
        }
        if let Some(target) = reader_keywords.get("$ref") {
            let alone = reader_keywords.keys().all(|keyword| keyword == "$ref" || is_describing(keyword));
            return match self.reader.follow(target).filter(|_| alone) {
                Some(meant) => self.accepts(meant, writer, at, tell),
                None => self.tell(tell, "NOT_UNDERSTOOD", at, "a \"$ref\" that leads out of the schema is not followed"),
            };
        }
        // Every value of a writer's alternative is a value of the writer.
        for keyword in ["anyOf", "oneOf"] {
            if let Some(Json::Array(branches)) = writer_keywords.get(keyword)
                && writer_keywords.keys().all(|key| key == keyword || is_describing(key))
            {
                return branches.iter().all(|branch| self.accepts(reader, branch, &format!("{at}/{keyword}"), tell));
            }
        }
        let mut all = true;
        for (keyword, value) in reader_keywords {
            let keyword = keyword.as_str();
            let fits = match keyword {
                keyword if is_describing(keyword) => true,
                keyword if DEPENDENT.contains(&keyword) => false,
                "additionalProperties" => self.additional_fits(value, reader_keywords, writer_keywords, at, tell),
                "items" => self.items_fit(value, reader_keywords, writer_keywords, at, tell),
                keyword if writer_keywords.get(keyword) == Some(value) && !refers(value) => true,
                "type" => type_fits(value, writer_keywords),
                "required" => required_fits(value, writer_keywords),
                "enum" | "const" => values_fit(reader_keywords, writer_keywords),
                "anyOf" | "oneOf" => {
                    let Json::Array(branches) = value else { return false };
                    // Exactly one must fit: that is sure only where no two of them have a type in common.
                    (keyword == "anyOf" || apart(branches)) && branches.iter().any(|branch| self.accepts(branch, writer, at, false))
                }
                "properties" => self.properties_fit(reader_keywords, writer_keywords, at, tell),
                keyword if LOWER.contains(&keyword) => {
                    limit(writer_keywords, keyword).is_some_and(|written| Some(written) >= value.as_f64())
                }
                keyword if UPPER.contains(&keyword) => {
                    limit(writer_keywords, keyword).is_some_and(|written| Some(written) <= value.as_f64())
                }
                _ => false,
            };
            if !fits && !UNDERSTOOD.contains(&keyword) && !LOWER.contains(&keyword) && !UPPER.contains(&keyword) {
                self.tell(tell, "NOT_UNDERSTOOD", at, &format!("\"{keyword}\" is not the same and is not compared"));
            } else if !fits {
                self.tell(tell, "NARROWED", at, &format!("\"{keyword}\" accepts less than before"));
            }
            all &= fits;
        }
        all
    }

    /// Elements, where all of an array have one schema.
    fn items_fit(&mut self, items: &'a Json, reader: &'a Map<String, Json>, writer: &'a Map<String, Json>, at: &str, tell: bool) -> bool {
        if !may_be(writer, "array") {
            return true;
        }
        let at = format!("{at}/items");
        match writer.get("items").unwrap_or(&Json::Bool(true)) {
            Json::Array(_) => false,
            _ if items.is_array() || reader.contains_key("prefixItems") || writer.contains_key("prefixItems") => false,
            written => self.accepts(items, written, &at, tell),
        }
    }

    /// Each property of the reader accepts what the writer has there, named or not.
    fn properties_fit(&mut self, reader: &'a Map<String, Json>, writer: &'a Map<String, Json>, at: &str, tell: bool) -> bool {
        if !may_be(writer, "object") {
            return true;
        }
        let Some(Json::Object(properties)) = reader.get("properties") else { return false };
        if writer.contains_key("patternProperties") {
            return false;
        }
        properties.iter().fold(true, |all, (name, schema)| {
            let written = writer.get("properties").and_then(|properties| properties.get(name));
            let written = written.or_else(|| writer.get("additionalProperties")).unwrap_or(&Json::Bool(true));
            self.accepts(schema, written, &format!("{at}/properties/{name}"), tell) && all
        })
    }

    /// What the reader has no name for, and the writer may write.
    fn additional_fits(
        &mut self,
        allowed: &'a Json,
        reader: &'a Map<String, Json>,
        writer: &'a Map<String, Json>,
        at: &str,
        tell: bool,
    ) -> bool {
        if !may_be(writer, "object") {
            return true;
        }
        if writer.contains_key("patternProperties") || reader.contains_key("patternProperties") {
            return false;
        }
        let at = format!("{at}/additionalProperties");
        let named = |name: &str| reader.get("properties").is_some_and(|properties| properties.get(name).is_some());
        let written = writer.get("properties").and_then(Json::as_object);
        let extra = written.into_iter().flatten().filter(|(name, _)| !named(name));
        let extra_fits = extra.fold(true, |all, (_, schema)| self.accepts(allowed, schema, &at, tell) && all);
        extra_fits & self.accepts(allowed, writer.get("additionalProperties").unwrap_or(&Json::Bool(true)), &at, tell)
    }

    fn tell(&mut self, tell: bool, kind: &str, at: &str, why: &str) -> bool {
        if tell && self.told.len() < TOLD_MAX {
            self.told.push(format!("{{errorType:'{kind}', description:'{why}', path:'{at}'}}"));
        }
        false
    }
}

/// Bytes of text that weigh as much as one value.
const TEXT_OF_ONE: usize = 64;

/// What walking a value costs: its values, and its texts by their length. Notes it of every value inside too.
fn weigh(json: &Json, weights: &mut HashMap<*const Json, usize>) -> usize {
    let weight = match json {
        Json::Object(object) => object.iter().map(|(name, value)| name.len() / TEXT_OF_ONE + weigh(value, weights)).sum(),
        Json::Array(values) => values.iter().map(|value| weigh(value, weights)).sum(),
        Json::String(text) => text.len() / TEXT_OF_ONE,
        _ => 0,
    } + 1;
    weights.insert(std::ptr::from_ref(json), weight);
    weight
}

fn is_describing(keyword: &str) -> bool {
    DESCRIBING.contains(&keyword) || keyword.starts_with("connect.") || keyword.starts_with("confluent:")
}

/// Whether a keyword that passes stands anywhere inside.
fn anywhere(json: &Json, test: &impl Fn(&str, &Json) -> bool) -> bool {
    match json {
        Json::Object(object) => object.iter().any(|(name, value)| test(name, value) || anywhere(value, test)),
        Json::Array(values) => values.iter().any(|value| anywhere(value, test)),
        _ => false,
    }
}

fn refers(json: &Json) -> bool {
    anywhere(json, &|name, _| matches!(name, "$ref" | "$dynamicRef" | "$recursiveRef"))
}

fn refers_outside(json: &Json) -> bool {
    let outside = |target: &Json| !target.as_str().is_some_and(|target| target.starts_with('#'));
    anywhere(json, &|name, value| matches!(name, "$dynamicRef" | "$recursiveRef") || (name == "$ref" && outside(value)))
}

fn has_id(json: &Json) -> bool {
    anywhere(json, &|name, value| matches!(name, "$id" | "id") && value.is_string())
}

/// The types a schema accepts; all of them when it does not say.
fn types(keywords: &Map<String, Json>) -> Vec<&str> {
    match keywords.get("type") {
        Some(Json::String(name)) => vec![name],
        Some(Json::Array(names)) => names.iter().filter_map(Json::as_str).collect(),
        _ => match keywords.get("const").map(std::slice::from_ref).or_else(|| keywords.get("enum")?.as_array().map(Vec::as_slice)) {
            Some(values) => values.iter().map(type_of).collect(),
            None => TYPES.to_vec(),
        },
    }
}

fn may_be(keywords: &Map<String, Json>, name: &str) -> bool {
    types(keywords).contains(&name)
}

fn type_of(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(number) if number.is_f64() => "number",
        Json::Number(_) => "integer",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

fn type_fits(reader: &Json, writer: &Map<String, Json>) -> bool {
    let accepted: HashSet<&str> = match reader {
        Json::Array(names) => names.iter().filter_map(Json::as_str).collect(),
        name => name.as_str().into_iter().collect(),
    };
    types(writer).iter().all(|name| accepted.contains(name) || (*name == "integer" && accepted.contains("number")))
}

fn required_fits(reader: &Json, writer: &Map<String, Json>) -> bool {
    let written: HashSet<&Json> = writer.get("required").and_then(Json::as_array).into_iter().flatten().collect();
    !may_be(writer, "object") || reader.as_array().into_iter().flatten().all(|name| written.contains(name))
}

fn values_fit(reader: &Map<String, Json>, writer: &Map<String, Json>) -> bool {
    fn values(keywords: &Map<String, Json>) -> Option<HashSet<&Json>> {
        match (keywords.get("const"), keywords.get("enum")) {
            (Some(value), None) => Some(HashSet::from([value])),
            (None, Some(Json::Array(values))) => Some(values.iter().collect()),
            _ => None,
        }
    }
    match (values(reader), values(writer)) {
        (Some(accepted), Some(written)) => written.iter().all(|value| accepted.contains(value)),
        _ => false,
    }
}

/// Whether no value can be of two of these.
fn apart(branches: &[Json]) -> bool {
    let mut seen: HashSet<&str> = HashSet::new();
    branches.iter().all(|branch| {
        let Some(keywords) = branch.as_object().filter(|keywords| keywords.contains_key("type")) else { return false };
        let own = types(keywords);
        let clash = own.iter().any(|name| {
            seen.contains(name) || (*name == "integer" && seen.contains("number")) || (*name == "number" && seen.contains("integer"))
        });
        seen.extend(own);
        !clash
    })
}

fn limit(keywords: &Map<String, Json>, keyword: &str) -> Option<f64> {
    keywords.get(keyword).and_then(Json::as_f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> JsonSchema {
        JsonSchema::read(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_reader_accepts_what_the_writer_accepts_or_says_why_not() {
        let closed = |properties: &str, required: &str| {
            format!(r#"{{"type":"object","properties":{{{properties}}},"required":[{required}],"additionalProperties":false}}"#)
        };
        let open = |properties: &str| format!(r#"{{"type":"object","properties":{{{properties}}}}}"#);
        let (a, b) = (r#""a":{"type":"integer"}"#, r#""b":{"type":"string"}"#);
        for (reader, writer, obstacle) in [
            ("true", r#"{"type":"string"}"#, None),
            ("{}", r#"{"type":"string"}"#, None),
            (r#"{"type":"string"}"#, "{}", Some("type")),
            ("false", "{}", Some("NOTHING_ACCEPTED")),
            (r#"{"type":"number"}"#, r#"{"type":"integer"}"#, None),
            (r#"{"type":"integer"}"#, r#"{"type":"number"}"#, Some("type")),
            (r#"{"type":["null","string"],"title":"x"}"#, r#"{"type":"string"}"#, None),
            (r#"{"type":"string"}"#, r#"{"type":["null","string"]}"#, Some("type")),
            (r#"{"type":"string"}"#, r#"{"enum":["a"]}"#, None),
            (&closed(&format!("{a},{b}"), ""), &closed(a, ""), None),
            (&closed(a, ""), &closed(&format!("{a},{b}"), ""), Some("additionalProperties")),
            (&open(&format!("{a},{b}")), &open(a), Some("/properties/b")),
            (&open(a), &open(&format!("{a},{b}")), None),
            (&closed(a, ""), &closed(a, "\"a\""), None),
            (&closed(a, "\"a\""), &closed(a, ""), Some("required")),
            (r#"{"type":"array","items":{"type":"number"}}"#, r#"{"type":"array","items":{"type":"integer"}}"#, None),
            (r#"{"type":"array","items":{"type":"integer"}}"#, r#"{"type":"array"}"#, Some("items")),
            (r#"{"enum":["a","b"]}"#, r#"{"const":"a"}"#, None),
            (r#"{"enum":["a"]}"#, r#"{"enum":["a","b"]}"#, Some("enum")),
            (r#"{"oneOf":[{"type":"null"},{"type":"integer"}]}"#, r#"{"type":"integer"}"#, None),
            (r#"{"oneOf":[{"type":"number"},{"type":"integer"}]}"#, r#"{"type":"integer"}"#, Some("oneOf")),
            (r#"{"anyOf":[{"type":"number"},{"type":"integer"}]}"#, r#"{"type":"integer"}"#, None),
            (r#"{"type":"integer"}"#, r#"{"oneOf":[{"type":"null"},{"type":"integer"}]}"#, Some("type")),
            (r#"{"type":["null","integer"]}"#, r#"{"oneOf":[{"type":"null"},{"type":"integer"}]}"#, None),
            (r#"{"type":"integer","minimum":0}"#, r#"{"type":"integer","minimum":5}"#, None),
            (r#"{"type":"integer","minimum":6}"#, r#"{"type":"integer","minimum":5}"#, Some("minimum")),
            (r#"{"type":"string","maxLength":6}"#, r#"{"type":"string"}"#, Some("maxLength")),
            (r#"{"type":"string","pattern":"a"}"#, r#"{"type":"string","pattern":"a"}"#, None),
            (r#"{"type":"string","pattern":"a*"}"#, r#"{"type":"string","pattern":"a"}"#, Some("NOT_UNDERSTOOD")),
            (
                r##"{"$ref":"#/$defs/x","$defs":{"x":{"type":"number"}}}"##,
                r##"{"$ref":"#/$defs/x","$defs":{"x":{"type":"integer"}}}"##,
                None,
            ),
            (
                r##"{"$ref":"#/$defs/x","$defs":{"x":{"type":"integer"}}}"##,
                r##"{"$ref":"#/$defs/x","$defs":{"x":{"type":"number"}}}"##,
                Some("type"),
            ),
            (r#"{"$ref":"other.json"}"#, r#"{"type":"string"}"#, Some("$ref")),
        ] {
            let found = obstacles(&read(reader), &read(writer));
            match obstacle {
                None => assert!(found.is_empty(), "{reader} of {writer}: {found:?}"),
                Some(text) => assert!(found.iter().any(|told| told.contains(text)), "{reader} of {writer}: {found:?}"),
            }
        }
    }

    #[test]
    fn large_documents_are_compared_soon_or_not_at_all() {
        let names = |from: usize| (from..from + 80_000).map(|at| format!("\"n{at}\"")).collect::<Vec<_>>().join(",");
        let before = std::time::Instant::now();
        for keyword in ["enum", "required"] {
            let of = |from: usize| read(&format!(r#"{{"{keyword}":[{}],"title":"{from}"}}"#, names(from)));
            let told = obstacles(&of(1), &of(0));
            assert!(told.iter().any(|told| told.contains("NARROWED")), "{keyword}: {told:?}");
        }
        // Every property refers to the one large definition.
        let properties: Vec<String> = (0..1_000).map(|at| format!(r##""p{at}":{{"$ref":"#/$defs/x"}}"##)).collect();
        let many = |title: &str| {
            let (properties, names) = (properties.join(","), names(0));
            read(&format!(r##"{{"title":"{title}","properties":{{{properties}}},"$defs":{{"x":{{"enum":[{names}]}}}}}}"##))
        };
        let told = obstacles(&many("a"), &many("b"));
        assert!(told.iter().any(|told| told.contains("NOT_LOOKED_AT")), "{told:?}");
        assert!(before.elapsed().as_secs() < 20, "{:?}", before.elapsed());
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let tree = |kind: &str| {
            read(&format!(
                r##"{{"type":"object","properties":{{"v":{{"type":"{kind}"}},"next":{{"$ref":"#"}}}},"additionalProperties":false}}"##
            ))
        };
        let told = obstacles(&tree("number"), &tree("integer"));
        assert!(told.iter().all(|told| told.contains("NOT_LOOKED_AT") || told.contains("NARROWED")) && !told.is_empty(), "{told:?}");
        assert!(obstacles(&tree("number"), &tree("number")).is_empty());
        assert!(!obstacles(&read(r##"{"$ref":"#"}"##), &read("{}")).is_empty());
    }

    #[test]
    fn only_a_schema_is_read_and_spaces_make_no_difference() {
        for text in
            ["5", "{", r#"{"type":"strin"}"#, r#"{"properties":[]}"#, r#"{"required":"a"}"#, r#"{"anyOf":[]}"#, r#"{"properties":{"a":1}}"#]
        {
            assert!(JsonSchema::read(text).is_err(), "{text}");
        }
        let schema = read(r#" { "type" : "object", "properties": {"b":true, "a":{}} } "#);
        assert_eq!(schema.text(false), r#"{"type":"object","properties":{"b":true,"a":{}}}"#);
        assert_eq!(schema.text(true), r#"{"properties":{"a":{},"b":true},"type":"object"}"#);
    }
}
