//! `rowfeed connectors convert`: a connector as Debezium's users write it (JSON) in our short form (TOML).
//!
//! Promises that both mean the same: what the short form has no word for goes to `[options]` as it is, and where its defaults are
//! others than Debezium's those are written out. A password never gets into the text. Leaves what options mean to
//! [`crate::config`].

use std::path::PathBuf;

use clap::Args;
use regex::Regex;

use super::Failure;
use super::client::escape;
use super::form::write_out;
use crate::config::Options;
use crate::config::define::Support;
use crate::config::postgres::filters::split_list;
use crate::config::postgres::table::OPTIONS;
use crate::config::postgres::{TopicDefaults, legal_name};
use crate::config::secrets::is_reference;
use crate::connect::Definition;
use crate::connect::definitions::load_file;
use crate::problem::Problem;

/// Flags of `rowfeed connectors convert`.
#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// The JSON file; the TOML goes to stdout.
    file: PathBuf,
}

/// Options whose words are the same, and ours.
const SAME: [(&str, &str); 4] = [
    ("topic.prefix", "topic_prefix"),
    ("slot.name", "slot"),
    ("publication.name", "publication"),
    ("publication.autocreate.mode", "publication_mode"),
];
/// Lists of expressions.
const LISTS: [(&str, &str); 4] = [
    ("table.include.list", "tables"),
    ("table.exclude.list", "exclude"),
    ("column.include.list", "columns"),
    ("column.exclude.list", "exclude_columns"),
];
/// What the URL says.
const IN_URL: [&str; 5] = ["database.hostname", "database.port", "database.user", "database.dbname", "database.sslmode"];
/// Where the short form begins with something else than Debezium.
const DIFFERENT: [&str; 6] = [
    "slot.name",
    "publication.name",
    "publication.autocreate.mode",
    "decimal.handling.mode",
    "time.precision.mode",
    "heartbeat.interval.ms",
];

/// Prints the file's short form; exit code 2 when the connector has mistakes, which are told.
pub fn convert(args: &ConvertArgs) -> Result<(), Failure> {
    let definition = load_file(&args.file);
    let mistakes = definition.config(TopicDefaults::default()).err().unwrap_or_default();
    let mistakes: Vec<Problem> = mistakes.into_iter().filter(|problem| !problem.code.starts_with("secret/")).collect();
    if definition.is_broken() {
        return Err(mistakes.into());
    }
    let converted = Converted::of(&definition);
    write_out(&converted.text);
    eprintln!("converted {} of {} properties", definition.options.len() - converted.ignored.len(), definition.options.len());
    for (key, why) in &converted.ignored {
        eprintln!("  ignored    {key}: {why}");
    }
    if let Some(variable) = &converted.variable {
        eprintln!("  password   it is not in the file: set it with  export {variable}=...");
    }
    if mistakes.is_empty() { Ok(()) } else { Err(mistakes.into()) }
}

struct Converted {
    text: String,
    /// Options without effect, and why.
    ignored: Vec<(String, &'static str)>,
    /// Where the password is expected.
    variable: Option<String>,
}

fn default_of(key: &str) -> Option<&'static str> {
    OPTIONS.iter().find(|known| known.name == key)?.default
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

impl Converted {
    fn of(definition: &Definition) -> Self {
        let mut left: Options = definition.options.clone();
        for key in DIFFERENT {
            if let (false, Some(default)) = (left.contains_key(key), default_of(key)) {
                left.insert(key.to_owned(), default.to_owned());
            }
        }
        left.remove("name");
        let mut ignored = vec![("connector.class".to_owned(), "there is one kind of connector")];
        left.remove("connector.class");
        for known in OPTIONS {
            if let Support::Ignored(why) = known.support
                && left.remove(known.name).is_some()
            {
                ignored.push((known.name.to_owned(), why));
            }
        }
        let mut text = format!("name = {}\nurl = {}\n", quoted(&definition.name), quoted(&url(&mut left)));
        let mut variable = None;
        if let Some(password) = left.remove("database.password").filter(|password| !password.is_empty()) {
            let reference = if is_reference(&password) {
                password
            } else {
                let name = format!("{}_DB_PASSWORD", legal_name(&definition.name).to_ascii_uppercase());
                format!("${{env:{}}}", variable.insert(name))
            };
            text.push_str(&format!("password = {}\n", quoted(&reference)));
        }
        for (option, own) in SAME {
            if let Some(value) = left.remove(option) {
                text.push_str(&format!("{own} = {}\n", quoted(&value)));
            }
        }
        for (option, own) in LISTS {
            let Some(list) = left.remove(option).map(|list| split_list(&list)).filter(|list| !list.is_empty()) else { continue };
            let globs: Vec<String> = list.iter().map(|expression| quoted(&glob(expression))).collect();
            text.push_str(&format!("{own} = [{}]\n", globs.join(", ")));
        }
        if !left.is_empty() {
            text.push_str("\n# as Debezium has them\n[options]\n");
            left.iter().for_each(|(key, value)| text.push_str(&format!("{} = {}\n", quoted(key), quoted(value))));
        }
        Self { text, ignored, variable }
    }
}

/// A connection as a URL, without its password. What a URL cannot say is left.
fn url(left: &mut Options) -> String {
    let of = |key: &str| left.get(key).map_or(default_of(key).unwrap_or(""), String::as_str).to_owned();
    let [host, port, user, database, mode] = IN_URL.map(of);
    // A folder with a socket, a service name: the option stands behind the URL and wins.
    let plain = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':'));
    let shown = match (plain, host.contains(':')) {
        (false, _) => "localhost".to_owned(),
        (true, true) => format!("[{host}]"),
        (true, false) => host,
    };
    let mode =
        if mode.is_empty() || Some(mode.as_str()) == default_of("database.sslmode") { String::new() } else { format!("?sslmode={mode}") };
    IN_URL.iter().filter(|key| plain || **key != "database.hostname").for_each(|key| drop(left.remove(*key)));
    format!("postgres://{}@{shown}:{port}/{}{mode}", escape(&user), escape(&database))
}

