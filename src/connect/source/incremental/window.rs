//! Which rows of a chunk are still true when they are written.
//!
//! A chunk is read under a snapshot S and written when the stream has passed every commit that S sees; changes stream on
//! meanwhile. Owns what becomes of its rows until then. Pure: told what is read and what arrives, it says what to write.
//! The rules (decision 0020):
//!
//! 1. A chunk is read only when S sees every transaction that was delivered. So no row is older than what is published.
//! 2. A transaction that S sees leaves the rows alone: they have its changes, or newer ones.
//! 3. A transaction that S does not see, and that touches a row by its old or its new key, makes it stale: what the
//!    stream publishes is newer, so the row is dropped. TRUNCATE drops all.
//! 4. Where the newer event lacks large values (it was not told what did not change), or another row may have the same
//!    key, or the event may be left out, the key is read again.
//! 5. A key that changes without its large values is read again under its new key, whatever S sees: the rows where it
//!    goes may have been written. So is a row whose place in the reading order changes, where that is not its key's, or
//!    may have changed.
//! 6. Where it cannot be told which row is meant, or the columns are others now, the whole chunk is read again.
//! 7. A change that is not published (`skipped.operations`) makes nothing newer: it leaves the rows alone. But a row that it
//!    moves is read under its new key, whatever S sees, and one that it moves or deletes is not written under its old one.

use super::super::delivered::Delivered;
use super::keys::Keys;
use crate::change::incremental::Place;
use crate::change::progress::Visibility;
use crate::change::{Cell, Incremental, Lsn, Op, Relation, RelationId, Tuple};
use crate::record::TopicIndex;

/// How many rows may wait to be read again.
const REPAIRS_MAX: usize = 10_000;

/// What a row takes beside its text and its key, about.
const ROW_BYTES: usize = 64;

/// Follows the stream for an incremental snapshot.
#[derive(Debug)]
pub struct Watch {
    state: Incremental,
    /// The checkpoint does not have the state as it is.
    changed: bool,
    delivered: Delivered,
    /// The open transaction.
    xid: u32,
    /// It is not in the rows of the window.
    later: bool,
    table: Option<Watched>,
    window: Option<Window>,
    scratch: Vec<u8>,
    told: bool,
    repairs_max: usize,
    /// More rows moved unpublished than can be remembered: the table is read from its first row.
    overrun: bool,
    /// The keys of the table's topic, when it is reconciled.
    keys: Option<Box<Keys>>,
}

/// The table that is being read, as its changes are understood.
#[derive(Debug)]
pub struct Watched {
    /// Which.
    pub id: RelationId,
    /// The columns that say in the stream which row is meant.
    pub key: Vec<String>,
    /// The columns that say in which order rows are read.
    pub by: Vec<String>,
    /// No two rows have the same key, and every change of a row is published.
    pub exact: bool,
    /// The columns as they were read: name, type and its modifier.
    pub shape: Shape,
    /// Where they are in the stream's rows; found anew after each description of the table.
    places: Option<Option<Places>>,
}

/// Where columns are.
#[derive(Clone, Debug)]
struct Places {
    key: Vec<usize>,
    /// Those of the reading order that the key does not have; `None`: one of them is not there.
    by: Option<Vec<usize>>,
}

/// Columns as they are compared.
pub type Shape = Vec<(String, u32, i32)>;

/// The columns of a table, to be compared.
pub fn shape(relation: &Relation) -> Shape {
    relation.columns.iter().map(|column| (column.name.to_string(), column.type_oid, column.type_mod)).collect()
}

impl Watched {
    /// A table whose changes are to be followed.
    pub fn new(id: RelationId, key: Vec<String>, by: Vec<String>, exact: bool, shape: Shape) -> Self {
        Self { id, key, by, exact, shape, places: None }
    }

    /// `None`: a column is not there.
    fn places(&mut self, relation: &Relation) -> Option<&Places> {
        let place = |name: &String| relation.columns.iter().position(|column| *column.name == **name);
        let Self { key, by, places, .. } = self;
        let found = || {
            let by = by.iter().filter(|column| !key.contains(column)).map(place).collect();
            Some(Places { key: key.iter().map(place).collect::<Option<_>>()?, by })
        };
        places.get_or_insert_with(found).as_ref()
    }
}

