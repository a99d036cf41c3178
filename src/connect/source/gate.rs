//! Which changes pass while a snapshot is read beside the stream: none twice, none before its row, none lost.
//!
//! A commit is decoded before it is visible to others, so positions in the WAL cannot say what a SELECT saw. What can is
//! the SELECT's own snapshot: a transaction is in it or is not. Pure: told what is read and what arrives, it says what to
//! publish. The rules (decision 0018):
//!
//! 1. A chunk is read only when every transaction that was delivered is visible in its snapshot. So no row is older than
//!    what is published.
//! 2. A transaction that is visible in a chunk's snapshot and is delivered later has its changes in the rows of that
//!    chunk: they are left out.
//! 3. Where we order keys as PostgreSQL does, changes of rows that are not read yet are left out, too: the row will come
//!    with them. As later snapshots see all that earlier ones saw, one boundary per transaction says it all: what is
//!    before it passes, what is behind it does not.
//! 4. Where only PostgreSQL knows the order, changes of unread rows pass, and of the read ones the keys are remembered
//!    until the stream has passed their chunk.
//! 5. A table without key is one unit, left out until it is read.
//!
//! A key that changes is two changes, each judged by itself. Reading chunks is [`super::backfill`]'s affair.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::delivered::Delivered;
use crate::change::progress::{Chunk, Key, KeyColumn, KeyKind, Points, Progress, Visibility};
use crate::change::{Cell, Lsn, Op, Relation, RelationId, Tuple};
use crate::problem::Problem;

/// How many rows may wait to be read again.
const REPAIRS_MAX: usize = 1000;

/// What becomes of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is published.
    Publish,
    /// It is in a row that is read, or will be.
    Withhold,
    /// A changed key: only the old row's end is published.
    OldOnly,
    /// A changed key: only the new row's beginning is published.
    NewOnly,
}

/// How a table is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In the order of its key, which we know, too.
    Ordered,
    /// In the order of its key, which only PostgreSQL knows.
    Keyed,
    /// It has no key: as a whole.
    Whole,
}

impl Mode {
    /// Of a table that is read by a statement of its own, which may leave rows out: changes of what it leaves out pass.
    pub fn selected(key: &[KeyColumn]) -> Option<Self> {
        (!key.is_empty()).then_some(Self::Keyed)
    }

    /// By the table's key.
    pub fn of(key: &[KeyColumn]) -> Self {
        match key {
            [] => Self::Whole,
            key if key.iter().all(|column| column.kind != KeyKind::Unknown) => Self::Ordered,
            _ => Self::Keyed,
        }
    }
}

/// A table of the snapshot, as changes are judged.
#[derive(Debug)]
struct Table {
    number: u32,
    key: Vec<KeyColumn>,
    mode: Mode,
    /// Where the key's columns are in the stream's rows; found anew after each description of the table.
    columns: Option<Vec<usize>>,
}

/// Judges changes while a snapshot is read.
#[derive(Debug)]
pub struct Gate {
    progress: Progress,
    tables: HashMap<RelationId, Table>,
    /// What is before this passes: a table's number and the last key of it that passes, none of it at first.
    boundary: (u32, Option<Key>),
    /// The open transaction.
    xid: u32,
    /// What a chunk must see. The first one waits for the end of what was perhaps delivered before this process began.
    delivered: Delivered,
    /// The number of repairs was told to be too many.
    told: bool,
}

impl Gate {
    /// Goes on with a snapshot; every transaction delivered so far has an id below `floor`.
    pub fn new(progress: Progress, floor: u64) -> Self {
        let boundary = (progress.at, progress.cursor.clone());
        Self { progress, tables: HashMap::new(), boundary, xid: 0, delivered: Delivered::below(floor), told: false }
    }

    /// Where the reading is.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The same, for what reads.
    pub fn progress_mut(&mut self) -> &mut Progress {
        &mut self.progress
    }

