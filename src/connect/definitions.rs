//! Definitions: named option maps, from files or from the REST API.
//!
//! Owns reading `connectors/*.json` (Debezium or Kafka Connect, as they are) and `connectors/*.toml` (our short form), and
//! turning a definition into the typed configuration with every problem located in its file. A broken file becomes a
//! definition that carries its problems, so that it is seen as a failed connector instead of being missed.

use std::path::{Path, PathBuf};

use crate::config::document::{self, Entry};
use crate::config::native::{self, Places};
use crate::config::postgres::{PostgresConfig, TopicDefaults};
use crate::config::{Options, define::KeyProblem};
use crate::problem::Problem;

/// More files than this in `connectors/` is somebody's mistake (a data folder, say).
const FILES_MAX: usize = 1000;
/// More options than this are no configuration: each unknown one is compared with all that are known.
const OPTIONS_MAX: usize = 1000;

/// A connector as it was defined.
#[derive(Clone, Debug, Default)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// Its options, secrets as references.
    pub options: Options,
    /// The file that manages it; `None` when it was made through the API.
    pub file: Option<PathBuf>,
    /// Where each option was written.
    places: Places,
    /// Why the file cannot be used, when it cannot.
    problems: Vec<Problem>,
}

impl PartialEq for Definition {
    /// Same meaning: places do not matter.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.options == other.options && self.file == other.file && self.problems == other.problems
    }
}

impl Definition {
    /// A definition made through the API.
    pub fn of_api(name: &str, mut options: Options) -> Self {
        options.insert("name".to_owned(), name.to_owned());
        Self { name: name.to_owned(), options, ..Self::default() }
    }

    /// Its file cannot be used at all: what else it says is not known.
    pub fn is_broken(&self) -> bool {
        !self.problems.is_empty()
    }

    /// The same, not to be used for this reason.
    pub fn refused(mut self, problem: Problem) -> Self {
        let problem = match &self.file {
            Some(file) => problem.at(file.display().to_string()),
            None => problem,
        };
        self.problems.push(problem);
        self
    }

    /// The typed configuration, secrets resolved now; or every problem, each with its place.
    pub fn config(&self, topics: TopicDefaults) -> Result<PostgresConfig, Vec<Problem>> {
        if !self.problems.is_empty() {
            return Err(self.problems.clone());
        }
        check_size(&self.options).map_err(|problem| vec![problem])?;
        if !self.options.contains_key("connector.class") {
            return Err(vec![self.locate(KeyProblem::new("connector.class", crate::config::define::required("connector.class")))]);
        }
        let parse = if self.file.is_some() { PostgresConfig::parse } else { PostgresConfig::parse_asked };
        parse(&self.name, &self.options, topics).map_err(|problems| problems.into_iter().map(|problem| self.locate(problem)).collect())
    }

    fn locate(&self, problem: KeyProblem) -> Problem {
        let KeyProblem { key, problem } = problem;
        match (self.places.get(&key), &self.file) {
            (Some(place), _) => problem.at(place.show("")),
            (None, Some(file)) => problem.at(file.display().to_string()),
            (None, None) => problem,
        }
    }
}

/// More options than anybody writes are not looked at.
pub fn check_size(options: &Options) -> Result<(), Problem> {
    if options.len() <= OPTIONS_MAX {
        return Ok(());
    }
    let many = format!("the configuration has {} options", options.len());
    Err(Problem::refuse("config/too-many", many).why(format!("there are at most {OPTIONS_MAX}")))
}

/// Several problems as one, for where only one fits.
pub fn combine(mut problems: Vec<Problem>) -> Problem {
    if problems.len() == 1 {
        return problems.remove(0);
    }
    let list: Vec<String> = problems.iter().map(Problem::text).collect();
    Problem::fail("config/invalid", format!("the configuration has {} problems", problems.len())).why(list.join("\n"))
}

/// The connector files of a folder, by name; `None` for a folder that is not there.
pub fn files_of(dir: &Path) -> Result<Option<Vec<PathBuf>>, Problem> {
    let failed = |why: String| Problem::refuse("config/file", format!("{} cannot be read", dir.display())).why(why);
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error.to_string())),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| failed(error.to_string()))?.path();
        if is_definition(&path) {
            files.push(path);
        }
        if files.len() > FILES_MAX {
            return Err(failed(format!("it has more than {FILES_MAX} connector files")));
        }
    }
    files.sort();
    Ok(Some(files))
}

/// All definitions of a folder, by file name. A missing folder has none.
pub fn load_folder(dir: &Path) -> Result<Vec<Definition>, Problem> {
    let files = files_of(dir)?.unwrap_or_default();
    let mut definitions: Vec<Definition> = Vec::new();
    for file in &files {
        let mut definition = load_file(file);
        if let Some(first) = definitions.iter().find(|known| known.name == definition.name) {
            let other = first.file.as_deref().unwrap_or(dir).display().to_string();
            let problem = Problem::refuse("config/duplicate-name", format!("two files define the connector \"{}\"", definition.name));
            definition.problems = vec![problem.at(file.display().to_string()).why(format!("the other one is {other}"))];
            // Under its file's name it is seen beside the first instead of hiding it.
            definition.name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        }
        definitions.push(definition);
    }
    Ok(definitions)
}

