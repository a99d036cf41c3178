//! How a table's rows are read in pieces: by which key, from which files, under which snapshot.
//!
//! Owns the SQL of it. Promises that a piece is read under a lock that was taken before its snapshot, so that no rewrite
//! or truncate can come between them: PostgreSQL would show such a table as empty, without an error.

use std::collections::HashMap;

use tokio_postgres::Client;

use super::catalog::Table;
use super::connection::Connection;
use super::publication::Published;
use super::{PostgresError, identifier, literal};
use crate::change::progress::{Key, KeyColumn, KeyKind, Visibility};
use crate::change::{Lsn, Relation, RelationId};

/// The key by which each of these tables is read: the columns that also say in the stream which row is meant. Tables
/// without one are left out.
pub async fn keys(client: &Client, ids: &[RelationId]) -> Result<HashMap<RelationId, Vec<KeyColumn>>, PostgresError> {
    let ids: Vec<u32> = ids.iter().map(|id| id.0).collect();
    let rows = client
        .query(
            "select i.indrelid, array_agg(a.attname::text order by k.place), \
                    array_agg(coalesce(nullif(t.typbasetype, 0), t.oid) order by k.place) \
             from pg_index i join pg_class c on c.oid = i.indrelid \
             cross join lateral unnest(i.indkey::int2[]) with ordinality k(attnum, place) \
             join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum join pg_type t on t.oid = a.atttypid \
             where i.indrelid = any($1) and i.indisvalid and k.place <= i.indnkeyatts \
               and case when c.relreplident = 'i' then i.indisreplident else i.indisprimary end \
             group by i.indrelid",
            &[&ids],
        )
        .await?;
    let mut keys = HashMap::new();
    for row in rows {
        let (names, types): (Vec<String>, Vec<u32>) = (row.try_get(1)?, row.try_get(2)?);
        let columns = names.into_iter().zip(types).map(|(name, oid)| KeyColumn { name, kind: kind(oid) }).collect();
        keys.insert(RelationId(row.try_get(0)?), columns);
    }
    Ok(keys)
}

/// Types whose order we repeat.
fn kind(type_oid: u32) -> KeyKind {
    match type_oid {
        20 | 21 | 23 | 26 => KeyKind::Integer,
        17 | 2950 => KeyKind::Bytes,
        1082 | 1114 | 1184 => KeyKind::Time,
        _ => KeyKind::Unknown,
    }
}

/// A new transaction's id, above all that were given so far; on a standby, where what was delivered is visible, above all
/// that are over.
pub async fn newest_xid(client: &Client) -> Result<u64, PostgresError> {
    let sql = "select (case when pg_is_in_recovery() then pg_snapshot_xmax(pg_current_snapshot()) else pg_current_xact_id() end)::text";
    let row = client.query_one(sql, &[]).await?;
    let text: String = row.try_get(0)?;
    text.parse().map_err(|_| PostgresError::Protocol(format!("{text:?} for a transaction's id")))
}

/// SQL for what stands for the files of `c`, a row of `pg_class`.
const FILES: &str = "case when c.relkind = 'p' then coalesce((select hashtextextended(string_agg(l.relfilenode::text, ',' order by l.oid), 0) \
     from pg_partition_tree(c.oid) t join pg_class l on l.oid = t.relid), 0) else c.relfilenode::int8 end";

/// What stands for the files of these tables, as the session's transaction sees them.
pub async fn files(session: &mut Connection, ids: &[RelationId]) -> Result<HashMap<RelationId, i64>, PostgresError> {
    let list: Vec<_> = ids.iter().map(|id| id.0.to_string()).collect();
    let sql = format!("select c.oid, {FILES} from pg_class c where c.oid = any('{{{}}}'::oid[])", list.join(","));
    let rows = session.query(&sql).await?;
    rows.into_iter()
        .map(|row| {
            let mut cells = row.into_iter().map(Option::unwrap_or_default);
            let (id, files) = (cells.next().unwrap_or_default(), cells.next().unwrap_or_default());
            match (id.parse(), files.parse()) {
                (Ok(id), Ok(files)) => Ok((RelationId(id), files)),
                _ => Err(PostgresError::Protocol(format!("files {files:?} of table {id:?}"))),
            }
        })
        .collect()
}

