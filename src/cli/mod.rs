//! The command line: words, exit codes, the shape of errors.
//!
//! Data goes to stdout, everything else to stderr. Exit codes: 0 ok, 1 failed, 2 wrong usage or configuration, 3 a check
//! found problems, 4 the service is not reachable, 5 not found, 130 Ctrl-C.

pub mod apply;
mod bench;
pub mod check;
pub mod client;
mod connectors;
mod context;
mod convert;
pub mod demo;
mod examples;
mod explain;
pub mod form;
mod get;
mod groups;
mod init;
pub mod lists;
mod live;
pub mod logs;
mod reload;
pub mod run;
mod settings;
mod shells;
pub mod slots;
mod snapshot;
mod status;
mod subscriptions;
pub mod tail;
mod terminal;
mod tokens;
mod topics;
pub mod view;
mod words;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::config::Secret;
use crate::problem::Problem;
use crate::service::Capture;
use crate::telemetry::Colour;
use client::Server;
use form::FormArgs;
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
            "key/unknown" | "key/deleted" | "key/cut" | "key/not-yet" | "key/not-newer" => 5,
            "topic/internal" | "topic/published" | "http/tls" | "http/first-token" => 2,
            code if ["config/", "url/", "listener/", "server/", "secret/", "usage/", "context/"]
                .iter()
                .any(|area| code.starts_with(area)) =>
            {
                2
            }
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
#[command(name = "rowfeed", version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Colour; NO_COLOR and CLICOLOR_FORCE count for auto.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true, help_heading = "Display")]
    color: Color,
    /// Signs in ASCII, as where the locale is not UTF-8.
    #[arg(long, global = true, help_heading = "Display")]
    ascii: bool,
    /// Times in UTC; else in the local zone, with its offset.
    #[arg(long, global = true, help_heading = "Display")]
    utc: bool,
    /// Long lists straight to the terminal, not through $PAGER.
    #[arg(long, global = true, help_heading = "Display")]
    no_pager: bool,
}

/// `--color`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the service in the foreground.
    Run(run::RunArgs),
    /// A temporary PostgreSQL, a live shop and its changes on this terminal; nothing is left behind.
    Demo(demo::DemoArgs),
    /// Can this database be captured? What to fix?
    Check(check::CheckArgs),
    /// Write rowfeed.toml and the file of a first connector; nothing is overwritten.
    Init(init::InitArgs),
    /// Live changes as readable diffs.
    Tail(tail::TailArgs),
    /// Where a row stands now, by its key.
    Get(get::GetArgs),
    /// Topics of a running service.
    #[command(visible_alias = "t", subcommand)]
    Topics(topics::TopicsCommand),
    /// Connectors of a running service.
    #[command(visible_alias = "c", subcommand)]
    Connectors(ConnectorsCommand),
    /// Consumer groups of a running service.
    #[command(visible_alias = "g", subcommand)]
    Groups(groups::GroupsCommand),
    /// What is delivered to whom: webhooks, caches, search.
    #[command(visible_alias = "s", subcommand)]
    Subscriptions(subscriptions::SubscriptionsCommand),
    /// One screen about a running service: connectors, lag, log, trouble.
    Status {
        #[command(flatten)]
        server: ServerArgs,
        #[command(flatten)]
        form: FormArgs,
    },
    /// Measured throughput and latency of this machine and a database.
    Bench(bench::BenchArgs),
    /// Snapshots of a running connector.
    #[command(subcommand)]
    Snapshot(snapshot::SnapshotCommand),
    /// The settings and connector files: check, show, schema, reload.
    #[command(subcommand)]
    Config(settings::ConfigCommand),
    /// Replication slots: what they keep, who reads them; dropping them.
    #[command(subcommand)]
    Slots(slots::SlotsCommand),
    /// Names for services, and which one is asked: add, use, list, remove.
    #[command(subcommand)]
    Context(context::ContextCommand),
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
        #[command(flatten)]
        form: FormArgs,
    },
    /// Completions for a shell, with the names that the service has: source <(rowfeed completions bash)
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
        #[command(flatten)]
        form: FormArgs,
    },
}

#[derive(Debug, Subcommand)]
enum ConnectorsCommand {
    /// All connectors with their state.
    List {
        #[command(flatten)]
        server: ServerArgs,
        #[command(flatten)]
        form: FormArgs,
    },
    #[command(flatten)]
    One(connectors::Verb),
    /// A Debezium connector's JSON file in our short form, TOML.
    Convert(convert::ConvertArgs),
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
        #[command(flatten)]
        form: FormArgs,
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
    /// The service's HTTP address [default: the current context's, else http://127.0.0.1:8083].
    #[arg(long, env = "ROWFEED_SERVER", value_name = "URL")]
    server: Option<String>,
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

/// The service of this machine, as it listens by default.
const DEFAULT_SERVER: &str = "http://127.0.0.1:8083";

impl ServerArgs {
    /// As of a command line that says nothing.
    fn of_environment() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self { server: variable("ROWFEED_SERVER"), token: None, token_file: None, ca: variable("ROWFEED_CA").map(PathBuf::from) }
    }

