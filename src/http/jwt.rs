//! Signed tokens (JWT) that say what a page may see of which topics.
//!
//! Owns their verification, HS256 by a secret, RS256, ES256 and EdDSA by public keys (PEM, or a JSON Web Key Set, read again when the
//! file changes), and the claim `rowfeed`: `{"topics": ["shop.public.orders"], "where": {"shop.public.orders": "user_id = :claims.sub"}}`. Promises that
//! a key is used with its own algorithm only, so that no token chooses how it is verified, that a token without an end is refused,
//! and that what a claim gives a filter is a value and never a part of it.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::{hmac, signature};
use serde_json::Value as Json;
use tokio::sync::watch;
use x509_cert::der::Decode;
use x509_cert::spki::SubjectPublicKeyInfoRef;

use super::auth::{Grant, Rules};
use crate::config::Secret;
use crate::event::{Filter, Literal};
use crate::problem::Problem;

/// Bytes of a token.
const TOKEN_BYTES_MAX: usize = 8 << 10;
/// Bytes of a file of keys.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Keys of a file.
const KEYS_MAX: usize = 100;
/// Bytes of a secret, at least.
const SECRET_BYTES_MIN: usize = 32;
/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Clocks may differ by this.
const LEEWAY: Duration = Duration::from_secs(30);
/// Topics of one token.
const TOPICS_MAX: usize = 1000;

/// What tokens are verified by.
#[derive(Clone, Debug, Default)]
pub struct JwtSettings {
    /// The secret of HS256.
    pub secret: Option<Secret>,
    /// The file of public keys.
    pub keys: Option<PathBuf>,
    /// Who must have issued a token; none: anybody with the key.
    pub issuer: Option<String>,
    /// For whom it must be; none: not looked at.
    pub audience: Option<String>,
}

/// A public key, or a secret.
enum Material {
    Secret(hmac::Key),
    /// DER of PKCS#1.
    Rsa(Vec<u8>),
    RsaParts(signature::RsaPublicKeyComponents<Vec<u8>>),
    /// A point, not compressed.
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Material {
    /// The one algorithm that it is used with.
    fn algorithm(&self) -> &'static str {
        match self {
            Self::Secret(_) => "HS256",
            Self::Rsa(_) | Self::RsaParts(_) => "RS256",
            Self::P256(_) => "ES256",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    fn has_signed(&self, message: &[u8], signed: &[u8]) -> bool {
        let by = |algorithm: &'static dyn signature::VerificationAlgorithm, key: &[u8]| {
            signature::UnparsedPublicKey::new(algorithm, key).verify(message, signed).is_ok()
        };
        match self {
            Self::Secret(key) => hmac::verify(key, message, signed).is_ok(),
            Self::Rsa(key) => by(&signature::RSA_PKCS1_2048_8192_SHA256, key),
            Self::RsaParts(parts) => parts.verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, signed).is_ok(),
            Self::P256(key) => by(&signature::ECDSA_P256_SHA256_FIXED, key),
            Self::Ed25519(key) => by(&signature::ED25519, key),
        }
    }
}

struct Key {
    id: Option<String>,
    material: Material,
}

/// Verifies tokens.
pub struct Verifier {
    settings: JwtSettings,
    secret: Option<Key>,
    keys: RwLock<Vec<Key>>,
    /// The file as it was read last, good or not.
    read: std::sync::Mutex<Vec<u8>>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("keys", &self.settings.keys).finish_non_exhaustive()
    }
}

fn wrong(what: impl Into<String>) -> Problem {
    Problem::refuse("http/jwt", what)
        .fix("http.jwt_keys: public keys, PEM or a JSON Web Key Set; http.jwt_secret: 32 bytes or more, for HS256")
}

fn refused(what: impl Into<String>) -> Problem {
    Problem::refuse("http/token-refused", what)
}

