//! What somebody meant who typed a word that is no command.
//!
//! Owns the one answer to a wrong word: the nearest command at its place, else where the word is one. Leaves wrong flags and
//! values to the parser, which says the same of them.

use clap::Command;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use crate::config::suggest;
use crate::problem::Problem;

/// The problem of a line whose parser stopped at a word that is no command; `None` for other mistakes.
pub fn unknown(root: &Command, error: &Error, arguments: impl Iterator<Item = String>) -> Option<Problem> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else { return None };
    if error.kind() != ErrorKind::InvalidSubcommand {
        return None;
    }
    let (mut at, mut path) = (root, vec!["rowfeed"]);
    for argument in arguments.take_while(|argument| argument != word) {
        if let Some(below) = at.find_subcommand(&argument) {
            (at, path) = (below, [path, vec![below.get_name()]].concat());
        }
    }
    let path = path.join(" ");
    Some(Problem::refuse("usage/unknown-command", format!("there is no command \"{path} {word}\"")).fix(meant(root, at, &path, word)))
}

fn meant(root: &Command, at: &Command, path: &str, word: &str) -> String {
    let names: Vec<&str> = at.get_subcommands().map(Command::get_name).filter(|name| *name != "help").collect();
    if let Some(near) = suggest::nearest(word, names.iter().copied()) {
        return format!("did you mean \"{path} {near}\"?");
    }
    // `rowfeed pause` and `rowfeed topics pause` are words in the wrong place.
    let elsewhere = root.get_subcommands().filter_map(|noun| {
        let verb = noun.find_subcommand(word)?;
        Some(format!("\"rowfeed {} {}\"", noun.get_name(), verb.get_name()))
    });
    let elsewhere: Vec<String> = elsewhere.collect();
    if elsewhere.is_empty() { format!("one of {}", names.join(", ")) } else { format!("did you mean {}?", elsewhere.join(" or ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> String {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let root = super::super::grammar();
        let error = root.clone().try_get_matches_from(&words).expect_err("no such command");
        unknown(&root, &error, words.into_iter().skip(1)).map_or_else(String::new, |problem| format!("{}; {}", problem.what, problem.fix))
    }

    #[test]
    fn a_wrong_word_is_answered_with_what_was_meant() {
        assert_eq!(said("rowfeed conectors list"), "there is no command \"rowfeed conectors\"; did you mean \"rowfeed connectors\"?");
        assert_eq!(said("rowfeed connector"), "there is no command \"rowfeed connector\"; did you mean \"rowfeed connectors\"?");
        assert_eq!(said("rowfeed --utc t lst"), "there is no command \"rowfeed topics lst\"; did you mean \"rowfeed topics list\"?");
        let nouns = ["connectors", "subscriptions", "snapshot"].map(|noun| format!("\"rowfeed {noun} pause\""));
        assert!(said("rowfeed pause shop").contains(&format!("did you mean {}?", nouns.join(" or "))));
        assert!(said("rowfeed groups frobnicate").ends_with("; one of list, show, seek, delete"), "{}", said("rowfeed groups frobnicate"));
        assert_eq!(said("rowfeed topics list --jsn"), "");
    }
}
