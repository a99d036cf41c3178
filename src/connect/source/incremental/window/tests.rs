//! The window, against a model of PostgreSQL in which commits are decoded before they are visible.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::change::{CellSpan, Column, ReplicaIdentity, TypeKind};

const CHUNK: usize = 3;
const KEYS: u32 = 10;
const TABLE: RelationId = RelationId(7);

/// A row: its version, and that of its large value, which a reader may not know.
type Row = (u64, Option<u64>);

/// What a transaction does to a row.
#[derive(Clone, Debug)]
struct Write {
    kind: Kind,
    from: u32,
    to: u32,
    version: u64,
    /// The large value changes, too.
    whole: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Insert,
    Update,
    /// An update that changes nothing, which is not published.
    Nothing,
    Delete,
    Truncate,
}

#[derive(Clone, Debug)]
struct Tx {
    xid: u32,
    writes: Vec<Write>,
    visible: bool,
}

/// `skipped.operations`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Skipped {
    None,
    Updates,
    Deletes,
}

/// What a reader of the topic has, and may never see go back.
#[derive(Clone, Debug, Default)]
struct Reader {
    rows: BTreeMap<u32, Row>,
    newest: BTreeMap<u32, u64>,
    /// Where rows went unpublished after the snapshot: nobody reads them there.
    unread: BTreeSet<u32>,
}

impl Reader {
    fn see(&mut self, key: u32, version: u64) -> Result<(), TestCaseError> {
        let newest = self.newest.entry(key).or_default();
        prop_assert!(version >= *newest, "key {key}: version {version} behind {newest}");
        *newest = version;
        Ok(())
    }
}

struct Model {
    next_xid: u32,
    /// The newest transaction that is over without having written anything.
    aborted: u32,
    open: Vec<u32>,
    wal: Vec<Tx>,
    version: u64,
    exact: bool,
    skipped: Skipped,
    /// Over when there is none.
    watch: Option<Watch>,
    at_end: bool,
    delivered: usize,
    reader: Reader,
    /// What is durable: position, state, and what readers saw.
    durable: (usize, Option<Incremental>, Reader),
}

fn relation() -> Relation {
    let column = |name: &str| Column {
        name: name.into(),
        type_oid: 0,
        type_mod: -1,
        type_name: "".into(),
        kind: TypeKind::Text,
        nullable: true,
        default: None,
        key_ordinal: None,
    };
    let columns = Box::new([column("v"), column("id"), column("big")]);
    Relation { id: TABLE, schema: "s".into(), table: "t".into(), identity: ReplicaIdentity::Default, columns }
}

/// Rows that moved unpublished are more than can be remembered now and then.
fn watch(state: Incremental, floor: u32, exact: bool, skipped: Skipped) -> Watch {
    let mut watch = Watch::new(state, u64::from(floor));
    if skipped == Skipped::Updates {
        watch.repairs_max = 4;
    }
    watch.follow(Some(Watched::new(TABLE, vec!["id".into()], vec!["id".into()], exact, shape(&relation()))));
    watch
}

fn place(key: u32) -> Place {
    vec![Some(key.to_string())]
}

fn number(place: &Place) -> u32 {
    place[0].as_deref().expect("no NULL").parse().expect("a number")
}

/// `version|key|large value` and where they are.
fn cells(key: u32, row: Row) -> (Vec<u8>, [CellSpan; 3]) {
    let texts = [row.0.to_string(), key.to_string(), row.1.map(|big| big.to_string()).unwrap_or_default()];
    let spans = [0, texts[0].len(), texts[0].len() + texts[1].len()].map(|start| start);
    let span = |at: usize| CellSpan::text(spans[at], texts[at].len()).expect("short");
    let big = if row.1.is_some() { span(2) } else { CellSpan::UNCHANGED };
    (texts.concat().into_bytes(), [span(0), span(1), big])
}

/// A line as the model writes it: what is told apart is where a window cuts it.
fn line(key: u32, row: Row) -> Vec<u8> {
    format!("{key} {} {}\n", row.0, row.1.expect("a whole row")).into_bytes()
}