impl Verifier {
    /// By these settings; `None` when they name no key.
    pub fn open(settings: JwtSettings) -> Result<Option<Self>, Problem> {
        if settings.secret.is_none() && settings.keys.is_none() {
            return Ok(None);
        }
        let secret = match &settings.secret {
            Some(secret) if secret.expose().len() < SECRET_BYTES_MIN => {
                return Err(wrong(format!("http.jwt_secret has fewer than {SECRET_BYTES_MIN} bytes: it could be guessed")));
            }
            Some(secret) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
                Some(Key { id: None, material: Material::Secret(key) })
            }
            None => None,
        };
        let verifier = Self { settings, secret, keys: RwLock::default(), read: std::sync::Mutex::default() };
        verifier.look()?;
        Ok(Some(verifier))
    }

    /// Reads the file again whenever it has changed, until `stop` says true.
    pub async fn watch(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            let verifier = Arc::clone(&self);
            match tokio::task::spawn_blocking(move || verifier.look()).await {
                Ok(Ok(false)) => {}
                Ok(Ok(true)) => tracing::info!("the keys of signed tokens were read again"),
                Ok(Err(problem)) => tracing::warn!(code = problem.code, why = problem.why, "{}; those from before stay", problem.what),
                Err(_) => return,
            }
        }
    }

    /// Whether there are new keys. A file that is wrong is told once.
    fn look(&self) -> Result<bool, Problem> {
        let Some(path) = &self.settings.keys else { return Ok(false) };
        let unread = |why: String| wrong(format!("{} cannot be read", path.display())).why(why);
        let size = std::fs::metadata(path).map_err(|error| unread(error.to_string()))?.len();
        if size > FILE_BYTES_MAX {
            return Err(unread("it is too large to be one of keys".to_owned()));
        }
        let bytes = std::fs::read(path).map_err(|error| unread(error.to_string()))?;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if *read == bytes {
            return Ok(false);
        }
        read.clone_from(&bytes);
        drop(read);
        let keys = keys_of(&bytes).ok_or_else(|| wrong(format!("{} has no public key that can be used", path.display())))?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(true)
    }

    /// What the holder of a token may see.
    pub fn grant(&self, token: &str) -> Result<Grant, Problem> {
        let claims = self.claims(token)?;
        let now = SystemTime::now();
        let time = |name: &str| {
            let seconds = claims.get(name)?.as_f64().filter(|seconds| (0.0..4e9).contains(seconds))?;
            Some(UNIX_EPOCH + Duration::from_secs_f64(seconds))
        };
        let until = time("exp").ok_or_else(|| refused("the token has no end (exp)"))?;
        if until <= now {
            return Err(Problem::refuse("http/token-expired", "the token has expired"));
        }
        if claims.get("nbf").is_some() && time("nbf").is_none_or(|from| from > now + LEEWAY) {
            return Err(refused("the token does not hold yet (nbf)"));
        }
        let names = |claim: &str, wanted: &str| match claims.get(claim) {
            Some(Json::String(text)) => text == wanted,
            Some(Json::Array(list)) => list.iter().any(|one| one.as_str() == Some(wanted)),
            _ => false,
        };
        if self.settings.issuer.as_deref().is_some_and(|issuer| !names("iss", issuer)) {
            return Err(refused("the token is of another issuer (iss)"));
        }
        if self.settings.audience.as_deref().is_some_and(|audience| !names("aud", audience)) {
            return Err(refused("the token is for somebody else (aud)"));
        }
        Ok(Grant { token: None, until: Some(until), rules: Some(rules(&claims)?) })
    }

    /// The claims of a token that was signed by one of the keys.
    fn claims(&self, token: &str) -> Result<Json, Problem> {
        let malformed = || refused("the token is no signed token (JWT)");
        if token.len() > TOKEN_BYTES_MAX {
            return Err(malformed());
        }
        let (message, signed) = token.rsplit_once('.').ok_or_else(malformed)?;
        let (head, claims) = message.split_once('.').ok_or_else(malformed)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed());
        let (head, claims, signed) = (decode(head)?, decode(claims)?, decode(signed)?);
        let head: Json = serde_json::from_slice(&head).map_err(|_| malformed())?;
        let (algorithm, id) = (head.get("alg").and_then(Json::as_str).unwrap_or_default(), head.get("kid").and_then(Json::as_str));
        // What must be understood and is not.
        if head.get("crit").is_some() {
            return Err(malformed());
        }
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let is_it = |key: &&Key| key.material.algorithm() == algorithm && (id.is_none() || key.id.is_none() || key.id.as_deref() == id);
        let by_one = self.secret.iter().chain(keys.iter()).filter(is_it).any(|key| key.material.has_signed(message.as_bytes(), &signed));
        if !by_one {
            return Err(refused("the token was not signed by a key that is known here"));
        }
        serde_json::from_slice(&claims).map_err(|_| malformed())
    }
}

