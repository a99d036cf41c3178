//! `rowfeed subscriptions`: what is delivered to whom, how that goes, and doing something about it.

use clap::Subcommand;
use serde_json::{Value as Json, json};

use super::client::{Server, escape};
use super::connectors::{OneArgs, nobody};
use super::form::{self, FormArgs};
use super::terminal::{confirm, number_at, signs, text_at};
use super::{Failure, ServerArgs, view};
use crate::problem::Problem;

/// What is done with subscriptions.
#[derive(Debug, Subcommand)]
pub enum SubscriptionsCommand {
    /// All subscriptions with their state and lag.
    List {
        #[command(flatten)]
        server: ServerArgs,
        #[command(flatten)]
        form: FormArgs,
    },
    /// One, with its configuration (secrets masked) and what is wrong with it.
    Show(OneArgs),
    /// Deliver the newest record that fits once, and show how that went.
    Test(OneArgs),
    /// What was delivered, and what was not.
    Deliveries {
        #[command(flatten)]
        one: OneArgs,
        /// failed, pending, delivered or dead.
        #[arg(long, value_name = "STATE")]
        state: Option<String>,
        /// So many at most.
        #[arg(short = 'n', long, default_value = "100", value_name = "N")]
        limit: u64,
    },
    /// Deliver a range again.
    Replay {
        #[command(flatten)]
        one: OneArgs,
        /// start, end, -100, +100, offset:1842, now-5m.
        #[arg(long, allow_hyphen_values = true, value_name = "WHERE")]
        from: String,
        /// Where it ends, in the same words; what is new is delivered anyhow.
        #[arg(long, allow_hyphen_values = true, value_name = "WHERE")]
        until: Option<String>,
        /// Only changes that fit.
        #[arg(long = "where", value_name = "FILTER")]
        filter: Option<String>,
        /// Only those that failed.
        #[arg(long)]
        failed: bool,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
    /// Rest; the place is kept.
    Pause(OneArgs),
    /// Go on.
    Resume(OneArgs),
    /// Remove one that was made over HTTP, with its place.
    Delete {
        #[command(flatten)]
        one: OneArgs,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
}

/// Does what the command says.
pub async fn run(command: SubscriptionsCommand) -> Result<(), Failure> {
    match command {
        SubscriptionsCommand::List { server, form } => list(&server.parse()?, form).await,
        SubscriptionsCommand::Show(one) => show(&one).await,
        SubscriptionsCommand::Test(one) => {
            let answer = ask(&one.server.parse()?, &one.name, "POST", "/test", Some(&json!({}))).await?;
            print(&one, "rowfeed/subscriptions-test@1", answer);
            Ok(())
        }
        SubscriptionsCommand::Deliveries { one, state, limit } => deliveries(&one, state.as_deref(), limit).await,
        SubscriptionsCommand::Replay { one, from, until, filter, failed, yes } => {
            confirm(&format!("{} delivers again what it has delivered before, from {from} on", one.name), yes)?;
            let mut body = json!({ "from": from });
            for (name, value) in [("until", until), ("where", filter), ("only", failed.then(|| "failed".to_owned()))] {
                if let Some(value) = value {
                    body[name] = value.into();
                }
            }
            let answer = ask(&one.server.parse()?, &one.name, "POST", "/replay", Some(&body)).await?;
            print(&one, "rowfeed/subscriptions-replay@1", answer);
            Ok(())
        }
        SubscriptionsCommand::Pause(one) => done(&one, "POST", "/pause", "paused").await,
        SubscriptionsCommand::Resume(one) => done(&one, "POST", "/resume", "resumed").await,
        SubscriptionsCommand::Delete { one, yes } => {
            confirm(&format!("the subscription {} goes, with its place: one of this name begins anew", one.name), yes)?;
            done(&one, "DELETE", "", "deleted").await
        }
    }
}

async fn ask(server: &Server, name: &str, method: &str, rest: &str, body: Option<&Json>) -> Result<Json, Problem> {
    match server.ask(method, &format!("/v1/subscriptions/{}{rest}", escape(name)), body).await {
        Err(problem) if problem.code == "server/not-found" => {
            let Ok(all) = server.get_json("/v1/subscriptions").await else { return Err(problem) };
            let names: Vec<&str> = items(&all).iter().map(|one| text_at(one, "/name")).collect();
            // It is there: what is not is something else, which the service says.
            if names.contains(&name) {
                return Err(problem);
            }
            Err(nobody("subscription", name, &names))
        }
        answer => answer,
    }
}

fn items(json: &Json) -> &[Json] {
    json.get("items").and_then(Json::as_array).map_or(&[][..], Vec::as_slice)
}

fn print(one: &OneArgs, schema: &'static str, answer: Json) {
    if one.form.is_document() {
        one.form.print(schema, answer);
    } else {
        form::show(&format!("{answer:#}\n"));
    }
}

async fn done(one: &OneArgs, method: &str, rest: &str, word: &str) -> Result<(), Failure> {
    let body = (method == "POST").then(|| json!({}));
    ask(&one.server.parse()?, &one.name, method, rest, body.as_ref()).await?;
    if one.form.is_document() {
        one.form.print("rowfeed/subscription-done@1", json!({ "subscription": one.name, "done": word }));
    } else {
        println!("{}   {word}", one.name);
    }
    Ok(())
}

async fn list(server: &Server, args: FormArgs) -> Result<(), Failure> {
    let answer = server.get_json("/v1/subscriptions").await?;
    if args.is_document() {
        args.print("rowfeed/subscriptions@1", json!({ "items": items(&answer) }));
        return Ok(());
    }
    let mut rows = vec![["NAME", "TYPE", "STATE", "LAG", "DELIVERED", "FAILED", "DEAD", "TOPICS"].map(str::to_owned).to_vec()];
    for one in items(&answer) {
        let number = |name: &str| view::count(number_at(one, name));
        let topics = one.get("topics").and_then(Json::as_array).map_or(0, Vec::len);
        let text = |name: &str| text_at(one, name).to_owned();
        let code = Some(text_at(one, "/problem/code")).filter(|code| !code.is_empty()).map(|code| format!("  {code}"));
        rows.push(vec![
            text("/name"),
            text("/type"),
            text("/state") + &code.unwrap_or_default(),
            number("/lag"),
            number("/delivered"),
            number("/failed"),
            number("/dead"),
            topics.to_string(),
        ]);
    }
    form::show(&view::table(&rows, &[3, 4, 5, 6, 7]));
    if items(&answer).is_empty() {
        eprintln!("no subscriptions yet: [subscriptions.NAME] in rowfeed.toml, or PUT /v1/subscriptions/NAME");
    }
    Ok(())
}

async fn show(one: &OneArgs) -> Result<(), Failure> {
    let found = ask(&one.server.parse()?, &one.name, "GET", "", None).await?;
    if one.form.is_document() {
        one.form.print("rowfeed/subscription@1", found);
        return Ok(());
    }
    let number = |name: &str| view::count(number_at(&found, name));
    let mut out = format!(
        "subscription {} · {} · {} · lag {} records\n  delivered {}   failed {}   dead {}   left out {}   group {}\n",
        text_at(&found, "/name"),
        text_at(&found, "/type"),
        text_at(&found, "/state"),
        number("/lag"),
        number("/delivered"),
        number("/failed"),
        number("/dead"),
        number("/filtered"),
        text_at(&found, "/group"),
    );
    for part in ["/problem", "/note"] {
        let text = |name: &str| text_at(&found, &format!("{part}/{name}")).to_owned();
        if !text("code").is_empty() {
            out.push_str(&format!("  {}: {}\n", text("code"), text("what")));
            for name in ["why", "fix"] {
                if !text(name).is_empty() {
                    out.push_str(&format!("    {name}: {}\n", text(name)));
                }
            }
        }
    }
    out.push_str(&format!("{:#}\n", found.get("config").unwrap_or(&Json::Null)));
    form::show(&signs(&out));
    Ok(())
}

async fn deliveries(one: &OneArgs, state: Option<&str>, limit: u64) -> Result<(), Failure> {
    let state = state.map(|state| format!("&state={}", escape(state))).unwrap_or_default();
    let answer = ask(&one.server.parse()?, &one.name, "GET", &format!("/deliveries?limit={limit}{state}"), None).await?;
    if one.form.is_document() {
        one.form.print("rowfeed/deliveries@1", json!({ "items": items(&answer) }));
        return Ok(());
    }
    let mut rows = vec![["STATE", "TOPIC", "PARTITION", "OFFSET", "ATTEMPT", "STATUS", "MS", "ERROR"].map(str::to_owned).to_vec()];
    for delivery in items(&answer) {
        let shown = |name: &str| match delivery.pointer(name) {
            None | Some(Json::Null) => "-".to_owned(),
            Some(Json::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        rows.push(["/state", "/topic", "/partition", "/offset", "/attempt", "/status", "/duration_ms", "/error"].map(shown).to_vec());
    }
    form::show(&view::table(&rows, &[2, 3, 4, 5, 6]));
    Ok(())
}
