//! Which tables are captured, and what becomes of it when the configuration names others.
//!
//! Owns having the database send them (identities, publication), taking up other lists while the stream runs, and the request
//! for the rows of tables that they add: read beside the stream, as a signal for them would have it, so that nobody else is
//! held up. (Debezium leaves that signal to a person, and the lists to a restart.) Promises that every checkpoint says which
//! lists were followed, in one commit with the request: whenever the process is killed, the next task finds what was added
//! and asks for it, or goes on with what was asked, and never both. While the stream runs, the database is told by a session
//! of its own: a lock that somebody holds on a table delays that table only.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::incremental::LEFT_MAX;
use super::relations::Relations;
use super::snapshot;
use super::stream::Stream;
use super::task::{Context, now_ns};
use crate::change::Signal;
use crate::change::signal::Action as Request;
use crate::config::postgres::{PostgresConfig, SnapshotMode, TableFilter};
use crate::log::LogWriter;
use crate::postgres::catalog::{self, Table};
use crate::postgres::{Client, PostgresError, identity, publication};
use crate::problem::{Action, Problem};

/// So many tables are in one request for tables that were added.
const ADDED_PER_REQUEST: usize = 500;

/// So many changes of the lists may be under way; the next task tells the database before it streams.
const CHANGES_MAX: usize = 16;

/// Between two tries to tell the database, at first and at most.
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Has the database send the tables of the configuration.
pub(super) async fn publish(context: &Context, client: &Client, server_version: u32) -> Result<(), Problem> {
    let config = &context.config;
    let wrong = |error: PostgresError| context.problem(&error);
    let mut tables = catalog::tables(client).await.map_err(wrong)?;
    if identity::ensure(client, config, &tables).await.map_err(wrong)? {
        tables = catalog::tables(client).await.map_err(wrong)?;
    }
    let captured = tables.iter().filter(|table| config.tables.includes(&table.schema, &table.table)).count();
    context.status.set_captured(captured);
    check_guardrail(config, captured)?;
    publication::ensure(client, config, &tables).await.map_err(wrong)?;
    check_topics(context, client, server_version, &tables).await
}

/// More tables than `guardrail.collections.max` are told, or fail the connector.
fn check_guardrail(config: &PostgresConfig, captured: usize) -> Result<(), Problem> {
    let Some(guardrail) = config.guardrail else { return Ok(()) };
    if captured <= guardrail.tables_max {
        return Ok(());
    }
    let text = format!("{captured} tables would be captured, guardrail.collections.max is {}", guardrail.tables_max);
    if guardrail.fails {
        return Err(Problem::fail("config/guardrail", text).fix("name fewer tables in table.include.list, or raise the limit"));
    }
    tracing::warn!(connector = config.name, "{text}");
    Ok(())
}

/// No two tables that are captured and published may share a topic.
async fn check_topics(context: &Context, client: &Client, server_version: u32, tables: &[Table]) -> Result<(), Problem> {
    let config = &context.config;
    let published = publication::published(client, &config.publication_name, server_version).await;
    let published = published.map_err(|error| context.problem(&error))?;
    let named: HashSet<_> = published.iter().map(|one| (one.schema.as_str(), one.table.as_str())).collect();
    let captured = tables
        .iter()
        .filter(|table| config.tables.includes(&table.schema, &table.table))
        .filter(|table| named.contains(&(table.schema.as_str(), table.table.as_str())));
    Relations::refuse_shared_topics(&context.events, captured)
}

/// A change of the lists that is under way: the database is being told.
#[derive(Default)]
pub(super) struct Change {
    telling: JoinSet<Result<Told, Problem>>,
    told: Option<Result<Told, Problem>>,
}

/// What telling the database came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// It knows.
    Known,
    /// It does not, and there are newer lists: those before are not waited for.
    Overtaken,
}

impl Change {
    /// The database is being told.
    pub fn is_telling(&self) -> bool {
        !self.telling.is_empty()
    }

    /// Waits until it knows. Cancel-safe.
    pub async fn wait(&mut self) {
        if let Some(told) = self.telling.join_next().await {
            self.told = Some(told.unwrap_or_else(|error| match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // It is cancelled when the capture ends, and then nobody waits.
                Err(error) => {
                    Err(Problem::retry("service/runtime", "telling the database of other tables was given up").why(error.to_string()))
                }
            }));
        }
    }

    fn tell(&mut self, context: &Context, server_version: u32) {
        let context = context.clone();
        self.telling.spawn(async move {
            let mut pause = PAUSE_MIN;
            loop {
                match tell_once(&context, server_version).await {
                    // A lock that is held, a database that is away: the stream goes on, or ends by itself.
                    Err(problem) if problem.action == Action::Retry && !context.signals.has_tables() => {
                        tracing::warn!(connector = context.config.name, code = problem.code, "added tables wait: {}", problem.text());
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(PAUSE_MAX);
                    }
                    Err(problem) if problem.action == Action::Retry => return Ok(Told::Overtaken),
                    told => return told.map(|()| Told::Known),
                }
            }
        });
    }
}

async fn tell_once(context: &Context, server_version: u32) -> Result<(), Problem> {
    let client = catalog::open(&context.config.connection, &context.application_name()).await;
    publish(context, &client.map_err(|error| context.problem(&error))?, server_version).await
}

