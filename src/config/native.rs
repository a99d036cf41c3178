//! The short form of a connector: `connectors/*.toml`, translated into Debezium's options by one function.
//!
//! Owns the native keys, their readable defaults and the translation of globs into Debezium's regular expressions.
//! Promises that a native file and the option map it becomes mean exactly the same, so that nothing below knows of two
//! forms. `[options]` passes Debezium options through as they are.

use std::collections::BTreeMap;

use super::Options;
use super::define::invalid;
use super::document::{Entry, Place, Value};
use super::postgres::connection::CONNECT_TIMEOUT;
use super::postgres::{ConnectionConfig, legal_name};
use super::suggest;
use crate::problem::Problem;

/// Where each option of a definition was written.
pub type Places = BTreeMap<String, Place>;

/// A native key: its name, and the Debezium option it becomes where that is one to one.
struct NativeKey {
    name: &'static str,
    option: &'static str,
    /// `None`: it works. Otherwise why it is refused.
    not_yet: Option<&'static str>,
}

const fn works(name: &'static str, option: &'static str) -> NativeKey {
    NativeKey { name, option, not_yet: None }
}

const fn later(name: &'static str, reason: &'static str) -> NativeKey {
    NativeKey { name, option: "", not_yet: Some(reason) }
}

/// Every native key. A trailing `.*` stands for a table's name.
const KEYS: &[NativeKey] = &[
    works("url", "database.hostname"),
    works("user", "database.user"),
    works("password", "database.password"),
    works("topic_prefix", "topic.prefix"),
    works("name", "name"),
    works("tables", "table.include.list"),
    works("exclude", "table.exclude.list"),
    works("columns", "column.include.list"),
    works("exclude_columns", "column.exclude.list"),
    works("slot", "slot.name"),
    works("slot_on_stop", "slot.drop.on.stop"),
    works("max_slot_wal", "slot.max.retained.bytes"),
    works("max_slot_wal_policy", "slot.max.retained.policy"),
    works("publication", "publication.name"),
    works("publication_mode", "publication.autocreate.mode"),
    works("heartbeat", "heartbeat.interval.ms"),
    works("partitions", "topic.creation.default.partitions"),
    works("key.*", "message.key.columns"),
    works("snapshot.mode", "snapshot.mode"),
    works("values.decimals", "decimal.handling.mode"),
    works("values.timestamps", "time.precision.mode"),
    works("values.binary", "binary.handling.mode"),
    works("values.tombstones", "tombstones.on.delete"),
    works("options.*", ""),
    later("snapshot.where.*", "the snapshot would read all rows"),
    later("publish.*", "all operations would be published"),
    later("where.*", "all rows would be published"),
    later("mask_columns", "the columns would be published as they are"),
    later("strict_tables", "a pattern that matches no table yet is not an error"),
    later("new_tables", "new tables that match are captured"),
    later("outbox.*", "events would keep their original shape"),
    later("routes.*", "events would go to the table's own topic"),
    later("values.envelope", "events would keep their original shape"),
];

/// The keys that work, each with the Debezium option it becomes (empty for `options.*`, which passes them on as they are).
pub fn keys() -> impl Iterator<Item = (&'static str, &'static str)> {
    KEYS.iter().filter(|key| key.not_yet.is_none()).map(|key| (key.name, key.option))
}

/// The defaults of a native file, where they differ from Debezium's.
pub const READABLE_DEFAULTS: [(&str, &str); 5] = [
    ("connector.class", "io.debezium.connector.postgresql.PostgresConnector"),
    ("publication.autocreate.mode", "filtered"),
    ("decimal.handling.mode", "string"),
    ("time.precision.mode", "isostring"),
    ("heartbeat.interval.ms", "10000"),
];

