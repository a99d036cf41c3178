//! The pages of `docs/` and what they speak of: reference tables are what the code's tables say, every `rowfeed` command
//! of a shell block is one the program takes, and every settings or connector file that is shown whole is a valid one.
//! That links lead somewhere is looked at in `tests/tidy.rs`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::time::Duration;

use clap::{Arg, ArgAction, Command};
use rowfeed::config::define::{ConfigKey, Rule, Support};
use rowfeed::config::native;
use rowfeed::config::postgres::effect;
use rowfeed::config::postgres::table::{GROUPS, OPTIONS};
use rowfeed::config::postgres::transforms;
use rowfeed::config::service::{KEYS, Kind};
use rowfeed::deliver::{self, Key};
use rowfeed::event::{Event, Filter, Literal, Template};
use rowfeed::metrics::{
    ConnectorReport, GroupReport, PartitionReport, Report, RequestReport, SubscriptionReport, TableReport, TimingReport,
};

/// How generated parts are renewed; said where they are out of date.
const RENEW: &str = "ROWFEED_WRITE=1 cargo test --test documentation";

#[test]
fn reference_tables_are_what_the_code_says() {
    compare(
        "docs/reference/configuration.md",
        &[
            ("settings", service_settings()),
            ("short form", native_keys()),
            ("options", connector_options()),
            ("transformations", transformations()),
        ],
    );
    compare("docs/reference/subscriptions.md", &[("subscriptions", subscriptions())]);
    compare("docs/reference/cli.md", &[("commands", commands())]);
    compare("docs/reference/metrics.md", &[("metrics", metrics())]);
}

