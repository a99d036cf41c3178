//! What a connector has for itself: its slot and its topics. Two that share either would take each other's changes, or
//! publish them twice; no other program can tell, so the registry refuses the second.

use crate::config::postgres::PostgresConfig;
use crate::problem::Problem;

/// Why `config` cannot run beside `others` (name and configuration), if it cannot.
pub fn conflict<'c>(config: &PostgresConfig, others: impl IntoIterator<Item = (&'c str, &'c PostgresConfig)>) -> Option<Problem> {
    others.into_iter().find_map(|(name, other)| {
        let (ours, theirs) = (&config.connection, &other.connection);
        let same_database = (&ours.host, ours.port, &ours.database) == (&theirs.host, theirs.port, &theirs.database);
        if same_database && config.slot_name == other.slot_name {
            let what = format!("the replication slot \"{}\" belongs to the connector \"{name}\"", config.slot_name);
            let why = "a slot has one reader: each would take changes away from the other";
            return Some(Problem::refuse("config/slot-taken", what).why(why).fix("set slot.name to a name of its own"));
        }
        if config.topic_prefix == other.topic_prefix {
            let what = format!("topic.prefix \"{}\" belongs to the connector \"{name}\"", config.topic_prefix);
            let why = "topics of the same names would have the events of both";
            return Some(Problem::refuse("config/prefix-taken", what).why(why).fix("set topic.prefix to a name of its own"));
        }
        None
    })
}
