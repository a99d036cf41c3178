//! Java's order of things that have none: what Debezium keeps in a hash table stands in its records as it lies there.

/// Puts the entries of a `java.util.HashMap`, which came in this order, into the order in which Java goes through them.
pub(super) fn in_order<T>(entries: &mut [T], buckets: u32, name: impl Fn(&T) -> &str) {
    entries.sort_by_key(|entry| {
        let hash = name(entry).encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
        (hash ^ hash >> 16) & (buckets - 1)
    });
}

/// The buckets of a hash table that is made from a collection of so many entries, at least `least`.
pub(super) fn buckets(entries: usize, least: u32) -> u32 {
    let wanted = entries.saturating_mul(4) / 3 + 1;
    u32::try_from(wanted).unwrap_or(1 << 30).clamp(least, 1 << 30).next_power_of_two()
}

/// The names of tables in the order of a `java.util.HashSet` that was made from them, separated by commas.
pub fn set_of(mut names: Vec<String>) -> String {
    let buckets = buckets(names.len(), 16);
    in_order(&mut names, buckets, |name| name);
    names.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_as_in_javas_hash_set() {
        // 'a' is 97, 'p' is 112: buckets 1 and 0 of 16, and of 32 still in the order of 1 and 16.
        assert_eq!(set_of(vec!["a".into(), "p".into()]), "p,a");
        assert_eq!((buckets(11, 16), buckets(12, 16), buckets(2, 1), buckets(4, 1)), (16, 32, 4, 8));
    }
}