impl Model {
    fn new(exact: bool, skipped: Skipped) -> Self {
        // The initial rows were written by a transaction that is delivered, when nobody captured the table.
        let insert = |key| Write { kind: Kind::Insert, from: key, to: key, version: 1, whole: true };
        let state = Incremental { left: [Default::default()].into(), ..Incremental::default() };
        Self {
            next_xid: 10,
            aborted: 9,
            open: Vec::new(),
            wal: vec![Tx { xid: 9, writes: (0..KEYS / 2).map(|key| insert(key * 3 / 2)).collect(), visible: true }],
            version: 1,
            exact,
            skipped,
            watch: Some(watch(state.clone(), 10, exact, skipped)),
            at_end: false,
            delivered: 1,
            reader: Reader::default(),
            durable: (1, Some(state), Reader::default()),
        }
    }

    fn apply(rows: &mut BTreeMap<u32, Row>, write: &Write) {
        match write.kind {
            Kind::Insert => drop(rows.insert(write.to, (write.version, Some(write.version)))),
            Kind::Update => {
                let was = rows.remove(&write.from);
                let big = if write.whole { Some(write.version) } else { was.and_then(|(_, big)| big) };
                rows.insert(write.to, (write.version, big));
            }
            Kind::Nothing => {}
            Kind::Delete => drop(rows.remove(&write.from)),
            Kind::Truncate => rows.clear(),
        }
    }

    /// The rows as all transactions, or the visible ones, left them.
    fn rows(&self, visible: bool) -> BTreeMap<u32, Row> {
        let mut rows = BTreeMap::new();
        let seen = self.wal.iter().filter(|tx| tx.visible || !visible);
        seen.flat_map(|tx| &tx.writes).for_each(|write| Self::apply(&mut rows, write));
        rows
    }

    fn hidden(&self) -> impl Iterator<Item = &Write> {
        self.wal.iter().filter(|tx| !tx.visible).flat_map(|tx| &tx.writes)
    }

    fn commit(&mut self, wishes: &[(u8, u8, u8)]) {
        if self.open.is_empty() {
            self.open.push(self.next_xid);
            self.next_xid += 1;
        }
        let xid = self.open.remove(wishes.len() % self.open.len());
        let mut rows = self.rows(false);
        let mut writes: Vec<Write> = Vec::new();
        for (from, to, wish) in wishes {
            let (from, to) = (u32::from(*from) % KEYS, u32::from(*to) % KEYS);
            let existed = rows.contains_key(&from);
            let (kind, to) = match (existed, wish % 8) {
                (_, 7) if wish % 5 == 0 => (Kind::Truncate, from),
                (false, _) => (Kind::Insert, from),
                (true, 0 | 1) => (Kind::Delete, from),
                (true, 2) if !self.exact => (Kind::Nothing, from),
                (true, 3..=5) if !rows.contains_key(&to) => (Kind::Update, to),
                (true, _) => (Kind::Update, from),
            };
            // Rows of a transaction that is not visible yet are still locked; so is a table that is truncated.
            let touches = |write: &Write| [write.from, write.to].iter().any(|key| *key == from || *key == to);
            let locked = self.hidden().any(|write| write.kind == Kind::Truncate || kind == Kind::Truncate || touches(write));
            if locked {
                continue;
            }
            self.version += u64::from(kind != Kind::Nothing);
            let write = Write { kind, from, to, version: self.version, whole: wish & 64 != 0 };
            Self::apply(&mut rows, &write);
            writes.push(write);
        }
        self.wal.push(Tx { xid, writes, visible: false });
    }

    fn lsn(at: usize) -> Lsn {
        Lsn(at as u64 * 10)
    }

    fn deliver(&mut self) -> Result<(), TestCaseError> {
        let Some(tx) = self.wal.get(self.delivered).cloned() else { return Ok(()) };
        if let Some(watch) = &mut self.watch {
            watch.begin(tx.xid);
        }
        for write in &tx.writes {
            self.show(write)?;
        }
        if let Some(watch) = &mut self.watch {
            watch.commit();
        }
        self.delivered += 1;
        Ok(())
    }

