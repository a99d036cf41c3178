//! The options of a subscription, as a sink reads them.
//!
//! Owns typed reading of texts and lists, with every mistake told by the option's name and place, and all of them in one go. Promises
//! that an option that nobody read is an error naming the nearest known one, and that references to secrets (`${env:X}`) are
//! resolved when they are read and never shown.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value as Json;

use crate::config::define::{invalid, required};
use crate::config::document::{Entry, Place, Value};
use crate::config::{Secret, quantity, secrets, suggest};
use crate::problem::Problem;

/// An option, for people.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name; `tables.*.keys` stands for that of each table.
    pub name: &'static str,
    /// Its default; empty: none.
    pub default: &'static str,
    /// One line.
    pub doc: &'static str,
}

/// The longest list, and the most options.
const ITEMS_MAX: usize = 1000;
/// The longest value, bytes.
const VALUE_BYTES_MAX: usize = 64 << 10;

/// Options by their path: `["tables", "public.orders", "keys"]`.
pub type Given = BTreeMap<Vec<String>, Value>;

/// The options of one subscription, being read.
#[derive(Debug)]
pub struct Options {
    given: Given,
    places: BTreeMap<Vec<String>, Place>,
    /// What is known here, read or not.
    known: BTreeSet<String>,
    read: BTreeSet<Vec<String>>,
    problems: Vec<Problem>,
    /// They came over HTTP: files may be named below allowed folders only.
    asked: bool,
    within: Vec<String>,
}

impl Options {
    /// Options that are to be read.
    pub fn new(given: Given, places: BTreeMap<Vec<String>, Place>, asked: bool) -> Self {
        Self { given, places, known: BTreeSet::new(), read: BTreeSet::new(), problems: Vec::new(), asked, within: Vec::new() }
    }

    fn path(&self, name: &str) -> Vec<String> {
        let mut path = self.within.clone();
        path.push(name.to_owned());
        path
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.known.insert(name.to_owned());
        let path = self.path(name);
        let found = self.given.get(&path).cloned();
        if found.is_some() {
            self.read.insert(path);
        }
        found
    }

    /// Remembers a mistake in an option.
    pub fn problem(&mut self, name: &str, problem: Problem) {
        let at = self.places.get(&self.path(name)).map(|place| place.show("")).unwrap_or_default();
        self.problems.push(if problem.at.is_empty() { problem.at(at) } else { problem });
    }

    fn wrong(&mut self, name: &str, value: &str, must: &str) {
        let shown = if secrets::may_be_named(name) { secrets::MASK } else { value };
        let problem = invalid(name, shown, must);
        self.problem(name, problem);
    }

    fn resolved(&mut self, name: &str, text: &str) -> Option<String> {
        let resolved = if self.asked { secrets::resolve_asked(text) } else { secrets::resolve(text) };
        match resolved {
            Ok(text) => Some(text),
            Err(problem) => {
                self.problem(name, problem);
                None
            }
        }
    }

    /// A text; references to secrets are resolved.
    pub fn text(&mut self, name: &str) -> Option<String> {
        match self.take(name)? {
            Value::Text(text) => self.resolved(name, &text),
            Value::List(_) => {
                self.wrong(name, "[...]", "one text");
                None
            }
        }
    }

    /// A text that must be there.
    pub fn required(&mut self, name: &str) -> Option<String> {
        let before = self.problems.len();
        let text = self.text(name).filter(|text| !text.is_empty());
        if text.is_none() && self.problems.len() == before {
            let problem = required(name);
            self.problem(name, problem);
        }
        text
    }

    /// A secret text.
    pub fn secret(&mut self, name: &str) -> Option<Secret> {
        self.text(name).map(Secret::new)
    }

    /// A list of texts, or one text with commas between its items; empty when it is not given.
    pub fn list(&mut self, name: &str) -> Vec<String> {
        let items = match self.take(name) {
            None => return Vec::new(),
            Some(Value::List(items)) => items,
            Some(Value::Text(text)) => text.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect(),
        };
        items.iter().filter_map(|item| self.resolved(name, item)).collect()
    }

