//! Java's ways that show in what Debezium and Kafka Connect publish: the order in which hash tables give their entries back,
//! and the calendar.

/// Puts entries, which stand in the order in which they were put into a `java.util.HashMap` of the usual size, into the
/// order in which it gives them back.
pub fn hash_order<T>(entries: &mut [T], name: impl Fn(&T) -> &str) {
    // It has 16 buckets and doubles them when it is three quarters full.
    order(entries, 16, name);
}

/// The same of a table that was made for so many entries.
pub fn hash_order_of_fitting<T>(entries: &mut [T], name: impl Fn(&T) -> &str) {
    let least = u32::try_from(entries.len()).unwrap_or(u32::MAX).next_power_of_two();
    order(entries, least, name);
}

fn order<T>(entries: &mut [T], mut buckets: u32, name: impl Fn(&T) -> &str) {
    while entries.len() > (u64::from(buckets) * 3 / 4) as usize {
        buckets = buckets.saturating_mul(2);
    }
    in_order(entries, buckets, name);
}

/// Puts the entries of a `java.util.HashMap`, which came in this order, into the order in which Java goes through them.
pub(super) fn in_order<T>(entries: &mut [T], buckets: u32, name: impl Fn(&T) -> &str) {
    entries.sort_by_key(|entry| {
        let hash = name(entry).encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
        (hash ^ hash >> 16) & (buckets - 1)
    });
}

/// The first day that Java counts by the Gregorian calendar: 1582-10-15.
const GREGORIAN_FROM: i64 = -141_427;

/// Year, month and day. Before the Gregorian calendar the Julian one counts; the year before 1 is 0.
pub fn civil(days: i64) -> (i64, i64, i64) {
    let is_julian = days < GREGORIAN_FROM;
    // From 1 March of the year 0, so that a leap day is a year's last.
    let days = days + if is_julian { 719_470 } else { 719_468 };
    let (cycle_days, cycle_years) = if is_julian { (1461, 4) } else { (146_097, 400) };
    let cycle = days.div_euclid(cycle_days);
    let day = days.rem_euclid(cycle_days);
    let centuries = if is_julian { 0 } else { day / 36_524 - day / 146_096 };
    let year = (day - day / 1460 + centuries) / 365;
    let of_year = day - (365 * year + year / 4 - if is_julian { 0 } else { year / 100 });
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (cycle * cycle_years + year + next, month, of_month)
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

    /// From `java.util.GregorianCalendar`.
    #[test]
    fn days_are_javas() {
        for (days, date) in [
            (0, (1970, 1, 1)),
            (365, (1971, 1, 1)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (20_000, (2024, 10, 4)),
            (-25_509, (1900, 2, 28)),
            (-25_508, (1900, 3, 1)),
            (-141_427, (1582, 10, 15)),
            (-141_428, (1582, 10, 4)),
            (-500_000, (601, 1, 15)),
            (-719_164, (1, 1, 1)),
            (-719_165, (0, 12, 31)),
            (2_932_896, (9999, 12, 31)),
        ] {
            assert_eq!(civil(days), date, "{days}");
        }
    }

    #[test]
    fn names_stand_as_in_javas_hash_set() {
        // 'a' is 97, 'p' is 112: buckets 1 and 0 of 16, and of 32 still in the order of 1 and 16.
        assert_eq!(set_of(vec!["a".into(), "p".into()]), "p,a");
        assert_eq!((buckets(11, 16), buckets(12, 16), buckets(2, 1), buckets(4, 1)), (16, 32, 4, 8));
    }
}
