//! The options of a subscription of the type `redis`.

use std::time::Duration;

use super::rules::{self, Rule, Rules};
use super::server::{self, Functions};
use crate::config::Secret;
use crate::config::define::invalid;
use crate::config::postgres::ConnectionConfig;
use crate::deliver::{Key, Options};
use crate::event::{Template, View};
use crate::problem::Problem;

/// What is done with the keys of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Taken away, before the fence and behind it.
    Invalidate {
        /// `UNLINK` instead of `DEL`: the memory is given back by another thread.
        unlink: bool,
    },
    /// Set to the row, behind the fence.
    Set,
    /// The row is published on channels of these names, behind the fence.
    Publish,
    /// The row is added to streams of these names, behind the fence.
    Add,
}

/// What a subscription does, and where.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server.
    pub url: Secret,
    /// What is done.
    pub action: Action,
    /// Which keys.
    pub rules: Rules,
    /// How a row is written.
    pub view: View,
    /// Time to live of values that are set; zero: for ever.
    pub ttl: Duration,
    /// The longest a stream becomes, about.
    pub length: u64,
    /// What the keys stand behind, with a generation; empty: nothing.
    pub namespace: String,
    /// Wait until a change is visible.
    pub fence: bool,
    /// Whether leases, checked fills and generations are offered.
    pub functions: Functions,
    /// Standbys that readers use.
    pub replicas: Vec<ConnectionConfig>,
    /// More time for those that are not named.
    pub replica_delay: Duration,
    /// Where the fence asks, when not at the connector's server.
    pub primary: Option<ConnectionConfig>,
    /// The connector whose changes these are.
    pub connector: Option<String>,
    /// How long it is remembered which transactions changed a key.
    pub keep: Duration,
    /// How long an old value is kept for readers who may have one.
    pub stale: Duration,
    /// In plain mode: what takes a deleted key's place for so long, so that SET NX fails.
    pub tombstone: Duration,
    /// Readers go past the cache when it was not known to be right for so long; zero: never for that.
    pub bypass_after: Duration,
    /// SQL that gives what a key should hold, over the row's columns.
    pub inspect: Option<Template>,
    /// One of so many changes is looked at again.
    pub inspect_one_in: u64,
}

/// The options beside those of all subscriptions.
pub static KEYS: &[Key] = &[
    Key { name: "url", default: "", doc: "redis://user:password@host:6379/0, or rediss:// for TLS" },
    Key {
        name: "action",
        default: "del",
        doc: "del, unlink: take keys away; set: keep them equal to the row; publish, xadd: tell the row",
    },
    Key {
        name: "keys",
        default: "",
        doc: "templates over the row's columns: product:{id}; names of channels or streams for publish and xadd",
    },
    Key { name: "tags", default: "", doc: "templates of generations that a change counts up: org:{org_id} is the key gen:org:7" },
    Key { name: "on", default: "", doc: "only updates that change one of these columns count" },
    Key { name: "tables.*.keys", default: "", doc: "the same for one table (schema.table, or a topic)" },
    Key { name: "tables.*.tags", default: "", doc: "the same for one table" },
    Key { name: "tables.*.on", default: "", doc: "the same for one table" },
    Key {
        name: "fence",
        default: "true",
        doc: "take keys away once more when the change is visible to everybody; false is fast and wrong",
    },
    Key { name: "functions", default: "auto", doc: "offer leases and checked fills: auto, on, off" },
    Key {
        name: "namespace",
        default: "",
        doc: "keys stand behind it and a generation, which any doubt counts up; else all keys of the templates go",
    },
    Key { name: "connector", default: "", doc: "the connector whose changes these are; known by the topics" },
    Key { name: "primary", default: "", doc: "URL of the primary, where the connector reads from a standby" },
    Key { name: "replicas", default: "", doc: "URLs of standbys that readers use: the fence waits for their replay" },
    Key { name: "replica_delay", default: "0s", doc: "how long the fence waits for standbys that are not named" },
    Key { name: "ttl", default: "0s", doc: "time to live of values that are set; 0s: for ever" },
    Key { name: "length", default: "1000000", doc: "about how many entries a stream keeps (xadd)" },
    Key { name: "view", default: "flat", doc: "how a row is written: flat, envelope, diff, cloudevents, raw" },
    Key {
        name: "keep",
        default: "60s",
        doc: "how long it is remembered which transactions changed a key, for fills that say what they saw",
    },
    Key { name: "stale", default: "0s", doc: "how long readers who may have an old value are given one while another reader fills" },
    Key {
        name: "tombstone",
        default: "0s",
        doc: "without functions: an empty value takes a deleted key's place for so long, so that SET NX fails",
    },
    Key {
        name: "bypass_after",
        default: "0s",
        doc: "readers go past the cache when Rowfeed has been away for so long; 0s: never for that",
    },
    Key {
        name: "inspect",
        default: "",
        doc: "SQL over the row's columns that gives what a key should hold: select name from p where id = {id}",
    },
    Key { name: "inspect_one_in", default: "100", doc: "one of so many changes is inspected" },
];