/// The connector `default` of `source.url`, with readable defaults as a native file has them.
pub fn of_source_url(url: &str, tables: &str) -> Result<Definition, Problem> {
    let options = native::from_url(SOURCE_NAME, url, tables).map_err(|problem| problem.at("source.url"))?;
    let file = Some(PathBuf::from("source.url (ROWFEED_SOURCE_URL)"));
    Ok(Definition { name: SOURCE_NAME.to_owned(), options, file, ..Definition::default() })
}

const SOURCE_NAME: &str = "default";

fn is_definition(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
    let kind = path.extension().and_then(|kind| kind.to_str());
    !hidden && matches!(kind, Some("json" | "toml")) && path.is_file()
}

/// One file; what is wrong with it is inside.
pub fn load_file(path: &Path) -> Definition {
    let stem = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let broken = |problems| Definition { name: stem.clone(), file: Some(path.to_owned()), problems, ..Definition::default() };
    let shown = path.strip_prefix("./").unwrap_or(path).display().to_string();
    let text = match document::read_file(path) {
        Ok(text) => text,
        Err(problem) => return broken(vec![problem]),
    };
    let parsed = if path.extension().is_some_and(|kind| kind == "toml") {
        document::parse_toml(&shown, &text).map_err(|problem| vec![problem]).and_then(|entries| of_native(&stem, &entries))
    } else {
        document::parse_connector_json(&shown, &text).map_err(|problem| vec![problem]).map(|(entries, name)| of_json(&stem, entries, name))
    };
    match parsed {
        Ok(definition) => match check_name(&definition.name) {
            Ok(()) => Definition { file: Some(path.to_owned()), ..definition },
            Err(problem) => broken(vec![problem.at(shown)]),
        },
        Err(problems) => {
            let located = |problem: Problem| if problem.at.is_empty() { problem.at(shown.clone()) } else { problem };
            broken(problems.into_iter().map(located).collect())
        }
    }
}

fn of_native(stem: &str, entries: &[Entry]) -> Result<Definition, Vec<Problem>> {
    let name = entries.iter().find(|entry| entry.key() == "name").map_or_else(|| stem.to_owned(), |entry| entry.value.joined());
    let (options, places) = native::translate(&name, entries)?;
    Ok(Definition { name, options, places, ..Definition::default() })
}

fn of_json(stem: &str, entries: Vec<Entry>, name: Option<String>) -> Definition {
    let name = name.unwrap_or_else(|| stem.to_owned());
    let mut places = Places::new();
    let mut options = Options::new();
    for entry in entries {
        places.insert(entry.key(), entry.key_at.clone());
        options.insert(entry.key(), entry.value.joined());
    }
    options.insert("name".to_owned(), name.clone());
    places.entry("name".to_owned()).or_default();
    Definition { name, options, places, ..Definition::default() }
}

/// A name must fit a URL, a file name and a record key.
pub fn check_name(name: &str) -> Result<(), Problem> {
    let bad = name.is_empty() || name.len() > NAME_BYTES_MAX || name.trim() != name || name.chars().any(|c| c.is_control() || c == '/');
    if bad {
        let must = format!("1 to {NAME_BYTES_MAX} bytes without slash, control characters and outer spaces");
        return Err(crate::config::define::invalid("name", name, &must));
    }
    Ok(())
}

const NAME_BYTES_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"{"name": "shop", "config": {
  "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
  "database.hostname": "db", "database.user": "u", "database.dbname": "d", "database.port": 5432,
  "topic.prefix": "shop",
  "tabel.include.list": "public.orders" } }"#;

    #[test]
    fn a_folder_of_both_kinds_is_loaded_and_a_broken_file_is_seen() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("written");
        write("a.json", &JSON.replace("tabel", "table"));
        write("b.toml", "url = \"postgres://u@h/d\"\ntables = [\"public.*\"]\n");
        write("c.json", "{");
        write("d.json.disabled", "{");
        write("e.json", &JSON.replace("tabel", "table"));
        write("notes.md", "");
        let found = load_folder(dir.path()).expect("readable");
        let names: Vec<_> = found.iter().map(|definition| definition.name.as_str()).collect();
        assert_eq!(names, ["shop", "b", "c", "e.json"]);
        assert!(found[0].config(TopicDefaults::default()).is_ok());
        assert_eq!(found[1].config(TopicDefaults::default()).expect("valid").slot_name, "b_slot");
        assert_eq!(found[2].config(TopicDefaults::default()).expect_err("broken")[0].code, "config/syntax");
        assert_eq!(found[3].config(TopicDefaults::default()).expect_err("twice")[0].code, "config/duplicate-name");
        assert!(load_folder(&dir.path().join("missing")).expect("none").is_empty());
    }

    #[test]
    fn a_problem_is_located_in_its_file() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("shop.json");
        std::fs::write(&path, JSON).expect("written");
        let problems = load_file(&path).config(TopicDefaults::default()).expect_err("a typo");
        assert_eq!(problems.len(), 1);
        let expected =
            format!("{}:5:3\n  5 |   \"tabel.include.list\": \"public.orders\" }} }}\n    |   ^^^^^^^^^^^^^^^^^^^^", path.display());
        assert_eq!(problems[0].at, expected);
    }
}