    /// Says how a table of the snapshot is read.
    pub fn describe(&mut self, number: u32, id: RelationId, key: Vec<KeyColumn>, mode: Mode) {
        self.tables.insert(id, Table { number, mode, key, columns: None });
    }

    /// Says the key of a table that is read, and of which single rows are remembered.
    pub fn describe_read(&mut self, id: RelationId, key: Vec<KeyColumn>) {
        self.tables.insert(id, Table { number: 0, key, mode: Mode::Keyed, columns: None });
    }

    /// A Relation message came: the table's columns may have moved.
    pub fn relearn(&mut self, id: RelationId) {
        if let Some(table) = self.tables.get_mut(&id) {
            table.columns = None;
        }
    }

    /// A transaction begins in the stream.
    pub fn begin(&mut self, xid: u32, final_lsn: Lsn) {
        self.progress.pass(final_lsn);
        self.xid = xid;
        let first = self.progress.chunks.iter().find(|chunk| chunk.seen.sees(xid));
        self.boundary = match first {
            Some(chunk) => (chunk.table, chunk.after.clone()),
            None => (self.progress.at, self.progress.cursor.clone()),
        };
    }

    /// It ends.
    pub fn commit(&mut self) {
        self.delivered.add(self.xid);
    }

    /// Every transaction up to `lsn` has been delivered.
    pub fn pass(&mut self, lsn: Lsn) {
        self.progress.pass(lsn);
    }

    /// A chunk may be read under this snapshot: it sees all that was delivered.
    pub fn may_read(&mut self, seen: &Visibility) -> bool {
        self.delivered.are_seen_by(seen)
    }

    /// Waits for transactions that were open when this process began.
    pub fn waits_below(&self) -> Option<u64> {
        self.delivered.floor()
    }

    /// A chunk of the current table is about to be read, from the cursor on.
    pub fn begin_chunk(&mut self, seen: Visibility, until: Lsn) {
        let chunk = Chunk { table: self.progress.at, after: self.progress.cursor.clone(), seen, until };
        self.progress.chunks.push(chunk);
    }

    /// Single rows were read.
    pub fn add_points(&mut self, id: RelationId, mut keys: Vec<Key>, seen: Visibility, until: Lsn) {
        keys.sort_unstable();
        self.progress.points.push(Points { id, keys, seen, until });
    }

    /// What becomes of a row change. `old` is the row before, as far as it was sent.
    pub fn judge(&mut self, relation: &Relation, op: Op, old: Option<Tuple<'_>>, new: Option<Tuple<'_>>) -> Result<Verdict, Problem> {
        let Some(table) = self.tables.get_mut(&relation.id) else { return Ok(Verdict::Publish) };
        if op == Op::Truncate {
            return Ok(Verdict::Publish);
        }
        if table.columns.is_none() {
            table.columns = Some(places(&table.key, relation)?);
        }
        let Some(table) = self.tables.get(&relation.id) else { return Ok(Verdict::Publish) };
        let was = old.map(|row| Row { row, older: None });
        let is = new.map(|row| Row { row, older: old });
        let pass = |row: Option<Row<'_>>| row.map_or(Ok(true), |row| self.passes(relation, table, row));
        let verdict = match (was, is) {
            (Some(was), Some(is)) if !table.same_key(was, is) => {
                let (old_passes, new_passes) = (pass(Some(was))?, pass(Some(is))?);
                let verdict = match (old_passes, new_passes) {
                    (true, true) => Verdict::Publish,
                    (true, false) => Verdict::OldOnly,
                    (false, true) => Verdict::NewOnly,
                    (false, false) => Verdict::Withhold,
                };
                // The new row's large values may be known to nobody: the old row was perhaps never read.
                let unknown_order = table.mode == Mode::Keyed && table.number >= self.progress.at;
                if (verdict == Verdict::NewOnly || (unknown_order && new_passes)) && is.lacks_values() {
                    let key = table.key_of(is);
                    self.repair(relation, key);
                }
                return Ok(verdict);
            }
            (was, is) => pass(is.or(was))?,
        };
        Ok(if verdict { Verdict::Publish } else { Verdict::Withhold })
    }

