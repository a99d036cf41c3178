//! One capture from its start: checks, publication, slot, snapshot, stream.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::backfill::Backfill;
use super::channels::Channels;
use super::commits::Commits;
use super::incremental::Reader;
use super::notices;
use super::registrar::Registrar;
use super::relations::Relations;
use super::resume::{Resume, begin_anew};
use super::snapshot;
use super::stream::Stream;
use super::tables;
use super::traces::Tell;
use crate::change::{Checkpoint, Lsn, Progress, SlotIdentity};
use crate::config::postgres::{PostgresConfig, SnapshotMode, TableOrder};
use crate::config::quantity::say_duration;
use crate::connect::{Phase, Signals, TaskStatus};
use crate::encode::values::ValueSettings;
use crate::encode::{EventSettings, header};
use crate::log::LogWriter;
use crate::postgres::application::Owner;
use crate::postgres::connection::Session;
use crate::postgres::replication::{self, ReplicationStream, System};
use crate::postgres::slot::{self, CreatedSlot, Slot, SlotKind};
use crate::postgres::{Client, Connection, PostgresError, application, catalog, locks, publication};
use crate::problem::Problem;
use crate::record::HeaderBlock;
use tokio::sync::watch;

/// How often and how long a slot that is still held (by our own session that just ended, most likely) is tried again
/// before the supervisor's back-off takes over.
const SLOT_TRIES: u32 = 20;
const SLOT_PAUSE: Duration = Duration::from_millis(100);

/// A slot that is made within this needs no word about what it waits for.
const TELL_AFTER: Duration = Duration::from_secs(2);

/// Both sessions are opened, and what they say of the server is known, within this: each login has its own limit inside it.
const PREPARE_MAX: Duration = Duration::from_secs(120);

/// How long a capture that is told to stop may take to hand over, confirm and close, whatever it waits for: longer than
/// the drain of the stream, shorter than the service waits at its end.
const STOP_MAX: Duration = Duration::from_millis(5500);

/// How long dropping the slot may take then.
const DROP_MAX: Duration = Duration::from_secs(3);

/// How long an end may wait for a notification of it.
const ABORTED_LIMIT: Duration = Duration::from_secs(2);

/// Problems of a position that is no longer available.
const SLOT_GONE: &str = "slot/gone";
const SLOT_MOVED: &str = "slot/moved-by-other";

/// Nanoseconds since 1970.
pub fn now_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i64)
}

/// What every part of a capture needs.
#[derive(Clone)]
pub struct Context {
    /// The connector.
    pub config: Arc<PostgresConfig>,
    /// How its events look.
    pub events: Arc<EventSettings>,
    /// Where its schemas get their ids.
    pub registrar: Arc<Registrar>,
    /// Where its progress is shown.
    pub status: Arc<TaskStatus>,
    /// What is asked of it, by whatever channel.
    pub signals: Signals,
    /// Becomes true when it shall end.
    pub stop: watch::Receiver<bool>,
    /// How often status is sent: well within the server's patience.
    pub status_interval: Duration,
    /// Who is told of each commit of the stream.
    pub traces: Option<Tell>,
}

impl Context {
    /// For this connector, which tells nobody of its commits.
    pub(super) fn new(
        config: Arc<PostgresConfig>,
        registrar: Arc<Registrar>,
        status: Arc<TaskStatus>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let events = Arc::new(event_settings(&config));
        let signals = status.signals().clone();
        Self { status_interval: config.status_update_interval, config, events, registrar, status, signals, stop, traces: None }
    }

    /// It shall end.
    pub fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// What `pg_stat_activity` shows.
    pub fn application_name(&self) -> String {
        application::name(&self.config.name, "")
    }

    /// An error of the server, worded for a person.
    pub fn problem(&self, error: &PostgresError) -> Problem {
        error.problem(&self.config.connection)
    }
}

