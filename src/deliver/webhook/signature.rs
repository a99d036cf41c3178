//! What makes a request a Standard Webhook: its id, and its signatures.
//!
//! Owns secrets as people write them (`whsec_`, `whsk_`), the id of a record and the `webhook-signature` header. Promises that a record
//! has the same id at every try and every replay, that no two records have one id (a topic that is made again has ids of its own), and
//! that an id has no full stop in it. Leaves it to [`super::endpoint`] to send them.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ring::signature::{Ed25519KeyPair, KeyPair};
use ring::{digest, hmac};

use crate::problem::Problem;

/// The bytes that a symmetric secret may have, as the specification says.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Secrets of one subscription: the one in use, and those that are being replaced.
const SECRETS_MAX: usize = 4;
/// RFC 4648's alphabet, in the case that people can read.
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// One secret.
enum Key {
    /// HMAC-SHA256, signature `v1`.
    Symmetric(hmac::Key),
    /// Ed25519, signature `v1a`.
    Asymmetric(Box<Ed25519KeyPair>),
}

/// Signs requests with every secret of a subscription.
pub struct Signer(Vec<Key>);

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({} secrets)", self.0.len())
    }
}

fn wrong(what: impl Into<String>) -> Problem {
    Problem::refuse("webhook/secret", what)
        .why("a Standard Webhooks secret is whsec_ and 24 to 64 random bytes in base64, or whsk_ and an ed25519 key in base64")
        .fix("secret = \"whsec_$(head -c 32 /dev/urandom | base64)\", kept in the environment: secret = \"${env:NAME}\"")
}

impl Signer {
    /// Reads secrets, the one in use first. Their values are in no text of a problem.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Result<Self, Problem> {
        let keys: Vec<Key> = secrets.into_iter().map(Key::parse).collect::<Result<_, _>>()?;
        match keys.len() {
            0 => Err(wrong("a webhook needs a secret: without one nobody can tell who sent it")),
            1..=SECRETS_MAX => Ok(Self(keys)),
            many => Err(wrong(format!("{many} secrets are too many: {SECRETS_MAX} at most"))),
        }
    }

    /// The value of `webhook-signature`: a signature by each secret with spaces between them.
    pub fn sign(&self, id: &str, timestamp_s: u64, body: &[u8]) -> String {
        let head = format!("{id}.{timestamp_s}.");
        let mut out = String::with_capacity(self.0.len() * 92);
        for key in &self.0 {
            if !out.is_empty() {
                out.push(' ');
            }
            match key {
                Key::Symmetric(key) => {
                    let mut context = hmac::Context::with_key(key);
                    context.update(head.as_bytes());
                    context.update(body);
                    out.push_str("v1,");
                    STANDARD.encode_string(context.sign(), &mut out);
                }
                Key::Asymmetric(pair) => {
                    out.push_str("v1a,");
                    STANDARD.encode_string(pair.sign(&[head.as_bytes(), body].concat()), &mut out);
                }
            }
        }
        out
    }

    /// The public keys of the asymmetric secrets, as receivers are given them (`whpk_...`).
    pub fn public_keys(&self) -> Vec<String> {
        let public = self.0.iter().filter_map(|key| match key {
            Key::Symmetric(_) => None,
            Key::Asymmetric(pair) => Some(format!("whpk_{}", STANDARD.encode(pair.public_key().as_ref()))),
        });
        public.collect()
    }
}

