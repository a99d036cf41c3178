//! The command line: words, exit codes, the shape of errors.
//!
//! Data goes to stdout, everything else to stderr. Exit codes: 0 ok, 1 failed, 2 wrong usage or configuration, 3 a check
//! found problems, 4 the service is not reachable, 5 not found, 130 Ctrl-C.

pub mod apply;
pub mod check;
pub mod client;
mod connectors;
pub mod demo;
mod explain;
mod groups;
pub mod lists;
pub mod logs;
mod reload;
pub mod run;
mod settings;
mod shells;
pub mod slots;
mod snapshot;
mod status;
pub mod tail;
mod terminal;
mod tokens;
pub mod view;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::config::Secret;
use crate::problem::Problem;
use crate::service::Capture;
use crate::telemetry::Colour;
use client::Server;
use terminal::print_problem;

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
            "server/not-found" | "explain/unknown" => 5,
            code if ["config/", "url/", "listener/", "server/", "secret/", "usage/"].iter().any(|area| code.starts_with(area)) => 2,
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
    /// Colour; NO_COLOR and CLICOLOR_FORCE count for auto.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true, help_heading = "Display")]
    color: Color,
    /// Signs in ASCII, as where the locale is not UTF-8.
    #[arg(long, global = true, help_heading = "Display")]
    ascii: bool,
}

