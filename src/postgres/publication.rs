//! The publication: which tables PostgreSQL sends.
//!
//! Follows Debezium's `publication.autocreate.mode`, with one difference: a table whose updates would start to fail in the
//! application (no key and no `REPLICA IDENTITY FULL`) is never published; the connector is refused with the remedy.

use tokio_postgres::Client;

use super::catalog::Table;
use super::connection::Connection;
use super::{PostgresError, identifier, literal, qualified};
use crate::change::{RelationId, ReplicaIdentity};
use crate::config::postgres::{PostgresConfig, PublicationAutocreate};
use crate::config::suggest;
use crate::problem::{Problem, one_line};

/// What a publication says about one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Schema.
    pub schema: String,
    /// Table.
    pub table: String,
    /// Its column list, when it has one (PostgreSQL 15 and later).
    pub columns: Option<Vec<String>>,
    /// Its row filter, an SQL expression (PostgreSQL 15 and later).
    pub row_filter: Option<String>,
}

struct Existing {
    all_tables: bool,
    publishes_updates: bool,
    via_root: bool,
}

async fn existing(client: &Client, name: &str) -> Result<Option<Existing>, PostgresError> {
    let row = client
        .query_opt("select puballtables, pubupdate or pubdelete, pubviaroot from pg_publication where pubname = $1", &[&name])
        .await?;
    Ok(match row {
        Some(row) => Some(Existing { all_tables: row.try_get(0)?, publishes_updates: row.try_get(1)?, via_root: row.try_get(2)? }),
        None => None,
    })
}

/// Makes the publication be what the configuration asks for, before the slot exists: PostgreSQL reads it as of the past.
pub async fn ensure(client: &Client, config: &PostgresConfig, tables: &[Table]) -> Result<(), PostgresError> {
    let name = &config.publication_name;
    let found = existing(client, name).await?;
    let via_root = if config.publish_via_partition_root { " WITH (publish_via_partition_root = true)" } else { "" };
    let wanted: Vec<_> = tables.iter().filter(|table| config.tables.includes(&table.schema, &table.table)).collect();
    if !found.as_ref().map_or(config.publish_via_partition_root, |found| found.via_root) {
        refuse_unnamed(name, found.is_some(), tables, &wanted)?;
    }
    match config.publication_autocreate {
        PublicationAutocreate::Disabled if found.is_none() => {
            if wanted.is_empty() {
                return Err(no_tables(config, tables));
            }
            refuse_breaking(&with_partitions(tables, &wanted), "", LEAVE_OUT)?;
            let problem = Problem::fail("pg/publication", format!("publication \"{name}\" does not exist"));
            Err(PostgresError::Problem(problem.why("publication.autocreate.mode is disabled").fix(format!(
                "{};\nor set publication.autocreate.mode=filtered: it is made at the start, where the role may",
                made_for(name, &wanted, via_root)
            ))))
        }
        PublicationAutocreate::NoTables if found.is_none() => {
            run(client, &[format!("CREATE PUBLICATION {}{via_root}", identifier(name))]).await
        }
        PublicationAutocreate::AllTables if found.is_none() => {
            let instead = "or set publication.autocreate.mode=filtered: only the captured tables are published then";
            refuse_breaking(&tables.iter().collect::<Vec<_>>(), " (FOR ALL TABLES publishes every table of the database)", instead)?;
            run(client, &[format!("CREATE PUBLICATION {} FOR ALL TABLES{via_root}", identifier(name))]).await
        }
        PublicationAutocreate::Filtered => {
            if wanted.is_empty() {
                return Err(no_tables(config, tables));
            }
            match found {
                None => {
                    refuse_breaking(&with_partitions(tables, &wanted), "", LEAVE_OUT)?;
                    run(client, &[made_for(name, &wanted, via_root)]).await
                }
                Some(found) if found.all_tables => Err(PostgresError::Problem(
                    Problem::fail(
                        "pg/publication",
                        format!("publication \"{name}\" is FOR ALL TABLES, publication.autocreate.mode is filtered"),
                    )
                    .fix(format!(
                        "DROP PUBLICATION {};\n(it is then created for the captured tables), or set publication.autocreate.mode=disabled",
                        identifier(name)
                    )),
                )),
                Some(found) => update(client, name, tables, &wanted, &found).await,
            }
        }
        _ => Ok(()),
    }
}

