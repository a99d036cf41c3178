//! How many changes each table had, by operation, since the service started.
//!
//! Owns the counters. Promises that counting one change is two plain memory accesses, since one task alone counts for a connector, and that
//! so many tables at most are kept. What is counted was encoded; what is durable, all tables together, is in [`super::status`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::change::Op;

/// Tables beyond are not counted.
const TABLES_MAX: usize = 10_000;

/// A table's changes.
#[derive(Debug, Default)]
pub struct Tally([AtomicU64; 4]);

/// A copy of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableChanges {
    /// `schema.table`.
    pub table: String,
    /// Inserts, updates, deletes, truncates.
    pub counts: [u64; 4],
}

impl Tally {
    /// One more. Only the connector's task counts.
    #[inline]
    pub fn count(&self, op: Op) {
        let at = match op {
            Op::Create => 0,
            Op::Update => 1,
            Op::Delete => 2,
            Op::Truncate => 3,
            // A snapshot's rows are told with the snapshot.
            Op::Read => return,
        };
        let counter = &self.0[at];
        counter.store(counter.load(Relaxed).wrapping_add(1), Relaxed);
    }
}

/// A connector's tables.
#[derive(Debug, Default)]
pub struct Tallies(Mutex<BTreeMap<String, Arc<Tally>>>);

impl Tallies {
    /// The counter of a table, which is called `schema.table`.
    pub fn of(&self, table: String) -> Arc<Tally> {
        let mut tables = self.tables();
        if tables.len() >= TABLES_MAX && !tables.contains_key(&table) {
            return Arc::default();
        }
        Arc::clone(tables.entry(table).or_default())
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<TableChanges> {
        let copy = |(table, tally): (&String, &Arc<Tally>)| TableChanges {
            table: table.clone(),
            counts: std::array::from_fn(|at| tally.0[at].load(Relaxed)),
        };
        self.tables().iter().map(copy).collect()
    }

    fn tables(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Tally>>> {
        // Plain numbers: whoever panicked left nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_goes_on_counting_when_it_is_described_anew() {
        let tallies = Tallies::default();
        tallies.of("public.t".to_owned()).count(Op::Create);
        let again = tallies.of("public.t".to_owned());
        for op in [Op::Create, Op::Update, Op::Delete, Op::Truncate, Op::Read] {
            again.count(op);
        }
        let expected = TableChanges { table: "public.t".to_owned(), counts: [2, 1, 1, 1] };
        assert_eq!(tallies.all(), [expected]);
    }

    #[test]
    fn there_are_never_more_than_so_many() {
        let tallies = Tallies::default();
        for number in 0..=TABLES_MAX {
            tallies.of(format!("public.t{number}")).count(Op::Create);
        }
        assert_eq!(tallies.all().len(), TABLES_MAX);
        tallies.of("public.t0".to_owned()).count(Op::Create);
        assert_eq!(tallies.all()[0].counts, [2, 0, 0, 0]);
    }
}
