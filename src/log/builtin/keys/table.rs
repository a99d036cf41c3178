//! Where the newest record of each key is: the hash of a key, a place in the log, and the table of the newest ones in memory.
//!
//! A key is known by 96 bits of SipHash over its topic and what is the same of it under every schema. Two keys of one log have one
//! hash with a probability of 10^-13 among 100 million; whoever reads the record compares the key itself.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::record::TopicIndex;

/// What is the same of a key whatever schema stands before it.
pub type Same = fn(&[u8]) -> &[u8];

/// A key of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyHash {
    /// Its first bits: by them keys are evenly spread.
    pub high: u64,
    /// The rest.
    pub low: u32,
}

/// It is a hash already.
impl Hash for KeyHash {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.high);
    }
}

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The commit that wrote it: what is newer has a greater one.
    pub commit: u64,
    /// Its partition.
    pub partition: u32,
    /// Its offset there.
    pub offset: u64,
}

impl Place {
    /// Whether it was written behind another one. Of two partitions in one commit nobody can tell: then not.
    pub fn is_behind(&self, other: &Self) -> bool {
        self.commit > other.commit || (self.commit == other.commit && self.partition == other.partition && self.offset > other.offset)
    }
}

/// Makes hashes of keys, in each log others.
#[derive(Clone, Copy)]
pub struct KeyHasher {
    seed: (u64, u64),
    same: Same,
}

impl KeyHasher {
    /// The hashes of the log with this cluster id.
    pub fn new(cluster_id: &str, same: Same) -> Self {
        let mut seed = [0; 16];
        for (to, from) in seed.iter_mut().zip(cluster_id.bytes()) {
            *to = from;
        }
        let seed = u128::from_le_bytes(seed);
        Self { seed: (seed as u64, (seed >> 64) as u64), same }
    }

    /// The hash of a topic's key; `None` stands for its records without one.
    pub fn hash(&self, topic: TopicIndex, key: Option<&[u8]>) -> KeyHash {
        let mut hasher = SipHasher13::new_with_keys(self.seed.0, self.seed.1);
        // One write for what goes before: each has its price.
        hasher.write_u64(u64::from(topic.0) << 1 | u64::from(key.is_some()));
        hasher.write(key.map_or(&[][..], self.same));
        let hash = hasher.finish128();
        KeyHash { high: hash.h1, low: hash.h2 as u32 }
    }

    /// Whether two keys mean the same.
    pub fn is_same(&self, one: &[u8], other: &[u8]) -> bool {
        (self.same)(one) == (self.same)(other)
    }

    /// The part of a key that says what is meant.
    pub fn same<'a>(&self, key: &'a [u8]) -> &'a [u8] {
        (self.same)(key)
    }
}

/// Takes the bits of a hash as they are.
#[derive(Default)]
pub struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, bits: u64) {
        self.0 = bits;
    }
}

/// The newest places, by key.
pub type Table = HashMap<KeyHash, Place, BuildHasherDefault<AsItIs>>;
