//! Log lines: what they look like and which are written.
//!
//! Owns the process's one log: its format ([`lines`]), and the level of each logger, which `/admin/loggers` reads and changes while the
//! process runs. Promises that a command's data on stdout stays clean (lines go to stderr), that a level set on a name holds for
//! everything below it, and that names Kafka Connect's operators are used to are understood. A change lasts until the process
//! ends; the setting `logging.level` is what a start begins with.

pub mod lines;
pub mod recent;
pub mod traces;

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::define::invalid;
use crate::config::service::LoggingFormat;
use crate::problem::Problem;

/// `logging.level` is not what it must be.
pub fn not_a_level(level: &str, why: impl std::fmt::Display) -> Problem {
    invalid("logging.level", level, "error, warn, info, debug, trace, or module=level,...").why(why.to_string())
}

/// Starts writing log lines; once per process.
pub fn start(level: &str, format: LoggingFormat) -> Result<(), Problem> {
    let filter = EnvFilter::try_new(level).map_err(|error| not_a_level(level, error))?;
    let pretty = match format {
        LoggingFormat::Auto => std::io::stderr().is_terminal(),
        LoggingFormat::Pretty => true,
        LoggingFormat::Json => false,
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(recent::Stderr);
    let (started, apply): (_, Apply) = if pretty {
        let lines = lines.with_ansi(colour()).event_format(lines::Lines::pretty()).with_filter_reloading();
        let handle = lines.reload_handle();
        (lines.finish().with(lines::Connectors).try_init().is_ok(), Box::new(move |filter| handle.reload(filter).is_ok()))
    } else {
        let lines = lines.fmt_fields(lines::json_fields()).event_format(lines::Lines::json()).with_filter_reloading();
        let handle = lines.reload_handle();
        (lines.finish().with(lines::Connectors).try_init().is_ok(), Box::new(move |filter| handle.reload(filter).is_ok()))
    };
    // A second start (a test's) keeps the first one's settings.
    if started {
        *live() = Some(Live { levels: Levels::of(level), apply });
    }
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

/// Puts another filter in the place of the one that works.
type Apply = Box<dyn Fn(EnvFilter) -> bool + Send>;

/// The log of this process, once it is written.
struct Live {
    levels: Levels,
    apply: Apply,
}

static LIVE: Mutex<Option<Live>> = Mutex::new(None);

fn live() -> MutexGuard<'static, Option<Live>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All loggers with their levels; none where no log is written.
pub fn loggers() -> BTreeMap<String, Logger> {
    live().as_ref().map(|live| live.levels.all()).unwrap_or_default()
}

/// One of them.
pub fn logger(name: &str) -> Option<Logger> {
    live().as_ref().and_then(|live| live.levels.get(name))
}

/// Sets the level of a logger and of all below it, from now on; their names.
pub fn set_level(name: &str, level: Level) -> Result<Vec<String>, NotSet> {
    let mut live = live();
    let Some(live) = live.as_mut() else { return Ok(Vec::new()) };
    let mut changed = live.levels.clone();
    let affected = changed.set(name, level, now_ms())?;
    let filter = EnvFilter::try_new(changed.directives()).map_err(|error| NotSet(error.to_string()))?;
    if !(live.apply)(filter) {
        return Err(NotSet("the log takes no other levels now".to_owned()));
    }
    live.levels = changed;
    Ok(affected)
}

/// Puts the setting `logging.level` in the place of all levels, also of those that were set one by one.
pub fn set_all(setting: &str) -> Result<(), NotSet> {
    let filter = EnvFilter::try_new(setting).map_err(|error| NotSet(error.to_string()))?;
    let mut live = live();
    let Some(live) = live.as_mut() else { return Ok(()) };
    if !(live.apply)(filter) {
        return Err(NotSet("the log takes no other levels now".to_owned()));
    }
    live.levels = Levels::of(setting);
    Ok(())
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// Why a level was not set.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotSet(String);

/// What is written: this and everything worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Nothing.
    Off,
    /// What a person must act on.
    Error,
    /// What is degraded.
    Warn,
    /// Changes of state.
    Info,
    /// Steps.
    Debug,
    /// Everything.
    Trace,
}

impl Level {
    /// Its name, in any case; log4j's FATAL and ALL are the nearest of ours.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_uppercase().as_str() {
            "OFF" => Self::Off,
            "ERROR" | "FATAL" => Self::Error,
            "WARN" => Self::Warn,
            "INFO" => Self::Info,
            "DEBUG" => Self::Debug,
            "TRACE" | "ALL" => Self::Trace,
            _ => return None,
        })
    }

    /// Kafka Connect's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "OFF",
            Self::Error => "ERROR",
            Self::Warn => "WARN",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
            Self::Trace => "TRACE",
        }
    }
}

