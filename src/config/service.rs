//! The service's settings: where it listens, where it keeps its data, which log it writes.
//!
//! Owns the table of keys, their layers and their typed form. Promises the precedence default < `rowfeed.toml` <
//! `ROWFEED_*` environment < `--set` < flag, that a key nobody knows is an error naming the nearest known one, and that no
//! listener is open to other machines unless the settings say so in words.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::{Config, ConfigError, Map, Source};

use super::define::invalid;
use super::document::{self, Entry, Place};
use super::postgres::TopicDefaults;
use super::postgres::table::{AS_PRODUCED, TOPIC_COMPRESSIONS};
use super::{Secret, quantity, secrets, suggest};
use crate::problem::Problem;
use crate::record::compression::Compression;

/// What a setting's text must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// `host:port`.
    Address,
    /// `host:port`, or empty.
    AddressOrEmpty,
    /// A size such as `40GiB`.
    Bytes,
    /// A duration such as `7d`.
    Duration,
    /// A number from the first to the second.
    Number(u64, u64),
    /// One of these words.
    Word(&'static [&'static str]),
    /// Origins of web pages with commas between them, or empty.
    Origins,
}

/// One setting of the service.
#[derive(Clone, Copy, Debug)]
pub struct ServiceKey {
    /// Its name with dots.
    pub name: &'static str,
    /// Its default.
    pub default: &'static str,
    /// What its value must be.
    pub kind: Kind,
    /// One line for people.
    pub doc: &'static str,
}

const fn setting(name: &'static str, default: &'static str, kind: Kind, doc: &'static str) -> ServiceKey {
    ServiceKey { name, default, kind, doc }
}

const SWITCH: Kind = Kind::Word(&["true", "false"]);
const HTTP_AUTH: Kind = Kind::Word(&["loopback", "token", "none"]);
const AUTH: Kind = Kind::Word(&["loopback", "none"]);

/// Every setting. `rowfeed.toml` at the top of the repository is this table written out, and a test keeps it so.
pub static KEYS: &[ServiceKey] = &[
    setting("connectors_dir", "connectors", Kind::Text, "folder of connector files (*.json, *.toml), next to this file; it may be missing"),
    setting("watch", "true", SWITCH, "read connector files again when they change; else by SIGHUP and `rowfeed config reload`"),
    setting("data.dir", "./data", Kind::Text, "everything that is kept: the log, positions, REST-made connectors"),
    setting("http.listen", "127.0.0.1:8083", Kind::Address, "Kafka Connect REST API, metrics, health, topics"),
    setting(
        "http.auth",
        "loopback",
        HTTP_AUTH,
        "\"loopback\": no authentication, refuses other addresses; \"token\": a token for everything but the probes; \"none\": no authentication anywhere",
    ),
    setting(
        "http.cors_origins",
        "",
        Kind::Origins,
        "origins whose pages may ask, such as https://app.example.com,https://b.example.com; empty: none",
    ),
    setting(
        "http.webhook_allow",
        "",
        Kind::Text,
        "private addresses that webhooks may go to: ranges and hosts, such as 10.0.0.0/8,*.example.com; with http.auth = \"loopback\" also this machine",
    ),
    setting("http.tls_cert", "", Kind::Text, "certificate chain (PEM): HTTP speaks TLS; read again when it changes"),
    setting("http.tls_key", "", Kind::Text, "its private key (PEM)"),
    setting(
        "http.max_streams",
        "20000",
        Kind::Number(1, 1_000_000),
        "live streams (SSE, WebSocket) at a time; each has a descriptor of its own over HTTP/1.1",
    ),
    setting(
        "http.max_streams_per_ip",
        "50",
        Kind::Number(1, 1_000_000),
        "live streams of one client address; behind a proxy all have the proxy's",
    ),
    setting(
        "http.jwt_secret",
        "",
        Kind::Text,
        "secret of signed tokens for live streams (HS256), 32 bytes or more, such as ${env:JWT_SECRET}; empty: none",
    ),
    setting(
        "http.jwt_keys",
        "",
        Kind::Text,
        "file of public keys of signed tokens (RS256, ES256, EdDSA): PEM or a JSON Web Key Set; read again when it changes",
    ),
    setting("http.jwt_issuer", "", Kind::Text, "who must have issued signed tokens (iss); empty: anybody who has the key"),
    setting("http.jwt_audience", "", Kind::Text, "for whom signed tokens must be (aud); empty: not looked at"),
    setting("kafka.listen", "127.0.0.1:9092", Kind::Address, "the Kafka protocol over the built-in log"),
    setting("kafka.auth", "loopback", AUTH, "\"loopback\" or \"none\", as http.auth"),
    setting("kafka.advertised", "", Kind::AddressOrEmpty, "the address Kafka clients are told to use; empty: the one that is listened on"),
    setting("log.kind", "builtin", Kind::Word(&["builtin", "kafka"]), "\"builtin\", or \"kafka\" for an external Apache Kafka cluster"),
    setting("log.segment_bytes", "128MiB", Kind::Bytes, "size of one file of the built-in log"),
    setting("log.max_bytes", "40GiB", Kind::Bytes, "size of the whole built-in log; the oldest files go first"),
    setting("log.retention", "7d", Kind::Duration, "age at which a file of the built-in log goes"),
    setting("log.min_free_bytes", "256MiB", Kind::Bytes, "space that is always left on the disk; capture pauses before it is used"),
    setting(
        "log.key_index",
        "true",
        SWITCH,
        "the newest record of each key can be looked up (rowfeed get); about 30 bytes on the disk for each key, made beside everything else",
    ),
    setting("log.bootstrap", "", Kind::Text, "host:port,... of the external cluster; its other properties go under [log.kafka]"),
    setting("log.group", "default", Kind::Text, "tells several services on one external cluster apart (part of the transactional id)"),
    setting("topics.partitions", "1", Kind::Number(1, 1024), "partitions of new topics; 1 keeps the order of a whole table"),
    setting(
        "topics.compression_type",
        AS_PRODUCED,
        Kind::Word(&TOPIC_COMPRESSIONS),
        "compression of new topics; producer: as each connector's producer.override.compression.type says",
    ),
    setting("topics.replication_factor", "1", Kind::Number(1, 32767), "copies of new topics (external cluster)"),
    setting(
        "secrets.allowed_paths",
        "",
        Kind::Text,
        "folders, with commas between them, below which connectors that are made over HTTP may name files (${file:}, ${directory:}, options that are paths); empty: none with http.auth = \"token\", else all",
    ),
    setting("source.url", "", Kind::Text, "a whole connector named \"default\" from one URL; empty: none"),
    setting("source.tables", "", Kind::Text, "its tables, such as public.orders,public.users; empty: all"),
    setting("logging.level", "info", Kind::Text, "error, warn, info, debug, trace, or module=level,..."),
    setting("logging.format", "auto", Kind::Word(&["auto", "pretty", "json"]), "\"auto\": pretty on a terminal, JSON otherwise"),
    setting(
        "otel.endpoint",
        "",
        Kind::Text,
        "OTLP collector that gets a span per commit, such as http://127.0.0.1:4318; empty: as OTEL_EXPORTER_OTLP_ENDPOINT says (needs a build with --features otel)",
    ),
];