/// A transaction in which a piece of a table is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// What it sees.
    pub seen: Visibility,
    /// No commit behind this is in `seen`.
    pub until: Lsn,
    /// What stands for the table's files.
    pub files: i64,
    /// What stands for its columns.
    pub columns: i64,
}

/// Begins the transaction for a piece of a table: lock first, snapshot then. `None`: the name is another table's now.
pub async fn open(session: &mut Connection, table: &Table) -> Result<Option<Opened>, PostgresError> {
    let only = only(table);
    let quoted = table.quoted();
    let sql = format!(
        "begin isolation level repeatable read, read only; set local row_security = off; set local lock_timeout = '100ms'; \
         lock table {only}{quoted} in access share mode; \
         select pg_current_snapshot()::text, (case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end)::text, \
           {FILES}, (select coalesce(hashtextextended(string_agg(format('%s %s %s %s', attnum, attname, atttypid, atttypmod), ',' order by attnum), 0), 0) \
             from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped) \
         from pg_class c where c.oid = {id} and c.oid = {name}::regclass",
        id = table.id.0,
        name = literal(&table.delimited()),
    );
    let rows = session.query(&sql).await?;
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let text = |index: usize| row.get(index).cloned().flatten().unwrap_or_default();
    let opened = || {
        let (seen, until) = (Visibility::parse(&text(0))?, text(1).parse().ok()?);
        Some(Opened { seen, until, files: text(2).parse().ok()?, columns: text(3).parse().ok()? })
    };
    opened().map(Some).ok_or_else(|| PostgresError::Protocol(format!("{row:?} for a snapshot")))
}

