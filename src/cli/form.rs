//! The form of a result: text, text with more columns, JSON, YAML; and how a long one is read.
//!
//! Owns `-o` and `--json` (which are one thing), the YAML of a JSON document, and the pager. Promises that a document's first
//! key says what it is, that a long list stops at each screen on a terminal only, and that a reader which goes away (`head`)
//! is an end and no failure. Leaves what is in a result to the commands.

use std::io::{ErrorKind, IsTerminal, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use clap::{Args, ValueEnum};
use serde_json::{Map, Value as Json};

/// `-o`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Columns for people.
    #[default]
    Text,
    /// All columns.
    Wide,
    /// One JSON document.
    Json,
    /// The same document as YAML.
    Yaml,
}

/// How a command shows its result.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct FormArgs {
    /// text, wide (all columns), json or yaml.
    #[arg(short, long, value_name = "FORM", default_value = "text", hide_possible_values = true)]
    output: Form,
    /// The same as -o json.
    #[arg(long, conflicts_with = "output")]
    json: bool,
}

impl FormArgs {
    /// What was asked for.
    pub fn form(self) -> Form {
        if self.json { Form::Json } else { self.output }
    }

    /// A document for programs is asked for.
    pub fn is_document(self) -> bool {
        matches!(self.form(), Form::Json | Form::Yaml)
    }

    /// All columns are asked for.
    pub fn is_wide(self) -> bool {
        self.form() == Form::Wide
    }

    /// Prints a document whose first key says what it is.
    pub fn print(self, schema: &str, body: Json) {
        self.print_bare(&document(schema, body));
    }

    /// Prints a document that says by itself what it is.
    pub fn print_bare(self, document: &Json) {
        match self.form() {
            Form::Yaml => write_out(&yaml(document)),
            _ => write_out(&format!("{document}\n")),
        }
    }
}

fn document(schema: &str, body: Json) -> Json {
    let mut document = Map::new();
    document.insert("schema".to_owned(), schema.into());
    match body {
        Json::Object(body) => document.extend(body),
        other => drop(document.insert("items".to_owned(), other)),
    }
    Json::Object(document)
}

/// Nothing goes through a pager.
static NO_PAGER: AtomicBool = AtomicBool::new(false);

/// Takes over `--no-pager`.
pub fn set_no_pager(no_pager: bool) {
    NO_PAGER.store(no_pager, Relaxed);
}

/// Shows a list: on a terminal that it does not fit on through `$PAGER`.
pub fn show(text: &str) {
    let fits = || terminal_size::terminal_size().is_none_or(|(_, height)| text.lines().count() < usize::from(height.0));
    if NO_PAGER.load(Relaxed) || !std::io::stdout().is_terminal() || fits() || !page(text) {
        write_out(text);
    }
}

/// True when a pager has shown it.
fn page(text: &str) -> bool {
    let command = match std::env::var("PAGER") {
        Ok(command) => command,
        Err(_) if is_installed("less") => "less".to_owned(),
        Err(_) => return false,
    };
    if command.trim().is_empty() || command.trim() == "cat" {
        return false;
    }
    let mut pager = Command::new("sh");
    pager.arg("-c").arg(&command).stdin(Stdio::piped());
    if std::env::var_os("LESS").is_none() {
        // Colours as they are, long lines cut, and the list stays on the screen afterwards.
        pager.env("LESS", "RSX");
    }
    let Ok(mut child) = pager.spawn() else { return false };
    if let Some(mut into) = child.stdin.take() {
        // Who leaves the pager early has seen enough.
        let _ = into.write_all(text.as_bytes());
    }
    // A shell that does not find the pager says so with 127; nothing was shown then.
    child.wait().is_ok_and(|status| status.code() != Some(127))
}

fn is_installed(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// Writes to stdout. A closed pipe ends the program quietly, as it ends `cat`.
pub fn write_out(text: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush())
        && error.kind() == ErrorKind::BrokenPipe
    {
        std::process::exit(0);
    }
}

/// A JSON document as YAML: blocks, and texts in JSON's quotes wherever a reader could take them for something else (YAML takes
/// JSON's quoted texts as they are). Our documents are small and shallow; a crate would be larger than this.
fn yaml(value: &Json) -> String {
    let mut out = String::new();
    block(value, 0, &mut out);
    out
}

fn block(value: &Json, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Json::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                out.push_str(&format!("{indent}{}:", plain(key)));
                below(value, depth, out);
            }
        }
        Json::Array(items) if !items.is_empty() => {
            for item in items {
                // What is in an item stands two columns further in, its first line behind the dash.
                let mut inner = String::new();
                block(item, depth + 1, &mut inner);
                out.push_str(&format!("{indent}- {}", inner.trim_start()));
            }
        }
        other => out.push_str(&format!("{indent}{}\n", scalar(other))),
    }
}

fn below(value: &Json, depth: usize, out: &mut String) {
    let is_block = value.as_object().is_some_and(|map| !map.is_empty()) || value.as_array().is_some_and(|items| !items.is_empty());
    if is_block {
        out.push('\n');
        block(value, depth + 1, out);
    } else {
        out.push_str(&format!(" {}\n", scalar(value)));
    }
}

fn scalar(value: &Json) -> String {
    match value {
        Json::String(text) => plain(text),
        // Numbers, true, false, null, {} and [] are the same in both.
        other => other.to_string(),
    }
}

/// A text bare where it is beyond doubt a text, else in quotes.
fn plain(text: &str) -> String {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/');
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let means = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"].iter().any(|known| text.eq_ignore_ascii_case(known));
    if begins && !means && text.bytes().all(word) { text.to_owned() } else { Json::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn yaml_says_the_same_as_json() {
        let body = json!({
            "items": [
                { "name": "shop.public.orders", "records": 1204, "cleanup": null, "partitions": [{ "start": 0 }, { "start": 7, "tags": [] }] },
                { "name": "no", "text": "a: \"b\"\n# c", "empty": {}, "list": [1, true, "12", "-x", ""] },
            ],
            "next_cursor": null,
        });
        let expected = "\
schema: rowfeed/topics@1
items:
  - name: shop.public.orders
    records: 1204
    cleanup: null
    partitions:
      - start: 0
      - start: 7
        tags: []
  - name: \"no\"
    text: \"a: \\\"b\\\"\\n# c\"
    empty: {}
    list:
      - 1
      - true
      - \"12\"
      - \"-x\"
      - \"\"
next_cursor: null
";
        assert_eq!(yaml(&document("rowfeed/topics@1", body)).replace("\"rowfeed/topics@1\"", "rowfeed/topics@1"), expected);
    }

    #[test]
    fn a_list_is_an_object_too() {
        assert_eq!(document("rowfeed/x@1", json!([1])).to_string(), "{\"schema\":\"rowfeed/x@1\",\"items\":[1]}");
    }
}
