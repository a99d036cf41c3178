//! Can this database be captured? Every cause at once, each with its remedy.
//!
//! Owns the questions that stop most first hours: reachability, WAL level, slots, senders, privileges, replica identity,
//! pooler, WAL limit; and one proof of the whole way, a temporary slot that leaves nothing behind. Changes nothing. A
//! question that cannot be asked becomes a finding itself, so that one missing privilege hides nothing else.

use std::time::{Duration, Instant};

use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use super::catalog::{self, Table};
use super::connection::{Connection, Session};
use super::{PostgresError, identifier, publication, slot};
use crate::change::ReplicaIdentity;
use crate::config::postgres::{ConnectionConfig, PostgresConfig, TableFilter};

/// How good or bad a finding is; the largest is the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// As it should be.
    Ok,
    /// Good to know.
    Note,
    /// It works, but should be changed.
    Warn,
    /// Capture would not work, or would harm.
    Fail,
}

/// An answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `server`, `role`, `tables` or `proof`.
    pub group: &'static str,
    /// Its code.
    pub id: &'static str,
    /// What was asked.
    pub title: &'static str,
    /// The judgement.
    pub mark: Mark,
    /// What was seen.
    pub observed: String,
    /// Statements to run, or advice as `--` comments; empty when all is well.
    pub fix: String,
}

/// All findings about a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnosis {
    /// Who was asked.
    pub title: String,
    /// The answers.
    pub findings: Vec<Finding>,
}

impl Diagnosis {
    /// All remedies as one script.
    pub fn fix_sql(&self) -> String {
        self.findings.iter().filter(|finding| !finding.fix.is_empty()).map(|finding| format!("{}\n", finding.fix)).collect()
    }
}

/// A temporary slot is made within this, or somebody's long transaction is in the way.
const SLOT_WAIT_MAX: Duration = Duration::from_secs(10);
/// Names in one line.
const NAMES_MAX: usize = 5;

/// Examines a database as this role would see it when it captures these tables; with a connector's configuration, whether
/// that one would start.
pub async fn examine(config: &ConnectionConfig, filter: &TableFilter, connector: Option<&PostgresConfig>, slot_test: bool) -> Diagnosis {
    let mut doctor = Doctor { config, group: "server", findings: Vec::new() };
    let started = Instant::now();
    let title = format!("{} as {}", config.shown(), config.user);
    let client = match catalog::open(config, "rowfeed check").await {
        Ok(client) => client,
        Err(error) => {
            doctor.failed("reachable", &error);
            return Diagnosis { title, findings: doctor.findings };
        }
    };
    let title = doctor.server(&client, title, started.elapsed()).await;
    doctor.group = "role";
    doctor.role(&client).await;
    doctor.group = "tables";
    doctor.tables(&client, filter, connector).await;
    doctor.group = "proof";
    doctor.proof(&client, slot_test).await;
    Diagnosis { title, findings: doctor.findings }
}

struct Doctor<'a> {
    config: &'a ConnectionConfig,
    group: &'static str,
    findings: Vec<Finding>,
}

/// What is wrong with a question that could not be asked.
const UNASKED: &str = "check/unasked";

