//! One row of a table as the event that a configuration makes of it, before there is a connector.
//!
//! Owns reading that row and running it through the plan, the transformations and the encoder of a snapshot. Promises that nothing is made
//! (no slot, publication, topic or schema), that the table is locked no longer than the row is read and as any `SELECT` locks it, and that a
//! row which is too large to be shown is passed over. Leaves what may be asked, and by whom, to [`crate::connect::proposed`].

use std::sync::Arc;

use tokio::sync::watch;

use super::registrar::Registrar;
use super::relations::Relations;
use super::snapshot::{copy_problem, learn, tuple_of};
use super::task::{Context, now_ns};
use crate::change::{Lsn, Op, Position, RowChange, SnapshotMark};
use crate::config::postgres::{CloudEventsSettings, FormSettings, PostgresConfig};
use crate::config::suggest;
use crate::connect::TaskStatus;
use crate::encode::{EncodeError, Encoder, RelationPlan};
use crate::postgres::catalog::{self, Table};
use crate::postgres::connection::Session;
use crate::postgres::copy_text::CopyRow;
use crate::postgres::publication::{self, Published};
use crate::postgres::{Client, Connection, PostgresError, reading};
use crate::problem::Problem;
use crate::record::view::read_headers;
use crate::record::{RecordRef, RecordSink, Route, SinkFull, TopicHandle, TopicIndex};

/// A row that takes more than this in its table is not shown.
const ROW_BYTES_MAX: usize = 256 << 10;
/// As text, unpacked, it may be larger; a server that sends more is not believed.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// What `pg_stat_activity` shows.
const APPLICATION: &str = "rowfeed preview";
/// Nobody waits for a lock, or for a table that has no row which fits.
const LIMITS: &str = "set local row_security = off; set local lock_timeout = '1s'; set local statement_timeout = '4s'; \
                      set local idle_in_transaction_session_timeout = '10s'";

/// Which row is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleRow {
    /// That with the greatest key.
    Newest,
    /// Any: the table has no key, or a statement of its own gives its rows.
    Any,
    /// There is none.
    None,
}

/// What a table's events look like.
#[derive(Clone, Debug)]
pub struct Preview {
    /// `schema.table`.
    pub table: String,
    /// The configuration captures it.
    pub captured: bool,
    /// Which row it was made of.
    pub row: SampleRow,
    /// The event; `None`: the transformations drop it, or there is no row.
    pub event: Option<SampleEvent>,
    /// The form of its value; shown is JSON where a schema registry has the schema of it.
    pub form: &'static str,
}

/// An event that was made for nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SampleEvent {
    /// Where it would go.
    pub topic: String,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; `None`: a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its headers.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Reads a row of this table, and makes the event of it.
pub async fn look(config: Arc<PostgresConfig>, table: &str) -> Result<Preview, Problem> {
    let form = config.value_converter.form.map_or("JSON", FormSettings::title);
    let config = Arc::new(without_registry(&config));
    let registrar = Arc::new(Registrar::new(&config, None)?);
    // Nobody tells it to stop: it ends by itself.
    let (_stop, told) = watch::channel(false);
    let context = Context::new(Arc::clone(&config), Arc::clone(&registrar), Arc::new(TaskStatus::new()), told);
    let wrong = |error: PostgresError| context.problem(&error);

    let client = catalog::open(&config.connection, APPLICATION).await.map_err(wrong)?;
    let found = find(&client, table).await.map_err(wrong)??;
    let (at, version) = place(&client).await.map_err(wrong)?;
    let published = publication::published(&client, &config.publication_name, version).await.map_err(wrong)?;
    let of_it = published.into_iter().find(|one| one.schema == found.schema && one.table == found.table);
    // A publication that is yet to be made has all columns and rows.
    let all = || Published { schema: found.schema.clone(), table: found.table.clone(), columns: None, row_filter: None };
    let published = of_it.clone().unwrap_or_else(all);
    let key = reading::keys(&client, &[found.id]).await.map_err(wrong)?.remove(&found.id).unwrap_or_default();

    let mut topics = Vec::new();
    let mut relations = Relations::new(Arc::clone(&config), Arc::clone(&context.events), registrar, Arc::default());
    let columns = of_it.as_ref().and_then(|published| published.columns.as_deref());
    let mut plan = relations.sample_plan(&client, &found, columns, &mut topics).await?;

    let select = config.snapshot.select_of(&found.schema, &found.table);
    let key = if select.is_some() { Vec::new() } else { key };
    let sql = reading::sample(&plan.relation, &found, &published, select, &key, ROW_BYTES_MAX);
    let row = read(&context, &sql).await.map_err(|error| copy_problem(error, &context, &found))?;
    let event = row.as_deref().map(|line| encode(&context, &mut plan, line, at, &mut topics)).transpose()?.flatten();
    Ok(Preview {
        table: found.name(),
        captured: config.tables.includes(&found.schema, &found.table),
        row: match row {
            None => SampleRow::None,
            Some(_) if key.is_empty() => SampleRow::Any,
            Some(_) => SampleRow::Newest,
        },
        event,
        form,
    })
}

