//! `rowfeed connectors VERB`: one connector of a running service, through Kafka Connect's REST API.
//!
//! Promises that a misspelt name is answered with the nearest real one, and that nothing is destroyed without a yes. Leaves
//! what a connector may do to the service.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};

use super::client::{Server, escape};
use super::form::FormArgs;
use super::terminal::{confirm, number_at, signs, text_at};
use super::{Failure, ServerArgs, view};
use crate::config::postgres::TopicDefaults;
use crate::config::suggest;
use crate::connect::definitions;
use crate::problem::Problem;

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// A connector: its state, its trouble, its position, its configuration (secrets masked).
    Show(OneArgs),
    /// Check connector files without starting anything: every mistake with its place.
    Validate {
        /// *.toml or *.json.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        #[command(flatten)]
        form: FormArgs,
    },
    /// Rest, with everything kept ready; the slot keeps WAL on the server meanwhile.
    Pause(NamedArgs),
    /// Go on after pause or stop.
    Resume(NamedArgs),
    /// End its task; the position can be changed then.
    Stop(NamedArgs),
    /// Begin its task again from its position.
    Restart {
        #[command(flatten)]
        named: NamedArgs,
        /// Only those that have failed.
        #[arg(long)]
        only_failed: bool,
    },
    /// Remove connectors; their topics and their slots stay.
    Delete {
        #[command(flatten)]
        named: NamedArgs,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
    /// The position: show, reset, set.
    #[command(subcommand)]
    Offsets(OffsetsVerb),
}