impl Doctor<'_> {
    fn found(&mut self, id: &'static str, title: &'static str, mark: Mark, observed: impl Into<String>, fix: impl Into<String>) {
        self.findings.push(Finding { group: self.group, id, title, mark, observed: observed.into(), fix: fix.into() });
    }

    fn ok(&mut self, id: &'static str, title: &'static str, observed: impl Into<String>) {
        self.found(id, title, Mark::Ok, observed, "");
    }

    /// An error as a finding, in the words a connector would fail with.
    fn failed(&mut self, title: &'static str, error: &PostgresError) {
        let problem = error.problem(self.config);
        let observed = if problem.why.is_empty() { problem.what } else { format!("{}\n{}", problem.what, problem.why) };
        // A finding before may have said the same with a better remedy. These are in a connector's words, not SQL.
        let known = self.findings.iter().any(|finding| finding.id == problem.code && finding.mark == Mark::Fail);
        let is_sql = |line: &str| line.ends_with(';') && line.starts_with(|first: char| first.is_ascii_uppercase());
        let comment = |line: &str| if is_sql(line) { format!("{line}\n") } else { format!("-- {line}\n") };
        let advice = if known { String::new() } else { problem.fix.lines().map(comment).collect() };
        self.found(problem.code, title, Mark::Fail, observed, advice.trim_end());
    }

    fn unasked(&mut self, title: &'static str, error: &tokio_postgres::Error) {
        let why = error.as_db_error().map_or_else(|| error.to_string(), |db| db.message().to_owned());
        self.found(UNASKED, title, Mark::Warn, format!("could not be found out: {why}"), "");
    }

    async fn server(&mut self, client: &Client, title: String, took: Duration) -> String {
        let tls = match text(client, "select version from pg_stat_ssl where pid = pg_backend_pid() and ssl", &[]).await {
            Ok(version) => version,
            Err(_) => "no TLS".to_owned(),
        };
        self.ok("pg/reachable", "reachable", format!("{} ms, {tls}", took.as_millis()));
        let version = text(client, "select current_setting('server_version')", &[]).await.unwrap_or_default();
        let number = number(client, "select current_setting('server_version_num')::bigint").await.unwrap_or(0);
        if number < 130_000 {
            let fix = "-- PostgreSQL 13 or newer is needed";
            self.found("pg/version", "version", Mark::Fail, format!("{version}, must be 13 or newer"), fix);
        }
        let standby = truth(client, "select pg_is_in_recovery()", &[]).await.unwrap_or(false);
        if standby {
            let (mark, fix) = if number < 160_000 { (Mark::Fail, "-- connect to the primary") } else { (Mark::Warn, "") };
            self.found("pg/standby", "primary", mark, "this is a standby", fix);
        }
        if let Ok(encoding) = text(client, "select current_setting('server_encoding')", &[]).await
            && let Err(error) = catalog::check_encoding(&encoding)
        {
            self.failed("encoding", &error);
        }
        self.wal_level(client).await;
        self.slots(client).await;
        self.senders(client).await;
        self.wal_limit(client, number).await;
        format!("{title} · PostgreSQL {version} · {}", if standby { "standby" } else { "primary" })
    }

    async fn wal_level(&mut self, client: &Client) {
        const TITLE: &str = "wal_level";
        match text(client, "select current_setting('wal_level')", &[]).await {
            Ok(level) if level == "logical" => self.ok("pg/wal-level", TITLE, level),
            Ok(level) => {
                let fix = "ALTER SYSTEM SET wal_level = logical;                  -- then restart PostgreSQL (reload is not enough)\n\
                           -- Docker: command: [\"postgres\", \"-c\", \"wal_level=logical\"]     Amazon RDS: rds.logical_replication = 1, then reboot";
                self.found("pg/wal-level", TITLE, Mark::Fail, format!("{level}, must be logical"), fix);
            }
            Err(error) => self.unasked(TITLE, &error),
        }
    }

    async fn slots(&mut self, client: &Client) {
        const TITLE: &str = "replication slots";
        let used = number(client, "select count(*) from pg_replication_slots").await;
        let most = number(client, "select current_setting('max_replication_slots')::bigint").await;
        match (used, most) {
            (Ok(used), Ok(most)) if used < most => self.ok("pg/slots-full", TITLE, format!("{used} of {most} used")),
            (Ok(used), Ok(most)) => {
                let query =
                    "select coalesce(string_agg(slot_name::text, ' ' order by slot_name), '') from pg_replication_slots where not active";
                let idle = text(client, query, &[]).await.unwrap_or_default();
                let mut fix = String::new();
                for name in idle.split_whitespace().take(NAMES_MAX) {
                    fix.push_str(&format!("-- if nobody needs it:  SELECT pg_drop_replication_slot('{name}');\n"));
                }
                fix.push_str("ALTER SYSTEM SET max_replication_slots = 20;             -- then restart PostgreSQL");
                self.found("pg/slots-full", TITLE, Mark::Fail, format!("none is free ({used} of {most} used)"), fix);
            }
            (Err(error), _) | (_, Err(error)) => self.unasked(TITLE, &error),
        }
    }

    async fn senders(&mut self, client: &Client) {
        const TITLE: &str = "WAL senders";
        let used = number(client, "select count(*) from pg_stat_replication").await;
        let most = number(client, "select current_setting('max_wal_senders')::bigint").await;
        match (used, most) {
            (Ok(used), Ok(most)) if used < most => self.ok("pg/senders-full", TITLE, format!("{used} of {most} used")),
            (Ok(used), Ok(most)) => {
                let fix = "ALTER SYSTEM SET max_wal_senders = 20;                   -- then restart PostgreSQL";
                self.found("pg/senders-full", TITLE, Mark::Fail, format!("none is free ({used} of {most} used)"), fix);
            }
            (Err(error), _) | (_, Err(error)) => self.unasked(TITLE, &error),
        }
    }

    async fn wal_limit(&mut self, client: &Client, version: i64) {
        const TITLE: &str = "WAL limit";
        match text(client, "select current_setting('max_slot_wal_keep_size')", &[]).await {
            Ok(size) if size == "-1" => {
                let fix =
                    "ALTER SYSTEM SET max_slot_wal_keep_size = '50GB';        -- choose it by your disk; then SELECT pg_reload_conf();";
                self.found("pg/wal-unlimited", TITLE, Mark::Warn, "max_slot_wal_keep_size = -1: a stopped consumer can fill the disk", fix);
            }
            Ok(size) => self.ok("pg/wal-unlimited", TITLE, format!("max_slot_wal_keep_size = {size}")),
            // The setting came with PostgreSQL 13.
            Err(_) if version < 130_000 => {}
            Err(error) => self.unasked(TITLE, &error),
        }
    }

    async fn role(&mut self, client: &Client) {
        const TITLE: &str = "can replicate";
        // Managed services give the right through a role of their own.
        let query = "select rolsuper or rolreplication or exists (select 1 from pg_roles g where g.rolname in \
                     ('rds_replication', 'rds_superuser', 'azure_pg_admin', 'cloudsqlsuperuser', 'alloydbsuperuser') and pg_has_role(r.rolname, g.oid, 'MEMBER')) \
                     from pg_roles r where r.rolname = current_user";
        let role = identifier(&self.config.user);
        match truth(client, query, &[]).await {
            Ok(true) => self.ok("pg/role-replication", TITLE, "REPLICATION"),
            Ok(false) => {
                let fix =
                    format!("ALTER ROLE {role} REPLICATION;                          -- Amazon RDS: GRANT rds_replication TO {role};");
                self.found(
                    "pg/role-replication",
                    TITLE,
                    Mark::Fail,
                    format!("role {} has no REPLICATION attribute", self.config.user),
                    fix,
                );
            }
            Err(error) => self.unasked(TITLE, &error),
        }
    }

    async fn tables(&mut self, client: &Client, filter: &TableFilter, connector: Option<&PostgresConfig>) {
        let all = match catalog::tables(client).await {
            Ok(all) => all,
            Err(error) => return self.failed("tables", &error),
        };
        let tables: Vec<&Table> = all.iter().filter(|table| filter.includes(&table.schema, &table.table)).collect();
        if tables.is_empty() {
            let observed = format!("none of the {} tables of {} is captured", all.len(), self.config.database);
            if all.is_empty() {
                return self.found("pg/no-tables", "tables", Mark::Warn, observed, "");
            }
            let fix = format!("-- correct the table list: patterns are schema.table; there are {}", names(&all.iter().collect::<Vec<_>>()));
            return self.found("pg/no-tables", "tables", Mark::Fail, observed, fix);
        }
        match connector {
            Some(connector) => self.publication_of(client, connector, &all).await,
            None => self.publication(client, &tables).await,
        }
        self.readable(client, &tables).await;
        self.update_safety(&publication::with_partitions(&all, &tables));
        self.old_values(&tables);
        self.row_security(client, &tables).await;
    }

    /// What the connector would do at its start, undone: the statements are those of the start, so the answer is, too.
    async fn publication_of(&mut self, client: &Client, connector: &PostgresConfig, tables: &[Table]) {
        const TITLE: &str = "publication";
        let done = match client.batch_execute("begin").await {
            Ok(()) => publication::ensure(client, connector, tables).await,
            Err(error) => Err(error.into()),
        };
        let undone = client.batch_execute("rollback").await;
        match done {
            Ok(()) => self.ok("pg/publication", TITLE, format!("{} is there or can be made", connector.publication_name)),
            Err(error) => self.failed(TITLE, &error),
        }
        if let Err(error) = undone {
            self.unasked(TITLE, &error);
        }
    }

    async fn publication(&mut self, client: &Client, tables: &[&Table]) {
        const TITLE: &str = "can create the publication";
        let ids: Vec<u32> = tables.iter().map(|table| table.id.0).collect();
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
        let role = &self.config.user;
        let observed = if create {
            format!("role {role} does not own {foreign} of {} tables", tables.len())
        } else {
            format!("role {role} may not CREATE in {}", self.config.database)
        };
        let list: Vec<String> = tables.iter().map(|table| table.quoted()).collect();
        let fix = format!(
            "CREATE PUBLICATION rowfeed_pub FOR TABLE {};\n-- and use it: publication.name = rowfeed_pub, publication.autocreate.mode = disabled",
            list.join(", ")
        );
        // A publication that a database administrator makes is as good.
        self.found("pg/publication", TITLE, Mark::Warn, observed, fix);
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
        let role = identifier(&self.config.user);
        let mut schemas: Vec<String> = closed.iter().map(|table| identifier(&table.schema)).collect();
        schemas.dedup();
        let list: Vec<String> = closed.iter().map(|table| table.quoted()).collect();
        let fix = format!("GRANT USAGE ON SCHEMA {} TO {role};\nGRANT SELECT ON {} TO {role};", schemas.join(", "), list.join(", "));
        self.found("pg/select", TITLE, Mark::Fail, format!("no SELECT on {}", names(&closed)), fix);
    }

    fn update_safety(&mut self, tables: &[&Table]) {
        const TITLE: &str = "update safety";
        let unsafe_tables: Vec<&Table> = tables.iter().copied().filter(|table| table.breaks_updates()).collect();
        if unsafe_tables.is_empty() {
            return self.ok("pg/identity-missing", TITLE, "every table has a key or a full replica identity");
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
        if !with_key_only.is_empty() {
            let observed = format!(
                "{}: replica identity DEFAULT, \"before\" is empty in updates\n(REPLICA IDENTITY FULL gives it, at the price of more WAL)",
                names(&with_key_only)
            );
            self.found("pg/identity-default", "old values", Mark::Note, observed, "");
        }
    }

    async fn row_security(&mut self, client: &Client, tables: &[&Table]) {
        let ids: Vec<u32> = tables.iter().map(|table| table.id.0).collect();
        let query = "select c.oid from pg_class c where c.oid = any($1) and row_security_active(c.oid)";
        let Ok(rows) = client.query(query, &[&ids]).await else { return };
        let hidden: Vec<u32> = rows.iter().filter_map(|row| row.try_get(0).ok()).collect();
        let hidden: Vec<&Table> = tables.iter().copied().filter(|table| hidden.contains(&table.id.0)).collect();
        if !hidden.is_empty() {
            let observed = format!("{}: row security hides rows from the snapshot but not from the stream", names(&hidden));
            let fix = format!("ALTER ROLE {} BYPASSRLS;", identifier(&self.config.user));
            self.found("pg/rls", "row security", Mark::Fail, observed, fix);
        }
    }

    async fn proof(&mut self, client: &Client, slot_test: bool) {
        let stuck = self.findings.iter().any(|finding| {
            finding.mark == Mark::Fail && matches!(finding.id, "pg/wal-level" | "pg/slots-full" | "pg/senders-full" | "pg/role-replication")
        });
        self.replication_session(client, slot_test && !stuck).await;
        // In a transaction that is undone nobody receives it.
        let message = client.batch_execute("begin; select pg_logical_emit_message(true, 'rowfeed', '')").await;
        let _ = client.batch_execute("rollback").await;
        match message {
            Ok(()) => self.ok("pg/heartbeat", "heartbeat", "pg_logical_emit_message allowed, no heartbeat table needed"),
            Err(error) => {
                let role = identifier(&self.config.user);
                let fix = format!("GRANT EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, text) TO {role};");
                let why = error.as_db_error().map_or_else(|| error.to_string(), |db| db.message().to_owned());
                self.found("pg/heartbeat", "heartbeat", Mark::Warn, why, fix);
            }
        }
    }

    async fn replication_session(&mut self, client: &Client, slot_test: bool) {
        const TITLE: &str = "replication session";
        let mut session = match Connection::open(self.config, Session::Replication, "rowfeed check").await {
            Ok(session) => session,
            Err(PostgresError::Server(message)) if message.message.contains("startup parameter") => return self.pooler(&message.message),
            Err(error) => return self.failed(TITLE, &error),
        };
        match session.query("IDENTIFY_SYSTEM").await {
            Ok(_) => self.ok("pg/pooler", TITLE, "no pooler in between"),
            // A pooler drops the parameter silently and hands the command to an ordinary session.
            Err(PostgresError::Server(message)) if message.code == "42601" => return self.pooler(&message.message),
            Err(error) => return self.failed(TITLE, &error),
        }
        if slot_test {
            self.temporary_slot(client, &mut session).await;
        }
    }

    fn pooler(&mut self, answer: &str) {
        let host = &self.config.host;
        let fix = if host.contains("-pooler") {
            format!("-- connect to {} instead of {host}", host.replace("-pooler", ""))
        } else {
            "-- connect to the server itself, not the pooler (often port 5432)".to_owned()
        };
        let observed = format!("this is a connection pooler, not PostgreSQL itself; it answered:\n{answer}");
        self.found("pg/pooler", "replication session", Mark::Fail, observed, fix);
    }

    async fn temporary_slot(&mut self, client: &Client, session: &mut Connection) {
        const TITLE: &str = "temporary slot";
        let started = Instant::now();
        let name = format!("rowfeed_check_{}", std::process::id());
        let sql = format!("CREATE_REPLICATION_SLOT {} TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT", identifier(&name));
        match session.query_within(&sql, SLOT_WAIT_MAX, "creating a temporary slot").await {
            // It goes with the session.
            Ok(_) => self.ok("pg/slot-temp", TITLE, format!("created and dropped in {:.1} s", started.elapsed().as_secs_f64())),
            Err(PostgresError::Timeout(..)) => {
                slot::give_up(client, &name).await;
                let fix = "-- end or wait for old transactions:  SELECT pid, usename, xact_start, left(query, 60) FROM pg_stat_activity WHERE backend_xid IS NOT NULL ORDER BY xact_start;\n-- and prepared ones:  SELECT gid, prepared, owner, database FROM pg_prepared_xacts;";
                let open = slot::open_transactions(client).await.join("; ");
                let observed =
                    format!("not made within {} s: transactions that were open before hold it up: {open}", SLOT_WAIT_MAX.as_secs());
                self.found("pg/long-tx", TITLE, Mark::Warn, observed, fix);
            }
            Err(error) => self.failed(TITLE, &error),
        }
    }
}

/// The first few names.
fn names(tables: &[&Table]) -> String {
    let mut out = tables.iter().take(NAMES_MAX).map(|table| table.name()).collect::<Vec<_>>().join(", ");
    if tables.len() > NAMES_MAX {
        out.push_str(&format!(" and {} more", tables.len() - NAMES_MAX));
    }
    out
}

type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

async fn text(client: &Client, sql: &str, params: Params<'_>) -> Result<String, tokio_postgres::Error> {
    client.query_one(sql, params).await?.try_get(0)
}

async fn number(client: &Client, sql: &str) -> Result<i64, tokio_postgres::Error> {
    client.query_one(sql, &[]).await?.try_get(0)
}

async fn truth(client: &Client, sql: &str, params: Params<'_>) -> Result<bool, tokio_postgres::Error> {
    client.query_one(sql, params).await?.try_get(0)
}
