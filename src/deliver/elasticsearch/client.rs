//! The server behind HTTP: Elasticsearch or OpenSearch, one request at a time.
//!
//! Promises that every request has an end (a time, the bytes of its answer, every address tried once), that passwords are sent and never shown,
//! and that no redirect is followed and no proxy of the environment used. Leaves what an answer means to [`super::bulk`].

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::settings::{Login, Settings};
use crate::problem::Problem;

/// An answer to a bulk of documents has a few hundred bytes for each; one with documents in it is as large as they are.
const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// How the server is asked.
pub struct Client {
    agent: ureq::Agent,
    urls: Vec<String>,
    /// Whose turn it is.
    turn: AtomicUsize,
    authorization: Option<String>,
}

/// What it answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
    /// The body.
    pub body: Vec<u8>,
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
        Ok(Self { agent: config.build().into(), urls: settings.urls.clone(), turn: AtomicUsize::new(0), authorization })
    }

    /// Asks one address after the other until one answers; passing trouble when none does. `wait`: instead of the usual time.
    pub async fn ask(self: &Arc<Self>, path: &str, body: Option<Vec<u8>>, wait: Option<Duration>) -> Result<Answer, Problem> {
        let (client, path) = (Arc::clone(self), path.to_owned());
        let asked = tokio::task::spawn_blocking(move || client.ask_all(&path, body.as_deref(), wait)).await;
        asked.unwrap_or_else(|_| Err(Problem::fail("internal/panic", "asking the search server met a defect")))
    }

    fn ask_all(&self, path: &str, body: Option<&[u8]>, wait: Option<Duration>) -> Result<Answer, Problem> {
        let mut last = Problem::retry("search/unreachable", "no search server is named");
        for _ in 0..self.urls.len() {
            let turn = self.turn.load(Relaxed) % self.urls.len();
            let Some(url) = self.urls.get(turn) else { break };
            match self.ask_one(&format!("{url}{path}"), body, wait) {
                Ok(answer) => return Ok(answer),
                Err(why) => {
                    last = Problem::retry("search/unreachable", format!("the search server {url} does not answer")).why(why);
                    self.turn.store(turn + 1, Relaxed);
                }
            }
        }
        Err(last)
    }

    fn ask_one(&self, url: &str, body: Option<&[u8]>, wait: Option<Duration>) -> Result<Answer, String> {
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
        }
        .map_err(|error| error.to_string())?;
        let retry_after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let mut bytes = Vec::new();
        let mut reader = answer.body_mut().as_reader().take(ANSWER_BYTES_MAX);
        reader.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        Ok(Answer { status: answer.status().as_u16(), retry_after, body: bytes })
    }
}
