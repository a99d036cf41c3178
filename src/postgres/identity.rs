//! `replica.identity.autoset.values`: the replica identities that a connector sets on its tables before it begins.
//!
//! Owns finding the tables whose identity is another one and altering them. The role must own them; where it does not, the
//! server's refusal is told with the statement, and the connector goes on with what the tables have, as Debezium does.

use std::collections::HashSet;

use tokio_postgres::Client;

use super::catalog::Table;
use super::{PostgresError, identifier};
use crate::change::ReplicaIdentity;
use crate::config::postgres::PostgresConfig;
use crate::config::postgres::preparation::WantedIdentity;

/// The table's identity is this index already: to say it again would lock the table for nothing.
async fn uses_index(client: &Client, table: &Table, name: &str) -> Result<bool, PostgresError> {
    let sql = "select exists (select 1 from pg_index i join pg_class c on c.oid = i.indexrelid where i.indrelid = $1 and i.indisreplident and c.relname = $2)";
    Ok(client.query_one(sql, &[&table.id.0, &name]).await?.try_get(0)?)
}

/// The tables as [`ensure`] leaves them: those that the role owns have the identities that it would set.
pub async fn as_wanted(client: &Client, config: &PostgresConfig, mut tables: Vec<Table>) -> Result<Vec<Table>, PostgresError> {
    if config.replica_identities.is_empty() {
        return Ok(tables);
    }
    let ids: Vec<u32> = tables.iter().map(|table| table.id.0).collect();
    let sql = "select c.oid from pg_class c where c.oid = any($1) and pg_has_role(c.relowner, 'USAGE')";
    let rows = client.query(sql, &[&ids]).await?;
    let own: HashSet<u32> = rows.iter().filter_map(|row| row.try_get(0).ok()).collect();
    for table in tables.iter_mut().filter(|table| own.contains(&table.id.0) && config.tables.includes(&table.schema, &table.table)) {
        match config.replica_identities.of(&table.schema, &table.table) {
            Ok(Some(WantedIdentity::Default)) => table.identity = ReplicaIdentity::Default,
            Ok(Some(WantedIdentity::Full)) => table.identity = ReplicaIdentity::Full,
            Ok(Some(WantedIdentity::Nothing)) => table.identity = ReplicaIdentity::Nothing,
            // Nobody has looked whether it is there and fit. A start refuses what is wrong with the option.
            Ok(None | Some(WantedIdentity::Index(_))) | Err(_) => {}
        }
    }
    Ok(tables)
}

/// Alters the captured tables that are named; true when one was altered, so that what is known of the tables is old.
pub async fn ensure(client: &Client, config: &PostgresConfig, tables: &[Table]) -> Result<bool, PostgresError> {
    if config.replica_identities.is_empty() {
        return Ok(false);
    }
    let mut altered = false;
    for table in tables.iter().filter(|table| config.tables.includes(&table.schema, &table.table)) {
        let wanted = config.replica_identities.of(&table.schema, &table.table).map_err(PostgresError::Problem)?;
        let (same, form) = match wanted {
            None => continue,
            Some(WantedIdentity::Default) => (table.identity == ReplicaIdentity::Default, "default".to_owned()),
            Some(WantedIdentity::Full) => (table.identity == ReplicaIdentity::Full, "full".to_owned()),
            Some(WantedIdentity::Nothing) => (table.identity == ReplicaIdentity::Nothing, "nothing".to_owned()),
            Some(WantedIdentity::Index(name)) => (uses_index(client, table, name).await?, format!("using index {}", identifier(name))),
        };
        if same {
            continue;
        }
        let sql = format!("alter table {} replica identity {form}", table.quoted());
        match client.batch_execute(&sql).await {
            Ok(()) => {
                tracing::info!(table = format!("{}.{}", table.schema, table.table), "replica.identity.autoset.values: {sql}");
                altered = true;
            }
            Err(error) => {
                let Some(refused) = error.as_db_error() else { return Err(error.into()) };
                tracing::error!(code = refused.code().code(), "replica.identity.autoset.values: {sql}: {}", refused.message());
            }
        }
    }
    Ok(altered)
}
