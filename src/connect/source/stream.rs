//! The hot loop: messages of the slot into commits of the log.
//!
//! It runs at its own pace. At low load a transaction is handed over as soon as it is whole and the log is free: its
//! latency is one sync. While a sync runs, the next transactions gather in one commit. When the slot has a backlog
//! ("behind"), reads are spaced by `GATHER`, because a walsender that is woken for every message it sends is two to
//! three times as slow, and commits grow larger. Back-pressure is not reading: PostgreSQL keeps the WAL. Nothing per event
//! allocates, locks, logs or reads the clock.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::backfill::Backfill;
use super::channel::Channel;
use super::commits::{COMMIT_BYTES_MAX, Commits};
use super::feedback::Feedback;
use super::gate::Gate;
use super::incremental::Reader;
use super::incremental::window::Watch;
use super::relations::Relations;
use super::reselect::Reselector;
use super::resume::Resume;
use super::signals::Answers;
use super::tables::Change;
use super::task::{Context, now_ns};
use super::traces::{Parents, Traces};
use super::work::{HEARTBEAT_PREFIX, Held, NewRow, StreamedRow, Taken, Why, Work};
use crate::change::{Lsn, Position, SnapshotMark};
use crate::encode::{Encoder, control, transaction};
use crate::log::{CommitSeq, LogWriter, TopicSpec};
use crate::postgres::pgoutput::{Cells, OldRow};
use crate::postgres::replication::{ReplicationStream, StreamMessage};
use crate::postgres::{Client, PostgresError, catalog, slot};
use crate::problem::Problem;

/// Between two reads while there is a backlog: of many transactions, and inside a large one. Measured with
/// `scripts/bench_walsender.sh`: 1 ms is best for the first and costs a quarter in the second, where 0.3 ms is best.
const GATHER: Duration = Duration::from_millis(1);
const GATHER_LARGE: Duration = Duration::from_micros(300);
/// A transaction with more rows is large.
const LARGE_ROWS: u64 = 4096;
/// More than this arrived in a window: there is a backlog (about 20,000 narrow rows a second).
const BEHIND_WINDOW: Duration = Duration::from_millis(5);
const BEHIND_BYTES_PER_MS: u64 = 4 * 1024;
/// Nothing arrived for so long: there is none.
const QUIET: Duration = Duration::from_millis(2);
/// While behind, a commit is not handed over before it has this size or age: fewer, larger syncs.
const BEHIND_COMMIT_BYTES: usize = 1 << 20;
const BEHIND_COMMIT_AGE: Duration = Duration::from_millis(5);
/// A log that takes nothing for so long: the connection is given up, so that the server can shut down or fail over.
const STALL_LIMIT: Duration = Duration::from_secs(30);
/// An idle position that the server asks for is written at most this often; any other at the status interval.
const IDLE_ASKED_INTERVAL: Duration = Duration::from_millis(100);
/// How long the loop may wait for a heartbeat to be written.
const HEARTBEAT_LIMIT: Duration = Duration::from_secs(2);
/// How long it may wait for `source.xmin`.
const XMIN_LIMIT: Duration = Duration::from_secs(2);
/// A server that was silent for so many status intervals, and for so long, is gone. Replies are asked for all the while;
/// older servers give none while they decode a large transaction of other tables.
const SILENCE_INTERVALS: u32 = 6;
const SILENCE_MIN: Duration = Duration::from_secs(120);
/// One that was silent for two status intervals, and for so long, is said to be stalled meanwhile.
const STALLED_INTERVALS: u32 = 2;
const STALLED_MIN: Duration = Duration::from_secs(20);
/// A row is held for what it lacks, and for a topic for each of its records.
const HELD_MAX: u32 = 4;
/// How long a clean stop waits for the last commit.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// A connector that follows its slot.
pub struct Stream<'c, W: LogWriter> {
    pub(super) context: &'c mut Context,
    pub(super) client: Client,
    pub(super) server_version: u32,
    replication: ReplicationStream,
    pub(super) work: Work<W>,
    feedback: Feedback,
    pub(super) pace: Pace,
    /// What reads the rest of a snapshot.
    pub(super) backfill: Option<Backfill>,
    /// Who waits until what was done for a signal is durable.
    pub(super) answers: Answers,
    /// What reads tables that a signal asks for.
    pub(super) incremental: Option<Reader>,
    /// What the database is being told of other tables.
    pub(super) change: Change,
    idle_written: Instant,
    heartbeat_due: Option<Instant>,
    /// When `source.xmin` is looked up again; `None`: never.
    xmin_due: Option<Instant>,
    /// When anything last came from the server.
    heard: Instant,
    /// It was silent for long, which the status says.
    stalled: bool,
    /// What is told of each commit.
    traces: Traces,
}