    fn passes(&self, relation: &Relation, table: &Table, row: Row<'_>) -> Result<bool, Problem> {
        let in_points = |points: &Points| {
            points.id == relation.id
                && points.keys.binary_search_by(|key| table.compare_text(key, row)).is_ok()
                && points.seen.sees(self.xid)
        };
        if self.progress.points.iter().any(in_points) {
            return Ok(false);
        }
        let (number, last) = &self.boundary;
        Ok(match table.number.cmp(number) {
            Ordering::Less => true,
            _ if table.mode == Mode::Keyed => true,
            Ordering::Greater => false,
            Ordering::Equal => match last {
                None => false,
                Some(last) => table.compare(row, last).ok_or_else(|| key_changed(&relation.name()))? != Ordering::Greater,
            },
        })
    }

    fn repair(&mut self, relation: &Relation, key: Key) {
        if self.progress.repairs.len() < REPAIRS_MAX {
            self.progress.repairs.push((relation.id, key));
        } else if !self.told {
            self.told = true;
            tracing::warn!(
                table = relation.name(),
                "more than {REPAIRS_MAX} keys changed at once while the snapshot is read: large values of some of the new rows stay unavailable until their next change"
            );
        }
    }
}

/// A row, and the one whose values it keeps where it says so.
#[derive(Clone, Copy)]
struct Row<'a> {
    row: Tuple<'a>,
    older: Option<Tuple<'a>>,
}

impl<'a> Row<'a> {
    fn text(self, column: usize) -> Option<&'a [u8]> {
        let text = |cell| if let Cell::Text(text) = cell { Some(text) } else { None };
        match self.row.cell(column) {
            Cell::Unchanged => self.older.and_then(|older| text(older.cell(column))),
            cell => text(cell),
        }
    }

    fn lacks_values(self) -> bool {
        let lacks = |column| self.row.cell(column) == Cell::Unchanged && self.text(column).is_none();
        (0..self.row.len()).any(lacks)
    }
}

impl Table {
    fn columns(&self) -> &[usize] {
        self.columns.as_deref().unwrap_or_default()
    }

    /// A table without key has none that could change.
    fn same_key(&self, a: Row<'_>, b: Row<'_>) -> bool {
        self.columns().iter().all(|column| a.text(*column) == b.text(*column))
    }

    fn key_of(&self, row: Row<'_>) -> Key {
        self.columns().iter().map(|column| String::from_utf8_lossy(row.text(*column).unwrap_or_default()).into_owned()).collect()
    }

    /// The row's place beside a key, in the key's own order.
    fn compare(&self, row: Row<'_>, key: &Key) -> Option<Ordering> {
        for ((column, kind), part) in self.columns().iter().zip(&self.key).zip(key) {
            let order = kind.kind.compare(row.text(*column)?, part.as_bytes())?;
            if order != Ordering::Equal {
                return Some(order);
            }
        }
        Some(Ordering::Equal)
    }

    /// A remembered key's place beside the row, in the order of their texts.
    fn compare_text(&self, key: &Key, row: Row<'_>) -> Ordering {
        let parts = self.columns().iter().map(|column| row.text(*column).unwrap_or_default());
        key.iter().map(String::as_bytes).cmp(parts)
    }
}

fn places(key: &[KeyColumn], relation: &Relation) -> Result<Vec<usize>, Problem> {
    let place = |column: &KeyColumn| relation.columns.iter().position(|found| *found.name == *column.name);
    key.iter().map(place).collect::<Option<_>>().ok_or_else(|| key_changed(&relation.name()))
}

/// The key by which a table is being read is another now.
pub fn key_changed(table: &str) -> Problem {
    Problem::fail("snapshot/key-changed", format!("the key of {table} was changed while its snapshot was read"))
        .why("how far it was read is known by the old key only")
        .fix(super::resume::begin_anew_somewhere())
}

#[cfg(test)]
mod tests;
