//! What the stream's messages become: rows, messages and boundaries of transactions as records of the open commit.
//!
//! Owns what is known of the open transaction and who sees its changes: the gate of a snapshot, the watch of an incremental
//! one, the signalling table. Promises that a message is handled without waiting; one that needs the catalogue or the log is
//! given back. Leaves reading the socket, pace and hand-over to [`super::stream`].

use std::collections::HashMap;

use super::blocking::Blocking;
use super::channel::Channel;
use super::commits::Commits;
use super::gate::{Gate, Verdict};
use super::incremental::window::Watch;
use super::relations::Relations;
use super::reselect::Reselector;
use super::resume::Resume;
use super::signals;
use super::snapshot::{learn, too_many_topics};
use super::task::Context;
use super::traces::{Parents, TRACEPARENT};
use crate::change::{Lsn, Op, Position, RelationId, RowChange, Signal, TransactionCounts};
use crate::encode::decoded::{self, Decoded};
use crate::encode::transform::Decoding;
use crate::encode::{EncodeError, Encoder, ROUTED_MAX, control, transaction};
use crate::log::LogWriter;
use crate::postgres::Client;
use crate::postgres::pgoutput::{self, Cells, OldRow, RelationMessage, WalMessage};
use crate::problem::Problem;
use crate::record::TopicHandle;

/// Messages with this prefix are our own heartbeats.
pub const HEARTBEAT_PREFIX: &str = "rowfeed.heartbeat";

/// What handles messages: apart from the socket, which lends them.
pub(super) struct Work<W: LogWriter> {
    pub(super) commits: Commits<W>,
    pub(super) relations: Relations,
    pub(super) resume: Resume,
    pub(super) encoder: Encoder,
    /// What reads values again, when that is asked for.
    pub(super) reselector: Option<Reselector>,
    /// Which changes pass while a snapshot is read.
    pub(super) gate: Option<Gate>,
    /// A snapshot that is asked for, while the stream waits.
    pub(super) blocking: Option<Blocking>,
    /// The signalling table.
    pub(super) signal_table: Option<RelationId>,
    /// What its new rows ask for, in transactions that are over or open.
    pub(super) signalled: Vec<Signal>,
    /// Which rows of an incremental snapshot are still true.
    pub(super) watch: Option<Box<Watch>>,
    pub(super) cells: Cells,
    pub(super) at: Position,
    /// Where messages go, once one has come; `None` in it: nowhere.
    pub(super) messages: Option<Option<Channel>>,
    /// The topics of decoded messages.
    pub(super) decoded: HashMap<String, TopicHandle>,
    /// The same of heartbeats.
    pub(super) heartbeats: Option<Option<Channel>>,
    /// Events tell their place in their transaction.
    pub(super) counts_transactions: bool,
    /// Where transactions are told, when they are.
    pub(super) transactions: Option<Channel>,
    /// The newest position the server says it has sent.
    pub(super) wal_end: Lsn,
    pub(super) reply_asked: bool,
    pub(super) published_time_us: Option<i64>,
    /// Bytes of the open commit before the open transaction.
    pub(super) bytes_before: usize,
    /// The traces of the transactions in the open commit.
    pub(super) parents: Parents,
}

/// What became of a message.
pub(super) enum Taken<'p> {
    /// Nothing is left to do.
    Whole,
    /// It needs more than this thread.
    Rare(WalMessage<'p>),
    /// Its row could not be pushed yet.
    Held(Held),
}

/// A row that could not be pushed.
pub(super) struct Held {
    pub(super) row: StreamedRow,
    pub(super) why: Why,
}

/// What has to be done first.
pub(super) enum Why {
    /// The topic that it names has to be made.
    NewTopic { said: Box<[u8]>, topic: String },
    /// It lacks values, which have to be read.
    Lacks,
}

