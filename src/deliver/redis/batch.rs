//! What records ask of the cache, gathered: keys, tags, values, and what must be visible before that counts.
//!
//! Pure. A batch goes the way in order: read, phase 0 (before the fence), the fence, phase 1 (behind it, with the watermark). Promises that
//! each key stands in a batch once, with all transactions that touched it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::OwnedSemaphorePermit;

use super::rules::{Rule, pattern};
use super::settings::{Action, Settings};
use crate::change::Lsn;
use crate::change::progress::Visibility;
use crate::event::{Event, Judgement, Kind, Op, Show, View};
use crate::log::topic::TopicInfo;
use crate::problem::Problem;

/// Where a change of a key came from.
#[derive(Clone, Debug)]
pub struct Cause {
    /// The topic.
    pub topic: Arc<TopicInfo>,
    /// The partition.
    pub partition: u32,
    /// The offset.
    pub offset: u64,
    /// The transaction.
    pub xid: Option<u32>,
    /// The change's position.
    pub lsn: Lsn,
    /// When it was committed, microseconds since 1970.
    pub commit_us: i64,
    /// SQL that gives what the key should hold, where it is to be inspected.
    pub inspect: Option<String>,
}

/// A key that changed.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The transactions, oldest first.
    pub xids: Vec<u32>,
    /// The newest change.
    pub cause: Cause,
}

/// A value to be written.
#[derive(Clone, Debug)]
pub struct Write {
    /// The key, channel or stream.
    pub key: String,
    /// The row; none: it is gone.
    pub value: Option<Vec<u8>>,
    /// What orders it among all values of the key.
    pub version: String,
    /// Where it came from.
    pub cause: Cause,
}

/// Records on their way.
#[derive(Debug, Default)]
pub struct Batch {
    /// Keys to be taken away.
    pub keys: BTreeMap<String, Changed>,
    /// Generations to be counted up.
    pub tags: BTreeMap<String, Lsn>,
    /// Values to be written, in order.
    pub writes: Vec<Write>,
    /// Why all keys are doubted; empty: they are not.
    pub doubts: Vec<String>,
    /// Patterns of keys of tables that were emptied.
    pub emptied: Vec<String>,
    /// Patterns of their tags.
    pub emptied_tags: Vec<String>,
    /// Transactions that must be visible.
    pub xids: Vec<u32>,
    /// A change does not tell its transaction (flat rows, tombstones): all that are running must be over.
    pub blind: bool,
    /// A number above all of those.
    pub floor: Option<u64>,
    /// The newest change.
    pub lsn: Lsn,
    /// The first of a run: the server hears of it whatever is in it.
    pub begins: bool,
    /// Where each partition goes on behind it, by place.
    pub next: BTreeMap<usize, u64>,
    /// The greatest major version in it.
    pub version: u64,
    /// Fields of the watermark that mean nothing any more.
    pub gone: Vec<String>,
    /// Suspects that are over.
    pub cleared: Vec<u64>,
    /// Changes that count.
    pub changes: u64,
    /// Changes that do not.
    pub filtered: u64,
    /// An old key was not known.
    pub unknown: u64,
    /// When the log had nothing more behind it.
    pub caught_up: Option<Instant>,
    /// When phase 0 was done, milliseconds since 1970.
    pub deleted_ms: i64,
    /// Its share of what may be on the way.
    pub share: Option<OwnedSemaphorePermit>,
}

/// What is remembered from batch to batch while reading.
#[derive(Debug, Default)]
pub struct Reading {
    /// The greatest major version so far: versions never go back.
    pub version: u64,
    /// Snapshots that were told as a doubt, by topic: the position of their rows.
    snapshots: BTreeMap<u32, Lsn>,
    /// Changes seen, for the inspector.
    seen: u64,
    /// Where the tombstone of the newest delete would stand, by topic and partition.
    deleted: BTreeMap<(u32, u32), u64>,
}

impl Reading {
    /// Goes on behind a version.
    pub fn from(version: u64) -> Self {
        Self { version, ..Self::default() }
    }
}

