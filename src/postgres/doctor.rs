//! Can this database be captured? Every cause at once, each with its remedy.
//!
//! Owns the questions that stop most first hours, by subject: the `server`, the role and its rights, the `tables`, and the
//! `proof` of the whole way, a temporary slot that leaves nothing behind. Changes nothing. A question that cannot be asked
//! becomes a finding itself, so that one missing privilege hides nothing else. A remedy is SQL where SQL can do it: run by
//! a superuser, with the restarts that its comments name, the next examination passes.

mod proof;
mod provider;
mod server;
mod tables;

use std::time::Instant;

use serde_json::{Value as Json, json};
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use super::catalog::{self, Table};
use super::slots::SlotReport;
use super::{PostgresError, identifier};
use crate::config::postgres::{ConnectionConfig, PostgresConfig, TableFilter};
use crate::config::suggest;
use crate::problem::{Problem, one_line};
use provider::Provider;

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

impl Mark {
    /// The word in JSON and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
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
    /// What is wanted instead, where a word says it.
    pub expected: &'static str,
    /// Statements to run, or advice as `--` comments; empty when all is well.
    pub fix: String,
}

/// A step of a remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A statement to run.
    Sql(&'a str),
    /// Advice for a person.
    Note(&'a str),
}

impl Finding {
    /// Where its code is explained, from the top of the repository and of the documentation.
    pub fn docs(&self) -> String {
        format!("docs/errors.md#{}", self.id.replace('/', ""))
    }

    /// For programs: `rowfeed/check@1`'s `checks`.
    pub fn json(&self) -> Json {
        let step = |step: &Step<'_>| match step {
            Step::Sql(sql) => json!({ "sql": sql }),
            Step::Note(note) => json!({ "note": note }),
        };
        let steps: Vec<Json> = self.steps().iter().map(step).collect();
        let mut check = json!({
            "id": self.id, "group": self.group, "status": self.mark.name(), "title": self.title, "observed": self.observed, "fix": steps,
            "docs": self.docs(),
        });
        if !self.expected.is_empty() {
            check["expected"] = self.expected.into();
        }
        check
    }

    /// The remedy step by step.
    pub fn steps(&self) -> Vec<Step<'_>> {
        let mut steps = Vec::new();
        for line in self.fix.lines().map(str::trim).filter(|line| !line.is_empty()) {
            match line.split_once("-- ") {
                Some((sql, note)) => {
                    steps.extend(Some(sql.trim()).filter(|sql| !sql.is_empty()).map(Step::Sql));
                    steps.push(Step::Note(note.trim()));
                }
                None => steps.push(Step::Sql(line)),
            }
        }
        steps
    }
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
    /// Nothing would stop a capture.
    pub fn is_ok(&self) -> bool {
        self.findings.iter().all(|finding| finding.mark != Mark::Fail)
    }

    /// For programs: `rowfeed/check@1`.
    pub fn json(&self) -> Json {
        let checks: Vec<Json> = self.findings.iter().map(Finding::json).collect();
        json!({ "schema": "rowfeed/check@1", "ok": self.is_ok(), "target": self.title, "checks": checks, "fix_sql": self.fix_sql() })
    }

    /// All remedies as one script.
    pub fn fix_sql(&self) -> String {
        self.findings.iter().filter(|finding| !finding.fix.is_empty()).map(|finding| format!("{}\n", finding.fix)).collect()
    }

    /// The server was not even reached.
    pub fn is_unreached(&self) -> bool {
        let away = |finding: &Finding| matches!(finding.id, "pg/refused" | "pg/dns" | "pg/timeout" | "pg/network" | "pg/closed");
        self.findings.first().is_some_and(|first| first.mark == Mark::Fail && away(first))
    }
}

/// Names in one line.
const NAMES_MAX: usize = 5;
/// What `pg_stat_activity` shows.
const APPLICATION: &str = "rowfeed check";

/// How far an examination goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// One session that only reads the catalogue: nothing is written or locked, and no replication session is opened.
    Look,
    /// Also what needs a transaction that is undone, or a replication session.
    Try,
    /// Also a temporary slot, the proof of the whole way.
    Slot,
}

/// What is examined, and how.
#[derive(Clone, Copy)]
pub struct Patient<'a> {
    /// The database, and the role.
    pub config: &'a ConnectionConfig,
    /// The tables that are meant.
    pub filter: &'a TableFilter,
    /// A connector: whether that one would start.
    pub connector: Option<&'a PostgresConfig>,
    /// How far it goes.
    pub depth: Depth,
    /// The role that will capture, when it is not the one that asks: whether that one could.
    pub role: Option<&'a str>,
    /// The connector has not been made: what its start sets on tables is as good as set.
    pub is_draft: bool,
}

impl<'a> Patient<'a> {
    /// The database and the tables of this configuration, for the role that it names.
    pub fn of(config: &'a PostgresConfig, depth: Depth) -> Self {
        Self { config: &config.connection, filter: &config.tables, connector: None, depth, role: None, is_draft: false }
    }
}

