//! The check: replays every topic into a table and tells each thing that is not as the source did it.
//!
//! What is checked: (1) an event fits the row it meets (no create over a live key, no update, delete or move of an
//! unknown one, `seq` grows by exactly one in a life, the row before is the row held where the whole row is sent, a
//! tombstone follows its delete); (2) rows of one transaction stand together and in the order they were written; (3)
//! the transactions of every topic stand in one order, the journal's; (4) each transaction's events are as many, of
//! each kind, as its journal row says; (5) the tables that result equal the source's.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::event::{Event, Move, Op, Row, UNCHANGED};
use super::workload::Did;
use super::{TABLES, Table, table};
use crate::support::postgres::Sql;

/// Events of one partition of one table's topic, in order.
pub type Stream = Vec<Event>;
/// All streams: (table, partition) to events.
pub type Streams = BTreeMap<(&'static str, i32), Stream>;

/// The source's truth, read when nobody writes any more.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// Table to its rows, sorted.
    rows: BTreeMap<&'static str, Vec<Row>>,
    /// Transaction to what it did.
    did: HashMap<u64, String>,
}

impl Truth {
    /// Reads it.
    pub fn read(sql: &Sql) -> Self {
        let mut truth = Self::default();
        for table in &TABLES {
            let columns = table.columns.iter().map(|column| format!("{column}::text")).collect::<Vec<_>>().join(", ");
            let mut rows = sql.rows(&format!("select {columns} from public.{}", table.name));
            rows.sort();
            truth.rows.insert(table.name, rows);
        }
        for row in sql.rows("select xid::text, did from journal") {
            if let [Some(xid), Some(did)] = row.as_slice() {
                truth.did.insert(xid.parse().expect("a transaction id"), did.clone());
            }
        }
        truth
    }

    /// How many transactions there are.
    pub fn transactions(&self) -> usize {
        self.did.len()
    }
}

/// Everything that is wrong; empty when all is well. At most a hundred are told.
pub fn check(streams: &Streams, truth: &Truth) -> Vec<String> {
    let mut findings = Findings::default();
    let mut state = HashMap::new();
    for ((name, partition), stream) in streams {
        let mut replay = Replay { table: table(name), partition: *partition, rows: BTreeMap::new(), moving: None, findings: &mut findings };
        replay.run(stream);
        let rows = replay.rows;
        state.entry(*name).or_insert_with(Vec::new).extend(rows.into_values().flatten());
    }
    for table in &TABLES {
        let mut rows: Vec<Row> = state.remove(table.name).unwrap_or_default();
        rows.sort();
        compare(table, &rows, truth.rows.get(table.name).map(Vec::as_slice).unwrap_or_default(), &mut findings);
    }
    let order = journal_order(streams, &mut findings);
    for ((name, _), stream) in streams {
        transactions_in_order(name, stream, &order, &mut findings);
        steps_in_order(table(name), stream, &mut findings);
    }
    counts(streams, truth, &mut findings);
    findings.0
}

/// What was found, with a bound.
#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    fn add(&mut self, finding: impl FnOnce() -> String) {
        if self.0.len() < 100 {
            self.0.push(finding());
        }
    }
}

/// One partition's topic, replayed.
struct Replay<'a> {
    table: &'static Table,
    partition: i32,
    /// Key (or the whole row, for a table without a key) to the rows that have it.
    rows: BTreeMap<Row, Vec<Row>>,
    /// The row that a changed key took along: what it does not send again is unchanged from here.
    moving: Option<Row>,
    findings: &'a mut Findings,
}