/// Properties of librdkafka for the external log, passed on as they are.
const KAFKA_PROPERTIES: &str = "log.kafka.";

/// The table of subscriptions: `[subscriptions.NAME]`.
const SUBSCRIPTIONS: &str = "subscriptions";

/// The prefix of environment variables.
const ENV_PREFIX: &str = "ROWFEED_";

/// Variables that are not settings of the service: the file itself, and what client commands read.
const ENV_OTHERS: [&str; 5] = ["ROWFEED_CONFIG", "ROWFEED_SERVER", "ROWFEED_TOKEN", "ROWFEED_TOKEN_FILE", "ROWFEED_CA"];

/// Another spelling of ROWFEED_CONNECTORS_DIR, which wins over it.
const ENV_CONNECTORS: &str = "ROWFEED_CONNECTORS";

/// Which log events go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKind {
    /// The log in this process.
    Builtin,
    /// An external Apache Kafka cluster.
    Kafka,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoggingFormat {
    /// Pretty on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// The service's settings, typed.
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
    /// Folder of connector files.
    pub connectors_dir: PathBuf,
    /// They are read again when they change.
    pub watch: bool,
    /// Folder of everything that is kept.
    pub data_dir: PathBuf,
    /// Where HTTP listens.
    pub http_listen: String,
    /// Without authentication HTTP answers this machine only.
    pub http_loopback: bool,
    /// HTTP asks for a token.
    pub http_token: bool,
    /// Certificate and key of HTTP; `None`: plain HTTP.
    pub http_tls: Option<(PathBuf, PathBuf)>,
    /// Origins whose pages may ask.
    pub cors_origins: Vec<String>,
    /// Live streams in all, and of one address.
    pub max_streams: [usize; 2],
    /// Secret of signed tokens.
    pub jwt_secret: Option<Secret>,
    /// Public keys of signed tokens.
    pub jwt_keys: Option<PathBuf>,
    /// Issuer and audience of signed tokens.
    pub jwt_claims: [Option<String>; 2],
    /// Private addresses that webhooks may go to.
    pub webhook_allow: String,
    /// Where the Kafka protocol listens.
    pub kafka_listen: String,
    /// What Kafka clients are told; `None` is the address bound.
    pub kafka_advertised: Option<String>,
    /// The log.
    pub log: LogConfig,
    /// New topics.
    pub topics: TopicDefaults,
    /// Below these, configurations that come over HTTP may name files; `None`: anywhere.
    pub secret_paths: Option<Vec<PathBuf>>,
    /// A connector from one URL, with its tables.
    pub source_url: Option<Secret>,
    /// Tables of that connector.
    pub source_tables: String,
    /// Level of log lines.
    pub logging_level: String,
    /// Form of log lines.
    pub logging_format: LoggingFormat,
    /// The collector of traces; empty: as the environment says.
    pub otel_endpoint: String,
    /// The subscriptions of the file: each name with its options.
    pub subscriptions: Vec<(String, Vec<Entry>)>,
    /// Where each setting came from, for `--print-config`.
    pub origins: Vec<Origin>,
    /// What a person should know although it is not an error.
    pub warnings: Vec<String>,
    given: Given,
}

/// What the settings were made from, and as which texts: to read them again. There may be secrets in it.
#[derive(Clone, Default)]
struct Given {
    sources: Sources,
    values: BTreeMap<String, String>,
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Given").finish_non_exhaustive()
    }
}

/// The log's settings.
#[derive(Clone)]
pub struct LogConfig {
    /// Which log.
    pub kind: LogKind,
    /// Size of a segment.
    pub segment_bytes: u64,
    /// Size of the whole log.
    pub max_bytes: u64,
    /// Age at which segments go.
    pub retention: Duration,
    /// Space left free on the disk.
    pub min_free_bytes: u64,
    /// The newest record of each key is indexed.
    pub key_index: bool,
    /// Brokers of the external cluster.
    pub bootstrap: String,
    /// Part of the transactional id in the external cluster.
    pub group: String,
    /// librdkafka properties of the external cluster, secrets resolved.
    pub kafka: BTreeMap<String, String>,
}

