//! `rowfeed groups`: consumer groups of the built-in log, their lag, and where they go on.

use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value as Json, json};

use super::client::{Server, escape};
use super::connectors::{OneArgs, nobody};
use super::form::{self, FormArgs};
use super::terminal::{confirm, number_at, signs, text_at};
use super::{Failure, ServerArgs, view};
use crate::problem::Problem;

/// What is done with groups.
#[derive(Debug, Subcommand)]
pub enum GroupsCommand {
    /// All groups with their state and lag.
    List {
        #[command(flatten)]
        server: ServerArgs,
        #[command(flatten)]
        form: FormArgs,
    },
    /// A group: where it is in each partition, and who is in it.
    Show(OneArgs),
    /// Move where it goes on; it must have no members.
    Seek {
        #[command(flatten)]
        one: OneArgs,
        /// start, end, -100, +100, offset:1842, now-5m.
        #[arg(long, allow_hyphen_values = true, value_name = "WHERE")]
        to: String,
        /// Topics, with commas between; those it has offsets in when not given.
        #[arg(long, value_name = "TOPICS", value_delimiter = ',')]
        topics: Vec<String>,
        /// Show what would be, and change nothing.
        #[arg(long)]
        dry_run: bool,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
    /// Remove a group with its offsets; it must have no members.
    Delete {
        #[command(flatten)]
        one: OneArgs,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
}

/// Does what the command says.
pub async fn run(command: GroupsCommand) -> Result<(), Failure> {
    match command {
        GroupsCommand::List { server, form } => list(&server.parse()?, form).await,
        GroupsCommand::Show(one) => show(&one).await,
        GroupsCommand::Seek { one, to, topics, dry_run, yes } => {
            let mut body = json!({ "to": to, "dry_run": true });
            if !topics.is_empty() {
                body["topics"] = json!(topics);
            }
            seek(&one, body, dry_run, yes).await
        }
        GroupsCommand::Delete { one, yes } => delete(&one, yes).await,
    }
}

async fn ask(server: &Server, name: &str, method: &str, rest: &str, body: Option<&Json>) -> Result<Json, Problem> {
    match server.ask(method, &format!("/v1/groups/{}{rest}", escape(name)), body).await {
        Err(problem) if problem.code == "server/not-found" => {
            let Ok(all) = server.get_json("/v1/groups").await else { return Err(problem) };
            let names: Vec<&str> = items(&all, "items").iter().map(|group| text_at(group, "/name")).collect();
            // It may be a topic that is not there.
            Err(if problem.what.starts_with("there is no group") { nobody("group", name, &names) } else { problem })
        }
        answer => answer,
    }
}

fn items<'a>(json: &'a Json, name: &str) -> &'a [Json] {
    json.get(name).and_then(Json::as_array).map_or(&[][..], Vec::as_slice)
}

async fn list(server: &Server, args: FormArgs) -> Result<(), Failure> {
    let answer = server.get_json("/v1/groups").await?;
    let groups = items(&answer, "items");
    if args.is_document() {
        args.print("rowfeed/groups@1", json!({ "items": groups }));
        return Ok(());
    }
    let mut rows = vec![["GROUP", "STATE", "MEMBERS", "LAG", "LAG-MAX"].map(str::to_owned).to_vec()];
    for group in groups {
        let number = |name: &str| view::count(number_at(group, name));
        let (name, state) = (text_at(group, "/name").to_owned(), text_at(group, "/state").to_owned());
        rows.push(vec![name, state, number("/members"), number("/total_lag"), number("/max_lag")]);
    }
    form::show(&view::table(&rows, &[2, 3, 4]));
    if groups.is_empty() {
        eprintln!("no groups yet: a consumer with a group.id makes one");
    }
    Ok(())
}

/// The columns are those of Kafka's tools, so scripts and eyes go on working.
async fn show(one: &OneArgs) -> Result<(), Failure> {
    let group = ask(&one.server.parse()?, &one.name, "GET", "", None).await?;
    if one.form.is_document() {
        one.form.print("rowfeed/group@1", group);
        return Ok(());
    }
    let members = items(&group, "members");
    form::show(&signs(&shown(&group, members)));
    Ok(())
}

