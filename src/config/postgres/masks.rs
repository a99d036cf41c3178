//! Which columns are cut, hidden or hashed: `column.truncate.to.N.chars`, `column.mask.with.N.chars`, `column.mask.hash.*`.
//!
//! Owns reading these options, whose parameters stand in their names, and saying which one is a column's. Promises Debezium's
//! order (cut before hidden before hashed; the first that names the column is its only one) and that nothing but these
//! options decides: with Debezium `column.propagate.source.type` takes a hash away from a column that both name. How a mask
//! is written is the encoder's affair.

use std::borrow::Cow;

use super::filters::Patterns;
use crate::config::define::KeyProblem;
use crate::problem::Problem;

/// What happens to a column's values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnMask {
    /// At most so many characters, counted as Java counts them.
    Truncate(usize),
    /// So many stars stand for every value, NULL included.
    Stars(usize),
    /// A salted hash in hexadecimal digits.
    Hash(ColumnHash),
}

/// The parameters of a hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnHash {
    /// How.
    pub algorithm: HashAlgorithm,
    /// What is hashed before the value.
    pub salt: String,
    /// Version 1 hashes what Java's serialization makes of the text, version 2 the text.
    pub serialized: bool,
}

/// Java's names of digests, those that every Java has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashAlgorithm {
    /// MD5.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// SHA-512/224.
    Sha512T224,
    /// SHA-512/256.
    Sha512T256,
    /// SHA3-224.
    Sha3T224,
    /// SHA3-256.
    Sha3T256,
    /// SHA3-384.
    Sha3T384,
    /// SHA3-512.
    Sha3T512,
}

impl HashAlgorithm {
    /// Every algorithm by its names.
    const NAMES: [(&'static str, Self); 14] = [
        ("MD5", Self::Md5),
        ("SHA-1", Self::Sha1),
        ("SHA", Self::Sha1),
        ("SHA1", Self::Sha1),
        ("SHA-224", Self::Sha224),
        ("SHA-256", Self::Sha256),
        ("SHA-384", Self::Sha384),
        ("SHA-512", Self::Sha512),
        ("SHA-512/224", Self::Sha512T224),
        ("SHA-512/256", Self::Sha512T256),
        ("SHA3-224", Self::Sha3T224),
        ("SHA3-256", Self::Sha3T256),
        ("SHA3-384", Self::Sha3T384),
        ("SHA3-512", Self::Sha3T512),
    ];

    fn parse(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, algorithm)| *algorithm)
    }
}

/// All masks of a connector, in the order in which they are asked.
#[derive(Clone, Debug, Default)]
pub struct ColumnMasks(Vec<(Patterns, ColumnMask)>);

impl ColumnMasks {
    /// Reads every option of these names; problems are told with the option they are of.
    pub fn parse<'a>(options: impl Iterator<Item = (&'a str, &'a str)>) -> (Self, Vec<KeyProblem>) {
        let (mut masks, mut problems) = (Vec::new(), Vec::new());
        for (name, value) in options {
            let mask = mask(name).and_then(|mask| match mask {
                Some(mask) => Ok(Some((Patterns::parse(&shown(name), value)?, mask))),
                None => Ok(None),
            });
            match mask {
                Ok(mask) => masks.extend(mask),
                Err(problem) => problems.push(KeyProblem::new(name, problem)),
            }
        }
        // Of several with one name's form the shortest cut, the fewest stars, is asked first: Debezium has no order there.
        masks.sort_by_key(|(_, mask)| match mask {
            ColumnMask::Truncate(length) => (0, *length),
            ColumnMask::Stars(length) => (1, *length),
            ColumnMask::Hash(hash) => (if hash.serialized { 2 } else { 3 }, 0),
        });
        (Self(masks), problems)
    }

    /// What happens to this column.
    pub fn of(&self, schema: &str, table: &str, column: &str) -> Option<&ColumnMask> {
        if self.0.is_empty() {
            return None;
        }
        let name = format!("{schema}.{table}.{column}");
        self.0.iter().find(|(patterns, _)| patterns.any_matches(&name)).map(|(_, mask)| mask)
    }
}

const TRUNCATE: &str = "column.truncate.to.";
const STARS: &str = "column.mask.with.";
const HASH: &str = "column.mask.hash.";
const SALT: &str = ".with.salt.";

