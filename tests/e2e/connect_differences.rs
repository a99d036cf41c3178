//! What is deliberately not as Kafka Connect has it.

/// One difference.
pub struct Difference {
    /// `FILE: METHOD PATH`; a `*` is any text, `|` is or.
    pub request: &'static str,
    /// The field of the answer, in the same way; followed by ` +` when only ours has it, ` -` when only theirs has.
    pub field: &'static str,
    /// Why.
    pub why: &'static str,
}

const fn differs(request: &'static str, field: &'static str, why: &'static str) -> Difference {
    Difference { request, field, why }
}

const OWN_VERSION: &str = "Each tells its own version.";
const RELATIVE: &str = "A relative address is right behind a proxy, too.";
const HIDDEN: &str = "Kafka Connect shows literal passwords to everybody.";
const AT_ONCE: &str = "There is always one task, and it is there at once.";
const EXPLAINED: &str = "What is wrong is said in rowfeed's words, with the remedy.";
const NOT_OUR_FAULT: &str = "A 500 says that the server has a defect; a request that cannot be read is a 400.";
const OWN_TABLE: &str =
    "Options have rowfeed's groups, texts and order; both names of the order are given, for clients of workers before and after 4.2.";
const UNSAID: &str = "A body of JSON says so, that of an error included.";
const OWN_DEFAULTS: &str = "The defaults that hold here.";
const MISSING: &str = "Without these no connector starts; Debezium checks it and does not tell.";
const OTHER_OPTIONS: &str =
    "Options that do nothing here are patterns or left out; those of Debezium that stand on its parts are listed here one by one.";
const KNOWS_MORE: &str = "Debezium checks and fills in only a few of its values; rowfeed shows each as it was given, or its default.";
const OTHER_PLUGINS: &str = "What is listed is what a configuration may name here.";

/// Options that Debezium lists and that are not listed here.
const LACKING: &str = "/body/column.mask.hash.([^.]+).with.salt.(.+) -|/body/configs/column.mask.hash.([^.]+).with.salt.(.+) -|/body/column.mask.with.(d+).chars -|/body/configs/column.mask.with.(d+).chars -|/body/column.truncate.to.(d+).chars -|/body/configs/column.truncate.to.(d+).chars -|/body/converters -|/body/configs/converters -|/body/database.sslpassword -|/body/configs/database.sslpassword -|/body/errors.retry.delay.max.ms -|/body/configs/errors.retry.delay.max.ms -|/body/errors.retry.timeout -|/body/configs/errors.retry.timeout -|/body/internal.advanced.metrics.enable -|/body/configs/internal.advanced.metrics.enable -|/body/internal.legacy.snapshot.max.threads -|/body/configs/internal.legacy.snapshot.max.threads -|/body/internal.log.position.check.enable -|/body/configs/internal.log.position.check.enable -|/body/internal.snapshot.scan.all.columns.force -|/body/configs/internal.snapshot.scan.all.columns.force -|/body/memory.management.schemas.class -|/body/configs/memory.management.schemas.class -|/body/memory.management.tables.class -|/body/configs/memory.management.tables.class -|/body/openlineage.integration.config.file.path -|/body/configs/openlineage.integration.config.file.path -|/body/openlineage.integration.dataset.kafka.bootstrap.servers -|/body/configs/openlineage.integration.dataset.kafka.bootstrap.servers -|/body/openlineage.integration.enabled -|/body/configs/openlineage.integration.enabled -|/body/openlineage.integration.job.description -|/body/configs/openlineage.integration.job.description -|/body/openlineage.integration.job.namespace -|/body/configs/openlineage.integration.job.namespace -|/body/openlineage.integration.job.owners -|/body/configs/openlineage.integration.job.owners -|/body/openlineage.integration.job.tags -|/body/configs/openlineage.integration.job.tags -|/body/sourceinfo.struct.maker -|/body/configs/sourceinfo.struct.maker -|/body/transaction.metadata.factory -|/body/configs/transaction.metadata.factory -";
/// Options with another default.
const DEFAULTS: &str = "/body/connector.plugin.version/default_value|/body/configs/connector.plugin.version/definition/default_value|/body/custom.sanitize.pattern/default_value|/body/configs/custom.sanitize.pattern/definition/default_value|/body/header.converter/default_value|/body/configs/header.converter/definition/default_value|/body/header.converter.plugin.version/default_value|/body/configs/header.converter.plugin.version/definition/default_value|/body/incremental.snapshot.watermarking.strategy/default_value|/body/configs/incremental.snapshot.watermarking.strategy/definition/default_value|/body/key.converter/default_value|/body/configs/key.converter/definition/default_value|/body/key.converter.plugin.version/default_value|/body/configs/key.converter.plugin.version/definition/default_value|/body/lsn.flush.mode/default_value|/body/configs/lsn.flush.mode/definition/default_value|/body/offsets.storage.topic/default_value|/body/configs/offsets.storage.topic/definition/default_value|/body/plugin.name/default_value|/body/configs/plugin.name/definition/default_value|/body/predicates/default_value|/body/configs/predicates/definition/default_value|/body/snapshot.fetch.size/default_value|/body/configs/snapshot.fetch.size/definition/default_value|/body/topic.creation.groups/default_value|/body/configs/topic.creation.groups/definition/default_value|/body/transforms/default_value|/body/configs/transforms/definition/default_value|/body/value.converter/default_value|/body/configs/value.converter/definition/default_value|/body/value.converter.plugin.version/default_value|/body/configs/value.converter.plugin.version/definition/default_value";

