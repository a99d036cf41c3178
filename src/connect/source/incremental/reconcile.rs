//! Reconciling a table with its topic: keys that the topic has and the table has not are told gone.
//!
//! Owns the two passes over the topic, before the table is read and behind it ([`Keys`] is what is known between them; decision
//! 0023). Promises that both go on piece by piece between two transactions of the stream, that a key is told gone only when the
//! stream has passed every snapshot in which it was looked for, and that a table that cannot be compared is left as it is, with the
//! reason. A process that is killed begins the table again: what was told gone is in the topic by then.

use std::time::{Duration, Instant};

use super::keys::{Keys, Piece, Subject, TooMany};
use super::{Described, Fault, Outcome, Reader, ScanStatus, position, watch_of};
use crate::change::incremental::{Collection, Reconciled};
use crate::connect::source::commits::COMMIT_BYTES_MAX;
use crate::connect::source::stream::Stream;
use crate::connect::source::task::{Context, now_ns};
use crate::encode::envelope::gone::Gone;
use crate::encode::stored;
use crate::log::{LogError, LogWriter};
use crate::problem::Problem;
use crate::record::Route;

/// So much of the topic is read at once: some milliseconds.
const PIECE_BYTES: usize = 1 << 20;
/// What was handed over is waited for so long, while nothing is published; then the stream goes on first.
const SETTLE_LIMIT: Duration = Duration::from_secs(2);
const SETTLE_LOOK: Duration = Duration::from_millis(1);

/// A key of the topic that is gone from the table.
struct Missing {
    key: Vec<u8>,
    value: Vec<u8>,
}

/// Whose keys are compared, and how; else why they cannot be.
pub(super) fn subject(context: &Context, described: &Described) -> Result<Subject, Fault> {
    let refuse = |why: String| Fault::Over(ScanStatus::ReconcileRefused, why);
    let plan = &described.source.plan;
    if context.config.skipped.delete {
        return Err(refuse("skipped.operations leaves deletes out: nothing would be told".to_owned()));
    }
    let gone = Gone::of(plan, &context.events).map_err(refuse)?;
    let key = plan.relation.key_columns().into_iter().filter_map(|place| plan.relation.columns.get(place));
    let key = key.map(|column| column.name.to_string()).collect();
    Ok(Subject { table: described.source.table.id, shape: super::shape(&plan.relation), key, gone })
}

fn too_many(why: TooMany) -> Fault {
    let why = match why {
        TooMany::Keys(keys) => format!(
            "its topic has more than {keys} keys, about {} MiB of memory: ask for more with reconcile-keys (--reconcile-keys), for 40 bytes each",
            keys.saturating_mul(40) >> 20
        ),
        TooMany::Records => "a partition of its topic has more records than can be counted".to_owned(),
    };
    Fault::Over(ScanStatus::ReconcileRefused, why)
}

fn unread(error: LogError) -> Fault {
    match error {
        LogError::Unreadable(_) | LogError::UnknownPartition { .. } => Fault::Over(ScanStatus::ReconcileRefused, error.to_string()),
        error => Fault::Failed(error.problem()),
    }
}

fn keys_of<'s, W: LogWriter>(stream: &'s mut Stream<'_, W>) -> Result<&'s mut Keys, Problem> {
    watch_of(stream)?.keys_mut().ok_or_else(|| Problem::retry("snapshot/over", "a topic was read after the snapshot's end"))
}

impl Reader {
    /// The topic of the table is to be read first: a table that is reconciled, whose keys are not whole yet.
    pub(super) fn collects<W: LogWriter>(&self, stream: &Stream<'_, W>) -> bool {
        let keys = stream.work.watch.as_ref().and_then(|watch| watch.keys());
        self.source.is_some() && keys.is_some_and(|keys| !keys.is_whole())
    }

    /// The first pass: goes on by one piece, or over its end.
    pub(super) async fn collect<W: LogWriter>(&mut self, stream: &mut Stream<'_, W>) -> Result<Outcome, Fault> {
        if let Some(piece) = keys_of(stream)?.next_piece() {
            self.take_piece(stream, piece).await?;
            return Ok(Outcome::Done);
        }
        let topic = keys_of(stream)?.subject().gone.topic;
        let extents = stream.work.commits.writer.extents(topic).await.map_err(unread)?;
        if !keys_of(stream)?.is_near(&extents) {
            keys_of(stream)?.extend(&extents);
            note(stream, "keys")?;
            stream.hand_over().await?;
            return Ok(Outcome::Done);
        }
        // Nothing is published until the rest is read: it is in the topic, or it comes by the stream later.
        stream.hand_over().await?;
        let newest = stream.work.commits.newest();
        let until = Instant::now() + SETTLE_LIMIT;
        while stream.work.commits.writer.durable() < newest {
            if Instant::now() > until || stream.context.is_stopping() {
                return Ok(Outcome::NotYet);
            }
            stream.look_up().await?;
            tokio::time::sleep(SETTLE_LOOK).await;
        }
        let extents = stream.work.commits.writer.extents(topic).await.map_err(unread)?;
        keys_of(stream)?.extend(&extents);
        while let Some(piece) = keys_of(stream)?.next_piece() {
            if stream.context.is_stopping() {
                return Ok(Outcome::NotYet);
            }
            self.take_piece(stream, piece).await?;
            stream.look_up().await?;
        }
        let keys = keys_of(stream)?;
        keys.is_read();
        let (lived, is_cut) = (keys.lived(), keys.is_cut());
        let table = watch_of(stream)?.state().current().map(Collection::name);
        let connector = &stream.context.config.name;
        if is_cut {
            tracing::warn!(
                connector,
                table,
                "the topic's first records are gone by its retention: of rows that only they had nobody is told that they are gone"
            );
        }
        tracing::info!(connector, table, keys = lived, "the topic's keys are known, the table is read");
        note(stream, "rows")?;
        Ok(Outcome::Done)
    }

