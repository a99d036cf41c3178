//! Asking a schema registry for ids: the one of this process, or another one over HTTP.
//!
//! Promises that every question has an end (limits of time and size, every address tried once) and that an answer says what a
//! person has to do: passing trouble is tried again by whoever asks, a refusal is not. Passwords are sent and never shown.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::Schemas;
use super::apicurio;
use crate::config::postgres::{Language, RegistryApi, RegistrySettings};
use crate::encode::wire::Registration;
use crate::problem::Problem;
use crate::registry::subjects::Offer;
use crate::registry::{Kind, Refusal};

/// A question to one address has this long: a registry that has just started takes its time, and two questions (of a key and
/// of a value) fit well into the time after which PostgreSQL gives up a receiver that says nothing.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(15);
/// An answer has at most this many bytes: the largest is a schema.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// A registry that is asked.
#[derive(Clone)]
pub enum Client {
    /// That of this process.
    Own(Arc<Schemas>),
    /// Another one.
    Other(Arc<Other>),
}

/// A registry behind HTTP.
pub struct Other {
    api: RegistryApi,
    agent: ureq::Agent,
    urls: Vec<String>,
    /// The header of basic authentication.
    authorization: Option<String>,
}

/// What to do about a subject's schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Register it, unless it is there.
    Register,
    /// It must be there.
    Find,
}

impl Client {
    /// The registry that a converter names, or this process's own.
    pub fn new(settings: &RegistrySettings, own: Option<Arc<Schemas>>) -> Result<Self, Problem> {
        if settings.urls.is_empty() {
            return own.map(Self::Own).ok_or_else(|| {
                Problem::fail("registry/missing", "Avro needs a schema registry")
                    .why("with an external log, this process has none of its own")
                    .fix("value.converter.schema.registry.url=http://HOST:8081")
            });
        }
        let mut config =
            ureq::Agent::config_builder().timeout_global(Some(ANSWER_WAIT_MAX)).http_status_as_error(false).max_redirects(0).proxy(None);
        if settings.urls.iter().any(|url| url.starts_with("https://")) {
            let (provider, roots) = crate::postgres::tls::of_the_system()
                .map_err(|error| Problem::fail("registry/tls", "the schema registry cannot be reached by TLS").why(error.to_string()))?;
            let roots: Vec<_> = roots.iter().map(|der| ureq::tls::Certificate::from_der(der).to_owned()).collect();
            let tls = ureq::tls::TlsConfig::builder().unversioned_rustls_crypto_provider(provider).root_certs(roots.into());
            config = config.tls_config(tls.build());
        }
        let authorization = settings.user.as_ref().map(|(name, password)| {
            use base64::Engine;
            format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{name}:{}", password.expose())))
        });
        let (api, urls) = (settings.api, settings.urls.clone());
        Ok(Self::Other(Arc::new(Other { api, agent: config.build().into(), urls, authorization })))
    }

    /// The id of a schema under a subject.
    pub async fn id(&self, subject: &str, schema: &Registration, ask: Ask, normalize: bool) -> Result<u32, Problem> {
        match self {
            Self::Own(schemas) => {
                let kind = kind(schema.language).ok_or_else(nonsense)?;
                let offer = Offer { kind, text: schema.text.clone(), normalize, ..Offer::default() };
                let found = match ask {
                    Ask::Register => schemas.register(subject, offer).await,
                    Ask::Find => schemas.look_up(subject, offer, false).await,
                };
                found.map(|version| version.id).map_err(|refusal| problem(subject, &refusal))
            }
            Self::Other(other) => {
                let question = other.about(subject, schema, ask, normalize)?;
                let answer = Arc::clone(other).ask(subject, question).await?;
                other.id(&answer).ok_or_else(nonsense)
            }
        }
    }