fn event_settings(config: &PostgresConfig) -> EventSettings {
    let mut headers = HeaderBlock::default();
    if config.extended_headers {
        let run_id = uuid::Uuid::now_v7().to_string();
        for (name, value) in
            [("connectorLogicalName", config.topic_prefix.as_str()), ("taskId", "0"), ("connectorName", "postgresql"), ("runId", &run_id)]
        {
            let name = format!("__debezium.context.{name}");
            let value = header::fixed(config.header_converter, &name, value).unwrap_or_default();
            headers.push(&name, &value);
        }
    }
    EventSettings {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        topic_prefix: config.topic_prefix.clone(),
        topic_delimiter: config.topic_delimiter.clone(),
        database: config.connection.database.clone(),
        values: ValueSettings {
            decimal: config.decimal,
            decimal_numbers: false,
            field_names: config.names.fields,
            money_digits: config.money_digits,
            unknown_as_bytes: config.unknown_as_bytes,
            time: config.time,
            interval: config.interval,
            hstore: config.hstore,
            binary: config.binary,
            placeholder: config.unavailable_value_placeholder.clone(),
        },
        masks: config.masks.clone(),
        names: config.names.clone(),
        source_types: config.source_types.clone(),
        skip_unchanged: config.skip_unchanged,
        tombstones_on_delete: config.tombstones_on_delete,
        transforms: config.transforms.clone(),
        key_converter: config.key_converter,
        value_converter: config.value_converter,
        header_converter: config.header_converter,
        headers,
    }
}