/// Which rows of a table.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    /// All, or those behind a key, up to a number of them.
    After(Option<&'a Key>, Option<u64>),
    /// Those behind a key, up to another one.
    Between(Option<&'a Key>, Option<&'a Key>),
    /// Those with these keys.
    At(&'a [Key]),
}

/// `COPY` for rows of a table, in the order of its key.
pub fn copy(relation: &Relation, table: &Table, published: &Published, select: Option<&str>, key: &[KeyColumn], rows: Rows<'_>) -> String {
    let list = |names: Vec<String>| names.join(", ");
    let columns = list(relation.columns.iter().map(|column| identifier(&column.name)).collect());
    let from = match select {
        Some(select) => format!("({select}) as selected"),
        None => format!("{}{}", only(table), table.quoted()),
    };
    let by = list(key.iter().map(|column| identifier(&column.name)).collect());
    let values = |key: &Key| format!("({})", key.iter().map(|part| literal(part)).collect::<Vec<_>>().join(", "));
    let mut conditions: Vec<_> = published.row_filter.iter().map(|filter| format!("({filter})")).collect();
    match rows {
        Rows::After(after, _) => conditions.extend(after.map(|after| format!("({by}) > {}", values(after)))),
        Rows::Between(after, upto) => {
            conditions.extend(after.map(|after| format!("({by}) > {}", values(after))));
            conditions.extend(upto.map(|upto| format!("({by}) <= {}", values(upto))));
        }
        Rows::At(keys) => conditions.push(format!("({by}) in ({})", list(keys.iter().map(values).collect()))),
    }
    let filter = if conditions.is_empty() { String::new() } else { format!(" where {}", conditions.join(" and ")) };
    let order = if key.is_empty() { String::new() } else { format!(" order by {by}") };
    let limit = if let Rows::After(_, Some(limit)) = rows { format!(" limit {limit}") } else { String::new() };
    format!("copy (select {columns} from {from}{filter}{order}{limit}) to stdout")
}

/// `COPY` for one row of a table: that with the greatest key, where it has one. Rows whose values as text
/// are longer than this in all are passed over.
pub fn sample(
    relation: &Relation,
    table: &Table,
    published: &Published,
    select: Option<&str>,
    key: &[KeyColumn],
    bytes_max: usize,
) -> String {
    let columns: Vec<String> = relation.columns.iter().map(|column| identifier(&column.name)).collect();
    let from = match select {
        Some(select) => format!("({select}) as selected"),
        None => format!("{}{}", only(table), table.quoted()),
    };
    let mut conditions: Vec<String> = published.row_filter.iter().map(|filter| format!("({filter})")).collect();
    if !columns.is_empty() {
        let sizes: Vec<String> = columns.iter().map(|column| format!("coalesce(octet_length({column}::text), 0)")).collect();
        conditions.push(format!("{} <= {bytes_max}", sizes.join(" + ")));
    }
    let filter = if conditions.is_empty() { String::new() } else { format!(" where {}", conditions.join(" and ")) };
    let by: Vec<String> = key.iter().map(|column| format!("{} desc", identifier(&column.name))).collect();
    let order = if by.is_empty() { String::new() } else { format!(" order by {}", by.join(", ")) };
    format!("copy (select {} from {from}{filter}{order} limit 1) to stdout", columns.join(", "))
}

/// SQL for the key that stands `rows` rows behind another, or behind the table's begin; no row when there are not so many.
pub fn nth_key(table: &Table, published: &Published, key: &[KeyColumn], after: Option<&Key>, rows: u64) -> String {
    let by = key.iter().map(|column| identifier(&column.name)).collect::<Vec<_>>().join(", ");
    let behind = after.map(|after| {
        let values: Vec<_> = after.iter().map(|part| literal(part)).collect();
        format!("({by}) > ({})", values.join(", "))
    });
    let filter = published.row_filter.iter().map(|filter| format!("({filter})"));
    let conditions: Vec<_> = filter.chain(behind).collect();
    let behind = if conditions.is_empty() { String::new() } else { format!(" where {}", conditions.join(" and ")) };
    let (only, quoted) = (only(table), table.quoted());
    format!("select {by} from {only}{quoted}{behind} order by {by} offset {} limit 1", rows.saturating_sub(1))
}

/// Asks how many rows are read of a table.
pub fn count(table: &Table, published: &Published) -> String {
    let filter = published.row_filter.iter().map(|filter| format!(" where ({filter})")).collect::<String>();
    format!("select count(*) from {}{}{filter}", only(table), table.quoted())
}

/// What it answers.
pub fn counted(answer: &[Vec<Option<String>>]) -> u64 {
    answer.first().and_then(|row| row.first()?.as_ref()?.parse().ok()).unwrap_or_default()
}

/// Children of plain inheritance are tables of their own.
pub fn only(table: &Table) -> &'static str {
    if table.partitioned { "" } else { "only " }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Column, ReplicaIdentity, TypeKind};

    #[test]
    fn rows_are_copied_in_the_order_of_their_key() {
        let column = |name: &str| Column {
            name: name.into(),
            type_oid: 23,
            type_mod: -1,
            kind: TypeKind::Int4,
            nullable: false,
            default: None,
            key_ordinal: None,
            type_name: "".into(),
        };
        let relation = Relation {
            id: RelationId(1),
            schema: "s".into(),
            table: "t".into(),
            identity: ReplicaIdentity::Default,
            columns: Box::new([column("a"), column("B")]),
        };
        let table = Table {
            id: RelationId(1),
            schema: "s".into(),
            table: "t".into(),
            partitioned: false,
            ancestors: Vec::new(),
            identity: ReplicaIdentity::Default,
            has_primary_key: true,
        };
        let published = Published { schema: "s".into(), table: "t".into(), columns: None, row_filter: Some("a > 0 or a < 0".into()) };
        let key: Vec<_> = ["a", "B"].map(|name| KeyColumn { name: name.into(), kind: KeyKind::Integer }).into();
        let after: Key = vec!["1".into(), "it's".into()];
        let sql = copy(&relation, &table, &published, None, &key, Rows::After(Some(&after), Some(9)));
        assert!(
            sql.contains("from only \"s\".\"t\" where (a > 0 or a < 0) and (\"a\", \"B\") > ('1', 'it''s') order by \"a\", \"B\" limit 9)"),
            "{sql}"
        );
        let sql = copy(&relation, &table, &published, Some("select 1"), &[], Rows::After(None, None));
        assert!(sql.ends_with("from (select 1) as selected where (a > 0 or a < 0)) to stdout"), "{sql}");
        let sql = copy(&relation, &table, &published, None, &key, Rows::At(&[after]));
        assert!(sql.contains("and (\"a\", \"B\") in (('1', 'it''s')) order by"), "{sql}");
    }
}
