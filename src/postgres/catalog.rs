//! What the catalogue says: tables, keys, nullability, defaults, types. Small queries through `tokio-postgres`.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tokio_postgres::{Client, NoTls};

use super::connection::{PINNED, Socket, initial_statement, pins, with_tls};
use super::deadline::Deadline;
use super::error::within;
use super::pgoutput::RelationMessage;
use super::types::{self, TypeRow};
use super::{PostgresError, delimited, qualified};
use crate::change::{Column, Relation, RelationId, ReplicaIdentity, TypeKind};
use crate::config::postgres::{ConnectionConfig, MessageKeyColumns};
use crate::problem::Problem;

/// How long a server may be silent after a question. Its own limit for a statement, set below, ends first.
const ANSWER_MAX: Duration = Duration::from_secs(90);

/// Opens an SQL session by `tokio-postgres`, over our own sockets and TLS. Its task ends with the client.
pub async fn open(config: &ConnectionConfig, application_name: &str) -> Result<Client, PostgresError> {
    match open_as(config, application_name).await {
        Err(error) if let Some(encrypted) = with_tls(config, &error) => open_as(&encrypted, application_name).await,
        opened => opened,
    }
}

async fn open_as(config: &ConnectionConfig, application_name: &str) -> Result<Client, PostgresError> {
    let socket = Socket::open(config).await?;
    let without_password = config.password.is_none();
    let mut settings = tokio_postgres::Config::new();
    settings
        .user(&config.user)
        .dbname(&config.database)
        .application_name(application_name)
        .ssl_mode(tokio_postgres::config::SslMode::Disable);
    if let Some(password) = &config.password {
        settings.password(password.expose());
    }
    let options: Vec<_> =
        PINNED.iter().filter(|(name, _)| *name != "statement_timeout").map(|(name, value)| format!("-c {name}={value}")).collect();
    settings
        .options(format!("{} -c statement_timeout=60s -c lock_timeout=10s -c idle_in_transaction_session_timeout=60s", options.join(" ")));
    let login = settings.connect_raw(Deadline::new(socket, ANSWER_MAX), NoTls);
    let (client, connection) = within(config.connect_timeout, "logging in", login)
        .await?
        // Told apart by elimination: neither the server nor the network said no, the library had nothing to answer with.
        .map_err(|error| {
            let own = error.as_db_error().is_none() && error.to_string().starts_with("invalid configuration");
            if without_password && own { PostgresError::no_password() } else { error.into() }
        })?;
    let server = config.shown();
    tokio::spawn(async move {
        match connection.await {
            Err(error) if is_silent(&error) => {
                tracing::warn!(code = "pg/timeout", server, "a question about the catalogue was not answered within {ANSWER_MAX:?}");
            }
            Err(error) => tracing::debug!("a catalogue session ended: {error}"),
            Ok(()) => {}
        }
    });
    for statement in config.initial_statements.iter().chain(&pins(config)) {
        client.batch_execute(statement).await.map_err(|error| initial_statement(statement, error.into()))?;
    }
    Ok(client)
}

fn is_silent(error: &tokio_postgres::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<std::io::Error>());
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::TimedOut)
}

/// Settings of the server that capture depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Must be `logical`.
    pub wal_level: String,
    /// How long the server waits for a sign of life; `None`: for ever.
    pub wal_sender_timeout: Option<Duration>,
    /// The database's encoding.
    pub encoding: String,
}

/// What is wrong with a database whose text is no text: `SQL_ASCII` stores any bytes, and JSON must be UTF-8.
pub fn check_encoding(encoding: &str) -> Result<(), PostgresError> {
    if encoding != "SQL_ASCII" {
        return Ok(());
    }
    Err(PostgresError::Problem(
        Problem::fail("pg/encoding", "the database's encoding is SQL_ASCII: its text may be any bytes")
            .why("PostgreSQL cannot convert it to UTF-8, and events must be UTF-8")
            .fix("move the data to a database WITH ENCODING 'UTF8'"),
    ))
}

impl ServerSettings {
    /// A server that writes no logical WAL cannot be captured.
    pub fn check_wal_level(&self, config: &ConnectionConfig) -> Result<(), Problem> {
        if self.wal_level == "logical" {
            return Ok(());
        }
        Err(Problem::fail("pg/wal-level", "this server does not write logical WAL")
            .at(config.shown())
            .why(format!("wal_level is \"{}\", must be \"logical\"", self.wal_level))
            .fix(super::LOGICAL_WAL))
    }
}

