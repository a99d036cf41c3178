//! The server behind HTTP: Elasticsearch or OpenSearch, one request at a time.
//!
//! Promises that every request has an end (a time, the bytes of its answer, every address tried once), that passwords are sent and never shown,
//! and that no redirect is followed and no proxy of the environment used. A connection is made to an address that was judged, and never to
//! one that is link-local, metadata, multicast or unspecified ([`never()`]). Leaves what an answer means to [`super::bulk`].

use std::fmt;
use std::io::Read;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use super::settings::{Login, Settings};
use crate::deliver::blocking::{self, Blocked};
use crate::deliver::webhook::address::never;
use crate::problem::Problem;

/// An answer to a bulk of documents has a few hundred bytes for each; one with documents in it is as large as they are.
pub const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// Who has no body to send asks for little.
const GREETING_BYTES_MAX: u64 = 64 << 10;

/// Looks names up, and leaves out the addresses that nothing is sent to.
#[derive(Debug)]
struct Judged(DefaultResolver);

/// All addresses of a name are such ones: the first, and what it is.
#[derive(Debug)]
struct Refused(IpAddr, &'static str);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.0, self.1)
    }
}

impl std::error::Error for Refused {}

impl Resolver for Judged {
    fn resolve(
        &self,
        uri: &ureq::http::Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.0.resolve(uri, config, timeout)?;
        let (mut may, mut refused) = (self.empty(), None);
        for address in &found {
            match never(address.ip()) {
                None => may.push(*address),
                Some(what) => refused = refused.or(Some(Refused(address.ip(), what))),
            }
        }
        match refused {
            Some(refused) if may.is_empty() => Err(ureq::Error::Other(Box::new(refused))),
            _ => Ok(may),
        }
    }
}

/// What is said of an address that nothing is sent to.
pub fn refusal(url: &str, what: &str) -> Problem {
    Problem::fail("search/address", format!("the search server {url} is not asked"))
        .why(format!("{what}: a subscription must not be a way to what only this machine can reach"))
        .fix("give the server another address")
}

/// How the server is asked.
pub struct Client {
    agent: ureq::Agent,
    urls: Vec<String>,
    /// Whose turn it is.
    turn: AtomicUsize,
    authorization: Option<String>,
    timeout: Duration,
}

/// What it answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
    /// The body, or its beginning.
    pub body: Vec<u8>,
    /// The body is no longer than what was to be read of it.
    pub is_whole: bool,
}

