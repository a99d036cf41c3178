//! Configuration files as flat lists of entries that know where they were written.
//!
//! Owns reading TOML and connector JSON into dotted keys with line and column, and the excerpt with a caret that an
//! error shows. What the keys mean is for [`super::service`], [`super::native`] and [`super::postgres`].

use std::ops::Range;

use serde_json::Value as Json;
use toml::de::{DeTable, DeValue};

use crate::problem::Problem;

/// A file of settings larger than this is a mistake.
pub const FILE_BYTES_MAX: u64 = 1 << 20;

/// Where something was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The file as the user named it.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The line itself; `None` where it may hold a secret.
    excerpt: Option<String>,
    /// How many characters the caret underlines.
    width: usize,
}

impl Place {
    fn new(file: &str, text: &str, span: Range<usize>) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..).unwrap_or("").chars().count() + 1;
        let excerpt = text.get(line_start..).and_then(|rest| rest.lines().next());
        // What stands beside a setting on its line may be a secret too.
        let excerpt = excerpt.filter(|line| !super::secrets::may_be_named(line) && !line.contains("://")).map(str::to_owned);
        let width = text.get(span).map_or(1, |part| part.lines().next().unwrap_or("").chars().count()).max(1);
        Self { file: file.to_owned(), line, column, excerpt, width }
    }

    /// The same place without its line, for settings that may hold a secret.
    fn without_excerpt(mut self) -> Self {
        self.excerpt = None;
        self
    }

    /// `file:line:column`.
    pub fn short(&self) -> String {
        format!("{}:{}:{}", self.file, self.line, self.column)
    }

    /// As [`Self::short`], of a character of a quoted text that stands here, from 0.
    pub fn inside(&self, at: usize) -> String {
        format!("{}:{}:{}", self.file, self.line, self.column + 1 + at)
    }

    /// The place and, where it is safe, the line with a caret and a note. What a note takes for a misspelt secret is one.
    pub fn show(&self, note: &str) -> String {
        let Some(excerpt) = self.excerpt.as_ref().filter(|_| !super::secrets::is_named(note)) else {
            return format!("{} {note}", self.short()).trim_end().to_owned();
        };
        let number = self.line.to_string();
        let pad = " ".repeat(number.len());
        let carets = format!("{}{}", " ".repeat(self.column - 1), "^".repeat(self.width));
        format!("{}\n  {number} | {excerpt}\n  {pad} | {carets} {note}", self.short()).trim_end().to_owned()
    }
}

/// A value of a file: settings are texts and lists of texts, whatever the file calls them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text, number or boolean, as text.
    Text(String),
    /// A list of those.
    List(Vec<String>),
}

impl Value {
    /// The value as one text; lists are joined by commas.
    pub fn joined(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::List(items) => items.join(","),
        }
    }
}

/// One setting of a file.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key's parts: `[log] kind` is `["log", "kind"]`.
    pub path: Vec<String>,
    /// The value.
    pub value: Value,
    /// Where the key is.
    pub key_at: Place,
    /// Where the value is.
    pub value_at: Place,
}

impl Entry {
    /// The key with dots.
    pub fn key(&self) -> String {
        self.path.join(".")
    }
}

/// Reads a file of settings, bounded.
pub fn read_file(path: &std::path::Path) -> Result<String, Problem> {
    let shown = path.display().to_string();
    let failed = |why: String| Problem::refuse("config/file", format!("{shown} cannot be read")).why(why);
    let size = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if size > FILE_BYTES_MAX {
        return Err(failed(format!("it has {size} bytes; a file of settings has at most {FILE_BYTES_MAX}")));
    }
    std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))
}

/// Reads TOML into entries, in the order they are written.
pub fn parse_toml(file: &str, text: &str) -> Result<Vec<Entry>, Problem> {
    let table = DeTable::parse(text).map_err(|error| {
        let place = error.span().map(|span| Place::new(file, text, span));
        let place = place.map_or_else(|| file.to_owned(), |place| place.without_excerpt().short());
        Problem::refuse("config/syntax", "this is not valid TOML").at(place).why(error.message().to_owned())
    })?;
    let mut entries = Vec::new();
    let mut reader = TomlReader { file, text, entries: &mut entries };
    reader.table(table.get_ref(), &mut Vec::new())?;
    entries.sort_by_key(|entry| (entry.key_at.line, entry.key_at.column));
    Ok(entries)
}

struct TomlReader<'a> {
    file: &'a str,
    text: &'a str,
    entries: &'a mut Vec<Entry>,
}

impl TomlReader<'_> {
    fn table(&mut self, table: &DeTable<'_>, path: &mut Vec<String>) -> Result<(), Problem> {
        for (key, value) in table {
            path.push(key.get_ref().to_string());
            match value.get_ref() {
                DeValue::Table(inner) => self.table(inner, path)?,
                other => {
                    let value_place = self.place(path, value.span());
                    let value = self.value(other, &value_place)?;
                    let key_at = self.place(path, key.span());
                    self.entries.push(Entry { path: path.clone(), value, key_at, value_at: value_place });
                }
            }
            path.pop();
        }
        Ok(())
    }

    fn place(&self, path: &[String], span: Range<usize>) -> Place {
        let place = Place::new(self.file, self.text, span);
        if super::secrets::may_be_named(&path.join(".")) { place.without_excerpt() } else { place }
    }

    fn value(&self, value: &DeValue<'_>, place: &Place) -> Result<Value, Problem> {
        match value {
            DeValue::Array(items) => items.iter().map(|item| scalar(item.get_ref(), place)).collect::<Result<Vec<_>, _>>().map(Value::List),
            other => scalar(other, place).map(Value::Text),
        }
    }
}