/// A name or a name and everything below it as a pattern, any other expression as it is.
fn glob(expression: &str) -> String {
    let simple = Regex::new(r"^[A-Za-z0-9_]+(\\\.([A-Za-z0-9_]+|\.\*))+$");
    match simple {
        Ok(simple) if simple.is_match(expression) => expression.replace("\\.", "\u{0}").replace(".*", "*").replace('\u{0}', "."),
        _ => format!("re:{expression}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_mean_the_same() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let json = dir.path().join("debezium-shop.json");
        std::fs::write(
            &json,
            r#"{"name": "shop", "config": {"connector.class": "io.debezium.connector.postgresql.PostgresConnector", "tasks.max": "1",
            "database.hostname": "db.internal", "database.port": "5433", "database.user": "cdc@eu", "database.password": "hunter2",
            "database.dbname": "shop", "database.sslmode": "require", "topic.prefix": "shop", "plugin.name": "pgoutput",
            "table.include.list": "public\\.orders,public\\..*,public.(a|b)", "column.exclude.list": "public\\.orders\\.note",
            "snapshot.mode": "no_data", "heartbeat.interval.ms": "5000", "message.key.columns": "public.orders:id"}}"#,
        )
        .expect("written");
        let definition = load_file(&json);
        let converted = Converted::of(&definition);
        let expected = r#"name = "shop"
url = "postgres://cdc%40eu@db.internal:5433/shop?sslmode=require"
password = "${env:SHOP_DB_PASSWORD}"
topic_prefix = "shop"
slot = "debezium"
publication = "dbz_publication"
publication_mode = "all_tables"
tables = ["public.orders", "public.*", "re:public.(a|b)"]
exclude_columns = ["public.orders.note"]

# as Debezium has them
[options]
"decimal.handling.mode" = "precise"
"heartbeat.interval.ms" = "5000"
"message.key.columns" = "public.orders:id"
"snapshot.mode" = "no_data"
"time.precision.mode" = "adaptive"
"#;
        assert_eq!(converted.text.replace('\'', "\""), expected);
        let file = dir.path().join("shop.toml");
        std::fs::write(&file, &converted.text).expect("written");
        let native = load_file(&file);
        for (key, value) in definition.options.iter().filter(|(key, _)| !matches!(key.as_str(), "database.password" | "connector.class")) {
            let said = native.options.get(key);
            let left_out = converted.ignored.iter().any(|(ignored, _)| ignored == key);
            assert!(left_out || said == Some(value), "{key}: {value} became {said:?}");
        }
        for key in DIFFERENT.iter().filter(|key| !definition.options.contains_key(**key)) {
            assert_eq!(native.options.get(*key).map(String::as_str), default_of(key), "{key}");
        }
        let mistakes = native.config(TopicDefaults::default()).err().unwrap_or_default();
        assert!(mistakes.iter().all(|problem| problem.code == "secret/missing"), "{mistakes:?}");
        assert!(!converted.text.contains("hunter2"));
    }
}
