//! What a shell offers at TAB where a name is wanted: those that the service has now.
//!
//! Promises that nobody waits long for it: a service that does not answer at once offers nothing, and nothing is printed about
//! it. Leaves commands and flags to the grammar, and shells to clap_complete.

use std::ffi::OsStr;
use std::time::Duration;

use clap::Command;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use serde_json::Value as Json;

use super::{ServerArgs, client::Server, context, explain, small_runtime};
use crate::problem::Problem;

/// A person waits for no longer.
const WAIT_MAX: Duration = Duration::from_millis(700);
/// More is no help.
const NAMES_MAX: usize = 500;

/// What is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Codes,
    Connectors,
    Contexts,
    Groups,
    Slots,
    Subscriptions,
    Tokens,
    Topics,
}

/// The command whose arguments offer names.
pub fn add(command: Command) -> Command {
    dressed(command, "")
}

fn dressed(command: Command, path: &str) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|below| below.get_name().to_owned()).collect();
    let command = command.mut_args(|arg| match kind(path, arg.get_id().as_str()) {
        Some(kind) => arg.add(ArgValueCompleter::new(move |begun: &OsStr| candidates(kind, begun))),
        None => arg,
    });
    let under = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path} {name}") };
    names.iter().fold(command, |command, name| command.mut_subcommand(name, |below| dressed(below, &under(name))))
}

/// Whose name an argument of a command is.
fn kind(path: &str, argument: &str) -> Option<Kind> {
    match (path.split(' ').next().unwrap_or_default(), argument) {
        ("connectors" | "snapshot", "name" | "names") => Some(Kind::Connectors),
        ("groups", "name") => Some(Kind::Groups),
        ("subscriptions", "name") => Some(Kind::Subscriptions),
        ("topics" | "tail" | "get" | "groups", "topic" | "topics") if path != "topics create" => Some(Kind::Topics),
        ("slots", "slot") => Some(Kind::Slots),
        ("explain", "code") => Some(Kind::Codes),
        ("context", "name") if path != "context add" => Some(Kind::Contexts),
        ("tokens", "name") if path == "tokens revoke" => Some(Kind::Tokens),
        _ => None,
    }
}

fn candidates(kind: Kind, begun: &OsStr) -> Vec<CompletionCandidate> {
    let begun = begun.to_string_lossy();
    // A list with commas between: the last one is begun.
    let (before, last) = match begun.rfind(',') {
        Some(at) => begun.split_at(at + 1),
        None => ("", begun.as_ref()),
    };
    let names = names(kind).into_iter().filter(|name| name.starts_with(last)).take(NAMES_MAX);
    names.map(|name| CompletionCandidate::new(format!("{before}{name}"))).collect()
}

fn names(kind: Kind) -> Vec<String> {
    let path = match kind {
        Kind::Codes => return explain::codes().map(str::to_owned).collect(),
        Kind::Contexts => return context::names(),
        Kind::Connectors => "/v1/connectors",
        Kind::Groups => "/v1/groups",
        Kind::Slots => "/v1/slots",
        Kind::Subscriptions => "/v1/subscriptions",
        Kind::Tokens => "/v1/tokens",
        Kind::Topics => "/v1/topics",
    };
    let name = if kind == Kind::Slots { "slot" } else { "name" };
    ask(path).map(|answer| named(&answer, name)).unwrap_or_default()
}

fn ask(path: &str) -> Result<Json, Problem> {
    let server: Server = ServerArgs::of_environment().parse()?;
    let late = |_| Problem::refuse("server/unreachable", "the service does not answer at once");
    let runtime = small_runtime()?;
    let answer =
        runtime.block_on(async { tokio::time::timeout(WAIT_MAX, server.get_json(path)).await.unwrap_or_else(|error| Err(late(error))) });
    // Dropped, it would wait for the look-up of a name that nobody answers.
    runtime.shutdown_background();
    answer
}

/// The names of the items; the log's own topics are not offered.
fn named(answer: &Json, name: &str) -> Vec<String> {
    let items = answer.get("items").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let shown = items.iter().filter(|item| item.get("internal") != Some(&Json::Bool(true)));
    shown.filter_map(|item| item.get(name)?.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_offered_where_names_are_wanted() {
        assert_eq!((kind("connectors pause", "names"), kind("topics create", "topic")), (Some(Kind::Connectors), None));
        assert_eq!((kind("groups seek", "topics"), kind("groups seek", "name")), (Some(Kind::Topics), Some(Kind::Groups)));
        assert_eq!((kind("tail", "topics"), kind("context add", "name"), kind("run", "config")), (Some(Kind::Topics), None, None));
        let codes = candidates(Kind::Codes, OsStr::new("pg/wal-le"));
        assert_eq!(codes.iter().map(|code| code.get_value().to_string_lossy()).collect::<Vec<_>>(), ["pg/wal-level"]);
    }
}
