//! How many events a transaction has published so far, in all and by table: what `provide.transaction.metadata` tells.

use std::collections::HashMap;

/// The counts of the open transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactionCounts {
    total: u64,
    /// By table, in the order in which they came.
    tables: Vec<(Box<str>, u64)>,
    places: HashMap<Box<str>, usize>,
}

impl TransactionCounts {
    /// One event more of a table (`schema.table`): its place in the transaction, and among those of the table.
    pub fn count(&mut self, table: &str) -> (u64, u64) {
        self.add(table, 1)
    }

    /// So many events more of a table.
    pub fn add(&mut self, table: &str, events: u64) -> (u64, u64) {
        self.total += events;
        let known = self.places.get(table).and_then(|place| self.tables.get_mut(*place));
        let of_table = match known {
            Some((_, count)) => {
                *count += events;
                *count
            }
            None => {
                self.places.insert(table.into(), self.tables.len());
                self.tables.push((table.into(), events));
                events
            }
        };
        (self.total, of_table)
    }

    /// All events.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// By table, in the order in which they came.
    pub fn tables(&self) -> impl Iterator<Item = (&str, u64)> {
        self.tables.iter().map(|(name, count)| (&**name, *count))
    }
}