/// Captures into a log until told to stop.
pub async fn capture<W: LogWriter>(
    config: Arc<PostgresConfig>,
    writer: W,
    registrar: Arc<Registrar>,
    status: Arc<TaskStatus>,
    stop: watch::Receiver<bool>,
    traces: Option<Tell>,
) -> Result<(), Problem> {
    status.set_phase(Phase::Preparing);
    let mut context = Context { traces, ..Context::new(config, registrar, status, stop) };
    let mut stop = context.stop.clone();
    let begin = async {
        let key = Checkpoint::key(&context.config.name, &context.config.topic_prefix);
        let commits = Commits::new(writer, key, context.config.topics.default.replication_factor).await?;
        let stored = commits.stored().await?;
        let prepared = tokio::time::timeout(PREPARE_MAX, Box::pin(prepare(&mut context, stored.as_ref()))).await;
        let prepared = prepared.unwrap_or_else(|_| Err(context.problem(&PostgresError::Timeout(PREPARE_MAX, "preparing"))))?;
        Ok::<_, Problem>((commits, stored, prepared))
    };
    let (commits, stored, prepared) = tokio::select! {
        begun = begin => begun?,
        _ = stop.wait_for(|stop| *stop) => return Ok(()),
    };
    let overdue = async {
        if stop.wait_for(|stop| *stop).await.is_err() {
            // Nobody is left who could tell it to stop.
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(STOP_MAX).await;
    };
    let name = context.config.name.clone();
    let result = tokio::select! {
        biased;
        result = Box::pin(prepared.run(&mut context, commits, stored)) => result,
        // As if the process had been killed: what was not confirmed comes again and is recognised.
        () = overdue => {
            tracing::warn!(connector = name, "the server did not let it end within {STOP_MAX:?}; its session is given up");
            Ok(())
        }
    };
    if result.is_ok() && context.config.slot_drop_on_stop && context.is_stopping() {
        drop_slot(&context).await;
    }
    result
}

async fn drop_slot(context: &Context) {
    let name = context.config.slot_name.as_str();
    match slot::drop_when_free(&context.config.connection, &context.application_name(), name, DROP_MAX, || true).await {
        Ok(true) => tracing::info!(slot = name, "slot.drop.on.stop: the slot is dropped"),
        Ok(false) => tracing::warn!(slot = name, "slot.drop.on.stop: the slot stays: it is still being read"),
        Err(error) => tracing::warn!(slot = name, "slot.drop.on.stop: the slot stays: {error}"),
    }
}

/// Both sessions, and what they said about the server.
struct Prepared {
    client: Client,
    connection: Connection,
    system: System,
    server_version: u32,
    slot: Option<Slot>,
    /// The position is no longer available, and `when_needed` asks for a snapshot then.
    gap: bool,
    /// A snapshot was begun, and did not come to its end yet.
    snapshotting: bool,
    /// How far signals were read from their topic and their file: that stays when the position is begun anew.
    signals_taken: (Option<i64>, u64),
}

async fn prepare(context: &mut Context, stored: Option<&Checkpoint>) -> Result<Prepared, Problem> {
    let config = Arc::clone(&context.config);
    let name = context.application_name();
    let sessions =
        tokio::try_join!(catalog::open(&config.connection, &name), Connection::open(&config.connection, Session::Replication, &name));
    let (client, mut connection) = sessions.map_err(|error| context.problem(&error))?;
    let system = replication::identify(&mut connection).await.map_err(|error| context.problem(&error))?;
    let server_version = replication::version_number(&connection);
    if server_version < 130_000 {
        return Err(
            Problem::fail("pg/version", format!("PostgreSQL {} is too old", server_version / 10_000)).fix("use PostgreSQL 13 or newer")
        );
    }
    let server = catalog::server_settings(&client).await.map_err(|error| context.problem(&error))?;
    server.check_wal_level(&config.connection)?;
    catalog::check_encoding(&server.encoding).map_err(|error| context.problem(&error))?;
    if let Some(patience) = server.wal_sender_timeout {
        context.status_interval = context.status_interval.min(patience / 3);
    }
    let mut slot = slot::find(&client, &config.slot_name).await.map_err(|error| context.problem(&error))?;
    if config.snapshot.when_needed && slot.as_ref().is_some_and(Slot::is_lost) {
        let gone = slot::drop(&client, &config.slot_name).await.map_err(|error| context.problem(&error))?;
        tracing::warn!(slot = config.slot_name, gone, "snapshot.mode=when_needed: the slot has lost its WAL and is dropped");
        slot = slot.filter(|_| !gone);
    }
    if let Some(slot) = &slot {
        let checked = slot::check(slot, &config.slot_name, &config.connection.database).map_err(|error| context.problem(&error));
        match (checked, stored) {
            (Err(_), Some(stored)) if slot.is_lost() => {
                return Err(wal_lost(&config, slot, stored, system.flush_lsn, slot::keep_size(&client).await));
            }
            (checked, _) => checked?,
        }
    }
    Ok(Prepared { client, connection, system, server_version, slot, gap: false, snapshotting: false, signals_taken: (None, 0) })
}

impl Prepared {
    async fn run<W: LogWriter>(
        mut self,
        context: &mut Context,
        mut commits: Commits<W>,
        stored: Option<Checkpoint>,
    ) -> Result<(), Problem> {
        self.signals_taken = stored.as_ref().map(|stored| (stored.signal_offset, stored.signal_lines)).unwrap_or_default();
        // A snapshot that cannot be gone on with begins again.
        let stored = stored.filter(|checkpoint| match checkpoint.snapshot_pending {
            true => checkpoint.progress.is_some() && context.config.snapshot.mode != SnapshotMode::InitialOnly,
            false => context.config.snapshot.mode != SnapshotMode::Always,
        });
        let initial_only = context.config.snapshot.mode == SnapshotMode::InitialOnly;
        if initial_only && let Some(stored) = stored {
            notices::tell(context, &mut commits, &notices::snapshot("SKIPPED", Vec::new())).await?;
            if commits.records() > 0 {
                commits.hand_over(&stored, now_ns() / 1_000_000, &context.status).await?;
            }
            return commits.settle().await;
        }
        let mut relations = Relations::new(
            Arc::clone(&context.config),
            Arc::clone(&context.events),
            Arc::clone(&context.registrar),
            context.status.tallies(),
        );
        let mut stop = context.stop.clone();
        // Where a wait is given up, nothing is half done: a snapshot that was interrupted begins again.
        let begun = tokio::select! {
            begun = self.begin(context, stored, &mut relations, &mut commits) => begun,
            _ = stop.wait_for(|stop| *stop) => Ok(None),
        };
        if self.snapshotting {
            tell_aborted(context, &mut commits).await;
        }
        let checkpoint = match begun {
            Ok(checkpoint) => checkpoint,
            Err(problem) => return Err(locks::explain(&self.client, &context.config, problem).await),
        };
        let Some(checkpoint) = checkpoint.filter(|_| !initial_only) else { return Ok(()) };
        let confirmed = self.slot.as_ref().and_then(|slot| slot.confirmed_flush_lsn).unwrap_or(checkpoint.flush_lsn);
        let replication = tokio::select! {
            replication = start_stream(context, &self.client, self.connection, self.server_version) => replication?,
            _ = stop.wait_for(|stop| *stop) => None,
        };
        let Some(replication) = replication else { return Ok(()) };
        if !context.config.confirms {
            tracing::warn!(
                slot = context.config.slot_name,
                "lsn.flush.mode=manual: nothing is confirmed, and PostgreSQL keeps all WAL until the slot is moved"
            );
        }
        let backfill = match &checkpoint.progress {
            Some(progress) => Some(Box::pin(Backfill::resume(context, &self.client, self.server_version, progress)).await?),
            None => None,
        };
        let incremental = match &checkpoint.incremental {
            Some(state) => Some(Box::pin(Reader::resume(context, &self.client, self.server_version, state)).await?),
            None => None,
        };
        context.status.set_phase(Phase::Streaming);
        tracing::info!(connector = context.config.name, slot = context.config.slot_name, flush = %checkpoint.flush_lsn, %confirmed, "streaming");
        let channels = Channels::open(context, &checkpoint)?;
        let resume = Resume::new(checkpoint, confirmed);
        let stream = Stream::new(context, self.client, replication, commits, relations, resume, confirmed);
        let result = Box::pin(stream.with(self.server_version, backfill).with_incremental(incremental).run()).await;
        drop(channels);
        result
    }

    /// The position to stream from: the stored one, or a new one. `None`: told to stop.
    async fn begin<W: LogWriter>(
        &mut self,
        context: &mut Context,
        stored: Option<Checkpoint>,
        relations: &mut Relations,
        commits: &mut Commits<W>,
    ) -> Result<Option<Checkpoint>, Problem> {
        // First: where the position is of another database, nothing is changed there.
        let checkpoint = match stored {
            // Nothing was streamed from it yet: nothing is lost but the time.
            Some(stored) if stored.snapshot_pending && stored.end_lsn == Lsn(0) && self.slot.is_none() => {
                tracing::warn!(slot = context.config.slot_name, "the slot is gone, the snapshot begins again");
                None
            }
            Some(_) if context.config.slot_drop_on_stop && self.slot.is_none() => {
                tracing::warn!(slot = context.config.slot_name, "slot.drop.on.stop: the slot is gone, the connector begins anew");
                None
            }
            Some(checkpoint) => match self.check_history(context, checkpoint).await {
                Err(problem) if context.config.snapshot.when_needed && matches!(problem.code, SLOT_GONE | SLOT_MOVED) => {
                    tracing::warn!("snapshot.mode=when_needed: the position is no longer available, a snapshot is taken: {}", problem.what);
                    self.gap = true;
                    None
                }
                checked => Some(checked?),
            },
            None => None,
        };
        // Before the slot: PostgreSQL reads publications as of the past.
        tables::publish(context, &self.client, self.server_version).await?;
        match checkpoint {
            Some(checkpoint) => {
                if checkpoint.progress.is_none() {
                    notices::tell(context, commits, &notices::snapshot("SKIPPED", Vec::new())).await?;
                }
                Ok(Some(checkpoint))
            }
            None => self.begin_anew(context, relations, commits).await,
        }
    }

    fn identity(&self, context: &Context) -> SlotIdentity {
        SlotIdentity { name: context.config.slot_name.clone(), system_id: self.system.system_id.clone(), timeline: self.system.timeline }
    }

    /// The stored position must belong to this database's past. Each way in which it may not is named.
    async fn check_history(&mut self, context: &Context, mut checkpoint: Checkpoint) -> Result<Checkpoint, Problem> {
        let config = &context.config;
        let anew = &begin_anew(&config.name, Some(&config.slot_name));
        if checkpoint.slot == SlotIdentity::default() {
            tracing::info!(connector = config.name, lsn = %checkpoint.lsn, commit = %checkpoint.flush_lsn, "going on from Debezium's offset");
            checkpoint.slot = self.identity(context);
        }
        if checkpoint.slot.system_id != self.system.system_id {
            return Err(Problem::fail("source/other-cluster", "this is not the database cluster that the position belongs to")
                .at(config.connection.shown())
                .why(format!("system identifier {} was published, this server has {}", checkpoint.slot.system_id, self.system.system_id))
                .fix(format!("correct database.hostname, or, {anew}")));
        }
        if checkpoint.slot.timeline != self.system.timeline {
            let switch = self.check_timeline(context, &checkpoint, anew).await?;
            // What was idle beyond the switch belongs to the old timeline; the new one has commits of its own there.
            checkpoint.flush_lsn = checkpoint.flush_lsn.min(switch);
            checkpoint.slot.timeline = self.system.timeline;
        }
        let published = checkpoint.flush_lsn.max(checkpoint.end_lsn);
        if self.system.flush_lsn < published {
            return Err(Problem::fail("source/history-went-back", "the database is older than what was published")
                .at(config.connection.shown())
                .why(format!(
                    "its WAL ends at {}, events up to {published} were published: it was restored from a backup; what was published \
                     beyond {} is not in this database",
                    self.system.flush_lsn, self.system.flush_lsn
                ))
                .fix(anew));
        }
        let Some(slot) = &self.slot else {
            return Err(slot_gone(config, &checkpoint, self.system.flush_lsn));
        };
        let confirmed = slot.confirmed_flush_lsn.unwrap_or_default();
        // While a snapshot is unfinished, what the slot passed over would be missing between its rows, too.
        if confirmed > checkpoint.flush_lsn && config.trusts_slot && !checkpoint.snapshot_pending {
            tracing::warn!(
                slot = config.slot_name, published = %checkpoint.flush_lsn, %confirmed,
                "offset.mismatch.strategy: the slot is ahead of what was published and is gone on with; the changes between are not published"
            );
            checkpoint.follow_slot(confirmed);
        }
        if confirmed > checkpoint.flush_lsn {
            return Err(Problem::fail(SLOT_MOVED, format!("slot \"{}\" is ahead of what was published", config.slot_name))
                .why(format!(
                    "it was confirmed up to {confirmed}, here everything up to {} is durable: another program read it, it was dropped and made \
                     again, or this data directory is an old copy; {}",
                    checkpoint.flush_lsn,
                    gap(checkpoint.flush_lsn, confirmed)
                ))
                .fix(anew));
        }
        Ok(checkpoint)
    }

    /// After a failover: what was published must be before the point where the new timeline begins, which is returned.
    async fn check_timeline(&mut self, context: &Context, checkpoint: &Checkpoint, anew: &str) -> Result<Lsn, Problem> {
        let rows =
            self.connection.query(&format!("TIMELINE_HISTORY {}", self.system.timeline)).await.map_err(|error| context.problem(&error))?;
        let history = rows.into_iter().next().and_then(|row| row.get(1).cloned().flatten()).unwrap_or_default();
        let switch = history.lines().find_map(|line| {
            let mut parts = line.split_whitespace();
            (parts.next()?.parse::<u32>().ok()? == checkpoint.slot.timeline).then_some(())?;
            parts.next()?.parse::<Lsn>().ok()
        });
        match switch {
            Some(switch) if switch >= checkpoint.end_lsn => Ok(switch),
            Some(switch) => Err(Problem::fail("source/ahead-of-primary", "the new primary lacks transactions that were published")
                .why(format!(
                    "timeline {} ended at {switch}, events up to {} were published from the old primary: what is between the two is not in \
                     this database (a standby that lagged behind, or a backup restored to a point in time)",
                    checkpoint.slot.timeline, checkpoint.end_lsn
                ))
                .fix(anew)),
            None => {
                Err(Problem::fail("source/other-cluster", format!("timeline {} is not in this server's history", checkpoint.slot.timeline))
                    .fix(anew))
            }
        }
    }

    /// Makes the connector's slot, or a temporary one on a session of its own. What that waits for is told meanwhile.
    async fn make_slot(&mut self, context: &Context, temporary: Option<(&mut Connection, &str)>) -> Result<CreatedSlot, PostgresError> {
        let (connection, name, kind) = match temporary {
            Some((connection, name)) => (connection, name, SlotKind::Temporary),
            None => (&mut self.connection, context.config.slot_name.as_str(), SlotKind::of(&context.config)),
        };
        let client = &self.client;
        let making = slot::create(connection, client, name, self.server_version, kind);
        tokio::pin!(making);
        loop {
            tokio::select! {
                made = &mut making => {
                    context.status.set_waiting(None);
                    return made;
                }
                () = tokio::time::sleep(TELL_AFTER) => context.status.set_waiting(Some(slot::being_made(client, name).await)),
            }
        }
    }

    /// No position to go on from: makes the slot, takes the snapshot where one is wanted. `None`: told to stop.
    async fn begin_anew<W: LogWriter>(
        &mut self,
        context: &mut Context,
        relations: &mut Relations,
        commits: &mut Commits<W>,
    ) -> Result<Option<Checkpoint>, Problem> {
        let config = Arc::clone(&context.config);
        let wrong = |error: PostgresError| error.problem(&config.connection);
        let (signal_offset, signal_lines) = self.signals_taken;
        let tables = Some(config.tables.written());
        let mut checkpoint = Checkpoint { slot: self.identity(context), signal_offset, signal_lines, tables, ..Checkpoint::default() };
        if config.snapshot.mode == SnapshotMode::NoData && !self.gap {
            checkpoint.flush_lsn = match &self.slot {
                Some(slot) => slot.confirmed_flush_lsn.unwrap_or_default(),
                None => self.make_slot(context, None).await.map_err(wrong)?.consistent_point,
            };
            commits.begin().await?;
            notices::tell(context, commits, &notices::snapshot("SKIPPED", Vec::new())).await?;
            commits.hand_over(&checkpoint, now_ns() / 1_000_000, &context.status).await?;
            return Ok(Some(checkpoint));
        }
        context.status.set_phase(Phase::Snapshotting);
        tokio::time::sleep(config.snapshot.delay).await;
        // A slot that exists cannot export a snapshot any more: a temporary one can, and the stream leaves out what is in it.
        let mut temporary = None;
        // A snapshot that no stream follows leaves no slot behind: nobody would ever confirm it.
        let created = if self.slot.is_none() && config.snapshot.mode != SnapshotMode::InitialOnly {
            self.make_slot(context, None).await
        } else {
            let connection =
                Connection::open(&config.connection, Session::Replication, &context.application_name()).await.map_err(wrong)?;
            let name = format!("rowfeed_snapshot_{}", uuid::Uuid::new_v4().simple());
            self.make_slot(context, Some((temporary.insert(connection), &name))).await
        };
        let created = created.map_err(wrong)?;
        checkpoint.snapshot_pending = true;
        checkpoint.lsn = created.consistent_point;
        checkpoint.flush_lsn = created.consistent_point;
        checkpoint.snapshot_lsn = created.consistent_point;
        checkpoint.time_us = now_ns() / 1000;
        commits.begin().await?;
        self.snapshotting = true;
        notices::tell(context, commits, &notices::snapshot("STARTED", Vec::new())).await?;
        commits.hand_over(&checkpoint, now_ns() / 1_000_000, &context.status).await?;
        let published = publication::published(&self.client, &config.publication_name, self.server_version).await.map_err(wrong)?;
        // Now, not before: making the slot may have waited, and what was created meanwhile is in the snapshot only.
        let tables = catalog::tables(&self.client).await.map_err(wrong)?;
        let mut selected = snapshot::select_tables(context, &tables, &published);
        if config.snapshot.order != TableOrder::Name {
            let estimates = catalog::row_estimates(&self.client).await.map_err(wrong)?;
            snapshot::sort_by_rows(&mut selected, config.snapshot.order, &estimates);
        }
        let ids: Vec<_> = selected.iter().map(|(table, _)| table.id).collect();
        let estimates = catalog::analysed_rows(&self.client, &ids).await.map_err(wrong)?;
        context.status.begin_snapshot(&snapshot::estimated(&selected, &estimates));
        let start = snapshot::Start { lsn: created.consistent_point, snapshot: created.snapshot };
        // Without a stream, nothing tells what happened to the rows that were read before a restart.
        checkpoint.progress = (config.snapshot.mode != SnapshotMode::InitialOnly).then(Progress::default);
        let finished = snapshot::run(context, &self.client, &start, &selected, relations, commits, &mut checkpoint).await?;
        drop(temporary);
        if !finished {
            return Ok(None);
        }
        checkpoint.snapshot_pending = false;
        checkpoint.progress = None;
        notices::tell(context, commits, &notices::snapshot("COMPLETED", Vec::new())).await?;
        commits.hand_over(&checkpoint, now_ns() / 1_000_000, &context.status).await?;
        self.snapshotting = false;
        commits.settle().await?;
        tokio::time::sleep(config.snapshot.streaming_delay).await;
        Ok(Some(checkpoint))
    }
}

/// Tells that a snapshot ended before it was whole, if that goes quickly.
async fn tell_aborted<W: LogWriter>(context: &Context, commits: &mut Commits<W>) {
    let told = async {
        commits.abandon();
        notices::tell(context, commits, &notices::snapshot("ABORTED", Vec::new())).await?;
        commits.hand_over_again(now_ns() / 1_000_000, &context.status).await?;
        commits.settle().await
    };
    match tokio::time::timeout(ABORTED_LIMIT, told).await {
        Ok(Ok(())) => {}
        Ok(Err(problem)) => tracing::debug!("the end of the snapshot was not told: {}", problem.text()),
        Err(_) => tracing::debug!("the end of the snapshot was not told within {ABORTED_LIMIT:?}"),
    }
}

/// What a connector that went on would miss.
fn gap(from: Lsn, to: Lsn) -> String {
    format!("changes committed between {from} and {to} ({} bytes of WAL) would be missing", to.0.saturating_sub(from.0))
}

/// The server has removed WAL that was not read yet.
fn wal_lost(config: &PostgresConfig, slot: &Slot, stored: &Checkpoint, now: Lsn, limit: Option<String>) -> Problem {
    let (name, from) = (&config.slot_name, stored.flush_lsn);
    let ago = match (now_ns() / 1000).saturating_sub(stored.time_us) {
        _ if stored.time_us <= 0 => String::new(),
        us => format!(
            "; the last change before them was committed about {} ago",
            say_duration(Duration::from_micros(us.max(0).unsigned_abs()))
        ),
    };
    let why = slot.why_lost(limit.as_deref());
    Problem::fail(
        "pg/wal-lost",
        format!("changes between {from} and {now} are gone from the server ({} bytes of WAL)", now.0.saturating_sub(from.0)),
    )
    .why(format!("slot \"{name}\" was invalidated: {why}{ago}; nothing goes on until you choose, so that the gap cannot go unnoticed"))
    .fix(format!(
        "{}\nsnapshot.mode=when_needed begins anew by itself, without the deletes. \
             Raise max_slot_wal_keep_size to what the disk can spare",
        begin_anew(&config.name, Some(name))
    ))
}

/// Somebody else reads the slot. It is tried again until they are gone.
async fn slot_active(context: &Context, client: &Client, error: &PostgresError) -> Problem {
    let (problem, slot) = (context.problem(error), &context.config.slot_name);
    let Some(holder) = slot::holder(client, slot).await else { return problem };
    let (pid, shown) = (holder.pid, &holder.shown);
    let end = format!("to end its session now:\nSELECT pg_terminate_backend({pid});");
    const GOES_ON: &str = "this connector goes on by itself when that one is gone (a session that was cut ends after wal_sender_timeout)";
    let (who, why, fix) = match application::owner(&holder.application, &context.config.name) {
        Owner::Own => ("a session of this process that has not ended yet".to_owned(), GOES_ON.to_owned(), format!("nothing; {end}")),
        Owner::OtherRun => (
            "a session of this instance before it was started again, or of a copy of its data".to_owned(),
            GOES_ON.to_owned(),
            format!("nothing, unless a copy of this data folder runs elsewhere: stop that; {end}"),
        ),
        Owner::OtherInstance(id) => (
            format!("another rowfeed instance (id {id}; this one is {})", application::instance().unwrap_or("not known")),
            format!("two instances have a connector \"{}\" with this slot, and a slot has one reader; {GOES_ON}", context.config.name),
            format!("stop one of the two, or set another slot.name here; {end}"),
        ),
        Owner::SameConnector | Owner::Stranger => (
            "another process".to_owned(),
            format!("a slot has one reader; {GOES_ON}"),
            format!("stop that program, or set another slot.name here; {end}"),
        ),
    };
    Problem { what: format!("slot \"{slot}\" is being read by {who}"), ..problem }.why(format!("{shown}; {why}")).fix(fix)
}

/// Starts the stream; a slot that is still held is tried again for a moment. `None`: told to stop.
async fn start_stream(
    context: &Context,
    client: &Client,
    connection: Connection,
    server_version: u32,
) -> Result<Option<ReplicationStream>, Problem> {
    let config = &context.config;
    let mut connection = Some(connection);
    for attempt in 1.. {
        let ready = match connection.take() {
            Some(ready) => ready,
            None => Connection::open(&config.connection, Session::Replication, &context.application_name())
                .await
                .map_err(|error| context.problem(&error))?,
        };
        match ReplicationStream::start(ready, config, server_version).await {
            Ok(stream) => return Ok(Some(stream)),
            Err(error) if error.code() == "55006" && attempt < SLOT_TRIES => tokio::time::sleep(SLOT_PAUSE).await,
            Err(error) if error.code() == "55006" => return Err(slot_active(context, client, &error).await),
            Err(error) => return Err(context.problem(&error)),
        }
        if context.is_stopping() {
            return Ok(None);
        }
    }
    Ok(None)
}

/// The slot is not there. Where another one was read so far, its name was changed.
fn slot_gone(config: &PostgresConfig, checkpoint: &Checkpoint, now: Lsn) -> Problem {
    let (slot, read, anew) = (&config.slot_name, &checkpoint.slot.name, begin_anew(&config.name, None));
    if read == slot {
        return Problem::fail(SLOT_GONE, format!("slot \"{slot}\" was at {} and no longer exists", checkpoint.flush_lsn))
            .why(format!(
                "the server is at {now}; {}; nothing goes on until you choose, so that the gap cannot go unnoticed",
                gap(checkpoint.flush_lsn, now)
            ))
            .fix(anew);
    }
    Problem::fail(SLOT_GONE, format!("slot \"{slot}\" does not exist; what was published came from slot \"{read}\""))
        .why("slot.name was changed: a new slot begins now, and what happened before it would be lost unnoticed")
        .fix(format!("set slot.name={read} again, or, {anew}"))
}
