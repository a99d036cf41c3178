//! What our sessions are called in `pg_stat_activity`: `rowfeed CONNECTOR #INSTANCE.RUN`.
//!
//! Owns that form, both ways: who looks at the server sees which connector of which installation a session is of, and a
//! connector that finds its slot taken can say whether by a session of its own that has not ended yet or by another
//! installation. Promises that it fits into what PostgreSQL keeps of a name, and that the connector's name stands first.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

/// PostgreSQL cuts longer ones (`NAMEDATALEN`).
const BYTES_MAX: usize = 63;
/// A connector's name that is cut has this many left at least.
const CUT_BYTES_MIN: usize = 24;
const PROGRAM: &str = "rowfeed ";
/// Hexadecimal digits of an instance, and of a run.
const INSTANCE_DIGITS: usize = 8;
const RUN_DIGITS: usize = 4;

struct Identity {
    instance: String,
    run: String,
}

static IDENTITY: OnceLock<Identity> = OnceLock::new();

/// So many random hexadecimal digits.
fn random_digits(digits: usize) -> String {
    let mut text = format!("{:016x}", RandomState::new().hash_one(std::process::id()));
    text.truncate(digits);
    text
}

/// A new instance's id.
pub fn new_instance() -> String {
    random_digits(INSTANCE_DIGITS)
}

/// Whether this can be an instance's id.
pub fn is_instance(text: &str) -> bool {
    is_hex(text, INSTANCE_DIGITS)
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase())
}

/// Says which installation this process is of; the first to say it is right.
pub fn set_instance(id: &str) {
    let _ = IDENTITY.set(Identity { instance: id.to_owned(), run: random_digits(RUN_DIGITS) });
}

/// This installation's id, where it was said.
pub fn instance() -> Option<&'static str> {
    IDENTITY.get().map(|identity| identity.instance.as_str())
}

/// The name of a connector's session; `role` tells several of one connector apart.
pub fn name(connector: &str, role: &str) -> String {
    let mut end = match IDENTITY.get() {
        Some(identity) => format!(" #{}.{}", identity.instance, identity.run),
        None => String::new(),
    };
    if !role.is_empty() {
        end.push(' ');
        end.push_str(role);
    }
    format!("{PROGRAM}{}{end}", cut(connector, BYTES_MAX.saturating_sub(PROGRAM.len() + end.len())))
}

fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// Whose a session is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// This process's.
    Own,
    /// Of this installation, and of another process: before it was started again, or beside a copy of its data.
    OtherRun,
    /// Of another installation with a connector of this name: its id.
    OtherInstance(String),
    /// A Rowfeed's with a connector of this name; more is not known.
    SameConnector,
    /// Somebody else's.
    Stranger,
}

/// Whose the session of this name is, for a connector.
pub fn owner(application: &str, connector: &str) -> Owner {
    owner_for(application, connector, IDENTITY.get())
}

fn owner_for(application: &str, connector: &str, ours: Option<&Identity>) -> Owner {
    let Some(rest) = application.strip_prefix(PROGRAM) else { return Owner::Stranger };
    let (named, id) = match rest.rsplit_once(" #") {
        Some((named, id)) => (named, id.split(' ').next().unwrap_or_default()),
        None => (rest, ""),
    };
    if named != connector && (named.len() < CUT_BYTES_MIN || !connector.starts_with(named)) {
        return Owner::Stranger;
    }
    let Some((instance, run)) = id.split_once('.').filter(|(instance, run)| is_instance(instance) && is_hex(run, RUN_DIGITS)) else {
        return Owner::SameConnector;
    };
    match ours {
        None => Owner::SameConnector,
        Some(ours) if ours.instance != instance => Owner::OtherInstance(instance.to_owned()),
        Some(ours) if ours.run != run => Owner::OtherRun,
        Some(_) => Owner::Own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_of_another_installation_is_told_from_our_own() {
        let ours = Identity { instance: "0123abcd".into(), run: "00ff".into() };
        let owner = |application: &str| owner_for(application, "shop", Some(&ours));
        assert_eq!(owner("rowfeed shop #0123abcd.00ff"), Owner::Own);
        assert_eq!(owner("rowfeed shop #0123abcd.00ff reselect"), Owner::Own);
        assert_eq!(owner("rowfeed shop #0123abcd.1111"), Owner::OtherRun);
        assert_eq!(owner("rowfeed shop #99999999.00ff"), Owner::OtherInstance("99999999".into()));
        assert_eq!(owner("rowfeed shop"), Owner::SameConnector);
        for stranger in ["rowfeed shop2 #0123abcd.00ff", "rowfeed check", "Debezium Streaming", "", "rowfeed"] {
            assert_eq!(owner(stranger), Owner::Stranger, "{stranger}");
        }
        assert_eq!(owner_for("rowfeed shop #99999999.00ff", "shop", None), Owner::SameConnector);
    }

    #[test]
    fn long_names_are_cut_and_still_known() {
        let long = "ä".repeat(60);
        set_instance("0123abcd");
        let name = name(&long, "reselect");
        assert!(name.len() <= BYTES_MAX && name.starts_with("rowfeed ää") && name.ends_with(" reselect"), "{name}");
        assert_eq!(owner(&name, &long), Owner::Own);
        assert!(is_instance(&new_instance()) && !is_instance("0123ABCD") && !is_instance("12"));
    }
}
