//! A problem as a person meets it: what failed, where, why, and how to fix it.
//!
//! Owns the one shape of a user-facing error ([`Problem`]) and what the program does about it ([`Action`]).
//! Promises that every error shown on a terminal, in a connector's `trace` and in a REST `message` has a stable
//! code (`area/name`, explained in `docs/`), one sentence, and a remedy. Leaves the causes to the layers that raise
//! them: they have `thiserror` enums where a caller branches, and turn into a `Problem` at their edge.

use std::fmt;

/// What happens after a problem: the whole policy in four words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Passing trouble (network, server restarting): try again from the checkpoint after a back-off.
    Retry,
    /// A person must act; the connector is FAILED and says how.
    Fail,
    /// The request or configuration is refused; nothing was started.
    Refuse,
    /// The process must stop (a failed fsync): going on could lose what was acknowledged.
    Stop,
}

/// One user-facing error.
///
/// Printed as
/// ```text
/// error[pg/auth]: password authentication failed for user "cdc"
///   → db.internal:5432/shop
///   why:  ...
///   fix:  ...
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Stable code, `area/name`, for scripts and documentation.
    pub code: &'static str,
    /// One sentence: what failed. Never a secret, never row data.
    pub what: String,
    /// Where: file:line:column, a host, a table. Empty when `what` says it.
    pub at: String,
    /// The cause in plain words; the other side's own text where it helps.
    pub why: String,
    /// Commands or lines to paste.
    pub fix: String,
    /// What the program does about it.
    pub action: Action,
}

impl Problem {
    /// A problem a person must act on.
    pub fn fail(code: &'static str, what: impl Into<String>) -> Self {
        Self::new(Action::Fail, code, what)
    }

    /// Passing trouble that is tried again.
    pub fn retry(code: &'static str, what: impl Into<String>) -> Self {
        Self::new(Action::Retry, code, what)
    }

    /// A request or configuration that is refused.
    pub fn refuse(code: &'static str, what: impl Into<String>) -> Self {
        Self::new(Action::Refuse, code, what)
    }

    /// The process must stop.
    pub fn stop(code: &'static str, what: impl Into<String>) -> Self {
        Self::new(Action::Stop, code, what)
    }

    fn new(action: Action, code: &'static str, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), at: String::new(), why: String::new(), fix: String::new(), action }
    }

    /// Adds where it happened.
    #[must_use]
    pub fn at(mut self, at: impl Into<String>) -> Self {
        self.at = at.into();
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.why = why.into();
        self
    }

    /// Adds the remedy.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }

    /// Its parts by their names, for programs.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({ "code": self.code, "what": self.what, "at": self.at, "why": self.why, "fix": self.fix })
    }

    /// The problem on several lines, without the leading `error[...]`: what a REST `message` or a `trace` carries.
    pub fn text(&self) -> String {
        let mut out = format!("{}: {}", self.code, self.what);
        for (label, value) in [("at", &self.at), ("why", &self.why), ("fix", &self.fix)] {
            if !value.is_empty() {
                out.push_str(&format!("\n  {label}: {}", value.replace('\n', "\n       ")));
            }
        }
        out
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.code, self.what)?;
        if !self.at.is_empty() {
            write!(f, "\n  → {}", self.at)?;
        }
        for (label, value) in [("why", &self.why), ("fix", &self.fix)] {
            if !value.is_empty() {
                write!(f, "\n  {label}:  {}", value.replace('\n', "\n        "))?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

/// A name or text of somebody else's as one line of ours: what is printed as a script must not have lines that we did not write.
pub fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { letter.escape_default().to_string() } else { letter.to_string() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_prints_what_where_why_and_fix() {
        let problem = Problem::fail("pg/wal-level", "this server does not write logical WAL")
            .at("db:5432/shop")
            .why("wal_level is \"replica\", must be \"logical\"")
            .fix("ALTER SYSTEM SET wal_level = logical;\nthen restart PostgreSQL");
        assert_eq!(
            problem.to_string(),
            "error[pg/wal-level]: this server does not write logical WAL\n  → db:5432/shop\n  why:  wal_level is \"replica\", \
             must be \"logical\"\n  fix:  ALTER SYSTEM SET wal_level = logical;\n        then restart PostgreSQL"
        );
        assert!(problem.text().starts_with("pg/wal-level: this server"));
    }

    #[test]
    fn a_name_stays_in_its_line() {
        assert_eq!(one_line("or\u{e4}nge \"x\"\r\nDROP\u{7}"), "or\u{e4}nge \"x\"\\r\\nDROP\\u{7}");
    }
}