fn shown(group: &Json, members: &[Json]) -> String {
    let offsets = items(group, "offsets");
    let longest = offsets.iter().filter_map(|offset| offset.get("lag_seconds")?.as_f64()).fold(0.0, f64::max);
    let waited = if longest > 0.0 { format!(" (~{})", seconds(longest)) } else { String::new() };
    let mut out = format!(
        "group {} · {} · {} {} · total lag {} records{waited}\n",
        text_at(group, "/name"),
        text_at(group, "/state"),
        members.len(),
        if members.len() == 1 { "member" } else { "members" },
        view::count(number_at(group, "/total_lag")),
    );
    let head = ["TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-START-OFFSET", "LOG-END-OFFSET", "LAG", "LAG-TIME", "CLIENT-ID", "HOST"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for offset in offsets {
        let number = |name: &str| number_at(offset, name).to_string();
        let time = offset.get("lag_seconds").and_then(Json::as_f64).map_or_else(|| "-".to_owned(), seconds);
        let reader = members.iter().find(|member| offset.get("member") == member.get("id"));
        let of_reader = |name: &str| reader.map_or("-", |member| text_at(member, name)).to_owned();
        let numbers = ["/partition", "/committed", "/start", "/end", "/lag"].map(number);
        rows.push(
            [vec![text_at(offset, "/topic").to_owned()], numbers.to_vec(), vec![time, of_reader("/client_id"), of_reader("/host")]]
                .concat(),
        );
    }
    out.push_str(&view::table(&rows, &[1, 2, 3, 4, 5, 6]));
    if !members.is_empty() {
        let mut rows = vec![["MEMBER", "CLIENT-ID", "HOST"].map(str::to_owned).to_vec()];
        rows.extend(members.iter().map(|member| ["/id", "/client_id", "/host"].map(|name| text_at(member, name).to_owned()).to_vec()));
        out.push_str(&format!("\n{}", view::table(&rows, &[])));
    }
    out
}

/// A time of the API as a person says it.
fn seconds(seconds: f64) -> String {
    view::millis(u64::try_from(Duration::try_from_secs_f64(seconds).unwrap_or_default().as_millis()).unwrap_or(u64::MAX))
}

/// Asks what would be first, so that a person says yes to numbers.
async fn seek(one: &OneArgs, mut body: Json, dry_run: bool, yes: bool) -> Result<(), Failure> {
    let server = one.server.parse()?;
    let planned = ask(&server, &one.name, "POST", "/seek", Some(&body)).await?;
    let members = number_at(&planned, "/members");
    let done = if dry_run {
        planned
    } else {
        if members == 0 {
            confirm(&format!("{}the group {} goes on from there", moves(&planned), one.name), yes)?;
        }
        body["dry_run"] = false.into();
        ask(&server, &one.name, "POST", "/seek", Some(&body)).await?
    };
    if one.form.is_document() {
        one.form.print("rowfeed/groups-seek@1", done);
        return Ok(());
    }
    print!("{}", moves(&done));
    if dry_run {
        let first = if members > 0 { format!(" {members} members are connected: stop them first.") } else { String::new() };
        eprintln!("dry run, nothing changed.{first}");
    }
    Ok(())
}

fn moves(answer: &Json) -> String {
    let mut rows = vec![["TOPIC", "PARTITION", "BEFORE", "AFTER", "CHANGE"].map(str::to_owned).to_vec()];
    for offset in items(answer, "offsets") {
        let (before, after) = (offset.get("before").and_then(Json::as_u64), number_at(offset, "/after"));
        let change = match before {
            None => "-".to_owned(),
            Some(before) if before > after => format!("-{}", view::count(before - after)),
            Some(before) => format!("+{}", view::count(after - before)),
        };
        rows.push(vec![
            text_at(offset, "/topic").to_owned(),
            number_at(offset, "/partition").to_string(),
            before.map_or_else(|| "-".to_owned(), |before| before.to_string()),
            after.to_string(),
            change,
        ]);
    }
    view::table(&rows, &[1, 2, 3, 4])
}

async fn delete(one: &OneArgs, yes: bool) -> Result<(), Failure> {
    let server = one.server.parse()?;
    let group = ask(&server, &one.name, "GET", "", None).await?;
    let partitions = items(&group, "offsets").len();
    let loses =
        format!("the group {} goes, with its offsets in {partitions} partitions: consumers of it begin by auto.offset.reset", one.name);
    confirm(&loses, yes)?;
    ask(&server, &one.name, "DELETE", "", None).await?;
    if one.form.is_document() {
        one.form.print("rowfeed/groups-delete@1", json!({ "group": one.name }));
    } else {
        println!("{}   deleted", one.name);
    }
    Ok(())
}
