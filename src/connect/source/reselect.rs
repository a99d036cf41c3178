//! Values that the stream does not carry, read again from the table: `ReselectColumnsPostProcessor`.
//!
//! Owns one session for it, and what is known of each table: which columns may be read again, and how a row is found. Costs
//! a look at those columns per insert and update, and one `SELECT` for each that lacks a value. Promises that a wait has
//! an end. What is read is the row of now: newer than the event when the row has changed since, as with Debezium. A
//! connection that is lost is an error of the connector, which comes again; only what the server refuses, or a row that is
//! gone, is left as it is or stops it, as `reselect.error.handling.mode` says.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::task::Context;
use crate::change::progress::Visibility;
use crate::change::{Cell, CellSpan, Relation, RelationId, Tuple};
use crate::config::postgres::{PostgresConfig, Reselect};
use crate::encode::EventSettings;
use crate::postgres::connection::Session;
use crate::postgres::{Client, Connection, PostgresError, application, identifier, literal, qualified, reading};
use crate::problem::Problem;

/// How often and with which pauses a row is asked for whose transaction others do not see yet: about ten seconds.
const VISIBLE_TRIES: u32 = 2000;
const VISIBLE_PAUSE: Duration = Duration::from_millis(5);
/// The server gives a `SELECT` up after this.
const STATEMENT_LIMIT_MS: u32 = 30_000;
/// And we a server that does not answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(45);

/// What reads values again.
pub(super) struct Reselector {
    config: Arc<PostgresConfig>,
    events: Arc<EventSettings>,
    options: Reselect,
    tables: HashMap<RelationId, Table>,
    session: Option<Connection>,
    row: Row,
    /// Tables of which was said that something went wrong.
    told: HashSet<RelationId>,
}

/// A table's columns that may be read again.
struct Table {
    columns: Vec<usize>,
    /// By which columns its rows are found, once that was asked for.
    key: Option<Vec<usize>>,
}

/// The new row with what was read again; its memory is reused.
#[derive(Default)]
pub(super) struct Row {
    bytes: Vec<u8>,
    cells: Vec<CellSpan>,
}

impl Row {
    /// The row that was put together last.
    pub fn tuple(&self) -> Tuple<'_> {
        Tuple::new(&self.bytes, &self.cells)
    }

    /// `after`, with `read` in place of these columns.
    fn put(&mut self, after: Tuple<'_>, columns: &[usize], read: &[Option<String>]) -> Option<()> {
        self.bytes.clear();
        self.cells.clear();
        for index in 0..after.len() {
            let place = columns.iter().position(|column| *column == index);
            let cell = match place.map(|place| read.get(place)) {
                Some(value) => value?.as_ref().map_or(Cell::Null, |text| Cell::Text(text.as_bytes())),
                None => after.cell(index),
            };
            let span = match cell {
                Cell::Null => CellSpan::NULL,
                Cell::Unchanged => CellSpan::UNCHANGED,
                Cell::Text(text) => {
                    let start = self.bytes.len();
                    self.bytes.extend_from_slice(text);
                    CellSpan::text(start, text.len())?
                }
            };
            self.cells.push(span);
        }
        Some(())
    }
}

impl Reselector {
    /// What the options ask for; `None` when they do not.
    pub fn new(context: &Context) -> Option<Self> {
        let options = context.config.reselect.clone().filter(|options| options.unavailable || options.nulls)?;
        Some(Self {
            config: Arc::clone(&context.config),
            events: Arc::clone(&context.events),
            options,
            tables: HashMap::new(),
            session: None,
            row: Row::default(),
            told: HashSet::new(),
        })
    }

    /// A table is described anew.
    pub fn forget(&mut self, id: RelationId) {
        self.tables.remove(&id);
    }

    /// The row that was read last.
    pub fn row(&self) -> &Row {
        &self.row
    }

    /// True when the new row lacks a value that is to be read again.
    #[inline]
    pub fn lacks(&mut self, relation: &Relation, older: Option<Tuple<'_>>, after: Tuple<'_>) -> bool {
        let Self { config, events, options, tables, .. } = self;
        let table = tables.entry(relation.id).or_insert_with(|| Table::new(relation, config, events, options));
        table.columns.iter().any(|index| lacks(options, *index, older, after))
    }

    /// Reads the values that the row lacks; false when they stay as they are. What waits for it keeps the rest alive.
    pub async fn read(
        &mut self,
        client: &Client,
        relation: &Relation,
        older: Option<Tuple<'_>>,
        after: Tuple<'_>,
        xid: Option<u32>,
    ) -> Result<bool, Problem> {
        let Some(table) = self.tables.get_mut(&relation.id) else { return Ok(false) };
        let columns: Vec<usize> = table.columns.iter().copied().filter(|index| lacks(&self.options, *index, older, after)).collect();
        let key = match &table.key {
            Some(key) => key.clone(),
            None => {
                let found = find_key(client, relation, &self.options).await;
                table.key.insert(found.map_err(|error| error.problem(&self.config.connection))?).clone()
            }
        };
        if key.is_empty() {
            return Ok(false);
        }
        let Some(sql) = select(relation, &self.config, &columns, &key, older, after) else {
            return self.give_up(relation, "its key is not in the event");
        };
        let rows = match self.query_as_committed(&sql, xid).await {
            Ok(rows) => rows,
            Err(PostgresError::Server(message)) if is_of_statement(&message.code) => {
                return self.give_up(relation, &message.message);
            }
            Err(error) => {
                self.session = None;
                return Err(error.problem(&self.config.connection));
            }
        };
        let Some(read) = rows.first() else { return self.give_up(relation, "the row is gone") };
        let put = self.row.put(after, &columns, read);
        put.map(|()| true).ok_or_else(|| Problem::fail("row/too-large", "a row that was read again is too large").at(relation.name()))
    }