/// Whether there is a backlog, by how much arrives.
pub(super) struct Pace {
    window_began: Instant,
    window_bytes: u64,
    last_read: Instant,
    pub(super) behind: bool,
}

impl<'c, W: LogWriter> Stream<'c, W> {
    /// Puts the parts together; `resume` knows where to go on, `confirmed` is what the slot already has.
    pub fn new(
        context: &'c mut Context,
        client: Client,
        replication: ReplicationStream,
        commits: Commits<W>,
        relations: Relations,
        resume: Resume,
        confirmed: Lsn,
    ) -> Self {
        let now = Instant::now();
        let interval = context.status_interval;
        let checkpoint = resume.checkpoint();
        let previous_commit = (checkpoint.end_lsn > Lsn(0)).then_some(checkpoint.end_lsn);
        let feedback = Feedback::new(interval, confirmed, checkpoint.flush_lsn).confirming(context.config.confirms);
        let heartbeat = context.config.heartbeat_interval;
        Self {
            work: Work {
                encoder: Encoder::new(&context.events),
                reselector: Reselector::new(context),
                gate: None,
                blocking: None,
                signal_table: None,
                signalled: Vec::new(),
                watch: None,
                cells: Cells::default(),
                at: Position {
                    lsn: Lsn(0),
                    previous_commit,
                    xid: None,
                    commit_time_us: checkpoint.time_us,
                    snapshot: SnapshotMark::False,
                    xmin: None,
                    epoch: 1,
                },
                messages: None,
                decoded: HashMap::new(),
                heartbeats: None,
                counts_transactions: false,
                transactions: None,
                wal_end: Lsn(0),
                reply_asked: false,
                published_time_us: None,
                bytes_before: 0,
                parents: Parents::default(),
                commits,
                relations,
                resume,
            },
            client,
            replication,
            feedback,
            pace: Pace { window_began: now, window_bytes: 0, last_read: now, behind: false },
            idle_written: now,
            heartbeat_due: (!heartbeat.is_zero()).then(|| now + heartbeat),
            xmin_due: context.config.xmin_interval.map(|_| now),
            heard: now,
            stalled: false,
            traces: Traces::new(context.traces.clone()),
            backfill: None,
            answers: Answers::new(),
            incremental: None,
            change: Change::default(),
            server_version: 0,
            context,
        }
    }

    /// Reads the rest of a snapshot, too.
    pub(super) fn with(mut self, server_version: u32, backfill: Option<(Backfill, Gate)>) -> Self {
        self.server_version = server_version;
        let (backfill, gate) = backfill.unzip();
        self.backfill = backfill;
        self.work.gate = gate;
        self
    }