/// Brings the table list up to date: only the differences, so that what an administrator said about the other tables
/// (column lists, row filters) stays.
async fn update(client: &Client, name: &str, tables: &[Table], wanted: &[&Table], found: &Existing) -> Result<(), PostgresError> {
    let rows = client
        .query(
            "select n.nspname, c.relname from pg_publication p join pg_publication_rel r on r.prpubid = p.oid join pg_class c on c.oid = r.prrelid \
             join pg_namespace n on n.oid = c.relnamespace where p.pubname = $1",
            &[&name],
        )
        .await?;
    let mut have: Vec<(String, String)> = Vec::new();
    for row in rows {
        have.push((row.try_get(0)?, row.try_get(1)?));
    }
    let is = |table: &Table, (schema, name): &(String, String)| table.schema == *schema && table.table == *name;
    let add: Vec<_> = wanted.iter().copied().filter(|table| !have.iter().any(|listed| is(table, listed))).collect();
    let drop: Vec<_> = have.iter().filter(|listed| !wanted.iter().any(|table| is(table, listed))).collect();
    if add.is_empty() && drop.is_empty() {
        return Ok(());
    }
    // What is published already is no worse for it.
    if found.publishes_updates {
        refuse_breaking(&with_partitions(tables, &add), "", LEAVE_OUT)?;
    }
    tracing::info!(publication = name, added = add.len(), dropped = drop.len(), "the publication's tables change");
    let mut sql = Vec::new();
    if !add.is_empty() {
        sql.push(format!("ALTER PUBLICATION {} ADD TABLE {}", identifier(name), list(&add)));
    }
    if !drop.is_empty() {
        let names: Vec<_> = drop.iter().map(|(schema, table)| qualified(schema, table)).collect();
        sql.push(format!("ALTER PUBLICATION {} DROP TABLE {}", identifier(name), names.join(", ")));
    }
    run(client, &sql).await
}

