//! The `source` block: where a change comes from.

use crate::change::Position;
use crate::encode::json;
use crate::encode::plan::EventSettings;

/// The block of one table, in parts that change with the table, the transaction and the event.
#[derive(Debug)]
pub struct SourceBlock {
    /// `{"version":` up to the value of `ts_ms`.
    start: Box<[u8]>,
    /// `,"db":...,"sequence":"[`.
    db: Box<[u8]>,
    /// `,"schema":...,"table":...,"txId":`.
    table: Box<[u8]>,
    epoch: Option<u64>,
    /// What is the same for all rows of a transaction: up to the event's LSN in `sequence`.
    head: Vec<u8>,
    /// Between that and the LSN itself.
    middle: Vec<u8>,
    /// Behind it.
    tail: Vec<u8>,
}

/// `sequence` inside its brackets, up to the event's own position.
pub fn begin_sequence(out: &mut Vec<u8>, at: &Position) {
    match at.previous_commit {
        Some(lsn) => {
            out.extend_from_slice(b"\\\"");
            json::integer(out, lsn.0);
            out.extend_from_slice(b"\\\"");
        }
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\\\"");
}

fn text(value: &str) -> Vec<u8> {
    let mut out = Vec::new();
    json::string(&mut out, value.as_bytes());
    out
}

impl SourceBlock {
    /// The block of a table; of messages both names are empty.
    pub fn new(settings: &EventSettings, schema: &str, table: &str) -> Self {
        let parts = |parts: &[&[u8]]| parts.concat().into();
        Self {
            start: parts(&[
                b"{\"version\":",
                &text(&settings.version),
                b",\"connector\":\"postgresql\",\"name\":",
                &text(&settings.topic_prefix),
                b",\"ts_ms\":",
            ]),
            db: parts(&[b"\",\"db\":", &text(&settings.database), b",\"sequence\":\"["]),
            table: parts(&[b",\"schema\":", &text(schema), b",\"table\":", &text(table), b",\"txId\":"]),
            epoch: None,
            head: Vec::new(),
            middle: Vec::new(),
            tail: Vec::new(),
        }
    }

    /// What is the same in every event of the table, by name, as JSON.
    pub fn constants(settings: &EventSettings, schema: &str, table: &str) -> Vec<(&'static str, Box<[u8]>)> {
        [
            ("version", settings.version.as_str()),
            ("connector", "postgresql"),
            ("name", &settings.topic_prefix),
            ("db", &settings.database),
            ("schema", schema),
            ("table", table),
        ]
        .map(|(name, value)| (name, text(value).into()))
        .into()
    }

    /// Appends the block.
    #[inline]
    pub fn write(&mut self, out: &mut Vec<u8>, at: &Position) {
        if self.epoch != Some(at.epoch) {
            self.refresh(at);
        }
        let mut buffer = itoa::Buffer::new();
        let lsn = buffer.format(at.lsn.0).as_bytes();
        out.extend_from_slice(&self.head);
        out.extend_from_slice(lsn);
        out.extend_from_slice(&self.middle);
        out.extend_from_slice(if at.told_lsn().is_some() { lsn } else { b"null" });
        out.extend_from_slice(&self.tail);
    }

    /// Writes again what a new transaction (or snapshot mark) changes.
    fn refresh(&mut self, at: &Position) {
        self.epoch = Some(at.epoch);
        let head = &mut self.head;
        head.clear();
        head.extend_from_slice(&self.start);
        json::integer(head, at.commit_time_us.div_euclid(1000));
        head.extend_from_slice(b",\"snapshot\":\"");
        head.extend_from_slice(at.snapshot.text().as_bytes());
        head.extend_from_slice(&self.db);
        begin_sequence(head, at);
        let middle = &mut self.middle;
        middle.clear();
        middle.extend_from_slice(b"\\\"]\",\"ts_us\":");
        json::integer(middle, at.commit_time_us);
        middle.extend_from_slice(b",\"ts_ns\":");
        json::integer(middle, at.commit_time_us.saturating_mul(1000));
        middle.extend_from_slice(&self.table);
        json::maybe_integer(middle, at.xid);
        middle.extend_from_slice(b",\"lsn\":");
        let tail = &mut self.tail;
        tail.clear();
        tail.extend_from_slice(b",\"xmin\":");
        json::maybe_integer(tail, at.xmin);
        tail.extend_from_slice(b",\"origin\":null,\"origin_lsn\":null}");
    }
}
