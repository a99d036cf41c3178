//! Every option of Debezium's PostgreSQL connector, and the Kafka Connect keys that stand in the same file.
//!
//! One row per option: what it is, its default, and whether it works, is accepted without effect (with the reason why
//! that is harmless), or is refused (with the reason why ignoring it would not be). The reference is Debezium 3.6.3.

use super::naming;
use crate::config::define::{ConfigKey, Importance, KeyType, Rule, Support};
use crate::record::compression::Compression;

use Importance::{High, Low, Medium};
use KeyType::{Boolean, Class, Int, List, Long, Password, String};
use Rule::{Any, Between, Now, OneOf, Required};
use Support::{Ignored, Rejected, Renamed, Supported};

/// Groups, in the order they are shown.
pub const GROUPS: [&str; 8] = ["Connector", "Connection", "Replication", "Filters", "Types", "Snapshot", "Kafka Connect", "Older names"];

const fn key(name: &'static str, kind: KeyType, default: Option<&'static str>, rule: Rule, importance: Importance) -> ConfigKey {
    ConfigKey { name, kind, default, rule, group: "", importance, doc: "", support: Supported }
}

impl ConfigKey {
    const fn within(mut self, group: &'static str) -> Self {
        self.group = group;
        self
    }
    const fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }
    const fn ignored(mut self, reason: &'static str) -> Self {
        self.support = Ignored(reason);
        self
    }
    const fn rejected(mut self, reason: &'static str) -> Self {
        self.support = Rejected(reason);
        self
    }
}

/// A name of older versions of Debezium.
const fn older(name: &'static str, today: &'static str) -> ConfigKey {
    ConfigKey { support: Renamed(today), ..key(name, String, None, Any, Low).within("Older names").doc("An older name.") }
}

const POSITIVE: Rule = Between(1, i32::MAX as i64);
const NOT_NEGATIVE: Rule = Between(0, i32::MAX as i64);
const NOT_NEGATIVE_LONG: Rule = Between(0, i64::MAX);

/// `connector.class` by its full name and by Kafka Connect's aliases.
pub const CLASSES: [&str; 3] = ["io.debezium.connector.postgresql.PostgresConnector", "PostgresConnector", "Postgres"];
/// Kafka Connect's JSON converter.
pub const JSON_CONVERTER: &str = "org.apache.kafka.connect.json.JsonConverter";
/// Confluent's Avro converter.
pub const AVRO_CONVERTER: &str = "io.confluent.connect.avro.AvroConverter";
/// Apicurio's Avro converter.
pub const APICURIO_AVRO_CONVERTER: &str = "io.apicurio.registry.utils.converter.AvroConverter";
/// The one of JSON.
pub const APICURIO_JSON_CONVERTER: &str = "io.apicurio.registry.utils.converter.ExtJsonConverter";
/// Debezium's converter to CloudEvents.
pub const CLOUD_EVENTS_CONVERTER: &str = "io.debezium.converters.CloudEventsConverter";
/// Confluent's Protobuf converter.
pub const PROTOBUF_CONVERTER: &str = "io.confluent.connect.protobuf.ProtobufConverter";
/// Confluent's JSON Schema converter.
pub const JSON_SCHEMA_CONVERTER: &str = "io.confluent.connect.json.JsonSchemaConverter";
/// A topic whose batches are compressed as their producer says.
pub const AS_PRODUCED: &str = "producer";
/// Kafka's values of a topic's `compression.type`.
pub const TOPIC_COMPRESSIONS: [&str; 6] = [AS_PRODUCED, "uncompressed", "gzip", "snappy", "lz4", "zstd"];
/// Confluent's ways to name subjects, the default first.
const STRATEGIES: [&str; 3] = [
    "io.confluent.kafka.serializers.subject.TopicNameStrategy",
    "io.confluent.kafka.serializers.subject.RecordNameStrategy",
    "io.confluent.kafka.serializers.subject.TopicRecordNameStrategy",
];
/// Kafka Connect's converter of texts.
const STRING_CONVERTER: &str = "org.apache.kafka.connect.storage.StringConverter";
/// Kafka Connect's default header converter.
pub const SIMPLE_HEADER_CONVERTER: &str = "org.apache.kafka.connect.storage.SimpleHeaderConverter";

const CONVERTERS: Rule = Now {
    known: &[
        JSON_CONVERTER,
        "JsonConverter",
        AVRO_CONVERTER,
        APICURIO_AVRO_CONVERTER,
        PROTOBUF_CONVERTER,
        JSON_SCHEMA_CONVERTER,
        APICURIO_JSON_CONVERTER,
        "org.apache.kafka.connect.storage.StringConverter",
        "org.apache.kafka.connect.converters.ByteArrayConverter",
        CLOUD_EVENTS_CONVERTER,
        "io.debezium.converters.ByteArrayConverter",
        "io.debezium.converters.BinaryDataConverter",
    ],
    now: &[
        JSON_CONVERTER,
        "JsonConverter",
        AVRO_CONVERTER,
        APICURIO_AVRO_CONVERTER,
        APICURIO_JSON_CONVERTER,
        JSON_SCHEMA_CONVERTER,
        PROTOBUF_CONVERTER,
        CLOUD_EVENTS_CONVERTER,
        "org.apache.kafka.connect.storage.StringConverter",
        "org.apache.kafka.connect.converters.ByteArrayConverter",
        "io.debezium.converters.ByteArrayConverter",
        "io.debezium.converters.BinaryDataConverter",
    ],
};

const OWN_PACE: &str = "rowfeed has no polling and no queue of records: it goes at its own pace within fixed memory";
const NEVER_SKIPS: &str = "rowfeed never skips an event: an error stops the connector and says why";
const BACK_OFF: &str = "passing errors are retried for ever with a back-off from 0.5 s to 30 s";
const JDBC: &str = "there is no JDBC driver here";
const POSITIONS: &str = "positions are in the log, in one commit with the events";
const NO_HISTORY: &str = "Debezium's PostgreSQL connector does not read it either";
const ONE_VERSION: &str = "there is one version of everything: the program's";
const STRUCTURE: &str = "a table's structure is read when its rows are";
const SLOT_SNAPSHOT: &str = "the snapshot always reads what the slot exported (repeatable read)";