    /// A list of texts in which commas mean nothing: one text is one item.
    pub fn texts(&mut self, name: &str) -> Vec<String> {
        let items = match self.take(name) {
            None => return Vec::new(),
            Some(Value::List(items)) => items,
            Some(Value::Text(text)) => vec![text],
        };
        items.iter().filter_map(|item| self.resolved(name, item)).collect()
    }

    /// A duration such as `15s`.
    pub fn duration(&mut self, name: &str, default: Duration) -> Duration {
        let Some(text) = self.text(name) else { return default };
        match quantity::parse_duration(&text) {
            Ok(duration) => duration,
            Err(why) => {
                self.wrong(name, &text, &format!("a duration such as 15s: {why}"));
                default
            }
        }
    }

    /// A number within bounds.
    pub fn number(&mut self, name: &str, default: u64, bounds: std::ops::RangeInclusive<u64>) -> u64 {
        let Some(text) = self.text(name) else { return default };
        match text.parse() {
            Ok(number) if bounds.contains(&number) => number,
            _ => {
                self.wrong(name, &text, &format!("a number from {} to {}", bounds.start(), bounds.end()));
                default
            }
        }
    }

    /// `true` or `false`.
    pub fn switch(&mut self, name: &str, default: bool) -> bool {
        match self.text(name).as_deref() {
            None => default,
            Some("true") => true,
            Some("false") => false,
            Some(other) => {
                let other = other.to_owned();
                self.wrong(name, &other, "true or false");
                default
            }
        }
    }

    /// One of these words; the first is the default.
    pub fn word(&mut self, name: &str, words: &'static [&'static str]) -> &'static str {
        let default = words.first().copied().unwrap_or_default();
        let Some(text) = self.text(name) else { return default };
        match words.iter().find(|word| **word == text) {
            Some(word) => word,
            None => {
                let hint = suggest::did_you_mean(&text, words.iter().copied());
                let problem = invalid(name, &text, &format!("one of {}", words.join(", "))).fix(hint);
                self.problem(name, problem);
                default
            }
        }
    }

    /// A table of names and texts: `headers.x-a = "b"`.
    pub fn map(&mut self, name: &str) -> Vec<(String, Secret)> {
        let names = self.names_below(name);
        self.scoped(name, |options| names.into_iter().filter_map(|name| Some((name.clone(), options.secret(&name)?))).collect())
    }

    /// Each table below a name, read by `each`: `tables."public.orders".keys`.
    pub fn tables<T>(&mut self, name: &str, mut each: impl FnMut(&str, &mut Self) -> Option<T>) -> Vec<T> {
        let names = self.names_below(name);
        self.scoped(name, |options| {
            let mut all = Vec::new();
            for table in names {
                all.extend(options.scoped(&table, |options| each(&table, options)));
            }
            all
        })
    }

    fn names_below(&self, name: &str) -> BTreeSet<String> {
        let path = self.path(name);
        let depth = path.len();
        self.given.keys().filter(|known| known.starts_with(&path)).filter_map(|known| known.get(depth).cloned()).collect()
    }

    fn scoped<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.known.insert(name.to_owned());
        let outside = std::mem::take(&mut self.known);
        self.within.push(name.to_owned());
        let result = read(self);
        self.refuse_unread();
        self.within.pop();
        self.known = outside;
        result
    }

    /// What was given here and not read is a mistake.
    fn refuse_unread(&mut self) {
        let (depth, known) = (self.within.len(), self.known.clone());
        let here: Vec<Vec<String>> =
            self.given.keys().filter(|path| path.starts_with(&self.within) && !self.read.contains(*path)).cloned().collect();
        for path in here {
            let Some(name) = path.get(depth).filter(|name| path.len() == depth + 1 || !known.contains(*name)) else { continue };
            // One that was read and failed has been told.
            if known.contains(name) && path.len() > depth + 1 {
                continue;
            }
            let at = self.places.get(&path).map(|place| place.show("")).unwrap_or_default();
            let hint = suggest::did_you_mean(name, known.iter().map(String::as_str));
            self.problems.push(Problem::refuse("config/unknown-key", format!("unknown key \"{}\"", path.join("."))).at(at).fix(hint));
            self.read.insert(path);
        }
    }

    /// The mistakes found so far; what was not read is none.
    pub fn problems_so_far(self) -> Vec<Problem> {
        self.problems
    }

    /// All mistakes; none: everything that was given was read.
    pub fn finish(mut self) -> Result<(), Vec<Problem>> {
        self.refuse_unread();
        if self.problems.is_empty() { Ok(()) } else { Err(self.problems) }
    }
}