impl Watch {
    /// Follows for a snapshot; every transaction delivered so far has an id below `floor`.
    pub fn new(state: Incremental, floor: u64) -> Self {
        let delivered = Delivered::below(floor);
        Self {
            state,
            changed: true,
            delivered,
            xid: 0,
            later: false,
            table: None,
            window: None,
            scratch: Vec::new(),
            told: false,
            repairs_max: REPAIRS_MAX,
            overrun: false,
            keys: None,
        }
    }

    /// The keys of the table's topic, when it is reconciled.
    pub fn keys(&self) -> Option<&Keys> {
        self.keys.as_deref()
    }

    /// The same, to change them.
    pub fn keys_mut(&mut self) -> Option<&mut Keys> {
        self.keys.as_deref_mut()
    }

    /// The table that is being read is reconciled, by these keys; it is read from its first row.
    pub fn reconcile(&mut self, keys: Keys) {
        self.keys = Some(Box::new(keys));
        self.state_mut().begin_again();
    }

    /// Its keys, when this topic is reconciled: a table that takes another's name, and so its topic, says what lives in it, too.
    #[inline]
    pub fn keys_of(&mut self, topic: TopicIndex) -> Option<&mut Keys> {
        self.keys.as_deref_mut().filter(|keys| keys.subject().gone.topic.index == topic)
    }

    /// Rows were published that nobody saw here: what is known of keys does not suffice.
    pub fn forget_keys(&mut self) {
        if self.keys.take().is_some() {
            self.state_mut().begin_again();
            self.overrun = true;
        }
    }

    /// What outlives the process.
    pub fn state(&self) -> &Incremental {
        &self.state
    }

    /// The same, to change it.
    pub fn state_mut(&mut self) -> &mut Incremental {
        self.changed = true;
        &mut self.state
    }

    /// The state, when the last checkpoint does not have it.
    pub fn news(&mut self) -> Option<Incremental> {
        std::mem::take(&mut self.changed).then(|| self.state.clone())
    }

    /// Everything that is open now must be over before more is read: tables that were added to the publication just now are
    /// not decoded in older transactions.
    pub fn raise_floor(&mut self, floor: u64) {
        self.delivered.raise_floor(floor);
    }

    /// A chunk may be read under this snapshot.
    pub fn may_read(&mut self, seen: &Visibility) -> bool {
        self.delivered.are_seen_by(seen)
    }

    /// The end of all older transactions than this is waited for.
    pub fn waits_below(&self) -> Option<u64> {
        self.delivered.floor()
    }

    /// Follows this table from now on.
    pub fn follow(&mut self, table: Option<Watched>) {
        if table.is_none() {
            self.keys = None;
        }
        self.table = table;
        self.window = None;
    }

    /// It is this table that is followed.
    pub fn follows(&self, id: RelationId) -> bool {
        self.table.as_ref().is_some_and(|table| table.id == id)
    }

    /// Rows were read.
    pub fn open(&mut self, mut window: Window) {
        window.keys.sort_unstable();
        self.window = Some(window);
    }

    /// The window that waits.
    pub fn window(&self) -> Option<&Window> {
        self.window.as_ref()
    }

    /// The window is over, one way or the other.
    pub fn close(&mut self) -> Option<Window> {
        self.window.take()
    }

    /// True once after it was found that the table has to be read from its first row.
    pub fn begins_again(&mut self) -> bool {
        std::mem::take(&mut self.overrun)
    }

    /// A transaction begins in the stream.
    pub fn begin(&mut self, xid: u32) {
        self.xid = xid;
        self.later = self.window.as_ref().is_some_and(|window| !window.seen.sees(xid));
    }

    /// It ends.
    pub fn commit(&mut self) {
        self.delivered.add(self.xid);
        self.later = false;
    }

    /// A table is described anew.
    pub fn relearn(&mut self, id: RelationId, described: Option<&Relation>) {
        let Some(table) = self.table.as_mut().filter(|table| table.id == id) else { return };
        table.places = None;
        let same = described.is_some_and(|relation| shape(relation) == table.shape);
        if !same && self.later {
            self.give_up();
        }
    }

    /// A table is emptied.
    pub fn truncate(&mut self, id: RelationId) {
        if self.later
            && self.table.as_ref().is_some_and(|table| table.id == id)
            && let Some(window) = &mut self.window
        {
            window.rows.iter_mut().for_each(|row| row.stale = true);
        }
    }

