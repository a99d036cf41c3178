//! The `rowfeed` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    rowfeed::cli::main(Box::new(rowfeed::service::capture))
}
