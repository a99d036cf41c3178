//! A PostgreSQL connector's configuration, typed: what the data plane works with.
//!
//! Owns turning an option map (a Debezium configuration, see [`table`]) into [`PostgresConfig`]. Promises to report every
//! wrong option at once, each with its key, and to resolve secrets only here, so that nothing else holds them.

pub mod budget;
pub mod channels;
pub mod connection;
pub mod effect;
pub mod filters;
pub mod masks;
pub mod naming;
mod own;
pub mod preparation;
pub mod propagate;
pub mod registry;
pub mod reselect;
pub mod snapshot;
pub mod table;
pub mod topics;
pub mod transforms;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use budget::SlotBudget;
pub use channels::{KafkaSignals, NotificationConfig, SignalConfig};
pub use connection::{ConnectionConfig, SslMode};
pub use filters::{ColumnFilter, MessageKeyColumns, PrefixFilter, TableFilter};
pub use masks::{ColumnMask, ColumnMasks};
pub use naming::{NameAdjustment, Names, TopicNaming};
pub use propagate::SourceTypes;
pub use registry::{
    AvroSettings, CloudEventsSettings, FormSettings, JsonSchemaSettings, Language, ProtobufSettings, RegistryApi, RegistrySettings,
    SubjectStrategy,
};
pub use reselect::Reselect;
pub use snapshot::{SnapshotConfig, SnapshotMode, TableOrder};

use super::define::{KeyProblem, Support, invalid, required, unknown};
use super::{Options, Secret, secrets};
use crate::problem::Problem;
use crate::record::compression::Compression;
use filters::TableLists;
use preparation::{Guardrail, ReplicaIdentities};
use topics::TopicCreation;

/// `publication.autocreate.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicationAutocreate {
    /// Make it for all tables, those to come included (needs a superuser).
    AllTables,
    /// It must exist.
    Disabled,
    /// Make it for the captured tables, and keep it so.
    Filtered,
    /// Make it without tables; somebody else adds them.
    NoTables,
}

/// `decimal.handling.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecimalMode {
    /// Kafka Connect's Decimal: unscaled bytes, base64 in JSON.
    Precise,
    /// A JSON number.
    Double,
    /// The digits as text.
    String,
}

/// `time.precision.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimePrecision {
    /// Days, milliseconds or microseconds, by the column's precision.
    Adaptive,
    /// The same, with microseconds for every time of day.
    AdaptiveTimeMicroseconds,
    /// Kafka Connect's own types: days and milliseconds.
    Connect,
    /// ISO 8601 text.
    IsoString,
    /// Microseconds for every column.
    Microseconds,
    /// Nanoseconds for every column.
    Nanoseconds,
}

/// `interval.handling.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntervalMode {
    /// Microseconds, a month being the twelfth part of 365.25 days.
    Numeric,
    /// ISO 8601 text with all its parts.
    String,
}

/// `hstore.handling.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HstoreMode {
    /// A JSON object, as text.
    Json,
    /// A map.
    Map,
}

/// `binary.handling.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryMode {
    /// Bytes, which JSON writes as base64.
    Bytes,
    /// Base64 text.
    Base64,
    /// Base64 text with the URL alphabet.
    Base64UrlSafe,
    /// Hexadecimal text.
    Hex,
}

/// `header.converter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderConverter {
    /// Kafka Connect's default.
    Simple,
    /// JSON.
    Json,
    /// JSON, each with its schema.
    JsonWithSchemas,
    /// `StringConverter`: texts, and what Java prints of the rest.
    Text,
}

/// Whether bytes are written as they are, and what becomes of the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BytesConverter {
    /// They are not.
    #[default]
    No,
    /// They are; nothing else can be written.
    Alone,
    /// They are; the rest is written as JSON (`delegate.converter.type`).
    Delegating,
}

/// How Kafka Connect's JSON converter is set, for keys or for values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConverterSettings {
    /// `StringConverter` instead of the JSON converter: a single value as its text.
    pub text: bool,
    /// `schemas.enable`: the schema stands before each payload.
    pub schemas: bool,
    /// `replace.null.with.default`: a column's default stands where it is NULL.
    pub null_is_default: bool,
    /// `ByteArrayConverter` or `BinaryDataConverter`: bytes are written as they are.
    pub bytes: BytesConverter,
    /// `decimal.format`: decimals are numbers, not base64.
    pub decimal_numbers: bool,
    /// Another form than plain JSON.
    pub form: Option<FormSettings>,
}

/// `skipped.operations`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SkippedOperations {
    /// Inserts are not published.
    pub create: bool,
    /// Updates are not published.
    pub update: bool,
    /// Deletes are not published.
    pub delete: bool,
    /// Truncates are not published.
    pub truncate: bool,
}

/// What the service says about new topics, where a connector does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicDefaults {
    /// Partitions.
    pub partitions: u32,
    /// Copies.
    pub replication_factor: i16,
    /// How batches are compressed; none: as the connector's `producer.override.compression.type` says.
    pub compression: Option<Compression>,
}

impl Default for TopicDefaults {
    fn default() -> Self {
        Self { partitions: 1, replication_factor: 1, compression: None }
    }
}

