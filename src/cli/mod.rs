//! The command line: words, exit codes, the shape of errors.
//!
//! Data goes to stdout, everything else to stderr. Exit codes: 0 ok, 1 failed, 2 wrong usage or configuration, 3 a check
//! found problems, 4 the service is not reachable, 5 not found, 130 Ctrl-C.

pub mod check;
pub mod client;
pub mod demo;
pub mod lists;
pub mod logs;
pub mod run;
pub mod tail;
pub mod view;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::problem::Problem;
use crate::service::Capture;
use client::Server;

/// What a command ends with when it does not succeed.
#[derive(Debug)]
pub struct Failure {
    /// What is shown.
    pub problems: Vec<Problem>,
    /// The exit code.
    pub code: u8,
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let code = match problem.code {
            "server/unreachable" => 4,
            "server/not-found" => 5,
            code if ["config/", "url/", "listener/", "server/", "secret/"].iter().any(|area| code.starts_with(area)) => 2,
            code if code.ends_with("/port-in-use") => 2,
            _ => 1,
        };
        Self { problems: vec![problem], code }
    }
}

impl From<Vec<Problem>> for Failure {
    fn from(problems: Vec<Problem>) -> Self {
        Self { problems, code: 2 }
    }
}

impl Failure {
    /// A failure that has been shown already.
    pub fn shown(code: u8) -> Self {
        Self { problems: Vec::new(), code }
    }
}

/// Every committed row change of a PostgreSQL database as an event on a per-table topic.
#[derive(Debug, Parser)]
#[command(name = "rowfeed", version, max_term_width = 110, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  rowfeed demo                                            see it work, nothing else needed
  rowfeed check postgres://cdc@db.internal:5432/shop      can this database be captured? what to fix?
  rowfeed run --data ./data                               start the service
  rowfeed tail shop.public.orders --from -10              live changes as readable diffs";

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the service in the foreground.
    Run(run::RunArgs),
    /// A temporary PostgreSQL, a live shop and its changes on this terminal; nothing is left behind.
    Demo(demo::DemoArgs),
    /// Can this database be captured? What to fix?
    Check(check::CheckArgs),
    /// Live changes as readable diffs.
    Tail(tail::TailArgs),
    /// Topics of a running service.
    #[command(visible_alias = "t", subcommand)]
    Topics(TopicsCommand),
    /// Connectors of a running service.
    #[command(visible_alias = "c", subcommand)]
    Connectors(ConnectorsCommand),
    /// Does a service answer and serve? For health checks of containers: exit code 0 or not.
    Ready {
        #[command(flatten)]
        server: ServerArgs,
    },
    /// The files of the built-in log.
    #[command(subcommand)]
    Log(LogCommand),
    /// The program's version.
    Version {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
enum TopicsCommand {
    /// All topics.
    List {
        #[command(flatten)]
        server: ServerArgs,
        /// The log's own topics too.
        #[arg(short, long)]
        internal: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
enum ConnectorsCommand {
    /// All connectors with their state.
    List {
        #[command(flatten)]
        server: ServerArgs,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
enum LogCommand {
    /// Read every byte and prove the log whole.
    Verify {
        /// The data folder, or its `log` folder.
        dir: PathBuf,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print frames and batches.
    Dump {
        /// The data folder, or its `log` folder.
        dir: PathBuf,
        /// Every record too: offset, key, size.
        #[arg(long)]
        records: bool,
    },
}

/// Which service a command talks to.
#[derive(Debug, Args)]
pub struct ServerArgs {
    /// The service's HTTP address.
    #[arg(long, env = "ROWFEED_SERVER", default_value = "http://127.0.0.1:8083", value_name = "URL")]
    server: String,
}

impl ServerArgs {
    fn parse(&self) -> Result<Server, Problem> {
        Server::parse(&self.server)
    }
}

/// Reads the command line, does what it says, and gives the exit code.
pub fn main(capture: Capture) -> ExitCode {
    let cli = Cli::parse();
    match dispatch(cli.command, capture) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            for problem in &failure.problems {
                print_problem(problem);
            }
            ExitCode::from(failure.code)
        }
    }
}

fn dispatch(command: Command, capture: Capture) -> Result<(), Failure> {
    match command {
        Command::Run(args) => run::run(args, capture),
        Command::Demo(args) => demo::demo(args, capture),
        Command::Check(args) => small_runtime()?.block_on(check::check(args)),
        Command::Tail(args) => small_runtime()?.block_on(tail::tail(args)),
        Command::Topics(TopicsCommand::List { server, internal, json }) => {
            small_runtime()?.block_on(lists::topics(&server.parse()?, internal, json))
        }
        Command::Connectors(ConnectorsCommand::List { server, json }) => {
            small_runtime()?.block_on(lists::connectors(&server.parse()?, json))
        }
        Command::Ready { server } => small_runtime()?.block_on(lists::ready(&server.parse()?)),
        Command::Log(LogCommand::Verify { dir, json }) => logs::verify(&dir, json),
        Command::Log(LogCommand::Dump { dir, records }) => logs::dump(&dir, records),
        Command::Version { json } => {
            version(json);
            Ok(())
        }
    }
}

fn version(json: bool) {
    let (version, commit) = (env!("CARGO_PKG_VERSION"), crate::http::admin::COMMIT);
    if json {
        println!("{}", serde_json::json!({ "schema": "rowfeed/version@1", "version": version, "commit": commit }));
    } else {
        println!("rowfeed {version} ({commit}, {}-{})", std::env::consts::ARCH, std::env::consts::OS);
    }
}

fn small_runtime() -> Result<tokio::runtime::Runtime, Problem> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| runtime_problem(&error))
}

fn runtime_problem(error: &std::io::Error) -> Problem {
    Problem::fail("system/runtime", "the program cannot start").why(error.to_string())
}

fn print_problem(problem: &Problem) {
    let text = problem.to_string();
    match text.strip_prefix("error") {
        Some(rest) if crate::telemetry::colour() => eprintln!("\x1b[1;31merror\x1b[0m{rest}"),
        _ => eprintln!("{text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn exit_codes_say_what_kind_of_failure_it_was() {
        let code = |code| Failure::from(Problem::refuse(code, "")).code;
        assert_eq!((code("server/unreachable"), code("server/not-found"), code("config/value"), code("http/port-in-use")), (4, 5, 2, 2));
        assert_eq!(code("log/damaged"), 1);
    }
}
