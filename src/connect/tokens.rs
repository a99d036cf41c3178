//! Tokens: who may ask the service for what.
//!
//! Owns the tokens, their scopes and how they are kept: `token-<name>` on `connect-configs`, which is handed out to nobody, holds a
//! SHA-256 and never the token itself. A token has 256 random bits, so a plain hash is enough: there is no dictionary to try. Promises
//! that a token is shown once, when it is made, and that a revoked one is refused at once, also where it has a stream open. Leaves which request needs which scope to
//! [`crate::http`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value as Json, json};
use tokio::sync::watch;

use super::store::Store;
use crate::config::Secret;
use crate::log::topic::fits;
use crate::problem::Problem;

/// What every token begins with, so that scanners for leaked secrets can find it.
const PREFIX: &str = "rf_";
/// Tokens at a time.
const TOKENS_MAX: usize = 1000;
/// Bytes of a token's name.
const NAME_BYTES_MAX: usize = 100;
/// Scopes of a token.
const SCOPES_MAX: usize = 100;

/// What a token may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    Admin,
    /// See metrics and the service's own state.
    ReadMetrics,
    /// Read topics whose name fits the pattern (`*` stands for any text), and schemas.
    ReadTopics(String),
    /// See connectors, without changing them.
    ReadConnectors,
    /// See and change connectors.
    WriteConnectors,
    /// Register and change schemas.
    WriteSchemas,
    /// See subscriptions, without changing them.
    ReadSubscriptions,
    /// See, pause, resume, test and replay subscriptions.
    WriteSubscriptions,
}

/// What a request needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// A token, whatever it may do.
    AnyToken,
    /// [`Scope::Admin`].
    Admin,
    /// Metrics.
    Metrics,
    /// This topic.
    Topic(String),
    /// The names of topics, or schemas.
    Topics,
    /// Connectors, without changing them.
    SeeConnectors,
    /// Connectors.
    Connectors,
    /// Schemas.
    Schemas,
    /// Subscriptions, without changing them.
    SeeSubscriptions,
    /// Subscriptions.
    Subscriptions,
}

impl Scope {
    /// All forms, for people.
    pub const FORMS: &str = "admin, read:metrics, read:topics, read:topics:PATTERN, read:connectors, write:connectors, write:schemas, read:subscriptions, write:subscriptions";

    /// Reads `read:topics:shop.*` and the like.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "admin" => Self::Admin,
            "read:metrics" => Self::ReadMetrics,
            "read:topics" => Self::ReadTopics("*".into()),
            "read:connectors" => Self::ReadConnectors,
            "write:connectors" => Self::WriteConnectors,
            "write:schemas" => Self::WriteSchemas,
            "read:subscriptions" => Self::ReadSubscriptions,
            "write:subscriptions" => Self::WriteSubscriptions,
            _ => Self::ReadTopics(text.strip_prefix("read:topics:").filter(|pattern| !pattern.is_empty())?.to_owned()),
        })
    }

    /// Whether it covers what a request needs.
    pub fn covers(&self, need: &Need) -> bool {
        match (self, need) {
            (Self::Admin, _)
            | (Self::ReadMetrics, Need::Metrics)
            | (Self::ReadTopics(_), Need::Topics)
            | (Self::WriteConnectors, Need::Connectors)
            | (Self::ReadConnectors | Self::WriteConnectors, Need::SeeConnectors)
            | (Self::WriteSchemas, Need::Schemas | Need::Topics)
            | (Self::ReadSubscriptions, Need::SeeSubscriptions)
            | (Self::WriteSubscriptions, Need::SeeSubscriptions | Need::Subscriptions) => true,
            // A pattern in a request is covered by the same pattern, and by one that covers it as text: what `shop.*` finds,
            // `shop.*` may see.
            (Self::ReadTopics(pattern), Need::Topic(topic)) => fits(pattern, topic),
            _ => false,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admin => f.write_str("admin"),
            Self::ReadMetrics => f.write_str("read:metrics"),
            Self::ReadTopics(pattern) if pattern == "*" => f.write_str("read:topics"),
            Self::ReadTopics(pattern) => write!(f, "read:topics:{pattern}"),
            Self::ReadConnectors => f.write_str("read:connectors"),
            Self::WriteConnectors => f.write_str("write:connectors"),
            Self::WriteSchemas => f.write_str("write:schemas"),
            Self::ReadSubscriptions => f.write_str("read:subscriptions"),
            Self::WriteSubscriptions => f.write_str("write:subscriptions"),
        }
    }
}

