//! The same changes as PostgreSQL itself tells them: read with `pg_logical_slot_get_binary_changes`, through SQL.
//!
//! A slot of its own and a decoder of its own, written for the tests only: nothing of the program under test is in
//! the way. Events come in the form the check works on, so that the check can be proven by mutations of them, and so
//! that the program's topics can be compared with them, event for event.

use std::collections::HashMap;

use super::check::Streams;
use super::event::{Event, Move, Op, Row, UNCHANGED};
use super::{Table, table};
use crate::support::postgres::Sql;

/// Creates the reference's publication and slot; later changes of the six tables are kept for it.
pub fn watch(sql: &Sql, slot: &str) {
    let tables = super::TABLES.map(|table| table.name).join(", ");
    sql.run(&format!("create publication {slot} for table {tables}"));
    sql.run(&format!("select pg_create_logical_replication_slot('{slot}', 'pgoutput')"));
}

/// Everything that was committed since [`watch`], in order.
pub fn read(sql: &Sql, slot: &str) -> Streams {
    let mut decoder = Decoder::default();
    let rows = sql.rows(&format!("select data::text from pg_logical_slot_get_binary_changes('{slot}', null, null, 'proto_version', '1', 'publication_names', '{slot}')"));
    for row in rows {
        let hex = row.into_iter().next().flatten().expect("a message");
        decoder.message(&unhex(hex.strip_prefix("\\x").expect("bytea as hex")));
    }
    decoder.streams
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex")).collect()
}

#[derive(Default)]
struct Decoder {
    relations: HashMap<u32, &'static Table>,
    xid: u64,
    streams: Streams,
}

impl Decoder {
    fn message(&mut self, bytes: &[u8]) {
        let mut at = Cursor(bytes.get(1..).unwrap_or_default());
        match bytes.first() {
            Some(b'B') => self.xid = at.skip(16).u32().into(),
            Some(b'R') => {
                let id = at.u32();
                at.text();
                let name = at.text();
                self.relations.insert(id, table(&name));
            }
            Some(b'I') => {
                let table = self.table(&mut at);
                at.u8();
                let row = at.tuple();
                self.push(table, Op::Create, Move::No, None, Some(row));
            }
            Some(b'U') => {
                let table = self.table(&mut at);
                let mut old = None;
                if at.u8() != b'N' {
                    old = Some(at.tuple());
                    at.u8();
                }
                self.update(table, old, at.tuple());
            }
            Some(b'D') => {
                let table = self.table(&mut at);
                at.u8();
                let old = at.tuple();
                self.push(table, Op::Delete, Move::No, Some(old.clone()), None);
                self.tombstone(table, Move::No, &old);
            }
            _ => {}
        }
    }

    fn update(&mut self, table: &'static Table, old: Option<Row>, new: Row) {
        let moved = old.as_ref().is_some_and(|old| table.key.iter().any(|at| old.get(*at) != new.get(*at)));
        match old {
            Some(old) if moved => {
                self.push(table, Op::Delete, Move::Away, Some(old.clone()), None);
                self.tombstone(table, Move::Away, &old);
                self.push(table, Op::Create, Move::Here, None, Some(new));
            }
            old => self.push(table, Op::Update, Move::No, old.filter(|_| table.full), Some(new)),
        }
    }

    fn table(&self, at: &mut Cursor<'_>) -> &'static Table {
        self.relations[&at.u32()]
    }

    fn push(&mut self, table: &'static Table, op: Op, moved: Move, before: Option<Row>, after: Option<Row>) {
        let row = after.as_ref().or(before.as_ref()).expect("one side is there");
        let event = Event { op, moved, key: key(table, row), before, after, xid: Some(self.xid) };
        self.streams.entry((table.name, 0)).or_default().push(event);
    }

    fn tombstone(&mut self, table: &'static Table, moved: Move, row: &Row) {
        let event = Event { op: Op::Tombstone, moved, key: key(table, row), before: None, after: None, xid: None };
        self.streams.entry((table.name, 0)).or_default().push(event);
    }
}

fn key(table: &Table, row: &Row) -> Option<Row> {
    (!table.key.is_empty()).then(|| table.key.iter().map(|at| row.get(*at).cloned().flatten()).collect())
}

/// Reads PostgreSQL's numbers and strings; the bytes come from the server itself, so a wrong one may panic.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (head, rest) = self.0.split_first_chunk::<N>().expect("enough bytes");
        self.0 = rest;
        *head
    }

    fn u8(&mut self) -> u8 {
        u8::from_be_bytes(self.take())
    }

    fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.take())
    }

    fn skip(&mut self, bytes: usize) -> &mut Self {
        self.0 = &self.0[bytes..];
        self
    }

    fn text(&mut self) -> String {
        let end = self.0.iter().position(|byte| *byte == 0).expect("an end of the string");
        let text = String::from_utf8(self.0[..end].to_vec()).expect("UTF-8");
        self.0 = &self.0[end + 1..];
        text
    }

    fn tuple(&mut self) -> Row {
        let columns = u16::from_be_bytes(self.take());
        (0..columns)
            .map(|_| match self.u8() {
                b'n' => None,
                b'u' => Some(UNCHANGED.to_owned()),
                _ => {
                    let length = self.u32() as usize;
                    let text = String::from_utf8(self.0[..length].to_vec()).expect("UTF-8");
                    self.0 = &self.0[length..];
                    Some(text)
                }
            })
            .collect()
    }
}