/// The same without what a registry would be told: its forms are bytes that nobody reads as they are.
fn without_registry(config: &PostgresConfig) -> PostgresConfig {
    let plain = |form: Option<FormSettings>| match form {
        Some(FormSettings::CloudEvents(settings)) => {
            Some(FormSettings::CloudEvents(CloudEventsSettings { avro_data: None, avro: None, ..settings }))
        }
        Some(form) if form.language().is_some() => None,
        form => form,
    };
    let mut config = config.clone();
    config.key_converter.form = plain(config.key_converter.form);
    config.value_converter.form = plain(config.value_converter.form);
    config
}

/// The table of this name, as `schema.table` or as SQL writes it.
async fn find(client: &Client, name: &str) -> Result<Result<Table, Problem>, PostgresError> {
    let tables = catalog::tables(client).await?;
    if let Some(found) = tables.iter().find(|table| table.name() == name || table.delimited() == name) {
        return Ok(Ok(found.clone()));
    }
    let names: Vec<String> = tables.iter().map(Table::name).collect();
    let hint = suggest::did_you_mean(name, names.iter().map(String::as_str));
    Ok(Err(Problem::refuse("pg/no-tables", format!("there is no table {name}")).fix(hint)))
}

/// Where a snapshot would begin now, without a transaction of its own; and the server's version.
async fn place(client: &Client) -> Result<(Position, u32), PostgresError> {
    let sql = "select (case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end)::text, \
               pg_snapshot_xmax(pg_current_snapshot())::text, current_setting('server_version_num')::int4";
    let row = client.query_one(sql, &[]).await?;
    let (lsn, xid): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    let lsn: Lsn = lsn.parse().map_err(|_| PostgresError::Protocol(format!("{lsn:?} for a position")))?;
    let xid: u64 = xid.parse().map_err(|_| PostgresError::Protocol(format!("{xid:?} for a transaction's id")))?;
    let at = Position {
        lsn,
        previous_commit: None,
        // The lower half is what the stream carries.
        xid: Some((xid & u64::from(u32::MAX)) as u32),
        commit_time_us: now_ns() / 1000,
        snapshot: SnapshotMark::True,
        xmin: None,
        epoch: 1,
    };
    Ok((at, u32::try_from(row.try_get::<_, i32>(2)?).unwrap_or_default()))
}

/// The row that this statement gives, if it gives one.
async fn read(context: &Context, sql: &str) -> Result<Option<Vec<u8>>, PostgresError> {
    let session = Connection::open(&context.config.connection, Session::Sql, APPLICATION).await?;
    let mut session = session.with_messages_up_to(MESSAGE_BYTES_MAX);
    session.query(&format!("begin isolation level repeatable read, read only; {LIMITS}")).await?;
    session.copy_out(sql).await?;
    let row = session.copy_row().await?.map(<[u8]>::to_vec);
    if row.is_some() {
        // The statement gives one row: what follows is its end.
        session.copy_row().await?;
    }
    session.query("rollback").await?;
    Ok(row)
}

fn encode(
    context: &Context,
    plan: &mut RelationPlan,
    line: &[u8],
    at: Position,
    topics: &mut Vec<String>,
) -> Result<Option<SampleEvent>, Problem> {
    let mut row = CopyRow::default();
    row.parse(line).map_err(|error| Problem::fail("row/undecodable", error.to_string()).at(plan.relation.name()))?;
    let relation = Arc::clone(&plan.relation);
    let after = Some(tuple_of(&relation, &row));
    let change = RowChange { relation: &relation, op: Op::Read, before: None, before_is_key: false, after, at };
    let mut encoder = Encoder::new(&context.events);
    encoder.set_now(now_ns());
    let mut kept = Kept(None);
    let encoded = match encoder.encode(plan, &change, &mut kept) {
        Err(EncodeError::NewTopic { said, name }) => {
            learn(plan, &said, number(topics, Relations::named(&name)?))?;
            encoder.encode(plan, &change, &mut kept)
        }
        encoded => encoded,
    };
    encoded.map_err(|error| error.problem())?;
    Ok(kept.0.map(|(to, event)| SampleEvent { topic: topics.get(to.topic.0 as usize).cloned().unwrap_or_default(), ..event }))
}

/// Gives a topic the next number.
pub(super) fn number(topics: &mut Vec<String>, name: &str) -> TopicHandle {
    let index = u32::try_from(topics.len()).unwrap_or(u32::MAX);
    topics.push(name.to_owned());
    TopicHandle { index: TopicIndex(index), partitions: 1 }
}

/// Keeps the first record.
struct Kept(Option<(Route, SampleEvent)>);

impl RecordSink for Kept {
    fn push(&mut self, to: Route, record: RecordRef<'_>) -> Result<(), SinkFull> {
        let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        let headers = read_headers(record.headers).map(|(name, value)| (name.to_owned(), owned(value))).collect();
        let event = SampleEvent { topic: String::new(), key: owned(record.key), value: owned(record.value), headers };
        self.0.get_or_insert((to, event));
        Ok(())
    }
}