/// A PostgreSQL connector, ready to run.
#[derive(Clone, Debug)]
pub struct PostgresConfig {
    /// The connector's name.
    pub name: String,
    /// Where the database is.
    pub connection: ConnectionConfig,
    /// `topic.prefix`.
    pub topic_prefix: String,
    /// `producer.override.compression.type`, when given.
    pub compression: Option<Compression>,
    /// `topic.delimiter`.
    pub topic_delimiter: String,
    /// `slot.name`.
    pub slot_name: String,
    /// `slot.drop.on.stop`.
    pub slot_drop_on_stop: bool,
    /// `slot.failover`.
    pub slot_failover: bool,
    /// `slot.max.retained.bytes` and `slot.max.retained.policy`.
    pub slot_budget: SlotBudget,
    /// `slot.stream.params`.
    pub slot_stream_params: Vec<(String, String)>,
    /// `replica.identity.autoset.values`.
    pub replica_identities: ReplicaIdentities,
    /// `guardrail.collections.max`, when there is one.
    pub guardrail: Option<Guardrail>,
    /// `lsn.flush.mode` is not manual: the slot is told what is durable.
    pub confirms: bool,
    /// `offset.mismatch.strategy` is trust_slot or trust_greater_lsn: a slot that was moved ahead is gone on with.
    pub trusts_slot: bool,
    /// `publication.name`.
    pub publication_name: String,
    /// `publication.autocreate.mode`.
    pub publication_autocreate: PublicationAutocreate,
    /// `publish.via.partition.root`.
    pub publish_via_partition_root: bool,
    /// Which tables are captured.
    pub tables: TableFilter,
    /// Which columns are published.
    pub columns: ColumnFilter,
    /// Which columns are cut, hidden or hashed.
    pub masks: ColumnMasks,
    /// `message.key.columns`.
    pub message_key_columns: MessageKeyColumns,
    /// `message.prefix.include.list` and `message.prefix.exclude.list`.
    pub message_prefixes: PrefixFilter,
    /// `skip.messages.without.change`.
    pub skip_unchanged: bool,
    /// The snapshot.
    pub snapshot: SnapshotConfig,
    /// `decimal.handling.mode`.
    pub decimal: DecimalMode,
    /// `time.precision.mode`.
    pub time: TimePrecision,
    /// `interval.handling.mode`.
    pub interval: IntervalMode,
    /// `hstore.handling.mode`.
    pub hstore: HstoreMode,
    /// `binary.handling.mode`.
    pub binary: BinaryMode,
    /// `tombstones.on.delete`.
    pub tombstones_on_delete: bool,
    /// `skipped.operations`.
    pub skipped: SkippedOperations,
    /// `heartbeat.interval.ms`: how often a heartbeat **record** is published; zero is never.
    pub heartbeat_interval: Duration,
    /// `topic.heartbeat.name`, else `topic.heartbeat.prefix` and `topic.prefix`.
    pub heartbeat_topic: String,
    /// `xmin.fetch.interval.ms`; `None`: `source.xmin` stays null.
    pub xmin_interval: Option<Duration>,
    /// `heartbeat.action.query`.
    pub heartbeat_query: Option<String>,
    /// `notification.*`.
    pub notifications: NotificationConfig,
    /// `signal.*`.
    pub signals: SignalConfig,
    /// `status.update.interval.ms`.
    pub status_update_interval: Duration,
    /// `topic.transaction`, when `provide.transaction.metadata` asks for that topic and for the block in events.
    pub transaction_topic: Option<String>,
    /// `unavailable.value.placeholder`, decoded.
    pub unavailable_value_placeholder: Vec<u8>,
    /// `money.fraction.digits`.
    pub money_digits: i16,
    /// `include.unknown.datatypes`.
    pub unknown_as_bytes: bool,
    /// `column.propagate.source.type` and `datatype.propagate.source.type`.
    pub source_types: SourceTypes,
    /// `post.processors`: values that are read again.
    pub reselect: Option<Reselect>,
    /// `unknown.datatypes.handling.mode=omit`, when they are not included.
    pub omits_unknown: bool,
    /// `extended.headers.enabled`.
    pub extended_headers: bool,
    /// `transforms`.
    pub transforms: Vec<transforms::Transform>,
    /// `key.converter.*`.
    pub key_converter: ConverterSettings,
    /// `value.converter.*`.
    pub value_converter: ConverterSettings,
    /// Where keys' schemas are registered.
    pub key_registry: RegistrySettings,
    /// Where values' schemas are registered.
    pub value_registry: RegistrySettings,
    /// `header.converter`.
    pub header_converter: HeaderConverter,
    /// How names are made, and made fit.
    pub names: Names,
    /// Partitions and copies of new topics.
    pub topics: TopicCreation,
}

impl PostgresConfig {
    /// Reads the option map of the connector `name`; every problem is reported, not only the first.
    pub fn parse(name: &str, options: &Options, topics: TopicDefaults) -> Result<Self, Vec<KeyProblem>> {
        Self::resolved(name, options, resolve(options, secrets::resolve)?, topics, |_, _| Ok(()))
    }

    /// As [`PostgresConfig::parse`], of options that came over HTTP: which files they may name is bound.
    pub fn parse_asked(name: &str, options: &Options, topics: TopicDefaults) -> Result<Self, Vec<KeyProblem>> {
        Self::resolved(name, options, resolve(options, secrets::resolve_asked)?, topics, secrets::check_asked)
    }

    fn resolved(
        name: &str,
        given: &Options,
        options: BTreeMap<String, String>,
        topics: TopicDefaults,
        may: fn(&str, &Path) -> Result<(), Problem>,
    ) -> Result<Self, Vec<KeyProblem>> {
        let mut reader = Reader { options, given, problems: Vec::new() };
        reader.check_table();
        reader.check_name(name);
        let config = reader.build(name, topics);
        reader.check_decoding(&config);
        reader.check_paths(&config, may);
        if reader.problems.is_empty() { Ok(config) } else { Err(reader.problems) }
    }

    /// Options that were given, differ from their default, and have no effect here, each with the reason.
    pub fn without_effect(options: &Options) -> Vec<(String, &'static str)> {
        let ignored = |(name, value): (&String, &String)| match table::find(name)?.support {
            Support::Ignored(reason) if table::find(name)?.default != Some(value.as_str()) => Some((name.clone(), reason)),
            _ => None,
        };
        options.iter().filter_map(ignored).chain(channels::without_effect(options)).collect()
    }
}