    /// Follows the slot until told to stop.
    pub async fn run(mut self) -> Result<(), Problem> {
        if let Some(name) = &self.context.config.transaction_topic {
            if let Some(way) = control::transactions(&self.context.events, name).map_err(|error| error.problem())? {
                let spec = Relations::topic_spec(&self.context.config, &way.topic);
                let forms = transaction::forms(&self.context.events);
                let channel = Channel::open(&mut self.work.commits.writer, self.context, way, &spec, forms).await?;
                self.work.transactions = Some(channel);
            }
            self.work.counts_transactions = true;
        }
        // The server answers with its newest position: an idle database is confirmed at once.
        self.send_status(true).await?;
        self.follow_tables().await?;
        self.await_blocking().await?;
        loop {
            if !self.open_commit().await? {
                return self.drain().await;
            }
            self.look_up_xmin().await?;
            let full = self.take_messages().await?;
            self.traces.handled(&self.work.commits, self.work.encoder.now_ns());
            if self.is_signalled() {
                self.take_signalled().await?;
            }
            self.after_messages(full).await?;
            self.answer();
            if self.chunk_due().is_some_and(|due| due <= Instant::now()) && !self.context.is_stopping() {
                self.read_chunk().await?;
            }
            if self.has_tables() {
                Box::pin(self.take_tables()).await?;
            }
            if self.has_signals() {
                self.take_signals().await?;
            }
            if self.blocking_due().is_some_and(|due| due <= Instant::now()) && !self.context.is_stopping() {
                self.take_blocking().await?;
            }
            if full {
                continue;
            }
            if self.context.is_stopping() {
                return self.drain().await;
            }
            self.wait().await?;
        }
    }

    /// Handles what was read; true when the commit is full and more is there.
    async fn take_messages(&mut self) -> Result<bool, Problem> {
        self.work.encoder.set_now(now_ns());
        loop {
            let mut held = None;
            match self.replication.next_message() {
                Err(error) => return Err(error.problem(&self.context.config.connection)),
                Ok(None) => return Ok(false),
                Ok(Some(StreamMessage::Keepalive { wal_end, reply })) => {
                    self.feedback.receive(wal_end);
                    self.work.wal_end = wal_end;
                    self.work.reply_asked |= reply;
                }
                Ok(Some(StreamMessage::Wal { start, payload })) => {
                    match self.work.take(self.context, start, payload)? {
                        Taken::Whole => {}
                        Taken::Rare(rare) => {
                            keep_open(&mut self.client, self.context).await.map_err(|error| self.context.problem(&error))?;
                            self.work.take_rare(self.context, &self.client, start, rare, payload).await?;
                        }
                        // The session is kept alive meanwhile: the message may not be lent any more.
                        Taken::Held(row) => held = Some((row, payload.to_vec())),
                    }
                    self.feedback.receive(start);
                }
            }
            if let Some((row, payload)) = held
                && !self.release(row, &payload).await?
            {
                return Ok(false);
            }
            // An ordinary transaction stays whole, so that it becomes visible whole; only one that is too large by itself is cut.
            let boundary = !self.work.resume.in_transaction();
            let bytes = self.work.commits.bytes();
            if bytes - if boundary { 0 } else { self.work.bytes_before } >= COMMIT_BYTES_MAX {
                return Ok(true);
            }
            if boundary && !self.pace.behind && self.work.commits.records() > 0 && self.work.commits.writer.is_idle() {
                return Ok(true);
            }
            if boundary && self.chunk_due().is_some_and(|due| due <= Instant::now()) {
                return Ok(true);
            }
            if self.is_signalled() || self.blocking_due().is_some_and(|due| due <= Instant::now()) {
                return Ok(true);
            }
        }
    }

    /// Does what a row was held for, and pushes it. False: told to stop meanwhile; the transaction comes again.
    async fn release(&mut self, mut held: Held, payload: &[u8]) -> Result<bool, Problem> {
        for _ in 0..HELD_MAX {
            match held.why {
                Why::NewTopic { said, topic } => self.work.make_topic(self.context, held.row, &said, &topic).await?,
                Why::Lacks => match self.reselect(held.row, payload).await? {
                    Some(new) => held.row.new = new,
                    None => return Ok(false),
                },
            }
            match self.work.push(held.row, payload)? {
                Some(again) => held = again,
                None => return Ok(true),
            }
        }
        Err(Problem::fail("row/undecodable", "a row names a topic that cannot be made"))
    }

