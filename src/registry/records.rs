//! The registry's history as records: keys and values of Confluent's topic `_schemas`.
//!
//! ```text
//! {"keytype":"SCHEMA","subject":S,"version":V,"magic":1}   {"subject":S,"version":V,"id":N,"schemaType":T,"references":[..],
//!                                                            "schema":"..","deleted":false}; no value: gone for good
//! {"keytype":"CONFIG","subject":S or null,"magic":0}       {"subject":S,"compatibilityLevel":"FULL"}
//! {"keytype":"MODE","subject":S or null,"magic":0}         {"subject":S,"mode":"READONLY"}
//! {"keytype":"NOOP","magic":0}                             {"id":N}: ids up to N were given (Confluent passes it over)
//! ```
//! Only the newest record of a key counts, in any order: the topic is compacted. So deleting writes a version again with its
//! mark, where Confluent also writes `DELETE_SUBJECT`, which means something only in its place in the order.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::subjects::Change;
use super::{Kind, Level, Mode, Schema, Version};

/// A change as key and value.
pub fn write(change: &Change) -> (Vec<u8>, Option<Vec<u8>>) {
    let schema_key = |subject: &str, version: u32| json!({ "keytype": "SCHEMA", "subject": subject, "version": version, "magic": 1 });
    let (key, value) = match change {
        Change::Put(version) => (schema_key(&version.subject, version.version), Some(of_version(version))),
        Change::Forget { subject, version } => (schema_key(subject, *version), None),
        Change::Level(subject, level) => {
            let value = level.map(|level| json!({ "subject": subject, "compatibilityLevel": level.name() }));
            (json!({ "keytype": "CONFIG", "subject": subject, "magic": 0 }), value)
        }
        Change::Mode(subject, mode) => {
            let value = mode.map(|mode| json!({ "subject": subject, "mode": mode.name() }));
            (json!({ "keytype": "MODE", "subject": subject, "magic": 0 }), value)
        }
        Change::Given(id) => (json!({ "keytype": "NOOP", "magic": 0 }), Some(json!({ "id": id }))),
    };
    (key.to_string().into_bytes(), value.map(|value| value.to_string().into_bytes()))
}

fn of_version(version: &Version) -> Json {
    let mut value = Map::new();
    value.insert("subject".into(), version.subject.clone().into());
    value.insert("version".into(), version.version.into());
    value.insert("id".into(), version.id.into());
    let schema = &version.schema;
    if schema.kind != Kind::Avro {
        value.insert("schemaType".into(), schema.kind.name().into());
    }
    if !schema.references.is_empty() {
        value.insert("references".into(), json!(schema.references));
    }
    value.insert("schema".into(), schema.text.clone().into());
    value.insert("deleted".into(), version.deleted.into());
    Json::Object(value)
}

/// A record as a change; `None` for one that means nothing here.
pub fn read(key: &[u8], value: &[u8]) -> Option<Change> {
    let key: Json = serde_json::from_slice(key).ok()?;
    let value: Json = serde_json::from_slice(value).ok()?;
    let subject = key.get("subject").and_then(Json::as_str).map(str::to_owned);
    let number = |name: &str| value.get(name).and_then(Json::as_u64).and_then(|number| u32::try_from(number).ok());
    Some(match key.get("keytype")?.as_str()? {
        "SCHEMA" => Change::Put(Version {
            subject: subject?,
            version: u32::try_from(key.get("version")?.as_u64()?).ok()?,
            id: number("id")?,
            schema: Arc::new(Schema {
                kind: value.get("schemaType").map_or(Some(Kind::Avro), |kind| Kind::parse(kind.as_str()?))?,
                text: value.get("schema")?.as_str()?.to_owned(),
                references: match value.get("references") {
                    None | Some(Json::Null) => Vec::new(),
                    Some(references) => serde_json::from_value(references.clone()).ok()?,
                },
            }),
            deleted: value.get("deleted").and_then(Json::as_bool).unwrap_or(false),
        }),
        "CONFIG" => Change::Level(subject, Some(Level::parse(value.get("compatibilityLevel")?.as_str()?)?)),
        "MODE" => Change::Mode(subject, Some(Mode::parse(value.get("mode")?.as_str()?)?)),
        "NOOP" => Change::Given(number("id")?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Reference;

    #[test]
    fn records_are_confluents_and_come_back() {
        let reference = Reference { name: "n".into(), subject: "s".into(), version: 2 };
        let schema = |kind, references| Arc::new(Schema { kind, text: "true".into(), references });
        let version = |schema, deleted| Version { subject: "a-value".into(), version: 3, id: 7, schema, deleted };
        for (change, key, value) in [
            (
                Change::Put(version(schema(Kind::Avro, vec![]), false)),
                r#"{"keytype":"SCHEMA","subject":"a-value","version":3,"magic":1}"#,
                r#"{"subject":"a-value","version":3,"id":7,"schema":"true","deleted":false}"#,
            ),
            (
                Change::Put(version(schema(Kind::Json, vec![reference]), true)),
                r#"{"keytype":"SCHEMA","subject":"a-value","version":3,"magic":1}"#,
                concat!(
                    r#"{"subject":"a-value","version":3,"id":7,"schemaType":"JSON","#,
                    r#""references":[{"name":"n","subject":"s","version":2}],"schema":"true","deleted":true}"#
                ),
            ),
            (
                Change::Level(None, Some(Level::Full)),
                r#"{"keytype":"CONFIG","subject":null,"magic":0}"#,
                r#"{"subject":null,"compatibilityLevel":"FULL"}"#,
            ),
            (
                Change::Mode(Some("a".into()), Some(Mode::Import)),
                r#"{"keytype":"MODE","subject":"a","magic":0}"#,
                r#"{"subject":"a","mode":"IMPORT"}"#,
            ),
            (Change::Given(9), r#"{"keytype":"NOOP","magic":0}"#, r#"{"id":9}"#),
        ] {
            let (written_key, written_value) = write(&change);
            assert_eq!(String::from_utf8_lossy(&written_key), key);
            let written_value = written_value.expect("a value");
            assert_eq!(String::from_utf8_lossy(&written_value), value);
            assert_eq!(read(&written_key, &written_value), Some(change));
        }
        assert_eq!(write(&Change::Forget { subject: "a".into(), version: 1 }).1, None);
    }

    #[test]
    fn a_record_that_means_nothing_is_passed_over() {
        for (key, value) in [("", ""), ("{}", "{}"), (r#"{"keytype":"SCHEMA"}"#, "{}"), (r#"{"keytype":"NOOP"}"#, "null"), ("5", "5")] {
            assert_eq!(read(key.as_bytes(), value.as_bytes()), None, "{key}");
        }
    }
}