/// The options as a REST client may see them: references stay, literal secrets become stars.
pub fn masked(options: &Options) -> Options {
    let mask = |(name, value): (&String, &String)| {
        let hide = secrets::is_named(name) && !value.is_empty() && !secrets::is_reference(value);
        (name.clone(), if hide { secrets::MASK.to_owned() } else { value.clone() })
    };
    options.iter().map(mask).collect()
}

fn resolve(options: &Options, secret: fn(&str) -> Result<String, Problem>) -> Result<BTreeMap<String, String>, Vec<KeyProblem>> {
    let mut problems = Vec::new();
    let mut resolved = BTreeMap::new();
    for (name, value) in options {
        match secret(value) {
            Ok(value) => drop(resolved.insert(name.clone(), value)),
            Err(problem) => problems.push(KeyProblem::new(name, problem)),
        }
    }
    if problems.is_empty() { Ok(resolved) } else { Err(problems) }
}

/// The problem of a value that a reference stands for: what it stands for may be a secret, and is not shown.
fn without_content(key: &str, reference: &str, problem: &Problem) -> Problem {
    let of_the_name = matches!(problem.code, "config/unknown-key" | "config/missing" | "config/exclusive");
    if of_the_name || !problem.what.contains('"') {
        return problem.clone();
    }
    Problem::refuse(problem.code, format!("{key} = \"{reference}\" is not allowed"))
        .why("the value that the reference stands for is not one of this option's; it is not shown, for it may be a secret")
}

/// Confluent Cloud's own connectors are Debezium's with other names for converters and topics.
const OF_CONFLUENT: &str = "PostgresCdcSource and PostgresCdcSourceV2 are names of Confluent Cloud: use \
    io.debezium.connector.postgresql.PostgresConnector, key.converter and value.converter instead of output.key.format and \
    output.data.format, and leave out kafka.*";

/// Debezium passes over keys that it does not know.
fn of_nobody(name: &str, known: &[&'static str]) -> Problem {
    let problem = unknown(name, known).why("Debezium ignores it silently, so it has no effect there either");
    if problem.fix.is_empty() { problem.fix(format!("remove {name}")) } else { problem }
}

struct Reader<'a> {
    options: BTreeMap<String, String>,
    /// The options as they were given, references unresolved.
    given: &'a Options,
    problems: Vec<KeyProblem>,
}

