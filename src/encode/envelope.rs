//! The envelope: before, after, source, op, timestamps; key changes as delete, tombstone and create.

use super::json;
use super::plan::{ColumnPlan, RelationPlan};
use super::transform::program::{self, BadValue, Input, NoTopic, Program};
use super::wire::{self, WireForm};
use super::{EncodeError, EventSettings, transaction};
use crate::change::{Cell, Op, Position, Relation, RowChange, TransactionCounts, Tuple};
use crate::record::{HeaderBlock, RecordRef, RecordSink, Route, TopicHandle};

pub mod gone;
pub mod schema;
pub mod shapes;
pub mod source;

use shapes::Case;

/// Header of a delete that is half of a key change: the new key.
const NEW_KEY_HEADER: &str = "__debezium.newkey";
/// Header of a create that is half of a key change: the old key.
const OLD_KEY_HEADER: &str = "__debezium.oldkey";

/// Turns row changes into records. One per capture thread; its scratch is reused for every event.
#[derive(Debug)]
pub struct Encoder {
    tombstones_on_delete: bool,
    skip_unchanged: bool,
    key: Vec<u8>,
    old_key: Vec<u8>,
    /// The key that a header names.
    header_key: Vec<u8>,
    value: Vec<u8>,
    /// Key and value in their forms, where they are not plain JSON.
    in_form: [Vec<u8>; 2],
    /// Texts of expressions.
    scratch: Vec<u8>,
    headers: HeaderBlock,
    /// `","ts_ms":...,"ts_us":...,"ts_ns":...}`.
    now: Vec<u8>,
    now_ns: i64,
    now_ms: i64,
    /// What the open transaction has published, when its events tell.
    counts: Option<TransactionCounts>,
}

impl Encoder {
    /// An encoder for a connector.
    pub fn new(settings: &EventSettings) -> Self {
        let mut encoder = Self {
            tombstones_on_delete: settings.tombstones_on_delete,
            skip_unchanged: settings.skip_unchanged,
            key: Vec::new(),
            old_key: Vec::new(),
            header_key: Vec::new(),
            value: Vec::new(),
            in_form: [Vec::new(), Vec::new()],
            scratch: Vec::new(),
            headers: HeaderBlock::default(),
            now: Vec::new(),
            now_ns: 0,
            now_ms: 0,
            counts: None,
        };
        encoder.set_now(0);
        encoder
    }

    /// The processing time of the events that follow, nanoseconds since 1970: read once for what one read brought.
    pub fn set_now(&mut self, now_ns: i64) {
        self.now_ns = now_ns;
        self.now_ms = now_ns / 1_000_000;
        self.now.clear();
        self.now.extend_from_slice(b"\",\"ts_ms\":");
        json::integer(&mut self.now, self.now_ms);
        self.now.extend_from_slice(b",\"ts_us\":");
        json::integer(&mut self.now, now_ns / 1000);
        self.now.extend_from_slice(b",\"ts_ns\":");
        json::integer(&mut self.now, now_ns);
        self.now.push(b'}');
    }

    /// The processing time in milliseconds, which is the records' timestamp.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// The processing time in nanoseconds.
    pub fn now_ns(&self) -> i64 {
        self.now_ns
    }

    /// A transaction begins, or goes on, whose events tell their place in it; `None`: they do not.
    pub fn set_transaction(&mut self, counts: Option<TransactionCounts>) {
        self.counts = counts;
    }

    /// What the open transaction has published, when its events tell.
    pub fn transaction(&mut self) -> Option<&mut TransactionCounts> {
        self.counts.as_mut()
    }

    /// Pushes a change's records: one, or two (delete and tombstone), or three (key change).
    pub fn encode<S: RecordSink>(&mut self, plan: &mut RelationPlan, change: &RowChange<'_>, out: &mut S) -> Result<(), EncodeError> {
        for tuple in [change.before, change.after].into_iter().flatten() {
            if tuple.len() != change.relation.columns.len() {
                return Err(EncodeError::Columns {
                    table: change.relation.name(),
                    got: tuple.len(),
                    expected: change.relation.columns.len(),
                });
            }
        }
        if plan.programs.is_some() {
            return self.encode_transformed(plan, change, out);
        }
        match change.op {
            Op::Read | Op::Create => self.insert(plan, change, out),
            Op::Update => self.update(plan, change, out),
            Op::Delete => self.delete(plan, change, out),
            Op::Truncate => self.truncate(plan, change, out),
        }
    }

