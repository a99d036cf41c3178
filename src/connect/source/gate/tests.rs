//! The gate, against a model of PostgreSQL in which commits are decoded before they are visible.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::change::progress::TableLeft;
use crate::change::{CellSpan, Column, ReplicaIdentity, TypeKind};
use crate::postgres::copy_text::CopyRow;

/// Table 0 has an order that is known, table 1 one that only PostgreSQL knows, table 2 no key.
const TABLES: u32 = 3;
const CHUNK: usize = 3;
const KEYS: u32 = 10;

/// What a transaction does to a row: the version it gives it, none for a delete.
#[derive(Clone, Debug)]
struct Write {
    table: u32,
    /// The key before and after; the same but for a changed key.
    from: u32,
    to: u32,
    existed: bool,
    version: u64,
    delete: bool,
}

#[derive(Clone, Debug)]
struct Tx {
    xid: u32,
    writes: Vec<Write>,
    visible: bool,
}

/// What a reader of the topics has, and may never see go back.
#[derive(Clone, Debug, Default)]
struct Reader {
    rows: BTreeMap<(u32, u32), u64>,
    newest: BTreeMap<(u32, u32), u64>,
}

impl Reader {
    fn see(&mut self, table: u32, key: u32, version: u64, there: bool) -> Result<(), TestCaseError> {
        let newest = self.newest.entry((table, key)).or_default();
        prop_assert!(version >= *newest, "table {table} key {key}: version {version} behind {newest}");
        *newest = version;
        let was = if there { self.rows.insert((table, key), version) } else { self.rows.remove(&(table, key)) };
        prop_assert!(there || was.is_some() || table == 1, "table {table} key {key}: the end of a row that nobody knows");
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
    gate: Gate,
    delivered: usize,
    reader: Reader,
    /// What is durable: position, progress, and what readers saw.
    durable: (usize, Progress, Reader),
}

fn key(table: u32) -> Vec<KeyColumn> {
    let kind = if table == 0 { KeyKind::Integer } else { KeyKind::Unknown };
    if table == 2 { Vec::new() } else { vec![KeyColumn { name: "id".into(), kind }] }
}

fn relation(table: u32) -> Relation {
    let column = |name: &str| Column {
        name: name.into(),
        type_oid: 0,
        type_mod: -1,
        kind: TypeKind::Text,
        nullable: true,
        default: None,
        key_ordinal: None,
        type_name: "".into(),
    };
    let identity = ReplicaIdentity::Default;
    Relation { id: RelationId(table), schema: "s".into(), table: "t".into(), identity, columns: Box::new([column("v"), column("id")]) }
}

fn row(key: u32) -> CopyRow {
    let mut row = CopyRow::default();
    row.parse(format!("v\t{key}").as_bytes()).expect("a row");
    row
}

fn gate(progress: Progress, floor: u64) -> Gate {
    let mut gate = Gate::new(progress, floor);
    for points in gate.progress().points.clone() {
        gate.describe_read(points.id, key(points.id.0));
    }
    for (number, table) in (gate.progress().first..).zip(gate.progress().tables.clone()) {
        gate.describe(number, table.id, key(table.id.0), Mode::of(&key(table.id.0)));
    }
    gate
}

impl Model {
    fn new() -> Self {
        let left = |table| TableLeft { id: RelationId(table), files: 0, key: String::new() };
        let progress = Progress::new((0..TABLES).map(left).collect());
        // The initial rows were written by a transaction that is delivered: the slot began behind it.
        let writes = (0..TABLES).flat_map(|table| (0..KEYS / 2).map(move |key| (table, key)));
        let writes = writes.map(|(table, key)| Write { table, from: key, to: key, existed: false, version: 1, delete: false }).collect();
        Self {
            next_xid: 10,
            aborted: 9,
            open: Vec::new(),
            wal: vec![Tx { xid: 9, writes, visible: true }],
            version: 1,
            gate: gate(progress.clone(), 10),
            delivered: 1,
            reader: Reader::default(),
            durable: (1, progress, Reader::default()),
        }
    }

    /// The rows as all transactions, or the visible ones, left them.
    fn rows(&self, visible: bool) -> BTreeMap<(u32, u32), u64> {
        let mut rows = BTreeMap::new();
        for write in self.wal.iter().filter(|tx| tx.visible || !visible).flat_map(|tx| &tx.writes) {
            rows.remove(&(write.table, write.from));
            if !write.delete {
                rows.insert((write.table, write.to), write.version);
            }
        }
        rows
    }

    fn commit(&mut self, wishes: &[(u8, u8, u8)]) {
        if self.open.is_empty() {
            self.open.push(self.next_xid);
            self.next_xid += 1;
        }
        let xid = self.open.remove(wishes.len() % self.open.len());
        let mut writes = Vec::new();
        for (table, from, kind) in wishes {
            let (table, from) = (u32::from(*table) % TABLES, u32::from(*from) % KEYS);
            let mut rows = self.rows(false);
            for write in &writes {
                let write: &Write = write;
                rows.remove(&(write.table, write.from));
                if !write.delete {
                    rows.insert((write.table, write.to), write.version);
                }
            }
            let existed = rows.contains_key(&(table, from));
            let to = u32::from(*kind) % KEYS;
            let moves = existed && kind % 3 == 0 && table != 2 && !rows.contains_key(&(table, to));
            let to = if moves { to } else { from };
            // Rows of a transaction that is not visible yet are still locked.
            let locked = |key: u32| {
                let touched = |write: &Write| write.table == table && (write.from == key || write.to == key);
                self.wal.iter().any(|tx| !tx.visible && tx.writes.iter().any(touched))
            };
            if locked(from) || locked(to) {
                continue;
            }
            self.version += 1;
            writes.push(Write { table, from, to, existed, version: self.version, delete: existed && !moves && kind % 2 == 0 });
        }
        self.wal.push(Tx { xid, writes, visible: false });
    }

