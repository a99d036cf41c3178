//! The options of a search sink.

use std::time::Duration;

use crate::config::Secret;
use crate::config::define::invalid;
use crate::deliver::{Key, Options};
use crate::event::Template;

/// The options beside those that all subscriptions have.
pub static KEYS: &[Key] = &[
    Key { name: "url", default: "", doc: "http:// or https:// address, or several; the next one is asked when one does not answer" },
    Key { name: "index", default: "{table}", doc: "the index of a table's rows, of {table}, {schema} and {topic}; lower case" },
    Key { name: "user", default: "", doc: "basic authentication, with password" },
    Key { name: "password", default: "", doc: "its password" },
    Key { name: "api_key", default: "", doc: "an API key, as the server encoded it" },
    Key {
        name: "ca",
        default: "",
        doc: "who may have signed its certificate, PEM: ${file:/etc/rowfeed/ca.crt}; without it the machine's authorities",
    },
    Key { name: "mark", default: "rowfeed", doc: "member of each document with its topic and LSN, which TRUNCATE needs; empty: none" },
    Key { name: "bulk_bytes", default: "5MiB", doc: "one request has so many bytes at most, a document that is larger alone excepted" },
    Key { name: "bulk_records", default: "2000", doc: "and so many documents" },
    Key { name: "timeout", default: "60s", doc: "a request has so long" },
];

/// What a search sink is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Addresses without a slash at the end.
    pub urls: Vec<String>,
    /// The index of a table's rows.
    pub index: Template,
    /// How it is asked.
    pub login: Login,
    /// Authorities of its certificate, PEM.
    pub ca: Option<String>,
    /// The member with topic and LSN.
    pub mark: Option<String>,
    /// The most bytes of a request.
    pub bulk_bytes: usize,
    /// The most documents of one.
    pub bulk_records: usize,
    /// How long a request may take.
    pub timeout: Duration,
}

/// Who asks.
#[derive(Clone, Debug)]
pub enum Login {
    /// Nobody.
    Nobody,
    /// A user with a password.
    User(String, Secret),
    /// An API key.
    ApiKey(Secret),
}

impl Settings {
    /// Reads them; none when there are mistakes, which the options remember.
    pub fn read(options: &mut Options) -> Option<Self> {
        let urls: Vec<String> = options.list("url").iter().map(|url| url.trim_end_matches('/').to_owned()).collect();
        let mut is_right = true;
        if urls.is_empty() {
            options.problem("url", crate::config::define::required("url").fix("url = \"http://127.0.0.1:9200\""));
            is_right = false;
        }
        if let Some(url) = urls.iter().find(|url| !is_address(url)) {
            let shown = url.rsplit('@').next().unwrap_or_default().to_owned();
            options.problem("url", invalid("url", &shown, "http://HOST:PORT or https://HOST:PORT; user and password are options"));
            is_right = false;
        }
        let text = options.text("index").unwrap_or_else(|| "{table}".to_owned());
        let index = match Template::parse(&text) {
            Ok(template) if template.is_constant() && !text.contains("{op}") => Some(template),
            Ok(_) => {
                let must = "made of {table}, {schema} and {topic}: a deleted row's other columns are not known";
                options.problem("index", invalid("index", &text, must));
                None
            }
            Err(problem) => {
                options.problem("index", problem);
                None
            }
        };
        let (user, password) = (options.text("user"), options.secret("password"));
        let login = match (user, password, options.secret("api_key")) {
            (None, None, None) => Login::Nobody,
            (Some(user), Some(password), None) => Login::User(user, password),
            (None, None, Some(key)) => Login::ApiKey(key),
            _ => {
                options.problem("user", invalid("user", "...", "user with password, or api_key alone"));
                is_right = false;
                Login::Nobody
            }
        };
        let settings = Self {
            urls,
            index: index?,
            login,
            ca: options.text("ca").filter(|pem| !pem.trim().is_empty()),
            mark: Some(options.text("mark").unwrap_or_else(|| "rowfeed".to_owned())).filter(|mark| !mark.is_empty()),
            bulk_bytes: bytes(options)?,
            bulk_records: usize::try_from(options.number("bulk_records", 2000, 1..=50_000)).unwrap_or(1),
            timeout: options.duration("timeout", Duration::from_secs(60)),
        };
        is_right.then_some(settings)
    }
}

fn bytes(options: &mut Options) -> Option<usize> {
    let Some(text) = options.text("bulk_bytes") else { return Some(5 << 20) };
    let bytes = crate::config::quantity::parse_bytes(&text).ok().and_then(|bytes| usize::try_from(bytes).ok());
    let bytes = bytes.filter(|bytes| (1 << 10..=100 << 20).contains(bytes));
    if bytes.is_none() {
        options.problem("bulk_bytes", invalid("bulk_bytes", &text, "a size from 1KiB to 100MiB"));
    }
    bytes
}

fn is_address(url: &str) -> bool {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic()) && !rest.contains(['@', '?', '#']))
}