    /// Reads what a row lacks, and keeps the replication session alive meanwhile. `None`: told to stop.
    async fn reselect(&mut self, row: StreamedRow, payload: &[u8]) -> Result<Option<NewRow>, Problem> {
        keep_open(&mut self.client, self.context).await.map_err(|error| self.context.problem(&error))?;
        let Self { context, client, replication, work, feedback, .. } = self;
        let Work { reselector: Some(reselector), relations, cells, commits, watch, at, .. } = work else { return Ok(Some(NewRow::AsItIs)) };
        let Some(plan) = relations.plan_of(row.id)? else { return Ok(Some(NewRow::AsItIs)) };
        let older = (row.old != OldRow::None).then(|| cells.old(payload));
        if let Some(watch) = watch {
            watch.outdate(&plan.relation, older, cells.new_row(payload));
        }
        let read = reselector.read(client, &plan.relation, older, cells.new_row(payload), at.xid);
        tokio::pin!(read);
        let mut stop = context.stop.clone();
        loop {
            tokio::select! {
                biased;
                read = &mut read => return Ok(Some(if read? { NewRow::Reselected } else { NewRow::AsItIs })),
                () = tokio::time::sleep_until(feedback.due().into()) => {
                    feedback.durable(commits.writer.durable());
                    let (received, flushed) = feedback.take();
                    let sent = replication.send_status(received, flushed, false).await;
                    sent.map_err(|error| error.problem(&context.config.connection))?;
                }
                _ = stop.wait_for(|stop| *stop) => return Ok(None),
            }
        }
    }

    /// Hands over, confirms, beats, as far as each is due.
    async fn after_messages(&mut self, full: bool) -> Result<(), Problem> {
        let commits = &self.work.commits;
        let boundary = !self.work.resume.in_transaction();
        if commits.records() > 0 {
            let due = if self.pace.behind {
                commits.bytes() >= BEHIND_COMMIT_BYTES || (commits.began().elapsed() >= BEHIND_COMMIT_AGE && commits.writer.is_idle())
            } else {
                commits.writer.is_idle()
            };
            if full || (due && boundary) {
                self.hand_over().await?;
            }
        } else if boundary {
            self.advance_idle().await?;
        }
        self.feedback.durable(self.work.commits.writer.durable());
        if self.work.reply_asked || self.feedback.due() <= Instant::now() {
            let asked = std::mem::take(&mut self.work.reply_asked);
            let quiet = self.feedback.is_idle() && !asked;
            let silent = self.heard.elapsed() > self.context.status_interval;
            self.send_status(quiet || silent).await?;
        }
        self.beat().await
    }

    pub(super) async fn hand_over(&mut self) -> Result<(), Problem> {
        let work = &mut self.work;
        if let Some(counts) = work.encoder.transaction() {
            work.resume.count(counts);
        }
        if let Some(gate) = &work.gate {
            work.resume.note(Some(gate.progress().clone()), !gate.progress().is_read());
        }
        if let Some(state) = work.watch.as_deref_mut().and_then(Watch::news) {
            work.resume.note_incremental(Some(state));
        }
        let checkpoint = work.resume.mark();
        let flush = checkpoint.flush_lsn;
        let trace = self.traces.hand_over(&self.context.config, &work.commits, &mut work.parents, work.published_time_us, flush);
        let seq = work.commits.hand_over(checkpoint, work.encoder.now_ms(), &self.context.status).await?;
        self.feedback.hand_over(seq, flush);
        if let Some(trace) = trace {
            self.feedback.trace(trace);
        }
        work.bytes_before = 0;
        if let Some(time_us) = work.published_time_us.take() {
            self.context.status.set_lag(time_us);
            self.feedback.note_time(time_us);
        }
        self.show_positions();
        Ok(())
    }