const KEEP: Duration = Duration::from_secs(60);
/// More templates of one kind are refused.
const TEMPLATES_MAX: usize = 64;

impl Settings {
    /// Reads them; `None` where they have mistakes, which the options remember.
    pub fn read(options: &mut Options) -> Option<Self> {
        let url = options.required("url");
        if let Some(Err(problem)) = url.as_deref().map(server::check_url) {
            options.problem("url", problem);
        }
        let action = match options.word("action", &["del", "unlink", "set", "publish", "xadd"]) {
            "set" => Action::Set,
            "publish" => Action::Publish,
            "xadd" => Action::Add,
            word => Action::Invalidate { unlink: word == "unlink" },
        };
        let rules =
            Rules { all: rule(options), tables: options.tables("tables", |table, options| Some((table.to_owned(), rule(options)))) };
        if rules.each().all(|rule| rule.keys.is_empty() && rule.tags.is_empty()) {
            options.problem("keys", crate::config::define::required("keys").fix("keys = [\"product:{id}\"]"));
        }
        let functions = match options.word("functions", &["auto", "on", "off"]) {
            "on" => Functions::On,
            "off" => Functions::Off,
            _ => Functions::Auto,
        };
        let view = options.text("view").unwrap_or_else(|| "flat".to_owned());
        let view = View::parse(&view).or_else(|| {
            options.problem("view", invalid("view", &view, "one of flat, envelope, diff, cloudevents, raw"));
            None
        });
        let primary = options.text("primary").and_then(|url| connection(options, "primary", &url));
        let replicas = options.texts("replicas").iter().filter_map(|url| connection(options, "replicas", url)).collect();
        let inspect = options.text("inspect").and_then(|text| template(options, "inspect", &text));
        let namespace = options.text("namespace").unwrap_or_default();
        // In doubt all keys of a template are searched by its pattern, which must not fit what is not ours.
        let is_bare = |rule: &Rule| rule.keys.iter().any(|key| rules::pattern(key).starts_with(['*', '[', '?']));
        if namespace.is_empty() && !matches!(action, Action::Publish | Action::Add) && rules.each().any(is_bare) {
            let why = "in doubt all keys of a template are taken away, and without a text before its columns that would be every key of the server";
            let problem = Problem::refuse("config/value", "a template of keys begins with a column").why(why);
            options.problem("keys", problem.fix("begin it with a text: product:{id}; or give the subscription a namespace"));
        }
        let settings = Self {
            url: Secret::new(url.unwrap_or_default()),
            action,
            rules,
            view: view?,
            ttl: options.duration("ttl", Duration::ZERO),
            length: options.number("length", 1_000_000, 1..=u64::MAX),
            namespace,
            fence: options.switch("fence", true),
            functions,
            replicas,
            replica_delay: options.duration("replica_delay", Duration::ZERO),
            primary,
            connector: options.text("connector").filter(|name| !name.is_empty()),
            keep: options.duration("keep", KEEP),
            stale: options.duration("stale", Duration::ZERO),
            tombstone: options.duration("tombstone", Duration::ZERO),
            bypass_after: options.duration("bypass_after", Duration::ZERO),
            inspect,
            inspect_one_in: options.number("inspect_one_in", 100, 1..=1_000_000_000),
        };
        Some(settings)
    }

