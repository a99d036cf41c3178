//! `/connector-plugins` and below: which plugins there are, which options the connector has, and what a form is told.
//!
//! Owns Kafka Connect's shapes of an option (ConfigKeyInfo) and of a validated configuration (ConfigInfos). Promises that every
//! option of the one table is there, with what it means, and that every error stands on an option, those nobody knows
//! included. What is right and wrong is [`crate::connect::validation`]'s.

use std::collections::BTreeMap;

use axum::Json as JsonBody;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};

use super::connectors::{Answer, options};
use super::described::{Routes, does};
use super::{ApiError, App, Pairs, json_body, parameter};
use crate::config::define::{ConfigKey, Importance, KeyType, Rule, Support};
use crate::config::postgres::masked;
use crate::config::postgres::table::{self, CLASSES};
use crate::config::postgres::transforms::{self, PluginOption};
use crate::config::{Options, secrets};
use crate::connect::validation::Validation;

/// The routes.
pub fn routes() -> Routes {
    Routes::of("Plugins")
        .shape(
            "ConfigKeyInfo",
            json!({ "name": "database.hostname", "type": "STRING|BOOLEAN|CLASS|DOUBLE|INT|LIST|LONG|PASSWORD|SHORT", "required": true,
                "default_value~": "localhost", "importance": "HIGH|MEDIUM|LOW", "documentation": "The server's host.", "group": "Connection",
                "order": 1, "order_in_group": 1, "width": "MEDIUM|NONE|SHORT|LONG", "display_name": "Database hostname", "dependents": ["slot.name"] }),
        )
        .shape(
            "ConfigValueInfo",
            json!({ "name": "database.hostname", "value~": "db", "recommended_values": ["db"], "errors": ["config/missing: it is missing"], "visible": true }),
        )
        .shape(
            "ConfigInfos",
            json!({ "name": "PostgresConnector", "error_count": 1, "groups": ["Connection"],
                "configs": [{ "definition": "@ConfigKeyInfo", "value": "@ConfigValueInfo" }] }),
        )
        .get(
            "/connector-plugins",
            list,
            does("Lists the plugins")
                .query("connectorsOnly", json!(false), "With false also transformations, predicates and converters.")
                .answers(
                    200,
                    "What a configuration may name.",
                    json!([{ "class": "io.debezium.connector.postgresql.PostgresConnector",
                        "type": "source|sink|transformation|predicate|converter|header_converter", "version": "0.1.0" }]),
                ),
        )
        .get(
            "/connector-plugins/{plugin}/config",
            config,
            does("Lists a plugin's options").answers(200, "The options.", json!(["@ConfigKeyInfo"])).fails(404, "Unknown plugin Nonsense."),
        )
        .put(
            "/connector-plugins/{plugin}/config/validate",
            validate,
            does("Checks a configuration")
                .detail("Its database is asked, too, for 10 s at most. What is wrong stands on its option.")
                .takes(json!("@ConnectorConfig"))
                .answers(200, "Each option with its value and its errors; also when there are errors.", json!("@ConfigInfos"))
                .fails(400, "Included connector type MySql does not match request type Postgres")
                .fails(429, "too many configurations are being validated: try again in a moment"),
        )
}

/// The one connector; with `connectorsOnly=false` also what its configuration can name.
async fn list(Query(pairs): Pairs) -> Response {
    let plugin = |class: &str, kind: &str| json!({ "class": class, "type": kind, "version": env!("CARGO_PKG_VERSION") });
    let mut plugins = vec![plugin(CLASSES[0], "source")];
    // As Java reads a truth: what is not "true" is not.
    if parameter(&pairs, "connectorsOnly").is_some_and(|value| !value.eq_ignore_ascii_case("true")) {
        plugins.extend(transforms::class_names().iter().map(|class| plugin(class, "transformation")));
        plugins.extend(transforms::predicate_names().iter().map(|class| plugin(class, "predicate")));
        plugins.extend(classes("value.converter").map(|class| plugin(class, "converter")));
        plugins.extend(classes("header.converter").map(|class| plugin(class, "header_converter")));
    }
    JsonBody(plugins).into_response()
}

