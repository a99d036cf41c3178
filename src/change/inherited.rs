//! Debezium's own offset, to go on from where it stopped.
//!
//! It names the last event that was delivered: its LSN, its transaction, what kind it was, and the end of the last commit
//! before. That is enough to know which transactions were delivered whole, and which rows of the open one, but for one thing:
//! several rows may share the LSN. Debezium before 3.7 does not say how many of them were delivered (and loses the rest when
//! it starts again). Here the first of them counts as delivered, the others are sent, perhaps again: nothing is lost.

use serde_json::Value;

use super::lsn::Lsn;
use super::position::{Checkpoint, NotACheckpoint, parse_counts};

/// The transaction in which Debezium stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inherited {
    /// The transaction.
    pub xid: u32,
    /// Its rows before this LSN were delivered.
    pub lsn: Lsn,
    /// So many of its rows at this LSN were delivered.
    pub rows: u64,
    /// Nothing was committed before it: whatever comes before it is in the snapshot.
    pub first: bool,
    /// The last row was an update: when it changed the key it is several records, of which perhaps not all were delivered.
    pub update: bool,
}

/// Reads an offset of Debezium's PostgreSQL connector.
pub(super) fn checkpoint(value: &Value) -> Result<Checkpoint, NotACheckpoint> {
    let number = |name: &str| value.get(name).and_then(Value::as_u64);
    let flag = |name: &str| value.get(name).and_then(Value::as_bool).unwrap_or_default();
    let lsn = number("lsn").ok_or_else(|| NotACheckpoint("it has no \"lsn\"".to_owned()))?;
    let running = |value: &Value| !matches!(value, Value::Null | Value::Bool(false));
    if value.get("incremental_snapshot_collections").is_some_and(running) {
        let text = "an incremental snapshot was not finished, and its rest would be lost: let Debezium finish it, or stop it by a signal";
        return Err(NotACheckpoint(text.to_owned()));
    }
    let commit = number("lsn_commit");
    let kind = value.get("messageType").and_then(Value::as_str);
    let xid = number("txId");
    // Where a commit ended, or where the snapshot was taken: transactions that committed before were delivered.
    let bound = commit.unwrap_or(lsn);
    let message = kind == Some("MESSAGE") && xid.is_none();
    let in_transaction = match kind {
        Some("COMMIT") => false,
        Some(_) => !message,
        // Before Debezium 2 the kind was not there; at the end of a snapshot it is not there yet.
        None => commit.is_some_and(|commit| commit != lsn),
    };
    let inherited = if in_transaction {
        let xid = xid.ok_or_else(|| NotACheckpoint("it has no \"txId\"".to_owned()))?;
        let rows = match (kind, number("lsn_events_processed")) {
            (_, Some(rows)) if rows > 0 => rows,
            (Some("BEGIN"), _) => 0,
            // One message for several tables, of which this is not the last.
            (Some("TRUNCATE"), _) if number("lsn_proc").is_some_and(|processed| processed != lsn) => 0,
            _ => 1,
        };
        Some(Inherited { xid: xid as u32, lsn: Lsn(lsn), rows, first: commit.is_none(), update: kind == Some("UPDATE") })
    } else {
        None
    };
    Ok(Checkpoint {
        flush_lsn: Lsn(bound),
        end_lsn: Lsn(commit.unwrap_or_default()),
        snapshot_lsn: Lsn(bound),
        transaction: inherited.and_then(|_| parse_counts(value)),
        inherited,
        // A message may begin where the commit before it ended.
        message_lsn: Lsn(if message { lsn } else { bound.saturating_sub(1) }),
        snapshot_pending: value.get("snapshot").is_some_and(running) && !flag("last_snapshot_record") && !flag("snapshot_completed"),
        lsn: Lsn(lsn),
        xid: xid.unwrap_or_default() as u32,
        time_us: value.get("ts_usec").and_then(Value::as_i64).unwrap_or_default(),
        ..Checkpoint::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(offset: &str) -> Result<Checkpoint, NotACheckpoint> {
        Checkpoint::parse(offset.as_bytes())
    }

    #[test]
    fn an_offset_says_which_transaction_is_open() {
        let row = read(r#"{"lsn_proc":120,"messageType":"INSERT","lsn_commit":100,"lsn":120,"txId":754,"ts_usec":5}"#).expect("an offset");
        assert_eq!(row.inherited, Some(Inherited { xid: 754, lsn: Lsn(120), rows: 1, first: false, update: false }));
        assert_eq!((row.snapshot_lsn, row.flush_lsn, row.end_lsn, row.message_lsn), (Lsn(100), Lsn(100), Lsn(100), Lsn(99)));
        assert_eq!((row.time_us, row.snapshot_pending), (5, false));
        let counted = read(r#"{"lsn_proc":1,"messageType":"INSERT","lsn_commit":1,"lsn":2,"txId":7,"lsn_events_processed":38}"#);
        assert_eq!(counted.expect("an offset of 3.7").inherited.map(|inherited| inherited.rows), Some(38));
        let truncate = read(r#"{"lsn_proc":1,"messageType":"TRUNCATE","lsn_commit":1,"lsn":2,"txId":7}"#).expect("an offset");
        assert_eq!(truncate.inherited.map(|inherited| inherited.rows), Some(0));
        let first = read(r#"{"lsn_proc":120,"messageType":"INSERT","lsn":120,"txId":754}"#).expect("an offset");
        assert!(first.inherited.is_some_and(|inherited| inherited.first));
        for whole in [
            r#"{"lsn_proc":120,"messageType":"COMMIT","lsn_commit":120,"lsn":120,"txId":754}"#,
            r#"{"lsn":120,"txId":754,"ts_usec":1,"snapshot":"INITIAL","last_snapshot_record":true,"snapshot_completed":false}"#,
        ] {
            let whole = read(whole).expect("an offset");
            assert_eq!((whole.inherited, whole.snapshot_lsn, whole.snapshot_pending), (None, Lsn(120), false));
        }
        let message = read(r#"{"lsn_proc":120,"messageType":"MESSAGE","lsn_commit":120,"lsn":120,"ts_usec":1}"#).expect("an offset");
        assert_eq!((message.inherited, message.message_lsn), (None, Lsn(120)));
    }

    #[test]
    fn what_cannot_be_gone_on_from_is_told() {
        let running = read(r#"{"lsn":120,"txId":754,"snapshot":"INITIAL","last_snapshot_record":false,"snapshot_completed":false}"#);
        assert!(running.expect("an offset").snapshot_pending);
        for (offset, why) in [
            (r#"{"pos":4}"#, "no \"lsn\""),
            (r#"{"lsn":120,"messageType":"INSERT"}"#, "no \"txId\""),
            (r#"{"lsn":1,"messageType":"COMMIT","incremental_snapshot_collections":"[{\"id\":1}]"}"#, "incremental snapshot"),
        ] {
            assert!(read(offset).expect_err(offset).to_string().contains(why), "{offset}");
        }
    }
}