    /// With nothing to publish, the position still moves: other databases' traffic must not keep WAL here. It is written
    /// first and confirmed once durable.
    async fn advance_idle(&mut self) -> Result<(), Problem> {
        let interval = if self.work.reply_asked { IDLE_ASKED_INTERVAL } else { self.context.status_interval };
        if !self.feedback.is_idle()
            || self.work.wal_end <= self.work.resume.checkpoint().flush_lsn
            || self.idle_written.elapsed() < interval
        {
            return Ok(());
        }
        if self.replication.buffered() == 0 && self.work.commits.is_open() && self.work.resume.advance_idle(self.work.wal_end) {
            self.idle_written = Instant::now();
            self.hand_over().await?;
        }
        Ok(())
    }

    /// Opens a commit. While the log takes none, the session is kept alive, for a while. False: told to stop meanwhile.
    pub(super) async fn open_commit(&mut self) -> Result<bool, Problem> {
        if self.work.commits.is_open() {
            return Ok(true);
        }
        let began = Instant::now();
        let mut stop = self.context.stop.clone();
        loop {
            let due = self.feedback.due().min(Instant::now() + Duration::from_millis(500));
            tokio::select! {
                opened = self.work.commits.begin() => {
                    if began.elapsed() > Duration::from_millis(500) {
                        self.context.status.set_waiting(None);
                        // If the server is still silent, that is told again.
                        self.stalled = false;
                    }
                    return opened.map(|()| true);
                }
                () = tokio::time::sleep_until(due.into()) => {}
                _ = stop.wait_for(|stop| *stop) => return Ok(false),
            }
            let held_up = self.work.commits.writer.held_up();
            if began.elapsed() > STALL_LIMIT {
                let slow = Problem::retry("log/slow", format!("the log took nothing for {} s", STALL_LIMIT.as_secs()));
                return Err(held_up.unwrap_or(slow));
            }
            self.context.status.set_waiting(held_up);
            self.feedback.durable(self.work.commits.writer.durable());
            if self.feedback.due() <= Instant::now() {
                self.send_status(false).await?;
            }
        }
    }