/// A token, without what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
    hash: [u8; 32],
}

impl Token {
    /// Whether it may do what a request needs.
    pub fn meets(&self, need: &Need) -> bool {
        *need == Need::AnyToken || self.scopes.iter().any(|scope| scope.covers(need))
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("known", &self.known().len()).finish_non_exhaustive()
    }
}

/// All tokens.
pub struct Tokens {
    store: Store,
    known: Mutex<BTreeMap<String, Token>>,
    /// Becomes another number when one was revoked.
    revoked: watch::Sender<u64>,
    /// One change at a time: what is kept and what is known stay the same.
    changing: tokio::sync::Mutex<()>,
}

/// Why a token is not made or revoked.
#[derive(Debug)]
pub enum TokenError {
    /// No such token.
    NotFound(String),
    /// The name is taken.
    Exists(String),
    /// What is asked for is wrong.
    Invalid(String),
    /// It could not be kept.
    Failed(Problem),
}

impl Tokens {
    /// The tokens that are kept.
    pub fn open(store: Store) -> Result<Self, Problem> {
        let read = |(name, value): (String, Json)| parse(&name, &value).map(|token| (name, token));
        let known = store.load_tokens()?.into_iter().filter_map(read).collect();
        Ok(Self { store, known: Mutex::new(known), revoked: watch::Sender::new(0), changing: tokio::sync::Mutex::default() })
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Token>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them by name.
    pub fn list(&self) -> Vec<Token> {
        self.known().values().cloned().collect()
    }

    /// Makes a token; the secret is in the answer and nowhere else.
    pub async fn create(&self, name: &str, scopes: Vec<Scope>, now_ms: i64) -> Result<(Token, Secret), TokenError> {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(plain) {
            return Err(TokenError::Invalid(format!("a token's name has 1 to {NAME_BYTES_MAX} letters, digits, and - _ .")));
        }
        if scopes.is_empty() || scopes.len() > SCOPES_MAX {
            return Err(TokenError::Invalid(format!("a token has 1 to {SCOPES_MAX} scopes: {}", Scope::FORMS)));
        }
        let _one = self.changing.lock().await;
        {
            let known = self.known();
            if known.contains_key(name) {
                return Err(TokenError::Exists(name.to_owned()));
            }
            if known.len() >= TOKENS_MAX {
                return Err(TokenError::Invalid(format!("there are {TOKENS_MAX} tokens already: revoke some")));
            }
        }
        let mut random = [0; 32];
        let filled = SystemRandom::new().fill(&mut random);
        filled.map_err(|_| TokenError::Failed(Problem::fail("system/random", "the system gives no random numbers")))?;
        let secret = Secret::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random)));
        let token = Token { name: name.to_owned(), scopes, created_ms: now_ms, hash: hash(secret.expose()) };
        let scopes: Vec<String> = token.scopes.iter().map(Scope::to_string).collect();
        let value = json!({ "sha256": URL_SAFE_NO_PAD.encode(token.hash), "scopes": scopes, "created_ms": now_ms });
        self.store.put_token(name, Some(&value)).await.map_err(TokenError::Failed)?;
        self.known().insert(name.to_owned(), token.clone());
        Ok((token, secret))
    }

    /// Revokes a token: from the answer on it is refused.
    pub async fn revoke(&self, name: &str) -> Result<(), TokenError> {
        let _one = self.changing.lock().await;
        if !self.known().contains_key(name) {
            return Err(TokenError::NotFound(name.to_owned()));
        }
        self.store.put_token(name, None).await.map_err(TokenError::Failed)?;
        self.known().remove(name);
        self.revoked.send_modify(|times| *times += 1);
        Ok(())
    }

    /// Whether a token was not revoked, nor another one made in its name.
    pub fn is_known(&self, token: &Token) -> bool {
        self.known().get(&token.name).is_some_and(|known| is_same(&known.hash, &token.hash))
    }

    /// Returns when a token is revoked, also where another one of its name was made since. Cancel-safe.
    pub async fn until_revoked(&self, token: &Token) {
        let mut revoked = self.revoked.subscribe();
        // The sender is ours, so it is there as long as we are.
        while self.is_known(token) && revoked.changed().await.is_ok() {}
    }

    /// The token that was shown, if it is one. Every token is compared whole, whichever it is.
    pub fn of_secret(&self, secret: &str) -> Option<Token> {
        let shown = hash(secret);
        let mut found = None;
        for token in self.known().values() {
            if is_same(&token.hash, &shown) {
                found = Some(token.clone());
            }
        }
        found
    }
}