    /// As [`Encoder::encode`] with `transforms`: the same records, each by its program.
    fn encode_transformed<S: RecordSink>(
        &mut self,
        plan: &mut RelationPlan,
        change: &RowChange<'_>,
        out: &mut S,
    ) -> Result<(), EncodeError> {
        let (before, after, at) = (change.before, change.after, &change.at);
        let mut input = Input { before, after, older: before, at, place: None, now_ns: self.now_ns };
        let input = &mut input;
        let tombstone = self.tombstones_on_delete;
        match change.op {
            Op::Read => self.run(plan, Case::Read, input, out),
            Op::Create => self.run(plan, Case::Create, input, out),
            Op::Truncate => self.run(plan, Case::Truncate, input, out),
            Op::Delete => {
                // A topic that is not known yet is asked for before anything is pushed.
                if tombstone {
                    self.place_of(plan, Case::Tombstone, input)?;
                }
                self.run(plan, Case::Delete, input, out)?;
                if tombstone { self.run(plan, Case::Tombstone, input, out) } else { Ok(()) }
            }
            Op::Update => {
                if before.is_some() && plan.has_key() {
                    write_key(&mut self.key, plan, after, before)?;
                    write_key(&mut self.old_key, plan, before, None)?;
                    if self.old_key != self.key {
                        for case in [Case::MovedDelete, Case::MovedTombstone, Case::MovedCreate] {
                            if tombstone || case != Case::MovedTombstone {
                                self.place_of(plan, case, input)?;
                            }
                        }
                        write_header_key(&mut self.header_key, plan, after, before)?;
                        self.run(plan, Case::MovedDelete, input, out)?;
                        if tombstone {
                            self.run(plan, Case::MovedTombstone, input, out)?;
                        }
                        write_header_key(&mut self.header_key, plan, before, None)?;
                        return self.run(plan, Case::MovedCreate, input, out);
                    }
                }
                let whole = before.is_some() && !change.before_is_key;
                if whole && self.skip_unchanged && self.is_unchanged(plan, before, after)? {
                    return Ok(());
                }
                self.run(plan, if whole { Case::UpdateWithOld } else { Case::Update }, input, out)
            }
        }
    }

    /// Where a record goes; `None` where a transformation drops it.
    #[inline]
    fn place_of(&mut self, plan: &mut RelationPlan, case: Case, input: &Input<'_>) -> Result<Option<TopicHandle>, EncodeError> {
        let RelationPlan { programs, source, relation, .. } = plan;
        let Some(program) = program_of(programs.as_deref(), case) else { return Ok(None) };
        if let program::Topic::Fixed(topic) = program.topic
            && program.conditions.is_empty()
        {
            return Ok(Some(topic));
        }
        let bad = |bad| bad_value(relation, bad);
        let mut source = |out: &mut Vec<u8>| source.write(out, input.at);
        for condition in &program.conditions {
            if !condition.keeps(&mut self.scratch, input, &mut source).map_err(bad)? {
                return Ok(None);
            }
        }
        match program.topic.of(&mut self.scratch, input, source) {
            Ok(topic) => Ok(Some(topic)),
            Err(NoTopic::New { said, name }) => Err(EncodeError::NewTopic { said, name }),
            Err(NoTopic::Bad(error)) => Err(bad(error)),
        }
    }

