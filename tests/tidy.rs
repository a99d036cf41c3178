//! The code about itself: which way imports go, how files open, what nothing may be called, which crate lives where,
//! and that the links of the documentation lead somewhere. A rule here has its reason in `docs/architecture.md`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Who may import whom, by the first folder (or file) under `src/`. `problem` may be imported by everyone.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    // Layer 0: nothing of ours, but that `config` takes the codecs' names from `record`.
    ("problem", &[]),
    ("change", &[]),
    ("record", &[]),
    ("config", &["record"]),
    ("registry", &[]),
    ("clock", &[]),
    ("metrics", &[]),
    // Layer 1. `postgres` reads the connection's options, `encode` the format's; `event` reads what `encode` wrote.
    ("postgres", &["change", "config"]),
    ("encode", &["change", "record", "config"]),
    ("event", &["change", "record", "config"]),
    ("log", &["record", "config", "clock", "metrics"]),
    ("telemetry", &["config"]),
    // Layer 2: neighbours that do not know each other.
    ("connect", &["change", "record", "registry", "postgres", "encode", "log", "config", "clock", "metrics"]),
    ("broker", &["record", "log", "config", "clock", "metrics"]),
    ("deliver", &["change", "record", "event", "log", "postgres", "config", "clock", "metrics"]),
    // Layer 3.
    ("http", &["change", "event", "deliver", "connect", "log", "record", "registry", "config", "metrics", "telemetry"]),
    // Layer 4: the edges.
    (
        "service",
        &[
            "broker",
            "change",
            "clock",
            "config",
            "connect",
            "deliver",
            "encode",
            "http",
            "log",
            "metrics",
            "postgres",
            "record",
            "telemetry",
        ],
    ),
    ("demo", &["config", "connect", "service"]),
    (
        "cli",
        &["broker", "change", "config", "connect", "demo", "event", "http", "log", "metrics", "postgres", "record", "service", "telemetry"],
    ),
    ("main", &["cli", "config", "service", "telemetry"]),
    ("lib", &[]),
];