impl<W: LogWriter> Stream<'_, W> {
    /// Other lists can be gone on with now.
    #[inline]
    pub(super) fn has_tables(&self) -> bool {
        let is_next = self.change.told.is_some() || (self.context.signals.has_tables() && !self.change.is_telling());
        is_next && !self.work.resume.in_transaction()
    }

    /// Between two transactions: takes up other lists, or goes on with those that the database knows now.
    pub(super) async fn take_tables(&mut self) -> Result<(), Problem> {
        if let Some(told) = self.change.told.take()
            && told? == Told::Known
        {
            return self.follow_tables().await;
        }
        let Some(tables) = self.context.signals.take_tables() else { return Ok(()) };
        if tables.written() == self.context.config.tables.written() {
            return Ok(());
        }
        tracing::info!(connector = self.context.config.name, "other tables are captured from now on, without a restart");
        if !self.note_change(&tables.written()).await? {
            return Ok(());
        }
        self.context.config = Arc::new(PostgresConfig { tables, ..(*self.context.config).clone() });
        // Before the publication has them: no event of theirs is left out, and none of those that go comes any more.
        self.reopen_client().await?;
        let config = Arc::clone(&self.context.config);
        self.work.relations.follow(config, &self.client, &mut self.work.commits.writer).await?;
        if let Some(backfill) = &mut self.backfill {
            backfill.look_up_again();
        }
        self.leave_out_unfollowed().await?;
        self.change.tell(self.context, self.server_version);
        Ok(())
    }

    /// Notes that from here on only those tables were followed all the time that these lists have, too: what is left out before
    /// the database is told would else be missing if its table came back. False: told to stop meanwhile.
    async fn note_change(&mut self, now: &str) -> Result<bool, Problem> {
        let Some(noted) = self.work.resume.checkpoint().tables.clone() else { return Ok(true) };
        if noted.lines().any(|noted| noted == now) {
            return Ok(true);
        }
        if noted.lines().count() >= CHANGES_MAX {
            return Err(Problem::retry("source/tables", "the lists of tables change faster than the database is told").fix("wait a moment"));
        }
        if !self.open_commit().await? {
            return Ok(false);
        }
        self.work.resume.follow_tables(format!("{noted}\n{now}"));
        self.hand_over().await?;
        Ok(true)
    }

    /// Has the rows read of tables that the lists have added since they were noted last, and notes them: in one commit.
    pub(super) async fn follow_tables(&mut self) -> Result<(), Problem> {
        let config = Arc::clone(&self.context.config);
        let (before, now) = (self.work.resume.checkpoint().tables.clone(), config.tables.written());
        if before.as_ref() == Some(&now) {
            return Ok(());
        }
        self.work.encoder.set_now(now_ns());
        let of_line = |line: &str| TableFilter::of_written(line).map(|before| before.with_that_of(&config.tables));
        let before: Option<Vec<TableFilter>> = before.and_then(|before| before.lines().map(of_line).collect());
        if let Some(before) = before.filter(|_| config.snapshot.mode != SnapshotMode::NoData) {
            self.reopen_client().await?;
            let added = added(self.context, &self.client, self.server_version, &before).await;
            let added = added.map_err(|error| self.context.problem(&error))?;
            let waiting = self.work.watch.as_ref().map_or(0, |watch| watch.state().left.len());
            if waiting + added.len() > LEFT_MAX {
                let what = format!("{} tables were added at once, and the rows of {LEFT_MAX} may wait to be read", added.len());
                return Err(Problem::fail("source/tables", what)
                    .why(format!("{waiting} wait already; each position names them all"))
                    .fix("take some out of the list again, and add them when the others have been read"));
            }
            for tables in added.chunks(ADDED_PER_REQUEST) {
                if !self.request_rows(tables).await? {
                    return Ok(());
                }
            }
        }
        if self.open_commit().await? {
            self.work.resume.follow_tables(now);
            self.hand_over().await?;
        }
        Ok(())
    }

    /// False: told to stop meanwhile.
    async fn request_rows(&mut self, tables: &[String]) -> Result<bool, Problem> {
        let data = serde_json::json!({ "type": "incremental", "data-collections": tables }).to_string();
        let id = uuid::Uuid::new_v4().to_string();
        let (connector, list) = (self.context.config.name.clone(), tables.join(", "));
        match Signal::parse(&id, "execute-snapshot", &data).map(|signal| signal.action) {
            Ok(Request::Snapshot(request)) => {
                tracing::info!(connector, id, "tables were added, their rows are read beside the stream: {list}");
                let taken = self.take_incremental(id, &request).await?;
                if let Some(reader) = &mut self.incremental {
                    reader.renew_publication(self.context);
                }
                Ok(taken)
            }
            Ok(_) => Ok(true),
            Err(problem) => {
                tracing::warn!(connector, "tables were added, send a signal to have their rows read: {list}: {}", problem.text());
                Ok(true)
            }
        }
    }
}

/// The tables that these lists did not have and the configuration's have, if a snapshot would read them.
async fn added(context: &Context, client: &Client, server_version: u32, before: &[TableFilter]) -> Result<Vec<String>, PostgresError> {
    let config = &context.config;
    let was_followed = |table: &Table| before.iter().all(|before| before.includes(&table.schema, &table.table));
    let is_new = |table: &Table| config.tables.includes(&table.schema, &table.table) && !was_followed(table);
    let tables = catalog::tables(client).await?;
    if !tables.iter().any(is_new) {
        return Ok(Vec::new());
    }
    let published = publication::published(client, &config.publication_name, server_version).await?;
    let selected = snapshot::select_tables(context, &tables, &published);
    let added = selected.iter().map(|(table, _)| table).filter(|table| is_new(table));
    Ok(added.map(Table::delimited).collect())
}