impl Reader<'_> {
    fn refuse(&mut self, key: &str, problem: Problem) {
        // A second problem with the same option would only repeat the first in other words.
        if !self.problems.iter().any(|known| known.key == key) {
            let reference = self.given.get(key).filter(|value| secrets::is_reference(value));
            let problem = reference.map_or_else(|| problem.clone(), |reference| without_content(key, reference, &problem));
            self.problems.push(KeyProblem::new(key, problem));
        }
    }

    /// What `DecodeLogicalDecodingMessageContent` needs of others.
    fn check_decoding(&mut self, config: &PostgresConfig) {
        if !config.transforms.iter().any(|transform| matches!(transform.step, transforms::Step::Decode(_))) {
            return;
        }
        if config.binary != BinaryMode::Bytes {
            let problem = Problem::refuse("config/value", "messages cannot be decoded unless binary.handling.mode is bytes");
            let why = "DecodeLogicalDecodingMessageContent takes the content as bytes; with Debezium the first message stops the connector";
            self.refuse("binary.handling.mode", problem.why(why).fix("remove binary.handling.mode"));
        }
        for (of, converter) in [("key.converter", config.key_converter), ("value.converter", config.value_converter)] {
            if let Some(form) = converter.form {
                let problem = Problem::refuse("config/not-supported", format!("decoded messages cannot be written as {}", form.title()))
                    .why("each message has a schema of its own, and a topic's schemas are registered before its first record")
                    .fix(format!("set {of}=org.apache.kafka.connect.json.JsonConverter, or remove DecodeLogicalDecodingMessageContent"));
                self.refuse(of, problem);
            }
        }
    }

    /// Options that are paths themselves; the file of signals is written, too.
    fn check_paths(&mut self, config: &PostgresConfig, may: fn(&str, &Path) -> Result<(), Problem>) {
        let connection = &config.connection;
        let named = [
            ("database.sslrootcert", &connection.ssl_root_cert),
            ("database.sslcert", &connection.ssl_cert),
            ("database.sslkey", &connection.ssl_key),
            ("signal.file", &config.signals.file),
        ];
        let mut paths: Vec<(String, &Path)> =
            named.into_iter().filter_map(|(option, path)| Some((option.to_owned(), path.as_deref()?))).collect();
        // The consumer's are librdkafka's: ssl.ca.location and its kind, and "probe", which is no path.
        let of_kafka = config.signals.kafka.iter().flat_map(|kafka| &kafka.properties);
        let is_path = |name: &str, value: &str| (name.ends_with(".location") || name.ends_with(".file")) && value != "probe";
        let of_kafka = of_kafka.filter(|(name, value)| is_path(name, value));
        paths.extend(of_kafka.map(|(name, value)| (format!("signal.consumer.{name}"), Path::new(value))));
        for (option, path) in paths {
            // As it was given: what a reference stands for may be a secret.
            let shown = self.given.get(&option).cloned().unwrap_or_else(|| path.display().to_string());
            if let Err(problem) = may(&format!("{option} = {shown}"), path) {
                self.refuse(&option, problem);
            }
        }
    }

    fn check_table(&mut self) {
        // Another connector's options are all wrong here: one sentence says it.
        let class = self.options.get("connector.class").zip(table::find("connector.class"));
        if let Some((class, key)) = class
            && let Err(problem) = key.check(key.name, class)
        {
            let of_cloud = class.to_ascii_lowercase().contains("postgrescdcsource");
            return self.refuse("connector.class", problem.fix(if of_cloud { OF_CONFLUENT } else { "Rowfeed captures PostgreSQL" }));
        }
        let names = table::names();
        for (name, value) in self.options.clone() {
            let result = match table::find(&name) {
                Some(key) => key.check(&name, &value),
                None if Reselect::owns(&self.options, &name) => Ok(()),
                None => Err(of_nobody(&name, &names)),
            };
            if let Err(problem) = result {
                self.refuse(&name, problem);
            }
        }
        for key in table::OPTIONS.iter().filter(|key| matches!(key.rule, super::define::Rule::Required)) {
            if !self.options.contains_key(key.name) {
                let old = self.options.get("database.server.name").filter(|_| key.name == "topic.prefix");
                let fix = old.map(|name| format!("set topic.prefix={name}: its name was database.server.name up to Debezium 1.9"));
                let problem = required(key.name);
                self.refuse(key.name, if let Some(fix) = fix { problem.fix(fix) } else { problem });
            }
        }
    }

    fn check_name(&mut self, name: &str) {
        if let Some(inside) = self.options.get("name").filter(|inside| inside.as_str() != name) {
            let text = format!("Connector name configuration ({inside}) doesn't match connector name in the URL ({name})");
            self.refuse("name", Problem::refuse("config/name", text));
        }
    }

    /// The value as given, else the table's default, else empty.
    fn text(&self, name: &str) -> String {
        let default = || table::find(name).and_then(|key| key.default).unwrap_or("").to_owned();
        self.options.get(name).map(|value| value.trim().to_owned()).unwrap_or_else(default)
    }

    fn word(&self, name: &str) -> String {
        self.text(name).to_ascii_lowercase()
    }

    fn flag(&self, name: &str) -> bool {
        self.word(name) == "true"
    }

    /// A number whose text the table has already checked; zero stands for one it has refused.
    fn number<N: std::str::FromStr + Default>(&self, name: &str) -> N {
        self.text(name).parse().unwrap_or_default()
    }

    fn millis(&self, name: &str) -> Duration {
        Duration::from_millis(self.number(name))
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        Some(self.text(name)).filter(|path| !path.is_empty()).map(PathBuf::from)
    }

    fn build(&mut self, name: &str, topics: TopicDefaults) -> PostgresConfig {
        PostgresConfig {
            name: name.to_owned(),
            connection: self.connection(),
            topic_prefix: self.topic_prefix(),
            compression: Compression::named(&self.word("producer.override.compression.type")),
            topic_delimiter: self.topic_delimiter(),
            slot_name: self.slot_name(),
            slot_drop_on_stop: self.flag("slot.drop.on.stop"),
            slot_failover: self.flag("slot.failover"),
            slot_budget: {
                let policy = self.word(budget::POLICY);
                self.read(budget::SIZE, |size| SlotBudget::parse(size, &policy))
            },
            slot_stream_params: self.read("slot.stream.params", preparation::stream_parameters),
            replica_identities: self.read("replica.identity.autoset.values", ReplicaIdentities::parse),
            guardrail: self.guardrail(),
            confirms: match self.options.get("lsn.flush.mode") {
                Some(mode) => !mode.trim().eq_ignore_ascii_case("manual"),
                None => self.flag("flush.lsn.source"),
            },
            trusts_slot: matches!(self.word("offset.mismatch.strategy").as_str(), "trust_slot" | "trust_greater_lsn"),
            publication_name: self.publication_name(),
            publication_autocreate: match self.word("publication.autocreate.mode").as_str() {
                "disabled" => PublicationAutocreate::Disabled,
                "filtered" => PublicationAutocreate::Filtered,
                "no_tables" => PublicationAutocreate::NoTables,
                _ => PublicationAutocreate::AllTables,
            },
            publish_via_partition_root: self.flag("publish.via.partition.root"),
            tables: self.tables(),
            columns: self.columns(),
            masks: self.masks(),
            message_key_columns: self.message_key_columns(),
            message_prefixes: self.message_prefixes(),
            skip_unchanged: self.flag("skip.messages.without.change"),
            snapshot: self.snapshot(),
            decimal: match self.word("decimal.handling.mode").as_str() {
                "double" => DecimalMode::Double,
                "string" => DecimalMode::String,
                _ => DecimalMode::Precise,
            },
            time: match self.word("time.precision.mode").as_str() {
                "adaptive_time_microseconds" => TimePrecision::AdaptiveTimeMicroseconds,
                "connect" => TimePrecision::Connect,
                "isostring" => TimePrecision::IsoString,
                "microseconds" => TimePrecision::Microseconds,
                "nanoseconds" => TimePrecision::Nanoseconds,
                _ => TimePrecision::Adaptive,
            },
            interval: if self.word("interval.handling.mode") == "string" { IntervalMode::String } else { IntervalMode::Numeric },
            hstore: if self.word("hstore.handling.mode") == "map" { HstoreMode::Map } else { HstoreMode::Json },
            binary: match self.word("binary.handling.mode").as_str() {
                "base64" => BinaryMode::Base64,
                "base64-url-safe" => BinaryMode::Base64UrlSafe,
                "hex" => BinaryMode::Hex,
                _ => BinaryMode::Bytes,
            },
            tombstones_on_delete: self.flag("tombstones.on.delete"),
            skipped: self.skipped(),
            heartbeat_interval: self.millis("heartbeat.interval.ms"),
            heartbeat_topic: self.heartbeat_topic(),
            xmin_interval: Some(self.millis("xmin.fetch.interval.ms")).filter(|interval| !interval.is_zero()),
            heartbeat_query: Some(self.text("heartbeat.action.query")).filter(|query| !query.is_empty()),
            notifications: self.notifications(),
            signals: self.signals(),
            status_update_interval: self.millis("status.update.interval.ms"),
            transaction_topic: self.flag("provide.transaction.metadata").then(|| self.text("topic.transaction")),
            unavailable_value_placeholder: self.placeholder(),
            money_digits: self.number("money.fraction.digits"),
            unknown_as_bytes: self.flag("include.unknown.datatypes"),
            source_types: self.source_types(),
            reselect: self.reselect(),
            omits_unknown: !self.flag("include.unknown.datatypes") && self.word("unknown.datatypes.handling.mode") == "omit",
            extended_headers: self.flag("extended.headers.enabled"),
            transforms: self.transforms(),
            key_converter: self.with_bytes("key"),
            value_converter: self.with_bytes("value"),
            key_registry: self.registry("key"),
            value_registry: self.registry("value"),
            header_converter: match self.text("header.converter") {
                class if class.ends_with("StringConverter") => HeaderConverter::Text,
                class if !class.ends_with("JsonConverter") => HeaderConverter::Simple,
                _ if self.flag("header.converter.schemas.enable") => HeaderConverter::JsonWithSchemas,
                _ => HeaderConverter::Json,
            },
            names: Names {
                topics: self.topic_naming(),
                schemas: NameAdjustment::of(&self.word("schema.name.adjustment.mode")),
                fields: NameAdjustment::of(&self.word("field.name.adjustment.mode")),
            },
            topics: self.topics(topics),
        }
    }

    fn transforms(&mut self) -> Vec<transforms::Transform> {
        transforms::parse(&self.options).unwrap_or_else(|problems| {
            for KeyProblem { key, problem } in problems {
                self.refuse(&key, problem);
            }
            Vec::new()
        })
    }

    fn converter(&mut self, of: &str) -> ConverterSettings {
        let option = |name: &str| format!("{of}.converter.{name}");
        if let Some(form) = self.form(of) {
            // The registry has the schemas, or the form itself.
            let (null_is_default, decimal_numbers) = match form {
                FormSettings::CloudEvents(CloudEventsSettings { avro_data: None, .. }) => {
                    (self.flag(&option("json.replace.null.with.default")), self.word(&option("json.decimal.format")) == "numeric")
                }
                FormSettings::CloudEvents(_) => (!self.flag(&option("avro.ignore.default.for.nullables")), false),
                FormSettings::ConnectJson => {
                    (self.flag(&option("replace.null.with.default")), self.word(&option("decimal.format")) == "numeric")
                }
                _ => {
                    let numbers = matches!(form, FormSettings::JsonSchema(_)) && self.word(&option("decimal.format")) == "numeric";
                    (!self.flag(&option("ignore.default.for.nullables")), numbers)
                }
            };
            return ConverterSettings { null_is_default, decimal_numbers, form: Some(form), ..ConverterSettings::default() };
        }
        ConverterSettings {
            text: self.text(&format!("{of}.converter")).ends_with("StringConverter"),
            bytes: BytesConverter::No,
            schemas: self.flag(&option("schemas.enable")),
            null_is_default: self.flag(&option("replace.null.with.default")),
            decimal_numbers: self.word(&option("decimal.format")) == "numeric",
            form: None,
        }
    }

    /// The converter's settings; those of a converter of bytes are its delegate's.
    fn with_bytes(&mut self, of: &str) -> ConverterSettings {
        let class = self.text(&format!("{of}.converter"));
        if !class.ends_with("ByteArrayConverter") && !class.ends_with("BinaryDataConverter") {
            return self.converter(of);
        }
        let delegate = format!("{of}.converter.delegate.converter.type");
        if self.text(&delegate).is_empty() {
            return ConverterSettings { bytes: BytesConverter::Alone, ..ConverterSettings::default() };
        }
        let schemas = self.flag(&format!("{delegate}.schemas.enable"));
        ConverterSettings { bytes: BytesConverter::Delegating, schemas, ..ConverterSettings::default() }
    }

    fn connection(&mut self) -> ConnectionConfig {
        if self.path("database.sslcert").is_some() != self.path("database.sslkey").is_some() {
            let problem = Problem::refuse("config/value", "database.sslcert and database.sslkey belong together");
            self.refuse("database.sslcert", problem.fix("give both, or neither"));
        }
        ConnectionConfig {
            host: self.text("database.hostname"),
            port: self.number("database.port"),
            user: self.text("database.user"),
            // A password may begin or end with a space: it is taken as it stands.
            password: self.options.get("database.password").filter(|password| !password.is_empty()).map(Secret::new),
            password_from: self.given.get("database.password").filter(|given| secrets::is_reference(given)).cloned().unwrap_or_default(),
            database: self.text("database.dbname"),
            ssl_mode: SslMode::parse(&self.text("database.sslmode")).unwrap_or(SslMode::Prefer),
            ssl_root_cert: self.path("database.sslrootcert"),
            ssl_cert: self.path("database.sslcert"),
            ssl_key: self.path("database.sslkey"),
            initial_statements: preparation::statements(&self.text("database.initial.statements")),
            connect_timeout: match self.number("driver.connectTimeout") {
                // pgjdbc: 0 waits for ever; everything here has a bound.
                0 => connection::CONNECT_TIMEOUT,
                seconds => Duration::from_secs(seconds),
            },
        }
    }

    fn topic_prefix(&mut self) -> String {
        let prefix = self.text("topic.prefix");
        if !prefix.is_empty() && (!prefix.chars().all(is_topic_char) || prefix.len() > TOPIC_PREFIX_BYTES_MAX) {
            let must = format!("letters, digits, dot, dash and underscore, at most {TOPIC_PREFIX_BYTES_MAX}");
            self.refuse("topic.prefix", invalid("topic.prefix", &prefix, &must));
        }
        prefix
    }

    fn topic_delimiter(&mut self) -> String {
        let delimiter = self.text("topic.delimiter");
        if delimiter.is_empty() || !delimiter.chars().all(is_topic_char) {
            let must = "made of letters, digits, dot, dash and underscore";
            self.refuse("topic.delimiter", invalid("topic.delimiter", &delimiter, must));
        }
        delimiter
    }

    fn slot_name(&mut self) -> String {
        let name = self.text("slot.name");
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(legal) {
            let fix = format!("a legal form: {}", legal_name(&name));
            let problem = Problem::refuse("slot/name", format!("\"{name}\" cannot be the name of a replication slot"))
                .why("PostgreSQL allows lower-case letters, digits and underscores, at most 63")
                .fix(fix);
            self.refuse("slot.name", problem);
        }
        name
    }

    fn publication_name(&mut self) -> String {
        let name = self.text("publication.name");
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains('\0') {
            self.refuse("publication.name", invalid("publication.name", &name, "a name of 1 to 63 bytes"));
        }
        name
    }

    fn tables(&mut self) -> TableFilter {
        let [schema_include, schema_exclude, table_include, table_exclude] =
            ["schema.include.list", "schema.exclude.list", "table.include.list", "table.exclude.list"].map(|name| self.text(name));
        let lists = TableLists {
            schema_include: &schema_include,
            schema_exclude: &schema_exclude,
            table_include: &table_include,
            table_exclude: &table_exclude,
            ignore_builtin: self.flag("table.ignore.builtin"),
        };
        let tables = TableFilter::parse(lists).unwrap_or_else(|problem| {
            self.refuse("table.include.list", problem);
            TableFilter::everything()
        });
        tables.with(self.signal_table())
    }

    fn columns(&mut self) -> ColumnFilter {
        ColumnFilter::parse(&self.text("column.include.list"), &self.text("column.exclude.list")).unwrap_or_else(|problem| {
            self.refuse("column.include.list", problem);
            ColumnFilter::default()
        })
    }

    /// Reads an option by a function of its own.
    fn read<T: Default>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, Problem>) -> T {
        parse(&self.text(name)).unwrap_or_else(|problem| {
            self.refuse(name, problem);
            T::default()
        })
    }

    fn topics(&mut self, service: TopicDefaults) -> TopicCreation {
        let default = TopicDefaults {
            partitions: self.text("topic.creation.default.partitions").parse().unwrap_or(service.partitions),
            replication_factor: match self.text("topic.creation.default.replication.factor").parse() {
                Ok(factor) if factor > 0 => factor,
                // Kafka Connect: -1 is the cluster's default.
                _ => service.replication_factor,
            },
            compression: match self.options.get("topic.creation.default.compression.type").map(|name| name.trim()) {
                Some(name) if !name.is_empty() => Compression::named(&name.to_ascii_lowercase()),
                _ => service.compression,
            },
        };
        let (topics, problems) = TopicCreation::parse(&self.options, default, service);
        for KeyProblem { key, problem } in problems {
            self.refuse(&key, problem);
        }
        topics
    }

    fn reselect(&mut self) -> Option<Reselect> {
        Reselect::parse(&self.options).unwrap_or_else(|problems| {
            for KeyProblem { key, problem } in problems {
                self.refuse(&key, problem);
            }
            None
        })
    }

    fn topic_naming(&mut self) -> TopicNaming {
        TopicNaming::parse(&self.options, &self.text("topic.naming.strategy")).unwrap_or_else(|problems| {
            for KeyProblem { key, problem } in problems {
                self.refuse(&key, problem);
            }
            TopicNaming::default()
        })
    }

    fn source_types(&mut self) -> SourceTypes {
        let [columns, types] = ["column.propagate.source.type", "datatype.propagate.source.type"].map(|name| self.text(name));
        SourceTypes::parse(&columns, &types).unwrap_or_else(|wrong| {
            self.refuse(&wrong.key, wrong.problem);
            SourceTypes::default()
        })
    }

    fn guardrail(&self) -> Option<Guardrail> {
        let tables_max: usize = self.number("guardrail.collections.max");
        (tables_max > 0).then(|| Guardrail { tables_max, fails: self.word("guardrail.collections.limit.action") == "fail" })
    }

    fn message_prefixes(&mut self) -> PrefixFilter {
        let exclude = self.text("message.prefix.exclude.list");
        self.read("message.prefix.include.list", |include| PrefixFilter::parse(include, &exclude))
    }

    fn heartbeat_topic(&mut self) -> String {
        let whole = self.text("topic.heartbeat.name");
        let old = self.options.contains_key("heartbeat.topics.prefix") && !self.options.contains_key("topic.heartbeat.prefix");
        let prefix_option = if old { "heartbeat.topics.prefix" } else { "topic.heartbeat.prefix" };
        let (option, name) =
            if whole.is_empty() { (prefix_option, self.text(prefix_option)) } else { ("topic.heartbeat.name", whole.clone()) };
        if name.is_empty() || !name.chars().all(is_topic_char) {
            self.refuse(option, invalid(option, &name, "made of letters, digits, dot, dash and underscore"));
        }
        if whole.is_empty() { format!("{name}{}{}", self.text("topic.delimiter"), self.text("topic.prefix")) } else { whole }
    }

    fn masks(&mut self) -> ColumnMasks {
        let options = self.options.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let (masks, problems) = ColumnMasks::parse(options);
        for KeyProblem { key, problem } in problems {
            self.refuse(&key, problem);
        }
        masks
    }

    fn message_key_columns(&mut self) -> MessageKeyColumns {
        MessageKeyColumns::parse(&self.text("message.key.columns")).unwrap_or_else(|problem| {
            self.refuse("message.key.columns", problem);
            MessageKeyColumns::default()
        })
    }

    fn skipped(&mut self) -> SkippedOperations {
        let text = self.word("skipped.operations");
        let mut skipped = SkippedOperations::default();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match word {
                "c" => skipped.create = true,
                "u" => skipped.update = true,
                "d" => skipped.delete = true,
                "t" => skipped.truncate = true,
                "none" if text == "none" => {}
                _ => self.refuse("skipped.operations", invalid("skipped.operations", &text, "a list of c, u, d, t, or none")),
            }
        }
        skipped
    }

    fn placeholder(&mut self) -> Vec<u8> {
        let text = self.text("unavailable.value.placeholder");
        let Some(hex) = text.strip_prefix("hex:") else { return text.into_bytes() };
        let digits: Option<Vec<u32>> = hex.chars().map(|c| c.to_digit(16)).collect();
        let pair = |pair: &[u32]| match pair {
            [high, low] => u8::try_from(high * 16 + low).ok(),
            _ => None,
        };
        digits.and_then(|digits| digits.chunks(2).map(pair).collect()).unwrap_or_else(|| {
            let must = "hexadecimal digits, two per byte, after \"hex:\"";
            self.refuse("unavailable.value.placeholder", invalid("unavailable.value.placeholder", &text, must));
            Vec::new()
        })
    }
}

