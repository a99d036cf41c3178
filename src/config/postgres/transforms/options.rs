//! What each transformation and predicate can be told: one row for each option, with its type, default and meaning.
//!
//! Owns the names, and what is shown of them: `/connector-plugins/X/config` and the tables of the documentation are made of
//! these rows, and an option that is in none of them is refused. Types, defaults and importance are Kafka Connect's and
//! Debezium's, but for `replace.null.with.default`. Leaves reading the values to [`super`].

use crate::config::define::{Importance, KeyType};

/// An option of a transformation or a predicate.
#[derive(Clone, Copy, Debug)]
pub struct PluginOption {
    /// Its name behind `transforms.x.`.
    pub name: &'static str,
    /// Its type.
    pub kind: KeyType,
    /// The value when it is not given.
    pub default: Option<&'static str>,
    /// Must be given.
    pub required: bool,
    /// One of these words; none: anything of the type.
    pub words: &'static [&'static str],
    /// How much users care.
    pub importance: Importance,
    /// One or two sentences.
    pub doc: &'static str,
}

impl PluginOption {
    const fn or(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    const fn needed(self) -> Self {
        Self { required: true, ..self }
    }

    const fn one_of(self, words: &'static [&'static str]) -> Self {
        Self { words, ..self }
    }
}

const fn of(kind: KeyType, importance: Importance, name: &'static str, doc: &'static str) -> PluginOption {
    PluginOption { name, kind, default: None, required: false, words: &[], importance, doc }
}

const fn text(importance: Importance, name: &'static str, doc: &'static str) -> PluginOption {
    of(KeyType::String, importance, name, doc)
}

const fn list(importance: Importance, name: &'static str, doc: &'static str) -> PluginOption {
    of(KeyType::List, importance, name, doc)
}

const fn flag(importance: Importance, name: &'static str, default: &'static str, doc: &'static str) -> PluginOption {
    of(KeyType::Boolean, importance, name, doc).or(default)
}

use Importance::{High, Low, Medium};

/// In every class that builds a row anew.
const NULLS: PluginOption = flag(
    Medium,
    "replace.null.with.default",
    "false",
    "A column's default stands where the row has NULL. Kafka Connect and Debezium do that unless they are told not to.",
);
const MOVE_OR_COPY: &[&str] = &["move", "copy"];
const LANGUAGE: PluginOption = text(High, "language", "The language of the expression.").needed().one_of(&[
    "jsr223.groovy",
    "groovy",
    "rowfeed",
    "jsr223.graal.js",
    "jsr223.js",
    "jsr223.javascript",
]);
const NULL_RECORDS: PluginOption =
    text(Low, "null.handling.mode", "What becomes of a record without value: it is kept, dropped, or given to the expression.")
        .or("keep")
        .one_of(&["keep", "drop", "evaluate"]);
const SCRIPTED_TOPICS: PluginOption =
    text(Low, "topic.regex", "Concerns records of topics whose whole names match this only; all without it.");

/// Filter of Debezium's, where Kafka Connect has one of the same name.
pub(super) const SCRIPTED_FILTER: &str = "scripting.Filter";

