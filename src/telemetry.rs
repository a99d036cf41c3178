//! Log lines: what they look like and which are written.
//!
//! They go to stderr, so that a command's data on stdout stays clean.

use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;

use crate::config::define::invalid;
use crate::config::service::LoggingFormat;
use crate::problem::Problem;

/// Starts writing log lines; once per process.
pub fn start(level: &str, format: LoggingFormat) -> Result<(), Problem> {
    let filter = EnvFilter::try_new(level)
        .map_err(|error| invalid("logging.level", level, "error, warn, info, debug, trace, or module=level,...").why(error.to_string()))?;
    let pretty = match format {
        LoggingFormat::Auto => std::io::stderr().is_terminal(),
        LoggingFormat::Pretty => true,
        LoggingFormat::Json => false,
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let result = if pretty { lines.with_target(false).with_ansi(colour()).try_init() } else { lines.json().flatten_event(true).try_init() };
    // A second start (a test's) keeps the first one's settings.
    drop(result);
    Ok(())
}

/// Whether colour is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// On a terminal, unless the environment says otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

static COLOUR: OnceLock<Colour> = OnceLock::new();

/// What the command line says about colour; once per process.
pub fn set_colour(colour: Colour) {
    // A second time (a test's) keeps the first answer.
    let _ = COLOUR.set(colour);
}

/// Colour on stderr.
pub fn colour() -> bool {
    colour_of(std::io::stderr().is_terminal())
}

/// Colour on a stream: by the command line, then `NO_COLOR`, then `CLICOLOR_FORCE`, then by whether it is a terminal.
pub fn colour_of(is_terminal: bool) -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    match COLOUR.get().copied().unwrap_or_default() {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => !no_colour && (is_terminal || is_set("CLICOLOR_FORCE")),
    }
}