/// Examines a database as this role would see it when it captures these tables; with a connector's configuration, whether that one would
/// start. Each finding is handed to `tell` as soon as its group is done.
pub async fn examine(patient: Patient<'_>, mut tell: impl FnMut(&Finding) + Send) -> Diagnosis {
    let mut told = 0;
    let mut tell = |doctor: &Doctor<'_>| {
        doctor.findings.iter().skip(told).for_each(&mut tell);
        told = doctor.findings.len();
    };
    let Patient { config, filter, connector, depth, role, is_draft } = patient;
    let mut doctor = Doctor {
        config,
        filter,
        connector,
        depth,
        role,
        is_draft,
        provider: Provider::of_host(&config.host),
        version: 0,
        is_standby: false,
        slots: Vec::new(),
        group: "server",
        findings: Vec::new(),
    };
    let started = Instant::now();
    let title = format!("{} as {}", config.shown(), config.user);
    let client = match catalog::open(config, APPLICATION).await {
        Ok(client) => client,
        Err(error) => {
            doctor.not_let_in(&error).await;
            tell(&doctor);
            return Diagnosis { title, findings: doctor.findings };
        }
    };
    doctor.provider = Provider::find(&client, &config.host).await;
    let title = doctor.server(&client, title, started.elapsed()).await;
    tell(&doctor);
    doctor.group = "role";
    doctor.role(&client).await;
    if doctor.has_failed(NO_ROLE) {
        tell(&doctor);
        return Diagnosis { title, findings: doctor.findings };
    }
    tell(&doctor);
    doctor.group = "tables";
    doctor.tables(&client).await;
    tell(&doctor);
    doctor.group = "proof";
    doctor.proof(&client).await;
    tell(&doctor);
    Diagnosis { title, findings: doctor.findings }
}

struct Doctor<'a> {
    config: &'a ConnectionConfig,
    filter: &'a TableFilter,
    connector: Option<&'a PostgresConfig>,
    depth: Depth,
    role: Option<&'a str>,
    is_draft: bool,
    provider: Provider,
    /// As `server_version_num`.
    version: i64,
    is_standby: bool,
    slots: Vec<SlotReport>,
    group: &'static str,
    findings: Vec<Finding>,
}

/// What is wrong with a question that could not be asked.
const UNASKED: &str = "check/unasked";
/// The role that is to capture cannot be taken on.
const NO_ROLE: &str = "check/role";

impl Doctor<'_> {
    fn found(
        &mut self,
        id: &'static str,
        title: &'static str,
        mark: Mark,
        observed: impl Into<String>,
        fix: impl Into<String>,
    ) -> &mut Finding {
        let finding = Finding { group: self.group, id, title, mark, observed: observed.into(), expected: "", fix: fix.into() };
        self.findings.push(finding);
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }

    fn ok(&mut self, id: &'static str, title: &'static str, observed: impl Into<String>) {
        self.found(id, title, Mark::Ok, observed, "");
    }

    /// Whether this was found to be bad.
    fn has_failed(&self, id: &str) -> bool {
        self.findings.iter().any(|finding| finding.id == id && finding.mark == Mark::Fail)
    }

    /// An error as a finding, in the words a connector would fail with.
    fn failed(&mut self, title: &'static str, error: &PostgresError) {
        let problem = error.problem(self.config);
        self.failed_as(title, problem);
    }

    fn failed_as(&mut self, title: &'static str, problem: Problem) {
        let observed = if problem.why.is_empty() { problem.what } else { format!("{}\n{}", problem.what, problem.why) };
        // A finding before may have said the same with a better remedy. These are in a connector's words, not SQL.
        let known = self.has_failed(problem.code);
        let comment = |line: &str| if runs_as_it_is(line) { format!("{line}\n") } else { format!("-- {line}\n") };
        let advice = if known { String::new() } else { problem.fix.lines().map(comment).collect() };
        self.found(problem.code, title, Mark::Fail, observed, advice.trim_end());
    }

    fn unasked(&mut self, title: &'static str, error: &tokio_postgres::Error) {
        let why = error.as_db_error().map_or_else(|| error.to_string(), |db| db.message().to_owned());
        self.found(UNASKED, title, Mark::Warn, format!("could not be found out: {why}"), "");
    }

    /// The first session could not be opened.
    async fn not_let_in(&mut self, error: &PostgresError) {
        let mut problem = error.problem(self.config);
        match problem.code {
            "pg/pooler" => problem = problem.fix(self.provider.direct(self.config).trim_start_matches("-- ")),
            "pg/database" => {
                let names = self.databases().await;
                let hint = suggest::did_you_mean(&self.config.database, names.iter().map(String::as_str));
                if !names.is_empty() {
                    let shown = names.iter().take(NAMES_MAX).cloned().collect::<Vec<_>>().join(", ");
                    let more = if names.len() > NAMES_MAX { ", ..." } else { "" };
                    problem = problem.why(format!("there are {shown}{more}"));
                }
                if !hint.is_empty() {
                    problem = problem.fix(hint);
                }
            }
            _ => {}
        }
        self.failed_as("reachable", problem);
    }

    /// What databases there are, when one that nearly always exists lets us in.
    async fn databases(&self) -> Vec<String> {
        for name in ["postgres", "template1"] {
            let there = ConnectionConfig { database: name.to_owned(), ..self.config.clone() };
            let Ok(client) = catalog::open(&there, APPLICATION).await else { continue };
            let rows = client.query("select datname::text from pg_database where datallowconn and not datistemplate order by 1", &[]).await;
            return rows.unwrap_or_default().iter().filter_map(|row| row.try_get(0).ok()).collect();
        }
        Vec::new()
    }

    async fn role(&mut self, client: &Client) {
        const TITLE: &str = "can replicate";
        if let Some(role) = self.role
            && let Err(error) = client.batch_execute(&format!("set role {}", identifier(role))).await
        {
            let why = error.as_db_error().map_or_else(|| error.to_string(), |db| db.message().to_owned());
            let fix = format!(
                "-- it must exist (CREATE ROLE {0} LOGIN REPLICATION;), and whoever asks must be a superuser or a member of it:\nGRANT {0} TO {1};",
                identifier(role),
                identifier(&self.config.user)
            );
            self.found(NO_ROLE, "role", Mark::Fail, format!("cannot be asked for as role {role}: {why}"), fix);
            return;
        }
        // Managed services give the right through a role of their own.
        let query = "select rolsuper or rolreplication or exists (select 1 from pg_roles g where g.rolname in \
                     ('rds_replication', 'rds_superuser', 'azure_pg_admin', 'cloudsqlsuperuser', 'alloydbsuperuser') and pg_has_role(r.rolname, g.oid, 'MEMBER')) \
                     from pg_roles r where r.rolname = current_user";
        match truth(client, query, &[]).await {
            Ok(true) => self.ok("pg/role-replication", TITLE, "REPLICATION"),
            Ok(false) => {
                let fix = self.provider.replication(self.captures_as());
                let observed = format!("role {} has no REPLICATION attribute", self.captures_as());
                self.found("pg/role-replication", TITLE, Mark::Fail, observed, fix).expected = "REPLICATION";
            }
            Err(error) => self.unasked(TITLE, &error),
        }
    }

    /// The role that captures.
    fn captures_as(&self) -> &str {
        self.role.unwrap_or(&self.config.user)
    }

    fn role_name(&self) -> String {
        identifier(self.captures_as())
    }
}

