//! The place of a measurement: a database, a schema of its own in it, a folder; and taking all of it away.
//!
//! Owns the names, so that everything which is made can be found and removed by one of them: the schema, the slot and the
//! publication are all called `rowfeed_bench_XX`. Promises to write nowhere else in a given database, to ask first where
//! that has tables, and that `close` removes everything in whatever state the measurement ended. Leaves starting a temporary
//! server to [`crate::demo::cluster`] and judging a database to the doctor.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::super::Failure;
use crate::config::postgres::{ConnectionConfig, PostgresConfig, TopicDefaults};
use crate::config::{Options, native};
use crate::connect::Definition;
use crate::demo::cluster::{Cluster, Programs, Shape};
use crate::postgres::doctor::{self, Depth, Diagnosis, Finding, Mark, Patient, Step};
use crate::postgres::{Client, PostgresError, catalog, identifier, literal};
use crate::problem::Problem;
use crate::service::Signals;

/// The connector's name, and what its topics begin with.
pub const CONNECTOR: &str = "bench";
/// The one table.
pub const TABLE: &str = "changes";
/// How long removing is tried, and how often.
const REMOVE_LIMIT: Duration = Duration::from_secs(15);
const REMOVE_AGAIN: Duration = Duration::from_millis(200);

/// A database, and what is made for the measurement.
#[derive(Debug)]
pub struct Ground {
    /// A server of our own, unless one was given.
    cluster: Option<Cluster>,
    config: PostgresConfig,
    options: Options,
    name: String,
    topic: String,
    dir: PathBuf,
    /// Something was, or may have been, made in the database.
    is_made: bool,
}