/// The mask that an option's name stands for; `None` when it is another option.
fn mask(name: &str) -> Result<Option<ColumnMask>, Problem> {
    for (start, make) in [(TRUNCATE, ColumnMask::Truncate as fn(usize) -> ColumnMask), (STARS, ColumnMask::Stars)] {
        if let Some(number) = name.strip_prefix(start).and_then(|rest| rest.strip_suffix(".chars")) {
            let number = number.parse::<u32>().ok().filter(|number| *number <= CHARS_MAX);
            let number = number.ok_or_else(|| wrong_name(name, &format!("{start}N.chars with a number N up to {CHARS_MAX}")))?;
            return Ok(Some(make(number as usize)));
        }
    }
    let Some(rest) = name.strip_prefix(HASH) else { return Ok(None) };
    let (rest, serialized) = rest.strip_prefix("v2.").map_or((rest, true), |rest| (rest, false));
    let parts = rest.split_once(SALT).filter(|(algorithm, salt)| !algorithm.is_empty() && !salt.is_empty());
    let (algorithm, salt) =
        parts.ok_or_else(|| wrong_name(name, "column.mask.hash.ALGORITHM.with.salt.SALT, with v2. before ALGORITHM for version 2"))?;
    let known = || HashAlgorithm::NAMES.map(|(name, _)| name).join(", ");
    let algorithm = HashAlgorithm::parse(algorithm).ok_or_else(|| wrong_name(name, &format!("with one of the algorithms {}", known())))?;
    Ok(Some(ColumnMask::Hash(ColumnHash { algorithm, salt: salt.to_owned(), serialized })))
}

/// More characters than this are a mistake: every value would carry them.
const CHARS_MAX: u32 = 1 << 20;

fn wrong_name(name: &str, must: &str) -> Problem {
    Problem::refuse("config/value", format!("the option name {} is not allowed", shown(name))).why(format!("it must be {must}"))
}

/// The name without its salt.
fn shown(name: &str) -> Cow<'_, str> {
    match name.split_once(SALT) {
        Some((before, _)) => format!("{before}{SALT}SALT").into(),
        None => name.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masks(options: &[(&str, &str)]) -> ColumnMasks {
        let (masks, problems) = ColumnMasks::parse(options.iter().copied());
        assert!(problems.is_empty(), "{problems:?}");
        masks
    }

    #[test]
    fn the_first_of_debeziums_order_is_a_columns_only_mask() {
        let hash = "column.mask.hash.SHA-256.with.salt.a.b";
        let masks = masks(&[
            (hash, "public\\.a\\..*"),
            ("column.mask.hash.v2.md5.with.salt.x", "public.b.h, public.a.w"),
            ("column.mask.with.5.chars", "public.a.(v|w)"),
            ("column.truncate.to.3.chars", "PUBLIC.A.W"),
            ("column.exclude.list", "public.a.q"),
        ]);
        let hashed = |algorithm, salt: &str, serialized| ColumnMask::Hash(ColumnHash { algorithm, salt: salt.into(), serialized });
        assert_eq!(masks.of("public", "a", "v"), Some(&ColumnMask::Stars(5)));
        assert_eq!(masks.of("public", "a", "w"), Some(&ColumnMask::Truncate(3)));
        assert_eq!(masks.of("public", "a", "x"), Some(&hashed(HashAlgorithm::Sha256, "a.b", true)));
        assert_eq!(masks.of("public", "b", "h"), Some(&hashed(HashAlgorithm::Md5, "x", false)));
        assert_eq!(masks.of("public", "b", "v"), None);
    }

    #[test]
    fn a_wrong_name_is_refused_without_its_salt() {
        for name in [
            "column.truncate.to.x.chars",
            "column.mask.with.99999999.chars",
            "column.mask.hash.SHA-256",
            "column.mask.hash.v2.SHA-256.with.salt.",
            "column.mask.hash.CRC.with.salt.hunter2",
        ] {
            let (_, problems) = ColumnMasks::parse([(name, "a.b.c")].into_iter());
            assert_eq!(problems.len(), 1, "{name}");
            assert!(!problems[0].problem.text().contains("hunter2"), "{}", problems[0].problem.text());
        }
    }
}
