//! Where to resume without a gap or a repeat: the checkpoint, written as one record beside the events it covers.
//!
//! The position is **(commit, index in the transaction)**, never an LSN of a row: several rows share one. Transactions
//! arrive in the order of their commit records, so a transaction was seen exactly when its commit record's LSN
//! (`final_lsn` of Begin) is not above the last published one. The record's value is Debezium's offset JSON with our own
//! fields under `rowfeed`, so a Debezium connector could go on from it (with Debezium's guarantees).

use serde_json::{Value, json};

use super::asked::Asked;
use super::incremental::Incremental;
use super::inherited::{self, Inherited};
use super::lsn::Lsn;
use super::progress::Progress;
use super::transaction::TransactionCounts;

/// How many commits the ring remembers.
pub const RING_COMMITS: usize = 16;

/// Where Debezium keeps what it counted of an open transaction.
const TRANSACTION_ID: &str = "transaction_id";
const TRANSACTION_COUNT: &str = "transaction_data_collection_order_";

/// A published commit, as PostgreSQL described it: a restored database describes another one at the same place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint {
    /// LSN of the commit record.
    pub final_lsn: Lsn,
    /// End of the commit record.
    pub end_lsn: Lsn,
    /// The transaction.
    pub xid: u32,
    /// Commit time, microseconds since 1970.
    pub time_us: i64,
}

/// A transaction of which only the beginning is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartialTransaction {
    /// LSN of its commit record.
    pub final_lsn: Lsn,
    /// The transaction.
    pub xid: u32,
    /// How many of its row messages, as received, are published: a changed filter cannot shift the count.
    pub rows: u64,
}

/// The slot a checkpoint belongs to: a recreated slot or another cluster is noticed, not trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotIdentity {
    /// The slot's name.
    pub name: String,
    /// `IDENTIFY_SYSTEM`'s system id.
    pub system_id: String,
    /// Its timeline.
    pub timeline: u32,
}

/// Where to resume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// Everything before this is published or of no interest: safe to confirm to PostgreSQL.
    pub flush_lsn: Lsn,
    /// Commit record of the last transaction published whole.
    pub final_lsn: Lsn,
    /// End of that commit record.
    pub end_lsn: Lsn,
    /// A transaction cut by a commit of the log.
    pub partial: Option<PartialTransaction>,
    /// The transaction in which a Debezium stopped whose place was taken.
    pub inherited: Option<Inherited>,
    /// What the events of that transaction told of their places in it, when they tell.
    pub transaction: Option<TransactionCounts>,
    /// The newest message outside transactions that is published.
    pub message_lsn: Lsn,
    /// The snapshot that must be finished before streaming counts as begun.
    pub snapshot_pending: bool,
    /// How far a snapshot is that can be gone on with.
    pub progress: Option<Progress>,
    /// Snapshots that are asked for and not taken yet.
    pub asked: Vec<Asked>,
    /// The newest signal that came from a topic of Apache Kafka: its offset there.
    pub signal_offset: Option<i64>,
    /// So many lines of the file of signals were acted on.
    pub signal_lines: u64,
    /// How far an incremental snapshot is.
    pub incremental: Option<Incremental>,
    /// Which tables were followed, as the configuration writes it: the rows of those that it adds later are to be read.
    pub tables: Option<String>,
    /// Transactions whose commit record is before this are in the snapshot, not in the stream.
    pub snapshot_lsn: Lsn,
    /// Whose position this is.
    pub slot: SlotIdentity,
    /// The newest commits, oldest first, at most [`RING_COMMITS`].
    pub ring: Vec<Fingerprint>,
    /// LSN of the last event.
    pub lsn: Lsn,
    /// Transaction of the last event.
    pub xid: u32,
    /// Commit time of the last event, microseconds since 1970.
    pub time_us: i64,
}

/// The stored value is not a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored position is neither rowfeed's nor one of Debezium that can be gone on from: {0}")]
pub struct NotACheckpoint(pub String);