impl Replay<'_> {
    fn run(&mut self, stream: &Stream) {
        for (at, event) in stream.iter().enumerate() {
            if let Err(wrong) = self.apply(event) {
                let (name, partition) = (self.table.name, self.partition);
                self.findings.add(|| format!("{name}/{partition} event {at}: {wrong}: {event:?}"));
            }
            self.tombstone_follows(stream, at, event);
        }
    }

    fn tombstone_follows(&mut self, stream: &Stream, at: usize, event: &Event) {
        let next = stream.get(at + 1);
        let followed = next.is_some_and(|next| next.op == Op::Tombstone && next.key == event.key);
        let previous = at.checked_sub(1).and_then(|before| stream.get(before));
        let led = previous.is_some_and(|previous| previous.op == Op::Delete && previous.key == event.key);
        let name = self.table.name;
        if event.op == Op::Delete && !followed {
            self.findings.add(|| format!("{name} event {at}: no tombstone behind {event:?}"));
        }
        if event.op == Op::Tombstone && !led {
            self.findings.add(|| format!("{name} event {at}: no delete before {event:?}"));
        }
    }

    fn apply(&mut self, event: &Event) -> Result<(), String> {
        match event.op {
            Op::Tombstone => Ok(()),
            Op::Read => self.read(event),
            Op::Create => self.create(event),
            Op::Update => self.update(event),
            Op::Delete => self.delete(event),
        }
    }

    fn read(&mut self, event: &Event) -> Result<(), String> {
        let row = event.after.clone().ok_or("a read without a row")?;
        let key = self.key_of(event, &row)?;
        let held = self.rows.entry(key).or_default();
        if !held.is_empty() && !self.table.key.is_empty() {
            return Err("a row was read twice".into());
        }
        held.push(row);
        Ok(())
    }

    fn create(&mut self, event: &Event) -> Result<(), String> {
        let mut row = event.after.clone().ok_or("a create without a row")?;
        match (event.moved, self.moving.take()) {
            (Move::Here, Some(old)) => fill(&mut row, &old),
            (Move::Here, None) => return Err("a key comes that did not go".into()),
            (_, Some(_)) => return Err("a key went and did not come".into()),
            (_, None) => {}
        }
        let key = self.key_of(event, &row)?;
        let held = self.rows.entry(key).or_default();
        if !self.table.key.is_empty() && !held.is_empty() {
            return Err("a create over a live key".into());
        }
        held.push(row.clone());
        match self.seq(&row) {
            Some(seq) if seq != 1 => Err(format!("a life begins with seq {seq}")),
            _ => Ok(()),
        }
    }

    fn update(&mut self, event: &Event) -> Result<(), String> {
        let mut row = event.after.clone().ok_or("an update without a row")?;
        let old = self.take(event, event.before.as_ref().unwrap_or(&row).clone())?;
        fill(&mut row, &old);
        let (was, is) = (self.seq(&old), self.seq(&row));
        let key = self.key_of(event, &row)?;
        self.rows.entry(key).or_default().push(row);
        match (was, is) {
            (Some(was), Some(is)) if is != was + 1 => Err(format!("seq went from {was} to {is}")),
            _ => Ok(()),
        }
    }

    fn delete(&mut self, event: &Event) -> Result<(), String> {
        let before = event.before.clone().ok_or("a delete without a row before")?;
        let row = self.take(event, before)?;
        if event.moved == Move::Away {
            self.moving = Some(row);
        }
        Ok(())
    }

    /// Takes the row an event replaces or removes; it must be there, and be as the event says.
    fn take(&mut self, event: &Event, said: Row) -> Result<Row, String> {
        let key = self.key_of(event, &said)?;
        let held = self.rows.get_mut(&key).and_then(Vec::pop).ok_or("the key is not there")?;
        if self.rows.get(&key).is_some_and(Vec::is_empty) {
            self.rows.remove(&key);
        }
        if self.table.full && event.before.as_ref() != Some(&held) {
            return Err(format!("the row before was {held:?}"));
        }
        Ok(held)
    }

    /// The key of the record, which must be the key of the row.
    fn key_of(&self, event: &Event, row: &Row) -> Result<Row, String> {
        if self.table.key.is_empty() {
            return if event.key.is_none() { Ok(row.clone()) } else { Err("a key for a table without one".into()) };
        }
        let of_row: Row = self.table.key.iter().map(|at| row.get(*at).cloned().flatten()).collect();
        if event.key.as_ref() == Some(&of_row) { Ok(of_row) } else { Err("the record's key is not the row's".into()) }
    }

    fn seq(&self, row: &Row) -> Option<u64> {
        let at = self.table.columns.iter().position(|column| *column == "seq")?;
        row.get(at)?.as_ref()?.parse().ok()
    }
}

/// What was not sent is what it was before.
fn fill(row: &mut Row, old: &Row) {
    for (cell, was) in row.iter_mut().zip(old) {
        if cell.as_deref() == Some(UNCHANGED) {
            cell.clone_from(was);
        }
    }
}

fn compare(table: &Table, got: &[Row], want: &[Row], findings: &mut Findings) {
    if got == want {
        return;
    }
    let (has, needs): (HashSet<&Row>, HashSet<&Row>) = (got.iter().collect(), want.iter().collect());
    let (extra, lost): (Vec<_>, Vec<_>) = (has.difference(&needs).take(2).collect(), needs.difference(&has).take(2).collect());
    findings.add(|| {
        format!(
            "{}: {} rows from the topic, {} in the source; only in the topic {extra:?}; only in the source {lost:?}",
            table.name,
            got.len(),
            want.len()
        )
    });
}

/// The transactions in commit order: every one writes a journal row. Only with one partition is the order a whole.
fn journal_order(streams: &Streams, findings: &mut Findings) -> HashMap<u64, usize> {
    let mut order = HashMap::new();
    let single = !streams.contains_key(&("journal", 1));
    let Some(stream) = streams.get(&("journal", 0)).filter(|_| single) else { return order };
    for (at, event) in stream.iter().enumerate().filter(|(_, event)| event.op != Op::Read) {
        let Some(xid) = event.xid else { continue };
        if order.insert(xid, at).is_some() {
            findings.add(|| format!("journal: transaction {xid} twice"));
        }
        let own = event.after.as_ref().and_then(|row| row.get(1).cloned().flatten());
        if own.as_deref() != Some(xid.to_string().as_str()) {
            findings.add(|| format!("journal: txId {xid} on the row of transaction {own:?}"));
        }
    }
    order
}