/// A logger as `/admin/loggers` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logger {
    /// What it writes.
    pub level: Level,
    /// When that was changed, in milliseconds; `None`: since the start it has not been.
    pub modified_ms: Option<u64>,
}

/// The logger above all.
const ROOT: &str = "root";
/// Loggers that are there from the start: the folders of the program that write lines.
const LOGGERS: [&str; 8] = [
    "rowfeed",
    "rowfeed::broker",
    "rowfeed::connect",
    "rowfeed::connect::source",
    "rowfeed::http",
    "rowfeed::log",
    "rowfeed::postgres",
    "rowfeed::service",
];
/// What people who know Kafka Connect and Debezium ask for, the longest first: what does that here.
const KNOWN_ELSEWHERE: [(&str, &str); 4] = [
    ("org.apache.kafka.connect.runtime.rest", "rowfeed::http"),
    ("org.apache.kafka.connect", "rowfeed::connect"),
    ("io.debezium.connector.postgresql.connection", "rowfeed::postgres"),
    ("io.debezium", "rowfeed"),
];
/// More loggers of their own level than this are nobody's wish.
const LOGGERS_MAX: usize = 100;
/// The longest name of one.
const NAME_BYTES_MAX: usize = 200;

/// The levels, and nothing else: what is set, and what follows.
#[derive(Clone, Debug)]
struct Levels {
    root: Level,
    set: BTreeMap<String, Level>,
    modified: BTreeMap<String, u64>,
    /// Directives with spans or fields, which stay as they were written.
    others: Vec<String>,
}

impl Levels {
    /// Those of the setting, which [`EnvFilter`] has taken.
    fn of(setting: &str) -> Self {
        let mut directives = setting.split(',').map(str::trim).filter(|directive| !directive.is_empty()).peekable();
        // As the filter has it: without any directive errors are written, with one for a name only nothing else is.
        let root = if directives.peek().is_none() { Level::Error } else { Level::Off };
        let mut levels = Self { root, set: BTreeMap::new(), modified: BTreeMap::new(), others: Vec::new() };
        for directive in directives {
            match directive.split_once('=') {
                _ if directive.contains(['[', '{', '/']) => levels.others.push(directive.to_owned()),
                Some((name, level)) => match Level::parse(level) {
                    Some(level) => drop(levels.set.insert(name.to_owned(), level)),
                    None => levels.others.push(directive.to_owned()),
                },
                None => match Level::parse(directive) {
                    Some(level) => levels.root = level,
                    None => drop(levels.set.insert(directive.to_owned(), Level::Trace)),
                },
            }
        }
        levels
    }

    /// The setting that says the same.
    fn directives(&self) -> String {
        let set = self.set.iter().map(|(name, level)| format!("{name}={}", level.name().to_ascii_lowercase()));
        let root = std::iter::once(self.root.name().to_ascii_lowercase());
        root.chain(set).chain(self.others.iter().cloned()).collect::<Vec<_>>().join(",")
    }

    fn names(&self) -> BTreeSet<String> {
        LOGGERS.iter().map(|name| (*name).to_owned()).chain(self.set.keys().cloned()).collect()
    }

    fn all(&self) -> BTreeMap<String, Logger> {
        let root = std::iter::once(ROOT.to_owned());
        root.chain(self.names()).filter_map(|name| self.get(&name).map(|logger| (name, logger))).collect()
    }

    fn get(&self, name: &str) -> Option<Logger> {
        let name = own_name(name);
        if name == ROOT {
            return Some(Logger { level: self.root, modified_ms: self.modified.get(ROOT).copied() });
        }
        let is_known = self.names().contains(&name);
        is_known.then(|| Logger { level: self.effective(&name), modified_ms: self.modified.get(&name).copied() })
    }

    fn effective(&self, name: &str) -> Level {
        let above = self.set.iter().filter(|(known, _)| is_within(name, known));
        above.max_by_key(|(known, _)| known.len()).map_or(self.root, |(_, level)| *level)
    }