fn hash(secret: &str) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, secret.as_bytes()).as_ref());
    out
}

/// In the same time wherever they differ.
fn is_same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    std::hint::black_box(one.iter().zip(other).fold(0, |difference, (one, other)| difference | (one ^ other))) == 0
}

/// A kept token; one that this version does not understand is none: it opens nothing.
fn parse(name: &str, value: &Json) -> Option<Token> {
    let hash = URL_SAFE_NO_PAD.decode(value.get("sha256")?.as_str()?).ok()?.try_into().ok()?;
    let scopes = value.get("scopes")?.as_array()?.iter().filter_map(|scope| Scope::parse(scope.as_str()?)).collect();
    Some(Token { name: name.to_owned(), scopes, created_ms: value.get("created_ms").and_then(Json::as_i64).unwrap_or(0), hash })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_covers_what_it_says_and_nothing_else() {
        let covers = |scope: &str, need: Need| Scope::parse(scope).expect("a scope").covers(&need);
        assert!(covers("admin", Need::Admin) && covers("admin", Need::Topic("x".into())));
        for scope in ["read:metrics", "read:topics", "read:connectors", "write:connectors", "write:schemas"] {
            assert!(!covers(scope, Need::Admin), "{scope}");
        }
        assert!(covers("read:connectors", Need::SeeConnectors) && !covers("read:connectors", Need::Connectors));
        assert!(covers("write:connectors", Need::SeeConnectors) && !covers("write:connectors", Need::Topic("t".into())));
        assert!(covers("read:topics", Need::Topic("any".into())) && !covers("read:topics", Need::Schemas));
        assert!(
            covers("read:topics:shop.*", Need::Topic("shop.public.t".into())) && !covers("read:topics:shop.*", Need::Topic("crm.t".into()))
        );
        // What a request may find is no wider than what the token names.
        assert!(
            covers("read:topics:shop.*", Need::Topic("shop.public.*".into())) && !covers("read:topics:shop.*", Need::Topic("*".into()))
        );
        for none in ["", "root", "read:", "read:topics:", "ADMIN"] {
            assert_eq!(Scope::parse(none), None, "{none}");
        }
        for (pattern, text, expected) in
            [("a*b*c", "a-b-c", true), ("a*b*c", "acb", false), ("*", "", true), ("a*a", "a", false), ("x", "xy", false)]
        {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[tokio::test]
    async fn a_token_is_found_until_it_is_revoked_and_is_kept_as_a_hash_only() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let store = || Store::File(dir.path().join("connectors.json"));
        let tokens = Tokens::open(store()).expect("opened");
        let (token, secret) = tokens.create("ci", vec![Scope::Admin], 7).await.expect("made");
        assert!(secret.expose().starts_with(PREFIX) && secret.expose().len() > 40);
        assert!(matches!(tokens.create("ci", vec![Scope::Admin], 7).await, Err(TokenError::Exists(_))));
        assert!(matches!(tokens.create("a/b", vec![Scope::Admin], 7).await, Err(TokenError::Invalid(_))));
        let kept = std::fs::read_to_string(dir.path().join("connectors.json")).expect("kept");
        assert!(!kept.contains(secret.expose()) && kept.contains("token-ci"), "{kept}");
        let again = Tokens::open(store()).expect("opened again");
        assert_eq!(again.of_secret(secret.expose()), Some(token));
        assert_eq!(again.of_secret("rf_wrong"), None);
        let (token, _) = again.create("other", vec![Scope::Admin], 7).await.expect("made");
        let until = again.until_revoked(&token);
        tokio::pin!(until);
        again.revoke("ci").await.expect("revoked");
        let soon = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(soon, &mut until).await.is_err(), "another one was revoked");
        again.revoke("other").await.expect("revoked");
        again.create("other", vec![Scope::Admin], 7).await.expect("made");
        until.await;
        again.until_revoked(&token).await;
        again.revoke("other").await.expect("revoked");
        assert_eq!(again.of_secret(secret.expose()), None);
        assert!(Tokens::open(store()).expect("opened").list().is_empty());
        assert!(matches!(again.revoke("ci").await, Err(TokenError::NotFound(_))));
    }
}
