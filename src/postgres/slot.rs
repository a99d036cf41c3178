//! The replication slot: what it is, making one, dropping one.

use std::time::Duration;

use tokio_postgres::Client;

use super::connection::Connection;
use super::slots::{self, SlotReport};
use super::{PostgresError, catalog, delimited};
use crate::change::Lsn;
use crate::config::postgres::{ConnectionConfig, PostgresConfig};
use crate::config::quantity::say_duration;
use crate::problem::Problem;

/// How long making a slot may wait for transactions that are open.
const CREATE_LIMIT: Duration = Duration::from_secs(60);

/// A slot as `pg_replication_slots` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The plugin.
    pub plugin: String,
    /// The database it decodes.
    pub database: String,
    /// What was confirmed.
    pub confirmed_flush_lsn: Option<Lsn>,
    /// `reserved`, `extended`, `unreserved` or `lost`.
    pub wal_status: Option<String>,
    /// Why the server gave it up, where it says so (PostgreSQL 17 and newer).
    pub invalidation: Option<String>,
}

impl Slot {
    /// The server has removed WAL that it needs: it can never be read again.
    pub fn is_lost(&self) -> bool {
        self.wal_status.as_deref() == Some("lost")
    }

    /// Why the server has given it up; `limit` is `max_slot_wal_keep_size`.
    pub fn why_lost(&self, limit: Option<&str>) -> String {
        match self.invalidation.as_deref() {
            None | Some("wal_removed") => {
                let limit = limit.map_or_else(String::new, |limit| format!(" = {limit}"));
                format!("wal_status is lost: max_slot_wal_keep_size{limit} was exceeded")
            }
            Some(reason) => format!("the server gave it up: {reason}"),
        }
    }
}

/// How much WAL the server keeps for slots; `None`: it does not say.
pub async fn keep_size(client: &Client) -> Option<String> {
    let row = client.query_one("select current_setting('max_slot_wal_keep_size', true)", &[]).await.ok()?;
    row.try_get(0).ok().flatten()
}

/// A slot that was just made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedSlot {
    /// Transactions that commit after this are in the stream; those before are in the snapshot.
    pub consistent_point: Lsn,
    /// The snapshot to import; it lives until the next command on the connection that made the slot.
    pub snapshot: String,
}

/// Looks a slot up.
pub async fn find(client: &Client, name: &str) -> Result<Option<Slot>, PostgresError> {
    let row = client
        .query_opt(
            // By way of JSON: a column that an older version lacks is null.
            "select plugin::text, coalesce(database::text, ''), confirmed_flush_lsn::text, wal_status, \
             to_jsonb(slot) ->> 'invalidation_reason' from pg_replication_slots as slot where slot_name = $1",
            &[&name],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let confirmed: Option<String> = row.try_get(2)?;
    Ok(Some(Slot {
        plugin: row.try_get::<_, Option<String>>(0)?.unwrap_or_default(),
        database: row.try_get(1)?,
        confirmed_flush_lsn: confirmed.and_then(|text| text.parse().ok()),
        wal_status: row.try_get(3)?,
        invalidation: row.try_get(4)?,
    }))
}

/// Who reads a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its process.
    pub pid: i32,
    /// Process, user, client, application, for people.
    pub shown: String,
    /// Its `application_name`.
    pub application: String,
}

/// Who reads a slot now, as far as this role may see it: process, user, client, application. `None`: nobody does any more.
pub async fn holder(client: &Client, name: &str) -> Option<Holder> {
    let row = client
        .query_opt(
            "select slot.active_pid, format('pid %s, user %s, client %s, application \"%s\"', slot.active_pid, coalesce(usename::text, '?'), \
                 coalesce(host(client_addr), client_hostname, 'local'), coalesce(nullif(application_name, ''), '?')), \
                 coalesce(application_name, ''), extract(epoch from now() - backend_start)::bigint \
             from pg_replication_slots as slot left join pg_stat_activity as activity on activity.pid = slot.active_pid \
             where slot.slot_name = $1 and slot.active_pid is not null",
            &[&name],
        )
        .await;
    let row = row.ok().flatten()?;
    let (who, age): (String, Option<i64>) = (row.try_get(1).ok()?, row.try_get(3).ok()?);
    let age = age.and_then(|seconds| u64::try_from(seconds).ok()).map(|seconds| say_duration(Duration::from_secs(seconds)));
    let shown = format!("{who}{}", age.map_or_else(String::new, |age| format!(", for {age}")));
    Some(Holder { pid: row.try_get(0).ok()?, shown, application: row.try_get(2).ok()? })
}