/// The full names of classes that an option takes.
fn classes(option: &str) -> impl Iterator<Item = &'static str> {
    let words = table::find(option).map_or(&[][..], |row| words(row.rule));
    words.iter().copied().filter(|word| word.contains('.'))
}

fn words(rule: Rule) -> &'static [&'static str] {
    match rule {
        Rule::OneOf(words) | Rule::Now { now: words, .. } => words,
        Rule::Any | Rule::Required | Rule::Between(..) => &[],
    }
}

async fn config(Path(plugin): Path<String>) -> Answer {
    if CLASSES.contains(&plugin.as_str()) {
        let definitions: Vec<Json> = shown(&Options::new()).iter().map(Shown::definition).collect();
        return Ok(JsonBody(definitions).into_response());
    }
    let definitions = of_converter(&plugin).or_else(|| of_transformation(&plugin));
    let definitions = definitions.ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, format!("Unknown plugin {plugin}.")))?;
    Ok(JsonBody(definitions).into_response())
}

/// What stands before a converter's options in a configuration, and the options of which converters these are.
const CONVERTERS: [(&str, &str); 2] = [("value.converter", "value.converter."), ("header.converter", "header.converter.")];

/// A converter's options, by their names within it. They are those of all converters: which of them one reads is said in
/// their texts.
fn of_converter(plugin: &str) -> Option<Vec<Json>> {
    let (_, prefix) = CONVERTERS.into_iter().find(|(option, _)| classes(option).any(|class| is_class(class, plugin)))?;
    let rows = table::OPTIONS.iter().filter(|row| !row.is_pattern() && matches!(row.support, Support::Supported | Support::Ignored(_)));
    let named = rows.filter_map(|row| Some((row, row.name.strip_prefix(prefix)?))).filter(|(_, name)| *name != "plugin.version");
    let shown = named.enumerate().map(|(at, (row, name))| Shown { row, name: name.to_owned(), order: at + 1 }.definition());
    Some(shown.collect())
}

/// A transformation's options, by their names within it; or a predicate's.
fn of_transformation(plugin: &str) -> Option<Vec<Json>> {
    let options = transforms::options_of(
        transforms::class_names().iter().chain(&transforms::predicate_names()).find(|class| is_class(class, plugin))?,
    )?;
    let definition = |(at, option): (usize, &PluginOption)| {
        json!({
            "name": option.name,
            "type": option.kind.name(),
            "required": option.required,
            "default_value": option.default,
            "importance": importance(option.importance),
            "documentation": transforms::documentation(option),
            "group": "Transformation",
            "order": at + 1,
            "order_in_group": at + 1,
            "width": width(option.kind),
            "display_name": display_name(option.name),
            "dependents": [],
        })
    };
    Some(options.iter().enumerate().map(definition).collect())
}

/// A class is named in full, or by what comes after its last dot.
fn is_class(class: &str, plugin: &str) -> bool {
    class == plugin || class.rsplit('.').next() == Some(plugin)
}

async fn validate(State(app): State<App>, Path(plugin): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
    let given = options(&json_body(&headers, &body)?)?;
    let class = given.get("connector.class").cloned().unwrap_or_default();
    if !class.is_empty() && !without_suffix(&class).ends_with(without_suffix(&plugin)) {
        return Err(ApiError::bad_request(format!("Included connector type {class} does not match request type {plugin}")));
    }
    let validation = app.0.registry.validate(given.clone()).await?;
    Ok(JsonBody(infos(&class, &given, &validation)).into_response())
}

/// Kafka Connect takes a class without its `Connector`.
fn without_suffix(class: &str) -> &str {
    class.strip_suffix("Connector").unwrap_or(class)
}