/// A transaction's events stand together, and the transactions in the journal's order.
fn transactions_in_order(name: &str, stream: &Stream, order: &HashMap<u64, usize>, findings: &mut Findings) {
    let (mut current, mut last, mut seen) = (None, None, HashSet::new());
    for event in stream.iter().filter(|event| event.op != Op::Read) {
        let Some(xid) = event.xid.filter(|xid| current != Some(*xid)) else { continue };
        current = Some(xid);
        if !seen.insert(xid) {
            findings.add(|| format!("{name}: transaction {xid} comes again"));
        }
        if order.is_empty() {
            continue;
        }
        match order.get(&xid) {
            None => findings.add(|| format!("{name}: transaction {xid} is not in the journal's topic")),
            Some(place) if last.is_some_and(|last| last > *place) => findings.add(|| format!("{name}: transaction {xid} comes too late")),
            place => last = place.copied(),
        }
    }
}

/// Within a transaction the rows of one statement come as they were written.
fn steps_in_order(table: &Table, stream: &Stream, findings: &mut Findings) {
    let Some(at) = table.columns.iter().position(|column| *column == "step") else { return };
    let (mut current, mut last) = (None, -1);
    for event in stream.iter().filter(|event| event.op == Op::Create) {
        let step = event.after.as_ref().and_then(|row| row.get(at)?.as_ref()?.parse::<i64>().ok()).unwrap_or(-1);
        if current == event.xid && step <= last {
            findings.add(|| format!("{}: step {step} of transaction {current:?} behind step {last}", table.name));
        }
        (current, last) = (event.xid, step);
    }
}

/// Every transaction's events are as many as its journal row says, and no transaction is unknown.
fn counts(streams: &Streams, truth: &Truth, findings: &mut Findings) {
    let read = read_by_snapshot(streams);
    let mut counted: HashMap<u64, Did> = HashMap::new();
    for ((name, _), stream) in streams {
        for event in stream {
            if let (Some(xid), Some(kind)) = (event.xid, kind(name, event)) {
                let did = counted.entry(xid).or_default();
                if let Some(kind) = kind {
                    did.add(kind, 1);
                }
            }
        }
    }
    for (xid, did) in &counted {
        if !truth.did.contains_key(xid) {
            findings.add(|| format!("transaction {xid} is not in the source: {}", did.text()));
        }
    }
    for (xid, want) in &truth.did {
        match counted.get(xid) {
            Some(_) if read.contains(xid) => findings.add(|| format!("transaction {xid} is in the snapshot and in the stream")),
            Some(did) if did.text() != *want => findings.add(|| format!("transaction {xid} did `{want}`, its events say `{}`", did.text())),
            None if !read.contains(xid) => findings.add(|| format!("transaction {xid} is lost: `{want}`")),
            _ => {}
        }
    }
}

/// The transactions whose journal row the snapshot read: their other changes are in the snapshot, too.
fn read_by_snapshot(streams: &Streams) -> HashSet<u64> {
    let journal = streams.iter().filter(|((name, _), _)| *name == "journal");
    let reads = journal.flat_map(|(_, stream)| stream.iter().filter(|event| event.op == Op::Read));
    reads.filter_map(|event| event.after.as_ref()?.get(1)?.as_ref()?.parse().ok()).collect()
}

/// What a journal calls the event: `Some(None)` for one that counts only for its transaction being there, `None` for
/// one that belongs to no transaction. A changed key is two events and counts once.
fn kind(name: &str, event: &Event) -> Option<Option<&'static str>> {
    let kinds = match name {
        "acc" => ["acc.c", "acc.u", "acc.d", "acc.m"],
        "audit" => ["audit.c", "audit.u", "audit.d", "audit.m"],
        "bulk" => ["bulk.c", "bulk.u", "bulk.d", "bulk.m"],
        "notes" => ["notes.c", "notes.u", "notes.d", "notes.m"],
        "stock" => ["stock.c", "stock.u", "stock.d", "stock.m"],
        _ => return (event.op == Op::Create).then_some(None),
    };
    match (event.op, event.moved) {
        (Op::Read | Op::Tombstone, _) => None,
        (Op::Delete, Move::Away) => Some(None),
        (_, Move::Here) => Some(Some(kinds[3])),
        (Op::Create, _) => Some(Some(kinds[0])),
        (Op::Update, _) => Some(Some(kinds[1])),
        (Op::Delete, _) => Some(Some(kinds[2])),
    }
}