impl Client {
    /// A client of these settings.
    pub fn new(settings: &Settings) -> Result<Self, Problem> {
        let mut config =
            ureq::Agent::config_builder().timeout_global(Some(settings.timeout)).http_status_as_error(false).max_redirects(0).proxy(None);
        if settings.urls.iter().any(|url| url.starts_with("https://")) {
            let refused = |why: String| Problem::fail("search/tls", "the search server cannot be reached by TLS").why(why);
            let (provider, mut roots) = crate::postgres::tls::of_the_system().map_err(|error| refused(error.to_string()))?;
            if let Some(text) = &settings.ca {
                let ca = ureq::tls::parse_pem(text.as_bytes()).filter_map(|item| match item {
                    Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(certificate.der().to_vec()),
                    _ => None,
                });
                roots = ca.collect();
                if roots.is_empty() {
                    return Err(refused("there is no certificate in ca; it is to be PEM: ${file:/etc/rowfeed/ca.crt}".to_owned()));
                }
            }
            let roots: Vec<_> = roots.iter().map(|der| ureq::tls::Certificate::from_der(der).to_owned()).collect();
            let tls = ureq::tls::TlsConfig::builder().unversioned_rustls_crypto_provider(provider).root_certs(roots.into());
            config = config.tls_config(tls.build());
        }
        let authorization = match &settings.login {
            Login::Nobody => None,
            Login::User(user, password) => Some(format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.expose())))),
            Login::ApiKey(key) => Some(format!("ApiKey {}", key.expose())),
        };
        let agent = ureq::Agent::with_parts(config.build(), DefaultConnector::default(), Judged(DefaultResolver::default()));
        Ok(Self { agent, urls: settings.urls.clone(), turn: AtomicUsize::new(0), authorization, timeout: settings.timeout })
    }

    /// Asks one address after the other until one answers; passing trouble when none does. `wait`: instead of the usual time.
    pub async fn ask(self: &Arc<Self>, path: &str, body: Option<Vec<u8>>, wait: Option<Duration>) -> Result<Answer, Problem> {
        let most = if body.is_some() { ANSWER_BYTES_MAX } else { GREETING_BYTES_MAX };
        self.ask_for(path, body, wait, most).await
    }

    /// The same, with `most` bytes of the answer read.
    pub async fn ask_for(
        self: &Arc<Self>,
        path: &str,
        body: Option<Vec<u8>>,
        wait: Option<Duration>,
        most: u64,
    ) -> Result<Answer, Problem> {
        let (client, path) = (Arc::clone(self), path.to_owned());
        let room_wait = wait.unwrap_or(self.timeout);
        let asked = blocking::call(&blocking::QUESTIONS, room_wait, move || client.ask_all(&path, body.as_deref(), wait, most)).await;
        asked.unwrap_or_else(|blocked| match blocked {
            Blocked::NoRoom => Err(Problem::retry("search/unreachable", "the search server was not asked")
                .why(format!("other search servers that do not answer were waited for, {} s long", room_wait.as_secs()))),
            Blocked::Panicked => Err(Problem::fail("internal/panic", "asking the search server met a defect")),
        })
    }

    fn ask_all(&self, path: &str, body: Option<&[u8]>, wait: Option<Duration>, most: u64) -> Result<Answer, Problem> {
        let mut last = Problem::retry("search/unreachable", "no search server is named");
        for _ in 0..self.urls.len() {
            let turn = self.turn.load(Relaxed) % self.urls.len();
            let Some(url) = self.urls.get(turn) else { break };
            match self.ask_one(&format!("{url}{path}"), body, wait, most) {
                Ok(answer) => return Ok(answer),
                Err(ureq::Error::Other(other)) if other.is::<Refused>() => return Err(refusal(url, &other.to_string())),
                Err(why) => {
                    last = Problem::retry("search/unreachable", format!("the search server {url} does not answer")).why(why.to_string());
                    self.turn.store(turn + 1, Relaxed);
                }
            }
        }
        Err(last)
    }

    fn ask_one(&self, url: &str, body: Option<&[u8]>, wait: Option<Duration>, most: u64) -> Result<Answer, ureq::Error> {
        let mut answer = match body {
            Some(body) => {
                let kind = if url.contains("/_bulk") { "application/x-ndjson" } else { "application/json" };
                let mut request = self.agent.post(url).header("Content-Type", kind);
                if let Some(authorization) = &self.authorization {
                    request = request.header("Authorization", authorization);
                }
                if let Some(wait) = wait {
                    request = request.config().timeout_global(Some(wait)).build();
                }
                request.send(body)
            }
            None => {
                let mut request = self.agent.get(url);
                if let Some(authorization) = &self.authorization {
                    request = request.header("Authorization", authorization);
                }
                request.call()
            }
        }?;
        let retry_after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let mut bytes = Vec::new();
        let mut reader = answer.body_mut().as_reader().take(most + 1);
        reader.read_to_end(&mut bytes)?;
        let is_whole = bytes.len() as u64 <= most;
        Ok(Answer { status: answer.status().as_u16(), retry_after, body: bytes, is_whole })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::options::{Options, of_json};

    fn client(url: &str) -> Arc<Client> {
        let json = serde_json::json!({ "url": url, "timeout": "2s" });
        let mut options = Options::new(of_json(&json).unwrap(), std::collections::BTreeMap::new(), true);
        Arc::new(Client::new(&Settings::read(&mut options).unwrap()).unwrap())
    }

    #[tokio::test]
    async fn metadata_is_not_asked_by_whatever_name() {
        // Spellings that no setting sees through: the addresses are judged that the system makes of them.
        for url in ["http://0", "http://0xa9fea9fe:80", "http://2852039166/latest", "http://169.254.43518"] {
            let problem = client(url).ask("/", None, None).await.unwrap_err();
            assert_eq!(problem.code, "search/address", "{url}: {problem}");
        }
        let problem = client("http://127.0.0.1:1").ask("/", None, None).await.unwrap_err();
        assert_eq!(problem.code, "search/unreachable", "this machine may be asked: {problem}");
    }
}