    /// The latest version of a subject: its id and schema. Of Apicurio's registry nobody asks it: there, what is used is registered.
    pub async fn latest(&self, subject: &str) -> Result<(u32, String), Problem> {
        match self {
            Self::Own(schemas) => {
                let subjects = schemas.subjects();
                let latest = subjects.version(subject, None, false).map_err(|refusal| problem(subject, &refusal))?;
                Ok((latest.id, latest.schema.text.clone()))
            }
            Self::Other(other) => {
                let question = Question::new(format!("/subjects/{}/versions/latest", escaped(subject)), None);
                let answer = Arc::clone(other).ask(subject, question).await?;
                let id = confluent_id(&answer);
                let schema = answer.get("schema").and_then(Json::as_str).map(str::to_owned);
                id.zip(schema).ok_or_else(nonsense)
            }
        }
    }
}

/// What is asked behind a registry's address.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<String>,
}

impl Question {
    /// One in Confluent's language.
    fn new(path: String, body: Option<String>) -> Self {
        let kind = "application/vnd.schemaregistry.v1+json".to_owned();
        let mut headers = vec![("Accept", kind.clone())];
        headers.extend(body.is_some().then_some(("Content-Type", kind)));
        Self { path, headers, body }
    }
}

impl Other {
    /// The question whose answer has a schema's id.
    fn about(&self, subject: &str, schema: &Registration, ask: Ask, normalize: bool) -> Result<Question, Problem> {
        if matches!(self.api, RegistryApi::Apicurio { .. }) {
            let url = self.urls.first().map(String::as_str).unwrap_or_default();
            return Ok(apicurio::registering(url, subject, schema));
        }
        let kind = kind(schema.language).ok_or_else(nonsense)?;
        let versions = if ask == Ask::Register { "/versions" } else { "" };
        let path = format!("/subjects/{}{versions}?normalize={normalize}", escaped(subject));
        let mut body = json!({ "schema": schema.text });
        if kind != Kind::Avro {
            body["schemaType"] = kind.name().into();
        }
        Ok(Question::new(path, Some(body.to_string())))
    }

    /// The id in its answer.
    fn id(&self, answer: &Json) -> Option<u32> {
        match self.api {
            RegistryApi::Confluent => confluent_id(answer),
            RegistryApi::Apicurio { global_ids } => apicurio::id(answer, global_ids),
        }
    }

    async fn ask(self: Arc<Self>, subject: &str, question: Question) -> Result<Json, Problem> {
        let subject = subject.to_owned();
        let asked = tokio::task::spawn_blocking(move || {
            let mut last = Problem::retry("registry/unreachable", "no schema registry is named");
            for url in &self.urls {
                match self.ask_one(url, &question) {
                    Ok((200..300, answer)) => return serde_json::from_str(&answer).map_err(|_| nonsense()),
                    Ok((status @ (408 | 429 | 500..), answer)) => {
                        last = Problem::retry("registry/unavailable", format!("the schema registry {url} answers {status}"))
                            .why(told(&answer).1);
                    }
                    Ok((status, answer)) => {
                        let (code, message) = told(&answer);
                        return Err(problem(&subject, &Refusal::new(code.unwrap_or(status.into()), message)));
                    }
                    Err(why) => {
                        last = Problem::retry("registry/unreachable", format!("the schema registry {url} does not answer")).why(why)
                    }
                }
            }
            Err(last)
        });
        asked.await.unwrap_or_else(|_| Err(Problem::fail("internal/panic", "asking the schema registry met a defect")))
    }

    fn ask_one(&self, url: &str, question: &Question) -> Result<(u16, String), String> {
        let url = format!("{url}{}", question.path);
        let authorization = self.authorization.iter().map(|user| ("Authorization", user));
        let headers = question.headers.iter().map(|(name, value)| (*name, value)).chain(authorization);
        let mut answer = match &question.body {
            Some(body) => headers.fold(self.agent.post(&url), |request, (name, value)| request.header(name, value)).send(body),
            None => headers.fold(self.agent.get(&url), |request, (name, value)| request.header(name, value)).call(),
        }
        .map_err(|error| error.to_string())?;
        let mut text = String::new();
        let mut body = answer.body_mut().as_reader().take(ANSWER_BYTES_MAX);
        body.read_to_string(&mut text).map_err(|error| error.to_string())?;
        Ok((answer.status().as_u16(), text))
    }
}