impl fmt::Debug for LogConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The properties may hold passwords: their names are enough.
        let names: Vec<&String> = self.kafka.keys().collect();
        f.debug_struct("LogConfig")
            .field("kind", &self.kind)
            .field("bootstrap", &self.bootstrap)
            .field("kafka", &names)
            .finish_non_exhaustive()
    }
}

/// A setting, its value, and which layer gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its name.
    pub name: String,
    /// Its value; stars for secrets.
    pub value: String,
    /// `default`, `rowfeed.toml:9:1`, `environment ROWFEED_X`, `--set`, `--http`.
    pub from: String,
}

/// Everything settings are made from. Nothing is read from the process itself, so tests can say it all.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// `--config`.
    pub file: Option<PathBuf>,
    /// No file is read, wherever one may be.
    pub no_file: bool,
    /// The environment.
    pub environment: Vec<(String, String)>,
    /// `--set key=value`, in order.
    pub set: Vec<String>,
    /// Flags of their own: setting, value, flag.
    pub flags: Vec<(&'static str, String, &'static str)>,
    /// Where relative search begins; the working directory.
    pub working_dir: PathBuf,
}

impl Sources {
    /// The process's own environment and working directory.
    pub fn of_process() -> Self {
        let environment = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self { environment: environment.collect(), working_dir: PathBuf::from("."), ..Self::default() }
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.environment.iter().find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// The first of `--config`, `ROWFEED_CONFIG`, `./rowfeed.toml`, the user's and the system's; none is needed.
    fn find_file(&self) -> Result<Option<PathBuf>, Problem> {
        if self.no_file {
            return Ok(None);
        }
        let asked = self.file.clone().or_else(|| self.variable("ROWFEED_CONFIG").map(PathBuf::from));
        if let Some(path) = asked {
            let path = self.working_dir.join(path);
            return if path.is_file() {
                Ok(Some(path))
            } else {
                Err(Problem::refuse("config/file", format!("{} cannot be read", path.display())).why("there is no such file"))
            };
        }
        let user = self.variable("XDG_CONFIG_HOME").map(PathBuf::from).or_else(|| Some(Path::new(self.variable("HOME")?).join(".config")));
        let candidates = [
            Some(self.working_dir.join("rowfeed.toml")),
            user.map(|dir| dir.join("rowfeed/rowfeed.toml")),
            Some("/etc/rowfeed/rowfeed.toml".into()),
        ];
        Ok(candidates.into_iter().flatten().find(|path| path.is_file()))
    }
}

impl ServiceConfig {
    /// Reads all layers once more, from where they were read before: the environment and the command line are what they were.
    pub fn load_again(&self) -> Result<Self, Vec<Problem>> {
        Self::load(&self.given.sources)
    }

    /// The names of the settings that other settings have another value for.
    pub fn differs_in(&self, other: &Self) -> Vec<String> {
        let (own, others) = (&self.given.values, &other.given.values);
        let names: std::collections::BTreeSet<&String> = own.keys().chain(others.keys()).collect();
        names.into_iter().filter(|name| own.get(*name) != others.get(*name)).cloned().collect()
    }

    /// Takes one setting's text over from other settings, and where it comes from.
    pub fn note(&mut self, name: &str, other: &Self) {
        if let (Some(own), Some(others)) =
            (self.origins.iter_mut().find(|own| own.name == name), other.origins.iter().find(|other| other.name == name))
        {
            own.clone_from(others);
        }
        match other.given.values.get(name) {
            Some(value) => drop(self.given.values.insert(name.to_owned(), value.clone())),
            None => drop(self.given.values.remove(name)),
        }
    }

    /// Reads and merges all layers; every problem is reported, not only the first.
    pub fn load(sources: &Sources) -> Result<Self, Vec<Problem>> {
        let file = sources.find_file().map_err(|problem| vec![problem])?;
        let mut layers = Layers::default();
        layers.defaults();
        if let Some(path) = &file {
            layers.file(path);
        }
        layers.environment(&sources.environment);
        layers.set(&sources.set);
        layers.flags(&sources.flags);
        let settings = layers.merge();
        let mut reader = Reader { settings: &settings, problems: layers.problems };
        let base = file.as_deref().and_then(Path::parent).map_or_else(|| sources.working_dir.clone(), Path::to_owned);
        let mut config = reader.read(file, &base, sources, layers.warnings);
        config.subscriptions = layers.subscriptions;
        config.given.sources = sources.clone();
        config.given.values = settings.iter().map(|(name, setting)| (name.clone(), setting.value.trim().to_owned())).collect();
        if reader.problems.is_empty() { Ok(config) } else { Err(reader.problems) }
    }
}

/// A setting in one layer.
#[derive(Clone, Debug)]
struct Setting {
    value: String,
    from: String,
    place: Option<Place>,
}

/// One layer as a source of the `config` crate, which does the merging. Keys are escaped so that a dot inside a name
/// (`log.kafka.sasl.mechanism`) never becomes a nested table.
#[derive(Clone, Debug)]
struct Layer(Vec<(String, usize)>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, config::Value>, ConfigError> {
        let value = |index: usize| config::Value::from(i64::try_from(index).unwrap_or(i64::MAX));
        Ok(self.0.iter().map(|(key, index)| (escape(key), value(*index))).collect())
    }
}

fn escape(key: &str) -> String {
    use std::fmt::Write;
    key.bytes().fold("k".to_owned(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() {
            out.push(byte.into())
        } else {
            write!(out, "_{byte:02x}").expect("writing to a String cannot fail")
        }
        out
    })
}

/// The layers in their order, lowest first.
#[derive(Default)]
struct Layers {
    settings: Vec<Setting>,
    layers: Vec<Layer>,
    names: Vec<String>,
    subscriptions: Vec<(String, Vec<Entry>)>,
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

impl Layers {
    fn push(&mut self, layer: Vec<(String, Setting)>) {
        let mut keys = Vec::new();
        for (name, setting) in layer {
            keys.push((name.clone(), self.settings.len()));
            self.settings.push(setting);
            if !self.names.contains(&name) {
                self.names.push(name);
            }
        }
        self.layers.push(Layer(keys));
    }

