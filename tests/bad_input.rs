//! Wrong settings, files and URLs: what a person reads, word for word.
//!
//! Aim: every mistake of a first hour is refused before anything starts, with the place, the cause and the remedy.
//! Method: a table of inputs and of the whole text shown; a changed word is a changed table.

use std::path::Path;

use rowfeed::config::ServiceConfig;
use rowfeed::config::postgres::{ConnectionConfig, TopicDefaults};
use rowfeed::config::service::Sources;
use rowfeed::connect::definitions;
use rowfeed::problem::Problem;

/// What is wrong.
enum Input {
    /// A connection URL.
    Url(&'static str),
    /// `--set` of the service.
    Set(&'static [&'static str]),
    /// A whole `rowfeed.toml`.
    ServiceFile(&'static str),
    /// `connectors/shop.toml`.
    Toml(&'static str),
    /// `connectors/shop.json`: options beside a good minimum.
    Json(&'static str),
    /// `connectors/shop.json` as it stands.
    JsonFile(&'static str),
}
use Input::{Json, JsonFile, ServiceFile, Set, Toml, Url};

/// The options every connector needs.
const MINIMUM: &str = "{\"connector.class\": \"PostgresConnector\", \"database.hostname\": \"db\", \"database.user\": \"cdc\",\n\
                       \"database.dbname\": \"shop\", \"topic.prefix\": \"shop\",\n";

#[rustfmt::skip]
const TABLE: &[(Input, &str)] = &[
    (Url("shop"),
        "error[url/parse]: this is not a connection URL\n  why:  it has no ://\n  fix:  postgres://USER:PASSWORD@HOST:5432/DATABASE"),
    (Url("mysql://root@db/shop"),
        "error[url/scheme]: rowfeed captures PostgreSQL only, got mysql://\n  fix:  postgres://USER:PASSWORD@HOST:5432/DATABASE"),
    (Url("postgres://cdc:p@ss/word@db/shop"),
        "error[url/parse]: the connection URL has an \"@\" or \"/\" that belongs to the password\n  why:  in a URL they must be written %40 and %2F\n  fix:  postgres://cdc:p%40ss%2Fword@db/shop     or keep it out of the URL:  password = \"${env:DB_PASSWORD}\""),
    (Url("postgres://cdc@db:port/shop"),
        "error[url/parse]: port \"port\" in the connection URL is not a port\n  why:  it must be a number from 1 to 65535"),
    (Url("postgres://cdc@db:0/shop"),
        "error[url/parse]: port \"0\" in the connection URL is not a port\n  why:  it must be a number from 1 to 65535"),
    (Url("postgres://cdc@a,b/shop"),
        "error[url/parse]: the connection URL names several hosts\n  why:  changes are read from one server\n  fix:  name the primary"),
    (Url("postgres://cdc@[::1/shop"),
        "error[url/parse]: the connection URL has an IPv6 address without its closing \"]\""),
    (Url("postgres://cdc:50%@db/shop"),
        "error[url/parse]: the connection URL has a \"%\" that is not followed by two hexadecimal digits\n  fix:  write a literal percent sign as %25"),
    (Url("postgres://cdc@db/shop?sslmode=on"),
        "error[url/parse]: sslmode=on is not a mode of TLS\n  fix:  one of disable, allow, prefer, require, verify-ca, verify-full"),
    (Url("postgres://cdc@db/shop?sslmod=require"),
        "error[url/parse]: unknown parameter \"sslmod\" in the connection URL\n  fix:  did you mean \"sslmode\"?"),
    (Set(&["http.listen=0.0.0.0:8083"]),
        "error[listener/insecure]: http.listen = \"0.0.0.0:8083\" would be open to other machines without authentication\n  → --set\n  why:  anyone who reaches 0.0.0.0:8083 could read every captured row\n  fix:  listen on 127.0.0.1, or ask for tokens (http.auth = \"token\"), or say so in words:  http.auth = \"none\"   (ROWFEED_HTTP_AUTH=none)"),
    (Set(&["kafka.listen=db.internal:9092"]),
        "error[listener/insecure]: kafka.listen = \"db.internal:9092\" would be open to other machines without authentication\n  → --set\n  why:  anyone who reaches db.internal:9092 could read every captured row\n  fix:  listen on 127.0.0.1, or say so in words:  kafka.auth = \"none\"   (ROWFEED_KAFKA_AUTH=none)"),
    (Set(&["htp.listen=127.0.0.1:1"]),
        "error[config/unknown-key]: unknown key \"htp.listen\"\n  → --set\n  fix:  did you mean \"http.listen\"?"),
    (Set(&["http.listen"]),
        "error[config/value]: --set http.listen has no value\n  fix:  --set key=value"),
    (Set(&["http.listen=8083"]),
        "error[config/value]: http.listen = \"8083\" is not allowed\n  → --set\n  why:  it must be HOST:PORT, such as 127.0.0.1:8083"),
    (Set(&["log.kind=kafak"]),
        "error[config/value]: log.kind = \"kafak\" is not allowed\n  → --set\n  why:  it must be one of builtin, kafka\n  fix:  did you mean \"kafka\"?"),
    (Set(&["log.kind=kafka"]),
        "error[config/missing]: log.bootstrap is missing\n  why:  log.kind = \"kafka\" needs the cluster's address\n  fix:  log.bootstrap = \"HOST:9092\""),
    (Set(&["log.max_bytes=lots"]),
        "error[config/value]: log.max_bytes = \"lots\" is not allowed\n  → --set\n  why:  it must be a size such as 40GiB: a whole number comes first"),
    (Set(&["log.max_bytes=200MiB"]),
        "error[config/value]: log.max_bytes = \"200MiB\" is not allowed\n  → --set\n  why:  it must be at least twice log.segment_bytes"),
    (Set(&["log.retention=7"]),
        "error[config/value]: log.retention = \"7\" is not allowed\n  → --set\n  why:  it must be a duration such as 7d: the unit is missing: ms, s, m, h or d"),
    (Set(&["topics.partitions=0"]),
        "error[config/value]: topics.partitions = \"0\" is not allowed\n  → --set\n  why:  it must be a number from 1 to 1024"),
    (ServiceFile("[log\n"),
        "error[config/syntax]: this is not valid TOML\n  → rowfeed.toml:1:5\n  why:  unclosed table, expected `]`"),
    (ServiceFile("[http]\nlisten = 8083\n"),
        "error[config/value]: http.listen = \"8083\" is not allowed\n  → rowfeed.toml:2:10\n  2 | listen = 8083\n    |          ^^^^\n  why:  it must be HOST:PORT, such as 127.0.0.1:8083"),
    (ServiceFile("[kafka]\nlisten = \"127.0.0.1:9092\"\nadvertized = \"x\"\n"),
        "error[config/unknown-key]: unknown key \"kafka.advertized\"\n  → rowfeed.toml:3:1\n  3 | advertized = \"x\"\n    | ^^^^^^^^^^ did you mean \"kafka.advertised\"?"),
    (ServiceFile("[log]\nretention = { days = 7 }\n"),
        "error[config/unknown-key]: unknown key \"log.retention.days\"\n  → rowfeed.toml:2:15\n  2 | retention = { days = 7 }\n    |               ^^^^"),
    (ServiceFile("[log.kafka]\n\"sasl.password\" = \"${env:ROWFEED_TEST_NOT_SET}\"\n"),
        "error[secret/missing]: the secret ${env:ROWFEED_TEST_NOT_SET} cannot be read\n  → rowfeed.toml:2:1\n  why:  the environment variable ROWFEED_TEST_NOT_SET is not set"),
    (Toml(""),
        "error[config/missing]: url is missing\n  → shop.toml\n  fix:  url = \"postgres://USER@HOST:5432/DATABASE\""),
    (Toml("url = \"postgres://cdc@db/shop\"\ntabels = [\"public.orders\"]\n"),
        "error[config/unknown-key]: unknown key \"tabels\"\n  → shop.toml:2:1\n  2 | tabels = [\"public.orders\"]\n    | ^^^^^^ did you mean \"tables\"?"),
    (Toml("url = \"postgres://cdc@db/shop\"\ntables = [\"orders\"]\n"),
        "error[config/value]: tables = \"orders\" is not allowed\n  → shop.toml:2:10\n  2 | tables = [\"orders\"]\n    |          ^^^^^^^^^^\n  why:  it must be patterns of the form schema.table, such as \"public.orders\""),
    (Toml("url = \"postgres://cdc@db/shop\"\ntables = [1979-05-27]\n"),
        "error[config/value]: a datetime cannot stand here\n  → shop.toml:2:10\n  2 | tables = [1979-05-27]\n    |          ^^^^^^^^^^^^\n  why:  settings are texts, numbers, true or false, and lists of those"),
    (Toml("url = \"postgres://cdc:p@ss@db/shop\"\n"),
        "error[url/parse]: the connection URL has an \"@\" or \"/\" that belongs to the password\n  → shop.toml:1:24\n  why:  in a URL they must be written %40 and %2F\n  fix:  postgres://cdc:p%40ss%2Fword@db/shop     or keep it out of the URL:  password = \"${env:DB_PASSWORD}\""),
    (Toml("url = \"postgres://cdc@db/shop\"\n[values]\ndecimals = \"exact\"\ntimestamps = \"isso\"\n"),
        "error[config/value]: values.decimals = \"exact\" is not allowed\n  → shop.toml:3:12\n  3 | decimals = \"exact\"\n    |            ^^^^^^^\n  why:  it must be one of string, precise, double\nerror[config/value]: values.timestamps = \"isso\" is not allowed\n  → shop.toml:4:14\n  4 | timestamps = \"isso\"\n    |              ^^^^^^\n  why:  it must be one of iso, adaptive\n  fix:  did you mean \"iso\"?"),
    (Toml("url = \"postgres://cdc@db/shop\"\nheartbeat = \"often\"\n"),
        "error[config/value]: heartbeat = \"often\" is not allowed\n  → shop.toml:2:13\n  2 | heartbeat = \"often\"\n    |             ^^^^^^^\n  why:  it must be a duration such as 10s: a whole number comes first"),
    (Toml("url = \"postgres://cdc@db/shop\"\n[snapshot]\nwhere.\"public.orders\" = \"true\"\n"),
        "error[config/not-supported]: snapshot.where.public.orders is not supported yet\n  → shop.toml:3:7\n  3 | where.\"public.orders\" = \"true\"\n    |       ^^^^^^^^^^^^^^^\n  why:  the snapshot would read all rows\n  fix:  remove snapshot.where.public.orders"),
    (Toml("url = \"postgres://cdc@db/shop\"\nslot = \"Shop\"\n"),
        "error[slot/name]: \"Shop\" cannot be the name of a replication slot\n  → shop.toml:2:8\n  2 | slot = \"Shop\"\n    |        ^^^^^^\n  why:  PostgreSQL allows lower-case letters, digits and underscores, at most 63\n  fix:  a legal form: shop"),
    (Toml("url = \"postgres://cdc@db/shop\"\npassword = \"${file:/nonexistent/pw}\"\n"),
        "error[secret/missing]: the secret ${file:/nonexistent/pw} cannot be read\n  → shop.toml:2:12\n  why:  /nonexistent/pw: No such file or directory (os error 2)"),
    (Toml("url = \"postgres://cdc@db/shop\"\nurl = \"x\"\n"),
        "error[config/syntax]: this is not valid TOML\n  → shop.toml:2:1\n  why:  duplicate key"),
    (JsonFile(""),
        "error[config/syntax]: this is not valid JSON\n  → shop.json:1:1\n  why:  EOF while parsing a value at line 1 column 0"),
    (JsonFile("{\"name\": \"shop\",}"),
        "error[config/syntax]: this is not valid JSON\n  → shop.json:1:17\n  why:  trailing comma at line 1 column 17"),
    (JsonFile("[]"),
        "error[config/syntax]: a connector is a JSON object\n  → shop.json:1:1"),
    (JsonFile("{}"),
        "error[config/missing]: connector.class is missing\n  → shop.json\n  fix:  set connector.class"),
    (JsonFile("{\"name\": \"a/b\", \"config\": {}}"),
        "error[config/value]: name = \"a/b\" is not allowed\n  → shop.json\n  why:  it must be 1 to 200 bytes without slash, control characters and outer spaces"),
    (Json("\"topic.prefix\": \"shop\""),
        "error[config/duplicate-key]: \"topic.prefix\" is written twice\n  → shop.json:3:1\n  3 | \"topic.prefix\": \"shop\"}\n    | ^^^^^^^^^^^^^^"),
    (Json("\"slot.name\": [\"a\"]"),
        "error[config/value]: slot.name must be a text, a number, true or false\n  → shop.json:3:1\n  3 | \"slot.name\": [\"a\"]}\n    | ^^^^^^^^^^^"),
    (Json("\"slot.nam\": \"a\""),
        "error[config/unknown-key]: unknown key \"slot.nam\"\n  → shop.json:3:1\n  3 | \"slot.nam\": \"a\"}\n    | ^^^^^^^^^^\n  why:  Debezium ignores it silently, so it has no effect there either\n  fix:  did you mean \"slot.name\"?"),
    (Json("\"slot.name\": \"shop-slot\""),
        "error[slot/name]: \"shop-slot\" cannot be the name of a replication slot\n  → shop.json:3:1\n  3 | \"slot.name\": \"shop-slot\"}\n    | ^^^^^^^^^^^\n  why:  PostgreSQL allows lower-case letters, digits and underscores, at most 63\n  fix:  a legal form: shop_slot"),
    (Json("\"database.port\": \"many\""),
        "error[config/value]: database.port = \"many\" is not allowed\n  → shop.json:3:1\n  3 | \"database.port\": \"many\"}\n    | ^^^^^^^^^^^^^^^\n  why:  it must be a whole number"),
    (Json("\"database.port\": 70000"),
        "error[config/value]: database.port = \"70000\" is not allowed\n  → shop.json:3:1\n  3 | \"database.port\": 70000}\n    | ^^^^^^^^^^^^^^^\n  why:  it must be a number from 1 to 65535"),
    (Json("\"table.include.list\": \"public.(orders\""),
        "error[config/value]: table.include.list = \"public.(orders\" is not allowed\n  → shop.json:3:1\n  3 | \"table.include.list\": \"public.(orders\"}\n    | ^^^^^^^^^^^^^^^^^^^^\n  why:  it must be a list of regular expressions: unclosed group"),
    (Json("\"table.include.list\": \"(?!x)y\""),
        "error[config/value]: table.include.list = \"(?!x)y\" is not allowed\n  → shop.json:3:1\n  3 | \"table.include.list\": \"(?!x)y\"}\n    | ^^^^^^^^^^^^^^^^^^^^\n  why:  it must be a list of regular expressions: look-around, including look-ahead and look-behind, is not supported"),
    (Json("\"table.include.list\": \"public.a\", \"table.exclude.list\": \"public.b\""),
        "error[config/exclusive]: table.include.list and table.exclude.list cannot both be set\n  → shop.json:3:1\n  3 | \"table.include.list\": \"public.a\", \"table.exclude.list\": \"public.b\"}\n    | ^^^^^^^^^^^^^^^^^^^^\n  fix:  keep one of them: a table that table.include.list does not name is not captured anyway"),
    (Json("\"message.key.columns\": \"public.orders\""),
        "error[config/value]: message.key.columns = \"public.orders\" is not allowed\n  → shop.json:3:1\n  3 | \"message.key.columns\": \"public.orders\"}\n    | ^^^^^^^^^^^^^^^^^^^^^\n  why:  it must be <table regex>:<column>,<column>; several separated by semicolons"),
    (Json("\"snapshot.mode\": \"initail\""),
        "error[config/value]: snapshot.mode = \"initail\" is not allowed\n  → shop.json:3:1\n  3 | \"snapshot.mode\": \"initail\"}\n    | ^^^^^^^^^^^^^^^\n  why:  it must be one of always, initial, initial_only, no_data, never, schema_only, when_needed, when_needed_no_data, configuration_based, custom\n  fix:  did you mean \"initial\"?"),
    (Json("\"skipped.operations\": \"c,x\""),
        "error[config/value]: skipped.operations = \"c,x\" is not allowed\n  → shop.json:3:1\n  3 | \"skipped.operations\": \"c,x\"}\n    | ^^^^^^^^^^^^^^^^^^^^\n  why:  it must be a list of c, u, d, t, or none"),
    (Json("\"tombstones.on.delete\": \"yes\""),
        "error[config/value]: tombstones.on.delete = \"yes\" is not allowed\n  → shop.json:3:1\n  3 | \"tombstones.on.delete\": \"yes\"}\n    | ^^^^^^^^^^^^^^^^^^^^^^\n  why:  it must be true or false"),
    (Json("\"transforms\": \"unwrap\""),
        "error[config/missing]: transforms.unwrap.type is missing\n  → shop.json\n  fix:  set transforms.unwrap.type"),
    (Json("\"transforms\": \"u\", \"transforms.u.type\": \"io.debezium.transforms.ExtractNewRecordStates\""),
        "error[config/not-supported]: the transformation io.debezium.transforms.ExtractNewRecordStates is not supported\n  → shop.json:3:20\n  3 | \"transforms\": \"u\", \"transforms.u.type\": \"io.debezium.transforms.ExtractNewRecordStates\"}\n    |                    ^^^^^^^^^^^^^^^^^^^\n  why:  leaving it out would change every event\n  fix:  did you mean \"ExtractNewRecordState\"?"),
    (Json("\"transforms\": \"r\", \"transforms.r.type\": \"org.apache.kafka.connect.transforms.RegexRouter\", \"transforms.r.regex\": \"(\", \"transforms.r.replacement\": \"x\""),
        "error[config/value]: transforms.r.regex = \"(\" is not allowed\n  → shop.json:3:92\n  3 | \"transforms\": \"r\", \"transforms.r.type\": \"org.apache.kafka.connect.transforms.RegexRouter\", \"transforms.r.regex\": \"(\", \"transforms.r.replacement\": \"x\"}\n    |                                                                                            ^^^^^^^^^^^^^^^^^^^^\n  why:  it must be a regular expression: unclosed group"),
    (Json("\"transforms\": \"f\", \"transforms.f.type\": \"io.debezium.transforms.Filter\", \"transforms.f.language\": \"jsr223.groovy\", \"transforms.f.condition\": \"value.op = 'u'\""),
        "error[config/expression]: transforms.f.condition cannot be read at character 10: nothing can be assigned: == compares\n  → shop.json:3:116\n  3 | \"transforms\": \"f\", \"transforms.f.type\": \"io.debezium.transforms.Filter\", \"transforms.f.language\": \"jsr223.groovy\", \"transforms.f.condition\": \"value.op = 'u'\"}\n    |                                                                                                                    ^^^^^^^^^^^^^^^^^^^^^^^^\n  why:  expressions are read once, not run as scripts: fields, comparisons, &&, ||, !, in, ?:, regular expressions and questions to texts\n  fix:  write it with these, as docs/transformations.md lists them, or filter in the consumer"),
    (Json("\"transforms\": \"f\", \"transforms.f.type\": \"io.debezium.transforms.Filter\", \"transforms.f.language\": \"jsr223.groovy\", \"transforms.f.condition\": \"value.after.tags.split(',').size() > 1\""),
        "error[config/expression]: transforms.f.condition cannot be read at character 23: split() is not known; known: startsWith, endsWith, contains, includes, equals, equalsIgnoreCase, isEmpty, size, length, toLowerCase, toUpperCase, trim, toString, get, matches, name, version, field, test\n  → shop.json:3:116\n  3 | \"transforms\": \"f\", \"transforms.f.type\": \"io.debezium.transforms.Filter\", \"transforms.f.language\": \"jsr223.groovy\", \"transforms.f.condition\": \"value.after.tags.split(',').size() > 1\"}\n    |                                                                                                                    ^^^^^^^^^^^^^^^^^^^^^^^^\n  why:  expressions are read once, not run as scripts: fields, comparisons, &&, ||, !, in, ?:, regular expressions and questions to texts\n  fix:  write it with these, as docs/transformations.md lists them, or filter in the consumer"),
    (Json("\"transforms\": \"f\", \"transforms.f.type\": \"io.debezium.transforms.Filter\", \"transforms.f.language\": \"jsr223.jython\", \"transforms.f.condition\": \"x\""),
        "error[config/value]: transforms.f.language = \"jsr223.jython\" is not allowed\n  → shop.json:3:74\n  3 | \"transforms\": \"f\", \"transforms.f.type\": \"io.debezium.transforms.Filter\", \"transforms.f.language\": \"jsr223.jython\", \"transforms.f.condition\": \"x\"}\n    |                                                                          ^^^^^^^^^^^^^^^^^^^^^^^\n  why:  it must be one of jsr223.groovy, jsr223.graal.js, jsr223.js, jsr223.javascript, rowfeed, groovy"),
    (Json("\"transforms\": \"c\", \"transforms.c.type\": \"org.apache.kafka.connect.transforms.Cast$Value\", \"transforms.c.spec\": \"id:int9\""),
        "error[config/value]: transforms.c.spec = \"int9\" is not allowed\n  → shop.json:3:91\n  3 | \"transforms\": \"c\", \"transforms.c.type\": \"org.apache.kafka.connect.transforms.Cast$Value\", \"transforms.c.spec\": \"id:int9\"}\n    |                                                                                           ^^^^^^^^^^^^^^^^^^^\n  why:  it must be field:type, or one type; types are int8, int16, int32, int64, float32, float64, boolean, string"),
    (Json("\"transforms\": \"t\", \"transforms.t.type\": \"org.apache.kafka.connect.transforms.TimestampRouter\""),
        "error[config/not-supported]: the transformation org.apache.kafka.connect.transforms.TimestampRouter cannot be applied\n  → shop.json:3:20\n  3 | \"transforms\": \"t\", \"transforms.t.type\": \"org.apache.kafka.connect.transforms.TimestampRouter\"}\n    |                    ^^^^^^^^^^^^^^^^^^^\n  why:  a source's records have no timestamp when they are transformed; with Debezium it stops the connector\n  fix:  remove it"),
    (Json("\"transforms\": \"t\", \"transforms.t.type\": \"org.apache.kafka.connect.transforms.TimestampConverter$Value\", \"transforms.t.target.type\": \"string\", \"transforms.t.format\": \"YYYY\""),
        "error[config/value]: transforms.t.format = \"YYYY\" is not allowed\n  → shop.json:3:143\n  3 | \"transforms\": \"t\", \"transforms.t.type\": \"org.apache.kafka.connect.transforms.TimestampConverter$Value\", \"transforms.t.target.type\": \"string\", \"transforms.t.format\": \"YYYY\"}\n    |                                                                                                                                               ^^^^^^^^^^^^^^^^^^^^^\n  why:  it must be a pattern of Java's SimpleDateFormat: the letter Y is not known; known: G y M L d D H k K h m s S a E u z Z X"),
    (Json("\"transforms.r.type\": \"RegexRouter\""),
        "error[config/unknown-key]: transforms.r.type is set, but transforms does not name \"r\"\n  → shop.json:3:1\n  3 | \"transforms.r.type\": \"RegexRouter\"}\n    | ^^^^^^^^^^^^^^^^^^^\n  why:  it would have no effect\n  fix:  add r to transforms, or remove transforms.r.type"),
    (Json("\"value.converter\": \"io.apicurio.registry.utils.converter.AvroConverter\", \"value.converter.apicurio.registry.auto-register\": true"),
        "error[config/missing]: value.converter.apicurio.registry.url is not one address\n  → shop.json\n  fix:  value.converter.apicurio.registry.url=http://HOST:8080/apis/registry/v2, or v3"),
    (Json("\"value.converter\": \"io.apicurio.registry.utils.converter.ExtJsonConverter\", \"value.converter.apicurio.registry.url\": \"http://a\""),
        "error[config/not-supported]: value.converter.apicurio.registry.auto-register=false is not supported\n  → shop.json\n  why:  schemas are looked up by registering them\n  fix:  value.converter.apicurio.registry.auto-register=true"),
    (Json("\"value.converter\": \"io.apicurio.registry.utils.converter.AvroConverter\", \"value.converter.apicurio.registry.url\": \"http://a\", \"value.converter.apicurio.registry.auto-register\": true, \"value.converter.apicurio.registry.headers.enabled\": true"),
        "error[config/not-supported]: value.converter.apicurio.registry.headers.enabled is not supported yet\n  → shop.json:3:184\n  why:  ids stand in front of keys and values\n  fix:  remove value.converter.apicurio.registry.headers.enabled"),
    (Json("\"value.converter\": \"io.debezium.converters.CloudEventsConverter\", \"value.converter.serializer.type\": \"avro\""),
        "error[config/value]: value.converter.serializer.type = avro cannot hold data in JSON\n  → shop.json:3:67\n  3 | \"value.converter\": \"io.debezium.converters.CloudEventsConverter\", \"value.converter.serializer.type\": \"avro\"}\n    |                                                                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n  fix:  value.converter.data.serializer.type = avro"),
    (Json("\"key.converter\": \"io.debezium.converters.CloudEventsConverter\""),
        "error[config/not-supported]: key.converter = CloudEventsConverter would leave every key out\n  → shop.json:3:1\n  3 | \"key.converter\": \"io.debezium.converters.CloudEventsConverter\"}\n    | ^^^^^^^^^^^^^^^\n  why:  CloudEvents are made of envelopes\n  fix:  key.converter=org.apache.kafka.connect.json.JsonConverter"),
    (Json("\"value.converter\": \"io.debezium.converters.CloudEventsConverter\", \"value.converter.metadata.source\": \"header\""),
        "error[config/not-supported]: value.converter.metadata.source = \"header\" is not supported yet\n  → shop.json:3:67\n  3 | \"value.converter\": \"io.debezium.converters.CloudEventsConverter\", \"value.converter.metadata.source\": \"header\"}\n    |                                                                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n  why:  metadata is taken from the event's value, id and type are made of it\n  fix:  value,id:generate,type:generate"),
    (Json("\"key.converter\": \"io.confluent.connect.avro.AvroConverter\", \"key.converter.scrub.invalid.names\": true"),
        "error[config/not-supported]: key.converter.scrub.invalid.names=true is not supported with Avro\n  → shop.json:3:61\n  3 | \"key.converter\": \"io.confluent.connect.avro.AvroConverter\", \"key.converter.scrub.invalid.names\": true}\n    |                                                             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n  why:  names would stay as they are\n  fix:  schema.name.adjustment.mode=avro and field.name.adjustment.mode=avro"),
    (Json("\"header.converter\": \"io.confluent.connect.avro.AvroConverter\""),
        "error[config/value]: header.converter = \"io.confluent.connect.avro.AvroConverter\" is not allowed\n  → shop.json:3:1\n  3 | \"header.converter\": \"io.confluent.connect.avro.AvroConverter\"}\n    | ^^^^^^^^^^^^^^^^^^\n  why:  it must be one of org.apache.kafka.connect.storage.SimpleHeaderConverter, SimpleHeaderConverter, org.apache.kafka.connect.json.JsonConverter, JsonConverter, org.apache.kafka.connect.storage.StringConverter, StringConverter"),
    (Json("\"transforms\": \"z\", \"transforms.z.type\": \"io.debezium.transforms.TimezoneConverter\", \"transforms.z.converted.timezone\": \"PST\""),
        "error[config/value]: transforms.z.converted.timezone = \"PST\" is not allowed\n  → shop.json:3:85\n  3 | \"transforms\": \"z\", \"transforms.z.type\": \"io.debezium.transforms.TimezoneConverter\", \"transforms.z.converted.timezone\": \"PST\"}\n    |                                                                                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n  why:  it must be a region, as America/Los_Angeles, or an offset from -18:00 to +18:00, as +08:00"),
    (Json("\"transforms\": \"z\", \"transforms.z.type\": \"io.debezium.transforms.TimezoneConverter\", \"transforms.z.converted.timezone\": \"UTC\", \"transforms.z.include.list\": \"source:a:b:c\""),
        "error[config/value]: transforms.z.include.list = \"source:a:b:c\" is not allowed\n  → shop.json:3:127\n  3 | \"transforms\": \"z\", \"transforms.z.type\": \"io.debezium.transforms.TimezoneConverter\", \"transforms.z.converted.timezone\": \"UTC\", \"transforms.z.include.list\": \"source:a:b:c\"}\n    |                                                                                                                               ^^^^^^^^^^^^^^^^^^^^^^^^^^^\n  why:  it must be source:table, topic:name or a name of either, each perhaps with :field"),
    (Json("\"transforms\": \"z\", \"transforms.z.type\": \"io.debezium.transforms.TimezoneConverter\", \"transforms.z.converted.timezone\": \"UTC\", \"transforms.z.include.list\": \"source:a\", \"transforms.z.exclude.list\": \"source:b\""),
        "error[config/value]: transforms.z.include.list and exclude.list are both set\n  → shop.json:3:168\n  3 | \"transforms\": \"z\", \"transforms.z.type\": \"io.debezium.transforms.TimezoneConverter\", \"transforms.z.converted.timezone\": \"UTC\", \"transforms.z.include.list\": \"source:a\", \"transforms.z.exclude.list\": \"source:b\"}\n    |                                                                                                                                                                        ^^^^^^^^^^^^^^^^^^^^^^^^^^^\n  why:  Debezium takes one or the other\n  fix:  remove one of them"),
    (Json("\"transforms\": \"d\", \"transforms.d.type\": \"io.debezium.connector.postgresql.transforms.DecodeLogicalDecodingMessageContent\", \"binary.handling.mode\": \"hex\""),
        "error[config/value]: messages cannot be decoded unless binary.handling.mode is bytes\n  → shop.json:3:124\n  3 | \"transforms\": \"d\", \"transforms.d.type\": \"io.debezium.connector.postgresql.transforms.DecodeLogicalDecodingMessageContent\", \"binary.handling.mode\": \"hex\"}\n    |                                                                                                                            ^^^^^^^^^^^^^^^^^^^^^^\n  why:  DecodeLogicalDecodingMessageContent takes the content as bytes; with Debezium the first message stops the connector\n  fix:  remove binary.handling.mode"),
    (Json("\"transforms\": \"d\", \"transforms.d.type\": \"io.debezium.connector.postgresql.transforms.DecodeLogicalDecodingMessageContent\", \"value.converter\": \"io.debezium.converters.CloudEventsConverter\""),
        "error[config/not-supported]: decoded messages cannot be written as CloudEvents\n  → shop.json:3:124\n  3 | \"transforms\": \"d\", \"transforms.d.type\": \"io.debezium.connector.postgresql.transforms.DecodeLogicalDecodingMessageContent\", \"value.converter\": \"io.debezium.converters.CloudEventsConverter\"}\n    |                                                                                                                            ^^^^^^^^^^^^^^^^^\n  why:  each message has a schema of its own, and a topic's schemas are registered before its first record\n  fix:  set value.converter=org.apache.kafka.connect.json.JsonConverter, or remove DecodeLogicalDecodingMessageContent"),
    (Json("\"column.mask.with.x.chars\": \"public.a.b\""),
        "error[config/value]: the option name column.mask.with.x.chars is not allowed\n  → shop.json:3:1\n  3 | \"column.mask.with.x.chars\": \"public.a.b\"}\n    | ^^^^^^^^^^^^^^^^^^^^^^^^^^\n  why:  it must be column.mask.with.N.chars with a number N up to 1048576"),
    (Json("\"column.truncate.to.5.chars\": \"public.(a\""),
        "error[config/value]: column.truncate.to.5.chars = \"public.(a\" is not allowed\n  → shop.json:3:1\n  3 | \"column.truncate.to.5.chars\": \"public.(a\"}\n    | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n  why:  it must be a list of regular expressions: unclosed group"),
    (Json("\"column.mask.hash.CRC.with.salt.x\": \"public.a.b\""),
        "error[config/value]: the option name column.mask.hash.CRC.with.salt.SALT is not allowed\n  → shop.json:3:1\n  why:  it must be with one of the algorithms MD5, SHA-1, SHA, SHA1, SHA-224, SHA-256, SHA-384, SHA-512, SHA-512/224, SHA-512/256, SHA3-224, SHA3-256, SHA3-384, SHA3-512"),
    (Json("\"column.mask.hash.SHA-256\": \"public.a.b\""),
        "error[config/value]: the option name column.mask.hash.SHA-256 is not allowed\n  → shop.json:3:1\n  3 | \"column.mask.hash.SHA-256\": \"public.a.b\"}\n    | ^^^^^^^^^^^^^^^^^^^^^^^^^^\n  why:  it must be column.mask.hash.ALGORITHM.with.salt.SALT, with v2. before ALGORITHM for version 2"),
    (Json("\"message.prefix.include.list\": \"a\", \"message.prefix.exclude.list\": \"b\""),
        "error[config/exclusive]: message.prefix.include.list and message.prefix.exclude.list cannot both be set\n  → shop.json:3:1\n  3 | \"message.prefix.include.list\": \"a\", \"message.prefix.exclude.list\": \"b\"}\n    | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n  fix:  keep one of them"),
    (Json("\"replica.identity.autoset.values\": \"public.a:ALL\""),
        "error[config/value]: replica.identity.autoset.values = \"public.a:ALL\" is not allowed\n  → shop.json:3:1\n  3 | \"replica.identity.autoset.values\": \"public.a:ALL\"}\n    | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n  why:  it must be a list of <table regex>:FULL, :DEFAULT, :NOTHING or :INDEX <name>"),
    (Json("\"slot.stream.params\": \"binary=true\""),
        "error[config/not-supported]: slot.stream.params with binary is not supported yet\n  → shop.json:3:1\n  3 | \"slot.stream.params\": \"binary=true\"}\n    | ^^^^^^^^^^^^^^^^^^^^\n  why:  the stream would have another form than the one that is read"),
    (Json("\"topic.heartbeat.prefix\": \"a b\""),
        "error[config/value]: topic.heartbeat.prefix = \"a b\" is not allowed\n  → shop.json:3:1\n  3 | \"topic.heartbeat.prefix\": \"a b\"}\n    | ^^^^^^^^^^^^^^^^^^^^^^^^\n  why:  it must be made of letters, digits, dot, dash and underscore"),
    (Json("\"topic.creation.groups\": \"a\", \"topic.creation.a.partitions\": 1"),
        "error[config/missing]: topic.creation.a.replication.factor is missing\n  → shop.json:3:1\n  3 | \"topic.creation.groups\": \"a\", \"topic.creation.a.partitions\": 1}\n    | ^^^^^^^^^^^^^^^^^^^^^^^\n  fix:  set topic.creation.a.replication.factor"),
    (Json("\"unavailable.value.placeholder\": \"hex:zz\""),
        "error[config/value]: unavailable.value.placeholder = \"hex:zz\" is not allowed\n  → shop.json:3:1\n  3 | \"unavailable.value.placeholder\": \"hex:zz\"}\n    | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n  why:  it must be hexadecimal digits, two per byte, after \"hex:\""),
    (Json("\"database.password\": \"${env:ROWFEED_TEST_NOT_SET}\""),
        "error[secret/missing]: the secret ${env:ROWFEED_TEST_NOT_SET} cannot be read\n  → shop.json:3:1\n  why:  the environment variable ROWFEED_TEST_NOT_SET is not set"),
    (Json("\"signal.enabled.channels\": \"source,email\""),
        "error[config/value]: signal.enabled.channels = \"email\" is not allowed\n  → shop.json:3:1\n  3 | \"signal.enabled.channels\": \"source,email\"}\n    | ^^^^^^^^^^^^^^^^^^^^^^^^^\n  why:  it must be a list of source, kafka, file, jmx, in-process"),
    (Json("\"notification.enabled.channels\": \"sink\""),
        "error[config/missing]: notification.sink.topic.name is missing\n  → shop.json\n  fix:  set notification.sink.topic.name"),
    (Json("\"topic.naming.strategy\": \"com.example.Strategy\""),
        "error[config/value]: topic.naming.strategy = \"com.example.Strategy\" is not allowed\n  → shop.json:3:1\n  3 | \"topic.naming.strategy\": \"com.example.Strategy\"}\n    | ^^^^^^^^^^^^^^^^^^^^^^^\n  why:  it must be one of io.debezium.schema.SchemaTopicNamingStrategy, io.debezium.schema.SchemaUnicodeTopicNamingStrategy, io.debezium.schema.SchemaRegexTopicNamingStrategy, io.debezium.schema.DefaultTopicNamingStrategy, io.debezium.schema.DefaultUnicodeTopicNamingStrategy, io.debezium.schema.DefaultRegexTopicNamingStrategy"),
    (Json("\"snapshot.max.threads\": \"0\""),
        "error[config/value]: snapshot.max.threads = \"0\" is not allowed\n  → shop.json:3:1\n  3 | \"snapshot.max.threads\": \"0\"}\n    | ^^^^^^^^^^^^^^^^^^^^^^\n  why:  it must be a number of at least 1"),
    (JsonFile("{\"connector.class\": \"Postgres\", \"database.hostname\": \"db\", \"database.user\": \"cdc\", \"database.dbname\": \"shop\",\n\"topic.prefix\": \"sh op\"}"),
        "error[config/value]: topic.prefix = \"sh op\" is not allowed\n  → shop.json:2:1\n  2 | \"topic.prefix\": \"sh op\"}\n    | ^^^^^^^^^^^^^^\n  why:  it must be letters, digits, dot, dash and underscore, at most 120"),
    (JsonFile("{\"connector.class\": \"io.debezium.connector.mysql.MySqlConnector\"}"),
        "error[config/value]: connector.class = \"io.debezium.connector.mysql.MySqlConnector\" is not allowed\n  → shop.json:1:2\n  1 | {\"connector.class\": \"io.debezium.connector.mysql.MySqlConnector\"}\n    |  ^^^^^^^^^^^^^^^^^\n  why:  it must be one of io.debezium.connector.postgresql.PostgresConnector, PostgresConnector, Postgres\n  fix:  Rowfeed captures PostgreSQL"),
];

fn shown(input: &Input) -> String {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let problems = refuse(input, dir.path());
    let text = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    text.replace(&format!("{}/", dir.path().display()), "")
}

fn refuse(input: &Input, dir: &Path) -> Vec<Problem> {
    let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).expect("written");
    let service = |set: &[&str]| {
        let set = set.iter().map(|text| (*text).to_owned()).collect();
        ServiceConfig::load(&Sources { set, working_dir: dir.to_owned(), ..Sources::default() }).err().unwrap_or_default()
    };
    let connector = |name: &str| definitions::load_file(&dir.join(name)).config(TopicDefaults::default()).err().unwrap_or_default();
    match input {
        Url(url) => ConnectionConfig::from_url(url).err().into_iter().collect(),
        Set(set) => service(set),
        ServiceFile(text) => {
            write("rowfeed.toml", text);
            service(&[])
        }
        Toml(text) => {
            write("shop.toml", text);
            connector("shop.toml")
        }
        Json(options) => {
            write("shop.json", &format!("{MINIMUM}{options}}}"));
            connector("shop.json")
        }
        JsonFile(text) => {
            write("shop.json", text);
            connector("shop.json")
        }
    }
}

#[test]
fn every_mistake_is_told_word_for_word() {
    assert!(TABLE.len() >= 25);
    let mut wrong = Vec::new();
    for (at, (input, expected)) in TABLE.iter().enumerate() {
        let shown = shown(input);
        if shown != *expected {
            wrong.push(format!("row {at}:\n{shown}\n--- expected:\n{expected}\n"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_text_shows_a_secret() {
    for input in [
        Url("postgres://u:hunter2@a@h/d"),
        Toml("url = \"postgres://u:hunter2@a@h/d\""),
        Json("\"database.password\": \"hunter2\", \"database.passwrd\": \"hunter2\""),
    ] {
        let shown = shown(&input);
        assert!(!shown.is_empty() && !shown.contains("hunter2"), "{shown}");
    }
}

/// Runs the program; gives its exit code and what it wrote to stderr.
fn rowfeed(args: &[&str]) -> (i32, String) {
    let (code, _, stderr) = run(args, &[]);
    (code, stderr)
}

/// Runs the program in such an environment; gives its exit code and what it wrote.
fn run(args: &[&str], environment: &[(&str, &str)]) -> (i32, String, String) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_rowfeed"));
    let names = std::env::vars().map(|(name, _)| name).filter(|name| name.starts_with("ROWFEED_"));
    for name in names {
        command.env_remove(name);
    }
    for name in ["NO_COLOR", "CLICOLOR_FORCE", "LC_ALL", "LC_CTYPE", "LANG"] {
        command.env_remove(name);
    }
    command.envs(environment.iter().copied());
    let output = command.args(args).current_dir(dir.path()).stdin(std::process::Stdio::null()).output().expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

#[test]
fn an_error_code_is_explained_and_all_of_them_are_listed() {
    let (code, page, _) = run(&["explain", "error[pg/wal-level]:"], &[]);
    assert!(code == 0 && page.starts_with("pg/wal-level\n\n") && page.contains("\nDo: ") && page.contains("\nKept: "), "{page}");
    let (code, list, _) = run(&["explain"], &[]);
    assert!(code == 0 && list.contains("\n  pg/auth ") && list.contains("\nThe log\n"), "{list}");
    let (_, json, _) = run(&["explain", "pg/auth", "--json"], &[]);
    assert!(json.starts_with("{\"schema\":\"rowfeed/explain@1\",\"code\":\"pg/auth\""), "{json}");
}

#[test]
fn colours_and_signs_are_what_was_asked_for() {
    let missing = ["run", "--config", "missing.toml"];
    let with = |more: &[&str], environment: &[(&str, &str)]| run(&[&missing[..], more].concat(), environment).2;
    let coloured = |text: &str| text.contains("\x1b[1;31merror\x1b[0m[config/file]");
    assert!(!coloured(&with(&[], &[])), "nobody sits at a terminal");
    assert!(coloured(&with(&["--color", "always"], &[("NO_COLOR", "1")])));
    assert!(coloured(&with(&[], &[("CLICOLOR_FORCE", "1")])));
    assert!(!coloured(&with(&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")])));
    let url = |environment: &[(&str, &str)], more: &[&str]| {
        let all = [&["check", "postgres://u@127.0.0.1:1/d", "--no-slot-test"][..], more].concat();
        run(&all, environment).1
    };
    assert!(url(&[], &[]).contains("  ✗ ") && url(&[("LC_ALL", "C")], &[]).contains("  fail ") && url(&[], &["--ascii"]).is_ascii());
}

#[test]
fn settings_and_files_are_checked_before_anything_runs() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let good = file("good.toml", "url = \"postgres://cdc@db/shop\"\ntopic_prefix = \"shop\"");
    let bad = file("bad.toml", "url = \"postgres://cdc@db/shop\"\ntabels = [\"public.orders\"]");
    let (code, out, error) = run(&["connectors", "validate", &good, &bad], &[]);
    assert!(code == 2 && out == format!("ok    {good}\nfail  {bad}\n"), "{out}");
    assert!(error.contains("error[config/unknown-key]") && error.contains("bad.toml:2:1"), "{error}");
    let (code, out, _) = run(&["connectors", "validate", "--json", &bad], &[]);
    assert!(code == 2 && out.starts_with("{\"schema\":\"rowfeed/connectors-validate@1\",\"ok\":false"), "{out}");
    let (code, out, error) = run(&["config", "check", "--connectors", &dir.path().display().to_string()], &[]);
    assert!(code == 2 && out == "fail  bad\nok    good\n" && error.contains("did you mean \"tables\"?"), "{out}{error}");
    let (code, out, _) = run(&["config", "check", "--json", "--set", "log.retentoin=3d"], &[]);
    assert!(
        code == 2 && out.starts_with("{\"schema\":\"rowfeed/config-check@1\",\"ok\":false") && out.contains("config/unknown-key"),
        "{out}"
    );
    let (code, out, _) = run(&["config", "show", "--set", "log.retention=3d"], &[("ROWFEED_LOGGING_LEVEL", "debug")]);
    let says = |name: &str, from: &str| out.lines().any(|line| line.starts_with(name) && line.ends_with(from));
    assert!(code == 0 && says("log.retention", "--set") && says("logging.level", "environment ROWFEED_LOGGING_LEVEL"), "{out}");
    assert_eq!(run(&["run", "--print-config"], &[]).1, run(&["config", "show"], &[]).1);
    let (code, out, _) = run(&["config", "schema", "--json"], &[]);
    assert!(code == 0 && out.contains("\"title\":\"rowfeed.toml\""), "{out}");
    let (code, out, _) = run(&["config", "schema", "-o", "yaml"], &[]);
    assert!(code == 0 && out.starts_with("\"$schema\": ") && out.contains("\ntitle: rowfeed.toml\n"), "{out}");
}

#[test]
fn what_runs_without_a_service_has_all_forms_too() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let good = dir.path().join("good.toml");
    std::fs::write(&good, "url = \"postgres://cdc@db/shop\"").expect("written");
    let (folder, good) = (dir.path().display().to_string(), good.display().to_string());
    for (args, schema) in [
        (vec!["config", "check", "--connectors", &folder], "rowfeed/config-check@1"),
        (vec!["config", "show"], "rowfeed/config@1"),
        (vec!["connectors", "validate", &good], "rowfeed/connectors-validate@1"),
        (vec!["explain"], "rowfeed/explain@1"),
        (vec!["context", "list"], "rowfeed/contexts@1"),
        (vec!["version"], "rowfeed/version@1"),
    ] {
        let form = |more: &[&str]| run(&[args.as_slice(), more].concat(), &[("XDG_CONFIG_HOME", &folder)]);
        let (code, json, error) = form(&["-o", "json"]);
        assert!(code == 0 && json.starts_with(&format!("{{\"schema\":\"{schema}\",")), "{args:?}: {json}{error}");
        assert_eq!(form(&["--json"]).1, json, "{args:?}");
        let (code, yaml, _) = form(&["-o", "yaml"]);
        assert!(code == 0 && yaml.starts_with(&format!("schema: \"{schema}\"\n")), "{args:?}: {yaml}");
        assert!(form(&["-o", "wide"]).1.lines().count() >= form(&[]).1.lines().count(), "{args:?}");
    }
    let (code, json, _) = run(&["check", "postgres://cdc@127.0.0.1:1/shop", "--json"], &[]);
    assert!(code == 4 && json.starts_with("{\"schema\":\"rowfeed/check@1\",\"ok\":false"), "{json}");
    let (code, yaml, _) = run(&["check", "postgres://cdc@127.0.0.1:1/shop", "-o", "yaml"], &[]);
    assert!(code == 4 && yaml.starts_with("schema: \"rowfeed/check@1\"\nok: false\n"), "{yaml}");
}

#[test]
fn shells_get_completions_of_every_command() {
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let (code, script, _) = run(&["completions", shell], &[]);
        assert!(code == 0 && script.contains("ROWFEED_COMPLETE"), "{shell}: {script}");
    }
    let offered = |words: &[&str]| run(&[&["--", "rowfeed"], words].concat(), &[("ROWFEED_COMPLETE", "fish")]).1;
    for (words, offer) in [
        (vec!["con"], "connectors\t"),
        (vec!["groups", "s"], "seek\t"),
        (vec!["explain", "pg/wal-le"], "pg/wal-level"),
        (vec!["topics", "list", "--ou"], "--output\t"),
    ] {
        assert!(offered(&words).lines().any(|line| line.starts_with(offer)), "{words:?}: {}", offered(&words));
    }
    let (code, page, _) = run(&["man"], &[]);
    assert!(code == 0 && page.contains(".TH rowfeed 1"), "{page}");
}

#[test]
fn exit_codes_tell_scripts_what_kind_of_mistake_it_was() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = free.local_addr().expect("an address").to_string();
    for (args, code, text) in [
        (vec!["run", "--http", "0.0.0.0:1"], 2, "error[listener/insecure]"),
        (vec!["run", "--config", "missing.toml"], 2, "error[config/file]: ./missing.toml cannot be read"),
        (vec!["run", "--http", &taken], 2, "error[http/port-in-use]"),
        (vec!["run", "--htp", "x"], 2, "a similar argument exists: '--http'"),
        (vec!["check", "mysql://root@db/shop"], 2, "error[url/scheme]"),
        (vec!["check", "nothing"], 5, "\"nothing\" is neither a URL, a file, nor the name of a connector file"),
        (vec!["topics", "list", "--server", "127.0.0.1:1"], 4, "error[server/unreachable]"),
        (vec!["topics", "list", "--server", "ftp://x:1"], 2, "error[server/url]"),
        (vec!["tail", "--from", "yesterday", "t"], 2, "error[config/value]"),
        (vec!["log", "verify", "missing"], 1, "error[log/missing]"),
        (vec!["explain", "pg/wal-levle"], 5, "did you mean \"pg/wal-level\"?"),
        (
            vec!["connectrs"],
            2,
            "error[usage/unknown-command]: there is no command \"rowfeed connectrs\"\n  fix:  did you mean \"rowfeed connectors\"?",
        ),
    ] {
        let (found, stderr) = rowfeed(&args);
        assert!(found == code && stderr.contains(text), "{args:?}: exit {found}\n{stderr}");
    }
}

#[test]
fn a_database_that_is_not_there_is_a_finding_of_check() {
    let (code, _) = rowfeed(&["check", "postgres://u@127.0.0.1:1/d"]);
    assert_eq!(code, 4);
}