/// The table.
#[rustfmt::skip]
pub static OPTIONS: &[ConfigKey] = &[
    // ---- Connector
    key("connector.class", String, None, OneOf(&CLASSES), High).within("Connector").doc("The connector: Debezium's for PostgreSQL."),
    key("name", String, None, Any, High).within("Connector").doc("The connector's name; the URL's or the file's name when it is not given."),
    key("tasks.max", Int, Some("1"), POSITIVE, High).within("Connector").doc("Number of tasks.").ignored("there is always one task per slot, as with Debezium"),
    key("tasks.max.enforce", Boolean, Some("true"), Any, Low).within("Connector").doc("Whether more tasks than tasks.max are an error.").ignored("there is always one task per slot, as with Debezium"),
    key("connector.plugin.version", String, None, Any, Medium).within("Connector").doc("The version of the connector to run.").ignored(ONE_VERSION),
    key("key.converter.plugin.version", String, None, Any, Low).within("Kafka Connect").doc("The version of the converter of keys.").ignored(ONE_VERSION),
    key("value.converter.plugin.version", String, None, Any, Low).within("Kafka Connect").doc("The version of the converter of values.").ignored(ONE_VERSION),
    key("header.converter.plugin.version", String, None, Any, Low).within("Kafka Connect").doc("The version of the converter of headers.").ignored(ONE_VERSION),
    key("topic.prefix", String, None, Required, High).within("Connector").doc("Namespace of the topics, `source.name`, and part of the offsets' key: letters, digits, dot, dash, underscore."),
    key("topic.delimiter", String, Some("."), Any, Low).within("Connector").doc("What stands between prefix, schema and table in a topic's name."),
    key("topic.naming.strategy", Class, Some(naming::STRATEGIES[0]), OneOf(&naming::STRATEGIES), Low).within("Connector").doc("How topics are named: with schema and table or, Default..., the table only; what a name may not have becomes _ or, ...Unicode..., _u and its number; ...Regex...: by topic.regex."),
    key("topic.regex", String, None, Any, Low).within("Connector").doc("With a Regex strategy: tables whose topic's name this expression matches go to topic.replacement."),
    key("topic.replacement", String, None, Any, Low).within("Connector").doc("With topic.regex: the topic, with $1 for the expression's first group."),
    key("topic.key.enforce.uniqueness", Boolean, Some("true"), Any, Low).within("Connector").doc("With topic.regex: the key has a field more, which tells the table."),
    key("topic.key.field.name", String, Some("__dbz__physicalTableIdentifier"), Any, Low).within("Connector").doc("What that field is called."),
    key("topic.key.field.regex", String, None, Any, Low).within("Connector").doc("An expression on the topic's name that makes that field's value, with topic.key.field.replacement; else it is the name."),
    key("topic.key.field.replacement", String, None, Any, Low).within("Connector").doc("What that expression becomes."),
    key("topic.cache.size", Int, Some("10000"), POSITIVE, Low).within("Connector").doc("Names kept in memory.").ignored("a topic's name is made once per table"),
    key("topic.transaction", String, Some("transaction"), Any, Low).within("Connector").doc("Last part of the name of the topic of transaction metadata."),
    key("topic.heartbeat.prefix", String, Some("__debezium-heartbeat"), Any, Low).within("Connector").doc("First part of the heartbeat topic's name."),
    key("heartbeat.topics.prefix", String, Some("__debezium-heartbeat"), Any, Low).within("Connector").doc("Older name of topic.heartbeat.prefix."),
    key("topic.heartbeat.name", String, None, Any, Low).within("Connector").doc("The heartbeat topic's whole name."),
    key("heartbeat.interval.ms", Int, Some("0"), NOT_NEGATIVE, Medium).within("Connector").doc("How often a heartbeat record is published; 0 is never. The slot advances on an idle database in any case."),
    key("heartbeat.action.query", String, None, Any, Medium).within("Connector").doc("SQL run with each heartbeat (heartbeat.interval.ms). The slot advances without it."),
    key("provide.transaction.metadata", Boolean, Some("false"), Any, Medium).within("Connector").doc("Tell where transactions begin and end, on a topic of their own, and each event's place in its transaction."),
    key("transaction.metadata.factory", Class, Some("io.debezium.pipeline.txmetadata.DefaultTransactionMetadataFactory"), Any, Low).within("Connector").doc("Java class of transaction metadata.").rejected("transaction metadata would keep its ordinary form"),
    key("sourceinfo.struct.maker", Class, Some("io.debezium.connector.postgresql.PostgresSourceInfoStructMaker"), Any, Low).within("Connector").doc("Java class of the source block.").rejected("the source block would differ"),
    key("extended.headers.enabled", Boolean, Some("true"), Any, Low).within("Connector").doc("Put the `__debezium.context.*` headers on every record."),
    key("tombstones.on.delete", Boolean, Some("true"), Any, Medium).within("Connector").doc("Publish a record without value after each delete, so that compaction removes the key."),
    key("skipped.operations", List, Some("t"), Any, Medium).within("Connector").doc("Operations that are not published: c, u, d, t, or none."),
    key("skip.messages.without.change", Boolean, Some("false"), Any, Medium).within("Connector").doc("Skip updates that change no captured column; known of tables with REPLICA IDENTITY FULL only."),
    key("unavailable.value.placeholder", String, Some("__debezium_unavailable_value"), Any, Low).within("Connector").doc("Stands for a large value the server did not send because it did not change; `hex:` before hexadecimal bytes."),
    key("custom.metric.tags", List, None, Any, Low).within("Connector").doc("Tags of JMX metrics.").ignored("metrics are Prometheus's, with the connector as label"),
    key("statistics.metrics.enabled", Boolean, Some("true"), Any, Low).within("Connector").doc("JMX statistics.").ignored("metrics are always on"),
    key("custom.sanitize.pattern", String, None, Any, Low).within("Connector").doc("Which option values are hidden in logs.").ignored("option values are never logged"),
    key("errors.max.retries", Int, Some("-1"), Any, Medium).within("Connector").doc("How often to retry.").ignored(BACK_OFF),
    key("retriable.restart.connector.wait.ms", Long, Some("10000"), NOT_NEGATIVE_LONG, Medium).within("Connector").doc("Wait before a restart.").ignored(BACK_OFF),
    key("custom.retriable.exception", String, None, Any, Low).within("Connector").doc("Java exceptions to retry.").ignored(BACK_OFF),
    key("executor.shutdown.timeout.ms", Long, Some("4000"), NOT_NEGATIVE_LONG, Low).within("Connector").doc("Wait for threads at the end.").ignored("stopping is bounded by the service"),
    key("event.processing.failure.handling.mode", String, Some("fail"), OneOf(&["fail", "warn", "skip", "ignore"]), Medium).within("Connector").doc("What to do with an event that cannot be processed.").ignored(NEVER_SKIPS),
    key("event.converting.failure.handling.mode", String, Some("warn"), OneOf(&["fail", "warn", "skip"]), Low).within("Connector").doc("What to do with a value that cannot be converted.").ignored(NEVER_SKIPS),
    key("max.batch.size", Int, Some("2048"), POSITIVE, Medium).within("Connector").doc("Records per batch.").ignored(OWN_PACE),
    key("max.queue.size", Int, Some("8192"), POSITIVE, Medium).within("Connector").doc("Records in the queue.").ignored(OWN_PACE),
    key("max.queue.size.in.bytes", Long, Some("0"), NOT_NEGATIVE_LONG, Medium).within("Connector").doc("Bytes in the queue.").ignored(OWN_PACE),
    key("poll.interval.ms", Long, Some("500"), NOT_NEGATIVE_LONG, Medium).within("Connector").doc("Wait between polls.").ignored(OWN_PACE),
    key("poll.dispatch.interval.ms", Long, Some("0"), NOT_NEGATIVE_LONG, Low).within("Connector").doc("Wait between dispatches.").ignored(OWN_PACE),
    key("query.fetch.size", Int, Some("0"), NOT_NEGATIVE, Low).within("Connector").doc("Rows per fetch of a query.").ignored(OWN_PACE),
    key("queue.provider.type", String, Some("memory"), Any, Low).within("Connector").doc("Kind of queue.").ignored(OWN_PACE),
    key("memory.management.*", String, None, Any, Low).within("Connector").doc("Java classes of caches.").ignored(OWN_PACE),
    key("guardrail.collections.max", Int, Some("0"), NOT_NEGATIVE, Low).within("Connector").doc("Most tables to capture; 0 is no limit. Looked at when the connector starts."),
    key("guardrail.collections.limit.action", String, Some("warn"), OneOf(&["warn", "fail"]), Low).within("Connector").doc("Whether more tables than guardrail.collections.max fail the connector, or a warning is logged."),
    key("openlineage.integration.*", String, None, Any, Low).within("Connector").doc("OpenLineage reports.").ignored("lineage reports do not touch events"),
    key("signal.enabled.channels", List, Some("source"), Any, Medium).within("Connector").doc("Where signals are read: source (signal.data.collection), file, kafka. jmx and in-process are accepted and have no effect; POST /v1/connectors/NAME/signals always works."),
    key("signal.data.collection", List, None, Any, Medium).within("Connector").doc("The signalling table (`schema.table`), whose new rows are signals: three columns, id, type and data. It is captured whatever the lists say."),
    key("signal.poll.interval.ms", Long, Some("5000"), Between(1, i64::MAX), Low).within("Connector").doc("Wait between two looks at signal.file. Other channels are read at once."),
    key("signal.kafka.topic", String, None, Any, Medium).within("Connector").doc("The topic of signals, of which partition 0 is read; else <topic.prefix>-signal."),
    key("signal.kafka.bootstrap.servers", String, None, Any, Medium).within("Connector").doc("The Apache Kafka that has it: host:port,...; required by the channel kafka."),
    key("signal.kafka.groupId", String, Some("kafka-signal"), Any, Low).within("Connector").doc("The group whose offset shows how far signals are read."),
    key("signal.kafka.poll.timeout.ms", Int, Some("0"), NOT_NEGATIVE, Low).within("Connector").doc("Wait of a poll.").ignored("signals are taken as they come"),
    key("signal.kafka.*", String, None, Any, Low).within("Connector").doc("Other settings of signals from Kafka.").rejected("no such setting is known"),
    key("signal.consumer.*", String, None, Any, Low).within("Connector").doc("Settings of the consumer of signals, passed to librdkafka; those that it does not know are left out with a warning."),
    key("signal.file", String, Some("file-signals.txt"), Any, Low).within("Connector").doc("The file of signals, one JSON object a line, for the channel file. Lines are taken out once they are acted on."),
    key("signal.emit.failure.*", String, None, Any, Low).within("Connector").doc("Retries of writing signals.").ignored("nothing is written to the signalling table"),
    key("notification.enabled.channels", List, None, Any, Medium).within("Connector").doc("Where progress of snapshots is told: sink (a topic), log. jmx is accepted and has no effect."),
    key("notification.sink.topic.name", String, None, Any, Medium).within("Connector").doc("The topic of notifications; required by the channel sink."),
    key("post.processors", String, None, Any, Low).within("Connector").doc("A name, whose NAME.type is ReselectColumnsPostProcessor: values that an event lacks are read again, as NAME.reselect.* says."),
    key("converters", String, None, Any, Low).within("Connector").doc("Java classes that convert values.").rejected("values would keep their ordinary form"),
    key("internal.*", String, None, Any, Low).within("Connector").doc("Debezium's internal switches.").ignored("they concern Debezium's own code"),

    // ---- Connection
    key("database.hostname", String, None, Required, High).within("Connection").doc("Name or address of the server, or the folder of its unix socket."),
    key("database.port", Int, Some("5432"), Between(1, 65535), High).within("Connection").doc("The server's port."),
    key("database.user", String, None, Required, High).within("Connection").doc("The role: it needs REPLICATION, and SELECT on the tables."),
    key("database.password", Password, None, Any, High).within("Connection").doc("Its password; better a reference such as ${env:DB_PASSWORD}."),
    key("database.dbname", String, None, Required, High).within("Connection").doc("The database."),
    key("database.sslmode", String, Some("prefer"), OneOf(&["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]), Medium).within("Connection").doc("Whether and how to use TLS."),
    key("database.sslrootcert", String, None, Any, Medium).within("Connection").doc("File of trusted certificates (PEM)."),
    key("database.sslcert", String, None, Any, Low).within("Connection").doc("File of our certificate (PEM)."),
    key("database.sslkey", String, None, Any, Low).within("Connection").doc("File of its key (PEM)."),
    key("database.sslpassword", Password, None, Any, Low).within("Connection").doc("Password of the key.").rejected("an encrypted key cannot be read"),
    key("database.sslfactory", String, None, Any, Low).within("Connection").doc("Java class of sockets.").ignored(JDBC),
    key("database.initial.statements", String, None, Any, Low).within("Connection").doc("SQL run on each session but the replication's, separated by semicolons; ;; is one that is meant."),
    key("database.tcpKeepAlive", Boolean, Some("true"), Any, Low).within("Connection").doc("TCP keep-alive.").ignored("keep-alive is always on"),
    key("database.query.timeout.ms", Int, Some("600000"), NOT_NEGATIVE, Low).within("Connection").doc("Limit of a query.").ignored("queries have their own limits"),
    key("database.connection.factory.class", Class, None, Any, Low).within("Connection").doc("Java class that connects.").rejected("the password would not be made the way this class does"),
    key("connection.validation.timeout.ms", Long, Some("60000"), NOT_NEGATIVE_LONG, Low).within("Connection").doc("Limit of testing the connection.").ignored("connecting has its own limit of 10 s"),
    key("driver.connectTimeout", Int, Some("10"), Between(0, 600), Low).within("Connection").doc("Seconds that connecting may take; 0 is the default."),
    key("driver.*", String, None, Any, Low).within("Connection").doc("Settings of the JDBC driver.").ignored(JDBC),

    // ---- Replication
    key("plugin.name", String, Some("pgoutput"), OneOf(&["pgoutput", "decoderbufs", "wal2json", "wal2json_rds", "wal2json_streaming", "wal2json_rds_streaming"]), High).within("Replication").doc("The server's output plug-in.").ignored("it is always pgoutput, which every server has"),
    key("slot.name", String, Some("debezium"), Any, High).within("Replication").doc("The replication slot: lower-case letters, digits, underscores."),
    key("slot.drop.on.stop", Boolean, Some("false"), Any, Medium).within("Replication").doc("Drop the slot when the connector is stopped in order. What happens meanwhile is then lost."),
    key("slot.failover", Boolean, Some("false"), Any, Medium).within("Replication").doc("Make the slot so that standbys keep it (PostgreSQL 17+, on a primary; others ignore it). One that exists is left as it is."),
    key("slot.max.retained.bytes", String, Some("0"), Any, Medium).within("Replication").doc("Rowfeed's own: how much WAL the slot may make the server keep, such as 8GiB. A warning comes at half and at nine tenths of it, or of max_slot_wal_keep_size where that is less; 0 leaves it to that."),
    key("slot.max.retained.policy", String, Some("warn"), OneOf(&["warn", "drop"]), Medium).within("Replication").doc("Rowfeed's own: drop stops the connector and drops its slot, running or resting, when that keeps more than slot.max.retained.bytes; the changes of the gap are then told on resume."),
    key("slot.stream.params", String, None, Any, Low).within("Replication").doc("Extra parameters of START_REPLICATION: name=value;name=value, such as origin=none."),
    key("slot.max.retries", Int, Some("6"), NOT_NEGATIVE, Medium).within("Replication").doc("How often to try a slot that is in use.").ignored("a slot in use is tried until it is free, with growing waits"),
    key("slot.retry.delay.ms", Long, Some("10000"), NOT_NEGATIVE_LONG, Medium).within("Replication").doc("Wait between those tries.").ignored("the waits grow from 0.1 s to 30 s"),
    key("publication.name", String, Some("dbz_publication"), Any, High).within("Replication").doc("The publication."),
    key("publication.autocreate.mode", String, Some("all_tables"), OneOf(&["all_tables", "disabled", "filtered", "no_tables"]), High).within("Replication").doc("Whether and how the publication is made when it does not exist."),
    key("publish.via.partition.root", Boolean, Some("false"), Any, Low).within("Replication").doc("Changes of partitions appear as changes of the partitioned table."),
    key("replica.identity.autoset.values", String, None, Any, Low).within("Replication").doc("Replica identities to set on captured tables at the start: schema.table:FULL, :DEFAULT, :NOTHING, :INDEX name."),
    key("status.update.interval.ms", Int, Some("10000"), POSITIVE, Medium).within("Replication").doc("How often the server is told what is durable."),
    key("lsn.flush.mode", String, Some("connector"), OneOf(&["connector", "manual", "connector_and_driver"]), Low).within("Replication").doc("Who confirms positions. Exactly what is durable is confirmed, also while the database is idle; with manual nothing is, and the slot keeps all WAL until somebody moves it."),
    key("flush.lsn.source", Boolean, Some("true"), Any, Low).within("Replication").doc("Older form of lsn.flush.mode: false is manual."),
    key("lsn.flush.timeout.ms", Long, Some("30000"), NOT_NEGATIVE_LONG, Low).within("Replication").doc("Limit of confirming.").ignored("confirming never waits"),
    key("lsn.flush.timeout.action", String, Some("fail"), OneOf(&["fail", "warn", "ignore"]), Low).within("Replication").doc("What that limit does.").ignored("confirming never waits"),
    key("offset.mismatch.strategy", String, Some("no_validation"), OneOf(&["no_validation", "trust_offset", "trust_slot", "trust_greater_lsn"]), Low).within("Replication").doc("What to do with a slot that another program moved ahead: trust_slot and trust_greater_lsn go on there, without the changes between; otherwise it stops the connector. A slot that is behind is always read from there, and what was published left out."),
    key("xmin.fetch.interval.ms", Long, Some("0"), NOT_NEGATIVE_LONG, Low).within("Replication").doc("How often source.xmin is looked up: the slot's catalog_xmin. 0: never, it stays null."),
    key("read.only", Boolean, Some("false"), Any, Low).within("Replication").doc("Incremental snapshots without writing.").ignored("incremental snapshots never write to a table; only messages for an idle slot are written to the WAL"),
    key("schema.refresh.mode", String, Some("columns_diff"), OneOf(&["columns_diff", "columns_diff_exclude_unchanged_toast"]), Low).within("Replication").doc("When a table's shape is read again.").ignored("the shape always follows the stream"),

    // ---- Filters
    key("schema.include.list", List, None, Any, Medium).within("Filters").doc("Schemas to capture: regular expressions, anchored, ignoring case."),
    key("schema.exclude.list", List, None, Any, Medium).within("Filters").doc("Schemas to leave out."),
    key("table.include.list", List, None, Any, High).within("Filters").doc("Tables to capture: regular expressions on schema.table, anchored, ignoring case."),
    key("table.exclude.list", List, None, Any, Medium).within("Filters").doc("Tables to leave out."),
    key("table.ignore.builtin", Boolean, Some("true"), Any, Low).within("Filters").doc("Leave out the server's own tables."),
    key("column.include.list", List, None, Any, Medium).within("Filters").doc("Columns to publish: regular expressions on schema.table.column."),
    key("column.exclude.list", List, None, Any, Medium).within("Filters").doc("Columns to leave out."),
    key("message.key.columns", String, None, Any, Medium).within("Filters").doc("Key columns per table: regex:column,column;regex:column."),
    key("message.prefix.include.list", List, None, Any, Low).within("Filters").doc("Prefixes of the logical messages to publish: regular expressions."),
    key("message.prefix.exclude.list", List, None, Any, Low).within("Filters").doc("Prefixes of the logical messages to leave out."),
    key("column.truncate.to.*.chars", List, None, Any, Medium).within("Filters").doc("Columns to cut to N characters."),
    key("column.mask.with.*.chars", List, None, Any, Medium).within("Filters").doc("Columns to hide behind N stars."),
    key("column.mask.hash.*", List, None, Any, Medium).within("Filters").doc("Columns to hash: column.mask.hash.ALGORITHM.with.salt.SALT, or v2. before the algorithm."),
    key("column.propagate.source.type", List, None, Any, Low).within("Filters").doc("Columns whose database type, length, scale and name stand in the schema: regular expressions on schema.table.column."),
    key("datatype.propagate.source.type", List, None, Any, Low).within("Filters").doc("The same by type: regular expressions on schema.table.type."),

    // ---- Types
    key("decimal.handling.mode", String, Some("precise"), OneOf(&["precise", "double", "string"]), High).within("Types").doc("How numeric values are published."),
    key("time.precision.mode", String, Some("adaptive"), OneOf(&["adaptive", "adaptive_time_microseconds", "connect", "isostring", "microseconds", "nanoseconds"]), High).within("Types").doc("How dates and times are published."),
    key("binary.handling.mode", String, Some("bytes"), OneOf(&["bytes", "base64", "base64-url-safe", "hex"]), Medium).within("Types").doc("How bytea values are published."),
    key("hstore.handling.mode", String, Some("json"), OneOf(&["json", "map"]), Low).within("Types").doc("How hstore values are published."),
    key("interval.handling.mode", String, Some("numeric"), OneOf(&["numeric", "string"]), Low).within("Types").doc("How intervals are published."),
    key("money.fraction.digits", Int, Some("2"), Between(0, 20), Low).within("Types").doc("Digits of money values."),
    key("include.unknown.datatypes", Boolean, Some("false"), Any, Low).within("Types").doc("Publish values of types nobody knows as bytes; else as unknown.datatypes.handling.mode says."),
    key("unknown.datatypes.handling.mode", String, Some("text"), OneOf(&["text", "omit"]), Low).within("Types").doc("Without include.unknown.datatypes: values of types nobody knows are published as their text, or their columns left out as Debezium does."),
    key("include.schema.comments", Boolean, Some("false"), Any, Low).within("Types").doc("Comments in the schema.").ignored("Debezium's PostgreSQL connector reads no comments either"),
    key("schema.name.adjustment.mode", String, Some("none"), OneOf(&["none", "avro", "avro_unicode"]), Low).within("Types").doc("Spelling of schema names: what Avro does not take becomes _, or _u and its number."),
    key("field.name.adjustment.mode", String, Some("none"), OneOf(&["none", "avro", "avro_unicode"]), Low).within("Types").doc("Spelling of field names: what Avro does not take becomes _, or _u and its number."),

    // ---- Snapshot
    key("snapshot.mode", String, Some("initial"), Now { known: &["always", "initial", "initial_only", "no_data", "never", "schema_only", "when_needed", "when_needed_no_data", "configuration_based", "custom"], now: &["initial", "initial_only", "no_data", "always", "when_needed", "configuration_based", "never", "schema_only"] }, High).within("Snapshot").doc("Whether the rows that exist already are read first. never and schema_only are older names of no_data."),
    key("snapshot.mode.custom.name", String, None, Any, Low).within("Snapshot").doc("Java class of a snapshot mode.").ignored("only snapshot.mode=custom reads it"),
    key("snapshot.mode.configuration.based.snapshot.data", Boolean, Some("false"), Any, Low).within("Snapshot").doc("With snapshot.mode=configuration_based: read the rows, at every start."),
    key("snapshot.mode.configuration.based.start.stream", Boolean, Some("false"), Any, Low).within("Snapshot").doc("With snapshot.mode=configuration_based: stream afterwards; without it, rows are read once, as with initial_only."),
    key("snapshot.mode.configuration.based.snapshot.on.data.error", Boolean, Some("false"), Any, Low).within("Snapshot").doc("With snapshot.mode=configuration_based: read the rows again when the position is no longer available."),
    key("snapshot.mode.configuration.based.snapshot.schema", Boolean, Some("false"), Any, Low).within("Snapshot").doc("Read the tables' structure.").ignored(STRUCTURE),
    key("snapshot.mode.configuration.based.snapshot.on.schema.error", Boolean, Some("false"), Any, Low).within("Snapshot").doc("Read the tables' structure again.").ignored(STRUCTURE),
    key("snapshot.isolation.mode", String, Some("serializable"), OneOf(&["serializable", "repeatable_read", "read_committed", "read_uncommitted"]), Medium).within("Snapshot").doc("Isolation of the snapshot.").ignored(SLOT_SNAPSHOT),
    key("snapshot.locking.mode", String, Some("none"), Now { known: &["none", "shared", "custom"], now: &["none", "shared"] }, Low).within("Snapshot").doc("With shared all tables are locked (ACCESS SHARE, against changes of their structure) before the first is read; else each before its own rows. To the end of the snapshot, in both."),
    key("snapshot.locking.mode.custom.name", String, None, Any, Low).within("Snapshot").doc("Java class of locks.").ignored("only snapshot.locking.mode=custom reads it"),
    key("snapshot.lock.timeout.ms", Long, Some("10000"), NOT_NEGATIVE_LONG, Low).within("Snapshot").doc("How long to wait for a table's lock; then the snapshot is tried again."),
    key("snapshot.query.mode", String, Some("select_all"), Now { known: &["select_all", "custom"], now: &["select_all"] }, Low).within("Snapshot").doc("How rows are selected."),
    key("snapshot.query.mode.custom.name", String, None, Any, Low).within("Snapshot").doc("Java class of queries.").ignored("only snapshot.query.mode=custom reads it"),
    key("snapshot.select.statement.overrides", String, None, Any, Medium).within("Snapshot").doc("Tables (`schema.table`) whose rows the snapshot selects by a statement of their own."),
    key("snapshot.select.statement.overrides.*", String, None, Any, Medium).within("Snapshot").doc("The SELECT for a table: it must give the table's columns."),
    key("snapshot.include.collection.list", List, None, Any, Medium).within("Snapshot").doc("Which of the captured tables the snapshot reads: regular expressions on schema.table. All, when it is empty."),
    key("snapshot.delay.ms", Long, Some("0"), NOT_NEGATIVE_LONG, Low).within("Snapshot").doc("How long to wait before a snapshot is begun."),
    key("streaming.delay.ms", Long, Some("0"), NOT_NEGATIVE_LONG, Low).within("Snapshot").doc("How long to wait between a snapshot and the stream."),
    key("snapshot.fetch.size", Int, Some("10240"), POSITIVE, Medium).within("Snapshot").doc("Rows per fetch.").ignored("rows are streamed by COPY, without a cursor"),
    key("snapshot.max.threads", Int, Some("1"), POSITIVE, Medium).within("Snapshot").doc("How many sessions read the snapshot at once, at most 16. The order of events stays. One, with snapshot.locking.mode=shared or where rows name their topics."),
    key("snapshot.max.threads.multiplier", Int, Some("1"), POSITIVE, Low).within("Snapshot").doc("Chunks per reader, as notifications tell of them. What readers read at once is cut by size."),
    key("legacy.snapshot.max.threads", Boolean, Some("false"), Any, Low).within("Snapshot").doc("Older form of parallel snapshots: notifications do not tell of chunks. Both forms publish the same events, a table is read by several, and several tables at once."),
    key("snapshot.tables.order.by.row.count", String, Some("disabled"), OneOf(&["disabled", "ascending", "descending"]), Low).within("Snapshot").doc("Read small tables first, or large ones, by PostgreSQL's estimate; else by schema and name."),
    key("incremental.snapshot.chunk.size", Int, Some("1024"), POSITIVE, Medium).within("Snapshot").doc("Rows that an incremental snapshot reads at once; fewer when they have more than 16 MiB."),
    key("incremental.snapshot.watermarking.strategy", String, Some("insert_insert"), OneOf(&["insert_insert", "insert_delete"]), Low).within("Snapshot").doc("How chunks are marked in the source.").ignored("incremental snapshots write no marks: what a transaction saw says which rows are new"),
    key("incremental.snapshot.allow.schema.changes", Boolean, Some("false"), Any, Low).within("Snapshot").doc("Allow tables to be altered during an incremental snapshot.").ignored("they always may be: a chunk is read again when its table changes under it"),

    // ---- Kafka Connect
    key("key.converter", Class, Some(JSON_CONVERTER), CONVERTERS, High).within("Kafka Connect").doc("Format of keys."),
    key("key.converter.schemas.enable", Boolean, Some("false"), Any, High).within("Kafka Connect").doc("Publish the schema with each key."),
    key("value.converter", Class, Some(JSON_CONVERTER), CONVERTERS, High).within("Kafka Connect").doc("Format of values."),
    key("value.converter.schemas.enable", Boolean, Some("false"), Any, High).within("Kafka Connect").doc("Publish the schema with each value."),
    key("key.converter.delegate.converter.type", Class, None, OneOf(&[JSON_CONVERTER, "JsonConverter"]), Low).within("Kafka Connect").doc("With a converter of bytes: what writes keys that are none."),
    key("key.converter.delegate.converter.type.schemas.enable", Boolean, Some("true"), Any, Low).within("Kafka Connect").doc("Publish the schema with those."),
    key("value.converter.delegate.converter.type", Class, None, OneOf(&[JSON_CONVERTER, "JsonConverter"]), Low).within("Kafka Connect").doc("With a converter of bytes: what writes values that are none, heartbeats and transactions among them."),
    key("value.converter.delegate.converter.type.schemas.enable", Boolean, Some("true"), Any, Low).within("Kafka Connect").doc("Publish the schema with those."),
    key("key.converter.replace.null.with.default", Boolean, Some("false"), Any, Medium).within("Kafka Connect").doc("Publish a column's default where it is null."),
    key("value.converter.replace.null.with.default", Boolean, Some("false"), Any, Medium).within("Kafka Connect").doc("Publish a column's default where it is null."),
    key("key.converter.decimal.format", String, Some("BASE64"), OneOf(&["BASE64", "NUMERIC"]), Low).within("Kafka Connect").doc("How the converters of JSON write decimals."),
    key("value.converter.decimal.format", String, Some("BASE64"), OneOf(&["BASE64", "NUMERIC"]), Low).within("Kafka Connect").doc("How the converters of JSON write decimals."),
    key("key.converter.schemas.cache.size", Int, Some("1000"), NOT_NEGATIVE, Low).within("Kafka Connect").doc("Schemas kept.").ignored("schemas are kept as long as their tables are"),
    key("value.converter.schemas.cache.size", Int, Some("1000"), NOT_NEGATIVE, Low).within("Kafka Connect").doc("Schemas kept.").ignored("schemas are kept as long as their tables are"),
    key("key.converter.schema.registry.url", String, None, Any, High).within("Kafka Connect").doc("Addresses of the schema registry; this service's own registry when not given."),
    key("key.converter.basic.auth.credentials.source", String, Some("URL"), Now { known: &["URL", "USER_INFO", "SASL_INHERIT"], now: &["URL", "USER_INFO"] }, Low).within("Kafka Connect").doc("Where the registry's user comes from."),
    key("key.converter.basic.auth.user.info", Password, None, Any, Low).within("Kafka Connect").doc("The registry's user, NAME:PASSWORD."),
    key("key.converter.schema.registry.basic.auth.user.info", Password, None, Any, Low).within("Kafka Connect").doc("Older name of basic.auth.user.info."),
    key("key.converter.bearer.auth.*", Password, None, Any, Low).within("Kafka Connect").doc("Tokens for the registry.").rejected("the registry would be asked without a token"),
    key("key.converter.schema.registry.ssl.*", String, None, Any, Low).within("Kafka Connect").doc("TLS to the registry.").rejected("the registry would be asked with the system's certificates and none of ours"),
    key("key.converter.auto.register.schemas", Boolean, Some("true"), Any, Medium).within("Kafka Connect").doc("Register schemas; otherwise they must be there."),
    key("key.converter.use.latest.version", Boolean, Some("false"), Any, Medium).within("Kafka Connect").doc("With auto.register.schemas=false: use the subject's latest version, when it describes the same bytes."),
    key("key.converter.latest.compatibility.strict", Boolean, Some("true"), Any, Low).within("Kafka Connect").doc("Check the latest version.").ignored("it is always checked"),
    key("key.converter.normalize.schemas", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("Normalize schemas when they are registered."),
    key("key.converter.key.subject.name.strategy", Class, Some(STRATEGIES[0]), OneOf(&STRATEGIES), Medium).within("Kafka Connect").doc("What subjects are called."),
    key("key.converter.connect.meta.data", Boolean, Some("true"), Any, Low).within("Kafka Connect").doc("Put what Avro has no word for into properties `connect.*`."),
    key("key.converter.enhanced.avro.schema.support", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("Keep Avro's own enumerations and namespaces.").ignored("no schema of this connector has any"),
    key("key.converter.ignore.default.for.nullables", Boolean, Some("true"), Any, Medium).within("Kafka Connect").doc("With a schema registry: NULL stays NULL where a column has a default; Confluent's own default is false."),
    key("key.converter.scrub.invalid.names", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("Change names that Protobuf does not allow; with Avro refused for the adjustment modes."),
    key("key.converter.optional.for.nullables", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("With Protobuf: label what may be null `optional`."),
    key("key.converter.wrapper.for.nullables", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("With Protobuf: put single values that may be null into Google's wrappers."),
    key("key.converter.wrapper.for.raw.primitives", Boolean, Some("true"), Any, Low).within("Kafka Connect").doc("With Protobuf: how readers take wrappers.").ignored("it is for reading"),
    key("key.converter.optional.for.proto2", Boolean, Some("true"), Any, Low).within("Kafka Connect").doc("With Protobuf: how readers take older files.").ignored("it is for reading"),
    key("key.converter.enhanced.protobuf.schema.support", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("With Protobuf: keep packages.").ignored("packages are kept"),
    key("key.converter.int.for.enums", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("With Protobuf: enumerations as numbers.").ignored("no schema of this connector has any"),
    key("key.converter.generate.struct.for.nulls", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("With Protobuf: how readers take messages that are not there.").ignored("it is for reading"),
    key("key.converter.generate.index.for.unions", Boolean, Some("true"), Any, Low).within("Kafka Connect").doc("With Protobuf: names of unions.").ignored("no schema of this connector has any"),
    key("key.converter.flatten.unions", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("With Protobuf: how unions are taken.").ignored("no schema of this connector has any"),
    key("key.converter.skip.known.types", Boolean, Some("true"), Any, Low).within("Kafka Connect").doc("With Protobuf: do not register Google's and Confluent's own types.").rejected("the files of known types are not registered; every registry knows them"),
    key("key.converter.reference.subject.name.strategy", Class, None, Any, Low).within("Kafka Connect").doc("With Protobuf: what subjects of imported files are called.").ignored("no file is imported that registries do not know"),
    key("key.converter.apicurio.registry.url", String, None, Any, High).within("Kafka Connect").doc("The address of Apicurio's registry, with /apis/registry/v2 or /v3."),
    key("key.converter.apicurio.registry.auto-register", Boolean, Some("false"), Any, High).within("Kafka Connect").doc("With Apicurio: register schemas; must be true."),
    key("key.converter.apicurio.registry.auto-register.if-exists", String, None, OneOf(&["RETURN_OR_UPDATE", "FIND_OR_CREATE_VERSION"]), Low).within("Kafka Connect").doc("With Apicurio: what to do about a schema that is there.").ignored("the version that has it, or a new one"),
    key("key.converter.apicurio.registry.find-latest", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("With Apicurio: use the latest version.").ignored("what registers uses its own, in Apicurio's converter, too"),
    key("key.converter.apicurio.registry.use-id", String, Some("contentId"), OneOf(&["contentId", "globalId"]), Low).within("Kafka Connect").doc("With Apicurio: which of its ids records have."),
    key("key.converter.apicurio.registry.headers.enabled", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("With Apicurio: ids in headers.").rejected("ids stand in front of keys and values"),
    key("key.converter.apicurio.registry.as-confluent", Boolean, None, Any, Low).within("Kafka Connect").doc("With Apicurio: ids of four bytes.").ignored("ids always have four bytes"),
    key("key.converter.apicurio.registry.enable-confluent-id-handler", Boolean, None, Any, Low).within("Kafka Connect").doc("With Apicurio: ids of four bytes.").ignored("ids always have four bytes"),
    key("key.converter.apicurio.registry.serializer.dereference-schema", Boolean, None, Any, Low).within("Kafka Connect").doc("With Apicurio: schemas without references.").ignored("a schema is always registered whole"),
    key("key.converter.apicurio.registry.deserializer.dereference-schema", Boolean, None, Any, Low).within("Kafka Connect").doc("With Apicurio: schemas without references.").ignored("a schema is always registered whole"),
    key("key.converter.apicurio.registry.dereference-schema", Boolean, None, Any, Low).within("Kafka Connect").doc("With Apicurio: schemas without references.").ignored("a schema is always registered whole"),
    key("key.converter.apicurio.registry.check-period-ms", String, None, Any, Low).within("Kafka Connect").doc("With Apicurio: how it is asked.").ignored("ids are kept per table, and a registry that is away is asked again"),
    key("key.converter.apicurio.registry.retry-count", String, None, Any, Low).within("Kafka Connect").doc("With Apicurio: how it is asked.").ignored("ids are kept per table, and a registry that is away is asked again"),
    key("key.converter.apicurio.registry.retry-backoff-ms", String, None, Any, Low).within("Kafka Connect").doc("With Apicurio: how it is asked.").ignored("ids are kept per table, and a registry that is away is asked again"),
    key("key.converter.apicurio.registry.cache-latest", String, None, Any, Low).within("Kafka Connect").doc("With Apicurio: how it is asked.").ignored("ids are kept per table, and a registry that is away is asked again"),
    key("key.converter.apicurio.registry.fault-tolerant-refresh", String, None, Any, Low).within("Kafka Connect").doc("With Apicurio: how it is asked.").ignored("ids are kept per table, and a registry that is away is asked again"),
    key("key.converter.apicurio.auth.username", String, None, Any, Low).within("Kafka Connect").doc("With Apicurio: the registry's user."),
    key("key.converter.apicurio.auth.password", Password, None, Any, Low).within("Kafka Connect").doc("With Apicurio: the user's password."),
    key("key.converter.apicurio.*", String, None, Any, Low).within("Kafka Connect").doc("Other settings of Apicurio's converters.").rejected("the registry would be asked without it"),
    key("key.converter.object.additional.properties", Boolean, Some("true"), Any, Low).within("Kafka Connect").doc("With JSON Schema: objects may have properties that the schema does not name."),
    key("key.converter.use.optional.for.nonrequired", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("How readers of JSON Schema take properties.").ignored("it is for reading, and every column has a property"),
    key("key.converter.ignore.modern.dialects", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("How readers take JSON Schemas.").ignored("it is for reading"),
    key("key.converter.flatten.singleton.unions", Boolean, Some("true"), Any, Low).within("Kafka Connect").doc("How unions are taken.").ignored("no schema of this connector has any"),
    key("key.converter.generalized.sum.type.support", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("How enumerations and unions are told.").ignored("no schema of this connector has any"),
    key("key.converter.schemas.cache.config", Int, Some("1000"), NOT_NEGATIVE, Low).within("Kafka Connect").doc("Schemas kept.").ignored("ids are kept per table"),
    key("key.converter.max.schemas.per.subject", Int, Some("1000"), NOT_NEGATIVE, Low).within("Kafka Connect").doc("Schemas kept.").ignored("ids are kept per table"),
    key("value.converter.schema.registry.url", String, None, Any, High).within("Kafka Connect").doc("Addresses of the schema registry; this service's own registry when not given."),
    key("value.converter.basic.auth.credentials.source", String, Some("URL"), Now { known: &["URL", "USER_INFO", "SASL_INHERIT"], now: &["URL", "USER_INFO"] }, Low).within("Kafka Connect").doc("Where the registry's user comes from."),
    key("value.converter.basic.auth.user.info", Password, None, Any, Low).within("Kafka Connect").doc("The registry's user, NAME:PASSWORD."),
    key("value.converter.schema.registry.basic.auth.user.info", Password, None, Any, Low).within("Kafka Connect").doc("Older name of basic.auth.user.info."),
    key("value.converter.bearer.auth.*", Password, None, Any, Low).within("Kafka Connect").doc("Tokens for the registry.").rejected("the registry would be asked without a token"),
    key("value.converter.schema.registry.ssl.*", String, None, Any, Low).within("Kafka Connect").doc("TLS to the registry.").rejected("the registry would be asked with the system's certificates and none of ours"),
    key("value.converter.auto.register.schemas", Boolean, Some("true"), Any, Medium).within("Kafka Connect").doc("Register schemas; otherwise they must be there."),
    key("value.converter.use.latest.version", Boolean, Some("false"), Any, Medium).within("Kafka Connect").doc("With auto.register.schemas=false: use the subject's latest version, when it describes the same bytes."),
    key("value.converter.latest.compatibility.strict", Boolean, Some("true"), Any, Low).within("Kafka Connect").doc("Check the latest version.").ignored("it is always checked"),
    key("value.converter.normalize.schemas", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("Normalize schemas when they are registered."),
    key("value.converter.value.subject.name.strategy", Class, Some(STRATEGIES[0]), OneOf(&STRATEGIES), Medium).within("Kafka Connect").doc("What subjects are called."),
    key("value.converter.connect.meta.data", Boolean, Some("true"), Any, Low).within("Kafka Connect").doc("Put what Avro has no word for into properties `connect.*`."),
    key("value.converter.enhanced.avro.schema.support", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("Keep Avro's own enumerations and namespaces.").ignored("no schema of this connector has any"),
    key("value.converter.ignore.default.for.nullables", Boolean, Some("true"), Any, Medium).within("Kafka Connect").doc("With a schema registry: NULL stays NULL where a column has a default; Confluent's own default is false."),
    key("value.converter.scrub.invalid.names", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("Change names that Protobuf does not allow; with Avro refused for the adjustment modes."),
    key("value.converter.optional.for.nullables", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("With Protobuf: label what may be null `optional`."),
    key("value.converter.wrapper.for.nullables", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("With Protobuf: put single values that may be null into Google's wrappers."),
    key("value.converter.wrapper.for.raw.primitives", Boolean, Some("true"), Any, Low).within("Kafka Connect").doc("With Protobuf: how readers take wrappers.").ignored("it is for reading"),
    key("value.converter.optional.for.proto2", Boolean, Some("true"), Any, Low).within("Kafka Connect").doc("With Protobuf: how readers take older files.").ignored("it is for reading"),
    key("value.converter.enhanced.protobuf.schema.support", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("With Protobuf: keep packages.").ignored("packages are kept"),
    key("value.converter.int.for.enums", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("With Protobuf: enumerations as numbers.").ignored("no schema of this connector has any"),
    key("value.converter.generate.struct.for.nulls", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("With Protobuf: how readers take messages that are not there.").ignored("it is for reading"),
    key("value.converter.generate.index.for.unions", Boolean, Some("true"), Any, Low).within("Kafka Connect").doc("With Protobuf: names of unions.").ignored("no schema of this connector has any"),
    key("value.converter.flatten.unions", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("With Protobuf: how unions are taken.").ignored("no schema of this connector has any"),
    key("value.converter.skip.known.types", Boolean, Some("true"), Any, Low).within("Kafka Connect").doc("With Protobuf: do not register Google's and Confluent's own types.").rejected("the files of known types are not registered; every registry knows them"),
    key("value.converter.reference.subject.name.strategy", Class, None, Any, Low).within("Kafka Connect").doc("With Protobuf: what subjects of imported files are called.").ignored("no file is imported that registries do not know"),
    key("value.converter.apicurio.registry.url", String, None, Any, High).within("Kafka Connect").doc("The address of Apicurio's registry, with /apis/registry/v2 or /v3."),
    key("value.converter.apicurio.registry.auto-register", Boolean, Some("false"), Any, High).within("Kafka Connect").doc("With Apicurio: register schemas; must be true."),
    key("value.converter.apicurio.registry.auto-register.if-exists", String, None, OneOf(&["RETURN_OR_UPDATE", "FIND_OR_CREATE_VERSION"]), Low).within("Kafka Connect").doc("With Apicurio: what to do about a schema that is there.").ignored("the version that has it, or a new one"),
    key("value.converter.apicurio.registry.find-latest", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("With Apicurio: use the latest version.").ignored("what registers uses its own, in Apicurio's converter, too"),
    key("value.converter.apicurio.registry.use-id", String, Some("contentId"), OneOf(&["contentId", "globalId"]), Low).within("Kafka Connect").doc("With Apicurio: which of its ids records have."),
    key("value.converter.apicurio.registry.headers.enabled", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("With Apicurio: ids in headers.").rejected("ids stand in front of keys and values"),
    key("value.converter.apicurio.registry.as-confluent", Boolean, None, Any, Low).within("Kafka Connect").doc("With Apicurio: ids of four bytes.").ignored("ids always have four bytes"),
    key("value.converter.apicurio.registry.enable-confluent-id-handler", Boolean, None, Any, Low).within("Kafka Connect").doc("With Apicurio: ids of four bytes.").ignored("ids always have four bytes"),
    key("value.converter.apicurio.registry.serializer.dereference-schema", Boolean, None, Any, Low).within("Kafka Connect").doc("With Apicurio: schemas without references.").ignored("a schema is always registered whole"),
    key("value.converter.apicurio.registry.deserializer.dereference-schema", Boolean, None, Any, Low).within("Kafka Connect").doc("With Apicurio: schemas without references.").ignored("a schema is always registered whole"),
    key("value.converter.apicurio.registry.dereference-schema", Boolean, None, Any, Low).within("Kafka Connect").doc("With Apicurio: schemas without references.").ignored("a schema is always registered whole"),
    key("value.converter.apicurio.registry.check-period-ms", String, None, Any, Low).within("Kafka Connect").doc("With Apicurio: how it is asked.").ignored("ids are kept per table, and a registry that is away is asked again"),
    key("value.converter.apicurio.registry.retry-count", String, None, Any, Low).within("Kafka Connect").doc("With Apicurio: how it is asked.").ignored("ids are kept per table, and a registry that is away is asked again"),
    key("value.converter.apicurio.registry.retry-backoff-ms", String, None, Any, Low).within("Kafka Connect").doc("With Apicurio: how it is asked.").ignored("ids are kept per table, and a registry that is away is asked again"),
    key("value.converter.apicurio.registry.cache-latest", String, None, Any, Low).within("Kafka Connect").doc("With Apicurio: how it is asked.").ignored("ids are kept per table, and a registry that is away is asked again"),
    key("value.converter.apicurio.registry.fault-tolerant-refresh", String, None, Any, Low).within("Kafka Connect").doc("With Apicurio: how it is asked.").ignored("ids are kept per table, and a registry that is away is asked again"),
    key("value.converter.apicurio.auth.username", String, None, Any, Low).within("Kafka Connect").doc("With Apicurio: the registry's user."),
    key("value.converter.apicurio.auth.password", Password, None, Any, Low).within("Kafka Connect").doc("With Apicurio: the user's password."),
    key("value.converter.apicurio.*", String, None, Any, Low).within("Kafka Connect").doc("Other settings of Apicurio's converters.").rejected("the registry would be asked without it"),
    key("value.converter.object.additional.properties", Boolean, Some("true"), Any, Low).within("Kafka Connect").doc("With JSON Schema: objects may have properties that the schema does not name."),
    key("value.converter.use.optional.for.nonrequired", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("How readers of JSON Schema take properties.").ignored("it is for reading, and every column has a property"),
    key("value.converter.ignore.modern.dialects", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("How readers take JSON Schemas.").ignored("it is for reading"),
    key("value.converter.flatten.singleton.unions", Boolean, Some("true"), Any, Low).within("Kafka Connect").doc("How unions are taken.").ignored("no schema of this connector has any"),
    key("value.converter.generalized.sum.type.support", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("How enumerations and unions are told.").ignored("no schema of this connector has any"),
    key("value.converter.schemas.cache.config", Int, Some("1000"), NOT_NEGATIVE, Low).within("Kafka Connect").doc("Schemas kept.").ignored("ids are kept per table"),
    key("value.converter.max.schemas.per.subject", Int, Some("1000"), NOT_NEGATIVE, Low).within("Kafka Connect").doc("Schemas kept.").ignored("ids are kept per table"),
    key("value.converter.serializer.type", String, Some("json"), OneOf(&["json", "avro"]), Medium).within("Kafka Connect").doc("With CloudEvents: how they are written."),
    key("value.converter.data.serializer.type", String, Some("json"), OneOf(&["json", "avro"]), Medium).within("Kafka Connect").doc("With CloudEvents: how `data` is written."),
    key("value.converter.metadata.source", List, Some("value,id:generate,type:generate,traceparent:header,dataSchemaName:generate"), Any, Low).within("Kafka Connect").doc("With CloudEvents: where attributes come from."),
    key("value.converter.extension.attributes.enable", Boolean, Some("true"), Any, Medium).within("Kafka Connect").doc("With CloudEvents: what the source block says as attributes."),
    key("value.converter.opentelemetry.tracing.attributes.enable", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("With CloudEvents: the attribute traceparent.").rejected("headers of records are not looked at"),
    key("value.converter.schema.cloudevents.name", String, None, Any, Low).within("Kafka Connect").doc("With CloudEvents: the name of their schema.").rejected("CloudEvents in Avro have Debezium's own name, those in JSON no schema"),
    key("value.converter.schema.data.name.source.header.enable", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("With CloudEvents: take the name of the schema of `data` from a header.").rejected("headers of records are not looked at"),
    key("value.converter.schema.name.adjustment.mode", String, Some("avro"), OneOf(&["none", "avro", "avro_unicode"]), Low).within("Kafka Connect").doc("With CloudEvents: how the name of their schema is made fit."),
    key("value.converter.json.schemas.enable", Boolean, Some("true"), Any, Medium).within("Kafka Connect").doc("With CloudEvents: publish the schema with each `data`."),
    key("value.converter.json.replace.null.with.default", Boolean, Some("false"), Any, Medium).within("Kafka Connect").doc("With CloudEvents: publish a column's default where it is null."),
    key("value.converter.json.decimal.format", String, Some("BASE64"), OneOf(&["BASE64", "NUMERIC"]), Low).within("Kafka Connect").doc("With CloudEvents: how decimals are written."),
    key("value.converter.json.schemas.cache.size", Int, Some("1000"), NOT_NEGATIVE, Low).within("Kafka Connect").doc("Schemas kept.").ignored("schemas are kept as long as their tables are"),
    key("value.converter.avro.schema.registry.url", String, None, Any, High).within("Kafka Connect").doc("With CloudEvents: addresses of the registry of the schemas of `data`."),
    key("value.converter.avro.basic.auth.credentials.source", String, Some("URL"), Now { known: &["URL", "USER_INFO", "SASL_INHERIT"], now: &["URL", "USER_INFO"] }, Low).within("Kafka Connect").doc("Where the registry's user comes from."),
    key("value.converter.avro.basic.auth.user.info", Password, None, Any, Low).within("Kafka Connect").doc("The registry's user, NAME:PASSWORD."),
    key("value.converter.avro.schema.registry.basic.auth.user.info", Password, None, Any, Low).within("Kafka Connect").doc("Older name of basic.auth.user.info."),
    key("value.converter.avro.auto.register.schemas", Boolean, Some("true"), Any, Medium).within("Kafka Connect").doc("Register schemas; otherwise they must be there."),
    key("value.converter.avro.use.latest.version", Boolean, Some("false"), Any, Medium).within("Kafka Connect").doc("With auto.register.schemas=false: use the subject's latest version, when it describes the same bytes."),
    key("value.converter.avro.normalize.schemas", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("Normalize schemas when they are registered."),
    key("value.converter.avro.value.subject.name.strategy", Class, Some(STRATEGIES[0]), OneOf(&STRATEGIES), Medium).within("Kafka Connect").doc("What subjects are called."),
    key("value.converter.avro.connect.meta.data", Boolean, Some("true"), Any, Low).within("Kafka Connect").doc("Put what Avro has no word for into properties `connect.*`."),
    key("value.converter.avro.ignore.default.for.nullables", Boolean, Some("true"), Any, Medium).within("Kafka Connect").doc("NULL stays NULL where a column has a default; Confluent's own default is false."),
    key("value.converter.avro.apicurio.registry.url", String, None, Any, High).within("Kafka Connect").doc("With CloudEvents: The address of Apicurio's registry, with /apis/registry/v2 or /v3."),
    key("value.converter.avro.apicurio.registry.auto-register", Boolean, Some("false"), Any, High).within("Kafka Connect").doc("With CloudEvents: With Apicurio: register schemas; must be true."),
    key("value.converter.avro.apicurio.registry.auto-register.if-exists", String, None, OneOf(&["RETURN_OR_UPDATE", "FIND_OR_CREATE_VERSION"]), Low).within("Kafka Connect").doc("With CloudEvents: With Apicurio: what to do about a schema that is there.").ignored("the version that has it, or a new one"),
    key("value.converter.avro.apicurio.registry.find-latest", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("With CloudEvents: With Apicurio: use the latest version.").ignored("what registers uses its own, in Apicurio's converter, too"),
    key("value.converter.avro.apicurio.registry.use-id", String, Some("contentId"), OneOf(&["contentId", "globalId"]), Low).within("Kafka Connect").doc("With CloudEvents: With Apicurio: which of its ids records have."),
    key("value.converter.avro.apicurio.registry.headers.enabled", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("With CloudEvents: With Apicurio: ids in headers.").rejected("ids stand in front of keys and values"),
    key("value.converter.avro.apicurio.registry.as-confluent", Boolean, None, Any, Low).within("Kafka Connect").doc("With CloudEvents: With Apicurio: ids of four bytes.").ignored("ids always have four bytes"),
    key("value.converter.avro.apicurio.registry.enable-confluent-id-handler", Boolean, None, Any, Low).within("Kafka Connect").doc("With CloudEvents: With Apicurio: ids of four bytes.").ignored("ids always have four bytes"),
    key("value.converter.avro.apicurio.registry.serializer.dereference-schema", Boolean, None, Any, Low).within("Kafka Connect").doc("With CloudEvents: With Apicurio: schemas without references.").ignored("a schema is always registered whole"),
    key("value.converter.avro.apicurio.registry.deserializer.dereference-schema", Boolean, None, Any, Low).within("Kafka Connect").doc("With CloudEvents: With Apicurio: schemas without references.").ignored("a schema is always registered whole"),
    key("value.converter.avro.apicurio.registry.dereference-schema", Boolean, None, Any, Low).within("Kafka Connect").doc("With CloudEvents: With Apicurio: schemas without references.").ignored("a schema is always registered whole"),
    key("value.converter.avro.apicurio.registry.check-period-ms", String, None, Any, Low).within("Kafka Connect").doc("With CloudEvents: With Apicurio: how it is asked.").ignored("ids are kept per table, and a registry that is away is asked again"),
    key("value.converter.avro.apicurio.registry.retry-count", String, None, Any, Low).within("Kafka Connect").doc("With CloudEvents: With Apicurio: how it is asked.").ignored("ids are kept per table, and a registry that is away is asked again"),
    key("value.converter.avro.apicurio.registry.retry-backoff-ms", String, None, Any, Low).within("Kafka Connect").doc("With CloudEvents: With Apicurio: how it is asked.").ignored("ids are kept per table, and a registry that is away is asked again"),
    key("value.converter.avro.apicurio.registry.cache-latest", String, None, Any, Low).within("Kafka Connect").doc("With CloudEvents: With Apicurio: how it is asked.").ignored("ids are kept per table, and a registry that is away is asked again"),
    key("value.converter.avro.apicurio.registry.fault-tolerant-refresh", String, None, Any, Low).within("Kafka Connect").doc("With CloudEvents: With Apicurio: how it is asked.").ignored("ids are kept per table, and a registry that is away is asked again"),
    key("value.converter.avro.apicurio.auth.username", String, None, Any, Low).within("Kafka Connect").doc("With CloudEvents: With Apicurio: the registry's user."),
    key("value.converter.avro.apicurio.auth.password", Password, None, Any, Low).within("Kafka Connect").doc("With CloudEvents: With Apicurio: the user's password."),
    key("value.converter.avro.*", String, None, Any, Low).within("Kafka Connect").doc("With CloudEvents: other settings of the registry.").rejected("the registry would be asked without it"),
    key("header.converter", Class, Some(SIMPLE_HEADER_CONVERTER), OneOf(&[SIMPLE_HEADER_CONVERTER, "SimpleHeaderConverter", JSON_CONVERTER, "JsonConverter", STRING_CONVERTER, "StringConverter"]), Low).within("Kafka Connect").doc("Format of headers."),
    key("header.converter.schemas.enable", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("With JsonConverter: publish the schema with each header."),
    key("transforms", List, None, Any, High).within("Kafka Connect").doc("Transformations."),
    key("transforms.*", String, None, Any, Medium).within("Kafka Connect").doc("Settings of a transformation."),
    key("predicates", List, None, Any, Low).within("Kafka Connect").doc("Conditions of transformations."),
    key("predicates.*", String, None, Any, Low).within("Kafka Connect").doc("Settings of a condition."),
    key("topic.creation.enable", Boolean, Some("true"), Any, Low).within("Kafka Connect").doc("Create topics.").ignored("topics are made when they are needed"),
    key("topic.creation.default.partitions", Int, None, POSITIVE, Medium).within("Kafka Connect").doc("Partitions of new topics; topics.partitions of the service when not given."),
    key("topic.creation.default.replication.factor", Int, None, Between(-1, 32767), Medium).within("Kafka Connect").doc("Copies of new topics; topics.replication_factor of the service when not given."),
    key("topic.creation.default.cleanup.policy", String, Some("delete"), Now { known: &["delete", "compact", "compact,delete", "delete,compact"], now: &["delete"] }, Medium).within("Kafka Connect").doc("How old records go."),
    key("topic.creation.default.compression.type", String, Some(AS_PRODUCED), OneOf(&TOPIC_COMPRESSIONS), Low).within("Kafka Connect").doc("Compression of new topics; producer: as producer.override.compression.type says."),
    key("topic.creation.default.*", String, None, Any, Low).within("Kafka Connect").doc("Settings of new topics.").rejected("new topics would not have this setting; log.retention and log.max_bytes limit the whole log"),
    key("topic.creation.groups", List, None, Any, Low).within("Kafka Connect").doc("Groups of topics with their own number of partitions and copies."),
    key("topic.creation.*", String, None, Any, Low).within("Kafka Connect").doc("Settings of a group of topics: include, exclude, partitions, replication.factor."),
    key("errors.tolerance", String, Some("none"), OneOf(&["none", "all"]), Medium).within("Kafka Connect").doc("Whether to skip failing records.").ignored(NEVER_SKIPS),
    key("errors.retry.*", Long, Some("0"), Any, Low).within("Kafka Connect").doc("Retries of failing records.").ignored(NEVER_SKIPS),
    key("errors.log.enable", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("Log failing records.").ignored(NEVER_SKIPS),
    key("errors.log.include.messages", Boolean, Some("false"), Any, Low).within("Kafka Connect").doc("Log their contents.").ignored("row data is never logged"),
    key("errors.deadletterqueue.*", String, None, Any, Low).within("Kafka Connect").doc("Topic of failing records.").ignored("sources have none in Kafka Connect either"),
    key("config.action.reload", String, Some("restart"), OneOf(&["restart", "none"]), Low).within("Kafka Connect").doc("What a changed secret does.").ignored("secrets are read again at each connection"),
    key("producer.override.compression.type", String, None, OneOf(&Compression::NAMES), Medium).within("Kafka Connect").doc("How events are compressed in the log: none, gzip, snappy, lz4 or zstd. Clients must know the codec."),
    key("producer.override.*", String, None, Any, Low).within("Kafka Connect").doc("Settings of the Kafka producer.").ignored("events are written by the log; settings of an external cluster are the service's log.kafka.*"),
    key("exactly.once.support", String, Some("requested"), OneOf(&["requested", "required"]), Low).within("Kafka Connect").doc("Exactly-once delivery into the log.").ignored("it is always exactly once"),
    key("transaction.boundary", String, Some("poll"), OneOf(&["poll", "interval", "connector"]), Low).within("Kafka Connect").doc("Where a commit ends.").ignored("commits end at the source's transactions"),
    key("transaction.boundary.interval.ms", Long, None, NOT_NEGATIVE_LONG, Low).within("Kafka Connect").doc("Time of a commit.").ignored("commits end at the source's transactions"),
    key("offsets.storage.topic", String, Some("connect-offsets"), Any, Low).within("Kafka Connect").doc("Topic of positions.").ignored("positions are in connect-offsets, in one commit with the events"),
    key("offset.storage", String, None, Any, Low).within("Kafka Connect").doc("Where Debezium Server keeps positions.").ignored(POSITIONS),
    key("offset.storage.*", String, None, Any, Low).within("Kafka Connect").doc("Where Debezium Server and workers keep positions.").ignored(POSITIONS),
    key("offset.flush.*", String, None, Any, Low).within("Kafka Connect").doc("How often they write them.").ignored(POSITIONS),
    key("_aiven.*", String, None, Any, Low).within("Kafka Connect").doc("Settings of Aiven's service.").ignored("passing errors are retried by themselves"),

    // ---- What stands in configurations that have been handed on
    key("database.server.name", String, None, Any, Low).within("Older names").doc("Name of topic.prefix up to Debezium 1.9.").ignored("topic.prefix is read since Debezium 2.0"),
    key("database.server.id", String, None, Any, Low).within("Older names").doc("An option of Debezium's MySQL connector.").ignored(NO_HISTORY),
    key("include.schema.changes", Boolean, Some("true"), Any, Low).within("Older names").doc("An option of other connectors.").ignored(NO_HISTORY),
    key("include.query", Boolean, Some("false"), Any, Low).within("Older names").doc("An option of Debezium's MySQL connector.").ignored(NO_HISTORY),
    key("schema.history.*", String, None, Any, Low).within("Older names").doc("Options of other connectors.").ignored(NO_HISTORY),
    key("database.history", String, None, Any, Low).within("Older names").doc("An older option of other connectors.").ignored(NO_HISTORY),
    key("database.history.*", String, None, Any, Low).within("Older names").doc("Older options of other connectors.").ignored(NO_HISTORY),
    older("schema.whitelist", "schema.include.list"),
    older("schema.blacklist", "schema.exclude.list"),
    older("table.whitelist", "table.include.list"),
    older("table.blacklist", "table.exclude.list"),
    older("column.whitelist", "column.include.list"),
    older("column.blacklist", "column.exclude.list"),
    older("slot.drop_on_stop", "slot.drop.on.stop"),
    older("toasted.value.placeholder", "unavailable.value.placeholder"),
    older("sanitize.field.names", "field.name.adjustment.mode=avro"),
    older("truncate.handling.mode", "skipped.operations, without t for truncates"),
    older("transaction.topic", "topic.transaction"),
];

/// The row that describes an option, the exact name before a pattern.
pub fn find(name: &str) -> Option<&'static ConfigKey> {
    OPTIONS.iter().find(|key| key.name == name).or_else(|| OPTIONS.iter().find(|key| key.is_pattern() && key.matches(name)))
}

/// Every name that is not a pattern, for suggestions.
pub fn names() -> Vec<&'static str> {
    OPTIONS.iter().filter(|key| !key.is_pattern()).map(|key| key.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_complete_and_unique() {
        for (at, row) in OPTIONS.iter().enumerate() {
            assert!(GROUPS.contains(&row.group), "{}", row.name);
            assert!(!row.doc.is_empty(), "{}", row.name);
            assert!(OPTIONS[..at].iter().all(|other| other.name != row.name), "{} stands twice", row.name);
            if let Some(default) = row.default {
                assert!(row.is_pattern() || row.check(row.name, default).is_ok(), "{} refuses its own default", row.name);
            }
        }
        assert!(OPTIONS.len() > 130, "{} options", OPTIONS.len());
    }

    #[test]
    fn an_exact_name_wins_over_a_pattern() {
        assert_eq!(find("topic.creation.default.partitions").map(|key| key.name), Some("topic.creation.default.partitions"));
        assert_eq!(find("topic.creation.default.retention.ms").map(|key| key.name), Some("topic.creation.default.*"));
        assert_eq!(find("topic.creation.big.partitions").map(|key| key.name), Some("topic.creation.*"));
        assert!(find("tabel.include.list").is_none());
    }
}
