//! What is sent to the server for a batch: before the fence, and behind it.
//!
//! Pure. Promises that everything behind the fence is one atomic unit with the watermark.

use std::collections::{BTreeMap, BTreeSet};

use redis::{Cmd, Pipeline};

use super::applied;
use super::batch::{Batch, Changed, Write};
use super::settings::{Action, Settings};
use crate::change::Lsn;
use crate::change::progress::Visibility;

/// More keys than this are several commands of one unit: the server does others' between those of a plain pipeline.
const KEYS_MAX: usize = 500;

/// How commands are written.
pub struct Writer<'a> {
    /// The subscription's.
    pub settings: &'a Settings,
    /// The library is there.
    pub functions: bool,
    /// In plain mode: the namespace's generation.
    pub generation: &'a str,
    /// A snapshot, for whole transaction numbers; none: they are not told.
    pub seen: Option<&'a Visibility>,
}

impl Writer<'_> {
    /// A key as it is stored in plain mode.
    pub fn physical(&self, key: &str) -> String {
        physical(&self.settings.namespace, self.generation, key)
    }

    /// Before the fence: what is certainly not right any more is gone at once.
    pub fn before(&self, batch: &Batch) -> Pipeline {
        let mut pipeline = redis::pipe();
        self.invalidate(&mut pipeline, batch.keys.iter(), Lsn(0));
        self.bump(&mut pipeline, batch.tags.keys(), batch.lsn);
        pipeline
    }

    /// Behind the fence: the same once more, values that may be seen now, and the watermark, in one unit.
    pub fn behind(&self, batches: &[Batch], fence: Lsn, watermark: &[(String, String)], name: &str) -> Pipeline {
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        let mut keys: BTreeMap<&String, Changed> = BTreeMap::new();
        for (key, changed) in batches.iter().flat_map(|batch| &batch.keys) {
            match keys.get_mut(key) {
                None => drop(keys.insert(key, changed.clone())),
                Some(known) => known.xids.extend(changed.xids.iter().filter(|xid| !known.xids.contains(xid)).copied().collect::<Vec<_>>()),
            }
        }
        // A position of 0 would mean that the fence is not passed.
        self.invalidate(&mut pipeline, keys.iter().map(|(key, changed)| (*key, changed)), fence.max(Lsn(1)));
        let lsn = batches.iter().map(|batch| batch.lsn).max().unwrap_or_default();
        let tags: BTreeSet<&String> = batches.iter().flat_map(|batch| batch.tags.keys()).collect();
        self.bump(&mut pipeline, tags.into_iter(), lsn);
        let gone: Vec<&String> = batches.iter().flat_map(|batch| &batch.gone).collect();
        if self.functions && self.settings.action == Action::Add {
            pipeline.add_command(self.add(batches, &gone, watermark, name));
            return pipeline;
        }
        for write in batches.iter().flat_map(|batch| &batch.writes) {
            pipeline.add_command(self.write(write));
        }
        if !gone.is_empty() {
            pipeline.cmd("HDEL").arg(applied::key(name)).arg(gone);
        }
        if !watermark.is_empty() {
            let mut command = if self.functions { redis::cmd("FCALL") } else { redis::cmd("HSET") };
            if self.functions {
                command.arg("rowfeed_applied").arg(1);
            }
            command.arg(applied::key(name));
            for (field, value) in watermark {
                command.arg(field).arg(value);
            }
            pipeline.add_command(command);
        }
        pipeline
    }

    /// The streams that entries are added to, each once.
    pub fn streams<'b>(&self, batches: &'b [Batch]) -> BTreeSet<&'b String> {
        let writes = batches.iter().filter(|_| self.settings.action == Action::Add).flat_map(|batch| &batch.writes);
        writes.map(|write| &write.key).collect()
    }

    /// Entries and the watermark in one function: the server goes on behind a command of a unit that fails, and would keep the watermark.
    fn add(&self, batches: &[Batch], gone: &[&String], watermark: &[(String, String)], name: &str) -> Cmd {
        let writes: Vec<&Write> = batches.iter().flat_map(|batch| &batch.writes).collect();
        let mut command = redis::cmd("FCALL");
        command.arg("rowfeed_add").arg(writes.len() + 1).arg(applied::key(name));
        for write in &writes {
            command.arg(&write.key);
        }
        command.arg(self.settings.length).arg(gone.len()).arg(gone).arg(watermark.len() * 2);
        for (field, value) in watermark {
            command.arg(field).arg(value);
        }
        for write in writes {
            command.arg(&write.cause.topic.name).arg(write.cause.partition).arg(write.cause.offset);
            command.arg(write.value.as_deref().unwrap_or_default());
        }
        command
    }

    fn invalidate<'k>(&self, pipeline: &mut Pipeline, keys: impl Iterator<Item = (&'k String, &'k Changed)>, fence: Lsn) {
        let Action::Invalidate { unlink } = self.settings.action else { return };
        let all: Vec<_> = keys.collect();
        for some in all.chunks(KEYS_MAX) {
            if self.functions {
                let ms = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
                let mut command = redis::cmd("FCALL");
                command.arg("rowfeed_invalidate").arg(some.len());
                for (key, _) in some {
                    command.arg(*key);
                }
                command.arg(&self.settings.namespace).arg(ms(self.settings.keep)).arg(ms(self.settings.stale)).arg(fence.0);
                for (_, changed) in some {
                    command.arg(self.xids(&changed.xids));
                }
                pipeline.add_command(command);
            } else if self.settings.tombstone.is_zero() {
                let mut command = redis::cmd(if unlink { "UNLINK" } else { "DEL" });
                for (key, _) in some {
                    command.arg(self.physical(key));
                }
                pipeline.add_command(command);
            } else {
                for (key, _) in some {
                    let ms = u64::try_from(self.settings.tombstone.as_millis()).unwrap_or(u64::MAX);
                    pipeline.cmd("SET").arg(self.physical(key)).arg("").arg("PX").arg(ms);
                }
            }
        }
    }

    /// Whole numbers, which do not wrap.
    fn xids(&self, xids: &[u32]) -> String {
        let Some(seen) = self.seen else { return String::new() };
        xids.iter().map(|xid| seen.whole(*xid).to_string()).collect::<Vec<_>>().join(",")
    }

    fn bump<'k>(&self, pipeline: &mut Pipeline, tags: impl Iterator<Item = &'k String>, lsn: Lsn) {
        let keys: Vec<String> = tags.map(|tag| generation_key(&self.settings.namespace, tag)).collect();
        for some in keys.chunks(KEYS_MAX) {
            if self.functions {
                pipeline.add_command(bump(some, lsn));
            } else {
                for key in some {
                    pipeline.cmd("INCR").arg(key);
                }
            }
        }
    }

    fn write(&self, write: &Write) -> Cmd {
        let ms = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let settings = self.settings;
        let value = write.value.as_deref().unwrap_or_default();
        match settings.action {
            Action::Publish => {
                let mut command = redis::cmd("PUBLISH");
                command.arg(&write.key).arg(value);
                command
            }
            Action::Add => {
                let mut command = redis::cmd("XADD");
                command.arg(&write.key).arg("MAXLEN").arg("~").arg(settings.length).arg("*");
                command.arg("topic").arg(&write.cause.topic.name).arg("partition").arg(write.cause.partition);
                command.arg("offset").arg(write.cause.offset).arg("value").arg(value);
                command
            }
            Action::Set | Action::Invalidate { .. } if self.functions => {
                let mut command = redis::cmd("FCALL");
                command.arg("rowfeed_put").arg(1).arg(&write.key).arg(&settings.namespace).arg(&write.version);
                command.arg(ms(settings.ttl)).arg(ms(settings.keep));
                if let Some(value) = &write.value {
                    command.arg(value);
                }
                command
            }
            Action::Set | Action::Invalidate { .. } => {
                let key = self.physical(&write.key);
                let mut command = redis::cmd(if write.value.is_some() { "SET" } else { "DEL" });
                command.arg(key);
                if write.value.is_some() {
                    command.arg(value);
                    if !settings.ttl.is_zero() {
                        command.arg("PX").arg(ms(settings.ttl));
                    }
                }
                command
            }
        }
    }
}

/// Counts generations up.
pub fn bump(keys: &[String], lsn: Lsn) -> Cmd {
    let mut command = redis::cmd("FCALL");
    command.arg("rowfeed_bump").arg(keys.len()).arg(keys).arg(lsn.0);
    command
}

/// Takes keys away whose changes are not known; fills that began before are refused, also those of keys that are not named.
pub fn forget(keys: &[Vec<u8>], name: &str) -> Cmd {
    let mut command = redis::cmd("FCALL");
    command.arg("rowfeed_forget").arg(keys.len()).arg(keys).arg(name);
    command
}

/// A key behind its namespace and generation.
pub fn physical(namespace: &str, generation: &str, key: &str) -> String {
    if namespace.is_empty() { key.to_owned() } else { format!("{namespace}:{generation}:{key}") }
}

/// The key of a tag's generation.
pub fn generation_key(namespace: &str, tag: &str) -> String {
    if namespace.is_empty() { format!("gen:{tag}") } else { format!("{namespace}:gen:{tag}") }
}