#[rustfmt::skip]
pub const DIFFERENCES: &[Difference] = &[
    // A connector's life.
    differs("*", "/headers/location|/headers/location +", RELATIVE),
    differs("*", "*/version", OWN_VERSION),
    differs("*", "*/config/database.password", HIDDEN),
    differs("connectors: POST /connectors|connectors: PUT *|connectors: GET /connectors/put%20me|errors: POST /connectors", "/body/tasks", AT_ONCE),
    differs("connectors: GET /connectors/rest/status", "/body/tasks", AT_ONCE),
    differs("connectors: * /connectors/shop/offsets", "/body/message", "Rowfeed's positions are all its own: nothing else has to be altered or reset."),
    differs("connectors: PATCH /connectors/shop/offsets", "/status|/body/error_code +", "An entry without an offset is a mistake, not an order to forget the position."),
    differs("connectors: GET /connectors/shop/offsets", "/body/offsets/0/offset/*", "The position says more than Debezium's, which stands in it."),
    differs("connectors: GET /connectors/shop/config", "/body/database.password", HIDDEN),
    differs("connectors: GET /connectors/shop/topics", "/body/shop/topics", "Kafka Connect takes a moment to begin its list anew, and was asked within it."),
    differs("*", "/headers/content-type +", UNSAID),
    // Requests that are refused.
    differs("errors: *|plugins: *", "/body/message", EXPLAINED),
    differs("errors: POST /connectors|errors: PUT /connectors/x/config", "/status|/body/error_code", NOT_OUR_FAULT),
    // The form.
    differs("plugins: *", "/body/*/documentation|/body/*/width|/body/*/display_name|/body/*/group|/body/*/importance|/body/*/order|/body/*/order_in_group|/body/groups*", OWN_TABLE),
    differs("plugins: *", "/body/*/dependents|/body/configs/*/value/visible", "Debezium hides one of two lists that exclude each other; here the error says it."),
    differs("plugins: *", "/body/* +", "Options of converters and topics are listed, too; Debezium's own list leaves them to others."),
    differs("plugins: *", LACKING, OTHER_OPTIONS),
    differs("plugins: *", DEFAULTS, OWN_DEFAULTS),
    differs("plugins: *", "/body/*topic.prefix*/required|/body/*database.*/required", MISSING),
    differs("plugins: PUT *", "/body/configs/*/value/value", KNOWS_MORE),
    differs("plugins: PUT *", "/body/configs/*/value/recommended_values*", "The words of an option that works here, and what the database has."),
    differs("plugins: PUT *", "/body/configs/*/value/errors/0", EXPLAINED),
    differs("plugins: PUT *", "/body/configs/heartbeat.interval.ms/value/errors|/body/configs/database.*/value/errors|/body/error_count", "An option has one error, and it stands where a person would change something; an option that nobody knows is an error."),
    differs("plugins: PUT *", "/status|/body/error_code", NOT_OUR_FAULT),
    // Levels of the log.
    differs("loggers: GET /admin/loggers*", "/body/rowfeed* +", "Rowfeed's own loggers."),
    differs("loggers: PUT /admin/loggers/root", "/body", "Rowfeed's own loggers."),
    differs("loggers: PUT /admin/loggers/org.example.one", "/body/message", EXPLAINED),
    differs("loggers: PUT /admin/loggers/org.example.one", "/status|/body/error_code", NOT_OUR_FAULT),
    // The worker.
    differs("worker: GET /", "/body/commit|/body/kafka_cluster_id", OWN_VERSION),
    differs("worker: GET /connector-plugins*", "/body/* * +|/body/* * -", OTHER_PLUGINS),
];
