//! `rowfeed topics`: what there is, one of them, making, changing and deleting them.

use clap::Subcommand;
use serde_json::{Map, Value as Json, json};

use super::client::{Server, escape};
use super::connectors::nobody;
use super::form::{self, FormArgs};
use super::terminal::{confirm, number_at, text_at};
use super::{Failure, ServerArgs, view};
use crate::problem::Problem;

/// What is done with topics.
#[derive(Debug, Subcommand)]
pub enum TopicsCommand {
    /// All topics.
    List {
        #[command(flatten)]
        server: ServerArgs,
        /// The log's own topics too.
        #[arg(short, long)]
        internal: bool,
        #[command(flatten)]
        form: FormArgs,
    },
    /// A topic: its partitions and their offsets.
    Show {
        /// Its name.
        topic: String,
        #[command(flatten)]
        server: ServerArgs,
        #[command(flatten)]
        form: FormArgs,
    },
    /// Make a topic. Those of tables are made by their connector.
    Create {
        /// Its name.
        topic: String,
        /// Partitions.
        #[arg(short, long, value_name = "N", default_value_t = 1)]
        partitions: u32,
        /// A setting, such as compression.type=zstd; may be given several times.
        #[arg(short, long, value_name = "KEY=VALUE")]
        config: Vec<String>,
        #[command(flatten)]
        server: ServerArgs,
        #[command(flatten)]
        form: FormArgs,
    },
    /// A topic's settings; with KEY=VALUE they are changed.
    Config {
        /// Its name.
        topic: String,
        /// Such as compression.type=zstd: producer, uncompressed, gzip, snappy, lz4 or zstd.
        #[arg(value_name = "KEY=VALUE")]
        settings: Vec<String>,
        #[command(flatten)]
        server: ServerArgs,
        #[command(flatten)]
        form: FormArgs,
    },
    /// Delete topics with their records.
    Delete {
        /// Their names.
        #[arg(required = true, value_name = "TOPIC")]
        topics: Vec<String>,
        /// Also one that a connector publishes to: it makes it anew with the next change.
        #[arg(long)]
        force: bool,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
        #[command(flatten)]
        server: ServerArgs,
        #[command(flatten)]
        form: FormArgs,
    },
}

/// Does what the command says.
pub async fn run(command: TopicsCommand) -> Result<(), Failure> {
    match command {
        TopicsCommand::List { server, internal, form } => list(&server.parse()?, internal, form).await,
        TopicsCommand::Show { topic, server, form } => show(&server.parse()?, &topic, form).await,
        TopicsCommand::Create { topic, partitions, config, server, form } => {
            let body = json!({ "name": topic, "partitions": partitions, "config": pairs(&config)? });
            let made = server.parse()?.ask("POST", "/v1/topics", Some(&body)).await?;
            if form.is_document() {
                form.print("rowfeed/topic@1", made);
            } else {
                println!("{topic}   created, {partitions} {}", if partitions == 1 { "partition" } else { "partitions" });
            }
            Ok(())
        }
        TopicsCommand::Config { topic, settings, server, form } => config(&server.parse()?, &topic, &settings, form).await,
        TopicsCommand::Delete { topics, force, yes, server, form } => delete(&server.parse()?, &topics, force, yes, form).await,
    }
}

async fn ask(server: &Server, topic: &str, method: &str, rest: &str, body: Option<&Json>) -> Result<Json, Problem> {
    match server.ask(method, &format!("/v1/topics/{}{rest}", escape(topic)), body).await {
        Err(problem) if problem.code == "server/not-found" => {
            let Ok(all) = server.get_json("/v1/topics").await else { return Err(problem) };
            let names: Vec<&str> = items(&all, "items").iter().map(|topic| text_at(topic, "/name")).collect();
            Err(nobody("topic", topic, &names))
        }
        answer => answer,
    }
}

fn items<'a>(json: &'a Json, name: &str) -> &'a [Json] {
    json.get(name).and_then(Json::as_array).map_or(&[][..], Vec::as_slice)
}

fn pairs(settings: &[String]) -> Result<Json, Problem> {
    let mut config = Map::new();
    for setting in settings {
        let (key, value) = setting.split_once('=').ok_or_else(|| {
            Problem::refuse("config/value", format!("{setting:?} is no setting")).fix("KEY=VALUE, such as compression.type=zstd")
        })?;
        config.insert(key.trim().to_owned(), value.trim().into());
    }
    Ok(config.into())
}

