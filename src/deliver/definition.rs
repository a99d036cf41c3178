//! What a subscription is: its name, its kind, its topics, its filter.
//!
//! Owns the options that all kinds have and reading them. Promises that a definition that was read can run: its filter is
//! compiled, its places are known, its sink made.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::options::{Given, Key, Options};
use super::{DEAD_PREFIX, KINDS, Sink};
use crate::config::define::invalid;
use crate::config::document::Place;
use crate::event::filter::Filter;
use crate::log::StartAt;
use crate::log::topic::{NAME_BYTES_MAX, fits, is_internal, is_valid_name};
use crate::problem::Problem;

/// The options of all kinds.
pub static KEYS: &[Key] = &[
    Key { name: "type", default: "", doc: "what it delivers to" },
    Key { name: "topics", default: "", doc: "topics, or patterns with *; those that come into being later are read from their start" },
    Key { name: "where", default: "", doc: "which changes are delivered, such as changed(status)" },
    Key { name: "from", default: "latest", doc: "where it begins when it is new: earliest, latest, now-1h, ..." },
];

/// Where a definition comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file of settings; it changes there.
    File(PathBuf),
    /// HTTP.
    Api,
}

/// A subscription.
#[derive(Clone)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// Where it comes from.
    pub origin: Origin,
    /// Its options as they were given.
    pub given: Given,
    /// Which topics it reads.
    pub topics: Vec<String>,
    /// Which changes are delivered; `None`: all.
    pub filter: Option<Arc<Filter>>,
    /// Where it begins.
    pub from: StartAt,
    /// Who delivers.
    pub sink: Arc<dyn Sink>,
}

/// So many topics and patterns.
const TOPICS_MAX: usize = 1000;
/// The longest name: the dead-letter topic's and the group's are made of it.
const NAME_MAX: usize = NAME_BYTES_MAX - DEAD_PREFIX.len();

impl Definition {
    /// Reads the options of a subscription; all mistakes at once.
    pub fn parse(name: &str, given: Given, places: BTreeMap<Vec<String>, Place>, origin: Origin) -> Result<Self, Vec<Problem>> {
        if !is_valid_name(name) || name.len() > NAME_MAX {
            let why = format!("a name has letters, digits, '.', '_' and '-', {NAME_MAX} of them at most");
            return Err(vec![Problem::refuse("config/value", format!("\"{name}\" cannot name a subscription")).why(why)]);
        }
        let mut options = Options::new(given.clone(), places, origin == Origin::Api);
        let kind = options.required("type");
        let known = kind.as_deref().and_then(|kind| KINDS.iter().find(|known| known.name == kind));
        if let (Some(kind), None) = (&kind, known) {
            let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
            options.problem("type", invalid("type", kind, &format!("one of {}", names.join(", "))));
        }
        let topics = options.list("topics");
        if topics.is_empty() {
            options.problem("topics", crate::config::define::required("topics").fix("topics = [\"shop.public.orders\"]"));
        } else if topics.len() > TOPICS_MAX {
            options.problem("topics", invalid("topics", "[...]", &format!("{TOPICS_MAX} topics and patterns at most")));
        }
        if let Some(problem) = circle(name, &[(name, &topics)]) {
            options.problem("topics", problem);
        }
        let filter = match options.text("where").map(|text| Filter::parse(&text)) {
            None => None,
            Some(Ok(filter)) => Some(Arc::new(filter)),
            Some(Err(problem)) => {
                options.problem("where", problem);
                None
            }
        };
        let from = match options.text("from").map(|text| (StartAt::parse(&text), text)) {
            None => StartAt::End,
            Some((Ok(from), _)) => from,
            Some((Err(_), text)) => {
                options.problem("from", invalid("from", &text, StartAt::FORMS));
                StartAt::End
            }
        };
        let sink = known.and_then(|kind| (kind.make)(&mut options));
        // What is unknown to a kind that is unknown is no mistake of its own.
        match (known, sink) {
            (Some(kind), sink) => {
                options.finish()?;
                let missing = || vec![Problem::refuse("config/value", format!("the subscription {name} cannot be made of its options"))];
                let sink = sink.ok_or_else(missing)?;
                Ok(Self { name: name.to_owned(), kind: kind.name, origin, given, topics, filter, from, sink })
            }
            (None, _) => Err(options.problems_so_far()),
        }
    }

    /// Whether it reads a topic. Internal topics and dead letters are read by their names only.
    pub fn reads(&self, topic: &str) -> bool {
        let is_plain = !is_internal(topic) && !topic.starts_with(DEAD_PREFIX);
        self.topics.iter().any(|pattern| pattern == topic && !is_internal(topic) || is_plain && fits(pattern, topic))
    }
}

/// Refuses a subscription whose dead letters would come back to it, over whichever others of these, by their names and topics.
pub fn circle(name: &str, all: &[(&str, &[String])]) -> Option<Problem> {
    let (mut reached, mut at) = (vec![name], 0);
    while let Some(of) = reached.get(at).copied() {
        at += 1;
        let dead = format!("{DEAD_PREFIX}{of}");
        for (reader, _) in all.iter().filter(|(_, topics)| topics.contains(&dead)) {
            if *reader == name {
                let by = if of == name { "are its own".to_owned() } else { format!("come from its own by way of {of}") };
                let why = format!("these dead letters {by}: what could not be delivered would come again and again, and never end");
                let problem = invalid("topics", &dead, "other topics").why(why);
                return Some(problem.fix("let a subscription read them whose dead letters nobody reads"));
            }
            if !reached.contains(reader) {
                reached.push(reader);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_letters_never_come_back() {
        let dead = |name: &str| vec!["shop.t".to_owned(), format!("{DEAD_PREFIX}{name}")];
        let (of_a, of_b, of_c) = (dead("a"), dead("b"), dead("c"));
        let refused = |name: &str, all: &[(&str, &[String])]| circle(name, all).map(|problem| problem.why);
        assert!(refused("a", &[("a", &of_a)]).is_some_and(|why| why.contains("are its own:")));
        assert_eq!(refused("b", &[("b", &of_a), ("c", &of_b)]), None);
        let all: [(&str, &[String]); 3] = [("b", &of_a), ("c", &of_b), ("a", &of_c)];
        assert!(["a", "b", "c"].iter().all(|name| refused(name, &all).is_some()));
        // Who reads them, but is in no circle of his own.
        assert_eq!(refused("d", &[("b", &of_a), ("c", &of_b), ("a", &of_c), ("d", &of_a)]), None);
    }
}
