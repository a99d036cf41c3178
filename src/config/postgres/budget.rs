//! `slot.max.retained.bytes` and `slot.max.retained.policy`: how much WAL a slot may make the server keep, and what then.
//!
//! Options of Rowfeed's own. Owns their reading; [`crate::connect`] watches and acts.

use super::Problem;
use crate::config::define::invalid;
use crate::config::quantity;

/// What a slot may keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotBudget {
    /// WAL that it may keep; `None`: only the server's own limit holds.
    pub bytes_max: Option<u64>,
    /// Beyond it, the connector is stopped and the slot dropped; else it is told.
    pub drops: bool,
}

/// The option of the size.
pub const SIZE: &str = "slot.max.retained.bytes";
/// The option of what happens.
pub const POLICY: &str = "slot.max.retained.policy";
/// A segment of WAL is 16 MiB, and a slot keeps one at least: less would be exceeded always.
const BYTES_MIN: u64 = 64 << 20;

impl SlotBudget {
    /// Reads both options' values.
    pub fn parse(size: &str, policy: &str) -> Result<Self, Problem> {
        let bytes = quantity::parse_bytes(size).map_err(|why| invalid(SIZE, size, &format!("a size such as 8GiB ({why})")))?;
        if (1..BYTES_MIN).contains(&bytes) {
            return Err(invalid(SIZE, size, "64MiB at least: a slot always keeps some segments of WAL; 0 is no limit of its own"));
        }
        let drops = policy == "drop";
        if drops && bytes == 0 {
            return Err(Problem::refuse("config/value", format!("{POLICY}=drop needs {SIZE}"))
                .why("without a size nothing says when the slot is to be dropped")
                .fix(format!("{SIZE}=8GiB, less than the server's max_slot_wal_keep_size")));
        }
        Ok(Self { bytes_max: Some(bytes).filter(|bytes| *bytes > 0), drops })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_dropped_only_where_a_size_says_when() {
        assert_eq!(SlotBudget::parse("0", "warn"), Ok(SlotBudget::default()));
        assert_eq!(SlotBudget::parse("8GiB", "drop"), Ok(SlotBudget { bytes_max: Some(8 << 30), drops: true }));
        for (size, policy) in [("0", "drop"), ("8 parsecs", "warn"), ("1MiB", "warn"), ("", "warn")] {
            assert_eq!(SlotBudget::parse(size, policy).expect_err(size).code, "config/value");
        }
    }
}