    /// Writes one record by its program; nothing where a transformation drops it.
    fn run<S: RecordSink>(&mut self, plan: &mut RelationPlan, case: Case, input: &mut Input<'_>, out: &mut S) -> Result<(), EncodeError> {
        let topic = self.place_of(plan, case, input)?;
        let RelationPlan { programs, source, relation, name, .. } = plan;
        let program = program_of(programs.as_deref(), case);
        // What a transformation drops is counted, too: Debezium counts before it transforms.
        if !matches!(case, Case::Tombstone | Case::MovedTombstone) {
            input.place = transaction::place(self.counts.as_mut(), name, input.at);
        }
        let input = &*input;
        let (Some(program), Some(topic)) = (program, topic) else { return Ok(()) };
        let bad = |bad| bad_value(relation, bad);
        let mut source = |out: &mut Vec<u8>| source.write(out, input.at);
        self.key.clear();
        let mut has_key = program.key.is_some();
        if let Some(key) = &program.key {
            has_key = key.write(&mut self.key, input, &mut source).map_err(bad)?;
        }
        self.value.clear();
        let mut has_value = program.value.is_some() && !program.topic.is_tombstone(input);
        if let Some(value) = program.value.as_ref().filter(|_| has_value) {
            has_value = value.write(&mut self.value, input, &mut source).map_err(bad)?;
        }
        let headers = if let program::Headers::Fixed(block) = &program.headers {
            block.headers()
        } else {
            self.headers.clear();
            program.headers.write(&mut self.headers, &mut self.old_key, &self.header_key, input, &mut source).map_err(bad)?;
            self.headers.headers()
        };
        let (key, value) = (has_key.then_some(&self.key[..]), has_value.then_some(&self.value[..]));
        let [key_scratch, value_scratch] = &mut self.in_form;
        let key = in_form(relation, program.forms.key.as_ref(), key, key_scratch)?;
        let value = in_form(relation, program.forms.value.as_ref(), value, value_scratch)?;
        let timestamp = match &program.timestamp {
            Some(timestamp) => timestamp.of(&mut self.scratch, input, &mut source).map_err(bad)?,
            None => None,
        };
        let record = RecordRef { timestamp_ms: timestamp.unwrap_or(self.now_ms), key, value, headers };
        if case == Case::Truncate {
            for partition in 0..topic.partitions {
                out.push(Route { topic: topic.index, partition }, record)?;
            }
        } else if let Some(by) = &program.partition
            && let Some(partition) = by.of(&mut self.scratch, input, &mut source).map_err(bad)?
        {
            if partition >= topic.partitions {
                let why = format!("{} leads to partition {partition}, and the topic has {}", by.option(), topic.partitions);
                return Err(EncodeError::Transform { table: relation.name(), why });
            }
            out.push(Route { topic: topic.index, partition }, record)?;
        } else {
            out.push(topic.route(key), record)?;
        }
        Ok(())
    }

    fn insert<S: RecordSink>(&mut self, plan: &mut RelationPlan, change: &RowChange<'_>, out: &mut S) -> Result<(), EncodeError> {
        write_key(&mut self.key, plan, change.after, change.before)?;
        self.write_value(plan, change.op, None, change.after, change.before, &change.at)?;
        self.push_event(plan, out, Key::New, Extra::None)
    }

    fn update<S: RecordSink>(&mut self, plan: &mut RelationPlan, change: &RowChange<'_>, out: &mut S) -> Result<(), EncodeError> {
        write_key(&mut self.key, plan, change.after, change.before)?;
        if change.before.is_some() && plan.has_key() {
            write_key(&mut self.old_key, plan, change.before, None)?;
            if self.old_key != self.key {
                return self.change_key(plan, change, out);
            }
        }
        // A key-only old row that has the same key says nothing that the new row does not.
        let before = if change.before_is_key { None } else { change.before };
        if self.skip_unchanged && self.is_unchanged(plan, before, change.after)? {
            return Ok(());
        }
        self.write_value(plan, Op::Update, before, change.after, change.before, &change.at)?;
        self.push_event(plan, out, Key::New, Extra::None)
    }

    /// Both rows look the same as they would be published. Only `REPLICA IDENTITY FULL` brings the old one.
    fn is_unchanged(&mut self, plan: &RelationPlan, before: Option<Tuple<'_>>, after: Option<Tuple<'_>>) -> Result<bool, EncodeError> {
        if before.is_none() {
            return Ok(false);
        }
        let out = &mut self.value;
        out.clear();
        write_row(out, &plan.columns, &plan.relation, before, None)?;
        let end = out.len();
        write_row(out, &plan.columns, &plan.relation, after, before)?;
        let (before, after) = out.split_at(end);
        Ok(before == after)
    }

