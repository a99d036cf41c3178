//! `rowfeed completions` and `rowfeed man`: what shells and `man` read, made from the command line's own grammar.

use std::io::Write;
use std::path::Path;

use clap::Command;
use clap_complete::Shell;

use super::Failure;
use crate::problem::Problem;

/// Prints the completions for a shell.
pub fn completions(mut command: Command, shell: Shell) {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, "rowfeed", &mut text);
    print(&text);
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