/// ConfigInfos.
fn infos(class: &str, given: &Options, validation: &Validation) -> Json {
    let mut named = given.clone();
    for key in validation.errors.keys() {
        named.entry(key.clone()).or_default();
    }
    let shown = shown(&named);
    let hidden = masked(given);
    let configs: Vec<Json> =
        shown.iter().map(|option| json!({ "definition": option.definition(), "value": option.value(&hidden, validation) })).collect();
    let mut groups: Vec<&str> = Vec::new();
    for option in &shown {
        if !groups.contains(&option.row.group) {
            groups.push(option.row.group);
        }
    }
    let count: usize = validation.errors.values().map(Vec::len).sum();
    json!({ "name": class, "error_count": count, "groups": groups, "configs": configs })
}

/// An option as a form shows it.
struct Shown {
    row: &'static ConfigKey,
    name: String,
    order: usize,
}

/// What stands for an option that no row describes.
static UNKNOWN: ConfigKey = ConfigKey {
    name: "*",
    kind: KeyType::String,
    default: None,
    rule: Rule::Any,
    group: "Unknown",
    importance: Importance::Low,
    doc: "No option of this connector.",
    support: Support::Supported,
};

/// Every option that can be set, and those that were named: by group, then as the table has them.
fn shown(named: &Options) -> Vec<Shown> {
    let free = |row: &&ConfigKey| !row.is_pattern() && matches!(row.support, Support::Supported | Support::Ignored(_));
    let mut all: Vec<(&'static ConfigKey, String)> = table::OPTIONS.iter().filter(free).map(|row| (row, row.name.to_owned())).collect();
    for name in named.keys() {
        if !all.iter().any(|(_, known)| known == name) {
            all.push((table::find(name).unwrap_or(&UNKNOWN), name.clone()));
        }
    }
    let place = |group: &str| table::GROUPS.iter().position(|known| *known == group).unwrap_or(usize::MAX);
    all.sort_by_key(|(row, _)| place(row.group));
    let mut orders: BTreeMap<&str, usize> = BTreeMap::new();
    let number = |(row, name): (&'static ConfigKey, String)| {
        let order = orders.entry(row.group).or_default();
        *order += 1;
        Shown { row, name, order: *order }
    };
    all.into_iter().map(number).collect()
}

impl Shown {
    /// ConfigKeyInfo. Workers up to 4.1 say `order`, later ones `order_in_group`: clients of both find theirs.
    fn definition(&self) -> Json {
        let row = self.row;
        json!({
            "name": self.name,
            "type": row.kind.name(),
            "required": matches!(row.rule, Rule::Required) || row.name == "connector.class" || row.name == "name",
            "default_value": row.default,
            "importance": importance(row.importance),
            "documentation": documentation(row),
            "group": row.group,
            "order": self.order,
            "order_in_group": self.order,
            "width": width(row.kind),
            "display_name": display_name(&self.name),
            "dependents": [],
        })
    }

    /// ConfigValueInfo.
    fn value(&self, given: &Options, validation: &Validation) -> Json {
        let hidden = self.row.kind == KeyType::Password;
        let value = given.get(&self.name).map(String::as_str).or(self.row.default);
        let value = value.map(|value| if hidden && !value.is_empty() && !secrets::is_reference(value) { secrets::MASK } else { value });
        json!({
            "name": self.name,
            "value": value,
            "recommended_values": self.recommended(validation),
            "errors": validation.errors.get(&self.name).map_or(&[][..], Vec::as_slice),
            "visible": true,
        })
    }

    fn recommended(&self, validation: &Validation) -> Vec<String> {
        let is_type = |of: &str| self.name.starts_with(of) && self.name.ends_with(".type") && self.name.split('.').count() == 3;
        if is_type("transforms.") {
            transforms::class_names()
        } else if is_type("predicates.") {
            transforms::predicate_names()
        } else if let Some(found) = validation.recommended.get(&self.name) {
            found.clone()
        } else {
            words(self.row.rule).iter().map(|word| (*word).to_owned()).collect()
        }
    }
}

fn importance(importance: Importance) -> &'static str {
    match importance {
        Importance::High => "HIGH",
        Importance::Medium => "MEDIUM",
        Importance::Low => "LOW",
    }
}