#[test]
fn commands_of_shell_blocks_are_commands_of_the_program() {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for page in pages() {
        for block in blocks(&text(&page)).into_iter().filter(Block::is_shell) {
            for words in simple_commands(&block.script()) {
                if words.first().is_none_or(|program| program != "rowfeed" && !program.ends_with("/rowfeed")) {
                    continue;
                }
                seen += 1;
                if let Err(error) = rowfeed::cli::grammar().try_get_matches_from(&words) {
                    use clap::error::ErrorKind::{DisplayHelp, DisplayVersion};
                    if !matches!(error.kind(), DisplayHelp | DisplayVersion) {
                        wrong.push(format!("{}:{}: {}\n{error}", page.display(), block.line, words.join(" ")));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(seen > 60, "only {seen} commands were found: are the blocks read?");
}

/// Every line of the filters' page that is a filter is one, and the table of templates makes what it says.
#[test]
fn filters_and_templates_of_the_reference_are_read() {
    let page = PathBuf::from("docs/reference/filters.md");
    let value = br#"{"id":42,"org_id":7,"note":null,"topic":"T","__op":"u","__table":"users"}"#;
    let event = Event::of("shop.public.users", Some(br#"{"id":42}"#), Some(value));
    let mut seen = 0;
    for block in blocks(&text(&page)).into_iter().filter(|block| block.language == "filter") {
        for line in &block.lines {
            let list = Literal::List(vec![Literal::Text("eu".into())]);
            let read = Filter::parse_with(line, |name| if name == "claims.regions" { Some(list.clone()) } else { Some(Literal::Null) });
            read.unwrap_or_else(|problem| panic!("{}: {line}\n{problem}", page.display()));
            seen += 1;
        }
    }
    let whole = text(&page);
    let templates = whole.split("## Templates").nth(1).expect("they have a part");
    for row in templates.lines().filter_map(|line| line.strip_prefix("| `")) {
        let (template, made) = row.split_once("` | ").expect("two columns");
        let made = made.strip_prefix('`').and_then(|made| made.split('`').next()).unwrap_or("T");
        let name = Template::parse(template).unwrap_or_else(|problem| panic!("{problem}")).render(&event, event.row().expect("a row"));
        assert_eq!(name.as_deref(), Some(made), "{template}");
        seen += 1;
    }
    assert!(seen >= 18, "only {seen} were found");
}

/// A block that begins with `# connectors/NAME.toml` or `# rowfeed.toml`, and a JSON block that has `connector.class`, is
/// given to `rowfeed config check`.
#[test]
fn files_that_are_shown_are_valid() {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for page in pages() {
        for block in blocks(&text(&page)) {
            let first = block.lines.first().map_or("", String::as_str);
            let name = match block.language.as_str() {
                "toml" if first.starts_with("# connectors/") || first.starts_with("# rowfeed.toml") => {
                    first.trim_start_matches("# ").split([' ', ':']).next().unwrap_or_default().to_owned()
                }
                "json" if block.lines.iter().any(|line| line.contains("\"connector.class\"")) => "connectors/shop.json".to_owned(),
                _ => continue,
            };
            seen += 1;
            let folder = tempfile::tempdir().expect("a folder");
            let file = folder.path().join(&name);
            fs::create_dir_all(file.parent().expect("it has a folder")).expect("its folder");
            fs::write(&file, block.lines.join("\n")).expect("the file");
            // Whatever secret the environment is to hold.
            let secrets = block.lines.iter().flat_map(|line| line.split("${env:").skip(1)).filter_map(|rest| rest.split('}').next());
            let checked = Process::new(env!("CARGO_BIN_EXE_rowfeed"))
                .envs(secrets.map(|name| (name, "secret")))
                .args(["config", "check"])
                .current_dir(folder.path())
                .env("XDG_CONFIG_HOME", folder.path())
                .output()
                .expect("rowfeed runs");
            if !checked.status.success() {
                let said = String::from_utf8_lossy(&checked.stderr);
                wrong.push(format!("{}:{}: {name}\n{said}", page.display(), block.line));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(seen >= 8, "only {seen} files were found: are the blocks read?");
}

/// Every setting that a file of `deploy/`, the Dockerfile or docker-compose.yml gives the program is one it has.
#[test]
fn files_of_a_deployment_name_settings_that_exist() {
    let known: Vec<String> = KEYS.iter().map(|key| format!("ROWFEED_{}", key.name.to_uppercase().replace('.', "_"))).collect();
    let mut seen = 0;
    for file in deployment() {
        for line in text(Path::new(file)).lines().filter(|line| !line.trim_start().starts_with("# A Service called rowfeed")) {
            for (at, _) in line.match_indices("ROWFEED_") {
                let name: String = line[at..].chars().take_while(|one| *one == '_' || one.is_ascii_uppercase()).collect();
                seen += 1;
                assert!(known.contains(&name), "{file}: there is no setting {name}\n{line}");
            }
        }
    }
    assert!(seen > 20, "only {seen} settings were found: are the files read?");
}

/// Ports, folders, the user, versions and commands are the same in the image and in everything that runs it, and are the
/// program's own.
#[test]
fn files_of_a_deployment_agree_with_each_other_and_with_the_program() {
    let of = |file: &str| text(Path::new(file));
    let (image, compose, unit) = (of("Dockerfile"), of("docker-compose.yml"), of("deploy/systemd/rowfeed.service"));
    let (pod, service, values) = (
        of("deploy/helm/rowfeed/templates/statefulset.yaml"),
        of("deploy/helm/rowfeed/templates/service.yaml"),
        of("deploy/helm/rowfeed/values.yaml"),
    );
    let has = |file: &str, what: &str| assert!(file.contains(what), "{what} is not in\n{file}");
    let default = |name: &str| KEYS.iter().find(|key| key.name == name).expect("a setting").default;
    let port = |name: &str| default(name).rsplit(':').next().expect("a port");
    let (http, kafka) = (port("http.listen"), port("kafka.listen"));

    has(&image, &format!("EXPOSE {kafka} {http}"));
    has(&image, &format!("ROWFEED_HTTP_LISTEN=0.0.0.0:{http}"));
    has(&image, &format!("ROWFEED_KAFKA_LISTEN=0.0.0.0:{kafka}"));
    has(&compose, &format!("\"127.0.0.1:{http}:{http}\", \"127.0.0.1:{kafka}:{kafka}\""));
    for (name, port) in [("http", http), ("kafka", kafka)] {
        has(&pod, &format!("{{ name: {name}, containerPort: {port} }}"));
        has(&pod, &format!("value: \"0.0.0.0:{port}\""));
        has(&service, &format!("{{ name: {name}, port: {port}, targetPort: {name} }}"));
    }
    for folder in ["/data", "/etc/rowfeed/connectors"] {
        has(&image, folder);
        has(&compose, &format!(":{folder}"));
        has(&pod, &format!("mountPath: {folder}"));
    }
    has(&image, "VOLUME /data");
    let user = image.lines().find_map(|line| line.strip_prefix("USER ")?.split(':').next()).expect("a user");
    for what in ["runAsUser", "runAsGroup", "fsGroup"] {
        has(&pod, &format!("{what}: {user}"));
    }
    has(&of("deploy/helm/rowfeed/Chart.yaml"), &format!("appVersion: \"{}\"", env!("CARGO_PKG_VERSION")));
    let jars = of("scripts/get_kafka.sh");
    let version = jars.lines().find_map(|line| line.strip_prefix("version=${1:-")?.strip_suffix('}')).expect("a version");
    has(&compose, &format!("image: apache/kafka:{version}"));
    let rust = of("Cargo.toml");
    let oldest = rust.lines().find_map(|line| line.strip_prefix("rust-version = \"")?.strip_suffix('"')).expect("the oldest Rust");
    let built = image.lines().find_map(|line| line.strip_prefix("FROM rust:")?.split('-').next()).expect("a Rust");
    let number = |text: &str| text.split('.').filter_map(|part| part.parse::<u32>().ok()).collect::<Vec<_>>();
    assert!(number(built) >= number(oldest), "the image is built with Rust {built}, which is older than {oldest}");

    // What is run, and what is asked of it.
    let commands = [
        exec_form(&image, "HEALTHCHECK"),
        [exec_form(&image, "ENTRYPOINT"), exec_form(&image, "CMD")].concat(),
        [vec!["rowfeed".to_owned()], exec_form(&pod, "args:")].concat(),
        words_after(&unit, "ExecStart=/usr/local/bin/"),
        words_after(&of("deploy/helm/rowfeed/templates/NOTES.txt"), "-0 -- "),
    ];
    for words in commands {
        assert_eq!(words.first().map(String::as_str), Some("rowfeed"), "{words:?}");
        if let Err(error) = rowfeed::cli::grammar().try_get_matches_from(&words) {
            panic!("{words:?}: {error}");
        }
    }
    let described = rowfeed::http::document();
    let probes = [&pod, &of("deploy/helm/rowfeed/templates/monitoring.yaml")];
    let paths: Vec<String> = probes.iter().flat_map(|file| paths(file)).collect();
    assert!(paths.len() >= 5, "{paths:?}");
    for path in paths {
        assert!(described["paths"][&path]["get"].is_object(), "there is no GET {path}");
    }
    // The chart's log fits on the chart's disk.
    has(&values, "size: 50Gi");
    has(&values, "logMaxBytes: 40GiB");
}

fn deployment() -> [&'static str; 6] {
    [
        "Dockerfile",
        "docker-compose.yml",
        "deploy/systemd/rowfeed.service",
        "deploy/helm/rowfeed/values.yaml",
        "deploy/helm/rowfeed/templates/statefulset.yaml",
        "deploy/helm/rowfeed/templates/NOTES.txt",
    ]
}

/// The words of `KEY ... ["a", "b"]`; an instruction begins its line, or is the `CMD` of the line before.
fn exec_form(file: &str, key: &str) -> Vec<String> {
    let line = file.lines().find(|line| line.trim_start().starts_with(key)).unwrap_or_else(|| panic!("no {key}"));
    let list = line.find('[').map(|at| &line[at..]).unwrap_or_else(|| panic!("{line}"));
    serde_json::from_str(list).unwrap_or_else(|error| panic!("{error}: {line}"))
}

fn words_after(file: &str, key: &str) -> Vec<String> {
    let rest = file.lines().find_map(|line| Some(line.split_once(key)?.1)).unwrap_or_else(|| panic!("no {key}"));
    rest.split_whitespace().map(str::to_owned).collect()
}

/// What probes and monitors ask for.
fn paths(file: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, begin) in file.match_indices("path: /").chain(file.match_indices("\"path\" \"/")) {
        let rest = &file[at + begin.len() - 1..];
        found.push(rest.chars().take_while(|one| *one == '/' || one.is_ascii_alphanumeric()).collect());
    }
    found
}

#[test]
fn shell_blocks_are_read_as_a_shell_would() {
    let script = "export A=1  # rowfeed nonsense\nB=2 rowfeed run \\\n  --data './my data' && sudo -u x rowfeed check \"$URL\" | less\n\
                  cat > x <<EOF\nrowfeed nothing\nEOF\nrowfeed tail a > file 2>&1 &\n(cd x; rowfeed version)\n";
    let commands = simple_commands(script);
    let ours: Vec<String> = commands.iter().filter(|words| words[0] == "rowfeed").map(|words| words.join("|")).collect();
    assert_eq!(ours, ["rowfeed|run|--data|./my data", "rowfeed|check|$URL", "rowfeed|tail|a", "rowfeed|version"]);
    let page = "```console\n$ rowfeed version\nrowfeed 0.1.0\n$ rowfeed \\\n> check x\n```\n```text\nrowfeed nothing\n```\n";
    let found: Vec<_> = blocks(page).iter().filter(|block| block.is_shell()).map(Block::script).collect();
    assert_eq!(found, ["rowfeed version\nrowfeed \\\ncheck x\n"]);
}

/// Every setting of the service.
fn service_settings() -> String {
    let mut out = String::from("| setting | default | value | |\n|---|---|---|---|\n");
    for key in KEYS {
        let default = if key.default.is_empty() { String::new() } else { format!("`{}`", key.default) };
        let value = match key.kind {
            Kind::Text => "text".to_owned(),
            Kind::Address => "`host:port`".to_owned(),
            Kind::AddressOrEmpty => "`host:port` or empty".to_owned(),
            Kind::Bytes => "size: `128MiB`".to_owned(),
            Kind::Duration => "time: `7d`".to_owned(),
            Kind::Number(from, to) => format!("{from} to {to}"),
            Kind::Word(words) => either(words),
            Kind::Origins => "origins: `https://app.example.com,...`".to_owned(),
        };
        row(&mut out, &[&format!("`{}`", key.name), &default, &value, key.doc]);
    }
    out
}

/// The options of subscriptions: those of all, then each kind's own.
fn subscriptions() -> String {
    let table = |out: &mut String, keys: &[Key]| {
        out.push_str("\n| option | default | |\n|---|---|---|\n");
        for key in keys {
            let default = if key.default.is_empty() { String::new() } else { format!("`{}`", key.default) };
            row(out, &[&format!("`{}`", key.name), &default, key.doc]);
        }
    };
    let mut out = String::from("### All\n");
    table(&mut out, deliver::definition::KEYS);
    for kind in deliver::KINDS {
        writeln!(out, "\n### `type = \"{}\"`: {}", kind.name, kind.doc).expect("a text takes it");
        table(&mut out, kind.keys);
    }
    out
}

/// The keys of `connectors/*.toml`.
fn native_keys() -> String {
    let mut out = String::from("| key | Debezium's option | default, where it is not Debezium's |\n|---|---|---|\n");
    for (name, option) in native::keys() {
        let default = native::READABLE_DEFAULTS.iter().find(|(known, _)| *known == option);
        let own = match option {
            "topic.prefix" | "name" => "the file's name".to_owned(),
            "slot.name" => "`<file's name>_slot`".to_owned(),
            "publication.name" => "`<file's name>_pub`".to_owned(),
            _ => default.map(|(_, value)| format!("`{value}`")).unwrap_or_default(),
        };
        let option = if option.is_empty() { "any, as it is".to_owned() } else { format!("`{option}`") };
        row(&mut out, &[&format!("`{name}`"), &option, &own]);
    }
    out
}

/// Every option of a connector, by its group: those that work, then those without effect, then those that are refused.
fn connector_options() -> String {
    let mut out = String::new();
    for group in GROUPS {
        let of = |wanted: fn(&ConfigKey) -> bool| -> Vec<&'static ConfigKey> {
            OPTIONS.iter().filter(|key| key.group == group && wanted(key)).collect()
        };
        writeln!(out, "\n### {group}").expect("a text takes it");
        let used = of(|key| matches!(key.support, Support::Supported));
        if !used.is_empty() {
            out.push_str("\n| option | default | value | change | |\n|---|---|---|---|---|\n");
        }
        for key in used {
            let default = key.default.map(|value| format!("`{value}`")).unwrap_or_default();
            row(&mut out, &[&format!("`{}`", key.name), &default, &value_of(key), effect::of(key).name(), key.doc]);
        }
        let without = of(|key| matches!(key.support, Support::Ignored(_)));
        reasons(&mut out, "Accepted, without effect", "why that is harmless", &without);
        let refused = of(|key| matches!(key.support, Support::Rejected(_)));
        reasons(&mut out, "Refused unless it has its default", "what would go wrong", &refused);
        let renamed = of(|key| matches!(key.support, Support::Renamed(_)));
        reasons(&mut out, "Refused: Debezium 3 does not read it", "its name today", &renamed);
    }
    out
}

/// The options of every transformation and predicate; those that are there for keys and for values once.
fn transformations() -> String {
    let mut out = String::new();
    let classes = transforms::class_names().into_iter().filter(|class| !class.ends_with("$Key"));
    for class in classes.chain(transforms::predicate_names()) {
        let options = transforms::options_of(&class).expect("a class has options");
        let shown = class.replace("$Value", "$Key` and `$Value");
        writeln!(out, "\n### {}\n\n`{shown}`", class.split('$').next().and_then(|one| one.rsplit('.').next()).unwrap_or_default())
            .expect("a text takes it");
        if options.is_empty() {
            out.push_str("\nNo options.\n");
            continue;
        }
        out.push_str("\n| option | default | value | |\n|---|---|---|---|\n");
        for option in options {
            let default = option.default.filter(|value| !value.is_empty()).map(|value| format!("`{value}`")).unwrap_or_default();
            let value = if option.words.is_empty() { option.kind.name().to_lowercase() } else { either(option.words) };
            let value = if option.required { format!("{value}, required") } else { value };
            row(&mut out, &[&format!("`{}`", option.name), &default, &value, option.doc]);
        }
    }
    out
}

fn reasons(out: &mut String, title: &str, column: &str, keys: &[&ConfigKey]) {
    if keys.is_empty() {
        return;
    }
    write!(out, "\n{title}:\n\n| option | {column} |\n|---|---|\n").expect("a text takes it");
    for key in keys {
        let (Support::Ignored(why) | Support::Rejected(why) | Support::Renamed(why)) = key.support else { continue };
        row(out, &[&format!("`{}`", key.name), why]);
    }
}

fn value_of(key: &ConfigKey) -> String {
    match key.rule {
        Rule::OneOf(words) | Rule::Now { now: words, .. } => either(words),
        Rule::Required => format!("{}, required", key.kind.name().to_lowercase()),
        Rule::Between(low, high) if high == i64::MAX || high == i64::from(i32::MAX) => format!("number, at least {low}"),
        Rule::Between(low, high) => format!("{low} to {high}"),
        Rule::Any => key.kind.name().to_lowercase(),
    }
}

fn either(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

fn row(out: &mut String, cells: &[&str]) {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")).collect();
    // Inside of code the sign stands for itself.
    let line = format!("| {} |", cells.join(" | "));
    let mut code = false;
    let parts: Vec<String> = line
        .split('`')
        .map(|part| {
            let shown = if code { part.replace("&lt;", "<") } else { part.to_owned() };
            code = !code;
            shown
        })
        .collect();
    out.push_str(&parts.join("`"));
    out.push('\n');
}

/// Every metric of a page that has one of each, with its help and the labels it carries.
fn metrics() -> String {
    let connector = ConnectorReport {
        name: "shop".into(),
        state: "streaming",
        lag: Some(Duration::from_millis(1)),
        slot_retained: Some(1),
        slot_safe: Some(1),
        slot_active: Some(true),
        checks: vec![("pg/wal-unlimited", "ok")],
        tables: vec![TableReport { name: "public.t".into(), rows: 1, estimated: Some(1) }],
        timings: TimingReport { buckets: vec![(0.5, 1), (f64::INFINITY, 0)], sum: 0.1 },
        ..ConnectorReport::default()
    };
    let partition = PartitionReport { topic: "t".into(), partition: 0, start: 0, end: 1 };
    let page = rowfeed::metrics::render(&Report {
        states: &["streaming"],
        connectors: vec![connector],
        partitions: vec![partition],
        log_bytes: Some(1),
        reload_successful: Some(true),
        groups: vec![GroupReport { group: "g".into(), topic: "t".into(), partition: 0, lag: 1 }],
        requests: vec![RequestReport { route: "/".into(), method: "GET".into(), status: 200, count: 1 }],
        subscriptions: vec![SubscriptionReport {
            name: "s".into(),
            state: "running",
            outcomes: vec![("delivered", 1), ("dead", 1)],
            timings: TimingReport { buckets: vec![(0.5, 1), (f64::INFINITY, 0)], sum: 0.1 },
            numbers: Vec::new(),
        }],
        ..Report::default()
    });
    let mut out = String::from("| metric | type | labels | |\n|---|---|---|---|\n");
    let about = |name: &str, what: &str| {
        let begin = format!("# {what} {name} ");
        page.lines().find_map(|line| line.strip_prefix(&begin)).unwrap_or_default().to_owned()
    };
    for name in page.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next()) {
        let kind = about(name, "TYPE");
        let shown = if kind == "counter" && !name.ends_with("_total") { format!("{name}_total") } else { name.to_owned() };
        let of_this = |line: &&str| {
            let rest = line.strip_prefix(name).and_then(|rest| rest.split_once('{')).map(|(rest, _)| rest);
            matches!(rest, Some("" | "_total" | "_bucket"))
        };
        let labels = page.lines().find(of_this).and_then(|line| line.split_once('{')?.1.split_once('}')).map_or("", |(labels, _)| labels);
        let labels: Vec<&str> =
            labels.split(',').filter_map(|label| Some(label.split_once('=')?.0)).filter(|label| *label != "le").collect();
        row(&mut out, &[&format!("`{shown}`"), &kind, &labels.join(", "), &about(name, "HELP")]);
    }
    out
}

/// Every command with its arguments.
fn commands() -> String {
    let mut grammar = rowfeed::cli::grammar().term_width(110);
    grammar.build();
    let mut out = String::new();
    for command in grammar.get_subcommands() {
        describe(&mut out, command);
    }
    out
}

fn describe(out: &mut String, command: &Command) {
    if command.is_hide_set() || command.get_name() == "help" {
        return;
    }
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let aliases: Vec<String> = command.get_visible_aliases().map(|alias| format!("`{alias}`")).collect();
    let also = if aliases.is_empty() { String::new() } else { format!(" Also: {}.", aliases.join(", ")) };
    let own: Vec<&Command> = command.get_subcommands().filter(|one| one.get_name() != "help").collect();
    write!(out, "\n## {name}\n\n{}{also}\n", stop(&about)).expect("a text takes it");
    if own.is_empty() {
        let usage = command.clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ").lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
        write!(out, "\n```text\n{usage}\n```\n").expect("a text takes it");
        let arguments: Vec<&Arg> =
            command.get_arguments().filter(|arg| !arg.is_hide_set() && !arg.is_global_set() && arg.get_id() != "help").collect();
        if !arguments.is_empty() {
            out.push_str("\n| argument | |\n|---|---|\n");
        }
        for argument in arguments {
            row(out, &[&form(argument), &meaning(argument)]);
        }
        if let Some(more) = command.get_after_help() {
            write!(out, "\n```text\n{}\n```\n", more.to_string().trim_end()).expect("a text takes it");
        }
    }
    for one in own {
        describe(out, one);
    }
}

/// `-n, --limit N`.
fn form(argument: &Arg) -> String {
    let mut names: Vec<String> = argument.get_short().map(|short| format!("-{short}")).into_iter().collect();
    names.extend(argument.get_long().map(|long| format!("--{long}")));
    let takes = matches!(argument.get_action(), ArgAction::Set | ArgAction::Append);
    let values: Vec<String> = argument.get_value_names().unwrap_or_default().iter().map(|name| format!("<{name}>")).collect();
    let value = if values.is_empty() { format!("<{}>", argument.get_id().as_str().to_uppercase()) } else { values.join(" ") };
    match (names.is_empty(), takes) {
        (true, _) => format!("`{value}`"),
        (false, true) => format!("`{} {value}`", names.join(", ")),
        (false, false) => format!("`{}`", names.join(", ")),
    }
}

fn meaning(argument: &Arg) -> String {
    let mut out = stop(&argument.get_help().map(ToString::to_string).unwrap_or_default());
    let words = argument.get_possible_values();
    if !words.is_empty() && matches!(argument.get_action(), ArgAction::Set | ArgAction::Append) {
        let names: Vec<String> = words.iter().map(|word| format!("`{}`", word.get_name())).collect();
        write!(out, " One of {}.", names.join(", ")).expect("a text takes it");
    }
    let takes = matches!(argument.get_action(), ArgAction::Set | ArgAction::Append);
    let defaults: Vec<String> = argument.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
    if takes && !defaults.is_empty() {
        write!(out, " Default: {}.", defaults.join(", ")).expect("a text takes it");
    }
    if let Some(variable) = argument.get_env() {
        write!(out, " Environment: `{}`.", variable.to_string_lossy()).expect("a text takes it");
    }
    out
}

fn stop(sentence: &str) -> String {
    let sentence = sentence.trim();
    if sentence.is_empty() || sentence.ends_with(['.', '?', ']', ')']) { sentence.to_owned() } else { format!("{sentence}.") }
}

/// Compares the generated parts of a page, `<!-- generated: NAME -->` to `<!-- end -->`, or writes them.
fn compare(page: &str, parts: &[(&str, String)]) {
    let path = root().join(page);
    let mut whole = text(Path::new(page));
    for (name, made) in parts {
        let begin = format!("<!-- generated: {name} -->\n");
        let from = whole.find(&begin).unwrap_or_else(|| panic!("{page} has no {begin}")) + begin.len();
        let to = from + whole[from..].find("<!-- end -->").unwrap_or_else(|| panic!("{page}: {name} has no end"));
        let made = format!("\n{}\n\n", made.trim());
        if std::env::var_os("ROWFEED_WRITE").is_some() {
            whole.replace_range(from..to, &made);
            fs::write(&path, &whole).expect("the page can be written");
        } else {
            let stands: Vec<&str> = whole[from..to].lines().collect();
            let other = made.lines().enumerate().find(|(at, line)| stands.get(*at) != Some(line));
            let said = other.map(|(_, line)| line).or_else(|| stands.get(made.lines().count()).copied());
            assert!(whole[from..to] == made, "{page} is not what the code says; first at: {}\nrenew it: {RENEW}", said.unwrap_or_default());
        }
    }
}

/// A fenced block of a page.
struct Block {
    language: String,
    /// Of its first line, counted from one.
    line: usize,
    lines: Vec<String>,
}

impl Block {
    fn is_shell(&self) -> bool {
        ["sh", "bash", "shell", "console"].contains(&self.language.as_str())
    }

    /// What is typed: of a `console`, the lines behind the prompt.
    fn script(&self) -> String {
        let typed = self.lines.iter().filter_map(|line| match self.language.as_str() {
            "console" => line.strip_prefix("$ ").or_else(|| line.strip_prefix("# ")).or_else(|| line.strip_prefix("> ")),
            _ => Some(line.as_str()),
        });
        typed.map(|line| format!("{line}\n")).collect()
    }
}

fn blocks(page: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut open = false;
    for (at, line) in page.lines().enumerate() {
        let bare = line.trim_start();
        if let Some(language) = bare.strip_prefix("```") {
            if !open {
                let language = language.split(' ').next().unwrap_or_default().to_owned();
                found.push(Block { language, line: at + 2, lines: Vec::new() });
            }
            open = !open;
        } else if open && let Some(block) = found.last_mut() {
            block.lines.push(line.to_owned());
        }
    }
    found
}

/// The simple commands of a script, without assignments, redirections, comments, here-documents and `sudo`. What a shell
/// would compute (`$(...)`, variables) stays as it is: it is one word anyway.
fn simple_commands(script: &str) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    let mut lines = script.replace("\\\n", " ").lines().map(str::to_owned).collect::<Vec<_>>().into_iter();
    let mut rest = String::new();
    while let Some(line) = lines.next() {
        rest.push_str(&line);
        if let Some((_, end)) = line.split_once("<<") {
            let end = end.trim_start_matches('-').trim().trim_matches(['\'', '"']).split(' ').next().unwrap_or_default().to_owned();
            for inner in lines.by_ref() {
                if inner.trim() == end {
                    break;
                }
            }
            rest = rest.split("<<").next().unwrap_or_default().to_owned();
        }
        // A quote may go on in the next line.
        if rest.matches('\'').count() % 2 == 1 || rest.matches('"').count() % 2 == 1 && !rest.contains('\'') {
            rest.push('\n');
            continue;
        }
        commands.extend(split(&std::mem::take(&mut rest)));
    }
    commands.extend(split(&rest));
    commands
}

fn split(line: &str) -> Vec<Vec<String>> {
    let (mut commands, mut words, mut word, mut quoted) = (Vec::new(), Vec::new(), String::new(), None);
    let mut within = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match (quoted, letter) {
            (Some(quote), _) if letter == quote => quoted = None,
            (Some(_), _) => word.push(letter),
            (None, '\'' | '"') => (quoted, within) = (Some(letter), true),
            (None, '#') if word.is_empty() && !within => break,
            (None, ' ' | '\n' | '\t') => {
                if within || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                within = false;
            }
            (None, '|' | ';' | '&' | '(' | ')') => {
                // `2>&1`, `&>`: part of a redirection.
                if letter == '&' && (word.ends_with('>') || letters.peek() == Some(&'>')) {
                    word.push(letter);
                    continue;
                }
                if word.ends_with('$') && letter == '(' || word.contains("$(") {
                    word.push(letter);
                    continue;
                }
                if within || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                within = false;
                commands.push(std::mem::take(&mut words));
            }
            (None, _) => word.push(letter),
        }
    }
    if within || !word.is_empty() {
        words.push(word);
    }
    commands.push(words);
    commands.into_iter().map(bare).filter(|words| !words.is_empty()).collect()
}

/// A command without what stands around it.
fn bare(words: Vec<String>) -> Vec<String> {
    let is_assignment = |word: &String| {
        word.split_once('=').is_some_and(|(name, _)| !name.is_empty() && name.chars().all(|one| one == '_' || one.is_ascii_alphanumeric()))
    };
    let mut out = Vec::new();
    let mut skip = 0;
    for word in words {
        if skip > 0 {
            skip -= 1;
        } else if out.is_empty()
            && (is_assignment(&word) || ["sudo", "exec", "then", "do", "if", "export", "time"].contains(&word.as_str()))
        {
        } else if out.is_empty() && (word == "-u" || word == "-E") {
            skip = usize::from(word == "-u");
        } else if word.trim_start_matches(|one: char| one.is_ascii_digit()).starts_with(['>', '<']) {
            skip = usize::from(word.ends_with(['>', '<']));
        } else {
            out.push(word);
        }
    }
    out
}

fn pages() -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("README.md"), PathBuf::from("CONTRIBUTING.md"), PathBuf::from("connectors/README.md")];
    gather(Path::new("docs"), &mut found);
    gather(Path::new("examples"), &mut found);
    found.sort();
    found
}

fn gather(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root().join(folder)).expect("the folder is there").filter_map(Result::ok) {
        let path = folder.join(entry.file_name());
        if entry.path().is_dir() {
            // What npm brings is not ours.
            if entry.file_name() != "node_modules" {
                gather(&path, found);
            }
        } else if path.extension().is_some_and(|kind| kind == "md") {
            found.push(path);
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text(file: &Path) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
