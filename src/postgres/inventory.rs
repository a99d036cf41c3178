//! The relations of a database as somebody looks at them who chooses what to capture.
//!
//! Owns one query that takes no lock: sizes and numbers of rows are the server's own estimates. Changes nothing.

use tokio_postgres::Client;

use super::{PostgresError, catalog};
use crate::config::postgres::{ConnectionConfig, TableFilter};

/// So many are told; nobody reads more.
const RELATIONS_MAX: usize = 5000;
const APPLICATION: &str = "rowfeed tables";

/// A relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// `table`, `partitioned`, `partition`, `view` or `foreign`.
    pub kind: &'static str,
    /// The columns of its primary key.
    pub primary_key: Vec<String>,
    /// Its replica identity: `default`, `full`, `index` or `nothing`.
    pub identity: &'static str,
    /// Rows, by the server's estimate; `None` where it was never analysed.
    pub rows: Option<u64>,
    /// Bytes, by the server's estimate; `None` where it was never analysed.
    pub bytes: Option<u64>,
    /// The connector's publication sends it.
    pub published: bool,
    /// The connector's lists name it.
    pub captured: bool,
    /// Why it cannot be captured, or not safely: codes, each with a sentence.
    pub reasons: Vec<(&'static str, &'static str)>,
}

const QUERY: &str = "select n.nspname::text, c.relname::text, c.relkind::text, c.relpersistence::text, c.relreplident::text, c.relispartition, \
            array(select a.attname::text from pg_index i join pg_attribute a on a.attrelid = c.oid and a.attnum = any(i.indkey) \
                  where i.indrelid = c.oid and i.indisprimary order by array_position(i.indkey::int2[], a.attnum)), \
            case when c.relpages > 0 and c.reltuples >= 0 then c.reltuples::bigint end, \
            case when c.relpages > 0 then (c.relpages + coalesce((select t.relpages from pg_class t where t.oid = c.reltoastrelid), 0))::bigint \
                                          * current_setting('block_size')::bigint end, \
            has_schema_privilege(n.oid, 'USAGE') and has_table_privilege(c.oid, 'SELECT'), \
            exists (select 1 from pg_publication p where p.pubname = $1 and (p.puballtables \
                    or exists (select 1 from pg_publication_rel r where r.prpubid = p.oid and r.prrelid = c.oid))) \
              or exists (select 1 from pg_publication_tables s where s.pubname = $1 and s.schemaname = n.nspname and s.tablename = c.relname), \
            row_security_active(c.oid) \
     from pg_class c join pg_namespace n on n.oid = c.relnamespace \
     where c.relkind in ('r', 'p', 'v', 'm', 'f') and c.relpersistence <> 't' \
       and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg\\_%' \
       and not exists (select 1 from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e') \
     order by n.nspname collate \"C\", c.relname collate \"C\" limit $2";

/// The relations of the database, as this connector would take them.
pub async fn look(config: &ConnectionConfig, publication: &str, filter: &TableFilter) -> Result<Vec<Relation>, PostgresError> {
    let client: Client = catalog::open(config, APPLICATION).await?;
    let most = i64::try_from(RELATIONS_MAX).unwrap_or(i64::MAX);
    let rows = client.query(QUERY, &[&publication, &most]).await?;
    rows.iter().map(|row| Ok(relation(row, filter)?)).collect()
}

fn relation(row: &tokio_postgres::Row, filter: &TableFilter) -> Result<Relation, tokio_postgres::Error> {
    let (schema, table): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    let (relkind, persistence, identity): (String, String, String) = (row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
    let kind = match (relkind.as_str(), row.try_get(5)?) {
        ("p", _) => "partitioned",
        ("r", true) => "partition",
        ("r", false) => "table",
        ("f", _) => "foreign",
        _ => "view",
    };
    let identity = match identity.as_str() {
        "f" => "full",
        "i" => "index",
        "n" => "nothing",
        _ => "default",
    };
    let primary_key: Vec<String> = row.try_get(6)?;
    let number =
        |at: usize| Ok::<_, tokio_postgres::Error>(row.try_get::<_, Option<i64>>(at)?.and_then(|number| u64::try_from(number).ok()));
    let mut reasons = Vec::new();
    let is_table = matches!(kind, "table" | "partition" | "partitioned");
    match kind {
        "view" => reasons.push(("pg/view", "a view: nothing of it is in the WAL")),
        "foreign" => reasons.push(("pg/foreign", "a foreign table: nothing of it is in the WAL")),
        _ if persistence == "u" => reasons.push(("pg/unlogged", "unlogged: nothing of it is in the WAL")),
        _ => {}
    }
    if is_table && kind != "partitioned" && (identity == "nothing" || (identity == "default" && primary_key.is_empty())) {
        reasons.push(("pg/identity-missing", "no replica identity: published, it makes the application's own UPDATE and DELETE fail"));
    }
    if !row.try_get::<_, bool>(9)? {
        reasons.push(("pg/select", "this role may not read it"));
    }
    if is_table && row.try_get(11)? {
        reasons.push(("pg/rls", "row security hides rows from the snapshot"));
    }
    Ok(Relation {
        kind,
        identity,
        rows: number(7)?,
        bytes: number(8)?,
        published: is_table && row.try_get(10)?,
        captured: is_table && filter.includes(&schema, &table),
        primary_key,
        reasons,
        schema,
        table,
    })
}