impl Checkpoint {
    /// Remembers a commit.
    pub fn remember(&mut self, commit: Fingerprint) {
        if self.ring.len() == RING_COMMITS {
            self.ring.remove(0);
        }
        self.ring.push(commit);
    }

    /// The record's key, as Kafka Connect writes it: `["<connector>",{"server":"<topic.prefix>"}]`.
    pub fn key(connector: &str, topic_prefix: &str) -> Vec<u8> {
        json!([connector, { "server": topic_prefix }]).to_string().into_bytes()
    }

    /// Appends the record's value.
    pub fn write(&self, out: &mut Vec<u8>) {
        use std::io::Write;
        // Writing to a Vec does not fail.
        let _ = write!(
            out,
            "{{\"lsn_proc\":{0},\"lsn_commit\":{1},\"lsn\":{0},\"txId\":{2},\"ts_usec\":{3}",
            self.lsn.0, self.end_lsn.0, self.xid, self.time_us
        );
        if self.snapshot_pending {
            let _ = write!(out, ",\"snapshot\":\"INITIAL\",\"snapshot_completed\":false");
        }
        let open = self.partial.map(|partial| partial.xid).or(self.inherited.map(|inherited| inherited.xid));
        if let (Some(xid), Some(counts)) = (open, &self.transaction) {
            let _ = write!(out, ",\"{TRANSACTION_ID}\":\"{xid}\"");
            for (table, events) in counts.tables() {
                let _ = write!(out, ",{}:{events}", Quoted(&format!("{TRANSACTION_COUNT}{table}")));
            }
        }
        let _ = write!(
            out,
            ",\"rowfeed\":{{\"version\":1,\"flush\":\"{}\",\"final\":\"{}\",\"end\":\"{}\",\"message\":\"{}\",\"snapshot\":\"{}\",\"slot\":{},\"system\":{},\"timeline\":{}",
            self.flush_lsn,
            self.final_lsn,
            self.end_lsn,
            self.message_lsn,
            self.snapshot_lsn,
            Quoted(&self.slot.name),
            Quoted(&self.slot.system_id),
            self.slot.timeline
        );
        if let Some(partial) = &self.partial {
            let _ = write!(out, ",\"partial\":{{\"final\":\"{}\",\"xid\":{},\"rows\":{}}}", partial.final_lsn, partial.xid, partial.rows);
        }
        if let Some(Inherited { xid, lsn, rows, first, update }) = &self.inherited {
            let _ = write!(out, ",\"inherited\":{{\"xid\":{xid},\"lsn\":\"{lsn}\",\"rows\":{rows},\"first\":{first},\"update\":{update}}}");
        }
        if let Some(progress) = &self.progress {
            let _ = write!(out, ",\"progress\":{}", progress.to_json());
        }
        if !self.asked.is_empty() {
            let _ = write!(out, ",\"asked\":{}", Value::Array(self.asked.iter().map(Asked::to_json).collect()));
        }
        if let Some(offset) = self.signal_offset {
            let _ = write!(out, ",\"signal_offset\":{offset}");
        }
        if self.signal_lines > 0 {
            let _ = write!(out, ",\"signal_lines\":{}", self.signal_lines);
        }
        if let Some(incremental) = &self.incremental {
            let _ = write!(out, ",\"incremental\":{}", incremental.to_json());
        }
        if let Some(tables) = &self.tables {
            let _ = write!(out, ",\"tables\":{}", Quoted(tables));
        }
        out.extend_from_slice(b",\"ring\":\"");
        for commit in &self.ring {
            let _ = write!(
                out,
                "{:x}.{:x}.{:x}.{:x};",
                commit.final_lsn.0,
                commit.end_lsn.0 - commit.final_lsn.0.min(commit.end_lsn.0),
                commit.xid,
                commit.time_us
            );
        }
        out.extend_from_slice(b"\"}}");
    }