/// Reads [`ServerSettings`].
pub async fn server_settings(client: &Client) -> Result<ServerSettings, PostgresError> {
    let row = client
        .query_one(
            "select current_setting('wal_level'), (select setting::int8 from pg_settings where name = 'wal_sender_timeout'), \
                current_setting('server_encoding')",
            &[],
        )
        .await?;
    let patience_ms: i64 = row.try_get(1)?;
    let wal_sender_timeout = u64::try_from(patience_ms).ok().filter(|ms| *ms > 0).map(Duration::from_millis);
    Ok(ServerSettings { wal_level: row.try_get(0)?, wal_sender_timeout, encoding: row.try_get(2)? })
}

/// A transaction's id of now; 0 on a standby. Its own short transaction ends at once: an id that a snapshot held while it
/// reads would keep every new slot of the cluster waiting until then.
pub async fn current_xid(client: &Client) -> Result<u32, PostgresError> {
    let row = client.query_one("select case when pg_is_in_recovery() then 0 else txid_current() end", &[]).await?;
    // The lower half is what the stream carries.
    Ok((row.try_get::<_, i64>(0)? & i64::from(u32::MAX)) as u32)
}

/// A table of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Object id.
    pub id: RelationId,
    /// Schema.
    pub schema: String,
    /// Name.
    pub table: String,
    /// The root of a partitioned table; its rows are in its partitions.
    pub partitioned: bool,
    /// The partitioned tables above it, when it is a partition.
    pub ancestors: Vec<RelationId>,
    /// Its replica identity.
    pub identity: ReplicaIdentity,
    /// It has an immediate primary key.
    pub has_primary_key: bool,
}

impl Table {
    /// `schema.table`, for messages.
    pub fn name(&self) -> String {
        format!("{}.{}", self.schema, self.table)
    }

    /// `"schema"."table"` as it is: for what is read by others than the parser of statements.
    pub fn delimited(&self) -> String {
        format!("{}.{}", delimited(&self.schema), delimited(&self.table))
    }

    /// `"schema"."table"`, for SQL.
    pub fn quoted(&self) -> String {
        qualified(&self.schema, &self.table)
    }

    /// Publishing updates of this table makes the application's own UPDATE and DELETE fail.
    pub fn breaks_updates(&self) -> bool {
        !self.partitioned
            && (self.identity == ReplicaIdentity::Nothing || (self.identity == ReplicaIdentity::Default && !self.has_primary_key))
    }
}

/// The permanent tables of the database, by schema and name; system tables left out.
pub async fn tables(client: &Client) -> Result<Vec<Table>, PostgresError> {
    let rows = client
        .query(
            "select c.oid, n.nspname, c.relname, c.relkind = 'p', \
                    array(select a.relid::oid from pg_partition_ancestors(c.oid) a(relid) where c.relispartition and a.relid <> c.oid), \
                    c.relreplident::text, \
                    exists (select 1 from pg_index i where i.indrelid = c.oid and i.indisprimary and i.indimmediate and i.indisvalid) \
             from pg_class c join pg_namespace n on n.oid = c.relnamespace \
             where c.relkind in ('r', 'p') and c.relpersistence = 'p' \
               and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg\\_%' \
             order by n.nspname collate \"C\", c.relname collate \"C\"",
            &[],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Table {
                id: RelationId(row.try_get(0)?),
                schema: row.try_get(1)?,
                table: row.try_get(2)?,
                partitioned: row.try_get(3)?,
                ancestors: row.try_get::<_, Vec<u32>>(4)?.into_iter().map(RelationId).collect(),
                identity: row
                    .try_get::<_, String>(5)?
                    .bytes()
                    .next()
                    .and_then(ReplicaIdentity::from_catalog)
                    .unwrap_or(ReplicaIdentity::Default),
                has_primary_key: row.try_get(6)?,
            })
        })
        .collect()
}

/// How many rows the tables have: PostgreSQL's estimates, and a guess by size for tables that were never analysed.
pub async fn row_estimates(client: &Client) -> Result<HashMap<RelationId, f64>, PostgresError> {
    let rows = client
        .query(
            "select c.oid, (select sum(case when l.reltuples > 0 then l.reltuples else pg_relation_size(l.oid) / 100 end)::float8 \
                    from pg_class l where l.relkind = 'r' and (l.oid = c.oid or l.oid in (select t.relid from pg_partition_tree(c.oid) t))) \
             from pg_class c where c.relkind in ('r', 'p')",
            &[],
        )
        .await?;
    rows.iter().map(|row| Ok((RelationId(row.try_get(0)?), row.try_get::<_, Option<f64>>(1)?.unwrap_or_default()))).collect()
}