    /// `--server`, then `ROWFEED_SERVER`, then the current context, then this machine.
    fn parse(&self) -> Result<Server, Problem> {
        let (server, kept) = match &self.server {
            Some(server) => (Server::parse(server)?, context::Credentials::default()),
            None => match context::current()? {
                Some(current) => (Server::parse(&current.server)?.of_context(current.name), current.credentials),
                None => (Server::parse(DEFAULT_SERVER)?, context::Credentials::default()),
            },
        };
        let ca = self.ca.clone().or(kept.ca);
        Ok(server.with_token(self.token(kept.token_file.as_deref())?).with_ca(ca))
    }

    /// A flag, then `ROWFEED_TOKEN`, then `ROWFEED_TOKEN_FILE`, then the context's file.
    fn token(&self, kept: Option<&Path>) -> Result<Option<Secret>, Problem> {
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
        } else if let Some(path) = kept {
            of_file(path)?
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
    live::add(examples::add(Cli::command()))
}

/// Reads the command line, does what it says, and gives the exit code.
pub fn main(capture: Capture) -> ExitCode {
    // A shell that asks what may follow is answered, and that is all.
    clap_complete::CompleteEnv::with_factory(grammar).var(shells::VARIABLE).complete();
    let command = grammar().color(color_of(std::env::args()));
    let matches = match command.clone().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => match words::unknown(&command, &error, std::env::args().skip(1)) {
            Some(problem) => {
                terminal::set(Colour::Auto, false);
                print_problem(&problem);
                return ExitCode::from(2);
            }
            None => error.exit(),
        },
    };
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let colour = match cli.color {
        Color::Auto => Colour::Auto,
        Color::Always => Colour::Always,
        Color::Never => Colour::Never,
    };
    terminal::set(colour, cli.ascii);
    view::set_utc(cli.utc);
    form::set_no_pager(cli.no_pager);
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
        Command::Init(args) => init::init(args),
        Command::Tail(args) => small_runtime()?.block_on(tail::tail(args)),
        Command::Get(args) => small_runtime()?.block_on(get::get(args)),
        Command::Topics(command) => small_runtime()?.block_on(topics::run(command)),
        Command::Connectors(ConnectorsCommand::List { server, form }) => {
            small_runtime()?.block_on(lists::connectors(&server.parse()?, form))
        }
        Command::Connectors(ConnectorsCommand::Convert(args)) => convert::convert(&args),
        Command::Connectors(ConnectorsCommand::Diff(args)) => small_runtime()?.block_on(apply::diff(&args)),
        Command::Connectors(ConnectorsCommand::Apply { file, yes }) => small_runtime()?.block_on(apply::apply(&file, yes)),
        Command::Connectors(ConnectorsCommand::One(verb)) => small_runtime()?.block_on(connectors::run(verb)),
        Command::Groups(command) => small_runtime()?.block_on(groups::run(command)),
        Command::Subscriptions(command) => small_runtime()?.block_on(subscriptions::run(command)),
        Command::Status { server, form } => small_runtime()?.block_on(status::status(&server.parse()?, form)),
        Command::Bench(args) => bench::bench(args),
        Command::Context(command) => context::run(command),
        Command::Snapshot(command) => small_runtime()?.block_on(snapshot::run(command)),
        Command::Config(command) => settings::run(command),
        Command::Slots(command) => small_runtime()?.block_on(slots::slots(command)),
        Command::Ready { server } => small_runtime()?.block_on(lists::ready(&server.parse()?)),
        Command::Tokens(command) => small_runtime()?.block_on(tokens::tokens(command)),
        Command::Log(LogCommand::Verify { dir, form }) => logs::verify(&dir, form),
        Command::Log(LogCommand::Dump { dir, records }) => logs::dump(&dir, records),
        Command::Explain { code, form } => explain::explain(code.as_deref(), form),
        Command::Completions { shell } => {
            shells::completions(shell)?;
            Ok(())
        }
        Command::Man { dir } => shells::man(grammar(), dir.as_deref()),
        Command::Version { form } => {
            version(form);
            Ok(())
        }
    }
}

fn version(form: FormArgs) {
    let (version, commit) = (env!("CARGO_PKG_VERSION"), crate::http::admin::COMMIT);
    if form.is_document() {
        form.print("rowfeed/version@1", serde_json::json!({ "version": version, "commit": commit }));
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