/// Where a crate of others is at home. Elsewhere its types would tie code to it that has nothing to do with it.
const HOMES: &[(&str, &[&str])] = &[
    ("anyhow", &["main", "service", "cli"]),
    ("axum", &["http"]),
    ("base64", &["connect/schemas", "connect/tokens", "deliver/elasticsearch", "deliver/webhook", "event/view", "http", "registry"]),
    ("clap", &["cli", "main"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli/shells"]),
    ("crc32c", &["record", "log"]),
    ("futures_util", &["http/stream/ws"]),
    ("hdrhistogram", &["cli/bench"]),
    ("itoa", &["encode"]),
    ("jiff", &["cli", "config/postgres/transforms", "log/start"]),
    ("kafka_protocol", &["broker"]),
    ("md5", &["encode"]),
    ("num_bigint", &["encode"]),
    ("opentelemetry", &["telemetry/traces"]),
    ("opentelemetry_http", &["telemetry/traces"]),
    ("opentelemetry_otlp", &["telemetry/traces"]),
    ("opentelemetry_sdk", &["telemetry/traces"]),
    ("postgres_protocol", &["postgres"]),
    ("prometheus_client", &["metrics"]),
    ("prost", &["registry"]),
    ("prost_types", &["registry"]),
    ("protox_parse", &["registry"]),
    ("rdkafka", &["log/kafka"]),
    ("redis", &["deliver/redis"]),
    ("rust_embed", &["http/console"]),
    ("rustls", &["cli/client", "deliver/redis", "deliver/webhook", "http/tls", "postgres", "telemetry/traces"]),
    ("sha1", &["encode"]),
    ("sha2", &["encode"]),
    ("sha3", &["encode"]),
    ("siphasher", &["log/builtin/keys"]),
    ("socket2", &["broker", "http", "postgres"]),
    ("terminal_size", &["cli"]),
    ("tokio_postgres", &["postgres", "demo"]),
    ("tokio_rustls", &["cli/client", "deliver/webhook", "http/connection", "http/tls", "postgres"]),
    ("tokio_tungstenite", &["http/stream/ws"]),
    ("tracing_subscriber", &["telemetry"]),
    ("ureq", &["connect/schemas", "deliver/elasticsearch", "telemetry/traces"]),
    ("x509_cert", &["http/jwt", "postgres"]),
];

/// Names that say nothing about what is inside.
const FORBIDDEN_NAMES: &[&str] = &["utils", "util", "common", "manager", "helper", "helpers", "misc", "data", "stuff"];

/// Words that may not stand in `src/`, and why.
const FORBIDDEN_WORDS: &[(&str, &str)] = &[
    ("unbounded_channel", "everything has a bound"),
    ("mpsc::unbounded", "everything has a bound"),
    ("#[allow(", "use #[expect(lint, reason = \"..\")]"),
];

#[test]
fn imports_go_one_way() {
    let mut wrong = Vec::new();
    for file in rust_files("src") {
        let layer = layer_of(&file);
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == layer) else {
            wrong.push(format!("{}: `{layer}` has no place in the layers", file.display()));
            continue;
        };
        for import in imports(&code_of(&file)) {
            let free = import == layer || import == "problem" || allowed.contains(&import.as_str());
            if !free && MAY_IMPORT.iter().any(|(name, _)| *name == import) {
                wrong.push(format!("{}: `{layer}` may not import `{import}`", file.display()));
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn every_file_opens_with_what_it_is() {
    let folders = ["src", "tests", "benches", "fuzz/fuzz_targets"];
    let files = folders.iter().flat_map(|folder| rust_files(folder));
    let wrong = files.filter(|file| !text(file).trim_start_matches("#![no_main]\n").starts_with("//!"));
    assert_none(&wrong.map(|file| format!("{} does not open with `//!`", file.display())).collect::<Vec<_>>());
}

#[test]
fn nothing_has_a_name_that_says_nothing() {
    let wrong = rust_files("src").into_iter().chain(rust_files("tests")).filter(|file| {
        let parts = file.with_extension("");
        parts.components().any(|part| FORBIDDEN_NAMES.contains(&part.as_os_str().to_string_lossy().as_ref()))
    });
    assert_none(&wrong.map(|file| format!("{}: call it what it is", file.display())).collect::<Vec<_>>());
}

#[test]
fn forbidden_words_do_not_stand_in_the_code() {
    let mut wrong = Vec::new();
    for file in rust_files("src") {
        let code = code_of(&file);
        for (word, why) in FORBIDDEN_WORDS {
            if code.contains(word) {
                wrong.push(format!("{}: `{word}`: {why}", file.display()));
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn a_crate_of_others_is_used_at_its_home_only() {
    let mut wrong = Vec::new();
    for file in rust_files("src") {
        let inside = file.strip_prefix("src").expect("it is under src").with_extension("");
        let code = code_of(&file);
        for (name, homes) in HOMES {
            let at_home = homes.iter().any(|home| inside.starts_with(home));
            if !at_home && mentions(&code, name) {
                wrong.push(format!("{}: `{name}` is at home in {homes:?}", file.display()));
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn links_of_the_documentation_lead_somewhere() {
    let mut wrong = Vec::new();
    for file in markdown_files() {
        for link in links(&text(&file)) {
            let (path, anchor) = link.split_once('#').map_or((link.as_str(), None), |(path, anchor)| (path, Some(anchor)));
            let target = if path.is_empty() { file.clone() } else { file.parent().unwrap_or(Path::new("")).join(path) };
            if !root().join(&target).exists() {
                wrong.push(format!("{}: no such file: {link}", file.display()));
            } else if let Some(anchor) = anchor.filter(|_| target.extension().is_some_and(|kind| kind == "md"))
                && !anchors(&text(&target)).contains(anchor)
            {
                wrong.push(format!("{}: no such heading: {link}", file.display()));
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn every_error_code_has_its_page_and_every_page_its_code() {
    let pages = text(Path::new("docs/errors.md"));
    let explained: BTreeSet<String> = pages.lines().filter_map(|line| line.strip_prefix("## ")).map(str::to_owned).collect();
    let files = rust_files("src").into_iter().filter(|file| !file.ends_with("tests.rs"));
    let raised: BTreeSet<String> = files.flat_map(|file| codes(&code_of(&file))).collect();
    let mut wrong: Vec<_> = raised.difference(&explained).map(|code| format!("{code} has no page in docs/errors.md")).collect();
    wrong.extend(explained.difference(&raised).map(|code| format!("docs/errors.md explains {code}, which nothing raises")));
    assert_none(&wrong);
}

/// Not a limit: a list to look at. Long tables are fine, a file that does everything is not.
#[test]
fn long_files_are_told() {
    for file in rust_files("src") {
        let lines = text(&file).lines().count();
        if lines > 800 {
            println!("{}: {lines} lines", file.display());
        }
    }
}

#[test]
fn the_rules_find_what_they_forbid() {
    let code = "use crate::log::Topic;\nuse crate::{change::Lsn, record::{Route, view}};\nlet x = crate::http::serve();";
    assert_eq!(imports(code).into_iter().collect::<Vec<_>>(), ["change", "http", "log", "record"]);
    assert!(mentions("use anyhow::Context;", "anyhow"));
    assert!(!mentions("let my_anyhow = 1; self.config::x", "anyhow"));
    assert_eq!(links("see [a](b.md#c), ![d](e.png) and [f](https://g)"), ["b.md#c", "e.png"]);
    let raised = codes("a(\"pg/auth\", \"application/json\", \"a/b/c\", \"pg/\");\n#[cfg(test)]\nmod tests {\n \"x/y\" }");
    assert_eq!(raised, ["pg/auth"]);
    assert!(anchors("# The log, and `more`\n").contains("the-log-and-more"));
}

/// All texts of the shape `area/name` in a file's code, but for its tests and the names of media types.
fn codes(code: &str) -> Vec<String> {
    let code = code.split("#[cfg(test)]\nmod ").next().unwrap_or(code);
    let is_word = |word: &str| word.starts_with(|letter: char| letter.is_ascii_lowercase());
    let is_code = |text: &&str| {
        let legal = text.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "/-".contains(letter));
        let both = text.split_once('/').is_some_and(|(area, name)| is_word(area) && is_word(name) && !name.contains('/'));
        legal && both && !text.starts_with("application/") && !text.starts_with("text/")
    };
    code.split('"').filter(is_code).map(str::to_owned).collect()
}

fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text(file: &Path) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The file without its comments' lines.
fn code_of(file: &Path) -> String {
    text(file).lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn rust_files(folder: &str) -> Vec<PathBuf> {
    files(Path::new(folder), "rs")
}

fn markdown_files() -> Vec<PathBuf> {
    let top = fs::read_dir(root()).expect("the root is there").filter_map(Result::ok).map(|entry| PathBuf::from(entry.file_name()));
    let mut found: Vec<_> = top.filter(|file| file.extension().is_some_and(|kind| kind == "md")).collect();
    for folder in ["docs", "connectors", "examples", "scripts", "fuzz"] {
        found.extend(files(Path::new(folder), "md"));
    }
    found
}

fn files(folder: &Path, kind: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(root().join(folder)) else { return found };
    for entry in entries.filter_map(Result::ok) {
        let path = folder.join(entry.file_name());
        if entry.path().is_dir() {
            // What npm brings is not ours.
            if entry.file_name() != "node_modules" {
                found.extend(files(&path, kind));
            }
        } else if path.extension().is_some_and(|own| own == kind) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// `log` of `src/log/builtin/mod.rs`, `cli` of `src/cli.rs`.
fn layer_of(file: &Path) -> String {
    let inside = file.strip_prefix("src").expect("it is under src").with_extension("");
    inside.components().next().map(|part| part.as_os_str().to_string_lossy().into_owned()).unwrap_or_default()
}

/// The first names behind every `crate::`, also in `crate::{a, b::{c}}`.
fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(group) => found.extend(first_names(group)),
            None => found.extend(name_at(rest)),
        }
    }
    found
}

fn first_names(group: &str) -> Vec<String> {
    let (mut depth, mut names, mut start) = (0, Vec::new(), true);
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            _ if start && letter.is_alphanumeric() => {
                names.extend(name_at(&group[at..]));
                start = false;
            }
            _ => {}
        }
    }
    names
}

fn name_at(text: &str) -> Option<String> {
    let name: String = text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
    (!name.is_empty()).then_some(name)
}

/// Whether `name::` stands there as a path of its own, or `use name`.
fn mentions(code: &str, name: &str) -> bool {
    let whole = |at: usize| !code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == ':');
    code.match_indices(&format!("{name}::")).any(|(at, _)| whole(at)) || code.contains(&format!("use {name};"))
}

/// The targets of all links that stay in the repository.
fn links(markdown: &str) -> Vec<String> {
    let mut fenced = false;
    let prose: Vec<&str> = markdown
        .lines()
        .filter(|line| {
            let fence = line.trim_start().starts_with("```");
            fenced ^= fence;
            !fenced && !fence
        })
        .collect();
    let prose = prose.join("\n");
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:")).map(str::to_owned).collect()
}

/// The anchors of all headings, as the usual renderers make them.
fn anchors(markdown: &str) -> BTreeSet<String> {
    let headings = markdown.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    headings
        .map(|heading| {
            let kept = heading
                .to_lowercase()
                .chars()
                .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'))
                .collect::<String>();
            kept.replace(' ', "-")
        })
        .collect()
}