    /// What changes when other keys are named from now on.
    pub fn fingerprint(&self) -> String {
        format!("{} {}", self.rules.fingerprint(), self.namespace)
    }

    /// Doing it once more is harmless: keys are taken away, or set to what they should be.
    pub fn repeats(&self) -> bool {
        !matches!(self.action, Action::Publish | Action::Add)
    }

    /// Values are taken away, not written.
    pub fn invalidates(&self) -> bool {
        matches!(self.action, Action::Invalidate { .. })
    }
}

fn rule(options: &mut Options) -> Rule {
    let keys = templates(options, "keys");
    let tags = templates(options, "tags");
    Rule { keys, tags, on: options.list("on") }
}

fn templates(options: &mut Options, name: &str) -> Vec<Template> {
    let texts = options.texts(name);
    if texts.len() > TEMPLATES_MAX {
        options.problem(name, invalid(name, "[...]", &format!("{TEMPLATES_MAX} templates at most")));
    }
    texts.iter().filter_map(|text| template(options, name, text)).collect()
}

fn template(options: &mut Options, name: &str, text: &str) -> Option<Template> {
    Template::parse(text).map_err(|problem| options.problem(name, problem)).ok()
}

fn connection(options: &mut Options, name: &str, url: &str) -> Option<ConnectionConfig> {
    ConnectionConfig::from_url(url).map_err(|problem: Problem| options.problem(name, problem)).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value as Json, json};

    use super::*;
    use crate::deliver::options;

    fn read(json: &Json) -> Result<Settings, Vec<Problem>> {
        let mut options = Options::new(options::of_json(json).expect("options"), BTreeMap::new(), false);
        let settings = Settings::read(&mut options);
        options.finish().map(|()| settings.expect("no mistakes"))
    }

    #[test]
    fn options_say_what_is_done_for_each_table() {
        let settings = read(&json!({ "url": "redis://:pw@h/1", "action": "unlink", "keys": ["p:{id}"], "on": "price, name", "replicas": ["postgres://u@r/db"],
            "tables": { "public.o": { "keys": "o:{id}", "tags": ["org:{org}"] } }, "ttl": "5m", "fence": false }))
        .expect("settings");
        assert_eq!((settings.action, settings.fence, settings.ttl.as_secs()), (Action::Invalidate { unlink: true }, false, 300));
        assert_eq!((settings.rules.all.on.len(), settings.rules.tables.len(), settings.replicas.len()), (2, 1, 1));
        let other = read(&json!({ "url": "redis://h", "keys": ["q:{id}"] })).expect("settings");
        assert_ne!(settings.fingerprint(), other.fingerprint());
    }

    #[test]
    fn what_would_drop_the_keys_of_others_or_lead_nowhere_is_refused() {
        let mistakes = |json: Json| read(&json).expect_err("a mistake").len();
        assert_eq!(mistakes(json!({ "url": "redis://h", "keys": ["{id}"] })), 1);
        assert!(read(&json!({ "url": "redis://h", "keys": ["{id}"], "namespace": "shop" })).is_ok());
        assert_eq!(mistakes(json!({ "url": "http://h", "action": "delete", "functions": "maybe", "keys": ["p:{"] })), 5);
        assert_eq!(mistakes(json!({ "keys": ["p:{id}"] })), 1);
    }
}
