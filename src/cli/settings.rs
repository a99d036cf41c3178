//! `rowfeed config`: the settings before anything runs.
//!
//! `check` reads them and every connector file (no database is asked), `show` says where each value comes from, `schema`
//! what there is, for people or as JSON Schema for editors.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, Value as Json, json};

use super::form::{self, FormArgs};
use super::{Failure, ServerArgs, reload, small_runtime, view};
use crate::config::ServiceConfig;
use crate::config::define::{ConfigKey, KeyType, Rule, Support};
use crate::config::postgres::table::OPTIONS;
use crate::config::service::{KEYS, Kind, Sources};
use crate::problem::Problem;
use crate::service::{check_advertised, tls_of};

/// What is done with settings.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Read the settings and every connector file, and say every mistake; no database is asked.
    Check {
        #[command(flatten)]
        from: FromArgs,
        #[command(flatten)]
        form: FormArgs,
    },
    /// Every setting, its value, and where it comes from.
    Show {
        #[command(flatten)]
        from: FromArgs,
        #[command(flatten)]
        form: FormArgs,
    },
    /// All settings there are, with their defaults; with --json (or -o yaml) as JSON Schema.
    Schema {
        /// The options of a connector instead of the service's settings.
        #[arg(long)]
        connector: bool,
        #[command(flatten)]
        form: FormArgs,
    },
    /// A running service reads the connector files again now.
    Reload {
        #[command(flatten)]
        server: ServerArgs,
        #[command(flatten)]
        form: FormArgs,
    },
}

/// Where settings come from, beside the environment.
#[derive(Debug, Args)]
pub struct FromArgs {
    /// The settings file [default: ./rowfeed.toml when it exists].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of connector files (connectors_dir).
    #[arg(long, value_name = "DIR")]
    connectors: Option<PathBuf>,
    /// Any setting; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl FromArgs {
    fn load(&self) -> Result<ServiceConfig, Vec<Problem>> {
        let connectors = self.connectors.as_ref().map(|dir| ("connectors_dir", dir.to_string_lossy().into_owned(), "--connectors"));
        let sources =
            Sources { file: self.config.clone(), set: self.set.clone(), flags: connectors.into_iter().collect(), ..Sources::of_process() };
        ServiceConfig::load(&sources)
    }
}

/// Does what the command says.
pub fn run(command: ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Reload { server, form } => small_runtime()?.block_on(reload::reload(&server.parse()?, form)),
        ConfigCommand::Check { from, form } => match from.load() {
            Ok(config) => check(&config, form),
            Err(problems) if form.is_document() => {
                let list: Vec<Json> = problems.iter().map(Problem::json).collect();
                form.print(CHECKED, json!({ "ok": false, "connectors": [], "problems": list }));
                Err(Failure::shown(2))
            }
            Err(problems) => Err(problems.into()),
        },
        ConfigCommand::Show { from, form } => {
            show(&from.load()?, form);
            Ok(())
        }
        ConfigCommand::Schema { connector, form } => {
            schema(connector, form);
            Ok(())
        }
    }
}

const CHECKED: &str = "rowfeed/config-check@1";

/// Are all files good? No database is asked, so CI can.
pub fn check(config: &ServiceConfig, form: FormArgs) -> Result<(), Failure> {
    let mut problems: Vec<_> = check_advertised(config).err().into_iter().chain(tls_of(config).err()).collect();
    let mut connectors = Vec::new();
    for definition in crate::service::definitions(config)? {
        let found = definition.config(config.topics).err().unwrap_or_default();
        if form.is_document() {
            connectors.push(json!({ "name": definition.name, "ok": found.is_empty() }));
        } else {
            println!("{}  {}", if found.is_empty() { "ok  " } else { "fail" }, definition.name);
        }
        problems.extend(found);
    }
    problems.extend(crate::service::subscriptions::definitions(config).err().unwrap_or_default());
    let ok = problems.is_empty();
    if form.is_document() {
        let list: Vec<Json> = problems.iter().map(Problem::json).collect();
        form.print(CHECKED, json!({ "ok": ok, "connectors": connectors, "problems": list }));
        return if ok { Ok(()) } else { Err(Failure::shown(2)) };
    }
    if ok { Ok(()) } else { Err(problems.into()) }
}

/// Every setting with where it came from.
pub fn show(config: &ServiceConfig, form: FormArgs) {
    if form.is_document() {
        let item = |origin: &crate::config::service::Origin| json!({ "name": origin.name, "value": origin.value, "from": origin.from });
        let items: Vec<Json> = config.origins.iter().map(item).collect();
        form.print("rowfeed/config@1", json!({ "file": config.file, "items": items }));
        return;
    }
    let row = |origin: &crate::config::service::Origin| vec![origin.name.to_owned(), origin.value.clone(), origin.from.to_string()];
    let rows: Vec<Vec<String>> = config.origins.iter().map(row).collect();
    form::show(&view::table(&rows, &[]));
}