/// Turns a native file's entries into Debezium options; `places` says where each option came from.
pub fn translate(name: &str, entries: &[Entry]) -> Result<(Options, Places), Vec<Problem>> {
    let mut translation = Translation::new(name);
    let mut problems = Vec::new();
    // The URL first: `user` and `password` beside it win over those inside it.
    let (url, rest): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| entry.key() == "url");
    for entry in url.into_iter().chain(rest) {
        if let Err(problem) = translation.entry(entry) {
            problems.push(problem);
        }
    }
    if !translation.places.contains_key("database.hostname") && problems.is_empty() {
        problems.push(Problem::refuse("config/missing", "url is missing").fix("url = \"postgres://USER@HOST:5432/DATABASE\""));
    }
    if problems.is_empty() { Ok((translation.options, translation.places)) } else { Err(problems) }
}

/// The options of the connector that `source.url` of the service describes (`ROWFEED_SOURCE_URL`).
pub fn from_url(name: &str, url: &str, tables: &str) -> Result<Options, Problem> {
    let mut translation = Translation::new(name);
    translation.url(url, &Place::default())?;
    if !tables.trim().is_empty() {
        let globs: Vec<String> = tables.split(',').map(|glob| glob.trim().to_owned()).collect();
        let list = regex_list(&globs, TABLE_PARTS).map_err(|why| invalid("source.tables", tables, &why))?;
        translation.options.insert("table.include.list".to_owned(), list);
    }
    Ok(translation.options)
}

struct Translation {
    options: Options,
    places: Places,
}

/// `schema.table`.
const TABLE_PARTS: usize = 2;
/// `schema.table.column`.
const COLUMN_PARTS: usize = 3;

impl Translation {
    fn new(name: &str) -> Self {
        let mut options: Options = READABLE_DEFAULTS.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let stem: String = legal_name(name).chars().take(58).collect();
        options.insert("name".to_owned(), name.to_owned());
        options.insert("topic.prefix".to_owned(), name.to_owned());
        options.insert("slot.name".to_owned(), format!("{stem}_slot"));
        options.insert("publication.name".to_owned(), format!("{stem}_pub"));
        Self { options, places: Places::new() }
    }

    fn set(&mut self, option: &str, value: impl Into<String>, place: &Place) {
        self.options.insert(option.to_owned(), value.into());
        self.places.insert(option.to_owned(), place.clone());
    }

    fn entry(&mut self, entry: &Entry) -> Result<(), Problem> {
        let key = entry.key();
        let row = KEYS.iter().find(|row| match row.name.strip_suffix(".*") {
            Some(group) => entry.path.len() > 1 && key.strip_prefix(group).is_some_and(|rest| rest.starts_with('.')),
            None => row.name == key,
        });
        let Some(row) = row else {
            let hint = suggest::did_you_mean(&key, KEYS.iter().map(|row| row.name));
            return Err(Problem::refuse("config/unknown-key", format!("unknown key \"{key}\"")).at(entry.key_at.show(&hint)));
        };
        if let Some(reason) = row.not_yet {
            return Err(Problem::refuse("config/not-supported", format!("{key} is not supported yet"))
                .at(entry.key_at.show(""))
                .why(reason)
                .fix(format!("remove {key}")));
        }
        self.value(row, entry).map_err(|problem| if problem.at.is_empty() { problem.at(entry.value_at.show("")) } else { problem })
    }

