//! The tables: which are captured, whether they can be read and published, what their events will lack.

use tokio_postgres::Client;

use super::super::catalog::{self, Table};
use super::super::{identifier, identity, publication, qualified};
use super::{Depth, Doctor, Mark, first_of, names, truth};
use crate::change::ReplicaIdentity;
use crate::config::postgres::PostgresConfig;
use crate::config::suggest;

/// The publication that is proposed where no connector says one: that of the connector which `ROWFEED_SOURCE_URL` makes.
const PROPOSED: &str = "default_pub";

/// A relation that logical replication does not send.
struct Unsent {
    schema: String,
    table: String,
    kind: String,
}

impl Unsent {
    fn name(&self) -> String {
        format!("{}.{}", self.schema, self.table)
    }
}

impl Doctor<'_> {
    pub(super) async fn tables(&mut self, client: &Client) {
        let all = match (self.connector, catalog::tables(client).await) {
            // A start sets them, and publishes then.
            (Some(connector), Ok(all)) if self.is_draft => identity::as_wanted(client, connector, all).await,
            (_, all) => all,
        };
        let all = match all {
            Ok(all) => all,
            Err(error) => return self.failed("tables", &error),
        };
        let filter = self.filter;
        let tables: Vec<&Table> = all.iter().filter(|table| filter.includes(&table.schema, &table.table)).collect();
        let unsent = self.not_sent(client).await;
        if tables.is_empty() {
            let observed = format!("none of the {} tables of {} is captured", all.len(), self.config.database);
            if all.is_empty() {
                self.found("pg/no-tables", "tables", Mark::Warn, observed, "");
                return;
            }
            let fix = format!("-- correct the table list: patterns are schema.table; there are {}", names(&all.iter().collect::<Vec<_>>()));
            self.found("pg/no-tables", "tables", Mark::Fail, observed, fix);
            return self.patterns(&all, &unsent);
        }
        self.ok("pg/no-tables", "tables", format!("{} of {}", tables.len(), all.len()));
        self.patterns(&all, &unsent);
        match self.connector {
            Some(connector) => self.publication_of(client, connector, &all).await,
            None => self.publication(client, &tables).await,
        }
        self.readable(client, &tables).await;
        self.update_safety(&publication::with_partitions(&all, &tables));
        self.old_values(&tables);
        self.large_values(client, &tables).await;
        self.row_security(client, &tables).await;
    }

    /// A pattern that names nothing is a typing mistake, or names what cannot be captured.
    fn patterns(&mut self, all: &[Table], unsent: &[Unsent]) {
        let known: Vec<String> = all.iter().map(Table::name).collect();
        let with_unsent: Vec<String> = known.iter().cloned().chain(unsent.iter().map(Unsent::name)).collect();
        let filter = self.filter;
        for pattern in filter.without_effect(&with_unsent) {
            let hint = suggest::did_you_mean(pattern, known.iter().map(String::as_str));
            let fix = if hint.is_empty() { String::new() } else { format!("-- {hint}") };
            self.found("pg/no-tables", "pattern", Mark::Warn, format!("{pattern} names no table"), fix);
        }
    }

    /// Views, foreign and unlogged tables that the lists name: nothing of them is in the WAL.
    async fn not_sent(&mut self, client: &Client) -> Vec<Unsent> {
        const KINDS: [(&str, &str, &str); 3] =
            [("v", "pg/view", "views"), ("f", "pg/foreign", "foreign tables"), ("u", "pg/unlogged", "unlogged tables")];
        let query = "select n.nspname::text, c.relname::text, case when c.relkind in ('v', 'm') then 'v' when c.relkind = 'f' then 'f' else 'u' end \
                     from pg_class c join pg_namespace n on n.oid = c.relnamespace \
                     where (c.relkind in ('v', 'm', 'f') or (c.relkind in ('r', 'p') and c.relpersistence = 'u')) \
                       and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg\\_%' \
                       and not exists (select 1 from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e') \
                     order by 1, 2";
        let rows = match client.query(query, &[]).await {
            Ok(rows) => rows,
            Err(error) => {
                self.unasked("not captured", &error);
                return Vec::new();
            }
        };
        let mut unsent = Vec::new();
        for row in &rows {
            let (Ok(schema), Ok(table), Ok(kind)) = (row.try_get::<_, String>(0), row.try_get::<_, String>(1), row.try_get(2)) else {
                continue;
            };
            if self.filter.includes(&schema, &table) {
                unsent.push(Unsent { schema, table, kind });
            }
        }
        for (kind, id, what) in KINDS {
            let of_kind: Vec<&Unsent> = unsent.iter().filter(|relation| relation.kind == kind).collect();
            let named: Vec<String> = of_kind.iter().map(|relation| relation.name()).collect();
            if named.is_empty() {
                continue;
            }
            let logged = of_kind.iter().map(|Unsent { schema, table, .. }| {
                format!("-- ALTER TABLE {} SET LOGGED;       -- writes the table anew\n", qualified(schema, table))
            });
            let fix = if kind == "u" { logged.collect() } else { String::new() };
            self.found(id, "not captured", Mark::Note, format!("{what}: {}", first_of(&named)), fix);
        }
        unsent
    }

    /// What the connector would do at its start, undone: the statements are those of the start, so the answer is, too.
    async fn publication_of(&mut self, client: &Client, connector: &PostgresConfig, tables: &[Table]) {
        const TITLE: &str = "publication";
        let name = &connector.publication_name;
        if self.depth == Depth::Look {
            return self.publication_now(client, connector, tables).await;
        }
        let done = match client.batch_execute("begin").await {
            Ok(()) => publication::ensure(client, connector, tables).await,
            Err(error) => Err(error.into()),
        };
        // As it would be then.
        let sent = if done.is_ok() { Some(self.sent_by(client, name, connector, tables).await) } else { None };
        let undone = client.batch_execute("rollback").await;
        match (done, sent) {
            (Err(error), _) => self.failed(TITLE, &error),
            (Ok(()), Some(Err(error))) => self.failed(TITLE, &error),
            (Ok(()), Some(Ok((missing, skipped)))) => {
                if missing.is_empty() && skipped.is_empty() {
                    self.ok("pg/publication", TITLE, format!("{name} is there or can be made"));
                }
                self.not_sent_by(name, &missing, &skipped);
            }
            (Ok(()), None) => {}
        }
        if let Err(error) = undone {
            self.unasked(TITLE, &error);
        }
    }

    /// What the publication sends as it is, without trying what a start would change.
    async fn publication_now(&mut self, client: &Client, connector: &PostgresConfig, tables: &[Table]) {
        const TITLE: &str = "publication";
        let name = &connector.publication_name;
        let there = truth(client, "select exists (select 1 from pg_publication where pubname = $1)", &[name]).await;
        match there {
            Ok(true) => {}
            Ok(false) => {
                let fix =
                    "-- restart the connector, which makes it where it may; a publication that was dropped needs a new slot and snapshot";
                self.found("pg/publication", TITLE, Mark::Fail, format!("{name} does not exist"), fix);
                return;
            }
            Err(error) => return self.unasked(TITLE, &error),
        }
        match self.sent_by(client, name, connector, tables).await {
            Ok((missing, skipped)) if missing.is_empty() && skipped.is_empty() => {
                self.ok("pg/publication", TITLE, format!("{name} is there"))
            }
            Ok((missing, skipped)) => self.not_sent_by(name, &missing, &skipped),
            Err(error) => self.failed(TITLE, &error),
        }
    }

    fn not_sent_by(&mut self, name: &str, missing: &[&Table], skipped: &str) {
        const TITLE: &str = "publication";
        if !missing.is_empty() {
            let quoted: Vec<String> = missing.iter().map(|table| table.quoted()).collect();
            let fix = format!("ALTER PUBLICATION {} ADD TABLE {};", identifier(name), quoted.join(", "));
            self.found("pg/publication", TITLE, Mark::Fail, format!("{name} does not send {}", names(missing)), fix);
        }
        if !skipped.is_empty() {
            let fix = format!("ALTER PUBLICATION {} SET (publish = 'insert, update, delete, truncate');", identifier(name));
            self.found("pg/publication", TITLE, Mark::Warn, format!("{name} does not send {skipped}"), fix);
        }
    }

    /// Captured tables that the publication does not send, and what it leaves out of the others.
    async fn sent_by<'t>(
        &self,
        client: &Client,
        name: &str,
        connector: &PostgresConfig,
        tables: &'t [Table],
    ) -> Result<(Vec<&'t Table>, String), super::PostgresError> {
        let sent = publication::published(client, name, u32::try_from(self.version).unwrap_or(0)).await?;
        let is_sent = |table: &Table| sent.iter().any(|one| one.schema == table.schema && one.table == table.table);
        let wanted = tables.iter().filter(|table| connector.tables.includes(&table.schema, &table.table));
        // A root is sent by its partitions, a partition by its root, as publish_via_partition_root says.
        let by_relatives = |table: &Table| {
            tables.iter().any(|other| (other.ancestors.contains(&table.id) || table.ancestors.contains(&other.id)) && is_sent(other))
        };
        let missing = wanted.filter(|table| !is_sent(table) && !by_relatives(table)).collect();
        let query = "select concat_ws(', ', case when not pubinsert then 'inserts' end, case when not pubupdate then 'updates' end, \
                     case when not pubdelete then 'deletes' end, case when not pubtruncate then 'truncates' end) from pg_publication where pubname = $1";
        let skipped = client.query_opt(query, &[&name]).await?;
        Ok((missing, skipped.map_or(Ok(String::new()), |row| row.try_get(0))?))
    }

    async fn publication(&mut self, client: &Client, tables: &[&Table]) {
        const TITLE: &str = "can create the publication";
        let ids: Vec<u32> = tables.iter().map(|table| table.id.0).collect();
        // One that sends all of it is as good, whoever made it.
        let query = "select coalesce((select p.pubname::text from pg_publication p where p.pubinsert and p.pubupdate and p.pubdelete and (p.puballtables \
                     or (select count(*) from pg_publication_rel r where r.prpubid = p.oid and r.prrelid = any($1)) = cardinality($1)) order by 1 limit 1), '')";
        let there = super::text(client, query, &[&ids]).await.unwrap_or_default();
        let create = truth(client, "select has_database_privilege(current_database(), 'CREATE')", &[]).await;
        let owned = "select count(*) from pg_class c where c.oid = any($1) and not pg_has_role(c.relowner, 'USAGE')";
        let foreign = client.query_one(owned, &[&ids]).await.and_then(|row| row.try_get::<_, i64>(0));
        let (create, foreign) = match (create, foreign) {
            (Ok(create), Ok(foreign)) => (create, foreign),
            (Err(error), _) | (_, Err(error)) => return self.unasked(TITLE, &error),
        };
        if create && foreign == 0 {
            return self.ok("pg/publication", TITLE, format!("owner of all {} tables", tables.len()));
        }
        if !there.is_empty() {
            let seen = format!("not needed: {there} sends all of them (publication.name={there}, publication.autocreate.mode=disabled)");
            return self.ok("pg/publication", TITLE, seen);
        }
        let role = self.captures_as();
        let observed = if create {
            format!("role {role} does not own {foreign} of {} tables", tables.len())
        } else {
            format!("role {role} may not CREATE in {}", self.config.database)
        };
        let list: Vec<String> = tables.iter().map(|table| table.quoted()).collect();
        let fix = format!(
            "CREATE PUBLICATION {PROPOSED} FOR TABLE {};\n-- and use it: publication.name = {PROPOSED}, publication.autocreate.mode = disabled",
            list.join(", ")
        );
        // Nothing begins without one. A publication that a database administrator makes is as good.
        self.found("pg/publication", TITLE, Mark::Fail, observed, fix);
    }

    async fn readable(&mut self, client: &Client, tables: &[&Table]) {
        const TITLE: &str = "readable";
        let ids: Vec<u32> = tables.iter().map(|table| table.id.0).collect();
        let query = "select c.oid from pg_class c where c.oid = any($1) and not (has_table_privilege(c.oid, 'SELECT') and has_schema_privilege(c.relnamespace, 'USAGE'))";
        let rows = match client.query(query, &[&ids]).await {
            Ok(rows) => rows,
            Err(error) => return self.unasked(TITLE, &error),
        };
        let closed: Vec<u32> = rows.iter().filter_map(|row| row.try_get(0).ok()).collect();
        if closed.is_empty() {
            return self.ok("pg/select", TITLE, format!("{} of {}", tables.len(), tables.len()));
        }
        let closed: Vec<&Table> = tables.iter().copied().filter(|table| closed.contains(&table.id.0)).collect();
        let role = self.role_name();
        let mut schemas: Vec<String> = closed.iter().map(|table| identifier(&table.schema)).collect();
        schemas.dedup();
        let list: Vec<String> = closed.iter().map(|table| table.quoted()).collect();
        let fix = format!("GRANT USAGE ON SCHEMA {} TO {role};\nGRANT SELECT ON {} TO {role};", schemas.join(", "), list.join(", "));
        self.found("pg/select", TITLE, Mark::Fail, format!("no SELECT on {}", names(&closed)), fix).expected = "SELECT";
    }

    fn update_safety(&mut self, tables: &[&Table]) {
        const TITLE: &str = "update safety";
        let unsafe_tables: Vec<&Table> = tables.iter().copied().filter(|table| table.breaks_updates()).collect();
        if unsafe_tables.is_empty() {
            return self.ok("pg/identity-missing", TITLE, "every table has a key or a full replica identity");
        }
        if self.has_failed("pg/identity-missing") {
            // The publication was refused for it, with what mends it.
            return;
        }
        let observed = format!(
            "{}: no primary key, or REPLICA IDENTITY NOTHING; publishing updates makes\nthe application's own UPDATE and DELETE fail",
            names(&unsafe_tables)
        );
        let fixes: Vec<String> = unsafe_tables
            .iter()
            .map(|table| format!("ALTER TABLE {} REPLICA IDENTITY FULL;       -- or leave it out", table.quoted()))
            .collect();
        self.found("pg/identity-missing", TITLE, Mark::Fail, observed, fixes.join("\n"));
    }

    fn old_values(&mut self, tables: &[&Table]) {
        let keyed = |table: &&Table| table.identity == ReplicaIdentity::Default && table.has_primary_key && !table.partitioned;
        let with_key_only: Vec<&Table> = tables.iter().copied().filter(keyed).collect();
        if with_key_only.is_empty() {
            self.ok("pg/identity-default", "old values", "in every update and delete");
        } else {
            let observed = format!(
                "{}: replica identity DEFAULT, \"before\" is empty in updates\n(REPLICA IDENTITY FULL gives it, at the price of more WAL)",
                names(&with_key_only)
            );
            self.found("pg/identity-default", "old values", Mark::Note, observed, "");
        }
    }

    /// Values that are stored outside their row are not sent again when they do not change.
    async fn large_values(&mut self, client: &Client, tables: &[&Table]) {
        const TITLE: &str = "large columns";
        let ids: Vec<u32> = tables.iter().filter(|table| table.identity != ReplicaIdentity::Full).map(|table| table.id.0).collect();
        let query = "select format('%s.%s.%s', n.nspname, c.relname, a.attname) from pg_class c join pg_namespace n on n.oid = c.relnamespace \
                     join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attlen = -1 and a.attstorage in ('e', 'x', 'm') \
                     where c.oid = any($1) and c.reltoastrelid <> 0 and pg_relation_size(c.reltoastrelid) > 0 order by 1";
        let rows = match client.query(query, &[&ids]).await {
            Ok(rows) => rows,
            Err(error) => return self.unasked(TITLE, &error),
        };
        let columns: Vec<String> = rows.iter().filter_map(|row| row.try_get(0).ok()).collect();
        if columns.is_empty() {
            return self.ok("pg/toast", TITLE, "none without REPLICA IDENTITY FULL");
        }
        let seen = format!(
            "{}: unchanged values are not sent (TOAST)\n(REPLICA IDENTITY FULL, or the post-processor that reselects, gives them)",
            first_of(&columns)
        );
        self.found("pg/toast", TITLE, Mark::Note, seen, "");
    }

    async fn row_security(&mut self, client: &Client, tables: &[&Table]) {
        let ids: Vec<u32> = tables.iter().map(|table| table.id.0).collect();
        let query = "select c.oid from pg_class c where c.oid = any($1) and row_security_active(c.oid)";
        let rows = match client.query(query, &[&ids]).await {
            Ok(rows) => rows,
            Err(error) => return self.unasked("row security", &error),
        };
        let hidden: Vec<u32> = rows.iter().filter_map(|row| row.try_get(0).ok()).collect();
        let hidden: Vec<&Table> = tables.iter().copied().filter(|table| hidden.contains(&table.id.0)).collect();
        if hidden.is_empty() {
            self.ok("pg/rls", "row security", "hides nothing");
        } else {
            let observed = format!("{}: row security hides rows from the snapshot but not from the stream", names(&hidden));
            let fix = format!("ALTER ROLE {} BYPASSRLS;", self.role_name());
            self.found("pg/rls", "row security", Mark::Fail, observed, fix);
        }
    }
}