/// These tables and the partitions below them, which are published with their root and have identities of their own.
pub fn with_partitions<'a>(tables: &'a [Table], wanted: &[&'a Table]) -> Vec<&'a Table> {
    let listed = |id: &RelationId| wanted.iter().any(|table| table.id == *id);
    tables.iter().filter(|table| listed(&table.id) || table.ancestors.iter().any(listed)).collect()
}

/// Without `publish_via_partition_root` changes come under the partitions' names: a captured root none of whose partitions
/// is captured would never have an event.
fn refuse_unnamed(name: &str, is_there: bool, tables: &[Table], wanted: &[&Table]) -> Result<(), PostgresError> {
    let silent = wanted.iter().filter(|root| root.partitioned).find(|root| {
        let under = |table: &Table| table.ancestors.contains(&root.id) && !table.partitioned;
        tables.iter().any(under) && !wanted.iter().any(|table| under(table))
    });
    let Some(root) = silent else { return Ok(()) };
    let (alter, made) = if is_there {
        (format!("ALTER PUBLICATION {} SET (publish_via_partition_root = true);\nand ", identifier(name)), "")
    } else {
        (String::new(), ": the publication is then made so, where the role may")
    };
    Err(PostgresError::Problem(
        Problem::fail("pg/partitions", format!("{} is partitioned, and none of its partitions is captured", root.name()))
            .why(format!("publication \"{name}\" sends changes under the partitions' names: there would never be an event"))
            .fix(format!(
                "{alter}publish.via.partition.root=true{made}\nor name the partitions in table.include.list, for example {}.*",
                one_line(&root.name())
            )),
    ))
}

/// The statement that makes it for these tables.
fn made_for(name: &str, tables: &[&Table], via_root: &str) -> String {
    format!("CREATE PUBLICATION {} FOR TABLE {}{via_root}", identifier(name), list(tables))
}

fn list(tables: &[&Table]) -> String {
    tables.iter().map(|table| table.quoted()).collect::<Vec<_>>().join(", ")
}

/// What alters a table waits behind us as long as we wait for its lock.
const LOCK_LIMIT_MS: u32 = 2000;

/// Runs these in one transaction.
async fn run(client: &Client, statements: &[String]) -> Result<(), PostgresError> {
    // Several statements of one message are one transaction: the limit is of this one only.
    let limited = format!("set local lock_timeout = {LOCK_LIMIT_MS}; {}", statements.join("; "));
    client.batch_execute(&limited).await.map_err(|error| match PostgresError::from(error) {
        PostgresError::Server(message) if message.code == "42501" => PostgresError::Problem(
            Problem::fail("pg/publication", "the role may not make or change the publication").why(message.message).fix(format!(
                "{};\nas the tables' owner (a superuser for all tables), then publication.autocreate.mode=disabled here;\n\
                 or let the role do it: GRANT CREATE ON DATABASE, and GRANT the tables' owner TO it",
                statements.join(";\n")
            )),
        ),
        other => other,
    })
}

fn no_tables(config: &PostgresConfig, tables: &[Table]) -> PostgresError {
    let known: Vec<_> = tables.iter().take(10).map(Table::name).collect();
    PostgresError::Problem(
        Problem::fail("pg/no-tables", format!("no table of {} matches the include and exclude lists", config.connection.database))
            .why(if known.is_empty() {
                "the database has no tables that this role can see".to_owned()
            } else {
                format!("it has: {}", known.join(", "))
            })
            .fix(format!(
                "{}correct table.include.list: comma-separated regular expressions on schema.table, matched whole",
                near(config, tables)
            )),
    )
}

/// The tables that expressions without effect may mean, a line each.
fn near(config: &PostgresConfig, tables: &[Table]) -> String {
    let known: Vec<String> = tables.iter().map(Table::name).collect();
    let hint = |pattern: &str| {
        let plain = pattern.replace('\\', "");
        suggest::nearest(&plain, known.iter().map(String::as_str))
            .map(|near| format!("\"{plain}\": did you mean \"{}\"?\n", one_line(near)))
    };
    config.tables.without_effect(&known).into_iter().filter_map(hint).take(HINTS_MAX).collect()
}

/// So many expressions are told.
const HINTS_MAX: usize = 5;

/// The other way out in `filtered` mode.
const LEAVE_OUT: &str = "or leave it out: table.exclude.list";

fn refuse_breaking(tables: &[&Table], because: &str, instead: &str) -> Result<(), PostgresError> {
    let breaking: Vec<_> = tables.iter().filter(|table| table.breaks_updates()).collect();
    let Some(one) = breaking.first() else { return Ok(()) };
    let first = one.name();
    let names: Vec<_> = breaking.iter().map(|table| table.name()).collect();
    let fixes: Vec<_> = breaking.iter().map(|table| format!("ALTER TABLE {} REPLICA IDENTITY FULL;", table.quoted())).collect();
    Err(PostgresError::Problem(
        Problem::fail("pg/identity-missing", format!("{} cannot be captured safely", names.join(", ")))
            .why(format!(
                "{} has {}; once its updates are published, PostgreSQL rejects your application's own UPDATE and DELETE on it{because}",
                if breaking.len() == 1 { "it" } else { &first },
                if one.identity == ReplicaIdentity::Nothing {
                    "REPLICA IDENTITY NOTHING"
                } else {
                    "no primary key and no REPLICA IDENTITY FULL"
                }
            ))
            .fix(format!("{}\n{instead}", fixes.join("\n"))),
    ))
}

/// Has those who read the publication look it up again, by setting what is set. Before 13.21, 14.18, 15.13, 16.9 and 17.5 a
/// transaction that was open when a table was added to it made the walsender remember that the table is not published, also for
/// what came later: PostgreSQL told only transactions that began behind the change. Called when the open ones are over.
pub async fn renew(session: &mut Connection, name: &str) -> Result<(), PostgresError> {
    let found = session.query(&format!("select pubviaroot from pg_publication where pubname = {}", literal(name))).await?;
    let Some(Some(via_root)) = found.into_iter().next().and_then(|row| row.into_iter().next()) else { return Ok(()) };
    let sql = format!("alter publication {} set (publish_via_partition_root = {})", identifier(name), via_root == "t");
    session.query(&sql).await.map(drop)
}

/// The tables a publication sends, with column lists and row filters where the server has them.
pub async fn published(client: &Client, name: &str, server_version: u32) -> Result<Vec<Published>, PostgresError> {
    let sql = if server_version >= 150_000 {
        "select schemaname::text, tablename::text, attnames::text[], rowfilter from pg_publication_tables where pubname = $1"
    } else {
        "select schemaname::text, tablename::text, null::text[], null::text from pg_publication_tables where pubname = $1"
    };
    client
        .query(sql, &[&name])
        .await?
        .iter()
        .map(|row| Ok(Published { schema: row.try_get(0)?, table: row.try_get(1)?, columns: row.try_get(2)?, row_filter: row.try_get(3)? }))
        .collect()
}
