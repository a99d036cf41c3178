//! Which transactions were delivered and may not be visible yet to a SELECT.
//!
//! A commit is decoded before it is visible to others. Owns what has to become visible before rows may be read: promises
//! that a snapshot of the database that passes [`Delivered::are_seen_by`] has no row that is older than what was
//! delivered. Pure.

use crate::change::progress::Visibility;

/// So many delivered transactions are remembered one by one; while a table is locked for long, more come. Few in the
/// models, so that it comes to that.
const DELIVERED_MAX: usize = if cfg!(test) { 3 } else { 65_536 };

/// Transactions that were delivered.
#[derive(Clone, Debug, Default)]
pub struct Delivered {
    /// Not known to be visible.
    xids: Vec<u32>,
    /// The newest of those that were too many: all that are older must be over, too.
    forgotten: Option<u32>,
    /// Transactions below this were perhaps delivered before anything was remembered: they must be over.
    floor: Option<u64>,
}

impl Delivered {
    /// Every transaction delivered so far has an id below `floor`.
    pub fn below(floor: u64) -> Self {
        Self { floor: Some(floor), ..Self::default() }
    }

    /// All transactions below `floor` must be over, too.
    pub fn raise_floor(&mut self, floor: u64) {
        self.floor = self.floor.max(Some(floor));
    }

    /// One more was delivered.
    pub fn add(&mut self, xid: u32) {
        if self.xids.len() >= DELIVERED_MAX {
            // Ids wrap: the newer one is less than half of them ahead.
            let newer = |a: u32, b: u32| if (b.wrapping_sub(a) as i32) < 0 { a } else { b };
            let newest = self.xids.drain(..).reduce(newer);
            self.forgotten = [self.forgotten, newest].into_iter().flatten().reduce(newer);
        }
        self.xids.push(xid);
    }

    /// This snapshot sees all that was delivered.
    pub fn are_seen_by(&mut self, seen: &Visibility) -> bool {
        self.xids.retain(|xid| !seen.sees(*xid));
        self.forgotten = self.forgotten.filter(|xid| !seen.is_behind(*xid));
        let all = self.xids.is_empty() && self.forgotten.is_none() && self.floor.is_none_or(|floor| seen.xmin >= floor);
        if all {
            self.floor = None;
        }
        all
    }

    /// The end of all older transactions than this is waited for.
    pub fn floor(&self) -> Option<u64> {
        self.floor
    }
}