    /// The slot is believed although it is ahead: what it passed over does not come, and is not waited for.
    pub fn follow_slot(&mut self, confirmed: Lsn) {
        self.flush_lsn = self.flush_lsn.max(confirmed);
        self.inherited = None;
        self.partial = self.partial.take().filter(|partial| partial.final_lsn >= confirmed);
        if self.partial.is_none() {
            self.transaction = None;
        }
    }

    /// Reads a record's value, one of Debezium itself included.
    pub fn parse(value: &[u8]) -> Result<Self, NotACheckpoint> {
        let bad = |what: &str| NotACheckpoint(what.to_owned());
        let value: Value = serde_json::from_slice(value).map_err(|error| NotACheckpoint(error.to_string()))?;
        let Some(own) = value.get("rowfeed") else { return inherited::checkpoint(&value) };
        let lsn = |name: &str| {
            own.get(name)
                .and_then(Value::as_str)
                .and_then(|text| text.parse::<Lsn>().ok())
                .ok_or_else(|| NotACheckpoint(format!("no {name}")))
        };
        let text = |name: &str| own.get(name).and_then(Value::as_str).map(str::to_owned).unwrap_or_default();
        let number = |of: &Value, name: &str| of.get(name).and_then(Value::as_u64).unwrap_or_default();
        let partial = match own.get("partial") {
            Some(partial) => Some(PartialTransaction {
                final_lsn: partial
                    .get("final")
                    .and_then(Value::as_str)
                    .and_then(|text| text.parse().ok())
                    .ok_or_else(|| bad("a partial transaction without commit"))?,
                xid: number(partial, "xid") as u32,
                rows: number(partial, "rows"),
            }),
            None => None,
        };
        let inherited = match own.get("inherited") {
            Some(inherited) => Some(Inherited {
                xid: number(inherited, "xid") as u32,
                lsn: inherited
                    .get("lsn")
                    .and_then(Value::as_str)
                    .and_then(|text| text.parse().ok())
                    .ok_or_else(|| bad("an inherited transaction without place"))?,
                rows: number(inherited, "rows"),
                first: inherited.get("first").and_then(Value::as_bool).unwrap_or_default(),
                update: inherited.get("update").and_then(Value::as_bool).unwrap_or_default(),
            }),
            None => None,
        };
        let progress = match own.get("progress") {
            Some(progress) => Some(Progress::from_json(progress).ok_or_else(|| bad("a damaged progress of the snapshot"))?),
            None => None,
        };
        let asked = match own.get("asked").and_then(Value::as_array) {
            Some(asked) => asked.iter().map(Asked::from_json).collect::<Option<_>>().ok_or_else(|| bad("a damaged request"))?,
            None => Vec::new(),
        };
        let incremental = match own.get("incremental") {
            Some(incremental) => {
                Some(Incremental::from_json(incremental).ok_or_else(|| bad("a damaged state of the incremental snapshot"))?)
            }
            None => None,
        };
        Ok(Self {
            flush_lsn: lsn("flush")?,
            final_lsn: lsn("final")?,
            end_lsn: lsn("end")?,
            transaction: parse_counts(&value).filter(|_| partial.is_some() || inherited.is_some()),
            partial,
            inherited,
            message_lsn: lsn("message")?,
            snapshot_pending: value.get("snapshot").is_some(),
            progress,
            asked,
            signal_offset: own.get("signal_offset").and_then(Value::as_i64),
            signal_lines: number(own, "signal_lines"),
            incremental,
            tables: own.get("tables").and_then(Value::as_str).map(str::to_owned),
            snapshot_lsn: lsn("snapshot")?,
            slot: SlotIdentity { name: text("slot"), system_id: text("system"), timeline: number(own, "timeline") as u32 },
            ring: text("ring")
                .split_terminator(';')
                .map(parse_fingerprint)
                .collect::<Option<_>>()
                .ok_or_else(|| bad("a damaged ring of commits"))?,
            lsn: Lsn(number(&value, "lsn")),
            xid: number(&value, "txId") as u32,
            time_us: value.get("ts_usec").and_then(Value::as_i64).unwrap_or_default(),
        })
    }
}