/// How many rows tables have by the server's statistics, where they were ever made: cheap, and old.
pub async fn analysed_rows(client: &Client, tables: &[RelationId]) -> Result<HashMap<RelationId, u64>, PostgresError> {
    let ids: Vec<u32> = tables.iter().map(|id| id.0).collect();
    let sql = "select oid, reltuples::int8 from pg_class where oid = any($1) and reltuples > 0";
    let rows = client.query(sql, &[&ids]).await?;
    rows.iter().map(|row| Ok((RelationId(row.try_get(0)?), u64::try_from(row.try_get::<_, i64>(1)?).unwrap_or(0)))).collect()
}

/// What pgoutput does not say about a table.
#[derive(Debug, Default)]
struct Details {
    /// Nullability, default and type's name of each column.
    columns: HashMap<String, (bool, Option<String>, String)>,
    primary_key: Vec<String>,
    unique_index: Vec<String>,
    identity_index: Vec<String>,
}

/// Describes relations; remembers types, and each table's key in case a later description lacks it.
#[derive(Default)]
pub struct Catalog {
    types: BTreeMap<u32, TypeRow>,
    /// Digits of `money` behind the point, once they were asked for.
    money: Option<u8>,
    last_key: HashMap<RelationId, Vec<String>>,
    /// Tables whose key rules were looked at, each with the columns that it has not: said once, and again when one is dropped.
    told: HashMap<RelationId, Vec<String>>,
}

/// A column as the stream or the snapshot names it.
struct Named {
    name: String,
    type_oid: u32,
    type_mod: i32,
    identity: bool,
}

