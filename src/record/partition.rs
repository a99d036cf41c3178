//! Which partition a key belongs to: murmur2, as the Java client's default partitioner
//! (`org.apache.kafka.common.utils.Utils.murmur2`), so that Debezium's consumers find keys where they were.

/// Kafka's murmur2 of `key`.
pub fn murmur2(key: &[u8]) -> i32 {
    const M: i32 = 0x5bd1_e995;
    const SEED: i32 = 0x9747_b28cu32 as i32;
    let mut hash = SEED ^ key.len() as i32;
    let mut chunks = key.chunks_exact(4);
    for chunk in &mut chunks {
        let mut k = i32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
        k = k.wrapping_mul(M);
        k ^= ((k as u32) >> 24) as i32;
        k = k.wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    let rest = chunks.remainder();
    for (index, byte) in rest.iter().enumerate().rev() {
        hash ^= i32::from(*byte) << (8 * index);
    }
    if !rest.is_empty() {
        hash = hash.wrapping_mul(M);
    }
    hash ^= ((hash as u32) >> 13) as i32;
    hash = hash.wrapping_mul(M);
    hash ^ ((hash as u32) >> 15) as i32
}

/// The partition of `key` among `partitions`; a record without key goes to 0, because order matters more to a change
/// stream than an even spread.
pub fn partition_for(key: Option<&[u8]>, partitions: u32) -> u32 {
    match key {
        Some(key) if partitions > 1 => (murmur2(key) & 0x7fff_ffff) as u32 % partitions,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of Kafka's own `UtilsTest.testMurmur2`.
    #[test]
    fn murmur2_agrees_with_the_java_client() {
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()), hash, "{key}");
        }
    }
}