    fn defaults(&mut self) {
        let default = |key: &ServiceKey| Setting { value: key.default.to_owned(), from: "default".to_owned(), place: None };
        self.push(KEYS.iter().map(|key| (key.name.to_owned(), default(key))).collect());
    }

    fn file(&mut self, path: &Path) {
        let shown = path.strip_prefix("./").unwrap_or(path).display().to_string();
        let entries = match document::read_file(path).and_then(|text| document::parse_toml(&shown, &text)) {
            Ok(entries) => entries,
            Err(problem) => return self.problems.push(problem),
        };
        let mut layer = Vec::new();
        for entry in entries {
            let name = entry.key();
            if let [SUBSCRIPTIONS, subscription, _, ..] = entry.path.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                match self.subscriptions.iter_mut().find(|(known, _)| known == subscription) {
                    Some((_, entries)) => entries.push(entry),
                    None => self.subscriptions.push((subscription.to_owned(), vec![entry])),
                }
            } else if is_known(&name) {
                let setting = Setting { value: entry.value.joined(), from: entry.key_at.short(), place: Some(entry.value_at) };
                layer.push((name, setting));
            } else {
                self.problems.push(unknown(&name).at(entry.key_at.show(&hint(&name))));
            }
        }
        self.push(layer);
    }

    fn environment(&mut self, environment: &[(String, String)]) {
        let mut layer = Vec::new();
        let (short, long): (Vec<_>, Vec<_>) = environment.iter().partition(|(variable, _)| variable == ENV_CONNECTORS);
        for (variable, value) in short.into_iter().chain(long) {
            let Some(rest) = variable.strip_prefix(ENV_PREFIX) else { continue };
            if ENV_OTHERS.contains(&variable.as_str()) {
                continue;
            }
            let rest = if variable == ENV_CONNECTORS { "CONNECTORS_DIR" } else { rest };
            match setting_of_variable(rest) {
                Some(name) => layer.push((name, Setting { value: value.clone(), from: format!("environment {variable}"), place: None })),
                None => {
                    let names: Vec<String> = KEYS.iter().map(|key| variable_of_setting(key.name)).collect();
                    let hint = suggest::did_you_mean(variable, names.iter().map(String::as_str));
                    self.warnings
                        .push(format!("the environment variable {variable} is not a setting; {hint}").trim_end_matches("; ").to_owned());
                }
            }
        }
        self.push(layer);
    }

    fn set(&mut self, set: &[String]) {
        let mut layer = Vec::new();
        for text in set {
            match text.split_once('=') {
                Some((name, value)) if is_known(name.trim()) => {
                    let setting = Setting { value: value.trim().to_owned(), from: "--set".to_owned(), place: None };
                    layer.push((name.trim().to_owned(), setting));
                }
                Some((name, _)) => self.problems.push(unknown(name.trim()).at("--set").fix(hint(name.trim()))),
                None => self.problems.push(Problem::refuse("config/value", format!("--set {text} has no value")).fix("--set key=value")),
            }
        }
        self.push(layer);
    }

    fn flags(&mut self, flags: &[(&'static str, String, &'static str)]) {
        let setting = |value: &String, flag: &str| Setting { value: value.clone(), from: flag.to_owned(), place: None };
        self.push(flags.iter().map(|(name, value, flag)| ((*name).to_owned(), setting(value, flag))).collect());
    }