/// `--color`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
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
    /// Consumer groups of a running service.
    #[command(visible_alias = "g", subcommand)]
    Groups(groups::GroupsCommand),
    /// One screen about a running service: connectors, lag, log, trouble.
    Status {
        #[command(flatten)]
        server: ServerArgs,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Snapshots of a running connector.
    #[command(subcommand)]
    Snapshot(snapshot::SnapshotCommand),
    /// The settings and connector files: check, show, schema, reload.
    #[command(subcommand)]
    Config(settings::ConfigCommand),
    /// Replication slots: what they keep, who reads them; dropping them.
    #[command(subcommand)]
    Slots(slots::SlotsCommand),
    /// Does a service answer and serve? For health checks of containers: exit code 0 or not.
    Ready {
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Tokens that the service's HTTP asks for.
    #[command(subcommand)]
    Tokens(tokens::TokensCommand),
    /// The files of the built-in log.
    #[command(subcommand)]
    Log(LogCommand),
    /// What an error code means, how it comes about, what to do, and what is kept.
    Explain {
        /// The code, such as pg/wal-level; all codes when not given.
        code: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Completions for a shell: source <(rowfeed completions bash)
    Completions {
        /// bash, elvish, fish, powershell or zsh.
        shell: clap_complete::Shell,
    },
    /// The manual page.
    Man {
        /// Write the pages of all commands into this folder.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
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
    /// A topic: its partitions and their offsets.
    Show {
        /// Its name.
        topic: String,
        #[command(flatten)]
        server: ServerArgs,
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
    #[command(flatten)]
    One(connectors::Verb),
    /// What applying a connector file would change, and what that comes to.
    Diff(apply::FileArgs),
    /// Make or change a connector as a file says.
    Apply {
        #[command(flatten)]
        file: apply::FileArgs,
        /// Also what needs a new snapshot.
        #[arg(long)]
        yes: bool,
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
    /// The token that the service asks for (http.auth = "token") [env: ROWFEED_TOKEN]. Other users of this machine can see it here.
    #[arg(long, value_name = "TOKEN", value_parser = secret, conflicts_with = "token_file")]
    token: Option<Secret>,
    /// A file with the token [env: ROWFEED_TOKEN_FILE].
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Who may have signed the certificate of an https:// service, PEM [default: whom this machine trusts].
    #[arg(long, env = "ROWFEED_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
}

impl ServerArgs {
    fn parse(&self) -> Result<Server, Problem> {
        Ok(Server::parse(&self.server)?.with_token(self.token()?).with_ca(self.ca.clone()))
    }

    /// A flag, then `ROWFEED_TOKEN`, then `ROWFEED_TOKEN_FILE`.
    fn token(&self) -> Result<Option<Secret>, Problem> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let of_file = |path: &Path| crate::config::document::read_file(path);
        let text = if let Some(token) = &self.token {
            token.expose().to_owned()
        } else if let Some(path) = &self.token_file {
            of_file(path)?
        } else if let Some(token) = variable("ROWFEED_TOKEN") {
            token
        } else if let Some(path) = variable("ROWFEED_TOKEN_FILE") {
            of_file(Path::new(&path))?
        } else {
            return Ok(None);
        };
        // It goes into a header's line.
        let text = text.trim();
        if text.chars().any(|letter| !letter.is_ascii_graphic()) {
            return Err(Problem::refuse("server/token", "the token has letters that no token has").fix(TOKEN_FIX));
        }
        Ok(Some(text).filter(|text| !text.is_empty()).map(Secret::new))
    }
}

/// How a token is shown.
const TOKEN_FIX: &str = "--token-file FILE, or ROWFEED_TOKEN=TOKEN; with the right to it:  rowfeed tokens create NAME --scope SCOPE";

fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

/// The command line's grammar: what documentation is made from and compared with.
pub fn grammar() -> clap::Command {
    Cli::command()
}

/// Reads the command line, does what it says, and gives the exit code.
pub fn main(capture: Capture) -> ExitCode {
    let matches = Cli::command().color(color_of(std::env::args())).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let colour = match cli.color {
        Color::Auto => Colour::Auto,
        Color::Always => Colour::Always,
        Color::Never => Colour::Never,
    };
    terminal::set(colour, cli.ascii);
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

/// `--color` of a command line that may not be readable: its error is to be coloured by it.
fn color_of(arguments: impl Iterator<Item = String>) -> ColorChoice {
    let mut choice = ColorChoice::Auto;
    let mut before = String::new();
    for argument in arguments.take_while(|argument| argument != "--") {
        let word = if before == "--color" { Some(argument.as_str()) } else { argument.strip_prefix("--color=") };
        choice = match word {
            Some("always") => ColorChoice::Always,
            Some("never") => ColorChoice::Never,
            Some(_) => ColorChoice::Auto,
            None => choice,
        };
        before = argument;
    }
    choice
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
        Command::Connectors(ConnectorsCommand::Diff(args)) => small_runtime()?.block_on(apply::diff(&args)),
        Command::Connectors(ConnectorsCommand::Apply { file, yes }) => small_runtime()?.block_on(apply::apply(&file, yes)),
        Command::Topics(TopicsCommand::Show { topic, server, json }) => {
            small_runtime()?.block_on(lists::topic(&server.parse()?, &topic, json))
        }
        Command::Connectors(ConnectorsCommand::One(verb)) => small_runtime()?.block_on(connectors::run(verb)),
        Command::Groups(command) => small_runtime()?.block_on(groups::run(command)),
        Command::Status { server, json } => small_runtime()?.block_on(status::status(&server.parse()?, json)),
        Command::Snapshot(command) => small_runtime()?.block_on(snapshot::run(command)),
        Command::Config(command) => settings::run(command),
        Command::Slots(command) => small_runtime()?.block_on(slots::slots(command)),
        Command::Ready { server } => small_runtime()?.block_on(lists::ready(&server.parse()?)),
        Command::Tokens(command) => small_runtime()?.block_on(tokens::tokens(command)),
        Command::Log(LogCommand::Verify { dir, json }) => logs::verify(&dir, json),
        Command::Log(LogCommand::Dump { dir, records }) => logs::dump(&dir, records),
        Command::Explain { code, json } => explain::explain(code.as_deref(), json),
        Command::Completions { shell } => {
            shells::completions(Cli::command(), shell);
            Ok(())
        }
        Command::Man { dir } => shells::man(Cli::command(), dir.as_deref()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn colour_of_a_command_line_that_cannot_be_read() {
        let of = |line: &str| color_of(line.split(' ').map(str::to_owned));
        assert_eq!(of("rowfeed rnu --color never"), ColorChoice::Never);
        assert_eq!(of("rowfeed --color=always rnu"), ColorChoice::Always);
        assert_eq!(of("rowfeed tail -- --color=always"), ColorChoice::Auto);
    }

    #[test]
    fn exit_codes_say_what_kind_of_failure_it_was() {
        let code = |code| Failure::from(Problem::refuse(code, "")).code;
        assert_eq!((code("server/unreachable"), code("server/not-found"), code("config/value"), code("http/port-in-use")), (4, 5, 2, 2));
        assert_eq!(code("log/damaged"), 1);
    }
}
