//! FNV-1a of 64 bits: short, and the same on every machine and in every version, so that what is stored may be found by it.
//!
//! Not for secrets, and not against those who choose what is summed. Source: draft-eastlake-fnv.

/// A sum of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fnv(u64);

impl Default for Fnv {
    /// Of no bytes.
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    /// The sum of these bytes.
    pub fn of(bytes: impl IntoIterator<Item = u8>) -> u64 {
        let mut sum = Self::default();
        bytes.into_iter().for_each(|byte| sum.add(byte));
        sum.0
    }

    /// One more byte.
    #[inline]
    pub fn add(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    }

    /// The sum so far.
    pub fn sum(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_draft() {
        assert_eq!(Fnv::of([]), 0xcbf2_9ce4_8422_2325);
        assert_eq!(Fnv::of(*b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(Fnv::of(*b"foobar"), 0x8594_4171_f739_67e8);
    }
}