fn scalar(value: &DeValue<'_>, place: &Place) -> Result<String, Problem> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().replace('_', "")),
        DeValue::Float(number) => Ok(number.as_str().to_owned()),
        DeValue::Boolean(word) => Ok(word.to_string()),
        other => Err(Problem::refuse("config/value", format!("a {} cannot stand here", other.type_str()))
            .at(place.show(""))
            .why("settings are texts, numbers, true or false, and lists of those")),
    }
}

/// Reads a connector's JSON: the flat map of options, or `{"name": ..., "config": {...}}`. The name is the second result.
pub fn parse_connector_json(file: &str, text: &str) -> Result<(Vec<Entry>, Option<String>), Problem> {
    let json: Json = serde_json::from_str(text).map_err(|error| {
        Problem::refuse("config/syntax", "this is not valid JSON")
            .at(format!("{file}:{}:{}", error.line(), error.column().max(1)))
            .why(error.to_string())
    })?;
    let Json::Object(map) = &json else {
        return Err(Problem::refuse("config/syntax", "a connector is a JSON object").at(format!("{file}:1:1")));
    };
    let (options, name) = match map.get("config") {
        Some(Json::Object(config)) => (config, map.get("name").and_then(Json::as_str).map(str::to_owned)),
        _ => (map, map.get("name").and_then(Json::as_str).map(str::to_owned)),
    };
    let mut entries = Vec::new();
    for (key, value) in options {
        let place = json_key_place(file, text, key)?;
        let Some(value) = json_scalar(value) else {
            return Err(Problem::refuse("config/value", format!("{key} must be a text, a number, true or false")).at(place.show("")));
        };
        entries.push(Entry { path: vec![key.clone()], value: Value::Text(value), key_at: place.clone(), value_at: place });
    }
    Ok((entries, name))
}

/// A JSON value as an option's text; `None` for lists, objects and null.
pub fn json_scalar(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(word) => Some(word.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// Where `"key":` is written; written twice, it is an error (a JSON parser would silently take the last).
///
/// A quoted key cannot be found inside a string value, because its quotes would be escaped there.
fn json_key_place(file: &str, text: &str, key: &str) -> Result<Place, Problem> {
    let quoted = Json::from(key).to_string();
    let mut places = text.match_indices(&quoted).filter(|(at, found)| {
        let after = text.get(at + found.len()..).unwrap_or("");
        after.trim_start().starts_with(':') && !text.get(..*at).unwrap_or("").ends_with('\\')
    });
    let place = |at: usize| {
        let place = Place::new(file, text, at..at + quoted.len());
        if super::secrets::may_be_named(key) { place.without_excerpt() } else { place }
    };
    let first = places.next().map_or(0, |(at, _)| at);
    // `name` may stand both beside and inside `config`.
    match places.next() {
        Some((second, _)) if key != "name" => {
            Err(Problem::refuse("config/duplicate-key", format!("\"{key}\" is written twice")).at(place(second).show("")))
        }
        _ => Ok(place(first)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toml_entries_know_their_place() {
        let text = "a = 1\n[log]\nkind = \"kafka\"\nlist = [\"x\", 'y']\n\"p.q\".r = true\n";
        let entries = parse_toml("f.toml", text).expect("valid");
        let keys: Vec<_> = entries.iter().map(|entry| (entry.key(), entry.value.joined(), entry.key_at.short())).collect();
        assert_eq!(keys[0], ("a".into(), "1".into(), "f.toml:1:1".into()));
        assert_eq!(keys[1], ("log.kind".into(), "kafka".into(), "f.toml:3:1".into()));
        assert_eq!(keys[2], ("log.list".into(), "x,y".into(), "f.toml:4:1".into()));
        assert_eq!(entries[3].path, ["log", "p.q", "r"]);
        assert_eq!(entries[1].value_at.show("here"), "f.toml:3:8\n  3 | kind = \"kafka\"\n    |        ^^^^^^^ here");
    }

    #[test]
    fn broken_files_are_refused_with_their_place() {
        let problem = parse_toml("f.toml", "a = \n").expect_err("no value");
        assert_eq!((problem.code, problem.at.as_str()), ("config/syntax", "f.toml:1:5"));
        let problem = parse_connector_json("f.json", "{\"a\": 1,\n}").expect_err("a comma too many");
        assert_eq!((problem.code, problem.at.as_str()), ("config/syntax", "f.json:2:1"));
        let problem = parse_connector_json("f.json", "{\"a\": 1,\n\"a\": 2}").expect_err("twice");
        assert_eq!(problem.code, "config/duplicate-key");
        assert!(problem.at.starts_with("f.json:2:1"), "{}", problem.at);
        assert!(parse_connector_json("f.json", "{\"a\": [1]}").is_err());
        assert!(parse_connector_json("f.json", "[]").is_err());
    }

    #[test]
    fn both_json_forms_are_read_and_a_password_line_is_not_shown() {
        let (flat, name) = parse_connector_json("f.json", "{\"name\":\"x\",\"slot.name\":\"s\"}").expect("flat");
        assert_eq!((flat.len(), name.as_deref()), (2, Some("x")));
        let (nested, name) = parse_connector_json("f.json", "{\"name\":\"x\",\"config\":{\"database.password\":\"p\"}}").expect("nested");
        assert_eq!((nested.len(), name.as_deref()), (1, Some("x")));
        assert_eq!(nested[0].key_at.show(""), "f.json:1:23");
    }
}