    /// A commit is decoded before others see it: what is not there yet is asked for again, until the transaction is visible.
    async fn query_as_committed(&mut self, sql: &str, xid: Option<u32>) -> Result<Vec<Vec<Option<String>>>, PostgresError> {
        let mut rows = self.query(sql).await?;
        let Some(xid) = xid.filter(|_| rows.is_empty()) else { return Ok(rows) };
        for _ in 0..VISIBLE_TRIES {
            let seen = self.query("select pg_current_snapshot()::text").await?;
            let seen = seen.first().and_then(|row| Visibility::parse(row.first()?.as_deref()?)).is_none_or(|seen| seen.sees(xid));
            rows = self.query(sql).await?;
            if seen || !rows.is_empty() {
                break;
            }
            tokio::time::sleep(VISIBLE_PAUSE).await;
        }
        Ok(rows)
    }

    async fn query(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>, PostgresError> {
        let session = match &mut self.session {
            Some(session) => session,
            None => {
                let name = application::name(&self.config.name, "reselect");
                let mut opened = Connection::open(&self.config.connection, Session::Sql, &name).await?;
                opened.query(&format!("set statement_timeout = {STATEMENT_LIMIT_MS}")).await?;
                self.session.insert(opened)
            }
        };
        session.query_within(sql, ANSWER_LIMIT, "reading values again").await
    }

    /// The values stay as they are, or the connector stops.
    fn give_up(&mut self, relation: &Relation, why: &str) -> Result<bool, Problem> {
        if self.options.fails {
            return Err(Problem::fail("reselect/failed", "values that the event lacks could not be read again")
                .at(relation.name())
                .why(why.to_owned())
                .fix("reselect.error.handling.mode=warn publishes such events as they are"));
        }
        // A table that is written to fast says it often.
        if self.told.insert(relation.id) {
            tracing::warn!(table = relation.name(), why, "values that events lack could not be read again, and stay as they are");
        }
        Ok(false)
    }
}

impl Table {
    fn new(relation: &Relation, config: &PostgresConfig, events: &EventSettings, options: &Reselect) -> Self {
        let (schema, table) = (&relation.schema, &relation.table);
        let wanted = |name: &str| config.columns.includes(schema, table, name) && options.wants(schema, table, &events.field_name(name));
        let columns = relation.columns.iter().enumerate().filter(|(_, column)| wanted(&column.name)).map(|(index, _)| index);
        // Debezium leaves records without key alone.
        let columns = if relation.key_columns().is_empty() { Vec::new() } else { columns.collect() };
        Self { columns, key: None }
    }
}

#[inline]
fn lacks(options: &Reselect, index: usize, older: Option<Tuple<'_>>, after: Tuple<'_>) -> bool {
    match after.cell(index) {
        Cell::Text(_) => false,
        Cell::Null => options.nulls,
        Cell::Unchanged => options.unavailable && !matches!(older.map(|older| older.cell(index)), Some(Cell::Text(_))),
    }
}

/// The statement failed, not the session: what a shutdown or a server without resources refuses comes again.
fn is_of_statement(code: &str) -> bool {
    !["08", "53", "57P", "58", "XX"].iter().any(|class| code.starts_with(class))
}

/// By which columns a row is found: the primary key, or the event's key.
async fn find_key(client: &Client, relation: &Relation, options: &Reselect) -> Result<Vec<usize>, PostgresError> {
    let own = relation.key_columns();
    if options.by_event_key {
        return Ok(own);
    }
    let keys = reading::keys(client, &[relation.id]).await?;
    let place = |name: &str| relation.columns.iter().position(|column| *column.name == *name);
    let found: Option<Vec<_>> = keys.get(&relation.id).and_then(|key| key.iter().map(|column| place(&column.name)).collect());
    Ok(found.filter(|key| !key.is_empty()).unwrap_or(own))
}

/// The statement; `None` when the event does not say which row it is of.
fn select(
    relation: &Relation,
    config: &PostgresConfig,
    columns: &[usize],
    key: &[usize],
    older: Option<Tuple<'_>>,
    after: Tuple<'_>,
) -> Option<String> {
    let name = |index: &usize| relation.columns.get(*index).map(|column| identifier(&column.name));
    let list: Option<Vec<_>> = columns.iter().map(name).collect();
    let condition = |index: &usize| {
        let text = match after.cell(*index) {
            Cell::Text(text) => text,
            Cell::Unchanged => match older?.cell(*index) {
                Cell::Text(text) => text,
                _ => return None,
            },
            Cell::Null => return None,
        };
        Some(format!("{} = {}", name(index)?, literal(std::str::from_utf8(text).ok()?)))
    };
    let conditions: Option<Vec<_>> = key.iter().map(condition).collect();
    // Children of plain inheritance are tables of their own; the rows of a partitioned one are in its partitions.
    let only = if config.publish_via_partition_root { "" } else { "only " };
    let table = qualified(&relation.schema, &relation.table);
    Some(format!("select {} from {only}{table} where {} limit 1", list?.join(", "), conditions?.join(" and ")))
}