impl Ground {
    /// Names the database, or starts a temporary server; nothing is left when it fails or is ended by a signal.
    pub async fn open(url: Option<String>, dir: Option<PathBuf>, signals: &mut Signals) -> Result<Self, Failure> {
        let id: String = Uuid::new_v4().simple().to_string().chars().take(8).collect();
        let name = format!("rowfeed_bench_{id}");
        let cluster = match &url {
            Some(_) => None,
            None => Some(start_cluster(signals).await?),
        };
        let url = url.or_else(|| cluster.as_ref().map(|cluster| cluster.url("postgres"))).unwrap_or_default();
        let (config, options) = connector(&url, &name)?;
        let dir = dir.unwrap_or_else(std::env::temp_dir).join(format!("rowfeed-bench-{id}"));
        let wrong = |error: std::io::Error| {
            Problem::fail("bench/folder", format!("the folder {} cannot be made", dir.display()))
                .why(error.to_string())
                .fix("--dir with a folder that this user may write to")
        };
        fs::create_dir(&dir).map_err(wrong)?;
        // The log will hold the events, and the settings a password.
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).map_err(wrong)?;
        let dir = fs::canonicalize(&dir).map_err(wrong)?;
        let topic = format!("{CONNECTOR}.{name}.{TABLE}");
        Ok(Self { cluster, config, options, name, topic, dir, is_made: false })
    }

    /// The name of the schema, the slot and the publication.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The table, quoted.
    pub fn table(&self) -> String {
        format!("{}.{TABLE}", identifier(&self.name))
    }

    /// The topic of the table.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The folder of everything that is written on this machine.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The connector's configuration.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The server is one of our own.
    pub fn is_temporary(&self) -> bool {
        self.cluster.is_some()
    }

    /// The database without its password.
    pub fn shown(&self) -> String {
        self.connection().shown()
    }

    /// How the database is accounted for, with its version.
    pub fn title(&self, version: &str) -> String {
        match &self.cluster {
            Some(_) => format!("temporary PostgreSQL {version}"),
            None => format!("PostgreSQL {version} at {}", self.shown()),
        }
    }

    /// Where it is and who asks.
    pub fn connection(&self) -> &ConnectionConfig {
        &self.config.connection
    }

    /// A session in the database.
    pub async fn session(&self) -> Result<Client, Problem> {
        let opened = catalog::open(self.connection(), &format!("rowfeed bench {}", self.name)).await;
        opened.map_err(|error| self.problem(error))
    }

    /// An error of the database as a person meets it.
    pub fn problem(&self, error: impl Into<PostgresError>) -> Problem {
        error.into().problem(self.connection())
    }

    /// Refuses a database that is used for something, unless that is meant. One that is not reached is examined.
    pub async fn refuse_strangers(&self, yes: bool) -> Result<(), Failure> {
        let session = match catalog::open(self.connection(), &format!("rowfeed bench {}", self.name)).await {
            Ok(session) => session,
            Err(error) => {
                self.diagnose(Depth::Try).await?;
                return Err(self.problem(error).into());
            }
        };
        let tables = user_tables(&session).await.map_err(|error| self.problem(error))?;
        for left in leftovers(&session).await.map_err(|error| self.problem(error))? {
            eprintln!(
                "{left} is of another measurement; if none runs now, remove what it left:\n    {};",
                statements(&left).join(";\n    ")
            );
        }
        let Some(first) = tables.first().filter(|_| !yes) else { return Ok(()) };
        let problem = Problem::refuse("bench/user-tables", format!("{} has tables of its own, such as {first}", self.shown()))
            .why("the measurement writes into a schema of its own only, but its load, its WAL and its checkpoints slow down everything else on this server")
            .fix("name an empty database (createdb scratch), or add --yes");
        Err(Failure { problems: vec![problem], code: 2 })
    }

    /// Makes the schema and the empty table.
    pub async fn create(&mut self) -> Result<(), Problem> {
        self.is_made = true;
        let session = self.session().await?;
        let sql = format!(
            "create schema {}; create table {}(id bigint primary key, number bigint not null, name text not null, note text not null, \
             amount numeric(12,2) not null, touched_at timestamptz not null)",
            identifier(&self.name),
            self.table()
        );
        session.batch_execute(&sql).await.map_err(|error| {
            let problem = self.problem(error);
            let user = identifier(&self.connection().user);
            let fix = format!("grant create on database {} to {user};", identifier(&self.connection().database));
            if problem.code == "pg/permission" { problem.fix(fix) } else { problem }
        })
    }

    /// Whether the table could be captured, before anything is written into it.
    pub async fn examine(&self) -> Result<(), Failure> {
        self.diagnose(Depth::Slot).await
    }

    async fn diagnose(&self, depth: Depth) -> Result<(), Failure> {
        let patient = Patient { connector: Some(&self.config), ..Patient::of(&self.config, depth) };
        failure(&doctor::examine(patient, |_| {}).await)
    }

    /// The server's version, and the size of a row in bytes.
    pub async fn describe(&self) -> Result<(String, i64), Problem> {
        let session = self.session().await?;
        let sql = format!(
            "select current_setting('server_version'), coalesce((select avg(pg_column_size(t))::bigint from (select * from {} limit 1000) t), 0)",
            self.table()
        );
        let row = session.query_one(&sql, &[]).await.map_err(|error| self.problem(error))?;
        let version: String = row.try_get(0).map_err(|error| self.problem(error))?;
        let bytes: i64 = row.try_get(1).map_err(|error| self.problem(error))?;
        Ok((version.split(' ').next().unwrap_or_default().to_owned(), bytes))
    }

    /// Takes everything away: the slot first, which would keep WAL.
    pub async fn close(self) -> Result<(), Problem> {
        let removed = if self.is_made && self.cluster.is_none() { self.remove_again().await } else { Ok(()) };
        let (cluster, dir) = (self.cluster, self.dir);
        let ended = spawn_blocking(move || {
            drop(cluster);
            fs::remove_dir_all(dir)
        });
        let folder = ended.await.map_err(|_| Problem::fail("bench/left", "ending the temporary server failed"))?;
        removed?;
        folder.map_err(|error| Problem::fail("bench/left", "the folder of the measurement is left").why(error.to_string()))
    }

    async fn remove_again(&self) -> Result<(), Problem> {
        let until = Instant::now() + REMOVE_LIMIT;
        loop {
            match self.remove().await {
                Ok(()) => return Ok(()),
                Err(_) if Instant::now() < until => tokio::time::sleep(REMOVE_AGAIN).await,
                Err(problem) => {
                    return Err(Problem::fail("bench/left", format!("what the measurement made in {} is left there", self.shown()))
                        .why(problem.to_string())
                        .fix(statements(&self.name).join(";\n") + ";"));
                }
            }
        }
    }

    async fn remove(&self) -> Result<(), Problem> {
        let session = self.session().await?;
        // A statement of ours that a signal cut off goes on by itself, and holds locks.
        let of_ours = format!("application_name = {}", literal(&format!("rowfeed bench {}", self.name)));
        let own = format!("select pg_terminate_backend(pid) from pg_stat_activity where {of_ours} and pid <> pg_backend_pid()");
        let reader = format!(
            "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = {} and active",
            literal(&self.name)
        );
        for statement in [own, reader].iter().chain(&statements(&self.name)) {
            session.batch_execute(statement).await.map_err(|error| self.problem(error))?;
        }
        Ok(())
    }
}