/// Statements that a person who runs the whole script means: they add a right, a setting, a publication. What takes something away, or has a
/// place to be filled in, stays a comment.
const MENDING: [&str; 6] =
    ["ALTER TABLE ", "ALTER ROLE ", "ALTER SYSTEM SET ", "CREATE PUBLICATION ", "GRANT ", "SELECT pg_reload_conf();"];

fn runs_as_it_is(line: &str) -> bool {
    let ends = line.ends_with(';') || line.split_once("; ").is_some_and(|(_, note)| note.trim_start().starts_with("-- "));
    ends && !line.contains("...") && MENDING.iter().any(|begin| line.starts_with(begin))
}

/// The first few names.
fn names(tables: &[&Table]) -> String {
    first_of(&tables.iter().map(|table| table.name()).collect::<Vec<_>>())
}

fn first_of(names: &[String]) -> String {
    let mut out = names.iter().take(NAMES_MAX).map(|name| one_line(name)).collect::<Vec<_>>().join(", ");
    if names.len() > NAMES_MAX {
        out.push_str(&format!(" and {} more", names.len() - NAMES_MAX));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remedy_is_statements_and_notes() {
        let fix = "ALTER ROLE a REPLICATION;\nALTER SYSTEM SET b = 'c';       -- then restart\n-- or not".to_owned();
        let finding = Finding { group: "role", id: "x", title: "x", mark: Mark::Fail, observed: String::new(), expected: "", fix };
        assert_eq!(
            finding.steps(),
            [
                Step::Sql("ALTER ROLE a REPLICATION;"),
                Step::Sql("ALTER SYSTEM SET b = 'c';"),
                Step::Note("then restart"),
                Step::Note("or not"),
            ]
        );
    }

    #[test]
    fn a_script_adds_what_is_missing_and_takes_nothing_away() {
        for line in [
            "ALTER TABLE \"public\".\"t\" REPLICA IDENTITY FULL;",
            "ALTER ROLE \"cdc\" REPLICATION;      -- on Amazon RDS: GRANT rds_replication TO \"cdc\";",
            "CREATE PUBLICATION \"p\" FOR TABLE \"public\".\"t\";",
            "GRANT SELECT ON \"public\".\"t\" TO \"cdc\";",
        ] {
            assert!(runs_as_it_is(line), "{line}");
        }
        for line in [
            "DROP PUBLICATION \"dbz_publication\";",
            "CREATE ROLE \"cdc\" LOGIN REPLICATION PASSWORD '...';",
            "ALTER PUBLICATION \"p\" SET (publish_via_partition_root = true);",
            "SELECT pg_drop_replication_slot('old');      -- if nobody needs it",
            "GRANT what it lacks",
            "or leave it out: table.exclude.list",
        ] {
            assert!(!runs_as_it_is(line), "{line}");
        }
    }
}