    fn value(&mut self, row: &NativeKey, entry: &Entry) -> Result<(), Problem> {
        let place = &entry.value_at;
        let text = entry.value.joined();
        let word = |words: &[(&str, &str)]| {
            let found = words.iter().find(|(native, _)| *native == text);
            found.map(|(_, value)| (*value).to_owned()).ok_or_else(|| {
                let names: Vec<&str> = words.iter().map(|(native, _)| *native).collect();
                invalid(row.name, &text, &format!("one of {}", names.join(", "))).fix(suggest::did_you_mean(&text, names.iter().copied()))
            })
        };
        match row.name {
            "url" => return self.url(&text, place),
            "options.*" => {
                let option = entry.path.iter().skip(1).map(String::as_str).collect::<Vec<_>>().join(".");
                self.set(&option, text, &entry.key_at);
            }
            "tables" | "exclude" | "columns" | "exclude_columns" => {
                let globs = match &entry.value {
                    Value::List(globs) => globs.clone(),
                    Value::Text(glob) => vec![glob.clone()],
                };
                // An empty list of Debezium's means everything: hardly what somebody means who writes one.
                if row.name == "tables" && globs.iter().all(|glob| glob.trim().is_empty()) {
                    return Err(invalid(row.name, &text, "a list of at least one pattern").fix("for every table leave out tables"));
                }
                let parts = if row.name.ends_with("columns") { COLUMN_PARTS } else { TABLE_PARTS };
                let list = regex_list(&globs, parts).map_err(|why| invalid(row.name, &text, &why))?;
                self.set(row.option, list, place);
            }
            "key.*" => self.message_key(entry),
            "heartbeat" => {
                let interval = super::quantity::parse_duration(&text)
                    .map_err(|why| invalid(row.name, &text, &format!("a duration such as 10s: {why}")))?;
                self.set(row.option, interval.as_millis().to_string(), place);
            }
            "slot_on_stop" => self.set(row.option, word(&[("keep", "false"), ("drop", "true")])?, place),
            "values.decimals" => self.set(row.option, word(&[("string", "string"), ("precise", "precise"), ("double", "double")])?, place),
            "values.timestamps" => self.set(row.option, word(&[("iso", "isostring"), ("adaptive", "adaptive")])?, place),
            _ => self.set(row.option, text, place),
        }
        Ok(())
    }

    fn url(&mut self, url: &str, place: &Place) -> Result<(), Problem> {
        let connection = ConnectionConfig::from_url(url)?;
        self.set("database.hostname", connection.host, place);
        self.set("database.port", connection.port.to_string(), place);
        self.set("database.user", connection.user, place);
        self.set("database.dbname", connection.database, place);
        self.set("database.sslmode", connection.ssl_mode.name(), place);
        if connection.connect_timeout != CONNECT_TIMEOUT {
            self.set("driver.connectTimeout", connection.connect_timeout.as_secs().to_string(), place);
        }
        if let Some(password) = &connection.password {
            self.set("database.password", password.expose(), place);
        }
        for (option, path) in [
            ("database.sslrootcert", connection.ssl_root_cert),
            ("database.sslcert", connection.ssl_cert),
            ("database.sslkey", connection.ssl_key),
        ] {
            if let Some(path) = path {
                self.set(option, path.to_string_lossy(), place);
            }
        }
        Ok(())
    }

    /// `key."public.orders" = ["a", "b"]`, added to the rules that are there.
    fn message_key(&mut self, entry: &Entry) {
        let table = entry.path.iter().skip(1).map(String::as_str).collect::<Vec<_>>().join(".");
        let rule = format!("{}:{}", regex::escape(&table), entry.value.joined());
        let rules = match self.options.get("message.key.columns") {
            Some(before) => format!("{before};{rule}"),
            None => rule,
        };
        self.set("message.key.columns", rules, &entry.value_at);
    }
}

/// Globs (`*`, `?`; `re:` for a regular expression) as one of Debezium's lists.
fn regex_list(globs: &[String], parts: usize) -> Result<String, String> {
    globs.iter().map(|glob| glob_to_regex(glob, parts)).collect::<Result<Vec<_>, _>>().map(|list| list.join(","))
}