    fn change_key<S: RecordSink>(&mut self, plan: &mut RelationPlan, change: &RowChange<'_>, out: &mut S) -> Result<(), EncodeError> {
        write_header_key(&mut self.header_key, plan, change.after, change.before)?;
        self.write_value(plan, Op::Delete, change.before, None, None, &change.at)?;
        self.push_event(plan, out, Key::Old, Extra::NewKey)?;
        if self.tombstones_on_delete {
            self.push_tombstone(plan, out, Key::Old, Extra::NewKey)?;
        }
        write_header_key(&mut self.header_key, plan, change.before, None)?;
        self.write_value(plan, Op::Create, None, change.after, change.before, &change.at)?;
        self.push_event(plan, out, Key::New, Extra::OldKey)
    }

    fn delete<S: RecordSink>(&mut self, plan: &mut RelationPlan, change: &RowChange<'_>, out: &mut S) -> Result<(), EncodeError> {
        write_key(&mut self.key, plan, change.before, None)?;
        self.write_value(plan, Op::Delete, change.before, None, None, &change.at)?;
        self.push_event(plan, out, Key::New, Extra::None)?;
        if self.tombstones_on_delete { self.push_tombstone(plan, out, Key::New, Extra::None) } else { Ok(()) }
    }

    /// One event to every partition, so that each one's readers see it at its place.
    fn truncate<S: RecordSink>(&mut self, plan: &mut RelationPlan, change: &RowChange<'_>, out: &mut S) -> Result<(), EncodeError> {
        self.write_value(plan, Op::Truncate, None, None, None, &change.at)?;
        let [_, scratch] = &mut self.in_form;
        let value = in_form(&plan.relation, plan.forms.value.as_ref(), Some(&self.value), scratch)?;
        for partition in 0..plan.topic.partitions {
            let route = Route { topic: plan.topic.index, partition };
            out.push(route, RecordRef { timestamp_ms: self.now_ms, key: None, value, headers: plan.headers.headers() })?;
        }
        Ok(())
    }

    fn push_event<S: RecordSink>(&mut self, plan: &RelationPlan, out: &mut S, key: Key, extra: Extra) -> Result<(), EncodeError> {
        self.push(plan, out, key, extra, true)
    }

    fn push_tombstone<S: RecordSink>(&mut self, plan: &RelationPlan, out: &mut S, key: Key, extra: Extra) -> Result<(), EncodeError> {
        self.push(plan, out, key, extra, false)
    }

    #[inline]
    fn push<S: RecordSink>(&mut self, plan: &RelationPlan, out: &mut S, key: Key, extra: Extra, value: bool) -> Result<(), EncodeError> {
        let key = match key {
            _ if !plan.has_key() => None,
            Key::New => Some(&self.key[..]),
            Key::Old => Some(&self.old_key[..]),
        };
        let headers = match extra {
            Extra::None => plan.headers.headers(),
            Extra::NewKey | Extra::OldKey => {
                self.headers.clear();
                let name = if matches!(extra, Extra::NewKey) { NEW_KEY_HEADER } else { OLD_KEY_HEADER };
                self.headers.push(name, &self.header_key);
                self.headers.extend(&plan.headers);
                self.headers.headers()
            }
        };
        let [key_scratch, value_scratch] = &mut self.in_form;
        let key = in_form(&plan.relation, plan.forms.key.as_ref(), key, key_scratch)?;
        let value = in_form(&plan.relation, plan.forms.value.as_ref(), value.then_some(&self.value[..]), value_scratch)?;
        out.push(plan.topic.route(key), RecordRef { timestamp_ms: self.now_ms, key, value, headers })?;
        Ok(())
    }

    /// The envelope; `older` fills in what `after` does not carry because it did not change.
    fn write_value(
        &mut self,
        plan: &mut RelationPlan,
        op: Op,
        before: Option<Tuple<'_>>,
        after: Option<Tuple<'_>>,
        older: Option<Tuple<'_>>,
        at: &Position,
    ) -> Result<(), EncodeError> {
        let out = &mut self.value;
        out.clear();
        out.extend_from_slice(&plan.before_value);
        out.extend_from_slice(b"{\"before\":");
        write_row(out, &plan.columns, &plan.relation, before, None)?;
        out.extend_from_slice(b",\"after\":");
        write_row(out, &plan.columns, &plan.relation, after, older)?;
        out.extend_from_slice(b",\"source\":");
        plan.source.write(out, at);
        out.extend_from_slice(b",\"transaction\":");
        transaction::block(out, transaction::place(self.counts.as_mut(), &plan.name, at), at);
        out.extend_from_slice(b",\"op\":\"");
        out.extend_from_slice(op.letter().as_bytes());
        out.extend_from_slice(&self.now);
        if !plan.before_value.is_empty() {
            out.push(b'}');
        }
        Ok(())
    }
}