/// What is done with a position.
#[derive(Debug, Subcommand)]
pub enum OffsetsVerb {
    /// Print it, as Kafka Connect does.
    Show(OneArgs),
    /// Forget it: the stopped connector begins anew by snapshot.mode when it is resumed.
    Reset {
        #[command(flatten)]
        one: OneArgs,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
    /// Put another one in its place, such as Debezium's: what `offsets show` and Kafka Connect print.
    Set {
        #[command(flatten)]
        one: OneArgs,
        /// A file; - for stdin.
        #[arg(short, long, value_name = "FILE")]
        file: PathBuf,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
}

/// One connector.
#[derive(Debug, Args)]
pub struct OneArgs {
    /// Its name.
    pub name: String,
    #[command(flatten)]
    pub form: FormArgs,
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Some connectors.
#[derive(Debug, Args)]
pub struct NamedArgs {
    /// Their names.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Does what the verb says.
pub async fn run(verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Show(args) => show(&args).await,
        Verb::Validate { files, form } => validate(&files, form),
        Verb::Pause(named) => each(&named, "pause", "PUT", "/pause").await,
        Verb::Resume(named) => each(&named, "resume", "PUT", "/resume").await,
        Verb::Stop(named) => each(&named, "stop", "PUT", "/stop").await,
        Verb::Restart { named, only_failed } => {
            each(&named, "restart", "POST", &format!("/restart?includeTasks=true&onlyFailed={only_failed}")).await
        }
        Verb::Delete { named, yes } => delete(&named, yes).await,
        Verb::Offsets(verb) => offsets(verb).await,
    }
}

/// Asks for something of a connector; a name nobody has is answered with the nearest one.
pub async fn ask(server: &Server, name: &str, method: &str, rest: &str, body: Option<&Json>) -> Result<Json, Problem> {
    ask_below(server, "/connectors", name, method, rest, body).await
}

/// The same under another path than Kafka Connect's.
pub async fn ask_below(server: &Server, below: &str, name: &str, method: &str, rest: &str, body: Option<&Json>) -> Result<Json, Problem> {
    match server.ask(method, &format!("{below}/{}{rest}", escape(name)), body).await {
        Err(problem) if problem.code == "server/not-found" => Err(missing(server, name, problem).await),
        answer => answer,
    }
}

async fn missing(server: &Server, name: &str, problem: Problem) -> Problem {
    let Ok(Json::Array(names)) = server.get_json("/connectors").await else { return problem };
    let names: Vec<&str> = names.iter().filter_map(Json::as_str).collect();
    if names.contains(&name) { problem } else { nobody("connector", name, &names) }
}

/// So many names are listed when none is near.
const NAMES_MAX: usize = 20;

/// How the first of a kind comes into being.
fn first_of(what: &str) -> &'static str {
    match what {
        "connector" => ": rowfeed connectors apply -f FILE",
        "topic" => ": a table's topic is made with its first change",
        "group" => ": a consumer with a group.id makes one",
        _ => "",
    }
}

/// There is nothing of this name, but of these.
pub fn nobody(what: &str, name: &str, names: &[&str]) -> Problem {
    let near = suggest::did_you_mean(name, names.iter().copied());
    let some: Vec<&str> = names.iter().copied().take(NAMES_MAX).collect();
    let fix = match (near.is_empty(), names.len()) {
        (false, _) => near,
        (true, 0) => format!("there are no {what}s yet{}", first_of(what)),
        (true, all) if all > NAMES_MAX => format!("there are {all}, such as {}", some.join(", ")),
        (true, _) => format!("there are: {}", some.join(", ")),
    };
    Problem::refuse("server/not-found", format!("there is no {what} \"{name}\"")).fix(fix)
}

async fn show(args: &OneArgs) -> Result<(), Failure> {
    let server = args.server.parse()?;
    let native = ask_below(&server, "/v1/connectors", &args.name, "GET", "", None).await?;
    let info = ask(&server, &args.name, "GET", "", None).await?;
    let status = ask(&server, &args.name, "GET", "/status", None).await?;
    if args.form.is_document() {
        args.form.print("rowfeed/connector@1", json!({ "connector": native, "info": info, "status": status }));
        return Ok(());
    }
    print!("{}", signs(&shown(&native, &info, &status)));
    Ok(())
}

fn shown(native: &Json, info: &Json, status: &Json) -> String {
    let task = status.pointer("/tasks/0/state").and_then(Json::as_str).unwrap_or("none");
    let lag = native.get("lag_ms").and_then(Json::as_u64).map_or_else(String::new, |lag| format!("   lag {}", view::millis(lag)));
    let mut out = format!(
        "{}   {}   (connector {}, task {task}){lag}\n",
        text_at(native, "/name"),
        text_at(native, "/state"),
        text_at(status, "/connector/state")
    );
    out.push_str(&trouble(native, "  "));
    out.push_str(&format!("  source    {}   slot {}\n", text_at(native, "/source"), text_at(native, "/slot")));
    out.push_str(&format!("  defined   {}\n", text_at(native, "/managed_by").replacen("file:", "", 1)));
    out.push_str(&format!(
        "  changes   {} in {} transactions since the start; {} restarts\n",
        view::count(number_at(native, "/changes")),
        view::count(number_at(native, "/transactions")),
        number_at(native, "/restarts")
    ));
    out.push_str("  configuration\n");
    for (key, value) in info.get("config").and_then(Json::as_object).into_iter().flatten() {
        out.push_str(&format!("    {key} = {}\n", value.as_str().unwrap_or("")));
    }
    out
}

/// What is wrong with a connector, as an error is shown; nothing when nothing is.
pub fn trouble(native: &Json, indent: &str) -> String {
    let Some(problem) = native.get("problem").filter(|problem| problem.is_object()) else { return String::new() };
    let mut out = format!("{indent}✗ {}: {}\n", text_at(problem, "/code"), text_at(problem, "/what"));
    for (label, field) in [("at", "/at"), ("why", "/why"), ("fix", "/fix")] {
        let value = text_at(problem, field);
        if !value.is_empty() {
            out.push_str(&format!("{indent}    {label}: {}\n", value.replace('\n', &format!("\n{indent}         "))));
        }
    }
    out
}

/// Files are checked here: nothing has to run.
fn validate(files: &[PathBuf], form: FormArgs) -> Result<(), Failure> {
    let mut problems = Vec::new();
    let mut items = Vec::new();
    for file in files {
        let found = if file.is_file() {
            let definition = definitions::load_file(file);
            definition.config(TopicDefaults::default()).err().unwrap_or_default()
        } else {
            vec![Problem::refuse("config/file", format!("{} cannot be read", file.display())).why("there is no such file")]
        };
        if form.is_document() {
            let list: Vec<Json> = found.iter().map(Problem::json).collect();
            items.push(json!({ "file": file.display().to_string(), "ok": found.is_empty(), "problems": list }));
        } else {
            println!("{}  {}", if found.is_empty() { "ok  " } else { "fail" }, file.display());
        }
        problems.extend(found);
    }
    let ok = problems.is_empty();
    if form.is_document() {
        form.print("rowfeed/connectors-validate@1", json!({ "ok": ok, "items": items }));
        return if ok { Ok(()) } else { Err(Failure::shown(2)) };
    }
    if ok { Ok(()) } else { Err(problems.into()) }
}

/// Does the same to each, and shows what it is then. The first that fails ends it.
async fn each(named: &NamedArgs, verb: &str, method: &str, rest: &str) -> Result<(), Failure> {
    let server = named.server.parse()?;
    let mut items = Vec::new();
    for name in &named.names {
        ask(&server, name, method, rest, None).await?;
        let status = ask(&server, name, "GET", "/status", None).await?;
        if named.form.is_document() {
            items.push(status);
        } else {
            let task = status.pointer("/tasks/0/state").and_then(Json::as_str).unwrap_or("none");
            println!("{name}   {}   task {task}", text_at(&status, "/connector/state"));
        }
    }
    if named.form.is_document() {
        named.form.print(&format!("rowfeed/connectors-{verb}@1"), json!({ "items": items }));
    }
    Ok(())
}

async fn delete(named: &NamedArgs, yes: bool) -> Result<(), Failure> {
    let server = named.server.parse()?;
    // All of them first: a misspelt name must not be noticed when the others are gone.
    let mut loses = String::new();
    for name in &named.names {
        let native = ask_below(&server, "/v1/connectors", name, "GET", "", None).await?;
        loses.push_str(&format!(
            "the connector {name} goes, with its configuration. Its topics stay. Its slot {} on {} stays, too, and keeps WAL there until it is dropped (unless slot.drop.on.stop=true).\n",
            text_at(&native, "/slot"),
            text_at(&native, "/source")
        ));
    }
    confirm(loses.trim_end(), yes)?;
    for name in &named.names {
        ask(&server, name, "DELETE", "", None).await?;
        if !named.form.is_document() {
            println!("{name}   deleted");
        }
    }
    if named.form.is_document() {
        named.form.print("rowfeed/connectors-delete@1", json!({ "items": named.names }));
    }
    Ok(())
}

async fn offsets(verb: OffsetsVerb) -> Result<(), Failure> {
    match verb {
        OffsetsVerb::Show(args) => {
            let answer = ask(&args.server.parse()?, &args.name, "GET", "/offsets", None).await?;
            if args.form.is_document() {
                args.form.print("rowfeed/connectors-offsets@1", answer);
            } else {
                println!("{answer:#}");
            }
        }
        OffsetsVerb::Reset { one, yes } => {
            let server = one.server.parse()?;
            ask(&server, &one.name, "GET", "/status", None).await?;
            let name = &one.name;
            confirm(
                &format!(
                    "the position of {name} is forgotten: when it is resumed it begins anew by its snapshot.mode, and what changed meanwhile is in the new snapshot only"
                ),
                yes,
            )?;
            told(&ask(&server, name, "DELETE", "/offsets", None).await?, one.form);
        }
        OffsetsVerb::Set { one, file, yes } => {
            let server = one.server.parse()?;
            let body = read_json(&file)?;
            ask(&server, &one.name, "GET", "/status", None).await?;
            confirm(&format!("the position of {} is replaced by the one in {}", one.name, file.display()), yes)?;
            told(&ask(&server, &one.name, "PATCH", "/offsets", Some(&body)).await?, one.form);
        }
    }
    Ok(())
}

/// The service's own sentence about what it has done.
fn told(answer: &Json, form: FormArgs) {
    if form.is_document() {
        form.print("rowfeed/connectors-offsets@1", answer.clone());
    } else {
        println!("{}", text_at(answer, "/message"));
    }
}

/// A position has a few kilobytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

fn read_json(file: &Path) -> Result<Json, Problem> {
    let failed = |why: String| Problem::refuse("config/file", format!("{} cannot be read", file.display())).why(why);
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(FILE_BYTES_MAX).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text))
    };
    read.map_err(|error| failed(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| failed(error.to_string()).fix("it is what `rowfeed connectors offsets show NAME` prints"))
}
