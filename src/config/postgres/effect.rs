//! What changing an option of a connector that runs comes to.
//!
//! Owns the class of every option of the table. Promises that a class is what happens: an option that is `live` does not
//! interrupt the stream, and one that is `resnapshot` is never changed without saying that rows are read again or missed.

use super::table;
use crate::config::Options;
use crate::config::define::{ConfigKey, Support};

/// The classes, the lightest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// The stream goes on, without interruption.
    Live,
    /// The connector's sessions are opened anew; it goes on where it was, and events look as before.
    Reconnect,
    /// The connector's task begins again where it was: later events look different, or are others.
    Restart,
    /// The position or what was published does not fit any more: rows are to be read again.
    Resnapshot,
}

impl Effect {
    /// The word in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Reconnect => "reconnect",
            Self::Restart => "restart",
            Self::Resnapshot => "resnapshot",
        }
    }

    /// A sentence for people.
    pub fn says(self) -> &'static str {
        match self {
            Self::Live => "the stream goes on without interruption",
            Self::Reconnect => "its sessions are opened anew; it goes on where it was",
            Self::Restart => "its task begins again where it was; later events look different, or are others",
            Self::Resnapshot => "its position, or what was published, does not fit any more: a new snapshot is needed",
        }
    }
}

/// Which tables are captured: the task takes up other ones while it streams.
const TABLES: [&str; 4] = ["schema.include.list", "schema.exclude.list", "table.include.list", "table.exclude.list"];

/// What a position, and every key that was published, hangs on. A publication that is made later is not there where the
/// slot stands: PostgreSQL looks it up in the past.
const RESNAPSHOT: [&str; 7] = [
    "slot.name",
    "topic.prefix",
    "database.dbname",
    "publication.name",
    "message.key.columns",
    "topic.key.enforce.uniqueness",
    "topic.key.field.name",
];

/// What concerns sessions, signals, notifications and snapshots only, outside the groups that do so as a whole.
const RECONNECT: [&str; 7] = ["heartbeat.", "topic.heartbeat.", "heartbeat.topics.", "signal.", "notification.", "guardrail.", "errors."];

/// Options of those groups that decide which changes are published, or how.
const RESTART: [&str; 5] = [
    "publication.autocreate.mode",
    "publish.via.partition.root",
    "slot.stream.params",
    "offset.mismatch.strategy",
    "replica.identity.autoset.values",
];

/// The class of an option.
pub fn of(key: &ConfigKey) -> Effect {
    if matches!(key.support, Support::Ignored(_)) || TABLES.contains(&key.name) {
        return Effect::Live;
    }
    if RESNAPSHOT.contains(&key.name) {
        return Effect::Resnapshot;
    }
    if RESTART.contains(&key.name) {
        return Effect::Restart;
    }
    let light = matches!(key.group, "Connection" | "Replication" | "Snapshot") || RECONNECT.iter().any(|part| key.name.starts_with(part));
    if light { Effect::Reconnect } else { Effect::Restart }
}

/// An option that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub key: String,
    /// As it is; `None` where it is not set.
    pub from: Option<String>,
    /// As it would be.
    pub to: Option<String>,
    /// What that comes to.
    pub effect: Effect,
}

/// What differs between two maps of options, by name. A default that is written out counts as a change: with some options it matters
/// that they are given.
pub fn changes(from: &Options, to: &Options) -> Vec<Change> {
    let mut names: Vec<&String> = from.keys().chain(to.keys()).collect();
    names.sort();
    names.dedup();
    names.into_iter().filter_map(|name| change(name, from.get(name), to.get(name))).collect()
}

fn change(name: &str, from: Option<&String>, to: Option<&String>) -> Option<Change> {
    if from == to {
        return None;
    }
    // Options of chains that the table does not know one by one shape events.
    let effect = table::find(name).map_or(Effect::Restart, of);
    Some(Change { key: name.to_owned(), from: from.cloned(), to: to.cloned(), effect })
}

/// The heaviest of several changes; `None` without any.
pub fn heaviest(changes: &[Change]) -> Option<Effect> {
    changes.iter().map(|change| change.effect).max()
}

/// Other tables are named.
pub fn names_tables(changes: &[Change]) -> bool {
    changes.iter().any(|change| TABLES.contains(&change.key.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every row of the table, one by one: what has no effect is live and nothing else is but the lists of tables, what shapes events is never
    /// called a mere reconnect, and the names that the rules above list are there.
    #[test]
    fn every_option_has_the_class_of_what_it_does() {
        for key in table::OPTIONS {
            let effect = of(key);
            let live = matches!(key.support, Support::Ignored(_)) || TABLES.contains(&key.name);
            assert_eq!(effect == Effect::Live, live, "{}", key.name);
            if matches!(key.group, "Filters" | "Types" | "Kafka Connect" | "Older names") {
                assert_ne!(effect, Effect::Reconnect, "{}", key.name);
            }
            if matches!(key.group, "Connection" | "Snapshot") && effect != Effect::Live {
                assert!(effect == Effect::Reconnect || key.name == "database.dbname", "{}", key.name);
            }
        }
        let there = |name: &&str| table::OPTIONS.iter().any(|key| key.name == *name);
        assert!(RESNAPSHOT.iter().chain(&RESTART).chain(&TABLES).all(there), "a rule names what is not in the table");
        assert!(RECONNECT.iter().all(|part| table::OPTIONS.iter().any(|key| key.name.starts_with(part))));
    }

    #[test]
    fn what_differs_is_found_and_the_heaviest_counts() {
        let options = |pairs: &[(&str, &str)]| -> Options { pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect() };
        let before = options(&[("database.port", "5432"), ("table.include.list", "a"), ("slot.name", "s"), ("max.batch.size", "1")]);
        let after = options(&[("table.include.list", "a,b"), ("slot.name", "s"), ("database.user", "u"), ("max.batch.size", "2")]);
        let found = changes(&before, &after);
        let short: Vec<_> = found.iter().map(|change| (change.key.as_str(), change.effect.name())).collect();
        let expected =
            [("database.port", "reconnect"), ("database.user", "reconnect"), ("max.batch.size", "live"), ("table.include.list", "live")];
        assert_eq!(short, expected);
        assert_eq!((heaviest(&found), names_tables(&found)), (Some(Effect::Reconnect), true));
        assert_eq!(heaviest(&changes(&before, &before)), None);
    }
}