/// Options of a file's entries, below the subscription's name.
pub fn of_entries(entries: &[Entry], depth: usize) -> (Given, BTreeMap<Vec<String>, Place>) {
    let rest = |entry: &Entry| entry.path.get(depth..).map(<[String]>::to_vec).unwrap_or_default();
    let given = entries.iter().map(|entry| (rest(entry), entry.value.clone())).collect();
    (given, entries.iter().map(|entry| (rest(entry), entry.value_at.clone())).collect())
}

/// Options of a JSON object.
pub fn of_json(json: &Json) -> Result<Given, String> {
    let mut given = Given::new();
    flatten(json, &mut Vec::new(), &mut given)?;
    Ok(given)
}

fn flatten(json: &Json, path: &mut Vec<String>, given: &mut Given) -> Result<(), String> {
    let scalar = |json: &Json| match json {
        Json::String(text) => Ok(text.clone()),
        Json::Number(number) => Ok(number.to_string()),
        Json::Bool(is) => Ok(is.to_string()),
        other => Err(format!("{other} cannot stand at {}: options are texts, numbers, true or false, and lists of those", path.join("."))),
    };
    let value = match json {
        Json::Object(members) => {
            if path.len() > 3 {
                return Err(format!("{} is too deep", path.join(".")));
            }
            for (name, value) in members {
                path.push(name.clone());
                flatten(value, path, given)?;
                path.pop();
            }
            return Ok(());
        }
        // As if it were not given.
        Json::Null => return Ok(()),
        Json::Array(items) if items.len() > ITEMS_MAX => return Err(format!("{} has more than {ITEMS_MAX} items", path.join("."))),
        Json::Array(items) => Value::List(items.iter().map(scalar).collect::<Result<_, _>>()?),
        other => Value::Text(scalar(other)?),
    };
    if path.is_empty() {
        return Err("a subscription is a JSON object of options".to_owned());
    }
    if value.joined().len() > VALUE_BYTES_MAX {
        return Err(format!("{} has more than {VALUE_BYTES_MAX} bytes", path.join(".")));
    }
    if given.len() >= ITEMS_MAX {
        return Err(format!("there are more than {ITEMS_MAX} options"));
    }
    given.insert(path.clone(), value);
    Ok(())
}

/// Options as a JSON object, the reverse of [`of_json`]; `mask` hides secrets.
pub fn to_json(given: &Given, mask: bool) -> Json {
    let mut json = Json::Object(serde_json::Map::new());
    let hides_path = hides_path(given);
    for (path, value) in given {
        let name = path.join(".");
        let text = |text: &String| Json::String(if mask { masked(&name, text, hides_path) } else { text.clone() });
        let value = match value {
            Value::Text(one) => text(one),
            Value::List(items) => items.iter().map(text).collect(),
        };
        let mut at = &mut json;
        for part in path {
            let Json::Object(members) = at else { break };
            at = members.entry(part.clone()).or_insert_with(|| Json::Object(serde_json::Map::new()));
        }
        *at = value;
    }
    json
}

