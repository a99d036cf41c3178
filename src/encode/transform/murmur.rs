//! The hash of `PartitionRouting` with `partition.hash.function=murmur`: the upper half of an early MurmurHash3 of 128 bits,
//! as Infinispan published it and Debezium has it. Bytes of the last block are signed there.

const SEED: u64 = 9001;

struct State {
    h: [u64; 2],
    c: [u64; 2],
}

impl State {
    const fn new() -> Self {
        Self { h: [0x9368_e53c_2f6a_f274 ^ SEED, 0x586d_cd20_8f7c_d3fd ^ SEED], c: [0x87c3_7b91_1142_53d5, 0x4cf5_ad43_2745_937f] }
    }

    const fn mix(&mut self, block: [u64; 2]) {
        let ([k1, k2], [c1, c2], [h1, h2]) = (block, self.c, self.h);
        let k1 = k1.wrapping_mul(c1).rotate_left(23).wrapping_mul(c2);
        let h1 = (h1 ^ k1).wrapping_add(h2);
        let h2 = h2.rotate_left(41);
        let k2 = k2.wrapping_mul(c2).rotate_left(23).wrapping_mul(c1);
        let h2 = (h2 ^ k2).wrapping_add(h1);
        self.h = [h1.wrapping_mul(3).wrapping_add(0x52dc_e729), h2.wrapping_mul(3).wrapping_add(0x3849_5ab5)];
        self.c = [c1.wrapping_mul(5).wrapping_add(0x7b7d_159c), c2.wrapping_mul(5).wrapping_add(0x6bce_6396)];
    }

    const fn end(self, length: u64) -> i32 {
        let [h1, h2] = self.h;
        let h2 = h2 ^ length;
        let h1 = h1.wrapping_add(h2);
        let h2 = h2.wrapping_add(h1);
        ((last(h1).wrapping_add(last(h2))) >> 32) as i32
    }
}

const fn last(k: u64) -> u64 {
    let k = (k ^ k >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let k = (k ^ k >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    k ^ k >> 33
}

/// Eight bytes or fewer, each with its sign.
fn signed(bytes: &[u8]) -> u64 {
    bytes.iter().enumerate().fold(0, |word, (place, byte)| word ^ i64::from(byte.cast_signed()).cast_unsigned() << (8 * place))
}

/// Of a text in UTF-8.
pub fn of_text(text: &[u8]) -> i32 {
    let mut state = State::new();
    let (blocks, rest) = text.as_chunks::<16>();
    for block in blocks {
        let word = u128::from_le_bytes(*block);
        state.mix([word as u64, (word >> 64) as u64]);
    }
    if !rest.is_empty() {
        let (one, other) = rest.split_at_checked(8).unwrap_or((rest, &[]));
        state.mix([signed(one), signed(other)]);
    }
    state.end(text.len() as u64)
}

/// Of anything else, by its hash code.
pub fn of_code(code: i32) -> i32 {
    let mut state = State::new();
    state.mix([signed(&code.to_le_bytes()), 0]);
    state.end(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Debezium's `MurmurHash3` says of these.
    #[test]
    fn hashes_are_debeziums() {
        for (text, expected) in [
            ("Ann é\u{1f600}", 734_906_704),
            ("", 89_125_410),
            ("a", -1_119_243_492),
            ("sixteen bytes at", -979_359_416),
            ("sixteen bytes at a time, and 3", -1_413_880_414),
            ("éééééééé", -1_572_401_718),
        ] {
            assert_eq!(of_text(text.as_bytes()), expected, "{text}");
        }
        for (code, expected) in
            [(7, -784_540_462), (-70_000, 1_883_555_259), (0, 1_805_505_889), (1231, -1_891_831_265), (1237, -682_375_457)]
        {
            assert_eq!(of_code(code), expected, "{code}");
        }
    }
}