    fn show(&mut self, write: &Write) -> Result<(), TestCaseError> {
        let moved = write.from != write.to;
        let big = Some(write.version).filter(|_| write.whole || write.kind == Kind::Insert);
        let ((old_bytes, old), (new_bytes, new)) = (cells(write.from, (0, Some(0))), cells(write.to, (write.version, big)));
        let key_only = [CellSpan::NULL, old[1], CellSpan::NULL];
        let (before, after) = (Tuple::new(&old_bytes, &key_only), Tuple::new(&new_bytes, &new));
        let told = match write.kind {
            Kind::Update | Kind::Nothing => self.skipped != Skipped::Updates,
            Kind::Delete => self.skipped != Skipped::Deletes,
            Kind::Insert | Kind::Truncate => true,
        };
        if let Some(watch) = &mut self.watch {
            match write.kind {
                Kind::Insert => watch.see(&relation(), Op::Create, true, None, false, Some(after)),
                Kind::Update | Kind::Nothing => watch.see(&relation(), Op::Update, told, moved.then_some(before), true, Some(after)),
                Kind::Delete => watch.see(&relation(), Op::Delete, told, Some(before), true, None),
                Kind::Truncate => watch.truncate(TABLE),
            }
        }
        let reader = &mut self.reader;
        match write.kind {
            Kind::Nothing => return Ok(()),
            _ if !told => {
                if moved && self.watch.is_none() {
                    reader.unread.insert(write.to);
                }
                return Ok(());
            }
            Kind::Truncate => {
                for key in 0..KEYS {
                    reader.see(key, write.version)?;
                }
            }
            _ => {
                reader.see(write.from, write.version)?;
                reader.see(write.to, write.version)?;
            }
        }
        Self::apply(&mut reader.rows, write);
        Ok(())
    }

    fn seen(&self) -> Visibility {
        let mut running: Vec<u64> = self.open.iter().map(|xid| u64::from(*xid)).collect();
        running.extend(self.wal.iter().filter(|tx| !tx.visible).map(|tx| u64::from(tx.xid)));
        let xmax = self.wal.iter().filter(|tx| tx.visible).map(|tx| u64::from(tx.xid)).max().unwrap_or(0).max(u64::from(self.aborted)) + 1;
        running.retain(|xid| *xid < xmax);
        running.sort_unstable();
        Visibility { xmin: running.first().copied().unwrap_or(xmax), xmax, running }
    }

    /// As [`super::super::Reader`] does it.
    fn chunk(&mut self) -> Result<(), TestCaseError> {
        let (seen, rows) = (self.seen(), self.rows(true));
        let truncating = self.hidden().any(|write| write.kind == Kind::Truncate);
        let passed = Self::lsn(self.delivered);
        let Some(watch) = &mut self.watch else { return Ok(()) };
        if watch.begins_again() {
            watch.close();
            self.at_end = false;
        }
        if watch.window().is_some_and(|window| window.is_void) {
            watch.close();
        }
        if let Some(window) = watch.window() {
            return if window.until > passed { Ok(()) } else { self.write() };
        }
        // The lock is held until the truncation is visible.
        if truncating || !watch.may_read(&seen) {
            return Ok(());
        }
        let Some(greatest) = watch.state().greatest.clone().or_else(|| rows.keys().next_back().map(|key| place(*key))) else {
            self.watch = None;
            return Ok(());
        };
        watch.state_mut().greatest = Some(greatest.clone());
        let behind = |key: &u32| watch.state().cursor.as_ref().is_none_or(|cursor| *key > number(cursor));
        let mut chosen: Vec<_> = rows.iter().filter(|(key, _)| behind(key) && **key <= number(&greatest)).take(CHUNK).collect();
        let asked = if self.at_end { watch.state().repairs.len().min(2) } else { 0 };
        if self.at_end && asked == 0 {
            self.watch = None;
            return Ok(());
        }
        let mut window = Window::new(seen, Self::lsn(self.wal.len()), asked);
        if asked > 0 {
            let wanted: Vec<u32> = watch.state().repairs[..asked].iter().map(number).collect();
            chosen = rows.iter().filter(|(key, _)| wanted.contains(key)).collect();
        }
        for (key, row) in chosen {
            let (bytes, spans) = cells(*key, *row);
            window.push(&line(*key, *row), Tuple::new(&bytes, &spans), &[1]);
            if asked == 0 {
                window.end = Some(place(*key));
            }
        }
        watch.open(window);
        Ok(())
    }