    /// A change, which is published when it is `told`. `old` is the row before, as far as it was sent: with `old_is_key` its
    /// key only.
    pub fn see(&mut self, relation: &Relation, op: Op, told: bool, old: Option<Tuple<'_>>, old_is_key: bool, new: Option<Tuple<'_>>) {
        let Some(table) = self.table.as_mut().filter(|table| table.id == relation.id) else { return };
        let exact = table.exact;
        let Some(Places { key: columns, by }) = table.places(relation) else { return self.give_up() };
        let was = old.map(|row| Row { row, older: None });
        let is = new.map(|row| Row { row, older: old });
        // A key of other columns than those by which we know a row says nothing.
        let known = |row: &Row<'_>| !old_is_key || columns.iter().all(|column| row.text(*column).is_some());
        let was = was.filter(known);
        if (was.is_none() && op == Op::Delete) || [was, is].iter().flatten().any(|row| columns.iter().any(|column| row.hides(*column))) {
            return self.give_up();
        }
        let moved = matches!((was, is), (Some(was), Some(is)) if columns.iter().any(|column| was.text(*column) != is.text(*column)));
        // What the old row does not tell of the reading order may have been any value.
        let other_place = |column: &usize| match (is, old.filter(|_| !old_is_key)) {
            (Some(is), _) if is.row.cell(*column) == Cell::Unchanged => false,
            (Some(is), Some(old)) => is.text(*column) != Row { row: old, older: None }.text(*column),
            _ => true,
        };
        let passes = moved || (op == Op::Update && by.as_ref().is_none_or(|by| by.iter().any(other_place)));
        if !told && !passes && op != Op::Delete {
            return;
        }
        let lacks = is.is_some_and(|row| row.lacks_values());
        let mut stale = false;
        if self.later
            && let Some(window) = &mut self.window
        {
            for row in [was, is].into_iter().flatten() {
                self.scratch.clear();
                write_key(&mut self.scratch, columns, row);
                stale |= window.drop_row(&self.scratch);
            }
        }
        let place = |row: Row<'_>| columns.iter().map(|column| row.text(*column).map(owned)).collect::<Place>();
        let again = match (was, is) {
            // Where an update that changes nothing else is not published, the key may be what nobody sees.
            (_, Some(is)) if passes && (lacks || !told || !exact) => Some(place(is)),
            (was, is) if stale && !exact => is.or(was).map(place),
            (_, Some(is)) if stale && lacks => Some(place(is)),
            _ => None,
        };
        let other = was.filter(|_| stale && moved && !exact).map(place);
        for place in again.into_iter().chain(other) {
            self.repair(place, passes, told);
        }
    }

    /// The stream publishes this row with values that were read just now: what waits under its key may be older, whatever was
    /// seen when it was read. It is read again: what was published may lack other values.
    pub fn outdate(&mut self, relation: &Relation, old: Option<Tuple<'_>>, new: Tuple<'_>) {
        let Some(table) = self.table.as_mut().filter(|table| table.id == relation.id) else { return };
        let Some(Places { key: columns, .. }) = table.places(relation) else { return self.void() };
        let row = Row { row: new, older: old };
        if columns.iter().any(|column| row.hides(*column)) {
            return self.void();
        }
        let Some(window) = &mut self.window else { return };
        self.scratch.clear();
        write_key(&mut self.scratch, columns, row);
        if window.drop_row(&self.scratch) {
            let place = columns.iter().map(|column| row.text(*column).map(owned)).collect();
            self.repair(place, false, true);
        }
    }

    /// What waits is read again, whatever it is.
    pub fn void(&mut self) {
        if let Some(window) = &mut self.window {
            window.is_void = true;
        }
    }

    /// Of a row that moves nothing else says that it has to be read again; of one that was dropped, the cursor.
    fn repair(&mut self, place: Place, moved: bool, told: bool) {
        let waiting = self.state.repairs.len() + self.window.as_ref().map_or(0, |window| window.repairs.len());
        if waiting >= self.repairs_max && !told {
            // Nothing but this says that the row is there.
            self.changed = true;
            self.overrun = true;
            self.state.begin_again();
            self.void();
        } else if waiting >= self.repairs_max {
            if !self.told {
                self.told = true;
                tracing::warn!(
                    "more than {REPAIRS_MAX} rows of an incremental snapshot changed without their large values: those of some stay unavailable until their next change"
                );
            }
        } else if moved || self.window.is_none() {
            self.changed = true;
            self.state.repairs.push(place);
        } else if let Some(window) = &mut self.window {
            window.repairs.push(place);
        }
    }

