//! `rowfeed connectors diff` and `apply`: a connector file against what runs.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value as Json, json};

use super::client::{Server, escape};
use super::form::FormArgs;
use super::{Failure, ServerArgs};
use crate::config::postgres::TopicDefaults;
use crate::connect::Definition;
use crate::connect::definitions::load_file;
use crate::problem::Problem;

/// Flags of both.
#[derive(Debug, Args)]
pub struct FileArgs {
    #[command(flatten)]
    pub(super) server: ServerArgs,
    /// The connector file, JSON or TOML.
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    form: FormArgs,
}

/// `rowfeed connectors diff`: what applying the file would change. Exit code 2 when it would be refused.
pub async fn diff(args: &FileArgs) -> Result<(), Failure> {
    let definition = read(args)?;
    let answer = ask(&args.server.parse()?, &definition).await?;
    if args.form.is_document() {
        args.form.print("rowfeed/connector-diff@1", answer.clone());
    } else {
        show(&definition.name, &answer);
    }
    match problems(&answer).is_empty() {
        true => Ok(()),
        false => Err(Failure { problems: if args.form.is_document() { Vec::new() } else { problems(&answer) }, code: 2 }),
    }
}

/// `rowfeed connectors apply`: makes or changes the connector. What needs a new snapshot is done with `--yes` only.
pub async fn apply(args: &FileArgs, yes: bool) -> Result<(), Failure> {
    let definition = read(args)?;
    let server = args.server.parse()?;
    let answer = ask(&server, &definition).await?;
    if !args.form.is_document() {
        show(&definition.name, &answer);
    }
    let refused = problems(&answer);
    if !refused.is_empty() {
        return Err(refused.into());
    }
    let effect = answer.get("effect").and_then(Json::as_str).unwrap_or("none");
    if effect == "resnapshot" && !yes {
        let problem = Problem::refuse("config/resnapshot", "a change needs a new snapshot").why(
            "the connector's position, or what was published, does not fit the new configuration; it stops and says so until you choose",
        );
        return Err(problem.fix(format!("rowfeed connectors apply -f {} --yes", args.file.display())).into());
    }
    if effect != "none" {
        let path = format!("/connectors/{}/config", escape(&definition.name));
        server.ask("PUT", &path, Some(&json!(definition.options))).await?;
    }
    if args.form.is_document() {
        args.form.print("rowfeed/connector-diff@1", answer);
    } else if effect != "none" {
        println!("applied");
    }
    Ok(())
}

/// Reads the file; mistakes are told with their place. Secrets are the service's: they need not be here.
fn read(args: &FileArgs) -> Result<Definition, Failure> {
    let definition = load_file(&args.file);
    let mistakes = definition.config(TopicDefaults::default()).err().unwrap_or_default();
    let mistakes: Vec<Problem> = mistakes.into_iter().filter(|problem| !problem.code.starts_with("secret/")).collect();
    if mistakes.is_empty() { Ok(definition) } else { Err(mistakes.into()) }
}

async fn ask(server: &Server, definition: &Definition) -> Result<Json, Problem> {
    let path = format!("/v1/connectors/{}/diff", escape(&definition.name));
    server.ask("POST", &path, Some(&json!(definition.options))).await
}

fn problems(answer: &Json) -> Vec<Problem> {
    let list = answer.get("problems").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let text = |problem: &Json, name: &str| problem.get(name).and_then(Json::as_str).unwrap_or("").to_owned();
    let problem = |one: &Json| {
        let what = format!("{}: {}", text(one, "code"), text(one, "message"));
        Problem::refuse("server/refused", what).at(text(one, "at")).why(text(one, "why")).fix(text(one, "fix"))
    };
    list.iter().map(problem).collect()
}

fn show(name: &str, answer: &Json) {
    let changes = answer.get("changes").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    if changes.is_empty() {
        println!("{name}: nothing changes");
        return;
    }
    let exists = answer.get("exists").and_then(Json::as_bool).unwrap_or(false);
    println!("{name}{}", if exists { "" } else { " (new)" });
    for change in changes {
        let text = |key: &str| change.get(key).and_then(Json::as_str);
        let (key, effect) = (text("key").unwrap_or(""), text("effect").unwrap_or(""));
        let effect = if exists { format!("   [{effect}]") } else { String::new() };
        match (text("from"), text("to")) {
            (None, Some(to)) => println!("  + {key} = {to}{effect}"),
            (Some(from), None) => println!("  - {key} = {from}{effect}"),
            (from, to) => println!("  ~ {key} = {} -> {}{effect}", from.unwrap_or(""), to.unwrap_or("")),
        }
    }
    if let Some(says) = answer.get("says").and_then(Json::as_str) {
        println!("effect: {says}");
    }
}
