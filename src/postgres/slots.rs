//! The replication slots of a server, ours and others: who reads them, how much WAL they keep, how much more they may.
//!
//! Owns one query that works on every version and for a role without privileges. Changes nothing; dropping is
//! [`super::slot::drop`].

use std::time::Duration;

use tokio_postgres::Client;

use super::PostgresError;
use crate::config::quantity::{say_bytes, say_duration};

/// A slot as an operator looks at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotReport {
    /// Its name.
    pub name: String,
    /// It decodes; else it is a standby's.
    pub logical: bool,
    /// The plugin of a logical one.
    pub plugin: String,
    /// The database that a logical one decodes.
    pub database: String,
    /// The process that reads it.
    pub active_pid: Option<i32>,
    /// Who that is: process, user, application, address, as far as this role may see it.
    pub holder: String,
    /// The reader's `application_name`, as far as this role may see it.
    pub application: String,
    /// It goes with its session.
    pub temporary: bool,
    /// `reserved`, `extended`, `unreserved` or `lost`.
    pub wal_status: Option<String>,
    /// WAL that the server keeps for it.
    pub retained_bytes: Option<u64>,
    /// WAL that can be written until the slot is in danger; `None` where nothing limits it, or when it is lost.
    pub safe_bytes: Option<u64>,
    /// WAL written since what was confirmed.
    pub lag_bytes: Option<u64>,
    /// It lives on standbys, too (PostgreSQL 17 and later).
    pub failover: bool,
    /// Seconds without a reader, where the server says it (PostgreSQL 17 and later).
    pub inactive_s: Option<u64>,
}

impl SlotReport {
    /// Its WAL is gone, or may go with the next checkpoint.
    pub fn is_endangered(&self) -> bool {
        matches!(self.wal_status.as_deref(), Some("lost" | "unreserved"))
    }

    /// What it costs to keep it without a reader: `12 GiB of WAL, unused for 41 d 3 h`.
    pub fn idle(&self) -> String {
        let kept = self.retained_bytes.map_or_else(|| "its WAL is gone".to_owned(), |bytes| format!("{} of WAL", say_bytes(bytes)));
        let unused = self.inactive_s.map(|seconds| format!(", unused for {}", say_duration(Duration::from_secs(seconds))));
        format!("{kept}{}", unused.unwrap_or_default())
    }
}

/// Columns that came with later versions are asked for by name in JSON. What is NULL stays NULL: `greatest`
/// would make 0 of it.
const QUERY: &str = "with here as (select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end as lsn) \
     select s.slot_name::text, s.slot_type = 'logical', coalesce(s.plugin::text, ''), coalesce(s.database::text, ''), s.active_pid, \
            coalesce((select format('pid %s (user %s, application %L%s)', a.pid, coalesce(a.usename::text, '?'), coalesce(a.application_name, ''), \
                                    coalesce(', from ' || host(a.client_addr), '')) \
                      from pg_stat_activity a where a.pid = s.active_pid), 'pid ' || s.active_pid, ''), \
            s.temporary, s.wal_status, \
            case when s.restart_lsn is not null then greatest(pg_wal_lsn_diff(here.lsn, s.restart_lsn), 0)::bigint end, case when s.safe_wal_size < 0 then 0 else s.safe_wal_size end, \
            case when s.confirmed_flush_lsn is not null then greatest(pg_wal_lsn_diff(here.lsn, s.confirmed_flush_lsn), 0)::bigint end, \
            coalesce((to_jsonb(s) ->> 'failover')::boolean, false), \
            case when to_jsonb(s) ->> 'inactive_since' is not null \
                 then greatest(extract(epoch from now() - (to_jsonb(s) ->> 'inactive_since')::timestamptz), 0)::bigint end, \
            coalesce((select a.application_name from pg_stat_activity a where a.pid = s.active_pid), '') \
     from pg_replication_slots s, here order by s.slot_name collate \"C\"";

/// All slots of the server.
pub async fn list(client: &Client) -> Result<Vec<SlotReport>, PostgresError> {
    let rows = client.query(QUERY, &[]).await?;
    let report = |row: &tokio_postgres::Row| {
        let size = |at: usize| Ok::<_, tokio_postgres::Error>(row.try_get::<_, Option<i64>>(at)?.and_then(|size| u64::try_from(size).ok()));
        Ok(SlotReport {
            name: row.try_get(0)?,
            logical: row.try_get(1)?,
            plugin: row.try_get(2)?,
            database: row.try_get(3)?,
            active_pid: row.try_get(4)?,
            holder: row.try_get(5)?,
            temporary: row.try_get(6)?,
            wal_status: row.try_get(7)?,
            retained_bytes: size(8)?,
            safe_bytes: size(9)?,
            lag_bytes: size(10)?,
            failover: row.try_get(11)?,
            inactive_s: size(12)?,
            application: row.try_get(13)?,
        })
    };
    rows.iter().map(report).collect()
}