/// A row of the message that was decoded last.
#[derive(Clone, Copy)]
pub(super) struct StreamedRow {
    pub(super) id: RelationId,
    pub(super) op: Op,
    pub(super) old: OldRow,
    /// Which new row is published.
    pub(super) new: NewRow,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum NewRow {
    /// As it was streamed, after what it lacks was looked at.
    Streamed,
    /// As it was streamed.
    AsItIs,
    /// With what was read again.
    Reselected,
}

impl<W: LogWriter> Work<W> {
    /// One message of the plugin; given back when it needs more than this thread, which few do.
    #[inline]
    pub(super) fn take<'p>(&mut self, context: &Context, start: Lsn, payload: &'p [u8]) -> Result<Taken<'p>, Problem> {
        let message = pgoutput::decode(payload, &mut self.cells).map_err(|error| undecodable(context, &error.to_string()))?;
        let held = match message {
            WalMessage::Insert(id) => self.row(context, start, id, Op::Create, OldRow::None, payload)?,
            WalMessage::Update(id, old) => self.row(context, start, id, Op::Update, old, payload)?,
            WalMessage::Delete(id, old) => self.row(context, start, id, Op::Delete, old, payload)?,
            WalMessage::Begin { final_lsn, commit_time_us, xid } => {
                self.resume.begin(final_lsn, xid, commit_time_us)?;
                if let Some(gate) = &mut self.gate {
                    gate.begin(xid, final_lsn);
                }
                if let Some(watch) = &mut self.watch {
                    watch.begin(xid);
                }
                self.at.xid = Some(xid);
                self.at.commit_time_us = commit_time_us;
                self.at.epoch += 1;
                self.bytes_before = self.commits.bytes();
                if self.counts_transactions {
                    self.begin_transaction(context, start)?;
                }
                None
            }
            WalMessage::Commit { commit_lsn, end_lsn, commit_time_us } => {
                let published = self.resume.commit(commit_lsn, end_lsn, commit_time_us)?;
                self.parents.end(published);
                if published {
                    self.commits.sink().1.transactions += 1;
                    self.published_time_us = Some(commit_time_us);
                    self.end_transaction(context, start)?;
                }
                self.encoder.set_transaction(None);
                self.at.previous_commit = Some(end_lsn);
                if let Some(gate) = &mut self.gate {
                    gate.commit();
                }
                if let (Some(blocking), Some(xid)) = (&mut self.blocking, self.at.xid) {
                    blocking.deliver(xid);
                }
                if let Some(watch) = &mut self.watch {
                    watch.commit();
                }
                None
            }
            WalMessage::Origin | WalMessage::Type => None,
            rare => return Ok(Taken::Rare(rare)),
        };
        Ok(held.map_or(Taken::Whole, Taken::Held))
    }

    /// Makes the topic that a row names.
    pub(super) async fn make_topic(&mut self, context: &Context, row: StreamedRow, said: &[u8], topic: &str) -> Result<(), Problem> {
        let handle = Relations::open_topic(&mut self.commits.writer, topic, &Relations::topic_spec(&context.config, topic)).await?;
        if let Some(plan) = self.relations.plan_of(row.id)? {
            learn(plan, said, handle)?;
        }
        Ok(())
    }

    /// Tells that a transaction begins, unless it was told; one that was cut goes on counting where it was.
    fn begin_transaction(&mut self, context: &Context, start: Lsn) -> Result<(), Problem> {
        if !self.resume.is_new_transaction() {
            self.encoder.set_transaction(self.resume.counted().cloned());
            return Ok(());
        }
        self.encoder.set_transaction(Some(TransactionCounts::default()));
        self.tell_boundary(context, start, false)
    }

    /// Tells that a transaction ends and what it published, when it was told that it began.
    fn end_transaction(&mut self, context: &Context, start: Lsn) -> Result<(), Problem> {
        if self.encoder.transaction().is_some() { self.tell_boundary(context, start, true) } else { Ok(()) }
    }

    fn tell_boundary(&mut self, context: &Context, start: Lsn, ends: bool) -> Result<(), Problem> {
        let Some(channel) = &self.transactions else { return Ok(()) };
        let (at, now_ms) = (Position { lsn: start, ..self.at }, self.encoder.now_ms());
        let counts = self.encoder.transaction().filter(|_| ends);
        let sink = &mut channel.sink(self.commits.sink().0, true);
        let pushed = transaction::push_boundary(&context.events, channel.to(), counts.as_deref(), &at, now_ms, sink);
        pushed.map_err(|error| error.problem())
    }

    /// Messages that ask the catalogue or the log something.
    pub(super) async fn take_rare(
        &mut self,
        context: &Context,
        client: &Client,
        start: Lsn,
        message: WalMessage<'_>,
        payload: &[u8],
    ) -> Result<(), Problem> {
        match message {
            WalMessage::Relation(relation) => {
                if let Some(gate) = &mut self.gate {
                    gate.relearn(relation.id);
                }
                if let Some(reselector) = &mut self.reselector {
                    reselector.forget(relation.id);
                }
                self.note_signal_table(context, &relation);
                self.relations.learn(client, &relation, payload, &mut self.commits.writer).await?;
                if let Some(watch) = &mut self.watch {
                    watch.relearn(relation.id, self.relations.plan_of(relation.id)?.map(|plan| &*plan.relation));
                }
                Ok(())
            }
            WalMessage::Truncate(truncated) => {
                if let Some(watch) = &mut self.watch {
                    truncated.relations().for_each(|id| watch.truncate(id));
                }
                if self.resume.row_at(start, false)? && !context.config.skipped.truncate {
                    self.at.lsn = start;
                    for id in truncated.relations() {
                        if let (Some(watch), Some(plan)) = (&mut self.watch, self.relations.plan_of(id)?)
                            && let Some(keys) = watch.keys_of(plan.topic.index)
                        {
                            keys.saw_truncate();
                        }
                        let _ = self.encode(context, id, Op::Truncate, OldRow::None, payload)?;
                    }
                }
                Ok(())
            }
            WalMessage::Message { transactional, lsn, prefix, content } => {
                self.message(context, transactional, start, lsn, prefix, content).await
            }
            _ => Ok(()),
        }
    }

    /// The signalling table has this id from now on, or another table has.
    fn note_signal_table(&mut self, context: &Context, relation: &RelationMessage<'_>) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let config = &context.config.signals;
        if config.source && config.is_table(&text(relation.schema), &text(relation.table)) {
            self.signal_table = Some(relation.id);
        } else if self.signal_table == Some(relation.id) {
            self.signal_table = None;
        }
    }

    #[inline]
    fn row(&mut self, context: &Context, start: Lsn, id: RelationId, op: Op, old: OldRow, payload: &[u8]) -> Result<Option<Held>, Problem> {
        let publish = self.resume.row_at(start, op == Op::Update && old == OldRow::Key)?;
        if self.signal_table == Some(id) && op == Op::Create && (publish || self.resume.is_partial()) {
            signals::hear(self.cells.new_row(payload), &mut self.signalled);
        }
        if !publish {
            return Ok(None);
        }
        // While a snapshot is read, what becomes of an update is known only after it is judged; an incremental one has to know
        // of rows that move in the table that it reads.
        if is_skipped(context, op) && self.gate.is_none() && !self.watch.as_ref().is_some_and(|watch| watch.follows(id)) {
            return Ok(self.skip());
        }
        self.at.lsn = start;
        self.encode(context, id, op, old, payload)
    }

    #[inline]
    fn encode(&mut self, context: &Context, id: RelationId, op: Op, old: OldRow, payload: &[u8]) -> Result<Option<Held>, Problem> {
        let row = StreamedRow { id, op, old, new: NewRow::Streamed };
        if let Some(watch) = &mut self.watch
            && let Some(plan) = self.relations.plan_of(id)?
        {
            let before = (old != OldRow::None).then(|| self.cells.old(payload));
            let after = matches!(op, Op::Create | Op::Update).then(|| self.cells.new_row(payload));
            watch.see(&plan.relation, op, !is_skipped(context, op), before, old == OldRow::Key, after);
            if let Some(keys) = watch.keys_of(plan.topic.index) {
                let gone = keys.subject().gone;
                for (row, older) in [(before, None), (after, before)] {
                    let Some(row) = row else { continue };
                    keys.saw(self.encoder.key_of(plan, &gone, row, older).map_err(|error| error.problem())?);
                }
            }
        }
        let Some(gate) = &mut self.gate else {
            return if is_skipped(context, op) { Ok(self.skip()) } else { self.push(row, payload) };
        };
        let Some(plan) = self.relations.plan_of(id)? else { return Ok(None) };
        let before = (old != OldRow::None).then(|| self.cells.old(payload));
        let after = matches!(op, Op::Create | Op::Update).then(|| self.cells.new_row(payload));
        let op = match gate.judge(&plan.relation, op, before, after)? {
            Verdict::Publish | Verdict::OldOnly if is_skipped(context, op) => return Ok(self.skip()),
            Verdict::Publish => op,
            Verdict::Withhold => return Ok(None),
            // Half of a changed key: an update, as `skipped.operations` sees it.
            Verdict::OldOnly => Op::Delete,
            // The row will not be read where it has gone, so it is told although updates may be skipped. What is known of
            // the old row fills in what the new one does not say.
            Verdict::NewOnly => Op::Create,
        };
        self.push(StreamedRow { op, ..row }, payload)
    }

    /// Counts a change that `skipped.operations` leaves out.
    #[inline]
    fn skip(&mut self) -> Option<Held> {
        self.commits.skip();
        None
    }

    /// Publishes a change that is judged.
    #[inline]
    pub(super) fn push(&mut self, row: StreamedRow, payload: &[u8]) -> Result<Option<Held>, Problem> {
        let StreamedRow { id, op, old, new } = row;
        let Some(plan) = self.relations.plan_of(id)? else { return Ok(None) };
        let relation = std::sync::Arc::clone(&plan.relation);
        let before = (old != OldRow::None).then(|| self.cells.old(payload));
        let mut after = matches!(op, Op::Create | Op::Update).then(|| self.cells.new_row(payload));
        if let (Some(reselector), Some(streamed)) = (&mut self.reselector, after) {
            match new {
                NewRow::Streamed if reselector.lacks(&relation, before, streamed) => return Ok(Some(Held { row, why: Why::Lacks })),
                NewRow::Streamed | NewRow::AsItIs => {}
                NewRow::Reselected => after = Some(reselector.row().tuple()),
            }
        }
        let change = RowChange { relation: &relation, op, before, before_is_key: old == OldRow::Key, after, at: self.at };
        let (commit, counts) = self.commits.sink();
        match self.encoder.encode(plan, &change, &mut self.parents.sink(commit)) {
            Ok(()) => {}
            Err(EncodeError::NewTopic { said, name }) => return Ok(Some(Held { row, why: Why::NewTopic { said, topic: name } })),
            Err(error) => return Err(error.problem()),
        }
        counts.events += 1;
        self.relations.count(op);
        match op {
            Op::Create => counts.inserts += 1,
            Op::Update => counts.updates += 1,
            Op::Delete => counts.deletes += 1,
            Op::Truncate => counts.truncates += 1,
            Op::Read => counts.reads += 1,
        }
        self.resume.event(self.at.lsn);
        Ok(None)
    }

    async fn message(
        &mut self,
        context: &Context,
        transactional: bool,
        start: Lsn,
        lsn: Lsn,
        prefix: &[u8],
        content: &[u8],
    ) -> Result<(), Problem> {
        let publish = if transactional { self.resume.row_at(start, false)? } else { self.resume.message(lsn) };
        if prefix == HEARTBEAT_PREFIX.as_bytes() {
            return Ok(());
        }
        if !transactional {
            // As in Debezium, what follows in the stream follows this, also within a transaction that committed later.
            self.at.previous_commit = Some(start);
            self.at.epoch += 1;
        }
        if transactional && prefix == TRACEPARENT.as_bytes() {
            self.parents.note(content);
        }
        if !publish || !context.config.message_prefixes.includes(prefix) {
            return Ok(());
        }
        if let Some(decoding) = decoded::decoding(&context.events) {
            return self.decoded(context, decoding, start, transactional, content).await;
        }
        if self.messages.is_none() {
            let way = match control::messages(&context.events).map_err(|error| error.problem())? {
                Some(way) => {
                    let spec = Relations::topic_spec(&context.config, &way.topic);
                    let forms = control::message_forms(&context.events);
                    Some(Channel::open(&mut self.commits.writer, context, way, &spec, forms).await?)
                }
                None => None,
            };
            self.messages = Some(way);
        }
        let Some(Some(channel)) = &self.messages else { return Ok(()) };
        let at = Position { lsn: start, xid: self.at.xid.filter(|_| transactional), ..self.at };
        let now_ms = self.encoder.now_ms();
        let (sink, counts) = self.commits.sink();
        counts.events += 1;
        counts.messages += 1;
        let sink = &mut self.parents.sink(sink);
        let sink = &mut channel.sink(sink, true);
        let (to, transaction) = (channel.to(), self.encoder.transaction());
        control::push_message(&context.events, to, prefix, content, &at, transaction, now_ms, sink).map_err(|error| error.problem())?;
        self.resume.event(start);
        Ok(())
    }

    /// A message that `transforms` decodes, into the topic that it names.
    async fn decoded(
        &mut self,
        context: &Context,
        decoding: Decoding<'_>,
        start: Lsn,
        transactional: bool,
        content: &[u8],
    ) -> Result<(), Problem> {
        let at = Position { lsn: start, xid: self.at.xid.filter(|_| transactional), ..self.at };
        let (now_ns, counts) = (self.encoder.now_ns(), self.encoder.transaction());
        let decoded = Decoded::new(&context.events, decoding, content, &at, counts, now_ns).map_err(|error| error.problem())?;
        let Some(decoded) = decoded else { return Ok(()) };
        let topic = match self.decoded.get(decoded.topic()) {
            Some(topic) => *topic,
            None => {
                let name = decoded.topic().to_owned();
                if self.decoded.len() >= ROUTED_MAX {
                    return Err(too_many_topics("logical decoding messages"));
                }
                let spec = Relations::topic_spec(&context.config, &name);
                let topic = Relations::open_topic(&mut self.commits.writer, &name, &spec).await?;
                self.decoded.insert(name, topic);
                topic
            }
        };
        let (sink, counts) = self.commits.sink();
        counts.events += 1;
        counts.messages += 1;
        decoded.push(&context.events, topic, &mut self.parents.sink(sink)).map_err(|error| error.problem())?;
        self.resume.event(start);
        Ok(())
    }
}

#[inline]
fn is_skipped(context: &Context, op: Op) -> bool {
    let skipped = &context.config.skipped;
    match op {
        Op::Create => skipped.create,
        Op::Update => skipped.update,
        Op::Delete => skipped.delete,
        Op::Read | Op::Truncate => false,
    }
}

fn undecodable(context: &Context, why: &str) -> Problem {
    Problem::fail("row/undecodable", "a message of the replication stream could not be understood")
        .at(context.config.connection.shown())
        .why(format!("{why}; it would come again and again"))
        .fix("report this with the server's version")
}