    fn write(&mut self) -> Result<(), TestCaseError> {
        let Some(watch) = &mut self.watch else { return Ok(()) };
        let window = watch.close().expect("a window");
        for line in window.lines() {
            let text = std::str::from_utf8(line).expect("text").trim_end();
            let parts: Vec<u64> = text.split(' ').map(|part| part.parse().expect("a number")).collect();
            let key = parts[0] as u32;
            self.reader.see(key, parts[1])?;
            self.reader.rows.insert(key, (parts[1], Some(parts[2])));
        }
        self.at_end |= window.is_last();
        let state = watch.state_mut();
        state.repairs.drain(..window.repairs_asked);
        state.repairs.extend(window.repairs);
        if window.end.is_some() {
            state.cursor = window.end;
        }
        self.hand_over();
        Ok(())
    }

    fn hand_over(&mut self) {
        let state = self.watch.as_ref().map(|watch| Incremental::from_json(&watch.state().to_json()).expect("what was written"));
        self.durable = (self.delivered, state, self.reader.clone());
    }

    fn crash(&mut self) {
        let (delivered, state, reader) = self.durable.clone();
        self.delivered = delivered;
        self.reader = reader;
        self.watch = state.map(|state| watch(state, self.next_xid, self.exact, self.skipped));
        self.at_end = false;
        self.aborted = self.next_xid;
        self.next_xid += 1;
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Open => {
                self.open.push(self.next_xid);
                self.next_xid += 1;
            }
            Step::Commit(wishes) => self.commit(wishes),
            Step::Show(which) => {
                let waiting: Vec<_> = (0..self.wal.len()).filter(|at| !self.wal[*at].visible).collect();
                if !waiting.is_empty() {
                    self.wal[waiting[usize::from(*which) % waiting.len()]].visible = true;
                }
            }
            Step::Deliver => self.deliver()?,
            Step::Chunk => self.chunk()?,
            Step::HandOver => self.hand_over(),
            Step::Crash => self.crash(),
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
enum Step {
    Open,
    Commit(Vec<(u8, u8, u8)>),
    Show(u8),
    Deliver,
    Chunk,
    HandOver,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::Open),
        6 => proptest::collection::vec(any::<(u8, u8, u8)>(), 1..5).prop_map(Step::Commit),
        5 => any::<u8>().prop_map(Step::Show),
        5 => Just(Step::Deliver),
        4 => Just(Step::Chunk),
        2 => Just(Step::HandOver),
        1 => Just(Step::Crash),
    ]
}

