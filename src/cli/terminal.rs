//! What the terminal can show and whether somebody sits at it: colour, signs beyond ASCII, questions.
//!
//! Owns the one answer to each of these. Colour is never the only sign of anything. Leaves what is said to the commands.

use std::borrow::Cow;
use std::io::{BufRead, IsTerminal, Read};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use serde_json::Value as Json;

use super::Failure;
use crate::problem::Problem;
use crate::telemetry::{self, Colour};

/// Signs are spelled in ASCII.
static ASCII: AtomicBool = AtomicBool::new(false);

/// Takes over what the command line and the environment say.
pub fn set(colour: Colour, ascii: bool) {
    telemetry::set_colour(colour);
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    ASCII.store(ascii || locale.is_some_and(|locale| !is_utf8(&locale)), Relaxed);
}

/// Whether a locale's characters are UTF-8. Without a locale (containers mostly have none) they are taken to be.
fn is_utf8(locale: &str) -> bool {
    let locale = locale.to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// Our own text, with its signs as this terminal can show them. Not for values: those stay as they are.
pub fn signs(text: &str) -> Cow<'_, str> {
    if ASCII.load(Relaxed) { spelled(text).into() } else { text.into() }
}

fn spelled(text: &str) -> String {
    // The first three stand in a column of their own: the blanks behind them go into the longer words.
    let words = [
        ("✓ ", "ok   "),
        ("✗ ", "fail "),
        ("  ! ", "  warn "),
        ("  · ", "  note "),
        ("→", "->"),
        ("·", "-"),
        ("…", "..."),
        ("–", "-"),
        ("█", "#"),
        ("░", "."),
    ];
    words.iter().fold(text.to_owned(), |text, (sign, word)| text.replace(sign, word))
}

/// What stands between an old value and a new one.
pub fn arrow() -> &'static str {
    if ASCII.load(Relaxed) { "->" } else { "→" }
}

/// Bold, on a terminal with colours.
pub fn bold(text: &str) -> String {
    if telemetry::colour_of(std::io::stdout().is_terminal()) { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
}

/// Shows a problem on stderr.
pub fn print_problem(problem: &Problem) {
    eprintln!("{}", signs(&shown(problem, telemetry::colour(), std::io::stderr().is_terminal())));
}

/// A person is told where to read more; a log file is not.
fn shown(problem: &Problem, colour: bool, person: bool) -> String {
    let mut text = problem.to_string();
    if let Some(rest) = text.strip_prefix("error").filter(|_| colour) {
        text = format!("\x1b[1;31merror\x1b[0m{rest}");
    }
    if person {
        text.push_str(&format!("\n  more: rowfeed explain {}", problem.code));
    }
    text
}

/// The longest answer to a question that is read.
const ANSWER_BYTES_MAX: u64 = 1000;

/// Asks before something is destroyed; `yes` answers. Without a terminal nobody can, and nothing is done.
pub fn confirm(loses: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    let refused = |what: &str| Problem::refuse("usage/not-confirmed", what.to_owned()).why(loses.to_owned());
    if !is_person() {
        return Err(refused("this has to be confirmed, and there is no terminal to ask on").fix("add --yes").into());
    }
    eprint!("{}\ngo on? [y/N] ", signs(loses));
    if is_answer_yes() {
        return Ok(());
    }
    eprintln!("nothing was changed");
    Err(Failure::shown(1))
}

/// Somebody sits there who can be asked.
pub fn is_person() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks for a line; empty when there is none.
pub fn ask(question: &str) -> String {
    eprint!("{question}");
    let mut answer = String::new();
    // What cannot be read is no answer.
    let _ = std::io::stdin().lock().take(ANSWER_BYTES_MAX).read_line(&mut answer);
    answer.trim().to_owned()
}

/// Reads the answer to a question that was just asked.
pub fn is_answer_yes() -> bool {
    let mut answer = String::new();
    let read = std::io::stdin().lock().take(ANSWER_BYTES_MAX).read_line(&mut answer);
    read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// The text at a JSON pointer; empty when there is none.
pub fn text_at<'a>(json: &'a Json, pointer: &str) -> &'a str {
    json.pointer(pointer).and_then(Json::as_str).unwrap_or("")
}

/// The number at a JSON pointer; 0 when there is none.
pub fn number_at(json: &Json, pointer: &str) -> u64 {
    json.pointer(pointer).and_then(Json::as_u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_told_where_to_read_more() {
        let problem = Problem::refuse("pg/auth", "no").why("because");
        assert_eq!(shown(&problem, false, false), "error[pg/auth]: no\n  why:  because");
        assert_eq!(shown(&problem, true, true), "\x1b[1;31merror\x1b[0m[pg/auth]: no\n  why:  because\n  more: rowfeed explain pg/auth");
    }

    #[test]
    fn signs_become_words_where_the_locale_has_no_others() {
        assert_eq!(
            spelled("  ✓ wal_level\n  ! wal limit\n  ✗ slots\na → b · c"),
            "  ok   wal_level\n  warn wal limit\n  fail slots\na -> b - c"
        );
        assert_eq!((is_utf8("de_DE.UTF-8"), is_utf8("C.utf8"), is_utf8("C"), is_utf8("en_US.ISO-8859-1")), (true, true, false, false));
    }

    #[test]
    fn nothing_is_destroyed_without_a_yes() {
        assert!(confirm("everything goes", true).is_ok());
        // Tests have no terminal.
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            let failure = confirm("everything goes", false).expect_err("nobody said yes");
            assert_eq!((failure.code, failure.problems[0].code), (2, "usage/not-confirmed"));
        }
    }
}