/// The oldest transaction whose rows of the catalogue the slot still needs.
pub async fn catalog_xmin(client: &Client, name: &str) -> Result<Option<u32>, PostgresError> {
    let row = client.query_opt("select catalog_xmin::text from pg_replication_slots where slot_name = $1", &[&name]).await?;
    let Some(row) = row else { return Ok(None) };
    let xmin: Option<String> = row.try_get(0)?;
    Ok(xmin.and_then(|xmin| xmin.parse().ok()))
}

/// What makes a found slot unusable for this connector, in words.
pub fn check(slot: &Slot, name: &str, database: &str) -> Result<(), PostgresError> {
    let problem = if slot.plugin != "pgoutput" {
        Problem::fail("pg/slot-plugin", format!("slot \"{name}\" uses the plugin {:?}, not pgoutput", slot.plugin))
            .fix("choose another slot.name, or drop that slot")
    } else if slot.database != database {
        Problem::fail("pg/slot-database", format!("slot \"{name}\" belongs to database \"{}\", not \"{database}\"", slot.database))
            .fix("choose another slot.name")
    } else if slot.is_lost() {
        Problem::fail("pg/wal-lost", format!("slot \"{name}\" has lost its WAL: changes are gone from the server"))
            .why(slot.why_lost(None))
            .fix(format!("SELECT pg_drop_replication_slot('{name}');\nthen delete the connector's position and start it again: it takes a new snapshot.\nDeletes that no snapshot shows: rowfeed snapshot start CONNECTOR --all --reconcile"))
    } else {
        return Ok(());
    };
    Err(PostgresError::Problem(problem))
}

/// What becomes of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotKind {
    /// It goes with the connection that made it.
    Temporary,
    /// It stays.
    Lasting,
    /// It stays, also on standbys (`slot.failover`).
    Failover,
}

impl SlotKind {
    /// The kind of a connector's own slot.
    pub fn of(config: &PostgresConfig) -> Self {
        if config.slot_failover { Self::Failover } else { Self::Lasting }
    }
}

/// Makes a slot on a replication connection and exports its snapshot.
pub async fn create(
    connection: &mut Connection,
    client: &Client,
    name: &str,
    server_version: u32,
    kind: SlotKind,
) -> Result<CreatedSlot, PostgresError> {
    let temporary = if kind == SlotKind::Temporary { " TEMPORARY" } else { "" };
    let options = match kind {
        _ if server_version < 150_000 => "EXPORT_SNAPSHOT",
        SlotKind::Failover if server_version >= 170_000 && on_primary(client).await? => "(SNAPSHOT 'export', FAILOVER)",
        _ => "(SNAPSHOT 'export')",
    };
    let sql = format!("CREATE_REPLICATION_SLOT {}{temporary} LOGICAL pgoutput {options}", delimited(name));
    let rows = match connection.query_within(&sql, CREATE_LIMIT, "making the slot").await {
        Err(PostgresError::Timeout(..)) => {
            let problem = waiting(client, name).await;
            give_up(client, name).await;
            return Err(problem);
        }
        Err(error) if error.code() == "53400" => return Err(full(client, error).await),
        other => other?,
    };
    let row = rows.into_iter().next().unwrap_or_default();
    let text = |index: usize| row.get(index).cloned().flatten().unwrap_or_default();
    let consistent_point = text(1).parse().map_err(|_| PostgresError::Protocol("no consistent point for the new slot".into()))?;
    Ok(CreatedSlot { consistent_point, snapshot: text(2) })
}

/// So many unused slots are told.
const IDLE_MAX: usize = 5;

/// No slot is free: which ones nobody reads, the greediest first.
async fn full(client: &Client, error: PostgresError) -> PostgresError {
    let Ok(reports) = slots::list(client).await else { return error };
    let mut idle: Vec<&SlotReport> = reports.iter().filter(|slot| slot.active_pid.is_none()).collect();
    idle.sort_by_key(|slot| std::cmp::Reverse(slot.retained_bytes));
    let shown = |slot: &&SlotReport| format!("{} ({})", slot.name, slot.idle());
    let list = idle.iter().take(IDLE_MAX).map(shown).collect::<Vec<_>>().join("   ");
    let used = reports.len();
    let more = format!("ALTER SYSTEM SET max_replication_slots = {};      -- then restart PostgreSQL", used + 10);
    let problem = Problem::fail("pg/slots-full", format!("no replication slot is free ({used} of {used} used)"));
    PostgresError::Problem(match idle.first() {
        None => problem.why("all of them are being read").fix(more),
        Some(first) => problem
            .why(format!(
                "nobody reads {}:  {list}",
                if idle.len() == 1 { "one of them".to_owned() } else { format!("{} of them", idle.len()) }
            ))
            .fix(format!("SELECT pg_drop_replication_slot('{}');      -- if nobody needs it\nor\n{more}", first.name)),
    })
}

async fn on_primary(client: &Client) -> Result<bool, PostgresError> {
    Ok(!client.query_one("select pg_is_in_recovery()", &[]).await?.try_get::<_, bool>(0)?)
}