    async fn take_piece<W: LogWriter>(&mut self, stream: &mut Stream<'_, W>, piece: Piece) -> Result<(), Fault> {
        let Piece { partition, from, until } = piece;
        let readable = keys_of(stream)?.subject().gone.by_events;
        let work = &mut stream.work;
        let Some(keys) = work.watch.as_deref_mut().and_then(|watch| watch.keys_mut()) else { return Ok(()) };
        let Gone { topic, keys: form, .. } = keys.subject().gone;
        let of = Route { topic: topic.index, partition };
        let mut taken = Ok(());
        let next = work.commits.writer.scan(of, from, until, PIECE_BYTES, |record| {
            if taken.is_ok() {
                let says = stored::says(record.key, record.value, readable);
                taken = keys.took(partition, record.offset, record.key.map(|key| form.comparable(key)), says);
            }
        });
        let next = next.await.map_err(unread)?;
        taken.and_then(|()| keys.read_to(partition, next)).map_err(too_many)
    }

    /// The second pass, once the table was read and the stream has passed that: tells of one piece what is gone. False: nothing is
    /// left.
    pub(super) async fn tell_gone<W: LogWriter>(&mut self, stream: &mut Stream<'_, W>) -> Result<bool, Fault> {
        let Some(piece) = keys_of(stream)?.next_told() else { return Ok(false) };
        let Piece { partition, from, until } = piece;
        let keys = keys_of(stream)?;
        let left = keys.left();
        let gone = keys.subject().gone;
        let of = Route { topic: gone.topic.index, partition };
        let mut missing: Vec<Missing> = Vec::new();
        let work = &mut stream.work;
        let Some(keys) = work.watch.as_deref_mut().and_then(|watch| watch.keys_mut()) else { return Ok(false) };
        let next = work.commits.writer.scan(of, from, until, PIECE_BYTES, |record| {
            if let (Some(key), Some(value)) = (record.key, record.value)
                && keys.is_left(partition, record.offset, gone.keys.comparable(key))
            {
                let value = if gone.by_events { value.to_vec() } else { Vec::new() };
                missing.push(Missing { key: key.to_vec(), value });
            }
        });
        let next = next.await.map_err(unread)?;
        if stream.work.watch.as_ref().and_then(|watch| watch.state().reconciled.as_ref()).is_none_or(|told| told.phase != "deletes") {
            let how = if gone.by_events { "by events with the old row" } else { "without the old row, which cannot be read back" };
            tracing::info!(connector = stream.context.config.name, keys = left, "keys of the topic are gone from the table: told {how}");
            note(stream, "deletes")?;
        }
        let at = position(stream);
        stream.work.encoder.set_now(now_ns());
        for Missing { key, value } in &missing {
            let Some((_, described)) = &mut self.source else { return Err(super::gone()) };
            let work = &mut stream.work;
            let (sink, counts) = work.commits.sink();
            let pushed = work.encoder.push_gone(&mut described.source.plan, &gone, (partition, key, value), &at, sink);
            pushed.map_err(|error| error.problem())?;
            counts.events += 1;
            counts.deletes += 1;
            keys_of(stream)?.told(partition, gone.keys.comparable(key));
            if stream.work.commits.bytes() >= COMMIT_BYTES_MAX {
                note(stream, "deletes")?;
                stream.hand_over().await?;
                if !stream.open_commit().await? {
                    return Ok(true);
                }
            }
        }
        keys_of(stream)?.told_to(partition, next);
        if !missing.is_empty() {
            note(stream, "deletes")?;
            stream.hand_over().await?;
        }
        Ok(true)
    }
}

/// Shows how far it is.
fn note<W: LogWriter>(stream: &mut Stream<'_, W>, phase: &str) -> Result<(), Problem> {
    let keys = keys_of(stream)?;
    let (keys, deleted) = (if keys.is_whole() { keys.lived() } else { keys.left() }, keys.deleted());
    watch_of(stream)?.state_mut().reconciled = Some(Reconciled { phase: phase.to_owned(), keys, deleted });
    Ok(())
}
