//! Log lines: what they look like and which are written.
//!
//! They go to stderr, so that a command's data on stdout stays clean.

use std::io::IsTerminal;

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

/// Colour on a terminal, unless `NO_COLOR` says otherwise.
pub fn colour() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