/// Whether the path of the url is a secret, too: that of a webhook often has a token in it.
fn hides_path(given: &Given) -> bool {
    matches!(given.get(&["type".to_owned()][..]), Some(Value::Text(kind)) if kind == "webhook")
}

/// What may be shown of a value: references to secrets as they are, secrets as stars, URLs without users, passwords and queries.
fn masked(name: &str, text: &str, hides_path: bool) -> String {
    if text.is_empty() || secrets::is_reference(text) {
        return text.to_owned();
    }
    if secrets::is_named(name) || name.ends_with("api_key") || name.starts_with("headers.") {
        return secrets::MASK.to_owned();
    }
    match name {
        "url" if hides_path => masked_url(text, true),
        // Some kinds take several in one text.
        "url" => text.split(',').map(|part| masked_url(part, false)).collect::<Vec<_>>().join(","),
        "primary" | "replicas" => masked_url(text, false),
        _ if text.split_once("://").is_some_and(|(scheme, _)| is_scheme(scheme)) => masked_url(text, false),
        _ => text.to_owned(),
    }
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// Scheme, host and path of a URL, or no path where that is hidden; what is no URL is hidden as a whole.
fn masked_url(text: &str, hides_path: bool) -> String {
    const MASK: &str = secrets::MASK;
    let Some((scheme, rest)) = text.split_once("://").filter(|(scheme, _)| is_scheme(scheme.trim())) else { return MASK.to_owned() };
    let (authority, behind) = rest.split_at(rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len()));
    let (user, host) = match authority.rsplit_once('@') {
        Some((_, host)) => (format!("{MASK}@"), host),
        // A password with a slash in it: nobody can say where it ends.
        None if behind.contains('@') => return format!("{scheme}://{MASK}"),
        None => (String::new(), authority),
    };
    let path = behind.split(['?', '#']).next().unwrap_or_default();
    let end = match (hides_path && path.len() > 1, behind.len() > path.len()) {
        (true, _) => format!("/{MASK}"),
        (false, true) => format!("{path}?{MASK}"),
        (false, false) => path.to_owned(),
    };
    format!("{scheme}://{user}{host}{end}")
}