impl Batch {
    /// Whether there is anything to do but to go on.
    pub fn is_idle(&self) -> bool {
        self.keys.is_empty()
            && self.tags.is_empty()
            && self.writes.is_empty()
            && self.doubts.is_empty()
            && self.emptied.is_empty()
            && self.emptied_tags.is_empty()
    }

    /// How much it weighs among what is on the way.
    pub fn weight(&self) -> usize {
        self.keys.len() + self.tags.len() + self.writes.len() + 1
    }

    /// All its transactions are visible in this snapshot.
    pub fn is_seen_by(&self, seen: &Visibility) -> bool {
        let floor = if self.blind { self.floor.is_some_and(|floor| seen.xmin >= floor) } else { true };
        floor && self.xids.iter().all(|xid| seen.sees(*xid))
    }

    /// Takes a record in.
    pub fn take(
        &mut self,
        event: &Event<'_>,
        judgement: Judgement,
        topic: &Arc<TopicInfo>,
        settings: &Settings,
        reading: &mut Reading,
    ) -> Result<(), Problem> {
        match event.kind() {
            Kind::Change | Kind::Row => {}
            // Behind a delete it says nothing new; of flat rows it is the delete.
            Kind::Tombstone if reading.deleted.remove(&(topic.index.0, event.partition)) == Some(event.offset) => return Ok(()),
            Kind::Tombstone => {}
            Kind::Other | Kind::Unreadable => {
                return Err(Problem::fail("cache/unreadable", format!("records of {} are no rows in JSON", event.topic))
                    .at(format!("{}/{} at {}", event.topic, event.partition, event.offset))
                    .fix("let its connector write JSON (value.converter), or leave the topic out"));
            }
        }
        if judgement == Judgement::No {
            self.filtered += 1;
            return Ok(());
        }
        if event.op() == Some(Op::Delete) {
            reading.deleted.insert((topic.index.0, event.partition), event.offset + 1);
        }
        let rule = settings.rules.of(event);
        let lsn = event.lsn().unwrap_or_default();
        self.lsn = self.lsn.max(lsn);
        if event.op() == Some(Op::Read) && settings.invalidates() && is_of_a_whole_snapshot(event) {
            // Its rows are as old as the snapshot; what it does not tell is what was deleted before.
            if reading.snapshots.insert(topic.index.0, lsn) != Some(lsn) {
                self.doubts.push(format!("{} was read anew: what was deleted meanwhile is not known", event.topic));
            }
            return Ok(());
        }
        let touched = rule.touched(event)?;
        if let Some(xid) = event.tx_id().filter(|xid| !self.xids.contains(xid)) {
            self.xids.push(xid);
        }
        reading.version = reading.version.max(event.previous_commit_lsn().unwrap_or(lsn).0);
        self.version = reading.version;
        if touched.emptied {
            self.blind |= event.tx_id().is_none();
            self.changes += 1;
            self.empty(rule, event, settings);
            return Ok(());
        }
        if touched.new.is_empty() && touched.old.is_empty() && touched.tags.is_empty() {
            self.filtered += 1;
            return Ok(());
        }
        // A row of a snapshot was visible when it was read.
        self.blind |= event.tx_id().is_none() && event.op() != Some(Op::Read);
        self.changes += 1;
        self.unknown += u64::from(touched.unknown);
        reading.seen += 1;
        let inspected = reading.seen.is_multiple_of(settings.inspect_one_in);
        let inspect = settings.inspect.as_ref().filter(|_| inspected).and_then(|template| super::inspector::sql(template, event));
        let cause = Cause {
            topic: Arc::clone(topic),
            partition: event.partition,
            offset: event.offset,
            xid: event.tx_id(),
            lsn,
            commit_us: committed_us(event),
            inspect,
        };
        for tag in touched.tags {
            let newest = self.tags.entry(tag).or_default();
            *newest = (*newest).max(lsn);
        }
        match settings.action {
            Action::Invalidate { .. } => touched.new.into_iter().chain(touched.old).for_each(|key| self.invalidate(key, &cause)),
            Action::Set => {
                let version = format!("{:016x}{:016x}", reading.version, cause.offset);
                let value = if touched.new.is_empty() { None } else { written(event, settings.view) };
                let gone = touched.old.into_iter().map(|key| (key, None));
                let all = gone.chain(touched.new.into_iter().map(|key| (key, value.clone())));
                self.writes.extend(all.map(|(key, value)| Write { key, value, version: version.clone(), cause: cause.clone() }));
            }
            Action::Publish | Action::Add => {
                let names = if event.after().is_some() { touched.new } else { touched.old };
                let value = written(event, settings.view);
                let all = names.into_iter().filter(|_| value.is_some());
                self.writes.extend(all.map(|key| Write { key, value: value.clone(), version: String::new(), cause: cause.clone() }));
            }
        }
        Ok(())
    }