/// What the claim `rowfeed` says.
fn rules(claims: &Json) -> Result<Rules, Problem> {
    let of = |name: &str| claims.get("rowfeed").and_then(|claim| claim.get(name));
    let named = of("topics").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let topics: Option<Vec<String>> = named.iter().map(|topic| topic.as_str().map(str::to_owned)).collect();
    let topics = topics.filter(|topics| (1..=TOPICS_MAX).contains(&topics.len()));
    let topics = topics.ok_or_else(|| refused("the token's claim rowfeed names no topics"))?;
    let value = |name: &str| {
        let path = name.strip_prefix("claims.")?;
        Literal::of_json(path.split('.').try_fold(claims, |json, member| json.get(member))?)
    };
    let parse = |text: &Json| {
        let text = text.as_str().ok_or_else(|| refused("the token's claim rowfeed has a where that is no filter"))?;
        Filter::parse_with(text, value).map_err(|problem| refused("the token's claim rowfeed has a wrong filter").why(problem.text()))
    };
    let filters = match of("where") {
        None => Vec::new(),
        Some(Json::Object(each)) => each.iter().map(|(topic, text)| Ok((topic.clone(), parse(text)?))).collect::<Result<_, Problem>>()?,
        Some(text) => vec![("*".to_owned(), parse(text)?)],
    };
    Rules::new(topics, filters).map_err(|why| refused("the token's claim rowfeed has a wrong filter").why(why))
}

/// The public keys of a file.
fn keys_of(bytes: &[u8]) -> Option<Vec<Key>> {
    let keys: Vec<Key> = match serde_json::from_slice::<Json>(bytes) {
        Ok(set) => set.get("keys")?.as_array()?.iter().take(KEYS_MAX).filter_map(key_of_json).collect(),
        Err(_) => pem_blocks(std::str::from_utf8(bytes).ok()?).take(KEYS_MAX).filter_map(|der| key_of_der(&der)).collect(),
    };
    (!keys.is_empty()).then_some(keys)
}

/// What stands between `-----BEGIN PUBLIC KEY-----` and its end.
fn pem_blocks(text: &str) -> impl Iterator<Item = Vec<u8>> {
    text.split("-----BEGIN PUBLIC KEY-----").skip(1).filter_map(|rest| {
        let (body, _) = rest.split_once("-----END PUBLIC KEY-----")?;
        STANDARD.decode(body.split_whitespace().collect::<String>()).ok()
    })
}

fn key_of_der(der: &[u8]) -> Option<Key> {
    let info = SubjectPublicKeyInfoRef::from_der(der).ok()?;
    let bits = info.subject_public_key.as_bytes()?.to_vec();
    let material = match info.algorithm.oid.to_string().as_str() {
        "1.2.840.113549.1.1.1" => Material::Rsa(bits),
        "1.2.840.10045.2.1" if bits.len() == 65 => Material::P256(bits),
        "1.3.101.112" => Material::Ed25519(bits),
        _ => return None,
    };
    Some(Key { id: None, material })
}