fn confluent_id(answer: &Json) -> Option<u32> {
    answer.get("id").and_then(Json::as_u64).and_then(|id| u32::try_from(id).ok())
}

/// What Confluent's registries call it; none of them has Kafka Connect's own schemas.
fn kind(language: Language) -> Option<Kind> {
    match language {
        Language::Avro => Some(Kind::Avro),
        Language::Json => Some(Kind::Json),
        Language::Protobuf => Some(Kind::Protobuf),
        Language::Connect => None,
    }
}

/// Code and message of an answer that is an error.
fn told(answer: &str) -> (Option<u32>, String) {
    let json: Json = serde_json::from_str(answer).unwrap_or_default();
    let code = json.get("error_code").and_then(Json::as_u64).and_then(|code| u32::try_from(code).ok());
    (code, json.get("message").and_then(Json::as_str).unwrap_or_default().to_owned())
}

fn nonsense() -> Problem {
    Problem::fail("registry/answer", "the schema registry's answer is not one")
        .fix("is schema.registry.url (or apicurio.registry.url) the address of a schema registry?")
}

/// A refusal as a person meets it.
fn problem(subject: &str, refusal: &Refusal) -> Problem {
    let what = |what: &str| format!("the schema of {subject} {what}");
    let problem = match refusal.code {
        // Apicurio's registry, of a schema that somebody else, or a question that was given up, is registering at this moment.
        409 if refusal.message.trim_end_matches('.').ends_with("already exists") => {
            Problem::retry("registry/unavailable", what("is being registered by somebody else"))
        }
        409 => Problem::fail("registry/incompatible", what("is not compatible with the one before it")).fix(
            "change the table back, or allow the change in the registry (Confluent's: PUT /config/SUBJECT, Apicurio's: the artifact's \
             rules), then restart the connector",
        ),
        40401..=40499 | 404 => Problem::fail("registry/not-found", what("is not registered"))
            .fix("register it, or let the connector do it: auto.register.schemas=true"),
        401 | 403 | 40101..=40399 => Problem::fail("registry/auth", "the schema registry refuses the connector's user")
            .fix("correct basic.auth.user.info, or with Apicurio's converters apicurio.auth.username and apicurio.auth.password"),
        _ if refusal.status() >= 500 => Problem::retry("registry/unavailable", what("could not be registered")),
        _ => Problem::fail("registry/refused", what("was refused")),
    };
    problem.why(refusal.message.clone())
}

/// A subject as one piece of a path.
fn escaped(subject: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    subject.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Action;

    #[test]
    fn refusals_are_for_a_person_and_trouble_is_tried_again() {
        for (code, expected, action) in [
            (409, "registry/incompatible", Action::Fail),
            (40403, "registry/not-found", Action::Fail),
            (401, "registry/auth", Action::Fail),
            (42201, "registry/refused", Action::Fail),
            (50001, "registry/unavailable", Action::Retry),
            (503, "registry/unavailable", Action::Retry),
        ] {
            let problem = problem("t-value", &Refusal::new(code, "because"));
            assert_eq!((problem.code, problem.action, problem.why.as_str()), (expected, action, "because"), "{code}");
        }
        let meanwhile = problem("t-key", &Refusal::new(409, "An artifact with ID 't-key' in group 'null' already exists."));
        assert_eq!((meanwhile.code, meanwhile.action), ("registry/unavailable", Action::Retry));
        assert_eq!(escaped("a-é/value"), "a-%C3%A9%2Fvalue");
    }

    #[tokio::test]
    async fn a_registry_that_is_away_is_passing_trouble() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        drop(listener);
        let settings = RegistrySettings { urls: vec![url], ..RegistrySettings::default() };
        let client = Client::new(&settings, None).expect("a client");
        let problem = client
            .id("t-value", &Registration::new(Language::Avro, "\"int\"".into(), "t"), Ask::Register, false)
            .await
            .expect_err("nobody is there");
        assert_eq!((problem.code, problem.action), ("registry/unreachable", Action::Retry));
        let problem = Client::new(&RegistrySettings::default(), None).err().expect("none");
        assert_eq!(problem.code, "registry/missing");
    }
}