fn skipped() -> impl Strategy<Value = Skipped> {
    prop_oneof![Just(Skipped::None), Just(Skipped::Updates), Just(Skipped::Deletes)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Aim: no row is lost, none goes back to an older version or comes back, no large value stays unknown, whenever
    /// chunks are read and the process is killed. Method: a model database; the reader's rows are the database's in the end.
    #[test]
    fn what_is_written_behind_the_stream_fits_it(exact: bool, skipped in skipped(), steps in proptest::collection::vec(step(), 0..120)) {
        let mut model = Model::new(exact, skipped);
        for step in &steps {
            model.step(step)?;
        }
        // Everything ends, becomes visible and is delivered.
        model.open.clear();
        model.aborted = model.next_xid;
        model.wal.iter_mut().for_each(|tx| tx.visible = true);
        for _ in 0..200 {
            model.deliver()?;
            model.chunk()?;
        }
        prop_assert!(model.watch.is_none(), "{:?}", model.watch);
        let (rows, read) = (model.rows(false), &model.reader.rows);
        match skipped {
            Skipped::None => prop_assert_eq!(read, &rows),
            // Some version of every row, under the key that it has.
            Skipped::Updates => {
                let lost: Vec<_> = rows.keys().filter(|key| !read.contains_key(key) && !model.reader.unread.contains(key)).collect();
                prop_assert!(lost.is_empty(), "{lost:?}");
            }
            // Every row as it is, and others that nobody said were deleted.
            Skipped::Deletes => {
                let wrong: Vec<_> = rows.iter().filter(|(key, row)| read.get(key) != Some(row)).collect();
                prop_assert!(wrong.is_empty(), "{wrong:?} in {read:?}");
            }
        }
    }
}

/// A window with the rows 1 and 2, read under a snapshot that does not see transaction 20.
fn opened(exact: bool) -> Watch {
    let mut watch = watch(Incremental::default(), 0, exact, Skipped::None);
    let mut window = Window::new(Visibility { xmin: 20, xmax: 20, running: Vec::new() }, Lsn(100), 0);
    for key in [2, 1] {
        let (bytes, spans) = cells(key, (1, Some(1)));
        window.push(&line(key, (1, Some(1))), Tuple::new(&bytes, &spans), &[1]);
    }
    watch.open(window);
    watch
}

fn left(watch: &Watch) -> usize {
    watch.window().map_or(0, |window| window.lines().count())
}

#[test]
fn a_transaction_that_the_rows_have_leaves_them() {
    let (bytes, spans) = cells(1, (2, Some(2)));
    for (xid, rows) in [(19, 2), (20, 1)] {
        let mut watch = opened(true);
        watch.begin(xid);
        watch.see(&relation(), Op::Update, true, None, false, Some(Tuple::new(&bytes, &spans)));
        assert_eq!(left(&watch), rows, "{xid}");
        watch.truncate(TABLE);
        assert_eq!(left(&watch), if xid == 19 { 2 } else { 0 }, "{xid}");
    }
}

/// Aim: an update that is left out neither takes a row away nor hides where one went, whether the rows have it or not.
#[test]
fn a_row_that_moves_unpublished_is_read_where_it_went() {
    let ((old_bytes, old), (bytes, spans)) = (cells(1, (1, Some(1))), cells(7, (2, Some(2))));
    for (xid, rows) in [(19, 2), (20, 1)] {
        let mut watch = opened(true);
        watch.begin(xid);
        let (before, after) = (Tuple::new(&old_bytes, &old), Tuple::new(&bytes, &spans));
        watch.see(&relation(), Op::Update, false, None, false, Some(before));
        assert_eq!((left(&watch), watch.state().repairs.len()), (2, 0), "{xid}");
        watch.see(&relation(), Op::Update, false, Some(before), true, Some(after));
        assert_eq!((left(&watch), &watch.state().repairs), (rows, &vec![place(7)]), "{xid}");
    }
}

/// Aim: a row whose place in the reading order changes, or may have changed, is read again where nothing else tells all of it.
#[test]
fn a_row_that_passes_the_cursor_under_its_key_is_read_again() {
    let (whole, lacking) = (cells(1, (2, Some(2))), cells(1, (2, None)));
    let (same, other) = (cells(1, (2, Some(1))), cells(1, (1, Some(1))));
    let unchanged = (whole.0.clone(), [CellSpan::UNCHANGED, whole.1[1], whole.1[2]]);
    let cases = [
        (false, None, &whole, 1),
        (false, Some(&other), &whole, 1),
        (false, Some(&same), &whole, 0),
        (false, None, &unchanged, 0),
        (true, None, &whole, 0),
        (true, None, &lacking, 1),
    ];
    let repairs = |by: &str, told: bool, old: Option<&(Vec<u8>, [CellSpan; 3])>, (bytes, spans): &(Vec<u8>, [CellSpan; 3])| {
        let mut watch = opened(true);
        watch.follow(Some(Watched::new(TABLE, vec!["id".into()], vec![by.into(), "id".into()], true, shape(&relation()))));
        watch.begin(19);
        let old = old.map(|(bytes, spans)| Tuple::new(bytes, spans));
        watch.see(&relation(), Op::Update, told, old, false, Some(Tuple::new(bytes, spans)));
        watch.state().repairs.clone()
    };
    for (case, (told, old, new, times)) in cases.into_iter().enumerate() {
        assert_eq!(repairs("v", told, old, new), vec![place(1); times], "{case}");
    }
    assert_eq!(repairs("gone", false, Some(&same), &whole), [place(1)]);
    assert_eq!(repairs("id", false, None, &whole), Vec::<Place>::new());
}

/// Aim: rows that move unpublished are not forgotten when they are too many: the table is read again.
#[test]
fn more_rows_that_move_than_can_be_remembered_begin_the_table_again() {
    let mut watch = opened(true);
    watch.state_mut().cursor = Some(place(2));
    watch.begin(19);
    let (old_bytes, old) = cells(1, (1, Some(1)));
    for key in 0..=REPAIRS_MAX as u32 {
        let (bytes, spans) = cells(key + 10, (2, Some(2)));
        watch.see(&relation(), Op::Update, false, Some(Tuple::new(&old_bytes, &old)), true, Some(Tuple::new(&bytes, &spans)));
    }
    assert_eq!((&watch.state().cursor, watch.state().repairs.len()), (&None, 0));
    assert!(watch.begins_again() && !watch.begins_again());
}

/// Aim: a change whose lacking value is read again when it comes shows what may be newer than the rows that wait, also of a
/// transaction that they have.
#[test]
fn a_row_that_is_published_as_of_now_outdates_the_one_that_waits() {
    for exact in [true, false] {
        let mut watch = opened(exact);
        let (bytes, spans) = cells(1, (2, None));
        watch.begin(19);
        watch.outdate(&relation(), None, Tuple::new(&bytes, &spans));
        assert_eq!(left(&watch), 1, "{exact}");
        assert_eq!(watch.close().map(|window| window.repairs), Some(vec![place(1)]), "{exact}");
    }
}

#[test]
fn a_row_that_changes_twice_is_read_again_once() {
    let mut watch = opened(true);
    let (bytes, spans) = cells(1, (2, None));
    for xid in [20, 21] {
        watch.begin(xid);
        watch.see(&relation(), Op::Update, true, None, false, Some(Tuple::new(&bytes, &spans)));
        watch.commit();
    }
    assert_eq!(watch.close().map(|window| window.repairs), Some(vec![place(1)]));
}

#[test]
fn another_shape_of_the_table_lets_the_chunk_be_read_again() {
    let mut other = relation();
    other.columns[2].type_oid = 25;
    for (xid, described, is_void) in [(20, &other, true), (20, &relation(), false), (19, &other, false)] {
        let mut watch = opened(true);
        watch.begin(xid);
        watch.relearn(TABLE, Some(described));
        assert_eq!(watch.window().map(|window| window.is_void), Some(is_void), "{xid}");
    }
}

#[test]
fn a_row_that_cannot_be_told_lets_the_chunk_be_read_again() {
    let mut watch = opened(true);
    watch.begin(20);
    let (bytes, spans) = cells(1, (1, Some(1)));
    // The identity has other columns than the key by which the rows are known.
    let key = [spans[0], CellSpan::NULL, CellSpan::NULL];
    watch.see(&relation(), Op::Delete, true, Some(Tuple::new(&bytes, &key)), true, None);
    assert_eq!(watch.window().map(|window| window.is_void), Some(true));
    let mut watch = opened(true);
    watch.begin(20);
    watch.see(&relation(), Op::Update, true, None, false, Some(Tuple::new(&bytes, &[spans[0], CellSpan::UNCHANGED, spans[2]])));
    assert_eq!(watch.window().map(|window| window.is_void), Some(true));
}

#[test]
fn rows_with_one_key_are_dropped_together_and_read_again() {
    let mut watch = opened(false);
    let (bytes, spans) = cells(2, (1, Some(1)));
    if let Some(mut window) = watch.close() {
        window.push(&line(2, (1, Some(1))), Tuple::new(&bytes, &spans), &[1]);
        watch.open(window);
    }
    watch.begin(20);
    watch.see(&relation(), Op::Delete, true, Some(Tuple::new(&bytes, &spans)), false, None);
    assert_eq!(left(&watch), 1);
    assert_eq!(watch.close().map(|window| window.repairs), Some(vec![place(2)]));
}