/// The JSON itself, or what it says in a form.
#[inline]
fn in_form<'a>(
    relation: &Relation,
    form: Option<&WireForm>,
    json: Option<&'a [u8]>,
    scratch: &'a mut Vec<u8>,
) -> Result<Option<&'a [u8]>, EncodeError> {
    wire::in_form(form, json, scratch).map_err(|_| EncodeError::Schema { table: relation.name() })
}

#[derive(Clone, Copy)]
enum Key {
    New,
    Old,
}

#[derive(Clone, Copy)]
enum Extra {
    None,
    NewKey,
    OldKey,
}

fn program_of(programs: Option<&[Option<Program>]>, case: Case) -> Option<&Program> {
    programs?.get(case as usize)?.as_ref()
}

#[cold]
fn bad_value(relation: &Relation, bad: BadValue) -> EncodeError {
    match bad {
        BadValue::Column(column) => EncodeError::malformed(relation, column),
        BadValue::Convert(column, why) => {
            let name = relation.columns.get(column).map(|column| &*column.name).unwrap_or_default();
            EncodeError::Transform { table: relation.name(), why: format!("column {name}: {why}") }
        }
        BadValue::Transform(why) => EncodeError::Transform { table: relation.name(), why },
    }
}

fn write_key(out: &mut Vec<u8>, plan: &RelationPlan, row: Option<Tuple<'_>>, older: Option<Tuple<'_>>) -> Result<(), EncodeError> {
    out.clear();
    if !plan.has_key() {
        return Ok(());
    }
    out.extend_from_slice(&plan.before_key);
    write_row(out, &plan.key, &plan.relation, row, older)?;
    end_key(out, &plan.key_end);
    if !plan.before_key.is_empty() {
        out.push(b'}');
    }
    Ok(())
}

/// The key as it stands in a header.
fn write_header_key(out: &mut Vec<u8>, plan: &RelationPlan, row: Option<Tuple<'_>>, older: Option<Tuple<'_>>) -> Result<(), EncodeError> {
    out.clear();
    out.extend_from_slice(&plan.before_header_key);
    write_row(out, &plan.header_key, &plan.relation, row, older)?;
    end_key(out, &plan.header_key_end);
    if !plan.before_header_key.is_empty() {
        out.push(b'}');
    }
    Ok(())
}

/// What tells the table stands behind the key's columns, in front of the brace.
fn end_key(out: &mut Vec<u8>, end: &[u8]) {
    if !end.is_empty() {
        out.pop();
        out.extend_from_slice(end);
    }
}

#[inline]
fn write_row(
    out: &mut Vec<u8>,
    columns: &[ColumnPlan],
    relation: &Relation,
    row: Option<Tuple<'_>>,
    older: Option<Tuple<'_>>,
) -> Result<(), EncodeError> {
    let Some(row) = row else {
        out.extend_from_slice(b"null");
        return Ok(());
    };
    if columns.is_empty() {
        out.push(b'{');
    }
    for column in columns {
        out.extend_from_slice(&column.lead);
        let cell = match row.cell(column.index) {
            Cell::Unchanged => older.map_or(Cell::Unchanged, |older| match older.cell(column.index) {
                Cell::Text(text) => Cell::Text(text),
                Cell::Null | Cell::Unchanged => Cell::Unchanged,
            }),
            cell => cell,
        };
        match cell {
            Cell::Text(text) => (column.form.write)(out, text, &column.form).map_err(|_| EncodeError::malformed(relation, column.index))?,
            Cell::Null => out.extend_from_slice(&column.null),
            Cell::Unchanged => out.extend_from_slice(&column.form.unavailable),
        }
    }
    out.push(b'}');
    Ok(())
}

#[cfg(test)]
pub(in crate::encode) mod tests;