    fn give_up(&mut self) {
        if self.later {
            self.void();
        }
    }
}

/// Rows that were read and wait until the stream has passed their snapshot.
#[derive(Debug)]
pub struct Window {
    seen: Visibility,
    /// No commit behind this is in `seen`.
    pub until: Lsn,
    /// So many of the rows that are to be read again were asked for; none: it is the next chunk.
    pub repairs_asked: usize,
    /// The last row that was read.
    pub end: Option<Place>,
    /// Rows to be read again once this window is written.
    pub repairs: Vec<Place>,
    /// It has to be read again.
    pub is_void: bool,
    text: Vec<u8>,
    /// What its keys take, with what stands around them.
    key_bytes: usize,
    rows: Vec<Waiting>,
    /// Keys, and the numbers of their rows.
    keys: Vec<(Box<[u8]>, u32)>,
}

#[derive(Debug)]
struct Waiting {
    /// Where it ends in `text`.
    end: usize,
    stale: bool,
}

impl Window {
    /// Without rows yet.
    pub fn new(seen: Visibility, until: Lsn, repairs_asked: usize) -> Self {
        Self {
            seen,
            until,
            repairs_asked,
            end: None,
            repairs: Vec::new(),
            is_void: false,
            text: Vec::new(),
            key_bytes: 0,
            rows: Vec::new(),
            keys: Vec::new(),
        }
    }

    /// Adds a row: its line of `COPY`, and where its key is in it.
    pub fn push(&mut self, line: &[u8], row: Tuple<'_>, key: &[usize]) {
        let mut bytes = Vec::new();
        write_key(&mut bytes, key, Row { row, older: None });
        self.key_bytes += bytes.len() + ROW_BYTES;
        // Fewer rows than bytes, of which there are few.
        self.keys.push((bytes.into(), self.rows.len() as u32));
        self.text.extend_from_slice(line);
        self.rows.push(Waiting { end: self.text.len(), stale: false });
    }

    /// It is the next chunk, and there is none.
    pub fn is_last(&self) -> bool {
        self.repairs_asked == 0 && self.end.is_none()
    }

    /// Bytes that it holds.
    pub fn bytes(&self) -> usize {
        self.text.len() + self.key_bytes
    }

    /// Rows that were read.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The lines of the rows that are still true.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.rows.iter().filter_map(move |row| {
            let line = self.text.get(start..row.end);
            start = row.end;
            line.filter(|_| !row.stale)
        })
    }

    /// True when there was such a row that was not stale.
    fn drop_row(&mut self, key: &[u8]) -> bool {
        let first = self.keys.partition_point(|(known, _)| **known < *key);
        let mut found = false;
        for (_, number) in self.keys.iter().skip(first).take_while(|(known, _)| **known == *key) {
            if let Some(row) = self.rows.get_mut(*number as usize) {
                found |= !row.stale;
                row.stale = true;
            }
        }
        found
    }
}

/// A row, and the one whose values it keeps where it says so.
#[derive(Clone, Copy)]
struct Row<'a> {
    row: Tuple<'a>,
    older: Option<Tuple<'a>>,
}

impl<'a> Row<'a> {
    fn cell(self, column: usize) -> Cell<'a> {
        match self.row.cell(column) {
            Cell::Unchanged => self.older.map_or(Cell::Unchanged, |older| older.cell(column)),
            cell => cell,
        }
    }

    /// `None`: NULL, or not told.
    fn text(self, column: usize) -> Option<&'a [u8]> {
        if let Cell::Text(text) = self.cell(column) { Some(text) } else { None }
    }

    /// The value was not told.
    fn hides(self, column: usize) -> bool {
        self.row.cell(column) == Cell::Unchanged && self.text(column).is_none()
    }

    fn lacks_values(self) -> bool {
        (0..self.row.len()).any(|column| self.hides(column))
    }
}

fn owned(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// A key as bytes of which no two keys have the same.
fn write_key(out: &mut Vec<u8>, columns: &[usize], row: Row<'_>) {
    for column in columns {
        match row.text(*column) {
            Some(text) => {
                out.push(1);
                out.extend_from_slice(&(text.len() as u64).to_be_bytes());
                out.extend_from_slice(text);
            }
            None => out.push(0),
        }
    }
}

#[cfg(test)]
mod tests;