/// Where new options show a mask, the old value stays.
pub fn unmask(new: &mut Given, old: &Given) {
    let hides_path = hides_path(old);
    for (path, value) in new {
        let name = path.join(".");
        let is_same = |old: &Value| match (old, &*value) {
            (Value::Text(old), Value::Text(new)) => *new != *old && new.contains(secrets::MASK) && *new == masked(&name, old, hides_path),
            (Value::List(old), Value::List(new)) => {
                new.iter().any(|new| new.contains(secrets::MASK))
                    && *new == old.iter().map(|old| masked(&name, old, hides_path)).collect::<Vec<_>>()
            }
            _ => false,
        };
        if let Some(old) = old.get(path).filter(|old| is_same(old)) {
            *value = old.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn options(json: &Json) -> Options {
        Options::new(of_json(json).expect("options"), BTreeMap::new(), false)
    }

    #[test]
    fn options_are_read_and_every_mistake_is_told_at_once() {
        let mut good = options(
            &json!({ "url": "u", "keys": ["a,b", "c"], "timeout": "15s", "n": 3, "headers": { "x-a": "b" }, "tables": { "public.t": { "keys": "k" } } }),
        );
        assert_eq!(good.required("url").as_deref(), Some("u"));
        assert_eq!(good.texts("keys"), ["a,b", "c"]);
        assert_eq!((good.duration("timeout", Duration::ZERO).as_secs(), good.number("n", 1, 1..=5), good.switch("s", true)), (15, 3, true));
        assert_eq!(
            good.map("headers").first().map(|(name, value)| (name.clone(), value.expose().to_owned())),
            Some(("x-a".into(), "b".into()))
        );
        assert_eq!(
            good.tables("tables", |table, options| Some((table.to_owned(), options.list("keys")))),
            [("public.t".to_owned(), vec!["k".to_owned()])]
        );
        assert!(good.finish().is_ok());

        let mut bad = options(
            &json!({ "timeout": "x", "n": 9, "sekret": "s", "tables": { "t": { "kies": 1 } }, "secret": "${env:ROWFEED_NOT_SET}" }),
        );
        let _ = (bad.required("url"), bad.duration("timeout", Duration::ZERO), bad.number("n", 1, 1..=5), bad.secret("secret"));
        let _ = bad.tables("tables", |_, options| Some(options.texts("keys")));
        let problems = bad.finish().expect_err("mistakes");
        let texts: Vec<&str> = problems.iter().map(|problem| problem.what.as_str()).collect();
        assert_eq!(problems.len(), 6, "{texts:?}");
        assert!(texts.iter().any(|text| text.contains("\"tables.t.kies\"")), "{texts:?}");
        assert!(problems.iter().any(|problem| problem.fix.contains("secret")), "{problems:?}");
    }

    #[test]
    fn secrets_are_shown_as_stars_and_stars_keep_them() {
        let old = of_json(&json!({ "url": "redis://u:pw@h:1/0", "secret": ["one", "two"], "reference": "${env:X}", "topics": ["a"] }))
            .expect("options");
        let shown = to_json(&old, true);
        assert_eq!(
            shown,
            json!({ "reference": "${env:X}", "secret": ["********", "********"], "topics": ["a"], "url": "redis://********@h:1/0" })
        );
        let mut new = of_json(&shown).expect("options");
        unmask(&mut new, &old);
        assert_eq!(new, old);
        assert_eq!(of_json(&to_json(&old, false)).expect("options"), old);
    }

    #[test]
    fn tokens_in_urls_and_keys_are_shown_to_nobody_and_stars_keep_them() {
        let shown_of = |kind: &str, options: &Json| {
            let mut json = options.clone();
            json["type"] = kind.into();
            let old = of_json(&json).expect("options");
            let shown = to_json(&old, true);
            assert!(!shown.to_string().contains("s3cret"), "{shown}");
            let mut new = of_json(&shown).expect("options");
            unmask(&mut new, &old);
            assert_eq!(new, old, "{shown}");
            shown
        };
        for (url, shown) in [
            ("https://h.example.com/services/s3cret", "https://h.example.com/********"),
            ("https://h:8443/?token=s3cret", "https://h:8443/?********"),
            ("https://h?s3cret", "https://h?********"),
            ("https://h/", "https://h/"),
            ("https://h", "https://h"),
            ("https://h/a,s3cret", "https://h/********"),
            ("https://u:s3cret@h/a", "https://********@h/********"),
        ] {
            assert_eq!(shown_of("webhook", &json!({ "url": url }))["url"], shown);
        }
        let search = json!({ "url": "https://a:9200/p,https://u:s3cret@b:9200/?k=s3cret", "api_key": "s3cret" });
        let shown = shown_of("elasticsearch", &search);
        assert_eq!((&shown["url"], &shown["api_key"]), (&json!("https://a:9200/p,https://********@b:9200/?********"), &json!("********")));
        let redis = json!({ "url": "rediss://h/0?password=s3cret", "primary": "postgres://u@h/db?password=s3cret", "replicas":
            ["postgres://h/db?user=u&password=s3cret", "host=h password=s3cret", "postgres://u:s3/cret@h/db", "postgres://u:s3cret?@h/db"] });
        let shown = shown_of("redis", &redis);
        assert_eq!((&shown["url"], &shown["primary"]), (&json!("rediss://h/0?********"), &json!("postgres://********@h/db?********")));
        let replicas = json!(["postgres://h/db?********", "********", "postgres://********", "postgres://********"]);
        assert_eq!(shown["replicas"], replicas);
        assert_eq!(shown_of("redis", &json!({ "where": "url like 'https://h?a=1'" }))["where"], "url like 'https://h?a=1'");
    }
}