impl Key {
    fn parse(text: &str) -> Result<Self, Problem> {
        let text = text.trim();
        let bytes = |encoded: &str| {
            let bare = encoded.trim_end_matches('=');
            STANDARD_NO_PAD.decode(bare).map_err(|_| wrong("the secret's part behind its prefix is not base64"))
        };
        if let Some(encoded) = text.strip_prefix("whsk_") {
            let bytes = bytes(encoded)?;
            // 32 bytes are the seed; libsodium and Go write the public key behind it.
            let pair = match bytes.split_at_checked(32) {
                Some((seed, [])) => Ed25519KeyPair::from_seed_unchecked(seed),
                Some((seed, public)) => Ed25519KeyPair::from_seed_and_public_key(seed, public),
                None => return Err(wrong(format!("the ed25519 key has {} bytes: 32, or 64 with its public key", bytes.len()))),
            };
            return match pair {
                Ok(pair) => Ok(Self::Asymmetric(Box::new(pair))),
                Err(_) => Err(wrong("the ed25519 key is no key: its second half is not the public key of its first")),
            };
        }
        let Some(encoded) = text.strip_prefix("whsec_") else {
            return Err(wrong("the secret does not begin with whsec_ or whsk_"));
        };
        let bytes = bytes(encoded)?;
        if !SECRET_BYTES.contains(&bytes.len()) {
            return Err(wrong(format!("the secret has {} bytes", bytes.len())));
        }
        Ok(Self::Symmetric(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }
}

/// The id of a record: `evt_` and the base32 of the SHA-256 of `topic id/partition/offset`. The topic is told by its Kafka id, not its
/// name: a topic that was deleted and made again begins at offset 0, and a receiver that remembers ids would take its records for old ones.
pub fn message_id(topic: &[u8; 16], partition: u32, offset: u64) -> String {
    let mut named = String::with_capacity(64);
    named.push_str(&uuid::Uuid::from_bytes(*topic).hyphenated().to_string());
    named.push_str(&format!("/{partition}/{offset}"));
    let mut out = String::with_capacity(56);
    out.push_str("evt_");
    base32(digest::digest(&digest::SHA256, named.as_bytes()).as_ref(), &mut out);
    out
}

fn base32(bytes: &[u8], out: &mut String) {
    let (mut waiting, mut bits) = (0u32, 0u32);
    let mut push = |five: u32| out.push(char::from(BASE32[(five & 31) as usize]));
    for byte in bytes {
        waiting = (waiting << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            push(waiting >> bits);
        }
        waiting &= (1 << bits) - 1;
    }
    if bits > 0 {
        push(waiting << (5 - bits));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn a_signature_is_the_one_of_the_reference_libraries() {
        let signer = Signer::new([SECRET]).unwrap();
        let signed = signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn every_secret_signs_while_one_is_replaced() {
        let other = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
        let both = Signer::new([other, SECRET]).unwrap().sign("a", 1, b"{}");
        let each = [other, SECRET].map(|secret| Signer::new([secret]).unwrap().sign("a", 1, b"{}"));
        assert_eq!(both, each.join(" "));
        assert!(Signer::new([SECRET; 5]).is_err());
        assert!(Signer::new([]).is_err());
    }

    #[test]
    fn an_asymmetric_signature_is_verified_by_the_public_key() {
        let secret = format!("whsk_{}", STANDARD.encode([7u8; 32]));
        let signer = Signer::new([secret.as_str()]).unwrap();
        let signed = signer.sign("evt_x", 5, b"{\"a\":1}");
        let signature = STANDARD.decode(signed.strip_prefix("v1a,").unwrap()).unwrap();
        let public = STANDARD.decode(signer.public_keys()[0].strip_prefix("whpk_").unwrap()).unwrap();
        let key = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, &public);
        key.verify(b"evt_x.5.{\"a\":1}", &signature).unwrap();
        let whole = format!("whsk_{}", STANDARD.encode([[7u8; 32].as_slice(), &public].concat()));
        assert_eq!(Signer::new([whole.as_str()]).unwrap().sign("evt_x", 5, b"{\"a\":1}"), signed);
    }

    #[test]
    fn a_secret_that_is_none_is_refused_and_not_shown() {
        let short = format!("whsec_{}", STANDARD.encode([1u8; 23]));
        let long = format!("whsec_{}", STANDARD.encode([1u8; 65]));
        let halves = format!("whsk_{}", STANDARD.encode([1u8; 64]));
        for bad in ["hunter2-is-my-secret", "whsec_", "whsec_***", "whsk_AAAA", &short, &long, &halves] {
            let problem = Signer::new([bad]).unwrap_err();
            assert_eq!(problem.code, "webhook/secret");
            assert!(bad.len() < 8 || !problem.to_string().contains(&bad[6..]), "{problem}");
        }
    }

    #[test]
    fn an_id_is_the_same_for_ever_and_has_no_full_stop() {
        let id = message_id(&[1; 16], 3, 1842);
        assert_eq!(id.len(), 4 + 52);
        assert!(id.strip_prefix("evt_").unwrap().bytes().all(|byte| BASE32.contains(&byte)), "{id}");
        assert_eq!(id, message_id(&[1; 16], 3, 1842));
        assert_ne!(id, message_id(&[1; 16], 3, 1843));
        assert_ne!(id, message_id(&[2; 16], 3, 1842));
        // 01010101-0101-0101-0101-010101010101/3/1842
        assert_eq!(message_id(&[1; 16], 3, 1842), "evt_yxjqzxvrla7xrpgkcao3zgmgdfjwunnxv4ledpizluctfhyhemqq");
    }

    #[test]
    fn base32_is_that_of_rfc_4648() {
        for (bytes, text) in [("", ""), ("f", "my"), ("fo", "mzxq"), ("foo", "mzxw6"), ("foob", "mzxw6yq"), ("foobar", "mzxw6ytboi")] {
            let mut out = String::new();
            base32(bytes.as_bytes(), &mut out);
            assert_eq!(out, text);
        }
    }
}