fn schema(connector: bool, form: FormArgs) {
    if form.is_document() {
        // A JSON Schema says by its own first key what it is.
        form.print_bare(&if connector { connector_schema() } else { service_schema() });
        return;
    }
    let mut rows = vec![["NAME", "DEFAULT", "VALUE", ""].map(str::to_owned).to_vec()];
    if connector {
        for key in usable() {
            rows.push([key.name, key.default.unwrap_or("-"), &words(key), key.doc].map(str::to_owned).to_vec());
        }
    } else {
        for key in KEYS {
            rows.push(
                [key.name, if key.default.is_empty() { "-" } else { key.default }, &kind(key.kind), key.doc].map(str::to_owned).to_vec(),
            );
        }
    }
    form::show(&view::table(&rows, &[]));
}

fn kind(kind: Kind) -> String {
    match kind {
        Kind::Text => "text".to_owned(),
        Kind::Address | Kind::AddressOrEmpty => "host:port".to_owned(),
        Kind::Bytes => "size, 128MiB".to_owned(),
        Kind::Duration => "time, 7d".to_owned(),
        Kind::Number(from, to) => format!("{from} to {to}"),
        Kind::Word(words) => words.join("|"),
        Kind::Origins => "https://host,...".to_owned(),
    }
}

/// Options that may be set.
fn usable() -> impl Iterator<Item = &'static ConfigKey> {
    OPTIONS.iter().filter(|key| matches!(key.support, Support::Supported | Support::Ignored(_)))
}

fn words(key: &ConfigKey) -> String {
    match key.rule {
        Rule::OneOf(words) | Rule::Now { now: words, .. } => words.join("|"),
        Rule::Any | Rule::Required | Rule::Between(..) => key.kind.name().to_ascii_lowercase(),
    }
}

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// `rowfeed.toml` as JSON Schema: a table per part of a name.
fn service_schema() -> Json {
    let mut root = Map::new();
    for key in KEYS {
        let mut about = match key.kind {
            Kind::Text | Kind::Address | Kind::AddressOrEmpty | Kind::Duration | Kind::Origins => json!({ "type": "string" }),
            Kind::Bytes => json!({ "type": ["string", "integer"] }),
            Kind::Number(from, to) => json!({ "type": "integer", "minimum": from, "maximum": to }),
            Kind::Word(words) => json!({ "enum": words }),
        };
        let default = key.default.parse::<i64>().ok().filter(|_| matches!(key.kind, Kind::Number(..)));
        about["default"] = default.map_or_else(|| key.default.into(), Json::from);
        about["description"] = key.doc.into();
        match key.name.split_once('.') {
            None => drop(root.insert(key.name.to_owned(), about)),
            Some((part, rest)) => {
                let part = root.entry(part).or_insert_with(|| json!({ "type": "object", "properties": {}, "additionalProperties": false }));
                part["properties"][rest] = about;
            }
        }
    }
    // Properties of librdkafka, passed on as they are.
    if let Some(log) = root.get_mut("log") {
        log["properties"]["kafka"] = json!({ "type": "object" });
    }
    json!({ "$schema": DIALECT, "title": "rowfeed.toml", "type": "object", "properties": root, "additionalProperties": false })
}

/// A connector's options (the flat map of Kafka Connect) as JSON Schema.
fn connector_schema() -> Json {
    let (mut properties, mut patterns) = (Map::new(), Map::new());
    let mut required = Vec::new();
    for key in usable() {
        let kinds = match key.kind {
            KeyType::Boolean => json!(["boolean", "string"]),
            KeyType::Int | KeyType::Long => json!(["integer", "string"]),
            KeyType::Class | KeyType::List | KeyType::Password | KeyType::String => json!("string"),
        };
        let mut about = json!({ "type": kinds, "description": key.doc });
        if let Some(default) = key.default {
            about["default"] = default.into();
        }
        if matches!(key.rule, Rule::Required) {
            required.push(key.name);
        }
        match key.is_pattern() {
            true => patterns.insert(format!("^{}$", key.name.replace('.', "\\.").replace('*', ".+")), about),
            false => properties.insert(key.name.to_owned(), about),
        };
    }
    json!({
        "$schema": DIALECT, "title": "a connector's configuration", "type": "object", "properties": properties,
        "patternProperties": patterns, "required": required, "additionalProperties": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schemas_have_every_setting_at_its_place() {
        let schema = service_schema();
        for key in KEYS {
            let pointer = format!("/properties/{}", key.name.replacen('.', "/properties/", 1));
            assert_eq!(schema.pointer(&pointer).and_then(|about| about["description"].as_str()), Some(key.doc), "{pointer}");
        }
        let connector = connector_schema();
        assert!(
            connector["properties"]["table.include.list"].is_object() && connector["patternProperties"]["^transforms\\..+$"].is_object()
        );
        assert!(connector["required"].as_array().is_some_and(|required| required.contains(&json!("topic.prefix"))), "{connector}");
        assert!(connector["properties"].as_object().is_some_and(|all| all.len() > 50));
    }
}