    fn lsn(at: usize) -> Lsn {
        Lsn(at as u64 * 10)
    }

    fn deliver(&mut self) -> Result<(), TestCaseError> {
        let Some(tx) = self.wal.get(self.delivered).cloned() else { return Ok(()) };
        self.gate.begin(tx.xid, Self::lsn(self.delivered));
        for write in &tx.writes {
            let (old, new) = (row(write.from), row(write.to));
            let moved = write.from != write.to;
            let (op, old, new) = match (write.existed, write.delete) {
                (false, _) => (Op::Create, None, Some(new.tuple())),
                (true, true) => (Op::Delete, Some(old.tuple()), None),
                (true, false) => (Op::Update, moved.then(|| old.tuple()), Some(new.tuple())),
            };
            let verdict = self.gate.judge(&relation(write.table), op, old, new).expect("the key is there");
            if matches!(verdict, Verdict::Publish | Verdict::OldOnly) && (write.delete || moved) {
                self.reader.see(write.table, write.from, write.version, false)?;
            }
            if matches!(verdict, Verdict::Publish | Verdict::NewOnly) && !write.delete {
                self.reader.see(write.table, write.to, write.version, true)?;
            }
        }
        self.gate.commit();
        self.delivered += 1;
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

    fn chunk(&mut self) -> Result<(), TestCaseError> {
        let seen = self.seen();
        let Some(current) = self.gate.progress().current().cloned() else { return Ok(()) };
        if !self.gate.may_read(&seen) {
            return Ok(());
        }
        let until = Self::lsn(self.wal.len());
        let after = self.gate.progress().cursor.as_ref().map(|key| key[0].parse::<u32>().expect("a number"));
        let table = current.id.0;
        let rows: Vec<_> =
            self.rows(true).into_iter().filter(|((of, key), _)| *of == table && after.is_none_or(|after| *key > after)).collect();
        let limit = if table == 2 { rows.len() } else { CHUNK };
        if table != 1 {
            self.gate.begin_chunk(seen.clone(), until);
        }
        let mut keys = Vec::new();
        for ((_, key), version) in rows.iter().take(limit) {
            prop_assert!(
                table == 1 || !self.reader.rows.contains_key(&(table, *key)),
                "table {table} key {key}: read although it is there"
            );
            self.reader.see(table, *key, *version, true)?;
            keys.push(vec![key.to_string()]);
        }
        self.gate.progress_mut().cursor = keys.last().cloned().filter(|_| table != 2);
        if table == 1 {
            self.gate.add_points(current.id, keys, seen, until);
        }
        if rows.len() <= limit {
            self.gate.progress_mut().next_table();
        }
        Ok(())
    }

    fn hand_over(&mut self) {
        let progress = Progress::from_json(&self.gate.progress().to_json()).expect("what was written");
        self.durable = (self.delivered, progress, self.reader.clone());
    }

    fn crash(&mut self) {
        let (delivered, progress, reader) = self.durable.clone();
        self.delivered = delivered;
        self.reader = reader;
        self.gate = gate(progress, u64::from(self.next_xid));
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Aim: no row is lost, none goes back to an older version, no delete is lost, whenever chunks are read and the
    /// process is killed. Method: a model database; the reader's rows are the database's in the end.
    #[test]
    fn what_is_read_beside_the_stream_fits_it(steps in proptest::collection::vec(step(), 0..120)) {
        let mut model = Model::new();
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
        model.gate.pass(Model::lsn(model.wal.len()));
        prop_assert!(model.gate.progress().is_over(), "{:?}", model.gate.progress());
        prop_assert_eq!(&model.reader.rows, &model.rows(false));
    }
}

#[test]
fn a_moved_row_that_lacks_values_is_read_again() {
    let progress =
        Progress { cursor: Some(vec!["5".into()]), ..Progress::new(vec![TableLeft { id: RelationId(0), files: 0, key: String::new() }]) };
    let mut gate = gate(progress, 10);
    gate.begin(20, Lsn(100));
    let bytes = b"93";
    let text = |start| CellSpan::text(start, 1).expect("short");
    let (old, new) = ([CellSpan::NULL, text(0)], [CellSpan::UNCHANGED, text(1)]);
    let judge = gate.judge(&relation(0), Op::Update, Some(Tuple::new(bytes, &old)), Some(Tuple::new(bytes, &new)));
    assert_eq!(judge, Ok(Verdict::NewOnly));
    assert_eq!(gate.progress().repairs, [(RelationId(0), vec!["3".to_owned()])]);
}