    fn set(&mut self, name: &str, level: Level, at_ms: u64) -> Result<Vec<String>, NotSet> {
        let name = own_name(name);
        let may = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | ':' | '.' | '-' | '$');
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(may) {
            return Err(NotSet(format!("\"{name}\" cannot be the name of a logger")));
        }
        let is_below = |known: &str| name == ROOT || is_within(known, &name);
        let before = self.all();
        self.set.retain(|known, _| !is_below(known) || !LOGGERS.contains(&known.as_str()) && known != &name);
        if self.set.len() >= LOGGERS_MAX {
            return Err(NotSet(format!("{LOGGERS_MAX} loggers have a level of their own already")));
        }
        // Those that were named once stay listed, with what holds for them now.
        self.set.iter_mut().filter(|(known, _)| is_below(known)).for_each(|(_, own)| *own = level);
        if name == ROOT {
            self.root = level;
        } else {
            self.set.insert(name.clone(), level);
        }
        let changed = |known: &String| before.get(known).is_none_or(|logger| logger.level != level);
        let affected: Vec<String> = self.all().into_keys().filter(|known| is_below(known) && changed(known)).collect();
        self.modified.extend(affected.iter().map(|name| (name.clone(), at_ms)));
        Ok(affected)
    }
}

/// Whether a logger is this one, or below it.
fn is_within(name: &str, above: &str) -> bool {
    name.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with("::") || rest.starts_with('.'))
}

/// The name here of what may be known by another one; dots may stand for colons in ours.
fn own_name(name: &str) -> String {
    match KNOWN_ELSEWHERE.iter().find(|(known, _)| is_within(name, known)) {
        Some((_, own)) => (*own).to_owned(),
        None if is_within(name, "rowfeed") => name.replace('.', "::"),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(levels: &Levels, name: &str) -> Option<&'static str> {
        levels.get(name).map(|logger| logger.level.name())
    }

    #[test]
    fn a_level_holds_for_everything_below_its_name() {
        let mut levels = Levels::of("warn,rowfeed::connect::source=trace");
        assert_eq!((level(&levels, "root"), level(&levels, "rowfeed")), (Some("WARN"), Some("WARN")));
        assert_eq!(level(&levels, "rowfeed::connect::source"), Some("TRACE"));
        assert_eq!(levels.set("rowfeed.connect", Level::Debug, 7), Ok(vec!["rowfeed::connect".into(), "rowfeed::connect::source".into()]));
        let source = levels.get("rowfeed::connect::source").expect("it is known");
        assert_eq!((source.level, source.modified_ms), (Level::Debug, Some(7)));
        assert_eq!((level(&levels, "rowfeed::log"), levels.directives().as_str()), (Some("WARN"), "warn,rowfeed::connect=debug"));
        assert_eq!(levels.set("rowfeed::connect", Level::Debug, 8), Ok(Vec::new()), "as it was");
        let all = levels.set("root", Level::Error, 9).expect("set");
        assert_eq!(all.len(), LOGGERS.len() + 1);
        assert_eq!((level(&levels, "rowfeed::log"), level(&levels, "rowfeed::connect")), (Some("ERROR"), Some("ERROR")));
        assert_eq!(levels.directives(), "error");
        assert!(EnvFilter::try_new(levels.directives()).is_ok());
    }

    #[test]
    fn names_of_debezium_and_of_kafka_connect_lead_to_ours() {
        let mut levels = Levels::of("info");
        levels.set("io.debezium.connector.postgresql", Level::Trace, 1).expect("set");
        assert_eq!((level(&levels, "rowfeed::postgres"), level(&levels, "io.debezium")), (Some("TRACE"), Some("TRACE")));
        assert_eq!(levels.set("org.apache.kafka.connect.runtime.rest", Level::Off, 1), Ok(vec!["rowfeed::http".into()]));
        assert_eq!(level(&levels, "org.example"), None);
        assert_eq!(levels.set("org.example", Level::Info, 1), Ok(vec!["org.example".into()]));
        assert_eq!(level(&levels, "org.example"), Some("INFO"));
    }

    #[test]
    fn what_a_filter_would_read_otherwise_is_no_name_and_loggers_are_bounded() {
        let mut levels = Levels::of("info");
        for name in ["", "a=trace", "a,b", "a[x]", &"a".repeat(NAME_BYTES_MAX + 1)] {
            assert!(levels.set(name, Level::Info, 1).is_err(), "{name}");
        }
        for number in 0..LOGGERS_MAX {
            levels.set(&format!("a{number}"), Level::Info, 1).expect("room");
        }
        assert!(levels.set("b", Level::Info, 1).is_err());
        assert!(levels.set("a1", Level::Debug, 1).is_ok(), "one that is there can change");
    }

    #[test]
    fn the_setting_is_read_as_the_filter_reads_it() {
        let levels = Levels::of("rowfeed::http, rowfeed[span{a=b}]=debug");
        assert_eq!((level(&levels, "root"), level(&levels, "rowfeed::http")), (Some("OFF"), Some("TRACE")));
        assert_eq!(levels.directives(), "off,rowfeed::http=trace,rowfeed[span{a=b}]=debug");
        assert_eq!(level(&Levels::of(""), "root"), Some("ERROR"));
    }
}
