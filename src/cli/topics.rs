//! `rowfeed topics`: what there is, one of them, making, changing and deleting them.

use clap::Subcommand;
use serde_json::{Map, Value as Json, json};

use super::client::{Server, escape};
use super::connectors::nobody;
use super::form::{self, FormArgs};
use super::terminal::{confirm, number_at, text_at};
use super::{Failure, ServerArgs, lists, view};
use crate::config::suggest;
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
            let named = |internal: bool| items(&all, "items").iter().filter(move |topic| internal || !is_internal(topic));
            // The log's own are listed to nobody, but a misspelt one is known.
            let near = suggest::nearest(topic, named(true).map(|topic| text_at(topic, "/name")));
            let names: Vec<&str> = match near {
                Some(near) => vec![near],
                None => named(false).map(|topic| text_at(topic, "/name")).collect(),
            };
            Err(nobody("topic", topic, &names))
        }
        answer => answer,
    }
}

fn items<'a>(json: &'a Json, name: &str) -> &'a [Json] {
    json.get(name).and_then(Json::as_array).map_or(&[][..], Vec::as_slice)
}

fn is_internal(topic: &Json) -> bool {
    topic.get("internal").and_then(Json::as_bool).unwrap_or(false)
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
    let items: Vec<Json> = items(&answer, "items").iter().filter(|topic| internal || !is_internal(topic)).cloned().collect();
    if args.is_document() {
        args.print("rowfeed/topics@1", json!({ "items": items }));
        return Ok(());
    }
    let hidden = self::items(&answer, "items").len() - items.len();
    form::show(&table(&items, args.is_wide(), now_ms()));
    if hidden > 0 {
        eprintln!("{hidden} internal topics are not shown; with -i they are");
    }
    if items.is_empty() {
        eprintln!("no topics yet: a table's topic is made with its first change");
    }
    Ok(())
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn table(topics: &[Json], wide: bool, now_ms: i64) -> String {
    let mut heading = vec!["TOPIC", "PARTITIONS", "RECORDS", "IN/S", "LAST CHANGE", "CLEANUP", "SOURCE TABLE"];
    if wide {
        heading.extend(["END", "COMPRESSION", "CONNECTOR"]);
    }
    let mut rows: Vec<Vec<String>> = vec![heading.into_iter().map(str::to_owned).collect()];
    let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    for topic in topics {
        let partitions = items(topic, "partitions");
        let rate = topic.get("records_per_second").and_then(Json::as_f64);
        let mut row = vec![
            text_at(topic, "/name").to_owned(),
            partitions.len().to_string(),
            view::count(number_at(topic, "/records")),
            rate.map_or_else(|| "-".to_owned(), |rate| view::count(lists::whole(rate))),
            ago(text_at(topic, "/last_change"), now_ms),
            or_dash(text_at(topic, "/cleanup")),
            or_dash(text_at(topic, "/source_table")),
        ];
        if wide {
            let end: u64 = partitions.iter().map(|partition| number_at(partition, "/end")).sum();
            row.extend([view::count(end), or_dash(text_at(topic, "/config/compression.type")), or_dash(text_at(topic, "/connector"))]);
        }
        rows.push(row);
    }
    view::table(&rows, &[1, 2, 3, 7])
}

/// How long ago an RFC 3339 time was, in one unit; `-` when it is none.
fn ago(text: &str, now_ms: i64) -> String {
    let Ok(then) = text.parse::<jiff::Timestamp>() else { return "-".to_owned() };
    match now_ms.saturating_sub(then.as_millisecond()) / 1000 {
        ..=0 => "now".to_owned(),
        seconds @ 1..=119 => format!("{seconds} s ago"),
        seconds @ 120..=7199 => format!("{} min ago", seconds / 60),
        seconds @ 7200..=172_799 => format!("{} h ago", seconds / 3600),
        seconds => format!("{} d ago", seconds / 86_400),
    }
}

async fn show(server: &Server, name: &str, args: FormArgs) -> Result<(), Failure> {
    let topic = ask(server, name, "GET", "", None).await?;
    if args.is_document() {
        args.print("rowfeed/topic@1", topic);
        return Ok(());
    }
    let records = view::count(number_at(&topic, "/records"));
    let mut out = format!("{}   {records} records   cleanup {}\n", text_at(&topic, "/name"), text_at(&topic, "/cleanup"));
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
        if is_internal(&topic) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_says_how_much_how_fast_and_since_when() {
        let topic = |name: &str, rate: Json, time: Json, table: Json| {
            json!({
                "name": name, "partitions": [{ "partition": 0, "start": 0, "end": 1_204_118 }], "records": 1_204_118, "cleanup": "delete",
                "connector": "shop", "source_table": table, "records_per_second": rate, "last_change": time,
                "config": { "compression.type": "producer" },
            })
        };
        let time = "2026-11-21T13:02:11.482Z";
        let topics = [
            topic("shop.public.orders", json!(412.4), json!(time), json!("public.orders")),
            topic("other", Json::Null, Json::Null, Json::Null),
        ];
        let now_ms = time.parse::<jiff::Timestamp>().expect("a time").as_millisecond() + 61_000;
        let expected = "\
TOPIC               PARTITIONS    RECORDS  IN/S  LAST CHANGE  CLEANUP  SOURCE TABLE
shop.public.orders           1  1,204,118   412  61 s ago     delete   public.orders
other                        1  1,204,118     -  -            delete   -
";
        assert_eq!(table(&topics, false, now_ms), expected);
        assert!(table(&topics, true, now_ms).starts_with("TOPIC"));
        let said = [0, 119_999, 120_000, 7_200_000, 172_800_000].map(|more| ago(time, now_ms - 61_000 + more));
        assert_eq!(said, ["now", "119 s ago", "2 min ago", "2 h ago", "2 d ago"]);
    }
}
