//! The oracle: a load whose truth can be told afterwards, and the check that tells it.
//!
//! [`workload`] writes to six tables from several sessions: keys that change, savepoints, rollbacks, TOAST,
//! multi-row statements, COPY (whose rows share one LSN), a table without a key. Every transaction writes one row
//! into `journal` that says what else it did, so a crash of the writer or of the server never leaves the truth in
//! doubt: the transaction is there with its journal row, or not at all. [`check`] replays topics into tables and
//! compares, one event after the other. [`reference`] reads the same changes from PostgreSQL by SQL, without any
//! code of ours, and gives them in the same form: the check is proven on it by mutations.

pub mod check;
pub mod event;
pub mod reference;
pub mod workload;

/// One table of the load.
#[derive(Debug)]
pub struct Table {
    /// Its name, in schema `public`.
    pub name: &'static str,
    /// Its columns, in order.
    pub columns: &'static [&'static str],
    /// Positions of the key's columns; none for a table without a key.
    pub key: &'static [usize],
    /// REPLICA IDENTITY FULL: updates and deletes carry the whole row before.
    pub full: bool,
}

/// The six tables.
pub const TABLES: [Table; 6] = [
    Table { name: "acc", columns: &["id", "seq", "life", "bal", "note", "big"], key: &[0], full: false },
    Table { name: "audit", columns: &["id", "w", "n", "step", "acc"], key: &[0], full: false },
    Table { name: "bulk", columns: &["id", "w", "n", "step", "pad"], key: &[0], full: false },
    Table { name: "journal", columns: &["id", "xid", "w", "n", "did"], key: &[0], full: false },
    Table { name: "notes", columns: &["w", "n", "step", "body"], key: &[], full: true },
    Table { name: "stock", columns: &["region", "sku", "seq", "life", "qty"], key: &[0, 1], full: true },
];

/// Creates them.
pub const SETUP: &str = "
    create table acc(id int primary key, seq bigint not null, life bigint not null, bal numeric not null, note text, big text);
    alter table acc alter big set storage external;
    create table audit(id bigserial primary key, w int, n int, step int, acc int);
    create table bulk(id bigint primary key, w int, n int, step int, pad text);
    create table journal(id bigserial primary key, xid bigint not null, w int, n int, did text not null);
    create table notes(w int, n int, step int, body text);
    alter table notes replica identity full;
    create table stock(region text, sku int, seq bigint not null, life bigint not null, qty int, primary key(region, sku));
    alter table stock replica identity full;
    create sequence lives;
";

/// The table with this name.
pub fn table(name: &str) -> &'static Table {
    TABLES.iter().find(|table| table.name == name).unwrap_or_else(|| panic!("no table {name}"))
}

/// `public.acc,public.audit,...`: what a connector captures of it.
pub fn include_list() -> String {
    TABLES.map(|table| format!("public.{}", table.name)).join(",")
}