/// How wide a field should be.
fn width(kind: KeyType) -> &'static str {
    match kind {
        KeyType::Boolean | KeyType::Int | KeyType::Long => "SHORT",
        KeyType::Class | KeyType::Password | KeyType::String => "MEDIUM",
        KeyType::List => "LONG",
    }
}

fn documentation(row: &ConfigKey) -> String {
    match row.support {
        Support::Supported => row.doc.to_owned(),
        Support::Ignored(reason) => format!("{} Accepted, without effect: {reason}.", row.doc),
        Support::Rejected(reason) => format!("{} Not supported: {reason}.", row.doc),
        Support::Renamed(today) => format!("{} Today: {today}.", row.doc),
    }
}

/// `database.hostname` is "Database hostname", `poll.interval.ms` is "Poll interval (ms)".
fn display_name(name: &str) -> String {
    let mut out = String::new();
    for word in name.split(['.', '_', '-']).filter(|word| !word.is_empty()) {
        let word = match word {
            "ms" => "(ms)".to_owned(),
            "ssl" | "lsn" | "id" | "url" | "sql" | "jmx" | "tcp" => word.to_ascii_uppercase(),
            _ => word.to_owned(),
        };
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&word);
    }
    let mut letters = out.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_that_works_has_a_place_and_a_readable_name() {
        let all = shown(&Options::new());
        for row in table::OPTIONS.iter().filter(|row| !row.is_pattern() && matches!(row.support, Support::Supported)) {
            assert_eq!(all.iter().filter(|option| option.name == row.name).count(), 1, "{}", row.name);
        }
        for pair in all.windows(2) {
            let next = if pair[0].row.group == pair[1].row.group { pair[0].order + 1 } else { 1 };
            assert_eq!(pair[1].order, next, "{} after {}", pair[1].name, pair[0].name);
        }
        assert_eq!(display_name("database.hostname"), "Database hostname");
        assert_eq!(display_name("heartbeat.interval.ms"), "Heartbeat interval (ms)");
        assert_eq!(display_name("lsn.flush.mode"), "LSN flush mode");
    }

    #[test]
    fn an_error_stands_on_its_option_whoever_knows_it() {
        let mut validation = Validation::default();
        for key in ["no.such.option", "transforms.a.type", "slot.name"] {
            validation.errors.insert(key.to_owned(), vec!["wrong".to_owned()]);
        }
        let given: Options = [("database.password".to_owned(), "hunter2".to_owned()), ("slot.name".to_owned(), "S".to_owned())].into();
        let body = infos("Postgres", &given, &validation);
        assert_eq!((&body["name"], &body["error_count"]), (&json!("Postgres"), &json!(3)));
        let configs = body["configs"].as_array().expect("a list");
        let of = |name: &str| configs.iter().find(|config| config["value"]["name"] == name).expect("it is there");
        for key in validation.errors.keys() {
            assert_eq!(of(key)["value"]["errors"], json!(["wrong"]), "{key}");
        }
        assert_eq!(of("no.such.option")["definition"]["group"], "Unknown");
        assert!(of("transforms.a.type")["value"]["recommended_values"].as_array().is_some_and(|classes| classes.len() > 20));
        assert_eq!((&of("slot.name")["value"]["value"], &of("database.password")["value"]["value"]), (&json!("S"), &json!("********")));
        assert!(!body.to_string().contains("hunter2"));
        assert_eq!(body["groups"].as_array().and_then(|groups| groups.last()), Some(&json!("Unknown")));
    }
}
