//! What other sessions can see by now: a fresh snapshot of the primary, and how far a standby has replayed.
//!
//! Owns the two questions that a fence asks. A commit is decoded before others can see it: between the flush of its record
//! and its end in the list of running transactions lies at least a moment, and with a synchronous standby the standby's round trip.
//! Only a snapshot says whether it is over: a position in the WAL does not. On a standby it is the other way round: a change is visible
//! there once its commit record is replayed, and its snapshots do not list the primary's running transactions. Leaves what is waited for,
//! and how often is asked, to the caller.

use tokio_postgres::{Client, Statement};

use super::{PostgresError, catalog};
use crate::change::Lsn;
use crate::change::progress::Visibility;
use crate::config::postgres::ConnectionConfig;
use crate::problem::Problem;

/// What a look at the primary found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Whose changes a session that begins now can see.
    pub by: Visibility,
    /// How far the WAL is flushed: behind every commit that was delivered before.
    pub flushed: Lsn,
}

/// A session at the primary.
pub struct Primary {
    client: Client,
    look: Statement,
    config: ConnectionConfig,
}

/// What is asked of the primary. On a standby the functions of the WAL's writer are errors, so they are not called there.
const LOOK: &str = "select pg_current_snapshot()::text, \
    case when pg_is_in_recovery() then null else pg_current_wal_flush_lsn()::text end";

impl Primary {
    /// Opens a session. One that ends in a standby is refused: its snapshots do not say what the primary's sessions see.
    pub async fn open(config: &ConnectionConfig, application_name: &str) -> Result<Self, Problem> {
        let shown = |error: PostgresError| error.problem(config);
        let client = catalog::open(config, application_name).await.map_err(shown)?;
        let look = client.prepare(LOOK).await.map_err(|error| shown(error.into()))?;
        let primary = Self { client, look, config: config.clone() };
        primary.look().await.map(|_| primary)
    }

    /// A fresh look.
    pub async fn look(&self) -> Result<Seen, Problem> {
        let shown = |error: PostgresError| error.problem(&self.config);
        let row = self.client.query_one(&self.look, &[]).await.map_err(|error| shown(error.into()))?;
        let text = |at: usize| row.try_get::<_, Option<String>>(at).map_err(|error| shown(error.into()));
        let Some(flushed) = text(1)? else {
            return Err(Problem::retry("pg/not-primary", "this server is a standby")
                .at(self.config.shown())
                .why("whether a commit is visible can be asked of the primary only")
                .fix("name the primary (option primary of the subscription)"));
        };
        let snapshot = text(0)?.unwrap_or_default();
        let by = Visibility::parse(&snapshot).ok_or_else(|| shown(PostgresError::Protocol(format!("{snapshot:?} for a snapshot"))))?;
        let flushed = flushed.parse().map_err(|_| shown(PostgresError::Protocol(format!("{flushed:?} for a position"))))?;
        Ok(Seen { by, flushed })
    }

    /// A number above all that were given to transactions so far.
    pub async fn next_xid(&self) -> Result<u64, Problem> {
        super::reading::newest_xid(&self.client).await.map_err(|error| error.problem(&self.config))
    }

    /// A number that this server has not given yet: it is of another server's history, so nothing can be waited for.
    pub async fn is_foreign(&self, xid: u64) -> Result<bool, Problem> {
        match self.client.query_one("select pg_xact_status($1::text::xid8)", &[&xid.to_string()]).await {
            Ok(_) => Ok(false),
            // "transaction ID ... is in the future".
            Err(error) if error.code() == Some(&tokio_postgres::error::SqlState::INVALID_PARAMETER_VALUE) => Ok(true),
            Err(error) => Err(PostgresError::from(error).problem(&self.config)),
        }
    }

    /// Writes a message into the WAL that no table's reader sees, so that a source without changes moves on; where it ends.
    pub async fn push_forward(&self, prefix: &str) -> Result<Lsn, Problem> {
        let shown = |error: PostgresError| error.problem(&self.config);
        let sql = "select pg_logical_emit_message(true, $1, '')::text";
        let row = self.client.query_one(sql, &[&prefix]).await.map_err(|error| shown(error.into()))?;
        let text: String = row.try_get(0).map_err(|error| shown(error.into()))?;
        text.parse().map_err(|_| shown(PostgresError::Protocol(format!("{text:?} for a position"))))
    }

    /// The one value of a query, as text: `None` when it has no row or NULL.
    pub async fn value(&self, sql: &str) -> Result<Option<String>, Problem> {
        let messages = self.client.simple_query(sql).await.map_err(|error| PostgresError::from(error).problem(&self.config))?;
        Ok(messages.iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        }))
    }
}

/// A session at a standby that readers use.
pub struct Replica {
    client: Client,
    look: Statement,
    config: ConnectionConfig,
}

impl Replica {
    /// Opens a session.
    pub async fn open(config: &ConnectionConfig, application_name: &str) -> Result<Self, Problem> {
        let shown = |error: PostgresError| error.problem(config);
        let client = catalog::open(config, application_name).await.map_err(shown)?;
        let look =
            client.prepare("select pg_is_in_recovery(), pg_last_wal_replay_lsn()::text").await.map_err(|error| shown(error.into()))?;
        Ok(Self { client, look, config: config.clone() })
    }

    /// How far it has replayed. It moves on only behind a record that is replayed: a commit before it is visible there.
    pub async fn replayed(&self) -> Result<Lsn, Problem> {
        let shown = |error: PostgresError| error.problem(&self.config);
        let row = self.client.query_one(&self.look, &[]).await.map_err(|error| shown(error.into()))?;
        let standby: bool = row.try_get(0).map_err(|error| shown(error.into()))?;
        let text: Option<String> = row.try_get(1).map_err(|error| shown(error.into()))?;
        match text {
            Some(text) if standby => text.parse().map_err(|_| shown(PostgresError::Protocol(format!("{text:?} for a position")))),
            _ => Err(Problem::retry("pg/not-standby", "a server that is named as a replica is no standby")
                .at(self.config.shown())
                .why("it was promoted, or it never was one")
                .fix("leave it out of the replicas of the subscription, or name the new primary")),
        }
    }
}
