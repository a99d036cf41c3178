//! Whether a session from which nothing comes is still worked on.
//!
//! A COPY may sort for an hour before its first row and says nothing meanwhile; a server that hangs, or a route that is lost while
//! something between acknowledges the bytes, says as much. Owns telling them apart: after some silence the server is asked, on a
//! session of its own, what it does for the silent one. Promises that a statement that works is waited for however long it takes, and that a
//! session is given up whose server answers nobody, or believes to have answered, or has nobody who takes its rows. Leaves to TCP a
//! peer that is gone (keep-alives, a minute).

use std::time::Duration;

use super::{PostgresError, catalog};
use crate::config::postgres::ConnectionConfig;

/// So long nothing may come before the server is asked.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// So long it has to answer.
const ASK_MAX: Duration = Duration::from_secs(30);
/// What was on its way while it was asked comes within this.
pub(super) const LAST_WAIT: Duration = Duration::from_secs(2);
/// What `pg_stat_activity` shows of who asks.
const APPLICATION: &str = "rowfeed watch";

/// How long silence of a session is borne.
pub(super) struct Patience {
    config: ConnectionConfig,
    /// The session's process on the server.
    pid: i32,
    limit: Duration,
}

impl Patience {
    /// With this session of the server.
    pub(super) fn new(config: &ConnectionConfig, pid: i32) -> Self {
        Self { config: config.clone(), pid, limit: SILENCE_MAX }
    }

    /// Another limit, and where to ask.
    pub(super) fn change(&mut self, limit: Duration, config: &ConnectionConfig) {
        (self.limit, self.config) = (limit, config.clone());
    }

    /// After so much silence it is asked.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// Whether the server works for the session. Who does not know says yes.
    pub(super) async fn is_worked_on(&self) -> bool {
        let asked = async {
            let client = catalog::open(&self.config, APPLICATION).await?;
            let sql = "select coalesce(state, ''), coalesce(wait_event, '') from pg_stat_activity where pid = $1";
            let Some(row) = client.query_opt(sql, &[&self.pid]).await? else { return Ok(false) };
            Ok::<_, PostgresError>(works(row.try_get(0)?, row.try_get(1)?))
        };
        match tokio::time::timeout(ASK_MAX, asked).await {
            Ok(Ok(works)) => works,
            // It answers: there is no place for another session, say.
            Ok(Err(error)) => !error.code().is_empty(),
            Err(_) => false,
        }
    }

    /// The session is of no more use.
    pub(super) fn lost(&self) -> PostgresError {
        PostgresError::Timeout(self.limit, "waiting for rows, and the server is not working on them")
    }
}

/// What the server says that it does. A session that writes rows to us, of which none arrives, has lost its way.
fn works(state: &str, wait_event: &str) -> bool {
    let stuck = state == "active" && wait_event == "ClientWrite";
    !stuck && !state.starts_with("idle")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sorts_works_and_who_has_answered_does_not() {
        assert!(works("active", "") && works("active", "BufFileWrite") && works("active", "relation"));
        assert!(!works("active", "ClientWrite"), "nobody takes its rows");
        assert!(!works("idle in transaction", "ClientRead") && !works("idle", "ClientRead"), "it has answered");
        assert!(works("disabled", "") && works("", ""), "it does not say");
    }
}