    fn invalidate(&mut self, key: String, cause: &Cause) {
        let changed = self.keys.entry(key).or_insert_with(|| Changed { xids: Vec::new(), cause: cause.clone() });
        changed.xids.extend(cause.xid.filter(|xid| !changed.xids.contains(xid)));
        changed.cause = cause.clone();
    }

    /// All rows of a table are gone: which keys they had is not known, but what they look like.
    fn empty(&mut self, rule: &Rule, event: &Event<'_>, settings: &Settings) {
        match settings.action {
            Action::Publish | Action::Add => {}
            Action::Invalidate { .. } | Action::Set if !settings.namespace.is_empty() => {
                self.doubts.push(format!("{} was emptied", event.topic));
            }
            Action::Invalidate { .. } | Action::Set => {
                self.emptied.extend(rule.keys.iter().map(pattern));
                self.emptied_tags.extend(rule.tags.iter().map(pattern));
            }
        }
    }
}

/// The row in a view; none: there is nothing to say of it.
fn written(event: &Event<'_>, view: View) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    view.write(event, &Show::default(), &mut out).then_some(out)
}

/// When the change was committed, microseconds since 1970.
fn committed_us(event: &Event<'_>) -> i64 {
    let exact = event.source_value("ts_us").and_then(|us| us.unsigned()).and_then(|us| i64::try_from(us).ok());
    exact.unwrap_or_else(|| event.commit_ms().unwrap_or(event.timestamp_ms).saturating_mul(1000))
}

/// A row of a snapshot of whole tables, as a connector takes it at its beginning or when it begins anew. One of an incremental
/// snapshot is told beside the stream, in order with it.
fn is_of_a_whole_snapshot(event: &Event<'_>) -> bool {
    let mark = event.source_value("snapshot").and_then(|mark| mark.text().map(|text| text.into_owned()));
    !matches!(mark.as_deref(), Some("incremental" | "false"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(xmin: u64, xmax: u64, running: &[u64]) -> Visibility {
        Visibility { xmin, xmax, running: running.to_vec() }
    }

    #[test]
    fn a_batch_passes_when_all_its_transactions_are_visible() {
        let batch = Batch { xids: vec![7, 9], ..Batch::default() };
        assert!(!batch.is_seen_by(&seen(7, 10, &[7])));
        assert!(!batch.is_seen_by(&seen(8, 10, &[9])));
        assert!(batch.is_seen_by(&seen(8, 10, &[8])));
        // Numbers wrap: 7 is of the second epoch.
        let epoch = 1u64 << 32;
        assert!(!batch.is_seen_by(&seen(epoch + 7, epoch + 10, &[epoch + 7])));
        assert!(batch.is_seen_by(&seen(epoch + 10, epoch + 10, &[])));
        // Its commit is written and it is not over: a snapshot ends behind the newest one that is.
        assert!(!batch.is_seen_by(&seen(7, 7, &[])));
        assert!(Batch::default().is_seen_by(&seen(3, 3, &[])));
        // Changes that do not tell their transactions wait for all that were running.
        let blind = |floor| Batch { blind: true, floor, ..Batch::default() };
        assert!(!blind(None).is_seen_by(&seen(9, 9, &[])) && !blind(Some(9)).is_seen_by(&seen(8, 9, &[8])));
        assert!(blind(Some(9)).is_seen_by(&seen(9, 9, &[])));
    }
}