impl Catalog {
    /// A relation as the stream describes it, with what the catalogue adds.
    ///
    /// `rules` is `message.key.columns`.
    pub async fn describe(
        &mut self,
        client: &Client,
        message: &RelationMessage<'_>,
        rules: &MessageKeyColumns,
    ) -> Result<Relation, PostgresError> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let schema = if message.schema.is_empty() { "pg_catalog".to_owned() } else { text(message.schema) };
        let columns = message
            .columns
            .iter()
            .map(|column| Named {
                name: text(column.name),
                type_oid: column.type_oid,
                type_mod: column.type_mod,
                identity: column.identity,
            })
            .collect();
        let identity = ReplicaIdentity::from_catalog(message.identity).unwrap_or(ReplicaIdentity::Default);
        self.relation(client, message.id, schema, text(message.table), identity, columns, rules).await
    }

    /// A table as a snapshot reads it: the columns that the stream would send, in its order.
    ///
    /// `published` is the publication's column list, when it has one.
    pub async fn describe_table(
        &mut self,
        client: &Client,
        table: &Table,
        published: Option<&[String]>,
        rules: &MessageKeyColumns,
    ) -> Result<Relation, PostgresError> {
        // Generated columns are not in the stream: before PostgreSQL 18 never, though column lists name them; there only when
        // the publication says so, and then its column list names them.
        let rows = client
            .query(
                "select a.attname, a.atttypid, a.atttypmod, a.attgenerated::text <> '', current_setting('server_version_num')::int4 \
                 from pg_attribute a \
                 where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped order by a.attnum",
                &[&table.id.0],
            )
            .await?;
        let identity = self.identity_columns(client, table).await?;
        let mut columns = Vec::new();
        for row in &rows {
            let name: String = row.try_get(0)?;
            let generated: bool = row.try_get(3)?;
            let streams_generated = row.try_get::<_, i32>(4)? >= 180_000;
            if published.map_or(!generated, |published| published.contains(&name) && (!generated || streams_generated)) {
                columns.push(Named { type_oid: row.try_get(1)?, type_mod: row.try_get(2)?, identity: identity.contains(&name), name });
            }
        }
        self.relation(client, table.id, table.schema.clone(), table.table.clone(), table.identity, columns, rules).await
    }

    async fn identity_columns(&mut self, client: &Client, table: &Table) -> Result<Vec<String>, PostgresError> {
        let details = details(client, table.id).await?;
        Ok(match table.identity {
            ReplicaIdentity::Default => details.primary_key,
            ReplicaIdentity::Index => details.identity_index,
            ReplicaIdentity::Full | ReplicaIdentity::Nothing => Vec::new(),
        })
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a relation, from two sources")]
    async fn relation(
        &mut self,
        client: &Client,
        id: RelationId,
        schema: String,
        table: String,
        identity: ReplicaIdentity,
        columns: Vec<Named>,
        rules: &MessageKeyColumns,
    ) -> Result<Relation, PostgresError> {
        self.learn_types(client, columns.iter().map(|column| column.type_oid)).await?;
        let details = details(client, id).await?;
        let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
        let first_time = !self.told.contains_key(&id);
        let missing = rules.without_effect(&schema, &table, &names);
        let told = self.told.entry(id).or_default();
        if *told != missing {
            for rule in missing.iter().filter(|rule| !told.iter().any(|known| known == *rule)) {
                tracing::warn!(
                    table = format!("{schema}.{table}"),
                    rule,
                    "message.key.columns: the table has no such column; its key goes without"
                );
            }
            *told = missing.into_iter().map(str::to_owned).collect();
        }
        let key = match rules.for_table(&schema, &table, &names) {
            Some(key) => {
                if first_time && identity == ReplicaIdentity::Default {
                    warn_of_wrong_deletes(&format!("{schema}.{table}"), &key, &columns);
                }
                key
            }
            None => self.key(id, identity, &columns, &details),
        };
        let kinds: Vec<_> =
            columns.iter().map(|column| types::kind(column.type_oid, column.type_mod, &|oid| self.types.get(&oid).cloned())).collect();
        let money_digits = if kinds.iter().any(types::is_money) { self.money_digits(client).await? } else { 0 };
        let columns = columns
            .into_iter()
            .zip(kinds)
            .map(|(column, kind)| {
                let (nullable, default, type_name) = details.columns.get(&column.name).cloned().unwrap_or((true, None, String::new()));
                Column {
                    kind: types::with_money_digits(kind, money_digits),
                    type_oid: column.type_oid,
                    type_mod: types::modifier(column.type_oid, column.type_mod, &|oid| self.types.get(&oid).cloned()),
                    nullable,
                    default: default.map(Into::into),
                    key_ordinal: key.iter().position(|name| *name == column.name).and_then(|place| u16::try_from(place).ok()),
                    type_name: type_name.into(),
                    name: column.name.into(),
                }
            })
            .collect();
        Ok(Relation { id, schema: schema.into(), table: table.into(), identity, columns })
    }

    /// Which columns identify a row. What the stream flags is trusted first: the catalogue may be ahead of it. The
    /// catalogue orders them, and knows the key of a table whose identity is the whole row. A description without flags of
    /// a table that had a key (the key was dropped since, and the table vacuumed) keeps the key it had.
    fn key(&mut self, id: RelationId, identity: ReplicaIdentity, columns: &[Named], details: &Details) -> Vec<String> {
        let flagged: Vec<_> = columns.iter().filter(|column| column.identity).map(|column| column.name.clone()).collect();
        let present = |key: &[String]| !key.is_empty() && key.iter().all(|name| columns.iter().any(|column| column.name == *name));
        let in_order = |order: &[String]| {
            let same = order.len() == flagged.len() && order.iter().all(|name| flagged.contains(name));
            if same { order.to_vec() } else { flagged.clone() }
        };
        let key = match identity {
            ReplicaIdentity::Default if !flagged.is_empty() => in_order(&details.primary_key),
            ReplicaIdentity::Index if !flagged.is_empty() => in_order(&details.identity_index),
            _ if identity != ReplicaIdentity::Full && self.last_key.get(&id).is_some_and(|key| present(key)) => self.last_key[&id].clone(),
            _ if present(&details.primary_key) => details.primary_key.clone(),
            _ if present(&details.unique_index) => details.unique_index.clone(),
            _ => Vec::new(),
        };
        self.last_key.insert(id, key.clone());
        key
    }

    /// How many digits of `money` stand behind the point: one coin more than nothing is printed with all of them.
    async fn money_digits(&mut self, client: &Client) -> Result<u8, PostgresError> {
        if let Some(digits) = self.money {
            return Ok(digits);
        }
        let row = client.query_one("select length(regexp_replace(1::int4::money::text, '[^0-9]', '', 'g')) - 1", &[]).await?;
        let digits = u8::try_from(row.try_get::<_, i32>(0)?).unwrap_or(2);
        Ok(*self.money.insert(digits))
    }

    fn is_enum(&self, oid: u32) -> bool {
        let mut kind = &types::kind(oid, -1, &|oid| self.types.get(&oid).cloned());
        while let TypeKind::Array(element) | TypeKind::Domain(element) = kind {
            kind = element;
        }
        matches!(kind, TypeKind::Enum(_))
    }

    /// Looks up what is needed to understand types that are not built in: domains' bases and arrays' elements included.
    ///
    /// An array is the array type of some element: `int2vector` and its like look like one and are written otherwise.
    async fn learn_types(&mut self, client: &Client, oids: impl Iterator<Item = u32>) -> Result<(), PostgresError> {
        // Object ids below 16384 are PostgreSQL's own.
        // The labels of an enum may have changed since.
        let known = |oid: &u32| self.types.contains_key(oid) && !self.is_enum(*oid);
        let mut wanted: Vec<u32> = oids.filter(|oid| !known(oid)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted.retain(|oid| matches!(types::kind(*oid, -1, &|_| None), TypeKind::Other(_)));
        if wanted.is_empty() {
            return Ok(());
        }
        let rows = client
            .query(
                "with recursive wanted(oid) as ( \
                   select unnest($1::oid[]) \
                   union \
                   select u.oid from wanted w join pg_type t on t.oid = w.oid \
                     cross join lateral (values (t.typbasetype), ((select e.oid from pg_type e where e.typarray = t.oid))) u(oid) where u.oid <> 0) \
                 select t.oid, t.typname::text, t.typtype::text, coalesce(e.oid, 0::oid), t.typbasetype, t.typtypmod, \
                        coalesce((select string_agg(l.enumlabel, ',' order by l.enumsortorder) from pg_enum l where l.enumtypid = t.oid), ''), \
                        coalesce(e.typdelim, t.typdelim)::text \
                 from pg_type t join wanted w on w.oid = t.oid left join pg_type e on e.typarray = t.oid",
                &[&wanted],
            )
            .await?;
        for row in rows {
            let (kind, delimiter): (String, String) = (row.try_get(2)?, row.try_get(7)?);
            self.types.insert(
                row.try_get(0)?,
                TypeRow {
                    name: row.try_get(1)?,
                    kind: kind.bytes().next().unwrap_or(b'b'),
                    element: row.try_get(3)?,
                    delimiter: delimiter.bytes().next().unwrap_or(b','),
                    base: row.try_get(4)?,
                    base_mod: row.try_get(5)?,
                    labels: row.try_get(6)?,
                },
            );
        }
        Ok(())
    }
}

/// PostgreSQL sends no other columns of a deleted row than its identity's: the others would be a stand-in in the key.
fn warn_of_wrong_deletes(table: &str, key: &[String], columns: &[Named]) {
    let outside: Vec<_> =
        columns.iter().filter(|column| !column.identity && key.contains(&column.name)).map(|column| &*column.name).collect();
    if !outside.is_empty() {
        tracing::warn!(
            table,
            columns = outside.join(", "),
            "message.key.columns: deletes do not carry these columns, so their keys are wrong; ALTER TABLE ... REPLICA IDENTITY FULL sends them"
        );
    }
}

async fn details(client: &Client, id: RelationId) -> Result<Details, PostgresError> {
    let mut details = Details::default();
    for row in client
        .query(
            "select a.attname, not a.attnotnull, pg_get_expr(d.adbin, d.adrelid), t.typname::text from pg_attribute a \
             join pg_type t on t.oid = a.atttypid \
             left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum \
             where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped",
            &[&id.0],
        )
        .await?
    {
        details.columns.insert(row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?));
    }
    // Keys in index order; functional and partial indexes identify nothing.
    for row in client
        .query(
            "select i.indisprimary, i.indisreplident, array(select a.attname::text from unnest(i.indkey::int2[]) with ordinality k(attnum, place) \
                      join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum where k.place <= i.indnkeyatts order by k.place) \
             from pg_index i where i.indrelid = $1 and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null \
             order by i.indisprimary desc, i.indexrelid",
            &[&id.0],
        )
        .await?
    {
        let (primary, identity, columns): (bool, bool, Vec<String>) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        if identity {
            details.identity_index.clone_from(&columns);
        }
        if primary {
            details.primary_key = columns;
        } else if details.unique_index.is_empty() {
            details.unique_index = columns;
        }
    }
    Ok(details)
}