/// Each class by its short name.
pub(super) const CLASSES: &[(&str, &[PluginOption])] = &[
    (
        "ExtractNewRecordState",
        &[
            text(Medium, "delete.tombstone.handling.mode", "What becomes of a delete and of the tombstone behind it: both go; the tombstone stays; the delete stays with __deleted; both stay; the delete becomes the tombstone.")
                .or("tombstone")
                .one_of(&["drop", "tombstone", "rewrite", "rewrite-with-tombstone", "delete-to-tombstone"]),
            list(Low, "add.fields", "Fields of the envelope that are added to the row: op, ts_ms, source.lsn, lsn:position (with a name of its own).").or(""),
            text(Low, "add.fields.prefix", "What stands before the names of added fields.").or("__"),
            list(Low, "add.headers", "Fields of the envelope that become headers, written like add.fields.").or(""),
            text(Low, "add.headers.prefix", "What stands before the names of added headers.").or("__"),
            text(Low, "route.by.field", "A column whose text is the topic of the record; where it is empty the table's topic stays.").or(""),
            text(Low, "drop.fields.header.name", "A header with a list of columns that are left out of the row."),
            flag(Low, "drop.fields.from.key", "false", "Those columns are left out of the key, too."),
            flag(Low, "drop.fields.keep.schema.compatible", "true", "Of those columns only the optional ones are left out, so that the schema stays."),
            NULLS,
        ],
    ),
    (
        "ByLogicalTableRouter",
        &[
            text(Low, "topic.regex", "Topics whose whole names match this are renamed.").needed(),
            text(Low, "topic.replacement", "The new name, with $1 or ${name} for the groups of topic.regex.").needed(),
            flag(Low, "key.enforce.uniqueness", "true", "A field in the key says which topic the record was meant for, so that rows of several tables never share a key."),
            text(Low, "key.field.name", "The name of that field.").or("__dbz__physicalTableIdentifier"),
            text(Low, "key.field.regex", "What of the old topic's name goes into that field: its groups; all of it without."),
            text(Low, "key.field.replacement", "How those groups are put together. Needed with key.field.regex."),
            text(Low, "schema.name.adjustment.mode", "Names of schemas are changed for Avro or not: here they are legal already.").or("none").one_of(&["none"]),
            of(KeyType::Int, Low, "logical.table.cache.size", "Accepted, without effect: topics are renamed once, when a table is first seen.").or("16"),
        ],
    ),
    (
        "RegexRouter",
        &[
            text(High, "regex", "Topics whose whole names match this are renamed.").needed(),
            text(High, "replacement", "The new name, with $1 or ${name} for the groups of regex.").needed(),
        ],
    ),
    (
        "ReplaceField",
        &[
            list(Medium, "include", "Only these fields stay; all without it.").or(""),
            list(Medium, "exclude", "These fields go, also where include names them.").or(""),
            list(Medium, "renames", "Fields with new names: old:new,old:new.").or(""),
            list(Low, "whitelist", "The old name of include.").or(""),
            list(Low, "blacklist", "The old name of exclude.").or(""),
            NULLS,
        ],
    ),
    (
        "MaskField",
        &[
            list(High, "fields", "Fields whose values are replaced.").needed(),
            text(Low, "replacement", "What stands there instead; without it the zero of the type: an empty text, 0, false."),
            NULLS,
        ],
    ),
    (
        "InsertField",
        &[
            text(Medium, "topic.field", "A field with the record's topic. A name that ends with ! is required, with ? optional, which it is without either, too."),
            text(Medium, "static.field", "A field with always the same text; ! and ? as in topic.field."),
            text(Medium, "static.value", "That text. Needed with static.field."),
            text(Medium, "partition.field", "Refused: a source's records have no partition yet."),
            text(Medium, "offset.field", "Refused: a source's records have no offset yet."),
            text(Medium, "timestamp.field", "Refused: a source's records have no timestamp yet."),
            NULLS,
        ],
    ),
    (
        "ExtractField",
        &[
            text(Medium, "field", "The field that takes the place of the whole.").needed(),
            text(High, "syntax.version", "V1: a name is one field; V2: a.b is a field within a field.").or("V1").one_of(&["V1", "V2"]),
            NULLS,
        ],
    ),
    ("HoistField", &[text(Medium, "field", "The name of the one field that the whole is put into.").needed()]),
    ("ValueToKey", &[list(High, "fields", "Fields of the value that are the new key.").needed(), NULLS]),
    (
        "HeaderFrom",
        &[
            list(High, "fields", "Fields that become headers.").needed(),
            list(High, "headers", "The headers' names, one for each field.").needed(),
            text(High, "operation", "Whether the fields go or stay.").needed().one_of(MOVE_OR_COPY),
            NULLS,
        ],
    ),
    (
        "InsertHeader",
        &[
            text(High, "header", "The header's name.").needed(),
            text(High, "value.literal", "Its value; a number, a date and so on are taken for what they look like.").needed(),
        ],
    ),
    ("DropHeaders", &[list(High, "headers", "Headers that go.").needed()]),
    ("Filter", &[]),
    (
        SCRIPTED_FILTER,
        &[text(High, "condition", "Records for which this is true stay.").needed(), LANGUAGE, NULL_RECORDS, SCRIPTED_TOPICS],
    ),
    (
        "ContentBasedRouter",
        &[
            text(High, "topic.expression", "The topic of the record; where it is null the topic stays.").needed(),
            LANGUAGE,
            NULL_RECORDS,
            SCRIPTED_TOPICS,
        ],
    ),
    (
        "Cast",
        &[list(High, "spec", "Fields and their new types, field:type,field:type, or one type for the whole: int8, int16, int32, int64, float32, float64, boolean, string.").needed(), NULLS],
    ),
    (
        "TimestampConverter",
        &[
            text(High, "field", "The field with the time; empty: the whole is one.").or(""),
            text(High, "target.type", "What it becomes.").needed().one_of(&["string", "unix", "Date", "Time", "Timestamp"]),
            text(Medium, "format", "How a text is written, as Java's SimpleDateFormat has it: for reading one, and needed with target.type=string.").or(""),
            text(Low, "unix.precision", "The unit of numbers, for reading them, and with target.type=unix.")
                .or("milliseconds")
                .one_of(&["seconds", "milliseconds", "microseconds", "nanoseconds"]),
            NULLS,
        ],
    ),
    (
        "SetSchemaMetadata",
        &[
            text(High, "schema.name", "The schema's new name."),
            of(KeyType::Int, High, "schema.version", "The schema's new version."),
            NULLS,
        ],
    ),
    ("Flatten", &[text(Medium, "delimiter", "What stands between the names of a field and of the field within it.").or(".")]),
    (
        "HeaderToValue",
        &[
            list(High, "headers", "Headers that become fields.").needed(),
            list(High, "fields", "The fields' names, one for each header.").needed(),
            text(High, "operation", "Whether the headers go or stay.").needed().one_of(MOVE_OR_COPY),
        ],
    ),
    (
        "partitions.PartitionRouting",
        &[
            list(High, "partition.payload.fields", "Fields whose values decide the partition: after.id, change.id (of the row as it is, or was).").needed(),
            of(KeyType::Int, High, "partition.topic.num", "How many partitions the topic has.").needed(),
            text(Low, "partition.hash.function", "How a partition is made of the values.").or("java").one_of(&["java", "murmur"]),
        ],
    ),
    (
        "ExtractChangedRecordState",
        &[
            text(Low, "header.changed.name", "A header with the names of columns that an update changed; none without it."),
            text(Low, "header.unchanged.name", "A header with the names of those that it did not change; none without it."),
        ],
    ),
    (
        "DecodeLogicalDecodingMessageContent",
        &[flag(Medium, "fields.null.include", "false", "Members of the content that are null become fields, too.")],
    ),
    (
        "TimezoneConverter",
        &[
            text(High, "converted.timezone", "The zone that times are told in: a region such as Europe/Berlin, or an offset such as +02:00.").needed(),
            list(High, "include.list", "Only these fields: source:TABLE, source:TABLE:FIELD, topic:TOPIC, topic:TOPIC:FIELD, FIELD. Not together with exclude.list."),
            list(High, "exclude.list", "All but these fields, written like include.list."),
        ],
    ),
    (
        "outbox.EventRouter",
        &[
            text(Low, "table.field.event.id", "The column with the message's id, which becomes the header id.").or("id"),
            text(Low, "table.field.event.key", "The column with the record's key.").or("aggregateid"),
            text(Low, "table.field.event.type", "The column with the message's type; place it where consumers look with table.fields.additional.placement.").or("type"),
            text(Low, "table.field.event.payload", "The column with the message.").or("payload"),
            text(Low, "table.field.event.payload.id", "Accepted, without effect: Debezium 3 does not read it."),
            text(Medium, "table.field.event.timestamp", "The column with the record's timestamp; that of the change without it."),
            text(Low, "table.field.event.schema.version", "The column with the version of the record's schema."),
            list(High, "table.fields.additional.placement", "More columns and where they go: column:header, column:envelope, column:partition, each perhaps with :name."),
            text(Medium, "table.field.additional.missing", "What a row means that lacks such a column.").or("error").one_of(&["error", "ignore"]),
            text(Medium, "table.op.invalid.behavior", "What an update of the outbox means: a line in the log, twice, or the end.").or("warn").one_of(&["warn", "error", "fatal"]),
            flag(Medium, "table.expand.json.payload", "false", "A JSON text in the payload becomes fields."),
            text(Medium, "table.json.payload.null.behavior", "What a null in an expanded payload becomes: nothing, or optional bytes.").or("ignore").one_of(&["ignore", "optional_bytes"]),
            text(Medium, "table.json.payload.empty.array.behavior", "What an empty list in an expanded payload becomes: nothing, or a list of optional texts.")
                .or("ignore")
                .one_of(&["ignore", "optional_string"]),
            text(High, "route.by.field", "The column that decides the topic.").or("aggregatetype"),
            text(Low, "route.topic.regex", "What of that column's text the topic's name is made of.").or("(?<routedByValue>.*)"),
            text(High, "route.topic.replacement", "The topic's name, with the groups of route.topic.regex.").or("outbox.event.${routedByValue}"),
            flag(High, "route.tombstone.on.empty.payload", "false", "A message without payload is a tombstone."),
            text(Medium, "tracing.span.context.field", "Where any option of tracing is given: the column that says which trace a message belongs to.")
                .or("tracingspancontext"),
            text(Low, "tracing.operation.name", "Accepted, without effect: a commit is one span, and none is made for a message.").or("debezium-read"),
            flag(Low, "tracing.with.context.field.only", "false", "Accepted, without effect: no span is made for a message."),
            text(Low, "debezium.op.invalid.behavior", "Accepted, without effect: the old name of table.op.invalid.behavior, which Debezium 3 does not read."),
        ],
    ),
];

/// Each predicate by its short name.
pub(super) const PREDICATES: [(&str, &[PluginOption]); 3] = [
    ("TopicNameMatches", &[text(Medium, "pattern", "Records of topics whose whole names match this.").needed()]),
    ("RecordIsTombstone", &[]),
    ("HasHeaderKey", &[text(Medium, "name", "Records with a header of this name.").needed()]),
];