/// What removes a measurement from a database, for us and for a person.
fn statements(name: &str) -> Vec<String> {
    let (slot, name) = (literal(name), identifier(name));
    vec![
        format!("select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = {slot}"),
        format!("drop publication if exists {name}"),
        format!("drop schema if exists {name} cascade"),
    ]
}

/// The temporary server; a signal meanwhile ends it again.
async fn start_cluster(signals: &mut Signals) -> Result<Cluster, Failure> {
    let mut starting = spawn_blocking(|| {
        let programs = Programs::find().map_err(|problem| {
            problem.fix("apt-get install postgresql\nor name a database: rowfeed bench --url postgres://USER@HOST/DATABASE")
        })?;
        // As an administrator would begin with on a small machine; everything else as PostgreSQL is delivered.
        let settings = [("shared_buffers", "256MB"), ("max_wal_size", "2GB")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        Cluster::start(Shape { programs, name: "rowfeed-bench-postgres".into(), sync: true, settings: settings.to_vec(), keep: false })
    });
    let (started, ended) = tokio::select! {
        started = &mut starting => (started, false),
        // initdb hears Ctrl-C too, so what comes of it is no news; a server that started ends as it is dropped.
        () = signals.end() => (starting.await, true),
    };
    if ended {
        return Err(Failure::shown(130));
    }
    started.map_err(|_| Problem::fail("demo/postgres-start", "the temporary server met a defect"))?.map_err(Failure::from)
}

/// The connector on the one table, as configuration and as options.
fn connector(url: &str, name: &str) -> Result<(PostgresConfig, Options), Failure> {
    let mut options = native::from_url(CONNECTOR, url, &format!("{name}.{TABLE}"))?;
    if let Ok(password) = std::env::var("PGPASSWORD") {
        options.entry("database.password".to_owned()).or_insert(password);
    }
    for option in ["slot.name", "publication.name"] {
        options.insert(option.to_owned(), name.to_owned());
    }
    for (option, value) in [("publication.autocreate.mode", "filtered"), ("value.converter.schemas.enable", "false")] {
        options.insert(option.to_owned(), value.to_owned());
    }
    Ok((Definition::of_api(CONNECTOR, options.clone()).config(TopicDefaults::default())?, options))
}

/// The first few tables that are neither the server's, an extension's, nor a measurement's.
async fn user_tables(session: &Client) -> Result<Vec<String>, PostgresError> {
    let sql = "select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace \
               where c.relkind in ('r', 'p', 'f') and n.nspname !~ '^(pg_|information_schema$|rowfeed_bench_)' \
               and not exists (select from pg_depend d where d.objid = c.oid and d.classid = 'pg_class'::regclass and d.deptype = 'e') \
               order by 1 limit 3";
    let rows = session.query(sql, &[]).await?;
    Ok(rows.iter().filter_map(|row| row.try_get(0).ok()).collect())
}

/// The first few names of other measurements in this database.
async fn leftovers(session: &Client) -> Result<Vec<String>, PostgresError> {
    let sql = "select nspname::text from pg_namespace where nspname like 'rowfeed\\_bench\\_%' union \
               select slot_name::text from pg_replication_slots where slot_name like 'rowfeed\\_bench\\_%' and database = current_database() \
               order by 1 limit 3";
    let rows = session.query(sql, &[]).await?;
    Ok(rows.iter().filter_map(|row| row.try_get(0).ok()).collect())
}

/// What the doctor found to be in the way: exit code 4 when the server was not reached, else 3, as `rowfeed check` ends.
fn failure(diagnosis: &Diagnosis) -> Result<(), Failure> {
    if diagnosis.is_ok() {
        return Ok(());
    }
    let fails = diagnosis.findings.iter().filter(|finding| finding.mark == Mark::Fail);
    let problem = |finding: &Finding| {
        let step = |step: &Step<'_>| match step {
            Step::Sql(text) | Step::Note(text) => (*text).to_owned(),
        };
        let fix = finding.steps().iter().map(step).collect::<Vec<_>>().join("\n");
        Problem::refuse(finding.id, format!("the check \"{}\" failed", finding.title))
            .at(diagnosis.title.clone())
            .why(finding.observed.clone())
            .fix(fix)
    };
    Err(Failure { problems: fails.map(problem).collect(), code: if diagnosis.is_unreached() { 4 } else { 3 } })
}