/// Ends the session that is still making a slot, with the slot: it does not look at its socket while it waits.
pub async fn give_up(client: &Client, name: &str) {
    let ended =
        client.execute("select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1 and active", &[&name]).await;
    if let Err(error) = ended {
        tracing::warn!(slot = name, "the session that is making the slot could not be ended: {error}");
    }
}

/// Making a slot waits for all open transactions: says which.
async fn waiting(client: &Client, name: &str) -> PostgresError {
    let what = format!("slot \"{name}\" could not be made within {} s", CREATE_LIMIT.as_secs());
    PostgresError::Problem(waits_for(client, what).await)
}

/// What the making of a slot waits for, while it does.
pub async fn being_made(client: &Client, name: &str) -> Problem {
    waits_for(client, format!("slot \"{name}\" is being made, which waits")).await
}

/// The server says nothing of the slot, although it was asked for a sign of life.
pub fn stalled(name: &str, silent: Duration) -> Problem {
    Problem::retry(
        "pg/stalled",
        format!("PostgreSQL has sent nothing for {} s of slot \"{name}\", although it was asked", silent.as_secs()),
    )
    .why("its walsender is stopped or overloaded, the network drops what it sends, or it decodes a large transaction of other tables")
    .fix(format!(
        "what it does: SELECT r.pid, r.state, a.wait_event FROM pg_stat_replication r JOIN pg_stat_activity a USING (pid) \
             JOIN pg_replication_slots s ON s.active_pid = r.pid WHERE s.slot_name = '{name}'"
    ))
}

async fn waits_for(client: &Client, what: String) -> Problem {
    let list = open_transactions(client).await;
    Problem::retry("pg/slot-waiting", what)
        .why(format!("it waits for transactions that are open: {}", if list.is_empty() { "none seen now".into() } else { list.join("; ") }))
        .fix("end those transactions: SELECT pg_terminate_backend(PID); for prepared ones COMMIT PREPARED or ROLLBACK PREPARED")
}

/// The oldest transactions that hold up a new slot: of sessions, and prepared ones, which no session has. Of every database.
pub async fn open_transactions(client: &Client) -> Vec<String> {
    let blockers = client
        .query(
            "select text from (select xact_start as began, format('pid %s (%s, application %L), open for %s s', pid, coalesce(state, '-'), \
                 application_name, coalesce(extract(epoch from now() - xact_start)::int::text, '?')) as text \
               from pg_stat_activity where backend_xid is not null and pid <> pg_backend_pid() \
               union all select prepared, format('prepared transaction %L in database %L, open for %s s', gid, database, extract(epoch from now() - prepared)::int) \
               from pg_prepared_xacts) as open order by began limit 5",
            &[],
        )
        .await;
    blockers.iter().flatten().filter_map(|row| row.try_get(0).ok()).collect()
}

/// Drops a slot that nobody reads; true when it is gone.
pub async fn drop(client: &Client, name: &str) -> Result<bool, PostgresError> {
    client
        .execute("select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1 and not active", &[&name])
        .await?;
    Ok(find(client, name).await?.is_none())
}

/// How long a slot that is still being read is left before it is tried again.
const DROP_PAUSE: Duration = Duration::from_millis(200);

/// Drops a slot as soon as nobody reads it, on a session of its own: a reader that has ended here may not have over there. False:
/// it was still being read at the end of that time, or `still` says that it is not to be dropped any more.
pub async fn drop_when_free(
    config: &ConnectionConfig,
    application_name: &str,
    name: &str,
    wait_max: Duration,
    still: impl Fn() -> bool,
) -> Result<bool, PostgresError> {
    let mut is_read = false;
    let dropping = async {
        let client = catalog::open(config, application_name).await?;
        loop {
            if !still() {
                return Ok(false);
            }
            match drop(&client, name).await {
                Ok(true) => return Ok(true),
                Ok(false) => is_read = true,
                // Its reader came between the look and the order.
                Err(error) if error.code() == OBJECT_IN_USE => is_read = true,
                Err(error) => return Err(error),
            }
            tokio::time::sleep(DROP_PAUSE).await;
        }
    };
    match tokio::time::timeout(wait_max, dropping).await {
        Ok(done) => done,
        Err(_) if is_read => Ok(false),
        Err(_) => Err(PostgresError::Timeout(wait_max, "dropping the slot")),
    }
}

/// SQLSTATE of a slot that is being read.
const OBJECT_IN_USE: &str = "55006";

/// Writes an empty message outside any transaction, which moves the slots of an otherwise idle database. Needs no table.
pub async fn emit_message(client: &Client, prefix: &str) -> Result<(), PostgresError> {
    client.execute("select pg_logical_emit_message(false, $1, '')", &[&prefix]).await?;
    Ok(())
}