    /// The winning setting of each name.
    fn merge(&self) -> BTreeMap<String, Setting> {
        let builder = self.layers.iter().fold(Config::builder(), |builder, layer| builder.add_source(layer.clone()));
        let merged = builder.build().expect("our layers are flat maps of numbers, which always merge");
        let winner = |name: &String| {
            let index = merged.get_int(&escape(name)).ok().and_then(|index| usize::try_from(index).ok())?;
            Some((name.clone(), self.settings.get(index)?.clone()))
        };
        self.names.iter().filter_map(winner).collect()
    }
}

fn is_known(name: &str) -> bool {
    KEYS.iter().any(|key| key.name == name) || name.strip_prefix(KAFKA_PROPERTIES).is_some_and(|property| !property.is_empty())
}

fn unknown(name: &str) -> Problem {
    Problem::refuse("config/unknown-key", format!("unknown key \"{name}\""))
}

fn hint(name: &str) -> String {
    suggest::did_you_mean(name, KEYS.iter().map(|key| key.name))
}

/// `http.listen` is `ROWFEED_HTTP_LISTEN`.
pub fn variable_of_setting(name: &str) -> String {
    format!("{ENV_PREFIX}{}", name.to_ascii_uppercase().replace('.', "_"))
}

fn setting_of_variable(rest: &str) -> Option<String> {
    let known = KEYS.iter().find(|key| variable_of_setting(key.name).strip_prefix(ENV_PREFIX) == Some(rest));
    let property = || rest.strip_prefix("LOG_KAFKA_").filter(|property| !property.is_empty());
    known
        .map(|key| key.name.to_owned())
        .or_else(|| Some(format!("{KAFKA_PROPERTIES}{}", property()?.to_ascii_lowercase().replace('_', "."))))
}

struct Reader<'a> {
    settings: &'a BTreeMap<String, Setting>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn read(&mut self, file: Option<PathBuf>, base: &Path, sources: &Sources, warnings: Vec<String>) -> ServiceConfig {
        for key in KEYS {
            self.check(key);
        }
        let text = |name: &str| self.text(name);
        let not_empty = |name: &str| Some(text(name)).filter(|text| !text.is_empty());
        let connectors_dir = self.folder("connectors_dir", base, sources);
        let config = ServiceConfig {
            file,
            connectors_dir,
            watch: text("watch").eq_ignore_ascii_case("true"),
            data_dir: self.folder("data.dir", base, sources),
            http_listen: text("http.listen"),
            http_loopback: text("http.auth") == "loopback",
            http_token: text("http.auth") == "token",
            http_tls: not_empty("http.tls_cert")
                .and(not_empty("http.tls_key"))
                .map(|_| (self.folder("http.tls_cert", base, sources), self.folder("http.tls_key", base, sources))),
            cors_origins: list(&text("http.cors_origins")).map(str::to_owned).collect(),
            max_streams: ["http.max_streams", "http.max_streams_per_ip"].map(|name| text(name).parse().unwrap_or(1)),
            jwt_secret: None,
            jwt_keys: not_empty("http.jwt_keys").map(|_| self.folder("http.jwt_keys", base, sources)),
            jwt_claims: ["http.jwt_issuer", "http.jwt_audience"].map(not_empty),
            webhook_allow: text("http.webhook_allow"),
            kafka_listen: text("kafka.listen"),
            kafka_advertised: not_empty("kafka.advertised"),
            log: LogConfig {
                kind: if text("log.kind") == "kafka" { LogKind::Kafka } else { LogKind::Builtin },
                segment_bytes: self.bytes("log.segment_bytes"),
                max_bytes: self.bytes("log.max_bytes"),
                retention: quantity::parse_duration(&text("log.retention")).unwrap_or_default(),
                min_free_bytes: self.bytes("log.min_free_bytes"),
                key_index: text("log.key_index").eq_ignore_ascii_case("true"),
                bootstrap: text("log.bootstrap"),
                group: text("log.group"),
                kafka: BTreeMap::new(),
            },
            topics: TopicDefaults {
                partitions: text("topics.partitions").parse().unwrap_or(1),
                replication_factor: text("topics.replication_factor").parse().unwrap_or(1),
                compression: Compression::named(&text("topics.compression_type")),
            },
            secret_paths: Some(list(&text("secrets.allowed_paths")).map(PathBuf::from).collect())
                .filter(|paths: &Vec<PathBuf>| !paths.is_empty() || text("http.auth") == "token"),
            source_url: not_empty("source.url").map(Secret::new),
            source_tables: text("source.tables"),
            logging_level: text("logging.level"),
            logging_format: match text("logging.format").as_str() {
                "pretty" => LoggingFormat::Pretty,
                "json" => LoggingFormat::Json,
                _ => LoggingFormat::Auto,
            },
            otel_endpoint: text("otel.endpoint"),
            subscriptions: Vec::new(),
            origins: self.origins(),
            warnings,
            given: Given::default(),
        };
        self.complete(config)
    }

    /// What concerns several settings at once.
    fn complete(&mut self, mut config: ServiceConfig) -> ServiceConfig {
        config.log.kafka = self.kafka_properties();
        match secrets::resolve(&self.text("http.jwt_secret")) {
            Ok(secret) => config.jwt_secret = Some(secret).filter(|secret| !secret.is_empty()).map(Secret::new),
            Err(problem) => self.problem_at("http.jwt_secret", problem),
        }
        for (given, missing) in [("http.tls_cert", "http.tls_key"), ("http.tls_key", "http.tls_cert")] {
            if !self.text(given).is_empty() && self.text(missing).is_empty() {
                let problem = Problem::refuse("config/missing", format!("{missing} is missing")).why(format!("{given} is of no use alone"));
                self.problem_at(given, problem);
            }
        }
        if !config.otel_endpoint.is_empty() && !["http://", "https://"].iter().any(|scheme| config.otel_endpoint.starts_with(scheme)) {
            self.problem_at("otel.endpoint", invalid("otel.endpoint", &config.otel_endpoint, "a URL such as http://127.0.0.1:4318"));
        }
        if let Some(relative) = config.secret_paths.iter().flatten().find(|path| !path.is_absolute()) {
            let relative = relative.display().to_string();
            self.problem_at("secrets.allowed_paths", invalid("secrets.allowed_paths", &relative, "folders such as /run/secrets"));
        }
        self.refuse_open_listener("http");
        self.refuse_open_listener("kafka");
        if config.log.kind == LogKind::Kafka && config.log.bootstrap.is_empty() {
            let problem =
                Problem::refuse("config/missing", "log.bootstrap is missing").why("log.kind = \"kafka\" needs the cluster's address");
            self.problems.push(problem.fix("log.bootstrap = \"HOST:9092\""));
        }
        // Smaller segments than a commit make no sense; larger ones than half the log make its limit useless.
        let sizes = ["log.segment_bytes", "log.max_bytes"];
        if sizes.iter().any(|name| quantity::parse_bytes(&self.text(name)).is_err()) {
            // Told already.
        } else if config.log.segment_bytes < SEGMENT_BYTES_MIN || config.log.segment_bytes > SEGMENT_BYTES_MAX {
            let value = self.text("log.segment_bytes");
            self.problem_at("log.segment_bytes", invalid("log.segment_bytes", &value, "a size from 1MiB to 1GiB"));
        } else if config.log.max_bytes < config.log.segment_bytes.saturating_mul(2) {
            let value = self.text("log.max_bytes");
            self.problem_at("log.max_bytes", invalid("log.max_bytes", &value, "at least twice log.segment_bytes"));
        }
        config
    }

    fn setting(&self, name: &str) -> Option<&Setting> {
        self.settings.get(name)
    }

    fn text(&self, name: &str) -> String {
        self.setting(name).map(|setting| setting.value.trim().to_owned()).unwrap_or_default()
    }

    fn bytes(&self, name: &str) -> u64 {
        quantity::parse_bytes(&self.text(name)).unwrap_or_default()
    }

    /// A relative folder in the settings file is relative to that file; anywhere else to the working directory.
    fn folder(&self, name: &str, base: &Path, sources: &Sources) -> PathBuf {
        let text = self.text(name);
        let folder = match self.setting(name) {
            Some(setting) if setting.place.is_some() || (name == "connectors_dir" && setting.from == "default") => base.join(text),
            _ => sources.working_dir.join(text),
        };
        // Shown to people: `./data`, not `././data`.
        folder.components().collect()
    }

    fn problem_at(&mut self, name: &str, problem: Problem) {
        let at = self.setting(name).map(|setting| match &setting.place {
            Some(place) => place.show(""),
            None => setting.from.clone(),
        });
        self.problems.push(problem.at(at.unwrap_or_default()));
    }

    fn check(&mut self, key: &ServiceKey) {
        let value = self.text(key.name);
        let result = match key.kind {
            Kind::Text => Ok(()),
            Kind::AddressOrEmpty if value.is_empty() => Ok(()),
            Kind::Address | Kind::AddressOrEmpty => {
                split_address(&value).map(drop).ok_or_else(|| invalid(key.name, &value, "HOST:PORT, such as 127.0.0.1:8083"))
            }
            Kind::Bytes => {
                quantity::parse_bytes(&value).map(drop).map_err(|why| invalid(key.name, &value, &format!("a size such as 40GiB: {why}")))
            }
            Kind::Duration => quantity::parse_duration(&value)
                .map(drop)
                .map_err(|why| invalid(key.name, &value, &format!("a duration such as 7d: {why}"))),
            Kind::Number(low, high) => match value.parse::<u64>() {
                Ok(number) if (low..=high).contains(&number) => Ok(()),
                _ => Err(invalid(key.name, &value, &format!("a number from {low} to {high}"))),
            },
            Kind::Origins => match list(&value).find(|origin| !is_origin(origin)) {
                None => Ok(()),
                Some(wrong) => Err(invalid(key.name, wrong, "origins such as https://app.example.com, never *")),
            },
            Kind::Word(words) if words.contains(&value.as_str()) => Ok(()),
            Kind::Word(words) => {
                let hint = suggest::did_you_mean(&value, words.iter().copied());
                Err(invalid(key.name, &value, &format!("one of {}", words.join(", "))).fix(hint))
            }
        };
        if let Err(problem) = result {
            self.problem_at(key.name, problem);
        }
    }

    fn kafka_properties(&mut self) -> BTreeMap<String, String> {
        let mut properties = BTreeMap::new();
        for (name, setting) in self.settings {
            let Some(property) = name.strip_prefix(KAFKA_PROPERTIES) else { continue };
            match secrets::resolve(&setting.value) {
                Ok(value) => drop(properties.insert(property.to_owned(), value)),
                Err(problem) => self.problems.push(problem.at(setting.from.clone())),
            }
        }
        properties
    }

    /// Without authentication, other machines could read every row: that must be said in words.
    fn refuse_open_listener(&mut self, which: &str) {
        let (listen, auth) = (format!("{which}.listen"), format!("{which}.auth"));
        let address = self.text(&listen);
        let Some((host, _)) = split_address(&address) else { return };
        if !matches!(self.text(&auth).as_str(), "none" | "token") && !is_loopback(host) {
            let problem = Problem::refuse(
                "listener/insecure",
                format!("{listen} = \"{address}\" would be open to other machines without authentication"),
            )
            .why(format!("anyone who reaches {address} could read every captured row"))
            .fix(format!(
                "listen on 127.0.0.1, {}or say so in words:  {auth} = \"none\"   ({}=none)",
                if which == "http" { "or ask for tokens (http.auth = \"token\"), " } else { "" },
                variable_of_setting(&auth)
            ));
            self.problem_at(&listen, problem);
        }
    }

    fn origins(&self) -> Vec<Origin> {
        let shown = |name: &str, value: &str| {
            if secrets::may_be_named(name) && !value.is_empty() && !secrets::is_reference(value) {
                secrets::MASK.to_owned()
            } else {
                value.to_owned()
            }
        };
        let origin = |(name, setting): (&String, &Setting)| Origin {
            name: name.clone(),
            value: shown(name, &setting.value),
            from: setting.from.clone(),
        };
        self.settings.iter().map(origin).collect()
    }
}