    /// Waits for more to read, for the log, or for the clock.
    async fn wait(&mut self) -> Result<(), Problem> {
        if self.pace.behind {
            let gather = if self.work.resume.open_rows() > LARGE_ROWS { GATHER_LARGE } else { GATHER };
            // The timers of the runtime are too coarse, and nothing else runs on this thread.
            std::thread::sleep(gather.saturating_sub(self.pace.last_read.elapsed()));
        }
        let began = Instant::now();
        let mut until = self.feedback.due();
        if let Some(due) = self.heartbeat_due.filter(|_| !self.work.resume.in_transaction()) {
            until = until.min(due);
        }
        if self.pace.behind && self.work.commits.records() > 0 {
            until = until.min(began + BEHIND_COMMIT_AGE);
        }
        if !self.stalled {
            until = until.min(self.heard + self.stalled_after());
        }
        if let Some(due) = self.chunk_due() {
            until = until.min(due);
        }
        if let Some(due) = self.blocking_due() {
            until = until.min(due);
        }
        if self.work.commits.records() == 0 {
            self.work.commits.touch();
        }
        let (mut stop, signals) = (self.context.stop.clone(), self.context.signals.clone());
        let seen = self.work.commits.writer.durable();
        let (next, in_flight) = (CommitSeq(seen.0 + 1), seen < self.work.commits.newest());
        tokio::select! {
            biased;
            read = self.replication.fill() => {
                let bytes = read.map_err(|error| error.problem(&self.context.config.connection))?;
                self.listen_again();
                self.pace.read(began, bytes);
            }
            durable = self.work.commits.writer.wait_durable(next), if in_flight => {
                self.feedback.durable(durable.map_err(|error| error.problem())?);
                self.show_positions();
            }
            () = tokio::time::sleep_until(until.into()) => {
                self.pace.quiet();
                self.check_silence()?;
            }
            () = signals.arrived() => {}
            () = self.change.wait(), if self.change.is_telling() => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
        Ok(())
    }

    fn stalled_after(&self) -> Duration {
        STALLED_MIN.max(self.context.status_interval * STALLED_INTERVALS)
    }

    /// A server that answers nothing, although it was asked, is stalled, and then gone.
    fn check_silence(&mut self) -> Result<(), Problem> {
        let patience = SILENCE_MIN.max(self.context.status_interval * SILENCE_INTERVALS);
        let silent = self.heard.elapsed();
        if silent < patience {
            if !self.stalled && silent >= self.stalled_after() {
                self.stalled = true;
                let stalled = slot::stalled(&self.context.config.slot_name, silent).at(self.context.config.connection.shown());
                tracing::warn!(code = stalled.code, slot = self.context.config.slot_name, "{}", stalled.what);
                self.context.status.set_waiting(Some(stalled));
            }
            return Ok(());
        }
        let silent = PostgresError::Timeout(patience, "streaming");
        Err(silent.problem(&self.context.config.connection))
    }

    pub(super) async fn send_status(&mut self, reply: bool) -> Result<(), Problem> {
        let (received, flushed) = self.feedback.take();
        let sent = self.replication.send_status(received, flushed, reply).await;
        sent.map_err(|error| error.problem(&self.context.config.connection))?;
        self.show_positions();
        Ok(())
    }

    /// While something else is done: what is durable is confirmed, the session kept alive.
    pub(super) async fn look_up(&mut self) -> Result<(), Problem> {
        self.feedback.durable(self.work.commits.writer.durable());
        if self.feedback.due() <= Instant::now() { self.send_status(false).await } else { Ok(()) }
    }

    /// A transaction with signals is over.
    #[inline]
    fn is_signalled(&self) -> bool {
        !self.work.signalled.is_empty() && !self.work.resume.in_transaction()
    }

    /// Silence counts from now on: something was heard, or nobody listened before.
    pub(super) fn listen_again(&mut self) {
        self.heard = Instant::now();
        if self.stalled {
            self.stalled = false;
            self.context.status.set_waiting(None);
        }
    }

    /// Waits for another session, which may take its time: a COPY answers nothing before its first rows are there.
    pub(super) async fn keep_alive<T>(&mut self, wait: impl Future<Output = T>) -> Result<T, Problem> {
        tokio::pin!(wait);
        loop {
            let due = self.feedback.due();
            tokio::select! {
                biased;
                done = &mut wait => return Ok(done),
                () = tokio::time::sleep_until(due.into()) => self.look_up().await?,
            }
        }
    }

    /// A catalogue session that lives.
    pub(super) async fn reopen_client(&mut self) -> Result<(), Problem> {
        keep_open(&mut self.client, self.context).await.map_err(|error| self.context.problem(&error))
    }

    fn show_positions(&mut self) {
        for age in self.feedback.take_ages() {
            self.context.status.published_after(age);
        }
        let (received, flushed, confirmed) = self.feedback.positions();
        let encoded = self.work.resume.checkpoint().flush_lsn;
        self.context.status.set_positions(received.0, encoded.0, flushed.0, confirmed.0);
    }

    /// Before messages are handled: `source.xmin` of what they become, when it is asked for and old. As long as it cannot be
    /// looked up it stays as it is.
    async fn look_up_xmin(&mut self) -> Result<(), Problem> {
        let (Some(due), Some(interval)) = (self.xmin_due, self.context.config.xmin_interval) else { return Ok(()) };
        if due > Instant::now() || self.replication.buffered() == 0 {
            return Ok(());
        }
        let looked_up = async {
            keep_open(&mut self.client, self.context).await?;
            slot::catalog_xmin(&self.client, &self.context.config.slot_name).await
        };
        let looked_up = tokio::time::timeout(XMIN_LIMIT, looked_up).await;
        self.xmin_due = Some(Instant::now() + interval);
        match looked_up {
            Ok(Ok(xmin)) if xmin == self.work.at.xmin => {}
            Ok(Ok(xmin)) => {
                self.work.at.xmin = xmin;
                self.work.at.epoch += 1;
            }
            Ok(Err(error)) => tracing::warn!("source.xmin could not be looked up: {error}"),
            Err(_) => tracing::warn!("source.xmin could not be looked up within {XMIN_LIMIT:?}"),
        }
        Ok(())
    }

    /// A heartbeat record, and a message in the WAL that moves an idle slot.
    async fn beat(&mut self) -> Result<(), Problem> {
        let now = Instant::now();
        if self.heartbeat_due.is_none_or(|due| due > now) || self.work.resume.in_transaction() || !self.work.commits.is_open() {
            return Ok(());
        }
        self.heartbeat_due = Some(now + self.context.config.heartbeat_interval);
        self.work.encoder.set_now(now_ns());
        if self.work.heartbeats.is_none() {
            let way = control::heartbeats(&self.context.events, &self.context.config.heartbeat_topic);
            let channel = match way.map_err(|error| error.problem())? {
                Some(way) => {
                    let (spec, forms) = (TopicSpec::default(), control::heartbeat_forms(&self.context.events));
                    Some(Channel::open(&mut self.work.commits.writer, self.context, way, &spec, forms).await?)
                }
                None => None,
            };
            self.work.heartbeats = Some(channel);
        }
        let Work { heartbeats, commits, encoder, .. } = &mut self.work;
        if let Some(Some(channel)) = heartbeats {
            let sink = &mut channel.sink(commits.sink().0, false);
            let pushed = control::push_heartbeat(&self.context.events, channel.to(), encoder.now_ms(), sink);
            pushed.map_err(|error| error.problem())?;
            self.hand_over().await?;
        }
        // A standby or a role without the privilege cannot, a busy server answers late: the position moves all the same.
        match tokio::time::timeout(HEARTBEAT_LIMIT, self.emit_heartbeat()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!("no heartbeat in the WAL: {error}"),
            Err(_) => tracing::debug!("no heartbeat in the WAL within {HEARTBEAT_LIMIT:?}"),
        }
        if let Some(query) = &self.context.config.heartbeat_query {
            match tokio::time::timeout(HEARTBEAT_LIMIT, self.client.batch_execute(query)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!("heartbeat.action.query failed: {}", PostgresError::from(error)),
                Err(_) => tracing::warn!("heartbeat.action.query took longer than {HEARTBEAT_LIMIT:?}"),
            }
        }
        Ok(())
    }

    async fn emit_heartbeat(&mut self) -> Result<(), PostgresError> {
        keep_open(&mut self.client, self.context).await?;
        slot::emit_message(&self.client, HEARTBEAT_PREFIX).await
    }

    /// A clean stop: whole transactions are handed over, made durable, confirmed.
    async fn drain(mut self) -> Result<(), Problem> {
        if self.work.commits.is_open() && self.work.commits.records() > 0 && !self.work.resume.in_transaction() {
            self.hand_over().await?;
        }
        if tokio::time::timeout(DRAIN_LIMIT, self.work.commits.settle()).await.is_ok_and(|settled| settled.is_ok()) {
            self.feedback.durable(self.work.commits.writer.durable());
            self.answer();
            // What is not confirmed comes again and is recognised.
            let _ = self.send_status(false).await;
        }
        self.replication.close().await;
        Ok(())
    }
}

impl Pace {
    fn read(&mut self, began: Instant, bytes: usize) {
        let now = Instant::now();
        if now - began > QUIET {
            self.quiet();
        }
        self.window_bytes += bytes as u64;
        let window = now - self.window_began;
        if window >= BEHIND_WINDOW {
            self.behind = self.window_bytes > window.as_millis() as u64 * BEHIND_BYTES_PER_MS;
            self.window_began = now;
            self.window_bytes = 0;
        }
        self.last_read = now;
    }

    fn quiet(&mut self) {
        self.window_began = Instant::now();
        self.window_bytes = 0;
        self.behind = false;
    }
}

/// The catalogue session is opened again when it has ended.
async fn keep_open(client: &mut Client, context: &Context) -> Result<(), PostgresError> {
    if client.is_closed() {
        *client = catalog::open(&context.config.connection, &context.application_name()).await?;
    }
    Ok(())
}
