//! Zigzag variable-length integers, as Protocol Buffers and Kafka's records write them.

/// Zigzag: small magnitudes become small numbers.
#[inline]
pub const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// How many bytes [`put`] writes for `value`.
#[inline]
pub const fn size(value: i64) -> usize {
    size_unsigned(zigzag(value))
}

/// How many bytes an unsigned varint takes.
#[inline]
pub const fn size_unsigned(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Appends `value` as a zigzag varint.
#[inline]
pub fn put(out: &mut Vec<u8>, value: i64) {
    put_unsigned(out, zigzag(value));
}

/// Appends an unsigned varint (Kafka's compact lengths).
#[inline]
pub fn put_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads an unsigned varint; the value and how many bytes it took. `None` when cut short or longer than 10 bytes.
#[inline]
pub fn get_unsigned(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        let part = u64::from(byte & 0x7f);
        if index == 9 && part > 1 {
            return None;
        }
        value |= part << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

/// Reads a zigzag varint.
#[inline]
pub fn get(bytes: &[u8]) -> Option<(i64, usize)> {
    let (raw, used) = get_unsigned(bytes)?;
    Some(((raw >> 1) as i64 ^ -((raw & 1) as i64), used))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_varint_comes_back_with_its_size(value: i64) {
            let mut out = Vec::new();
            put(&mut out, value);
            prop_assert_eq!(out.len(), size(value));
            prop_assert_eq!(get(&out), Some((value, out.len())));
            for cut in 0..out.len() {
                prop_assert_eq!(get(&out[..cut]), None);
            }
        }
    }

    #[test]
    fn an_endless_varint_is_refused() {
        assert_eq!(get(&[0xff; 32]), None);
    }
}