const SEGMENT_BYTES_MIN: u64 = 1 << 20;
/// A position inside a segment must fit 32 bits with room to spare.
const SEGMENT_BYTES_MAX: u64 = 1 << 30;

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// As browsers write an origin: scheme and host in small letters, a port only where it is not the scheme's, no path.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return false };
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, '.' | '-' | ':' | '[' | ']');
    matches!(scheme, "http" | "https") && !host.is_empty() && host.chars().all(plain)
}

/// Splits `host:port`; IPv6 stands in brackets and comes without them.
pub fn split_address(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_host = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':'));
    is_host.then_some(())?;
    Some((host, port.parse().ok()?))
}

/// True for names and addresses that only this machine reaches.
pub fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// `rowfeed.toml` with every default written out: the committed file is this text.
pub fn default_file() -> String {
    let mut out = String::from(
        "# rowfeed.toml: every setting of the service with its default. None is needed.\n\
         # Each is also ROWFEED_<SECTION>_<NAME> in the environment and --set section.name=value; those win over this file.\n\n",
    );
    let mut section = "";
    for key in KEYS {
        let (table, name) = key.name.split_once('.').unwrap_or(("", key.name));
        if table != section {
            out.push_str(&format!("\n[{table}]\n"));
            section = table;
        }
        let bare = matches!(key.kind, Kind::Number(..)) || matches!(key.default, "true" | "false");
        let value = if bare { key.default.to_owned() } else { format!("\"{}\"", key.default) };
        out.push_str(&format!("# {}\n{name} = {value}\n", key.doc));
    }
    out.push_str(
        "\n# Properties of librdkafka for an external cluster, as they are; secrets as ${env:NAME} or ${file:/path}.\n\
         # [log.kafka]\n# \"security.protocol\" = \"SASL_SSL\"\n# \"sasl.password\" = \"${env:KAFKA_PASSWORD}\"\n",
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_are_read_again_say_what_is_another() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let write = |text: &str| std::fs::write(dir.path().join("rowfeed.toml"), text).expect("written");
        write("[logging]\nlevel = \"warn\"\n[log.kafka]\n\"sasl.password\" = \"planted-one\"\n");
        let sources = Sources { set: vec!["http.listen=127.0.0.1:1".to_owned()], working_dir: dir.path().to_owned(), ..Sources::default() };
        let mut running = load(&sources).expect("valid");
        assert!(!format!("{running:?}").contains("planted-one"));
        write("[logging]\nlevel = \"info\"\n[http]\nlisten = \"127.0.0.1:2\"\n[log.kafka]\n\"sasl.password\" = \"planted-two\"\n");
        let read = running.load_again().expect("valid");
        assert_eq!(read.differs_in(&running), ["log.kafka.sasl.password", "logging.level"], "--set wins over the file as before");
        running.note("logging.level", &read);
        assert_eq!(read.differs_in(&running), ["log.kafka.sasl.password"]);
        let level = running.origins.iter().find(|origin| origin.name == "logging.level").expect("listed");
        assert_eq!(level.value, "info", "it is told as it holds now");
        write("[nothing]\n");
        assert!(running.load_again().is_ok());
        write("x = 1\n");
        assert_eq!(running.load_again().expect_err("no such key")[0].code, "config/unknown-key");
    }

    fn load(sources: &Sources) -> Result<ServiceConfig, Vec<Problem>> {
        ServiceConfig::load(sources)
    }

    fn in_folder() -> (tempfile::TempDir, Sources) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let sources = Sources { working_dir: dir.path().to_owned(), ..Sources::default() };
        (dir, sources)
    }

    #[test]
    fn each_layer_wins_over_the_one_below() {
        let (dir, mut sources) = in_folder();
        assert_eq!(load(&sources).expect("defaults").http_listen, "127.0.0.1:8083");
        std::fs::write(dir.path().join("rowfeed.toml"), "[http]\nlisten = \"127.0.0.1:1\"\n").expect("written");
        assert_eq!(load(&sources).expect("file").http_listen, "127.0.0.1:1");
        sources.environment = vec![("ROWFEED_HTTP_LISTEN".into(), "127.0.0.1:2".into())];
        assert_eq!(load(&sources).expect("environment").http_listen, "127.0.0.1:2");
        sources.set = vec!["http.listen=127.0.0.1:3".into(), "http.listen=127.0.0.1:4".into()];
        assert_eq!(load(&sources).expect("--set").http_listen, "127.0.0.1:4");
        sources.flags = vec![("http.listen", "127.0.0.1:5".into(), "--http")];
        let config = load(&sources).expect("flag");
        assert_eq!(config.http_listen, "127.0.0.1:5");
        let origin = config.origins.iter().find(|origin| origin.name == "http.listen").expect("listed");
        assert_eq!(origin.from, "--http");
    }

    #[test]
    fn the_short_variable_of_the_connectors_folder_is_one_of_the_environment() {
        let (dir, mut sources) = in_folder();
        sources.environment = vec![("ROWFEED_CONNECTORS".into(), "a".into())];
        let folder = |sources: &Sources| load(sources).expect("valid").connectors_dir;
        assert_eq!(folder(&sources), dir.path().join("a"));
        sources.environment.insert(0, ("ROWFEED_CONNECTORS_DIR".into(), "b".into()));
        assert_eq!(folder(&sources), dir.path().join("b"));
        sources.set = vec!["connectors_dir=c".into()];
        assert_eq!(folder(&sources), dir.path().join("c"));
    }

    #[test]
    fn the_committed_file_says_every_default() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("rowfeed.toml");
        if std::env::var_os("UPDATE_FILES").is_some() {
            std::fs::write(&path, default_file()).expect("written");
        }
        let committed = std::fs::read_to_string(&path).expect("rowfeed.toml is committed");
        assert_eq!(committed, default_file(), "run this test with UPDATE_FILES=1 to write the new text");
        let (dir, sources) = in_folder();
        let defaults = load(&sources).expect("defaults");
        std::fs::write(dir.path().join("rowfeed.toml"), committed).expect("written");
        let from_file = load(&sources).expect("the committed file is valid");
        let values = |config: &ServiceConfig| config.origins.iter().map(|origin| origin.value.clone()).collect::<Vec<_>>();
        assert_eq!(values(&defaults), values(&from_file));
        assert_eq!(defaults.connectors_dir, from_file.connectors_dir);
    }

    #[test]
    fn an_open_listener_must_be_asked_for_in_words() {
        let (_dir, mut sources) = in_folder();
        sources.set = vec!["http.listen=0.0.0.0:8083".into()];
        let problems = load(&sources).expect_err("open to all");
        assert_eq!(problems[0].code, "listener/insecure");
        assert!(problems[0].fix.contains("http.auth = \"none\"") && problems[0].fix.contains("ROWFEED_HTTP_AUTH=none"));
        sources.set.push("http.auth=none".into());
        assert!(load(&sources).is_ok());
        sources.set = vec!["kafka.listen=[::1]:9092".into()];
        assert!(load(&sources).is_ok());
    }

    #[test]
    fn with_tokens_http_may_listen_anywhere_and_origins_are_named_whole() {
        let (_dir, mut sources) = in_folder();
        sources.set = vec!["http.listen=0.0.0.0:8083".into(), "http.auth=token".into()];
        let config = load(&sources).expect("a token is asked for");
        assert!(config.http_token && !config.http_loopback);
        sources.set.push("http.cors_origins=https://app.example.com, http://localhost:3000".into());
        assert_eq!(load(&sources).expect("two origins").cors_origins, ["https://app.example.com", "http://localhost:3000"]);
        for wrong in ["*", "https://*.example.com", "app.example.com", "https://app.example.com/", "null", "https://App.example.com"] {
            sources.set = vec![format!("http.cors_origins={wrong}")];
            assert_eq!(load(&sources).expect_err(wrong)[0].code, "config/value", "{wrong}");
        }
        sources.set = vec!["kafka.auth=token".into()];
        assert!(load(&sources).is_err(), "the Kafka protocol knows no tokens");
    }

    #[test]
    fn with_tokens_http_names_files_of_the_allowed_folders_only() {
        let (_dir, mut sources) = in_folder();
        assert_eq!(load(&sources).expect("defaults").secret_paths, None);
        sources.set = vec!["http.auth=token".into()];
        assert_eq!(load(&sources).expect("tokens").secret_paths, Some(Vec::new()));
        sources.set = vec!["secrets.allowed_paths=/run/secrets, /etc/rowfeed/secrets".into()];
        let expected = ["/run/secrets", "/etc/rowfeed/secrets"].map(PathBuf::from).to_vec();
        assert_eq!(load(&sources).expect("two folders").secret_paths, Some(expected));
        sources.set = vec!["secrets.allowed_paths=secrets".into()];
        assert_eq!(load(&sources).expect_err("relative to what")[0].code, "config/value");
    }

    #[test]
    fn unknown_and_wrong_settings_are_named_with_their_place() {
        let (dir, mut sources) = in_folder();
        std::fs::write(dir.path().join("rowfeed.toml"), "[http]\nlisen = \"127.0.0.1:1\"\n[log]\nmax_bytes = \"lots\"\n").expect("written");
        sources.set = vec!["log.knd=kafka".into(), "nothing".into()];
        let problems = load(&sources).expect_err("four mistakes");
        let at = dir.path().join("rowfeed.toml").display().to_string();
        assert_eq!(problems[0].at, format!("{at}:2:1\n  2 | lisen = \"127.0.0.1:1\"\n    | ^^^^^ did you mean \"http.listen\"?"));
        assert_eq!((problems[1].code, problems[1].fix.as_str()), ("config/unknown-key", "did you mean \"log.kind\"?"));
        assert_eq!(problems[2].what, "--set nothing has no value");
        assert_eq!(problems[3].what, "log.max_bytes = \"lots\" is not allowed");
    }

    #[test]
    fn kafka_properties_pass_through_and_are_never_printed() {
        let (dir, mut sources) = in_folder();
        let text = "[log]\nkind = \"kafka\"\nbootstrap = \"k:9092\"\n[log.kafka]\nsecurity.protocol = \"SASL_SSL\"\n\"sasl.password\" = \"hunter2\"\n\"ssl.key.pem\" = \"hunter2\"\n";
        std::fs::write(dir.path().join("rowfeed.toml"), text).expect("written");
        sources.environment = vec![("ROWFEED_LOG_KAFKA_SASL_USERNAME".into(), "me".into()), ("ROWFEED_HTPP_LISTEN".into(), "x".into())];
        let config = load(&sources).expect("valid");
        assert_eq!(config.log.kind, LogKind::Kafka);
        let properties: Vec<_> = config.log.kafka.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(properties, ["sasl.password=hunter2", "sasl.username=me", "security.protocol=SASL_SSL", "ssl.key.pem=hunter2"]);
        assert!(!format!("{config:?}").contains("hunter2"));
        assert_eq!(
            config.warnings,
            ["the environment variable ROWFEED_HTPP_LISTEN is not a setting; did you mean \"ROWFEED_HTTP_LISTEN\"?"]
        );
    }
}