/// A key of a set; one for another purpose, or of a kind that is not used here, is none.
fn key_of_json(key: &Json) -> Option<Key> {
    let text = |name: &str| key.get(name).and_then(Json::as_str);
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
    if text("use").is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    let material = match (text("kty")?, text("crv")) {
        ("RSA", _) => Material::RsaParts(signature::RsaPublicKeyComponents { n: bytes("n")?, e: bytes("e")? }),
        ("EC", Some("P-256")) => Material::P256([vec![4], bytes("x")?, bytes("y")?].concat()),
        ("OKP", Some("Ed25519")) => Material::Ed25519(bytes("x")?),
        _ => return None,
    };
    let is_meant = text("alg").is_none_or(|algorithm| algorithm == material.algorithm());
    is_meant.then(|| Key { id: text("kid").map(str::to_owned), material })
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::KeyPair;
    use serde_json::json;

    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn message(algorithm: &str, claims: &Json) -> String {
        let head = json!({ "alg": algorithm, "typ": "JWT" });
        format!("{}.{}", URL_SAFE_NO_PAD.encode(head.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    fn signed(algorithm: &str, claims: &Json, secret: &str) -> String {
        let message = message(algorithm, claims);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    fn claims(more: Json) -> Json {
        let soon = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs() + 60;
        let mut claims = json!({ "exp": soon, "sub": "o'neil", "org": { "id": 7 },
            "rowfeed": { "topics": ["shop.*"], "where": { "shop.public.orders": "owner = :claims.sub and org = :claims.org.id" } } });
        claims.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        claims
    }

    fn verifier(more: JwtSettings) -> Verifier {
        Verifier::open(JwtSettings { secret: Some(Secret::new(SECRET.to_owned())), ..more }).expect("valid").expect("there is one")
    }

    #[test]
    fn a_token_says_what_its_holder_may_see() {
        let grant = verifier(JwtSettings::default()).grant(&signed("HS256", &claims(json!({})), SECRET)).expect("granted");
        assert!(grant.may_read("shop.public.orders") && !grant.may_read("crm.public.orders") && !grant.may_read("*"));
        let rule = grant.rule("shop.public.orders").expect("a filter");
        let event = |value: &'static str| crate::event::Event::of("t", None, Some(value.as_bytes()));
        assert!(rule.judge(&event(r#"{"op":"c","before":null,"after":{"owner":"o'neil","org":7}}"#)).is_wanted());
        assert!(!rule.judge(&event(r#"{"op":"c","before":null,"after":{"owner":"o'neil","org":8}}"#)).is_wanted());
        assert!(grant.rule("shop.public.others").is_none());
    }

    #[test]
    fn what_is_wrong_with_a_token_refuses_it() {
        let of = verifier(JwtSettings { issuer: Some("us".into()), audience: Some("rowfeed".into()), ..JwtSettings::default() });
        let good = claims(json!({ "iss": "us", "aud": ["other", "rowfeed"] }));
        assert!(of.grant(&signed("HS256", &good, SECRET)).is_ok());
        let with = |more: Json| {
            let mut claims = good.clone();
            claims.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            signed("HS256", &claims, SECRET)
        };
        for name in ["shop.public.orders", "shop.*", "shop.public.*", "*"] {
            assert!(
                of.grant(&with(json!({ "rowfeed": { "topics": ["shop.*"], "where": { name: "owner = 7" } } }))).is_ok(),
                "{name} is of shop.*"
            );
        }
        for (token, why) in [
            (with(json!({ "exp": 1 })), "expired"),
            (with(json!({ "exp": null })), "no end"),
            (with(json!({ "nbf": 3_999_999_999_u64 })), "not hold yet"),
            (with(json!({ "iss": "them" })), "issuer"),
            (with(json!({ "aud": "other" })), "somebody else"),
            (with(json!({ "rowfeed": {} })), "no topics"),
            (with(json!({ "sub": null, "rowfeed": { "topics": ["t"], "where": "a = :claims.none" } })), "wrong filter"),
            (with(json!({ "rowfeed": { "topics": ["t"], "where": "a = = b" } })), "wrong filter"),
            (with(json!({ "rowfeed": { "topics": ["t"], "where": "owner = 7 and op = 'u'" } })), "wrong filter"),
            (with(json!({ "rowfeed": { "topics": ["t"], "where": "owner = 7 or changed(owner)" } })), "wrong filter"),
            (with(json!({ "rowfeed": { "topics": ["t"], "where": "before.owner = 7" } })), "wrong filter"),
            (with(json!({ "rowfeed": { "topics": ["shop.orders"], "where": { "shop.order": "owner = 7" } } })), "wrong filter"),
            (with(json!({ "rowfeed": { "topics": ["shop.*"], "where": { "crm.*": "owner = 7" } } })), "wrong filter"),
            (signed("HS256", &good, "another secret of 32 bytes or so"), "not signed"),
            (signed("none", &good, SECRET), "not signed"),
            (format!("{}.", message("none", &good)), "not signed"),
            ("a.b.c".to_owned(), "no signed token"),
        ] {
            let refusal = of.grant(&token).expect_err(why);
            assert!(refusal.what.contains(why), "{why}: {}", refusal.what);
        }
        let short = JwtSettings { secret: Some(Secret::new("short".to_owned())), ..JwtSettings::default() };
        assert_eq!(Verifier::open(short).expect_err("it could be guessed").code, "http/jwt");
    }

    #[test]
    fn keys_come_from_a_set_and_a_public_key_is_no_secret() {
        let random = SystemRandom::new();
        let pkcs8 = signature::Ed25519KeyPair::generate_pkcs8(&random).expect("a key");
        let pair = signature::Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("a key");
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let set = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": "1" }, { "kty": "oct", "k": "AAAA" }] });
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("keys.json");
        std::fs::write(&file, set.to_string()).expect("written");
        let of = Verifier::open(JwtSettings { keys: Some(file.clone()), ..JwtSettings::default() }).expect("valid").expect("there is one");
        let message = message("EdDSA", &claims(json!({})));
        let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(pair.sign(message.as_bytes())));
        assert!(of.grant(&token).is_ok());
        // The public key as the secret of HS256: known to everybody.
        assert!(of.grant(&signed("HS256", &claims(json!({})), &x)).is_err());
        // As PEM, the same key.
        let der = [&[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00][..], pair.public_key().as_ref()].concat();
        std::fs::write(&file, format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der)))
            .expect("written");
        assert!(of.look().expect("read"));
        assert!(of.grant(&token).is_ok());
        std::fs::write(&file, "no keys").expect("written");
        assert!(of.look().is_err() && of.grant(&token).is_ok(), "those from before stay");
    }
}