fn glob_to_regex(glob: &str, parts: usize) -> Result<String, String> {
    if let Some(regex) = glob.strip_prefix("re:") {
        return Ok(regex.replace(',', "\\,"));
    }
    if glob != "*" && glob.split('.').filter(|part| !part.is_empty()).count() < parts {
        let shape = if parts == TABLE_PARTS { "schema.table" } else { "schema.table.column" };
        return Err(format!("patterns of the form {shape}, such as \"public.{glob}\""));
    }
    Ok(glob
        .chars()
        .map(|c| match c {
            '*' => ".*".to_owned(),
            '?' => ".".to_owned(),
            ',' => "\\,".to_owned(),
            other => regex::escape(other.encode_utf8(&mut [0; 4])),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::super::document::parse_toml;
    use super::*;
    use crate::config::postgres::{DecimalMode, PostgresConfig, PublicationAutocreate, TimePrecision, TopicDefaults};

    fn options(text: &str) -> Result<Options, Vec<Problem>> {
        translate("shop", &parse_toml("connectors/shop.toml", text).expect("TOML")).map(|(options, _)| options)
    }

    #[test]
    fn a_native_file_becomes_debezium_options_with_readable_defaults() {
        let text = "url = \"postgres://cdc@db.internal:5433/shop?sslmode=verify-full&connect_timeout=3\"\npassword = \"${env:PATH}\"\n\
                    tables = [\"public.orders\", \"public.order_*\"]\nexclude_columns = [\"public.customers.password_hash\"]\n\
                    key.\"public.clicks\" = [\"a\", \"b\"]\n[values]\ndecimals = \"precise\"\n[options]\n\"snapshot.fetch.size\" = 5\n";
        let options = options(text).expect("valid");
        assert_eq!(options["table.include.list"], "public\\.orders,public\\.order_.*");
        assert_eq!(options["column.exclude.list"], "public\\.customers\\.password_hash");
        assert_eq!(options["message.key.columns"], "public\\.clicks:a,b");
        let config = PostgresConfig::parse("shop", &options, TopicDefaults::default()).expect("valid options");
        assert_eq!((config.slot_name.as_str(), config.publication_name.as_str()), ("shop_slot", "shop_pub"));
        assert_eq!(config.publication_autocreate, PublicationAutocreate::Filtered);
        assert_eq!((config.decimal, config.time), (DecimalMode::Precise, TimePrecision::IsoString));
        assert_eq!(config.heartbeat_interval.as_secs(), 10);
        assert_eq!(config.connection.connect_timeout.as_secs(), 3);
        assert!(config.tables.includes("public", "order_items") && !config.tables.includes("public", "other"));
    }

    #[test]
    fn a_list_of_no_tables_is_not_a_list_of_all() {
        let problems = options("url = \"postgres://cdc@db/shop\"\ntables = []\n").expect_err("no table");
        assert_eq!((problems.len(), problems[0].code), (1, "config/value"));
    }

    #[test]
    fn mistakes_name_the_place_and_the_nearest_key() {
        let problems = options("url = \"postgres://cdc@db/shop\"\ntabels = [\"public.orders\"]\n").expect_err("a typo");
        assert_eq!(
            problems[0].to_string(),
            "error[config/unknown-key]: unknown key \"tabels\"\n  → connectors/shop.toml:2:1\n  2 | tabels = [\"public.orders\"]\n    | \
             ^^^^^^ did you mean \"tables\"?"
        );
        let problems =
            options("url = \"mysql://root@db/shop\"\ntables = [\"orders\"]\n[values]\ndecimals = \"strings\"\n").expect_err("three");
        let codes: Vec<_> = problems.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, ["url/scheme", "config/value", "config/value"]);
        assert_eq!(problems[2].fix, "did you mean \"string\"?");
        assert_eq!(options("").expect_err("empty")[0].what, "url is missing");
    }

    #[test]
    fn the_environments_url_is_a_whole_connector() {
        let options = from_url("default", "postgres://cdc:pw@db/shop", "public.orders, public.users").expect("valid");
        assert_eq!(options["table.include.list"], "public\\.orders,public\\.users");
        assert!(PostgresConfig::parse("default", &options, TopicDefaults::default()).is_ok());
    }
}