/// PostgreSQL cuts longer names (`NAMEDATALEN`).
const NAME_BYTES_MAX: usize = 63;

/// Kafka's longest name of a topic.
const TOPIC_NAME_MAX: usize = 249;

/// Leaves room for schema and table in it.
const TOPIC_PREFIX_BYTES_MAX: usize = 120;

fn is_topic_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// The nearest legal slot name.
pub fn legal_name(name: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let name: String = name.chars().map(legal).take(NAME_BYTES_MAX).collect();
    if name.is_empty() { "rowfeed".to_owned() } else { name }
}

#[cfg(test)]
mod testing {
    //! A connector that has what it must have, and the options under test.

    use super::{KeyProblem, Options, PostgresConfig, TopicDefaults};

    pub fn options(pairs: &[(&str, &str)]) -> Options {
        let base = [("database.hostname", "db"), ("database.user", "cdc"), ("database.dbname", "shop"), ("topic.prefix", "shop")];
        base.iter().chain(pairs).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    pub fn parse(pairs: &[(&str, &str)]) -> Result<PostgresConfig, Vec<KeyProblem>> {
        PostgresConfig::parse("shop", &options(pairs), TopicDefaults::default())
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{options, parse};
    use super::*;

    #[test]
    fn over_http_options_that_are_paths_are_bound_as_references_are() {
        let given = options(&[
            ("database.sslrootcert", "/other/ca"),
            ("database.sslcert", "/run/secrets/c"),
            ("database.sslkey", "${env:K}"),
            ("signal.enabled.channels", "file,kafka"),
            ("signal.kafka.bootstrap.servers", "k:9092"),
            ("signal.consumer.ssl.ca.location", "probe"),
            ("signal.consumer.ssl.key.location", "/other/key"),
        ]);
        let may: fn(&str, &Path) -> Result<(), Problem> = |shown, path| {
            if path.starts_with("/run/secrets") { Ok(()) } else { Err(Problem::fail("secret/path", shown)) }
        };
        let mut resolved: BTreeMap<_, _> = given.clone().into_iter().collect();
        resolved.insert("database.sslkey".to_owned(), "/other/planted".to_owned());
        let found = PostgresConfig::resolved("shop", &given, resolved.clone(), TopicDefaults::default(), may).expect_err("beyond");
        let found = found.iter().filter(|found| found.problem.code == "secret/path");
        assert_eq!(
            found.map(|found| found.problem.what.as_str()).collect::<Vec<_>>(),
            [
                "database.sslrootcert = /other/ca",
                "database.sslkey = ${env:K}",
                "signal.file = file-signals.txt",
                "signal.consumer.ssl.key.location = /other/key"
            ]
        );
        // Channels that are not enabled read no file, and write none.
        resolved.remove("signal.enabled.channels");
        let found = PostgresConfig::resolved("shop", &given, resolved, TopicDefaults::default(), may).expect_err("beyond");
        assert_eq!(found.iter().map(|found| found.key.as_str()).collect::<Vec<_>>(), ["database.sslrootcert", "database.sslkey"]);
    }

    #[test]
    fn a_minimal_configuration_has_debeziums_defaults() {
        let config = parse(&[]).expect("valid");
        assert_eq!((config.slot_name.as_str(), config.publication_name.as_str()), ("debezium", "dbz_publication"));
        assert_eq!(config.publication_autocreate, PublicationAutocreate::AllTables);
        assert_eq!(config.skipped, SkippedOperations { truncate: true, ..SkippedOperations::default() });
        assert_eq!((config.decimal, config.time, config.binary), (DecimalMode::Precise, TimePrecision::Adaptive, BinaryMode::Bytes));
        assert_eq!(config.unavailable_value_placeholder, b"__debezium_unavailable_value");
        assert_eq!((config.heartbeat_interval, config.status_update_interval), (Duration::ZERO, Duration::from_secs(10)));
        assert_eq!((config.connection.port, config.connection.ssl_mode), (5432, SslMode::Prefer));
        assert!(config.tombstones_on_delete && config.extended_headers);
        assert_eq!(config.topics.of("shop.public.t"), TopicDefaults::default());
        assert_eq!(config.heartbeat_topic, "__debezium-heartbeat.shop");
    }

    #[test]
    fn every_wrong_option_is_reported_at_once() {
        let problems =
            parse(&[("slot.name", "Shop-Slot"), ("tabel.include.list", "x"), ("decimal.handling.mode", "exact"), ("transforms", "unwrap")])
                .expect_err("four mistakes");
        let codes: Vec<_> = problems.iter().map(|problem| (problem.key.as_str(), problem.problem.code)).collect();
        assert_eq!(
            codes,
            [
                ("decimal.handling.mode", "config/value"),
                ("tabel.include.list", "config/unknown-key"),
                ("slot.name", "slot/name"),
                ("transforms.unwrap.type", "config/missing"),
            ]
        );
        assert_eq!(problems[1].problem.fix, "did you mean \"table.include.list\"?");
        assert_eq!(problems[2].problem.fix, "a legal form: shop_slot");
    }

    #[test]
    fn values_are_read_as_debezium_reads_them() {
        let config = parse(&[
            ("skipped.operations", "none"),
            ("unavailable.value.placeholder", "hex:00ff"),
            ("snapshot.mode", "NO_DATA"),
            ("header.converter", "org.apache.kafka.connect.json.JsonConverter"),
            ("topic.creation.default.partitions", "3"),
            ("topic.creation.default.replication.factor", "-1"),
            ("heartbeat.interval.ms", "5000"),
            ("slot.failover", "false"),
        ])
        .expect("valid");
        assert_eq!(config.skipped, SkippedOperations::default());
        assert_eq!(config.unavailable_value_placeholder, [0, 255]);
        assert_eq!(config.snapshot.mode, SnapshotMode::NoData);
        assert_eq!(config.header_converter, HeaderConverter::Json);
        assert_eq!(config.topics.of("shop.public.t"), TopicDefaults { partitions: 3, ..TopicDefaults::default() });
        assert_eq!(config.heartbeat_interval, Duration::from_secs(5));
    }

    #[test]
    fn what_confirms_positions_and_what_they_are_checked_against_is_read() {
        let of = |pairs: &[(&str, &str)]| parse(pairs).map(|config| (config.confirms, config.trusts_slot)).expect("valid");
        assert_eq!(of(&[]), (true, false));
        assert_eq!(of(&[("lsn.flush.mode", "Manual"), ("offset.mismatch.strategy", "trust_slot")]), (false, true));
        assert_eq!(of(&[("flush.lsn.source", "false"), ("offset.mismatch.strategy", "trust_offset")]), (false, false));
        let both =
            [("flush.lsn.source", "false"), ("lsn.flush.mode", "connector_and_driver"), ("offset.mismatch.strategy", "trust_greater_lsn")];
        assert_eq!(of(&both), (true, true));
    }

    #[test]
    fn a_converter_of_bytes_has_its_delegates_settings() {
        let of = |pairs: &[(&str, &str)]| parse(pairs).map(|config| (config.value_converter.bytes, config.value_converter.schemas));
        let class = ("value.converter", "io.debezium.converters.BinaryDataConverter");
        assert_eq!(of(&[class]).expect("valid"), (BytesConverter::Alone, false));
        let delegate = ("value.converter.delegate.converter.type", table::JSON_CONVERTER);
        assert_eq!(of(&[class, delegate]).expect("valid"), (BytesConverter::Delegating, true));
        let plain = ("value.converter.delegate.converter.type.schemas.enable", "false");
        assert_eq!(of(&[class, delegate, plain]).expect("valid"), (BytesConverter::Delegating, false));
    }

    #[test]
    fn literal_secrets_are_masked_and_references_are_not() {
        let masked = masked(&options(&[("database.password", "p"), ("database.sslpassword", "${env:X}")]));
        assert_eq!(masked["database.password"], "********");
        assert_eq!(masked["database.sslpassword"], "${env:X}");
        let config = parse(&[("database.password", "hunter2")]).expect("valid");
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn what_a_reference_stands_for_is_not_shown() {
        let path = std::env::var("PATH").expect("a PATH");
        for key in ["slot.name", "database.sslmode", "topic.prefix", "database.port", "skipped.operations"] {
            let problems = parse(&[(key, "${env:PATH}")]).expect_err("not a value of this option");
            let text: String = problems.iter().map(|problem| problem.problem.text()).collect();
            assert!(text.contains("${env:PATH}") && !text.contains(&path) && !text.contains(&legal_name(&path)), "{text}");
        }
    }

    #[test]
    fn a_certificate_without_its_key_is_refused() {
        assert!(parse(&[("database.sslcert", "/c")]).is_err() && parse(&[("database.sslkey", "/k")]).is_err());
        assert!(parse(&[("database.sslcert", "/c"), ("database.sslkey", "/k")]).is_ok());
    }

    #[test]
    fn configurations_of_older_versions_are_told_the_names_of_today() {
        let problems = parse(&[("table.whitelist", "public.a"), ("slot.drop_on_stop", "true")]).expect_err("older names");
        let fixes: Vec<_> = problems.iter().map(|problem| (problem.problem.code, problem.problem.fix.as_str())).collect();
        let today = |name: &str| format!("its name today is {name}");
        let expected = [today("slot.drop.on.stop"), today("table.include.list")];
        assert_eq!(fixes, expected.each_ref().map(|fix| ("config/renamed", fix.as_str())));
        let mut old = options(&[("database.server.name", "shop")]);
        old.remove("topic.prefix");
        let problems = PostgresConfig::parse("shop", &old, TopicDefaults::default()).expect_err("no topic.prefix");
        assert_eq!(problems.len(), 1);
        assert!(problems[0].problem.fix.starts_with("set topic.prefix=shop"), "{}", problems[0].problem.fix);
        // Beside today's name it is what Debezium makes of it: nothing.
        let both = [("database.server.name", "x"), ("schema.history.internal.kafka.topic", "h"), ("include.schema.changes", "false")];
        assert_eq!(parse(&both).expect("valid").topic_prefix, "shop");
        assert_eq!(parse(&[("snapshot.mode", "never")]).expect("valid").snapshot.mode, SnapshotMode::NoData);
    }

    #[test]
    fn an_option_without_effect_is_reported_with_its_reason() {
        let found = PostgresConfig::without_effect(&options(&[("max.batch.size", "4096"), ("tasks.max", "1")]));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, "max.batch.size");
    }
}
