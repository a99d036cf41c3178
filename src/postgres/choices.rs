//! What a form can offer to choose from: the tables, slots and publications that are there.
//!
//! Owns the questions; changes nothing. Promises lists of bounded length. Leaves what is wrong with a database to
//! [`super::doctor`].

use tokio_postgres::Client;

use super::{PostgresError, catalog};
use crate::config::postgres::ConnectionConfig;

/// Names of one kind that are offered: nobody reads more.
const CHOICES_MAX: usize = 1000;

/// What there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices {
    /// Schemas with tables.
    pub schemas: Vec<String>,
    /// Tables, as `schema.table`.
    pub tables: Vec<String>,
    /// Slots of this database that a connector could read and that nobody reads now.
    pub free_slots: Vec<String>,
    /// Slots that are read now.
    pub busy_slots: Vec<String>,
    /// Publications.
    pub publications: Vec<String>,
}

/// Asks a database.
pub async fn look(config: &ConnectionConfig) -> Result<Choices, PostgresError> {
    let client = catalog::open(config, "rowfeed check").await?;
    let all = catalog::tables(&client).await?;
    let mut schemas: Vec<String> = all.iter().map(|table| table.schema.clone()).collect();
    schemas.sort();
    schemas.dedup();
    schemas.truncate(CHOICES_MAX);
    let mut tables: Vec<String> = all.iter().map(|table| pattern(&table.schema, &table.table)).collect();
    tables.sort();
    tables.truncate(CHOICES_MAX);
    let slots = "select slot_name::text from pg_replication_slots where plugin = 'pgoutput' and database = current_database() and active";
    let publications = "select pubname::text from pg_publication";
    Ok(Choices {
        schemas,
        tables,
        free_slots: names(&client, &slots.replace("and active", "and not active")).await?,
        busy_slots: names(&client, slots).await?,
        publications: names(&client, publications).await?,
    })
}

async fn names(client: &Client, query: &str) -> Result<Vec<String>, PostgresError> {
    let rows = client.query(&format!("{query} order by 1 limit {CHOICES_MAX}"), &[]).await?;
    Ok(rows.iter().filter_map(|row| row.try_get(0).ok()).collect())
}

/// A table as `table.include.list` has it: an expression, where a dot may stand for itself.
fn pattern(schema: &str, table: &str) -> String {
    let mut out = String::new();
    for letter in schema.chars().chain(std::iter::once('.')).chain(table.chars()) {
        if matches!(letter, '\\' | '+' | '*' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '|' | '^' | '$' | ',') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_offered_as_the_expression_that_means_it() {
        assert_eq!(pattern("public", "orders_2024"), "public.orders_2024");
        assert_eq!(pattern("a b", "price($)"), "a b.price\\(\\$\\)");
    }
}