async fn list(server: &Server, internal: bool, args: FormArgs) -> Result<(), Failure> {
    let answer = server.get_json("/v1/topics").await?;
    let is_internal = |topic: &Json| topic.get("internal").and_then(Json::as_bool).unwrap_or(false);
    let items: Vec<Json> = items(&answer, "items").iter().filter(|topic| internal || !is_internal(topic)).cloned().collect();
    if args.is_document() {
        args.print("rowfeed/topics@1", json!({ "items": items }));
        return Ok(());
    }
    let mut heading = vec!["TOPIC", "PARTITIONS", "RECORDS", "END", "CLEANUP"];
    if args.is_wide() {
        heading.extend(["COMPRESSION", "CONNECTOR"]);
    }
    let mut rows: Vec<Vec<String>> = vec![heading.into_iter().map(str::to_owned).collect()];
    for topic in &items {
        let partitions = self::items(topic, "partitions");
        let end: u64 = partitions.iter().map(|partition| number_at(partition, "/end")).sum();
        let (name, cleanup) = (text_at(topic, "/name").to_owned(), known(topic, "/cleanup").to_owned());
        let mut row = vec![name, partitions.len().to_string(), view::count(number_at(topic, "/records")), view::count(end), cleanup];
        if args.is_wide() {
            row.extend([known(topic, "/config/compression.type").to_owned(), known(topic, "/connector").to_owned()]);
        }
        rows.push(row);
    }
    form::show(&view::table(&rows, &[1, 2, 3]));
    if items.is_empty() {
        eprintln!("no topics yet: a table's topic is made with its first change");
    }
    Ok(())
}

async fn show(server: &Server, name: &str, args: FormArgs) -> Result<(), Failure> {
    let topic = ask(server, name, "GET", "", None).await?;
    if args.is_document() {
        args.print("rowfeed/topic@1", topic);
        return Ok(());
    }
    let records = view::count(number_at(&topic, "/records"));
    let mut out = format!("{}   {records} records   cleanup {}\n", text_at(&topic, "/name"), known(&topic, "/cleanup"));
    for (label, value) in [("published by", text_at(&topic, "/connector").to_owned()), ("read by", groups(&topic).join(", "))] {
        if !value.is_empty() {
            out.push_str(&format!("  {label}  {value}\n"));
        }
    }
    let mut rows = vec![["  PARTITION", "START", "END", "RECORDS"].map(str::to_owned).to_vec()];
    for partition in items(&topic, "partitions") {
        let (start, end) = (number_at(partition, "/start"), number_at(partition, "/end"));
        let number = format!("  {}", number_at(partition, "/partition"));
        rows.push(vec![number, start.to_string(), end.to_string(), view::count(end.saturating_sub(start))]);
    }
    out.push_str(&view::table(&rows, &[0, 1, 2, 3]));
    form::show(&out);
    Ok(())
}

/// A text, or a dash where there is none: an external cluster tells settings only to those it lets see them.
fn known<'a>(topic: &'a Json, path: &str) -> &'a str {
    Some(text_at(topic, path)).filter(|text| !text.is_empty()).unwrap_or("-")
}

/// The groups that have an offset in it.
fn groups(topic: &Json) -> Vec<&str> {
    items(topic, "groups").iter().filter_map(Json::as_str).collect()
}

async fn config(server: &Server, name: &str, settings: &[String], args: FormArgs) -> Result<(), Failure> {
    let topic = if settings.is_empty() {
        ask(server, name, "GET", "", None).await?
    } else {
        ask(server, name, "PATCH", "", Some(&json!({ "config": pairs(settings)? }))).await?
    };
    if args.is_document() {
        args.print("rowfeed/topic-config@1", json!({ "name": topic.get("name"), "config": topic.get("config") }));
        return Ok(());
    }
    for (key, value) in topic.get("config").and_then(Json::as_object).into_iter().flatten() {
        println!("{key} = {}", value.as_str().unwrap_or(""));
    }
    Ok(())
}

async fn delete(server: &Server, names: &[String], force: bool, yes: bool, args: FormArgs) -> Result<(), Failure> {
    // All of them first: what is refused must not be noticed when others are gone.
    let mut loses = String::new();
    for name in names {
        let topic = ask(server, name, "GET", "", None).await?;
        let connector = text_at(&topic, "/connector");
        if topic.get("internal").and_then(Json::as_bool).unwrap_or(false) {
            return Err(Problem::refuse("topic/internal", format!("{name} is the log's own topic and is not deleted")).into());
        }
        if !connector.is_empty() && !force {
            return Err(Problem::refuse("topic/published", format!("the connector {connector} publishes to {name}"))
                .why("it would make the topic anew with the next change of its table")
                .fix("leave the table out of the connector, or delete the connector; or delete what is there now: --force")
                .into());
        }
        let partitions = items(&topic, "partitions").len();
        let records = view::count(number_at(&topic, "/records"));
        loses.push_str(&format!("the topic {name} goes, with {records} records in {partitions} partitions"));
        let groups = groups(&topic);
        if !groups.is_empty() {
            loses.push_str(&format!("; groups lose their offsets in it: {}", groups.join(", ")));
        }
        if !connector.is_empty() {
            loses.push_str(&format!("; {connector} makes it anew with the next change"));
        }
        loses.push('\n');
    }
    confirm(loses.trim_end(), yes)?;
    for name in names {
        ask(server, name, "DELETE", if force { "?force=true" } else { "" }, None).await?;
        if !args.is_document() {
            println!("{name}   deleted");
        }
    }
    if args.is_document() {
        args.print("rowfeed/topics-delete@1", json!({ "items": names }));
    }
    Ok(())
}
