//! `rowfeed completions` and `rowfeed man`: what shells and `man` read, made from the command line's own grammar.

use std::io::Write;
use std::path::Path;

use clap::Command;
use clap_complete::Shell;
use clap_complete::env::Shells;

use super::Failure;
use crate::problem::Problem;

/// With this in the environment the program answers a shell's question what may follow.
pub const VARIABLE: &str = "ROWFEED_COMPLETE";

/// Prints what a shell runs at its start: at TAB it asks this program, which knows its grammar and asks the service for names.
pub fn completions(shell: Shell) -> Result<(), Failure> {
    let failed = |why: String| Problem::fail("data/write", "the completions cannot be written").why(why);
    let shells = Shells::builtins();
    let known = shells.completer(&shell.to_string()).ok_or_else(|| failed(format!("{shell} is not known")))?;
    let mut text = Vec::new();
    known.write_registration(VARIABLE, "rowfeed", "rowfeed", "rowfeed", &mut text).map_err(|error| failed(error.to_string()))?;
    print(&text);
    Ok(())
}

/// Prints the manual page, or writes one per command into a folder.
pub fn man(command: Command, dir: Option<&Path>) -> Result<(), Failure> {
    let failed = |why: std::io::Error| Problem::fail("data/write", "the manual pages cannot be written").why(why.to_string());
    match dir {
        Some(dir) => clap_mangen::generate_to(command, dir).map_err(failed)?,
        None => {
            let mut text = Vec::new();
            clap_mangen::Man::new(command).render(&mut text).map_err(failed)?;
            print(&text);
        }
    }
    Ok(())
}

/// A reader that has seen enough (head, less) closes the pipe: no failure.
fn print(text: &[u8]) {
    drop(std::io::stdout().lock().write_all(text));
}