pub(super) fn parse_counts(value: &Value) -> Option<TransactionCounts> {
    value.get(TRANSACTION_ID)?;
    let mut counts = TransactionCounts::default();
    for (name, events) in value.as_object()? {
        if let (Some(table), Some(events)) = (name.strip_prefix(TRANSACTION_COUNT), events.as_u64()) {
            counts.add(table, events);
        }
    }
    Some(counts)
}

fn parse_fingerprint(text: &str) -> Option<Fingerprint> {
    let mut parts = text.split('.').map(|part| u64::from_str_radix(part, 16).ok());
    let final_lsn = parts.next()??;
    let end_lsn = final_lsn.checked_add(parts.next()??)?;
    let (xid, time) = (parts.next()??, parts.next()??);
    Some(Fingerprint { final_lsn: Lsn(final_lsn), end_lsn: Lsn(end_lsn), xid: u32::try_from(xid).ok()?, time_us: time as i64 })
}

/// A JSON string.
struct Quoted<'a>(&'a str);

impl std::fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", Value::String(self.0.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn asked() -> Asked {
        let data = r#"{"type":"blocking","data-collections":["public.a","\"s\".\"b\""],
            "additional-conditions":[{"data-collection":"public.a","filter":"select '\"'"}]}"#;
        let asked = serde_json::json!({ "id": "s\"1", "data": serde_json::from_str::<Value>(data).expect("JSON") });
        Asked::from_json(&asked).expect("a request")
    }

    proptest! {
        #[test]
        fn a_checkpoint_comes_back_as_it_was_written(
            lsns in proptest::array::uniform6(any::<u64>()), xid: u32, time_us: i64, rows: u64, partial: bool, snapshot_pending: bool, counted: bool, inherited: bool,
            name in "[a-z_\"\\\\]{0,10}", commits in proptest::collection::vec((0u64..1 << 60, 0u64..1000, any::<u32>(), 0i64..1 << 60), 0..40),
        ) {
            let mut checkpoint = Checkpoint {
                flush_lsn: Lsn(lsns[0]), final_lsn: Lsn(lsns[1]), end_lsn: Lsn(lsns[2]), message_lsn: Lsn(lsns[3]), snapshot_lsn: Lsn(lsns[4]),
                partial: partial.then_some(PartialTransaction { final_lsn: Lsn(lsns[5]), xid, rows }), snapshot_pending, transaction: None,
                inherited: inherited.then_some(Inherited { xid, lsn: Lsn(lsns[1]), rows, first: partial, update: counted }),
                progress: partial.then(|| Progress { at: 3, first: 1, cursor: Some(vec!["7".into()]), ..Progress::default() }),
                asked: if counted { vec![asked()] } else { Vec::new() }, signal_offset: inherited.then_some(time_us),
                signal_lines: if partial { rows } else { 0 },
                tables: inherited.then(|| "[[\"\",\"\",\"public.a\",\"\"],true]".to_owned()),
                incremental: counted.then(|| Incremental { id: "s1".into(), cursor: Some(vec![None]), ..Incremental::default() }),
                slot: SlotIdentity { name, system_id: "7412".into(), timeline: 3 }, ring: Vec::new(), lsn: Lsn(lsns[5]), xid, time_us,
            };
            if (partial || inherited) && counted {
                let counts = checkpoint.transaction.get_or_insert_default();
                counts.add("public.a \"b\"", 1 + rows % 1000);
                counts.add("x.y", 2);
            }
            for (at, len, xid, time_us) in commits {
                checkpoint.remember(Fingerprint { final_lsn: Lsn(at), end_lsn: Lsn(at + len), xid, time_us });
            }
            prop_assert!(checkpoint.ring.len() <= RING_COMMITS);
            let mut out = Vec::new();
            checkpoint.write(&mut out);
            prop_assert_eq!(Checkpoint::parse(&out), Ok(checkpoint));
        }
    }

    #[test]
    fn the_key_is_kafka_connects() {
        assert_eq!(Checkpoint::key("inventory", "shop"), br#"["inventory",{"server":"shop"}]"#);
    }
}
